# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 11. Restricted Boltzmann machines: an energy instead of a decoder
#
# You train a model whose likelihood nobody can compute, learn when the usual measures of its progress mislead, and let it compete with a VAE and with four lines of linear algebra at recommending films.
#
# **Goals.** After this chapter you can
# - write the energy and the free energy of an RBM, and compute its exact log-likelihood as long as one layer is small;
# - train it by contrastive divergence, with and without persistent chains, and say what each of them gets wrong;
# - estimate a partition function by annealed importance sampling, and recognize an estimate that is confidently wrong;
# - compare a VAE with an RBM point by point: what is exact, how each draws samples, what each costs;
# - compare recommenders by NDCG and recall with paired errors, and name three ways to get such a table wrong;
# - find a fault that hardly shows in a ranking and that the bound cannot miss.
#
# **Before you start.** Chapter 03 (the ELBO) and chapter 04 (log-likelihood with $k$ samples). About Markov chains you need one fact: a chain that keeps redrawing each variable
# given the others ends up drawing from the joint distribution (Gibbs sampling).
#
# **Level:** advanced · **Time:** 75 minutes reading, 3 minutes computing

# %%
import time

# Of these vae_course comes first: it chooses TensorFlow's settings.
from vae_course import datasets, evaluation, likelihoods, models, networks, plots

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

tfd = tfp.distributions
plots.use_style()

# %%
DATASET = "digits"  # or "mnist", "fashion_mnist": for sections 1 to 7; the films stay
HIDDEN = 16  # units, few enough for an exact sum over all their states
STEPS = 4500
SEEDS = 3  # machines that are trained side by side
TRAIN_SIZE, VALID_SIZE = 5000, 1000  # at most
keras.utils.set_random_seed(0)

# %% mystnb={"image": {"alt": "Diagram: three hidden units above four pixels. A line without an arrowhead joins each pixel to each hidden unit, and no line joins two units of the same layer."}}
nodes = {f"$h_{j}$": (1.2 + 2.4 * j, 2.2, "variable") for j in (1, 2, 3)}
nodes |= {f"$x_{i}$": (2.4 * i, 0, "observed") for i in range(1, 5)}
nodes |= {"hidden": (0.5, 2.2, "text"), "pixels": (0.5, 0, "text"), "$W$": (10.6, 1.1, "text")}
line = {"head": "-", "color": plots.COLORS[0]}
units, pixels = list(nodes)[:3], list(nodes)[3:7]
arrows = [(h, x, line) for h in units for x in pixels]
ax = plots.schematic(nodes, arrows, unit=0.6)
plt.show()

# %% [markdown]
# The picture has lines, not arrows, because nothing is generated from anything else. Each line joins one pixel and one hidden unit, and its weight says how much the model favors both being on
# at once. There are no lines within a layer. That is the *restriction* in the name **restricted Boltzmann machine** (RBM), and everything that is cheap about the model follows from it.
#
# ## 1. What does a model with an energy instead of a decoder look like?
#
# A VAE describes how an example comes about: draw a code, then decode it. A **Boltzmann machine** only gives scores. It assigns an **energy** to each configuration of pixels
# $x \in \{0,1\}^D$ and hidden units $h \in \{0,1\}^H$, and low energies are likely:
#
# $$ E(x, h) = -x^\top b - h^\top c - x^\top W h, \qquad p(x, h) = \frac{e^{-E(x, h)}}{Z}, \qquad Z = \sum_{x, h} e^{-E(x, h)}. \tag{11.1} $$
#
# $Z$, the **partition function**, makes the probabilities sum to one. It is itself a sum over $2^{D+H}$ configurations. But once the pixels are given, the energy is a sum of one term per hidden unit,
# so the hidden units are independent. In the same way the pixels are independent once the hidden units are given. Both conditionals are exact:
#
# $$ p(h_j = 1 \mid x) = \sigma(c_j + (x^\top W)_j), \qquad p(x_i = 1 \mid h) = \sigma(b_i + (W h)_i). \tag{11.2} $$
#
# The first is the posterior. The encoder of a VAE only approximates it; here we get the posterior itself, for free. For the same reason we can sum $h$ out of $p(x, h)$. What is left is an energy of the pixels alone,
# the **free energy**:
#
# $$ p(x) = \frac{e^{-F(x)}}{Z}, \qquad F(x) = -\log \sum_h e^{-E(x, h)} = -x^\top b - \sum_{j} \log\left(1 + e^{c_j + (x^\top W)_j}\right). \tag{11.3} $$
#
# In the code below, the parameters are a triple $(W, b, c)$. The arrays have an extra axis in front, so that they hold several machines at once, one for each seed; NumPy's `@` handles this axis by itself. The sum over $2^H$ states
# in equation 11.3 now takes one line, and for a small machine we can check it term by term.

# %%
def sigmoid(v):
    return 0.5 + 0.5 * np.tanh(0.5 * v)  # 1 / (1 + exp(-v)), without overflow


def softplus(v):
    return np.logaddexp(0, v)


def free_energy(x, W, b, c):
    """F(x), equation 11.3: x [n, pixels], W [seeds, pixels, hidden] -> [seeds, n], in nats."""
    return -(x * b).sum(axis=-1) - softplus(x @ W + c).sum(axis=-1)


def states(units):  # all vectors of zeros and ones: [2^units, units]
    return (np.arange(2**units)[:, None] >> np.arange(units) & 1).astype("float32")

# %%
random = np.random.default_rng(0)
W, b, c = random.normal(size=(1, 6, 4)), random.normal(size=(1, 1, 6)), random.normal(size=4)
x, h = states(6), states(4)
energy = -(x * b).sum(axis=-1).T - h @ c - x @ W[0] @ h.T  # all 64 x 16 configurations
summed = -np.logaddexp.reduce(-energy, axis=1)
assert energy.shape == (64, 16), "every x with every h"
assert np.allclose(free_energy(x, W, b, c)[0], summed), "the sum over h, one unit at a time"

# %% [markdown]
# ## 2. How likely is an image?
#
# Equation 11.3 gives log-likelihoods up to one constant, $\log Z$. Differences are exact: $F(x') - F(x)$ says how many nats more likely $x$ is than $x'$, *in the same machine*. The free energies of different machines
# cannot be compared, because each machine has its own $Z$.
#
# If the hidden layer is small, we can compute $Z$ as well. We sum out the pixels instead of the hidden units, and with 16 hidden units $2^{16}$ hidden states remain:
#
# $$ \log Z = \log \sum_h \exp\Big( h^\top c + \sum_i \log\left(1 + e^{b_i + (W h)_i}\right) \Big). \tag{11.4} $$
#
# So in this chapter, as long as a machine has 16 hidden units, we can hold every estimate against the exact log-likelihood. In the library, `evaluation.log_partition` computes the same sum over the smaller of the two layers.

# %%
def log_z(W, b, c):
    """log Z, equation 11.4, by enumeration of the hidden layer: [seeds]."""
    term = lambda h: (h * c).sum(axis=-1) + softplus(h @ W.mT + b).sum(axis=-1)  # noqa: E731
    pieces = np.array_split(states(W.shape[-1]), 64)  # one at a time: memory
    return np.logaddexp.reduce([np.logaddexp.reduce(term(h), axis=-1) for h in pieces], axis=0)


def exact(x, parameters):  # mean log p(x), in nats an example: [seeds]
    return -free_energy(x, *parameters).mean(axis=-1) - log_z(*parameters)


