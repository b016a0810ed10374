"""The weight of the KL in losses whose formula is known, and what is said of losses that are no such sum."""

from vae_course import evaluation

import numpy as np
import pytest
import tensorflow as tf


def kl_terms(mean, log_var):
    return 0.5 * (mean**2 + tf.exp(log_var) - 1 - log_var)


def kl(mean, log_var):
    return tf.reduce_sum(kl_terms(mean, log_var), axis=-1)


def cross_entropy(x, p):
    return -tf.reduce_sum(x * tf.math.log(p) + (1 - x) * tf.math.log(1 - p), axis=[1, 2, 3])


def squared(x, output):
    return 0.5 * tf.reduce_sum((x - output) ** 2, axis=[1, 2, 3])


def absolute(x, output):
    return tf.reduce_sum(tf.abs(x - output), axis=[1, 2, 3])


def loss_of(reconstruction=cross_entropy, divergence=kl, a=1.0, b=1.0, reduce=tf.reduce_mean):
    return lambda x, output, mean, log_var: reduce(a * reconstruction(x, output) + b * divergence(mean, log_var)) + 7


def beta(loss, likelihood="bernoulli", shape=(8, 8, 1), **settings):
    return evaluation.effective_beta(loss, likelihood, shape, **settings)


@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.001, 0.5, 1.0, 4.0, 1000.0])
@pytest.mark.parametrize("shape", [(8, 8, 1), (4, 4, 3)])
def test_the_weight_of_the_kl_is_found(weight, shape):
    assert beta(loss_of(b=weight), shape=shape) == pytest.approx(weight, rel=0.01, abs=1e-5)


def test_tables_single_latents_and_single_examples_will_do():
    def table(x, output, mean, log_var):
        return tf.reduce_mean(0.5 * tf.reduce_sum((x - output) ** 2, -1) + kl(mean, log_var))

    assert beta(table, "gaussian", (6,), latent_size=1, batch_size=1) == pytest.approx(1, rel=0.01)
    assert beta(loss_of(), latent_size=1, batch_size=1, seed=3) == pytest.approx(1, rel=0.01)


