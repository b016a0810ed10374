"""Every model of the course, small: name -> a function that builds it. A new model joins by one line here.

`data(name)` gives what the model of that name is fitted on: images, or what DATA says.
"""

from vae_course import flows, layers, likelihoods, networks, posteriors, priors
from vae_course.models import (
    GAN,
    IWAE,
    M2,
    MADE,
    RBM,
    TCVAE,
    VAE,
    VAEGAN,
    VQVAE,
    Autoencoder,
    ConditionalVAE,
    DenoisingAutoencoder,
    Diffusion,
    FreeBitsVAE,
    HierarchicalVAE,
)

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

SHAPE = (8, 8, 1)
LATENT_SIZE = 3
CLASSES = 4
LENGTH, VOCABULARY = 6, 7


# --- data ---


def images(n=96, shape=SHAPE, seed=0):
    """Whole-number images with structure, so that there is something to learn."""
    random = np.random.default_rng(seed)
    rows = np.linspace(0, 3, shape[0])[:, None, None] + random.uniform(0, 3, (n, 1, 1, 1))
    columns = np.linspace(0, 2, shape[1])[:, None] * random.uniform(-1, 1, (n, 1, 1, 1))
    return np.round(127.5 * (1 + np.sin(rows + columns)) * np.ones(shape)).astype("uint8")


def binary(n=96, seed=0):
    return np.where(images(n, seed=seed) > 127, 255, 0).astype("uint8")


def labels(n=96, seed=0):
    return np.random.default_rng(seed).integers(CLASSES, size=n)


def table(n=96, size=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, size)).astype("float32")


def mixed(n=96, seed=0):
    """Two numbers, one of three classes, two counts."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=n)
    columns = [hidden + 0.3 * random.normal(size=n), random.normal(size=n), np.digitize(hidden, [-0.5, 0.5])]
    return np.stack([*columns, random.poisson(np.exp(hidden)), random.poisson(2, n)], axis=1).astype("float32")


def holes(x, share=0.3, seed=0):
    """x as floats, with NaN for a share of its entries; no row is empty."""
    x = np.array(x, "float32")
    gone = np.random.default_rng(seed).uniform(size=x.shape) < share
    gone.reshape(len(x), -1)[:, 0] = False
    x[gone] = np.nan
    return x


def tokens(n=96, seed=0):
    """Sequences that count up, with 0 as padding behind."""
    random = np.random.default_rng(seed)
    x = 1 + (random.integers(VOCABULARY - 1, size=(n, 1)) + np.arange(LENGTH)) % (VOCABULARY - 1)
    return np.where(np.arange(LENGTH) < random.integers(3, LENGTH + 1, size=(n, 1)), x, 0).astype("int32")


def counts(n=96, seed=0):
    return np.random.default_rng(seed).poisson(3.0, (n, 5)).astype("float32")


def exposed(n=96, seed=0):
    """Counts, and how long each was counted for."""
    random = np.random.default_rng(seed)
    exposure = random.uniform(0.5, 4.0, (n, 1)).astype("float32")
    return random.poisson(exposure * [1.0, 2.0, 3.0, 4.0, 5.0]).astype("float32"), exposure


# --- models ---


def vae(cls=VAE, shape=SHAPE, latent_size=LATENT_SIZE, encoder_outputs=None, likelihood="bernoulli", **options):
    """A VAE of images, or of anything of that shape, whose decoder fits the likelihood."""
    part = likelihoods.LIKELIHOODS[likelihood]() if isinstance(likelihood, str) else likelihood
    encoder = networks.mlp_encoder(shape, encoder_outputs or 2 * latent_size, hidden=(16,), activation="tanh")
    decoder = networks.mlp_decoder(latent_size, part.outputs(shape), hidden=(16,), activation="tanh")
    return cls(encoder, decoder, likelihood=likelihood, **options)


def conv_vae():
    encoder = networks.conv_encoder(SHAPE, 2 * LATENT_SIZE, filters=(4, 8), units=16, activation="tanh")
    return VAE(encoder, networks.conv_decoder(LATENT_SIZE, SHAPE, filters=(8, 4), units=16, activation="tanh"))


def hierarchical(latent_sizes=(1, 1, 1), **options):
    encoder = networks.mlp_encoder(SHAPE, 16, hidden=(16,), activation="tanh")
    decoder = networks.mlp_decoder(12, SHAPE, hidden=(16,), activation="tanh")
    return HierarchicalVAE(encoder, decoder, latent_sizes=latent_sizes, hidden=8, **options)


def flow_posterior(*steps):
    posterior = posteriors.FlowPosterior(steps)
    return vae(posterior=posterior, encoder_outputs=posterior.outputs(LATENT_SIZE))


def conditional(cls=ConditionalVAE, shape=SHAPE, size=CLASSES, likelihood="bernoulli", prior=None, heard=True, **own):
    part = likelihoods.LIKELIHOODS[likelihood]() if isinstance(likelihood, str) else likelihood
    hidden = {"hidden": (16,), "activation": "tanh", "condition_size": size if heard else 0}
    encoder = networks.mlp_encoder(shape, 2 * LATENT_SIZE, **hidden)
    decoder = networks.mlp_decoder(LATENT_SIZE, part.outputs(shape), **hidden)
    prior = prior or priors.Conditional(networks.mlp_encoder((size,), 2 * LATENT_SIZE, hidden=(8,)))
    return cls(encoder, decoder, prior=prior, likelihood=likelihood, **own)


def m2(alpha=2.0):
    classifier = networks.mlp_encoder(SHAPE, CLASSES, hidden=(16,), name="classifier")
    return conditional(M2, prior="standard_normal", classifier=classifier, alpha=alpha)


def missing(shape, likelihood):
    encoder = networks.mlp_encoder(shape, 2 * LATENT_SIZE, hidden=(16,), activation="tanh", missing=True)
    return VAE(encoder, networks.mlp_decoder(LATENT_SIZE, likelihood.outputs(shape), (16,)), likelihood=likelihood)


def columns(**options):
    kinds = [(likelihoods.Gaussian("per_feature"), 2), (likelihoods.Categorical(3), 1), ("poisson", 2)]
    return likelihoods.Columns(kinds, **options)


def sequence(kind="gru"):
    encoder = networks.recurrent_encoder((LENGTH,), 2 * LATENT_SIZE, units=8, vocabulary=VOCABULARY, embedding_size=4)
    reader = networks.reader(LENGTH, VOCABULARY, 5, units=8, embedding_size=4, kind=kind)
    return VAE(encoder, networks.mlp_decoder(LATENT_SIZE, (5,), hidden=()), likelihood=likelihoods.Tokens(reader))


class Tailed(likelihoods.Likelihood):
    """A likelihood of a user's own, three parameters for each column, and nothing but what it must say."""

    def __init__(self, least=2.0, **kwargs):
        super().__init__(**kwargs)
        self.least = least

    def outputs(self, shape):
        return (3 * shape[0],)

    def distribution(self, output, c=None):
        location, scale, df = tf.split(output, 3, axis=-1)
        return self.independent(tfd.StudentT(self.least + tf.nn.softplus(df), location, tf.nn.softplus(scale) + 0.01))


