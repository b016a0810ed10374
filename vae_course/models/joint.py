"""What follows from three distributions, whatever they are: the bound, log-weights, codes, samples."""

from collections.abc import Sequence

from vae_course import bounds
from vae_course.models import checks
from vae_course.models.data import in_batches

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow_probability import distributions as tfd


class Joint:
    """Beside prior(), posterior(x), likelihood(z), picture(z) and prepare(x): the bound and what follows from it.

    `VAE`, `HierarchicalVAE` and `ConditionalVAE.given(c)` are such: `evaluation` asks them for nothing else.
    """

    def bound(self, x: tf.Tensor | np.ndarray, z: tf.Tensor, posterior: tfd.Distribution) -> dict[str, tf.Tensor]:
        """The terms of the bound at codes z [batch, latent_size], drawn from the posterior of x: [batch] each, in nats.

        For terms that do not depend on chance, take the mean: `vae.bound(x, q.mean(), q)` with q = `vae.posterior(x)`.
        A variant with terms of its own adds them here, names them in `terms`, and uses them in `objective`. It changes
        what is trained, and not `sample` or `log_weights`: these ask `prior`, `posterior` and `likelihood`.
        """
        reconstruction = self.likelihood(z).log_prob(self.prepare(x))
        kl = bounds.kl(posterior, self.prior(), z)
        return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}

    def bound_of(self, x: tf.Tensor | np.ndarray) -> dict[str, tf.Tensor]:
        """The terms of the bound for x [batch, *shape], from one sample of q(z|x): [batch] each, in nats."""
        x = self.prepare(x)
        posterior = self.posterior(x)
        return self.bound(x, posterior.sample(seed=self._seed()), posterior)

    def log_weights(
        self, x: tf.Tensor | np.ndarray, k: int, seed: tf.Tensor | Sequence[int] | None = None
    ) -> tf.Tensor:
        """log w = log p(x, z) - log q(z|x) for k samples of the posterior: [k, batch], in nats. Built in chapter 04.

        seed: two whole numbers, as a tensor [2], for draws that repeat; None goes on with the model's own stream.
        """
        x = self.prepare(x)
        posterior = self.posterior(x)
        z = posterior.sample(k, seed=self._seed() if seed is None else seed)
        return bounds.log_weights(x, z, self.prior(), self.likelihood(z), posterior)

    # --- numpy in, numpy out ---

    def encode(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """Codes, the means of q(z|x): numpy [n, *shape], a frame or a tf.data set -> [n, latent_size]."""
        x = checks.collected(x)
        self.check(x)
        return in_batches(lambda part: self.posterior(part).mean(), x)

    def decode(self, z: npt.ArrayLike) -> np.ndarray:
        """Examples, the means of p(x|z): numpy codes [n, latent_size] -> [n, *shape]."""
        return in_batches(self.picture, self._codes(z))

    def reconstruct(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """decode(encode(x)): numpy [n, *shape] -> [n, *shape]."""
        return self.decode(self.encode(x))

    def sample(self, n: int, seed: int | None = None, noise: bool = False) -> np.ndarray:
        """n new examples: codes from the prior, then the means of p(x|z); with `noise` draws from it: [n, *shape]."""
        checks.whole_number(n, "n")
        own = seed is None
        seed = self._seed() if own else tf.constant([checks.random_seed(seed), 0])
        z = self._draw_codes(n, seed).numpy()
        if not noise:
            return self.decode(z)
        # The model's stream counts up, and so do the pieces: one of them must leave it.
        return self._draw_examples(z, tf.random.experimental.stateless_fold_in(seed, 1) if own else seed)

    def _draw_examples(self, z, seed):
        pieces = [self.likelihood(z[i : i + 100]).sample(seed=seed + [0, i + 1]).numpy() for i in range(0, len(z), 100)]
        return np.concatenate(pieces)

    def _draw_codes(self, n, seed):
        """n codes from the prior: [n, latent_size]."""
        return self.prior().sample(n, seed=seed)

    def _codes(self, z):
        z = np.asarray(z, "float32")
        if z.ndim != 2 or z.shape[1] != self.latent_size:
            raise ValueError(f"z must have shape [n, {self.latent_size}]. Received: {list(z.shape)}")
        return z
