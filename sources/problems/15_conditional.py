# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 15. Conditional generation
#
# Read [chapter 15](../../chapters/15_conditional.ipynb) first. The whole notebook computes for some seconds.
# **Time:** about 55 minutes. **Points:** 18.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
from vae_course import datasets, evaluation

import numpy as np
from scipy.special import log_softmax, logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

random = np.random.default_rng(0)

# %% [markdown]
# ## Exercise 1. What was asked for? (3 points, 8 minutes)
#
# A conditional model gives $\log p(x|c)$ for every class. Sum the classes out and turn the model into a classifier: write equation 15.2
# for classes that need *not* be equally frequent. Log-densities of pictures may be $-2000$ nats, so $e^{\log p}$ is 0 for the computer; `logsumexp` from SciPy is not troubled by that.

# %% nbgrader={"grade_id": "bayes-answer", "solution": true}
def which_class(log_p, frequency):
    """log p(x) [n] and p(c|x) [n, classes], from log p(x|c) [classes, n] and p(c) [classes]."""
    ### BEGIN SOLUTION
    joint = log_p + np.log(frequency)[:, None]
    evidence = logsumexp(joint, axis=0)
    return evidence, np.exp(joint - evidence).T
    ### END SOLUTION

# %% nbgrader={"grade_id": "bayes-check", "grade": true, "points": 3}
def asked(log_p, frequency):
    """Both results as arrays, whatever they were."""
    answer = which_class(log_p, frequency)
    assert len(answer) == 2, "return two results: log p(x) and p(c|x)"
    return [np.asarray(part) for part in answer]


log_p, frequency = random.normal(-20, 3, size=(3, 5)), np.array([0.5, 0.3, 0.2])
kept = log_p.copy(), frequency.copy()
evidence, q = asked(log_p, frequency)
assert np.array_equal(log_p, kept[0]) and np.array_equal(frequency, kept[1]), (
    "your function changes the arrays that it is given"
)
assert np.shape(evidence) == (5,) and np.shape(q) == (5, 3), "shapes: [n] and [n, classes]"
assert np.allclose(np.sum(q, axis=1), 1), "the probabilities of the classes add up to 1"
evidence, q = asked(np.full((4, 1), -7.0), np.full(4, 0.25))
assert np.isclose(evidence[0], -7), (
    f"four equal densities of -7: their mean is -7 too, yours {evidence[0]:.2f}. "
    "-5.61 is a sum without p(c)"
)
evidence, q = asked(np.full((2, 1), -7.0), np.array([0.9, 0.1]))
assert np.allclose(q, [[0.9, 0.1]]), "where x says nothing, p(c) decides"
evidence, q = asked(log_p, frequency)
slow = np.exp(log_p).T * frequency
assert np.allclose(evidence, np.log(slow.sum(axis=1))), "log of the sum over c of p(c) p(x|c)"
bayes = slow / slow.sum(axis=1, keepdims=True)
assert np.allclose(q, bayes, atol=1e-4), "Bayes' rule"  # float32 will do
with np.errstate(all="ignore"):
    far, q = asked(np.array([[-2000.0, -9.0], [-2001.0, -9.0]]), np.array([0.5, 0.5]))
assert np.isfinite(far[0]) and np.isclose(q[0, 0], 1 / (1 + np.exp(-1)), atol=1e-3), (
    "densities of -2000 nats are usual: stay in logarithms until the end"
)
### BEGIN HIDDEN TESTS
for classes, n in ((2, 7), (6, 4)):
    log_p = random.normal(-900, 2, size=(classes, n))
    frequency = random.dirichlet(np.ones(classes))
    before = log_p.copy()
    evidence, q = asked(log_p, frequency)
    bayes = np.exp(log_softmax(log_p.T + np.log(frequency), axis=1))
    assert np.allclose(q, bayes, atol=1e-3), "any p(c)"  # float32 holds -900 to 6e-5
    expected = logsumexp(log_p, axis=0, b=frequency[:, None])
    assert np.allclose(evidence, expected, rtol=0, atol=1e-3), "log p(x)"
    assert np.array_equal(log_p, before), "the input array should not be changed in place"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. The best of many (2 points, 8 minutes)
