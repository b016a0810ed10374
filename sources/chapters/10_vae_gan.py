# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 10. GAN and VAE-GAN
#
# You train a generator against a critic, watch the two go around in circles, learn how to calm them, and then give the critic's features
# to a VAE.
#
# **Goals.** After this chapter you can
# - train a GAN from scratch, and recognize oscillation and mode collapse when you see them;
# - choose a cure by measurement: label smoothing, the hinge loss, spectral normalization, R1, less momentum;
# - write the three losses of the VAE-GAN, and test which loss moves which network;
# - measure sharpness, fidelity and diversity of samples, and say what each score cannot see;
# - compare VAE, GAN and VAE-GAN fairly: the same decoder, the same number of epochs, several seeds.
#
# **Before you start.** Chapter 03 (the VAE), chapter 04 (why its images are blurry, and what $\sigma$ weighs), chapter 06 (collapse
# by a wrong price). From calculus: the gradient.
#
# **Level:** advanced · **Time:** 80 minutes reading, 3 minutes computing

# %%
import tempfile
import time
from collections import namedtuple
from functools import partial

# vae_course is imported first: it sets TensorFlow's options.
from vae_course import datasets, evaluation, likelihoods, models, networks, plots

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

plots.use_style()

DATASET = "faces"  # or "digits", "mnist", "fashion_mnist", ...
EPOCHS = 30
LATENT_SIZE = 8
SEEDS = (0, 1, 2)
TRAIN_SIZE, EVALUATION_SIZE = 4000, 500  # at most
keras.utils.set_random_seed(0)

# %% [markdown]
# ## 1. What if there is no likelihood?
#
# A VAE asks how probable each pixel of a picture is, given the code. Chapter 04 showed what this costs. Pixels that are independent
# given $z$ make the decoder draw averages, and averages are blurry. A person who looks at a picture asks something else: could
# this be a photograph? Goodfellow et al. (2014) let a second network ask that question.
#
# The **generator** $G_\theta$ turns a code $z \sim N(0, I)$ into a picture $G_\theta(z)$. It is a decoder by another name. The
# **discriminator** $\mathrm{Dis}_\psi$, also called the critic, looks at a picture and outputs one logit, which is large if it takes the picture for a real one.
# A logit $a$ means "real with probability $s(a) = 1 / (1 + e^{-a})$". Write $\mathrm{softplus}(a) = \log(1 + e^a)$; then
# $-\log s(a) = \mathrm{softplus}(-a)$, and the two losses are
#
# $$ L_{\mathrm{Dis}} = \mathbb{E}_{x}\big[\mathrm{softplus}(-\mathrm{Dis}_\psi(x))\big]
#    + \mathbb{E}_{z}\big[\mathrm{softplus}(\mathrm{Dis}_\psi(G_\theta(z)))\big], \qquad
#    L_G = \mathbb{E}_{z}\big[\mathrm{softplus}(-\mathrm{Dis}_\psi(G_\theta(z)))\big]. \tag{10.1} $$
#
# The first is the cross-entropy of an ordinary classifier with the labels "real" and "generated". The second says that the
# generator wants its pictures to be called real. Each network follows its own loss, while the other one's weights are held
# fixed.
#
# What would a perfect discriminator answer? For each $x$ it compares two densities, that of the data, $p(x)$, and that of the
# generator, $p_G(x)$:
#
# $$ \mathrm{Dis}^*(x) = \log p(x) - \log p_G(x). \tag{10.2} $$
#
# The best classifier *is* a log-ratio of densities. If the generator is perfect, the ratio is one, the logit is zero
# everywhere and $L_{\mathrm{Dis}} = 2 \log 2$. Remember this number, about 1.39. It means "I cannot tell them apart", but it
# can also mean that the discriminator is too weak to see the difference. Let us check equation 10.2 on two normals.

# %%
def softplus(a):
    return np.logaddexp(0, a)


def normal(x, mean, scale):
    return np.exp(-0.5 * ((x - mean) / scale) ** 2) / scale / np.sqrt(2 * np.pi)


def discriminator_pays(logit):
    return np.sum(p * softplus(-logit) + p_g * softplus(logit)) * (grid[1] - grid[0])

# %%
grid = np.linspace(-8, 8, 2001)
p, p_g = normal(grid, 0, 1), normal(grid, 1, 1.5)
ratio = np.log(p) - np.log(p_g)
best, guess = discriminator_pays(ratio), discriminator_pays(0 * grid)
for change in (0.3, -0.3, 0.3 * np.sin(grid), 0.2 * grid):
    assert discriminator_pays(ratio + change) > best, "no other logit costs less"
assert np.isclose(guess, 2 * np.log(2), rtol=1e-3), "to guess every time costs 2 log 2"
assert best < guess, "a difference that can be seen costs less than a guess"

# %% [markdown]
# Note what is missing. Neither loss says how probable an image is, there is no encoder, and no number goes up when the samples get
# better: both losses are measured against an opponent that learns as well. That is what we pay for giving up the likelihood, and it makes section 5 necessary.
#
# ## 2. Why do two players go in circles?
#
# Gradient descent on one loss goes downhill. With two losses there is no single hill to go down. The smallest example is due to Mescheder et al.
# (2018). The data are a single point, $x = 0$. The generator has one weight and always outputs the point $\theta$. The
# discriminator is $\mathrm{Dis}(x) = \psi x$. Put both into equation 10.1 and differentiate:
#
# $$ \frac{\partial L_{\mathrm{Dis}}}{\partial \psi} = s(\psi\theta)\, \theta, \qquad
#    \frac{\partial L_G}{\partial \theta} = -s(-\psi\theta)\, \psi. \tag{10.3} $$
#
# The solution is $\theta = \psi = 0$. **Predict.** Start at $\theta = 1$, $\psi = 0$. The discriminator sees that generated points
# lie to the right, so $\psi$ becomes negative; then the generator moves left. What happens when $\theta$ arrives at 0?
#
# We also try two famous cures. **One-sided label smoothing** (Salimans et al., 2016) tells the discriminator that real examples
# are real only with probability $1 - \alpha$, say 0.9, so that it does not become too sure. The first term is replaced by
# $(1-\alpha)\, \mathrm{softplus}(-\mathrm{Dis}(x)) + \alpha\, \mathrm{softplus}(\mathrm{Dis}(x))$.
# **R1** (Mescheder et al., 2018) penalizes the slope of the discriminator at the real examples, with a weight $r_1$:
#
# $$ L_{\mathrm{Dis}} + \frac{r_1}{2}\, \mathbb{E}_x\big[\|\nabla_x \mathrm{Dis}_\psi(x)\|^2\big]. \tag{10.4} $$
#
# Here the slope is $\psi$, so the penalty is $\frac{r_1}{2} \psi^2$ and its gradient $r_1 \psi$. (Two other well-known cures are not
# tried here: WGAN-GP, by Gulrajani et al., 2017, which replaces the loss and holds the slope near one *between* real and drawn examples, and Heusel et al., 2017, who let the critic learn at a larger step than the generator.)

# %%
def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def slope_of_psi(theta, psi, r1, smoothing, x=0.0):  # x: the one real example
    """Of the discriminator's loss, with both cures."""
    real = (1 - smoothing) * -sigmoid(-psi * x) * x + smoothing * sigmoid(psi * x) * x
    return real + sigmoid(psi * theta) * theta + r1 * psi

# %%
def duel(r1=0.0, smoothing=0.0, step=0.1, steps=500, in_turn=False):
    """The path (theta, psi) of both players, who move at once or in turn: [steps + 1, 2]."""
    path = [(1.0, 0.0)]
    for _ in range(steps):
        theta, before = path[-1]
        psi = before - step * slope_of_psi(theta, before, r1, smoothing)
        seen = psi if in_turn else before  # what the generator answers to
        path.append((theta + step * sigmoid(-seen * theta) * seen, psi))
    return np.array(path)

