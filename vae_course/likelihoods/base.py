"""What every likelihood says of itself: its support, the decoder that it needs, what whole numbers and NaN are."""

from collections.abc import Sequence
from typing import Any

from vae_course import parts
from vae_course.likelihoods.support import check_support

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Likelihood(parts.Part):
    """p(x|z) for examples [*shape]. A subclass defines `distribution`, and `outputs` if the decoder's shape is another.

    missing: whether NaN in x marks an entry that was not observed. It then counts nothing, in the bound, in
        `evaluation.log_likelihood` and in `evaluation.impute`; the encoder needs `layers.FillMissing` first.
    low, high, spacing: the support of an entry: an interval (None: no end), and how far apart its values lie, if so.
    whole: what whole numbers are. "pixels": bytes (uint8) are divided by 255, other whole numbers stay what they are;
        "numbers": all stay what they are; "tokens": they stay whole.
    linear: whether the decoder's output is any real number, so that its last layer must not squash it.
    """

    low = high = spacing = None  # type: float | None
    whole = "numbers"
    linear = False
    hears_condition = False  # whether distribution() needs c

    def __init__(self, missing: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.missing = missing

    def build(self, shape: Sequence[Any]) -> None:
        self.example_shape = tuple(shape[1:])
        self.make_weights()

    def outputs(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the decoder's output for one example of this shape."""
        return tuple(shape)

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        """p(x|z) from the decoder's output [..., *outputs(shape)]: event [*shape]. c: what is given, if anything."""
        raise NotImplementedError(f"{type(self).__name__} must define distribution(output, c=None)")

    def mean(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        """The example to look at: the mean of p(x|z), in units of x."""
        return self.distribution(output, c).mean()

    def independent(self, entries: tfd.Distribution) -> tfd.Distribution:
        """One distribution over a whole example from one over each entry [..., *shape]; missing ones count nothing."""
        rank = len(self.example_shape)
        return _Observed(entries, rank) if self.missing else tfd.Independent(entries, rank)

    def prepare(self, x: tf.Tensor | npt.ArrayLike) -> tf.Tensor:
        """x as the encoder and the likelihood see it: float32, bytes of pixels in [0, 1]. Twice is as good as once."""
        x = tf.convert_to_tensor(x)
        if self.whole == "tokens":
            return tf.cast(x, tf.int32)
        byte = self.whole == "pixels" and x.dtype == tf.uint8
        return tf.cast(x, tf.float32) / 255.0 if byte else tf.cast(x, tf.float32)

    def check(self, x: np.ndarray, name: str = "x") -> None:
        """ValueError if numpy data x [n, *shape] cannot come from this likelihood."""
        check_support(self, x, name)

    def check_condition(self, c: np.ndarray) -> None:
        """ValueError if numpy conditions c [n, C] are not what the likelihood needs of them, such as an exposure."""


class _Observed(tfd.Independent):
    """Independent entries of which those that are NaN count nothing."""

    def __init__(self, entries, rank):
        self.rank = rank  # `reinterpreted_batch_ndims` is a tensor inside a graph
        super().__init__(entries, rank)

    def _log_prob(self, x, **kwargs):
        missing = tf.math.is_nan(x)
        # Filled BEFORE log_prob: a `where` after it has the right value and a gradient of NaN. 0 is in every support.
        each = self.distribution.log_prob(tf.where(missing, tf.zeros([], x.dtype), x))
        each = tf.where(missing, tf.zeros([], each.dtype), each)
        return tf.reduce_sum(each, axis=list(range(-self.rank, 0)))


def per_entry(output: tf.Tensor | np.ndarray, numbers: int) -> tf.Tensor:
    """[..., numbers * c] -> [..., c, numbers]: the output's numbers, those of one entry side by side."""
    shape = tf.concat([tf.shape(output)[:-1], [output.shape[-1] // numbers, numbers]], axis=0)
    return tf.reshape(output, shape)


def find(part: str | Likelihood) -> Likelihood:
    """The likelihood that a name is a shortcut for, or the likelihood itself."""
    from vae_course.likelihoods import LIKELIHOODS  # their modules need this one

    return parts.find(part, LIKELIHOODS, Likelihood)
