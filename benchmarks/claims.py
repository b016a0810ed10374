"""What the numbers of each row are held against: published values, what was to be reached, and what nobody can pass."""

import math
from typing import NamedTuple

TOLD = math.inf
COINS = {"binarized_mnist": 205.79, "mnist": 205.81, "fashion_mnist": 385.02}
ENTROPY = {"mnist": 45.53, "fashion_mnist": 189.86}
PCA_MSE = {
    "mnist": {2: 0.055669, 10: 0.034074, 16: 0.026860, 32: 0.016828, 64: 0.009047, 128: 0.004205},
    "fashion_mnist": {2: 0.046096, 10: 0.024352, 16: 0.020446, 32: 0.015142, 64: 0.010368, 128: 0.006312},
}
VAMP = {"mnist": (84.45, 82.43), "fashion_mnist": (228.70, 227.35)}


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
    tried: str = ""  # said where it is not reached: what was tried, and what is known about it


def column(results, key, **wanted):
    """The numbers called `key` of the pieces that have these settings, in the order of the pieces."""
    return [found[key] for piece, found in results if wanted.items() <= piece.items()]


def gains(better, worse):
    """How much lower `better` is, seed by seed."""
    return [b - a for a, b in zip(better, worse)]


def exact(results):
    def equal(what, exact, found):
        return Claim(f"{data}: {what}, nats", f"{exact:.2f}", [found], exact + 0.006, exact - 0.006, 3)

    claims = []
    for piece, found in results:
        data = piece["data"]
        claims.append(equal("a coin for each pixel", COINS[data], found["coins"]))
        if data in ENTROPY:
            claims.append(equal("entropy of the drawn test pixels", ENTROPY[data], found["entropy"]))
            published = PCA_MSE[data]
            off = max(abs(ours - published[int(size)]) for size, ours in found["pca"].items())
            what = f"{data}: PCA's test MSE, k = {', '.join(map(str, published))}: largest difference"
            claims.append(Claim(what, ", ".join(f"{mse:.6f}" for mse in published.values()), [off], 1e-6, 0.0, 7))
    return claims


def y1(results):
    published = "88.71 (784-200-200-50, 3280 epochs, k = 5000); 89.78 (pythae, 784-400-40, 500 epochs)"
    return [
        Claim("test NLL, nats", published, column(results, "nll"), 95, 88),
        Claim("CPU-minutes of training", "", column(results, "minutes"), 15, 0, 1),
    ]


def y2(results):
    losses = column(results, "loss")
    first, sixth, last = ([loss[:epoch][-1] for loss in losses] for epoch in (1, 6, 15))
    return [
        Claim("validation loss (beta 2) after 1 epoch, nats", "163", first, TOLD, 113),
        Claim("after 6 epochs", "127", sixth, TOLD, 113),
        Claim("after 15 epochs", "119.5", last, 121, 113),
        Claim("of it the negative ELBO (beta 1)", "", column(results, "nelbo"), TOLD, 82),
    ]


def y3(results):
    vae, iwae = (column(results, "nll", model=model) for model in ("VAE", "IWAE"))
    units = [column(results, "active", model=model) for model in ("IWAE", "VAE")]
    return [
        Claim("VAE: test NLL, nats", "86.76 (3280 epochs, k = 5000)", vae, TOLD, 85),
        Claim("IWAE with 5 samples: test NLL, nats", "85.54", iwae, TOLD, 84),
        Claim("the IWAE is better by, nats, seed by seed", "1.22", gains(iwae, vae), 0.5, 5),
        Claim("and has more active units by", "more", gains(units[1], units[0]), 1, 50, 1),
    ]


def y4(results):
    claims = []
    for data, published in VAMP.items():
        ours = [column(results, "nll", data=data, model=model) for model in ("VAE", "VampPrior")]
        for prior, nll, value in zip(("standard", "Vamp"), published, ours):
            claims.append(Claim(f"{data}, {prior} prior: test NLL, nats", f"{nll}", value, TOLD, published[1]))
        what = f"{data}: the VampPrior is better by, nats, seed by seed"
        claims.append(Claim(what, f"{published[0] - published[1]:.2f}", gains(ours[1], ours[0]), 0.7, 5))
    return claims


def y5(results):
    claims = []
    for data, exact in PCA_MSE.items():
        linear = [(piece["size"], found) for piece, found in results if piece["data"] == data and not piece["hidden"]]
        on_train = [found["train"] / found["pca"][0] for _, found in linear]
        on_test = [found["test"] / exact[size] for size, found in linear]
        deep, bar = column(results, "test", data=data, hidden=[512, 256]), round(exact[32], 4)
        what = f"{data}, linear, k = {', '.join(str(size) for size, _ in linear)}: training MSE over PCA's"
        claims += [
            Claim(what, "at least 1 (theorem)", on_train, 1.02, 0.9999, 4),
            Claim(f"{data}, the same: test MSE over the exact value", "1", on_test, 1.02, 0.99, 4),
            Claim(f"{data}, 784-512-256-32: test MSE", f"{exact[32]} (PCA, k = 32)", deep, bar, 0.002, 5),
        ]
    return claims


TRIED = (
    "Tried: 15 epochs (4 320 steps) of dense networks, the same for both. Locatello et al. (2019) train convolutions "
    "for 300 000 steps, and find that the seed matters more than beta; three seeds do not rank two values of it"
)


def y9(results):
    claims = []
    for name in results[0][1]:
        factors, rotated, noise = (column(results, name, model=model) for model in ("factors", "rotated", "noise"))
        claims += [
            Claim(f"{name} of the true factors", "near 1", factors, 0.9, 1 + 1e-9),
            Claim(f"{name}: how much it drops when they are rotated", "drops", gains(rotated, factors), 0.01, 1),
            Claim(f"{name} of noise", "near 0", noise, 0.1, -0.01),
        ]
    small, large = (column(results, "MIG", model=beta) for beta in ("1", "4"))
    return claims + [
        Claim("MIG, beta 1", "about .05 to .4 over models and seeds", small, -TOLD, 0.6),
        Claim("MIG, beta 4", "the same", large, -TOLD, 0.6),
        Claim(
            "MIG: beta 4 is higher by, seed by seed", "higher on average", gains(small, large), 0.0, 0.4, tried=TRIED
        ),
    ]
