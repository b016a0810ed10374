"""Normalizing flows: Keras layers that own their weights and yield a bijector on request.

    x = f(z), z = f^-1(x):    log p(x) = log p(z) - log |det df/dz|

A bijector is rebuilt around the layer's weights on every call: TensorFlow Probability's own networks hold variables
that Keras 3 does not see, so that nothing would learn. Source: Rezende & Mohamed (2015), "Variational inference with
normalizing flows"; Papamakarios et al. (2021), "Normalizing flows for probabilistic modeling and inference".
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfb = tfp.bijectors

MOST_LOG_SCALE = 2.0  # one step stretches by e^2 at most: deep flows stay finite


class Flow(keras.layers.Layer):
    """An invertible map of codes [latent_size]. A subclass makes its weights and defines `bijector(context)`.

    context_size: numbers for each example, from an encoder, that the map may depend on; 0 for one map for all.
    """

    def __init__(self, latent_size: int, context_size: int = 0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        if latent_size < 1 or context_size < 0:
            raise ValueError(f"latent_size must be >= 1, context_size >= 0. Received: {latent_size}, {context_size}")
        self.latent_size, self.context_size = latent_size, context_size

    def bijector(self, context: tf.Tensor | np.ndarray | None = None) -> tfb.Bijector:
        """The map as a tfb bijector with event rank 1, built afresh: context [batch, context_size] or None."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_size": self.latent_size, "context_size": self.context_size}


@keras.saving.register_keras_serializable("vae_course")
class Planar(Flow):
    """f(z) = z + u tanh(w.z + b), log |det| = log |1 + u.w (1 - tanh^2(w.z + b))|. Built in chapter 09.

    u is bent so that u.w >= -1, which keeps the map invertible; its inverse is found by bisection, along w.
    Source: Rezende & Mohamed (2015), equations 10 to 12 and appendix A.1.
    """

    def __init__(self, latent_size: int, context_size: int = 0, **kwargs: Any) -> None:
        super().__init__(latent_size, context_size, **kwargs)
        if context_size:
            raise ValueError(f"Planar takes no context. Received: context_size={context_size}")
        self.w = self.add_weight(name="w", shape=(latent_size,), initializer=_normal(0.5))
        self.u = self.add_weight(name="u", shape=(latent_size,), initializer=_normal(0.5))
        self.b = self.add_weight(name="b", shape=(), initializer="zeros")
        self.built = True

    def bijector(self, context: tf.Tensor | np.ndarray | None = None) -> tfb.Bijector:
        return _Planar(*map(tf.convert_to_tensor, (self.w, self.u, self.b)))


class _Planar(tfb.Bijector):
    def __init__(self, w, u, b):
        product = tf.tensordot(w, u, 1)
        self.w, self.b = w, b
        self.u = u + (tf.nn.softplus(product) - 1.0 - product) * w / (tf.reduce_sum(w**2) + 1e-12)
        self.product = tf.tensordot(w, self.u, 1)
        super().__init__(forward_min_event_ndims=1, dtype=tf.float32)

    def _activation(self, z):
        return tf.tanh(tf.linalg.matvec(z, self.w) + self.b)

    def _forward(self, z):
        return z + self.u * self._activation(z)[..., None]

    def _forward_log_det_jacobian(self, z):
        return tf.math.log(tf.abs(1.0 + self.product * (1.0 - self._activation(z) ** 2)))

    def _inverse(self, y):
        target, reach = tf.linalg.matvec(y, self.w), tf.abs(self.product)
        low, high = target - reach, target + reach  # a + product * tanh(a + b) = target rises with a
        for _ in range(30):
            middle = 0.5 * (low + high)
            above = middle + self.product * tf.tanh(middle + self.b) > target
            low, high = tf.where(above, low, middle), tf.where(above, middle, high)
        root = tf.stop_gradient(0.5 * (low + high))
        activation = tf.tanh(root + self.b)  # one Newton step more, through which gradients flow
        root -= (root + self.product * activation - target) / (1.0 + self.product * (1.0 - activation**2))
        return y - self.u * tf.tanh(root + self.b)[..., None]


