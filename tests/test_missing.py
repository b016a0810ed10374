"""Missing values against a linear-Gaussian model, whose marginals and conditionals are known exactly."""

from vae_course import evaluation, layers, likelihoods, networks, parts
from vae_course.models import VAE

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import MODELS, data, holes, images, mixed, table, vae

tfd = tfp.distributions
SIZE, LATENTS, SCALE = 5, 2, 0.6


def linear(likelihood, n=200, share=0.3):
    """p(z) = N(0, I), p(x|z) = N(W z + b, SCALE^2 I), q = p(z): a VAE, data with holes, mean and covariance of x."""
    random = np.random.default_rng(0)
    w, b = random.normal(size=(SIZE, LATENTS)), random.normal(size=SIZE)
    encoder = networks.mlp_encoder((SIZE,), 2 * LATENTS, hidden=(), missing=True)
    kernel, _ = encoder.get_weights()
    one = np.log(np.expm1(1.0 - parts.MIN_SCALE))  # softplus(raw) for a scale of 1
    encoder.set_weights([np.zeros_like(kernel), np.repeat([0.0, one], LATENTS)])
    decoder = networks.mlp_decoder(LATENTS, (SIZE,), hidden=())
    decoder.set_weights([w.T, b])
    covariance = w @ w.T + SCALE**2 * np.eye(SIZE)
    x = random.multivariate_normal(b, covariance, n).astype("float32")
    model = VAE(encoder, decoder, likelihood=likelihood)
    model.compile()
    return model, holes(x, share), b, covariance


def exact_marginals(x, mean, covariance):
    found = []
    for row in x.astype("float64"):
        seen = np.flatnonzero(~np.isnan(row))
        part = tfd.MultivariateNormalFullCovariance(mean[seen], covariance[np.ix_(seen, seen)])
        found.append(float(part.log_prob(row[seen])))
    return np.array(found)


def marginal_is_exact(likelihood):
    model, x, mean, covariance = linear(likelihood, n=60)
    exact = exact_marginals(x, mean, covariance)
    found = evaluation.log_likelihood(model, x, k=20000, batch_size=20).per_example
    error = (found - exact).std() / np.sqrt(len(x))
    assert abs((found - exact).mean()) < 4 * error + 0.02, "the estimate must be log p of the observed entries"


def test_log_likelihood_is_that_of_the_observed_entries():
    marginal_is_exact(likelihoods.Gaussian(SCALE, missing=True))


class CountsTheFilling(likelihoods.Gaussian):
    """A planted mistake: the mask is applied to x, but not to the sum."""

    def independent(self, entries):
        class Filled(tfd.Independent):
            def _log_prob(self, x, **kwargs):
                return super()._log_prob(tf.where(tf.math.is_nan(x), 0.0, x), **kwargs)

        return Filled(entries, 1)


def test_a_mask_on_the_values_alone_is_caught():
    with pytest.raises(AssertionError, match="of the observed entries"):
        marginal_is_exact(CountsTheFilling(SCALE, missing=True))


def test_answers_are_drawn_from_the_exact_conditional():
    model, x, mean, covariance = linear(likelihoods.Gaussian(SCALE, missing=True))
    answers = evaluation.impute(model, x, draws=200, k=800)
    assert answers.shape == (200, *x.shape)
    gone = np.isnan(x)
    np.testing.assert_array_equal(answers[:, ~gone], np.tile(x[~gone], (200, 1)), err_msg="observed entries stay")
    errors, ratios = [], []
    for i, row in enumerate(x.astype("float64")):
        lost, seen = np.flatnonzero(gone[i]), np.flatnonzero(~gone[i])
        if len(lost):
            gain = covariance[np.ix_(lost, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
            center = mean[lost] + gain @ (row[seen] - mean[seen])
            spread = np.diag(covariance[np.ix_(lost, lost)] - gain @ covariance[np.ix_(seen, lost)])
            drawn = answers[:, i, lost]
            errors.extend((drawn.mean(axis=0) - center) / np.sqrt(spread / 200))
            ratios.extend(drawn.var(axis=0) / spread)
    # Answers share codes, so their mean scatters more than that of 200 independent draws.
    assert np.sqrt(np.mean(np.square(errors))) < 1.6
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.1)
    np.testing.assert_array_equal(answers[:3], evaluation.impute(model, x, draws=200, k=800)[:3])


def test_with_nothing_missing_everything_is_the_plain_model():
    """Bit for bit: training, terms, log-weights."""
    x = table()

    def trained(missing):
        keras.utils.set_random_seed(4)
        encoder = networks.mlp_encoder((5,), 4, hidden=(8,))
        if missing:
            inputs = keras.Input((5,))
            encoder = keras.Model(inputs, encoder(layers.FillMissing(mask=False)(inputs)))
        model = VAE(encoder, networks.mlp_decoder(2, (5,), (8,)), likelihood=likelihoods.Gaussian(missing=missing))
        model.compile(jit_compile=False)
        history = model.fit(x, epochs=2, shuffle=False, verbose=0).history
        return history, model.log_weights(x, 3, tf.constant([1, 2])).numpy()

    (history, log_w), (plain_history, plain_log_w) = trained(True), trained(False)
    assert history == plain_history
    np.testing.assert_array_equal(log_w, plain_log_w)


@pytest.mark.parametrize("name", ["vae_missing_columns", "vae_missing_pixels"])
def test_gradients_and_answers_are_finite(name):
    keras.utils.set_random_seed(0)
    model, (x,) = MODELS[name](), data(name, 24, 3)
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model(x)["elbo"])
    for gradient in tape.gradient(loss, model.trainable_weights):
        assert np.isfinite(gradient).all()
    answers = evaluation.impute(model, x, draws=3, k=20)
    assert np.isfinite(answers).all() and np.isnan(x).any()
    if name == "vae_missing_columns":
        assert set(np.unique(answers[:, :, 2])) <= {0.0, 1.0, 2.0}, "classes are filled in with classes"
        assert (answers[:, :, 3:] % 1 == 0).all(), "counts with counts"


def test_missing_entries_of_a_table_are_learned_from_the_others():
    """In `mixed` the class and the first count follow the first column: an informed answer beats the column's mean."""
    keras.utils.set_random_seed(0)
    x = mixed(600)
    model = MODELS["vae_missing_columns"]()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(holes(x), epochs=60, verbose=0)
    hidden = x[:200].copy()
    hidden[:, 0] = np.nan
    mean = evaluation.impute(model, hidden, draws=50).mean(axis=0)
    assert np.mean((mean[:, 0] - x[:200, 0]) ** 2) < 0.7 * x[:200, 0].var()


def test_nan_stays_an_error_elsewhere_and_says_what_to_do():
    model = vae(shape=(5,), likelihood=likelihoods.Gaussian())
    model.compile()
    for call in (model.fit, model.encode, lambda x: evaluation.log_likelihood(model, x, k=2)):
        with pytest.raises(ValueError, match="NaN or infinite.*missing=True"):
            call(holes(table()))
    with pytest.raises(ValueError, match="missing=True.*missing=False"):
        evaluation.impute(model, table())
    with pytest.raises(ValueError, match="begin with a layer that fills them in"):
        vae(shape=(5,), likelihood=likelihoods.Gaussian(missing=True))
    infinite = MODELS["vae_missing_pixels"]()
    with pytest.raises(ValueError, match="must be finite"):
        infinite.encode(np.full((2, 8, 8, 1), np.inf, "float32"))
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        infinite.encode(holes(images(4)))
