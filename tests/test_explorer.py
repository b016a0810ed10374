"""The explorer: its JavaScript against Keras, and the page in a real browser, moved by pointer and keys."""

import base64
import json
import re
import sys
from pathlib import Path

from vae_course import models

import numpy as np
import pytest
from chromium import launched, watched_page

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "site/explorer"
sys.path[:0] = [str(ROOT / "sources")]

import explorer  # noqa: E402

LATENTS = 200


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared(browser):
    """One page for tests that only ask it to compute."""
    page, problems = watched_page(browser, 1280, 720)
    page.set_default_timeout(120_000)
    page.goto((HOME / "index.html").as_uri())
    yield page
    assert problems == []


@pytest.fixture
def opened(browser):
    """Opens the page at a width, in a color scheme: the page, and a list of what goes wrong in it."""
    pages = []

    def open_at(width=1280, height=720, scheme="light"):
        page, problems = watched_page(browser, width, height, ("error", "warning"))
        pages.append(page)
        page.set_default_timeout(120_000)  # on a busy machine
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.goto((HOME / "index.html").as_uri())
        page.wait_for_function("document.querySelector('#picture').width > 100")
        return page, problems

    yield open_at
    for page in pages:
        page.close()


def decoded(page, name, z):
    """What JavaScript makes of codes [n, d]: pixels [n, side * side]."""
    text = page.evaluate(
        """([name, codes]) => codes.map((z) => {
            const bytes = new Uint8Array(explorer.decode(name, z).buffer);
            return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
        })""",
        [name, z.tolist()],
    )
    return np.stack([np.frombuffer(base64.b64decode(one), "<f4") for one in text])


# ---- the decoders ----
def largest_difference(page, name, shift=0.0):
    """Between JavaScript and Keras, over all pixels of 200 random codes; with a shift of the codes in JavaScript."""
    model = models.load(name)
    z = 1.5 * np.random.default_rng(0).normal(size=(LATENTS, model.latent_size)).astype("float32")
    return np.abs(decoded(page, name, z + shift) - model.decode(z).reshape(LATENTS, -1)).max()


@pytest.mark.parametrize("name", explorer.SHOWN)
def test_javascript_decodes_what_keras_decodes(shared, name):
    assert largest_difference(shared, name) < 1 / 255


def test_the_comparison_sees_another_code(shared):
    assert largest_difference(shared, "digits-plane", shift=0.02) > 1 / 255


def test_the_files_are_those_of_the_pretrained_models():
    names = {*explorer.SHOWN, "faces", "digits"}
    assert {path.stem for path in (HOME / "data").iterdir()} == names
    for path in (HOME / "data").iterdir():
        assert path.stat().st_size < 2**20, path.name
    for name in ("digits-plane", "faces-plane"):
        written = json.loads(re.search(r" = (.*);", (HOME / f"data/{name}.js").read_text())[1])
        made = explorer.decoder_file(name)
        assert written["weights"] == made["weights"] and written["sizes"] == made["sizes"], "run sources/explorer.py"
        assert np.allclose(written["means"], made["means"], atol=0.01)
    for name in ("digits", "faces"):
        made = f'explorer.pictures["{name}"] = {json.dumps(explorer.pictures_file(name), separators=(",", ":"))};\n'
        assert (HOME / f"data/{name}.js").read_text() == made


def test_a_decoder_of_other_layers_is_refused():
    from vae_course import networks

    with pytest.raises(ValueError, match="dense layers only. Received: .*Conv2DTranspose"):
        explorer.layers_of(networks.conv_decoder(2, (8, 8, 1)))


# ---- the page ----
def picture(page, selector):
    return page.eval_on_selector(selector, "canvas => canvas.toDataURL()")


def changed(page, selector, act):
    """Whether what is drawn in a canvas differs after an act: True, or the test fails after a while."""
    page.locator(selector).first.scroll_into_view_if_needed()
    page.wait_for_function("thumbnails.every(([canvas]) => canvas.width > 100)")  # all is drawn
    before = picture(page, selector)
    act()
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).toDataURL() !== before", arg=[selector, before]
    )
    return True


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width, height", [(1280, 720), (390, 844)])
def test_it_opens_without_a_request_or_an_error_and_fits(opened, width, height, scheme):
    page, problems = opened(width, height, scheme)
    page.evaluate("document.querySelectorAll('section').forEach((one) => one.scrollIntoView())")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    map_box, picture_box = page.locator("#map").bounding_box(), page.locator("#picture").bounding_box()
    assert map_box["width"] > 0.4 * width
    page.evaluate("scrollTo(0, 0)")
    if width == 1280:
        shown = page.locator(".hero").bounding_box()
        assert shown["y"] + shown["height"] <= height + 40, "the first section fits the screen"
    else:  # the finger on the map must not be far from the picture
        assert picture_box["y"] + picture_box["height"] - map_box["y"] < height
    assert problems == []


