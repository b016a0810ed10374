"""Anomaly scores against exact values of a linear model, thresholds against their promise, rates against counting."""

from vae_course import evaluation, likelihoods, models, networks, parts, priors

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.metrics import average_precision_score

tfd = tfp.distributions
random = np.random.default_rng(0)
SHAPE, LATENTS = (6,), 2


def vae_of(likelihood="gaussian", outputs=SHAPE, shape=SHAPE, missing=False, **kwargs):
    keras.utils.set_random_seed(1)
    encoder = networks.mlp_encoder(shape, 2 * LATENTS, (5,), missing=missing)
    return models.VAE(encoder, networks.mlp_decoder(LATENTS, outputs, (5,)), likelihood=likelihood, **kwargs)


@pytest.fixture(scope="module")
def linear():
    """x = W z + noise of scale 0.5, with the true posterior for an encoder: log p(x) is that of a normal."""
    weights, scale = random.normal(size=(6, 2)), 0.5
    weights = np.linalg.qr(weights)[0] * np.array([2.0, 1.0])  # orthogonal, so that the true posterior is diagonal
    precision = 1 + np.array([4.0, 1.0]) / scale**2
    encoder, decoder = networks.mlp_encoder(SHAPE, 4, ()), networks.mlp_decoder(2, SHAPE, ())
    deviation = precision**-0.5
    raw = np.log(np.expm1(deviation - parts.MIN_SCALE))
    kernel = np.concatenate([weights / scale**2 / precision, np.zeros((6, 2))], axis=1)
    encoder.set_weights([kernel, np.concatenate([[0, 0], raw])])
    decoder.set_weights([weights.T, np.zeros(6)])
    vae = models.VAE(encoder, decoder, likelihood=likelihoods.Gaussian(scale))
    x = random.normal(size=(300, 6)).astype("float32") * 2
    return vae, x, weights, scale, precision


def test_scores_of_a_linear_model_are_the_exact_ones(linear):
    vae, x, weights, scale, precision = linear
    scores = evaluation.anomaly_scores(vae, x, draws=2000)
    mean = x @ weights / scale**2 / precision
    residual = x - mean @ weights.T
    assert scores["error"] == pytest.approx((residual**2).sum(axis=1), rel=1e-4)
    assert scores["code"] == pytest.approx((mean**2).sum(axis=1), rel=1e-4, abs=1e-5)
    exact = 0.5 * (mean**2 + 1 / precision - 1 + np.log(precision)).sum(axis=1)
    assert scores["kl"] == pytest.approx(exact, rel=1e-3, abs=1e-3)
    evidence = tfd.MultivariateNormalFullCovariance(np.zeros(6), weights @ weights.T + scale**2 * np.eye(6))
    assert scores["elbo"] == pytest.approx(-evidence.log_prob(x.astype("float64")).numpy(), abs=0.25), (
        "at the true posterior the bound is log p(x), but for the noise of the draws"
    )
    spread = (weights**2).sum(axis=0) / precision
    expected = ((residual**2).sum(axis=1) + spread.sum()) / (2 * scale**2) + 6 * np.log(scale * np.sqrt(2 * np.pi))
    assert scores["reconstruction"] == pytest.approx(expected, abs=0.25)


def test_scores_repeat_add_up_and_leave_x_alone(linear):
    vae, x = linear[:2]
    kept = x.copy()
    scores = evaluation.anomaly_scores(vae, x)
    assert set(scores) == {"error", "reconstruction", "kl", "elbo", "code"}
    assert all(value.shape == (300,) and value.dtype.kind == "f" for value in scores.values())
    assert all(np.array_equal(value, scores[name]) for name, value in evaluation.anomaly_scores(vae, x).items())
    assert np.array_equal(x, kept)
    assert scores["elbo"] == pytest.approx(scores["reconstruction"] + scores["kl"], rel=1e-5)
    other = evaluation.anomaly_scores(vae, x, seed=1)
    assert not np.array_equal(other["reconstruction"], scores["reconstruction"])
    assert np.array_equal(other["error"], scores["error"]), "the error takes no draws"


def test_a_score_does_not_depend_on_the_other_rows(linear):
    vae, x = linear[:2]
    whole = evaluation.anomaly_scores(vae, x)
    for rows in ([270, 3, 299], [299]):
        some = evaluation.anomaly_scores(vae, x[rows])
        for name, value in some.items():
            assert value == pytest.approx(whole[name][rows], rel=1e-4), name


