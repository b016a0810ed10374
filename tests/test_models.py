"""The contract that every model passes: what a Keras user expects of a Keras model, with XLA on where it is on."""

import json
import os
import subprocess
import sys
from pathlib import Path

from vae_course import likelihoods, networks, priors
from vae_course.models import VAE, Autoencoder

import keras
import numpy as np
import pytest
import tensorflow as tf
from models_under_test import (
    ADVERSARIAL,
    CONDITIONAL,
    DIFFUSION,
    DISCRETE,
    LATENT_SIZE,
    MODELS,
    SHAPE,
    VAES,
    coder,
    conv_vae,
    data,
    images,
)
from ports import free_port

# One model of each family trains by XLA, as each would by itself; the others without it, which compiles in a third of
# the time. What "auto" chooses is asked of them all.
BY_XLA = "autoencoder vae vae_full_gaussian vae_student vae_logistic vae_negative_binomial vae_vamp vae_iaf".split()
BY_XLA += "hierarchical vae_columns sequence_gru sequence_attention conditional m2 gan vaegan vq diffusion made".split()
BY_XLA += ["rbm"]


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, tmp_path_factory):
    """One short training of each model, shared by the tests below: (name, model, weights before, history, file)."""
    keras.utils.set_random_seed(1)
    model = MODELS[request.param]()
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    model.compile(keras.optimizers.Adam(0.01), jit_compile="auto" if request.param in BY_XLA else False)
    history = model.fit(*data(request.param), epochs=3, validation_data=data(request.param, 20, 1), verbose=0).history
    file = tmp_path_factory.mktemp("models") / f"{request.param}.keras"
    model.save(file)
    return request.param, model, before, history, file


def test_every_trainable_weight_is_tracked_and_moves(fitted):
    name, model, before, _, _ = fitted
    parts = ("encoder", "decoder", "generator", "discriminator", "prior_part", "posterior_part", "likelihood_part")
    parts = [getattr(model, part, None) for part in parts]
    networks = [weight for part in parts if part for weight in part.trainable_weights]
    tracked = {id(weight) for weight in model.trainable_weights}
    assert all(id(weight) in tracked for weight in networks), f"{name}: a network's weight is not tracked"
    still = [w.path for w, old in zip(model.trainable_weights, before) if np.array_equal(w.numpy(), old)]
    assert not still, f"{name}: these weights never moved: {still}"


def test_training_improves_and_stays_finite(fitted):
    name, _, _, history, _ = fitted
    assert all(np.isfinite(values).all() for values in history.values()), f"{name}: {history}"
    if name not in {**ADVERSARIAL, **DIFFUSION}:  # where one player gains what the other loses; where steps are drawn
        assert history["loss"][-1] < history["loss"][0], f"{name} does not learn"


def test_history_has_training_and_validation_of_the_same_terms(fitted):
    _, _, _, history, _ = fitted
    training = {key for key in history if not key.startswith("val_")}
    assert {f"val_{key}" for key in training} == set(history) - training


@pytest.mark.parametrize("name", MODELS)
def test_xla_is_on_for_dense_networks_only(name):
    model = MODELS[name]()
    model.compile()
    gpu = bool(tf.config.list_physical_devices("GPU"))
    assert model.jit_compile is (gpu or name not in ("vae_conv", "denoising"))


def test_xla_is_off_where_a_layer_draws_noise():
    """It would draw anew for every product that reads the noise: seven times slower for dropout on pixels."""
    pixels, encoder = keras.Input(SHAPE), networks.mlp_encoder(SHAPE, 2 * LATENT_SIZE, (16,))
    encoder = keras.Model(pixels, encoder(keras.layers.Dropout(0.5)(pixels)))
    model = VAE(encoder, networks.mlp_decoder(LATENT_SIZE, SHAPE, (16,)))
    model.compile()
    assert model.jit_compile is bool(tf.config.list_physical_devices("GPU"))


def test_evaluate_counts_every_example_and_names_its_results(fitted):
    name, model, _, history, _ = fitted
    results = model.evaluate(*data(name, 20, 2), verbose=0, return_dict=True)
    assert results == model.evaluate(*data(name, 20, 2), verbose=0, return_dict=True), "twice gives the same"
    assert set(results) == {key for key in history if not key.startswith("val_")}
    assert all(np.isfinite(value) for value in results.values())


def test_predict_gives_one_result_per_example(fitted):
    name, model, *_ = fitted
    predicted = model.predict(inputs(name, 20, 2), verbose=0)
    arrays = predicted.values() if isinstance(predicted, dict) else [predicted]
    assert all(len(array) == 20 and np.isfinite(array).all() for array in arrays)
    again = model.predict(inputs(name, 20, 2), verbose=0)
    keras.tree.map_structure(np.testing.assert_array_equal, predicted, again)


