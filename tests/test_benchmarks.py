"""The speed benchmark runs and prints what it promises; nothing here depends on how fast anything is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).resolve().parent.parent / "benchmarks" / "speed.py"


def speed(*options, environment=None):
    command = [sys.executable, str(SPEED), *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two contestants, a few steps on noise: {title: cells} and the whole text."""
    folder = tmp_path_factory.mktemp("speed")
    file = folder / "speed.md"
    small = ("--data", "synthetic", "--only", "mlp", "--examples", "600", "--rounds", "2", "--markdown", str(file))
    done = speed(*small, "--contestants", "vae_course", "keras_io", "--store", str(folder))
    assert done.returncode == 0, done.stderr[-2000:]
    text = file.read_text()
    assert text.strip() == done.stdout.strip()
    return {row[0]: row[1:] for row in table_rows(text)[2:]}, text


def table_rows(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_every_contestant_has_finite_positive_figures(table):
    rows, text = table
    assert set(rows) == {"vae_course, `fit`", "keras.io's pattern, `fit`"}
    for cells in rows.values():
        numbers = [float(number.replace(",", "")) for number in re.findall(r"[\d,]*\d\.?\d*", " ".join(cells))]
        assert len(numbers) == 3 + 3 + 1 + 1 + 2, "examples/s and ratio with spread, CPU, first round, two losses"
        assert all(0 < number < 1e9 for number in numbers)
    assert "nan" not in text and "inf" not in text.replace("info", "")


def test_everybody_starts_at_the_loss_of_an_even_coin_for_each_pixel(table):
    for cells in table[0].values():
        before, after = (float(loss) for loss in cells[-1].split(","))
        assert 530 < before < 580, "784 log 2 = 543.4 nats, and a little for the code"
        assert after < before


def test_ratios_are_taken_within_rounds_and_every_comparison_is_told(table):
    rows, text = table
    assert rows["vae_course, `fit`"][2] == "1.00 (1.00 to 1.00)"
    assert re.search(
        r"vae_course against keras.io's pattern, `fit`: \d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\); goal 1: (NOT )?reached",
        text,
    )
    assert "the same objective" in text and "seed 0" in text and " core" in text


def test_data_that_is_damaged_is_told_with_what_to_do(tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{part}-ubyte.gz").write_bytes(b"nothing")
    environment = {**os.environ, "VAE_COURSE_DATA": str(tmp_path)}
    done = speed("--rounds", "1", "--store", str(tmp_path / "store"), environment=environment)
    assert done.returncode == 1
    assert "damaged" in done.stderr and "--data synthetic" in done.stderr and "Traceback" not in done.stderr


def dense(*sizes):
    """Weights and biases of a chain of dense layers."""
    return sum(inputs * units + units for inputs, units in zip(sizes, sizes[1:]))


# Encoder and decoder; then the networks of the groups, or two masked networks.
WEIGHTS = {
    "hierarchical": dense(784, 400, 64)
    + dense(64, 400, 784)
    + (dense(64, 64, 16) + 2 * dense(64 + 64, 64, 16))  # posteriors
    + 2 * dense(64, 64, 16)  # priors
    + (dense(8, 64, 64) + 2 * dense(8 + 64, 64, 64)),  # merges
    "flow": dense(784, 400, 40) + dense(20, 400, 784) + 2 * dense(20, 128, 128, 128, 40),
}


def test_a_run_goes_on_where_it_was_cut_off_and_a_finished_one_is_only_told_again(tmp_path):
    small = ("--data", "synthetic", "--examples", "640", "--rounds", "1", "--contestants", "vae_course")
    first, second, third = (
        speed(*small, "--store", str(tmp_path), "--only", *kinds)
        for kinds in (["flow"], ["hierarchical", "flow"], ["hierarchical", "flow"])
    )
    for done in (first, second, third):
        assert done.returncode == 0, done.stderr[-2000:]
    assert "aken from" not in first.stdout
    assert second.stdout.count("Taken from the run of 20") == 1 and "hierarchical: train" in second.stderr
    assert third.stdout.count("Taken from the run of 20") == 2 and "train" not in third.stderr
    assert table_rows(second.stdout) == table_rows(third.stdout)
    assert table_rows(first.stdout)[2] == table_rows(second.stdout)[5]
    for row in table_rows(second.stdout)[2::3]:
        before, after = (float(loss) for loss in row[-1].split(","))
        assert 530 < before < 580 and after < before
    for weights in WEIGHTS.values():
        assert f"trainable weights: {weights:,}" in third.stdout
