"""Likelihoods of pixels in [0, 1]: a Bernoulli variable, a bin of a logistic distribution, or one of 256 values."""

from collections.abc import Sequence
from typing import Any

from vae_course import parts
from vae_course.likelihoods.base import Likelihood, per_entry

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfb, tfd = tfp.bijectors, tfp.distributions


class _Bernoulli(tfd.Bernoulli):
    """tfd's, with the log-probability from TensorFlow's own function: one exponential for each pixel instead of two."""

    def _log_prob(self, event):
        shape = tf.broadcast_dynamic_shape(tf.shape(event), tf.shape(self.logits))  # that function does not broadcast
        event, logits = tf.broadcast_to(event, shape), tf.broadcast_to(self.logits, shape)
        return -tf.nn.sigmoid_cross_entropy_with_logits(labels=event, logits=logits)


class Bernoulli(Likelihood):
    """prod_i p_i^x_i (1 - p_i)^(1 - x_i), p = sigmoid(output), x in [0, 1]. Built in chapter 03."""

    low, high, whole, linear = 0.0, 1.0, "pixels", True

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        return self.independent(_Bernoulli(logits=output, dtype=tf.float32))


class _Relabel(tfb.Bijector):
    """level -> level / (levels - 1): renames the values of a discrete variable, so the Jacobian plays no part."""

    def __init__(self, levels):
        self.last = float(levels - 1)
        super().__init__(forward_min_event_ndims=0, is_constant_jacobian=True, dtype=tf.float32)

    def _forward(self, level):
        return tf.cast(level, tf.float32) / self.last

    def _inverse(self, x):
        return tf.round(x * self.last)

    def _inverse_log_det_jacobian(self, x):
        return tf.zeros([], tf.float32)


class DiscretizedLogistic(Likelihood):
    """P(x_i) = the mass of a logistic distribution in the bin of x_i, from 2 c channels. Built in chapter 04.

    x lies on the grid 0, 1/(levels - 1), ..., 1; the outer bins reach to infinity. Output: locations, then raw scales,
    in units of x.
    Source: Kingma et al. (2016), "Improved variational inference with inverse autoregressive flow".
    """

    low, high, whole = 0.0, 1.0, "pixels"

    def __init__(self, levels: int = 256, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.levels, self.spacing = levels, 1.0 / (levels - 1)

    def outputs(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[:-1], 2 * shape[-1])

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        location, raw = tf.split(output, 2, axis=-1)
        last = float(self.levels - 1)
        # QuantizedDistribution rounds up: moving by half a level makes each bin centered on its level.
        logistic = tfd.Logistic(last * location - 0.5, last * parts.positive(raw))
        level = tfd.QuantizedDistribution(logistic, low=0.0, high=last)
        return self.independent(tfd.TransformedDistribution(level, _Relabel(self.levels)))

    def mean(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        """The locations, moved into [0, 1]: near the mean where the scale is small and the location is inside."""
        return tf.clip_by_value(tf.split(output, 2, axis=-1)[0], 0.0, 1.0)


class CategoricalPixels(Likelihood):
    """P(x_i) = softmax over `levels` values of a pixel, from levels * c channels.

    x lies on the grid 0, 1/(levels - 1), ..., 1.

    Source: van den Oord, Kalchbrenner & Kavukcuoglu (2016), "Pixel recurrent neural networks", section 3.4.
    """

    low, high, whole, linear = 0.0, 1.0, "pixels", True

    def __init__(self, levels: int = 256, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.levels, self.spacing = levels, 1.0 / (levels - 1)

    def outputs(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[:-1], self.levels * shape[-1])

    def _level(self, output):
        return tfd.Categorical(logits=per_entry(output, self.levels), dtype=tf.float32)

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        return self.independent(tfd.TransformedDistribution(self._level(output), _Relabel(self.levels)))

    def mean(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        return tf.linalg.matvec(self._level(output).probs_parameter(), tf.linspace(0.0, 1.0, self.levels))
