"""Plain and denoising autoencoders: x -> code -> x."""

from collections.abc import Callable
from typing import Any

from vae_course.models import checks
from vae_course.models.base import CourseModel
from vae_course.models.data import in_batches, pixels

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf


class Autoencoder(CourseModel):
    """x -> z = encoder(x) -> decoder(z), trained to give back x. Built in chapter 01.

    encoder: Keras network [batch, *shape] -> [batch, latent_size]; decoder: [batch, latent_size] -> [batch, *shape].
    compile(optimizer, loss="mse") takes any Keras loss; fit(x) uses x itself as the target, fit(x, y) uses y.
    Source: Hinton & Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks".
    """

    second = "targets"
    own_objective = False
    fixed = ("encoder", "decoder")

    def __init__(self, encoder: keras.Model, decoder: keras.Model, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        checks.networks(encoder=encoder, decoder=decoder)
        self.encoder, self.decoder = encoder, decoder
        self.example_shape = tuple(encoder.input_shape[1:])
        self.latent_size = encoder.output_shape[-1]
        checks.pair(encoder, decoder, (self.latent_size,), self.example_shape)
        self.built = True

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: str | keras.losses.Loss | Callable = "mse",
        **kwargs: Any,
    ) -> None:
        super().compile(optimizer, loss, **kwargs)

    def check_second(self, y: Any, x: Any = None) -> None:
        if y is not None:
            y = np.asarray(y)
            checks.numbers_of_shape(y, self.example_shape, "y, what is to be given back,")
            checks.finite(y, "y")
            checks.same_length(x, y, "y")

    def call(self, x: tf.Tensor | np.ndarray, training: bool | None = None) -> tf.Tensor:
        return tf.cast(self.decoder(self.encoder(pixels(x), training=training), training=training), tf.float32)

    def compute_loss(
        self,
        x: tf.Tensor | np.ndarray | None = None,
        y: tf.Tensor | np.ndarray | None = None,
        y_pred: tf.Tensor | None = None,
        sample_weight: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        target, sample_weight = self._target(x, y, sample_weight)
        return super().compute_loss(x, target, y_pred, sample_weight, training)

    def compute_metrics(
        self,
        x: tf.Tensor | np.ndarray,
        y: tf.Tensor | np.ndarray | None,
        y_pred: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
    ) -> dict[str, Any]:
        target, sample_weight = self._target(x, y, sample_weight)
        return super().compute_metrics(x, target, y_pred, sample_weight)

    @staticmethod
    def _target(x, y, sample_weight):
        """What to reconstruct, and one weight per example in a shape that Keras spreads over the pixels."""
        target = pixels(x if y is None else y)
        if sample_weight is not None:
            sample_weight = tf.reshape(sample_weight, [-1, *[1] * (len(target.shape) - 2)])
        return target, sample_weight

    def encode(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """Codes of examples: numpy [n, *shape], a frame or a tf.data set -> [n, latent_size]."""
        x = checks.collected(x)
        x = x[0] if isinstance(x, tuple) else x
        self.check(x)
        return in_batches(lambda part: tf.cast(self.encoder(pixels(part)), tf.float32), x)

    def decode(self, z: npt.ArrayLike) -> np.ndarray:
        """Examples from codes: numpy [n, latent_size] -> [n, *shape]."""
        z = np.asarray(z, "float32")
        if z.ndim != 2 or z.shape[1] != self.latent_size:
            raise ValueError(f"z must have shape [n, {self.latent_size}]. Received: {list(z.shape)}")
        return in_batches(lambda part: tf.cast(self.decoder(part), tf.float32), z)

    def reconstruct(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """decode(encode(x)): numpy [n, *shape] -> [n, *shape]."""
        return self.decode(self.encode(x))

    def get_config(self) -> dict[str, Any]:
        networks = {"encoder": self.encoder, "decoder": self.decoder}
        networks = {name: keras.saving.serialize_keras_object(network) for name, network in networks.items()}
        return {"name": self.name, "trainable": self.trainable, **networks}


class DenoisingAutoencoder(Autoencoder):
    """corruption(x) -> z -> x: trained to give back the clean x, with fresh noise in every step. Built in chapter 02.

    corruption: a Keras layer that adds noise when called with `training=True`, such as `keras.layers.GaussianNoise`.
    fit(x) and evaluate(x) corrupt x themselves; predict, encode and reconstruct take x as it comes. For more or less
    noise set a new layer, `model.corruption = ...`: what is changed inside the old one shows only after `compile()`.
    Source: Vincent et al. (2008), "Extracting and composing robust features with denoising autoencoders".
    """

    suits_xla_on_cpu = False  # it would draw the noise anew for every product that the first layer sums up

    def __init__(self, encoder: keras.Model, decoder: keras.Model, corruption: keras.Layer, **kwargs: Any) -> None:
        super().__init__(encoder, decoder, **kwargs)
        self.corruption = corruption

    def _batch(self, part, data):
        x, y, sample_weight = super()._batch(part, data)
        x = pixels(x)
        return self.corruption(x, training=True), x if y is None else y, sample_weight

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "corruption": keras.saving.serialize_keras_object(self.corruption)}
