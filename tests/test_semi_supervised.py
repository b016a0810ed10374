"""M2: the sum over labels is the sum, the bound is a bound, and what is no label is said to be none."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from models_under_test import CLASSES, images, m2


def same_draws(model, x):
    """L(x, y) for each class, with the draws that `model((x, y))` takes next: [classes, n]."""
    start = model._seeds.state.numpy().copy()
    each = [model.given(np.full(len(x), label)).bound_of(x)["elbo"].numpy() for label in range(CLASSES)]
    model._seeds.state.assign(start)
    return np.stack(each) - math.log(CLASSES)


def test_m2_sums_over_the_labels_as_brute_force_does():
    keras.utils.set_random_seed(2)
    model, x, y = m2(), images(6), np.array([1, -1, 0, -1, 3, -1])
    each = same_draws(model, x)
    terms = {name: value.numpy() for name, value in model((x, y)).items()}
    q = tf.nn.softmax(model.classifier(x / np.float32(255))).numpy()
    for n, label in enumerate(y):
        known = [each[label][n]] if label >= 0 else []
        summed = sum(q[n, k] * (each[k][n] - math.log(q[n, k])) for k in range(CLASSES))
        assert terms["elbo"][n] == pytest.approx(*known or [summed], rel=1e-4)
    np.testing.assert_allclose(terms["label"], np.where(y >= 0, np.log(q[np.arange(6), y]), 0.0), rtol=1e-4)
    assert model.classify(x).sum() == pytest.approx(6.0, rel=1e-5)


def test_the_sum_over_labels_is_a_bound_that_is_tight_for_the_right_classifier():
    """U(x) <= log sum_y exp L(x, y), with equality where q(y|x) is proportional to exp L(x, y)."""
    keras.utils.set_random_seed(0)
    model, x, unknown = m2(), images(8), np.full(8, -1)
    each = same_draws(model, x)
    evidence = np.logaddexp.reduce(each)
    assert (model((x, unknown))["elbo"].numpy() < evidence).all()
    each = same_draws(model, x)
    model.log_q = lambda x, training=None: tf.nn.log_softmax(tf.constant(each.T))
    np.testing.assert_allclose(model((x, unknown))["elbo"], np.logaddexp.reduce(each), rtol=1e-4)


def test_labels_teach_the_classifier_and_alpha_weighs_them():
    x, known = images(16), np.arange(16) % CLASSES
    slopes = {}
    for alpha in (0.0, 1.0, 5.0):
        keras.utils.set_random_seed(1)
        model = m2(alpha)
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model.objective(model((x, known), training=True)))
        gradients = tape.gradient(loss, model.classifier.trainable_variables)
        slopes[alpha] = np.concatenate([np.ravel(0.0 if g is None else g) for g in gradients])
    assert np.abs(slopes[0.0]).max() == 0, "a known label leaves nothing to the classifier but alpha"
    np.testing.assert_allclose(slopes[5.0], 5 * slopes[1.0], rtol=1e-4, atol=1e-6)


def test_alpha_obeys_a_change_between_fits_and_is_saved(tmp_path):
    x, known, model = images(32), np.arange(32) % CLASSES, m2(0.0)
    model.compile(keras.optimizers.Adam(0.01))
    before = [weight.numpy().copy() for weight in model.classifier.weights]
    model.fit(x, known, verbose=0)
    programs = [id(program) for program in model.train_function.programs.values()]
    assert all(map(np.array_equal, before, model.classifier.get_weights())), "alpha 0: labels teach nothing"
    model.alpha = 5.0
    model.fit(x, known, verbose=0)
    assert not all(map(np.array_equal, before, model.classifier.get_weights())), "alpha 5: they do"
    assert [id(program) for program in model.train_function.programs.values()] == programs, "and nothing was compiled"
    model.save(tmp_path / "m2.keras")
    assert keras.saving.load_model(tmp_path / "m2.keras").alpha == 5.0
    with pytest.raises(ValueError, match="finite number, at least 0"):
        model.alpha = float("nan")


@pytest.mark.parametrize(
    "y, message",
    [
        (None, "M2 needs a label for each example.*Received: None"),
        (np.full(6, CLASSES), f"0 to {CLASSES - 1}, and -1 where the label is unknown.*values from {CLASSES}"),
        (np.full(6, -2), "values from -2 to -2"),
        (np.full(6, np.nan), "dtype float64"),
        (np.zeros((6, CLASSES), int), r"shape \[6, 4\]"),
        (np.zeros(5, int), "x and y must have the same length"),
    ],
)
def test_what_is_no_label_gets_a_sentence(y, message):
    model = m2()
    model.compile()
    with pytest.raises(ValueError, match=message):
        model.fit(images(6), y, verbose=0)
    with pytest.raises(ValueError, match="finite number, at least 0"):
        m2(alpha=-1.0)
