"""Ways of using the library that its own chapters never take, each of which once went wrong."""

from vae_course import evaluation, flows, layers, likelihoods, networks, posteriors, priors
from vae_course.models import GAN, M2, MADE, RBM, TCVAE, VAE, VAEGAN, Autoencoder, ConditionalVAE, HierarchicalVAE

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from models_under_test import CLASSES, LATENT_SIZE, MODELS, SHAPE, binary, counts, images, labels, table, vae
from test_messages import Frame

tfd = tfp.distributions


def pair(outputs=2 * LATENT_SIZE, condition=0):
    encoder = networks.mlp_encoder(SHAPE, outputs, (8,), condition_size=condition)
    return encoder, networks.mlp_decoder(LATENT_SIZE, SHAPE, (8,), condition_size=condition)


def conditional(**options):
    model = ConditionalVAE(*pair(condition=CLASSES), classes=CLASSES, **options)
    model.compile(jit_compile=False)
    return model


# --- data that is no array at rest ---


def test_an_rbm_takes_what_every_model_takes(tmp_path):
    x = (binary() / 255).astype("float32")
    batches = tf.data.Dataset.from_tensor_slices(x).batch(20)
    rbm = RBM(SHAPE, 4)
    rbm.compile(jit_compile=False)
    rbm.fit(batches, validation_data=batches, verbose=0)
    rbm.fit(x, validation_split=0.2, verbose=0)
    rbm.evaluate(batches, verbose=0)
    assert rbm.predict(x, verbose=0)["free_energy"].shape == (96,)
    rbm.export(tmp_path / "rbm", verbose=False)
    fresh = RBM(SHAPE, 4)
    fresh.compile(jit_compile=False)
    with pytest.raises(ValueError, match="looks at its first examples.*Received: generator"):
        fresh.fit(batch for batch in [x])


def test_a_pair_is_x_and_what_comes_second():
    model, x, c = conditional(), images(), labels()
    again = conditional()
    again.set_weights(model.get_weights())
    assert model.evaluate((x, c), verbose=0) == pytest.approx(again.evaluate(x, c, verbose=0), abs=0.5)
    model.fit((x, c), verbose=0)
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="must be classes 0 to 3"):
            call((x, c + 50))
    with pytest.raises(ValueError, match="needs a condition"):
        model.train_on_batch(x[:32])
    plain = vae()
    plain.compile()
    with pytest.raises(ValueError, match="models x alone"):
        plain.fit((x, c))
    with pytest.raises(ValueError, match="an array of examples.*Received: a dict of 1"):
        plain.fit({"x": x})


def test_weights_of_validation_count_on_every_path():
    x, nothing = images(), np.zeros(96)
    model = vae()
    model.compile(jit_compile=False)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(32)
    for data, options in ((x, {}), (x, {"steps_per_epoch": 2}), (batches, {})):
        history = model.fit(data, validation_data=(x, None, nothing), verbose=0, **options).history
        assert history["val_elbo"] == [0.0], options


def test_arguments_mean_the_same_by_place_and_by_name():
    model, x = vae(), images(40)
    model.compile(jit_compile=False)
    model.fit(x, batch_size=32, verbose=0)
    by_name = int(model.optimizer.iterations.numpy())
    model.fit(x, None, 32, 1, 0)
    model.fit(x, batch_size=32, verbose=0, steps_per_epoch=None)
    assert int(model.optimizer.iterations.numpy()) == 3 * by_name == 3
    with pytest.raises(ValueError, match="class_weight needs labels"):
        model.fit(x, class_weight={0: 2.0})
    with pytest.raises(ValueError, match="comes in batches of its own"):
        model.fit(tf.data.Dataset.from_tensor_slices(x).batch(8), batch_size=7)


