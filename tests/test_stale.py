"""Nothing stale, and nothing compiled twice: programs are counted, not timed."""

from vae_course import evaluation, likelihoods, networks, priors
from vae_course.models import VAE
from vae_course.models.resident import RowBatches, Table

import keras
import numpy as np
import pytest
import tensorflow as tf
from models_under_test import MODELS, SHAPE, VAES, images, table, vae


def programs(model):
    """How many programs `fit` and `evaluate` have compiled."""
    functions = [f for f in (model.train_function, model.test_function) if f is not None]
    return sum(len(run.compiled) for function in functions for run in function.programs.values())


@pytest.mark.parametrize("jit_compile", [True, False])
def test_other_arrays_of_the_same_shape_compile_nothing(jit_compile):
    model = VAES["vae"]()
    model.compile(jit_compile=jit_compile)
    x, other, valid = images(64), images(64, seed=1), images(20, seed=2)
    model.fit(x, validation_data=(valid,), verbose=0)
    model.evaluate(valid, verbose=0)
    before, functions = programs(model), (model.train_function, model.test_function)
    assert before <= 3, "a training step, and an evaluation on full batches and on the rest"
    for data in (other, x, other, images(63)):
        model.fit(data, validation_data=(data[:20],), verbose=0)
        model.evaluate(data[:20], verbose=0)
    model.start_from(VAES["vae"]())
    model.fit(x, epochs=2, verbose=0)
    assert programs(model) == before
    assert (model.train_function, model.test_function) == functions


def test_the_answers_on_other_arrays_are_those_of_other_arrays():
    model = VAES["vae"]()
    model.compile(keras.optimizers.SGD(0.0))
    x, other = images(64), images(64, seed=1)
    losses = [model.evaluate(data, verbose=0, return_dict=True)["loss"] for data in (x, other, x)]
    assert losses[0] == losses[2] != losses[1]
    fresh = keras.models.clone_model(model)
    fresh.set_weights(model.get_weights())
    fresh.compile(keras.optimizers.SGD(0.0))
    assert fresh.evaluate(other, verbose=0, return_dict=True)["loss"] == pytest.approx(losses[1], rel=1e-5)


def test_evaluating_within_a_fit_leaves_its_validation_alone():
    """A callback that evaluates other data must not change what `fit` validates on."""

    class Looks(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.evaluate(images(40, seed=9), verbose=0)

    def validated(callbacks):
        keras.utils.set_random_seed(3)
        model = MODELS["autoencoder"]()
        model.compile()
        return model.fit(images(), epochs=3, validation_data=images(20, seed=1), callbacks=callbacks, verbose=0).history

    assert validated([Looks()]) == validated([])


class Wide(VAE):
    """A VAE with an attribute of its own, which is part of what it computes."""

    tau = 1.0

    def likelihood(self, z):
        return likelihoods.Gaussian(self.tau).on(self.example_shape).distribution(self.decoder_output(z))


def test_an_own_attribute_is_obeyed_after_it_changed():
    """By fit, evaluate, predict and log_likelihood, with a model compiled already."""
    x = table(64)
    model = vae(Wide, shape=(5,), likelihood="gaussian")
    model.compile(keras.optimizers.SGD(0.0))

    def answers(model):
        return {
            "fit": model.fit(x, verbose=0, shuffle=False).history["reconstruction"][0],
            "evaluate": model.evaluate(x, verbose=0, return_dict=True)["reconstruction"],
            "predict": model.predict(x, verbose=0)["reconstruction"].mean(),
            "log_likelihood": evaluation.log_likelihood(model, x, k=5).mean,
        }

    narrow = answers(model)
    model.tau = 3.0
    wide = answers(model)
    fresh = vae(Wide, shape=(5,), likelihood="gaussian")
    fresh.tau = 3.0
    fresh.set_weights(model.get_weights())
    fresh.compile(keras.optimizers.SGD(0.0))
    for name, expected in answers(fresh).items():
        assert wide[name] == pytest.approx(expected, rel=0.05), name
        assert abs(wide[name] - narrow[name]) > 0.1, f"{name} still answers for the old tau"


def test_an_attribute_set_within_a_fit_is_obeyed_by_the_next_one():
    """As in plain Keras the running fit keeps its compiled steps; unlike there, the next one does not."""
    model, x = vae(Wide, shape=(5,), likelihood="gaussian"), table(64)
    model.compile(keras.optimizers.SGD(0.0))
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(model, "tau", 1.0 + 2.0 * epoch))
    first, same = model.fit(x, epochs=2, callbacks=[begin], shuffle=False, verbose=0).history["reconstruction"]
    assert same == pytest.approx(first, abs=0.5)
    assert abs(model.fit(x, shuffle=False, verbose=0).history["reconstruction"][0] - first) > 1.0


