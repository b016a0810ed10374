"""Slides of the chapters, made of their notebooks: HTML in .build/slides/ that plays without a network.

    python classroom/slides.py          every chapter
    python classroom/slides.py 03 07    chapters whose names start so

Rules decide what is shown; the whole text stands in the speaker's notes (key s).
- A heading is a slide's title. Shown are a section's first sentence, sentences with a bold term, displayed equations,
  lists and tables, the sentence that leads to one of them, and the sentence before one that begins with a pronoun.
- **Predict** has a slide of its own. A figure, or numbers that were printed, are shown without their code, and with the
  beginning of the text that follows: the answer. If something was to be predicted, it appears with the next key.
- Of the other code cells, definitions and short scripts are shown; imports and checks are not.

Where a rule is bad, a source says so: in Markdown, with a line of its own that holds until the next or the cell's end,
    <!-- slide: Title -->  a new slide (without ": Title", of the same title); what follows is shown as it stands
    <!-- show -->          what follows is shown as it stands
    <!-- answer -->        what follows is added to the words of the figure, or of the numbers, that were shown last
    <!-- notes -->         what follows is for the notes only
    <!-- auto -->          the rules again
and at code cells with `# %% tags=["slide-code"]`, all of whose code is shown, and
`# %% slideshow={"slide_type": "skip"}`, which is left out.
"""

import argparse
import ast
import base64
import html
import re
import struct
import sys
import textwrap
import zipfile
from pathlib import Path

import nbformat
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "site"))
from figures import described  # noqa: E402 (the folder is no package)

PLAYER = Path(sys.prefix, "share/slides")  # wheels, of which only these files are used
FILES = ["revealjs/dist/reveal.js", "revealjs/dist/reveal.css", "revealjs/plugin/notes/notes.js", "mathjax/tex-svg.js"]
WIDTH, HEIGHT = 1180, 590  # pixels of a slide of 1280 x 720 below its title
ROOM, CODE_ROOM = 15, 20  # lines of text, of code
PRONOUN = r"(This|That|These|Those|It|Its|They|Their|Such)\b"  # at the beginning of a sentence: of the one before it
FORMATTER = HtmlFormatter()
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="player/reveal.css"><link rel="stylesheet" href="player/slides.css"></head>
<body><div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="player/reveal.js"></script><script src="player/notes.js"></script>
<script src="player/slides.js"></script><script src="player/tex-svg.js"></script></body></html>
"""


# --- reading text ---------------------------------------------------------------------------------


def to_html(text):
    """Markdown -> HTML. Links lead to other chapters' slides or to the web; of others only the words stay."""
    text = re.sub(r"(?<!!)\[([^]]+)\]\((?!https?:)(?![\w-]+\.ipynb)[^)]*\)", r"\1", text)
    text = re.sub(r"\]\(([\w-]+)\.ipynb(#[^)]*)?\)", r"](\1.html)", text)
    return re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html_mistune(text))


def inline(text):
    return to_html(f"T {text}").strip().removeprefix("<p>T ").removesuffix("</p>")  # else "3. What" begins a list


def units(text):
    """(kind, text) of each paragraph, equation, list, table, heading or mark of a Markdown cell."""
    for part in re.split(r"(\$\$.*?\$\$)", text, flags=re.DOTALL):
        if part.startswith("$$"):
            yield "equation", in_lines(part)
            continue
        for block in filter(str.strip, re.split(r"\n\s*\n", part)):
            block = block.strip("\n")
            if heading := re.match(r"(#+) +(.*)|\*\*(Common mistakes|Exercises|Further reading)\.?\*\*", block):
                yield "title" if heading[1] == "#" else "heading", heading[2] or heading[3]
                block = block[heading.end() :].strip()
            if mark := re.fullmatch(r"<!-- (slide|show|answer|notes|auto)(?:: (.*))? -->", block.strip()):
                yield mark[1], mark[2]
                continue
            found = re.search(r"(?m)^(?:[-*] |\d+\. |(\|)|(```))", block)
            if "**Predict" in block:
                yield "predict", re.sub(r"(?m)^(?=- )", "\n", block, count=1)
            elif found:
                if found.start():
                    yield "prose", block[: found.start()].strip()
                yield "table" if found[1] else "fence" if found[2] else "list", block[found.start() :]
            elif block:
                yield "prose", block


