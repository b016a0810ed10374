"""Diffusion against densities that are known: each KL is tfd's, and no bound passes the evidence."""

import math

from vae_course import evaluation
from vae_course.models import Diffusion

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import denoiser

tfd = tfp.distributions
FIRST, LAST = 6.0, -5.0


@keras.saving.register_keras_serializable("tests")
class Exact(keras.layers.Layer):
    """E[eps|z_t] for a mixture of normals N(mean, width^2 I) at equal odds: minus sigma_t times the score of z_t."""

    def __init__(self, means, width, **kwargs):
        super().__init__(**kwargs)
        self.means, self.width = np.asarray(means, "float32"), width

    def call(self, inputs):
        z, t = inputs
        log_snr = FIRST + (LAST - FIRST) * t
        alpha, sigma = tf.sqrt(tf.sigmoid(log_snr)), tf.sqrt(tf.sigmoid(-log_snr))
        variance = (alpha * self.width) ** 2 + sigma**2
        away = z[:, None] - alpha[..., None] * self.means
        share = tf.nn.softmax(-0.5 * tf.reduce_sum(away**2, -1) / variance, axis=-1)
        return sigma * tf.reduce_sum(share[..., None] * away, axis=1) / variance


def exact(means, width, **options):
    """The diffusion whose network is the best there is for this mixture, and that mixture."""
    size = np.shape(means)[1]
    z, t = keras.Input((size,)), keras.Input((1,))
    model = Diffusion(keras.Model([z, t], Exact(means, width)([z, t])), size, log_snr=(FIRST, LAST), **options)
    each = tfd.MultivariateNormalDiag(np.float32(means), width * tf.ones(np.shape(means)))
    return model, tfd.MixtureSameFamily(tfd.Categorical(tf.zeros(len(means))), each)


CORNERS = [[1.0, 1.0], [1.0, -1.0], [-1.0, 0.5]]


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_step_costs_the_kl_of_two_normals(schedule):
    model = Diffusion(denoiser((3,)), 3, steps=7, schedule=schedule)
    random = np.random.default_rng(0)
    x, eps = tf.constant(random.normal(size=(2, 5, 3)), tf.float32)
    for i in (1, 4, 7):
        t = tf.fill([5], i / 7)
        z = model.posterior(x, t).mean() + model.posterior(x, t).stddev() * eps
        q, p = model.step_back(z, x, t), model.step_back(z, model.clean(z, t), t)
        kl, error = model._step(x, t, eps)
        np.testing.assert_allclose(kl, tfd.kl_divergence(q, p), rtol=2e-3)
        np.testing.assert_allclose(error, tf.reduce_sum((eps - model.noise(z, t)) ** 2, -1), rtol=1e-4)
        np.testing.assert_array_equal(model.clean(z.numpy(), t.numpy()), model.clean(z, t))  # arrays are as good


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_steps_back_lead_where_the_posterior_is(schedule):
    """q(z_s|x) is the integral of q(z_s|z_t, x) q(z_t|x): in mean and in variance."""
    model = Diffusion(denoiser((1,)), 1, steps=5, schedule=schedule)
    x = tf.constant([[1.3]])
    for i in range(1, 6):
        later, before = model.posterior(x, i / 5), model.posterior(x, (i - 1) / 5)
        back, moved = (model.step_back(later.mean() + shift, x, i / 5) for shift in (0.0, 1.0))
        np.testing.assert_allclose(back.mean(), before.mean(), atol=1e-5)
        slope = moved.mean() - back.mean()
        np.testing.assert_allclose(back.variance() + slope**2 * later.variance(), before.variance(), rtol=1e-3)
    (alpha, sigma), (last, noise) = model.alpha_sigma(0.0), model.alpha_sigma(1.0)
    assert 2 * math.log(alpha / sigma) == pytest.approx(FIRST, abs=1e-3), "both schedules begin and end alike"
    assert 2 * math.log(last / noise) == pytest.approx(LAST, abs=1e-3)


def test_the_ends_of_the_bound_are_those_of_tfd():
    x = tf.constant([[0.5, -1.0], [2.0, 0.0]])
    for scale in (None, 0.3):
        model = Diffusion(denoiser((2,)), 2, scale=scale)
        reconstruction, kl = model._ends(x)
        last = tfd.kl_divergence(model.posterior(x, 1.0), tfd.Independent(tfd.Normal([0.0, 0.0], 1.0), 1))
        np.testing.assert_allclose(kl, last, rtol=1e-4)
        z = model.posterior(x, 0.0).sample(100_000, seed=[0, 1])
        alpha, sigma = model.alpha_sigma(0.0)
        drawn = model._normal(z / alpha, scale or sigma / alpha).log_prob(x)
        np.testing.assert_allclose(reconstruction, tf.reduce_mean(drawn, 0), atol=0.02)
    assert Diffusion(denoiser((2,)), 2)._ends(x)[0][0] > reconstruction[0], "None is the best width"


@pytest.mark.parametrize(("means", "width"), [([[0.3, -0.2]], 0.7), (CORNERS, 0.4)], ids=["normal", "mixture"])
def test_the_bound_of_the_best_network_reaches_the_evidence_from_below(means, width):
    model, data = exact(means, width, steps=10)
    x = data.sample(1500, seed=[0, 3]).numpy()
    evidence = data.log_prob(x).numpy()
    gaps, errors = [], []
    for model.steps in (10, 50, 400):
        gap = evidence - model.elbo(x, seed=1)
        gaps.append(gap.mean())
        errors.append(gap.std() / math.sqrt(len(x)))
    assert gaps[0] > gaps[1] + 0.5 > gaps[1] > -4 * errors[1], "more steps come nearer"
    assert -4 * errors[2] < gaps[2] < 0.15 + 4 * errors[2], "and hardly anything is left at 400"


