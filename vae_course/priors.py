"""Priors p(z): Keras layers that own their weights and yield a distribution on request."""

from vae_course import distributions
from vae_course.flows import chain

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


@keras.saving.register_keras_serializable("vae_course")
class FlowPrior(Prior):
    """p(z) = N(0, I) sent through flows. Built in chapter 09.

    flows: a list of flows of one latent_size, the first first, without context. A prior is asked for the density of
    codes that come from elsewhere, so choose flows with a fast inverse: `Coupling`, or `Autoregressive` for "density".
    Source: Chen et al. (2017), "Variational lossy autoencoder"; Dinh et al. (2017).
    """

    def __init__(self, latent_size, flows=(), **kwargs):
        super().__init__(latent_size, **kwargs)
        self.flows = list(flows)
        wrong = [flow for flow in self.flows if flow.latent_size != latent_size or flow.context_size]
        if wrong:
            raise ValueError(
                f"The flows of a prior must have {latent_size} latents and no context. "
                f"Received: {[(flow.latent_size, flow.context_size) for flow in wrong]}"
            )

    def distribution(self):
        return tfd.TransformedDistribution(distributions.standard_normal(self.latent_size), chain(self.flows))

    def get_config(self):
        return {**super().get_config(), "flows": [keras.saving.serialize_keras_object(flow) for flow in self.flows]}

    @classmethod
    def from_config(cls, config):
        flows = [keras.saving.deserialize_keras_object(flow) for flow in config.pop("flows")]
        return cls(flows=flows, **config)
