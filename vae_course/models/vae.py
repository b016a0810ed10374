"""The variational autoencoder: three distributions and one bound."""

import numbers

from vae_course import bounds, distributions, priors
from vae_course.distributions import lookup
from vae_course.models.autoencoder import _Coder, check_pair
from vae_course.models.base import mean_over_batch, pixels

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("vae_course")
class VAE(_Coder):
    """ELBO(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z)), in nats per example. Built in chapter 03.

    encoder: Keras network [batch, *shape] -> the posterior's parameters, [batch, 2 * latent_size] for "gaussian".
    decoder: Keras network [batch, latent_size] -> the likelihood's parameters, [batch, *shape] for "bernoulli".
    prior: None for N(0, I), or a layer with `distribution()` as in `vae_course.priors`.
    posterior: "gaussian" (diagonal), "full_gaussian", or a layer such as `flows.FlowPosterior`.
    likelihood: "bernoulli", "gaussian", "gaussian_per_pixel", "discretized_logistic" or "categorical".
    scale: standard deviation of the "gaussian" likelihood: a number, or "learned" for one learned number.
    beta: weight of the KL in the loss. `vae.beta = 4.0` between two fits is obeyed. It is saved with the weights.
    augmentation: a Keras layer that changes x in training only, anew in each step: `networks.Binarize()`, RandomFlip...

    Examples are floats; whole numbers are read as pixels 0..255 and divided by 255, so give counts as floats.

    The model itself, `vae(x)` or `vae.predict(x)`, gives the terms of the bound: a dictionary of [batch] in nats, with
    elbo = reconstruction - kl. The loss is the mean over the batch of -(reconstruction - beta * kl). A callback that
    watches the ELBO needs to know that more is better: `EarlyStopping("val_elbo", mode="max")`.
    To change one distribution, override `prior()`, `posterior(x)` or `likelihood(z)` (then any real x is accepted, and
    pictures are its means); to change what is trained for, `bound(x, z, posterior)` and `objective(terms)`.
    Source: Kingma & Welling (2014), "Auto-encoding variational Bayes"; beta: Higgins et al. (2017), "beta-VAE".
    """

    terms = ("elbo", "reconstruction", "kl")
    obeys_beta = takes_prior = True
    _training = None  # whether this is training, where Keras does not know: it does within `call`

    def __init__(
        self,
        encoder,
        decoder,
        prior=None,
        posterior="gaussian",
        likelihood="bernoulli",
        scale=1.0,
        beta=1.0,
        augmentation=None,
        **kwargs,
    ):
        super().__init__(encoder, decoder, **kwargs)
        if augmentation is not None and not isinstance(augmentation, keras.Layer):
            raise ValueError(f"augmentation must be a Keras layer, or None. Received: {augmentation!r}")
        self.augmentation = augmentation
        self.likelihood_name = likelihood
        self._likelihood = lookup(distributions.LIKELIHOODS, likelihood, "likelihood")
        self._choose_posterior(posterior)
        *sides, channels = self.example_shape
        try:
            check_pair(encoder, decoder, self._decoder_size(), (*sides, channels * self._likelihood.channels))
        except ValueError as error:
            raise ValueError(
                f"Encoder and decoder do not fit a {self.posterior_name!r} posterior and a {likelihood!r} likelihood: "
                f"its decoder has {self._likelihood.channels} x {channels} channels. {error}"
            ) from None
        if not (self.takes_prior or prior is None or isinstance(prior, priors.StandardNormal)):
            raise ValueError(f"{type(self).__name__} makes its own prior, so it takes none. Received: {prior!r}")
        self.prior_layer = priors.StandardNormal(self.latent_size) if prior is None else prior
        if not callable(getattr(self.prior_layer, "distribution", None)):
            raise ValueError(f"prior must be a Keras layer with a method distribution(). Received: {prior!r}")
        if getattr(self.prior_layer, "latent_size", None) != self.latent_size:
            received = getattr(prior, "latent_size", "a prior without the attribute latent_size")
            raise ValueError(f"The prior must have the posterior's {self.latent_size} latents. Received: {received}")
        self._make_scale(scale)
        self._check_beta(beta)
        # A weight, because a Python attribute would be frozen into the compiled step.
        self._beta = self.add_weight(name="beta", shape=(), initializer=_constant(beta), trainable=False)
        self._seeds = keras.random.SeedGenerator()
        self._trackers = [keras.metrics.Mean(name=name) for name in self.terms]
        self.built = True

    def _choose_posterior(self, posterior):
        """Set the family of q(z|x) and the number of latents that the encoder's outputs describe."""
        outputs = self.encoder.output_shape[-1]
        if isinstance(posterior, str):
            self.posterior_name, self.posterior_layer = posterior, None
            self._posterior = lookup(distributions.POSTERIORS, posterior, "posterior")
            self.latent_size = distributions.posterior_latent_size(posterior, outputs)
            return
        if not callable(getattr(posterior, "distribution", None)):
            raise ValueError(f"posterior must be a name or a layer with distribution(). Received: {posterior!r}")
        if outputs != posterior.outputs:
            raise ValueError(f"This posterior needs {posterior.outputs} encoder outputs. Received: {outputs} outputs")
        self.posterior_name, self.posterior_layer = type(posterior).__name__, posterior
        self._posterior, self.latent_size = posterior.distribution, posterior.latent_size

    def _decoder_size(self):
        """How many numbers the decoder takes."""
        return self.latent_size

    def _make_scale(self, scale):
        learned = isinstance(scale, str) and scale == "learned"
        if not learned and not (isinstance(scale, numbers.Real) and scale > 0):
            raise ValueError(f'scale must be a positive number or "learned". Received: {scale!r}')
        if learned and self.likelihood_name != "gaussian":
            raise ValueError(
                f'scale="learned" belongs to the "gaussian" likelihood. Received: {self.likelihood_name!r}'
            )
        self.scale = scale if learned else float(scale)
        if learned:
            self.log_scale = self.add_weight(name="log_scale", shape=(), initializer="zeros")

    @property
    def beta(self):
        """Weight of the KL in the loss."""
        return float(self._beta.numpy())

    @beta.setter
    def beta(self, value):
        self._check_beta(value)
        self._beta.assign(value)

    def _check_beta(self, value):
        if not self.obeys_beta and value != 1:
            raise ValueError(f"{type(self).__name__} has no use for beta: leave it at 1. Received: {value}")

    # --- the three distributions ---

    def prior(self):
        """p(z), event [latent_size]."""
        return self.prior_layer.distribution()

    def posterior(self, x):
        """q(z|x) for x [batch, *shape], event [latent_size]."""
        return self._posterior(tf.cast(self._network(self.encoder, pixels(x)), tf.float32))

    def likelihood(self, z):
        """p(x|z) for z [..., latent_size], event [*shape]."""
        return self._likelihood_of(self._decoder_output(z))

    def _likelihood_of(self, output):
        """p(x|z) from what the decoder puts out."""
        scale = tf.exp(self.log_scale) if self.scale == "learned" else float(self.scale)
        return self._likelihood.distribution(output, len(self.example_shape), scale)

    def _network(self, network, x):
        return network(x) if self._training is None else network(x, training=self._training)

    def _decoder_output(self, z):
        """The decoder's output in float32, for codes with any number of leading axes."""
        if len(z.shape) == 2:
            return tf.cast(self._network(self.decoder, z), tf.float32)
        output = self._network(self.decoder, tf.reshape(z, [-1, self.latent_size]))
        shape = tf.concat([tf.shape(z)[:-1], output.shape[1:]], axis=0)
        return tf.cast(tf.reshape(output, shape), tf.float32)

    # --- the bound ---

    def call(self, x, training=None):
        """The terms of the bound for x [batch, *shape]: a dictionary of [batch], in nats, from one sample of q(z|x)."""
        x = pixels(x)
        posterior = self.posterior(x)
        return self.bound(x, posterior.sample(seed=self._seed()), posterior)

    def bound(self, x, z, posterior):
        """The terms of the bound at codes z [batch, latent_size], drawn from the posterior of x: [batch] each, in nats.

        A variant with terms of its own adds them here, names them in `terms`, and uses them in `objective`. It changes
        what is trained, and not `sample` or `log_weights`: these ask `prior`, `posterior` and `likelihood`.
        """
        reconstruction = self.likelihood(z).log_prob(x)
        kl = bounds.kl(posterior, self.prior(), z)
        return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}

    def objective(self, terms):
        """What training makes large: reconstruction - beta * kl, [batch], in nats."""
        return terms["reconstruction"] - self._beta * terms["kl"]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The mean over the batch of -objective, plus the networks' own regularisation losses."""
        for tracker in self._trackers:
            tracker.update_state(y_pred[tracker.name], sample_weight)
        loss = mean_over_batch(-self.objective(y_pred), sample_weight) + tf.add_n([0.0, *self.losses])
        return self._over_replicas(loss)

    def log_weights(self, x, k, seed=None):
        """log w = log p(x, z) - log q(z|x) for k samples of the posterior: [k, batch], in nats. Built in chapter 04.

        seed: two whole numbers, as a tensor [2], for draws that repeat; None goes on with the model's own stream.
        """
        x = pixels(x)
        posterior = self.posterior(x)
        z = posterior.sample(k, seed=self._seed() if seed is None else seed)
        return bounds.log_weights(x, z, self.prior(), self.likelihood(z), posterior)

    def _batch(self, part, data):
        data = super()._batch(part, data)
        if part == "valid" or self.augmentation is None:
            return data
        x, *rest = keras.utils.unpack_x_y_sample_weight(data)
        return self.augmentation(pixels(x), training=True), *rest

    # --- numpy in, numpy out ---

    def sample(self, n, seed=None):
        """Means of p(x|z) for n codes from the prior: numpy [n, *shape]. Draw the codes yourself for anything else."""
        seed = self._seed() if seed is None else tf.constant([seed, 0])
        return self.decode(self.prior().sample(n, seed=seed).numpy())

    def check(self, x, name="x"):
        super().check(x, name)
        support = self._likelihood
        unbounded = self._own_likelihood() or (support.low is None and support.high is None)
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or unbounded:
            return
        low, high = float(x.min()), float(x.max())
        lowest = -np.inf if support.low is None else support.low
        highest = np.inf if support.high is None else support.high
        if low < lowest or high > highest:
            hint = " (whole numbers 0..255 stored as floats? Divide by 255)" if 1 < high <= 255 and low >= 0 else ""
            raise ValueError(
                f"{name} must lie in [{lowest:g}, {highest:g}] for the {self.likelihood_name!r} "
                f"likelihood{hint}. Received: values from {low:g} to {high:g}"
            )
        if support.levels is not None:
            levels = x.astype("float64") * (support.levels - 1)
            if np.abs(levels - np.round(levels)).max() > 1e-3:
                raise ValueError(
                    f"{name} must lie on the grid 0, 1/{support.levels - 1}, ..., 1 for the {self.likelihood_name!r} "
                    "likelihood: load the data as whole numbers 0..255. Received: values between grid points"
                )

    def _code(self, x):
        return self.posterior(x).mean()

    def _picture(self, z):
        own = self.likelihood(z) if self._own_likelihood() else None
        if hasattr(own, "mean"):
            return own.mean()
        output = self._decoder_output(z)
        return self._likelihood.mean(output, self._likelihood_of(output))

    def _own_likelihood(self):
        """Whether a subclass has written its own p(x|z), whose support and mean are then not those of the name."""
        return type(self).likelihood is not VAE.likelihood

    def get_config(self):
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior_layer),
            "posterior": keras.saving.serialize_keras_object(self.posterior_layer) or self.posterior_name,
            "likelihood": self.likelihood_name,
            "scale": self.scale,
            "beta": self.beta,
            "augmentation": keras.saving.serialize_keras_object(self.augmentation),
        }


