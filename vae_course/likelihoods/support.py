"""Does the data lie where a likelihood can have it? Asked before any training, of every value."""

from vae_course.parts import Part

import numpy as np


def check_support(part: Part, x: np.ndarray, name: str = "x") -> None:
    """ValueError if numpy data x [n, *shape] lies outside low, high and spacing of a likelihood, or is not finite.

    NaN passes where the likelihood knows missing entries; bytes of pixels always do.
    """
    if x.dtype.kind == "f":
        bad = np.isinf(x) if part.missing else ~np.isfinite(x)
        if bad.any():
            hint = "" if part.missing else ". If NaN marks a missing entry, say so: likelihood(missing=True)"
            raise ValueError(f"{name} must be finite. Received: {bad.sum()} values that are NaN or infinite{hint}")
        x = x[~np.isnan(x)] if part.missing else x
    byte = part.whole == "pixels" and x.dtype == np.uint8
    if byte or not x.size or (part.low is None and part.high is None):
        return
    low, high = float(x.min()), float(x.max())
    lowest = -np.inf if part.low is None else part.low
    highest = np.inf if part.high is None else part.high
    kind = f"the {type(part).__name__} likelihood"
    if low < lowest or high > highest:
        pixels = part.whole == "pixels" and low >= 0 and 1 < high <= 255
        hint = " (pixels 0..255? Divide by 255, or keep them as bytes: x.astype('uint8'))" if pixels else ""
        values = f"Received: values from {low:g} to {high:g}"
        raise ValueError(f"{name} must lie in [{lowest:g}, {highest:g}] for {kind}{hint}. {values}")
    if part.spacing is not None and x.dtype.kind == "f":
        levels = x.astype("float64") / part.spacing
        if np.abs(levels - np.round(levels)).max() > 1e-3:
            grid = "whole numbers" if part.spacing == 1 else f"on the grid 0, 1/{round(1 / part.spacing)}, ..., 1"
            hint = ": load the data as bytes 0..255" if part.whole == "pixels" else ""
            raise ValueError(f"{name} must be {grid} for {kind}{hint}. Received: values between grid points")
