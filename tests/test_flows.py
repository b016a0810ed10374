"""Flows: the inverse is the inverse, the Jacobian is autodiff's and has the promised shape, and every weight learns."""

from vae_course import flows, posteriors, priors
from vae_course.models import VAE

import keras
import numpy as np
import pytest
import tensorflow as tf
from models_under_test import hierarchical, images, vae

FLOWS = {
    "planar": lambda: flows.Planar(4),
    "coupling": lambda: flows.Coupling(4, hidden=(8,)),
    "coupling, odd, flipped": lambda: flows.Coupling(5, hidden=(8,), flip=True),
    "coupling, context": lambda: flows.Coupling(4, context_size=3, hidden=(8,)),
    "maf": lambda: flows.Autoregressive(4, hidden=(16,)),
    "maf, two layers": lambda: flows.Autoregressive(4, hidden=(16, 16)),
    "iaf, context, flipped": lambda: flows.Autoregressive(4, 3, (16,), direction="sampling", flip=True),
    "one latent": lambda: flows.Autoregressive(1),
    "no hidden layer": lambda: flows.Autoregressive(4, hidden=()),
}


def shaken(flow, size=0.7):
    """With weights far from the start, where it is nearly the identity."""
    random = np.random.default_rng(1)
    for weight in flow.trainable_weights:
        weight.assign(random.normal(size=weight.shape) * size)
    return flow


def context_of(flow, n=6):
    return tf.random.stateless_normal([n, flow.context_size], [1, 2]) if flow.context_size else None


def jacobians(flow, z, context):
    """d f(z) / d z for each example, [n, d, d], by automatic differentiation; rows are outputs."""
    found = []
    for i in range(len(z)):
        bijector = flow.bijector(None if context is None else context[i : i + 1])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(point := z[i])
            moved = bijector.forward(point[None])[0]
        found.append(tape.jacobian(moved, point, experimental_use_pfor=False).numpy())
    return np.array(found)


@pytest.mark.parametrize("name", FLOWS)
def test_the_inverse_undoes_the_map_and_the_determinant_is_that_of_autodiff(name):
    keras.utils.set_random_seed(0)
    flow = shaken(FLOWS[name]())
    z, context = tf.random.stateless_normal([6, flow.latent_size], [3, 4]), context_of(flow)
    moved = flow.bijector(context).forward(z)
    assert np.abs(moved - z).max() > 0.1, "a test of something that moves"
    np.testing.assert_allclose(flow.bijector(context).inverse(tf.identity(moved)), z, atol=1e-4)  # identity: no cache
    _, exact = np.linalg.slogdet(jacobians(flow, z, context))
    np.testing.assert_allclose(flow.bijector(context).forward_log_det_jacobian(z, 1), exact, atol=1e-4)
    np.testing.assert_allclose(
        flow.bijector(context).inverse_log_det_jacobian(tf.identity(moved), 1), -exact, atol=1e-3
    )
    many = tf.random.stateless_normal([7, 6, flow.latent_size], [5, 6])
    assert flow.bijector(context).forward(many).shape == many.shape, "leading sample axes"


