"""How odd is an example? The scores that a VAE offers, higher = odder; and windows, for series.

A score is made from one model and one example: no label and no test set takes part in it. So a threshold that was set
on held-out normal examples (`alarms.threshold`) still means something for the next one. Built in chapter 13.
"""

from vae_course import bounds
from vae_course.evaluation.arrays import numbers
from vae_course.evaluation.likelihood import parts_of, with_conditions
from vae_course.likelihoods import Categorical, Tokens
from vae_course.models import checks
from vae_course.models.joint import Joint

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class _Scores(dict):
    """The scores that a model has; asked for another one, it says why there is none."""

    def __init__(self, scores, absent):
        super().__init__(scores)
        self.absent = absent

    def __missing__(self, name):
        raise KeyError(self.absent.get(name, f"There is no score {name!r}: choose one of {', '.join(self)}"))


def anomaly_scores(
    model: Joint, x: npt.ArrayLike | tf.data.Dataset, draws: int = 8, per_feature: bool = False, seed: int = 0
) -> dict[str, np.ndarray]:
    """The scores that a VAE offers, higher = odder: a dictionary of numpy [n], for x [n, *shape]. Built in chapter 13.

        error            |x - E[x | z = mean of q(z|x)]|^2, summed over entries, in the units of x squared
        reconstruction   -E_q(z|x)[log p(x|z)], a mean over `draws` codes, in nats: "reconstruction probability"
        kl               KL(q(z|x) || p(z)), in nats: how far the code went from the prior
        elbo             -ELBO(x) = reconstruction + kl, in nats
        code             |mean of q(z|x)|^2: the squared distance of the code from 0

    x: an array, a frame or a tf.data set; a pair (x, c) for a `ConditionalVAE` with a condition for each example.
    draws, seed: twice the same gives the same numbers. Where q is a diagonal normal all examples get the same noise, so
        that a score does not depend on the other rows of x; for other posteriors it depends on an example's place.
    per_feature: "error" and "reconstruction" for each entry, [n, *shape], which add up to the scores; the others do not
        divide among entries, and stay [n].

    What a model cannot say is left out, and asking for it says why: an "error" of classes or tokens; a score for each
    entry where the likelihood has no independent ones. NaN under a likelihood with missing=True counts nothing, so a
    row with gaps scores lower than the same row without: compare rows that have the same entries. A KL without a closed
    form (mixtures, flows) is a mean over the draws. ValueError for other x, or scores that are not finite.
    Source: An & Cho (2015), "Variational autoencoder based anomaly detection using reconstruction probability".
    """
    draws, seed = checks.whole_number(draws, "draws"), checks.random_seed(seed)
    model, data = with_conditions(model, checks.collected(x))
    view, x = parts_of(model, data)
    absent, pieces = _absent(view, per_feature), []
    for start in range(0, len(x), 256):
        rows = tf.nest.map_structure(lambda array, i=start: array[i : i + 256], data)
        view, some = (model.given(rows[1]), rows[0]) if isinstance(rows, tuple) else (model, rows)
        terms = _terms(view, view.prepare(some), draws, [seed, start], absent, per_feature)
        pieces.append({name: value.numpy() for name, value in terms.items()})
    scores = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    for name, values in scores.items():
        wrong = len(x) - int(np.isfinite(values.reshape(len(x), -1)).all(axis=1).sum())
        if wrong:
            raise ValueError(
                f"{name!r} must be finite: are these examples in the likelihood's support, and are all weights finite? "
                f"Received: NaN or infinity for {wrong} of {len(x)} examples"
            )
    return _Scores(scores, absent)


def _absent(view, per_feature):
    """{score: why this model has none}."""
    part, absent = getattr(view, "likelihood_part", None), {}
    own = getattr(view, "_own_likelihood", lambda: False)()
    kinds = getattr(part, "parts", [part])
    if not own and any(isinstance(kind, Categorical | Tokens) for kind in kinds):
        absent["error"] = (
            "There is no 'error': a difference of classes or of tokens means nothing. Take 'reconstruction', in nats"
        )
    if per_feature and (own or any(isinstance(kind, Tokens) for kind in kinds)):
        absent["reconstruction"] = absent["elbo"] = (
            "There is no 'reconstruction' for each entry: this likelihood is not made of independent entries. Take "
            "per_feature=False"
        )
    return absent


