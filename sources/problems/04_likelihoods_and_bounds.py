# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 04. Likelihoods and bounds
#
# Read [chapter 04](../../chapters/04_likelihoods_and_bounds.ipynb) first. The whole notebook computes for less than a minute.
# **Time:** about 55 minutes. **Points:** 19.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import bounds, datasets, evaluation, likelihoods, models, networks

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
random = np.random.default_rng(0)

# %% [markdown]
# ## Exercise 1. From a squared error to nats (2 points, 8 minutes)
#
# A program prints, for each image, the sum of its squared errors over all pixels. Turn it into a log-likelihood under Gaussian
# noise of scale $\sigma$ (equation 4.1). Mind how often the constant counts.

# %% nbgrader={"grade": false, "grade_id": "gaussian-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gaussian_log_likelihood(squared_error, sigma, pixels):
    """log p(x|z) in nats: squared_error [n], each a sum over so many `pixels` -> [n]."""
    ### BEGIN SOLUTION
    return -squared_error / (2 * sigma**2) - pixels * np.log(sigma * np.sqrt(2 * np.pi))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "gaussian-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
x, x_hat = random.uniform(size=(2, 5, 4, 4, 1))
squared_error = ((x - x_hat) ** 2).sum(axis=(1, 2, 3))
before = squared_error.copy()
answer = gaussian_log_likelihood(squared_error, 1.0, 16)
assert np.shape(answer) == (5,), "one number for each image"
assert np.array_equal(squared_error, before), "the squared errors you are given must not change"
value = gaussian_log_likelihood(np.zeros(3), 1.0, 1)
assert np.allclose(value, -0.9189385), (
    f"no error, one pixel, sigma 1: -log sqrt(2 pi) = -0.9189385; yours: {value[0]:.7f}"
)
value = gaussian_log_likelihood(np.zeros(3), 1.0, 10)
assert np.allclose(value, -9.189385), (
    f"the constant counts once for each pixel, so 10 times: -9.189385; yours: {value[0]:.6f}"
)
right, wrong = gaussian_log_likelihood(np.array([0.0, 4.0]), 1.0, 10)
assert np.isclose(right - wrong, 2), (
    "at sigma 1 a squared error of 4, summed already, costs 2 nats: half of it; "
    f"yours: {right - wrong:.3g}"
)
right, wrong = gaussian_log_likelihood(np.array([0.0, 4.0]), 0.5, 1)
assert np.isclose(right, -0.2257914), (
    f"no error, one pixel, sigma 0.5: -log(0.5 sqrt(2 pi)) = -0.2258; yours: {right:.4f}"
)
assert np.isclose(right - wrong, 8), (
    f"at sigma 0.5 a squared error of 4 costs 8 nats; yours: {right - wrong:.3g}: "
    "is all of 2 sigma^2 below the line?"
)
by_tfd = tfd.Independent(tfd.Normal(x_hat, np.float64(1)), 3).log_prob(x)
assert np.allclose(answer, by_tfd), "it should agree with TensorFlow Probability at sigma = 1"
answer = gaussian_log_likelihood(squared_error, 0.5, 16)
by_tfd = tfd.Independent(tfd.Normal(x_hat, np.float64(0.5)), 3).log_prob(x)
assert np.allclose(answer, by_tfd), "it should agree at sigma = 0.5 too"
### BEGIN HIDDEN TESTS
for sigma in (0.1, 2.5):
    by_tfd = tfd.Independent(tfd.Normal(x_hat, np.float64(sigma)), 3).log_prob(x)
    assert np.allclose(gaussian_log_likelihood(squared_error, sigma, 16), by_tfd), (
        "it should agree at every sigma"
    )
assert gaussian_log_likelihood(np.zeros(1), 0.1, 5)[0] > 0, "a density may be larger than one"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. The best scale (2 points, 7 minutes)
#
# One scale is shared by all pixels of all images. Which scale makes the likelihood of the whole set largest? The answer is
# equation 4.4, with an average in place of the expectation. The check tries your answer against its neighbors.

