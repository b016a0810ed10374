"""Whatever was handed in becomes a notebook with the release's marked cells in it, or a sentence that says why not.

Nothing that can be mended costs marks: names, encodings, a file cut short, lost ids and metadata, copies, other kinds.
A check always comes from the teacher; of the learner only answers and cells of their own are taken.
"""

import ast
import copy
import difflib
import json
import re
from dataclasses import dataclass, field

import nbformat

HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS.*?^### END HIDDEN TESTS\n?", re.S | re.M)
MAGIC = re.compile(r"^(\s*)[%!].*$", re.M)


@dataclass
class Submission:
    notebook: nbformat.NotebookNode | None
    mended: list = field(default_factory=list)  # what anybody's file may suffer
    tampered: list = field(default_factory=list)  # what nobody does by accident
    missing: set = field(default_factory=set)  # marked cells after the place where the file breaks off
    beside: set = field(default_factory=set)  # written answers that were left as handed out, with a text next to them


def marks(cell):
    """nbgrader's part of a cell's metadata."""
    found = cell.metadata.get("nbgrader", {})
    return found if isinstance(found, dict) else {}


def is_check(cell):
    return cell.cell_type == "code" and bool(marks(cell).get("grade")) and not marks(cell).get("solution")


def read(files, name):
    """The Submission in a folder's files (name -> bytes), not yet compared with what was handed out."""
    names = sorted(file for file in files if file.lower().endswith(".ipynb"))
    if not names:
        return Submission(None, ["there is no notebook in the folder"])
    file = f"{name}.ipynb" if f"{name}.ipynb" in names else max(names, key=lambda file: len(files[file]))
    result = Submission(None, [] if file == f"{name}.ipynb" else [f"the file is named {file}"])
    if len(names) > 1:
        result.mended.append(f"{len(names)} notebooks in the folder: {file} was taken")
    if not files[file].strip():
        result.mended.append("the file is empty")
        return result
    text = decoded(files[file], result)
    try:
        data = json.loads(text)
        cells = data["cells"] if "cells" in data else data["worksheets"][0]["cells"]
        if not isinstance(cells, list):
            raise ValueError
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        cells = whole_cells(text)
        if not cells:
            result.mended.append("the file is not a notebook: there is no whole cell in it")
            return result
        result.mended.append(f"the file breaks off: {len(cells)} whole cells were read")
        result.missing = {"?"}  # which ones, `mend` finds out
    result.notebook = nbformat.v4.new_notebook(cells=[clean(cell) for cell in cells if isinstance(cell, dict)])
    return result


def decoded(raw, result):
    if raw.startswith(b"\xef\xbb\xbf"):
        raw = raw[3:]
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        result.mended.append("the file is UTF-16")
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        result.mended.append("the file is not UTF-8")
        try:  # one byte too few at a cut, or another alphabet?
            return raw[: raw.rfind(b"}")].decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("cp1252", errors="replace")


def whole_cells(text):
    """The cells before the place where a file breaks off."""
    start = text.find("[", max(text.find('"cells"'), 0))
    cells, at, decoder = [], start + 1, json.JSONDecoder()
    while start >= 0:
        while at < len(text) and text[at] in " ,\n\r\t":
            at += 1
        try:
            cell, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        if not isinstance(cell, dict):
            break
        cells.append(cell)
    return cells


def clean(cell):
    """A cell with its source and nbgrader's metadata, and nothing else of the file."""
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    source = cell.get("source", cell.get("input", ""))
    source = "".join(map(str, source)) if isinstance(source, list) else str(source)
    source = source.encode("utf-8", errors="replace").decode("utf-8").replace("\r\n", "\n").replace("\x00", "")
    metadata = cell.get("metadata")
    metadata = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    kept = {"was": str(cell.get("id", ""))}
    if isinstance(metadata, dict) and isinstance(metadata.get("grade_id"), str):
        kept["nbgrader"] = {key: metadata.get(key) for key in ("grade_id", "points")}
    new = make.get(cell.get("cell_type"), nbformat.v4.new_raw_cell)(source, metadata=kept)
    pictures = cell.get("attachments")  # pasted into a text
    if new.cell_type == "markdown" and isinstance(pictures, dict):
        new.attachments = nbformat.from_dict(
            {
                str(key): {str(kind): text for kind, text in value.items() if isinstance(text, str)}
                for key, value in pictures.items()
                if isinstance(value, dict)
            }
        )
    return new


