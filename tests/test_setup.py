"""The installation and the house rules: pins, light imports, floors, style, the doctor, what make says."""

import ast
import importlib.metadata as metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import vae_course

import pytest
import ranges
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGE = ROOT / "vae_course"


def run(*command, cwd=ROOT, **environment):
    """A command's exit code and everything that it printed."""
    settings = {"cwd": cwd, "env": os.environ | environment, "stdin": subprocess.DEVNULL, "timeout": 300}
    done = subprocess.run(command, capture_output=True, text=True, **settings)
    return done.returncode, done.stdout + done.stderr


def python(code, **environment):
    return run(sys.executable, "-c", code, **environment)


def lines(name):
    """A file's lines, without comments and empty ones."""
    stripped = (line.split(" #")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


# ---- versions ----
def test_conda_installs_what_pip_installs():
    entries = [line.removeprefix("- ") for line in lines("environment.yml")]
    assert f"python {PROJECT['requires-python']}" in entries
    assert entries[-3:] == ["pip:", "-c constraints.txt", "-e .[course,test]"]


def test_constraints_are_exact_versions_and_nothing_else():
    for line in lines("constraints.txt"):
        assert re.fullmatch(r"[\w.-]+==[\w.]+", line), f"not an exact version: {line}"


def installed_requirements():
    """(name, version) of all that the installed vae_course[course,test] needs, however indirectly."""
    waiting = [Requirement("vae_course[course,test]")]
    seen = {}
    while waiting:
        wanted = waiting.pop()
        key = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if key in seen:
            continue
        found = metadata.distribution(wanted.name)
        seen[key] = found.version
        for line in found.requires or []:
            needed = Requirement(line)
            extras = {"", *wanted.extras}
            if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return {(name, version) for (name, _), version in seen.items()} - {("vae-course", vae_course.__version__)}


def pinned():
    """name -> version, as constraints.txt has it."""
    pairs = (line.split("==") for line in lines("constraints.txt"))
    return {canonicalize_name(name): version for name, version in pairs}


def test_every_package_needed_is_pinned_to_what_is_installed():
    pins = pinned()
    needed = installed_requirements()
    assert len(needed) > 100, "the walk over the requirements has found too little to be right"
    wrong = {f"{name} {version}, pinned {pins.get(name)}" for name, version in needed if pins.get(name) != version}
    assert not wrong


def test_constraints_agree_with_pyproject():
    pins = pinned()
    extras = PROJECT["optional-dependencies"]
    for line in PROJECT["dependencies"] + extras["course"] + extras["test"] + extras["gpu"]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)]), line


def test_the_ranges_that_are_tried_are_those_of_pyproject():
    tried = ranges.requirements("oldest", PROJECT)
    for line in PROJECT["dependencies"]:
        wanted = Requirement(line)
        (start,) = [one for one in map(Requirement, tried) if (one.name, one.extras) == (wanted.name, wanted.extras)]
        (exactly,) = start.specifier
        assert exactly.operator == "==" and wanted.specifier.contains(exactly.version.removesuffix(".*")), line
    assert set(PROJECT["dependencies"]) <= set(ranges.requirements("newest", PROJECT))
    extras = {name: [] for name in ranges.EXTRAS} | {"test": ["pytest>=8,<9", "ruff"]}
    other = {"dependencies": ["keras>=4.1,<5", "numpy[x]==3.*"], "optional-dependencies": extras}
    assert ranges.requirements("oldest", other) == ["keras==4.1", "numpy[x]==3.*", "pytest>=8,<9"]
    with pytest.raises(ValueError, match="Received: 'keras<5'"):
        ranges.oldest("keras<5")


def test_the_library_says_which_versions_it_was_tried_with():
    """The table names the first and the last minor version of TensorFlow and of Keras that pyproject.toml allows."""
    section = (ROOT / "docs/library.md").read_text().split("\n## Versions\n")[1].split("\n## ")[0]
    oldest, newest = (re.search(rf"(?m)^\| {which} \|.*$", section)[0] for which in ("oldest", "newest"))
    for name, written in (("tensorflow", "TensorFlow"), ("keras", "Keras")):
        (wanted,) = [one for one in map(Requirement, PROJECT["dependencies"]) if one.name == name]
        first, last = (re.search(rf"{written} ([\d.]+)", row)[1] for row in (oldest, newest))
        assert f"{wanted.specifier}" == f"<{next_minor(last)},>={minor(first)}"
        assert pinned()[name] == last


