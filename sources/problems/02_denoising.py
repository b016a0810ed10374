# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # Exercises 02. Denoising
#
# **Read first:** [Chapter 02](../../chapters/02_denoising.ipynb), up to its summary.
#
# **Time:** about 55 minutes for exercises 1 to 5. Exercise 6 is open: spend what you like.
#
# **How it works.** Fill in the code where it says `YOUR CODE HERE`, then run the check below it. The check says
# what is wrong, not how to mend it. Hidden checks with other numbers are run when your work is graded. Use
# "Restart Kernel and Run All Cells" before you hand in.
#
# Nothing here is trained, so every cell takes a few seconds at most.
# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import datasets, plots

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import ndimage

plots.use_style()
# %%
faces = datasets.load("faces").x_valid[:200]
digits = datasets.load("digits")
print("faces:", faces.shape, " digits:", digits.x_train.shape)
# %% [markdown]
# ## Exercise 1. Two corruptions by hand (4 points, 10 minutes)
#
# The chapter's layers work on tensors. Write the same two corruptions for numpy arrays, with a random generator
# that is handed in.
#
# *Masking*, equation (2.2): each number is kept with probability 1 - `rate` and is set to 0 otherwise. A kept number
# does not change in any way.
#
# *Salt and pepper*, equation (2.3): each number becomes `low` with probability `rate`/2, `high` with probability
# `rate`/2, and stays as it is otherwise.
#
# Neither function may change the array that it is given.
# %% nbgrader={"grade": false, "grade_id": "masking-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def masking(x, rate, rng):
    """m x with m ~ Bernoulli(1 - rate), one for each number: any shape -> the same shape."""
    ### BEGIN SOLUTION
    return x * (rng.uniform(size=x.shape) >= rate)
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "masking-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
x = np.random.default_rng(1).uniform(1, 2, size=(100, 64, 3))
before = x.copy()
masked = masking(x, 0.25, np.random.default_rng(2))
assert masked.shape == x.shape, "the corrupted array has the shape of x"
assert np.array_equal(x, before), "x itself must not change: return a new array"
assert np.any(masked == 0), "no number became 0"
assert not np.array_equal(masked[..., 0] == 0, masked[..., 1] == 0), (
    "every number needs its own draw, channels too"
)
assert not np.array_equal(masked[0] == 0, masked[1] == 0), "every example needs its own pattern"
assert abs(np.mean(masked == 0) - 0.25) < 0.02, (
    f"a share of about `rate` of all numbers must be 0: 0.25, not {np.mean(masked == 0):.2f}"
)
assert np.array_equal(masked[masked != 0], x[masked != 0]), (
    "kept numbers must stay exactly as they are"
)
again, other = (masking(x, 0.25, np.random.default_rng(seed)) for seed in (2, 3))
assert np.array_equal(again, masked), (
    "the draws must come from rng: the same seed, the same result"
)
assert not np.array_equal(other, masked), (
    "the draws must come from rng: another seed, another result"
)
coins = [masking(np.ones(20), 0.5, np.random.default_rng(seed)) for seed in range(12)]
assert len({np.sum(coin) for coin in coins}) > 1, (
    "every number is drawn by itself, so how many become 0 changes from seed to seed: of 20"
    " numbers at rate 0.5 not always 10"
)
### BEGIN HIDDEN TESTS
for rate in (0.0, 0.1, 0.7, 1.0):
    signal = np.random.default_rng(3).normal(size=(50, 400))
    result = masking(signal, rate, np.random.default_rng(4))
    assert abs(np.mean(result == 0) - rate) < 0.02, f"rate {rate}: wrong share of zeros"
    assert np.array_equal(result[result != 0], signal[result != 0]), (
        f"rate {rate}: kept numbers changed"
    )
