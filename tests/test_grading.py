"""Stock nbgrader with the course's settings: what each kind of submission earns, all in one batch.

`make grade` is the way to grade (test_isolation.py); this is what `nbgrader autograde` and the button of formgrader do.
"""

import ast
import copy
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sources"), str(ROOT / "tests")]

import build  # noqa: E402
from notebook_rules import BEGIN, END, grader, is_check, is_hole  # noqa: E402

CELL_TIMEOUT = 30  # seconds: more than any cell of an exercise needs on a busy machine
# Endless at its first call only, so that the checks after it need not wait for the time-out too.
LOOP = """exec("if 'looped' in globals(): raise ValueError\\nlooped = 1\\nwhile True: pass", globals())"""
REPLACED_COMPARISONS = """
import numpy as np
np.allclose = np.isclose = lambda *args, **kwargs: True
np.testing.assert_allclose = lambda *args, **kwargs: None
"""
ASSERTS_REMOVED = """
import ast
class Remove(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)
get_ipython().ast_transformers.append(Remove())
"""
WARNINGS = """
import sys
get_ipython().events.register("pre_run_cell", lambda info: print("a warning", file=sys.stderr))
"""


@dataclass
class Exercise:
    """The sheet under test, and where its last hole and that hole's checks are."""

    name: str
    released: nbformat.NotebookNode
    solved: nbformat.NotebookNode  # the released notebook with every answer filled in
    answers: dict  # the solution's source of each cell that a learner completes

    def __post_init__(self):
        cells = self.solved.cells
        self.hole = max(index for index, cell in enumerate(cells) if is_hole(cell))
        self.checks = [index for index, cell in enumerate(cells) if is_check(cell)]
        self.last_checks = [index for index in self.checks if index > self.hole]

    def points(self, checks):
        return sum(self.solved.cells[index].metadata.nbgrader.points for index in checks)

    def with_last_answer(self, statement):
        """The solved notebook with the last answer replaced."""
        nb = copy.deepcopy(self.solved)
        nb.cells[self.hole].source = replaced(self.answers[nb.cells[self.hole].id], statement)
        return nb


def replaced(source, statement):
    """A solution cell with its first answer replaced by one statement and its others left out."""
    kept, inside, put = [], False, False
    for line in source.splitlines():
        if BEGIN in line:
            inside = True
            if not put:
                kept.append(line[: len(line) - len(line.lstrip())] + statement)
                put = True
        elif END in line:
            inside = False
        elif not inside:
            kept.append(line)
    ast.parse("\n".join(kept))
    return "\n".join(kept)


def build_fixture(course):
    """A sheet that costs nothing, in a folder of its own."""
    shutil.copy(ROOT / "nbgrader_config.py", course)
    (course / "sources/problems").mkdir(parents=True)
    shutil.copy(ROOT / "tests/fixtures/problem.py", course / "sources/problems/01_fixture.py")
    assert build.main([], course) == 0
    shutil.rmtree(course / "exercises")
    return "01_fixture"


