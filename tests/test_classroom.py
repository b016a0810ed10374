"""The teacher's room: notes that agree with their chapters, plans into which these fit, and what learners are given."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from traitlets.config.loader import PyFileConfigLoader

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "classroom"))

import package  # noqa: E402

CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
BLOCK = 90  # minutes of a session


def text_of(notebook):
    cells = nbformat.read(ROOT / notebook, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def minutes_of(kind, name):
    """Minutes that a chapter states, computing included; or those of a sheet's exercises, all together."""
    text = text_of(f"chapters/{name}.ipynb" if kind == "chapter" else f"exercises/{name}/{name}.ipynb")
    stated = (
        re.search(r"\*\*Time:\*\*.*", text)[0] if kind == "chapter" else "\n".join(re.findall("^## .*", text, re.M))
    )
    return sum(int(number) for number in re.findall(r"(\d+) minutes?", stated))


def notes(chapter):
    """Notes by heading: title, then sections."""
    text = (ROOT / "classroom/notes" / f"{chapter}.md").read_text()
    return dict(part.split("\n", 1) for part in text.replace("# ", "\n## ", 1).split("\n## ")[1:])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_notes_agree_with_the_chapter(chapter):
    text, parts = text_of(f"chapters/{chapter}.ipynb"), notes(chapter)
    title, *names = parts
    assert title == re.match(r"# (.*)", text)[1] + ": notes for the teacher"
    assert names == ["Timing", "Predictions", "Wrong answers in the exercises", "Quiz"]
    rows = re.findall(r"^\| *(\S[^|]*?) *\| *(\d+) *\|", parts["Timing"], re.M)
    reading = int(re.search(r"(\d+) minutes reading", text)[1])
    assert sum(int(minutes) for _, minutes in rows) == reading, "the sections' minutes are the chapter's"
    sections = re.findall(r"^## (\d+)\.", text, re.M)
    told = [re.match(r"\d+", name)[0] for name, _ in rows if re.match(r"\d+", name)]
    assert told == sections, "a row for each section, in order"
    asked = len(re.findall(r"\*\*Predict", text))
    assert len(re.findall(r"^\d+\. \(section", parts["Predictions"], re.M)) == asked, "an item for each Predict"
    assert parts["Predictions"].count("**Expected:**") == asked
    quiz = re.findall(r"^\d+\. .*\*Answer:\*", parts["Quiz"], re.M)
    assert len(quiz) == 5, "five questions with answers"


def test_every_lesson_fits_into_its_block():
    text = (ROOT / "classroom/README.md").read_text().split("## A term, a week, a day")[1].split("\n## ")[0]
    lessons = re.findall(r"(chapter|exercises) (\d\d)", text)
    weeks = re.findall(r"\| (\d+) \| (\d\d) (?=\|)", text)
    assert len(lessons) > 20 and [int(week) for week, _ in sorted(weeks, key=lambda row: int(row[0]))] == [
        *range(1, 16)
    ]
    lessons += [("chapter", number) for _, number in weeks]
    for kind, number in lessons:
        name = next(chapter for chapter in CHAPTERS if chapter.startswith(number))
        minutes = minutes_of(kind, name)
        assert 30 <= minutes <= BLOCK, f"{kind} {number}: {minutes} minutes do not fit into {BLOCK}"


def plans():
    text = (ROOT / "classroom/README.md").read_text()
    return text.split("## Two sessions of ninety minutes")[1].split("\n## Slides")[0]


def test_no_lesson_comes_before_what_it_needs():
    """Or the plan says what to read, or to tell, before it."""
    rows = re.findall(r"^\| \[(\d\d) .*\| ([^|]*) \|$", (ROOT / "chapters/README.md").read_text(), re.M)
    needs = {chapter: re.findall(r"\b\d\d\b", what.split(";")[0]) for chapter, what in rows}
    assert len(needs) == len(CHAPTERS)
    term, rest = plans().split("**A week of five days")
    week, day = rest.split("**A day of four blocks")
    at = {chapter: int(number) for number, chapter in re.findall(r"\| (\d+) \| (\d\d) (?=\|)", term)}
    read = {chapter: int(number) for chapter, number in re.findall(r"(\d\d) before week (\d+)", term)}
    for chapter, number in at.items():
        for need in needs[chapter]:
            assert at.get(need, 99) < number or read.get(need, 99) <= number, f"the term: {chapter} needs {need}"
    for name, text in ("week", week), ("day", day):
        order = list(dict.fromkeys(re.findall(r"\| chapter (\d\d)", text)))
        for place, chapter in enumerate(order):
            for need in needs[chapter]:
                told = f"Chapter {chapter} needs chapter {need}." in text
                assert need in order[:place] or told, f"the {name}: {chapter} needs {need}"


