"""Scores of samples on sets whose score is known."""

from vae_course import evaluation

import numpy as np
import pytest

random = np.random.default_rng(0)


def test_frechet_distance_of_normals_is_the_known_one():
    a, b = random.normal(size=(2, 50_000, 3))
    b = b * [2, 1, 0.5] + [0, 3, 0]
    assert evaluation.frechet_distance(a, b) == pytest.approx(9 + 1 + 0.25, rel=0.03)  # (3)^2, (2 - 1)^2, (1 - 0.5)^2
    assert evaluation.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert evaluation.frechet_distance(b, a) == pytest.approx(evaluation.frechet_distance(a, b))
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    assert evaluation.frechet_distance(a @ turn, b @ turn) == pytest.approx(evaluation.frechet_distance(a, b), rel=1e-6)
    correlated = a @ np.array([[1, 0.9, 0], [0, 0.4, 0], [0, 0, 1]])
    assert evaluation.frechet_distance(a[:, :1], b[:, :1]) == pytest.approx(1, rel=0.05)
    assert evaluation.frechet_distance(a, correlated) > 0.1, "covariances count, not only variances"


def test_precision_falls_with_strangers_and_recall_with_missing_modes():
    modes = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    real = (modes[:, None] + random.normal(size=(4, 100, 2)) * 0.5).reshape(-1, 2)
    again = (modes[:, None] + random.normal(size=(4, 100, 2)) * 0.5).reshape(-1, 2)
    both = evaluation.precision_recall(real, again)
    assert min(both) > 0.9
    collapsed = evaluation.precision_recall(real, again[:100])
    assert collapsed.precision > 0.9 and collapsed.recall == pytest.approx(0.25, abs=0.05)
    strange = evaluation.precision_recall(real, np.concatenate([again, random.normal(size=(400, 2)) + 100]))
    assert strange.precision == pytest.approx(0.5, abs=0.05) and strange.recall > 0.9


def test_blur_lowers_sharpness_and_flat_images_have_none():
    images = random.uniform(size=(5, 12, 12, 1))
    blurred = 0.5 * images + 0.5 * np.roll(images, 1, axis=1)
    assert evaluation.sharpness(images).shape == (5,)
    assert (evaluation.sharpness(blurred) < evaluation.sharpness(images)).all()
    whole = np.round(255 * images).astype("uint8")
    assert evaluation.sharpness(whole) == pytest.approx(evaluation.sharpness(whole / 255.0))
    assert evaluation.sharpness(np.full((2, 8, 8, 3), 0.7)) == pytest.approx([0, 0])
    ramp = np.tile(np.linspace(0, 1, 9)[:, None, None], (1, 1, 9, 1))
    assert evaluation.sharpness(ramp) == pytest.approx([0], abs=1e-12), "a slope is no edge"


@pytest.mark.parametrize("score", [evaluation.frechet_distance, evaluation.precision_recall])
def test_wrong_features_are_named(score):
    with pytest.raises(ValueError, match="same f.*10, 3.*10, 2"):
        score(np.zeros((10, 3)), np.zeros((10, 2)))
    with pytest.raises(ValueError, match="same f.*10.*10, 3"):
        score(np.zeros(10), np.zeros((10, 3)))
    with pytest.raises(ValueError, match="at least 1.*10, 0"):
        score(np.zeros((10, 0)), np.zeros((10, 0)))
    with pytest.raises(ValueError, match="real must be finite. Received: 30 values"):
        score(np.full((10, 3), np.nan), np.zeros((10, 3)))
    with pytest.raises(ValueError, match="generated must be finite. Received: 30 values"):
        score(np.zeros((10, 3)), np.full((10, 3), np.inf))
    for one, other in ((1, 10), (10, 1), (0, 10)):
        with pytest.raises(ValueError, match=f"examples of each.*{one} and {other}"):
            score(np.zeros((one, 3)), np.zeros((other, 3)))
    for words in (np.full((10, 3), "far"), [["far", "near", "near"]] * 10, [[1.0, 2.0, 3.0], [1.0]]):
        with pytest.raises(ValueError, match="generated must be an array of numbers.*Received: (<U3|list)"):
            score(np.zeros((10, 3)), words)


@pytest.mark.parametrize("k", [0, -1, 2.5, None, True])
def test_a_wrong_number_of_neighbors_is_named(k):
    with pytest.raises(ValueError, match=f"k must be a whole number, at least 1. Received: {k}"):
        evaluation.precision_recall(np.zeros((10, 3)), np.zeros((10, 3)), k=k)


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((4, 9)), r"height, width.*\[4, 9\]"),
        (np.zeros((4, 2, 9, 1)), r"3 pixels high.*\[4, 2, 9, 1\]"),
        (np.full((2, 8, 8, 1), np.nan), "images must be finite. Received: 128 values"),
        (np.full((2, 8, 8, 1), "gray"), "images must be an array of numbers.*Received: <U4"),
    ],
)
def test_wrong_images_are_named(images, message):
    with pytest.raises(ValueError, match=message):
        evaluation.sharpness(images)


def test_copies_are_counted_and_near_copies_are_not():
    train = random.integers(0, 2, size=(50, 4, 4, 1)).astype("float32")
    generated = np.concatenate([train[:6], 1 - train[:6], train[:6]])
    near = train[:6].copy()
    near[:, 0, 0] += 0.01
    assert evaluation.copies(train, train) == 1
    known = {row.tobytes() for row in train}
    expected = np.mean([row.tobytes() in known for row in generated])
    assert 0.6 < expected == evaluation.copies(train, generated)
    assert evaluation.copies(train, near) == 0
    assert evaluation.copies(-0.0 * train[:1], 0.0 * train[:1]) == 1, "minus zero is zero"
    assert evaluation.copies((255 * train).astype("uint8"), (255 * generated).astype("uint8")) == expected
    before = train.copy()
    evaluation.copies(train, generated)
    assert np.array_equal(train, before)


@pytest.mark.parametrize(
    "train, generated, message",
    [
        (np.zeros((4, 3)), np.zeros((4, 2)), r"same shape.*\[4, 3\] and \[4, 2\]"),
        (np.zeros(4), np.zeros(4), r"same shape.*\[4\] and \[4\]"),
        (np.zeros((4, 3)), np.zeros((0, 3)), r"At least one.*\[4, 3\], \[0, 3\]"),
        (np.zeros((4, 3), "uint8"), np.zeros((4, 3)), "255 is no copy.*uint8 and float64"),
        (np.zeros((4, 3)), np.full((4, 3), np.nan), "generated must be finite. Received: 12"),
    ],
)
def test_what_cannot_be_compared_for_copies_is_named(train, generated, message):
    with pytest.raises(ValueError, match=message):
        evaluation.copies(train, generated)
