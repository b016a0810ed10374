"""The VQ-VAE: gradients, the exact bound, and the prior that is fitted to codes afterwards."""

import itertools
import math

from vae_course import evaluation, priors
from vae_course.models import VQVAE

import keras
import numpy as np
import pytest
import tensorflow as tf
from models_under_test import SHAPE, images, vq

X = images(64).astype("float32") / 255
PLACES, ENTRIES = 4, 8
MAPS = np.array(list(itertools.product(range(3), repeat=4)))  # all 81


def at_codes(seed=0, **options):
    """A VQ-VAE whose entries are encoder outputs, so that many are in use."""
    keras.utils.set_random_seed(seed)
    model = vq(**options)
    h = model.encoder_output(X).numpy().reshape(-1, model.size)
    model.codebook.assign(h[np.random.default_rng(seed).choice(len(h), model.entries, replace=False)] + 0.05)
    return model


def gradients(model, objective, x=X):
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(objective(model.bound_of(x)))
    weights = [*model.encoder.trainable_weights, *model.decoder.trainable_weights, model.codebook]
    found = tape.gradient(value, [weight.value for weight in weights], unconnected_gradients="zero")
    cut = len(model.encoder.trainable_weights)
    return found[:cut], found[cut:-1], tf.convert_to_tensor(found[-1]).numpy()


def test_codes_are_the_nearest_entries():
    model = at_codes()
    h, book = model.encoder_output(X).numpy(), model.codebook.numpy()
    distances = ((h[:, :, None] - book) ** 2).sum(-1)
    np.testing.assert_array_equal(model.encode(X), distances.argmin(-1))
    assert model.encode(X).dtype == np.int32 and len(np.unique(model.encode(X))) > 3
    terms = model.bound_of(X)
    for name in ("codebook", "commitment"):
        np.testing.assert_allclose(terms[name], distances.min(-1).sum(-1), rtol=1e-3, atol=1e-5)


def test_the_encoder_gets_the_gradient_at_the_decoders_input():
    model = at_codes()
    ours = gradients(model, lambda terms: terms["reconstruction"])
    e = model.entries_of(model.encode(X))
    with tf.GradientTape() as tape:
        tape.watch(e)
        value = tf.reduce_sum(model.likelihood(e).log_prob(X))
    at_input = tape.gradient(value, e)
    with tf.GradientTape() as tape:
        h = model.encoder_output(X)
    expected = tape.gradient(h, [w.value for w in model.encoder.trainable_weights], output_gradients=at_input)
    for a, b in zip(ours[0], expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert max(np.abs(part).max() for part in ours[0]) > 1e-3
    assert not ours[2].any(), "the entries hear nothing of the reconstruction"


def test_each_of_the_two_distances_moves_its_own_side():
    model = at_codes()
    encoder, decoder, book = gradients(model, lambda terms: -terms["codebook"])
    assert not any(np.any(part) for part in (*encoder, *decoder)) and np.abs(book).max() > 1e-3
    h, codes = model.encoder_output(X).numpy(), model.encode(X)
    for k in range(ENTRIES):
        pull = 2 * (h[codes == k] - model.codebook.numpy()[k]).sum(0)
        np.testing.assert_allclose(book[k], pull, rtol=1e-3, atol=1e-4)
    encoder, decoder, book = gradients(model, lambda terms: -terms["commitment"])
    assert not any(np.any(part) for part in decoder) and not book.any()
    assert max(np.abs(part).max() for part in encoder) > 1e-3


class WrongSide(VQVAE):
    """The weight at the codebook's distance, as published more than once."""

    def objective(self, terms):
        return terms["reconstruction"] - self.commitment * terms["codebook"] - terms["commitment"]


def test_no_commitment_and_its_weight_on_the_wrong_side_are_told_apart():
    right, none = at_codes(), at_codes(commitment=0.0)
    wrong = WrongSide(right.encoder, right.decoder, entries=ENTRIES)
    wrong.codebook.assign(right.codebook)
    books = [gradients(model, model.objective)[2] for model in (right, none, wrong)]
    np.testing.assert_allclose(books[0], books[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(books[2], 0.25 * books[0], rtol=1e-4, atol=1e-5)
    bare = gradients(right, lambda terms: terms["reconstruction"])[0]
    pull = gradients(right, lambda terms: -terms["commitment"])[0]
    for model, weight in ((right, 0.25), (none, 0.0), (wrong, 1.0)):
        for found, a, b in zip(gradients(model, model.objective)[0], bare, pull, strict=True):
            np.testing.assert_allclose(found, a + weight * b, rtol=1e-3, atol=1e-3)


def small(prior=None, seed=0):
    """Two places, three entries, and weights far from the start: log p(x) is a sum over nine code maps."""
    keras.utils.set_random_seed(seed)
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), keras.layers.Reshape((2, 2))])
    decoder = keras.Sequential([keras.Input((2, 2)), keras.layers.Flatten(), keras.layers.Dense(5)])
    model = VQVAE(encoder, decoder, entries=3, prior=prior)
    model.codebook.assign(np.random.default_rng(seed).normal(size=(3, 2)))
    return model


