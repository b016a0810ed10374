"""Do intervals hold what they promise? Draws of an answer against the answer that came."""

from vae_course.evaluation.arrays import numbers

import numpy as np
import numpy.typing as npt


def coverage(draws: npt.ArrayLike, x: npt.ArrayLike, level: float = 0.9) -> float:
    """The share of entries of x that lie in the central interval of their draws: a number in [0, 1].

        mean of [a_i <= x_i <= b_i],  where a_i and b_i cut off (1 - level) / 2 of the draws on either side

    draws: [k, n, ...], k draws for each entry of x [n, ...], independent given what the model knows, observation noise
        included: means of p(x|z) are no draws of x, and their intervals are too narrow. One vector of draws [k] for
        all entries is draws[:, None], which is broadcast.
    level: what the interval promises. If x is drawn as the draws are, the share is `level` in expectation, for any k:
        the bounds are order statistics at level k + 1 (numpy's method "weibull"). Other quantiles of 20 draws give
        intervals that hold 0.82 where they promise 0.9.
    ValueError for fewer than (1 + level) / (1 - level) draws, whose extremes do not reach that far.

    A share near `level` is necessary and not enough: intervals that are too wide for half of the entries and too narrow
    for the others have it too, and so has a model that ignores its condition. Built in chapter 15.
    Source: Gneiting, Balabdaoui & Raftery (2007), "Probabilistic forecasts, calibration and sharpness".
    """
    draws, x = numbers("draws", draws), numbers("x", x)
    if isinstance(level, bool) or not isinstance(level, (int, float, np.number)) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, both excluded. Received: {level!r}")
    if draws.ndim != x.ndim + 1 or any(a not in (1, b) for a, b in zip(draws.shape[1:], x.shape)) or not x.size:
        raise ValueError(
            "draws must have shape [k, n, ...], k draws for each entry of x [n, ...]. "
            f"Received: draws {list(draws.shape)} and x {list(x.shape)}"
        )
    least = int(np.ceil((1 + level) / (1 - level) - 1e-9))
    if len(draws) < least:
        raise ValueError(
            f"For intervals of level {level:g} there must be at least {least} draws. Received: {len(draws)}"
        )
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
    return float(np.mean((low <= x) & (x <= high)))
