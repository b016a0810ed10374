"""What is measured on a trained model, one file a question. In nats where it is information; nothing here trains.

likelihood        how likely are data under a VAE?                     log_likelihood
collapse          does it use its latents?                             diagnose, active_units, kl_per_dimension
disentanglement   does a latent follow one factor?                     mig, dci, factor_vae_score, beta_vae_score
fidelity          do samples look like the data, and as varied?        frechet_distance, precision_recall, copies, ...
missing           what could the missing entries be?                   impute
coverage          do intervals of draws hold what they promise?        coverage
anomalies         how odd is an example, or a step of a series?        anomaly_scores, sliding_windows, scores_of_steps
alarms            when is a score an alarm, and how many are true?     threshold, average_precision, point_adjusted
rankings          are hidden choices near the top of a ranking?        hide, ndcg, recall
partition         what is the normalizer of an RBM?                    log_partition, annealed
published_losses  what does a loss weigh, once it is in nats?          effective_beta
"""

from vae_course.evaluation.alarms import average_precision, point_adjusted, threshold
from vae_course.evaluation.anomalies import anomaly_scores, scores_of_steps, sliding_windows
from vae_course.evaluation.collapse import active_units, diagnose, kl_per_dimension
from vae_course.evaluation.coverage import coverage
from vae_course.evaluation.disentanglement import beta_vae_score, dci, factor_vae_score, mig
from vae_course.evaluation.fidelity import copies, frechet_distance, precision_recall, sharpness
from vae_course.evaluation.likelihood import log_likelihood
from vae_course.evaluation.missing import impute
from vae_course.evaluation.partition import annealed, log_partition
from vae_course.evaluation.published_losses import effective_beta
from vae_course.evaluation.rankings import hide, ndcg, recall

__all__ = [
    "active_units",
    "annealed",
    "anomaly_scores",
    "average_precision",
    "beta_vae_score",
    "copies",
    "coverage",
    "dci",
    "diagnose",
    "effective_beta",
    "factor_vae_score",
    "frechet_distance",
    "hide",
    "impute",
    "kl_per_dimension",
    "log_likelihood",
    "log_partition",
    "mig",
    "ndcg",
    "point_adjusted",
    "precision_recall",
    "recall",
    "scores_of_steps",
    "sharpness",
    "sliding_windows",
    "threshold",
]