# %% nbgrader={"grade": false, "grade_id": "scale-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def best_scale(x, x_hat):
    """The sigma with the largest total log-likelihood: two arrays of images -> one number."""
    ### BEGIN SOLUTION
    return np.sqrt(np.mean((x - x_hat) ** 2))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "scale-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def total_log_likelihood(sigma):
    return tfd.Normal(x_hat, np.float64(sigma)).log_prob(x).numpy().sum()

before = x.copy(), x_hat.copy()
sigma = best_scale(x, x_hat)
assert np.ndim(sigma) == 0, "one number for the whole set"
assert np.array_equal(before, (x, x_hat)), "the images you are given must not change"
white, black = np.ones((3, 2, 2, 1)), np.zeros((3, 2, 2, 1))
found = best_scale(white, black)
assert np.isclose(found, 1), f"all errors are 1, so the scale is 1; yours: {found:.3g}"
half = best_scale(0.5 * white, black)
assert not np.isclose(half, 0.25), "this is sigma squared: the scale is its root"
assert np.isclose(half, 0.5), f"all errors are 0.5, so the scale is 0.5; yours: {half:.3g}"
mixed = best_scale(np.concatenate([white, black, black, black]), np.zeros((12, 2, 2, 1)))
assert np.isclose(mixed, 0.5), (
    "one image in four with errors of 1, the others with none: average all squared errors "
    f"first, then take one root, 0.5; yours: {mixed:.3g}"
)
assert total_log_likelihood(sigma) >= total_log_likelihood(1.02 * sigma), (
    "a slightly larger scale is better: yours is too small"
)
assert total_log_likelihood(sigma) >= total_log_likelihood(0.98 * sigma), (
    "a slightly smaller scale is better: yours is too large"
)
### BEGIN HIDDEN TESTS
a, b = 3 + random.normal(size=(2, 7, 3, 2, 3)) * 0.2
assert np.isclose(best_scale(a, b) ** 2, ((a - b) ** 2).mean()), (
    "the root of the mean squared residual, not rounded"
)
assert np.isclose(best_scale(a, a + 0.5), 0.5), (
    "a constant error is an error too: do not subtract its mean"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. A bound and its error bar (4 points, 12 minutes)
#
# You are given $\log w$ for $k$ samples of $n$ images. Write the importance-weighted bound of each image (equation 4.7). Log-weights
# of real images lie far below zero, where `np.exp` gives 0, so subtract something first.

# %% nbgrader={"grade": false, "grade_id": "bound-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def importance_bound(log_w):
    """log (1/k) sum_s w_s for each image, in nats: log_w [k, n] -> [n]."""
    ### BEGIN SOLUTION
    largest = log_w.max(axis=0)
    return largest + np.log(np.mean(np.exp(log_w - largest), axis=0))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "bound-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
log_w = random.normal(size=(50, 20)) * 2 - 5
before = log_w.copy()
answer = importance_bound(log_w)
assert np.shape(answer) == (20,), "one number for each image: reduce the first axis"
assert np.array_equal(log_w, before), "log_w itself must not change: subtract without `-=`"
assert np.all(answer > log_w.mean(axis=0)), (
    "the bound lies above the mean of log w: the average is taken inside the logarithm"
)
assert np.all(answer < log_w.max(axis=0)), (
    "the mean of unequal weights lies below the largest: did you take a mean, dividing by k?"
)
(found,) = importance_bound(np.log([[1.0], [3.0]]))
assert np.isclose(found, np.log(2)), (
    f"weights 1 and 3 have the mean 2, and log 2 = 0.6931; yours: {found:.4f}: is what you "
    "subtracted added again, and is the mean over the samples?"
)
found = importance_bound(np.full((10, 3), -2000.0))
assert np.allclose(found, -2000), (
    "equal weights: their mean is that weight, even if tiny, so the bound is -2000; "
    f"yours: {found[0]:.6g}"
)
far_apart = importance_bound(np.tile([0.0, -2000.0], (5, 1)))
assert np.allclose(far_apart, [0, -2000]), "subtract each image's own largest, not one for all"
(lonely,) = importance_bound(np.array([[-5000.0], [0.0], [-5000.0]]))
assert np.isclose(lonely, -np.log(3)), (
    f"one sample far above the rest: -log 3 = -1.0986; yours: {lonely:.4f}: do you subtract "
    "the largest?"
)
### BEGIN HIDDEN TESTS
assert np.allclose(answer, bounds.iwae(tf.constant(log_w))), (
    "it should agree with vae_course.bounds.iwae"
)
shifted = random.normal(size=(7, 4)) - np.array([0.0, 1000.0, -500.0, 3000.0])
assert np.allclose(importance_bound(shifted), bounds.iwae(tf.constant(shifted))), (
    "each image has its own scale"
)
assert np.allclose(importance_bound(log_w[:1]), log_w[0]), "one sample: the ELBO's estimate"
### END HIDDEN TESTS

# %% [markdown]
# Two models were evaluated on the *same* images. Say how much better the second is, and how sure you are: the mean of the
# differences, and the standard error of that mean. Use the unbiased standard deviation (divide by $n - 1$).

# %% nbgrader={"grade": false, "grade_id": "paired-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def paired_difference(first, second):
    """(mean of second - first, its standard error): two results [n] on the same images."""
    ### BEGIN SOLUTION
    difference = second - first
    return difference.mean(), difference.std(ddof=1) / np.sqrt(len(difference))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "paired-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
easy_or_hard = 10 * random.normal(size=400)  # images differ much from one another
first = easy_or_hard - 90
second = easy_or_hard - 89.5 + 0.5 * random.normal(size=400)
before = first.copy(), second.copy()
gain, error = paired_difference(first, second)
assert np.array_equal(before, (first, second)), "the results you are given must not change"
assert np.ndim(gain) == np.ndim(error) == 0, "two numbers, each over all images"
assert abs(gain - 0.5) < 0.1, (
    f"the second model was made about half a nat better; yours: {gain:.3g}: second minus "
    "first, and the mean stands before its error"
)
assert 0.02 < error < 0.03, (
    "the differences spread by 0.5, so their mean is known to about 0.5 / sqrt(400) = 0.025; "
    f"yours: {error:.3g}"
)
gain, error = paired_difference(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 1.0]))
assert np.isclose(gain, -1), (
    f"differences of 0, 0 and -3 have the mean -1, with its sign; yours: {gain:.3g}"
)
assert np.isclose(error, 1), (
    "their standard deviation, with n - 1, is sqrt(3), and divided by sqrt(n) it is 1; "
    f"yours: {error:.3g}"
)
### BEGIN HIDDEN TESTS
values = paired_difference(np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.0, 4.5]))
assert np.allclose(values, (0.5, 0.5 / np.sqrt(3))), (
    "the mean difference, and the deviation with n - 1 over sqrt(n)"
)
gains = [paired_difference(*pair)[0] for pair in ((first, second), (second, first))]
assert np.isclose(sum(gains), 0), "the other way round changes the sign"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. What does this loss weigh? (4 points, 12 minutes)
#
# Here are the two honest quantities, both in nats for each example, and a loss that someone sent you: a cross-entropy averaged
# over everything, plus a KL averaged over everything.