def minor(version):
    return ".".join(version.split(".")[:2])


def next_minor(version):
    major, middle = version.split(".")[:2]
    return f"{major}.{int(middle) + 1}"


# ---- imports ----
def test_importing_the_course_imports_no_framework():
    show = "print({'keras', 'tensorflow'} & set(sys.modules))"
    status, printed = python(f"import sys, vae_course.datasets, vae_course.plots; {show}")
    assert (status, printed.strip()) == (0, "set()")


def test_modules_come_when_they_are_used():
    assert set(vae_course.__all__) <= set(dir(vae_course))
    status, printed = python("import vae_course; print(vae_course.datasets.load('digits').name)")
    assert (status, printed.strip()) == (0, "digits")
    with pytest.raises(AttributeError, match="has no attribute 'model'; it holds .*models"):
        vae_course.model  # noqa: B018 (the attribute access is the test)


def test_tensorflow_starts_quietly_and_hides_no_error():
    status, printed = python("from vae_course import bounds")
    assert (status, printed) == (0, "")
    # What else is written to standard error meanwhile, by C++ as here or by Python, still appears.
    write = "os.write(2, b'I0000 00:00:1 a note\\nan error\\n')"
    assert python(f"import os, vae_course\nwith vae_course._quiet_start():\n    {write}") == (0, "an error\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the size in KiB")
def test_a_kernel_takes_less_than_a_gigabyte():
    code = """
import ipykernel.kernelapp, psutil
from vae_course import datasets, evaluation, models, plots
print("MiB", psutil.Process().memory_info().rss // 2**20)
"""
    status, printed = python(code)
    assert status == 0, printed
    assert int(re.search(r"MiB (\d+)", printed)[1]) < 1024


KERAS_WAS_FIRST = """
import sys, types
sys.modules["keras"] = types.SimpleNamespace(config=types.SimpleNamespace(backend=lambda: "jax"))
"""


@pytest.mark.parametrize("before, environment", [("", {"KERAS_BACKEND": "jax"}), (KERAS_WAS_FIRST, {})])
def test_another_backend_is_refused_in_words(before, environment):
    status, printed = python(before + "import vae_course", **environment)
    assert status != 0
    assert "set the environment variable KERAS_BACKEND" in printed and "Received: 'jax'" in printed


# ---- floors ----
TABLE = re.findall(r"^    (\d)\s+(\w+)\s+\S.*$", vae_course.__doc__, re.MULTILINE)
FLOORS = {module: int(floor) for floor, module in TABLE}


def imported_modules(path, package):
    """Names of the vae_course modules that a file of the package imports, anywhere in it."""
    package = ["vae_course", *path.relative_to(package).with_suffix("").parts][:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *filter(None, [node.module])])
            names = [f"{start}.{alias.name}" for alias in node.names]
        else:
            continue
        for parts in (name.split(".") for name in names):
            if parts[0] == "vae_course" and len(parts) > 1:
                yield parts[1]


def test_the_table_of_floors_names_every_module():
    found = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(FLOORS) == found - {"__init__", "__main__"}
    assert set(vae_course.__all__) <= set(FLOORS) and len(TABLE) == len(FLOORS)


def broken_floors(package):
    for path in sorted(package.rglob("*.py")):
        home = path.relative_to(package).with_suffix("").parts[0]
        if home not in FLOORS:
            continue
        for other in imported_modules(path, package):
            lower = other not in FLOORS or FLOORS[other] < FLOORS[home]
            if not (lower or other == home):  # modules of one package may import each other
                yield f"{path.name} (floor {FLOORS[home]}) imports {other} (floor {FLOORS[other]})"


def test_a_module_imports_from_lower_floors_only():
    assert not list(broken_floors(PACKAGE))


