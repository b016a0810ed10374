# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 13. Anomaly detection
#
# Read [chapter 13](../../chapters/13_anomaly_detection.ipynb) first. The whole notebook computes for less than a minute.
# **Time:** about 55 minutes. **Points:** 20.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import datasets, evaluation

import numpy as np
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

random = np.random.default_rng(0)

# %% [markdown]
# ## Exercise 1. How many false alarms can you afford? (3 points, 7 minutes)
#
# The people who answer the alarms want a certain precision: at least that share of the alarms should be true. Base rate and recall are given. Solve equation 13.5 for the largest rate of
# false alarms $f$ that still gives this precision. A rate is at most 1, whatever the formula says.

# %% nbgrader={"grade_id": "afford-answer", "solution": true}
def affordable(precision, recall, base_rate):
    """The largest rate of false alarms, a share of the normal examples, for this precision."""
    ### BEGIN SOLUTION
    true_alarms = base_rate * recall
    return min(1.0, true_alarms * (1 - precision) / (precision * (1 - base_rate)))
    ### END SOLUTION

# %% nbgrader={"grade_id": "afford-check", "grade": true, "points": 3}
value = affordable(0.5, 1.0, 0.01)
assert np.ndim(value) == 0, "one number"
assert not np.isclose(value, 0.01), (
    "false alarms are a share of the *normal* examples: divide by 1 - base_rate"
)
assert np.isclose(value, 1 / 99), (
    "precision 1/2: as many false alarms as true ones, here 1 among the 99 normal of 100"
)
value = affordable(0.5, 0.5, 0.01)
assert np.isclose(value, 0.5 / 99), (
    "at half the recall there are half as many true alarms, so half as many false ones may be"
)
value = affordable(0.8, 1.0, 0.5)
assert np.isclose(value, 0.25), "precision .8 means one false alarm for four true ones"
assert affordable(0.2, 0.9, 0.5) == 1, (
    "this precision is reached even if every normal example raises an alarm: a rate ends at 1"
)
### BEGIN HIDDEN TESTS
for precision, recall, base_rate in ((0.9, 0.8, 0.001), (0.1, 0.6, 0.02), (0.6, 0.95, 0.3)):
    f = affordable(precision, recall, base_rate)
    reached = base_rate * recall / (base_rate * recall + (1 - base_rate) * f)
    assert np.isclose(reached, precision), "put back into equation 13.5 it gives the precision"
assert np.isclose(affordable(1.0, 0.9, 0.1), 0), "perfect precision allows no false alarm"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. Average precision at another base rate (3 points, 10 minutes)
#
# Go through the examples from the highest score downward. After each one you know the recall so far and, with *weights*, the precision so far at any base rate: let all anomalies
# together weigh `base_rate` and all normal examples together `1 - base_rate`. The average precision is the sum over the anomalies, each contributing the precision at its place times the recall that it adds. Use numpy only, and no ready-made function for it; no scores are equal.

# %% nbgrader={"grade_id": "precision-answer", "solution": true}
def average_precision(labels, scores, base_rate):
    """labels [n]: 1 for anomalies, 0 for normal; scores [n], higher = odder -> a number."""
    ### BEGIN SOLUTION
    sorted_labels = np.asarray(labels)[np.argsort(-np.asarray(scores))]
    odd = base_rate * sorted_labels / sorted_labels.sum()
    normal = (1 - base_rate) * (1 - sorted_labels) / (1 - sorted_labels).sum()
    precision = np.cumsum(odd) / (np.cumsum(odd) + np.cumsum(normal))
    return np.sum(precision * sorted_labels) / sorted_labels.sum()
    ### END SOLUTION

