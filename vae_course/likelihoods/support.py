"""Does the data lie where a likelihood can have it? Asked before any training, of every value."""

from vae_course.parts import Part

import numpy as np


def check_support(part: Part, x: np.ndarray, name: str = "x") -> None:
    """ValueError if numpy data x [n, *shape] lies outside low, high and spacing of a likelihood, or is not finite.

    NaN passes where the likelihood knows missing entries; bytes of pixels count as x / 255.
    """
    if x.dtype.kind == "f":
        bad = np.isinf(x) if part.missing else ~np.isfinite(x)
        if bad.any():
            hint = "" if part.missing else ". If NaN marks a missing entry, say so: likelihood(missing=True)"
            raise ValueError(f"{name} must be finite. Received: {bad.sum()} values that are NaN or infinite{hint}")
        x = x[~np.isnan(x)] if part.missing else x
    if not x.size or (part.low is None and part.high is None):
        return
    if part.whole == "pixels" and x.dtype == np.uint8:
        if part.spacing is None or round(1 / part.spacing) == 255:
            return
        x = np.unique(x) / np.float32(255)  # the likelihood has other levels than the 256 of a byte
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
            steps = round(1 / part.spacing)
            pixels = part.whole == "pixels"
            grid = f"on the grid 0, 1/{steps}, ..., 1" if steps > 1 else "0 or 1" if pixels else "whole numbers"
            hint = ": load the data as bytes 0..255" if pixels and steps == 255 else ""
            raise ValueError(f"{name} must be {grid} for {kind}{hint}. Received: values between grid points")
