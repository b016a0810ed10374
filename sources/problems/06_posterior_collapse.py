# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 06. Posterior collapse
#
# Read [chapter 06](../../chapters/06_posterior_collapse.ipynb) first. The whole notebook computes for less than a minute.
# **Time:** about 60 minutes. **Points:** 21.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import callbacks, datasets, evaluation, likelihoods, models, networks

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
random = np.random.default_rng(0)

# %% [markdown]
# ## Exercise 1. When does it collapse? (4 points, 10 minutes)
#
# Several models were trained on the same data, and for each you know its rate and its distortion. One of them has the rate 0: it
# has collapsed. A training with weight $\beta$ would like the model best whose $\mathcal D + \beta R$ is smallest. Which one is
# that?

# %% nbgrader={"grade_id": "preferred", "solution": true}
def preferred(rates, distortions, beta):
    """The index of the model that a loss with weight beta likes best: a whole number.

    rates and distortions: [n], in nats.
    """
    ### BEGIN SOLUTION
    return int(np.argmin(distortions + beta * rates))
    ### END SOLUTION

# %% nbgrader={"grade_id": "preferred-check", "grade": true, "points": 2}
rates, distortions = np.array([5.0, 0.0, 12.0, 2.0]), np.array([13.0, 24.0, 9.0, 18.5])
kept = np.array([rates, distortions])
answer = preferred(rates, distortions, 1.0)
assert np.array_equal([rates, distortions], kept), (
    "your function changes the arrays it is given"
)
assert not np.isclose(answer, 18), "18 is the smallest sum; give the position of its model"
assert answer == 0, "at beta = 1 it is the best ELBO: the sums are 18, 24, 21 and 20.5"
assert preferred(rates, distortions, 0.01) == 2, (
    "if the code is nearly free, the smallest distortion wins"
)
assert preferred(rates, distortions, 100.0) == 1, (
    "if the code costs very much, only the model without one is left"
)
assert preferred(rates, distortions, 2.0) == 3, (
    "beta weighs the rate and not the distortion: the sums are 23, 24, 33 and 22.5"
)
### BEGIN HIDDEN TESTS
for beta in (0.0, 0.4, 0.8, 1.5, 2.5, 3.0):
    assert preferred(rates, distortions, beta) == np.argmin(
        [d + beta * r for r, d in zip(rates, distortions)]
    ), "R and D"
assert preferred(rates[::-1], distortions[::-1], 1.0) == 3, (
    "the order of the models does not matter"
)
for beta in (0.05, 0.5, 1.0, 3.0, 9.0):
    some_rates, some_distortions = random.uniform(0, 20, 7), random.uniform(5, 25, 7)
    sums = [d + beta * r for r, d in zip(some_rates, some_distortions, strict=True)]
    assert preferred(some_rates, some_distortions, beta) == np.argmin(sums), (
        "other models, other numbers"
    )
### END HIDDEN TESTS

# %% [markdown]
# Raise $\beta$ slowly. From which $\beta$ on is the collapsed model at least as good as every other one? Every other model
# gives a bound of its own; which of them holds out longest depends on both its rate and its distortion.

# %% nbgrader={"grade_id": "collapse-beta", "solution": true}
def collapse_beta(rates, distortions):
    """The smallest beta >= 0 from which on the model with rate 0 is the best.

    rates and distortions: [n], in nats; one rate is 0.
    """
    ### BEGIN SOLUTION
    collapsed = np.argmin(rates)
    others = np.arange(len(rates)) != collapsed
    turns = (distortions[collapsed] - distortions[others]) / rates[others]
    return max(0.0, np.max(turns))
    ### END SOLUTION

