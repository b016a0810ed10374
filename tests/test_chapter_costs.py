"""What a chapter costs, measured on a chapter of two cells; nothing here depends on how fast anything is."""

import importlib
import re
import sys
from pathlib import Path

import nbformat
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
# The second call has arguments of another type, the third is none of its own, the last is XLA's.
CELLS = [
    "import tensorflow as tf\nimport numpy as np\nheld = np.ones(30_000_000)\nheld.sum()",
    """
inner = tf.function(lambda x: x + 1)
outer = tf.function(lambda x: inner(x) * 2)
fast = tf.function(lambda x: x - 1, jit_compile=True)
for x in (tf.ones(3), tf.ones(3), tf.ones(3, tf.int32)):
    outer(x)
assert fast(tf.ones(2)).numpy().sum() == 0
del held
""",
]


@pytest.fixture(scope="module")
def chapters():
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("chapters")
    sys.path.remove(str(BENCHMARKS))


def write(folder, stem, cells):
    folder.mkdir(exist_ok=True)
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(nb, folder / f"{stem}.ipynb")


def rows(text):
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| \d.*", text, re.MULTILINE)]


@pytest.fixture(scope="module")
def measured(chapters, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chapter")
    write(folder / "chapters", "01_tiny", CELLS)
    options = ["--store", str(folder / "store"), "--markdown", str(folder / "costs.md")]
    chapters.main(options, folder / "chapters")
    return folder, options, (folder / "costs.md").read_text()


def test_a_chapter_of_two_cells_has_a_row_of_plausible_numbers(measured):
    _, _, text = measured
    [[stem, wall, cpu, peak, own, programs, xla, day]] = rows(text)
    assert stem == "01_tiny" and f"- {day}, " in text and " core" in text
    assert 1 <= float(cpu) <= 120 and 0.9 * float(cpu) - 1 <= float(wall) < 1000, "one core: no more CPU than time"
    assert 0.4 < float(peak) < 3, "TensorFlow, and 0.24 GB of numbers"
    if sys.platform == "linux":
        assert 0.1 < float(own) < float(peak) - 0.2, "libraries are not its own, and the numbers are gone"
    assert (programs, xla) == ("3", "1")


def test_what_is_stored_is_not_run_again_until_the_chapters_code_changes(chapters, measured, monkeypatch, capsys):
    folder, options, text = measured
    ran = []
    other = {"wall": 7.0, "cpu": 6.0, "peak": 2e9, "own": None, "programs": 1, "xla": 0, "load": 0.1}
    other |= {"day": "2025-01-02", "machine": "another\n- Python"}
    monkeypatch.setattr(chapters, "measure", lambda path: ran.append(path.stem) or other)
    chapters.main(options, folder / "chapters")
    assert not ran and (folder / "costs.md").read_text() == text
    write(folder / "chapters", "02_new", CELLS)
    chapters.main([*options, "--only", "02"], folder / "chapters")
    found = (folder / "costs.md").read_text()
    assert ran == ["02_new"] and rows(found) == [*rows(text), "02_new 7 6 2.0 - 1 0 2025-01-02".split()]
    assert "- 2025-01-02, another; Python; load 0.1 to 0.1" in found and f"- {rows(text)[0][-1]}, " in found
    assert "2 of 2 chapters" in found
    write(folder / "chapters", "01_tiny", [*CELLS, "1 + 1"])
    chapters.main([*options, "--only", "01"], folder / "chapters")
    assert ran == ["02_new", "01_tiny"]


def test_a_chapter_that_fails_is_told_and_not_stored(chapters, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(chapters, "BEGIN", "")  # it will not come to an end that asks what was counted
    write(tmp_path, "03_broken", ["raise RuntimeError('no such data')"])
    chapters_store = ["--store", str(tmp_path / "store")]
    with pytest.raises(SystemExit) as end:
        chapters.main(chapters_store, tmp_path)
    assert end.value.code not in (0, None) and "failed: RuntimeError: no such data" in capsys.readouterr().out
    assert not (tmp_path / "store").exists()
    with pytest.raises(SystemExit):
        chapters.main([*chapters_store, "--only", "04"], tmp_path)
    assert "no chapter in" in capsys.readouterr().err
