"""docs/glossary.md: every chapter that it names contains the term, and each line is well formed."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def rows(text):
    """(what to look for, file) for each line of its tables: a formula or several words, without their decoration."""
    for line in text.splitlines():
        if line.startswith("|") and (place := re.search(r"\[(\d\d)\]\(\.\./(chapters/\1_\w+\.ipynb)\) \|$", line)):
            first = re.split(r"(?<!\\)\|", line)[1].strip()
            yield first.replace(r"\|", "|"), place[2]


def plain(text):
    r"""Formulas as they are compared: p_\theta(x|z), p(x|z) and p(x \mid z) are one."""
    return re.sub(r"_\{?\\(theta|phi)\}?|\s|\\[,;:!]", "", text.replace(r"\mid", "|"))


def contains(chapter, term):
    """Whether a text has a word, from its beginning on, or a formula; capitals count where all are capitals."""
    if not term.startswith("$"):
        return re.search(rf"(?<!\w){re.escape(term)}", chapter, 0 if term.isupper() else re.IGNORECASE)
    symbol = term.strip("$")
    formulas = re.findall(r"\$([^$]+)\$", chapter.replace("$$", "$"))
    if symbol.startswith("\\"):
        return any(symbol in formula for formula in formulas)
    whole = rf"(?<![a-zA-Z\\]){re.escape(plain(symbol))}(?![a-zA-Z])"
    return any(re.search(whole, plain(formula)) for formula in formulas)


def missing(text, read):
    """Terms that the named chapter does not contain. read: file -> its text."""
    for first, file in rows(text):
        for term in re.findall(r"\$[^$]+\$", first) or first.split(", "):
            if not contains(read(file), term):
                yield f"{file} does not contain {term}"


def chapter_text(file):
    return "\n".join("".join(cell["source"]) for cell in json.loads((ROOT / file).read_text())["cells"])


def test_every_named_chapter_contains_the_term():
    text = (ROOT / "docs/glossary.md").read_text()
    lines = [line for line in text.splitlines() if re.match(r"\| (?!---)(?!written |word )", line)]
    assert len(list(rows(text))) == len(lines) > 75, "a line without a chapter, or without a link to it"
    assert list(missing(text, chapter_text)) == []


def test_the_test_sees_a_term_that_is_not_there():
    planted = "| IWAE | a bound | [01](../chapters/01_autoencoders.ipynb) |\n"
    planted += "| $p(x\\|z)$ | `likelihood` | it | [03](../chapters/03_variational_autoencoders.ipynb) |\n"
    assert list(missing(planted, chapter_text)) == ["chapters/01_autoencoders.ipynb does not contain IWAE"]
    planted = planted.replace("x\\|z", "x\\|zz")
    assert [line.split()[-1] for line in missing(planted, chapter_text)] == ["IWAE", "$p(x|zz)$"]


def test_words_are_in_order():
    words = re.findall(r"(?m)^\| ([^|$]+?) \|", (ROOT / "docs/glossary.md").read_text().split("## Words")[1])[1:]
    words = [word for word in words if not word.startswith("---")]
    assert words == sorted(words, key=lambda word: re.sub(r"[^a-z0-9]", "", word.lower().replace("é", "e")))
