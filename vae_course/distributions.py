"""From tensors to TensorFlow Probability distributions, with the event rank always explicit.

A network maps tensors to tensors; the functions here turn its output into a distribution, inside `call`, where it
lives and dies. `event_rank` is the number of trailing axes that make up ONE example (3 for an image [height, width,
channels]): without it a leading sample axis would silently merge examples into one event.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

tfb, tfd = tfp.bijectors, tfp.distributions

MIN_SCALE = 1e-3  # a standard deviation that shrinks to 0 gives an unbounded density


def positive(raw):
    """softplus(raw) + 0.001: a standard deviation from any real number. Built in chapter 03."""
    return tf.nn.softplus(raw) + MIN_SCALE


# --- posteriors and priors: normal distributions over codes, all of one family so that every KL has a closed form ---


class _Diagonal(tfd.MultivariateNormalDiag):
    """tfd's, with noise from a generator named here: the one it leaves to TensorFlow is ten times slower under XLA."""

    def _call_sample_n(self, sample_shape, seed, **kwargs):
        parts = [tf.reshape(sample_shape, [-1]), self.batch_shape_tensor(), self.event_shape_tensor()]
        shape = tf.concat([tf.cast(part, tf.int32) for part in parts], axis=0)
        noise = tf.random.stateless_normal(shape, tfp.random.sanitize_seed(seed), dtype=self.dtype, alg="philox")
        return self.loc + self.scale.diag_part() * noise


def standard_normal(size):
    """N(0, I) over codes [size], in the family of `gaussian`. Built in chapter 03."""
    return _Diagonal(loc=tf.zeros([size]), scale_diag=tf.ones([size]))


def gaussian(parameters):
    """N(mean, diag(scale^2)) from parameters [..., 2 * size] = (mean, raw scale): event [size]. Built in chapter 03.

    Source: Kingma & Welling (2014), "Auto-encoding variational Bayes", appendix C.2.
    """
    mean, raw = tf.split(parameters, 2, axis=-1)
    return _Diagonal(loc=mean, scale_diag=positive(raw))


def full_gaussian(parameters):
    """N(mean, L L^T) from parameters [..., size + size (size + 1) / 2]: event [size], every covariance allowed.

    L is lower triangular with a positive diagonal. Named in chapter 04.
    """
    size = full_gaussian_size(parameters.shape[-1])
    triangle = tfb.FillScaleTriL(diag_bijector=tfb.Softplus(), diag_shift=MIN_SCALE)
    return tfd.MultivariateNormalTriL(loc=parameters[..., :size], scale_tril=triangle(parameters[..., size:]))


def full_gaussian_size(parameters):
    """The code size d for which a full-covariance normal has this many parameters, d + d (d + 1) / 2."""
    size = 0
    while size + size * (size + 1) // 2 < parameters:
        size += 1
    if size + size * (size + 1) // 2 != parameters:
        raise ValueError(
            "A full-covariance posterior over d latents needs d + d (d + 1) / 2 encoder outputs "
            f"(2, 5, 9, 14, 20, ...). Received: {parameters} outputs"
        )
    return size


POSTERIORS = {"gaussian": gaussian, "full_gaussian": full_gaussian}


def posterior_latent_size(posterior, outputs):
    """The number of latents that `outputs` encoder outputs can describe under the posterior of that name."""
    if posterior == "full_gaussian":
        return full_gaussian_size(outputs)
    if outputs % 2:
        raise ValueError(
            "A diagonal normal posterior needs 2 * latent_size encoder outputs, a mean and a raw scale for each "
            f"latent. Received: {outputs} outputs"
        )
    return outputs // 2


# --- likelihoods: distributions over examples, from what the decoder puts out ---


class _Bernoulli(tfd.Bernoulli):
    """tfd's, with the log-probability from TensorFlow's own function: one exponential for each pixel instead of two."""

    def _log_prob(self, event):
        shape = tf.broadcast_dynamic_shape(tf.shape(event), tf.shape(self.logits))  # that function does not broadcast
        event, logits = tf.broadcast_to(event, shape), tf.broadcast_to(self.logits, shape)
        return -tf.nn.sigmoid_cross_entropy_with_logits(labels=event, logits=logits)


def bernoulli(logits, event_rank):
    """prod_i p_i^x_i (1 - p_i)^(1 - x_i), p = sigmoid(logits). Built in chapter 03."""
    return tfd.Independent(_Bernoulli(logits=logits, dtype=tf.float32), event_rank)


