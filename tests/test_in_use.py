"""What people do with a Keras model in real work: dropout, weights, frames, exports, wrong arguments."""

from vae_course import evaluation, networks, priors
from vae_course.models import IWAE, VAE, VAEGAN, HierarchicalVAE, VampVAE

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import ADVERSARIAL, LATENT_SIZE, MODELS, SHAPE, VAES, discriminator, images, vae

tfd = tfp.distributions


def table(n=96, size=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, size)).astype("float32")


def tabular(cls=VAE, size=5, **options):
    options = {"likelihood": "gaussian", **options}
    return cls(networks.mlp_encoder((size,), 4, hidden=(8,)), networks.mlp_decoder(2, (size,), hidden=(8,)), **options)


# --- layers that behave otherwise in training ---


@keras.saving.register_keras_serializable("tests")
class Spy(keras.layers.Layer):
    """Notes whether it was told that this is training."""

    seen = set()

    def call(self, x, training=None):
        Spy.seen.add(bool(training))
        return x


def network(inputs, outputs, layer, final=()):
    """Two dense layers, with `layer` between them."""
    dense = keras.layers.Dense
    first = [keras.Input(inputs), keras.layers.Flatten(), dense(16, activation="tanh"), layer()]
    return keras.Sequential([*first, dense(16, activation="tanh"), dense(outputs), *final])


def with_layer(name, layer):
    encoder = network(SHAPE, 2 * LATENT_SIZE, layer)
    decoder = network((LATENT_SIZE,), 64, layer, [keras.layers.Reshape(SHAPE)])
    if name == "vaegan":
        return VAEGAN(encoder, decoder, network(SHAPE, 1, layer), r1=0.0)
    return {"vae": VAE, "iwae": IWAE}[name](encoder, decoder)


@pytest.mark.parametrize("name", ["vae", "iwae", "vaegan"])
def test_the_networks_know_whether_this_is_training(name):
    model = with_layer(name, Spy)
    model.compile(run_eagerly=True)
    x = images(16).astype("float32") / 255
    model.evaluate(x, verbose=0)
    for name, call in {"train": model.train_on_batch, "test": model.test_on_batch, "encode": model.encode}.items():
        Spy.seen = set()
        call(x)
        assert Spy.seen == {name == "train"}, name


@pytest.mark.parametrize("name", ["vae", "iwae", "vaegan"])
def test_batch_normalisation_learns_the_data(name):
    model = with_layer(name, keras.layers.BatchNormalization)
    model.compile()
    model.fit(images(), epochs=2, verbose=0)
    for part in (model.encoder, model.decoder):
        normalised = next(layer for layer in part.layers if isinstance(layer, keras.layers.BatchNormalization))
        assert np.abs(normalised.moving_mean.numpy()).max() > 1e-3


# --- weights of examples ---


def test_weights_of_examples_count_on_every_way_in():
    x = np.concatenate([table(), table() + 100])
    weights = np.r_[np.full(96, 2.0), np.zeros(96)].astype("float32")  # so that loss, a sum over n, is a mean over 96
    model = tabular()
    model.compile(keras.optimizers.SGD(0.0))
    wanted = model.evaluate(x[:96], verbose=0, return_dict=True)["elbo"]
    batches = tf.data.Dataset.from_tensor_slices((x, x, weights)).batch(32)
    found = {
        "evaluate": model.evaluate(x, sample_weight=weights, verbose=0, return_dict=True)["elbo"],
        "evaluate, tf.data": model.evaluate(batches, verbose=0, return_dict=True)["elbo"],
        "fit": model.fit(x, sample_weight=weights, verbose=0).history["elbo"][0],
        "fit, tensors": model.fit(tf.constant(x), sample_weight=tf.constant(weights), verbose=0).history["elbo"][0],
        "fit, some steps": model.fit(x, sample_weight=weights, steps_per_epoch=6, verbose=0).history["elbo"][0],
        "validation": model.fit(x, validation_data=(x, None, weights), verbose=0).history["val_elbo"][0],
    }
    for way, elbo in found.items():
        assert elbo == pytest.approx(wanted, abs=1.0), way


def test_weights_that_cannot_be_obeyed_get_a_sentence():
    model = tabular()
    model.compile()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"each of the 96 examples.*\[10\]"):
            call(table(), sample_weight=np.ones(10))
    model = MODELS["gan"]()
    model.compile()
    with pytest.raises(ValueError, match="GAN has no use for sample_weight"):
        model.fit(images(32), sample_weight=np.ones(32), verbose=0)


# --- kinds of data ---


class Frame:
    """What a data frame is to the library: something with `to_numpy`, which numpy can read too."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def to_numpy(self):
        return self.values

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __len__(self):
        return len(self.values)


@pytest.mark.parametrize("kind", [Frame, tf.constant, lambda x: x.astype("float64")])
def test_frames_and_tensors_are_data_like_any_other(kind):
    x, model = table(), tabular()
    model.compile(keras.optimizers.SGD(0.0))
    model.fit(kind(x), validation_data=(kind(x),), verbose=0)
    assert model.evaluate(kind(x), verbose=0)[0] > 0
    np.testing.assert_allclose(model.encode(kind(x)), model.encode(x))
    assert set(model.predict(kind(x), verbose=0)) == set(model.terms)
    assert evaluation.log_likelihood(model, kind(x), k=3).mean == evaluation.log_likelihood(model, x, k=3).mean
    broken = np.where(np.arange(5) == 2, np.nan, x)
    for call in (model.fit, model.evaluate, model.predict, model.encode):
        with pytest.raises(ValueError, match="96 values that are NaN"):
            call(kind(broken))


@pytest.mark.parametrize("x", [np.full((8, 5), 300), np.full((8, 5), -1, "int8")])
def test_whole_numbers_that_are_no_pixels_get_a_sentence(x):
    model = tabular()
    model.compile()
    with pytest.raises(ValueError, match="pixels 0..255 and divided by 255.*astype"):
        model.fit(x)


class Poisson(VAE):
    """A likelihood of the user's own, as the docstring of VAE offers it."""

    def likelihood(self, z):
        return tfd.Independent(tfd.Poisson(log_rate=self._decoder_output(z)), 1)


