"""Shakespeare by characters ("tinyshakespeare"): windows of 64 characters as tokens [64], none in two parts.

The text is the one of Karpathy's char-rnn (2015), 1115394 characters of the plays, in the public domain.
"""

from typing import Any

from vae_course.datasets import originals
from vae_course.datasets.embedded import SEED, SPLITS

import numpy as np
import numpy.typing as npt

LENGTH = 64
# Token 1 is the first one of these. Token 0 would be padding, but every window is full.
CHARACTERS = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def tinyshakespeare() -> dict[str, Any]:
    """The first 90 % of the text for training, the next 5 % for valid, the last 5 % for test, each cut end to end."""
    stream = tokens(originals.read("tinyshakespeare")["text"])
    ends = [0, 9 * len(stream) // 10, 19 * len(stream) // 20, len(stream)]
    parts = {}
    for split, start, end in zip(SPLITS, ends, ends[1:]):
        count = (end - start) // LENGTH
        windows = stream[start : start + count * LENGTH].reshape(count, LENGTH)
        parts[f"x_{split}"] = np.random.default_rng(SEED).permutation(windows)
    return parts


def tokens(text: str) -> np.ndarray:
    """A text as tokens: a string of n CHARACTERS -> int32 [n]."""
    unknown = set(text) - set(CHARACTERS)
    if unknown:
        raise ValueError(f"The text may hold only the {len(CHARACTERS)} CHARACTERS. Received: {sorted(unknown)[:10]}")
    places = {character: place for place, character in enumerate(CHARACTERS, start=1)}
    return np.array([places[character] for character in text], np.int32)


def text(row: npt.ArrayLike) -> str:
    """Tokens [n] as a string; padding is left out."""
    return "".join(CHARACTERS[token - 1] for token in np.asarray(row) if token > 0)
