"""The restricted Boltzmann machine: an energy instead of a decoder, and a sum over all images that nobody can take."""

from collections.abc import Iterator, Sequence
from typing import Any

from vae_course.models import checks
from vae_course.models.data import in_batches, pixels
from vae_course.models.objective import ObjectiveModel

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

STEPS_TO_OFFSETS = 100  # steps over which the offsets average, as in Melchior et al. (2016): 1/100
FLIPS = 8  # pixels for each example by which a step estimates the pseudo-log-likelihood


class RBM(ObjectiveModel):
    """p(x) = exp(-F(x)) / Z over x in {0, 1}, with hidden units h in {0, 1} summed out. Built in chapter 11.

        E(x, h) = -x.b - h.c - x.W h,    F(x) = -log sum_h exp(-E(x, h)) = -x.b - sum_j softplus(c_j + (x.W)_j)

    fit(x), x [n, *shape] of zeros and ones, follows the gradient of F(data) - F(chains): the chains take k steps of
    Gibbs sampling in each step of training, from where they were (persistent: PCD) or from the batch (CD-k).
    hidden_size: number of hidden units; chains: number of persistent chains; centered: W acts on x and h less their
    running means, the same model with a better gradient.
    Z is not known, so neither is the log-likelihood. The history has, in nats per example:
    `pseudo_log_likelihood`   sum_i log p(x_i | the other pixels), estimated from 8 pixels of each example;
        `loss` is minus this. A measure of progress, and no proof of it: it is no bound on log p(x), and looks near the
        data only, so it may rise while log p(x) falls (chapter 11, section 5)
    `free_energy`   mean F(x): means something only as a difference, such as that of validation and training
    `contrast`      F(data) - F(chains), whose gradient training follows; near 0 when the chains look like data to F
    For log p(x) = -free_energy(x) - log Z see `evaluation.log_partition` (exact) and `evaluation.annealed`.
    compile(optimizer): SGD(0.05) unless said otherwise. The first fit starts the visible biases and the offsets at the
    data's base rates (Hinton 2012; those of the first batch of a tf.data set), unless `set_weights_and_biases` was
    called before.
    Source: Hinton (2002), "Training products of experts by minimizing contrastive divergence"; persistent chains:
    Tieleman (2008); centering: Melchior, Fischer & Wiskott (2016), "How to center deep Boltzmann machines".
    """

    terms = ("pseudo_log_likelihood", "free_energy", "contrast")
    fixed = ("hidden_size", "chains", "centered", "persistent")

    def __init__(
        self,
        shape: int | Sequence[int],
        hidden_size: int,
        k: int = 1,
        persistent: bool = True,
        chains: int = 100,
        centered: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        shape = (shape,) if isinstance(shape, int | np.integer) else shape
        self.example_shape = tuple(checks.whole_number(size, "each size in shape") for size in shape)
        self.hidden_size = checks.whole_number(hidden_size, "hidden_size")
        self.k, self.chains = checks.whole_number(k, "k"), checks.whole_number(chains, "chains")
        self.persistent, self.centered = bool(persistent), bool(centered)
        size, start = int(np.prod(self.example_shape)), keras.initializers.RandomNormal(stddev=0.01)  # Hinton (2012)
        self.weight = self.add_weight(name="weight", shape=(size, self.hidden_size), initializer=start)
        self.visible_bias = self.add_weight(name="visible_bias", shape=(size,), initializer="zeros")
        self.hidden_bias = self.add_weight(name="hidden_bias", shape=(self.hidden_size,), initializer="zeros")
        half = 0.5 if self.centered else 0.0
        self._visible_mean = self._state("visible_mean", (size,), half)
        self._hidden_mean = self._state("hidden_mean", (self.hidden_size,), half)
        self._started = self._state("started", (), 0.0)
        if self.persistent:
            self._chain = self._state("chain", (self.chains, size), 0.0)
            self._chain.assign(np.random.default_rng(0).integers(0, 2, (self.chains, size)).astype("float32"))
        self._make_trackers()

    def _state(self, name, shape, value):
        start = keras.initializers.Constant(value)
        options = {"trainable": False, "aggregation": "only_first_replica"}
        return self.add_weight(name=name, shape=shape, initializer=start, **options)

    def compile(self, optimizer: str | keras.optimizers.Optimizer | None = None, **kwargs: Any) -> None:
        """As for every model; the optimizer is SGD(0.05) unless said otherwise."""
        super().compile(keras.optimizers.SGD(0.05) if optimizer is None else optimizer, **kwargs)

    def fit(
        self,
        x: npt.ArrayLike | tf.data.Dataset | keras.utils.PyDataset | Iterator | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        if self._started.numpy() == 0 and x is not None:
            examples = self._data(x)[0]
            if not isinstance(examples, np.ndarray | tf.data.Dataset | keras.utils.PyDataset):
                raise ValueError(
                    "An RBM looks at its first examples before it trains: give fit an array or a tf.data set, such as "
                    f"tf.data.Dataset.from_generator(...). Received: {type(examples).__name__}"
                )
            if not isinstance(examples, np.ndarray):
                examples = np.asarray(checks.first_batch(examples)[0])
            self._start_at(examples)
        return super().fit(x, *args, **kwargs)

    fit.__doc__ = ObjectiveModel.fit.__doc__

    def _start_at(self, examples):
        """Independent pixels with the base rates of these examples."""
        rates = self._flat(examples).numpy().mean(axis=0)
        inside = np.clip(rates, 0.01, 0.99)  # a pixel that was never on may be on tomorrow
        self.visible_bias.assign(np.log(inside) - np.log1p(-inside))
        if self.centered:
            self._visible_mean.assign(rates)
        self._started.assign(1.0)

    def check(self, x: np.ndarray, name: str = "x") -> None:
        super().check(x, name)
        checks.binary(x, name)

    # --- the model ---

    def _parameters(self):
        """(W, b, c) of the energy above, tensors: centering only moves the biases."""
        w, b, c = (tf.convert_to_tensor(v) for v in (self.weight, self.visible_bias, self.hidden_bias))
        return w, b - tf.linalg.matvec(w, self._hidden_mean), c - tf.linalg.matvec(w, self._visible_mean, True)

    def weights_and_biases(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(W [pixels, hidden], b [pixels], c [hidden]) of the energy above: numpy, in the order of flattened pixels."""
        return tuple(part.numpy() for part in self._parameters())

    def set_weights_and_biases(
        self, weight: npt.ArrayLike, visible_bias: npt.ArrayLike, hidden_bias: npt.ArrayLike
    ) -> None:
        """Make this the RBM of W [pixels, hidden], b [pixels] and c [hidden]; chains and offsets stay."""
        parts = [np.asarray(part, "float32") for part in (weight, visible_bias, hidden_bias)]
        shapes = [tuple(v.shape) for v in (self.weight, self.visible_bias, self.hidden_bias)]
        if [part.shape for part in parts] != shapes:
            raise ValueError(f"W, b and c must have shapes {shapes}. Received: {[part.shape for part in parts]}")
        self.weight.assign(parts[0])
        self.visible_bias.assign(parts[1] + parts[0] @ self._hidden_mean.numpy())
        self.hidden_bias.assign(parts[2] + parts[0].T @ self._visible_mean.numpy())
        self._started.assign(1.0)

    def _flat(self, x):
        return tf.reshape(pixels(x), [-1, int(np.prod(self.example_shape))])

    def call(self, x: tf.Tensor | np.ndarray, training: bool | None = None) -> dict[str, tf.Tensor]:
        """The terms for each example, {name: [batch]}; with `training` the chains and the offsets move."""
        x = self._flat(x)
        if training and self.centered:
            self._move_offsets(x)
        w, b, c = self._parameters()
        chains = self._chain if self.persistent else x
        chains = gibbs(tf.convert_to_tensor(chains), *map(tf.stop_gradient, (w, b, c)), self.k, self._seed())
        if training and self.persistent:
            self._chain.assign(chains)
        energy = free_energy(x, w, b, c)
        pseudo = self._estimate(x, *map(tf.stop_gradient, (w, b, c)))
        negative = free_energy(chains, w, b, c)
        contrast = energy - (tf.reduce_mean(negative) if self.persistent else negative)  # CD: a chain for each example
        return {"pseudo_log_likelihood": pseudo, "free_energy": energy, "contrast": contrast}

    def objective(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """The value of the pseudo-log-likelihood, and the gradient of -contrast."""
        return terms["pseudo_log_likelihood"] - (terms["contrast"] - tf.stop_gradient(terms["contrast"]))

    def _move_offsets(self, x):
        """Let the offsets follow the means of x and h; the biases follow so that the model stays what it is."""
        w, _, c = self._parameters()
        means = tf.reduce_mean(x, 0), tf.reduce_mean(tf.sigmoid(tf.matmul(x, w) + c), 0)
        by_visible = (means[0] - self._visible_mean) / STEPS_TO_OFFSETS
        by_hidden = (means[1] - self._hidden_mean) / STEPS_TO_OFFSETS
        self._visible_mean.assign_add(by_visible)
        self._hidden_mean.assign_add(by_hidden)
        self.visible_bias.assign_add(tf.linalg.matvec(w, by_hidden))
        self.hidden_bias.assign_add(tf.linalg.matvec(w, by_visible, True))

    def _estimate(self, x, w, b, c):
        """The pseudo-log-likelihood from a few pixels of each example, drawn at random: [batch]."""
        size = x.shape[1]
        which = tf.random.stateless_uniform([tf.shape(x)[0], FLIPS], self._seed(), 0, size, tf.int32, alg="philox")
        return size * tf.reduce_mean(log_conditionals(x, which, w, b, c), 1)

    # --- what it is asked ---

    def free_energy(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """F(x) in nats: numpy [n, *shape] -> [n]. log p(x) = -F(x) - log Z."""
        return self._of_examples(x, lambda part: free_energy(part, *self._parameters()))

    def pseudo_log_likelihood(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """sum_i log p(x_i | the other pixels), over all pixels, in nats: numpy [n, *shape] -> [n].

        Source: Besag (1975), "Statistical analysis of non-lattice data".
        """

        def of(part):
            which = tf.broadcast_to(tf.range(part.shape[1]), tf.shape(part))
            return tf.reduce_sum(log_conditionals(part, which, *self._parameters()), 1)

        return self._of_examples(x, of, batch_size=32)

    def encode(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """p(h = 1 | x), the exact posterior: numpy [n, *shape] -> [n, hidden_size]."""

        def of(part):
            w, _, c = self._parameters()
            return tf.sigmoid(tf.matmul(part, w) + c)

        return self._of_examples(x, of)

    def decode(self, h: npt.ArrayLike) -> np.ndarray:
        """p(x = 1 | h): numpy [n, hidden_size] -> [n, *shape]."""
        h = np.asarray(h, "float32")
        if h.ndim != 2 or h.shape[1] != self.hidden_size:
            raise ValueError(f"h must have shape [n, {self.hidden_size}]. Received: {list(h.shape)}")
        w, b, _ = self._parameters()
        return tf.sigmoid(tf.matmul(h, w, transpose_b=True) + b).numpy().reshape(-1, *self.example_shape)

    def reconstruct(self, x: npt.ArrayLike | tf.data.Dataset) -> np.ndarray:
        """p(x = 1 | h) at h = p(h = 1 | x): numpy [n, *shape] -> [n, *shape]. How near it is to x says little."""
        return self.decode(self.encode(x))

    def sample(
        self, n: int, steps: int = 500, seed: int | None = None, start: npt.ArrayLike | None = None
    ) -> np.ndarray:
        """n states of Gibbs chains after `steps` steps, zeros and ones: numpy [n, *shape].

        start: examples [n, *shape] from which the chains set out; None: coin flips. Few steps leave a trace of it.
        """
        n, steps = checks.whole_number(n, "n"), checks.whole_number(steps, "steps")
        seed = self._seed() if seed is None else tf.constant([checks.random_seed(seed), 0])
        size = int(np.prod(self.example_shape))
        if start is None:
            x = tf.cast(tf.random.stateless_uniform([n, size], seed + tf.constant([0, 1])) < 0.5, tf.float32)
        else:
            start = checks.as_array(start, "start")
            self.check(start, "start")
            if len(start) != n:
                raise ValueError(f"start must hold one example for each of the {n} chains. Received: {len(start)}")
            x = self._flat(start)
        return _compiled_gibbs(x, *self._parameters(), tf.constant(steps), seed).numpy().reshape(n, *self.example_shape)

    def _of_examples(self, x, function, batch_size=1024):
        x = checks.collected(x)
        self.check(x)
        return in_batches(lambda part: function(self._flat(part)), x, batch_size)

    def get_config(self) -> dict[str, Any]:
        names = ("hidden_size", "k", "persistent", "chains", "centered")
        config = {name: getattr(self, name) for name in names}
        return {"name": self.name, "trainable": self.trainable, "shape": list(self.example_shape), **config}


def free_energy(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
    """F(x) = -x.b - sum_j softplus(c_j + (x.W)_j): [n, pixels] -> [n]."""
    return -tf.linalg.matvec(x, b) - tf.reduce_sum(tf.nn.softplus(tf.matmul(x, w) + c), -1)


def log_conditionals(x: tf.Tensor, which: tf.Tensor, w: tf.Tensor, b: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
    """log p(x_i | the other pixels) for the pixels i that `which` [n, m] names: [n, m].

    It is log sigmoid(F(x with pixel i flipped) - F(x)).
    """
    change = 1.0 - 2.0 * tf.gather(x, which, batch_dims=1)
    inputs = (tf.matmul(x, w) + c)[:, None]
    flipped = inputs + change[..., None] * tf.gather(w, which)
    gain = tf.reduce_sum(tf.nn.softplus(flipped) - tf.nn.softplus(inputs), -1) + change * tf.gather(b, which)
    return tf.math.log_sigmoid(-gain)


def gibbs(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor, c: tf.Tensor, steps: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """x after so many steps x -> h ~ p(h|x) -> x ~ p(x|h): [n, pixels] -> [n, pixels]."""

    def draw(logits, seed):
        return tf.cast(tf.random.stateless_uniform(tf.shape(logits), seed, alg="philox") < tf.sigmoid(logits), x.dtype)

    def step(i, x):
        first = tf.random.experimental.stateless_fold_in(seed, 2 * i)
        second = tf.random.experimental.stateless_fold_in(seed, 2 * i + 1)
        h = draw(tf.matmul(x, w) + c, first)
        return i + 1, draw(tf.matmul(h, w, transpose_b=True) + b, second)

    return tf.while_loop(lambda i, x: i < steps, step, (tf.constant(0), x))[1]


_compiled_gibbs = tf.function(gibbs, autograph=False, reduce_retracing=True)
