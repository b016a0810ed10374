"""q(z|x): what the encoder's outputs say of the code. Each part is a Keras layer with `distribution(output)`.

Gaussian        a mean and a scale for each latent
FullGaussian    a mean and a covariance matrix
FlowPosterior   a normal sent through flows
"""

from collections.abc import Sequence
from typing import Any

from vae_course import flows, parts

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfb, tfd = tfp.bijectors, tfp.distributions


class Posterior(parts.Part):
    """q(z|x) from the encoder's output. A subclass defines `outputs` and `distribution`.

    `latent_size` is known once the part is built, from the number of the encoder's outputs.
    """

    suits_xla_on_cpu = True  # whether importance sampling gains by XLA on a CPU

    def outputs(self, latent_size: int) -> int:
        """How many numbers the encoder must put out for so many latents."""
        raise NotImplementedError(f"{type(self).__name__} must define outputs(latent_size)")

    def distribution(self, output: tf.Tensor | np.ndarray) -> tfd.Distribution:
        """q(z|x) from the encoder's output [batch, outputs]: event [latent_size]."""
        raise NotImplementedError(f"{type(self).__name__} must define distribution(output)")

    def build(self, shape: Sequence[Any]) -> None:
        self.latent_size = self.latents(shape[-1])
        self.make_weights()

    def latents(self, outputs: int) -> int:
        """The number of latents that so many outputs describe: the inverse of `outputs`."""
        size = 1
        while self.outputs(size) < outputs:
            if self.outputs(size + 1) <= self.outputs(size):
                raise ValueError(
                    f"outputs(latent_size) of a {type(self).__name__} must grow with latent_size. Received: "
                    f"{self.outputs(size)} for {size} latents, {self.outputs(size + 1)} for {size + 1}"
                )
            size += 1
        if self.outputs(size) != outputs:
            needed = ", ".join(str(self.outputs(size)) for size in range(1, 6))
            raise ValueError(
                f"A {type(self).__name__} posterior over 1, 2, 3, ... latents needs {needed}, ... encoder outputs. "
                f"Received: {outputs} outputs"
            )
        return size


class Gaussian(Posterior):
    """q(z|x) = N(mean, diag(scale^2)); 2 * latent_size encoder outputs, means first. Built in chapter 03.

    Source: Kingma & Welling (2014), "Auto-encoding variational Bayes", appendix C.2.
    """

    def outputs(self, latent_size: int) -> int:
        return 2 * latent_size

    def distribution(self, output: tf.Tensor | np.ndarray) -> tfd.Distribution:
        return parts.gaussian(output)


class FullGaussian(Posterior):
    """q(z|x) = N(mean, L L^T), every covariance allowed; d + d (d + 1) / 2 encoder outputs for d latents.

    L is lower triangular with a positive diagonal. Named in chapter 04.
    """

    suits_xla_on_cpu = False

    def outputs(self, latent_size: int) -> int:
        return latent_size + latent_size * (latent_size + 1) // 2

    def distribution(self, output: tf.Tensor | np.ndarray) -> tfd.Distribution:
        triangle = tfb.FillScaleTriL(diag_bijector=tfb.Softplus(), diag_shift=parts.MIN_SCALE)
        mean, raw = output[..., : self.latent_size], output[..., self.latent_size :]
        return tfd.MultivariateNormalTriL(loc=mean, scale_tril=triangle(raw))


class _Pushed(tfd.TransformedDistribution):
    """A distribution sent through a flow. `mean()` is the image of the base's mean: the code, not the expectation."""

    def _mean(self):
        return self.bijector.forward(self.distribution.mean())


class FlowPosterior(Posterior):
    """q(z|x) = a diagonal normal sent through flows. Built in chapter 09.

    flows: a list of flows of one latent_size, the first first; with none it is the `Gaussian` posterior.
    The encoder puts out 2 * latent_size + context_size numbers: mean, raw scale, and context for the flows.
    Source: Rezende & Mohamed (2015), "Variational inference with normalizing flows"; context: Kingma et al. (2016).
    """

    def __init__(self, flows: Sequence[flows.Flow] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flows = list(flows)
        for size in ("latent_size", "context_size"):
            sizes = sorted({getattr(flow, size) for flow in self.flows})
            if len(sizes) > 1:
                raise ValueError(f"All flows must have the same {size}. Received: {sizes}")
        self.context_size = self.flows[0].context_size if self.flows else 0

    def outputs(self, latent_size: int) -> int:
        return 2 * latent_size + self.context_size

    def latents(self, outputs: int) -> int:
        size = super().latents(outputs)
        if self.flows and self.flows[0].latent_size != size:
            wanted = self.flows[0].latent_size
            raise ValueError(
                f"Flows of {wanted} latents need {self.outputs(wanted)} encoder outputs. Received: {outputs} outputs"
            )
        return size

    def distribution(self, output: tf.Tensor | np.ndarray) -> tfd.Distribution:
        base = parts.gaussian(output[..., : 2 * self.latent_size])
        if not self.flows:
            return base
        context = output[..., 2 * self.latent_size :] if self.context_size else None
        return _Pushed(base, flows.chain(self.flows, context))


POSTERIORS = {"gaussian": Gaussian, "full_gaussian": FullGaussian}
