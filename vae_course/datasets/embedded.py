"""The data sets that need no network: name_split -> array, as `vae_course.datasets.load` passes them on."""

import functools
from typing import Any

from vae_course import needed
from vae_course.datasets import drawings, sentences, signals, speech, tables

import numpy as np
import numpy.typing as npt

SPLITS = ("train", "valid", "test")
SEED = 20240229  # of every choice made here and in `datasets`: the splits are the same on every machine


def divide(valid: int, test: int, stratify: np.ndarray | None = None, **columns: np.ndarray) -> dict[str, np.ndarray]:
    """Shuffles the rows of all columns alike and deals them out: name -> array to name_split -> array.

    stratify: labels whose shares are to be nearly the same in each split.
    """
    n = len(next(iter(columns.values())))
    order = np.random.default_rng(SEED).permutation(n)
    if stratify is not None:  # rows of a class, spread evenly over [0, 1): then any stretch holds its share of each
        place = np.empty(n)
        for label in np.unique(stratify):
            rows = order[stratify[order] == label]
            place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        order = np.argsort(place, kind="stable")
    bounds = {"train": slice(valid + test, None), "valid": slice(valid), "test": slice(valid, valid + test)}
    shuffle = np.random.default_rng(SEED + 1).permutation
    parts = {split: shuffle(order[bound]) for split, bound in bounds.items()}
    return {f"{name}_{split}": values[rows] for name, values in columns.items() for split, rows in parts.items()}


@functools.cache
def _drawn(kind):
    """The pictures of every combination of factors, drawn once per process: they are only ever copied."""
    factors = drawings.grid({"faces": drawings.FACE_FACTORS, "sprites": drawings.SPRITE_FACTORS}[kind])
    return getattr(drawings, kind)(factors), factors.astype(np.float32)


def faces() -> dict[str, Any]:
    x, factors = _drawn("faces")
    values = {name: values.copy() for name, values in drawings.FACE_FACTORS.items()}
    return divide(573, 573, x=x, factors=factors) | {"factor_names": tuple(values), "factor_values": values}


def sprites() -> dict[str, Any]:
    x, factors = _drawn("sprites")
    values = {name: values.copy() for name, values in drawings.SPRITE_FACTORS.items()}
    parts = divide(864, 864, x=x, factors=factors, y=factors[:, 0].astype(np.int64))
    names = {"factor_names": tuple(values), "label_names": drawings.SPRITE_SHAPES}
    return parts | names | {"factor_values": values}


@functools.cache
def _colored():
    """4000 of the sprites at half their size, each in a hue drawn from the law of its shape: pictures and factors."""
    random = np.random.default_rng(SEED)
    grid = drawings.grid(drawings.SPRITE_FACTORS)
    poses = grid[np.sort(random.choice(len(grid), 4000, replace=False))]
    shape = poses[:, 0].astype(np.int64)
    mean, deviation = np.array([drawings.HUES[name] for name in drawings.SPRITE_SHAPES]).T
    hue = np.round(mean[shape] + deviation[shape] * random.normal(size=len(shape)), 5)
    factors = np.column_stack([poses, hue]).astype(np.float32)
    return drawings.colored_sprites(factors), factors


def colored_sprites() -> dict[str, Any]:
    x, factors = _colored()
    parts = divide(500, 500, x=x, factors=factors, y=factors[:, 0].astype(np.int64))
    values = {name: values.copy() for name, values in drawings.SPRITE_FACTORS.items()}
    values["hue"] = (factors[:, 5].min().item(), factors[:, 5].max().item())
    names = {"factor_names": tuple(values), "label_names": drawings.SPRITE_SHAPES}
    return parts | names | {"factor_values": values}


def digits() -> dict[str, Any]:
    with needed("data"):
        from sklearn.datasets import load_digits

    digits = load_digits()
    parts = divide(300, 300, digits.target, x=digits.images[..., None] / 16, y=digits.target.astype(np.int64))
    return parts | {"label_names": tuple("0123456789")}


def breast_cancer() -> dict[str, Any]:
    with needed("data"):
        from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    parts = divide(114, 114, table.target, x=table.data, y=table.target.astype(np.int64))
    standardize(parts, axis=0)
    return parts | {"label_names": tuple(str(name) for name in table.target_names)}