def mend(submission, released, sealed):
    """Put the teacher's marked cells into the submission, with the learner's answers: `sealed` holds whole checks."""
    cells, wanted = submission.notebook.cells, [cell for cell in released.cells if marks(cell)]
    teachers = {marks(cell)["grade_id"]: cell for cell in sealed.cells if marks(cell)}
    place = find(cells, wanted, released.cells, submission)
    cut = bool(submission.missing)
    submission.missing, anchor, spots = set(), -1.0, list(enumerate(cells))
    for cell in wanted:
        name = marks(cell)["grade_id"]
        new = copy.deepcopy(cell)
        new.id = name
        if marks(cell).get("solution"):
            if name in place:
                new.source = cells[place[name]].source
                if new.cell_type == "markdown" and "attachments" in cells[place[name]]:
                    new.attachments = cells[place[name]].attachments
        else:
            new.source = teachers[name].source
            if name in place:
                compare(cells[place[name]], cell, submission)
        if name in place:
            anchor = float(place[name])
            spots[place[name]] = (anchor, new)
        else:
            anchor += 0.001
            spots.append((anchor, new))
            if cut:
                submission.missing.add(name)
            else:
                submission.mended.append(f"{name} was missing and was put back")
    ordinary = {cell.source.strip() for cell in released.cells if not marks(cell)}
    given = [cell for cell in released.cells if cell.cell_type == "code" and not marks(cell) and cell.source.strip()]
    set_up = {cell.id: cell.source.strip() for cell in given}
    out = []
    for number, (_, cell) in enumerate(sorted(spots, key=lambda pair: pair[0])):
        was = cell.metadata.pop("was", None)
        if was is not None:  # the learner's own, or a copy
            cell.metadata.pop("nbgrader", None)
            cell.id = f"own-{number}"
            cell.metadata["own"] = cell.source.strip() not in ordinary
            changed = cell.metadata["own"] and (was in set_up or any(text in cell.source for text in set_up.values()))
            cell.metadata["set_up"] = changed  # as it was, it can only fail for want of an answer
        cell.pop("outputs", None) if cell.cell_type != "code" else cell.update(outputs=[], execution_count=None)
        out.append(cell)
    stubs = {marks(cell)["grade_id"]: cell.source.strip() for cell in wanted if is_written(cell)}
    for before, cell, after in zip([None, *out], out, [*out[1:], None]):
        if is_written(cell) and cell.source.strip() == stubs[marks(cell)["grade_id"]]:
            if own(after) or own(before) and before.cell_type != "code":
                submission.beside.add(marks(cell)["grade_id"])
    submission.notebook = nbformat.v4.new_notebook(cells=out, metadata=copy.deepcopy(released.metadata))


def is_written(cell):
    return cell.cell_type == "markdown" and bool(marks(cell).get("grade")) and bool(marks(cell).get("solution"))


def own(cell):
    return cell is not None and bool(cell.metadata.get("own")) and bool(cell.source.strip())


def find(cells, wanted, released, submission):
    """grade_id -> place in the submission: by nbgrader's name, the cell's id, content, and last by its neighbor."""
    place, taken = {}, set()

    def take(cell, index):
        place[marks(cell)["grade_id"]] = index
        taken.add(index)

    def by_name(cell):
        return marks(cell).get("grade_id")

    def by_id(cell):
        return cell.metadata.get("was") or cell.get("id")

    for key in (by_name, by_id):
        for cell in wanted:
            hits = [i for i, other in enumerate(cells) if i not in taken and key(other) == key(cell)]
            if by_name(cell) in place or not hits:
                continue
            written = [i for i in hits if cells[i].source.strip() != cell.source.strip()]
            # of copies, the first that was written in
            take(cell, (written or hits)[0] if marks(cell).get("solution") else hits[0])
            if len(hits) > 1 and key is by_name:
                submission.mended.append(f"{by_name(cell)} is there {len(hits)} times")
    likes = []
    for cell in wanted:
        if by_name(cell) not in place:
            for index, other in enumerate(cells):
                if index not in taken and other.source.strip():
                    likes.append((likeness(cell, other), -index, cell))
    for like, index, cell in sorted(likes, key=lambda row: row[:2], reverse=True):
        if like > 0.6 and by_name(cell) not in place and -index not in taken:
            take(cell, -index)
    handed_out = [cell.source.strip() for cell in released]
    for number, cell in enumerate(released):  # a written answer is like nothing: it follows its question
        if marks(cell).get("solution") and cell.cell_type == "markdown" and by_name(cell) not in place:
            asked = [i for i, other in enumerate(cells) if other.source.strip() == handed_out[number - 1]]
            index = asked[0] + 1 if asked else len(cells)
            if index < len(cells) and index not in taken and cells[index].cell_type == "markdown":
                if cells[index].source.strip() not in handed_out:
                    take(cell, index)
    by_content = [cell for cell in wanted if by_name(cell) in place and not same_mark(cell, cells, place)]
    if by_content:
        submission.mended.append(f"{len(by_content)} cells had lost their marks and were found by their id or content")
    return place


def same_mark(cell, cells, place):
    name = marks(cell)["grade_id"]
    return marks(cells[place[name]]).get("grade_id") == name


def likeness(cell, other):
    """A cell that defines the same names is the one; else how alike the texts are."""
    names = defined(cell.source)
    same = bool(names) and names <= defined(other.source) and other.cell_type == cell.cell_type
    mine, theirs = cell.source[:5000], other.source[:5000]
    matcher = difflib.SequenceMatcher(None, mine, theirs, autojunk=False)
    quick = matcher.real_quick_ratio()
    return 2 * same + (matcher.ratio() if quick > 0.6 else 0.0)


def compare(found, released, submission):
    """Say so if a check is not as it was handed out: its text or its points."""
    name = marks(released)["grade_id"]
    if squeezed(found.source) != squeezed(released.source):
        submission.tampered.append(f"{name}: the check was changed (the teacher's was run)")
    elif found.cell_type != released.cell_type:
        submission.mended.append(f"{name} had become {found.cell_type}")
    points = marks(found).get("points")
    if points is not None and points != marks(released).get("points"):
        submission.tampered.append(f"{name}: points set to {points}")


def squeezed(text):
    """Without blanks at the ends of lines and without ASCII's foreigners, which a wrong encoding may have changed."""
    return re.sub(r"[^\x21-\x7e]", "", text)


def parsed(source):
    try:
        return ast.parse(MAGIC.sub(r"\1pass", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defined(source):
    """The names that a cell gives a value at its top level."""
    names, tree = set(), parsed(source)
    for node in tree.body if tree else ():
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return names


def used(source):
    """The names that a cell mentions."""
    tree = parsed(source)
    if tree is None:
        return set(re.findall(r"\w+", source))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
