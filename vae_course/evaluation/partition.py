"""The partition function of an RBM: the sum over everything that its log-likelihood needs. In nats."""

from typing import NamedTuple

from vae_course import needed
from vae_course.models import RBM, checks

import numpy as np
import numpy.typing as npt

MOST_UNITS = 20  # of the smaller layer: 2^20 states are summed in seconds
BLOCK = 2**13


def log_partition(rbm: RBM) -> float:
    """log Z = log sum_h exp(h.c + sum_i softplus(b_i + (W h)_i)), exactly, over the smaller layer. Chapter 11.

    rbm: a `models.RBM`, whose smaller layer has at most 20 units: the sum has 2^units terms. ValueError above that.
    Mean log p(x) in nats: -rbm.free_energy(x).mean() - log_partition(rbm).
    """
    w, b, c = _parameters(rbm)
    w, b, c = (w, b, c) if len(c) <= len(b) else (w.T, c, b)  # the layer that is summed comes last
    if len(c) > MOST_UNITS:
        raise ValueError(
            f"The smaller layer may have {MOST_UNITS} units, since the sum has 2^units terms: use evaluation.annealed. "
            f"Received: {len(c)} units"
        )
    sums = []
    for first in range(0, 2 ** len(c), BLOCK):
        states = np.arange(first, min(first + BLOCK, 2 ** len(c)))
        h = (states[:, None] >> np.arange(len(c))) & 1
        sums.append(np.logaddexp.reduce(h @ c + _softplus(h @ w.T + b).sum(axis=1)))
    return float(np.logaddexp.reduce(sums))


class Annealed(NamedTuple):
    """An estimate of log Z, in nats."""

    log_z: float
    log_weights: np.ndarray  # [chains]: their spread is no alarm for what the chains never saw


def annealed(
    rbm: RBM,
    temperatures: int = 1000,
    chains: int = 100,
    start: npt.ArrayLike | None = None,
    reverse_from: npt.ArrayLike | None = None,
    seed: int = 0,
) -> Annealed:
    """Annealed importance sampling: log Z = log Z_start + log mean exp(log_weights). Built in chapter 11.

    The chains walk from independent pixels (known Z) to the RBM, over so many temperatures; log Z is low on average,
    and the more so the fewer temperatures.
    start: base rates of the pixels from which to walk, such as x_train.mean(axis=0); None: coin flips, which is worse.
    reverse_from: samples of the RBM itself [chains, *shape], from which to walk back: log Z is then high on average.
    The two together are the check: where they disagree, neither is to be trusted, however small the spread of weights.
    Source: Neal (2001), "Annealed importance sampling"; Salakhutdinov & Murray (2008); reverse: Burda, Grosse &
    Salakhutdinov (2015), "Accurate and conservative estimates of MRF log-likelihood using reverse annealing".
    """
    with needed("scores"):
        from scipy.special import expit

    temperatures, chains = checks.whole_number(temperatures, "temperatures"), checks.whole_number(chains, "chains")
    random = np.random.default_rng(checks.whole_number(seed, "seed", 0))
    w, b, c = _parameters(rbm)
    rates = np.full(len(b), 0.5) if start is None else np.asarray(start, "float64").ravel()
    if rates.shape != b.shape or not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError(f"start must hold {len(b)} base rates in [0, 1]. Received: {np.shape(start)}")
    rates = np.clip(rates, 0.01, 0.99)  # a pixel that was never on may be on in the model
    base = np.log(rates) - np.log1p(-rates)
    betas = np.linspace(0, 1, temperatures + 1)

    def log_p(x, beta):
        return (1 - beta) * x @ base + beta * x @ b + _softplus(beta * (x @ w + c)).sum(axis=1)

    def step(x, beta):
        h = random.uniform(size=(len(x), len(c))) < expit(beta * (x @ w + c))
        logits = (1 - beta) * base + beta * (h @ w.T + b)
        return (random.uniform(size=x.shape) < expit(logits)).astype("float64")

    back = reverse_from is not None
    if back:
        rbm.check(np.asarray(reverse_from), "reverse_from")
        x = (np.asarray(reverse_from) > 0).reshape(len(reverse_from), -1).astype("float64")
        betas = betas[::-1]
    else:
        x = (random.uniform(size=(chains, len(b))) < rates).astype("float64")
    log_w = np.zeros(len(x))
    for number, (before, beta) in enumerate(zip(betas[:-1], betas[1:])):
        x = step(x, before) if number else x  # drawn from the first distribution as they come
        log_w += log_p(x, beta) - log_p(x, before)
    ratio = np.logaddexp.reduce(log_w) - np.log(len(x))
    known = _softplus(base).sum() + len(c) * np.log(2)
    return Annealed(float(known - ratio if back else known + ratio), -log_w if back else log_w)


def _parameters(rbm):
    if not hasattr(rbm, "weights_and_biases"):
        raise ValueError(f"Only an RBM has a partition function here. Received: {type(rbm).__name__}")
    return (part.astype("float64") for part in rbm.weights_and_biases())


def _softplus(x):
    return np.logaddexp(0, x)
