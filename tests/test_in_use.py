"""What people do with a Keras model in real work: dropout, weights, frames, parts of their own, resuming, exports."""

from vae_course import evaluation, layers, likelihoods, networks
from vae_course.models import IWAE, VAE, VAEGAN

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import LATENT_SIZE, MODELS, SHAPE, images, table, vae

tfd = tfp.distributions


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
def test_batch_normalization_learns_the_data(name):
    model = with_layer(name, keras.layers.BatchNormalization)
    model.compile()
    model.fit(images(), epochs=2, verbose=0)
    for part in (model.encoder, model.decoder):
        normalized = next(layer for layer in part.layers if isinstance(layer, keras.layers.BatchNormalization))
        assert np.abs(normalized.moving_mean.numpy()).max() > 1e-3


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


@pytest.mark.parametrize("name", ["vae", "vae_mixture_prior"])
def test_tf_data_gives_the_numbers_of_the_arrays(name):
    model, x = MODELS[name](), images(50)
    model.compile()
    batches = tf.data.Dataset.from_tensor_slices(x).batch(16)
    np.testing.assert_array_equal(model.encode(batches), model.encode(x))
    np.testing.assert_array_equal(model.reconstruct(batches), model.reconstruct(x))
    found, expected = (evaluation.log_likelihood(model, data, k=5, batch_size=20) for data in (batches, x))
    np.testing.assert_array_equal(found.per_example, expected.per_example)
    assert str(evaluation.diagnose(model, batches)) == str(evaluation.diagnose(model, x))
    found, expected = (evaluation.active_units(model, data).variances for data in (batches, x))
    np.testing.assert_array_equal(found, expected)


def fitted(x, **options):
    """A table's history, codes and likelihood: a fresh model each time, from the same seed."""
    keras.utils.set_random_seed(3)
    model = tabular(**options)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    history = model.fit(x, epochs=2, validation_data=(x,), verbose=0).history
    return history, model.encode(x), evaluation.log_likelihood(model, x, k=3).per_example


