"""The quick tests with the oldest and with the newest packages that pyproject.toml allows: see `make ranges`.

    python tests/ranges.py tests/test_parts.py ...            both
    python tests/ranges.py --only oldest tests/test_parts.py  one of them

Each gets an environment of its own in .build/ranges/, which is deleted in the end. That needs a network, 2.5 GB of disk
and about ten minutes. Versions come from pyproject.toml alone: the oldest are where its ranges begin.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("plots", "data", "scores")  # what the library's functions import when they are called
SHOW = """
from importlib.metadata import version
for name in ("tensorflow", "keras", "tensorflow-probability", "numpy", "scipy"):
    print(f"  {name} {version(name)}", flush=True)
"""


def oldest(line):
    """A requirement of just the version where its range begins: "numpy>=2.0,<3" -> "numpy==2.0". One of == stays."""
    wanted = Requirement(line)
    starts = [one.version for one in wanted.specifier if one.operator == ">="]
    if not starts and not any(one.operator == "==" for one in wanted.specifier):
        raise ValueError(f"A requirement must begin somewhere, with >= or ==. Received: {line!r}")
    if starts:
        wanted.specifier = SpecifierSet(f"=={starts[0]}")
    return str(wanted)


def requirements(which, project):
    """What is installed for "oldest" or "newest": the library's needs, those of its extras, and pytest."""
    extras = project["optional-dependencies"]
    lines = dict.fromkeys([*project["dependencies"], *(line for name in EXTRAS for line in extras[name])])
    tools = [line for line in extras["test"] if line.startswith("pytest")]
    return [*(map(oldest, lines) if which == "oldest" else lines), *tools]


def tried(which, files, project):
    """The exit code of the tests in a new environment; pip's, if there is none."""
    home = ROOT / ".build/ranges" / which
    shutil.rmtree(home, ignore_errors=True)
    wanted = requirements(which, project)
    print(f"{which}: {', '.join(wanted)}", flush=True)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    # The library is not installed: its folder is, as the working directory, where Python looks first.
    try:
        for command in (
            [sys.executable, "-m", "venv", home],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
            [python, "-c", SHOW],
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        ):
            status = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode
            if status:
                break
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"{which}: {'passed' if status == 0 else 'FAILED'}\n", flush=True)
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["oldest", "newest"])
    parser.add_argument("files", nargs="+", metavar="FILE", help="the tests to run")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chosen = [options.only] if options.only else ["oldest", "newest"]
    return int(any([tried(which, options.files, project) for which in chosen]))


if __name__ == "__main__":
    sys.exit(main())
