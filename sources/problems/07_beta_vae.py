# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 07. Disentanglement and its limits
#
# Read [chapter 07](../../chapters/07_beta_vae.ipynb) first. The whole notebook computes for less than a minute;
# nothing is trained. **Time:** about 75 minutes. **Points:** 20.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are
# hidden and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import bounds, datasets, evaluation

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import logsumexp

tfd = tfp.distributions
random = np.random.default_rng(0)
data = datasets.load("sprites")
factors = data.factors_train[:2000]  # shape, scale, rotation, x, y
true = (factors - factors.mean(axis=0)) / factors.std(axis=0)

# %% [markdown]
# ## Exercise 1. The best model for a price, and for a budget (4 points, 14 minutes)
#
# Someone trained many models and wrote down the rate and the distortion of each. For a price $\beta$ the best is the
# one with the smallest $\mathcal D + \beta R$ (equation 7.2). For a budget $C$ it is the one with the smallest
# distortion among those with a rate of at most $C$ (equation 7.1). Give the position of each in the arrays (of equally good ones, any).

# %% nbgrader={"grade_id": "price-answer", "solution": true}
def best_for_price(rate, distortion, beta):
    """The position of the model with the smallest loss at this price: a whole number.

    rate and distortion: [models], in nats.
    """
    ### BEGIN SOLUTION
    return int(np.argmin(distortion + beta * rate))
    ### END SOLUTION


def best_for_budget(rate, distortion, budget):
    """The position of the smallest distortion with a rate <= budget (there is one)."""
    ### BEGIN SOLUTION
    return int(np.argmin(np.where(rate <= budget, distortion, np.inf)))
    ### END SOLUTION

# %% nbgrader={"grade_id": "price-check", "grade": true, "points": 2}
rate = np.array([9.0, 4.0, 1.0, 6.0])
distortion = np.array([50.0, 62.0, 90.0, 60.0])
assert np.ndim(best_for_price(rate, distortion, 0.0)) == 0, "one position, not an array"
assert best_for_price(rate, distortion, 0.0) == 0, (
    "a code that costs nothing: only the distortion counts"
)
assert best_for_price(rate, distortion, 1.0) == 0, (
    "at a price of 1 the losses are 59, 66, 91, 66"
)
assert best_for_price(rate, distortion, 5.0) == 1, (
    "at a price of 5 the losses are 95, 82, 95, 90: the smallest wins"
)
assert best_for_price(rate, distortion, 50.0) == 2, (
    "at a high price the smallest rate wins: does beta multiply the rate?"
)
assert best_for_budget(rate, distortion, 1.0) == 2, (
    "only the third is allowed: give its position in the full arrays; no forbidden model wins"
)
assert best_for_budget(rate, distortion, 6.0) == 3, "a rate of exactly the budget is allowed"
assert best_for_budget(rate, distortion, 5.9) == 1, (
    "rates 9 and 6 are too large; of the others the second has less distortion"
)
assert best_for_budget(rate, distortion, 100.0) == 0, (
    "any rate is allowed, so the smallest distortion wins"
)
assert list(rate) == [9, 4, 1, 6] and list(distortion) == [50, 62, 90, 60], (
    "the arrays given must not be changed"
)
assert best_for_budget(rate[:3], np.array([70.0, 62.0, 90.0]), 10.0) == 1, (
    "a budget is a limit: it need not be spent"
)
### BEGIN HIDDEN TESTS
rate, distortion = random.uniform(0, 10, 40), random.uniform(150, 190, 40)
rate[0], distortion[0] = (
    10.0,
    distortion[1:][rate[1:] <= 6].min(),
)  # a tie beyond the budget comes first
for value in (0.5, 3.0, 8.0):
    chosen = best_for_price(rate, distortion, value)
    assert np.all(distortion[chosen] + value * rate[chosen] <= distortion + value * rate), (
        "the smallest loss"
    )
for beta, best in ((0.1, 0), (0.25, 1), (0.6, 2)):
    found = best_for_price(np.array([9.0, 4.0, 1.0]), np.array([50.0, 51.0, 52.0]), beta)
    assert found == best, "a price below 1 is a price too"
