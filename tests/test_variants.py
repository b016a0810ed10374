"""The models that are trained for something else than the ELBO, and the schedules: what is known about them exactly."""

import itertools
import math

from vae_course import bounds, callbacks
from vae_course.models import TCVAE, VAE, FreeBitsVAE

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import VAES, coder, images, vae

tfd = tfp.distributions


def trained(cls, epochs=2, **options):
    keras.utils.set_random_seed(3)
    model = vae(cls, **options)
    model.compile(keras.optimizers.Adam(0.01))
    return model, model.fit(images(), epochs=epochs, verbose=0).history


@pytest.mark.parametrize("cls, options", [(FreeBitsVAE, {"free_bits": 0.0}), (TCVAE, {"train_size": 96, "beta": 1.0})])
def test_with_its_term_switched_off_a_variant_is_the_vae(cls, options):
    (plain, expected), (variant, history) = trained(VAE), trained(cls, **options)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    for ours, theirs in zip(variant.trainable_weights, plain.trainable_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


# --- free bits ---


def test_free_bits_are_the_larger_of_the_threshold_and_the_mean_kl():
    keras.utils.set_random_seed(0)
    model, x = vae(FreeBitsVAE, free_bits=1.0), images(40)
    kernel, bias = model.encoder.layers[-1].get_weights()
    model.encoder.layers[-1].set_weights([kernel * [20, 1, 5, 1, 1, 1], bias])  # some above the threshold, some below
    per_latent = bounds.kl_per_latent(model.posterior(x), model.prior()).numpy()
    assert 0 < (per_latent.mean(axis=0) > 1).sum() < 3, "the test needs latents on both sides"
    terms = model(x)
    expected = np.maximum(1.0, per_latent.mean(axis=0)).sum()
    assert np.mean(terms["paid_kl"]) == pytest.approx(expected, rel=1e-5)
    assert np.mean(terms["kl"]) == pytest.approx(per_latent.sum(axis=1).mean(), rel=1e-5), "the ELBO has no discount"


def test_the_kl_does_not_pull_at_latents_below_the_threshold():
    model, x = vae(FreeBitsVAE, free_bits=100.0), images(20)
    with tf.GradientTape() as tape:
        paid = tf.reduce_mean(model(x)["paid_kl"])
    gradients = tape.gradient(paid, model.encoder.trainable_weights)
    assert float(paid) == pytest.approx(300) and all(g is None or not np.any(g) for g in gradients)


def test_free_bits_obey_a_change_between_fits_and_survive_saving(tmp_path):
    model, _ = trained(FreeBitsVAE, free_bits=0.0)
    model.free_bits = 50.0
    history = model.fit(images(), verbose=0).history
    assert history["paid_kl"][0] == pytest.approx(150, rel=1e-5), "three latents at 50 nats each"
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").free_bits == 50.0
    with pytest.raises(ValueError, match="at least 0 nats.*-1"):
        model.free_bits = -1
    with pytest.raises(ValueError, match="nan"):
        model.free_bits = math.nan


@pytest.mark.parametrize("cls, options", [(FreeBitsVAE, {}), (TCVAE, {"train_size": 96})])
def test_a_kl_that_does_not_split_is_refused(cls, options):
    model = vae(cls, posterior="full_gaussian", encoder_outputs=9, **options)
    with pytest.raises(ValueError, match="only for a diagonal.*MultivariateNormalTriL"):
        model(images(4))


# --- the parts of the KL ---


def posterior_of(n=5, latent_size=2, seed=0):
    random = np.random.default_rng(seed)
    mean, scale = random.normal(size=(n, latent_size)), random.uniform(0.3, 0.8, (n, latent_size))
    return tfd.MultivariateNormalDiag(mean.astype("float32"), scale.astype("float32"))


def aggregate(z, posterior):
    """log q(z) and sum_j log q(z_j) by their definition, over all examples of the posterior."""
    each = tfd.Normal(posterior.mean(), posterior.stddev()).log_prob(z[:, None]).numpy().astype("float64")
    n = each.shape[1]
    return (
        np.logaddexp.reduce(each.sum(-1), axis=1) - math.log(n),
        (np.logaddexp.reduce(each, axis=1) - math.log(n)).sum(-1),
    )


def test_on_the_whole_data_the_parts_are_their_definitions_and_add_up():
    posterior = posterior_of(40)
    prior = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    z = posterior.sample(seed=1)
    parts = bounds.kl_parts(z, posterior, prior, train_size=40)
    log_joint, log_product = aggregate(z, posterior)
    np.testing.assert_allclose(parts["index_code_mi"], posterior.log_prob(z) - log_joint, atol=1e-4)
    np.testing.assert_allclose(parts["total_correlation"], log_joint - log_product, atol=1e-4)
    np.testing.assert_allclose(parts["dimension_wise_kl"], log_product - prior.log_prob(z), atol=1e-4)
    np.testing.assert_allclose(sum(parts.values()), posterior.log_prob(z) - prior.log_prob(z), atol=1e-4)


def test_the_stratified_estimate_of_the_aggregate_is_unbiased():
    """The mean over all batches of three that hold example 0 is the aggregate posterior itself."""
    posterior, n = posterior_of(6), 6
    prior = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    z = posterior.sample(seed=2)
    estimates = []
    for others in itertools.combinations(range(1, n), 2):
        rows = [0, *others]
        batch = tfd.MultivariateNormalDiag(tf.gather(posterior.mean(), rows), tf.gather(posterior.stddev(), rows))
        parts = bounds.kl_parts(tf.gather(z, rows), batch, prior, train_size=n)
        estimates.append(np.exp(posterior.log_prob(z)[0] - parts["index_code_mi"][0]))
    assert np.mean(estimates) == pytest.approx(np.exp(aggregate(z, posterior)[0][0]), rel=1e-4)


def test_total_correlation_of_correlated_codes_is_the_known_one():
    random = np.random.default_rng(0)
    correlation, narrow = 0.8, 0.15
    means = random.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 2000).astype("float32")
    posterior = tfd.MultivariateNormalDiag(means, np.full_like(means, narrow))
    parts = bounds.kl_parts(
        posterior.sample(seed=3), posterior, tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2)), 2000
    )
    spread = correlation / (1 + narrow**2)
    exact = -0.5 * math.log(1 - spread**2)
    assert np.mean(parts["total_correlation"]) == pytest.approx(exact, abs=0.08)
    assert 0.3 < exact, "a test of something that is not zero"


