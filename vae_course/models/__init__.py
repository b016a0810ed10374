"""The course's models, each a `keras.Model`: stock compile, fit, evaluate, predict, save and load."""

from vae_course.models.autoencoder import Autoencoder, DenoisingAutoencoder
from vae_course.models.base import CourseModel
from vae_course.models.vae import IWAE, VAE
from vae_course.models.variants import TCVAE, FreeBitsVAE

__all__ = ["IWAE", "TCVAE", "VAE", "Autoencoder", "CourseModel", "DenoisingAutoencoder", "FreeBitsVAE"]
