"""Steps on resident data: one program for many steps, which the data is an argument of.

So there are no visits to Python between steps, other data of like size compile nothing, and no answer comes from old
data.
"""

from collections.abc import Callable, Mapping

from vae_course.models.resident import TRAIN, RowBatches, RowIterator, Rows, Table, can_reside, rows_of

import keras
import numpy as np
import tensorflow as tf

MOST_STEPS = 512  # between two visits to Python
WORK_OF_A_SECOND = 3e10  # weights * examples that a program gets through in about a second on two cores


class Steps:
    """Beside a `keras.Model`: its train and test functions for batches of `Rows` of a table that it holds."""

    suits_xla_on_cpu = True

    def _batch(self, part, data):
        """What a step works on, (x, y, sample_weight). part: "train" or "valid"."""
        if isinstance(data, Rows):  # in an eager run only: compiled steps are handed the rows
            data = rows_of(self._tables[int(data.table)].columns, data.index)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if self.second is None and sample_weight is None:  # generators and train_on_batch, which nobody has checked
            self.check_second(y)
        if y is None and self.second in ("condition", "labels"):
            self.check_second(None)
        return x, y, sample_weight

    def make_train_function(self, force: bool = False) -> Callable:
        """Keras's for other data; steps on resident rows become one program, which the rows are an argument of."""
        if self._compile_anew("train_function", force) or self.train_function is None:
            self.train_function = self._over_rows("train_function", self.train_step, super().make_train_function)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable:
        """As `make_train_function`."""
        if self._compile_anew("test_function", force) or self.test_function is None:
            self.test_function = self._over_rows("test_function", self.test_step, super().make_test_function)
        return self.test_function

    def _over_rows(self, name, step, make):
        keras_functions, programs = {}, {}

        def function(iterator):
            steps = self.steps_per_execution
            spec = getattr(iterator, "element_spec", None)
            if self.run_eagerly or not isinstance(spec, Rows):
                if steps not in keras_functions:  # which are made for a number of steps
                    make(force=True)
                    keras_functions[steps] = getattr(self, name)
                    setattr(self, name, function)
                return keras_functions[steps](iterator)
            longest = max(steps, self._most_steps(spec.index.shape[0] or 32))
            if longest not in programs:
                programs[longest] = over_rows(step, bool(self.jit_compile), longest)
            return steps_over_rows(iterator, steps, self._tables, programs[longest])

        function.programs = programs
        return function

    def _most_steps(self, batch_size):
        """How many steps take about a second, at most 512: the progress bar should move, and short visits cost."""
        if not self.jit_compile:
            return 32
        work = batch_size * max(1, sum(int(np.prod(weight.shape)) for weight in self.trainable_weights))
        return int(np.clip(WORK_OF_A_SECOND / work, 1, MOST_STEPS))

    def _choose_steps(self, steps, batch_size):
        if self._requested.get("steps_per_execution") == "auto":
            # Under a strategy Keras fails with more than one step at a time.
            self.steps_per_execution = 1 if self._distributed() else min(self._most_steps(batch_size), steps)

    def _can_reside(self, data):
        return can_reside(data) and not self._distributed()

    def _reside(self, table, data, batch_size, shuffle=False):
        """Put arrays next to the model; return the batches of row numbers that stand for them."""
        # Keras builds losses and metrics from the first batch it sees, which will be one of row numbers.
        self._symbolic_build(data_batch=self._inputs(tuple(None if item is None else item[:1] for item in data)))
        self._tables[table] = Table.of(data)
        rows = len(data[0])
        batch_size = min(batch_size, rows)
        drop_last = table == TRAIN or rows % batch_size == 0
        return RowBatches(rows, batch_size, shuffle, drop_last, table)

    def _distributed(self):
        """Whether a tf.distribute strategy holds the weights, be it over a single device."""
        return self._distribute_strategy is not None or tf.distribute.has_strategy()

    def _over_processes(self):
        """Whether several processes, or machines, share each step."""
        strategy = self._distribute_strategy
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        return several and strategy.extended._in_multi_worker_mode()  # as Keras asks


def suits_xla(model: keras.Model) -> bool:
    if model._distributed():
        return False
    layers = model._flatten_layers()
    if not all(getattr(layer, "supports_jit", True) for layer in layers):
        return False
    slow = any("Conv" in type(layer).__name__ or _draws(layer) for layer in layers)
    return bool(tf.config.list_physical_devices("GPU")) or (model.suits_xla_on_cpu and not slow)


def _draws(layer):
    """Whether a layer adds noise in training: on a CPU XLA draws it anew for every product that reads it."""
    noise = any(word in type(layer).__name__ for word in ("Dropout", "Noise"))
    return noise and getattr(layer, "rate", 1) > 0  # attention holds a dropout of rate 0


def _spec(tensor):
    return None if tensor is None else tf.TensorSpec(tensor.shape, tensor.dtype)


def over_rows(step: Callable, jit_compile: bool, longest: int) -> Callable:
    """run(columns, index [longest, batch], count): `step` on the first `count` batches of row numbers, as one program.

    It returns what the last step returned. It compiles anew for another shape or type of the arguments, and for nothing
    else: their values are no part of the program.
    """
    step = tf.function(step)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def program(columns, index, count):
        first = tf.nest.map_structure(_spec, rows_of(columns, index[0]))
        logs = step.get_concrete_function(first).structured_outputs
        start = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), logs)
        return tf.while_loop(
            lambda i, logs: i < count,
            lambda i, logs: (i + 1, step(rows_of(columns, index[i]))),
            (tf.constant(0), start),
        )[1]

    compiled = {}

    def run(columns, index, count):
        missing = [[0, longest - len(index)], [0, 0]]  # filled up, so that every number of steps is one program
        arguments = (columns, tf.constant(np.pad(index, missing)), tf.constant(count))
        key = str(tf.nest.map_structure(_spec, arguments))
        if key not in compiled:
            compiled[key] = program.get_concrete_function(*arguments)
        return compiled[key](*arguments)

    run.compiled = compiled
    return run


def steps_over_rows(
    iterator: RowIterator, most: int, tables: Mapping[int, Table], run: Callable
) -> dict[str, tf.Tensor]:
    """Up to `most` steps of `run` on the batches that a `RowIterator` gives; StopIteration at its end."""
    index = iterator.take(most)
    columns = tables[iterator.table].columns
    logs = run(columns, index, len(index))
    if len(index) < most and iterator.left:  # the last, smaller batch of an evaluation
        logs = run(columns, iterator.take(1), 1)
    return logs
