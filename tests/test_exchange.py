"""nbgrader's exchange between four accounts of this system: a teacher and three learners, none of whom is root.

The settings are those of classroom/hub/, and the commands those that the hub's pages run; the hub itself is not needed.
"""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sources"), str(ROOT / "tests")]

import build  # noqa: E402
from notebook_rules import grader, is_check  # noqa: E402

NAME = "01_fixture"
# Accounts that every Linux has for its own purposes; here they only lend their rights.
ACCOUNTS = [entry for entry in pwd.getpwall() if 0 < entry.pw_uid < 60000 and re.fullmatch("[a-z]+", entry.pw_name)][:4]
# Several commands in one process, since each start of nbgrader costs seconds.
SEVERAL = """
import sys
from nbgrader.apps import NbGraderApp
for command in sys.argv[1:]:
    try:
        NbGraderApp.launch_instance(command.split())
    except SystemExit as end:
        if end.code:
            sys.exit(f"nbgrader {command} ended with {end.code}")
    for app in list(NbGraderApp._walk_mro()):
        app.clear_instance()
"""


def within_reach():
    """What to put before a command, so that other accounts reach this Python and the course even in root's home."""
    needed = [Path(sys.base_prefix).resolve(), Path(sys.prefix), ROOT]
    closed = {home for path in needed for home in path.parents if not home.stat().st_mode & 0o001}
    if not closed:
        return []
    home = min(closed)
    if not shutil.which("bwrap"):
        pytest.skip(f"other accounts may not enter {home}, where Python or the course is, and bwrap is not installed")
    # In its place an open folder with nothing in it but what leads there.
    inside = {home / path.relative_to(home).parts[0] for path in needed if home in path.parents}
    binds = [word for path in inside for word in ("--ro-bind", path, path)]
    return [
        "bwrap",
        "--dev-bind",
        "/",
        "/",
        "--tmpfs",
        home,
        *binds,
        "--cap-add",
        "CAP_SETUID",
        "--cap-add",
        "CAP_SETGID",
    ]


class Person:
    """An account, with a home of its own that nobody else may enter."""

    def __init__(self, entry, place):
        self.name, self.ids = entry.pw_name, (entry.pw_uid, entry.pw_gid)
        self.home = place / "home" / self.name
        self.home.mkdir(mode=0o700)
        os.chown(self.home, *self.ids)
        self.environment = {
            "HOME": str(self.home),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "JUPYTER_CONFIG_PATH": str(ROOT / "classroom/hub/everyone"),
            "VAE_EXCHANGE": str(place / "exchange"),
        }

    def run(self, *command, folder=None):
        uid, gid = self.ids
        rights = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "env", "-C", folder or self.home]
        return subprocess.run(
            [*within_reach(), *rights, *command], env=self.environment, text=True, capture_output=True
        )

    def nbgrader(self, *commands, folder=None):
        done = self.run(sys.executable, "-c", SEVERAL, *commands, folder=folder)
        assert done.returncode == 0, f"{self.name}: {done.stderr[-4000:]}"
        return done.stderr

    def own(self, path):
        for each in [path, *path.rglob("*")]:
            os.chown(each, *self.ids)


@pytest.fixture(scope="module")
def place():
    """A folder that all may enter, unlike pytest's own."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root may act for three learners and a teacher: run this test as root, in a container say")
    if len(ACCOUNTS) < 4:
        pytest.skip("this system has fewer than four accounts to lend")
    folder = Path(tempfile.mkdtemp(prefix="vae_course_exchange_"))
    folder.chmod(0o755)
    (folder / "home").mkdir()
    (folder / "exchange").mkdir()
    (folder / "exchange").chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def people(place):
    people = [Person(entry, place) for entry in ACCOUNTS]
    done = people[0].run(sys.executable, "-c", "import nbgrader, vae_course.grading")
    if done.returncode:
        pytest.skip(f"other accounts cannot use {sys.executable}: {done.stderr.splitlines()[-1]}")
    return people


@pytest.fixture(scope="module")
def course(place, people):
    """The teacher's course, which only the teacher can read: one small sheet, with its solution."""
    course = people[0].home / "vae_course"
    (course / "sources/problems").mkdir(parents=True)
    shutil.copy(ROOT / "tests/fixtures/problem.py", course / f"sources/problems/{NAME}.py")
    shutil.copy(ROOT / "nbgrader_config.py", course)
    assert build.main([], course) == 0
    people[0].own(course)
    return course


