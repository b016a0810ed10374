"""Models with a critic: the GAN and the VAE-GAN. Two players, two optimizers, one `fit`."""

from typing import Any

from vae_course import bounds
from vae_course.models import checks
from vae_course.models.base import CourseModel
from vae_course.models.data import in_batches, pixels
from vae_course.models.vae import VAE
from vae_course.parts import lookup

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

# name: (what the discriminator pays for the logits of real and of generated images, what the generator pays); [batch]
ADVERSARIAL_LOSSES = {
    "logistic": (lambda real, fake: tf.nn.softplus(-real) + tf.nn.softplus(fake), lambda fake: tf.nn.softplus(-fake)),
    "hinge": (lambda real, fake: tf.nn.relu(1.0 - real) + tf.nn.relu(1.0 + fake), lambda fake: -fake),
}


class _Adversarial(CourseModel):
    """What GAN and VAE-GAN share: the discriminator's loss, its optimizer, and trackers named in `terms`."""

    def _set_up(self, discriminator, loss, r1, label_smoothing):
        checks.networks(discriminator=discriminator)
        if discriminator.output_shape[1:] != (1,):
            raise ValueError(
                "The discriminator must put out one logit for each example, [batch, 1]. "
                f"Received: output shape {list(discriminator.output_shape)}"
            )
        if tuple(discriminator.input_shape[1:]) != tuple(self.example_shape):
            raise ValueError(
                f"The discriminator must take examples {list(self.example_shape)}. "
                f"Received: input shape {list(discriminator.input_shape[1:])}"
            )
        if not (r1 >= 0 and 0 <= label_smoothing < 0.5):
            raise ValueError(
                f"r1 must be at least 0 and label_smoothing in [0, 0.5). Received: {r1} and {label_smoothing}"
            )
        self.discriminator, self.adversarial_loss = discriminator, loss
        self._discriminator_pays, self._generator_pays = lookup(ADVERSARIAL_LOSSES, loss, "adversarial loss")
        self.r1, self.label_smoothing = r1, label_smoothing

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        discriminator_optimizer: str | keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """As for every model, with a second optimizer. Both are Adam(2e-4, beta_1=0.5) unless said otherwise.

        Keras's callbacks for learning rates move that of `optimizer` only: give the other one a schedule of its own.
        """
        usual = {"learning_rate": 2e-4, "beta_1": 0.5}  # Radford, Metz & Chintala (2016)
        super().compile(keras.optimizers.Adam(**usual) if optimizer is None else optimizer, **kwargs)
        if discriminator_optimizer is None:
            discriminator_optimizer = keras.optimizers.Adam(**usual)
        self.discriminator_optimizer = keras.optimizers.get(discriminator_optimizer)

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        second = keras.saving.serialize_keras_object(self.discriminator_optimizer)
        return {**super().get_compile_config(), "discriminator_optimizer": second}

    def _build_optimizers(self):
        super()._build_optimizers()
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def _players(self):
        """The trainable variables that do not belong to the discriminator, and those that do."""
        critic = {id(variable) for variable in self.discriminator.trainable_variables}
        return [v for v in self.trainable_variables if id(v) not in critic], self.discriminator.trainable_variables

    def _logits(self, x, training=False):
        return tf.cast(self.discriminator(x, training=training), tf.float32)[:, 0]

    def _discriminator_loss(self, x, real, *fakes):
        """Mean over the batch and over kinds of fakes, with smoothed labels and the penalty R1 where asked for."""
        loss = 0.0
        for fake in fakes:
            pays = self._discriminator_pays(real, fake)
            if self.label_smoothing:  # one-sided: a real image counts as generated with this probability
                pays += self.label_smoothing * (self._discriminator_pays(-real, fake) - pays)
            loss += tf.reduce_mean(pays) / len(fakes)
        if self.r1:
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = tf.reduce_sum(self._logits(x))
            slope = tape.gradient(total, x)
            loss += 0.5 * self.r1 * tf.reduce_mean(tf.reduce_sum(slope**2, axis=list(range(1, len(x.shape)))))
        return loss

    def _report(self, values, x):
        for tracker in self._trackers:  # a last batch that is smaller counts for less
            tracker.update_state(values[tracker.name], sample_weight=tf.cast(tf.shape(x)[0], tf.float32))
        return self._to_report({tracker.name: tracker.result() for tracker in self._trackers})

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self._trackers

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x = self._examples("train", data)
        return self._report(self._learn(x), x)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        x = self._examples("valid", data)
        return self._report(self._both_losses(x, training=False), x)

    def _data(self, x, y=None, sample_weight=None, batch_size=None, name="x"):
        return self._without_weights(super()._data(x, y, sample_weight, batch_size, name))

    def _examples(self, part, data):
        x = self._without_weights(self._batch(part, data))[0]  # those of a tf.data set show only here
        return self.prepare(x)

    def _without_weights(self, data):
        if data[2] is not None:
            raise ValueError(f"{type(self).__name__} has no use for sample_weight: leave it out")
        return data

    def _shares(self, losses, **networks):
        """Each loss as its optimizer wants it: with its network's regularization, over replicas, scaled for float16."""
        shares = {}
        for name, network in networks.items():
            loss = tf.add_n([losses[name], *network.losses]) if network.losses else losses[name]
            player = self.discriminator_optimizer if network is self.discriminator else self.optimizer
            shares[name] = player.scale_loss(self._over_replicas(loss))
        return shares

    def _adversarial_config(self):
        return {
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "adversarial_loss": self.adversarial_loss,
            "r1": self.r1,
            "label_smoothing": self.label_smoothing,
        }


