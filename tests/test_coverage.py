"""Coverage against normals, whose intervals are known; and what it refuses."""

from vae_course.evaluation import coverage

import numpy as np
import pytest
from scipy.stats import norm

N = 20_000


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("k", [19, 40, 199])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_draws_of_the_right_law_cover_what_they_promise_for_any_k(k, level):
    shifts = 5 * normal(N, 2, seed=1)  # each entry has a law of its own
    x, draws = shifts + normal(N, 2, seed=2), shifts + normal(k, N, 2, seed=3)
    assert coverage(draws, x, level) == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_wrong_scale_covers_what_the_normal_distribution_says(scale):
    expected = 2 * norm.cdf(scale * norm.ppf(0.95)) - 1
    found = coverage(scale * normal(999, 1, seed=4), normal(N, seed=5))
    assert found == pytest.approx(expected, abs=0.03)
    assert (found < 0.9) == (scale < 1)


def test_it_is_central_and_counts_entries():
    draws = np.arange(1.0, 20.0)[:, None]  # at level 0.9 of 19 draws: from the least to the greatest
    assert coverage(draws, np.array([1.0, 19.0, 0.9, 19.1])) == 0.5
    assert coverage(np.tile(draws[..., None], (1, 1, 3)), np.array([[0.0, 10.0, 11.0]])) == pytest.approx(2 / 3)


def test_its_arguments_stay_as_they_are():
    draws, x = normal(30, 4), normal(4)
    kept = draws.copy(), x.copy()
    coverage(draws, x)
    np.testing.assert_array_equal(draws, kept[0])
    np.testing.assert_array_equal(x, kept[1])


@pytest.mark.parametrize(
    ("draws", "x", "level", "message"),
    [
        (normal(30, 4), normal(5), 0.9, r"k draws for each entry.*\[30, 4\] and x \[5\]"),
        (normal(30), normal(30), 0.9, r"\[k, n, ...\].*\[30\] and x \[30\]"),
        (normal(30, 0), normal(0), 0.9, r"x \[0\]"),
        (normal(18, 4), normal(4), 0.9, "at least 19 draws. Received: 18"),
        (normal(30, 4), normal(4), 90, "between 0 and 1.*90"),
        (normal(30, 4), np.full(4, np.nan), 0.9, "x must be finite.*4 values"),
    ],
)
def test_what_it_refuses(draws, x, level, message):
    with pytest.raises(ValueError, match=message):
        coverage(draws, x, level)