def test_colors_follow_the_scheme(opened):
    page, _ = opened(scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    assert changed(page, "#digit canvas", lambda: page.emulate_media(color_scheme="dark")), "ink on paper"
    assert page.evaluate(ground) != light


def test_the_point_follows_pointer_keys_and_sliders(opened):
    page, problems = opened()
    box = page.locator("#map").bounding_box()

    def drag():
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
        page.mouse.up()

    def keys():
        page.locator("#map").focus()
        for _ in range(5):
            page.keyboard.press("ArrowUp")

    assert changed(page, "#picture", drag)
    assert abs(page.evaluate("plane.z[0]") + 1.5) < 0.05
    before = page.evaluate("plane.z[1]")
    assert changed(page, "#picture", keys) and abs(page.evaluate("plane.z[1]") - before - 0.5) < 1e-6
    assert changed(page, "#picture", lambda: page.locator("#z1").fill("2")) and page.evaluate("plane.z[0]") == 2
    label = page.locator("#picture").get_attribute("aria-label")
    assert "2.00" in label and "face" in label
    assert changed(page, "#map canvas", lambda: page.locator("#ellipses").check())
    assert changed(page, "#picture", lambda: page.locator("#another").click())
    assert np.allclose(page.evaluate("plane.z"), page.evaluate("explorer.models['faces-plane'].means[0]"))
    assert changed(page, "#picture", lambda: page.get_by_text("Digits", exact=True).click())
    assert page.locator("#thing").inner_text() == "digit"
    assert problems == []


def test_what_is_drawn_is_what_was_decoded(opened):
    """The raster holds the decoded values as bytes, cut to what a pixel can be."""
    page, _ = opened()
    z = [0.5, -0.5]
    drawn = page.evaluate("z => Array.from(explorer.raster(explorer.decode('faces-plane', z), 'faces').data)", z)
    keras_says = models.load("faces-plane").decode(np.array([z], "float32")).clip(0, 1).ravel()
    assert np.abs(np.array(drawn).reshape(-1, 4)[:, 0] / 255 - keras_says).max() < 1 / 255


def test_a_finger_moves_the_point(browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto((HOME / "index.html").as_uri())
    box = page.locator("#map").bounding_box()
    page.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"])
    page.wait_for_function("Math.abs(plane.z[0] - 1.5) < 0.05 && Math.abs(plane.z[1] - 1.5) < 0.05")
    context.close()


def test_ten_sliders_change_the_face(opened):
    page, problems = opened()
    assert page.locator("#strips input").count() == 10
    first = page.locator("#strips input").first
    assert changed(page, "#face", lambda: first.fill("2.5"))
    assert changed(page, "#face", lambda: (first.focus(), page.keyboard.press("ArrowLeft")))
    for button in ("#zero", "#random", "#known"):
        assert changed(page, "#face", lambda button=button: page.locator(button).click()), button
    names = page.locator("#strips .name").all_inner_texts()
    assert changed(page, "#face", lambda: page.locator("label:has([value=faces-tcvae])").click())
    assert page.locator("#strips .name").all_inner_texts() != names
    page.wait_for_function("document.querySelector('#strips canvas').width > 300")
    assert problems == []


def test_the_walk_and_the_prices(opened):
    page, problems = opened()
    for act in (
        lambda: page.locator("#t").fill("0.2"),
        lambda: page.locator("#to input").nth(4).check(),
        lambda: page.get_by_text("arc", exact=True).click(),
    ):
        assert changed(page, "#through", act)
    assert changed(page, "#fade", lambda: page.locator("#t").fill("0.9"))
    assert page.evaluate("walkAt(0).fade.every((v, i) => v === example('faces', Number(chosenIn('from')))[i])")
    assert changed(page, "#through", lambda: page.locator("#play").click())
    page.locator("#play").click()
    assert changed(page, "#prices canvas", lambda: page.locator("#digit input").nth(7).check())
    assert page.locator("#prices figure").count() == 3
    assert problems == []


NAMED = """() => [...document.querySelectorAll("input, button, [tabindex], [role=img]")].filter((one) =>
    !(one.ariaLabel || one.labels?.[0]?.textContent.trim() || one.textContent.trim())).map((one) => one.outerHTML)"""


def test_everything_has_a_name_and_can_be_reached_by_keys(opened):
    page, _ = opened()
    assert page.evaluate(NAMED) == []
    seen = set()
    page.evaluate("document.activeElement.blur()")
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"map", "z1", "z2", "data", "ellipses", "another", "ten", "known", "ten-0", "from", "to", "t"} <= seen