class FreeBits:
    """Beside a VAE: the weight `free_bits`, nats that each latent (or group of latents) may use at no cost."""

    def _make_free_bits(self, value):
        self._free_bits = self.add_weight(name="free_bits", shape=(), initializer="zeros", trainable=False)
        self.free_bits = value

    @property
    def free_bits(self):
        """Nats that each latent, or group of latents, may use at no cost."""
        return float(self._free_bits.numpy())

    @free_bits.setter
    def free_bits(self, value):
        if not value >= 0:
            raise ValueError(f"free_bits must be at least 0 nats. Received: {value}")
        self._free_bits.assign(value)


@keras.saving.register_keras_serializable("vae_course")
class IWAE(VAE):
    """A VAE trained on log (1/k) sum_k w_k, the importance-weighted bound. Built in chapter 04.

    k: samples of the posterior for each example. There is no beta in this bound. The history shows `iwae` beside the
    terms of the ELBO.
    Source: Burda, Grosse & Salakhutdinov (2016), "Importance weighted autoencoders".
    """

    terms = ("iwae", *VAE.terms)
    obeys_beta = False

    def __init__(self, encoder, decoder, k=5, **kwargs):
        if k < 1:
            raise ValueError(f"k must be at least 1. Received: {k}")
        self.k = k
        super().__init__(encoder, decoder, **kwargs)

    def call(self, x, training=None):
        x = pixels(x)
        posterior = self.posterior(x)
        z = posterior.sample(self.k, seed=self._seed())
        reconstruction = self.likelihood(z).log_prob(x)
        kl = posterior.log_prob(z) - self.prior().log_prob(z)  # at the samples, so that the terms add up exactly
        log_w = reconstruction - kl
        terms = {"elbo": log_w, "reconstruction": reconstruction, "kl": kl}
        return {
            "iwae": bounds.iwae(log_w),
            **{name: tf.reduce_mean(term, axis=0) for name, term in terms.items()},
        }

    def objective(self, terms):
        return terms["iwae"]

    def get_config(self):
        return {**super().get_config(), "k": self.k}


def _constant(value):
    return keras.initializers.Constant(value)
