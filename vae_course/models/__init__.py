"""The course's models, each a `keras.Model`: stock compile, fit, evaluate, predict, save and load.

base          CourseModel: Keras's glue, with data (and its checks), steps (on the resident table) and draws
objective     ObjectiveModel: trained for an objective made of terms that it reports
latent        LatentModel: an encoder, a decoder and a likelihood
joint         what follows from three distributions, whatever they are
vae           VAE; conditional: ConditionalVAE; semi_supervised: M2; hierarchical: HierarchicalVAE
variants      IWAE, FreeBitsVAE, TCVAE: one changed term each
autoencoder   Autoencoder, DenoisingAutoencoder
adversarial   GAN, VAEGAN
rbm           RBM
made          MADE
vqvae         VQVAE; diffusion: Diffusion
pretrained    load, pretrained_models: models that are trained already
"""

from vae_course.models.adversarial import GAN, VAEGAN
from vae_course.models.autoencoder import Autoencoder, DenoisingAutoencoder
from vae_course.models.base import CourseModel
from vae_course.models.conditional import ConditionalVAE
from vae_course.models.diffusion import Diffusion
from vae_course.models.hierarchical import HierarchicalVAE
from vae_course.models.latent import LatentModel
from vae_course.models.made import MADE
from vae_course.models.objective import ObjectiveModel
from vae_course.models.pretrained import load, pretrained_models
from vae_course.models.rbm import RBM
from vae_course.models.semi_supervised import M2
from vae_course.models.vae import VAE
from vae_course.models.variants import IWAE, TCVAE, FreeBitsVAE
from vae_course.models.vqvae import VQVAE

__all__ = [
    "GAN",
    "IWAE",
    "MADE",
    "M2",
    "RBM",
    "TCVAE",
    "VAE",
    "VAEGAN",
    "VQVAE",
    "Autoencoder",
    "ConditionalVAE",
    "CourseModel",
    "DenoisingAutoencoder",
    "Diffusion",
    "FreeBitsVAE",
    "HierarchicalVAE",
    "LatentModel",
    "ObjectiveModel",
    "load",
    "pretrained_models",
]