assert np.allclose(log_z(W, b, c), np.logaddexp.reduce(-energy, axis=None)), "the same Z"

# %% tags=["drift"]
data = datasets.load(DATASET)
shape = data.x_train.shape[1:]
x_train, x_valid = (
    (x > 0.5).reshape(len(x), -1).astype("float32")
    for x in (data.x_train[:TRAIN_SIZE], data.x_valid[:VALID_SIZE])
)
rates = np.clip(x_train.mean(axis=0), 0.01, 0.99)  # how often each pixel is on
independent = (x_valid @ np.log(rates) + (1 - x_valid) @ np.log1p(-rates)).mean()
print(f"independent pixels: {independent:.2f} nats an image")

# %% [markdown]
# A model of independent pixels is an RBM without hidden units. Its log-likelihood is the score to beat.
#
# ## 3. What is the gradient of the log-likelihood?
#
# Differentiate $\log p(x) = -F(x) - \log Z$ with respect to any parameter $\theta$. The derivative of $\log Z$ is an average under the model itself:
#
# $$ \frac{\partial \log p(x)}{\partial \theta} = -\frac{\partial F(x)}{\partial \theta} + \mathbb E_{p(x')}\left[\frac{\partial F(x')}{\partial \theta}\right],
# \qquad -\frac{\partial F(x)}{\partial W} = x\, p(h = 1 \mid x)^\top. \tag{11.5} $$
#
# A step along this gradient lowers the free energy of the data, and raises it at the model's own samples. Training comes to rest when pixels and hidden units are on together as often in the data as in the model's samples.
# The first term is easy to average over the data. The second needs samples from the model, and this is where one misses a decoder.
#
# For the machine with six pixels we can enumerate every image, and let TensorFlow differentiate $\log p$ for comparison.

# %%
some = states(6)[[3, 12, 48, 63]]  # four images as data
model = np.exp(-summed - log_z(W, b, c))  # p(x) of all 64 images
pairs = lambda x: x[:, :, None] * sigmoid(x @ W[0] + c)[:, None, :]  # noqa: E731
by_hand = pairs(some).mean(axis=0) - np.tensordot(model, pairs(states(6)), axes=1)

weight, x = tf.Variable(W[0]), tf.constant(states(6).astype("float64"))
with tf.GradientTape() as tape:
    minus_F = tf.linalg.matvec(x, b[0, 0]) + tf.reduce_sum(tf.nn.softplus(x @ weight + c), 1)
    log_p = tf.reduce_mean(tf.gather(minus_F, [3, 12, 48, 63])) - tf.reduce_logsumexp(minus_F)
assert np.allclose(tape.gradient(log_p, weight), by_hand), "equation 11.5 is the gradient"

# %% [markdown]
# ## 4. Contrastive divergence: how far must a chain run?
#
# We draw from the model by Gibbs sampling: draw $h$ given $x$, then $x$ given $h$, both by equation 11.2, and repeat. A chain that has run long enough draws from the model.
# Nobody can wait that long in each step of training, so there are two shortcuts:
#
# - **Contrastive divergence, CD-$k$** (Hinton, 2002): start the chains at the data, and take $k$ Gibbs steps. A chain cannot get far in so few steps, so the gradient is biased: it raises the energy only *near* the data.
# - **Persistent CD, PCD** (Tieleman, 2008): keep the chains running from one training step to the next. As long as the weights move slowly, the chains follow and stay near the model's distribution. Restarting them throws this away.
#
# Both use the same ten lines of code; only the starting point of the chains differs.

# %%
def gibbs(x, W, b, c, k, random):
    """k steps x -> h -> x, equation 11.2, from x [..., n, pixels]."""
    for _ in range(k):
        p = sigmoid(x @ W + c)
        h = (random.random(p.shape, dtype="float32") < p).astype("float32")
        p = sigmoid(h @ W.mT + b)
        x = (random.random(p.shape, dtype="float32") < p).astype("float32")
    return x

# %%
def mean(v):
    return v.mean(axis=-2, keepdims=True)  # over examples


def step(x, chains, W, b, c, rate):
    """Equation 11.5 with chains [seeds, n, pixels] for the model's draws: new (W, b, c)."""
    h, h_model = sigmoid(x @ W + c), sigmoid(chains @ W + c)
    slope = x.mT @ h / len(x) - chains.mT @ h_model / chains.shape[-2]
    b = b + rate * (mean(x) - mean(chains))
    return W + rate * slope, b, c + rate * (mean(h) - mean(h_model))

