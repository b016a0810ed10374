"""Measurements against values that are known exactly."""

from vae_course import evaluation
from vae_course.models import VAE

import keras
import numpy as np
import pytest
import theorems
from models_under_test import VAES, images, vae


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


@pytest.mark.parametrize("name", ["vae_full_gaussian", "vae_mixture_prior", "iwae", "vae_conv"])
def test_log_likelihood_works_on_every_kind(name):
    model = VAES[name]()
    model.compile()
    result = evaluation.log_likelihood(model, images(30), k=10)
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