class Shifted(priors.Prior):
    """A prior of a user's own, with one weight for each latent."""

    def make_weights(self):
        self.loc = self.add_weight(name="loc", shape=(self.latent_size,), initializer="zeros")

    def distribution(self, c=None):
        return tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.loc), tf.ones(self.latent_size))


def discriminator(shape=SHAPE):
    return networks.mlp_encoder(shape, 1, hidden=(16, 8), activation="tanh", name="discriminator")


def gan(**options):
    generator = networks.mlp_decoder(LATENT_SIZE, SHAPE, hidden=(16,), activation="tanh", name="generator")
    return GAN(generator, **{"discriminator": discriminator(), **options})


def coder(cls=Autoencoder, **options):
    encoder = networks.mlp_encoder(SHAPE, LATENT_SIZE, hidden=(16,), activation="tanh")
    return cls(encoder, networks.mlp_decoder(LATENT_SIZE, SHAPE, hidden=(16,), activation="tanh"), **options)


def vq(**options):
    encoder = networks.mlp_encoder(SHAPE, 4 * 2, hidden=(16,), activation="tanh")
    encoder = keras.Model(encoder.inputs, keras.layers.Reshape((4, 2))(encoder.output))
    codes = keras.Input((4, 2))
    x = keras.layers.Dense(64)(keras.layers.Dense(16, activation="tanh")(keras.layers.Flatten()(codes)))
    return VQVAE(encoder, keras.Model(codes, keras.layers.Reshape(SHAPE)(x)), **{"entries": 8, **options})


def diffusion(shape=SHAPE, **options):
    return Diffusion(denoiser(shape), shape, **options)


def denoiser(shape, units=32):
    x, t = keras.Input(shape), keras.Input((1,))
    h = keras.layers.Concatenate()([keras.layers.Flatten()(x), t])
    h = keras.layers.Dense(int(np.prod(shape)))(keras.layers.Dense(units, activation="relu")(h))
    return keras.Model([x, t], keras.layers.Reshape(shape)(h))


