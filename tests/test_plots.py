"""Figures are looked at, not tested; what is tested is that a schematic joins what it says it joins."""

from vae_course import plots

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

NODES = {"x": (0, 0, "observed", "$x$"), "encoder": (1.6, 0, "network"), "z": (3.2, 0, "variable", "$z$")}


def test_a_schematic_shows_its_names_and_its_arrows():
    ax = plots.schematic(NODES, [("x", "encoder"), ("encoder", "z", {"label": "the draw", "style": "--"})])
    shown = [text for text in ax.texts if text.get_text()]
    assert [text.get_text() for text in shown] == ["$x$", "encoder", "$z$", "the draw"]
    arrows = [text.arrow_patch for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert [arrow.get_linestyle() for arrow in arrows] == ["-", "--"]
    ax.figure.canvas.draw()  # the arrows end at the frames, whose size is known only now
    ends = np.array([ax.transData.inverted().transform(arrow.get_window_extent())[:, 0] for arrow in arrows])
    assert (0 < ends[0]).all() and (ends[0] < 1.6).all(), "from the circle's edge to the box's"


@pytest.mark.parametrize(
    "nodes, arrows, message",
    [
        ({"x": (0, 0, "cloud")}, [], "kind of a node is one of network, variable.*for 'x': 'cloud'"),
        (NODES, [("x", "decoder")], "joins two of the nodes x, encoder, z. Received: decoder"),
    ],
)
def test_a_mistake_in_a_schematic_is_named(nodes, arrows, message):
    with pytest.raises(ValueError, match=message):
        plots.schematic(nodes, arrows)
