"""The bound and its terms, defined once: everything in nats, one number for each example, [batch].

    log p(x)  >=  ELBO(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))

Source: Kingma & Welling (2014), "Auto-encoding variational Bayes"; Burda, Grosse & Salakhutdinov (2016),
"Importance weighted autoencoders".
"""

import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def kl(posterior: tfd.Distribution, prior: tfd.Distribution, z: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
    """KL(q || p) in nats: [batch]. Built in chapter 03.

    Closed form where TensorFlow Probability knows one; otherwise (a mixture, a flow) its one-sample estimate
    log q(z|x) - log p(z) at `z`, a sample of the posterior [..., batch, latent].
    """
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        if z is None:
            raise ValueError(
                "This pair has no closed-form KL: pass `z`, a sample of the posterior, for an estimate. "
                f"Received: {posterior.name}, {prior.name}"
            ) from None
        return posterior.log_prob(z) - prior.log_prob(z)


def kl_per_latent(posterior: tfd.Distribution, prior: tfd.Distribution) -> tf.Tensor:
    """KL(q(z_j|x) || p(z_j)) for each latent, in nats: [batch, latent_size]. Built in chapter 03.

    The entries add up to `kl`. ValueError unless both are diagonal normals: for others the KL does not split.
    """
    _check_diagonal(posterior, prior)
    q, p = (tfd.Normal(distribution.mean(), distribution.stddev()) for distribution in (posterior, prior))
    return tfd.kl_divergence(q, p)


def free_bits(kl: tf.Tensor | np.ndarray, least: float | keras.Variable) -> tf.Tensor:
    """max(least, mean over the batch of KL) for each latent or group: kl [batch, ...] -> what is paid, the same shape.

    Below the threshold a latent costs a constant, so that the KL does not pull at it. Built in chapter 06.
    Source: Kingma et al. (2016), "Improved variational inference with inverse autoregressive flow", equation 15.
    """
    return tf.where(tf.reduce_mean(kl, axis=0) > least, kl, least)


def kl_parts(
    z: tf.Tensor | np.ndarray, posterior: tfd.Distribution, prior: tfd.Distribution, train_size: int
) -> dict[str, tf.Tensor]:
    """log q(z|x) - log p(z) in three parts, each [batch], in nats: z [batch, latent_size]. Built in chapter 07.

        index-code mutual information   log q(z|x) - log q(z)
        total correlation               log q(z) - sum_j log q(z_j)
        dimension-wise KL               sum_j [log q(z_j) - log p(z_j)]

    The aggregate posterior q(z) = (1/N) sum_n q(z|x_n) over N = `train_size` examples is estimated from this batch of M
    distinct ones. An example's own posterior weighs 1/N, for it is there for sure; the M - 1 others share the rest:
    without bias for q(z), with some for its logarithm, which shrinks as the batch grows.
    Source: Chen et al. (2018), "Isolating sources of disentanglement in VAEs", appendix C.2 (minibatch-stratified
    sampling; here the odd weight of its last example is averaged over all).
    """
    _check_diagonal(posterior, prior)
    q = tfd.Normal(posterior.mean()[None], posterior.stddev()[None])
    pairs = q.log_prob(z[:, None])  # [batch, batch, latent_size]: codes down, posteriors across
    batch = tf.shape(z)[0]
    size, others = float(train_size), tf.cast(tf.maximum(batch - 1, 1), tf.float32)
    own = tf.eye(batch)
    share = own / size + (1.0 - own) * (size - 1.0) / (size * others)
    log_share = tf.math.log(tf.where(batch > 1, share, own))  # one example alone is all that is known of q(z)
    log_joint = tf.reduce_logsumexp(log_share + tf.reduce_sum(pairs, axis=-1), axis=1)
    log_product = tf.reduce_sum(tf.reduce_logsumexp(log_share[..., None] + pairs, axis=1), axis=-1)
    return {
        "index_code_mi": tf.linalg.diag_part(tf.reduce_sum(pairs, axis=-1)) - log_joint,
        "total_correlation": log_joint - log_product,
        "dimension_wise_kl": log_product - prior.log_prob(z),
    }


def _check_diagonal(*distributions):
    if not all(isinstance(distribution, tfd.MultivariateNormalDiag) for distribution in distributions):
        raise ValueError(
            "The KL splits over latents only for a diagonal normal posterior and a diagonal normal prior. "
            f"Received: {' and '.join(type(distribution).__name__ for distribution in distributions)}"
        )


def log_weights(
    x: tf.Tensor | np.ndarray,
    z: tf.Tensor | np.ndarray,
    prior: tfd.Distribution,
    likelihood: tfd.Distribution,
    posterior: tfd.Distribution,
) -> tf.Tensor:
    """log w = log p(x|z) + log p(z) - log q(z|x), in nats: z [k, batch, latent] -> [k, batch]. Built in chapter 04."""
    return likelihood.log_prob(x) + prior.log_prob(z) - posterior.log_prob(z)


def elbo(log_w: tf.Tensor | np.ndarray) -> tf.Tensor:
    """(1/k) sum_k log w_k: [k, batch] -> [batch], in nats. Built in chapter 03."""
    return tf.reduce_mean(log_w, axis=0)


def iwae(log_w: tf.Tensor | np.ndarray) -> tf.Tensor:
    """log (1/k) sum_k w_k: [k, batch] -> [batch], in nats; at least the ELBO, at most log p(x) in expectation.

    Source: Burda et al. (2016), equation 8. Built in chapter 04.
    """
    samples = log_w.shape[0] or tf.shape(log_w)[0]
    log_samples = math.log(samples) if isinstance(samples, int) else tf.math.log(tf.cast(samples, log_w.dtype))
    return tf.reduce_logsumexp(log_w, axis=0) - log_samples