class GAN(_Adversarial):
    """Two players: D(x) tells images from fakes G(z), z ~ N(0, I), and G learns to fool it. Built in chapter 10.

    generator: Keras network [batch, latent_size] -> raw pictures [batch, *shape]; `output` turns them into examples:
    "sigmoid" for pixels in [0, 1], "linear" for anything else. discriminator: [batch, *shape] -> one logit.
    adversarial_loss: "logistic" (non-saturating) or "hinge"; r1: weight of the gradient penalty on real images;
    label_smoothing: one-sided, 0.1 makes real labels 0.9.
    compile(optimizer, discriminator_optimizer). The history shows both losses; neither measures the quality of samples.
    Source: Goodfellow et al. (2014), "Generative adversarial nets"; R1: Mescheder et al. (2018).
    """

    terms = ("generator_loss", "discriminator_loss")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        output: str = "sigmoid",
        adversarial_loss: str = "logistic",
        r1: float = 0.0,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        checks.networks(generator=generator)
        self.generator, self.output_activation = generator, output
        self.latent_size, self.example_shape = generator.input_shape[-1], tuple(generator.output_shape[1:])
        self._activation = lookup({"sigmoid": tf.sigmoid, "linear": tf.identity}, output, "output")
        self._set_up(discriminator, adversarial_loss, r1, label_smoothing)
        self._seeds = keras.random.SeedGenerator()
        self._trackers = [keras.metrics.Mean(name=name) for name in self.terms]
        self.built = True

    def check(self, x: np.ndarray, name: str = "x") -> None:
        super().check(x, name)
        if self.output_activation == "sigmoid" and x.dtype != np.uint8 and (x.min() < 0 or x.max() > 1):
            raise ValueError(
                f"{name} must lie in [0, 1] for a generator with output='sigmoid': divide pixels by 255 or keep them "
                f"as bytes, or take output='linear'. Received: values from {x.min():g} to {x.max():g}"
            )

    def call(self, x: tf.Tensor | np.ndarray, training: bool | None = None) -> tf.Tensor:
        """The discriminator's logit for each example: [batch]."""
        return self._logits(self.prepare(x), training)

    def prepare(self, x: tf.Tensor | npt.ArrayLike) -> tf.Tensor:
        """x as the discriminator sees it: bytes as floats in [0, 1]."""
        return pixels(x)

    def _fakes(self, n, training):
        z = tf.random.stateless_normal([n, self.latent_size], self._seed(), alg="philox")
        return self._activation(tf.cast(self.generator(z, training=training), tf.float32))

    def _both_losses(self, x, training):
        fakes = self._fakes(tf.shape(x)[0], training)
        real, fake = self._logits(x, training), self._logits(fakes, training)
        return {
            "generator_loss": tf.reduce_mean(self._generator_pays(fake)),
            "discriminator_loss": self._discriminator_loss(x, real, fake),
        }

    def _learn(self, x):
        """Both players move at once, each along its own loss."""
        with tf.GradientTape(persistent=True) as tape:
            losses = self._both_losses(x, training=True)
            players = {"generator_loss": self.generator, "discriminator_loss": self.discriminator}
            shares = self._shares(losses, **players)
        own, critic = self._players()
        self.optimizer.apply(tape.gradient(shares["generator_loss"], own), own)
        self.discriminator_optimizer.apply(tape.gradient(shares["discriminator_loss"], critic), critic)
        return losses

    def decode(self, z: npt.ArrayLike) -> np.ndarray:
        """Pictures G(z): numpy [n, latent_size] -> [n, *shape]."""
        return in_batches(lambda part: self._activation(tf.cast(self.generator(part), tf.float32)), np.float32(z))

    def sample(self, n: int, seed: int | None = None) -> np.ndarray:
        """n pictures: numpy [n, *shape]."""
        seed = self._seed() if seed is None else tf.constant([checks.random_seed(seed), 0])
        return self.decode(tf.random.stateless_normal([n, self.latent_size], seed).numpy())

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "output": self.output_activation,
            **self._adversarial_config(),
        }


