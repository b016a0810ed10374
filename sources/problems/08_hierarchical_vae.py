# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 08. Hierarchical VAEs
#
# Read [chapter 08](../../chapters/08_hierarchical_vae.ipynb) first. The whole notebook computes for less than a minute.
# **Time:** about 65 minutes. **Points:** 19.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import callbacks, datasets, models, networks

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
random = np.random.default_rng(0)


def normal(mean, scale):
    """N(mean, scale^2) in double precision."""
    return tfd.Normal(np.asarray(mean, "float64"), np.asarray(scale, "float64"))

# %% [markdown]
# ## Exercise 1. The price of independence (3 points, 10 minutes)
#
# A true posterior is normal, with a given *precision* (the inverse of its covariance). The best posterior with independent latents
# has the same means and the variances $1/\Lambda_{jj}$. How many nats does the bound lose? Equation 8.2 says it for any
# number of latents. Two latents are too few to test an answer: some wrong formulas agree with the right one there.

# %% nbgrader={"grade_id": "price-answer", "solution": true}
def price_of_independence(precision):
    """KL(best independent normal || normal with this precision [d, d]): one number, in nats."""
    ### BEGIN SOLUTION
    return 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
    ### END SOLUTION

# %% nbgrader={"grade_id": "price-check", "grade": true, "points": 3}
def random_precision(d):
    a = random.normal(size=(d, d + 2))
    return a @ a.T


def by_tfd(precision):
    d = len(precision)
    truth = tfd.MultivariateNormalTriL(
        np.zeros(d), np.linalg.cholesky(np.linalg.inv(precision))
    )
    best = tfd.MultivariateNormalTriL(np.zeros(d), np.diag(np.diag(precision) ** -0.5))
    return tfd.kl_divergence(best, truth).numpy()


assert np.ndim(price_of_independence(np.eye(3))) == 0, "one number for the whole distribution"
answer = price_of_independence(np.diag([1.0, 4.0, 9.0]))
assert np.isclose(answer, 0), f"independent latents: nothing is lost; yours: {answer:.3g}"
answer = price_of_independence(np.eye(2) + np.ones((2, 2)) / 0.25)
assert np.isclose(answer, 0.5108256), (
    f"the example of section 1 loses 0.5108256 nats (natural logarithms); yours: {answer:.7f}"
)
lambda_3 = np.eye(3) + np.ones((3, 3)) / 0.25
assert np.isclose(price_of_independence(lambda_3), by_tfd(lambda_3)), (
    "three latents: do you use the precision itself, and all of it?"
)
assert np.isclose(price_of_independence(7 * lambda_3), by_tfd(lambda_3)), (
    "another unit for the latents changes nothing"
)
uneven = np.array([[4.0, 1.0, 0.0], [1.0, 2.0, -0.5], [0.0, -0.5, 1.0]])
kept = uneven.copy()
assert np.isclose(price_of_independence(uneven), 0.1438410), (
    "latents that depend on each other unevenly: use the whole matrix"
)
assert np.array_equal(uneven, kept), "your function changes the matrix that it is given"
with np.errstate(all="ignore"):
    answer = price_of_independence(1e6 * np.eye(80))
