"""Figures of the course: arrays in, Axes out. Nothing here shows or saves. Colors are safe for color-blind eyes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vae_course import needed

import numpy as np
import numpy.typing as npt

with needed("plots"):
    import matplotlib as mpl
    import matplotlib.pyplot as plt

# Okabe & Ito (2008), "Color universal design", and three of Tol's for sets of ten classes.
COLORS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#000000",
    "#999933",
    "#882255",
    "#999999",
)
MARKERS = "os^DvP*X<>"


def use_style() -> None:
    """The look of the course's figures: sizes that can be read, color-blind-safe colors, perceptual maps."""
    mpl.rcParams.update(
        {
            "axes.prop_cycle": mpl.cycler(color=COLORS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 11,
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "figure.figsize": (7.0, 3.2),
            "font.size": 10,
            "image.cmap": "viridis",
            "legend.frameon": False,
        }
    )


def _axes(ax, size=None):
    return plt.subplots(figsize=size)[1] if ax is None else ax


def _tile(images, columns, pad):
    """Images [n, height, width, channels] side by side, `pad` pixels apart, as one image."""
    images = np.asarray(images, "float32") / (255.0 if np.asarray(images).dtype.kind in "ui" else 1.0)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(f"images must have shape [n, height, width, 1 or 3]. Received: {list(images.shape)}")
    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    sheet = np.ones((rows * (height + pad) - pad, columns * (width + pad) - pad, channels), "float32")
    for i, image in enumerate(images):
        top, left = i // columns * (height + pad), i % columns * (width + pad)
        sheet[top : top + height, left : left + width] = image
    return np.clip(sheet, 0.0, 1.0)


def image_grid(
    images: npt.ArrayLike, columns: int = 8, labels: Iterable[Any] | None = None, ax: plt.Axes | None = None
) -> plt.Axes:
    """Images [n, height, width, channels] in rows of `columns`; `labels` [n] are written above them."""
    images = np.asarray(images)
    columns = min(columns, len(images))
    height, width = images.shape[1:3]
    pad = max(1, height // 14) + (0 if labels is None else max(2, height // 3))
    rows = math.ceil(len(images) / columns)
    sheet = _tile(images, columns, pad)
    ax = _axes(ax, (0.8 * columns, 0.8 * rows * (height + pad) / (width + pad)))
    ax.imshow(sheet.squeeze(), cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    for i, label in enumerate([] if labels is None else labels):
        x, y = i % columns * (width + pad) + width / 2, i // columns * (height + pad) - 0.7
        ax.text(x, y, str(label), ha="center", va="bottom", fontsize=8)
    ax.set_axis_off()
    return ax


def image_rows(rows: Mapping[str, npt.ArrayLike], ax: plt.Axes | None = None) -> plt.Axes:
    """A row of images for each name in {name: images [n, height, width, channels]}, for comparing column by column."""
    counts = {len(images) for images in rows.values()}
    if len(counts) != 1:
        raise ValueError(f"Every row needs as many images. Received: {[len(v) for v in rows.values()]}")
    images = np.concatenate([np.asarray(images, "float32") for images in rows.values()])
    columns, (height, width) = counts.pop(), images.shape[1:3]
    pad = max(1, height // 14)
    ax = _axes(ax, (0.8 * columns + 1.2, 0.8 * len(rows) * height / width))
    ax.imshow(_tile(images, columns, pad).squeeze(), cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    ax.set_yticks([i * (height + pad) + height / 2 - 0.5 for i in range(len(rows))], list(rows))
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def image_map(
    images: npt.ArrayLike,
    x_values: Sequence[float] | np.ndarray,
    y_values: Sequence[float] | np.ndarray,
    ax: plt.Axes | None = None,
    gap: int = 0,
) -> plt.Axes:
    """Images [len(y_values) * len(x_values), ...] as a map: y_values from bottom to top, x_values from left to right.

    The images come row by row, the first y value first. The axes carry the values, which need not be evenly spaced.
    gap: pixels left white between images, for small ones that would run together.
    """
    images, columns = np.asarray(images), len(x_values)
    height, width = images.shape[1:3]
    rows = images.reshape(len(y_values), columns, *images.shape[1:])
    sheet = _tile(rows[::-1].reshape(images.shape), columns, gap)
    ax = _axes(ax, (5.0, 5.0 * len(y_values) * height / (columns * width)))
    ax.imshow(sheet.squeeze(), cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    shown_x, shown_y = (np.arange(0, n, math.ceil(n / 7)) for n in (columns, len(y_values)))
    ax.set_xticks(shown_x * (width + gap) + width / 2 - 0.5, [f"{x_values[i]:.2g}" for i in shown_x])
    flipped = len(y_values) - 1 - shown_y
    ax.set_yticks(flipped * (height + gap) + height / 2 - 0.5, [f"{y_values[i]:.2g}" for i in shown_y])
    ax.set_xlabel("$z_1$")
    ax.set_ylabel("$z_2$")
    return ax


def history(histories: Any, metric: str = "loss", ax: plt.Axes | None = None, ylabel: str | None = None) -> plt.Axes:
    """Training (solid) and validation (dashed) curves of one metric, from {name: History}, one History or its dict."""
    ax = _axes(ax)
    histories = getattr(histories, "history", histories)
    if metric in histories:
        histories = {"": histories}
    for i, (name, record) in enumerate(histories.items()):
        record = getattr(record, "history", record)
        for key, line, part in ((metric, "-", "training"), (f"val_{metric}", "--", "validation")):
            if key in record:
                label = f"{name}, {part}" if name else part
                epochs = range(1, len(record[key]) + 1)
                ax.plot(epochs, record[key], line, color=COLORS[i % len(COLORS)], label=label)
    ax.set_xlabel("epoch")
    ax.set_ylabel(ylabel or metric)
    ax.legend()
    return ax


def latent_scatter(
    codes: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    ax: plt.Axes | None = None,
    label_names: Sequence[str] | None = None,
    size: float = 6,
) -> plt.Axes:
    """Codes [n, 2], one color and marker for each of at most ten classes, or a color scale for real labels."""
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"codes must have shape [n, 2]. Received: {list(codes.shape)}")
    ax = _axes(ax, (5.0, 4.2))
    if labels is None:
        ax.scatter(*codes.T, s=size, alpha=0.6, linewidths=0)
    elif np.asarray(labels).dtype.kind == "f":
        points = ax.scatter(*codes.T, c=labels, s=size, alpha=0.7, linewidths=0)
        ax.figure.colorbar(points, ax=ax)
    else:
        for label in np.unique(labels):
            style = {"color": COLORS[label % 10], "marker": MARKERS[label % 10], "linewidths": 0}
            name = str(label) if label_names is None else label_names[label]
            ax.scatter(*codes[np.asarray(labels) == label].T, s=size, alpha=0.7, label=name, **style)
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2, handletextpad=0.1)
    ax.set_xlabel("$z_1$")
    ax.set_ylabel("$z_2$")
    return ax


def schematic(
    nodes: Mapping[str, Sequence[Any]],
    arrows: Iterable[Sequence[Any]] = (),
    ax: plt.Axes | None = None,
    unit: float = 0.9,
) -> plt.Axes:
    """Boxes and arrows: what a model is made of, and what flows where. Nothing is computed.

    nodes: {name: (x, y, kind)} or {name: (x, y, kind, text)}; the text is the name unless it is given. Kinds:
    "network" is a box, "variable" a circle, "observed" a shaded circle, "text" has no frame. arrows: (from, to), and
    after them, if wanted, a dictionary with any of label, color, style ("-" or "--"), bend (0 is straight) and head
    ("->", "<->" or "-"). A unit of x and y is `unit` inches; 1.6 units from box to box are enough for a word each.
    """
    places = np.array([node[:2] for node in nodes.values()], float)
    low, high = places.min(axis=0) - (1.0, 0.6), places.max(axis=0) + (1.0, 0.6)
    ax = _axes(ax, tuple(unit * (high - low)))
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    ax.set_axis_off()
    frames = {
        "network": {"boxstyle": "round,pad=0.5", "facecolor": "#DCEAF4", "edgecolor": COLORS[0]},
        "variable": {"boxstyle": "circle,pad=0.45", "facecolor": "white", "edgecolor": "black"},
        "observed": {"boxstyle": "circle,pad=0.45", "facecolor": "#D9D9D9", "edgecolor": "black"},
        "text": {"boxstyle": "round,pad=0.2", "facecolor": "none", "edgecolor": "none"},
    }
    drawn = {}
    for name, (x, y, kind, *text) in nodes.items():
        if kind not in frames:
            raise ValueError(f"the kind of a node is one of {', '.join(frames)}. Received for {name!r}: {kind!r}")
        drawn[name] = ax.text(x, y, *(text or [name]), ha="center", va="center", zorder=2, bbox=frames[kind])
    for start, end, *options in arrows:
        if missing := {start, end} - set(nodes):
            raise ValueError(f"an arrow joins two of the nodes {', '.join(nodes)}. Received: {', '.join(missing)}")
        options = {"color": "black", "style": "-", "bend": 0.0, "head": "->", **(options[0] if options else {})}
        (x0, y0), (x1, y1) = (drawn[name].get_position() for name in (start, end))
        line = {"arrowstyle": options["head"], "linestyle": options["style"], "color": options["color"]}
        line |= {"connectionstyle": f"arc3,rad={options['bend']}", "shrinkA": 2, "shrinkB": 2, "mutation_scale": 14}
        line |= {"patchA": drawn[start].get_bbox_patch(), "patchB": drawn[end].get_bbox_patch(), "linewidth": 1.3}
        ax.annotate("", (x1, y1), (x0, y0), arrowprops=line, zorder=3)
        if "label" in options:
            # Beside the middle of the arc, on its outer side: above it or below it, or right of one that runs upward.
            away = options["bend"] / 2 * np.array([y1 - y0, x0 - x1])
            steep, below = abs(y1 - y0) > abs(x1 - x0), away[1] < 0
            place = {"ha": "left", "va": "center"} if steep else {"ha": "center", "va": "top" if below else "bottom"}
            middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + away
            middle = middle + ((0.08, 0.0) if steep else (0.0, -0.06 if below else 0.06))
            readable = {
                "facecolor": "white",
                "edgecolor": "none",
                "pad": 1.0,
            }  # where another arrow, or a slanted one, crosses
            ax.text(*middle, options["label"], color=options["color"], fontsize=9, zorder=4, bbox=readable, **place)
    return ax
