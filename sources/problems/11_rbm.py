# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 11. Restricted Boltzmann machines
#
# Read [chapter 11](../../chapters/11_rbm.ipynb) first. The whole notebook computes for less than half a minute.
# **Time:** about 60 minutes. **Points:** 20.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".
#
# In this sheet there is one machine at a time: $W$ has shape `[pixels, hidden]`, $b$ `[pixels]` and $c$ `[hidden]`.

# %%
from vae_course import datasets, evaluation

import numpy as np

random = np.random.default_rng(0)


def sigmoid(v):
    return 0.5 + 0.5 * np.tanh(0.5 * v)


def states(units):
    """All vectors of zeros and ones: [2^units, units]."""
    return (np.arange(2**units)[:, None] >> np.arange(units) & 1).astype(float)


def machine(pixels, hidden, scale=1.0):
    """Random (W, b, c)."""
    sizes = (pixels, hidden), pixels, hidden
    return tuple(scale * random.normal(size=size) for size in sizes)


def energies(x, W, b, c):
    """-log p(x, h) + constant, for every h: [n, 2^hidden]. The referee of the checks."""
    h = states(len(c))
    return -(x @ b)[:, None] - h @ c - x @ W @ h.T


def true_log_z(W, b, c):
    return np.logaddexp.reduce(-energies(states(len(b)), W, b, c), axis=None)

# %% [markdown]
# ## Exercise 1. The free energy (3 points, 8 minutes)
#
# Write $F(x) = -\log \sum_h e^{-E(x, h)}$ as in equation 11.3, for a batch of images. The sum over $2^H$ states must not be written out: a machine may have 500 hidden units. And it must not overflow: $\log(1 + e^{v})$ for
# $v = 1000$ is 1000. `np.logaddexp` helps.

# %% nbgrader={"grade_id": "free-energy-answer", "solution": true}
def free_energy(x, W, b, c):
    """F(x) in nats: x [n, pixels] -> [n]."""
    ### BEGIN SOLUTION
    return -x @ b - np.logaddexp(0, x @ W + c).sum(axis=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "free-energy-check", "grade": true, "points": 3}
x, (W, b, c) = states(5), machine(5, 3)
kept = x.copy()
answer = np.asarray(free_energy(x, W, b, c))
assert np.shape(answer) == (32,), "one number for each image: sum over hidden units, not images"
assert np.array_equal(x, kept), "your function changes the array x that it is given"
zero = 0 * W
assert np.allclose(free_energy(x, zero, 0 * b, 0 * c), -3 * np.log(2)), (
    "with W = b = c = 0 all 8 states of h have energy 0, so F = -log 8: are the hidden units "
    "summed (and not the images), with a minus sign?"
)
assert np.allclose(free_energy(x, zero, b, 0 * c), -x @ b - 3 * np.log(2)), (
    "with W = c = 0: F(x) = -x.b - log 8: the sign of b, or a missing term"
)
assert np.allclose(free_energy(x, zero, 0 * b, c), -np.log1p(np.exp(c)).sum()), (
    "with W = b = 0: F(x) = -sum_j log(1 + exp(c_j)), for every x: is c inside the softplus?"
)
expected = -np.logaddexp.reduce(-energies(x, W, b, c), axis=1)
assert np.allclose(answer, expected), "F(x) = -log sum_h exp(-E(x, h)), by enumeration"
with np.errstate(all="ignore"):
    large = np.asarray(free_energy(x[-1:], np.full((5, 3), 200.0), b, c))[0]