# %%
def negative_log_likelihood(x, output):
    return -np.mean(np.sum(x * np.log(output) + (1 - x) * np.log(1 - output), axis=(1, 2, 3)))

def kl(mean, log_var):
    return 0.5 * np.mean(np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1))

def all_means(x, output, mean, log_var, weight=1.0):
    cross_entropy = -np.mean(x * np.log(output) + (1 - x) * np.log(1 - output))
    return cross_entropy + weight * 0.5 * np.mean(mean**2 + np.exp(log_var) - 1 - log_var)

# %% [markdown]
# Measure the effective beta of any such loss by slopes (equation 4.6). You are given two outputs, `poor` and `good`, and two
# posterior means, `near` and `far`. Move one thing at a time.

# %% nbgrader={"grade": false, "grade_id": "beta-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def effective_beta(loss_fn, x, poor, good, near, far, log_var):
    """b / a of loss_fn(x, output, mean, log_var) = a * negative_log_likelihood + b * kl + c."""
    ### BEGIN SOLUTION
    start = loss_fn(x, poor, near, log_var)
    fit = negative_log_likelihood(x, good) - negative_log_likelihood(x, poor)
    rate = kl(far, log_var) - kl(near, log_var)
    a = (loss_fn(x, good, near, log_var) - start) / fit
    b = (loss_fn(x, poor, far, log_var) - start) / rate
    return b / a
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "beta-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def points(pixels, latent_size, n=6):
    """Arguments for effective_beta: images of height 1, two outputs, two posterior means."""
    x = random.integers(0, 2, size=(n, 1, pixels, 1)).astype(float)
    poor, good = 0.5 + 0.2 * (x - 0.5), 0.5 + 0.8 * (x - 0.5)
    near, far = random.normal(size=(2, n, latent_size)) * np.array([0.1, 2.0]).reshape(2, 1, 1)
    return x, poor, good, near, far, random.uniform(-1, 0, size=(n, latent_size))

