# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 08. Hierarchical VAEs
#
# You stack layers of latents, see the upper ones die (they stop carrying information), repair that with inference from
# the top down, and find out what a layer of a deep model is for.
#
# **Goals.** After this chapter you can
# - say what a second layer of latents adds to the prior and to the posterior, and how many nats it can be worth;
# - build the naive model of several layers, and show where its KL goes;
# - build top-down inference on a shared path, and explain why it keeps the upper layers alive;
# - train a deep residual model of many small groups with warm-up or free bits, and measure what each group draws;
# - give a model of photographs one latent on top of a normal distribution, and say what it is worth in nats;
# - compare flat and hierarchical models at equal budgets, over seeds, by bound and by likelihood.
#
# **Before you start.** Chapter 04 (log-likelihood with $k$ samples) and chapter 06 (collapse, free bits, and warm-up, which it calls linear annealing: a $\beta$ that rises from 0 to 1). From
# probability: a conditional normal distribution, and the density of a pair as $p(a)\,p(b|a)$.
#
# **Level:** advanced · **Time:** 70 minutes reading, 3 minutes computing

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import bounds, callbacks, datasets, likelihoods, models, networks, parts, plots

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import optimize, special
from sklearn import decomposition, kernel_ridge
from tensorflow_probability import distributions as tfd

# %%
plots.use_style()
DATASET = "digits"  # or "mnist", "fashion_mnist", ...
EPOCHS, WARM_UP = 30, 15
LATENT_SIZE = 8
LEARNING_RATE = 3e-3
SEEDS = (0, 1, 2)
TRAIN_SIZE, EVALUATION_SIZE = 2000, 300  # at most: keeps larger sets to some minutes
keras.utils.set_random_seed(0)

# %% [markdown]
# As in chapter 06 the images are thresholded at a half, so that every likelihood is a probability. Compiling a deep model
# takes longer than training it once, so we compile each model once and then train it for all seeds. What `restart` did in chapter 06, `vae.start_from(fresh)`
# does now: it gives the model the weights of a new model of the same build, and resets the optimizer.
#
# Nearly every experiment below does the same thing: it trains one build of model from three fresh starts, and averages the terms
# of its bound over validation images. With `k` it adds the importance-weighted estimate of $\log p_\theta(x)$. The terms
# of a hierarchical model include `kl_1`, `kl_2` and so on, one for each group of latents.

# %%
data = datasets.load(DATASET)
x_train, x_valid = data.x_train[:TRAIN_SIZE], data.x_valid[:EVALUATION_SIZE]
x_train, x_valid = [(x > 0.5).astype("float32") for x in (x_train, x_valid)]
shape = x_train.shape[1:]


def compiled(vae):
    vae.compile(keras.optimizers.Adam(LEARNING_RATE))
    return vae

# %%
def train(vae, new_model, warm_up=0, free_bits=None, k=0):
    """Train from fresh starts: means of terms (and log p(x)) on x_valid: name -> [seeds]."""
    results = []
    for seed in SEEDS:
        vae.start_from(new_model(seed))
        if free_bits is not None:
            vae.free_bits = free_bits
        schedule = callbacks.linear(warm_up) if warm_up else lambda epoch: 1.0
        warm = callbacks.BetaScheduler(schedule)
        vae.fit(x_train, epochs=EPOCHS, callbacks=[warm], verbose=0)
        terms = vae(np.concatenate([x_valid] * 10))  # ten codes for each image
        results.append({name: np.mean(term) for name, term in terms.items()})
        if k:
            log_w = vae.log_weights(x_valid, k)
            results[-1]["log p(x)"] = bounds.iwae(log_w).numpy().mean()
    return {name: np.array([result[name] for result in results]) for name in results[0]}


def group_kls(results):
    """The KL of each group, the top one first: [3 seeds, groups]."""
    return np.stack([results[name] for name in results if name.startswith("kl_")], axis=1)

# %% [markdown]
# ## 1. Why is one layer of normal latents not enough?
#
# A VAE as we know it makes two assumptions. The prior $p(z)$ is a normal distribution with independent latents, and so is
# the posterior $q_\phi(z|x)$ of every image. A good decoder can make up for the first: it can bend a normal into almost
# anything. The second it can only try to work around. Chapter 03 found that the bound loses
# $\mathrm{KL}(q_\phi(z|x)\,\|\,p_\theta(z|x))$ wherever the true posterior is not of that form.
#
# How much is lost? Take the smallest example in which everything is known. Two latents are added, and the sum is observed
# with noise:
#
# $$ z_1, z_2 \sim N(0, 1), \qquad x = z_1 + z_2 + \sigma \varepsilon. \tag{8.1} $$
#
# If $x$ is large, then $z_1$ or $z_2$ was large; if one of them was not, the other must have been. Two independent causes
# compete as soon as we observe their common effect. So the true posterior is a normal distribution with a *negative
# correlation*. Let $\Lambda$ be its precision, the inverse of its covariance. The best diagonal $q$ has the right means
# and the variances $1/\Lambda_{jj}$, and it loses
#
# $$ \mathrm{KL}(q\,\|\,p(z|x)) = \tfrac12 \Big(\sum_j \log \Lambda_{jj} - \log\det\Lambda\Big) \text{ nats.} \tag{8.2} $$
#
# **Predict.** Draw $z_1$ first, from its own posterior. Then draw $z_2$ from a normal distribution whose mean may depend on
# $z_1$. Both steps are as simple as before. How many nats are lost now?

# %%
sigma, x = 0.5, 1.0
precision = np.eye(2) + np.ones((2, 2)) / sigma**2  # of the true posterior
covariance = np.linalg.inv(precision)
mean = covariance @ np.ones(2) * x / sigma**2
evidence = tfd.Normal(np.float64(0), np.sqrt(2 + sigma**2)).log_prob(x).numpy()
noise = np.random.default_rng(0).normal(size=(2, 20000))


def log_weight(z_1, z_2, log_q):
    standard = tfd.Normal(np.float64(0), 1)
    log_p = standard.log_prob(z_1) + standard.log_prob(z_2)
    return log_p + tfd.Normal(z_1 + z_2, sigma).log_prob(x) - log_q


diagonal = tfd.Normal(mean[:, None], np.diag(precision)[:, None] ** -0.5)
flat = mean[:, None] + diagonal.scale * noise  # [2, samples]
flat_log_w = log_weight(*flat, tf.reduce_sum(diagonal.log_prob(flat), axis=0))
first = tfd.Normal(mean[0], covariance[0, 0] ** 0.5)  # q(z_1|x)
z_1 = first.loc + first.scale * noise[0]
# q(z_2|z_1, x):
second = tfd.Normal((x - z_1) / (1 + sigma**2), sigma / np.sqrt(1 + sigma**2))
z_2 = second.loc + second.scale * noise[1]
two_step_log_w = log_weight(z_1, z_2, first.log_prob(z_1) + second.log_prob(z_2))

# %%
loss = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
assert np.isclose(evidence - np.mean(flat_log_w), loss, atol=0.02), "it is equation 8.2"
assert np.allclose(two_step_log_w, evidence), "two simple steps lose nothing, at any sample"
lost = abs(evidence - np.mean(two_step_log_w))
print(f"lost by independent latents: {loss:.2f} nats; by two steps: {lost:.2f}")
bent = 2 * np.tanh(3 * noise[0]) + 0.5 * noise[1]  # z_2 given z_1: normal
valley, peak = np.mean(np.abs(bent) < 0.5), np.mean(np.abs(bent - 2) < 0.5)
assert valley < 0.5 * peak, "there is a valley between two peaks"
grid = np.linspace(-4, 4, 200)

