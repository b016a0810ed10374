"""What each chapter costs: seconds, memory and compiled programs, for a teacher who plans a room.

    .venv/bin/python benchmarks/chapters.py --markdown benchmarks/chapters.md      all, 25 to 40 minutes on one core
    .venv/bin/python benchmarks/chapters.py --only 03 07                           some; printed

A copy of each chapter runs from top to bottom in a kernel of its own, in a folder that is thrown away, on one core.
What is finished is stored: an interrupted run goes on, and a chapter is measured anew once its code, or the library's,
has changed.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from report import machine
from store import HERE, ROOT, Store

BEGIN = """import sys
sys.path.insert(0, {here!r})
import chapters_inside
sys.path.remove({here!r})
chapters_inside.begin({core})
"""
PROGRAMS = HERE / "chapters_inside.py", HERE / "memory.py"
END = "import json\nprint(json.dumps(chapters_inside.spent()))"
HEAD = "| chapter | wall, s | CPU, s | peak, GB | its own at the end, GB | programs | by XLA | measured |"
TOLD = """- On one core, in a kernel of its own, from its start to the last cell, imports included. CPU: all threads.
- Peak: the most memory that the kernel ever held, libraries included (`VmHWM`; elsewhere than on Linux `ru_maxrss`).
  Its own: what it alone had written at the end (`Private_Dirty`), and so cannot share. Kernels on one machine share the
  libraries, 0.4 to 0.5 GB.
- Programs: graphs that `tf.function` built and TensorFlow compiled, those inside another not counted. A function counts
  once for each shape and type of its arguments, be it the library's, Keras's or the chapter's. By XLA: programs, or
  parts of them, that were handed to XLA."""


def measure(path):
    """One chapter from top to bottom: a dictionary of plain numbers, or {"error": what went wrong}."""
    nb = nbformat.read(path, as_version=4)
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    nb.cells.insert(0, nbformat.v4.new_code_cell(BEGIN.format(here=str(HERE), core=core)))
    nb.cells.append(nbformat.v4.new_code_cell(END))
    load, begin = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--IPKernelApp.capture_fd_output=False", "--IPKernelApp.log_level=ERROR"]  # as sources/build.py
        client = NotebookClient(
            nb, timeout=None, kernel_name="python3", extra_arguments=options, resources={"metadata": {"path": folder}}
        )
        try:
            client.execute()
        except CellExecutionError as error:
            return {"error": f"{error.ename}: {error.evalue}"[:200].replace("|", "/").replace("\n", " ")}
        except DeadKernelError:
            return {"error": "the kernel died: out of memory?"}
    wall = time.perf_counter() - begin
    found = json.loads("".join(output["text"] for output in nb.cells[-1].outputs if output.get("name") == "stdout"))
    return {"wall": wall, **found, "load": load, "day": time.strftime("%Y-%m-%d"), "machine": machine()}


def line(stem, found):
    if "error" in found:
        return f"| {stem} | failed: {found['error']} | | | | | | |"
    own = "-" if found["own"] is None else f"{found['own'] / 1e9:.1f}"
    cells = [f"{found['wall']:.0f}", f"{found['cpu']:.0f}", f"{found['peak'] / 1e9:.1f}", own]
    return f"| {' | '.join([stem, *cells, str(found['programs']), str(found['xla']), found['day']])} |"


def table(results, before=""):
    """The whole text. Chapters without results stand as `before`, an earlier text, has them."""
    rows = {row.split("|")[1].strip(): row for row in re.findall(r"^\| \d.*", before, re.MULTILINE)}
    rows |= {stem: line(stem, found) for stem, found in results.items()}
    rows = [rows[stem] for stem in sorted(rows)]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    places, done = {}, [row for row in cells if "failed" not in row[1]]
    for found in results.values():
        if "error" not in found:
            where = f"{found['day']}, {found['machine']}".replace("\n- ", "; ")
            places.setdefault(where, []).append(found["load"])
    told = [f"- {where}; load {min(loads):.1f} to {max(loads):.1f}" for where, loads in places.items()]
    kept = [
        old for old in re.findall(r"^- 20\d\d-.*", before, re.MULTILINE) if old.split("; load")[0][2:] not in places
    ]
    told += [old for old in kept if old[2:12] in {row[-1] for row in done}]
    if done:
        cpu, peak = sum(float(row[2]) for row in done), max(float(row[3]) for row in done)
        told.insert(
            0, f"- {len(done)} of {len(rows)} chapters: {cpu / 60:.1f} CPU-minutes; the largest peak {peak:.1f} GB"
        )
    lines = ["\n".join([HEAD, "|" + "---|" * 8, *rows]), "\n".join([*told, TOLD])]
    return "\n\n".join(["# What each chapter costs", *lines]) + "\n"


def main(arguments=None, folder=ROOT / "chapters"):
    from tqdm import tqdm

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NN", help="chapters whose names begin so")
    parser.add_argument("--fresh", action="store_true", help="measure again what is stored")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put these rows into the table there")
    parser.add_argument("--store", type=Path, default=ROOT / ".build" / "benchmarks", metavar="FOLDER")
    options = parser.parse_args(arguments)
    chosen = [p for p in sorted(folder.glob("[0-9]*.ipynb")) if p.stem.startswith(tuple(options.only or [""]))]
    if not chosen:
        parser.error(f"no chapter in {folder} has a name that begins with {' or '.join(options.only or ['a number'])}")
    results, bar = {}, tqdm(chosen, unit="chapter")
    for path in bar:
        bar.set_description(path.stem)
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        known = Store(f"chapter-{path.stem}", "\n\n".join(code), *PROGRAMS, folder=options.store)
        if options.fresh or path.stem not in known:
            found = measure(path)
            if "error" not in found:
                known[path.stem] = found
        else:
            found = known[path.stem]
        results[path.stem] = found
    print(table(results))
    if options.markdown:
        before = options.markdown.read_text() if options.markdown.exists() else ""
        options.markdown.write_text(table(results, before))
    if any("error" in found for found in results.values()):
        sys.exit("A chapter failed: the table says why")


if __name__ == "__main__":
    main()
