"""Codes whose score is known; and the slider that shows codes."""

from vae_course import datasets, evaluation, widgets
from vae_course.evaluation import disentanglement

import numpy as np
import pytest

random = np.random.default_rng(0)
data = datasets.load("sprites")
FACTORS = np.concatenate([data.factors_valid, data.factors_test])
TRUE = (FACTORS - FACTORS.mean(axis=0)) / FACTORS.std(axis=0)
ROTATION = np.linalg.qr(random.normal(size=(5, 5)))[0]
NOISE = random.normal(size=(len(FACTORS), 6))


def scores(codes, factors=FACTORS):
    return {
        "beta-VAE": evaluation.beta_vae_score(codes, factors, above_chance=True),
        "FactorVAE": evaluation.factor_vae_score(codes, factors, above_chance=True),
        "MIG": evaluation.mig(codes, factors),
        **evaluation.dci(codes, factors)._asdict(),
    }


def test_the_factors_themselves_score_near_one_whatever_their_order_sign_and_unit():
    assert min(scores(TRUE).values()) > 0.97
    assert min(scores(TRUE[:, ::-1] * [1, -5, 0.1, 3, 2] + 7).values()) > 0.97


def test_constant_and_idle_latents_change_nothing():
    assert min(scores(np.c_[TRUE, np.zeros(len(TRUE)), np.full(len(TRUE), 3.0)]).values()) > 0.97
    assert min(scores(np.c_[TRUE, 0.01 * NOISE]).values()) > 0.95


def test_a_rotation_drops_every_score_but_the_information():
    whole, turned = scores(TRUE), scores(TRUE @ ROTATION)
    for name in ("FactorVAE", "MIG", "disentanglement", "completeness"):
        assert turned[name] < whole[name] - 0.15, name
    assert turned["beta-VAE"] < whole["beta-VAE"] - 0.05, "the most forgiving of them"
    assert turned["informativeness"] > 0.9, "a rotation loses nothing"


def test_noise_and_constants_score_near_zero():
    assert max(scores(NOISE).values()) < 0.06
    assert max(scores(np.ones((len(FACTORS), 4))).values()) == 0


def test_without_correction_guessing_scores_one_over_the_factors():
    for score in (evaluation.beta_vae_score, evaluation.factor_vae_score):
        assert score(NOISE, FACTORS) == pytest.approx(1 / 5, abs=0.05)
        assert score(TRUE, FACTORS) > 0.97


def test_two_latents_for_one_factor_cost_completeness_and_not_disentanglement():
    twice = np.c_[TRUE, TRUE[:, :1] + 0.3 * NOISE[:, :1], TRUE[:, 3:] + 0.3 * NOISE[:, 3:5]]
    assert evaluation.mig(twice, FACTORS) < evaluation.mig(TRUE, FACTORS) - 0.2
    mixed = np.c_[TRUE[:, :3], TRUE[:, 3] + TRUE[:, 4]]
    found = evaluation.dci(mixed, FACTORS)
    assert found.completeness > found.disentanglement + 0.05 > 0, "one latent stands for two factors"


def test_the_same_seed_gives_the_same_scores():
    assert scores(TRUE @ ROTATION) == scores(TRUE @ ROTATION)


# --- outliers ---


def with_one_outlier(codes, value, columns):
    codes = codes.copy()
    codes[17, columns] = value
    return codes


@pytest.mark.parametrize("value", [30.0, -1e4, 1e8])
@pytest.mark.parametrize("columns", [slice(None), 0])
@pytest.mark.parametrize("codes", [TRUE, TRUE @ ROTATION], ids=["true", "rotated"])
def test_one_outlier_changes_no_score_much(codes, columns, value):
    wild = with_one_outlier(codes, value, columns)
    assert evaluation.mig(wild, FACTORS) == pytest.approx(evaluation.mig(codes, FACTORS), abs=0.02)
    for score in (evaluation.factor_vae_score, evaluation.beta_vae_score):
        assert score(wild, FACTORS) == pytest.approx(score(codes, FACTORS), abs=0.05)


def test_one_outlier_in_many_perfect_codes_leaves_the_mig():
    factors = np.stack(np.meshgrid(*[np.arange(n) for n in (3, 6, 16, 16)]), axis=-1).reshape(-1, 4)  # [4608, 4]
    codes = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    perfect = evaluation.mig(codes, factors)
    assert perfect > 0.97
    assert evaluation.mig(with_one_outlier(codes, 1e3, slice(None)), factors) == pytest.approx(perfect, abs=0.02)