MEAN, SUM = tf.reduce_mean, tf.reduce_sum
PUBLISHED = {  # name: (loss, likelihood, shape, what its formula gives for 8 latents and batches of 16)
    "the KL twice": (lambda x, o, m, v: MEAN(cross_entropy(x, o) + 2 * kl(m, v)), "bernoulli", (28, 28, 1), 2),
    "the batch twice": (
        lambda x, o, m, v: MEAN(cross_entropy(x, o)) + 2 * MEAN(kl(m, v)) / len(x),
        "bernoulli",
        (28, 28, 1),
        2 / 16,
    ),
    "mean over latents": (
        lambda x, o, m, v: MEAN(cross_entropy(x, o)) + MEAN(kl_terms(m, v)),
        "bernoulli",
        (28, 28, 1),
        1 / 8,
    ),
    "mean over colors": (lambda x, o, m, v: MEAN(cross_entropy(x, o) / 3 + kl(m, v)), "bernoulli", (28, 28, 3), 3),
    "mean over pixels": (
        lambda x, o, m, v: 500 * MEAN(cross_entropy(x, o) / 1024) + MEAN(kl(m, v)),
        "bernoulli",
        (32, 32, 1),
        2.048,
    ),
    "squared error": (
        lambda x, o, m, v: MEAN((x - o) ** 2) + 0.00025 * MEAN(kl(m, v)),
        "gaussian",
        (64, 64, 3),
        1.536,
    ),
    "absolute error": (lambda x, o, m, v: MEAN(tf.abs(x - o)) + 0.0005 * MEAN(kl(m, v)), "laplace", (64, 64, 3), 6.144),
    "both sums": (loss_of(reduce=SUM), "bernoulli", (8, 8, 1), 1),
    "1/2 forgotten": (loss_of(divergence=lambda m, v: 2 * kl(m, v)), "bernoulli", (8, 8, 1), 2),
    "two means": (
        lambda x, o, m, v: MEAN(cross_entropy(x, o) / 64) + MEAN(kl_terms(m, v)),
        "bernoulli",
        (8, 8, 1),
        64 / 8,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_losses_weigh_what_their_formula_says(name):
    loss, likelihood, shape, weight = PUBLISHED[name]
    assert beta(loss, likelihood, shape) == pytest.approx(weight, rel=0.002)


def test_the_scale_of_the_likelihood_counts():
    assert beta(loss_of(squared), "gaussian") == pytest.approx(1, rel=0.01)
    assert beta(loss_of(squared, a=100), "gaussian", scale=0.1) == pytest.approx(1, rel=0.01)
    assert beta(loss_of(squared, a=100), "gaussian") == pytest.approx(0.01, rel=0.01)
    assert beta(loss_of(absolute, a=4), "laplace", scale=0.25) == pytest.approx(1, rel=0.01)
    with pytest.raises(ValueError, match="'bernoulli' likelihood has no scale.*Received: scale=0.1"):
        beta(loss_of(), scale=0.1)
    for wrong in (0, -1.0, np.nan, "1", [1.0]):
        with pytest.raises(ValueError, match="scale must be one positive number. Received"):
            beta(loss_of(squared), "gaussian", scale=wrong)


def free_bits(floor):
    return lambda mean, log_var: tf.reduce_sum(tf.maximum(kl_terms(mean, log_var), floor), axis=-1)


@pytest.mark.parametrize(
    "divergence, message",
    [
        (lambda m, v: 0.5 * SUM(m**2, -1), "along the means, but not along log_var.*lacks its variance terms"),
        (lambda m, v: kl(m, v) - 0.5 * SUM(m**2, -1), r"along log_var, but not along the means.*lacks mean\^2 / 2"),
        (lambda m, v: kl(m, 2 * v), "along log_var disagree.*log of the standard deviation"),
        (lambda m, v: 0.5 * SUM(m**2, -1) + 2 * SUM(kl_terms(0 * m, v), -1), "along log_var disagree.*factor 1/2"),
        (free_bits(0.5), "price of a mean depends on the log-variances.*free bits"),
        (free_bits(0.1), "price of a mean depends on the log-variances.*free bits"),
        (lambda m, v: tf.abs(kl(m, v) - 5), "price of a mean depends on the log-variances"),
        (lambda m, v: SUM(m**4 + kl_terms(0 * m, v), -1), "slope along the means changes from point to point"),
    ],
)
def test_a_wrong_kl_is_named_by_the_direction_that_disagrees(divergence, message):
    for seed in range(3):
        with pytest.raises(ValueError, match=f"not a weighted sum.*{message}.*Received slopes"):
            beta(loss_of(divergence=divergence), seed=seed)


@pytest.mark.parametrize(
    "loss, likelihood, message",
    [
        (
            loss_of(squared),
            "bernoulli",
            "sum of the 'bernoulli' .*along the output changes from point to point",
        ),
        (loss_of(), "gaussian", "sum of the 'gaussian' .*along the output changes from point to point"),
        (loss_of(a=0), "bernoulli", "does not change with the output.*missing"),
        (loss_of(a=-1), "bernoulli", "reconstruction term has the wrong sign"),
        (loss_of(a=-1, b=0), "bernoulli", "reconstruction term has the wrong sign"),
        (loss_of(a=-1, b=-1), "bernoulli", "a bound, not a loss. Return its negative"),
    ],
)
def test_a_wrong_reconstruction_is_named(loss, likelihood, message):
    with pytest.raises(ValueError, match=message) as error:
        beta(loss, likelihood)
    assert ("point to point" in message) == ("point to point" in str(error.value)), "only of slopes that do change"


def test_what_is_no_number_and_no_likelihood_is_refused():
    with pytest.raises(ValueError, match=r"one finite number.*\[16\]"):
        evaluation.effective_beta(lambda x, output, mean, log_var: kl(mean, log_var))
    with pytest.raises(ValueError, match="Unknown likelihood.*bernoulli, gaussian, laplace.*'mse'"):
        evaluation.effective_beta(loss_of(), "mse")
