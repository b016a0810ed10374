"""Generated examples held against real ones: distance, fidelity and diversity.

`sharpness` takes images, `copies` examples of any kind; the other scores take features [n, f], for example the last
hidden layer of a classifier.

A score is worth what its features are worth: take those of a network trained on the data, and use the same numbers of
real and of generated examples in every comparison, since all scores depend on them.
"""

from typing import NamedTuple

from vae_course import needed
from vae_course.evaluation.arrays import numbers

import numpy as np
import numpy.typing as npt


class PrecisionRecall(NamedTuple):
    """Two shares in [0, 1]."""

    precision: float  # of generated examples that lie among the real ones: fidelity
    recall: float  # of real examples that lie among the generated ones: diversity


def _checked(real, generated, least):
    real, generated = numbers("real", real), numbers("generated", generated)
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1] or not real.shape[1]:
        raise ValueError(
            "real and generated must be features [n, f] with the same f, at least 1. "
            f"Received: {list(real.shape)} and {list(generated.shape)}"
        )
    if min(len(real), len(generated)) < least:
        raise ValueError(f"At least {least} examples of each are needed. Received: {len(real)} and {len(generated)}")
    return real, generated


def frechet_distance(real: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)): between normals fitted to features [n, f]; 0 is best. Chapter 10.

    Biased upwards for small n: hold a score against that of another set of n real examples, never against 0.
    Source: Heusel et al. (2017), "GANs trained by a two time-scale update rule", where f are Inception's features.
    """
    real, generated = _checked(real, generated, 2)
    first, second = np.cov(real.T, ddof=0).reshape(2 * [real.shape[1]]), np.cov(generated.T, ddof=0)
    second = second.reshape(first.shape)
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T  # tr (C C')^(1/2) = tr (C^(1/2) C' C^(1/2))^(1/2)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    shift = real.mean(axis=0) - generated.mean(axis=0)
    return float(max(0.0, shift @ shift + np.trace(first) + np.trace(second) - 2 * cross))


def precision_recall(real: npt.ArrayLike, generated: npt.ArrayLike, k: int = 3) -> PrecisionRecall:
    """Shares of each set [n, f] that lie within reach of the other: improved precision and recall. Built in chapter 10.

    An example is reached if it lies in the ball around some example of the other set, whose radius is the distance to
    that example's k-th neighbor in its own set.
    Source: Kynkaanniemi et al. (2019), "Improved precision and recall metric for assessing generative models".
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ValueError(f"k must be a whole number, at least 1. Received: {k!r}")
    real, generated = _checked(real, generated, k + 1)
    return PrecisionRecall(_reached(generated, real, k), _reached(real, generated, k))


def _reached(examples, centers, k):
    """The share of `examples` in at least one ball around `centers`."""
    with needed("scores"):
        from sklearn.neighbors import NearestNeighbors

    neighbors = NearestNeighbors(n_neighbors=k + 1).fit(centers)  # of which the first is the center itself
    radii = neighbors.kneighbors(centers)[0][:, k]
    # One at a time: no [n, n, f] in memory.
    inside = [(np.linalg.norm(centers - example, axis=1) <= radii).any() for example in examples]
    return float(np.mean(inside))


def sharpness(images: npt.ArrayLike) -> np.ndarray:
    """Mean |Laplacian| of images [n, height, width, channels] in [0, 1], or whole numbers 0..255: [n]. Chapter 10.

    A blurred image scores less. Noise scores high too: read it beside a score of fidelity, and beside the sharpness of
    real images.
    """
    x = numbers("images", images)
    if x.ndim != 4 or min(x.shape[1:3]) < 3:
        raise ValueError(
            "images must have shape [n, height, width, channels], 3 pixels high and wide or more. "
            f"Received: {list(x.shape)}"
        )
    if np.asarray(images).dtype.kind in "ui":
        x = x / 255.0
    around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return np.abs(around - 4 * x[:, 1:-1, 1:-1]).mean(axis=(1, 2, 3))


def copies(train: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """The share of generated examples [m, *shape] that are exact copies of training examples [n, *shape]. Chapter 12.

    Read it beside copies(train, held_out): where examples are small or coarse, new real ones coincide with old ones
    too, and only what lies above their share has been memorized. A copy with one changed pixel does not count.
    """
    arrays = {"train": train, "generated": generated}
    rows = {name: numbers(name, values) for name, values in arrays.items()}
    whole = {name: np.asarray(values).dtype.kind in "uib" for name, values in arrays.items()}
    shapes = {name: list(values.shape) for name, values in rows.items()}
    if shapes["train"][1:] != shapes["generated"][1:] or min(len(shape) for shape in shapes.values()) < 2:
        raise ValueError(
            "train and generated must be examples of the same shape, [n, *shape] and [m, *shape]. "
            f"Received: {shapes['train']} and {shapes['generated']}"
        )
    if not min(len(values) for values in rows.values()):
        raise ValueError(f"At least one example of each is needed. Received: {shapes['train']}, {shapes['generated']}")
    if whole["train"] != whole["generated"]:
        raise ValueError(
            "train and generated must both be whole numbers, such as bytes, or both be floats: 255 is no copy of 1.0. "
            f"Received: {np.asarray(train).dtype} and {np.asarray(generated).dtype}"
        )
    known, drawn = ([(row + 0.0).astype("float32").tobytes() for row in rows[name]] for name in arrays)  # -0 is 0
    known = set(known)
    return float(np.mean([row in known for row in drawn]))
