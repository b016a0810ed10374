"""Data next to the model: a table of arrays on the device, and batches of row NUMBERS, which compiled steps look up.

The input pipeline, which otherwise costs more than the mathematics, is gone. benchmarks/ shows by how much.
"""

import random
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

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

    def __init__(self, arrays: Sequence[np.ndarray | None]) -> None:
        self.rows = next(len(array) for array in arrays if array is not None)
        self.columns = tuple(None if array is None else tf.constant(_roomy(array)) for array in arrays)

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray | None]) -> Self:
        for table in cls.live:
            if table.holds(arrays):
                return table
        table = cls(arrays)
        cls.live.add(table)
        return table

    def holds(self, arrays: Sequence[np.ndarray | None]) -> bool:
        """Whether these are the same numbers; a glance at every 97th row settles most cases."""
        if [a is None for a in arrays] != [c is None for c in self.columns]:
            return False
        pairs = [(a, np.asarray(c)[: self.rows]) for a, c in zip(arrays, self.columns) if a is not None]
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


def can_reside(data: Sequence[Any]) -> bool:
    arrays = [item for item in data if item is not None]
    return (
        all(isinstance(item, np.ndarray) and item.dtype.kind in "fiub" for item in arrays)
        and len({len(item) for item in arrays}) == 1
        and sum(item.nbytes for item in arrays) <= MAX_RESIDENT_BYTES
    )


class RowBatches(tf.data.Dataset):
    """A tf.data set of `Rows`, in a fresh order at each iteration if `shuffle`, that iterates without a graph.

    Keras makes two iterators for each epoch, and building that of a pipeline with functions takes longer than a small
    epoch. The numbers are worked out here instead, and a step's program takes many batches of them at a time.
    """

    def __init__(self, rows: int, batch_size: int, shuffle: bool, drop_last: bool, table: int = TRAIN) -> None:
        self.rows, self.batch_size, self.table = rows, batch_size, table
        self.batches = rows // batch_size if drop_last else -(-rows // batch_size)
        size = batch_size if drop_last else None
        self._spec = Rows(tf.TensorSpec([size], tf.int64), tf.TensorSpec([], tf.int32))
        self._seeds = None
        if shuffle:  # Python's generator is one of those that keras.utils.set_random_seed sets
            seeds = tf.data.Dataset.random(seed=random.randrange(2**31), rerandomize_each_iteration=True).batch(2)
            # tf.data has nothing to tune, and the thread that would do so can hold up the end of a fit for a second.
            options = tf.data.Options()
            options.autotune.enabled = False
            self._seeds = seeds.with_options(options)
        super().__init__(tf.data.Dataset.range(rows).batch(batch_size, drop_last)._variant_tensor)  # for their count

    def _inputs(self):
        return []

    @property
    def element_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        return self._spec

    def __iter__(self):
        return RowIterator(self, None if self._seeds is None else iter(self._seeds))


class RowIterator:
    """One epoch of `RowBatches`: batch by batch, or many at a time."""

    def __init__(self, batches: RowBatches, seeds: Iterator[tf.Tensor] | None) -> None:
        self.element_spec, self._of, self._seeds = batches.element_spec, batches, seeds
        self._order, self._seen = None, 0

    def __iter__(self):
        return self

    def __next__(self):
        index = self.take(1)[0]
        return Rows(tf.constant(index), tf.constant(self._of.table))

    @property
    def table(self) -> int:
        return self._of.table

    @property
    def left(self) -> int:
        """How many batches are still to come."""
        return self._of.batches - self._seen

    def take(self, most: int) -> np.ndarray:
        """Up to `most` batches of row numbers, all of one length: [batches, batch]. StopIteration at the end."""
        of = self._of
        if self._order is None:
            self._order = tf.range(of.rows, dtype=tf.int64)
            if self._seeds is not None:
                self._order = tf.random.experimental.stateless_shuffle(self._order, next(self._seeds))
            self._order = self._order.numpy()
        if not self.left:
            raise StopIteration
        full = of.rows // of.batch_size - self._seen
        count, size = (min(most, full), of.batch_size) if full else (1, of.rows % of.batch_size)
        first = self._seen * of.batch_size
        self._seen += count
        return self._order[first : first + count * size].reshape(count, size)


def rows_of(columns: Sequence[tf.Tensor | None], index: tf.Tensor | np.ndarray) -> tuple[tf.Tensor | None, ...]:
    """Those rows of a table's columns: (x, y, sample_weight), None where there is none."""
    return tuple(None if column is None else tf.gather(column, index) for column in columns)
