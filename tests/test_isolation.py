"""Grading each submission alone: what honest, broken and hostile ones earn, in a batch on a sheet that costs nothing.

`make grade` is run as a teacher runs it. The sheet (fixtures/graded.py) has five checks of 2, 1, 4, 8 and 16 points.
"""

import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbgrader.api import Gradebook

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sources"), str(ROOT / "classroom")]

import build  # noqa: E402
from grading import batch, box, checking, mending  # noqa: E402
from grading import plain as plain_data  # noqa: E402

NAME = "01_graded"
CHECKS = {"rate-check": 2, "slope-check": 1, "counter-check": 4, "grow-check": 8, "entropy-check": 16}
LIMITS = ["--seconds", "3", "--memory", "0.7"]
BWRAP = box.bubblewrap()
needs_bubblewrap = pytest.mark.skipif(
    not BWRAP, reason="bubblewrap is not here, or may not be used: only the weaker isolation can be tried"
)


@dataclass
class Case:
    """A submission and what it deserves: every check but the `lost`, which fail, and the `open`, which have no mark."""

    handed_in: object  # a notebook or bytes
    lost: str = ""  # the checks' first words
    open: str = ""
    says: str = ""  # what the report must say of it; "" if it must say nothing
    file: str = f"{NAME}.ipynb"
    more: dict = field(default_factory=dict)  # further files

    def deserved(self):
        lost, left_open = self.lost.split(), self.open.split()
        first = {name: name.split("-")[0] for name in CHECKS}
        return {
            name: None if word in left_open or "all" in left_open else 0 if word in lost or "all" in lost else points
            for (name, points), word in zip(CHECKS.items(), first.values())
        }


# --- the submissions ------------------------------------------------------------------------------


def code(source, **metadata):
    return nbformat.v4.new_code_cell(source, id=hashlib.md5(source.encode()).hexdigest()[:8], metadata=metadata)


def with_answer(nb, name, source):
    nb = copy.deepcopy(nb)
    next(cell for cell in nb.cells if cell.id == name).source = source
    return nb


def with_first(nb, source):
    """A cell of the learner's own before everything else."""
    nb = copy.deepcopy(nb)
    nb.cells.insert(1, code(source))
    return nb


def changed(nb, change):
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        change(cell)
    return nb


def strip_metadata(cell):
    cell.metadata = nbformat.NotebookNode()


def plain(nb, ids=True):
    data = json.loads(nbformat.writes(nb))
    for cell in data["cells"]:
        if not ids:
            cell.pop("id", None)
    return json.dumps(data).encode()


def moved(nb, name, place):
    """The answer in a cell of its own above or below an untouched stub."""
    nb, index = copy.deepcopy(nb), next(i for i, cell in enumerate(nb.cells) if cell.id == name)
    own = code(nb.cells[index].source)
    nb.cells[index].source = released_source(name)
    nb.cells.insert(index + place, own)
    return nb


def answered_beside(nb, place, cell):
    """The written answer's cell as it was handed out, and another above (0) or below (1) it."""
    nb, index = copy.deepcopy(nb), next(i for i, other in enumerate(nb.cells) if other.id == "why")
    nb.cells[index].source = released_source("why")
    nb.cells.insert(index + place, cell)
    return nb


SHEETS = {}


def released_source(name):
    return next(cell.source for cell in SHEETS["released"].cells if cell.id == name)


