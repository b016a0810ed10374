"""Models that are trained for an objective of their own, which is made of terms that they report."""

from typing import Any

from vae_course.models.base import CourseModel

import keras
import tensorflow as tf


class ObjectiveModel(CourseModel):
    """`call` gives a dictionary of `terms`, [batch] each, in nats; training makes `objective(terms)` large.

    A subclass names its `terms`, defines `call` and `objective`, and calls `_make_trackers()` in its constructor, once
    its weights are there. The history shows the mean of each term beside the loss.
    """

    terms = ()  # type: tuple[str, ...]

    def _make_trackers(self):
        self._seeds = keras.random.SeedGenerator()
        self._trackers = [keras.metrics.Mean(name=name) for name in self.terms]
        self.built = True

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """What training makes large, from the terms: [batch], in nats."""
        raise NotImplementedError(f"{type(self).__name__} must define objective(terms)")

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: dict[str, tf.Tensor] | None = None,
        sample_weight: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The mean over the batch of -objective, plus the networks' own regularization losses."""
        if missing := [name for name in self.terms if name not in y_pred]:
            raise ValueError(
                f"{type(self).__name__} must give every term that it names in `terms`. "
                f"Received: {list(y_pred)}, without {missing}"
            )
        for tracker in self._trackers:
            tracker.update_state(y_pred[tracker.name], sample_weight)
        loss = mean_over_batch(-self.objective(y_pred), sample_weight) + tf.add_n([0.0, *self.losses])
        return self._over_replicas(loss)


def mean_over_batch(values: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
    """Mean over the batch of values [batch], weighted as Keras weights a loss: sum(weight * value) / batch."""
    if sample_weight is not None:
        values = values * tf.cast(tf.reshape(sample_weight, [-1]), values.dtype)
    return tf.reduce_mean(values)
