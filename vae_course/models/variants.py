"""VAEs that are trained for something else than the ELBO, which they report beside it: one changed term each."""

from vae_course import bounds
from vae_course.models.vae import VAE, FreeBits

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


@keras.saving.register_keras_serializable("vae_course")
class FreeBitsVAE(FreeBits, VAE):
    """A VAE whose first nats are free: loss = mean of -(reconstruction - beta * paid KL). Built in chapter 06.

        paid KL = sum_j max(free_bits, mean over the batch of KL(q(z_j|x) || p(z_j)))

    free_bits: nats that each latent may use at no cost. `vae.free_bits = 0.5` between two fits is obeyed.
    The history shows `paid_kl` beside the terms of the ELBO, which is reported without any discount. The loss depends a
    little on the batch size, since the mean is that of the batch; with free_bits = 0 this is the VAE.
    Source: Kingma et al. (2016), "Improving variational inference with inverse autoregressive flow", equation 15.
    """

    terms = ("paid_kl", *VAE.terms)

    def __init__(self, encoder, decoder, free_bits=0.25, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        self._make_free_bits(free_bits)

    def bound(self, x, z, posterior):
        per_latent = bounds.kl_per_latent(posterior, self.prior())
        paying = tf.reduce_mean(per_latent, axis=0) > self._free_bits
        # Below the threshold a latent costs a constant, so the KL does not pull at it.
        paid = tf.reduce_sum(tf.where(paying, per_latent, self._free_bits), axis=-1)
        return {"paid_kl": paid, **super().bound(x, z, posterior)}

    def objective(self, terms):
        return terms["reconstruction"] - self._beta * terms["paid_kl"]

    def get_config(self):
        return {**super().get_config(), "free_bits": self.free_bits}


@keras.saving.register_keras_serializable("vae_course")
class TCVAE(VAE):
    """A VAE that pays extra for dependent latents: reconstruction - kl - (beta - 1) * total correlation. Chapter 07.

    train_size: how many examples the model is trained on, N in the estimate of the aggregate posterior.
    beta: weight of the total correlation, log q(z) - sum_j log q(z_j); with beta = 1 this is the VAE.
    The history shows the parts of the KL, each from one sample and one batch (see `bounds.kl_parts`): `index_code_mi`,
    `total_correlation`, `dimension_wise_kl`. Estimates of batches of different sizes do not compare.
    Source: Chen et al. (2018), "Isolating sources of disentanglement in VAEs".
    """

    parts = ("index_code_mi", "total_correlation", "dimension_wise_kl")
    terms = (*parts, *VAE.terms)

    def __init__(self, encoder, decoder, train_size, beta=4.0, **kwargs):
        if train_size < 2:
            raise ValueError(f"train_size must be the number of training examples, at least 2. Received: {train_size}")
        super().__init__(encoder, decoder, beta=beta, **kwargs)
        self.train_size = int(train_size)

    def bound(self, x, z, posterior):
        return {
            **bounds.kl_parts(z, posterior, self.prior(), self.train_size),
            **super().bound(x, z, posterior),
        }

    def objective(self, terms):
        return terms["reconstruction"] - terms["kl"] - (self._beta - 1.0) * terms["total_correlation"]

    def get_config(self):
        return {**super().get_config(), "train_size": self.train_size}


@keras.saving.register_keras_serializable("vae_course")
class VampVAE(VAE):
    """A VAE whose prior is its own posterior at invented images: p(z) = (1/K) sum_c q(z|u_c). Built in chapter 09.

    pseudo_inputs: images [K, *shape] to start from, for example a few of the training images; they are then learned.
    components: K, 50 unless said otherwise, if there are no images to start from.
    Source: Tomczak & Welling (2018), "VAE with a VampPrior".
    """

    takes_prior = False

    def __init__(self, encoder, decoder, pseudo_inputs=None, components=None, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        if pseudo_inputs is None:
            components = 50 if components is None else components
            if components < 1:
                raise ValueError(f"components must be at least 1. Received: {components}")
            shape = (components, *self.example_shape)
            pseudo_inputs = np.random.default_rng(0).uniform(0.2, 0.8, shape)
        start = np.asarray(pseudo_inputs, "float32") / (255.0 if np.asarray(pseudo_inputs).dtype.kind in "ui" else 1.0)
        self.check(start, "pseudo_inputs")
        self._bounded = self._likelihood.low is not None  # pixels in [0, 1] are kept there
        if self._bounded:
            start = np.clip(start, 0.02, 0.98)
            start = np.log(start) - np.log1p(-start)
        self.raw_inputs = self.add_weight(name="pseudo_inputs", shape=start.shape, initializer="zeros")
        self.raw_inputs.assign(start)

    @property
    def pseudo_inputs(self):
        """The invented images, [K, *shape]."""
        raw = tf.convert_to_tensor(self.raw_inputs)
        return tf.sigmoid(raw) if self._bounded else raw

    def prior(self):
        components = self.posterior(self.pseudo_inputs)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=tf.zeros([self.raw_inputs.shape[0]])), components)

    def get_config(self):
        return {**super().get_config(), "components": self.raw_inputs.shape[0]}