def honest(right, released):
    rate = next(cell.source for cell in right.cells if cell.id == "rate")
    half = copy.deepcopy(right)
    for name in ("counter", "grow"):
        half = with_answer(half, name, released_source(name))
    shuffled = copy.deepcopy(right)
    checks = [cell for cell in shuffled.cells if mending.is_check(cell)]
    shuffled.cells = [cell for cell in shuffled.cells if not mending.is_check(cell)] + checks[::-1]
    text = nbformat.v4.new_markdown_cell("Jensen: the mean of a convex function.", id="written")
    recipe = re.search(r"```text\n(.*?)```", (ROOT / "docs/elsewhere.md").read_text(), re.S)[1]
    first = next(cell.id for cell in right.cells if cell.cell_type == "code")
    more = with_answer(right, first, "import numpy as np\nimport torch_that_is_not_here")
    own_print = with_answer(right, "rate-check", released_source("rate-check") + "\nprint(rate(0.0, 1.0))")
    warns = "import sys, warnings\nwarnings.warn('mind')\nprint('a warning', file=sys.stderr)"
    scratch = "1 / 0", "%timeit -n1 -r1 pass", "input('name? ')", "def (", "!ls", "for mu in range(3): counter = mu"
    busy = right
    for source in scratch:
        busy = with_first(busy, source)
    crlf = plain(right).replace(rb"\n", rb"\r\n")
    formula = "(np.square(mu) + sigma**2 - 1) / 2 - np.log(sigma)"
    callable_object = f"class Rate:\n    def __call__(self, mu, sigma): return {formula}\nrate = Rate()"
    as_list = f"def rate(mu, sigma): return ({formula}).astype('f2').tolist()"
    hidden = rate.replace("- np.log(sigma)", "- np.log(sigma) + 0 * mu").replace("mu**2", "2 * mu**2")
    return {
        "right": Case(right),
        "untouched": Case(released, lost="all"),
        "half": Case(half, lost="counter grow"),
        "answer_above_the_stub": Case(moved(right, "rate", 0)),
        "answer_below_the_stub": Case(moved(right, "rate", 1)),
        "checks_last_and_backwards": Case(shuffled),
        "busy_with_scratch_cells": Case(busy),
        "warns": Case(with_first(right, warns)),
        "callable_object": Case(with_answer(right, "rate", callable_object)),
        "partial": Case(with_answer(right, "rate", rate + "\nimport functools\nrate = functools.partial(rate)")),
        "answers_with_lists": Case(with_answer(right, "rate", as_list)),
        "value_as_array": Case(with_answer(right, "entropy", "entropy = np.array(1.791759469228055)")),
        "generator_of_a_value": Case(with_answer(right, "entropy", "entropy = max(np.log(n) for n in (2, 6))")),
        "wrong_in_hidden_checks": Case(with_answer(right, "rate", hidden), lost="rate"),
        "wrong_type": Case(with_answer(right, "rate", "def rate(mu, sigma):\n    return None"), lost="rate"),
        "syntax_error": Case(with_answer(right, "rate", "def rate(mu, sigma:\n    return 0"), lost="rate"),
        "windows_line_ends": Case(crlf),
        "colab": Case(with_first(right, recipe)),
        "set_up_with_another_import": Case(more, says="set-up cell ended with ModuleNotFoundError: No module named"),
        "written_below_the_stub": Case(answered_beside(right, 1, text), says="why: as it was handed out, but"),
        "written_above_the_stub": Case(answered_beside(right, 0, text), says="why: as it was handed out, but"),
        "empty_cell_below_the_stub": Case(answered_beside(right, 1, nbformat.v4.new_markdown_cell("", id="empty"))),
        "prints_in_a_check": Case(own_print, says="rate-check: the check was changed"),
    }


