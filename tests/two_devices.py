"""Run by test_models.py in a process of its own: the same `fit` on one device and on two, both of them this CPU.

MirroredStrategy sums the gradients of all devices: a loss that is not shared out takes steps twice too large, which
Adam hides and SGD shows.
"""

import sys

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from vae_course import layers  # noqa: E402

import keras  # noqa: E402
import numpy as np  # noqa: E402
from models_under_test import ADVERSARIAL, MODELS, coder, images, vae  # noqa: E402
from theorems import still  # noqa: E402

ONE, TWO = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def fit(strategy, build, *optimizers, x, epochs, batch_size):
    """The history, and how far every weight moved."""
    keras.utils.set_random_seed(3)
    with strategy.scope():
        model = build()
        model.compile(*(type(optimizer).from_config(optimizer.get_config()) for optimizer in optimizers))
    assert not (strategy.num_replicas_in_sync > 1 and model.jit_compile), "XLA fails over several devices"
    before = model.get_weights()
    history = model.fit(x, epochs=epochs, batch_size=batch_size, shuffle=False, verbose=0).history
    return history, np.concatenate([(new - old).ravel() for old, new in zip(before, model.get_weights())])


def both(*settings, **options):
    return [fit(strategy, *settings, **options) for strategy in (ONE, TWO)]


def steps_are_the_same():
    for build, rate, rtol in (coder, 0.5, 1e-3), (lambda: still(vae()), 1e-4, 0.05):  # a VAE draws its own noise
        (one, moved), (two, also) = both(build, keras.optimizers.SGD(rate), x=images(64), epochs=2, batch_size=16)
        np.testing.assert_allclose(one["loss"], two["loss"], rtol=rtol)
        np.testing.assert_allclose(also, moved, rtol=rtol, atol=rtol * abs(moved).max())


def both_players_take_the_same_steps():
    for name in ADVERSARIAL:
        rates = keras.optimizers.SGD(1e-3), keras.optimizers.SGD(1e-3)
        (_, moved), (_, also) = both(MODELS[name], *rates, x=images(64), epochs=1, batch_size=64)
        assert abs(also @ moved / (moved @ moved) - 1) < 0.1, f"{name}: steps of another length"


def the_learning_curve_is_the_same():
    """A whole training with Adam, dynamic binarization included; what is left is the noise of the draws."""
    adam, x = keras.optimizers.Adam(0.003), images(2048)
    (one, _), (two, _) = both(MODELS["vae_binarized"], adam, x=x, epochs=8, batch_size=32)
    np.testing.assert_allclose(one["loss"], two["loss"], rtol=0.03)
    assert one["loss"][-1] < 0.8 * one["loss"][0], "the curve falls"


def a_strategy_over_one_device_trains():
    """The README's snippet on a machine with one GPU, or none."""
    for strategy in (tf.distribute.MirroredStrategy(["CPU:0"]), tf.distribute.OneDeviceStrategy("CPU:1")):
        for name in ("vae", "gan"):
            with strategy.scope():
                model = MODELS[name]()
                model.compile()
            losses = model.fit(images(), epochs=2, validation_data=(images(32),), verbose=0).history
            assert np.isfinite([values[-1] for values in losses.values()]).all(), name


def each_device_draws_its_own_noise():
    with TWO.scope():
        model, binarize = vae(), layers.Binarize(seed=0)
        drawn = TWO.run(tf.function(lambda: (model._seed(), binarize(tf.fill([50], 0.5), training=True))))
    for values in drawn:
        first, second = TWO.experimental_local_results(values)
        assert (first.numpy() != second.numpy()).any()


for check in (
    steps_are_the_same,
    both_players_take_the_same_steps,
    the_learning_curve_is_the_same,
    each_device_draws_its_own_noise,
    a_strategy_over_one_device_trains,
):
    print(check.__name__, file=sys.stderr)
    check()
