"""p(x|c): a VAE whose three distributions may hear a condition c, and the VAE that is left once c is known."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, NoReturn

from vae_course.models import checks
from vae_course.models.data import in_batches
from vae_course.models.joint import Joint
from vae_course.models.vae import VAE

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow_probability import distributions as tfd


class ConditionalVAE(VAE):
    """ELBO(x|c) = E_q(z|x,c)[log p(x|z,c)] - KL(q(z|x,c) || p(z|c)), in nats per example. Built in chapter 15.

    Who hears c: an encoder or a decoder with two inputs, [x, c] or [z, c], as
    `networks.mlp_encoder(..., condition_size=C)` makes them; a prior that is a `priors.Conditional`; a likelihood with
    an exposure.
    classes: how many classes c is one of, given as whole numbers [n] and handed on as [n, classes], with a one for the
        class; None for a c of numbers, [n, C].

    `fit(x, c)`, `evaluate(x, c)`, `predict((x, c))`, validation_data=(x, c). `given(c)` is the VAE that is left once c
    is known: `given(c).sample(9)`, `evaluation.log_likelihood(model.given(c), x)`. With a c for each example, `encode`
    and everything in `evaluation` take (x, c).
    Source: Sohn, Lee & Yan (2015), "Learning structured output representation using deep conditional generative
    models".
    """

    second = "condition"

    def __init__(self, encoder: keras.Model, decoder: keras.Model, classes: int | None = None, **kwargs: Any) -> None:
        self.classes = None if classes is None else checks.whole_number(classes, "classes", 2)
        super().__init__(encoder, decoder, **kwargs)
        if self.prior_part.needs_posterior and len(encoder.inputs) > 1:
            raise ValueError(
                "A VampPrior asks for q(z|u) of invented examples, which have no condition: give it an encoder that "
                "does not hear c, or use priors.Conditional. Received: an encoder with two inputs"
            )
        heard = [int(network.inputs[1].shape[-1]) for network in (encoder, decoder) if len(network.inputs) > 1]
        heard += [int(self.prior_part.network.input_shape[-1])] if hasattr(self.prior_part, "network") else []
        if len(set(heard)) > 1 or (classes is not None and set(heard) - {classes}):
            raise ValueError(
                "All that hear the condition must take it in one size"
                f"{'' if classes is None else f', that of {classes} classes'}. Received: {heard}"
            )
        if not heard and not self.likelihood_part.hears_condition:
            raise ValueError(
                "Nothing here hears the condition: give the encoder, the decoder or both a second input "
                "(condition_size=...), or use a VAE"
            )
        if classes is not None and self.likelihood_part.hears_condition:
            raise ValueError(
                "An exposure is a number and classes are none: hand on the classes yourself, beside the exposure, as "
                f"columns of c. Received: classes={classes} with a likelihood that has an exposure"
            )
        self.condition_size = heard[0] if heard else None
        if heard:
            self._check_events(tf.ones([2, self.condition_size]))

    def condition(self, c: tf.Tensor | npt.ArrayLike) -> tf.Tensor:
        """c as the networks hear it: float32 [C] or [batch, C], classes with a one for the class."""
        c = tf.convert_to_tensor(c)
        if self.classes is not None and c.dtype.is_integer:
            if tf.executing_eagerly() and not 0 <= tf.reduce_min(c) <= tf.reduce_max(c) < self.classes:
                raise ValueError(f"c must be classes 0 to {self.classes - 1}. Received: {np.unique(c).tolist()}")
            return tf.one_hot(tf.cast(c, tf.int32), self.classes)
        size = self.condition_size
        if len(c.shape) not in (1, 2) or (size is not None and c.shape[-1] != size):
            wanted = "C" if size is None else size
            hint = ": given([60.]) for one number" if not c.shape and self.classes is None else ""
            raise ValueError(f"c must have shape [{wanted}], or [n, {wanted}]{hint}. Received: {list(c.shape)}")
        c = tf.cast(c, tf.float32)
        if tf.executing_eagerly():
            self.likelihood_part.check_condition(c.numpy())
        return c

    def check_second(self, y: Any, x: Any = None) -> None:
        if y is None:
            raise ValueError(
                "A ConditionalVAE needs a condition for each example: fit(x, c), predict((x, c)). Received: None"
            )
        y = np.asarray(y)
        if self.classes is not None and y.dtype.kind in "iu":
            if y.ndim != 1 or y.min() < 0 or y.max() >= self.classes:
                hint = ": take c[:, 0]" if y.ndim == 2 and y.shape[1] == 1 else ""
                raise ValueError(
                    f"c must be classes 0 to {self.classes - 1}, one whole number for each example{hint}. Received: "
                    f"shape {list(y.shape)}, values from {y.min()} to {y.max()}"
                )
        else:
            size = self.classes or self.condition_size
            if y.ndim == 1 and self.classes is not None:
                words = y.dtype.kind in "OUS"
                hint = "np.unique(c, return_inverse=True)[1]" if words else "c.astype(int)"
                raise ValueError(
                    f"c must be classes 0 to {self.classes - 1} as whole numbers: {hint}. Received: dtype {y.dtype}"
                )
            if y.ndim == 1:
                raise ValueError(
                    "c must be a table of numbers [n, C]: for one number each c[:, None]; for classes give the model "
                    "classes= and c as whole numbers, c.astype(int). "
                    f"Received: shape {list(y.shape)}, dtype {y.dtype}, classes={self.classes}"
                )
            checks.numbers_of_shape(y, None if size is None else (size,), "c")
            checks.finite(y, "c")
            self.likelihood_part.check_condition(y)
        checks.same_length(x, y, "c")

    def given(self, c: tf.Tensor | npt.ArrayLike) -> "Given":
        """The VAE that is left once c is known: one condition [C] (or class) for all, or a row for each example."""
        return Given(self, c)

    def _inputs(self, data):
        x, c, sample_weight = data
        return ((x, c), None, sample_weight) if c is not None else data

    def call(self, inputs: Sequence[tf.Tensor | np.ndarray], training: bool | None = None) -> dict[str, tf.Tensor]:
        """The terms of the bound for (x, c): a dictionary of [batch], in nats, from one sample of q(z|x,c)."""
        x, c = inputs
        return self.given(c).bound_of(x)

    def log_weights(
        self, x: tuple[tf.Tensor | np.ndarray, ...], k: int, seed: tf.Tensor | Sequence[int] | None = None
    ) -> tf.Tensor:
        """As for a VAE, for a pair x = (x, c)."""
        x, c = self._pair(x)
        return self.given(c).log_weights(x, k, seed)

    def encode(self, x: tuple[npt.ArrayLike, npt.ArrayLike] | tf.data.Dataset) -> np.ndarray:
        """Codes, the means of q(z|x,c), for a pair (x, c) or a tf.data set of pairs: numpy [n, latent_size]."""
        x, c = self._pair(checks.collected(x))
        self.check(x)
        self.check_second(c, x)
        return in_batches(lambda part: self.posterior(part[0], self.condition(part[1])).mean(), (x, c))

    def _pair(self, x):
        if not (isinstance(x, tuple) and len(x) == 2):
            raise ValueError(
                f"This model needs a condition: pass a pair (x, c), or ask model.given(c). Received: {type(x).__name__}"
            )
        return x

    def _needs_given(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ValueError("Say what is given: model.given(c).sample(n), model.given(c).reconstruct(x), and so on")

    sample = decode = reconstruct = bound = bound_of = _needs_given

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes}

    def export(self, filepath: str | PathLike, *args: Any, **kwargs: Any) -> NoReturn:
        """Not there yet for two inputs: export `encoder` and `decoder`, which are Keras models."""
        raise ValueError(
            "A ConditionalVAE has two inputs, and no export of its own: export model.encoder and model.decoder instead"
        )


class Given(Joint):
    """A `ConditionalVAE` once c is known: one condition [C] for all examples, or a row for each, [batch, C]."""

    def __init__(self, model: ConditionalVAE, c: tf.Tensor | npt.ArrayLike) -> None:
        self.model, self.c = model, model.condition(c)
        self.latent_size, self.example_shape, self.name = model.latent_size, model.example_shape, model.name
        self.check, self.prepare, self._seed = model.check, model.prepare, model._seed

    @property
    def compiled_for(self) -> ConditionalVAE:
        """Whose compile settings hold, and what is part of the compiled program beside the weights."""
        return self.model

    def __getattr__(self, name: str) -> Any:
        if name in ("prior_part", "posterior_part", "likelihood_part", "jit_compile", "beta", "objective", "terms"):
            return getattr(self.model, name)
        raise AttributeError(f"The VAE that is left once c is known has no attribute {name!r}")

    def prior(self) -> tfd.Distribution:
        """p(z|c), event [latent_size]."""
        return self.model.prior(self.c)

    def posterior(self, x: tf.Tensor | np.ndarray) -> tfd.Distribution:
        """q(z|x,c), event [latent_size]."""
        return self.model.posterior(x, self.c)

    def likelihood(self, z: tf.Tensor | np.ndarray) -> tfd.Distribution:
        """p(x|z,c), event [*shape]."""
        return self.model.likelihood(z, self.c)

    def picture(self, z: tf.Tensor | np.ndarray) -> tf.Tensor:
        """The mean of p(x|z,c)."""
        return self.model.picture(z, self.c)

    def encode(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        x = checks.collected(x)
        self.check(x)
        return self._with_rows(lambda view, part: view.posterior(part).mean(), x)

    def decode(self, z: npt.ArrayLike) -> np.ndarray:
        return self._with_rows(lambda view, part: view.picture(part), self._codes(z))

    def _draw_codes(self, n, seed):
        if len(self.c.shape) == 1:
            return super()._draw_codes(n, seed)
        if n != len(self.c):
            raise ValueError(
                f"With a row of c for each example there are as many draws as rows: sample({len(self.c)}). "
                f"Received: {n}"
            )
        prior = self.prior()
        return prior.sample(seed=seed) if len(prior.batch_shape) else prior.sample(n, seed=seed)

    def _draw_examples(self, z, seed):
        return (
            super()._draw_examples(z, seed)
            if len(self.c.shape) == 1
            else self.likelihood(z).sample(seed=seed + [0, 1]).numpy()  # the codes had the seed itself
        )

    def _with_rows(self, function, x):
        """In pieces: a condition for each example is cut as the examples are."""
        if len(self.c.shape) == 1:
            return in_batches(lambda part: function(self, part), x)
        checks.same_length(x, self.c.numpy(), "c")
        return in_batches(lambda part: function(self.model.given(part[1]), part[0]), (x, self.c.numpy()))
