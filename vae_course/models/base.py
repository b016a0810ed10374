"""Keras's glue: what all models add to `keras.Model`: checks on the data, compile defaults, a fast `fit`, exact saving.

Nothing else about `fit` changes: epochs, callbacks, validation and history are Keras's own.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import Any, Self

from vae_course import parts
from vae_course.models import checks
from vae_course.models.data import Data
from vae_course.models.draws import Draws, repeatable, seed_states
from vae_course.models.resident import EVALUATE, TRAIN, VALID
from vae_course.models.steps import Steps, suits_xla

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf


class CourseModel(Data, Draws, Steps, keras.Model):
    """A `keras.Model` over numpy data with checks, good defaults and a fast `fit`.

    A subclass sets `example_shape`, defines `call` and `compute_loss`, and may extend `check`. It can be saved without
    a decorator; to load the file, import the module that defines it first.
    The wrapper stays float32 under mixed precision, so that densities and bounds do; its networks follow the policy.
    What is set after a `fit` is obeyed by the next one, which compiles anew: an attribute, an optimizer, a schedule, a
    frozen layer. A weight needs no compiling.
    """

    own_objective = True  # what it trains for and reports is its own: compile takes no loss and no metrics
    # attributes that are part of compiled steps and optimizers: they cannot be exchanged
    fixed = ()  # type: tuple[str, ...]
    _stale = frozenset()  # compiled steps that know an old value of an attribute

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        if self.dtype_policy.name != "float32":
            raise ValueError(
                "The model itself stays in float32, for the sake of its densities; its networks follow "
                f"keras.mixed_precision.set_global_policy(). Received: dtype {self.dtype_policy.name!r}"
            )
        self._tables = {}
        self._requested = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(cls.__module__)(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.fixed and name in self.__dict__:
            raise AttributeError(
                f"{name} of a {type(self).__name__} is fixed: its compiled steps and its optimizer know the old one. "
                f"Make a new model with the {name} that you want"
            )
        known = name.startswith("_") or hasattr(keras.Model, name) or name in KERAS_SETS
        own = getattr(type(self), name, None)
        if isinstance(own, property) and getattr(own.fset, "__module__", "").startswith("vae_course."):
            known = True  # it sets a weight; what a subclass's property sets, nobody knows
        if not known:
            self.__dict__["_stale"] = set(STEPS)  # and not None: a callback may set it in the middle of a fit
        super().__setattr__(name, value)

    def _compile_anew(self, name, force):
        """Whether the step of this name must be made anew; asked once at the start of each fit, evaluate or predict."""
        knows = list(self.trainable_variables)
        roles = "optimizer", "discriminator_optimizer"  # neither is there before `compile`
        for optimizer in filter(None, (getattr(self, role, None) for role in roles)):
            optimizer = getattr(optimizer, "inner_optimizer", optimizer)
            knows += [optimizer, getattr(optimizer, "_learning_rate", None)]  # which may be a schedule
        known = self.__dict__.setdefault("_knows", {}).get(name, knows)
        stale = name in self._stale or list(map(id, known)) != list(map(id, knows))
        self.__dict__["_knows"][name] = knows
        self.__dict__["_stale"] = set(self._stale) - {name}
        return force or stale

    def make_predict_function(self, force: bool = False) -> Callable | None:
        """Keras's, made anew if an attribute was set."""
        return super().make_predict_function(self._compile_anew("predict_function", force))

    # --- saving ---

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**parts.accepted(cls, parts.revive(config)))

    # --- compile ---

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: Any = None,
        *,
        jit_compile: bool | str = "auto",
        steps_per_execution: int | str = "auto",
        **kwargs: Any,
    ) -> None:
        """Keras's compile, with other defaults: Adam; XLA for dense networks, or on a GPU; many steps at a time.

        jit_compile: "auto", True or False. On a CPU XLA is slower than plain TensorFlow for convolutions, dropout and
            noise on images, and it fails over several devices: "auto" leaves it out there.
            `model.jit_compile` says what was chosen.
        steps_per_execution: "auto" or a number. Batch-level callbacks and the progress bar move once in so many steps:
            give 1 to a callback that must see every batch. "auto" is about a second of work, at most 512.
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
            jit_compile = not kwargs.get("run_eagerly") and suits_xla(self)
        steps = 1 if steps_per_execution == "auto" else steps_per_execution
        super().compile(optimizer, loss, jit_compile=jit_compile, steps_per_execution=steps, **kwargs)

    def _check_no_loss(self, **options):
        for name, value in options.items():
            if value is not None:
                raise ValueError(
                    f"{type(self).__name__} trains for its own objective and reports its own terms: compile() takes no "
                    f"{name}. Override objective or bound, and name new terms in `terms`. Received: {name}={value!r}"
                )

    def save(self, filepath: str | PathLike, *args: Any, **kwargs: Any) -> None:
        """Keras's save. It warns of arguments of a subclass that the file would forget."""
        taken = inspect.signature(type(self).__init__).parameters.values()
        named = {p.name for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}
        if lost := sorted(named - set(self.get_config())):
            warnings.warn(
                f"The file will not hold {', '.join(lost)} of this {type(self).__name__}: loaded, it has the default. "
                f"Define get_config(self): return {{**super().get_config(), {lost[0]!r}: self.{lost[0]}}}",
                stacklevel=2,
            )
        super().save(filepath, *args, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        own = {"optimizer": self.optimizer, "trained": self.optimizer.built}  # one that never was has no state to load
        return keras.saving.serialize_keras_object({**self._requested, **own})

    def compile_from_config(self, config: dict[str, Any]) -> None:
        options = keras.saving.deserialize_keras_object(config)
        trained = options.pop("trained", True)
        self.compile(**options)
        if trained:
            self._build_optimizers()

    def _build_optimizers(self):
        self.optimizer.build(self.trainable_variables)

    def start_from(self, fresh: keras.Model) -> None:
        """Take the weights of `fresh`, a model of the same build, and forget all training, without compiling again.

        For many seeds with one compiled model: `vae.start_from(new_vae(seed))`, then `fit`. Every weight comes along
        (beta too); learning rates stay; the random draws go on as those of `fresh` would. Named in chapter 06.
        """
        shapes = [[tuple(weight.shape) for weight in model.weights] for model in (self, fresh)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"fresh must have the same weights as {self.name}. Received: {shapes[1]}, not {shapes[0]}")
        self.set_weights(fresh.get_weights())
        for state, begun in zip(seed_states(self), seed_states(fresh)):
            state.assign(begun)
        for optimizer in filter(None, (self.optimizer, getattr(self, "discriminator_optimizer", None))):
            if optimizer.built:
                start_anew(optimizer)

    # --- fit, evaluate, predict ---

    def fit(
        self,
        x: npt.ArrayLike | tf.data.Dataset | keras.utils.PyDataset | Iterator | None = None,
        y: npt.ArrayLike | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: npt.ArrayLike | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> keras.callbacks.History:
        """Keras's fit. From numpy arrays it trains on full batches only: a fresh shuffle each epoch leaves out others.

        x: examples [n, *example_shape], an array, a frame, a tensor or a tf.data set. y: what the model takes beside x,
        if anything: targets (Autoencoder), a condition (ConditionalVAE); or both as a pair, fit((x, y)). Other
        arguments: as in Keras.
        Each call draws its own order of a shuffle, by `keras.utils.set_random_seed`: two times 2 epochs are not 4.
        """
        self._check_compiled()
        if class_weight is not None and self.second not in ("condition", "labels"):
            raise ValueError(
                f"class_weight needs labels, and {type(self).__name__} takes none: give each example its weight, "
                f"sample_weight=. Received: class_weight={class_weight!r}"
            )
        if batch_size is not None and isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
            raise ValueError(
                "A data set comes in batches of its own, dataset.batch(32): leave batch_size out. "
                f"Received: batch_size={batch_size} with a {type(x).__name__}"
            )
        x, y, sample_weight = train = self._data(x, y, sample_weight, batch_size)
        batch_size = batch_size or 32
        if validation_batch_size is not None:
            checks.whole_number(validation_batch_size, "validation_batch_size")
        if isinstance(validation_data, list) and validation_data and not hasattr(validation_data[0], "shape"):
            validation_data = np.asarray(validation_data)  # nested lists, as x may be
        if isinstance(validation_data, tuple | list):
            validation_data = valid = self._data(*validation_data, name="validation x")
        elif validation_data is not None and not isinstance(checks.as_array(validation_data), np.ndarray):
            valid = None
            self._data(validation_data, name="validation x")
        else:
            valid = None if validation_data is None else self._data(validation_data, name="validation x")
            validation_data = valid
        if valid and valid[1] is None and valid[2] is not None:  # Keras drops weights that come without targets
            validation_data = (valid[0], valid[0], valid[2])
        counted = (class_weight, steps_per_epoch, validation_steps)
        unusual = validation_split or any(item is not None for item in counted)
        if isinstance(x, np.ndarray) and not unusual and self._can_reside(train):
            batch_size = min(batch_size, len(x))
            self._choose_steps(len(x) // batch_size, batch_size)
            x, y, sample_weight = self._reside(TRAIN, train, batch_size, shuffle), None, None
            if valid and self._can_reside(valid):
                rows = validation_batch_size or batch_size
                validation_data = self._reside(VALID, valid, rows)
        elif isinstance(x, np.ndarray):
            self._choose_steps(max(1, len(x) // batch_size), batch_size)
            y = x if y is None and sample_weight is not None else y  # Keras drops weights that come without targets
        if isinstance(x, tf.data.Dataset):
            batch_size = validation_batch_size = None
            shuffle = False  # a tf.data set comes in its own order; Keras warns about anything else
        history = super().fit(
            x,
            y,
            batch_size,
            epochs,
            verbose,
            callbacks,
            validation_split,
            validation_data,
            shuffle,
            class_weight,
            sample_weight,
            initial_epoch,
            steps_per_epoch,
            validation_steps,
            validation_batch_size,
            validation_freq,
        )
        losses = [value for name, values in history.history.items() if name.endswith("loss") for value in values[-1:]]
        if not np.isfinite(losses).all():
            warnings.warn(
                f"The loss of this {type(self).__name__} is no longer a finite number. Usual causes: counts or other "
                "large numbers that the encoder sees as they are (keras.ops.log1p in front of it), a learning rate too "
                "high, a gradient that needs clipnorm",
                stacklevel=2,
            )
        return history

    def evaluate(
        self,
        x: npt.ArrayLike | tf.data.Dataset | keras.utils.PyDataset | Iterator | None = None,
        y: npt.ArrayLike | None = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: npt.ArrayLike | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Keras's evaluate; every example counts, the last partial batch included. Twice gives the same numbers."""
        if kwargs.get("_use_cached_eval_dataset"):  # `fit` asks for its validation
            return super().evaluate(x, y, batch_size, verbose, sample_weight, *args, **kwargs)
        self._check_compiled()
        x, y, sample_weight = data = self._data(x, y, sample_weight, batch_size)
        with repeatable(self):
            if isinstance(x, np.ndarray) and not args and not kwargs.get("steps") and self._can_reside(data):
                self._choose_steps(-(-len(x) // (batch_size or 32)), batch_size or 32)
                x, y, sample_weight = self._reside(EVALUATE, data, batch_size or 32), None, None
                batch_size = None
            y = x if y is None and sample_weight is not None else y  # Keras drops weights that come without targets
            return super().evaluate(x, y, batch_size, verbose, sample_weight, *args, **kwargs)

    def predict(
        self,
        x: npt.ArrayLike | tf.data.Dataset | keras.utils.PyDataset | Iterator,
        batch_size: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Keras's predict: what `call` returns, for every example. Twice gives the same numbers, whatever it draws."""
        if isinstance(x, tf.data.Dataset):
            self._data(x)
        else:
            x = self._inputs(self._data(*(x if isinstance(x, tuple) else (x,)), batch_size=batch_size))[0]
        with repeatable(self):
            return super().predict(x, batch_size, *args, **kwargs)

    def export(
        self, filepath: str | PathLike, *args: Any, input_signature: Sequence[Any] | None = None, **kwargs: Any
    ) -> None:
        """Keras's export, a SavedModel of `call`, for float32 examples [n, *example_shape] unless said otherwise."""
        if input_signature is None:
            input_signature = [keras.InputSpec(shape=(None, *self.example_shape), dtype="float32")]
        return super().export(filepath, *args, input_signature=input_signature, **kwargs)

    def _check_compiled(self):
        if not self.compiled:
            raise ValueError(f"Call {self.name}.compile() first: it says how the model learns and is measured")

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        return self._to_report(super().train_step(self._inputs(self._batch("train", data))))

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        return self._to_report(super().test_step(self._inputs(self._batch("valid", data))))

    def predict_step(self, data: Any) -> Any:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        return super().predict_step((self._inputs((x, y, None))[0],)) if y is not None else super().predict_step(data)

    def _to_report(self, logs):
        """Numbers as vectors of one where several processes train: Keras averages there over a first axis.

        Without it Keras 3 fails on its own numbers (tensorflow/tensorflow issue 72388).
        """
        return {name: value[None] for name, value in logs.items()} if self._over_processes() else logs

    def _over_replicas(self, loss):
        """A mean over this device's batch as its share of the whole: MirroredStrategy sums the gradients.

        Keras's own losses are shared out already; only a loss that a model computes itself needs this.
        """
        return loss / self.distribute_strategy.num_replicas_in_sync


def start_anew(optimizer: keras.optimizers.Optimizer) -> None:
    """Give a built optimizer the state of a new one with the same settings; its learning rate stays."""
    new = type(optimizer).from_config(optimizer.get_config())
    new.build(getattr(optimizer, "inner_optimizer", optimizer)._trainable_variables)
    for variable, begun in zip(optimizer.variables, new.variables, strict=True):
        if variable is not optimizer.learning_rate:
            variable.assign(begun)


STEPS = ("train_function", "test_function", "predict_function")
# What Keras sets on a model beside its own attributes; none of it is part of a compiled step.
KERAS_SETS = (*STEPS, "built", "compiled", "jit_compile", "run_eagerly")
KERAS_SETS += ("steps_per_execution", "history", "optimizer", "loss")
KERAS_SETS += ("stop_training", "stop_evaluating", "stop_predicting")
