"""build.py on a small course, and every rule of notebook_rules.py on a notebook that breaks it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests/fixtures"
sys.path[:0] = [str(ROOT / "sources"), str(ROOT / "tests")]

import build  # noqa: E402
import notebook_rules as rules  # noqa: E402

CHAPTER, SOLUTION = "chapters/01_fixture.ipynb", "solutions/01_fixture/01_fixture.ipynb"
EXERCISE = "exercises/01_fixture/01_fixture.ipynb"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A course of one chapter and one problem, built once."""
    root = tmp_path_factory.mktemp("course")
    for kind in ("chapter", "problem"):
        (root / f"sources/{kind}s").mkdir(parents=True)
        shutil.copy(FIXTURES / f"{kind}.py", root / f"sources/{kind}s/01_fixture.py")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    assert build.main([], root) == 0
    return root


@pytest.fixture
def course(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "course"))


def edit(path, change):
    nb = nbformat.read(path, as_version=4)
    change(nb)
    path.write_text(build.text(nb), encoding="utf-8")


def snapshot(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.ipynb")}


def in_environment(*command, cwd):
    """Run a tool of this environment; nbgrader needs alembic on PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=os.environ | {"PATH": path},
        text=True,
        capture_output=True,
    )


# --- building -------------------------------------------------------------------------------------


def test_building_again_changes_nothing(course, monkeypatch):
    commit = "git init -q && git add -A && git -c user.name=a -c user.email=a@b commit -qm x"
    subprocess.run(commit, shell=True, cwd=course, check=True)
    with monkeypatch.context() as patch:
        patch.setattr(build, "execute", lambda *_: pytest.fail("executed though nothing had changed"))
        assert build.main([], course) == 0
    assert build.main(["--all"], course) == 0
    status = subprocess.run(["git", "status", "--porcelain"], cwd=course, text=True, capture_output=True).stdout
    assert status == ""


def test_an_exercise_is_what_nbgrader_makes(course):
    ours = (course / EXERCISE).read_bytes()
    shutil.rmtree(course / "exercises")
    done = in_environment("nbgrader", "generate_assignment", "01_fixture", cwd=course)
    assert done.returncode == 0, done.stderr
    assert (course / EXERCISE).read_bytes() == ours


def test_notebooks_hold_nothing_volatile(built):
    nb = nbformat.read(built / CHAPTER, as_version=4)
    assert set(nb.metadata) == {"kernelspec", "language_info", "vae_course"}
    assert nb.metadata.kernelspec.name == "python3" and "version" not in nb.metadata.language_info
    assert all("execution" not in cell.metadata for cell in nb.cells)
    assert [cell.id for cell in nb.cells] == [f"cell-{n:02d}" for n in range(len(nb.cells))]
    assert nb.cells[2].metadata.tags == ["nbval-ignore-output"]  # "drift" in the source
    assert any("image/png" in output.get("data", {}) for output in nb.cells[2].outputs)
    ids = [cell.id for cell in nbformat.read(built / EXERCISE, as_version=4).cells]
    assert {"rate", "rate-check", "why"} < set(ids)


def test_graded_cells_are_completed(built):
    cells = {cell.id: cell.source for cell in nbformat.read(built / SOLUTION, as_version=4).cells}
    assert "visible checks passed (2 of 2); hidden checks are run when graded" in cells["rate-check"]
    assert 'print("visible checks passed (1 of 1)")' in cells["distortion-shape"]  # it has no hidden checks
    assert all(build.GUARD in cells[name] for name in ("rate-check", "distortion-shape", "distortion-check"))
    assert "visible checks passed" in (built / EXERCISE).read_text()


def test_text_alone_is_not_executed_again(course, monkeypatch):
    source = course / "sources/chapters/01_fixture.py"
    source.write_text(source.read_text().replace("equal steps", "steps that are equal"))
    assert build.check(course) == [f"{CHAPTER}: stale"]
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("executed for a change of the text"))
    assert build.main([], course) == 0
    assert build.check(course) == []
    assert "steps that are equal" in (course / CHAPTER).read_text()


def test_that_an_output_may_drift_is_not_executed_again(course, monkeypatch):
    source = course / "sources/chapters/01_fixture.py"
    cells = source.read_text()
    assert cells.count('# %% tags=["drift"]') == 1
    source.write_text(cells.replace('# %% tags=["drift"]', "# %%"))
    assert build.check(course) == [f"{CHAPTER}: stale"]
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("executed for a tag that only nbval reads"))
    assert build.main([], course) == 0
    assert "nbval-ignore-output" not in (course / CHAPTER).read_text()
    monkeypatch.undo()
    source.write_text(cells.replace('tags=["drift"]', 'tags=["drift", "raises-exception"]'))
    assert build.main([], course) == 1, "a cell that was to raise, and does not, is executed and refused"


def test_a_mark_for_the_slides_is_not_executed_again(course, monkeypatch):
    source = course / "sources/chapters/01_fixture.py"
    mark = '# %% tags=["drift", "slide-code"] slideshow={"slide_type": "skip"}'
    source.write_text(source.read_text().replace('# %% tags=["drift"]', mark))
    assert build.check(course) == [f"{CHAPTER}: stale"]
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("executed for a mark that only the slides read"))
    assert build.main([], course) == 0 and build.check(course) == []
    metadata = nbformat.read(course / CHAPTER, as_version=4).cells[2].metadata
    assert metadata == {"tags": ["nbval-ignore-output", "slide-code"], "slideshow": {"slide_type": "skip"}}


def test_changed_code_is_executed_again(course):
    source = course / "sources/chapters/01_fixture.py"
    source.write_text(source.read_text().replace('print("the sum is 3")', 'print("three")'))
    assert build.main([], course) == 0
    assert nbformat.read(course / CHAPTER, as_version=4).cells[4].outputs[0].text == "three\n"


@pytest.mark.parametrize("code, said", [
    ("1 / 0", "ZeroDivisionError"),
    ("%no_such_magic", "no_such_magic"),
    ("# %% tags=[\"raises-exception\"]\n1 + 1", "was to raise"),
])  # fmt: skip
def test_a_failure_leaves_the_earlier_notebook(course, capsys, code, said):
    before = snapshot(course)
    source = course / "sources/chapters/01_fixture.py"
    source.write_text(f"{source.read_text()}\n# %%\n{code}\n")
    assert build.main(["01"], course) == 1
    output = capsys.readouterr().out
    assert CHAPTER in output and said in output and "Cell 6" in output or "Cell 7" in output
    assert snapshot(course) == before


# --- what `make check` finds ----------------------------------------------------------------------


def test_check_finds_stale_code_and_exercises(course):
    source = course / "sources/problems/01_fixture.py"
    source.write_text(source.read_text().replace("moving the mean by 1", "a mean of 1"))
    assert build.check(course) == [f"{SOLUTION}: stale"]
    (course / EXERCISE).write_text((course / EXERCISE).read_text().replace('"name": "python3"', '"name": "other"'))
    assert build.check(course) == [f"{SOLUTION}: stale", f"{EXERCISE}: stale"]
    assert build.main(["--check"], course) == 1
    assert build.main([], course) == 0 and build.main(["--check"], course) == 0


def test_check_finds_missing_and_orphaned_notebooks(course):
    shutil.move(course / CHAPTER, course / "chapters/99_left.ipynb")
    assert build.check(course) == [
        f"{CHAPTER}: missing",
        "chapters/99_left.ipynb: orphaned (it has no source)",
    ]


def test_check_finds_unexecuted_and_hand_edited_notebooks(course):
    def clear(nb):
        for cell in rules.code(nb):
            cell.update(outputs=[], execution_count=None)

    def change_output(nb):
        nb.cells[4].outputs[0].text = "the sum is 4\n"

    edit(course / CHAPTER, change_output)
    assert build.check(course) == [f"{CHAPTER}: hand-edited"]
    edit(course / CHAPTER, clear)
    assert build.check(course) == [f"{CHAPTER}: hand-edited, unexecuted"]


def test_opening_a_notebook_is_not_editing_it(course):
    edit(course / CHAPTER, lambda nb: nb.metadata.language_info.update(version="3.11.2"))
    assert build.check(course) == [f"{CHAPTER}: stale"]
    assert build.main([], course) == 0 and build.check(course) == []


@pytest.mark.parametrize("name", [EXERCISE, CHAPTER, SOLUTION])
def test_what_a_learner_wrote_is_never_lost(course, capsys, name):
    edit(course / name, lambda nb: nb.cells.append(nbformat.v4.new_code_cell("my_answer = 1", id="mine")))
    mine = (course / name).read_bytes()
    for source in course.glob("sources/*/*.py"):
        source.write_text(source.read_text() + "\n# %%\nlater = 2\n")
    for arguments in ([], ["--all"]):
        assert build.main(arguments, course) == 1
        assert (course / name).read_bytes() == mine
        assert f"{name}: changed by hand" in capsys.readouterr().out
    assert build.main(["--force"], course) == 0
    assert (course / "mine" / name).read_bytes() == mine and (course / "mine/.gitignore").exists()
    assert build.check(course) == []


def test_a_broken_file_is_not_overwritten(course):
    (course / EXERCISE).write_text("not json")
    assert build.main([], course) == 1
    assert (course / EXERCISE).read_text() == "not json"


# --- nbval ----------------------------------------------------------------------------------------


def nbval(course, *more):
    shutil.copy(ROOT / "conftest.py", course)
    return in_environment(
        "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "--nbval", "--nbval-current-env",
        f"--nbval-sanitize-with={ROOT / 'tests/nbval_sanitize.cfg'}", *more, cwd=course,
    )  # fmt: skip


def test_nbval_passes_on_what_was_built(course):
    done = nbval(course, "chapters", "solutions")
    assert done.returncode == 0 and "10 passed" in done.stdout, done.stdout


def test_nbval_fails_on_other_output_and_on_an_unknown_magic(course):
    def spoil(nb):
        nb.cells[2].source = "%no_such_magic"  # tagged as one that may drift: nbval alone would let it pass
        nb.cells[2].outputs = []
        nb.cells[4].outputs[0].text = "the sum is 4\n"
        nb.cells[5].source = "1 + 1;"  # tagged raises-exception
        nb.cells[5].metadata.tags.append("nbval-ignore-output")

    edit(course / CHAPTER, spoil)
    done = nbval(course, "chapters")
    assert "an unknown %magic?" in done.stdout
    assert "the sum is 4" in done.stdout and "raised nothing" in done.stdout
    assert "3 failed, 1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("stored, new", [
    ("\x1b[1m8/8\x1b[0m \x1b[32m━━━\x1b[0m \x1b[1m0s\x1b[0m 9ms/step - loss: 1",
     "\x1b[1m8/8\x1b[0m \x1b[32m━━━\x1b[0m \x1b[1m12s\x1b[0m 381us/step - loss: 1"),
    ("8/8 - 0s - 12ms/step - loss: 0.5", "8/8 - 2s - 263ms/step - loss: 0.5"),
    ("100%|███| 8/8 [00:00<00:00, 813.4it/s]", "100%|███| 8/8 [00:01<00:00,  7.02it/s]"),
    ("100%|███| 2/2 [00:00<00:00, 813kB/s]", "100%|███| 2/2 [00:09<00:00,  4.1s/it]"),
    ("<object at 0x7f12ab34cd56>", "<object at 0x7fffffffffff>"),
    ("trained in 12.5 s", "trained in 9 s"),
])  # fmt: skip
def test_times_and_addresses_are_not_compared(stored, new):
    def clean(text):
        for pattern, replacement in re.findall(r"(?m)^regex: (.*)$\n^replace: (.*)$", config):
            assert replacement
            text = re.sub(pattern, replacement, text)
        return text

    config = (FIXTURES.parent / "nbval_sanitize.cfg").read_text(encoding="utf-8")
    assert clean(stored) == clean(new)
    assert clean("loss: 0.5, 8 examples") == "loss: 0.5, 8 examples"


# --- the rules, each on a notebook that breaks it -------------------------------------------------

MARKDOWN, CODE = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
GRADE = {"nbgrader": {"grade_id": "a", "grade": True, "points": 1}}
HOLE = {"nbgrader": {"grade_id": "b", "solution": True}}
ANSWER = "### BEGIN SOLUTION\nx = 1\n### END SOLUTION"
PNG = [nbformat.v4.new_output("display_data", {"image/png": "", "text/plain": "<Figure>"})]
PRINTED = [nbformat.v4.new_output("stream", text="in /tmp/x, <A at 0x7f00aa11>")]
VALUE = [nbformat.v4.new_output("execute_result")]
STDERR = [nbformat.v4.new_output("stream", name="stderr", text="a warning")]
ERROR = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]

BROKEN = [
    (rules.installs_nothing, [CODE("!pip install x")]),
    (rules.keeps_pyplot_local, [CODE("plt.plot([1])")]),
    (rules.stays_in_the_graph, [CODE("tf.numpy_function(f, [x], tf.float32)")]),
    (rules.names_no_machine, [CODE("open('/home/me/x')")]),
    (rules.names_no_machine, [CODE("x", outputs=PRINTED)]),
    (rules.links_resolve, [MARKDOWN("[here](no_such_file.ipynb)")]),
    (rules.asserts_explain, [CODE("assert x")]),
    (rules.imports_the_course_first, [CODE("import keras\nimport vae_course")]),
    (rules.is_executed, [CODE("1")]),
    (rules.is_executed, [CODE("1", execution_count=2)]),
    (rules.is_executed, [CODE("1", execution_count=1, outputs=ERROR)]),
    (rules.is_executed, [CODE("1", execution_count=1, metadata={"tags": ["raises-exception"]})]),
    (rules.prints_nothing_volatile, [CODE("x", outputs=STDERR)]),
    (rules.prints_nothing_volatile, [CODE("x", outputs=PRINTED)]),
    (rules.figures_are_read, [CODE("x", outputs=PNG), CODE("y")]),
    (rules.figures_are_read, [CODE("x", outputs=PNG)]),
    (rules.has_a_title, [MARKDOWN("# A title")]),
    (rules.has_all_parts, [MARKDOWN("**Goals** and **Level** and no more")]),
    (rules.has_the_rhythm, [MARKDOWN("few cells")]),
    (rules.has_the_rhythm, [MARKDOWN("word " * 200, id=f"c{n}") for n in range(30)] + [CODE("x = 1\n" * 26)]),
    (rules.has_the_rhythm, [MARKDOWN("word", id=f"c{n}") for n in range(30)] + [CODE("x = 1\n" * 7)]),
    (rules.checks_its_claims, [CODE("assert x, 'y'"), CODE("assert x, 'y'")]),
    (rules.has_its_exercises, [MARKDOWN("## Exercise 1. Only one")]),
    (rules.holes_are_narrow, [CODE("x = 1", metadata=HOLE)]),
    (rules.holes_are_narrow, [CODE(ANSWER.replace("x = 1", "x = 1\n" * 9), metadata=HOLE)]),
    (rules.holes_are_checked, [CODE(ANSWER, metadata=HOLE)]),
    (rules.holes_are_checked, [CODE(ANSWER, metadata=HOLE), CODE("assert x, 'y'", metadata=GRADE)]),
    (rules.grading_is_sound, [CODE("guard()", metadata=GRADE), CODE("guard()", metadata=GRADE)]),
    (rules.grading_is_sound, [CODE("assert x", metadata=GRADE)]),
    (rules.grading_is_sound, [CODE("guard()", metadata={"nbgrader": GRADE["nbgrader"] | {"points": 0}})]),
    (rules.grading_is_sound, [CODE("x", metadata={"nbgrader": {"grade_id": "a", "locked": True}})]),
    (rules.grading_is_sound, [CODE("guard()\n2", metadata=GRADE, outputs=VALUE)]),
    (rules.leaks_nothing, [CODE(ANSWER)]),
    (rules.leaks_nothing, [CODE("### BEGIN HIDDEN TESTS")]),
    (rules.leaks_nothing, [CODE("x", outputs=STDERR)]),
    (rules.leaks_nothing, [CODE("x = 1", metadata=HOLE)]),
    (rules.leaks_nothing, [CODE("pass", metadata=GRADE)]),
]  # fmt: skip


@pytest.mark.parametrize("rule, cells", BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_rule_sees_what_breaks_it(rule, cells, tmp_path):
    assert list(rule(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_x.ipynb"))


def test_every_rule_is_broken_once():
    every = rules.EVERY + rules.EXECUTED + rules.CHAPTER + rules.SOLUTION + rules.EXERCISE
    assert set(every) == {rule for rule, _ in BROKEN}


def test_a_sound_notebook_breaks_no_rule(built):
    chapter, solution, exercise = (nbformat.read(built / name, as_version=4) for name in (CHAPTER, SOLUTION, EXERCISE))
    path = built / EXERCISE
    assert rules.broken(rules.EVERY + rules.EXECUTED + [rules.has_a_title], chapter, path) == []
    some = [rules.holes_are_narrow, rules.grading_is_sound]
    assert rules.broken(rules.EVERY + rules.EXECUTED + some, solution, path) == []
    assert rules.broken(rules.EVERY + rules.EXERCISE, exercise, path) == []
    assert list(rules.holds_no_answer(exercise, solution)) == []
    assert list(rules.holds_no_answer(solution, solution))


def test_the_metadata_are_plain_json(built):
    assert set(json.loads((built / EXERCISE).read_text())["metadata"]["vae_course"]) == {"built", "exercise"}
