# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 03. Variational autoencoders
#
# You should have read chapter [03](../../chapters/03_variational_autoencoders.ipynb). Keep it open: the equations
# (3.1) to (3.8) below are those of the chapter. **Time:** about 90 minutes. **Points:** 18.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Hidden checks use
# other numbers. Before you hand in, choose *Restart Kernel and Run All Cells*.

# %%
from vae_course import datasets, evaluation, models, networks

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
random = np.random.default_rng(0)

# %% [markdown]
# ## Exercise 1. What does a latent cost? (4 points, 10 minutes)
#
# Write the KL divergence of equation 3.6, for one latent or an array of them. Do not sum: one number for each entry.

# %% nbgrader={"grade": false, "grade_id": "rate-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rate(mean, scale):
    """KL(N(mean, scale^2) || N(0, 1)) in nats, elementwise: numbers, or arrays of one shape."""
    ### BEGIN SOLUTION
    return 0.5 * (mean**2 + scale**2 - 1) - np.log(scale)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "rate-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert np.isclose(rate(0.0, 1.0), 0), "a latent that equals the prior costs nothing"
assert np.isclose(rate(1.0, 1.0), 0.5), "moving the mean by 1 costs half a nat"
answer = rate(0.0, 2.0)
assert not np.isclose(answer, 0.5 - np.log(2) / 2), (
    "the scale is a standard deviation, and you take it for the variance: square it"
)
assert not np.isclose(answer, 1.5 - np.log(4)), (
    "the logarithm counts twice: 1/2 log(scale^2) is log(scale)"
)
assert not np.isclose(answer, 1.5 + np.log(2)), "the logarithm has the wrong sign"
assert np.isclose(answer, 1.5 - np.log(2)), (
    f"a mean of 0 and a scale of 2 cost 3/2 - log 2 = 0.807 nats; yours: {answer}"
)
assert rate(0.0, 0.01) > 4, f"being sure costs a lot, 4.1 nats; yours: {rate(0.0, 0.01)}"
assert np.shape(rate(np.zeros(3), np.ones(3))) == (3,), (
    "one number for each latent: no sum, no mean"
)
### BEGIN HIDDEN TESTS
for m, s in random.uniform([-3, 0.05], [3, 4], size=(20, 2)):
    q, p = tfd.Normal(m, s), tfd.Normal(np.float64(0.0), 1.0)
    assert np.isclose(rate(m, s), q.kl_divergence(p)), (
        f"rate({m:.2f}, {s:.2f}) should be {q.kl_divergence(p):.4f}"
    )
### END HIDDEN TESTS

# %% [markdown]
# A KL divergence does not change when both variables are shifted by the same number or divided by the same number: it
# compares densities at corresponding places. So `rate` is enough for *any* two normals: move and stretch the axis until
# $p$ is the standard normal. Use that for the KL of two diagonal normals with several latents.

# %% nbgrader={"grade": false, "grade_id": "diagonal-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def diagonal_kl(mean_q, scale_q, mean_p, scale_p):
    """KL(q || p) of diagonal normals in nats: arrays [n, latent_size] -> [n]. Calls `rate`."""
    ### BEGIN SOLUTION
    return rate((mean_q - mean_p) / scale_p, scale_q / scale_p).sum(axis=1)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "diagonal-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
zeros, ones = np.zeros((4, 3)), np.ones((4, 3))
assert diagonal_kl(zeros, ones, zeros, ones).shape == (4,), "one number for each example"
assert np.allclose(diagonal_kl(zeros, 2 * ones, zeros, 2 * ones), 0), (
    "equal normals have no divergence"
)
assert np.allclose(diagonal_kl(2 * ones, ones, zeros, ones), 6), (
    "latents add up: three times two nats, not their mean"
)
assert np.allclose(diagonal_kl(4 * ones, 2 * ones, zeros, 2 * ones), 6), (
    "only distances in units of p's scale count"
)
wider = diagonal_kl(zeros, 6 * ones, zeros, 3 * ones)
assert np.allclose(wider, 3 * (1.5 - np.log(2))), (
    "q twice as wide as p: which scale is divided by which?"
)
### BEGIN HIDDEN TESTS
m_q, m_p = random.normal(size=(2, 7, 5))
s_q, s_p = random.uniform(0.1, 3, size=(2, 7, 5))
q, p = tfd.MultivariateNormalDiag(m_q, s_q), tfd.MultivariateNormalDiag(m_p, s_p)
expected = tfd.kl_divergence(q, p)
assert np.allclose(diagonal_kl(m_q, s_q, m_p, s_p), expected), "the KL of two diagonal normals"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. A bound that you can check (4 points, 22 minutes)
#
# Take the straight toy with a slope: $z \sim N(0, 1)$ and $x|z \sim N(wz, \sigma^2)$. Here the ELBO of equation 3.4 can be
# computed without a grid and without draws. For $q = N(\mu, s^2)$ the reconstruction term needs only
# $\mathbb{E}_q[(x - wz)^2]$, which is the square of the mean of $x - wz$ plus its variance.