def test_odd_rows_score_higher_by_what_makes_them_odd(linear):
    """Off the plane the error rises and the KL does not; along it the KL rises and the error hardly."""
    vae, _, weights = linear[:3]
    off = np.linalg.svd(weights)[0][:, 5]
    near = np.zeros((1, 6))
    x = np.concatenate([near, 3 * off[None], 3 * weights[:, :1].T]).astype("float32")
    scores = evaluation.anomaly_scores(vae, x)
    assert scores["error"][1] > scores["error"][0] + 8 and scores["kl"][1] == pytest.approx(scores["kl"][0], abs=1e-3)
    assert scores["kl"][2] > scores["kl"][0] + 3 and scores["error"][2] < 0.2 * scores["error"][1]
    assert scores["code"][2] > scores["code"][0] + 5


KINDS = {
    "gaussian": (likelihoods.Gaussian("per_feature"), SHAPE, random.normal(size=(40, 6))),
    "bernoulli": (likelihoods.Bernoulli(), SHAPE, random.uniform(size=(40, 6)) > 0.5),
    "decoder": (likelihoods.Gaussian("decoder"), (12,), random.normal(size=(40, 6))),
    "poisson": (likelihoods.Poisson(), SHAPE, random.poisson(2, (40, 6))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_entries_add_up_to_the_scores(kind):
    likelihood, outputs, x = KINDS[kind]
    vae, x = vae_of(likelihood, outputs), x.astype("float32")
    whole, each = evaluation.anomaly_scores(vae, x), evaluation.anomaly_scores(vae, x, per_feature=True)
    for name in ("error", "reconstruction"):
        assert each[name].shape == (40, 6)
        assert each[name].sum(axis=1) == pytest.approx(whole[name], rel=1e-4, abs=1e-4), name
    for name in ("kl", "elbo", "code"):
        assert each[name] == pytest.approx(whole[name], rel=1e-4, abs=1e-4), name


def test_an_entry_that_is_wrong_is_named_by_the_entries(linear):
    vae, x = linear[:2]
    x = 0.2 * x[:20]
    x[np.arange(20), np.arange(20) % 6] += 25
    each = evaluation.anomaly_scores(vae, x, per_feature=True)
    assert np.mean(each["error"].argmax(axis=1) == np.arange(20) % 6) > 0.6


def test_missing_entries_count_nothing():
    vae = vae_of(likelihoods.Gaussian(0.5, missing=True), missing=True)
    x = random.normal(size=(30, 6)).astype("float32")
    x[:, 2] = np.nan
    each = evaluation.anomaly_scores(vae, x, per_feature=True)
    assert np.array_equal(each["error"][:, 2], np.zeros(30)) and not each["reconstruction"][:, 2].any()
    assert each["error"][:, [0, 1, 3, 4, 5]].all()
    whole = evaluation.anomaly_scores(vae, x)
    assert whole["error"] == pytest.approx(each["error"].sum(axis=1), rel=1e-4)
    assert whole["reconstruction"] == pytest.approx(each["reconstruction"].sum(axis=1), rel=1e-4)
    with pytest.raises(ValueError, match="NaN"):
        evaluation.anomaly_scores(vae_of(), x)


def test_columns_have_no_error_where_a_class_is_among_them():
    x = np.concatenate([random.normal(size=(30, 2)), random.integers(0, 3, (30, 1))], axis=1).astype("float32")
    mixed = likelihoods.Columns([(likelihoods.Gaussian(), 2), (likelihoods.Categorical(3), 1)])
    vae = vae_of(mixed, mixed.on((3,)).outputs((3,)), (3,))
    whole, each = evaluation.anomaly_scores(vae, x), evaluation.anomaly_scores(vae, x, per_feature=True)
    assert "error" not in whole
    with pytest.raises(KeyError, match="difference of classes"):
        whole["error"]
    with pytest.raises(KeyError, match="no score 'odd': choose one of kl"):
        whole["odd"]
    assert each["reconstruction"].shape == (30, 3)
    assert each["reconstruction"].sum(axis=1) == pytest.approx(whole["reconstruction"], rel=1e-4)
    numbers = likelihoods.Columns([(likelihoods.Gaussian(), 2), (likelihoods.Poisson(), 1)])
    assert "error" in evaluation.anomaly_scores(vae_of(numbers, numbers.on((3,)).outputs((3,)), (3,)), np.abs(x))


def test_tokens_have_neither_an_error_nor_entries():
    reader = networks.reader(5, 4, 3, units=4, embedding_size=4)
    encoder = networks.recurrent_encoder((5,), 4, units=4, vocabulary=4, embedding_size=4)
    vae = models.VAE(encoder, networks.mlp_decoder(2, (3,), (4,)), likelihood=likelihoods.Tokens(reader))
    x = random.integers(1, 4, (20, 5)).astype("int32")
    scores = evaluation.anomaly_scores(vae, x)
    assert "error" not in scores and np.isfinite(scores["elbo"]).all()
    with pytest.raises(KeyError, match="not made of independent entries"):
        evaluation.anomaly_scores(vae, x, per_feature=True)["reconstruction"]


def test_a_condition_is_heard_row_by_row():
    keras.utils.set_random_seed(0)
    encoder = networks.mlp_encoder(SHAPE, 4, (5,), condition_size=3)
    decoder = networks.mlp_decoder(2, SHAPE, (5,), condition_size=3)
    vae = models.ConditionalVAE(encoder, decoder, likelihood="gaussian", classes=3)
    x, c = random.normal(size=(300, 6)).astype("float32"), random.integers(0, 3, 300)
    scores = evaluation.anomaly_scores(vae, (x, c))
    view = evaluation.anomaly_scores(vae.given(c), x)
    one = evaluation.anomaly_scores(vae.given(2), x)
    for name, value in scores.items():
        assert view[name] == pytest.approx(value, rel=1e-5)
        assert one[name][c == 2] == pytest.approx(value[c == 2], rel=1e-4, abs=1e-4)
        assert not np.allclose(one[name][c != 2], value[c != 2])
    with pytest.raises(ValueError, match="needs a condition"):
        evaluation.anomaly_scores(vae, x)


def test_other_priors_and_models_have_scores_too():
    x = random.normal(size=(30, 6)).astype("float32")
    mixture = vae_of(prior=priors.GaussianMixture(components=3))
    keras.utils.set_random_seed(0)
    deep = models.HierarchicalVAE(
        networks.mlp_encoder(SHAPE, 5, (5,)), networks.mlp_decoder(4, SHAPE, (5,)), (1, 1), likelihood="gaussian"
    )
    for vae in (mixture, deep):
        first, second = (evaluation.anomaly_scores(vae, x) for _ in range(2))
        for name, value in first.items():
            assert value.shape == (30,) and np.array_equal(value, second[name]), name
    log_w = mixture.log_weights(x, 4000, tf.constant([0, 0])).numpy().mean(axis=0)
    assert evaluation.anomaly_scores(mixture, x, draws=4000)["elbo"] == pytest.approx(-log_w, abs=0.3)


def test_what_has_no_scores_says_so():
    x = random.normal(size=(10, 6)).astype("float32")
    plain = models.Autoencoder(networks.mlp_encoder(SHAPE, 2, ()), networks.mlp_decoder(2, SHAPE, ()))
    with pytest.raises(ValueError, match="VAEs and their kin only. Received: Autoencoder"):
        evaluation.anomaly_scores(plain, x)
    vae = vae_of()
    with pytest.raises(ValueError, match=r"\[n, 6\]"):
        evaluation.anomaly_scores(vae, x[:, :4])
    for draws in (0, 2.5, True):
        with pytest.raises(ValueError, match="draws must be"):
            evaluation.anomaly_scores(vae, x, draws=draws)
    vae.decoder.set_weights([np.full_like(weight, np.nan) for weight in vae.decoder.get_weights()])
    with pytest.raises(ValueError, match="must be finite.*10 of 10 examples"):
        evaluation.anomaly_scores(vae, x)


# --- thresholds and rates ---


def test_a_threshold_keeps_its_promise_for_the_next_normal_example():
    """Over many sets of 199 the mean rate is 1 - k / (n + 1) exactly, here 0.05."""
    rates = [
        np.mean(random.normal(size=400) > evaluation.threshold(random.normal(size=199), 0.05)) for _ in range(2000)
    ]
    assert np.mean(rates) == pytest.approx(0.05, abs=0.0025)
    scores = random.permutation(19) + 1.0
    assert evaluation.threshold(scores, 0.05) == 19, "of 19 scores the greatest: the next beats it once in 20"
    assert evaluation.threshold(scores, 0.10) == 18
    assert (
        evaluation.threshold(np.arange(1.0, 100), 0.01) == 99 and evaluation.threshold(np.arange(1.0, 200), 0.5) == 100
    )


def test_too_few_normals_for_a_rate_are_named():
    with pytest.raises(ValueError, match="0.01 false alarms there must be at least 99 normal scores.*Received: 98"):
        evaluation.threshold(random.normal(size=98), 0.01)
    assert np.isfinite(evaluation.threshold(random.normal(size=99), 0.01))
    for rate in (0, 1, -0.1, True, "few"):
        with pytest.raises(ValueError, match="false_alarms must be a share"):
            evaluation.threshold(random.normal(size=200), rate)
    with pytest.raises(ValueError, match="normal_scores must be finite"):
        evaluation.threshold([1.0, np.nan])
    with pytest.raises(ValueError, match=r"\[n\]. Received: shape \[3, 2\]"):
        evaluation.threshold(np.ones((3, 2)))


def test_average_precision_is_that_of_scikit_learn_and_of_copies():
    labels = random.permutation(np.repeat([0, 1], [80, 20]))
    scores = np.round(random.normal(size=100) + labels, 1)  # with ties
    assert evaluation.average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))
    assert evaluation.average_precision(labels > 0, scores, 0.2) == pytest.approx(
        average_precision_score(labels, scores)
    )
    repeated = np.concatenate([np.flatnonzero(labels), *[np.flatnonzero(labels == 0)] * 24])  # 20 of 1940
    expected = average_precision_score(labels[repeated], scores[repeated])
    assert evaluation.average_precision(labels, scores, 20 / 1940) == pytest.approx(expected)
    assert evaluation.average_precision(labels, labels, 0.001) == pytest.approx(1)
    assert evaluation.average_precision(labels, np.zeros(100), 0.03) == pytest.approx(0.03), "chance is the base rate"


