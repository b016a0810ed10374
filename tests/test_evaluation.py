"""Measurements against values that are known exactly."""

from vae_course import evaluation, likelihoods
from vae_course.models import VAE

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp
import theorems
from models_under_test import VAES, data, images, table, vae

tfd = tfp.distributions


def test_log_likelihood_is_exact_at_the_true_posterior():
    model, x, evidence = theorems.linear_gaussian(VAE)
    model.compile()
    result = evaluation.log_likelihood(model, x, k=7, batch_size=30)
    np.testing.assert_allclose(result.per_example, evidence, rtol=1e-4)
    assert result.mean == pytest.approx(evidence.mean(), rel=1e-5)
    assert result.standard_error == pytest.approx(evidence.std(ddof=1) / 8, rel=1e-3)


def test_log_likelihood_tightens_with_k_repeats_with_its_seed_and_leaves_the_model_alone():
    model, x, evidence = theorems.linear_gaussian(VAE, exact=False)
    model.compile()
    state = model._seeds.state.numpy().copy()
    one, many = (evaluation.log_likelihood(model, x, k=k) for k in (1, 300))
    assert one.mean < many.mean < evidence.mean() + 0.01
    assert many.mean == pytest.approx(evidence.mean(), abs=0.05)
    np.testing.assert_array_equal(many.per_example, evaluation.log_likelihood(model, x, k=300).per_example)
    assert one.mean != evaluation.log_likelihood(model, x, k=1, seed=1).mean
    np.testing.assert_array_equal(state, model._seeds.state.numpy())


def test_every_chunk_draws_its_own_samples():
    """With the same codes in each chunk of 50, k = 100 would be k = 50 again."""
    model, x, _ = theorems.linear_gaussian(VAE, exact=False)
    model.compile()
    fifty, hundred = (evaluation.log_likelihood(model, x, k=k).per_example for k in (50, 100))
    assert np.abs(fifty - hundred).max() > 1e-4


def test_every_row_draws_its_own_samples_whatever_its_place():
    """Sixty copies of one example, in three batches: no two have the same codes."""
    model, x, evidence = theorems.linear_gaussian(VAE, exact=False)
    model.compile()
    copies, truth = np.tile(x[:1], (60, 1)), evidence[0]
    found = evaluation.log_likelihood(model, copies, k=60, batch_size=20).per_example
    assert len(np.unique(found)) == 60
    one, two = (evaluation.log_likelihood(model, copies, k=1, batch_size=size).per_example for size in (20, 60))
    assert np.mean(found) == pytest.approx(truth, abs=0.05) and one.std() > 3 * found.std()
    assert np.corrcoef(one[:20], one[20:40])[0, 1] < 0.9, "and batches do not repeat each other's"
    assert np.mean(one) == pytest.approx(np.mean(two), abs=5 * one.std() / np.sqrt(60))


class Tempered(VAE):
    """A likelihood with an attribute of its own, which is no weight."""

    tau = 1.0

    def likelihood(self, z):
        return tfd.Independent(tfd.Normal(self.decoder_output(z), self.tau), 1)


def test_an_own_attribute_that_was_changed_between_two_calls_is_obeyed():
    def new(tau):
        keras.utils.set_random_seed(0)
        model = vae(Tempered, shape=(5,), likelihood="gaussian")
        model.tau = tau
        model.compile()
        return model

    model, x = new(1.0), table()
    narrow = evaluation.log_likelihood(model, x, k=5)
    model.tau = 3.0
    wide = evaluation.log_likelihood(model, x, k=5)
    assert abs(wide.mean - narrow.mean) > 0.5
    np.testing.assert_allclose(wide.per_example, evaluation.log_likelihood(new(3.0), x, k=5).per_example, rtol=1e-6)
    model.tau = 1.0
    np.testing.assert_array_equal(evaluation.log_likelihood(model, x, k=5).per_example, narrow.per_example)


def test_weights_that_were_changed_between_two_calls_are_obeyed():
    model, x = vae(shape=(5,), likelihood=likelihoods.Gaussian("learned")), table()
    model.compile()
    before = evaluation.log_likelihood(model, x, k=5)
    model.likelihood_part.log_scale.assign(1.0)
    wide = vae(shape=(5,), likelihood=likelihoods.Gaussian(float(np.exp(1.0))))
    for ours, theirs in ((wide.encoder, model.encoder), (wide.decoder, model.decoder)):
        ours.set_weights(theirs.get_weights())
    wide.compile()
    after, expected = (evaluation.log_likelihood(m, x, k=5) for m in (model, wide))
    np.testing.assert_allclose(after.per_example, expected.per_example, rtol=1e-5)
    assert abs(after.mean - before.mean) > 0.1


@pytest.mark.parametrize(
    "name", ["vae_full_gaussian", "vae_mixture_prior", "iwae", "vae_conv", "vae_vamp", "vae_missing_pixels"]
)
def test_log_likelihood_works_on_every_kind(name):
    model = VAES[name]()
    model.compile()
    result = evaluation.log_likelihood(model, *data(name, 30), k=10)
    assert np.isfinite(result.per_example).all() and result.per_example.shape == (30,)


def test_per_latent_kl_adds_up_and_active_units_are_counted():
    model, x = vae(latent_size=4), images(50)
    kernel, bias = model.encoder.layers[-1].get_weights()
    kernel[:, [1, 3]], bias[[1, 3]] = 0.0, 0.0  # two latents whose mean ignores the data
    model.encoder.layers[-1].set_weights([10 * kernel, bias])
    per_latent = evaluation.kl_per_dimension(model, x)
    assert per_latent.shape == (4,)
    assert per_latent.sum() == pytest.approx(model.predict(x, verbose=0)["kl"].mean(), rel=1e-4)
    units = evaluation.active_units(model, x)
    assert units.count == 2 and (units.variances[[1, 3]] == 0).all()
    with pytest.raises(ValueError, match="diagonal normal prior.*MixtureSameFamily"):
        evaluation.kl_per_dimension(VAES["vae_mixture_prior"](), x)


def test_k_below_one_is_refused():
    keras.utils.set_random_seed(0)
    with pytest.raises(ValueError, match="at least 1.*0"):
        evaluation.log_likelihood(vae(), images(4), k=0)
