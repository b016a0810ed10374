"""Encoders and decoders: Keras models from tensors to tensors, whose last layer is linear.

An encoder ends in `outputs` numbers: `latent_size` for an autoencoder, 2 * latent_size (mean and raw scale) for a VAE
with a diagonal posterior. A decoder ends in the shape of its likelihood's parameters: logits or means.

    example                         shape                       encoder and decoder
    a table, or anything flattened  [...]                       mlp_encoder, mlp_decoder
    an image                        [height, width, channels]   conv_encoder, conv_decoder
    an image, deeper                [height, width, channels]   residual_encoder, residual_decoder
    a signal                        [length, channels]          conv1d_encoder, conv1d_decoder
    a signal, step by step          [length, channels]          recurrent_encoder, recurrent_decoder
    tokens                          [length]                    recurrent_encoder with a vocabulary, reader

With `condition_size=n`, encoders and decoders take a second input, a condition [batch, n]: `encoder([x, c])`.
"""

import math
from collections.abc import Callable, Sequence

from vae_course.layers import FillMissing

import keras
from keras import layers


def mlp_encoder(
    shape: Sequence[int],
    outputs: int,
    hidden: Sequence[int] = (256,),
    activation: str | Callable | None = "relu",
    name: str = "encoder",
    condition_size: int = 0,
    missing: bool = False,
) -> keras.Model:
    """Dense layers from examples [batch, *shape] to [batch, outputs]. Built in chapter 01.

    With `missing=True` examples may hold NaN: `layers.FillMissing` is the first layer.
    """
    x = inputs = keras.Input(shape)
    if missing:
        x = FillMissing()(x)
    inputs, x = _beside(inputs, layers.Flatten()(x), condition_size)
    for units in hidden:
        x = layers.Dense(units, activation=activation)(x)
    return keras.Model(inputs, layers.Dense(outputs)(x), name=name)


def mlp_decoder(
    latent_size: int,
    shape: Sequence[int],
    hidden: Sequence[int] = (256,),
    activation: str | Callable | None = "relu",
    name: str = "decoder",
    condition_size: int = 0,
) -> keras.Model:
    """Dense layers from codes [batch, latent_size] to [batch, *shape]. Built in chapter 01."""
    inputs = keras.Input((latent_size,))
    inputs, z = _beside(inputs, inputs, condition_size)
    for units in hidden:
        z = layers.Dense(units, activation=activation)(z)
    z = layers.Dense(math.prod(shape))(z)
    return keras.Model(inputs, layers.Reshape(tuple(shape))(z), name=name)


def conv_encoder(
    shape: Sequence[int],
    outputs: int,
    filters: Sequence[int] = (32, 64),
    units: int = 128,
    activation: str | Callable | None = "relu",
    name: str = "encoder",
    condition_size: int = 0,
) -> keras.Model:
    """Convolutions of stride 2 from images [batch, *shape] to [batch, outputs]. Built in chapter 01."""
    _check_image(shape)
    x = inputs = keras.Input(shape)
    for maps in filters:
        x = layers.Conv2D(maps, 3, strides=2, padding="same", activation=activation)(x)
    return _to_outputs(inputs, layers.Flatten()(x), outputs, units, activation, name, condition_size)


def conv_decoder(
    latent_size: int,
    shape: Sequence[int],
    filters: Sequence[int] = (64, 32),
    units: int = 128,
    activation: str | Callable | None = "relu",
    name: str = "decoder",
    condition_size: int = 0,
) -> keras.Model:
    """Transposed convolutions of stride 2 from codes [batch, latent_size] to [batch, *shape]. Built in chapter 01.

    The first feature map is height / 2^len(filters), rounded up; what is too large at the end is cropped.
    """
    _check_image(shape)
    inputs, z = _from_code(latent_size, shape, filters, units, activation, condition_size)
    for maps in filters:
        z = layers.Conv2DTranspose(maps, 3, strides=2, padding="same", activation=activation)(z)
    z = layers.Conv2D(shape[-1], 3, padding="same")(z)
    return keras.Model(inputs, _crop(z, shape), name=name)


def conv1d_encoder(
    shape: Sequence[int],
    outputs: int,
    filters: Sequence[int] = (32, 64),
    units: int = 128,
    activation: str | Callable | None = "relu",
    name: str = "encoder",
    condition_size: int = 0,
) -> keras.Model:
    """Convolutions of stride 2 along the length, from signals [batch, length, channels] to [batch, outputs]."""
    _check_signal(shape)
    x = inputs = keras.Input(shape)
    for maps in filters:
        x = layers.Conv1D(maps, 3, strides=2, padding="same", activation=activation)(x)
    return _to_outputs(inputs, layers.Flatten()(x), outputs, units, activation, name, condition_size)


