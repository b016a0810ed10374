"""python -m vae_course: one screen on this installation and how to mend what is wrong; exit code 1 then."""

import importlib
import importlib.metadata as metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

# name -> what it is for, None for what nothing works without
PACKAGES = {
    "tensorflow": None,
    "keras": None,
    "tensorflow-probability": None,
    "tf-keras": None,
    "numpy": None,
    "matplotlib": "plots",
    "scikit-learn": "some scores and data sets",
    "scipy": "some scores",
    "pooch": "downloads",
    "tqdm": "downloads",
    "jupyterlab": "notebooks",
    "jupytext": "notebooks",
    "nbgrader": "grading",
    "nbval": "the tests",
}
CHAPTERS_NEED = ("matplotlib", "scikit-learn", "scipy", "pooch", "tqdm")  # a library alone does without
WRITTEN_WITH = ("tensorflow", "keras", "tensorflow-probability")  # the course; the library allows a range of each
FIRST_CHAPTER = "chapters/01_autoencoders.ipynb"
HOME = Path(__file__).resolve().parent.parent
IN_COURSE = (HOME / FIRST_CHAPTER).is_file()  # else the library alone, from a wheel
if IN_COURSE:
    READY = f"open {FIRST_CHAPTER}."
    INSTALL = "in the course's folder and environment, run pip install -c constraints.txt -e '.[course,test]'."
    INSTALL_GPU = "pip install -c constraints.txt -e '.[gpu]'"
    CPU_WILL_DO = "every chapter runs on a CPU in minutes"
else:
    TRY = "from vae_course import datasets; print(datasets.load('sprites').x_train.shape)"
    READY = f'the library is ready. Try python -c "{TRY}"'
    INSTALL = (
        "in this environment, run pip install --upgrade vae_course, with the path or address in place of the name "
        "if you installed it from one."
    )
    INSTALL_GPU = "pip install 'vae_course[gpu]'"
    CPU_WILL_DO = "a CPU will do for small networks"
INSTALL = f"Packages are missing, damaged or of another version: {INSTALL}"

# In a process of its own: a TensorFlow that does not fit this CPU ends the process that imports it.
TENSORFLOW = """
import json, vae_course
import tensorflow as tf, tensorflow_probability, keras
answer = {"gpus": [], "xla": None, "backend": keras.backend.backend()}
for gpu in tf.config.list_physical_devices("GPU"):
    answer["gpus"].append(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
try:
    doubled = tf.function(lambda x: 2 * tf.math.softplus(x), jit_compile=True)(tf.zeros(3))
    answer["xla"] = abs(float(doubled[0]) - 1.3862944) < 1e-5
except Exception as error:
    answer["xla"] = False
    answer["xla_error"] = str(error).strip().splitlines()[0][:200]
print("ANSWER" + json.dumps(answer))
"""


class Report:
    """Prints a line for each thing looked at, and gathers what is wrong with how to mend it."""

    def __init__(self) -> None:
        self.problems = []

    def line(self, name: str, value: object, problem: str | None = None) -> None:
        print(f"{'!' if problem else ' '} {name:<24}{value}")
        if problem and problem not in self.problems:
            self.problems.append(problem)


def expected_versions() -> dict[str, Any] | None:
    """name -> the versions that will do, a SpecifierSet; None: vae_course is not installed.

    They are the ranges of pyproject.toml; in the course, for what it was WRITTEN_WITH, those that constraints.txt has.
    """
    try:
        lines = metadata.requires("vae_course") or []
    except metadata.PackageNotFoundError:
        return None
    try:
        requirements = importlib.import_module("packaging.requirements")  # comes with TensorFlow and Keras
    except ImportError:
        return {}  # of those two it is said that they are missing
    if IN_COURSE:
        pins = re.findall(r"(?m)^([\w.-]+)==(\d+\.\d+)", (HOME / "constraints.txt").read_text())
        lines = lines + [f"{name}=={start}.*" for name, start in pins if name in WRITTEN_WITH]
    return {one.name.lower(): one.specifier for one in map(requirements.Requirement, lines)}