def test_a_frame_of_several_kinds_of_numbers_is_a_table():
    model = VAE(networks.mlp_encoder((2,), 4, (8,)), networks.mlp_decoder(2, (2,), (8,)), likelihood="gaussian")
    model.compile(jit_compile=False)
    frame = Frame(age=table()[:, 0], smoker=table()[:, 1] > 0)
    frame.to_numpy = lambda: np.stack([frame[name].to_numpy().astype(object) for name in frame.columns], axis=1)
    model.fit(frame, verbose=0)
    assert model.encode(frame).shape == (96, 2)


def test_what_is_to_be_given_back_has_the_shape_of_examples():
    x = images()
    model = Autoencoder(networks.mlp_encoder(SHAPE, 3, (8,)), networks.mlp_decoder(3, SHAPE, (8,)))
    model.compile(jit_compile=False)
    with pytest.raises(ValueError, match=r"what is to be given back, must have shape \[n, 8, 8, 1\].*Received: \[96\]"):
        model.fit(x, labels())
    with pytest.raises(ValueError, match="must be finite"):
        model.fit(x, np.full(x.shape, np.nan, "float32"))
    model.fit(x, x[::-1], verbose=0)


def test_bytes_are_pixels_or_numbers_and_never_both():
    columns = likelihoods.Columns([("bernoulli", 2), ("poisson", 1)])
    model = VAE(networks.mlp_encoder((3,), 4, (8,)), networks.mlp_decoder(2, (3,), (8,)), likelihood=columns)
    model.compile()
    with pytest.raises(ValueError, match=r"x\[:, 0:2\] must lie in \[0, 1\]"):
        model.evaluate(np.array([[255, 0, 3], [7, 1, 2]] * 20, "uint8"))
    encoder, decoder = networks.mlp_encoder((5,), 4, (8,)), networks.mlp_decoder(2, (5,), (8,))
    for start in (counts()[:10].astype("uint8"), counts()[:10]):
        prior = priors.VampPrior(start)
        if start.dtype == np.uint8:
            with pytest.raises(ValueError, match="Bytes are pixels to a VampPrior"):
                VAE(encoder, decoder, prior=prior, likelihood="poisson")
        else:
            np.testing.assert_allclose(
                VAE(encoder, decoder, prior, likelihood="poisson").prior_part.pseudo_inputs, start
            )


def test_weights_and_seeds_are_numbers_that_can_be_used():
    model = vae()
    model.compile()
    weights = np.ones(96)
    weights[3] = np.nan
    with pytest.raises(ValueError, match="sample_weight must be finite"):
        model.fit(images(), sample_weight=weights)
    for name in ("vae", "gan", "rbm"):
        with pytest.raises(ValueError, match=r"seed must be below 2\*\*31. Received: 2147483648"):
            MODELS[name]().sample(2, seed=2**31)
    with pytest.raises(ValueError, match="fill sequences up"):
        model.fit([[1, 2, 3], [4, 5]])


# --- optimizers ---


@pytest.mark.parametrize("name", ["Adam", "Nadam", "Adagrad", "Ftrl", "scaled"])
def test_start_from_is_a_new_start_under_any_optimizer(name):
    def optimizer():
        if name == "scaled":
            return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01))
        return getattr(keras.optimizers, name)(0.01)

    def losses(model):
        keras.utils.set_random_seed(3)
        return model.fit(images(), epochs=2, shuffle=False, verbose=0).history["loss"]

    used, new, fresh = vae(), vae(), vae()
    for model in (used, new):
        model.compile(optimizer(), jit_compile=False)
    used.fit(images(), epochs=2, verbose=0)
    used.start_from(fresh)
    new.start_from(fresh)
    np.testing.assert_allclose(losses(used), losses(new), rtol=1e-6)


