"""Sliders for JupyterLab: codes in, a picture out. They need a running kernel; put a static figure beside them."""

import io
from collections.abc import Callable, Iterable
from typing import Any

from vae_course import needed

import numpy as np
import numpy.typing as npt

MOST_SLIDERS = 12


def latent_explorer(
    decode: Callable[[np.ndarray], npt.ArrayLike],
    start: npt.ArrayLike,
    latents: Iterable[int] | None = None,
    low: float = -3.0,
    high: float = 3.0,
    names: Iterable[str] | None = None,
    size: int = 224,
) -> Any:
    """A slider for each latent, and the picture that the code gives. Built in chapter 05.

    decode: numpy codes [1, latent_size] -> pictures [1, height, width, 1 or 3] in [0, 1], as `vae.decode` does.
    start: the code [latent_size] to begin with, such as `vae.encode(x[:1])[0]` or zeros.
    latents: which latents get a slider; all, but at most 12, by default. names: what is written beside each.
    Returns an ipywidgets box: let it be a cell's last value. `explorer.sliders` and `explorer.code` are there for code.
    """
    with needed("course"):
        import ipywidgets
        from matplotlib import image

    code = np.array(start, "float32")
    if code.ndim != 1:
        raise ValueError(f"start must be one code [latent_size]. Received: shape {list(code.shape)}")
    latents = list(range(min(len(code), MOST_SLIDERS)) if latents is None else latents)
    names = [f"z{j + 1}" for j in latents] if names is None else list(names)
    if len(names) != len(latents) or not all(0 <= j < len(code) for j in latents):
        raise ValueError(
            f"latents must be numbers from 0 to {len(code) - 1}, with as many names. Received: {latents} and {names}"
        )

    def png():
        picture = np.clip(np.asarray(decode(code[None]))[0], 0.0, 1.0)
        factor = max(1, size // max(picture.shape[:2]))
        picture = np.kron(picture, np.ones((factor, factor, 1)))  # square pixels, as in the figures
        file = io.BytesIO()
        image.imsave(file, np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture, format="png")
        return file.getvalue()

    def move(change):
        code[latents[sliders.index(change["owner"])]] = change["new"]
        view.value = png()

    view = ipywidgets.Image(value=png(), format="png")
    view.layout.align_self = "center"
    sliders = [
        ipywidgets.FloatSlider(
            value=float(np.clip(code[j], low, high)), min=low, max=high, step=(high - low) / 60, description=name
        )
        for j, name in zip(latents, names)
    ]
    for slider in sliders:
        slider.observe(move, names="value")
    explorer = ipywidgets.HBox([ipywidgets.VBox(sliders), view])
    explorer.sliders, explorer.view, explorer.code = sliders, view, code
    return explorer