assert np.isclose(answer, 0, atol=1e-6), (
    "a large determinant overflows: numpy can return its logarithm"
)
### BEGIN HIDDEN TESTS
for d in (2, 4, 7):
    lambda_d = random_precision(d)
    assert np.isclose(price_of_independence(lambda_d), by_tfd(lambda_d)), (
        "it should agree with TensorFlow Probability"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. The KL of a chain (5 points, 15 minutes)
#
# Two groups of one latent each, from the top down:
#
# $$ p(z_1) = N(0, 1), \quad p(z_2|z_1) = N(a z_1, b^2), \qquad q(z_1|x) = N(m, s^2), \quad q(z_2|z_1, x) = N(c z_1 + e, t^2). $$
#
# The KL of the second group is an average over $z_1$ (equation 8.8). Here the average can be worked out exactly. You need the KL between
# two normals and $\mathbb{E}[y^2] = \mathbb{E}[y]^2 + \mathrm{Var}(y)$. Do not sample.

# %% nbgrader={"grade_id": "second-answer", "solution": true}
def kl_of_second_group(m, s, c, e, t, a, b):
    """E over z_1 ~ N(m, s^2) of KL(N(c z_1 + e, t^2) || N(a z_1, b^2)), exactly, in nats."""
    ### BEGIN SOLUTION
    mean, variance = (c - a) * m + e, (c - a) ** 2 * s**2  # of the distance of the two means
    return np.log(b / t) + (t**2 + mean**2 + variance) / (2 * b**2) - 0.5
    ### END SOLUTION

# %% nbgrader={"grade_id": "second-check", "grade": true, "points": 3}
def second_by_sampling(m, s, c, e, t, a, b):
    z_1 = m + s * np.random.default_rng(1).normal(size=200_000)
    return tfd.kl_divergence(normal(c * z_1 + e, t), normal(a * z_1, b)).numpy().mean()


same = {"c": 0.7, "e": 0.0, "t": 0.4, "a": 0.7, "b": 0.4}
answer = kl_of_second_group(m=2.0, s=0.5, **same)
assert np.isclose(answer, 0), (
    f"q follows p whatever z_1 is: nothing to pay; yours: {answer:.3g}"
)
shifted = same | {"e": 0.4}
answer = kl_of_second_group(m=2.0, s=0.5, **shifted)
assert np.isclose(answer, 0.5), (
    f"one b off the prior's mean, at every z_1, costs half a nat; yours: {answer:.3g}"
)
wide = same | {"t": 0.8}
answer = kl_of_second_group(m=2.0, s=0.5, **wide)
assert np.isclose(answer, 1.5 - np.log(2)), (
    f"twice as wide: KL(q || p), q first, is 1.5 - log 2 = 0.8069; yours: {answer:.4f}"
)
steep = same | {"c": 1.1}
answer = kl_of_second_group(m=0.0, s=1.0, **steep)
assert not np.isclose(answer, 0), (
    "at the mean of z_1 the two agree, but z_1 varies: its variance counts"
)
assert np.isclose(answer, 0.5), (
    "E[y^2] = E[y]^2 + Var(y), and exactly: samples would only come near 0.5; "
    f"yours: {answer:.7f}"
)
answer = kl_of_second_group(m=1.5, s=0.3, **steep)
assert np.isclose(answer, second_by_sampling(m=1.5, s=0.3, **steep), rtol=0.02), (
    "average over N(m, s^2): s is the scale of z_1"
)
both = steep | {"e": 0.6}
answer = kl_of_second_group(m=1.5, s=0.3, **both)
assert np.isclose(answer, second_by_sampling(m=1.5, s=0.3, **both), rtol=0.02), (
    "the distance is c z_1 + e - a z_1"
)
uneven = {"c": 0.2, "e": 0.6, "t": 0.9, "a": -0.4, "b": 0.5}
answer = kl_of_second_group(m=1.5, s=0.3, **uneven)
assert np.isclose(answer, second_by_sampling(m=1.5, s=0.3, **uneven), rtol=0.02), (
    "distances count in units of b, the prior's scale"
)
### BEGIN HIDDEN TESTS
for _ in range(5):
    m, c, e, a = random.normal(size=4)
    s, t, b = random.uniform(0.3, 1.5, size=3)
    mine, sampled = (
        kl_of_second_group(m, s, c, e, t, a, b),
        second_by_sampling(m, s, c, e, t, a, b),
    )
    assert np.isclose(mine, sampled, rtol=0.03, atol=0.02), "it should agree with samples"
### END HIDDEN TESTS

# %% [markdown]
# In the *naive* model inference runs upwards: $z_2 \sim q(z_2|x)$ first, then $z_1 \sim q(z_1|z_2)$. Write the two parts of its KL (equation
# 8.5) for given samples. For the top use the exact `tfd.kl_divergence`; the other part must be taken at the samples. `q_2` and `p_1` are
# distributions, `q_1_given` and `p_2_given` are functions from a code to a distribution.

# %% nbgrader={"grade_id": "naive-answer", "solution": true}
def naive_kl_parts(z_1, z_2, q_2, q_1_given, p_1, p_2_given):
    """(KL_1, KL_2) at samples z_2 ~ q_2 and z_1 ~ q_1_given(z_2), each [n], in nats."""
    ### BEGIN SOLUTION
    kl_1 = tfd.kl_divergence(q_1_given(z_2), p_1)
    kl_2 = q_2.log_prob(z_2) - p_2_given(z_1).log_prob(z_2)
    return kl_1, kl_2
    ### END SOLUTION

# %% nbgrader={"grade_id": "naive-check", "grade": true, "points": 2}
def naive_case(mean, scale, slope, width, a, b, n=100_000):
    """Samples and distributions of a naive chain.

    q(z_2|x) = N(mean, scale^2), q(z_1|z_2) = N(slope z_2, width^2).
    """
    q_2, p_1 = normal(mean * np.ones(n), scale), normal(0, 1)

    def q_1_given(z_2):
        return normal(slope * z_2, width)

    def p_2_given(z_1):
        return normal(a * z_1, b)

    z_2 = mean + scale * random.normal(size=n)
    z_1 = slope * z_2 + width * random.normal(size=n)
    parts = naive_kl_parts(z_1, z_2, q_2, q_1_given, p_1, p_2_given)
    at_samples = (
        q_2.log_prob(z_2)
        + q_1_given(z_2).log_prob(z_1)
        - p_1.log_prob(z_1)
        - p_2_given(z_1).log_prob(z_2)
    )
    top = 0.5 * (slope**2 * (mean**2 + scale**2) + width**2 - 1) - np.log(width)
    exact = 0.5 * ((slope * z_2) ** 2 + width**2 - 1) - np.log(width)  # of each sample's KL_1
    ratio = (
        np.log(b / scale) + 0.5 * ((z_2 - a * z_1) / b) ** 2 - 0.5 * ((z_2 - mean) / scale) ** 2
    )  # and its KL_2
    return [np.asarray(part) for part in parts], at_samples.numpy(), top, (exact, ratio)


(kl_1, kl_2), at_samples, top, each = naive_case(
    mean=1.0, scale=0.5, slope=0.6, width=0.8, a=0.9, b=0.5
)
assert kl_1.shape == kl_2.shape == (100_000,), "each part has one number for each sample"
assert np.all(kl_1 > -1e-9), (
    "an exact KL between two normals is never negative: is your first part KL_1, without z_1?"
)
assert np.isclose(kl_1.mean(), top, atol=0.02), (
    "KL_1 compares q(z_1|z_2), given the sample of z_2, with p(z_1), q first"
)
assert np.allclose(kl_1, each[0]), "KL_1 is exact for each sample of z_2 on its own"
assert np.any(kl_2 < 0), (
    "at single samples the ratio may be negative: KL_2 is log q - log p at z_2, no closed form"
)
assert not np.allclose(kl_2, -each[1]), "KL_2 has the wrong sign: q stands above p"
assert np.allclose(kl_2, each[1]), (
    "KL_2 is the ratio of q and p at each sample of z_2, given the z_1 of that very sample"
)
assert np.isclose((kl_1 + kl_2).mean(), at_samples.mean(), atol=0.02), (
    "together they average log q(z|x) - log p(z)"
)
### BEGIN HIDDEN TESTS
for _ in range(3):
    mean, slope, a = random.normal(size=3)
    scale, width, b = random.uniform(0.5, 1.5, size=3)
    (kl_1, kl_2), at_samples, top, each = naive_case(mean, scale, slope, width, a, b)
    noise = 8 * kl_1.std() / np.sqrt(len(kl_1)) + 1e-6
    assert abs(kl_1.mean() - top) < noise, "the top's part is known exactly"
    assert np.allclose(kl_1, each[0]) and np.allclose(kl_2, each[1]), "at each sample"
    noise = 8 * (kl_1 + kl_2 - at_samples).std() / np.sqrt(len(kl_1)) + 1e-6
    assert abs((kl_1 + kl_2 - at_samples).mean()) < noise, "the parts add up to the whole"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. One step down the shared path (4 points, 12 minutes)
#
# Write one step of equation 8.7 in numpy. You are given the state above, the features of the image, standard normal noise, and three
# networks as functions: `look(features, state)` and `expect(state)` each give a mean and a scale, of the posterior and of the prior of this group;
# `merge(z, state)` gives what the group adds. If `features` is None there is no image: then draw from the prior, at no KL. Leave the state
# that was passed in as it is. Ask `features is None`: an array has no single truth value.

# %% nbgrader={"grade_id": "step-answer", "solution": true}
def normal_kl(mean, scale, prior_mean, prior_scale):
    """KL(N(mean, scale^2) || N(prior_mean, prior_scale^2)) of each latent, in nats."""
    return (
        np.log(prior_scale / scale)
        + (scale**2 + (mean - prior_mean) ** 2) / (2 * prior_scale**2)
        - 0.5
    )


def step(state, features, noise, look, expect, merge):
    """(z [n, d], KL of the group [n] in nats, the next state [n, S]). noise [n, d]."""
    ### BEGIN SOLUTION
    prior_mean, prior_scale = expect(state)
    mean, scale = (prior_mean, prior_scale) if features is None else look(features, state)
    z = mean + scale * noise
    kl = normal_kl(mean, scale, prior_mean, prior_scale).sum(axis=1)
    return z, kl, state + merge(z, state)
    ### END SOLUTION

# %% nbgrader={"grade_id": "step-check", "grade": true, "points": 4}
def linear_networks(seed, size=3, latents=2, inputs=5):
    """Three little networks, with fixed random weights."""
    weights = np.random.default_rng(seed)
    u, (v, r) = weights.normal(size=(inputs, latents)), weights.normal(size=(2, size, latents))
    w, k = weights.normal(size=(latents, size)), weights.normal(size=(size, size))
    low, high = weights.uniform(0.2, 0.5, latents), weights.uniform(0.8, 1.5, latents)
    return (
        lambda features, state: (features @ u + state @ v, low + 0 * features[:, :1]),
        lambda state: (state @ r, high + 0 * state[:, :1]),
        lambda z, state: np.tanh(z @ w + state @ k),
    )


def expected_step(state, features, noise, look, expect, merge):
    prior = tfd.MultivariateNormalDiag(*expect(state))
    posterior = (
        prior if features is None else tfd.MultivariateNormalDiag(*look(features, state))
    )
    z = posterior.mean().numpy() + posterior.stddev().numpy() * noise
    return z, tfd.kl_divergence(posterior, prior).numpy(), state + merge(z, state)


state, features, noise = (
    random.normal(size=(6, 3)),
    random.normal(size=(6, 5)),
    random.normal(size=(6, 2)),
)
kept, nets = state.copy(), linear_networks(0)
others = features.copy(), noise.copy()
z, kl, after = step(state, features, noise, *nets)
right_z, right_kl, right_after = expected_step(state, features, noise, *nets)
assert np.shape(z) == (6, 2) and np.shape(after) == (6, 3), (
    "z has the shape [n, d] and the state [n, S]"
)
assert np.shape(kl) == (6,), "one KL for each example: sum over the latents"
assert np.array_equal(state, kept), (
    "the state that was passed in must not change: add without +="
)
assert np.array_equal(features, others[0]) and np.array_equal(noise, others[1]), (
    "the features and the noise that were passed in must not change"
)
assert np.allclose(z, right_z), (
    "with an image, z comes from look(features, state): mean + scale * noise"
)
assert not np.allclose(2 * kl, right_kl), "sum over the latents: yours is their mean"
assert np.allclose(kl, right_kl), (
    "the KL is exact, from the posterior to expect(state), in this order, at the state above"
)
assert not np.allclose(after, nets[2](z, state)), (
    "a residual step adds merge(z, state) to the state"
)
assert np.allclose(after, right_after), "the next state is state + merge(z, state)"
z, kl, after = step(state, None, noise, *nets)
right_z, _, right_after = expected_step(state, None, noise, *nets)
assert np.array_equal(state, kept), (
    "the state that was passed in must not change, without an image either"
)
assert np.allclose(z, right_z), "without an image, z comes from expect(state)"
assert np.shape(kl) == (6,) and np.allclose(kl, 0), "and costs nothing: a zero for each example"
assert np.allclose(after, right_after), "the state grows all the same, by merge(z, state)"
### BEGIN HIDDEN TESTS
for seed in (1, 2):
    nets = linear_networks(seed, size=4, latents=3, inputs=2)
    state, features, noise = (
        random.normal(size=(7, 4)),
        random.normal(size=(7, 2)),
        random.normal(size=(7, 3)),
    )
    for given in (features, None):
        both = step(state, given, noise, *nets), expected_step(state, given, noise, *nets)
        for mine, right in zip(*both, strict=True):
            assert np.shape(mine) == np.shape(right), "any number of examples and latents"
            assert np.allclose(mine, right), "it should agree at other sizes too"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Is this hierarchy used? (3 points, 12 minutes)
#
# A report says: "Our naive model (equation 8.4) has five groups of 16 latents. On test images its KL is 24 nats, all 16 latents of $z_5$, the
# group next to the image, are active, and its samples look as good as those of our flat VAE. So the hierarchy is used, and $z_1$, at the top,
# holds the global content of the image."
#
# In about five sentences: why does neither conclusion follow? What probably happened in this model, and why? Name two measurements that
# would decide it.
#
# Then read a table like the colored tables of section 5. It belongs to *another* model, top-down with three groups. An entry says how far a factor moves
# when groups are drawn anew; 1 is the difference to another image. What decides the pose, and what the hair? What does the 1.31 mean?
#
# | drawn anew | pose | hair |
# |---|---|---|
# | group 1 alone | 0.06 | 1.31 |
# | group 2 alone | 0.05 | 0.02 |
# | group 3 alone | 0.01 | 0.01 |
# | groups 1 to 3 | 0.98 | 1.02 |
# | groups 2 and 3 | 0.07 | 0.03 |

# %% [markdown] nbgrader={"grade_id": "why-hierarchy", "grade": true, "points": 3, "solution": true}
# The total KL and the activity of the last group say nothing about the groups above. A flat VAE, too, has such a KL and active latents next to
# the image, and good samples only show that $z_5$ and the decoder work. Probably the upper groups are dead: in a bottom-up chain $z_5$ sees
# the image and takes what it needs, its aggregate posterior is trained to look like one normal distribution, and that leaves
# nothing for the next group to explain, which sees only a noisy copy. A latent that explains nothing is not worth its nats, so each upper group is
# set to its prior. (1 point) To decide it, report the KL of each group separately; and keep $z_1$ while everything below it is drawn anew: if
# the pictures then vary as much as samples in general, the top decides nothing, and "global content" is wrong. On data with known factors, one can also
# measure which of them stay. (1 point) In the table the top decides both: with group 1 kept and all below drawn anew, pose and hair stay. Drawn alone,
# group 1 does not move the pose, because the groups that were kept repeat it; whoever looks at single groups only would say that no group
# holds the pose. An entry above 1 should not be read as a larger effect: another image, chosen at random, gives 1 on average. It is more likely that the reader of
# factors is misled by pictures unlike those it has learned from, though the number alone does not prove it. (1 point)

# %% [markdown]
# ## Exercise 5. Repair this: a prior for each group (3 points, 10 minutes)
#
# A chain of $L$ groups of one latent: $p(z_1) = N(0, 1)$, then $p(z_l|z_{l-1}) = N(a z_{l-1}, 1 - a^2)$, and an image of one pixel,
# $p(x|z_L) = N(z_L, \sigma^2)$. The lines below, after several published programs, compute the logarithm of the importance weight. Their author argued:
# "By the choice of $1 - a^2$ every $z_l$ is standard normal on its own, so each group's KL is to be taken to $N(0, 1)$." The first claim
# is true.
#
# The test is chapter 04's: if the samples come from the *exact* posterior, then every single weight is the evidence. Run the cell: the
# weights differ from one another by nats.

# %%
def log_weights_to_repair(x, z, log_q, a, sigma):
    """log w = log p(x, z) - log q(z|x), [n] in nats: z [n, L], the top first, log_q [n]."""
    log_p = normal(0, 1).log_prob(z).numpy().sum(axis=1)  # every group is standard normal
    return normal(z[:, -1], sigma).log_prob(x).numpy() + log_p - log_q


def exact_posterior(x, a, sigma, groups, n=200):
    """Samples [n, groups] of the exact p(z|x), log-densities [n], and the evidence."""
    steps = np.abs(np.subtract.outer(np.arange(groups), np.arange(groups)))
    precision = np.linalg.inv(
        a**steps
    )  # of the prior: the correlation of z_l and z_m is a^|l - m|
    precision[-1, -1] += 1 / sigma**2
    covariance = np.linalg.inv(precision)
    posterior = tfd.MultivariateNormalTriL(
        covariance[:, -1] * x / sigma**2, np.linalg.cholesky(covariance)
    )
    z = posterior.sample(n, seed=(0, groups)).numpy()
    return (
        z,
        posterior.log_prob(z).numpy(),
        normal(0, np.sqrt(1 + sigma**2)).log_prob(x).numpy(),
    )


z, log_q, evidence = exact_posterior(x=1.2, a=0.9, sigma=0.5, groups=3)
log_w = log_weights_to_repair(1.2, z, log_q, a=0.9, sigma=0.5)
print(f"evidence {evidence:.2f}; log w from {log_w.min():.2f} to {log_w.max():.2f}, ", end="")
print(f"mean {log_w.mean():.2f} nats")

# %% [markdown]
# Write the repaired function. It must work for any number of groups, one included.

# %% nbgrader={"grade_id": "repair-answer", "solution": true}
def chain_log_weights(x, z, log_q, a, sigma):
    """log w = log p(x, z) - log q(z|x), [n] in nats: z [n, L], the top first, log_q [n]."""
    ### BEGIN SOLUTION
    log_p = normal(0, 1).log_prob(z[:, 0]).numpy()
    log_p = log_p + normal(a * z[:, :-1], np.sqrt(1 - a**2)).log_prob(z[:, 1:]).numpy().sum(
        axis=1
    )
    return normal(z[:, -1], sigma).log_prob(x).numpy() + log_p - log_q
    ### END SOLUTION

# %% nbgrader={"grade_id": "repair-check", "grade": true, "points": 3}
def spread_and_bias(x, a, sigma, groups):
    z, log_q, evidence = exact_posterior(x, a, sigma, groups)
    log_w = chain_log_weights(x, z, log_q, a, sigma)
    return np.shape(log_w), np.ptp(log_w), np.mean(log_w) - evidence


shape, spread, bias = spread_and_bias(x=1.2, a=0.9, sigma=0.5, groups=1)
assert shape == (200,), "one weight for each sample"
assert spread < 1e-6 and abs(bias) < 1e-6, (
    "one group: log w = log p(x|z) + log p(z) - log q(z|x), and the prior is N(0, 1); "
    f"yours spread over {spread:.3g} nats, and their mean is off by {bias:.3g}"
)
shape, spread, bias = spread_and_bias(x=1.2, a=0.0, sigma=0.5, groups=3)
assert spread < 1e-6 and abs(bias) < 1e-6, (
    "a = 0: no group depends on another, and every prior is N(0, 1)"
)
shape, spread, bias = spread_and_bias(x=1.2, a=0.9, sigma=0.5, groups=2)
assert spread < 1e-6, (
    "the weights must not vary: given the group above, z_l has the mean a z_(l-1) and the "
    f"scale sqrt(1 - a^2); yours spread over {spread:.3g} nats"
)
assert abs(bias) < 1e-6, "they are constant but not the evidence: is a term missing?"
shape, spread, bias = spread_and_bias(x=-0.4, a=0.9, sigma=0.5, groups=4)
assert spread < 1e-6 and abs(bias) < 1e-6, (
    "more groups: each has a neighbor as its parent, and all count"
)
z = random.normal(size=(5, 3))  # any codes, not those of the exact posterior
steps = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
joint = (
    tfd.MultivariateNormalTriL(np.zeros(3), np.linalg.cholesky(0.9**steps)).log_prob(z).numpy()
)
log_q = np.arange(5.0)
wanted = joint + normal(z[:, -1], 0.5).log_prob(1.2).numpy() - log_q
before = z.copy(), log_q.copy()
found = chain_log_weights(1.2, z, log_q, a=0.9, sigma=0.5)
assert np.array_equal(z, before[0]) and np.array_equal(log_q, before[1]), (
    "z and log_q that were passed in must not change"
)
assert np.allclose(found, wanted), (
    "each weight is log p(x|z) + log p(z) - log q(z|x) of its own sample, for any z and log_q"
)
### BEGIN HIDDEN TESTS
for x, a, sigma, groups in ((2.0, 0.5, 0.3, 3), (-1.0, 0.99, 1.5, 6), (0.3, -0.7, 0.8, 5)):
    shape, spread, bias = spread_and_bias(x, a, sigma, groups)
    assert spread < 1e-5 and abs(bias) < 1e-5, "it should hold for any chain"
### END HIDDEN TESTS

# %% [markdown]
# ## Open challenge: wake the groups (1 point, as long as you like)
#
# Here is a model of four groups on the thresholded digits, untreated, after 20 epochs: its validation ELBO and the KL of each group. Choose a
# treatment for the same model and the same 20 epochs: a schedule of $\beta$, and the free bits of each group. The ELBO itself is
# measured with $\beta = 1$ and nothing free. The point is given for a treatment that is not clearly worse than none; the challenge is to
# gain half a nat, *and* to find out whether it was the schedule or the free bits. The seed fixes the first weights only, and
# chance moves the ELBO of this model by some tenths of a nat from run to run, sometimes by a whole one: try other seeds, and each several times, before you believe a gain.

# %% tags=["drift"]
digits = datasets.load("digits")
x_train, x_valid = [(x > 0.5).astype("float32") for x in (digits.x_train, digits.x_valid)]


def new_model(seed):
    keras.utils.set_random_seed(seed)
    encoder, decoder = (
        networks.mlp_encoder((8, 8, 1), 32, (64,)),
        networks.mlp_decoder(32, (8, 8, 1), (64,)),
    )
    return models.HierarchicalVAE(encoder, decoder, latent_sizes=(2,) * 4, hidden=16)


patient = new_model(0)
patient.compile(keras.optimizers.Adam(3e-3))


def score(schedule, free_bits, seed=0):
    """20 epochs from a fresh start: (validation ELBO, KL of each group), in nats."""
    patient.set_weights(new_model(seed).get_weights())
    for variable in patient.optimizer.variables:
        variable.assign(tf.zeros_like(variable))
    patient.optimizer.learning_rate, patient.free_bits = 3e-3, free_bits
    patient.fit(x_train, epochs=20, callbacks=[callbacks.BetaScheduler(schedule)], verbose=0)
    draws = [patient(x_valid) for _ in range(10)]
    elbo, *kls = [
        np.mean([draw[name] for draw in draws])
        for name in ("elbo", "kl_1", "kl_2", "kl_3", "kl_4")
    ]
    return elbo, np.array(kls)


untreated, untreated_kls = score(lambda epoch: 1.0, free_bits=0.0)
print(f"untreated: ELBO {untreated:.2f} nats, KL of each group", untreated_kls.round(2))

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def treatment():
    """(schedule, free_bits): beta of the epoch, 0 to 19, and nats free for each group."""
    ### BEGIN SOLUTION
    # Our attempt: a warm-up over half of the epochs. With it, free bits add nothing that we
    # could tell from the seeds.
    return callbacks.linear(10), 0.0
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1} tags=["drift"]
schedule, free_bits = treatment()
assert callable(schedule), "the schedule is a function: it is given the epoch and returns beta"
betas = np.array([schedule(epoch) for epoch in range(20)])
assert np.all(np.isfinite(betas)) and betas.min() >= 0 and free_bits >= 0, (
    "beta and free bits are at least 0"
)
treated, treated_kls = score(schedule, free_bits)
print(
    f"treated: ELBO {treated:.2f} nats ({treated - untreated:+.2f}), KL of each group",
    treated_kls.round(2),
)
assert treated > untreated - 1.2, (
    "the treatment should not cost: is beta back at 1 in time, and little enough free?"
)
### BEGIN HIDDEN TESTS
assert (treated_kls > 0.05).sum() >= 2, "at least two groups should be in use"
### END HIDDEN TESTS