# %% nbgrader={"grade_id": "precision-check", "grade": true, "points": 3}
ready = {"evaluation", "average_precision_score", "precision_recall_curve", "metrics"}
used = [name for name in average_precision.__code__.co_names if name.split(".")[-1] in ready]
assert not used, f"write it yourself, with numpy only: your function uses {used[0]}"
labels, scores = np.array([0, 1, 0, 0, 1]), np.array([1.0, 5.0, 2.0, 4.0, 3.0])
kept = labels.copy(), scores.copy()
value = average_precision(labels, scores, 0.4)
assert np.array_equal(kept[0], labels) and np.array_equal(kept[1], scores), (
    "your function changes an array that it is given"
)
assert np.ndim(value) == 0, "one number"
assert np.isclose(average_precision(labels, labels + scores / 100, 0.4), 1), (
    "if all anomalies come first it is 1: sort from the highest score downward"
)
assert np.isclose(value, (1 + 2 / 3) / 2), (
    "at the set's own base rate, 2 of 5, the precision is 1 at the first and 2/3 at the "
    "second: all anomalies *together* weigh base_rate"
)
value = average_precision(labels, scores, 0.1)
second = 0.1 / (0.1 + 0.9 / 3)
assert np.isclose(value, (1 + second) / 2), (
    f"base rate 0.1: one of three normal examples was passed, so the second precision is "
    f"{second:.3f}; an anomaly weighs 0.1 / 2 and a normal example 0.9 / 3"
)
labels = random.permutation(np.repeat([0, 1], [300, 60]))
scores = random.normal(size=360) + labels
expected = average_precision_score(labels, scores)
assert np.isclose(average_precision(labels, scores, 60 / 360), expected), (
    "at the set's own base rate it is scikit-learn's"
)
### BEGIN HIDDEN TESTS
for base_rate in (0.5, 0.01, 0.001):
    expected = evaluation.average_precision(labels, scores, base_rate)
    assert np.isclose(average_precision(labels, scores, base_rate), expected), (
        f"base rate {base_rate}: it should be {expected:.4f}"
    )
order = random.permutation(360)
assert np.isclose(
    average_precision(labels[order], scores[order], 0.05),
    average_precision(labels, scores, 0.05),
), "the order of the rows does not matter"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. The exact recall on shrunken data (3 points, 10 minutes)
#
# Normal data are $N(0, I)$ in $d$ dimensions, so $|x|^2$ is $\chi^2_d$; odd data are the same, times $c$. Compute the recall at a rate $\alpha$ of false alarms, exactly, for two alarms:
#
# - *low density*: an alarm if $-\log p(x)$, and so $|x|^2$, is above its $(1 - \alpha)$-quantile on normal data;
# - *two-sided*: an alarm if $|x|^2$ is above its $(1 - \alpha/2)$-quantile or below its $\alpha/2$-quantile.
#
# `stats.chi2.ppf(q, d)` is a quantile, `stats.chi2.cdf(v, d)` the probability of values up to $v$ (`isf` and `sf` count from above).

# %% nbgrader={"grade_id": "shrunken-answer", "solution": true}
def recalls(d, c, alpha):
    """(recall by low density, recall two-sided) at alpha false alarms; odd data: c N(0, I)."""
    chi2 = stats.chi2(d)
    ### BEGIN SOLUTION
    low_density = chi2.sf(chi2.isf(alpha) / c**2)
    above = chi2.sf(chi2.isf(alpha / 2) / c**2)
    below = chi2.cdf(chi2.ppf(alpha / 2) / c**2)
    return low_density, above + below
    ### END SOLUTION

