"""Tokens in order: the likelihood that reads, p(x|z) = prod_t p(x_t | x_<t, z)."""

from collections.abc import Sequence
from typing import Any

from vae_course.likelihoods.base import Likelihood

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Tokens(Likelihood):
    """p(x|z) = prod_t softmax(reader(x_<t, z))[x_t] for whole-number tokens x [length]. Built in chapter 16.

    reader: Keras network [tokens [batch, length], context [batch, C]] -> logits [batch, length, vocabulary], such as
        `networks.reader`. It is handed the tokens moved on by one place, a 0 first, and must be causal: its logits at
        place t may depend on places up to t of what it is handed. The decoder puts out the context, [batch, C].
    padding: the token that fills up short sequences, at their end, and is never counted, 0. The log-probability is then
        that of the tokens given the length, and what is drawn has the full length. None counts it as any token: with
        that, or with a token of your own for the end, the model knows lengths too.
    `mean` is the likeliest next token, one after the other. In training the reader is handed the true tokens (teacher
    forcing). It costs length passes to draw.
    Source: Bowman et al. (2016), "Generating sentences from a continuous space".
    """

    low, whole = 0.0, "tokens"

    def __init__(self, reader: keras.Model, padding: int | None = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.missing:
            raise ValueError("Tokens has no missing entries: pad short sequences. Received: missing=True")
        self.reader, self.padding = reader, padding

    def build(self, shape: Sequence[Any]) -> None:
        super().build(shape)
        if len(self.example_shape) != 1:
            raise ValueError(f"Tokens describes sequences [length]. Received: examples {list(self.example_shape)}")
        vocabulary = self.reader.output_shape[-1]
        if tuple(self.reader.output_shape[1:-1]) not in (self.example_shape, (None,)):
            raise ValueError(
                f"The reader must put out logits for {self.example_shape[0]} places. "
                f"Received: output shape {list(self.reader.output_shape)}"
            )
        self.high = vocabulary - 1.0
        if self.padding is not None and not 0 <= self.padding < vocabulary:
            raise ValueError(f"padding must be one of {vocabulary} tokens, or None. Received: {self.padding}")

    def outputs(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(self.reader.inputs[1].shape[1:])

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        return _Read(self, output)

    def mean(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        return self.distribution(output).mode()

    def check(self, x: np.ndarray, name: str = "x") -> None:
        if x.dtype.kind not in "iu":
            raise ValueError(f"{name} must be tokens, whole numbers: {name}.astype('int32'). Received: dtype {x.dtype}")
        super().check(np.asarray(x), name)
        if self.padding is not None:
            gone = np.asarray(x) == self.padding
            if (gone[:, :-1] & ~gone[:, 1:]).any():
                raise ValueError(
                    f"{name} must have its padding, token {self.padding}, at the end of each sequence only (or "
                    "padding=None, which counts it). Received: padding before other tokens"
                )


class _Read(tfd.Distribution):
    """The distribution of `Tokens`, for contexts [..., C]."""

    def __init__(self, part, context):
        self.part, self.context = part, context
        self.length = part.example_shape[0]
        super().__init__(tf.int32, tfd.NOT_REPARAMETERIZED, validate_args=False, allow_nan_stats=True)

    def _batch_shape(self):
        return self.context.shape[:-1]

    def _batch_shape_tensor(self):
        return tf.shape(self.context)[:-1]

    def _event_shape(self):
        return tf.TensorShape([self.length])

    def _event_shape_tensor(self):
        return tf.constant([self.length])

    def _logits(self, x, context):
        before = tf.pad(x, [[0, 0], [1, 0]])[:, :-1]
        return tf.cast(self.part.reader([before, context]), tf.float32)

    def _flat(self, leading):
        context = tf.broadcast_to(self.context, tf.concat([leading, self.context.shape[-1:]], axis=0))
        return tf.reshape(context, [-1, self.context.shape[-1]])

    def _log_prob(self, x):
        leading = tf.broadcast_dynamic_shape(tf.shape(x)[:-1], tf.shape(self.context)[:-1])
        x = tf.reshape(tf.broadcast_to(x, tf.concat([leading, [self.length]], axis=0)), [-1, self.length])
        each = -tf.nn.sparse_softmax_cross_entropy_with_logits(x, self._logits(x, self._flat(leading)))
        if self.part.padding is not None:
            each = tf.where(x == self.part.padding, 0.0, each)
        return tf.reshape(tf.reduce_sum(each, axis=-1), leading)

    def _one_after_the_other(self, leading, choose):
        """Tokens [*leading, length]; choose(logits [n, vocabulary], place) -> the token of that place [n]."""
        context = self._flat(leading)
        x = tf.zeros([tf.shape(context)[0], self.length], tf.int32)
        for place in range(self.length):
            token = choose(self._logits(x, context)[:, place], place)
            x = tf.where(tf.range(self.length) == place, tf.cast(token, tf.int32)[:, None], x)
        return tf.reshape(x, tf.concat([leading, [self.length]], axis=0))

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed, self.length)
        return self._one_after_the_other(
            tf.concat([[n], tf.shape(self.context)[:-1]], axis=0),
            lambda logits, place: tf.random.stateless_categorical(logits, 1, seeds[place])[:, 0],
        )

    def _mode(self):
        return self._one_after_the_other(
            tf.shape(self.context)[:-1], lambda logits, place: tf.argmax(logits, axis=-1, output_type=tf.int32)
        )