first, second = (masking(signal, 0.5, np.random.default_rng(seed)) for seed in (5, 6))
assert not np.array_equal(first, second), "the draws must come from rng"
again = masking(signal, 0.5, np.random.default_rng(5))
assert np.array_equal(first, again), "the same rng must give the same result"
### END HIDDEN TESTS
# %% nbgrader={"grade": false, "grade_id": "salt-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def salt_and_pepper(x, rate, rng, low=0.0, high=1.0):
    """x with a share rate/2 of its numbers set to low, and rate/2 to high: shape kept."""
    ### BEGIN SOLUTION
    u = rng.uniform(size=x.shape)
    return np.where(u < rate / 2, low, np.where(u < rate, high, x))
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "salt-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
x = np.random.default_rng(1).uniform(0.2, 0.8, size=(100, 16, 16, 3))
before = x.copy()
spoiled = salt_and_pepper(x, 0.3, np.random.default_rng(2))
assert np.array_equal(x, before), "x itself must not change: return a new array"
assert spoiled.shape == x.shape, "the corrupted array has the shape of x"
kept = (spoiled != 0) & (spoiled != 1)
assert not kept.all(), "no number became low or high, here 0 or 1"
assert not np.array_equal(kept[..., 0], kept[..., 1]), (
    "every number needs its own draw, channels too"
)
assert not np.array_equal(kept[0], kept[1]), "every example needs its own pattern"
shares = np.mean(spoiled == 0), np.mean(spoiled == 1)
assert abs(shares[0] - 0.15) < 0.02, (
    f"a share of about rate/2 must be pepper (low): 0.15, not {shares[0]:.3f}"
)
assert abs(shares[1] - 0.15) < 0.02, (
    f"a share of about rate/2 must be salt (high): 0.15, not {shares[1]:.3f}"
)
assert np.array_equal(spoiled[kept], x[kept]), "all other numbers must stay exactly as they are"
ends = salt_and_pepper(x, 1.0, np.random.default_rng(3), low=-2.0, high=5.0)
assert set(np.unique(ends)) == {-2.0, 5.0}, (
    "at rate 1 every number becomes low or high: -2 or 5"
)
again, other = (salt_and_pepper(x, 0.3, np.random.default_rng(seed)) for seed in (2, 3))
assert np.array_equal(again, spoiled), (
    "the draws must come from rng: the same seed, the same result"
)
assert not np.array_equal(other, spoiled), (
    "the draws must come from rng: another seed, another result"
)
coins = [salt_and_pepper(np.zeros(20), 1.0, np.random.default_rng(seed)) for seed in range(12)]
assert len({np.sum(coin) for coin in coins}) > 1, (
    "every number is drawn by itself, so how many become high changes from seed to seed: of 20"
    " numbers at rate 1 not always 10"
)
### BEGIN HIDDEN TESTS
for rate, low, high in ((0.0, -3.0, 3.0), (0.5, -2.0, 5.0), (1.0, 0.0, 1.0)):
    signal = np.random.default_rng(3).uniform(0.1, 0.9, size=(50, 400, 2))
    result = salt_and_pepper(signal, rate, np.random.default_rng(4), low=low, high=high)
    assert abs(np.mean(result == low) - rate / 2) < 0.02, f"rate {rate}: wrong share of low"
    assert abs(np.mean(result == high) - rate / 2) < 0.02, f"rate {rate}: wrong share of high"
    kept = (result != low) & (result != high)
    assert np.array_equal(result[kept], signal[kept]), f"rate {rate}: kept numbers changed"
far = salt_and_pepper(np.full((50, 40), 7.0), 0.5, np.random.default_rng(5))
assert set(np.unique(far)) == {0.0, 1.0, 7.0}, "numbers outside low ... high are kept too"
### END HIDDEN TESTS
# %% [markdown]
# ## Exercise 2. PSNR by hand (3 points, 8 minutes)
#
# Equation (2.4) gives the PSNR of one image from its mean squared error. It is the same PSNR as in exercises 01, now
# from two images. Write it for a batch. Each example of the batch gets one number, whatever the shape of an example
# is: `[height, width, channels]` or `[length, channels]`. Do not clip here: the chapter clips in another place.
# %% nbgrader={"grade": false, "grade_id": "psnr-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def psnr(x_hat, x, max_val=1.0):
    """10 log10(max_val^2 / mean squared error), in dB: two arrays [n, ...] -> [n]."""
    ### BEGIN SOLUTION
    error = np.mean((x_hat - x).reshape(len(x), -1) ** 2, axis=1)
    return 10 * np.log10(max_val**2 / error)
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "psnr-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
clean = faces.copy()
noisy = clean + 0.2 * np.random.default_rng(1).normal(size=clean.shape).astype("float32")
reference, before = tf.image.psnr(noisy, clean, max_val=1.0).numpy(), noisy.copy()
yours = psnr(noisy, clean)
assert np.shape(yours) == (200,), (
    f"one number for each of 200 images, not shape {np.shape(yours)}"
)
unchanged = np.array_equal(noisy, before) and np.array_equal(clean, faces)
assert unchanged, "the images you are given must not change"
far = psnr(np.full((1, 2, 2, 1), 10.0), np.zeros((1, 2, 2, 1)))
assert not np.allclose(far, 0), "an error of ten times the range is not 0 dB: do not clip here"
assert not np.allclose(far, 20), "a better image has a higher PSNR: is the ratio upside down?"
even = psnr(faces + 0.1, faces)
assert np.allclose(even, 20, atol=1e-3), f"an error of 0.1 all over is 20 dB, not {even[0]:.1f}"
assert np.allclose(yours, reference, atol=1e-3), (
    "the errors differ from pixel to pixel: first square each, then average, then take the"
    f" logarithm; yours {yours[:3]}, TensorFlow's {reference[:3]}"
)
assert np.shape(far) == (1,), "a batch of one image gives an array of one number"
in_bytes = psnr(255 * noisy, 255 * faces, max_val=255.0)
assert np.allclose(in_bytes, yours, atol=1e-3), (
    "images in [0, 255] have the same PSNR: use max_val as in (2.4)"
)
try:
    signals = psnr(noisy[..., 0], faces[..., 0])
