"""Readers of the full-size data sets' files: images as uint8, tables as they are. Never unpickles."""

import gzip
import wave
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import Any

from vae_course.datasets import downloads

import numpy as np

SPLITS = ("train", "valid", "test")
DSPRITES_SIZES = (
    3,
    6,
    40,
    32,
    32,
)  # shape, scale, orientation, x, y: every combination is one image, in this order
DSPRITES_STEPS = (
    1,
    1,
    4,
    2,
    2,
)  # of which the course takes every 4th orientation and every 2nd place: 46080 images
DSPRITES_KEPT = tuple(len(range(0, size, step)) for size, step in zip(DSPRITES_SIZES, DSPRITES_STEPS))


def read(name: str) -> dict[str, Any]:
    """The content of a data set's files as a dictionary of arrays. RuntimeError if a file is damaged."""
    paths = downloads.find(name)
    try:
        return READERS[name](paths)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error, wave.Error) as error:
        raise downloads.damaged(name, paths[0], f"{type(error).__name__}: {error}") from error


def _idx(path):
    """LeCun's IDX format: two zero bytes, a type, the rank, the sizes as big-endian integers, the data."""
    with gzip.open(path) as file:
        content = file.read()
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"{path.name} is not an IDX file of bytes. Received: {content[:3]!r}")
    rank = content[3]
    shape = np.frombuffer(content, ">i4", rank, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _mnist(paths):
    x_train, y_train, x_test, y_test = (_idx(path) for path in paths)
    for x, y in ((x_train, y_train), (x_test, y_test)):
        _expect(x.shape == (len(y), 28, 28), f"images of 28x28 and as many labels, not {x.shape}, {y.shape}")
    return {"x": x_train, "y": y_train, "x_test": x_test, "y_test": y_test}


def _amat(path):
    """Larochelle's text: a line for each image, 784 times '0' or '1', with a blank between."""
    text = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 2 * 784)[:, ::2] - ord("0")
    _expect(text.max() <= 1, "zeros and ones")
    return text.reshape(-1, 28, 28) * np.uint8(255)


def _binarized_mnist(paths):
    if len(paths) == 3:
        return dict(zip(SPLITS, map(_amat, paths)))
    content = {}
    with np.load(paths[0], allow_pickle=False) as archive:
        for split, rows in zip(SPLITS, (50000, 10000, 10000)):
            packed = archive[split]
            _expect(packed.shape == (rows, 98) and packed.dtype == np.uint8, f"{split}: {rows} rows of 98 bytes")
            content[split] = np.unpackbits(packed, axis=1).reshape(-1, 28, 28) * np.uint8(255)
    return content


def _dsprites(paths):
    """The part of dSprites that the course uses, the same from the original and from the compact file."""
    with np.load(paths[0], allow_pickle=False) as archive:
        values = archive["latents_values"]
        complete = len(values) == np.prod(DSPRITES_SIZES)
        rows = np.arange(len(values))
        if complete:
            every = tuple(slice(None, None, step) for step in DSPRITES_STEPS)
            rows = rows.reshape(DSPRITES_SIZES)[every].ravel()
        _expect(len(rows) == np.prod(DSPRITES_KEPT), "all combinations of the factors")
        factors = values[rows, -5:].astype(np.float32)  # the original has a first column, the color, always 1
        images = None if complete else archive["imgs"]
    if complete:
        images = _kept_images(paths[0])
    _expect(images.shape == (len(rows), 64, 64) and images.max() == 1, "images of 64x64 zeros and ones")
    different = [len(np.unique(column)) for column in factors.T]
    _expect(len(np.unique(factors, axis=0)) == len(rows) and different == list(DSPRITES_KEPT), "a grid of factors")
    return {"x": images * np.uint8(255), "factors": factors}