# %% mystnb={"image": {"alt": "Left: the paths of two duels in the plane of theta and psi. The plain players run around the solution, and with R1 they spiral into it. Right: theta against the step keeps swinging for the plain players and comes to rest with R1."}}
for step in (0.1, 0.01):
    last = [duel(step=step, steps=int(2000 / step), in_turn=turn)[-1] for turn in (False, True)]
    (both, turn), stop = np.linalg.norm(last, axis=1), (2 * step) ** 0.5
    print(f"step {step}: radius {both:.3f} at once, {turn:.3f} in turn", end="; ")
    print(f"sqrt(2 step) {stop:.3f}")
    assert np.isclose(both, stop, rtol=0.05), "moving at once they stop at sqrt(2 step)"
    assert turn < 0.1, "moving in turn they come ever nearer"

duels = {"plain": duel(), "R1": duel(r1=0.3)}
assert np.allclose(duel(smoothing=0.1), duels["plain"]), "at x = 0 the labels change nothing"
assert np.linalg.norm(duels["R1"][-1]) < 0.01, "with R1 the generator comes to rest"
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=(1.3, 1))
for (name, path), style in zip(duels.items(), ("-", "--")):
    left.plot(*path.T, style, label=name)
    right.plot(path[:, 0], style)
left.annotate("", duels["plain"][24], duels["plain"][16], arrowprops={"arrowstyle": "-|>"})
left.plot(1, 0, "ko", label="start")
left.plot(0, 0, "k*", markersize=10, label="solution")
left.set(xlabel=r"generator $\theta$", ylabel=r"discriminator $\psi$", aspect="equal")
right.set(xlabel="step", ylabel=r"generator $\theta$")
left.locator_params(nbins=5)
left.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8, frameon=False)
plt.show()

# %% [markdown]
# It overshoots. When $\theta$ arrives at 0, $\psi$ is still negative and still pushes it to the left, and only then does $\psi$ turn (equation 10.3). So the plain players
# run around the solution. Their circles shrink for a while and then stop shrinking, however long they play. With R1 they spiral into the solution.
#
# That they never arrive is the fault of the *step*, not of the game. With infinitely small steps the circles would keep shrinking
# forever, though more and more slowly. But a step along the tangent of a circle leads out of it, and the two effects balance at the radius
# $\sqrt{2 \cdot \text{step}}$, as the printed lines show for two sizes. If the players move in turn, so that each answers the
# other's newest move, they come closer and closer at the same step size.
#
# Such circling is **training instability** in its smallest form: nothing is wrong with
# either loss, and still the pair does not settle. Three things help: smaller steps, moves in turn, and a penalty that damps the turning.
# Label smoothing is not drawn, because its path is the plain one, digit for digit.
#
# ## 3. Can a generator forget half of the data?
#
# Now we need data with some variety: eight small clusters on a ring. A generator that produces only one of the clusters makes perfectly
# realistic points. The discriminator sees one point at a time, and on that cluster it can complain only when there are *too many*.
# This failure is **mode collapse**. To measure it we count: a cluster is covered if it gets at least a quarter of its fair share of the
# samples. A sample is good if it lies within four standard deviations of a cluster's center.
#
# After the data and the count we write a GAN from scratch, and begin with one. Both players are networks with two hidden layers of 32 units. A step takes 64 examples and 64
# codes, computes both losses of equation 10.1, and moves both players at once, each down its own loss and by its own optimizer. The optimizer is Adam. Its $\beta_1$ is
# the momentum: how much of the last step's direction is kept. The usual value is 0.9; we begin with 0.5.

# %%
angles = 2 * np.pi * np.arange(8) / 8
centers, cluster_scale = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.05
random = np.random.default_rng(0)
chosen = centers[random.integers(8, size=4096)]
ring = (chosen + cluster_scale * random.normal(size=(4096, 2))).astype("float32")

# %%
def shares(samples):
    """How samples [n, 2] divide into the eight clusters and the rest: [9], adding up to one."""
    distance = np.linalg.norm(samples[:, None] - centers, axis=-1)  # [n, 8]
    cluster = np.where(distance.min(axis=1) < 4 * cluster_scale, distance.argmin(axis=1), 8)
    return np.bincount(cluster, minlength=9) / len(samples)


def covered(samples):
    return int((shares(samples)[:8] >= 1 / 32).sum())


assert covered(ring) == 8 and shares(ring)[8] < 0.01, "the data: all, and nothing between"
assert covered(ring[ring[:, 0] > 0.5]) == 3, "collapsed: three clusters lie on the right"

# %%
def new_players(seed):
    """A generator and a discriminator for points in the plane."""
    keras.utils.set_random_seed(seed)
    own = {"hidden": (32, 32), "activation": "leaky_relu"}
    return networks.mlp_decoder(2, (2,), **own), networks.mlp_encoder((2,), 1, **own)


def plain_losses(generator, discriminator, x, z):
    real, fake = discriminator(x), discriminator(generator(z))
    pays = tf.nn.softplus(-real) + tf.nn.softplus(fake)
    return tf.reduce_mean(tf.nn.softplus(-fake)), tf.reduce_mean(pays)

# %%
def take_step(losses_of, players, optimizers, x, z):
    """Both players move at once, each down its own loss."""
    weights = [player.trainable_variables for player in players]
    with tf.GradientTape(persistent=True) as tape:
        losses = losses_of(*players, x, z)
    slopes = [tape.gradient(loss, own) for loss, own in zip(losses, weights)]
    for optimizer, slope, own in zip(optimizers, slopes, weights):
        optimizer.apply(slope, own)

# %% tags=["drift"]
def draw_ring(ax, samples, title="", label=""):
    """Samples [n, 2] as dots, and the eight clusters as circles."""
    ax.scatter(*centers.T, s=90, facecolors="none", edgecolors=plots.COLORS[3])
    ax.scatter(*samples.T, s=2, color=plots.COLORS[0])
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[], ylabel=label)
    ax.set_title(title, fontsize=9)


players, draws, shown = new_players(0), np.random.default_rng(1), {}
optimizers = [keras.optimizers.Adam(5e-3, beta_1=0.5) for _ in players]
one_step = tf.function(take_step)
codes = draws.normal(size=(1000, 2)).astype("float32")
for step in range(1, 4001):
    x, z = ring[draws.integers(len(ring), size=64)], draws.normal(size=(64, 2))
    one_step(plain_losses, players, optimizers, x, z.astype("float32"))
    if step in (100, 500, 1000, 2000, 4000):
        shown[step] = players[0](codes).numpy()

figure, axes = plt.subplots(1, 5, figsize=(9, 2.2))
for ax, (step, samples) in zip(axes, shown.items()):
    draw_ring(ax, samples, f"step {step}: {covered(samples)} of 8")
plt.show()

# %% [markdown]
# Each panel shows a thousand samples of this one GAN as dots, always from the same codes, the clusters as circles, and how many of the eight are covered. At first the samples
# are scattered over the plane; at step 500 they lie along the whole ring, but beside most clusters. Then more and more clusters are covered, and in the end one is lost again. The generator is continuous, so it must draw something between two clusters.
#
# Does a cure help? One run of a method that goes in circles proves nothing, so we need several seeds for each treatment.
# Two more cures need a formula. With the **hinge loss** the discriminator gains nothing more once it is sure by a margin of one. Its loss is
# $\max(0, 1 - \mathrm{Dis}(x)) + \max(0, 1 + \mathrm{Dis}(G(z)))$, and the generator's is $-\mathrm{Dis}(G(z))$.
#
# **Spectral normalization** (Miyato et al., 2018) divides each kernel $W$ of the discriminator by its largest singular value. Then no
# layer can stretch a difference, and the whole discriminator has a slope of at most one *everywhere*, whereas R1 acts at the real
# examples only. The largest singular value comes from power iteration: multiply a vector by $W$ and $W^\top$ in turn, and it turns
# into the direction that $W$ stretches most. Four turns from a fresh vector are enough here: they recover at least three quarters of the norm, so each layer may stretch by up to a third more than one.
#
# After that come the losses: those of `plain_losses`, with one treatment each. Label smoothing needs one term only, because
# $\mathrm{softplus}(a) - \mathrm{softplus}(-a) = a$.
#
# The loop is the same as before. It is compiled in rounds of a hundred steps, once for each setting, and all four copies of a setting use
# the compiled function: before each copy the players get new weights and the optimizers forget. A copy starts from the same weights under every setting.
#
# **Predict.** Which of these will cover all eight clusters: the plain GAN, or one of the four cures? And what will the usual momentum
# of 0.9 do to two players that already tend to overshoot?

