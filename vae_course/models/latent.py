"""What every model with codes and a likelihood p(x|z) shares: encoder, decoder, beta, checks, saving."""

from typing import Any

from vae_course import likelihoods
from vae_course.models import checks
from vae_course.models.objective import ObjectiveModel

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow_probability import distributions as tfd


class LatentModel(ObjectiveModel):
    """An encoder, a decoder and a likelihood: what every model with p(x|z) has.

    A subclass sets `latent_size` (or `_code_shape`), defines `bound_of(x)`, the terms of the bound, and ends its
    constructor with `_check_fit()`. Where there are p(z) and q(z|x), `joint.Joint` gives the rest.
    """

    terms = ("elbo", "reconstruction", "kl")  # type: tuple[str, ...]
    fixed = ("encoder", "decoder", "prior_part", "posterior_part", "likelihood_part", "augmentation")
    obeys_beta = True
    _training = None  # whether this is training, where Keras does not know: it does within `call`

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: str | likelihoods.Likelihood = "bernoulli",
        beta: float = 1.0,
        augmentation: keras.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        if "scale" in kwargs:
            raise ValueError(
                f"scale belongs to the likelihood: likelihoods.Gaussian(scale). Received: scale={kwargs['scale']!r}"
            )
        super().__init__(**kwargs)
        checks.networks(encoder=encoder, decoder=decoder)
        if augmentation is not None and not isinstance(augmentation, keras.Layer):
            raise ValueError(f"augmentation must be a Keras layer, or None. Received: {augmentation!r}")
        # Always in this order: Keras saves what is attached to a model by the order of its attachment.
        self.encoder, self.decoder, self.augmentation = encoder, decoder, augmentation
        self.example_shape = tuple(encoder.inputs[0].shape[1:])
        self.likelihood_part = likelihoods.base.find(likelihood).on(self.example_shape)
        initial = keras.initializers.Constant(self._checked_beta(beta))
        # A weight, because a Python attribute would be frozen into the compiled step.
        self._beta = self.add_weight(name="beta", shape=(), initializer=initial, trainable=False)
        self._make_trackers()

    @property
    def beta(self) -> float:
        """Weight of the KL in the loss."""
        return float(self._beta.numpy())

    @beta.setter
    def beta(self, value: float) -> None:
        self._beta.assign(self._checked_beta(value))

    def _checked_beta(self, value):
        if not self.obeys_beta and value != 1:
            raise ValueError(f"{type(self).__name__} has no use for beta: leave it at 1. Received: {value}")
        return checks.weight(value, "beta")

    # --- do the parts fit? ---

    def _check_fit(self):
        self._check_networks()
        self._check_missing()

    def _check_networks(self):
        part = self.likelihood_part
        try:
            checks.pair(self.encoder, self.decoder, self._code_shape(), part.outputs(self.example_shape))
        except ValueError as error:
            raise ValueError(
                f"Encoder and decoder do not fit a {type(part).__name__} likelihood of examples "
                f"{list(self.example_shape)}: it needs decoder outputs {list(part.outputs(self.example_shape))}. "
                f"{error}"
            ) from None
        if part.linear:
            checks.ends_linearly(self.decoder, "decoder", f"the parameters of a {type(part).__name__} likelihood")

    def _check_missing(self):
        if getattr(self.likelihood_part, "missing", False):
            inputs = [tf.fill([1, *i.shape[1:]], np.nan) if not n else tf.zeros([1, *i.shape[1:]], i.dtype)
                      for n, i in enumerate(self.encoder.inputs)]  # fmt: skip
            if np.isnan(self.encoder(inputs if len(inputs) > 1 else inputs[0])).any():
                raise ValueError(
                    "With missing values the encoder must begin with a layer that fills them in, layers.FillMissing(): "
                    "from NaN it would compute NaN. Received: an encoder without such a layer"
                )

    def _code_shape(self):
        """The shape of what the decoder takes, without the batch axis."""
        return (self.latent_size,)

    def check(self, x: np.ndarray, name: str = "x") -> None:
        checks.numbers_of_shape(x, self.example_shape, name)
        if self._own_likelihood():
            checks.finite(x, name)
        else:
            self.likelihood_part.check(x, name)

    def _own_likelihood(self):
        """Whether a subclass has written its own p(x|z), whose support and mean are then not those of the part."""
        return type(self).likelihood is not LatentModel.likelihood

    # --- p(x|z), and the way to it ---

    def likelihood(self, z: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        """p(x|z) for z [..., latent_size], event [*shape]."""
        return self.likelihood_part.distribution(self.decoder_output(z, c), c)

    def picture(self, z: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        """The mean of p(x|z), or what stands for it, for z [..., latent_size]: [..., *shape]."""
        if self._own_likelihood():
            own = self.likelihood(z) if c is None else self.likelihood(z, c)
            if hasattr(own, "mean"):
                return own.mean()
        return self.likelihood_part.mean(self.decoder_output(z, c), c)

    def prepare(self, x: tf.Tensor | npt.ArrayLike) -> tf.Tensor:
        """x as the encoder and the likelihood see it: bytes of pixels as floats in [0, 1], tokens as whole numbers."""
        return self.likelihood_part.prepare(x)

    def _network(self, network, inputs):
        return network(inputs) if self._training is None else network(inputs, training=self._training)

    def encoder_output(self, x: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        """The encoder's output in float32; it hears c if it has two inputs."""
        x = self.prepare(x)
        inputs = x if len(self.encoder.inputs) == 1 else [x, _for_each(c, tf.shape(x)[:1])]
        return tf.cast(self._network(self.encoder, inputs), tf.float32)

    def decoder_output(self, z: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        """The decoder's output in float32, for codes [..., latent_size]; it hears c if it has two inputs."""
        z = tf.cast(z, tf.float32)
        flat = z if len(z.shape) == 2 else tf.reshape(z, [-1, z.shape[-1]])
        inputs = flat if len(self.decoder.inputs) == 1 else [flat, _for_each(c, tf.shape(z)[:-1])]
        output = tf.cast(self._network(self.decoder, inputs), tf.float32)
        if len(z.shape) == 2:
            return output
        return tf.reshape(output, tf.concat([tf.shape(z)[:-1], output.shape[1:]], axis=0))

    # --- training, saving ---

    def call(self, x: tf.Tensor | np.ndarray, training: bool | None = None) -> dict[str, tf.Tensor]:
        """The terms of the bound for x [batch, *shape]: a dictionary of [batch], in nats, from one sample of q(z|x)."""
        return self.bound_of(x)

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """What training makes large: reconstruction - beta * kl, [batch], in nats."""
        return terms["reconstruction"] - self._beta * terms["kl"]

    def _batch(self, part, data):
        x, *rest = super()._batch(part, data)
        if part == "train" and self.augmentation is not None:
            x = self.augmentation(self.prepare(x), training=True)
        return x, *rest

    def get_config(self) -> dict[str, Any]:
        made_of = {"encoder": self.encoder, "decoder": self.decoder, "likelihood": self.likelihood_part}
        made_of = {**made_of, "augmentation": self.augmentation}
        made_of = {name: keras.saving.serialize_keras_object(part) for name, part in made_of.items()}
        return {"name": self.name, "trainable": self.trainable, "beta": self.beta, **made_of}


def _for_each(c, leading):
    """A condition [C] or [batch, C] for codes with these leading axes: [prod(leading), C]."""
    c = tf.broadcast_to(c, tf.concat([leading, c.shape[-1:]], axis=0))
    return tf.reshape(c, [-1, c.shape[-1]])
