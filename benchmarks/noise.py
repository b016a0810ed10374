"""What a trial runs on: noise in the form of each data set, or the embedded set itself, which needs no file."""

from types import SimpleNamespace

from vae_course import datasets

import numpy as np

SIZES = {"train": 600, "valid": 100, "test": 200}


def images(random, dtype, shape=(28, 28, 1)):
    """Black and white, with labels."""
    parts = {f"x_{part}": (random.random((n, *shape)) < 0.13).astype(dtype) for part, n in SIZES.items()}
    labels = {f"y_{part}": random.integers(0, 10, n) for part, n in SIZES.items()}
    return {key: 255 * x if dtype == "uint8" else x for key, x in parts.items()} | labels


def sprites(random, dtype):
    factors = {f"factors_{part}": random.integers(0, 4, (n, 5)).astype(float) for part, n in SIZES.items()}
    return images(random, dtype, (64, 64, 1)) | factors


def letters(random, dtype):
    return {f"x_{part}": random.integers(1, 66, (n, 64)).astype("int32") for part, n in SIZES.items()}


def table(random, dtype):
    """Nine columns; in valid and test every third row is called odd."""
    parts = {f"x_{part}": random.normal(size=(600, 9)).astype("float32") for part in SIZES}
    return parts | {f"y_{part}": np.arange(600) % 3 // 2 * (part != "train") for part in SIZES}


KINDS = {"mnist": images, "binarized_mnist": images, "fashion_mnist": images, "dsprites": sprites}
KINDS |= {"tinyshakespeare": letters, "nsl_kdd": table, "adbench_cardio": table}


def like(name, dtype):
    """A data set of this name's form."""
    if name not in KINDS:
        return datasets.load(name, dtype)
    return SimpleNamespace(**KINDS[name](np.random.default_rng(0), dtype))