def inputs(name, n, seed):
    """x, or the pair (x, c) of a model that is conditional."""
    found = data(name, n, seed)
    return found if name in CONDITIONAL else found[0]


def coded(name, n, seed):
    """As `inputs`; with every label known."""
    found = inputs(name, n, seed)
    return (found[0], np.abs(found[1])) if name == "m2" else found


def test_a_loaded_model_is_the_saved_one(fitted):
    name, model, _, _, file = fitted
    loaded, again = keras.saving.load_model(file), keras.saving.load_model(file)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    if name not in ("gan", *DIFFUSION):
        np.testing.assert_array_equal(model.encode(coded(name, 20, 3)), loaded.encode(coded(name, 20, 3)))
    x = inputs(name, 20, 3)
    # The stream of random codes is saved too: the same draws, hence the same terms.
    keras.tree.map_structure(np.testing.assert_array_equal, loaded(x), again(x))
    assert loaded.jit_compile == model.jit_compile
    assert type(loaded) is type(model)


def test_a_loaded_model_trains_on_where_it_was(tmp_path):
    keras.utils.set_random_seed(2)
    model = VAES["vae_mixture_prior"]()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(images(64), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.optimizer.iterations) == 4
    runs = [m.fit(images(64), shuffle=False, verbose=0).history["loss"] for m in (model, loaded)]
    np.testing.assert_allclose(*runs, rtol=1e-5)


@pytest.mark.parametrize("name", ["vae_free_bits", "gan"])
def test_a_model_that_starts_again_trains_as_a_new_one(name):
    """Bit for bit, learning rates, momenta and random draws included."""

    def new(seed):
        keras.utils.set_random_seed(seed)
        return MODELS[name]()

    def run(model):
        history = model.fit(images(), epochs=2, shuffle=False, verbose=0).history
        return [value for values in history.values() for value in values]

    first, second = new(4), new(5)
    for model in (first, second):
        model.compile(keras.optimizers.Adam(0.01))
    once = run(first)
    run(second)
    second.start_from(new(4))
    assert run(second) == once
    assert float(second.optimizer.learning_rate) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="same weights as"):
        first.start_from(coder())


def test_codes_and_pictures_have_the_shapes_promised(fitted):
    name, model, *_ = fitted
    if name in DIFFUSION:
        assert model.sample(6, seed=0).shape == (6, *SHAPE)
        return
    found, codes = coded(name, 5, 4), np.zeros((4, LATENT_SIZE))
    shape = data(name, 5)[0].shape[1:]
    if name in DISCRETE:
        codes = np.zeros((4, 4), int)
    if name != "gan":
        assert model.encode(found).shape == (5, *codes.shape[1:])
    view = model
    if name in CONDITIONAL:
        for call in (model.sample, model.decode, model.reconstruct):
            with pytest.raises(ValueError, match="Say what is given"):
                call(4)
        found, view = found[0], model.given(found[1][0] if name != "m2" else 1)
        assert view.encode(found).shape == (5, LATENT_SIZE)
    assert view.decode(codes).shape == (4, *shape)
    if name != "gan":
        assert view.reconstruct(found).shape == (5, *shape)
    if name in DISCRETE:
        assert model.encode(found).dtype == np.int32
    if name == "vq":
        with pytest.raises(ValueError, match=r"no fitted prior .* priors.CodeMap\(4, 8\).*Received: prior None"):
            model.sample(6)
        return
    if hasattr(view, "sample"):
        assert view.sample(6, seed=0).shape == (6, *shape)
        np.testing.assert_array_equal(view.sample(6, seed=0), view.sample(6, seed=0))
    if hasattr(view, "log_weights"):
        drawn = view.sample(6, seed=0, noise=True)
        assert drawn.shape == (6, *shape) and np.isfinite(drawn).all()


def test_bytes_and_floats_are_the_same_pixels(fitted):
    name, model, *_ = fitted
    if name in ("conditional", "m2", "conditional_numbers", *DIFFUSION) or data(name)[0].dtype != np.uint8:
        return
    x, measure = images(5), model if name == "gan" else model.encode
    np.testing.assert_allclose(measure(x), measure(x.astype("float32") / 255), atol=1e-5)


def test_mixed_precision_leaves_the_outputs_in_float32():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        for name in ("vae", "autoencoder"):
            model = MODELS[name]()
            assert model.encoder.layers[-1].compute_dtype == "float16"
            for optimizer in ("adam", keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())):
                model.compile(optimizer)
                assert np.isfinite(model.fit(images(), verbose=0).history["loss"]).all()
            outputs = model(images(4))
            assert all(o.dtype == tf.float32 for o in (outputs.values() if isinstance(outputs, dict) else [outputs]))
    finally:
        keras.mixed_precision.set_global_policy("float32")