# %% [markdown]
# None: every single weight equals the evidence. The independent posterior loses half a nat, for two latents and one
# observed number, and in an image many latents compete. A chain of conditional normals can have correlations, even
# though none of its links has any.
#
# The chain can do more than that. The marginal of $z_2$ is an average of normals over all $z_1$,
#
# $$ p(z_2) = \int p(z_2|z_1)\, p(z_1)\, dz_1, \tag{8.3} $$
#
# which is a mixture of infinitely many normals, and need not look normal at all. This holds for the prior and for the
# posterior alike. In the right panel of the next figure, $z_2$ is normal given $z_1$, and its mean is a curved function
# of $z_1$.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
for z, marker, label in ((np.stack([z_1, z_2]), "o", "two steps"), (flat, "x", "independent")):
    left.scatter(*z[:, :400], s=10, marker=marker, alpha=0.6, linewidths=0.8, label=label)
left.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
left.legend(fontsize=8)
right.hist(bent, bins=80, density=True, color=plots.COLORS[0])
right.plot(grid, tfd.Normal(np.float64(0), bent.std()).prob(grid), "--", color=plots.COLORS[3])
right.set(xlabel="$z_2$", ylabel="density", title="dashed: the normal of the same width")
plt.show()

# %% [markdown]
# On the left are samples of $(z_1, z_2)$ for $x = 1$. Those of the exact posterior lie along a falling band. Those of the
# best independent posterior form a round cloud that misses the ends of the band and sticks out at its sides. On the right
# the histogram of $z_2$ has two peaks and a valley at zero, where the normal density of the same width has its only peak.
#
# ### What one latent on top is worth on photographs
#
# Natural images call for a mixture of infinitely many normals. Small patches of a photograph are mostly smooth (sky, wall)
# and now and then full of contrast (an edge, leaves). Wainwright and Simoncelli (2000) described them as a *scale
# mixture*: normal patches whose contrast is itself random. That is a hierarchy of two groups, with one latent on top:
#
# $$ z_1 \sim N(0, 1), \qquad x\,|\,z_1 \sim N\big(\mu,\; e^{2(m + a z_1)}\, C\big). \tag{8.3a} $$
#
# Here $\mu$ and $C$ are the mean and covariance of the training patches, so the top latent adds only *two* parameters, $m$
# and $a$. Given $z_1$ everything is normal: the second group, 64 latents through the linear decoder $C^{1/2}$ without
# noise, has already been integrated out. We integrate over the single number $z_1$ on a fine grid, so the evidence is
# exact to many digits, and no posterior is trained.
#
# The patches have 8 x 8 pixels and are the quadrants of the images in `photos`. They are dequantized: a byte $b$ becomes
# $(b + u)/256$ with $u$ uniform in $[0, 1)$. Then a log-density in nats bounds the information in bits per pixel,
# $(64 \log 256 - \text{nats}) / (64 \log 2)$.
#
# **Predict.** One normal distribution has 2144 parameters. What are two more worth: a tenth of a nat per patch, one nat,
# or ten?

# %%
photos = datasets.load("photos")


def patches(images, seed):
    """Quadrants of 16 x 16 images, dequantized: [4 n, 64]."""
    x = np.rint(255 * images.reshape(-1, 2, 8, 2, 8)).transpose(0, 1, 3, 2, 4).reshape(-1, 64)
    return (x + np.random.default_rng(seed).uniform(size=x.shape)) / 256


patch_train, patch_valid = patches(photos.x_train, 0), patches(photos.x_valid, 1)

# %%
mu, root = patch_train.mean(axis=0), np.linalg.cholesky(np.cov(patch_train.T))  # C = root root'
parts_of = (patch_train, patch_valid)
radii = [np.sum(np.linalg.solve(root, (x - mu).T) ** 2, axis=0) for x in parts_of]
top = np.linspace(-6, 6, 241)  # values of z_1, and the logarithm of their share of the prior:
log_prior = -0.5 * top**2 - np.log(np.exp(-0.5 * top**2).sum())


def log_joint(r, scales):
    # log N(x; mu, e^(2 scale) C) for squared radii r [n] and log-scales [s]: [n, s], in nats
    constant = 32 * np.log(2 * np.pi) + np.log(np.diag(root)).sum()
    return -0.5 * r[:, None] * np.exp(-2 * scales) - 64 * scales - constant

# %% tags=["drift"]
def evidence_of(r, m, a):
    # log p(x) of the scale mixture, by quadrature: [n], in nats
    return special.logsumexp(log_joint(r, m + a * top) + log_prior, axis=1)


def loss_of(m_and_a):
    return -evidence_of(radii[0][::8], *m_and_a).mean()


fit = optimize.minimize(loss_of, [-0.5, 1.0], method="Nelder-Mead")
normal, mixture = log_joint(radii[1], np.zeros(1))[:, 0], evidence_of(radii[1], *fit.x)
for name, nats in (("one normal", normal.mean()), ("one latent on top", mixture.mean())):
    print(f"{name}: {nats:.1f} nats, {8 - nats / (64 * np.log(2)):.2f} bits a pixel")

# %% tags=["drift"] mystnb={"image": {"alt": "Three grids of patches and a scatter plot. Photographs and draws of the mixture have quiet patches and patches full of contrast, those of the normal are all alike in this. The inferred z1 rises with the log contrast of the patch."}}
log_post = log_joint(radii[1], fit.x[0] + fit.x[1] * top) + log_prior - mixture[:, None]
inferred = np.exp(log_post) @ top  # E[z_1|x] of each patch
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9))
rng, contrast = np.random.default_rng(2), np.log(patch_valid.std(axis=1))
draws = rng.normal(size=(36, 64)) @ root.T
scaled = mu + np.exp(fit.x[0] + fit.x[1] * rng.normal(size=(36, 1))) * draws
shown = {"photos": patch_valid[::111][:36], "normal": mu + draws, "mixture": scaled}
for ax, (title, x) in zip(axes, shown.items()):
    plots.image_grid(x.reshape(-1, 8, 8, 1), columns=6, ax=ax).set_title(title)
axes[3].plot(contrast, inferred, ".", markersize=2)
axes[3].set(xlabel="log contrast of the patch", ylabel="inferred $z_1$")
assert np.corrcoef(contrast, inferred)[0, 1] > 0.7, "the top latent is the patch's contrast"
plt.show()
gain, error = (mixture - normal).mean(), (mixture - normal).std() / np.sqrt(len(normal))
assert gain > 25, "one latent on top is worth tens of nats a patch"
print(f"gain {gain:.1f} +- {error:.1f} nats a patch")

# %% [markdown]
# More than any of these: thirty. The same covariance, with one number on top that sets the contrast, gains 30.1 $\pm$ 0.4
# nats per patch. It reaches 98.2 nats instead of 68.1, or 5.79 bits per pixel instead of 6.47. Compared with that, half a
# nat for two latents is a footnote. (Row Y12 of [the benchmarks](../benchmarks/yardsticks.md) repeats it with three draws of the
# noise that dequantizes; they agree to 0.01 nats. On test blocks, which are other parts of the photographs, both numbers are lower, 82.7 and 54.2, and the gain is about the same.)
#
# The samples show why. Photographs and draws of the mixture contain both quiet patches and patches full of contrast,
# while draws of the normal all have about the same contrast. The inferred top latent, in the right panel, follows the
# contrast that one would measure. The two are not the same number, since whitening counts fine detail more.
#
# One normal has the wrong *shape* for photographs, and a top latent corrects the shape with two parameters. A scale
# cannot describe what else is in a patch, such as edges that continue in one direction; an autoregressive flow reaches
# about 120 nats on the same patches ([chapter 09](09_flows.ipynb)).
#
# This is what layers *could* do. Whether training makes use of them is another question, and the first attempt fails.
#
# ## 2. What goes wrong in the naive model?
#
# Stack the layers as in a deep network. Each layer is a *group* of latents, and the groups $z_1, \dots, z_L$ are numbered
# from the top. Generation goes down from $z_1$: each group is drawn given the one above, and the image given the last
# group. Inference goes back the same way, from the image up:
#
# $$ p(x, z) = p(z_1) \prod_{l=2}^{L} p(z_l|z_{l-1})\; p(x|z_L), \qquad
#    q(z|x) = q(z_L|x) \prod_{l=1}^{L-1} q(z_l|z_{l+1}). \tag{8.4} $$
#
# The KL of the bound is now the average of $\log q(z|x) - \log p(z)$ over the whole chain, and it splits into one part for
# each group:
#
# $$ \mathrm{KL}_1 = \mathbb{E}\big[\mathrm{KL}(q(z_1|z_2)\,\|\,p(z_1))\big], \qquad
#    \mathrm{KL}_l = \mathbb{E}\Big[\log\frac{q(z_l|z_{l+1})}{p(z_l|z_{l-1})}\Big] \text{ for } l > 1, \tag{8.5} $$
#
# where $z_{L+1}$ stands for $x$. Only the first part is a KL between two normals that are known at the same time. In the
# others, $z_{l-1}$ is drawn *after* $z_l$, so the ratio is taken at the samples. Such a part is not a KL by itself, and
# even its average may be negative: only the sum over all groups is a KL. By a group's KL we mean its term in this sum.
#
# To get this model from `models.VAE` we change one method, `bound`, which receives a sample of $q(z_L|x)$. Each link
# between two groups has two small networks: `up` gives the parameters of the group above, and `down` those of the group
# below.

