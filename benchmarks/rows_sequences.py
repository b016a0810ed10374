"""Sequences: against the exact entropy of a grammar (Y11), and a published loss on Shakespeare (Y14).

A count is the rival of every network here. A VAE's -log p(x) is an estimate from above; a language model's is exact.
"""

import math

from vae_course import evaluation, likelihoods, models, networks
from vae_course.datasets import sentences, shakespeare

import keras
import numpy as np
import tensorflow as tf
from claims import TOLD, Claim, column
from rows import SEEDS, Row, quickly

BATCH, LATENT_SIZE = 64, 8
WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0)
WORDS, LETTERS = len(sentences.WORDS), 1 + len(shakespeare.CHARACTERS)  # tokens, 0 for padding among them

# ---- counts ----


def runs(x, n, vocabulary):
    """Each run of n tokens that ends in a token, as one number; before each row of x stand zeros."""
    x = np.pad(x.astype("int64"), [(0, 0), (n - 1, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, n, axis=1)
    return (windows @ vocabulary ** np.arange(n)[::-1])[windows[..., -1] > 0]


def occurrences(known, asked):
    """How often each of `asked` is among the `known`."""
    values, counts = np.unique(known, return_counts=True)
    places = np.minimum(np.searchsorted(values, asked), len(values) - 1)
    return np.where(values[places] == asked, counts[places], 0)


def mixed_counts(train, new, vocabulary, longest):
    """Nats of a new row under counts of up to n tokens: {(n, weight): nats}. The next shorter runs count as `weight`
    further examples of each run, so that one that was never seen falls back on what was."""
    p = {weight: 1 / (vocabulary - 1) for weight in WEIGHTS}
    nats = {}
    for n in range(1, longest + 1):
        known, asked = runs(train, n, vocabulary), runs(new, n, vocabulary)
        whole, before = occurrences(known, asked), occurrences(known // vocabulary, asked // vocabulary)
        for weight in WEIGHTS:
            p[weight] = (whole + weight * p[weight]) / (before + weight)
            nats[n, weight] = float(-np.log(p[weight]).sum() / len(new))
    return nats


def best_counts(train, valid, test, vocabulary, longest):
    """n and weight are those that are best on the validation rows."""
    choices = mixed_counts(train, valid, vocabulary, longest)
    n, weight = min(choices, key=choices.get)
    return {"nll": mixed_counts(train, test, vocabulary, longest)[n, weight], "n": n, "weight": weight}


# ---- networks ----


class LanguageModel(models.ObjectiveModel):
    """Chapter 16's: training makes log p(x) large, which is exact."""

    terms = ("log_likelihood",)

    def __init__(self, reader):
        super().__init__()
        self.example_shape = tuple(reader.inputs[0].shape[1:])
        self.likelihood = likelihoods.Tokens(reader).on(self.example_shape)
        self._make_trackers()

    def call(self, tokens, training=None):
        nothing = tf.zeros([tf.shape(tokens)[0], 1])
        return {"log_likelihood": self.likelihood.distribution(nothing).log_prob(tf.cast(tokens, tf.int32))}

    def objective(self, terms):
        return terms["log_likelihood"]


def language_model(seed, length, vocabulary, units, kind):
    keras.utils.set_random_seed(seed)
    return LanguageModel(networks.reader(length, vocabulary, context_size=1, units=units, kind=kind))


def sequence_vae(seed, length, vocabulary, units, free_bits):
    """Its encoder is a GRU, and its likelihood the recurrent language model with a context from the code."""
    keras.utils.set_random_seed(seed)
    encoder = networks.recurrent_encoder((length,), 2 * LATENT_SIZE, vocabulary=vocabulary)
    decoder = networks.mlp_decoder(LATENT_SIZE, (32,), hidden=())
    reader = networks.reader(length, vocabulary, context_size=32, units=units)
    return models.FreeBitsVAE(encoder, decoder, likelihood=likelihoods.Tokens(reader), free_bits=free_bits)


def fitted(model, x, rate, epochs, run):
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * math.ceil(len(x) / BATCH))
    model.compile(keras.optimizers.Adam(schedule), **quickly(run))
    model.fit(x, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=run.bar())
    return model


def exact_nll(model, x):
    """-log p(x) in nats: [n]."""
    return np.concatenate(
        [-model(part)["log_likelihood"].numpy() for part in np.array_split(x, math.ceil(len(x) / 500))]
    )


def bounds_of(vae, x, k):
    """The rate, -ELBO, and -log p(x) from k samples of the posterior: nats of a sequence."""
    found = vae.evaluate(x, batch_size=100, verbose=0, return_dict=True)
    return {"rate": found["kl"], "nelbo": -found["elbo"], "nll": -evaluation.log_likelihood(vae, x, k=k).mean}


# ---- Y11: a grammar whose entropy is known ----

FREE_BITS = {"VAE": 0.0, "free bits": 1.0}  # nats in each of eight latents


def measure_y11(run, model, seed):
    """`sentences`: 6 000 for training, 1 000 for validation, 1 000 for the test, none in two parts. GRU(64) 12 epochs,
    Adam 1e-2; one block of attention, 64 wide, 6 epochs, 5e-3; VAEs with GRU(64) on both sides and 8 latents, 6 epochs,
    1e-2; batch 64, all rates decayed to 0. Rates by seed 0's validation loss, two settings tried for each language
    model and none for the VAEs; the n and the weight of the counts, too, by validation. -log p(x) of the VAEs from 20
    samples of the posterior, that of the others exact. Padding is not counted, and "." ends every sentence, so that the
    floor holds."""
    data = run.load("sentences")
    train, test, length = data.x_train[: run.most(6000)], data.x_test[: run.most(1000)], data.x_train.shape[1]
    if model == "counts":
        return best_counts(train, data.x_valid, test, WORDS, 6)
    if model in FREE_BITS:
        vae = sequence_vae(seed, length, WORDS, 64, FREE_BITS[model])
        return bounds_of(fitted(vae, train, 1e-2, run.epochs(6), run), test, run.most(20))
    epochs, rate = (12, 1e-2) if model == "gru" else (6, 5e-3)
    reader = language_model(seed, length, WORDS, 64, model)
    nll = exact_nll(fitted(reader, train, rate, run.epochs(epochs), run), test)
    return {"nll": float(nll.mean()), "error": float(nll.std() / math.sqrt(len(nll)))}


# Every sentence has probability exp(-H). A model that gave nothing to the 6 000 sentences that it has seen would stand
# 0.014 nats below H on new ones, and the mean over 1 000 of them has a standard error of about 0.012.
BELOW = 0.05


def y11(results):
    h = sentences.ENTROPY
    floor, limit = f"{h:.2f} (entropy of the grammar, exact)", h - BELOW
    counts = [found for piece, found in results if piece["model"] == "counts"]
    words = f"counts of up to {counts[0]['n']} words, mixed"
    claims = [Claim(f"{words}: nats of a new sentence", floor, [found["nll"] for found in counts], TOLD, limit)]
    for model, name in (("gru", "GRU(64), 12 epochs"), ("attention", "attention, 6 epochs")):
        claims.append(Claim(f"{name}: the same", floor, column(results, "nll", model=model), h + 0.3, limit))
    return claims + of_vaes(results, floor, limit, 1, "6 epochs: nats of a sentence")


def of_vaes(results, published, limit, length, per):
    """The lines of the two VAEs; bounds are divided by `length`, and `per` says what they are then."""
    claims, digits = [], 2 if length == 1 else 3
    for model, name in (("VAE", "VAE"), ("free bits", "VAE, 8 nats free")):
        rate, nelbo, nll = (column(results, key, model=model) for key in ("rate", "nelbo", "nll"))
        claims += [
            Claim(f"{name}: rate, nats of a sequence", "", rate, TOLD, -0.01),
            Claim(f"{name}, {per}, -ELBO", published, [value / length for value in nelbo], TOLD, limit, digits),
            Claim(f"{name}, {per}, -log p(x)", published, [value / length for value in nll], TOLD, limit, digits),
        ]
    return claims


# ---- Y14: Shakespeare by characters ----


def measure_y14(run, model, seed):
    """tinyshakespeare in windows of 64 characters: the first 90 % of the text for training, the next 5 % for
    validation, the last 5 % for the test. GRU(128), 2 passes; VAEs with GRU(128) for writing, GRU(64) for reading and 8
    latents, 1 pass; batch 64, Adam 6e-3 decayed to 0. Nothing was chosen but the n and the weight of the counts, by
    validation. Each window is scored alone, its first character from nothing. -log p(x) of the VAEs from 20 samples of
    the posterior, 400 windows of the test."""
    data = run.load("tinyshakespeare")
    length = data.x_train.shape[1]
    if model == "counts":
        return best_counts(data.x_train, data.x_valid, data.x_test, LETTERS, 8)
    if model in FREE_BITS:
        vae = sequence_vae(seed, length, LETTERS, 128, FREE_BITS[model])
        return bounds_of(fitted(vae, data.x_train, 6e-3, 1, run), data.x_test[: run.most(400)], run.most(20))
    reader = fitted(language_model(seed, length, LETTERS, 128, "gru"), data.x_train, 6e-3, run.epochs(2), run)
    minutes = run.cpu() / 60
    valid, test = (float(exact_nll(reader, x).mean()) for x in (data.x_valid, data.x_test))
    return {"minutes": minutes, "valid": valid, "nll": test}


NANOGPT = "1.88 (nanoGPT's README: the last 10 % of the text, 1.5 passes of 4 layers, some 3 minutes of a laptop)"
FAR_LONGER = 1.47  # the same README: contexts of 256 characters, a GPU


def y14(results):
    length = shakespeare.LENGTH
    counts = [found for piece, found in results if piece["model"] == "counts"]
    valid, test = (np.array(column(results, key, model="gru")) / length for key in ("valid", "nll"))
    both = list((valid + test) / 2)  # the two parts have as many windows
    words = f"counts of up to {counts[0]['n']} characters, mixed"
    told = [found["nll"] / length for found in counts]
    return [
        Claim(f"{words}: nats a character", NANOGPT, told, TOLD, FAR_LONGER, 3),
        Claim("GRU(128): nats a character", NANOGPT, list(test), 1.88 + 0.2, FAR_LONGER, 3),
        Claim("GRU(128): validation and test together, as nanoGPT", NANOGPT, both, TOLD, FAR_LONGER, 3),
        Claim("GRU(128): CPU-minutes", "", column(results, "minutes", model="gru"), TOLD, 0, 1),
        *of_vaes(results, NANOGPT, FAR_LONGER, length, "1 pass: nats a character"),
    ]


def rows():
    seeds = [{"model": model, "seed": seed} for model in ("gru", "attention", "VAE", "free bits") for seed in SEEDS]
    readers = [{"model": "gru", "seed": seed} for seed in SEEDS[:2]]
    once = [{"model": model, "seed": 0} for model in ("counts", "VAE", "free bits")]
    return [
        Row("Y11", measure_y11, [once[0], *seeds], y11, quick=False),
        Row("Y14", measure_y14, [once[0], *readers, *once[1:]], y14, quick=False),
    ]
