"""The parts: densities against values known otherwise, and what a part says of itself, ours and a user's own."""

import itertools
import math

from vae_course import likelihoods, networks, parts, posteriors, priors
from vae_course.models import VAE

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import LENGTH, VOCABULARY, Shifted, Tailed, images, mixed, sequence, table, tokens, vae
from scipy import stats

tfd = tfp.distributions


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# --- every part is the same kind of thing ---


@pytest.mark.parametrize("name", [*likelihoods.LIKELIHOODS])
def test_a_likelihood_gives_one_number_for_each_example_and_sample(name):
    part = likelihoods.LIKELIHOODS[name]().on((4, 4, 1))
    p = part.distribution(numbers(3, 5, *part.outputs((4, 4, 1))))
    assert tuple(p.batch_shape) == (3, 5) and tuple(p.event_shape) == (4, 4, 1)
    x = np.zeros((5, 4, 4, 1), "float32")
    assert p.log_prob(x).shape == (3, 5), "a sample axis in front must not merge examples"
    assert part.mean(numbers(5, *part.outputs((4, 4, 1)))).shape == (5, 4, 4, 1)


@pytest.mark.parametrize("part", [posteriors.Gaussian(), posteriors.FullGaussian(), posteriors.FlowPosterior()])
def test_a_posterior_knows_its_latents_by_the_outputs_that_it_needs(part):
    part.on((part.outputs(3),))
    assert part.latent_size == 3
    q = part.distribution(numbers(5, part.outputs(3)))
    assert tuple(q.batch_shape) == (5,) and tuple(q.event_shape) == (3,)


@pytest.mark.parametrize(
    "part", [priors.StandardNormal(3), priors.GaussianMixture(3, 4), Shifted(3), priors.FlowPrior()]
)
def test_a_prior_stands_alone_too(part):
    p = part.on((3,)).distribution()
    assert p.log_prob(numbers(7, 3)).shape == (7,) and part.latent_size == 3


def test_a_part_serves_one_shape_and_keeps_its_arguments():
    part = likelihoods.Gaussian("per_feature")
    VAE(networks.mlp_encoder((5,), 4), networks.mlp_decoder(2, (5,)), likelihood=part)
    with pytest.raises(ValueError, match=r"built for \[5\] and cannot serve \[6\] too"):
        VAE(networks.mlp_encoder((6,), 4), networks.mlp_decoder(2, (6,)), likelihood=part)
    with pytest.raises(AttributeError, match="scale of a Gaussian is fixed.*2.0"):
        part.scale = 2.0


def test_a_part_of_ones_own_is_saved_as_it_was_made_without_a_decorator(tmp_path):
    model = vae(shape=(5,), likelihood=Tailed(least=7.0), prior=Shifted())
    model.compile()
    model.fit(table(), verbose=0)
    model.save(tmp_path / "own.keras")
    loaded = keras.saving.load_model(tmp_path / "own.keras")
    assert loaded.likelihood_part.least == 7.0
    np.testing.assert_array_equal(loaded.prior_part.loc, model.prior_part.loc)
    np.testing.assert_array_equal(*(m.log_weights(table(4), 3, tf.constant([1, 2])) for m in (model, loaded)))


def test_the_arguments_of_a_part_come_back_whatever_they_are():
    kinds = [(likelihoods.StudentT(df=3.0, scale="learned"), 2), (likelihoods.Categorical(3), 1), ("poisson", 2)]
    part = likelihoods.Columns(kinds, missing=True).on((5,))
    again = parts.Part.from_config.__func__(likelihoods.Columns, part.get_config())
    assert again.widths == [2, 1, 2] and again.missing and all(p.missing for p in again.parts)
    inner = likelihoods.Columns([(likelihoods.Gaussian(missing=True), 2), (likelihoods.Categorical(3), 1)])
    assert inner.missing and inner.parts[1].missing, "one part that knows missing entries is enough"
    assert again.parts[0].df == 3.0 and again.parts[1].levels == 3 and again.parts[0].scale == "learned"