def conv1d_decoder(
    latent_size: int,
    shape: Sequence[int],
    filters: Sequence[int] = (64, 32),
    units: int = 128,
    activation: str | Callable | None = "relu",
    name: str = "decoder",
    condition_size: int = 0,
) -> keras.Model:
    """Transposed convolutions of stride 2 from codes [batch, latent_size] to signals [batch, length, channels].

    The first feature map is length / 2^len(filters), rounded up; what is too long at the end is cropped.
    """
    _check_signal(shape)
    inputs, z = _from_code(latent_size, shape, filters, units, activation, condition_size)
    for maps in filters:
        z = layers.Conv1DTranspose(maps, 3, strides=2, padding="same", activation=activation)(z)
    z = layers.Conv1D(shape[-1], 3, padding="same")(z)
    return keras.Model(inputs, _crop(z, shape), name=name)


def residual_encoder(
    shape: Sequence[int],
    outputs: int,
    filters: Sequence[int] = (32, 64),
    blocks: int = 1,
    units: int = 128,
    activation: str | Callable | None = "swish",
    name: str = "encoder",
    condition_size: int = 0,
) -> keras.Model:
    """Convolutions of stride 2, each before residual blocks, from images [batch, *shape] to [batch, outputs].

    Blocks are pre-activated, without batch normalization, and start as the identity.
    Source: He et al. (2016), "Identity mappings in deep residual networks".
    """
    _check_image(shape)
    x = inputs = keras.Input(shape)
    for maps in filters:
        x = layers.Conv2D(maps, 3, strides=2, padding="same")(x)
        for _ in range(blocks):
            x = _residual_block(x, activation)
    x = layers.Flatten()(layers.Activation(activation)(x))
    return _to_outputs(inputs, x, outputs, units, activation, name, condition_size)


def residual_decoder(
    latent_size: int,
    shape: Sequence[int],
    filters: Sequence[int] = (64, 32),
    blocks: int = 1,
    units: int = 128,
    activation: str | Callable | None = "swish",
    name: str = "decoder",
    condition_size: int = 0,
) -> keras.Model:
    """Residual blocks, then a transposed convolution of stride 2, from codes [batch, latent_size] to [batch, *shape].

    Once for each of `filters`. Sizes are those of `conv_decoder`, blocks those of `residual_encoder`.
    """
    _check_image(shape)
    inputs, z = _from_code(latent_size, shape, filters, units, activation, condition_size)
    for maps in filters:
        for _ in range(blocks):
            z = _residual_block(z, activation)
        z = layers.Activation(activation)(z)
        z = layers.Conv2DTranspose(maps, 4, strides=2, padding="same")(z)
    z = layers.Conv2D(shape[-1], 3, padding="same")(layers.Activation(activation)(z))
    return keras.Model(inputs, _crop(z, shape), name=name)


def recurrent_encoder(
    shape: Sequence[int],
    outputs: int,
    units: int = 64,
    vocabulary: int | None = None,
    embedding_size: int = 32,
    activation: str | Callable | None = "relu",
    name: str = "encoder",
    condition_size: int = 0,
) -> keras.Model:
    """A GRU over signals [batch, length, channels], or tokens [batch, length], and a dense layer: [batch, outputs].

    vocabulary: the number of tokens, for shape [length]: whole numbers below it, where 0 is padding, which the GRU
        skips. Without it examples are signals.
    Sources: Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder"; Bowman et al. (2016),
    "Generating sentences from a continuous space".
    """
    if vocabulary is None:
        _check_signal(shape)
        x = inputs = keras.Input(shape)
    elif len(shape) == 1:
        inputs = keras.Input(shape, dtype="int32")
        x = layers.Embedding(vocabulary, embedding_size, mask_zero=True)(inputs)
    else:
        raise ValueError(
            f"With a vocabulary, examples are tokens [length]. Received: shape {tuple(shape)}. "
            "For signals [length, channels] leave vocabulary out."
        )
    return _to_outputs(inputs, _gru(units)(x), outputs, units, activation, name, condition_size)


def recurrent_decoder(
    latent_size: int, shape: Sequence[int], units: int = 64, name: str = "decoder", condition_size: int = 0
) -> keras.Model:
    """A GRU that reads the code at each step, from codes [batch, latent_size] to [batch, length, channels]."""
    _check_signal(shape)
    length, channels = shape
    inputs = keras.Input((latent_size,))
    inputs, z = _beside(inputs, inputs, condition_size)
    z = layers.RepeatVector(length)(z)
    z = _gru(units, return_sequences=True)(z)
    return keras.Model(inputs, layers.Dense(channels)(z), name=name)


