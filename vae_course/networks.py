"""Encoders and decoders: Keras models from tensors to tensors, whose last layer is linear.

An encoder ends in `outputs` numbers: `latent_size` for an autoencoder, 2 * latent_size (mean and raw scale) for a VAE
with a diagonal posterior. A decoder ends in the shape of its likelihood's parameters: logits or means.
"""

import math

import keras
from keras import layers


def mlp_encoder(shape, outputs, hidden=(256,), activation="relu", name="encoder"):
    """Dense layers from examples [batch, *shape] to [batch, outputs]. Built in chapter 01."""
    x = inputs = keras.Input(shape)
    x = layers.Flatten()(x)
    for units in hidden:
        x = layers.Dense(units, activation=activation)(x)
    return keras.Model(inputs, layers.Dense(outputs)(x), name=name)


def mlp_decoder(latent_size, shape, hidden=(256,), activation="relu", name="decoder"):
    """Dense layers from codes [batch, latent_size] to [batch, *shape]. Built in chapter 01."""
    z = inputs = keras.Input((latent_size,))
    for units in hidden:
        z = layers.Dense(units, activation=activation)(z)
    z = layers.Dense(math.prod(shape))(z)
    return keras.Model(inputs, layers.Reshape(tuple(shape))(z), name=name)


def conv_encoder(shape, outputs, filters=(32, 64), units=128, activation="relu", name="encoder"):
    """Convolutions of stride 2 from images [batch, *shape] to [batch, outputs]. Built in chapter 01."""
    _check_image(shape)
    x = inputs = keras.Input(shape)
    for channels in filters:
        x = layers.Conv2D(channels, 3, strides=2, padding="same", activation=activation)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(units, activation=activation)(x)
    return keras.Model(inputs, layers.Dense(outputs)(x), name=name)


def conv_decoder(latent_size, shape, filters=(64, 32), units=128, activation="relu", name="decoder"):
    """Transposed convolutions of stride 2 from codes [batch, latent_size] to [batch, *shape]. Built in chapter 01.

    The first feature map is height / 2^len(filters), rounded up; what is too large at the end is cropped.
    """
    _check_image(shape)
    height, width, channels = shape
    step = 2 ** len(filters)
    rows, columns = math.ceil(height / step), math.ceil(width / step)
    z = inputs = keras.Input((latent_size,))
    z = layers.Dense(units, activation=activation)(z)
    z = layers.Dense(rows * columns * filters[0], activation=activation)(z)
    z = layers.Reshape((rows, columns, filters[0]))(z)
    for maps in filters:
        z = layers.Conv2DTranspose(maps, 3, strides=2, padding="same", activation=activation)(z)
    z = layers.Conv2D(channels, 3, padding="same")(z)
    extra = (rows * step - height, columns * step - width)
    if any(extra):
        z = layers.Cropping2D(((0, extra[0]), (0, extra[1])))(z)
    return keras.Model(inputs, z, name=name)


def _check_image(shape):
    if len(shape) != 3:
        raise ValueError(f"A convolutional network needs images [height, width, channels]. Received: {tuple(shape)}")
