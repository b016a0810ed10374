"""Every model of the course, small: name -> a function that builds it. A new model joins by one line here."""

from vae_course import distributions, flows, networks, priors
from vae_course.models import (
    GAN,
    IWAE,
    TCVAE,
    VAE,
    VAEGAN,
    Autoencoder,
    DenoisingAutoencoder,
    FreeBitsVAE,
    HierarchicalVAE,
    VampVAE,
)

import keras
import numpy as np

SHAPE = (8, 8, 1)
LATENT_SIZE = 3


def images(n=96, shape=SHAPE, seed=0):
    """Whole-number images with structure, so that there is something to learn."""
    random = np.random.default_rng(seed)
    rows = np.linspace(0, 3, shape[0])[:, None, None] + random.uniform(0, 3, (n, 1, 1, 1))
    columns = np.linspace(0, 2, shape[1])[:, None] * random.uniform(-1, 1, (n, 1, 1, 1))
    return np.round(127.5 * (1 + np.sin(rows + columns)) * np.ones(shape)).astype("uint8")


def vae(cls=VAE, shape=SHAPE, latent_size=LATENT_SIZE, encoder_outputs=None, **options):
    channels = distributions.LIKELIHOODS[options.get("likelihood", "bernoulli")].channels * shape[-1]
    encoder = networks.mlp_encoder(shape, encoder_outputs or 2 * latent_size, hidden=(16,), activation="tanh")
    decoder = networks.mlp_decoder(latent_size, (*shape[:-1], channels), hidden=(16,), activation="tanh")
    return cls(encoder, decoder, **options)


def conv_vae():
    encoder = networks.conv_encoder(SHAPE, 2 * LATENT_SIZE, filters=(4, 8), units=16, activation="tanh")
    return VAE(encoder, networks.conv_decoder(LATENT_SIZE, SHAPE, filters=(8, 4), units=16, activation="tanh"))


def hierarchical(latent_sizes=(1, 1, 1), **options):
    encoder = networks.mlp_encoder(SHAPE, 16, hidden=(16,), activation="tanh")
    decoder = networks.mlp_decoder(12, SHAPE, hidden=(16,), activation="tanh")
    return HierarchicalVAE(encoder, decoder, latent_sizes=latent_sizes, hidden=8, **options)


def flow_posterior(*steps):
    posterior = flows.FlowPosterior(LATENT_SIZE, steps)
    return vae(posterior=posterior, encoder_outputs=posterior.outputs)


def discriminator(shape=SHAPE):
    return networks.mlp_encoder(shape, 1, hidden=(16, 8), activation="tanh", name="discriminator")


def gan(**options):
    generator = networks.mlp_decoder(LATENT_SIZE, SHAPE, hidden=(16,), activation="tanh", name="generator")
    return GAN(generator, **{"discriminator": discriminator(), **options})


def coder(cls=Autoencoder, **options):
    encoder = networks.mlp_encoder(SHAPE, LATENT_SIZE, hidden=(16,), activation="tanh")
    return cls(encoder, networks.mlp_decoder(LATENT_SIZE, SHAPE, hidden=(16,), activation="tanh"), **options)


VAES = {
    "vae": vae,
    "vae_conv": conv_vae,
    "vae_beta": lambda: vae(beta=4.0),
    "vae_full_gaussian": lambda: vae(posterior="full_gaussian", encoder_outputs=9),
    "vae_gaussian": lambda: vae(likelihood="gaussian", scale=0.2),
    "vae_learned_scale": lambda: vae(likelihood="gaussian", scale="learned"),
    "vae_per_pixel": lambda: vae(likelihood="gaussian_per_pixel"),
    "vae_logistic": lambda: vae(likelihood="discretized_logistic"),
    "vae_categorical": lambda: vae(likelihood="categorical"),
    "vae_mixture_prior": lambda: vae(prior=priors.GaussianMixture(LATENT_SIZE, components=4)),
    "vae_binarized": lambda: vae(augmentation=networks.Binarize()),
    "iwae": lambda: vae(IWAE, k=4),
    "vae_free_bits": lambda: vae(FreeBitsVAE, free_bits=0.1),
    "vae_tc": lambda: vae(TCVAE, train_size=96, beta=6.0),
    "vae_vamp": lambda: vae(VampVAE, components=4),
    "vae_flow_prior": lambda: vae(prior=priors.FlowPrior(LATENT_SIZE, [flows.Coupling(LATENT_SIZE, hidden=(8,))])),
    "vae_planar": lambda: flow_posterior(flows.Planar(LATENT_SIZE), flows.Planar(LATENT_SIZE)),
    "vae_iaf": lambda: flow_posterior(flows.Autoregressive(LATENT_SIZE, 4, (8,), direction="sampling")),
    "hierarchical": hierarchical,
}
CODERS = {
    "autoencoder": coder,
    "denoising": lambda: coder(DenoisingAutoencoder, corruption=keras.layers.GaussianNoise(0.2)),
}
ADVERSARIAL = {
    "gan": gan,
    "vaegan": lambda: vae(VAEGAN, discriminator=discriminator(), r1=0.1),
}
MODELS = {**CODERS, **VAES, **ADVERSARIAL}
