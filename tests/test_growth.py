"""The growth benchmark runs and counts what it says; nothing here depends on how fast anything is."""

import importlib
import math
import re
import subprocess
import sys
import time
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
def models(programs):
    return importlib.import_module("growth_models")


@pytest.fixture(scope="module")
def theory(programs):
    return importlib.import_module("growth_theory")


def run(folder):
    """A small part of the benchmark: (its text, the rows of its table)."""
    files = ("--store", folder, "--markdown", folder / "growth.md")
    command = [sys.executable, BENCHMARKS / "growth.py", "--quick", "--only", "steps", *files]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    text = (folder / "growth.md").read_text()
    assert text.split("\n## ")[1].strip() == done.stdout.split("\n## ")[1].strip()
    rows = [line.split("|")[1:-1] for line in text.splitlines() if re.match(r"\| \d", line)]
    return text, rows, done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("growth")
    return folder, run(folder), run(folder)


def test_table_and_figure_are_written_with_finite_positive_figures(twice):
    folder, (text, rows, told), _ = twice
    assert (folder / "growth_others.png").read_bytes()[:4] == b"\x89PNG" and "](growth_others.png)" in text
    assert "not to be quoted" in text and "seed 0" in text and " core" in text
    assert time.strftime("Measured %Y-") in text and "0 of 2 points" in told
    assert [int(row[0]) for row in rows] == [10, 100]
    for row, growths in zip(rows, (0, 4)):
        assert len(row) == 8
        numbers = [float(number.replace(",", "")) for number in re.findall(r"[\d,]*\d\.?\d*", " ".join(row))]
        assert len(numbers) == 2 + 3 + 3 + growths, "point, examples, seconds (3), first epoch, peaks, growth"
        assert all(0 < number < 1e9 for number in numbers)
        seconds = [float(number) for number in re.findall(r"\d+\.\d+", row[2])]
        assert seconds[1] <= seconds[0] <= seconds[2], "lowest <= median <= highest"


def test_second_run_takes_the_stored_points(twice):
    _, (before, first, _), (after, second, told) = twice
    assert first == second and before == after and "2 of 2 points are an earlier run's" in told


def uses(layer, length):
    """Multiply-adds of a Keras layer for one example, from its own kernels and shapes; length: of a sentence, or 1."""
    if hasattr(layer, "cell"):  # a GRU meets its kernels at every token
        return length * int(np.prod(layer.cell.kernel.shape) + np.prod(layer.cell.recurrent_kernel.shape))
    kernel = int(np.prod(layer.kernel.shape)) if hasattr(layer, "kernel") else 0
    if "Conv" not in type(layer).__name__:
        return kernel
    sheet = layer.input if "Transpose" in type(layer).__name__ else layer.output
    return kernel * math.prod(sheet.shape[1:3])


def parts(network):
    """Its layers, each once; of a GRU not the cell, which `uses` counts with it."""
    found = {id(layer): layer for layer in network._flatten_layers()}
    return [layer for layer in found.values() if not type(layer).__name__.endswith("Cell")]


@pytest.mark.parametrize("kind", ["latent", "side", "conv", "batch", "flow", "groups", "entries", "steps", "drawing"])
def test_counts_are_those_of_the_models_own_layers(growth, models, theory, kind):
    for value in list(growth.KINDS[kind].values)[1:3]:
        model = models.build(kind, value)
        layers = parts(model)
        if kind == "flow":
            layers += [layer for flow in model.posterior_part.flows for layer in flow.masked]
        layers = {id(layer): layer for layer in layers}.values()
        counted = sum(uses(layer, 1) for layer in layers) * (value if kind == "drawing" else 1)
        if kind == "entries":  # forwards only, so a third: each place of the code with each entry
            counted += model.places * math.prod(model.codebook.shape) / 3
        assert theory.multiply_adds(kind, value) == pytest.approx(counted, rel=1e-12), (kind, value)
        check_memory(models, theory, kind, value, model)


@pytest.mark.parametrize("kind", ["length", "attention", "vocabulary"])
def test_a_reader_meets_its_layers_at_every_token_and_attention_every_pair(growth, models, theory, kind):
    for value in list(growth.KINDS[kind].values)[:2]:
        model = models.build(kind, value)
        reader, length = model.likelihood_part.reader, theory.sizes(kind, value)["length"]
        counted = sum(uses(layer, length) for network in (model.encoder, model.decoder) for layer in parts(network))
        for layer in parts(reader):
            counted += uses(layer, length) * (1 if hasattr(layer, "cell") else length)
            if hasattr(layer, "key_dim"):  # queries with keys, weights with values
                counted += 2 * length**2 * layer.num_heads * layer.key_dim
        assert theory.multiply_adds(kind, value) == counted, (kind, value)
        check_memory(models, theory, kind, value, model)