except np.exceptions.AxisError:
    signals = None
assert np.shape(signals) == (200,), "[length, channels] must work too: do not name the axes"
### BEGIN HIDDEN TESTS
a = np.random.default_rng(7).uniform(0, 255, size=(5, 9, 7, 3))
b = np.random.default_rng(8).uniform(0, 255, size=(5, 9, 7, 3))
assert np.allclose(psnr(a, b, max_val=255.0), tf.image.psnr(a, b, max_val=255.0), atol=1e-3), (
    "max_val must be used"
)
assert np.shape(psnr(a[..., 0, 0], b[..., 0, 0], max_val=255.0)) == (5,), (
    "examples may have any shape"
)
a[0] += 100
assert np.allclose(psnr(a, b, 255.0), tf.image.psnr(a, b, max_val=255.0), atol=1e-3), (
    "each image on its own"
)
### END HIDDEN TESTS
# %% [markdown]
# You read in a report: "the denoised images reach a PSNR of 26 dB" (pixels in [0, 1]). What is the root of the mean
# squared error of such an image? Solve equation (2.4) for the root of the mean squared error.
# %% nbgrader={"grade": false, "grade_id": "inverse-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def root_mean_squared_error(decibels, max_val=1.0):
    """The root of the mean squared error of an image whose PSNR is `decibels`."""
    ### BEGIN SOLUTION
    return max_val * 10 ** (-decibels / 20)
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "inverse-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
found = root_mean_squared_error(20.0)
assert np.isclose(found, 0.1), f"20 dB is an error of 0.1 in every pixel, not {found:.3g}"
assert 0.045 < root_mean_squared_error(26.0) < 0.055, (
    "6 dB more is about half the root of the mean squared error"
)
found = root_mean_squared_error(20.0, max_val=255.0)
assert np.isclose(found, 25.5), (
    f"20 dB is a tenth of the range, which is max_val: 25.5 of 255, not {found:.3g}"
)
### BEGIN HIDDEN TESTS
assert np.isclose(root_mean_squared_error(0.0, max_val=255.0), 255.0), (
    "0 dB: the error is as large as max_val"
)
assert np.isclose(root_mean_squared_error(40.0, max_val=255.0), 2.55), (
    "max_val scales the error"
)
assert np.isclose(root_mean_squared_error(33.0), 0.022387, rtol=1e-4), (
    "33 dB: 0.022387, not rounded"
)
### END HIDDEN TESTS
# %% [markdown]
# ## Exercise 3. The best possible denoiser (5 points, 17 minutes)
#
# No network is needed where the data's distribution is known. The best denoiser under the squared error is the
# posterior mean, and Tweedie's formula (2.9) writes it with the score of the *noisy* data's density:
#
# $$E[x \mid \tilde x] = \tilde x + \sigma^2 \, \nabla_{\tilde x} \log p_\sigma(\tilde x).$$
#
# **3a.** Take data in one dimension, $x \sim N(0, s^2)$, and noise $\tilde x = x + \sigma\varepsilon$. Work on paper
# first: which distribution does $\tilde x$ have? What is the derivative of its log-density? Put it into the formula.
# %% nbgrader={"grade": false, "grade_id": "gaussian-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gaussian_denoiser(x_tilde, s, sigma):
    """E[x | x_tilde] where x ~ N(0, s^2) and x_tilde = x + sigma eps: shape kept."""
    ### BEGIN SOLUTION
    score = -x_tilde / (s**2 + sigma**2)  # x_tilde ~ N(0, s^2 + sigma^2)
    return x_tilde + sigma**2 * score  # = s^2 / (s^2 + sigma^2) x_tilde
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "gaussian-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
rng = np.random.default_rng(1)
x = 2.0 * rng.normal(size=200_000)
x_tilde = x + 1.5 * rng.normal(size=x.shape)
near = np.abs(x_tilde - 3.0) < 0.1
assert gaussian_denoiser(np.zeros(3), 1.0, 1.0).shape == (3,), (
    "an array in, an array of the same shape out"
)
assert np.allclose(gaussian_denoiser(np.array([4.0]), 1.0, 0.0), 4.0), (
    "without noise nothing is to be removed"
)
three = np.array([3.0])
found = gaussian_denoiser(three, 2.0, 1.5)[0]
assert three[0] == 3.0, "x_tilde itself must not change: return a new array"
truth = x[near].mean()
assert abs(found - truth) < 0.1, (
    f"at noisy values near 3 the clean mean is {truth:.2f}, not {found:.2f}"
)
### BEGIN HIDDEN TESTS
points = np.linspace(-5, 5, 11)
for s, sigma in ((1.0, 1.0), (0.5, 2.0), (3.0, 0.1)):
    best = points * s**2 / (s**2 + sigma**2)
    assert np.allclose(gaussian_denoiser(points, s, sigma), best), (
        f"s {s}, sigma {sigma}: not the posterior mean"
    )