def honest(x, output, mean, log_var):
    return negative_log_likelihood(x, output) + kl(mean, log_var)

def tripled(x, output, mean, log_var):
    return 5 * negative_log_likelihood(x, output) + 15 * kl(mean, log_var) + 7

hint = "does each slope move one thing only, and divide by what it moved?"
value = effective_beta(honest, *points(30, 4))
assert np.isclose(value, 1), (
    f"the negative ELBO has an effective beta of 1; yours gives {value:.3g}: {hint}"
)
value = effective_beta(tripled, *points(30, 4))
assert np.isclose(value, 3), (
    f"weights 5 and 15 make 3, whatever the constant; yours gives {value:.3g}: {hint}"
)
### BEGIN HIDDEN TESTS
assert np.isclose(effective_beta(all_means, *points(30, 4)), 30 / 4), (
    "means over 30 pixels and 4 latents"
)
assert np.isclose(effective_beta(all_means, *points(50, 2)), 50 / 2), (
    "means over 50 pixels and 2 latents"
)
assert np.isclose(effective_beta(lambda *p: 2 * honest(*p), *points(9, 3)), 1), (
    "twice the ELBO still has a beta of 1"
)
### END HIDDEN TESTS

# %% [markdown]
# The loss `all_means` takes a `weight` for its KL. With which weight does it become proportional to the negative ELBO? Answer for
# any number of pixels and latents.

# %% nbgrader={"grade": false, "grade_id": "weight-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def honest_weight(pixels, latent_size):
    """The weight with which `all_means` has an effective beta of 1."""
    ### BEGIN SOLUTION
    return latent_size / pixels
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "weight-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert np.isclose(honest_weight(10, 10), 1), (
    "as many pixels as latents: both means are too small by the same factor"
)
assert honest_weight(784, 8) < honest_weight(784, 16), (
    "a mean over more latents makes the KL smaller, so it needs more weight"
)
x, output, _, near, far, log_var = points(30, 4)
moved = [all_means(x, output, mean, log_var, honest_weight(30, 4)) for mean in (near, far)]
nat = 30 * (moved[1] - moved[0]) / (kl(far, log_var) - kl(near, log_var))
assert np.isclose(nat, 1), (
    "at 30 pixels and 4 latents a nat of KL should count as much as a nat of cross-entropy; "
    f"with yours it counts {nat:.3g} times as much"
)
### BEGIN HIDDEN TESTS
x, output, _, near, far, log_var = points(40, 5)
moved = [all_means(x, output, mean, log_var, honest_weight(40, 5)) * 40 for mean in (near, far)]
assert np.isclose(moved[1] - moved[0], kl(far, log_var) - kl(near, log_var)), (
    "a nat of KL should count as a nat, times 1 / pixels"
)
assert np.isclose(honest_weight(784, 8), 8 / 784), "latents over pixels"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Why is this comparison wrong? (3 points, 8 minutes)
#
# A report says: "On the digits, our VAE with Gaussian noise and a learned scale reaches a validation ELBO of $+25$ nats on gray
# images. The VAE with Bernoulli noise reaches $-18$ nats on thresholded images. The Gaussian VAE is 43 nats better."
#
# In about five sentences: why does the conclusion not follow? Name one change that moves the first number by as much as you
# like and leaves the model as it is. How could the two likelihoods be compared fairly?