# %% nbgrader={"grade_id": "shrunken-check", "grade": true, "points": 3}
answer = recalls(10, 1.0, 0.05)
assert np.shape(answer) == (2,), "return two numbers"
assert np.isclose(answer[0], 0.05), (
    "at c = 1 odd data are normal data, so the recall is the rate of false alarms: did you "
    "take the upper tail?"
)
assert np.isclose(answer[1], 0.05), "two-sided, too: half of alpha on each side"
draws = random.chisquare(10, 200_000)
one, two = recalls(10, 0.8, 0.05)
limit = stats.chi2(10).isf(0.05)
assert not np.isclose(one, np.mean(0.8 * draws > limit), atol=1e-3), (
    "|c z|^2 is c^2 |z|^2: the scale is squared"
)
assert np.isclose(one, np.mean(0.64 * draws > limit), atol=2e-3), (
    "low density (the first number): the probability that c^2 times a chi-square draw is above "
    "the quantile"
)
inside = (0.64 * draws > stats.chi2(10).ppf(0.025)) & (0.64 * draws < stats.chi2(10).isf(0.025))
assert np.isclose(two, 1 - np.mean(inside), atol=4e-3), (
    "two-sided: add the probabilities of both sides, each with quantiles of normal data"
)
assert recalls(192, 0.8, 0.01)[0] < 1e-6 and recalls(192, 0.8, 0.01)[1] > 0.9, (
    "192 dimensions, 1 %: low density finds none of them, the two-sided alarm nearly all"
)
### BEGIN HIDDEN TESTS
for d, c in ((4, 0.7), (64, 1.2)):
    levels = (np.arange(4000) + 0.5) / 4000
    area = np.mean([recalls(d, c, level)[0] for level in levels[::10]])
    assert np.isclose(area, stats.f.sf(1 / c**2, d, d), atol=5e-3), (
        "the mean recall over all rates of false alarms is the AUC of equation 13.6"
    )
    draws = c**2 * random.chisquare(d, 100_000)
    chi2 = stats.chi2(d)
    found = np.mean((draws > chi2.isf(0.05)) | (draws < chi2.ppf(0.05)))
    assert np.isclose(recalls(d, c, 0.1)[1], found, atol=8e-3), "two-sided, at 10 %"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. The control (3 points, 8 minutes)
#
# Write equation 13.3 for a PCA: fit $k$ components on the training data, and score new examples by their squared residuals, each in units of the residuals' standard deviation *on the training data*.
# `PCA(k).fit(x)` has `transform` and `inverse_transform`. Add $10^{-6}$ to each deviation, for entries without any.

# %% nbgrader={"grade_id": "control-answer", "solution": true}
def scaled_residuals(train, new, k):
    """train [N, D], new [n, D] -> scores [n] by equation 13.3."""
    ### BEGIN SOLUTION
    components = PCA(k).fit(train)
    rest = [x - components.inverse_transform(components.transform(x)) for x in (train, new)]
    return np.sum((rest[1] / (rest[0].std(axis=0) + 1e-6)) ** 2, axis=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "control-check", "grade": true, "points": 3}
sensors = datasets.load("sensors")
train, new = (x.reshape(-1, 192).astype("float64") for x in (sensors.x_train, sensors.x_test))
odd = sensors.y_test > 0
kept = train.copy(), new.copy()
scores = np.asarray(scaled_residuals(train, new, 12))
assert scores.shape == (800,), "one score for each new example: sum over entries"
assert np.array_equal(kept[0], train) and np.array_equal(kept[1], new), (
    "your function changes an array that it is given"
)
assert np.allclose(scaled_residuals(train, new[:40], 12), scores[:40], rtol=1e-4), (
    "the score of an example must not depend on the others: fit and scale by the training data"
)
fewer = np.asarray(scaled_residuals(train, new[:40], 8))
assert not np.allclose(fewer, scores[:40], rtol=1e-4), (
    "8 components give the same scores as 12: is the argument k handed to PCA?"
)
components = PCA(12).fit(train)
plain = ((new - components.inverse_transform(components.transform(new))) ** 2).sum(axis=1)
area = roc_auc_score(odd, scores)
assert not np.allclose(scores / plain, np.mean(scores / plain), rtol=1e-3), (
    "each entry needs a deviation of its own: std over examples, axis 0"
)
own = np.asarray(scaled_residuals(train, train, 12)).mean()
assert np.isclose(own, 192, rtol=0.01), (
    f"on the training data each of 192 entries has a mean square of 1, so the mean score is "
    f"192; yours is {own:.4g}. Was a residual left unsquared, or divided by a variance, or by "
    "the deviation of the data in place of that of the residuals?"
)
table = random.normal(size=(20, 5)) * [1, 1, 2, 5, 0]  # the last column never moves
moved = table + [0, 0, 0, 0, 1e-5]
with np.errstate(all="ignore"):
    pair = [np.asarray(scaled_residuals(table, rows, 2)) for rows in (table, moved)]