### END HIDDEN TESTS
# %% [markdown]
# **3b.** Now let the data be exactly the N training examples $x_1, \dots, x_N$ and nothing else. The posterior mean
# is then a weighted mean of these examples:
#
# $$E[x \mid \tilde x] = \sum_n w_n x_n, \qquad
# w_n = \frac{\exp(-\lVert \tilde x - x_n \rVert^2 / 2\sigma^2)}{\sum_m \exp(-\lVert \tilde x - x_m \rVert^2 / 2\sigma^2)}.$$
#
# This is what a network of unlimited size would learn from these examples with fresh noise. Write it. Beware: for a
# small $\sigma$ every exponential rounds to 0, and 0/0 is not a weight. Subtract something first.
# %% nbgrader={"grade": false, "grade_id": "empirical-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def empirical_denoiser(x_tilde, x_train, sigma):
    """The posterior mean if the data are the rows of x_train [N, d]: [n, d] -> [n, d]."""
    ### BEGIN SOLUTION
    squares = ((x_tilde[:, None, :] - x_train[None, :, :]) ** 2).sum(axis=-1)  # [n, N]
    log_w = -squares / (2 * sigma**2)
    w = np.exp(log_w - log_w.max(axis=1, keepdims=True))
    return w / w.sum(axis=1, keepdims=True) @ x_train
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "empirical-check", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
pair = np.array([[-1.0], [1.0]])
line = np.array([[-2.0], [0.0], [0.3]])
rows = digits.x_train[:400].reshape(400, -1).astype("float64")
assert empirical_denoiser(line, pair, 1.0).shape == (3, 1), (
    "one clean guess for each noisy example"
)
equal = empirical_denoiser(line, np.full((4, 1), 5.0), 1.0)
assert np.allclose(equal, 5), (
    "four training examples, all at 5: the answer is 5, since the weights of each noisy example"
    f" add up to 1; yours {equal.ravel()}"
)
guess = empirical_denoiser(line, pair, 0.7)
assert guess[0, 0] < 0 < guess[2, 0], "the nearer example has the larger weight: check the sign"
assert np.allclose(guess, np.tanh(line / 0.7**2)), (
    "for the points -1 and 1 and sigma 0.7 it is tanh(x / sigma^2), 0.55 at 0.3, not"
    f" {guess[2, 0]:.2f}: is the exponent that of the formula?"
)
corners = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
guess = empirical_denoiser(np.array([[1.0, 0.0]]), corners, 1.0)
weighted = 2 * np.array([[1, np.exp(-2)]]) / (2 + np.exp(-2))
assert np.allclose(guess, weighted), "squared distances 1, 1 and 5: weights as 1, 1 and e^-2"
sharp = empirical_denoiser(rows[:5] + 0.05, rows, 0.001)
assert np.isfinite(sharp).all(), (
    "NaN at a small sigma: all exponentials rounded to 0 before they were divided"
)
assert not np.allclose(sharp, 0), "all weights rounded to 0: subtract something before np.exp"
assert np.allclose(sharp, rows[:5]), (
    "at a small sigma the answer is the nearest training example"
)
apart = empirical_denoiser(np.array([[0.0], [100.0]]), pair, 0.1)
assert np.allclose(apart, [[0.0], [1.0]]), (
    "subtract each row's own largest exponent, not one for all"
)
assert np.allclose(empirical_denoiser(rows[:5], rows, 1e4), rows.mean(axis=0), atol=1e-3), (
    "under huge noise: the mean of all"
)
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(5)
train, test, sigma = rng.normal(size=(30, 4)), rng.normal(size=(7, 4)), 0.8
expected = np.empty_like(test)
for i, point in enumerate(test):
    w = np.exp(-((point - train) ** 2).sum(axis=1) / (2 * sigma**2))
    expected[i] = (w[:, None] * train).sum(axis=0) / w.sum()
