# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 03. Variational autoencoders
#
# In this chapter you turn the autoencoder into a probability model: one that can say how likely an image is, and that
# can generate new images.
#
# **Goals.** After this chapter you can
# - write down a latent-variable model and compute its evidence when the latent has one dimension;
# - derive the evidence lower bound (ELBO) and say what its gap measures;
# - compute the KL divergence of two normals in three ways that agree;
# - explain why a VAE draws its latents as mean + scale × noise, and what the alternative costs;
# - build a VAE by hand in Keras, train it, sample from it and map its latent space.
#
# **Before you start.** You know chapter [01](01_autoencoders.ipynb): encoder, decoder, code. You have met the normal
# distribution, Bayes' rule and the expected value. Integrals appear, but a sum over a grid is enough to compute them.
#
# **Level:** intermediate · **Time:** 75 minutes reading, 2 minutes computing

# %%
import tempfile
from pathlib import Path

# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import bounds, datasets, evaluation, models, networks, plots

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from matplotlib.patches import Ellipse
from scipy.spatial.distance import cdist
from scipy.stats import chi2, norm

tfd = tfp.distributions
plots.use_style()

# %%
DATASET = "digits"  # or "mnist", "fashion_mnist": larger images, more of them, more minutes
EPOCHS, BATCH_SIZE = {"digits": (200, 64)}.get(DATASET, (20, 256))
LEARNING_RATE = 2e-3
LATENT_SIZE = 2  # two latents can be drawn as a map
HIDDEN = (128, 64)  # units of the hidden layers, as in chapter 01
keras.utils.set_random_seed(0)

# %% [markdown]
# ## 1. What was missing?
#
# The autoencoder of chapter 01 finds a code for every image and an image for every code. It leaves two questions open.
# *Which codes can you decode?* Nothing says where the codes lie, so a code picked at random often gives no digit at all.
# *How likely is an image?* The squared error says how well an image is reconstructed, not how probable it is, so it
# cannot tell a better model from one with a wider code.
#
# A **latent-variable model** answers both questions with two distributions. A **prior** $p(z)$ says where the codes lie.
# (A code is also called a **latent**, because it is never observed; both words mean $z$.) A **likelihood**
# $p_\theta(x|z)$ says which examples $x$ a latent $z$ produces: it is a decoder whose output is a distribution. To make
# an example, first draw $z$ from the prior, then draw $x$ from the likelihood. The probability of an example is therefore
# an average over all the ways to make it:
#
# $$ p_\theta(x) = \int p_\theta(x|z)\, p(z)\, dz = \mathbb{E}_{p(z)}\big[p_\theta(x|z)\big]. \tag{3.1} $$
#
# This average is called the **evidence**. A model that gives the observed examples a higher evidence explains them
# better, so we want to make $\log p_\theta(x)$ large. The hard part, in this chapter, is the integral.
#
# ## 2. Where can the evidence be computed exactly?
#
# When the latent has one dimension, a sum over a grid is enough. Take this toy model: a latent $z \sim N(0, 1)$ is passed
# through a known function $m$, and noise is added, so $x \sim N(m(z), \sigma^2)$ with $\sigma = 0.5$. With $m(z) = z^2$ we
# call it the *bent* toy. We also keep a *straight* toy, with $m(z) = z$, because there every quantity is known in closed
# form. All densities come from TensorFlow Probability, `tfd`: a density that you do not type cannot be mistyped.

# %%
NOISE = 0.5
prior = tfd.Normal(np.float64(0.0), 1.0)
grid, step = np.linspace(-7, 7, 2001, retstep=True)

def straight(z):
    return z

def bent(z):
    return z**2

# %%
def log_joint(x, z, mean_of):
    """log p(x, z) = log p(z) + log p(x|z)."""
    return prior.log_prob(z) + tfd.Normal(mean_of(z), NOISE).log_prob(x)

def log_evidence(x, mean_of):
    """log p(x), equation 3.1 as a sum over the grid."""
    return tf.reduce_logsumexp(log_joint(x, grid, mean_of)) + np.log(step)

# %% [markdown]
# The same grid also gives the **posterior**, the distribution of the latents that could have produced this $x$. By
# Bayes' rule it is
#
# $$ p_\theta(z|x) = \frac{p_\theta(x|z)\, p(z)}{p_\theta(x)}. \tag{3.2} $$
#
# **Predict.** You observe $x = 2$ in the bent toy, where $m(z) = z^2$. Which latents are likely? How many peaks does
# the posterior have?

# %% tags=["drift"] mystnb={"image": {"alt": "Left: a histogram of drawn examples x, and the curve of the evidence, which follows it. Right: the prior of z is one wide hill, and the posterior for x = 2 is two narrow peaks, one on each side of zero."}}
random = np.random.default_rng(0)
draws = bent(random.normal(size=20_000)) + NOISE * random.normal(size=20_000)
x_axis = np.linspace(-2, 8, 200)
evidence = np.exp([log_evidence(x, bent) for x in x_axis])
posterior = np.exp(log_joint(2.0, grid, bent) - log_evidence(2.0, bent))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
bins = np.linspace(-2, 8, 101)
left.hist(draws, bins, density=True, color=plots.COLORS[4], label="drawn $z$, then $x$")
left.plot(x_axis, evidence, color=plots.COLORS[6], label="$p(x)$ by the grid")
left.set(xlabel="$x$", ylabel="density")
right.plot(grid, np.exp(prior.log_prob(grid)), "--", label="prior $p(z)$")
right.plot(grid, posterior, label="posterior $p(z|x=2)$")
right.set(xlabel="$z$", ylabel="density", xlim=(-3.5, 3.5), ylim=(0, 1.5))
left.legend()
right.legend(loc="upper center")
exact = tfd.Normal(np.float64(0.0), np.sqrt(1 + NOISE**2)).log_prob(2.0)
share = np.mean(abs(draws - 3) < 5)  # of the draws: those between -2 and 8
assert abs(log_evidence(2.0, straight) - exact) < 1e-6, "the grid gives the closed form"
assert abs(posterior.sum() * step - 1) < 1e-6, "a posterior is a density: it integrates to 1"
assert abs(np.trapezoid(evidence, x_axis) - share) < 0.02, "p(x) fits the draws"
print("the grid agrees with the closed form")
plt.show()

