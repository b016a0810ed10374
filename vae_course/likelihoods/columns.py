"""The likelihood of a table: a likelihood for each group of columns."""

from collections.abc import Sequence
from typing import Any

from vae_course.likelihoods.base import Likelihood, find

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Columns(Likelihood):
    """A table whose columns are of different kinds: prod over parts of p(columns of the part | z).

    parts: pairs of a likelihood (or its name) and the number of columns that it describes, from left to right:
        `Columns([(Gaussian("per_feature"), 5), (Categorical(3), 1), ("poisson", 2)])`. The decoder's outputs are those
        of the parts, side by side.
    Source: Nazabal et al. (2020), "Handling incomplete heterogeneous data using VAEs".
    """

    def __init__(self, parts: Sequence[tuple[str | Likelihood, int] | list], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widths = [width for _, width in parts]
        self.parts = [find(part) for part, _ in parts]
        self.missing = self.missing or any(part.missing for part in self.parts)  # one mask for the whole row
        self._arguments["missing"] = self.missing
        for part in self.parts:
            part.missing = part._arguments["missing"] = self.missing
            if part.whole == "pixels":
                part.whole = "numbers"  # a column of bytes is one of small numbers
        self._arguments["parts"] = [[part, width] for part, width in zip(self.parts, self.widths)]
        self.hears_condition = any(part.hears_condition for part in self.parts)

    def build(self, shape: Sequence[Any]) -> None:
        self.example_shape = tuple(shape[1:])
        if self.example_shape != (sum(self.widths),):
            described = f"The parts describe {sum(self.widths)} columns, {self.widths}"
            raise ValueError(f"{described}. Received: examples {list(self.example_shape)}")
        for part, width in zip(self.parts, self.widths):
            part.on((width,))

    def _sizes(self):
        return [part.outputs((width,))[0] for part, width in zip(self.parts, self.widths)]

    def _each(self, output):
        return zip(self.parts, tf.split(output, self._sizes(), axis=-1))

    def outputs(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (sum(self._sizes()),)

    def distribution(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tfd.Distribution:
        return tfd.Blockwise([part.distribution(piece, c) for part, piece in self._each(output)])

    def mean(self, output: tf.Tensor | np.ndarray, c: tf.Tensor | np.ndarray | None = None) -> tf.Tensor:
        return tf.concat([part.mean(piece, c) for part, piece in self._each(output)], axis=-1)

    def check_condition(self, c: np.ndarray) -> None:
        for part in self.parts:
            part.check_condition(c)

    def check(self, x: np.ndarray, name: str = "x") -> None:
        for number, columns in enumerate(np.split(x, np.cumsum(self.widths)[:-1], axis=-1)):
            first = sum(self.widths[:number])
            self.parts[number].check(columns, f"{name}[:, {first}:{first + self.widths[number]}]")