def broken_files(right):
    text = nbformat.writes(right)
    umlaut = with_first(right, "# für Zoë")
    as_text = copy.deepcopy(right)
    check = next(cell for cell in as_text.cells if cell.id == "slope-check")
    check.cell_type = "markdown"
    del check["outputs"], check["execution_count"]
    other_kernel = copy.deepcopy(right)
    other_kernel.metadata["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    copied = copy.deepcopy(right)
    for index in (8, 4):
        copied.cells.insert(index, copy.deepcopy(copied.cells[index]))
        copied.cells[index].id = f"copy-{index}"
    stub_copy = copy.deepcopy(right)
    index = next(i for i, cell in enumerate(stub_copy.cells) if cell.id == "rate")
    stub = copy.deepcopy(stub_copy.cells[index])
    stub.source, stub.id = released_source("rate"), "stub-copy"
    stub_copy.cells.insert(index + 1, stub)
    no_check = copy.deepcopy(right)
    no_check.cells = [cell for cell in no_check.cells if cell.id not in ("slope-check", "entropy-check")]
    no_answer = copy.deepcopy(right)
    no_answer.cells = [cell for cell in no_answer.cells if cell.id not in ("slope", "slope-check")]
    bare = changed(right, strip_metadata)
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}}
    cells = [{("input" if c["cell_type"] == "code" else "source"): c["source"], **c} for c in json.loads(text)["cells"]]
    old["worksheets"] = [{"cells": cells}]
    cut = text[: text.index('"id": "counter-check"')].encode()
    return {
        "name_with_1": Case(right, file=f"{NAME} (1).ipynb", says=f"the file is named {NAME} (1).ipynb"),
        "capitals": Case(right, file=f"{NAME}.IPYNB", says=f"the file is named {NAME}.IPYNB"),
        "Müller_Зоя": Case(right, file="Übung.ipynb", says="the file is named Übung.ipynb"),
        "two_notebooks": Case(right, more={"old.ipynb": b"{}"}, says="2 notebooks in the folder"),
        "byte_order_mark": Case(b"\xef\xbb\xbf" + text.encode()),
        "utf_16": Case(text.encode("utf-16"), says="the file is UTF-16"),
        "cp1252": Case(nbformat.writes(umlaut).encode("cp1252"), says="the file is not UTF-8"),
        "no_metadata": Case(bare, says="cells had lost their marks"),
        "no_ids": Case(plain(right, ids=False)),
        "neither": Case(plain(bare, ids=False), says="cells had lost their marks"),
        "version_3": Case(json.dumps(old).encode()),
        "check_as_text": Case(as_text, says="slope-check had become markdown"),
        "other_kernel": Case(other_kernel),
        "copied_cells": Case(copied, says="is there 2 times"),
        "copied_stub": Case(stub_copy, says="rate is there 2 times"),
        "no_check": Case(no_check, says="entropy-check was missing and was put back"),
        "no_answer": Case(no_answer, lost="slope", says="slope was missing"),
        "cut_short": Case(cut, open="grow entropy", says="the file breaks off"),
        "empty": Case(b"", open="all", says="the file is empty"),
        "a_web_page": Case(b"<html><body>Sign in</body></html>", open="all", says="the file is not a notebook"),
        "no_notebook": Case(b"text", file="notes.txt", open="all", says="there is no notebook"),
    }


def in_rate(statement):
    return "import os, signal, time\ndef rate(mu, sigma):\n    " + statement


STUBBORN = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while True: pass"
HOLD = "data = []\nwhile True: data.append(bytearray(b'x' * 50_000_000))"
PROCESSES = (
    "import subprocess\nkept = [subprocess.Popen(['sleep', '100']) for _ in range(300)]\nimport time; time.sleep(2)"
)
DISK = "for n in range(20):\n    open(f'/tmp/{n}', 'wb').write(bytes(100_000_000))"
CRASH = "import ctypes; ctypes.string_at(0)"


def deadly(right):
    def in_answer(statement, says="rate-check"):
        return Case(with_answer(right, "rate", in_rate(statement)), open="rate", says=says)

    return {
        "ends_in_an_answer": in_answer("os._exit(0)", "it ended its own process"),
        "loops": in_answer("while True: pass", "rate-check: time limit"),
        "loops_and_will_not_stop": in_answer(STUBBORN),
        "sleeps": in_answer("time.sleep(1e6)", "rate-check: time limit"),
        "leaves_with_sys_exit": Case(with_answer(right, "rate", in_rate("raise SystemExit")), lost="rate"),
        "recursion": Case(with_answer(right, "rate", in_rate("return rate(mu, sigma)")), lost="rate"),
        "endless_iterator": Case(with_answer(right, "rate", in_rate("return iter(int, 1)")), lost="rate"),
        "answers_with_gigabytes": in_answer("return np.ones(2 * 10**8)"),
        "ends_in_a_scratch_cell": Case(with_first(right, "import os; os._exit(1)"), says="ended the process"),
        "crashes": Case(with_first(right, CRASH), says="ended the process"),
        "kills_itself": Case(with_first(right, "import os; os.kill(os.getpid(), 9)"), says="ended the process"),
        "halts_itself": Case(with_first(right, "import os; os.kill(os.getpid(), 19)"), says="ended the process"),
        "loops_before_it_defines_its_answer": Case(
            with_answer(right, "rate", "while True: pass\ndef rate(mu, sigma): return 0"),
            open="rate",
            says="was stopped",
        ),
        "loops_in_a_scratch_cell": Case(with_first(right, "while True: pass"), says="was stopped: time limit"),
        "memory": Case(with_first(right, HOLD), says="GB of memory"),
        "processes": Case(with_first(right, PROCESSES), says="processes"),
        "flood": Case(with_first(right, "for _ in range(400): print('x' * 500_000)"), says=None),
        "many_lines": Case(with_first(right, "for n in range(50_000): print(n)")),
    }  # fmt: skip


