"""The course's models, each a `keras.Model`: stock compile, fit, evaluate, predict, save and load."""

from vae_course.models.adversarial import GAN, VAEGAN
from vae_course.models.autoencoder import Autoencoder, DenoisingAutoencoder
from vae_course.models.base import CourseModel
from vae_course.models.hierarchical import HierarchicalVAE
from vae_course.models.vae import IWAE, VAE
from vae_course.models.variants import TCVAE, FreeBitsVAE, VampVAE

__all__ = [
    "GAN",
    "IWAE",
    "TCVAE",
    "VAE",
    "VAEGAN",
    "Autoencoder",
    "CourseModel",
    "DenoisingAutoencoder",
    "FreeBitsVAE",
    "HierarchicalVAE",
    "VampVAE",
]