VAES = {
    "vae": vae,
    "vae_conv": conv_vae,
    "vae_beta": lambda: vae(beta=4.0),
    "vae_full_gaussian": lambda: vae(posterior="full_gaussian", encoder_outputs=9),
    "vae_gaussian": lambda: vae(likelihood=likelihoods.Gaussian(0.2)),
    "vae_learned_scale": lambda: vae(likelihood=likelihoods.Gaussian("learned")),
    "vae_scale_per_feature": lambda: vae(likelihood=likelihoods.Gaussian("per_feature")),
    "vae_decoded_scale": lambda: vae(likelihood=likelihoods.Gaussian("decoder")),
    "vae_laplace": lambda: vae(likelihood=likelihoods.Laplace("learned")),
    "vae_student": lambda: vae(likelihood=likelihoods.StudentT(3.0, scale=0.3)),
    "vae_logistic": lambda: vae(likelihood="discretized_logistic"),
    "vae_categorical": lambda: vae(likelihood="categorical_pixels"),
    "vae_mixture_prior": lambda: vae(prior=priors.GaussianMixture(components=4)),
    "vae_own_prior": lambda: vae(prior=Shifted()),
    "vae_binarized": lambda: vae(augmentation=layers.Binarize()),
    "iwae": lambda: vae(IWAE, k=4),
    "vae_free_bits": lambda: vae(FreeBitsVAE, free_bits=0.1),
    "vae_tc": lambda: vae(TCVAE, train_size=96, beta=6.0),
    "vae_vamp": lambda: vae(prior=priors.VampPrior((4, *SHAPE))),
    "vae_flow_prior": lambda: vae(prior=priors.FlowPrior([flows.Coupling(LATENT_SIZE, hidden=(8,))])),
    "vae_planar": lambda: flow_posterior(flows.Planar(LATENT_SIZE), flows.Planar(LATENT_SIZE)),
    "vae_iaf": lambda: flow_posterior(flows.Autoregressive(LATENT_SIZE, 4, (8,), direction="sampling")),
    "hierarchical": hierarchical,
    "vae_missing_pixels": lambda: missing(SHAPE, likelihoods.Bernoulli(missing=True)),
}
OTHERS = {  # on data of their own
    "vae_poisson": lambda: vae(shape=(5,), likelihood="poisson"),
    "vae_negative_binomial": lambda: vae(shape=(5,), likelihood="negative_binomial"),
    "vae_zero_inflated": lambda: vae(shape=(5,), likelihood=likelihoods.NegativeBinomial(zero_inflated=True)),
    "vae_own_likelihood": lambda: vae(shape=(5,), likelihood=Tailed(least=3.0)),
    "vae_columns": lambda: vae(shape=(5,), likelihood=columns()),
    "vae_missing_columns": lambda: missing((5,), columns(missing=True)),
    "sequence_gru": sequence,
    "sequence_attention": lambda: sequence("attention"),
}
CONDITIONAL = {
    "conditional": lambda: conditional(classes=CLASSES),
    "conditional_numbers": lambda: conditional(size=2),
    "conditional_exposure": lambda: conditional(
        shape=(5,), likelihood=likelihoods.NegativeBinomial(exposure=0), prior="standard_normal", heard=False
    ),
    "m2": m2,
}
CODERS = {
    "autoencoder": coder,
    "denoising": lambda: coder(DenoisingAutoencoder, corruption=keras.layers.GaussianNoise(0.2)),
}
ADVERSARIAL = {
    "gan": gan,
    "vaegan": lambda: vae(VAEGAN, discriminator=discriminator(), r1=0.1),
}
DISCRETE = {"vq": vq, "vq_prior": lambda: vq(prior=priors.CodeMap(4, 8, kind="independent"))}
DIFFUSION = {  # which have no codes that are decoded
    "diffusion": diffusion,
    "diffusion_simple": lambda: diffusion(schedule="cosine", weighting="simple", scale=0.1),
    "made": lambda: MADE(SHAPE, hidden=(32,)),
    "rbm": lambda: RBM(SHAPE, 6, chains=20),
    "rbm_plain": lambda: RBM(SHAPE, 6, persistent=False, centered=False),
}
MODELS = {**CODERS, **VAES, **OTHERS, **CONDITIONAL, **ADVERSARIAL, **DISCRETE, **DIFFUSION}
DATA = {
    "made": lambda n, seed: (binary(n, seed),),
    "rbm": lambda n, seed: (binary(n, seed),),
    "rbm_plain": lambda n, seed: (binary(n, seed),),
    "vae_missing_pixels": lambda n, seed: (holes(images(n, seed=seed) / 255),),
    "vae_poisson": lambda n, seed: (counts(n, seed),),
    "vae_negative_binomial": lambda n, seed: (counts(n, seed),),
    "vae_zero_inflated": lambda n, seed: (counts(n, seed),),
    "vae_own_likelihood": lambda n, seed: (table(n, seed=seed),),
    "vae_columns": lambda n, seed: (mixed(n, seed),),
    "vae_missing_columns": lambda n, seed: (holes(mixed(n, seed)),),
    "sequence_gru": lambda n, seed: (tokens(n, seed),),
    "sequence_attention": lambda n, seed: (tokens(n, seed),),
    "conditional": lambda n, seed: (images(n, seed=seed), labels(n, seed)),
    "conditional_numbers": lambda n, seed: (images(n, seed=seed), table(n, 2, seed)),
    "conditional_exposure": lambda n, seed: exposed(n, seed),
    "m2": lambda n, seed: (images(n, seed=seed), np.where(np.arange(n) % 3, -1, labels(n, seed))),
}


def data(name, n=96, seed=0):
    """What the model of that name is fitted on: (x,) or (x, c), numpy."""
    return DATA.get(name, lambda n, seed: (images(n, seed=seed),))(n, seed)
