"""Patients whose illness is known."""

import math

from vae_course import evaluation, likelihoods, networks
from vae_course.models import VAE

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp
from models_under_test import VAES, data, images, vae

tfd = tfp.distributions
SHAPE = (4, 4, 1)


def patient(slope=0.0, shift=0.0, latent_size=1, raw_scale=0.0, **options):
    """A VAE: posterior N(slope * mean pixel + shift, softplus(raw_scale)^2) in its first latent, else N(0, 1)."""
    encoder = networks.mlp_encoder(SHAPE, 2 * latent_size, hidden=())
    decoder = networks.mlp_decoder(latent_size, SHAPE, hidden=())
    kernel, bias = np.zeros((16, 2 * latent_size)), np.zeros(2 * latent_size)
    kernel[:, 0], bias[0] = slope / 16, shift
    bias[latent_size:] = math.log(math.e - 1)  # softplus of this is 1
    bias[latent_size] = raw_scale
    encoder.layers[-1].set_weights([kernel, bias])
    return VAE(encoder, decoder, **options)


black_and_white = np.concatenate([np.zeros((20, *SHAPE)), np.ones((20, *SHAPE))]).astype("float32")


def test_two_kinds_of_images_have_log_two_of_information():
    found = evaluation.diagnose(patient(slope=20, shift=-10), black_and_white)
    assert found.mutual_information == pytest.approx(math.log(2), abs=1e-4)
    assert found.rate == pytest.approx(found.mutual_information + found.marginal_kl)
    assert found.rate == pytest.approx(found.kl_per_latent.sum()) and found.verdict == "healthy" and found.active == 1


def test_images_that_all_differ_show_the_logarithm_of_their_number_and_no_more():
    x = np.linspace(0, 1, 30, dtype="float32")[:, None, None, None] * np.ones(SHAPE, "float32")
    found = evaluation.diagnose(patient(slope=1000, raw_scale=-5.0), x)
    assert found.mutual_information == pytest.approx(math.log(30), abs=1e-3) and found.saturated
    assert "at least this much" in str(found) and "at most so far" in str(found)


def test_a_posterior_that_ignores_the_image_is_collapsed():
    found = evaluation.diagnose(patient(raw_scale=math.log(math.e - 1), latent_size=3), black_and_white)
    assert found.verdict == "collapsed" and found.active == 0
    assert found.mutual_information == pytest.approx(0, abs=1e-5) and found.rate < 1e-3
    assert "collapsed." in str(found) and "z tells nothing" in str(found)


def test_dead_latents_and_a_deaf_decoder_are_told_apart():
    partly = evaluation.diagnose(patient(slope=20, shift=-10, latent_size=3), black_and_white)
    assert partly.verdict == "partly collapsed" and partly.active == 1 and "2 of 3 latents" in str(partly)
    model = patient(slope=20, shift=-10)
    model.decoder.layers[-2].set_weights([np.zeros((1, 16)), np.zeros(16)])
    deaf = evaluation.diagnose(model, black_and_white)
    assert deaf.swap_cost == 0 and "does not read" in str(deaf) and deaf.verdict == "healthy"
    assert deaf.distortion == pytest.approx(16 * math.log(2), rel=1e-5), "sixteen fair coins"


def test_exchanged_codes_cost_what_the_decoder_read_from_them():
    x = black_and_white[::20].repeat(10, axis=0)[[0, 10] * 10]  # black, white, black, ...: every exchange is wrong
    model = patient(slope=20, shift=-10, raw_scale=-10.0)
    model.decoder.layers[-2].set_weights([np.full((1, 16), 0.1), np.zeros(16)])  # logits -1 or 1
    assert evaluation.diagnose(model, x).swap_cost == pytest.approx(16 * 1.0, rel=1e-2), (
        "16 pixels, log p falls by 1 in each"
    )


@pytest.mark.parametrize("name", VAES)
def test_every_vae_of_the_course_can_be_diagnosed(name):
    keras.utils.set_random_seed(0)
    model = VAES[name]()
    (x,) = data(name, 30)
    found, again = evaluation.diagnose(model, x), evaluation.diagnose(model, x)
    assert str(found) == str(again) == repr(found)
    both = model.posterior(x), model.prior()
    assert (found.kl_per_latent is not None) == all(isinstance(p, tfd.MultivariateNormalDiag) for p in both)
    assert np.isfinite([found.rate, found.distortion, found.mutual_information, found.swap_cost]).all()


def test_notes_say_what_was_traded():
    assert "weighs 4 nats" in str(evaluation.diagnose(vae(beta=4.0), images(30)))
    assert "nat of KL weighs" not in str(evaluation.diagnose(VAES["vae_tc"](), images(30))), (
        "there beta weighs another term"
    )
    wide, narrow = (evaluation.diagnose(vae(likelihood=likelihoods.Gaussian(s)), images(90)) for s in (1000.0, 0.5))
    assert "more than sigma^2: 0." in str(wide) and "more than sigma^2: 0." not in str(narrow)


def test_one_example_cannot_be_diagnosed():
    with pytest.raises(ValueError, match="at least two examples.*1"):
        evaluation.diagnose(vae(), images(1))
