# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exam
#
# **Time:** 90 minutes. **Points:** 36. Eight questions from the whole course; answer them in any
# order. Half of the points are for code, half for answers in words. The chapters may be open
# beside you. Nothing is trained, and every cell runs within a second.
#
# Fill in the code where it says `YOUR CODE HERE` and run the checks below it. A visible check
# tries a case that you can work out by hand; hidden ones, with other numbers, run when the exam
# is graded. Written answers are short: two to six sentences, or one or two for each part. In
# them, a right number or choice without a reason earns half the points of its part. Before you
# hand in, choose "Restart Kernel and Run All Cells".
#
# *For the teacher: this exam and its answers are public. Change its numbers, and the seed
# below, before you use it; then delete this paragraph.*

# %%
import numpy as np
from scipy import stats
from scipy.special import logsumexp

random = np.random.default_rng(2024)

# %% [markdown]
# ## Question 1. The ELBO by hand (4 points, 10 minutes)
#
# **1a.** A latent takes one of $K$ values. For one observed $x$ you know the prior $p(z)$, the
# likelihood $p(x|z)$ at each value and a posterior $q(z|x)$, all above zero. Compute the
# evidence and the ELBO. (2 points)

# %% nbgrader={"grade_id": "elbo-answer", "solution": true}
def evidence_and_elbo(prior, likelihood, q):
    """(log p(x), ELBO) in nats, two numbers: prior, likelihood, q [K]."""
    ### BEGIN SOLUTION
    joint = prior * likelihood
    return np.log(joint.sum()), np.sum(q * np.log(joint / q))
    ### END SOLUTION

# %% nbgrader={"grade_id": "elbo-check", "grade": true, "points": 2}
even, likelihood = np.array([0.5, 0.5]), np.array([0.8, 0.2])
evidence, elbo = evidence_and_elbo(even, likelihood, np.array([0.8, 0.2]))
assert np.isclose(evidence, np.log(0.5)), "evidence: p(x) = 0.5 * 0.8 + 0.5 * 0.2"
assert np.isclose(elbo, np.log(0.5)), (
    "this q is the true posterior, so the ELBO equals the evidence"
)
evidence, elbo = evidence_and_elbo(even, likelihood, even)
assert np.isclose(elbo, np.log(0.4)), (
    "q equal to the prior has no KL to it: 0.5 log 0.8 + 0.5 log 0.2"
)
### BEGIN HIDDEN TESTS
for size in (3, 7):
    prior, q = random.dirichlet(np.full(size, 2.0), size=2)
    likelihood = random.uniform(0.01, 3, size=size)
    posterior = prior * likelihood / np.sum(prior * likelihood)
    evidence, elbo = evidence_and_elbo(prior, likelihood, q)
    assert np.isclose(evidence, np.log(np.sum(prior * likelihood))), (
        "the evidence sums prior times likelihood"
    )
    assert np.isclose(evidence - elbo, stats.entropy(q, posterior)), (
        "the gap is the KL from q to the true posterior"
    )
    evidence, elbo = evidence_and_elbo(prior, likelihood, posterior)
    assert np.isclose(evidence, elbo), "at the true posterior the bound is tight"
### END HIDDEN TESTS

# %% [markdown]
# **1b.** On new images the ELBO of a VAE lies 0.50 nats below $\log p(x)$ on average. When the
# *same* family of posteriors is fitted to each image separately, by many steps of gradient
# ascent on that image's ELBO, 0.15 nats remain. Name the two parts of the gap and give the size
# of each. Which part could a full covariance shrink, and which could a better encoder shrink?
# (2 points)

# %% [markdown] nbgrader={"grade_id": "gap-written", "grade": true, "points": 2, "solution": true}
# 0.15 nats belong to the family: even its best member differs from the true posterior
# (approximation gap). The other 0.50 - 0.15 = 0.35 nats belong to the encoder, which does not
# find the best member for each image (amortization gap). (1 point: both parts with their sizes;
# the names do not matter) A full covariance makes the family richer, so it can shrink only the
# 0.15. A better encoder (larger, if it does not overfit, or trained longer) aims better and can
# shrink only the 0.35. (1 point)

