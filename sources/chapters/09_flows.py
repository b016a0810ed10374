# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 09. Normalizing flows: richer distributions
#
# You bend a normal distribution into almost any shape without losing track of its density, fit such a density to patches of real photographs, and find out
# whether a VAE should use the new freedom for its posterior or for its prior.
#
# **Goals.** After this chapter you can
# - derive the change of variables, and check a log-determinant against automatic differentiation;
# - build planar, coupling and autoregressive flows, and say why each has a cheap determinant;
# - choose the direction of an autoregressive flow by counting passes of its network;
# - fit a flow to real images, and report nats and bits a pixel that others can compare;
# - use a flow as the posterior or as the prior of a VAE, and say which of the two is really new;
# - split the gap of a VAE into a part due to its posterior family and a part due to its encoder.
#
# **Before you start.** Chapter 03 (the ELBO and its gap), chapter 04 (log-likelihood with $k$ samples) and section 4 of chapter
# 06 (the aggregate posterior). From calculus: the Jacobian matrix, and its determinant as a volume.
#
# **Level:** advanced · **Time:** 80 minutes reading, 3 minutes computing

# %%
# vae_course is imported first: it sets TensorFlow's options.
from vae_course import datasets, evaluation, flows, models, networks, plots, posteriors, priors
from vae_course.parts import gaussian, standard_normal

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfb, tfd = tfp.bijectors, tfp.distributions
plots.use_style()

# %%
DATASET = "digits"  # or "mnist", "fashion_mnist", ...
EPOCHS = {"digits": 120}.get(DATASET, 40)
LATENT_SIZE = 2  # so that priors and posteriors can be drawn
HIDDEN = (128,)
SEEDS = (0, 1, 2)
TRAIN_SIZE, EVALUATION_SIZE = 2000, 500  # at most: keeps larger sets to some minutes
keras.utils.set_random_seed(0)

# %%
nodes = {"$z_0$": (0, 0, "variable"), "$z_1$": (3.2, 0, "variable"), "...": (6.6, 0, "text")}
places = {"1": 1.6, "2": 4.8, "K": 8.6}
nodes |= {f"$f_{k}$": (place, 0, "network") for k, place in places.items()}
nodes |= {"$x$": (10.2, 0, "observed"), "density: the way back": (5.1, 1.6, "text")}
path = ["$z_0$", "$f_1$", "$z_1$", "$f_2$", "...", "$f_K$", "$x$"]
back = {"bend": 0.22, "style": "--", "color": plots.COLORS[3]}
arrows = [*zip(path, path[1:], strict=False), ("$x$", "$z_0$", back)]
ax = plots.schematic(nodes, arrows, unit=0.65)
plt.show()

# %% [markdown]
# A flow is a chain of invertible maps. Read from left to right it samples: noise $z_0 \sim N(0, I)$ goes in, an example $x$ comes out. Read from right to left it gives
# the density: it finds the noise that makes a given $x$, and adds up how much each step stretches space. Both directions are exact. There is no bound and no second network.
#
# ## 1. What happens to a density when its variable is bent?
#
# Draw $z$ from a density that you know, and send it through an invertible map $f$. What is the density of $x = f(z)$? Look at a tiny
# square of area $dz$ around $z$. Close up, a smooth map is linear, and its matrix is the matrix of derivatives, the **Jacobian** $J_f(z)$. So
# the square becomes a parallelogram of area $|\det J_f(z)|\, dz$. The draws that fall into the square are exactly those that land in the
# parallelogram, so both hold the same probability, $p_z(z)\, dz = p_x(x)\, |\det J_f(z)|\, dz$. Take logarithms:
#
# $$ \log p_x(x) = \log p_z(z) - \log |\det J_f(z)|, \qquad z = f^{-1}(x). \tag{9.1} $$
#
# Where $f$ stretches, the density gets thinner: hence the minus sign. Such a map is called a **normalizing flow**, because
# its inverse turns complicated data into a normal distribution.
#
# We check every determinant in this chapter against automatic differentiation, which is exact but computes a $d \times d$ matrix for every example.
#
# Our first map bends the plane: $x_1 = e^{z_1/2}$, $x_2 = z_2 + z_1^2$. Its Jacobian is lower triangular, so the determinant is the product of the
# diagonal, $\tfrac12 e^{z_1/2} \cdot 1$.
#
# **Predict.** If you forget the minus sign in equation 9.1, will the result still be a density? What would you look at to find out?

# %%
def jacobian(f, z):
    """J_f by automatic differentiation: z [n, d] -> [n, d, d]; row i belongs to output i."""
    z = tf.convert_to_tensor(z)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        outputs = tf.unstack(f(z), axis=-1)  # d times [n]
    rows = [tape.gradient(output, z, unconnected_gradients="zero") for output in outputs]
    return tf.stack(rows, axis=1)


def referee(f, z):
    """log |det J_f(z)|: z [n, d] -> [n]."""
    return tf.linalg.slogdet(jacobian(f, z)).log_abs_determinant

# %%
def bend(z):
    return tf.stack([tf.exp(0.5 * z[..., 0]), z[..., 1] + z[..., 0] ** 2], axis=-1)


normal = standard_normal(2)
x_1, x_2 = np.linspace(0.02, 8, 800, dtype="float32"), np.linspace(-5, 20, 800, dtype="float32")
points = np.stack(np.meshgrid(x_1, x_2), axis=-1)
z_1 = 2 * np.log(points[..., 0])
z = np.stack([z_1, points[..., 1] - z_1**2], axis=-1)  # f^-1 of every point of the grid
log_det = 0.5 * z_1 - np.log(2)
density = np.exp(normal.log_prob(z) - log_det)  # equation 9.1
wrong_sign = np.exp(normal.log_prob(z) + log_det)

exact = referee(bend, z.reshape(-1, 2)[::9999])
assert np.allclose(log_det.ravel()[::9999], exact, atol=1e-3), "pencil and autodiff agree"
area = (x_1[1] - x_1[0]) * (x_2[1] - x_2[0])
mass, wrong_mass = density.sum() * area, wrong_sign.sum() * area
print(f"total mass: {mass:.2f}; with the wrong sign {wrong_mass:.2f}")
assert abs(mass - 1) < 0.01, "equation 9.1 gives a density: it integrates to one"
assert wrong_mass < 0.5, "with the wrong sign, more than half of the mass is lost"

# %% mystnb={"image": {"alt": "Left: a grid of equal squares, two of them filled. Right: the bent images of the squares, to the same scale, over the gray cloud of the density. The orange square is squeezed to a sliver, the green one shrinks less."}}
figure, axes = plt.subplots(1, 2, figsize=(8, 5.6), sharex=True, sharey=True)
along = np.linspace(-2, 2, 81, dtype="float32")
for value in np.linspace(-2, 2, 9, dtype="float32"):
    fixed = np.full_like(along, value)
    for line in (np.stack([fixed, along], -1), np.stack([along, fixed], -1)):
        axes[0].plot(*line.T, color=plots.COLORS[0], linewidth=1)
        axes[1].plot(*bend(line).numpy().T, color=plots.COLORS[0], linewidth=1)
for left in (-1.5, 1.0):  # two of the squares
    corner = np.array([[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]], "float32") + [left, -0.5]
    for ax, shape in zip(axes, (corner, bend(corner).numpy()), strict=True):
        ax.fill(*shape.T, color=plots.COLORS[3 if left < 0 else 2], zorder=3)
