"""Alarms: a VAE beside other detectors, trained on normal rows: twenty tables (Y8), attacks on a network (Y13).

The VAE's score is -ELBO, said before anything was measured: the bound on -log p(x), which holds both its halves, the
reconstruction and the KL. The halves are told beside it. Chapter 13 says when which of them is the better one.
"""

from vae_course import evaluation, likelihoods, models, networks
from vae_course.datasets import downloads

import keras
import numpy as np
from claims import TOLD, Claim, gains
from rows import SEEDS, Row, if_installed, left_out, quickly
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

SCORES = {"VAE, -ELBO": "elbo", "VAE, reconstruction": "reconstruction", "VAE, KL": "kl", "VAE, error": "error"}
PYOD = ("ECOD (PyOD)", "HBOS (PyOD)", "LOF (PyOD)", "OCSVM (PyOD)")
VAE, CODER, FALSE_ALARMS = "VAE, -ELBO", "autoencoder", 0.01

# ---- detectors: each gives {its name: scores of the new rows}, higher = odder ----


def rivals(train, new):
    """The error of PCA with 80 % of the variance, and the mean distance to five neighbors: no seed."""
    pca = PCA(0.8, svd_solver="full").fit(train)
    rest = new - pca.inverse_transform(pca.transform(new))
    distances = NearestNeighbors(n_neighbors=5).fit(train).kneighbors(new)[0]
    return {"PCA": (rest**2).sum(axis=1), "kNN": distances.mean(axis=1)}


def forest(train, new, seed):
    return {"Isolation Forest": -IsolationForest(random_state=seed).fit(train).score_samples(new)}


def of_pyod(train, new):
    """PyOD's detectors with its defaults, none of them with a seed."""
    from pyod.models import ecod, hbos, lof, ocsvm

    kinds = dict(zip(PYOD, (ecod.ECOD, hbos.HBOS, lof.LOF, ocsvm.OCSVM)))
    return {name: kind().fit(train).decision_function(new) for name, kind in kinds.items()}


def networks_for(train, latent_size, hidden, outputs):
    shape = train.shape[1:]
    return networks.mlp_encoder(shape, outputs, hidden), networks.mlp_decoder(latent_size, shape, hidden[::-1])


def new_vae(train, latent_size, hidden):
    """Chapter 13's, and that of `estimators.TableVAE`: one learned noise scale for each column."""
    parts = networks_for(train, latent_size, hidden, 2 * latent_size)
    return models.VAE(*parts, likelihood=likelihoods.Gaussian("per_feature"))


def new_coder(train, latent_size, hidden):
    return models.Autoencoder(*networks_for(train, latent_size, hidden, latent_size))


def trained(new_model, train, sizes, seeds, epochs, rate, run):
    """The model trained from each seed in turn, compiled once."""
    model = None
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        fresh = new_model(train, *sizes)
        if model is None:
            model = fresh
            model.compile(keras.optimizers.Adam(rate), **quickly(run))
        else:
            model.start_from(fresh)
        model.fit(train, batch_size=64, epochs=epochs, verbose=0, callbacks=run.bar())
        yield model


def of_vae(vae, new):
    scores = evaluation.anomaly_scores(vae, new)
    return {name: scores[key] for name, key in SCORES.items()}


def of_coder(coder, new):
    return {CODER: ((new - coder.predict(new, batch_size=1000, verbose=0)) ** 2).sum(axis=1)}


# ---- Y8: twenty tables of ADBench ----

TABLES = tuple(sorted(downloads.ADBENCH))
SIX = tuple(f"adbench_{name}" for name in ("cardio", "mnist", "optdigits", "pendigits", "satellite", "shuttle"))


def auc_and_recall(scores, odd):
    """The AUC, and the recall where 1 % of these normal rows raise an alarm, none of them if under a hundred."""
    threshold = np.quantile(scores[odd == 0], 1 - FALSE_ALARMS, method="higher")
    return [float(roc_auc_score(odd, scores)), float(np.mean(scores[odd == 1] > threshold))]


def rows_y8(run, table):
    """Training rows, new ones, and which of these are odd."""
    data = run.load(table)
    x, y = np.concatenate([data.x_valid, data.x_test]), np.concatenate([data.y_valid, data.y_test])
    chosen = np.concatenate([np.flatnonzero(y == 0)[:10_000], np.flatnonzero(y == 1)])
    return data.x_train[:10_000], x[chosen], y[chosen]


