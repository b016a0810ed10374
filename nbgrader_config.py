"""nbgrader's settings: solutions/ is the teacher's version, exercises/ the learners', .nbgrader/ private."""

import os
import re
import sqlite3
import sys
import zipfile
from contextlib import closing
from pathlib import Path

from nbformat import from_dict
from nbgrader.plugins import FileNameCollectorPlugin
from nbgrader.preprocessors import DeduplicateIds, Execute, NbGraderPreprocessor, OverwriteCells

ROOT = Path(__file__).resolve().parent  # not the working folder, which is the home folder under a hub
PRIVATE = ROOT / ".nbgrader"  # ignored by git: submissions, marks and feedback
PRIVATE.mkdir(exist_ok=True)  # without it sqlite says "unable to open database file"


class ForgetCopies(DeduplicateIds):
    """A copied test cell becomes an ordinary one; left half marked, it would stop the whole batch."""

    def preprocess_cell(self, cell, resources, cell_index):
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.metadata.get("nbgrader") == {}:
            del cell.metadata["nbgrader"]
        return cell, resources


class PutBackCells(OverwriteCells):
    """nbgrader puts a deleted test after the hole before it, and fails if that is gone too: restore it."""

    def add_missing_grade_cells(self, nb, resources):
        there = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in nb.cells}
        source = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        graded = {cell.name for cell in source.grade_cells}
        for cell in source.source_cells:
            if cell.name not in there | graded:
                added = from_dict(self.missing_cell_transform(cell, 0, is_solution=True))
                added.metadata.nbgrader.grade = False
                del added.metadata.nbgrader["points"]
                nb.cells.append(added)
        return super().add_missing_grade_cells(nb, resources)


class WarningsCostNothing(NbGraderPreprocessor):
    """stderr becomes stdout: nbgrader gives no points to a cell that warns, however right it is."""

    def preprocess_cell(self, cell, resources, cell_index):
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.name = "stdout"
        return cell, resources


class ByLearner(FileNameCollectorPlugin):
    """Whose a downloaded file is: by Moodle's folder if it has one, else by how its name, or its folder's, begins."""

    def _match(self, filename):
        sheet, known = self.parent.coursedir.assignment_id, set()
        if (PRIVATE / "gradebook.db").is_file():
            with closing(sqlite3.connect(PRIVATE / "gradebook.db")) as base:
                known = {row[0] for row in base.execute("select id from student")}
        found = self.learner(filename, sheet, known)
        if found is None:
            self.log.warning(f"No learner's name before {sheet} in {filename}")
        return found and {"student_id": found, "file_id": sheet}

    @staticmethod
    def learner(filename, sheet, known=()):
        """The id; None if there is none, or the name is not this sheet's.

        An id may have `_` in it: of several readings one that is `known` is taken, else all before a number.
        """
        parts = filename.replace("\\", "/").rpartition("/extracted/")[2].split("/")
        name = re.compile("(?<![a-z0-9])" + "[ _-]".join(sheet.split("_")) + "(?![a-z])", re.I)
        file, folder = re.sub(r"^(Copy of |Kopie von )+", "", parts[-1], flags=re.I), "".join(parts[-2:-1])
        moodle = [re.match(r"(.+?)_\d+_assignsubmission_", part) for part in parts]
        if any(moodle):
            return next(found[1] for found in moodle if found) if name.search(file) else None
        before = name.split(file)[0] if name.search(file) else ""
        if not before and "_" in (start := name.split(folder)[0]) and (name.search(file) or name.search(folder)):
            before = start
        before = before.strip(" _-")
        words = before.split("_")
        readings = ["_".join(words[:length]) for length in range(len(words), 0, -1)]
        cut = re.split(r"(?:_LATE)?_\d+(?:_|$)", before, flags=re.I)[0]
        return next((reading for reading in readings if reading in known), cut) or None


