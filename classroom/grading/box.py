"""A kernel for one submission that can do no harm, and a loop that outlives whatever its code does.

With bubblewrap (Linux) the kernel sees no network, no other process, and of the disk only Python and the library, and
these read-only: neither solutions nor the gradebook nor other submissions. Without it limits hold, nothing is hidden.
"""

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

import nbformat
import psutil
import zmq
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

from .plain import BYTES, Stopped

INSIDE = (Path(__file__).parent / "inside.py").read_text(encoding="utf-8")
SHOWN = 200_000  # characters of a cell's output that are kept
FLOOD = 20_000_000  # characters of output that stop a cell
DISK = 300_000_000  # bytes that a submission may write
# Set by the process itself before it becomes the kernel: no file too large, no core dump, no end of memory for all.
LIMITS = """
import os, resource, sys
for name, wanted in (("FSIZE", 300_000_000), ("CORE", 0), ("DATA", 8_000_000_000), ("NOFILE", 1024)):
    kind = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(kind)[1]
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(kind, (most, most))
    except (ValueError, OSError):
        pass  # a system without this limit
os.execvp(sys.argv[1], sys.argv[1:])
"""


@dataclass
class Limits:
    seconds: float = 120  # CPU seconds of a cell or a check: a busy machine costs nobody marks
    total: float = 900  # CPU seconds of a submission
    memory: int = 4_000_000_000  # bytes, without what is shared
    processes: int = 200
    restarts: int = 6

    @property
    def grace(self):
        """Seconds of the clock between an interrupt and the end of the process."""
        return min(5, self.seconds)

    @property
    def idle(self):
        """Seconds of the clock in which a cell may use no CPU at all: it sleeps, or waits for what does not come."""
        return min(60, 5 * self.seconds)


class Died(Stopped):
    """The learner's process has ended."""


def bubblewrap():
    """The path of bwrap, if it is there and works here (in some containers it may not)."""
    found = shutil.which("bwrap")
    if found:
        try:
            command = [found, "--unshare-user", "--unshare-all", "--ro-bind", "/", "/", "true"]
            if subprocess.run(command, capture_output=True, timeout=20).returncode == 0:
                return found
        except (OSError, subprocess.TimeoutExpired):
            pass
    return None


def fence(bwrap, library, sockets):
    """The command that hides everything but Python, the library and the folder of the kernel's sockets."""
    prefix, base = Path(sys.prefix), Path(sys.base_prefix)
    seen = ["/usr", "/lib", "/lib64", "/bin", "/etc/fonts", "/etc/ld.so.cache", "/etc/alternatives"]
    elsewhere = [path.resolve() for path in prefix.iterdir() if path.is_symlink()]  # an environment made of links
    seen += [str(path) for path in (base, prefix, prefix.resolve(), *elsewhere, library / "vae_course")]
    command = [bwrap, "--unshare-user", "--unshare-all", "--disable-userns", "--uid", "1000", "--gid", "1000"]
    command += ["--cap-drop", "ALL", "--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/home/learner"):
        command += ["--size", str(DISK), "--tmpfs", folder]
    for path in dict.fromkeys(seen):
        if os.path.exists(path):
            command += ["--ro-bind", path, path]
    command += ["--bind", str(sockets), str(sockets)]
    return command + ["--remount-ro", "/", "--chdir", "/home/learner"]


class Manager(KernelManager):
    prefix = ()

    def format_kernel_cmd(self, extra_arguments=None):
        return [*self.prefix, *super().format_kernel_cmd(extra_arguments)]


