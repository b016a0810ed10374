"""docs/models: every page has one shape, runs as it stands, and sends nobody to a chapter that does not say it."""

import dataclasses
import re
from pathlib import Path

from vae_course import datasets, models, priors

import keras
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path for path in (ROOT / "docs/models").glob("*.md") if path.name != "README.md")
SHAPE = ["Generative process", "Inference", "Objective", "Advantages", "Limitations", "Tasks"]


def section(text, title):
    return re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", text)[1]


def headings(number):
    """The numbers of a chapter's sections."""
    source = next((ROOT / "sources/chapters").glob(f"{number}_*.py")).read_text()
    return set(re.findall(r"(?m)^# ## (\d+)\. ", source))


def wrong_references(text):
    """Sections that a text names, "chapter 07, sections 6 and 9", and that the chapter does not have."""
    for number, said in re.findall(
        r"[Cc]hapter (\d\d)\]?(?:\([^)]*\))?,? \(?sections? ((?:\d+(?:, | and | to )?)+)", text
    ):
        yield from (f"{number}.{one}" for one in re.findall(r"\d+", said) if one not in headings(number))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_shape_and_its_references_hold(page):
    text = page.read_text()
    assert re.findall(r"(?m)^## (.*)", text) == SHAPE and text.count("\n") <= 60
    for name in ("Class", "Built in", "Paper"):
        assert re.search(rf"(?m)^- \*\*{name}:\*\* ", text), name
    assert re.search(r"\[chapter \d\d\]\(", text)
    assert list(wrong_references(text)) == []
    measured = re.findall(r"chapter \d\d,? \(?section", section(text, "Limitations"))
    assert len(measured) >= 2, "limitations are what the course has measured, and where"


def test_the_check_of_references_sees_a_wrong_one():
    said = "Fine (chapter 07, section 6), not (chapter 07, sections 9 and 23), nor chapter 03 (section 77)."
    assert list(wrong_references(said)) == ["07.23", "03.77"]


def test_every_model_has_a_page_and_every_page_is_listed():
    listed = (ROOT / "docs/models/README.md").read_text()
    classes = {path.stem: re.search(r"(?m)^- \*\*Class:\*\* (.*)", path.read_text())[1] for path in PAGES}
    named = set(re.findall(r"`models\.(\w+)`", " ".join(classes.values())))
    assert named == set(models.__all__) - {"CourseModel", "LatentModel", "ObjectiveModel", "load", "pretrained_models"}
    assert all(f"({page.name})" in listed for page in PAGES)


@pytest.fixture
def small(monkeypatch):
    """Few examples and a single epoch: what runs here is whether the calls exist and fit together."""
    load, parts = datasets.load, {"train": 96, "valid": 48, "test": 48}

    def few(name):
        data = load(name)
        cut = {
            f"{kind}_{part}": value[:n]
            for kind in ("x", "y", "factors")
            for part, n in parts.items()
            if (value := getattr(data, f"{kind}_{part}")) is not None
        }
        return dataclasses.replace(data, **cut)

    monkeypatch.setattr(datasets, "load", few)

    def always(cls, name, **given):
        method = getattr(cls, name)
        monkeypatch.setattr(cls, name, lambda self, *args, **options: method(self, *args, **{**options, **given}))

    always(models.CourseModel, "fit", epochs=1, verbose=0)
    always(priors.CodeMap, "fit", epochs=1, verbose=0)
    always(keras.Model, "compile", run_eagerly=True)  # to compile would take most of the time


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_as_it_stands(page, small):
    for block in re.findall(r"(?ms)^```python\n(.*?)^```", section(page.read_text(), "Tasks")):
        exec(compile(block, page.name, "exec"), {"__name__": page.stem})


def test_the_page_of_the_library_runs_as_it_stands(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "library"}
    for block in re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT / "docs/library.md").read_text()):
        exec(compile(block, "library.md", "exec"), names)
    drawn = names["documents"].given([60.0]).sample(200, seed=0).sum(axis=1)
    assert abs(np.median(drawn) - 60) < 10, "the decoder starts at the rates of the data"
