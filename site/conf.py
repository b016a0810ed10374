"""Sphinx's settings for the site, which build.py stages and builds."""

from docutils import nodes

project = author = "vae_course"
copyright = "the authors of vae_course. Text and figures: CC BY 4.0; code: MIT"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.mathjax", "sphinx.ext.githubpages"]
root_doc = "index"
exclude_patterns = ["jupyter_execute"]

nb_execution_mode = "off"  # what the notebooks hold is what is shown
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a text that jumps a level of headings is still right
add_module_names, toc_object_entries_show_parents = False, "hide"
python_maximum_signature_line_length = 80

html_theme, html_title = "furo", "vae_course"
html_static_path, html_css_files = ["_static"], ["custom.css"]
html_show_sourcelink = html_copy_source = html_use_index = html_domain_indices = False
html_show_search_summary = False  # it would be fetched, which a browser forbids to pages opened from a folder
copybutton_prompt_text, copybutton_exclude = "$ ", ".linenos, .gp, .go"

mathjax_path = "mathjax/tex-svg.js"  # one file, fonts included: nothing is fetched when a page is read
tex = {"tags": "ams", "packages": {"[-]": ["noundefined"]}}  # an unknown command is an error, not red text
mathjax3_config = {"tex": tex, "options": {"enableMenu": False}}


def without_split(app, doctree):
    r"""Sphinx puts a formula that holds a line break into `split`, where \tag is an error."""
    for formula in doctree.findall(nodes.math_block):
        formula["no-wrap"] = True
        formula.children[:] = [nodes.Text(rf"\[{formula.astext().strip()}\]")]


def setup(app):
    app.connect("doctree-read", without_split)
