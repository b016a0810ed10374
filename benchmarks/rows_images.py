"""Pictures: disentanglement with the right model (Y9b), Fréchet distances at two budgets (Y10), patches of photographs
(Y12). All three run on embedded sets, so they need no download."""

import functools

from vae_course import datasets, evaluation, flows, likelihoods, models, networks, priors

import keras
import numpy as np
import tensorflow as tf
from claims import TOLD, Claim, column, gains
from rows import SEEDS, Row, quickly
from scipy import optimize, special, stats

compiled = {}  # a model of each kind, for all seeds: at these sizes compiling costs as much as training


def once_compiled(kind, fresh, run, *optimizers):
    """The one compiled model of its kind, as new as `fresh`."""
    if kind not in compiled:
        fresh.compile(*optimizers, **quickly(run))
        compiled[kind] = fresh
    else:
        compiled[kind].start_from(fresh)
    return compiled[kind]


# ---- Y9b: disentanglement on faces, over ten seeds ----

PRICES = {"VAE": 1.0, "beta-VAE, 4": 4.0, "beta-VAE, 10": 10.0, "beta-TCVAE, 10": 10.0}


def new_face_vae(model, seed, data):
    keras.utils.set_random_seed(seed)
    shape, size = data.x_train.shape[1:], {"hidden": (128, 128), "activation": "tanh"}
    parts = networks.mlp_encoder(shape, 16, **size), networks.mlp_decoder(8, shape, **size)
    options = {"beta": PRICES[model], "likelihood": likelihoods.Gaussian(scale=0.1)}
    if model.startswith("beta-TCVAE"):
        return models.TCVAE(*parts, train_size=len(data.x_train), **options)
    return models.VAE(*parts, **options)


def measure_y9b(run, seed, model):
    """Faces of 32 x 32; 1024-128-128-8, tanh, Gaussian of scale 0.1; 4 587 images, 40 epochs, batch 128, Adam 3e-3,
    as in chapter 07; the same for all four models. MIG of the means and the objective on 1 146 held-out faces; none
    of them was used to choose a setting."""
    data = run.load("faces")
    fresh = new_face_vae(model, seed, data)
    vae = once_compiled(type(fresh).__name__, fresh, run, keras.optimizers.Adam(3e-3))
    vae.fit(data.x_train, batch_size=128, epochs=run.epochs(40), verbose=0, callbacks=run.bar())
    x = np.concatenate([data.x_valid, data.x_test])
    factors = np.concatenate([data.factors_valid, data.factors_test])
    terms = vae.evaluate(x, batch_size=128, verbose=0, return_dict=True)
    found = {name: float(terms[name]) for name in ("elbo", "reconstruction", "kl")}
    return found | {"objective": -float(terms["loss"]), "mig": evaluation.mig(vae.encode(x), factors)}


def rank_correlation(a, b):
    """Spearman's, between -1 and 1."""
    return round(float(stats.spearmanr(a, b).statistic), 6)


def y9b(results):
    migs = {model: column(results, "mig", model=model) for model in PRICES}
    before = {"beta-VAE, 10": ".05 to .28 (chapter 07)", "beta-TCVAE, 10": ".22 to .42 (chapter 07)"}
    claims = [Claim(f"MIG, {name}", before.get(name, ""), migs[name], -TOLD, 0.8) for name in PRICES]
    for name in list(PRICES)[:-1]:
        gain = gains(migs[name], migs["beta-TCVAE, 10"])
        published = "higher (Chen et al. 2018: dSprites, 3D faces)"
        claims.append(Claim(f"MIG: beta-TCVAE is higher than {name} by, seed by seed", published, gain, 0.05, 0.6))
    priced = [(PRICES[piece["model"]], found["mig"]) for piece, found in results if "TC" not in piece["model"]]
    what = "rank correlation of beta and MIG, beta-VAEs, all seeds"
    published = "seed and beta matter more than the kind of model (Locatello et al. 2019)"
    claims.append(Claim(what, published, [rank_correlation(*zip(*priced))], -TOLD, 1))
    for name in PRICES:
        aims = column(results, "objective", model=name)
        if len(aims) > 2:
            what, found = f"rank correlation of objective and MIG, seeds of {name}", rank_correlation(aims, migs[name])
            claims.append(Claim(what, "about none (Locatello et al. 2019)", [found], -TOLD, 1))
    return claims