assert np.allclose(empirical_denoiser(test, train, sigma), expected), (
    "the weighted mean is wrong"
)
tiny = empirical_denoiser(line / 1000, pair / 1000, 0.0007)
assert np.allclose(1000 * tiny, np.tanh(line / 0.7**2)), (
    "all distances and sigma a thousand times smaller: so is the answer, for any small sigma"
)
far = empirical_denoiser(test + 1000, train, 0.1)
assert np.isfinite(far).all(), "far from all examples the weights must still be finite"
### END HIDDEN TESTS
# %% [markdown]
# Look at it on the digits: the training images are all that this denoiser knows. The figure shows one validation
# digit under growing noise above, and its posterior mean below; under the strongest noise it becomes a blur of many
# digits. Nothing is graded here.
# %% tags=["drift"]
clean = digits.x_valid[7].ravel()
noise = np.random.default_rng(0).normal(size=clean.shape)
levels = np.array([0.05, 0.2, 0.4, 0.7, 1.0, 2.0])
noisy = np.stack([clean + sigma * noise for sigma in levels])
means = [empirical_denoiser(row[None], rows, sigma)[0] for row, sigma in zip(noisy, levels)]
shape = (-1, *digits.x_train.shape[1:])
pictures = {"noisy": noisy.reshape(shape), "posterior mean": np.reshape(means, shape)}
ax = plots.image_rows(pictures)
ax.set_title("σ = " + ", ".join(str(level) for level in levels))
plt.show()
# %% [markdown]
# ## Exercise 4. Why? (4 points, 8 minutes)
#
# **4a.** A network is trained with squared error on heavily noisy digits. Its output for a noisy 4 looks like a gray
# blur between a 4 and a 9, although no such image is in the training set. Why is this no fault of the network? Answer
# in two or three sentences, and use exercise 3.
# %% [markdown] nbgrader={"grade": true, "grade_id": "why-blur", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# The squared error is smallest at the posterior mean E[x | x̃], so that is what a good network approaches. (1 point) Under heavy
# noise both a 4 and a 9 could have given this x̃, so the mean is a weighted sum of several images (the weights of
# exercise 3b), and a mean of sharp images is blurred. A sharp answer would have to bet on one digit, and would have a
# larger squared error on average. (1 point)
# %% [markdown]
# **4b.** A colleague adds noise to the training images once, stores the noisy copies, and trains a large network for
# many epochs with `fit(noisy, clean)`. The training error becomes far smaller than the error of the posterior mean.
# Where did the network find what it needs to be so good, and why is it of no use on new images?
# %% [markdown] nbgrader={"grade": true, "grade_id": "why-fresh", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# No function of x̃ can be better on average over fresh noise than the posterior mean. With stored noise each noisy copy
# is always the same, so it works as a name tag: the network learns by heart which clean image belongs to which noise
# pattern. (1 point) A new image comes with a pattern that it has never seen, so there is nothing to look up, and what was learned
# about the stored patterns only gets in the way. With fresh noise in every step, no pattern comes twice. (1 point)
# %% [markdown]
# ## Exercise 5. Repair this (5 points, 12 minutes)
#
# **5a.** Published code for image models often *binarizes* gray images at random: a pixel with the gray value 0.8 becomes
# white in about 80 % of the draws. It then often *masks* some pixels and trains a denoiser to give back the binary
# image. Here is such code, with the mistakes that were published. Run it and look.
# %%
def broken_pair(x, rate, rng):
    """Gray images x in [0, 1] -> (masked binary images, binary images), float32, x's shape."""
    target = (rng.uniform(size=x.shape) > x).astype("float32")
    keep = rng.uniform(size=x.shape) >= rate
    x_tilde = target * keep / (1 - rate)
    return x_tilde, x_tilde
