"""Theorems about the bound, each a function of a VAE class: it passes for a right class and raises for a wrong one.

test_theorems.py runs them on the library's classes, and shows that published mistakes, planted in a copy, fall to them.
"""

from vae_course import bounds, likelihoods, networks, parts

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import images, vae

tfb, tfd = tfp.bijectors, tfp.distributions
FREE = 1.0 - parts.MIN_SCALE  # softplus(raw) for a posterior scale of 1


def loss(model, x, training=True):
    """The loss of one step on x, as `fit` computes it."""
    return float(model.compute_loss(x=x, y_pred=model(x), training=training))


def linear_gaussian(cls, exact=True, n=64, size=6, latent_size=2, scale=0.7):
    """p(z) = N(0, I), p(x|z) = N(W z + b, scale^2 I): a VAE of class `cls`, data from it, and the exact log p(x) [n].

    exact: whether q(z|x) is the true posterior; otherwise its mean is off by 0.3 in each latent.
    """
    random = np.random.default_rng(0)
    w, b = random.normal(size=(size, latent_size)), random.normal(size=size)
    covariance = w @ w.T + scale**2 * np.eye(size)
    x = random.multivariate_normal(b, covariance, n).astype("float32")
    evidence = tfd.MultivariateNormalFullCovariance(b, covariance).log_prob(x.astype("float64")).numpy()

    encoder = networks.mlp_encoder((size,), latent_size + latent_size * (latent_size + 1) // 2, hidden=())
    decoder = networks.mlp_decoder(latent_size, (size,), hidden=())
    decoder.set_weights([w.T, b])
    precision = w.T @ w + scale**2 * np.eye(latent_size)
    to_mean = np.linalg.solve(precision, w.T)  # E[z|x] = to_mean (x - b)
    triangle = tfb.FillScaleTriL(diag_bijector=tfb.Softplus(), diag_shift=parts.MIN_SCALE)
    tril = np.linalg.cholesky(scale**2 * np.linalg.inv(precision)).astype("float32")
    raw = triangle.inverse(tril).numpy()
    kernel = np.concatenate([to_mean.T, np.zeros((size, len(raw)))], axis=1)
    encoder.set_weights([kernel, np.concatenate([-to_mean @ b + (0.0 if exact else 0.3), raw])])
    return cls(encoder, decoder, posterior="full_gaussian", likelihood=likelihoods.Gaussian(scale)), x, evidence


def still(model):
    """The model with a posterior as narrow as the library allows, so that its loss hardly depends on the draw."""
    kernel, bias = model.encoder.layers[-1].get_weights()
    half = len(bias) // 2
    kernel[:, half:], bias[half:] = 0.0, -30.0
    model.encoder.layers[-1].set_weights([kernel, bias])
    return model


def elbo_is_tight_at_the_true_posterior(cls):
    model, x, evidence = linear_gaussian(cls)
    log_w = model.log_weights(x, 8).numpy()
    np.testing.assert_allclose(log_w, np.tile(evidence, (8, 1)), rtol=1e-4, atol=1e-4, err_msg="log w must be log p(x)")
    np.testing.assert_allclose(bounds.elbo(log_w), evidence, rtol=3e-5, err_msg="ELBO = log p(x)")
    np.testing.assert_allclose(bounds.iwae(tf.constant(log_w)), evidence, rtol=3e-5, err_msg="IWAE = log p(x)")


def the_loss_is_the_negative_elbo(cls):
    model, x, evidence = linear_gaussian(cls)
    many = np.tile(x, (100, 1))
    for training in (True, False):
        terms = model(many)
        error = np.std(terms["reconstruction"] - terms["kl"]) / np.sqrt(len(many))
        found = float(model.compute_loss(x=many, y_pred=terms, training=training))
        assert abs(found + evidence.mean()) < 5 * error, "the loss must be -log p(x) at the true posterior"


def bounds_are_ordered(cls):
    """ELBO <= IWAE_5 <= IWAE_50 <= log p(x), averaged over the data and many draws."""
    model, x, evidence = linear_gaussian(cls, exact=False)
    log_w = tf.reshape(model.log_weights(x, 4000), [50, 80 * len(x)])
    elbo, five, fifty = (float(tf.reduce_mean(bounds.iwae(log_w[:k]))) for k in (1, 5, 50))
    assert elbo < five - 0.01, "IWAE_5 must lie above the ELBO"
    assert five < fifty - 0.001, "IWAE_50 must lie above IWAE_5"
    assert fifty <= evidence.mean() + 1e-3, "no bound exceeds log p(x)"


def kl_three_ways(cls):
    """Closed form typed out, Monte Carlo, and TFP's: all the KL that the model reports, for the q that it samples."""
    model = vae(cls)
    x = images(4)
    q = model.posterior(x)
    z = q.sample(20000, seed=(1, 2))
    mean, scale = z.numpy().mean(axis=0), z.numpy().std(axis=0)  # of the samples, whatever q calls itself
    typed = 0.5 * (mean**2 + scale**2 - 1 - 2 * np.log(scale)).sum(axis=-1)
    sampled = (q.log_prob(z) - model.prior().log_prob(z)).numpy().mean(axis=0)
    reported = model(x)["kl"].numpy()
    np.testing.assert_allclose(sampled, tfd.kl_divergence(q, model.prior()), rtol=0.05, atol=0.02)
    np.testing.assert_allclose(reported, typed, rtol=0.05, atol=0.02, err_msg="KL against the closed form")
    np.testing.assert_allclose(reported, sampled, rtol=0.05, atol=0.02, err_msg="KL against Monte Carlo")


def the_terms_are_one_number_per_example(cls):
    model, x = vae(cls), images(12)
    assert {name: term.shape for name, term in model(x).items()} == {name: (12,) for name in model.terms}
    assert model.log_weights(x, 3).shape == (3, 12), "one weight for each sample and example"


def batch_size_does_not_matter(cls):
    model, x = still(vae(cls)), images(64)
    whole = loss(model, x)
    pieces = np.mean([loss(model, x[i : i + 8]) for i in range(0, 64, 8)])
    np.testing.assert_allclose(pieces, whole, rtol=1e-3, err_msg="the loss must not depend on the batch size")


def an_unused_latent_does_not_matter(cls):
    small, large = still(vae(cls, latent_size=3)), vae(cls, latent_size=4)
    for old, new in zip(small.encoder.layers + small.decoder.layers, large.encoder.layers + large.decoder.layers):
        if old.get_weights() and old.get_weights()[0].shape == new.get_weights()[0].shape:
            new.set_weights(old.get_weights())
    kernel, bias = small.encoder.layers[-1].get_weights()
    kernel = np.insert(np.insert(kernel, 6, 0.0, axis=1), 3, 0.0, axis=1)
    bias = np.insert(np.insert(bias, 6, np.log(np.expm1(FREE))), 3, 0.0)  # mean 0, scale 1: q = p
    large.encoder.layers[-1].set_weights([kernel, bias])
    first = next(layer for layer in large.decoder.layers if layer.get_weights())
    kernel, bias = next(layer for layer in small.decoder.layers if layer.get_weights()).get_weights()
    first.set_weights([np.vstack([kernel, np.zeros((1, kernel.shape[1]))]), bias])
    x = images(32)
    np.testing.assert_allclose(loss(large, x), loss(small, x), rtol=1e-3, err_msg="a latent with q = p costs nothing")


def three_equal_channels_count_three_times(cls):
    gray, color = still(vae(cls)), still(vae(cls, shape=(8, 8, 3)))
    x = images(16)
    kernel, *rest = gray.encoder.get_weights()
    color.encoder.set_weights([np.repeat(kernel, 3, axis=0) / 3, *rest])
    *rest, kernel, bias = gray.decoder.get_weights()
    color.decoder.set_weights([*rest, np.repeat(kernel, 3, axis=1), np.repeat(bias, 3)])
    terms = gray(x)
    expected = np.mean(terms["kl"] - 3 * terms["reconstruction"])
    np.testing.assert_allclose(loss(color, np.repeat(x, 3, axis=-1)), expected, rtol=1e-3, err_msg="3 equal channels")


def gaussian_log_likelihood_is_the_textbook_one(cls):
    model, x = vae(cls, likelihood=likelihoods.Gaussian(0.3)), images(8) / np.float32(255)
    z = np.zeros((8, model.latent_size), "float32")
    mean = model.decode(z)
    textbook = -0.5 * ((x - mean) / 0.3) ** 2 - np.log(0.3 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(model.likelihood(z).log_prob(x), textbook.sum(axis=(1, 2, 3)), rtol=1e-4)


THEOREMS = (
    elbo_is_tight_at_the_true_posterior,
    the_loss_is_the_negative_elbo,
    bounds_are_ordered,
    kl_three_ways,
    the_terms_are_one_number_per_example,
    batch_size_does_not_matter,
    an_unused_latent_does_not_matter,
    three_equal_channels_count_three_times,
    gaussian_log_likelihood_is_the_textbook_one,
)