rise = np.mean(pair[1] - pair[0])
assert np.isclose(rise, 100, rtol=0.01), (
    "a column without any deviation, which moves by 1e-5 in new examples: each score rises by "
    f"(1e-5 / 1e-6)^2 = 100, yours by {rise:.3g}. Add 1e-6 to each deviation, not the variance"
)
own = pair[0].mean()
assert not np.isclose(own, 4 * 19 / 20, rtol=1e-3), (
    "the deviation of N residuals divides by N, as std does by itself, not by N - 1 (ddof=1)"
)
assert np.isclose(own, 4, rtol=1e-3), (
    f"on its own 20 rows a table with 4 moving columns has a mean score of 4, yours: {own:.4g}"
)
assert area > 0.99, f"AUC on sensors with k = 12: it should be above .99, yours is {area:.3f}"
### BEGIN HIDDEN TESTS
x = random.normal(size=(400, 6)) * [1, 1, 1, 5, 5, 0.1] + 3
units = random.normal(size=(50, 6)) * [1, 1, 1, 5, 5, 0.1] + 3
model = PCA(2).fit(x)
rest = [part - model.inverse_transform(model.transform(part)) for part in (x, units)]
expected = np.sum((rest[1] / (rest[0].std(axis=0) + 1e-6)) ** 2, axis=1)
assert np.allclose(scaled_residuals(x, units, 2), expected, rtol=1e-4), (
    "another table: its mean is not zero, and its columns have different units"
)
assert np.isclose(np.mean(scaled_residuals(train, train, 8)), 192, rtol=0.01), "any k"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Repair this: a threshold that looks ahead (4 points, 14 minutes)
#
# Anomaly-Transformer is a widely used detector for series. Its public code (issues 4, 14, 32 and 39 of the project discuss it) sets the threshold at a percentile of the *training and test scores together*, and then adjusts the points, as in section 10.
# Here are the two steps, rewritten, on 20 events in 20000 steps. The detector is worthless: its scores are random numbers. Run the cell.

# %%
def series(seed, steps=20_000, events=20, longest=300):
    """Labels [steps] with events of 50 to `longest` steps; scores: train, held out, test."""
    random, labels = np.random.default_rng(seed), np.zeros(steps, int)
    for start in range(0, steps, steps // events):
        begin = start + random.integers(steps // events - longest)
        labels[begin : begin + random.integers(50, longest + 1)] = 1
    return labels, random.normal(size=5000), random.normal(size=5000), random.normal(size=steps)


def as_published(train_scores, test_scores, labels, percent=2.0):
    threshold = np.percentile(np.concatenate([train_scores, test_scores]), 100 - percent)
    alarms = (test_scores > threshold).astype(int)
    return f1_score(labels, evaluation.point_adjusted(labels, alarms))


for seed in range(3):
    labels, train_scores, held_out, test_scores = series(seed)
    value = as_published(train_scores, test_scores, labels)
    print(f"F1 as published, of random numbers: {value:.2f}")

# %% [markdown]
# Mend both steps. `alarms` takes the scores of *normal, held-out* steps and a wished rate of false alarms; the threshold is that of equation 13.4 (the library may be used). No test score may influence the alarm of another.
# `report` gives two honest numbers without adjustment: the share of events with at least one alarm, and the number of false alarms in a thousand normal steps.

# %% nbgrader={"grade_id": "repair-answer", "solution": true}
def alarms(normal_scores, test_scores, false_alarms):
    """1 or 0 for each test score, [steps]."""
    ### BEGIN SOLUTION
    threshold = evaluation.threshold(normal_scores, false_alarms)
    return (np.asarray(test_scores) > threshold).astype(int)
    ### END SOLUTION


def report(labels, alarms):
    """(share of events with an alarm, false alarms in 1000 normal steps)."""
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0))
    events = list(zip(edges[::2], edges[1::2]))  # the first step, and the one after the last
    ### BEGIN SOLUTION
    found = np.mean([np.any(alarms[start:stop]) for start, stop in events])
    return found, 1000 * np.mean(alarms[labels == 0])
    ### END SOLUTION

