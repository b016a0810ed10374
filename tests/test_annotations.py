"""Annotations: every public function has them, they resolve without the optional extras, and they are true."""

import ast
import importlib
import inspect
import subprocess
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path

import vae_course
from vae_course import (
    bounds,
    callbacks,
    compression,
    datasets,
    estimators,
    evaluation,
    flows,
    layers,
    likelihoods,
    models,
    networks,
    parts,
    plots,
    posteriors,
    priors,
)
from vae_course.datasets import drawings, sentences, shakespeare, signals, speech, tables

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

PACKAGE = Path(vae_course.__file__).parent
MODULES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


# --- every one has them ---


def is_public(name):
    return name == "__init__" or not name.startswith("_")


def functions(tree):
    """(name, node, whether it is a method) of a module's public functions, and of the public methods of its classes.

    Of classes with an underscore only those that public ones inherit from.
    """
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and is_public(node.name):
            yield node.name, node, False
        bases = {ast.unparse(base) for base in getattr(node, "bases", ())}
        if isinstance(node, ast.ClassDef) and (is_public(node.name) or bases & {"CourseModel", "Likelihood"}):
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and is_public(part.name):
                    yield f"{node.name}.{part.name}", part, True


def unannotated(text):
    """What lacks an annotation in the text of a module: "mig(bins)", "mig -> ?"."""
    for name, node, method in functions(ast.parse(text)):
        static = any(ast.unparse(decorator) == "staticmethod" for decorator in node.decorator_list)
        asked = [*node.args.posonlyargs, *node.args.args][method and not static :] + node.args.kwonlyargs
        asked += [star for star in (node.args.vararg, node.args.kwarg) if star]
        yield from (f"{name}({argument.arg})" for argument in asked if argument.annotation is None)
        if node.returns is None:
            yield f"{name} -> ?"


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_is_annotated(module):
    assert not [*unannotated((PACKAGE / module).read_text(encoding="utf-8"))]


def test_the_search_sees_what_is_missing():
    text = "def f(x, *a: int, k: int = 1, **b): ...\nclass A:\n    def __init__(self, x): ...\n    def _f(x): ...\n"
    assert [*unannotated(text)] == ["f(x)", "f(b)", "f -> ?", "A.__init__(x)", "A.__init__ -> ?"]
    text = "class _A(CourseModel):\n    def f(self) -> x: ...\n    @staticmethod\n    def g(x) -> int: ...\n"
    assert [*unannotated(text + "class _B(tfd.Normal):\n    def f(self): ...\n")] == ["_A.g(x)"]


def test_type_checkers_are_told():
    assert (PACKAGE / "py.typed").is_file()
    pyproject = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert 'package-data.vae_course = ["pretrained/*", "py.typed"]' in pyproject


# --- they resolve ---


def hints_of(module):
    """name -> the resolved annotations of each function and method that a module defines."""
    found = {}
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) == module.__name__:
            members = vars(value) if inspect.isclass(value) else {"": value}
            for key, part in members.items():
                part = getattr(part, "fget", getattr(part, "__func__", part))
                if inspect.isfunction(part) and part.__annotations__:
                    found[f"{name}.{key}"] = typing.get_type_hints(part)
    return found


WITHOUT_EXTRAS = f"""
import importlib, inspect, sys, typing

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("matplotlib", "sklearn", "scipy", "pooch", "tqdm", "ipywidgets", "IPython"):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())

{inspect.getsource(hints_of)}
import vae_course
assert not {{"numpy", "tensorflow", "keras", "typing_extensions"}} & set(sys.modules)
print(sum(len(hints_of(importlib.import_module(name))) for name in sys.argv[1:]))
"""


def test_they_resolve_without_the_optional_extras():
    names = [module.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for module in MODULES]
    needs = ("plots", "estimators")  # which cannot be imported without
    for name in needs:
        assert len(hints_of(importlib.import_module(f"vae_course.{name}"))) >= 7
    rest = [f"vae_course.{name}" for name in names if name not in (*needs, "__init__")]
    command = [sys.executable, "-c", WITHOUT_EXTRAS, *rest]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 400


# --- they are true: of what is put in and of what comes out ---

ARRAY = set(typing.get_args(npt.ArrayLike))
assert len(ARRAY) > 1


