"""MADE: no logit hears its own pixel or a later one, probabilities sum to one, and samples follow them."""

from vae_course import datasets
from vae_course.models import MADE

import keras
import numpy as np
import pytest
import tensorflow as tf

SIZE = 6
STATES = ((np.arange(2**SIZE)[:, None] >> np.arange(SIZE)) & 1).astype("float32")  # [64, 6]


def shaken(shape=(SIZE,), hidden=(16,), size=1.5):
    """A MADE with weights far from the start, where all logits are nearly zero."""
    model, random = MADE(shape, hidden), np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(random.normal(size=weight.shape) * size)
    return model


HIDDEN = [(16,), (16, 8), (), (3,)]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_jacobian_of_the_logits_is_strictly_triangular(hidden):
    model, heard = shaken(hidden=hidden), np.zeros((SIZE, SIZE))
    for x in STATES[::9]:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(point := tf.constant(x))
            logits = model.logits(point[None])[0]
        heard += np.abs(tape.jacobian(logits, point, experimental_use_pfor=False))  # [output, input]
    assert not np.triu(heard).any(), "a logit hears its own pixel or a later one"
    if len(hidden) < 2 and hidden != (3,):
        assert (heard[np.tril_indices(SIZE, -1)] > 0).all(), "and each hears all pixels before it"


@pytest.mark.parametrize("hidden", HIDDEN)
def test_probabilities_of_all_states_sum_to_one(hidden):
    p = np.exp(shaken(hidden=hidden).log_prob(STATES).astype("float64"))
    assert p.sum() == pytest.approx(1, abs=1e-5) and p.max() > 4 / 64, "one, and not by being uniform"


def test_samples_come_as_often_as_log_prob_says():
    model, n = shaken(shape=(2, 3, 1)), 40_000
    x = model.sample(n, seed=3)
    assert x.shape == (n, 2, 3, 1) and set(np.unique(x)) == {0, 1}
    found = np.bincount((x.reshape(n, -1) @ 2 ** np.arange(SIZE)).astype(int), minlength=2**SIZE) / n
    p = np.exp(model.log_prob(STATES.reshape(-1, 2, 3, 1)))
    assert (np.abs(found - p) < 5 * np.sqrt(p * (1 - p) / n) + 1e-4).all()
    np.testing.assert_array_equal(model.sample(5, seed=3), model.sample(5, seed=3))
    assert not np.array_equal(model.sample(5), model.sample(5)), "without a seed each call draws others"


def test_the_history_is_the_mean_of_log_prob():
    x = (datasets.load("digits").x_train[:256] > 0.5).astype("float32")
    model = MADE(x.shape[1:], hidden=(64,))
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(x, epochs=30, verbose=0).history
    results = model.evaluate(x, verbose=0, return_dict=True)
    assert results["log_likelihood"] == pytest.approx(model.log_prob(x).mean(), rel=1e-5) == -results["loss"]
    rates = x.mean(axis=0).clip(1e-3, 1 - 1e-3)
    independent = (x * np.log(rates) + (1 - x) * np.log(1 - rates)).sum(axis=(1, 2, 3)).mean()
    assert history["log_likelihood"][-1] > independent + 3, "pixels hear their neighbors"


def test_a_loaded_model_has_the_same_probabilities(tmp_path):
    model = shaken(hidden=(16, 8))
    model.save(tmp_path / "made.keras")
    loaded = keras.saving.load_model(tmp_path / "made.keras")
    np.testing.assert_array_equal(loaded.log_prob(STATES), model.log_prob(STATES))
    np.testing.assert_array_equal(loaded.sample(9, seed=0), model.sample(9, seed=0))


def test_bytes_are_zeros_and_ones_and_gray_is_named():
    model = shaken()
    np.testing.assert_array_equal(model.log_prob((255 * STATES).astype("uint8")), model.log_prob(STATES))
    model.compile()
    for call in (model.log_prob, model.fit, model.predict):
        with pytest.raises(ValueError, match="must be binary, 0 or 1.*Received: 6 other values of 12"):
            call(np.float32([[0.5] * SIZE, [1.0] * SIZE]))
    with pytest.raises(ValueError, match="0 or 255.*Received: 1 other values"):
        model.log_prob(np.uint8([[1, 0, 255, 0, 0, 0]]))
    with pytest.raises(ValueError, match=r"must have shape \[n, 6\].*\[4, 5\]"):
        model.log_prob(STATES[:4, :5])
    for wrong in ((0,), (2.5,)):
        with pytest.raises(ValueError, match="units in hidden must be"):
            MADE((SIZE,), wrong)


def test_mixed_precision_leaves_the_probabilities_in_float32():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        p = np.exp(shaken().log_prob(STATES))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert p.dtype == np.float32 and p.sum() == pytest.approx(1, abs=1e-5)
