"""p(z), or p(z|c): what codes look like before any example is seen. Each part is a Keras layer with `distribution(c)`.

StandardNormal    N(0, I)
GaussianMixture   a mixture of normals that learns
FlowPrior         N(0, I) sent through flows
VampPrior         the model's own posterior at invented examples
Conditional       a normal whose mean and scale a network reads off a condition c
CodeMap           for a VQVAE, over maps of whole numbers: a model of its own, fitted to codes
"""

from collections.abc import Callable, Sequence
from typing import Any

from vae_course import flows, parts

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Prior(parts.Part):
    """p(z) over codes [latent_size]. A subclass defines `distribution(c=None)`, and `make_weights()` if it learns.

    latent_size: told by the model; give it only to use a prior without one, `GaussianMixture(2).distribution()`.
    c: what is given, [C] or [batch, C], where the model has a condition; most priors do not look at it.
    """

    hears_condition = False  # whether distribution() needs c
    needs_posterior = False  # whether distribution() is handed the model's q as well: distribution(c, posterior)

    def __init__(self, latent_size: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if latent_size is not None:
            self.on((latent_size,))

    def build(self, shape: Sequence[Any]) -> None:
        self.latent_size = shape[-1]
        self.make_weights()

    def check_examples(self, shape: Sequence[int]) -> None:
        """ValueError if the prior does not fit a model of examples [*shape]; most fit any."""

    def distribution(self, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        """p(z), or p(z|c): event [latent_size], built afresh on every call."""
        raise NotImplementedError(f"{type(self).__name__} must define distribution(c=None)")


class StandardNormal(Prior):
    """p(z) = N(0, I). No weights. Built in chapter 03."""

    def distribution(self, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        return parts.standard_normal(self.latent_size)


class GaussianMixture(Prior):
    """p(z) = sum_k softmax(logits)_k N(z; loc_k, diag(scale_k^2)), all learnable. Tried in chapter 09.

    components: how many normals; `spread` is the standard deviation of their initial centers.
    """

    def __init__(
        self, latent_size: int | None = None, components: int = 10, spread: float = 1.0, **kwargs: Any
    ) -> None:
        self.components, self.spread = components, spread
        super().__init__(latent_size, **kwargs)

    def make_weights(self) -> None:
        shape = (self.components, self.latent_size)
        centers = keras.initializers.RandomNormal(stddev=self.spread)
        self.logits = self.add_weight(name="logits", shape=shape[:1], initializer="zeros")
        self.loc = self.add_weight(name="loc", shape=shape, initializer=centers)
        self.raw_scale = self.add_weight(name="raw_scale", shape=shape, initializer="zeros")

    def distribution(self, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        logits, loc, raw_scale = map(tf.convert_to_tensor, (self.logits, self.loc, self.raw_scale))
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits),
            tfd.MultivariateNormalDiag(loc=loc, scale_diag=parts.positive(raw_scale)),
        )


class FlowPrior(Prior):
    """p(z) = N(0, I) sent through flows. Built in chapter 09.

    flows: a list of flows of one latent_size, the first first, without context. A prior is asked for the density of
    codes that come from elsewhere, so choose flows with a fast inverse: `Coupling`, or `Autoregressive` for "density".
    Source: Chen et al. (2017), "Variational lossy autoencoder"; Dinh et al. (2017) for the couplings.
    """

    def __init__(self, flows: Sequence[flows.Flow] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flows = list(flows)

    def make_weights(self) -> None:
        wrong = [flow for flow in self.flows if flow.latent_size != self.latent_size or flow.context_size]
        if wrong:
            raise ValueError(
                f"The flows of a prior must have the model's {self.latent_size} latents and no context. Received: "
                f"latent_size and context_size {[(flow.latent_size, flow.context_size) for flow in wrong]}"
            )

    def distribution(self, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        return tfd.TransformedDistribution(parts.standard_normal(self.latent_size), flows.chain(self.flows))


class VampPrior(Prior):
    """p(z) = (1/K) sum_k q(z|u_k): the model's own posterior at invented examples u_k. Built in chapter 09.

    pseudo_inputs: examples [K, *shape] to start from, for example a few of the training images; they are then learned.
        Or their shape as a tuple (K, *shape), for random ones in [0, 1].
    bounded: whether examples lie in [0, 1] and the invented ones are to stay there, by a sigmoid; by default, whether
        the first do. With False the invented ones need not look like examples (and after four epochs on MNIST the
        likelihood was a little better: benchmarks/README.md).
    It has no density without a model, which hands over its q; and it hears no condition.
    Source: Tomczak & Welling (2018), "VAE with a VampPrior".
    """

    needs_posterior = True

    def __init__(self, pseudo_inputs: npt.ArrayLike, bounded: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        start = np.asarray(pseudo_inputs)
        if start.ndim == 1 and start.dtype.kind == "i":
            start = np.random.default_rng(0).uniform(0.2, 0.8, pseudo_inputs)
        self.from_bytes = start.dtype == np.uint8
        start = start / np.float32(255) if start.dtype == np.uint8 else start.astype("float32")
        if start.ndim < 2 or len(start) < 1:
            raise ValueError(f"pseudo_inputs must be examples [K, *shape], at least 1. Received: {list(start.shape)}")
        if not np.isfinite(start).all():
            raise ValueError("pseudo_inputs must be finite. Received: values that are NaN or infinite")
        self.bounded = bool(start.min() >= 0 and start.max() <= 1) if bounded is None else bounded
        if self.bounded:
            start = np.clip(start, 0.02, 0.98)
            start = np.log(start) - np.log1p(-start)
        self._start = start
        # What a file keeps: the examples themselves are in the weights.
        self._arguments.update(pseudo_inputs=start.shape, bounded=self.bounded)

    def make_weights(self) -> None:
        self.raw_inputs = self.add_weight(
            name="pseudo_inputs", shape=self._start.shape, initializer=lambda shape, dtype: self._start
        )

    @property
    def pseudo_inputs(self) -> tf.Tensor:
        """The invented examples, [K, *shape]."""
        raw = tf.convert_to_tensor(self.raw_inputs)
        return tf.sigmoid(raw) if self.bounded else raw

    def check_examples(self, shape: Sequence[int]) -> None:
        """ValueError unless the invented examples have the shape of the model's, [*shape]."""
        if tuple(self._start.shape[1:]) != tuple(shape):
            raise ValueError(
                f"pseudo_inputs must be examples [K, {', '.join(map(str, shape))}], as the encoder takes them. "
                f"Received: {list(self._start.shape)}"
            )

    def distribution(
        self, c: tf.Tensor | np.ndarray | None = None, posterior: Callable[[tf.Tensor], tfd.Distribution] | None = None
    ) -> tfd.Distribution:
        if posterior is None:
            raise ValueError("A VampPrior is a mixture of a model's posteriors: ask the model, `vae.prior()`")
        components = posterior(self.pseudo_inputs)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=tf.zeros([self._start.shape[0]])), components)


class Conditional(Prior):
    """p(z|c) = N(mean(c), diag(scale(c)^2)), both read off the condition by a network. Built in chapter 15.

    network: Keras network [batch, C] -> [batch, 2 * latent_size], means first, then raw scales.
    Source: Sohn, Lee & Yan (2015), "Learning structured output representation using deep conditional generative
    models".
    """

    hears_condition = True

    def __init__(self, network: keras.Model, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network

    def make_weights(self) -> None:
        outputs = self.network.output_shape[-1]
        if outputs != 2 * self.latent_size:
            raise ValueError(
                f"The prior's network must put out {2 * self.latent_size} numbers, a mean and a raw scale for each of "
                f"{self.latent_size} latents. Received: {outputs} outputs"
            )

    def distribution(self, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        if c is None:
            raise ValueError("p(z|c) needs a condition: give this prior to a ConditionalVAE. Received: None")
        flat = tf.cast(self.network(tf.reshape(c, [-1, c.shape[-1]])), tf.float32)  # c may be one condition [C]
        return parts.gaussian(tf.reshape(flat, tf.concat([tf.shape(c)[:-1], [flat.shape[-1]]], axis=0)))


@keras.saving.register_keras_serializable("vae_course.priors")
class CodeMap(keras.Model):
    """p(codes) = prod_i p(code_i | code_1 .. code_(i-1)) over maps of whole numbers [places]. Built in chapter 17.

    The prior of a `models.VQVAE`, fitted once its codes stand: a model of its own, exact, in nats per code map.
    places, entries: how many codes a map has, and how many values each may take, 0 to entries - 1.
    units: of the GRU that reads the codes before place i.
    kind: "autoregressive", or "independent", p(codes) = prod_i p(code_i), which is counted and needs no epochs.

    `fit(codes, epochs=20, validation_data=valid_codes)` on whole numbers [n, places]; `loss` and `val_loss` are the
    mean of -log p(codes). It is compiled with Adam(0.003); `compile` it yourself for another optimizer. Each fit counts
    the base rates of every place first, with one more for each entry, and the GRU learns what they miss. It overfits
    small data: stop by validation rows, `keras.callbacks.EarlyStopping("val_loss", restore_best_weights=True)`.
    Source: van den Oord, Vinyals & Kavukcuoglu (2017), "Neural discrete representation learning", section 3.3, with a
    GRU in place of the PixelCNN.
    """

    def __init__(self, places: int, entries: int, units: int = 64, kind: str = "autoregressive", **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        for name, value in {"places": places, "entries": entries, "units": units}.items():
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number, at least 1. Received: {value!r}")
        if kind not in ("autoregressive", "independent"):
            raise ValueError(f"A CodeMap is of kind 'autoregressive' or 'independent'. Received: kind={kind!r}")
        self.places, self.entries, self.units, self.kind = int(places), int(entries), int(units), kind
        even = keras.initializers.Constant(-np.log(self.entries))
        shape = (self.places, self.entries)
        self.log_rates = self.add_weight(name="log_rates", shape=shape, initializer=even, trainable=False)
        if kind == "autoregressive":
            self.embedding = keras.layers.Embedding(self.entries + 1, self.units, dtype="float32")  # 1 for "none yet"
            self.gru = keras.layers.GRU(self.units, return_sequences=True, use_cudnn=False, dtype="float32")
            self.head = keras.layers.Dense(self.entries, kernel_initializer="zeros", dtype="float32")
        self(np.zeros([1, self.places], "int32"))
        self.compile()

    def call(self, codes: tf.Tensor | np.ndarray) -> tf.Tensor:
        """Logits of p(code_i | the codes before i) for each place i: [batch, places] -> [batch, places, entries]."""
        logits = tf.repeat(tf.convert_to_tensor(self.log_rates)[None], tf.shape(codes)[0], axis=0)
        if self.kind == "independent":
            return logits
        before = tf.pad(tf.cast(codes, tf.int32)[:, :-1], [[0, 0], [1, 0]], constant_values=self.entries)
        return logits + self.head(self.gru(self.embedding(before)))

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        *,
        jit_compile: bool | str = False,
        **kwargs: Any,
    ) -> None:
        """Keras's compile, with Adam(0.003) unless said otherwise; XLA takes longer to compile a GRU than it saves."""
        optimizer = keras.optimizers.Adam(0.003) if optimizer is None else optimizer
        super().compile(optimizer, jit_compile=jit_compile, **kwargs)
        self.optimizer.build(self.trainable_variables)  # as that of a loaded one is

    def get_compile_config(self) -> dict[str, Any]:
        return keras.saving.serialize_keras_object({"optimizer": self.optimizer, "jit_compile": self.jit_compile})

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def log_prob_of(self, codes: tf.Tensor | np.ndarray) -> tf.Tensor:
        """log p(codes), in nats, of a tensor [..., places], inside a program too: [...]."""
        codes = tf.cast(codes, tf.int32)
        flat = tf.reshape(codes, [-1, self.places])
        return tf.reshape(tf.reduce_sum(tfd.Categorical(self(flat)).log_prob(flat), axis=-1), tf.shape(codes)[:-1])

    def log_prob(self, codes: npt.ArrayLike) -> np.ndarray:
        """log p(codes), exact, in nats: whole numbers [n, places] -> numpy [n]."""
        codes = self.check(codes)
        return np.concatenate([self.log_prob_of(codes[i : i + 1024]) for i in range(0, len(codes), 1024)])

    def sample(self, n: int, seed: int | None = None) -> np.ndarray:
        """n code maps, one place after the other: numpy int32 [n, places]. The same seed draws the same."""
        seed = int(keras.random.randint([], 0, 2**31 - 1)) if seed is None else seed
        codes, last = [], tf.fill([n], self.entries)
        state = tf.zeros([n, self.units])
        for i in range(self.places):
            logits = tf.repeat(self.log_rates[i][None], n, axis=0)
            if self.kind == "autoregressive":
                state, _ = self.gru.cell(self.embedding(last), state)
                logits += self.head(state)
            last = tf.random.stateless_categorical(logits, 1, [seed, i], tf.int32)[:, 0]
            codes.append(last)
        return tf.stack(codes, axis=1).numpy()

    def fit(
        self, codes: npt.ArrayLike, *args: Any, validation_data: npt.ArrayLike | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Keras's fit, on whole numbers [n, places]; validation_data: such codes as well. See the class."""
        codes = self.check(codes)
        if kwargs.get("sample_weight") is not None:
            raise ValueError("CodeMap has no use for sample_weight: repeat a code that is to count twice")
        if validation_data is not None:
            validation_data = (self.check(validation_data, "validation codes"),)
        counts = 1.0 + np.stack([np.bincount(column, minlength=self.entries) for column in codes.T])
        self.log_rates.assign(np.log(counts / counts.sum(axis=1, keepdims=True)))
        if self.kind == "independent":  # which is all there is to it
            kwargs["epochs"] = 0
        return super().fit(codes, *args, validation_data=validation_data, **kwargs)

    def compute_loss(
        self,
        x: tf.Tensor | np.ndarray | None = None,
        y: Any = None,
        y_pred: tf.Tensor | None = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The mean of -log p(codes), in nats."""
        return -tf.reduce_mean(tf.reduce_sum(tfd.Categorical(y_pred).log_prob(tf.cast(x, tf.int32)), axis=-1))

    def check(self, codes: npt.ArrayLike, name: str = "codes") -> np.ndarray:
        """Codes as int32 [n, places]; ValueError unless they are whole numbers from 0 to entries - 1."""
        return checked_codes(codes, self.places, self.entries, name)

    def get_config(self) -> dict[str, Any]:
        own = {"places": self.places, "entries": self.entries, "units": self.units, "kind": self.kind}
        return {"name": self.name, "trainable": self.trainable, **own}


def checked_codes(codes: npt.ArrayLike, places: int, entries: int, name: str = "codes") -> np.ndarray:
    """Codes as int32 [n, places]; ValueError unless they are whole numbers from 0 to entries - 1."""
    codes = np.asarray(codes)
    if codes.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole numbers, as VQVAE.encode gives. Received: dtype {codes.dtype}")
    if codes.ndim != 2 or codes.shape[1] != places or not len(codes):
        raise ValueError(f"{name} must have shape [n, {places}]. Received: {list(codes.shape)}")
    if codes.min() < 0 or codes.max() >= entries:
        raise ValueError(f"{name} must lie in 0 to {entries - 1}. Received: values from {codes.min()} to {codes.max()}")
    return codes.astype("int32")


PRIORS = {"standard_normal": StandardNormal, "gaussian_mixture": GaussianMixture}