# %% [markdown]
# Latents near $-1.4$ and $+1.4$ are likely, because both have the square 2, so the posterior has two peaks. On the right,
# the prior is one wide hill and the posterior for $x = 2$ is two narrow ones. Seeing $x$ turns a vague belief about $z$
# into a sharp one, but here it cannot tell you the sign. On the left, the curve of the evidence follows the histogram of
# examples, each made in two draws: first $z$, then $x$.
#
# The cell also checks the grid on the straight toy, where the answer is exact: a sum of two normals is normal, so
# $p(x) = N(x; 0, 1 + \sigma^2)$.
#
# ### Why not just average?
#
# A grid does not scale: with 100 points for each of ten latents it has $10^{20}$ points. But equation 3.1 is an average,
# so you could estimate it instead: draw $k$ latents from the prior and average $p(x|z)$. Let us try this with the
# straight toy in $d$ dimensions, where each of the $d$ pixels of $x$ has its own latent and the exact evidence is known.
#
# **Predict.** With $k = 10\,000$ draws, up to how many dimensions is the estimate of $\log p(x)$ accurate to within a
# nat? (A *nat* is the unit of a natural logarithm.)

# %% tags=["drift"] mystnb={"image": {"alt": "Box plots of the error of the estimated log p(x), in nats, against the number of latents. The boxes are thin and near zero for few latents, and far below zero for the largest numbers."}}
def naive_error(dimensions, k=10_000):
    """The estimate of log p(x) by equation 3.1, minus its exact value; x = (1, ..., 1)."""
    z = random.normal(size=(k, dimensions))
    log_likelihood = tf.reduce_sum(tfd.Normal(z, NOISE).log_prob(1.0), axis=1)
    exact = dimensions * tfd.Normal(np.float64(0.0), np.sqrt(1 + NOISE**2)).log_prob(1.0)
    return float(tf.reduce_logsumexp(log_likelihood) - np.log(k) - exact)

sizes = (1, 2, 5, 10, 20, 40)
errors = {size: [naive_error(size) for _ in range(20)] for size in sizes}
assert np.std(errors[1]) < 0.1, "one latent: ten thousand draws are plenty"
assert max(errors[40]) < -3, "forty latents: every estimate is nats too low"
figure, ax = plt.subplots()
ax.boxplot(errors.values(), tick_labels=sizes)
ax.axhline(0, color="gray", linewidth=0.8)
ax.set(xlabel="number of latents", ylabel="error of $\\log p(x)$ in nats")
plt.show()

# %% [markdown]
# Safely up to five: in twenty repetitions for each number of latents, the errors are small up to five latents, larger at
# ten, and a matter of nats at twenty; at forty every estimate is many nats too low. With many latents hardly any draw from the
# prior falls where the likelihood is large, so the average misses the latents that matter. More draws hardly help: the
# number you need grows exponentially with the number of latents. We need a better distribution to draw from.
#
# ## 3. What if you draw where it matters?
#
# Let $q(z|x)$ be our guess at the posterior: any density over latents that is nowhere zero. Multiply and divide by it in
# equation 3.1:
#
# $$ p_\theta(x) = \mathbb{E}_{q(z|x)}\left[\frac{p_\theta(x|z)\, p(z)}{q(z|x)}\right]. \tag{3.3} $$
#
# The logarithm is concave, so the logarithm of an average is at least the average of the logarithms. This is
# **Jensen's inequality**, and it gives the **evidence lower bound**, or **ELBO**:
#
# $$ \log p_\theta(x) \;\ge\; \mathbb{E}_{q(z|x)}\left[\log \frac{p_\theta(x|z)\, p(z)}{q(z|x)}\right]
#    = \underbrace{\mathbb{E}_{q(z|x)}\big[\log p_\theta(x|z)\big]}_{\text{reconstruction}}
#    - \underbrace{\mathrm{KL}\big(q(z|x)\,\|\,p(z)\big)}_{\text{what the latent costs}}
#    = \mathrm{ELBO}(x). \tag{3.4} $$
#
# The first term rewards $q$ for latents that make $x$ likely. The second, the **Kullback–Leibler divergence**
# $\mathrm{KL}(q\|p) = \mathbb{E}_q[\log q - \log p] \ge 0$, rewards $q$ for staying close to the prior. How much does the
# bound lose? Substitute $p_\theta(x|z)\,p(z) = p_\theta(z|x)\,p_\theta(x)$ into equation 3.4:
#
# $$ \log p_\theta(x) - \mathrm{ELBO}(x) = \mathrm{KL}\big(q(z|x)\,\|\,p_\theta(z|x)\big) \;\ge\; 0. \tag{3.5} $$
#
# So the gap is itself a KL divergence: it measures how far the guess is from the true posterior. It is zero if and only
# if $q$ *is* the true posterior. If you maximize the ELBO over $q$, you do Bayesian inference; if you maximize it over
# $\theta$, you fit the model. One number serves both purposes.
#
# In the straight toy the true posterior is a normal with mean $x / (1 + \sigma^2)$ and variance
# $\sigma^2 / (1 + \sigma^2)$. This allows two sharp tests of equation 3.5: at the true posterior the bound is *equal* to
# the evidence, and at any other normal the gap equals the KL divergence that `tfd` computes.

# %%
def elbo(x, mean_of, q):
    """Equation 3.4 as a sum over the grid; q: normals of batch shape [..., 1] -> [...]."""
    log_q = q.log_prob(grid)
    return tf.reduce_sum(tf.exp(log_q) * (log_joint(x, grid, mean_of) - log_q), axis=-1) * step

variance = NOISE**2 / (1 + NOISE**2)
true_posterior = tfd.Normal(2.0 / (1 + NOISE**2), np.sqrt(variance))
other = tfd.Normal(np.float64(1.0), 0.7)
gap = log_evidence(2.0, straight) - elbo(2.0, straight, other)
tight = elbo(2.0, straight, true_posterior) - exact
kl = tfd.kl_divergence(other, true_posterior)
assert abs(tight) < 1e-9, "at the true posterior the bound is the evidence itself"
assert abs(gap - kl) < 1e-9, "the gap is KL(q || true posterior)"
print("tight at the true posterior; elsewhere the gap is the KL")

# %% [markdown]
# Now we draw a map of the gap of equation 3.5, for both toys, at $x = 2$. Each point of the map is one normal $q$: its
# mean increases to the right, its standard deviation upward.
#
# **Predict.** The straight toy's gap reaches zero. The bent toy's posterior has two peaks, and a normal has one. Where
# is the best normal: on a peak, or in the middle between them? How large is the gap that remains?