class VAEGAN(_Adversarial, VAE):
    """A VAE whose likelihood is measured in a discriminator's features, which learns beside it. Built in chapter 10.

        feature_loss = -log N(f(x); f(x_hat), I),   f: the discriminator's layer before its logit, x_hat = decode(z)
        encoder         kl_weight * KL + feature_loss
        decoder         gamma * feature_loss + generator_loss, on reconstructions and on samples from the prior
        discriminator   discriminator_loss, and nothing else

    The constants of the Gaussian are left out of feature_loss. The default weights were chosen in chapter 10: features
    have no unit, so kl_weight has no natural value, and 1 comes near to a posterior collapse there. The model still
    gives the terms of the pixel ELBO when called: reported, and trained for only through the KL. Other options: as for
    VAE and GAN.
    Source: Larsen et al. (2016), "Autoencoding beyond pixels using a learned similarity metric", algorithm 1.
    """

    obeys_beta = False  # kl_weight is its name here
    terms = ("encoder_loss", "decoder_loss", "discriminator_loss", "generator_loss", "feature_loss", "kl")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        discriminator: keras.Model,
        gamma: float = 1.0,
        kl_weight: float = 0.1,
        adversarial_loss: str = "logistic",
        r1: float = 0.1,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> None:
        VAE.__init__(self, encoder, decoder, **kwargs)
        self._set_up(discriminator, adversarial_loss, r1, label_smoothing)
        self.gamma, self.kl_weight = checks.weight(gamma, "gamma"), checks.weight(kl_weight, "kl_weight")
        weighted = sum(bool(layer.weights) for layer in discriminator.layers)
        if weighted < 2:
            raise ValueError(
                "The discriminator must have a hidden layer, whose features measure the likelihood. "
                f"Received: {weighted} layer with weights"
            )
        self._critic = keras.Model(discriminator.inputs, [discriminator.layers[-2].output, discriminator.outputs[0]])

    def _critique(self, x, training):
        features, logits = self._critic(x, training=training)
        features = tf.cast(tf.reshape(features, [tf.shape(x)[0], -1]), tf.float32)
        return features, tf.cast(logits, tf.float32)[:, 0]

    def _both_losses(self, x, training):
        self._training = training  # for the encoder and the decoder: no `call` of Keras's tells them
        try:
            return self._all_losses(x, training)
        finally:
            self._training = None

    def _all_losses(self, x, training):
        posterior = self.posterior(x)
        z, count = posterior.sample(seed=self._seed()), tf.shape(x)[0]
        seen, real = self._critique(x, training)
        imitated, reconstructed = self._critique(self.picture(z), training)
        _, invented = self._critique(self.picture(self.prior().sample(count, seed=self._seed())), training)
        kl = tf.reduce_mean(bounds.kl(posterior, self.prior(), z))
        feature_loss = 0.5 * tf.reduce_mean(tf.reduce_sum((seen - imitated) ** 2, axis=-1))
        generator_loss = 0.5 * tf.reduce_mean(self._generator_pays(reconstructed) + self._generator_pays(invented))
        return {
            "encoder_loss": self.kl_weight * kl + feature_loss,
            "decoder_loss": self.gamma * feature_loss + generator_loss,
            "discriminator_loss": self._discriminator_loss(x, real, reconstructed, invented),
            "generator_loss": generator_loss,
            "feature_loss": feature_loss,
            "kl": kl,
        }

    def _learn(self, x):
        """Each network moves along its own loss only: no gradient of one reaches another's weights."""
        with tf.GradientTape(persistent=True) as tape:
            losses = self._both_losses(x, training=True)
            players = {"encoder_loss": self.encoder, "decoder_loss": self.decoder}
            shares = self._shares(losses, **players, discriminator_loss=self.discriminator)
        own, critic = self._players()
        decoder = {id(variable) for variable in self.decoder.trainable_variables}
        by_decoder = [variable for variable in own if id(variable) in decoder]
        others = [variable for variable in own if id(variable) not in decoder]  # the encoder, and a prior that learns
        gradients = tape.gradient(shares["encoder_loss"], others) + tape.gradient(shares["decoder_loss"], by_decoder)
        self.optimizer.apply(gradients, others + by_decoder)
        self.discriminator_optimizer.apply(tape.gradient(shares["discriminator_loss"], critic), critic)
        return losses

    def get_config(self) -> dict[str, Any]:
        own = {"gamma": self.gamma, "kl_weight": self.kl_weight}
        return {**VAE.get_config(self), **self._adversarial_config(), **own}