assert best_for_budget(np.array([1.0, 2.9]), np.array([9.0, 8.0]), 2.95) == 1, (
    "a budget need not be a whole number"
)
for value in (2.0, 6.0):
    chosen = best_for_budget(rate, distortion, value)
    assert np.ndim(chosen) == 0, "one position"
    assert rate[chosen] <= value and np.all(distortion[chosen] <= distortion[rate <= value]), (
        "the smallest distortion allowed"
    )
### END HIDDEN TESTS

# %% [markdown]
# Not every model can be bought with a price. The fourth one above is the best for a budget of 6, and no $\beta$ makes
# it the best: it lies above the straight line between its neighbors. Write a function that finds the positions of
# all models that are the best for *some* price among those given, each once, sorted.

# %% nbgrader={"grade_id": "hull-answer", "solution": true}
def best_for_some_price(rate, distortion, betas):
    """Sorted list of the positions that are the best at one or more of the prices `betas`."""
    ### BEGIN SOLUTION
    return sorted({best_for_price(rate, distortion, beta) for beta in betas})
    ### END SOLUTION

# %% nbgrader={"grade_id": "hull-check", "grade": true, "points": 2}
rate, distortion = np.array([9.0, 4.0, 1.0, 6.0]), np.array([50.0, 62.0, 90.0, 60.0])
found = best_for_some_price(rate, distortion, np.linspace(0, 30, 301))
assert list(found) == [0, 1, 2], (
    "three of the four lie on the lower hull; each position once, sorted"
)
assert list(best_for_some_price(rate, distortion, [5.0])) == [1], "one price has one best model"
### BEGIN HIDDEN TESTS
curve = np.linspace(0.5, 8, 12)
found = best_for_some_price(curve, 40 / curve, np.geomspace(0.1, 1000, 4000))
assert list(found) == list(range(12)), (
    "on a convex curve every model is the best for some price"
)
found = best_for_some_price(curve, 60 - curve**2 / 2, np.geomspace(0.1, 1000, 400))
assert list(found) == [0, 11], "on a concave curve only the two ends are"
found = best_for_some_price(
    curve[[0, 4, 5, 6, 7, 8, 9, 10, 11]], np.r_[90.0, np.full(7, 95.0), 50.0], [0.0, 1000.0]
)
assert list(found) == [0, 8], "the first and the last price count, and the positions are sorted"
found = best_for_some_price(
    np.array([9.0, 4.0, 1.0]), np.array([50.0, 62.0, 90.0]), [0.0, 5.0, 6.0]
)
assert list(found) == [0, 1], "the first price counts"
found = best_for_some_price(
    np.array([9.0, 4.0, 1.0]), np.array([50.0, 62.0, 90.0]), [5.0, 6.0, 50.0]
)
assert list(found) == [1, 2], "the last price counts, and no price but those given"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. The gap (4 points, 12 minutes)
#
# First the information itself. You are given how often each bin of a latent (row) met each value of a factor
# (column). Write equation 7.4. Some cells are empty, and $0 \log 0$ counts as zero.

# %% nbgrader={"grade_id": "information-answer", "solution": true}
def information(counts):
    """Mutual information of rows and columns, in nats: counts [bins, values] -> a number."""
    ### BEGIN SOLUTION
    joint = counts / counts.sum()
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return np.sum(joint[seen] * np.log(joint[seen] / independent[seen]))
    ### END SOLUTION

# %% nbgrader={"grade_id": "information-check", "grade": true, "points": 2}
answer = information(np.array([[10, 0], [0, 10]]))
assert np.isfinite(answer), "a cell with no counts gives 0 log 0: leave it out"
empty = np.array([[10, 0], [0, 0], [0, 10]])
assert np.isfinite([information(empty), information(empty.T)]).all(), (
    "an empty row or column gives 0 log 0 too"
)
assert np.isclose(answer, np.log(2)), (
    "two values, known exactly: log 2 nats (divide counts by their sum, weigh by the joint)"
)
assert np.isclose(information(np.array([[5, 5], [20, 20]])), 0), (
    "rows that look alike tell nothing about the column"
)
assert np.isclose(
    information(np.array([[3, 1], [1, 3]])), 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
), "weigh by the joint probability"
assert np.isclose(information(np.array([[4, 0, 0], [0, 2, 2]])), np.log(2)), (
    "more columns than rows are allowed"
)
### BEGIN HIDDEN TESTS
from sklearn.metrics import mutual_info_score

