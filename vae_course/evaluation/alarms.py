"""When is a score an alarm, and how many alarms are true? A threshold without labels, base rates, and a warning.

Scores are numbers [n], higher = odder, of any detector. Built in chapter 13.
"""

import math
import numbers as types

from vae_course import needed
from vae_course.evaluation.arrays import numbers
from vae_course.models import checks

import numpy as np
import numpy.typing as npt


def threshold(normal_scores: npt.ArrayLike, false_alarms: float = 0.01) -> float:
    """The threshold t for alarms score > t, from scores [n] of normal examples that took no part in training: a number.

        t = the k-th smallest score, k = ceil((n + 1) (1 - false_alarms))

    For a new normal example, exchangeable with these, P(score > t) <= false_alarms; if no scores are equal it is above
    false_alarms - 1 / (n + 1). That is a mean over sets of n: the rate of the one set at hand is beta distributed, with
    a deviation of about sqrt(false_alarms / n). It says nothing of anomalies, nor of normal data that shift.
    ValueError for fewer than 1 / false_alarms - 1 scores: no rank then keeps the promise. Built in chapter 13.
    Source: Vovk, Gammerman & Shafer (2005), "Algorithmic learning in a random world".
    """
    scores = _scores("normal_scores", normal_scores)
    _share(false_alarms, "false_alarms")
    rank = math.ceil((len(scores) + 1) * (1 - false_alarms) - 1e-9)
    if rank > len(scores):
        raise ValueError(
            f"For {false_alarms:g} false alarms there must be at least {math.ceil(1 / false_alarms - 1 - 1e-9)} normal "
            f"scores: with fewer no threshold keeps that rate. Received: {len(scores)}"
        )
    return float(np.sort(scores)[rank - 1])


def average_precision(labels: npt.ArrayLike, scores: npt.ArrayLike, base_rate: float | None = None) -> float:
    """The precision, averaged over the recall that each threshold adds, at a given base rate: a number in [0, 1].

        precision = base_rate * recall / (base_rate * recall + (1 - base_rate) * false_alarms)

    labels [n]: 1 (or True) for anomalies, 0 for normal; scores [n], higher = odder. base_rate: the share of anomalies
    where the detector will work, by weights on both groups; None is the set's own, and then this is scikit-learn's
    `average_precision_score`. Chance has an average precision of base_rate. Built in chapter 13.
    """
    with needed("scores"):
        from sklearn.metrics import average_precision_score

    labels, scores = _labels(labels), _scores("scores", scores)
    checks.same_length(labels, scores, "scores")
    odd = labels.mean()
    if odd in (0, 1):
        raise ValueError(f"labels must hold both normal (0) and odd (1) examples. Received: only {int(odd)}")
    base_rate = odd if base_rate is None else _share(base_rate, "base_rate")
    weights = np.where(labels == 1, base_rate / odd, (1 - base_rate) / (1 - odd))
    return float(average_precision_score(labels, scores, sample_weight=weights))


def point_adjusted(labels: npt.ArrayLike, alarms: npt.ArrayLike) -> np.ndarray:
    """Alarms [steps] after *point adjustment*: one alarm within an event counts as an alarm at each of its steps.

    labels, alarms [steps]: 1 or 0; an event is a run of ones in labels.
    **A warning, and no recommendation.** It uses the labels, so it is part of no detector. The longer the events the
    more it forgives: random scores reach an F1 above 0.9, and beat published detectors. It is here to recompute
    published numbers, and to show what chance gets beside them. Built in chapter 13.
    Source: Xu et al. (2018), "Unsupervised anomaly detection via variational auto-encoder for seasonal KPIs in web
    applications"; the warning: Kim et al. (2022), "Towards a rigorous evaluation of time-series anomaly detection".
    """
    labels, alarms = _labels(labels), _labels(alarms, "alarms")
    checks.same_length(labels, alarms, "alarms")
    adjusted = alarms.copy()
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0))
    for start, stop in zip(edges[::2], edges[1::2]):
        if alarms[start:stop].any():
            adjusted[start:stop] = 1
    return adjusted


# --- what is asked of the arguments ---


def _scores(name, values):
    scores = numbers(name, values)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"{name} must hold one number for each example, [n]. Received: shape {list(scores.shape)}")
    return scores


def _labels(labels, name="labels"):
    labels = _scores(name, labels)
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"{name} must be 1 (odd) or 0 (normal): for several kinds of faults pass y > 0. "
            f"Received: {np.unique(labels)[:6].tolist()}"
        )
    return labels.astype("int64")


def _share(value, name):
    if isinstance(value, bool) or not isinstance(value, types.Real) or not 0 < value < 1:
        raise ValueError(f"{name} must be a share between 0 and 1, both excluded. Received: {value!r}")
    return float(value)