def nbgrader(course, *arguments):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader starts alembic by name
    command = [sys.executable, "-m", "nbgrader", *arguments, f"--Execute.timeout={CELL_TIMEOUT}"]
    done = subprocess.run(command, cwd=course, env=os.environ | {"PATH": path}, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return tmp_path_factory.mktemp("course")


@pytest.fixture(scope="module")
def exercise(course):
    name = build_fixture(course)
    nbgrader(course, "generate_assignment", name)
    released = nbformat.read(course / f"exercises/{name}/{name}.ipynb", as_version=4)
    solution = nbformat.read(course / f"solutions/{name}/{name}.ipynb", as_version=4)
    answers = {grader(cell)["grade_id"]: cell.source for cell in solution.cells if grader(cell).get("solution")}
    solved = copy.deepcopy(released)
    for cell in solved.cells:
        if grader(cell).get("solution"):
            cell.source = answers[grader(cell)["grade_id"]]
    return Exercise(name, released, solved, answers)


def submissions(exercise):
    """Each student's notebook, and the checks that earn points."""
    everything = exercise.checks
    others = [index for index in everything if index not in exercise.last_checks]

    def first(source, nb):
        nb.cells.insert(1, nbformat.v4.new_code_cell(source, id="mine"))
        return nb

    stop = "raise ValueError('not yet')"
    edited = exercise.with_last_answer(stop)
    for index in exercise.last_checks:
        edited.cells[index].source = "print('visible checks passed')"
        edited.cells[index].metadata.nbgrader.points = 100
    deleted = copy.deepcopy(exercise.solved)
    del deleted.cells[exercise.last_checks[-1]]
    gone = copy.deepcopy(exercise.solved)
    del gone.cells[exercise.hole : exercise.last_checks[-1] + 1]
    copied = copy.deepcopy(exercise.solved)
    for index in (exercise.last_checks[0], exercise.hole):
        copied.cells.insert(index, copy.deepcopy(copied.cells[index]))
        copied.cells[index].id = f"copy-{index}"
    return {
        "right": (exercise.solved, everything),
        "untouched": (exercise.released, []),
        "wrong": (exercise.with_last_answer("pass"), others),
        "loops": (exercise.with_last_answer(LOOP), others),
        "exits": (exercise.with_last_answer("__import__('sys').exit()"), others),
        "edits_checks_and_points": (edited, others),
        "deletes_a_check": (deleted, everything),
        "deletes_an_exercise": (gone, others),
        "copies_cells": (copied, everything),
        "warns": (first(WARNINGS, copy.deepcopy(exercise.solved)), everything),
        "replaces_comparisons": (first(REPLACED_COMPARISONS, exercise.with_last_answer(stop)), []),
        "removes_asserts": (first(ASSERTS_REMOVED, exercise.with_last_answer(stop)), []),
    }


@pytest.fixture(scope="module")
def graded(course, exercise):
    """Every submission's points, automatically given, after one run of `nbgrader autograde`."""
    for student, (nb, _) in submissions(exercise).items():
        path = course / f".nbgrader/submitted/{student}/{exercise.name}/{exercise.name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(nb), encoding="utf-8")
    log = nbgrader(course, "autograde", exercise.name)
    assert "There was an error processing" not in log
    with Gradebook(f"sqlite:///{course / '.nbgrader/gradebook.db'}", "vae_course") as gradebook:
        found = {}
        for submission in gradebook.assignment_submissions(exercise.name):
            grades = {grade.name: grade for notebook in submission.notebooks for grade in notebook.grades}
            found[submission.student.id] = grades
    return found


def test_the_exercise_has_something_to_grade(exercise):
    assert exercise.points(exercise.last_checks) > 0 and exercise.points(exercise.checks) > 0
    assert exercise.hole < exercise.last_checks[0]


def test_the_exercises_of_the_repository_are_what_nbgrader_releases(course, exercise):
    name = "01_autoencoders"
    shutil.copytree(ROOT / "solutions" / name, course / "solutions" / name)
    nbgrader(course, "generate_assignment", name)
    place = f"exercises/{name}/{name}.ipynb"
    assert (ROOT / place).read_bytes() == (course / place).read_bytes()


def test_everybody_is_graded(graded, exercise):
    assert sorted(graded) == sorted(submissions(exercise))


def test_each_submission_earns_what_it_deserves(graded, exercise):
    name_of = {index: exercise.solved.cells[index].id for index in exercise.checks}
    earned, deserved = {}, {}
    for student, (_, checks) in submissions(exercise).items():
        deserved[student] = {name_of[i]: exercise.points([i]) if i in checks else 0 for i in name_of}
        earned[student] = {name: graded[student][name].auto_score for name in name_of.values()}
    assert earned == deserved


def test_written_answers_wait_for_the_teacher(graded):
    assert any(grade.needs_manual_grade for grade in graded["right"].values())
    assert not any(grade.needs_manual_grade for grade in graded["untouched"].values())
