"""Bits back: the coder against entropy, tables against scipy, files against the ELBO, one machine against another."""

import json
import os
import subprocess
import sys
from pathlib import Path

from vae_course import compression, datasets, models, networks, posteriors
from vae_course.compression import PRECISION, BitsBack, Stack

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

FULL = 1 << PRECISION
BIT = np.log(2)


def made(seed=0, shape=(8, 8, 1), latent_size=4, hidden=(32,), cls=models.VAE, **options):
    keras.utils.set_random_seed(seed)
    encoder = networks.mlp_encoder(shape, 2 * latent_size, hidden)
    return cls(encoder, networks.mlp_decoder(latent_size, shape, hidden), **options)


def some(n=10, shape=(8, 8, 1), seed=0):
    return np.random.default_rng(seed).integers(2, size=(n, *shape)).astype("float32")


@pytest.fixture(scope="module")
def trained():
    """A VAE of thresholded digits, and 200 that it has not seen."""
    digits = datasets.load("digits")
    x_train, x_test = ((x > 0.5).astype("float32") for x in (digits.x_train, digits.x_test))
    vae = made(latent_size=8, hidden=(64,))
    vae.compile(keras.optimizers.Adam(4e-3), jit_compile=False)
    vae.fit(x_train, epochs=12, batch_size=64, verbose=0)
    return vae, x_test[:200]


# ---- the coder ----


def table(random, precision, symbols=5):
    """Cumulative frequencies of so many symbols, some of them rare."""
    inner = np.sort(random.choice(np.arange(1, 1 << precision), symbols - 1, replace=False))
    return [0, *inner.tolist(), 1 << precision]


@pytest.mark.parametrize("precision", (3, 12, 31, 32))
def test_what_was_pushed_last_is_popped_first(precision):
    random = np.random.default_rng(precision)
    cumulative = table(random, precision) if precision < 20 else [0, 1, 5, 1 << (precision - 1), 1 << precision]
    symbols = random.integers(len(cumulative) - 1, size=500).tolist()
    stack = Stack()
    for symbol in symbols:
        stack.push(symbol, cumulative, precision)
    received = Stack(stack.to_bytes())
    assert [received.pop(cumulative, precision) for _ in symbols] == symbols[::-1]
    received.check_end()


def test_a_push_undoes_a_pop_to_the_last_bit():
    random, stack, states, popped = np.random.default_rng(0), Stack(), [], []
    for _ in range(300):
        precision = int(random.integers(3, 33))
        cumulative = table(random, min(precision, 16))
        cumulative = [value << max(0, precision - 16) for value in cumulative]
        states.append((stack.state, list(stack.words)))
        popped.append((stack.pop(cumulative, precision), cumulative, precision))
    supplied = stack.words.copy(), stack.supplied
    for (state, words), arguments in zip(states[::-1], popped[::-1]):
        stack.push(*arguments)
        assert stack.state == state, "a pop and its push must give the same state"
        assert stack.words[len(stack.words) - len(words) :] == words
    assert supplied[1] > 10 and stack.supplied == supplied[1]
    Stack(stack.to_bytes()).check_end()


def test_symbols_cost_their_entropy():
    random = np.random.default_rng(0)
    p = np.array([0.9, 0.09, 0.0099, 0.0001])
    cumulative = [0, *np.round(np.cumsum(p) * FULL).astype(int).tolist()]
    symbols = random.choice(4, size=20_000, p=p)
    stack = Stack()
    for symbol in symbols.tolist():
        stack.push(symbol, cumulative)
    cost = stack.bits - stack.initial_bits
    assert cost == pytest.approx(-np.log2(p[symbols]).sum(), rel=1e-4)
    assert 0 <= 8 * len(stack.to_bytes()) - stack.bits <= 48