# --- the fast path of fit is Keras's fit ---


def sgd_weights(x, **options):
    keras.utils.set_random_seed(3)
    model = MODELS["autoencoder"]()
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    model.fit(x, epochs=2, batch_size=16, shuffle=False, verbose=0, **options)
    return model.get_weights()


def test_resident_data_gives_the_weights_of_keras_own_pipeline():
    x = images(64)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(16)
    keras.utils.set_random_seed(3)
    model = MODELS["autoencoder"]()
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    model.fit(batches, epochs=2, verbose=0)
    for ours, stock in zip(sgd_weights(x), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, stock, atol=1e-6)


def test_one_program_for_many_steps_gives_the_weights_of_keras_own_steps():
    x = images(43 * 4)

    def run(*data, **options):
        keras.utils.set_random_seed(3)
        model = VAES["vae"]()
        model.compile(jit_compile=True)
        history = model.fit(*data, epochs=2, verbose=0, **options).history
        return history, model.get_weights(), int(model.optimizer.iterations)

    history, weights, steps = run(x, batch_size=4, shuffle=False)
    stock_history, stock_weights, stock_steps = run(tf.data.Dataset.from_tensor_slices(x).batch(4))  # Keras's own loop
    assert steps == stock_steps == 86
    for name, values in history.items():
        np.testing.assert_allclose(values, stock_history[name], rtol=1e-5)
    for ours, stock in zip(weights, stock_weights, strict=True):
        np.testing.assert_allclose(ours, stock, atol=1e-6)


def test_sample_weights_count_in_fit():
    x, weights = images(64), np.r_[np.ones(32), np.zeros(32)].astype("float32")
    twice = sgd_weights(np.concatenate([x[:32], x[:32]]), sample_weight=weights)
    for a, b in zip(sgd_weights(x, sample_weight=weights), twice, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_each_epoch_has_its_own_order_and_the_seed_repeats_it():
    def run():
        keras.utils.set_random_seed(5)
        model = VAES["vae"]()
        model.compile()
        return model.fit(images(), epochs=2, verbose=0).history

    first = run()
    assert first == run()


def test_new_data_replace_old_data_even_when_changed_in_place():
    x = np.zeros((32, *SHAPE), "float32")
    model = MODELS["autoencoder"]()
    model.compile(keras.optimizers.SGD(0.0))
    dark = model.fit(x, verbose=0).history["loss"][0]
    x += 1.0
    assert model.fit(x, verbose=0).history["loss"][0] == pytest.approx(model.evaluate(x, verbose=0), rel=1e-5) != dark


def test_fit_accepts_what_keras_accepts():
    model = MODELS["autoencoder"]()
    model.compile(metrics=["mae"])
    x = images(40)
    assert "val_mae" in model.fit(x, validation_split=0.2, verbose=0).history
    assert "mae" in model.fit(x, x, steps_per_epoch=1, verbose=0).history
    model.fit(tf.data.Dataset.from_tensor_slices(x).batch(8), validation_data=x[:7], verbose=0)
    model.fit(x[:3], batch_size=128, verbose=0)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=1e9, restore_best_weights=True)
    assert len(model.fit(x, epochs=9, validation_data=(x, x), callbacks=[stop], verbose=0).epoch) == 2


def test_beta_obeys_a_change_between_fits():
    model = VAES["vae"]()
    model.compile(keras.optimizers.SGD(0.0))
    for beta in (1.0, 4.0):
        model.beta = beta
        record = {key: value[0] for key, value in model.fit(images(), verbose=0).history.items()}
        assert record["loss"] == pytest.approx(beta * record["kl"] - record["reconstruction"], rel=1e-5)
        assert record["elbo"] == pytest.approx(record["reconstruction"] - record["kl"], rel=1e-5)


def test_a_checkpoint_callback_and_a_schedule_work(tmp_path):
    model = VAES["vae"]()
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 10)))
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_elbo", mode="max", save_best_only=True)
    model.fit(images(), epochs=2, validation_data=(images(8),), callbacks=[best], verbose=0)
    assert isinstance(keras.saving.load_model(tmp_path / "best.keras"), VAE)