@pytest.mark.parametrize(
    "line",
    [
        "from vae_course import models",
        "import vae_course.models.vae",
        "from . import models",
        "from .models.vae import VAE",
    ],
)
def test_the_test_of_floors_sees_a_wrong_import(line, tmp_path):
    (tmp_path / "bounds.py").write_text(f"def f():\n    {line}\n")
    assert list(broken_floors(tmp_path)) == ["bounds.py (floor 0) imports models (floor 3)"]


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("likelihoods/pixels.py", "from vae_course import models", "models (floor 3)"),
        ("likelihoods/pixels.py", "from ..models import VAE", "models (floor 3)"),
        ("likelihoods/pixels.py", "from .. import posteriors", "posteriors (floor 2)"),  # a neighbor on its own floor
        (
            "likelihoods/__init__.py",
            "from vae_course.evaluation.likelihood import log_likelihood",
            "evaluation (floor 4)",
        ),
        ("likelihoods/pixels.py", "from vae_course.likelihoods.base import Likelihood", None),
        ("likelihoods/pixels.py", "from . import base", None),
        ("likelihoods/pixels.py", "from .. import parts", None),
    ],
)
def test_modules_of_a_package_import_each_other_and_lower_floors(file, line, broken, tmp_path):
    (tmp_path / "likelihoods").mkdir()
    (tmp_path / file).write_text(f"{line}\n")
    expected = [f"{Path(file).name} (floor 2) imports {broken}"] if broken else []
    assert list(broken_floors(tmp_path)) == expected


# ---- style ----
@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff_has_nothing_to_say(command):
    status, printed = run(sys.executable, "-m", "ruff", *command, ".")
    assert status == 0, printed


# ---- the doctor ----
def test_the_doctor_finds_this_installation_sound():
    status, printed = run(sys.executable, "-m", "vae_course")
    assert status == 0, printed
    words = "Python|tensorflow|GPU|XLA +compiles|CPU cores|free memory|free disk|dsprites|All is well: open chapters/01"
    for word in words.split("|"):
        assert re.search(word, printed), f"{word} is missing:\n{printed}"


def test_the_doctor_says_what_to_do_about_a_broken_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libtensorflow.so is damaged')")
    status, printed = run(sys.executable, "-m", "vae_course", PYTHONPATH=str(tmp_path))
    assert status == 1
    assert "libtensorflow.so is damaged" in printed and "pip install -c constraints.txt" in printed
    assert "Traceback" not in printed


def test_the_doctor_notices_another_version(tmp_path):
    other = tmp_path / "keras-3.9.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: keras\nVersion: 3.9.0\n")
    status, printed = run(sys.executable, "-m", "vae_course", PYTHONPATH=str(tmp_path))
    assert status == 1
    assert re.search(r"keras +3\.9\.0 \(expected ==3\.15\.\*\)", printed), printed


BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, built from a source distribution that was unpacked elsewhere."""
    folder = tmp_path_factory.mktemp("package")
    clone = folder / "clone"
    shutil.copytree(PACKAGE, clone / "vae_course", ignore=shutil.ignore_patterns("__pycache__"))
    (clone / PROJECT["readme"]).parent.mkdir()
    for name in ("pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]):
        shutil.copy(ROOT / name, clone / name)
    status, printed = run(sys.executable, "-c", BUILD, "build_sdist", str(folder), cwd=clone)
    assert status == 0, printed
    shutil.unpack_archive(next(folder.glob("*.tar.gz")), folder, filter="data")
    unpacked = folder / f"vae_course-{vae_course.__version__}"
    status, printed = run(sys.executable, "-c", BUILD, "build_wheel", str(folder), cwd=unpacked)
    assert status == 0, printed
    return next(folder.glob("*.whl"))


@pytest.fixture
def library_alone(wheel, tmp_path):
    """A folder that holds what a wheel installs and nothing else."""
    shutil.unpack_archive(wheel, tmp_path, "zip")
    return tmp_path


def test_the_wheel_holds_every_file_of_the_package_and_asks_for_four_packages(library_alone):
    files = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    installed = {
        path.relative_to(library_alone / "vae_course").as_posix() for path in library_alone.glob("vae_course/**/*")
    }
    assert {name for name in files if "__pycache__" not in name} <= installed
    about = metadata.Distribution.at(next(library_alone.glob("*.dist-info")))
    needed = [Requirement(line) for line in about.requires if "extra ==" not in line]
    assert {one.name for one in needed} == {"tensorflow", "keras", "tensorflow-probability", "numpy"}
    assert about.metadata["Summary"] == PROJECT["description"] and about.metadata.get_all("Classifier")
    assert {"Keras", "course"} <= set(about.metadata["Keywords"].split(","))
    assert about.metadata["Description-Content-Type"] == "text/markdown"
    assert about.metadata.get_payload().strip() == (ROOT / PROJECT["readme"]).read_text().strip()


def test_the_page_of_the_package_stands_alone():
    """A package index shows it without the folder: nothing may lead into one. Its modules, extras and calls exist."""
    page = (ROOT / PROJECT["readme"]).read_text()
    assert len(page) > 1000 and page.startswith("# vae_course\n")
    links = re.findall(r"\]\(([^)]*)\)", page) + re.findall(r'(?:src|href)="([^"]*)', page)
    assert [link for link in links if not link.startswith("https://")] == []
    named = {extra for extras in re.findall(r"vae_course\[([\w,]+)\]", page) for extra in extras.split(",")}
    assert named and named <= set(PROJECT["optional-dependencies"])
    code = re.search(r"(?s)```python\n(.*?)```", page)[1]
    imported = re.search(r"from vae_course import (.*)", code)[1].split(", ")
    calls = re.findall(r"\b(\w+)\.(\w+)\(", code + re.sub(r"(?s)```.*?```", "", page))
    assert {(room, name) for room, name in calls if room in imported}
    for room, name in calls:
        assert room not in imported or callable(getattr(getattr(vae_course, room), name)), f"{room}.{name}"
    models = re.search(r"(?s)\n- Here are (.*?) flows", page)[1]
    for name in re.findall(r"`(\w+)`", models):
        assert name in vae_course.models.__all__, name


def test_the_course_brings_what_the_library_imports_on_use():
    extras = PROJECT["optional-dependencies"]
    for extra in ("plots", "data", "scores"):
        assert set(extras[extra]) <= set(extras["course"]) and set(extras[extra]) <= set(extras["bench"])


WITHOUT = """
import importlib.abc, sys

