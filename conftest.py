"""nbval 0.11.0 with one hole closed: an unknown %magic is an error too (nbval issue 147)."""

import pytest


def pytest_configure(config):
    if not (config.getoption("nbval", False) or config.getoption("nbval_lax", False)):
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
