"""The rows of the table: what is trained and measured for each published result, in the few lines that a user writes.

A row has pieces, for example its seeds. `measure(run, **piece)` trains one piece and returns numbers; its docstring is
the protocol. `judge` turns the numbers of all pieces into claims. yardsticks.py runs the rows and writes the table.
"""

import math
from typing import NamedTuple

from vae_course import disentanglement, evaluation, models, networks

import keras
import numpy as np
import tensorflow_probability as tfp

tfd = tfp.distributions
SEEDS = (0, 1, 2)
SHAPE = (28, 28, 1)
TOLD = math.inf


class Claim(NamedTuple):
    """A line of the table: the mean of `values` must lie between `reach` and `limit`, and no value beyond `limit`.

    reach: what was to be reached; TOLD, or -TOLD where more is better, for a number that is only told.
    limit: what nobody can pass, by a theorem, or because somebody who trained far longer did not. Whoever passes it has
    made a mistake. It lies below `reach` where less is better, above it where more is.
    """

    what: str
    published: str
    values: list
    reach: float
    limit: float
    digits: int = 2


class Row(NamedTuple):
    name: str
    measure: object  # (run, **piece) -> numbers
    pieces: list
    judge: object  # [(piece, numbers)] -> [Claim]
    quick: bool


def decayed(epochs, x, batch_size):
    """Adam from 1e-3 down to 0 along a cosine, for so many epochs."""
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, epochs * (len(x) // batch_size)))


def drawn_once(x):
    """Binary test images from grey ones 0..255: the same draw for all models and seeds."""
    return np.asarray(networks.Binarize(seed=0)(x / np.float32(255), training=True))


def all_training(data):
    """The 60 000 training images of the originals: those for training and those for validation together."""
    return np.concatenate([data.x_train, data.x_valid])


def test_nll(vae, x, run):
    """-log p(x) in nats, from 500 samples of the posterior for each image."""
    return -evaluation.log_likelihood(vae, x[: run.most(len(x))], k=run.most(500)).mean


def column(results, key, **wanted):
    """The numbers called `key` of the pieces that have these settings, in the order of the pieces."""
    return [found[key] for piece, found in results if wanted.items() <= piece.items()]


def gains(better, worse):
    """How much lower `better` is, seed by seed."""
    return [b - a for a, b in zip(better, worse)]


# ---- exact values ----

COINS = {"binarized_mnist": 205.79, "mnist": 205.81, "fashion_mnist": 385.02}
ENTROPY = {"mnist": 45.53, "fashion_mnist": 189.86}
PCA_SIZES = (2, 10, 16, 32, 64, 128)
PCA_MSE = {
    "mnist": (0.055669, 0.034074, 0.026860, 0.016828, 0.009047, 0.004205),
    "fashion_mnist": (0.046096, 0.024352, 0.020446, 0.015142, 0.010368, 0.006312),
}


def pca_mse(train, test, sizes):
    """Mean squared error per pixel of PCA for each number of components: a list of [train, test]."""
    from sklearn.decomposition import PCA

    parts = [x.reshape(len(x), -1) for x in (train, test)]
    pca = PCA(max(sizes), svd_solver="covariance_eigh").fit(parts[0])

    def mse(x, size):
        return float(np.mean((x - pca.transform(x)[:, :size] @ pca.components_[:size] - pca.mean_) ** 2))

    return [[mse(x, size) for x in parts] for size in sizes]


def measure_exact(run, data):
    """Closed forms, no training. 60 000 training images (binarized_mnist: 50 000), 10 000 test images."""
    images = run.load(data)
    train = all_training(images) if data in ENTROPY else images.x_train
    frequency = np.clip(train.mean(axis=0), 1e-6, 1 - 1e-6)  # a pixel that never lit up must not have probability 0
    coins = tfd.Independent(tfd.Bernoulli(probs=frequency, dtype="float32"), 3)
    found = {"coins": -float(np.mean(coins.log_prob(images.x_test)))}
    if data in ENTROPY:
        found["entropy"] = float(np.mean(tfd.Independent(tfd.Bernoulli(probs=images.x_test), 3).entropy()))
        found["pca"] = [test for _, test in pca_mse(train, images.x_test, PCA_SIZES)]
    return found


def judge_exact(results):
    def equal(what, exact, found):
        return Claim(f"{data}: {what}, nats", f"{exact:.2f}", [found], exact + 0.006, exact - 0.006, 3)

    claims = []
    for piece, found in results:
        data = piece["data"]
        claims.append(equal("a coin for each pixel", COINS[data], found["coins"]))
        if data in ENTROPY:
            claims.append(equal("entropy of the drawn test pixels", ENTROPY[data], found["entropy"]))
            off = max(abs(ours - exact) for ours, exact in zip(found["pca"], PCA_MSE[data]))
            what = f"{data}: PCA's test MSE, k = {', '.join(map(str, PCA_SIZES))}: largest difference"
            claims.append(Claim(what, " ".join(f"{mse:.6f}" for mse in PCA_MSE[data]), [off], 1e-6, 0.0, 7))
    return claims


# ---- Y1: one stochastic layer, fixed binarization ----


def burda(cls, seed, **options):
    """784-200-200-50 with tanh, the one-layer network of Burda et al. (2016)."""
    keras.utils.set_random_seed(seed)
    hidden = {"hidden": (200, 200), "activation": "tanh"}
    return cls(networks.mlp_encoder(SHAPE, 100, **hidden), networks.mlp_decoder(50, SHAPE, **hidden), **options)


def measure_y1(run, seed):
    """Fixed-binarized MNIST; 784-200-200-50, tanh; 50 000 images, 100 epochs, batch 100, Adam 1e-3 decayed; k = 500."""
    data, epochs = run.load("binarized_mnist", "uint8"), run.epochs(100)
    vae = burda(models.VAE, seed)
    vae.compile(decayed(epochs, data.x_train, 100))
    vae.fit(data.x_train, batch_size=100, epochs=epochs, verbose=0, callbacks=run.bar())
    return {"minutes": run.cpu() / 60, "nll": test_nll(vae, data.x_test, run)}


def judge_y1(results):
    published = "88.71 (784-200-200-50, 3280 epochs, k = 5000); 89.78 (pythae, 784-400-40, 500 epochs)"
    return [
        Claim("test NLL, nats", published, column(results, "nll"), 95, 88),
        Claim("CPU-minutes of training", "", column(results, "minutes"), 15, 0, 1),
    ]


# ---- Y2: a convolutional VAE after 15 epochs, the KL counted twice ----


def measure_y2(run, seed):
    """MNIST drawn anew; convolutions of 16 and 32, 16 latents, beta 2; 60 000 images, 15 epochs, batch 256, Adam 1e-3;
    10 000 test images drawn once, as for all that are drawn anew."""
    data = run.load("mnist", "uint8")
    keras.utils.set_random_seed(seed)
    encoder = networks.conv_encoder(SHAPE, 32, filters=(16, 32))
    decoder = networks.conv_decoder(16, SHAPE, filters=(32, 16))
    vae = models.VAE(encoder, decoder, beta=2.0, augmentation=networks.Binarize())
    vae.compile()
    options = {"batch_size": 256, "epochs": run.epochs(15), "verbose": 0, "callbacks": run.bar()}
    history = vae.fit(all_training(data), validation_data=(drawn_once(data.x_test),), **options).history
    return {"loss": history["val_loss"], "nelbo": -history["val_elbo"][-1]}


def judge_y2(results):
    losses = column(results, "loss")
    first, sixth, last = ([loss[:epoch][-1] for loss in losses] for epoch in (1, 6, 15))
    return [
        Claim("validation loss (beta 2) after 1 epoch, nats", "163", first, TOLD, 113),
        Claim("after 6 epochs", "127", sixth, TOLD, 113),
        Claim("after 15 epochs", "119.5", last, 121, 113),
        Claim("of it the negative ELBO (beta 1)", "", column(results, "nelbo"), TOLD, 82),
    ]


# ---- Y3: the importance-weighted bound ----


def measure_y3(run, seed, model):
    """MNIST drawn anew; 784-200-200-50, tanh; 50 000 images, 40 epochs, batch 100, Adam 1e-3 decayed; k = 500."""
    data, epochs = run.load("mnist", "uint8"), run.epochs(40)
    options = {"augmentation": networks.Binarize()}
    vae = burda(models.VAE, seed, **options) if model == "VAE" else burda(models.IWAE, seed, k=5, **options)
    vae.compile(decayed(epochs, data.x_train, 100))
    vae.fit(data.x_train, batch_size=100, epochs=epochs, verbose=0, callbacks=run.bar())
    x = drawn_once(data.x_test)
    return {"nll": test_nll(vae, x, run), "active": evaluation.active_units(vae, x).count}


def judge_y3(results):
    vae, iwae = (column(results, "nll", model=model) for model in ("VAE", "IWAE"))
    units = [column(results, "active", model=model) for model in ("IWAE", "VAE")]
    return [
        Claim("VAE: test NLL, nats", "86.76 (3280 epochs, k = 5000)", vae, TOLD, 85),
        Claim("IWAE with 5 samples: test NLL, nats", "85.54", iwae, TOLD, 84),
        Claim("the IWAE is better by, nats, seed by seed", "1.22", gains(iwae, vae), 0.5, 3),
        Claim("and has more active units by", "more", gains(units[1], units[0]), 1, 50, 1),
    ]


# ---- Y4: the VampPrior ----

VAMP = {"mnist": (84.45, 82.43), "fashion_mnist": (228.70, 227.35)}


def measure_y4(run, data, seed, model):
    """Drawn anew; 784-300-300-40, ReLU; 200 pseudo-inputs; 50 000 images, 30 epochs, batch 200, Adam 1e-3 decayed;
    k = 500, 2 000 test images."""
    images, epochs = run.load(data, "uint8"), run.epochs(30)
    keras.utils.set_random_seed(seed)
    parts = networks.mlp_encoder(SHAPE, 80, hidden=(300, 300)), networks.mlp_decoder(40, SHAPE, hidden=(300, 300))
    if model == "VAE":
        vae = models.VAE(*parts, augmentation=networks.Binarize())
    else:
        vae = models.VampVAE(*parts, pseudo_inputs=images.x_train[:200], augmentation=networks.Binarize())
    vae.compile(decayed(epochs, images.x_train, 200))
    vae.fit(images.x_train, batch_size=200, epochs=epochs, verbose=0, callbacks=run.bar())
    return {"nll": test_nll(vae, drawn_once(images.x_test[:2000]), run)}


def judge_y4(results):
    claims = []
    for data, published in VAMP.items():
        ours = [column(results, "nll", data=data, model=model) for model in ("VAE", "VampVAE")]
        for prior, nll, value in zip(("standard", "Vamp"), published, ours):
            claims.append(Claim(f"{data}, {prior} prior: test NLL, nats", f"{nll}", value, TOLD, published[1]))
        what = f"{data}: the VampPrior is better by, nats, seed by seed"
        claims.append(Claim(what, f"{published[0] - published[1]:.2f}", gains(ours[1], ours[0]), 0.7, 5))
    return claims


# ---- Y5: linear autoencoders and PCA ----


def measure_y5(run, data, hidden, size, seed):
    """60 000 images, 20 epochs, batch 128, Adam 1e-3 decayed; linear, or 784-512-256-32 with ReLU."""
    images = run.load(data)
    train, epochs = all_training(images), run.epochs(20)
    keras.utils.set_random_seed(seed)
    encoder = networks.mlp_encoder(SHAPE, size, hidden=hidden)
    coder = models.Autoencoder(encoder, networks.mlp_decoder(size, SHAPE, hidden=hidden[::-1]))
    coder.compile(decayed(epochs, train, 128))
    coder.fit(train, batch_size=128, epochs=epochs, verbose=0, callbacks=run.bar())
    mse = [coder.evaluate(x, batch_size=1000, verbose=0) for x in (train, images.x_test)]
    return {"train": mse[0], "test": mse[1], "pca": pca_mse(train, images.x_test, [size])[0]}


def judge_y5(results):
    claims = []
    for data, exact in PCA_MSE.items():
        linear = [found for piece, found in results if piece["data"] == data and not piece["hidden"]]
        on_train = [found["train"] / found["pca"][0] for found in linear]
        on_test = [found["test"] / mse for found, mse in zip(linear, exact)]
        deep, bar = column(results, "test", data=data, hidden=[512, 256]), round(exact[PCA_SIZES.index(32)], 4)
        what = f"{data}, linear, k = {', '.join(map(str, PCA_SIZES))}: training MSE over PCA's"
        claims += [
            Claim(what, "at least 1 (theorem)", on_train, 1.02, 0.9999, 4),
            Claim(f"{data}, the same: test MSE over the exact value", "1", on_test, 1.02, 0.99, 4),
            Claim(f"{data}, 784-512-256-32: test MSE", f"{exact[3]} (PCA, k = 32)", deep, bar, 0.002, 5),
        ]
    return claims


# ---- Y9: disentanglement on dSprites ----

KNOWN = ("factors", "rotated", "noise")
SCORES = {
    "beta-VAE score": lambda codes, factors: disentanglement.beta_vae_score(codes, factors, above_chance=True),
    "FactorVAE score": lambda codes, factors: disentanglement.factor_vae_score(codes, factors, above_chance=True),
    "MIG": disentanglement.mig,
    "DCI disentanglement": lambda codes, factors: disentanglement.dci(codes, factors).disentanglement,
}


def measure_y9(run, model, seed):
    """dSprites, 46 080 images of 64 x 64; 4096-400-400-10, ReLU; 36 864 images, 20 epochs, batch 128, Adam 5e-4;
    4 608 test images. Beta-VAE and FactorVAE scores: 0 is guessing."""
    data = run.load("dsprites", "uint8")
    factors, random = data.factors_test, np.random.default_rng(seed)
    if model == "noise":
        codes = random.normal(size=(len(factors), 10))
    elif model in KNOWN:
        codes = (factors - factors.mean(axis=0)) / factors.std(axis=0)
        turn = np.linalg.qr(random.normal(size=(codes.shape[1],) * 2))[0]
        codes = codes @ turn if model == "rotated" else codes
    else:
        keras.utils.set_random_seed(seed)
        encoder = networks.mlp_encoder(data.x_train.shape[1:], 20, hidden=(400, 400))
        decoder = networks.mlp_decoder(10, data.x_train.shape[1:], hidden=(400, 400))
        vae = models.VAE(encoder, decoder, beta=float(model))
        vae.compile(keras.optimizers.Adam(5e-4))
        vae.fit(data.x_train, batch_size=128, epochs=run.epochs(20), verbose=0, callbacks=run.bar())
        codes = vae.encode(data.x_test)
    return {name: score(codes, factors) for name, score in SCORES.items()}


def judge_y9(results):
    claims = []
    for name in SCORES:
        factors, rotated, noise = (column(results, name, model=model) for model in KNOWN)
        claims += [
            Claim(f"{name} of the true factors", "near 1", factors, 0.9, 1 + 1e-9),
            Claim(f"{name}: how much it drops when they are rotated", "drops", gains(rotated, factors), 0.1, 1),
            Claim(f"{name} of noise", "near 0", noise, 0.1, -0.01),
        ]
    small, large = (column(results, "MIG", model=beta) for beta in ("1", "4"))
    return claims + [
        Claim("MIG, beta 1", "about .05 to .4 over models and seeds", small, -TOLD, 0.6),
        Claim("MIG, beta 4", "the same", large, -TOLD, 0.6),
        Claim("MIG: beta 4 is higher by, seed by seed", "higher on average", gains(small, large), 0.0, 0.4),
    ]


def rows():
    """All rows, in the order of the table."""
    pairs = [{"seed": seed, "model": model} for seed in SEEDS for model in ("VAE", "IWAE")]
    vamps = [{"data": data, "seed": s, "model": m} for data in VAMP for s in SEEDS for m in ("VAE", "VampVAE")]
    coders = []
    for data in PCA_MSE:
        coders += [{"data": data, "hidden": [], "size": size, "seed": 0} for size in PCA_SIZES]
        coders += [{"data": data, "hidden": [512, 256], "size": 32, "seed": seed} for seed in SEEDS]
    sprites = [{"model": model, "seed": seed} for model in (*KNOWN, "1", "4") for seed in SEEDS]
    return [
        Row("exact", measure_exact, [{"data": data} for data in COINS], judge_exact, quick=True),
        Row("Y1", measure_y1, [{"seed": seed} for seed in SEEDS], judge_y1, quick=True),
        Row("Y2", measure_y2, [{"seed": seed} for seed in SEEDS], judge_y2, quick=False),
        Row("Y3", measure_y3, pairs, judge_y3, quick=False),
        Row("Y4", measure_y4, vamps, judge_y4, quick=False),
        Row("Y5", measure_y5, coders, judge_y5, quick=True),
        Row("Y9", measure_y9, sprites, judge_y9, quick=False),
    ]
