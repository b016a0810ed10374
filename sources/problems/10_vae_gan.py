# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 10. GAN and VAE-GAN
#
# Read [chapter 10](../../chapters/10_vae_gan.ipynb) first. The whole notebook computes for less than half a minute.
# **Time:** about 60 minutes. **Points:** 18.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
# vae_course is imported first: it sets TensorFlow's options.
from vae_course import datasets, evaluation, networks

import numpy as np
import tensorflow as tf

random = np.random.default_rng(0)


def softplus(a):
    return np.logaddexp(0, a)

# %% [markdown]
# ## Exercise 1. The best discriminator (4 points, 12 minutes)
#
# Let $x$ take one of $m$ values, with probability `p` in the data and `p_g` under the generator, none of them zero. Which logit makes
# the discriminator's loss (equation 10.1) smallest at each value, and how small does the loss become?

# %% nbgrader={"grade_id": "best-answer", "solution": true}
def best_discriminator(p, p_g):
    """(logits [m] with the smallest loss, that loss in nats), for probabilities p, p_g [m]."""
    ### BEGIN SOLUTION
    logits = np.log(p) - np.log(p_g)
    return logits, np.sum(p * softplus(-logits) + p_g * softplus(logits))
    ### END SOLUTION

# %% nbgrader={"grade_id": "best-check", "grade": true, "points": 2}
def loss_of(logits, p, p_g):
    return np.sum(p * softplus(-logits) + p_g * softplus(logits))


p, p_g = random.dirichlet(np.ones(6), size=2)
kept = np.array([p, p_g])
answer = best_discriminator(p, p_g)
assert np.array_equal([p, p_g], kept), "your function changes the probabilities it is given"
assert isinstance(answer, (tuple, list)) and len(answer) == 2, (
    "return two things: the logits, and the loss"
)
logits, loss = np.asarray(answer[0]), answer[1]
assert np.shape(logits) == (6,) and np.ndim(loss) == 0, "a logit for each value, and one loss"
assert np.min(logits) < 0 or np.max(logits) > 1, (
    "these look like probabilities: which logit has that probability?"
)
assert np.all((logits > 0) == (p > p_g)), (
    "a logit is positive where the data are more likely than the generator"
)
for change in 0.05 * random.normal(size=(20, 6)):
    assert loss_of(logits + change, p, p_g) > loss_of(logits, p, p_g), (
        "a small change of your logits costs less: they are not the best"
    )
slope = p_g / (1 + np.exp(-logits)) - p / (1 + np.exp(logits))
assert np.allclose(slope, 0, atol=1e-6), (
    "at the best logits the loss has no slope; yours are only near them"
)
expected = loss_of(logits, p, p_g)
assert np.isclose(loss, expected), (
    "the loss is equation 10.1 in nats, with both expectations as sums: at your logits "
    f"{expected:.4f}. Received: {loss:.4f}"
)
assert np.isclose(best_discriminator(p, p)[1], 2 * np.log(2)), (
    "a perfect generator: nobody does better than 2 log 2"
)
### BEGIN HIDDEN TESTS
logits, loss = best_discriminator(np.array([0.9, 0.1]), np.array([0.2, 0.8]))
assert np.allclose(logits, [np.log(4.5), np.log(0.125)]), "log p - log p_g"
assert np.isclose(
    loss, loss_of(np.log([4.5, 0.125]), np.array([0.9, 0.1]), np.array([0.2, 0.8]))
), "the loss at the best logits"
### END HIDDEN TESTS

# %% [markdown]
# The generator could simply want the *opposite* of the discriminator's second term: to minimize $-\mathrm{softplus}(\mathrm{Dis}(G(z)))$. This is
# called the saturating loss. Equation 10.1 has $\mathrm{softplus}(-\mathrm{Dis}(G(z)))$. Give the derivative of each with respect to the
# logit. Look at what remains of each at a logit of $-10$, where a young generator lives. Logits of $\pm 1000$ must not break it.

# %% nbgrader={"grade_id": "slope-answer", "solution": true}
def generator_slope(logit, saturating):
    """d loss / d logit of the generator's loss: logit [n] -> [n]. saturating: True or False."""
    ### BEGIN SOLUTION
    if saturating:
        return -1 / (1 + np.exp(-logit))
    return -1 / (1 + np.exp(logit))
    ### END SOLUTION

