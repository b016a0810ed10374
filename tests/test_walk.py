"""classroom/README.md, followed to the letter on a fresh machine: five learners and a sheet, from handing out to marks.

The commands are read from the guide's own table, in its order; what a teacher does by hand comes before the command
that needs it. The sheet is the exam, the quickest to grade.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from chromium import launched, watched_page  # noqa: E402
from notebook_rules import grader, is_check, is_hole  # noqa: E402

SHEET = "exam"
LEARNERS = {  # id, as in the list of learners: first name, last name, what is handed in
    "ada": ("Ada", "Lövelace", "right"),
    "bob": ("Bob", "O'Neil", "half"),
    "li": ("Li", "Ōno", "right, with an error in a cell of her own"),
    "zoe": ("Zoë", "Nguyễn", "untouched"),
    "max": ("Max", "Müller", None),
}


def commands():
    """What the guide's table tells a teacher to type: the first command of each row."""
    guide = (ROOT / "classroom/README.md").read_text().split("## Hand out, collect, grade")[1].split("\n## ")[0]
    rows = [
        re.findall(r"`((?:make|nbgrader|\.venv/bin/python) [^`]+)`", line)
        for line in guide.splitlines()
        if line[:1] == "|"
    ]
    return [row[0] for row in rows if row]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The course as a clone has it, with an environment of its own name that is this one."""
    course = tmp_path_factory.mktemp("fresh") / "vae_course"
    hidden = shutil.ignore_patterns(".*", "__pycache__", "tests")
    shutil.copytree(ROOT, course, ignore=hidden)
    (course / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".installed":
            (course / ".venv" / entry.name).symlink_to(entry)
    (course / ".venv/.installed").write_text(str(course))
    return course


class Walk:
    """What was typed, what it said, and the teacher's and the learners' own part of it."""

    def __init__(self, course):
        self.course, self.said = course, {}
        home = course.parent / "home"
        home.mkdir()
        outside = {
            key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "IPYTHON", "PYTEST"))
        }
        self.environment = outside | {
            "HOME": str(home),
            "PATH": os.pathsep.join([str(course / ".venv/bin"), os.environ["PATH"]]),
        }

    def type(self, command):
        command = command.replace("NN_slug", SHEET).replace("NN", SHEET)
        done = subprocess.run(
            command, shell=True, cwd=self.course, env=self.environment, text=True, capture_output=True
        )
        self.said[command] = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}\n{self.said[command][-4000:]}"

    def before(self, command):
        if "student import" in command:
            with (self.course / "students.csv").open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file)
                rows.writerow(["id", "first_name", "last_name", "email"])
                rows.writerows(
                    [name, first, last, f"{name}@example.org"] for name, (first, last, _) in LEARNERS.items()
                )
        if "zip_collect" in command and "--force" not in command:
            self.download()
        if "generate_feedback" in command:
            self.mark_by_hand()

    def download(self):
        """What a learning platform packs: a folder a learner, or a prefix; and a browser's second download."""
        archive = self.course / f".nbgrader/downloaded/{SHEET}/archive"
        archive.mkdir(parents=True)
        with zipfile.ZipFile(archive / "all.zip", "w") as packed:
            packed.writestr(f"ada_1234_assignsubmission_file_/{SHEET}.ipynb", self.handed_in("ada"))
            packed.writestr(f"li_77_assignsubmission_file_/{SHEET}.ipynb", self.handed_in("li"))
            packed.writestr(f"bob_12_x_{SHEET} (1).ipynb", self.handed_in("bob"))
        (archive / f"zoe_{SHEET}.ipynb").write_text(self.handed_in("zoe"))

    def handed_in(self, name):
        """Filled in on the sheet that was handed out."""
        with zipfile.ZipFile(self.course / ".build/vae_course_sheets.zip") as package:
            member = f"vae_course_learner/exercises/{SHEET}/{SHEET}.ipynb"
            sheet = nbformat.reads(package.read(member).decode(), as_version=4)
        solution = nbformat.read(self.course / f"solutions/{SHEET}/{SHEET}.ipynb", as_version=4)
        answers = {cell.id: cell.source for cell in solution.cells if grader(cell).get("solution")}
        holes = [cell for cell in sheet.cells if is_hole(cell)]
        what = LEARNERS[name][2]
        for cell in holes if what.startswith("right") else holes[: len(holes) // 2] if what == "half" else []:
            cell.source = answers[cell.id]
        for cell in sheet.cells:
            if cell.cell_type == "markdown" and grader(cell).get("grade") and what != "untouched":
                cell.source = "My answer: " + answers[cell.id][:40]
        if "error" in what:
            sheet.cells.insert(3, nbformat.v4.new_code_cell("1 / 0", id="mine"))
        return nbformat.writes(sheet)

    def mark_by_hand(self):
        """Ada's first written answer gets 1.5 points, as the page of formgrader would enter them."""
        with Gradebook(f"sqlite:///{self.course / '.nbgrader/gradebook.db'}", "vae_course") as gradebook:
            grades = gradebook.find_submission_notebook(SHEET, SHEET, "ada").grades
            grade = next(grade for grade in grades if grade.name == "gap-written")
            grade.manual_score, grade.needs_manual_grade = 1.5, False
            gradebook.db.commit()


@pytest.fixture(scope="module")
def walk(course):
    walk = Walk(course)
    for command in commands():
        walk.before(command)
        walk.type(command)
    return walk


def earned(course, what):
    """What the checks of a submission are worth."""
    cells = nbformat.read(course / f"solutions/{SHEET}/{SHEET}.ipynb", as_version=4).cells
    holes = [number for number, cell in enumerate(cells) if is_hole(cell)]
    end = holes[len(holes) // 2] if what == "half" else len(cells)
    return (
        sum(grader(cell)["points"] for cell in cells[:end] if is_check(cell)) if what not in ("untouched", None) else 0
    )


def test_the_guide_names_every_step():
    steps = ["make learner", "--only-sheets", "student import", "zip_collect"]
    steps += ["make grade|nbgrader autograde", "generate_feedback .*--force", "nbgrader export"]
    places = [[number for number, line in enumerate(commands()) if re.search(step, line)] for step in steps]
    assert all(places), f"of {steps} the guide has {places}"
    firsts = [place[0] for place in places]
    assert firsts == sorted(firsts), "in an order in which they can be typed"


def test_the_table_has_a_row_of_marks_for_everybody(walk):
    with (walk.course / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file) if row["assignment"] == SHEET}
    assert sorted(rows) == sorted(LEARNERS)
    for name, (first, last, what) in LEARNERS.items():
        assert (rows[name]["first_name"], rows[name]["last_name"]) == (first, last)
        by_hand = 1.5 if name == "ada" else 0
        assert float(rows[name]["score"] or 0) == earned(walk.course, what) + by_hand, name
        assert float(rows[name]["max_score"]) == 36


def test_everybody_who_handed_in_has_feedback(walk):
    for name, (_, _, what) in LEARNERS.items():
        page = walk.course / f".nbgrader/feedback/{name}/{SHEET}/{SHEET}.html"
        assert page.exists() == (what is not None), name
        if what is not None:
            assert "elbo-check" in page.read_text() or "Score" in page.read_text()


def test_formulas_of_the_feedback_need_no_network(walk):
    if not list(Path(sys.prefix, "share/slides").glob("*mathjax*")):
        pytest.skip("make slides has not fetched MathJax: see the Makefile")
    with launched() as browser:
        page, problems = watched_page(browser, 1280, 720)
        page.goto((walk.course / f".nbgrader/feedback/ada/{SHEET}/{SHEET}.html").as_uri())
        page.wait_for_function("document.querySelectorAll('mjx-container').length > 5")
        assert not problems
        assert "$" not in page.locator("h1, h2").all_inner_texts() and not page.locator("mjx-merror").count()


def test_nothing_surprises(walk):
    for command, said in walk.said.items():
        assert not re.search("Traceback|CRITICAL|no such command", said), f"{command}\n{said[-2000:]}"
    with zipfile.ZipFile(walk.course / ".build/vae_course_learner.zip") as package:
        assert not any("solutions" in name for name in package.namelist())
    ignored = (ROOT / ".gitignore").read_text().split()
    written = {path.name for path in walk.course.iterdir()} - {path.name for path in ROOT.iterdir()}
    assert written <= {"students.csv", *ignored, *(name.rstrip("/") for name in ignored)}, written