def test_a_class_costs_a_pass_and_a_hidden_unit_doubles_the_sum(growth, models, theory):
    for value in list(growth.KINDS["classes"].values)[:2]:
        model = models.build("classes", value)
        passes = sum(uses(layer, 1) for network in (model.encoder, model.decoder) for layer in parts(network))
        counted = value * passes + sum(uses(layer, 1) for layer in parts(model.classifier))
        assert theory.multiply_adds("classes", value) == counted
        check_memory(models, theory, "classes", value, model)
    rbm = models.build("hidden", 8)
    assert theory.multiply_adds("hidden", 8) == 2**8 * rbm.weight.shape[0] == 2 * theory.multiply_adds("hidden", 7)
    assert theory.layers("hidden", 8)[0].weights == sum(math.prod(weight.shape) for weight in rbm.trainable_weights)
    assert (
        theory.megabytes("hidden", 14, 1) == theory.megabytes("hidden", 13, 1) == 2 * theory.megabytes("hidden", 12, 1)
    )
    module = importlib.import_module("vae_course.evaluation.partition")
    assert theory.BLOCK == module.BLOCK


def check_memory(models, theory, kind, value, model):
    """Weights are the model's; the data count by themselves, and what is left goes with the batch."""
    weights = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert sum(layer.weights for layer in theory.layers(kind, value)) == weights
    if kind == "drawing":
        held = theory.megabytes(kind, value, 10) - theory.megabytes(kind, value, 0)
        path = model.sample(10, seed=0, path=True)
        assert held == pytest.approx(path.nbytes / 1e6) and theory.megabytes(kind, value, 0) == 4 * weights / 1e6
        return
    given = theory.megabytes(kind, value, 1000) - theory.megabytes(kind, value, 0)
    assert given == pytest.approx(sum(array.nbytes for array in models.data(kind, value, 1000, 0)) / 1e6)
    assert theory.megabytes(kind, value, 0) > 16 * weights / 1e6 and theory.sizes(kind, value)["batch"] > 0


def test_every_kind_has_whole_batches_and_rising_values_and_is_drawn_once(growth, theory):
    for kind, told in growth.KINDS.items():
        assert list(told.values) == sorted(told.values)
        if told.what == "examples in an epoch":
            assert all(count % theory.sizes(kind, value)["batch"] == 0 for value, count in told.values.items()), kind
    assert sorted(kind for kinds in growth.PICTURES.values() for kind in kinds) == sorted(growth.KINDS)


def points(growth, kind, seconds, above=100.0):
    made = {"examples": 128, "first": 1.0, "peak": 500.0, "about": "CPU", "day": "2026-01-02", "machine": "a\n- b"}
    values = growth.KINDS[kind].values
    return {value: {**made, "load": 0.5, "seconds": [seconds(value)] * 3, "above": above} for value in values}


def test_theory_is_scaled_once_and_never_fitted(growth, theory):
    exact = points(growth, "latent", lambda latent: 1e-6 * theory.multiply_adds("latent", latent))
    values, expected, real = theory.curves("latent", exact)["seconds"]
    np.testing.assert_allclose(expected, real)
    slopes = theory.slopes("latent", values, expected)
    assert slopes[0] < 0.01 and 0.6 < slopes[1] < 1.0
    other = theory.curves("latent", points(growth, "latent", lambda latent: 1.0 + 0 * latent))["seconds"]
    assert theory.slopes("latent", values, other[1]) == pytest.approx(slopes), "no shape follows what is measured"


def test_expected_slopes_are_those_that_the_tables_name(growth, theory):
    def slopes(kind, name="seconds"):
        values, expected, _ = theory.curves(kind, points(growth, kind, lambda value: 1.0 + 100 / value))[name]
        return theory.slopes(kind, values, expected)

    assert slopes("side")[1] == pytest.approx(2, abs=0.01)
    assert slopes("batch") == pytest.approx([-1, 0])
    assert slopes("length") == pytest.approx([1, 1], abs=0.05)
    assert 1.0 < slopes("attention")[0] < 1.1 < slopes("attention")[1] < 1.5
    grus = 3 * (32 + 64 + 32 + 64 + 64)  # the two GRUs cost as much as so many words
    words = [math.log((grus + more) / (grus + few), 16) for few, more in ((64, 1024), (1024, 16384))]
    assert slopes("vocabulary") == pytest.approx(words, abs=0.02)
    assert slopes("classes")[0] < slopes("classes")[1] and slopes("classes")[1] == pytest.approx(1, abs=0.1)
    assert slopes("entries")[0] < 0.1 < slopes("entries")[1] < 1
    assert slopes("steps") == pytest.approx([0, 0]) and slopes("steps", "memory") == pytest.approx([0, 0])
    assert slopes("drawing") == pytest.approx([1, 1])
    assert slopes("hidden") == pytest.approx([1, 1]), "doublings for a unit"


