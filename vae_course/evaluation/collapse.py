"""Does a VAE use its latents? The measurements of chapter 06, and a report on them in words."""

import dataclasses
import math
from typing import NamedTuple

from vae_course import bounds
from vae_course.evaluation.likelihood import parts_of, with_conditions
from vae_course.likelihoods import Gaussian
from vae_course.models import LatentModel, checks
from vae_course.models.data import in_batches
from vae_course.models.joint import Joint

import numpy as np
import numpy.typing as npt
import tensorflow as tf

ACTIVE = 0.01  # variance of a posterior mean over the data from which on its latent counts as active
TELLS_NOTHING = 0.1  # nats of mutual information up to which the codes tell nothing about the image
MOST_EXAMPLES = 1000  # every code meets every posterior: the cost grows with the square


class ActiveUnits(NamedTuple):
    """Which latents react to the data."""

    count: int
    variances: np.ndarray  # [latent_size], the variance over the data of each posterior mean


@dataclasses.dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `diagnose` found; in nats per example. Printed, it is a report in words."""

    verdict: str  # "healthy", "partly collapsed" or "collapsed"
    rate: float  # E[KL(q(z|x) || p(z))]
    distortion: float  # -E[log p(x|z)]
    mutual_information: float  # between image and code under q; at most log(examples)
    marginal_kl: float  # KL(q(z) || p(z)) = rate - mutual_information
    swap_cost: float  # reconstruction that is lost when the images exchange their codes
    active: int  # latents whose posterior mean moves with the image
    variances: np.ndarray  # [latent_size], of the posterior means
    kl_per_latent: np.ndarray | None  # [latent_size], or None where the KL does not split
    examples: int
    notes: tuple  # sentences

    @property
    def saturated(self) -> bool:
        """Whether the mutual information is near the most that so many examples can show."""
        return self.mutual_information > 0.9 * math.log(self.examples)

    def __str__(self) -> str:
        least, most = ("at least ", "at most ") if self.saturated else ("", "")
        lines = [
            f"Diagnosis on {self.examples} examples: {self.verdict}.",
            f"  rate                {self.rate:10.4g} nats  what the codes cost, KL(q(z|x) || p(z))",
            f"  distortion          {self.distortion:10.4g} nats  what is still missing, -E[log p(x|z)]",
            f"  mutual information  {self.mutual_information:10.4g} nats  {least}this much do the codes tell about the "
            f"image ({self.examples} examples can show {math.log(self.examples):.2g})",
            f"  marginal KL         {self.marginal_kl:10.4g} nats  {most}so far is the aggregate posterior from "
            "the prior",
            f"  exchanging codes    {self.swap_cost:10.4g} nats  of reconstruction are lost by it",
            f"  active latents      {self.active:10d} of {len(self.variances)}",
        ]
        if self.kl_per_latent is not None:
            values = ", ".join(f"{value:.2g}" for value in np.sort(self.kl_per_latent)[::-1][:12])
            more = f", and {len(self.variances) - 12} more" if len(self.variances) > 12 else ""
            lines.append(f"  KL of each latent   {values}{more} nats, largest first")
        return "\n".join([*lines, *(f"- {note}" for note in self.notes)])

    __repr__ = __str__


def diagnose(model: Joint, x: npt.ArrayLike | tf.data.Dataset, seed: int = 0) -> Diagnosis:
    """How much a VAE uses its latents, on examples x [n, *shape], of which the first 1000 are used. Chapter 06.

        rate = E[KL(q(z|x) || p(z))] = I_q(x; z) + KL(q(z) || p(z)),    q(z) = (1/n) sum_i q(z|x_i)

    Returns a `Diagnosis`; print it for the report. The mutual information is a one-sample estimate that cannot exceed
    log n. x: an array, a frame or a tf.data set; a pair (x, c) for a `ConditionalVAE`. Works on any VAE of the course;
    the same seed gives the same numbers.
    Source: Hoffman & Johnson (2016), "ELBO surgery"; Burda, Grosse & Salakhutdinov (2016) for active units.
    """
    model, data = with_conditions(model, checks.collected(x))
    x = data[0] if isinstance(data, tuple) else data
    if len(x) < 2:
        raise ValueError(f"x must hold at least two examples, to tell them apart. Received: {len(x)}")
    view, x = parts_of(model, tf.nest.map_structure(lambda array: array[:MOST_EXAMPLES], data))
    n = len(x)
    prior, posterior = view.prior(), view.posterior(x)
    z = posterior.sample(seed=tf.constant([checks.random_seed(seed), 0]))
    log_own = posterior.log_prob(z).numpy()
    log_all = in_batches(lambda part: posterior.log_prob(np.repeat(part[:, None], n, axis=1)), z.numpy(), 50)  # [n, n]
    information = max(0.0, float(np.mean(log_own - np.logaddexp.reduce(log_all, axis=1))) + math.log(n))
    rate = float(np.mean(bounds.kl(posterior, prior, z)))
    own, other = (view.likelihood(codes).log_prob(view.prepare(x)).numpy() for codes in (z, tf.roll(z, 1, axis=0)))
    variances = posterior.mean().numpy().var(axis=0)
    try:
        per_latent = bounds.kl_per_latent(posterior, prior).numpy().mean(axis=0)
    except ValueError:  # a full covariance or another prior
        per_latent = None
    active = int((variances > ACTIVE).sum())
    if information <= TELLS_NOTHING:
        verdict = "collapsed"
    else:
        verdict = "healthy" if active == len(variances) else "partly collapsed"
    found = Diagnosis(
        verdict, rate, float(-own.mean()), information, rate - information, float((own - other).mean()),
        active, variances, per_latent, n, (),
    )  # fmt: skip
    return dataclasses.replace(found, notes=tuple(_notes(view, x, found)))


def _notes(model, x, found):
    size = len(found.variances)
    if found.verdict == "collapsed":
        yield "The posterior is nearly the same for every example: z tells nothing, and the decoder works alone."
    elif found.active < size:
        yield f"Switched off: {size - found.active} of {size} latents. They cost almost nothing and are not read."
    if found.verdict != "collapsed" and found.swap_cost < TELLS_NOTHING:
        yield "The encoder writes, but the decoder does not read: other examples' codes serve it as well."
    if getattr(getattr(model, "prior_part", None), "hears_condition", False):
        yield "The prior differs with the condition, so the marginal KL is rate less information, and no divergence."
    elif found.marginal_kl > max(1.0, 0.5 * found.rate) and not found.saturated:
        yield "Most of the rate is a mismatch of aggregate posterior and prior: samples may look unlike the data."
    whole = getattr(model, "compiled_for", model)
    if whole.beta != 1.0 and type(whole).objective is LatentModel.objective:
        yield f"beta is {whole.beta:g}: in training a nat of KL weighs {whole.beta:g} nats of reconstruction."
    part = getattr(model, "likelihood_part", None)
    if isinstance(part, Gaussian) and part.scale not in ("decoder", "per_feature"):
        sigma = float(part.location_and_scale(tf.zeros([]))[1])
        flat = model.prepare(x).numpy().reshape(len(x), -1)
        if not np.isnan(flat).any():
            spread = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False) ** 2 / len(x)
            yield (
                f"sigma is {sigma:.3g}. Directions in which these data vary by more than sigma^2: "
                f"{int((spread > sigma**2).sum())}. At best a linear decoder uses so many latents, if it has them "
                "(chapter 06)."
            )


def active_units(model: Joint, x: npt.ArrayLike | tf.data.Dataset, threshold: float = 0.01) -> ActiveUnits:
    """The latents whose posterior mean varies over the data by more than `threshold`: x [n, *shape]. Chapter 04.

    Source: Burda, Grosse & Salakhutdinov (2016), section 5.2.
    """
    if not hasattr(model, "encode"):
        raise ValueError(f"Active units are latents of a model that encodes. Received: {type(model).__name__}")
    variances = model.encode(x).var(axis=0)
    return ActiveUnits(int((variances > threshold).sum()), variances)


def kl_per_dimension(model: Joint, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
    """KL(q(z_j|x) || N(0, 1)) for each latent, mean over the data: [latent_size], in nats. Built in chapter 03.

    The entries add up to the KL of the bound. ValueError where it does not split: a full covariance, a mixture prior.
    """
    model, data = with_conditions(model, checks.collected(x))
    parts_of(model, data)  # checks them

    def each(part):
        view, x = parts_of(model, part)
        return bounds.kl_per_latent(view.posterior(x), view.prior())

    return in_batches(each, data).mean(axis=0)
