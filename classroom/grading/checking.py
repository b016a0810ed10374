"""One submission: the learner's cells run in the box, in their order; each check runs out here, when it is reached.

A mark is given only for a check that ran to its end. Whatever stops it, a dead process or a limit, leaves it without a
mark and with a reason: the teacher decides.
"""

import ast
import contextlib
import copy
import gc
import io
import linecache
import re
import signal
import sys
import traceback
import types
from dataclasses import dataclass, field

import nbformat

from .box import SHOWN, Died, error_output, stream
from .mending import HIDDEN, defined, is_check, marks, used
from .plain import AnswerError, Link, Stopped

GUARD = re.compile(r"^import vae_course\.grading; vae_course\.grading\.guard\(\).*\n?", re.M)
# An author's tags on a check, for what crosses the border as no plain data (gradients, changed variables, a model that
# the library is to evaluate). With beside:NAME a function of the sheet, or with beside:evaluation.NAME of the library,
# runs in the box, and only its result comes out. With beside:check all of it does, as weakly guarded as in nbgrader.
BESIDE = "beside:"
# docs/elsewhere.md tells learners on Colab to run this cell: it installs the course and ends the session.
RECIPE = re.compile(r"\s*%pip install [^\n]*vae_course[^\n]*\n\s*import os; os\.kill\(os\.getpid\(\), 9\)\s*")
GUARDED = "{guard}\n{check}\n"
PASSED, FAILED, OPEN = "passed", "failed", "not graded"


@dataclass
class Sheet:
    """An exercise as it was handed out, and as the teacher has it."""

    name: str
    released: nbformat.NotebookNode
    sealed: nbformat.NotebookNode

    def __post_init__(self):
        self.stubs = {marks(cell)["grade_id"]: cell.source.strip() for cell in self.released.cells if marks(cell)}
        self.code = [cell for cell in self.sealed.cells if cell.cell_type == "code"]
        self.checks = {marks(cell)["grade_id"]: cell for cell in self.code if is_check(cell)}
        graded = [cell for cell in self.sealed.cells if marks(cell).get("grade")]
        self.written = {marks(cell)["grade_id"] for cell in graded if marks(cell).get("solution")}
        self.points = {name: marks(cell)["points"] for name, cell in self.checks.items()}
        self.holes = {
            marks(cell)["grade_id"]: defined(cell.source) | defined(self.stubs[marks(cell)["grade_id"]])
            for cell in self.code
            if marks(cell).get("solution")
        }

    def model_answers(self):
        """A submission with the teacher's own answers: {file: bytes}."""
        nb, answers = copy.deepcopy(self.released), {cell.id: cell.source for cell in self.sealed.cells}
        for cell in nb.cells:
            if marks(cell).get("solution"):
                cell.source = answers[cell.id]
        return {f"{self.name}.ipynb": nbformat.writes(nb).encode()}


@dataclass
class Result:
    verdicts: dict = field(default_factory=dict)  # check -> passed, failed or not graded
    reasons: dict = field(default_factory=dict)  # why a check was not graded
    outputs: dict = field(default_factory=dict)  # cell -> what formgrader and the feedback show under it
    events: list = field(default_factory=list)  # what honest submissions seldom do
    set_up: list = field(default_factory=list)  # how a cell of the sheet's own that they changed ended in an error
    seconds: float = 0.0  # of CPU, in the box


def grade(sheet, submission, box):
    """The Result of one mended submission. Nothing that the learner's code does ends it."""
    result = Result(events=box.events)
    run = Run(sheet, submission, box, result)
    try:
        run.all_cells()
    finally:
        box.stop()
        result.seconds = box.spent
        tidy()
    for name in submission.missing & set(result.verdicts):
        if result.verdicts[name] == FAILED:  # its answer may have been in the lost part
            run.leave_open(name, "the file breaks off before it")
    return result