for size in ((3, 4), (6, 2), (5, 5)):
    counts = random.integers(0, 9, size=size) + np.eye(*size, dtype=int)
    expected = mutual_info_score(None, None, contingency=counts)
    assert np.isclose(information(counts), expected), "equation 7.4"
### END HIDDEN TESTS

# %% [markdown]
# Now the gap. `table` holds $I(z_j; v)$ in nats for each latent (row) and each factor (column), `entropies` the
# $H(v)$. Write MIG: for each factor the best latent minus the next, divided by the entropy, then the mean over
# factors.

# %% nbgrader={"grade_id": "mig-answer", "solution": true}
def mutual_information_gap(table, entropies):
    """MIG: table [d, F] with d >= 2, entropies [F] -> a number in [0, 1]."""
    ### BEGIN SOLUTION
    ordered = np.sort(table, axis=0)
    return np.mean((ordered[-1] - ordered[-2]) / entropies)
    ### END SOLUTION

# %% nbgrader={"grade_id": "mig-check", "grade": true, "points": 2}
perfect = np.diag([1.0, 2.0, 0.5])
assert np.isclose(mutual_information_gap(perfect, np.array([1.0, 2.0, 0.5])), 1), (
    "one latent knows all of one factor"
)
assert np.isclose(mutual_information_gap(perfect, np.array([2.0, 4.0, 1.0])), 0.5), (
    "each gap is divided by its factor's entropy"
)
shared = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
assert np.isclose(mutual_information_gap(shared, np.array([1.0, 3.0])), 0.5), (
    "two latents share the first factor: no gap there, 1 for the second"
)
assert shared[0, 0] == 1 and shared[2, 0] == 0, (
    "the table given must not be changed: is it sorted in place?"
)
uneven = np.array([[0.9, 0.1], [0.3, 0.2], [0.2, 0.8]])
assert np.isclose(mutual_information_gap(uneven, np.ones(2)), 0.6), (
    "the gap to the next best latent of the same factor, not of the same latent"
)
assert np.isclose(mutual_information_gap(uneven, np.array([2.0, 1.0])), 0.45), (
    "first divide each gap, then take the mean"
)
### BEGIN HIDDEN TESTS
table, entropies = random.uniform(size=(2, 7, 4))[0], random.uniform(1, 3, size=4)
expected = np.mean([(sorted(c)[-1] - sorted(c)[-2]) / h for c, h in zip(table.T, entropies)])
assert np.isclose(mutual_information_gap(table, entropies), expected), (
    "the mean over factors of the gap over the entropy"
)
assert np.isclose(
    mutual_information_gap(np.r_[table, np.zeros((3, 4))], entropies), expected
), "idle latents change nothing"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. A total correlation from a batch (4 points, 16 minutes)
#
# `pairs` holds $\log q(z_j|x_n)$ for each code (first axis), each example of the batch (second axis) and each latent
# (third). Code $i$ was drawn from example $i$. The data set has $N$ = `train_size` examples. Estimate the total
# correlation with stratified weights: $1/N$ for a code's own example, $(N-1)/(N(M-1))$ for each of the $M - 1$
# others. `scipy.special.logsumexp(a, axis)` adds up safely.