limit = -np.sum(b) - np.sum(1000 + c)  # log(1 + exp(v)) is v for a large v
assert np.isclose(large, limit), (
    f"five pixels that are on, and weights of 200: F is {limit:.1f}, yours: {large:.5g}. "
    "exp(1000) overflows, and a v that is clipped is another v: np.logaddexp(0, v) is "
    "log(1 + exp(v))"
)
### BEGIN HIDDEN TESTS
for pixels, hidden in ((3, 6), (7, 1), (4, 4)):
    x, parts = states(pixels), machine(pixels, hidden, 2.0)
    before = [part.copy() for part in (x, *parts)]
    expected = -np.logaddexp.reduce(-energies(x, *parts), axis=1)
    assert np.allclose(free_energy(x, *parts), expected, atol=1e-4), f"{pixels} pixels"
    assert np.allclose(free_energy(x[2:3], *parts), expected[2:3], atol=1e-4), "a batch of one"
    now = (x, *parts)
    assert all(np.array_equal(a, b) for a, b in zip(now, before)), "arguments were changed"
wide = machine(20, 500)
assert np.shape(free_energy(np.ones((2, 20)), *wide)) == (2,), "500 hidden units are no problem"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. The exact gradient (3 points, 12 minutes)
#
# For a machine with few pixels, equation 11.5 needs no chain: the average over the model is a sum over all $2^D$ images. Write the gradient of the *mean* log-likelihood of some data with respect to $W$. You are given all images and their
# probabilities under the model.

# %% nbgrader={"grade_id": "gradient-answer", "solution": true}
def gradient(data, images, p, W, b, c):
    """d/dW of mean log p(data), [pixels, hidden]: data [n, pixels], all images, p of each."""
    ### BEGIN SOLUTION
    of_data = data.T @ sigmoid(data @ W + c) / len(data)
    of_model = (images * p[:, None]).T @ sigmoid(images @ W + c)
    return of_data - of_model
    ### END SOLUTION

# %% nbgrader={"grade_id": "gradient-check", "grade": true, "points": 3}
def probabilities(W, b, c):
    """(all images, p(x) of each)."""
    images = states(len(b))
    log_p = np.logaddexp.reduce(-energies(images, W, b, c), axis=1)
    return images, np.exp(log_p - np.logaddexp.reduce(log_p))


def numerical_gradient(data, W, b, c, step=1e-5):
    """The same by differences of the log-likelihood, one weight at a time."""
    slope = np.zeros_like(W)
    for place in np.ndindex(W.shape):
        values = []
        for sign in (1, -1):
            moved = W.copy()
            moved[place] += sign * step
            log_p = np.logaddexp.reduce(-energies(data, moved, b, c), axis=1)
            values.append(log_p.mean() - true_log_z(moved, b, c))
        slope[place] = (values[0] - values[1]) / (2 * step)
    return slope


parts = machine(4, 3)
images, p = probabilities(*parts)
data = images[[1, 1, 6, 11, 13]]
answer = gradient(data, images, p, *parts)
expected = numerical_gradient(data, *parts)
assert np.shape(answer) == (4, 3), "one number for each weight, [pixels, hidden]"
assert not np.allclose(answer, -expected), (
    "the sign: log p of the data rises along the gradient, so data minus model"
)
assert not np.allclose(answer, len(data) * expected), "the mean over the data, not the sum"
of_data = data.T @ sigmoid(data @ parts[0] + parts[2])
assert not np.allclose(answer, of_data - (of_data / len(data) - expected)), (
    "the first average is a sum: divide by the number of data"
)
plain = images.T @ sigmoid(images @ parts[0] + parts[2]) / len(images)
assert not np.allclose(answer, of_data / len(data) - plain), (
    "the average over the model weighs each image by its p, it is not the mean over all images"
)
assert np.allclose(answer, expected, atol=1e-6), (
    "it should be the slope of the log-likelihood: is c inside both sigmoids? p sums to 1 "
    "already, so the second average is not divided again"
)
once = np.repeat(images, np.arange(1, 17), axis=0)
answer = gradient(once, images, p, *parts)
assert np.allclose(answer, numerical_gradient(once, *parts), atol=1e-6), (
    "other data: is the number of data taken from `data`?"
)
### BEGIN HIDDEN TESTS
for pixels, hidden in ((3, 5), (5, 2)):
    parts = machine(pixels, hidden, 1.5)
    images, p = probabilities(*parts)
    data = images[random.integers(len(images), size=7)]
    before = [part.copy() for part in (data, images, p, *parts)]
    answer = gradient(data, images, p, *parts)
    assert np.allclose(answer, numerical_gradient(data, *parts), atol=1e-6), (
        f"{pixels} pixels, {hidden} hidden units"
    )
    now = (data, images, p, *parts)
    assert all(np.array_equal(a, b) for a, b in zip(now, before)), "arguments were changed"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. One step of AIS (4 points, 12 minutes)
