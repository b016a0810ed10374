"""A VAE and a classifier in one bound: labels where they are known, a sum over them where they are not."""

import math
from collections.abc import Sequence
from typing import Any

from vae_course.models import checks
from vae_course.models.conditional import ConditionalVAE
from vae_course.models.data import in_batches
from vae_course.models.vae import VAE

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf


class M2(ConditionalVAE):
    """p(x, y) with labels y known for some examples: fit(x, y), -1 for "unknown". Built in chapter 14.

        known y       L(x, y) = ELBO(x|y) + log p(y),  and alpha * log q(y|x) beside it
        unknown y     U(x) = sum_y q(y|x) L(x, y) + H(q(y|x)),  at most log p(x)

    in nats per example; p(y) is uniform over the classes.
    encoder, decoder, prior, posterior, likelihood: as for a `ConditionalVAE`, whose condition is the label.
    classifier: Keras network [batch, *shape] -> logits [batch, classes] of q(y|x). It may be trained beforehand on the
        labeled examples alone, which is the cure for a label that is ignored, or ends up permuted.
    alpha: weight of log q(y|x) for a *labeled* example, the only place where labels teach the classifier directly.
        `m2.alpha = 30.0` between two fits is obeyed. The paper's 0.1 N is for sums over N examples of which N_l are
        labeled: 0.1 N / N_l here.

    `classify(x)` gives q(y|x). The terms: elbo (L or U), reconstruction, kl (that of label and code together),
    entropy H(q(y|x)) where the label is unknown, and label, log q(y|x), where it is known. A step costs one pass for
    each class. `given(7)` is the VAE of sevens.
    Source: Kingma et al. (2014), "Semi-supervised learning with deep generative models", equations 6 to 9.
    """

    second = "labels"
    terms = (*VAE.terms, "entropy", "label")

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, classifier: keras.Model, alpha: float = 1.0, **kwargs: Any
    ) -> None:
        checks.networks(classifier=classifier)
        checks.one_input(classifier=classifier)
        checks.numbers_out(classifier, "classifier")
        checks.ends_linearly(classifier, "classifier", "logits")
        super().__init__(encoder, decoder, classes=classifier.output_shape[-1], **kwargs)
        if tuple(classifier.input_shape[1:]) != self.example_shape:
            raise ValueError(
                f"The classifier must take examples {list(self.example_shape)}. "
                f"Received: input shape {list(classifier.input_shape[1:])}"
            )
        self.classifier = classifier
        initial = keras.initializers.Constant(checks.weight(alpha, "alpha"))
        self._alpha = self.add_weight(name="alpha", shape=(), initializer=initial, trainable=False)  # as beta is one

    @property
    def alpha(self) -> float:
        """Weight of log q(y|x) for a labeled example; `m2.alpha = 30.0` between two fits is obeyed."""
        return float(self._alpha.numpy())

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._alpha.assign(checks.weight(value, "alpha"))

    def check_second(self, y: Any, x: Any = None) -> None:
        y = None if y is None else np.asarray(y)
        if y is None or y.ndim != 1 or y.dtype.kind not in "iu" or y.min() < -1 or y.max() >= self.classes:
            received = "None" if y is None else f"shape {list(y.shape)}, dtype {y.dtype}"
            if y is not None and y.size and y.dtype.kind in "iuf":
                received += f", values from {y.min()} to {y.max()}"
            raise ValueError(
                f"M2 needs a label for each example, fit(x, y): whole numbers [n], 0 to {self.classes - 1}, and -1 "
                f"where the label is unknown. Received: {received}"
            )
        checks.same_length(x, y, "y")

    def log_q(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """log q(y|x): prepared x [batch, *shape] -> [batch, classes]."""
        return tf.nn.log_softmax(tf.cast(self.classifier(x, training=training), tf.float32))

    def call(self, inputs: Sequence[tf.Tensor | np.ndarray], training: bool | None = None) -> dict[str, tf.Tensor]:
        """The terms for each example of (x, y), a dictionary of [batch], in nats."""
        x, y = inputs
        log_q = self.log_q(self.prepare(x), training)
        each = [self.given(tf.one_hot(label, self.classes)).bound_of(x) for label in range(self.classes)]
        known, label = y >= 0, tf.one_hot(tf.cast(y, tf.int32), self.classes)  # zeros where y = -1
        weights = tf.where(known[:, None], label, tf.exp(log_q))
        sums = {name: tf.reduce_sum(weights * tf.stack([t[name] for t in each], -1), -1) for name in VAE.terms}
        entropy = tf.where(known, 0.0, -tf.reduce_sum(tf.exp(log_q) * log_q, -1))
        kl = sums["kl"] - entropy + math.log(self.classes)
        terms = {"elbo": sums["reconstruction"] - kl, "reconstruction": sums["reconstruction"], "kl": kl}
        return {**terms, "entropy": entropy, "label": tf.reduce_sum(label * log_q, -1)}

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """reconstruction - beta * kl + alpha * label, [batch]: what training makes large."""
        return super().objective(terms) + self._alpha * terms["label"]

    def classify(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """q(y|x) for examples: numpy [n, *shape] -> [n, classes]."""
        x = checks.collected(x)
        self.check(x)
        return in_batches(lambda part: tf.exp(self.log_q(self.prepare(part))), x)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "alpha": self.alpha}
        del config["classes"]
        return {**config, "classifier": keras.saving.serialize_keras_object(self.classifier)}
