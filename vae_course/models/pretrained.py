"""Models that are trained already, by name: `models.load("faces-vae")`.

They come with the library. `sources/pretrained.py` in the course's repository trained them, longer than a chapter can.
"""

import json
from pathlib import Path
from typing import Any

from vae_course.models.base import CourseModel

import keras

FOLDER = Path(__file__).resolve().parent.parent / "pretrained"
RECORDS = FOLDER / "records.json"


def pretrained_models() -> dict[str, dict[str, Any]]:
    """name -> what was written down when it was trained: a dictionary for each model that `load` knows.

    about, data: what it is, and the name of its data set. epochs, minutes: how long it took, on one core.
    test_elbo: the bound on the test part, in nats an example.
    """
    return json.loads(RECORDS.read_text())


def load(name: str) -> CourseModel:
    """The pretrained model called `name`, such as "faces-vae": compiled, to be used, evaluated or trained on.

    `pretrained_models()` describes them all. Needs no network. Your own files are for `keras.models.load_model(path)`.
    Raises ValueError for an unknown name, RuntimeError where Keras is older than 3.15.
    """
    known = pretrained_models()
    if not isinstance(name, str) or name not in known:
        lines = "\n".join(f"    {key}: {record['about']}" for key, record in known.items())
        raise ValueError(
            f"There is no pretrained model of this name. Choose one of\n{lines}\n"
            f"A file of your own is loaded by keras.models.load_model(path). Received: {name!r}"
        )
    try:
        model = keras.models.load_model(FOLDER / f"{name}.keras")
    except TypeError as error:  # an older Keras does not know arguments that the file holds
        raise RuntimeError(
            "The pretrained models were saved with Keras 3.15 and need that version or a newer one. "
            f"Received: Keras {keras.__version__}"
        ) from error
    model.compile()
    return model
