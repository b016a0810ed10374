"""Conditions against a linear-Gaussian model with known p(x|c); and the short models against brute force."""

import math

from vae_course import evaluation, likelihoods, networks, parts, posteriors, priors
from vae_course.models import VAE, ConditionalVAE

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import (
    CLASSES,
    LATENT_SIZE,
    SHAPE,
    conditional,
    denoiser,
    exposed,
    images,
    labels,
    table,
    vae,
)
from short_models import Diffusion

tfb, tfd = tfp.bijectors, tfp.distributions
SIZE, LATENTS, CONDITIONS, SCALE, WIDTH = 5, 2, 3, 0.6, 0.8


def linear(network, *kernels_and_bias):
    """Give a network of one dense layer its weights, kernels of its inputs on top of each other."""
    *kernels, bias = kernels_and_bias
    network.set_weights([np.concatenate(kernels), bias])
    return network


def exact_model(cls=ConditionalVAE, n=40):
    """p(z|c) = N(A c, WIDTH^2 I), p(x|z,c) = N(W z + V c + b, SCALE^2 I), q(z|x,c) the true posterior.

    Returns the model, x, c, and the exact log p(x|c) [n].
    """
    random = np.random.default_rng(0)
    w, v, b = random.normal(size=(SIZE, LATENTS)), random.normal(size=(SIZE, CONDITIONS)), random.normal(size=SIZE)
    a, c = random.normal(size=(LATENTS, CONDITIONS)), random.normal(size=(n, CONDITIONS)).astype("float32")
    mean = c @ (v + w @ a).T + b
    covariance = WIDTH**2 * w @ w.T + SCALE**2 * np.eye(SIZE)
    x = np.stack([random.multivariate_normal(m, covariance) for m in mean]).astype("float32")
    evidence = tfd.MultivariateNormalFullCovariance(mean, covariance).log_prob(x.astype("float64")).numpy()

    precision = w.T @ w / SCALE**2 + np.eye(LATENTS) / WIDTH**2
    gain = np.linalg.solve(precision, w.T) / SCALE**2  # E[z|x,c] = A c + gain (x - mean)
    spread = np.linalg.cholesky(np.linalg.inv(precision)).astype("float32")
    triangle = tfb.FillScaleTriL(diag_bijector=tfb.Softplus(), diag_shift=parts.MIN_SCALE)
    raw = triangle.inverse(spread).numpy()
    outputs, none = LATENTS + len(raw), np.zeros
    encoder = networks.mlp_encoder((SIZE,), outputs, hidden=(), condition_size=CONDITIONS)
    from_c = a.T - (v + w @ a).T @ gain.T
    linear(
        encoder,
        np.concatenate([gain.T, none((SIZE, len(raw)))], axis=1),
        np.concatenate([from_c, none((CONDITIONS, len(raw)))], axis=1),
        np.concatenate([-gain @ b, raw]),
    )
    decoder = linear(networks.mlp_decoder(LATENTS, (SIZE,), hidden=(), condition_size=CONDITIONS), w.T, v.T, b)
    width = np.log(np.expm1(WIDTH - parts.MIN_SCALE))
    network = networks.mlp_encoder((CONDITIONS,), 2 * LATENTS, hidden=())
    linear(network, np.concatenate([a.T, none((CONDITIONS, LATENTS))], axis=1), np.repeat([0.0, width], LATENTS))
    model = cls(
        encoder,
        decoder,
        prior=priors.Conditional(network),
        posterior=posteriors.FullGaussian(),
        likelihood=likelihoods.Gaussian(SCALE),
    )
    model.compile()
    return model, x, c, evidence


def log_weights_are_the_evidence(cls):
    model, x, c, evidence = exact_model(cls)
    log_w = model.log_weights((x, c), 8).numpy()
    np.testing.assert_allclose(log_w, np.tile(evidence, (8, 1)), atol=2e-4, err_msg="log w must be log p(x|c)")


def test_at_the_true_posterior_every_log_weight_is_the_exact_evidence():
    log_weights_are_the_evidence(ConditionalVAE)


class ForgetsThePriorsCondition(ConditionalVAE):
    """A planted mistake: q and the likelihood hear c, p(z) is that of a condition of zeros."""

    def prior(self, c=None):
        return super().prior(tf.zeros_like(c))


def test_a_condition_missing_from_the_prior_is_caught():
    with pytest.raises(AssertionError, match=r"must be log p\(x\|c\)"):
        log_weights_are_the_evidence(ForgetsThePriorsCondition)


