"""How far each latent follows one factor: four scores of codes [n, d] against known factors [n, F]. 1 is perfect.

Give them posterior means and the factors' values, such as `vae.encode(data.x_valid)` and `data.factors_valid`. They
measure what they measure: chapter 07 shows what each of them misses. Outliers, values more than three interquartile
ranges beyond a latent's quartiles, are moved to the furthest value that is none: a single one can undo a score.
"""

from typing import NamedTuple

from vae_course import needed
from vae_course.evaluation.arrays import numbers

import numpy as np
import numpy.typing as npt

PAIRS = 64  # in one vote: for the beta-VAE metric, pairs of examples; for the FactorVAE score, examples


class DCI(NamedTuple):
    """Three scores, each 1 at best."""

    disentanglement: float  # each latent matters for one factor only
    completeness: float  # each factor depends on one latent only
    informativeness: float  # R^2 of predicting the factors, on examples held out


def _checked(codes, factors):
    """Codes without outliers and constant columns, [n, d] scaled to deviation 1; for each factor its value's number."""
    codes, factors = numbers("codes", codes), numbers("factors", factors)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or len(codes) < 10:
        raise ValueError(
            "codes [n, d] and factors [n, F] must describe the same examples, at least 10. "
            f"Received: {list(codes.shape)} and {list(factors.shape)}"
        )
    codes = _without_outliers(codes)
    spread = codes.std(axis=0)
    kept = spread > 1e-6 * max(1.0, np.abs(codes).max())
    levels = np.stack([np.unique(column, return_inverse=True)[1].ravel() for column in factors.T], axis=1)
    if factors.shape[1] < 2 or levels.max(axis=0).min() < 1:
        raise ValueError(
            "There must be at least two factors, each with two values or more. "
            f"Received: factors with {(levels.max(axis=0) + 1).tolist()} values"
        )
    most = int(levels.max()) + 1
    if most > 20 and most > len(factors) / 4:
        raise ValueError(
            "Factors must have few values, each shared by several examples: sort continuous ones into bins first "
            f"(numpy.digitize). Received: a factor with {most} different values in {len(factors)} examples"
        )
    return (codes[:, kept] - codes[:, kept].mean(axis=0)) / spread[kept], levels


def _without_outliers(codes):
    """Codes [n, d]; values beyond Tukey's far fences, 3 interquartile ranges out, become the furthest within them.

    Of normal codes one in 400,000 lies beyond. A latent whose middle half is constant stays as it is.
    """
    low, high = np.quantile(codes, [0.25, 0.75], axis=0)
    reach = np.where(high > low, 3 * (high - low), np.inf)
    within = (codes >= low - reach) & (codes <= high + reach)
    return np.clip(codes, np.where(within, codes, np.inf).min(axis=0), np.where(within, codes, -np.inf).max(axis=0))


def _votes(levels, count, random):
    """`count` times: which factor is held fixed, and 2 * PAIRS examples that share one value of it, in two rows."""
    rows_of = {}
    for _ in range(count):
        factor = random.integers(levels.shape[1])
        level = levels[random.integers(len(levels)), factor]
        if (factor, level) not in rows_of:
            rows_of[factor, level] = np.flatnonzero(levels[:, factor] == level)
        yield factor, random.choice(rows_of[factor, level], size=(2, PAIRS))


def _accuracy(accuracy, factors, above_chance):
    return max(0.0, (accuracy - 1 / factors) / (1 - 1 / factors)) if above_chance else accuracy


def beta_vae_score(codes: npt.ArrayLike, factors: npt.ArrayLike, seed: int = 0, above_chance: bool = False) -> float:
    """Accuracy of a linear classifier that names the shared factor of pairs from mean |z - z'|. Tested in chapter 07.

    Here the 64 pairs of a vote share one value of the factor; in the paper each pair has a value of its own.
    codes [n, d], factors [n, F] -> float. Guessing scores 1/F; with `above_chance` that is 0, and 1 stays 1.
    Source: Higgins et al. (2017), "beta-VAE: learning basic visual concepts with a constrained variational framework".
    """
    with needed("scores"):
        from sklearn.linear_model import LogisticRegression

    codes, levels = _checked(codes, factors)
    random = np.random.default_rng(seed)
    if not codes.shape[1]:
        return _accuracy(1 / levels.shape[1], levels.shape[1], above_chance)
    votes = [(np.abs(codes[a] - codes[b]).mean(axis=0), factor) for factor, (a, b) in _votes(levels, 1500, random)]
    differences, fixed = map(np.array, zip(*votes))
    classifier = LogisticRegression(C=100.0, max_iter=1000).fit(differences[:1000], fixed[:1000])
    return _accuracy(float(classifier.score(differences[1000:], fixed[1000:])), levels.shape[1], above_chance)