# ---- Y10: Fréchet distances at two budgets ----

BUDGETS = (30, 100)
RIVALS = ("VAE", "GAN", "VAE-GAN")


class Averaged(keras.callbacks.Callback):
    """After the epochs in `epochs`: what `measure` finds with the network as it is, and with its weights averaged.

    The average over epochs is a moving one: each epoch's weights count 0.9 times as much as the next epoch's.
    """

    def __init__(self, network, epochs, measure):
        super().__init__()
        self.network, self.epochs, self.measure = network, epochs, measure
        self.sums, self.found = [np.zeros_like(w) for w in network.get_weights()], {}

    def on_epoch_end(self, epoch, logs=None):
        last = self.network.get_weights()
        self.sums = [0.9 * before + 0.1 * w for before, w in zip(self.sums, last)]
        if epoch + 1 in self.epochs:
            as_it_is = self.measure()
            self.network.set_weights([w / (1 - 0.9 ** (epoch + 1)) for w in self.sums])
            self.found[str(epoch + 1)] = {"last": as_it_is, "averaged": self.measure()}
            self.network.set_weights(last)


def halved(x):
    """Images [n, 32, 32, 1] with blocks of 2 x 2 pixels averaged."""
    return x.reshape(len(x), 16, 2, 16, 2, 1).mean(axis=(2, 4))


@functools.cache
def features_of(epochs):
    """The last hidden layer of a network that learned to read the factors off the halved faces; always the same."""
    data = datasets.load("faces")
    x, factors = halved(data.x_train[:4000]), data.factors_train[:4000]
    low, high = data.factors_train.min(axis=0), data.factors_train.max(axis=0)
    keras.utils.set_random_seed(0)
    reader = networks.mlp_encoder(x.shape[1:], len(low), (128, 64))
    reader.compile(keras.optimizers.Adam(2e-3), loss="mse", jit_compile=False, steps_per_execution=16)
    reader.fit(x, 2 * (factors - low) / (high - low) - 1, batch_size=64, epochs=epochs, verbose=0)
    return keras.Model(reader.inputs[0], reader.layers[-2].output)


def new_rival(name, seed):
    """One of the three: for a seed all start from the same weights."""
    shape = (16, 16, 1)
    keras.utils.set_random_seed(seed)
    decoder, encoder = networks.mlp_decoder(8, shape, (128, 256)), networks.mlp_encoder(shape, 16, (256, 128))
    critic = networks.mlp_encoder(shape, 1, (256, 128), activation="leaky_relu", name="discriminator")
    if name == "VAE":
        return models.VAE(encoder, decoder, likelihood=likelihoods.Gaussian("learned"))
    if name == "GAN":
        return models.GAN(decoder, critic, r1=0.1)
    return models.VAEGAN(encoder, decoder, critic, gamma=1.0, kl_weight=0.1, r1=0.1)


