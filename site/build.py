"""The web site, made of what is here: HTML in .build/site/ that needs neither a server nor a network. Nothing is run.

    python site/build.py            as `make site` does, in .venv-site
    python site/build.py --to OUT   into another folder
    SITE_REPOSITORY=https://github.com/OWNER/NAME python site/build.py    with links to Colab and Binder on each chapter

Pages are the README, the chapters with their stored outputs, the exercises without solutions, the texts, and an API
reference from the docstrings, which are read, not imported. On the way to the staging folder
- a figure without words for those who cannot see it gets the sentence that follows it;
- a link to a file that has no page becomes its words;
- sliders, which need a kernel, become words that say where they are;
- the name of a thing of the library, such as `models.VAE`, becomes a link to its reference, and in docstrings
  "chapter 03" a link to the chapter.
"""

import argparse
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

from figures import described
from reference import reference

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TEXTS = ["README.md", "LICENSE-TEXT.md", "CONTRIBUTING.md", "CHANGELOG.md", "chapters/README.md", "docs/*.md"]
TEXTS += ["docs/models/*.md", "data/README.md", "benchmarks/*.md", "classroom/README.md", "classroom/notes/*.md"]
COURSE_TEXTS = ["docs/install.md", "docs/glossary.md", "docs/elsewhere.md"]
NO_PAGES = ["docs/package.md"]  # what a package index shows
NOTEBOOKS = ["chapters/*.ipynb", "exercises/[0-9]*/*.ipynb"]  # without the exam
IMAGES = ["docs/*.png", "benchmarks/*.png", "classroom/notes/*.png"]
ADDRESS = r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?(?:/tree/([\w./-]+))?/?"
MATHJAX = Path(sysconfig.get_path("purelib"), "sphinx-mathjax-offline/static/mathjax/tex-svg.js")  # read by path only


def found(patterns):
    """Paths of the files that match, relative to the repository, in order."""
    paths = (path.relative_to(ROOT).as_posix() for pattern in patterns for path in sorted(ROOT.glob(pattern)))
    return [path for path in paths if path not in NO_PAGES]


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
        if path == "site/explorer/index.html":  # no page of Sphinx: see add_explorer
            return f'<a href="{posixpath.relpath("explorer/index.html", posixpath.dirname(page))}">{words}</a>'
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


# ---- to run a chapter elsewhere ----
def repository():
    """Where the project is, https://github.com/OWNER/NAME[/tree/BRANCH]: $SITE_REPOSITORY, or pyproject.toml, or ""."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    address = os.environ.get("SITE_REPOSITORY", project.get("urls", {}).get("repository", ""))
    if address and not re.fullmatch(ADDRESS, address):
        raise SystemExit(f"The repository must be https://github.com/OWNER/NAME[/tree/BRANCH]. Received: {address}")
    return address


def elsewhere(chapter, address):
    """A cell of links that open a chapter in Colab and in Binder."""
    owner_name, branch = re.fullmatch(ADDRESS, address).groups(default="main")
    colab = f"https://colab.research.google.com/github/{owner_name}/blob/{branch}/{chapter}"
    binder = f"https://mybinder.org/v2/gh/{owner_name}/{branch}?urlpath=lab/tree/{chapter}"
    text = f"[Open in Colab]({colab}), with [two lines](../docs/elsewhere.md) to run first · [Open in Binder]({binder})"
    return {"cell_type": "markdown", "id": "elsewhere", "metadata": {}, "source": text}


def without_sliders(cell):
    """The cell; instead of the name of its widget's class, words that say where it is shown."""
    for output in cell.get("outputs", []):
        if re.match(r"\w+\(children=\(", "".join(output.get("data", {}).get("text/plain", ""))):
            output["data"] = {"text/markdown": "*In JupyterLab, sliders are shown here.*"}
    return cell


# ---- the whole ----
def contents(entries, caption=""):
    """A list of pages: in the side bar only if it has a caption, else on the page too."""
    options = f":caption: {caption}\n:hidden:" if caption else ":maxdepth: 1"
    return "\n```{toctree}\n" + "\n".join([options, "", *(f"/{entry}" for entry in entries)]) + "\n```\n"


def stage(folder):
    """All that Sphinx reads, in a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    chapters, sheets, notes = (found([pattern]) for pattern in (*NOTEBOOKS, "classroom/notes/*.md"))
    address = repository()
    files, names, about = reference({Path(path).name[:2]: path for path in chapters})
    pages = {path: path for path in found(TEXTS + NOTEBOOKS)} | {"README.md": "index.md"}
    texts = {path: (ROOT / path).read_text() for path in pages if path.endswith(".md")}
    if address:
        home = f"https://github.com/{re.fullmatch(ADDRESS, address)[1]}"
        texts = {path: text.replace("ADDRESS_OF_THIS_REPOSITORY", home) for path, text in texts.items()}
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
    order = re.findall(r"\]\((\w+\.md)\)", texts["docs/models/README.md"])  # else by name
    models = sorted(found(["docs/models/[a-z]*.md"]), key=lambda path: [*order, Path(path).name].index(Path(path).name))
    texts["docs/models/README.md"] += contents(models, "Models")
    if notes:
        texts["classroom/README.md"] += contents(["classroom/notes/index.md"], "Classroom")
    shown = ["docs/library.md", "docs/models/README.md", "api/index.md", "data/README.md"]
    shown += ["docs/results.md", "benchmarks/README.md"]
    texts["README.md"] += (
        contents(["chapters/README.md", *chapters, "exercises/index.md", *COURSE_TEXTS], "Course")
        + contents(shown, "Library")
        + contents(["classroom/README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE-TEXT.md"], "More")
    )
    files = {path: linked(text, path, pages, names) for path, text in files.items()}
    files |= {pages[path]: linked(text, path, pages, names) for path, text in texts.items()}
    for path in chapters + sheets:
        notebook = json.loads((ROOT / path).read_text())
        if address and path in chapters:
            notebook["cells"].insert(1, elsewhere(path, address))
        for cell in map(without_sliders, described(notebook["cells"])):
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


def add_explorer(site):
    """The explorer as it is, with links to the start and to the chapters that it names."""
    shutil.copytree(HERE / "explorer", site / "explorer")
    page = site / "explorer/index.html"
    homes = {Path(path).name[:2]: f"../{path.removesuffix('.ipynb')}.html" for path in found(["chapters/*.ipynb"])}
    text = re.sub(r"chapter (\d\d)", lambda match: f'<a href="{homes[match[1]]}">{match[0]}</a>', page.read_text())
    page.write_text(text.replace(">vae_course</p>", '><a href="../index.html">vae_course</a></p>'))


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
        add_explorer(source / ".html")
        (source / ".html").rename(site)
        print(f"Open {site / 'index.html'} in a browser.")
        if not repository():
            print(
                "The project has no address yet, so its pages say ADDRESS_OF_THIS_REPOSITORY: before you publish them,"
            )
            print("set `repository` in pyproject.toml or SITE_REPOSITORY=https://github.com/OWNER/NAME.")
    return status


if __name__ == "__main__":
    sys.exit(main())