PATCHED = """import numpy as np
np.allclose = np.isclose = np.array_equal = lambda *a, **k: True
np.testing.assert_allclose = lambda *a, **k: None"""
NO_ASSERTS = """import ast
class Remove(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.copy_location(ast.Pass(), node)
get_ipython().ast_transformers.append(Remove())"""
EMPTIED = """import ast
class Empty(ast.NodeTransformer):
    def visit_Module(self, node): return ast.Module([], []) if "assert" in ast.unparse(node) else node
get_ipython().ast_transformers.append(Empty())"""
LIAR = """class Liar(np.ndarray):
    def __array_function__(self, *a, **k): return True
    def __array_ufunc__(self, *a, **k): return True
    def __eq__(self, other): return True
    def all(self, *a, **k): return True
def rate(mu, sigma): return np.zeros(np.shape(mu)).view(Liar)"""
EQUAL = """class Equal:
    shape = (7,)
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return True
    def __eq__(self, other): return True
    __lt__ = __gt__ = __le__ = __ge__ = __ne__ = __eq__
    def __float__(self): return 0.0
    def __array__(self, *a, **k): return np.zeros(7)
def rate(mu, sigma): return Equal()"""
SUBCLASS = """class Number(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __abs__(self): return 0.0
entropy = Number(5)"""
EVIL_PICKLE = """class Evil:
    def __reduce__(self): return (open, ({path!r}, 'w'))
def rate(mu, sigma): return Evil()"""
FRAMES = """import sys
def rate(mu, sigma):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
            if isinstance(value, str) and "costs half" + " a nat" in value: return mu**2 / 2
        frame = frame.f_back
    return 0 * np.asarray(mu) + 7"""
HELPER = """import json
def __answer__(text, token):
    reply = {"v": True}
    get_ipython().display_pub.publish({"application/x-answer": token + json.dumps(reply)})"""
NO_DATA = """def __answer__(text, token):
    get_ipython().display_pub.publish({"application/x-answer": token + %r})"""
OBJECTS = '{"v": {"t": "array", "d": "O", "s": [], "v": ""}}'
EXEC = "import builtins\nbuiltins.exec = lambda *a, **k: None\nbuiltins.compile = lambda *a, **k: None"
NONSENSE = """k = get_ipython().kernel
k.session.send(k.iopub_socket, "stream", content={"name": 3}, parent=k.get_parent())
k.iopub_socket.send_multipart([b"x", b"<IDS|MSG>", b"", b"{", b"}", b"[", b""])"""
GUARD = "import vae_course.grading as g\ng.guard = lambda: None"
EDITED = "print('visible checks passed')"


def hostile(right, released, course):
    def wrong(first="", answer=None, **case):
        nb = with_answer(right, "rate", answer or in_rate("return 5.0 + 0 * np.asarray(mu)"))
        return Case(with_first(nb, first) if first else nb, lost="rate", **case)

    edited = with_answer(with_answer(right, "rate", in_rate("return 5.0")), "rate-check", EDITED)
    next(cell for cell in edited.cells if cell.id == "rate-check").metadata.nbgrader.points = 100
    grown_redefined = with_answer(
        right, "grow", "def grow(values): pass\ngrown = lambda values: [2 * v for v in values]"
    )
    return {
        "patches_numpy": wrong(PATCHED, says="np.allclose was replaced"),
        "removes_asserts": wrong(NO_ASSERTS, says="a transformer changes the code of cells"),
        "empties_cells": Case(with_first(released, EMPTIED), lost="all", says="a transformer"),
        "array_that_lies": wrong(answer=LIAR),
        "equal_to_everything": wrong(answer=EQUAL),
        "number_that_lies": Case(with_answer(right, "entropy", SUBCLASS), lost="entropy"),
        "pickle_that_acts": wrong(answer=EVIL_PICKLE.format(path=str(course / "pickled"))),
        "reads_frames": wrong(answer=FRAMES),
        "answers_for_the_box": Case(with_first(released, HELPER), lost="all"),
        "answers_without_json": Case(with_first(right, NO_DATA % "nothing"), lost="all"),
        "answers_with_objects": Case(with_first(right, NO_DATA % OBJECTS), lost="all"),
        "replaces_exec": Case(with_first(released, EXEC), open="all", says="no answer came out of the box"),
        "replaces_the_guard": wrong(GUARD),
        "edits_check_and_points": Case(edited, lost="rate", says="points set to 100"),
        "replaces_a_helper_of_the_check": Case(grown_redefined, lost="grow"),
        "sends_nonsense": Case(with_first(right, NONSENSE), says=None),
    }  # fmt: skip


