"""Callbacks for `fit`: what changes from epoch to epoch."""

import math
from collections.abc import Callable
from typing import Any

import keras


class BetaScheduler(keras.callbacks.Callback):
    """Sets beta, the weight of the KL, at the start of each epoch: beta = schedule(epoch). Built in chapter 06.

    schedule: a function from the epoch, counted from 0, to a number of at least 0, such as `linear(10)`.
    The counterpart of `keras.callbacks.LearningRateScheduler`; the history shows `beta`. While beta moves, losses of
    different epochs do not compare: watch the ELBO, `EarlyStopping(monitor="val_elbo", mode="max")`.
    Source: Bowman et al. (2016), "Generating sentences from a continuous space".
    """

    def __init__(self, schedule: Callable[[int], float]) -> None:
        super().__init__()
        if not callable(schedule):
            raise ValueError(f"schedule must be a function of the epoch, as linear(10) is. Received: {schedule}")
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not hasattr(self.model, "beta"):
            raise ValueError(f"BetaScheduler needs a model with a weight beta. Received: {type(self.model).__name__}")
        beta = float(self.schedule(epoch))
        if not (math.isfinite(beta) and beta >= 0):
            raise ValueError(f"schedule must give a finite beta of at least 0. Received: {beta} for epoch {epoch}")
        self.model.beta = beta

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["beta"] = self.model.beta


def linear(warm_up: int, target: float = 1.0) -> Callable[[int], float]:
    """The schedule that rises from 0 to `target` over `warm_up` epochs, in equal steps, and stays there.

    Source: Sonderby et al. (2016), "Ladder variational autoencoders" (there called warm-up).
    """
    if warm_up < 1:
        raise ValueError(f"warm_up must be at least 1 epoch. Received: {warm_up}")
    return lambda epoch: target * min(1.0, epoch / warm_up)


def cyclical(period: int, ramp: float = 0.5, target: float = 1.0) -> Callable[[int], float]:
    """The schedule that starts anew every `period` epochs: up from 0 to `target` over the share `ramp`, then flat.

    Source: Fu et al. (2019), "Cyclical annealing schedule: a simple approach to mitigating KL vanishing".
    """
    if period < 2 or not 0 < ramp <= 1:
        raise ValueError(
            f"period must be at least 2 epochs and ramp a share above 0, up to 1. Received: {period} and {ramp}"
        )
    return lambda epoch: target * min(1.0, (epoch % period) / (ramp * period))