# %% tags=["drift"]
def gap_of(mean_of, q):
    """log p(x) - ELBO(x) at x = 2, in nats, for each normal in q."""
    return (log_evidence(2.0, mean_of) - elbo(2.0, mean_of, q)).numpy()

means, scales = np.linspace(-3, 3, 61), np.geomspace(0.05, 1.5, 41)
normals = tfd.Normal(means[:, None], scales[:, None, None])  # one for each point: [41, 61, 1]
gaps = {"straight": gap_of(straight, normals), "bent": gap_of(bent, normals)}
steps = {"levels": [0, 0.1, 0.3, 1, 3, 10, 30, 100], "norm": "symlog", "extend": "max"}

# %% tags=["drift"] mystnb={"image": {"alt": "Two maps of the gap in nats, over the mean and the standard deviation of q. The straight toy has one valley, with a gap of zero at its bottom; the bent toy has two, one at each peak of the posterior."}}
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
for ax, (name, gap) in zip(axes, gaps.items()):
    filled = ax.contourf(means, scales, gap, cmap="viridis_r", **steps)
    best = np.unravel_index(gap.argmin(), gap.shape)
    ax.semilogy(means[best[1]], scales[best[0]], "o", color=plots.COLORS[3])
    ax.set(title=f"{name}: smallest gap {gap.min():.2f} nats", xlabel="mean of $q$")
axes[0].set_ylabel("standard deviation of $q$")
figure.colorbar(filled, label="gap in nats")
plt.show()

# %% [markdown]
# On a peak: the bent toy's map has two valleys, one at each peak of the posterior, and at the bottom of both the gap is
# about 0.7 nats (the dot marks the smallest value). The straight toy's map has one valley, and at its bottom the gap is
# zero. Here are three normals from the bent toy's map, drawn over the posterior that they are meant to imitate:

# %% tags=["drift"]
row, column = np.unravel_index(gaps["bent"].argmin(), gaps["bent"].shape)
narrow = scales[row]
choices = {"best": (means[column], narrow), "between": (0.0, narrow), "wide": (0.0, 1.5)}
figure, axes = plt.subplots(1, 3, figsize=(9, 2.5), sharey=True)
for ax, (name, (mean, scale)) in zip(axes, choices.items()):
    q = tfd.Normal(np.float64(mean), np.float64(scale))
    ax.fill_between(grid, posterior, color=plots.COLORS[9], alpha=0.5, label="posterior")
    ax.plot(grid, q.prob(grid), color=plots.COLORS[3], label="$q$")
    ax.set(title=f"{name}: gap {gap_of(bent, q):.2f} nats", xlabel="$z$", xlim=(-3, 3))
axes[0].legend()
bent_gap = gaps["bent"].min()
assert gaps["straight"].min() > -1e-9, "the bound cannot exceed the evidence"
assert gaps["straight"].min() < 0.01, "a normal family holds the straight toy's posterior"
assert np.log(2) < bent_gap < np.log(2) + 0.06, "one of two equal peaks: log 2, and a little"
plt.show()

# %% [markdown]
# The best normal covers one peak and misses the other: $\mathrm{KL}(q\|p)$ punishes $q$ for putting mass where the
# posterior is small, not for missing a part of the posterior. Here $q$ misses half of it, and that costs just over
# $\log 2 \approx 0.69$ nats. A normal between the peaks, or one spread over both, puts most of its mass where the
# posterior has almost none. A gap that remains at the best $q$ tells you that the *family* of $q$ is too poor: none of
# its members (here, the normals) is close enough to the posterior.
#
# ## 4. How far is one normal from another?
#
# The KL of equation 3.4 compares $q(z|x)$ with the prior. For two normals it has a closed form; against the standard
# normal, and for one latent, it is
#
# $$ \mathrm{KL}\big(N(\mu, \sigma^2)\,\|\,N(0, 1)\big) = \tfrac12\big(\mu^2 + \sigma^2 - 1\big) - \log \sigma. \tag{3.6} $$
#
# In words: a mean at 1 instead of 0 costs half a nat, and as $q$ becomes certain ($\sigma \to 0$) the cost grows without
# limit. For independent latents the KL divergences **add up**. They are summed, never averaged, because the
# log-probabilities of independent variables add up.
#
# This is the only KL that we type by hand in this chapter, and we type no density at all. You can check the formula in two
# ways that do not use it: by averaging $\log q - \log p$ over draws from $q$, and by asking `tfd`.

# %%
mean, scale = np.array([0.5, -1.0, 0.0]), np.array([0.2, 1.5, 1.0])
q = tfd.MultivariateNormalDiag(mean, scale)
p = tfd.MultivariateNormalDiag(np.zeros(3), np.ones(3))

typed = np.sum(0.5 * (mean**2 + scale**2 - 1) - np.log(scale))  # (3.6), summed over latents
z = q.sample(100_000, seed=0)
averaged = tf.reduce_mean(q.log_prob(z) - p.log_prob(z))
asked = tfd.kl_divergence(q, p)
moved = tfd.kl_divergence(tfd.Normal(1.0, 1.0), tfd.Normal(0.0, 1.0))

assert abs(typed - asked) < 1e-9, "equation 3.6 summed over latents is tfd's KL"
assert abs(averaged - asked) < 0.03, "log q - log p is the KL on average over draws from q"
assert abs(moved - 0.5) < 1e-6, "a mean moved by 1: half a nat"
print("three ways, one KL")