def check_python(report: Report) -> None:
    wrong = None
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        wrong = "This Python is too old or too new: make the environment with Python 3.11, 3.12 or 3.13."
    machine = f"{platform.system()} {platform.machine()}"
    report.line("Python", f"{platform.python_version()} on {machine}, in {sys.prefix}", wrong)


def check_packages(report: Report) -> None:
    expected = expected_versions()
    if expected is None:
        report.line("vae_course", "not installed", INSTALL)
        expected = {}
    for name, purpose in PACKAGES.items():
        want = expected.get(name)
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            if purpose and not (IN_COURSE and name in CHAPTERS_NEED):
                report.line(name, f"not installed (only for {purpose})")
            else:
                report.line(name, "not installed", INSTALL)
            continue
        if want and not want.contains(have, prereleases=True):
            report.line(name, f"{have} (expected {','.join(sorted(map(str, want), reverse=True))})", INSTALL)
        else:
            report.line(name, have)


def check_tensorflow(report: Report) -> None:
    command = [sys.executable, "-c", TENSORFLOW]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        wrong = "TensorFlow hangs when it is imported: restart the machine, and try again."
        report.line("TensorFlow", "no answer in 300 s", wrong)
        return
    answer = re.search(r"^ANSWER(.*)$", process.stdout, re.MULTILINE)
    if not answer:
        error = (process.stderr.strip().splitlines() or ["no message"])[-1]
        if process.returncode < 0:
            error = f"the process was ended by signal {-process.returncode}; an old CPU without AVX does that"
        report.line("TensorFlow", f"cannot be imported: {error}", INSTALL)
        return
    answer = json.loads(answer[1])
    report.line("Keras backend", answer["backend"])
    report.line("GPU", ", ".join(answer["gpus"]) or _no_gpu())
    if answer["xla"]:
        report.line("XLA", "compiles")
    else:
        why = answer.get("xla_error", "a wrong number came out")
        wrong = "XLA does not work here: give compile(jit_compile=False) to every model."
        report.line("XLA", f"does not compile: {why}", wrong)


def _no_gpu():
    if shutil.which("nvidia-smi"):
        return f"none that TensorFlow sees, but nvidia-smi is here: {INSTALL_GPU}"
    return f"none ({CPU_WILL_DO})"


def check_machine(report: Report) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    report.line("CPU cores", cores)
    try:
        free = importlib.import_module("psutil").virtual_memory().available / 2**30
        wrong = "Less than 1 GiB of memory is free: shut down other kernels." if free < 1 else None
        report.line("free memory", f"{free:.1f} GiB", wrong)
    except ImportError:
        report.line("free memory", "unknown (psutil is not installed)")
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    wrong = "Less than 1 GiB of disk is free: make room for data and figures." if free < 1 else None
    report.line("free disk", f"{free:.1f} GiB", wrong)


def check_data(report: Report) -> None:
    given = os.environ.get("VAE_COURSE_DATA")
    local = Path(given).expanduser() if given else None
    wrong = None
    if local and not local.is_dir():
        wrong = f"VAE_COURSE_DATA names no folder ({given}): correct it, or unset it."
    report.line("VAE_COURSE_DATA", given or "not set (a folder with the full-size data)", wrong)
    try:
        downloads = importlib.import_module("vae_course.datasets.downloads")
        importlib.import_module("pooch")
    except ImportError as error:
        report.line("data", f"not looked for: {error}", INSTALL if IN_COURSE else None)
        return
    tables = downloads.ADBENCH  # twenty small ones, counted in one line
    for name, instead in downloads.INSTEAD.items():
        if name not in tables:
            place = downloads.place(name)
            how = "load() downloads it" if downloads.SOURCES[name][0].urls else "load() says where to get it"
            report.line(name, f"in {place}" if place else f"not here: {how}; {instead!r} is built in")
    here = sum(downloads.place(name) is not None for name in tables)
    report.line("adbench_...", f"{here} of {len(tables)} tables here; load() downloads each")


def main() -> int:
    report = Report()
    for check in (check_python, check_packages, check_tensorflow, check_machine, check_data):
        check(report)
    print()
    if not report.problems:
        print(f"All is well: {READY}")
        return 0
    print("To mend:")
    for problem in report.problems:
        print(f"- {problem}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