#
# Here is the unnormalized log-density of the machine at inverse temperature $\beta$, when the walk starts at coin flips ($a = 0$ in equation 11.7). Write one step of the walk: first the increment of the log-weights, from the old $\beta$ to the new one *at the old place*;
# then one Gibbs step $x \to h \to x$ in the machine of the *new* $\beta$, whose parameters are $\beta W$, $\beta b$ and $\beta c$. Draw $h$ before $x$, with `random.random(shape) < p`.

# %%
def log_p(x, beta, W, b, c):
    """log of p_beta(x) but for its constant: [n, pixels] -> [n]."""
    return beta * (x @ b) + np.logaddexp(0, beta * (x @ W + c)).sum(axis=1)

# %% nbgrader={"grade_id": "ais-answer", "solution": true}
def ais_step(x, before, beta, W, b, c, random):
    """(x after one step [n, pixels], increment of log w [n]), from `before` to `beta`."""
    ### BEGIN SOLUTION
    increment = log_p(x, beta, W, b, c) - log_p(x, before, W, b, c)
    h = random.random((len(x), len(c))) < sigmoid(beta * (x @ W + c))
    x = random.random(x.shape) < sigmoid(beta * (h @ W.T + b))
    return x.astype(float), increment
    ### END SOLUTION

# %% nbgrader={"grade_id": "ais-check", "grade": true, "points": 4}
def walk(betas, x, parts, seed=0):
    """log of the mean weight, and log w, along the temperatures."""
    random, log_w = np.random.default_rng(seed), np.zeros(len(x))
    for before, beta in zip(betas[:-1], betas[1:], strict=True):
        x, increment = ais_step(x, before, beta, *parts, random)
        log_w = log_w + increment
    return np.logaddexp.reduce(log_w) - np.log(len(x)), log_w


def draws(n, beta, parts, seed):
    """Exact samples of p_beta, by enumeration."""
    images = states(len(parts[1]))
    weights = np.exp(log_p(images, beta, *parts))
    rows = np.random.default_rng(seed).choice(len(images), n, p=weights / weights.sum())
    return images[rows]


