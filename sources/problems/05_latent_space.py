# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 05. The latent space
#
# Read [chapter 05](../../chapters/05_latent_space.ipynb) first. The whole notebook computes for less than a minute.
# **Time:** about 60 minutes. **Points:** 20.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are
# hidden and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import datasets, likelihoods, models, networks

import keras
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import chi2
from sklearn.metrics import roc_auc_score

random = np.random.default_rng(0)

# %% [markdown]
# ## Exercise 1. Shells and temperatures (4 points, 10 minutes)
#
# What share of the draws from $N(0, I)$ in $d$ dimensions lies within a distance $r$ of the origin? You may use `chi2.cdf`,
# the distribution function of a sum of $d$ squared standard normals.

# %% nbgrader={"grade_id": "mass-answer", "solution": true}
def mass_within(radius, d):
    """P(|z| <= radius) for z ~ N(0, I) in d dimensions: one number in [0, 1]."""
    ### BEGIN SOLUTION
    return chi2.cdf(radius**2, d)
    ### END SOLUTION

# %% nbgrader={"grade_id": "mass-check", "grade": true, "points": 2}
assert np.isclose(mass_within(1.0, 1), 0.6827, atol=1e-3), (
    "in one dimension, 68 % lie within one standard deviation"
)
assert np.isclose(mass_within(2.0, 2), 1 - np.exp(-2)), (
    "in two dimensions it is 1 - exp(-r^2 / 2): is the radius squared?"
)
norms = np.linalg.norm(random.normal(size=(20000, 10)), axis=1)
assert np.isclose(mass_within(3.0, 10), np.mean(norms < 3), atol=0.02), (
    "it should agree with counting draws in ten dimensions"
)
### BEGIN HIDDEN TESTS
norms = np.linalg.norm(random.normal(size=(20000, 30)), axis=1)
for radius in (4.5, 5.4, 6.5):
    assert np.isclose(mass_within(radius, 30), np.mean(norms < radius), atol=0.02), (
        "it should agree with counting draws"
    )
assert mass_within(np.sqrt(50), 100) < 1e-4, (
    "half-way points of two draws lie where hardly any draw lies"
)
### END HIDDEN TESTS

# %% [markdown]
# A program draws $z = \tau \varepsilon$ with $\varepsilon \sim N(0, I)$. How far is this from the model's own prior? Give the KL from
# the distribution that the program *draws from* to the prior, $\mathrm{KL}(N(0, \tau^2 I) \| N(0, I))$, in nats.

# %% nbgrader={"grade_id": "temperature-answer", "solution": true}
def temperature_kl(tau, d):
    """KL(N(0, tau^2 I) || N(0, I)) in d dimensions, in nats: one number."""
    ### BEGIN SOLUTION
    return d * ((tau**2 - 1) / 2 - np.log(tau))
    ### END SOLUTION