def test_wrong_labels_are_named():
    with pytest.raises(ValueError, match="for several kinds of faults pass y > 0.*2"):
        evaluation.average_precision([0, 1, 2], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="both normal"):
        evaluation.average_precision([1, 1], [0.0, 1.0])
    with pytest.raises(ValueError, match="same length"):
        evaluation.average_precision([0, 1], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="base_rate must be a share"):
        evaluation.average_precision([0, 1], [0.0, 1.0], base_rate=1)


def test_point_adjustment_counts_whole_events_for_one_alarm():
    labels = np.array([1, 1, 0, 0, 1, 1, 1, 0, 1])
    alarms = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1])
    kept = alarms.copy()
    adjusted = evaluation.point_adjusted(labels, alarms)
    assert adjusted.tolist() == [0, 0, 1, 0, 1, 1, 1, 0, 1] and np.array_equal(alarms, kept)
    assert np.array_equal(evaluation.point_adjusted(labels, labels), labels)
    assert not evaluation.point_adjusted(labels, np.zeros(9)).any()
    with pytest.raises(ValueError, match="alarms must be 1"):
        evaluation.point_adjusted(labels, alarms + 0.5)


# --- windows ---


def test_windows_hold_their_steps_and_are_copies():
    series = random.normal(size=(23, 2))
    for length, step in ((5, 1), (5, 3), (23, 1), (1, 1), (4, 9)):
        windows = evaluation.sliding_windows(series, length, step)
        starts = range(0, 23 - length + 1, step)
        assert np.array_equal(windows, np.stack([series[start : start + length] for start in starts]))
    windows[:] = 0
    assert series.any() and evaluation.sliding_windows(series[:, 0], 4).shape == (20, 4, 1)
    with pytest.raises(ValueError, match="must fit into the series: 23 steps. Received: length=24"):
        evaluation.sliding_windows(series, 24)
    with pytest.raises(ValueError, match="cut several one by one"):
        evaluation.sliding_windows(random.normal(size=(3, 20, 2)), 4)


def test_steps_get_the_mean_or_the_max_of_their_windows():
    for length, step in ((4, 1), (4, 3), (3, 5)):
        scores = random.normal(size=(20 - length) // step + 1)
        each = random.normal(size=(len(scores), length))
        for how, combine in (("mean", np.mean), ("max", np.max)):
            steps = evaluation.scores_of_steps(scores, length, 20, step, how)
            fine = evaluation.scores_of_steps(each, length, 20, step, how)
            for place in range(20):
                holders = [i for i in range(len(scores)) if step * i <= place < step * i + length]
                wanted = combine(scores[holders]) if holders else np.nan
                assert steps[place] == pytest.approx(wanted, nan_ok=True)
                own = combine([each[i, place - step * i] for i in holders]) if holders else np.nan
                assert fine[place] == pytest.approx(own, nan_ok=True)


def test_scores_of_another_series_are_named():
    with pytest.raises(
        ValueError, match=r"are 17 windows: scores must have shape \[17\], or \[17, 4\]. Received: \[16\]"
    ):
        evaluation.scores_of_steps(np.zeros(16), 4, 20)
    with pytest.raises(ValueError, match="how must be"):
        evaluation.scores_of_steps(np.zeros(17), 4, 20, how="median")