# %% nbgrader={"grade_id": "collapse-beta-check", "grade": true, "points": 2}
answer = collapse_beta(np.array([0.0, 4.0]), np.array([24.0, 12.0]))
assert np.ndim(answer) == 0, f"one number is wanted. Received: {answer}"
assert np.isfinite(answer), "the collapsed model is not compared with itself: 0 / 0"
assert np.isclose(answer, 3, rtol=0.01), (
    "four nats of rate save twelve of distortion: three each"
)
assert np.isclose(answer, 3), "nearly 3: a grid of betas only comes near, so solve for beta"
answer = collapse_beta(np.array([4.0, 0.0]), np.array([12.0, 24.0]))
assert np.isclose(answer, 3), "the collapsed model may stand anywhere: find it by its rate"
answer = collapse_beta(np.array([3.0, 0.0, 1.0]), np.array([10.0, 26.0, 24.0]))
why = "the last to give up decides: 16 nats for 3 hold out longer than 2 for 1"
assert np.isclose(answer, 16 / 3), f"{why}; yours gives {answer}"
answer = collapse_beta(np.array([0.0, 0.1, 5.0]), np.array([20.0, 24.0, 10.0]))
assert np.isclose(answer, 2), (
    "the second model pays more and misses more than the collapsed one: it never counts"
)
answer = collapse_beta(np.array([3.0, 0.0, 4.0]), np.array([25.0, 12.0, 24.0]))
assert answer == 0, (
    "all others pay more and miss more than the collapsed model: it is best at every beta from"
    f" 0 on, so 0 is wanted (no beta is negative); yours gives {answer}"
)
answer = collapse_beta(rates, distortions)
assert np.array_equal([rates, distortions], kept), (
    "your function changes the arrays it is given"
)
assert np.isclose(answer, 2.75), (
    f"every other model must be beaten, so the last to give up decides; yours gives {answer}"
)
assert preferred(rates, distortions, 1.01 * answer) == 1, (
    "just above, the collapsed model should win"
)
assert preferred(rates, distortions, 0.99 * answer) != 1, "just below, it should not"
### BEGIN HIDDEN TESTS
for _ in range(20):
    some_rates, some_distortions = random.uniform(0.5, 9, 6), random.uniform(5, 25, 6)
    place = random.integers(6)
    some_rates[place], some_distortions[place] = 0.0, 26.0
    turn = collapse_beta(some_rates, some_distortions)
    assert preferred(some_rates, some_distortions, 1.001 * turn) == place, (
        "just above, the collapsed model should win"
    )
    assert preferred(some_rates, some_distortions, 0.999 * turn) != place, (
        "just below, it should not"
    )
    some_distortions[place] = 1.0
    assert collapse_beta(some_rates, some_distortions) == 0, "better than all others: from 0 on"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. What is in the rate? (3 points, 12 minutes)
#
# For $n$ images one code each was drawn, $z_i \sim q(z|x_i)$. You are given a table of all $\log q(z_i|x_m)$, with codes down and images
# across, and $\log p(z_i)$. Split the rate as in equation 6.4, estimating all three parts from these samples. Entries of the table may
# be as small as $-5000$, where `np.exp` gives 0.

# %% nbgrader={"grade_id": "surgery", "solution": true}
def surgery(log_q, log_p):
    """(rate, mutual information, KL(q(z) || p(z))), three numbers in nats.

    log_q: [n, n], row i: code i; log_p: [n].
    """
    ### BEGIN SOLUTION
    own = np.diag(log_q)
    aggregate = np.logaddexp.reduce(log_q, axis=1) - np.log(len(log_q))
    return np.mean(own - log_p), np.mean(own - aggregate), np.mean(aggregate - log_p)
    ### END SOLUTION

# %% nbgrader={"grade_id": "surgery-check", "grade": true, "points": 3}
def table(means, scale, seed=0):
    """log q(z_i|x_m) [n, n] and log p(z_i) [n] for posteriors N(means[m], scale^2)."""
    z = means + scale * np.random.default_rng(seed).normal(size=len(means))
    return tfd.Normal(means, np.float64(scale)).log_prob(z[:, None]).numpy(), tfd.Normal(
        0.0, np.float64(1)
    ).log_prob(z).numpy()


