"""The library held against published results on real data: one table. Run by `make bench` and `make bench-full`.

rows.py says what is trained; this program runs it, remembers what is finished (an interrupted run goes on where it
was), writes the table, and fails if a row misses its reach, or passes a limit that nobody can pass.
"""

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

from report import surroundings
from store import ROOT, Store, code_of


class Run:
    """How much is trained: everything, or with `trial` one epoch on a few random images."""

    def __init__(self, trial):
        self.trial = trial
        self.start = time.process_time()

    def epochs(self, count):
        return 1 if self.trial else count

    def most(self, count):
        """How many test images, or samples for each, at most."""
        return min(count, 20) if self.trial else count

    def cpu(self):
        """Processor seconds of this piece up to now, all threads together."""
        return time.process_time() - self.start

    def bar(self):
        """A progress bar over epochs, as a list of callbacks."""
        from tqdm.keras import TqdmCallback

        return [TqdmCallback(verbose=0, leave=False)]

    def load(self, name, dtype="float32"):
        """The data set; in a trial, noise of its shape."""
        from vae_course import datasets

        if not self.trial:
            return datasets.load(name, dtype)
        import noise

        return noise.like(name, dtype)


# ---- words ----


def spread(values, digits):
    """The mean, and with several values the lowest and the highest."""
    middle = f"{statistics.mean(values):.{digits}f}"
    return middle if len(values) < 2 else f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def verdict(claim):
    """reached, NOT reached, told, or BEYOND THE LIMIT, which is a mistake in here and no success."""
    sign = 1 if claim.limit < claim.reach else -1  # -1 where more is better
    if any(math.isnan(value) for value in claim.values):
        return "NOT reached: not a number"
    if any(sign * value < sign * claim.limit for value in claim.values):
        return "BEYOND THE LIMIT"
    if math.isinf(claim.reach):
        return "told"
    return "reached" if sign * statistics.mean(claim.values) <= sign * claim.reach else "NOT reached"


def bounds(claim):
    """What counts as reached, as an interval."""
    if math.isinf(claim.reach):
        return f"only told; limit {claim.limit:.{claim.digits}f}"
    low, high = sorted((claim.reach, claim.limit))
    return f"{low:.{claim.digits}f} to {high:.{claim.digits}f}"


HEAD = ["row", "quantity", "published", "ours: mean (lowest to highest)", "runs", "reached if within", "verdict"]


def section(row, results):
    """The lines of a row's claims, and those of them that failed."""
    lines, failed = [], []
    for claim in row.judge([(entry["piece"], entry["found"]) for entry in results]):
        outcome, ours = verdict(claim), spread(claim.values, claim.digits)
        cells = [row.name, claim.what, claim.published, ours, str(len(claim.values)), bounds(claim), outcome]
        lines.append(f"| {' | '.join(cells)} |")
        if outcome not in ("reached", "told"):
            said = f"{row.name}, {claim.what}: {outcome}. Ours {ours}, reached if within {bounds(claim)}"
            failed.append(f"{said}. {claim.tried}".rstrip(". "))
    return lines, failed


def budget(row, results):
    """One line on what a row costs: protocol, pieces, minutes of all cores together."""
    cpu = [entry["cpu"] for entry in results]
    protocol, days = " ".join(row.measure.__doc__.split()), sorted({entry["day"] for entry in results})
    count = f"{len(results)} piece" + "s" * (len(results) > 1)
    return (
        f"- **{row.name}**: {protocol} {count}, {sum(cpu) / 60:.1f} CPU-minutes in all, "
        f"{max(cpu) / 60:.1f} for the longest. Measured {' and '.join(days)}."
    )


# ---- the run ----


def measure(row, piece, trial):
    """One piece: its settings, what it found, and what it cost."""
    run, start = Run(trial), time.perf_counter()
    found = row.measure(run, **piece)
    cost = {"wall": time.perf_counter() - start, "cpu": run.cpu(), "day": time.strftime("%Y-%m-%d")}
    return {"piece": piece, "found": found, **cost}


def pieces(chosen, seeds, folder, trial, fresh):
    """Measure every piece of the chosen rows that is not stored; {row name: its results}. seeds: None means all."""
    from tqdm import tqdm

    todo = [(row, piece) for row in chosen for piece in row.pieces if seeds is None or piece.get("seed", 0) in seeds]
    stores = {row.name: Store("trial" if trial else row.name, *code_of(row.measure), folder=folder) for row in chosen}
    results = {row.name: [] for row in chosen}
    with tqdm(todo, unit="piece") as bar:
        for row, piece in bar:
            store = stores[row.name]
            key = "_".join([row.name, *(f"{name}={value}" for name, value in piece.items())])
            bar.set_description(key)
            if fresh or key not in store:
                store[key] = measure(row, piece, trial)
            results[row.name].append(store[key])
    return results


def standing(text, name):
    """What an earlier table says of a row: its lines, its budget, and what it did not reach."""
    lines = text.splitlines()
    beginnings = (f"| {name} | ", f"- **{name}**: ", f"- {name}, ")
    return [[line for line in lines if line.startswith(beginning)] for beginning in beginnings]


def table(everything, results, trial, before=""):
    """The whole text, and the sentences on what failed. Rows without results stand as `before`, an earlier table, has
    them, with the day on which they were measured."""
    lines, budgets, failed, told = [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)], [], [], []
    for row in everything:
        if row.name in results:
            found, missed = section(row, results[row.name])
            cost, said = [budget(row, results[row.name])], [f"- {line}" for line in missed]
            failed += missed
        else:
            found, cost, said = standing(before, row.name)
        lines, budgets, told = lines + found, budgets + cost, told + said
    kind = (
        "a trial on noise: NOT TO BE QUOTED"
        if trial
        else "real data; each row says below when it was measured; where it says nothing else"
    )
    parts = ["# Held against published results", surroundings(kind)]
    parts += ["\n".join(lines), "\n".join(budgets)]
    parts.append("\n".join(told) or "Every row reached what it was to reach.")
    return "\n\n".join(part.strip() for part in parts) + "\n", failed


def main():
    from rows import rows

    everything = rows()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="exact, Y1 and Y5 with seed 0: minutes")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in everything], metavar="ROW")
    parser.add_argument("--fresh", action="store_true", help="measure again what is finished")
    parser.add_argument("--trial", action="store_true", help="noise, seed 0, one epoch: measures nothing")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put these rows into the table there")
    parser.add_argument("--store", type=Path, default=ROOT / ".build" / "benchmarks", metavar="FOLDER")
    options = parser.parse_args()
    chosen = [
        row for row in everything if row.name in (options.only or [row.name]) and (row.quick or not options.quick)
    ]
    seeds = (0,) if options.quick or options.trial else None
    try:
        results = pieces(chosen, seeds, options.store, options.trial, options.fresh)
    except RuntimeError as error:  # data that cannot be had
        sys.exit(f"{error}\nOr try the program with --trial; its figures mean nothing.")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. What is finished is kept: the same command goes on from there.")
    before = options.markdown.read_text() if options.markdown and options.markdown.exists() else ""
    text, failed = table(everything, results, options.trial, before)
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if failed and not options.trial:
        sys.exit("FAILED:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
