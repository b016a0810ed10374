"""What is measured on a trained model, one file a question. In nats where it is information; nothing here trains.

likelihood        how likely are data under a VAE?                     log_likelihood
collapse          does it use its latents?                             diagnose, active_units, kl_per_dimension
disentanglement   does a latent follow one factor?                     mig, dci, factor_vae_score, beta_vae_score
fidelity          do samples look like the data, and as varied?        frechet_distance, precision_recall, sharpness
published_losses  what does a loss weigh, once it is in nats?          effective_beta
"""

from vae_course.evaluation.collapse import active_units, diagnose, kl_per_dimension
from vae_course.evaluation.disentanglement import beta_vae_score, dci, factor_vae_score, mig
from vae_course.evaluation.fidelity import frechet_distance, precision_recall, sharpness
from vae_course.evaluation.likelihood import log_likelihood
from vae_course.evaluation.missing import impute
from vae_course.evaluation.published_losses import effective_beta

__all__ = [
    "active_units",
    "beta_vae_score",
    "dci",
    "diagnose",
    "effective_beta",
    "factor_vae_score",
    "frechet_distance",
    "impute",
    "kl_per_dimension",
    "log_likelihood",
    "mig",
    "precision_recall",
    "sharpness",
]
