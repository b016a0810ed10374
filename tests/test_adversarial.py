"""Two players: who receives which gradient, known losses, and training that goes on where it was."""

from vae_course.models import VAEGAN

import keras
import numpy as np
import pytest
import tensorflow as tf
from models_under_test import ADVERSARIAL, SHAPE, discriminator, gan, images, vae


def vaegan(**options):
    return vae(VAEGAN, discriminator=discriminator(), **options)


def frozen(optimizer=0.0, critic=0.0, epochs=1, make=vaegan, **options):
    """A model after some steps with these learning rates, and its weights before."""
    keras.utils.set_random_seed(2)
    model = make(**options)
    before = {name: part.get_weights() for name, part in parts(model).items()}
    model.compile(keras.optimizers.SGD(optimizer), keras.optimizers.SGD(critic))
    model.fit(images(), epochs=epochs, verbose=0)
    return model, before


def parts(model):
    names = ("encoder", "decoder", "generator", "discriminator")
    return {name: getattr(model, name) for name in names if hasattr(model, name)}


def moved(model, before):
    return {
        name for name, part in parts(model).items()
        if any((new != old).any() for new, old in zip(part.get_weights(), before[name]))
    }  # fmt: skip


@pytest.mark.parametrize("make", [gan, vaegan])
def test_each_optimizer_moves_its_own_player_only(make):
    players = {"generator"} if make is gan else {"encoder", "decoder"}
    assert moved(*frozen(0.1, 0.0, make=make)) == players
    assert moved(*frozen(0.0, 0.1, make=make)) == {"discriminator"}


def gradients_of(model, loss, part):
    keras.utils.set_random_seed(5)
    with tf.GradientTape() as tape:
        losses = model._both_losses(tf.constant(images(16), tf.float32) / 255, training=True)
    return [0 if g is None else g.numpy() for g in tape.gradient(losses[loss], part.trainable_variables)]


@pytest.mark.parametrize(
    "part, loss, others",
    [
        ("encoder", "encoder_loss", {"gamma": 50.0}),  # the weight of the decoder's term must not reach the encoder
        ("decoder", "decoder_loss", {"kl_weight": 50.0}),  # nor that of the encoder's the decoder
        ("discriminator", "discriminator_loss", {"gamma": 50.0, "kl_weight": 50.0}),
    ],
)
def test_a_step_follows_the_players_own_loss_and_no_other(part, loss, others):
    """One step of gradient descent moves each network by its own gradient: nothing leaks."""
    rate = 0.1
    for options in ({}, others):
        keras.utils.set_random_seed(2)
        model = vaegan(**options)
        model._seeds.state.assign([7, 7])
        expected = gradients_of(model, loss, parts(model)[part])
        before = parts(model)[part].get_weights()
        model._seeds.state.assign([7, 7])  # the same draws
        model.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate), jit_compile=False)
        model.fit(images(16), batch_size=16, shuffle=False, verbose=0)
        for new, old, gradient in zip(parts(model)[part].get_weights(), before, expected, strict=True):
            np.testing.assert_allclose(old - new, rate * gradient, atol=2e-6)


def test_the_terms_of_the_vaegan_are_those_of_larsen():
    model = vaegan(gamma=0.3, kl_weight=2.0, r1=0.0)
    model.compile()
    losses = model.evaluate(images(32), verbose=0, return_dict=True)
    assert losses["encoder_loss"] == pytest.approx(2 * losses["kl"] + losses["feature_loss"], rel=1e-4)
    assert losses["decoder_loss"] == pytest.approx(0.3 * losses["feature_loss"] + losses["generator_loss"], rel=1e-4)


def test_losses_have_their_textbook_values():
    """A discriminator that always says 0 pays log 4, and 2 with the hinge; a smoothed label changes nothing there."""
    for options, discriminator_loss, generator_loss in (
        ({}, np.log(4), np.log(2)),
        ({"label_smoothing": 0.1}, np.log(4), np.log(2)),
        ({"adversarial_loss": "hinge"}, 2, 0),
        ({"r1": 5.0}, np.log(4), np.log(2)),
    ):
        model = gan(**options)
        model.discriminator.layers[-1].set_weights([np.zeros((8, 1)), np.zeros(1)])
        model.compile()
        found = model.evaluate(images(), verbose=0, return_dict=True)
        assert found["discriminator_loss"] == pytest.approx(discriminator_loss, rel=1e-5)
        assert found["generator_loss"] == pytest.approx(generator_loss, rel=1e-5, abs=1e-6)


def test_a_smoothed_label_costs_a_sure_discriminator():
    model = gan(label_smoothing=0.1)
    model.discriminator.layers[-1].set_weights([np.zeros((8, 1)), np.full(1, 20.0)])  # "real", whatever it sees
    model.compile()
    found = model.evaluate(images(), verbose=0, return_dict=True)["discriminator_loss"]
    assert found == pytest.approx(20 + 0.1 * 20, rel=1e-3), "20 for the fakes, and a tenth of 20 for the real ones"


def test_r1_is_the_squared_slope():
    linear = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(1)])
    linear.layers[-1].set_weights([np.full((64, 1), 0.5), np.zeros(1)])
    slopes = []
    for r1 in (0.0, 3.0):
        keras.utils.set_random_seed(0)
        model = gan(discriminator=linear, r1=r1)
        model.compile()
        slopes.append(model.evaluate(images(), verbose=0, return_dict=True)["discriminator_loss"])
    assert slopes[1] - slopes[0] == pytest.approx(0.5 * 3 * 64 * 0.25, rel=1e-4)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_loaded_model_trains_on_where_both_players_were(name, tmp_path):
    keras.utils.set_random_seed(2)
    model = ADVERSARIAL[name]()
    model.compile()
    model.fit(images(64), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.optimizer.iterations) == int(loaded.discriminator_optimizer.iterations) == 4
    runs = [m.fit(images(64), shuffle=False, verbose=0).history for m in (model, loaded)]
    for term in runs[0]:
        np.testing.assert_allclose(runs[1][term], runs[0][term], rtol=1e-5)


def test_spectral_normalization_keeps_its_own_state(tmp_path):
    normal = keras.layers.SpectralNormalization(keras.layers.Dense(8, activation="relu"))
    critic = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), normal, keras.layers.Dense(1)])
    model = gan(discriminator=critic)
    model.compile()
    before = [weight.numpy().copy() for weight in critic.non_trainable_weights]
    model.fit(images(), epochs=2, verbose=0)
    assert any((new.numpy() != old).any() for new, old in zip(critic.non_trainable_weights, before))
    assert np.linalg.norm(normal.layer.kernel.numpy(), 2) == pytest.approx(1, rel=0.2)


def test_a_sequential_discriminator_will_do():
    critic = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(5), keras.layers.Dense(1)]
    )
    model = vae(VAEGAN, discriminator=critic)
    model.compile()
    assert np.isfinite(model.fit(images(), verbose=0).history["feature_loss"]).all()


def test_wrong_players_are_refused():
    two = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="one logit.*2"):
        gan(discriminator=two)
    small = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"take examples \[8, 8, 1\].*\[4, 4, 1\]"):
        gan(discriminator=small)
    with pytest.raises(ValueError, match="'wasserstein'"):
        gan(adversarial_loss="wasserstein")
    with pytest.raises(ValueError, match="label_smoothing in"):
        gan(label_smoothing=0.7)
