"""Rankings of items for users: part of what each user chose is hidden, and a model has to bring it to the top.

Users are rows, items are columns; a 1 says that the user chose the item. `hide` divides the ones, the model sees `seen`
and scores every item, and `ndcg` and `recall` say how near the top it puts the ones in `hidden`. Seen items are taken
out of the ranking first: nobody needs to be told what he has, and a model that merely repeats its input would win.

Both are per user, so that two models can be compared user by user: the standard error of the mean of the *differences*
is often a third of that of either mean. Built in chapter 11.
"""

from vae_course.evaluation.arrays import numbers
from vae_course.models import checks

import numpy as np
import numpy.typing as npt


def hide(x: npt.ArrayLike, share: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Divide the ones of a 0/1 matrix [users, items] at random: (seen, hidden), float32, with seen + hidden = x.

    Of a user's n items round(share * n) are hidden, but at least one, and at least one stays. Repeats for equal seeds.
    ValueError for a user with fewer than two items, who cannot be divided.
    """
    x = _choices("x", x)
    if isinstance(share, bool) or not isinstance(share, (int, float, np.number)) or not 0 < share < 1:
        raise ValueError(f"share must be a number between 0 and 1, both excluded. Received: {share!r}")
    counts = x.sum(axis=1).astype(int)
    if (counts < 2).any():
        raise ValueError(
            "Every user needs two items, one to see and one to hide: keep x[x.sum(axis=1) >= 2]. "
            f"Received: {(counts < 2).sum()} users with fewer, the first in row {np.argmax(counts < 2)}"
        )
    wanted = np.clip(np.rint(share * counts), 1, counts - 1)
    order = np.random.default_rng(checks.whole_number(seed, "seed", 0)).random(x.shape)
    order[x == 0] = 2.0  # behind all ones
    place = order.argsort(axis=1).argsort(axis=1)  # of each item in its user's random order
    hidden = (place < wanted[:, None]).astype("float32")
    return x.astype("float32") - hidden, hidden


def ndcg(scores: npt.ArrayLike, hidden: npt.ArrayLike, seen: npt.ArrayLike, k: int = 20) -> np.ndarray:
    """DCG@k / ideal DCG@k of the ranking by `scores`, without the items in `seen`: [users], in [0, 1].

        DCG@k = sum over hidden items at ranks r <= k of 1 / log2(1 + r)

    scores, hidden, seen: [users, items]; hidden and seen are 0/1 and share no item. The ideal puts all hidden items on
    top, min(k, number of hidden) of them. It does not depend on what was found: an ideal of `sorted(hits)`, which many
    public programs use, forgives every hidden item that is missing among the first k.
    Items with equal scores share their ranks: each order of them counts equally.
    Sources: Jarvelin & Kekalainen (2002), "Cumulated gain-based evaluation of IR techniques"; for ties McSherry &
    Najork (2008), "Computing information retrieval performance measures efficiently in the presence of tied scores".
    """
    scores, hidden, seen, k = _checked(scores, hidden, seen, k)
    worth = np.zeros(scores.shape[1])
    worth[:k] = 1 / np.log2(np.arange(len(worth[:k])) + 2)
    ideal = np.cumsum(worth)[hidden.sum(axis=1).astype(int) - 1]
    return _found(scores, hidden, seen, worth) / ideal


def recall(scores: npt.ArrayLike, hidden: npt.ArrayLike, seen: npt.ArrayLike, k: int = 20) -> np.ndarray:
    """The share of hidden items among the first k, without the items in `seen`: [users], in [0, 1].

        recall@k = (hidden items at ranks r <= k) / min(k, number of hidden)

    The divisor is the most that k places can hold, so every user can reach 1 (Liang et al., 2018); others divide by the
    number of hidden items, which gives the same where nobody has more than k. Arguments and ties: as in `ndcg`.
    """
    scores, hidden, seen, k = _checked(scores, hidden, seen, k)
    worth = (np.arange(scores.shape[1]) < k).astype(float)
    return _found(scores, hidden, seen, worth) / np.minimum(k, hidden.sum(axis=1))


def _found(scores, hidden, seen, worth):
    """sum over hidden items of worth[rank], where equal scores share the worth of their ranks: [users]."""
    scores = np.where(seen > 0, -np.inf, scores)
    order = np.argsort(-scores, axis=1)
    ranked = np.take_along_axis(scores, order, axis=1)
    first = np.ones(ranked.shape, bool)  # of its group of equals
    first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    group = np.cumsum(first) - 1
    shared = np.bincount(group, weights=np.tile(worth, len(scores))) / np.bincount(group)
    return (np.take_along_axis(hidden, order, axis=1) * shared[group].reshape(order.shape)).sum(axis=1)


def _choices(name, values):
    """A 0/1 matrix [users, items] as float64."""
    array = numbers(name, values)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name} must be a matrix [users, items]. Received: shape {list(array.shape)}")
    wrong = ~np.isin(array, (0, 1))
    if wrong.any():
        raise ValueError(
            f"{name} must hold 1 where a user chose an item and 0 elsewhere: turn ratings into choices first, such as "
            f"{name} >= 4. Received: {wrong.sum()} other values, such as {array[wrong][0]:g}"
        )
    return array


def _checked(scores, hidden, seen, k):
    scores, hidden, seen = numbers("scores", scores), _choices("hidden", hidden), _choices("seen", seen)
    if not scores.shape == hidden.shape == seen.shape:
        raise ValueError(
            "scores, hidden and seen must have the same shape [users, items]. "
            f"Received: {list(scores.shape)}, {list(hidden.shape)} and {list(seen.shape)}"
        )
    both = int((hidden * seen).sum())
    if both:
        raise ValueError(
            "hidden and seen must not share an item: the model was shown what it should find, so it may simply repeat "
            f"its input. Divide with evaluation.hide(x). Received: {both} items in both"
        )
    none = hidden.sum(axis=1) == 0
    if none.any():
        raise ValueError(
            "Every user needs a hidden item, or there is nothing to find: keep the rows with hidden.any(axis=1). "
            f"Received: {none.sum()} users without one, the first in row {np.argmax(none)}"
        )
    return scores, hidden, seen, checks.whole_number(k, "k")
