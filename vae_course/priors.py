"""Priors p(z): Keras layers that own their weights and yield a distribution on request."""

from vae_course import distributions

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Prior(keras.layers.Layer):
    """p(z) over codes [latent_size]. A subclass makes its weights with `add_weight` and defines `distribution()`."""

    def __init__(self, latent_size, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # densities stay in float32 under mixed precision
        self.latent_size = latent_size
        self.built = True

    def distribution(self):
        """p(z), built afresh on every call: a distribution that outlives a step goes stale."""
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "latent_size": self.latent_size}


@keras.saving.register_keras_serializable("vae_course")
class StandardNormal(Prior):
    """p(z) = N(0, I). No weights. Built in chapter 03."""

    def distribution(self):
        return distributions.standard_normal(self.latent_size)


@keras.saving.register_keras_serializable("vae_course")
class GaussianMixture(Prior):
    """p(z) = sum_c softmax(logits)_c N(z; loc_c, diag(scale_c^2)), all learnable.

    components: how many normals; `spread` is the standard deviation of their initial centres.
    """

    def __init__(self, latent_size, components=10, spread=1.0, **kwargs):
        super().__init__(latent_size, **kwargs)
        self.components, self.spread = components, spread
        shape = (components, latent_size)
        self.logits = self.add_weight(name="logits", shape=(components,), initializer="zeros")
        self.loc = self.add_weight(name="loc", shape=shape, initializer=keras.initializers.RandomNormal(stddev=spread))
        self.raw_scale = self.add_weight(name="raw_scale", shape=shape, initializer="zeros")

    def distribution(self):
        loc, raw_scale = tf.convert_to_tensor(self.loc), tf.convert_to_tensor(self.raw_scale)
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.convert_to_tensor(self.logits)),
            tfd.MultivariateNormalDiag(loc=loc, scale_diag=distributions.positive(raw_scale)),
        )

    def get_config(self):
        return {**super().get_config(), "components": self.components, "spread": self.spread}