def test_everything_in_evaluation_takes_pairs_and_the_vae_that_is_left():
    model, x, c, evidence = exact_model()
    found = evaluation.log_likelihood(model, (x, c), k=20, batch_size=15)  # 15 does not divide 40
    np.testing.assert_allclose(found.per_example, evidence, atol=3e-4)
    batches = tf.data.Dataset.from_tensor_slices((x, c)).batch(7)
    assert evaluation.log_likelihood(model, batches, k=20, batch_size=15).mean == found.mean
    one = evaluation.log_likelihood(model.given(c[3]), x[3:4], k=5)
    assert one.mean == pytest.approx(evidence[3], abs=3e-4)
    again = evaluation.log_likelihood(model.given(c[4]), x[3:4], k=5)
    assert abs(again.mean - one.mean) > 1e-2, "another condition must not get the answer of the first"
    assert evaluation.diagnose(model, (x, c)).rate > 0
    assert any("differs with the condition" in note for note in evaluation.diagnose(model, (x, c)).notes)
    assert evaluation.diagnose(model.given(c[0]), x).examples == len(x)
    assert evaluation.active_units(model, (x, c)).variances.shape == (LATENTS,)
    predicted = model.predict((x, c), verbose=0)["elbo"]
    assert predicted.shape == model.predict(batches, verbose=0)["elbo"].shape == (len(x),)


def test_samples_have_the_mean_and_spread_of_p_of_x_given_c():
    model, _, c, _ = exact_model()
    w, v, b = (model.decoder.get_weights()[0][:LATENTS].T, model.decoder.get_weights()[0][LATENTS:].T,
               model.decoder.get_weights()[1])  # fmt: skip
    a = model.prior_part.network.get_weights()[0][:, :LATENTS].T
    drawn = model.given(c[0]).sample(20000, seed=1, noise=True)
    np.testing.assert_allclose(drawn.mean(axis=0), c[0] @ (v + w @ a).T + b, atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), WIDTH**2 * w @ w.T + SCALE**2 * np.eye(SIZE), atol=0.1)


@pytest.mark.parametrize("noise", [False, True])
def test_a_condition_for_each_example_draws_one_for_each(noise):
    model, _, c, _ = exact_model()
    drawn = model.given(c[:6]).sample(6, seed=3, noise=noise)
    assert drawn.shape == (6, SIZE)
    if not noise:
        kernel, bias = model.decoder.get_weights()
        left = drawn - bias - c[:6] @ kernel[LATENTS:]  # W z
        assert np.linalg.lstsq(kernel[:LATENTS].T, left.T, rcond=None)[1].max(initial=0.0) < 1e-6, "each by its own c"
    with pytest.raises(ValueError, match=r"as many draws as rows: sample\(6\). Received: 5"):
        model.given(c[:6]).sample(5)


