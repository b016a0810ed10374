"""How likely are data under a VAE? The importance-sampled log-likelihood, in nats per example."""

import math
import weakref
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class LogLikelihood(NamedTuple):
    """An estimate of log p(x) over a data set, in nats per example."""

    mean: float
    standard_error: float  # of the mean over examples: how much another test set of this size would differ
    per_example: np.ndarray  # [n]


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