# %%
class NaiveVAE(models.VAE):
    """Equation 8.4: ups and downs are networks [batch, d] -> [batch, 2 d], the lowest first."""

    def __init__(self, encoder, decoder, ups, downs):
        groups = range(1, len(ups) + 2)
        self.terms = (*models.VAE.terms, *(f"kl_{group}" for group in groups))
        super().__init__(encoder, decoder)
        self.ups, self.downs = ups, downs

    def bound(self, x, z, posterior):
        reconstruction = self.likelihood(z).log_prob(x)
        q, kls = posterior, []
        for up, down in zip(self.ups, self.downs, strict=True):
            q_above = parts.gaussian(up(z))
            above = q_above.sample(seed=self._seed())
            kls.insert(0, q.log_prob(z) - parts.gaussian(down(above)).log_prob(z))
            q, z = q_above, above
        kls.insert(0, bounds.kl(q, self.prior()))  # the top
        kl = tf.add_n(kls)
        each = {f"kl_{group + 1}": part for group, part in enumerate(kls)}
        return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl, **each}

# %% [markdown]
# We build it with two groups and with three. Both models have the same networks from the image to $z_L$ and back, so they
# differ only in what is stacked on top.
#
# **Predict.** The three-group model has 24 latents. Which group will carry the most nats, which the fewest, and will it be
# a close race?

# %%
def dense(inputs, outputs, name):
    return networks.mlp_encoder((inputs,), outputs, (64,), name=name)


def new_naive(seed, layers):
    keras.utils.set_random_seed(seed)
    encoder = networks.mlp_encoder(shape, 2 * LATENT_SIZE, (128,))
    decoder = networks.mlp_decoder(LATENT_SIZE, shape, (128,))
    links = range(1, layers)
    ups, downs = [
        [dense(LATENT_SIZE, 2 * LATENT_SIZE, f"{way}_{link}") for link in links]
        for way in ("up", "down")
    ]
    return NaiveVAE(encoder, decoder, ups, downs)


naive = {layers: compiled(new_naive(0, layers)) for layers in (2, 3)}
naive_results = {}
for layers, vae in naive.items():
    naive_results[layers] = train(vae, lambda seed, layers=layers: new_naive(seed, layers))
naive_results["warm"] = train(naive[3], lambda seed: new_naive(seed, 3), warm_up=WARM_UP)

# %% tags=["drift"] mystnb={"image": {"alt": "Three bar charts of the KL of each group, with a dot for each seed: two groups, three groups, and three with warm-up. The last group, next to the image, carries nearly everything."}}
def kl_bars(ax, results, title):
    """A bar for each group, the mean over seeds, and a dot for each seed."""
    kls = group_kls(results)
    groups = range(1, kls.shape[1] + 1)
    ax.bar(groups, kls.mean(axis=0), color=plots.COLORS[4])
    for row in kls:
        ax.plot(groups, row, "o", markersize=4, color=plots.COLORS[6])
    ax.set(xticks=groups, xlabel="group (1 = top)", title=title)


figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True)
titles = {2: "two groups", 3: "three groups", "warm": "three, with warm-up"}
for ax, (name, title) in zip(axes, titles.items(), strict=True):
    kl_bars(ax, naive_results[name], title)
axes[0].set_ylabel("KL (nats)")
shares = {name: group_kls(r)[:, 0] / r["kl"] for name, r in naive_results.items()}
for name in (3, "warm"):
    assert np.all(shares[name] < 0.1), "the top of three carries next to nothing"
assert np.all(shares[2] < 0.3), "the top of two groups carries the smaller part"
plt.show()
for name, title in titles.items():
    print(f"{title:20s} share of the top group:", ", ".join(f"{s:.1%}" for s in shares[name]))

# %% [markdown]
# The last group, next to the image, carries nearly everything, and the race is not close. Bars are means over three
# seeds, and each dot is a seed. The upper of two groups has a small share, on the digits about a tenth, and the top of
# three has one to three hundredths. Warm-up, the linear annealing of chapter 06, does not change that.
#
# Does it matter which group carries the nats? To find out, ask what the top *decides*. Fix $z_1$, draw everything
# below it many times, and compare the variance of these pictures with the variance when $z_1$ varies too. If the top decides everything, the
# first variance is zero. We take the model of three groups that was trained last, with warm-up.

# %%
def decided_by_top(pictures):
    # 1 - variance within a top / variance over all, a share; pictures are [tops, draws, *shape]
    within = pictures.var(axis=1, ddof=1).mean(axis=0).sum()
    return 1 - within / pictures.reshape(-1, *shape).var(axis=0, ddof=1).sum()


def draw_naive(vae, tops=40, draws=40, seed=0):
    # Pictures [tops, draws, *shape]: one z_1 for each row, everything below it drawn anew.
    z = np.random.default_rng(seed).normal(size=(tops, 1, LATENT_SIZE)).astype("float32")
    z = np.repeat(z, draws, axis=1).reshape(-1, LATENT_SIZE)
    for number, down in enumerate(reversed(vae.downs)):
        z = parts.gaussian(down(z)).sample(seed=(seed, number + 1))
    return vae.decode(z.numpy()).reshape(tops, draws, *shape)

# %% tags=["drift"] mystnb={"image": {"alt": "Three rows of ten digits. In each row z1 is the same and everything below it is drawn anew. The rows do not differ from one another: any digit may appear in any of them."}}
naive_pictures = draw_naive(naive[3])
naive_share = decided_by_top(naive_pictures)
assert naive_share < 0.2, "the top of the naive model decides little"
rows = {f"one $z_1$: {name}": x[:10] for name, x in zip("ABC", naive_pictures)}
plots.image_rows(rows)
plt.show()
print(f"the top decides {max(0, naive_share):.0%} of the variance of the pictures")

