"""The web site, made of what is here: HTML in .build/site/ that needs neither a server nor a network. Nothing is run.

    python site/build.py            as `make site` does, in .venv-site
    python site/build.py --to OUT   into another folder

Pages are the README, the chapters with their stored outputs, the exercises without solutions, the texts, and an API
reference from the docstrings, which are read, not imported. On the way to the staging folder
- a figure without words for those who cannot see it gets the sentence that follows it;
- a link to a file that has no page becomes its words;
- the name of a thing of the library, such as `models.VAE`, becomes a link to its reference, and in docstrings
  "chapter 03" a link to the chapter.
"""

import argparse
import json
import posixpath
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from reference import reference

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TEXTS = ["README.md", "LICENSE-TEXT.md", "chapters/README.md", "docs/*.md", "data/README.md", "benchmarks/*.md"]
TEXTS += ["classroom/README.md", "classroom/notes/*.md"]
NOTEBOOKS = ["chapters/*.ipynb", "exercises/*/*.ipynb"]
IMAGES = ["docs/*.png", "benchmarks/*.png", "classroom/notes/*.png"]
MATHJAX = Path(sysconfig.get_path("purelib"), "sphinx-mathjax-offline/static/mathjax/tex-svg.js")  # read by path only


def found(patterns):
    """Paths of the files that match, relative to the repository, in order."""
    return [path.relative_to(ROOT).as_posix() for pattern in patterns for path in sorted(ROOT.glob(pattern))]


# ---- texts and notebooks ----
def prose_only(change, text):
    """A Markdown text in which `change` was made everywhere but in fenced code."""
    parts = re.split(r"(?ms)(^ *```\w*\n.*?^ *```$)", text)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def linked(text, page, pages, names):
    """Links that lead to a page here, or out; of others only the words. Names of the library lead to its reference."""

    def link(match):
        words, target, anchor = match.groups(default="")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
        if re.match(r"https?:|mailto:", target) or not target:
            return match[0]
        if path not in pages:
            return words
        return f"[{words}]({posixpath.relpath(pages[path], posixpath.dirname(page))}{anchor})"

    def name(match):
        full = f"vae_course.{match[1].removeprefix('vae_course.')}"
        return f"{{py:obj}}`{match[1]} <{full}>`" if full in names else match[0]

    def change(part):
        part = re.sub(r"(?<![!\\])\[([^]]+)\]\(([^)#\s]*)(#[^)\s]*)?\)", link, part)
        return re.sub(r"(?<![\[`}])`([a-z_]+(?:\.\w+)+)(?:\(\))?`", name, part)

    return prose_only(change, text)


def described(cells):
    """The cells; every figure without words gets the beginning of the text that follows, or the title above it."""
    title = ""
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            title = (re.findall(r"(?m)^#+ +(.+)", source) or [title])[-1]
        elif any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            after = "".join(cells[number + 1]["source"]) if number + 1 < len(cells) else ""
            is_text = after and cells[number + 1]["cell_type"] == "markdown" and not after.startswith("#")
            words = after.split("\n\n")[0] if is_text else f"Figure: {title}"
            words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(words.split()))
            words = re.sub(r"[*$`{}]|\\(math\w+|text|[bB]igg?|left|right)(?![a-z])|\\", "", words)
            sentences = re.split(r"(?<=[.?!:])\s+(?=[A-Z(])", words)
            alt = sentences[0] if len(sentences[0]) > 60 else " ".join(sentences[:2])
            cell["metadata"].setdefault("mystnb", {}).setdefault("image", {}).setdefault("alt", alt)
    return cells


# ---- the whole ----
def contents(entries, caption=""):
    """A list of pages: in the side bar only if it has a caption, else on the page too."""
    options = f":caption: {caption}\n:hidden:" if caption else ":maxdepth: 1"
    return "\n```{toctree}\n" + "\n".join([options, "", *(f"/{entry}" for entry in entries)]) + "\n```\n"


def stage(folder):
    """All that Sphinx reads, in a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    chapters, sheets, notes = (found([pattern]) for pattern in (*NOTEBOOKS, "classroom/notes/*.md"))
    files, names, about = reference({Path(path).name[:2]: path for path in chapters})
    pages = {path: path for path in found(TEXTS + NOTEBOOKS)} | {"README.md": "index.md"}
    texts = {path: (ROOT / path).read_text() for path in pages if path.endswith(".md")}
    lists = {
        "exercises": ("# Exercises\n\nA sheet for each chapter: `make lab` opens it, to be filled in.\n", sheets),
        "api": (f"# API reference\n\n{about}\n", sorted(files)),
        "classroom/notes": ("# Notes for teachers\n\nA page for each chapter.\n", notes),
    }
    for place, (text, entries) in lists.items():
        if entries:
            files[f"{place}/index.md"] = text + contents(entries)
            pages[place] = f"{place}/index.md"
    benchmarks = [path for path in texts if path.startswith("benchmarks/") and not path.endswith("README.md")]
    texts["benchmarks/README.md"] += contents(benchmarks, "Benchmarks")
    if notes:
        texts["classroom/README.md"] += contents(["classroom/notes/index.md"], "Classroom")
    shown = ["docs/library.md", "api/index.md", "data/README.md", "benchmarks/README.md"]
    texts["README.md"] += (
        contents(["chapters/README.md", *chapters, "exercises/index.md"], "Course")
        + contents(shown, "Library")
        + contents(["classroom/README.md", "LICENSE-TEXT.md"], "More")
    )
    files = {path: linked(text, path, pages, names) for path, text in files.items()}
    files |= {pages[path]: linked(text, path, pages, names) for path, text in texts.items()}
    for path in chapters + sheets:
        notebook = json.loads((ROOT / path).read_text())
        for cell in described(notebook["cells"]):
            if cell["cell_type"] == "markdown":
                cell["source"] = linked("".join(cell["source"]), path, pages, names)
        files[path] = json.dumps(notebook)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    copies = {path: ROOT / path for path in found(IMAGES)}
    copies |= {name: HERE / name.split("/")[-1] for name in ("conf.py", "_static/custom.css")}
    copies["_static/mathjax/tex-svg.js"] = MATHJAX
    for path, source in copies.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / path)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=ROOT / ".build/site", help="the folder of the site")
    site = parser.parse_args(arguments).to.resolve()
    source = site.with_name(f"{site.name}-source")
    stage(source)
    # Within the staging folder, because MyST-NB leaves a folder beside the site that it makes.
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "-d", source / ".doctrees"]
    status = subprocess.run([*command, source, source / ".html"]).returncode
    if status == 0:
        shutil.rmtree(site, ignore_errors=True)
        (source / ".html").rename(site)
        print(f"Open {site / 'index.html'} in a browser.")
    return status


if __name__ == "__main__":
    sys.exit(main())
