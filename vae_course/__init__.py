"""Autoencoders and variational autoencoders for Keras 3 and TensorFlow Probability.

A VAE is three distributions, the prior p(z), the posterior q(z|x) and the likelihood p(x|z), tied by one
bound, the ELBO. Four rooms carry these names; each chapter changes one of the four. A module imports from lower
floors only:

    floor  module
    5      estimators       a VAE of tables behind scikit-learn's methods
    4      evaluation       what is measured on a trained model, one file a question
    4      compression      images under a VAE -> a file of about -ELBO bits, and back
    3      models           VAE and its variants, autoencoders, GANs: each a keras.Model
    2      priors           p(z), p(z|c): a part that gives a distribution over codes
    2      posteriors       q(z|x): a part that gives one from the encoder's output
    2      likelihoods      p(x|z): a part that gives one over examples from the decoder's output
    1      parts            what the three have in common, and the normal distribution over codes
    1      flows            an invertible map that learns
    1      networks         encoders and decoders: tensor -> tensor
    0      bounds           KL, free bits, ELBO, IWAE: what is made of log-weights, in nats
    0      layers           what happens to an example on its way in: binarized, filled in
    0      datasets         a name -> arrays
    0      callbacks        what changes from epoch to epoch
    0      plots            arrays -> Axes
    0      widgets          sliders -> a picture
    0      grading          keeps hidden tests honest

Importing the package imports neither TensorFlow nor Keras; a module is imported when it is first used.
`python -m vae_course` checks the installation.
"""

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType

__version__ = "0.1.0"
__all__ = [
    "bounds",
    "callbacks",
    "compression",
    "datasets",
    "estimators",
    "evaluation",
    "flows",
    "grading",
    "layers",
    "likelihoods",
    "models",
    "networks",
    "parts",
    "plots",
    "posteriors",
    "priors",
    "widgets",
]

# Read by Keras and TensorFlow when they are imported, hence set here: import vae_course first.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # what TensorFlow Probability computes with
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # start-up notices of C++, which read like errors
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # convolutions on a CPU: about 1.5 times faster

_keras = sys.modules.get("keras")
_backend = _keras.config.backend() if _keras else os.environ["KERAS_BACKEND"]
if _backend != "tensorflow":
    raise ImportError(
        "vae_course needs Keras on TensorFlow: set the environment variable KERAS_BACKEND to 'tensorflow', "
        f"or unset it and import vae_course before keras. Received: {_backend!r}"
    )


@contextlib.contextmanager
def needed(extra: str) -> Iterator[None]:
    """Around imports of packages that only some functions need: where one is missing, say which extra brings it.

    extra: its name in pyproject.toml, "plots", "data", "scores" or "course". Raises ModuleNotFoundError.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"This needs the package {error.name}, which is not installed. Run pip install 'vae_course[{extra}]'; in "
            "the course's folder, pip install -c constraints.txt -e '.[course]'",
            name=error.name,
        ) from error


@contextlib.contextmanager
def _quiet_start():
    """Drop TensorFlow's notes about CUDA and oneDNN, which no log level reaches while it starts; keep all else.

    They are written by its C++ libraries to the process's standard error, so that is what is set aside meanwhile.
    """
    aloud = "tensorflow" in sys.modules or os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    try:
        standard_error = None if aloud or sys.stderr is None else os.dup(2)
    except OSError:  # a process without a standard error
        standard_error = None
    if standard_error is None:
        yield
        return
    with tempfile.TemporaryFile() as written:
        sys.stderr.flush()
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(standard_error, 2)
            os.close(standard_error)
            written.seek(0)
            notes = rb"(?m)^(WARNING: All log messages before absl.*|I\d{4} \d\d:.*)\n?"
            os.write(2, re.sub(notes, b"", written.read()))


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        with _quiet_start():
            return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it holds {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
