"""What might the missing entries be? Several answers, drawn from p(missing | observed)."""

from vae_course.evaluation.likelihood import parts_of, with_conditions
from vae_course.models import checks
from vae_course.models.data import in_batches
from vae_course.models.joint import Joint

import numpy as np
import numpy.typing as npt
import tensorflow as tf


def impute(
    model: Joint, x: npt.ArrayLike | tf.data.Dataset, draws: int = 20, k: int = 200, seed: int = 0
) -> np.ndarray:
    """`draws` answers for the entries of x [n, *shape] that are NaN, given those observed: numpy [draws, n, *shape].

        p(x_missing | x_observed) = E_p(z|x_observed)[p(x_missing | z)]

    k codes from q(z|x_observed) are weighed by p(x_observed, z) / q(z|x_observed), and those of the answers drawn among
    them by their weights, so the more the better: a code may serve twice. Observed entries come back as they were.
    For one answer take the mean over draws; their spread is what the model does not know. Built in chapter 15.
    Source: Mattei & Frellsen (2019), "MIWAE: deep generative modeling and imputation of incomplete data sets".
    """
    draws, k = checks.whole_number(draws, "draws"), checks.whole_number(k, "k")
    seed = checks.random_seed(seed)
    model, data = with_conditions(model, checks.collected(x))
    view, x = parts_of(model, data)
    if not getattr(getattr(view, "likelihood_part", None), "missing", False):
        raise ValueError(
            "Only a model whose likelihood knows missing entries can fill them in: VAE(..., likelihood=Gaussian("
            "missing=True)), with layers.FillMissing() first in the encoder. Received: a likelihood with missing=False"
        )

    def fill(part):
        number, rows = part
        view, x = (model.given(rows[1]), rows[0]) if isinstance(data, tuple) else (model, rows)
        x = view.prepare(x)
        q = view.posterior(x)
        seeds = [[seed, 3 * int(number[0]) + i] for i in range(3)]
        z = q.sample(k, seed=seeds[0])  # [k, batch, latent]
        log_w = view.likelihood(z).log_prob(x) + view.prior().log_prob(z) - q.log_prob(z)
        chosen = tf.random.stateless_categorical(tf.transpose(log_w), draws, seeds[1])  # [batch, draws]
        codes = tf.gather(tf.transpose(z, [1, 0, 2]), chosen, batch_dims=1)
        new = view.likelihood(tf.transpose(codes, [1, 0, 2])).sample(seed=seeds[2])  # [draws, batch, *shape]
        filled = tf.where(tf.math.is_nan(x), tf.cast(new, x.dtype), x)
        return tf.transpose(filled, [1, 0, *range(2, len(filled.shape))])

    numbers = np.arange(len(x))
    return np.moveaxis(in_batches(fill, (numbers, data), 100), 1, 0)