log_q, log_p = table(np.zeros(50), 1.0)
kept = log_q.copy(), log_p.copy()
parts = surgery(log_q, log_p)
unchanged = np.array_equal(log_q, kept[0]) and np.array_equal(log_p, kept[1])
assert unchanged, "your function changes the arrays it is given"
assert np.shape(parts) == (3,), "three numbers: average over the codes"
off_by = np.isclose(np.abs(parts[1]), np.log(50))
assert not off_by, "off by log n: q(z) is the mean of the n posteriors, not their sum"
uneven = np.array([[-1.0, -3.0], [-1.5, -0.5]])
answer = surgery(uneven, np.array([-2.0, -1.0]))[1]
expected = np.mean([-np.log(0.5 + 0.5 * np.exp(-2.0)), -np.log(0.5 + 0.5 * np.exp(-1.0))])
assert not np.isclose(answer, 2 * expected), "average over the codes, do not add them up"
assert np.isclose(answer, expected), (
    "the information, second of the three: own density against q(z_i), the mean of row i"
)
assert np.allclose(parts, 0, atol=1e-9), (
    "every posterior is the prior: no rate, no information, no mismatch"
)
rate, information, mismatch = surgery(*table(np.full(50, 2.0), 1.0))
assert np.isclose(information, 0, atol=1e-9), (
    "one posterior for all images tells nothing about the image"
)
assert np.isclose(mismatch, rate) and rate > 1, (
    "here the whole rate is a mismatch with the prior"
)
rate, information, mismatch = surgery(*table(np.linspace(-2, 2, 8), 0.001))
assert np.isclose(information, np.log(8)), (
    "eight codes that cannot be confused tell log 8 nats, and are you safe from np.exp?"
)
far_apart = surgery(np.array([[-5000.0, -5000.0], [0.0, 0.0]]), np.zeros(2))[1]
assert np.isclose(far_apart, 0), (
    "each code has its own scale: one at -5000 under both images tells nothing, no -inf"
)
unlike = surgery(np.array([[-5000.0, 0.0], [0.0, -5000.0]]), np.zeros(2))[1]
assert np.isclose(unlike, np.log(2) - 5000), (
    "a code's own posterior may be far below another's: take the row's largest as the scale;"
    f" -5000 + log 2 is due, yours gives {unlike}"
)
assert np.isclose(rate, information + mismatch), "the two parts add up to the rate"
rate, information, mismatch = surgery(np.array([[-3.0, -1.0], [-0.5, -1.5]]), np.zeros(2))
assert information < 0 and mismatch < 0, (
    "estimates from few codes may be below zero: report them as they are"
)
### BEGIN HIDDEN TESTS
log_q, log_p = table(random.normal(size=40), 0.5, seed=1)
answer = surgery(log_q, log_p)
q = np.exp(log_q).mean(axis=1)
assert np.isclose(answer[0], np.mean(np.diag(log_q) - log_p)), (
    "the rate: each code under its own posterior, against the prior"
)
assert np.isclose(answer[1], np.mean(np.diag(log_q) - np.log(q))), (
    "the information: own posterior against q(z)"
)
assert np.isclose(answer[2], np.mean(np.log(q) - log_p)), "the mismatch: q(z) against the prior"
assert np.allclose(surgery(log_q - 5000, log_p - 5000), answer), (
    "very small densities must not underflow"
)
log_q, log_p = (
    random.normal(size=(2, 2)) + np.array([[-4, 0], [0, -4]]),
    random.normal(size=2) + 3,
)
answer, q = surgery(log_q, log_p), np.exp(log_q).mean(axis=1)
expected = (
    np.mean(np.diag(log_q) - log_p),
    np.mean(np.diag(log_q) - np.log(q)),
    np.mean(np.log(q) - log_p),
)
assert np.allclose(answer, expected), "estimates below zero are not cut off"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. Free bits for groups (3 points, 8 minutes)
#
# Kingma et al. (2016) gave the allowance to *groups* of latents: inside a group the KLs are added up, and each group pays at least
# $\lambda$ nats. With groups of one latent this is equation 6.5. Write it for any groups. The mean over the batch comes first, so
# that one unusual image may use more than the allowance if others use less.

