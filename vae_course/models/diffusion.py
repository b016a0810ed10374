"""Diffusion: a deep hierarchy of latents whose posterior is fixed, and one network for all of its KLs."""

import itertools
from collections.abc import Sequence
from typing import Any

from vae_course import parts
from vae_course.models import checks
from vae_course.models.data import in_batches, pixels
from vae_course.models.objective import ObjectiveModel

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

GOLDEN = (5**0.5 - 1) / 2
WEIGHTINGS = {"elbo": "elbo", "simple": "noise_error"}


class Diffusion(ObjectiveModel):
    """ELBO(x) = E log p(x|z_0) - KL(q(z_1|x) || N(0, I)) - sum_i KL_i, in nats per example. Built in chapter 17.

    Chapter 08's hierarchy, with a latent as large as x at each of the times t = 0, 1/steps, .., 1, and no encoder:

        q(z_t|x) = N(alpha_t x, sigma_t^2 I),   alpha_t^2 + sigma_t^2 = 1,   SNR(t) = alpha_t^2 / sigma_t^2
        p(z_s|z_t) = q(z_s|z_t, x = x_hat),     x_hat = (z_t - sigma_t network([z_t, t])) / alpha_t,   s = t - 1/steps
        KL_i = E 1/2 (SNR(s) - SNR(t)) |x - x_hat|^2,   t = i/steps,   from two normals of one variance

    network: Keras network [z_t [batch, *shape], t [batch, 1]] -> the noise in z_t, [batch, *shape], such as
        `networks.mlp_encoder((2,), 2, hidden=(128, 128), condition_size=1)` for points in the plane.
    shape: of an example of real numbers. The schedule expects entries of about mean 0 and variance 1: standardize.
    steps: `model.steps = 500` is obeyed by what comes after: `fit`, `evaluate`, `elbo`, `sample`.
    schedule: how log SNR falls from t = 0 to t = 1: "linear" in t, or "cosine", alpha_t = cos(a + b t), slow at both
        ends of the signal's fade. log_snr: where it starts and where it ends; both schedules agree there.
    weighting: what training makes large: "elbo", or "simple", minus the squared error of the noise, |eps - network|^2,
        which weighs steps otherwise. The history has the same terms in both cases.
    scale: standard deviation of p(x|z_0) = N(z_0 / alpha_0, scale^2 I); None is the best one, sigma_0 / alpha_0.

    Terms, [batch] each, in nats: elbo = reconstruction - kl_prior - kl_steps; `kl_steps` is estimated from one time for
    each example, without bias, and times are spread over a batch. `noise_error` is |eps - network|^2 at that time, no
    part of the bound. `terms_of(x)` and `elbo(x)` take every time instead. It is a density: x has units.
    Source: Ho, Jain & Abbeel (2020), "Denoising diffusion probabilistic models"; the bound in terms of the SNR: Kingma
    et al. (2021), "Variational diffusion models"; cosine: Nichol & Dhariwal (2021), "Improved denoising diffusion
    probabilistic models".
    """

    terms = ("elbo", "reconstruction", "kl_prior", "kl_steps", "noise_error")
    fixed = ("network",)

    def __init__(
        self,
        network: keras.Model,
        shape: int | Sequence[int],
        steps: int = 50,
        schedule: str = "linear",
        weighting: str = "elbo",
        log_snr: Sequence[float] = (6.0, -5.0),
        scale: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        shape = (shape,) if isinstance(shape, int | np.integer) else shape
        self.example_shape = tuple(checks.whole_number(size, "each size in shape") for size in shape)
        self.steps = checks.whole_number(steps, "steps")
        self.schedule, self.weighting, self.scale = schedule, weighting, scale
        parts.lookup(SCHEDULES, schedule, "schedule")
        parts.lookup(WEIGHTINGS, weighting, "weighting")
        self.log_snr = tuple(float(end) for end in log_snr)
        if len(self.log_snr) != 2 or not np.isfinite(self.log_snr).all() or self.log_snr[0] <= self.log_snr[1]:
            raise ValueError(f"log_snr must fall from its first number to its second. Received: {log_snr!r}")
        if scale is not None and checks.weight(scale, "scale") == 0:
            raise ValueError("scale must be a positive number, or None. Received: 0")
        self._check_network(network)
        self.network = network
        self._make_trackers()

    def _check_network(self, network):
        checks.networks(network=network)
        found = [tuple(tensor.shape[1:]) for tensor in (*network.inputs, *network.outputs)]
        if found != [self.example_shape, (1,), self.example_shape]:
            wanted = ", ".join(map(str, self.example_shape))
            raise ValueError(
                f"The network must take [z, t], z [batch, {wanted}] and t [batch, 1], and put out [batch, {wanted}]. "
                f"Received: inputs {[list(shape) for shape in found[:-1]]}, output {list(found[-1])}"
            )
        checks.ends_linearly(network, "network", "noise")

    # --- the fixed posterior ---

    def log_snr_at(self, t: tf.Tensor | npt.ArrayLike) -> tf.Tensor:
        """log SNR at times t in [0, 1], a tensor of any shape."""
        return parts.lookup(SCHEDULES, self.schedule, "schedule")(tf.cast(t, tf.float32), *self.log_snr)

    def alpha_sigma(self, t: tf.Tensor | npt.ArrayLike) -> tuple[tf.Tensor, tf.Tensor]:
        """(alpha_t, sigma_t) at times t in [0, 1], tensors of the shape of t."""
        log_snr = self.log_snr_at(t)
        return tf.sqrt(tf.sigmoid(log_snr)), tf.sqrt(tf.sigmoid(-log_snr))

    def posterior(self, x: tf.Tensor | np.ndarray, t: tf.Tensor | float) -> tfd.Distribution:
        """q(z_t|x), event [*shape], for one time t, or t [batch]."""
        alpha, sigma = self._at(t)
        return self._normal(alpha * x, sigma)

    def step_back(self, z: tf.Tensor | np.ndarray, x: tf.Tensor | np.ndarray, t: tf.Tensor | float) -> tfd.Distribution:
        """q(z_s|z_t, x) at s = t - 1/steps, event [*shape], for one time t, or t [batch]; p(z_s|z_t) has x_hat for x.

        Source: Kingma et al. (2021), equation 25.
        """
        (alpha, sigma), (before, quieter) = self._at(t), self._at(t - 1.0 / self.steps)
        ratio = alpha / before
        kept = -tf.math.expm1(self._gap(t))  # the share of sigma_t^2 that is new since s: 1 - SNR(t) / SNR(s)
        mean = ratio * (quieter / sigma) ** 2 * z + before * kept * x
        return self._normal(mean, quieter * tf.sqrt(kept))

    def clean(self, z: tf.Tensor | np.ndarray, t: tf.Tensor | float) -> tf.Tensor:
        """x_hat, the x that the network sees in z_t, for one time t, or t [batch]: [batch, *shape]."""
        alpha, sigma = self._at(t)
        z = tf.cast(z, tf.float32)  # an array, too
        return (z - sigma * self.noise(z, t)) / alpha

    def noise(self, z: tf.Tensor | np.ndarray, t: tf.Tensor | float) -> tf.Tensor:
        """What the network says that the noise in z_t is, in float32: [batch, *shape]."""
        z, t = tf.cast(z, tf.float32), tf.cast(t, tf.float32)
        t = tf.fill([tf.shape(z)[0]], t) if t.shape.rank == 0 else t
        return tf.cast(self.network([z, t[:, None]]), tf.float32)

    def _at(self, t):
        """alpha_t and sigma_t, which multiply examples."""
        return tuple(self._over_entries(value) for value in self.alpha_sigma(t))

    def _over_entries(self, values):
        return tf.reshape(values, [-1, *[1] * len(self.example_shape)])

    def _gap(self, t):
        """log SNR(t) - log SNR(s), which multiplies examples."""
        return self._over_entries(self.log_snr_at(t) - self.log_snr_at(t - 1.0 / self.steps))

    def _normal(self, mean, scale):
        return tfd.Independent(tfd.Normal(mean, scale), len(self.example_shape))

    # --- the bound ---

    def _ends(self, x):
        """E log p(x|z_0) and KL(q(z_1|x) || N(0, I)), both exact: [batch], in nats."""
        (alpha, sigma), axes = self.alpha_sigma(0.0), list(range(1, 1 + len(self.example_shape)))
        width = sigma / alpha
        each = tfd.Normal(0.0, width).cross_entropy(tfd.Normal(0.0, width if self.scale is None else self.scale))
        last = self.posterior(x, 1.0)
        kl = tf.reduce_sum(tfd.kl_divergence(last.distribution, tfd.Normal(0.0, 1.0)), axes)
        return tf.fill(tf.shape(kl), -each * float(np.prod(self.example_shape))), kl

    def _step(self, x, t, eps):
        """KL_i and |eps - network|^2 at times t [batch] with the noise eps: [batch] each."""
        alpha, sigma = self._at(t)
        axes = list(range(1, 1 + len(self.example_shape)))
        error = tf.reduce_sum((eps - self.noise(alpha * x + sigma * eps, t)) ** 2, axes)
        gain = tf.math.expm1(-self._gap(t))  # SNR(s) / SNR(t) - 1, since |x - x_hat|^2 = |eps - network|^2 / SNR(t)
        return 0.5 * tf.reshape(gain, [-1]) * error, error

    def call(self, x: tf.Tensor | np.ndarray, training: bool | None = None) -> dict[str, tf.Tensor]:
        """The terms of the bound for x [batch, *shape], {name: [batch]}, in nats; one time for each example."""
        x, seed = pixels(x), self._seed()
        n = tf.shape(x)[0]
        # One uniform number for the batch, moved on by the golden ratio from row to row: each row's time is uniform by
        # itself, and those of neighbors lie far apart.
        start = tf.random.stateless_uniform([], seed, alg="philox")
        spread = tf.math.floormod(start + GOLDEN * tf.range(n, dtype=tf.float32), 1.0)
        i = tf.minimum(tf.floor(spread * self.steps), self.steps - 1.0) + 1.0
        eps = tf.random.stateless_normal(tf.shape(x), seed + 1, alg="philox")
        kl, error = self._step(x, i / self.steps, eps)
        reconstruction, kl_prior = self._ends(x)
        kl_steps = self.steps * kl
        elbo = reconstruction - kl_prior - kl_steps
        found = (elbo, reconstruction, kl_prior, kl_steps, error)
        return dict(zip(self.terms, found, strict=True))

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """What training makes large, [batch]: the ELBO, or minus the squared error of the noise."""
        name = parts.lookup(WEIGHTINGS, self.weighting, "weighting")
        return terms["elbo"] if name == "elbo" else -terms[name]

    def terms_of(self, x: npt.ArrayLike | tf.data.Dataset, draws: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
        """The bound term by term, over every time: numpy x [n, *shape] -> a dictionary of numpy arrays, in nats.

        elbo, reconstruction, kl_prior [n]; kl_steps [n, steps], column i - 1 for t = i/steps. `draws` of the noise are
        averaged at each time. The same seed gives the same numbers.
        """
        draws, seed = checks.whole_number(draws, "draws"), checks.random_seed(seed)
        x = checks.collected(x)
        self.check(x)
        number = itertools.count()

        @tf.function(autograph=False)
        def step(part, t, seed):
            eps = tf.random.stateless_normal(tf.shape(part), seed, alg="philox")
            return self._step(part, tf.fill(tf.shape(part)[:1], t), eps)[0]

        def of(part):
            part, columns = pixels(part), []
            for i in range(1, self.steps + 1):
                t = tf.constant(i / self.steps, tf.float32)
                drawn = [step(part, t, tf.constant([seed, next(number)])) for _ in range(draws)]
                columns.append(tf.reduce_mean(drawn, axis=0))
            return tf.stack([*self._ends(part), *columns], axis=1)

        found = in_batches(of, x)
        reconstruction, kl_prior, kl_steps = found[:, 0], found[:, 1], found[:, 2:]
        elbo = reconstruction - kl_prior - kl_steps.sum(axis=1)
        return {"elbo": elbo, "reconstruction": reconstruction, "kl_prior": kl_prior, "kl_steps": kl_steps}

    def elbo(self, x: npt.ArrayLike | tf.data.Dataset, draws: int = 1, seed: int = 0) -> np.ndarray:
        """The bound on log p(x), over every time, in nats: numpy x [n, *shape] -> [n]. See `terms_of`."""
        return self.terms_of(x, draws, seed)["elbo"]

    def sample(self, n: int, seed: int | None = None, noise: bool = False, path: bool = False) -> np.ndarray:
        """n new examples, from noise in `steps` steps: means of p(x|z_0), with `noise` draws from it: [n, *shape].

        path: give z_t for all times instead, from t = 1 down to 0: [steps + 1, n, *shape].
        """
        checks.whole_number(n, "n")
        seed = self._seed() if seed is None else tf.constant([checks.random_seed(seed), 0])
        shape = [n, *self.example_shape]

        @tf.function(autograph=False)
        def back(z, t, seed):
            step = self.step_back(z, self.clean(z, t), t).distribution
            return step.loc + step.scale * tf.random.stateless_normal(shape, seed, alg="philox")

        zs = [tf.random.stateless_normal(shape, seed, alg="philox")]
        for i in range(self.steps, 0, -1):
            zs.append(back(zs[-1], tf.constant(i / self.steps, tf.float32), seed + [0, i]))
        if path:
            return tf.stack(zs).numpy()
        alpha, sigma = self.alpha_sigma(0.0)
        x = zs[-1] / alpha
        if noise:
            x = self._normal(x, sigma / alpha if self.scale is None else self.scale).sample(
                seed=seed + [0, self.steps + 1]
            )
        return x.numpy()

    def get_config(self) -> dict[str, Any]:
        network = keras.saving.serialize_keras_object(self.network)
        names = ("steps", "schedule", "weighting", "log_snr", "scale")
        own = {"network": network, "shape": list(self.example_shape), **{name: getattr(self, name) for name in names}}
        return {"name": self.name, "trainable": self.trainable, **own}


def _linear(t, first, last):
    return first + (last - first) * t


def _cosine(t, first, last):
    """log SNR of alpha = cos(u), sigma = sin(u), with an angle u that is linear in t."""
    start, end = (np.arctan(np.exp(-0.5 * log_snr)) for log_snr in (first, last))
    return -2.0 * tf.math.log(tf.tan(start + (end - start) * t))


SCHEDULES = {"linear": _linear, "cosine": _cosine}