parts = machine(5, 3)
x = states(5)
kept = x.copy()
answer = ais_step(x, 0.2, 0.7, *parts, np.random.default_rng(1))
assert isinstance(answer, (tuple, list)) and len(answer) == 2, "two things: x, the increment"
new, increment = answer
assert np.array_equal(x, kept), "your function changes the array x that it is given"
assert np.shape(new) == (32, 5) and set(np.unique(new)) <= {0, 1}, "x holds zeros and ones"
assert np.shape(increment) == (32,), "one increment for each chain"
expected = log_p(x, 0.7, *parts) - log_p(x, 0.2, *parts)
assert not np.allclose(increment, -expected), "the sign: new temperature minus old"
assert not np.array_equal(new, x), "x should move: one Gibbs step"
late = log_p(np.asarray(new, float), 0.7, *parts) - log_p(np.asarray(new, float), 0.2, *parts)
assert not np.allclose(increment, late), "the increment is taken at the old x, before it moves"
assert np.allclose(increment, expected), "log p_new(x) - log p_old(x), at the old x"
again, other = (ais_step(x, 0.2, 0.7, *parts, np.random.default_rng(i))[0] for i in (1, 2))
assert np.array_equal(new, again), (
    "two generators with the same seed give two different steps: draw every number from the "
    "generator `random` that your function is given, not from np.random"
)
assert not np.array_equal(new, other), (
    "generators with different seeds give the same step: draw from the generator `random` that "
    "your function is given, and make none of your own"
)
start = draws(40_000, 0.7, parts, seed=2)
moved = ais_step(start, 0.2, 0.7, *parts, np.random.default_rng(3))[0]
code = (np.asarray(moved) @ 2 ** np.arange(5)).astype(int)  # each image's row in states(5)
exact = np.exp(log_p(states(5), 0.7, *parts))
error = np.abs(np.bincount(code, minlength=32) / len(code) - exact / exact.sum()).max()
assert error < 0.012, (
    "samples of the new temperature should stay samples of it: is the Gibbs step taken with "
    "beta W, beta b and beta c, of the new beta?"
)
strong = np.array([[8.0]]), np.array([-6.0]), np.array([-2.0])  # one pixel, one unit
start = draws(40_000, 0.5, strong, seed=6)
moved = ais_step(start, 0.4, 0.5, *strong, np.random.default_rng(7))[0]
assert np.abs(np.mean(moved) - np.mean(start)) < 0.015, (
    "with a strong hidden unit the pixel is no longer as often on: is h drawn, 0 or 1, and "
    "not replaced by its probability? and is c multiplied by beta, too?"
)
twins = np.array([[8.0, 8.0]]), np.array([-14.0]), np.array([-2.0, -2.0])  # two units alike
start = draws(40_000, 0.5, twins, seed=8)
moved = ais_step(start, 0.4, 0.5, *twins, np.random.default_rng(9))[0]
assert np.abs(np.mean(moved) - np.mean(start)) < 0.02, (
    f"a pixel with two hidden units is on in {np.mean(start):.3f} of the images before the "
    f"step, and in {np.mean(moved):.3f} after it: each unit of each chain needs a number "
    "of its own, drawn with random.random((n, hidden))"
)
betas = np.linspace(0, 1, 51)
truth = true_log_z(*parts) - 8 * np.log(2)
forward = walk(betas, draws(2000, 0.0, parts, seed=4), parts)[0]
back = -walk(betas[::-1], draws(2000, 1.0, parts, seed=5), parts)[0]
assert abs(forward - truth) < 0.1, "the walk should end at log Z - log Z_start"
assert abs(back - truth) < 0.1, "and the walk back at the same number, with the other sign"
### BEGIN HIDDEN TESTS
for pixels, hidden, seed in ((3, 4, 0), (6, 2, 1), (4, 4, 2)):
    parts = machine(pixels, hidden)
    truth = true_log_z(*parts) - (pixels + hidden) * np.log(2)
    up = np.linspace(0, 1, 61)
    for betas, beta, sign in ((up, 0.0, 1), (up[::-1], 1.0, -1)):
        found, log_w = walk(betas, draws(3000, beta, parts, seed), parts, seed)
        assert abs(sign * found - truth) < 0.12, "both directions find Z"
        assert log_w.std() > 0, "the weights vary from chain to chain"
x = np.ones((1, 4))
assert ais_step(x, 0.3, 0.3, *parts, random)[1] == 0, "no change of temperature, no weight"
assert np.array_equal(x, np.ones((1, 4))), "the input array should not be changed in place"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. EASE in three lines (3 points, 8 minutes)
#
# Predict each film from all *other* films by ridge regression: minimize $\|X - XB\|^2 + \lambda \|B\|^2$ over matrices with a zero diagonal. The answer has a closed form (Steck, 2019). With $P = (X^\top X + \lambda I)^{-1}$,
#
# $$ B_{ij} = -\frac{P_{ij}}{P_{jj}} \quad (i \neq j), \qquad B_{jj} = 0. $$

# %% nbgrader={"grade_id": "ease-answer", "solution": true}
def ease(x, penalty):
    """B [items, items] for a matrix of choices x [users, items]; scores are x @ B."""
    ### BEGIN SOLUTION
    P = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0)
    return B
    ### END SOLUTION

