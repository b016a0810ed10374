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
                elif name in record["missing"] and mending.marks(cell).get("grade"):
                    cell.metadata[OURS] = checking.OPEN  # a written answer after the place where the file breaks off
        nbformat.write(nb, folder / f"{self.name}.ipynb")
        for file, data in files.items():  # pictures, and when it was handed in
            if file.endswith(".ipynb") or (file == "timestamp.txt" and not is_time(data)):
                continue
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def earned(self, student):
        """(points in the gradebook, how many grades wait for the teacher), or None."""
        with self.gradebook() as gradebook, contextlib.suppress(MissingEntry):
            found = gradebook.find_submission(self.name, student)
            grades = [grade for notebook in found.notebooks for grade in notebook.grades]
            return sum(grade.score or 0 for grade in grades), sum(bool(g.needs_manual_grade) for g in grades)
        return None


def is_time(data):
    try:
        return parse_utc(data.decode().strip()) is not None
    except Exception:
        return False
