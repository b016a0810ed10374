# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 12. Which model is best, and by what?
#
# Read [chapter 12](../../chapters/12_comparison.ipynb) first. The whole notebook computes for less than a minute.
# **Time:** about 60 minutes. **Points:** 20.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import datasets, evaluation, models

import keras
import numpy as np
import tensorflow as tf
from sklearn.cluster import KMeans

random = np.random.default_rng(0)
data = datasets.load("digits")
x_train, x_valid, x_test = [
    (x > 0.5).astype("float32").reshape(len(x), 64)
    for x in (data.x_train, data.x_valid, data.x_test)
]


def bernoulli(x, p):
    """log p(x) of rows x [n, d] under each row of p [C, d]: [n, C]."""
    return x @ np.log(p).T + (1 - x) @ np.log(1 - p).T


def mixture_log_p(x, w, p):
    """log p(x) of a mixture with weights w [C] and prototypes p [C, d], equation 12.1: [n]."""
    return np.logaddexp.reduce(np.log(w) + bernoulli(x, p), axis=1)

# %% [markdown]
# ## Exercise 1. One step of EM (4 points, 12 minutes)
#
# Write one step of equation 12.2, *without* the invented image: the responsibilities $r_{nc}$, then new weights and new prototypes. `bernoulli` is given. A log-likelihood of many pixels is far
# below the smallest number whose exponential is not zero, so subtract in the logarithm before you exponentiate.

# %% nbgrader={"grade_id": "em-answer", "solution": true}
def em_step(x, w, p):
    """x [n, d], w [C], p [C, d] -> new (w [C], p [C, d])."""
    ### BEGIN SOLUTION
    joint = np.log(w) + bernoulli(x, p)
    r = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
    count = r.sum(axis=0)
    return count / len(x), r.T @ x / count[:, None]
    ### END SOLUTION

# %% nbgrader={"grade_id": "em-check", "grade": true, "points": 4}
def starting_point(components, size, seed):
    random = np.random.default_rng(seed)
    w = random.dirichlet(np.full(components, 5.0))
    return w, random.uniform(0.2, 0.8, (components, size))


def one_step(x, w, p):
    """What your em_step returns, as two arrays."""
    answer = em_step(x, w, p)
    assert isinstance(answer, (tuple, list)) and len(answer) == 2, "return two things: w and p"
    return [np.asarray(part, float) for part in answer]


x = random.uniform(size=(400, 6)) < np.repeat([[0.2] * 6, [0.7] * 6], 200, axis=0)
x = x.astype(float)
w, p = starting_point(3, 6, 1)
kept = [array.copy() for array in (x, w, p)]
answer = one_step(x, w, p)
shapes = [part.shape for part in answer]
assert shapes == [(3,), (3, 6)], f"w is [C] = (3,) and p is [C, d] = (3, 6). Received: {shapes}"
assert all(np.array_equal(a, b) for a, b in zip((x, w, p), kept)), (
    "your function changes an array that it is given"
)
assert np.isclose(np.sum(answer[0]), 1), (
    f"the new weights should sum to 1, yours to {np.sum(answer[0]):.3g}: the "
    "responsibilities of one row sum to 1 over the prototypes, and w is their mean over rows"
)
assert np.allclose(answer[0] @ answer[1], x.mean(axis=0)), (
    "after a step the mixture's mean is the mean of the data: each prototype is a mean of "
    "rows, weighted by r and divided by the sum of its own r (the same r for w and p)"
)
uneven = np.array([0.9, 0.1])
assert np.allclose(one_step(x, uneven, np.full((2, 6), 0.4))[0], uneven), (
    "two equal prototypes explain every row equally well, so r is w: do the weights stand in r?"
)
single = one_step(x, np.ones(1), np.full((1, 6), 0.3))
assert np.allclose(single[1], x.mean(axis=0)), "one prototype becomes the mean in one step"
before = mixture_log_p(x, w, p).mean()
for number in range(12):
    w, p = one_step(x, w, p)
    after = mixture_log_p(x, w, p).mean()
    assert after >= before - 1e-6, (
        f"EM never loses likelihood; step {number + 1} took it from {before:.4f} to "
        f"{after:.4f}: do the responsibilities contain the weights, and the old p only?"
    )
    before = after