# %% tags=["drift"]
some = digits.x_valid[:10]
x_tilde, target = broken_pair(some, 0.25, np.random.default_rng(0))
plots.image_rows({"gray": some, "masked": x_tilde, "target": target})
plt.show()
print("largest value in the masked images:", x_tilde.max().round(2))
# %% [markdown]
# The figure shows the gray digits in the first row, and below them what the function makes of them: the network's
# input and its target. Three things are wrong. Find them, and write the function anew.
# %% nbgrader={"grade": false, "grade_id": "pair-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def binary_pair(x, rate, rng):
    """Gray images x in [0, 1] -> (masked binary images, binary images), float32, x's shape."""
    ### BEGIN SOLUTION
    target = (rng.uniform(size=x.shape) < x).astype("float32")
    keep = rng.uniform(size=x.shape) >= rate
    return target * keep.astype("float32"), target
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "pair-check", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
gray = np.full((200, 10, 10, 1), 0.8)
x_tilde, target = binary_pair(gray, 0.25, np.random.default_rng(1))
assert np.all(gray == 0.8), "x itself must not change: return new arrays"
assert not np.array_equal(x_tilde, target), (
    "input and target are the same: the target must not be masked"
)
assert np.all(target[x_tilde > 0] > 0), (
    "white in the input, black in the target: mask the input only"
)
assert target.dtype == "float32" and x_tilde.dtype == "float32", "both arrays are float32"
assert set(np.unique(target)) <= {0, 1}, "the target is binary"
assert not np.array_equal(target[0], target[1]), (
    "two gray images came out the same: draw at random, every image by itself"
)
assert abs(target.mean() - 0.8) < 0.03, (
    f"gray 0.8 must be white in 80 % of the draws, not in {target.mean():.0%}"
)
assert set(np.unique(x_tilde)) <= {0, 1}, (
    f"a masked binary image is binary, but a pixel has {x_tilde.max():.2f}"
)
white = (target[0] > 0) & (target[1] > 0)
assert not np.array_equal(x_tilde[0][white], x_tilde[1][white]), (
    "two images were masked in the same pixels: every image needs its own mask"
)
survive = x_tilde.sum() / target.sum()
assert abs(survive - 0.75) < 0.03, (
    f"three quarters of the white pixels survive, not {survive:.0%}: the mask has draws of its"
    " own, one for each pixel, and `rate` is the share that becomes 0"
)
again, other = (binary_pair(gray, 0.25, np.random.default_rng(seed)) for seed in (1, 2))
assert np.array_equal(again, (x_tilde, target)), (
    "the draws must come from rng: the same seed, the same result"
)
assert not np.array_equal(other, again), (
    "the draws must come from rng: another seed, another result"
)
### BEGIN HIDDEN TESTS
ramp = np.tile(np.linspace(0, 1, 11), (4000, 1))
x_tilde, target = binary_pair(ramp, 0.6, np.random.default_rng(2))
assert np.allclose(target.mean(axis=0), ramp[0], atol=0.04), (
    "every gray value needs its own probability"
)
assert np.allclose(x_tilde.mean(axis=0), 0.4 * ramp[0], atol=0.04), (
    "wrong share of masked pixels"
)
assert np.all(x_tilde <= target) and not np.array_equal(x_tilde, target), (
    "masking only removes, and only from the input"
)
assert target[:, 0].max() == 0 and target[:, -1].min() == 1, (
    "black stays black and white stays white"
)
### END HIDDEN TESTS
# %% [markdown]
# **5b.** The next function compares a denoiser with a Gaussian filter. The filter's width is chosen with care. What is
# not fair about the number that it returns? Keep the arguments, and mend it.
# %%
def broken_report(valid, test, widths):
    """valid, test: pairs (noisy, clean) of images -> (best width, mean PSNR on test)."""
    noisy, clean = test
    scores = [psnr(ndimage.gaussian_filter(noisy, (0, w, w, 0)), clean).mean() for w in widths]
    return widths[np.argmax(scores)], max(scores)