# %% nbgrader={"grade_id": "groups", "solution": true}
def paid_kl(kl, groups, free_bits):
    """What is paid, in nats: kl [batch, latents].

    groups: [latents], the number of each latent's group; numbers may be left out.
    """
    ### BEGIN SOLUTION
    per_latent = kl.mean(axis=0)
    per_group = [per_latent[groups == number].sum() for number in np.unique(groups)]
    return np.maximum(per_group, free_bits).sum()
    ### END SOLUTION

# %% nbgrader={"grade_id": "groups-check", "grade": true, "points": 3}
kl = np.array([[0.1, 0.3, 2.0, 0.0], [0.3, 0.1, 4.0, 0.0]])
kept, alone, pairs = kl.copy(), np.arange(4), np.array([0, 0, 1, 1])
answer = paid_kl(kl, alone, 0.0)
assert np.array_equal(kl, kept), "your function changes the KLs it is given"
assert np.isclose(answer, 3.4), (
    "with nothing free the whole KL is paid, on average over the batch: 3.4 nats"
)
answer = paid_kl(kl, alone, 0.25)
assert not np.isclose(answer, 2.75), (
    "a floor, not a discount: a group above it pays its whole KL"
)
assert not np.isclose(answer, 3.4), "each group has its own floor: 0.2 and 0 nats become 0.25"
assert np.isclose(answer, 3.75), (
    f"0.25 + 0.25 + 3 + 0.25: first the mean over the batch, then the maximum; yours {answer}"
)
assert np.isclose(paid_kl(kl, pairs, 0.25), 3.4), (
    "as pairs: 0.2 + 0.2 and 3 + 0 are both above 0.25"
)
assert np.isclose(paid_kl(kl, pairs, 1.0), 4.0), "1 for the first pair, 3 for the second"
assert np.isclose(paid_kl(kl, np.array([1, 1, 0, 1]), 1.0), 4.0), (
    "groups need not be neighbors nor in order: latent 2 alone, and the other three together"
)
answer = paid_kl(kl, np.array([0, 0, 5, 5]), 1.0)
assert np.isclose(answer, 4.0), (
    "groups 0 and 5 are two groups: a number that no latent has is no group, and pays nothing;"
    f" 4 nats are due, yours gives {answer}"
)
### BEGIN HIDDEN TESTS
kl, groups = random.uniform(0, 1, size=(30, 7)), np.array([2, 0, 1, 1, 0, 2, 2])
for free_bits in (0.1, 0.9, 1.4, 3.0):
    sums = [kl[:, groups == group].sum(axis=1).mean() for group in range(3)]
    assert np.isclose(paid_kl(kl, groups, free_bits), sum(max(free_bits, s) for s in sums)), (
        "the sum over groups of a maximum"
    )