#
# Papers on super-resolution and prediction like to report the error of the *best* of $k$ answers. Write it: for each example the smallest root mean squared error of its $k$ answers, then the mean over the examples. The check then lets you see what it rewards.

# %% nbgrader={"grade_id": "best-answer", "solution": true}
def error_of_best(draws, x):
    """Mean over examples of the least error: draws [k, n, d], x [n, d] -> []."""
    ### BEGIN SOLUTION
    each = np.sqrt(np.mean((draws - x) ** 2, axis=-1))
    return np.mean(np.min(each, axis=0))
    ### END SOLUTION

# %% nbgrader={"grade_id": "best-check", "grade": true, "points": 2}
x = np.ones((2, 4))
draws = x + np.stack([np.full((2, 4), 3.0), np.full((2, 4), 1.0), [[5.0] * 4, [0.5] * 4]])
kept = draws.copy()
value = error_of_best(draws, x)
assert np.array_equal(draws, kept), "your function changes the array draws"
assert np.shape(value) == (), "one number"
assert np.isclose(value, 0.75), (
    f"best errors 1 and 0.5, so 0.75; yours {value:.3f}. 1 chooses one draw for all examples, "
    "2.25 takes an average over draws, 0.79 averages squares"
)
mixed = np.array([[[0.0, 3.0]], [[3.0, 0.0]]])
value = error_of_best(mixed, np.zeros((1, 2)))
assert np.isclose(value, np.sqrt(4.5)), (
    f"both answers have the error 2.12; yours {value:.2f}. 1.5 is an absolute error; "
    "0 takes each pixel from another answer, but an answer is a whole picture"
)
truth = random.normal(size=(500, 2))
for k in (1, 10, 100):
    best = {s: error_of_best(s * random.normal(size=(k, 500, 2)), truth) for s in (1.0, 2.0)}
    print(f"best of {k:3d}: the true spread {best[1.0]:.2f}, twice the spread {best[2.0]:.2f}")
### BEGIN HIDDEN TESTS
draws, x = random.normal(size=(9, 6, 5)), random.normal(size=(6, 5))
slow = [min(np.sqrt(np.mean((draws[j, i] - x[i]) ** 2)) for j in range(9)) for i in range(6)]
assert np.isclose(error_of_best(draws, x), np.mean(slow)), "a loop over examples and draws"
alone = np.mean(np.sqrt(np.mean((draws[0] - x) ** 2, axis=1)))
assert np.isclose(error_of_best(draws[:1], x), alone), "one draw leaves no choice"
### END HIDDEN TESTS

# %% [markdown]
# With one answer, the doubled spread costs 0.8. With a hundred it costs 0.04: where there are enough answers, one of them is near anyway. So the best of many hardly notices that a model ignores its condition.
#
# ## Exercise 3. Coverage (3 points, 10 minutes)
#
# Write `evaluation.coverage` yourself; a call of the library's own earns no points. If $x$ is drawn as its $k$ draws are, then each of the $k + 1$ gaps between the sorted draws (with the two outer ones) holds $x$ equally often. So leave out $r = (k + 1)(1 - \text{level})/2$ gaps on either side: the interval reaches from the $r$-th smallest draw to the $r$-th largest. You may rely on $r$ being a whole number of at least 1, up to rounding.

# %% nbgrader={"grade_id": "coverage-answer", "solution": true}
def my_coverage(draws, x, level):
    """Share of entries of x [n, ...] in the central interval of their draws [k, n, ...]."""
    ### BEGIN SOLUTION
    r = round((len(draws) + 1) * (1 - level) / 2)
    ordered = np.sort(draws, axis=0)
    return np.mean((ordered[r - 1] <= x) & (x <= ordered[-r]))
    ### END SOLUTION

