"""Data and numbers that cannot be obeyed get a sentence, at the first call that they reach: none is ignored."""

from vae_course import evaluation
from vae_course.models import VAE

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from models_under_test import MODELS, images, table, vae


def tabular(cls=VAE, **options):
    return vae(cls, shape=(5,), **{"likelihood": "gaussian", **options})


def compiled(model):
    model.compile()
    return model


def batches(*arrays, size=32):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(size)


def readers(model):
    """Everything that takes examples of a VAE."""
    return (
        model.fit,
        model.evaluate,
        model.predict,
        model.encode,
        model.reconstruct,
        lambda x: evaluation.log_likelihood(model, x, k=2),
        lambda x: evaluation.diagnose(model, x),
        lambda x: evaluation.kl_per_dimension(model, x),
    )


# --- a second array, and weights ---


@pytest.mark.parametrize(
    "call",
    [
        lambda model, x: model.fit(x, x),
        lambda model, x: model.fit(x, y=np.full(96, np.nan)),
        lambda model, x: model.fit(x, x, sample_weight=np.ones(96)),
        lambda model, x: model.fit(x, validation_data=(x, x)),
        lambda model, x: model.fit(batches(x, x)),
        lambda model, x: model.fit(x, validation_data=batches(x, x)),
        lambda model, x: model.fit(((x[:32], x[:32]) for _ in range(2)), steps_per_epoch=2, verbose=0),
        lambda model, x: model.evaluate(x, x),
        lambda model, x: model.evaluate(batches(x, x)),
        lambda model, x: model.predict((x, x)),
        lambda model, x: model.predict(batches(x, x)),
        lambda model, x: model.train_on_batch(x, x),
        lambda model, x: model.test_on_batch(x, x),
    ],
)
@pytest.mark.filterwarnings("ignore:.shuffle=True. was passed:UserWarning")
def test_a_vae_does_not_ignore_a_second_array(call):
    with pytest.raises(ValueError, match=r"models x alone.*ConditionalVAE.*sample_weight=. Received: y"):
        call(compiled(tabular()), table())


def test_pairs_are_no_examples_of_a_vae_in_evaluation_either():
    model = compiled(tabular())
    for data in ((table(), table()), batches(table(), table())):
        for call in (evaluation.log_likelihood, evaluation.diagnose):
            with pytest.raises(ValueError, match=r"VAE takes examples alone. Received: a pair"):
                call(model, data)


def test_weights_that_cannot_be_obeyed_get_a_sentence():
    model = compiled(tabular())
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"each of the 96 examples.*\[10\]"):
            call(table(), sample_weight=np.ones(10))
    with pytest.raises(ValueError, match="GAN has no use for sample_weight"):
        compiled(MODELS["gan"]()).fit(images(32), sample_weight=np.ones(32), verbose=0)


# --- kinds of data ---


def test_tf_data_are_checked_at_their_first_batch():
    model, x, pictures = compiled(tabular()), table(), compiled(vae())
    broken = np.where(np.arange(5) == 2, np.nan, x)[:10]
    gray = images(20).astype("float32")
    for call in readers(model):
        with pytest.raises(ValueError, match="10 values that are NaN"):
            call(batches(broken))
        with pytest.raises(ValueError, match=r"shape \[n, 5\] \(.*without batches\? .*dataset.batch\(32\)"):
            call(tf.data.Dataset.from_tensor_slices(x))
        with pytest.raises(ValueError, match=r"dataset.map.*dictionaries with the keys \['image', 'label'\]"):
            call(tf.data.Dataset.from_tensor_slices({"image": x, "label": x}).batch(8))
        with pytest.raises(ValueError, match="at least one example. Received: an empty tf.data set"):
            call(batches(x[:0]))
    for call in readers(pictures):
        with pytest.raises(ValueError, match=r"\[0, 1\] for the Bernoulli.*Divide by 255.*values from 0 to 25\d"):
            call(batches(gray))
    with pytest.raises(ValueError, match="validation x must be finite"):
        model.fit(x, validation_data=batches(broken), verbose=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ma.masked_array(table(), table() > 1), r"plain array.*mask.*lost.*filled\(np.nan\).*Received: a masked"),
        (scipy.sparse.csr_matrix(table()), r"dense array: x.toarray\(\). Received: a sparse csr_matrix"),
        (scipy.sparse.csr_array(table()), "Received: a sparse csr_array"),
    ],
)
def test_arrays_that_would_lose_something_are_refused(data, message):
    model = compiled(tabular())
    for call in (*readers(model), lambda x: model.fit(table(), validation_data=(x,))):
        with pytest.raises(ValueError, match=message):
            call(data)