# %% nbgrader={"grade_id": "slope-check", "grade": true, "points": 2}
logit, step = np.linspace(-10, 7, 35), 1e-5
kept = logit.copy()
for saturating, loss_fn in ((True, lambda a: -softplus(a)), (False, lambda a: softplus(-a))):
    numeric = (loss_fn(logit + step) - loss_fn(logit - step)) / (2 * step)
    name = "saturating" if saturating else "non-saturating"
    found = np.asarray(generator_slope(logit, saturating))
    assert found.shape == logit.shape, (
        f"one {name} slope for each logit. Received: shape {found.shape}"
    )
    worst = np.argmax(np.abs(found - numeric))
    assert np.allclose(found, numeric, atol=1e-8), (
        f"the {name} slope at a logit of {logit[worst]:.3g}: small differences give "
        f"{numeric[worst]:.6f}. Received: {found[worst]:.6f}"
    )
    assert np.array_equal(logit, kept), "your function changes the logits that it is given"
    with np.errstate(
        over="ignore"
    ):  # exp(1000) is infinite, and one over infinity is 0, as it should be
        ends = generator_slope(np.array([-1000.0, 1000.0]), saturating)
    assert np.all(np.isfinite(ends)), (
        f"the {name} slope at logits of -1000 and 1000 must be a number. Received: {ends}"
    )
    assert np.allclose(ends, [0, -1] if saturating else [-1, 0]), (
        f"the {name} slope at logits of -1000 and 1000. Received: {ends}"
    )