def test_fit_learns_the_condition_on_every_way_in():
    """Arrays, tensors and a tf.data set of the same batches: the same losses and weights."""
    x, c = table(64), table(64, 2, seed=1)

    def trained(fit):
        keras.utils.set_random_seed(5)
        model = conditional(shape=(5,), size=2, likelihood=likelihoods.Gaussian())
        model.compile(keras.optimizers.SGD(0.01), jit_compile=False)
        return fit(model).history["loss"], model.get_weights()

    def batches():
        return tf.data.Dataset.from_tensor_slices((x, c)).batch(32)

    ways = {
        "arrays": lambda m: m.fit(x, c, batch_size=32, epochs=2, shuffle=False, verbose=0),
        "tf.data": lambda m: m.fit(batches(), epochs=2, verbose=0),
        "tensors": lambda m: m.fit(tf.constant(x), tf.constant(c), batch_size=32, epochs=2, shuffle=False, verbose=0),
    }
    (losses, weights), *others = (trained(fit) for fit in ways.values())
    for other_losses, other in others:
        np.testing.assert_allclose(other_losses, losses, rtol=1e-5)
        for a, b in zip(weights, other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_classes_are_the_vectors_with_a_one():
    model = conditional(classes=CLASSES)
    x, y = images(6), labels(6)
    one_hot = np.eye(CLASSES, dtype="float32")[y]
    np.testing.assert_array_equal(*(model.encode((x, c)) for c in (y, one_hot)))
    second = np.eye(CLASSES, dtype="float32")[2]
    np.testing.assert_array_equal(*(model.given(c).sample(3, seed=0) for c in (2, second)))
    alone = model.given(int(y[1])).reconstruct(x[1:2])[0]
    np.testing.assert_allclose(model.given(y).reconstruct(x)[1], alone, atol=1e-5)


def test_a_condition_that_does_not_fit_gets_a_sentence():
    model, x = conditional(classes=CLASSES), images(6)
    model.compile()
    for call, message in (
        (lambda: model.fit(x), r"needs a condition for each example: fit\(x, c\)"),
        (lambda: model.fit(x, np.full(6, 9)), "classes 0 to 3.*from 9 to 9"),
        (lambda: model.fit(x, labels(5)), "6 and 5"),
        (lambda: model.fit(x, table(6, 3)), r"c must have shape \[n, 4\].*\[6, 3\]"),
        (lambda: model.fit(x, np.full((6, 4), np.nan)), "c must be finite"),
        (lambda: model.given(7), r"classes 0 to 3. Received: \[7\]"),
        (lambda: model.fit(x, labels(6).astype("float32")), r"classes 0 to 3 as whole numbers: c.astype\(int\)"),
        (lambda: model.fit(x, labels(6)[:, None]), r"take c\[:, 0\]"),
        (
            lambda: conditional(size=2).compile() or conditional(size=2).encode((x, labels(6))),
            "give the model classes=",
        ),
        (lambda: evaluation.log_likelihood(model, [x, labels(6)]), r"a pair .* is a tuple, \(x, c\)"),
        (lambda: model.given(0.5), r"c must have shape \[4\], or \[n, 4\]. Received: \[\]"),
        (lambda: model.given(table(6, 3)), r"c must have shape \[4\], or \[n, 4\]. Received: \[6, 3\]"),
        (lambda: model.encode(x), r"pass a pair \(x, c\)"),
        (lambda: evaluation.log_likelihood(model, x), r"pass a pair \(x, c\), or model.given\(c\)"),
        (lambda: evaluation.log_likelihood(vae(), (x, labels(6))), "VAE takes examples alone"),
        (lambda: conditional(VAE), "use models.ConditionalVAE. Received: 2 inputs"),
        (lambda: conditional(prior="standard_normal", heard=False), "Nothing here hears the condition"),
        (lambda: conditional(prior=priors.VampPrior((3, *SHAPE))), "encoder that does not hear c"),
        (lambda: conditional(classes=3), r"in one size, that of 3 classes. Received: \[4, 4, 4\]"),
        (
            lambda: vae(prior=priors.Conditional(networks.mlp_encoder((2,), 6))),
            "needs a condition: use.*Conditional in",
        ),
        (lambda: conditional(prior=priors.Conditional(networks.mlp_encoder((4,), 5))), "must put out 6 numbers.*5"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_an_exposure_alone_is_a_condition():
    x, exposure = exposed(400)
    likelihood = likelihoods.Poisson(exposure=0)
    model = conditional(shape=(5,), likelihood=likelihood, prior="standard_normal", heard=False)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(x, exposure, epochs=40, verbose=0)
    for bad, message in ((0.0, "above 0.*1 values.*lowest 0"), (-0.7, "a logarithm.*lowest -0.7")):
        wrong = exposure.copy()
        wrong[3] = bad
        with pytest.raises(ValueError, match=message):
            model.fit(x, wrong)
        with pytest.raises(ValueError, match="must be above 0"):
            model.given(np.array([bad]))
    with pytest.raises(ValueError, match="exposure=2 names a column of c.*1 columns"):
        other = likelihoods.Poisson(exposure=2)
        conditional(shape=(5,), likelihood=other, prior="standard_normal", heard=False).given(np.array([1.0]))
    with pytest.raises(ValueError, match="exposure is a number and classes are none"):
        conditional(shape=(5,), likelihood=likelihoods.Poisson(exposure=0), classes=CLASSES)
    rates = model.given(np.array([1.0])).sample(2000, seed=0).mean(axis=0)
    np.testing.assert_allclose(rates, [1, 2, 3, 4, 5], rtol=0.15)
    np.testing.assert_allclose(model.given(np.array([3.0])).sample(2000, seed=0).mean(axis=0), 3 * rates, rtol=1e-4)


# --- the short models ---


class Optimal(keras.layers.Layer):
    """E[eps | x_t] for data N(0, width^2), which is linear."""

    def __init__(self, width, powers, **kwargs):
        super().__init__(**kwargs)
        self.width, self.powers = width, powers

    def call(self, inputs):
        x, t = inputs
        signal, noise = self.powers(t)
        return noise**0.5 * x / (signal * self.width**2 + noise)


def test_the_bound_of_a_diffusion_model_reaches_the_evidence_from_below():
    width, random = 0.7, np.random.default_rng(0)
    x = (width * random.normal(size=(20000, 1))).astype("float32")
    exact = tfd.Normal(0.0, width).log_prob(x).numpy().mean()
    bounds = []
    for steps in (10, 1000):
        model = Diffusion(denoiser((1,)), steps=steps)
        noisy, t = keras.Input((1,)), keras.Input((1,))
        model = Diffusion(keras.Model([noisy, t], Optimal(width, model.powers)([noisy, t])), steps=steps)
        elbo = model(x)["elbo"].numpy()
        bounds.append((elbo.mean(), elbo.std() / math.sqrt(len(x))))
    (rough, rough_error), (fine, fine_error) = bounds
    assert rough < fine < exact + 4 * fine_error, "more steps come nearer, and none goes beyond"
    assert fine > exact - 0.05 - 4 * fine_error
    assert model.sample(4000, seed=0).std() == pytest.approx(width, rel=0.06)


def test_latents_are_as_many_as_the_encoder_says():
    assert conditional(classes=CLASSES).latent_size == LATENT_SIZE
