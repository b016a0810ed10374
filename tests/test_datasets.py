"""The data sets: the same at every call, split without overlap, and drawn as their factors say."""

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from vae_course import datasets
from vae_course.datasets import downloads, drawings, originals, signals

import numpy as np
import pytest

EMBEDDED = ("digits", "sprites", "faces", "photos", "sensors", "breast_cancer")
IMAGES = ("digits", "sprites", "faces", "photos")
FULL_SIZE = ("mnist", "binarized_mnist", "fashion_mnist", "dsprites")
SIZES = {  # train, valid, test, and the shape of one example
    "digits": (1197, 300, 300, (8, 8, 1)),
    "sprites": (6912, 864, 864, (32, 32, 1)),
    "faces": (4587, 573, 573, (32, 32, 1)),
    "photos": (10000, 1000, 1000, (16, 16, 1)),
    "sensors": (3000, 800, 800, (64, 3)),
    "breast_cancer": (341, 114, 114, (30,)),
    "mnist": (50000, 10000, 10000, (28, 28, 1)),
    "binarized_mnist": (50000, 10000, 10000, (28, 28, 1)),
    "fashion_mnist": (50000, 10000, 10000, (28, 28, 1)),
    "dsprites": (36864, 4608, 4608, (64, 64, 1)),
}


@pytest.fixture(scope="module")
def loaded():
    return {name: datasets.load(name) for name in EMBEDDED}


def arrays(data):
    return {key: value for key, value in vars(data).items() if isinstance(value, np.ndarray)}


def rows_in_common(a, b):
    a, b = ({row.tobytes() for row in np.ascontiguousarray(x)} for x in (a, b))
    return len(a & b)


@pytest.mark.parametrize("name", EMBEDDED)
def test_two_loads_are_equal_and_independent(name, loaded):
    data, again = loaded[name], datasets.load(name)
    assert arrays(data).keys() == arrays(again).keys()
    for key, value in arrays(data).items():
        np.testing.assert_array_equal(value, arrays(again)[key])
        assert not np.shares_memory(value, arrays(again)[key])
    again.x_train[:] = -1
    np.testing.assert_array_equal(datasets.load(name).x_train, data.x_train, "a learner's change came back")
    if name in IMAGES:
        small = datasets.load(name, dtype="uint8")
        before = small.x_train.copy()
        small.x_train[:] = 7
        np.testing.assert_array_equal(datasets.load(name, dtype="uint8").x_train, before)


@pytest.mark.parametrize("name", EMBEDDED)
def test_shapes_and_ranges(name, loaded):
    data = loaded[name]
    sizes, shape = SIZES[name][:3], SIZES[name][3]
    for size, split in zip(sizes, datasets.SPLITS):
        x, y, factors = (getattr(data, f"{kind}_{split}") for kind in ("x", "y", "factors"))
        assert x.shape == (size, *shape) and x.dtype == np.float32 and np.isfinite(x).all()
        if y is not None:
            assert y.shape == (size,) and y.dtype == np.int64
            assert y.min() >= 0 and y.max() < len(data.label_names)
        if factors is not None:
            assert factors.shape == (size, len(data.factor_names)) and set(data.factor_values) == set(data.factor_names)
            for column, factor in zip(factors.T, data.factor_names):
                values = data.factor_values[factor]
                if isinstance(values, tuple):
                    assert values[0] - 1e-6 <= column.min() and column.max() <= values[1] + 1e-6
                else:
                    np.testing.assert_allclose(np.unique(column), values, rtol=1e-6)
    if name in IMAGES:
        assert 0 <= data.x_train.min() < 0.05 and 0.9 < data.x_train.max() <= 1
        small = datasets.load(name, dtype="uint8")
        assert small.x_train.dtype == np.uint8
        np.testing.assert_allclose(small.x_train / 255, data.x_train, atol=0.5 / 255 + 1e-6)
    assert len(repr(data)) < 300 and name in repr(data)


@pytest.mark.parametrize("name", ["sprites", "faces", "sensors", "breast_cancer"])
def test_no_example_is_in_two_splits(name, loaded):
    data = loaded[name]
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert rows_in_common(getattr(data, f"x_{one}"), getattr(data, f"x_{other}")) == 0


def test_digits_are_scikit_learns_each_used_once(loaded):
    from sklearn.datasets import load_digits

    data, original = loaded["digits"], load_digits()
    ours = np.concatenate([data.x_train, data.x_valid, data.x_test]) * 16
    labels = np.concatenate([data.y_train, data.y_valid, data.y_test])
    key = [row.tobytes() for row in np.column_stack([ours.reshape(-1, 64), labels]).astype(np.uint8)]
    theirs = [row.tobytes() for row in np.column_stack([original.data, original.target]).astype(np.uint8)]
    assert sorted(key) == sorted(theirs)
    assert np.ptp(np.bincount(data.y_test)) <= 2, "every digit has its share of the test set"


