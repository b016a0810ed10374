"""Words for figures, for those who cannot see them: the site and the slides take them from here."""

import re


def described(cells):
    """The cells; every figure without words gets the beginning of the text that follows, or the title above it."""
    title = ""
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            title = (re.findall(r"(?m)^#+ +(.+)", source) or [title])[-1]
        elif any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            after = "".join(cells[number + 1]["source"]) if number + 1 < len(cells) else ""
            after = re.sub(r"<!--.*?-->\s*", "", after)  # marks for the slides
            is_text = after and cells[number + 1]["cell_type"] == "markdown" and not after.startswith("#")
            words = after.split("\n\n")[0] if is_text else f"Figure: {title}"
            words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(words.split()))
            words = re.sub(r"[*$`{}]|\\(math\w+|text|[bB]igg?|left|right)(?![a-z])|\\", "", words)
            sentences = re.split(r"(?<=[.?!:])\s+(?=[A-Z(])", words)
            alt = sentences[0] if len(sentences[0]) > 60 else " ".join(sentences[:2])
            cell["metadata"].setdefault("mystnb", {}).setdefault("image", {}).setdefault("alt", alt)
    return cells