def test_two_devices_learn_as_one():
    """The same fit under MirroredStrategy on two logical CPU devices: tests/two_devices.py says what is compared."""
    program = Path(__file__).with_name("two_devices.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_two_processes_learn_as_one(tmp_path):
    """The same fit under MultiWorkerMirroredStrategy in two processes, where Keras's own models fail."""
    program, cluster = Path(__file__).with_name("two_workers.py"), {"worker": []}
    while len(set(cluster["worker"])) < 2:
        cluster["worker"] = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in range(2)]
    settings = [{"TF_CONFIG": json.dumps(task)} for task in tasks]
    files = [tmp_path / f"{name}.npz" for name in ("first", "second", "alone")]
    runs = [
        subprocess.Popen(
            [sys.executable, program, file], env={**os.environ, **setting}, stderr=subprocess.PIPE, text=True
        )
        for file, setting in zip(files, [*settings, {}])
    ]
    for run in runs:
        said = run.communicate(timeout=250)[1]
        assert run.returncode == 0, said[-2000:]
    first, second, alone = (np.load(file) for file in files)
    np.testing.assert_array_equal(first["moved"], second["moved"], err_msg="the processes hold different weights")
    np.testing.assert_allclose(first["moved"], alone["moved"], rtol=0.05, atol=0.01 * abs(alone["moved"]).max())
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(first[name], alone[name], rtol=1e-3)


# --- errors that help ---

GRAY = np.full((4, *SHAPE), 0.3, "float32")


@pytest.mark.parametrize(
    ("model", "x", "message"),
    [
        ("vae", GRAY * 255, r"\[0, 1\].*Divide by 255.*76.5"),
        ("vae", (GRAY * 255).astype(int), r"\[0, 1\].*astype\('uint8'\).*76"),
        ("vae", GRAY - 1, r"must lie in \[0, 1\].*-0.7"),
        ("vae", GRAY * np.nan, "must be finite.*256 values"),
        ("vae", GRAY[..., 0], r"add the channel axis.*Received: \[4, 8, 8\]"),
        ("vae", GRAY[:, :5], r"must have shape \[n, 8, 8, 1\].*\[4, 5, 8, 1\]"),
        ("vae", GRAY[:0], "at least one example"),
        ("vae", GRAY.astype(str), "array of numbers"),
        ("vae_logistic", GRAY, "grid 0, 1/255, ..., 1"),
        ("autoencoder", GRAY[..., 0], "add the channel axis"),
    ],
)
def test_bad_data_get_a_sentence_that_names_them(model, x, message):
    model = MODELS[model]()
    model.compile()
    for call in (model.fit, model.evaluate, model.predict, model.encode):
        with pytest.raises(ValueError, match=message):
            call(x)
    with pytest.raises(ValueError, match="validation x"):
        model.fit(images(8), validation_data=(x,))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: VAE(*pair(), likelihood="bernouli"), "Unknown likelihood.*'bernouli'"),
        (lambda: VAE(*pair(), posterior="normal"), "Unknown posterior.*'gaussian'.*'normal'"),
        (
            lambda: VAE(*pair(), likelihood=likelihoods.Gaussian("decoder")),
            r"a Gaussian likelihood of examples \[8, 8, 1\].*\[8, 8, 2\].*Received.*8, 8, 1\]",
        ),
        (lambda: VAE(*pair(outputs=7)), "A Gaussian posterior over 1, 2, 3, ... latents needs 2, 4, 6.*7 outputs"),
        (lambda: VAE(*pair(outputs=8)), r"codes \[batch, 4\].*3\]"),
        (lambda: VAE(*pair(outputs=8), posterior="full_gaussian"), "FullGaussian posterior.*2, 5, 9, 14.*8 outputs"),
        (lambda: VAE(*pair(), prior="normal"), "Unknown prior.*'standard_normal'.*'normal'"),
        (lambda: VAE(*pair(), prior=keras.layers.Dense(3)), "prior must be a name .*or a Prior.*Dense"),
        (lambda: VAE(*pair(), likelihood=likelihoods.Gaussian(-1.0)), "positive number.*-1.0"),
        (lambda: VAE(*pair(), likelihood=likelihoods.Gaussian("wide")), '"per_feature" or "decoder".*\'wide\''),
        (lambda: VAE(*pair(), prior=priors.GaussianMixture(2)), r"built for \[2\] and cannot serve \[3\]"),
        (lambda: Autoencoder(*pair()), r"codes \[batch, 6\].*3\]"),
    ],
)
def test_networks_that_do_not_fit_get_a_sentence(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def pair(outputs=2 * LATENT_SIZE):
    """An encoder with so many outputs, and a decoder for three latents and one channel."""
    return networks.mlp_encoder(SHAPE, outputs, hidden=(4,)), networks.mlp_decoder(LATENT_SIZE, SHAPE, hidden=(4,))


def test_a_forgotten_compile_and_forgotten_data_get_a_sentence():
    model = MODELS["vae"]()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="compile.. first"):
            call(images(4))
    model.compile()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="Received: None"):
            call(None)


def test_codes_of_the_wrong_size_get_a_sentence():
    with pytest.raises(ValueError, match=r"\[n, 3\].*\[4, 2\]"):
        conv_vae().decode(np.zeros((4, 2)))
