"""The pretrained models: their files, what they reach, and the script that makes them."""

import socket
import sys
from pathlib import Path

from vae_course import datasets, models
from vae_course.models.pretrained import FOLDER

import keras
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sources")]

import pretrained  # noqa: E402

RECORDS = models.pretrained_models()


def test_every_recipe_has_a_record_and_a_file_and_all_are_small():
    assert list(RECORDS) == list(pretrained.RECIPES)
    files = sorted(FOLDER.glob("*.keras"))
    assert {path.stem for path in files} == set(RECORDS)
    assert sum(path.stat().st_size for path in files) < 10e6
    for name, recipe in pretrained.RECIPES.items():
        record = RECORDS[name]
        known = (record["about"], record["data"], record["epochs"], record.get("short_epochs", 0))
        assert known == (recipe.about, recipe.data, recipe.epochs, recipe.short), f"{name}: train it again"


@pytest.mark.parametrize("name", RECORDS)
def test_a_model_reaches_what_was_written_down(name, monkeypatch):
    def no_network(*args):
        raise OSError("a pretrained model must not need the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    model, record = models.load(name), RECORDS[name]
    reached = pretrained.elbo(model, datasets.load(record["data"]).x_test)
    assert abs(reached - record["test_elbo"]) < 0.1, "nats"
    if "short_elbo" in record:
        assert reached > record["short_elbo"] + 0.1, "patience must buy something"


def test_a_loaded_model_can_be_evaluated_and_trained_on():
    model, data = models.load("digits-plane"), datasets.load("digits")
    before = model.evaluate(data.x_test, verbose=0, return_dict=True)["elbo"]
    model.fit(data.x_train, epochs=1, verbose=0)
    assert np.isfinite(before) and model.optimizer.iterations > 0
    assert models.load("digits-plane").evaluate(data.x_test, verbose=0, return_dict=True)["elbo"] == before


@pytest.mark.parametrize("name", ["faces", "models/mine.keras", None, ["faces-vae"]])
def test_an_unknown_name_is_answered_with_all_names(name):
    with pytest.raises(ValueError) as error:
        models.load(name)
    said = str(error.value)
    assert all(f"    {known}: {record['about']}\n" in said for known, record in RECORDS.items())
    assert "keras.models.load_model" in said and said.endswith(f"Received: {name!r}")


def test_a_file_holds_16_bit_weights_and_everything_else_as_it_was(tmp_path):
    recipe = pretrained.RECIPES["digits-plane-beta-0.2"]
    model = recipe.build(datasets.load("digits").x_train)
    model.compile()
    fine = [weight.numpy() for weight in model.trainable_weights]
    bare = pretrained.write(model, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not loaded.compiled and loaded.beta == bare.beta == np.float32(0.2)
    for old, new in zip(fine, loaded.trainable_weights):
        assert np.array_equal(np.float32(np.float16(old)), new.numpy())
    assert (tmp_path / "model.keras").stat().st_size < 2.8 * model.count_params()


def test_training_repeats_and_a_short_one_is_shorter(monkeypatch):
    recipe = pretrained.RECIPES["digits-plane"]
    x = datasets.load("digits").x_train[:128]
    monkeypatch.setattr(recipe, "epochs", 4)
    monkeypatch.setattr(recipe, "short", 2)
    first, again, short = (pretrained.train(recipe, x, short=short) for short in (False, False, True))
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), again.get_weights()))
    assert (int(first.optimizer.iterations), int(short.optimizer.iterations)) == (8, 4)
    assert float(first.optimizer.learning_rate) < 1e-6 and float(short.optimizer.learning_rate) > 1e-3
