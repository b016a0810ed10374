"""Networks and the layers before them: shapes, conditions, causality, and that the first four are what they were."""

from vae_course import layers, networks

import keras
import numpy as np
import pytest
import tensorflow as tf

LATENT_SIZE, CONDITION_SIZE, LENGTH, VOCABULARY = 3, 5, 10, 7
SMALL = {"filters": (4, 6), "units": 8}
KINDS = ("gru", "attention")

# name -> function, shape of an example, options
ENCODERS = {
    "mlp_encoder": (networks.mlp_encoder, (9, 14, 3), {"hidden": (8,)}),
    "mlp_encoder_table": (networks.mlp_encoder, (6,), {"hidden": (8, 8)}),
    "mlp_encoder_missing": (networks.mlp_encoder, (6,), {"hidden": (8,), "missing": True}),
    "conv_encoder": (networks.conv_encoder, (9, 14, 3), SMALL),
    "conv1d_encoder": (networks.conv1d_encoder, (64, 3), SMALL),
    "conv1d_encoder_odd": (networks.conv1d_encoder, (37, 1), SMALL),
    "residual_encoder": (networks.residual_encoder, (64, 64, 3), SMALL),
    "residual_encoder_odd": (networks.residual_encoder, (9, 14, 1), {"blocks": 2, **SMALL}),
    "recurrent_encoder": (networks.recurrent_encoder, (LENGTH, 3), {"units": 8}),
    "recurrent_encoder_tokens": (networks.recurrent_encoder, (LENGTH,), {"units": 8, "vocabulary": VOCABULARY}),
}
DECODERS = {
    "mlp_decoder": (networks.mlp_decoder, (9, 14, 3), {"hidden": (8,)}),
    "mlp_decoder_table": (networks.mlp_decoder, (6,), {"hidden": (8,)}),
    "conv_decoder": (networks.conv_decoder, (28, 20, 1), SMALL),
    "conv_decoder_odd": (networks.conv_decoder, (9, 14, 3), SMALL),
    "conv_decoder_one_way": (networks.conv_decoder, (8, 13, 3), SMALL),
    "conv1d_decoder": (networks.conv1d_decoder, (64, 3), SMALL),
    "conv1d_decoder_odd": (networks.conv1d_decoder, (37, 1), SMALL),
    "residual_decoder": (networks.residual_decoder, (64, 64, 3), SMALL),
    "residual_decoder_odd": (networks.residual_decoder, (9, 14, 1), {"blocks": 2, **SMALL}),
    "recurrent_decoder": (networks.recurrent_decoder, (LENGTH, 3), {"units": 8}),
}
READERS = {f"reader_{kind}": kind for kind in KINDS}
EVERY = (*ENCODERS, *DECODERS, *READERS)


def build(name, **options):
    """A network whose weights are the same in every run: so small a one is dead for some starts and examples."""
    keras.utils.set_random_seed(0)
    if name in READERS:
        return networks.reader(LENGTH, VOCABULARY, CONDITION_SIZE, units=8, embedding_size=6, kind=READERS[name])
    function, shape, others = (ENCODERS | DECODERS)[name]
    return function(*((shape, 4) if name in ENCODERS else (LATENT_SIZE, shape)), **others, **options)


def inputs_of(network, n=4):
    """Random inputs for a network: one array, or a list of two."""
    random = np.random.default_rng(0)
    inputs = [
        random.integers(1, VOCABULARY, (n, *x.shape[1:])).astype("int32")
        if x.dtype == "int32"
        else random.normal(size=(n, *x.shape[1:])).astype("float32")
        for x in network.inputs
    ]
    return inputs if len(inputs) > 1 else inputs[0]


def output_shape(name):
    if name in READERS:
        return LENGTH, VOCABULARY
    return (4,) if name in ENCODERS else DECODERS[name][1]


@pytest.mark.parametrize("name", EVERY)
def test_shapes(name):
    network = build(name)
    assert network.output_shape == (None, *output_shape(name))
    assert network(inputs_of(network)).shape == (4, *output_shape(name))
    assert network.name in name


@pytest.mark.parametrize("name", EVERY)
def test_the_last_layer_is_linear(name):
    network = build(name)
    last = [layer for layer in network.layers if not isinstance(layer, keras.layers.Reshape)]
    last = [layer for layer in last if "Cropping" not in type(layer).__name__][-1]
    assert last.activation is keras.activations.linear