# %% nbgrader={"grade": false, "grade_id": "elbo-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def elbo(x, slope, noise, mean, scale):
    """The exact ELBO of x: z ~ N(0, 1), x|z ~ N(slope z, noise^2), q = N(mean, scale^2)."""
    ### BEGIN SOLUTION
    squared_error = (x - slope * mean) ** 2 + (slope * scale) ** 2
    reconstruction = -0.5 * np.log(2 * np.pi * noise**2) - squared_error / (2 * noise**2)
    return reconstruction - rate(mean, scale)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "elbo-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert np.isclose(elbo(0.0, 0.0, 1.0, 0.0, 1.0), -0.5 * np.log(2 * np.pi)), (
    "slope 0, q = prior: just log N(x; 0, 1)"
)
assert np.isclose(elbo(0.0, 0.0, 2.0, 0.0, 1.0), -0.5 * np.log(8 * np.pi)), (
    "noise 2: where does the noise enter log N?"
)
assert np.isclose(elbo(1.0, 0.0, 1.0, 2.0, 1.0) - elbo(1.0, 0.0, 1.0, 0.0, 1.0), -2), (
    "a mean of 2 costs two nats of KL"
)
assert elbo(1.0, 1.0, 0.1, 1.0, 0.5) < elbo(1.0, 1.0, 0.1, 1.0, 0.1), (
    "a wide q reconstructs badly: where is its variance?"
)
steep = elbo(0.0, 2.0, 1.0, 0.0, 1.0) - elbo(0.0, 0.0, 1.0, 0.0, 1.0)
assert np.isclose(steep, -2), (
    "slope 2 and scale 1: what is the variance of x - wz when z is drawn from q?"
)
### BEGIN HIDDEN TESTS
_low, _high = [-2, -2, 0.3, -1, 0.2], [2, 2, 1.5, 1, 1.5]
for _x, _w, _s, _m, _v in random.uniform(_low, _high, size=(10, 5)):
    _grid, _step = np.linspace(_m - 9 * _v, _m + 9 * _v, 4001, retstep=True)
    _q = tfd.Normal(_m, _v)
    _prior, _likelihood = tfd.Normal(np.float64(0), 1.0), tfd.Normal(_w * _grid, _s)
    _joint = _prior.log_prob(_grid) + _likelihood.log_prob(_x)
    _sum = tf.reduce_sum(_q.prob(_grid) * (_joint - _q.log_prob(_grid))) * _step
    assert np.isclose(elbo(_x, _w, _s, _m, _v), _sum, atol=1e-5), (
        "the sum of equation 3.4 over a grid gives another number"
    )
### END HIDDEN TESTS

# %% [markdown]
# Which $q$ makes the bound equal to the evidence? By equation 3.5 it is the true posterior. Multiply the two densities
# $p(x|z)\,p(z)$, keep what depends on $z$, and read off the normal. (Its precision, one over its variance, is the sum of
# two precisions.)

# %% nbgrader={"grade": false, "grade_id": "posterior-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def true_posterior(x, slope, noise):
    """Mean and standard deviation of p(z|x) for z ~ N(0, 1), x|z ~ N(slope z, noise^2)."""
    ### BEGIN SOLUTION
    variance = 1 / (1 + slope**2 / noise**2)
    return variance * slope * x / noise**2, np.sqrt(variance)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "posterior-check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