assert np.isclose(
    paid_kl(kl, np.arange(7)[::-1], 0.5), np.maximum(kl.mean(axis=0), 0.5).sum()
), "seven groups of one latent"
assert np.isclose(paid_kl(kl, groups + 3, 3.0), paid_kl(kl, groups, 3.0)), (
    "the numbers are names only"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Collapse that is right (4 points, 14 minutes)
#
# The linear VAE of section 6, with everything known. Let $\lambda_1 \ge \lambda_2 \ge \dots \ge \lambda_D$ be the eigenvalues of the data's
# covariance, all above zero, and let there be $d$ latents. At the best parameters the model is normal with variance $\sigma^2 +
# \lVert w_i \rVert^2$ along eigenvector $i$ (equation 6.6; beyond the first $d$ directions there are no columns). Along each
# direction the mean log-likelihood of the data is that of a normal distribution, so
#
# $$ \frac1N \sum_n \log p(x_n) = -\frac12 \sum_{i=1}^{D} \Big( \log (2 \pi c_i) + \frac{\lambda_i}{c_i} \Big),
#    \qquad c_i = \text{the model's variance along } i. $$

# %% nbgrader={"grade_id": "linear", "solution": true}
def best_evidence(variances, sigma, latent_size):
    """The largest mean log-likelihood of a linear VAE, in nats.

    variances: [D], the eigenvalues, largest first.
    """
    ### BEGIN SOLUTION
    model = np.full(len(variances), sigma**2)
    model[:latent_size] = np.maximum(variances[:latent_size], sigma**2)
    return -0.5 * np.sum(np.log(2 * np.pi * model) + variances / model)
    ### END SOLUTION

# %% nbgrader={"grade_id": "linear-check", "grade": true, "points": 2}
variances = np.array([4.0, 2.0, 1.0, 0.5, 0.1])
kept = variances.copy()
answer = best_evidence(variances, 1.2, 0)
assert np.array_equal(variances, kept), "your function changes the eigenvalues it is given"
no_latents = -0.5 * np.sum(np.log(2 * np.pi * 1.44) + variances / 1.44)
assert not np.isclose(answer, -no_latents), "the sign: this is log p, not its negative"
assert not np.isclose(answer, no_latents + 2.5 * np.log(2 * np.pi)), "where is the 2 pi?"
assert np.isclose(answer, no_latents), "no latents: sigma^2 along every one of the D directions"
just_noise = -0.5 * np.sum(np.log(2 * np.pi * 9) + variances / 9)
answer = best_evidence(variances, 3.0, 5)
assert np.isfinite(answer), "a column of length zero leaves sigma^2, and not zero, along it"
assert np.isclose(answer, just_noise), (
    "sigma^2 = 9 is above all eigenvalues: all columns are zero, and 9 is left everywhere"
)
assert np.array_equal(variances, kept), "your function changes the eigenvalues it is given"
full = -0.5 * np.sum(np.log(2 * np.pi * variances) + 1)
assert np.isclose(best_evidence(variances, 0.1, 5), full), (
    "five latents and little noise: the model has the data's variances"
)
assert best_evidence(variances, 0.5, 3) > best_evidence(variances, 0.5, 2), (
    "a third latent helps while its eigenvalue is above"
)
assert np.isclose(best_evidence(variances, 0.9, 3), best_evidence(variances, 0.9, 5)), (
    "latents below sigma^2 change nothing"
)
### BEGIN HIDDEN TESTS
x = random.normal(size=(400, 6)) * np.array([3.0, 2.0, 1.0, 0.7, 0.3, 0.2])
values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
values, vectors = values[::-1], vectors[:, ::-1]
for sigma, size in ((0.4, 2), (0.8, 4), (1.5, 6), (0.25, 1)):
    W = vectors[:, :size] * np.sqrt(np.maximum(values[:size] - sigma**2, 0))
    root = np.linalg.cholesky(W @ W.T + sigma**2 * np.eye(6))
    exact = tfd.MultivariateNormalTriL(x.mean(axis=0), root).log_prob(x).numpy().mean()
    assert np.isclose(best_evidence(values, sigma, size), exact), (
        "it should be the evidence of equation 6.6's parameters"
    )
### END HIDDEN TESTS

# %% [markdown]
# How much does this model spend? Equation 6.6 gives the posterior of each latent. Put its mean and variance into the KL of two normals
# (equation 3.6). Over the data, $u_j^\top (x - \bar x)$ has the variance $\lambda_j$, so the mean of $\mu_j^2$ over the data is known.
# The result is short: simplify before you type.

# %% nbgrader={"grade_id": "linear-rate", "solution": true}
def best_rate(variances, sigma, latent_size):
    """The rate of the best linear VAE, the mean KL(q(z|x) || p(z)) over the data, in nats.

    variances: [D], the eigenvalues, largest first.
    """
    ### BEGIN SOLUTION
    used = np.maximum(variances[:latent_size] / sigma**2, 1)
    return 0.5 * np.sum(np.log(used))
    ### END SOLUTION

# %% nbgrader={"grade_id": "linear-rate-check", "grade": true, "points": 2}
answer = best_rate(variances, 3.0, 5)
assert np.array_equal(variances, kept), "your function changes the eigenvalues it is given"
assert np.isclose(answer, 0), (
    "sigma^2 = 9: all latents collapsed, their posterior is the prior, and costs nothing"
)
assert np.isclose(best_rate(np.array([4.0, 1.0]), 1.0, 1), np.log(2)), (
    "mu^2 is 3/4 on average, the variance 1/4: log 2 nats"
)
assert best_rate(variances, 0.5, 1) < best_rate(variances, 0.5, 3), (
    "each latent in use adds to the rate"
)
assert np.isclose(best_rate(variances, 0.9, 3), best_rate(variances, 0.9, 5)), (
    "a latent that is not used costs nothing"
)
doubled = best_rate(variances, 0.1, 3) - best_rate(variances, 0.2, 3)
assert np.isclose(doubled, 3 * np.log(2)), (
    "half the noise: log 2 more nats for each latent in use"
)
### BEGIN HIDDEN TESTS
for sigma, size in ((0.4, 2), (0.8, 4), (1.5, 6), (0.25, 1)):
    c = np.maximum(values[:size], sigma**2)
    mean = (x - x.mean(axis=0)) @ vectors[:, :size] * np.sqrt(c - sigma**2) / c
    q, p = (
        tfd.Normal(mean, np.sqrt(sigma**2 / c)),
        tfd.Normal(np.zeros_like(mean), np.float64(1)),
    )
    exact = tfd.kl_divergence(q, p).numpy().sum(axis=1).mean()
    assert np.isclose(best_rate(values, sigma, size), exact), (
        "it should be the mean KL over the data"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Was it cured? (3 points, 8 minutes)
#
# A report says: "Our sentence VAE with an autoregressive decoder had a KL of 0.02 nats and an ELBO of $-101.3$. With beta 0.25 the KL is
# 14.1 nats, all 32 latents are active, and the ELBO is $-106.0$. We have cured posterior collapse and improved the model. The mutual information,
# measured on 500 sentences, is 6.2 nats." Each number is from one training.
#
# In about six sentences: what has been shown, and what has not? Say what the two points are in the plane of rate and
# distortion, what to think of the mutual information, and which two measurements or runs you would ask for.

# %% [markdown] nbgrader={"grade_id": "why-cure", "grade": true, "points": 3, "solution": true}
# The first model is at $R = 0.02$ and $\mathcal D = 101.28$, the second at $R = 14.1$ and $\mathcal D = 91.9$. The code saves 9.4 nats of
# distortion for 14.1 nats of rate, so the latents are used, but as a density the model has got worse by 4.7 nats of ELBO: "improved" is not
# shown, and at $\beta = 0.25$ it is not even surprising. (1 point) The ELBO is only a bound, and with a larger rate the posterior has more
# to get wrong. So the log-likelihood with importance samples should be measured for both before saying how much worse. (1 point) The mutual information
# is at its ceiling, since $\log 500 = 6.2$. For the mixture over all sentences that could occur it is therefore at least 6.2 nats, and the mismatch of
# aggregate posterior and prior at most 7.9 nats, which could spoil samples; more sentences would tell. (For the mixture over exactly
# these 500 sentences it is a measurement: nearly all that is possible.) Active units alone do not show how much is used. I would ask for more
# seeds, for other cures at the same number of gradient steps (annealing or free bits, which end with the true bound or near it), and for
# the effect of exchanging codes. (1 point for the ceiling and two sensible requests)

# %% [markdown]
# ## Exercise 6. Repair this: annealing that never happens (3 points, 8 minutes)
#
# The following lines, after a published program, are meant to raise the weight of the KL from 0 to 1 over `warm_up` epochs. Run them.
# The function `prices` recovers from the history what a nat of KL really cost in each epoch.

# %% tags=["drift"]
class AnnealedToRepair(models.VAE):
    weight = 0.0

    def objective(self, terms):
        return terms["reconstruction"] - self.weight * terms["kl"]


class WarmUpToRepair(keras.callbacks.Callback):
    def __init__(self, warm_up):
        super().__init__()
        self.warm_up = warm_up

    def on_epoch_end(self, epoch, logs=None):
        self.model.weight = self.model.weight + 1 / self.warm_up


def compiled(model):
    """A small VAE of that class."""
    keras.utils.set_random_seed(0)
    vae = model(
        networks.mlp_encoder((8, 8, 1), 4, (16,)), networks.mlp_decoder(2, (8, 8, 1), (16,))
    )
    vae.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    return vae


def prices(vae, callback, epochs):
    """What a nat of KL costs in the loss of each epoch: loss = -reconstruction + price * kl."""
    record = vae.fit(few_images, epochs=epochs, callbacks=[callback], verbose=0).history
    loss, reconstruction, kl = [
        np.array(record[name]) for name in ("loss", "reconstruction", "kl")
    ]
    return (loss + reconstruction) / kl


few_images = (datasets.load("digits").x_train[:256] > 0.5).astype("float32")
print("prices:", np.round(prices(compiled(AnnealedToRepair), WarmUpToRepair(4), 6), 2))

# %% [markdown]
# Write both classes anew. In epoch $e$, counted from 0, the price should be $e / \text{warm\_up}$, and 1 from then on, in every
# call of `fit`. There is more than one sound way, and short ones.

# %% nbgrader={"grade_id": "repair", "solution": true}
class Annealed(models.VAE):
    """A VAE whose weight of the KL can be changed while it trains."""

    ### BEGIN SOLUTION
    # Or leave the class empty: models.VAE has such a weight, `beta`, that a callback may set.
    def __init__(self, *networks_of_a_vae, **options):
        super().__init__(*networks_of_a_vae, **options)
        self.weight = self.add_weight(
            name="weight", shape=(), initializer="zeros", trainable=False
        )

    def objective(self, terms):
        return terms["reconstruction"] - self.weight * terms["kl"]

    ### END SOLUTION


class WarmUp(keras.callbacks.Callback):
    """Sets the weight of the KL to epoch / warm_up, and to 1 from then on."""

    def __init__(self, warm_up):
        super().__init__()
        self.warm_up = warm_up

    def on_epoch_begin(self, epoch, logs=None):
        ### BEGIN SOLUTION
        self.model.weight.assign(min(1.0, epoch / self.warm_up))
        ### END SOLUTION

# %% nbgrader={"grade_id": "repair-check", "grade": true, "points": 3}
annealed, plain = compiled(Annealed), compiled(models.VAE)
assert len(annealed.trainable_variables) == len(plain.trainable_variables), (
    "the weight of the KL must not be trained itself"
)
answer = prices(annealed, WarmUp(4), 6)
assert not np.allclose(answer, answer[0]), (
    "the price never changes: is the weight a plain Python number, frozen at the first step?"
)
assert np.isclose(answer[0], 0, atol=1e-3), "in the first epoch the KL should be free"
assert np.allclose(answer[:5], [0, 0.25, 0.5, 0.75, 1], atol=1e-3), (
    f"0, 1/4, 1/2, 3/4, 1 were due; yours: {np.round(answer, 2)}"
)
assert np.allclose(answer[5:], 1, atol=1e-3), (
    "after the warm-up the price stays at 1: more would be another bound"
)
once_more = WarmUp(2)
for number in (1, 2):
    answer = prices(annealed, once_more, 3)
    assert np.allclose(answer, [0, 0.5, 1], atol=1e-3), (
        f"fit number {number} with one callback object: each starts from 0, prices 0, 1/2, 1;"
        f" yours {np.round(answer, 2)}. Use the argument `epoch`, which counts within a fit"
    )
### BEGIN HIDDEN TESTS
answer = prices(annealed, WarmUp(2), 4)
assert np.allclose(answer, [0, 0.5, 1, 1], atol=1e-3), (
    "a second fit, with another warm-up, starts from 0 again"
)
terms = annealed.predict(few_images, verbose=0)
assert np.allclose(terms["elbo"], terms["reconstruction"] - terms["kl"], atol=1e-3), (
    "the ELBO is reported without the weight"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Open challenge: information for nothing (1 point, as long as you like)
#
# Here is the pixel VAE of the chapter, a little smaller, and untreated. Make its code carry as much information as you can, without
# paying in likelihood: the validation log-likelihood may be at most 0.3 nats below the untreated one. The budget is the same 25 epochs
# in batches of 32, and the networks stay as they are. Any objective, any schedule and any learning rate is allowed. The point is given for one nat of
# mutual information within that limit; the challenge is to get as far as possible. Choose on validation images, and write down how
# many things you tried.

# %% tags=["drift"]
class MaskedDense(keras.layers.Layer):
    def __init__(self, mask):
        super().__init__()
        self.mask = tf.constant(mask, tf.float32)
        self.kernel = self.add_weight(
            name="kernel", shape=mask.shape, initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=mask.shape[1:], initializer="zeros")

    def call(self, x):
        return x @ (self.kernel * self.mask) + self.bias


def new_look(units=512):
    number, sees = np.arange(1, 65), np.linspace(1, 63, units).round()
    image = keras.Input((8, 8, 1))
    hidden = MaskedDense(number[:, None] <= sees)(keras.layers.Flatten()(image))
    return keras.Model(
        image,
        keras.layers.Reshape((8, 8, 1))(
            MaskedDense(sees[:, None] < number)(keras.ops.relu(hidden))
        ),
    )


class SeesEarlierPixels:
    def __init__(self, bernoulli, from_code, look):
        self.bernoulli, self.from_code, self.look = bernoulli, from_code, look

    def log_prob(self, x):
        return self.bernoulli(self.from_code + self.look(x)).log_prob(x)


class PixelByPixel(likelihoods.Bernoulli):
    """Binary pixels; each depends on z and, through `look`, on the pixels before it."""

    def __init__(self):
        super().__init__()
        self.look = new_look()

    def distribution(self, output, c=None):
        return SeesEarlierPixels(super().distribution, output, self.look)

# %% tags=["drift"]
x_train, x_valid = [
    (x > 0.5).astype("float32")
    for x in (datasets.load("digits").x_train, datasets.load("digits").x_valid)
]


def trained(model, callbacks=(), learning_rate=3e-3, **options):
    """25 epochs: (model, diagnosis on training images, LogLikelihood on validation images)."""
    keras.utils.set_random_seed(0)
    encoder = networks.mlp_encoder((8, 8, 1), 16, (64,))
    decoder = networks.mlp_decoder(8, (8, 8, 1), (64,))
    vae = model(encoder, decoder, likelihood=PixelByPixel(), **options)
    vae.compile(keras.optimizers.Adam(learning_rate))
    vae.fit(x_train, batch_size=32, epochs=25, callbacks=list(callbacks), verbose=0)
    return vae, evaluation.diagnose(vae, x_train), evaluation.log_likelihood(vae, x_valid, k=50)


_, untreated, untreated_score = trained(models.VAE)
information, likelihood = untreated.mutual_information, untreated_score.mean
print(f"untreated: {information:.2f} nats of information, log p(x) {likelihood:.2f} nats")

# %% nbgrader={"grade_id": "challenge", "solution": true}
def challenger():
    """What `trained` returns, for your cure."""
    ### BEGIN SOLUTION
    # Our attempt, the best of nine that keep to the limit with some margin: free bits from 0.25
    # to 0.55, beta 0.6 and 0.7, and linear annealing of several lengths. Here beta reaches 1 in
    # the last epoch only.
    return trained(models.VAE, [callbacks.BetaScheduler(callbacks.linear(24))])
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1} tags=["drift", "beside:evaluation.log_likelihood", "beside:evaluation.diagnose"]
vae, treated, treated_score = challenger()
loss_of_likelihood = untreated_score.mean - treated_score.mean
print(f"yours: {treated.mutual_information:.2f} nats of information, ", end="")
print(f"log p(x) {-loss_of_likelihood:+.2f} nats to the untreated")
assert vae.count_params() <= 90_000, "the networks stay as they are: too many weights"
assert hasattr(vae.likelihood_part, "look"), "the networks stay as they are: where is `look`?"
assert loss_of_likelihood < 0.3, (
    "the information was paid for with likelihood: more than 0.3 nats"
)
assert treated.mutual_information > 1, "the code should carry more than one nat"
### BEGIN HIDDEN TESTS
again = evaluation.log_likelihood(vae, x_valid, k=50, seed=1)
assert untreated_score.mean - again.mean < 0.4, (
    "with other importance samples the likelihood should hold"
)
assert evaluation.diagnose(vae, x_valid).mutual_information > 0.8, (
    "and on new images the code should tell something too"
)
### END HIDDEN TESTS