# %% nbgrader={"grade_id": "ease-check", "grade": true, "points": 3}
def slope(x, B, penalty):
    """Half the gradient of the objective with respect to B; its diagonal is not asked about."""
    return x.T @ (x @ B - x) + penalty * B


x = (random.random((60, 6)) < [0.9, 0.7, 0.5, 0.3, 0.2, 0.1]).astype(float)
kept = x.copy()
B = np.asarray(ease(x, 5.0))
assert np.shape(B) == (6, 6), "items by items, not users by users"
assert np.array_equal(x, kept), "your function changes the matrix x that it is given"
assert np.allclose(np.diag(B), 0), "a film must not predict itself: a diagonal of zeros"
P = np.linalg.inv(x.T @ x + 5.0 * np.eye(6))
off = ~np.eye(6, dtype=bool)
assert not np.allclose(B[off], (-P / np.diag(P)[:, None])[off]), (
    "B_ij is divided by P_jj, the diagonal entry of its column"
)
assert not np.allclose(B[off], (P / np.diag(P))[off]), "the minus sign"
assert np.allclose(slope(x, B, 5.0)[off], 0, atol=1e-4), (
    "off the diagonal the slope of the objective should be zero"
)
assert np.allclose(slope(x, ease(x, 80.0), 80.0)[off], 0, atol=1e-4), (
    "another penalty: does lambda reach the diagonal of X'X?"
)
### BEGIN HIDDEN TESTS
for users, items, penalty in ((10, 4, 1.0), (30, 9, 20.0), (5, 8, 2.0)):
    x = (random.random((users, items)) < 0.4).astype(float)
    kept, B = x.copy(), ease(x, penalty)
    assert np.allclose(np.diag(B), 0) and np.array_equal(x, kept), "diagonal, and x as it was"
    off = ~np.eye(items, dtype=bool)
    assert np.allclose(slope(x, B, penalty)[off], 0, atol=1e-4), f"{users} users, {items} films"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Repair this: an NDCG that forgives (3 points, 10 minutes)
#
# This is how the code of NGCF, a recommender of 2019, computed NDCG at first, and many public projects have copied it since; its authors have corrected code and tables. `hits` holds, for the first $k$ places of the ranking, 1 where a hidden film was found. Run it on two users.

# %%
def forgiving_ndcg(hits, k):
    """NDCG@k of one user, from hits [k or more]. Wrong."""
    worth = 1 / np.log2(np.arange(k) + 2)
    ideal = np.sort(hits[:k])[::-1]
    return (hits[:k] * worth).sum() / (ideal * worth).sum() if hits[:k].any() else 0.0


one_of_ten = np.array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
print("1 of 10 hidden films found, in the first place:", forgiving_ndcg(one_of_ten, 10))
print("all 10 found:", forgiving_ndcg(np.ones(10), 10))

# %% [markdown]
# Both users get 1. The ideal was made from the films that were *found*, so whoever finds little is measured against little. Write it as it should be: the ideal ranking has *all* hidden films on top, as many as fit into $k$ places.

# %% nbgrader={"grade_id": "ndcg-answer", "solution": true}
def repaired_ndcg(hits, hidden, k):
    """NDCG@k of one user: hits [k or more], 0 or 1 by rank, of `hidden` hidden films."""
    ### BEGIN SOLUTION
    worth = 1 / np.log2(np.arange(k) + 2)
    return (hits[:k] * worth).sum() / worth[: min(k, hidden)].sum()
    ### END SOLUTION