# %% [markdown]
# In each row $z_1$ is the same throughout, and yet the rows do not differ from one another: any digit may appear in any
# of them. The group that was meant to make the large decisions decides nothing.
#
# Why does the top die? The likely reason is the data it sees. The link between $z_{L-1}$ and $z_L$ is itself a VAE, with
# $z_L$ as its data. But $z_L$ is not an image full of structure. It is a code that has just been trained to look like
# *one* normal distribution, namely $p(z_L|z_{L-1})$ while $z_{L-1}$ still said nothing. The better the lower layers do
# their work, the less is left to explain, and chapter 06 showed that a VAE switches off latents that explain nothing.
# Every further layer sees only what the one below has left, through one more layer of noise. Sønderby et al. (2016) found
# this on MNIST: beyond the second layer from the image no latent was active.
#
# ## 3. What does top-down inference change?
#
# Reverse the order of inference. Let *every* group see the image, and infer the groups in the order in which they are
# generated, so that each posterior knows what has been decided above it:
#
# $$ p(x, z) = p(z_1) \prod_{l=2}^{L} p(z_l|z_{<l})\; p(x|z), \qquad
#    q(z|x) = q(z_1|x) \prod_{l=2}^{L} q(z_l|z_{<l}, x). \tag{8.6} $$
#
# Generation and inference both run through the same *state*, a vector that starts from the top and collects what every
# group adds. Its last value goes to the decoder:
#
# $$ s_l = s_{l-1} + m_l(s_{l-1}, z_l), \qquad p(z_{l+1}|z_{\le l}) = p(z_{l+1}|s_l), \qquad
#    q(z_{l+1}|z_{\le l}, x) = q(z_{l+1}|s_l, h(x)). \tag{8.7} $$
#
# Here $m_l$ is a small network, and $h(x)$ are features from the encoder. Since the path is shared, $q(z_{l+1}|\cdot)$
# answers only one question: what does the image say *beyond* the state? If it says nothing more, the posterior can equal
# the prior at no cost. And since $s_l$ is known before $z_{l+1}$ is drawn, every KL is between two normals and has a
# closed form:
#
# $$ \mathrm{KL} = \mathrm{KL}(q(z_1|x)\,\|\,p(z_1)) + \sum_{l=2}^{L} \mathbb{E}_{q(z_{<l}|x)}
#    \big[\mathrm{KL}(q(z_l|s_{l-1}, h(x))\,\|\,p(z_l|s_{l-1}))\big]. \tag{8.8} $$
#
# Here are both models with two groups, the naive one (8.4) on the left and the top-down one (8.6) on the right.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
blue, red = {"color": plots.COLORS[0]}, {"color": plots.COLORS[3], "style": "--", "bend": 0.3}
chain = {"$z_1$": (0, 3.2, "variable"), "$z_2$": (0, 1.6, "variable")}
chain["$x$"] = (0, 0, "observed")
steps = [("$z_1$", "$z_2$"), ("$z_2$", "$x$")]
plots.schematic(chain, [(*s, blue) for s in steps] + [(b, a, red) for a, b in steps], ax=left)
path = chain | {"$s_1$": (1.8, 3.2, "network"), "$s_2$": (1.8, 1.6, "network")}
path["$h(x)$"] = (-1.8, 2.4, "network")
down = [("$z_1$", "$s_1$"), ("$s_1$", "$z_2$"), ("$s_1$", "$s_2$")]
down += [("$z_2$", "$s_2$"), ("$s_2$", "$x$")]
look = [("$x$", "$h(x)$"), ("$h(x)$", "$z_1$"), ("$h(x)$", "$z_2$")]
straight = red | {"bend": 0.0}
plots.schematic(path, [(*s, blue) for s in down] + [(*s, straight) for s in look], ax=right)
plt.show()

# %% [markdown]
# Solid blue arrows generate, dashed orange ones infer. On the left, inference retraces the chain upward, and $z_1$ never
# sees the image. On the right, both groups see the image, and the path $s_1 \to s_2 \to x$ is *shared*: the posterior of
# $z_2$ reads the same $s_1$ as its prior. (The ladder VAE of Sønderby et al. does one thing more. It merges what the image
# says with what the prior says and weights each by its *precision*, as one combines two measurements; equation 8.7 leaves
# that to a network.)
#
# Written by hand for two groups, the change is again one method. To keep it short we take $s_1 = z_1$, and use the
# encoder's outputs, which are the parameters of $q(z_1|x)$, as the features too.
#
# **Predict.** The encoder, decoder, latents and epochs are the same as in the naive model of two groups, and there is no
# warm-up. Which group will carry more now?

# %%
class TopDownVAE(models.VAE):
    """Equations 8.6 to 8.8 for two groups of d. look, prior_2, merge give 2 d, 2 d, d."""

    terms = (*models.VAE.terms, "kl_1", "kl_2")

    def __init__(self, encoder, decoder, look, prior_2, merge):
        super().__init__(encoder, decoder)
        self.look, self.prior_2, self.merge = look, prior_2, merge

    def bound(self, x, z_1, posterior):
        state = z_1
        p_2 = parts.gaussian(self.prior_2(state))
        q_2 = parts.gaussian(self.look(tf.concat([state, self.encoder(x)], axis=-1)))
        z_2 = q_2.sample(seed=self._seed())
        state += self.merge(tf.concat([state, z_2], axis=-1))
        reconstruction = self.likelihood(state).log_prob(x)
        kl_1, kl_2 = bounds.kl(posterior, self.prior()), bounds.kl(q_2, p_2)
        kl = kl_1 + kl_2
        terms = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
        return {**terms, "kl_1": kl_1, "kl_2": kl_2}

# %%
def new_top_down(seed):
    keras.utils.set_random_seed(seed)
    d = LATENT_SIZE
    encoder = networks.mlp_encoder(shape, 2 * d, (128,))
    decoder = networks.mlp_decoder(d, shape, (128,))
    look, prior_2 = dense(3 * d, 2 * d, "look"), dense(d, 2 * d, "prior_2")
    merge = dense(2 * d, d, "merge")
    return TopDownVAE(encoder, decoder, look, prior_2, merge)


def draw_top_down(vae, tops=40, draws=40, seed=0):
    """Pictures [tops, draws, *shape]: one z_1 for each row, z_2 drawn anew."""
    z_1 = np.random.default_rng(seed).normal(size=(tops, 1, LATENT_SIZE)).astype("float32")
    state = np.repeat(z_1, draws, axis=1).reshape(-1, LATENT_SIZE)
    z_2 = parts.gaussian(vae.prior_2(state)).sample(seed=(seed, 1))
    state = state + vae.merge(np.hstack([state, z_2]))
    return vae.decode(state.numpy()).reshape(tops, draws, *shape)


top_down = compiled(new_top_down(0))
top_down_results = train(top_down, new_top_down)

# %% tags=["drift"] mystnb={"image": {"alt": "Three rows of ten digits. In each row z1 is the same and the second group is drawn anew. Every row shows one kind of picture, which varies only a little."}}
top_shares = group_kls(top_down_results)[:, 0] / top_down_results["kl"]
pictures = draw_top_down(top_down)
top_down_share = decided_by_top(pictures)
assert np.all(top_shares > 0.5), "inferred first and read by the decoder, the top carries most"
assert top_down_share > 0.5 > naive_share, "and it decides what the picture is"
plots.image_rows({f"one $z_1$: {name}": pictures[top, :10] for top, name in enumerate("ABC")})
plt.show()
print("share of the KL in the top group: " + ", ".join(f"{share:.0%}" for share in top_shares))
print(f"the top decides {top_down_share:.0%} of the variance of the pictures")

# %% [markdown]
# The top carries more now, and by far: 88 to 92 percent of the KL on the digits. Every row shows one kind of picture, and
# the second group varies it a little. This is not yet a balanced hierarchy. The second group is nearly idle, which is the
# mirror image of the collapse of section 2. Nor are these digits better drawn than those of the naive model, which look
# crisper: there the last group, whose codes the decoder knows best, draws everything. What has changed is *which group
# decides*.
#
# Do not conclude that the bound is better. The next cell compares validation ELBOs. It adds a *flat* VAE, one with a
# single group of latents, which uses the same encoder and decoder without anything on top.

# %% tags=["drift"]
def new_flat(seed):
    keras.utils.set_random_seed(seed)
    decoder = networks.mlp_decoder(LATENT_SIZE, shape, (128,))
    return models.VAE(networks.mlp_encoder(shape, 2 * LATENT_SIZE, (128,)), decoder)


rivals = {"flat": train(compiled(new_flat(0)), new_flat), "naive, two": naive_results[2]}
rivals |= {"naive, three": naive_results[3], "top-down, two": top_down_results}
for name, results in rivals.items():
    print(f"{name:14s} validation ELBO by seed:", results["elbo"].round(2), "nats")

