"""Draws docs/figure.png, the README's figure: `python docs/figure.py`. Takes a few minutes."""

from pathlib import Path

from vae_course import datasets, likelihoods, models, networks, plots

import keras
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

matplotlib.use("Agg")
plots.use_style()
keras.utils.set_random_seed(0)
COLUMNS, ROWS, EPOCHS = 13, 7, 60  # odd numbers, so that the middle is 0

x_train = datasets.load("faces").x_train
shape = x_train.shape[1:]
encoder, decoder = networks.mlp_encoder(shape, 4, hidden=(512, 256)), networks.mlp_decoder(2, shape, hidden=(256, 512))
vae = models.VAE(encoder, decoder, likelihood=likelihoods.Gaussian("learned"))
vae.compile(keras.optimizers.Adam(1e-3))
vae.fit(x_train, batch_size=64, epochs=EPOCHS, verbose=2)

x_values, y_values = (norm.ppf((np.arange(n) + 0.5) / n) for n in (COLUMNS, ROWS))
z = np.stack(np.meshgrid(x_values, y_values), axis=-1).reshape(-1, 2)
figure, ax = plt.subplots(figsize=(8, 4.4), dpi=110)
plots.image_map(vae.decode(z), x_values, y_values, ax=ax)
ax.set_title("Faces decoded from a grid over the prior's quantiles")
figure.savefig(Path(__file__).parent / "figure.png")