def test_whole_numbers_stay_what_they_are_and_only_bytes_are_pixels():
    ages = np.random.default_rng(0).integers(18, 90, (96, 5))
    ages[:, 4] = 10 * ages[:, 4] - 500  # below 0, and above 255
    whole, floats = fitted(ages), fitted(ages.astype("float32"))
    for name, values in floats[0].items():
        np.testing.assert_allclose(whole[0][name], values, rtol=1e-5)
    np.testing.assert_allclose(whole[1], floats[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(whole[2], floats[2], rtol=1e-4)
    pixels = ages[:, [0, 1, 2, 3, 0]]
    bytes_, scaled = fitted(pixels.astype("uint8")), fitted(pixels / np.float32(255))
    np.testing.assert_allclose(bytes_[0]["loss"], scaled[0]["loss"], rtol=1e-5)
    np.testing.assert_allclose(bytes_[1], scaled[1], atol=1e-5)
    assert abs(np.mean(fitted(pixels)[2]) / np.mean(bytes_[2])) > 10, "ages are no pixels"


# --- parts of one's own ---


class OwnMethod(VAE):
    """A likelihood of the user's own, as the docstring of VAE offers it."""

    def likelihood(self, z):
        return tfd.Independent(tfd.Poisson(log_rate=self.decoder_output(z)), 1)


class OwnPart(likelihoods.Likelihood):
    """The same as a part, as the docstring of Likelihood offers it."""

    def distribution(self, output, c=None):
        return self.independent(tfd.Poisson(log_rate=output))


@pytest.mark.parametrize(
    "build",
    [
        lambda: tabular(OwnMethod, likelihood="bernoulli"),  # whose support [0, 1] is not that of counts
        lambda: tabular(likelihood=OwnPart()),
    ],
    ids=["method", "part"],
)
def test_a_likelihood_of_ones_own_is_obeyed_everywhere(build, tmp_path):
    counts = np.random.default_rng(0).poisson(3.0, (400, 5)).astype("float32")
    model = build()
    model.compile(keras.optimizers.Adam(0.03))
    model.fit(counts, epochs=30, verbose=0)
    assert model.sample(500, seed=0).mean() == pytest.approx(3.0, abs=0.4)
    assert model.reconstruct(counts).mean() == pytest.approx(3.0, abs=0.4)
    drawn = model.sample(500, seed=0, noise=True)
    assert drawn.mean() == pytest.approx(3.0, abs=0.4) and drawn.var() == pytest.approx(3.0, abs=0.9)
    np.testing.assert_array_equal(drawn, np.round(drawn))
    exact = tfd.Independent(tfd.Poisson(rate=3.0 * np.ones(5)), 1).log_prob(counts.astype("float64")).numpy().mean()
    assert evaluation.log_likelihood(model, counts, k=50).mean == pytest.approx(exact, abs=0.3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.likelihood(tf.zeros([1, 2])).distribution) is tfd.Poisson
    np.testing.assert_array_equal(loaded.reconstruct(counts), model.reconstruct(counts))


class Halved(VAE):
    """A variant as a user writes it: no decorator, no `get_config`."""

    def objective(self, terms):
        return terms["reconstruction"] - 0.5 * terms["kl"]


def test_a_subclass_without_a_decorator_is_saved_loaded_and_trained_on(tmp_path):
    model = tabular(Halved)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(table(), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is Halved
    runs = [m.fit(table(), shuffle=False, verbose=0).history for m in (model, loaded)]
    assert runs[0] == runs[1]
    assert runs[1]["loss"][0] == pytest.approx(0.5 * runs[1]["kl"][0] - runs[1]["reconstruction"][0], rel=1e-5)


# --- saving and going on, export, exchanged parts ---


def dropout_vae():
    encoder = network(SHAPE, 2 * LATENT_SIZE, lambda: keras.layers.Dropout(0.3))
    decoder = network((LATENT_SIZE,), 64, lambda: keras.layers.Dropout(0.3), [keras.layers.Reshape(SHAPE)])
    return VAE(encoder, decoder)


@pytest.mark.parametrize(
    "build", [lambda: vae(augmentation=layers.Binarize()), dropout_vae], ids=["binarize", "dropout"]
)
def test_a_model_with_random_layers_goes_on_as_if_it_had_not_been_saved(build, tmp_path):
    x = images(64).astype("float32") / 255
    keras.utils.set_random_seed(2)
    model = build()
    model.compile(keras.optimizers.Adam(0.01))
    first = model.fit(x, epochs=2, shuffle=False, verbose=0).history["loss"]
    model.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(99)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    runs = [m.fit(x, epochs=2, shuffle=False, verbose=0).history for m in (model, loaded)]
    assert runs[0] == runs[1] and runs[0]["loss"][0] != first[0]
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["vae", "vae_mixture_prior", "autoencoder", "gan"])
def test_an_exported_model_serves(name, tmp_path):
    model, x = MODELS[name](), images(4).astype("float32") / 255
    model.compile()
    model.fit(images(), verbose=0)
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    served = loaded.serve(x)
    if name in ("autoencoder", "gan"):
        np.testing.assert_allclose(served, model(x), rtol=1e-4, atol=1e-5)
        return
    assert set(served) == {"elbo", "reconstruction", "kl"} and served["kl"].shape == (4,)
    if name == "vae":  # whose KL does not depend on the draw
        np.testing.assert_allclose(served["kl"], model.predict(x, verbose=0)["kl"], rtol=1e-4)
    np.testing.assert_allclose(served["elbo"], served["reconstruction"] - served["kl"], rtol=1e-5)
    np.testing.assert_allclose(loaded.encode(x), model.encode(x), atol=1e-5)
    z = np.random.default_rng(0).normal(size=(7, LATENT_SIZE)).astype("float32")
    np.testing.assert_allclose(loaded.decode(z), model.decode(z), atol=1e-5)
    drawn = loaded.sample(5, [3, 0])
    np.testing.assert_allclose(drawn, model.sample(5, seed=3), atol=1e-5)
    assert (drawn.numpy() != loaded.sample(5, [4, 0]).numpy()).any(), "another seed"
    assert loaded.sample(2, [3, 0]).shape == (2, *SHAPE)


@pytest.mark.parametrize("name", VAE.fixed)
def test_networks_and_parts_cannot_be_exchanged(name):
    model = tabular()
    with pytest.raises(AttributeError, match=f"{name} of a VAE is fixed.*Make a new model with the {name}"):
        setattr(model, name, getattr(tabular(), name))


def test_a_scale_cannot_be_exchanged_and_another_one_is_not_forgotten_by_the_compiled_likelihood():
    model, x = tabular(), table()
    first = evaluation.log_likelihood(model, x, k=20).mean
    assert evaluation.log_likelihood(model, x, k=20).mean == first
    with pytest.raises(AttributeError, match="scale of a Gaussian is fixed.*new part with the scale.*Received: 3.0"):
        model.likelihood_part.scale = 3.0
    assert evaluation.log_likelihood(model, x, k=20).mean == first
    wide, mixed = tabular(likelihood=likelihoods.Gaussian(3.0)), tabular(prior="gaussian_mixture")
    for other in (wide, mixed):
        other.encoder.set_weights(model.encoder.get_weights())
        other.decoder.set_weights(model.decoder.get_weights())
    others = [evaluation.log_likelihood(other, x, k=20).mean for other in (wide, mixed)]
    assert len({round(value, 3) for value in (first, *others)}) == 3


def test_numbers_of_numpy_are_numbers():
    part = likelihoods.Gaussian(np.float32(0.5))
    model = tabular(likelihood=part, beta=np.float32(0.25))
    assert model.likelihood_part.scale == 0.5 and model.beta == 0.25
    model.compile()
    model.fit(
        table(), batch_size=np.int64(32), validation_data=(table(),), validation_batch_size=np.int64(10), verbose=0
    )
    assert np.isfinite(model.evaluate(table(), batch_size=np.int64(7), verbose=0)).all()
    assert len(model.predict(table(), batch_size=np.int32(7), verbose=0)["kl"]) == 96
    assert np.isfinite(evaluation.log_likelihood(model, table(), k=np.int32(2), batch_size=np.int64(50)).mean)
