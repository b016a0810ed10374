"""The rows of the table: what is trained and measured for each published result, in the few lines that a user writes.

A row has pieces, for example its seeds. `measure(run, **piece)` trains one piece and returns numbers; its docstring is
the protocol. claims.py says what the numbers are held against, yardsticks.py runs the rows and writes the table.
"""

import importlib.util
from typing import NamedTuple

from vae_course import evaluation, layers, models, networks, priors

import claims
import keras
import numpy as np
import tensorflow_probability as tfp

tfd = tfp.distributions
SEEDS = (0, 1, 2)
GRAY = ("mnist", "fashion_mnist")
SHAPE = (28, 28, 1)


class Row(NamedTuple):
    name: str
    measure: object  # (run, **piece) -> numbers
    pieces: list
    judge: object  # [(piece, numbers)] -> [claims.Claim]
    quick: bool


def decayed(epochs, x, batch_size):
    """Adam from 1e-3 down to 0 along a cosine, for so many epochs."""
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, epochs * (len(x) // batch_size)))


def quickly(run):
    """For `compile`: a trial is over before XLA has compiled anything."""
    return {"jit_compile": False} if run.trial else {}


def if_installed(package, pieces):
    """The pieces that need a package which only .venv-bench has, or none; `left_out` says so."""
    return pieces if importlib.util.find_spec(package) else []


def left_out(row, package):
    print(f"{row}: {package} is not installed here, so its lines are left out. It is in .venv-bench (make bench).")


def drawn_once(x):
    """Binary test images from gray ones 0..255: the same draw for all models and seeds."""
    return np.asarray(layers.Binarize(seed=0)(x / np.float32(255), training=True))


def all_training(data):
    """The 60 000 training images of the originals: those for training and those for validation together."""
    return np.concatenate([data.x_train, data.x_valid])


def test_nll(vae, x, run):
    """-log p(x) in nats, from 500 samples of the posterior for each image."""
    return -evaluation.log_likelihood(vae, x[: run.most(len(x))], k=run.most(500)).mean


# ---- exact values ----

PCA_SIZES = (2, 10, 16, 32, 64, 128)


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
    train = all_training(images) if data in GRAY else images.x_train
    frequency = np.clip(train.mean(axis=0), 1e-6, 1 - 1e-6)  # a pixel that never lit up must not have probability 0
    coins = tfd.Independent(tfd.Bernoulli(probs=frequency, dtype="float32"), 3)
    found = {"coins": -float(np.mean(coins.log_prob(images.x_test)))}
    if data in GRAY:
        found["entropy"] = float(np.mean(tfd.Independent(tfd.Bernoulli(probs=images.x_test), 3).entropy()))
        found["pca"] = dict(zip(PCA_SIZES, [test for _, test in pca_mse(train, images.x_test, PCA_SIZES)]))
    return found


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
    vae.compile(decayed(epochs, data.x_train, 100), **quickly(run))
    vae.fit(data.x_train, batch_size=100, epochs=epochs, verbose=0, callbacks=run.bar())
    return {"minutes": run.cpu() / 60, "nll": test_nll(vae, data.x_test, run)}


# ---- Y2: a convolutional VAE after 15 epochs, the KL counted twice ----


def measure_y2(run, seed):
    """MNIST drawn anew; convolutions of 16 and 32, 16 latents, beta 2; 60 000 images, 15 epochs, batch 256, Adam 1e-3;
    10 000 test images drawn once, as for all that are drawn anew."""
    data = run.load("mnist", "uint8")
    keras.utils.set_random_seed(seed)
    encoder = networks.conv_encoder(SHAPE, 32, filters=(16, 32))
    decoder = networks.conv_decoder(16, SHAPE, filters=(32, 16))
    vae = models.VAE(encoder, decoder, beta=2.0, augmentation=layers.Binarize())
    vae.compile(**quickly(run))
    options = {"batch_size": 256, "epochs": run.epochs(15), "verbose": 0, "callbacks": run.bar()}
    history = vae.fit(all_training(data), validation_data=(drawn_once(data.x_test),), **options).history
    return {"loss": history["val_loss"], "nelbo": -history["val_elbo"][-1]}


# ---- Y3: the importance-weighted bound ----


def measure_y3(run, seed, model):
    """MNIST drawn anew; 784-200-200-50, tanh; 50 000 images, 30 epochs, batch 100, Adam 1e-3 decayed;
    k = 500, 2 000 test images."""
    data, epochs = run.load("mnist", "uint8"), run.epochs(30)
    options = {"augmentation": layers.Binarize()}
    vae = burda(models.VAE, seed, **options) if model == "VAE" else burda(models.IWAE, seed, k=5, **options)
    vae.compile(decayed(epochs, data.x_train, 100), **quickly(run))
    vae.fit(data.x_train, batch_size=100, epochs=epochs, verbose=0, callbacks=run.bar())
    x = drawn_once(data.x_test[:2000])
    return {"nll": test_nll(vae, x, run), "active": evaluation.active_units(vae, x).count}


# ---- Y4: the VampPrior ----


def measure_y4(run, data, seed, model):
    """Drawn anew; 784-300-300-40, ReLU; 200 pseudo-inputs; 50 000 images, 30 epochs, batch 200, Adam 1e-3 decayed;
    k = 500, 2 000 test images."""
    images, epochs = run.load(data, "uint8"), run.epochs(30)
    keras.utils.set_random_seed(seed)
    parts = networks.mlp_encoder(SHAPE, 80, hidden=(300, 300)), networks.mlp_decoder(40, SHAPE, hidden=(300, 300))
    prior = priors.VampPrior(images.x_train[:200]) if model == "VampPrior" else "standard_normal"
    vae = models.VAE(*parts, prior=prior, augmentation=layers.Binarize())
    vae.compile(decayed(epochs, images.x_train, 200), **quickly(run))
    vae.fit(images.x_train, batch_size=200, epochs=epochs, verbose=0, callbacks=run.bar())
    return {"nll": test_nll(vae, drawn_once(images.x_test[:2000]), run)}


# ---- Y5: linear autoencoders and PCA ----


def measure_y5(run, data, hidden, size, seed):
    """60 000 images, 20 epochs, batch 128, Adam 1e-3 decayed; linear, or 784-512-256-32 with ReLU."""
    images = run.load(data)
    train, epochs = all_training(images), run.epochs(20)
    keras.utils.set_random_seed(seed)
    encoder = networks.mlp_encoder(SHAPE, size, hidden=hidden)
    coder = models.Autoencoder(encoder, networks.mlp_decoder(size, SHAPE, hidden=hidden[::-1]))
    coder.compile(decayed(epochs, train, 128), **quickly(run))
    coder.fit(train, batch_size=128, epochs=epochs, verbose=0, callbacks=run.bar())
    mse = [coder.evaluate(x, batch_size=1000, verbose=0) for x in (train, images.x_test)]
    return {"train": mse[0], "test": mse[1], "pca": pca_mse(train, images.x_test, [size])[0]}


# ---- Y9: disentanglement on dSprites ----

KNOWN = ("factors", "rotated", "noise")
SCORES = {
    "beta-VAE score": lambda codes, factors: evaluation.beta_vae_score(codes, factors, above_chance=True),
    "FactorVAE score": lambda codes, factors: evaluation.factor_vae_score(codes, factors, above_chance=True),
    "MIG": evaluation.mig,
    "DCI disentanglement": lambda codes, factors: evaluation.dci(codes, factors).disentanglement,
}


def measure_y9(run, model, seed):
    """dSprites, 46 080 images of 64 x 64; 4096-400-400-10, ReLU; 36 864 images, 15 epochs, batch 128, Adam 1e-3;
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
        vae.compile(**quickly(run))
        vae.fit(data.x_train, batch_size=128, epochs=run.epochs(15), verbose=0, callbacks=run.bar())
        codes = vae.encode(data.x_test)
    return {name: score(codes, factors) for name, score in SCORES.items()}


def rows():
    """All rows, in the order of the table."""
    import rows_alarms
    import rows_images
    import rows_mnist
    import rows_pythae
    import rows_sequences

    modules = rows_pythae, rows_mnist, rows_alarms, rows_sequences, rows_images
    more = [row for module in modules for row in module.rows()]
    return sorted(first_rows() + more, key=lambda row: (int("".join(filter(str.isdigit, row.name)) or 0), row.name))


def first_rows():
    """Those of this module."""
    pairs = [{"seed": seed, "model": model} for seed in SEEDS for model in ("VAE", "IWAE")]
    vamps = [{"data": data, "seed": s, "model": m} for data in GRAY for s in SEEDS[:2] for m in ("VAE", "VampPrior")]
    coders = []
    for data in GRAY:
        coders += [{"data": data, "hidden": [], "size": size, "seed": 0} for size in PCA_SIZES]
        coders += [{"data": data, "hidden": [512, 256], "size": 32, "seed": seed} for seed in SEEDS]
    sprites = [{"model": model, "seed": seed} for model in (*KNOWN, "1", "4") for seed in SEEDS]
    return [
        Row("exact", measure_exact, [{"data": data} for data in ("binarized_mnist", *GRAY)], claims.exact, quick=True),
        Row("Y1", measure_y1, [{"seed": seed} for seed in SEEDS], claims.y1, quick=True),
        Row("Y2", measure_y2, [{"seed": seed} for seed in SEEDS], claims.y2, quick=False),
        Row("Y3", measure_y3, pairs, claims.y3, quick=False),
        Row("Y4", measure_y4, vamps, claims.y4, quick=False),
        Row("Y5", measure_y5, coders, claims.y5, quick=True),
        Row("Y9", measure_y9, sprites, claims.y9, quick=False),
    ]