# %% nbgrader={"grade_id": "tc-answer", "solution": true}
def total_correlation(pairs, train_size):
    """log q(z) - sum_j log q(z_j) at each code of a batch: pairs [M, M, d] -> [M], in nats."""
    ### BEGIN SOLUTION
    batch = len(pairs)
    share = np.full([batch, batch], (train_size - 1) / (train_size * (batch - 1)))
    np.fill_diagonal(share, 1 / train_size)
    log_joint = logsumexp(np.log(share) + pairs.sum(axis=-1), axis=1)
    log_marginals = logsumexp(np.log(share)[..., None] + pairs, axis=1)
    return log_joint - log_marginals.sum(axis=-1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "tc-check", "grade": true, "points": 4}
def correlated(n, correlation, seed=0):
    """log q(z_j|x_n) [n, n, 2] of n examples whose codes are normal with that correlation."""
    covariance = np.array(
        [[0.8, correlation], [correlation, 0.8]]
    )  # of the means; the posteriors add 0.2
    centers = np.random.default_rng(seed).multivariate_normal([0, 0], covariance, size=n)
    q = tfd.Normal(centers[None], np.sqrt(0.2))
    z = centers + np.sqrt(0.2) * np.random.default_rng(seed + 1).normal(size=centers.shape)
    return q.log_prob(z[:, None]).numpy()


