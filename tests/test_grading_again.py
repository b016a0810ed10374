"""What a second run of `make grade` finds and leaves: marks given meanwhile, another run, marks that were lost."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "classroom")]

import grade as command  # noqa: E402
import test_isolation as isolation  # noqa: E402
from grading import batch  # noqa: E402
from test_isolation import NAME, Case, hand_in, marks_of, needs_bubblewrap  # noqa: E402


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course in which ada and bob have marks."""
    course = tmp_path_factory.mktemp("again")
    released, right = isolation.make_course(course)
    for student in ("ada", "bob"):
        hand_in(course, student, Case(isolation.with_answer(right, "why", "Because.")))
    course_sheets[course] = released, right
    assert run(course) == 0
    return course


course_sheets = {}


def run(course, *options):
    return command.main(["01", "--course", str(course), *isolation.LIMITS, *options])


def books(course):
    return Gradebook(f"sqlite:///{course / '.nbgrader/gradebook.db'}", "vae_course")


def give(course, student, points, name="why"):
    """As the page of formgrader does."""
    with books(course) as gradebook:
        grade = gradebook.find_grade(name, NAME, NAME, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()


def given(course, student, name="why"):
    with books(course) as gradebook:
        return gradebook.find_grade(name, NAME, NAME, student).manual_score


def meanwhile(monkeypatch, act):
    """Do something after the first submission of a run, while the others wait."""
    records = batch.Workers.records

    def interrupted(self, collected):
        for number, item in enumerate(records(self, collected)):
            if number == 0:
                act()
            yield item

    monkeypatch.setattr(batch.Workers, "records", interrupted)


@pytest.mark.parametrize("fence", [pytest.param([], marks=needs_bubblewrap), ["--no-bubblewrap"]])
def test_marks_given_while_others_are_graded_stay(course, monkeypatch, capsys, fence):
    points = 1.5 + len(fence)
    meanwhile(monkeypatch, lambda: give(course, "ada", points))
    assert run(course, "--again", "--student", "bob", *fence) == len(fence)
    assert given(course, "ada") == points
    told = capsys.readouterr().out
    assert ("ALTERED" in told) == bool(fence)
    if fence:
        before = course / ".nbgrader/gradebook.before.db"
        assert f"{before} is as it was before" in told and command.is_gradebook(before)


def test_a_gradebook_that_is_none_any_more_is_put_back(course, tmp_path):
    whole, place = (course / ".nbgrader/gradebook.db").read_bytes(), tmp_path / "gradebook.db"
    for broken in (b"gone", b"", None):
        place.unlink(missing_ok=True)
        if broken is not None:
            place.write_bytes(broken)
        (told,) = command.kept_beside(place, whole)
        assert "put back" in told and place.read_bytes() == whole
        assert (tmp_path / "gradebook.broken.db").read_bytes() == (broken or b"")
    assert command.kept_beside(place, whole) == []
    with closing(sqlite3.connect(place)) as formgrader:
        formgrader.execute("pragma user_version = 7")
        formgrader.execute("begin exclusive")
        assert command.is_gradebook(place), "one that somebody is writing to is whole"


@pytest.mark.skipif(command.fcntl is None, reason="this system has no flock")
def test_a_second_run_stops_while_the_first_grades(course, monkeypatch, capsys):
    codes = []
    meanwhile(monkeypatch, lambda: codes.append(isolation.grade(course)))
    assert run(course, "--again", "--student", "bob") == 0
    assert codes[0].returncode == 1 and "Another `make grade` is running in this course (process " in codes[0].stdout
    assert run(course) == 0, "the file of a run that has ended stops nobody"
    (course / ".nbgrader/grading.lock").write_text("1")
    assert run(course) == 0


def test_what_the_gradebook_has_lost_is_not_skipped(course, capsys):
    with books(course) as gradebook:
        gradebook.remove_submission(NAME, "bob")
    assert "bob" not in marks_of(course)
    capsys.readouterr()
    assert run(course) == 0
    assert "1 submissions graded, 1 skipped" in capsys.readouterr().out
    assert marks_of(course)["bob"]["rate-check"] == (2, False)


def test_the_report_keeps_what_it_told_of_those_it_skips(course, capsys):
    released, right = course_sheets[course]
    edited = isolation.with_answer(right, "rate-check", isolation.released_source("rate-check") + "\nprint(1)")
    hand_in(course, "ada", Case(edited))
    (course / f".nbgrader/submitted/ada/{NAME}/old.ipynb").write_text("{}")
    for graded in (1, 0):
        capsys.readouterr()
        assert run(course) == 0
        told = capsys.readouterr().out
        assert f"{graded} submissions graded" in told
        assert "  ada: rate-check: the check was changed" in told and "  ada: 2 notebooks in the folder" in told
    (course / f".nbgrader/submitted/ada/{NAME}/old.ipynb").unlink()


def test_a_written_answer_next_to_its_untouched_cell_waits_for_the_teacher(course, capsys):
    released, right = course_sheets[course]
    text = nbformat.v4.new_markdown_cell("Jensen.", id="written")
    hand_in(course, "eve", Case(isolation.answered_beside(right, 1, text)))
    assert run(course, "--student", "eve") == 0
    assert "  eve: why: as it was handed out, but" in capsys.readouterr().out
    assert marks_of(course)["eve"]["why"] == (None, True)
    with books(course) as gradebook:
        assert gradebook.find_comment("why", NAME, NAME, "eve").comment is None


def test_an_answer_that_changed_after_its_mark_is_told_until_it_is_marked_anew(course, capsys):
    released, right = course_sheets[course]
    hand_in(course, "zoe", Case(isolation.with_answer(right, "why", "Because.")))
    assert run(course, "--student", "zoe") == 0
    give(course, "zoe", 1)
    title, told = "Written answers that have changed since you marked them", []
    capsys.readouterr()
    # another cell is new; the answer is; nothing is; another cell again
    for written, mine in [("Because.", "# mine"), ("Jensen.", "# mine"), ("Jensen.", "# mine"), ("Jensen.", "# too")]:
        hand_in(course, "zoe", Case(isolation.with_first(isolation.with_answer(right, "why", written), mine)))
        assert run(course, "--student", "zoe") == 0
        told.append(title in (text := capsys.readouterr().out) and "  zoe: why" in text.split(title)[1])
    assert told == [False, True, True, True]
    give(course, "zoe", 3)
    for options in ([], ["--again"]):
        assert run(course, "--student", "zoe", *options) == 0
        assert title not in capsys.readouterr().out