def standardize(parts: dict[str, Any], axis: int | tuple[int, ...]) -> None:
    """Mean 0 and deviation 1 on the training part; the other parts by the same numbers, not their own."""
    mean, deviation = parts["x_train"].mean(axis=axis), parts["x_train"].std(axis=axis)
    deviation = np.where(deviation > 0, deviation, 1)  # a column that never varies in training stays in its unit
    for split in SPLITS:
        parts[f"x_{split}"] = (parts[f"x_{split}"] - mean) / deviation


def photos() -> dict[str, Any]:
    """Patches [16, 16, 1] of blocks of 64x64 pixels; a block belongs to one split, so no pixel is in two.

    Patches with hardly any contrast (sky, the dark behind the flower: about half) are left out.
    """
    with needed("data"):
        from sklearn.datasets import load_sample_images

    random = np.random.default_rng(SEED)
    found = {split: [] for split in SPLITS}
    for label, photo in enumerate(load_sample_images().images):
        gray = np.rint(photo @ [0.299, 0.587, 0.114]).astype(np.uint8)  # the eye's weights (ITU-R BT.601)
        corners = [(i, j) for i in range(0, len(gray) - 63, 64) for j in range(0, gray.shape[1] - 63, 64)]
        blocks = random.permutation(corners)
        for split, part in zip(SPLITS, (blocks[18:], blocks[:9], blocks[9:18])):
            for i, j in part:
                block = gray[i : i + 64, j : j + 64]
                patches = np.lib.stride_tricks.sliding_window_view(block, (16, 16))[::3, ::3].reshape(-1, 16, 16)
                found[split] += [(patch, label) for patch in patches[patches.std(axis=(1, 2)) > 6]]
    parts = {}
    for split, size in zip(SPLITS, (10000, 1000, 1000)):
        x, y = zip(*(found[split][row] for row in random.choice(len(found[split]), size, replace=False)))
        parts |= {f"x_{split}": np.stack(x)[..., None], f"y_{split}": np.array(y)}
    return parts | {"label_names": ("china", "flower")}


def _windows():
    """The windows of "sensors" in physical units. Training has normal ones only; half of valid and test are faults."""
    parts = {}
    for seed, (split, size) in enumerate(zip(SPLITS, (3000, 800, 800)), SEED):
        faults = np.random.default_rng(seed).permutation(np.arange(size) % 8)
        labels = np.zeros(size, np.int64) if split == "train" else np.where(faults > 4, 0, faults)
        x, factors = signals.windows(labels, seed)
        parts |= {f"x_{split}": x, f"y_{split}": labels, f"factors_{split}": factors.astype(np.float32)}
    return parts


def sensors() -> dict[str, Any]:
    parts = _windows()
    standardize(parts, axis=(0, 1))
    values = dict(signals.FACTORS, severity=(0.0, 1.0))
    return parts | {"factor_names": tuple(values), "factor_values": values, "label_names": signals.FAULTS}


def films() -> dict[str, Any]:
    """Lists of 3000 users. Their factors are the truth: every film's log-probability, which no model can beat."""
    lists, truth, names = tables.films((2000, 500, 500), SEED)
    parts = {f"x_{split}": x for split, x in zip(SPLITS, lists)}
    parts |= {f"factors_{split}": log_p for split, log_p in zip(SPLITS, truth)}
    limits = [np.stack([log_p.min(axis=0), log_p.max(axis=0)]) for log_p in truth]
    lowest, highest = np.min(limits, axis=0)[0].tolist(), np.max(limits, axis=0)[1].tolist()
    return parts | {"factor_names": names, "factor_values": dict(zip(names, zip(lowest, highest)))}


def vowels() -> dict[str, Any]:
    """20 utterances, two of each vowel, of each of 120 invented speakers, who are split 60 / 30 / 30.

    The groups have nearly the shares of the study: 33 men, 28 women, 15 children.
    """
    parts, start = {}, 0
    for seed, (split, sizes) in enumerate(zip(SPLITS, ((26, 22, 12), (13, 11, 6), (13, 11, 6))), SEED):
        random = np.random.default_rng(seed)
        groups = random.permutation(np.repeat(np.arange(3), sizes))
        x, y, factors = speech.vowels(groups, seed)
        factors[:, 0] += start
        start += len(groups)
        order = random.permutation(len(x))
        parts |= {f"x_{split}": x[order], f"y_{split}": y[order]}
        parts[f"factors_{split}"] = factors[order].astype(np.float32)
    standardize(parts, axis=0)
    columns = np.concatenate([parts[f"factors_{split}"] for split in SPLITS]).T
    values = {name: (column.min().item(), column.max().item()) for name, column in zip(speech.FACTORS, columns)}
    values["group"] = np.arange(3.0)
    return parts | {"factor_names": speech.FACTORS, "factor_values": values, "label_names": tuple(speech.AVERAGES)}


