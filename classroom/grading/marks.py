"""Records become marks in nbgrader's gradebook, by nbgrader's own `autograde`, which here executes nothing.

So formgrader, `nbgrader generate_feedback` and `nbgrader export` find what they would have found after it.
"""

import contextlib
import copy
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveAutoGrades
from nbgrader.utils import parse_utc
from sqlalchemy.exc import SAWarning
from traitlets.config.loader import PyFileConfigLoader

from . import checking, mending

OURS = "vae_course"  # the key of a cell's metadata under which the verdict stands


class SaveVerdicts(SaveAutoGrades):
    """nbgrader gives all points to a check that shows no error, even if it never ran: here the verdict decides."""

    def _add_score(self, cell, resources):
        super()._add_score(cell, resources)
        verdict = cell.metadata.get(OURS)
        if verdict is None:
            return
        name = cell.metadata.nbgrader["grade_id"]
        grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
        if verdict == checking.OPEN:  # no mark, and a mark in formgrader's list of what waits for the teacher
            grade.auto_score, grade.needs_manual_grade = None, True
        else:
            grade.auto_score = float(cell.metadata.nbgrader["points"]) if verdict == checking.PASSED else 0.0
            grade.needs_manual_grade = grade.manual_score is not None
        self.gradebook.db.commit()

    def _add_comment(self, cell, resources):
        super()._add_comment(cell, resources)
        if cell.metadata.get(OURS) == checking.OPEN:  # "No response." would be untrue
            name = cell.metadata.nbgrader["grade_id"]
            comment = self.gradebook.find_comment(name, self.notebook_id, self.assignment_id, self.student_id)
            comment.auto_comment = None
            self.gradebook.db.commit()


class Books:
    """The gradebook of a course, for one sheet."""

    def __init__(self, course, name):
        self.course, self.name, self.private = course, name, course / ".nbgrader"
        self.private.mkdir(exist_ok=True)
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # alembic is there
        warnings.filterwarnings("ignore", category=SAWarning)
        log = logging.getLogger("traitlets")
        if not any(isinstance(handler, logging.FileHandler) for handler in log.handlers):
            log.addHandler(logging.FileHandler(self.private / "grade.log", mode="w", encoding="utf-8"))
        log.propagate = False
        self.config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
        self.config.CourseDirectory.release_directory = ".nbgrader/released"
        self.config.CourseDirectory.submitted_directory = ".nbgrader/mended"
        self.config.Autograde.sanitize_preprocessors = ["nbgrader.preprocessors.CheckCellMetadata"]
        self.config.Autograde.autograde_preprocessors = [
            SaveVerdicts,
            "nbgrader.preprocessors.AssignLatePenalties",
            "nbgrader.preprocessors.CheckCellMetadata",
        ]

    def run(self, converter, **options):
        folder = CourseDirectory(config=self.config)
        folder.assignment_id, folder.student_id, folder.notebook_id = self.name, options.pop("student", "."), "*"
        app = converter(coursedir=folder, config=self.config)
        app.force = True
        for key, value in options.items():
            setattr(app, key, value)
        app.start()

    def gradebook(self):
        return Gradebook(self.config.CourseDirectory.db_url, self.config.CourseDirectory.course_id)

    def register(self):
        """Enter the sheet into the gradebook; the checking.Sheet. exercises/ is not touched."""
        self.run(GenerateAssignment, create_assignment=True)
        released = self.private / "released" / self.name / f"{self.name}.ipynb"
        sealed = self.course / "solutions" / self.name / f"{self.name}.ipynb"
        return checking.Sheet(self.name, nbformat.read(released, as_version=4), nbformat.read(sealed, as_version=4))

    def save(self, records, collected):
        """Write marks and graded notebooks; the students for whom nbgrader failed."""
        shutil.rmtree(self.private / "mended", ignore_errors=True)
        for student, record in records.items():
            self.stage(student, record, collected[student])
        try:
            with contextlib.suppress(NbGraderException):  # which it raises at the end if one of them failed
                self.run(Autograde, student="*")
        finally:
            shutil.rmtree(self.private / "mended", ignore_errors=True)
        place = self.private / "autograded"
        return [student for student in records if not (place / student / self.name / f"{self.name}.ipynb").is_file()]

    def stage(self, student, record, files):
        """The mended notebook with outputs and verdicts, where nbgrader will look for it."""
        folder = self.private / "mended" / student / self.name
        folder.mkdir(parents=True)
        nb = nbformat.reads(record["notebook"], as_version=4)
        unread = {*record["missing"], *record.get("beside", ())}
        with self.gradebook() as gradebook:
            for cell in nb.cells:
                name = mending.marks(cell).get("grade_id")
                if cell.cell_type == "code":
                    cell.outputs = [
                        nbformat.from_dict(copy.deepcopy(out)) for out in record["outputs"].get(cell.id, [])
                    ]
                if name:
                    known = gradebook.find_source_cell(name, self.name, self.name)
                    cell.metadata.nbgrader["checksum"] = known.checksum
                    cell.metadata.nbgrader["cell_type"] = known.cell_type
                if name in record["verdicts"]:
                    cell.metadata[OURS] = record["verdicts"][name]
                elif name in unread and mending.marks(cell).get("grade"):
                    cell.metadata[OURS] = checking.OPEN  # nobody knows whether, or where, it was answered
        nbformat.write(nb, folder / f"{self.name}.ipynb")
        for file, data in files.items():  # pictures, and when it was handed in
            if file.lower().endswith(".ipynb") or (file == "timestamp.txt" and not is_time(data)):
                continue
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def grades(self):
        """student -> {cell: nbgrader's (automatic score, score by hand, whether it waits for the teacher)}"""
        with self.gradebook() as gradebook, contextlib.suppress(MissingEntry):
            return {
                submission.student.id: {
                    grade.name: (grade.auto_score, grade.manual_score, bool(grade.needs_manual_grade))
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                }
                for submission in gradebook.assignment_submissions(self.name)
            }
        return {}

    def marked(self):
        """The students who have a mark, or a place in the teacher's list, for every graded cell of the sheet."""
        found = self.grades().items()
        return {s for s, cells in found if all(a is not None or m is not None or w for a, m, w in cells.values())}

    def waiting(self):
        """student -> the cells that wait for the teacher."""
        return {student: {name for name, row in cells.items() if row[2]} for student, cells in self.grades().items()}

    def changed(self, records):
        """student -> written answers that have a mark by hand and are no longer what was marked. Ask before `save`."""
        found, given = {}, self.grades()
        for student, record in records.items():
            place = self.private / "autograded" / student / self.name / f"{self.name}.ipynb"
            by_hand = [name for name, row in given.get(student, {}).items() if row[1] is not None]
            if by_hand and place.is_file():
                old, new = nbformat.read(place, as_version=4), nbformat.reads(record["notebook"], as_version=4)
                beside = record.get("beside", ())
                found[student] = [n for n in by_hand if answer(old, n, n in beside) != answer(new, n, n in beside)]
        return found


def answer(nb, name, beside):
    """The texts of a graded cell; with those next to it, if the answer may be there."""
    for number, cell in enumerate(nb.cells):
        if mending.marks(cell).get("grade_id") == name:
            cells = nb.cells[max(number - 1, 0) : number + 2] if beside else [cell]
            return [(each.source, each.get("attachments")) for each in cells]
    return None


def is_time(data):
    try:
        return parse_utc(data.decode().strip()) is not None
    except Exception:
        return False
