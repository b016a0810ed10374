"""Digits that people spoke ("spoken_digits"): pictures of the sound [16, 24], split by speaker.

The recordings are those of the Free Spoken Digit Dataset (Jackson et al., CC BY-SA 4.0): six speakers, each digit 50
times, 8000 samples a second.
"""

from typing import Any

from vae_course.datasets import originals, speech
from vae_course.datasets.embedded import SEED, SPLITS, standardize

import numpy as np
import numpy.typing as npt

RATE, FRAME, STEP = 8000, 256, 80  # samples a second; of a frame, 32 ms; from one frame to the next, 10 ms
PIECES = 16  # a recording is cut into so many pieces of equal length
WEIGHTS = speech.bands(np.fft.rfftfreq(FRAME, 1 / RATE), highest=RATE / 2).T  # [129, 24]


def spoken_digits() -> dict[str, Any]:
    """Four speakers for training, one for valid, one for test; standardized by the training part.

    Factors: the speaker's number, 0 to 5 in the order of the alphabet, and which of his 50 recordings of the digit.
    """
    content = originals.read("spoken_digits")
    x, y = np.stack([bands_of(clip) for clip in content["clips"]]), content["digit"].astype(np.int64)
    names, speaker = np.unique(content["speaker"], return_inverse=True)
    factors = np.stack([speaker, content["index"]], axis=1).astype(np.float32)
    order = np.random.default_rng(SEED).permutation(len(names))
    parts = {}
    for split, chosen in zip(SPLITS, (order[2:], order[:1], order[1:2])):
        rows = np.random.default_rng(SEED + 1).permutation(np.flatnonzero(np.isin(speaker, chosen)))
        parts |= {f"x_{split}": x[rows], f"y_{split}": y[rows], f"factors_{split}": factors[rows]}
    standardize(parts, axis=0)
    values = {"speaker": np.arange(float(len(names))), "recording": np.unique(factors[:, 1])}
    return parts | {"factor_names": tuple(values), "factor_values": values, "label_names": tuple("0123456789")}


def bands_of(clip: npt.ArrayLike) -> np.ndarray:
    """A recording, samples [n], as energies of 24 mel bands in dB in each of 16 pieces: [16, 24].

    Pieces are of equal length, so a word spoken slowly looks like the same word spoken fast. Each band's mean over the
    recording is taken away: it says more about the microphone and the voice than about the word.
    """
    clip = np.pad(np.asarray(clip, float), (0, max(0, FRAME - len(clip))))
    frames = np.lib.stride_tricks.sliding_window_view(clip, FRAME)[::STEP] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2  # [frames, 129]
    energy = 10 * np.log10(power @ WEIGHTS + 1.0)  # a sample is a whole number: 1 is far below any voice
    edges = np.arange(PIECES + 1) * len(energy) / PIECES
    pieces = [energy[int(a) : max(int(np.ceil(b)), int(a) + 1)].mean(axis=0) for a, b in zip(edges, edges[1:])]
    return np.stack(pieces) - np.mean(pieces, axis=0)