@pytest.mark.parametrize("name", (*ENCODERS, *DECODERS))
def test_a_condition_matters(name):
    network = build(name, condition_size=CONDITION_SIZE)
    x, condition = inputs_of(network)
    assert condition.shape == (4, CONDITION_SIZE)
    y = network([x, condition])
    assert y.shape == (4, *output_shape(name))
    for other in (network([x, condition[::-1]]), network([x[::-1], condition])):
        assert np.abs(y - other).reshape(4, -1).max(axis=1).min() > 1e-6


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("condition_size", (0, CONDITION_SIZE))
def test_a_network_is_saved_and_loaded(name, condition_size, tmp_path):
    network = build(name, **({"condition_size": condition_size} if condition_size else {}))
    network.save(tmp_path / "network.keras")
    loaded, inputs = keras.saving.load_model(tmp_path / "network.keras"), inputs_of(network)
    np.testing.assert_array_equal(loaded(inputs), network(inputs))


@pytest.fixture
def mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize("name", EVERY)
def test_mixed_precision(name, mixed_precision):
    network = build(name)
    assert np.isfinite(tf.cast(network(inputs_of(network)), "float32")).all()
    assert all(weight.dtype == "float32" for weight in network.trainable_weights)


XLA = (*READERS, "recurrent_encoder", "recurrent_encoder_tokens", "recurrent_decoder", "mlp_encoder_missing")


@pytest.mark.parametrize("name", XLA)
def test_xla_gives_the_same_values_and_finite_gradients(name):
    network = build(name)
    inputs = inputs_of(network)
    if name == "mlp_encoder_missing":
        inputs[::2, 1:4] = np.nan
    if name == "recurrent_encoder_tokens":
        inputs[0, 4:], inputs[1] = 0, 0  # some padding, and nothing but padding

    def step():
        with tf.GradientTape() as tape:
            y = network(inputs)
            loss = tf.reduce_mean(tf.square(y - 1.0))
        gradients = tape.gradient(loss, [weight.value for weight in network.trainable_weights])
        return y, [tf.convert_to_tensor(gradient) for gradient in gradients]  # an Embedding has IndexedSlices

    (y, gradients), (plain, expected) = tf.function(step, jit_compile=True)(), step()
    np.testing.assert_allclose(y, plain, atol=1e-5)
    for gradient, other, weight in zip(gradients, expected, network.trainable_weights):
        assert np.isfinite(gradient).all(), weight.path
        np.testing.assert_allclose(gradient, other, atol=1e-5, err_msg=weight.path)


