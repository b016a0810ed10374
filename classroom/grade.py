"""Grade a sheet's submissions, each one alone: .nbgrader/submitted/ID/NN_slug/ becomes marks in nbgrader's gradebook.

    make grade SHEET=04                                    what is new or has changed
    .venv/bin/python classroom/grade.py 04 --student ada   only hers
    .venv/bin/python classroom/grade.py 04 --again         all of them anew, for instance after a change of the library
    .venv/bin/python classroom/grade.py 04 --jobs 4        four at a time, each with up to 4 GB of memory
    .venv/bin/python classroom/grade.py 04 --model-answers the solution itself, which must earn every point

Learners' code runs without a network and sees nothing of the disk but Python and the library, if bubblewrap is there
(Linux: the package `bubblewrap`). A check that could not run to its end gets no mark; it is listed.
"""

import argparse
import contextlib
import json
import os
import sqlite3
import sys
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

COURSE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))
WEAKER = """Weaker isolation, because bubblewrap is not in use: time, memory and processes are limited, but learners'
code can read your files and use the network. Better grade on Linux with the package bubblewrap, or as a separate user.
"""
NOT_ENTERED = """nbgrader could not enter {name} into its gradebook: see .nbgrader/grade.log. If solutions/ has other
cells than when the first submission was graded, restore them: marks hang on them. Nothing was graded."""
NEXT_TO_IT = "as it was handed out, but a cell of the learner's own next to it may be the answer"
BUSY = """Another `make grade` is running in this course{who}, and two at once would lose marks. Nothing was graded.
Run this again when the other has ended."""


def main(arguments=None):
    options = options_of(arguments)
    course = options.course.resolve()
    names = sheets(course, options.sheet)
    if len(names) != 1:
        known = ", ".join(sheets(course, "")) or "none"
        print(f"{options.sheet!r} is the beginning of {len(names)} sheets in solutions/. There are: {known}")
        return 1
    from grading import batch, box

    name, private = names[0], course / ".nbgrader"
    collected = {} if options.model_answers else batch.collect(private, name, options.student)
    if not collected and not options.model_answers:
        who = " of " + ", ".join(options.student) if options.student else ""
        print(f"Nothing to grade: no submission{who} at .nbgrader/submitted/ID/{name}/{name}.ipynb")
        return 1
    bwrap = None if options.no_bubblewrap else box.bubblewrap()
    if not bwrap:
        print(WEAKER)
    private.mkdir(exist_ok=True)
    with alone(private / "grading.lock") as other:
        if other is not None:
            print(BUSY.format(who=f" (process {other})" if other else ""))
            return 1
        return graded(options, course, name, collected, bwrap)


def graded(options, course, name, collected, bwrap):
    """Grade a sheet, once nobody else does; the exit status."""
    from grading import batch, box, marks

    private, books = course / ".nbgrader", marks.Books(course, name)
    try:
        sheet = books.register()
    except marks.NbGraderException:
        print(NOT_ENTERED.format(name=name))
        return 1
    limits = box.Limits(seconds=options.seconds, total=7.5 * options.seconds, memory=int(options.memory * 1e9))
    workers = batch.Workers(course, sheet, limits, bwrap, options.jobs)
    if options.model_answers:
        return int(not all(full(*pair, sheet) for pair in workers.records({"model answers": sheet.model_answers()})))
    records, skipped = earlier(private / "runs" / name, collected, sheet, options.again, batch, books)
    fresh = {student: files for student, files in collected.items() if student not in records | skipped}
    told = {student: previous(private / "runs" / name, student).get("changed", []) for student in fresh}
    gradebook = private / "gradebook.db"
    kept, altered = None if bwrap else gradebook.read_bytes(), []
    for student, record in workers.records(fresh):
        records[student] = record | {"digest": batch.digest(collected[student], sheet)}
        print(line(student, record, sheet), flush=True)
        if "failed" not in record:
            write(private / "runs" / name / f"{student}.json", records[student])
    if not bwrap:  # else neither can be reached from where learners' code runs: a change is the teacher's
        altered += kept_beside(gradebook, kept)
        altered += [f"the submission of {student} (put back)" for student in batch.put_back(private, name, collected)]
    good = {student: record for student, record in records.items() if "failed" not in record}
    waiting, changed = books.waiting(), books.changed(good)
    for student, record in good.items():  # what an earlier run told stays until you have marked it anew
        still = set(told.get(student, record.get("changed", []))) & waiting.get(student, set())
        record["changed"] = sorted(still.union(changed.get(student, [])))
    lost = books.save(good, collected) if good else []
    for student, record in good.items():
        if student not in lost:
            write(private / "runs" / name / f"{student}.json", record | {"marked": True})
    text = report(name, records, skipped, lost, altered, books.waiting())
    write(private / "reports" / f"{name}.txt", text)
    print(text)
    return int(bool(lost or altered or len(good) < len(records)))