def test_one_time_estimates_the_sum_over_all():
    model, data = exact(CORNERS, 0.4, steps=20)
    x = np.repeat(data.sample(4, seed=[0, 3]).numpy(), 1500, axis=0)
    whole = {name: float(found.mean()) for name, found in model.terms_of(x).items()}
    whole["kl_steps"] *= 20  # it has a column for each step
    drawn = model(x)
    for name in ("elbo", "reconstruction", "kl_prior", "kl_steps"):
        found = drawn[name].numpy()
        assert found.mean() == pytest.approx(whole[name], abs=float(5 * found.std() / math.sqrt(len(x)) + 1e-4)), name
    np.testing.assert_allclose(
        drawn["elbo"], drawn["reconstruction"] - drawn["kl_prior"] - drawn["kl_steps"], rtol=1e-4, atol=1e-3
    )
    few = model.terms_of(x[:8])
    assert few["kl_steps"].shape == (8, 20) and (few["kl_steps"] >= 0).all()
    np.testing.assert_array_equal(few["elbo"], model.elbo(x[:8]))
    spread = model.elbo(x[:200]).std(), model.elbo(x[:200], draws=8).std()
    assert spread[1] < 0.6 * spread[0], "more draws of the noise, less noise"


def test_training_draws_every_time_from_the_first_to_the_last_and_no_other():
    """With three steps a time that is off by one costs many nats."""
    model, data = exact(CORNERS, 0.4, steps=3)
    x = np.repeat(data.sample(4, seed=[0, 3]).numpy(), 1500, axis=0)
    drawn = model(x)["kl_steps"].numpy()
    whole = model.terms_of(x)["kl_steps"].sum(axis=1).mean()
    assert drawn.mean() == pytest.approx(whole, abs=float(5 * drawn.std() / math.sqrt(len(x))))


def test_samples_follow_the_density():
    model, data = exact(CORNERS, 0.4, steps=200)
    x, true = model.sample(3000, seed=0, noise=True), data.sample(3000, seed=[0, 5]).numpy()
    np.testing.assert_allclose(x.mean(0), true.mean(0), atol=0.12)
    np.testing.assert_allclose(np.cov(x.T), np.cov(true.T), atol=0.12)
    corner = lambda x: ((x[:, None] - np.float32(CORNERS)) ** 2).sum(-1).argmin(1)  # noqa: E731
    np.testing.assert_allclose(np.bincount(corner(x)) / 3000, 1 / 3, atol=0.06)
    assert data.log_prob(x).numpy().mean() == pytest.approx(data.log_prob(true).numpy().mean(), abs=0.15)


def test_seeds_repeat_and_the_path_ends_in_the_sample():
    model = exact([[0.0]], 1.0, steps=6)[0]
    path = model.sample(5, seed=2, path=True)
    assert path.shape == (7, 5, 1)
    alpha, _ = model.alpha_sigma(0.0)
    np.testing.assert_allclose(path[-1] / alpha, model.sample(5, seed=2), rtol=1e-5)
    assert not np.array_equal(model.sample(5), model.sample(5)), "without a seed each call draws others"


def test_weighting_decides_the_loss_and_nothing_else():
    x = np.random.default_rng(0).normal(size=(256, 2)).astype("float32")
    model = Diffusion(denoiser((2,)), 2, schedule="cosine")
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    elbo = model.evaluate(x, verbose=0, return_dict=True)
    model.weighting = "simple"
    simple = model.evaluate(x, verbose=0, return_dict=True)
    assert elbo.pop("loss") == pytest.approx(-elbo["elbo"], rel=1e-5)
    assert simple.pop("loss") == pytest.approx(simple["noise_error"], rel=1e-5)
    assert simple == pytest.approx(elbo, rel=1e-5)
    model.weighting = "simpel"
    with pytest.raises(ValueError, match="Unknown weighting.*'elbo', 'simple'.*'simpel'"):
        model.evaluate(x, verbose=0)


def test_training_nears_the_best_network():
    keras.utils.set_random_seed(0)
    best, data = exact([[0.5, -0.5]], 0.6, steps=20)
    x = data.sample(1024, seed=[0, 3]).numpy()
    model = Diffusion(denoiser((2,), units=64), 2, steps=20)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(x, batch_size=128, epochs=60, verbose=0)
    assert best.elbo(x).mean() + 0.1 > model.elbo(x).mean() > best.elbo(x).mean() - 0.4


def test_what_does_not_fit_gets_a_sentence():
    net = denoiser((2,))
    for build, message in (
        (lambda: Diffusion(net, (3,)), r"z \[batch, 3\] and t \[batch, 1\].*inputs \[\[2\], \[1\]\], output \[2\]"),
        (lambda: Diffusion(net, 2, steps=0), "steps must be at least 1"),
        (lambda: Diffusion(net, 2, schedule="cos"), "Unknown schedule.*'linear', 'cosine'.*'cos'"),
        (lambda: Diffusion(net, 2, weighting="vlb"), "Unknown weighting.*'vlb'"),
        (lambda: Diffusion(net, 2, log_snr=(-5, 6)), r"must fall.*\(-5, 6\)"),
        (lambda: Diffusion(net, 2, scale=0), "scale must be a positive number"),
    ):
        with pytest.raises(ValueError, match=message):
            build()
    with pytest.raises(ValueError, match="VAEs and their kin only. Received: Diffusion"):
        evaluation.log_likelihood(Diffusion(net, 2), np.zeros((4, 2), "float32"))
    with pytest.raises(ValueError, match=r"must have shape \[n, 2\]"):
        Diffusion(net, 2).elbo(np.zeros((4, 3), "float32"))