MISSING = {"matplotlib", "sklearn", "scipy", "pooch", "tqdm", "ipywidgets"}


class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing())
import vae_course
import numpy as np

for room in set(vae_course.__all__) - {"plots", "estimators"}:
    getattr(vae_course, room)
from vae_course import datasets, evaluation, grading, models, networks, widgets
from vae_course.datasets import downloads

x = datasets.load("sprites").x_train[:64]
vae = models.VAE(networks.mlp_encoder(x.shape[1:], 4), networks.mlp_decoder(2, x.shape[1:]))
vae.compile(run_eagerly=True)
vae.fit(x, verbose=0)
assert np.isfinite(evaluation.log_likelihood(vae, x, k=2).mean)
rbm = models.RBM((4,), 2)
codes, factors = np.random.default_rng(0).normal(size=(2, 50, 2))
calls = [
    ("matplotlib", "plots", lambda: vae_course.plots),
    ("sklearn", "scores", lambda: vae_course.estimators),
    ("sklearn", "data", lambda: datasets.load("digits")),
    ("pooch", "data", lambda: downloads.cache()),
    ("ipywidgets", "course", lambda: widgets.latent_explorer(vae.decode, [0.0, 0.0])),
    ("scipy", "scores", lambda: evaluation.annealed(rbm, 2, 2)),
    ("sklearn", "scores", lambda: evaluation.precision_recall(codes, codes)),
    ("sklearn", "scores", lambda: evaluation.dci(codes, np.round(factors))),
    ("sklearn", "scores", lambda: evaluation.mig(codes, np.round(factors))),
]
for number, (name, extra, call) in enumerate(calls):
    try:
        call()
    except ModuleNotFoundError as error:
        assert str(error).startswith(f"This needs the package {name}, which is not installed."), error
        assert f"pip install 'vae_course[{extra}]'" in str(error), error
    else:
        raise AssertionError(number)
