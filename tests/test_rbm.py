"""The RBM against enumeration: energy, gradient, chains, Z; and AIS where the truth is known, also where it fails."""

import itertools

from vae_course import evaluation
from vae_course.models import RBM

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, logsumexp

PIXELS, HIDDEN = 6, 4
STATES = np.array(list(itertools.product((0, 1), repeat=PIXELS)), "float32")
HIDDEN_STATES = np.array(list(itertools.product((0, 1), repeat=HIDDEN)), "float32")


def some(seed=0, scale=1.0, **options):
    """A small RBM that is far from independent pixels, and its parameters."""
    random = np.random.default_rng(seed)
    sizes = ((PIXELS, HIDDEN), PIXELS, HIDDEN)
    parameters = [scale * random.normal(size=size).astype("float32") for size in sizes]
    rbm = RBM((2, 3), HIDDEN, **options)
    rbm.set_weights_and_biases(*parameters)
    return rbm, parameters


def shaped(x):
    return x.reshape(-1, 2, 3)


def joint_energy(w, b, c):
    """E(x, h) for all states: [64, 16]."""
    return -(STATES @ b)[:, None] - HIDDEN_STATES @ c - STATES @ w @ HIDDEN_STATES.T


def test_free_energy_and_hidden_units_are_sums_over_all_hidden_states():
    rbm, parameters = some()
    energy = joint_energy(*parameters)
    np.testing.assert_allclose(rbm.free_energy(shaped(STATES)), -logsumexp(-energy, axis=1), atol=1e-5)
    posterior = np.exp(-energy - logsumexp(-energy, axis=1)[:, None])
    np.testing.assert_allclose(rbm.encode(shaped(STATES)), posterior @ HIDDEN_STATES, atol=1e-5)


@pytest.mark.parametrize("hidden", (3, 9))
def test_log_partition_sums_over_the_smaller_layer(hidden):
    keras.utils.set_random_seed(hidden)
    rbm = RBM(PIXELS, hidden)
    random = np.random.default_rng(hidden)
    rbm.set_weights_and_biases(random.normal(size=(PIXELS, hidden)), random.normal(size=PIXELS), np.ones(hidden))
    assert evaluation.log_partition(rbm) == pytest.approx(logsumexp(-rbm.free_energy(STATES)), abs=1e-4)


def test_pseudo_log_likelihood_is_the_sum_of_the_exact_conditionals():
    rbm, _ = some()
    log_p = -rbm.free_energy(shaped(STATES))
    total = np.zeros(len(STATES))
    for pixel in range(PIXELS):
        flipped = STATES.copy()
        flipped[:, pixel] = 1 - flipped[:, pixel]
        total += log_p - np.logaddexp(log_p, -rbm.free_energy(shaped(flipped)))
    np.testing.assert_allclose(rbm.pseudo_log_likelihood(shaped(STATES)), total, atol=1e-4)
    estimates = [rbm(shaped(STATES))["pseudo_log_likelihood"] for _ in range(400)]
    np.testing.assert_allclose(np.mean(estimates, axis=0), total, atol=0.5)


def gradient(rbm, x):
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(rbm.objective(rbm(x, training=True)))
    return [part.numpy() for part in tape.gradient(loss, [rbm.weight, rbm.visible_bias, rbm.hidden_bias])]


def test_training_follows_the_gradient_of_the_log_likelihood():
    """With chains that have mixed, the gradient of the loss is that of log Z + F(x), by enumeration."""
    rbm, (w, b, c) = some(centered=False, chains=20000, k=100)
    x = STATES[[3, 17, 40, 62]]
    p = np.exp(-rbm.free_energy(shaped(STATES)) - evaluation.log_partition(rbm))
    h, h_all = expit(x @ w + c), expit(STATES @ w + c)
    exact = [-(x.T @ h) / 4 + (STATES.T * p) @ h_all, -x.mean(0) + p @ STATES, -h.mean(0) + p @ h_all]
    for found, wanted in zip(gradient(rbm, shaped(x)), exact):
        np.testing.assert_allclose(found, wanted, atol=0.02)