@pytest.mark.parametrize("name", ["gan", "vaegan"])
def test_a_scaled_loss_takes_the_same_steps(name):
    moved = {}
    for scaled in (False, True):
        keras.utils.set_random_seed(0)
        model = MODELS[name]()
        begun = model.get_weights()
        players = [keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)]
        model.compile(*(map(keras.optimizers.LossScaleOptimizer, players) if scaled else players), jit_compile=False)
        keras.utils.set_random_seed(1)
        model.fit(images(32), batch_size=32, shuffle=False, verbose=0)
        moved[scaled] = [after - before for after, before in zip(model.get_weights(), begun)]
    for plain, scaled in zip(moved[False], moved[True]):
        np.testing.assert_allclose(scaled, plain, atol=1e-4)
    assert max(np.abs(change).max() for change in moved[True]) > 1e-3


def test_players_obey_the_regularization_of_their_networks():
    dense = keras.layers.Dense
    sizes = {}
    for weight in (0.0, 10.0):
        keras.utils.set_random_seed(0)
        generator = keras.Sequential([keras.Input((2,)), dense(5)])
        critic = keras.Sequential([keras.Input((5,)), dense(1, kernel_regularizer=keras.regularizers.L2(weight))])
        gan = GAN(generator, critic, output="linear")
        gan.compile(keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.01), jit_compile=False)
        gan.fit(table(), epochs=5, verbose=0)
        sizes[weight] = float(np.abs(critic.layers[0].kernel).mean())
    assert sizes[10.0] < 0.5 * sizes[0.0]


def test_adversarial_models_refuse_what_they_cannot_use():
    gan = MODELS["gan"]()
    gan.compile(jit_compile=False)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\] for a generator with output='sigmoid'"):
        gan.fit(images().astype("float32"))
    for call in (lambda w: gan.fit(images(), sample_weight=w), lambda w: gan.fit((images(), None, w))):
        with pytest.raises(ValueError, match="no use for sample_weight"):
            call(np.ones(96))
    gan.fit(images(), verbose=0)  # the refusal has left nothing behind
    critic = networks.mlp_encoder(SHAPE, 1, (8, 8))
    with pytest.raises(ValueError, match="gamma must be a finite number"):
        VAEGAN(*pair(), critic, gamma=-3.0)
    with pytest.raises(ValueError, match="latents of a model that encodes"):
        evaluation.active_units(gan, images())


# --- flows ---


def test_masked_networks_can_be_exported(tmp_path):
    made = MADE(SHAPE, (8,))
    made.export(tmp_path / "made", verbose=False)
    flow = VAE(*pair(), prior=priors.FlowPrior([flows.Autoregressive(LATENT_SIZE)]))
    flow.export(tmp_path / "flow", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "flow"))
    x = (images(4) / 255).astype("float32")
    np.testing.assert_allclose(served.encode(x), flow.encode(x), atol=1e-5)


@pytest.mark.parametrize("step", ["coupling", "autoregressive"])
def test_flows_train_in_mixed_precision(step):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        options = {"posterior": posteriors.FlowPosterior([flows.Autoregressive(LATENT_SIZE, 3, direction="sampling")])}
        if step == "coupling":
            options = {"prior": priors.FlowPrior([flows.Coupling(LATENT_SIZE)])}
        model = VAE(*pair(2 * LATENT_SIZE + 3 * (step != "coupling")), **options)
        model.compile(jit_compile=False)
        assert np.isfinite(model.fit(images(), verbose=0).history["loss"]).all()
    finally:
        keras.mixed_precision.set_global_policy("float32")


# --- conditions ---


def test_a_condition_for_each_example_is_cut_as_the_examples_are():
    model, x, c = conditional(), images(230), labels(230)
    view = model.given(c)
    by_view, by_pair = (evaluation.log_likelihood(*of, k=5) for of in ((view, x), (model, (x, c))))
    np.testing.assert_allclose(by_view.per_example, by_pair.per_example, rtol=1e-5)
    many, more = images(1100), labels(1100)
    np.testing.assert_allclose(
        evaluation.kl_per_dimension(model.given(more), many),
        evaluation.kl_per_dimension(model, (many, more)),
        rtol=1e-5,
    )
    assert evaluation.diagnose(model.given(more), many).examples == 1000