# %%
def spectral_norm(kernel, steps=4):
    """The largest singular value, nearly, of a kernel [inputs, outputs]: [1, 1]."""
    v = tf.ones_like(kernel[:1])  # [1, outputs]
    for _ in range(steps):
        u = tf.math.l2_normalize(v @ tf.transpose(kernel))
        v = tf.math.l2_normalize(u @ kernel)
    u, v = tf.stop_gradient(u), tf.stop_gradient(v)  # as in the paper: only W is differentiated
    return u @ kernel @ tf.transpose(v)

# %%
examples = random.normal(size=(30, 32, 32)).astype("float32")
largest = np.linalg.norm(examples, ord=2, axis=(1, 2))
norms = [[spectral_norm(kernel, n).numpy().item() for kernel in examples] for n in (4, 100)]
soon, late = norms / largest
assert np.allclose(late, 1, atol=0.02), "power iteration finds the largest singular value"
assert np.all((soon > 0.75) & (soon < 1.001)), "most of it in four turns, never more"

# %%
def judge(discriminator, x, spectral):
    """The logits [n, 1]; with spectral normalization from kernels divided by their norms."""
    weights = discriminator.trainable_variables
    if spectral:
        weights = [w / spectral_norm(w) if len(w.shape) == 2 else w for w in weights]
    return discriminator.stateless_call(weights, [], x)[0]


def treated_losses(treatment, generator, discriminator, x, z, r1=0.1, smoothing=0.1):
    """(generator's, discriminator's) loss with one treatment."""
    spectral = treatment == "spectral"
    with tf.GradientTape() as tape:
        tape.watch(x)
        real = judge(discriminator, x, spectral)
    fake = judge(discriminator, generator(z), spectral)
    wants, pays = tf.nn.softplus(-fake), tf.nn.softplus(-real) + tf.nn.softplus(fake)
    if treatment == "smoothing":
        pays += smoothing * real
    if treatment == "hinge":
        wants, pays = -fake, tf.nn.relu(1 - real) + tf.nn.relu(1 + fake)
    if treatment == "R1":
        slope = tape.gradient(real, x)  # of each logit, at its own example
        pays += r1 / 2 * tf.reduce_sum(slope**2, axis=1, keepdims=True)
    return tf.reduce_mean(wants), tf.reduce_mean(pays)

# %%
def forget(optimizer):
    """An optimizer as it was before its first step."""
    rate = float(optimizer.learning_rate)
    for variable in optimizer.variables:
        variable.assign(tf.zeros_like(variable))
    optimizer.learning_rate = rate


def compiled_round(treatment, players, optimizers, steps=100):
    """A function that trains for a hundred steps and then draws a thousand samples."""

    @tf.function(jit_compile=True)
    def one_round(copy, number):
        for step in tf.range(steps):
            seed = tf.stack([100 * copy + number, step])
            which = tf.random.stateless_uniform([64], seed, 0, len(ring), tf.int32)
            z = tf.random.stateless_normal([64, 2], seed + 10_000)
            losses_of, x = partial(treated_losses, treatment), tf.gather(ring, which)
            take_step(losses_of, players, optimizers, x, z)
        return players[0](tf.random.stateless_normal([1000, 2], (0, 0)))

    return one_round

# %%
def train_rings(treatment, momentum, learning_rate, copies=4, rounds=40):
    """Samples after every hundred steps: [copies, rounds, 1000, 2]."""
    players, drawn = new_players(0), []
    optimizers = [keras.optimizers.Adam(learning_rate, beta_1=momentum) for _ in players]
    for optimizer, player in zip(optimizers, players):
        optimizer.build(player.trainable_variables)
    one_round = compiled_round(treatment, players, optimizers)
    for copy in range(copies):
        for player, optimizer, fresh in zip(players, optimizers, new_players(copy)):
            player.set_weights(fresh.get_weights())
            forget(optimizer)
        numbers = tf.range(rounds)
        drawn.append([one_round(tf.constant(copy), number).numpy() for number in numbers])
    return np.array(drawn)


SETTINGS = [(name, 0.5, 5e-3) for name in ("plain", "smoothing", "hinge", "R1", "spectral")]
runs = {setting: train_rings(*setting) for setting in SETTINGS}

# %% tags=["drift"] mystnb={"image": {"alt": "Samples as dots and a ring of eight clusters as circles, at five times. First row, plain with momentum 0.9: the samples swarm, then lie on an arc. Second row, plain with 0.5, and third row, R1: they lie around the ring."}}
SETTINGS += [("plain", 0.9, 5e-3), ("R1", 0.9, 5e-3), ("plain", 0.9, 1e-3)]
runs |= {setting: train_rings(*setting) for setting in SETTINGS[5:]}

figure, axes = plt.subplots(3, 5, figsize=(9, 5.6))
for row, setting in zip(axes, (SETTINGS[5], SETTINGS[0], SETTINGS[3])):
    for ax, number in zip(row, (5, 10, 20, 30, 40)):
        draw_ring(ax, runs[setting][0, number - 1], f"step {100 * number}")
    row[0].set_ylabel("{}, momentum {}".format(*setting))
plt.show()

# %% [markdown]
# In the copies shown, R1 spreads the samples over all the clusters, and a momentum of 0.9 makes the players overshoot for a long time. Each row is the first copy of one
# of the trainings, at five times; circles are the clusters, dots are samples. With a momentum
# of 0.9 the samples swarm for a thousand steps, and then this copy lies on an arc that gets shorter and shorter: a mode collapse before your eyes. With 0.5 the plain GAN lies on the
# ring soon, but its samples run past some clusters and pile up elsewhere. With R1 they lie around the clusters like loose beads on a string.
# The string itself does not go away: the generator is continuous, so it must draw something between two clusters.
#
# One copy proves nothing, so we count over all copies and the last ten rounds. *Movement* says how much the
# clusters' shares change from one round to the next: the total variation distance, which is half the sum of the absolute changes. At least that fraction of the samples must have changed clusters.

# %% tags=["drift"]
def counted(samples):
    """Clusters covered, share of good samples and movement, [copies] each, over ten rounds."""
    parts = np.array([list(map(shares, each)) for each in samples[:, -11:]])  # [copies, 11, 9]
    modes = (parts[:, 1:, :8] >= 1 / 32).sum(axis=-1).mean(axis=1)
    movement = 0.5 * np.abs(np.diff(parts, axis=1)).sum(axis=-1).mean(axis=1)
    return modes, 1 - parts[:, 1:, 8].mean(axis=1), movement


print("treatment  momentum   step   clusters covered    good  movement")
modes, movements = {}, {}
for name, momentum, size in SETTINGS:
    found, good, moved = counted(runs[name, momentum, size])
    modes[name, momentum, size], movements[name, momentum, size] = found.mean(), moved.mean()
    shown = f"{found.mean():6.1f} +- {found.std(ddof=1):3.1f} of 8"
    values = f"{good.mean():7.2f} {moved.mean():9.2f}"
    print(f"{name:10s} {momentum:8.1f} {size:6.3f} {shown} {values}")
gentle, fast = {key[0]: modes[key] for key in SETTINGS[:5]}, modes["plain", 0.9, 5e-3]
assert gentle["R1"] > gentle["plain"] + 0.3, "at low momentum R1 brings clusters back"
assert gentle["plain"] > fast + 1, "momentum makes players overshoot"
assert modes["plain", 0.9, 1e-3] > fast + 1, "and so does the size of the step"
assert gentle["R1"] > gentle["spectral"] + 1, "a slope of one hardly sees clusters"
assert movements[SETTINGS[3]] > movements[SETTINGS[0]], "with R1 the samples do not stand still"