# %% nbgrader={"grade_id": "ndcg-check", "grade": true, "points": 3}
value = repaired_ndcg(one_of_ten, 10, 10)
assert not np.isclose(value, 1), (
    "1 of 10 is not perfect: the ideal is missing, or comes from the films that were found"
)
assert not np.isclose(value, 0.1), "NDCG is no share of hits: rank r is worth 1 / log2(1 + r)"
expected = 1 / (1 / np.log2(np.arange(2, 12))).sum()
assert np.isclose(value, expected), f"1 of 10, in the first place: {expected:.3f}"
assert np.isclose(repaired_ndcg(np.ones(10), 10, 10), 1), "all found: 1"
assert np.isclose(repaired_ndcg(np.array([1, 1, 1, 0, 0]), 3, 5), 1), (
    "3 hidden films on the first 3 of 5 places: 1, since the ideal has only 3 hits"
)
assert np.isclose(repaired_ndcg(np.ones(5), 12, 5), 1), (
    "12 hidden films, 5 places: a full list is ideal, so at most k count"
)
long = np.array([0, 1, 0, 0, 1, 1])
assert np.isclose(repaired_ndcg(long, 2, 3), (1 / np.log2(3)) / (1 + 1 / np.log2(3))), (
    "k = 3 of 6 places: only the first k count"
)
assert np.isclose(repaired_ndcg(np.ones(6), 5, 3), 1), "5 hidden, 3 places: at most 3 hits"
assert repaired_ndcg(np.zeros(5), 4, 5) == 0, "nothing found: 0, without a division by zero"
### BEGIN HIDDEN TESTS
for k in (1, 4, 20):
    x = (random.random((30, 40)) < 0.4).astype(float)
    x[:, :2] = 1
    seen, hidden = evaluation.hide(x, 0.5, seed=k)
    scores = random.normal(size=x.shape)
    order = np.argsort(-np.where(seen > 0, -np.inf, scores), axis=1)
    hits = np.take_along_axis(hidden, order, axis=1)
    before = hits.copy()
    found = [repaired_ndcg(row, int(row.sum()), k) for row in hits]
    assert np.allclose(found, evaluation.ndcg(scores, hidden, seen, k)), "evaluation.ndcg"
    assert np.array_equal(hits, before), "the input array should not be changed in place"
### END HIDDEN TESTS

# %% [markdown]
# What the repair does to a table: popularity and EASE, on the films of the chapter.

# %%
films = datasets.load("films")
seen, hidden = evaluation.hide(films.x_test, 0.2, seed=0)
popularity = np.tile(films.x_train.mean(axis=0), (len(seen), 1))
for name, scores in (("popularity", popularity), ("EASE", seen @ ease(films.x_train, 300.0))):
    order = np.argsort(-np.where(seen > 0, -np.inf, scores), axis=1)[:, :20]
    hits = np.take_along_axis(hidden, order, axis=1)
    wrong = np.mean([forgiving_ndcg(row, 20) for row in hits])
    counts = hidden.sum(axis=1).astype(int)
    right = np.mean([repaired_ndcg(row, n, 20) for row, n in zip(hits, counts)])
    print(f"{name:10s} NDCG@20: forgiving {wrong:.3f}, repaired {right:.3f}")

# %% [markdown]
# ## Exercise 6. Why? Two good numbers (3 points, 10 minutes)
#
# (a) An RBM with 500 hidden units is trained on photographs by CD-1 with a constant step. The reconstruction error falls in every epoch. Does the log-likelihood rise? What does the error show, and what can it not see? Name two things that you would do instead.
#
# (b) A recommender library reported a precision of 0.592 among the first ten for its RBM, where 0.014 was right: to score the test users, it had handed the RBM the *test* matrix as input (recommenders-team/recommenders, pull request 2359). Why did this help an
# RBM so much, and why would it not have helped EASE?