# %% nbgrader={"grade_id": "coverage-check", "grade": true, "points": 3}
called = getattr(getattr(my_coverage, "__code__", None), "co_names", ())
assert "coverage" not in called, "write it yourself: do not call `evaluation.coverage`"
draws = random.permutation(np.arange(1.0, 20.0))[:, None]
kept = draws.copy()
value = my_coverage(draws, np.array([10.0]), 0.9)
assert np.array_equal(draws, kept), "sort a copy, not the array that you get"
assert np.shape(value) == (), "one number"
assert value == 1, "10 lies between the draws 1 to 19. Sorted along axis 0? int(0.9999) is 0"


def held(x, level):
    """Its answer where every entry of x has the draws 1 to 19: draws [19, n], x [n]."""
    return my_coverage(np.tile(draws, len(x)), np.array(x), level)


assert held([1.0, 19.0], 0.9) == 1, (
    "19 draws at level 0.9: r = 1, from the least to the greatest draw, both included"
)
assert held([0.9, 19.1, 5.0, 6.0], 0.9) == 0.5, "half are outside"
assert held([4.9, 5.0, 15.0, 15.1], 0.5) == 0.5, "at level 0.5, r = 5: from 5 to 15"
x, draws = random.normal(size=(3000, 2)), random.normal(size=(39, 3000, 2))
value = my_coverage(draws, x, 0.9)
assert abs(value - 0.9) < 0.02, f"draws of the right law hold 90 %, yours {100 * value:.1f}"
assert np.isclose(value, evaluation.coverage(draws, x, 0.9)), "it should agree with the library"
### BEGIN HIDDEN TESTS
for k, level in ((99, 0.8), (199, 0.95), (19, 0.5)):
    x, draws = random.normal(size=(400, 3)), 0.6 * random.normal(size=(k, 400, 3))
    value = my_coverage(draws, x, level)
    assert np.isclose(value, evaluation.coverage(draws, x, level)), "any k and level"
    assert value < level, "too narrow intervals hold less than they promise"
shifted = random.normal(size=(400, 3))
assert np.isclose(my_coverage(draws + shifted, x + shifted, 0.5), value), "entry by entry"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. One style from two pictures (3 points, 8 minutes)
#
# In section 9 the style comes from *one* companion. The multi-level VAE takes several pictures of a person and multiplies what they say. Two normal densities with means $\mu_a, \mu_b$ and deviations $\sigma_a, \sigma_b$ have a product that is, up to a constant, normal again: precisions ($1/\sigma^2$) add, and the mean is weighted by them.
# A picture that says nothing has a deviation of infinity.

# %% nbgrader={"grade_id": "product-answer", "solution": true}
def product(mean_a, scale_a, mean_b, scale_b):
    """Mean and deviation of the normal density that is proportional to the product of two."""
    ### BEGIN SOLUTION
    precision_a, precision_b = 1 / scale_a**2, 1 / scale_b**2
    precision = precision_a + precision_b
    return (precision_a * mean_a + precision_b * mean_b) / precision, 1 / np.sqrt(precision)
    ### END SOLUTION

