"""Data next to the model: a table of arrays on the device, and batches of row NUMBERS, which compiled steps look up.

The input pipeline, which otherwise costs more than the mathematics, is gone. benchmarks/ shows by how much.
"""

import random
import weakref
from typing import NamedTuple

import numpy as np
import tensorflow as tf

MAX_RESIDENT_BYTES = 2**31  # larger arrays go through Keras's own input pipeline
TRAIN, VALID, EVALUATE = range(3)  # the tables that a model may have at one time


class Rows(NamedTuple):
    """A batch of row numbers [batch] into the table of a model that `table`, a whole number, names."""

    index: tf.Tensor
    table: tf.Tensor


class Table:
    """Arrays of equal length as tensors on the device. Models that train on equal arrays share one copy.

    columns: a tensor for each array, None for None. Their length is rounded up to one of eight sizes an octave, with
    rows that no number names, so that arrays of nearly the same length share a compiled program.
    """

    live = weakref.WeakSet()

    def __init__(self, arrays):
        self.rows = next(len(array) for array in arrays if array is not None)
        self.columns = tuple(None if array is None else tf.constant(_roomy(array)) for array in arrays)

    @classmethod
    def of(cls, arrays):
        for table in cls.live:
            if table.holds(arrays):
                return table
        table = cls(arrays)
        cls.live.add(table)
        return table

    def holds(self, arrays):
        """Whether these are the same numbers; a glance at every 97th row settles most cases."""
        if [a is None for a in arrays] != [c is None for c in self.columns]:
            return False
        pairs = [(a, c.numpy()[: self.rows]) for a, c in zip(arrays, self.columns) if a is not None]
        if any(a.shape != c.shape or a.dtype != c.dtype for a, c in pairs):
            return False
        return all(np.array_equal(a[::97], c[::97]) for a, c in pairs) and all(_same_bytes(a, c) for a, c in pairs)


def _roomy(array):
    step = 2 ** max(0, len(array).bit_length() - 4)
    extra = -len(array) % step
    return np.concatenate([array, np.zeros((extra, *array.shape[1:]), array.dtype)]) if extra else array


def _same_bytes(a, b):
    """np.array_equal, in pieces, which stay in the processor's cache."""
    size = max(1, 2**19 // max(1, a[:1].nbytes))
    return all(np.array_equal(a[i : i + size], b[i : i + size]) for i in range(0, len(a), size))


def can_reside(data):
    arrays = [item for item in data if item is not None]
    return (
        all(isinstance(item, np.ndarray) and item.dtype.kind in "fiub" for item in arrays)
        and len({len(item) for item in arrays}) == 1
        and sum(item.nbytes for item in arrays) <= MAX_RESIDENT_BYTES
    )


def row_batches(rows, batch_size, shuffle, drop_last, table=TRAIN):
    """A tf.data set of `Rows`: one epoch, in a fresh order each time if `shuffle`."""
    # tf.data has nothing to tune here, and the thread that would do so can hold up the end of a fit for a second.
    options = tf.data.Options()
    options.autotune.enabled = False

    def named(index):
        return Rows(index, table)

    if not shuffle:
        return tf.data.Dataset.range(rows).batch(batch_size, drop_remainder=drop_last).map(named).with_options(options)
    steps = rows // batch_size

    def epoch(seed):
        order = tf.random.experimental.stateless_shuffle(tf.range(rows, dtype=tf.int64), seed)
        return tf.data.Dataset.from_tensor_slices(tf.reshape(order[: steps * batch_size], [steps, batch_size]))

    # Python's generator is one of those that keras.utils.set_random_seed sets.
    seeds = tf.data.Dataset.random(seed=random.randrange(2**31), rerandomize_each_iteration=True)
    batches = seeds.batch(2).take(1).flat_map(epoch)
    return batches.apply(tf.data.experimental.assert_cardinality(steps)).map(named).with_options(options)


def rows_of(columns, index):
    """Those rows of a table's columns: (x, y, sample_weight), None where there is none."""
    return tuple(None if column is None else tf.gather(column, index) for column in columns)
