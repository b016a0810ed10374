"""A learner's first minutes: `make lab` in a real browser opens the first chapter, and all its cells run."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from chromium import launched
from ports import free_port

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
TOKEN = "a-learner"
LAPTOP = {"viewport": {"width": 1400, "height": 1000}}
MINUTES = 6  # for all cells; a chapter computes for three at the most

CURRENT_KERNEL_IS_IDLE = """(name) => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.context?.path.endsWith(name) && panel.sessionContext.session?.kernel?.status === "idle";
}"""
RUN_ALL_CELLS = """() => {
    window.finished = false;
    window.jupyterapp.commands.execute("notebook:run-all-cells").finally(() => { window.finished = true; });
}"""
# Each code cell's prompt and broken pictures, as the page shows them, and its error; no empty cells.
READ_CELLS = """() => {
    const cells = window.jupyterapp.shell.currentWidget.content.widgets;
    return cells.filter((cell) => cell.model.type === "code").map(({ model, node }) => ({
        code: model.sharedModel.getSource().trim(),
        prompt: node.querySelector(".jp-InputPrompt").innerText.trim(),
        error: model.outputs.toJSON().find((output) => output.output_type === "error")?.evalue ?? null,
        broken: [...node.querySelectorAll(".jp-OutputArea img")].filter((img) => !img.naturalWidth).length,
    })).filter((cell) => cell.code);
}"""


def first_chapter():
    found = sorted(CHAPTERS.glob("*.ipynb"))
    assert found, "there is no chapter to open: run make notebooks"
    return found[0]


def copy_without_outputs(notebook, folder):
    """So that nothing in the tree changes, and a prompt [n] proves that the cell was run here."""
    content = json.loads(notebook.read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    (folder / "chapters").mkdir(parents=True)
    (folder / "chapters" / notebook.name).write_text(json.dumps(content))


@contextlib.contextmanager
def make_lab(folder, settings):
    """`make lab` over a folder, away from the user's own settings: yields its address, and always ends it."""
    for name in ("app", "user", "workspaces", "config", "data", "runtime", "ipython"):
        (settings / name).mkdir(parents=True)
    every_cell_in_the_page = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
    (settings / "app" / "overrides.json").write_text(json.dumps(every_cell_in_the_page))
    port = free_port()
    flags = [
        "--no-browser",
        "--expose-app-in-browser",
        "--allow-root",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={TOKEN}",
        f"--LabApp.app_settings_dir={settings / 'app'}",
        f"--LabApp.user_settings_dir={settings / 'user'}",
        f"--LabApp.workspaces_dir={settings / 'workspaces'}",
    ]
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(settings / "config"),
        "JUPYTER_DATA_DIR": str(settings / "data"),
        "JUPYTER_RUNTIME_DIR": str(settings / "runtime"),
        "IPYTHONDIR": str(settings / "ipython"),
    }
    log = settings / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            ["make", "-C", str(ROOT), "lab", f"LAB_FLAGS={' '.join(flags)}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a group of its own, to be ended as a whole
        )
    try:
        address = f"http://127.0.0.1:{port}/?token={TOKEN}"
        for _ in range(120):
            assert server.poll() is None, f"make lab ended by itself:\n{log.read_text()[-3000:]}"
            with contextlib.suppress(OSError):
                urllib.request.urlopen(address, timeout=5).close()
                break
            time.sleep(1)
        else:
            pytest.fail(f"make lab did not answer within two minutes:\n{log.read_text()[-3000:]}")
        yield address
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):  # the first lets JupyterLab end its kernels
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=30)
                break


@pytest.mark.skipif(sys.platform == "win32", reason="make and process groups: not on Windows")
def test_make_lab_opens_the_first_chapter_and_all_its_cells_run(tmp_path):
    notebook = first_chapter()
    copy_without_outputs(notebook, tmp_path / "course")
    with launched() as browser, make_lab(tmp_path / "course", tmp_path / "settings") as address:
        page = browser.new_page(**LAPTOP)
        page.goto(address)
        page.wait_for_function(CURRENT_KERNEL_IS_IDLE, arg=notebook.name, timeout=120_000)
        page.evaluate(RUN_ALL_CELLS)
        page.wait_for_function("() => window.finished", timeout=MINUTES * 60_000)
        page.wait_for_function(CURRENT_KERNEL_IS_IDLE, arg=notebook.name, timeout=30_000)
        cells = page.evaluate(READ_CELLS)
    expected = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    assert len(cells) == sum(bool("".join(cell["source"]).strip()) for cell in expected)
    for number, cell in enumerate(cells, start=1):
        assert cell["error"] is None, f"{cell['code']}\n\n{cell['error']}"
        assert cell["prompt"] == f"[{number}]:", f"not run: {cell['code']}"
        assert not cell["broken"], f"a figure does not show: {cell['code']}"


EXPLORER = """from vae_course import widgets
import numpy as np

explorer = widgets.latent_explorer(lambda z: np.full((1, 8, 8, 1), 0.5 + 0.1 * z[0, 0]), np.zeros(2))
explorer"""


@pytest.mark.skipif(sys.platform == "win32", reason="make and process groups: not on Windows")
def test_a_slider_of_the_latent_explorer_moves_the_picture(tmp_path):
    cell = {"cell_type": "code", "id": "explorer", "metadata": {}, "source": EXPLORER, "outputs": []}
    nb = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell | {"execution_count": None}]}
    nb["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "explorer.ipynb").write_text(json.dumps(nb))
    with launched() as browser, make_lab(tmp_path / "course", tmp_path / "settings") as address:
        page = browser.new_page(**LAPTOP)
        page.goto(address.replace("/?", "/lab/tree/explorer.ipynb?"))
        page.wait_for_function(CURRENT_KERNEL_IS_IDLE, arg="explorer.ipynb", timeout=120_000)
        page.evaluate(RUN_ALL_CELLS)
        picture = page.locator("img.widget-image")
        picture.wait_for(timeout=60_000)
        assert page.locator(".noUi-handle").count() == 2, "a slider for each latent"
        before = picture.get_attribute("src")
        page.locator(".noUi-handle").first.press("ArrowRight")
        changed = "(old) => document.querySelector('img.widget-image').src !== old"
        page.wait_for_function(changed, arg=before, timeout=30_000)
        page.screenshot(path=str(tmp_path / "explorer.png"))
