"""A model's random draws: a seed for each, saved with the model, and repeated where an answer should repeat."""

import contextlib
from collections.abc import Iterator
from typing import Any

from vae_course.layers import next_seed

import keras
import tensorflow as tf


class Draws:
    """Beside a `keras.Model`: the seeds of its own draws, and exact saving of all draws, its layers' included."""

    _seeds = None  # a model that draws has a SeedGenerator

    def _seed(self):
        return next_seed(self._seeds)

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        for number, state in enumerate(seed_states(self)):  # Keras leaves them out: a reloaded model would draw others
            store[f"draws_{number}"] = state.numpy()

    def load_own_variables(self, store: Any) -> None:
        own = {key: store[key] for key in store.keys()}
        for number, state in enumerate(seed_states(self)):
            if f"draws_{number}" in own:
                state.assign(own.pop(f"draws_{number}"))
        super().load_own_variables(own)


def seed_states(model: keras.Model) -> list[keras.Variable]:
    """The states of all random draws: the model's own, and those of layers such as dropout."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


@contextlib.contextmanager
def repeatable(model: keras.Model) -> Iterator[None]:
    """While it lasts the model's draws are those of a fixed seed; a `fit` around it then goes on as if nothing were."""
    states, steps = seed_states(model), model.steps_per_execution
    before = [state.numpy() for state in states]
    for state in states:
        state.assign(tf.zeros_like(state))
    try:
        yield
    finally:
        model.steps_per_execution = steps
        for state, value in zip(states, before):
            state.assign(value)