# %% [markdown]
# From here on we use the library's `bounds.kl(q, p)`, which asks `tfd`. Where no closed form is known, pass it the draw as
# well, `bounds.kl(q, p, z)`, and it returns $\log q - \log p$ at that draw, which equals the KL on average.
#
# ## 5. How do you differentiate through a draw?
#
# The KL is a formula, so its gradient is easy. The reconstruction term is an average over draws from $q$, and $q$ has
# the parameters that we want to train. There are two ways to get its gradient, say with respect to the mean $\mu$.
#
# The **pathwise** gradient moves the randomness out of the way. Write the draw as $z = \mu + \sigma\varepsilon$ with
# $\varepsilon \sim N(0, 1)$. Now the average is over $\varepsilon$, whose distribution has no parameters, and the derivative
# passes through $z$ by the chain rule. This is the **reparameterization trick**:
#
# $$ \nabla_\mu\, \mathbb{E}_{q}[f(z)] = \mathbb{E}_{\varepsilon}\big[f'(\mu + \sigma\varepsilon)\big]. \tag{3.7} $$
#
# The **score-function** gradient (called REINFORCE in reinforcement learning) uses
# $\nabla q = q \nabla \log q$, and never differentiates $f$:
#
# $$ \nabla_\mu\, \mathbb{E}_{q}[f(z)] = \mathbb{E}_{q}\big[f(z)\, \nabla_\mu \log q(z)\big]
#    = \mathbb{E}_{q}\left[f(z)\, \frac{z - \mu}{\sigma^2}\right]. \tag{3.8} $$
#
# Both are right on average. To compare them, let $f(z) = \log p(x=2|z)$ in the bent toy, and $q = N(1, \sigma^2)$.
# ($\sigma$ is now the scale of $q$, no longer the toy's noise.)
#
# **Predict.** During training $\sigma$ is often small, say 0.1. What happens to equation 3.8 when its denominator is
# small?

# %%
def gradients(scale, draws=20_000):
    """Of E_q[log p(x=2|z)] for the mean of q = N(1, scale^2): two arrays, a number a draw."""
    z = tf.constant(1.0 + scale * random.normal(size=draws))
    with tf.GradientTape() as tape:
        tape.watch(z)
        f = tfd.Normal(bent(z), NOISE).log_prob(2.0)
    pathwise = tape.gradient(f, z)  # equation 3.7: dz/dmean = 1
    score = f * (z - 1.0) / scale**2  # equation 3.8
    return {"pathwise": pathwise.numpy(), "score function": score.numpy()}

# %% tags=["drift"]
widths = np.geomspace(0.05, 0.8, 9)
samples = [gradients(width) for width in widths]
variances = {name: np.array([sample[name].var() for sample in samples]) for name in samples[0]}
at_tenth = gradients(0.1)
a, b = at_tenth["pathwise"], at_tenth["score function"]
error = np.sqrt((a.var() + b.var()) / len(a))
assert abs(a.mean() - b.mean()) < 5 * error, "both estimate the same gradient"
assert b.var() > 100 * a.var(), "at a scale of 0.1 the score function varies far more"
assert all(variances["score function"] > 2 * variances["pathwise"]), "and never less here"

# %% tags=["drift"] mystnb={"image": {"alt": "Left: the mean gradient so far against the number of draws; the pathwise one is steady, that of the score function wanders. Right: variance against sigma of q on logarithmic axes; the score function's curve is the higher one everywhere."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
for name, marker, color in zip(at_tenth, "os", plots.COLORS):
    running = np.cumsum(at_tenth[name][:2000]) / np.arange(1, 2001)
    left.plot(running, color=color, label=name)
    right.plot(widths, variances[name], marker + "-", color=color, label=name)
left.axhline(a.mean(), color="gray", linestyle="--")
left.set(xlabel="draws", ylabel="mean of the gradient so far", ylim=(3, 13))
left.set_title("$\\sigma = 0.1$")
right.set(xlabel="$\\sigma$ of $q$", ylabel="variance of one draw", xscale="log", yscale="log")
right.set_xticks(widths[::2], [f"{width:.2g}" for width in widths[::2]])
right.minorticks_off()
right.legend()
normal, coin = tfd.Normal(0.0, 1.0), tfd.Bernoulli(0.0)
can, cannot = tfd.FULLY_REPARAMETERIZED, tfd.NOT_REPARAMETERIZED
assert normal.reparameterization_type == can, "normal: z = mean + scale * noise"
assert coin.reparameterization_type == cannot, "a coin flip has no such path"
plt.show()

# %% [markdown]
# It becomes very noisy: at $\sigma = 0.1$ the variance of the score-function gradient is several hundred times that of the
# pathwise gradient. On the right, on logarithmic axes, it is the larger of the two everywhere, about four times as
# large for a wide $q$; below a width of 0.4 the factor grows fast, to thousands. On the left are the running means of
# the two gradients. Both have the same expected value, but the pathwise mean is steady after a few draws, while the
# score function's is still off after two thousand. A training step uses *one* draw for each example. With the pathwise
# gradient that is enough; with the score function you would need hundreds.
#
# The score function still has its uses: it works where $z$ is discrete, and where $f$ cannot be differentiated. The
# standard remedy for its variance, which we did not use, is to subtract a *baseline* from $f$, a number that does not
# depend on the draw. (The score here is a gradient with respect to the parameters of $q$; in chapter 02 it was one with
# respect to $x$.)
#
# `tfd` takes care of this for you: `sample()` of a normal is reparameterized, so a gradient passes through it without
# further work.
#
# ## 6. How do you build a VAE?
#
# A **variational autoencoder** is three distributions and one bound.
#
# - The **prior** $p(z) = N(0, I)$ has nothing to learn.
# - The **likelihood** $p_\theta(x|z)$ is a decoder network whose outputs are parameters of a distribution: here one
#   Bernoulli variable for each pixel, for which the decoder gives the logit (the log-odds of a 1).
# - The **posterior** $q_\phi(z|x)$ is an encoder network that gives the mean and the scale of a normal. In the toys you
#   would search for a new $q$ for each $x$; here one network learns to guess it for all of them. (From here on, "the
#   posterior" is this $q_\phi$, and the posterior of equation 3.2 is "the *true* posterior".)
# - The **bound** is the ELBO of equation 3.4, with a single draw of $z$ for each example.
#
# Here is the model as a picture, with the draw in the middle:

# %%
nodes = {
    "x": (0, 0, "observed", "$x$"), "encoder": (1.5, 0, "network"),
    "mean": (3.0, 0.5, "text", r"mean $\mu$"), "scale": (3.0, -0.5, "text", r"scale $\sigma$"),
    "z": (4.5, 0, "variable", "$z$"), "decoder": (6.0, 0, "network"),
    "prior": (4.5, 1.2, "text", "prior $p(z)$"),
    "noise": (4.5, -1.3, "text", r"$\varepsilon \sim N(0, I)$"),
    "likelihood": (7.8, 0, "text", r"$p_\theta(x|z)$"),
}  # fmt: skip
arrows = [("x", "encoder"), ("encoder", "mean"), ("encoder", "scale"), ("mean", "z")]
arrows += [("scale", "z"), ("z", "decoder"), ("decoder", "likelihood")]
arrows += [("noise", "z", {"style": "--", "label": "the draw"})]
terms = {"color": plots.COLORS[3]}  # of the bound
arrows += [("prior", "z", terms | {"head": "-", "label": "KL"})]
arrows += [("likelihood", "x", terms | {"bend": -0.42, "label": r"$\log p_\theta(x|z)$"})]
plots.schematic(nodes, arrows, unit=0.85)
plt.show()