def shaken(places=4, entries=3, kind="autoregressive"):
    """A CodeMap with weights far from the start, where it is uniform."""
    code_map, random = priors.CodeMap(places, entries, units=6, kind=kind), np.random.default_rng(1)
    for weight in code_map.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    logits = random.normal(size=(places, entries))
    code_map.log_rates.assign(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return code_map


@pytest.mark.parametrize("kind", [None, "independent", "autoregressive"])
def test_the_elbo_is_the_largest_term_that_q_can_give_of_the_evidence(kind):
    model = small(kind and shaken(2, 3, kind))
    x = np.random.default_rng(0).integers(0, 2, (20, 5)).astype("float32")
    maps = np.array(list(itertools.product(range(3), repeat=2)))
    log_p = np.full(9, -2 * math.log(3)) if kind is None else model.prior.log_prob(maps)
    logits = model.decoder(model.entries_of(maps)).numpy()[:, None]
    joint = (x * logits - np.logaddexp(0, logits)).sum(-1).T + log_p  # [n, 9]
    evidence = np.logaddexp.reduce(joint, axis=1)
    terms = {name: np.asarray(value) for name, value in model(x).items()}
    chosen = model.encode(x) @ [3, 1]
    np.testing.assert_allclose(terms["elbo"], joint[np.arange(20), chosen], rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], -log_p[chosen], rtol=1e-4)
    np.testing.assert_allclose(terms["elbo"], terms["reconstruction"] - terms["kl"], rtol=1e-5)
    assert (terms["elbo"] <= evidence + 1e-4).all()
    np.testing.assert_allclose(evaluation.log_likelihood(model, x, k=3).per_example, terms["elbo"], rtol=1e-4)


def test_a_prior_that_is_set_is_obeyed_by_everything_compiled():
    model = at_codes()
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    uniform, other = PLACES * math.log(ENTRIES), priors.CodeMap(PLACES, ENTRIES, kind="independent")
    other.fit(model.encode(X))
    expected = -other.log_prob(model.encode(X)).mean()
    assert expected < uniform - 0.1
    bounds = []
    assert model.evaluate(X, verbose=0, return_dict=True)["kl"] == pytest.approx(uniform, rel=1e-4)
    for prior, kl in ((other, expected), (None, uniform)):
        model.prior = prior
        found = model.evaluate(X, verbose=0, return_dict=True)
        assert found["kl"] == pytest.approx(kl, rel=1e-4)
        assert model.predict(X, verbose=0)["kl"].mean() == pytest.approx(kl, rel=1e-4)
        bounds.append(evaluation.log_likelihood(model, X, k=2).mean)
        assert bounds[-1] == pytest.approx(found["elbo"], rel=1e-4)
    assert bounds[1] < bounds[0]
    model.prior = other
    other.fit(np.zeros((5, PLACES), int))  # fitted anew: the program holds its weights, not their values
    now = -other.log_prob(model.encode(X)).mean()
    assert model.evaluate(X, verbose=0, return_dict=True)["kl"] == pytest.approx(now, rel=1e-4)
    fresh = vq()
    with pytest.raises(ValueError, match="There is no fitted prior of the codes to draw from. Fit one"):
        fresh.sample(3)
    model.start_from(fresh)
    assert model.prior is None


