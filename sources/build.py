"""Build the notebooks of chapters/, solutions/ and exercises/ from sources/.

    python sources/build.py            build what is missing or stale
    python sources/build.py 02 03      only notebooks whose names start so
    python sources/build.py --jobs 2   several at a time, each on cores of its own
    python sources/build.py --all      execute every notebook again (after a change of the library)
    python sources/build.py --check    say what is stale, hand-edited, unexecuted or orphaned; execute nothing
    python sources/build.py --force    overwrite notebooks changed by hand too, keeping a copy in mine/

A notebook is executed again only if one of its code cells changed. jupytext reads the source, nbclient
executes, nbgrader's own preprocessors make the exercise. A digest of its cells stands in each notebook's
metadata, so that work done in it is noticed.
"""

import argparse
import ast
import hashlib
import json
import logging
import os
import queue
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.exporters import NotebookExporter
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import SaveCells
from traitlets.config.loader import PyFileConfigLoader

ROOT = Path(__file__).resolve().parent.parent
CELL_TIMEOUT = 600  # seconds
HIDDEN = "### BEGIN HIDDEN TESTS"
GUARD = "import vae_course.grading; vae_course.grading.guard()  # are the tests themselves untouched?"
NBGRADER_CELL = {"grade": False, "locked": False, "schema_version": 3, "solution": False, "task": False}
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


@dataclass(frozen=True)
class Target:
    """A source and what is built from it; exercise is None for a chapter."""

    source: Path
    notebook: Path
    exercise: Path | None = None


def targets(root, names=()):
    found = []
    for source in sorted((root / "sources/chapters").glob("*.py")):
        found.append(Target(source, root / "chapters" / f"{source.stem}.ipynb"))
    for source in sorted((root / "sources/problems").glob("*.py")):
        place = Path(source.stem, f"{source.stem}.ipynb")
        found.append(Target(source, root / "solutions" / place, root / "exercises" / place))
    return [t for t in found if not names or t.source.stem.startswith(tuple(names))]


# --- reading a source -----------------------------------------------------------------------------


def read_source(path):
    """The notebook that a source describes: every cell as it will be stored, without outputs."""
    nb = nbformat.v4.new_notebook(metadata=METADATA)
    for index, cell in enumerate(jupytext.read(path, fmt="py:percent").cells):
        metadata = {key: value for key, value in cell.metadata.items() if key != "lines_to_next_cell"}
        if "tags" in metadata:
            metadata["tags"] = ["nbval-ignore-output" if tag == "drift" else tag for tag in metadata["tags"]]
        cell_id = f"cell-{index:02d}"
        if "nbgrader" in metadata:
            grader = metadata["nbgrader"] = NBGRADER_CELL | metadata["nbgrader"]
            cell_id = grader["grade_id"]
            if grader["grade"] and not grader["solution"]:
                grader["locked"] = True
                if cell.cell_type == "code":
                    cell.source = complete_check(cell.source)
        new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        nb.cells.append(new(cell.source, id=cell_id, metadata=metadata))
    nbformat.validate(nb)
    return nb


def complete_check(source):
    """A graded cell with what every one of them needs: the line that a learner sees last, and the guard."""
    visible, mark, hidden = source.partition(HIDDEN)
    count = sum(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(visible)))
    told = [f"visible checks passed ({count} of {count})"] if count else []
    told += ["hidden checks are run when graded"] if mark else []
    hidden = hidden.strip("\n") if mark else "### END HIDDEN TESTS"
    told = f'print("{"; ".join(told)}")'
    return "\n".join([visible.rstrip("\n"), told, HIDDEN, GUARD, hidden]).lstrip("\n")


# --- comparing ------------------------------------------------------------------------------------


def digest(nb):
    return hashlib.sha256(json.dumps(nb.cells, sort_keys=True).encode()).hexdigest()[:16]


def described(nb):
    """What a source decides about a notebook."""
    return [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in nb.cells]


