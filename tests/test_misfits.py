"""Networks, parts and options that do not fit get a sentence: when the model is made, or at its first number."""

from vae_course import evaluation, likelihoods, networks, posteriors, priors
from vae_course.models import IWAE, VAE, VAEGAN, HierarchicalVAE

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import ADVERSARIAL, LATENT_SIZE, MODELS, SHAPE, VAES, discriminator, images, vae

tfd = tfp.distributions
Dense, Input = keras.layers.Dense, keras.Input


def tabular(cls=VAE, **options):
    return vae(cls, shape=(5,), **{"likelihood": "gaussian", **options})


# --- what a network ends in ---


def net(*layers, inputs=(5,)):
    return keras.Sequential([Input(inputs), *layers])


def functional(outputs):
    x = Input((5,))
    return keras.Model(x, outputs(x))


def of(encoder=None, decoder=None, **options):
    return VAE(encoder or net(Dense(4)), decoder or net(Dense(5), inputs=(2,)), **options)


SQUASHED = {
    "sigmoid": lambda: of(decoder=net(Dense(5, activation="sigmoid"), inputs=(2,))),
    "sigmoid, then Reshape": lambda: of(
        decoder=net(Dense(5, activation="sigmoid"), keras.layers.Reshape((5,)), inputs=(2,))
    ),
    "sigmoid, a layer": lambda: of(decoder=net(Dense(5), keras.layers.Activation("sigmoid"), inputs=(2,))),
    "softplus, counts": lambda: of(decoder=net(Dense(5, activation="softplus"), inputs=(2,)), likelihood="poisson"),
    "relu": lambda: of(net(Dense(4, activation="relu"))),
    "relu, a layer": lambda: of(net(Dense(4), keras.layers.ReLU())),
    "relu, a network within": lambda: of(functional(net(Dense(4, activation="relu")))),
}


@pytest.mark.parametrize("case", SQUASHED)
def test_a_network_that_squashes_what_is_read_as_any_number_is_refused(case):
    name = case.split(",")[0]
    with pytest.raises(ValueError, match=f"must end in a linear layer.*Received: a last activation '{name}'.*Leave it"):
        SQUASHED[case]()


def test_networks_that_squash_on_the_way_or_for_a_reason_are_taken():
    sum_of = keras.layers.Add()
    clipped = keras.layers.Concatenate()
    of(functional(lambda x: sum_of([Dense(4)(x), Dense(4, activation="relu")(x)])))
    of(functional(lambda x: clipped([Dense(2)(x), Dense(2, activation="tanh")(x)])))
    of(net(Dense(8, activation="relu"), Dense(4), keras.layers.Activation("linear")))
    of(decoder=net(Dense(5, activation="sigmoid"), inputs=(2,)), likelihood="gaussian")  # means in [0, 1]


# --- distributions over entries in place of examples, or of data that they cannot give ---


class NoEventPrior(priors.Prior):
    def distribution(self, c=None):
        return tfd.Normal(tf.zeros(self.latent_size), 1.0)


class NoEventPosterior(posteriors.Posterior):
    def outputs(self, latent_size):
        return 2 * latent_size

    def distribution(self, output):
        mean, raw = tf.split(output, 2, axis=-1)
        return tfd.Normal(mean, tf.nn.softplus(raw))


class NoEventLikelihood(likelihoods.Likelihood):
    def distribution(self, output, c=None):
        return tfd.Normal(output, 1.0)


class NoEventMethod(VAE):
    def likelihood(self, z):
        return tfd.Normal(self.decoder_output(z), 1.0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: tabular(prior=NoEventPrior()), r"prior must give .*\[3\].*Received: .*\[\], batch shape \[3\]"),
        (lambda: tabular(posterior=NoEventPosterior()), r"posterior must .*Received: .*\[\], batch shape \[2, 3\]"),
        (lambda: tabular(likelihood=NoEventLikelihood()), r"likelihood must .*Received: .*\[\], batch shape \[2, 5\]"),
        (lambda: tabular(NoEventMethod), r"likelihood must .*Independent.*Received: .*\[\], batch shape \[2, 5\]"),
    ],
)
def test_a_distribution_over_entries_in_place_of_examples_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


