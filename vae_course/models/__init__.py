"""The course's models, each a `keras.Model`: stock compile, fit, evaluate, predict, save and load."""

from vae_course.models.autoencoder import Autoencoder, DenoisingAutoencoder
from vae_course.models.base import CourseModel
from vae_course.models.vae import IWAE, VAE

__all__ = ["IWAE", "VAE", "Autoencoder", "CourseModel", "DenoisingAutoencoder"]
