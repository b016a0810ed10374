"""The slides: every chapter is walked through in a real browser, key by key; and what the rules and marks do."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from chromium import launched, watched_page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "classroom"))

import slides  # noqa: E402

CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
MARKDOWN, CODE = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell

# What is wrong with the slide that is shown, in words; and where we are: slide, steps shown, whether there is more.
LOOK = r"""() => {
    const slide = Reveal.getCurrentSlide(), page = slide.querySelector(".page"), problems = [];
    const box = (part) => part.getBoundingClientRect();
    const smaller = (part, size) => parseFloat(getComputedStyle(part).fontSize) < size;
    const all = (words, wrong, selector) => {
        if ([...page.querySelectorAll(selector)].some(wrong)) problems.push(words);
    };
    all("something leaves the slide", (part) => {
        const { width, left, top, right, bottom } = box(part);
        return width && (left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1);
    }, "*:not(mjx-container *), svg");
    all("an image does not show", (part) => !part.complete || !part.naturalWidth, "img");
    all("an image is too small to see", (part) => box(part).width < 300 || box(part).height < 90, "img");
    all("an image has no words for those who cannot see it", (part) => !part.alt.trim(), "img");
    all("code is cut", ({ scrollWidth, clientWidth, scrollHeight, clientHeight }) =>
        scrollWidth > clientWidth + 1 || scrollHeight > clientHeight + 1, "pre");
    all("code is too small to read", (part) => smaller(part, 15), "pre");
    all("a formula is too small to read", (part) => smaller(part, 17), "mjx-container[display=true]");
    all("text is too small to read", (part) => smaller(part, 24), ".body p, .body li");
    all("a formula has an error", () => true, "mjx-merror, [data-mml-node=merror]");
    const parts = [...page.querySelectorAll("h1, h2, .body > *")];
    for (const [number, one] of parts.entries())
        for (const other of parts.slice(number + 1)) {
            const [a, b] = [box(one), box(other)];
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            if (high > 3 && wide > 3) problems.push("one thing lies on another");
        }
    const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const { parentElement, data } = texts.currentNode;
        if (!parentElement.closest("pre, code") && /\$|\\[a-z]/.test(data)) problems.push(`not drawn: ${data.trim()}`);
    }
    if (!page.querySelector(".body").innerText.trim() && !page.querySelector("img")) problems.push("nothing is shown");
    const last = Reveal.isLastSlide() && !Reveal.availableFragments().next;
    return { slide: Reveal.getIndices().h, last, total: Reveal.getTotalSlides(), problems };
}"""


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    """The folder of all decks."""
    if not list(slides.PLAYER.glob("*.whl")):
        pytest.skip(f"the player of the slides is not in {slides.PLAYER}: run make slides once with a network")
    folder = tmp_path_factory.mktemp("slides")
    slides.main(["--to", str(folder)])
    return folder


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


def open_deck(browser, deck, query=""):
    """A page that shows a deck, and a list of what goes wrong meanwhile."""
    page, problems = watched_page(browser, 1280, 720)
    page.goto(deck.as_uri() + query)
    page.wait_for_function("() => window.Reveal?.isReady()", timeout=120_000)
    return page, problems


# The right arrow, until there is nothing more: what LOOK says at each step. Nothing is painted, which would cost most.
WALK = f"""() => {{
    const look = {LOOK}, steps = [look()];
    while (!steps.at(-1).last && steps.length < 5 * Reveal.getTotalSlides()) {{
        document.dispatchEvent(new KeyboardEvent("keydown", {{ key: "ArrowRight", keyCode: 39, bubbles: true }}));
        steps.push(look());
    }}
    return steps;
}}"""


def walk(browser, deck):
    """Press the right arrow to the end: what is wrong, slide by slide."""
    page, problems = open_deck(browser, deck)
    steps = page.evaluate(WALK)
    problems += [f"slide {step['slide'] + 1}: {problem}" for step in steps for problem in step["problems"]]
    seen = {step["slide"] for step in steps}
    if not steps[-1]["last"] or len(seen) != steps[-1]["total"]:
        problems.append(f"{len(seen)} of {steps[-1]['total']} slides were reached")
    page.close()
    return list(dict.fromkeys(problems))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_slide_of_a_chapter_is_reached_and_sound(chapter, decks, browser):
    assert walk(browser, decks / f"{chapter.stem}.html") == []


def a_deck(folder, *cells):
    notebook = folder / "99_planted.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(cells=[MARKDOWN("# 99. Planted\n\nA promise."), MARKDOWN("## 1. A section"), *cells]),
        notebook,
    )
    return slides.make(notebook, folder)


PLANTED = {
    "something leaves the slide": MARKDOWN('<!-- show -->\n\n<div style="height: 900px">high</div>'),
    "https://example.org/x.png": MARKDOWN("<!-- show -->\n\n![far](https://example.org/x.png)"),
    "a formula has an error": MARKDOWN(r"$$ \nosuchword{x} $$"),
    "not drawn": MARKDOWN(r"**A price** of 3\$ and \tag{1}."),
    "code is too small": MARKDOWN('<!-- show -->\n\n<pre style="font-size: 12px">tiny</pre>'),
}


def test_the_walk_sees_what_is_wrong(decks, browser):
    problems = walk(browser, a_deck(decks, *PLANTED.values()))
    for said in PLANTED:
        assert any(said in problem for problem in problems), (said, problems)


def test_a_sound_slide_has_no_problems(decks, browser):
    code = CODE(f"def f(x):\n    '''A line too long for any slide.'''\n    return {'x + ' * 60} 1")
    assert walk(browser, a_deck(decks, MARKDOWN("**A term** is $x$:\n\n$$ x^2 \\tag{1} $$"), code)) == []


def test_a_long_answer_is_made_to_fit_before_its_key_is_pressed(decks, browser):
    answer = MARKDOWN(f"It {'rises ' * 20}.\n\n<!-- answer -->\n\nIt {'falls ' * 54}.")
    assert walk(browser, a_deck(decks, MARKDOWN("**Predict.** Does it rise?"), drawing(), answer)) == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_the_words_of_a_figure_tell_what_is_drawn(chapter):
    """And do not answer what was to be predicted: that sentence says nothing to somebody who cannot see the figure."""
    cells = slides.described(nbformat.read(chapter, as_version=4).cells)
    images = [cell.metadata.get("mystnb", {}).get("image") for cell in cells]
    words = [image["alt"] for image in images if image]
    answers = r"(No|Yes|Not|Nothing|None|Hardly|Only|Both|Most|It|They|Less|More)\b(?! of the )"
    assert words and [alt for alt in words if re.match(answers, alt)] == []


def test_a_deck_is_printed_one_slide_a_page(decks, browser):
    deck = a_deck(decks, MARKDOWN("**Predict.** What is $x$?"), MARKDOWN("- one\n- two"), CODE("x = 1"))
    page, problems = open_deck(browser, deck, "?print-pdf")
    # A deck says that it is ready before its pages are laid out, and meanwhile it counts no slides at all.
    page.wait_for_selector(".reveal-viewport:not(.loading-scroll-mode) .pdf-page")
    pages = page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")
    assert (pages, page.evaluate("Reveal.getTotalSlides()"), problems) == (3, 3, [])
    page.close()


def test_the_key_s_opens_the_notes_with_their_formulas(decks, browser):
    wide = rf"$$ {'+'.join(f'x_{{{number}}}^2' for number in range(60))} = y. \tag{{7.3}} $$"
    text = "Shown. " + "Said of $x < y$. " * 30
    page, problems = open_deck(browser, a_deck(decks, MARKDOWN(f"{text}\n\n{wide}\n\n$$ x = y \\tag{{7.4}} $$")), "#/1")
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    notes = opened.value.locator(".speaker-controls-notes .value")
    notes.locator("math").first.wait_for(timeout=60_000)
    assert notes.locator("math").count() == 32 and "Said of" in notes.inner_text() and "$" not in notes.inner_text()
    for number, formula in zip(("(7.3)", "(7.4)"), notes.locator("math[display=block]").all(), strict=True):
        assert "".join(formula.text_content().split()).endswith(number) and formula.bounding_box()["height"] < 60
    assert notes.evaluate("({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth"), (
        "the notes are cut at the right"
    )
    assert problems == []
    opened.value.close()
    page.close()


# --- rules and marks ------------------------------------------------------------------------------


def shown(*cells):
    """(kind, heading, the whole, the notes) of each slide."""
    deck = slides.Deck(nbformat.v4.new_notebook(cells=[MARKDOWN("# 99. A chapter\n\nIts promise."), *cells]))
    return [(one["kind"], one["heading"], slides.section(one), "".join(one["notes"])) for one in deck.slides]


def on_slide(one):
    return one[2].split("<aside")[0]


def test_prose_is_for_the_notes_and_its_core_for_the_slide():
    first, section = shown(MARKDOWN("## 1. Why?\n\nBecause. " + "Words. " * 60 + "A **term** is this. More."))
    assert '<h1 class="">99. A chapter</h1>' in on_slide(first) and "Its promise." in on_slide(first)
    assert "Because." in on_slide(section) and "A <strong>term</strong> is this." in on_slide(section)
    assert "More" not in on_slide(section) and section[3].count("Words.") == 60 and "More." in section[3]


def test_what_shows_nothing_leaves_its_notes_to_a_neighbor():
    last = shown(MARKDOWN("## Exercises\n\nOne.\n\n## Further reading\n\n- Kingma"))[-1]
    assert "Kingma" not in on_slide(last) and "Kingma" in last[3]


def test_a_prediction_comes_before_its_figure_and_the_answer_after_it():
    image = [nbformat.v4.new_output("display_data", {"image/png": PNG})]
    cells = [CODE("ax.plot(x)", outputs=image), MARKDOWN("It rises. " + "All else is detail. " * 20)]
    *_, asked, figure = shown(MARKDOWN("## 1. Why?\n\n**Predict.** Does it rise?"), *cells)
    assert asked[0] == "predict" and "Does it rise?" in asked[2]
    assert figure[0].startswith("figure") and 'alt="It rises. All else is detail."' in figure[2]
    assert 'class="answer fragment"' in figure[2] and "ax.plot" not in figure[2]


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_imports_and_checks_are_not_shown():
    section, checks = MARKDOWN("## 1. Why?"), CODE("assert x > 0, 'positive'")
    assert not [one for one in shown(section, CODE("import numpy as np"), checks) if "<pre" in one[2]]
    assert "return" in str(shown(section, CODE("def f():\n    '''One.'''\n    return 1\n\n\nassert f() == 1, 'one'")))


def test_marks_overrule_the_rules():
    marked = ["<!-- notes -->", "**Bold** one.", "<!-- slide: Because -->", "Plain two.", "<!-- auto -->", "Three."]
    text = "\n\n".join(["## 1. Why?", *marked])
    (*_, because) = shown(MARKDOWN(text))
    assert "Because" in because[1] and "Plain two" in on_slide(because) and "Three" not in on_slide(because)
    assert "Bold" not in on_slide(because) and "<!--" not in str(because)
    code = CODE("import numpy", metadata={"tags": ["slide-code"]})
    left_out = CODE("y = 1", metadata={"slideshow": {"slide_type": "skip"}})
    kinds = [one[0] for one in shown(MARKDOWN("## 1. Why?"), code, left_out)]
    assert kinds.count("listing") == 1


def drawing(text=""):
    """A cell that draws, and prints a text."""
    outputs = [nbformat.v4.new_output("display_data", {"image/png": PNG})]
    return CODE("ax.plot(x)", outputs=outputs + ([nbformat.v4.new_output("stream", text=text)] if text else []))


def test_a_cell_that_prints_and_draws_ends_as_the_figure_with_its_words():
    cells = [drawing("a 1\nb 2\nc 3"), MARKDOWN("It rises. " + "All else is detail. " * 20)]
    *_, printed, figure = shown(MARKDOWN("## 1. Why?\n\n**Predict.** Does it rise?"), *cells)
    assert printed[0] == "printed" and "It rises" not in on_slide(printed)
    assert figure[0].startswith("figure") and 'class="answer fragment"' in on_slide(figure)


def test_the_mark_answer_adds_to_the_words_of_a_figure():
    text = "It rises.\n\n<!-- answer -->\n\nThe panels agree.\n\n<!-- auto -->\n\nAll else is detail."
    figure = shown(MARKDOWN("## 1. Why?"), drawing(), MARKDOWN(text))[-1]
    assert (
        "It rises." in on_slide(figure) and "The panels agree." in on_slide(figure) and "else" not in on_slide(figure)
    )
    assert 'alt="It rises."' in figure[2]


def test_what_was_told_as_the_answer_is_not_said_again_before_a_list():
    *_, figure, last = shown(MARKDOWN("## 1. Why?"), drawing(), MARKDOWN("It rises with every step.\n\n- one\n- two"))
    assert "It rises" in on_slide(figure) and "one" in on_slide(last) and "It rises" not in on_slide(last)


def test_a_sentence_that_begins_with_a_pronoun_brings_the_one_before_it():
    text = "Begin. " + "Words. " * 60 + "Logarithms bend. This is a **term**."
    section = on_slide(shown(MARKDOWN(f"## 1. Why?\n\n{text}"))[-1])
    assert "Logarithms bend. This is a" in section and section.count("Words.") < 60


def test_a_section_does_not_begin_with_the_remark_that_it_is_optional():
    *_, section = shown(MARKDOWN("## 1. Why?\n\n(Optional on a first reading.)\n\nBecause of this."))
    assert "Optional" not in on_slide(section) and "Because of this." in on_slide(section) and "Optional" in section[3]


def test_long_code_is_cut_between_definitions_or_says_that_it_goes_on():
    def method(name, lines):
        return "\n".join([f"    def {name}(self):", *["        x += 1"] * lines])

    whole = f"class One:\n{method('a', 8)}\n\n{method('b', 8)}"
    one, other = slides.pieces(f"{whole}\n\ndef two():\n    pass")
    assert one == whole and other.startswith("def two")
    one, other = slides.pieces(f"class One:\n{method('a', 12)}\n\n{method('b', 12)}")
    assert one.startswith("class One:") and other.startswith("# class One, continued\n    def b")


def test_without_the_player_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(slides, "PLAYER", tmp_path)
    with pytest.raises(SystemExit, match="run `make slides` once with a network"):
        slides.main(["--to", str(tmp_path / "out")])


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_make_says_why_the_player_could_not_be_fetched(tmp_path):
    """An environment whose pip finds nothing."""
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    for name in ("pyproject.toml", "constraints.txt", ".venv/bin/python", ".venv/.installed"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\ncase $* in *download*) exit 1;; *) echo True;; esac\n")
    (tmp_path / ".venv/bin/python").chmod(0o755)
    done = subprocess.run(["make", "-C", tmp_path, "slides"], capture_output=True, text=True)
    assert done.returncode != 0 and "make slides" in done.stdout + done.stderr
    assert "The slides need" in done.stdout + done.stderr and not (tmp_path / ".build").exists()
