"""The contestants of the speed benchmark: those of Keras here, the others in workers_torch.py and workers_jax.py.

One to a process.

`workers.py NAME KIND FOLDER SEED` trains a round for every line on stdin; `speed.py` holds the other end and lists the
kinds: mlp, epochs (mlp, several epochs in a call of `fit`), conv, hierarchical (a top-down VAE of three groups) and
flow (two inverse autoregressive steps).
All train 128 examples a step with Adam 1e-3 in float32 on the mean negative ELBO in nats. x and valid: bytes
0..255, [n, 28, 28, 1]. Each is written as its users would write it; benchmarks/README.md tells what and why.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

BATCH = 128
EPOCHS = {"epochs": 5}  # in a round; one for all others
ENCODED = {"mlp": 40, "conv": 4, "hierarchical": 64, "flow": 40}  # numbers that the encoder gives, all heads together
DECODED = {"mlp": 20, "conv": 2, "hierarchical": 64, "flow": 20}  # numbers that the decoder takes: a code, or the state
GROUPS, HIDDEN = (8, 8, 8), 64  # hierarchical: latents of each group, units of its small networks
MADE = (128, 128, 128)  # flow: hidden units of each step's masked network, pythae's default


class Contestant(NamedTuple):
    """`train(epochs)` is one round, `loss()` the negative ELBO in nats on held-out images.

    `about()` tells how it ran: a dictionary of its device, its number of trainable weights and how else.
    """

    train: Callable
    loss: Callable
    about: Callable


# ---- Keras ----
def keras_networks(kind, heads):
    """Encoder and decoder. heads: sizes of the encoder's linear outputs; the decoder ends in logits."""
    import keras
    from keras import layers

    x = inputs = keras.Input((28, 28, 1))
    if kind != "conv":
        x = layers.Dense(400, activation="relu")(layers.Flatten()(x))
        tail = [layers.Dense(400, activation="relu"), layers.Dense(784), layers.Reshape((28, 28, 1))]
    else:
        half = {"strides": 2, "padding": "same", "activation": "relu"}
        x = layers.Conv2D(64, 3, **half)(layers.Conv2D(32, 3, **half)(x))
        x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
        tail = [layers.Dense(7 * 7 * 64, activation="relu"), layers.Reshape((7, 7, 64))]
        tail += [layers.Conv2DTranspose(64, 3, **half), layers.Conv2DTranspose(32, 3, **half)]
        tail += [layers.Conv2DTranspose(1, 3, padding="same")]
    encoder = keras.Model(
        inputs, [layers.Dense(size)(x) for size in heads] if len(heads) > 1 else layers.Dense(*heads)(x)
    )
    return encoder, keras.Sequential([keras.Input((DECODED[kind],)), *tail])


def tensorflow_about(model):
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    device = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else "CPU"
    threads = tf.config.threading.get_intra_op_parallelism_threads() or "as many as cores"
    how = f"threads: {threads}, XLA: {model.jit_compile}, steps at once: {model.steps_per_execution}"
    weights = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return {"device": device, "weights": weights, "how": how}


def vae_course(kind, x, valid, seed):
    """What a learner writes, with images as `datasets.load("mnist", dtype="uint8")` gives them."""
    from vae_course import flows, models, posteriors

    import keras

    keras.utils.set_random_seed(seed)
    encoder, decoder = keras_networks(kind, [ENCODED[kind]])
    if kind == "hierarchical":
        vae = models.HierarchicalVAE(encoder, decoder, latent_sizes=GROUPS, hidden=HIDDEN)
    elif kind == "flow":
        size = DECODED[kind]
        # The order turns round before each step, as in pythae: turn, step, turn, step.
        steps = [flows.Autoregressive(size, hidden=MADE, direction="sampling", flip=flip) for flip in (True, False)]
        vae = models.VAE(encoder, decoder, posterior=posteriors.FlowPosterior(steps))
    else:
        vae = models.VAE(encoder, decoder)
    vae.compile()

    def train(epochs):
        vae.fit(x, batch_size=BATCH, epochs=epochs, verbose=0)

    def loss():
        return vae.evaluate(valid, batch_size=BATCH, verbose=0, return_dict=True)["loss"]

    return Contestant(train, loss, lambda: tensorflow_about(vae))


def keras_io(kind, x, valid, seed):
    """The shape of keras.io's example: a Sampling layer, its own train_step, three trackers and fit."""
    import keras
    import tensorflow as tf
    from keras import layers, ops

    class Sampling(layers.Layer):
        def __init__(self):
            super().__init__()
            self.seeds = keras.random.SeedGenerator(seed)

        def call(self, inputs):
            mean, log_var = inputs
            return mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), seed=self.seeds)

    class Pattern(keras.Model):
        def __init__(self, encoder, decoder):
            super().__init__()
            self.encoder, self.decoder, self.sampling = encoder, decoder, Sampling()
            self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", "reconstruction_loss", "kl_loss")]

        @property
        def metrics(self):
            return self.trackers

        def terms(self, data):
            mean, log_var = self.encoder(data)
            output = self.decoder(self.sampling([mean, log_var]))
            reconstruction = ops.mean(ops.sum(keras.losses.binary_crossentropy(data, output), axis=(1, 2)))
            kl = ops.mean(ops.sum(-0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var)), axis=1))
            return reconstruction + kl, reconstruction, kl

        def train_step(self, data):
            with tf.GradientTape() as tape:
                losses = self.terms(data)
            gradients = tape.gradient(losses[0], self.trainable_weights)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
            for tracker, value in zip(self.trackers, losses):
                tracker.update_state(value)
            return {tracker.name: tracker.result() for tracker in self.trackers}

    keras.utils.set_random_seed(seed)
    encoder, decoder = keras_networks(kind, [ENCODED[kind] // 2] * 2)
    decoder.add(layers.Activation("sigmoid"))
    model = Pattern(encoder, decoder)
    model.compile(optimizer=keras.optimizers.Adam())
    floats = x.astype("float32") / 255

    def loss():
        return model.terms(ops.convert_to_tensor(valid.astype("float32") / 255))[0]

    def train(epochs):
        model.fit(floats, batch_size=BATCH, epochs=epochs, verbose=0)

    return Contestant(train, loss, lambda: tensorflow_about(model))


# ---- the worker's life ----
def make(name, *settings):
    if name in ("vae_course", "keras_io"):
        return globals()[name](*settings)
    if name == "jax_by_hand":
        import workers_jax as workers
    else:
        import workers_torch as workers  # a process with TensorFlow in it never sees PyTorch
    epoch, loss, about = getattr(workers, name)(*settings)

    def train(epochs):
        for _ in range(epochs):
            epoch()

    return Contestant(train, loss, about)


def serve(name, kind, folder, seed):
    """Make the contestant, then obey line by line until stdin closes: "train" or "loss"."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print goes to the log, not between the answers

    def answer(**message):
        print(json.dumps(message), file=answers, flush=True)

    try:
        x, valid = np.load(Path(folder) / f"{kind}.npy"), np.load(Path(folder) / "valid.npy")
        contestant = make(name, "mlp" if kind == "epochs" else kind, x, valid, int(seed))
        answer(ready=True)
        for line in sys.stdin:
            if line.strip() == "loss":
                answer(loss=float(contestant.loss()), about=contestant.about())
            else:
                cpu, start = time.process_time(), time.perf_counter()
                contestant.train(EPOCHS.get(kind, 1))
                answer(seconds=time.perf_counter() - start, cpu=time.process_time() - cpu)
    except Exception as error:
        answer(error=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        raise


if __name__ == "__main__":
    serve(*sys.argv[1:])
