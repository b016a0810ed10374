"""The growth benchmark runs and counts what it says; nothing here depends on how fast anything is."""

import importlib
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def programs():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def growth(programs):
    return importlib.import_module("growth")


@pytest.fixture(scope="module")
def theory(programs):
    return importlib.import_module("growth_theory")


def run(folder):
    """A small part of the benchmark: (its text, the rows of its table)."""
    files = ("--store", folder, "--markdown", folder / "growth.md", "--figure", folder / "growth.png")
    command = [sys.executable, BENCHMARKS / "growth.py", "--quick", "--only", "flow", *files]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    text = (folder / "growth.md").read_text()
    assert text.strip() == done.stdout.strip()
    return text, [line.split("|")[1:-1] for line in text.splitlines() if re.match(r"\| \d", line)]


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("growth")
    return folder, run(folder), run(folder)


def test_table_and_figure_are_written_with_finite_positive_figures(twice):
    folder, (text, rows), _ = twice
    assert (folder / "growth.png").read_bytes()[:4] == b"\x89PNG" and "](growth.png)" in text
    assert "not to be quoted" in text and "seed 0" in text and "cores" in text and "0 of 2 points" in text
    assert [int(row[0]) for row in rows] == [1, 2]
    for row, growths in zip(rows, (0, 4)):
        assert len(row) == 8
        numbers = [float(number.replace(",", "")) for number in re.findall(r"[\d,]*\d\.?\d*", " ".join(row))]
        assert len(numbers) == 2 + 3 + 3 + growths, "point, examples, seconds (3), first epoch, peaks, growth"
        assert all(0 < number < 1e9 for number in numbers)
        seconds = [float(number) for number in re.findall(r"\d+\.\d+", row[2])]
        assert seconds[1] <= seconds[0] <= seconds[2], "lowest <= median <= highest"


def test_second_run_takes_the_stored_points(twice):
    _, (_, first), (text, second) = twice
    assert first == second and "2 of 2 points are an earlier run's" in text


def uses(layer):
    """Multiply-adds of a Keras layer for one example, from its own kernel and shapes."""
    kernel = int(np.prod(layer.kernel.shape)) if hasattr(layer, "kernel") else 0
    if "Conv" not in type(layer).__name__:
        return kernel
    sheet = layer.input if "Transpose" in type(layer).__name__ else layer.output
    return kernel * math.prod(sheet.shape[1:3])


@pytest.mark.parametrize("axis", ["latent", "side", "conv", "batch", "flow", "groups"])
def test_counts_are_those_of_the_models_own_layers(growth, theory, axis):
    for value in list(growth.AXES[axis][2])[1:3]:
        vae = growth.build(axis, value)
        parts = {id(layer): layer for layer in vae._flatten_layers()}
        if axis == "flow":
            parts |= {id(layer): layer for flow in vae.posterior_part.flows for layer in flow.masked}
        counted = sum(uses(layer) for layer in parts.values())
        assert theory.multiply_adds(axis, value) == counted, (axis, value)
        weights = sum(math.prod(weight.shape) for weight in vae.trainable_weights)
        size = theory.sizes(axis, value)
        # the images by themselves, then the weights: what is left goes with the batch
        images = theory.megabytes(axis, value, 1000) - theory.megabytes(axis, value, 0)
        assert images == pytest.approx(1000 * math.prod(vae.example_shape) / 1e6)
        assert sum((inputs + 1) * outputs for inputs, outputs, *_ in theory.layers(axis, value)) == weights
        assert theory.megabytes(axis, value, 0) > 16 * weights / 1e6 and size["batch"] > 0


def test_every_axis_has_whole_batches_and_rising_values(growth, theory):
    for axis, (_, _, examples, *_) in growth.AXES.items():
        assert list(examples) == sorted(examples)
        assert all(count % theory.sizes(axis, value)["batch"] == 0 for value, count in examples.items()), axis


def points(growth, axis, seconds, above=100.0):
    values = growth.AXES[axis][2]
    made = {"examples": 128, "first": 1.0, "peak": 500.0, "about": "CPU"}
    return {value: {**made, "seconds": [seconds(value)] * 3, "above": above} for value in values}


def test_theory_is_scaled_once_and_never_fitted(growth, theory):
    exact = points(growth, "latent", lambda latent: 1e-6 * theory.multiply_adds("latent", latent))
    values, expected, real = theory.curves("latent", exact)["seconds"]
    np.testing.assert_allclose(expected, real)
    slopes = theory.slopes(values, expected)
    assert slopes[0] < 0.01 and 0.6 < slopes[1] < 1.0
    other = theory.curves("latent", points(growth, "latent", lambda latent: 1.0 + 0 * latent))["seconds"]
    assert theory.slopes(values, other[1]) == pytest.approx(slopes), "the shape does not follow what is measured"
    side = theory.curves("side", points(growth, "side", float))["seconds"]
    assert theory.slopes(*side[:2])[1] == pytest.approx(2, abs=0.01)
    batch = theory.curves("batch", points(growth, "batch", lambda batch: 1.0 + 100 / batch))["seconds"]
    assert theory.slopes(*batch[:2]) == pytest.approx([-1, 0])


def test_disagreement_is_told(growth):
    flat = growth.table("side", points(growth, "side", lambda side: 1.0))
    assert (
        "from 64 to 128: 3.98 times expected, 1.00 times measured; they DISAGREE, 4.0 times. Why is not known." in flat
    )
    told = growth.table("flow", points(growth, "flow", lambda steps: 1.0 * steps))
    assert "they DISAGREE, 1.9 times. Not counted: what is no matrix product" in told
    assert "Memory from 8 to 16: 1.01 times expected, 1.00 times measured; they agree within 1.5 times." in told


def test_a_failing_point_is_told_and_ends_with_1(growth, tmp_path, monkeypatch, capsys):
    assert "ValueError" in growth.measure("latent", 0, 128, 0)["error"], "a process that cannot build its model"
    monkeypatch.setattr(growth, "measure", lambda *task: {"error": "no memory left"})
    files = ["--store", tmp_path, "--markdown", tmp_path / "a.md", "--figure", tmp_path / "a.png"]
    monkeypatch.setattr(sys, "argv", ["growth.py", "--quick", "--only", "groups", *map(str, files)])
    with pytest.raises(SystemExit) as end:
        growth.main()
    assert end.value.code not in (0, None) and (tmp_path / "a.png").exists()
    assert (tmp_path / "a.md").read_text().count("failed: no memory left") == 2