def test_dci_stays_near_with_one_outlier():
    wild = evaluation.dci(with_one_outlier(TRUE, 1e8, 0), FACTORS)
    assert wild == pytest.approx(evaluation.dci(TRUE, FACTORS), abs=0.03)


@pytest.mark.parametrize("codes", [TRUE, TRUE @ ROTATION, NOISE, np.c_[TRUE, NOISE]])
def test_codes_without_outliers_are_left_alone(codes):
    np.testing.assert_array_equal(disentanglement._without_outliers(codes), codes)


def test_a_latent_whose_middle_half_is_constant_is_not_clipped():
    rare = (FACTORS[:, :1] == FACTORS[:, 0].max()) * np.linspace(1, 2, len(FACTORS))[:, None]
    rare[::3] = 0
    assert np.ptp(np.quantile(rare, [0.25, 0.75])) == 0
    np.testing.assert_array_equal(disentanglement._without_outliers(rare), rare)


WORDS = np.where(FACTORS > 1, "large", "small")


@pytest.mark.parametrize(
    "codes, factors, message",
    [
        (TRUE[:50], FACTORS, "same examples.*50, 5.*1728, 5"),
        (TRUE[:, 0], FACTORS, r"codes \[n, d\]"),
        (np.where(TRUE > 1, np.nan, TRUE), FACTORS, "codes must be finite. Received: [0-9]+ values"),
        (TRUE, np.where(FACTORS > 1, np.inf, FACTORS), "factors must be finite"),
        (TRUE, WORDS, "factors must be an array of numbers.*numpy.unique.*Received: <U5"),
        (TRUE, WORDS.tolist(), "factors must be an array of numbers.*Received: list"),
        (TRUE, WORDS.astype(object), "factors must be an array of numbers.*Received: object"),
        (TRUE.astype(str), FACTORS, "codes must be an array of numbers.*Received: <U"),
        (TRUE, FACTORS[:, :1], "at least two factors"),
        (TRUE, FACTORS * [1, 0, 1, 1, 1], r"two values or more.*\[3, 1, 9, 8, 8\]"),
    ],
)
def test_wrong_input_is_named(codes, factors, message):
    for score in (evaluation.mig, evaluation.dci, evaluation.factor_vae_score, evaluation.beta_vae_score):
        with pytest.raises(ValueError, match=message):
            score(codes, factors)


# --- sliders ---


def decode(z):
    """A picture whose left half follows the first latent, and its right half the second."""
    return np.repeat(np.repeat(1 / (1 + np.exp(-z[:, :2])), 4, axis=1)[:, None], 6, axis=1)[..., None]


def test_a_moved_slider_changes_the_code_and_the_picture():
    explorer = widgets.latent_explorer(decode, np.zeros(3), names=["left", "right", "idle"])
    pictures = [explorer.view.value]
    for j, value in ((0, 2.0), (2, 1.0), (0, -2.0)):
        explorer.sliders[j].value = value
        pictures.append(explorer.view.value)
    assert explorer.code.tolist() == [-2, 0, 1] and bytes(pictures[0]).startswith(b"\x89PNG")
    assert pictures[0] != pictures[1] != pictures[3] and pictures[1] == pictures[2], "the third latent is not drawn"
    assert [slider.description for slider in explorer.sliders] == ["left", "right", "idle"]


def test_sliders_for_chosen_latents_leave_the_others_alone():
    start = np.array([0.5, 9.0, 0.5])
    explorer = widgets.latent_explorer(decode, start, latents=[2, 0])
    explorer.sliders[1].value = 1.0
    assert explorer.code.tolist() == [1, 9, 0.5] and start.tolist() == [0.5, 9, 0.5], (
        "a far code is not clipped unasked"
    )
    assert len(widgets.latent_explorer(decode, np.zeros(40)).sliders) == 12
    with pytest.raises(ValueError, match="numbers from 0 to 2"):
        widgets.latent_explorer(decode, start, latents=[3])
    with pytest.raises(ValueError, match="one code"):
        widgets.latent_explorer(decode, np.zeros((1, 3)))
