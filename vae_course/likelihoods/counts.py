"""Likelihoods of whole numbers: counts, with an exposure where there is one, and classes."""

import numbers
from collections.abc import Sequence
from typing import Any

from vae_course.likelihoods.base import Likelihood, per_entry

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class _Counted(Likelihood):
    """Counts of mean exp(output), times an exposure where there is one."""

    low, spacing, linear = 0.0, 1.0, True

    def __init__(self, exposure: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if exposure is not None and (isinstance(exposure, bool) or not isinstance(exposure, numbers.Integral)):
            raise ValueError(f"exposure must be the number of a column of c, or None. Received: {exposure!r}")
        self.exposure = exposure
        self.hears_condition = exposure is not None

    def check_condition(self, c: np.ndarray) -> None:
        if self.exposure is None:
            return
        if not 0 <= self.exposure < c.shape[-1]:
            raise ValueError(f"exposure={self.exposure} names a column of c. Received: c with {c.shape[-1]} columns")
        wrong = c[..., self.exposure] <= 0
        if wrong.any():
            raise ValueError(
                f"Column {self.exposure} of c is the exposure and must be above 0 (a logarithm? Take its exp). "
                f"Received: {int(wrong.sum())} values that are not, the lowest {c[..., self.exposure].min():g}"
            )

    def log_mean(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None) -> tf.Tensor | np.ndarray:
        """output, plus the log of the exposure: an offset, so that twice the exposure has twice the mean."""
        if self.exposure is None:
            return output
        if c is None:
            raise ValueError("A likelihood with an exposure needs a condition: use a ConditionalVAE. Received: None")
        log_exposure = tf.math.log(tf.cast(c, tf.float32)[..., self.exposure])
        return output + tf.reshape(log_exposure, tf.concat([tf.shape(log_exposure), [1] * len(self.example_shape)], 0))


class Poisson(_Counted):
    """prod_i Poisson(x_i; exposure * exp(output_i)): counts whose variance is their mean.

    For counts above some tens put `keras.ops.log1p` in front of the encoder, and start the decoder's last bias at the
    logarithm of the data's rates: docs/library.md has both lines.
    exposure: which column of the condition c is the exposure (time observed, size of a library), above 0; or None.
    """

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        return self.independent(tfd.Poisson(log_rate=self.log_mean(output, c)))


class NegativeBinomial(_Counted):
    """Counts of mean m = exposure * exp(output) and variance m + m^2 / size, with one learned size for each entry.

    exposure: which column of the condition c is the exposure, above 0; or None.
    zero_inflated: whether a count is 0 for another reason with a probability of its own, whose logit follows the log
        means in the decoder's output (twice the channels).
    Source: Lopez et al. (2018), "Deep generative modeling for single-cell transcriptomics".
    """

    def __init__(self, exposure: int | None = None, zero_inflated: bool = False, **kwargs: Any) -> None:
        super().__init__(exposure=exposure, **kwargs)
        self.zero_inflated = zero_inflated

    def make_weights(self) -> None:
        self.log_size = self.add_weight(name="log_size", shape=self.example_shape, initializer="zeros")

    def outputs(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[:-1], 2 * shape[-1]) if self.zero_inflated else tuple(shape)

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        output, logit = tf.split(output, 2, axis=-1) if self.zero_inflated else (output, None)
        log_size = tf.convert_to_tensor(self.log_size)
        counts = tfd.NegativeBinomial(
            tf.exp(log_size), logits=self.log_mean(output, c) - log_size, require_integer_total_count=False
        )
        if self.zero_inflated:
            zero = tfd.Deterministic(tf.zeros_like(logit))
            mixed = tfd.Categorical(logits=tf.stack([tf.zeros_like(logit), logit], axis=-1))
            counts = tfd.Mixture(mixed, [counts, zero])
        return self.independent(counts)


class Categorical(Likelihood):
    """P(x_i = l) = softmax over classes 0, ..., levels - 1, from levels * c outputs. `mean` is the likeliest class."""

    low, spacing, linear = 0.0, 1.0, True

    def __init__(self, levels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.levels, self.high = levels, levels - 1.0

    def outputs(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[:-1], self.levels * shape[-1])

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        return self.independent(tfd.Categorical(logits=per_entry(output, self.levels), dtype=tf.float32))

    def mean(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        return self.distribution(output).mode()
