"""TableVAE: scikit-learn's methods, in a pipeline, on a table whose density is known."""

from vae_course import estimators

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SCALE = 0.3


def table(n, seed):
    """Four columns that follow one hidden number, with noise."""
    random = np.random.default_rng(seed)
    return 10 * (random.normal(size=(n, 1)) * [1.0, -1.0, 0.5, 2.0] + SCALE * random.normal(size=(n, 4))) + 5


@pytest.fixture(scope="module")
def fitted():
    settings = {"latent_size": 1, "hidden": (16,), "epochs": 60, "batch_size": 50, "learning_rate": 5e-3}
    return make_pipeline(StandardScaler(), estimators.TableVAE(**settings, random_state=0)).fit(table(1000, 0))


def exact(x, scaler):
    """log p of scaled rows under the normal distribution that they come from."""
    direction = np.array([1.0, -1.0, 0.5, 2.0])
    covariance = 100 * (np.outer(direction, direction) + SCALE**2 * np.eye(4)) / np.outer(scaler.scale_, scaler.scale_)
    centered = scaler.transform(x) - (5 - scaler.mean_) / scaler.scale_
    squared = np.einsum("ni,ij,nj->n", centered, np.linalg.inv(covariance), centered)
    return -0.5 * (squared + np.linalg.slogdet(2 * np.pi * covariance)[1])


def test_scores_come_near_to_the_exact_density_and_not_above(fitted):
    x = table(500, 1)
    truth = exact(x, fitted[0]).mean()
    assert truth - 0.25 < fitted.score(x) < truth + 0.05
    assert fitted.score_samples(x).shape == (500,)
    assert fitted.score(x + 30) < truth - 10, "rows that are odd"


def test_codes_follow_the_hidden_number_and_lead_back(fitted):
    x = table(300, 2)
    codes = fitted.transform(x)
    assert codes.shape == (300, 1) and abs(np.corrcoef(codes[:, 0], x[:, 3])[0, 1]) > 0.95
    back = fitted.inverse_transform(codes)
    assert np.sqrt(np.mean((back - x) ** 2)) < 1.3 * 10 * SCALE
    assert list(fitted[1].get_feature_names_out()) == ["tablevae0"]


def test_draws_are_as_the_table(fitted):
    drawn = fitted[0].inverse_transform(fitted[1].sample(2000, random_state=3))
    assert np.allclose(np.cov(drawn.T), np.cov(table(2000, 4).T), rtol=0.25, atol=8)
    again = fitted[0].inverse_transform(fitted[1].sample(2000, random_state=3))
    assert np.array_equal(drawn, again)


def test_it_keeps_scikit_learns_contract(fitted):
    copy = clone(fitted[1])
    assert copy.get_params() == fitted[1].get_params() and not hasattr(copy, "model_")
    assert copy.set_params(beta=2.0).beta == 2.0
    for call in (copy.transform, copy.score_samples, copy.inverse_transform):
        with pytest.raises(NotFittedError):
            call(np.zeros([2, 1]))
    with pytest.raises(NotFittedError):
        copy.sample(2)
    with pytest.raises(ValueError, match="features"):
        fitted[1].transform(np.zeros([3, 5]))
    with pytest.raises(ValueError, match="NaN"):
        clone(fitted[1]).fit(np.full([5, 2], np.nan))