small = np.log(np.array([[[0.9, 0.6], [0.1, 0.2]], [[0.3, 0.4], [0.5, 0.7]]]))
own, other = 1 / 10, 9 / 10  # M = 2, N = 10
joint = np.log([own * 0.54 + other * 0.02, own * 0.35 + other * 0.12])
first, second = (
    np.log([own * 0.9 + other * 0.1, own * 0.5 + other * 0.3]),
    np.log([own * 0.6 + other * 0.2, own * 0.7 + other * 0.4]),
)
found = total_correlation(small, 10)
assert np.shape(found) == (2,), "one number for each code: sum over examples and latents"
assert not np.allclose(found, first + second - joint), (
    "the sign: log q(z) minus the sum of log q(z_j)"
)
equal = np.log([0.28, 0.235]) - np.log([0.5, 0.4]) - np.log([0.4, 0.55])
assert not np.allclose(found, equal), "weights of 1/M: a code's own example should weigh 1/N"
assert not np.allclose(found, equal - np.log(2)), (
    "no weights at all: a code's own example weighs 1/N, each other (N - 1) / (N (M - 1))"
)
exchanged = np.log([0.488, 0.327]) - np.log([0.82, 0.48]) - np.log([0.56, 0.67])
assert not np.allclose(found, exchanged), (
    "weights exchanged: the own example (the diagonal) weighs 1/N, the others share the rest"
)
across = np.log([0.162, 0.053]) - np.log([0.36, 0.14]) - np.log([0.42, 0.25])
assert not np.allclose(found, across), (
    "the first axis was summed, over codes: for one code, sum over examples, the second axis"
)
due = joint - first - second
assert np.allclose(found, due), (
    f"M = 2, N = 10: {due.round(3)} is due, yours {found}. The own example weighs 1/10, the"
    " other 9/10, in log q(z) and each log q(z_j): is log(weight) added to each log density?"
)
pairs = correlated(1000, 0.7)
answer = total_correlation(pairs, 1000)
assert np.shape(answer) == (1000,), "one number for each code: sum over examples and latents"
assert np.allclose(total_correlation(pairs[..., :1], 1000), 0, atol=1e-6), (
    "a single latent has no total correlation"
)
assert abs(answer.mean() + 0.5 * np.log(1 - 0.7**2)) < 0.08, (
    "two normal latents with correlation 0.7: 0.34 nats"
)
assert abs(total_correlation(correlated(1000, 0.0), 1000).mean()) < 0.08, (
    "independent latents: about 0"
)
far = np.concatenate(
    [pairs[:50, :50], pairs[:50, :50] - 4000 * (np.arange(50) == 7)[:, None, None]], axis=-1
)
assert np.isfinite(total_correlation(far, 1000)).all(), (
    "one code is far from all examples: use logsumexp along the examples"
)
low = total_correlation(pairs - 5000, 1000)
assert np.allclose(low, answer, atol=1e-6), (
    "all densities smaller by one factor: the same ratio. (np.exp(-5000) is 0: use logsumexp)"
)
### BEGIN HIDDEN TESTS
means, scales = random.normal(size=(2, 30, 4)).astype("float32")
q = tfd.MultivariateNormalDiag(means, np.exp(0.3 * scales))
z = q.sample(seed=(0, 0))
prior = tfd.MultivariateNormalDiag(tf.zeros(4), tf.ones(4))
pairs = tfd.Normal(means, np.exp(0.3 * scales)).log_prob(z[:, None]).numpy()
for size in (30, 500, 7000):
    expected = bounds.kl_parts(z, q, prior, size)["total_correlation"]
    assert np.allclose(total_correlation(pairs, size), expected, atol=1e-3), (
        "it should agree with bounds.kl_parts"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. The same bound in other axes (3 points, 8 minutes)
#
# A posterior is $N(\mu, \Sigma)$ with a full covariance. Turn the latent space by an orthogonal matrix $U$, so that
# the new code is $z' = U^\top z$. Give the mean and the covariance of $z'$ for a whole batch. (Rows of `mean` are
# codes, so mind on which side $U$ stands.)

# %% nbgrader={"grade_id": "turn-answer", "solution": true}
def turn(mean, covariance, U):
    """Mean [n, d] and covariance [n, d, d] of U^T z, for z with this mean and covariance."""
    ### BEGIN SOLUTION
    return mean @ U, U.T @ covariance @ U
    ### END SOLUTION

# %% nbgrader={"grade_id": "turn-check", "grade": true, "points": 3}
def kl_to_standard_normal(mean, covariance):
    trace = np.trace(covariance, axis1=1, axis2=2)
    return 0.5 * (
        trace + (mean**2).sum(axis=1) - mean.shape[1] - np.linalg.slogdet(covariance)[1]
    )


quarter = np.array([[0.0, -1.0], [1.0, 0.0]])  # U^T (1, 0) = (0, -1)
mean, covariance = np.array([[1.0, 0.0]]), np.array([[[4.0, 1.0], [1.0, 9.0]]])
new_mean, new_covariance = turn(mean, covariance, quarter)
assert np.shape(new_mean) == (1, 2) and np.shape(new_covariance) == (1, 2, 2), (
    "the shapes stay as they were"
)
assert np.allclose(new_mean, [[0, -1]]), (
    "U^T (1, 0) is (0, -1): U^T on the column is U on the right of the row"
)
assert np.allclose(np.diagonal(new_covariance[0]), [9, 4]), (
    "a quarter turn exchanges the two variances"
)
assert np.allclose(new_covariance[0, 0, 1], -1), (
    "a quarter turn changes the sign of the covariance"
)
U = np.linalg.qr(random.normal(size=(4, 4)))[0]
line = np.array([[3.0, 4.0, 0.0, 1.0]])  # a code that varies along its own mean only
turned_line, turned_spread = turn(line, line[:, :, None] * line[:, None, :], U)
assert np.allclose(turned_spread, turned_line[:, :, None] * turned_line[:, None, :]), (
    "a code that varies along its mean still should: mean and covariance turn the same way"
)
mean, root = random.normal(size=(6, 4)), random.normal(size=(6, 4, 4))
covariance = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(4)
new_mean, new_covariance = turn(mean, covariance, U)
assert np.allclose(
    kl_to_standard_normal(new_mean, new_covariance), kl_to_standard_normal(mean, covariance)
), "the KL to N(0, I) must not change: equation 7.8"
### BEGIN HIDDEN TESTS
assert np.allclose(new_mean, np.einsum("ji,nj->ni", U, mean)), "the mean is U^T mu"
assert np.allclose(new_covariance, np.einsum("ji,njk,kl->nil", U, covariance, U)), (
    "the covariance is U^T Sigma U"
)
back_mean, back_covariance = turn(new_mean, new_covariance, U.T)
assert np.allclose(back_mean, mean) and np.allclose(back_covariance, covariance), (
    "the inverse rotation leads back"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Why does a loss not tell? (3 points, 12 minutes)
#
# A colleague trains the same beta-VAE with ten seeds on images without any labels, takes the run with the best
# validation loss, and writes: "We choose the run with the best loss, because it is the best disentangled one. Its
# first two traversals on one image move the object along $x$ and along $y$."
#
# In about six sentences: what does equation 7.8 say about the choice, and which assumption of the model is the only
# one that speaks for particular axes? Why does this assumption not help between $x$ and $y$? What would you ask of
# the evidence in the last sentence?

# %% [markdown] nbgrader={"grade_id": "why-loss", "grade": true, "points": 3, "solution": true}
# If the latent space of a model is rotated and the decoder and the posterior with it, reconstruction and KL stay the
# same for every image, so the loss cannot tell disentangled axes from others: the best loss shows the best compromise
# of rate and distortion at this price, and nothing more. (1 point) Only the diagonal covariance of the posterior
# prefers axes: a rotation that mixes latents of different precision makes the best posterior non-diagonal, and
# missing it costs $\beta$ times a KL. Between $x$ and $y$ the precisions are the same, since both move the object
# over equal distances, so the rotation in this plane is free and the seed decides. (1 point) The evidence is one
# image of one run, chosen by eye; the traversals of all ten runs on several images should be shown, and a score such
# as MIG with its spread over seeds, which needs labels. If labels are used to choose the run, the result is not
# unsupervised, and should be reported so. (1 point)

# %% [markdown]
# ## Exercise 6. Repair this: a constant that wins every vote (2 points, 13 minutes)
#
# The following FactorVAE score, after a published program, gives nearly 1 to good codes, the true factors with a
# little noise. But look at the second line that it prints. Here the code holds one more latent: a constant, as a
# latent that collapsed. Find out what the constant does to `argmin`, and to the division.

# %%
def score_to_repair(codes, factors, votes=600):
    """Share of votes that the majority of the same votes gets right."""
    random = np.random.default_rng(0)
    table = np.zeros((codes.shape[1], factors.shape[1]))
    for _ in range(votes):
        f = random.integers(factors.shape[1])
        same = np.flatnonzero(factors[:, f] == random.choice(factors[:, f]))
        variance = codes[random.choice(same, 64)].var(axis=0) / (codes.var(axis=0) + 1e-9)
        table[variance.argmin(), f] += 1
    return table.max(axis=1).sum() / table.sum()


good = true + 0.1 * random.normal(size=true.shape)
print(f"good codes                 {score_to_repair(good, factors):.2f}")
with_constant = np.c_[good, np.ones(len(good))]
print(f"good codes and a constant  {score_to_repair(with_constant, factors):.2f}")

# %% [markdown]
# Write the repaired score. Latents whose standard deviation over all images is below $10^{-6}$ count as constant and
# take no part in any vote; all others do, however small their unit. If none is left, nobody can do better than chance,
# $1/F$. You may call `score_to_repair` in your answer.

# %% nbgrader={"grade_id": "repair-answer", "solution": true}
def repaired_score(codes, factors, votes=600):
    """Share of votes that the majority of them gets right; constant latents take no part."""
    ### BEGIN SOLUTION
    spread = codes.std(axis=0)
    moving = spread >= 1e-6
    if not moving.any():
        return 1 / factors.shape[1]
    return score_to_repair(
        codes[:, moving] / spread[moving], factors, votes
    )  # scaled: 1e-9 is nothing beside 1
    ### END SOLUTION

# %% nbgrader={"grade_id": "repair-check", "grade": true, "points": 2}
assert repaired_score(good, factors) > 0.95, "good codes should score near 1"
constant = np.ones((len(true), 1))
assert repaired_score(np.c_[constant, good, 3 * constant], factors) > 0.95, (
    "constants beside good codes should change nothing"
)
assert repaired_score(np.c_[good[:, :4], 2e-6 * good[:, 4:]], factors) > 0.95, (
    "a small latent is no constant one: what does 1e-9 do to its division?"
)
assert repaired_score(np.c_[good, constant + 1e-8 * good[:, :1]], factors) > 0.95, (
    "a deviation of 1e-8 is below the limit: as good as constant"
)
assert np.isclose(repaired_score(constant, factors), 1 / 5), (
    "only a constant: chance, one of five factors"
)
assert np.isclose(repaired_score(constant, factors[:, :2]), 1 / 2), (
    "only a constant, two factors: chance is one of two"
)
assert repaired_score(true, factors) > 0.95, (
    "a latent that is still in one vote is no constant: judge it over all images"
)
kept = good.copy()
repaired_score(good, factors)
assert np.array_equal(good, kept), "the codes given must not be changed"
noise = random.normal(size=(len(true), 3))
assert repaired_score(noise, factors) < 0.35, "noise should stay near chance"
share = 7 * repaired_score(np.c_[noise, constant], factors, votes=7)
assert np.isclose(share, round(share)), (
    "a share of 7 votes is a whole number of sevenths: is `votes` used?"
)
### BEGIN HIDDEN TESTS
assert np.isclose(repaired_score(np.c_[2 * constant, constant], factors[:, :4]), 1 / 4), (
    "chance is one over the number of factors"
)
assert np.isclose(
    repaired_score(np.c_[noise, constant], factors), repaired_score(noise, factors)
), "constants take no part"
almost = constant + 1e-8 * random.normal(size=constant.shape)
assert np.isclose(
    repaired_score(np.c_[noise, almost], factors), repaired_score(noise, factors)
), "nor do latents below the limit"
assert np.isclose(repaired_score(almost, factors), 1 / 5), (
    "a latent below the limit is as good as constant"
)
share = 11 * repaired_score(noise, factors, votes=11)
assert np.isclose(share, round(share)), "`votes` is the number of votes"
turned = true @ np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
assert repaired_score(np.c_[turned, constant], factors) < 0.97, (
    "a rotation should cost something"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Open challenge: turn it back with thirty labels (no points, as long as you like)
#
# Here are codes as a model without labels might leave them: three factors, coded with some noise and turned by a
# rotation that you do not know, beside two latents of noise. You may use the factors of the first 30 images, and all
# codes. Find an orthogonal matrix whose turned codes have a high MIG on the other images. The codes' own axes and the
# best rotation that knows all labels are printed for comparison. A hint: which directions would a linear regression
# on the 30 images name, and which orthogonal matrix is nearest to them?

# %% tags=["drift"]
secret = np.linalg.qr(np.random.default_rng(7).normal(size=(5, 5)))[0]
clean = np.c_[
    true[:, [1, 3, 4]] + 0.15 * random.normal(size=(2000, 3)), random.normal(size=(2000, 2))
]
codes, wanted = clean @ secret, factors[:, [1, 3, 4]]
print(f"MIG of the codes' own axes {evaluation.mig(codes[30:], wanted[30:]):.2f}")
print(f"MIG of the right axes      {evaluation.mig(clean[30:], wanted[30:]):.2f}")

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def find_rotation(codes, labeled_factors):
    """An orthogonal matrix U [d, d] for codes @ U: codes [n, d].

    labeled_factors: [m, F], the factors of the first m codes, with F <= d.
    """
    ### BEGIN SOLUTION
    # Our attempt: regress each factor on the codes, then the nearest matrix with orthonormal
    # columns (from the singular value decomposition), then any orthonormal columns for the
    # directions that are left.
    v = (labeled_factors - labeled_factors.mean(axis=0)) / labeled_factors.std(axis=0)
    z = codes[: len(v)] - codes.mean(axis=0)
    directions = np.linalg.solve(
        z.T @ z + np.eye(z.shape[1]), z.T @ v
    )  # [d, F], with a little ridge
    left, _, right = np.linalg.svd(directions, full_matrices=True)
    columns = left[:, : v.shape[1]] @ right
    return np.c_[columns, left[:, v.shape[1] :]]
    ### END SOLUTION

# %% tags=["drift"]
U = find_rotation(codes, wanted[:30])
assert np.allclose(U.T @ U, np.eye(5), atol=1e-6), "the columns of U should be orthonormal"
print(f"MIG after your rotation    {evaluation.mig((codes @ U)[30:], wanted[30:]):.2f}")