def test_centering_changes_the_gradient_and_not_the_model():
    rbm, parameters = some()
    before = rbm.free_energy(shaped(STATES))
    for _ in range(200):
        rbm._move_offsets(tf.constant(STATES[:9]))
    np.testing.assert_allclose(rbm.free_energy(shaped(STATES)), before, atol=1e-3)
    for part, wanted in zip(rbm.weights_and_biases(), parameters):
        np.testing.assert_allclose(part, wanted, atol=1e-3)
    assert np.abs(rbm._visible_mean.numpy() - STATES[:9].mean(0)).max() < 0.1


def test_chains_reach_the_distribution_of_the_model():
    rbm, _ = some()
    p = np.exp(-rbm.free_energy(shaped(STATES)) - evaluation.log_partition(rbm))
    numbers = rbm.sample(20000, steps=60, seed=0).reshape(-1, PIXELS) @ 2 ** np.arange(PIXELS)[::-1]
    share = np.bincount(numbers.astype(int), minlength=64) / 20000
    assert 0.5 * np.abs(share - p).sum() < 0.03
    np.testing.assert_array_equal(rbm.sample(5, 10, seed=3), rbm.sample(5, 10, seed=3))


def test_samples_start_where_they_are_told():
    rbm, _ = some()
    rbm.set_weights_and_biases(np.zeros((PIXELS, HIDDEN)), np.zeros(PIXELS), np.zeros(HIDDEN))
    rbm.set_weights_and_biases(20 * np.eye(PIXELS, HIDDEN), [-10] * HIDDEN + [0, 0], [-10] * HIDDEN)  # keeps 4 pixels
    start = shaped(STATES[10:30])
    after = rbm.sample(20, steps=3, start=start, seed=0)
    np.testing.assert_array_equal(after.reshape(20, -1)[:, :HIDDEN], STATES[10:30, :HIDDEN])


@pytest.mark.parametrize("options", ({}, {"centered": False}, {"persistent": False, "k": 3}))
def test_training_raises_the_exact_log_likelihood(options):
    """On four patterns an RBM comes more than half of the way from independent pixels to the best, -log 4."""
    keras.utils.set_random_seed(0)
    patterns = np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1]], "float32")
    x = shaped(np.tile(patterns, (25, 1)))
    rbm = RBM((2, 3), 6, **options)
    rbm.compile(keras.optimizers.SGD(0.2))
    history = rbm.fit(x, batch_size=20, epochs=300, validation_data=x, verbose=0).history
    rates = patterns.mean(axis=0)
    independent = np.mean(patterns @ np.log(rates) + (1 - patterns) @ np.log(1 - rates))
    reached = -rbm.free_energy(x).mean() - evaluation.log_partition(rbm)
    assert (independent - np.log(4)) / 2 < reached < -np.log(4) + 1e-4
    assert history["pseudo_log_likelihood"][-1] > history["pseudo_log_likelihood"][0]
    np.testing.assert_allclose(history["loss"], -np.array(history["pseudo_log_likelihood"]), rtol=1e-5)


def test_annealing_meets_the_exact_sum_from_both_sides():
    rbm, _ = some(scale=1.5)
    exact = evaluation.log_partition(rbm)
    p = np.exp(-rbm.free_energy(shaped(STATES)) - exact)
    rows = np.random.default_rng(0).choice(64, 500, p=p / p.sum())
    ahead = evaluation.annealed(rbm, 300, 500)
    back = evaluation.annealed(rbm, 300, reverse_from=shaped(STATES[rows]))
    assert ahead.log_z == pytest.approx(exact, abs=0.1) and back.log_z == pytest.approx(exact, abs=0.1)
    assert ahead.log_weights.shape == back.log_weights.shape == (500,)
    hasty = [evaluation.annealed(rbm, 1, 3, seed=seed).log_z for seed in range(200)]
    assert np.mean(hasty) < exact - 0.1, "few temperatures are low on average"
    hasty = [
        evaluation.annealed(rbm, 1, reverse_from=shaped(STATES[rows[3 * i : 3 * i + 3]])).log_z for i in range(150)
    ]
    assert np.mean(hasty) > exact + 0.1, "and the way back is high"


