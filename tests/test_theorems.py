"""The theorems hold for the library, and each published mistake, planted in a copy of the loss, breaks one of them."""

from vae_course import bounds, likelihoods, parts, posteriors, priors
from vae_course.models import IWAE, VAE
from vae_course.models.resident import RowBatches, Rows

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import theorems
from models_under_test import VAES, data

tfb, tfd = tfp.bijectors, tfp.distributions


@pytest.mark.parametrize("theorem", theorems.THEOREMS, ids=lambda theorem: theorem.__name__)
def test_theorem(theorem):
    keras.utils.set_random_seed(7)
    theorem(VAE)


class OneSampleIWAE(IWAE):  # with k = 1 the importance-weighted bound is the ELBO
    def __init__(self, *args, **kwargs):
        super().__init__(*args, k=1, **kwargs)


@pytest.mark.parametrize(
    "theorem",
    [
        theorems.elbo_is_tight_at_the_true_posterior,
        theorems.the_loss_is_the_negative_elbo,
        theorems.the_terms_are_one_number_per_example,
        theorems.gaussian_log_likelihood_is_the_textbook_one,
    ],
)
def test_theorem_holds_for_iwae_with_one_sample(theorem):
    keras.utils.set_random_seed(7)
    theorem(OneSampleIWAE)


@pytest.mark.parametrize("name", VAES)
def test_the_terms_add_up(name):
    model = VAES[name]()
    terms = {key: value.numpy().astype("float64") for key, value in model(data(name, 20)[0]).items()}
    np.testing.assert_allclose(terms["elbo"], terms["reconstruction"] - terms["kl"], rtol=1e-5)
    if "iwae" in terms:
        assert (terms["iwae"] >= terms["elbo"] - 1e-4).all(), "IWAE_k is at least the mean of the same log-weights"


# --- published mistakes, in our words; the comment says who loses how much ---


class KLAddedTwice(VAE):  # once by a layer with two outputs, once more by hand: beta 2
    def objective(self, terms):
        return terms["reconstruction"] - 2 * terms["kl"]


class KLAveragedOverTheBatchTwice(VAE):  # and counted twice: beta 2 / batch
    def objective(self, terms):
        return terms["reconstruction"] - 2 * tf.reduce_mean(terms["kl"]) / len(terms["kl"])


class KLAveragedOverLatents(VAE):  # beta 1 / latent_size
    def objective(self, terms):
        return terms["reconstruction"] - terms["kl"] / self.latent_size


class ChannelsAveraged(VAE):  # beta 3 on color images
    def objective(self, terms):
        return terms["reconstruction"] / self.example_shape[-1] - terms["kl"]


class WeightOnTheReconstruction(VAE):  # 500 times a mean over pixels: beta about 2 at 32 x 32
    def objective(self, terms):
        return 500 * terms["reconstruction"] / np.prod(self.example_shape) - terms["kl"]


class OtherLossInValidation(VAE):  # a small weight in training, 1 in validation
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        weight = 0.00025 if training else 1.0
        return -tf.reduce_mean(y_pred["reconstruction"] / np.prod(self.example_shape) - weight * y_pred["kl"])


class LogVarianceCalledLogSigma(VAE):  # sampled as exp(s), with the KL of exp(s / 2)
    def _split(self, x):
        return tf.split(self.encoder(tf.cast(x, tf.float32)), 2, axis=-1)

    def posterior(self, x):
        if isinstance(self.posterior_part, posteriors.FullGaussian):
            return super().posterior(x)
        mean, log_sigma = self._split(x)
        return tfd.MultivariateNormalDiag(mean, tf.exp(log_sigma))

    def call(self, x):
        terms = super().call(x)
        if isinstance(self.posterior_part, posteriors.FullGaussian):
            return terms
        mean, s = self._split(x)
        kl = -0.5 * tf.reduce_sum(1 + s - mean**2 - tf.exp(s), axis=-1)
        return {"elbo": terms["reconstruction"] - kl, "reconstruction": terms["reconstruction"], "kl": kl}


class EventRankForgotten(VAE):  # examples merge into one event, without an error
    def likelihood(self, z):
        return tfd.Independent(super().likelihood(z))


class GaussianConstantPerPair(VAE):  # log sqrt(2 pi) once per dimension, then summed again: D^2 times
    def likelihood(self, z):
        right = super().likelihood(z)
        if not isinstance(self.likelihood_part, likelihoods.Gaussian):
            return right
        size = np.prod(self.example_shape)
        extra = 0.5 * np.log(2 * np.pi) * size * (size - 1)

        class Wrong:
            event_shape = right.event_shape

            def log_prob(self, x):
                return right.log_prob(x) - extra

        return Wrong()