def measure_y8(run, table, beside=None):
    """ADBench's twenty tables here, standardized; trained on half of the normal rows, 10 000 at most; tested on all
    anomalies and the other normal rows, 10 000 at most. One protocol for all tables, nothing tuned: a third of the
    columns as latents, 1 to 8; hidden layers of 64, ReLU; 50 epochs, at least 1 000 steps, batch 64, Adam 1e-3; 3
    seeds. The autoencoder has the same networks, on the six tables. PCA: 80 % of the variance; kNN: 5 neighbors. PyOD
    3.6.7 with its defaults on the same rows; its ECOD ranks a new row among the training rows and all new ones. Its VAE
    is left out: by default its loss has no KL, which is clipped to at most `capacity`, and that is 0."""
    if run.trial and table != SIX[0]:
        return {}  # a trial compiles the models once
    seeds, (train, new, odd) = SEEDS[:1] if run.trial else SEEDS, rows_y8(run, table)
    if beside == "PyOD":
        return {name: [auc_and_recall(scores, odd)] for name, scores in of_pyod(train, new).items()}
    sizes = (max(1, min(8, train.shape[1] // 3)), (64,))
    settings = (train, sizes, seeds, run.epochs(max(50, 64_000 // len(train))), 1e-3, run)
    without = rivals(train, new)
    scores = [without | forest(train, new, seed) for seed in seeds]
    for found, vae in zip(scores, trained(new_vae, *settings)):
        found |= of_vae(vae, new)
    if table in SIX:
        for found, coder in zip(scores, trained(new_coder, *settings)):
            found |= of_coder(coder, new)
    return {name: [auc_and_recall(each[name], odd) for each in scores] for name in scores[0]}


# Six of the eight tables that were named have a published figure, so the goal of five of eight is four of six here.
BENCHMARK = "PCA: .953, .852, .504, .936, .596, .990 (PyOD's benchmark, with anomalies among the training rows)"
SAME = "(57 tables, trained on normal rows; Livernoche et al. 2024, read off a figure)"
PUBLISHED = {VAE: f".747 {SAME}", "PCA": f".740 {SAME}", "kNN": f".809 {SAME}", "Isolation Forest": f".757 {SAME}"}


def once(name, values):
    """One value instead of three where no seed takes part."""
    return values[:1] if name in ("PCA", "kNN", *PYOD) else values


def names_of_pyod(results, row):
    """The names of PyOD's detectors, if these results hold theirs."""
    if any(piece.get("beside") == "PyOD" for piece, _ in results):
        return PYOD
    left_out(row, "pyod")
    return ()


def y8(results):
    found = {}  # {table: {detector: its scores by seed}}; PyOD's are pieces of their own
    for piece, numbers in results:
        if numbers:
            found.setdefault(piece["table"], {}).update(numbers)
    six = [table for table in SIX if table in found]

    def values(name, place, tables=tuple(found)):
        """[seeds, tables]: AUCs (place 0) or recalls (1)."""
        return np.array([[run[place] for run in found[table][name]] for table in tables]).T

    def level(name, tables):
        """For each seed: on how many tables within .03 of PCA, or above."""
        return list((values(name, 0, tables) > values("PCA", 0, tables) - 0.03).sum(axis=1, dtype=float))

    ahead = values(VAE, 0) > values("kNN", 0)
    always = [table.removeprefix("adbench_") for table, wins in zip(found, ahead.all(axis=0)) if wins]
    count, names = len(found), [*SCORES, "PCA", "kNN", "Isolation Forest", *names_of_pyod(results, "Y8")]
    listed = ", ".join(table.removeprefix("adbench_") for table in six)
    on_six = ", ".join(f"{value:.3f}" for value in values("PCA", 0, six).mean(axis=0))
    claims = [
        Claim(
            f"{VAE}: AUC within .03 of PCA or above, of {listed} (PCA: {on_six})", BENCHMARK, level(VAE, six), 4, 6, 1
        ),
        Claim("autoencoder: the same", "", level(CODER, six), 4, 6, 1),
        Claim(f"{VAE}: the same of all {count} tables", "", level(VAE, tuple(found)), -TOLD, count, 1),
    ]
    for name in names:
        mean = once(name, list(values(name, 0).mean(axis=1)))
        claims.append(Claim(f"{name}: mean AUC of {count} tables", PUBLISHED.get(name, ""), mean, -TOLD, 1, 3))
    lead = gains(values("kNN", 0).mean(axis=1), values(VAE, 0).mean(axis=1))
    claims += [
        Claim(f"{VAE}: mean AUC above kNN's by, seed by seed", f"-.062 {SAME}", lead, -TOLD, 1, 3),
        Claim(
            f"{VAE}: tables with a higher AUC than kNN's; in each seed {', '.join(always) or 'none'}",
            "", list(ahead.sum(axis=1, dtype=float)), -TOLD, count, 1,
        ),
    ]  # fmt: skip
    for name in names:
        recalls = once(name, list(values(name, 1).mean(axis=1)))
        claims.append(Claim(f"{name}: mean recall at 1 % false alarms", "", recalls, -TOLD, 1, 3))
    return claims


# ---- Y13: attacks on a network ----


def measure_y13(run, beside=None):
    """NSL-KDD, 117 columns, numbers standardized; trained on 10 449 normal rows. Chapter 13's VAE: 8 latents, hidden
    layers of 128 and 64, ReLU, 30 epochs, batch 64, Adam 2e-3; 3 seeds; nothing tuned. Thresholds for 1 % false alarms
    from 1 500 other normal rows. Tested on the same file (1 500 more normal rows, all its attacks) and on KDDTest+,
    which was recorded apart and holds attacks of new kinds. PyOD 3.6.7 with its defaults on the same rows; its ECOD
    ranks a row among the training rows and all of these together."""
    data, seeds = run.load("nsl_kdd"), SEEDS[:1] if run.trial else SEEDS
    normal = np.flatnonzero(data.y_valid == 0)
    half, rest = normal[: len(normal) // 2], np.concatenate([normal[len(normal) // 2 :], np.flatnonzero(data.y_valid)])
    parts = data.x_valid[half], data.x_valid[rest], data.x_test
    labels = data.y_valid[rest] > 0, data.y_test > 0
    new, ends = np.concatenate(parts), np.cumsum([len(part) for part in parts])[:2]

    def judged(scores):
        known, *scored = np.split(scores, ends)
        limit = evaluation.threshold(known, FALSE_ALARMS)
        return [
            [float(roc_auc_score(odd, s)), float(np.mean(s[odd] > limit)), float(np.mean(s[~odd] > limit))]
            for odd, s in zip(labels, scored)
        ]

    if beside == "PyOD":
        return {name: [judged(scores)] for name, scores in of_pyod(data.x_train, new).items()}
    settings = (data.x_train, (8, (128, 64)), seeds, run.epochs(30), 2e-3, run)
    without, found = rivals(data.x_train, new), {}
    for seed, vae in zip(seeds, trained(new_vae, *settings)):
        for name, scores in (of_vae(vae, new) | without | forest(data.x_train, new, seed)).items():
            found.setdefault(name, []).append(judged(scores))
    return found


def y13(results):
    """False alarms that came stand beside what was found: a threshold from 1 500 rows promises 1 % only on average,
    and KDDTest+ has normal rows of another kind."""
    found, claims = {name: lines for _, numbers in results for name, lines in numbers.items()}, []
    names = VAE, "PCA", "kNN", "Isolation Forest", *names_of_pyod(results, "Y13")
    for place, where in enumerate(("same file", "KDDTest+")):
        for name in names:
            area, recall, false = (once(name, list(values)) for values in np.array(found[name])[:, place].T)
            claims += [
                Claim(f"{where}, {name}: AUC", "", area, -TOLD, 1, 3),
                Claim(f"{where}, {name}: attacks found, threshold for 1 % false alarms", "", recall, -TOLD, 1, 3),
                Claim(f"{where}, {name}: false alarms that came", "", false, TOLD, 0, 3),
            ]
    return claims


def rows():
    tables, pyod = [{"table": table} for table in TABLES], {"beside": "PyOD"}
    return [
        Row("Y8", measure_y8, tables + if_installed("pyod", [table | pyod for table in tables]), y8, quick=False),
        Row("Y13", measure_y13, [{}, *if_installed("pyod", [pyod])], y13, quick=False),
    ]
