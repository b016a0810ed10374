"""The bound and its terms, defined once: everything in nats, one number for each example, [batch].

    log p(x)  >=  ELBO(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))

Source: Kingma & Welling (2014), "Auto-encoding variational Bayes"; Burda, Grosse & Salakhutdinov (2016),
"Importance weighted autoencoders".
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def kl(posterior, prior, z=None):
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


def log_weights(x, z, prior, likelihood, posterior):
    """log w = log p(x|z) + log p(z) - log q(z|x), in nats: z [k, batch, latent] -> [k, batch]. Built in chapter 04."""
    return likelihood.log_prob(x) + prior.log_prob(z) - posterior.log_prob(z)


def elbo(log_w):
    """(1/k) sum_k log w_k: [k, batch] -> [batch], in nats. Built in chapter 03."""
    return tf.reduce_mean(log_w, axis=0)


def iwae(log_w):
    """log (1/k) sum_k w_k: [k, batch] -> [batch], in nats; at least the ELBO, at most log p(x) in expectation.

    Source: Burda et al. (2016), equation 8. Built in chapter 04.
    """
    samples = log_w.shape[0] or tf.shape(log_w)[0]
    log_samples = math.log(samples) if isinstance(samples, int) else tf.math.log(tf.cast(samples, log_w.dtype))
    return tf.reduce_logsumexp(log_w, axis=0) - log_samples