def test_a_likelihood_of_ones_own_hears_the_condition():
    class Own(ConditionalVAE):
        def likelihood(self, z, c=None):
            return tfd.Independent(tfd.Normal(self.decoder_output(z, c), 1.0), 3)

    assert Own(*pair(condition=CLASSES), classes=CLASSES).given(2).sample(3).shape == (3, *SHAPE)


def test_labels_of_any_width_are_labels():
    model = MODELS["m2"]()
    model.compile(jit_compile=False)
    assert isinstance(model, M2)
    model.fit(images(), (labels() % 3).astype("int16"), verbose=0)


# --- subclasses ---


def test_an_argument_that_the_file_would_forget_is_told(tmp_path, recwarn):
    class Mine(VAE):
        def __init__(self, encoder, decoder, gamma=1.0, **options):
            super().__init__(encoder, decoder, **options)
            self.gamma = gamma

    with pytest.warns(UserWarning, match=r"will not hold gamma of this Mine.*'gamma': self.gamma"):
        Mine(*pair(), gamma=9.0).save(tmp_path / "mine.keras")
    recwarn.clear()
    model = vae()
    model.compile()
    model.save(tmp_path / "vae.keras")
    keras.saving.load_model(tmp_path / "vae.keras")
    assert not [warning for warning in recwarn if "Skipping variable loading" in str(warning.message)]


def test_terms_and_outputs_that_do_not_fit_are_told():
    class Short(VAE):
        terms = (*VAE.terms, "extra")

    model = Short(*pair())
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"must give every term.*without \['extra'\]"):
        model.fit(images(), verbose=0)

    class Constant(posteriors.Posterior):
        def outputs(self, latent_size):
            return 5

    with pytest.raises(ValueError, match="must grow with latent_size. Received: 5 for 1 latents, 5 for 2"):
        VAE(*pair(), posterior=Constant())


# --- numbers that were wrong without a word ---


def dense(inputs, outputs):
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs)])


def rows(n=64):
    return (np.random.default_rng(0).random((n, 3)) > 0.5).astype("float32")


def test_the_noise_of_a_draw_is_not_that_of_its_code():
    networks_of_c = (
        networks.mlp_encoder((3,), 6, (4,), condition_size=2),
        networks.mlp_decoder(3, (3,), (4,), condition_size=2),
    )
    view = ConditionalVAE(*networks_of_c, likelihood=likelihoods.Gaussian(1.0)).given(np.ones((400, 2), "float32"))
    noise = view.sample(400, seed=5, noise=True) - view.sample(400, seed=5)
    z = view._draw_codes(400, tf.constant([5, 0])).numpy()
    assert all(abs(np.corrcoef(noise[:, i], z[:, i])[0, 1]) < 0.2 for i in range(3))
    plain = VAE(dense(2, 4), dense(2, 2), likelihood="gaussian")
    plain.decoder.set_weights([0 * weight for weight in plain.decoder.get_weights()])
    noise = plain.sample(50, noise=True)
    assert abs(noise - plain.sample(50, noise=True)).max() > 0.1
    next_codes = plain.prior().sample(50, seed=plain._seed() - [0, 1]).numpy()
    assert abs(noise - next_codes).max() > 0.1, "nor that of the next call"


def test_every_example_counts_in_a_report_of_two_players():
    critic = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    model = VAEGAN(dense(3, 4), dense(2, 3), critic)
    model.compile(jit_compile=False)
    x = rows(33)
    x[-1] = 1.0
    by_size = [model.evaluate(x, batch_size=n, verbose=0, return_dict=True)["kl"] for n in (32, 33)]
    assert by_size[0] == pytest.approx(by_size[1], rel=1e-5)
    assert by_size[0] == pytest.approx(VAE(model.encoder, model.decoder)(x)["kl"].numpy().mean(), rel=1e-5)