mean, scale = true_posterior(2.0, 1.0, 0.5)
log_evidence = float(tfd.Normal(np.float64(0.0), np.sqrt(1 + 0.5**2)).log_prob(2.0))
assert np.allclose(true_posterior(2.0, 0.0, 0.5), (0, 1)), (
    "with slope 0 the example says nothing: posterior = prior"
)
assert np.isclose(mean, 1.6), (
    "the mean lies between the prior's 0 and the example's 2, nearer to the more precise"
)
assert np.isclose(elbo(2.0, 1.0, 0.5, mean, scale), log_evidence), (
    "at the true posterior the bound is the evidence"
)
assert elbo(2.0, 1.0, 0.5, mean, 2 * scale) < log_evidence, "anywhere else it is below"
steep = true_posterior(2.0, -2.0, 1.0)
assert np.allclose(steep, (-0.8, np.sqrt(0.2))), (
    "a negative slope turns the mean's sign, not the scale's: is it squared there?"
)
### BEGIN HIDDEN TESTS
for _x, _w, _s in random.uniform([-3, -2, 0.2], [3, 2, 2], size=(10, 3)):
    _log_evidence = float(tfd.Normal(np.float64(0.0), np.sqrt(_w**2 + _s**2)).log_prob(_x))
    assert np.isclose(elbo(_x, _w, _s, *true_posterior(_x, _w, _s)), _log_evidence), (
        "tight at the true posterior"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. Through the draw (3 points, 14 minutes)
#
# You want the gradient of $\mathbb{E}_q[z^2]$ with respect to the mean and the scale of $q = N(\mu, \sigma^2)$. The exact
# answer is known, because $\mathbb{E}_q[z^2] = \mu^2 + \sigma^2$: it is $(2\mu, 2\sigma)$. Write the draw as in section 5
# of the chapter, then both estimators. Differentiate by hand, no tape. Both receive the same standard normal noise.

# %% nbgrader={"grade": false, "grade_id": "draw-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def draw(mean, scale, noise):
    """Draws from N(mean, scale^2), made from standard normal noise [k] -> [k]."""
    ### BEGIN SOLUTION
    return mean + scale * noise
    ### END SOLUTION

def pathwise(mean, scale, noise):
    """Gradients of z^2 by (mean, scale) through each draw: noise [k] -> two arrays [k]."""
    ### BEGIN SOLUTION
    z = draw(mean, scale, noise)
    return 2 * z, 2 * z * noise
    ### END SOLUTION

def score_function(mean, scale, noise):
    """The gradient of E[z^2] by the mean only, (3.8), for each draw: noise [k] -> [k]."""
    ### BEGIN SOLUTION
    z = draw(mean, scale, noise)
    return z**2 * (z - mean) / scale**2
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "draw-check", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
noise = np.random.default_rng(1).normal(size=200_000)
assert np.isclose(draw(3.0, 0.5, noise).std(), 0.5, atol=0.01), (
    "the scale is a standard deviation, not a variance"
)
by_mean, by_scale = pathwise(1.5, 0.5, noise)
assert by_mean.shape == by_scale.shape == noise.shape, (
    "one number for each draw: leave the averaging to the caller"
)
assert np.isclose(by_mean.mean(), 3.0, atol=0.05), (
    "the derivative of mean^2 + scale^2 by the mean is 2 mean"
)
assert np.isclose(by_scale.mean(), 1.0, atol=0.05), (
    "by the scale it is 2 scale: did the chain rule give dz/dscale?"
)
score = score_function(1.5, 0.5, noise)
assert np.shape(score) == noise.shape, (
    f"one number for each draw; leave the averaging to the caller. Received: {np.shape(score)}"
)
average = score.mean()
assert not np.isclose(average, -3, atol=0.1), (
    "the sign: d log q / d mean is (z - mean) / scale^2, positive where z is above the mean"
)
assert not np.isclose(average, 0, atol=0.1), (
    "this is 0 on average, like the derivative of log q alone: where is z^2, the function?"
)
assert not np.isclose(average, [1.5, 0.75], atol=0.1).any(), (
    "the derivative of log q is (z - mean) over the variance: scale^2, not scale and not 1"
)
assert not np.isclose(average, 6, atol=0.2), (
    "twice too large: log q has (z - mean)^2 / (2 scale^2), so its derivative has no 2 left"
)
assert np.isclose(average, 3, atol=0.1), (
    f"on average it is the exact gradient, 2 mean = 3; yours: {average:.2f}"
)
assert score.var() > 10 * by_mean.var(), "and a much larger variance"
### BEGIN HIDDEN TESTS
for _m, _s in ((0.0, 1.0), (-2.0, 0.3), (0.7, 2.0)):
    _n = random.normal(size=50)
    _z = _m + _s * _n
    assert np.allclose(draw(_m, _s, _n), _z), "z = mean + scale * noise"
    assert np.allclose(pathwise(_m, _s, _n), (2 * _z, 2 * _z * _n)), (
        "2 z, times dz/dmean = 1 or dz/dscale = noise"
    )
    assert np.allclose(score_function(_m, _s, _n), _z**2 * _n / _s), (
        "z^2 times the derivative of log q"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Why both? (3 points, 10 minutes)
#
# Two friends each leave out one part of the VAE. Anna drops the KL from the loss and keeps the draw. Ben keeps the KL,
# but decodes the posterior's mean instead of a draw. For each of them say in two or three sentences what training will
# do to the means and the scales of the posterior, and what pictures from the prior will look like.

# %% [markdown] nbgrader={"grade": true, "grade_id": "why-both", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# *Anna.* Noise in the latent only hurts the reconstruction, and nothing rewards it any more. The scales shrink toward
# zero, or the means move so far apart that the noise does not matter. What is left is the autoencoder of chapter 01:
# codes lie anywhere, and a latent drawn from $N(0, I)$ often falls where the decoder was never trained. (1 point)
#
# *Ben.* The scales no longer reach the decoder, so only the KL acts on them, and it sets every scale to 1, as in the
# prior. The means are pulled a little toward zero, but the decoder has never seen a latent *near* a mean, so it need
# not be smooth: it may pack the means close together, at little cost, and put anything between them. The KL that he
# reports says that a latent carries few nats, but the decoder reads the mean exactly. His number is no bound on the
# evidence, and pictures from the prior may fall into holes again. (1 point)
#
# The draw makes the latent as uncertain for the decoder as the KL is charged for; the KL makes uncertainty worth having.
# Neither works without the other. (1 point)

# %% [markdown]
# ## Exercise 5. Repair this (3 points, 18 minutes)
#
# The loss below follows one that was printed in a well-known textbook. It trains, and samples look fine. The encoder
# gives a mean and a **log-variance** for each latent, and `output` is the decoder's mean image, with values between 0
# and 1. The text calls the result the negative ELBO. Two things to know: Keras's `binary_crossentropy` takes a *mean* over the last
# axis, here the color channels; and `evaluation.effective_beta`, which chapter 04 builds, measures how much the KL of a loss weighs.

# %%
def published_loss(x, output, mean, log_var):
    cross_entropy = tf.keras.losses.binary_crossentropy(x, output)  # [batch, height, width]
    reconstruction = tf.reduce_mean(tf.reduce_sum(cross_entropy, axis=(1, 2)))
    kl = -0.5 * (1 + log_var - tf.square(mean) - tf.exp(log_var))
    return reconstruction + tf.reduce_mean(kl)

for latent_size in (2, 8, 32):
    beta = evaluation.effective_beta(published_loss, shape=(8, 8, 1), latent_size=latent_size)
    print(f"{latent_size} latents: the KL counts {beta:.3f} times")

# %% [markdown]
# `evaluation.effective_beta` measures how much the KL weighs in a loss once its reconstruction term is a true
# log-likelihood; for the negative ELBO it is 1. Write the loss as it should be: in nats, summed over everything that
# belongs to one example, averaged over examples. It should work for color images as well: remember what Keras's
# cross-entropy does with the last axis, or let `tfd` have the densities.

# %% nbgrader={"grade": false, "grade_id": "repair-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def repaired_loss(x, output, mean, log_var):
    """The mean over the batch of the negative ELBO, in nats: a scalar.

    x, output: [batch, height, width, channels], pixels from 0 to 1 and probabilities;
    mean, log_var: [batch, latent_size].
    """
    ### BEGIN SOLUTION
    likelihood = tfd.Independent(tfd.Bernoulli(probs=output, dtype=tf.float32), 3)
    posterior = tfd.MultivariateNormalDiag(mean, tf.exp(log_var / 2))
    prior = tfd.MultivariateNormalDiag(tf.zeros_like(mean), tf.ones_like(mean))
    return tf.reduce_mean(tfd.kl_divergence(posterior, prior) - likelihood.log_prob(x))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "repair-check", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
x = tf.constant(random.integers(0, 2, size=(5, 4, 4, 1)), tf.float32)
output = tf.constant(random.uniform(0.1, 0.9, size=(5, 4, 4, 1)), tf.float32)
mean, log_var = (tf.constant(a, tf.float32) for a in random.normal(size=(2, 5, 3)))
assert np.ndim(repaired_loss(x, output, mean, log_var)) == 0, (
    "one number for the whole batch: average over examples"
)
loss = float(repaired_loss(x, output, mean, log_var))
better = repaired_loss(x, 0.1 + 0.8 * x, mean, log_var)
assert better < loss, "a loss is small when the bound is large: has it the right sign?"
unused = [tf.concat([a, tf.zeros([5, 4])], axis=1) for a in (mean, log_var)]
assert np.isclose(repaired_loss(x, output, *unused), loss, rtol=1e-4), (
    "four unused latents must not change the loss"
)
unit, double = [repaired_loss(x, output, 0 * mean, 0 * log_var + v) for v in (0.0, np.log(4))]
wider = float(double - unit)
twice = [tf.concat([a, a], axis=0) for a in (x, output, mean, log_var)]
assert np.isclose(repaired_loss(*twice), loss, rtol=1e-4), (
    "the same batch twice must not change the loss: a mean over examples, not a sum"
)
assert not np.isclose(wider, 3 * (7.5 - np.log(4)), atol=1e-3), (
    "a log-variance of log 4 is a standard deviation of 2, and you take it for 4"
)
assert np.isclose(wider, 3 * (1.5 - np.log(2)), atol=1e-3), (
    "three latents of log-variance log 4 cost 3 (3/2 - log 2) = 2.42 nats more than of 0;"
    f" yours {wider:.2f}: is the KL summed over latents, and has it the factor 1/2, no other?"
)
for channels in (1, 3):
    beta = evaluation.effective_beta(repaired_loss, shape=(8, 8, channels), latent_size=8)
    assert np.isclose(beta, 1, atol=0.02), (
        f"channels: {channels}; the KL must count once, here it counts {beta:.3f} times"
    )
sure = np.linspace(0.001, 0.999, 80, dtype="float32").reshape(5, 4, 4, 1)
log_1, log_0 = np.log(sure), np.log1p(-sure)
free = 0 * mean, 0 * log_var  # no KL: the loss is the reconstruction term alone
wrong = (sure < 0.5).astype("float32")  # each pixel the less likely one
answer = float(repaired_loss(tf.constant(wrong), tf.constant(sure), *free))
due = -np.sum(wrong * log_1 + (1 - wrong) * log_0) / 5
assert np.isclose(answer, due, rtol=1e-3), (
    f"outputs from 0.001 to 0.999 cost {due:.2f} nats, yours {answer:.2f}: are they clipped?"
)
gray = np.random.default_rng(1).uniform(size=sure.shape).astype("float32")
answer = float(repaired_loss(tf.constant(gray), tf.constant(sure), *free))
due = -np.sum(gray * log_1 + (1 - gray) * log_0) / 5
assert np.isclose(answer, due, rtol=1e-3), (
    f"gray pixels cost {due:.2f} nats, yours {answer:.2f}: is x rounded, cut or cast to whole?"
)
### BEGIN HIDDEN TESTS
for _latents, _channels in ((2, 1), (16, 1), (3, 3)):
    _sizes = {"shape": (6, 5, _channels), "latent_size": _latents}
    _beta = evaluation.effective_beta(repaired_loss, **_sizes)
    assert np.isclose(_beta, 1, atol=0.02), (
        f"{_latents} latents, {_channels} channels: the KL counts {_beta:.3f} times"
    )
_q = tfd.Normal(mean, tf.exp(log_var / 2))
_pixels = tfd.Bernoulli(probs=output, dtype=tf.float32)
_kl = tf.reduce_sum(_q.kl_divergence(tfd.Normal(0.0, 1.0)), axis=1)
_log_likelihood = tf.reduce_sum(_pixels.log_prob(x), axis=(1, 2, 3))
assert np.isclose(loss, tf.reduce_mean(_kl - _log_likelihood), rtol=1e-4), (
    "the negative ELBO in nats"
)
_gray = tf.constant(random.uniform(size=(6, 3, 3, 2)), tf.float32)
_sure = tf.constant(random.permutation(np.geomspace(1e-3, 0.999, 108)), tf.float32)
_sure = tf.reshape(_sure, _gray.shape)
_nats = tfd.Bernoulli(probs=_sure, dtype=tf.float32).log_prob(_gray)
_zero = tf.zeros([6, 2])
_loss = repaired_loss(_gray, _sure, _zero, _zero)
assert np.isclose(_loss, -tf.reduce_sum(_nats) / 6, rtol=1e-3), (
    "gray pixels, and outputs near 0 and 1"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6. Open challenge: change one distribution (1 point, 15 minutes or as long as you like)
#
# A VAE is three distributions and one bound. Subclass `models.VAE`, call the class `ChangedVAE`, and replace its prior
# *or* its likelihood by another one: a prior with heavier tails, one with two hills, a likelihood made for gray values,
# or an idea of your own. The bound, the training and the sampling stay as they are. Where `tfd` knows no closed form for
# the KL, the library takes $\log q(z|x) - \log p(z)$ at the draw of $z$.
#
# The simplest way is to override one method. `prior(self)` and `likelihood(self, z)` return a `tfd` distribution;
# `self.latent_size` and `self.decoder(z)` are there for you. Keep the number of event axes in mind: one for a latent,
# three for an image. If the distribution has weights of its own to learn, override `__init__(self, encoder, decoder)`
# instead, and give `super().__init__` a part as its `prior=` or `likelihood=`: one from `vae_course.priors` or
# `vae_course.likelihoods`, or a subclass of your own.

# %% nbgrader={"grade": false, "grade_id": "challenge-answer", "locked": false, "schema_version": 3, "solution": true, "task": false}
class ChangedVAE(models.VAE):
    """A VAE with one distribution of your own."""

    ### BEGIN SOLUTION
    def prior(self):
        """Laplace: a sharper peak at zero and heavier tails than the normal."""
        scale = tf.fill([self.latent_size], 0.7)
        return tfd.Independent(tfd.Laplace(tf.zeros_like(scale), scale), 1)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "challenge-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false} tags=["beside:models.VAE"]
digits = datasets.load("digits")
encoder = networks.mlp_encoder((8, 8, 1), 4, hidden=(64,))
vae = ChangedVAE(encoder, networks.mlp_decoder(2, (8, 8, 1), hidden=(64,)))
z = tf.constant(random.normal(size=(7, 2)), tf.float32)
prior, likelihood = vae.prior(), vae.likelihood(z)
assert prior.log_prob(z).shape == (7,), (
    "p(z) gives one number for each latent vector: tfd.Independent(..., 1)"
)
assert likelihood.log_prob(digits.x_train[:7]).shape == (7,), (
    "p(x|z) gives one number for each image: tfd.Independent(..., 3)"
)
assert np.isfinite(prior.log_prob(z)).all(), (
    "log p(z) is infinite or nan: z may lie anywhere, so p(z) > 0 is needed everywhere"
)
assert np.isfinite(likelihood.log_prob(digits.x_train[:7])).all(), (
    "log p(x|z) is infinite or nan: pixels are often exactly 0 or 1, where Beta, for one, fails"
)
plain = models.VAE(vae.encoder, vae.decoder)
same = [np.allclose(prior.log_prob(z), plain.prior().log_prob(z))]
in_plain = plain.likelihood(z).log_prob(digits.x_train[:7])
same += [np.allclose(likelihood.log_prob(digits.x_train[:7]), in_plain)]
assert not all(same), "one of the two distributions should differ from the plain VAE's"
vae.compile("adam")
record = vae.fit(digits.x_train, batch_size=64, epochs=10, verbose=0).history
assert np.isfinite(record["loss"]).all(), (
    "the loss became infinite or nan in training: is log p(z) finite for all z, log p(x|z) for"
    f" all images, and each scale above 0? Losses: {np.round(record['loss'], 1)}"
)
assert record["elbo"][-1] > record["elbo"][0], (
    f"the bound should rise in training: from {record['elbo'][0]:.1f} it went to"
    f" {record['elbo'][-1]:.1f} nats"
)
### BEGIN HIDDEN TESTS
assert vae.sample(5, seed=0).shape == (5, 8, 8, 1), "five pictures from five draws of the prior"
### END HIDDEN TESTS
