"""The pretrained models of vae_course/pretrained/: "an hour instead of a minute". Each takes one core minutes.

    python sources/pretrained.py                  all of them, one after the other
    python sources/pretrained.py faces-vae ...    these

A recipe is a model, its data, and how long it is trained, by Adam with a rate that falls to 0 along a cosine. Seed 0.
The weights are rounded to 16 bits before anything is measured, so that the file holds what the record says.
"""

import argparse
import io
import json
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from vae_course import callbacks, datasets, likelihoods, models, networks
from vae_course.models.pretrained import FOLDER, RECORDS

import keras
import numpy as np
import tensorflow as tf


@dataclass
class Recipe:
    """How a model is made: `build(x_train)` gives it, untrained."""

    about: str  # one line
    data: str
    build: object
    epochs: int
    short: int = 0  # epochs that a chapter gives such a model, to compare with; 0 where none is trained for the ELBO
    rate: float = 2e-3
    batch_size: int = 64
    warm_up: int = 0  # epochs in which beta rises to its value


def dense(latent_size, hidden, kind=models.VAE, activation="swish", **options):
    """A VAE of dense layers: `hidden` units in the encoder, the same in the decoder backwards."""

    def build(x):
        encoder = networks.mlp_encoder(x.shape[1:], 2 * latent_size, hidden, activation)
        decoder = networks.mlp_decoder(latent_size, x.shape[1:], hidden[::-1], activation)
        return kind(encoder, decoder, **options)

    return build


def gray():
    return likelihoods.Gaussian(scale=0.1)


def sentences(x, words=137, latents=8):
    """As in chapter 16, with free bits: twelve embedded words to a code, and a transformer that writes."""
    seen = keras.Input(x.shape[1:], dtype="int32")
    h = keras.layers.Flatten()(keras.layers.Embedding(words, 16)(seen))
    encoder = keras.Model(seen, keras.layers.Dense(2 * latents)(keras.layers.Dense(64, activation="relu")(h)))
    reader = networks.reader(x.shape[1], words, 32, units=48, embedding_size=16, kind="attention")
    decoder = networks.mlp_decoder(latents, (32,), hidden=())
    return models.FreeBitsVAE(encoder, decoder, likelihood=likelihoods.Tokens(reader), free_bits=1.0)


RECIPES = {
    "digits-plane": Recipe("digits on two latents", "digits", dense(2, (128, 64)), 400, short=200),
    "digits-plane-beta-0.2": Recipe("the same at beta = 0.2", "digits", dense(2, (128, 64), beta=0.2), 400),
    "digits-plane-beta-4": Recipe("the same at beta = 4", "digits", dense(2, (128, 64), beta=4.0), 400),
    "faces-plane": Recipe("faces on two latents", "faces", dense(2, (192, 96), likelihood=gray()), 200, short=40),
    "faces-vae": Recipe("faces on ten latents", "faces", dense(10, (320, 128), likelihood=gray()), 600, short=40),
    "faces-tcvae": Recipe(
        "faces on ten latents that are kept independent (beta = 10)",
        "faces",
        dense(10, (320, 128), models.TCVAE, beta=10.0, likelihood=gray(), train_size=4587),
        150,
        batch_size=128,
    ),
    "sentences-vae": Recipe("sentences, on eight latents with a free nat each", "sentences", sentences, 30, 5, 4e-3),
}


def train(recipe, x, short=False):
    """The model of a recipe, trained on x; or for as long as a chapter would, at the rate that it starts with."""
    keras.utils.set_random_seed(0)
    model, rate, epochs = recipe.build(x), recipe.rate, recipe.short if short else recipe.epochs
    if not short:
        rate = keras.optimizers.schedules.CosineDecay(rate, epochs * (len(x) // recipe.batch_size))
    model.compile(keras.optimizers.Adam(rate))
    warm_up = [callbacks.BetaScheduler(callbacks.linear(recipe.warm_up))] if recipe.warm_up else []
    model.fit(x, batch_size=recipe.batch_size, epochs=epochs, callbacks=warm_up, verbose=0)
    return model


def write(model, path):
    """The model as a .keras file of 16-bit weights, without what the optimizer remembers."""
    for weight in model.trainable_weights:
        weight.assign(np.float32(np.float16(weight)))
    bare = type(model).from_config(model.get_config())  # never compiled
    bare.set_weights(model.get_weights())
    bare.save(path)
    # Compressed: the last 13 bits of each weight are 0 now.
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    Path(path).write_bytes(packed.getvalue())
    return bare


def elbo(model, x, k=10):
    """The bound of examples x, in nats: the mean over them and over k codes each, the same at each call."""
    pieces = [model.log_weights(x[i : i + 100], k, seed=tf.constant([0, i])) for i in range(0, len(x), 100)]
    return float(np.mean(np.concatenate(pieces, axis=1)))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    names = parser.parse_args(arguments).names or list(RECIPES)
    if unknown := set(names) - set(RECIPES):
        parser.error(f"there is no recipe called {', '.join(sorted(unknown))}: choose from {', '.join(RECIPES)}")
    for name in names:
        began = time.process_time()
        data = datasets.load(RECIPES[name].data)
        model = write(train(RECIPES[name], data.x_train), FOLDER / f"{name}.keras")
        note(name, model, data, round((time.process_time() - began) / 60, 1))


def note(name, model, data, minutes):
    """Writes down how a model was made and what it reaches, and what its short training does."""
    recipe = RECIPES[name]
    record = {"about": recipe.about, "data": recipe.data, "epochs": recipe.epochs, "minutes": minutes}
    record["test_elbo"] = round(elbo(model, data.x_test), 2)
    if recipe.short:
        short = elbo(train(recipe, data.x_train, short=True), data.x_test)
        record |= {"short_epochs": recipe.short, "short_elbo": round(short, 2)}
    records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    records[name] = record
    ordered = {key: records[key] for key in RECIPES if key in records}
    RECORDS.write_text(json.dumps(ordered, indent=2) + "\n")
    print(f"{name}: {record}, {(FOLDER / f'{name}.keras').stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