def test_bytes_between_the_levels_of_a_likelihood_are_told():
    x = np.arange(256, dtype="uint8")
    for levels in (2, 16):
        with pytest.raises(ValueError, match="0 or 1" if levels == 2 else "grid 0, 1/15"):
            likelihoods.CategoricalPixels(levels).check(x)
        likelihoods.CategoricalPixels(levels).check((np.arange(levels) * (255 // (levels - 1))).astype("uint8"))
    likelihoods.DiscretizedLogistic().check(x)


def test_one_example_alone_has_no_total_correlation():
    model = TCVAE(dense(3, 4), dense(2, 3), train_size=60_000)
    model.compile(jit_compile=False)
    terms = model.evaluate(rows(1), verbose=0, return_dict=True)
    assert (terms["total_correlation"], terms["index_code_mi"]) == pytest.approx((0, 0), abs=1e-5)


def test_a_hierarchy_trains_for_the_likelihood_that_it_was_given():
    class Real(HierarchicalVAE):
        def likelihood(self, z, c=None):
            return tfd.Independent(tfd.Normal(self.decoder_output(z, c), 1.0), 1)

    model = Real(dense(3, 8), dense(8, 3), latent_sizes=(2, 2), hidden=8)
    model.compile(jit_compile=False)
    x = (5 * np.random.default_rng(0).normal(size=(64, 3))).astype("float32")
    elbo = np.mean([model(x)["elbo"].numpy().mean() for _ in range(20)])
    assert elbo < evaluation.log_likelihood(model, x, k=100).mean, "a bound lies below"
    model.decoder.set_weights([0 * weight for weight in model.decoder.get_weights()])
    expected = tfd.Normal(0.0, 1.0).log_prob(x).numpy().sum(axis=1)
    np.testing.assert_allclose(model(x)["reconstruction"], expected, rtol=1e-5)


def test_counts_stay_counts_in_a_vaegan():
    critic = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    model = VAEGAN(dense(3, 4), dense(2, 3), critic, likelihood="poisson")
    model.compile(jit_compile=False)
    x = np.random.default_rng(0).poisson(3, (32, 3))
    kls = [model.evaluate(x.astype(kind), verbose=0, return_dict=True)["kl"] for kind in ("uint8", "float32")]
    assert kls[0] == pytest.approx(kls[1], rel=1e-5)


def test_examples_of_weight_zero_start_no_chain_of_an_rbm():
    x = np.repeat([[1.0], [0.0]], 32, axis=0).astype("float32")
    trained = []
    for examples, weights in ((x, 2 * x[:, 0]), (x[:32], None)):
        rbm = RBM((1,), 1, persistent=False, centered=False)
        rbm.set_weights_and_biases([[20.0]], [-10.0], [-10.0])
        rbm.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        rbm.fit(examples, sample_weight=weights, batch_size=64, epochs=5, verbose=0)
        trained.append(np.concatenate([part.ravel() for part in rbm.weights_and_biases()]))
    np.testing.assert_allclose(*trained, atol=1e-4)


def test_a_decoder_that_starts_at_the_rates_of_the_data_draws_as_many():
    random = np.random.default_rng(0)
    topics, shares = random.dirichlet(np.full(40, 0.2), 3), random.dirichlet([0.5] * 3, 700)
    x = np.stack([random.multinomial(60, share @ topics) for share in shares]).astype("float32")
    total, drawn, losses = x.sum(axis=1, keepdims=True), [], []
    for started in (False, True):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((40,))
        encoder = keras.Model(inputs, networks.mlp_encoder((40,), 6)(keras.ops.log1p(inputs)))
        model = ConditionalVAE(encoder, networks.mlp_decoder(3, (40,)), likelihood=likelihoods.Poisson(exposure=0))
        if started:
            model.decoder.layers[-2].bias.assign(np.log((x.sum(axis=0) + 0.5) / total.sum()))
        model.compile()
        losses.append(model.fit(x, total, epochs=40, verbose=0).history["loss"][-1])
        drawn.append(model.given([60.0]).sample(300, seed=0).sum(axis=1).mean())
    assert drawn[0] > 120 and abs(drawn[1] - 60) < 5, "words of a document: 60 were asked for"
    assert losses[1] < losses[0] - 2


# --- what is set after a fit ---


def moved(model, x):
    before = [weight.copy() for weight in model.get_weights()]
    model.fit(x, verbose=0)
    return [float(abs(old - new).max()) for old, new in zip(before, model.get_weights())]


def test_an_optimizer_a_schedule_and_a_frozen_layer_are_obeyed():
    x = rows()
    model = VAE(dense(3, 4), dense(2, 3))
    assert model.predict(x, verbose=0)["elbo"].shape == (64,), "before there is an optimizer at all"
    model.compile(keras.optimizers.SGD(0.1))
    assert max(moved(model, x)) > 0
    model.optimizer = keras.optimizers.SGD(0.0)
    assert max(moved(model, x)) == 0
    model.compile(keras.optimizers.SGD(0.1))
    assert max(moved(model, x)) > 0
    model.optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(0.0, 10, 0.5)
    assert max(moved(model, x)) == 0
    model.compile(keras.optimizers.Adam(0.1))
    moved(model, x)
    model.encoder.trainable = False
    encoder = model.encoder.get_weights()
    assert max(moved(model, x)) > 0
    assert all((old == new).all() for old, new in zip(encoder, model.encoder.get_weights()))
    model.encoder.trainable = True
    moved(model, x)
    assert any((old != new).any() for old, new in zip(encoder, model.encoder.get_weights()))


def test_a_property_of_a_subclass_is_obeyed():
    class Weighed(VAE):
        _gamma = 1.0

        @property
        def gamma(self):
            return self._gamma

        @gamma.setter
        def gamma(self, value):
            self._gamma = value

        def objective(self, terms):
            return self.gamma * super().objective(terms)

    model = Weighed(dense(3, 4), dense(2, 3))
    model.compile(jit_compile=False)
    loss = model.evaluate(rows(), verbose=0, return_dict=True)["loss"]
    model.gamma = 100.0
    assert model.evaluate(rows(), verbose=0, return_dict=True)["loss"] == pytest.approx(100 * loss, rel=1e-4)


# --- what is refused, and in which words ---


def test_more_that_does_not_fit_is_told(recwarn):
    x = rows()
    plain = VAE(dense(3, 4), dense(2, 3))
    plain.compile(jit_compile=False)
    plain.fit(x, validation_data=x.tolist(), verbose=0)
    plain.fit(x, validation_data=[x], verbose=0)
    with pytest.raises(ValueError, match=r"to_tensor\(shape"):
        plain.fit(tf.ragged.constant([[1.0], [1.0, 2.0]]))
    autoencoder = Autoencoder(dense(3, 2), dense(2, 3))
    autoencoder.compile()
    with pytest.raises(ValueError, match="class_weight needs labels"):
        autoencoder.fit(x, x, class_weight={0: 0.0})
    code_map = priors.CodeMap(2, 2)
    code_map.compile()
    with pytest.raises(ValueError, match="no use for sample_weight"):
        code_map.fit(np.int32([[0, 1]]), sample_weight=np.ones(1))
    model = conditional()
    with pytest.raises(ValueError, match=r"c.astype\(int\)"):
        model.fit(binary(), labels().astype("float32"))
    with pytest.raises(ValueError, match=r"np.unique"):
        model.fit(binary(), labels().astype(str))
    with pytest.raises(ValueError, match=r"sample\(2\)"):
        model.given([1, 0]).sample(4)
    assert not recwarn
    counts_of_pages = VAE(dense(3, 4), dense(2, 3), likelihood="poisson")
    counts_of_pages.compile(jit_compile=False)
    with pytest.warns(UserWarning, match="no longer a finite number"):
        counts_of_pages.fit((1e6 * x).astype("int64"), epochs=3, verbose=0)


def test_bytes_can_be_binarized():
    x = np.uint8([[0, 255]] * 100)
    np.testing.assert_array_equal(layers.Binarize(seed=0)(x, training=True), x / 255)