class Run:
    def __init__(self, sheet, submission, box, result):
        self.sheet, self.box, self.result = sheet, box, result
        self.cells = [cell for cell in submission.notebook.cells if cell.cell_type == "code"]
        self.link = Link(box, box.limits.seconds)
        self.space = {"__name__": "checks"}  # the names that checks see
        self.theirs = {}  # of these, what came out of the box
        self.done = []  # cells that ran in the box, to be repeated in a new process
        self.broken = set()  # names that cells were to define which did not come to their end
        self.reached = set()  # the teacher's cells that the checks have run or passed

    def all_cells(self):
        self.restart()
        for number, cell in enumerate(self.cells):
            if is_check(cell):
                self.check(marks(cell)["grade_id"], self.cells[number + 1 :])
            elif cell.source.strip() in self.sheet.stubs.values():
                continue  # untouched: running it would hide an answer written above it
            elif not RECIPE.fullmatch(cell.source):
                self.result.outputs[cell.id] = outputs = self.learn(cell.id, cell.source)
                errors = [out for out in outputs if out.output_type == "error"]
                if errors and cell.metadata.get("set_up"):
                    self.result.set_up.append(f"{errors[-1].ename}: {errors[-1].evalue}"[:200])
        self.look_for_damage()

    # --- the learner's cells ------------------------------------------------------------------------

    def over(self):
        """Why nothing more can run, or None."""
        if self.box.spent > self.box.limits.total:
            return f"the submission had used its {self.box.limits.total:.0f} CPU seconds"
        return None if self.box.km else "its process ended too often"

    def learn(self, name, source):
        """Run a cell of the learner's; its outputs."""
        if self.over():
            return [error_output("NotRun", self.over())]
        try:
            status, outputs, _ = self.box.run(source)
        except Stopped as why:
            self.result.events.append(f"cell {name} ended the process: {why}")
            self.broken |= defined(source)
            self.restart()
            return [error_output("ProcessEnded", f"this cell ended the process: {why}")]
        if status == "stopped":  # not to be repeated in a new process
            self.result.events.append(f"cell {name} was stopped: time limit, or too much output")
            self.broken |= defined(source)
        else:
            self.done.append((name, source))
        return outputs

    def restart(self):
        """A fresh process in which the earlier cells run again, without those that end it."""
        while True:
            self.box.stop()
            if self.box.starts > self.box.limits.restarts or self.box.spent > self.box.limits.total:
                return
            name = None
            try:
                self.box.start()
                for pair in self.done:
                    name = pair[0]
                    if self.box.run(pair[1])[0] == "stopped":
                        raise Stopped("time limit")
                return
            except Stopped as why:
                if name is None and self.box.starts > 2:
                    self.result.events.append(f"its process could not be started: {why}")
                self.broken |= set().union(*(defined(source) for one, source in self.done if one == name))
                self.done = [pair for pair in self.done if pair[0] != name]

    def look_for_damage(self):
        """Ask in the box whether comparisons were replaced: no mark depends on it, but the teacher wants to know."""
        if self.over():
            return
        self.link.begin()
        try:
            self.link.check("damage", self.guard())
        except Stopped:
            pass
        except AnswerError as error:
            found = str(error).partition("earns no points: ")[2][:200]
            self.result.events.append(found or "a transformer, or a replaced function, kept code from running")

    def guard(self):
        source = (self.box.library / "vae_course/grading.py").read_text(encoding="utf-8")
        return f"exec({source!r}, (_ := {{'__name__': 'guard', '__file__': ''}})); _['guard']()"

    # --- the checks ---------------------------------------------------------------------------------

    def leave_open(self, name, why):
        self.result.verdicts[name], self.result.reasons[name] = OPEN, str(why)
        self.result.outputs[name] = [error_output("NotGraded", f"this check was not graded: {why}")]

    def check(self, name, later):
        """Run a check against the answers; its verdict."""
        if self.over():
            return self.leave_open(name, self.over())
        source = self.sheet.checks[name].source
        visible = HIDDEN.sub("", source)
        needed = [cell.source for cell in later if not is_check(cell)]
        if defined(visible) & set().union(*map(used, needed)):  # else it need not run twice
            self.learn(name, visible)
            if self.over():
                return self.leave_open(name, self.over())
        printed, errors, verdict = io.StringIO(), [], PASSED
        tags = self.sheet.checks[name].metadata.get("tags", [])
        beside = [tag.removeprefix(BESIDE) for tag in tags if tag.startswith(BESIDE)]
        self.link.begin()
        try:
            with cpu_limit(self.box.limits.seconds), contextlib.redirect_stdout(printed):
                self.catch_up(name)
                if beside == ["check"]:
                    self.link.check(name, GUARDED.format(guard=self.guard(), check=GUARD.sub("", source)))
                else:
                    self.put_beside(name, beside)
                    self.execute(source, name, beside)
        except Stopped as why:
            self.leave_open(name, why)
            # Asking the process whether it lives is not enough: a moment after its end it may still seem to.
            if isinstance(why, Died) or not self.box.km or not self.box.km.is_alive():
                self.result.events.append(f"the process ended in {name}: {why}")
                self.restart()
            return None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            lost = self.broken & used(source) & set(self.theirs)
            if lost:
                names = " and ".join(sorted(lost))
                return self.leave_open(name, f"the cell that should define {names} did not come to its end")
            verdict, errors = FAILED, [told(error, name, source)]
        text = [stream(printed.getvalue()[:SHOWN])] if printed.getvalue() else []
        self.result.verdicts[name] = verdict
        self.result.outputs[name] = self.link.outputs[:50] + text + errors
        return None

    def catch_up(self, name):
        """Run the teacher's cells before this check, in the teacher's order; take the answers from the box."""
        for cell in self.sheet.code:
            grade_id = marks(cell).get("grade_id")
            if grade_id == name:
                break
            if cell.id not in self.reached:
                self.reached.add(cell.id)
                if marks(cell).get("solution"):
                    for one in self.sheet.holes[grade_id]:
                        self.space.pop(one, None)
                        self.theirs[one] = None
                else:
                    with contextlib.suppress(Exception):  # of an earlier check's visible part we want the names
                        self.execute(HIDDEN.sub("", cell.source), cell.id)
        self.reached.add(self.sheet.checks[name].id)
        for one, value in self.theirs.items():
            if self.space.get(one) is value:  # else a check has given the name another value
                self.space.pop(one, None)
                with contextlib.suppress(AnswerError):
                    self.theirs[one] = self.space[one] = self.link.name(one)

    def put_beside(self, name, functions):
        """Let functions run in the box, from the teacher's text or the library; the check sees their stand-ins."""
        cells = [cell.source for cell in self.sheet.code]
        cells = cells[: cells.index(self.sheet.checks[name].source) + 1]
        for function in functions:
            module, _, attribute = function.rpartition(".")
            if module:
                whole = {**vars(self.space[module]), attribute: self.link.name(function)}
                self.space[module] = types.SimpleNamespace(**whole)
                continue
            texts = [
                ast.get_source_segment(source, node) for source in cells for node in functions_of(source, function)
            ]
            if not texts:
                raise LookupError(f"{name} is tagged {BESIDE}{function}, and no cell up to it defines that function")
            self.space[function] = self.link.define(function, texts[-1])

    def execute(self, source, name, beside=()):
        """Run a cell of the teacher's out here, without the functions that are in the box."""
        source = GUARD.sub("", source)
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)  # tf.function reads it
        tree = ast.parse(source)
        tree.body = [node for node in tree.body if getattr(node, "name", None) not in beside]
        exec(compile(tree, name, "exec"), self.space)


def functions_of(source, name):
    return [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name]


@contextlib.contextmanager
def cpu_limit(seconds):
    """Stop a check that computes out here for longer: an answer may have sent it round and round."""

    def stop(number, frame):
        raise Stopped("the check did not come to its end")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def told(error, name, source):
    """What the learner reads: the line of the check, the message, and where in their own code it was raised."""
    frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    lines = GUARD.sub("", source).splitlines()
    line = lines[frames[0] - 1].strip() if frames and frames[0] <= len(lines) else ""
    kind = type(error).__name__
    parts = [f"in the check: {line}" if line else "", getattr(error, "told", ""), f"{kind}: {error}"]
    return error_output(kind, str(error), "\n".join(part for part in parts if part))


def tidy():
    """Leave nothing of one submission for the next."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()
    gc.collect()