# %% [markdown]
# Read the table with the spread beside each mean (the standard deviation over four copies).
#
# - **Gentler players are the first cure**, through less momentum or smaller steps. At a step of $5 \cdot 10^{-3}$ R1
#   does not make up for a momentum of 0.9 (the other cures were not tried there). At a fifth of that step, with the same momentum, the plain GAN covers as many
#   clusters as with a momentum of 0.5, or more. The library's default for adversarial models is a momentum of 0.5 (Radford et al., 2016).
# - At a momentum of 0.5, **R1 is the one that helps** beyond the spread, and its copies agree with one another. Label smoothing and the hinge loss do
#   about as well as nothing. R1 does not make the samples stand still: they move even more than without it, but about seven of the eight clusters
#   are covered at any time, where the plain GAN covers fewer.
# - **Spectral normalization hurts here.** The clusters are 0.05 wide. If a discriminator's slope is at most one, its logits at two points
#   that are 0.1 apart differ by at most 0.1, so it hardly sees whether a sample is on a cluster or beside it.
#
# None of this is a law. Spectral normalization made large image GANs possible, and R1 with too large a weight has the same fault. What
# the table teaches is the method: use several seeds and an equal budget, and count. A cure that helped in a paper need not help you.
#
# From now on we use `models.GAN(generator, discriminator)`, with the options `adversarial_loss="hinge"`, `r1`, and `label_smoothing`.
# For spectral normalization, put Keras's own layer `keras.layers.SpectralNormalization` around the discriminator's layers. The model trains with `fit`; the two
# optimizers are arguments of `compile`.
#
# ## 4. Does it draw faces?
#
# To keep training short, the images are halved: each two-by-two block becomes its mean. Generator and discriminator are dense
# networks. `networks.mlp_encoder` with one output makes a good discriminator: one logit for each picture.
#
# Every model of the chapter has the same decoder and starts, for a given seed, from the same weights. As in chapter 06, `restart`
# gives a compiled model new weights and empties its optimizers, so that no model is compiled twice.
#
# How do you follow a training run whose losses say nothing? You look at samples. A callback draws the same eight codes after every epoch, and
# afterward we put some of these rows one below the other. We train with and without R1.

# %%
def halve(x):
    """Images [n, height, width, channels]: those above 16 pixels with 2 x 2 blocks averaged."""
    n, height, width, channels = x.shape
    if height <= 16:
        return x
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


data = datasets.load(DATASET)
x_train, x_valid = halve(data.x_train[:TRAIN_SIZE]), halve(data.x_valid[:EVALUATION_SIZE])
shape = x_train.shape[1:]

# %%
def new_networks(seed):
    """Encoder, decoder and discriminator; the decoder is the GAN's generator."""
    keras.utils.set_random_seed(seed)
    decoder = networks.mlp_decoder(LATENT_SIZE, shape, (128, 256))
    encoder = networks.mlp_encoder(shape, 2 * LATENT_SIZE, (256, 128))
    own = {"activation": "leaky_relu", "name": "discriminator"}
    return encoder, decoder, networks.mlp_encoder(shape, 1, (256, 128), **own)

# %%
def restart(model, seed):
    """New weights for all networks of a compiled model; its optimizers forget."""
    encoder, decoder, discriminator = new_networks(seed)
    fresh = {"encoder": encoder, "decoder": decoder, "generator": decoder}
    for name, network in (fresh | {"discriminator": discriminator}).items():
        if hasattr(model, name):
            getattr(model, name).set_weights(network.get_weights())
    if isinstance(model, models.VAE) and hasattr(model.likelihood_part, "log_scale"):
        model.likelihood_part.log_scale.assign(0.0)
    second = getattr(model, "discriminator_optimizer", None)
    for optimizer in filter(None, (model.optimizer, second)):
        forget(optimizer)

# %%
def adversarial_optimizers():
    return [keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)]


def watch(model, rows):
    """A callback that keeps eight samples, always from the same codes, after each epoch."""

    def draw(epoch, logs):
        rows.append(model.sample(8, seed=0))

    return keras.callbacks.LambdaCallback(on_epoch_end=draw)

# %%
gans, watched, gan_records = {}, {"no R1": [], "R1": []}, {}
for name, r1 in (("no R1", 0.0), ("R1", 0.1)):
    _, decoder, discriminator = new_networks(0)
    gan = gans[name] = models.GAN(decoder, discriminator, r1=r1)
    gan.compile(*adversarial_optimizers())
    plan = {"callbacks": [watch(gan, watched[name])], "verbose": 0}
    gan_records[name] = gan.fit(x_train, batch_size=64, epochs=EPOCHS, **plan)