# %% [markdown]
# Everything between $x$ and $z$ is the posterior $q_\phi(z|x)$. The two terms of the bound are drawn in orange.
#
# In Keras the networks map tensors to tensors, and distributions are made from their outputs, inside `call`. The
# softplus turns any number into a positive one, and adding 0.001 keeps the scale away from zero. `tfd.Independent(..., 3)`
# says that the last three axes (height, width and channel) form *one* example, so that `log_prob` sums over pixels.

# %%
data = datasets.load(DATASET)
shape = data.x_train.shape[1:]

class ThreeDistributions(keras.Model):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def prior(self):
        return tfd.MultivariateNormalDiag(tf.zeros([LATENT_SIZE]), tf.ones([LATENT_SIZE]))

    def posterior(self, x):
        mean, raw = tf.split(self.encoder(x), 2, axis=-1)
        return tfd.MultivariateNormalDiag(mean, tf.nn.softplus(raw) + 1e-3)

    def likelihood(self, z):
        return tfd.Independent(tfd.Bernoulli(logits=self.decoder(z), dtype=tf.float32), 3)

# %% [markdown]
# Next comes the bound. `call` returns its terms, one number in nats for each example; `compute_loss` averages the negative
# ELBO over the batch, because Keras minimizes a loss. The trackers average the terms over an epoch for the history.
# Keras's own `fit` does everything else: the loop, the shuffling, the validation.

# %%
TERMS = ("elbo", "reconstruction", "kl")

class HandmadeVAE(ThreeDistributions):
    def __init__(self, encoder, decoder):
        super().__init__(encoder, decoder)
        self.trackers = [keras.metrics.Mean(name=name) for name in TERMS]

    def code(self, posterior):
        return posterior.sample()  # mean + scale * noise

    def call(self, x):
        posterior = self.posterior(x)
        reconstruction = self.likelihood(self.code(posterior)).log_prob(x)
        kl = bounds.kl(posterior, self.prior())
        return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        for tracker in self.trackers:
            tracker.update_state(y_pred[tracker.name])
        return -tf.reduce_mean(y_pred["elbo"])

# %% [markdown]
# The images are 8×8 gray values between 0 and 1 (larger if you changed `DATASET`). A Bernoulli variable is 0 or 1, so what
# does $\log p(x|z)$ mean for a gray value of 0.3? Read the gray value $x_i$ as the probability of a white pixel, and let
# $p_i$ be the decoder's probability. Then the sum over pixels of $x_i \log p_i + (1 - x_i) \log (1 - p_i)$ is the *average*
# log-likelihood of a picture whose pixels are drawn at random, black or white, with the probabilities $x_i$. It can never
# reach zero, because a random coin flip cannot be predicted. Chapter 04 compares this with other likelihoods.
#
# The networks are those of chapter 01, except that the encoder gives two numbers for each latent.

# %% tags=["drift"]
def new_networks(numbers_per_latent):
    encoder = networks.mlp_encoder(shape, numbers_per_latent * LATENT_SIZE, hidden=HIDDEN)
    return encoder, networks.mlp_decoder(LATENT_SIZE, shape, hidden=HIDDEN[::-1])

def train(model, **options):
    """Compile a model and fit it to the training images; returns the curves of training."""
    model.compile(keras.optimizers.Adam(LEARNING_RATE))
    options = {"batch_size": BATCH_SIZE, "epochs": EPOCHS, "verbose": 0} | options
    return model.fit(data.x_train, **options).history

