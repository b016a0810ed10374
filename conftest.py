"""How the tests run: workers on cores of their own, seconds by file; and nbval 0.11.0 with one hole closed.

The hole: an unknown %magic is an error too (nbval issue 147).
"""

import collections
import importlib.metadata
import os

import pytest

# XLA takes half the time to compile a program that it optimizes less. The tests compile hundreds and run each for a
# moment; chapters and solutions run as a learner's do. Set for the TensorFlow of constraints.txt alone: XLA ends the
# process at a flag that it does not know.
COMPILE_SOON = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"


def pytest_sessionstart(session):
    """Under pytest-xdist each worker, and the kernels and processes that it starts, keeps to cores of its own."""
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    if worker.startswith("gw") and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[int(worker[2:]) % len(cores) :: workers])


SLOWEST = ("models", "isolation", "yardsticks", "sheets", "slides", "browser", "grading", "in_use", "site", "setup")
SLOWEST += ("benchmarks", "edges", "exchange", "grading_again", "walk", "adversarial", "augmentation", "stale")
SLOWEST += ("annotations", "growth")


def pytest_collection_modifyitems(items):
    """The slowest files first, so that no worker is left alone with one of them; the order within a file stays."""
    place = {f"test_{name}.py": number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_terminal_summary(terminalreporter):
    """The ten files, tests or notebooks, that took longest."""
    seconds = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration") and hasattr(report, "nodeid"):
                seconds[report.nodeid.split("::")[0]] += report.duration
    terminalreporter.section("the slowest files")
    for file, duration in seconds.most_common(10):
        terminalreporter.write_line(f"{duration:8.1f} s  {file}")


seen = set()


def pytest_runtest_logstart(nodeid, location):
    """Say which notebook begins: a run of all takes minutes."""
    file = nodeid.split("::")[0]
    if file.endswith(".ipynb") and file not in seen and "PYTEST_XDIST_WORKER" not in os.environ:
        seen.add(file)
        print(f"\n{file} ", end="", flush=True)


def pytest_configure(config):
    if not (config.getoption("nbval", False) or config.getoption("nbval_lax", False)):
        if importlib.metadata.version("tensorflow").startswith("2.21."):
            os.environ.setdefault("XLA_FLAGS", COMPILE_SOON)
        return
    from nbval.kernel import RunningKernel

    def await_reply(self, msg_id, timeout=None):
        """nbval's own, but for the status, which it drops: only there an unknown magic shows."""
        while True:
            message = self.get_message(stream="shell", timeout=timeout)
            if message["parent_header"].get("msg_id") == msg_id:
                self.last_status = message["content"]["status"]
                if self.last_status == "aborted":
                    raise RuntimeError("the kernel aborted the execution request")
                return

    RunningKernel.await_reply = await_reply


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    if type(item).__name__ == "IPyNbCell":
        failed = item.parent.kernel.last_status == "error"
        if failed and not item.options["check_exception"]:
            item.raise_cell_error("The kernel answered 'error', yet nothing was raised: an unknown %magic?")
        if item.options["check_exception"] and not failed:
            item.raise_cell_error("The cell is tagged raises-exception and raised nothing")
    return result