def handed_in(course, kind):
    """What a learner hands in: everything right, the first check's answer only, or nothing."""
    released = nbformat.read(course / f"exercises/{NAME}/{NAME}.ipynb", as_version=4)
    solution = nbformat.read(course / f"solutions/{NAME}/{NAME}.ipynb", as_version=4)
    answers = {cell.id: cell.source for cell in solution.cells if grader(cell).get("solution")}
    chosen = {"right": list(answers), "half": list(answers)[:1], "nothing": []}[kind]
    for cell in released.cells:
        if cell.id in chosen:
            cell.source = answers[cell.id]
    return nbformat.writes(released)


def points(course, checks):
    solution = nbformat.read(course / f"solutions/{NAME}/{NAME}.ipynb", as_version=4)
    given = [grader(cell)["points"] for cell in solution.cells if is_check(cell)]
    return sum(given[:checks])


@pytest.fixture(scope="module")
def term(course, place, people):
    """The whole way of one sheet, and who is denied what on it."""
    teacher, *learners = people
    teacher.nbgrader(f"generate_assignment {NAME} --create --force", f"release_assignment {NAME}", folder=course)
    denied = {}
    for learner, kind in zip(learners, ("right", "half", "nothing")):
        learner.nbgrader(f"fetch_assignment {NAME}")
        sheet = learner.home / "exercises" / NAME / f"{NAME}.ipynb"
        assert sheet.stat().st_uid == learner.ids[0] and "HIDDEN" not in sheet.read_text()
        first = kind if kind != "half" else "nothing"  # the second learner hands in twice
        sheet.write_text(handed_in(course, first))
        learner.nbgrader(f"submit {NAME}")
        if first != kind:
            sheet.write_text(handed_in(course, kind))
            learner.nbgrader(f"submit {NAME}")
        others = [person.home for person in learners if person is not learner]
        closed = [course / "solutions", course / "nbgrader_config.py", place / "exchange/vae_course/inbound", *others]
        denied[learner.name] = {path: learner.run("ls", "-l", path / ".").returncode != 0 for path in closed}
    log = teacher.nbgrader(
        f"collect {NAME}", f"autograde {NAME}",  # or the course's own command, which ends in the same gradebook
        f"generate_feedback {NAME}", f"release_feedback {NAME}", folder=course,
    )  # fmt: skip
    for learner in learners:
        learner.nbgrader(f"fetch_feedback {NAME}")
    return denied, log


def test_each_learner_is_graded_on_the_last_that_was_handed_in(term, course, people):
    with Gradebook(f"sqlite:///{course / '.nbgrader/gradebook.db'}", "vae_course") as gradebook:
        marks = {submission.student.id: submission.score for submission in gradebook.assignment_submissions(NAME)}
    right, half, nothing = (person.name for person in people[1:])
    assert marks == {right: points(course, None), half: points(course, 1), nothing: 0}
    assert 0 < points(course, 1) < points(course, None)
    assert "cheating attempt" not in term[1]


def test_feedback_reaches_its_own_learner(term, people):
    scores = []
    for person in people[1:]:
        [page] = (person.home / "exercises" / NAME / "feedback").rglob("*.html")
        assert page.stat().st_uid == person.ids[0]
        scores.append(re.search(r"Score: ([\d.]+) / ([\d.]+)", page.read_text()).groups())
    assert len(set(scores)) == 3, "each has a score of their own"


def test_nobody_reads_what_is_another_s(term):
    denied, _ = term
    assert len(denied) == 3
    for name, tried in denied.items():
        assert all(path.exists() for path in tried)
        assert all(tried.values()), f"{name} can read {[str(path) for path, shut in tried.items() if not shut]}"
