"""The data sets: the same at every call, split without overlap, and drawn as their factors say."""

import gzip
import hashlib
import os
import subprocess
import sys
import wave
import zipfile
from pathlib import Path

from vae_course import datasets
from vae_course.datasets import (
    anomalies,
    downloads,
    drawings,
    originals,
    recordings,
    shakespeare,
    signals,
    speech,
    tables,
)

import numpy as np
import pytest

EMBEDDED = (
    "digits",
    "sprites",
    "faces",
    "photos",
    "sensors",
    "breast_cancer",
    "films",
    "payments",
    "colored_sprites",
    "vowels",
)
IMAGES = ("digits", "sprites", "faces", "photos", "colored_sprites")
FULL_SIZE = ("mnist", "binarized_mnist", "fashion_mnist", "dsprites", "breastmnist")
FULL_TABLES = ("nsl_kdd", "cmapss", *downloads.ADBENCH)
SIZES = {  # train, valid, test, and the shape of one example
    "digits": (1197, 300, 300, (8, 8, 1)),
    "sprites": (6912, 864, 864, (32, 32, 1)),
    "faces": (4587, 573, 573, (32, 32, 1)),
    "photos": (10000, 1000, 1000, (16, 16, 1)),
    "sensors": (3000, 800, 800, (64, 3)),
    "breast_cancer": (341, 114, 114, (30,)),
    "films": (2000, 500, 500, (200,)),
    "payments": (4000, 2180, 3180, (9,)),
    "colored_sprites": (3000, 500, 500, (16, 16, 3)),
    "vowels": (1200, 600, 600, (24,)),
    "mnist": (50000, 10000, 10000, (28, 28, 1)),
    "binarized_mnist": (50000, 10000, 10000, (28, 28, 1)),
    "fashion_mnist": (50000, 10000, 10000, (28, 28, 1)),
    "dsprites": (36864, 4608, 4608, (64, 64, 1)),
    "breastmnist": (546, 78, 156, (28, 28, 1)),
    "nsl_kdd": (10449, 14743, 22544, (117,)),
    "cmapss": (6000, 2600, 2598, (14,)),
    "adbench_cardio": (829, 501, 501, (21,)),
    "adbench_http": (282645, 142426, 142427, (3,)),
    "adbench_shuttle": (22794, 13151, 13152, (9,)),
    "adbench_wbc": (107, 58, 58, (9,)),
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


@pytest.mark.parametrize("name", [name for name in EMBEDDED if name not in ("digits", "photos")])
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
    for name, axis in (("breast_cancer", 0), ("sensors", (0, 1)), ("payments", 0), ("vowels", 0)):
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


def digest(values):
    """Of numbers rounded to four digits: a last bit may differ between machines."""
    return hashlib.sha256((np.round(values, 4) + 0.0).astype("<f8").tobytes()).hexdigest()[:16]


def test_windows_drawn_with_other_ranges_move_no_split(loaded):
    labels = np.arange(300) % 5
    assert digest(signals.windows(labels, 7)[0]) == "46d83b6eaaa8a9d9", "the windows of all seeds have changed"
    _, factors = signals.windows(labels, 7, load=(1.2, 1.5), severity=(0.1, 0.2))
    assert factors[:, 1].min() >= 1.2 and factors[:, 1].max() <= 1.5
    assert np.all(factors[labels > 0, 2] >= 0.1) and np.all(factors[labels > 0, 2] <= 0.2)
    np.testing.assert_array_equal(factors[:, 0], signals.windows(labels, 7)[1][:, 0])
    overload = datasets.draw("sensors", [0] * 200, 1, load=(1.2, 1.5))
    assert overload.shape == (200, 64, 3) and overload.dtype == np.float32
    current = overload[..., 2].mean(axis=1)
    assert current.min() > loaded["sensors"].x_train[..., 2].mean(axis=1).max(), "more load than any in training"
    normal = datasets.draw("sensors", np.zeros(500, int), 1)
    np.testing.assert_allclose(normal.mean(axis=(0, 1)), 0, atol=0.1)
    np.testing.assert_allclose(normal.std(axis=(0, 1)), 1, atol=0.1)
    assert rows_in_common(normal, loaded["sensors"].x_train) == 0


def test_drawn_examples_are_standardized_as_loaded_ones(loaded):
    from vae_course.datasets import embedded

    for name, make in (("sensors", lambda y, s: signals.windows(y, s)[0]), ("payments", tables.payments)):
        data, (mean, deviation) = loaded[name], embedded._scale(name)
        again = (make(data.y_test, datasets.SEED + 2) - mean) / deviation
        np.testing.assert_array_equal(again.astype(np.float32), data.x_test)
        one, other = (datasets.draw(name, [0, 1, 2, 3], 5) for _ in range(2))
        np.testing.assert_array_equal(one, other)
        assert not np.array_equal(one, datasets.draw(name, [0, 1, 2, 3], 6))


@pytest.mark.parametrize(
    "arguments, ranges, message",
    [
        (("digits", [0], 1), {}, '"sensors" and "payments".*digits'),
        (("payments", [4], 1), {}, r"0 \(normal\), 1 \(loot\).*\[4\]"),
        (("sensors", [0.0], 1), {}, "labels must be"),
        (("sensors", 0, 1), {}, "labels must be"),
        (("sensors", [0], -1), {}, "seed.*-1"),
        (("sensors", [0], datasets.SEED), {}, "the data set's own"),
        (("payments", [0], 1), {"load": (1, 2)}, "no ranges"),
        (("sensors", [0], 1), {"lod": (1, 2)}, "Did you mean 'load'.*'lod'"),
        (("sensors", [0], 1), {"load": (2, 1)}, r"pair \(lowest, highest\).*\(2, 1\)"),
        (("sensors", [0], 1), {"load": 2}, "pair.*Received: 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, ranges, message):
    with pytest.raises(ValueError, match=message):
        datasets.draw(*arguments, **ranges)


# Films and payments


def test_films_and_payments_are_the_same_on_every_machine():
    lists, truth, names = tables.films((50, 20), 3)
    packed = b"".join(np.packbits(x.astype(bool)).tobytes() for x in lists) + "".join(names).encode()
    assert hashlib.sha256(packed).hexdigest()[:16] == "24508f977b7621c5"
    assert digest(truth[1].astype(float)) == "c75a40f528e2fd60"
    assert digest(tables.payments(np.arange(200) % 4, 3)) == "1a300518b3349647"


def test_films_are_lists_drawn_from_the_truth(loaded):
    data = loaded["films"]
    for split in datasets.SPLITS:
        x, log_p = getattr(data, f"x_{split}"), getattr(data, f"factors_{split}").astype(float)
        assert set(np.unique(x)) == {0, 1} and x.sum(axis=1).min() >= 8 and x.sum(axis=1).max() <= 80
        np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, atol=1e-3)
    popularity = data.x_train.mean(axis=0)
    assert popularity[:20].mean() > 4 * popularity[100:].mean(), "films are sorted by popularity"
    assert len(data.factor_names) == len(set(data.factor_names)) == 200
    for rank, name in enumerate(data.factor_names, 1):
        genres = name.split(" ")[1].split("-")
        assert int(name.split(" ")[0]) == rank and 1 <= len(genres) <= 3 and set(genres) <= set(tables.GENRES)


def test_no_model_of_films_beats_the_truth(loaded):
    """NDCG@20 of a fifth of each list, hidden: the truth, a good linear model (EASE), popularity, in this order."""
    from vae_course.evaluation import rankings

    data = loaded["films"]
    seen, hidden = rankings.hide(data.x_test, 0.2, seed=0)
    inverse = np.linalg.inv(data.x_train.T @ data.x_train + 100 * np.eye(200))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    popularity = np.tile(data.x_train.mean(axis=0), (500, 1))
    oracle, ease, popular = (
        rankings.ndcg(scores, hidden, seen, 20).mean() for scores in (data.factors_test, seen @ weights, popularity)
    )
    assert oracle > 0.6 and ease < oracle - 0.07 and popular < 0.3 < 0.45 < ease, (oracle, ease, popular)


def test_two_liked_genres_in_one_film_count_extra(loaded):
    """In the truth, log p of a film with genres a and b exceeds what those with a alone and with b alone add up to."""
    log_p = loaded["films"].factors_test.astype(float) + np.log(np.arange(1, 201) + 3)
    kinds = {}
    for film, name in enumerate(loaded["films"].factor_names):
        kinds.setdefault(name.split(" ")[1], film)  # films of the same genres differ by their rank alone
    found = 0
    for name, film in kinds.items():
        genres = name.split("-")
        if len(genres) == 2 and set(genres) <= set(kinds):
            one, other = (log_p[:, kinds[genre]] for genre in genres)
            neither = log_p[:, [kinds[genre] for genre in tables.GENRES if genre in kinds]].min(
                axis=1
            )  # likes no genre
            both = (one > neither + 1) & (other > neither + 1)
            extra = log_p[:, film] - neither - (one - neither) - (other - neither)
            np.testing.assert_allclose(extra, np.where(both, 1.5, 0), atol=1e-3)
            found += both.sum()
    assert found > 100


def test_payments_train_on_normal_customers_only(loaded):
    data = loaded["payments"]
    assert np.all(data.y_train == 0) and data.label_names == tables.LABELS
    np.testing.assert_array_equal(np.bincount(data.y_valid), [2000, 60, 60, 60])
    np.testing.assert_array_equal(np.bincount(data.y_test), [3000, 60, 60, 60])
    assert data.x_train.shape[1] == len(tables.COLUMNS)


def auc(scores, normal_scores):
    return (scores[:, None] > normal_scores).mean()


def test_each_fraud_is_odd_in_its_own_way(loaded):
    from sklearn.neighbors import NearestNeighbors

    data = loaded["payments"]
    normal, loot, testing, copy = (data.x_test[data.y_test == label].astype(float) for label in range(4))
    extreme = {name: np.abs(x).max(axis=1) for name, x in zip(tables.LABELS, (normal, loot, testing, copy))}
    assert auc(extreme["loot"], extreme["normal"]) > 0.95, "loot is extreme"
    spread = testing.std(axis=0) / normal.std(axis=0)
    assert spread.max() < 0.35, "testing is a dense cluster"
    assert testing[:, 0].max() < np.quantile(normal[:, 0], 0.25), "of small payments"
    for column, (odd, usual) in enumerate(zip(copy.T, normal.T)):
        distance = np.abs((odd[:, None] < usual).mean(axis=1) - (np.arange(usual.size) / usual.size).mean())
        assert 0.15 < distance.mean() < 0.35, f"copies: {tables.COLUMNS[column]} alone is plausible"  # uniform: .25
    assert auc(extreme["copy"], extreme["normal"]) < 0.75
    neighbors = NearestNeighbors(n_neighbors=5).fit(data.x_train)
    near = {name: neighbors.kneighbors(x)[0].mean(axis=1) for name, x in zip(extreme, (normal, loot, testing, copy))}
    for name in tables.LABELS[1:]:
        assert auc(near[name], near["normal"]) > 0.95, f"neighbors see {name}"


def test_payments_rank_detectors_and_none_is_perfect(loaded):
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import NearestNeighbors

    data = loaded["payments"]
    train, test, fraud = data.x_train.astype(float), data.x_test.astype(float), data.y_test > 0
    offset, inverse = test - train.mean(axis=0), np.linalg.inv(np.cov(train.T))
    scores = {
        "neighbors": NearestNeighbors(n_neighbors=5).fit(train).kneighbors(test)[0].mean(axis=1),
        "Gaussian": np.einsum("ni,ij,nj->n", offset, inverse, offset),
        "forest": -IsolationForest(random_state=0).fit(train).score_samples(test),
    }
    found = {name: auc(score[fraud], score[~fraud]) for name, score in scores.items()}
    assert 0.998 > found["neighbors"] > found["Gaussian"] + 0.01 > found["forest"] + 0.02 > 0.85, found


# Colored sprites


def test_colored_sprites_are_drawn_as_their_factors_say(loaded):
    data = datasets.load("colored_sprites", dtype="uint8")
    np.testing.assert_array_equal(drawings.colored_sprites(data.factors_test), data.x_test)
    assert hashlib.sha256(data.x_test.tobytes()).hexdigest()[:16] == "d732e74254ae432c"
    np.testing.assert_allclose(drawings.hues(data.x_train), data.factors_train[:, 5], atol=1e-3)
    pale = 0.2 + 0.3 * loaded["colored_sprites"].x_train
    np.testing.assert_allclose(drawings.hues(pale), data.factors_train[:, 5], atol=1e-3)
    assert drawings.hues(np.full((1, 16, 16, 3), 0.5)) == 0, "gray"
    primary = drawings._pure(np.arange(6) / 6)
    np.testing.assert_allclose(primary, [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(drawings.hues(primary[:, None, None]), np.arange(6) / 6, atol=1e-12)
    assert np.median(drawings.hues(np.full((1, 2, 2, 3), [200, 0, 1]))) > 0.99, "almost red from the side of blue"


def test_hues_follow_the_law_of_their_shape(loaded):
    data = loaded["colored_sprites"]
    factors = np.concatenate([data.factors_train, data.factors_valid, data.factors_test]).astype(float)
    for shape, (mean, deviation) in enumerate(drawings.HUES.values()):
        z = (factors[factors[:, 0] == shape, 5] - mean) / deviation
        n = len(z)
        assert n > 1200 and abs(z.mean()) < 3 / np.sqrt(n) and abs(z.std() - 1) < 3 / np.sqrt(2 * n)
        for level, width in ((0.5, 0.6745), (0.9, 1.645)):
            assert abs((np.abs(z) < width).mean() - level) < 0.04, "the law is Gaussian"
    assert tuple(drawings.HUES) == drawings.SPRITE_SHAPES == data.label_names
    np.testing.assert_array_equal(data.y_test, data.factors_test[:, 0])


def test_the_gray_sprite_tells_the_shape_and_nothing_else_of_the_hue(loaded):
    from sklearn.linear_model import Ridge
    from sklearn.svm import SVC

    data = loaded["colored_sprites"]
    large = drawings.sprites(data.factors_train[:300, :5])[..., 0].astype(int)
    gray, gray_test = (x.max(axis=-1).reshape(len(x), -1) for x in (data.x_train, data.x_test))
    pooled = sum(large[:, i::2, j::2] for i in (0, 1) for j in (0, 1)).reshape(300, -1) / 4
    np.testing.assert_allclose(255 * gray[:300], pooled, atol=0.51)
    for shape, (_, deviation) in enumerate(drawings.HUES.values()):
        rows, test = data.y_train == shape, data.y_test == shape
        ridge = Ridge(100).fit(gray[rows], data.factors_train[rows, 5])
        error = (ridge.predict(gray_test[test]) - data.factors_test[test, 5]).std()
        assert error > 0.95 * data.factors_test[test, 5].std() and error > 0.85 * deviation
    assert SVC(C=10).fit(gray[:1000], data.y_train[:1000]).score(gray_test[:200], data.y_test[:200]) > 0.6


# Vowels


def test_the_published_averages():
    """Typing errors would break the order of resonances, or that of men, women and children."""
    averages = np.array(tuple(speech.AVERAGES.values()))
    assert averages.shape == (10, 3, 4) and np.all(np.diff(averages[..., 1:], axis=2) > 0)
    assert np.all(np.diff(averages, axis=1) > 0), "all is higher in women than in men, and in children than in women"
    sums = [[1322, 5020, 14200, 23860], [2230, 5750, 16940, 27830], [2643, 6710, 19280, 32660]]
    np.testing.assert_array_equal(averages.sum(axis=0), sums)


def test_energies_peak_at_the_resonances():
    center = speech._hertz(np.linspace(speech._mel(speech.LOWEST), speech._mel(speech.HIGHEST), speech.BANDS + 2))[1:-1]
    formants = np.array([[700.0, 1500, 2600, 3500, 4500]])
    flat = speech.spectra([20.0], formants, tilt=6)[0]  # many harmonics, and none falls
    peaks = 1 + np.flatnonzero((flat[1:-1] > flat[:-2]) & (flat[1:-1] > flat[2:]))
    for formant in formants[0, :3]:
        assert np.abs(center[peaks] / formant - 1).min() < 0.08, center[peaks]
    low, high = speech.spectra([100.0, 100.0], np.repeat(formants, 2, axis=0), tilt=np.array([0, 3]))
    assert np.all(np.diff(high - low)[:18] > 0), "a tilt lifts high bands more, up to where only the breath is left"


def test_no_speaker_is_in_two_parts(loaded):
    data, start = loaded["vowels"], 0
    for split, groups in zip(datasets.SPLITS, ((26, 22, 12), (13, 11, 6), (13, 11, 6))):
        y, factors = getattr(data, f"y_{split}"), getattr(data, f"factors_{split}")
        speakers = np.unique(factors[:, 0])
        np.testing.assert_array_equal(speakers, np.arange(start, start + sum(groups)))
        start += sum(groups)
        of_speaker = [factors[factors[:, 0] == speaker] for speaker in speakers]
        assert all(len(rows) == 20 and np.all(rows[:, [1, 3]] == rows[0, [1, 3]]) for rows in of_speaker)
        np.testing.assert_array_equal(np.bincount([int(rows[0, 1]) for rows in of_speaker]), groups)
        pairs, times = np.unique(np.stack([factors[:, 0], y], axis=1), axis=0, return_counts=True)
        assert len(pairs) == 10 * len(speakers) and np.all(times == 2), "every vowel twice"
        assert abs(np.corrcoef(np.arange(len(y)), factors[:, 0])[0, 1]) < 0.1, "the rows are shuffled"
    assert data.label_names == tuple(speech.AVERAGES) and data.factor_names == speech.FACTORS
    pitch = [np.median(data.factors_train[data.factors_train[:, 1] == group, 2]) for group in range(3)]
    np.testing.assert_allclose(pitch, [132, 223, 264], rtol=0.1)


def test_vowels_are_the_same_on_every_machine():
    x, labels, factors = speech.vowels([0, 1, 2], 3, utterances=1)
    assert x.shape == (30, 24) and digest(x) == "0151ea902f6f4bf7"
    np.testing.assert_array_equal(labels, np.tile(np.arange(10), 3))
    assert digest(factors) == "0e84dd185a6a5288"


def test_how_hard_the_vowels_are(loaded):
    from sklearn.svm import SVC

    data, few = loaded["vowels"], []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(data.y_train))
        rows = np.concatenate([order[data.y_train[order] == vowel][:10] for vowel in range(10)])
        few.append(SVC(C=10).fit(data.x_train[rows], data.y_train[rows]).score(data.x_test, data.y_test))
    everything = SVC(C=10).fit(data.x_train, data.y_train).score(data.x_test, data.y_test)
    assert 0.64 < np.mean(few) < 0.80 and 0.82 < everything < 0.93, (few, everything)
    group = SVC(C=10).fit(data.x_train, data.factors_train[:, 1]).score(data.x_test, data.factors_test[:, 1])
    assert group > 0.8, "a voice tells who speaks"


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
    tokens_and_sounds = ("tinyshakespeare", "spoken_digits")
    for name in ("films", "payments", "vowels", "cmapss", "nsl_kdd", "adbench_cardio", *tokens_and_sounds):
        with pytest.raises(ValueError, match=f"'{name}' holds no images"):  # before any file is looked for
            datasets.load(name, dtype="uint8")
    for name, close in (
        ("film", "films"),
        ("payment", "payments"),
        ("cardio", "adbench_cardio"),
        ("nslkdd", "nsl_kdd"),
        ("shakespeare", "tinyshakespeare"),
    ):
        with pytest.raises(ValueError, match=f'Did you mean "{close}"'):
            datasets.load(name)


def test_nothing_is_printed_and_tensorflow_is_not_imported():
    code = (
        "import sys, vae_course.datasets as d\n"
        f"for name in {EMBEDDED}: d.load(name)\n"
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


def connections():
    """A text like NSL-KDD's: 3400 normal connections, and 300 attacks."""
    random = np.random.default_rng(0)
    lines = []
    for row in range(3700):
        values = [str(value) for value in random.integers(0, 9, 41)]
        values[1:4] = [("tcp", "udp")[row % 2], f"service{row % 5}", "SF"]
        values[24] = f"{random.random():.2f}"
        lines.append(",".join([*values, ("smurf", "nmap", "perl")[row % 3] if row < 300 else "normal", str(row % 21)]))
    return "\n".join(lines) + "\n"


def engines():
    """A text like C-MAPSS's: 100 engines, the shortest of 120 flights; a sensor's value says whose flight it is."""
    random = np.random.default_rng(0)
    lines = []
    for engine in range(1, 101):
        life = 120 + engine
        for cycle in range(1, life + 1):
            sensors = random.normal(size=21)
            sensors[1], sensors[2] = 1000 * engine + cycle, life - cycle
            lines.append(" ".join([str(engine), str(cycle), *map(str, np.round([0, 0, 100, *sensors], 4))]) + "  ")
    return "\n".join(lines) + "\n"


@pytest.fixture
def small_texts(tmp_path, monkeypatch):
    """NSL-KDD (plain) and C-MAPSS (packed) in miniature, and a table of sources that fits them."""
    monkeypatch.setenv("VAE_COURSE_DATA", str(tmp_path))
    monkeypatch.setenv("VAE_COURSE_CACHE", str(tmp_path / "cache"))
    for name, texts in (("nsl_kdd", [connections(), connections()]), ("cmapss", [engines()])):
        sources = []
        for source, text in zip(downloads.SOURCES[name], texts):
            content = text.encode()
            path = tmp_path / source.path
            path.parent.mkdir(exist_ok=True)
            if name == "cmapss":
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content, 1))
            else:
                path.write_bytes(content)
            sources.append(source._replace(sha256=hashlib.sha256(content).hexdigest()))
        monkeypatch.setitem(downloads.SOURCES, name, tuple(sources))
    return tmp_path


def test_connections_are_split_and_standardized(small_texts):
    data = datasets.load("nsl_kdd")
    assert data.x_train.shape == (400, 37 + 2 + 5 + 1) and len(data.x_valid) == 3300 and len(data.x_test) == 3700
    assert np.all(data.y_train == 0)
    np.testing.assert_array_equal(np.bincount(data.y_valid, minlength=5), [3000, 100, 100, 0, 100])
    assert data.label_names == ("normal", "dos", "probe", "r2l", "u2r")
    np.testing.assert_allclose(data.x_train[:, :37].astype(float).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(data.x_train[:, :37].astype(float).std(axis=0), 1, atol=1e-5)
    flags = data.x_test[:, 37:]
    assert set(np.unique(flags)) == {0, 1} and np.all(flags.sum(axis=1) == 3), "one protocol, service and flag each"
    assert rows_in_common(data.x_train, data.x_valid) == 0


def test_an_engine_is_in_one_part_and_normal_before_it_is_worn(small_texts):
    data = datasets.load("cmapss")
    assert data.x_train.shape[1:] == (14,) and np.all(data.y_train == 0)
    seen = {}
    for split in datasets.SPLITS:
        x, y, factors = (getattr(data, f"{kind}_{split}") for kind in ("x", "y", "factors"))
        engine, cycle, left = factors.T
        assert np.all((cycle <= 100) & (left >= 30) | (left < 30) & (y == 1)) and np.all(left[y == 0] >= 30)
        assert np.all(left + cycle == 120 + engine), "the factors are this row's"
        seen[split] = set(engine)
        order = 1000 * engine + cycle
        assert np.corrcoef(x[:, 0], order)[0, 1] > 0.9999 and np.abs(np.corrcoef(np.arange(len(y)), order)[0, 1]) < 0.1
        if split != "train":
            assert (y == 1).sum() == 20 * 30
    assert [len(part) for part in seen.values()] == [60, 20, 20] and len(set.union(*seen.values())) == 100


def test_a_table_that_is_not_one_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "adbench_tabular" / "6_cardio.npz"
    path.parent.mkdir()
    monkeypatch.setenv("VAE_COURSE_DATA", str(tmp_path))
    random = np.random.default_rng(0)
    x, y = random.normal(size=(90, 4)), np.arange(90) % 9 // 8
    x[:, 3] = 5

    def load(**content):
        np.savez(path, **content)
        source = downloads.SOURCES["adbench_cardio"][0]
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(downloads.SOURCES, "adbench_cardio", (source._replace(sha256=sha256),))
        return datasets.load("adbench_cardio")

    data = load(X=x, y=y)
    assert [len(data.x_train), len(data.x_valid), len(data.x_test)] == [40, 25, 25] and data.y_train.max() == 0
    assert data.y_valid.sum() == data.y_test.sum() == 5 and np.all(data.x_train[:, 3] == 0), "a constant column is 0"
    assert rows_in_common(np.concatenate([data.x_train, data.x_valid]), data.x_test) == 0
    for content, message in (
        (dict(X=np.array([{"never": "unpickle"}], dtype=object), y=y), "allow_pickle=False"),
        (dict(X=x, y=y[:5]), "a label for each row"),
        (dict(X=np.where(x == 5, np.nan, x), y=y), "finite"),
        (dict(X=x, y=y * 2), "labels 0 and 1"),
        (dict(table=x), "KeyError"),
    ):
        with pytest.raises(RuntimeError, match=f"(?s)6_cardio.npz.*{message}.*payments"):
            load(**content)


def test_the_attacks_have_one_class_each():
    names = " ".join(anomalies.ATTACKS.values()).split()
    assert len(names) == len(set(names)) == 40
    assert len(anomalies.CONNECTION) == 41 and len(anomalies.SENSORS) == 14


# Text, recordings and ultrasound


@pytest.mark.parametrize("packed", [False, True])
def test_a_text_is_cut_into_windows_end_to_end(tmp_path, monkeypatch, packed):
    text = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 300
    (source,) = downloads.SOURCES["tinyshakespeare"]
    path = tmp_path / f"{source.path}{'.gz' if packed else ''}"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(text.encode(), 1) if packed else text.encode())
    monkeypatch.setenv("VAE_COURSE_DATA", str(tmp_path))

    def accepted():
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        monkeypatch.setitem(downloads.SOURCES, "tinyshakespeare", (source._replace(sha256=sha256),))

    with pytest.raises(RuntimeError, match='(?s)damaged or changed.*SHA-256.*load."sentences"'):
        datasets.load("tinyshakespeare")
    accepted()
    data = datasets.load("tinyshakespeare")
    start = 0
    for split, end in zip(datasets.SPLITS, (0.9, 0.95, 1.0)):
        end = int(end * len(text))
        windows = sorted(text[place : place + 64] for place in range(start, end - 63, 64))
        rows = getattr(data, f"x_{split}")
        assert rows.dtype == np.int32 and rows.min() > 0, "tokens, and no padding"
        assert sorted(map(shakespeare.text, rows)) == windows, "each stretch of the text once, in its own part"
        start = end
    np.testing.assert_array_equal(shakespeare.tokens(shakespeare.text(data.x_test[0])), data.x_test[0])
    text = text.replace("speak", "sp\tk")
    path.write_bytes(gzip.compress(text.encode(), 1) if packed else text.encode())
    accepted()
    with pytest.raises(ValueError, match="only the 65 CHARACTERS"):
        datasets.load("tinyshakespeare")


def clips():
    """3000 recordings of 0.15 to 0.6 seconds: a tone each, whose pitch is the digit's and loudness the speaker's."""
    random = np.random.default_rng(0)
    for place, speaker in enumerate(("ada", "ben", "cleo", "dan", "eva", "fay")):
        for digit in range(10):
            for number in range(50):
                time = np.arange(random.integers(1200, 4800)) / 8000
                sound = 500 * (place + 1) * np.sin(2 * np.pi * (300 + 300 * digit) * time)
                yield (digit, speaker, number), (sound + random.normal(size=len(time))).astype("<i2")


def test_recordings_are_split_by_speaker_and_read_from_both_files(tmp_path, monkeypatch):
    (source,), named = downloads.SOURCES["spoken_digits"], dict(clips())
    monkeypatch.setenv("VAE_COURSE_DATA", str(tmp_path))
    path = tmp_path / source.path
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("free-spoken-digit-dataset-master/README.md", "recordings")
        for (digit, speaker, number), clip in named.items():
            place = f"free-spoken-digit-dataset-master/recordings/{digit}_{speaker}_{number}.wav"
            with archive.open(place, "w") as file, wave.open(file, "wb") as sound:
                sound.setparams((1, 2, 8000, len(clip), "NONE", ""))
                sound.writeframes(clip.tobytes())
    from_zip = datasets.load("spoken_digits")
    order = np.random.default_rng(1).permutation(len(named))
    names, sounds = list(named), list(named.values())
    digit, speaker, index = zip(*(names[place] for place in order))
    offsets = np.cumsum([0, *(len(sounds[place]) for place in order)])
    compact = tmp_path / downloads.COMPACT["spoken_digits"]
    pcm = np.concatenate([sounds[place] for place in order])
    content = dict(pcm=pcm, offsets=offsets, digit=digit, speaker=speaker, index=index)
    np.savez(compact, **content)
    data = datasets.load("spoken_digits")
    for key, value in arrays(data).items():
        np.testing.assert_array_equal(value, arrays(from_zip)[key])
    people = [set(getattr(data, f"factors_{split}")[:, 0]) for split in datasets.SPLITS]
    assert [len(group) for group in people] == [4, 1, 1] and len(set.union(*people)) == 6, "a speaker is in one part"
    assert data.x_train.shape == (2000, 16, 24) and np.all(np.bincount(data.y_test) == 50)
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-4)
    np.savez(compact, **content | {"digit": (digit[0] ^ 1, *digit[1:])})
    with pytest.raises(RuntimeError, match='(?s)spoken_digits.npz.*50 recordings of each.*load."vowels"'):
        datasets.load("spoken_digits")


def test_the_bands_of_a_recording_follow_its_sound():
    time = np.arange(8000) / 8000
    low, high = (1000 * np.sin(2 * np.pi * hertz * time) for hertz in (300, 3000))
    bands = recordings.bands_of(np.concatenate([low, high]))
    assert bands.shape == (16, 24)
    change = bands[9:].mean(axis=0) - bands[:7].mean(axis=0)
    weights = speech.bands(np.array([300.0, 3000.0]), highest=4000)
    assert weights[change.argmin(), 0] > 0.1 and weights[change.argmax(), 1] > 0.1, "the bands that hold the tones"
    slow = recordings.bands_of(np.concatenate([low, low, high, high]))
    np.testing.assert_allclose(slow[[1, 14]], bands[[1, 14]], atol=3, err_msg="speed hardly matters")
    assert np.isfinite(recordings.bands_of(np.zeros(10))).all(), "even a click has its bands"


def test_ultrasound_keeps_its_published_parts(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    path = tmp_path / downloads.COMPACT["breastmnist"]
    path.parent.mkdir()
    monkeypatch.setenv("VAE_COURSE_DATA", str(tmp_path))
    content = {}
    for part, rows in (("train", 546), ("val", 78), ("test", 156)):
        content[f"{part}_images"] = random.integers(0, 256, (rows, 28, 28), np.uint8)
        content[f"{part}_labels"] = (content[f"{part}_images"][:, :1, 0] > 99).astype(np.uint8)
    np.savez(path, **content)
    data = datasets.load("breastmnist", dtype="uint8")
    for split, part in zip(datasets.SPLITS, ("train", "val", "test")):
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        assert {row.tobytes() for row in x} == {row.tobytes() for row in content[f"{part}_images"]}
        np.testing.assert_array_equal(y, x[:, 0, 0, 0] > 99, "a label stays with its image")
    np.savez(path, **content | {"val_labels": np.zeros((78, 1), np.uint8)})
    with pytest.raises(RuntimeError, match="(?s)damaged.*val: 78 labels.*breast_cancer"):
        datasets.load("breastmnist")


# The real files


def available(name):
    folder = os.environ.get("VAE_COURSE_DATA")
    return bool(folder) and str(downloads.place(name)) == str(Path(folder))


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


@pytest.mark.parametrize("name", FULL_TABLES)
def test_the_real_tables(name):
    if not available(name):
        pytest.skip(f"set VAE_COURSE_DATA to a folder that holds {name}")
    data = datasets.load(name)
    for split in datasets.SPLITS:
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        assert x.dtype == np.float32 and np.isfinite(x).all() and x.shape[1:] == data.x_train.shape[1:]
        assert y.shape == x.shape[:1] and y.dtype == np.int64
        assert set(y) == ({0} if split == "train" else set(range(len(data.label_names))))
    if name in SIZES:
        sizes = tuple(len(getattr(data, f"x_{split}")) for split in datasets.SPLITS)
        assert (*sizes, data.x_train.shape[1:]) == SIZES[name]
    spread = data.x_train.astype(float).std(axis=0)[: 37 if name == "nsl_kdd" else None]
    np.testing.assert_allclose(spread[spread > 0], 1, atol=1e-4)
    if name in ("nsl_kdd", "cmapss"):
        assert rows_in_common(data.x_train, data.x_valid[data.y_valid == 0]) == 0
        distance = np.abs(data.x_test).mean(axis=1)
        assert auc(distance[data.y_test > 0][:1000], distance[data.y_test == 0]) > 0.9


def test_the_real_text_and_recordings():
    if not (available("tinyshakespeare") and available("spoken_digits")):
        pytest.skip("set VAE_COURSE_DATA to a folder that holds tinyshakespeare and spoken_digits")
    text = datasets.load("tinyshakespeare")
    assert [len(text.x_train), len(text.x_valid), len(text.x_test)] == [15685, 871, 871]
    assert len(np.unique(text.x_train)) == len(shakespeare.CHARACTERS) == 65
    spoken = datasets.load("spoken_digits")
    means = np.stack([spoken.x_train[spoken.y_train == digit].mean(axis=0) for digit in range(10)])
    distance = ((spoken.x_test[:, None] - means) ** 2).sum(axis=(2, 3))
    assert np.mean(distance.argmin(axis=1) == spoken.y_test) > 0.5, "another speaker's digits look alike"