@keras.saving.register_keras_serializable("vae_course")
class Coupling(Flow):
    """One half moves, by what the other half says: z_b -> z_b exp(s(z_a)) + t(z_a). Built in chapter 09.

    `flip` chooses which half moves; alternate it. Fast in both directions; log |det| = sum of s.
    Source: Dinh, Sohl-Dickstein & Bengio (2017), "Density estimation using Real NVP".
    """

    def __init__(
        self, latent_size: int, context_size: int = 0, hidden: Sequence[int] = (64,), flip: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(latent_size, context_size, **kwargs)
        if latent_size < 2:
            raise ValueError(f"A coupling needs two latents or more, to part them. Received: latent_size={latent_size}")
        self.hidden, self.flip = tuple(hidden), flip
        self.still = latent_size - latent_size // 2 if flip else latent_size // 2  # how many stay as they are
        inputs = keras.Input((self.still + context_size,))
        outputs = _dense(inputs, self.hidden, 2 * (latent_size - self.still))
        self.network = keras.Model(inputs, outputs)
        self.built = True

    def bijector(self, context: tf.Tensor | np.ndarray | None = None) -> tfb.Bijector:
        context = _checked(self, context)

        def shift_and_log_scale(still, units, **_):
            if context is not None:
                still = tf.concat([still, _spread(context, still)], axis=-1)
            return _shift_and_log_scale(_apply(self.network, still))

        step = tfb.RealNVP(num_masked=self.still, shift_and_log_scale_fn=shift_and_log_scale)
        return _reversed(step, self.latent_size) if self.flip else step

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": self.hidden, "flip": self.flip}


class _MaskedDense(keras.layers.Dense):
    """A dense layer some of whose weights are held at zero, before its activation: mask [inputs, units]."""

    def __init__(self, units, mask, **kwargs):
        # The name that Keras makes of the class begins with "__", which an export refuses.
        super().__init__(units, **{"name": "masked_dense", **kwargs})
        self.mask = np.asarray(mask, "float32")

    def call(self, x):
        return tf.matmul(x, self.kernel * self.mask) + self.bias


def masked_layers(size: int, hidden: Sequence[int], outputs: int) -> list[keras.layers.Dense]:
    """The dense layers of MADE, built: [batch, size] -> [batch, outputs * size], in blocks of one for each entry.

    In each block output i depends on inputs 0 .. i-1 only. hidden: units of the layers between, relu.
    Source: Germain et al. (2015), "MADE: masked autoencoder for distribution estimation".
    """
    degrees = np.arange(size)  # output i sees inputs 0 .. i-1
    layers, before, width = [], degrees, size
    for units in hidden:
        degrees_here = np.arange(units) % max(1, size - 1)
        layers.append(_MaskedDense(units, before[:, None] <= degrees_here[None], activation="relu"))
        before = degrees_here
    mask = np.tile(before[:, None] < degrees[None], outputs)
    layers.append(_MaskedDense(outputs * size, mask, kernel_initializer=_normal()))
    for layer in layers:
        layer.build((None, width))
        width = layer.units
    return layers


@keras.saving.register_keras_serializable("vae_course")
class Autoregressive(Flow):
    """x_i = z_i exp(s_i) + t_i with s_i, t_i from x_<i, or x_i = (z_i - t_i) exp(-s_i) with both from z_<i. Chapter 09.

    direction: "density" (MAF), the first, gives f^-1 in one pass and f in latent_size passes, as a prior needs;
    "sampling" (IAF), the second, the other way round, as a posterior needs. hidden: units of the masked network
    (MADE); `flip` reverses the order.
    Source: Germain et al. (2015), "MADE"; Kingma et al. (2016) for IAF; Papamakarios et al. (2017) for MAF.
    """

    def __init__(
        self,
        latent_size: int,
        context_size: int = 0,
        hidden: Sequence[int] = (64,),
        direction: str = "density",
        flip: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(latent_size, context_size, **kwargs)
        if direction not in ("density", "sampling"):
            raise ValueError(f'direction must be "density" or "sampling". Received: {direction!r}')
        self.hidden, self.direction, self.flip = tuple(hidden), direction, flip
        self.masked = masked_layers(latent_size, self.hidden, outputs=2)  # shifts, then log-scales
        self.from_context = keras.layers.Dense(self.masked[0].units, dtype="float32") if context_size else None
        if context_size:
            self.from_context.build((None, context_size))
        self.built = True

    def network(self, z: tf.Tensor | np.ndarray, context: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        """MADE: z [..., latent_size] -> shift and log-scale, [..., 2 * latent_size]; output i depends on z_<i."""
        for number, layer in enumerate(self.masked):
            raw = layer.call(z)  # and not layer(z), which mixed precision would turn to float16
            if number == 0 and context is not None:
                raw += _spread(self.from_context(context), raw)
            z = layer.activation(raw)
        return z

    def bijector(self, context: tf.Tensor | np.ndarray | None = None) -> tfb.Bijector:
        context = _checked(self, context)
        step = tfb.MaskedAutoregressiveFlow(lambda z, **_: _shift_and_log_scale(self.network(z, context)))
        if self.direction == "sampling":
            step = tfb.Invert(step)
        return _reversed(step, self.latent_size) if self.flip else step

    def get_config(self) -> dict[str, Any]:
        own = {"hidden": self.hidden, "direction": self.direction, "flip": self.flip}
        return {**super().get_config(), **own}


def _normal(stddev=0.01):  # so small that a new flow is nearly the identity
    """A new initializer, since Keras seeds one when it is made: a shared one would repeat itself."""
    return keras.initializers.RandomNormal(stddev=stddev)


def _dense(x, hidden, outputs):
    for units in hidden:
        x = keras.layers.Dense(units, activation="relu", dtype="float32")(x)  # so that densities stay exact
    return keras.layers.Dense(outputs, kernel_initializer=_normal(), dtype="float32")(x)


def _reversed(step, size):
    """The step, done to the latents in the opposite order."""
    turn = tfb.Permute(np.arange(size)[::-1].copy())
    return tfb.Chain([turn, step, turn])


def _shift_and_log_scale(outputs):
    shift, raw = tf.split(outputs, 2, axis=-1)
    return shift, MOST_LOG_SCALE * tf.tanh(raw / MOST_LOG_SCALE)


def _apply(network, z):
    """A network that takes [n, d], on [..., d]."""
    flat = network(tf.reshape(z, [-1, z.shape[-1]]))
    return tf.reshape(flat, tf.concat([tf.shape(z)[:-1], [flat.shape[-1]]], axis=0))


def _spread(context, z):
    """context [batch, c] beside z [..., batch, d]: [..., batch, c]."""
    return tf.broadcast_to(context, tf.concat([tf.shape(z)[:-1], [context.shape[-1]]], axis=0))


def _checked(flow, context):
    if bool(flow.context_size) != (context is not None):
        raise ValueError(
            f"{type(flow).__name__} has context_size={flow.context_size}, so it needs "
            f"{'a' if flow.context_size else 'no'} context. Received: {None if context is None else context.shape}"
        )
    return context


def chain(flows: Sequence[Flow], context: tf.Tensor | np.ndarray | None = None) -> tfb.Bijector:
    """The flows one after the other, the first first, as one bijector; [] is the identity."""
    return tfb.Chain([flow.bijector(context) for flow in reversed(flows)]) if flows else tfb.Identity()