# %% nbgrader={"grade_id": "product-check", "grade": true, "points": 3}
mean, scale = product(np.array([0.0]), np.array([1.0]), np.array([2.0]), np.array([1.0]))
assert np.isclose(mean[0], 1), "two equally sure pictures: the mean lies in the middle"
assert np.isclose(scale[0], 1 / np.sqrt(2)), (
    f"two pictures are surer than one: 0.707, yours {scale[0]:.3f}. "
    "1.414 adds variances; 0.5 is a variance"
)
mean, scale = product(np.array([0.0]), np.array([1.0]), np.array([3.0]), np.array([2.0]))
assert np.isclose(mean[0], 0.6), (
    f"the surer picture counts more: 3 * 0.25 / 1.25 = 0.6, yours {mean[0]:.2f}. "
    "2.4 weights by variances, 1 and 2 by deviations"
)
assert np.isclose(scale[0], np.sqrt(0.8)), "precisions 1 and 1/4: a deviation of 0.894"
arguments = [random.normal(size=6), np.exp(random.normal(size=6))]
arguments += [random.normal(size=6), np.exp(random.normal(size=6))]
kept = [array.copy() for array in arguments]
mean, scale = product(*arguments)
assert all(np.array_equal(a, b) for a, b in zip(arguments, kept)), "you change the input"
at = np.array([[-1.0], [0.0], [2.0]])
left = norm.logpdf(at, *arguments[:2]) + norm.logpdf(at, *arguments[2:])
gap = left - norm.logpdf(at, mean, scale)
assert np.allclose(gap, gap[:1]), "the product and yours may differ by a factor only"
says, nothing = (np.array([0.4]), np.array([0.3])), (np.array([9.0]), np.array([np.inf]))
for place, pair in (("second", (*says, *nothing)), ("first", (*nothing, *says))):
    with np.errstate(all="ignore"):
        mean, scale = product(*pair)
    assert np.isclose(mean[0], 0.4) and np.isclose(scale[0], 0.3), (
        f"the {place} picture says nothing, so mean 0.4 and deviation 0.3 stay; "
        f"yours {mean[0]:.2f} and {scale[0]:.2f}. Work with precisions: 1 / inf is 0"
    )
### BEGIN HIDDEN TESTS
for shape in ((4,), (3, 2)):
    a, b = random.normal(size=shape), random.normal(size=shape)
    s, t = np.exp(random.normal(size=shape)), np.exp(random.normal(size=shape))
    one, other = product(a, s, b, t), product(b, t, a, s)
    assert np.allclose(one, other), "the order of the pictures is of no account"
    assert np.all(one[1] < np.minimum(s, t)), "surer than either"
    assert np.allclose(one[0], (a * t**2 + b * s**2) / (s**2 + t**2)), "weights 1 / variance"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Repair this: a condition that is reconstructed (3 points, 12 minutes)
#
# A published conditional VAE (the repository rasbt/deeplearning-models; its issue 34 points it out) puts the condition beside the picture, $(x, c)$, and then trains an ordinary VAE on the pair: the decoder has to reproduce $c$ as well, and the loss counts it. Below is the mistake in a model in which everything is exact: $z \sim N(0, 1)$, and $x$ is normal around
# `w * z + v * c` with deviation `SCALE`. Run the cell.

# %%
SCALE, w, v = 0.1, np.array([1.0, 0.5]), np.array([0.3, -0.2])


def encoder(x, c):
    """Mean and deviation of the true posterior q(z|x,c): x [n, 2], c [n, 1] -> [n], [n]."""
    precision = 1 + w @ w / SCALE**2
    return (x - c * v) @ w / SCALE**2 / precision, np.full(len(x), precision**-0.5)


def decoder(z, c):
    """Means of p(x|z,c): z [n], c [n, 1] -> [n, 2]."""
    return z[:, None] * w + c * v


def rate(mean, scale):
    """KL(N(mean, scale^2) || N(0, 1)): [n]."""
    return 0.5 * (mean**2 + scale**2 - 1) - np.log(scale)


def faulty_bound(x, c, encoder, decoder, noise):
    """As published: the condition is appended, fed, and reconstructed."""
    mean, scale = encoder(x, c)
    z = mean + scale * noise
    target, output = np.hstack([x, c]), np.hstack([decoder(z, c), c])  # it copies c perfectly
    return norm.logpdf(target, output, SCALE).sum(axis=1) - rate(mean, scale)


def log_evidence(x, c):
    """log p(x|c), exactly: [n]."""
    covariance = np.outer(w, w) + SCALE**2 * np.eye(2)
    return multivariate_normal([0, 0], covariance).logpdf(x - c * v)


c = random.normal(size=(4000, 1))
x = decoder(random.normal(size=4000), c) + SCALE * random.normal(size=(4000, 2))
noise = random.normal(size=4000)
print(f"log p(x|c): {log_evidence(x, c).mean():.2f} nats on average,")
print(f"and the 'lower bound' on it: {faulty_bound(x, c, encoder, decoder, noise).mean():.2f}")

