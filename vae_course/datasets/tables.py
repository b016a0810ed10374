"""Generated tables: what users watched ("films") and how customers pay ("payments"). The truth behind both is known.

Both are invented: they teach how methods are compared, and prove nothing about shops or banks.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

GENRES = ("action", "comedy", "crime", "drama", "fantasy", "horror", "romance", "western")
FILMS = 200
COLUMNS = (
    "amount",  # log10 of euros
    "hour",  # of the day; after midnight it counts on, so 25 is one o'clock at night
    "pause",  # log10 of the hours since the last payment
    "distance",  # log10 of the kilometers from home
    "week",  # log10 of the number of payments in the last seven days
    "ratio",  # log10 of the amount, divided by the customer's usual one
    "shop",  # log10 of the days since the customer first paid at this shop
    "balance",  # log10 of the euros left in the account
    "limit",  # the share s of the card's monthly limit used so far, as log(s / (1 - s))
)
LABELS = ("normal", "loot", "testing", "copy")
# The four ways of life: the means of the columns, and how they move together along two hidden directions.
WAYS = {
    "commuter": (
        (1.0, 8.0, 1.1, 1.1, 1.1, 0.0, 2.4, 3.3, -0.8),
        (0.25, 0.3, 0.1, 0.30, -0.10, 0.15, 0.10, 0.20, 0.5),
        (-0.05, 0.8, 0.25, 0.10, -0.15, 0.05, -0.30, 0.10, -0.3),
    ),
    "family": (
        (1.8, 17.0, 1.4, 0.5, 0.9, 0.1, 2.7, 2.8, 0.8),
        (0.30, -0.5, 0.2, 0.15, -0.15, 0.25, -0.05, -0.30, 0.6),
        (0.05, 1.2, -0.10, 0.25, 0.10, -0.05, 0.25, 0.05, 0.1),
    ),
    "student": (
        (0.8, 21.0, 0.8, 0.3, 1.3, -0.1, 1.7, 2.1, 0.2),
        (0.20, 1.0, -0.2, 0.30, 0.15, 0.15, -0.35, -0.25, 0.4),
        (0.10, -0.5, 0.15, 0.05, -0.10, 0.10, 0.20, -0.20, 0.5),
    ),
    "traveler": (
        (2.1, 13.0, 1.6, 2.7, 0.6, 0.3, 0.9, 3.7, 0.4),
        (0.30, 0.5, 0.15, 0.35, -0.15, 0.20, -0.40, 0.15, 0.4),
        (-0.10, 1.5, -0.20, 0.25, 0.10, -0.10, 0.10, 0.25, -0.4),
    ),
}
SHARES = (0.35, 0.30, 0.20, 0.15)  # of the four ways of life
NOISE = (0.25, 1.5, 0.3, 0.3, 0.18, 0.18, 0.36, 0.3, 0.6)  # what each column does on its own
TESTING = (0.0, 12.0, -0.2, 1.3, 1.5, -0.45, 1.0, 2.9, 0.6)  # the mean of "testing": small, fast, at new shops


def films(sizes: Iterable[int], seed: int) -> tuple[list[np.ndarray], list[np.ndarray], tuple[str, ...]]:
    """Lists of films: x [n, 200] 0/1 for each of `sizes`, log-probabilities [n, 200] for each, and the films' names.

    log p(film) = -log(rank + 3) + (strength of a user's taste for each of the film's genres, summed)
                  + 1.5 if the user likes two of its genres + constant
    A film has one to three of 8 genres, a user one to three tastes. A list's length is log-normal, 8 to 80; its films
    are drawn from p without replacement: the greatest log p + Gumbel noise. The log-probabilities are rounded to
    four digits before lists are drawn, so they are the truth exactly. A film's name is its rank and its genres.
    """
    random = np.random.default_rng(seed)
    ranks = np.arange(1, FILMS + 1)
    genres = _some(random, FILMS, (0.45, 0.4, 0.15))
    names = tuple(f"{rank:03d} {'-'.join(np.array(GENRES)[row])}" for rank, row in zip(ranks, genres))
    lists, truth = [], []
    for size in sizes:
        tastes = _some(random, size, (0.35, 0.4, 0.25))
        strengths = tastes * random.uniform(2.0, 3.2, tastes.shape)
        liked, strength = np.zeros((size, FILMS)), np.zeros((size, FILMS))
        for genre in range(len(GENRES)):  # not by a matrix product, whose last bit depends on the machine
            liked += tastes[:, genre, None] * genres[:, genre]
            strength += strengths[:, genre, None] * genres[:, genre]
        log_p = strength + 1.5 * (liked >= 2) - np.log(ranks + 3)
        log_p = np.round(log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True)), 4)
        lengths = np.clip(np.rint(np.exp(random.normal(3.0, 0.6, size))), 8, 80)
        places = (-(log_p + random.gumbel(size=log_p.shape))).argsort(axis=1).argsort(axis=1)
        lists.append((places < lengths[:, None]).astype(np.float32))
        truth.append(log_p.astype(np.float32))
    return lists, truth, names


def _some(random, rows, shares):
    """One, two or three genres for each row, with the given shares: [rows, 8] bool."""
    counts = 1 + random.choice(3, rows, p=shares)
    places = random.random((rows, len(GENRES))).argsort(axis=1).argsort(axis=1)
    return places < counts[:, None]


def payments(labels: npt.ArrayLike, seed: int) -> np.ndarray:
    """A payment for each label (an index of LABELS): [n, 9], columns and units as in COLUMNS.

    normal: one of four WAYS of life, each with its own means and its own two directions in which columns go together
    loot: a normal payment driven to extremes: a great amount, far away, right after the last one
    testing: a dense cluster of small payments, to find out whether a stolen card works
    copy: every column from another normal payment: plausible one by one, not together
    """
    random = np.random.default_rng(seed)
    labels = np.asarray(labels)
    x = _normal(len(labels), random)
    loot, testing, copy = (np.flatnonzero(labels == label) for label in (1, 2, 3))
    extreme = np.array([1.8, 0.0, -1.8, 2.0, 0.6, 1.4, -1.5, -1.4, 3.0])
    x[loot] += extreme * random.uniform(0.5, 1.3, (len(loot), 1)) * (random.random((len(loot), len(COLUMNS))) < 0.7)
    x[testing] = TESTING + 0.3 * np.array(NOISE) * random.normal(size=(len(testing), len(COLUMNS)))
    others = _normal(len(copy) * len(COLUMNS), random).reshape(len(copy), len(COLUMNS), len(COLUMNS))
    x[copy] = np.diagonal(others, axis1=1, axis2=2)
    return np.round(x, 4)


def _normal(n, random):
    means, first, second = (np.array(part) for part in zip(*WAYS.values()))
    way = random.choice(len(WAYS), n, p=SHARES)
    a, b = random.normal(size=(2, n, 1))
    return means[way] + a * first[way] + b * second[way] + np.array(NOISE) * random.normal(size=(n, len(COLUMNS)))
