"""What a model asks of the data that `fit`, `evaluate` and `predict` are given, before Keras sees any of it."""

from collections.abc import Callable
from typing import Any

from vae_course.models import checks

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf


def pixels(x: tf.Tensor | npt.ArrayLike) -> tf.Tensor:
    """Bytes 0..255 as floats in [0, 1]; other numbers unchanged, as float32."""
    x = tf.convert_to_tensor(x)
    return tf.cast(x, tf.float32) / 255.0 if x.dtype == tf.uint8 else tf.cast(x, tf.float32)


class Data:
    """Beside a `keras.Model`: checks on x [n, *example_shape], on what comes second, and on weights of examples."""

    example_shape = None  # type: tuple[int, ...]
    # what the second argument of fit is: None (nothing), "targets", "condition" or "labels"
    second = None  # type: str | None

    def check(self, x: np.ndarray, name: str = "x") -> None:
        """Raise a ValueError that says what is wrong with numpy data `x`, if anything is."""
        checks.numbers_of_shape(x, self.example_shape, name)
        checks.finite(x, name)

    def check_second(self, y: Any, x: Any = None) -> None:
        """Raise a ValueError if the second argument of fit is not what this model takes."""
        if self.second is None and y is not None:
            raise ValueError(
                f"{type(self).__name__} models x alone and has no use for a second array: fit(x). For p(x|c) use "
                "models.ConditionalVAE, for weights of examples sample_weight=. Received: y"
            )
        checks.same_length(x, y, "y")

    def _data(self, x, y=None, sample_weight=None, batch_size=None, name="x"):
        """(x, y, sample_weight) as arrays where they can be, all of it checked."""
        if batch_size is not None:
            checks.whole_number(batch_size, "batch_size")
        if isinstance(x, tuple) and 1 <= len(x) <= 3 and y is None and sample_weight is None:
            x, y, sample_weight = (*x, None, None)[:3]  # as predict and evaluation take a pair
        if x is None or isinstance(x, dict | tuple):
            received = "None" if x is None else f"a {type(x).__name__} of {len(x)}"
            raise ValueError(f"{name} must be an array of examples or a tf.data set. Received: {received}")
        if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
            first, second, weights = checks.first_batch(x, name)
            self.check(np.asarray(first), name)
            if weights is None or self.second is not None:  # Keras has no other way to hand over weights than (x, y, w)
                self.check_second(second, first)
            return x, y, sample_weight
        names = name, "c" if self.second == "condition" else "y", "sample_weight"
        x, y, sample_weight = map(checks.as_array, (x, y, sample_weight), names)
        if isinstance(x, np.ndarray):
            self.check(x, name)
            self.check_second(y, x)
            checks.weights_of(x, sample_weight)
        return x, y, sample_weight

    def _inputs(self, data):
        """A batch (x, y, sample_weight) as Keras's steps want it: inputs of `call`, targets, weights."""
        return data


def in_batches(function: Callable[[Any], Any], x: np.ndarray | tuple, batch_size: int = 1024) -> np.ndarray:
    """Apply a tensor -> tensor function to numpy arrays in pieces: [n, ...], or a tuple of such -> numpy [n, ...]."""
    rows = len(x[0] if isinstance(x, tuple) else x)
    if rows == 0:
        raise ValueError(f"There must be at least one row. Received: shape {list(np.shape(x))}")
    pieces = []
    for start in range(0, rows, batch_size):
        piece = tf.nest.map_structure(lambda array, i=start: array[i : i + batch_size], x)
        pieces.append(np.asarray(function(piece)))
    return np.concatenate(pieces)
