"""The learner's package: .build/vae_course_learner.zip, the course without solutions and without hidden tests.

    python classroom/package.py                        every exercise sheet, but not the exam
    python classroom/package.py 01 02                  only sheets whose names start so, to begin with
    python classroom/package.py --only-sheets 03 04    later: these sheets and nothing else; so the exam too,
                                                       in .build/vae_course_sheets.zip

It holds the library, all chapters, the chosen sheets, the explorer and what `make lab` needs; neither solutions,
sources nor tests. Sheets are made anew from the solutions, so that nothing that was written into exercises/ here is
handed out.
"""

import argparse
import sys
import zipfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "sources"))

import build  # noqa: E402

FILES = ["LICENSE", "LICENSE-TEXT.md", "Makefile", "constraints.txt", "environment.yml", "pyproject.toml"]
FILES += ["data/README.md", "benchmarks/yardsticks.md", "docs/glossary.md", "docs/package.md"]
FOLDERS = ["vae_course", "site/explorer"]
SECRETS = ["BEGIN SOLUTION", "BEGIN HIDDEN TESTS"]
WHOLE, SHEETS = ".build/vae_course_learner.zip", ".build/vae_course_sheets.zip"  # a hub takes the first by its name


def content(names=(), only_sheets=False):
    """What is handed out: path -> bytes."""
    found = sheets(names)
    if not only_sheets:
        found |= everything_else()
    for path, data in found.items():
        for secret in SECRETS:
            if secret.encode() in data:
                raise RuntimeError(f"{path} still holds {secret!r}, so nothing was written. Run make notebooks first.")
    return found


def sheets(names):
    found = {}
    for target in build.targets(ROOT, names):
        if target.exercise is not None and (names or target.source.stem != "exam"):
            solution = nbformat.read(target.notebook, as_version=4)
            found[str(target.exercise.relative_to(ROOT))] = build.release(solution, ROOT).encode()
    return found


def everything_else():
    found = {name: (ROOT / name).read_bytes() for name in FILES}
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found[str(path.relative_to(ROOT))] = path.read_bytes()
    for target in build.targets(ROOT):
        if target.exercise is None:
            found[str(target.notebook.relative_to(ROOT))] = target.notebook.read_bytes()
    course_map = (ROOT / "chapters/README.md").read_text(encoding="utf-8")
    found["chapters/README.md"] = course_map.split("## Teaching with it")[0].encode()  # what follows is for teachers
    found["README.md"] = (ROOT / "classroom/learner.md").read_bytes()
    return found


def main(arguments=None):
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("names", nargs="*", help="only these exercise sheets")
    parser.add_argument("--only-sheets", action="store_true", help="nothing but sheets")
    parser.add_argument("--to", type=Path, help="the zip file to write")
    options = parser.parse_args(arguments)
    if options.to is None:
        options.to = ROOT / (SHEETS if options.only_sheets else WHOLE)
    found = content(options.names, options.only_sheets)
    count = sum(path.startswith("exercises/") for path in found)
    if not count:
        print(f"no sheet is named {' or '.join(options.names)}: try 01, or leave the names out")
        return 1
    options.to.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(options.to, "w", zipfile.ZIP_DEFLATED) as package:
        for path, data in sorted(found.items()):
            entry = zipfile.ZipInfo(f"vae_course_learner/{path}")  # of a fixed date: the same files, the same bytes
            entry.external_attr = 0o644 << 16
            package.writestr(entry, data, zipfile.ZIP_DEFLATED)
    size = options.to.stat().st_size / 1e6
    print(f"{options.to}: {len(found)} files, {count} exercise sheets, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
