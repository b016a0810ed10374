"""Data sets: numpy arrays, already split. The embedded ones need no network: no lesson dies on a download."""

import difflib
import functools
from dataclasses import dataclass, field

from vae_course.datasets import anomalies, downloads, originals, recordings, shakespeare
from vae_course.datasets.embedded import BUILDERS as EMBEDDED
from vae_course.datasets.embedded import SEED, SPLITS, divide, draw

import numpy as np

__all__ = ["Dataset", "draw", "load"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set in three disjoint parts; every array is the caller's own. Built by `load`.

    x_...: images [n, height, width, channels] in [0, 1], signals [n, length, channels], tables [n, features],
        tokens [n, length], whole numbers of which 0 is padding
    y_...: class labels [n], whose names are label_names; or None
    factors_...: what the examples were made from, [n, factors], columns as in factor_names; or None
    factor_values: name -> every value the factor takes, or (lowest, highest) for a continuous one
    """

    name: str
    x_train: np.ndarray
    x_valid: np.ndarray
    x_test: np.ndarray
    y_train: np.ndarray | None = None
    y_valid: np.ndarray | None = None
    y_test: np.ndarray | None = None
    factors_train: np.ndarray | None = None
    factors_valid: np.ndarray | None = None
    factors_test: np.ndarray | None = None
    factor_names: tuple = ()
    factor_values: dict = field(default_factory=dict)
    label_names: tuple | None = None

    def __repr__(self):
        sizes = ", ".join(f"{len(getattr(self, f'x_{split}'))} {split}" for split in SPLITS)
        shape, kind = list(self.x_train.shape[1:]), self.x_train.dtype
        factors = f", factors: {_listed(self.factor_names)}" if self.factor_names else ""
        labels = f", labels: {_listed(self.label_names)}" if self.label_names else ""
        return f"Dataset({self.name!r}: {sizes}; x {shape} {kind}{factors}{labels})"


def _listed(names):
    return ", ".join(names) if len(names) <= 12 else f"{names[0]}, {names[1]}, ..., {names[-1]} ({len(names)})"


def load(name: str, dtype: str = "float32") -> Dataset:
    """The data set called `name`, split into train, valid and test; the same at each call. For every chapter.

    Embedded: "digits", "sprites", "colored_sprites", "faces", "photos", "sensors", "vowels", "breast_cancer", "films",
    "payments", "sentences". Full size, from $VAE_COURSE_DATA, the cache or a download: "mnist", "binarized_mnist",
    "fashion_mnist", "dsprites", "breastmnist", "spoken_digits", "tinyshakespeare", "nsl_kdd", "cmapss", and twenty
    tables of ADBench, such as "adbench_cardio".
    dtype: "float32", or for images "uint8", 0..255; tokens are int32. data/README.md describes each data set.
    Raises ValueError for an unknown name or dtype, RuntimeError if files cannot be had or are damaged.
    """
    if not isinstance(name, str) or name not in BUILDERS:
        close = difflib.get_close_matches(str(name), BUILDERS, n=1, cutoff=0.4)
        hint = f' Did you mean "{close[0]}"?' if close else ""
        raise ValueError(f"There is no such data set.{hint} Choose from {', '.join(BUILDERS)}. Received: {name!r}")
    if dtype not in ("float32", "uint8"):
        raise ValueError(f'dtype must be "float32" or "uint8". Received: {dtype!r}')
    if dtype == "uint8" and name not in IMAGES:
        raise ValueError(f"{name!r} holds no images, so leave out dtype. Received: {dtype!r}")
    content = BUILDERS[name]()
    for key in [key for key in content if key.startswith("x_") and name not in TOKENS]:
        content[key] = _converted(content[key], dtype)
    return Dataset(name, **content)


def _converted(x, dtype):
    """Images as bytes become x / 255 and back; signals and tables only change their number of bits."""
    if x.dtype == np.uint8:
        return x if dtype == "uint8" else np.divide(x, 255, dtype=np.float32)
    return np.rint(255 * x).astype(np.uint8) if dtype == "uint8" else x.astype(np.float32)


def _mnist(name, label_names):
    """The test set stays the original one; the last 10000 training images are for validation."""
    content = originals.read(name)
    x, y = content["x"], content["y"].astype(np.int64)
    ends = {"train": (x[:-10000], y[:-10000]), "valid": (x[-10000:], y[-10000:])}
    ends["test"] = content["x_test"], content["y_test"].astype(np.int64)
    parts = {}
    for split, (images, labels) in ends.items():
        order = np.random.default_rng(SEED).permutation(len(images))
        parts |= {f"x_{split}": images[order][..., None], f"y_{split}": labels[order]}
    return parts | {"label_names": label_names}


def _binarized_mnist():
    """Larochelle's own splits, shuffled: the original test set is sorted by digit."""
    content = originals.read("binarized_mnist")
    order = {split: np.random.default_rng(SEED).permutation(len(content[split])) for split in SPLITS}
    return {f"x_{split}": content[split][order[split]][..., None] for split in SPLITS}


def _dsprites():
    content = originals.read("dsprites")
    factors = content["factors"]
    labels = factors[:, 0].astype(np.int64) - 1
    parts = divide(4608, 4608, x=content["x"][..., None], factors=factors, y=labels)
    names = ("shape", "scale", "orientation", "x", "y")
    values = {name: np.unique(column) for name, column in zip(names, factors.T)}
    return parts | {
        "factor_names": names,
        "factor_values": values,
        "label_names": ("square", "ellipse", "heart"),
    }


def _breastmnist():
    """The published splits, shuffled."""
    content = originals.read("breastmnist")
    parts = {}
    for split in SPLITS:
        order = np.random.default_rng(SEED).permutation(len(content[f"x_{split}"]))
        parts[f"x_{split}"] = content[f"x_{split}"][order][..., None]
        parts[f"y_{split}"] = content[f"y_{split}"][order].astype(np.int64)
    return parts | {"label_names": ("malignant", "normal or benign")}


CLOTHES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
TOKENS = ("sentences", "tinyshakespeare")
IMAGES = (
    "digits",
    "sprites",
    "colored_sprites",
    "faces",
    "photos",
    "mnist",
    "fashion_mnist",
    "binarized_mnist",
    "dsprites",
    "breastmnist",
)
BUILDERS = EMBEDDED | {
    "mnist": lambda: _mnist("mnist", tuple("0123456789")),
    "fashion_mnist": lambda: _mnist("fashion_mnist", CLOTHES),
    "binarized_mnist": _binarized_mnist,
    "dsprites": _dsprites,
    "breastmnist": _breastmnist,
    "spoken_digits": recordings.spoken_digits,
    "tinyshakespeare": shakespeare.tinyshakespeare,
    "nsl_kdd": anomalies.nsl_kdd,
    "cmapss": anomalies.cmapss,
}
BUILDERS |= {name: functools.partial(anomalies.adbench, name) for name in downloads.ADBENCH}
