"""The masked autoencoder: an exact log-likelihood by the chain rule, one pass to price, one pass a pixel to draw."""

from collections.abc import Sequence
from typing import Any

from vae_course import flows
from vae_course.models import checks
from vae_course.models.data import in_batches, pixels
from vae_course.models.objective import ObjectiveModel

import numpy as np
import numpy.typing as npt
import tensorflow as tf


class MADE(ObjectiveModel):
    """log p(x) = sum_i log p(x_i | x_1 .. x_(i-1)) over x in {0, 1}, in nats per example. Built in chapter 12.

    One network gives all the conditionals at once: its weights are masked so that logit i depends on the pixels before
    i only, in the order of flattened pixels. fit(x), x [n, *shape] of zeros and ones, follows the exact gradient.
    hidden: units of the hidden layers. The history has `log_likelihood`, the mean log p(x): exact, and no bound; `loss`
    is minus this. It overfits small data: stop by validation rows,
    `keras.callbacks.EarlyStopping("val_log_likelihood", mode="max", restore_best_weights=True)`.
    There is no code, and `sample` takes one pass for each pixel.
    Source: Germain et al. (2015), "MADE: masked autoencoder for distribution estimation".
    """

    terms = ("log_likelihood",)
    fixed = ("hidden", "masked")

    def __init__(self, shape: int | Sequence[int], hidden: int | Sequence[int] = (200,), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        shape, hidden = ((v,) if isinstance(v, int | np.integer) else v for v in (shape, hidden))
        self.example_shape = tuple(checks.whole_number(size, "each size in shape") for size in shape)
        self.hidden = tuple(checks.whole_number(units, "each number of units in hidden") for units in hidden)
        self.masked = flows.masked_layers(int(np.prod(self.example_shape)), self.hidden, outputs=1)
        self._make_trackers()

    def check(self, x: np.ndarray, name: str = "x") -> None:
        super().check(x, name)
        checks.binary(x, name)

    def _flat(self, x):
        return tf.reshape(pixels(x), [-1, int(np.prod(self.example_shape))])

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """The logit of p(x_i = 1 | the pixels before i), for each i: tensor x [batch, pixels] -> [batch, pixels]."""
        for layer in self.masked:
            x = layer.activation(layer.call(x))  # and not layer(x), which mixed precision would turn to float16
        return x

    def call(self, x: tf.Tensor | np.ndarray, training: bool | None = None) -> dict[str, tf.Tensor]:
        """The term for each example, {"log_likelihood": [batch]}, in nats."""
        x = self._flat(x)
        costs = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=self.logits(x))
        return {"log_likelihood": -tf.reduce_sum(costs, axis=-1)}

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """log p(x), [batch]: what training makes large."""
        return terms["log_likelihood"]

    def log_prob(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """log p(x), exact, in nats: numpy [n, *shape] -> [n]."""
        x = checks.collected(x)
        self.check(x)
        return in_batches(lambda part: self.call(part)["log_likelihood"], x)

    def sample(self, n: int, seed: int | None = None) -> np.ndarray:
        """n examples of zeros and ones, pixel after pixel: numpy [n, *shape]."""
        n, size = checks.whole_number(n, "n"), int(np.prod(self.example_shape))
        seed = self._seed() if seed is None else tf.constant([checks.random_seed(seed), 0])
        draws = tf.random.stateless_uniform([n, size], seed).numpy()
        x = np.zeros([n, size], "float32")
        for i in range(size):  # what stands at i and behind it is not heard yet
            x[:, i] = draws[:, i] < tf.sigmoid(self.logits(tf.constant(x))[:, i]).numpy()
        return x.reshape(n, *self.example_shape)

    def get_config(self) -> dict[str, Any]:
        own = {"shape": list(self.example_shape), "hidden": list(self.hidden)}
        return {"name": self.name, "trainable": self.trainable, **own}