def test_a_variable_that_would_never_learn_is_refused():
    class Own(priors.Prior):
        def __init__(self):
            super().__init__()
            self.width = tf.Variable([1.0, 1.0])

    with pytest.raises(ValueError, match=r"make width with self.add_weight\(\).*tf.Variable in a Own"):
        Own()


# --- densities ---


def test_learned_scales_are_one_number_or_one_for_each_entry():
    x, mean = numbers(4, 3), numbers(4, 3, seed=1)
    for scale, shape in (("learned", ()), ("per_feature", (3,))):
        part = likelihoods.Gaussian(scale).on((3,))
        assert tuple(part.log_scale.shape) == shape
        sigma = np.full(shape, 0.5) * (np.arange(3) + 1 if shape else 1)
        part.log_scale.assign(np.log(sigma))
        expected = stats.norm(mean, sigma).logpdf(x).sum(axis=1)
        np.testing.assert_allclose(part.distribution(mean).log_prob(x), expected, rtol=1e-5)


def test_densities_are_scipys():
    x, output = numbers(4, 3), numbers(4, 3, seed=1)
    known = {
        likelihoods.Gaussian(0.3): stats.norm(output, 0.3),
        likelihoods.Laplace(0.3): stats.laplace(output, 0.3),
        likelihoods.StudentT(3.0, scale=0.3): stats.t(3.0, output, 0.3),
    }
    for part, density in known.items():
        found = part.on((3,)).distribution(output).log_prob(x)
        np.testing.assert_allclose(found, density.logpdf(x).sum(axis=1), rtol=1e-4)
    counted, mean = np.array([[0, 2, 7.0]] * 4, "float32"), np.exp(output)
    part = likelihoods.Poisson().on((3,))
    np.testing.assert_allclose(
        part.distribution(output).log_prob(counted), stats.poisson(mean).logpmf(counted).sum(axis=1), rtol=1e-4
    )
    part = likelihoods.NegativeBinomial().on((3,))
    size = np.array([0.5, 1.0, 4.0])
    part.log_size.assign(np.log(size))
    expected = stats.nbinom(size, size / (size + mean)).logpmf(counted).sum(axis=1)
    np.testing.assert_allclose(part.distribution(output).log_prob(counted), expected, rtol=1e-3)
    np.testing.assert_allclose(part.mean(output), mean, rtol=1e-4)


