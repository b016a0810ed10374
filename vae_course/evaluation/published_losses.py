"""What does a published loss really weigh? The weight of the KL once the reconstruction is in nats."""

from vae_course.distributions import lookup

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

_PIXEL_DENSITIES = {
    "bernoulli": lambda output: tfd.Bernoulli(probs=output, dtype=tf.float32),
    "gaussian": lambda output: tfd.Normal(output, 1.0),
    "laplace": lambda output: tfd.Laplace(output, 1.0),
}


def effective_beta(loss_fn, likelihood="bernoulli", shape=(28, 28, 1), latent_size=8, batch_size=16, seed=0):
    """The weight of the KL in a loss, once its reconstruction term is a true log-likelihood in nats.

        loss = a * mean_n[-log p(x_n|z_n)] + b * mean_n[KL_n] + constant,    effective beta = b / a

    loss_fn(x, output, mean, log_var) -> scalar: x and output (the decoder's mean image) [batch, *shape] in (0, 1),
        mean and log_var [batch, latent_size].
    likelihood: which density the reconstruction stands for: "bernoulli", "gaussian" or "laplace" (scale 1).
    a and b are measured, as slopes between random points; b along the posterior means. 1 means that the loss is the
    negative ELBO. Raises ValueError if the loss is not such a sum for this likelihood. Built in chapter 04.
    """
    density = lookup(_PIXEL_DENSITIES, likelihood, "likelihood")
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
    slopes = []
    for contrast in (0.3, 0.6, 0.9):  # far apart, so that a loss of another shape gives itself away
        x = tf.cast(uniform(0, 1, image) > 0.5, tf.float32)
        poor, good = uniform(0.3, 0.7, image), 0.5 + contrast * (x - 0.5) * uniform(0.8, 1, image)
        log_var, near, far = uniform(-1, 0, code), uniform(-0.5, 0.5, code), uniform(1, 2, code)
        start = loss(x, poor, near, log_var)
        a = (loss(x, good, near, log_var) - start) / (nll(x, good) - nll(x, poor))
        b = (loss(x, poor, far, log_var) - start) / (kl(far, log_var) - kl(near, log_var))
        slopes.append((a, b))
    a, b = np.mean(slopes, axis=0)
    if a <= 0 or np.abs(np.array(slopes) / [a, b or 1.0] - 1.0).max() > 0.02 and b:
        raise ValueError(
            f"The loss is not a weighted sum of the {likelihood!r} negative log-likelihood and the KL: its slopes "
            "change from point to point. Is it another likelihood? "
            f"Received slopes (a, b): {np.round(slopes, 6).tolist()}"
        )
    return float(b / a)