def test_networks_and_parts_of_a_model_cannot_be_exchanged():
    model = vae(likelihood=likelihoods.Gaussian(0.5))
    for name, value in {
        "encoder": networks.mlp_encoder(SHAPE, 6),
        "decoder": networks.mlp_decoder(3, SHAPE),
        "prior_part": priors.StandardNormal(3),
        "likelihood_part": likelihoods.Gaussian(3.0),
    }.items():
        with pytest.raises(AttributeError, match=f"{name} of a VAE is fixed.*new model"):
            setattr(model, name, value)


def test_log_likelihood_compiles_once_and_says_the_same():
    from vae_course.evaluation.likelihood import _programs

    model, x = VAES["vae"](), images(40)
    model.compile()
    first = evaluation.log_likelihood(model, x, k=60, batch_size=20)
    compiled = {key: known[2] for key, known in _programs[model].items()}
    assert len(compiled) == 2, "chunks of 50 and of 10 samples"
    model.fit(x, verbose=0)
    assert evaluation.log_likelihood(model, x, k=60, batch_size=20).mean != first.mean, "the weights have moved"
    assert {key: known[2] for key, known in _programs[model].items()} == compiled


def test_no_warning_about_retracing(caplog):
    """Of many models, each fitted and measured, as a loop over seeds does."""
    tf.get_logger().propagate = True
    for seed in range(6):
        keras.utils.set_random_seed(seed)
        model = vae(shape=(5,), likelihood=likelihoods.Gaussian())
        model.compile(jit_compile=False)
        model.fit(table(), validation_data=(table(20),), verbose=0)
        evaluation.log_likelihood(model, table(20), k=3)
        model.sample(3)
    assert "retracing" not in caplog.text


# --- the table ---


def test_a_table_holds_equal_arrays_and_no_others():
    x = images(100)
    one, again = Table.of((x, None)), Table.of((x.copy(), None))
    assert again is one
    changed = x.copy()
    changed[77, 0, 0, 0] ^= 1
    for other in ((changed, None), (x, x), (x[:99], None), (x.astype("float32"), None)):
        assert Table.of(other) is not one
    x[50] += 1
    assert Table.of((x, None)) is not one, "changed in place"


def test_a_table_of_nearly_the_same_length_has_the_same_shape():
    sizes = {Table.of((np.zeros((n, 2), "float32"),)).columns[0].shape[0] for n in (1500, 1501, 1530)}
    assert len(sizes) == 1
    for n in (1, 7, 8, 9, 1197, 60000):
        rows = Table.of((np.zeros((n, 1), "uint8"),)).columns[0].shape[0]
        assert n <= rows <= 1.125 * n + 1


def test_no_batch_names_a_row_beyond_the_data():
    for shuffle in (True, False):
        numbers = np.concatenate([rows.index.numpy() for rows in RowBatches(37, 5, shuffle, drop_last=True)])
        assert numbers.max() < 37 and len(set(numbers)) == len(numbers) == 35