def options_of(arguments):
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("sheet", help="how the sheet's name begins: 04")
    parser.add_argument("--student", action="append", default=[], metavar="ID", help="only this one (may be repeated)")
    parser.add_argument("--again", action="store_true", help="also what was graded and has not changed")
    parser.add_argument("--model-answers", action="store_true", help="the solution itself; no marks are saved")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--seconds", type=float, default=120, help="CPU seconds that a cell or a check may take")
    parser.add_argument("--memory", type=float, default=4, help="GB that a submission may take")
    parser.add_argument("--no-bubblewrap", action="store_true", help="the weaker isolation, though bubblewrap is there")
    parser.add_argument("--course", type=Path, default=COURSE, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def sheets(course, name):
    return sorted(path.name for path in (course / "solutions").glob("*") if path.name.startswith(name))


@contextlib.contextmanager
def alone(path):
    """None while this process alone grades; else the number of the other process, or "". A dead one holds no lock."""
    with open(path, "a+", encoding="utf-8") as lock:
        try:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            yield lock.read().strip()
            return
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield None


def kept_beside(gradebook, kept):
    """What to tell of a gradebook that changed while learners' code could reach it. Its marks are not overwritten."""
    now = gradebook.read_bytes() if gradebook.is_file() else b""
    if now == kept:
        return []
    if is_gradebook(gradebook):
        before = gradebook.with_name("gradebook.before.db")
        before.write_bytes(kept)
        return [f"the gradebook, or you gave marks meanwhile: it was left as it is, and {before} is as it was before"]
    broken = gradebook.with_name("gradebook.broken.db")
    broken.write_bytes(now)
    gradebook.write_bytes(kept)
    return [f"the gradebook, which could not be read: its earlier state was put back, and {broken} is what was there"]


def is_gradebook(path):
    """Whether sqlite can read it and finds a grade table in it."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as base:
            base.execute("select count(*) from grade")
            return base.execute("pragma integrity_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError as error:
        return "locked" in str(error)  # by formgrader, which is writing


def earlier(folder, collected, sheet, again, batch, books):
    """Records of an earlier run that still hold: those not yet in the gradebook, and those to be skipped."""
    waiting, skipped, marked = {}, {}, books.marked()
    for student, files in collected.items():
        record = previous(folder, student)
        if not again and record.get("digest") == batch.digest(files, sheet):
            (skipped if record.get("marked") and student in marked else waiting)[student] = record
    return waiting, skipped


def previous(folder, student):
    """The record of an earlier run, or an empty one."""
    try:
        return json.loads((folder / f"{student}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def line(student, record, sheet):
    if "failed" in record:
        return f"{student:24} not graded: {record['failed']}"
    earned = sum(sheet.points[name] for name, verdict in record["verdicts"].items() if verdict == "passed")
    opened = sum(verdict == "not graded" for verdict in record["verdicts"].values())
    points = f"{earned:g} of {sum(sheet.points.values()):g} automatic points"
    return f"{student:24} {points}{f', {opened} checks not graded' if opened else ''}, {record['seconds']:.0f} CPU s"


def full(student, record, sheet):
    """Whether every check passed; what did not is printed."""
    print(line(student, record, sheet))
    bad = [name for name in sheet.checks if record.get("verdicts", {}).get(name) != "passed"]
    for name in bad:
        print(f"  {name}: {record.get('outputs', {}).get(name, [{}])[-1].get('evalue', 'did not run')}")
    return not bad


def report(name, records, skipped, lost, altered, waiting):
    """What the teacher has to know, and nothing about submissions with which all is well."""
    parts = [f"\n{name}: {len(records)} submissions graded, {len(skipped)} skipped (graded before and unchanged)."]
    rows = [f"{student}: {record['failed']}" for student, record in records.items() if "failed" in record]
    rows += [f"{student}: nbgrader could not save the marks, see .nbgrader/grade.log" for student in lost]
    told = sorted((records | skipped).items())
    for student, record in told:
        rows += [f"{student}: {check}: {why}" for check, why in record.get("reasons", {}).items()]
        rows += [f"{student}: {cell}: not in the file" for cell in record.get("missing", ())]
        rows += [f"{student}: {cell}: {NEXT_TO_IT}" for cell in record.get("beside", ())]
    parts += section("Not graded, so without a mark until you give one (formgrader lists them; export writes 0):", rows)
    rows = [f"{s}: set-up cell ended with {what}" for s, record in told for what in record.get("set_up", [])]
    parts += section("A cell of the sheet's own was changed and raised an error, so checks that need it fail:", rows)
    old = [(s, [c for c in record.get("changed", ()) if c in waiting.get(s, ())]) for s, record in told]
    rows = [f"{s}: {', '.join(cells)}" for s, cells in old if cells]
    parts += section("Written answers that have changed since you marked them (your mark stays):", rows)
    rows = [f"{s}: {what}" for s, record in told for what in record.get("tampered", []) + record.get("events", [])]
    parts += section("Look at these (no mark was given or taken for it):", rows)
    parts += section("Mended:", [f"{s}: {what}" for s, record in told for what in record.get("mended", [])])
    parts += section("ALTERED while learners' code ran (with bubblewrap it could not have done it):", altered)
    if skipped:
        parts += section("Skipped (--again grades them anew):", [", ".join(sorted(skipped))])
    return "\n".join(parts)


def section(title, rows):
    return ["", title, *[f"  {row}" for row in rows]] if rows else []


def write(path, content):
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    os.replace(new, path)


if __name__ == "__main__":
    sys.exit(main())