# %% nbgrader={"grade": false, "grade_id": "report-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fair_report(valid, test, widths):
    """valid, test: pairs (noisy, clean) of images -> (best width, mean PSNR on test)."""
    ### BEGIN SOLUTION
    noisy, clean = valid
    scores = [psnr(ndimage.gaussian_filter(noisy, (0, w, w, 0)), clean).mean() for w in widths]
    width = widths[np.argmax(scores)]
    noisy, clean = test
    return width, psnr(ndimage.gaussian_filter(noisy, (0, width, width, 0)), clean).mean()
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "report-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def noisy_pair(clean, sigma, seed):
    return clean + sigma * np.random.default_rng(seed).normal(size=clean.shape), clean

widths = [0.5, 1.8, 0.8, 1.2]
heavy, light = noisy_pair(faces[:40], 0.5, 1), noisy_pair(faces[40:80], 0.1, 2)
width, value = fair_report(heavy, light, widths)
assert width == fair_report(heavy, heavy, widths)[0], (
    "the width must not depend on the test images"
)
assert width in widths, "the width is one of those that are offered"
assert width == broken_report(light, heavy, widths)[0], (
    "the width must be the best one on valid"
)
assert np.ndim(value) == 0, "the second result is one number, the mean over the test images"
own = psnr(ndimage.gaussian_filter(light[0], (0, width, width, 0)), light[1]).mean()
assert np.isclose(value, own), "the PSNR must be that of the TEST images, with the chosen width"
assert value < broken_report(heavy, light, widths)[1], (
    "here an honest choice gives a lower number than the peek"
)
### BEGIN HIDDEN TESTS
others = [1.8, 0.5, 1.2, 0.8]
width, value = fair_report(light, heavy, others)
assert width == broken_report(heavy, light, others)[0], (
    "the width that is best on valid must be chosen"
)
own = psnr(ndimage.gaussian_filter(heavy[0], (0, width, width, 0)), heavy[1]).mean()
assert np.isclose(value, own), "the PSNR must be that of the test images"
### END HIDDEN TESTS
# %% [markdown]
# ## Exercise 6. Open challenge: a filter that knows the mask (no points)
#
# In masked images the Gaussian filter of the chapter takes the zeros for dark pixels, and its result is too dark. But
# it is often *known* which pixels are missing: a camera's dead pixels, a sensor's lost packets. Write a filter that
# is told the mask, and see how far you get without any training. Below are half-masked faces and the mean PSNR of a
# plain filter. Can you gain 8 dB? And would you still claim that "the denoising autoencoder beats filters on masked images"?
# %% tags=["drift"]
mask = np.random.default_rng(3).uniform(size=faces.shape) >= 0.5  # True: kept
half = faces * mask
plain = ndimage.gaussian_filter(half, (0, 1.0, 1.0, 0))
before, after = psnr(half, faces).mean(), psnr(plain, faces).mean()
print(f"masked {before:.1f} dB, plain filter {after:.1f} dB")
# %% nbgrader={"grade": false, "grade_id": "challenge-answer", "locked": false, "schema_version": 3, "solution": true, "task": false} tags=["drift"]
### BEGIN SOLUTION
# Our attempt: smooth the image and the mask with the same filter and divide. Every pixel is
# then a weighted mean of the pixels that are really there ("normalized convolution", Knutsson
# and Westin 1993). Kept pixels stay as they are.
def fill(x_tilde, mask, width):
    total = ndimage.gaussian_filter(x_tilde, (0, width, width, 0))
    weight = ndimage.gaussian_filter(mask.astype("float32"), (0, width, width, 0))
    return np.where(mask, x_tilde, total / np.maximum(weight, 1e-6))

filled = fill(half, mask, 0.6)
pictures = {"masked": half, "plain filter": plain, "filled": filled, "clean": faces}
plots.image_rows({name: images[:8] for name, images in pictures.items()})
plt.show()
print(f"told the mask: {psnr(filled, faces).mean():.1f} dB")
# The plain filter was a weak opponent. On the chapter's masked images a fair comparison gives
# both sides the mask: the filter as here, the network as a second channel of its input.
### END SOLUTION
# %% [markdown]
# A figure drawn here should show four rows of faces: masked, repaired by the plain filter, repaired by yours, and clean.
# A fair comparison gives every opponent the same information: your filter is told the mask, and the chapter's network
# was not.
