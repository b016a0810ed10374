"""All submissions of a sheet: read before anything runs, graded one by one by worker processes, put on record.

A worker that dies, whatever the reason, costs no other submission anything; its own is reported as not graded.
"""

import hashlib
import json
import logging
import multiprocessing
import os
import queue
import shutil
import signal
import tempfile
import threading
import warnings
from dataclasses import asdict
from pathlib import Path

import nbformat

from . import box, checking, mending

LARGEST = 50_000_000  # bytes of a file, and of a folder


def collect(private, name, students=()):
    """What lies in .nbgrader/submitted: student -> {file: bytes}. Links are not followed."""
    found = {}
    for folder in sorted((private / "submitted").glob(f"*/{name}")):
        student = folder.parent.name
        if folder.is_dir() and not folder.is_symlink() and (not students or student in students):
            files, room = {}, LARGEST
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.is_symlink() and ".ipynb_checkpoints" not in path.parts:
                    room -= path.stat().st_size
                    files[str(path.relative_to(folder))] = path.read_bytes() if room >= 0 else b""
            found[student] = files
    return found


def put_back(private, name, collected):
    """Restore submissions that were altered while others ran (possible only without bubblewrap); their students."""
    altered = []
    for student, files in collected.items():
        folder = private / "submitted" / student / name
        for file, data in files.items():
            path = folder / file
            if data and not (path.is_file() and path.read_bytes() == data):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                altered.append(student)
    return sorted(set(altered))


def digest(files, sheet):
    """Changes when the submission or the teacher's sheet changes: then it is graded anew."""
    total = hashlib.sha256()
    for name, data in sorted(files.items()):
        total.update(f"{name}\0{len(data)}\0".encode() + data)
    for cell in sheet.sealed.cells:
        total.update(f"{cell.id}\0{cell.source}\0{json.dumps(cell.metadata, sort_keys=True)}\0".encode())
    return total.hexdigest()


def one(sheet, files, library, limits, bwrap):
    """The record of a submission: its mended notebook, verdicts, outputs, and what is to be told."""
    submission = mending.read(files, sheet.name)
    if submission.notebook is None:
        result = checking.Result()
        for name in sheet.checks:
            result.verdicts[name], result.reasons[name] = checking.OPEN, submission.mended[-1]
        submission.notebook = nbformat.v4.new_notebook(cells=[])
        submission.missing = {"?"}
        mending.mend(submission, sheet.released, sheet.sealed)
    else:
        mending.mend(submission, sheet.released, sheet.sealed)
        result = checking.grade(sheet, submission, box.Box(library, limits, bwrap))
    result.outputs = {name: [dict(output) for output in outputs] for name, outputs in result.outputs.items()}
    told = {
        "mended": submission.mended,
        "tampered": submission.tampered,
        "missing": sorted(submission.missing & sheet.written),
        "beside": sorted(submission.beside),
    }
    return asdict(result) | told | {"notebook": nbformat.writes(submission.notebook)}


def worker(pipe, course, sheet, limits, bwrap):
    """Grade what comes through the pipe. TensorFlow is imported once, by the first check that needs it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides
    os.environ["MPLBACKEND"] = "agg"
    with open(course / ".nbgrader/checks.log", "a") as log:  # TensorFlow's start-up lines, which read like errors
        os.dup2(log.fileno(), 2)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    box.adopt_orphans()
    desk = Path(tempfile.mkdtemp(prefix="desk"))
    os.chdir(desk)
    try:
        while True:
            files = pipe.recv()
            if files is None:
                return
            library = course
            if not bwrap:  # else the library is read-only
                library = desk / "course"
                shutil.rmtree(library, ignore_errors=True)
                shutil.copytree(course / "vae_course", library / "vae_course")
            record = one(sheet, files, library, limits, bwrap)
            box.end_orphans()
            pipe.send(record)
    except (EOFError, BrokenPipeError):
        pass
    finally:
        shutil.rmtree(desk, ignore_errors=True)


class Workers:
    """Several at once. `records` yields (student, record) as they are done; a record without verdicts failed."""

    def __init__(self, course, sheet, limits, bwrap, jobs):
        self.arguments, self.limits, self.jobs = (course, sheet, limits, bwrap), limits, jobs

    def records(self, collected):
        waiting, done = queue.SimpleQueue(), queue.SimpleQueue()
        for item in collected.items():
            waiting.put(item)
        for _ in range(min(self.jobs, len(collected))):
            threading.Thread(target=self.serve, args=(waiting, done), daemon=True).start()
        for _ in collected:
            yield done.get()

    def serve(self, waiting, done):
        process = pipe = None
        while True:
            try:
                student, files = waiting.get_nowait()
            except queue.Empty:
                break
            try:
                if process is None or not process.is_alive():
                    process, pipe = self.begin()
                pipe.send(files)
                if not pipe.poll(10 * self.limits.total + 600):
                    raise TimeoutError("the grader took too long")
                done.put((student, pipe.recv()))
            except (EOFError, OSError, TimeoutError) as error:
                why = f"the grader's own process ended while it ran ({type(error).__name__})"
                done.put((student, {"failed": why}))
                if process is not None:
                    process.kill()
                    process.join()
                process = None
        if process is not None and process.is_alive():
            pipe.send(None)
            process.join(20)
            process.kill()

    def begin(self):
        context = multiprocessing.get_context("spawn")
        pipe, other = context.Pipe()
        process = context.Process(target=worker, args=(other, *self.arguments), daemon=True)
        process.start()
        other.close()
        return process, pipe