STEAL = """import glob, json
there = {course!r} + "/"
for path in glob.glob(there + "solutions/*/*.ipynb") + glob.glob(there + ".nbgrader/submitted/right/*/*.ipynb"):
    for cell in json.load(open(path))["cells"]:
        if cell["cell_type"] == "code": exec("".join(cell["source"]), globals())"""
WRITE = """import glob
there = {course!r} + "/"
others = glob.glob(there + ".nbgrader/submitted/*/*/*.ipynb")
for path in [*others, there + ".nbgrader/gradebook.db", there + "written"]:
    try: open(path, "w").write("gone")
    except OSError: pass"""
LIBRARY = """import vae_course, pathlib
path = pathlib.Path(vae_course.__file__).parent / "grading.py"
try: path.write_text("def guard(): pass")
except OSError: pass"""
PARENT = """import os
for pid in {os.getppid(), *map(int, filter(str.isdigit, os.listdir("/proc")))} - {os.getpid(), 1}:
    try: os.kill(pid, 15)
    except OSError: pass"""
NETWORK = """import socket
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=2)
except OSError:
    pass
else:
    def rate(mu, sigma): return np.asarray(mu)**2 / 2"""
SLEEPS = str(7_000_000 + os.getpid())  # seconds that no other run's process sleeps
STAYS = f"import subprocess\nsubprocess.Popen(['setsid', 'sleep', '{SLEEPS}'], start_new_session=True)"


def outside(right, released, course, port):
    """What bubblewrap keeps in. `wrong` ones would be right if their way out were open."""
    fill = {"course": str(course), "port": port}
    wrong = with_answer(right, "rate", "pass")
    return {
        "steals": Case(with_first(released, STEAL.format(**fill)), lost="all"),
        "writes_elsewhere": Case(with_first(right, WRITE.format(**fill))),
        "alters_the_library": Case(with_first(right, LIBRARY)),
        "kills_its_parents": Case(with_first(right, PARENT), says=None),
        "network": Case(with_first(wrong, NETWORK.format(**fill)), lost="rate"),
        "leaves_a_process": Case(with_first(right, STAYS)),
        "disk": Case(with_first(right, DISK), says=None),
    }


# --- the batch ------------------------------------------------------------------------------------


def make_course(folder):
    """A course with one sheet: its released notebook, and the same with every answer filled in."""
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    shutil.copytree(ROOT / "vae_course", folder / "vae_course", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "sources/problems").mkdir(parents=True)
    shutil.copy(ROOT / "tests/fixtures/graded.py", folder / f"sources/problems/{NAME}.py")
    assert build.main([], folder) == 0
    released = nbformat.read(folder / f"exercises/{NAME}/{NAME}.ipynb", as_version=4)
    sealed = nbformat.read(folder / f"solutions/{NAME}/{NAME}.ipynb", as_version=4)
    answers = {cell.id: cell.source for cell in sealed.cells if mending.marks(cell).get("solution")}
    right = copy.deepcopy(released)
    for cell in right.cells:
        cell.source = answers.get(cell.id, cell.source)
    SHEETS["released"] = released
    return released, right


def hand_in(course, student, case):
    folder = course / ".nbgrader/submitted" / student / NAME
    folder.mkdir(parents=True, exist_ok=True)
    data = case.handed_in if isinstance(case.handed_in, bytes) else nbformat.writes(case.handed_in).encode()
    for name, content in ({case.file: data} | case.more).items():
        (folder / name).write_bytes(content)


def grade(course, *options):
    command = [sys.executable, str(ROOT / "classroom/grade.py"), "01", "--course", str(course), *LIMITS, *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=course)


