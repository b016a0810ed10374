"""VAEs that are trained for something else than the ELBO, which they report beside it: one changed term each."""

from typing import Any

from vae_course import bounds
from vae_course.models import checks
from vae_course.models.vae import VAE

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd


class IWAE(VAE):
    """A VAE trained on log (1/k) sum_k w_k, the importance-weighted bound. Built in chapter 04.

    k: samples of the posterior for each example. There is no beta in this bound. The history shows `iwae` beside the
    terms of the ELBO.
    Source: Burda, Grosse & Salakhutdinov (2016), "Importance weighted autoencoders".
    """

    terms = ("iwae", *VAE.terms)
    obeys_beta = False

    def __init__(self, encoder: keras.Model, decoder: keras.Model, k: int = 5, **kwargs: Any) -> None:
        self.k = checks.whole_number(k, "k")
        super().__init__(encoder, decoder, **kwargs)

    def bound_of(self, x: tf.Tensor | np.ndarray) -> dict[str, tf.Tensor]:
        x = self.prepare(x)
        posterior = self.posterior(x)
        z = posterior.sample(self.k, seed=self._seed())
        reconstruction = self.likelihood(z).log_prob(x)
        kl = posterior.log_prob(z) - self.prior().log_prob(z)  # at the samples, so that the terms add up exactly
        log_w = reconstruction - kl
        terms = {"elbo": log_w, "reconstruction": reconstruction, "kl": kl}
        means = {name: tf.reduce_mean(term, axis=0) for name, term in terms.items()}
        return {"iwae": bounds.iwae(log_w), **means}

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        return terms["iwae"]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}


class FreeBits:
    """Beside a VAE: the weight `free_bits`, nats that each latent (or group of latents) may use at no cost."""

    def _make_free_bits(self, value):
        self._free_bits = self.add_weight(name="free_bits", shape=(), initializer="zeros", trainable=False)
        self.free_bits = value

    @property
    def free_bits(self) -> float:
        """Nats that each latent, or group of latents, may use at no cost."""
        return float(self._free_bits.numpy())

    @free_bits.setter
    def free_bits(self, value: float) -> None:
        if not value >= 0:
            raise ValueError(f"free_bits must be at least 0 nats. Received: {value}")
        self._free_bits.assign(value)

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        return terms["reconstruction"] - self._beta * terms["paid_kl"]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "free_bits": self.free_bits}


class FreeBitsVAE(FreeBits, VAE):
    """A VAE whose first nats are free: loss = mean of -(reconstruction - beta * paid KL). Built in chapter 06.

        paid KL = sum_j max(free_bits, mean over the batch of KL(q(z_j|x) || p(z_j)))

    free_bits: nats that each latent may use at no cost. `vae.free_bits = 0.5` between two fits is obeyed.
    The history shows `paid_kl` beside the terms of the ELBO, which is reported without any discount. The loss depends a
    little on the batch size, since the mean is that of the batch; with free_bits = 0 this is the VAE.
    Source: Kingma et al. (2016), "Improved variational inference with inverse autoregressive flow", equation 15.
    """

    terms = ("paid_kl", *VAE.terms)

    def __init__(self, encoder: keras.Model, decoder: keras.Model, free_bits: float = 0.25, **kwargs: Any) -> None:
        super().__init__(encoder, decoder, **kwargs)
        self._make_free_bits(free_bits)

    def bound(self, x: tf.Tensor | np.ndarray, z: tf.Tensor, posterior: tfd.Distribution) -> dict[str, tf.Tensor]:
        per_latent = bounds.kl_per_latent(posterior, self.prior())
        paid = tf.reduce_sum(bounds.free_bits(per_latent, self._free_bits), axis=-1)
        return {"paid_kl": paid, **super().bound(x, z, posterior)}


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

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, train_size: int, beta: float = 4.0, **kwargs: Any
    ) -> None:
        if train_size < 2:
            raise ValueError(f"train_size must be the number of training examples, at least 2. Received: {train_size}")
        super().__init__(encoder, decoder, beta=beta, **kwargs)
        self.train_size = int(train_size)

    def bound(self, x: tf.Tensor | np.ndarray, z: tf.Tensor, posterior: tfd.Distribution) -> dict[str, tf.Tensor]:
        return {
            **bounds.kl_parts(z, posterior, self.prior(), self.train_size),
            **super().bound(x, z, posterior),
        }

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        return terms["reconstruction"] - terms["kl"] - (self._beta - 1.0) * terms["total_correlation"]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "train_size": self.train_size}
