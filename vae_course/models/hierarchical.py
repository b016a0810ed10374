"""Several groups of latents, drawn from the top down."""

from collections.abc import Iterable, Sequence
from typing import Any

from vae_course import bounds, parts
from vae_course.models import checks
from vae_course.models.joint import Joint
from vae_course.models.latent import LatentModel
from vae_course.models.variants import FreeBits

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class HierarchicalVAE(FreeBits, Joint, LatentModel):
    """p(z) = p(z_1) prod_l p(z_l|z_<l),  q(z|x) = q(z_1|x) prod_l q(z_l|z_<l, x): top-down. Built in chapter 08.

        state_0 = 0,   state_l = state_(l-1) + merge_l([state_(l-1), z_l]),   p(x|z) = likelihood(decoder(state_L))

    encoder: Keras network [batch, *shape] -> features [batch, any number].
    decoder: [batch, state size] -> the likelihood's parameters; prior and posterior share the path of states above it.
    latent_sizes: the size of each group, the top one first; (2,) * 20 makes a deep model of small groups.
    hidden: units of the small network of each group's posterior, prior and merge.
    free_bits: nats that each group may use at no cost. `vae.free_bits = 0.5` between two fits is obeyed. With more than
    about three groups, use them or a warm-up (`callbacks.BetaScheduler`): else most groups stay dead.

    Codes are all groups side by side, the top one first: [n, sum of latent_sizes]. The KL of a group is exact given the
    groups above it; the history shows `kl_1` (top), `kl_2`, ... beside the terms of the ELBO, and `paid_kl`, their sum
    after free bits, which beta weighs in the loss.
    Source: Sonderby et al. (2016), "Ladder variational autoencoders"; Child (2021), "Very deep VAEs".
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        latent_sizes: Sequence[int] = (4, 4),
        hidden: int = 64,
        free_bits: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.latent_sizes, self.hidden = tuple(latent_sizes), hidden
        if not self.latent_sizes:
            raise ValueError("latent_sizes must hold at least one size. Received: none")
        for size in self.latent_sizes:
            checks.whole_number(size, "each of latent_sizes")
        self.terms = (*LatentModel.terms, "paid_kl", *(f"kl_{group + 1}" for group in range(len(self.latent_sizes))))
        super().__init__(encoder, decoder, **kwargs)
        checks.one_input(encoder=encoder, decoder=decoder)
        checks.numbers_out(encoder)
        self.latent_size = sum(self.latent_sizes)
        self._make_free_bits(free_bits)
        state, features = decoder.input_shape[-1], encoder.output_shape[-1]
        self.posteriors, self.priors, self.merges = [], [], []
        for group, size in enumerate(self.latent_sizes):
            self.posteriors.append(self._block(features + (state if group else 0), 2 * size, f"posterior_{group + 1}"))
            if group:  # p(z_1) is N(0, I)
                self.priors.append(self._block(state, 2 * size, f"prior_{group + 1}"))
            self.merges.append(self._block(size + (state if group else 0), state, f"merge_{group + 1}"))
        self._check_fit()

    def _block(self, inputs, outputs, name):
        x = keras.Input((inputs,))
        y = keras.layers.Dense(outputs)(keras.layers.Dense(self.hidden, activation="relu")(x))
        return keras.Model(x, y, name=name)

    def _code_shape(self):
        return tuple(self.decoder.input_shape[1:])

    # --- the way down ---

    def _descend(self, count, features=None, z=None, drawn=None, seed=None):
        """From the top group to the last, for `count` examples: yields (z_l, p_l, q_l or None, state_l).

        features [count, F]: of the images, for q. z [count, latent_size]: codes that are given. drawn: the groups that
        are drawn all the same, from q where there are features, else from p.
        """
        state = tf.zeros([count, *self._code_shape()])
        given = None if z is None else tf.split(z, self.latent_sizes, axis=-1)
        for group, size in enumerate(self.latent_sizes):
            above = [state] if group else []
            p = parts.standard_normal(size)
            if group:
                p = parts.gaussian(tf.cast(self.priors[group - 1](state), tf.float32))
            q = None
            if features is not None:
                parameters = self.posteriors[group](tf.concat([features, *above], -1))
                q = parts.gaussian(tf.cast(parameters, tf.float32))
            if given is not None and (drawn is None or group not in drawn):
                z_l = given[group]
            elif seed is None:
                z_l = (q or p).mean() * tf.ones([count, 1])
            else:
                shape = [] if q is not None or group else count
                z_l = (q or p).sample(shape, seed=tf.stack([seed[0], seed[1] + 7919 * (group + 1)]))
            state += tf.cast(self.merges[group](tf.concat([z_l, *above], -1)), tf.float32)
            yield z_l, p, q, state

    def prior(self) -> tfd.Distribution:
        """p(z) of all groups side by side, event [latent_size]."""
        return _TopDown(self)

    def posterior(self, x: tf.Tensor | np.ndarray) -> tfd.Distribution:
        """q(z|x) of all groups side by side, event [latent_size]."""
        return _TopDown(self, self.encoder_output(x))

    def decoder_output(self, z: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        flat = tf.reshape(tf.cast(z, tf.float32), [-1, self.latent_size])
        *_, (_, _, _, state) = self._descend(tf.shape(flat)[0], z=flat)
        output = tf.cast(self._network(self.decoder, state), tf.float32)
        return tf.reshape(output, tf.concat([tf.shape(z)[:-1], output.shape[1:]], axis=0))

    def bound_of(self, x: tf.Tensor | np.ndarray) -> dict[str, tf.Tensor]:
        """The terms of the bound for x [batch, *shape], in one pass; the KL of a group is exact given those above."""
        x = self.prepare(x)
        path = list(self._descend(tf.shape(x)[0], self.encoder_output(x), seed=self._seed()))
        kls = [bounds.kl(q, p) for _, p, q, _ in path]
        if self._own_likelihood():
            likelihood = self.likelihood(tf.concat([z_l for z_l, *_ in path], axis=-1))
        else:  # from the state that is there already
            output = tf.cast(self._network(self.decoder, path[-1][-1]), tf.float32)
            likelihood = self.likelihood_part.distribution(output)
        reconstruction = likelihood.log_prob(x)
        kl = tf.add_n(kls)
        paid = [bounds.free_bits(part, self._free_bits) for part in kls]
        terms = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl, "paid_kl": tf.add_n(paid)}
        return {**terms, **{f"kl_{group + 1}": part for group, part in enumerate(kls)}}

    def resample(self, z: npt.ArrayLike, groups: Iterable[int], seed: int = 0) -> np.ndarray:
        """Codes z [n, latent_size] with some groups drawn anew from p(z_l|z_<l), the others kept: numpy, same shape.

        groups: which, as in the history: 1 is the top. Decode the result to see what a group draws.
        """
        wanted = {group - 1 for group in groups}
        if not wanted <= set(range(len(self.latent_sizes))):
            raise ValueError(f"groups must lie in 1 to {len(self.latent_sizes)}. Received: {sorted(groups)}")
        z = tf.constant(self._codes(z))
        path = self._descend(len(z), z=z, drawn=wanted, seed=tf.constant([checks.random_seed(seed), 1]))
        return tf.concat([z_l for z_l, *_ in path], axis=-1).numpy()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_sizes": self.latent_sizes, "hidden": self.hidden}


class _TopDown(tfd.Distribution):
    """All groups side by side as one distribution over codes: p(z) without features [batch, F], q(z|x) with them."""

    def __init__(self, model, features=None):
        self.model, self.features = model, features
        super().__init__(tf.float32, tfd.FULLY_REPARAMETERIZED, validate_args=False, allow_nan_stats=True)

    def _batch_shape(self):
        return tf.TensorShape([]) if self.features is None else self.features.shape[:1]

    def _batch_shape_tensor(self):
        return tf.constant([], tf.int32) if self.features is None else tf.shape(self.features)[:1]

    def _event_shape(self):
        return tf.TensorShape([self.model.latent_size])

    def _event_shape_tensor(self):
        return tf.constant([self.model.latent_size])

    def _codes(self, n, seed):
        batch = [] if self.features is None else [tf.shape(self.features)[0]]
        count = tf.reduce_prod([n, *batch])
        features = None if self.features is None else tf.tile(self.features, [n, 1])
        z = tf.concat([z_l for z_l, *_ in self.model._descend(count, features, seed=seed)], axis=-1)
        return tf.reshape(z, [n, *batch, self.model.latent_size])

    def _sample_n(self, n, seed=None):
        return self._codes(n, tfp.random.sanitize_seed(seed))

    def _mean(self):
        return self._codes(1, None)[0]

    def _log_prob(self, z):
        leading = tf.shape(z)[:-1]
        features = None
        if self.features is not None:
            leading = tf.broadcast_dynamic_shape(leading, tf.shape(self.features)[:1])
            features = tf.broadcast_to(self.features, tf.concat([leading, [self.features.shape[-1]]], 0))
            features = tf.reshape(features, [-1, self.features.shape[-1]])
            z = tf.broadcast_to(z, tf.concat([leading, [self.model.latent_size]], 0))
        z = tf.reshape(z, [-1, self.model.latent_size])
        path = self.model._descend(tf.shape(z)[0], features, z=z)
        return tf.reshape(tf.add_n([(q or p).log_prob(z_l) for z_l, p, q, _ in path]), leading)