# %% [markdown] nbgrader={"grade": true, "grade_id": "why-density", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# The first number is the logarithm of a density of gray values, the second the logarithm of a probability of yes-or-no pixels.
# (1 point) A density has units: if the same images are stored from 0 to 255, its logarithm falls by $\log 255$ for each pixel, here
# $64 \cdot 5.54 \approx 355$ nats, and the model is the same. (1 point) A log-probability cannot be moved in this way and is never
# above zero. The two are also about different data, since thresholding throws information away. A fair comparison needs the same
# data and the same kind of number: for example both models as probabilities of the same stored levels (a discretized density
# against a categorical or binomial one), or two densities of the same gray images in the same units, on the same split, with an
# error bar. (1 point)

# %% [markdown]
# ## Exercise 6. Repair this: the worst sample leads (3 points, 8 minutes)
#
# The gradient of $\log \frac1k \sum_s w_s$ is a weighted sum of the gradients of $\log w_s$. The weights add up to one for each
# image, and good samples should lead. The following lines, after a published program, are meant to do this: they weigh the samples'
# losses and add them up. Run them, and look at which of the two samples gets the weight. The first is better by 50 nats.

# %%
def weights_to_repair(log_w):
    """Weights of the k samples in the gradient of the bound: log_w [k, n] -> [k, n]."""
    loss = -log_w  # of each sample
    loss = loss - loss.max(axis=0)
    weights = np.exp(loss)
    return weights / weights.sum(axis=0)

print(np.round(weights_to_repair(np.array([[-100.0], [-150.0]])).ravel(), 3))

# %% [markdown]
# Write the repaired function. One way to know that it is right: derive the formula by differentiating $\log \frac1k \sum_s
# e^{\ell_s}$ with respect to one $\ell_s = \log w_s$.

# %% nbgrader={"grade": false, "grade_id": "repair-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample_weights(log_w):
    """Weights of the k samples in the bound's gradient: [k, n] -> [k, n], sum over k: 1."""
    ### BEGIN SOLUTION
    weights = np.exp(log_w - log_w.max(axis=0))
    return weights / weights.sum(axis=0)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "repair-check", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
