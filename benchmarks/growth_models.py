"""What grows: every kind of growth as a model that its user would write, and one point of it, measured.

    .venv/bin/python benchmarks/growth_models.py flow 4 16384 0       what growth.py runs for each point

A point is a process of its own, for its peak of memory is the process's. Data are random numbers: the cost does not
depend on what is in them.
"""

import json
import os
import sys
import time

import memory
from growth_theory import CONTEXT, FILTERS, FLOW_UNITS, GROUP, HIDDEN, PLACES, SIZE, STATE, UNITS, WIDE, sizes

TIMED = 3  # epochs, draws or sums, after one to warm up
SENTENCES = ("length", "attention", "vocabulary")


def mlp_ends(shape, outputs, latent, **condition):
    from vae_course import networks

    encoder = networks.mlp_encoder(shape, outputs, hidden=(HIDDEN,), **condition)
    return encoder, networks.mlp_decoder(latent, shape, hidden=(HIDDEN,), **condition)


def images(kind, value):
    """A VAE of gray images: dense, convolutional, or with a flow for its posterior."""
    from vae_course import flows, models, networks, posteriors

    size = sizes(kind, value)
    latent, shape = size["latent"], (size["side"], size["side"], 1)
    if kind == "conv":
        encoder = networks.conv_encoder(shape, 2 * latent, filters=FILTERS, units=UNITS)
        return models.VAE(encoder, networks.conv_decoder(latent, shape, filters=FILTERS[::-1], units=UNITS))
    step, posterior = {"hidden": (FLOW_UNITS,), "direction": "sampling"}, "gaussian"
    if kind == "flow":
        steps = [flows.Autoregressive(latent, flip=number % 2 == 1, **step) for number in range(value)]
        posterior = posteriors.FlowPosterior(steps)
    return models.VAE(*mlp_ends(shape, 2 * latent, latent), posterior=posterior)


def groups(kind, value):
    from vae_course import models

    ends = mlp_ends((28, 28, 1), STATE, STATE)
    return models.HierarchicalVAE(*ends, latent_sizes=(GROUP,) * value, hidden=STATE, free_bits=0.1)


def sentences(kind, value):
    """A GRU reads the tokens into a code; a GRU, or a block of attention, writes them with the code beside."""
    from vae_course import likelihoods, models, networks

    size = sizes(kind, value)
    length, words, latent = size["length"], size["vocabulary"], size["latent"]
    reader = networks.reader(length, words, CONTEXT, kind="attention" if kind == "attention" else "gru")
    encoder = networks.recurrent_encoder((length,), 2 * latent, vocabulary=words)
    decoder = networks.mlp_decoder(latent, (CONTEXT,), hidden=(CONTEXT,))
    return models.VAE(encoder, decoder, likelihood=likelihoods.Tokens(reader))


def classes(kind, value):
    from vae_course import models, networks

    latent, shape = sizes(kind, value)["latent"], (28, 28, 1)
    classifier = networks.mlp_encoder(shape, value, hidden=(HIDDEN,), name="classifier")
    return models.M2(*mlp_ends(shape, 2 * latent, latent, condition_size=value), classifier)


def entries(kind, value):
    from vae_course import models, networks

    import keras

    encoder = networks.mlp_encoder((28, 28, 1), PLACES * SIZE, hidden=(HIDDEN,))
    encoder = keras.Sequential([encoder, keras.layers.Reshape((PLACES, SIZE))])
    decoder = networks.mlp_decoder(PLACES * SIZE, (28, 28, 1), hidden=(HIDDEN,))
    decoder = keras.Sequential([keras.Input((PLACES, SIZE)), keras.layers.Flatten(), decoder])
    return models.VQVAE(encoder, decoder, entries=value)


def diffusion(kind, value):
    from vae_course import models, networks

    network = networks.mlp_encoder((WIDE,), WIDE, hidden=(HIDDEN,), condition_size=1)
    return models.Diffusion(network, WIDE, steps=value)


def hidden(kind, value):
    from vae_course import models

    return models.RBM((28, 28, 1), value)


BUILDERS = {"groups": groups, "classes": classes, "entries": entries, "hidden": hidden}
BUILDERS |= {kind: images for kind in ("latent", "side", "conv", "batch", "flow")}
BUILDERS |= {kind: sentences for kind in SENTENCES} | {kind: diffusion for kind in ("steps", "drawing")}


def build(kind, value):
    """The model of a point, as its user would write it."""
    return BUILDERS[kind](kind, value)


def data(kind, value, examples, seed):
    """What `fit` is given: random numbers, as bytes or whole numbers where a user has these."""
    import numpy as np

    random, size = np.random.default_rng(seed), sizes(kind, value)
    if kind in SENTENCES:
        return (random.integers(1, size["vocabulary"], (examples, size["length"]), "int32"),)
    if kind == "steps":
        return (random.standard_normal((examples, WIDE), "float32"),)
    x = random.integers(0, 256, (examples, size["side"], size["side"], 1), "uint8")
    return (x, random.integers(-1, value, examples, "int32")) if kind == "classes" else (x,)  # -1: no label


# ---- one point ----


def fitted(model, arrays, batch, clock):
    """When epochs began and ended, by the clock: one `fit`, whose first epoch traces and compiles."""
    import keras

    ends = []
    model.compile()
    begin = clock()
    each = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(clock()))
    model.fit(*arrays, batch_size=batch, epochs=1 + TIMED, verbose=0, callbacks=[each])
    return [begin, *ends]


def repeated(work, clock):
    """The same for what is no training."""
    ends = [clock()]
    for _ in range(1 + TIMED):
        work()
        ends.append(clock())
    return ends


def point(kind, value, examples, seed):
    """seconds: of each timed epoch, for 10 000 examples (of a sum: for one); first: of what compiles too; MB."""
    from vae_course import evaluation, flows, models, networks  # noqa: F401, their memory belongs to the start

    import keras
    import tensorflow as tf
    from report import machine

    keras.utils.set_random_seed(seed)
    gpu = bool(tf.config.list_physical_devices("GPU"))
    clock = time.perf_counter if gpu else time.process_time  # which other programs of a busy machine hardly change
    arrays = () if kind in ("drawing", "hidden") else data(kind, value, examples, seed)
    load, start, about = os.getloadavg()[0], memory.peak() / 1e6, "no training"
    model = build(kind, value)
    if kind == "drawing":
        ends = repeated(lambda: model.sample(examples, seed=seed), clock)
    elif kind == "hidden":
        ends = repeated(lambda: evaluation.log_partition(model), clock)
    else:
        ends = fitted(model, arrays, sizes(kind, value)["batch"], clock)
        about = f"XLA: {model.jit_compile}"
    share = 1 if kind == "hidden" else 1e4 / examples
    took = [end - begin for begin, end in zip(ends, ends[1:])]
    result = {"examples": examples, "seconds": [each * share for each in took[1:]], "first": took[0]}
    result |= {"about": f"{'GPU' if gpu else 'CPU'}, {about}", "day": time.strftime("%Y-%m-%d"), "machine": machine()}
    peak = memory.peak() / 1e6
    return {**result, "load": load, "peak": peak, "above": peak - start}


if __name__ == "__main__":
    print(json.dumps(point(sys.argv[1], *map(int, sys.argv[2:]))))
