"""Run by test_models.py, twice at once: the same `fit` by one process and by two that share each step.

`two_workers.py FILE` alone writes the weights that a single process reaches; with TF_CONFIG in the environment, as the
README shows, each of two processes takes half of every batch. What is compared is in test_models.py.
"""

import os
import sys

from vae_course import models, networks

import keras
import numpy as np
import tensorflow as tf
from models_under_test import MODELS
from theorems import still

several = "TF_CONFIG" in os.environ
# It must be made before anything else asks TensorFlow for its devices.
strategy = tf.distribute.MultiWorkerMirroredStrategy() if several else tf.distribute.get_strategy()
keras.utils.set_random_seed(3)
x = np.random.default_rng(0).random((64, 4, 4, 1), "float32").round()

with strategy.scope():
    vae = still(models.VAE(networks.mlp_encoder((4, 4, 1), 4, (8,)), networks.mlp_decoder(2, (4, 4, 1), (8,))))
    vae.compile(keras.optimizers.SGD(1e-3))
before = vae.get_weights()
history = vae.fit(x, epochs=2, batch_size=16, shuffle=False, validation_data=(x,), verbose=0).history
with strategy.scope():
    gan = MODELS["gan"]()
    gan.compile()
losses = gan.fit(np.resize(x, (32, *gan.generator.output_shape[1:])), batch_size=16, verbose=0).history
assert all(np.isfinite(values).all() for values in losses.values()), losses
moved = np.concatenate([(new - old).ravel() for old, new in zip(before, vae.get_weights())])
np.savez(sys.argv[1], moved=moved, loss=history["loss"], val_loss=history["val_loss"])
