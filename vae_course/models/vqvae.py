"""The vector-quantized VAE: codes are whole numbers, each the nearest of a few vectors that learn."""

from collections.abc import Sequence
from typing import Any

from vae_course import likelihoods, priors
from vae_course.models import checks
from vae_course.models.data import in_batches
from vae_course.models.latent import LatentModel

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

STEPS = ("train_function", "test_function", "predict_function")


class VQVAE(LatentModel):
    """ELBO(x) = log p(x|codes) + log p(codes), in nats per example, since q(codes|x) is certain. Built in chapter 17.

        code_i = argmin_k |h_i - e_k|^2,   h = encoder(x),   log p(x|codes) from decoder(e_code)

    encoder: Keras network [batch, *shape] -> [batch, places, size], or maps [batch, height, width, size], whose places
        are then counted row by row. decoder: the same shape -> the likelihood's parameters.
    entries: how many vectors e_k the codebook holds; `codebook` is that weight, [entries, size].
    likelihood, augmentation: as for a `VAE`.
    commitment: weight of |h - sg(e)|^2 in the loss, where sg stops the gradient.
    prior: p(codes). None is the uniform one, -log p(codes) = places * log(entries) for every x; a `priors.CodeMap` is
        fitted once the codes stand, and then set:

            codes = vqvae.encode(x_train)                        # whole numbers [n, places]
            code_map = priors.CodeMap(vqvae.places, vqvae.entries)
            code_map.fit(codes, epochs=20)
            vqvae.prior = code_map                               # obeyed by evaluate, predict, sample, log_likelihood

    The terms elbo = reconstruction - kl are the bound, kl = -log p(codes) under the prior that is set. Two more are no
    part of it, and no nats, but squared distances summed over places: `codebook` |sg(h) - e|^2, which moves the entries
    to the encoder's outputs, and `commitment` |h - sg(e)|^2, which does the reverse. Training makes
    reconstruction - codebook - commitment weight * commitment large; the encoder gets the gradient at the decoder's
    input, handed straight through. It does not train the prior: after another fit, fit that to the new codes.
    Source: van den Oord, Vinyals & Kavukcuoglu (2017), "Neural discrete representation learning", equation 3.
    """

    terms = (*LatentModel.terms, "codebook", "commitment")
    fixed = (*LatentModel.fixed, "codebook", "entries")
    obeys_beta = False
    _code_map = None

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        entries: int = 64,
        likelihood: str | likelihoods.Likelihood = "bernoulli",
        commitment: float = 0.25,
        prior: priors.CodeMap | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, likelihood, **kwargs)
        checks.one_input(encoder=encoder, decoder=decoder)
        self.entries = checks.whole_number(entries, "entries", 2)
        self.commitment = checks.weight(commitment, "commitment")
        if len(encoder.outputs[0].shape) < 3 or None in encoder.outputs[0].shape[1:]:
            raise ValueError(
                "The encoder of a VQVAE must put out a vector for each place, [batch, places, size]: end it in "
                f"keras.layers.Reshape((places, size)). Received: output shape {list(encoder.outputs[0].shape)}"
            )
        self.places, self.size = int(np.prod(self._code_shape()[:-1])), self._code_shape()[-1]
        start = keras.initializers.RandomNormal(stddev=0.1)
        self.codebook = self.add_weight(name="codebook", shape=(self.entries, self.size), initializer=start)
        self._check_fit()
        self.prior = prior

    def _code_shape(self):
        return tuple(self.encoder.outputs[0].shape[1:])

    # --- p(codes) ---

    @property
    def prior(self) -> priors.CodeMap | None:
        """The `priors.CodeMap` that is set, or None: uniform."""
        return self._code_map

    @prior.setter
    def prior(self, value: priors.CodeMap | None) -> None:
        if value is not None:
            if not isinstance(value, priors.CodeMap):
                kind = value.__name__ if isinstance(value, type) else repr(value)
                raise ValueError(f"The prior of a VQVAE must be a priors.CodeMap, or None: uniform. Received: {kind}")
            sizes, wanted = (value.places, value.entries), (self.places, self.entries)
            if sizes != wanted:
                raise ValueError(
                    f"The prior must be a priors.CodeMap(places={wanted[0]}, entries={wanted[1]}), as the codes are. "
                    f"Received: places={sizes[0]}, entries={sizes[1]}"
                )
        if value is self._code_map:
            return
        if self._code_map is not None:
            self._tracker.untrack(self._code_map)
        self._code_map = value
        self.__dict__["_stale"] = set(STEPS)  # its compiled steps know the old one

    @property
    def trainable_weights(self) -> list[keras.Variable]:
        """Those of the networks and the codebook: the prior is fitted on its own."""
        others = {id(weight) for weight in self.prior.weights} if self.prior is not None else ()
        return [weight for weight in super().trainable_weights if id(weight) not in others]

    trainable_variables = trainable_weights

    def start_from(self, fresh: keras.Model) -> None:
        """As for every model; the prior becomes that of `fresh`, most often None."""
        self.prior = fresh.prior
        super().start_from(fresh)

    # --- the bound ---

    def nearest(self, h: tf.Tensor | np.ndarray) -> tf.Tensor:
        """The codes of encoder outputs h [..., size], the numbers of their nearest entries: int32 [...]."""
        book = tf.convert_to_tensor(self.codebook)
        distances = tf.reduce_sum(book**2, axis=-1) - 2.0 * tf.matmul(h, book, transpose_b=True)
        return tf.argmin(distances, axis=-1, output_type=tf.int32)

    def entries_of(self, codes: tf.Tensor | np.ndarray) -> tf.Tensor:
        """The vectors of codes [..., places], as the decoder takes them: [..., *code shape]."""
        vectors = tf.gather(tf.convert_to_tensor(self.codebook), codes)
        return tf.reshape(vectors, tf.concat([tf.shape(codes)[:-1], self._code_shape()], axis=0))

    def code_kl(self, codes: tf.Tensor | np.ndarray) -> tf.Tensor:
        """KL(q(codes|x) || p(codes)) = -log p(codes), in nats: [batch, places] -> [batch]."""
        if self.prior is None:
            return tf.fill(tf.shape(codes)[:1], np.float32(self.places * np.log(self.entries)))
        return -self.prior.log_prob_of(codes)

    def bound_of(self, x: tf.Tensor | np.ndarray) -> dict[str, tf.Tensor]:
        x = self.prepare(x)
        h = self.encoder_output(x)
        codes = self._codes_at(h)
        e = self.entries_of(codes)
        axes = list(range(1, len(h.shape)))
        through = tf.stop_gradient(e) + (h - tf.stop_gradient(h))  # the value of e, the gradient of h
        reconstruction = self.likelihood(through).log_prob(x)
        kl = self.code_kl(codes)
        return {
            "elbo": reconstruction - kl,
            "reconstruction": reconstruction,
            "kl": kl,
            "codebook": tf.reduce_sum((tf.stop_gradient(h) - e) ** 2, axes),
            "commitment": tf.reduce_sum((h - tf.stop_gradient(e)) ** 2, axes),
        }

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """What training makes large: reconstruction - codebook - weight * commitment. The KL has no gradient."""
        return terms["reconstruction"] - terms["codebook"] - self.commitment * terms["commitment"]

    def _codes_at(self, h):
        return tf.reshape(self.nearest(h), [tf.shape(h)[0], self.places])

    def decoder_output(self, z: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        """The decoder's output in float32, for vectors [..., *code shape]."""
        leading = tf.shape(z)[: len(z.shape) - len(self._code_shape())]
        flat = tf.reshape(tf.cast(z, tf.float32), [-1, *self._code_shape()])
        output = tf.cast(self._network(self.decoder, flat), tf.float32)
        return tf.reshape(output, tf.concat([leading, output.shape[1:]], axis=0))

    def log_weights(
        self, x: tf.Tensor | np.ndarray, k: int, seed: tf.Tensor | Sequence[int] | None = None
    ) -> tf.Tensor:
        """The ELBO, k times: [k, batch]. q has one code map to offer, so the bound does not tighten with k."""
        x = self.prepare(x)
        codes = self._codes_at(self.encoder_output(x))
        log_w = self.likelihood(self.entries_of(codes)).log_prob(x) - self.code_kl(codes)
        return tf.repeat(log_w[None], k, axis=0)

    # --- numpy in, numpy out ---

    def encode(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """Codes: numpy [n, *shape], a frame or a tf.data set -> whole numbers int32 [n, places]."""
        x = checks.collected(x)
        self.check(x)
        return in_batches(lambda part: self._codes_at(self.encoder_output(part)), x)

    def decode(self, codes: npt.ArrayLike) -> np.ndarray:
        """Examples, the means of p(x|codes): whole numbers [n, places] -> numpy [n, *shape]."""
        codes = priors.checked_codes(codes, self.places, self.entries)
        return in_batches(lambda part: self.picture(self.entries_of(part)), codes)

    def reconstruct(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """decode(encode(x)): numpy [n, *shape] -> [n, *shape]."""
        return self.decode(self.encode(x))

    def sample(self, n: int, seed: int | None = None, noise: bool = False) -> np.ndarray:
        """n new examples: codes from the prior, then the means of p(x|codes); with `noise` draws from it: [n, *shape].

        ValueError while the prior is None: codes do not look like draws of the uniform prior.
        """
        checks.whole_number(n, "n")
        if self.prior is None:
            raise ValueError(
                "There is no fitted prior of the codes to draw from. Fit one and set it: code_map = priors.CodeMap("
                f"{self.places}, {self.entries}); code_map.fit(vqvae.encode(x_train), epochs=20); vqvae.prior = "
                "code_map. Received: prior None"
            )
        seed = int(self._seed()[1]) if seed is None else checks.random_seed(seed)
        codes = self.prior.sample(n, seed=seed)
        if not noise:
            return self.decode(codes)
        parts = [self.likelihood(self.entries_of(codes[i : i + 100])) for i in range(0, n, 100)]
        return np.concatenate([part.sample(seed=[seed, i]) for i, part in enumerate(parts)])

    def get_config(self) -> dict[str, Any]:
        prior = None if self.prior is None else keras.saving.serialize_keras_object(self.prior)
        own = {"entries": self.entries, "commitment": self.commitment, "prior": prior}
        config = {**super().get_config(), **own}
        del config["beta"]  # it has none
        return config