def sentence_tokens() -> dict[str, Any]:
    x, factors = sentences.draw(8000, SEED)
    ends = {"train": slice(6000), "valid": slice(6000, 7000), "test": slice(7000, 8000)}
    parts = {f"x_{split}": x[rows].copy() for split, rows in ends.items()}
    parts |= {f"factors_{split}": factors[rows].astype(np.float32) for split, rows in ends.items()}
    values = {name: np.arange(float(len(kinds))) for name, kinds in sentences.FACTORS.items()}
    return parts | {"factor_names": tuple(values), "factor_values": values}


def _payments():
    """The rows of "payments" in their units. Training has normal ones only; valid and test have 60 of each fraud.

    That is more fraud than the 0.5 % of daily life, so that each kind can be counted: set the base rate by weights,
    as `evaluation.average_precision(y > 0, scores, base_rate=0.005)` does.
    """
    parts = {}
    for seed, (split, normal, frauds) in enumerate(zip(SPLITS, (4000, 2000, 3000), (0, 60, 60)), SEED):
        labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(4), (normal, frauds, frauds, frauds)))
        parts |= {f"x_{split}": tables.payments(labels, seed), f"y_{split}": labels}
    return parts


def payments() -> dict[str, Any]:
    parts = _payments()
    standardize(parts, axis=0)
    return parts | {"label_names": tables.LABELS}


@functools.cache
def _scale(name):
    """Mean and deviation of a generated data set's training part: to standardize further examples by."""
    parts, axis = {"sensors": (_windows, (0, 1)), "payments": (_payments, 0)}[name]
    x = parts()["x_train"]
    return x.mean(axis=axis), x.std(axis=axis)


def draw(name: str, labels: npt.ArrayLike, seed: int, **ranges: tuple[float, float]) -> np.ndarray:
    """Further examples of "sensors" [n, 64, 3] or "payments" [n, 9], one for each label, standardized as `load` does.

    labels: indices of the data set's label_names, [n]. ranges: for "sensors", as in `signals.windows`. So
    draw("sensors", [0] * 200, seed=1, load=(1.2, 1.5)) gives normal machines with more load than any in training, and
    draw("payments", [2] * 40, seed=1) frauds to soil the training rows with: never with those of the test part.
    Equal seeds give equal examples, none of which is in `load(name)`. Raises ValueError for a wrong argument.
    """
    if name not in ("sensors", "payments"):
        raise ValueError(f'Only "sensors" and "payments" can be drawn anew. Received: {name!r}')
    labels, kinds = np.asarray(labels), signals.FAULTS if name == "sensors" else tables.LABELS
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not np.isin(labels, np.arange(len(kinds))).all():
        named = ", ".join(f"{label} ({kind})" for label, kind in enumerate(kinds))
        raise ValueError(f"labels must be a list of {named}. Received: {str(labels.tolist())[:80]}")
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0 or seed in range(SEED, SEED + 3):
        raise ValueError(f"seed must be a whole number from 0, not one of the data set's own. Received: {seed!r}")
    if name == "payments" and ranges:
        raise ValueError(f'"payments" has no factors, so no ranges. Received: {", ".join(ranges)}')
    x = signals.windows(labels, seed, **ranges)[0] if name == "sensors" else tables.payments(labels, seed)
    mean, deviation = _scale(name)
    return ((x - mean) / deviation).astype(np.float32)


BUILDERS = {
    "digits": digits,
    "sprites": sprites,
    "faces": faces,
    "photos": photos,
    "sensors": sensors,
    "breast_cancer": breast_cancer,
    "films": films,
    "payments": payments,
    "colored_sprites": colored_sprites,
    "vowels": vowels,
    "sentences": sentence_tokens,
}