handmade = HandmadeVAE(*new_networks(numbers_per_latent=2))
history = train(handmade, epochs=EPOCHS // 5)
plots.history(history, "elbo", ylabel="ELBO in nats")
plt.show()

# %% [markdown]
# The ELBO of the training images climbs epoch by epoch, steeply at first. About thirty lines are enough for a VAE that
# trains.
#
# The library's `models.VAE` consists of these lines, plus checks on what you pass in, saving, other distributions to
# choose from, and a `fit` that trains on full batches only. To be sure, we give it the *same* two networks and compare
# the terms of the bound on the validation images. The KL must agree to float accuracy. The reconstruction depends on
# the draw of $z$, so it must agree within its noise.

# %%
same = models.VAE(handmade.encoder, handmade.decoder)
ours, theirs = [model.predict(data.x_valid, verbose=0) for model in (handmade, same)]
difference = ours["elbo"] - theirs["elbo"]
error = difference.std() / np.sqrt(len(difference))
assert np.allclose(ours["kl"], theirs["kl"], rtol=1e-3, atol=1e-4), "the KL has no draw in it"
assert abs(difference.mean()) < 5 * error, "the same bound, up to the noise of the draws"
assert history["elbo"][-1] > history["elbo"][0] + 2, "the bound rises by nats during training"
print("HandmadeVAE and models.VAE compute the same bound")

# %% [markdown]
# From here on we use `models.VAE`.
#
# ## 7. What has it learned?
#
# We train a fresh VAE for longer and follow the terms of the bound on the validation images as well as on the training
# images.
#
# **Predict.** After the first few epochs the KL is small, since the decoder does not use the latents yet. Will it rise or
# fall from there? Is a rise a bad sign?

# %% tags=["drift"]
keras.utils.set_random_seed(0)
vae = models.VAE(*new_networks(numbers_per_latent=2))
history = train(vae, validation_data=(data.x_valid,))
record = {name: np.array(values) for name, values in history.items()}
terms = record["val_reconstruction"] - record["val_kl"]
assert np.allclose(record["loss"], -record["elbo"], rtol=1e-4), "the loss is the negative ELBO"
assert np.allclose(record["val_elbo"], terms, rtol=1e-4), "elbo = reconstruction - kl"
assert record["val_elbo"][-1] > record["val_elbo"][0] + 2, "training helps on new images too"
assert 1.5 < record["val_kl"][-1] < 12, "the latents carry a few nats about each image"

# %% tags=["drift"] mystnb={"image": {"alt": "Three panels against the epoch, with training solid and validation dashed: the ELBO and the reconstruction rise steeply at first and then slowly; the KL dips early and then rises, too."}}
figure, axes = plt.subplots(1, 3, figsize=(9, 3))
for ax, term in zip(axes, TERMS):
    plots.history(history, term, ax=ax, ylabel="nats per example").set_title(term)
plt.show()

# %% [markdown]
# It rises, to about three nats, and that is a good sign: the latents cost more and more, but they pay for themselves, since
# each nat of KL buys more than a nat of reconstruction. (On the digits the KL first jumps up and then falls to a few tenths
# of a nat, both in the first epochs, while the decoder learns the mean image. The rise follows.) The ELBO and the
# reconstruction rise steeply, then slowly, and the dashed validation curves stay close to the training curves. In every
# epoch the loss is the negative ELBO, and the ELBO is the reconstruction minus the KL.
#
# ### Reconstructions and samples
#
# `vae.reconstruct(x)` decodes the mean of the posterior. `vae.sample(n)` draws latents from the prior and decodes them.
# Both show the *mean* of the likelihood, the probability of white for each pixel, not black and white pixels drawn from it.

# %% tags=["drift"]
x, y = data.x_valid[:1000], data.y_valid[:1000]
samples = vae.sample(20, seed=1)
rows = {"original": x[:10], "reconstruction": vae.reconstruct(x[:10])}
plots.image_rows(rows | {"samples": samples[:10], "more samples": samples[10:]})
plt.show()

# %% [markdown]
# Below the ten validation images are their reconstructions, and below those are twenty samples. The reconstructions are
# smoother than the images. In most cases they keep the digit, but sometimes they become another one: two numbers cannot
# hold everything. The samples come from no image at all, and yet many can be read as digits. That is new.
#
# ### The latent space as a map
#
# With two latents you can see all that the model knows at once, by decoding a grid of latents. Which grid? Many published
# maps take an even grid over $[-1, 1]^2$. How much of the prior does this square hold?

# %%
inside = (norm.cdf(1) - norm.cdf(-1)) ** 2
assert 0.46 < inside < 0.47, "the square [-1, 1] x [-1, 1] holds less than half of the prior"
print(f"{inside:.0%} of the prior lies in [-1, 1] x [-1, 1]")

# %% [markdown]
# So such a map leaves out more than half of what the model can draw. It is better to take an even grid of *probabilities*
# between 0 and 1, and to turn each into a **quantile** of the prior: the value below which a latent falls with that
# probability. Then every picture on the map stands for the same share of the prior. The steps between quantiles are small
# in the middle and large toward the edges.

# %% tags=["drift"]
tiles = 11
quantiles = norm.ppf((np.arange(tiles) + 0.5) / tiles)
z_1, z_2 = np.meshgrid(quantiles, quantiles)
images = vae.decode(np.stack([z_1.ravel(), z_2.ravel()], axis=1))
plots.image_map(images, quantiles, quantiles, gap=1)
plt.show()

# %% [markdown]
# Neighboring pictures look alike, and one digit turns into the next. The map holds eleven by eleven decoded latents, with
# the quantiles of the prior, from about $-1.7$ to $1.7$, on both axes. Much of the middle is neither 8 nor 9 nor 3 but
# something between them: two latents are few for ten digits, and the prior is densest where the digits meet. Each picture
# stands for one part in 121 of what the model generates, so the area that a digit takes up on the map is the share of
# samples that look like it.
#
# ## 8. How does this compare with chapter 01?
#
# We train chapter 01's autoencoder on the same images, with the same networks but one number for each latent. Then we
# count, for both models, how many codes of the validation images lie in the circle that holds 95 % of the prior.
#
# **Predict.** The autoencoder was never told where to put its codes. Where will they lie?

# %% tags=["drift"]
keras.utils.set_random_seed(0)
autoencoder = models.Autoencoder(*new_networks(numbers_per_latent=1))
train(autoencoder)
codes = {"autoencoder": autoencoder.encode(x), "VAE": vae.posterior(x).sample(seed=1).numpy()}
radius = np.sqrt(chi2.ppf(0.95, df=LATENT_SIZE))
held = {name: np.mean(np.linalg.norm(code, axis=1) < radius) for name, code in codes.items()}
assert held["VAE"] > 0.85, "the VAE's codes lie where the prior is"
assert held["autoencoder"] < held["VAE"] - 0.1, "the autoencoder's codes lie anywhere"
print({name: f"{share:.0%} of codes in the circle" for name, share in held.items()})

# %% [markdown]
# About half of the autoencoder's codes lie outside the circle, since nothing pulls them in. Nearly all of the VAE's codes
# lie inside it. But this count treats the VAE's code as a point, and it is not one. **A VAE's code is a cloud**,
# $q_\phi(z|x)$, and the cloud is the main idea.
#
# <!-- show -->
#
# Two readers each want to leave out a part of it. Anna drops the KL: "I only want good reconstructions." Ben drops the draw and decodes the mean: "Why add noise?"
#
# **Predict.** What happens to Anna's clouds, and what to Ben's?

# %% tags=["drift"]
class WithoutDraw(HandmadeVAE):
    def code(self, posterior):
        return posterior.mean()

without_kl = models.VAE(*new_networks(numbers_per_latent=2), beta=0.0)
without_draw = WithoutDraw(*new_networks(numbers_per_latent=2))
for model in (without_kl, without_draw):
    train(model)

# %% tags=["drift"] mystnb={"image": {"alt": "Codes of 100 images in the plane, in four panels, with the circle that holds 95 % of the prior. The autoencoder and Anna's model have mere points, the VAE has clouds side by side, and Ben's wide clouds all lie on top of each other."}}
def draw_clouds(ax, title, mean, scale):
    """Means [n, 2] as dots, around each an ellipse of one standard deviation [n, 2]."""
    ax.plot(*mean.T, ".", color="black", markersize=3)
    for center, size, digit in zip(mean, 2 * scale, y):
        color = plots.COLORS[digit % 10]
        ax.add_patch(Ellipse(center, *size, facecolor=color, edgecolor=color, alpha=0.3))
    ax.add_patch(plt.Circle((0, 0), radius, fill=False, linestyle="--"))
    ax.set(title=title, xlabel="$z_1$", ylabel="$z_2$", aspect="equal")

figure, axes = plt.subplots(2, 2, figsize=(8, 7.6))
points = autoencoder.encode(x[:100])
draw_clouds(axes[0, 0], "autoencoder: points", points, np.zeros_like(points))
spread, clouds = {}, {"VAE": vae, "Anna: no KL": without_kl, "Ben: no draw": without_draw}
for ax, (name, model) in zip(axes.ravel()[1:], clouds.items()):
    q = model.posterior(x[:100])
    draw_clouds(ax, name, q.mean().numpy(), q.stddev().numpy())
    spread[name] = round(float(np.median(model.posterior(x).stddev())), 3)
assert spread["Anna: no KL"] < 0.5 * spread["VAE"], "without the KL a cloud shrinks"
assert abs(spread["Ben: no draw"] - 1) < 0.05, "without the draw it is the prior's width"
print(spread)
plt.show()

# %% [markdown]
# Anna's clouds shrink to points, and Ben's all become as wide as the prior. In the figure, dots are the means of 100 images
# and ellipses show one standard deviation of $q$ around them (each digit has a color; the autoencoder's and Anna's are
# too small to show any). The dashed circle holds 95 % of the prior, and each panel is one training run.
#
# The VAE's clouds share the circle, and many overlap, so most draws from the prior fall where the code of
# some image has been in training. (With all training images there are more clouds than these 100; the holes that remain are counted
# below.) Many of Anna's points lie far outside the circle (mind the axes). In her model noise only disturbs the
# reconstruction, and nothing rewards it any more, so she is back at an autoencoder. Ben's clouds mean nothing. The KL wants
# them wide, and the decoder never sees how wide they are: all it sees is points.
#
# ### Measuring holes
#
# By the definition of chapter 01, a code lies **in a hole** if no training code is near it, where "near" means within the
# distance at which 95 % of the validation images have a training code. For the VAE a code is a draw from $q_\phi(z|x)$, one
# for each image. New codes come from the VAE's prior. The autoencoder has no prior, so we use chapter 01's three guesses: an
# even draw from the box around the codes, the standard normal, and a normal fitted to the codes.

# %% tags=["drift"]
seen = data.x_train[:3000]

def nearest(a, b):
    """Distance from each row of a to the nearest row of b, axes after the first flattened."""
    return cdist(a.reshape(len(a), -1), b.reshape(len(b), -1)).min(axis=1)

def codes_of(model, images):
    """The code of each image: for the VAE a draw from its cloud."""
    if model is vae:
        return model.posterior(images).sample(seed=1).numpy()
    return model.encode(images)

def holes(model, z):
    """The share of the codes z [n, 2] that lie in holes of the model."""
    known = codes_of(model, seen)
    near = np.quantile(nearest(codes_of(model, x), known), 0.95)
    return np.mean(nearest(z, known) > near)

# %% tags=["drift"] mystnb={"image": {"alt": "Left: bars of the share of draws in holes. The VAE's prior has the shortest bar; the autoencoder's box, standard normal and fitted normal have longer ones. Right: eight decoded draws from each, in the same order."}}
known = autoencoder.encode(seen)
box = random.uniform(known.min(axis=0), known.max(axis=0), (2000, LATENT_SIZE))
fitted = random.multivariate_normal(known.mean(axis=0), np.cov(known.T), 2000)
standard = random.normal(size=(2000, LATENT_SIZE))
draws = {"VAE, its prior": (vae, standard), "autoencoder, box": (autoencoder, box)}
draws["autoencoder, standard normal"] = (autoencoder, standard)
draws["autoencoder, fitted normal"] = (autoencoder, fitted)
in_holes = {name: holes(*draw) for name, draw in draws.items()}
best_guess = min(value for name, value in in_holes.items() if not name.startswith("VAE"))
assert in_holes["VAE, its prior"] < 0.2, "the prior is filled: few of its draws fall into holes"
assert in_holes["VAE, its prior"] < 0.7 * best_guess, "each guess falls into holes more often"

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3), width_ratios=(1, 1.6))
left.barh(list(draws), in_holes.values(), color=plots.COLORS[:4])
left.axvline(0.05, color="black", linestyle=":")
left.invert_yaxis()
left.set(xlabel="share of draws in holes")
decoded = {name: model.decode(z[:8].astype("float32")) for name, (model, z) in draws.items()}
plots.image_rows(decoded, ax=right)
right.set_yticks([])
plt.show()