# %% [markdown]
# On the digits all four are within a few tenths of a nat of one another. The naive model with its dead top is not worse
# than the rest: it is a flat VAE with a latent that does nothing. What the top-down model has won so far is an upper layer
# that is *used*. It differs from the naive one in two ways, the order of inference and a decoder that reads the whole
# state, and our trial does not separate the two. Section 6 comes back to the bound with more care.
#
# ### The library's version
#
# `models.HierarchicalVAE` implements equations 8.6 to 8.8 for any number of groups of any size: `latent_sizes=(4, 4)`
# lists their sizes from the top. The features $h(x)$ are whatever the encoder puts out, the decoder takes the state, and
# each group has its own networks `posteriors`, `priors` and `merges`.
#
# Posterior and prior are now distributions over all groups, with `sample` and `log_prob`. So everything that was built on
# the three distributions of a VAE works: `encode`, `decode`, `sample`, `log_weights`, `evaluation.diagnose`. For our two
# classes above the last three would have been wrong, since these classes changed the bound and kept the flat prior and
# posterior.
#
# ## 4. What happens when there are many groups?
#
# Equation 8.7 is a residual network, in which every step adds a little to a state. Such networks can be very deep. That is
# the idea of the VDVAE (Child, 2021): dozens of small groups, each of which corrects what is there already. It reached
# better likelihoods on photographs than the PixelCNN, an autoregressive model, with fewer weights, and it draws thousands
# of times faster. Our laptop-size model has eight groups of two latents.
#
# **Predict.** All KLs are exact, all groups see the image, and the path is shared. Will all eight groups be used?

# %%
def new_hierarchical(seed, latent_sizes, hidden):
    keras.utils.set_random_seed(seed)
    encoder = networks.mlp_encoder(shape, 64, (128,))
    decoder = networks.mlp_decoder(32, shape, (128,))
    return models.HierarchicalVAE(encoder, decoder, latent_sizes, hidden=hidden)


def new_deep(seed):
    return new_hierarchical(seed, (2,) * 8, hidden=16)


deep = compiled(new_deep(0))
deep_results = {
    "untreated": train(deep, new_deep, k=100),
    "free bits 0.25": train(deep, new_deep, free_bits=0.25, k=100),
    "warm-up": train(deep, new_deep, warm_up=WARM_UP, k=100),
}

# %% tags=["drift"] mystnb={"image": {"alt": "Three bar charts of the KL of eight groups, with a dot for each seed. Untreated, several groups are at zero; with free bits all are used; with a warm-up most are used, unevenly."}}
figure, axes = plt.subplots(1, 3, figsize=(9.5, 2.8), sharey=True)
used = {}
for ax, (name, results) in zip(axes, deep_results.items(), strict=True):
    kl_bars(ax, results, name)
    used[name] = (group_kls(results) > 0.05).sum(axis=1)  # groups, for each seed
    print(f"{name:15s} groups above 0.05 nats: {used[name]}, ELBO", results["elbo"].round(2))
    print(" " * 15, "log p(x), k = 100, by seed:", results["log p(x)"].round(2), "nats")
axes[0].set_ylabel("KL (nats)")
control = deep_results["untreated"]["elbo"].mean()
gains = {name: results["elbo"].mean() - control for name, results in deep_results.items()}
log_p = {name: results["log p(x)"].mean() for name, results in deep_results.items()}
assert used["free bits 0.25"].min() >= 7, "what is free is taken"
if DATASET == "digits":
    assert used["untreated"].mean() < 5.5, "left alone, training leaves groups dead"
    assert used["warm-up"].mean() > used["untreated"].mean() + 1, "a warm-up wakes groups"
    better = gains["free bits 0.25"] > 0 and gains["warm-up"] > 0.2
    assert better, "and other than in chapter 06 the bound gains, on average"
    best_cure = max(log_p["free bits 0.25"], log_p["warm-up"])
    assert best_cure > log_p["untreated"] + 0.3, "so does the likelihood: the model is better"
plt.show()

# %% [markdown]
# No, not if training is left alone ("untreated"): on the digits, three or four of eight groups do all the work: the first and
# the last in every seed, and one or two of groups 5 to 7, which differ from seed to seed. The others are dead at the end. With free bits all are used, since the first
# quarter of a nat costs nothing. With a warm-up most are used, unevenly. (On MNIST, where there is more to say about an
# image, most groups wake up untreated.)
#
# So the architecture alone does not keep groups alive. At the start the posteriors of all groups know little, and their
# cost is immediate, while their use must be learned, by the merging networks and the decoder together.
#
# Compare this with chapter 06. There the cures raised the rate and not the likelihood, because the decoder had no need of
# the code. Here both cures raise the ELBO in the mean over seeds, on the digits by more than half a nat, and the
# log-likelihood too. So on average over three seeds these dead groups were a failure of training and not the right answer.
# The bounds of single runs overlap: the best untreated run, with half of its groups dead, has a better ELBO than three of
# the six treated ones. In likelihood, printed by seed, each treated run is ahead of every untreated one.
#
# ## 5. What does each group encode?
#
# "Global shape above, detail below" is what people expect of a hierarchy, and what the figures of papers show. But it is
# easy to see in pictures what one expects to see. We have two data sets whose factors are known, so we can measure.
#
# We measure in this way: infer the code of an image, draw *one* group anew from its prior given the groups above, keep
# all others, and look at what has changed. `vae.resample(z, groups)` does this. The faces are gray, so their likelihood is
# Gaussian, with $\sigma = 0.1$ as in chapter 07; the sprites are black and white.
#
# **Predict.** The next figure has a row for group 1 and a row for group 4. If the slogan "global above, detail below" is
# right, what will drawing group 1 anew do to a face, and what will drawing group 4 anew do?

# %%
pictures = {name: datasets.load(name) for name in ("faces", "sprites")}
noise_models = {"faces": likelihoods.Gaussian(scale=0.1), "sprites": "bernoulli"}
GROUPS = (4, 4, 4, 4)


def new_drawer(name, seed=0):
    keras.utils.set_random_seed(seed)
    side = pictures[name].x_train.shape[1:]
    encoder = networks.mlp_encoder(side, 64, (256,))
    decoder = networks.mlp_decoder(64, side, (256,))
    return models.HierarchicalVAE(encoder, decoder, GROUPS, likelihood=noise_models[name])


def fit_drawer(vae, images):
    vae.compile(keras.optimizers.Adam(2e-3))
    schedule = callbacks.BetaScheduler(callbacks.linear(10))
    vae.fit(images.x_train, batch_size=128, epochs=20, callbacks=[schedule], verbose=0)
    return vae(images.x_valid)


drawers, drawer_kls = {name: new_drawer(name) for name in pictures}, {}
# A control without a hierarchy, on the same faces with the same sigma.
flat_encoder = networks.mlp_encoder((32, 32, 1), 32, (256,))
flat_decoder = networks.mlp_decoder(16, (32, 32, 1), (256,))
flat_drawer = models.VAE(flat_encoder, flat_decoder, likelihood=noise_models["faces"])

# %%
for name, images in pictures.items():
    terms = fit_drawer(drawers[name], images)
    drawer_kls[name] = np.array([np.mean(terms[f"kl_{group}"]) for group in (1, 2, 3, 4)])
    assert np.isclose(drawer_kls[name].sum(), np.mean(terms["kl"]), rtol=1e-4), "the KLs add up"
flat_kl = np.mean(fit_drawer(flat_drawer, pictures["faces"])["kl"])

# %% tags=["drift"]
redrawn, lower, pixel_change = {}, {}, {}
for name, images in pictures.items():
    vae = drawers[name]
    z = vae.posterior(images.x_valid).sample(seed=(0, 0)).numpy()
    kept = vae.decode(z)
    new = [vae.decode(vae.resample(z, [group], seed=1)) for group in (1, 2, 3, 4)]
    redrawn[name] = [kept, *new]  # number 0: nothing is drawn anew
    lower[name] = [vae.decode(vae.resample(z, range(k + 1, 5), seed=1)) for k in (0, 1, 2, 3)]
    pixel_change[name] = np.array([np.mean((x - kept) ** 2) for x in new])

# %% tags=["drift"] mystnb={"image": {"alt": "Rows of faces and of sprites, each with other groups drawn anew. On the faces a new group 1 gives grainy pictures in different light, and a new group 4 changes next to nothing; on the sprites lower groups change the outlines, too."}}
figure, axes = plt.subplots(1, 2, figsize=(11, 4.4))
for ax, (name, shown) in zip(axes, {"faces": (1, 4), "sprites": (1, 2, 3, 4)}.items()):
    rows = {"image": pictures[name].x_valid[:6], "nothing": redrawn[name][0][:6]}
    rows |= {f"{g}: {drawer_kls[name][g - 1]:.1f} nats": redrawn[name][g][:6] for g in shown}
    rows |= {"2 to 4": lower[name][1][:6], "all four": lower[name][0][:6]}
    plots.image_rows(rows, ax=ax)
    ax.set_title(f"{name}: the groups drawn anew")