log_w = random.normal(size=(5, 3)) - 2000
before = log_w.copy()
weights = sample_weights(log_w)
assert np.shape(weights) == (5, 3), "one weight for each sample of each image"
assert np.array_equal(log_w, before), "log_w itself must not change: subtract without `-=`"
assert np.allclose(weights.sum(axis=0), 1), (
    "the weights of one image add up to one, however small its likelihood"
)
assert np.all(weights.argmax(axis=0) == log_w.argmax(axis=0)), (
    "the best sample should have the largest weight"
)
assert np.allclose(sample_weights(np.zeros((4, 2))), 0.25), (
    "equal samples share the weight equally"
)
far_apart = sample_weights(np.tile([0.0, -2000.0], (2, 1)))
assert np.allclose(far_apart, 0.5), "subtract each image's own largest, not one for all"
lonely = sample_weights(np.array([[-5000.0], [0.0], [-5000.0]])).ravel()
assert np.allclose(lonely, [0.0, 1.0, 0.0]), (
    f"one sample far above the rest takes all; yours: {lonely}: do you subtract the largest?"
)
unequal = sample_weights(np.log([[1.0], [3.0]]))
assert np.allclose(unequal, [[0.25], [0.75]]), (
    "w of 1 and 3: the better sample leads in proportion to w, it does not take all; "
    f"yours: {np.ravel(unequal).round(3)}"
)
### BEGIN HIDDEN TESTS
for shift in (-900.0, 0.0, 800.0):
    log_w = tf.constant(random.normal(size=(6, 4)) * 3 + shift)
    with tf.GradientTape() as tape:
        tape.watch(log_w)
        total = tf.reduce_sum(bounds.iwae(log_w))
    assert np.allclose(sample_weights(log_w.numpy()), tape.gradient(total, log_w)), (
        "the weights are the gradient of the bound"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Open challenge: a better bound for the same budget (1 point, as long as you like)
#
# Here is a plain VAE on thresholded digits, and its validation log-likelihood after 20 epochs. Do better with the same budget: the
# same 20 epochs in batches of 32, and at most 100 000 weights. Everything else is yours: layers, activation, latent size,
# learning rate or its schedule, `posterior="full_gaussian"`, `models.IWAE`. The point is given for a model that keeps to the budget and clearly
# beats a coin for each pixel; the challenge is to beat the plain VAE by more than two standard errors of the paired difference. Choose
# on validation images only, and write down how many things you tried: the best of many tries looks better than it is.

# %% tags=["drift"]
digits = datasets.load("digits")
x_train, x_valid = [(x > 0.5).astype("float32") for x in (digits.x_train, digits.x_valid)]

def plain():
    vae = models.VAE(networks.mlp_encoder((8, 8, 1), 16), networks.mlp_decoder(8, (8, 8, 1)))
    vae.compile(keras.optimizers.Adam(1e-3))
    return vae

def score(make, seed=0):
    """Train what `make()` returns for 20 epochs: (model, its LogLikelihood on new images)."""
    keras.utils.set_random_seed(seed)
    vae = make()
    vae.fit(x_train, batch_size=32, epochs=20, verbose=0)
    return vae, evaluation.log_likelihood(vae, x_valid, k=100)

plain_vae, plain_score = score(plain)
mean, error = plain_score.mean, plain_score.standard_error
print(f"{plain_vae.count_params()} weights, {mean:.2f} +- {error:.2f} nats")

# %% nbgrader={"grade": false, "grade_id": "challenge-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def challenger():
    """A compiled model for images [8, 8, 1] in {0, 1}, with at most 100 000 weights."""
    ### BEGIN SOLUTION
    # Our attempt, the best of five: a learning rate that starts high and falls to zero, the
    # IWAE, and a smooth activation.
    size = {"hidden": (128, 128), "activation": "swish"}
    encoder = networks.mlp_encoder((8, 8, 1), 16, **size)
    decoder = networks.mlp_decoder(8, (8, 8, 1), **size)
    vae = models.IWAE(encoder, decoder, k=10)
    steps = 20 * (len(x_train) // 32)
    vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(6e-3, steps)))
    return vae
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "challenge-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["drift", "beside:score", "beside:evaluation.log_likelihood"]
vae, result = score(challenger)
coins = (x_train.sum(axis=0) + 1) / (len(x_train) + 2)
coin_score = tfd.Independent(tfd.Bernoulli(probs=coins), 3).log_prob(x_valid).numpy()
difference = result.per_example - plain_score.per_example
gain, error = difference.mean(), difference.std(ddof=1) / np.sqrt(len(difference))
print(f"yours {result.mean:.2f} nats; gain over the plain VAE {gain:+.2f},", end=" ")
print(f"standard error {error:.2f}")
assert vae.count_params() <= 100_000, "the budget is 100 000 weights"
steps = int(vae.optimizer.iterations)
assert steps <= 20 * -(-len(x_train) // 32), (
    f"the budget is 20 epochs in batches of 32, yours took {steps} steps: did it train before?"
)
assert isinstance(vae, models.VAE), "the model should be a models.VAE, or a subclass of it"
bernoulli = isinstance(vae.likelihood_part, likelihoods.Bernoulli)
assert bernoulli, "a density would not be comparable: keep Bernoulli noise"
assert result.mean > coin_score.mean() + 2, (
    "a VAE should beat independent coins by more than two nats"
)
### BEGIN HIDDEN TESTS
fresh = evaluation.log_likelihood(vae, x_valid, k=100, seed=1)
assert abs(fresh.mean - result.mean) < 0.5, (
    "the estimate should not depend on the importance samples"
)
### END HIDDEN TESTS