# %% tags=["drift"]
figure, axes = plt.subplots(2, 2, figsize=(10, 6), height_ratios=(1.3, 1))
for ax, (name, rows) in zip(axes[0], watched.items()):
    epochs = sorted({1, 3, EPOCHS // 4, EPOCHS // 2, EPOCHS})
    drawn = {f"epoch {epoch}": rows[epoch - 1] for epoch in epochs}
    plots.image_rows(drawn | {"real": x_train[:8]}, ax=ax)
    ax.set_title(name)
for ax, player in zip(axes[1], ("discriminator", "generator")):
    plots.history(gan_records, f"{player}_loss", ax=ax, ylabel=f"{player} loss (nats)")
guess = {"color": plots.COLORS[9], "linestyle": ":", "label": "cannot tell: 2 log 2"}
axes[1, 0].axhline(2 * np.log(2), **guess)
axes[1, 0].legend(["no R1", "R1", "cannot tell: 2 log 2"])
axes[1, 1].legend(["no R1", "R1"])
plt.show()

# %% [markdown]
# Above are samples of both GANs after some epochs. Each column comes from one code, and the last row holds real images. At first
# there is snow, then something with a head's outline, then faces. In this run the faces come later without R1 and are more speckled.
#
# Below are both losses by epoch. With R1 they hardly move from the tenth epoch on, although the pictures improve all the
# time, and the discriminator's loss stays just below $2 \log 2$, the value of a player who only guesses. Neither curve tells you when to stop,
# or which of the two GANs is better.
#
# ## 5. How good are samples?
#
# There is no likelihood to report, so we measure samples. "Sharp" and "varied" are only words until there is a number for each.
# Scores on pixels would punish a face that is moved by one pixel. The usual solution is to compare *features* of a network that has
# learned what matters. The well-known scores use a network trained on millions of photographs. We train our own, a **reader**:
# it reads the factors off a face, or the class off a digit. The features are its last hidden layer.

# %% tags=["drift"]
has_factors = data.factors_train is not None
if has_factors:  # each factor scaled to [-1, 1]
    names, factors = data.factor_names, (data.factors_train, data.factors_valid)
    low, high = factors[0].min(axis=0), factors[0].max(axis=0)
    targets = [2 * (part - low) / (high - low) - 1 for part in factors]
else:  # one output for each class
    names = [f"class {i}" for i in range(data.y_train.max() + 1)]
    targets = [np.eye(len(names))[part] for part in (data.y_train, data.y_valid)]
y_train = targets[0][: len(x_train)].astype("float32")
y_valid = targets[1][: len(x_valid)].astype("float32")
keras.utils.set_random_seed(0)
reader = networks.mlp_encoder(shape, len(names), (128, 64), name="reader")
fast = {"jit_compile": True, "steps_per_execution": 16}
reader.compile(keras.optimizers.Adam(2e-3), loss="mse", **fast)
reader.fit(x_train, y_train, batch_size=64, epochs=20, verbose=0)
features = keras.Model(reader.inputs[0], reader.layers[-2].output)
errors = np.sqrt(np.mean((reader(x_valid).numpy() - y_valid) ** 2, axis=0))
guesses = y_valid.std(axis=0)
for name, error, guess in zip(names, errors, guesses):
    print(f"{name:12s} error {error:.2f} (RMS on validation images), ", end="")
    print(f"where a guess has {guess:.2f}")
assert np.median(errors / guesses) < 0.6, "a reader that cannot read has no features to offer"

# %% [markdown]
# A score is only as good as its features, so we print the reader's own errors. On the faces it reads all factors well except
# the expression, where its error is more than half that of a guess. So what our scores say about smiles needs a second look, which section 7 takes.
#
# We use four numbers:
#
# - **Fréchet distance** (Heusel et al., 2017). Fit one normal to the features of real images, with mean $m$ and covariance $C$, and another, with $m'$ and $C'$, to those of the samples:
#   $$ \mathrm{FD} = \|m - m'\|^2 + \mathrm{tr}\big(C + C' - 2 (C C')^{1/2}\big). \tag{10.5} $$
# - **Precision**: the share of samples that lie among the real images. **Recall**: the share of real images that lie among the samples
#   (Kynkäänniemi et al., 2019). "Among" means in a ball around one of the others, where each ball reaches to its center's third neighbor.
# - **Sharpness**: the mean size of the Laplacian, four times the difference between a pixel and the mean of its four neighbors.
#
# The next cell has the first three in a few lines.
#
# After it we use `evaluation.frechet_distance`, `evaluation.precision_recall` and `evaluation.sharpness`. Since we know the faces' factors,
# we can add a score that no paper on photographs has: **coverage of the known factors**. Let the reader read orientation and
# lighting of each sample, round them to the values that exist, and compare the shares of all 91 combinations with those of the training
# images. The *coverage error* is half the sum of absolute differences: 0 if all shares agree and 1 if nothing overlaps. On data with classes it compares the shares of the classes.
#
# Never trust a score until you have seen it fail. So afterward we give the scores images whose faults we know: training images as they are, blurred, with
# noise (of scale 0.2), and fifty training images shown ten times each.
#
# **Predict.** Which score catches which fault? Is there one that praises a fault?

# %%
def distances(a, b):
    """Euclidean distances between features [n, f] and [m, f]: [n, m]."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))


def share_among(examples, others, k=3):
    """Share of `examples` in a ball around one of `others` that ends at its k-th neighbor."""
    radius = np.sort(distances(others, others), axis=1)[:, k]  # entry 0 is itself
    return (distances(examples, others) <= radius).any(axis=1).mean()


def frechet(a, b):
    c, d = np.cov(a.T, ddof=0), np.cov(b.T, ddof=0)
    root = np.sqrt(np.maximum(np.linalg.eigvals(c @ d).real, 0)).sum()  # its trace
    return ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + np.trace(c) + np.trace(d) - 2 * root


images = x_valid, gans["R1"].sample(EVALUATION_SIZE, seed=0)
real, drawn = [features(x).numpy().astype("float64") for x in images]
library = evaluation.precision_recall(real, drawn)
ours = share_among(drawn, real), share_among(real, drawn)
assert np.allclose(ours, library, atol=0.01), "precision, and recall the other way around"
distance = evaluation.frechet_distance(real, drawn)
assert np.isclose(frechet(real, drawn), distance, rtol=0.01, atol=1e-3), "equation 10.5"

# %%
def cells(images):
    """Which combination of known factors, or which class, each shows: whole numbers [n]."""
    read = reader(images).numpy()
    if not has_factors:
        return read.argmax(axis=1)
    number, columns = 0, [0, 2] if DATASET == "faces" else [0]  # orientation and lighting
    for i in columns:
        levels = len(np.unique(data.factors_train[:, i]))
        level = np.rint((read[:, i] + 1) / 2 * (levels - 1)).clip(0, levels - 1).astype(int)
        number = number * levels + level
    return number

# %%
Scores = namedtuple("Scores", "frechet precision recall sharpness coverage_error")


def scores(images):
    """The five scores of images [n, ...], against validation images."""
    a, b = features(x_valid).numpy(), features(images).numpy()
    shares = [np.bincount(cells(x), minlength=100) / len(x) for x in (images, x_train)]
    seen = evaluation.frechet_distance(a, b), *evaluation.precision_recall(a, b)
    missing = 0.5 * np.abs(shares[0] - shares[1]).sum()
    return Scores(*seen, evaluation.sharpness(images).mean(), missing)

# %% tags=["drift"]
def blurred(x):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows, columns = x.shape[1:3]
    nine = [padded[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return np.mean(nine, axis=0)


some = x_train[: len(x_valid)]
suspects = {"real images": some, "blurred": blurred(some)}
suspects["noisy"] = np.clip(some + 0.2 * random.normal(size=some.shape), 0, 1).astype("float32")
suspects["fifty, repeated"] = np.tile(some[:50], (11, 1, 1, 1))[: len(some)]
verdicts = {name: scores(images) for name, images in suspects.items()}
COLUMNS = ("Fréchet", "precision", "recall", "sharpness", "coverage error")
print(f"{'':16s}" + "  ".join(COLUMNS))
for name, row in verdicts.items():
    values = [f"{value:{len(label)}.2f}" for value, label in zip(row, COLUMNS)]
    print(f"{name:16s}" + "  ".join(values))

# %% tags=["drift"]
real, soft, noisy, repeated = verdicts.values()
assert soft.sharpness < 0.8 * real.sharpness, "sharpness catches blur"
assert noisy.sharpness > 1.03 * real.sharpness, "and praises noise"
assert noisy.precision < real.precision - 0.05, "precision catches noise"
assert noisy.recall > real.recall - 0.02, "recall does not: noise makes every ball wide"
assert soft.recall < real.recall - 0.2, "recall catches blur"
assert repeated.precision > 0.8, "repeated real images are as precise as can be"
assert repeated.recall < real.recall - 0.2, "recall catches what is missing"
assert repeated.coverage_error > real.coverage_error + 0.05, "and so does the coverage"
best = min(soft.frechet, noisy.frechet, repeated.frechet)
assert best > 1.5 * real.frechet, "the Fréchet distance sees every fault"

# %% [markdown]
# The Fréchet distance sees every fault, but does not say which. Precision and recall say on which side a fault lies: noise costs precision, repetition costs
# recall, and blur costs both, recall far more.
#
# Two scores praise noise. Sharpness rises with it, so compare it with the value of real images: more than that is worse. And
# recall is as high as for real images or higher, since noisy images lie far apart and their balls are wide. Never report a recall without the precision.
#
# On the faces the coverage error hardly rises with the noise (0.21 against 0.16), since orientation and lighting can still be read through it. The first row is the scale: with so few images, other real images
# do not score 0, 1 and 1 either. Compare every score with that row and not with its ideal.
#
# ## 6. What can a critic do for a VAE?
#
# A VAE has what a GAN lacks: an encoder, and a term that charges for every image that is left out. A GAN has what a VAE lacks: a discriminator that sees more than pixels.
# Larsen et al. (2016) join the two. They keep the prior, the posterior and the KL, and change the *likelihood*; with it, as we shall see, the bound is lost.
# Let $f(x)$ be the discriminator's last hidden layer. Gaussian noise is put on these features instead of on the pixels:
#
# $$ p(f(x)|z) = N\big(f(x);\ f(\hat x), I\big), \quad \hat x = g_\theta(z), \qquad
#    L_f = \tfrac12 \mathbb{E}_q\big[\|f(x) - f(\hat x)\|^2\big]. \tag{10.6} $$
#
# The decoder $g_\theta$ is also the generator, which section 1 called $G_\theta$. Two faces whose smiles differ by a pixel are far apart in pixels, but near each other in the features of a network that must tell real
# from generated. The three players follow three losses:
#
# $$ L_{\mathrm{enc}} = \lambda\, \mathrm{KL} + L_f, \qquad
#    L_{\mathrm{dec}} = \gamma L_f + L_G, \qquad
#    L_{\mathrm{Dis}} \text{ as before}, \tag{10.7} $$
#
# where $L_G$ and $L_{\mathrm{Dis}}$ are averaged over two kinds of pictures: reconstructions $g_\theta(z)$ with $z \sim q_\phi(z|x)$ and inventions
# $g_\theta(z)$ with $z \sim p(z)$. There are three networks and three losses, and no network may follow a loss that is not its own. If the discriminator
# followed $L_f$, it would make its features small and the loss would vanish. If the encoder followed $L_G$, it would learn to send images to
# codes whose pictures please the discriminator.

# %% mystnb={"image": {"alt": "Diagram of the VAE-GAN: encoder, z, decoder and discriminator in a row. Dashed arrows lead from the KL to the encoder, from the adversarial loss to the decoder, and from the loss on features to decoder and encoder."}}
orange, green, purple = (plots.COLORS[i] for i in (3, 2, 5))
plots.schematic(
    {"x": (0, 0, "observed", "$x$"), "encoder": (1.5, 0, "network"),
     "z": (3.0, 0, "variable", "$z$"), "prior": (3.6, 1.4, "text", "prior $p(z)$"),
     "decoder": (4.5, 0, "network"), "x_hat": (6.1, 0, "text", r"$\hat x$, inventions"),
     "critic": (8.0, 0, "network", "discriminator"),
     "verdict": (9.9, 0.5, "text", "real or not"),
     "features": (9.9, -0.5, "text", "features $f$"), "room": (5.7, -1.2, "text", "")},
    [("x", "encoder"), ("encoder", "z"), ("prior", "z"), ("z", "decoder"), ("decoder", "x_hat"),
     ("x_hat", "critic"), ("critic", "verdict"), ("critic", "features"),
     ("features", "decoder", {"color": orange, "style": "--", "bend": -0.15}),
     ("features", "encoder", {"color": orange, "style": "--", "bend": -0.25,
                              "label": r"$L_f$ moves decoder and encoder"}),
     ("verdict", "decoder", {"color": green, "style": "--", "bend": 0.3,
                             "label": "$L_G$ moves the decoder"}),
     ("prior", "encoder", {"color": purple, "style": "--", "bend": 0.3,
                           "label": "KL moves\nthe encoder"})],
    unit=0.72,
)  # fmt: skip
plt.show()

# %% [markdown]
# Dashed arrows lead from each loss to the weights that it may move. ($L_{\mathrm{Dis}}$, not drawn, moves the discriminator alone.) Strictly,
# $L_f$ is not a likelihood of the image. Since $f$ cannot be inverted and changes while it trains, $-L_f$ is not a log-density of $x$, and the sum of the
# terms is not a bound on anything. A VAE-GAN has no ELBO to report.
#
# Nobody trains VAE-GANs on faces of this size anymore, but the design is everywhere. The first stage of a latent diffusion model is an autoencoder with a small
# weight on its KL, a loss on features and a discriminator (Rombach et al., 2022), that is, a VAE-GAN. With a discrete code it is called a VQ-GAN (Esser et al., 2021).
#
# The next cell has the three losses by hand. In the library the model is `models.VAEGAN(encoder, decoder, discriminator, gamma=..., kl_weight=...)`. It draws
# its own noise, so to compare its losses with ours we take a decoder that ignores its code.
#
# ### Does any gradient leak?
#
# A gradient *leaks* if a loss moves a network that should not follow it. A leak raises no error and is hard to see in samples. But most leaks can be found with nothing more than the model's own options. Each option
# of the model has its owners: $\gamma$ belongs to the decoder, $\lambda$ to the encoder, the labels and R1 to the discriminator, and the hinge loss to the two
# that play against each other. Train two copies of a model for one step with the same random numbers, and change one option in one of them. Only the owners of that option may end with different weights.
#
# One leak has no option of its own: the discriminator may follow $L_f$ as well, and make its features small. For it one compares a step with the gradient of
# $L_{\mathrm{Dis}}$ alone, as the library's own tests do.

# %%
def vae_gan_losses(model, x, noise, z_new, gamma, kl_weight):
    """Equation 10.7 for a batch x, by hand; noise and z_new [batch, latent_size] are draws."""
    mean, raw = np.split(model.encoder(x).numpy(), 2, axis=1)
    scale = softplus(raw) + 1e-3  # as `parts.gaussian` has it
    kl = np.mean(np.sum(0.5 * (mean**2 + scale**2 - 1) - np.log(scale), axis=1))
    x_hat, x_new = [sigmoid(model.decoder(z).numpy()) for z in (mean + scale * noise, z_new)]
    critic = model.discriminator
    f = keras.Model(critic.inputs[0], critic.layers[-2].output)
    feature_loss = 0.5 * np.mean(np.sum((f(x).numpy() - f(x_hat).numpy()) ** 2, axis=1))
    real, copied, invented = [critic(part).numpy() for part in (x, x_hat, x_new)]
    generator_loss = 0.5 * np.mean(softplus(-copied) + softplus(-invented))
    caught = 0.5 * softplus(copied) + 0.5 * softplus(invented)
    return {
        "encoder_loss": kl_weight * kl + feature_loss,
        "decoder_loss": gamma * feature_loss + generator_loss,
        "discriminator_loss": np.mean(softplus(-real) + caught),
    }

# %%
def draw_only(picture, decoder):
    """Let the decoder put out one picture (before its last function), whatever its code."""
    last = decoder.layers[-2]  # the last dense layer: its bias is all that is left
    last.set_weights([0 * last.kernel, np.float32(picture)])


def new_vaegan(optimizers=None, **options):
    vaegan = models.VAEGAN(*new_networks(0), **options)
    eager = optimizers is not None
    vaegan.compile(*(optimizers or adversarial_optimizers()), run_eagerly=eager)
    return vaegan


def descent():
    return [keras.optimizers.SGD(0.01) for _ in range(2)]


x = x_train[:32]
model = new_vaegan(gamma=0.7, kl_weight=0.3, r1=0.0, optimizers=descent())
draw_only(random.normal(size=x[0].size), model.decoder)
noise, z_new = random.normal(size=(2, 32, LATENT_SIZE)).astype("float32")
by_hand = vae_gan_losses(model, x, noise, z_new, gamma=0.7, kl_weight=0.3)
found = model.evaluate(x, batch_size=32, verbose=0, return_dict=True)
for name, value in by_hand.items():
    assert np.isclose(found[name], value, rtol=1e-3), f"{name}: that of equation 10.7"

# %%
players = ("encoder", "decoder", "discriminator")


def after_one_step(**options):
    """The players' weights after one step of descent, from the same start and noise."""
    model = new_vaegan(optimizers=descent(), **options)
    model.fit(x, batch_size=32, epochs=1, shuffle=False, verbose=0)
    weights = {name: getattr(model, name).get_weights() for name in players}
    return {name: np.concatenate([w.ravel() for w in own]) for name, own in weights.items()}


base = after_one_step()
owners = {
    ("gamma", 3.0): ["decoder"],
    ("kl_weight", 3.0): ["encoder"],
    ("label_smoothing", 0.3): ["discriminator"],
    ("r1", 1.0): ["discriminator"],
    ("adversarial_loss", "hinge"): ["decoder", "discriminator"],
}
for (option, value), expected in owners.items():
    new = after_one_step(**{option: value})
    moved = [key for key in players if not np.allclose(new[key], base[key], rtol=0, atol=1e-7)]
    assert moved == expected, f"{option} must reach {expected} only. It reached: {moved}"
    print(f"{option:16s} moves the {' and the '.join(moved)}, and nobody else")

# %% [markdown]
# ### How much should each loss weigh?
#
# The features have no unit. The noise on them is $I$, as if each should be exact to about 1. But the discriminator is free to make its
# features large or small, and nothing ties them to a scale on which 1 means something. Chapter 04 said what happens when the noise is too large for the data:
# the KL does not pay for itself, and the code dies. So $\lambda$ is a $\beta$ whose meaning depends on the discriminator. R1 penalizes the discriminator's slope: is R1 to blame? To find out, we
# train one model without it.
#
# **Predict.** With $\lambda = 1$, the honest weight if the features were data, how many nats will the code carry? A face has
# 13 orientations, 7 expressions, 7 lightings, 3 widths and 3 colors of hair, together $\log 5733 \approx 8.7$ nats.

# %% tags=["drift"]
vae_gans, rates = {}, {}
for kl_weight, r1 in ((1.0, 0.1), (1.0, 0.0), (0.1, 0.1)):
    model = vae_gans[kl_weight, r1] = new_vaegan(gamma=1.0, kl_weight=kl_weight, r1=r1)
    record = model.fit(x_train, batch_size=64, epochs=EPOCHS // 3, verbose=0).history
    rate = rates[kl_weight, r1] = record["kl"][-1]
    print(f"lambda {kl_weight}, r1 {r1}: KL {rate:.1f} nats after {EPOCHS // 3} epochs")
unpaid = max(rates[1.0, 0.1], rates[1.0, 0.0])
assert rates[0.1, 0.1] > 2 * unpaid, "at lambda = 1 a code does not pay, with R1 or without"

# %% [markdown]
# With $\lambda = 1$ the code carries about one nat, with R1 and without it; with $\lambda = 0.1$ it carries several. **Set $\lambda$ by looking at the KL** on the
# validation images, and do it again for every new discriminator. The other weight, $\gamma$, says how much the decoder listens to the features and how much
# to the discriminator's verdict. From here on we use $\lambda = 0.1$, $\gamma = 1$ and $r_1 = 0.1$,
# with Adam at $10^{-3}$ and a momentum of 0.5 for every player.
#
# ## 7. Which one is best?
#
# We compare three models with the same decoder, the same number of epochs, and three seeds. The VAE gets what chapter 04 found best for gray images, a Gaussian
# likelihood with a learned scale. It trains with Adam at $2 \cdot 10^{-3}$ and the usual momentum, because it has no opponent. As its samples we take the means, as everybody does, cut to $[0, 1]$.
#
# **Predict.** Which model is the sharpest, which the most precise, and which leaves most out? Write down three names.

# %%
encoder, decoder, _ = new_networks(0)
vae = models.VAE(encoder, decoder, likelihood=likelihoods.Gaussian("learned"))
vae.compile(keras.optimizers.Adam(2e-3))
rivals = {"VAE": vae, "GAN": gans["R1"], "VAE-GAN": vae_gans[0.1, 0.1]}
samples, copies, seconds = {}, {}, {}
for name, seed in [(name, seed) for name in rivals for seed in SEEDS]:
    model = rivals[name]
    restart(model, seed)
    began = time.perf_counter()
    model.fit(x_train, batch_size=64, epochs=EPOCHS, verbose=0)
    seconds[name, seed] = time.perf_counter() - began
    samples[name, seed] = model.sample(EVALUATION_SIZE, seed=100 + seed).clip(0, 1)
    if name != "GAN":
        copies[name, seed] = model.reconstruct(x_valid).clip(0, 1)

# %% tags=["drift"]
truth, means = verdicts["real images"], {}
print(f"{'':10s}" + "".join(f"{label:>16s}" for label in COLUMNS))
for name in rivals:
    found = np.array([scores(samples[name, seed]) for seed in SEEDS])
    means[name] = Scores(*found.mean(axis=0))
    pairs = zip(found.mean(axis=0), found.std(axis=0, ddof=1))
    row = [f"{mean:8.2f} +- {spread:4.2f}" for mean, spread in pairs]
    print(f"{name:10s}" + "".join(row))
print(f"{'real':10s}" + "".join(f"{value:8.2f}        " for value in truth))

# %% tags=["drift"]
vae, gan, vae_gan = means.values()
if DATASET == "faces":
    assert vae_gan.frechet < 0.75 * min(vae.frechet, gan.frechet), "the VAE-GAN is the nearest"
    assert vae.precision > gan.precision + 0.1, "the VAE is more precise than the GAN"
    assert vae_gan.recall > gan.recall + 0.1, "the VAE-GAN reaches more of the real images"
    assert vae.sharpness < 0.95 * truth.sharpness, "the VAE is softer than real"
    assert truth.sharpness < 0.95 * gan.sharpness, "and the GAN is harsher than real"
    less = vae.coverage_error - gan.coverage_error
    assert less > 0.02, "the GAN spreads more evenly over orientation and lighting"

# %% tags=["drift"] mystnb={"image": {"alt": "Four rows of twelve small faces: samples of the VAE, which are smooth and quiet; of the GAN, which are grainy, with strong light and shade; of the VAE-GAN, which lie between; and real faces."}}
for name, model in rivals.items():
    size, shortest = model.count_params(), min(seconds[name, seed] for seed in SEEDS)
    print(f"cost of {name}: {size} weights, {shortest:.1f} s for {EPOCHS} epochs")
rows = {name: samples[name, SEEDS[0]][:12] for name in rivals}
plots.image_rows(rows | {"real": x_train[:12]})
plt.show()

# %% [markdown]
# On the faces, the GAN is the sharpest and the VAE the most precise. The GAN has the lowest recall, and the VAE covers orientation and lighting least evenly. The pictures are
# the first twelve samples of each model, not the best twelve, above twelve real faces. The VAE's are smooth and quiet, the GAN's have strong light and shade, and grain, and the VAE-GAN's lie between.
#
# The table gives the numbers, for the faces, **after 30 epochs** and over three seeds. No model wins every column.
#
# - The **VAE** is the most precise, though hardly by more than its spread over seeds: what it draws could be a face. It is softer than real images, and it covers orientation and lighting
#   least evenly.
# - The **GAN** covers orientation and lighting more evenly. But its sharpness is *above* that of real images, which section 5 taught us to read as grain, and its
#   precision is the lowest.
# - The **VAE-GAN** has by far the smallest Fréchet distance, and more recall than the GAN at more precision. Its recall cannot be separated from the VAE's: look at
#   the spreads. It has some grain too.
#
# This is a comparison at 30 equal epochs, and the loss weights of one of the three come from a short search. What comes later? Row Y10 of
# [the course's benchmarks](../benchmarks/yardsticks.md) trains the three for 100 epochs, with three seeds and against test faces, and also measures
# each decoder with its weights averaged over the last epochs (a callback of a few lines). At 30 epochs the GAN and the VAE are level there, at 0.50 and 0.49.
# At 100 the VAE has hardly moved (0.46), while the GAN has come down to 0.27, and to 0.16 with averaged weights. So the order of these two
# depends on the budget. The place of the VAE-GAN does not: it is nearest in all three seeds, at both budgets, with and without averaging; at 100 epochs
# and averaged, at 0.12, it is only a little ahead of the GAN. Averaging is no cure for everybody: at 30 epochs it makes the VAE worse (0.56),
# because it mixes in weights that were still far from done. Nor do equal epochs cost the same: the last lines count weights and seconds, and the VAE-GAN, with three networks, is the most expensive.
#
# What does each model leave out? Let the reader read the factors off the samples, and compare their spread with that of real faces. The reader
# may be misled by grain and by blur, so real images with noise, and blurred ones, stand beside them as controls. A model with
# an encoder can be asked one more question: which factors survive in its *copies*, the reconstructions? We answer it with the correlation between the true factor and the one read off the copy. The same
# correlation on the real images themselves says what the reader could find in a perfect copy.
#
# **Predict.** A mouth is a few pixels. Which of the models draws smiles?

# %% tags=["drift"]
def spread_of(groups):
    """The spread of each factor that the reader sees, a mean over groups of images."""
    return np.mean([reader(images).numpy().std(axis=0) for images in groups], axis=0)


def correlations(images):
    """For each factor: of its true value with the one read off validation images or copies."""
    pairs = zip(reader(images).numpy().T, y_valid.T)
    return np.array([np.corrcoef(read, true)[0, 1] for read, true in pairs])


groups = {name: [samples[name, seed] for seed in SEEDS] for name in rivals}
groups |= {name: [suspects[name]] for name in ("real images", "noisy", "blurred")}
spreads = {name: spread_of(group) for name, group in groups.items()}
kept, pixel_errors = {"real images": correlations(x_valid)}, {}
for name in ("VAE", "VAE-GAN"):
    group = [copies[name, seed] for seed in SEEDS]
    kept[name] = np.mean([correlations(x_hat) for x_hat in group], axis=0)
    pixel_errors[name] = np.mean([np.sqrt(np.mean((x_hat - x_valid) ** 2)) for x_hat in group])
for title, rows in (("spread of", spreads), ("copies keep", kept)):
    print(f"{title:16s}" + "".join(f"{name:>13s}" for name in names))
    for name, values in rows.items():
        print(f"{name:16s}" + "".join(f"{value:13.2f}" for value in values))
for name, error in pixel_errors.items():
    print(f"{name}: its copies are off by {error:.3f} in pixels")

# %% tags=["drift"]
assert np.isfinite(list(kept.values())).all(), "every factor varies in every model's copies"
if DATASET == "faces":
    ORIENTATION, EXPRESSION, LIGHTING = range(3)
    expression = {name: values[EXPRESSION] for name, values in spreads.items()}
    assert pixel_errors["VAE"] < pixel_errors["VAE-GAN"], "trained on pixels, it copies better"
    assert expression["VAE"] < 0.7 * expression["blurred"], "not even blur explains it"
    assert expression["noisy"] > 1.2 * expression["real images"], "noise looks like expression"
    assert kept["real images"][EXPRESSION] > 0.6, "the reader does find that of real faces"
    for name in ("VAE", "VAE-GAN"):
        assert kept[name][[ORIENTATION, LIGHTING]].min() > 0.9, f"{name}: copies keep these two"
        assert kept[name][EXPRESSION] < 0.5, f"{name}: copies lose the expression"

# %% [markdown]
# On the faces, the VAE draws hardly any smiles, the VAE-GAN's "smiles" are speckles, and for the GAN we cannot tell. The VAE's samples show the same neutral face on every head, precise and dull, and the precision did not notice. The
# reader finds more expression in the samples of the GAN and the VAE-GAN. It is tempting to conclude that the discriminator looks at
# mouths. **The controls forbid it.** Noise alone makes the reader see more expression than there is, and both models have grain.
#
# For the VAE and the VAE-GAN the copies decide the question. Orientation, lighting, width and hair survive in both, and the expression in *neither*, although the same reader does find it in the real images.
# The GAN has no encoder, so nothing here tells its expressions from its grain.
#
# The copies also show the other side of the trade-off: in pixels, which it was trained for, the VAE's are better. If you need faithful copies, or a
# likelihood, keep the VAE. If you need samples from the right distribution, as far as the Fréchet distance can see it, take, at this budget, the VAE-GAN.
#
# ## 8. Can you stop, save and go on?
#
# (Optional on a first reading.) An adversarial model has two optimizers, each with its own memory, and a stream of random codes. If a checkpoint loses one of them, training
# goes on without an error, but it is a different training. Keras's own callback saves the whole model after each epoch. To test it, we compare two epochs in
# one go with one epoch, a reload from the file, and another epoch. All weights must agree.

# %%
more = {"batch_size": 64, "epochs": 2, "shuffle": False, "verbose": 0}
straight = new_vaegan(optimizers=adversarial_optimizers(), kl_weight=0.1, r1=0.1)
with tempfile.TemporaryDirectory() as folder:
    keep = keras.callbacks.ModelCheckpoint(folder + "/after_{epoch}.keras")
    straight.fit(x_train[:256], callbacks=[keep], **more)
    resumed = keras.models.load_model(folder + "/after_1.keras")
resumed.fit(x_train[:256], initial_epoch=1, **more)
for a, b in zip(straight.get_weights(), resumed.get_weights()):
    assert np.allclose(a, b, rtol=0, atol=1e-6), "it must go on as if nothing had happened"

# %% [markdown]
# ## 9. With more time
#
# Is it the 30 epochs that lose the smiles? `models.load("faces-vae")` is a plain VAE of the full faces, 32 by 32 pixels, trained for 600 epochs with
# $\sigma = 0.1$. We halve its copies, and ask the same reader.
#
# **Predict.** Will its copies keep the expression, without any critic?

# %% tags=["drift"] mystnb={"image": {"alt": "Two rows of ten faces: real faces, and below them their copies by a VAE trained for 600 epochs. The copies are hard to tell from the faces, and their mouths are the same."}}
if DATASET == "faces":
    patient = models.load("faces-vae").reconstruct(data.x_valid[:EVALUATION_SIZE]).clip(0, 1)
    kept["600 epochs"] = correlations(halve(patient))
    for name in ("600 epochs", "real images"):
        print(f"{name:12s} expression {kept[name][EXPRESSION]:.2f}")
    best = kept["real images"][EXPRESSION]
    assert kept["600 epochs"][EXPRESSION] > best - 0.1, "these copies keep the expression"
    plots.image_rows({"faces": data.x_valid[:10], "copies, 600 epochs": patient[:10]})
    plt.show()

# %% [markdown]
# Yes: the reader finds the expression in these copies as well as in the real faces, where the copies of section 7 had lost it. The upper row has real faces,
# the lower one their copies, in full size. So it is not the likelihood on pixels as such that loses the smiles: trained for long enough, a VAE without any
# critic keeps a mouth of a few pixels. (One model and one seed, with other layers, ten latents and four times the pixels, so the epochs are not the only difference.)
#
# ## Summary
#
# - You trained a GAN from scratch, then many, and recognized oscillation (exactly, with two weights) and mode collapse (by counting clusters).
# - You chose a cure by measurement. Less momentum, or a smaller step, came first, and R1 second; label smoothing and the hinge loss made little difference, and
#   spectral normalization did harm on clusters too small for its slope.
# - You wrote the three losses of the VAE-GAN, and tested which loss moves which network: every option reaches its owners and nobody else.
# - You measured sharpness, fidelity and diversity of samples, saw every score but the Fréchet distance miss or praise a fault on images with known faults, and know what each cannot see (the
#   Fréchet distance: which fault it is).
# - You compared VAE, GAN and VAE-GAN with the same decoder over seeds, and found a trade-off and no winner.
#
# **Common mistakes**
# - Reading the losses as progress. Both are measured against an opponent that learns.
# - Choosing the best-looking of many seeds. Show a fixed grid, chosen before training.
# - Training an adversarial model with a momentum of 0.9 and the usual step, because they are the optimizer's defaults.
# - Using one loss, the sum of all three, for all weights. The discriminator then learns to see nothing.
# - Copying $\lambda$ or $\gamma$ from a paper. They belong to the features of that discriminator.
# - Praising sharpness above that of real images: it is noise.
# - Comparing Fréchet distances from different numbers of samples, or with other features.
#
# **Exercises.** [Exercises 10](../exercises/10_vae_gan/10_vae_gan.ipynb): the best discriminator, R1 by automatic differentiation, a loss that
# leaks, and how to fool a score.
#
# **Further reading**
# - Goodfellow et al. (2014), "Generative adversarial nets": the game, and equation 10.2.
# - Mescheder, Geiger and Nowozin (2018), "Which training methods for GANs do actually converge?": the duel of section 2, and R1.
# - Miyato et al. (2018), "Spectral normalization for generative adversarial networks": slopes bounded everywhere.
# - Larsen et al. (2016), "Autoencoding beyond pixels using a learned similarity metric": the VAE-GAN, algorithm 1.
# - Kynkäänniemi et al. (2019), "Improved precision and recall metric for assessing generative models": fidelity and diversity as two numbers.
# - Heusel et al. (2017), "GANs trained by a two time-scale update rule converge to a local Nash equilibrium": the Fréchet distance.