plt.show()

# %% [markdown]
# On the faces a new group 1 gives grainy pictures in different light, and a new group 4 changes next to nothing. The
# same is true of group 3, and nearly so of group 2, which changes a tenth as much as group 1 (their rows are left out). On the sprites there is no such order: the lower groups change
# the outlines, too. Each row label names the group that is drawn anew, with its KL. In the last two
# rows groups 2 to 4 are drawn anew together, in order, and then all four.
#
# Why are the pictures grainy? One might suspect that the groups no longer fit together, since the lower ones were inferred for
# *this* image, together with its top. But the last row is new from top to bottom, a sample of the model, and it is as
# grainy; with the image's own top and new lower groups there is no grain. So the grain comes with a top that was drawn
# from the *prior*. The decoder has learned to draw codes of images, and where the prior puts other codes it improvises.
#
# That is the mismatch of chapter 06, and it can be measured in nats. Codes of the 4587 training images cannot carry more
# than $\log 4587 = 8.4$ nats about *which* image it is. What the model pays beyond that is at most
# $\mathrm{KL}(q(z)\,\|\,p(z))$, the distance of those codes, taken together, from the prior. (The KL printed here is that
# of new images, which is close to that of the training images.)
#
# <!-- show -->
#
# Does the grain come from the hierarchy? The next cell tests a flat VAE with 16 latents and the same $\sigma$, trained in
# the same way.

# %% tags=["drift"]
faces = pictures["faces"]
components = decomposition.PCA(60, random_state=0).fit(faces.x_train[:2000].reshape(2000, -1))


def grain(x):
    """What the principal components of real faces leave over: mean squared rest of a pixel."""
    flat = x.reshape(len(x), -1)
    return np.mean((flat - components.inverse_transform(components.transform(flat))) ** 2)


for name, kl in (("hierarchy", drawer_kls["faces"].sum()), ("flat", flat_kl)):
    over = kl - np.log(len(faces.x_train))
    print(f"{name}: KL {kl:.1f} nats, at least {over:.1f} of them mismatch with the prior")
    assert over > 5, "most of the KL cannot be about which image it is"
flat_codes = flat_drawer.posterior(faces.x_valid).mean().numpy()
grains = {"kept": grain(redrawn["faces"][0]), "top": grain(redrawn["faces"][1])}
grains |= {"below": grain(lower["faces"][1]), "all": grain(lower["faces"][0])}
grains |= {"flat kept": grain(flat_drawer.decode(flat_codes))}
grains["flat all"] = grain(flat_drawer.sample(len(flat_codes), seed=0))
print({name: round(1000 * float(value), 2) for name, value in grains.items()}, "in thousandths")
worst = max(grains["kept"], grains["below"])
assert min(grains["top"], grains["all"]) > 3 * worst, "grain comes with a top from the prior"
assert grains["flat all"] > 3 * grains["flat kept"], "and a flat model's samples are grainy too"

# %% [markdown]
# It does not. The flat model pays a still larger KL, and its samples are even grainier than those of the hierarchy,
# while both draw reconstructions without grain. A KL that large goes with this $\sigma$: at 0.1 a pixel is worth so many
# nats that codes become narrow and leave most of the prior empty. Keep the grain in mind when factors are read off such
# pictures below.
#
# Now to the measurement. A regressor, our *reader*, learns to read the factors off real images: kernel ridge regression on
# the first principal components. We check how well it reads on validation images, and again on reconstructions, since a
# factor that the model does not reconstruct cannot be credited to any group.

# %%
class Reader:
    """Reads standardized factors [n, factors] off pictures [n, *shape]."""

    def __init__(self, images, examples=2000):
        flat = images.x_train[:examples].reshape(examples, -1)
        self.mean = images.factors_train.mean(axis=0)
        self.scale = images.factors_train.std(axis=0)
        self.components = decomposition.PCA(60, random_state=0).fit(flat)
        self.size = np.sqrt(self.components.explained_variance_.sum())
        self.ridge = kernel_ridge.KernelRidge(kernel="rbf", gamma=1.0, alpha=1e-3)
        truth = self.standard(images.factors_train[:examples])
        self.ridge.fit(self.components.transform(flat) / self.size, truth)

    def standard(self, factors):
        return (factors - self.mean) / self.scale

    def __call__(self, x):
        codes = self.components.transform(x.reshape(len(x), -1))
        return self.ridge.predict(codes / self.size)


readers = {name: Reader(images) for name, images in pictures.items()}

# %% tags=["drift"]
seen = {}
for name, images in pictures.items():
    truth = readers[name].standard(images.factors_valid)
    for label, x in (("images", images.x_valid), ("reconstructions", redrawn[name][0])):
        quality = 1 - np.mean((readers[name](x) - truth) ** 2, axis=0)  # R^2 of each factor
        values = [f"{factor} {r:.2f}" for factor, r in zip(images.factor_names, quality)]
        print(f"R^2 on {label:16s}" + ", ".join(values))
    seen[name] = quality > 0.5
assert min(s.sum() for s in seen.values()) >= 3, "most factors can be read off reconstructions"

# %% [markdown]
# Not every factor survives reconstruction. On the faces the expression is lost: mouth and brows cover few pixels, and at
# this $\sigma$ they are not worth their nats in so short a training run. On the sprites the rotation is hard to read even from
# real images. We leave such factors out.
#
# For the others we measure how far the factor moves when a group is drawn anew: the mean squared change, divided by twice
# the factor's variance. Zero means that it stays; one means that it becomes as different as in another image. An entry
# *above* one should not be read as a larger effect. More likely the reader is fooled: on grainy pictures, which it has
# never seen, its readings may leave the range of the factors. So read large entries as "the picture has become another",
# and trust the order among the small ones.
#
# One thing is easily overlooked. If a group above decides something and a group below *repeats* it, then redrawing either
# of them alone, with the other one kept, moves little. So we also do the reverse: keep the top groups, and draw
# **everything below** anew, in order, as in sampling. What still stays is decided by the groups that were kept.

# %%
def moved(reader, before, after):
    # How far each factor moves: pictures [n, ...] twice -> [factors]; 1 is another image.
    return np.mean((reader(after) - reader(before)) ** 2, axis=0) / 2


moves = {}
for name, reader in readers.items():
    before, *new = redrawn[name]
    alone = np.array([moved(reader, before, x) for x in new])
    below = np.array([moved(reader, before, x) for x in lower[name]])
    moves[name] = {"alone": alone[:, seen[name]], "and all below": below[:, seen[name]]}

# %% tags=["drift"]
figure, axes = plt.subplots(2, 2, figsize=(9.5, 5.6), sharey=True)
for row, (name, images) in zip(axes, pictures.items(), strict=True):
    names = np.array(images.factor_names)[seen[name]]
    for ax, (what, table) in zip(row, moves[name].items(), strict=True):
        picture = ax.imshow(table, vmin=0, vmax=1.5, aspect="auto")
        ax.set(xticks=range(len(names)), xticklabels=names)
        ax.set(yticks=range(4), yticklabels=[1, 2, 3, 4])
        ax.set(title=f"{name}: this group {what}", ylabel="group drawn anew")
        for (y, x), value in np.ndenumerate(table):
            color = "white" if value < 0.9 else "black"
            ax.text(x, y, f"{value:.2f}", ha="center", va="center", color=color)
    values = ", ".join(f"{value:.4f}" for value in pixel_change[name])
    print(f"{name:8s} mean squared change of a pixel, groups 1 to 4: {values}")
figure.colorbar(picture, ax=axes, label="movement of the factor")
plt.show()

