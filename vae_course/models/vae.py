"""The variational autoencoder: three distributions and one bound."""

from os import PathLike
from typing import Any

from vae_course import likelihoods, parts, posteriors, priors
from vae_course.models import checks
from vae_course.models.joint import Joint
from vae_course.models.latent import LatentModel

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd


class VAE(Joint, LatentModel):
    """ELBO(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z)), in nats per example. Built in chapter 03.

    encoder: Keras network [batch, *shape] -> the posterior's parameters, [batch, 2 * latent_size] for "gaussian".
    decoder: Keras network [batch, latent_size] -> the likelihood's parameters, [batch, *shape] for "bernoulli".
    prior, posterior, likelihood: parts from the modules of these names, or subclasses of your own, or a name for a part
        with its defaults: "standard_normal", "gaussian_mixture"; "gaussian", "full_gaussian"; "bernoulli", "gaussian",
        "laplace", "student_t", "poisson", "negative_binomial", "discretized_logistic", "categorical_pixels".
    beta: weight of the KL in the loss. `vae.beta = 4.0` between two fits is obeyed. It is saved with the weights.
    augmentation: a Keras layer that changes x in training only, anew in each step: `layers.Binarize()`, RandomFlip...

    The likelihood says what examples may be: floats in its support, or bytes (uint8), which are pixels to it.

    The model itself, `vae(x)` or `vae.predict(x)`, gives the terms of the bound: a dictionary of [batch] in nats, with
    elbo = reconstruction - kl. The loss is the mean over the batch of -(reconstruction - beta * kl). A callback that
    watches the ELBO needs to know that more is better: `EarlyStopping("val_elbo", mode="max")`.
    Networks and parts stay as they are: for another part make another model. A subclass may also override `prior()`,
    `posterior(x)` or `likelihood(z)` (then any real x is accepted, and pictures are its means); to change what is
    trained for, `bound(x, z, posterior)` and `objective(terms)`.
    Source: Kingma & Welling (2014), "Auto-encoding variational Bayes"; beta: Higgins et al. (2017), "beta-VAE".
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: str | priors.Prior = "standard_normal",
        posterior: str | posteriors.Posterior = "gaussian",
        likelihood: str | likelihoods.Likelihood = "bernoulli",
        beta: float = 1.0,
        augmentation: keras.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, beta, augmentation, **kwargs)
        checks.numbers_out(encoder)
        outputs = tuple(encoder.outputs[0].shape[1:])
        self.posterior_part = parts.find(posterior, posteriors.POSTERIORS, posteriors.Posterior).on(outputs)
        self.latent_size = self.posterior_part.latent_size
        self.prior_part = parts.find(prior, priors.PRIORS, priors.Prior).on((self.latent_size,))
        self.prior_part.check_examples(self.example_shape)
        if getattr(self.prior_part, "from_bytes", False) and self.likelihood_part.whole != "pixels":
            raise ValueError(
                "Bytes are pixels to a VampPrior, and numbers to this likelihood: give it pseudo_inputs as floats, "
                f"x.astype('float32'). Received: uint8 with a {type(self.likelihood_part).__name__} likelihood"
            )
        checks.ends_linearly(encoder, "encoder", "the parameters of the posterior, means and raw scales")
        self._check_fit()

    def prior(self, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        """p(z), event [latent_size]."""
        if self.prior_part.needs_posterior:
            return self.prior_part.distribution(c, self.posterior)
        return self.prior_part.distribution(c)

    def posterior(self, x: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        """q(z|x) for x [batch, *shape], event [latent_size]."""
        return self.posterior_part.distribution(self.encoder_output(x, c))

    def _check_fit(self):
        super()._check_fit()
        if self.second is None:
            self._check_no_condition()
            self._check_events()

    def _check_no_condition(self):
        checks.one_input(encoder=self.encoder, decoder=self.decoder)
        for part in (self.prior_part, self.likelihood_part):
            if part.hears_condition:
                raise ValueError(
                    f"This part needs a condition: use models.ConditionalVAE. Received: {type(part).__name__} in a "
                    f"{type(self).__name__}"
                )

    def _check_events(self, c=None):
        """One dry run: each part must give one number for each example, or tfd merges and broadcasts in silence."""
        x, given = tf.zeros([2, *self.example_shape], self.encoder.inputs[0].dtype), () if c is None else (c,)
        views = {
            "prior": (lambda: self.prior(*given), (self.latent_size,), (2,)),
            "posterior": (lambda: self.posterior(x, *given), (self.latent_size,), (2,)),
            "likelihood": (lambda: self.likelihood(tf.zeros([2, self.latent_size]), *given), self.example_shape, (2,)),
        }
        for name, (made, event, batch) in views.items():
            distribution = made()
            if not hasattr(distribution, "event_shape") or not hasattr(distribution, "batch_shape"):
                continue  # a distribution of one's own
            found = (tuple(distribution.event_shape), tuple(distribution.batch_shape))
            if found not in ((event, batch), (event, ())):
                raise ValueError(
                    f"The {name} must give one number for each example: event shape {list(event)}, batch shape "
                    f"{list(batch)} for two examples. Wrap entries in tfd.Independent(..., {len(event)}), as "
                    f"Likelihood.independent() does. Received: event shape {list(found[0])}, batch shape "
                    f"{list(found[1])}"
                )

    def get_config(self) -> dict[str, Any]:
        made_of = {"prior": self.prior_part, "posterior": self.posterior_part}
        made_of = {name: keras.saving.serialize_keras_object(part) for name, part in made_of.items()}
        return {**super().get_config(), **made_of}

    def export(self, filepath: str | PathLike, *args: Any, **kwargs: Any) -> None:
        """A SavedModel for float32 examples with the endpoints serve (the terms), encode, decode and sample.

        encode: examples -> means of the codes; decode: codes -> means of the examples; sample: codes' number n and a
        seed [2], both int32, -> means of n new examples. Any argument beside the path goes to Keras's export, which
        then writes the terms only.
        """
        if args or set(kwargs) - {"verbose"}:
            return super().export(filepath, *args, **kwargs)
        examples = tf.TensorSpec([None, *self.example_shape], tf.float32)
        codes = tf.TensorSpec([None, self.latent_size], tf.float32)
        scalar, pair = tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32)
        archive = keras.export.ExportArchive()
        archive.track(self)
        archive.add_endpoint("serve", lambda x: self(x), [examples])
        archive.add_endpoint("encode", lambda x: self.posterior(x).mean(), [examples])
        archive.add_endpoint("decode", lambda z: self.picture(z), [codes])
        archive.add_endpoint("sample", lambda n, seed: self.picture(self.prior().sample(n, seed=seed)), [scalar, pair])
        archive.write_out(filepath, verbose=kwargs.get("verbose", True))