def test_photo_patches_come_from_disjoint_blocks(loaded):
    """Where each patch lies is found again in the photographs; no block of 64x64 serves two splits."""
    from sklearn.datasets import load_sample_images

    places = {}
    for label, photo in enumerate(load_sample_images().images):
        gray = np.rint(photo @ [0.299, 0.587, 0.114]).astype(np.uint8)
        for i in range(0, 384 - 15):
            for j in range(0, 640 - 15):
                if i // 64 == (i + 15) // 64 and j // 64 == (j + 15) // 64:
                    places.setdefault(gray[i : i + 16, j : j + 16].tobytes(), set()).add((label, i // 64, j // 64))
    data = datasets.load("photos", dtype="uint8")
    used = {}
    for split in datasets.SPLITS:
        patches, labels = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        blocks = [places[patch.tobytes()] for patch in patches]
        assert all(label in {block[0] for block in found} for label, found in zip(labels, blocks))
        assert patches.std(axis=(1, 2, 3)).min() > 6, "no patch is flat"
        used[split] = set().union(*blocks)
        assert len(used[split]) > 10
    assert not used["train"] & used["valid"] and not used["train"] & used["test"] and not used["valid"] & used["test"]


def test_tables_and_signals_are_standardised_by_the_training_part_alone(loaded):
    for name, axis in (("breast_cancer", 0), ("sensors", (0, 1))):
        train, test = loaded[name].x_train.astype(float), loaded[name].x_test.astype(float)
        np.testing.assert_allclose(train.mean(axis=axis), 0, atol=1e-5)
        np.testing.assert_allclose(train.std(axis=axis), 1, atol=1e-5)
        assert np.abs(test.mean(axis=axis)).max() > 1e-3, "the test part was standardized by itself"


# Factors and pictures


@pytest.mark.parametrize("kind", ["faces", "sprites"])
def test_each_picture_is_the_one_of_its_factors(kind, loaded):
    data = datasets.load(kind, dtype="uint8")
    rows = np.random.default_rng(0).choice(len(data.x_test), 40, replace=False)
    difference = getattr(drawings, kind)(data.factors_test[rows]).astype(int) - data.x_test[rows]
    assert np.abs(difference).max() <= 1
    everything = np.concatenate([data.factors_train, data.factors_valid, data.factors_test])
    assert (
        len(np.unique(everything, axis=0))
        == len(everything)
        == np.prod([len(values) for values in data.factor_values.values()])
    ), "every combination of factors, once"
    pictures = np.concatenate([data.x_train, data.x_valid, data.x_test])
    assert rows_in_common(pictures, pictures) == len(pictures), "two combinations of factors look the same"


def draw(kind, **changes):
    """Pictures [n, 32, 32] in [0, 1]: one factor varies, the others stay in the middle."""
    middle = {
        "faces": dict(orientation=0, expression=0, lighting=0, width=1, hair=0.05),
        "sprites": dict(shape=1, scale=0.8, rotation=0, x=0, y=0),
    }[kind]
    columns = np.broadcast_arrays(*(np.atleast_1d(value) for value in (middle | changes).values()))
    return getattr(drawings, kind)(np.stack(columns, axis=1))[..., 0] / 255


def center(images):
    """Column and row of the center of mass, in pixels from the middle of the picture."""
    place, mass = np.arange(32) - 15.5, images.sum(axis=(1, 2))
    return (images.sum(axis=1) @ place) / mass, (images.sum(axis=2) @ place) / mass


@pytest.mark.parametrize("shape", range(3))
def test_position_moves_the_sprite_by_as_many_pixels(shape):
    moves = drawings.SPRITE_FACTORS["x"]
    column, row = center(draw("sprites", shape=shape, x=moves))
    np.testing.assert_allclose(np.diff(column), np.diff(moves), atol=1e-6)
    np.testing.assert_allclose(np.diff(row), 0, atol=1e-6)
    column, row = center(draw("sprites", shape=shape, y=moves))
    np.testing.assert_allclose(np.diff(row), np.diff(moves), atol=1e-6)
    np.testing.assert_allclose(np.diff(column), 0, atol=1e-6)


@pytest.mark.parametrize("shape", range(3))
def test_scale_is_the_square_root_of_area_and_nothing_is_cut_off(shape):
    scale = drawings.SPRITE_FACTORS["scale"]
    area = draw("sprites", shape=shape, scale=scale).sum(axis=(1, 2))
    np.testing.assert_allclose(np.sqrt(area / area[-1]), scale, atol=0.08)
    corner = draw("sprites", shape=shape, scale=1, x=[-7, 7], y=[-7, 7], rotation=[-45, 45]).sum(axis=(1, 2))
    assert np.all(np.abs(corner / area[-1] - 1) < 0.12)


def test_rotation_is_clockwise_from_upright():
    left, upright, right = draw("sprites", shape=1, rotation=[-90, 0, 90], scale=1)
    np.testing.assert_array_equal(np.rot90(upright), left)
    np.testing.assert_array_equal(np.rot90(upright, -1), right)
    assert upright[:16].sum() > upright[16:].sum(), "an arrow of rotation 0 points up"


def test_sprites_are_binary(loaded):
    assert set(np.unique(loaded["sprites"].x_train)) == {0.0, 1.0}


def center_of_change(one, other, axis):
    """Where two sets of pictures differ: the mean place along an axis (1: the row, 2: the column)."""
    change = np.abs(one - other).sum(axis=3 - axis)
    return (change @ np.arange(change.shape[1])) / change.sum(axis=1)


def test_orientation_moves_the_nose_the_brows_and_the_mouth():
    angles = drawings.FACE_FACTORS["orientation"]
    frown, smile = (draw("faces", orientation=angles, expression=expression) for expression in (-1, 1))
    for rows, what in ((slice(8, 14), "brows"), (slice(19, 27), "mouth")):
        column = center_of_change(frown[:, rows], smile[:, rows], axis=2)
        assert np.all(np.diff(column) > 0.2), f"the {what} must move to the right: {column}"
        assert abs(column[6] - 15.5) < 0.5 and column[-1] - column[0] > 6
    nose = draw("faces", orientation=angles)[:, 14:18, 8:24].mean(axis=1).argmax(axis=1)  # it catches the light
    assert np.all(np.diff(nose) >= 0) and nose[-1] - nose[0] >= 5, nose
    left, right = draw("faces", orientation=[-30, 30])
    assert np.abs(left - right[:, ::-1])[8:].mean() < 0.03, "but for the fringe, a head has two equal sides"


def test_a_smile_raises_the_corners_of_the_mouth():
    frown, smile = draw("faces", expression=[-1, 1])[:, 19:27]
    darker_in_smile, darker_in_frown = np.clip(frown - smile, 0, None), np.clip(smile - frown, 0, None)
    rows = np.arange(8)

    def row(picture, columns):
        weights = picture[:, columns].sum(axis=1)
        return (weights @ rows) / weights.sum()

    corners, middle = [11, 12, 19, 20], [14, 15, 16, 17]
    assert row(darker_in_smile, corners) < row(darker_in_frown, corners) - 1.5
    assert row(darker_in_smile, middle) > row(darker_in_frown, middle) + 1


def test_light_brightens_the_side_it_comes_from():
    faces = draw("faces", lighting=drawings.FACE_FACTORS["lighting"])[:, 10:26, 6:26]
    difference = faces[:, :, 10:].mean(axis=(1, 2)) - faces[:, :, :10].mean(axis=(1, 2))
    assert np.all(np.diff(difference) > 0) and difference[0] < -0.2 and difference[-1] > 0.2
    assert abs(difference[3]) < 0.03


def test_width_and_hair():
    narrow, wide = draw("faces", width=[0.86, 1.14])
    assert (wide[16] > 0.3).sum() >= (narrow[16] > 0.3).sum() + 3
    hair = draw("faces", hair=drawings.FACE_FACTORS["hair"])[:, 2:6, 12:20].mean(axis=(1, 2))
    assert np.all(np.diff(hair) > 0.05)


def test_every_face_factor_is_clearly_visible():
    for name, values in drawings.FACE_FACTORS.items():
        faces = draw("faces", **{name: values})
        steps = np.abs(np.diff(faces, axis=0)).max(axis=(1, 2))
        assert steps.min() > 0.05, f"one step of {name} changes no pixel by more than {steps.min():.3f}"


# Sensors


def test_sensors_train_on_normal_windows_only(loaded):
    data = loaded["sensors"]
    assert np.all(data.y_train == 0) and np.all(data.factors_train[:, 2] == 0)
    for split in ("valid", "test"):
        np.testing.assert_array_equal(np.bincount(getattr(data, f"y_{split}")), [400, 100, 100, 100, 100])
        severity = getattr(data, f"factors_{split}")[:, 2]
        assert np.all((severity > 0) == (getattr(data, f"y_{split}") > 0))


def test_each_fault_does_what_its_name_says():
    def window(label):
        return signals.windows(np.full(200, label), seed=1)

    healthy, factors = window(0)
    speed, load, _ = factors.T
    assert np.corrcoef(healthy[..., 2].mean(axis=1), load)[0, 1] > 0.98, "the current follows the load"
    assert np.corrcoef(healthy[..., 0].std(axis=1), speed)[0, 1] > 0.8, "the vibration follows the speed"

    spoiled, factors = window(1)
    jump = np.abs(np.diff(spoiled - healthy, axis=1)) > 1e-9
    assert np.all(jump.any(axis=1).sum(axis=1) == 1) and jump.sum(axis=(1, 2)).max() <= 3
    spoiled, factors = window(2)
    climb = (spoiled - healthy)[:, -1]
    assert np.all(climb[:, 1] > 2) and np.all(climb[:, [0, 2]] == 0)
    spoiled, factors = window(3)
    assert np.all((np.diff(spoiled[:, -20:], axis=1) == 0).all(axis=1).sum(axis=1) == 1), "one channel repeats"
    spoiled, factors = window(4)
    change = (spoiled - healthy)[..., 0]
    fast = np.abs(np.fft.rfft(change, axis=1))[:, 15:26].sum() / np.abs(np.fft.rfft(change, axis=1)).sum()
    assert np.all(change.std(axis=1) > 0.1) and fast > 0.4, "the ringing lies near 330 Hz"


# Bad input


def test_an_unknown_name_is_answered_with_the_names_and_a_close_one():
    with pytest.raises(ValueError, match="Did you mean \"mnist\".*digits, sprites.*Received: 'minst'"):
        datasets.load("minst")
    with pytest.raises(ValueError, match="Received: None"):
        datasets.load(None)
    with pytest.raises(ValueError, match="Received: 'float64'"):
        datasets.load("digits", dtype="float64")
    with pytest.raises(ValueError, match="no images"):
        datasets.load("sensors", dtype="uint8")


def test_nothing_is_printed_and_tensorflow_is_not_imported():
    code = (
        "import sys, vae_course.datasets as d\n"
        "for name in ('digits', 'sprites', 'faces', 'photos', 'sensors', 'breast_cancer'): d.load(name)\n"
        "heavy = {'tensorflow', 'keras', 'tensorflow_probability', 'matplotlib', 'pooch'} & {*sys.modules}\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    root = Path(datasets.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


# Readers of the full-size files, on small synthetic ones


def idx(array):
    header = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return gzip.compress(header + array.tobytes(), compresslevel=1)


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """MNIST's four files with 12000 + 50 random images, and a table of sources that fits them."""
    random = np.random.default_rng(0)
    content = []
    for rows in (12000, 50):
        content += [random.integers(0, 256, (rows, 28, 28), np.uint8), random.integers(0, 10, rows, np.uint8)]
    sources = []
    (tmp_path / "mnist").mkdir()
    for source, array in zip(downloads.SOURCES["mnist"], content):
        packed = idx(array)
        (tmp_path / source.path).write_bytes(packed)
        sources.append(source._replace(sha256=hashlib.sha256(packed).hexdigest()))
    monkeypatch.setitem(downloads.SOURCES, "mnist", tuple(sources))
    monkeypatch.setenv("VAE_COURSE_DATA", str(tmp_path))
    return tmp_path, content


def test_mnist_files_are_read_and_split(small_mnist):
    _, (x, y, x_test, y_test) = small_mnist
    data = datasets.load("mnist", dtype="uint8")
    assert data.x_train.shape == (2000, 28, 28, 1) and data.x_valid.shape == (10000, 28, 28, 1)
    order = np.lexsort(data.x_test.reshape(50, -1).T)
    np.testing.assert_array_equal(data.x_test[order][..., 0], x_test[np.lexsort(x_test.reshape(50, -1).T)])
    label = dict(zip((image.tobytes() for image in x), y))
    assert all(label[image.tobytes()] == y for image, y in zip(data.x_train, data.y_train))
    assert {image.tobytes() for image in data.x_valid} == {image.tobytes() for image in x[-10000:]}
    np.testing.assert_array_equal(datasets.load("mnist").x_test, data.x_test / np.float32(255))


@pytest.mark.parametrize("spoil", ["tamper", "truncate"])
def test_a_damaged_local_file_is_refused(small_mnist, spoil):
    path = small_mnist[0] / downloads.SOURCES["mnist"][2].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content if spoil == "tamper" else content[: len(content) // 2])
    with pytest.raises(RuntimeError, match=f'(?s){path.name}.*damaged.*SHA-256.*load."digits"'):
        datasets.load("mnist")


def test_the_two_forms_of_binarized_mnist_agree(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    text, packed = [], []
    for split in datasets.SPLITS:
        bits = random.integers(0, 2, (30, 784), np.uint8)
        path = tmp_path / f"{split}.amat"
        path.write_text("".join(" ".join(map(str, row)) + "\n" for row in bits))
        text.append(path)
        packed.append(bits)
    content = originals._binarized_mnist(text)
    for split, bits in zip(datasets.SPLITS, packed):
        np.testing.assert_array_equal(content[split].reshape(30, 784), 255 * bits)
    text[0].write_text("2 " * 783 + "2\n")
    with pytest.raises(ValueError, match="zeros and ones"):
        originals._binarized_mnist(text)


def test_the_two_forms_of_dsprites_agree(tmp_path, monkeypatch):
    """A small original (all combinations of fewer values) and a compact file made from it: the same data."""
    monkeypatch.setattr(originals, "DSPRITES_SIZES", (3, 2, 8, 4, 4))
    monkeypatch.setattr(originals, "DSPRITES_KEPT", (3, 2, 2, 2, 2))
    values = np.stack(np.meshgrid(*map(np.arange, (3, 2, 8, 4, 4)), indexing="ij"), -1).reshape(-1, 5) + 1.0
    images = np.random.default_rng(0).integers(0, 2, (len(values), 64, 64), np.uint8)
    color = np.ones((len(values), 1))
    original, compact = tmp_path / "original.npz", tmp_path / "compact.npz"
    bad = np.array([{"never": "unpickle"}], dtype=object)
    np.savez_compressed(original, imgs=images, latents_values=np.hstack([color, values]), metadata=bad)
    keep = (values[:, 2] % 4 == 1) & (values[:, 3] % 2 == 1) & (values[:, 4] % 2 == 1)
    np.savez_compressed(compact, imgs=images[keep], latents_values=values[keep], metadata=bad)
    one, other = originals._dsprites([original]), originals._dsprites([compact])
    np.testing.assert_array_equal(one["x"], other["x"])
    np.testing.assert_array_equal(one["factors"], other["factors"])
    np.testing.assert_array_equal(one["x"], 255 * images[keep])


def test_a_damaged_compact_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_COURSE_DATA", str(tmp_path))
    path = tmp_path / downloads.COMPACT["binarized_mnist"]
    path.parent.mkdir()
    for content in (b"not a zip file", b""):
        path.write_bytes(content)
        with pytest.raises(RuntimeError, match="(?s)damaged.*digits"):
            datasets.load("binarized_mnist")
    np.savez(path, train=np.zeros((5, 98), np.uint8), valid=np.zeros(1), test=np.zeros(1))
    with pytest.raises(RuntimeError, match="train: 50000 rows"):
        datasets.load("binarized_mnist")
    np.savez(path, train=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RuntimeError, match="allow_pickle=False"):
        datasets.load("binarized_mnist")


# The real files


def available(name):
    folder = Path(os.environ.get("VAE_COURSE_DATA", "/nowhere"))
    compact = name in downloads.COMPACT and (folder / downloads.COMPACT[name]).is_file()
    return compact or all((folder / source.path).is_file() for source in downloads.SOURCES[name])


@pytest.mark.parametrize("name", FULL_SIZE)
def test_the_real_files(name):
    if not available(name):
        pytest.skip(f"set VAE_COURSE_DATA to a folder that holds {name}")
    data = datasets.load(name, dtype="uint8")
    for size, split in zip(SIZES[name][:3], datasets.SPLITS):
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        assert x.shape == (size, *SIZES[name][3]) and x.dtype == np.uint8
        if name in ("binarized_mnist", "dsprites"):
            assert set(np.unique(x[:1000])) == {0, 255}
        if y is not None:
            assert len(np.unique(y[:500])) == len(data.label_names), "the order of the rows follows the label"
    if name == "binarized_mnist":  # sorted by digit in the original: ones, with little ink, would lie together
        ink = (data.x_test > 0).mean(axis=(1, 2, 3)).reshape(10, -1).mean(axis=1)
        assert np.ptp(ink) < 0.02
    if name == "dsprites":
        rows = np.flatnonzero(data.y_test == 1)
        sizes = (data.x_test[rows] > 0).mean(axis=(1, 2, 3))
        assert np.corrcoef(sizes, data.factors_test[rows, 1] ** 2)[0, 1] > 0.99