# %% [markdown]
# Faces are in the upper panels and sprites in the lower ones. On the left one group is redrawn and all others are kept; on
# the right the groups below it are redrawn too. The first row on the right is a completely new picture. The last rows of
# left and right agree by construction, since nothing lies below group 4. Entries above one occur in the first rows only,
# where tops come from the prior.
#
# *On the faces the slogan holds, with a limit on what it means.* The top group carries most nats, changes pixels many
# times more than any other, and moves every factor most. On the right, from the second row on, light and orientation hardly
# move: the top has decided them. The lower groups move the hair and the width a little, and the last two move nothing that
# has a name. But the left panel alone would have misled us. In it the orientation moves by 0.15 when the top
# alone is redrawn, and by 0.84 in a completely new picture (in our run): the groups that are kept repeat much of it.
#
# *On the sprites it does not hold.* With the top kept and the rest redrawn, size and position move less far than in a new
# picture, but the shape is still open: a heart may become a moon. "Global shape above" is wrong here. A displaced shape costs
# more pixels than a wrong outline in the right place, so position may well be what the first nats are best spent on.
# This is one training run with one seed.
#
# Nothing in this architecture forces detail into the lower groups. All groups write into one state, and the bound does not
# care which group writes what. In the VDVAE and in NVAE (Vahdat and Kautz, 2020) the groups work at different
# *resolutions*: the top ones see an image of a few pixels, and cannot draw detail. The order of scales in their figures
# was built in. Zhao et al. (2017) have more on what a hierarchy does not learn by itself.

# %% tags=["drift"]
faces_alone, faces_below = moves["faces"].values()
changes, low = pixel_change["faces"], pixel_change["sprites"]
assert changes[0] > 3 * changes[1:].max(), "the top changes far more than the rest"
assert np.all(faces_alone[0] >= faces_alone[1:].max(axis=0)), "and it moves every factor most"
assert faces_below[2:].max() < 0.2, "the two lowest groups of the faces decide no factor"
sprite_names = np.array(pictures["sprites"].factor_names)[seen["sprites"]]
after_top = dict(zip(sprite_names, moves["sprites"]["and all below"][1]))  # group 1 is kept
assert after_top["shape"] > 0.3, "the top leaves the shape open"
assert low[1:].max() > 0.2 * low[0], "and lower groups still change many pixels"

# %% [markdown]
# ### With resolutions built in
#
# (Optional on a first reading.) What does it look like if each group has a resolution of its own? The simplest such model
# can be written down without training: one normal distribution of the faces, generated from coarse to fine. $z_1$ is the
# face averaged to 4 x 4 pixels, $z_2$ is what 8 x 8 pixels add given $z_1$, and $z_3$ and $z_4$ are what 16 x 16 and
# 32 x 32 add. Every conditional is a normal, and a code is a function of its image. Suppose that we keep the groups of an
# image $x$ down to some resolution, which is to keep the *map* of its averages $A x$, and draw all groups below anew. For
# this we take a sample $y$ of the whole model and correct it, $y + C A^\top (A C A^\top)^{-1} A (x - y)$.