def test_tcvae_pays_for_the_total_correlation_only():
    model = VAES["vae_tc"]()
    terms = {name: np.float32(value) for name, value in dict(reconstruction=-9, kl=4, total_correlation=0.5).items()}
    assert float(model.objective(terms)) == pytest.approx(-9 - 4 - 5 * 0.5)
    with pytest.raises(ValueError, match="train_size.*1"):
        vae(TCVAE, train_size=1)


# --- schedules ---


def test_schedules_have_the_published_shapes():
    rise = callbacks.linear(4, target=2.0)
    assert [rise(epoch) for epoch in range(6)] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]
    saw = callbacks.cyclical(4, ramp=0.5)
    assert [saw(epoch) for epoch in range(9)] == [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="warm_up.*0"):
        callbacks.linear(0)
    with pytest.raises(ValueError, match="period.*1 and 0.5"):
        callbacks.cyclical(1)


def test_a_scheduled_beta_reaches_the_compiled_step_and_the_history():
    keras.utils.set_random_seed(3)
    model = vae()
    model.compile(keras.optimizers.Adam(0.0))
    scheduler = callbacks.BetaScheduler(callbacks.linear(2, target=10.0))
    history = model.fit(images(), epochs=3, verbose=0, validation_data=images(20), callbacks=[scheduler]).history
    assert history["beta"] == [0.0, 5.0, 10.0] and model.beta == 10.0
    for part in ("", "val_"):
        expected = -np.array(history[f"{part}reconstruction"]) + history["beta"] * np.array(history[f"{part}kl"])
        np.testing.assert_allclose(history[f"{part}loss"], expected, rtol=1e-5)


def test_wrong_schedules_and_models_are_refused():
    with pytest.raises(ValueError, match=r"as linear\(10\) is. Received: 0.5"):
        callbacks.BetaScheduler(0.5)
    model = vae()
    model.compile()
    with pytest.raises(ValueError, match="finite beta.*nan for epoch 0"):
        model.fit(images(), verbose=0, callbacks=[callbacks.BetaScheduler(lambda epoch: math.nan)])
    model = coder()
    model.compile()
    with pytest.raises(ValueError, match="weight beta. Received: Autoencoder"):
        model.fit(images(), verbose=0, callbacks=[callbacks.BetaScheduler(callbacks.linear(2))])