# %% nbgrader={"grade_id": "repair-check", "grade": true, "points": 4}
def raised_by(*arguments):
    """What your `alarms` returns, as an array."""
    return np.asarray(alarms(*arguments))


normal_scores = np.arange(1.0, 200.0)  # 1 to 199
few = np.array([150.0, 197.5, 198.0, 198.5, 250.0])
kept = normal_scores.copy(), few.copy()
raised = raised_by(normal_scores, few, 0.01)
assert np.array_equal(few, kept[1]) and np.array_equal(normal_scores, kept[0]), (
    "`alarms` changes the scores that it is given: -= and sort() work in place, on the "
    "array of the caller"
)
assert set(np.unique(raised)) <= {0, 1}, "alarms are ones and zeros"
assert raised[-1] == 1 and raised[0] == 0, "higher scores are odder"
assert np.all(raised_by(normal_scores, np.full(400, 250.0), 0.01) == 1), (
    "400 test scores above every normal one are 400 alarms: they move no threshold"
)
assert raised.tolist() == [0, 0, 0, 1, 1], (
    "199 scores, 1 %: rank 198 of 199 is the threshold, and an alarm lies above it"
)
shuffled = np.random.default_rng(0).permutation(np.arange(1.0, 151.0))
assert raised_by(shuffled, np.array([149.5, 150.5]), 0.01).tolist() == [0, 1], (
    "150 scores, 1 %: the rank is 151 * .99, rounded up: 150. Is it n + 1, and are they sorted?"
)
labels, train_scores, held_out, test_scores = series(5)
before = held_out.copy()
alone = [int(raised_by(held_out, test_scores[[i]], 0.01)[0]) for i in range(300)]
assert np.array_equal(alone, raised_by(held_out, test_scores, 0.01)[:300]), (
    "the alarm of a step depends on the other test scores: leave them out of the threshold"
)
assert np.array_equal(held_out, before), "your function changes the scores that it is given"
small = np.array([0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0])
marks = np.array([0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0])
kept = small.copy(), marks.copy()
answer = report(small, marks)
assert np.array_equal(kept[0], small) and np.array_equal(kept[1], marks), (
    "your function changes an array that it is given"
)
assert np.shape(answer) == (2,), f"`report` returns two numbers. Received: {answer}"
assert np.isclose(answer[0], 2 / 3), (
    "two of three events have an alarm, on their last and on their first step; the middle one "
    "only just before and just after it"
)
assert np.isclose(answer[1], 1000 / 3), (
    "two of six normal steps raised an alarm: 333 in 1000 *normal* steps, unadjusted"
)
found, false = report(labels, raised_by(held_out, test_scores, 0.01))
assert 5 < false < 16, f"1 % of random scores are 10 in 1000 normal steps, not {false:.3g}"
print(f"random numbers: {found:.0%} of the events, {false:.1f} false alarms in 1000 steps")
### BEGIN HIDDEN TESTS
rates = []
for seed in range(20, 26):
    labels, train_scores, held_out, test_scores = series(seed)
    raised = raised_by(held_out, test_scores, 0.05)
    rates.append(report(labels, raised)[1])
assert abs(np.mean(rates) - 50) < 5, "5 % wished: about 50 false alarms in 1000 normal steps"
shifted = raised_by(held_out, test_scores + 10, 0.05)
assert np.mean(shifted) == 1, "if all test scores rise, all of them are alarms"
edge = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 0, 0, 0, 1])
assert np.isclose(report(*edge)[0], 2 / 3), (
    "events at the very beginning and the very end count, each once"
)
assert np.isclose(report(np.array([1, 1, 0, 0]), np.array([1, 1, 0, 1]))[1], 500), (
    "alarms within an event are not false"
)
### END HIDDEN TESTS