def reader(
    length: int,
    vocabulary: int,
    context_size: int,
    units: int = 64,
    embedding_size: int = 32,
    kind: str = "gru",
    name: str = "reader",
) -> keras.Model:
    """The logits of p(token t | tokens before t, context), for each t: [batch, length, vocabulary].

    Called as `reader([tokens, context])`, with tokens [batch, length] and context [batch, context_size]. The caller
    shifts the tokens one step to the right, so that position t holds token t - 1, and position 0 a start token. Logits
    at t depend on positions up to t, and on the context.

    kind: "gru", or "attention": one transformer block with learned positions.
    Sources: Bowman et al. (2016), "Generating sentences from a continuous space"; Vaswani et al. (2017), "Attention is
    all you need"; normalization before each part as in Xiong et al. (2020).
    """
    if kind not in ("gru", "attention"):
        raise ValueError(f"A reader is of kind 'gru' or 'attention'. Received: kind={kind!r}. Choose one of the two.")
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    context = keras.Input((context_size,), name="context")
    x = layers.Embedding(vocabulary, embedding_size)(tokens)
    x = layers.Concatenate()([x, layers.RepeatVector(length)(context)])
    x = _gru(units, return_sequences=True)(x) if kind == "gru" else _causal_attention(x, units)
    return keras.Model([tokens, context], layers.Dense(vocabulary)(x), name=name)


def _beside(inputs, x, condition_size):
    """A network's inputs, and its features x [batch, size], with the condition [batch, condition_size] beside them."""
    if not condition_size:
        return inputs, x
    condition = keras.Input((condition_size,), name="condition")
    return [inputs, condition], layers.Concatenate()([x, condition])


def _to_outputs(inputs, x, outputs, units, activation, name, condition_size):
    """The end of an encoder: features x [batch, size], and the condition, to [batch, outputs]."""
    inputs, x = _beside(inputs, x, condition_size)
    x = layers.Dense(units, activation=activation)(x)
    return keras.Model(inputs, layers.Dense(outputs)(x), name=name)


def _from_code(latent_size, shape, filters, units, activation, condition_size):
    """The start of a convolutional decoder: its inputs, and the smallest maps [batch, ..., filters[0]]."""
    small = [math.ceil(size / 2 ** len(filters)) for size in shape[:-1]]
    inputs = keras.Input((latent_size,))
    inputs, z = _beside(inputs, inputs, condition_size)
    z = layers.Dense(units, activation=activation)(z)
    z = layers.Dense(math.prod(small) * filters[0], activation=activation)(z)
    return inputs, layers.Reshape((*small, filters[0]))(z)


def _crop(z, shape):
    """z [batch, ..., channels] without what lies beyond the shape, at the right and at the bottom."""
    extra = tuple((0, size - wanted) for size, wanted in zip(z.shape[1:-1], shape[:-1]))
    if not any(after for _, after in extra):
        return z
    return layers.Cropping2D(extra)(z) if len(extra) == 2 else layers.Cropping1D(extra[0])(z)


def _residual_block(x, activation):
    """x + f(x), same shape."""
    y = layers.Activation(activation)(x)
    y = layers.Conv2D(x.shape[-1], 3, padding="same", activation=activation)(y)
    y = layers.Conv2D(x.shape[-1], 3, padding="same", kernel_initializer="zeros")(y)  # f = 0 at first
    return layers.Add()([x, y])


def _gru(units, return_sequences=False):
    return layers.GRU(units, return_sequences=return_sequences, use_cudnn=False)  # XLA cannot compile cuDNN's


def _causal_attention(x, units, heads=4):
    """One transformer block, [batch, length, size] -> [batch, length, units]; t attends to positions up to t."""
    size = math.ceil(units / heads)
    # A bias per position: learned positions.
    x = layers.EinsumDense("bts,su->btu", (x.shape[1], units), bias_axes="tu", bias_initializer="random_normal")(x)
    y = layers.LayerNormalization()(x)
    y = layers.MultiHeadAttention(heads, size)(y, y, use_causal_mask=True)
    x = layers.Add()([x, y])
    y = layers.LayerNormalization()(x)
    y = layers.Dense(4 * units, activation="relu")(y)
    x = layers.Add()([x, layers.Dense(units)(y)])
    return layers.LayerNormalization()(x)


def _check_image(shape):
    if len(shape) != 3:
        instead = " For signals [length, channels] use conv1d_encoder or conv1d_decoder." if len(shape) == 2 else ""
        raise ValueError(
            f"A convolutional network needs images [height, width, channels]. Received: {tuple(shape)}.{instead}"
        )


def _check_signal(shape):
    if len(shape) != 2:
        instead = {
            1: " One channel is [length, 1]; tokens are for recurrent_encoder with a vocabulary.",
            3: " For images use conv_encoder or conv_decoder.",
        }.get(len(shape), "")
        raise ValueError(f"This network needs signals [length, channels]. Received: {tuple(shape)}.{instead}")