### BEGIN HIDDEN TESTS
assert np.isclose(generator_slope(np.array([-10.0]), False)[0], -1, atol=1e-3), (
    "sure to be a fake: the full slope"
)
assert abs(generator_slope(np.array([-10.0]), True)[0]) < 1e-3, (
    "sure to be a fake: the saturating loss has no slope left"
)
assert np.allclose(generator_slope(np.zeros(2), True), -0.5), (
    "at a logit of 0 both have the slope -1/2"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. R1 for any discriminator (3 points, 10 minutes)
#
# Write the penalty of equation 10.4, without its weight $r_1$: half the mean, over the examples, of the squared length of the gradient of
# each logit with respect to its own example. Use `tf.GradientTape`. The sum of all logits has the gradients that you need, as example
# $n$ reaches logit $n$ only. `tape.watch(x)` tells the tape that you will ask for $x$, which is no variable. The penalty is part of a loss, so the result must be a
# tensor that can be differentiated once more.

# %% nbgrader={"grade_id": "r1-answer", "solution": true}
def r1_penalty(discriminator, x):
    """1/2 mean_n |d Dis(x_n) / d x_n|^2, one number.

    discriminator: a function from x to logits [n, 1]; x: a tensor [n, ...].
    """
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(discriminator(x))
    slope = tape.gradient(total, x)
    squares = tf.reduce_sum(slope**2, axis=list(range(1, len(x.shape))))
    return 0.5 * tf.reduce_mean(squares)
    ### END SOLUTION

# %% nbgrader={"grade_id": "r1-check", "grade": true, "points": 3} tags=["beside:check"]
w = tf.constant([[3.0], [4.0]])
points = tf.constant(random.normal(size=(5, 2)), tf.float32)
flat = r1_penalty(lambda x: x @ w, points)
assert tf.is_tensor(flat), (
    f"return a tensor: a training step differentiates it. Received: {type(flat).__name__}"
)
assert len(flat.shape) == 0, (
    f"one number for the whole batch. Received: shape {list(flat.shape)}"
)
assert np.isclose(flat, 12.5), (
    f"a plane with the slope (3, 4) costs half of 25, for any n; yours {float(flat):.4g}"
)
assert np.isclose(r1_penalty(lambda x: x @ w + 100.0, points), 12.5), (
    "R1 charges for the slope of a logit and not for its height"
)
bowl = r1_penalty(lambda x: tf.reduce_sum(x**2, axis=1, keepdims=True), points)
expected = 2 * np.mean(np.sum(points.numpy() ** 2, axis=1))
assert np.isclose(bowl, expected, rtol=1e-4), (
    "the slope of |x|^2 is 2x: square the length of each example first, then take the mean, "
    f"here {expected:.4g}. Received: {float(bowl):.4g}"
)
summed = r1_penalty(
    lambda x: tf.reshape(tf.reduce_sum(x, axis=(1, 2, 3)), [-1, 1]), tf.zeros([2, 3, 5, 1])
)
assert np.isclose(summed, 7.5), (
    "images: 15 pixels with a slope of 1 each cost 7.5, so sum over all axes but the first"
)
with tf.GradientTape() as tape:
    tape.watch(w)
    penalty = r1_penalty(lambda x: x @ w, points)
slope = tape.gradient(penalty, w)
assert slope is not None, (
    "no gradient reaches the discriminator's weights: leave stop_gradient and numpy out"
)
assert np.allclose(slope, w, rtol=1e-4), (
    "the penalty of a plane is half of |w|^2, so its gradient is w"
)
### BEGIN HIDDEN TESTS
images = tf.constant(random.normal(size=(4, 3, 3, 1)), tf.float32)
slope = tf.constant(random.normal(size=(9, 1)), tf.float32)
found = r1_penalty(lambda x: tf.reshape(x, [-1, 9]) @ slope, images)
assert np.isclose(found, 0.5 * np.sum(slope.numpy() ** 2), rtol=1e-4), (
    "images: sum over all pixels, mean over examples"
)
critic = networks.mlp_encoder((2,), 1, (8,), activation="leaky_relu")
assert np.isclose(r1_penalty(critic, points), r1_penalty(lambda x: -critic(x), points)), (
    "the sign of the logit does not matter"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. How much of the world is covered? (3 points, 10 minutes)
#
# Section 5 reads two factors off each sample. Here they are given as whole numbers. Compare the shares of all combinations in
# two sets: half the sum of absolute differences. The two sets may have different sizes, and a combination may be missing from either or from both.

# %% nbgrader={"grade_id": "coverage-answer", "solution": true}
def coverage_error(levels, other_levels, counts):
    """Total variation between two sets of factor levels, [n, factors] and [m, factors].

    Levels are whole numbers from 0; counts: how many each factor has. Returns one in [0, 1].
    """
    ### BEGIN SOLUTION
    size = np.prod(counts)
    shares = []
    for part in (levels, other_levels):
        cell = np.ravel_multi_index(part.T, counts)
        shares.append(np.bincount(cell, minlength=size) / len(part))
    return 0.5 * np.abs(shares[0] - shares[1]).sum()
    ### END SOLUTION

# %% nbgrader={"grade_id": "coverage-check", "grade": true, "points": 3}
def expect(value, levels, other_levels, counts, message):
    given = np.array(levels), np.array(other_levels)
    found = coverage_error(*given, counts)
    unchanged = np.array_equal(given[0], levels) and np.array_equal(given[1], other_levels)
    assert unchanged, "your function changes the levels it is given"
    assert np.isclose(found, value), f"{message}: {value} is wanted. Received: {found}"


everything = np.stack(np.meshgrid(np.arange(3), np.arange(4), indexing="ij"), axis=-1).reshape(
    -1, 2
)
message = "nothing in common: half the sum of all differences, in either set"
expect(1, [[0, 0]], [[1, 1]], (2, 2), message)
expect(0, everything, everything, (3, 4), "equal sets agree")
expect(
    0,
    np.concatenate([everything, everything]),
    everything,
    (3, 4),
    "shares and not counts: twice the same set is no other set",
)
message = (
    "each factor alone has the same shares in both sets, the combinations nothing in common"
)
expect(1, [[0, 0], [1, 1]] * 5, [[0, 1], [1, 0]] * 5, (2, 2), message)
expect(
    0.5,
    everything[everything[:, 1] < 2],
    everything,
    (3, 4),
    "half of the combinations are missing (and no two share a number)",
)
expect(
    0.25,
    [[0, 0], [0, 0], [0, 0], [1, 1]],
    [[0, 0], [1, 1]],
    (4, 3),
    "shares of 3/4 and 1/4 against halves: how often counts, not only whether",
)
expect(
    0.5,
    [[0, 0], [1, 1]],
    [[0, 0], [2, 3]],
    (3, 4),
    "one combination is shared, and each set has one of its own",
)
message = "three factors, of which only the last tells the sets apart"
expect(1, [[0, 1, 0], [1, 0, 0]], [[0, 1, 1], [1, 0, 1]], (2, 2, 2), message)
message = "nothing in common; a factor may have more than ten levels"
expect(1, [[0, 10], [10, 0]], [[1, 0], [0, 1]], (12, 12), message)
### BEGIN HIDDEN TESTS
first, second = (
    random.integers(0, (3, 4), size=(50, 2)),
    random.integers(0, (2, 4), size=(80, 2)),
)
found = coverage_error(first, second, (3, 4))
by_hand = 0.5 * sum(
    abs(np.mean((first == c).all(axis=1)) - np.mean((second == c).all(axis=1)))
    for c in everything
)
assert np.isclose(found, by_hand), "half the sum of the absolute differences of shares"
assert np.isclose(coverage_error(second, first, (3, 4)), found), (
    "the distance is the same both ways"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Why is this report wrong? (3 points, 8 minutes)
#
# A report says: "After 200 epochs our GAN's discriminator loss has settled at 1.39, so training has converged and the samples cannot be told from
# real images. In fact they are *better*: their mean sharpness is 0.25, that of real images 0.20. All 64 samples in the figure
# look real, so the generator has learned the distribution."
#
# In about five sentences: what does a loss of 1.39 show, and what not? What does a sharpness above that of real images suggest? What can
# 64 good samples not show? Ask for two numbers, one about what the samples show and one about what is missing from them.

# %% [markdown] nbgrader={"grade_id": "why-report", "grade": true, "points": 3, "solution": true}
# 1.39 is $2 \log 2$: the discriminator guesses. That happens if the generator is perfect, but also if this discriminator is too weak, too
# strongly penalized, or one step behind; it is a statement about a pair of networks and not about the samples. (1 point) Real images are the
# scale for sharpness, so a higher value is a fault as well: speckles and ringing raise the Laplacian, as section 5 showed with
# noise. (1 point) Samples that all look real show precision and nothing else. A generator that knows only some of the images can produce
# them. I would ask for precision and recall (or for a Fréchet distance and the coverage of known factors), with the same numbers of samples
# for real images as a reference, and over several seeds. (1 point)

# %% [markdown]
# ## Exercise 5. Repair this: one loss for everybody (4 points, 12 minutes)
#
# The function below is rewritten after public implementations of the VAE-GAN. It adds up all losses of equation 10.7 and gives every
# network the gradient of the sum. It runs, and the losses go down. But look at the length of the discriminator's features
# after fifty steps on one batch: it shrinks. The discriminator is finding out that the feature loss is the smaller, the less it sees.
#
# The model is as small as can be: the encoder and the decoder are matrices, the discriminator is two of them with a leaky ReLU between, and
# there is no noise.

# %%
def losses_of(weights, x, z_new):
    """The terms of equation 10.7 for a linear model: x [n, 6], z_new [n, 2], name -> matrix."""
    z = x @ weights["encoder"]
    x_hat, x_new = z @ weights["decoder"], z_new @ weights["decoder"]

    def see(picture):  # the discriminator's hidden layer
        return tf.nn.leaky_relu(picture @ weights["features"])

    def judge(picture):
        return see(picture) @ weights["logit"]

    fooled = tf.nn.softplus(-judge(x_hat)) + tf.nn.softplus(-judge(x_new))
    caught = (
        tf.nn.softplus(-judge(x))
        + 0.5 * tf.nn.softplus(judge(x_hat))
        + 0.5 * tf.nn.softplus(judge(x_new))
    )
    return {
        "kl": 0.5 * tf.reduce_mean(tf.reduce_sum(z**2, axis=1)),
        "feature": 0.5 * tf.reduce_mean(tf.reduce_sum((see(x) - see(x_hat)) ** 2, axis=1)),
        "generator": 0.5 * tf.reduce_mean(fooled),
        "discriminator": tf.reduce_mean(caught),
    }


def gradients_to_repair(weights, x, z_new, gamma=1.0, kl_weight=1.0):
    """The gradient that each matrix follows: name -> tensor."""
    with tf.GradientTape() as tape:
        terms = losses_of(weights, x, z_new)
        loss = (
            kl_weight * terms["kl"]
            + gamma * terms["feature"]
            + terms["generator"]
            + terms["discriminator"]
        )
    return tape.gradient(loss, weights)

# %%
SIZES = {"encoder": (6, 2), "decoder": (2, 6), "features": (6, 4), "logit": (4, 1)}


def new_weights(seed):
    draw = np.random.default_rng(seed).normal
    return {
        name: tf.Variable(draw(size=size), dtype=tf.float32) for name, size in SIZES.items()
    }


def batch_of(seed, n=16):
    draw = np.random.default_rng(seed).normal
    return tf.constant(draw(size=(n, 6)), tf.float32), tf.constant(
        draw(size=(n, 2)), tf.float32
    )


weights, (x, z_new) = new_weights(0), batch_of(1)
before = np.linalg.norm(x @ weights["features"])
for _ in range(50):
    for name, slope in gradients_to_repair(weights, x, z_new, gamma=5.0).items():
        weights[name].assign_sub(0.02 * slope)
after = np.linalg.norm(x @ weights["features"])
print(f"length of the features: before {before:.1f}, after {after:.1f}")

# %% [markdown]
# Write the repaired function: each matrix follows the loss of its own network. `features` and `logit` both belong to the discriminator.
# A tape made with `persistent=True` can be asked for several gradients. It knows only what happened inside it, so add losses up there.

# %% nbgrader={"grade_id": "repair-answer", "solution": true}
def gradients(weights, x, z_new, gamma=1.0, kl_weight=1.0):
    """The gradient that each matrix follows, by equation 10.7: name -> tensor, for all four."""
    with tf.GradientTape(persistent=True) as tape:
        terms = losses_of(weights, x, z_new)
        ### BEGIN SOLUTION
        encoder_loss = kl_weight * terms["kl"] + terms["feature"]
        decoder_loss = gamma * terms["feature"] + terms["generator"]
        own = terms["discriminator"]
    found = {name: tape.gradient(own, weights[name]) for name in ("features", "logit")}
    found["encoder"] = tape.gradient(encoder_loss, weights["encoder"])
    found["decoder"] = tape.gradient(decoder_loss, weights["decoder"])
    return found
    ### END SOLUTION

# %% nbgrader={"grade_id": "repair-check", "grade": true, "points": 4}
def of_one_loss(combine, name, seed):
    """The gradient of combine(terms) with respect to one matrix."""
    weights = new_weights(seed)
    with tf.GradientTape() as tape:
        loss = combine(losses_of(weights, *batch_of(seed + 1)))
    return tape.gradient(loss, weights[name]).numpy()


def follows(name, combine, why, seed=3, **options):
    given = new_weights(seed)
    found = gradients(given, *batch_of(seed + 1), **options)
    assert isinstance(found, dict), (
        f"return a dictionary: name -> gradient. Received: {type(found).__name__}"
    )
    empty = [key for key, slope in found.items() if slope is None]
    assert not empty, (
        f"no gradient for {empty}: was its loss added up outside the tape, or is it another's?"
    )
    for key, start in new_weights(seed).items():
        assert np.array_equal(given[key], start), (
            "return gradients, and leave the weights as they are: the caller takes the step"
        )
    assert set(found) == set(SIZES), (
        f"gradients for {sorted(SIZES)} are wanted. Received: {sorted(found)}"
    )
    wanted, yours = of_one_loss(combine, name, seed), np.asarray(found[name])
    lengths = np.linalg.norm(wanted), np.linalg.norm(yours)
    assert np.allclose(yours, wanted, rtol=1e-3, atol=1e-5), (
        f"{why}. Gradient of {name!r}: length {lengths[0]:.4g}. Received: {lengths[1]:.4g}"
        + ", with the opposite sign" * np.allclose(yours, -wanted, rtol=1e-3, atol=1e-5)
    )


follows(
    "features",
    lambda t: t["discriminator"],
    "the discriminator's first layer must follow its own loss, and not the feature loss",
)
follows(
    "logit",
    lambda t: t["discriminator"],
    "the discriminator's last layer must follow its own loss, and not the generator's",
)
follows(
    "encoder",
    lambda t: t["kl"] + t["feature"],
    "the encoder follows the KL and the feature loss, and not the verdict on pictures",
)
follows(
    "decoder",
    lambda t: t["feature"] + t["generator"],
    "the decoder follows the feature loss and the generator's, and not the discriminator's",
)
weighed = {"gamma": 0.3, "kl_weight": 0.2}
why = "gamma weighs the decoder's feature loss and nothing else; kl_weight does not reach it"
follows("decoder", lambda t: 0.3 * t["feature"] + t["generator"], why, **weighed)
why = "kl_weight weighs the KL of the encoder, and gamma does not reach it"
follows("encoder", lambda t: 0.2 * t["kl"] + t["feature"], why, **weighed)
for name in ("features", "logit"):
    follows(
        name,
        lambda t: t["discriminator"],
        "neither gamma nor kl_weight reaches the discriminator",
        **weighed,
    )
weights, (x, z_new) = new_weights(0), batch_of(1)
for _ in range(50):
    for name, slope in gradients(weights, x, z_new, gamma=5.0).items():
        weights[name].assign_sub(0.02 * slope)
repaired = np.linalg.norm(x @ weights["features"])
assert repaired > 0.9 * before, (
    f"the discriminator still closes its eyes: features from {before:.1f} to {repaired:.1f}"
)
### BEGIN HIDDEN TESTS
for name in ("features", "logit"):
    follows(
        name,
        lambda t: t["discriminator"],
        "no option reaches the discriminator",
        seed=5,
        gamma=0.1,
        kl_weight=2.0,
    )
why = "kl_weight weighs the encoder's KL, and gamma does not reach it"
follows(
    "encoder", lambda t: 2.0 * t["kl"] + t["feature"], why, seed=5, gamma=0.1, kl_weight=2.0
)
why = "gamma weighs the decoder's feature loss, and kl_weight does not reach it"
follows(
    "decoder",
    lambda t: 4.0 * t["feature"] + t["generator"],
    why,
    seed=6,
    gamma=4.0,
    kl_weight=0.5,
)
### END HIDDEN TESTS

# %% [markdown]
# ## Open challenge: fool a score (1 point, as long as you like)
#
# A Fréchet distance sees a mean and a covariance, and nothing else. Make 256 "images" of 64 numbers each, whose Fréchet distance from the
# digits, with the pixels themselves as features, is smaller than that of other real digits, while hardly any of them lies among the digits: a precision
# below 0.3, where real digits have 0.9. You may use `real`. The values need not lie in $[0, 1]$.
#
# The point is given for both numbers. The challenge is to say which score would have caught you, and to find fakes that this one praises too.

# %%
digits = datasets.load("digits")
real = digits.x_train[:500].reshape(500, 64).astype("float64")
other = digits.x_valid[:256].reshape(-1, 64).astype("float64")
reference = evaluation.frechet_distance(real, other)
precision = evaluation.precision_recall(real, other).precision
print(f"{len(other)} other digits: Fréchet distance {reference:.2f}, precision {precision:.2f}")

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def fakes(real):
    """Rows [256, 64] with the mean and covariance of `real` [n, 64], none like a row of it."""
    ### BEGIN SOLUTION
    # Our attempt: any 64 perpendicular directions, stretched by a root of the covariance, and a
    # step to both sides along each. The mean and the covariance are exact. Directions along the
    # axes of the cloud are too near where the cloud is thin; turned at random, every step is
    # long. Precision catches these fakes. Recall does not: they lie all around the digits.
    mean, covariance = real.mean(axis=0), np.cov(real.T, ddof=0)
    values, vectors = np.linalg.eigh(covariance)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
    steps = vectors @ (
        np.sqrt(64 * np.maximum(values, 0))[:, None] * turn
    )  # a column for each direction
    return np.concatenate([mean + sign * steps.T for sign in (1, -1, 1, -1)])
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1}
yours = np.asarray(fakes(real.copy()), "float64")
assert yours.shape == (256, 64), "256 rows of 64 numbers"
assert np.all(np.isfinite(yours)), "your fakes hold nan or inf"
distance, found = (
    evaluation.frechet_distance(real, yours),
    evaluation.precision_recall(real, yours),
)
assert distance < reference, (
    f"other real digits score {reference:.2f}, yours {distance:.2f}: match mean and covariance"
)
assert found.precision < 0.3, (
    f"a share of {found.precision:.2f} of your fakes lies among the digits"
)
### BEGIN HIDDEN TESTS
assert (
    evaluation.frechet_distance(other, np.asarray(fakes(other.copy()), "float64")) < reference
), "it should work for any set"
### END HIDDEN TESTS