def formulas_without_a_network():
    """Put MathJax into each page of feedback and of formgrader, which would fetch it: `make lab` brought it for slides.

    A page is 2 MB larger. nbconvert takes a template from the folders of JUPYTER_PATH before its own.
    """
    wheels = sorted(Path(sys.prefix, "share/slides").glob("sphinx_mathjax_offline-*.whl"))
    templates = PRIVATE / "jupyter/nbconvert/templates/base"
    if wheels and str(PRIVATE / "jupyter") not in os.environ.get("JUPYTER_PATH", "").split(os.pathsep):
        with zipfile.ZipFile(wheels[-1]) as wheel:
            script = next(name for name in wheel.namelist() if name.endswith("mathjax/tex-svg.js"))
            mathjax = wheel.read(script).decode()
        settings = r'{tex: {inlineMath: [["$", "$"], ["\\(", "\\)"]], processEscapes: true, tags: "ams"}}'
        page = f"<script>window.MathJax = {settings};</script><script>{mathjax}</script>"
        templates.mkdir(parents=True, exist_ok=True)
        macro = "{%- macro mathjax(url='') -%}{% raw %}" + page + "{% endraw %}{%- endmacro -%}"
        (templates / "mathjax.html.j2").write_text(macro, encoding="utf-8")
        others = [os.environ["JUPYTER_PATH"]] if os.environ.get("JUPYTER_PATH") else []
        os.environ["JUPYTER_PATH"] = os.pathsep.join([str(PRIVATE / "jupyter"), *others])


c = get_config()  # noqa: F821 (nbgrader provides it)
formulas_without_a_network()

c.CourseDirectory.course_id = "vae_course"
c.CourseDirectory.root = str(ROOT)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = ".nbgrader/submitted"
c.CourseDirectory.autograded_directory = ".nbgrader/autograded"
c.CourseDirectory.feedback_directory = ".nbgrader/feedback"
c.CourseDirectory.solution_directory = ".nbgrader/solution"
c.CourseDirectory.source_with_tests_directory = ".nbgrader/source_with_tests"
c.CourseDirectory.db_url = f"sqlite:///{PRIVATE / 'gradebook.db'}"
# `nbgrader zip_collect NN_slug` takes what an LMS packed, in .nbgrader/downloaded/NN_slug/archive/. A file's name, or
# that of its folder, begins with the learner and ends with the notebook: ada_04_likelihoods_and_bounds.ipynb.
c.ZipCollectApp.downloaded_directory = ".nbgrader/downloaded"
c.ZipCollectApp.collector_plugin = ByLearner
c.ByLearner.valid_ext = [".ipynb", ".IPYNB"]
# Every other file of a solution's folder is copied to the learners, unless it is named here. Not *.txt: the exchange
# keeps in timestamp.txt when a sheet was handed in, and cannot give feedback back without it.
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints", ".DS_Store", "__pycache__", "feedback",
    "*.py", "*.pyc", "*.md", "*.html", "*.keras", "*.h5", "*.npz", "*.csv", "*.db", "*~",
]  # fmt: skip

c.ClearSolutions.text_stub = "*Write your answer here.*"
c.PutBackCells.add_missing_cells = True  # a deleted test cell comes back
c.Autograde.sanitize_preprocessors = [
    "nbgrader.preprocessors.ClearOutput", ForgetCopies, "nbgrader.preprocessors.OverwriteKernelspec",
    PutBackCells, "nbgrader.preprocessors.CheckCellMetadata",
]  # fmt: skip
c.Autograde.autograde_preprocessors = [
    Execute, WarningsCostNothing, "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor", "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades", "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]  # fmt: skip
c.Execute.timeout = 300  # seconds for a cell; an endless loop is interrupted, and the rest is still graded
c.Execute.interrupt_on_timeout = True
# Neither TensorFlow's C++ log nor the kernel's own belongs in a graded notebook.
c.Execute.extra_arguments = ["--IPKernelApp.capture_fd_output=False", "--IPKernelApp.log_level=ERROR"]