# %% [markdown] nbgrader={"grade_id": "why-numbers", "grade": true, "points": 3, "solution": true}
# (a) Nobody knows. The error compares an image with where a single step of the chain takes it, so it shows that the data sit in wells of the energy. It cannot see how much mass the model puts far from the data, where CD's chains never come; on bars and stripes
# the error fell to a sixth while the exact log-likelihood lost almost a nat. (1 point) Instead: let the step size fall; persistent chains with a falling step; look at samples of long chains that start from coin flips; train a machine with few hidden units and compute $Z$ exactly; estimate $Z$ by AIS
# in both directions. Any two. (1 point)
#
# (b) The RBM scores films by reconstructing its input, and a good reconstruction puts the input's ones on top: it was told the answer and repeated it. EASE predicts each film from all others, its diagonal is zero, so an input of 1 adds nothing to its own score. It can still be helped a
# little, by the other hidden films. (1 point)

# %% [markdown]
# ## Open challenge: 64 pixels, 16 hidden units (1 point, as long as you like)
#
# Binarized digits, a machine with at most 16 hidden units, and some seconds of computing. The score is the exact log-likelihood of the validation images. Independent pixels have about $-24.4$, and 1500 steps of CD-1, below, are a weak start.
# Everything is allowed but the validation images: PCD, centering, momentum, other steps, batches, averaged weights. The point is given for a score that beats the
# weak start by half a nat. Say in a comment how many things you tried, since the best of many tries flatters.

# %% tags=["drift"]
data = datasets.load("digits")
binary = lambda x: (x > 0.5).reshape(-1, 64).astype(float)  # noqa: E731
x_train, x_valid = binary(data.x_train), binary(data.x_valid)


def fit(steps, rate, chains, batch=50, seed=0):
    """CD-1, or PCD if there are chains; `rate` is (first, last): (W, b, c)."""
    random = np.random.default_rng(seed)
    W, c = 0.01 * random.normal(size=(64, 16)), np.zeros(16)
    on = np.clip(x_train.mean(axis=0), 0.01, 0.99)
    b = np.log(on / (1 - on))
    walkers = (random.random((chains, 64)) < on).astype(float)
    for i in range(steps):
        x = x_train[random.integers(len(x_train), size=batch)]
        walkers = walkers if chains else x
        h = random.random((len(walkers), 16)) < sigmoid(walkers @ W + c)
        walkers = (random.random(walkers.shape) < sigmoid(h @ W.T + b)).astype(float)
        h, h_model = sigmoid(x @ W + c), sigmoid(walkers @ W + c)
        now = rate[0] * (rate[1] / rate[0]) ** (i / steps)
        W = W + now * (x.T @ h / len(x) - walkers.T @ h_model / len(walkers))
        b = b + now * (x.mean(axis=0) - walkers.mean(axis=0))
        c = c + now * (h.mean(axis=0) - h_model.mean(axis=0))
    return W, b, c


def score(W, b, c):
    """Mean exact log p of the validation images, in nats."""
    pieces = np.array_split(states(len(c)), 64)
    sums = [h @ c + np.logaddexp(0, h @ W.T + b).sum(axis=1) for h in pieces]
    log_z = np.logaddexp.reduce(np.concatenate(sums))
    return (x_valid @ b + np.logaddexp(0, x_valid @ W + c).sum(axis=1)).mean() - log_z


weak = score(*fit(1500, (0.1, 0.1), chains=0))
print(f"weak start: {weak:.2f} nats")

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def challenger():
    """(W [64, hidden], b [64], c [hidden]) with at most 16 hidden units."""
    ### BEGIN SOLUTION
    # Our attempt, the second of two: PCD with a step that falls, and more steps.
    return fit(6000, (0.3, 0.01), chains=50)
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1} tags=["drift"]
W, b, c = (np.asarray(part, float) for part in challenger())
assert W.shape == (64, len(c)) and b.shape == (64,), "return W [64, hidden], b [64], c [hidden]"
assert len(c) <= 16, f"the machine may have 16 hidden units, yours has {len(c)}"
assert np.isfinite(W).all() and np.isfinite(b).all() and np.isfinite(c).all(), "finite numbers"
yours = score(W, b, c)
print(f"yours: {yours:.2f} nats")
assert yours > weak + 0.5, "the point is for half a nat more than the weak start"