# %% tags=["drift"] mystnb={"image": {"alt": "Five rows of nine faces: the images, faces drawn anew below a map of 4 x 4, of 8 x 8 and of 16 x 16, and faces that are all new. The finer the map that is kept, the less changes."}}
rng, both = np.random.default_rng(1), (faces.x_train, faces.x_valid[:9])
flat = [x.reshape(len(x), -1) for x in both]
face_mean, face_cov = flat[0].mean(axis=0), np.cov(flat[0].T)
fresh = rng.multivariate_normal(face_mean, face_cov, size=9, method="eigh")
rows, missed = {"image": faces.x_valid[:9]}, {}
for side in (4, 8, 16):
    blocks = np.kron(np.eye(side), np.full((1, 32 // side), side / 32))
    a = np.kron(blocks, blocks)  # A: the averages over a map of side x side
    inverse = np.linalg.pinv(a @ face_cov @ a.T, rcond=1e-6)
    drawn = fresh + (flat[1] - fresh) @ a.T @ inverse @ a @ face_cov
    rows[f"below {side} x {side}"] = drawn.reshape(-1, 32, 32, 1)
    missed[side] = np.mean((drawn - flat[1]) ** 2)
    assert np.abs((drawn - flat[1]) @ a.T).max() < 0.05, "the map that was kept stays as it was"
plots.image_rows({**rows, "all four": fresh.reshape(-1, 32, 32, 1)})
plt.show()
print("mean squared change of a pixel:", {side: f"{x:.4f}" for side, x in missed.items()})

# %% [markdown]
# Now the slogan is true, by construction. With the 4 x 4 map kept, light and pose stay and the features of the face are drawn
# anew; with 8 x 8, only edges, eyes and mouth change; with 16 x 16 hardly anything does. What is redrawn looks like a
# double exposure, since one normal distribution knows no faces, only sums of faces. That is the price of doing without
# training.
#
# The order of scales, though, owes nothing to learning. A group that sees 16 numbers *cannot* draw a mouth. So the figure is
# no evidence about trained models. In one convolutional model that we trained on the sprites (one seed, 15 epochs), the
# groups were a vector, a 4 x 4 map and an 8 x 8 map, and the largest map took four fifths of the KL: 3.6, 1.7 and 22.4 nats,
# from the top down.

# %% [markdown]
# ## 6. Is the hierarchy a better model?
#
# A comparison needs equal conditions. All three models below have the same first layer of the encoder, the same last layer
# of the decoder, 16 latents, the same number of epochs, the same warm-up, and nearly the same number of weights; we chose
# the widths of the remaining layers for that. The deep model is the one from section 4, which is trained already.
#
# We report two numbers in nats per image: the ELBO, and the importance-weighted log-likelihood with $k = 100$ (chapter
# 04). Their difference is at most the gap between bound and evidence, so it says how good the *posterior* is. The
# log-likelihood says how good the *model* is.
#
# **Predict.** Section 1 showed what a chain of normals can do for a posterior. Where should we see the benefit: in the
# ELBO, in the log-likelihood, or in their difference?

# %%
def new_wide(seed):
    keras.utils.set_random_seed(seed)
    encoder = networks.mlp_encoder(shape, 32, (128, 121))
    return models.VAE(encoder, networks.mlp_decoder(16, shape, (121, 128)))


builds = {"flat": new_wide, "eight groups": new_deep}
builds["two groups"] = lambda seed: new_hierarchical(seed, (8, 8), hidden=69)
weights = {name: new_model(0).count_params() for name, new_model in builds.items()}
assert max(weights.values()) < 1.05 * min(weights.values()), "equal budgets: within 5%"
print("weights:", weights)

# %%
budget = {"eight groups": deep_results["warm-up"]}
for name in ("flat", "two groups"):
    vae = compiled(builds[name](0))
    budget[name] = train(vae, builds[name], warm_up=WARM_UP, k=100)

# %% tags=["drift"] mystnb={"image": {"alt": "Three panels, the ELBO, log p(x) and the gap between them, for the flat model, eight groups and two groups, with a marker for each seed and a bar at the mean. The models lie close together, and their seeds overlap."}}
figure, axes = plt.subplots(1, 3, figsize=(9.5, 2.6), sharey=True)
for results in budget.values():
    results["gap"] = results["log p(x)"] - results["elbo"]
    assert np.all(results["gap"] > 0), "the ELBO is the lower bound"
labels = {"elbo": "ELBO (nats)", "log p(x)": "log p(x), k = 100 (nats)"}
labels["gap"] = "log p(x) - ELBO (nats)"
for ax, (column, label) in zip(axes, labels.items(), strict=True):
    for row, name in enumerate(builds):
        values = budget[name][column]
        color = plots.COLORS[row]
        ax.plot(values, [row] * len(values), plots.MARKERS[row], color=color, alpha=0.7)
        ax.plot(values.mean(), row, "|", markersize=18, color=plots.COLORS[6])
    ax.set(xlabel=label, yticks=range(3), yticklabels=list(builds), ylim=(2.5, -0.5))
    ax.locator_params(axis="x", nbins=4)
for name in builds:
    means = {column: budget[name][column].mean() for column in labels}
    values = ", ".join(f"{column} {value:7.2f}" for column, value in means.items())
    print(f"{name:13s}", values, "nats")
best = [results["log p(x)"].mean() for results in budget.values()]
share = 0.05 if DATASET == "digits" else 0.2
assert np.ptp(best) < share * abs(np.mean(best)), "models of equal budgets end close together"
plt.show()

# %% [markdown]
# If anywhere, in the difference between the two, the gap. There is a marker for each seed, and a bar at the mean. Look at the
# scale before you look at the order: all of this happens within about one nat, while the images differ from one another
# by many.
#
# On the digits, at this budget, the flat model and the one with two groups cannot be told apart: in both numbers the means
# differ by less than the seeds do. The deep model comes last in likelihood: eight small groups learn more slowly. After
# twice as many epochs, in our trials, the three were too close to call. The right panel agrees with section 1 for the deep
# model: in the mean, its difference between likelihood and ELBO is the smallest. What it loses as a model it partly regains
# by its posterior. But here too the seeds overlap.
#
# On other data the order is different: on 2000 images of MNIST, with the same networks and epochs, the flat model wins by
# several nats in the mean. A narrow state and many small networks, each of which must be learned, may be a handicap when
# training is short.
#
# It would be wrong to conclude that hierarchies are useless. The models that made them famous have a thousand times more
# weights, and they have convolutions, several resolutions, and images on which there is much to decide. It would be just
# as wrong to believe that adding layers of latents improves a small model by itself. What holds here is this: **a shared
# path, inferred from the top down and read by the decoder, decides whether upper groups are used; warm-up or free bits
# decide whether many groups are used; and none of this guarantees a better likelihood than a flat model.**
#
# ## 7. Where does this lead?
#
# (Optional on a first reading.) A *diffusion model* is a hierarchical VAE with many groups and a **fixed** posterior.
# Number the groups from the top, as here, with $z_{L+1} = x$. Each $z_l$ has the size of the image, and is the image below
# it, slightly shrunk and with a little noise added: $q(z_l|z_{l+1}) = N(\sqrt{1 - \beta_l}\, z_{l+1}, \beta_l I)$, which
# has no weight to train. Inference runs upward, as in the naive chain of equation 8.4. But this chain can be integrated:
# $q(z_l|x)$ is a normal, and so is $q(z_l|z_{l-1}, x)$. So the bound can be read downward, as in equation 8.8, term by
# term:
#
# $$ \log p(x) \ge \mathbb{E}_q[\log p(x|z_L)] - \mathrm{KL}(q(z_1|x)\,\|\,p(z_1))
#    - \sum_{l=2}^{L} \mathbb{E}_q\big[\mathrm{KL}(q(z_l|z_{l-1}, x)\,\|\,p(z_l|z_{l-1}))\big]. \tag{8.9} $$
#
# The first term is a reconstruction from an image with almost no noise. The second is the top's KL. It is nearly zero *on
# purpose*, since after many steps nothing of the image is left. This is the dead top of section 2, and now we want it,
# because a dead top has no mismatch with the prior. Each term of the sum compares two normals, and the best
# $p(z_l|z_{l-1})$ is found by guessing $x$ from a noisy version of it, which is the denoising of chapter 02. Since $q$ is
# fixed, no group can collapse and none can be left unused. The price is that the codes mean nothing by themselves, and that
# drawing takes $L$ steps. Section 5 of chapter 12 builds such a model for black-and-white pixels.
#
# ## 8. With more time
#
# Does patience take away the grain of section 5? `models.load("faces-vae")` is a flat VAE of the same faces with the same
# $\sigma$, trained for 600 epochs instead of 20.
#
# **Predict.** Its copies will be better. Will its KL come down to what 4587 images can need, and the grain of its samples
# with it?

# %% tags=["drift"] mystnb={"image": {"alt": "Five rows of eight faces: real images, then copies and samples after 20 epochs, then the same after 600. The early samples are full of grain; the late ones are mostly quiet, and many are smeared or doubled."}}
rows = {"images": faces.x_valid}
for epochs, vae in {20: flat_drawer, 600: models.load("faces-vae")}.items():
    copies, drawn = vae.reconstruct(faces.x_valid), vae.sample(len(faces.x_valid), seed=0)
    rows |= {f"copies, {epochs} epochs": copies, f"samples, {epochs} epochs": drawn}
    kl, low, high = np.mean(vae(faces.x_valid)["kl"]), 1000 * grain(copies), 1000 * grain(drawn)
    print(f"{epochs} epochs: KL {kl:.1f} nats, grain of copies {low:.2f}, samples {high:.2f}")
assert kl > 2 * np.log(len(faces.x_train)), "even now most of it cannot be about the image"
plots.image_rows({name: images[:8] for name, images in rows.items()})
plt.show()

# %% [markdown]
# The grain does, nearly; the KL comes down by half. It is still more than twice $\log 4587 = 8.4$ nats, so that most of it is mismatch with the prior even now. The
# grain of the samples falls to less than a tenth. Copies have some grain now, because sharp eyes and mouths also leave something over (the real
# faces themselves 0.57 thousandths). Yet look at the last row: most of these samples are quiet, and few of them could pass for a face. They are smeared or doubled,
# and one is torn. So patience takes away the snow and leaves the mismatch. (One model and one seed, with 10 latents where the flat model of section 5 has 16:
# the epochs are not the only difference.)
#
# ## Summary
#
# You have
# - lost half a nat to independent latents in a case where everything is known, and nothing to two conditional steps;
# - built the naive stack, and seen the last group take the KL, with or without warm-up, while the top decides next to
#   nothing;
# - built top-down inference on a shared path, in which the top is inferred first, read by the decoder, and used;
# - trained a residual model of eight groups, woken its dead groups by warm-up and by free bits, and measured on
#   faces and sprites what each group draws;
# - gained 30 nats per patch on photographs by one contrast latent on top of a normal distribution, with exact evidence;
# - compared flat, two and eight groups at equal budgets over three seeds.
#
# ## Common mistakes
#
# - Adding layers of latents and never looking at the KL of each.
# - Writing $\log q - \log p$ for a chain with the conditions in the wrong order, or leaving one link out.
# - Overriding the bound, and then calling `log_weights` or `sample`, which still use the old prior and posterior.
# - Comparing a deep model with warm-up against a flat one without, or with fewer weights.
# - Judging "global" and "detail" by pictures of chosen examples.
# - Taking what a resampled top gives for what the model would make of an image. A code from the prior may lie where no
#   image's code does.
# - Reading a higher ELBO as a better model: it may be a better posterior.
#
# ## Exercises
#
# [Exercises 08](../exercises/08_hierarchical_vae/08_hierarchical_vae.ipynb): the price of independence, the KL of a chain,
# one step down the shared path, and a published hierarchy to repair.
#
# ## Further reading
#
# - Sønderby, Raiko, Maaløe, Sønderby and Winther (2016), "Ladder variational autoencoders": dead upper layers,
#   top-down inference, warm-up.
# - Kingma et al. (2016), "Improved variational inference with inverse autoregressive flow": a deep shared path, and free bits.
# - Child (2021), "Very deep VAEs generalize autoregressive models and can outperform them on images": many small groups at
#   many resolutions.
# - Vahdat and Kautz (2020), "NVAE: a deep hierarchical variational autoencoder": what such models need on photographs.
# - Wainwright and Simoncelli (2000), "Scale mixtures of Gaussians and the statistics of natural images": one latent on top.
# - Ho, Jain and Abbeel (2020), "Denoising diffusion probabilistic models": a fixed posterior and a thousand groups.
# - Zhao, Song and Ermon (2017), "Learning hierarchical features from generative models": why a chain need not learn a
#   hierarchy of features.
# - Maaløe, Fraccaro, Liévin and Winther (2019), "BIVA": a very deep hierarchy with bottom-up and top-down paths.
# - Razavi, van den Oord and Vinyals (2019), "Generating diverse high-fidelity images with VQ-VAE-2": two resolutions of
#   *discrete* codes, the top one for the shape and the bottom one for the detail (chapter 17 builds one level).