def test_two_sessions_hold_a_chapter_and_its_sheet_or_the_page_says_which_not():
    text = plans().split("## A term")[0]
    (begin, end), (work,) = re.findall(r"^\| (\d+)-(\d+) \| read", text, re.M)[0], re.findall(r"0-(\d+) \| exerc", text)
    longer = {f"{number} ({minutes} minutes)" for number, minutes in re.findall(r"(\d\d) \((\d+) minutes\)", text)}
    found = set()
    for chapter in CHAPTERS:
        sections = re.findall(r"^\| *\d+\.[^|]*\| *(\d+) *\|", notes(chapter)["Timing"], re.M)
        computing = int(re.search(r"(\d+) minutes? computing", text_of(f"chapters/{chapter}.ipynb"))[1])
        assert sum(map(int, sections)) + computing <= int(end) - int(begin), chapter
        if (minutes := minutes_of("sheet", chapter)) > int(work):
            found.add(f"{chapter[:2]} ({minutes} minutes)")
    assert found == longer


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learner")
    assert package.main(["--to", str(folder / "all.zip")]) == 0
    with zipfile.ZipFile(folder / "all.zip") as found:
        found.extractall(folder)
    return folder / "vae_course_learner"


def test_a_learner_is_given_all_sheets_and_no_answer(unpacked):
    for chapter in CHAPTERS:
        assert (unpacked / f"chapters/{chapter}.ipynb").is_file()
        sheet = nbformat.read(unpacked / f"exercises/{chapter}/{chapter}.ipynb", as_version=4)
        answer = nbformat.read(ROOT / f"solutions/{chapter}/{chapter}.ipynb", as_version=4)
        shown = "\n".join(cell.source for cell in sheet.cells)
        assert "YOUR CODE HERE" in shown and not any(cell.get("outputs") for cell in sheet.cells)
        secret = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)### END", re.S)
        for cell in answer.cells:
            for _, lines in secret.findall(cell.source) if cell.cell_type == "code" else ():
                assert lines.strip() not in shown, f"{chapter}: {cell.id} is given away"
    assert not list(unpacked.rglob("*solution*")) and not (unpacked / "sources").exists()


def test_a_learner_can_work_with_the_package_alone(unpacked):
    for path in [*unpacked.rglob("*.md"), *unpacked.rglob("*.ipynb")]:
        text = path.read_text() if path.suffix == ".md" else text_of(path)
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
            assert (path.parent / link).exists(), f"{path.relative_to(unpacked)} leads to {link}, which is not there"
    line = "from vae_course import datasets; print(datasets.load('digits').x_train.shape)"
    done = subprocess.run([sys.executable, "-c", line], cwd=unpacked, capture_output=True, text=True)
    assert done.stdout.strip() == "(1197, 8, 8, 1)", done.stderr
    done = subprocess.run(["make", "help"], cwd=unpacked, capture_output=True, text=True)
    assert "make lab" in done.stdout


def test_what_a_teacher_wrote_into_an_exercise_is_not_handed_out(monkeypatch, tmp_path):
    committed = (ROOT / "exercises/01_autoencoders/01_autoencoders.ipynb").read_bytes()
    assert package.content(["01"], only_sheets=True) == {"exercises/01_autoencoders/01_autoencoders.ipynb": committed}
    assert package.main(["99"]) == 1, "no such sheet"
    monkeypatch.setattr(package.build, "release", lambda notebook, root: "### BEGIN SOLUTION")
    with pytest.raises(RuntimeError, match="nothing was written"):
        package.main(["01", "--to", str(tmp_path / "all.zip")])
    assert not (tmp_path / "all.zip").exists()


