"""The web site: built once, then all pages are read as text, and opened in a real browser at a phone's width."""

import ast
import importlib.metadata as metadata
import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from chromium import launched, watched_page
from packaging.utils import canonicalize_name
from test_setup import pinned

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv-site"
OPENED = ("03", "07", "10", "17")  # the chapters and sheets that the browser opens, beside all other pages
# Chapters whose equations are counted here.
DRAWN = ("02_denoising", "03_variational_autoencoders", "09_flows", "17_recent")
pytestmark = pytest.mark.skipif(
    not (HOME / ".installed").exists(), reason="there is no .venv-site, which builds the site: run make site once"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as `make site` does."""
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [HOME / "bin/python", ROOT / "site/build.py", "--to", folder]
    environment = {**os.environ, "PYTHONPATH": "", "SITE_REPOSITORY": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def pages_of(folder):
    return sorted(folder.rglob("*.html"))


# ---- read as text ----
class Page(HTMLParser):
    """What a page holds: anchors, links, files that it loads by itself, the words of its images, its text."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded, self.alts, self.text = {""}, [], [], [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes[name] for name in ("id", "name") if name in attributes}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag == "link" and attributes.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(attributes["href"])
        elif "src" in attributes:
            self.loaded.append(attributes["src"])
        if tag == "img":
            self.alts.append((attributes.get("alt") or "").strip())

    def handle_data(self, data):
        self.text.append(data)


def faults(folder):
    """What is wrong with the pages of a folder as they are written, in words."""
    read = {path: Page(path) for path in pages_of(folder)}
    for path, page in read.items():
        name = path.relative_to(folder)
        for link in page.links + page.loaded:
            parts = urlsplit(urljoin(path.as_uri(), link))
            target = Path(unquote(parts.path))
            if parts.scheme != "file":
                if link in page.loaded and parts.scheme != "data":
                    yield f"{name} needs the network: {link}"
            elif not target.is_file():
                yield f"{name} has a dead link: {link}"
            elif target in read and unquote(parts.fragment) not in read[target].anchors:
                yield f"{name} has a dead anchor: {link}"
        if not all(page.alts):
            yield f"{name} has an image without words"


def test_links_lead_somewhere_images_have_words_and_nothing_needs_the_network(site):
    assert len(pages_of(site)) > 60
    assert list(faults(site)) == []


def test_the_reading_sees_what_is_wrong(tmp_path):
    (tmp_path / "other.html").write_text('<p id="here">')
    sound = (
        '<a href="other.html#here">1</a><a href="https://example.org">2</a><a href="#">3</a><img src="a.png" alt="a">'
    )
    (tmp_path / "a.png").touch()
    (tmp_path / "planted.html").write_text(sound)
    assert list(faults(tmp_path)) == []
    planted = (
        '<a href="gone.html">1</a><a href="other.html#gone">2</a><img src="a.png"><script src="https://x.org/x.js">'
    )
    (tmp_path / "planted.html").write_text(planted)
    found = "; ".join(faults(tmp_path))
    for said in ("dead link: gone.html", "dead anchor: other.html#gone", "without words", "the network: https://x.org"):
        assert said in found, (said, found)


def cells(notebook):
    return json.loads(notebook.read_text())["cells"]


def all_cells(folder):
    return [cell for notebook in sorted((ROOT / folder).rglob("*.ipynb")) for cell in cells(notebook)]


def test_chapters_show_the_outputs_that_they_hold(site):
    """As many figures as are stored; each is described by words of its own."""
    for notebook in sorted((ROOT / "chapters").glob("*.ipynb")):
        outputs = [output for cell in cells(notebook) for output in cell.get("outputs", [])]
        stored = sum("image/png" in output.get("data", {}) for output in outputs)
        alts = Page(site / "chapters" / f"{notebook.stem}.html").alts
        assert len(alts) == stored > 0
        assert len(set(alts)) > 0.7 * len(alts) and min(map(len, alts)) > 10, alts


def test_sliders_and_marks_for_slides_are_not_shown_as_code(site):
    texts = {path.stem: "".join(Page(path).text) for path in pages_of(site / "chapters")}
    assert "sliders are shown here" in texts["05_latent_space"]
    assert not [name for name, text in texts.items() if re.search(r"\(children=\(|<!--", text)]


def test_the_pages_of_models_are_in_the_order_of_their_table(site):
    order = re.findall(r"\]\((\w+)\.md\)", (ROOT / "docs/models/README.md").read_text())
    for page, following in zip(order, order[1:], strict=False):
        text = (site / f"docs/models/{page}.html").read_text()
        assert re.search(r'<a class="next-page" href="(\w+)\.html"', text)[1] == following


def test_solutions_are_nowhere(site):
    """No line of an answer, code or text, unless a sheet, a chapter or the library has it as well."""
    texts = [path.read_text() for path in (ROOT / "vae_course").rglob("*.py")]
    texts += ["".join(cell["source"]) for folder in ("chapters", "exercises") for cell in all_cells(folder)]
    known = {line.strip() for text in texts for line in text.split("\n")}
    answers = {line.strip() for cell in all_cells("solutions") for line in "".join(cell["source"]).split("\n")}
    answers = {line for line in answers - known if len(line) > 30}
    assert len(answers) > 500, "too few answers were found for this test to mean anything"
    shown = {line.strip() for path in pages_of(site) for line in "".join(Page(path).text).split("\n")}
    assert known & shown and not answers & shown


def test_the_reference_has_an_entry_for_every_public_name(site):
    for file in sorted((ROOT / "vae_course").glob("*/__init__.py")):
        room = file.parent.name
        page = Page(site / "api" / f"{room}.html")
        names = re.search(r"(?s)__all__ = (\[.*?\])", file.read_text())
        for name in ast.literal_eval(names[1]):
            assert f"vae_course.{room}.{name}" in page.anchors
    models = Page(site / "api/models.html")
    assert "../chapters/03_variational_autoencoders.html" in models.links, "Built in chapter 03"
    assert "vae_course.models.VAE.sample" in models.anchors, "a method of a base that has no entry"
    assert any("api/models.html#vae_course.models." in link for link in Page(site / "docs/library.html").links)


STAGED = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import build
build.stage(Path(sys.argv[2]))
"""


def staged(folder, address):
    """What is staged for a repository at this address: the exit code with what was said, and each chapter's text."""
    command = [HOME / "bin/python", "-c", STAGED, ROOT / "site", folder]
    environment = {**os.environ, "PYTHONPATH": "", "SITE_REPOSITORY": address}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    chapters = sorted((ROOT / "chapters").glob("*.ipynb"))
    texts = {
        path.name: json.dumps(cells(folder / f"chapters/{path.name}")) for path in chapters if done.returncode == 0
    }
    return done.returncode, done.stderr, texts


def test_chapters_lead_to_colab_and_binder_where_the_repository_has_an_address(tmp_path):
    status, _, texts = staged(tmp_path / "with", "https://github.com/somebody/a.course/tree/next")
    assert status == 0 and len(texts) == 17
    for name, text in texts.items():
        colab = f"https://colab.research.google.com/github/somebody/a.course/blob/next/chapters/{name}"
        binder = f"https://mybinder.org/v2/gh/somebody/a.course/next?urlpath=lab/tree/chapters/{name}"
        assert f"({colab})" in text and f"({binder})" in text and "(../docs/elsewhere.md)" in text
    lines = (tmp_path / "with/docs/elsewhere.md").read_text()
    assert "git+https://github.com/somebody/a.course" in lines and "ADDRESS_OF" not in lines
    status, said, _ = staged(tmp_path / "wrong", "git@example.org:somebody/course")
    assert status != 0 and "Received: git@example.org:somebody/course" in said


def test_there_is_no_link_to_a_repository_that_has_no_address(site):
    pages = [path for path in pages_of(site) if re.search(r"colab\.research|mybinder", path.read_text())]
    assert not pages and (site / "docs/elsewhere.html").is_file()


def test_every_package_of_the_site_is_pinned():
    pins, folder = pinned(), next(HOME.glob("lib/python*/site-packages"))
    found = {canonicalize_name(one.name): one.version for one in metadata.distributions(path=[str(folder)])}
    assert {"sphinx", "furo", "griffe"} <= set(found) and "tensorflow" not in found
    assert {name: version for name, version in found.items() if name != "pip" and pins.get(name) != version} == {}


# ---- in a browser ----
LOOK = r"""async () => {
    const problems = [];
    await window.MathJax?.startup?.promise;
    for (const box of [document.documentElement, document.querySelector(".content")]) {
        const wide = box ? box.scrollWidth - box.clientWidth : 0;
        if (wide > 1) problems.push(`wider than the screen by ${wide} pixels`);
    }
    if (document.querySelector("mjx-merror, [data-mml-node=merror]")) problems.push("a formula has an error");
    for (const math of document.querySelectorAll(".math"))
        if (!math.querySelector("mjx-container")) problems.push(`not drawn: ${math.textContent}`);
    return problems;
}"""


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture
def phone(browser):
    """A page of a phone's width, and a list of what goes wrong in it."""
    page, problems = watched_page(browser, 390, 844, ("error", "warning"))
    yield page, problems
    page.close()


def looked_at(phone, path):
    """What is wrong with a page, in words."""
    page, problems = phone
    problems.clear()
    page.goto(path.as_uri())
    return [*page.evaluate(LOOK), *problems]


def test_pages_open_and_fit_a_phone_with_their_equations_drawn(site, phone):
    opened = [path for path in pages_of(site) if not re.match(r"\d\d_", path.name) or path.name.startswith(OPENED)]
    assert len(opened) > 30
    found = {path.relative_to(site).as_posix(): looked_at(phone, path) for path in opened}
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_the_look_sees_what_is_wrong(site, phone):
    text = (site / "chapters/03_variational_autoencoders.html").read_text()
    planted = r"""<p style="width: 600px">wide</p><img alt="far" src="https://example.org/x.png">
        <div class="math">\[ \nosuchword{x} \]</div><div class="math">undrawn</div>
        <script>console.error("said")</script>"""
    page = site / "chapters/planted.html"
    page.write_text(re.sub(r"(?s)<section.*</section>", lambda _: planted, text))
    found = "; ".join(looked_at(phone, page))
    page.unlink()  # the site is read by other tests
    for said in ("wider than", "https://example.org/x.png", "has an error", "not drawn: undrawn", "said"):
        assert said in found, (said, found)


def test_search_finds_words_and_names_without_a_server(site, phone):
    page, problems = phone
    for words, expected in (("posterior collapse", "06_posterior_collapse"), ("kl_per_dimension", "api/evaluation")):
        page.goto(f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}")
        page.locator(f"#search-results a[href*='{expected}']").first.wait_for(timeout=30_000)
    assert problems == []