class Column:
    def __init__(self, values):
        self.values = values

    def to_numpy(self):
        return self.values


class Frame:
    """What a pandas frame is to the library: columns by name, and `to_numpy` of them all."""

    def __init__(self, **columns):
        self.columns, self._columns = list(columns), columns
        self.shape = (len(next(iter(columns.values()))), len(columns))

    def __getitem__(self, name):
        return Column(self._columns[name])

    def to_numpy(self):
        return np.stack([np.asarray(values) for values in self._columns.values()], axis=1)

    def __len__(self):
        return self.shape[0]


def test_a_frame_names_the_columns_that_are_no_numbers():
    numbers = dict(zip("abc", table().T))
    words, nullable = np.array(["x", "y"] * 48, object), np.array([1.0, None] * 48, object)
    model = compiled(tabular())
    for call in readers(model):
        with pytest.raises(ValueError, match=r"numbers in every column.*in the columns \['city', 'age'\]"):
            call(Frame(**numbers, city=words, age=nullable))
    np.testing.assert_array_equal(
        model.encode(Frame(**numbers, d=table()[:, 3], e=table()[:, 4])), model.encode(table())
    )


# --- numbers as arguments ---


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, "4", None, True])
def test_a_beta_that_is_no_weight_is_refused(value):
    message = rf"beta must be a finite number, at least 0. Received: '?{value}"
    with pytest.raises(ValueError, match=message):
        vae(beta=value)
    model = vae(beta=2.0)
    with pytest.raises(ValueError, match=message):
        model.beta = value
    assert model.beta == 2.0


@pytest.mark.parametrize("size", [0, -3, 32.0, "8", True])
def test_a_batch_size_that_is_none_gets_a_sentence(size):
    model, kind = compiled(tabular()), "at least 1" if type(size) is int else "a whole number"
    for call in (
        model.fit,
        model.evaluate,
        model.predict,
        lambda x, **options: evaluation.log_likelihood(model, x, **options),
    ):
        with pytest.raises(ValueError, match=f"batch_size must be {kind}. Received: '?{size}"):
            call(table(), batch_size=size)
    with pytest.raises(ValueError, match=f"validation_batch_size must be {kind}. Received: '?{size}"):
        model.fit(table(), validation_data=(table(),), validation_batch_size=size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 2.5}, "k must be a whole number. Received: 2.5"),
        ({"k": None}, "k must be a whole number. Received: None"),
        ({"k": 0}, "k must be at least 1. Received: 0"),
        ({"batch_size": 0}, "batch_size must be at least 1. Received: 0"),
        ({"batch_size": -5}, "batch_size must be at least 1. Received: -5"),
        ({"seed": 1.5}, "seed must be a whole number. Received: 1.5"),
        ({"seed": -1}, "seed must be at least 0. Received: -1"),
    ],
)
def test_arguments_of_the_likelihood_that_are_no_numbers_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        evaluation.log_likelihood(compiled(tabular()), table(), **options)


def test_another_precision_is_refused_in_words():
    with pytest.raises(ValueError, match="stays in float32.*set_global_policy.*Received: dtype 'float64'"):
        tabular(dtype="float64")


def test_continuous_factors_get_a_sentence():
    random = np.random.default_rng(0)
    codes, factors = random.normal(size=(400, 3)), np.stack([random.normal(size=400), random.integers(3, size=400)], 1)
    for score in (evaluation.beta_vae_score, evaluation.factor_vae_score, evaluation.mig):
        with pytest.raises(ValueError, match="400 different values in 400 examples"):
            score(codes, factors)
