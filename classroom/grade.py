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
import json
import os
import sys
from pathlib import Path

COURSE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))
WEAKER = """Weaker isolation, because bubblewrap is not in use: time, memory and processes are limited, but learners'
code can read your files and use the network. Better grade on Linux with the package bubblewrap, or as a separate user.
"""
NOT_ENTERED = """nbgrader could not enter {name} into its gradebook: see .nbgrader/grade.log. If solutions/ has other
cells than when the first submission was graded, restore them: marks hang on them. Nothing was graded."""


def main(arguments=None):
    options = options_of(arguments)
    course = options.course.resolve()
    names = sheets(course, options.sheet)
    if len(names) != 1:
        known = ", ".join(sheets(course, "")) or "none"
        print(f"{options.sheet!r} is the beginning of {len(names)} sheets in solutions/. There are: {known}")
        return 1
    from grading import batch, box, marks

    name, private = names[0], course / ".nbgrader"
    collected = {} if options.model_answers else batch.collect(private, name, options.student)
    if not collected and not options.model_answers:
        who = " of " + ", ".join(options.student) if options.student else ""
        print(f"Nothing to grade: no submission{who} at .nbgrader/submitted/ID/{name}/{name}.ipynb")
        return 1
    bwrap = None if options.no_bubblewrap else box.bubblewrap()
    if not bwrap:
        print(WEAKER)
    books = marks.Books(course, name)
    try:
        sheet = books.register()
    except marks.NbGraderException:
        print(NOT_ENTERED.format(name=name))
        return 1
    limits = box.Limits(seconds=options.seconds, total=7.5 * options.seconds, memory=int(options.memory * 1e9))
    workers = batch.Workers(course, sheet, limits, bwrap, options.jobs)
    if options.model_answers:
        return int(not all(full(*pair, sheet) for pair in workers.records({"model answers": sheet.model_answers()})))
    records, skipped = earlier(private / "runs" / name, collected, sheet, options.again, batch)
    fresh = {student: files for student, files in collected.items() if student not in records | skipped}
    gradebook = private / "gradebook.db"
    kept, altered = gradebook.read_bytes(), []
    for student, record in workers.records(fresh):
        records[student] = record | {"digest": batch.digest(collected[student], sheet)}
        print(line(student, record, sheet), flush=True)
        if "failed" not in record:
            write(private / "runs" / name / f"{student}.json", records[student])
        if not gradebook.is_file() or gradebook.read_bytes() != kept:
            altered.append("the gradebook (its earlier state was put back)")
            gradebook.write_bytes(kept)
    altered += [f"the submission of {student} (put back)" for student in batch.put_back(private, name, collected)]
    good = {student: record for student, record in records.items() if "failed" not in record}
    lost = books.save(good, collected) if good else []
    for student, record in good.items():
        if student not in lost:
            write(private / "runs" / name / f"{student}.json", record | {"marked": True})
    text = report(name, records, skipped, lost, altered)
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


def earlier(folder, collected, sheet, again, batch):
    """Records of an earlier run that still hold: those not yet in the gradebook, and those to be skipped."""
    waiting, skipped = {}, {}
    for student, files in collected.items():
        try:
            record = json.loads((folder / f"{student}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not again and record.get("digest") == batch.digest(files, sheet):
            (skipped if record.get("marked") else waiting)[student] = record
    return waiting, skipped


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


def report(name, records, skipped, lost, altered):
    """What the teacher has to know, and nothing about submissions with which all is well."""
    parts = [f"\n{name}: {len(records)} submissions graded, {len(skipped)} skipped (graded before and unchanged)."]
    rows = [f"{student}: {record['failed']}" for student, record in records.items() if "failed" in record]
    rows += [f"{student}: nbgrader could not save the marks, see .nbgrader/grade.log" for student in lost]
    for student, record in sorted((records | skipped).items()):
        rows += [f"{student}: {check}: {why}" for check, why in record.get("reasons", {}).items()]
        rows += [f"{student}: {cell}: not in the file" for cell in record.get("missing", ())]
    parts += section("Not graded, so without a mark until you give one (formgrader lists them; export writes 0):", rows)
    told = sorted(records.items())
    rows = [f"{s}: {what}" for s, record in told for what in record.get("tampered", []) + record.get("events", [])]
    parts += section("Look at these (no mark was given or taken for it):", rows)
    parts += section("Mended:", [f"{s}: {what}" for s, record in told for what in record.get("mended", [])])
    parts += section("ALTERED while learners' code ran, which bubblewrap would have prevented:", altered)
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
