"""The shortest honest version of models that are no VAE with another part: each a subclass with no dummy in it.

They pass the contract, and show that the base classes have their joints where later chapters need them.
"""

import math

from vae_course.models import LatentModel, ObjectiveModel
from vae_course.models.data import in_batches, pixels

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class VQVAE(LatentModel):
    """Codes are the nearest of `entries` vectors at each place; p(z) is uniform over the entries.

    Source: van den Oord, Vinyals & Kavukcuoglu (2017), "Neural discrete representation learning", equation 3.
    """

    terms = (*LatentModel.terms, "codebook", "commitment")
    obeys_beta = False

    def __init__(self, encoder, decoder, entries=16, commitment=0.25, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        self.entries, self.commitment = entries, commitment
        self.places, self.size = encoder.output_shape[1:]
        start = keras.initializers.RandomNormal(stddev=0.1)
        self.book = self.add_weight(name="book", shape=(entries, self.size), initializer=start)
        self._check_fit()

    def _code_shape(self):
        return self.places, self.size

    def nearest(self, h):
        book = tf.convert_to_tensor(self.book)
        return tf.argmin(tf.reduce_sum(book**2, -1) - 2 * tf.matmul(h, book, transpose_b=True), -1)

    def bound_of(self, x):
        x = self.prepare(x)
        h = self.encoder_output(x)
        e = tf.gather(tf.convert_to_tensor(self.book), self.nearest(h))
        output = tf.cast(self.decoder(h + tf.stop_gradient(e - h)), tf.float32)  # straight through
        reconstruction = self.likelihood_part.distribution(output).log_prob(x)
        kl = tf.fill(tf.shape(x)[:1], self.places * math.log(self.entries))

        def gap(a, b):
            return tf.reduce_sum((a - tf.stop_gradient(b)) ** 2, axis=[1, 2])

        terms = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
        return {**terms, "codebook": gap(e, h), "commitment": gap(h, e)}

    def objective(self, terms):
        return terms["reconstruction"] - terms["codebook"] - self.commitment * terms["commitment"]

    def encode(self, x):
        self.check(x)
        return in_batches(lambda part: self.nearest(self.encoder_output(part)), x)

    def decode(self, codes):
        means = lambda part: self.likelihood_part.mean(self.decoder(tf.gather(tf.convert_to_tensor(self.book), part)))  # noqa: E731
        return in_batches(means, codes)

    def reconstruct(self, x):
        return self.decode(self.encode(x))

    def get_config(self):
        config = {**super().get_config(), "entries": self.entries, "commitment": self.commitment}
        del config["beta"]
        return config


class Diffusion(ObjectiveModel):
    """x_t = alpha_t x + sigma_t eps; network([x_t, t]) -> eps: the bound of a hierarchy whose encoder is fixed.

    The log of alpha^2 / sigma^2 falls from 6 to -5. One step is drawn for each example. q~(x|x_0) is a narrow normal.
    Source: Ho, Jain & Abbeel (2020), "Denoising diffusion probabilistic models"; Kingma et al. (2021), equation 13.
    """

    terms = ("elbo", "step", "prior")

    def __init__(self, network, steps=50, **kwargs):
        super().__init__(**kwargs)
        self.network, self.steps = network, steps
        self.example_shape = tuple(network.inputs[0].shape[1:])
        self._make_trackers()

    def powers(self, t):
        """alpha^2 and sigma^2 at time t in [0, 1], shaped like examples."""
        log_ratio = tf.reshape(6.0 - 11.0 * tf.convert_to_tensor(t, tf.float32), [-1, *[1] * len(self.example_shape)])
        return tf.sigmoid(log_ratio), tf.sigmoid(-log_ratio)

    def call(self, x, training=None):
        x, seed, axes = pixels(x), self._seed(), list(range(1, 1 + len(self.example_shape)))
        i = tf.random.stateless_uniform(tf.shape(x)[:1], seed, 1, self.steps + 1, tf.int32, alg="philox")
        eps = tf.random.stateless_normal(tf.shape(x), seed + 1, alg="philox")
        t = tf.cast(i, tf.float32)[:, None] / self.steps
        (signal, noise), (before, quieter) = self.powers(t), self.powers(t - 1 / self.steps)
        guess = tf.cast(self.network([signal**0.5 * x + noise**0.5 * eps, t]), tf.float32)
        gain = before * noise / (quieter * signal) - 1.0
        step = 0.5 * self.steps * tf.reduce_sum(gain * (eps - guess) ** 2, axes)
        (last, spread), (first, width) = self.powers(1.0), self.powers(0.0)
        prior = tfd.kl_divergence(tfd.Normal(last**0.5 * x, spread**0.5), tfd.Normal(0.0, 1.0))
        prior = tf.reduce_sum(prior, axes)
        data = tf.reduce_sum(-0.5 * (1.0 + tf.math.log(2 * math.pi * width / first)) * tf.ones_like(x), axes)
        return {"elbo": data - prior - step, "step": step, "prior": prior}

    def objective(self, terms):
        return terms["elbo"]

    def sample(self, n, seed=0):
        x = tf.random.stateless_normal([n, *self.example_shape], [seed, 0])
        for i in range(self.steps, 0, -1):
            (signal, noise), (before, quieter) = self.powers(i / self.steps), self.powers((i - 1) / self.steps)
            clean = (x - noise**0.5 * self.network([x, tf.fill([n, 1], i / self.steps)])) / signal**0.5
            ratio, left = signal / before, noise - signal / before * quieter
            mean = ratio**0.5 * quieter / noise * x + before**0.5 * left / noise * clean
            x = mean + (quieter / noise * left) ** 0.5 * tf.random.stateless_normal(x.shape, [seed, i])
        return x.numpy()

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {"name": self.name, "trainable": self.trainable, "network": network, "steps": self.steps}
