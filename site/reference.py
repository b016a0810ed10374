"""The API reference as Markdown pages, from the docstrings. The library's files are read, not imported."""

import re
import textwrap
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parent.parent
DRAWN = ["drawings", "sentences", "signals", "speech", "tables"]  # files of datasets that are used by their own names
ITEM = r"([a-z_][\w.]*(?:, [a-z_][\w.]*)*)((?: \[[^]]*\])?: )"  # the beginning of "name, name [shape]: what it is"
MEANT = r"`[^`]*`|(?<![\w*])(\*\*?)[A-Za-z][\w ,.]*\1(?![\w*])"  # code, and words between stars


def escaped(text):
    """A text in which nothing else means anything to Markdown."""
    return re.sub(rf"{MEANT}|[*_$\[\]<>#|~]", lambda match: match[0] if len(match[0]) > 1 else "\\" + match[0], text)


def markdown(docstring):
    """A docstring as Markdown: equations and columns stay as they are, "name: what it is" becomes a list."""
    blocks = []
    for paragraph in docstring.split("\n\n"):
        lines = paragraph.split("\n")
        if all(line.startswith("    ") for line in lines) or sum("  " in line.strip() for line in lines) > 1:
            blocks.append(f"```text\n{textwrap.dedent(paragraph)}\n```")
            continue
        for number, line in enumerate(lines):
            before, in_list = lines[number - 1] if number else ".", bool(number) and blocks[-1].startswith("- ")
            if (item := re.match(ITEM, line)) and (in_list or before.endswith((".", ":", ")"))):
                blocks.append(f"- `{item[1]}`" + escaped(line[len(item[1]) :]))
                continue
            indented = line.startswith("    ")
            goes_on = indented or not before.endswith((".", ":")) if in_list else not indented
            if number and goes_on and not line.startswith("Source:"):
                blocks[-1] += " " + escaped(line.strip())
            else:
                blocks.append(escaped(line.strip()))
    return "\n\n".join(blocks)


def signature(function):
    """(x, k=1, *, seed=None), of a function or a method."""
    parts = []
    for one in function.parameters:
        kind = one.kind.value
        if kind == "keyword-only" and not any(part.startswith("*") for part in parts):
            parts.append("*")
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        parts.append(stars + one.name + (f"={one.default}" if one.default is not None and not stars else ""))
    return f"({', '.join(part for part in parts if part not in ('self', 'cls'))})"


def public(holder):
    """The documented things that were defined here, a module or a class, and are for others to use."""
    own = [one for one in holder.members.values() if not one.is_alias and not one.name.startswith("_")]
    return [one for one in own if one.docstring and (one.is_function or one.is_class)]


def names_of(holder):
    return [one.name for one in public(holder)]


def directive(kind, head, body):
    """What Sphinx knows by name; a class's fence is longer than those of the methods in it."""
    fence = "`````" if kind == "class" else "````"
    return f"{fence}{{py:{kind}}} {head}\n\n{body}\n{fence}"


def entry(thing, exported):
    """A function, or a class with its methods, those included that come from bases that are not shown themselves."""
    text = markdown(thing.docstring.value)
    if thing.is_function:
        return directive("function", thing.name + signature(thing), text)
    bases, waiting, methods = [], [thing], {}
    while waiting:
        one = waiting.pop(0)
        for method in public(one):
            head = method.name + signature(method)
            methods.setdefault(method.name, directive("method", head, markdown(method.docstring.value)))
        for base in one.resolved_bases:
            if base.name in exported:
                bases.append(f"{{py:obj}}`{base.name} <{exported[base.name]}>`")
            elif base.path.startswith("vae_course"):
                waiting.append(base)
    if bases:
        text += f"\n\nIt also has the methods of {' and '.join(bases)}."
    head = thing.name + (signature(thing.members["__init__"]) if "__init__" in thing.members else "")
    return directive("class", head, "\n\n".join([text, *methods.values()]))


def reference(chapters):
    """file -> Markdown of its page, the full names of all that has an entry, and what the package says of itself.

    chapters: number -> file; "chapter 03" in a docstring becomes a link to it.
    """

    def chapter(match):
        return f"[{match[0]}](../{chapters[match[1]]})" if match[1] in chapters else match[0]

    package, pages, names = griffe.load("vae_course", search_paths=[ROOT], allow_inspection=False), {}, set()
    for room in (package[name] for name in package.exports):
        exported = {name: f"{room.path}.{name}" for name in room.exports or names_of(room)}
        sections = {}  # file -> what comes from there
        for name in exported:
            thing = room[name].final_target if room[name].is_alias else room[name]
            if thing.is_module:  # a function that is called as its file
                thing = thing[name]
            sections.setdefault(thing.module, []).append(thing)
        if room.name == "datasets":
            sections |= {room[name]: public(room[name]) for name in DRAWN}
        text = [f"# {room.name}", directive("module", room.path, ""), markdown(room.docstring.value)]
        # The docstring names the files in the order in which to read them.
        told = re.findall(r"(?m)(?:^|; )(\w+)", room.docstring.value)
        for file in sorted(sections, key=lambda file: file is not room and 1 + [*told, file.name].index(file.name)):
            if file is not room:
                text += [f"## {file.name}", markdown(file.docstring.value) if file.docstring else ""]
            if file.name in DRAWN:
                text.append(directive("module", file.path, ""))
                names |= {file.path, *(f"{file.path}.{thing.name}" for thing in sections[file])}
            text += [entry(thing, exported) for thing in sections[file]]
        names |= {room.path, *exported.values()}
        text = re.sub(r"(?s)```text.*?```|[Cc]hapters? (\d\d)", chapter, "\n\n".join(text))
        pages[f"api/{room.name}.md"] = text + "\n"
    return pages, names, markdown(package.docstring.value)
