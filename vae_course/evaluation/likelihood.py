"""How likely are data under a VAE? The importance-sampled log-likelihood, in nats per example."""

import math
import weakref
from typing import NamedTuple

from vae_course.models import VQVAE, checks
from vae_course.models.joint import Joint

import numpy as np
import numpy.typing as npt
import tensorflow as tf


class LogLikelihood(NamedTuple):
    """An estimate of log p(x) over a data set, in nats per example."""

    mean: float
    standard_error: float  # of the mean over examples: how much another test set of this size would differ
    per_example: np.ndarray  # [n]


_programs = weakref.WeakKeyDictionary()  # model -> {what was asked for: (its graph, its compiled sum)}


def _log_sum(model, batch, samples):
    """(batch, seed) -> log sum_k w_k for so many samples: compiled once, and anew if the model computes something else.

    The graph is traced at every call, which is cheap, and compared: an attribute that was changed shows in it.
    """
    whole = getattr(model, "compiled_for", model)
    slow = not getattr(getattr(model, "posterior_part", None), "suits_xla_on_cpu", True)
    gpu = bool(tf.config.list_physical_devices("GPU"))

    @tf.function(jit_compile=bool(whole.jit_compile and (gpu or not slow)), autograph=False)
    def log_sum(batch, seed):
        return tf.reduce_logsumexp(model.log_weights(batch, samples, seed), axis=0)

    specs = tf.nest.map_structure(lambda array: tf.TensorSpec(array.shape, tf.as_dtype(array.dtype)), batch)
    traced = log_sum.get_concrete_function(specs, tf.TensorSpec([2], tf.int32))
    graph = traced.graph.as_graph_def().SerializeToString(deterministic=True)
    captured = [id(tensor) for tensor in traced.captured_inputs]
    known = _programs.setdefault(whole, {})
    key = (str(specs), samples, whole is model)
    if key not in known or known[key][:2] != (graph, captured):
        known[key] = graph, captured, traced
    return known[key][2]


def log_likelihood(
    model: Joint | VQVAE, x: npt.ArrayLike | tf.data.Dataset, k: int = 500, batch_size: int = 100, seed: int = 0
) -> LogLikelihood:
    """log (1/k) sum_k w_k per example, a lower bound on log p(x) in expectation: x [n, *shape]. Built in chapter 04.

    x: an array, a frame or a tf.data set; a pair (x, c) for a `ConditionalVAE` with a condition for each example.
    k: posterior samples for each example; the bound tightens as k grows, so report k with the result.
    The samples come in chunks, so memory does not grow with k. The same seed gives the same estimate at the same
    batch_size.
    Source: Burda, Grosse & Salakhutdinov (2016), "Importance weighted autoencoders".
    """
    k, batch_size = checks.whole_number(k, "k"), checks.whole_number(batch_size, "batch_size")
    seed = checks.random_seed(seed)
    if not hasattr(model, "log_weights"):
        raise ValueError(f"log p(x) is defined for VAEs and their kin only. Received: {type(model).__name__}")
    model, data = with_conditions(model, checks.collected(x))
    if hasattr(model, "posterior"):
        x = parts_of(model, data)[1]
    else:  # a VQVAE, whose q(z|x) is certain
        model.check(x := data)
    n = len(x)
    batch_size, chunk = min(batch_size, n), min(k, 50)

    def rows(start):  # the last batch is filled up, so that it compiles once
        return tf.nest.map_structure(lambda array: array[np.arange(start, start + batch_size) % n], data)

    counts = sorted({min(chunk, k - first) for first in range(0, k, chunk)})
    log_sums = {samples: _log_sum(model, rows(0), samples) for samples in counts}
    totals = []
    for start in range(0, n, batch_size):
        batch = tf.nest.map_structure(tf.constant, rows(start))
        sums = []
        for first in range(0, k, chunk):
            seeds = tf.constant([seed, (start * k + first) % 2**31])
            sums.append(log_sums[min(chunk, k - first)](batch, seeds).numpy())
        with np.errstate(invalid="ignore"):  # said below, in words
            totals.append(np.logaddexp.reduce(sums, axis=0))
    per_example = np.concatenate(totals)[:n] - math.log(k)
    wrong = n - int(np.isfinite(per_example).sum())
    if wrong:
        raise ValueError(
            "log p(x) must be finite: are these examples in the likelihood's support, and are all weights finite? "
            f"Received: NaN or infinity for {wrong} of {n} examples"
        )
    error = per_example.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan
    return LogLikelihood(float(per_example.mean()), float(error), per_example)


def with_conditions(model: Joint, data: np.ndarray | tuple) -> tuple[Joint, np.ndarray | tuple]:
    """(model, (x, c)) for a `given(c)` with a row for each example, so that both are cut in the same pieces."""
    c = getattr(model, "c", None)
    if len(getattr(c, "shape", ())) != 2 or isinstance(data, tuple):
        return model, data
    checks.same_length(data, c.numpy(), "c")
    return model.model, (data, c.numpy())


def parts_of(model: Joint, data: np.ndarray | tuple[np.ndarray, ...]) -> tuple[Joint, np.ndarray]:
    """(what has prior(), posterior(x) and likelihood(z), x): the model, or given c where data is a pair (x, c)."""
    if not all(hasattr(model, name) for name in ("prior", "posterior", "likelihood")):
        raise ValueError(f"This is measured on VAEs and their kin only. Received: {type(model).__name__}")
    if isinstance(data, tuple):
        x, c = data
        if not hasattr(model, "given"):
            raise ValueError(f"{type(model).__name__} takes examples alone. Received: a pair (x, c)")
        model.check(x)
        model.check_second(c, x)
        return model.given(c), x
    if hasattr(model, "given"):
        raise ValueError(
            "This model needs a condition: pass a pair (x, c), or model.given(c). Received: examples alone"
        )
    model.check(data)
    return model, data