# %% [markdown]
# ## Question 2. Repair this loss (4 points, 12 minutes)
#
# This function should return the negative ELBO of binary images under a linear decoder: one
# sample of $z$ for each image, in nats per image, and averaged over images. Three of its lines
# are wrong, and a fourth fault shows only when the decoder is very sure of itself. Rewrite it.
# Each repaired fault earns one point.

# %%
def negative_elbo_to_repair(x, weights, mean, log_var, noise):
    """x [n, d] in {0, 1}; weights [m, d]; mean, log_var of q and N(0, I) noise [n, m]."""
    z = mean + np.exp(log_var) * noise
    p = 1 / (1 + np.exp(-z @ weights))
    log_likelihood = np.mean(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    kl = 0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=1)
    return np.mean(kl - log_likelihood)

# %% nbgrader={"grade_id": "repair-answer", "solution": true}
def negative_elbo(x, weights, mean, log_var, noise):
    """x [n, d] in {0, 1}; weights [m, d]; mean, log_var of q and N(0, I) noise [n, m]."""
    ### BEGIN SOLUTION
    z = mean + np.exp(0.5 * log_var) * noise
    logits = z @ weights
    log_likelihood = np.sum(x * logits - np.logaddexp(0, logits), axis=1)
    kl = 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)
    return np.mean(kl - log_likelihood)
    ### END SOLUTION

# %% nbgrader={"grade_id": "repair-likelihood", "grade": true, "points": 1}
zeros = np.zeros((2, 3))  # codes
blank = np.zeros((3, 6))  # weights of a decoder that gives each pixel one half
value = negative_elbo(np.ones((2, 6)), blank, zeros, zeros, zeros)
assert np.isclose(value, 6 * np.log(2)), (
    "six pixels at one half and no KL: 6 log 2 nats for each image"
)
### BEGIN HIDDEN TESTS
x, z = random.integers(0, 2, size=(5, 9)), random.normal(size=(5, 2))
weights = random.normal(size=(2, 9))
value = negative_elbo(x, weights, np.zeros((5, 2)), np.zeros((5, 2)), z)
expected = -stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-z @ weights))).sum(axis=1).mean()
assert np.isclose(value, expected), "a sum over the pixels of an image, a mean over images"
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "repair-kl", "grade": true, "points": 1}
with_kl = negative_elbo(np.ones((2, 6)), blank, zeros + 1, zeros, zeros)
without = negative_elbo(np.ones((2, 6)), blank, zeros, zeros, zeros)
assert np.isclose(with_kl - without, 1.5), "three means moved by 1 cost half a nat each"
### BEGIN HIDDEN TESTS
mean, log_var = random.normal(size=(2, 4, 3))
x, nothing = np.ones((4, 6)), np.zeros((4, 3))
more = negative_elbo(x, blank, mean, log_var, nothing)
difference = more - negative_elbo(x, blank, nothing, nothing, nothing)
rate = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(axis=1).mean()
assert np.isclose(difference, rate), "the KL to N(0, I), summed over latents"
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "repair-sample", "grade": true, "points": 1}
ones = np.ones((2, 3))
still = negative_elbo(ones, np.eye(3), zeros, zeros, zeros)
moved = negative_elbo(ones, np.eye(3), zeros, zeros, 0.7 * ones)
assert not np.isclose(moved, still), "the noise should move the code"
### BEGIN HIDDEN TESTS
mean, log_var, noise = random.normal(size=(3, 4, 3))
x, weights = random.integers(0, 2, size=(4, 6)), random.normal(size=(3, 6))
nothing = np.zeros((4, 3))
code = mean + np.sqrt(np.exp(log_var)) * noise
# The same code by two ways: what the decoder makes of it is the same, whatever the KL.
one, other = (
    negative_elbo(x, weights, *q) - negative_elbo(x, blank, *q)
    for q in ((mean, log_var, noise), (code, nothing, nothing))
)
assert np.isclose(one, other), "the scale is the root of the variance"
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "repair-sure", "grade": true, "points": 1}
with np.errstate(all="ignore"):
    right = negative_elbo(np.ones((2, 6)), blank + 50, zeros, zeros, zeros + 1)
