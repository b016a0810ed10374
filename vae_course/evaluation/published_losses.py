"""What does a published loss really weigh? The weight of the KL once the reconstruction is in nats."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

TOLERANCE = 0.02  # slopes that differ by less are the same slope
ROUNDING = 1e-6  # of the loss: what float32 may lose in a difference

_DENSITIES = {
    "bernoulli": lambda output, scale: tfd.Bernoulli(probs=output, dtype=tf.float32),
    "gaussian": lambda output, scale: tfd.Normal(output, scale),
    "laplace": lambda output, scale: tfd.Laplace(output, scale),
}


def effective_beta(
    loss_fn: Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], npt.ArrayLike],
    likelihood: str = "bernoulli",
    shape: Sequence[int] = (28, 28, 1),
    latent_size: int = 8,
    batch_size: int = 16,
    seed: int = 0,
    scale: float = 1.0,
) -> float:
    """The weight of the KL in a loss, once its reconstruction term is a true log-likelihood in nats.

        loss = a * mean_n[-log p(x_n|z_n)] + b * mean_n[KL_n] + constant,    effective beta = b / a

    loss_fn(x, output, mean, log_var) -> scalar: x and output (the decoder's mean image) [batch, *shape] in (0, 1),
        mean and log_var [batch, latent_size].
    likelihood: which density the reconstruction stands for: "bernoulli", "gaussian" or "laplace".
    scale: the standard deviation of "gaussian", the scale of "laplace"; "bernoulli" has none.
    a and b are measured, as slopes between random points: a along the output, b along the means and again along the
    log-variances. 1 means that the loss is the negative ELBO, up to a factor and a constant. Raises ValueError if the
    loss is not such a sum: for another likelihood, or if the two slopes of the KL disagree. Built in chapter 04.
    """
    density = _density(likelihood, scale)
    random = np.random.default_rng(seed)

    def uniform(low, high, size):
        return tf.constant(random.uniform(low, high, size), tf.float32)

    def loss(*arguments):
        value = np.asarray(loss_fn(*arguments), "float64")
        if value.size != 1 or not np.isfinite(value).all():
            raise ValueError(f"loss_fn must give one finite number. Received: shape {list(value.shape)}, {value}")
        return value.item()

    def nll(x, output):
        log_prob = density(output).log_prob(x)
        return -float(tf.reduce_mean(tf.reduce_sum(log_prob, axis=list(range(1, len(x.shape))))))

    def kl(mean, log_var):
        divergence = tfd.kl_divergence(tfd.Normal(mean, tf.exp(log_var / 2)), tfd.Normal(0.0, 1.0))
        return float(tf.reduce_mean(tf.reduce_sum(divergence, axis=-1)))

    image, code = (batch_size, *shape), (batch_size, latent_size)
    rows = []
    for contrast in (0.3, 0.6, 0.9):  # far apart, so that a loss of another shape gives itself away
        x = tf.cast(uniform(0, 1, image) > 0.5, tf.float32)
        poor, good = uniform(0.3, 0.7, image), 0.5 + contrast * (x - 0.5) * uniform(0.8, 1, image)
        near, far = uniform(-0.2, 0.2, code), uniform(1, 2, code)
        log_var, wide, narrow = uniform(-0.3, 0.3, code), uniform(1, 2, code), uniform(-4, -3, code)
        start, start_kl = loss(x, poor, near, log_var), kl(near, log_var)
        # Along the output, the means, and the log-variances up and down: how far the loss moves, and the sum's term.
        moves = [(loss(x, good, near, log_var) - start, nll(x, good) - nll(x, poor))]
        for mean, spread in ((far, log_var), (near, wide), (near, narrow)):
            moves.append((loss(x, poor, mean, spread) - start, kl(mean, spread) - start_kl))
        by_loss, by_term = np.array(moves).T
        rounding = ROUNDING * abs(start)
        together = loss(x, poor, far, wide) - start - by_loss[1] - by_loss[2]  # 0 if means and log-variances add up
        apart = abs(together) > TOLERANCE * (abs(by_loss[1]) + abs(by_loss[2])) + 4 * rounding
        rows.append((by_loss / by_term, rounding / np.abs(by_term), apart))
    slopes, noise, apart = (np.array(part) for part in zip(*rows))  # [rounds, 4], [rounds, 4], [rounds]
    problem = _problem(slopes, noise, apart.any(), likelihood)
    if problem:
        raise ValueError(
            f"{problem} Received slopes along (output, mean, log_var up, log_var down): {np.round(slopes, 6).tolist()}"
        )
    a, b = slopes[:, :2].mean(axis=0)
    return float(b / a)


def _density(likelihood, scale):
    if likelihood not in _DENSITIES:
        raise ValueError(f"Unknown likelihood: choose one of {', '.join(_DENSITIES)}. Received: {likelihood!r}")
    if isinstance(scale, str) or not np.isscalar(scale) or not 0 < scale < np.inf:
        raise ValueError(f"scale must be one positive number. Received: {scale!r}")
    if likelihood == "bernoulli" and scale != 1:
        raise ValueError(f"A 'bernoulli' likelihood has no scale: leave it at 1. Received: scale={scale!r}")
    return lambda output: _DENSITIES[likelihood](output, float(scale))


def _problem(slopes, noise, apart, likelihood):
    """A sentence on why the loss is not a * nll + b * KL, or None. Columns: output, mean, log_var up, log_var down."""

    def differ(columns, value):
        return (np.abs(slopes[:, columns] - value) > TOLERANCE * abs(value) + 4 * noise[:, columns]).any()

    not_a_sum = f"The loss is not a weighted sum of the {likelihood!r} negative log-likelihood and the KL:"
    a, b = slopes[:, :2].mean(axis=0)
    if not differ([0], 0.0):
        return f"{not_a_sum} it does not change with the output. Is the reconstruction term missing?"
    if differ([0], a):
        return (
            f"{not_a_sum} its slope along the output changes from point to point. Is it another likelihood? "
            "Choose the one that the reconstruction stands for."
        )
    if a < 0 and b < 0:
        return "The loss falls where it should rise: it is a bound, not a loss. Return its negative."
    if a < 0:
        return (
            "The reconstruction term has the wrong sign: the loss falls as the output moves away from x. "
            "Add the negative log-likelihood (the error), not the log-likelihood."
        )
    if apart:
        return (
            f"{not_a_sum} the price of a mean depends on the log-variances. That usually means a KL with a floor or a "
            "ceiling (free bits, clipping), or another prior than N(0, 1)."
        )
    if differ([1], b):
        return (
            f"{not_a_sum} its slope along the means changes from point to point. The KL to N(0, 1) holds mean^2 / 2 "
            "for each latent: look for another power or another prior."
        )
    if not differ([2, 3], b):
        return None
    if not differ([2, 3], 0.0):
        return (
            f"{not_a_sum} it changes along the means, but not along log_var. That usually means that the KL lacks its "
            "variance terms, (exp(log_var) - 1 - log_var) / 2."
        )
    if not differ([1], 0.0):
        return (
            f"{not_a_sum} it changes along log_var, but not along the means. That usually means that the KL lacks "
            "mean^2 / 2."
        )
    return (
        f"{not_a_sum} its slopes along log_var disagree with the one along the means. That usually means that log_var "
        "is read as something else, such as the log of the standard deviation, or that a factor 1/2 stands before "
        "some of the KL's terms only."
    )