@pytest.mark.parametrize(
    "part, support",
    [
        (likelihoods.DiscretizedLogistic(), np.arange(256) / 255),
        (likelihoods.CategoricalPixels(), np.arange(256) / 255),
        (likelihoods.CategoricalPixels(levels=5), np.arange(5) / 4),
        (likelihoods.Categorical(4), np.arange(4)),
        (likelihoods.Poisson(), np.arange(60)),
        (likelihoods.NegativeBinomial(), np.arange(400)),
        (likelihoods.NegativeBinomial(zero_inflated=True), np.arange(400)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_probabilities_sum_to_one(part, support):
    part.on((1,))
    p = part.distribution(numbers(1, *part.outputs((1,))))
    assert np.exp(p.log_prob(support[:, None].astype("float32")).numpy()).sum() == pytest.approx(1.0, abs=1e-3)


def test_zero_inflation_adds_zeros_only():
    plain, inflated = (likelihoods.NegativeBinomial(zero_inflated=z).on((1,)) for z in (False, True))
    output, share = np.array([[1.0]], "float32"), 0.3
    logit = np.array([[math.log(share / (1 - share))]], "float32")
    x = np.array([[0.0], [3.0]], "float32")
    before = np.exp(plain.distribution(output).log_prob(x))
    after = np.exp(inflated.distribution(np.concatenate([output, logit], 1)).log_prob(x))
    np.testing.assert_allclose(after, (1 - share) * before + [share, 0.0], rtol=1e-4)
    mean = inflated.mean(np.concatenate([output, logit], 1))
    np.testing.assert_allclose(mean, (1 - share) * np.exp(output), rtol=1e-4)


def exposure_is_an_offset(part):
    part.on((2,))
    output, exposure = numbers(1, 2), np.array([[1.0], [10.0]], "float32")
    means = part.mean(np.repeat(output, 2, axis=0), exposure).numpy()
    np.testing.assert_allclose(means[1], 10 * means[0], rtol=1e-5, err_msg="ten times the exposure, ten times the mean")
    many = part.distribution(np.repeat(output, 2, axis=0)[None], exposure)  # a sample axis in front
    assert many.log_prob(np.ones((2, 2), "float32")).shape == (1, 2)


@pytest.mark.parametrize("cls", [likelihoods.Poisson, likelihoods.NegativeBinomial])
def test_exposure_is_an_offset_of_the_log_mean(cls):
    exposure_is_an_offset(cls(exposure=0))
    with pytest.raises(ValueError, match="needs a condition"):
        cls(exposure=0).on((2,)).distribution(numbers(1, 2))
    with pytest.raises(ValueError, match="number of a column of c.*True"):
        cls(exposure=True)


class ExposureAsAFactor(likelihoods.Poisson):
    """A planted mistake: the exposure times the log mean."""

    def log_mean(self, output, c):
        return output * c


def test_an_exposure_that_is_a_factor_of_the_log_mean_is_caught():
    with pytest.raises(AssertionError, match="ten times the mean"):
        exposure_is_an_offset(ExposureAsAFactor(exposure=0))


def test_columns_are_the_sum_of_their_parts():
    kinds = [(likelihoods.Gaussian(0.5), 2), (likelihoods.Categorical(3), 1), (likelihoods.Poisson(), 2)]
    whole = likelihoods.Columns(kinds).on((5,))
    assert whole.outputs((5,)) == (2 + 3 + 2,)
    x, output = mixed(6), numbers(6, 7)
    pieces = [(x[:, :2], output[:, :2]), (x[:, 2:3], output[:, 2:5]), (x[:, 3:], output[:, 5:])]
    expected = sum(part.distribution(o).log_prob(v) for (part, _), (v, o) in zip(kinds, pieces))
    np.testing.assert_allclose(whole.distribution(output).log_prob(x), expected, rtol=1e-5)
    mean = whole.mean(output).numpy()
    np.testing.assert_array_equal(mean[:, 2], output[:, 2:5].argmax(axis=1), err_msg="the likeliest class, no mean")
    np.testing.assert_allclose(mean[:, 3:], np.exp(output[:, 5:]), rtol=1e-5)
    for bad, message in ((0.5, "must be whole numbers.*Categorical"), (3.0, r"must lie in \[0, 2\]")):
        wrong = x.copy()
        wrong[0, 2] = bad
        with pytest.raises(ValueError, match=r"x\[:, 2:3\] " + message):
            whole.check(wrong)


def test_whole_numbers_are_pixels_only_as_bytes():
    bytes_, ages = np.full((4, 5), 51, "uint8"), np.full((4, 5), 51)
    gaussian, poisson = likelihoods.Gaussian(), likelihoods.Poisson()
    np.testing.assert_allclose(gaussian.prepare(bytes_), 0.2)
    np.testing.assert_array_equal(gaussian.prepare(ages), 51.0)
    np.testing.assert_array_equal(poisson.prepare(bytes_), 51.0)
    assert likelihoods.Tokens(None).prepare(ages).dtype == tf.int32


# --- tokens, in order ---


def every_sequence():
    return np.array([*itertools.product(range(3), repeat=4)], "int32")


def reads_only_what_came_before(cls):
    """The probabilities of all sequences of 4 tokens out of 3 sum to 1, for each context."""
    keras.utils.set_random_seed(3)
    part = cls(networks.reader(4, 3, 2, units=5, embedding_size=3), padding=None).on((4,))
    p = part.distribution(numbers(2, 2))
    total = np.exp(p.log_prob(every_sequence()[:, None]).numpy()).sum(axis=0)
    np.testing.assert_allclose(total, 1.0, rtol=1e-4, err_msg="a token was seen before it was predicted")


def test_probabilities_of_all_sequences_sum_to_one():
    reads_only_what_came_before(likelihoods.Tokens)


class SeesTheToken(likelihoods.Tokens):
    """A planted mistake: the reader is handed token t where it is to predict token t."""

    def distribution(self, output, c=None):
        p = super().distribution(output, c)
        p._logits = lambda x, context: tf.cast(self.reader([x, context]), tf.float32)
        return p


def test_a_reader_that_sees_the_token_is_caught():
    with pytest.raises(AssertionError, match="seen before it was predicted"):
        reads_only_what_came_before(SeesTheToken)


@pytest.mark.parametrize("kind", ["gru", "attention"])
def test_a_token_moves_the_logits_after_it_only(kind):
    model, x = sequence(kind), tokens(1)
    p = model.likelihood(numbers(1, 3))
    before = p._logits(x, p.context).numpy()
    other = x.copy()
    other[0, 2] = 1 + other[0, 2] % (VOCABULARY - 1)
    moved = np.abs(p._logits(other, p.context).numpy() - before).max(axis=(0, 2))
    np.testing.assert_allclose(moved[:3], 0.0, atol=1e-6)
    assert (moved[3:] > 1e-6).all(), "the later ones do read it"


def test_padding_is_never_counted():
    model, x = sequence(), tokens(8)
    padded = x[(x == 0).any(axis=1)]
    p = model.likelihood(numbers(len(padded), 3))
    each = -tf.nn.sparse_softmax_cross_entropy_with_logits(padded, p._logits(padded, p.context)).numpy()
    np.testing.assert_allclose(p.log_prob(padded), (each * (padded != 0)).sum(axis=1), rtol=1e-5)
    assert np.abs((each * (padded == 0)).sum(axis=1)).min() > 0.1, "it would make a difference"


def test_drawn_sequences_have_the_frequencies_that_the_density_says():
    keras.utils.set_random_seed(1)
    part = likelihoods.Tokens(networks.reader(4, 3, 2, units=5, embedding_size=3), padding=None).on((4,))
    p = part.distribution(3 * numbers(1, 2))
    drawn = p.sample(4000, seed=(1, 2)).numpy()[:, 0]
    assert drawn.shape == (4000, 4)
    places = 3 ** np.arange(4)[::-1]
    found = np.bincount(drawn @ places, minlength=81) / 4000
    expected = np.exp(p.log_prob(every_sequence()[:, None]).numpy())[:, 0]
    assert np.abs(found - expected).max() < 5 * np.sqrt(expected.max() / 4000)
    best = p.mode().numpy()[0]
    assert p.log_prob(best[None])[0] > np.median(p.log_prob(drawn[:50, None]))


def test_tokens_say_what_is_wrong():
    model = sequence()
    for x, message in (
        (tokens().astype("float32"), "must be tokens, whole numbers.*float32"),
        (tokens() + 3, rf"must lie in \[0, {VOCABULARY - 1}\]"),
        (np.roll(tokens(), 1, axis=1), "padding, token 0, at the end.*padding before other tokens"),
        (tokens()[:, :4], rf"must have shape \[n, {LENGTH}\]"),
    ):
        with pytest.raises(ValueError, match=message):
            model.encode(x)


# --- the VampPrior ---


def test_a_vamp_prior_refuses_what_it_cannot_be():
    with pytest.raises(ValueError, match="ask the model"):
        priors.VampPrior(images(4)).on((3,)).distribution()
    with pytest.raises(ValueError, match="at least 1"):
        priors.VampPrior((0, 8, 8, 1))