# %% [markdown]
# The "bound" is more than a nat above what it should bound: a copied condition is a perfectly predicted number, and a perfectly predicted number pays. A network that has to learn the copy spends capacity on it, and its loss cannot be compared with anybody's $\log p(x|c)$. Repair it. The condition goes into both networks, and is not reconstructed.

# %% nbgrader={"grade_id": "repair-answer", "solution": true}
def conditional_bound(x, c, encoder, decoder, noise):
    """Equation 15.1: z = mean + scale * noise, the KL exactly, by `rate`: [n], in nats."""
    ### BEGIN SOLUTION
    mean, scale = encoder(x, c)
    output = decoder(mean + scale * noise, c)
    return norm.logpdf(x, output, SCALE).sum(axis=1) - rate(mean, scale)
    ### END SOLUTION

# %% nbgrader={"grade_id": "repair-check", "grade": true, "points": 3}
kept = x.copy(), c.copy(), noise.copy()
value = conditional_bound(x, c, encoder, decoder, noise)
assert all(np.array_equal(a, b) for a, b in zip((x, c, noise), kept)), "you change the input"
assert np.shape(value) == (4000,), "one number for each example, summed over the entries of x"
excess = value.mean() - log_evidence(x, c).mean()
assert excess < 0.1, (
    f"{excess:.2f} nats above log p(x|c): is the condition still reconstructed and counted? "
    "Is the rate subtracted, the noise scaled by the deviation, each example by itself?"
)
assert excess > -0.1, (
    f"for the true posterior the bound is log p(x|c); yours is {-excess:.2f} nats below: "
    "is the sample mean + scale * noise, do both networks hear c, are the entries summed?"
)
assert np.allclose(conditional_bound(x, c, encoder, decoder, noise), value), (
    "the same noise, and another value: use the `noise` that is given, draw none"
)
assert not np.allclose(conditional_bound(x, c, encoder, decoder, 0 * noise), value), (
    "other noise, and the same value: z = mean + scale * noise, with the noise that is given"
)
three = conditional_bound(x[:3], c[:3], encoder, decoder, noise[:3])
assert np.allclose(three, value[:3]), (
    "an example's bound changes with the others: is the rate averaged over the batch?"
)
told = conditional_bound(x, c, encoder, lambda z, c: decoder(z, c + 1), noise)
assert told.mean() < value.mean() - 1, "the decoder should be called with c"
heard = conditional_bound(x, c, lambda x, c: encoder(x, c + 1), decoder, noise)
assert heard.mean() < value.mean() - 1, "the encoder should be called with c"
wide = conditional_bound(x, c, lambda x, c: (encoder(x, c)[0], np.ones(len(x))), decoder, noise)
assert wide.mean() < value.mean() - 1, "a worse posterior has a lower bound: is its scale used?"
### BEGIN HIDDEN TESTS
few = slice(0, 7)
mean, scale = encoder(x[few], c[few])
z = mean + scale * noise[few]
expected = norm.logpdf(x[few], decoder(z, c[few]), SCALE).sum(axis=1) - rate(mean, scale)
value = conditional_bound(x[few], c[few], encoder, decoder, noise[few])
assert np.allclose(value, expected), "example by example"
same = (np.zeros(7), np.ones(7))  # the prior
zero = conditional_bound(x[few], c[few], lambda x, c: same, decoder, noise[few])
assert np.allclose(zero, norm.logpdf(x[few], decoder(noise[few], c[few]), SCALE).sum(axis=1)), (
    "a posterior equal to the prior costs nothing"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6. Intervals that always hold (3 points, 8 minutes)
#
# A colleague colors gray photographs with a conditional VAE under the prior $N(0, I)$. Her 90 % intervals hold 98 % of the true colors of new photographs. "Even better than promised," she says, "and the likelihood of new pictures is fine, too. So the model has learned what colors a gray picture can have."
#
# In about five sentences: what else explains the 98 %? How can the likelihood be fine all the same? Which measurement would show whether the condition is heard, and what would you change in the model, at what risk?

# %% [markdown] nbgrader={"grade_id": "why-coverage", "grade": true, "points": 3, "solution": true}
# Intervals that hold more than they promise are too wide: a model that draws the colors of *all* photographs for each of them has them too. Coverage says whether the spread is at least large enough, not whether it is as small as the condition allows. (1 point) The likelihood uses the posterior, which has seen the colors: $z$ brings them, at the price of a larger KL, and with a prior that is too wide this costs some nats among hundreds.
# (1 point) Measure the width of the intervals beside their coverage, or compare draws for one picture with draws for another, or shuffle the conditions among the pictures and see whether the likelihood falls. A prior $p(z|c)$ lets the draws depend on the condition; the risk is overconfidence, intervals that hold less than they promise, so measure both again on new pictures. (1 point)

# %% [markdown]
# ## Open challenge: many answers without a network (1 point, as long as you like)
#
# Digits of $2 \times 2$ pixels are given, and for each you owe 59 answers of $8 \times 8$ pixels. The score is the **energy score**, the mean distance of the answers from the truth minus half their mean distance from each other (lower is better): it is smallest on average for draws from the true $p(x|c)$, so that neither vagueness nor false certainty pays. The baseline draws from
# ridge regression with normal noise of its training error. The point is given for a score that is at least 0.1 lower. It must also be lower when the last 200 training digits are the questions and only the others are given. Say in a comment how many things you tried.

# %%
data = datasets.load("digits")


def halves(x):
    """Large pictures [n, 64], and their means over 4 x 4 pixels [n, 4]."""
    return x.reshape(len(x), 64), x.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4)).reshape(-1, 4)