axes[1].contourf(x_1, x_2, density, cmap="Grays", alpha=0.5, levels=6, zorder=0)
axes[0].set(title="equal squares", xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
axes[1].set(title="their images, to the same scale", xlabel="$x_1$", ylabel="$x_2$")
axes[1].set(aspect="equal", xlim=(-2.3, 3.1), ylim=(-2.5, 6.3))
plt.show()

# %% [markdown]
# No: with the wrong sign more than half of the mass is lost. An integral over a grid finds the mistake, and in two dimensions it costs nothing. In more dimensions
# the check that remains is automatic differentiation.
#
# <!-- answer -->
#
# Both panels have the same scale, so areas can be compared. The two filled squares are equally large and hold the same probability. The orange one is squeezed, so its
# density must rise.
#
# <!-- auto -->
#
# The green one shrinks less, to an area 3.5 times as large as that of the first, and its density is lower by the same factor. The gray cloud is the density of $x$.
#
# Flows can be chained, $z_0 \to z_1 \to \dots \to z_K = x$, and the logarithms add up:
#
# $$ \log p(x) = \log p(z_0) - \sum_{k=1}^{K} \log |\det J_{f_k}(z_{k-1})|. \tag{9.2} $$
#
# So many simple steps make one rich map. The difficulty is the computation. A general determinant in $d$ dimensions takes about
# $d^3$ operations, for every example in every step, and a general map cannot be inverted at all. The next sections show three kinds of
# step for which neither is a problem.
#
# ## 2. A step that bends along one line: planar flows
#
# The first flow used in a VAE (Rezende and Mohamed, 2015) moves every point along one direction $u$, by an amount that
# depends on one number, $w \cdot z + b$:
#
# $$ f(z) = z + u \tanh(w \cdot z + b), \qquad
#    |\det J_f(z)| = \big|1 + u \cdot w\, (1 - \tanh^2(w \cdot z + b))\big|. \tag{9.3} $$
#
# The Jacobian is the identity plus a matrix of rank one, $u\, w^\top$ times a number, and the determinant of $I + u v^\top$ is
# $1 + u \cdot v$. That takes $d$ operations instead of $d^3$. One condition remains: if $u \cdot w < -1$, the map folds, and two points land
# in the same place. The usual remedy moves $u$ along $w$ until $u \cdot w = \mathrm{softplus}(\cdot) - 1 > -1$.

# %%
def dot(a, b):
    return tf.reduce_sum(a * b, axis=-1, keepdims=True)


def planar(z, w, u, b):
    """Equation 9.3: z [..., d] -> (f(z) [..., d], log |det J_f(z)| [...])."""
    u = u + (tf.nn.softplus(dot(w, u)) - 1 - dot(w, u)) * w / dot(w, w)  # now u.w > -1
    a = tf.tanh(dot(w, z) + b)
    return z + u * a, tf.math.log(1 + dot(w, u) * (1 - a**2))[..., 0]


layer = flows.Planar(5)
for weight in layer.trainable_weights:
    weight.assign(tf.random.stateless_normal(weight.shape, seed=[1, 2]))
weights = [tf.convert_to_tensor(weight) for weight in (layer.w, layer.u, layer.b)]
z = tf.random.stateless_normal([20, 5], seed=[0, 0])
x, log_det = planar(z, *weights)
expected = referee(lambda z: planar(z, *weights)[0], z)
assert np.allclose(log_det, expected, atol=1e-4), "equation 9.3 is the determinant"
step = layer.bijector()
assert np.allclose(step.forward(z), x, atol=1e-5), "the library's Planar is the same map"
assert np.allclose(step.inverse(x), z, atol=1e-3), "with an inverse, by bisection along w"

# %% [markdown]
# In the library, `flows.Planar(5)` is a Keras layer that owns $w$, $u$ and $b$. Each call of its method `bijector()` wraps them anew
# in the interface of TensorFlow Probability: `forward`, `inverse`, and the logarithm of the determinant.
#
# ### What can a few bends do?
#
# Now we use planar flows for what a VAE needs, in two dimensions, where we can draw the result. A VAE knows its true posterior up to a constant: for a
# fixed image, $p_\theta(z|x) = p_\theta(x, z) / p_\theta(x)$, and only the numerator can be computed. So let $\tilde p(z)$ be any positive function whose
# integral $Z$ is unknown. Train the flow so that it turns a normal $z_0$ into something close to this target:
#
# $$ \mathrm{KL}(q\,\|\,\tilde p / Z) = \log Z + \mathbb{E}\Big[\log N(z_0; 0, I) - \sum_{k=1}^{K} \log |\det J_{f_k}(z_{k-1})|
#    - \log \tilde p(z_K)\Big]. \tag{9.4} $$
#
# Put $\tilde p(z) = p_\theta(x, z)$: the expectation is then the negative ELBO, $Z$ is the evidence, and the KL is the gap of equation 3.5.
# Training never needs $Z$. In two dimensions a grid gives it anyway, so we can see the true gap. Our two targets are a wave and a
# pair of crescents.
#
# Every training in this chapter that needs no VAE uses `minimize`. The weights below get an extra axis for `RUNS` flows, which start from different random weights and learn side by side: their losses are
# added, and no flow affects another. The argument `warm_up` weakens the target at first: it is $\tilde p^{\,\tau}$ with $\tau$ rising to 1, like the
# annealing of chapter 06.
#
# **Predict.** How many bends does the wave need? And recall the two peaks of chapter 03, where a normal covered one of them and paid
# $\log 2$. A flow *can* cover both crescents. Will it?

# %%
def wave(z):
    sine = tf.sin(np.pi / 2 * z[..., 0])
    return -0.5 * ((z[..., 1] - sine) / 0.4) ** 2 - 0.5 * (z[..., 0] / 2.5) ** 8


def crescents(z):
    sides = [-0.5 * ((z[..., 0] - side) / 0.6) ** 2 for side in (2.0, -2.0)]
    return -0.5 * ((tf.norm(z, axis=-1) - 2) / 0.4) ** 2 + tf.reduce_logsumexp(sides, axis=0)


axis = np.linspace(-4, 4, 201, dtype="float32")
square = np.stack(np.meshgrid(axis, axis), axis=-1)  # [201, 201, 2]
pixel = (axis[1] - axis[0]) ** 2
log_z = {target: np.log(np.exp(target(square)).sum() * pixel) for target in (wave, crescents)}

# %%
def minimize(loss, weights, steps, learning_rate=0.02):
    """Adam on loss(i), where i counts the steps; the whole loop is one compiled program."""
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(weights)

    @tf.function(jit_compile=True)
    def loop():
        for i in tf.range(steps):
            with tf.GradientTape() as tape:
                value = loss(i)
            optimizer.apply(tape.gradient(value, weights), weights)

    loop.get_concrete_function()()

# %%
RUNS = 6


def fit_planar(target, count, warm_up=1, steps=1500):
    """`count` planar steps trained on equation 9.4: (draws [RUNS, n, 2], true KL [RUNS])."""
    w, u = 0.5 * np.random.default_rng(0).normal(size=(2, count, RUNS, 1, 2))
    b = np.zeros((count, RUNS, 1, 1))
    w, u, b = [keras.Variable(start, dtype="float32") for start in (w, u, b)]

    def distance(z_0, strength=1.0):
        z, log_det = z_0, 0.0
        for k in range(count):
            z, more = planar(z, w[k], u[k], b[k])
            log_det += more
        return z, tf.reduce_mean(normal.log_prob(z_0) - log_det - strength * target(z), axis=1)

    def loss(i):
        z_0 = tf.random.stateless_normal([RUNS, 256, 2], seed=[0, i])
        strength = tf.minimum(1.0, 0.01 + tf.cast(i, tf.float32) / warm_up)
        return tf.reduce_sum(distance(z_0, strength)[1])

    minimize(loss, [w, u, b], steps)
    z, kl = distance(normal.sample([RUNS, 20_000], seed=(0, 0)))
    return z.numpy(), kl.numpy() + log_z[target]

# %% tags=["drift"]
fits = {f"wave, $K = {count}$": fit_planar(wave, count) for count in (1, 2, 8)}
fits["crescents, $K = 8$"] = fit_planar(crescents, 8)
fits["warmed up, $K = 8$"] = fit_planar(crescents, 8, warm_up=700)
one, two, eight, plain, warmed = kls = [kl for _, kl in fits.values()]
for name, kl in zip(fits, kls, strict=True):
    print(f"{name:20s} KL of {RUNS} runs:", *(f"{value:.2f}" for value in np.sort(kl)), "nats")
assert np.min(kls) > -0.05, "a KL is not negative (its estimate may be, by its noise)"
assert max(0.7, np.median(two)) < np.median(one), "one bend is not enough"
assert np.median(eight) < np.median(two), "more bends, closer"
assert eight.max() < 0.2, "eight bends follow the wave, in every run"
assert two.min() < 0.3 < 0.5 < two.max(), "two bends can do it; some runs get stuck"
assert abs(plain.max() - np.log(2)) < 0.05, "a run that drops a crescent pays log 2"
assert np.median(warmed) < 0.25, "with a warm-up they find both"

# %% tags=["drift"] mystnb={"image": {"alt": "Eight maps of densities. Above: the wave, and flows with one, two and eight bends, which come closer step by step. Below: two crescents, a run that has both, a run that has dropped one, and the worst run with warm-up, which has both."}}
figure, axes = plt.subplots(2, 4, figsize=(10, 5.4), sharex=True, sharey=True)
for ax, target in zip(axes[:, 0], (wave, crescents), strict=True):
    ax.imshow(np.exp(target(square)), origin="lower", extent=(-4, 4, -4, 4))
    ax.set(title=f"target: {target.__name__}\n", ylabel="$z_2$")
shown = [(name, np.argmin) for name in list(fits)[:4]]
shown += [(name, np.argmax) for name in list(fits)[3:]]
for ax, (name, choose) in zip(axes[:, 1:].flat, shown, strict=True):
    draws, kl = fits[name]
    ax.hist2d(*draws[choose(kl)].T, bins=60, range=[[-4, 4], [-4, 4]])
    which = "best" if choose is np.argmin else "worst"
    ax.set_title(f"{name}\n{which} run: KL {kl[choose(kl)]:.2f} nats", fontsize=9)
for ax in axes.flat:
    ax.set(aspect="equal", xlabel="$z_1$" if ax in axes[1] else None)
plt.show()

# %% [markdown]
# Two bends are enough for the wave, if the run is lucky; eight follow it in every run. And no, the flow cannot be relied on to find both crescents by itself: with the same family and the same target, some
# runs end at $\log 2 \approx 0.69$, the cost of dropping one of two equal parts, and others near 0.1. With the warm-up even the worst run has both.
#
# A family may *contain* a good answer, and training may still not reach it. The expectation in equation 9.4 is taken under $q$, so the loss says nothing about a crescent
# that $q$ never visits. A weakened target is wide enough to be visited everywhere. Keep this in mind for the flow posteriors below.
#
# ## 3. A step that leaves half of the latents alone: coupling layers
#
# Planar steps are weak, with one bend each, and their inverse needs a search. Dinh, Krueger and Bengio (2014, NICE) found a step that can contain any network and whose inverse is
# as cheap as the step itself. Cut $z$ into two halves. The first half, $z_a$, stays. The second is shifted by what a network computes from the first. Real NVP (Dinh et al., 2017) added a scale,
# so that the step can change volumes. We write $y = f(z)$ for one step of a chain:
#
# $$ y_a = z_a, \qquad y_b = z_b \odot e^{s(z_a)} + t(z_a), \qquad
#    J_f = \begin{pmatrix} I & 0 \\ \ast & \mathrm{diag}(e^{s(z_a)}) \end{pmatrix}, \qquad \log |\det J_f| = \sum_j s_j(z_a). \tag{9.5} $$

# %%
step = "$\\odot\\, e^{s} + t$"
nodes = {"$z_a$": (0, 2, "variable"), "$y_a$": (7.8, 2, "variable")}
nodes |= {"$z_b$": (0, 0, "variable"), "$y_b$": (7.8, 0, "variable")}
nodes |= {"network": (2.6, 1, "network"), step: (5.2, 0, "network")}
arrows = [("$z_a$", "$y_a$", {"label": "unchanged"}), ("$z_a$", "network"), ("$z_b$", step)]
arrows += [("network", step, {"label": "$s,\\ t$"}), (step, "$y_b$")]
ax = plots.schematic(nodes, arrows, unit=0.7)
plt.show()

# %% [markdown]
# This is one coupling step. The network may be any function at all: its derivatives stand in the block marked with a star, on which the determinant does not depend.
# To go back, compute $s$ and $t$ from $y_a = z_a$, subtract and divide: **the network is never inverted**. Half of the latents were not moved, so
# the next step swaps the roles.

# %%
def scale_and_shift(network, z_a):
    shift, raw = np.split(network(z_a), 2, axis=1)
    return 2 * np.tanh(raw / 2), shift  # s is at most 2: no step stretches by more than e^2


def couple(z, network, still):
    """Equation 9.5: z [n, d] -> (y [n, d], log |det J| [n]); the first `still` latents stay."""
    s, t = scale_and_shift(network, z[:, :still])
    moved = z[:, still:] * np.exp(s) + t
    return np.concatenate([z[:, :still], moved], axis=1), s.sum(axis=1)


def uncouple(y, network, still):
    s, t = scale_and_shift(network, y[:, :still])
    return np.concatenate([y[:, :still], (y[:, still:] - t) * np.exp(-s)], axis=1)

# %%
layer = flows.Coupling(5, hidden=(16,))
for i, weight in enumerate(layer.trainable_weights):  # a fresh layer is nearly the identity
    weight.assign(tf.random.stateless_normal(weight.shape, seed=[3, i]))
z = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
y, log_det = couple(z, layer.network, layer.still)
back, step = uncouple(y, layer.network, layer.still), layer.bijector()
assert np.allclose(back, z, atol=1e-4), "inverse(forward(z)) = z"
assert np.allclose(log_det, referee(step.forward, z), atol=1e-3), "log |det| is the sum of s"
assert np.allclose(step.forward(z), y, atol=1e-4), "flows.Coupling is the step made by hand"

# %% [markdown]
# ### Density estimation
#
# Because its inverse is cheap, such a flow can be trained on *data*: equation 9.2 is a log-likelihood, and we maximize it. We need no bound and no posterior. We
# take two moons: points on two half circles, with a little noise. Since we made the data ourselves, we also know the true density, and so the best log-likelihood that
# any model can reach on new points.
#
# `priors.FlowPrior` is a Keras layer: a standard normal followed by a chain of flows. (A VAE tells its prior how many latents it has;
# without a VAE, `on((2,))` does.) Each call of its `distribution()` builds the density from the current weights. The check below looks first at whether the weights moved. A flow whose weights the optimizer never
# sees runs without an error and learns nothing, and the exercises show how easily that happens.

# %%
angle = np.linspace(0, np.pi, 500)
upper, lower = [np.cos(angle), np.sin(angle)], [1 - np.cos(angle), 0.5 - np.sin(angle)]
arcs = (np.concatenate([upper, lower], axis=1).T - [0.5, 0.25]).astype("float32")  # [1000, 2]
anywhere = tfd.Categorical(tf.zeros(len(arcs)))
truth = tfd.MixtureSameFamily(anywhere, tfd.MultivariateNormalDiag(arcs, [0.1, 0.1]))
moons, moons_test = truth.sample(3000, seed=(0, 0)), truth.sample(1000, seed=(0, 1))
factor = np.linalg.cholesky(np.cov(np.transpose(moons))).astype("float32")
one_normal = tfd.MultivariateNormalTriL(np.mean(moons, axis=0), factor)

# %%
keras.utils.set_random_seed(0)
steps = [flows.Coupling(2, hidden=(64, 64), flip=i % 2 == 1) for i in range(8)]
flow = priors.FlowPrior(steps).on((2,))  # over codes of two numbers
before = [weight.numpy() for weight in flow.trainable_weights]


def negative_log_likelihood(i):
    rows = tf.random.stateless_uniform([256], seed=[0, i], maxval=len(moons), dtype=tf.int32)
    return -tf.reduce_mean(flow.distribution().log_prob(tf.gather(moons, rows)))


minimize(negative_log_likelihood, flow.trainable_weights, steps=2000, learning_rate=0.005)

# %% tags=["drift"]
for weight, old in zip(flow.trainable_weights, before, strict=True):
    assert np.any(weight.numpy() != old), "every weight of every step has learned"
contenders = {"one normal": one_normal, "flow": flow.distribution(), "truth": truth}
worst, score, best = [p.log_prob(moons_test).numpy().mean() for p in contenders.values()]
print(f"nats a new point: one normal {worst:.2f}, flow {score:.2f}, truth {best:.2f}")
mass = np.exp(flow.distribution().log_prob(square)).sum() * pixel
assert abs(mass - 1) < 0.02, "it is a density"
assert score > worst + 0.7, "the flow is far better than a normal"
assert -0.02 < best - score < 0.25, "near the truth, which only chance can beat"

# %% tags=["drift"]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True)
window = np.stack(np.meshgrid(np.linspace(-2, 2, 241), np.linspace(-1.2, 1.2, 161)), axis=-1)
for ax, name in zip(axes, ("truth", "flow"), strict=True):
    pieces = np.array_split(window.astype("float32"), 16)  # at once they take 2 GB of memory
    p = np.concatenate([contenders[name].prob(part) for part in pieces])
    drawn = ax.imshow(p, origin="lower", extent=(-2, 2, -1.2, 1.2), vmin=0, vmax=0.65)
    ax.set(title=f"$p(x)$: {name}", xlabel="$x_1$", ylabel="$x_2$")
figure.colorbar(drawn, ax=axes, label="density")
plt.show()

# %% [markdown]
# The flow's density, on the right, lies along both half circles, at nearly the height of the true one on the left. Two things are wrong with it: it is less even along the arcs, and a bridge joins the two moons. The next figure shows why there must be one.
#
# This time nothing was dropped. Maximum likelihood averages over the *data*, and a moon without density would cost infinitely much. So the
# two directions of the KL fail in opposite ways.
#
# How did a round cloud become two moons? We can stop the chain after each step and draw the points.

# %% tags=["drift"]
z = [normal.sample(1500, seed=(0, 1))]
for step in flow.flows:
    z.append(step.bijector().forward(z[-1]))
nearest = ((z[-1].numpy()[:, None] - arcs) ** 2).sum(axis=-1).argmin(axis=1)
color = np.where(nearest < 500, *plots.COLORS[:2])  # by the moon where it will end
figure, axes = plt.subplots(3, 3, figsize=(9, 8))
for k, ax in enumerate(axes.flat):
    ax.scatter(*np.transpose(z[k]), s=3, c=color, linewidths=0)
    limit = max(2.0, np.abs(np.quantile(z[k], [0.002, 0.998])).max())
    ax.set(title=f"$z_{k}$", aspect="equal", xlim=(-limit, limit), ylim=(-limit, limit))
plt.show()

# %% [markdown]
# Follow the colors from $z_0$ to $z_8$. (The axes are the two coordinates; each panel has its own scale.) Every point has the color of the moon on which it will end, so the noise is sorted from the start: one color on each side of a
# border. Each step only slides and stretches along one axis, columns and rows in turn, and after eight steps the two sides have become two moons.
#
# The colors never mix, and the cloud is never torn: a continuous map with a continuous inverse cannot cut the plane. Points near the border in $z_0$ end up on the bridge between the moons. A flow can stretch
# a bridge until hardly any probability is on it, but it cannot remove it.
#
# ## 4. A step in which each latent sees all earlier ones: autoregressive flows
#
# A coupling step uses half of the triangle below the diagonal of the Jacobian. An autoregressive step uses all of it:
#
# $$ y_i = z_i\, e^{s_i(z_1, \dots, z_{i-1})} + t_i(z_1, \dots, z_{i-1}), \qquad \log |\det J_f| = \sum_i s_i. \tag{9.6} $$
#
# All $s_i$ and $t_i$ come from one network whose output $i$ may see only the inputs before $i$: **MADE**, a network with masks (Germain et al., 2015). You
# met it in the decoder of chapter 06. Every unit gets a *degree*, the number of the last input that it may see. Input $j$ has degree $j$. A hidden unit sees inputs of at most its own degree, and output $i$
# sees hidden units of degree *below* $i$. All other weights are multiplied by zero.

# %%
def made_masks(size, units):
    """Masks [size, units] and [units, size] for a network of one hidden layer."""
    inputs = np.arange(1, size + 1)
    hidden = np.arange(units) % (size - 1) + 1
    return (inputs[:, None] <= hidden).astype(float), (hidden[:, None] < inputs).astype(float)


first, second = made_masks(4, 6)
nodes = {f"in {j}": (0, 2 * (4 - j), "observed", f"$z_{j}$") for j in range(1, 5)}
nodes |= {f"unit {h}": (2.5, 6.2 - 1.3 * h, "variable", f"{h % 3 + 1}") for h in range(6)}
nodes |= {f"out {i}": (5, 2 * (4 - i), "network", f"$s_{i}, t_{i}$") for i in range(1, 5)}
arrows = [(f"in {j + 1}", f"unit {h}") for j, h in np.argwhere(first)]
arrows += [(f"unit {h}", f"out {i + 1}") for h, i in np.argwhere(second)]
ax = plots.schematic(nodes, arrows, unit=0.62)
plt.show()

# %% [markdown]
# These are the weights that the masks leave, for four latents and six hidden units. The number in a circle is the unit's degree. No arrow reaches $s_1, t_1$: they are constants, so the first
# latent is only shifted and scaled. No arrow leaves $z_4$. Start at $z_2$ and follow the arrows: you arrive at outputs 3 and 4 and nowhere else.
#
# ### One pass or many?
#
# Read equation 9.6 as a program, and count the passes, that is, the evaluations of the network. Forward, all of $z$ is known, so one pass gives all of $y$. Backward, only $y$ is known. The first latent has no
# predecessor, so one pass finds $z_1$. Once $z_1$ is known, a second pass finds $z_2$, and so on: $d$ passes, each waiting for the one before.

# %%
first, second = made_masks(5, 16)
paths = first @ second  # [5, 5]: how many ways lead from input j to output i
later = np.triu(np.ones([5, 5]), 1)
assert np.array_equal(paths > 0, later > 0), "an input reaches all later outputs and no other"
made = flows.Autoregressive(5, hidden=(16,))
assert np.allclose(made.masked[0].mask, first), "the library's MADE has the same masks"
assert np.allclose(made.masked[1].mask[:, :5], second), "in both layers"

# %%
def shift_and_scale(z):
    shift, raw = tf.split(made.network(z), 2, axis=1)  # one pass of the network
    return shift, tf.exp(2 * tf.tanh(raw / 2))


def invert(y, passes):
    z = tf.zeros_like(y)
    for _ in range(passes):  # after pass i the first i latents are right
        shift, scale = shift_and_scale(z)
        z = (y - shift) / scale
    return z

# %%
for i, weight in enumerate(made.trainable_weights):
    weight.assign(0.5 * tf.random.stateless_normal(weight.shape, seed=[4, i]))
z = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
shift, scale = shift_and_scale(z)
y = z * scale + shift
assert np.allclose(invert(y, 5), z, atol=1e-3), "five passes bring five latents back"
right = np.isclose(invert(y, 3), z, atol=1e-3).all(axis=0)
assert right[:3].all() and not right[4], "three passes bring the first three"

# %% [markdown]
# We can choose which direction gets the single pass. With `direction="sampling"` it is $f$, the way from noise to latents: the **inverse autoregressive flow**, IAF (Kingma et al., 2016).
# With `direction="density"` it is $f^{-1}$: the **masked autoregressive flow**, MAF (Papamakarios et al., 2017). Both are the same function, read in
# opposite directions. (In the library that function is $(z - t)\, e^{-s}$, as is usual for a MAF. This is equation 9.6 with other names, and the logarithm of its determinant is $-\sum_i s_i$.)
#
# | what is needed | IAF, "sampling" | MAF, "density" | coupling |
# |---|---|---|---|
# | draw $z$ | 1 pass | $d$ passes | 1 pass |
# | the density of one's own draw | 1 pass, the same | 1 more pass | 1 pass, the same |
# | the density of a given point | $d$ passes | 1 pass | 1 pass |
#
# Now think of a VAE. In every training step, its **posterior** draws $z$ and needs the density of its own draw: choose an IAF. Its **prior** has to give the density of codes that come
# from elsewhere, in every step, and draws only when you want new pictures: choose a MAF, or coupling.
#
# The second row works because TensorFlow Probability remembers the pair $(z_0, z)$ of a draw, so nothing has to be inverted. It forgets the pair as soon as you ask about any other point. So `evaluation.log_likelihood`,
# whose importance weights need the density of the posterior's own draws, is fast with an IAF posterior. `evaluation.diagnose` is slow: for $q_\phi(z)$ it needs the density of one image's code under the posterior of every *other* image.
# There the code is a given point, and the third row applies.
#
# The wrong direction raises no error. It only costs $d$ passes of the network instead of one, in every training step.
#
# ## 5. What flows are famous for: the density of real images
#
# A VAE reports a bound. A flow reports the log-likelihood itself, so two flows, or a flow and any other exact density, can be compared to the last decimal. We do so on small pieces of two photographs: patches of
# $8 \times 8$ gray pixels, 64 numbers each. The validation patches come from other parts of the pictures than the training patches.
#
# Pixels are bytes, whole numbers from 0 to 255, and that is a trap. A density on the *line* can be made infinite by piling it up on the 256 possible values, and then the likelihood means nothing. The remedy
# is **dequantization**: spread each byte $y$ over its cell, $x = (y + u) / 256$ with uniform $u$. Then by Jensen's inequality
#
# $$ \mathbb{E}_u\big[\log p(x)\big] - 64 \log 256 \;\le\; \log \int p\Big(\frac{y + u}{256}\Big) \frac{du}{256^{64}} = \log P(y), \tag{9.7} $$
#
# so the density of the spread pixels gives a lower bound on the probability of the bytes themselves (Theis et al., 2016). Divided by $-64 \log 2$, the left side is the number that is usually reported: **bits a pixel**, the most that an ideal
# compressor would need. With no model at all it needs eight bits.
#
# Our baseline is one normal distribution with full covariance. It also gives the flow its first step: we multiply by the inverse of a Cholesky factor of the covariance, which *whitens* the patches (no correlations, all variances one), and add the
# constant log-determinant.
#
# The flow is a MAF of four steps, each with 192 hidden units. Its density takes one pass of each network.
#
# **Predict.** The normal knows every correlation between two pixels. Is there much left to know? Guess in bits a pixel.

# %%
def patches(images, seed):
    """The quarters of photographs [n, 16, 16, 1], as spread pixels in [0, 1]: [4 n, 64]."""
    quarters = [images[:, i : i + 8, j : j + 8] for i in (0, 8) for j in (0, 8)]
    bytes_ = np.rint(255 * np.concatenate(quarters)).reshape(-1, 64)
    return (bytes_ + np.random.default_rng(seed).uniform(size=bytes_.shape)) / 256


photos = datasets.load("photos")
train, valid = patches(photos.x_train, 0), patches(photos.x_valid, 1)
mean, cholesky = train.mean(axis=0), np.linalg.cholesky(np.cov(train.T))
full_normal = tfd.MultivariateNormalTriL(mean, cholesky).log_prob(valid).numpy().mean()
to_white = -np.log(np.diag(cholesky)).sum()  # log-determinant of the whitening
unmix = np.linalg.inv(cholesky).T
white, white_valid = [((x - mean) @ unmix).astype("float32") for x in (train, valid)]

# %%
def fit_maf(seed, steps=400):
    keras.utils.set_random_seed(seed)
    chain = [flows.Autoregressive(64, hidden=(192,), flip=i % 2 == 1) for i in range(4)]
    maf = priors.FlowPrior(chain).on((64,))

    def loss(i):
        rows = tf.random.stateless_uniform([256], [seed, i], maxval=len(white), dtype=tf.int32)
        return -tf.reduce_mean(maf.distribution().log_prob(tf.gather(white, rows)))

    minimize(loss, maf.trainable_weights, steps, learning_rate=0.003)
    return maf.distribution()

# %% tags=["drift"]
mafs = [fit_maf(seed) for seed in SEEDS]
flow_nats = [to_white + np.mean(maf.log_prob(white_valid)) for maf in mafs]
names = ["one normal", *(f"MAF, seed {seed}" for seed in SEEDS)]
for name, value in zip(names, [full_normal, *flow_nats], strict=True):
    bits = (64 * np.log(256) - value) / (64 * np.log(2))
    print(f"{name:12s} {value:6.1f} nats a patch, {bits:.2f} bits a pixel")
assert min(flow_nats) > full_normal + 40, "beyond correlations there are tens of nats"
assert np.ptp(flow_nats) < 5, "which is no luck of a seed"

# %% tags=["drift"] mystnb={"image": {"alt": "Three grids of small gray patches. In the photographs and in the draws of the MAF, smooth patches stand beside busy ones; the draws of one normal are nearly all equally restless."}}
figure, axes = plt.subplots(1, 3, figsize=(11, 4.3))
drawn = mafs[0].sample(48, seed=(0, 0)).numpy() @ cholesky.T + mean
drawn_normal = np.random.default_rng(0).normal(size=(48, 64)) @ cholesky.T + mean
some = np.random.default_rng(0).permutation(len(valid))[:48]
shown = {"validation patches": valid[some], "one normal": drawn_normal, "MAF": drawn}
for ax, (title, x) in zip(axes, shown.items(), strict=True):
    plots.image_grid(np.clip(x, 0, 1).reshape(-1, 8, 8, 1), columns=6, ax=ax)
    ax.set_title(title)
plt.show()

# %% [markdown]
# There is much left: about 50 nats a patch, more than one bit of every pixel, and all three seeds agree within a nat. Chapter 08 put one latent for the contrast on top
# of the same normal and reached 98 nats on the same patches; the MAF is about 20 above that. (Papamakarios et al., 2017, use small patches of another collection, BSDS300, as one of their benchmarks.)
#
# The draws show where the nats come from. Under one normal all patches are equally restless: clouds of one contrast. (Numbers outside 0 to 1 are drawn black or white; its flat patches come from that.) In photographs, and in the draws of the flow, smooth patches stand beside
# busy ones. The flow has not learned *everything*: its edges are broken and its busy patches are noise. The score is an average over all directions in pixel space, and most of these directions are fine texture.
# A likelihood, even an exact one, does not promise good pictures (chapter 04).
#
# What came next? For whole images, coupling steps with convolutions replace the masks, and **1x1 convolutions** that mix the channels replace the swap of halves (Glow: Kingma and Dhariwal, 2018). **Continuous flows** let the number of steps go to infinity: the map
# is the solution of a differential equation, and the log-determinant becomes an integral of a trace (Chen et al., 2018, neural ODEs). **Flow matching** (Lipman et al., 2023) trains such an equation by plain regression, without solving it. Many of today's image generators are trained that way,
# and it is a close relative of the diffusion models of chapter 02.
#
# ## 6. What does a flow change in a VAE?
#
# Each of a VAE's three distributions can be replaced on its own. To use a flow **as a posterior**, draw $z_0$ from the encoder's normal, as before, and send it through $K$ steps:
#
# $$ \mathrm{ELBO}(x) = \mathbb{E}_{q_0(z_0|x)}\Big[\log p_\theta(x|z_K) + \log p(z_K) - \log q_0(z_0|x)
#    + \sum_{k=1}^{K} \log |\det J_{f_k}(z_{k-1})|\Big]. \tag{9.8} $$
#
# The KL no longer has a closed form, so the bound uses the draw. The steps may also take a *context* from the encoder: extra numbers that give each image its own
# map. In the library this posterior is `posteriors.FlowPosterior`; its method `outputs(latent_size)` says how many outputs the encoder must have.

# %%
data = datasets.load(DATASET)
x_train = (data.x_train[:TRAIN_SIZE] > 0.5).astype("float32")
x_valid = (data.x_valid[:EVALUATION_SIZE] > 0.5).astype("float32")
shape = x_train.shape[1:]


def new_networks(outputs=2 * LATENT_SIZE):
    encoder = networks.mlp_encoder(shape, outputs, HIDDEN)
    return encoder, networks.mlp_decoder(LATENT_SIZE, shape, HIDDEN)

# %%
steps = [flows.Planar(LATENT_SIZE) for _ in range(2)]
for i, step in enumerate(steps):
    for weight in step.trainable_weights:
        weight.assign(tf.random.stateless_normal(weight.shape, seed=[6, i]))
bent, x = models.VAE(*new_networks(), posterior=posteriors.FlowPosterior(steps)), x_valid[:8]
q_0 = gaussian(bent.encoder(x))
z_0, f = q_0.sample(seed=(0, 2)), flows.chain(steps)
z, log_det = f.forward(z_0), f.forward_log_det_jacobian(z_0, 1)
log_p = bent.likelihood(z).log_prob(x)
by_hand = log_p + bent.prior().log_prob(z) - q_0.log_prob(z_0) + log_det
bound = bent.bound(x, z, bent.posterior(x))["elbo"]
assert np.allclose(bound, by_hand, atol=0.01), "equation 9.8, draw by draw"

# %% [markdown]
# These two planar steps have no context: they are the same map for every image. Is their posterior richer than a plain one? Read equation 9.8 once more, with $z_K = f(z_0)$, and group the terms that contain $f$:
#
# $$ \log \underbrace{p_\theta(x|f(z_0))}_{\text{decoder } g \circ f} + \underbrace{\log p(f(z_0)) + \log |\det J_f(z_0)|}_{\log \text{ of the prior } f^{-1}(N), \text{ by 9.1}} - \log q_0(z_0|x). \tag{9.9} $$
#
# That is the ELBO of another VAE, with a plain normal posterior, a decoder that begins with $f$, and a learned prior: the standard normal sent backward through $f$. **A flow posterior without context is a plain posterior with a flow prior**
# (Chen et al., 2017). The reason is that a KL does not change when both of its distributions go through the same bijection. So only the *context* makes a posterior richer. Without it, what you have learned is a prior, and an IAF without context is a prior of the MAF kind.

# %%
backward_prior = tfd.TransformedDistribution(normal, tfb.Invert(f))  # z_0 = f^-1(z), z normal
other_vae = log_p + backward_prior.log_prob(z_0) - q_0.log_prob(z_0)
assert np.allclose(other_vae, by_hand, atol=1e-3), "plain posterior, flow prior: the same bound"

# %% [markdown]
# ### A gap closed to zero
#
# (Optional on a first reading.) How much can a richer posterior be worth? Chapter 08 has an example in which everything is known. Two latents are added, $x = z_1 + z_2 + \sigma \varepsilon$, and the best diagonal normal
# loses 0.51 nats (equation 8.2), because the two causes compete: if $z_1$ is larger, $z_2$ must be smaller. An autoregressive step lets $z_2$ depend on $z_1$. Even the simplest will do, with constants for $s_i$ and a linear $t_2$:
#
# $$ z_1 = m_1 + e^{s_1} \varepsilon_1, \qquad z_2 = m_2 + e^{s_2} \varepsilon_2 + c\, \varepsilon_1 . $$
#
# **Predict.** How many of the 0.51 nats does the one extra number $c$ win back?

# %%
def log_weights(noise, scale, c, x=1.0, sigma=0.5):
    """log p(x, z) - log q(z|x) for the affine step, m = x / (2 + sigma^2): noise [n, 2]."""
    z_1 = x / (2 + sigma**2) + scale[0] * noise[:, 0]
    z_2 = x / (2 + sigma**2) + scale[1] * noise[:, 1] + c * noise[:, 0]
    log_prior = normal.log_prob(tf.stack([z_1, z_2], 1))
    log_joint = tfd.Normal(z_1 + z_2, sigma).log_prob(x) + log_prior
    return log_joint - normal.log_prob(noise) + np.log(scale).sum()


precision = np.eye(2) + np.ones((2, 2)) / 0.5**2

# %%
noise = normal.sample(20_000, seed=(0, 3))
evidence = tfd.Normal(0.0, np.float32(np.sqrt(2 + 0.5**2))).log_prob(1.0)
factor = np.linalg.cholesky(np.linalg.inv(precision)).astype("float32")
diagonal = log_weights(noise, np.diag(precision).astype("float32") ** -0.5, c=0.0)
affine = log_weights(noise, np.diag(factor), c=factor[1, 0])
lost, left = [float(evidence) - np.mean(log_w) for log_w in (diagonal, affine)]
print(f"lost: diagonal {lost:.2f} nats, affine {abs(left):.2f}")
assert abs(lost - 0.51) < 0.05, "the loss of equation 8.2"
assert np.allclose(affine, evidence, atol=1e-4), "every weight is the evidence: no gap at all"

# %% [markdown]
# All of them: every weight equals the evidence, and the gap is exactly 0. With constant scales and linear shifts an autoregressive step is a triangular matrix, and a Cholesky factor is a triangular matrix
# that gives independent noise any correlation. In a VAE the matrix has to change with the image: that is what the context is for.
#
# ### Flows as priors
#
# Chapter 06 split the rate in two (equation 6.4): information about the image, and $\mathrm{KL}(q_\phi(z)\,\|\,p(z))$, a cost
# that buys nothing. Only the second part contains the prior. So for a given encoder and decoder the best prior makes it zero:
#
# $$ p^*(z) = q_\phi(z) = \frac1N \sum_{n=1}^{N} q_\phi(z|x_n). \tag{9.10} $$
#
# Taken literally, this prior needs all $N$ training images for a single density, and it overfits: each training image finds its own posterior in the prior.
# Three ways to stay near it are in use:
#
# - a **mixture** of $C$ normals, all learned: `priors.GaussianMixture`;
# - the **VampPrior** (Tomczak and Welling, 2018), equation 9.10 with $C$ invented images $u_c$ that are learned, $p(z) = \frac1C \sum_c q_\phi(z|u_c)$: `priors.VampPrior`;
# - a **flow prior** (Chen et al., 2017): `priors.FlowPrior`, as for the moons.
#
# By hand, the VampPrior takes two lines. It is the one prior that has no density of its own, because the model has to hand
# over its $q_\phi$: ask `vae.prior()`.

# %%
def vamp_log_prob(vae, u, z):
    """log (1/C) sum_c q(z|u_c): u [C, *shape], z [n, latent_size] -> [n], in nats."""
    log_q = vae.posterior(u).log_prob(z[:, None, :])  # [n, C]
    return tf.reduce_logsumexp(log_q, axis=1) - np.log(len(u))


vamp = models.VAE(*new_networks(), prior=priors.VampPrior(x_train[:10]))
z = normal.sample(30, seed=(0, 1))
by_hand = vamp_log_prob(vamp, vamp.prior_part.pseudo_inputs, z)
assert np.allclose(vamp.prior().log_prob(z), by_hand, atol=1e-4), "the library's prior is ours"

# %% [markdown]
# ## 7. Posterior or prior: which one pays?
#
# We compare four models: the plain VAE, one with an IAF posterior with context, and two with learned priors. The rules were fixed beforehand: the same encoder and
# decoder (except for the context), the same epochs and learning rate, the same three seeds, and extra weights *of the same order*, 500 to 900. Each model is compiled once and restarted for each seed.
#
# For each model and seed we record, on validation images, the ELBO, the log-likelihood with $k = 100$, and from `evaluation.diagnose` the *mismatch*
# $\mathrm{KL}(q_\phi(z)\,\|\,p(z))$. The ELBO uses only one draw for each image, so we average twenty of them.
#
# **Predict.** Which models will have the smallest mismatch? Which will have the best log-likelihood, and by how much: a tenth of a nat, one, ten?

# %%
def iaf_posterior():
    options = (4, (16,), "sampling")  # context, hidden units, direction
    steps = [flows.Autoregressive(LATENT_SIZE, *options, flip) for flip in (False, True)]
    posterior = posteriors.FlowPosterior(steps)
    return models.VAE(*new_networks(posterior.outputs(LATENT_SIZE)), posterior=posterior)


def with_prior(new_prior):
    return lambda: models.VAE(*new_networks(), prior=new_prior())


def new_flow_prior():
    flips = (False, True, False, True)
    steps = [flows.Coupling(LATENT_SIZE, hidden=(32,), flip=flip) for flip in flips]
    return priors.FlowPrior(steps)


makers = {"plain": lambda: models.VAE(*new_networks()), "IAF posterior": iaf_posterior}
makers["mixture prior"] = with_prior(lambda: priors.GaussianMixture(components=100))
makers["flow prior"] = with_prior(new_flow_prior)

# %%
def score(vae):
    log_w = vae.log_weights(x_valid, 20, tf.constant([0, 0]))
    likelihood = evaluation.log_likelihood(vae, x_valid, k=100).mean
    return [np.mean(log_w), likelihood, evaluation.diagnose(vae, x_valid).marginal_kl]


trained, results = {}, {}
for name, make in makers.items():
    results[name] = np.zeros([len(SEEDS), 3])
    for row, seed in enumerate(SEEDS):
        keras.utils.set_random_seed(seed)
        fresh = make()
        if row == 0:
            trained[name] = fresh
            fresh.compile(keras.optimizers.Adam(3e-3))
        trained[name].start_from(fresh)
        trained[name].fit(x_train, batch_size=64, epochs=EPOCHS, verbose=0)
        results[name][row] = score(trained[name])

# %% tags=["drift"]
print(f"mean and spread of {len(SEEDS)} seeds{'ELBO':>16s}{'log p(x)':>16s}{'mismatch':>16s}")
for name, values in results.items():
    pairs = zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
    print(f"{name:32s}", *(f"{mean:8.2f} ± {spread:.2f}" for mean, spread in pairs))
    assert np.all(values[:, 0] < values[:, 1]), f"{name}: the ELBO is the lower bound"
means = {name: values.mean(axis=0) for name, values in results.items()}
learned = np.mean([means[name] for name in list(means)[2:]], axis=0)  # the two learned priors
assert learned[2] < means["plain"][2], "a learned prior is nearer to the aggregate posterior"
if DATASET == "digits":
    gain = learned - means["plain"]
    assert 0 < gain[1] < 1, "which is worth some tenths of a nat, not more"
    assert gain[0] < means["plain"][2] + 0.3, "and in the ELBO hardly more than the mismatch"
    change = means["IAF posterior"][1] - means["plain"][1]
    assert abs(change) < 1.0, "two latents of a digit hardly need a richer posterior"

# %% [markdown]
# The learned priors have the smallest mismatch, and the gain in log-likelihood is tenths of a nat. The plain VAE pays about two tenths of a nat for the mismatch, and the two learned priors on average about half of that.
# The mixture, which may have many peaks, gets nearer than the flow. The two learned priors differ by about as much as two seeds of the same model do, so three seeds do not rank them.
#
# There was little to gain. For a *given* encoder and decoder, no prior can add more to the ELBO than the mismatch (equation 6.4). So *measure the
# mismatch first*: before you write a prior, one call of `diagnose` says whether tenths or whole nats are at stake. The forecast is not exact, since the networks are trained anew and change as well.
#
# At these three seeds, the IAF posterior cannot be distinguished from the plain one. With two latents it has one pair to correlate. Section 6 showed what such a pair can be worth, and section 8 asks why we see nothing of it here.
#
# On MNIST, with 2000 training images and the same networks, the models differed by one to three nats in our runs, and so did the seeds of a single model. There this comparison
# settles only one thing: learned priors about halve the mismatch. Such a result belongs to its data, its networks and its number of epochs.
# With all images of MNIST and of Fashion-MNIST, and 200 invented images, row Y4 of [the course's benchmarks](../benchmarks/yardsticks.md) compares the VampPrior with the standard one.

# %% tags=["drift"]
figure, axes = plt.subplots(1, 4, figsize=(10, 2.8))
for ax, (name, vae) in zip(axes, trained.items(), strict=True):
    z = vae.posterior(x_train).sample(seed=(0, 0)).numpy()
    reach = 1.1 * np.quantile(np.abs(z), 0.998)
    across = np.linspace(-reach, reach, 121, dtype="float32")
    codes = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
    log_p = np.reshape(vae.prior().log_prob(codes), [121, 121])
    heights = log_p.max() + np.log([0.01, 0.05, 0.2, 0.6])
    ax.scatter(*z.T, s=3, color=plots.COLORS[1], linewidths=0, alpha=0.6)
    ax.contour(across, across, log_p, heights, colors=plots.COLORS[0], linestyles="solid")
    ax.set(title=name, xlabel="$z_1$", aspect="equal")
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
axes[0].set_ylabel("$z_2$")
plt.show()

# %% [markdown]
# Each panel holds one draw from the posterior of every training image (orange dots) and contours of the prior (blue). The contours are round
# for the first two models and shaped like the cloud of codes for the others. Compare the axes: nothing ties a learned prior to a scale, so the codes spread out as far as they like.
# If, out of habit, you draw $z \sim N(0, I)$ for such a model, you draw from a small part in the middle. Use `vae.sample`.
#
# ## 8. Why did the richer posterior gain so little?
#
# With two latents we can find out. On a grid of codes we can compute the evidence of every image, as in chapter 03, so the gap of the ELBO is known exactly. It has two parts (Cremer et al., 2018). The
# **approximation gap** is what even the best normal for this one image loses: it is due to the family. The **amortization gap** is the rest: one encoder network serves all images, and for a new image
# it misses the best normal.
#
# To tell the two apart, keep the decoder fixed and refine the mean and scale of each validation image separately, by gradient steps on its own ELBO.
#
# **Predict.** Which part is larger?

# %%
def log_evidence(vae, x, reach=5.0, points=201):
    """log p(x) [n] by a sum over a grid of codes."""
    across, step = np.linspace(-reach, reach, points, dtype="float32", retstep=True)
    z = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
    logits = tf.reshape(vae.decoder(z), [len(z), -1])
    constant = vae.prior().log_prob(z) - tf.reduce_sum(tf.nn.softplus(logits), axis=1)
    log_joint = x.reshape(len(x), -1) @ tf.transpose(logits) + constant
    return tf.reduce_logsumexp(log_joint, axis=1).numpy() + 2 * np.log(step)


def elbos(vae, x, output, draws, seed):
    """The ELBO of each image [n], for normals with the encoder outputs `output` [n, 4]."""
    q = gaussian(tf.convert_to_tensor(output))
    z = q.sample(draws, seed=seed)
    log_p = vae.likelihood(z).log_prob(x) + vae.prior().log_prob(z)
    return tf.reduce_mean(log_p - q.log_prob(z), axis=0)


def gaps(vae, x, output, seed):
    """How far that ELBO lies below log p(x): [n]."""
    return log_evidence(vae, x) - elbos(vae, x, output, 400, seed)

# %%
plain, iaf = trained["plain"], trained["IAF posterior"]
output = keras.Variable(plain.encoder(x_valid))
total = gaps(plain, x_valid, output, (1, 1))
seen = x_train[:EVALUATION_SIZE]
on_seen = gaps(plain, seen, plain.encoder(seen), (1, 1))
minimize(lambda i: -tf.reduce_mean(elbos(plain, x_valid, output, 16, [1, i])), [output], 600)
approximation = gaps(plain, x_valid, output, (1, 2))
iaf_elbo = iaf.log_weights(x_valid, 400, tf.constant([1, 1])).numpy().mean(axis=0)
iaf_total = log_evidence(iaf, x_valid) - iaf_elbo

# %% tags=["drift"]
family, everything = np.mean(approximation), np.mean(total)
print(f"gap on new images {everything:.3f} nats")
print(f"= approximation {family:.3f} + amortization {everything - family:.3f}")
print(f"gap on training images {np.mean(on_seen):.3f}; IAF, new {np.mean(iaf_total):.3f}")
if DATASET == "digits":
    assert 0 < family < 0.5 * everything, "most of the gap is the encoder's aim"
    assert np.mean(on_seen) < everything, "the encoder aims better at images that it knows"
    assert np.mean(iaf_total) > family, "an amortized flow loses more than the best normals"

# %% [markdown]
# The amortization gap is by far the larger one. In the model shown (the last of the three seeds) the ELBO loses 0.46 nats on new digits, and *the same family* would win back about 0.36 of them
# if every image had its own best mean and scale. What a richer *family* alone can win, with this decoder and two latents, is the remainder, 0.1 nats. (The IAF's gap is smaller by a little more: its decoder is another one.) The printed gap on training images
# points the same way: the encoder is closer to the best normal on images that it has seen.
#
# So the IAF could not win much. Its own gap on new images is still larger than what the best plain normals leave, because its context comes from an encoder, too. If the encoder points to the wrong place,
# the flow bends the wrong place. And if a posterior has two separate islands, section 2 showed how training by equation 9.4 can miss one of them.
#
# Proceed in this order. First try a better or larger encoder, or a few refining steps for each image. Then try a flow with a context, if the approximation gap is large, and a learned prior, if the mismatch is.
#
# ## Summary
#
# You have
# - derived the change of variables from areas, and checked every log-determinant against automatic differentiation;
# - built planar, coupling and autoregressive steps, whose determinants cost a dot product or a sum, watched a cloud become two moons, and seen planar flows drop a crescent until the
#   target was warmed up;
# - counted passes: an IAF needs one to draw and $d$ for the density of a given point, and a MAF the reverse, so the first is for posteriors and the second for priors;
# - fitted a MAF to patches of photographs, about 50 nats a patch above the best normal, and reported it in bits a pixel that anyone can compare, thanks to dequantization;
# - put flows and a mixture into a VAE, and built a VampPrior; without context a flow posterior is nothing but a flow prior; where the same triangular matrix is right for every image, it closes the gap of two competing causes to 0;
# - compared four models at equal budget, and split the gap: on these digits with two latents, the encoder's misses cost more than the limits of the family.
#
# ## Common mistakes
#
# - Using the wrong sign of the log-determinant, or the determinant of $f$ where that of $f^{-1}$ is meant. Integrate over a grid once.
# - Training a flow whose weights the optimizer cannot see: networks made by TensorFlow Probability inside a Keras 3 model. Count `trainable_weights`, and check that they move.
# - Using an IAF as a prior or a MAF as a posterior: this is correct, but slow.
# - Stacking coupling layers that never swap the halves: some latents are never transformed.
# - Testing a flow right after initialization. It is then nearly the identity, and every test passes.
# - Fitting a density to bytes that were not dequantized: it can be made as large as you like.
# - Reporting nats a patch without the pixel scale. Patches of 64 pixels on $[0, 1)$ and on $[0, 256)$ differ by $64 \log 256$; bits a pixel do not.
# - Drawing from $N(0, I)$ for a model whose prior was learned.
# - Calling a richer family better because it *contains* the old one. Training may not find what it contains.
#
# ## Exercises
#
# [Exercises 09](../exercises/09_flows/09_flows.ipynb): densities through maps, a planar chain, a coupling layer and its inverse, masks, a slow VAE to explain, a broken
# flow to repair (it never learns), and two moons on a budget.
#
# ## Further reading
#
# - Dinh, Krueger and Bengio (2014), "NICE", and Dinh, Sohl-Dickstein and Bengio (2017), "Density estimation using Real NVP": coupling layers, without and with a scale.
# - Rezende and Mohamed (2015), "Variational inference with normalizing flows": planar flows as posteriors.
# - Kingma et al. (2016), "Improved variational inference with inverse autoregressive flow": IAF, in a large VAE.
# - Papamakarios, Pavlakou and Murray (2017), "Masked autoregressive flow for density estimation": the other direction, and BSDS300.
# - Cremer, Li and Duvenaud (2018), "Inference suboptimality in variational autoencoders": the two parts of the gap.
# - Papamakarios et al. (2021), "Normalizing flows for probabilistic modeling and inference": a survey to go on with.