# %% [markdown]
# About a tenth of the draws from the VAE's prior fall into holes, twice the share of real images (dotted line). For the
# autoencoder's three guesses the share is a quarter to a half. On the right, in the same order, is what the decoders make
# of eight draws each. The autoencoder's pictures are crisper, but in the rows of both models some are not digits. It is
# tempting to judge samples by their distance to the nearest training image, relative to that of reconstructions. Do
# not: if a decoder draws the same gray picture for every code, its samples are exactly as near as its reconstructions,
# and it gets a perfect score. Chapters 04, 05 and 10 take up the question of what a model's samples are worth.
#
# What did all this cost? Hardly any accuracy in reconstruction:

# %% tags=["drift"]
errors = [np.mean((model.reconstruct(x) - x) ** 2) for model in (vae, autoencoder)]
ratio = errors[0] / errors[1]
assert 0.6 < ratio < 1.5, "sampling well does not cost much reconstruction"
print(f"squared error on new images: {ratio:.2f} times the autoencoder's")

# %% [markdown]
# ### How good is the encoder's guess?
#
# (Optional on a first reading.) Section 3 found that a gap may remain because the family of $q$ is too poor. In a VAE there
# is a second reason: one encoder must guess the true posterior of *every* image, which is called **amortization**. The two
# reasons can be told apart. We take 100 images, start from the encoder's guess, and improve each image's own mean and scale
# by gradient ascent on its own ELBO, with the decoder held fixed. The nats that this gains are the price of amortization;
# the gap that is left is due to the family.

# %%
few = x[:100]
guess = vae.posterior(few)
mean = tf.Variable(guess.mean())
raw = tf.Variable(tfp.math.softplus_inverse(guess.stddev()))
adam = keras.optimizers.Adam(0.02)
adam.build([mean, raw])

def own_elbo(k):
    """The ELBO of each image under its own q, with k draws: [n]."""
    q = tfd.MultivariateNormalDiag(mean, tf.nn.softplus(raw))
    z = tf.reshape(q.sample(k), [-1, LATENT_SIZE])
    log_p = vae.likelihood(z).log_prob(tf.tile(few, [k, 1, 1, 1]))
    return tf.reduce_mean(tf.reshape(log_p, [k, -1]), axis=0) - bounds.kl(q, vae.prior())