def _kept_images(path):
    """Reads the 3 GB of the original's images a block at a time and keeps what the course uses: 189 MB."""
    places, side = DSPRITES_SIZES[3] * DSPRITES_SIZES[4], 64 * 64
    blocks = []
    with zipfile.ZipFile(path) as archive, archive.open("imgs.npy") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = header(file)
        _expect(shape == (np.prod(DSPRITES_SIZES), 64, 64) and dtype == np.uint8 and not by_column, "64x64 bytes")
        for block in range(shape[0] // places):
            content = file.read(places * side)
            if block % DSPRITES_SIZES[2] % DSPRITES_STEPS[2] == 0:
                images = np.frombuffer(content, np.uint8).reshape(*DSPRITES_SIZES[3:], 64, 64)
                blocks.append(images[:: DSPRITES_STEPS[3], :: DSPRITES_STEPS[4]].reshape(-1, 64, 64))
    return np.concatenate(blocks)


def _rows(path, columns, separator=None):
    """A text, packed or not: a row for each line: [n, columns] of str."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="ascii") as file:
        rows = [line.split(separator) for line in file.read().splitlines()]
    _expect(rows and all(len(row) == columns for row in rows), f"{columns} columns in every line of {path.name}")
    return np.array(rows)


def _nsl_kdd(paths):
    """41 columns of a connection, the attack's name, and a difficulty, which is dropped."""
    train, test = (_rows(path, 43, ",")[:, :42] for path in paths)
    return {"train": train, "test": test}


def _cmapss(paths):
    """Engine, cycle, three settings, 21 sensors: [n, 26]."""
    return {"x": _rows(paths[0], 26).astype(float)}


def _adbench(paths):
    with np.load(paths[0], allow_pickle=False) as archive:
        x, y = archive["X"].astype(float), archive["y"].astype(np.int64)
    _expect(x.ndim == 2 and y.shape == x.shape[:1], f"a table and a label for each row, not {x.shape}, {y.shape}")
    _expect(set(np.unique(y)) == {0, 1} and np.isfinite(x).all(), "labels 0 and 1, and finite numbers")
    return {"x": x, "y": y}


def _breastmnist(paths):
    content = {}
    with np.load(paths[0], allow_pickle=False) as archive:
        for split, part, rows in (("train", "train", 546), ("valid", "val", 78), ("test", "test", 156)):
            x, y = archive[f"{part}_images"], archive[f"{part}_labels"].ravel()
            _expect(x.shape == (rows, 28, 28) and x.dtype == np.uint8, f"{part}: {rows} images of 28x28 bytes")
            _expect(y.shape == (rows,) and set(y.tolist()) == {0, 1}, f"{part}: {rows} labels 0 or 1")
            content |= {f"x_{split}": x, f"y_{split}": y}
    return content


def _spoken_digits(paths):
    """Recordings as int16, and digit, speaker and number of each, sorted: from a zip of recordings, or the compact."""
    if paths[0].suffix == ".zip":
        clips, named = _waves(paths[0])
    else:
        with np.load(paths[0], allow_pickle=False) as archive:
            pcm, ends = archive["pcm"], archive["offsets"]
            named = list(zip(archive["digit"].tolist(), archive["speaker"].tolist(), archive["index"].tolist()))
        _expect(ends[0] == 0 and ends[-1] == len(pcm) and np.all(np.diff(ends) > 0), "recordings end to end")
        clips = [pcm[start:end] for start, end in zip(ends, ends[1:])]
    order = sorted(range(len(named)), key=named.__getitem__)
    digit, speaker, index = (np.array(column) for column in zip(*(named[place] for place in order)))
    _expect(len(clips) == len(named), "a name for each recording")
    _, counts = np.unique(np.char.add(digit.astype(str), speaker), return_counts=True)
    _expect(len(counts) == 60 and set(counts) == {50}, "six speakers, ten digits, 50 recordings of each")
    return {"clips": [clips[place] for place in order], "digit": digit, "speaker": speaker, "index": index}


def _waves(path):
    """The files recordings/7_jackson_32.wav of a zip: samples, and (digit, speaker, number) of each."""
    clips, named = [], []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            place = PurePosixPath(entry)
            if place.suffix == ".wav" and place.parent.name == "recordings":
                with archive.open(entry) as file, wave.open(file) as recording:
                    form = recording.getnchannels(), recording.getsampwidth(), recording.getframerate()
                    _expect(form == (1, 2, 8000), f"one channel of 16 bits, 8000 a second, in {place.name}")
                    clips.append(np.frombuffer(recording.readframes(recording.getnframes()), "<i2"))
                digit, speaker, number = place.stem.split("_")
                named.append((int(digit), speaker, int(number)))
    _expect(named, "recordings/*.wav")
    return clips, named


def _tinyshakespeare(paths):
    with (gzip.open if paths[0].suffix == ".gz" else open)(paths[0], "rt", encoding="ascii", newline="") as file:
        return {"text": file.read()}


def _expect(condition, what):
    if not condition:
        raise ValueError(f"expected {what}")


READERS = {
    "mnist": _mnist,
    "fashion_mnist": _mnist,
    "binarized_mnist": _binarized_mnist,
    "dsprites": _dsprites,
    "nsl_kdd": _nsl_kdd,
    "cmapss": _cmapss,
    "breastmnist": _breastmnist,
    "spoken_digits": _spoken_digits,
    "tinyshakespeare": _tinyshakespeare,
} | dict.fromkeys(downloads.ADBENCH, _adbench)
