"""What is measured on a trained model. Everything in nats per example, and nothing here trains."""

import math
import weakref
from typing import NamedTuple

from vae_course import bounds
from vae_course.distributions import lookup
from vae_course.models.base import in_batches, pixels

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class LogLikelihood(NamedTuple):
    """An estimate of log p(x) over a data set, in nats per example."""

    mean: float
    standard_error: float  # of the mean over examples: how much another test set of this size would differ
    per_example: np.ndarray  # [n]


class ActiveUnits(NamedTuple):
    """Which latents react to the data."""

    count: int
    variances: np.ndarray  # [latent_size], the variance over the data of each posterior mean


_compiled = weakref.WeakKeyDictionary()  # model -> (its parts, its compiled sum): the next call need not compile


def _log_sum(model):
    """log sum_k w_k for a batch, compiled once for each model; once more if a part of it was exchanged."""
    names = ("encoder", "decoder", "prior_layer", "posterior_layer", "scale", "jit_compile")
    parts = tuple(getattr(model, name, None) for name in names)
    if model not in _compiled or _compiled[model][0] != parts:
        reference = weakref.ref(model)  # a strong one would keep every model alive

        @tf.function(jit_compile=bool(model.jit_compile), reduce_retracing=True)
        def log_sum(batch, samples, seed):
            return tf.reduce_logsumexp(reference().log_weights(batch, samples, seed), axis=0)

        _compiled[model] = parts, log_sum
    return _compiled[model][1]


def log_likelihood(model, x, k=500, batch_size=100, seed=0):
    """log (1/k) sum_k w_k per example, a lower bound on log p(x) in expectation: x [n, *shape]. Built in chapter 04.

    k: posterior samples for each example; the bound tightens as k grows, so report k with the result.
    The samples come in chunks, so memory does not grow with k. The same seed gives the same estimate.
    Source: Burda, Grosse & Salakhutdinov (2016), "Importance weighted autoencoders".
    """
    if k < 1:
        raise ValueError(f"k must be at least 1. Received: {k}")
    if not hasattr(model, "log_weights"):
        raise ValueError(f"log p(x) is defined for VAEs and their kin only. Received: {type(model).__name__}")
    x = np.asarray(x)
    model.check(x)
    log_sum = _log_sum(model)
    batch_size, chunk = min(batch_size, len(x)), min(k, 50)

    totals = []
    for start in range(0, len(x), batch_size):
        rows = np.arange(start, start + batch_size) % len(x)  # the last batch is filled up, so that it compiles once
        sums = []
        for first in range(0, k, chunk):
            samples = min(chunk, k - first)
            seeds = tf.constant([seed, start * k + first])
            sums.append(log_sum(tf.constant(x[rows]), samples, seeds).numpy())
        totals.append(np.logaddexp.reduce(sums, axis=0))
    per_example = np.concatenate(totals)[: len(x)] - math.log(k)
    error = per_example.std(ddof=1) / math.sqrt(len(x)) if len(x) > 1 else math.nan
    return LogLikelihood(float(per_example.mean()), float(error), per_example)


def active_units(model, x, threshold=0.01):
    """The latents whose posterior mean varies over the data by more than `threshold`: x [n, *shape]. Chapter 04.

    Source: Burda, Grosse & Salakhutdinov (2016), section 5.2.
    """
    variances = model.encode(x).var(axis=0)
    return ActiveUnits(int((variances > threshold).sum()), variances)


def kl_per_dimension(model, x):
    """KL(q(z_j|x) || N(0, 1)) for each latent, mean over the data: [latent_size], in nats. Built in chapter 03.

    The entries add up to the KL of the bound. ValueError where it does not split: a full covariance, a mixture prior.
    """
    model.check(x)
    return in_batches(lambda part: bounds.kl_per_latent(model.posterior(pixels(part)), model.prior()), x).mean(axis=0)


_PIXEL_DENSITIES = {
    "bernoulli": lambda output: tfd.Bernoulli(probs=output, dtype=tf.float32),
    "gaussian": lambda output: tfd.Normal(output, 1.0),
    "laplace": lambda output: tfd.Laplace(output, 1.0),
}


def effective_beta(loss_fn, likelihood="bernoulli", shape=(28, 28, 1), latent_size=8, batch_size=16, seed=0):
    """The weight of the KL in a loss, once its reconstruction term is a true log-likelihood in nats.

        loss = a * mean_n[-log p(x_n|z_n)] + b * mean_n[KL_n] + constant,    effective beta = b / a

    loss_fn(x, output, mean, log_var) -> scalar: x and output (the decoder's mean image) [batch, *shape] in (0, 1),
        mean and log_var [batch, latent_size].
    likelihood: which density the reconstruction stands for: "bernoulli", "gaussian" or "laplace" (scale 1).
    a and b are measured, as slopes between random points; b along the posterior means. 1 means that the loss is the
    negative ELBO. Raises ValueError if the loss is not such a sum for this likelihood. Built in chapter 04.
    """
    density = lookup(_PIXEL_DENSITIES, likelihood, "likelihood")
    random = np.random.default_rng(seed)

    def uniform(low, high, size):
        return tf.constant(random.uniform(low, high, size), tf.float32)

    def loss(*arguments):
        value = np.asarray(loss_fn(*arguments), "float64")
        if value.size != 1 or not np.isfinite(value).all():
            raise ValueError(f"loss_fn must give one finite number. Received: shape {list(value.shape)}, {value}")
        return value.item()

    def nll(x, output):
        log_prob = density(output).log_prob(x)
        return -float(tf.reduce_mean(tf.reduce_sum(log_prob, axis=list(range(1, len(x.shape))))))

    def kl(mean, log_var):
        divergence = tfd.kl_divergence(tfd.Normal(mean, tf.exp(log_var / 2)), tfd.Normal(0.0, 1.0))
        return float(tf.reduce_mean(tf.reduce_sum(divergence, axis=-1)))

    image, code = (batch_size, *shape), (batch_size, latent_size)
    slopes = []
    for contrast in (0.3, 0.6, 0.9):  # far apart, so that a loss of another shape gives itself away
        x = tf.cast(uniform(0, 1, image) > 0.5, tf.float32)
        poor, good = uniform(0.3, 0.7, image), 0.5 + contrast * (x - 0.5) * uniform(0.8, 1, image)
        log_var, near, far = uniform(-1, 0, code), uniform(-0.5, 0.5, code), uniform(1, 2, code)
        start = loss(x, poor, near, log_var)
        a = (loss(x, good, near, log_var) - start) / (nll(x, good) - nll(x, poor))
        b = (loss(x, poor, far, log_var) - start) / (kl(far, log_var) - kl(near, log_var))
        slopes.append((a, b))
    a, b = np.mean(slopes, axis=0)
    if a <= 0 or np.abs(np.array(slopes) / [a, b or 1.0] - 1.0).max() > 0.02 and b:
        raise ValueError(
            f"The loss is not a weighted sum of the {likelihood!r} negative log-likelihood and the KL: its slopes "
            "change from point to point. Is it another likelihood? "
            f"Received slopes (a, b): {np.round(slopes, 6).tolist()}"
        )
    return float(b / a)