@tf.function
def improve():
    with tf.GradientTape() as tape:
        loss = -tf.reduce_sum(own_elbo(16))
    adam.apply(tape.gradient(loss, [mean, raw]), [mean, raw])

# %% tags=["drift"]
before = own_elbo(2000).numpy().mean()
for _ in range(300):
    improve()
after = own_elbo(2000).numpy().mean()
evidence = evaluation.log_likelihood(vae, few, k=5000).mean
gap, amortization, family = evidence - before, after - before, evidence - after
print(f"gap {gap:.2f} nats = amortization {amortization:.2f} + family {family:.2f}")
assert amortization > 0 and family > -0.05, "an own q is better, and still a lower bound"
assert amortization > 0.8 * family, "the guess costs as much as the family, or more"

# %% [markdown]
# In this run the larger part of the gap is due to amortization, that is, to the encoder's guesses and not to the family
# of normals. Another seed gives other numbers. Cremer et al. (2018) ran this experiment on MNIST. Chapter 09 repeats it
# when it asks what a richer $q$ can buy.
#
# One more number, for the record: the ELBO on the test images, which played no part in any choice above. A report must give
# the number with its unit, its likelihood and the meaning of the pixels: here, gray values read as probabilities. Chapter
# 04 says what else a report needs.

# %% tags=["drift"]
test = vae.evaluate(data.x_test, verbose=0, return_dict=True)
print(f"test ELBO, Bernoulli likelihood: {test['elbo']:.1f} nats per image", end=" ")
print(f"({test['kl']:.1f} nats of them the KL)")

# %% [markdown]
# ## 9. How do you use it in your own work?
#
# `models.VAE(encoder, decoder)` is a `keras.Model`. Bring any two Keras networks that map tensors to tensors: an encoder
# with two outputs for each latent, and a decoder that ends in logits, without an activation. `fit` takes arrays and the
# usual callbacks, and `predict` gives the terms of the bound for each example. `save` writes one file with networks,
# distributions and optimizer, and `keras.models.load_model` reads it back. `vae.beta` is the weight of the KL in the loss:
# with 1 the loss is the negative bound, and you may change it between two fits.
#
# **Predict.** Train the loaded model a little more, with each nat of KL counted four times. What happens to the KL?

# %%
with tempfile.TemporaryDirectory() as folder:
    vae.save(Path(folder) / "vae.keras")
    loaded = keras.models.load_model(Path(folder) / "vae.keras")
terms = loaded.predict(x, verbose=0)
loaded.beta = 4.0
loaded.fit(data.x_train, batch_size=BATCH_SIZE, epochs=max(1, EPOCHS // 10), verbose=0)
pressed = loaded.predict(x, verbose=0)

paid = terms["reconstruction"].mean() - pressed["reconstruction"].mean()
elbo_again = terms["reconstruction"] - terms["kl"]
assert loaded.get_config()["beta"] == 4.0, "the weight was changed"
assert np.allclose(terms["elbo"], elbo_again, atol=1e-3), "predict gives the terms"
assert pressed["kl"].mean() < 0.9 * terms["kl"].mean(), "a more expensive KL shrinks"
assert paid > 0, "and the reconstruction pays for it"
print("saved, loaded, trained on: the KL fell")

# %% [markdown]
# The KL falls, and the reconstruction gets worse: you have paid for a cheaper latent with a blurrier image. How far to go
# is the subject of a later chapter. If you want a bound on the evidence, leave beta at 1.
#
# ## Summary
#
# You have
# - written down a latent-variable model, computed its evidence on a grid, and seen an average over the prior fail with
#   many latents;
# - derived the ELBO with Jensen's inequality, and found its gap to be the KL from $q$ to the true posterior: zero if $q$
#   is that posterior, about $\log 2$ if $q$ can cover only one of two peaks;
# - computed the KL of two normals by formula, by averaging and with `tfd`;
# - compared two gradients with the same mean and very different variances, and kept the pathwise one;
# - built a VAE of three distributions and one bound, trained it, sampled from it, mapped its latents over the prior's
#   quantiles, and measured its holes against chapter 01's.
#
# ## Common mistakes
#
# - **Averaging where you should sum.** Sum the KL over latents and the log-likelihood over pixels; only then average both
#   over examples. Averaging one of them earlier changes the weight of the KL without saying so.
# - **Mixing up scale, variance and log-variance.** Decide what the second half of the encoder's output means, and turn it
#   into a standard deviation in one place.
# - **An activation at the end of the decoder.** `tfd.Bernoulli(logits=...)` expects logits; a sigmoid before it squeezes
#   all probabilities into the range 0.5 to 0.73. (`models.VAE` refuses such a decoder.)
# - **`tfd.Independent` without a number of axes.** It may then merge examples into one event, without an error.
# - **Mapping $[-1, 1]^2$** and calling it the latent space.
# - **Reading a small KL as a success.** A KL of zero means that the latents say nothing about the image.
# - **Comparing ELBOs of different likelihoods or data.** They are on different scales.
#
# ## Exercises
#
# [Exercises 03](../exercises/03_variational_autoencoders/03_variational_autoencoders.ipynb): type the KL and the ELBO
# of a model that you can check exactly, differentiate through a draw, repair a published loss, and change one of the three
# distributions.
#
# ## Further reading
#
# Labels, conditions and sequences come later in this course: a VAE that is told which digit to draw in chapter 15, one that learns from a few labels in chapter 14, one for text in chapter 16.
#
# - Kingma and Welling (2014), *Auto-encoding variational Bayes*: the VAE, and the reparameterization trick.
# - Rezende, Mohamed and Wierstra (2014), *Stochastic backpropagation and approximate inference in deep generative
#   models*: the same idea at the same time, with deeper models.
# - Kingma and Welling (2019), *An introduction to variational autoencoders*: a book-length review by the first authors.
# - Cremer, Li and Duvenaud (2018), *Inference suboptimality in variational autoencoders*: the gap, split as in section 8.
# - Mohamed, Rosca, Figurnov and Mnih (2020), *Monte Carlo gradient estimation in machine learning*: pathwise and score
#   function, and when to prefer which.
# - Blei, Kucukelbir and McAuliffe (2017), *Variational inference: a review for statisticians*: the ELBO without networks.
# - Ghosh, Sajjadi, Vergari, Black and Schölkopf (2020), *From variational to deterministic autoencoders*: how far a
#   density fitted to a plain autoencoder's codes takes you.