def test_fit_leaves_the_prior_alone_and_a_file_keeps_it(tmp_path):
    model = at_codes(prior=shaken(PLACES, ENTRIES))
    before = [weight.numpy() for weight in model.prior.weights]
    model.compile(jit_compile=False)
    model.fit(X, verbose=0)
    for weight, old in zip(model.prior.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    for prior in (model.prior, None):
        model.prior = prior
        model.save(tmp_path / "vq.keras")
        loaded = keras.saving.load_model(tmp_path / "vq.keras")
        np.testing.assert_allclose(loaded(X)["elbo"], model(X)["elbo"], rtol=1e-5)
        assert len(loaded.weights) == len(model.weights), "a prior that was replaced is gone"
        if prior is not None:
            np.testing.assert_array_equal(loaded.sample(5, seed=0), model.sample(5, seed=0))


# --- the prior of the codes ---


@pytest.mark.parametrize("kind", ["autoregressive", "independent"])
def test_probabilities_of_all_code_maps_sum_to_one_and_samples_follow_them(kind):
    code_map, n = shaken(kind=kind), 20_000
    p = np.exp(code_map.log_prob(MAPS).astype("float64"))
    assert p.sum() == pytest.approx(1, abs=1e-5) and p.max() > 3 / 81, "one, and not by being uniform"
    drawn = code_map.sample(n, seed=3)
    found = np.bincount(drawn @ [27, 9, 3, 1], minlength=81) / n
    assert (np.abs(found - p) < 5 * np.sqrt(p * (1 - p) / n) + 1e-4).all()
    np.testing.assert_array_equal(code_map.sample(5, seed=3), code_map.sample(5, seed=3))
    assert not np.array_equal(code_map.sample(50), code_map.sample(50))


def test_no_logit_hears_its_own_code_or_a_later_one():
    code_map = shaken()
    logits = code_map(MAPS).numpy()
    for place in range(4):
        other = MAPS.copy()
        other[:, place] = (other[:, place] + 1) % 3
        moved = np.abs(code_map(other).numpy() - logits).max(axis=(0, 2))
        assert not moved[: place + 1].any() and (moved[place + 1 :] > 0.01).all()


def test_independent_is_counted_and_a_gru_hears_what_that_cannot():
    random = np.random.default_rng(0)
    first = random.choice(3, size=(400, 1), p=[0.6, 0.3, 0.1])
    codes = (first + np.arange(4)) % 3  # the first code settles the rest
    independent, gru = priors.CodeMap(4, 3, kind="independent"), priors.CodeMap(4, 3, units=16)
    assert independent.log_prob(codes).mean() == pytest.approx(-4 * math.log(3), rel=1e-5), "uniform before any fit"
    independent.fit(codes)
    rates = (1 + np.bincount(codes[:, 0], minlength=3)) / 403
    np.testing.assert_allclose(np.exp(independent.log_rates[0]), rates, rtol=1e-5)
    gru.compile(keras.optimizers.Adam(0.02))
    history = gru.fit(codes, epochs=12, batch_size=50, validation_data=codes, verbose=0).history
    assert history["val_loss"][-1] == pytest.approx(-gru.log_prob(codes).mean(), rel=1e-4)
    entropy = -(rates * np.log(rates)).sum()
    assert gru.log_prob(codes).mean() > -entropy - 0.5 > independent.log_prob(codes).mean() + 1


# --- shapes and sentences ---


def test_maps_of_codes_are_counted_row_by_row():
    encoder = keras.Sequential([keras.Input(SHAPE), keras.layers.AveragePooling2D(4), keras.layers.Conv2D(3, 1)])
    up = [keras.layers.UpSampling2D(4), keras.layers.Conv2D(1, 1)]
    model = VQVAE(encoder, keras.Sequential([keras.Input((2, 2, 3)), *up]), entries=5)
    assert (model.places, model.size) == (4, 3) and model.encode(X).shape == (64, 4)
    top = np.array(X)
    top[:, 4:] = 0.5
    np.testing.assert_array_equal(model.encode(top)[:, :2], model.encode(X)[:, :2])
    codes = np.array([[0, 1, 2, 3]])
    pictures = model.decode(codes)
    np.testing.assert_allclose(model.decode(codes[:, ::-1])[:, ::-1, ::-1], pictures, rtol=1e-5)
    np.testing.assert_array_equal(model.reconstruct(X), model.decode(model.encode(X)))


def test_what_does_not_fit_gets_a_sentence():
    model = vq()
    flat = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(8)])
    for call, message in (
        (lambda: VQVAE(flat, model.decoder), r"vector for each place.*Reshape\(\(places, size\)\).*\[None, 8\]"),
        (lambda: vq(entries=1), "entries must be at least 2"),
        (lambda: vq(commitment=-1.0), "commitment must be a finite number, at least 0"),
        (lambda: vq(beta=2.0), "no use for beta"),
        (lambda: vq(prior="gru"), "must be a priors.CodeMap, or None.*'gru'"),
        (lambda: vq(prior=priors.CodeMap(3, 8, kind="independent")), r"places=4, entries=8.*places=3, entries=8"),
        (lambda: priors.CodeMap(0, 4), "places must be a whole number"),
        (lambda: priors.CodeMap(2, 4, kind="gru"), "'autoregressive' or 'independent'.*'gru'"),
        (lambda: model.decode(np.zeros((2, 4))), "must be whole numbers.*float64"),
        (lambda: model.decode(np.zeros((2, 3), int)), r"shape \[n, 4\].*\[2, 3\]"),
        (lambda: model.decode(np.full((2, 4), 8)), "must lie in 0 to 7.*from 8 to 8"),
        (lambda: evaluation.diagnose(model, X), "VAEs and their kin only. Received: VQVAE"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(AttributeError, match="entries of a VQVAE is fixed"):
        model.entries = 4