# %% [markdown]
# The random numbers still "find" most long events: with 1 % of all steps raising alarms, an event of 175 steps is hit by luck more often than not. That is why the two numbers belong together, and why random scores belong beside every detector: only what exceeds them, at *the same* number of false alarms, is found.
#
# ## Exercise 6. Why the top 20 percent? (3 points, 6 minutes)
#
# A public implementation of a GAN-based detector (Efficient-GAN-Anomaly-Detection; its issue 6 asks about this) is tested on network connections of which 20 % count as anomalies (in its data those are the ordinary connections, since attacks are the majority; think of them as attacks here). It calls the 20 % of test examples with the highest scores anomalies, and reports precision, recall and F1.
#
# In about five sentences: which information does this threshold use that nobody has in operation? Why are precision and recall then nearly equal, whatever the detector? What happens on a day without any attack? And what would you do instead, with what data?

# %% [markdown] nbgrader={"grade_id": "why-top", "grade": true, "points": 3, "solution": true}
# The threshold uses the share of anomalies in the test set, which is a function of the test labels, and the whole test set at once, so no single connection can be judged when it comes. (1 point)
# If the number of alarms equals the number of anomalies, every missed attack is replaced by exactly one false alarm; so precision equals recall by construction, up to ties, and one of the two numbers is no news. On a day without attacks the rule still raises an alarm for a fifth
# of all connections, all of them false, and on a day with 40 % attacks it misses half of them at best. (1 point)
# Instead: keep normal connections out of training, take their scores, and set the threshold at the rank of equation 13.4 for a rate of false alarms that the operators can bear; report recall at that rate, and precision at a stated base rate. It needs at least
# $1/\alpha - 1$ held-out normal examples and no attack at all, and the rate should be counted again when traffic changes. (1 point)

# %% [markdown]
# ## Open challenge: find the stuck sensor (1 point, as long as you like)
#
# Of the four faults of `sensors` only "stuck" is hard: a channel repeats its last value, sometimes for a few steps only. Write a score that is fitted to the *normal* training windows and finds stuck sensors better than the distance to the mean, by AUC on the **validation** windows.
# A VAE, a PCA, or a feature that you invent: all are welcome, and so is a combination, if the scale of each part comes from normal windows. The point is given for an AUC above .9 that is not lost on new windows, which are drawn when the notebook is graded. Say in a comment how many things you tried, and on which windows.

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def stuck_score(train, new):
    """Normal windows train [N, 64, 3], new windows [n, 64, 3] -> scores [n], higher = odder."""
    ### BEGIN SOLUTION
    # One idea, tried once on the validation windows: the longest run of steps without motion.
    still = np.abs(np.diff(new[..., [0, 2]], axis=1)) < 1e-6  # [n, 63, 2]
    run, longest = np.zeros((len(new), 2)), np.zeros((len(new), 2))
    for step in range(still.shape[1]):
        run = np.where(still[:, step], run + 1, 0)
        longest = np.maximum(longest, run)
    return longest.max(axis=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1} tags=["drift"]
rows = np.isin(sensors.y_valid, (0, 3))
windows, stuck = sensors.x_valid[rows], sensors.y_valid[rows] == 3
scores = np.asarray(stuck_score(sensors.x_train, windows))
assert scores.shape == (len(windows),) and np.isfinite(scores).all(), (
    "one finite score for each window"
)
few = np.random.default_rng(1).permutation(len(windows))[:20]
assert np.allclose(stuck_score(sensors.x_train, windows[few]), scores[few], rtol=1e-3), (
    "the score of a window may depend on that window only: not on the other new windows, nor "
    "on its place among them"
)
area = roc_auc_score(stuck, scores)
center = sensors.x_train.mean(axis=0)
ruler = roc_auc_score(stuck, ((windows - center) ** 2).sum(axis=(1, 2)))
print(f"AUC on stuck sensors: yours {area:.3f}, distance to the mean {ruler:.3f}")
assert area > 0.9, f"it should be above .9, yours is {area:.3f}"
### BEGIN HIDDEN TESTS
fresh = datasets.draw("sensors", [0] * 200 + [3] * 200, seed=1)  # windows nobody has seen
again = roc_auc_score(np.repeat([0, 1], 200), stuck_score(sensors.x_train, fresh))
assert again > 0.8, f"on new windows its AUC is only {again:.3f}"
### END HIDDEN TESTS