class Gamma(VAE):
    def likelihood(self, z):
        return tfd.Independent(tfd.Gamma(tf.exp(self.decoder_output(z)), 1.0), 1)


class Uniform(VAE):
    def likelihood(self, z):
        return tfd.Independent(tfd.Uniform(0.0 * self.decoder_output(z), 1.0), 1)


@pytest.mark.parametrize("cls", [Gamma, Uniform])  # NaN outside, and minus infinity
def test_a_likelihood_of_data_outside_its_support_says_so(cls):
    model, outside = tabular(cls), np.where(np.arange(96)[:, None] < 30, -1.0, 0.5 * np.ones((96, 5)))
    model.compile()
    with pytest.raises(ValueError, match="in the likelihood's support.*NaN or infinity for 30 of 96 examples"):
        evaluation.log_likelihood(model, outside, k=5)
    assert np.isfinite(evaluation.log_likelihood(model, outside[30:], k=5).mean)


# --- what would be ignored ---


class Own(keras.Model):
    def call(self, x):
        return x


def pair(**options):
    return networks.mlp_encoder(SHAPE, 2 * LATENT_SIZE, (4,), **options), networks.mlp_decoder(LATENT_SIZE, SHAPE, (4,))


def convolutions():
    return net(keras.layers.Conv2D(6, 3), inputs=SHAPE)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: vae(IWAE, beta=4.0), "IWAE has no use for beta.*4.0"),
        (lambda: vae(VAEGAN, discriminator=discriminator(), beta=4.0), "VAEGAN has no use for beta"),
        (lambda: setattr(VAES["iwae"](), "beta", 2.0), "no use for beta.*2.0"),
        (lambda: vae(prior=priors.VampPrior((0, *SHAPE))), r"at least 1. Received: \[0, 8, 8, 1\]"),
        (
            lambda: HierarchicalVAE(*pair(), latent_sizes=(1, 1), prior=priors.GaussianMixture(2, 4)),
            "HierarchicalVAE.*'prior'",
        ),
        (lambda: vae(scale=0.1), r"belongs to the likelihood: likelihoods.Gaussian\(scale\). Received: scale=0.1"),
        (lambda: VAES["vae"]().compile(loss="mse"), "VAE trains for its own objective.*takes no loss.*'mse'"),
        (lambda: VAES["vae"]().compile(metrics=["mae"]), "takes no metrics"),
        (lambda: MODELS["gan"]().compile(metrics=["mae"]), "GAN trains for its own objective"),
        (lambda: evaluation.log_likelihood(MODELS["gan"](), images(8)), "for VAEs and their kin only.*GAN"),
        (lambda: VAES["vae"]().sample(0), "n must be at least 1. Received: 0"),
        (lambda: VAES["vae"]().sample(2.5), "n must be a whole number. Received: 2.5"),
        (lambda: VAES["vae"]().sample(2, seed=1.5), "seed must be a whole number. Received: 1.5"),
        (lambda: VAES["hierarchical"]().resample(np.zeros((2, 5)), [1]), r"\[n, 3\].*\[2, 5\]"),
        (lambda: vae(VAEGAN, discriminator=networks.mlp_encoder(SHAPE, 1, hidden=())), "must have a hidden layer"),
        (lambda: VAE(Own(), pair()[1]), "encoder must be a keras.Sequential.*Received: Own.*Wrap it"),
        (lambda: VAE(pair()[0], keras.Sequential([Dense(3)])), "decoder must be a keras.Sequential"),
        (lambda: VAE(convolutions(), pair()[1]), r"Flatten\(\) and Dense.*output shape \[None, 6, 6, 6\]"),
        (lambda: HierarchicalVAE(convolutions(), pair()[1]), r"Flatten\(\) and Dense.*output shape \[None, 6, 6, 6\]"),
        (lambda: VAE(*pair(condition_size=2)), "encoder must have one input.*ConditionalVAE. Received: 2 inputs"),
        (lambda: HierarchicalVAE(*pair(condition_size=2)), "encoder must have one input.*Received: 2 inputs"),
    ],
)
def test_what_would_be_ignored_or_fail_later_gets_a_sentence(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_every_adversarial_model_names_what_it_cannot_take():
    for build in ADVERSARIAL.values():
        with pytest.raises(ValueError, match="takes no loss"):
            build().compile(loss="mse")
