"""Arrays as the scores want them."""

import numpy as np
import numpy.typing as npt


def numbers(name: str, values: npt.ArrayLike) -> np.ndarray:
    """`values` as a float64 array; raises ValueError if they are not finite numbers."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise TypeError
        array = array.astype("float64")
    except (TypeError, ValueError) as error:
        kind = getattr(values, "dtype", None) or f"{type(values).__name__} with something else in it"
        raise ValueError(
            f"{name} must be an array of numbers: turn words into numbers first "
            f"(numpy.unique(words, return_inverse=True)[1]). Received: {kind}"
        ) from error
    wrong = array.size - int(np.isfinite(array).sum())
    if wrong:
        raise ValueError(f"{name} must be finite. Received: {wrong} values that are NaN or infinite")
    return array