def in_lines(equation):
    r"""A wide equation whose parts stand beside each other, with \qquad or \quad between them, as one part a line."""
    tex, mark, tag = equation.strip("$\n ").partition(r"\tag")
    letters = len(re.sub(r"[{}$^_\s]", "", re.sub(r"\\[a-zA-Z]+", "x", tex.replace(r"\mathbb", ""))))
    parts = re.split(r"\\qquad(?: *\\text\{(?:and|so)\} *\\qquad)?" if r"\qquad" in tex else r"(?<=,)\s*\\quad", tex)
    whole = all(part.count(one) == part.count(other) for part in parts for one, other in ("{}", (r"\begin", r"\end")))
    if len(parts) == 1 or not whole or letters < (40 if r"\qquad" in tex else 60):
        return equation
    lines = r" \\[0.4em] ".join(part.strip() for part in parts)
    return rf"$$ \begin{{gathered}} {lines} \end{{gathered}} {mark}{tag} $$"


def sentences(paragraph):
    return re.split(r"(?<=[.?!])(?<!\bal\.)(?<!\bvs\.)\s+(?=[A-Z*$`(\"])", " ".join(paragraph.split()))


def lines_of(kind, text):
    """How many lines a unit takes on a slide, about."""
    if kind == "equation":
        return 2.2 + 1.5 * text.count(r"\\")
    plain = re.sub(r"\$[^$]*\$", "x" * 8, text)
    items = re.split(r"\n(?=[-*|] ?|\d+\. )", plain)
    return sum(-(-len(item) // 85) for item in items) + 0.4 + (0.3 * len(items) if len(items) > 1 else 0)


# --- reading code ---------------------------------------------------------------------------------


def worth_showing(source):
    """A cell's classes, and functions with a docstring or few lines; or a short script without loops and checks."""
    body = ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source)).body
    lines = source.split("\n")

    def text(node):
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        return lines[first - 1 : node.end_lineno]

    definitions = [node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    if definitions:
        told = [node for node in definitions if isinstance(node, ast.ClassDef) or ast.get_docstring(node)]
        shown = [text(node) for node in definitions if node in told or len(text(node)) < (5 if told else 4)]
        return "\n\n".join("\n".join(part) for part in shown)
    others = (ast.Assert, ast.Import, ast.ImportFrom, ast.For)
    mere = any(isinstance(node, others) for node in ast.walk(ast.Module(body, [])))
    return "" if mere or len(lines) > 12 or "print(" in source else source


def narrow(source, columns=100):
    """A source whose long comments and docstrings are on lines of their own, without marks for tools."""
    for line in re.sub(r"  # (noqa|fmt:).*", "", source).split("\n"):
        indent = " " * (len(line) - len(line.lstrip()))
        comment = re.fullmatch(r"( *\S.*?)  (# [^\"']*)", line)
        if len(line) > columns and comment:
            yield from (indent + comment[2], comment[1])
        elif len(line) > columns and line.lstrip().startswith('"""'):
            yield from textwrap.wrap(line, columns, subsequent_indent=indent)
        else:
            yield line


def pieces(source):
    """A long source in parts, cut between definitions if there are several, else at a blank line within."""
    lines = source.strip("\n").split("\n")
    gaps = [number for number, line in enumerate(lines) if not line.strip()]
    if len(lines) <= CODE_ROOM or not gaps:
        return ["\n".join(lines)] if lines[0] else []
    between = [number for number in gaps if lines[number + 1][:1].strip()]
    middle = min(between or gaps, key=lambda number: abs(number - len(lines) / 2))
    first, second = "\n".join(lines[:middle]), "\n".join(lines[middle:]).strip("\n")
    if cut := not between and re.match(r"(?s)(?:@.*?\n)?(?:# )?((?:class|def) \w+)", first):
        second = f"# {cut[1]}, continued\n{second}"
    return pieces(first) + pieces(second)


def monospaced(text, rows, largest=23):
    """The size in pixels at which every line fits the width, and `rows` lines the height; still longer lines wrap."""
    columns = min(max(map(len, text.split("\n"))), 124)
    return f"{min(largest, (WIDTH - 40) / (0.605 * columns), (HEIGHT - 50) / (1.35 * rows)):.1f}px"


# --- a deck ---------------------------------------------------------------------------------------


class Deck:
    """The slides of a notebook: dictionaries of what is shown, and of the notes."""

    def __init__(self, nb):
        self.slides, self.title, self.last, self.begun = [], "", None, False  # last unit; has the first section begun?
        self.result, self.asked = None, False  # a figure without its answer yet; whether it was to be predicted
        for cell in described(nb.cells):
            kind = cell.metadata.get("slideshow", {}).get("slide_type")
            if kind != "skip":
                self.markdown(cell.source) if cell.cell_type == "markdown" else self.code(cell)
        waiting = []
        for slide in self.slides:  # one that shows nothing gives its notes to the next
            slide["notes"][:0] = waiting
            waiting = [] if slide["body"] else slide["notes"]
        self.slides = [slide for slide in self.slides if slide["body"] or slide is self.slides[0]]
        self.slides[-1]["notes"] += waiting

    def new(self, kind, title=None, level="h2"):
        css = "again" if title is None else ""
        self.title = title or self.title
        heading = f'<{level} class="{css}">{inline(self.title)}</{level}>'
        self.slides.append({"kind": kind, "heading": heading, "body": [], "notes": [], "lines": 0, "answer": ""})
        return self.slides[-1]

    def put(self, kind, text, more=0):
        """On this slide if it is of text and has room, for `more` lines too, else on a new one; a long list on two."""
        items, need = re.split(r"\n(?=[-*] |\d+\. )", text), lines_of(kind, text)
        if kind == "list" and need > ROOM and len(items) > 1:
            self.put(kind, "\n".join(items[: len(items) // 2]))
            self.put(kind, "\n".join(items[len(items) // 2 :]))
            return
        if self.slides[-1]["kind"] != "text" or self.slides[-1]["lines"] + need + more > ROOM:
            self.new("text")
        self.slides[-1]["lines"] += need
        self.slides[-1]["body"].append(to_html(text))

    def markdown(self, source):
        mode, parts = "auto", list(units(source))
        for (kind, text), following in zip(parts, [*parts[1:], (None, "")]):
            if kind in ("slide", "show", "answer", "notes", "auto"):
                mode = kind
                if kind == "slide":
                    self.new("text", text)
            elif kind in ("title", "heading"):
                self.new("text", text, "h1" if kind == "title" else "h2")
                mode, self.result, self.begun = "auto", None, kind == "heading"
            elif kind == "predict":
                self.new("predict")["body"].append(to_html(text))
                self.result, self.asked = None, True
            elif re.fullmatch(r"\(Optional[^)]*\)", text):
                self.slides[-1]["notes"].append(to_html(text))
                continue  # the section begins after it
            else:
                auto = mode == "auto" and self.title != "Further reading" and not re.match(r"\*\*(Before|Level)", text)
                if auto and kind == "prose":
                    self.prose(text, following)
                elif mode == "answer" and self.slides[-1]["answer"]:
                    self.slides[-1]["answer"] = (
                        self.slides[-1]["answer"].removesuffix("</div>") + to_html(text) + "</div>"
                    )
                elif auto or mode in ("slide", "show"):
                    self.put(kind, text)
                self.slides[-1]["notes"].append(to_html(text))
            self.last = kind

    def prose(self, text, following):
        """Show a paragraph's core, which may answer what was asked before a figure."""
        parts = sentences(text)
        keep = {number for number, part in enumerate(parts) if "**" in part}
        names = [number for number in keep if parts[number].startswith("**") and len(parts[number]) < 60]
        keep |= {number + 1 for number in names if number + 1 < len(parts)}
        leads, told = following[0] in ("equation", "list", "table", "fence"), set()
        if self.result and (self.asked or not parts[0].endswith("?")):
            told = {0, 1} if 30 < len(" ".join(parts[1:2])) < 240 - len(parts[0]) else {0}
            told -= {len(parts) - 1} if leads and len(parts) > 1 else set()
            if sum(len(parts[number]) for number in told | keep) < 330:
                told |= keep
            css = "answer fragment" if self.asked else "answer"
            self.result["answer"] = f'<div class="{css}">{to_html(" ".join(parts[i] for i in sorted(told)))}</div>'
            self.result, self.asked, keep = None, False, keep - told
        elif self.last in ("title", "heading"):
            keep |= {number for number in range(len(parts)) if not number or len(" ".join(parts[: number + 1])) < 230}
        more = 0
        if leads:
            keep, more = keep | {len(parts) - 1} - told, lines_of(*following)
        elif (
            self.last == "equation" and parts[0][:1].islower()
        ):  # a sentence that ends after its equation, and below it
            keep, more = keep | {0}, -3
        keep |= {number - 1 for number in keep if number and re.match(PRONOUN, parts[number])} - told
        if keep:
            text = " ".join(parts[i] for i in sorted(keep))
            self.put("prose", text, more if more + lines_of("prose", text) <= ROOM else 4)

    def code(self, cell):
        self.last = None
        images = [output.get("data", {}).get("image/png") for output in cell.outputs]
        images = [image.replace("\n", "") for image in images if image]
        whole = "slide-code" in cell.metadata.get("tags", [])
        source = cell.source if whole else worth_showing(cell.source) if self.begun and not images else ""
        for part in pieces("\n".join(narrow(source))):
            rows, slide = part.count("\n") + 1, self.slides[-1]
            if slide["kind"] not in ("text", "listing") or slide["lines"] + 0.8 * rows > ROOM - 1:
                slide = self.new("listing")
            slide["kind"], self.result = "listing", None
            slide["lines"] += 0.8 * rows
            code = highlight(part, PythonLexer(), FORMATTER)
            slide["body"].append(f'<div style="font-size:{monospaced(part, rows)}">{code}</div>')
        text = "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream").strip("\n")
        many, numbers = text.count("\n") > 1, re.search(r"\d", text)
        printed = self.begun and numbers and (many or (self.asked and not images))
        for part in pieces(text) if printed else []:
            size = monospaced(part, part.count("\n") + 6, 28)
            self.result = self.new("printed")
            self.result["body"].append(f'<pre style="font-size:{size}">{html.escape(part)}</pre>')
        for image in images:
            width, height = struct.unpack(">II", base64.b64decode(image[:44])[16:24])
            self.result = self.new("figure wide" if width > 1.7 * height else "figure")
            alt = html.escape(cell.metadata["mystnb"]["image"]["alt"])
            self.result["body"].append(f'<img alt="{alt}" src="data:image/png;base64,{image}">')
        if text and not printed:
            self.slides[-1]["notes"].append(f"<pre>{html.escape(text)}</pre>")


def section(slide):
    body = "\n".join([*slide["body"], slide["answer"]])
    page = f'<div class="page">{slide["heading"]}<div class="body">\n{body}</div></div>'
    return f'<section class="{slide["kind"]}">{page}<aside class="notes">{"".join(slide["notes"])}</aside></section>'


# --- making ---------------------------------------------------------------------------------------


def player():
    """The files that every deck needs: name -> content."""
    files = {}
    for wheel in sorted(PLAYER.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(tuple(FILES)):
                    files[name.rsplit("/", 1)[1]] = archive.read(name)
    if len(files) < len(FILES):
        raise SystemExit(f"The player of the slides is not in {PLAYER}: run `make slides` once with a network.")
    for name in ("slides.css", "slides.js"):
        files[name] = Path(__file__).with_name(name).read_bytes()
    files["slides.css"] += FORMATTER.get_style_defs(".highlight").encode()
    return files


def make(notebook, folder):
    sections = "\n".join(map(section, Deck(nbformat.read(notebook, as_version=4)).slides))
    target = folder / f"{notebook.stem}.html"
    target.write_text(PAGE.format(title=notebook.stem, slides=sections), encoding="utf-8")
    return target


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="chapters whose names start so; all, if none is given")
    parser.add_argument("--to", type=Path, default=ROOT / ".build/slides", help="the folder to write to")
    options = parser.parse_args(arguments)
    files = player()
    (options.to / "player").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (options.to / "player" / name).write_bytes(content)
    for notebook in sorted((ROOT / "chapters").glob("*.ipynb")):
        if notebook.stem.startswith(tuple(options.names or [""])):
            make(notebook, options.to)
    print(f"Open {options.to}/*.html in a browser. Arrow keys turn the slides, s opens the speaker's notes; with")
    print("?print-pdf at the end of its address, a deck is printed one slide a page.")


if __name__ == "__main__":
    main()