def code(nb):
    """What decides whether the stored outputs still hold: not whether they drift, nor slides, grading and alt texts."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    marks = ("nbval-ignore-output", "slide-", "beside:")
    tags = [{tag for tag in cell.metadata.get("tags", []) if not tag.startswith(marks)} for cell in cells]
    no_part = {"slideshow": {}, "mystnb": {}}
    return [(cell.source, {**cell.metadata, "tags": own, **no_part}) for cell, own in zip(cells, tags)]


def text(nb):
    return nbformat.writes(nb) + "\n"


def states(path, field, wanted=None):
    """What is wrong with a built notebook, in words; `field` is its digest's name in the metadata."""
    if not path.exists():
        return ["missing"]
    written = path.read_text(encoding="utf-8")
    try:
        nb = nbformat.reads(written, as_version=4)
        known = nb.metadata["vae_course"][field]
    except Exception:  # whatever it is, it is not ours to overwrite
        return ["hand-edited"]
    found = ["hand-edited"] if digest(nb) != known else []
    if isinstance(wanted, str):
        return found or (["stale"] if written != wanted else [])
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("unexecuted")
    # An editor that only opened the notebook may have written its versions into the metadata.
    tidy = written == text(nb) and nb.metadata == stamp(nb.metadata)
    if wanted and not (tidy and described(nb) == described(wanted)):
        found.append("stale")
    return found


def stamp(metadata, **digests):
    return METADATA | {"vae_course": metadata.get("vae_course", {}) | digests}


# --- making ---------------------------------------------------------------------------------------


def execute(nb, path):
    """Run every cell in the notebook's own folder; keep nothing that differs from run to run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    now = {"index": 0}
    client = NotebookClient(
        nb, timeout=CELL_TIMEOUT, kernel_name="python3", record_timing=False, store_widget_state=False,
        coalesce_streams=True, resources={"metadata": {"path": str(path.parent)}},
        # TensorFlow's C++ log would be stored here but not seen by nbval, which compares.
        extra_arguments=["--IPKernelApp.capture_fd_output=False", "--IPKernelApp.log_level=ERROR"],
        on_cell_start=lambda cell, cell_index: now.update(index=cell_index),
    )  # fmt: skip
    try:
        client.execute(stderr=subprocess.DEVNULL)  # TensorFlow's C++ log would hide the progress
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        cell = nb.cells[now["index"]]
        source = "" if isinstance(error, CellExecutionError) else f"{cell.source}\n"  # else in the error
        raise RuntimeError(f"Cell {now['index']} ({cell.id}):\n{source}{error}") from None
    for index, cell in enumerate(nb.cells):
        raised = any(output.output_type == "error" for output in cell.get("outputs", []))
        if "raises-exception" in cell.metadata.get("tags", []) and not raised:
            raise RuntimeError(f"Cell {index} ({cell.id}) was to raise, and raised nothing:\n{cell.source}")
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)


def release(nb, root):
    """The exercise made from a solution: byte for byte what `nbgrader generate_assignment` writes."""
    logging.getLogger("traitlets").setLevel(logging.WARNING)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config.Exporter.default_preprocessors = []
    exporter = NotebookExporter(config=config)
    for preprocessor in GenerateAssignment().preprocessors:
        if preprocessor is not SaveCells:  # which writes to the gradebook only
            exporter.register_preprocessor(preprocessor)
    return exporter.from_notebook_node(nb, resources={"nbgrader": {}})[0]


def write(path, content):
    """Whole or not at all: an interrupted build leaves the earlier notebook in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)


def may_overwrite(path, found, root, force):
    if "hand-edited" not in found:
        return True
    if not force:
        print(f"{path.relative_to(root)}: changed by hand, so left as it is. To have it built anew, move it"
              " away or run `python sources/build.py --force`, which keeps a copy in mine/.")  # fmt: skip
        return False
    copy, number = root / "mine" / path.relative_to(root), 2
    while copy.exists():
        copy = copy.with_name(f"{path.stem}-{number}.ipynb")
        number += 1
    write(copy, path.read_text(encoding="utf-8"))
    write(root / "mine/.gitignore", "*\n")
    print(f"{path.relative_to(root)}: your version is kept in {copy.relative_to(root)}")
    return True