assert abs(right) < 1e-9, "logits of 150, and right: the loss is 0, and not nan"
### BEGIN HIDDEN TESTS
with np.errstate(all="ignore"):
    for sign, x in ((-1, np.ones((2, 6))), (1, np.zeros((2, 6)))):
        once = negative_elbo(x, blank + sign * 300.0, zeros, zeros, zeros + 1)
        twice = negative_elbo(x, blank + sign * 600.0, zeros, zeros, zeros + 1)
        right = np.isfinite(once) and np.isclose(twice, 2 * once)
        assert right, "sure and wrong: each pixel costs its logit"
### END HIDDEN TESTS

# %% [markdown]
# ## Question 3. What does this loss assume? (4 points, 10 minutes)
#
# A program trains a VAE on images of $D$ pixels with
#
# $$\text{loss} = \frac1D \sum_i (x_i - \hat x_i)^2 + w\, \mathrm{KL}(q(z|x) \,\|\, p(z)),$$
#
# where the KL is in nats and summed over latents. It says nothing about a likelihood.
#
# **3a.** For which scale $\sigma$ of Gaussian noise on each pixel is this loss, up to a factor
# and a constant, the negative ELBO? (2 points)

# %% nbgrader={"grade_id": "sigma-answer", "solution": true}
def implied_sigma(w, pixels):
    """The noise scale at which the loss has an effective beta of 1."""
    ### BEGIN SOLUTION
    return np.sqrt(w * pixels / 2)
    ### END SOLUTION

# %% nbgrader={"grade_id": "sigma-check", "grade": true, "points": 2}
assert np.isclose(implied_sigma(2.0, 1), 1), (
    "one pixel and w = 2: half the loss is (x - x_hat)^2 / 2 + KL, so sigma = 1"
)
### BEGIN HIDDEN TESTS
for w, pixels in ((1.0, 784), (0.001, 64), (0.3, 10)):
    sigma, kl = implied_sigma(w, pixels), np.array([3.0, 8.0])
    sum_of_squares = np.array([2.0, 5.0])
    loss = sum_of_squares / pixels + w * kl
    by_hand = sum_of_squares / (2 * sigma**2) + kl
    right = np.isclose(np.ptp(loss) / w, np.ptp(by_hand))
    assert right, "the loss, divided by w, should be the negative ELBO plus a constant"
### END HIDDEN TESTS

# %% [markdown]
# **3b.** Someone fits the noise afterwards, and $\sigma$ comes out as the scale of the
# residuals. What was the effective beta of the training, for a likelihood with this $\sigma$?
# (2 points)

# %% nbgrader={"grade_id": "beta-answer", "solution": true}
def effective_beta(w, pixels, sigma):
    """The weight of the KL beside a log-likelihood in nats with noise scale sigma."""
    ### BEGIN SOLUTION
    return w * pixels / (2 * sigma**2)
    ### END SOLUTION

