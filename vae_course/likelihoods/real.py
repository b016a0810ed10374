"""Likelihoods of real numbers: a location from the decoder; a scale that is fixed, learned, or from the decoder too."""

import numbers
from collections.abc import Sequence
from typing import Any

from vae_course import parts
from vae_course.likelihoods.base import Likelihood

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class _Located(Likelihood):
    """A density with a location for each entry and a scale: what Gaussian, Laplace and StudentT share.

    scale: a number; "learned", one weight for all entries; "per_feature", a weight for each entry of an example; or
        "decoder", a raw scale for each entry after the locations, from twice the channels.
    """

    whole = "pixels"

    def __init__(self, scale: float | str = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not (scale in ("learned", "per_feature", "decoder") if isinstance(scale, str) else _is_positive(scale)):
            raise ValueError(
                f'scale must be a positive number, "learned", "per_feature" or "decoder". Received: {scale!r}'
            )
        self.scale = scale if isinstance(scale, str) else float(scale)

    def make_weights(self) -> None:
        if self.scale in ("learned", "per_feature"):
            shape = () if self.scale == "learned" else self.example_shape
            self.log_scale = self.add_weight(name="log_scale", shape=shape, initializer="zeros")

    def outputs(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[:-1], 2 * shape[-1]) if self.scale == "decoder" else tuple(shape)

    def location_and_scale(self, output: tf.Tensor | np.ndarray) -> tuple[tf.Tensor | np.ndarray, tf.Tensor | float]:
        """From the decoder's output: the location of each entry, and its scale."""
        if self.scale == "decoder":
            location, raw = tf.split(output, 2, axis=-1)
            return location, parts.positive(raw)
        if isinstance(self.scale, str):
            return output, tf.maximum(tf.exp(tf.convert_to_tensor(self.log_scale)), parts.MIN_SCALE)
        return output, self.scale

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        return self.independent(self.density(*self.location_and_scale(output)))

    def mean(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor | np.ndarray:
        return self.location_and_scale(output)[0]


def _is_positive(number):
    return isinstance(number, numbers.Real) and np.isfinite(number) and number > 0


class Gaussian(_Located):
    """prod_i N(x_i; mean_i, scale^2). Built in chapter 04.

    scale: a number; "learned", one weight for all entries; "per_feature", a weight for each entry of an example; or
        "decoder", a raw scale for each entry after the means, from twice the channels. Learned ones start at 1.
    """

    def density(self, location: tf.Tensor | np.ndarray, scale: tf.Tensor | float) -> tfd.Distribution:
        return tfd.Normal(location, scale)


class Laplace(_Located):
    """prod_i exp(-|x_i - location_i| / scale) / (2 scale): absolute error. scale: as for `Gaussian`."""

    def density(self, location: tf.Tensor | np.ndarray, scale: tf.Tensor | float) -> tfd.Distribution:
        return tfd.Laplace(location, scale)


class StudentT(_Located):
    """prod_i StudentT(x_i; df, location_i, scale): a Gaussian with heavy tails. scale: as for `Gaussian`.

    df: degrees of freedom; 1 is the Cauchy distribution, infinity the Gaussian.
    """

    def __init__(self, df: float = 4.0, scale: float | str = 1.0, **kwargs: Any) -> None:
        super().__init__(scale=scale, **kwargs)
        if not _is_positive(df):
            raise ValueError(f"df must be a positive number. Received: {df!r}")
        self.df = float(df)

    def density(self, location: tf.Tensor | np.ndarray, scale: tf.Tensor | float) -> tfd.Distribution:
        return tfd.StudentT(self.df, location, scale)
