"""The data sets that need no network: name_split -> array, as `vae_course.datasets.load` passes them on."""

import functools

from vae_course.datasets import drawings, signals

import numpy as np

SPLITS = ("train", "valid", "test")
SEED = 20240229  # of every choice made here and in `datasets`: the splits are the same on every machine


def divide(valid, test, stratify=None, **columns):
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


def faces():
    x, factors = _drawn("faces")
    values = {name: values.copy() for name, values in drawings.FACE_FACTORS.items()}
    return divide(573, 573, x=x, factors=factors) | {"factor_names": tuple(values), "factor_values": values}


def sprites():
    x, factors = _drawn("sprites")
    values = {name: values.copy() for name, values in drawings.SPRITE_FACTORS.items()}
    parts = divide(864, 864, x=x, factors=factors, y=factors[:, 0].astype(np.int64))
    names = {"factor_names": tuple(values), "label_names": drawings.SPRITE_SHAPES}
    return parts | names | {"factor_values": values}


def digits():
    from sklearn.datasets import load_digits

    digits = load_digits()
    parts = divide(300, 300, digits.target, x=digits.images[..., None] / 16, y=digits.target.astype(np.int64))
    return parts | {"label_names": tuple("0123456789")}


def breast_cancer():
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    parts = divide(114, 114, table.target, x=table.data, y=table.target.astype(np.int64))
    _standardize(parts, axis=0)
    return parts | {"label_names": tuple(str(name) for name in table.target_names)}


def _standardize(parts, axis):
    """Mean 0 and deviation 1 on the training part; the other parts by the same numbers, not their own."""
    mean, deviation = parts["x_train"].mean(axis=axis), parts["x_train"].std(axis=axis)
    for split in SPLITS:
        parts[f"x_{split}"] = (parts[f"x_{split}"] - mean) / deviation


def photos():
    """Patches [16, 16, 1] of blocks of 64x64 pixels; a block belongs to one split, so no pixel is in two.

    Patches with hardly any contrast (sky, the dark behind the flower: about half) are left out.
    """
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


def sensors():
    """Standardized windows. Training has normal ones only; half of valid and test are faults of 4 kinds."""
    parts = {}
    for seed, (split, size) in enumerate(zip(SPLITS, (3000, 800, 800)), SEED):
        faults = np.random.default_rng(seed).permutation(np.arange(size) % 8)
        labels = np.zeros(size, np.int64) if split == "train" else np.where(faults > 4, 0, faults)
        x, factors = signals.windows(labels, seed)
        parts |= {f"x_{split}": x, f"y_{split}": labels, f"factors_{split}": factors.astype(np.float32)}
    _standardize(parts, axis=(0, 1))
    values = dict(signals.FACTORS, severity=(0.0, 1.0))
    return parts | {"factor_names": tuple(values), "factor_values": values, "label_names": signals.FAULTS}


BUILDERS = {
    "digits": digits,
    "sprites": sprites,
    "faces": faces,
    "photos": photos,
    "sensors": sensors,
    "breast_cancer": breast_cancer,
}
