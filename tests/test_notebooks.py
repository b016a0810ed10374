"""Every chapter, exercise and solution keeps the rules of notebook_rules.py and is what its source says."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sources"), str(ROOT / "tests")]

import build  # noqa: E402
import notebook_rules as rules  # noqa: E402

CHAPTERS = sorted((ROOT / "sources/chapters").glob("*.py"))
PROBLEMS = sorted((ROOT / "sources/problems").glob("[0-9]*.py"))  # the exam has a test of its own


def read(*parts):
    path = ROOT.joinpath(*parts)
    assert path.exists(), f"{path.relative_to(ROOT)} is missing: run `make notebooks`"
    return nbformat.read(path, as_version=4), path


def names(paths):
    return [path.stem for path in paths]


def test_every_chapter_has_its_exercises():
    assert CHAPTERS, "there is no chapter"
    assert names(CHAPTERS) == names(PROBLEMS), "a chapter has one slug everywhere"
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", name) for name in names(CHAPTERS)), "slugs are NN_words"
    assert [name[:2] for name in names(CHAPTERS)] == [f"{n + 1:02d}" for n in range(len(CHAPTERS))], "01, 02, ..."


def test_every_notebook_is_up_to_date():
    assert build.check(ROOT) == []


@pytest.mark.parametrize("name", names(CHAPTERS))
def test_chapter(name):
    nb, path = read("chapters", f"{name}.ipynb")
    assert rules.broken(rules.EVERY + rules.EXECUTED + rules.CHAPTER, nb, path) == []
    assert f"exercises/{name}/{name}.ipynb" in "".join(rules.markdown(nb)), "a chapter links to its exercises"


@pytest.mark.parametrize("name", names(PROBLEMS))
def test_solution(name):
    nb, path = read("solutions", name, f"{name}.ipynb")
    assert rules.broken(rules.EVERY + rules.EXECUTED + rules.SOLUTION, nb, path) == []


@pytest.mark.parametrize("name", names(PROBLEMS))
def test_exercise(name):
    nb, path = read("exercises", name, f"{name}.ipynb")
    assert rules.broken(rules.EVERY + rules.EXERCISE, nb, path) == []
    assert list(rules.holds_no_answer(nb, read("solutions", name, f"{name}.ipynb")[0])) == []