def test_disagreement_is_told(growth):
    flat = growth.table("side", points(growth, "side", lambda side: 1.0))
    assert (
        "from 64 to 128: 3.98 times expected, 1.00 times measured; they DISAGREE, 4.0 times. Why is not known." in flat
    )
    told = growth.table("flow", points(growth, "flow", lambda steps: 1.0 * steps))
    assert "they DISAGREE, 1.9 times. Not counted: what is no matrix product" in told
    assert "Memory from 8 to 16: 1.01 times expected, 1.00 times measured; they agree within 1.5 times." in told


def run_here(growth, monkeypatch, folder, *options):
    files = ["--store", folder / "store", "--markdown", folder / "a.md"]
    monkeypatch.setattr(sys, "argv", ["growth.py", *map(str, [*options, *files])])
    growth.main()
    return growth.sections((folder / "a.md").read_text())


def test_a_kind_that_is_measured_joins_the_others_whose_text_and_date_stay(growth, tmp_path, monkeypatch, capsys):
    def measured(kind, value, examples, seed):
        made = points(growth, kind, lambda value: 2.0 * value)[value]
        return {**made, "examples": examples, "day": day}

    monkeypatch.setattr(growth, "measure", measured)
    day = "2025-03-01"
    first = run_here(growth, monkeypatch, tmp_path, "--only", "flow", "hidden")
    day = "2025-04-02"
    second = run_here(growth, monkeypatch, tmp_path, "--only", "length", "hidden", "--fresh")
    assert list(second) == ["flow", "length", "hidden"] and second["flow"] == first["flow"]
    dates = [set(re.findall(r"2025-\d\d-\d\d", text)) for text in second.values()]
    assert dates == [{"2025-03-01"}, {day}, {day}]
    assert {path.name for path in tmp_path.glob("*.png")} == {"a.png", "a_sentences.png", "a_others.png"}
    text = (tmp_path / "a.md").read_text()
    assert all(f"]({name})" in text for name in ("a.png", "a_sentences.png", "a_others.png"))
    numbers = growth.numbers(second["flow"])
    assert list(numbers) == [1, 2, 4, 8, 16]
    assert numbers[4] == {"examples": 24576, "seconds": [8.0] * 3, "above": 100.0}


def test_a_trial_may_not_be_put_into_the_table_of_results(growth, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["growth.py", "--quick", "--markdown", str(BENCHMARKS / "growth.md")])
    with pytest.raises(SystemExit):
        growth.main()
    assert "give --markdown another file" in capsys.readouterr().err


def test_a_failing_point_is_told_and_ends_with_1(growth, tmp_path, monkeypatch, capsys):
    assert "ValueError" in growth.measure("latent", 0, 128, 0)["error"], "a process that cannot build its model"
    monkeypatch.setattr(growth, "measure", lambda *task: {"error": "no memory left"})
    with pytest.raises(SystemExit) as end:
        run_here(growth, monkeypatch, tmp_path, "--quick", "--only", "groups")
    assert end.value.code not in (0, None) and (tmp_path / "a.png").exists()
    text = (tmp_path / "a.md").read_text()
    assert text.count("failed: no memory left") == 2
    assert growth.numbers(growth.sections(text)["groups"])[2]["error"]


def test_what_growth_md_says_follows_from_its_numbers(growth, theory):
    text = (BENCHMARKS / "growth.md").read_text(encoding="utf-8")
    found = growth.sections(text)
    assert list(found) == [kind for kind in growth.KINDS if kind in found]
    assert text.count("\n## ") == len(found), "no section is of a kind that is not measured any more"
    pictures = re.findall(r"^!\[.*\]\((.*)\)$", text, re.MULTILINE)
    assert pictures == [f"growth{end}.png" for end, kinds in growth.PICTURES.items() if set(kinds) & set(found)]
    assert all((BENCHMARKS / picture).exists() for picture in pictures)
    for kind, section in found.items():
        points = growth.numbers(section)
        assert list(points) == list(growth.KINDS[kind].values), kind
        assert {value: point["examples"] for value, point in points.items()} == growth.KINDS[kind].values
        assert "- Measured 20" in section and "Python 3" in section
        told = re.findall(r"times expected, ([\d.]+) times measured; they (agree|DISAGREE)", section)
        for (name, (_, expected, real)), (said, verdict) in zip(theory.curves(kind, points).items(), told, strict=True):
            growths = expected[-1] / expected[-2], real[-1] / real[-2]
            assert growths[1] == pytest.approx(float(said), rel=0.03), (kind, name)
            apart = max(growths) / min(growths)
            assert abs(apart - growth.FAR) < 0.03 or (apart > growth.FAR) == (verdict == "DISAGREE"), (kind, name)