# %%
def train(x, rate, steps=STEPS, batch=20, k=1, chains=0, step=step, note=None):
    """(parameters, notes): CD-k, or PCD with so many chains; `rate` is (first, last)."""
    random = np.random.default_rng(0)
    W = random.normal(scale=0.01, size=(SEEDS, x.shape[1], HIDDEN)).astype("float32")
    on = np.clip(x.mean(axis=0), 0.01, 0.99)
    b = np.tile(np.log(on / (1 - on)).astype("float32"), (SEEDS, 1, 1))
    parameters = W, b, np.zeros((SEEDS, 1, HIDDEN), "float32")
    walkers = (random.random((SEEDS, chains, x.shape[1])) < on).astype("float32")
    notes = []
    for i in range(steps):
        rows = x[random.integers(len(x), size=batch)] if batch else x
        walkers = gibbs(walkers if chains else rows, *parameters, k, random)
        now = np.float32(rate[0] * (rate[-1] / rate[0]) ** (i / steps))
        parameters = step(rows, walkers, *parameters, now)
        if note and (i + 1) % (steps // 15) == 0:
            notes.append(note(parameters))
    return parameters, np.array(notes)

# %% [markdown]
# The pixel biases start where each pixel has its base rate, the share of training images in which it is on. So each machine begins as a model of independent pixels. The step size either falls from 0.3 to 0.01 or stays at 0.1.
#
# **Predict.** CD-1 takes one Gibbs step, CD-5 takes five, and PCD keeps 20 chains running. How many nats of log-likelihood will separate the best of the three from the worst? Which will suffer most from the constant step size?

# %% tags=["drift"]
falling, constant = (0.3, 0.01), (0.1,)
kinds = {"CD-1": {}, "CD-5": {"k": 5}, "PCD": {"chains": 20}}
machines, scores = {}, {}
for name, options in kinds.items():
    for rate in (falling, constant) if name != "CD-5" else (falling,):
        machines[name, rate] = train(x_train, rate, **options)[0]
        scores[name, rate] = exact(x_valid, machines[name, rate])

print("exact log p of validation images, a column for each seed")
for (name, rate), values in scores.items():
    print(f"{name:5s} step {str(rate):12s}", np.round(values, 2))
for name in kinds:
    assert np.all(scores[name, falling] > independent + 3), f"{name} learned"
if DATASET == "digits":
    means = {key: values.mean() for key, values in scores.items()}
    tied = [means[name, falling] for name in kinds]
    assert max(tied) - min(tied) < 0.6, "with a falling step the three are near each other"
    lost = {name: means[name, falling] - means[name, constant] for name in ("CD-1", "PCD")}
    assert lost["PCD"] > lost["CD-1"], "a constant step harms PCD more"

# %% [markdown]
# With a falling step size, less than two tenths of a nat separate the best from the worst mean, hardly more than separates two seeds of the same method. So a longer chain gains next to nothing here, at several times the cost. PCD suffers most from a constant step size:
# it is clearly worse, and erratic. Its chains lag behind, so they are right about an *earlier* model and not about the present one; they catch up only if the steps shrink. The step size mattered more than the kind of chain.
#
# ## 5. Which numbers tell you that training works?
#
# We can follow the exact log-likelihood only because there are just 16 hidden units. What people usually watch instead is
#
# - the **reconstruction error**: the cross-entropy between $x$ and $p(x \mid h)$ at $h = p(h = 1 \mid x)$;
# - the **pseudo-log-likelihood** $\sum_i \log p(x_i \mid x_{\text{others}})$. Each term needs only two free energies, so $Z$ drops out: the term is $\log \sigma(F(x \text{ with } x_i \text{ flipped}) - F(x))$.
#
# We test both on **bars and stripes**. These are images of $4 \times 4$ pixels in which every column, or else every row, is either all on or all off. There are 30 of them, all equally likely, so the best possible log-likelihood is $-\log 30 = -3.40$ nats.
# The batch of each training step is the whole set.
#
# **Predict.** CD-1 runs for 15000 steps of constant size 0.1, and the reconstruction error falls all the time. What will the log-likelihood do?

# %%
def reconstruction_error(x, W, b, c):
    """Cross-entropy, in nats an image: [seeds]."""
    logits = sigmoid(x @ W + c) @ W.mT + b
    return (softplus(logits) - x * logits).sum(axis=-1).mean(axis=-1)


def pseudo_log_likelihood(x, W, b, c):
    """sum_i log p(x_i | the others), in nats an image: [seeds]."""
    F, total = free_energy(x, W, b, c), 0.0
    for i in range(x.shape[-1]):
        flipped = np.where(np.arange(x.shape[-1]) == i, 1 - x, x)
        total = total - softplus(F - free_energy(flipped, W, b, c))
    return total.mean(axis=-1)


def measure(p):
    return exact(bars, p), reconstruction_error(bars, *p), pseudo_log_likelihood(bars, *p)

# %% tags=["drift"]
columns = np.repeat(states(4)[:, None, :], 4, axis=1)  # [16, 4, 4]
bars = np.unique(np.concatenate([columns, columns.mT]).reshape(32, 16), axis=0)
assert bars.shape == (30, 16), "all off and all on are bars and stripes at once"
options = {"steps": 15_000, "batch": None, "note": measure}
runs = {"CD-1, step 0.1": train(bars, (0.1,), **options)}
runs["PCD, step 0.1"] = train(bars, (0.1,), chains=30, **options)
runs["PCD, step 0.1 to 0.001"] = train(bars, (0.1, 0.001), chains=100, **options)

at = {label: np.stack([notes[2], notes[-1]]) for label, (_, notes) in runs.items()}
print(f"3000, 15000 steps        {'log p':>17s} {'error':>17s} {'pseudo log p':>17s}")
for label, (early, late) in at.items():
    pairs = (f"{e.mean():7.2f} to {v.mean():6.2f}" for e, v in zip(early, late, strict=True))
    print(f"{label:23s}", *pairs)
early, late = at["CD-1, step 0.1"]
assert np.all(late[0] < early[0] - 0.2), "CD-1: the exact log-likelihood got worse"
assert np.all(late[1] < 0.5 * early[1]) and np.all(late[2] > early[2]), "the others got better"
assert np.all(at["PCD, step 0.1"][1][0] < late[0] - 1), "PCD with a constant step is worst"
assert np.all(at["PCD, step 0.1 to 0.001"][1][0] > late[0] + 1), "with a falling step, best"

# %% tags=["drift"] mystnb={"image": {"alt": "Three panels against thousands of steps, a line for each seed: exact log-likelihood, reconstruction error, pseudo-log-likelihood. PCD with a falling step size is best in the first and worst in the other two."}}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharex=True)
names = "log-likelihood (exact)", "reconstruction error", "pseudo-log-likelihood"
none = [None] * (SEEDS - 1)
for number, (ax, name) in enumerate(zip(axes, names, strict=True)):
    for color, (label, (_, notes)) in zip(plots.COLORS, runs.items(), strict=False):
        ax.plot(np.arange(1, 16), notes[:, number], color=color, label=[label, *none])
    ax.set(title=name, xlabel="thousands of steps", ylabel="nats an image")
axes[0].axhline(-np.log(30), color="black", linestyle=":")
axes[0].set_ylim(-20, -3)
axes[1].set_yscale("log")
axes[2].set_ylim(-1, 0.02)
axes[2].legend(loc="lower right")
plt.show()

# %% [markdown]
# It gets worse, by almost a nat from about step 3000 on, while the reconstruction error falls to a sixth and the pseudo-log-likelihood rises. (There is a line for each seed; the dotted line is the best possible value.) The machine that is best by likelihood is the *worst* by the
# two other numbers. Both of these look only at the data and their nearest surroundings, one flip or one Gibbs step away. There all is well: the 30 images sit in deep wells of the free energy. The trouble is elsewhere. CD's chains start in the wells and hardly ever leave them,
# so nothing tells the model about the probability that it puts far from the data. *No number that looks only near the data can see what the model does far from it.*
#
# PCD does see what happens there. Yet with a constant step size it is the worst of all, because thirty chains in deep wells lag thousands of steps behind the model. With a hundred chains and a falling step size, PCD comes within a third of a nat of the best possible value. So shrink
# the step size, and look at the samples of *long* chains that start from coin flips.
#
# ## 6. What if zeros and ones are swapped?
#
# (Optional on a first reading, up to the introduction of `models.RBM`.) Swapping zeros and ones changes nothing about the data but the names of the two values, and for every RBM there is another with the same likelihood on the flipped images. But the gradient
# $x\,p(h|x)^\top$ is not symmetric in the two values. A pixel that is off sends nothing to its weights. One that is on in nearly every image sends them nearly the same push at every step, as a bias does, and this common part hides what tells images apart. So plain training should suffer where most pixels are on. **Centering** (Montavon and Müller, 2012; Melchior et al., 2016) subtracts the means of pixels and hidden units,
# $\mu$ and $\lambda$, before the product. The biases must then make up for the shift:
#
# $$ \begin{aligned}
# \Delta W &= \langle (x - \mu)(h - \lambda)^\top \rangle_{\text{data}} - \langle \dots \rangle_{\text{model}}, \\
# \Delta b &= \langle x \rangle_{\text{data}} - \langle x \rangle_{\text{model}} - \Delta W \lambda, \\
# \Delta c &= \dots - \Delta W^\top \mu. \end{aligned} \tag{11.6} $$
#
# **Predict.** In the ordinary digits about seven in ten pixels are zeros. We train plain and centered PCD, each on the digits and on their negatives. Which two of the four results will agree best?

# %%
def centered_step(x, chains, W, b, c, rate):
    """Equation 11.6: `step`, for an energy in x - mu and h - lambda."""
    mu, h, h_model = mean(x), sigmoid(x @ W + c), sigmoid(chains @ W + c)
    lam, n = mean(h), chains.shape[-2]
    slope = (x - mu).mT @ (h - lam) / len(x) - (chains - mu).mT @ (h_model - lam) / n
    b = b + rate * (mean(x) - mean(chains) - lam @ slope.mT)
    return W + rate * slope, b, c + rate * (mean(h) - mean(h_model) - mu @ slope)

# %% tags=["drift"]
flips = {}
for name, now in (("plain", step), ("centered", centered_step)):
    for paper, flip in (("images", lambda x: x), ("negatives", lambda x: 1 - x)):
        fitted, _ = train(flip(x_train), falling, 1500, chains=20, step=now)
        flips[name, paper] = exact(flip(x_valid), fitted)
        print(f"{name:9s} {paper:10s}", np.round(flips[name, paper], 2))
harm = [np.mean(flips[k, "images"] - flips[k, "negatives"]) for k in ("plain", "centered")]
if DATASET == "digits":
    assert abs(harm[1]) < 0.3 < 0.5 < harm[0], "only to plain PCD does it matter what is one"

# %% [markdown]
# The two centered ones agree best: to a centered machine, the images and their negatives are the same problem. Plain PCD loses more than a nat when ones and zeros are swapped. Centering does not make everything better: on the
# images as they are, with few ones, the plain machines were half a nat ahead after these 1500 steps. What centering brings is invariance, so that a step size chosen on one data set suits the next.
#
# In the library, `models.RBM` is a Keras model like all the others. Unless told otherwise it is centered and keeps persistent chains. It holds a single machine, whose chains and offsets ($\mu$ and $\lambda$) are saved with it. We train one for comparison, without centering, as our own machines were.

# %% tags=["drift"]
def library_rbm(parameters, shape):
    """The first of our machines as a model of the library."""
    W, b, c = (part[0] for part in parameters)
    rbm = models.RBM(shape, W.shape[1])
    rbm.set_weights_and_biases(W, b[0], c[0])
    return rbm


best = machines["PCD", falling]
ours = library_rbm(best, shape)
images = x_valid.reshape(-1, *shape)
assert np.allclose(ours.free_energy(images), free_energy(x_valid, *best)[0], atol=1e-2), "F"
assert np.isclose(evaluation.log_partition(ours), log_z(*best)[0], atol=1e-3), "Z"

rbm, epochs = models.RBM(shape, HIDDEN, centered=False), 30
schedule = keras.optimizers.schedules.ExponentialDecay(0.3, epochs * len(x_train) // 20, 1 / 30)
rbm.compile(keras.optimizers.SGD(schedule))
rbm.fit(x_train.reshape(-1, *shape), batch_size=20, epochs=epochs, verbose=0)
score = -rbm.free_energy(images).mean() - evaluation.log_partition(rbm)
print(f"models.RBM after {epochs} epochs: {score:.2f} nats an image")

# %% [markdown]
# (That is after some 1,800 steps; our own machines were trained for 4,500.) Its training history reports the pseudo-log-likelihood. That number is worth a look, but by section 5 it proves nothing. With 16 hidden units the exact value takes just one more call.
#
# ## 7. What if the hidden layer is too large to sum over?
#
# With 64 hidden units the sum for $Z$ has $2^{64}$ terms. **Annealed importance sampling** (AIS; Neal, 2001; for RBMs Salakhutdinov and Murray, 2008) estimates $Z$ by a walk in small steps. The walk begins at a machine $A$ whose $Z_A$ is known, independent pixels. It blends the energy of $A$ into
# that of the RBM, while $\beta$, an *inverse* temperature (and not the weight of a KL), goes from 0 to 1:
#
# $$ p_\beta(x) \propto \tilde p_\beta(x) = e^{(1-\beta)\, x^\top a} \, \prod_j \left(1 + e^{\beta (c_j + (x^\top W)_j)}\right) e^{\beta\, x^\top b}, \qquad
# \log w = \sum_{t=1}^{T} \log \frac{\tilde p_{\beta_t}(x_t)}{\tilde p_{\beta_{t-1}}(x_t)}. \tag{11.7} $$
#
# Draw $x_1$ from $A$. Record the log-ratio of $\tilde p$ at $x_1$ between the next machine and the present one, take one Gibbs step *in that next machine*, and so on. As in chapter 04, the weights are unbiased estimates of a ratio, $\mathbb E[w] = Z / Z_A$, so the $\log$ of their mean is too low on average.

# %% tags=["drift"]
def ais(W, b, c, on, temperatures, chains=100, seed=0):
    """(log Z, log w [chains]) for W [pixels, hidden], from pixels with base rates `on`."""
    random, a = np.random.default_rng(seed), np.log(on / (1 - on))
    units = lambda x, beta: softplus(beta * (x @ W + c)).sum(axis=1)  # noqa: E731
    log_p = lambda x, beta: x @ ((1 - beta) * a + beta * b) + units(x, beta)  # noqa: E731
    x, log_w = (random.random((chains, len(a))) < on).astype(float), 0.0
    betas = np.linspace(0, 1, temperatures + 1)
    for before, beta in zip(betas[:-1], betas[1:], strict=True):
        log_w = log_w + log_p(x, beta) - log_p(x, before)
        h = random.random((chains, len(c))) < sigmoid(beta * (x @ W + c))
        x = random.random(x.shape) < sigmoid((1 - beta) * a + beta * (h @ W.T + b))
    known = softplus(a).sum() + len(c) * np.log(2)  # at beta = 0 each h is a coin
    return known + np.logaddexp.reduce(log_w) - np.log(chains), log_w


truth = evaluation.log_partition(ours)
by_hand = ais(*ours.weights_and_biases(), rates.astype(float), 1000)[0]
print(f"log Z: exact {truth:.3f}, by 1000 temperatures {by_hand:.3f}")
assert abs(by_hand - truth) < 0.3 or DATASET != "digits", "AIS finds Z"

# %% [markdown]
# From here on we use `evaluation.annealed`, which takes the same walk. It starts from coin flips unless it is given base rates.
#
# **Predict.** With 10 temperatures instead of 1000: will the estimate be too high or too low? Does the start matter?

# %% tags=["drift"]
misses = {}  # estimate - exact log Z, in nats
for name, start in (("base rates", rates), ("coin flips", None)):
    for temperatures in (10, 100, 1000):
        found = [evaluation.annealed(ours, temperatures, 100, start, seed=s) for s in range(3)]
        misses[name, temperatures] = np.array([estimate.log_z for estimate in found]) - truth
        print(f"{name} {temperatures:5d} temperatures", np.round(misses[name, temperatures], 3))
near = np.abs(misses["base rates", 1000]).max() < 0.2 or DATASET != "digits"
assert near, "a thousand temperatures are enough"
assert misses["coin flips", 10].mean() < -0.5, "few temperatures from coin flips: too low"

# %% [markdown]
# Too low, by about a nat if the walk starts from coin flips. The start does matter: from the base rates even 10 temperatures miss by only a tenth, because most of what there is to know about an image is how often each pixel is on. A $\log Z$ that is too low
# makes the log-likelihood too *high*, so the error of AIS flatters the model.
#
# ## 8. Can an estimate be confidently wrong?
#
# The usual check is the spread of the log-weights: if a hundred chains agree, the estimate should be good. We try this on a machine with 60 pixels and a single hidden unit, so that everything about it is known. With $h = 0$ the pixels are
# coin flips. With $h = 1$ each pixel is on with probability $\sigma(4) = 0.98$. This state covers only a tiny corner of all images, but it has 99 % of the probability.

# %% tags=["drift"]
trap = models.RBM(60, hidden_size=1)
trap.set_weights_and_biases(np.full((60, 1), 4.0), np.zeros(60), [-194.5])
truth = evaluation.log_partition(trap)
share = 1 - np.exp(60 * np.log(2) - truth)  # of h = 1
print(f"exact log Z {truth:.2f}; h = 1 has {share:.1%} of it")


def exact_draws(seed, n=100):
    """Samples of the trap, drawn as they should be: first h, then the pixels."""
    random = np.random.default_rng(seed)
    on = np.where(random.random((n, 1)) < share, sigmoid(4.0), 0.5)
    return (random.random((n, 60)) < on).astype("float32")


# %% tags=["drift"]
walk = lambda s, **options: evaluation.annealed(trap, 1000, seed=s, **options)  # noqa: E731
walks = {"coin flips": [walk(s) for s in range(3)]}
walks["in reverse"] = [walk(s, reverse_from=exact_draws(s)) for s in range(3)]
walks["base rates"] = [walk(s, start=exact_draws(s).mean(axis=0)) for s in range(3)]
for name, found in walks.items():
    print(name, *(f"{e.log_z:8.2f} ± {e.log_weights.std() / 10:.3f}" for e in found))
for one, other in zip(walks["coin flips"], walks["in reverse"], strict=True):
    assert one.log_z < truth - 4 and one.log_weights.std() < 0.1, "wrong, and sure"
    assert abs(one.log_z - other.log_z) > 2, "the walk back disagrees"

# %% [markdown]
# It can: from coin flips the estimate is five nats too low in each of three repeats, with a standard error of two thousandths. All hundred chains agree because they all ended up in the same wide valley, the images that look like coin flips. None of them has
# seen the small, deep hole of $h = 1$. It outweighs the valley only from $\beta = 0.88$ on, and can then be entered only from an image with some 49 of 60 pixels on; coin flips give one in about three million.
#
# What raises the alarm is a walk in the other direction. **Reverse AIS** (Burda et al., 2015) starts at samples from the machine and walks back to $A$. On average it errs upward, so on average the two estimates enclose the truth. Here they differ by 4 to 14 nats.
# In this case it would also have helped to start at the base rates. *Take the gap between the two directions as the alarm, not the spread of either.*
#
# Reverse AIS needs samples from the *model*. A popular shortcut uses data instead, which is right only if the model is good. Our worst machine, trained by PCD with a constant step size on bars and stripes, is not: it puts nearly all of its probability elsewhere.

# %% tags=["drift"]
poor = runs["PCD, step 0.1"][0]
start = bars.mean(axis=0)
for i, truth in enumerate(log_z(*poor)):
    rbm = library_rbm([part[i : i + 1] for part in poor], 16)
    there = evaluation.annealed(rbm, 1000, start=start).log_z - truth
    back = evaluation.annealed(rbm, 1000, start=start, reverse_from=bars).log_z
    print(f"estimate - exact: forward {there:5.2f}, in reverse from data {back - truth:6.2f}")
    assert abs(there) < 1 < truth - back, "from data, the reverse walk is not an upper bound"

# %% [markdown]
# The reverse walk should err upward, but when it starts from data it is several nats too *low* for each of the three machines. It gives $\log Z$ only for the part of the space where the data are.
#
# ## 9. Are the features of an RBM good?
#
# (Optional on a first reading.) RBMs became famous as feature extractors: $p(h = 1 | x)$ is learned without labels and then used as the input of a classifier. We train three machines with 64 hidden units on all training digits. Then a logistic regression learns
# from the features of a few digits *with* labels. Its rivals get the pixels themselves, the first 16 principal components, the means of a VAE with eight latents, or 64 *random* features, which are the $\tanh$ of sums of pixels with random weights. The random features are the control:
# they tell learning from a mere change of representation.
#
# **Predict.** With 50 or 100 labels, which features will help most, and where will the pixels rank?

# %% tags=["drift"]
digits = datasets.load("digits")
split = lambda x: (x > 0.5).reshape(len(x), -1).astype("float32")  # noqa: E731
x_train, x_valid = split(digits.x_train), split(digits.x_valid)
HIDDEN, tic = 64, time.process_time()
wide, _ = train(x_train, falling, 6000, chains=20)
seconds = {"RBM-64": (time.process_time() - tic) / SEEDS}


def new_vae(seed):
    keras.utils.set_random_seed(seed)
    encoder = networks.mlp_encoder((64,), 16, hidden=(128,))
    return models.VAE(encoder, networks.mlp_decoder(8, (64,), hidden=(128,)))


vae, codes, vae_scores = new_vae(0), [], []
vae.compile(keras.optimizers.Adam(3e-3))
for seed in range(SEEDS):
    vae.start_from(new_vae(seed))
    tic = time.process_time()
    vae.fit(x_train, batch_size=64, epochs=60, verbose=0)
    seconds["VAE-8"] = time.process_time() - tic
    codes.append((vae.encode(x_train), vae.encode(x_valid)))
    vae_scores.append(evaluation.log_likelihood(vae, x_valid, k=100).mean)

# %%
pca, both = PCA(16).fit(x_train), (x_train, x_valid)
noise = np.random.default_rng(0).normal(scale=0.5, size=(64, 64))
features = {"pixels": [both], "PCA-16": [[pca.transform(x) for x in both]], "VAE-8": codes}
features["RBM-64"] = list(zip(*(sigmoid(x @ wide[0] + wide[2]) for x in both), strict=True))
features["random-64"] = [[np.tanh((x - 0.3) @ noise) for x in both]]


def accuracy(train_and_valid, labels, draw):
    """On validation digits, of a logistic regression that has seen so many labels."""
    rows = np.random.default_rng(draw).choice(len(x_train), labels, replace=False)
    classifier = LogisticRegression(C=1.0, max_iter=300)
    classifier.fit(train_and_valid[0][rows], digits.y_train[rows])
    return classifier.score(train_and_valid[1], digits.y_valid)


correct = {  # [versions, draws]
    (name, labels): np.array([[accuracy(v, labels, i) for i in range(10)] for v in versions])
    for name, versions in features.items()
    for labels in (50, 100, 300)
}

# %% tags=["drift"]
for name in features:  # accuracies with 50, 100 and 300 labels
    print(f"{name:10s}", *(f"{correct[name, labels].mean():.3f}" for labels in (50, 100, 300)))
for labels in (50, 100, 300):
    rbm, pixels, noise = (correct[name, labels] for name in ("RBM-64", "pixels", "random-64"))
    extra = rbm.mean(axis=0) - pixels[0]  # of each draw
    error = extra.std(ddof=1) / np.sqrt(10)
    print(f"RBM - pixels, {labels} labels: {extra.mean():.3f} ± {error:.3f}")
    assert extra.mean() > 0.02 or labels == 300, "with few labels the RBM's features help"
    assert noise.mean() < pixels.mean(), "random features do not: learning does it"

# %% [markdown]
# The RBM's features help most, by a clear margin: with 50 labels a classifier on them gets about seven more digits in a hundred right than one on pixels, and with 100 labels about four more. The errors in the output are those of the paired difference over ten draws of
# the labels. With 300 labels the lead is one point, as one would expect: the more labels there are, the less there is to gain from images without any. The same number of random features does worse than pixels, so it is the learning that helps. The VAE's eight
# means lose: a code of eight numbers is made for reconstruction, and drops what 64 units can keep. That is a result about these sizes, not about the two families.
#
# ## 10. VAE against RBM, point by point
#
# The cells of section 9 trained an RBM with 64 hidden units and a VAE with eight latents, so we can ask the two families the same questions. The log-likelihood of the RBM comes from AIS in both directions, and that of the VAE from 100 importance samples, for three seeds each.

# %% tags=["drift"]
rbms = [library_rbm([part[i : i + 1] for part in wide], 64) for i in range(SEEDS)]
tic = time.process_time()
drawn = [rbm.sample(300, steps=500, seed=0) for rbm in rbms]
drawing = {"RBM-64": (time.process_time() - tic) / SEEDS}
tic = time.process_time()
vae.sample(300, seed=0, noise=True)
drawing["VAE-8"] = time.process_time() - tic
walk = lambda rbm, x=None: evaluation.annealed(rbm, 500, 100, on, x).log_z  # noqa: E731
on = x_train.mean(axis=0)
up = np.array([walk(rbm) for rbm in rbms])
back = np.array([walk(rbm, x[:100]) for rbm, x in zip(rbms, drawn, strict=True)])
rbm_scores = -np.array([rbm.free_energy(x_valid).mean() for rbm in rbms]) - up
elbo = vae.log_weights(x_valid, 20, tf.constant([0, 0])).numpy().mean()
print("RBM-64: log p", np.round(rbm_scores, 2), "reverse - forward", np.round(back - up, 2))
print("VAE-8:  log p", np.round(vae_scores, 2), f"ELBO {vae_scores[-1] - elbo:.2f} lower")
for what, table in (("training", seconds), ("300 draws", drawing)):
    print(what, *(f"{name}: {value:.2f} s" for name, value in table.items()))
near = np.mean(rbm_scores) - np.mean(vae_scores)
assert -0.3 < near < 2, "the RBM is no worse a density of these digits"
assert np.abs(back - up).max() < 0.5, "both directions of AIS agree"

# %% [markdown]
# | question | RBM-64 | VAE-8 |
# |---|---|---|
# | what is exact? | $p(h \mid x)$; each $p(x_i \mid x_{\text{others}})$; $\log p(x) - \log p(x')$, from two free energies | $p(x \mid z)$ |
# | $\log p(x)$ | known up to one constant for all images, which AIS estimates; the estimate errs upward, and is checked in reverse | a lower bound for each image, with a gap of 0.9 nats; importance samples close most of the gap, and err downward |
# | validation digits, in nats | $-17.0$; the two directions of AIS agree within 0.2 | $-17.5$ |
# | what trains it? | a difference of two averages, one of them over chains; there is no loss to watch | gradients of its own bound, which is also the number to watch |
# | a new example | a Gibbs chain, here of 500 steps; nothing says when it is long enough | one pass, exact |
# | 300 examples, CPU seconds | 0.3 to 0.4, by machine | at most 0.1 |
# | training, CPU seconds, by our NumPy and by the library | 0.4 to 0.8, by machine | 0.6 to 1.3, and some seconds of compiling |
# | missing pixels | drawn given the others, by the same chain | approximately, by importance weights |
# | pixels that are not zeros and ones | another energy and another chain | another likelihood |
# | depth | stacks, which train badly | any network |
#
# On 64 black-and-white pixels and at this budget, the RBM is no worse a density than the VAE: half a nat better, on all three seeds, after 60 epochs of the VAE, though both estimates err in its favor. (Chapter 12, with a larger VAE and a rule for stopping, finds the order reversed.) What it lacks is in the middle of the table: samples in one pass, and a number to watch. A decoder
# gives us both, and they matter more as the images get larger.
#
# ## 11. Which film next?
#
# The most useful thing that RBMs ever did was to make recommendations: one of them was part of the winning entry of the Netflix prize (Salakhutdinov et al., 2007). A user is a vector $x$ of zeros and ones over 200 films, with a one for each film watched. The model sees part of this list,
# and its reconstruction gives a score to every film.
#
# Our data set `films` is drawn from a known law: each user likes one to three genres, popular films are watched more, and a film that belongs to *two* liked genres gets something extra, which no sum over single films can express. Because the law is known, there is an **oracle**, the true log-probability of each
# film for each user. We hide a fifth of each test user's list. A model should put these hidden films near the top of its ranking, once the seen ones are taken out. **NDCG@k** (normalized discounted cumulative gain) counts $1 / \log_2(1 + r)$ for a hidden film at rank $r \le k$, and divides the sum by the
# largest value that it can have:
#
# $$ \mathrm{NDCG}@k = \frac{\sum_{r \le k} \mathrm{hit}_r / \log_2(1 + r)}{\sum_{r \le \min(k, m)} 1 / \log_2(1 + r)}, \qquad m = \text{number of hidden films}. \tag{11.8} $$
#
# **Recall@k** counts the hits among the first $k$, and divides by $\min(k, m)$. The library has both. Films with equal scores share their ranks there.
#
# We begin with the rivals of the RBM and the VAE. All but the first are a matrix $B$ of films by films, and the scores are $x B$:
#
# - **popularity**: how many training users watched the film; the same for everybody;
# - **item-kNN**: the cosine similarities between films, of which only the $k$ largest are kept;
# - **truncated SVD**: the projection onto the first singular vectors, which is PCA without subtracting the mean;
# - **EASE** (Steck, 2019): predict each film from all others by ridge regression. With $P = (X^\top X + \lambda I)^{-1}$ the solution is $B_{ij} = -P_{ij} / P_{jj}$ with zeros on the diagonal.
#
# Their sizes and $\lambda$ are chosen on *validation* users, never on test users.

# %%
films = datasets.load("films")
chosen, watched = films.x_train, films.x_test  # [users, 200], 0 or 1
splits = [evaluation.hide(watched, share=0.2, seed=draw) for draw in range(3)]
valid_seen, valid_hidden = evaluation.hide(films.x_valid, share=0.2, seed=0)


def ndcg(scores, hidden, seen, k=20):
    """Equation 11.8 for each user: all [users, films] -> [users]."""
    order = np.argsort(-np.where(seen > 0, -np.inf, scores), axis=1)[:, :k]
    worth = 1 / np.log2(np.arange(k) + 2)
    gain = np.take_along_axis(hidden, order, axis=1) @ worth
    return gain / np.cumsum(worth)[np.minimum(k, hidden.sum(axis=1)).astype(int) - 1]


seen, hidden = splits[0]
oracle = films.factors_test  # log p of each film for each test user
by_library = evaluation.ndcg(oracle, hidden, seen)
assert np.allclose(ndcg(oracle, hidden, seen), by_library, atol=1e-3), "ours and the library's"
print(f"{hidden.sum(axis=1).mean():.1f} films hidden; oracle NDCG@20 {by_library.mean():.3f}")

# %%
def ease(x, penalty):
    inverse = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    weights = -inverse / np.diag(inverse)
    return weights * (1 - np.eye(len(weights)))


def neighbors(x, k):
    unit = x / np.linalg.norm(x, axis=0)
    similar = unit.T @ unit - np.eye(x.shape[1])
    return np.where(similar >= np.sort(similar, axis=0)[-k], similar, 0)


def truncated(x, size):
    basis = np.linalg.svd(x, full_matrices=False)[2][:size]
    return basis.T @ basis

options = {neighbors: (20, 50, 100), truncated: (4, 8, 16), ease: (30, 100, 300, 1000)}
popularity = np.tile(chosen.mean(axis=0), (len(watched), 1))
recommenders = {"oracle": [lambda seen: oracle], "popularity": [lambda seen: popularity]}
for make, values in options.items():
    tried = [make(chosen, value) for value in values]
    valid = [evaluation.ndcg(valid_seen @ B, valid_hidden, valid_seen).mean() for B in tried]
    best = np.argmax(valid)
    recommenders[make.__name__] = [lambda seen, B=tried[best]: seen @ B]
    print(f"{make.__name__}: {values[best]} is best on validation users")

# %% [markdown]
# Next comes the RBM, trained by our own `train`, with 50 hidden units, and then three VAEs. The first is trained for the bound itself, with a Bernoulli likelihood. The second is the **Mult-VAE** of Liang et al. (2018), which changes three things. Its likelihood is multinomial: a list is a handful of draws
# from a single distribution over all films, so the films compete for them. Its $\beta$ is 0.2. And dropout hides half of each list from the encoder. The third is a Mult-VAE without dropout. The library has no multinomial likelihood, so we write our own; with `total_count` 1 its log-probability
# for a list is $\sum_i x_i \log \mathrm{softmax}_i$.

# %%
class Multinomial(likelihoods.Likelihood):
    """p(x|z) = prod_i softmax(output)_i^x_i: the films of a list, each drawn from one pot."""

    low, spacing, linear = 0.0, 1.0, True  # whole numbers from 0 on, of any real output

    def distribution(self, output, c=None):
        return tfd.Multinomial(1.0, logits=output)

# %%
def new_recommender(kind, seed, likelihood, beta, dropout):
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((200,))
    x = keras.layers.Dropout(dropout)(keras.layers.UnitNormalization()(x))
    x = keras.layers.Dense(100, activation="tanh")(x)
    encoder = keras.Model(inputs, keras.layers.Dense(32)(x))
    decoder = networks.mlp_decoder(16, (200,), hidden=(100,), activation="tanh")
    return kind(encoder, decoder, likelihood=likelihood(), beta=beta)

# %%
def fitted(kind, *options, epochs=25):
    """For each seed: (recommender, ELBO in the history, ELBO of validation users)."""
    model, found = new_recommender(kind, 0, *options), []
    model.compile(keras.optimizers.Adam(1e-2))
    for seed in range(SEEDS):
        model.start_from(new_recommender(kind, seed, *options))
        history = model.fit(chosen, batch_size=100, epochs=epochs, verbose=0).history
        honest = model.log_weights(films.x_valid, 20, tf.constant([0, 0])).numpy().mean()
        weights = model.get_weights()

        def recommend(seen, weights=weights):
            model.set_weights(weights)
            return model.decoder(model.encode(seen)).numpy()

        found.append((recommend, history["elbo"][-1], honest))
    return found

# %%
HIDDEN = 50
W, b, c = train(chosen, falling, 2000, 50, chains=50)[0]
rebuilt = lambda seen, W, b, c: sigmoid(seen @ W + c) @ W.T + b  # noqa: E731
recommenders["RBM"] = [lambda seen, m=m: rebuilt(seen, *m) for m in zip(W, b, c, strict=True)]
recipes = {"VAE, the bound": (likelihoods.Bernoulli, 1.0, 0.0)}
recipes["Mult-VAE"] = Multinomial, 0.2, 0.5
recipes["Mult-VAE, no dropout"] = Multinomial, 0.2, 0.0
bounds = {name: fitted(models.VAE, *recipe) for name, recipe in recipes.items()}
recommenders |= {name: [seed[0] for seed in found] for name, found in bounds.items()}

# %% [markdown]
# For each seed, a recommender is a function from seen films to scores. We evaluate it on three random choices of the hidden films. The error in the output is that of the mean *difference* from EASE over the 500 test users.
#
# **Predict.** Put these in order, best first: EASE, RBM, Mult-VAE, Mult-VAE without dropout, and the plain VAE.

# %%
def of_users(functions, score=evaluation.ndcg):
    """Scores [seeds, users], means over the three draws of what is hidden."""
    each = lambda f: [score(f(seen), hidden, seen) for seen, hidden in splits]  # noqa: E731
    return np.array([np.mean(each(f), axis=0) for f in functions])


def difference(one, other):
    """Mean and standard error over users of one - other, each [seeds, users]."""
    extra = one.mean(axis=0) - other.mean(axis=0)
    return extra.mean(), extra.std(ddof=1) / np.sqrt(len(extra))

# %% tags=["drift"]
results = {name: of_users(functions) for name, functions in recommenders.items()}
print(f"{'':22s} NDCG@20, by seed        recall@20   NDCG - EASE")
for name, values in results.items():
    found = of_users(recommenders[name], evaluation.recall).mean()
    by_seed = " ".join(f"{value:.3f}" for value in values.mean(axis=1))
    gain = "{:+.3f} ± {:.3f}".format(*difference(values, results["ease"]))
    print(f"{name:22s} {by_seed:22s}  {found:.3f}       {gain}")
ahead = {name: difference(values, results["ease"]) for name, values in results.items()}
for name in ("RBM", "VAE, the bound"):
    assert ahead[name][0] > 0.015 > 2 * ahead[name][1], f"{name} beats EASE"
assert ahead["Mult-VAE"][0] > 0 > ahead["Mult-VAE, no dropout"][0], "beta 0.2 needs dropout"
assert abs(ahead["RBM"][0] - ahead["VAE, the bound"][0]) < 0.02, "RBM and VAE: a tie"
assert max(ahead.values()) == ahead["oracle"], "nobody beats the oracle"

# %% [markdown]
# The RBM and the plain VAE come first, within a hundredth of each other. Both beat EASE by three hundredths or more, eight standard errors, on every seed. The Mult-VAE comes next. Without dropout, and with $\beta = 0.2$, it falls below EASE. When the KL counts only a fifth,
# the code can memorize lists; dropout mends this by never showing the whole list. The plain VAE needs neither a small $\beta$ nor dropout: the full KL is its regularization. The oracle is still six hundredths away.
#
# Keep in mind what has been shown and what has not. We made up this law of genres, and a linear model cannot express the extra that a film gets for two liked genres. On real ratings the order changes from one data set to the next: Steck (2019) reports an NDCG@100 of 0.426 for the Mult-VAE against 0.420 for EASE on MovieLens-20M,
# but 0.386 against 0.393 on Netflix and 0.316 against 0.389 on the Million Song Data. Always run EASE first: it takes a second.
#
# ## 12. Three ways to get such a table wrong
#
# Each of these mistakes is easy to make:
#
# 1. **The input holds the answer**: the model is shown the whole list, hidden films included.
# 2. **Seen films stay in the ranking**, where a model that repeats its input puts them at the top.
# 3. **Sampled rivals**: a hidden film is ranked against 50 random films instead of all films, and counts as found if it is among the first ten of the 51.
#
# **Predict.** Which of the three will make the numbers better, and which will change the order of the models?

# %% tags=["drift"]
seen, hidden = splits[0]
nothing, random, user = np.zeros_like(seen), np.random.default_rng(0), np.arange(len(seen))
target = np.argmax(random.random(hidden.shape) * hidden, axis=1)  # a hidden film for each
others = np.argsort(random.random(hidden.shape) + 9 * watched, axis=1)[:, :50]  # not watched
print(f"{'':22s} right  answer in input  seen in ranking  hit@10 of all  hit@10 of 51")
fooled = {}
for name in ("popularity", "ease", "RBM", "Mult-VAE"):
    recommend = recommenders[name][0]
    scores = recommend(seen)
    above = scores > scores[user, target][:, None]  # films that come before the hidden one
    fooled[name] = (
        evaluation.ndcg(scores, hidden, seen).mean(),
        evaluation.ndcg(recommend(watched), hidden, seen).mean(),
        evaluation.ndcg(scores, hidden, nothing).mean(),
        (np.sum(above & (seen == 0), axis=1) < 10).mean(),
        (above[user[:, None], others].sum(axis=1) < 10).mean(),
    )
    print(f"{name:22s} " + "           ".join(f"{value:.3f}" for value in fooled[name]))
right, leaked, unmasked, hits, sampled = np.array(list(fooled.values())).T
assert np.all(leaked[2:] > right[2:] + 0.05), "whoever can copy the input profits"
assert leaked[1] < right[1] + 0.03, "EASE cannot: its diagonal is zero"
assert np.all(unmasked[1:] < right[1:] - 0.1), "repeating the input costs places"
assert np.all(unmasked[2:] < unmasked[1]), "most of all for those who were ahead"
assert np.all(sampled > hits + 0.1), "among 51 the same films are found more easily"
assert np.all(sampled[1:] > 0.7) and np.ptp(sampled[1:]) < 0.06, "and the models look alike"

# %% [markdown]
# The first makes the numbers better for models that can copy and the third for all (hit@10 of the same hidden films among 51 and among all unseen ones), and the second puts EASE ahead of the two models that were better. With the answer in the input, RBM and Mult-VAE gain about nine hundredths by copying. EASE cannot copy, because its diagonal is zero, so it would look worse than it is. With seen films left in the ranking, the models that
# reconstruct best fall below EASE. The sampled list raises the models to 0.8 and brings them close together, because fifty random films are mostly unpopular and easy to beat. This is why `evaluation.ndcg` insists on `seen`, and refuses a film that is both seen and hidden.
#
# ## 13. A fault that rankings hardly show
#
# RecBole, a large library of recommenders, draws the codes of its three VAEs with noise of *a hundredth* of the posterior's standard deviation, but computes the KL for the full posterior. So what training maximizes is not a bound on anything: the decoder gets
# codes that are much more precise than the rate (the KL) has paid for. In our library the fault takes three lines.
#
# **Predict.** After training with this fault, what will have happened to NDCG, to the ELBO in the training history, and to the true ELBO?

# %% tags=["drift"]
class Quiet(models.VAE):
    """A VAE whose codes have a hundredth of the noise that its KL pays for. Do not use."""

    def bound(self, x, z, posterior):
        mean = posterior.mean()
        return super().bound(x, mean + 0.01 * (z - mean), posterior)


bounds["Quiet Mult-VAE"] = fitted(Quiet, *recipes["Mult-VAE"])
results["Quiet Mult-VAE"] = of_users([seed[0] for seed in bounds["Quiet Mult-VAE"]])
reports = {}
for name in ("Mult-VAE", "Quiet Mult-VAE"):
    reports[name] = np.array([seed[1:] for seed in bounds[name]])  # [seeds, (reported, honest)]
    score = results[name].mean(axis=1)
    print(f"{name:14s} NDCG@20", np.round(score, 3), end="; ")
    print("ELBO in history", np.round(reports[name][:, 0], 1), end="; ")
    print("honest ELBO", np.round(reports[name][:, 1], 1))
change, error = difference(results["Quiet Mult-VAE"], results["Mult-VAE"])
print(f"NDCG, fault - right: {change:+.4f} ± {error:.4f}")
reported, honest = (reports["Quiet Mult-VAE"] - reports["Mult-VAE"]).T
assert abs(change) < 0.04, "the ranking hardly moves"
assert np.all(reported > 5), "the history says that the fault is an improvement"
assert np.all(honest < -10), "the bound, taken as it should be, sees it in every seed"

# %% [markdown]
# NDCG falls by about two hundredths, the ELBO in the history *improves* by 13 nats, and the true ELBO ("honest" in the output) falls by 25. The paired difference in NDCG is several standard errors from zero, so a test that has the right model beside the wrong one finds the fault. But people who make the mistake do not
# have the right model at hand. They see a recommender that is level with EASE, and a training curve that looks better than the right one. Dropout hides the fault, because it does the work of the missing noise: in one run without dropout, at $\beta = 1$ (not shown), the same fault
# cost seven hundredths of NDCG, and the model fell below EASE. (The right model's two numbers differ as well, by 11 nats the other way: in training, dropout hides half of each list from the encoder. So compare each column with itself.)
#
# The true ELBO shows the fault on each of the three seeds, because `log_weights` computes it from the posterior, the prior and the likelihood, and not from the training step. *Measure the bound with other code than the code that trains on it.*
#
# ## Summary
#
# You have
# - written a model as an energy, summed out its hidden layer in one line, and computed its exact likelihood, which 16 hidden units still allow;
# - trained it by CD and PCD, which tie when the step size falls, and seen that a constant step size hurts persistent chains most;
# - watched a reconstruction error and a pseudo-log-likelihood improve for thousands of steps while the exact log-likelihood fell by almost a nat;
# - centered the gradient, so that it does not matter which value of a pixel is called one;
# - estimated $Z$ by AIS to a few hundredths of a nat, met an estimate that was five nats wrong with a standard error of 0.002, and exposed it by the walk back;
# - found RBM features worth seven points of accuracy when labels are few;
# - compared eight recommenders with an oracle: the RBM and the VAE tie and beat EASE, the choice of dropout and $\beta$ can undo this lead, and three mistakes can change what the table says;
# - used the bound to find a fault in the noise, where the ranking moved by two hundredths and the training curve moved the wrong way.
#
# ## Common mistakes
#
# - Comparing the free energies of two machines. Each has its own $Z$.
# - Trusting a reconstruction error, or any number that looks only near the data.
# - Training by PCD with a constant step size, or restarting its chains each epoch.
# - Centering without correcting the biases: the model changes each time the means move.
# - Running AIS from coin flips with few temperatures, and taking its spread for an error bar. Walk back as well, from samples of the *model*.
# - Forgetting the sign: a $\log Z$ that is too low makes the log-likelihood too high.
# - Choosing $\lambda$, sizes or epochs on test users.
# - Leaving hidden items in the input or seen items in the ranking, or ranking against sampled rivals.
# - Computing the ideal DCG (the denominator of NDCG) from the hits that were found. Then missed films cost nothing; exercise 5 repairs this.
#
# ## Exercises
#
# [Exercises 11](../exercises/11_rbm/11_rbm.ipynb): the free energy, the exact gradient, one AIS step, EASE, a published NDCG to repair, an input that contained the answer, and a density on a budget.
#
# ## Further reading
#
# - Hinton (2002), "Training products of experts by minimizing contrastive divergence": CD.
# - Tieleman (2008), "Training restricted Boltzmann machines using approximations to the likelihood gradient": persistent chains.
# - Salakhutdinov and Murray (2008), "On the quantitative analysis of deep belief networks": AIS for RBMs.
# - Burda, Grosse and Salakhutdinov (2015), "Accurate and conservative estimates of MRF log-likelihood using reverse annealing": the walk back.
# - Melchior, Fischer and Wiskott (2016), "How to center deep Boltzmann machines": centering, with exact likelihoods.
# - Liang, Krishnan, Hoffman and Jebara (2018), "Variational autoencoders for collaborative filtering": the Mult-VAE; and Steck (2019), "Embarrassingly shallow autoencoders for sparse data": EASE, the rival to run first.