MISTAKES = {
    KLAddedTwice: theorems.the_loss_is_the_negative_elbo,
    KLAveragedOverTheBatchTwice: theorems.batch_size_does_not_matter,
    KLAveragedOverLatents: theorems.an_unused_latent_does_not_matter,
    ChannelsAveraged: theorems.three_equal_channels_count_three_times,
    WeightOnTheReconstruction: theorems.the_loss_is_the_negative_elbo,
    OtherLossInValidation: theorems.the_loss_is_the_negative_elbo,
    LogVarianceCalledLogSigma: theorems.kl_three_ways,
    EventRankForgotten: theorems.the_terms_are_one_number_per_example,
    GaussianConstantPerPair: theorems.gaussian_log_likelihood_is_the_textbook_one,
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_planted_mistake_breaks_its_theorem(mistake):
    keras.utils.set_random_seed(7)
    with pytest.raises((AssertionError, tf.errors.InvalidArgumentError)):  # the latter: shapes that do not add
        MISTAKES[mistake](mistake)


def test_weighting_the_worst_sample_most_breaks_the_order_of_the_bounds(monkeypatch):
    right = bounds.iwae
    monkeypatch.setattr(bounds, "iwae", lambda log_w: -right(-log_w))
    with pytest.raises(AssertionError, match="must lie above"):
        theorems.bounds_are_ordered(VAE)


def test_examples_are_shuffled_not_batches():
    """`.batch().shuffle()` would keep the same examples together in every epoch."""
    batches = RowBatches(64, 8, shuffle=True, drop_last=True)
    first, second = ([frozenset(rows.index.numpy()) for rows in batches] for _ in range(2))
    assert not set(first) & set(second), "no batch comes back in the next epoch"
    assert sorted(i for batch in first for i in batch) == list(range(64)), "an epoch has every example once"
    assert isinstance(next(iter(batches)), Rows)


# --- the parts ---


def test_log_probabilities_of_discrete_likelihoods_sum_to_one():
    grid = np.arange(256, dtype="float32")[:, None] / 255
    for part, outputs in ((likelihoods.DiscretizedLogistic(), 2), (likelihoods.CategoricalPixels(), 256)):
        parameters = tf.random.stateless_normal([1, outputs], seed=(1, 2))
        p = part.on((1,)).distribution(parameters)
        assert np.exp(p.log_prob(grid).numpy()).sum() == pytest.approx(1.0, abs=1e-4)


def test_a_discretized_logistic_is_centered_on_its_location():
    parameters = tf.constant([[100 / 255, -6.0]])
    p = likelihoods.DiscretizedLogistic().on((1,)).distribution(parameters)
    left, middle, right = (p.log_prob([level / 255]).numpy().item() for level in (99, 100, 101))
    assert middle > left == pytest.approx(right, abs=1e-3)


def test_our_faster_bernoulli_is_tfds():
    logits = tf.constant([[-200.0, -3.0, 0.0, 2.0, 90.0]])
    for x in (0.0, 0.25, 1.0, [[1.0], [0.5], [0.0]]):
        ours = likelihoods.Bernoulli().on(()).distribution(logits).log_prob(x)
        np.testing.assert_allclose(ours, tfd.Bernoulli(logits=logits).log_prob(x), rtol=1e-6)


def test_our_faster_noise_is_normal_and_repeats_with_its_seed():
    q = parts.gaussian(tf.constant([[1.0, -2.0, 0.5, 3.0], [0.0, 0.0, 0.0, 0.0]]))
    z = q.sample((200, 100), seed=(1, 2)).numpy()
    assert z.shape == (200, 100, 2, 2)
    z = z.reshape(-1, 2, 2)
    np.testing.assert_allclose(z.mean(axis=0), q.mean(), atol=0.1)
    np.testing.assert_allclose(z.std(axis=0), q.stddev(), rtol=0.03)
    assert abs(np.corrcoef(z.reshape(-1, 4).T) - np.eye(4)).max() < 0.03, "latents and examples are independent"
    np.testing.assert_array_equal(q.sample(3, seed=(1, 2)), q.sample(3, seed=(1, 2)))
    assert not np.array_equal(q.sample(seed=(1, 2)), q.sample(seed=(1, 3)))
    with tf.GradientTape() as tape:
        parameters = tf.Variable([[0.0, 0.0]])
        z = parts.gaussian(parameters).sample(seed=(1, 2))
    assert abs(tape.gradient(z, parameters).numpy()).min() > 0, "a draw is differentiable in mean and scale"


def test_full_gaussian_has_a_correlation():
    p = posteriors.FullGaussian().on((5,)).distribution(tf.constant([[0.0, 0.0, 1.0, 3.0, 1.0]]))
    assert abs(float(p.covariance()[0, 0, 1])) > 0.1


def test_kl_falls_back_to_an_estimate_and_says_what_it_needs():
    prior = priors.GaussianMixture(2, components=3).distribution()
    q = parts.gaussian(tf.zeros([5, 4]))
    z = q.sample(4000, seed=(1, 2))
    estimate = bounds.kl(q, prior, z).numpy().mean(axis=0)
    assert estimate.shape == (5,) and (estimate > -0.05).all()
    with pytest.raises(ValueError, match="pass `z`"):
        bounds.kl(q, prior)