def test_a_sheet_that_comes_later_does_not_take_the_place_of_the_whole_package(monkeypatch, tmp_path):
    found = package.content(["01"])
    monkeypatch.setattr(package, "content", lambda names, only_sheets: found)
    monkeypatch.setattr(package, "ROOT", tmp_path)
    assert package.main([]) == package.main(["--only-sheets", "01"]) == 0
    assert sorted(path.name for path in (tmp_path / ".build").iterdir()) == [
        "vae_course_learner.zip",
        "vae_course_sheets.zip",
    ]


NAMES = {
    "all/Di Dow_12348_assignsubmission_file_/final_01_autoencoders.ipynb": "Di Dow",
    "all/Di Dow_12348_assignsubmission_file_/01_autoencoders.ipynb": "Di Dow",
    "all/Di Dow_12348_assignsubmission_file_01_autoencoders.ipynb": "Di Dow",
    "all/d_dow_12348_assignsubmission_file_/Copy of 01_autoencoders.ipynb": "d_dow",
    "ada_01_autoencoders.ipynb": "ada",
    "Copy of ada_01_autoencoders.ipynb": "ada",
    "ada_lovelace_01_autoencoders.ipynb": "ada_lovelace",
    "li_ono_final_01_autoencoders.ipynb": "li_ono",
    "bob_12_x_01_autoencoders (1).ipynb": "bob",
    "lovelaceada_LATE_12345_67890_01_autoencoders-1.ipynb": "lovelaceada",
    "all/zoe_7/01_autoencoders.ipynb": "zoe",
    "all/ADA_01_AUTOENCODERS.IPYNB": "ADA",
    "zoe_01_autoencoders/answers.ipynb": "zoe",
    "VAE-01_autoencoders-99/answers.ipynb": None,
    "VAE-01_autoencoders-99/Di Dow_12348_assignsubmission_file_/scratch.ipynb": None,
    "01_autoencoders.ipynb": None,
    "Copy of 01_autoencoders.ipynb": None,
    "ada_02_denoising.ipynb": None,
    "all/Di Dow_12348_assignsubmission_file_/notes.ipynb": None,
}


@pytest.fixture
def collector(monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_PATH", os.environ.get("JUPYTER_PATH", ""))  # which the configuration changes
    (tmp_path / "nbgrader_config.py").write_bytes((ROOT / "nbgrader_config.py").read_bytes())
    return PyFileConfigLoader("nbgrader_config.py", path=str(tmp_path)).load_config().ZipCollectApp.collector_plugin


def test_whose_a_downloaded_file_is(collector):
    found = {name: collector.learner(f"/x/extracted/{name}", "01_autoencoders", {"li_ono", "li"}) for name in NAMES}
    assert found == NAMES
    assert collector.learner("/x/extracted/all/ada_exam.ipynb", "exam") == "ada"


def test_what_an_lms_packed_becomes_submissions(tmp_path):
    """In an archive or not, in a folder a learner or not, and named as browsers name a second download."""
    sheet = ROOT / "exercises/15_conditional/15_conditional.ipynb"
    (tmp_path / "nbgrader_config.py").write_bytes((ROOT / "nbgrader_config.py").read_bytes())
    archive = tmp_path / ".nbgrader/downloaded/15_conditional/archive"
    archive.mkdir(parents=True)
    (archive / "ada_15_conditional.ipynb").write_bytes(sheet.read_bytes())
    with zipfile.ZipFile(archive / "all.zip", "w") as packed:
        packed.write(sheet, "zoe_1234_assignsubmission_file_/15_conditional.ipynb")
        packed.write(sheet, "bob_12_x_15_conditional (1).ipynb")
        packed.write(sheet, "Di Dow_12348_assignsubmission_file_/final_15_Conditional.ipynb")
    command = [sys.executable, "-m", "nbgrader", "zip_collect", "15_conditional"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    collected = sorted((tmp_path / ".nbgrader/submitted").glob("*/15_conditional/15_conditional.ipynb"))
    assert [path.parts[-3] for path in collected] == ["Di Dow", "ada", "bob", "zoe"], done.stderr
    assert all(path.read_bytes() == sheet.read_bytes() for path in collected)