def fixed_gaussian(mean, scale, event_rank):
    """prod_i N(x_i; mean_i, scale^2) with one scale for all pixels. Built in chapter 04."""
    return tfd.Independent(tfd.Normal(mean, scale), event_rank)


def gaussian_per_pixel(parameters, event_rank):
    """prod_i N(x_i; mean_i, scale_i^2) from 2 c channels: means, then raw scales. Built in chapter 04."""
    mean, raw = tf.split(parameters, 2, axis=-1)
    return tfd.Independent(tfd.Normal(mean, positive(raw)), event_rank)


class _Relabel(tfb.Bijector):
    """level -> level / (levels - 1): renames the values of a discrete variable, so the Jacobian plays no part."""

    def __init__(self, levels):
        self.last = float(levels - 1)
        super().__init__(forward_min_event_ndims=0, is_constant_jacobian=True, dtype=tf.float32)

    def _forward(self, level):
        return tf.cast(level, tf.float32) / self.last

    def _inverse(self, x):
        return tf.round(x * self.last)

    def _inverse_log_det_jacobian(self, x):
        return tf.zeros([], tf.float32)


def discretized_logistic(parameters, event_rank, levels=256):
    """P(x_i) = the mass of a logistic distribution in the bin of x_i, from 2 c channels. Built in chapter 04.

    x lies on the grid 0, 1/(levels - 1), ..., 1; the outer bins reach to infinity. Parameters: in units of x.
    Source: Kingma et al. (2016), "Improving variational inference with inverse autoregressive flow".
    """
    location, raw = tf.split(parameters, 2, axis=-1)
    last = float(levels - 1)
    # QuantizedDistribution rounds up: moving by half a level makes each bin centred on its level.
    logistic = tfd.Logistic(last * location - 0.5, last * positive(raw))
    levels_distribution = tfd.QuantizedDistribution(logistic, low=0.0, high=last)
    return tfd.Independent(tfd.TransformedDistribution(levels_distribution, _Relabel(levels)), event_rank)


def categorical(parameters, event_rank, levels=256):
    """P(x_i) = softmax over `levels` values, from levels * c channels; x on the grid 0, 1/(levels - 1), ..., 1."""
    shape = tf.concat([tf.shape(parameters)[:-1], [parameters.shape[-1] // levels, levels]], axis=0)
    levels_distribution = tfd.Categorical(logits=tf.reshape(parameters, shape), dtype=tf.float32)
    return tfd.Independent(tfd.TransformedDistribution(levels_distribution, _Relabel(levels)), event_rank)


def _first_half(parameters, likelihood):
    return tf.split(parameters, 2, axis=-1)[0]


def _categorical_mean(parameters, likelihood):
    probabilities = likelihood.distribution.distribution.probs_parameter()
    return tf.linalg.matvec(probabilities, tf.linspace(0.0, 1.0, probabilities.shape[-1]))


@dataclasses.dataclass(frozen=True)
class Likelihood:
    """One row of `LIKELIHOODS`: how a decoder's output becomes p(x|z), and which data it can describe.

    channels: decoder channels for each channel of the data.
    distribution: (parameters, event_rank, scale) -> tfd.Distribution over examples.
    mean: (parameters, distribution) -> the picture to look at, in units of x.
    low, high, levels: the support: an interval (None: the real line) and, if not None, a grid on it.
    """

    channels: int
    distribution: Callable
    mean: Callable
    low: float | None = None
    high: float | None = None
    levels: int | None = None


LIKELIHOODS = {
    "bernoulli": Likelihood(1, lambda out, rank, scale: bernoulli(out, rank), lambda out, p: p.mean(), 0.0, 1.0),
    "gaussian": Likelihood(1, lambda out, rank, scale: fixed_gaussian(out, scale, rank), lambda out, p: out),
    "gaussian_per_pixel": Likelihood(2, lambda out, rank, scale: gaussian_per_pixel(out, rank), _first_half),
    "discretized_logistic": Likelihood(
        2, lambda out, rank, scale: discretized_logistic(out, rank), _first_half, 0.0, 1.0, 256
    ),
    "categorical": Likelihood(256, lambda out, rank, scale: categorical(out, rank), _categorical_mean, 0.0, 1.0, 256),
}


def lookup(table, name, what):
    """table[name], or a ValueError that lists the names there are."""
    if name not in table:
        raise ValueError(f"Unknown {what}. Choose one of {', '.join(map(repr, table))}. Received: {name!r}")
    return table[name]