def test_a_start_at_the_base_rates_needs_no_annealing_where_pixels_are_independent():
    rbm = RBM(PIXELS, HIDDEN)
    rates = np.linspace(0.1, 0.9, PIXELS)
    rbm.set_weights_and_biases(np.zeros((PIXELS, HIDDEN)), np.log(rates / (1 - rates)), np.ones(HIDDEN))
    result = evaluation.annealed(rbm, 1, 5, start=rates)
    assert np.ptp(result.log_weights) < 1e-6
    assert result.log_z == pytest.approx(evaluation.log_partition(rbm), abs=1e-5)


def test_annealing_that_is_wrong_and_sure_is_found_on_the_way_back():
    """A mode that holds all mass and that no chain meets: every weight agrees, and log Z is off by tens of nats."""
    size = 60
    rbm = RBM(size, 1)
    rbm.set_weights_and_biases(np.full((size, 1), 4.0), np.zeros(size), [-194.5])
    exact = evaluation.log_partition(rbm)
    ahead = evaluation.annealed(rbm, 200, 100)
    assert ahead.log_z < exact - 3 and ahead.log_weights.std() < 0.2
    assert exact - np.log(2) * size > 4, "nearly all mass is where the hidden unit is on"
    samples = (np.random.default_rng(0).uniform(size=(100, size)) < expit(4.0)).astype("float32")
    back = evaluation.annealed(rbm, 200, reverse_from=samples)
    assert back.log_z > ahead.log_z + 3, "the gap is the alarm"


def test_the_first_fit_starts_at_the_base_rates_and_no_other_does():
    x = shaped(np.tile([[1, 0, 1, 1, 0, 0]], (40, 1)).astype("float32"))
    rbm = RBM((2, 3), HIDDEN)
    rbm.compile(keras.optimizers.SGD(0.0))
    rbm.fit(x, verbose=0)
    np.testing.assert_allclose(rbm.decode(np.zeros((1, HIDDEN)))[0], np.clip(x[0], 0.01, 0.99), atol=0.02)
    bias = rbm.visible_bias.numpy().copy()
    rbm.fit(1 - x, verbose=0)
    np.testing.assert_allclose(rbm.visible_bias.numpy(), bias, atol=0.1)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda rbm: rbm.fit(np.full((4, 2, 3), 0.5, "float32")), "x must be binary, 0 or 1"),
        (lambda rbm: rbm.fit(np.full((4, 2, 3), 7, "uint8")), "x must be binary, 0 or 255"),
        (lambda rbm: rbm.fit(np.zeros((4, 2, 3)), np.zeros(4)), "no use for a second array"),
        (lambda rbm: rbm.decode(np.zeros((4, 3))), r"h must have shape \[n, 4\]"),
        (lambda rbm: rbm.sample(3, start=np.zeros((2, 2, 3))), "one example for each of the 3 chains"),
        (lambda rbm: rbm.set_weights_and_biases(np.zeros((6, 4)), np.zeros(4), np.zeros(4)), "W, b and c must have"),
        (lambda rbm: evaluation.annealed(rbm, start=[0.5]), "start must hold 6 base rates"),
        (lambda rbm: evaluation.log_partition(RBM(30, 21)), "The smaller layer may have 20 units"),
        (lambda rbm: evaluation.log_partition(np.zeros(3)), "Only an RBM"),
        (lambda rbm: evaluation.log_likelihood(rbm, shaped(STATES)), "defined for VAEs and their kin only"),
    ],
)
def test_what_cannot_be_gets_a_sentence(call, message):
    rbm = RBM((2, 3), HIDDEN)
    rbm.compile()
    with pytest.raises(ValueError, match=message):
        call(rbm)