# %% nbgrader={"grade_id": "temperature-check", "grade": true, "points": 2}
assert np.isclose(temperature_kl(1.0, 7), 0), "at tau = 1 nothing has changed"
assert temperature_kl(0.5, 3) > 0 and temperature_kl(2.0, 3) > 0, "a KL is never negative"
assert np.isclose(temperature_kl(0.5, 10), 10 * temperature_kl(0.5, 1)), (
    "independent latents: their KLs add up"
)
assert np.isclose(temperature_kl(0.5, 1), 0.31815, atol=1e-4), (
    "at 0.5: -3/8 + log 2. Is tau the deviation? Is the order right?"
)
### BEGIN HIDDEN TESTS
for tau in (0.3, 0.7, 1.6):
    z = tau * random.normal(size=200000)
    sampled = np.mean((-((z / tau) ** 2) / 2 - np.log(tau)) - (-(z**2) / 2))
    assert np.isclose(temperature_kl(tau, 4), 4 * sampled, atol=0.04), (
        "the average of log q - log p over draws from q"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. A path that keeps its promise (3 points, 10 minutes)
#
# Equation 5.4 keeps the norm only if both ends have the same one. Write a path that always does what one expects: its
# *direction* turns evenly along the arc from $a$ to $b$, and its *norm* goes evenly from $|a|$ to $|b|$. If both codes have the
# same direction there is no arc ($\sin\omega = 0$); then the direction stays. No code is zero, and none are opposite.

# %% nbgrader={"grade_id": "path-answer", "solution": true}
def path(a, b, t):
    """The code at t in [0, 1] on the way from a to b: a and b [d] -> [d]."""
    norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
    ### BEGIN SOLUTION
    start, end = a / norm_a, b / norm_b
    omega = np.arccos(np.clip(start @ end, -1, 1))
    if omega < 1e-6:
        direction = start
    else:
        direction = (np.sin((1 - t) * omega) * start + np.sin(t * omega) * end) / np.sin(omega)
    return ((1 - t) * norm_a + t * norm_b) * direction
    ### END SOLUTION

# %% nbgrader={"grade_id": "path-check", "grade": true, "points": 3}
a, b = np.array([2.0, 0.0]), np.array([0.0, 2.0])
assert np.allclose(path(a, b, 0.0), a) and np.allclose(path(a, b, 1.0), b), (
    "the path begins at a and ends at b"
)
assert np.allclose(path(a, b, 0.5), np.sqrt([2, 2])), "half-way between two axes, at norm 2"
assert np.allclose(path(a, b, 1 / 3), [np.sqrt(3), 1]), (
    "a third of 90 degrees is 30 degrees: the direction turns evenly"
)
assert np.allclose(np.linalg.norm(path(a, 3 * b, 0.5)), 4), (
    "half-way between norms 2 and 6 the norm is 4"
)
assert np.allclose(path(a, 2 * b, 0.5) / 3, np.sqrt([0.5, 0.5])), (
    "unequal norms must not turn the half-way direction"
)
assert np.allclose(path(a, 2 * a, 0.5), 1.5 * a), (
    "the same direction: walk straight on, without dividing by zero"
)
for code in np.random.default_rng(1).normal(size=(50, 3)):
    assert np.allclose(path(code, 3 * code, 0.5), 2 * code), (
        "of codes with one direction, start @ end may be rounded to a little above 1 (arccos"
        f" gives nan) or below. From {code} to 3 times it: {path(code, 3 * code, 0.5)}"
    )
### BEGIN HIDDEN TESTS
for d in (2, 3, 12):
    for code in np.random.default_rng(d).normal(size=(300, d)):
        factor = 1 + code[0] ** 2
        assert np.allclose(path(code, factor * code, 0.25), (0.75 + factor / 4) * code), (
            "the same direction, however its dot product is rounded"
        )
for d in (3, 12):
    a, b = random.normal(size=d), 2 * random.normal(size=d)
    whole = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    for t in (0.1, 0.4, 0.9):
        z = path(a, b, t)
        norm_a, norm_b, norm = (np.linalg.norm(code) for code in (a, b, z))
        angle = np.arccos(a @ z / (norm_a * norm))
        assert np.isclose(norm, (1 - t) * norm_a + t * norm_b), "the norm goes evenly"
        assert np.isclose(angle, t * whole), "the angle goes evenly"
    assert np.allclose(path(a, 3 * a, 0.25), 1.5 * a), "the same direction, in any dimension"
a, near, half = (2 * np.array([np.cos(angle), np.sin(angle)]) for angle in (0, 0.1, 0.05))
assert np.allclose(path(a, near, 0.5), half), "a small angle is an angle, too"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. A direction without leakage (3 points, 10 minutes)
#
# You have codes and scaled factors of labeled pictures. The factors are correlated, since the labeled set is biased, and
# the codes do not average to zero. Find the vector that moves *one* factor by 1 and leaves the others alone (equation 5.6).
# Use `np.linalg.lstsq`.

# %% nbgrader={"grade_id": "direction-answer", "solution": true}
def attribute_vector(z, u, column):
    """The code's change when factor `column` grows by 1: z [n, d], factors u [n, F] -> [d]."""
    ### BEGIN SOLUTION
    design = np.column_stack([u, np.ones(len(u))])
    weights = np.linalg.lstsq(design, z, rcond=None)[0]
    return weights[column]
    ### END SOLUTION

# %% nbgrader={"grade_id": "direction-check", "grade": true, "points": 3}
def labeled_codes(n, directions, noise=0.0):
    """Codes [n, d] of a biased labeled set, and its factors [n, F]: neighbors go together."""
    common = random.normal(size=(n, 1))
    u = 0.3 + 0.8 * common + 0.6 * random.normal(size=(n, len(directions)))
    return 2.0 + u @ directions + noise * random.normal(size=(n, directions.shape[1])), u


directions = np.array([[1.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, -1.0], [0.5, 0.0, 1.0, 0.0]])
z, u = labeled_codes(200, directions)
answer = attribute_vector(z, u, 0)
assert np.shape(answer) == (4,), "one direction in the space of codes, so [d]"
centered = attribute_vector(z - z.mean(axis=0), u - u.mean(axis=0), 0)
assert abs(centered[1]) < 0.3 and abs(centered[2]) < 0.3, (
    "another factor leaks in: are all in one equation, and is it the row of this factor?"
)
assert np.allclose(centered, directions[0]), (
    f"no leak, but a wrong step: if the factor grows by 1, {directions[0]}; yours {centered}"
)
assert np.allclose(answer, directions[0]), (
    "right where codes and factors average to zero, wrong here where they do not: is the"
    " constant c in the equation?"
)
assert np.allclose(attribute_vector(z, u, 2), directions[2]), (
    "and the right one for another factor"
)
shifted = attribute_vector(z, 10 * u, 0)
assert np.allclose(shifted, directions[0] / 10), (
    "if the factor counts in tenths, a step of 1 is a tenth as long: do not rescale"
)
### BEGIN HIDDEN TESTS
directions = random.normal(size=(5, 7))
z, u = labeled_codes(4000, directions, noise=0.3)
for column in range(5):
    error = np.abs(attribute_vector(z, u, column) - directions[column]).max()
    assert error < 0.06, "with noise it should come close to the true direction"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Hidden pixels, exactly (4 points, 12 minutes)
#
# In the linear model $z \sim N(0, I)$, $x = Wz + b + \sigma\varepsilon$, what is known about $z$ from the visible pixels alone is
# again normal. With $W_v$ the rows of $W$ that belong to visible pixels,
#
# $$ S = \big(I + W_v^\top W_v / \sigma^2\big)^{-1}, \qquad m = S\, W_v^\top (x_v - b_v) / \sigma^2. $$
#
# Write it, for one picture and a boolean mask.

# %% nbgrader={"grade_id": "hidden-answer", "solution": true}
def posterior_of_visible(x, visible, W, b, sigma):
    """(m, S) of p(z | visible pixels): x, b [D], visible [D] bool, W [D, d] -> [d], [d, d]."""
    ### BEGIN SOLUTION
    W_v = W[visible]
    S = np.linalg.inv(np.eye(W.shape[1]) + W_v.T @ W_v / sigma**2)
    m = S @ W_v.T @ (x[visible] - b[visible]) / sigma**2
    return m, S
    ### END SOLUTION

# %% nbgrader={"grade_id": "hidden-check", "grade": true, "points": 2}
W, b = random.normal(size=(8, 3)), random.normal(size=8)
x = W @ random.normal(size=3) + b + 0.5 * random.normal(size=8)
visible = np.arange(8) < 5
m, S = posterior_of_visible(x, visible, W, b, 0.5)
assert np.shape(m) == (3,) and np.shape(S) == (3, 3), "a mean [d] and a covariance [d, d]"
changed = np.where(visible, x, 100.0)
assert np.allclose(posterior_of_visible(changed, visible, W, b, 0.5)[0], m), (
    "the values of hidden pixels must not matter"
)
nothing = posterior_of_visible(x, np.zeros(8, bool), W, b, 0.5)
assert np.allclose(nothing[0], 0) and np.allclose(nothing[1], np.eye(3)), (
    "if nothing is visible, the prior N(0, I) remains"
)
slope = W[visible].T @ (x[visible] - b[visible] - W[visible] @ m) / 0.5**2 - m
assert np.allclose(slope, 0), (
    "at m the gradient of log p(x_v|z) + log p(z) is zero: are sigma squared and b_v in it?"
)
x_1, b_1, W_1 = np.array([3.0]), np.array([1.0]), np.array([[1.0]])
one = posterior_of_visible(x_1, np.array([True]), W_1, b_1, 2.0)
assert np.allclose(one[0], 0.4) and np.allclose(one[1], 0.8), (
    "one pixel: S = 1 / (1 + 1/4), m = S (3 - 1) / 4"
)
### BEGIN HIDDEN TESTS
for sigma in (0.1, 1.5):
    W, b = random.normal(size=(9, 4)), random.normal(size=9)
    x, visible = random.normal(size=9), random.uniform(size=9) < 0.6
    m, S = posterior_of_visible(x, visible, W, b, sigma)
    C = W @ W.T + sigma**2 * np.eye(9)  # the joint normal of pixels, conditioned differently
    gain = W[visible].T @ np.linalg.inv(C[np.ix_(visible, visible)])
    assert np.allclose(m, gain @ (x - b)[visible]), (
        "the mean, by conditioning the joint normal distribution"
    )
    assert np.allclose(S, np.eye(4) - gain @ W[visible]), (
        "the covariance, by conditioning the joint normal distribution"
    )
### END HIDDEN TESTS

# %% [markdown]
# Now draw answers. From $m$ and $S$, draw completed pictures: the visible pixels as they are, and hidden ones from
# $p(x_h | x_v)$. That distribution has two sources of chance: $z$, and the noise of the pixels given $z$.

# %% nbgrader={"grade_id": "complete-answer", "solution": true}
def completions(x, visible, W, b, sigma, k, generator):
    """k whole pictures given the visible pixels of x [D] -> [k, D]; all draws by generator."""
    m, S = posterior_of_visible(x, visible, W, b, sigma)
    ### BEGIN SOLUTION
    z = generator.multivariate_normal(m, S, size=k)
    drawn = z @ W.T + b + sigma * generator.normal(size=(k, len(x)))
    return np.where(visible, x, drawn)
    ### END SOLUTION

# %% nbgrader={"grade_id": "complete-check", "grade": true, "points": 2}
W, b, sigma = random.normal(size=(6, 2)), random.normal(size=6), 0.7
x, visible = random.normal(size=6), np.array([True, False, True, True, False, False])
drawn = completions(x, visible, W, b, sigma, 20000, np.random.default_rng(1))
assert np.shape(drawn) == (20000, 6), "k whole pictures, [k, D]"
assert np.all(drawn[:, visible] == x[visible]), "the visible pixels stay exactly as they are"
again = completions(x, visible, W, b, sigma, 20000, np.random.default_rng(1))
assert np.array_equal(drawn, again), (
    "two generators of one seed gave different pictures: let `generator` make all draws"
)
m, S = posterior_of_visible(x, visible, W, b, sigma)
spread = np.cov(drawn[:, ~visible].T)
without_noise = W[~visible] @ S @ W[~visible].T
assert not np.allclose(np.diag(spread), sigma**2, rtol=0.03), (
    "hidden pixels vary by their own noise only, so all pictures have the same z: draw one z for"
    " each picture, from N(m, S)"
)
hidden_mean, due = (W @ m + b)[~visible], np.diag(without_noise) + sigma**2
away = (drawn[:, ~visible].mean(axis=0) - hidden_mean) / np.sqrt(due)
assert np.allclose(away, 0, atol=0.05), (
    f"the mean picture is W m + b, in hidden pixels {hidden_mean.round(2)};"
    f" yours: {drawn[:, ~visible].mean(axis=0).round(2)}"
)
flat = completions(x, visible, 0 * W, b, sigma, 20000, np.random.default_rng(1))[:, ~visible]
assert np.allclose(flat.std(axis=0), sigma, rtol=0.05), (
    f"with W = 0 the code does nothing, and hidden pixels vary by sigma = {sigma} alone;"
    f" yours by {flat.std(axis=0).round(2)}"
)
assert np.allclose(np.diag(spread), due, rtol=0.06), (
    f"variances of hidden pixels: {due.round(2)} are due, yours {np.diag(spread).round(2)}."
    " The noise is right, so is S the covariance of your z, not its deviation or only a part?"
)
### BEGIN HIDDEN TESTS
def agree(found, due):
    """Whether two covariances are the same, but for the chance of 20000 draws."""
    units = np.sqrt(np.outer(np.diag(due), np.diag(due)))
    return np.allclose(found / units, due / units, atol=0.05)


assert agree(spread, without_noise + sigma**2 * np.eye(3)), (
    "hidden pixels vary together, through z"
)
drawn = completions(x, ~visible, W, b, 0.3, 20000, np.random.default_rng(2))
m, S = posterior_of_visible(x, ~visible, W, b, 0.3)
expected = W[visible] @ S @ W[visible].T + 0.09 * np.eye(3)
assert agree(np.cov(drawn[:, visible].T), expected), "for any mask"
W, visible = np.array([[3.0, 3.0], [1.0, 1.0], [1.0, -1.0]]), np.array([True, False, False])
generators = np.random.default_rng(3), np.random.default_rng(4)
one, two = [completions(x[:3], visible, W, b[:3], 0.5, 20000, each) for each in generators]
S = posterior_of_visible(x[:3], visible, W, b[:3], 0.5)[1]
assert np.allclose(np.cov(one[:, 1:].T), W[1:] @ S @ W[1:].T + 0.25 * np.eye(2), atol=0.15), (
    "the latents of S are correlated"
)
assert not np.allclose(one[:, 1:], two[:, 1:]), "another generator, other draws"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Would you believe it? (3 points, 8 minutes)
#
# A report says: "We trained a VAE on all 60 000 training images. We then took 50 of them with their labels, drew ten variations of
# each from the VAE, and trained a classifier on the 550 pictures. We tried four widths of the draws and kept the best. Test accuracy
# rose from 71.2 % to 73.9 %. So VAE augmentation helps when labels are few."
#
# In about five sentences: name three reasons why the conclusion does not follow, and describe an experiment that could show it.

# %% [markdown] nbgrader={"grade_id": "why-augment", "grade": true, "points": 3, "solution": true}
# First, it is one draw of 50 labels. Which 50 images carry labels moves the accuracy by several points, so a difference of 2.7 may
# be chance; the paired difference over ten or more draws, with its standard error, is needed. (1 point) Second, the
# best of four widths was kept by its test accuracy. The best of four noisy numbers is too good; widths are to be chosen on
# validation images, and the test split is used once, at the end. (1 point) Third, the VAE has seen 60 000 unlabeled images and the plain
# classifier has not, so even a true gain would be due to unlabeled data rather than to generated pictures. Fair rivals are the
# classifier on the VAE's codes, or a VAE trained on the 50 images only, and simple augmentation: noise or shifts. The experiment: for
# each of ten draws of labels, train all rivals on the same labels, choose on validation images, and report the paired gains. (1 point)

# %% [markdown]
# ## Exercise 6. Repair this: an alarm that praises itself (2 points, 8 minutes)
#
# The following report of an anomaly detector contains three mistakes that were all published. It uses the *bound*, so odd pictures
# have low values. Run it. The detector seems good, though bounds of odd and of normal pictures overlap.

# %%
def alarm_to_repair(train_elbo, valid_elbo, test_elbo, is_odd, rate=0.05):
    """(threshold, precision, recall) of an alarm on test pictures; is_odd [n] of booleans."""
    threshold = np.quantile(train_elbo, rate)
    alarm = test_elbo > threshold
    return threshold, np.mean(~is_odd[alarm]), np.mean(alarm[~is_odd])


train_elbo, valid_elbo = random.normal(-18, 5, size=1000), random.normal(-22, 6, size=1000)
is_odd = np.arange(600) < 60
test_elbo = np.where(is_odd, random.normal(-34, 8, size=600), random.normal(-22, 6, size=600))
threshold, precision, recall = alarm_to_repair(train_elbo, valid_elbo, test_elbo, is_odd)
print(f"precision {precision:.2f}, recall {recall:.2f}")

# %% [markdown]
# Write the honest version. The threshold is to raise a false alarm on a share `rate` of normal pictures *that the model was not
# trained on*. Precision is the share of alarms that are right, and recall the share of odd pictures that raise one.

# %% nbgrader={"grade_id": "repair-answer", "solution": true}
def alarm_report(train_elbo, valid_elbo, test_elbo, is_odd, rate=0.05):
    """(threshold, precision, recall) of an alarm: bounds [n] in nats, is_odd [n] booleans."""
    ### BEGIN SOLUTION
    threshold = np.quantile(valid_elbo, rate)
    alarm = test_elbo < threshold
    return threshold, np.mean(is_odd[alarm]), np.mean(alarm[is_odd])
    ### END SOLUTION

# %% nbgrader={"grade_id": "repair-check", "grade": true, "points": 2}
threshold, precision, recall = alarm_report(train_elbo, valid_elbo, test_elbo, is_odd)
assert np.isclose(np.mean(valid_elbo < threshold), 0.05, atol=0.005), (
    "5 % of unseen normal pictures should raise an alarm"
)
twice = alarm_report(train_elbo, valid_elbo, test_elbo, is_odd, rate=0.1)
assert np.isclose(np.mean(valid_elbo < twice[0]), 0.1, atol=0.005), (
    "the rate is an argument: at 0.1 twice as many"
)
assert recall < twice[2], (
    "more alarms, more odd pictures caught: is an alarm below the threshold, recall last?"
)
found = np.array([-40.0, -40.0, -40.0, -10.0, -10.0, -10.0, -10.0, -10.0])  # three alarms
odd = np.array([True, False, False, True, True, True, False, False])
small = alarm_report(train_elbo, valid_elbo, found, odd)
assert np.isclose(small[1], 1 / 3), (
    "one of three alarms is right: precision is about the odd pictures, not the normal ones"
)
assert np.isclose(small[2], 1 / 4), (
    "one of four odd pictures raises an alarm: that is the recall"
)
### BEGIN HIDDEN TESTS
other = alarm_report(train_elbo - 50, valid_elbo, test_elbo, is_odd)
assert np.allclose(other, (threshold, precision, recall)), (
    "bounds of training pictures must not matter"
)
low = test_elbo < np.quantile(valid_elbo, 0.02)
rates = alarm_report(train_elbo, valid_elbo, test_elbo, is_odd, 0.02)[1:]
assert np.allclose(rates, (is_odd[low].mean(), low[is_odd].mean())), (
    "precision and recall at another rate"
)
skewed = -random.exponential(10, size=1000)
limit = alarm_report(train_elbo, skewed, test_elbo, is_odd)[0]
assert np.isclose(np.mean(skewed < limit), 0.05, atol=0.005), (
    "a share of the bounds, whatever their distribution"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Open challenge: an alarm that is not fooled (1 point, as long as you like)
#
# The bound is fooled by pictures that are too simple. Here is a small VAE on the digits, and three kinds of odd pictures. Find a score
# that is high for *all* of them and low for real digits. You may use the terms of the bound, codes, reconstructions, the pictures
# themselves, and the images `known` to learn what is normal; but no odd ones, since in life you do not know how the odd pictures will
# look. Your score is judged on the other half of the validation images, and on test images when it is graded. The point is given if the
# mean AUC over the three kinds beats the bound's by 0.1, and no kind's AUC is below 0.6. The challenge is 0.95 for the worst
# of them; our attempt does not reach it.

# %% tags=["drift"]
digits = datasets.load("digits")
keras.utils.set_random_seed(0)
encoder = networks.mlp_encoder((8, 8, 1), 16, (128,))
decoder = networks.mlp_decoder(8, (8, 8, 1), (128,))
vae = models.VAE(encoder, decoder, likelihood=likelihoods.Gaussian(0.15))
vae.compile(keras.optimizers.Adam(3e-3))
vae.fit(digits.x_train, batch_size=64, epochs=40, verbose=0)
known, judged = digits.x_valid[:150], digits.x_valid[150:]


def odd_pictures(x):
    """{kind: pictures} made from real ones."""
    pictures = {"upside down": x[:, ::-1], "blurred": gaussian_filter(x, (0, 0.6, 0.6, 0))}
    pictures["half-way to the mean"] = (x + digits.x_train.mean(axis=0)) / 2
    return pictures


def aucs(score, real=judged):
    """{kind: AUC} of a score, pictures [n, 8, 8, 1] -> [n]: odd against real ones."""
    normal = score(real)
    result = {}
    for kind, pictures in odd_pictures(real).items():
        values = np.concatenate([normal, score(np.ascontiguousarray(pictures))])
        result[kind] = roc_auc_score(np.repeat([0, 1], len(normal)), values)
    return result


def bound_score(x):
    return -vae.predict(x, verbose=0)["elbo"]


by_bound = aucs(bound_score)
print({kind: f"{value:.2f}" for kind, value in by_bound.items()})

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def challenge_score(x):
    """High for odd pictures of any kind: x [n, 8, 8, 1] -> [n]. May use `vae` and `known`."""
    ### BEGIN SOLUTION
    # Our attempt: several numbers for each picture, and the distance from what is usual for
    # them, in both directions.
    def features(pictures):
        terms = vae.predict(pictures, verbose=0)
        edges = [np.abs(np.diff(pictures, axis=axis)).mean(axis=(1, 2, 3)) for axis in (1, 2)]
        contrast = pictures.std(axis=(1, 2, 3))
        shares = [part.mean(axis=(1, 2, 3)) for part in (pictures < 0.05, pictures > 0.9)]
        bound = terms["reconstruction"], terms["kl"]
        return np.column_stack([*bound, *edges, contrast, *shares])

    usual = features(known)
    difference = features(x) - usual.mean(axis=0)
    return np.einsum("ni,ij,nj->n", difference, np.linalg.inv(np.cov(usual.T)), difference)
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1} tags=["drift"]
yours = aucs(challenge_score)
print({kind: f"{value:.2f}" for kind, value in yours.items()})
scores = challenge_score(judged[:10])
assert np.shape(scores) == (10,) and np.isfinite(scores).all(), (
    "one finite score for each picture"
)
gain = np.mean(list(yours.values())) - np.mean(list(by_bound.values()))
assert gain > 0.1, f"the mean AUC should beat the bound's by 0.1; yours differs by {gain:+.2f}"
worst = min(yours, key=yours.get)
assert yours[worst] >= 0.6, (
    f"high for all kinds is wanted, and {worst} has an AUC of {yours[worst]:.2f}, nearly chance"
    " (0.5) or worse: at least 0.6"
)
### BEGIN HIDDEN TESTS
on_test = [aucs(score, digits.x_test).values() for score in (challenge_score, bound_score)]
assert min(on_test[0]) > 0.55, "on test images, too, no kind should look like real digits"
on_test = [np.mean(list(values)) for values in on_test]
assert on_test[0] > on_test[1] + 0.07, (
    "on test images, too, the score should clearly beat the bound"
)
# The bound draws new noise at each call; over 75 pictures that hardly matters.
apart = challenge_score(judged[:75])
assert np.corrcoef(challenge_score(judged)[:75], apart)[0, 1] > 0.5, (
    "the score of a picture should hardly depend on the pictures beside it"
)
### END HIDDEN TESTS
