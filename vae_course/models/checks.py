"""What is asked of data before a model sees it: each answer is a sentence that says what came and what to do."""

import numbers
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf


def as_array(x: Any, name: str = "x") -> Any:
    """numpy arrays for data frames and tensors, which Keras takes as well, so that they are checked; else x itself."""
    if isinstance(x, np.ma.MaskedArray):
        raise ValueError(
            f"{name} must be a plain array: the mask of a masked one would be lost. Set what is missing to NaN, "
            f"x.filled(np.nan), under a likelihood with missing=True. Received: a masked array"
        )
    if isinstance(x, list):
        try:
            return np.asarray(x)
        except ValueError:
            raise ValueError(
                f"{name} must be one array: fill sequences up with 0 at the end, to one length; a pair of examples and "
                f"conditions is a tuple, (x, c). Received: a list of {len(x)} arrays of different shapes"
            ) from None
    if isinstance(x, tf.RaggedTensor):
        raise ValueError(
            f"{name} must be one array: fill sequences up with 0 at the end, {name}.to_tensor(shape=(None, length)). "
            "Received: a ragged tensor"
        )
    if hasattr(x, "toarray") and hasattr(x, "nnz"):
        raise ValueError(f"{name} must be a dense array: x.toarray(). Received: a sparse {type(x).__name__}")
    if hasattr(x, "to_numpy"):
        array = x.to_numpy()
        columns = getattr(x, "columns", [])
        wrong = [column for column in columns if x[column].to_numpy().dtype.kind not in "fiub"]
        if wrong:
            raise ValueError(
                f"{name} must hold numbers in every column: turn words into numbers, and nullable columns into floats, "
                f"astype('float32'). Received: other values in the columns {wrong}"
            )
        if array.dtype == object and len(columns):  # columns of several kinds of numbers
            array = np.column_stack([x[column].to_numpy() for column in columns])
        return array
    return x.numpy() if isinstance(x, tf.Tensor) and hasattr(x, "numpy") else x


def collected(x: npt.ArrayLike | tf.data.Dataset, name: str = "x") -> np.ndarray | tuple[np.ndarray, ...]:
    """x as numpy: an array, a frame, a tensor, or all examples of a tf.data set; pairs (x, c) piece by piece."""
    if isinstance(x, tf.data.Dataset):
        first_batch(x, name)
        batches = [keras.utils.unpack_x_y_sample_weight(batch) for batch in x.as_numpy_iterator()]
        xs, cs, _ = zip(*batches)
        if not batches:
            raise ValueError(f"{name} must hold at least one example. Received: an empty tf.data set")
        return np.concatenate(xs) if cs[0] is None else (np.concatenate(xs), np.concatenate(cs))
    if isinstance(x, tuple):
        return tuple(as_array(piece, name) for piece in x)
    x = as_array(x, name)
    return np.asarray(x) if not hasattr(x, "dtype") else x