@pytest.mark.parametrize("name", FLOWS)
def test_the_seed_decides_every_first_weight_and_no_two_flows_start_alike(name):
    def first_weights(seed):
        keras.utils.set_random_seed(seed)
        return [weight.numpy() for flow in (FLOWS[name](), FLOWS[name]()) for weight in flow.trainable_weights]

    once, again, other = first_weights(1), first_weights(1), first_weights(2)
    for a, b, c in zip(once, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not a.any() or (a != c).any()
    half = len(once) // 2
    assert all((a != b).any() for a, b in zip(once[:half], once[half:]) if a.any())
    if name == "planar":
        assert (once[0] != once[1]).any(), "w and u are two draws"


@pytest.mark.parametrize("name", ["maf", "maf, two layers", "no hidden layer"])
def test_an_autoregressive_jacobian_is_triangular(name):
    flow = shaken(FLOWS[name]())
    z = tf.random.stateless_normal([6, 4], [3, 4])
    found = jacobians(flow, z, None)
    assert np.abs(np.triu(found, 1)).max() < 1e-6, "output i must not see the inputs after i"
    below = np.abs(np.tril(found, -1)).max(axis=0)[np.tril_indices(4, -1)]
    assert (below > 1e-4).all(), "and must see all those before it"


def test_a_coupling_leaves_one_half_alone_and_flip_the_other():
    z = tf.random.stateless_normal([6, 4], [3, 4])
    for flip, still, moving in ((False, slice(0, 2), slice(2, 4)), (True, slice(2, 4), slice(0, 2))):
        moved = shaken(flows.Coupling(4, hidden=(8,), flip=flip)).bijector().forward(z)
        np.testing.assert_array_equal(moved[:, still], z[:, still])
        assert np.abs(moved - z)[:, moving].min() > 1e-5


def test_a_planar_flow_stays_invertible_whatever_its_weights():
    for seed in range(20):
        flow = flows.Planar(3)
        random = np.random.default_rng(seed)
        for weight in flow.trainable_weights:
            weight.assign(5 * random.normal(size=weight.shape))
        z = tf.constant(random.normal(size=(50, 3)) * 3, tf.float32)
        assert np.isfinite(flow.bijector().forward_log_det_jacobian(z, 1)).all()
        moved = flow.bijector().forward(z)
        back = flow.bijector().inverse(tf.identity(moved))
        np.testing.assert_allclose(flow.bijector().forward(tf.identity(back)), moved, atol=1e-3)


def test_gradients_pass_through_the_searched_inverse():
    flow = shaken(flows.Planar(2))
    y = tf.constant([[0.3, -0.8]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(y)
        z = flow.bijector().inverse(y)
    by_inverse = tape.jacobian(z, y, experimental_use_pfor=False)[0, :, 0]
    np.testing.assert_allclose(by_inverse, np.linalg.inv(jacobians(flow, z, None)[0]), atol=1e-3)


def test_a_chain_applies_the_first_flow_first_and_the_empty_chain_nothing():
    first, second = shaken(flows.Coupling(4)), shaken(flows.Planar(4))
    z = tf.random.stateless_normal([6, 4], [3, 4])
    expected = second.bijector().forward(first.bijector().forward(z))
    np.testing.assert_allclose(flows.chain([first, second]).forward(z), expected, atol=1e-6)
    np.testing.assert_array_equal(flows.chain([]).forward(z), z)


def test_a_density_sent_through_flows_still_adds_up_to_one():
    prior = priors.FlowPrior([shaken(flows.Coupling(2, flip=bool(i % 2)), 0.4) for i in range(3)]).on((2,))
    line = np.linspace(-12, 12, 400, dtype="float32")
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    total = np.exp(prior.distribution().log_prob(grid)).sum() * (line[1] - line[0]) ** 2
    assert total == pytest.approx(1, abs=0.02)


def test_no_flows_are_exactly_the_plain_vae():
    def run(**options):
        keras.utils.set_random_seed(3)
        model = vae(**options)
        model.compile(keras.optimizers.Adam(0.01))
        return model.fit(images(), epochs=2, verbose=0).history["loss"], model.get_weights()

    (loss, weights) = run()
    for options in ({"posterior": posteriors.FlowPosterior()}, {"prior": priors.FlowPrior()}):
        other_loss, other_weights = run(**options)
        if "posterior" in options:
            assert other_loss == loss
            for ours, theirs in zip(other_weights, weights, strict=True):
                np.testing.assert_array_equal(ours, theirs)
        else:  # the same distribution in another family: its KL is estimated, so only the terms at a sample agree
            assert other_loss == pytest.approx(loss, rel=0.05)


def test_wrong_flows_are_refused():
    with pytest.raises(ValueError, match="two latents or more.*1"):
        flows.Coupling(1)
    with pytest.raises(ValueError, match="direction.*'fast'"):
        flows.Autoregressive(3, direction="fast")
    with pytest.raises(ValueError, match="takes no context.*2"):
        flows.Planar(3, context_size=2)
    with pytest.raises(ValueError, match="needs a context. Received: None"):
        flows.Coupling(4, context_size=3).bijector()
    with pytest.raises(ValueError, match="Flows of 4 latents need 8 encoder outputs. Received: 6"):
        vae(posterior=posteriors.FlowPosterior([flows.Coupling(4)]))
    with pytest.raises(ValueError, match=r"same latent_size. Received: \[3, 4\]"):
        posteriors.FlowPosterior([flows.Coupling(4), flows.Coupling(3)])
    with pytest.raises(ValueError, match=r"same context_size. Received: \[0, 1\]"):
        posteriors.FlowPosterior([flows.Coupling(4), flows.Coupling(4, context_size=1)])
    for flow, sizes in ((flows.Coupling(3, context_size=2), r"\(3, 2\)"), (flows.Coupling(4), r"\(4, 0\)")):
        with pytest.raises(ValueError, match=rf"model's 3 latents and no context. Received: .*\[{sizes}\]"):
            vae(prior=priors.FlowPrior([flow]))
    with pytest.raises(ValueError, match="posterior over 1, 2, 3, ... latents needs 5, 7, 9.*Received: 6 outputs"):
        vae(posterior=posteriors.FlowPosterior([flows.Coupling(3, context_size=3)]))
    with pytest.raises(ValueError, match="posterior must be a name .*or a Posterior.*Dense"):
        vae(posterior=keras.layers.Dense(3))


# --- the VampPrior ---


def test_a_vamp_prior_is_the_mixture_of_its_posteriors():
    model = vae(prior=priors.VampPrior(images(5)))
    z = tf.random.stateless_normal([7, 3], [1, 2])
    each = model.posterior(model.prior_part.pseudo_inputs).log_prob(z[:, None])
    np.testing.assert_allclose(model.prior().log_prob(z), np.logaddexp.reduce(each, axis=1) - np.log(5), atol=1e-4)
    start = np.clip(images(5) / 255, 0.02, 0.98)
    np.testing.assert_allclose(model.prior_part.pseudo_inputs, start, atol=1e-5)
    with pytest.raises(ValueError, match=r"pseudo_inputs must be examples \[K, 8, 8, 1\].*Received: .*\[5, 3\]"):
        vae(prior=priors.VampPrior(np.zeros((5, 3))))


# --- groups of latents ---


def test_the_kl_of_the_groups_is_that_of_the_whole_on_average():
    keras.utils.set_random_seed(0)
    model, x = hierarchical(), images(400)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * keras.random.normal(weight.shape, seed=1))
    terms = {name: float(np.mean(value)) for name, value in model(x).items()}
    assert terms["kl_1"] + terms["kl_2"] + terms["kl_3"] == pytest.approx(terms["kl"], rel=1e-5)
    assert terms["kl"] > 0.3, "a test of something that is not zero"
    log_w = model.log_weights(x, 50).numpy()
    assert log_w.mean() == pytest.approx(terms["elbo"], abs=0.15), "the mean log-weight is the ELBO"


def test_one_group_is_a_plain_vae():
    keras.utils.set_random_seed(0)
    model, x = hierarchical(latent_sizes=(3,)), images(50)
    posterior, prior = model.posteriors[0], model.prior()
    parameters = posterior(model.encoder(x / np.float32(255)))
    mean, raw = np.split(parameters.numpy(), 2, axis=1)
    scale = np.log1p(np.exp(raw)) + 1e-3
    exact = 0.5 * (mean**2 + scale**2 - 1 - 2 * np.log(scale)).sum(axis=1)
    np.testing.assert_allclose(model(x)["kl"], exact, atol=1e-4)
    np.testing.assert_allclose(model.encode(x), mean, atol=1e-5)
    z = tf.random.stateless_normal([4, 3], [1, 2])
    np.testing.assert_allclose(prior.log_prob(z), VAE.prior(vae()).log_prob(z), atol=1e-5)


def test_lower_groups_depend_on_those_above_and_not_the_other_way_round():
    keras.utils.set_random_seed(0)
    model = hierarchical(latent_sizes=(2, 1, 2))
    z = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    again = model.resample(z, [2], seed=1)
    assert (again[:, [0, 1, 3, 4]] == z[:, [0, 1, 3, 4]]).all() and (again[:, 2] != z[:, 2]).all()
    for weight in model.priors[0].trainable_weights:
        weight.assign(weight + 1.0)
    other = model.resample(z, [2], seed=1)
    assert (other[:, 2] != again[:, 2]).all(), "its prior has moved"
    top = model.resample(z, [1], seed=1)
    assert (top[:, 2:] == z[:, 2:]).all() and (top[:, :2] != z[:, :2]).all()
    with pytest.raises(ValueError, match=r"lie in 1 to 3. Received: \[0\]"):
        model.resample(z, [0])


def test_groups_have_free_bits_that_obey_changes():
    keras.utils.set_random_seed(0)
    model = hierarchical()
    model.compile()
    model.free_bits = 20.0
    history = model.fit(images(), verbose=0).history
    assert history["paid_kl"][0] == pytest.approx(60, rel=1e-5) and history["kl"][0] < 60
    with pytest.raises(ValueError, match="at least 0 nats.*-1"):
        model.free_bits = -1


def test_wrong_groups_are_refused():
    with pytest.raises(ValueError, match="at least one size"):
        hierarchical(latent_sizes=())
    with pytest.raises(ValueError, match="each of latent_sizes must be at least 1. Received: 0"):
        hierarchical(latent_sizes=(2, 0))
    with pytest.raises(ValueError, match="full_gaussian"):
        hierarchical(posterior="full_gaussian")