class Box:
    def __init__(self, library, limits, bwrap=None):
        self.library, self.limits, self.bwrap = Path(library).resolve(), limits, bwrap
        self.starts, self.used, self.before, self.why, self.km = 0, 0.0, 0.0, "", None
        self.events = []  # what this submission did that honest ones do not

    @property
    def spent(self):
        """CPU seconds of all its processes, ended ones too."""
        return self.before + self.used

    def token(self):
        """Marks the next answer, so that what a learner's code prints is not taken for one."""
        return secrets.token_hex(16)

    # --- the process --------------------------------------------------------------------------------

    def start(self):
        self.starts += 1
        self.before, self.used, self.why = self.before + self.used, 0.0, ""
        self.folder = Path(tempfile.mkdtemp(prefix="vae"))
        sockets, home = self.folder / "s", self.folder / "h"
        sockets.mkdir()
        home.mkdir()
        self.km = Manager(transport="ipc", ip=str(sockets / "k"), connection_file=str(sockets / "c.json"))
        # A clean environment: no names of the grader's processes, folders or secrets.
        keep = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(self.library)}
        keep |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "TF_CPP_MIN_LOG_LEVEL": "3"}
        keep |= {"HOME": "/home/learner" if self.bwrap else str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        fenced = fence(self.bwrap, self.library, sockets) if self.bwrap else []
        env = [f"{key}={value}" for key, value in keep.items()]
        self.km.prefix = [sys.executable, "-S", "-c", LIMITS, *fenced, "env", "-i", *env]
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv += ["--IPKernelApp.capture_fd_output=False", "--IPKernelApp.log_level=ERROR"]
        argv += ["--HistoryManager.enabled=False"]
        # An interrupt is a message: a signal would reach the fence only.
        self.km._kernel_spec = KernelSpec(argv=argv, language="python", interrupt_mode="message")
        with open(os.devnull, "w") as nowhere:
            self.km.start_kernel(stdout=nowhere, stderr=nowhere, cwd=str(home))
        self.kc = self.km.blocking_client()
        context = zmq.Context()
        context.setsockopt(zmq.MAXMSGSIZE, 2 * BYTES)  # a longer message ends the connection, not the grader
        self.kc.context = context
        self.kc.start_channels()
        threading.Thread(target=self.watch, args=(self.km.provisioner.process.pid, self.starts), daemon=True).start()
        try:
            self.kc.wait_for_ready(timeout=300)
        except RuntimeError:
            raise Died("the kernel did not start") from None
        if self.run(INSIDE, token="-")[0] != "ok":
            raise Died("the box could not be prepared")

    def used_now(self):
        """CPU seconds of the running process and its children: what `watch` saw last may be old on a busy machine."""
        total = 0.0
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.km.provisioner.process.pid)
            for one in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    times = one.cpu_times()
                    total += times.user + times.system
        self.used = max(self.used, total)
        return self.used

    def watch(self, pid, start):
        """Add up what the whole tree of processes uses; end it when that is too much."""
        seen, number = {}, 0
        while True:
            try:
                tree = psutil.Process(pid).children(recursive=True)
                tree.append(psutil.Process(pid))
            except psutil.Error:
                return
            memory = 0
            for process in tree:
                with contextlib.suppress(psutil.Error):
                    times, kept = process.cpu_times(), process.memory_info()
                    seen[process.pid] = times.user + times.system
                    memory += kept.rss - getattr(kept, "shared", 0)
            if start != self.starts:
                return
            self.used = max(self.used, sum(seen.values()))
            number += 1
            if memory > self.limits.memory:
                self.end(f"it took more than {self.limits.memory / 1e9:.1f} GB of memory")
            elif len(tree) > self.limits.processes:
                self.end(f"it started more than {self.limits.processes} processes")
            elif number % 5 == 0 and size_of(self.folder) > DISK:
                self.end(f"it wrote more than {DISK / 1e6:.0f} MB")
            time.sleep(0.2)

    def end(self, why):
        self.why = self.why or why
        self.kill()

    def kill(self):
        with contextlib.suppress(Exception):
            tree = psutil.Process(self.km.provisioner.process.pid).children(recursive=True)
            self.km.provisioner.process.kill()
            for process in tree:
                with contextlib.suppress(psutil.Error):
                    process.kill()

    def stop(self):
        if self.km is None:
            return
        self.kill()
        with contextlib.suppress(Exception):
            self.kc.stop_channels()
        with contextlib.suppress(Exception):
            self.km.shutdown_kernel(now=True)
        with contextlib.suppress(Exception):
            self.kc.context.destroy(linger=0)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.km = None

    # --- running code -------------------------------------------------------------------------------

    def run(self, code, seconds=None, on_input=None, token=None):
        """Run code: ("ok", "error" or "stopped", outputs, the answer with that token). Died if the process has gone."""
        if self.km is None:
            raise Died("there is no process")
        try:
            return self.listen(code, self.limits.seconds if seconds is None else max(seconds, 1), on_input, token)
        except Stopped:
            raise
        except Exception as error:  # a message that is none
            self.events.append(f"nonsense came out of its kernel ({type(error).__name__})")
            self.kill()
            raise Died("nonsense came out of its kernel") from None

    def listen(self, code, seconds, on_input, token):
        kc = self.kc
        asked = kc.execute(code, store_history=not token, allow_stdin=on_input is not None, stop_on_error=False)
        outputs, size, answer, status, idle = [], 0, None, None, False
        stopped, dropped = 0.0, False
        busy = self.used_now()
        limit, busy_at = busy + seconds, time.monotonic()
        replied = None
        poller = zmq.Poller()
        for channel in (kc.iopub_channel, kc.shell_channel, kc.stdin_channel):
            poller.register(channel.socket, zmq.POLLIN)
        while True:
            now = time.monotonic()
            if idle and status or replied and now > replied + 3:  # a flood may have swept the last word away
                break
            if not self.km.is_alive():
                raise Died(self.why or "it ended its own process")
            if self.used > busy + 0.05:
                busy_at, busy = now, self.used
            if stopped and now > stopped + self.limits.grace:
                self.end("it did not stop at its time limit")
                raise Died(self.why)
            too_long = self.used > limit or now > busy_at + self.limits.idle and self.used_now() <= busy + 0.05
            if not stopped and (too_long or size > FLOOD):
                stopped = now
                if size > FLOOD:
                    self.events.append("a flood of output")
                self.km.interrupt_kernel()
            ready = dict(poller.poll(100))
            if kc.stdin_channel.socket in ready:
                with contextlib.suppress(Empty):
                    question = kc.stdin_channel.get_msg(timeout=0)
                    if on_input and question["parent_header"].get("msg_id") == asked:
                        kc.input(on_input(question["content"]["prompt"]))
                        busy_at = time.monotonic()
            if kc.shell_channel.socket in ready:
                with contextlib.suppress(Empty):
                    reply = kc.get_shell_msg(timeout=0)
                    if reply["parent_header"].get("msg_id") == asked:
                        status, replied = str(reply["content"]["status"]), now
            if kc.iopub_channel.socket not in ready:
                continue
            try:
                message = kc.get_iopub_msg(timeout=0)
            except Empty:
                continue
            if replied:
                replied = time.monotonic()
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status":
                idle = content["execution_state"] == "idle"
            elif kind in ("stream", "display_data", "execute_result", "error"):
                text = content.get("data", {}).get("application/x-answer") if token else None
                if text is not None:
                    if text.startswith(token):
                        answer = text[len(token) :]
                    continue
                size += len(json.dumps(content))
                if size < SHOWN:
                    outputs.append(nbformat.v4.output_from_msg(message))
                elif not dropped:
                    dropped = True
                    outputs.append(stream("\n[further output was dropped]\n"))
        if stopped:
            outputs.append(error_output("Stopped", "time limit, or too much output"))
        return "stopped" if stopped else status, outputs, answer


def stream(text):
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def error_output(name, value, told=""):
    return nbformat.v4.new_output("error", ename=name, evalue=value, traceback=[told or f"{name}: {value}"])


def size_of(folder):
    total = 0
    for place, _, names in os.walk(folder):
        for name in names[:10_000]:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def adopt_orphans():
    """On Linux, processes that a learner's code left behind become children of this one, which ends them."""
    with contextlib.suppress(Exception):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def end_orphans():
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