@pytest.mark.parametrize("name", ("recurrent_encoder_tokens", "mlp_encoder_missing"))
@pytest.mark.parametrize("jit_compile", (True, False))
def test_fit(name, jit_compile):
    network = build(name)
    x = inputs_of(network, n=32)
    x[:, 3:] = 0 if name == "recurrent_encoder_tokens" else np.nan
    network.compile("adam", "mse", jit_compile=jit_compile)
    losses = network.fit(x, np.ones((32, 4)), epochs=3, batch_size=12, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


@pytest.mark.parametrize("name", READERS)
def test_a_reader_sees_nothing_of_what_follows(name):
    network = build(name)
    tokens, context = inputs_of(network)
    logits = np.asarray(network([tokens, context]))
    for t in range(LENGTH):
        changed = tokens.copy()
        changed[:, t] = (tokens[:, t] + 1) % VOCABULARY
        other = np.asarray(network([changed, context]))
        np.testing.assert_array_equal(other[:, :t], logits[:, :t])
        assert np.abs(other[:, t:] - logits[:, t:]).max(axis=-1).min() > 0, "position t, and all later ones, see it"


@pytest.mark.parametrize("name", READERS)
def test_a_reader_sees_its_context_and_where_it_is(name):
    network = build(name)
    tokens, context = inputs_of(network)
    logits, other = np.asarray(network([tokens, context])), np.asarray(network([tokens, context[::-1]]))
    assert np.abs(logits - other).max(axis=-1).min() > 1e-6
    same = np.asarray(network([np.ones_like(tokens), context]))
    assert np.abs(np.diff(same, axis=1)).max(axis=-1).min() > 1e-6


def test_padding_is_skipped():
    network = build("recurrent_encoder_tokens")
    tokens = np.array([[3, 1, 4] + 7 * [0], 7 * [0] + [3, 1, 4], [3, 1, 5] + 7 * [0]])
    last, first, other = np.asarray(network(tokens))
    np.testing.assert_allclose(last, first, rtol=1e-5)
    assert np.abs(last - other).max() > 1e-6


def test_residual_blocks_start_as_the_identity():
    keras.utils.set_random_seed(0)
    network = build("residual_encoder_odd")
    x = keras.random.normal((2, 5, 7, 4))
    block = keras.Model(network.layers[1].output, network.layers[5].output)
    assert isinstance(network.layers[5], keras.layers.Add)
    np.testing.assert_array_equal(block(x), x)


# Count, sum, mean of |w|, and of w weighted by its place, of the weights under seed 0: before there were conditions.
# A change here changes every training of the chapters.
FROZEN = {
    "mlp_encoder": (201988, -22.24588455632329, 0.03813261277930495, -6.71529442691316),
    "mlp_decoder": (202256, -23.668247535824776, 0.03780128950834128, -16.5760854648945),
    "conv_encoder": (420868, -18.985238244757056, 0.02244602687602195, -12.54047960349329),
    "conv_decoder": (460609, -29.7537172883749, 0.023312732464645384, -18.177553586010777),
}
LAYERS = {
    "mlp_encoder": "InputLayer Flatten Dense Dense",
    "mlp_decoder": "InputLayer Dense Dense Reshape",
    "conv_encoder": "InputLayer Conv2D Conv2D Flatten Dense Dense",
    "conv_decoder": "InputLayer Dense Dense Reshape Conv2DTranspose Conv2DTranspose Conv2D",
}


@pytest.mark.parametrize("name", FROZEN)
def test_the_networks_of_the_chapters_are_what_they_were(name):
    keras.utils.set_random_seed(0)
    sizes = ((28, 28, 1), 4) if name in ENCODERS else (2, (28, 28, 1))
    network = getattr(networks, name)(*sizes)
    w = np.concatenate([np.ravel(weight) for weight in network.get_weights()]).astype("float64")
    found = len(w), w.sum(), np.abs(w).mean(), np.arange(len(w)) @ w / len(w)
    np.testing.assert_allclose(found, FROZEN[name], rtol=1e-6)
    assert " ".join(type(layer).__name__ for layer in network.layers) == LAYERS[name]


@pytest.mark.parametrize("shape", ((6,), (4, 3), (5, 5, 2)))
@pytest.mark.parametrize("mask", (True, False))
def test_fill_missing(shape, mask):
    x = np.random.default_rng(0).normal(size=(8, *shape)).astype("float32")
    missing = np.random.default_rng(1).uniform(size=x.shape) < 0.4
    x[missing] = np.nan
    layer = layers.FillMissing(mask=mask)
    filled = np.asarray(layer(x))
    assert filled.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_array_equal(filled[..., : shape[-1]], np.where(missing, 0, x))
    if mask:
        np.testing.assert_array_equal(filled[..., shape[-1] :], ~missing)
    assert layers.FillMissing.from_config(layer.get_config()).mask is mask


@pytest.mark.parametrize("jit_compile", (True, False))
def test_the_gradient_at_a_missing_value_is_zero(jit_compile):
    x, layer = tf.constant([[1.0, np.nan, -2.0]]), layers.FillMissing()

    @tf.function(jit_compile=jit_compile)
    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(layer(x)))
        return tape.gradient(loss, x)

    np.testing.assert_array_equal(gradient(), [[2.0, 0.0, -4.0]])


def test_missing_values_are_not_zeros():
    network = build("mlp_encoder_missing")
    x = inputs_of(network)
    x[:, 2] = 0
    zero = np.asarray(network(x))
    x[:, 2] = np.nan
    assert np.abs(zero - network(x)).max(axis=-1).min() > 1e-6


WRONG = {
    "conv_encoder": (lambda: networks.conv_encoder((64, 3), 4), "use conv1d_encoder"),
    "conv_decoder": (lambda: networks.conv_decoder(2, (64, 3)), "use conv1d_encoder or conv1d_decoder"),
    "residual_encoder": (lambda: networks.residual_encoder((64,), 4), r"needs images .* Received: \(64,\)"),
    "conv1d_encoder": (lambda: networks.conv1d_encoder((8, 8, 1), 4), "use conv_encoder"),
    "conv1d_decoder": (lambda: networks.conv1d_decoder(2, (8,)), r"needs signals .* Received: \(8,\)"),
    "recurrent_encoder": (lambda: networks.recurrent_encoder((8,), 4), r"needs signals .* vocabulary"),
    "recurrent_decoder": (lambda: networks.recurrent_decoder(2, (8,)), "needs signals"),
    "tokens": (lambda: networks.recurrent_encoder((8, 3), 4, vocabulary=5), r"Received: shape \(8, 3\)"),
    "reader": (lambda: networks.reader(8, 5, 2, kind="lstm"), "Received: kind='lstm'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_shape_or_kind_is_refused(name):
    build_wrong, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        build_wrong()
