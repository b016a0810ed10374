"""The Containerfile, without an engine: each step that needs no image is run, each of the others is read."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "classroom"))

import package  # noqa: E402


def steps():
    """(instruction, rest), in order."""
    text = re.sub(r"\\\n", " ", (ROOT / "classroom/Containerfile").read_text())
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


STEPS = steps()


def rests(instruction):
    return [rest for name, rest in STEPS if name == instruction]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """What the image holds in its home: COPY of what `make learner` writes, and RUN to unpack it."""
    home = tmp_path_factory.mktemp("home")
    assert package.main(["--to", str(home / "vae_course_learner.zip")]) == 0
    [unpack] = [rest for rest in rests("RUN") if "zipfile" in rest]
    subprocess.run(unpack, shell=True, cwd=home, check=True)
    assert [path.name for path in home.iterdir()] == ["vae_course_learner"]
    return home / "vae_course_learner"


def test_it_copies_the_learner_s_package_and_nothing_else():
    assert [name for name, _ in STEPS].count("ADD") == 0 and len(rests("FROM")) == 1
    [copied] = rests("COPY")
    *sources, _ = [word for word in copied.split() if not word.startswith("--")]
    assert [f".build/{source}" for source in sources] == [package.WHOLE], "the folder that is sent is .build"


def test_the_base_is_a_python_that_the_course_runs_on():
    [base] = rests("FROM")
    minor = int(re.fullmatch(r"docker\.io/library/python:3\.(\d+)-slim-\w+", base)[1])
    low, high = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text()).groups()
    assert int(low) <= minor < int(high)


def test_no_learner_is_root():
    [user] = rests("USER")
    names = [name for name, _ in STEPS]
    assert user != "root" and any(f"useradd --create-home --uid 1000 {user}" == rest for rest in rests("RUN"))
    assert names.index("USER") < names.index("COPY") and f"--chown={user}" in rests("COPY")[0]
    assert rests("WORKDIR") == [f"/home/{user}", f"/home/{user}/vae_course_learner"]


def test_nothing_in_it_is_an_answer(unpacked):
    assert (unpacked / "exercises/04_likelihoods_and_bounds/04_likelihoods_and_bounds.ipynb").is_file()
    assert not (unpacked / "solutions").exists() and not (unpacked / "exercises/exam").exists()
    for path in unpacked.rglob("*.ipynb"):
        assert not re.search("BEGIN SOLUTION|HIDDEN TESTS", path.read_text()), path.name


def test_its_make_targets_are_there_and_make_the_environment_of_make_lab(unpacked):
    """`make -n` says what would be run, and runs nothing."""
    [install] = [rest for rest in rests("RUN") if rest.startswith("make ")]
    command = json.loads(rests("CMD")[0])
    assert install.split()[0] == command[0] == "make"
    first = subprocess.run([*install.split(), "-n"], cwd=unpacked, capture_output=True, text=True)
    assert first.returncode == 0 and "pip install" in first.stdout and "course" in first.stdout, first.stderr
    second = subprocess.run([*command, "-n"], cwd=unpacked, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    first, second = (done.stdout.replace(install, "").replace("make lab", "") for done in (first, second))  # in a hint
    installing = [line for line in first.splitlines() if "pip install" in line]
    assert installing and set(installing) <= set(second.splitlines()), "make lab rests on the same environment"
    line = next(line for line in second.splitlines() if "jupyter lab" in line)
    assert line.endswith("--no-browser --ip=0.0.0.0"), line