# %% nbgrader={"grade_id": "beta-check", "grade": true, "points": 2}
assert np.isclose(effective_beta(2.0, 1, 1.0), 1), (
    "w = 2, one pixel, sigma = 1 is the ELBO itself"
)
assert effective_beta(2.0, 1, 0.5) > 1, (
    "with less noise a squared error is worth more nats, so this KL was too expensive"
)
### BEGIN HIDDEN TESTS
for w, pixels, sigma in ((1.0, 784, 0.2), (0.002, 64, 0.3), (0.05, 100, 4.0)):
    slope = 2 * sigma**2 / pixels  # of the loss, by nats of -log p(x|z)
    assert np.isclose(effective_beta(w, pixels, sigma), w / slope), (
        "w / slope, where the slope is the loss per nat of -log p(x|z): 2 sigma^2 / pixels"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 4. Bounds and tables (5 points, 12 minutes)
#
# **4a.** You have $K$ log-weights for each of $n$ images, and you want to know the bound for a
# smaller $k$. Use all of them: the first $k$ rows are one group, the next $k$ another, and so
# on. Take each group's importance-weighted bound, and average over the groups. (2 points)

# %% nbgrader={"grade_id": "groups-answer", "solution": true}
def bound_with(log_w, k):
    """The k-sample bound of each image, in nats: log_w [K, n] -> [n]; k divides K."""
    ### BEGIN SOLUTION
    groups = log_w.reshape(-1, k, log_w.shape[1])
    return (logsumexp(groups, axis=1) - np.log(k)).mean(axis=0)
    ### END SOLUTION

# %% nbgrader={"grade_id": "groups-check", "grade": true, "points": 2}
log_w = np.log([[1.0, 2.0], [3.0, 2.0], [1.0, 5.0], [3.0, 5.0]])
assert np.shape(bound_with(log_w, 2)) == (2,), "one number for each image"
assert np.allclose(bound_with(log_w, 1), log_w.mean(axis=0)), (
    "k = 1 is the ELBO's estimate, the mean of log w"
)
assert np.isclose(bound_with(log_w, 2)[0], np.log(2)), (
    "k = 2: the first two rows are one group, the last two the other"
)
assert np.isclose(bound_with(log_w, 4)[0], np.log(2)), (
    "k = 4: one group, and the mean of 1, 3, 1, 3 is 2"
)
### BEGIN HIDDEN TESTS
log_w = random.normal(size=(60, 7)) * 3 - np.linspace(500, 2000, 7)
kept = log_w.copy()
for k in (1, 2, 5, 12, 60):
    each = [
        logsumexp(log_w[start : start + k], axis=0) - np.log(k) for start in range(0, 60, k)
    ]
    assert np.allclose(bound_with(log_w, k), np.mean(each, axis=0)), (
        "log of the mean weight of k successive rows, stably, then the mean over groups"
    )
assert np.array_equal(log_w, kept), "your function changes the array that it is given"
### END HIDDEN TESTS

# %% [markdown]
# **4b.** A report on thresholded digits says: "Our model reaches $-84.9 \pm 0.4$ ($k = 5000$);
# the rival reaches $-85.3 \pm 0.4$ (ELBO, as published). We win by 0.4 nats. A third model
# reaches $+312$ on gray digits and is the best." Each $\pm$ is a standard error over test
# images. Name three things that are wrong with these conclusions and say for each how to put it
# right. (3 points)

# %% [markdown] nbgrader={"grade_id": "table-written", "grade": true, "points": 3, "solution": true}
# The two numbers are different bounds. With $k = 5000$ a bound lies above the same model's
# ELBO, often by more than 0.4 nats, so the rival may well be better: evaluate both with the
# same $k$. (1 point) The bars cannot decide either. They describe how much images differ, and a
# difference of 0.4 is as large as one bar. On the same images the results are paired: report
# the mean of the differences image by image, with its standard error. (1 point; several seeds
# of training are welcome, not required) The third number is the log of a density of gray values, the others are
# logs of probabilities of binary images. A density may exceed one and changes with the units of
# the pixels, and the data are others. Compare on the same data with the same kind of number,
# for example a discretized likelihood of the same levels. (1 point) Any other sound objection,
# with its remedy, may take the place of one of these, such as test images that were used to
# choose, or a threshold that was drawn anew.

# %% [markdown]
# ## Question 5. Has it collapsed? (4 points, 10 minutes)
#
# Three models of the same sentences, all in nats per sentence. "Exchanged" is the distortion
# when each sentence is decoded with the code of another one.
#
# | model | rate | distortion | exchanged | active latents |
# |---|---|---|---|---|
# | A: a decoder that reads the words so far | 0.1 | 91.9 | 92.0 | 4 of 16 |
# | B: the same decoder, 6 free bits (nats) in all | 6.0 | 91.6 | 91.9 | 16 of 16 |
# | C: a decoder that sees nothing but the code | 18.0 | 81.0 | 131.0 | 9 of 16 |
#
# (a) Compute the ELBO of each and order the models by it. (b) Which models' codes help their
# decoders, and which columns tell you? (c) Did free bits cure B? (d) Which model do you take to
# score how likely a sentence is, and which to find similar sentences by their codes? (One point
# each.)

# %% [markdown] nbgrader={"grade_id": "collapse-written", "grade": true, "points": 4, "solution": true}
# (a) The ELBO is minus the sum of rate and distortion: A −92.0, B −97.6, C −99.0 nats, so A is
# best and C worst. (1 point) (b) Only C's. With another sentence's code its decoder loses 50
# nats, A's loses 0.1 and B's 0.3. Counts of active latents mislead: four latents of A count as
# active and carry at most 0.1 nats between them. (1 point; half without the exchange) (c) No. B
# pays 6 nats and its decoder uses next to nothing of them, since an exchange costs 0.3 nats
# only; the ELBO is 5.6 nats worse than A's. A rate forced up is not yet a code that is used. (1
# point) (d) A for likelihoods: a model that does without its latents may be the better density.
# C for codes: it is the only one whose codes say something about the sentence. (1 point)

# %% [markdown]
# ## Question 6. A coupling step (4 points, 10 minutes)
#
# **6a.** Noise $z$ from $N(0, I)$ is turned into $y$, both of $2m$ numbers. The first half
# stays, $y_a = z_a$, and the second half is stretched and shifted,
#
# $$y_b = z_b\, e^{s(z_a)} + t(z_a), \qquad s(z_a) = z_a S, \qquad t(z_a) = z_a T,$$
#
# with two matrices $S$ and $T$. Compute $\log p(y)$ of given points. (2 points)

# %% nbgrader={"grade_id": "coupling-answer", "solution": true}
def coupling_log_prob(y, S, T):
    """log p(y) in nats: y [n, 2 m], S and T [m, m] -> [n]."""
    ### BEGIN SOLUTION
    still, moved = np.split(y, 2, axis=1)
    z = np.concatenate([still, (moved - still @ T) * np.exp(-still @ S)], axis=1)
    return stats.norm.logpdf(z).sum(axis=1) - (still @ S).sum(axis=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "coupling-check", "grade": true, "points": 2}
values = coupling_log_prob(
    np.array([[0.0, 0.0], [1.0, 3.0]]), np.array([[0.0]]), np.array([[3.0]])
)
assert np.shape(values) == (2,), "one number for each point"
assert np.isclose(values[0], -np.log(2 * np.pi)), "nothing is moved here: z = (0, 0)"
assert np.isclose(values[1] - values[0], -0.5), (
    "no stretch, and a shift of 3: z = (1, 0), half a nat less likely"
)
### BEGIN HIDDEN TESTS
for m in (1, 3):
    y, (S, T) = random.normal(size=(6, 2 * m)) * 2, random.normal(size=(2, m, m)) / 2
    still, moved = y[:, :m], y[:, m:]
    expected = stats.norm.logpdf(still) + stats.norm.logpdf(moved, still @ T, np.exp(still @ S))
    right = np.allclose(coupling_log_prob(y, S, T), expected.sum(axis=1))
    assert right, "normal with mean t and scale e^s: check the sign of the log-determinant"
### END HIDDEN TESTS

# %% [markdown]
# **6b.** An autoregressive flow on $d$ numbers runs one way in a single pass of its network and
# the other way in $d$ passes. For a VAE's posterior, must the fast way be from noise to code or
# from code to noise? And for a density fitted to data, from noise to data or back? What do
# coupling steps change, and at what price? (2 points)

# %% [markdown] nbgrader={"grade_id": "direction-written", "grade": true, "points": 2, "solution": true}
# A posterior is drawn from in every training step, and its density is needed only at its own
# draws, whose noise is known. So the way from noise to code must be fast (inverse
# autoregressive flow). A density fitted by maximum likelihood is evaluated at given data in
# every step, so the way from data to noise must be fast (masked autoregressive flow), and
# drawing may be slow. (1 point: both, with a reason) A coupling step takes one pass both ways,
# because the numbers that stay are known in either direction; but it moves only half of them,
# so more steps are needed for the same flexibility. (1 point)

# %% [markdown]
# ## Question 7. Alarms (5 points, 12 minutes)
#
# **7a.** You have scores of $n$ normal examples that were not used in training; higher is
# odder. Return the smallest score that may serve as the threshold. An alarm is raised for any
# score above it, and the next normal example, from the same source, may raise one with a
# probability of at most `alpha`, whatever the distribution (the probability counts the draw of
# your $n$ scores, too). If there are too few scores for this `alpha`, return `np.inf`: no alarm
# is ever raised. (2 points)

# %% nbgrader={"grade_id": "threshold-answer", "solution": true}
def threshold(scores, alpha):
    """Alarm if a new score is above this number: scores [n], in any order; 0 < alpha < 1."""
    ### BEGIN SOLUTION
    rank = int(np.ceil((len(scores) + 1) * (1 - alpha) - 1e-9))  # 1 - 0.7 is not quite 0.3
    return np.sort(scores)[rank - 1] if rank <= len(scores) else np.inf
    ### END SOLUTION

# %% nbgrader={"grade_id": "threshold-check", "grade": true, "points": 2}
scores = np.array([3.0, 1.0, 2.0])
assert threshold(scores, 0.5) == 2, (
    "three scores: the next one is above the second smallest with probability 1/2"
)
assert threshold(scores, 0.3) == 3, (
    "it is above the largest with probability 1/4, which 0.3 allows"
)
assert threshold(scores, 0.2) == np.inf, "three scores cannot promise less than 1/4"
### BEGIN HIDDEN TESTS
scores = random.permutation(np.arange(1.0, 200.0))  # 199 scores: the next one has 200 places
kept = scores.copy()
cases = {0.0525: 190, 0.013: 198, 0.006: 199, 0.004: np.inf, 0.777: 45}
for alpha, expected in cases.items():
    assert threshold(scores, alpha) == expected, (
        "of rank k = ceil((n + 1)(1 - alpha)), equation 13.4"
    )
assert np.array_equal(scores, kept), "your function changes the array that it is given"
### END HIDDEN TESTS

# %% [markdown]
# **7b.** A seller offers a detector: "AUC 0.99; it finds 95 % of faulty parts at 1 % false
# alarms. So 99 of 100 alarms are right." You make 10 000 parts a day, 5 of which are faulty.
# (i) How many alarms a day do you expect, and which share of them is right? (ii) You want at
# most 0.1 % false alarms. How many normal parts must you hold out at least to set the threshold
# of 7a? (iii) The detector is a VAE's reconstruction error. Name a simple control that it should
# beat, and say why it may fail to. (3 points)

# %% [markdown] nbgrader={"grade_id": "alarm-written", "grade": true, "points": 3, "solution": true}
# (i) $5 \cdot 0.95 = 4.75$ right alarms and $9995 \cdot 0.01 \approx 100$ false ones: about 105
# a day, of which 4.5 % are right. The seller confuses the share of normal parts without an
# alarm with the share of alarms that are right, which depends on the base rate of 1 in 2000. (1
# point; half for one of the two numbers) (ii) The rank $\lceil (n + 1)(1 - 0.001) \rceil$ must
# not exceed $n$, so $n + 1 \ge 1000$: at least 999 parts. (1 point) (iii) For example the
# distance to the mean, PCA's error, or the distance to the nearest normal example: the faults
# may be visible in brightness, size or roughness alone, which any of these sees. An error also
# measures how complicated a part is, so that a plain but odd part may score below a normal,
# detailed one. (1 point for a control and a reason)

# %% [markdown]
# ## Question 8. Classes, and a model for the job (6 points, 14 minutes)
#
# **8a.** A conditional model gives $\log p(x|c)$ for each of $C$ classes, exactly. Compute
# $\log p(x)$ and the class probabilities $p(c|x)$. Log-likelihoods of images lie far below
# zero, where `np.exp` gives 0. (2 points)

# %% nbgrader={"grade_id": "classes-answer", "solution": true}
def without_condition(log_p, prior):
    """(log p(x) [n], p(c|x) [n, C]): log_p = log p(x|c) [n, C], prior p(c) [C]."""
    ### BEGIN SOLUTION
    joint = log_p + np.log(prior)
    log_p_x = logsumexp(joint, axis=1)
    return log_p_x, np.exp(joint - log_p_x[:, None])
    ### END SOLUTION

# %% nbgrader={"grade_id": "classes-check", "grade": true, "points": 2}
log_p_x, p_class = without_condition(np.log([[0.3, 0.1]]), np.array([0.5, 0.5]))
assert np.shape(log_p_x) == (1,) and np.shape(p_class) == (1, 2), (
    "a number and C probabilities for each example"
)
assert np.isclose(log_p_x[0], np.log(0.2)), "p(x) = 0.5 * 0.3 + 0.5 * 0.1"
assert np.allclose(p_class, [[0.75, 0.25]]), "0.15 and 0.05, as shares of their sum"
### BEGIN HIDDEN TESTS
log_p, prior = random.normal(size=(5, 4)) * 2, random.dirichlet(np.ones(4))
for shift in (0.0, -3000.0, 2000.0):
    log_p_x, p_class = without_condition(log_p + shift, prior)
    joint = np.exp(log_p) * prior
    assert np.allclose(log_p_x - shift, np.log(joint.sum(axis=1))), (
        "a sum over classes, weighted by the prior, stably"
    )
    assert np.allclose(p_class, joint / joint.sum(axis=1, keepdims=True)), (
        "Bayes' rule, with the prior"
    )
### END HIDDEN TESTS

# %% [markdown]
# **8b.** For each job choose a model of this course, the number by which you compare
# candidates, and a simple rival that it has to beat. One or two sentences and one point for
# each job.
#
# 1. 100 000 microscope pictures of cells, 40 of them labeled with one of four types: sort new
#    pictures by type.
# 2. Given weekday and weather, state for each hour of tomorrow a range that holds the power
#    consumption on nine days out of ten.
# 3. Store an archive of gray images without loss in as few bytes as possible.
# 4. Draw sharp textures for a game. Nobody will ask how probable they are.

# %% [markdown] nbgrader={"grade_id": "jobs-written", "grade": true, "points": 4, "solution": true}
# One point for each job if model, number and rival fit together, half a point for two of the
# three; other sound choices count.
#
# 1. M2, or a classifier on the codes of a VAE that has seen all pictures (M1). Balanced
#    accuracy on held-out pictures, over several draws of the 40 labels. The same classifier
#    trained on the 40 pictures alone, or label spreading; measure the purity of neighbors
#    first, since unlabeled pictures help only if classes form clumps.
# 2. A conditional VAE (or a conditional flow): draw many days from the prior for the given
#    condition. Coverage of 90 % intervals on later days, with their width, or $\log p(x|c)$.
#    The quantiles of past days with the same weekday and similar weather, or ridge regression
#    with its residuals.
# 3. A model of the pixels' levels, with a bound that bits back turns into a file: a VAE with a
#    discretized likelihood, a hierarchical VAE or an autoregressive model. Bits per pixel of
#    the whole file on new images, the network's weights counted if they are sent. PNG or zlib.
# 4. A GAN or VAE-GAN (or a diffusion model, if seconds per picture do not matter). Fréchet
#    distance together with precision and recall, so that a few perfect textures drawn again and
#    again are noticed. Patches copied from the training set, or a plain VAE.