def test_a_new_stack_pops_what_its_table_says_and_counts_it():
    stack, cumulative = Stack(), [0, FULL // 10, FULL // 2, FULL]
    symbols = [stack.pop(cumulative) for _ in range(5000)]
    np.testing.assert_allclose(np.bincount(symbols) / 5000, [0.1, 0.4, 0.5], atol=0.02)
    cost = -np.log2(np.array([0.1, 0.4, 0.5]))[symbols].sum()
    assert stack.initial_bits - stack.bits == pytest.approx(cost, rel=1e-3), "popping gives back -log2 p"
    assert Stack().bits == pytest.approx(Stack().initial_bits)


def test_a_symbol_without_frequency_cannot_be_pushed():
    with pytest.raises(ValueError, match="at least 1.*Received: 0 after 5"):
        Stack().push(1, [0, 5, 5, FULL])
    with pytest.raises(ValueError, match=r"2\^precision in all.*Received: 11 after 6, precision 4"):
        Stack().push(1, [0, 6, 17], precision=4)
    with pytest.raises(ValueError, match="a precision of at most 32.*precision 33"):
        Stack().pop([0, 1 << 33], precision=33)


# ---- tables ----


@pytest.mark.parametrize(("mean", "scale"), ((0.0, 1.0), (-0.7, 0.2), (2.5, 0.03), (6.0, 0.1), (0.3, 4.0)))
def test_the_posterior_is_a_normal_over_bins_none_of_which_is_empty(mean, scale):
    edges, medians = compression._bins(12)
    cumulative = compression._NormalTable(round(mean * 2**16), round(scale * 2**16), edges)
    values = np.array([cumulative[place] for place in range(len(cumulative))])
    assert values[0] == 0 and values[-1] == FULL and np.diff(values).min() >= 1
    inner = np.array(edges[1:-1]) / 2**16
    np.testing.assert_allclose(values[1:-1] / FULL, stats.norm.cdf(inner, mean, scale), atol=2e-5 / scale + 1e-4)
    assert len(medians) == 4096 and np.all(np.diff(edges) > 0)


def test_bins_have_equal_prior_mass_and_codes_are_their_medians():
    for bits in (1, 5, 10):
        edges, medians = (np.array(points) / 2**16 for points in compression._bins(bits))
        np.testing.assert_allclose(np.diff(stats.norm.cdf(edges)), 2.0**-bits, rtol=2e-3 * 2 ** max(0, bits - 5))
        np.testing.assert_allclose(stats.norm.cdf(medians), (np.arange(2**bits) + 0.5) / 2**bits, atol=2e-5)


def test_pixels_and_scales_are_those_of_the_library():
    logits = np.arange(-10, 10, 0.25)
    p = [1 - compression._pixel_table(round(logit * 2**8))[1] / FULL for logit in logits]
    np.testing.assert_allclose(p, special.expit(logits), rtol=1e-5)
    for logit in (-(10**6), 10**6):
        assert np.diff(compression._pixel_table(logit)).min() >= 1, "a surprise must stay possible"
    scales = [compression._scale(round(raw * 2**8)) / 2**16 for raw in logits]
    np.testing.assert_allclose(scales, np.logaddexp(0, logits) + 1e-3, atol=2**-15)


# ---- files ----


@pytest.mark.parametrize("kind", ("float32", "bool", "int64", "uint8"))
def test_every_pixel_comes_back(kind):
    vae, x = made(latent_size=3, shape=(5, 4, 2)), some(12, (5, 4, 2))
    data = compression.compress(vae, (255 * x if kind == "uint8" else x).astype(kind))
    out = compression.decompress(vae, data)
    assert out.dtype == np.float32 and np.array_equal(out, x)
    assert data == compression.compress(vae, x), "the same images give the same file"


@pytest.mark.parametrize("bits", (1, 7, 14))
def test_networks_without_hidden_layers_other_bins_and_one_image(bits):
    vae, x = made(hidden=(), latent_size=1), some(1)
    assert np.array_equal(compression.decompress(vae, compression.compress(vae, x, bits)), x)


def test_other_bounds_train_the_same_model():
    for cls in (models.IWAE, models.FreeBitsVAE):
        vae, x = made(cls=cls), some(3)
        assert np.array_equal(compression.decompress(vae, compression.compress(vae, x)), x)


def test_where_the_code_says_nothing_the_file_is_as_long_as_the_entropy():
    """An exact oracle: posterior = prior, logits that do not depend on z. All bits of z must come back."""
    vae = made(latent_size=6)
    logits = np.random.default_rng(1).normal(0, 2, 64)
    vae.encoder.set_weights([0 * weight for weight in vae.encoder.get_weights()])
    vae.decoder.set_weights([0 * weight for weight in vae.decoder.get_weights()])
    vae.encoder.layers[-1].bias.assign(np.repeat([0.0, np.log(np.expm1(1 - 1e-3))], 6))
    vae.decoder.get_layer(index=-2).bias.assign(logits)
    x = (np.random.default_rng(2).uniform(size=(300, 64)) < special.expit(logits)).astype("float32")
    exact = -np.log2(np.where(x == 1, special.expit(logits), special.expit(-logits))).sum()
    assert net(vae, x.reshape(-1, 8, 8, 1)) * 300 == pytest.approx(exact, rel=2e-3)


def net(vae, x, latent_bits=12):
    """Bits per image, initial bits apart."""
    stack = Stack()
    BitsBack(vae, latent_bits).push(stack, x)
    return (stack.bits - stack.initial_bits) / len(x)


def test_a_file_is_as_long_as_the_bound_and_no_shorter_than_the_likelihood(trained):
    vae, x = trained
    log_w = np.concatenate([vae.log_weights(x, 100, tf.constant([0, i])).numpy() for i in range(4)])
    bound = -log_w.mean() / BIT
    likelihood = -(special.logsumexp(log_w, axis=0) - np.log(400)).mean() / BIT
    found = np.mean([net(vae, x[np.random.default_rng(seed).permutation(len(x))]) for seed in range(4)])
    assert found == pytest.approx(bound, rel=0.01), "net bits are -ELBO / log 2"
    assert found > likelihood + 0.3 * (bound - likelihood), "no code beats the log-likelihood"
    stack = Stack()
    BitsBack(vae).push(stack, x)
    assert 64 <= stack.initial_bits <= 160, "8 latents of 12 bits are read once"
    size = 8 * len(compression.compress(vae, x))
    assert 96 <= size - stack.bits <= 96 + 48, "12 bytes of header, and nothing else"
    assert net(vae, x, 1) > 1.015 * bound, "two bins a latent blur the code"


def test_bits_that_do_not_come_back_are_paid(trained):
    """The sender that draws z by chance, and keeps the bits: dearer by the entropy of q over the bins."""
    vae, x = trained
    coder, stack, chance = BitsBack(vae), Stack(), Stack()
    for pixels in x.reshape(len(x), -1).astype(int).tolist():
        z = [chance.pop(table) for table in coder.posterior(pixels)]
        for pixel, cumulative in zip(pixels, coder.likelihood(z)):
            stack.push(pixel, cumulative)
        for place in z:
            stack.push(place, coder.prior)
    wasted = (stack.bits - stack.initial_bits) / len(x) - net(vae, x)
    assert wasted == pytest.approx((chance.initial_bits - chance.bits) / len(x), abs=0.5)
    assert wasted > 50


# ---- any machine ----


def test_whole_numbers_agree_in_any_order_where_floats_do_not():
    vae, x = made(hidden=(300, 200)), some(30)
    whole = compression._WholeNetwork(vae.encoder, "encoder")
    shuffled = compression._WholeNetwork(vae.encoder, "encoder")
    order = np.random.default_rng(0).permutation(300)
    (w, b, *rest), (v, *others), *last = shuffled.steps
    shuffled.steps = [(w[:, order], b[order], *rest), (v[order], *others), *last]
    rows = [row.ravel().astype("int64") << 16 for row in x]
    outputs = np.array([whole(row) for row in rows])
    np.testing.assert_array_equal(outputs, [shuffled(row) for row in rows])
    floats = np.asarray(vae.encoder(x))
    np.testing.assert_allclose(outputs / 2**16, floats, atol=1e-3)
    w, b, v, *others = vae.encoder.get_weights()
    vae.encoder.set_weights([w[:, order], b[order], v[order], *others])
    assert (np.asarray(vae.encoder(x)) != floats).any(), "floats were expected to depend on the order of a sum"


RECEIVER = """
import decimal, json, sys
decimal.getcontext().prec = decimal.DefaultContext.prec = 4
decimal.getcontext().rounding = decimal.DefaultContext.rounding = decimal.ROUND_UP
from vae_course import compression, models, networks
import numpy as np
vae = models.VAE(networks.mlp_encoder((8, 8, 1), 16, (64,)), networks.mlp_decoder(8, (8, 8, 1), (64,)))
vae.load_weights("model.weights.h5")
coder = compression.BitsBack(vae)
for network in (coder.encoder, coder.decoder):
    (w, b, *rest), (v, *others) = network.steps
    order = np.random.default_rng(1).permutation(len(b))
    network.steps = [(w[:, order], b[order], *rest), (v[order], *others)]
with open("file", "rb") as file:
    data = file.read()
stack = compression.Stack(data[12:])
x = coder.pop(stack, 100)
stack.check_end()
same = compression.compress(vae, x) == data
np.save("x.npy", x)
print(json.dumps(bool(same)))
"""


def test_another_process_with_other_threads_and_instructions_gets_the_same_pixels(trained, tmp_path):
    vae, x = trained[0], trained[1][:100]
    vae.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "file").write_bytes(compression.compress(vae, x))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS"), "3")
    other = {**threads, "TF_ENABLE_ONEDNN_OPTS": "0", "PYTHONPATH": str(Path(__file__).parents[1])}
    features = np.show_config("dicts")["SIMD Extensions"].get("found", [])
    if features:
        other["NPY_DISABLE_CPU_FEATURES"] = " ".join(features)
    run = subprocess.run(
        [sys.executable, "-c", RECEIVER], cwd=tmp_path, env={**os.environ, **other}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]), "a file made there must be the file made here"
    assert np.array_equal(np.load(tmp_path / "x.npy"), x)


