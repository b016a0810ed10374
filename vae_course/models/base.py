"""What all models share: checks on the data, compile defaults, and a `fit` that keeps the data next to the model.

Nothing else about `fit` changes: epochs, callbacks, validation and history are Keras's own.
"""

import itertools

from vae_course.models.resident import Rows, Table, can_reside, row_batches
from vae_course.networks import next_seed

import keras
import numpy as np
import tensorflow as tf

MAX_STEPS_PER_EXECUTION = 32  # steps between two visits to Python; more gains nothing


def as_array(x):
    """numpy arrays for data frames and tensors, which Keras takes as well, so that they are checked; else x itself."""
    if hasattr(x, "to_numpy"):
        return x.to_numpy()
    return x.numpy() if isinstance(x, tf.Tensor) and hasattr(x, "numpy") else x


def pixels(x):
    """Whole-number images 0..255 as floats in [0, 1]; floats unchanged."""
    x = tf.convert_to_tensor(x)
    return tf.cast(x, tf.float32) / 255.0 if x.dtype.is_integer else tf.cast(x, tf.float32)


class CourseModel(keras.Model):
    """A `keras.Model` over numpy data with checks, good defaults and a fast `fit`.

    A subclass sets `example_shape`, defines `call` and `compute_loss`, and may extend `check`.
    The wrapper stays float32 under mixed precision, so that densities and bounds do; its networks follow the policy.
    """

    example_shape = None
    own_objective = True  # what it trains for and reports is its own: compile takes no loss and no metrics
    suits_xla_on_cpu = True
    _seeds = None  # a model that draws has a SeedGenerator

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self._resident = {}
        self._requested = {}

    # --- data ---

    def check(self, x, name="x"):
        """Raise a ValueError that says what is wrong with numpy data `x`, if anything is."""
        if not isinstance(x, np.ndarray):
            return
        if x.dtype.kind not in "fiub":
            raise ValueError(f"{name} must be an array of numbers. Received: dtype {x.dtype}")
        if self.example_shape is not None and x.shape[1:] != tuple(self.example_shape):
            expected = ", ".join(["n", *map(str, self.example_shape)])
            hint = " (add the channel axis: x[..., None])" if x.shape[1:] + (1,) == tuple(self.example_shape) else ""
            raise ValueError(f"{name} must have shape [{expected}]{hint}. Received: {list(x.shape)}")
        if len(x) == 0:
            raise ValueError(f"{name} must hold at least one example. Received: shape {list(x.shape)}")
        if x.dtype.kind in "iu" and (x.min() < 0 or x.max() > 255):
            raise ValueError(
                f"Whole numbers in {name} are read as pixels 0..255 and divided by 255. Received: values from "
                f"{x.min()} to {x.max()}. Pass anything else, such as counts, as floats: {name}.astype('float32')"
            )
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            bad = int((~np.isfinite(x)).sum())
            raise ValueError(f"{name} must be finite. Received: {bad} values that are NaN or infinite")

    def _check_all(self, x, y=None, sample_weight=None, batch_size=None):
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1. Received: {batch_size}")
        if not self.compiled:
            raise ValueError(f"Call {self.name}.compile() first: it says how the model learns and is measured")
        if x is None:
            raise ValueError("x must be an array of examples or a tf.data set. Received: None")
        self.check(x)
        if isinstance(y, np.ndarray) and isinstance(x, np.ndarray) and len(x) != len(y):
            raise ValueError(f"x and y must have the same length. Received: {len(x)} and {len(y)}")
        if (
            sample_weight is not None
            and isinstance(x, np.ndarray)
            and np.shape(sample_weight)
            not in (
                (len(x),),
                (len(x), 1),
            )
        ):
            raise ValueError(
                f"sample_weight must hold one number for each of the {len(x)} examples. "
                f"Received: shape {list(np.shape(sample_weight))}"
            )

    # --- random draws, saving ---

    def _seed(self):
        return next_seed(self._seeds)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self._seeds is not None:  # Keras leaves it out; without it a reloaded model draws other codes
            store["draws"] = self._seeds.state.numpy()

    def load_own_variables(self, store):
        own = {key: store[key] for key in store.keys()}
        if self._seeds is not None:
            self._seeds.state.assign(own.pop("draws"))
        super().load_own_variables(own)

    @classmethod
    def from_config(cls, config):
        revived = {
            key: keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
            for key, value in config.items()
        }
        return cls(**revived)

    # --- compile ---

    def compile(self, optimizer="adam", loss=None, *, jit_compile="auto", steps_per_execution="auto", **kwargs):
        """Keras's compile, with other defaults: Adam; XLA for dense networks, or on a GPU; up to 32 steps at a time.

        jit_compile: "auto", True or False. On a CPU XLA is slower than plain TensorFlow for convolutions and for
            drawing noise on images, and it fails over several devices: "auto" leaves it out there.
            `model.jit_compile` says what was chosen.
        steps_per_execution: "auto" or a number; batch-level callbacks and the progress bar move once in so many steps.
        """
        if self.own_objective:
            self._check_no_loss(loss=loss, **{key: kwargs.get(key) for key in ("metrics", "weighted_metrics")})
        self._requested = dict(
            kwargs,
            optimizer=optimizer,
            loss=loss,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
        )
        if jit_compile == "auto":
            jit_compile = not kwargs.get("run_eagerly") and _suits_xla(self)
        steps = 1 if steps_per_execution == "auto" else steps_per_execution
        super().compile(optimizer, loss, jit_compile=jit_compile, steps_per_execution=steps, **kwargs)

    def _check_no_loss(self, **options):
        for name, value in options.items():
            if value is not None:
                raise ValueError(
                    f"{type(self).__name__} trains for its own objective and reports its own terms: compile() takes no "
                    f"{name}. Override objective or bound, and name new terms in `terms`. Received: {name}={value!r}"
                )

    def get_compile_config(self):
        if not self.compiled:
            return {}
        return keras.saving.serialize_keras_object({**self._requested, "optimizer": self.optimizer})

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def start_from(self, fresh):
        """Take the weights of `fresh`, a model of the same build, and forget all training, without compiling again.

        For many seeds with one compiled model: `vae.start_from(new_vae(seed))`, then `fit`. Every weight comes along
        (beta too); learning rates stay; the random draws go on as those of `fresh` would. Named in chapter 06.
        """
        shapes = [[tuple(weight.shape) for weight in model.weights] for model in (self, fresh)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"fresh must have the same weights as {self.name}. Received: {shapes[1]}, not {shapes[0]}")
        self.set_weights(fresh.get_weights())
        for state, begun in zip(_seed_states(self), _seed_states(fresh)):
            state.assign(begun)
        for optimizer in filter(None, (self.optimizer, getattr(self, "discriminator_optimizer", None))):
            for variable in optimizer.variables:
                if variable is not optimizer.learning_rate:
                    variable.assign(tf.zeros_like(variable))

    # --- fit, evaluate, predict ---

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        *args,
        validation_data=None,
        shuffle=True,
        sample_weight=None,
        validation_batch_size=None,
        **kwargs,
    ):
        """Keras's fit. From numpy arrays it trains on full batches only: a fresh shuffle each epoch leaves out others.

        x: examples [n, ...], floats or whole numbers 0..255; y: optional targets. Other arguments: as in Keras.
        """
        x, y, sample_weight = as_array(x), as_array(y), as_array(sample_weight)
        self._check_all(x, y, sample_weight, batch_size)
        batch_size = batch_size or 32
        if not isinstance(validation_data, (tuple, list)):
            validation_data = as_array(validation_data)
        if isinstance(validation_data, np.ndarray):
            validation_data = (validation_data,)
        valid = tuple(map(as_array, validation_data)) if isinstance(validation_data, (tuple, list)) else ()
        validation_data = valid or validation_data
        if valid:
            self.check(valid[0], "validation x")
        train = (x, y, sample_weight)
        plain = not args and not {
            "validation_split",
            "class_weight",
            "steps_per_epoch",
            "validation_steps",
        } & set(kwargs)
        if plain and can_reside(train) and not self._distributed():
            batch_size = min(batch_size, len(x))
            self._choose_steps(len(x) // batch_size)
            # Keras builds losses and metrics from the first batch it sees, which will be one of row numbers.
            self._symbolic_build(data_batch=tuple(None if item is None else item[:1] for item in train))
            x, y, sample_weight = (
                self._reside("train", train, batch_size, shuffle, drop_last=True),
                None,
                None,
            )
            if valid and can_reside(valid):
                rows = min(validation_batch_size or batch_size, len(valid[0]))
                validation_data = self._reside("valid", valid, rows, shuffle=False, drop_last=False)
        elif isinstance(x, np.ndarray):
            self._choose_steps(max(1, len(x) // batch_size))
            y = x if y is None and sample_weight is not None else y  # Keras drops weights that come without targets
        if isinstance(x, tf.data.Dataset):
            batch_size = validation_batch_size = None
            shuffle = False  # a tf.data set comes in its own order; Keras warns about anything else
        return super().fit(
            x,
            y,
            batch_size,
            epochs,
            *args,
            validation_data=validation_data,
            shuffle=shuffle,
            sample_weight=sample_weight,
            validation_batch_size=validation_batch_size,
            **kwargs,
        )

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, *args, **kwargs):
        """Keras's evaluate; every example counts, the last partial batch included."""
        x, y, sample_weight = as_array(x), as_array(y), as_array(sample_weight)
        self._check_all(x, y, sample_weight, batch_size)
        y = x if y is None and sample_weight is not None else y  # Keras drops weights that come without targets
        return super().evaluate(x, y, batch_size, verbose, sample_weight, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Keras's predict: what `call` returns, for every example."""
        x = as_array(x)
        self.check(x)
        return super().predict(x, *args, **kwargs)

    def export(self, filepath, *args, input_signature=None, **kwargs):
        """Keras's export, a SavedModel of `call`, for float32 examples [n, *example_shape] unless said otherwise."""
        if input_signature is None:
            input_signature = [keras.InputSpec(shape=(None, *self.example_shape), dtype="float32")]
        return super().export(filepath, *args, input_signature=input_signature, **kwargs)

    def train_step(self, data):
        return super().train_step(self._batch("train", data))

    def test_step(self, data):
        return super().test_step(self._batch("valid", data))

    def make_train_function(self, force=False):
        """Keras's; but under XLA the steps between two visits to Python become one program."""
        if self.train_function is None or force:
            super().make_train_function(force)
            if self.jit_compile and not self.run_eagerly:
                self.train_function = self._in_one_program(self.train_function)
        return self.train_function

    def _in_one_program(self, keras_function):
        """A train function that loops over batches of row numbers inside XLA, and leaves other data to Keras's."""
        step, steps = tf.function(self.train_step), self.steps_per_execution

        @tf.function(jit_compile=True)
        def train(index, count):  # [steps, batch], of which the first `count` rows are batches
            logs = step.get_concrete_function(Rows(tf.TensorSpec(index.shape[1:], index.dtype))).structured_outputs
            start = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), logs)
            return tf.while_loop(
                lambda i, logs: i < count, lambda i, logs: (i + 1, step(Rows(index[i]))), (tf.constant(0), start)
            )[1]

        def train_function(iterator):
            if not isinstance(getattr(iterator, "element_spec", None), Rows):
                return keras_function(iterator)
            batches = [batch.index for batch in itertools.islice(iterator, steps)]
            if not batches:
                raise StopIteration
            missing = [[0, steps - len(batches)], [0, 0]]  # filled up, so that XLA compiles for one shape only
            return train(tf.pad(tf.stack(batches), missing), tf.constant(len(batches)))

        return train_function

    def _choose_steps(self, steps):
        if self.compiled and self._requested.get("steps_per_execution") == "auto":
            # Under a strategy Keras fails with more than one step at a time.
            steps = 1 if self._distributed() else min(MAX_STEPS_PER_EXECUTION, steps)
            if steps != self.steps_per_execution:
                self.steps_per_execution = steps
                self.train_function = self.test_function = self.predict_function = None

    def _reside(self, part, data, batch_size, shuffle, drop_last):
        """Put arrays next to the model; return the batches of row numbers that stand for them."""
        present = tuple(item is not None for item in data)
        table = Table.of([np.asarray(item) for item in data if item is not None])
        if self._resident.get(part) != (table, present):
            self._resident[part] = (table, present)
            self.train_function = self.test_function = None  # the traced steps hold the old arrays
        return row_batches(len(data[0]), batch_size, shuffle, drop_last)

    def _batch(self, part, data):
        """What a step works on: the resident rows that `data` names, or `data` itself. part: "train" or "valid"."""
        if not isinstance(data, Rows):
            return data
        table, present = self._resident[part]
        columns = iter(table.columns)
        return tuple(tf.gather(next(columns), data.index) if here else None for here in present)

    def _distributed(self):
        """Whether a tf.distribute strategy holds the weights, be it over a single device."""
        return self._distribute_strategy is not None or tf.distribute.has_strategy()

    def _over_replicas(self, loss):
        """A mean over this device's batch as its share of the whole: MirroredStrategy sums the gradients.

        Keras's own losses are shared out already; only a loss that a model computes itself needs this.
        """
        return loss / self.distribute_strategy.num_replicas_in_sync


def _seed_states(model):
    """The states of all random draws: the model's own, and those of layers such as dropout."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def _suits_xla(model):
    if model._distributed():
        return False
    convolutions = any("Conv" in type(layer).__name__ for layer in model._flatten_layers())
    return bool(tf.config.list_physical_devices("GPU")) or (model.suits_xla_on_cpu and not convolutions)


def mean_over_batch(values, sample_weight=None):
    """Mean over the batch of values [batch], weighted as Keras weights a loss: sum(weight * value) / batch."""
    if sample_weight is not None:
        values = values * tf.cast(tf.reshape(sample_weight, [-1]), values.dtype)
    return tf.reduce_mean(values)


def in_batches(function, x, batch_size=1024):
    """Apply a tensor -> tensor function to a numpy array in pieces: [n, ...] -> numpy [n, ...]."""
    if len(x) == 0:
        raise ValueError(f"There must be at least one row. Received: shape {list(np.shape(x))}")
    pieces = [np.asarray(function(x[i : i + batch_size])) for i in range(0, len(x), batch_size)]
    return np.concatenate(pieces)