def _terms(view, x, draws, seed, absent, per_feature):
    """The scores of x [batch, *shape] that are not absent, as tensors."""
    q, prior = view.posterior(x), view.prior()
    mean, z = q.mean(), _codes(q, draws, seed)
    kl = bounds.kl(q, prior, z)
    kl = tf.reduce_mean(kl, axis=0) if len(kl.shape) == 2 else kl  # [draws, batch] where it has no closed form
    terms = {"kl": kl, "code": tf.reduce_sum(mean**2, axis=-1)}
    entries = list(range(1, len(x.shape)))
    if "error" not in absent:
        difference = x - view.picture(mean)
        error = tf.where(tf.math.is_nan(x), 0.0, difference**2)
        terms["error"] = error if per_feature else tf.reduce_sum(error, axis=entries)
    if "reconstruction" not in absent:
        likelihood = view.likelihood(z)
        minus_log_p = -tf.reduce_mean(_each(likelihood, x) if per_feature else likelihood.log_prob(x), axis=0)
        terms["reconstruction"] = minus_log_p
        terms["elbo"] = kl + (tf.reduce_sum(minus_log_p, axis=entries) if per_feature else minus_log_p)
    return terms


def _codes(q, draws, seed):
    """[draws, batch, latent_size]; the same noise for each example where that can be."""
    if isinstance(q, tfd.MultivariateNormalDiag):
        noise = tf.random.stateless_normal([draws, 1, q.event_shape[-1]], [seed[0], 0])
        return q.mean() + q.stddev() * noise
    return q.sample(draws, seed=seed)


def _each(likelihood, x):
    """log p(x_i|z) for each entry: [draws, batch, *shape]."""
    if isinstance(likelihood, tfd.Blockwise):
        kinds = likelihood.distributions
        pieces = tf.split(x, [int(kind.event_shape[-1]) for kind in kinds], axis=-1)
        return tf.concat([_each(kind, piece) for kind, piece in zip(kinds, pieces)], axis=-1)
    missing = tf.math.is_nan(x)
    log_p = likelihood.distribution.log_prob(tf.where(missing, tf.zeros([], x.dtype), x))
    return tf.where(missing, tf.zeros([], log_p.dtype), log_p)


# --- from a series to windows, and back ---


def sliding_windows(series: npt.ArrayLike, length: int, step: int = 1) -> np.ndarray:
    """Windows [n, length, channels] of a series [steps, channels], or [steps] of one channel; a copy.

    Window i holds the steps i * step ... i * step + length - 1, so n = (steps - length) // step + 1; steps after the
    last full window are in none. Cut a series into train and test *before* this: neighboring windows share steps.
    """
    series = np.asarray(series)
    if series.ndim not in (1, 2) or series.dtype.kind not in "fiub":
        raise ValueError(
            "series must be numbers [steps, channels] or [steps], of one machine: cut several one by one, or windows "
            f"reach from one into the next. Received: shape {list(series.shape)}, dtype {series.dtype}"
        )
    series = series[:, None] if series.ndim == 1 else series
    length, step = checks.whole_number(length, "length"), checks.whole_number(step, "step")
    if len(series) < length:
        raise ValueError(f"A window must fit into the series: {len(series)} steps. Received: length={length}")
    windows = np.lib.stride_tricks.sliding_window_view(series, length, axis=0)[::step]  # [n, channels, length]
    return np.moveaxis(windows, -1, 1).copy()


def scores_of_steps(
    scores: npt.ArrayLike, length: int, steps_total: int, step: int = 1, how: str = "mean"
) -> np.ndarray:
    """A score for each time step, [steps_total], from those of `sliding_windows`, [n] or for each step [n, length].

    how: the "mean" or the "max" over all windows that hold the step; NaN for steps that no window holds. The max finds
    short faults and blurs their ends by up to length - 1 steps; both look ahead, by as many: a live alarm has only the
    windows that end now, `scores` themselves.
    """
    scores = numbers("scores", scores)
    length, step = checks.whole_number(length, "length"), checks.whole_number(step, "step")
    steps_total = checks.whole_number(steps_total, "steps_total", length)
    wanted = (steps_total - length) // step + 1
    if scores.shape not in ((wanted,), (wanted, length)):
        raise ValueError(
            f"{steps_total} steps in windows of {length}, {step} apart, are {wanted} windows: scores must have shape "
            f"[{wanted}], or [{wanted}, {length}]. Received: {list(scores.shape)}"
        )
    if how not in ("mean", "max"):
        raise ValueError(f'how must be "mean" or "max". Received: {how!r}')
    each = np.broadcast_to(scores if scores.ndim == 2 else scores[:, None], (wanted, length))
    places = step * np.arange(wanted)[:, None] + np.arange(length)
    if how == "max":
        result = np.full(steps_total, -np.inf)
        np.maximum.at(result, places, each)
        return np.where(np.isneginf(result), np.nan, result)
    counts = np.bincount(places.ravel(), minlength=steps_total).astype("float64")
    sums = np.bincount(places.ravel(), each.ravel(), minlength=steps_total)
    return np.divide(sums, counts, out=np.full(steps_total, np.nan), where=counts > 0)