print("all said")
"""


def test_the_library_does_without_what_is_missing_and_says_so():
    status, printed = python(WITHOUT)
    assert (status, printed.strip().splitlines()[-1:]) == (0, ["all said"]), printed


def test_the_doctor_speaks_of_no_chapters_where_there_are_none(library_alone):
    here = {"cwd": library_alone, "PYTHONPATH": str(library_alone)}
    status, printed = run(sys.executable, "-m", "vae_course", **here)
    assert status == 0, printed
    assert "All is well: the library is ready." in printed and "chapter" not in printed
    status, shape = run(sys.executable, "-c", re.search(r'Try python -c "(.*)"', printed)[1], **here)
    assert status == 0 and re.search(r"^\(\d+, \d+, \d+, 1\)$", shape, re.MULTILINE), shape


def test_the_doctor_of_the_library_alone_says_how_to_install_it(library_alone):
    (library_alone / "tensorflow.py").write_text("raise ImportError('libtensorflow.so is damaged')")
    status, printed = run(sys.executable, "-m", "vae_course", cwd=library_alone, PYTHONPATH=str(library_alone))
    assert status == 1
    assert "libtensorflow.so is damaged" in printed and "pip install --upgrade vae_course" in printed
    assert "constraints.txt" not in printed and "course's folder" not in printed


def test_the_doctor_of_the_library_alone_allows_the_whole_range(library_alone):
    here = {"cwd": library_alone, "PYTHONPATH": str(library_alone)}
    (wanted,) = [one for one in map(Requirement, PROJECT["dependencies"]) if one.name == "keras"]
    first = next(one.version for one in wanted.specifier if one.operator == ">=")
    for version, fits in ((first, True), ("3.0.1", False)):
        other = library_alone / "keras-0.dist-info"
        other.mkdir(exist_ok=True)
        (other / "METADATA").write_text(f"Metadata-Version: 2.1\nName: keras\nVersion: {version}\n")
        status, printed = run(sys.executable, "-m", "vae_course", **here)
        assert status == (0 if fits else 1), printed
        assert (f"{version} (expected >={first},<" in printed) != fits, printed


# ---- what goes with a publication ----
def test_the_paper_cites_what_its_list_has():
    cited = set(re.findall(r"@([a-z]+\d{4}\w*|keras)\b", (ROOT / "paper.md").read_text()))
    assert cited == set(re.findall(r"(?m)^@\w+\{(\w+),", (ROOT / "paper.bib").read_text())) and len(cited) > 15
    assert 250 < len((ROOT / "paper.md").read_text().split()) < 1750


def test_the_version_is_the_same_everywhere():
    version = vae_course.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"(?m)^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text())


def test_contributors_are_told_commands_that_exist():
    told = set(re.findall(r"(?m)^make (\w+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert told and told <= set(re.findall(r"(?m)^(\w+):", (ROOT / "Makefile").read_text()))


def test_every_extra_that_is_named_exists():
    named = {extra for path in PACKAGE.rglob("*.py") for extra in re.findall(r'needed\("(\w+)"\)', path.read_text())}
    assert {"plots", "data", "scores", "course"} == named and named <= set(PROJECT["optional-dependencies"])


# ---- the commands ----
@pytest.mark.parametrize("target", ["lab", "test"])
def test_make_says_which_python_it_needs(target, tmp_path):
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    old = tmp_path / "old_python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.1\nexit 1\n')
    old.chmod(0o755)
    status, printed = run("make", "-C", str(tmp_path), target, f"PYTHON={old} no_such_python")
    assert status != 0
    assert "needs Python 3.11, 3.12 or 3.13" in printed
    assert "old_python: Python 3.8.1" in printed and "no_such_python: not found" in printed
    assert not (tmp_path / ".venv").exists()


def test_make_says_when_python_cannot_make_environments(tmp_path):
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    bare = tmp_path / "bare_python"
    bare.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n')
    bare.chmod(0o755)
    status, printed = run("make", "-C", str(tmp_path), "lab", f"PYTHON={bare}")
    assert status != 0
    assert "sudo apt install python3-venv" in printed


def test_the_readme_gives_the_two_commands_and_takes_two_screens():
    readme = (ROOT / "README.md").read_text()
    assert "make lab" in readme and "make test" in readme
    assert len(readme.splitlines()) <= 90
    chapters = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "chapters").glob("*.ipynb"))
    assert re.findall(r"(?m)^\| \[\d\d .*?\]\((.*?)\)", readme) == chapters


@pytest.mark.parametrize("text", ["README.md", "docs/install.md"])
def test_links_of_the_first_pages_lead_somewhere(text):
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / text).read_text())
    assert len(links) >= 5
    for link in links:
        file, _, anchor = link.partition("#")
        target = (ROOT / text).parent / file
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"(?m)^#+ (.*)$", target.read_text())
            assert anchor in {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}, link
