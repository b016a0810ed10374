"""How costs grow: seconds and memory against the sizes of a model, beside what theory expects.

growth_models.py says what is measured, growth_theory.py what is expected; this program runs the points that are not
stored, puts their tables into growth.md and draws them. benchmarks/README.md says how to read it. Linux and macOS.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import growth_models
from growth_models import SENTENCES, TIMED
from growth_theory import BASE, curves, slopes
from report import spread
from store import ROOT, Store, code_of

# Heavy packages are imported where they are used, so that --help answers at once.
HERE = Path(__file__).resolve().parent
FAR = 1.5  # from here on measured and expected growth disagree


class Kind(NamedTuple):
    title: str
    label: str
    values: dict  # value: examples in an epoch, which are whole batches
    seconds: str  # what is expected of them, in words
    memory: str
    what: str = "examples in an epoch"
    unit: str = "10 000"


LINE = "slope 0 while encoder and decoder rule, then 1, for each {} adds the same"
WEIGHTS = "slope 0, then {} once the weights rule, held four times (weights, gradients, Adam's two moments)"
OUTPUTS = "slope 0, then {} once {}"
KINDS = {
    "latent": Kind(
        "Latent size", "latents", {2: 32768, 8: 32768, 32: 32768, 128: 24576, 512: 16384, 2048: 8192},
        "slope 0 while pixels x hidden rules, 1 once latents x hidden does (from 523 latents on)", WEIGHTS.format(1),
    ),
    "side": Kind(
        "Image side, dense", "side, pixels", {16: 65536, 32: 24576, 64: 8192, 128: 4096},
        "slope 2, for the outer layers' multiply-adds go with the number of pixels", WEIGHTS.format(2),
    ),
    "conv": Kind(
        "Image side, convolutions", "side, pixels", {16: 8192, 32: 3072, 64: 1024, 128: 512},
        "slope 2, for filters visit every pixel", OUTPUTS.format(2, "feature maps and weights rule"),
    ),
    "batch": Kind(
        "Batch size", "examples in a batch", {8: 8192, 32: 16384, 128: 32768, 512: 32768, 2048: 65536},
        "slope -1 through the first point, where each step's fixed cost rules (Adam goes over all weights), until it "
        "meets slope 0 through the last, where multiply-adds rule", OUTPUTS.format(1, "the layers' outputs rule"),
    ),
    "flow": Kind(
        "Flow steps", "steps", {1: 24576, 2: 24576, 4: 24576, 8: 16384, 16: 16384},
        LINE.format("step"), WEIGHTS.format(1),
    ),
    "groups": Kind(
        "Groups of latents", "groups", {1: 24576, 2: 24576, 4: 16384, 8: 16384},
        LINE.format("group"), WEIGHTS.format(1),
    ),
    "length": Kind(
        "Sequence length, GRU", "tokens", {8: 4096, 32: 1024, 128: 256},
        "slope 1, for a GRU does the same at every token", OUTPUTS.format(1, "the outputs at all tokens rule"),
    ),
    "attention": Kind(
        "Sequence length, attention", "tokens", {16: 2048, 64: 512, 256: 128},
        "slope 1 while the layers at each token rule, 2 once pairs of tokens do (from about 600 on)",
        OUTPUTS.format(2, "a number for each pair of tokens, each head and each example rules"),
    ),
    "vocabulary": Kind(
        "Vocabulary", "words", {64: 2048, 1024: 1024, 16384: 128},
        "slope 0 while the GRUs rule, 1 once the logits of all words at every token do",
        OUTPUTS.format(1, "those logits rule"),
    ),
    "classes": Kind(
        "Number of classes, M2", "classes", {2: 8192, 4: 4096, 8: 2048, 16: 1024},
        "slope 1, for the bound is a sum over the classes, with a pass through encoder and decoder for each",
        OUTPUTS.format(1, "the outputs of all passes rule"),
    ),
    "entries": Kind(
        "Codebook size", "entries", {64: 16384, 1024: 8192, 16384: 1024},
        "slope 0 while encoder and decoder rule, 1 once the distances to all entries do",
        OUTPUTS.format(1, "those distances rule"),
    ),
    "steps": Kind(
        "Diffusion steps, training", "steps", {10: 16384, 100: 16384, 1000: 16384},
        "slope 0, for training takes one time for each example, however many there are", "slope 0 for the same reason",
    ),
    "drawing": Kind(
        "Diffusion steps, drawing", "steps", {10: 64, 40: 64, 160: 64, 640: 64},
        "slope 1, for every step asks the network, once that outweighs building the program of a step, which each call "
        "of `sample` does anew",
        "slope 0, then 1 once what is drawn on the way rules, which `sample` holds to its end",
        "drawn in a call", "10 000 drawn",
    ),
    "hidden": Kind(
        "Exact log Z of an RBM", "hidden units", {8: 1, 10: 1, 12: 1, 14: 1, 16: 1},
        "1 doubling a unit, for the sum has 2^units terms",
        "1 doubling a unit up to blocks of 2^13 terms, then none", "sums in a run", "a sum",
    ),
}  # fmt: skip
PICTURES = {"": ("latent", "side", "conv", "batch", "flow", "groups"), "_sentences": SENTENCES}
PICTURES |= {"_others": ("classes", "entries", "steps", "drawing", "hidden")}
PROGRAM = "The program itself grows: its graph and compiling it take more than the weights, with XLA or without."
SMALL = "Not counted: what is no matrix product, and that small matrices use a processor less well than large ones."
NEAREST = "Not counted: finding the nearest of all entries; and a product of 16 numbers writes more than it computes."
# Why more is measured than expected, where that is known.
WHY = {(kind, name): why for kind in ("flow", "groups") for name, why in (("seconds", SMALL), ("memory", PROGRAM))}
WHY |= {("entries", "seconds"): NEAREST, ("classes", "memory"): PROGRAM}


def measure(*task):
    """A point in a new process, or {"error": why not}."""
    command = [sys.executable, growth_models.__file__, *map(str, task)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    said = done.stderr.strip().splitlines() or ["it said nothing"]
    return {"error": f"the process ended with {done.returncode}: {said[-1][:200].replace('|', '/')}"}


# ---- what is told ----
def table(kind, results):
    """The section of a kind from {value: result}: when and where, and in words how far theory holds."""
    title, label, _, *expected, what, unit = KINDS[kind]
    done = [result for result in results.values() if "error" not in result]
    clock = "seconds" if any("GPU" in result["about"] for result in done) else "CPU seconds"
    head = f"| {label} | {what} | {clock} for {unit} (low to high) | first, s | peak, MB "
    head += "| above the start, MB | growth of seconds: expected, measured | growth of memory: expected, measured |"
    lines = [f"## {title}", "", head, "|" + "---|" * 8]
    found = curves(kind, results)
    for value, result in results.items():
        if "error" in result:
            lines.append(f"| {value} | failed: {result['error']} | | | | | | |")
            continue
        cells = [f"{result['examples']:,}", spread(result["seconds"], 3), f"{result['first']:.1f}"]
        cells += [f"{result[part]:,.0f}" for part in ("peak", "above")]
        for values, *pair in found.values():
            i = values.index(value)
            cells.append(", ".join(f"{curve[i] / curve[i - 1]:.2f}" for curve in pair) if i else "")
        lines.append(f"| {value} | {' | '.join(cells)} |")
    lines.append("")
    for (name, (values, *pair)), why in zip(found.items(), expected):
        theory, real = (curve[-1] / curve[-2] for curve in pair)
        ends = ", measured ".join("{:.2f} and {:.2f}".format(*slopes(kind, values, curve)) for curve in pair)
        apart = max(theory / real, real / theory)
        verdict = f"they agree within {FAR} times."
        if apart > FAR:
            known = WHY.get((kind, name)) if real > theory else None
            verdict = f"they DISAGREE, {apart:.1f} times. {known or 'Why is not known.'}"
        lines.append(f"- {name.capitalize()}, expected: {why}. Slopes at both ends: expected {ends}.")
        grows = f"{theory:.2f} times expected, {real:.2f} times measured"
        lines.append(f"- {name.capitalize()} from {values[-2]} to {values[-1]}: {grows}; {verdict}")
    days, about = sorted({result["day"] for result in done}), sorted({result["about"] for result in done})
    load = "{:.1f} to {:.1f}".format(*(f(result["load"] for result in done) for f in (min, max))) if done else ""
    lines += [f"- Measured {' and '.join(days)}, {TIMED} timed. Load {load}. Ran on: {' and '.join(about)}"] * bool(
        done
    )
    lines += [f"- {where}".replace("\n- ", "; ") for where in sorted({result["machine"] for result in done})]
    return "\n".join(lines)


def numbers(section):
    """{value: result} from the table of a section, as far as figures and curves need it."""
    results = {}
    for line in re.findall(r"^\| \d.*", section, re.MULTILINE):
        value, *cells = (cell.strip() for cell in line.replace(",", "").split("|")[1:-1])
        if cells[0].startswith("failed"):
            results[int(value)] = {"error": cells[0]}
            continue
        seconds = [float(number) for number in re.findall(r"[\d.]+", cells[1])]
        results[int(value)] = {"examples": int(cells[0]), "seconds": seconds, "above": float(cells[4])}
    return results


def sections(text):
    """{kind: its section} of an earlier growth.md."""
    titles = {kind.title: name for name, kind in KINDS.items()}
    parts = [part.strip() for part in text.split("\n## ")[1:]]
    return {titles[part.split("\n")[0]]: f"## {part}" for part in parts if part.split("\n")[0] in titles}


def figure(results, file):
    """Seconds above, memory below, a column for each kind: measured points beside the expected curve."""
    from vae_course import plots

    import matplotlib.pyplot as plt

    plots.use_style()
    fig, axes = plt.subplots(2, len(results), figsize=(max(5, 2.2 * len(results) + 1.2), 6.4), squeeze=False)
    for column, (kind, points) in zip(axes.T, results.items()):
        for ax, (name, (values, theory, real)) in zip(column, curves(kind, points).items()):
            draw = ax.semilogy if kind == "hidden" else ax.loglog
            draw(values, theory, "--", color=plots.COLORS[3], label="expected by theory")
            draw(values, real, "o-", color=plots.COLORS[0], label="measured (bars: lowest to highest)")
            if name == "seconds":
                spans = [(min(points[value][name]), max(points[value][name])) for value in values]
                ax.vlines(values, *zip(*spans), color=plots.COLORS[0], linewidth=3)
            # Plus 0.0: no minus before a zero.
            ends = [
                ", ".join(f"{round(end, 1) + 0.0:.1f}" for end in slopes(kind, values, curve))
                for curve in (theory, real)
            ]
            rate = "doublings a unit" if kind == "hidden" else "slopes"
            ax.set_title("{} at the ends\nexpected {}\nmeasured {}".format(rate, *ends), fontsize=9)
            low, high = min(*theory, *real), max(*theory, *real)
            low, high = low / 1.5, max(high * 1.5, 10 * low)  # no panel magnifies small changes
            ticks = [digit * 10.0**power for power in range(-4, 6) for digit in (1, 3)]
            ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.set_xticks(values, list(map(str, values)), fontsize=9)
            ax.minorticks_off()
            ax.set_ylim(low, high)
        column[0].set_title(f"{KINDS[kind].title}\n\n{column[0].get_title()}", fontsize=9)
        column[1].set_xlabel(KINDS[kind].label)
        if KINDS[kind].what != "examples in an epoch":
            column[0].set_ylabel(f"seconds for {KINDS[kind].unit}")
    axes[0, 0].set_ylabel("seconds for 10 000 examples")
    axes[1, 0].set_ylabel("peak memory above the start, MB")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    fig.savefig(file)


def write(file, found, new, heading):
    """The sections into a file, and beside it the pictures of those that are new, drawn from what the file says."""
    lines = list(heading)
    for end, kinds in PICTURES.items():
        drawn = file.with_name(f"{file.stem}{end}.png")
        shown = {kind: numbers(found[kind]) for kind in kinds if kind in found}
        if set(kinds) & set(new):
            figure(shown, drawn)
        if shown:
            told = "; ".join(KINDS[kind].title for kind in shown)
            lines.append(f"![Measured and expected seconds and memory, logarithmic axes: {told}.]({drawn.name})")
    text = "\n\n".join([*lines, *(found[kind] for kind in KINDS if kind in found)]) + "\n"
    file.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=KINDS, metavar="KIND", help=f"some of {', '.join(KINDS)}")
    parser.add_argument("--quick", action="store_true", help="two points of a kind, four steps: to try it out")
    parser.add_argument("--fresh", action="store_true", help="measure anew what an earlier run has measured")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, default=ROOT / ".build" / "benchmarks", metavar="FOLDER")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put these tables into FILE, and pictures beside it; default: "
        "growth.md beside this script, but not with --only or --quick",
    )  # fmt: skip
    options = parser.parse_args()
    from tqdm import tqdm

    own = HERE / "growth.md"
    file = options.markdown or (None if options.only or options.quick else own)
    if options.quick and file and file.resolve() == own:
        parser.error("--quick measures nothing that belongs into growth.md: give --markdown another file")
    chosen = [kind for kind in KINDS if kind in (options.only or KINDS)]
    known, tasks, old = Store("growth", *code_of(growth_models.point), folder=options.store), [], 0
    for kind in chosen:
        for value, examples in list(KINDS[kind].values.items())[: 2 if options.quick else None]:
            tasks.append((kind, value, min(examples, 4 * BASE["batch"]) if options.quick else examples, options.seed))
    results = {kind: {} for kind in chosen}
    with tqdm(tasks, unit="point") as bar:
        for kind, value, examples, seed in bar:
            bar.set_description(f"{kind} {value}")
            key = f"{kind}={value} examples={examples} seed={seed}"
            if options.fresh or key not in known:
                result = measure(kind, value, examples, seed)
                if "error" not in result:
                    known[key] = result
            else:
                result, old = known[key], old + 1
            results[kind][value] = result
    found = {kind: table(kind, points) for kind, points in results.items()}
    heading = [
        "# Growth of the cost",
        f"Images, sentences and the like are random numbers, seed {options.seed}; Adam 1e-3, float32.",
    ]
    if options.quick:
        heading.append("**Tried out with --quick: these figures are not to be quoted.**")
    print("\n\n".join(heading + list(found.values())))
    print(f"{old} of {len(tasks)} points are an earlier run's", file=sys.stderr)
    if file:
        before = file.read_text() if file.exists() and not options.quick else ""
        write(file, sections(before) | found, found, heading)
    if any("error" in result for points in results.values() for result in points.values()):
        sys.exit("A point failed: the tables say why")


if __name__ == "__main__":
    main()