(large, small), (large_new, small_new) = halves(data.x_train), halves(data.x_valid)


def energy(answers, x):
    """Energy score, the mean over examples: answers [k, n, d], x [n, d] -> []."""
    apart = [np.linalg.norm(answers - other, axis=-1).mean() for other in answers]
    return np.linalg.norm(answers - x, axis=-1).mean() - 0.5 * np.mean(apart)


def ridge(small, large, question, k):
    """k draws around the prediction; arguments and shapes as in `answer` below."""
    line = Ridge(0.01).fit(small, large)
    error = np.sqrt(np.mean((line.predict(small) - large) ** 2))
    return line.predict(question) + error * random.normal(size=(k, len(question), 64))


baseline = energy(ridge(small, large, small_new, 59), large_new)
print(f"ridge with noise: {baseline:.3f}")

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def answer(small, large, question, k):
    """k answers each: small [m, 4], large [m, 64], question [n, 4] -> [k, n, 64]."""
    ### BEGIN SOLUTION
    # Our first try: the k training digits whose small version is nearest.
    near = NearestNeighbors(n_neighbors=k).fit(small)
    return np.swapaxes(large[near.kneighbors(question, return_distance=False)], 0, 1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1}
answers = np.asarray(answer(small.copy(), large.copy(), small_new.copy(), 59))
assert answers.shape == (59, *large_new.shape), "59 answers for each question, [k, n, 64]"
yours = energy(answers, large_new)
print(f"yours: {yours:.3f}; ridge with noise: {baseline:.3f}")
assert yours < baseline - 0.1, "the energy score should be at least 0.1 lower"
given = small[:-200], large[:-200], small[-200:], 59
answers = np.asarray(answer(*(np.copy(part) for part in given[:3]), 59))
assert answers.shape == (59, 200, 64), (
    f"200 other questions: answers [59, 200, 64] are due, yours {list(answers.shape)}. "
    "Answer the `question` that is given"
)
again, line = energy(answers, large[-200:]), energy(ridge(*given), large[-200:])
print(f"200 training digits as questions: yours {again:.3f}; ridge with noise: {line:.3f}")
assert again < line, (
    f"200 training digits as questions: yours {again:.3f}, ridge {line:.3f}. "
    "Make the answers from `small`, `large` and `question` alone"
)