def measure_y10(run, seed, model):
    """Faces halved to 16 x 16, as in chapter 10; 8 latents, decoder 8-128-256-256, encoder and critic 256-256-128; 4
    000 images, 100 epochs, batch 64; VAE: Gaussian of learned scale, Adam 2e-3; GAN: R1 0.1; VAE-GAN: R1 0.1, gamma
    1, lambda 0.1; both Adam 1e-3 with a momentum of 0.5. Decoder weights averaged over epochs with 0.9, for all three
    alike. 573 test faces against 573 samples, in the features of a network trained to read the factors; measured
    after 30 epochs and after 100 of the same training."""
    features, data = features_of(run.epochs(20)), run.load("faces")
    x_train, x_test = halved(data.x_train[:4000]), halved(data.x_test)
    real = features.predict(x_test, verbose=0)
    gentle = [keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)]
    optimizers = [keras.optimizers.Adam(2e-3)] if model == "VAE" else gentle
    rival = once_compiled("Y10 " + model, new_rival(model, seed), run, *optimizers)
    decoder = rival.generator if model == "GAN" else rival.decoder

    def scores(images):
        drawn = features.predict(images, verbose=0)
        names = "frechet", "precision", "recall"
        found = evaluation.frechet_distance(real, drawn), *evaluation.precision_recall(real, drawn)
        return dict(zip(names, map(float, found))) | {"sharpness": float(evaluation.sharpness(images).mean())}

    budgets = [run.epochs(budget) for budget in BUDGETS]
    averaged = Averaged(decoder, budgets, lambda: scores(rival.sample(len(x_test), seed=100 + seed).clip(0, 1)))
    options = {"batch_size": 64, "epochs": max(budgets), "verbose": 0, "callbacks": [averaged, *run.bar()]}
    rival.fit(x_train, **options)
    at = {str(budget): averaged.found[str(epochs)] for budget, epochs in zip(BUDGETS, budgets)}
    return at | {"real": scores(x_train[: len(x_test)])}


def y10(results):
    def found(budget, name, kind, score="frechet"):
        return [at[kind][score] for at in column(results, str(budget), model=name)]

    real = [at["frechet"] for at in column(results, "real", model="VAE")]
    claims = [Claim("Fréchet distance of as many training faces: the scale", "", real[:1], TOLD, 0.0, 3)]
    for budget, kind in [(budget, kind) for budget in BUDGETS for kind in ("last", "averaged")]:
        head, own = f"{budget} epochs, {kind} weights", {name: found(budget, name, kind) for name in RIVALS}
        claims += [Claim(f"{head}: Fréchet distance, {name}", "", own[name], TOLD, 0.0, 3) for name in RIVALS]
        for first, second in (("VAE-GAN", "VAE"), ("GAN", "VAE"), ("GAN", "VAE-GAN")):
            ratios = [a / b for a, b in zip(own[first], own[second])]
            ahead = f"{sum(ratio < 1 for ratio in ratios)} of {len(ratios)}"
            what = f"{head}: the {first}'s over the {second}'s, seed by seed; below 1 in {ahead}"
            published = "" if second == "VAE-GAN" else "a VAE is worse than a tuned GAN (Dai & Wipf 2019)"
            claims.append(Claim(what, published, ratios, 1.0 if first == "VAE-GAN" else TOLD, 0.0))
    for score in ("precision", "recall"):
        parts = [(name, found(BUDGETS[-1], name, "averaged", score)) for name in RIVALS]
        head = f"{BUDGETS[-1]} epochs, averaged weights: {score}"
        claims += [Claim(f"{head}, {name}", "", values, -TOLD, 1.0) for name, values in parts]
    return claims


# ---- Y12: patches of photographs ----

LADDER = {"normal": ("one normal", 68.1), "contrast": ("one latent for the contrast on top", 98.1)}
LADDER["maf"] = ("MAF of four steps", 120.8)


def patches(images, random):
    """Quarters of photographs [n, 16, 16, 1], their bytes spread over the cells: [4 n, 64] in [0, 1]."""
    x = np.rint(255 * images.reshape(-1, 2, 8, 2, 8)).transpose(0, 1, 3, 2, 4).reshape(-1, 64)
    return (x + random.uniform(size=x.shape)) / 256


