"""What priors, posteriors and likelihoods share: the class `Part`, and the normal distribution over codes.

A part is a Keras layer with one method, `distribution(...)`: tensors in, a TensorFlow Probability distribution out. It
is called inside a model's `call`, where the distribution lives and dies; the weights behind it belong to the layer.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

MIN_SCALE = 1e-3  # a standard deviation that shrinks to 0 gives an unbounded density


class Part(keras.layers.Layer):
    """p(z), q(z|x) or p(x|z) as a Keras layer: a subclass of one of the three defines `distribution(...)`.

    A part is built from the shape that it lives on, by the model or by `on(shape)`: latents for a prior, the encoder's
    outputs for a posterior, an example for a likelihood. Weights are made in `make_weights()` with `add_weight`.
    It is saved with the model, arguments of its constructor included, without a `get_config` or a decorator of its own;
    to load the file, import the module that defines it first.
    Once built it stays as it is: compiled steps keep the first value of an attribute, so what may change is a weight.
    """

    _arguments = {}  # of the constructor, by name
    _made_for = None  # the shape that it was built for

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        part = super().__new__(cls, *args, **kwargs)
        given = inspect.signature(cls.__init__).bind(part, *args, **kwargs)
        given.apply_defaults()
        arguments = {}
        for (name, value), parameter in zip([*given.arguments.items()][1:], [*given.signature.parameters.values()][1:]):
            arguments.update(value if parameter.kind is parameter.VAR_KEYWORD else {name: value})
        object.__setattr__(part, "_arguments", arguments)
        return part

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})  # densities stay in float32 under mixed precision

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # By module: two rooms hold a class of one name, and the later would replace the earlier.
        keras.saving.register_keras_serializable(cls.__module__)(cls)

    def distribution(self, *inputs: Any) -> tfd.Distribution:
        """The distribution, built afresh on every call: one that outlives a step goes stale."""
        raise NotImplementedError(f"{type(self).__name__} must define distribution()")

    def on(self, shape: Sequence[int]) -> Self:
        """The part itself, built for `shape` (without the batch axis). ValueError if it was built for another."""
        shape = tuple(shape)
        if not self.built:
            self.build((None, *shape))
        made_for = tuple(self.get_build_config()["input_shape"][1:])
        if made_for != shape:
            raise ValueError(
                f"This {type(self).__name__} was built for {list(made_for)} and cannot serve {list(shape)} too: "
                "make a new one for each shape"
            )
        self._made_for = made_for
        return self

    def make_weights(self) -> None:
        """Called once the shape is known: `add_weight` for whatever the part learns."""

    def __setattr__(self, name: str, value: Any) -> None:
        if self._made_for is not None and name in self._arguments:
            raise AttributeError(
                f"{name} of a {type(self).__name__} is fixed once it is built, since compiled steps keep it: "
                f"make a new part with the {name} that you want, in a new model. Received: {value!r}"
            )
        if isinstance(value, tf.Variable):
            raise ValueError(
                f"A tf.Variable in a Keras layer is neither trained nor saved: make {name} with self.add_weight(). "
                f"Received: a tf.Variable in a {type(self).__name__}"
            )
        super().__setattr__(name, value)

    def get_config(self) -> dict[str, Any]:
        arguments = {name: keras.saving.serialize_keras_object(value) for name, value in self._arguments.items()}
        return {**arguments, **super().get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**accepted(cls, revive(config)))


def revive(config: dict[str, Any]) -> dict[str, Any]:
    """The objects behind a configuration: what `serialize_keras_object` made of arguments, undone."""
    return {
        name: keras.saving.deserialize_keras_object(value) if isinstance(value, (dict, list)) else value
        for name, value in config.items()
    }


def accepted(cls: type, config: dict[str, Any]) -> dict[str, Any]:
    """What the constructor of a class takes of a configuration: all, or what it names if it passes nothing on."""
    parameters = inspect.signature(cls.__init__).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return config
    return {name: value for name, value in config.items() if name in parameters}


def lookup(table: Mapping[str, Any], name: Any, what: str) -> Any:
    """table[name], or a ValueError that lists the names there are."""
    if not isinstance(name, str) or name not in table:
        raise ValueError(f"Unknown {what}. Choose one of {', '.join(map(repr, table))}. Received: {name!r}")
    return table[name]


def find(part: str | Part, table: Mapping[str, type[Part]], kind: type[Part]) -> Part:
    """The part that a name in `table` is a shortcut for, or the part itself, which must be of the class `kind`."""
    if isinstance(part, str):
        return lookup(table, part, kind.__name__.lower())()
    if not isinstance(part, kind):
        raise ValueError(
            f"The {kind.__name__.lower()} must be a name ({', '.join(map(repr, table))}) or a {kind.__name__}: one of "
            f"{'.'.join(kind.__module__.split('.')[:2])}, or a subclass with distribution(). Received: {part!r}"
            f"{'. Make one of this class: ' + part.__name__ + '()' if isinstance(part, type) else ''}"
        )
    return part


# --- the normal distribution over codes: one family on both sides of every KL, so that it has a closed form ---


def positive(raw: tf.Tensor | np.ndarray) -> tf.Tensor:
    """softplus(raw) + 0.001: a standard deviation from any real number. Built in chapter 03."""
    return tf.nn.softplus(raw) + MIN_SCALE


class _Diagonal(tfd.MultivariateNormalDiag):
    """tfd's, with noise from a generator named here: the one it leaves to TensorFlow is ten times slower under XLA."""

    def _call_sample_n(self, sample_shape, seed, **kwargs):
        parts = [tf.reshape(sample_shape, [-1]), self.batch_shape_tensor(), self.event_shape_tensor()]
        shape = tf.concat([tf.cast(part, tf.int32) for part in parts], axis=0)
        noise = tf.random.stateless_normal(shape, tfp.random.sanitize_seed(seed), dtype=self.dtype, alg="philox")
        return self.loc + self.scale.diag_part() * noise


def standard_normal(size: int) -> tfd.MultivariateNormalDiag:
    """N(0, I) over codes [size], in the family of `gaussian`. Built in chapter 03."""
    return _Diagonal(loc=tf.zeros([size]), scale_diag=tf.ones([size]))


def gaussian(parameters: tf.Tensor | np.ndarray) -> tfd.MultivariateNormalDiag:
    """N(mean, diag(scale^2)) from parameters [..., 2 * size] = (mean, raw scale): event [size]. Built in chapter 03.

    Source: Kingma & Welling (2014), "Auto-encoding variational Bayes", appendix C.2.
    """
    mean, raw = tf.split(parameters, 2, axis=-1)
    return _Diagonal(loc=mean, scale_diag=positive(raw))
