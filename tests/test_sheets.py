"""The sheets of the chapters: what plausible wrong answers are told, and that right ones written differently pass."""

import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sources"), str(ROOT / "tests")]

import build  # noqa: E402
from notebook_rules import BEGIN, END, code, is_check  # noqa: E402
from sheet_answers import RIGHT, WRONG  # noqa: E402

SHEETS = sorted({row[0] for row in WRONG + RIGHT})


def answered(source, old, new):
    """A solution cell with `old` replaced by `new`, or with its answers replaced by these texts."""
    if old is not None:
        assert old in source, f"{old} is not in the solution any more"
        return source.replace(old, new)
    regions = re.split(rf"(?ms)^( *){BEGIN}.*?{END}", source)
    answers = [new] if isinstance(new, str) else new
    assert len(regions) == 1 + 2 * len(answers)
    for place, answer in enumerate(answers):
        indent = regions[2 * place + 1]
        regions[2 * place + 1] = indent + answer.strip().replace("\n", f"\n{indent}")
    return "".join(regions)


@cache
def outcomes(sheet):
    """{(cell, old, new): what its check says, None if it passes} for all answers to a sheet."""
    (path,) = (ROOT / "sources/problems").glob(f"{sheet}_*.py")
    cells = code(build.read_source(path))
    rows = [row[:4] for row in WRONG + RIGHT if row[0] == sheet]
    names, found = {"__name__": "__main__"}, {}
    for cell in cells:
        place = cells.index(cell)
        for _, name, old, new in rows:
            if name == cell.id:
                check = next(other for other in cells[place:] if is_check(other))
                found[name, old, new] = said(dict(names), [answered(cell.source, old, new), check.source])
        exec(compile(cell.source, cell.id, "exec"), names)
        if len(found) == len(rows):
            return found
    raise AssertionError(f"not all cells are there: {rows}")


def said(names, sources):
    """What the first failing assert says when these cells run, None if none does. The sheet's draws go on as before."""
    generator = names.get("random")
    state = generator and generator.bit_generator.state
    try:
        for source in sources:
            exec(compile(source, "<cell>", "exec"), names)
    except AssertionError as error:
        return str(error)
    finally:
        if generator:
            generator.bit_generator.state = state
    return None


@pytest.mark.parametrize("sheet, cell, old, new, says", WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(sheet, cell, old, new, says):
    told = outcomes(sheet)[cell, old, new]
    assert told is not None, "it passes"
    assert re.search(says, told), told


@pytest.mark.parametrize("sheet, cell, old, new", RIGHT)
def test_a_right_answer_written_differently_passes(sheet, cell, old, new):
    assert outcomes(sheet)[cell, old, new] is None