def marks_of(course):
    """student -> {cell: nbgrader's grade as (automatic score, waits for the teacher)}"""
    with Gradebook(f"sqlite:///{course / '.nbgrader/gradebook.db'}", "vae_course") as gradebook:
        return {
            submission.student.id: {
                grade.name: (grade.auto_score, grade.needs_manual_grade)
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions(NAME)
        }


def fingerprint(course):
    """Everything that no learner may change."""
    places = ["solutions", "vae_course", ".nbgrader/submitted"]
    files = [path for place in places for path in (course / place).rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files if "__pycache__" not in path.parts}


def compare(cases, marks):
    earned = {s: {name: marks.get(s, {}).get(name, ("nothing",))[0] for name in CHECKS} for s in cases}
    deserved = {student: case.deserved() for student, case in cases.items()}
    assert {s: e for s, e in earned.items() if e != deserved[s]} == {
        s: d for s, d in deserved.items() if d != earned[s]
    }


def told_of(text, student):
    return [line.strip() for line in text.splitlines() if line.startswith(f"  {student}: ")]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return tmp_path_factory.mktemp("course")


@pytest.fixture(scope="module")
def sheet(course):
    return make_course(course)


@pytest.fixture(scope="module")
def port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def cases(course, sheet, port):
    released, right = sheet
    found = honest(right, released) | broken_files(right) | deadly(right) | hostile(right, released, course)
    return found | outside(right, released, course, port)


@pytest.fixture(scope="module")
def graded(course, cases):
    """All of them in one batch: (its output, what was there before)."""
    for student, case in cases.items():
        hand_in(course, student, case)
    before = fingerprint(course)
    done = grade(course)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout, before


@needs_bubblewrap
def test_each_submission_earns_what_it_deserves(course, cases, graded):
    assert len(cases) > 60
    compare(cases, marks_of(course))


@needs_bubblewrap
def test_what_has_no_mark_waits_for_the_teacher_and_is_listed(course, cases, graded):
    marks, text = marks_of(course), graded[0]
    listed = text.split("Not graded")[1].split("\n\n")[0]
    for student, case in cases.items():
        for name, points in case.deserved().items():
            assert marks[student][name][1] == (points is None), f"{student}: {name}"
            assert (f"  {student}: {name}: " in listed) == (points is None), f"{student}: {name}"
    assert marks["right"]["why"] == (None, True) and marks["untouched"]["why"] == (0, False)
    for place in ("below", "above"):
        assert marks[f"written_{place}_the_stub"]["why"] == (None, True), "it may be the answer"
        assert f"  written_{place}_the_stub: why: " in listed
    assert marks["empty_cell_below_the_stub"]["why"] == (0, False)
    assert marks["empty"]["why"] == marks["cut_short"]["why"] == (None, True), "nobody knows whether it was answered"


@needs_bubblewrap
def test_the_report_names_what_is_odd_and_nothing_else(cases, graded):
    for student, case in cases.items():
        told = told_of(graded[0], student)
        if case.says is None:
            continue
        if case.says:
            assert any(case.says in line for line in told), f"{student}: {told}"
        else:
            assert not told, f"{student}: {told}"


@needs_bubblewrap
def test_nothing_outside_is_changed_and_no_process_stays(course, graded):
    assert fingerprint(course) == graded[1]
    assert not (course / "written").exists() and not (course / "pickled").exists()
    import psutil

    assert not [p.pid for p in psutil.process_iter(["cmdline"]) if SLEEPS in (p.info["cmdline"] or [])]


@needs_bubblewrap
def test_the_learner_sees_what_went_wrong(course, graded):
    place = course / ".nbgrader/autograded/wrong_in_hidden_checks" / NAME / f"{NAME}.ipynb"
    nb = nbformat.read(place, as_version=4)
    outputs = next(cell for cell in nb.cells if cell.id == "rate-check").outputs
    assert "moving the mean by 1 costs half a nat" in str(outputs)


@needs_bubblewrap
def test_grading_again_skips_what_is_unchanged_and_keeps_the_teachers_marks(course, cases, graded, sheet):
    with Gradebook(f"sqlite:///{course / '.nbgrader/gradebook.db'}", "vae_course") as gradebook:
        gradebook.find_grade("why", NAME, NAME, "right").manual_score = 2.5
        gradebook.db.commit()
    hand_in(course, "half", Case(sheet[1]))
    done = grade(course)
    assert f"1 submissions graded, {len(cases) - 1} skipped" in done.stdout, done.stdout + done.stderr
    assert marks_of(course)["half"]["counter-check"][0] == 4
    done = grade(course, "--again", "--student", "right")
    assert "1 submissions graded, 0 skipped" in done.stdout
    with Gradebook(f"sqlite:///{course / '.nbgrader/gradebook.db'}", "vae_course") as gradebook:
        assert gradebook.find_submission(NAME, "right").score == sum(CHECKS.values()) + 2.5


@needs_bubblewrap
def test_feedback_and_export_work_on_the_result(course, graded):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in (["generate_feedback", NAME, "--student", "right"], ["export"]):
        command = [sys.executable, "-m", "nbgrader", *command]
        done = subprocess.run(command, cwd=course, env=os.environ | {"PATH": path}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    assert (course / ".nbgrader/feedback/right" / NAME / f"{NAME}.html").is_file()
    assert "untouched" in (course / "grades.csv").read_text()


# --- without bubblewrap ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weaker(tmp_path_factory):
    """The classes that need no fence, and one that harms others: its victims are put back."""
    course = tmp_path_factory.mktemp("weaker")
    released, right = make_course(course)
    everything = honest(right, released) | broken_files(right) | deadly(right) | hostile(right, released, course)
    everything |= outside(right, released, course, 0)
    names = "right untouched half utf_16 cut_short ends_in_an_answer loops kills_itself memory many_lines patches_numpy"
    names += " empties_cells array_that_lies answers_for_the_box writes_elsewhere alters_the_library leaves_a_process"
    cases = {name: everything[name] for name in names.split()}
    for student, case in cases.items():
        hand_in(course, student, case)
    before = fingerprint(course)
    return course, cases, before, grade(course, "--no-bubblewrap")


def test_the_weaker_isolation_is_stated_and_marks_are_as_deserved(weaker):
    course, cases, before, done = weaker
    assert done.stdout.startswith("Weaker isolation"), done.stdout[:500] + done.stderr[-3000:]
    compare(cases, marks_of(course))


def test_what_was_altered_without_a_fence_is_put_back_and_told(weaker):
    course, cases, before, done = weaker
    assert done.returncode == 1 and "ALTERED" in done.stdout
    assert "the submission of right (put back)" in done.stdout
    assert "the gradebook, which could not be read: its earlier state was put back" in done.stdout
    assert fingerprint(course) == before


# --- parts ----------------------------------------------------------------------------------------


def test_arrays_and_random_numbers_change_as_if_check_and_answer_were_one_process():
    """A check sees that its array was changed, and its random numbers go on after those that the answer drew."""
    here = box.Box(ROOT, box.Limits(), BWRAP)
    here.start()
    try:
        here.run("def spoil(x, random):\n    x[0] = 5.0\n    return random.normal()")
        link = plain_data.Link(here, 60)
        link.begin()
        spoil, x = link.name("spoil"), np.zeros(3)
        random, same = np.random.default_rng(3), np.random.default_rng(3)
        assert [spoil(x, random), spoil(x, random), random.normal()] == [same.normal() for _ in range(3)]
        assert x.tolist() == [5.0, 0.0, 0.0]
    finally:
        here.stop()


class SlowToDie(box.Box):
    """On a busy machine a killed process may seem alive for a moment."""

    def kill(self):
        threading.Timer(1, self.km.provisioner.process.kill).start()


def test_a_process_that_is_slow_to_die_costs_the_next_check_nothing(course, sheet):
    released, right = sheet
    sealed = nbformat.read(course / f"solutions/{NAME}/{NAME}.ipynb", as_version=4)
    handed_in = nbformat.writes(with_answer(right, "rate", in_rate(STUBBORN))).encode()
    submission = mending.read({f"{NAME}.ipynb": handed_in}, NAME)
    mending.mend(submission, released, sealed)
    here = SlowToDie(course, box.Limits(seconds=2), BWRAP)
    result = checking.grade(checking.Sheet(NAME, released, sealed), submission, here)
    assert result.verdicts["rate-check"] == "not graded" and result.verdicts["slope-check"] == "passed"


def test_a_sheet_that_is_not_there_is_named(course, sheet, capsys):
    done = grade(course, "--student", "nobody")
    assert done.returncode == 1 and "no submission of nobody" in done.stdout
    command = [sys.executable, str(ROOT / "classroom/grade.py"), "77", "--course", str(course)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and f"There are: {NAME}" in done.stdout


def test_links_in_a_submission_are_not_followed(tmp_path):
    folder = tmp_path / "submitted/eve" / NAME
    folder.mkdir(parents=True)
    (tmp_path / "secret.ipynb").write_text("{}")
    (folder / f"{NAME}.ipynb").symlink_to(tmp_path / "secret.ipynb")
    assert batch.collect(tmp_path, NAME) == {"eve": {}}