many = np.tile(x, (1, 300))
w, p = one_step(many, *starting_point(3, 1800, 2))
assert np.all(np.isfinite(w)) and np.all(np.isfinite(p)), (
    "with 1800 pixels all joint probabilities underflow to 0, and 0 / 0 is NaN: normalize in "
    "the logarithm"
)
assert np.isclose(w.sum(), 1), (
    f"with 1800 pixels the weights sum to {w.sum():.3g}, not to 1: the joint probabilities "
    "underflow to 0, and no small number that is added helps: normalize in the logarithm"
)
assert np.allclose(w @ p, many.mean(axis=0)), (
    "with 1800 pixels the mixture's mean is no longer the mean of the data: normalize each row "
    "in the logarithm, without adding or clipping anything"
)
rates = np.array([[0.2], [0.7]])
clear = (random.uniform(size=(400, 1800)) < np.repeat(rates, 200, axis=0)).astype(float)
p = one_step(clear, np.full(2, 0.5), np.tile(rates, (1, 1800)))[1]
assert np.allclose(p[0], clear[:200].mean(axis=0)), (
    "1800 pixels, 200 dark rows and 200 bright ones: the dark prototype becomes the mean of "
    f"the dark rows, {clear[:200].mean():.2f} on average, yours {p[0].mean():.2f}. Equal "
    "responsibilities come from probabilities that underflow: normalize in the logarithm"
)
### BEGIN HIDDEN TESTS
for components, size, seed in ((2, 4, 3), (5, 8, 4), (3, 1500, 5)):
    x = (np.random.default_rng(seed).uniform(size=(150, size)) < 0.4).astype(float)
    w, p = starting_point(components, size, seed)
    joint = np.log(w) + bernoulli(x, p)
    joint = np.exp(joint - joint.max(axis=1, keepdims=True))
    r = joint / joint.sum(axis=1, keepdims=True)
    new_w, new_p = one_step(x, w, p)
    assert np.allclose(new_w, r.mean(axis=0)), "w_c is the mean of r_nc over rows"
    assert np.allclose(new_p, np.einsum("nc,nd->cd", r, x) / r.sum(axis=0)[:, None]), (
        "pi_c is the mean of the rows, weighted by r_nc"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. Find the leak (4 points, 12 minutes)
#
# A network claims to be autoregressive: output $i$ should depend on the inputs $0, \dots, i-1$ only (we count from 0, like Python). You cannot see its masks, you can only call it: `logits(x)` with `x` of shape `[n, d]`. Flip one input at a time, in *every* row of
# `x`, and see which outputs move. Return all leaks, as a sorted list of pairs `(i, j)`: output $i$ hears input $j$ although $j \ge i$. A change of less than $10^{-6}$ in all rows counts as none.

# %% nbgrader={"grade_id": "leak-answer", "solution": true}
def leaks(logits, x):
    """Sorted pairs (output i, input j >= i that it hears), for rows x [n, d] of 0 and 1."""
    found = []
    ### BEGIN SOLUTION
    for j in range(x.shape[1]):
        flipped = x.copy()
        flipped[:, j] = 1 - flipped[:, j]
        moved = np.abs(logits(flipped) - logits(x)).max(axis=0) > 1e-6
        found += [(i, j) for i in range(j + 1) if moved[i]]
    ### END SOLUTION
    return sorted(found)

# %% nbgrader={"grade_id": "leak-check", "grade": true, "points": 4}
def masked_network(strict_in, strict_out, size=5, units=24, seed=0):
    """A random network whose masks compare strictly (<) or not (<=)."""
    random, degrees = np.random.default_rng(seed), np.arange(size)
    hidden = np.arange(units) % size
    compare = {True: np.less, False: np.less_equal}
    first = random.normal(size=(size, units)) * compare[strict_in](degrees[:, None], hidden)
    second = random.normal(size=(units, size)) * compare[strict_out](hidden[:, None], degrees)
    return lambda x: np.maximum(x @ first + 0.3, 0) @ second


states = ((np.arange(32)[:, None] >> np.arange(5)) & 1).astype(float)
kept = states.copy()
found = leaks(masked_network(False, True), states)
assert np.array_equal(states, kept), "your function changes its rows: copy them"
assert found == [], (
    "one strict comparison is enough, this network leaks nothing: do you count j < i, which is "
    f"allowed, or flip more than one input at a time? Received: {found}"
)
found = leaks(masked_network(False, False), states)
assert found == [(i, i) for i in range(5)], (
    "with two weak comparisons every output hears its own input, (i, i), and no later one "
    f"(none: do changes of different sign cancel in a sum or a mean?). Received: {found}"
)


def backward(x):  # output 0 hears input 3; output 4 hears inputs 0 and 1, which is allowed
    return np.stack([x[:, 3], 0 * x[:, 0], x[:, 0], 0 * x[:, 0], x[:, 0] * x[:, 1]], axis=1)


found = leaks(backward, states)
assert found == [(0, 3)], (
    f"output 0 hears input 3: the pair is (output, input) = (0, 3). Received: {found}"
)


def hidden_leak(x):  # output 1 hears input 4 only where input 0 is on
    return np.stack([0 * x[:, 0], x[:, 0] * x[:, 4], *(0 * x[:, :3].T)], axis=1)


found = leaks(hidden_leak, states)
assert found == [(1, 4)], (
    "a leak may show in some rows only: take the largest change over the rows, not that of "
    f"the first row, and not their sum, in which up and down cancel. Received: {found}"
)


def falls(x):  # outputs 0 and 1 move in one direction only
    return np.stack([-x[:, 3], x[:, 4], *(0 * x[:, :3].T)], axis=1)


for rows in (np.zeros((3, 5)), np.ones((3, 5))):
    found = leaks(falls, rows)
    assert found == [(0, 3), (1, 4)], (
        "a flip makes 1 of 0 and 0 of 1, in every row, and an output may rise or fall: take "
        f"the absolute change. Received: {found}"
    )


def faint(x):  # output 4 hears itself, in rows where all other inputs are on, by 0.0001
    return np.stack([*(0 * x[:, :4].T), 1e-4 * x.prod(axis=1)], axis=1)


found = leaks(faint, np.ones((3, 5)))
assert found == [(4, 4)], (
    "output 4 hears its own input, by 0.0001 in every row: a change above 1e-6 is a leak. "
    f"Received: {found}"
)
rows = np.zeros((500, 5))
rows[7] = 1
found = leaks(faint, rows)
assert found == [(4, 4)], (
    "output 4 hears its own input in one row of 500, by 0.0001: a change above 1e-6 in any row "
    f"is a leak, so compare the largest with 1e-6, not the mean over rows. Received: {found}"
)
found = leaks(lambda x: 1e-8 * x[:, ::-1], states)
assert found == [], f"a change below 1e-6 in all rows counts as none. Received: {found}"
### BEGIN HIDDEN TESTS
def signed(x):
    return np.stack([(2 * x[:, 1] - 1) * (2 * x[:, 2] - 1), *(0 * x[:, :4].T)], axis=1)


assert leaks(signed, states) == [(0, 1), (0, 2)], "two leaks, whose changes cancel in a sum"
assert leaks(lambda x: 1e-8 * x[:, ::-1], states) == [], "a change below 1e-6 counts as none"
for seed in (1, 2):
    strict_inside = masked_network(True, False, seed=seed)
    assert leaks(strict_inside, states) == [], "strict inside is right as well"
before = states.copy()
leaks(masked_network(False, False), states)
assert np.array_equal(states, before), "the rows should not be changed in place"
made = models.MADE((5,), hidden=(16,))
for weight in made.trainable_weights:
    weight.assign(np.random.default_rng(weight.shape[0]).normal(size=weight.shape))
called = lambda x: made.logits(tf.constant(x, tf.float32)).numpy()  # noqa: E731
assert leaks(called, states) == [], "MADE does not leak"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. Ninety-nine percent noise (3 points, 8 minutes)
#
# A model has log-likelihoods $\log p(x)$. Mix it with coin flips: with probability `share` an image comes from the model, otherwise all $d$ pixels are fair coins. Write the exact log-likelihood of the mixture,
# and the largest price that it can cost, $\log p(x) - \log p'(x)$, for any model and any image. Work in logarithms: $2^{-d}$ is zero to a computer for a large image.

# %% nbgrader={"grade_id": "noise-answer", "solution": true}
def diluted(log_p, share, pixels):
    """log p'(x) of the mixture with coin flips, in nats: log_p [n] -> [n]; 0 < share < 1."""
    ### BEGIN SOLUTION
    return np.logaddexp(np.log(share) + log_p, np.log(1 - share) - pixels * np.log(2))
    ### END SOLUTION


def largest_price(share):
    """No image and no model loses more nats than this."""
    ### BEGIN SOLUTION
    return -np.log(share)
    ### END SOLUTION

# %% nbgrader={"grade_id": "noise-check", "grade": true, "points": 3}
log_p = np.array([-10.0, -17.0, -60.0])
kept = log_p.copy()
answer = np.asarray(diluted(log_p, 0.01, 64))
assert np.shape(answer) == (3,), "one number for each image"
assert np.array_equal(log_p, kept), "your function changes the array that it is given"
assert np.isclose(answer[2], np.log(0.99) - 64 * np.log(2)), (
    "an image that only the coins can explain: log(1 - share) - d log 2"
)
assert np.isclose(answer[0], -10 + np.log(0.01)), (
    "an image that the model likes far better than the coins do: log p + log share"
)
assert np.allclose(diluted(np.full(2, -64 * np.log(2)), 0.3, 64), -64 * np.log(2)), (
    "where both agree, nothing changes: probabilities are added, not log-probabilities"
)
few = np.asarray(diluted(np.array([-10.0]), 0.3, 64))[0]
assert np.isclose(few, -10 + np.log(0.3)), (
    f"a share of 0.3: -10 + log 0.3 = -11.20, yours: {few:.4g}. Is `share` the argument's?"
)
assert np.isclose(largest_price(0.01), 4.605170), "log 100, a positive number of nats"
half = largest_price(0.5)
assert np.isclose(half, np.log(2)), (
    f"at a share of 0.5 the largest price is log 2 = 0.693, yours: {half:.3f}. It depends on "
    "the share"
)
price = log_p - answer
assert np.all(price <= largest_price(0.01) + 1e-5), "no image loses more than the largest price"
with np.errstate(all="ignore"):
    large = np.asarray(diluted(np.array([-2000.0]), 0.01, 3000))[0]
assert np.isclose(large, -2000 + np.log(0.01)), (
    f"3000 pixels, log p = -2000: it is -2000 + log 0.01 = -2004.6, yours: {large:.5g}. "
    "exp(-2000) and 2^-3000 are zero to a computer: add in the logarithm, np.logaddexp"
)
### BEGIN HIDDEN TESTS
states = np.log(np.random.default_rng(3).dirichlet(np.ones(16)))  # a model of 4 pixels
for share in (0.01, 0.4, 0.9):
    exact = np.log(share * np.exp(states) + (1 - share) / 16)
    assert np.allclose(diluted(states, share, 4), exact), f"share {share}: a mixture of two"
    assert np.isclose(np.exp(diluted(states, share, 4)).sum(), 1), "and it sums to one"
    assert np.isclose(largest_price(share), np.log(1 / share)), "the price is log(1 / share)"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Repair this: a ranking by Parzen windows (3 points, 10 minutes)
#
# The first GAN paper (Goodfellow et al., 2014) compared models by the score below, and many papers followed. The width is chosen on validation rows, as it was there. Run the cell, and look who wins.

# %%
def fit_mixture(x, components, steps=30):
    """EM with an invented image for each prototype; it starts at the first rows: (w, p)."""
    w, p = np.full(components, 1 / components), np.clip(x[:components], 0.25, 0.75)
    for _ in range(steps):
        joint = np.log(w) + bernoulli(x, p)
        r = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
        w = r.mean(axis=0)
        p = (r.T @ x + 0.5) / (r.sum(axis=0)[:, None] + 1)
    return w, p


w, p = fit_mixture(x_train, 40)
rates = np.clip(x_train.mean(axis=0), 0.001, 0.999)


def parzen(centers, x):
    """The published score of rows x [n, d], with samples as centers [m, d]: a number."""
    best = (-np.inf, None)
    for width in (0.02, 0.05, 0.1, 0.15, 0.2):
        q = width + (1 - 2 * width) * centers
        even = np.full(len(q), 1 / len(q))
        best = max(best, tuple(mixture_log_p(part, even, q).mean() for part in (x_valid, x)))
    return best[1]

# %% tags=["drift"]
prototypes = p[random.choice(40, 300, p=w)]
entries = {  # name -> (300 samples, log p of rows or None)
    "mixture": (
        (random.uniform(size=(300, 64)) < prototypes).astype(float),
        lambda x: mixture_log_p(x, w, p),
    ),
    "independent pixels": (
        (random.uniform(size=(300, 64)) < rates).astype(float),
        lambda x: mixture_log_p(x, np.ones(1), rates[None]),
    ),
    "real digits": (x_train[:300], None),
}
averages = KMeans(300, n_init=1, random_state=0).fit(x_train).cluster_centers_
entries["k-means centers"] = (averages, None)
for name, (centers, _) in entries.items():
    print(f"{name:20s} {parzen(centers, x_test):7.2f}")

# %% [markdown]
# The averages of k-means beat real digits, and the mixture from which the samples came. The score measures how well 300 bumps cover the test rows, not how good the model is that drew them.
#
# Write the table that should have been printed. Keep the models that *have* a log-likelihood; give each its mean over the rows `x`, and the mean difference to the best model with the standard error of that difference, **in pairs**, row by row: both
# models see the same rows, so most of the variation cancels. Use `ddof=1`. Best first.

# %% nbgrader={"grade_id": "parzen-answer", "solution": true}
def repaired(entries, x):
    """[(name, mean log p, mean difference to the best, its standard error)], the best first."""
    ### BEGIN SOLUTION
    values = {name: log_p(x) for name, (_, log_p) in entries.items() if log_p is not None}
    order = sorted(values, key=lambda name: -values[name].mean())
    differences = {name: values[name] - values[order[0]] for name in order}
    return [
        (name, values[name].mean(), d.mean(), d.std(ddof=1) / np.sqrt(len(d)))
        for name, d in differences.items()
    ]
    ### END SOLUTION

# %% nbgrader={"grade_id": "parzen-check", "grade": true, "points": 3}
found = repaired(entries, x_test)
names = [row[0] for row in found]
assert "k-means centers" not in names and "real digits" not in names, (
    "a set of pictures has no log-likelihood: such rows have no place in this table"
)
assert names == ["mixture", "independent pixels"], f"the best first. Received: {names}"
turned = [row[0] for row in repaired(dict(reversed(entries.items())), x_test)]
assert turned == names, (
    "the same entries in another order should give the same table: sort by the mean log p, the "
    f"best first. Received: {turned}"
)
values = [entries[name][1](x_test) for name in names]
assert np.isclose(found[0][1], values[0].mean()), "the mean log p over the rows"
assert found[0][2] == 0 and found[0][3] == 0, "the best does not differ from itself"
difference = values[1] - values[0]
assert np.isclose(found[1][2], difference.mean()), "the difference to the best is negative"
unpaired = np.sqrt((values[0].var(ddof=1) + values[1].var(ddof=1)) / len(x_test))
assert not np.isclose(found[1][3], unpaired), (
    "this is the error of two unpaired means: subtract row by row"
)
assert np.isclose(found[1][3], difference.std(ddof=1) / np.sqrt(len(x_test))), (
    "the standard error of the paired difference: its deviation (ddof=1) over the root of the "
    "number of rows"
)
### BEGIN HIDDEN TESTS
toys = {"a": (None, lambda x: x[:, 0]), "none": (None, None)}
toys |= {"b": (None, lambda x: x[:, 1] + 1), "c": (None, lambda x: x[:, 1] - 3)}
rows = np.random.default_rng(5).normal(size=(50, 2))
found = repaired(toys, rows)
assert [row[0] for row in found] == ["b", "a", "c"], "sorted by mean log p"
assert np.isclose(found[2][2], -4) and np.isclose(found[2][3], 0, atol=1e-6), (
    "b and c differ by 4 in every row: paired, the error is zero"
)
assert np.isclose(found[0][1], rows[:, 1].mean() + 1), "of the rows that are given"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Repair this: a table that mixes kinds (3 points, 10 minutes)
#
# A made-up table of a kind that is often published. Its first column mixes exact values with ELBOs, its last was computed from as many samples as each group had at hand, against 300 real rows.
#
# | model | log p(x) | kind | Fréchet distance | samples |
# |---|---|---|---|---|
# | A | -17.1 | exact | 1.10 | 300 |
# | B | -17.9 | lower bound | 0.60 | 5000 |
# | C | -16.8 | lower bound | 0.95 | 300 |
#
# First write `better`, which says what the first column proves: `0` if the first of two entries certainly has the larger log-likelihood, `1` if the second certainly has, `None` if nobody can tell. (A bound that *equals* an exact value proves nothing.)
# Then write `fair_distance`: the Fréchet distance from the *same* number `n` of real and of generated features, both drawn without replacement from what there is.

# %% nbgrader={"grade_id": "mixed-answer", "solution": true}
def better(first, second):
    """Each entry is (value, kind), with kind "exact" or "lower bound": 0, 1 or None."""
    ### BEGIN SOLUTION
    for winner, (own, other) in enumerate(((first, second), (second, first))):
        if own[0] > other[0] and other[1] == "exact":
            return winner
    return None
    ### END SOLUTION


def fair_distance(real, generated, n, random):
    """Fréchet distance of n real and n generated rows, drawn by the generator `random`."""
    ### BEGIN SOLUTION
    chosen = [rows[random.choice(len(rows), n, replace=False)] for rows in (real, generated)]
    return evaluation.frechet_distance(*chosen)
    ### END SOLUTION

# %% nbgrader={"grade_id": "mixed-check", "grade": true, "points": 3} tags=["drift"]
a, b, c = (-17.1, "exact"), (-17.9, "lower bound"), (-16.8, "lower bound")
assert better((-1.0, "exact"), (-2.0, "exact")) == 0, "two exact values: the larger wins"
assert better((-2.0, "exact"), (-1.0, "exact")) == 1, "say who wins by 0 or 1: here the second"
assert better(a, b) is None, (
    "B's true value is somewhere above -17.9: it may be above A's or below it, nobody can tell"
)
assert better(c, a) == 0 and better(a, c) == 1, (
    "a bound that is above an exact value proves that C wins"
)
assert better(b, c) is None, "two bounds: the one that looks worse may be the looser"
assert better(a, a) is None, "a tie has no winner"
equal = (-17.1, "lower bound")
assert better(equal, a) is None and better(a, equal) is None, (
    "a bound that equals an exact value proves nothing"
)
features = np.random.default_rng(0).normal(size=(6000, 8))
real, few, many = features[:300], features[300:600], features[600:5600]
unfair = [evaluation.frechet_distance(real, rows) for rows in (few, many)]


def over_draws(first, second):
    """Its mean over ten draws."""
    draws = [fair_distance(first, second, 300, np.random.default_rng(i)) for i in range(10)]
    return np.mean(draws)


kept = real.copy(), many.copy()
fair = [over_draws(real, rows) for rows in (few, many)]
print("one model, 300 and 5000 samples:", np.round(unfair, 3), "; 300 each:", np.round(fair, 3))
assert np.array_equal(real, kept[0]) and np.array_equal(many, kept[1]), (
    "your function changes the features that it is given: shuffle() works in place"
)
assert np.isclose(fair[0], unfair[0]), "300 of 300 rows, without replacement, are all of them"
draws = [float(fair_distance(real, many, 200, np.random.default_rng(i))) for i in (1, 1, 2)]
assert not np.isclose(draws[0], evaluation.frechet_distance(real[:200], many[:200])), (
    "these are the first n rows of each: draw them by the generator `random`"
)
assert draws[0] == draws[1], (
    "two generators with the same seed draw different rows: draw by the generator that is given"
)
assert draws[0] != draws[2], (
    "generators with different seeds draw the same rows: draw by the one that is given, and "
    "make none of your own"
)
alike = fair_distance(few, few, 100, np.random.default_rng(1))
assert alike > 1e-3, (
    "100 of 300 rows, twice from the same features, and the distance is 0: you took the same "
    "places for both. Draw the rows of each set by themselves"
)
for name, pair in (("real", (real, few[:100])), ("generated", (few[:100], real))):
    draws = [fair_distance(*pair, 100, np.random.default_rng(i)) for i in (1, 2)]
    assert not np.isclose(*draws, rtol=1e-9), (
        f"100 of 300 {name} rows are the same for every seed: draw them by the generator, too"
    )
assert abs(fair[1] - fair[0]) < 0.5 * abs(unfair[1] - unfair[0]), (
    "with equal numbers the same model gets nearly the same distance"
)
turned = over_draws(many, few)
assert turned > 0.78 * fair[0], "n rows of the real features, too, not only of the generated"
asked = fair_distance(real, many, 100, np.random.default_rng(2))
assert asked > unfair[0], "n rows of each: with 100 the distance is biased upward even more"
### BEGIN HIDDEN TESTS
for first in (-3.0, -1.0):
    for kind in ("exact", "lower bound"):
        answer = better((first, kind), (-2.0, "exact"))
        expected = 0 if first > -2 else (1 if kind == "exact" else None)
        assert answer is None if expected is None else answer == expected, (
            f"{first} ({kind}) against -2.0 (exact)"
        )
kept = many.copy()
fair_distance(real, many, 50, np.random.default_rng(3))
assert np.array_equal(many, kept), "the features should not be changed in place"
short = fair_distance(features[:50], features[50:60], 10, np.random.default_rng(4))
assert np.isfinite(short), "n may be smaller than both sets"
deep = np.concatenate([few, few + 10])
assert fair_distance(real, deep, 300, np.random.default_rng(3)) > 10, "drawn from all rows"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6. Why: two customers (2 points, 8 minutes)
#
# Two customers come with the chapter's table. One wants to *compress* images like these without loss, the other needs three hundred *pictures* of digits for a children's book, today and varied.
#
# Which column should each of them read, and which rows may each compare? Why is the other column no help? In about six sentences.

# %% [markdown] nbgrader={"grade_id": "why-customers", "grade": true, "points": 2, "solution": true}
# Compression: the log-likelihood. An ideal coder needs $-\log_2 p(x)$ bits for an image, so a nat more is a nat saved, and what counts is that the probability of *real* images is high; nobody looks at draws. Exact values can be turned into a code
# directly (MADE, the mixture), a bound is a length that is certainly reached (with bits-back coding), which for the VAEs is their ELBO (about $-18.1$ with the flow prior) and not the importance-sampled value in the table, so that a coder would take the mixture's exact $-17.04$; rows without any likelihood, GANs and PCA, are out, and an AIS estimate is no code. (1 point)
# Pictures: precision, recall and distance, of the pictures that will be printed (draws or means, as shown), and copies; "today" adds seconds to draw. Likelihood is no help, since 99 % noise costs only 4.6 nats, and a memory of perfect digits has a bad one.
# Only groups of rows whose seeds do not overlap may be ranked. (1 point)

# %% [markdown]
# ## Open challenge: beat the mixture in exact nats (1 point, as long as you like)
#
# On the binarized digits, reach a higher *exact* log-likelihood of the validation rows than 40 prototypes do, from the training rows alone. Everything that is exact is welcome: more prototypes, smoothing, MADE with another order or averaged over several orders
# (in the probability, not in the logarithm), a mixture of both (`fit_mixture` stands in exercise 4). The whole should run in about twenty seconds. The point is given for a density that beats the 40 prototypes.
#
# That it is a density is tested where the sum over all images can be written out: your function is given rows of the 9 pixels in the middle, too, and the probabilities of their 512 images must sum to 1. So take everything from the argument `rows`, and the number of pixels from its shape.
# Say in a comment what you tried.

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def challenger(rows):
    """Fitted to rows [N, d] of 0 and 1: a function x [n, d] -> exact log p(x) [n], in nats."""
    ### BEGIN SOLUTION
    # Our attempt, the second of two: half MADE and half mixture is better than MADE alone.
    keras.utils.set_random_seed(0)
    mixture = fit_mixture(rows, 40)
    made = models.MADE((rows.shape[1],), hidden=(200,))
    made.compile(keras.optimizers.Adam(3e-3))
    made.fit(np.tile(rows, (10, 1)), batch_size=64, epochs=9, verbose=0)
    both = lambda x: (made.log_prob(np.float32(x)), mixture_log_p(x, *mixture))  # noqa: E731
    return lambda x: np.logaddexp(*both(x)) - np.log(2)
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1} tags=["drift"]
log_p = challenger(x_train)
values = np.asarray(log_p(x_valid))
forty = mixture_log_p(x_valid, w, p).mean()
print(f"yours: {values.mean():.2f} nats; 40 prototypes: {forty:.2f}")
assert values.shape == (len(x_valid),), "one number for each row"
assert np.all(np.isfinite(values)), "inf or nan"
middle = x_train.reshape(-1, 8, 8)[:, 2:5, 3:6].reshape(-1, 9)
images = ((np.arange(512)[:, None] >> np.arange(9)) & 1).astype("float32")
try:
    total = np.exp(np.asarray(challenger(middle)(images), "float64")).sum()
except Exception as error:
    message = f"rows of 9 pixels end in an error: is everything taken from `rows`? {error}"
    raise AssertionError(message) from error
assert abs(total - 1) < 0.002, (
    f"over all 512 images of 9 pixels your probabilities sum to {total:.3f}, not to 1, so it "
    "is no density: the shares of a mixture sum to 1, and averages are taken of p, not of log p"
)
assert values.mean() > forty + 0.05, "it should beat 40 prototypes"