def factor_vae_score(codes: npt.ArrayLike, factors: npt.ArrayLike, seed: int = 0, above_chance: bool = False) -> float:
    """Accuracy of naming the fixed factor from the latent that varies least, by majority vote. Built in chapter 07.

    codes [n, d], factors [n, F] -> float. Guessing scores about 1/F; with `above_chance` that is 0, and 1 stays 1.
    A rotated code can score 1 by chance, as one of eight random rotations of the true factors did: report another
    score, such as the MIG, beside it.
    Source: Kim & Mnih (2018), "Disentangling by factorizing".
    """
    codes, levels = _checked(codes, factors)
    random = np.random.default_rng(seed)
    if not codes.shape[1]:
        return _accuracy(1 / levels.shape[1], levels.shape[1], above_chance)
    table = np.zeros((2, codes.shape[1], levels.shape[1]))  # training and test votes: latent x factor
    for number, (factor, rows) in enumerate(_votes(levels, 1500, random)):
        table[int(number >= 1000), codes[rows.ravel()].var(axis=0).argmin(), factor] += 1
    named = table[0].argmax(axis=1)  # the factor that each latent stands for
    accuracy = table[1][np.arange(len(named)), named].sum() / table[1].sum()
    return _accuracy(float(accuracy), levels.shape[1], above_chance)


def mig(codes: npt.ArrayLike, factors: npt.ArrayLike, bins: int = 20) -> float:
    """Mutual information gap: mean over factors of (I(z_1; v) - I(z_2; v)) / H(v). Built in chapter 07.

    z_1 and z_2 are the two latents that tell most about the factor v; codes [n, d] are cut into `bins` of equal width
    between their extremes, outliers apart.
    Source: Chen et al. (2018), "Isolating sources of disentanglement in VAEs", section 4.
    """
    with needed("scores"):
        from sklearn.metrics import mutual_info_score

    codes, levels = _checked(codes, factors)
    binned = [np.digitize(z, np.histogram_bin_edges(z, bins)[1:-1]) for z in codes.T]
    gaps = []
    for factor in levels.T:
        information = sorted([0.0, 0.0, *(mutual_info_score(factor, z) for z in binned)])
        gaps.append((information[-1] - information[-2]) / mutual_info_score(factor, factor))
    return float(np.mean(gaps))


def dci(codes: npt.ArrayLike, factors: npt.ArrayLike, seed: int = 0) -> DCI:
    """Disentanglement, completeness and informativeness, from random forests z -> factor. Built in chapter 07.

    codes [n, d], factors [n, F] -> DCI. R[j, f] is the importance of latent j for factor f; disentanglement is 1 minus
    the entropy of a latent's row, completeness 1 minus that of a factor's column, both weighted by importance.
    Source: Eastwood & Williams (2018), "A framework for the quantitative evaluation of disentangled representations".
    """
    with needed("scores"):
        from sklearn.ensemble import RandomForestRegressor

    codes, levels = _checked(codes, factors)
    if not codes.shape[1]:
        return DCI(0.0, 0.0, 0.0)
    order = np.random.default_rng(seed).permutation(len(codes))
    train, test = np.split(order, [int(0.75 * len(order))])
    importance, scores = [], []
    for factor in levels.T:
        forest = RandomForestRegressor(40, min_samples_leaf=3, random_state=seed).fit(codes[train], factor[train])
        importance.append(forest.feature_importances_)
        scores.append(max(0.0, forest.score(codes[test], factor[test])))
    importance = np.array(importance).T  # [d, F]
    return DCI(_concentration(importance), _concentration(importance.T), float(np.mean(scores)))


def _concentration(importance):
    """1 - entropy of each row over log(columns), weighted by the row's share of everything."""
    total, columns = importance.sum(axis=1), importance.shape[1]
    if columns == 1 or not total.sum():
        return float(total.sum() > 0)
    shares = importance / np.maximum(total, 1e-12)[:, None]
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1) / np.log(columns)
    return float(np.average(1 - entropy, weights=total))