def first_batch(x: tf.data.Dataset | keras.utils.PyDataset, name: str = "x") -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of the first batch of a tf.data set, as numpy, or of a PyDataset."""
    if isinstance(x, keras.utils.PyDataset):
        return keras.utils.unpack_x_y_sample_weight(x[0])
    if isinstance(x.element_spec, dict):
        raise ValueError(
            f"{name} must give batches of examples, or tuples of them: dataset.map(lambda row: row['image']). "
            f"Received: a tf.data set of dictionaries with the keys {list(x.element_spec)}"
        )
    for batch in x.take(1).as_numpy_iterator():
        return keras.utils.unpack_x_y_sample_weight(batch)
    raise ValueError(f"{name} must hold at least one example. Received: an empty tf.data set")


def numbers_of_shape(x: Any, shape: Sequence[int] | None, name: str = "x") -> None:
    """ValueError unless x is a numpy array of numbers [n, *shape], with at least one example. shape None: any."""
    if not isinstance(x, np.ndarray):
        raise ValueError(
            f"{name} must be an array [n, {', '.join(map(str, shape or ['...']))}], a data frame, a tensor, or a "
            f"tf.data set where one is taken. Received: {type(x).__name__}"
        )
    if x.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be an array of numbers. Received: dtype {x.dtype}")
    if shape is not None and x.shape[1:] != tuple(shape):
        expected = ", ".join(["n", *map(str, shape)])
        hint = ""
        if x.shape[1:] + (1,) == tuple(shape):
            hint = " (add the channel axis: x[..., None])"
        elif x.shape[1:] == tuple(shape)[1:] and x.ndim and len(x) % shape[0] == 0:
            hint = " (one example, or a data set without batches? Add the first axis: x[None], dataset.batch(32))"
        raise ValueError(f"{name} must have shape [{expected}]{hint}. Received: {list(x.shape)}")
    if len(x) == 0:
        raise ValueError(f"{name} must hold at least one example. Received: shape {list(x.shape)}")


def finite(x: np.ndarray, name: str = "x") -> None:
    """ValueError if an array of floats holds NaN or infinite values."""
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).sum())
        raise ValueError(f"{name} must be finite. Received: {bad} values that are NaN or infinite")


def binary(x: np.ndarray, name: str = "x") -> None:
    """ValueError unless an array holds zeros and ones only; as bytes, 0 and 255."""
    highest = 255 if x.dtype == np.uint8 else 1
    wrong = int(((x != 0) & (x != highest)).sum())
    if wrong:
        raise ValueError(
            f"{name} must be binary, 0 or {highest}. Binarize once, x = (x > 0.5) as floats, or draw with "
            f"layers.Binarize. Received: {wrong} other values of {x.size}"
        )


def whole_number(value: Any, name: str, least: int = 1) -> int:
    """The whole number `value`, or a ValueError if it is none, or below `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{name} must be a whole number. Received: {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}. Received: {value}")
    return int(value)


def random_seed(value: Any) -> int:
    """The seed `value`, or a ValueError unless it is a whole number that TensorFlow takes, 0 to 2^31 - 1."""
    if whole_number(value, "seed", 0) >= 2**31:
        raise ValueError(f"seed must be below 2**31. Received: {value}")
    return int(value)


def weight(value: Any, name: str) -> float:
    """The number `value`, or a ValueError if it is not finite and at least 0: a weight in a loss."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not np.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a finite number, at least 0. Received: {value!r}")
    return float(value)


def same_length(x: Any, other: Any, name: str) -> None:
    if isinstance(x, np.ndarray) and isinstance(other, np.ndarray) and len(x) != len(other):
        raise ValueError(f"x and {name} must have the same length. Received: {len(x)} and {len(other)}")


def weights_of(x: Any, sample_weight: npt.ArrayLike | None) -> None:
    """ValueError unless sample_weight holds one number for each example of x."""
    if sample_weight is None or not isinstance(x, np.ndarray):
        return
    if np.shape(sample_weight) not in ((len(x),), (len(x), 1)):
        raise ValueError(
            f"sample_weight must hold one number for each of the {len(x)} examples. "
            f"Received: shape {list(np.shape(sample_weight))}"
        )
    numbers_of_shape(np.asarray(sample_weight), None, "sample_weight")
    finite(np.asarray(sample_weight), "sample_weight")


def networks(**networks: keras.Model) -> None:
    """ValueError if a network does not know its shapes: a subclass of keras.Model, or one that is not built."""
    for name, network in networks.items():
        if not (getattr(network, "built", False) and getattr(network, "inputs", None)):
            raise ValueError(
                f"The {name} must be a keras.Sequential that starts with keras.Input, or keras.Model(inputs, outputs). "
                f"Received: {type(network).__name__}, which does not know its shapes. Wrap it: "
                f"inputs = keras.Input(shape); {name} = keras.Model(inputs, network(inputs))"
            )
        if len(network.outputs) != 1:
            raise ValueError(f"The {name} must have one output. Received: {len(network.outputs)} outputs")


def pair(encoder: keras.Model, decoder: keras.Model, code_shape: Sequence[int], output_shape: Sequence[int]) -> None:
    """ValueError if the networks do not fit each other or the data. output_shape: what the decoder is to put out."""
    if tuple(decoder.inputs[0].shape[1:]) != tuple(code_shape):
        raise ValueError(
            f"The decoder must take codes [batch, {', '.join(map(str, code_shape))}]: the encoder has "
            f"{encoder.output_shape[-1]} outputs. "
            f"Received: a decoder with input shape {list(decoder.inputs[0].shape[1:])}"
        )
    if tuple(decoder.output_shape[1:]) != tuple(output_shape):
        raise ValueError(
            f"The decoder must put out [batch, {', '.join(map(str, output_shape))}]. "
            f"Received: a decoder with output shape {list(decoder.output_shape[1:])}"
        )


def one_input(**networks: keras.Model) -> None:
    """ValueError if a network has a second input, a condition, that the model has nothing for."""
    for name, network in networks.items():
        if len(network.inputs) != 1:
            raise ValueError(
                f"The {name} must have one input; for a second, a condition, use models.ConditionalVAE. "
                f"Received: {len(network.inputs)} inputs"
            )


def numbers_out(network: keras.Model, name: str = "encoder") -> None:
    """ValueError unless a network puts out numbers [batch, outputs], and no picture or sequence."""
    if len(network.outputs[0].shape) != 2:
        raise ValueError(
            f"The {name} must put out numbers [batch, outputs]: end it in Flatten() and Dense(). "
            f"Received: output shape {list(network.outputs[0].shape)}"
        )


SQUASHING = ("sigmoid", "softmax", "relu", "softplus", "tanh", "exponential", "relu6", "hard_sigmoid")
MOVES = ("Reshape", "Flatten", "Permute", "Cropping1D", "Cropping2D", "Dropout", "Identity")


def ends_linearly(network: keras.Model, name: str, reads: str) -> None:
    """ValueError if what a network ends in squashes its outputs, which are read as any real numbers."""
    tensor = network.outputs[0]
    while True:  # back from the output, through what only moves numbers about
        layer, node, _ = tensor._keras_history
        activation = getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__.lower())
        if activation in SQUASHING:
            raise ValueError(
                f"The {name} must end in a linear layer, since its outputs are read as {reads}, any real numbers. "
                f"Received: a last activation {activation!r}. Leave it out: activation=None"
            )
        if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
            tensor = layer.outputs[0]
        elif type(layer).__name__ in MOVES or (isinstance(layer, keras.layers.Activation) and activation == "linear"):
            tensor = layer._inbound_nodes[node].input_tensors[0]
        else:
            return
