"""Augmentation: what changes x in training, anew in each step, and nowhere else; dynamic binarization is one."""

from vae_course import layers, networks
from vae_course.models import VAE, VAEGAN

import keras
import numpy as np
import pytest
from models_under_test import SHAPE, discriminator, images, vae


@keras.saving.register_keras_serializable("tests")
class Negative(keras.layers.Layer):
    def call(self, x, training=False):
        return 1.0 - x if training else x


def gray(n=64, seed=0):
    return images(n, seed=seed).astype("float32") / 255


def trained(x, cls=VAE, **options):
    keras.utils.set_random_seed(3)
    model = vae(cls, **options)
    model.compile(keras.optimizers.SGD(1e-3))
    history = model.fit(x, epochs=2, shuffle=False, validation_data=(gray(20, seed=1),), verbose=0).history
    return model, history


def same_weights(a, b):
    for ours, theirs in zip(a.trainable_weights, b.trainable_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_binarize_draws_a_pixel_with_its_gray_value_as_the_probability():
    x = np.tile(np.linspace(0, 1, 11, dtype="float32"), (20000, 1))
    drawn = layers.Binarize(seed=0)(x, training=True).numpy()
    assert set(np.unique(drawn)) == {0.0, 1.0} and drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(axis=0), x[0], atol=5 * 0.5 / np.sqrt(len(x)))
    np.testing.assert_array_equal(drawn[:, [0, -1]], x[:, [0, -1]], err_msg="pixels of 0 and 1 stay")


def test_binarize_draws_anew_and_repeats_with_its_seed_and_only_in_training():
    x, layer = gray(), layers.Binarize(seed=4)
    first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    assert (first != second).any()
    np.testing.assert_array_equal(layers.Binarize(seed=4)(x, training=True), first)
    np.testing.assert_array_equal(layer(x), x)


@pytest.mark.parametrize("data", [gray(), images(64)], ids=["floats", "bytes"])
def test_training_is_on_the_changed_images_and_validation_on_those_given(data):
    (changed, history), (plain, expected) = trained(data, augmentation=Negative()), trained(1.0 - gray())
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], expected["val_loss"], rtol=1e-5)
    same_weights(changed, plain)


def test_images_that_are_binary_already_are_trained_on_as_they_are():
    x = (gray() > 0.5).astype("float32")
    (drawn, history), (plain, expected) = trained(x, augmentation=layers.Binarize()), trained(x)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    same_weights(drawn, plain)


def test_the_loss_on_drawn_images_is_the_loss_on_gray_ones_on_average():
    """The Bernoulli log-probability is linear in x, so for a decoder that ignores z the expectations agree."""

    def losses(augmentation):
        keras.utils.set_random_seed(0)
        encoder = networks.mlp_encoder(SHAPE, 6, hidden=())
        encoder.set_weights([np.zeros((64, 6)), np.zeros(6)])
        decoder = networks.mlp_decoder(3, SHAPE, hidden=())
        decoder.set_weights([np.zeros((3, 64)), np.linspace(-2, 2, 64)])
        model = VAE(encoder, decoder, augmentation=augmentation)
        model.compile(keras.optimizers.SGD(0.0))
        return np.array(model.fit(gray(), epochs=40, shuffle=False, verbose=0).history["loss"])

    drawn, still = losses(layers.Binarize()), losses(None)
    assert drawn.std() > 1e-3 > still.std(), "drawn anew in each epoch"
    assert abs(drawn.mean() - still.mean()) < 5 * drawn.std() / np.sqrt(len(drawn))


def test_the_vae_gan_trains_on_changed_images_too():
    def first_loss(x, **options):
        keras.utils.set_random_seed(5)  # of the discriminator
        return trained(x, VAEGAN, discriminator=discriminator(), **options)[1]["feature_loss"][0]

    assert first_loss(gray(), augmentation=Negative()) == pytest.approx(first_loss(1.0 - gray()), rel=1e-5)


def test_layers_of_keras_work_whether_or_not_xla_knows_them():
    for layer in (keras.layers.RandomFlip("horizontal"), keras.layers.RandomTranslation(0.1, 0.1)):
        assert np.isfinite(trained(gray(), augmentation=layer)[1]["loss"]).all()


def test_the_augmentation_is_saved_and_its_draws_start_again(tmp_path):
    def new():
        keras.utils.set_random_seed(8)
        model = vae(augmentation=layers.Binarize())
        model.compile()
        return model

    def run(model):
        return model.fit(gray(), epochs=2, shuffle=False, verbose=0).history["loss"]

    first, second = new(), new()
    once = run(first)
    run(second)
    second.start_from(new())
    assert run(second) == once
    first.save(tmp_path / "model.keras")
    assert isinstance(keras.saving.load_model(tmp_path / "model.keras").augmentation, layers.Binarize)


def test_anything_but_a_layer_is_refused():
    with pytest.raises(ValueError, match="augmentation must be a Keras layer.*'binarize'"):
        vae(augmentation="binarize")
