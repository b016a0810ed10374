"""MNIST again: an RBM by its exact likelihood (Y6), a hundred labels (Y7), a course's grading bands (Y16), a
file as small as the bound (Y17)."""

import bz2
import zlib

from vae_course import compression, evaluation, layers, likelihoods, models, networks, priors

import keras
import numpy as np
import tensorflow as tf
from claims import TOLD, Claim, column, gains
from rows import SEEDS, SHAPE, Row, all_training, decayed, drawn_once, quickly

# ---- Y6: an RBM whose partition function can be summed ----


def black_and_white(images):
    """Bytes 0 and 255: a pixel is on from half of the range."""
    return np.where(images < 128, 0, 255).astype("uint8")


def walks(rbm, rates, exact, run):
    """How far AIS is off the exact log Z, in nats: from base rates to the RBM, and from its samples back."""
    options = {"temperatures": run.most(1000), "start": rates}
    drawn = rbm.sample(100, steps=run.most(500), seed=0)
    there = evaluation.annealed(rbm, chains=100, **options).log_z
    return {"there": there - exact, "back": evaluation.annealed(rbm, reverse_from=drawn, **options).log_z - exact}


def measure_y6(run, seed, model):
    """MNIST, pixels on from half of their range; 784-16, PCD-1, 100 chains, 60 000 images, 50 epochs, batch 100,
    learning rate 0.01, PyDeep's protocol; scikit-learn the same, its weights through the same sum over 2^16 states
    (it starts from zero biases, where ours starts at base rates, and soon each of its hidden units is always on);
    10 000 test images. AIS: 1 000 temperatures, 100 chains; on `digits` an RBM 64-16, 30 epochs, batch 20, SGD from 0.3
    to 0.01."""
    keras.utils.set_random_seed(seed)
    hidden = 4 if run.trial else 16
    if model == "digits":
        data, epochs = run.load("digits"), run.epochs(30)
        train, test = ((x > 0.5).astype("float32") for x in (data.x_train, data.x_test))
        rate, batch_size = keras.optimizers.schedules.ExponentialDecay(0.3, epochs * len(train) // 20, 1 / 30), 20
    else:
        data, epochs, rate, batch_size = run.load("mnist", "uint8"), run.epochs(50), 0.01, 100
        train, test = black_and_white(all_training(data)), black_and_white(data.x_test)
    rbm = models.RBM(train.shape[1:], hidden, centered=model != "plain")
    if model == "scikit-learn":
        from sklearn.neural_network import BernoulliRBM

        theirs = BernoulliRBM(hidden, learning_rate=rate, batch_size=batch_size, n_iter=epochs, random_state=seed)
        theirs.fit(train.reshape(len(train), -1) / np.float32(255))
        rbm.set_weights_and_biases(theirs.components_.T, theirs.intercept_visible_, theirs.intercept_hidden_)
    else:
        rbm.compile(keras.optimizers.SGD(rate), **quickly(run))
        rbm.fit(train, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=run.bar())
    exact = evaluation.log_partition(rbm)
    rates = train.mean(axis=0) / train.max()
    return {"nll": float(rbm.free_energy(test).mean() + exact), **walks(rbm, rates, exact, run)}


def judge_y6(results):
    centered, plain, theirs = (column(results, "nll", model=model) for model in ("centered", "plain", "scikit-learn"))
    claims = [
        Claim("RBM 784-16, centered: exact test NLL, nats", "142.56 (PyDeep)", centered, 148, 139),
        Claim("the same, plain", "149.05 (PyDeep)", plain, TOLD, 139),
        Claim("the centered one is better by, nats, seed by seed", "6.49", gains(centered, plain), -TOLD, 20),
        Claim("the same, scikit-learn's BernoulliRBM (plain)", "", theirs, TOLD, 139),
    ]
    for model, reach, published in (("digits", 0.2, "0"), ("centered", TOLD, "0.49 and 6.12 (PyDeep)")):
        for way, words in (("there", "AIS"), ("back", "AIS in reverse")):
            off = [abs(value) for value in column(results, way, model=model)]
            what = f"{'`digits` 64-16' if model == 'digits' else 'RBM 784-16, centered'}: {words} is off log Z by, nats"
            claims.append(Claim(what, published, off, reach, 0))
    return claims


# ---- Y7: a hundred labels ----


def some_labels(y, per_class, seed):
    """y [n], with -1 for all but so many examples of each class."""
    random, shown = np.random.default_rng(seed), np.full(len(y), -1)
    for label in range(10):
        shown[random.choice(np.flatnonzero(y == label), per_class, replace=False)] = label
    return shown


def error(guesses, y):
    return 100 * float(np.mean(guesses != y))


def spreading(codes, shown, new):
    """Guesses for new codes, from labels that flow over a graph of neighbors."""
    from sklearn.semi_supervised import LabelSpreading

    graph = LabelSpreading(kernel="knn", n_neighbors=7).fit(codes, shown)
    with np.errstate(invalid="ignore"):  # new examples in a part that no label has reached
        return graph.predict(new)


def measure_y7(run, seed):
    """MNIST, 8 000 images, 10 labels of each digit; each run draws the labels and trains M1 anew: 784-400-20, ReLU,
    pixels drawn anew, 20 epochs, batch 100, Adam 1e-3. M2 on its mean codes: 20-256-10, ReLU, a learned scale, alpha
    10, the classifier first, labeled rows repeated to a tenth, 30 epochs, batch 100, Adam 3e-3. Error in percent on the
    10 000 test images. Settings by 5 000 validation images and the draws 100 and 101, apart from those of the table.
    Graphs: 7 neighbors, the same images."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    data = run.load("mnist", "uint8")
    x, y, x_new, y_new = data.x_train[:8000], data.y_train[:8000], data.x_test, data.y_test
    shown = some_labels(y, 10, seed)
    known = shown >= 0
    flat, flat_new = (part.reshape(len(part), -1) / np.float32(255) for part in (x, x_new))
    pca = PCA(30, random_state=0).fit(flat)
    found = {
        "regression": LogisticRegression(max_iter=2000).fit(flat[known], y[known]).predict(flat_new),
        "graph of PCA": spreading(pca.transform(flat), shown, pca.transform(flat_new)),
    }

    keras.utils.set_random_seed(seed)
    parts = networks.mlp_encoder(SHAPE, 40, hidden=(400,)), networks.mlp_decoder(20, SHAPE, hidden=(400,))
    m1 = models.VAE(*parts, augmentation=layers.Binarize())
    m1.compile(keras.optimizers.Adam(1e-3), **quickly(run))
    m1.fit(x, batch_size=100, epochs=run.epochs(20), verbose=0, callbacks=run.bar())
    codes, codes_new = m1.encode(x), m1.encode(x_new)
    found["graph of codes"] = spreading(codes, shown, codes_new)

    first = MLPClassifier((256,), solver="lbfgs", alpha=0.1, max_iter=5000, random_state=seed)
    first.fit(codes[known], y[known])
    found["network"] = first.predict(codes_new)
    classifier = networks.mlp_encoder((20,), 10, hidden=(256,), name="classifier")
    classifier.set_weights([weight for pair in zip(first.coefs_, first.intercepts_) for weight in pair])
    encoder = networks.mlp_encoder((20,), 20, hidden=(256,), condition_size=10)
    decoder = networks.mlp_decoder(10, (20,), hidden=(256,), condition_size=10)
    m2 = models.M2(encoder, decoder, classifier, alpha=10.0, likelihood=likelihoods.Gaussian("learned"))
    m2.compile(keras.optimizers.Adam(3e-3), **quickly(run))
    order = np.append(np.arange(len(x)), np.tile(np.flatnonzero(known), 8))
    m2.fit(codes[order], shown[order], batch_size=100, epochs=run.epochs(30), verbose=0, callbacks=run.bar())
    found["M1+M2"] = m2.classify(codes_new).argmax(axis=1)
    return {name: error(guesses, y_new) for name, guesses in found.items()}


def judge_y7(results):
    ours = column(results, "M1+M2")
    graphs = {name: column(results, name) for name in ("graph of PCA", "graph of codes")}
    better = {name: gains(ours, theirs) for name, theirs in graphs.items()}
    only = "labels only"
    return [
        Claim("M1+M2: error, %", "3.33 (Kingma et al. 2014, 50 000 images)", ours, 10, 3.33, 1),
        Claim(f"{only}, logistic regression of pixels: error, %", "", column(results, "regression"), TOLD, 10, 1),
        Claim(f"{only}, the classifier of M2: error, %", "25.81 (a network)", column(results, "network"), TOLD, 10, 1),
        Claim("label spreading, 30 components of PCA: error, %", "", graphs["graph of PCA"], TOLD, 3.33, 1),
        Claim("label spreading, codes of M1: error, %", "", graphs["graph of codes"], TOLD, 3.33, 1),
        Claim("M1+M2 is below the graph of PCA by, points, draw by draw", "", better["graph of PCA"], 0, 30, 1),
        Claim("and below the graph of codes by, points", "", better["graph of codes"], -TOLD, 30, 1),
    ]


# ---- Y16: the grading bands of a university course ----


def measure_y16(run, seed, prior):
    """MNIST drawn anew; 784-300-300-10, ELU; standard normal prior, or a mixture of 500 normals that learns, its
    centers from N(0, 0.014^2); 60 000 images, 33 epochs (19 800 steps), batch 100, Adam 1e-3; ELBO and KL on 10 000
    test images, KL by a sample where the prior is the mixture, IWAE-1000 on 1 000. The bands are graded on 100 chosen
    test images. One seed for each prior."""
    data = run.load("mnist", "uint8")
    keras.utils.set_random_seed(seed)
    hidden = {"hidden": (300, 300), "activation": "elu"}
    parts = networks.mlp_encoder(SHAPE, 20, **hidden), networks.mlp_decoder(10, SHAPE, **hidden)
    options = {"prior": priors.GaussianMixture(components=500, spread=0.014)} if prior == "mixture" else {}
    vae = models.VAE(*parts, augmentation=layers.Binarize(), **options)
    vae.compile(keras.optimizers.Adam(1e-3), **quickly(run))
    vae.fit(all_training(data), batch_size=100, epochs=run.epochs(33), verbose=0, callbacks=run.bar())
    x = drawn_once(data.x_test)
    terms = [vae(part) for part in np.split(x, 10)]
    found = {name: float(np.mean([part[name] for part in terms])) for name in ("elbo", "kl")}
    bound = evaluation.log_likelihood(vae, x[: run.most(1000)], k=run.most(1000)).mean
    return {"nelbo": -found["elbo"], "kl": found["kl"], "iwae": -bound}


def judge_y16(results):
    claims, where = [], "(Stanford XCS236, problem set 2)"
    bands = {"normal": ((100, 2), (19.5, 2), (95, 2.8)), "mixture": ((97, 3), (17.5, 1), (93, 2.7))}
    for prior, published in bands.items():
        words = {"nelbo": ("negative ELBO", 82), "kl": ("of it the KL", 0), "iwae": ("negative IWAE-1000 bound", 82)}
        for (key, (what, limit)), (middle, width) in zip(words.items(), published):
            values = column(results, key, prior=prior)
            off = abs(float(np.mean(values)) - middle)  # a band has two ends, neither of them one that nobody can pass
            claims += [
                Claim(f"{prior} prior: {what}, nats", f"{middle} +- {width} {where}", values, TOLD, limit),
                Claim(f"{prior} prior: {what}: off the middle of that band by", "", [off], width, 0),
            ]
    return claims


# ---- Y17: the bound as the size of a file ----


def measure_y17(run, seed):
    """Fixed-binarized MNIST; 784-200-40, ReLU; 50 000 images, 10 epochs, batch 100, Adam 1e-3 decayed; 2 000 test
    images in one file, all decoded. The bound: 20 samples for each of these images. zlib and bz2 get packed bits."""
    data, epochs = run.load("binarized_mnist", "uint8"), run.epochs(10)
    keras.utils.set_random_seed(seed)
    vae = models.VAE(networks.mlp_encoder(SHAPE, 80, hidden=(200,)), networks.mlp_decoder(40, SHAPE, hidden=(200,)))
    vae.compile(decayed(epochs, data.x_train, 100), **quickly(run))
    vae.fit(data.x_train, batch_size=100, epochs=epochs, verbose=0, callbacks=run.bar())
    x = (data.x_test[: run.most(2000)] > 0).astype("float32")
    file = compression.compress(vae, x)
    samples = [vae.log_weights(x, 4, tf.constant([seed, number])).numpy().mean() for number in range(5)]
    packed = np.packbits(x.astype("uint8")).tobytes()
    return {
        "size": 8 * len(file) / x.size,
        "bound": -float(np.mean(samples)) * len(x) / np.log(2) / x.size,
        "wrong": int(np.sum(compression.decompress(vae, file) != x)),
        "zlib": 8 * len(zlib.compress(packed, 9)) / x.size,
        "bz2": 8 * len(bz2.compress(packed, 9)) / x.size,
    }


def judge_y17(results):
    size, bound = (column(results, key) for key in ("size", "bound"))
    ratio = [a / b for a, b in zip(size, bound)]
    return [
        Claim("the file's size over the bound in bits", "1 (0.19 against 0.19)", ratio, 1.01, 0.99, 4),
        Claim("pixels that came back wrong", "0", column(results, "wrong"), 0, 0, 0),
        Claim("bits a pixel, the whole file", "0.19 (Townsend et al. 2019, 784-100-40)", size, TOLD, 0.15, 4),
        Claim("bits a pixel, zlib", "0.33 (gzip)", column(results, "zlib")[:1], TOLD, 0.15, 4),
        Claim("bits a pixel, bz2", "0.25", column(results, "bz2")[:1], TOLD, 0.15, 4),
    ]


def rows():
    machines = [{"seed": seed, "model": model} for model in ("digits", "centered", "plain") for seed in SEEDS]
    machines.append({"seed": 0, "model": "scikit-learn"})
    bands = [{"seed": 0, "prior": prior} for prior in ("normal", "mixture")]
    return [
        Row("Y6", measure_y6, machines, judge_y6, quick=False),
        Row("Y7", measure_y7, [{"seed": seed} for seed in range(5)], judge_y7, quick=False),
        Row("Y16", measure_y16, bands, judge_y16, quick=False),
        Row("Y17", measure_y17, [{"seed": seed} for seed in SEEDS], judge_y17, quick=False),
    ]
