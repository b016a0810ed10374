"""Keras layers for what happens to an example on its way in: binary pixels drawn anew, missing values filled."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops


def next_seed(generator: keras.random.SeedGenerator) -> tf.Tensor:
    """The next seed of a `keras.random.SeedGenerator`, [2]. Under a tf.distribute strategy each device has its own."""
    seed, replica = tf.cast(generator.next(), tf.int32), tf.distribute.get_replica_context()
    if replica is not None and replica.num_replicas_in_sync > 1:  # all of them hold one generator
        seed += tf.stack([replica.replica_id_in_sync_group, 0])
    return seed


@keras.saving.register_keras_serializable("vae_course.layers")
class Binarize(keras.layers.Layer):
    """Dynamic binarization: a pixel of gray value v in [0, 1] becomes 1 with probability v, else 0. In chapter 04.

    For `VAE(augmentation=Binarize())`, which draws anew in each training step. Without `training=True` nothing changes.
    To binarize a test set once: `Binarize(seed=0)(x_test, training=True).numpy()`. Pixels that are 0 or 1 stay.
    Source: Salakhutdinov & Murray (2008), "On the quantitative analysis of deep belief networks".
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed = seed
        self._seeds = keras.random.SeedGenerator(seed)

    def call(self, x: tf.Tensor, training: bool | None = False) -> tf.Tensor:
        if not training:
            return x
        if x.dtype == tf.uint8:
            x = tf.cast(x, tf.float32) / 255.0
        draws = tf.random.stateless_uniform(tf.shape(x), next_seed(self._seeds), alg="philox")
        return tf.cast(draws < x, x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("vae_course.layers")
class FillMissing(keras.layers.Layer):
    """NaN becomes 0, and beside it on the last axis 1 where a value was observed: [batch, ..., c] -> [batch, ..., 2 c].

    The first layer of an encoder for data with missing values. With `mask=False` only the filling: [batch, ..., c].
    Sources: Nazabal et al. (2020), "Handling incomplete heterogeneous data using VAEs"; Mattei & Frellsen (2019),
    "MIWAE: deep generative modeling and imputation of incomplete data sets".
    """

    def __init__(self, mask: bool = True, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.mask = mask

    def call(self, x: tf.Tensor) -> tf.Tensor:
        observed = ops.logical_not(ops.isnan(x))
        filled = ops.where(observed, x, ops.zeros_like(x))  # the gradient at a missing value is 0
        return ops.concatenate([filled, ops.cast(observed, filled.dtype)], axis=-1) if self.mask else filled

    def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*shape[:-1], 2 * shape[-1]) if self.mask else tuple(shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask": self.mask}