def contrast_evidence(squares, log_volume, m, a):
    """log p(x) of normal patches with a random contrast exp(m + a z), z ~ N(0, 1), by quadrature over z: [n], in nats.

    squares [n]: squared Mahalanobis lengths under the normal; log_volume: half the log-determinant of its covariance.
    """
    z = np.linspace(-6, 6, 241)
    log_prior = stats.norm.logpdf(z) - special.logsumexp(stats.norm.logpdf(z))
    scales = m + a * z
    log_joint = -0.5 * squares[:, None] * np.exp(-2 * scales) - 64 * scales - 32 * np.log(2 * np.pi) - log_volume
    return special.logsumexp(log_joint + log_prior, axis=1)


def trained_maf(white, random, steps, jit):
    """log p of a masked autoregressive flow of four steps that was trained on white patches: a function."""
    chain = [flows.Autoregressive(64, hidden=(192,), flip=i % 2 == 1) for i in range(4)]
    maf = priors.FlowPrior(chain).on((64,))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps))
    optimizer.build(maf.trainable_weights)

    @tf.function(jit_compile=jit)
    def step(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(maf.distribution().log_prob(x))
        optimizer.apply(tape.gradient(loss, maf.trainable_weights), maf.trainable_weights)

    for _ in range(steps):
        step(tf.constant(white[random.integers(len(white), size=256)], tf.float32))
    return lambda x: maf.distribution().log_prob(tf.constant(x, tf.float32)).numpy()


def measure_y12(run, seed):
    """Photos, 8 x 8 gray patches, dequantized with a draw for each seed; 40 000 for training, 4 000 from other blocks
    for validation, as in chapters 08 and 09. Normal: full covariance. Contrast: its two parameters by maximum
    likelihood, the evidence by quadrature. MAF: four steps of 192 hidden units on whitened patches, 400 steps of 256,
    Adam 3e-3 decayed; the log-determinant of the whitening is counted."""
    photos, random = run.load("photos"), np.random.default_rng(seed)
    train, *held = (patches(part, random) for part in (photos.x_train, photos.x_valid, photos.x_test))
    mean, root = train.mean(axis=0), np.linalg.cholesky(np.cov(train.T))
    white, *white_held = (np.linalg.solve(root, (x - mean).T).T for x in (train, *held))
    log_volume = np.log(np.diag(root)).sum()

    def contrast(x, m_and_a):
        return contrast_evidence(np.sum(x**2, axis=1), log_volume, *m_and_a)

    best = optimize.minimize(lambda both: -contrast(white[::8], both).mean(), [-0.5, 1.0], method="Nelder-Mead").x
    keras.utils.set_random_seed(seed)
    maf = trained_maf(white, random, run.most(400), jit=not run.trial)
    found = {}
    for part, x in zip(("valid", "test"), white_held):
        normal = contrast(x, (0.0, 0.0))  # the same contrast for every patch: what is left is the normal
        nats = {"normal": normal, "contrast": contrast(x, best), "maf": maf(x) - log_volume}
        found[part] = {name: float(values.mean()) for name, values in nats.items()}
    return found


def y12(results):
    claims, valid, test = [], column(results, "valid"), column(results, "test")
    for name, (what, nats) in LADDER.items():
        ours = [found[name] for found in valid]
        published = f"{nats} (measured once before)"
        claims.append(Claim(f"{what}: nats a patch", published, ours, nats - 2, nats + 2))
        bits = [(64 * np.log(256) - value) / (64 * np.log(2)) for value in ours]
        claims.append(Claim(f"{what}: bits a pixel", "8 with no model", bits, TOLD, 0.0))
        others = [found[name] for found in test]
        claims.append(Claim(f"{what}: nats a patch of the test blocks", "", others, -TOLD, 64 * np.log(256)))
    return claims


def rows():
    """Those of this module."""
    ten = [{"seed": seed, "model": model} for seed in range(10) for model in PRICES]
    rivals = [{"seed": seed, "model": model} for seed in SEEDS for model in RIVALS]
    return [
        Row("Y9b", measure_y9b, ten, y9b, quick=False),
        Row("Y10", measure_y10, rivals, y10, quick=False),
        Row("Y12", measure_y12, [{"seed": seed} for seed in SEEDS], y12, quick=False),
    ]