def test_a_likelihood_of_ones_own_is_obeyed_everywhere():
    counts = np.random.default_rng(0).poisson(3.0, (400, 5)).astype("float32")
    model = tabular(Poisson, likelihood="bernoulli")  # whose support [0, 1] is not that of counts
    model.compile(keras.optimizers.Adam(0.03))
    model.fit(counts, epochs=30, verbose=0)
    assert model.sample(500, seed=0).mean() == pytest.approx(3.0, abs=0.4)
    assert model.reconstruct(counts).mean() == pytest.approx(3.0, abs=0.4)


# --- export, exchanged parts ---


@pytest.mark.parametrize("name", ["vae", "autoencoder", "gan"])
def test_an_exported_model_serves(name, tmp_path):
    model, x = MODELS[name](), images(4).astype("float32") / 255
    model.compile()
    model.fit(images(), verbose=0)
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    served = loaded.serve(x)
    if name == "vae":
        assert set(served) == {"elbo", "reconstruction", "kl"} and served["kl"].shape == (4,)
        np.testing.assert_allclose(served["kl"], model.predict(x, verbose=0)["kl"], rtol=1e-4)
    else:
        np.testing.assert_allclose(served, model(x), rtol=1e-4, atol=1e-5)


def test_an_exchanged_prior_or_scale_is_not_forgotten_by_the_compiled_likelihood():
    model, x = tabular(), table()
    first = evaluation.log_likelihood(model, x, k=20).mean
    assert evaluation.log_likelihood(model, x, k=20).mean == first
    model.scale = 3.0
    wider = evaluation.log_likelihood(model, x, k=20).mean
    model.prior_layer = priors.GaussianMixture(2, components=3, spread=8.0)
    assert len({round(value, 3) for value in (first, wider, evaluation.log_likelihood(model, x, k=20).mean)}) == 3


# --- arguments that would be ignored ---


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: vae(IWAE, beta=4.0), "IWAE has no use for beta.*4.0"),
        (lambda: vae(VAEGAN, discriminator=discriminator(), beta=4.0), "VAEGAN has no use for beta"),
        (lambda: setattr(VAES["iwae"](), "beta", 2.0), "no use for beta.*2.0"),
        (lambda: vae(VampVAE, prior=priors.GaussianMixture(LATENT_SIZE, 4)), "VampVAE makes its own prior"),
        (lambda: VampVAE(*pair(), components=0), "components must be at least 1"),
        (
            lambda: HierarchicalVAE(*pair(), latent_sizes=(1, 1), prior=priors.GaussianMixture(2, 4)),
            "HierarchicalVAE makes its own prior",
        ),
        (lambda: VAES["vae"]().compile(loss="mse"), "VAE trains for its own objective.*takes no loss.*'mse'"),
        (lambda: VAES["vae"]().compile(metrics=["mae"]), "takes no metrics"),
        (lambda: MODELS["gan"]().compile(metrics=["mae"]), "GAN trains for its own objective"),
        (lambda: evaluation.log_likelihood(MODELS["gan"](), images(8)), "for VAEs and their kin only.*GAN"),
        (lambda: VAES["vae"]().sample(0), "at least one row"),
        (lambda: VAES["hierarchical"]().resample(np.zeros((2, 5)), [1]), r"\[n, 3\].*\[2, 5\]"),
        (lambda: vae(VAEGAN, discriminator=networks.mlp_encoder(SHAPE, 1, hidden=())), "must have a hidden layer"),
        (lambda: VAE(Own(), pair()[1]), "encoder must be a keras.Sequential.*Received: Own.*Wrap it"),
        (lambda: VAE(pair()[0], keras.Sequential([keras.layers.Dense(3)])), "decoder must be a keras.Sequential"),
    ],
)
def test_what_would_be_ignored_or_fail_later_gets_a_sentence(build, message):
    with pytest.raises(ValueError, match=message):
        build()


class Own(keras.Model):
    def call(self, x):
        return x


def pair():
    return networks.mlp_encoder(SHAPE, 2 * LATENT_SIZE, (4,)), networks.mlp_decoder(LATENT_SIZE, SHAPE, (4,))


@pytest.mark.parametrize("size", [0, -3])
def test_a_batch_of_no_examples_gets_a_sentence(size):
    model = tabular()
    model.compile()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=f"batch_size must be at least 1. Received: {size}"):
            call(table(), batch_size=size)


def test_numbers_of_numpy_are_numbers():
    assert tabular(scale=np.float32(0.5)).scale == 0.5


def test_continuous_factors_get_a_sentence():
    random = np.random.default_rng(0)
    codes, factors = random.normal(size=(400, 3)), np.stack([random.normal(size=400), random.integers(3, size=400)], 1)
    for score in (evaluation.beta_vae_score, evaluation.factor_vae_score, evaluation.mig):
        with pytest.raises(ValueError, match="400 different values in 400 examples"):
            score(codes, factors)


def test_every_adversarial_model_names_what_it_cannot_take():
    for build in ADVERSARIAL.values():
        with pytest.raises(ValueError, match="takes no loss"):
            build().compile(loss="mse")