# ---- what is refused ----


def test_files_that_are_cut_damaged_or_foreign_are_refused():
    vae, x = made(), some(20)
    data = compression.compress(vae, x)
    for wrong in (b"", data[:5], b"PK" + data, "BB1"):
        with pytest.raises(ValueError, match=r"made by compression.compress. Received: (\d+ bytes, first b'|str)"):
            compression.decompress(vae, wrong)
    for size in (len(data) - 4, len(data) - 1, len(data) - 40, 30, 22, 14, 12):
        with pytest.raises(ValueError, match="The file is damaged"):
            compression.decompress(vae, data[:size])
        with pytest.raises(ValueError, match="The file is damaged"):
            compression.decompress(vae, data[:12] + data[12 + len(data) - size :])
    for place in range(8, len(data), 7):
        with pytest.raises(ValueError, match="The file is damaged"):
            compression.decompress(vae, data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
    kernel = vae.decoder.get_weights()
    vae.decoder.set_weights([kernel[0] + np.float32(1e-4), *kernel[1:]])
    with pytest.raises(ValueError, match="with the same weights: load these first. Received: a file with the checksum"):
        compression.decompress(vae, data)


@pytest.mark.parametrize(
    ("x", "message"),
    (
        (some() / 2, r"x must be binary, 0 or 1. .*Received: \d+ other values of 640"),
        (some().astype("uint8"), "x must be binary, 0 or 255"),
        (some()[..., 0], r"x must have shape \[n, 8, 8, 1\].*add the channel axis"),
        (some()[:0], "at least one example"),
        (some() * np.nan, "finite"),
    ),
)
def test_images_that_are_not_zeros_and_ones_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        compression.compress(made(), x)


@pytest.mark.parametrize(
    ("vae", "message"),
    (
        (lambda: made(prior="gaussian_mixture"), "the parts 'standard_normal'.*Received: the prior GaussianMixture"),
        (lambda: made(likelihood="gaussian"), "Received: the likelihood Gaussian"),
        (lambda: made(latent_size=4, posterior=posteriors.FlowPosterior()), "Received: the posterior FlowPosterior"),
        (lambda: models.Autoencoder(*networks_of(4, 4)), "Only a models.VAE compresses.*Received: Autoencoder"),
        (
            lambda: models.VAE(*networks_of(8, 4, activation="tanh")),
            "Received: Dense in the encoder.* 'tanh'",
        ),
        (lambda: models.VAE(convolution(), networks_of(8, 4)[1]), "mlp_encoder.*Received: Conv2D in the encoder"),
        (
            lambda: models.VAE(weight_tied(), networks_of(8, 4)[1]),
            "chain of Dense layers.*something else",
        ),
        (lambda: scaled(made(), np.nan), "Weights must be numbers below 2"),
        (lambda: scaled(made(), 1e9), "Weights must be numbers below 2"),
        (lambda: scaled(made(hidden=(32, 32, 32, 32)), 1e4), "sums of a layer must stay below"),
    ),
)
def test_models_that_whole_numbers_do_not_cover_are_refused(vae, message):
    with pytest.raises(ValueError, match=message):
        compression.compress(vae(), some())


def networks_of(outputs, latent_size, **options):
    encoder = networks.mlp_encoder((8, 8, 1), outputs, (16,), **options)
    return encoder, networks.mlp_decoder(latent_size, (8, 8, 1), (16,), **options)


def convolution():
    return networks.conv_encoder((8, 8, 1), 8, (4,), 8)


def weight_tied():
    """One layer, called twice: it stands once in `network.layers`."""
    inputs, layer = keras.Input((8, 8, 1)), keras.layers.Dense(64, activation="relu")
    return keras.Model(inputs, keras.layers.Dense(8)(layer(layer(keras.layers.Flatten()(inputs)))))


def scaled(vae, factor):
    vae.encoder.set_weights([factor * weight for weight in vae.encoder.get_weights()])
    return vae


@pytest.mark.parametrize("bits", (0, 15, 2.5))
def test_bins_that_cannot_be_are_refused(bits):
    with pytest.raises(ValueError, match="latent_bits must be"):
        compression.compress(made(), some(), bits)