def is_array_like(value):
    if isinstance(value, list | tuple):
        return all(map(is_array_like, value))
    return value is not None and np.asarray(value).dtype.kind in "fiubUO"[: 5 if np.ndim(value) == 0 else 6]


def fits(value, hint):
    """Whether a value is what an annotation says."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if set(inside) >= ARRAY:
            return is_array_like(value) or any(fits(value, kind) for kind in set(inside) - ARRAY)
        return any(fits(value, kind) for kind in inside)
    if hint is typing.Any:
        return True
    if hint is None:
        return value is None
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    if origin is Callable or hint is Callable:
        return callable(value)
    if not isinstance(value, origin or hint):
        return False
    if origin is tuple and inside[-1] is not ...:
        return len(value) == len(inside) and all(map(fits, value, inside))
    if origin is dict or hasattr(origin, "keys"):
        return all(fits(key, inside[0]) and fits(one, inside[1]) for key, one in value.items())
    return not (origin and inside) or not hasattr(value, "__len__") or all(fits(one, inside[0]) for one in value)


class Calls(set):
    """Calls functions, as `calls(function, ...)`, checks all against the annotations, and remembers the names."""

    def __call__(self, function, *args, **kwargs):
        hints = typing.get_type_hints(function.__init__ if inspect.isclass(function) else function)
        signature = inspect.signature(function)
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            kind, name_of = signature.parameters[name].kind, f"{function.__qualname__}({name})"
            each = {inspect.Parameter.VAR_KEYWORD: lambda v: v.values(), inspect.Parameter.VAR_POSITIONAL: lambda v: v}
            for one in each.get(kind, lambda v: [v])(value):
                assert fits(one, hints[name]), f"{name_of} is annotated {hints[name]}. Received: {one!r}"
        result = function(*args, **kwargs)
        if not inspect.isclass(function):
            kind = hints["return"]
            if kind is typing.Self:
                kind = function.__self__ if inspect.isclass(function.__self__) else type(function.__self__)
            assert fits(result, kind), f"{function.__qualname__} -> {kind}. It returned {result!r}"
        self.add(function.__name__)
        return result

    def cover(self, *modules, but=()):
        """All functions that these modules define were called, so that a new one is tried as well."""
        wanted = {name for module in modules for name, value in vars(module).items()
                  if inspect.isfunction(value) and value.__module__ == module.__name__ and is_public(name)}  # fmt: skip
        assert wanted - set(but) <= self


@pytest.mark.parametrize(
    ("value", "hint", "answer"),
    [
        (1, float, True),
        (True, int, False),
        (1.0, int, False),
        (None, int | None, True),
        (np.ones(2), list[int], False),
        ([1, 2], list[int], True),
        ([1, 2.5], list[int], False),
        ((1, "a"), tuple[int, str], True),
        ((1, "a"), tuple[int, ...], False),
        ({"a": 1}, dict[str, str], False),
        (np.ones(2), npt.ArrayLike, True),
        (([1.0], np.ones(3)), npt.ArrayLike, True),
        (tf.data.Dataset.range(2), npt.ArrayLike, False),
        (tf.data.Dataset.range(2), npt.ArrayLike | tf.data.Dataset, True),
        (np.ones(2), tf.Tensor, False),
        (tf.ones(2), tf.Tensor | np.ndarray, True),
        (len, Callable[[int], int], True),
        (3, Callable[[int], int], False),
    ],
)
def test_the_judge_of_annotations(value, hint, answer):
    assert fits(value, hint) is answer


def test_a_false_annotation_is_found():
    def f(x: int, *rest: int, **more: str) -> str:
        return x

    for arguments, options, message in [((1.5,), {}, "x"), ((1, "a"), {}, "rest"), ((1,), {"k": 2}, "more")]:
        with pytest.raises(AssertionError, match=message):
            Calls()(f, *arguments, **options)
    with pytest.raises(AssertionError, match="It returned 1"):
        Calls()(f, 1)


SHAPE = (6, 6, 1)


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).integers(0, 2, (40, *SHAPE)).astype("float32")


@pytest.fixture(scope="module")
def vae(x):
    """Numbers of latents as below; fitted, checked on the way."""
    calls = Calls()
    encoder, decoder = networks.mlp_encoder(SHAPE, 4, (8,)), networks.mlp_decoder(2, SHAPE, (8,))
    model = calls(models.VAE, encoder, decoder, prior="standard_normal", beta=1, name="one")
    calls(model.compile, keras.optimizers.Adam(0.001), jit_compile=False)
    calls(model.fit, x, epochs=1, batch_size=20, validation_data=(x,), verbose=0, callbacks=[])
    return model


def test_bounds(calls, vae, x):
    q, p, z = vae.posterior(x), vae.prior(), vae.encode(x)
    calls(bounds.kl, q, p)
    calls(bounds.kl, q, priors.GaussianMixture(2).distribution(), z)
    per_latent = calls(bounds.kl_per_latent, q, p)
    calls(bounds.free_bits, per_latent, 0.5)
    calls(bounds.kl_parts, z, q, p, 40)
    log_w = calls(bounds.log_weights, x, z[None], p, vae.likelihood(z[None]), q)
    calls(bounds.elbo, log_w)
    calls(bounds.iwae, log_w.numpy())
    calls.cover(bounds)


def test_callbacks(calls):
    assert fits(calls(callbacks.linear, 10)(3), float) and fits(calls(callbacks.cyclical, 4, 0.5)(3), float)
    calls(callbacks.BetaScheduler, callbacks.linear(10))
    calls.cover(callbacks)


def test_datasets(calls):
    calls(datasets.load, "payments")
    calls(datasets.draw, "sensors", [0] * 3, seed=1, load=(1.2, 1.5))
    calls(signals.windows, np.zeros(3, int), 0, speed=(20, 30))
    calls(tables.payments, [0, 1, 2, 3], 0)
    calls(tables.films, (4, 3), seed=0)
    *_, factors = calls(speech.vowels, [0, 1], 0)
    calls(speech.spectra, factors[:, 2], np.full((len(factors), 5), 500.0), tilt=1.0)
    calls(speech.bands, np.linspace(100, 4000, 9))
    rows, _ = calls(sentences.draw, 5, 0)
    assert (rows == calls(sentences.tokens, calls(sentences.text, rows[0]))).all(axis=1).any()
    replies, _ = calls(sentences.replies, rows, seed=0)
    calls(sentences.parse, rows[0])
    calls(sentences.parse, rows[0][::-1])
    calls(sentences.parse_all, rows)
    calls(sentences.cut, rows)
    calls(sentences.stance, rows[0], replies[0])
    calls(shakespeare.text, calls(shakespeare.tokens, "To be"))
    poses = calls(drawings.grid, {name: values[:1] for name, values in drawings.SPRITE_FACTORS.items()})
    calls(drawings.hues, calls(drawings.colored_sprites, np.column_stack([poses, [0.1]])))
    calls(drawings.sprites, poses)
    calls(drawings.faces, [[0.0, 0.0, 0.0, 1.0, 0.2]])
    calls.cover(drawings, sentences, signals, speech, tables, shakespeare, but={"tinyshakespeare"})


def test_networks(calls):
    for name in ("mlp", "conv", "residual"):
        calls(getattr(networks, f"{name}_encoder"), SHAPE, 4, condition_size=2)
        calls(getattr(networks, f"{name}_decoder"), 2, SHAPE, activation=keras.activations.relu)
    for name in ("conv1d", "recurrent"):
        calls(getattr(networks, f"{name}_encoder"), (8, 2), 4)
        calls(getattr(networks, f"{name}_decoder"), 2, [8, 2])
    calls(networks.recurrent_encoder, (8,), 4, vocabulary=5)
    calls(networks.reader, 8, 5, 2)
    calls.cover(networks)


def test_parts(calls):
    for prior in (calls(priors.GaussianMixture, 2, components=3), calls(priors.VampPrior, np.zeros((2, *SHAPE)))):
        given = (None, lambda u: parts.gaussian(tf.zeros([len(u), 4]))) if prior.needs_posterior else ()
        calls(calls(prior.on, (2,)).distribution, *given)
    flow = [calls(flows.Coupling, 2), calls(flows.Autoregressive, 2, 3, direction="sampling", hidden=[8])]
    calls(flows.chain, flow[:1])
    calls(flow[1].bijector, tf.zeros([5, 3]))
    q = calls(posteriors.FlowPosterior, [flow[1]]).on((calls(posteriors.FlowPosterior([flow[1]]).outputs, 2),))
    calls(q.distribution, tf.zeros([5, 7]))
    columns = calls(likelihoods.Columns, [(likelihoods.Gaussian("per_feature"), 2), ("poisson", 1)]).on((3,))
    calls(columns.distribution, np.zeros((5, 3), "float32"))
    calls(columns.mean, tf.zeros([5, 3]))
    calls(columns.prepare, [[0.0, 1.0, 2.0]])
    assert calls(columns.outputs, (3,)) == (3,)
    p = calls(calls(likelihoods.Gaussian, "decoder").on, (3,))
    calls(p.distribution, tf.zeros([5, 6]))
    calls(parts.positive, np.zeros(3, "float32"))
    calls(parts.gaussian, tf.zeros([5, 4]))
    calls(parts.standard_normal, 2)
    calls(layers.next_seed, keras.random.SeedGenerator(0))
    calls(calls(layers.Binarize, seed=0).call, tf.zeros([2, 2]), training=True)


def test_a_vae_and_its_kin(calls, vae, x):
    calls(vae.evaluate, x, verbose=0)
    calls(vae.predict, x, batch_size=20, verbose=0)
    calls(vae.encode, x)
    calls(vae.reconstruct, tf.data.Dataset.from_tensor_slices(x).batch(20))
    calls(vae.decode, [[0.0, 1.0]])
    calls(vae.sample, 3, seed=0, noise=True)
    q = calls(vae.posterior, x)
    calls(vae.likelihood, q.sample(2))
    calls(vae.picture, q.mean())
    calls(vae.prior)
    calls(vae.objective, calls(vae.call, tf.constant(x)))
    calls(vae.bound, x, q.mean(), q)
    calls(vae.log_weights, x, 3, tf.constant([0, 1]))
    calls(vae.get_config)
    calls(vae.start_from, calls(models.VAE.from_config, vae.get_config()))
    assert fits(vae.beta, float) and fits(vae.terms, tuple[str, ...]) and fits(vae.example_shape, tuple[int, ...])

    encoder, decoder = (networks.mlp_encoder(SHAPE, 4, condition_size=3), networks.mlp_decoder(2, SHAPE, (4,)))
    conditional, c = calls(models.ConditionalVAE, encoder, decoder, 3), np.arange(40) % 3
    calls(conditional.encode, (x, c))
    calls(calls(conditional.given, 2).sample, 3)

    code_map = calls(priors.CodeMap, 4, 5, kind="independent")
    codes = calls(code_map.sample, 9, seed=0)
    calls(code_map.fit, codes, validation_data=codes, verbose=0)
    calls(code_map.log_prob, codes)
    maps = keras.Sequential([networks.mlp_encoder(SHAPE, 8), keras.layers.Reshape((4, 2))])
    back = keras.Sequential([keras.Input((4, 2)), keras.layers.Flatten(), networks.mlp_decoder(8, SHAPE)])
    vqvae = calls(models.VQVAE, maps, back, entries=5, prior=code_map)
    calls(vqvae.decode, calls(vqvae.encode, x))
    calls(vqvae.sample, 2)
    assert fits(vqvae.prior, priors.CodeMap | None)


def test_models_of_other_kinds(calls, x):
    rbm = calls(models.RBM, SHAPE, 5)
    calls(rbm.compile, jit_compile=False)
    calls(rbm.fit, x, epochs=1, verbose=0)
    calls(rbm.free_energy, x)
    calls(rbm.set_weights_and_biases, *calls(rbm.weights_and_biases))
    calls(rbm.sample, 2, steps=3, start=x[:2])
    made = calls(models.MADE, SHAPE, 8)
    calls(made.log_prob, x)
    calls(made.sample, 1)
    network = networks.mlp_encoder((2,), 2, (4,), condition_size=1)
    diffusion = calls(models.Diffusion, network, 2, steps=2)
    calls(diffusion.terms_of, x[:, 0, :2, 0])
    calls(diffusion.posterior, np.zeros((3, 2), "float32"), 0.5)
    calls(diffusion.alpha_sigma, 0.5)
    calls(diffusion.sample, 2)
    gan = calls(models.GAN, networks.mlp_decoder(2, SHAPE, (4,)), networks.mlp_encoder(SHAPE, 1, (4,)))
    calls(gan.compile)
    calls(gan.sample, 2)
    calls(gan.call, x)
    assert fits(gan.metrics, list[keras.metrics.Metric])
    plain = calls(models.Autoencoder, networks.mlp_encoder(SHAPE, 2), networks.mlp_decoder(2, SHAPE))
    calls(plain.compile, loss=keras.losses.MeanSquaredError())
    calls(plain.reconstruct, x)
    calls(models.pretrained_models)


def test_evaluation(calls, vae, x):
    random = np.random.default_rng(0)
    calls(evaluation.log_likelihood, vae, x, k=3)
    calls(evaluation.diagnose, vae, x)
    calls(evaluation.active_units, vae, x)
    calls(evaluation.kl_per_dimension, vae, x)
    scores = calls(evaluation.anomaly_scores, vae, x, draws=2)["elbo"]
    calls(evaluation.threshold, scores, 0.1)
    calls(evaluation.average_precision, np.arange(40) % 2, scores.tolist())
    calls(evaluation.point_adjusted, np.arange(40) % 2, np.arange(40) % 3 == 0)
    windows = calls(evaluation.sliding_windows, scores, 5)
    calls(evaluation.scores_of_steps, windows.mean(axis=(1, 2)), 5, 40)
    codes, factors = random.normal(size=(60, 3)), random.integers(0, 3, (60, 2))
    for score in (evaluation.mig, evaluation.dci, evaluation.beta_vae_score, evaluation.factor_vae_score):
        calls(score, codes, factors)
    calls(evaluation.frechet_distance, codes, codes)
    calls(evaluation.precision_recall, codes, codes)
    calls(evaluation.copies, x, x)
    calls(evaluation.sharpness, x)
    calls(evaluation.coverage, random.normal(size=(30, 5)), np.zeros(5))
    seen, hidden = calls(evaluation.hide, np.ones((4, 6)))
    calls(evaluation.ndcg, random.normal(size=(4, 6)), hidden, seen)
    calls(evaluation.recall, random.normal(size=(4, 6)), hidden, seen)
    rbm = models.RBM(SHAPE, 4)
    calls(evaluation.log_partition, rbm)
    calls(evaluation.annealed, rbm, 5, 4)
    gaps = models.VAE(
        networks.mlp_encoder((3,), 2, missing=True),
        networks.mlp_decoder(1, (3,)),
        likelihood=likelihoods.Gaussian(missing=True),
    )
    calls(evaluation.impute, gaps, [[0.0, np.nan, 1.0]], draws=2, k=5)

    def loss(x, output, mean, log_var):
        nll = tf.reduce_sum(keras.losses.binary_crossentropy(x, output), axis=[1, 2])
        return tf.reduce_mean(nll - 0.5 * tf.reduce_sum(1 + log_var - mean**2 - tf.exp(log_var), axis=-1))

    calls(evaluation.effective_beta, loss)
    assert set(evaluation.__all__) <= calls


def test_compression_and_estimators(calls, x):
    coder = models.VAE(networks.mlp_encoder((6,), 2, (4,)), networks.mlp_decoder(1, (6,), (4,)))
    file = calls(compression.compress, coder, x[:3, 0, :, 0], latent_bits=3)
    calls(compression.decompress, coder, file)
    stack = calls(compression.Stack)
    calls(stack.push, calls(stack.pop, range(0, 33), 5), range(0, 33), 5)
    assert fits(stack.bits, float) and fits(stack.initial_bits, int)
    calls.cover(compression)
    rows = np.random.default_rng(0).normal(size=(30, 3))
    table = calls(calls(estimators.TableVAE, 2, hidden=[4], epochs=1, k=2, random_state=0).fit, rows)
    calls(table.inverse_transform, calls(table.transform, rows))
    calls(table.sample, 2)


def test_plots(calls, x):
    with plots.mpl.rc_context():
        calls(plots.use_style)
    ax = calls(plots.image_grid, x[:4], labels=["a", "b", "c", "d"])
    calls(plots.image_rows, {"one": x[:4], "two": x[4:8]})
    calls(plots.image_map, x[:6], np.linspace(-1, 1, 3), [0.0, 1.0], ax=ax)
    calls(plots.history, {"loss": [2.0, 1.0]})
    calls(plots.latent_scatter, np.zeros((3, 2)), [0, 1, 1], label_names=("no", "yes"))
    calls(plots.schematic, {"z": (0, 0, "variable"), "x": (1, 0, "observed", "x_hat")}, [("z", "x", {"label": "p"})])
    calls.cover(plots)
    plots.plt.close("all")