def build(target, root, everything=False, force=False):
    """Bring a notebook, and its exercise, up to date. Return whether all of it is."""
    nb = read_source(target.source)
    name = target.notebook.relative_to(root)
    found = states(target.notebook, "built", nb)
    if found or everything:
        if not may_overwrite(target.notebook, found, root, force):
            return False
        old = nbformat.read(target.notebook, as_version=4) if found == ["stale"] else None
        if old and not everything and code(old) == code(nb):
            outputs = iter([cell for cell in old.cells if cell.cell_type == "code"])
            for cell in (cell for cell in nb.cells if cell.cell_type == "code"):
                cell.update(execution_count=(same := next(outputs)).execution_count, outputs=same.outputs)
            print(f"{name}: text changed, outputs kept", flush=True)
        else:
            print(f"{name}: executing {len(code(nb))} cells ({', '.join(found) or '--all'}) ...", flush=True)
            start = time.monotonic()
            execute(nb, target.notebook)
            print(f"{name}: done in {time.monotonic() - start:.0f} s", flush=True)
        digests = {"built": digest(nb)}
        if target.exercise:
            nb.metadata = nbformat.from_dict(METADATA)
            digests["exercise"] = digest(nbformat.reads(release(nb, root), as_version=4))
        nb.metadata = nbformat.from_dict(stamp({}, **digests))
        write(target.notebook, text(nb))
    if target.exercise:
        wanted = release(nbformat.read(target.notebook, as_version=4), root)
        found = states(target.exercise, "exercise", wanted)
        if found:
            if not may_overwrite(target.exercise, found, root, force):
                return False
            write(target.exercise, wanted)
            print(f"{target.exercise.relative_to(root)}: written", flush=True)
    return True


def check(root, names=()):
    """What `build` would have to do: a list of 'notebook: what is wrong'."""
    problems, known = [], set()
    for target in targets(root, names):
        known |= {target.notebook, target.exercise}
        found = {target.notebook: states(target.notebook, "built", read_source(target.source))}
        if target.exercise:
            try:
                wanted = release(nbformat.read(target.notebook, as_version=4), root)
            except Exception:
                wanted = ""  # no solution to make it from
            found[target.exercise] = states(target.exercise, "exercise", wanted)
        problems += [(path, ", ".join(words)) for path, words in found.items() if words]
    for folder in () if names else ("chapters", "exercises", "solutions"):
        for path in sorted((root / folder).rglob("*.ipynb")):
            if path not in known and ".ipynb_checkpoints" not in path.parts:
                problems.append((path, "orphaned (it has no source)"))
    return [f"{path.relative_to(root)}: {what}" for path, what in problems]


def in_parallel(stems, options):
    """One process for each chapter and its problem, `jobs` at a time: a small training hardly uses a second core."""
    flags = [flag for flag, given in (("--all", options.all), ("--force", options.force)) if given]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    free = queue.SimpleQueue()
    for job in range(options.jobs):
        free.put(set(cores[job :: options.jobs]))

    def one(stem):
        own = free.get()
        pin = (lambda: os.sched_setaffinity(0, own)) if own else None
        done = subprocess.run([sys.executable, __file__, stem, *flags], preexec_fn=pin)
        free.put(own)
        return done.returncode

    with ThreadPoolExecutor(options.jobs) as pool:
        return int(any(pool.map(one, stems)))


def main(arguments=None, root=ROOT):
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("names", nargs="*", help="build only notebooks whose names start so")
    parser.add_argument("--all", action="store_true", help="execute every notebook again")
    parser.add_argument("--check", action="store_true", help="execute nothing; exit 1 if anything is amiss")
    parser.add_argument("--force", action="store_true", help="overwrite what was changed by hand, too")
    parser.add_argument("--jobs", type=int, default=1, help="how many to build at a time")
    options = parser.parse_args(arguments)
    chosen = targets(root, options.names)
    if not chosen:
        print(f"no source in {root / 'sources'} is named {' or '.join(options.names) or 'anything'}")
        return 1
    if options.check:
        problems = check(root, options.names)
        print("\n".join(problems) or f"{len(chosen)} sources: every notebook is up to date")
        return int(bool(problems))
    stems = sorted({target.source.stem for target in chosen})
    if options.jobs > 1 and len(stems) > 1:
        return in_parallel(stems, options)
    failed = 0
    for target in chosen:
        try:
            failed += not build(target, root, options.all, options.force)
        except Exception as error:
            failed += 1
            print(f"{target.notebook.relative_to(root)}: FAILED, left as it was. {error}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
