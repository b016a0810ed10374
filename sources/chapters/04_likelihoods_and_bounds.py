# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 04. Likelihoods and bounds
#
# In this chapter you choose the noise in $p_\theta(x|z)$ on purpose, find out how much weight a loss really gives to the
# KL, and report a likelihood that others can trust.
#
# **Goals.** After this chapter you can
# - write $\log p_\theta(x|z)$ for Bernoulli and Gaussian noise, with a fixed, a learned and a per-pixel scale, and say
#   which of these numbers may be compared;
# - explain why the pictures of a VAE come out blurry;
# - measure the weight that any published loss gives to the KL, its *effective beta*;
# - see overfitting in the bound, and stop in time;
# - tighten the bound with importance samples, and report a test log-likelihood with error bars.
#
# **Before you start.** Chapter 03: the three distributions of a VAE, the ELBO, the KL in nats. From probability: the normal
# density, and the standard error of a mean.
#
# **Level:** intermediate · **Time:** 70 minutes reading, 2 minutes computing

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import bounds, datasets, evaluation, likelihoods, models, networks, plots

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
plots.use_style()

# %%
DATASET = "digits"  # or "mnist", "fashion_mnist", "faces", ...
EPOCHS, FACE_EPOCHS = 50, (20, 100)
LATENT_SIZE = 8
HIDDEN = (256,)
TRAIN_SIZE, EVALUATION_SIZE = 3000, 500  # at most: keeps larger sets to a few minutes
keras.utils.set_random_seed(0)

# %%
data = datasets.load(DATASET)
x_train, x_valid, x_test = data.x_train[:TRAIN_SIZE], data.x_valid, data.x_test
x_valid, x_test = x_valid[:EVALUATION_SIZE], x_test[:EVALUATION_SIZE]
binary_train, binary_valid, binary_test = [
    (x > 0.5).astype("float32") for x in (x_train, x_valid, x_test)
]
shape, pixels = x_train.shape[1:], x_train[0].size
print(f"{len(x_train)} training images {shape}: {pixels} pixels each")

# %%
def new_vae(
    model=models.VAE, seed=0, shape=shape, hidden=HIDDEN, latent_size=LATENT_SIZE, **options
):
    """A compiled model whose first weights depend on the seed only."""
    keras.utils.set_random_seed(seed)
    encoder = networks.mlp_encoder(shape, 2 * latent_size, hidden)
    decoder = networks.mlp_decoder(latent_size, shape, hidden)
    vae = model(encoder, decoder, **options)
    vae.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    return vae

# %% [markdown]
# The chapter uses these images in two forms. As they are, with gray values in $[0, 1]$, their pixels are measurements;
# thresholded at one half, their pixels are yes-or-no answers. The two forms call for different likelihoods. We train on
# `x_train`, choose on `x_valid`, and look at `x_test` once, at the very end.
#
# Nearly every model in this chapter has the same networks. The short function `new_vae` makes one with fresh weights. The
# trainings are so short that compiling each model with XLA, which makes a step faster, would take longer than it saves.
#
# ## 1. What does a likelihood say about noise?
#
# The first three sections of this chapter are about the right end of the model:

# %% mystnb={"image": {"alt": "Diagram: the decoder turns z into a clean picture, which goes into the likelihood. The likelihood also has its noise, a scale sigma or none, is linked to the image x by a double arrow, and returns a number of nats."}}
nodes = {"$z$": (0, 0, "variable"), "decoder": (1.5, 0, "network")}
nodes |= {r"$\hat x$": (3.1, 0, "text"), "$x$": (6.9, 0, "observed")}
nodes |= {"p": (4.9, 0, "network", r"likelihood $p_\theta(x|z)$")}
nodes |= {"noise": (4.9, 1.1, "text", r"its noise: a scale $\sigma$, or none")}
nodes |= {"nats": (4.9, -1.1, "text", r"$\log p_\theta(x|z)$ in nats")}
arrows = [("$z$", "decoder"), ("decoder", r"$\hat x$"), (r"$\hat x$", "p"), ("noise", "p")]
arrows += [("p", "$x$", {"head": "<->"}), ("p", "nats", {"color": plots.COLORS[3]})]
plots.schematic(nodes, arrows, unit=0.85)
plt.show()

# %% [markdown]
# The noise of the likelihood is an assumption, and it decides how many nats an error costs.
#
# The decoder outputs a clean picture $\hat x = g_\theta(z)$. The likelihood says how a real image may differ from it. With
# Gaussian noise of scale $\sigma$, independent in each of the $D$ pixels,
#
# $$ \log p_\theta(x|z) = -\frac{1}{2\sigma^2} \sum_i (x_i - \hat x_i)^2 - D \log(\sigma\sqrt{2\pi}). \tag{4.1} $$
#
# The first term is a squared error, and $\sigma$ says how much it matters. The second term contains no network weights, yet
# it belongs to the likelihood: without it, nothing would stop us from choosing a huge $\sigma$. Note the factor $D$. The
# constant is added once for each pixel, so it is either summed with the pixels or multiplied by $D$, never both.
#
# For binary pixels the noise is a coin flip: pixel $i$ is 1 with probability $\hat x_i$, so
#
# $$ \log p_\theta(x|z) = \sum_i x_i \log \hat x_i + (1 - x_i) \log (1 - \hat x_i). \tag{4.2} $$
#
# Both are *sums* over all pixels. When the noise is independent, probabilities multiply, and the logarithm of a product is
# a sum.
#
# We type both equations and check them against TensorFlow Probability. There, `tfd.Independent(..., 3)` declares that the
# last three axes (height, width and channels) make up one example. As a stand-in for a decoder we predict the same picture
# for every example: the mean of the training images, pulled a little toward gray so that no probability is exactly 0 or 1.

# %%
def gaussian_log_prob(x, x_hat, sigma):
    """Equation 4.1: x and x_hat [n, ...] -> [n], in nats."""
    squared_error = ((x - x_hat) ** 2).reshape(len(x), -1).sum(axis=1)
    constant = x[0].size * np.log(sigma * np.sqrt(2 * np.pi))
    return -squared_error / (2 * sigma**2) - constant

def bernoulli_log_prob(x, x_hat):
    """Equation 4.2: x in {0, 1} and x_hat in (0, 1), [n, ...] -> [n], in nats."""
    log_prob = x * np.log(x_hat) + (1 - x) * np.log(1 - x_hat)
    return log_prob.reshape(len(x), -1).sum(axis=1)

# %%
mean_image = 0.02 + 0.96 * x_train.mean(axis=0)
normals = tfd.Independent(tfd.Normal(mean_image, 0.3), 3).log_prob(x_valid)
coins = tfd.Independent(tfd.Bernoulli(probs=mean_image), 3).log_prob(binary_valid)
ours = gaussian_log_prob(x_valid, mean_image, 0.3)
assert np.allclose(ours, normals, rtol=1e-3, atol=1e-2), "equation 4.1: independent normals"
ours = bernoulli_log_prob(binary_valid, mean_image)
assert np.allclose(ours, coins, rtol=1e-3, atol=1e-2), "equation 4.2: independent coins"

# %% [markdown]
# In the library these are `likelihoods.Gaussian(sigma)` and `likelihoods.Bernoulli()`. `models.VAE` takes either as its
# `likelihood`. You can also pass a name: `"bernoulli"`, the default, stands for the second, and `"gaussian"` for the first
# with $\sigma = 1$.
#
# ### A density is not a probability
#
# Equation 4.2 is the logarithm of a probability, so it is never above zero. Equation 4.1 is the logarithm of a *density*. A
# density has units (one over the unit of $x$, for each pixel), and it can be as large as you like.
#
# **Predict.** Suppose a program stores gray values from 0 to 255 instead of 0 to 1, with the same pictures and the same
# relative noise. What happens to equation 4.1, and what happens to equation 4.2?

# %%
unit = gaussian_log_prob(x_valid, mean_image, 0.3)
bytes_ = gaussian_log_prob(255 * x_valid, 255 * mean_image, 255 * 0.3)
shift = (unit - bytes_).mean() / pixels
assert np.isclose(shift, np.log(255), rtol=1e-3), "new units cost log 255 for each pixel"
print(f"a change of units costs {shift:.2f} nats for each pixel")

# %% [markdown]
# Equation 4.1 falls by $\log 255 \approx 5.54$ nats for each pixel, although nothing about the model has changed. Equation
# 4.2 does not change at all: a yes-or-no answer has no unit. So a log-density is meaningful only in comparison with another
# log-density of the *same data in the same units*, and never in comparison with a log-probability. Larger images also have
# larger sums. To compare sizes, people divide the *negative* log-likelihood by $D \log 2$ and call the result *bits per
# dimension*. Note its direction: of a log-likelihood more is better, of bits less.
#
# Many programs put gray values into equation 4.2. Its largest value is still at $\hat x = x$, so training works. But over
# gray values it is neither a probability nor a density, since it does not add up to one, and its value should not be
# reported as a likelihood. (Chapter 03's reading is the exception: there it bounds the average log-probability of binary
# pixels *drawn at random*, with the gray values as probabilities. Those are different data, so say so.)
#
# Stored pixels are whole numbers, so they can have a proper probability: give each of the 256 levels the mass that a smooth
# density has in its bin. `likelihoods.DiscretizedLogistic` does this with a logistic density. Its 256 probabilities add up
# to one, and no log-probability is above zero. Inside a VAE the model tells the likelihood the shape of an example; to use
# a likelihood on its own, call `on(shape)`.

# %% mystnb={"image": {"alt": "Left: three normal densities of one gray value; the narrower ones rise above the dotted line at 1. Right: the probabilities of the 256 levels, a bell of thin bars, with one small extra bar at level 0."}}
levels = np.linspace(0, 1, 256, dtype="float32")[:, None]  # [256, 1]: one pixel, all its levels
one_pixel = likelihoods.DiscretizedLogistic().on((1,))
noise = one_pixel.distribution(tf.constant([0.3, -3.0]))  # location, raw scale
log_prob = noise.log_prob(levels).numpy()
assert np.isclose(np.exp(log_prob).sum(), 1, atol=1e-3), "over all levels they add up to one"
assert log_prob.max() <= 0, "a probability is at most one"
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6))
x = np.linspace(-0.2, 1.2, 500)[:, None]
for scale in (1.0, 0.3, 0.1):
    left.plot(x, np.exp(gaussian_log_prob(x, 0.5, scale)), label=rf"$\sigma$ = {scale:g}")
left.axhline(1, color="black", linestyle=":")
left.set(xlabel="gray value $x$", ylabel="density")
left.legend()
right.bar(np.arange(256), np.exp(log_prob), width=1.0)
right.set(xlabel="level", ylabel="probability")
plt.show()

# %% [markdown]
# On the left are three densities of one gray value. The narrower ones rise above 1 (dotted line), so their logarithms are
# positive there; for a density, no rule forbids that. On the right are the probabilities of the 256 levels: each is at most 1,
# and together they add up to 1. The small bar at level 0 holds the whole tail of the density below it.
#
# ### What does sigma do to a VAE?
#
# Put equation 4.1 into the negative ELBO and multiply by $\sigma^2$. Up to a constant, training minimizes
#
# $$ \tfrac12 \sum_i (x_i - \hat x_i)^2 + \sigma^2\, \mathrm{KL}(q_\phi(z|x) \| p(z)). \tag{4.3} $$
#
# So $\sigma^2$ is the weight of the KL against the squared error. It is a $\beta$ in disguise. A latent is worth its price
# only if it removes more squared error than $\sigma^2$ demands. For a linear decoder there is an exact rule (Lucas et al.,
# 2019): a latent is used if the variance of the data along its direction is more than $\sigma^2$. These variances are the
# eigenvalues of the data's covariance, so before any training we can count how many are large enough.

# %%
variances = np.linalg.eigvalsh(np.cov(x_train.reshape(len(x_train), -1).T))
for sigma in (1.0, 0.3, 0.1):
    count = (variances > sigma**2).sum()
    print(f"sigma {sigma}: {count} directions of the data vary by more than sigma^2")

# %% [markdown]
# **Predict.** The usual "squared error" loss is equation 4.1 with $\sigma = 1$. Given the count above, which is for the
# embedded digits, what will that VAE learn? And what will $\sigma = 0.1$ do to the KL?
#
# We train the same networks with three fixed values of $\sigma$, with a learned one, `Gaussian("learned")`, and once with
# $\sigma = 1$ and $\beta = 0.01$, which by equation 4.3 should be the same as $\sigma = 0.1$. For each we look at the KL
# and at the root-mean-square (RMS) difference between an image and its reconstruction. We take both on the training images,
# because equation 4.3 describes the trade that training makes.

# %%
settings = {f"sigma {sigma:g}": (sigma, 1.0) for sigma in (1.0, 0.3, 0.1)}  # sigma, beta
settings |= {"learned": ("learned", 1.0), "sigma 1, beta 0.01": (1.0, 0.01)}
gray_vaes, records = {}, {}
for name, (sigma, beta) in settings.items():
    vae = gray_vaes[name] = new_vae(likelihood=likelihoods.Gaussian(sigma), beta=beta)
    records[name] = vae.fit(x_train, epochs=EPOCHS, verbose=0).history

# %% tags=["drift"]
def rms_error(vae):
    return np.sqrt(np.mean((vae.reconstruct(x_train) - x_train) ** 2))

kls = {name: record["kl"][-1] for name, record in records.items()}
errors = {name: rms_error(vae) for name, vae in gray_vaes.items()}
wide, middle, narrow, same = ["sigma 1", "sigma 0.3", "sigma 0.1", "sigma 1, beta 0.01"]
assert kls[wide] < kls[middle] < kls[narrow], "less noise makes information worth more"
assert errors[narrow] < errors[middle] < errors[wide], "more of it, better reconstructions"
assert np.isclose(kls[same], kls[narrow], rtol=0.15), "sigma^2 = 0.01 is beta = 0.01"
assert np.isclose(errors[same], errors[narrow], rtol=0.1), "sigma^2 = 0.01 is beta = 0.01"

# %% tags=["drift"] mystnb={"image": {"alt": "Two bar charts, of the KL and of the reconstruction error, for five VAEs. As sigma falls from 1 to 0.1, the KL rises and the error falls; the last bars, for sigma 1 with beta 0.01, equal those of sigma 0.1."}}
figure, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True)
rows = {"KL (nats)": kls, "reconstruction error (RMS)": errors}
for ax, (label, values) in zip(axes, rows.items(), strict=True):
    ax.barh(list(values), values.values(), color=plots.COLORS[0])
    ax.set_xlabel(label)
axes[0].invert_yaxis()
plt.show()

# %% [markdown]
# With $\sigma = 1$ it learns nothing that tells the images apart, and $\sigma = 0.1$ raises the KL a lot: from $\sigma = 1$
# to $0.1$ the KL rises and the error falls. On the digits the first model has a KL of zero. It ignores its latents and draws
# the same picture for every image, just as the count of directions said. This is not a failure of training. It is the
# best solution for $\sigma = 1$: no direction of the data varies by more than $\sigma^2$, so each nat of code would buy
# less than a nat of reconstruction. The last bar equals the third, as equation 4.3 promised.
#
# ### Which sigma is the right one?
#
# The ELBO itself can choose. Set the derivative of equation 4.1 with respect to $\sigma$ to zero, on average over examples
# and samples of $z$:
#
# $$ \sigma^2 = \frac{1}{D}\, \mathbb{E}\Big[\sum_i (x_i - \hat x_i)^2\Big]. \tag{4.4} $$
#
# The best scale is the root-mean-square residual: the noise should be as large as the errors really are. The learned
# $\sigma$ must come close to it. To check this we solve equation 4.1 for the squared error, so that the residual includes
# the sampling of $z$.

# %% tags=["drift"]
learned = gray_vaes["learned"]
sigma = float(np.exp(learned.likelihood_part.log_scale.numpy()))
constant = pixels * np.log(sigma * np.sqrt(2 * np.pi))
log_likelihood = np.mean(learned(x_train)["reconstruction"])
residual = np.sqrt(-2 * sigma**2 * (log_likelihood + constant) / pixels)  # 4.1, read backward
assert np.isclose(sigma, residual, rtol=0.1), "it is the root-mean-square residual"
final = {name: np.mean(vae(x_valid)["elbo"]) for name, vae in gray_vaes.items()}
assert final["learned"] > final["sigma 0.3"] > final["sigma 1"], "it beats larger scales"
print(f"learned sigma {sigma:.3f}, root-mean-square residual {residual:.3f},", end=" ")
print("in units of the gray scale")
for name in ("sigma 1", "sigma 0.3", "sigma 0.1", "learned"):
    units = evaluation.active_units(gray_vaes[name], x_valid).count
    print(f"{name:10s} validation ELBO {final[name]:8.1f} nats,", end=" ")
    print(f"{units} of {LATENT_SIZE} latents active")

# %% [markdown]
# `evaluation.active_units` counts the *active* latents, those whose posterior mean moves with the image; with $\sigma = 1$
# none does on the digits. The four bounds may be compared, since all are densities of the same images in the same units. On
# the digits three of them are positive, which is not an error for a density. Learning the scale finds a good value without
# a search. It starts at $\sigma = 1$, where the latents do not pay, so it needs some epochs before they become active; a
# fixed value that happens to be right can be ahead of it.
#
# ### A trap: one scale for each pixel
#
# If one learned scale is good, why not one for each pixel? Because some pixels never change: the corners of the digits are
# always black. There the best scale is zero and the density is infinite. To see this we need no network, only a normal
# distribution for each pixel, with a lower limit on its scale. We also put a speck on one validation image: a value of
# $1/16$, which is nearly black, in the pixel that varies least. What does this speck cost?

# %% tags=["drift"]
mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
constant = (deviation == 0).sum()
print(f"{constant} of {pixels} pixels are the same in all training images")
speck = (np.arange(pixels) == deviation.argmin()).reshape(1, *shape) / np.float32(16)
trap = {}
for smallest in (1e-1, 1e-2, 1e-3):
    noise = tfd.Independent(tfd.Normal(mean, np.maximum(deviation, smallest)), 3)
    clean, specked = noise.log_prob(x_valid[:1]), noise.log_prob(x_valid[:1] + speck)
    trap[smallest] = noise.log_prob(x_train).numpy().mean(), float((clean - specked)[0])
    print(f"smallest scale {smallest:5.3f}: training {trap[smallest][0]:8.1f} nats;", end=" ")
    print(f"the speck costs {trap[smallest][1]:6.1f} nats")
gain = trap[1e-3][0] - trap[1e-2][0]
assert gain >= 0.99 * constant * np.log(10), "a factor of ten: log 10 for each constant pixel"
assert trap[1e-3][1] > 1000 * (constant > 0), "a sixteenth is 62 scales of 0.001"

# %% [markdown]
# At a scale of 0.001 it costs nearly two thousand nats, far more than all the honest differences in this chapter together.
# On the training images the same small scale looks like progress: each time it shrinks by a factor of ten, each constant
# pixel adds $\log 10 \approx 2.3$ nats, without end, and yet nothing about the images has been learned. (The printed
# gains are larger, because pixels that hardly ever change gain too.) Remember this when you read of a very large
# positive log-density.
#
# The library has such scales: `likelihoods.Gaussian("per_feature")` learns one for each pixel, and with
# `Gaussian("decoder")` the decoder gives one for each pixel of each image, with a floor of 0.001. A floor prevents infinity
# but not the trap. There are sound alternatives: one scale for all pixels, a discretized likelihood, or noise of one gray
# level added to the data, which turns the bound on a density into a bound on a true probability (Theis et al., 2016).
#
# ## 2. Why are the images blurry?
#
# The short answer is that the decoder draws an average. Suppose $z$ does not determine the image: given $z$, it is one of
# several. On average over those images, equation 4.1 is then largest at their mean, for any $\sigma$, and so is equation
# 4.2:
#
# $$ g^*(z) = \mathbb{E}[x|z] = \frac{\sum_n q_\phi(z|x_n)\, x_n}{\sum_n q_\phi(z|x_n)}. \tag{4.5} $$
#
# The second form is for a fixed encoder and the training images: an average of all of them, each weighted by how densely $q$
# places it at $z$.
#
# **Predict.** Imagine a world of two images, equally likely: a digit, and the same digit moved by two pixels. A decoder that
# is not told which one it should draw mixes them, $\hat x = (1-\alpha)\, x_a + \alpha\, x_b$. Which $\alpha$ has the smallest
# expected squared error?

# %% tags=["drift"] mystnb={"image": {"alt": "Left: the expected squared error against alpha is a parabola with its lowest point in the middle. Right: a digit, the same digit moved by two pixels, and the best guess, which is a double exposure of the two."}}
x_a = np.pad(x_valid[0], ((0, 0), (0, 2), (0, 0)))
x_b = np.pad(x_valid[0], ((0, 0), (2, 0), (0, 0)))
alphas = np.linspace(0, 1, 21)
mixtures = np.stack([(1 - alpha) * x_a + alpha * x_b for alpha in alphas])
error_a, error_b = [((mixtures - x) ** 2).sum(axis=(1, 2, 3)) for x in (x_a, x_b)]
expected = 0.5 * error_a + 0.5 * error_b
best = expected.argmin()
assert np.isclose(alphas[best], 0.5), "the best guess under squared error is the mean"
assert expected[best] < 0.75 * expected[0], "either real image is a worse guess"
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6))
left.plot(alphas, expected, marker="o", markersize=3)
left.set(xlabel=r"$\alpha$, the share of the moved image", ylabel="expected squared error")
labels = ["one image", "the other", "the best guess"]
plots.image_grid(np.stack([x_a, x_b, mixtures[best]]), labels=labels, ax=right)
plt.show()

# %% [markdown]
# $\alpha = 1/2$ has the smallest error: it is the lowest point of the parabola. The best guess, on the right, is a double
# exposure. It is neither of the two images and could never occur, but no other guess has a smaller expected error.
#
# Now we turn to the trained VAE with $\sigma = 0.3$. For each of 500 training images we draw one code $z$ from its
# posterior, and compare the decoder's picture with equation 4.5: the average of all training images, weighted by
# $q_\phi(z|x_n)$. Pythagoras' theorem holds here: on average, the decoder's squared error is its squared distance from that
# average plus the spread of the images around it.

# %% tags=["drift"]
vae, x = gray_vaes["sigma 0.3"], x_train[:500]
z = vae.posterior(x).sample(seed=(0, 0))  # [500, latent_size]
log_q = vae.posterior(x_train).log_prob(z[:, None, :])  # [500, n]: each code under each image
weights = tf.nn.softmax(log_q, axis=1).numpy()
averages = np.einsum("bn,nhwc->bhwc", weights, x_train)
decoded = vae.decode(z)
samples = np.clip(vae.likelihood(z).sample(seed=(0, 1)).numpy(), 0, 1)
error = np.mean((decoded - x) ** 2)
distance, spread = np.mean((decoded - averages) ** 2), np.mean((averages - x) ** 2)
assert np.isclose(error, distance + spread, rtol=0.15), "Pythagoras: 4.5 is a conditional mean"
assert DATASET != "digits" or distance < 0.8 * spread, "most of the error is spread"
assert decoded.var(axis=0).mean() < 0.97 * x.var(axis=0).mean(), "averaging takes contrast away"
rows = {"image x": x, "mean of p(x|z)": decoded}
rows |= {"equation 4.5": averages, "sample of p(x|z)": samples}
sharers = np.median(1 / (weights**2).sum(axis=1))  # how many images share a code
print(f"squared error {error:.4f} = distance {distance:.4f} + spread {spread:.4f}, nearly")
ax = plots.image_rows({name: images[:8] for name, images in rows.items()})
ax.set_title(f"about {sharers:.0f} training images share a code")
plt.show()

# %% [markdown]
# The weighted averages of all images that share the code (third row) are softer than the images, as equation 4.5 says, and the
# decoder's pictures (second row) are softer still. On the digits about six tenths of the squared error are spread, and the rest is the
# decoder's own distance from the averages. The last row holds samples from $p_\theta(x|z)$: the soft pictures
# covered with noise. These samples are what the model really claims to be images. Papers rarely show them, since noise that
# is independent from pixel to pixel cannot restore a stroke. They show the mean instead, and the mean is blurry.
#
# The spread is the part of the error that no decoder can remove, since a shared code does not say which of its images is
# meant. Where no code is shared, the decoder itself can still make pictures soft: a smooth function of few latents averages
# over neighbors too.
#
# <!-- show -->
#
# Eight by eight pixels hardly show blur, so here it is on the faces of chapter 05, 32 by 32 pixels each: training images, the
# mean of $p_\theta(x|z)$ for a draw $z$ from the posterior of each, and a draw from $p_\theta(x|z)$, with a learned $\sigma$. Blur is a
# lack of fine detail, which a Fourier transform can measure: the power of the pictures at spatial frequencies above half of
# the highest one.
#
# **Predict.** How much of the faces' power at these frequencies has the mean, and how much has the draw? What do eighty
# more epochs of training change?

# %% tags=["drift"] mystnb={"image": {"alt": "Four rows of ten faces: training images, means of the decoder after 20 and after 100 epochs, and a draw after 100. The early means are soft at mouths and brows, the late ones have more detail, and the draw is grainy."}}
def fine_power(images):
    """Mean power above half of the highest spatial frequency: [n, size, size, 1] -> number."""
    frequency = np.abs(np.fft.fftfreq(images.shape[1]))
    fine = np.maximum(frequency[:, None], frequency) > 0.25
    return np.mean(np.abs(np.fft.fft2(images[..., 0]))[:, fine] ** 2)

faces = datasets.load("faces").x_train[:3000]
face_size = {"shape": faces.shape[1:], "hidden": (512,), "latent_size": 10}
face_vae = new_vae(likelihood=likelihoods.Gaussian("learned"), **face_size)
x, rows, kept = faces[:500], {"face": faces}, {}
for trained in FACE_EPOCHS:
    face_vae.fit(faces, epochs=trained - max(kept, default=0), verbose=0)
    z = face_vae.posterior(x).sample(seed=(0, 0))
    mean, draw = face_vae.decode(z), face_vae.likelihood(z).sample(seed=(0, 1)).numpy()
    parts = [fine_power(part) / fine_power(x) for part in (mean, draw, x - mean)]
    kept[trained], rows[f"mean, {trained} epochs"] = parts[0], mean
    print("{} epochs: mean {:.2f}, draw {:.2f}, missed {:.2f}".format(trained, *parts))
    assert parts[0] < min(1, parts[1]), "the mean lacks fine detail, and noise is no detail"
weights = tf.nn.softmax(face_vae.posterior(faces).log_prob(z[:, None, :]), axis=1).numpy()
print(f"faces that share a code: about {np.median(1 / (weights**2).sum(axis=1)):.0f}")
rows[f"draw, {trained} epochs"] = np.clip(draw, 0, 1)
plots.image_rows({name: images[:10] for name, images in rows.items()})
plt.show()

# %% [markdown]
# In this run the mean has about two thirds of it after 20 epochs, and more than nine tenths after 100; the draw has
# more than all of it both times. What the mean misses and what it has add up to about one, as under equation 4.5. The
# loss is not spread evenly: outlines are sharp from the start, while mouths and brows are soft in the second row, and
# many smiles and frowns have become the same straight mouth. In the third row they are back. The draw has detail of the
# wrong kind as well: its grain lies everywhere, on the even background too.
#
# Which of the two causes was at work in the second row? Not a shared code: for a draw from the posterior of one face,
# hardly any other training face is a candidate (the count printed, for the model after 100 epochs, is about 1, which is
# the face itself). It was the decoder: a smooth function of ten latents, which had not been trained to the end.
#
# So blur has two sources, and the KL formula is neither: a likelihood with independent pixels must average over
# whatever $z$ leaves open, and a smooth decoder averages over neighboring codes, the more so the less it has been
# trained. Train to the end first; then there are three remedies. Let the code say more (a smaller $\sigma$, more
# latents), let the likelihood say more (pixels that depend on one another), or give up the likelihood and train against
# a critic (a second network that learns to tell real images from generated ones).
#
# ## 3. Sum or mean: what does a loss really weigh?
#
# Many programs contain this innocent pair of lines: a cross-entropy *averaged* over pixels, as Keras does by default, and a
# KL summed over latents. Equation 4.2, however, is a sum. The average is smaller by a factor of $D$, and to an optimizer such
# as Adam the overall size of a loss does not matter, only the proportions of its terms. Write any such loss as
#
# $$ \text{loss} = a \cdot \big(-\mathbb{E}_q[\log p_\theta(x|z)]\big) + b \cdot \mathrm{KL} + \text{constant}, \qquad
#    \beta_\text{eff} = b / a. \tag{4.6} $$
#
# The *effective beta* is the weight of the KL once the loss is scaled so that its reconstruction term is a true
# log-likelihood in nats. For the ELBO it is 1. For the innocent pair it is $D$.
#
# Names differ from book to book, so let us measure the effective beta instead of reading code. A loss is a function of the
# images, the decoder's output, and the posterior's mean and log-variance. Change only the output, and see how much the loss
# moves for each nat of log-likelihood: that is $a$. Change only the mean, and see how much the loss moves for each nat of
# KL: that is $b$. The measurement takes two slopes and one division.
#
# **Predict.** What does a VAE learn when every nat of KL costs as much as $D$ nats of reconstruction? We measure the innocent
# pair first, and then train. Because Adam ignores the overall factor, `beta=pixels` trains like that pair. We compare it with
# the honest sum on the binary images.

# %%
def pixel_cross_entropy(x, p):
    """-log p(x_i|z) for each pixel, in nats: [batch, height, width, channels]."""
    return -(x * tf.math.log(p) + (1 - x) * tf.math.log(1 - p))

def latent_kl(mean, log_var):
    """KL(N(mean, exp(log_var)) || N(0, 1)) for each latent, in nats: [batch, latent_size]."""
    return 0.5 * (mean**2 + tf.exp(log_var) - 1 - log_var)

def nats(terms):
    """Sum over all axes but the first, mean over the batch: how to add up a bound."""
    return tf.reduce_mean(tf.reduce_sum(terms, axis=list(range(1, len(terms.shape)))))

# %%
def innocent_loss(x, p, mean, log_var):
    return tf.reduce_mean(pixel_cross_entropy(x, p)) + nats(latent_kl(mean, log_var))

x = tf.constant(binary_train[:16])
poor, good = 0.5 + 0.1 * (x - 0.5), 0.5 + 0.8 * (x - 0.5)  # two outputs
near, far, log_var = tf.zeros([16, 4]), tf.ones([16, 4]), tf.zeros([16, 4])  # posterior means
base = innocent_loss(x, poor, near, log_var)
saved = nats(pixel_cross_entropy(x, good)) - nats(pixel_cross_entropy(x, poor))
added = nats(latent_kl(far, log_var)) - nats(latent_kl(near, log_var))
a = (innocent_loss(x, good, near, log_var) - base) / saved
b = (innocent_loss(x, poor, far, log_var) - base) / added
assert np.isclose(b / a, pixels, rtol=1e-2), "a mean over pixels weighs the KL D times"
print(f"effective beta of the innocent loss: {b / a:.0f}")

# %% tags=["drift"] mystnb={"image": {"alt": "Left: the KL against the epoch; with the sum over pixels it climbs, with the mean it stays at zero. Right: eight images and their reconstructions, which follow the images with the sum, and are all the same gray average with the mean."}}
sum_vae = new_vae()
pair = {"sum": sum_vae, "mean": new_vae(beta=float(pixels))}
options = {"epochs": EPOCHS, "verbose": 0, "validation_data": binary_valid}
options["validation_batch_size"] = EVALUATION_SIZE  # all of them at once: fewer steps
curves = {name: vae.fit(binary_train, **options).history for name, vae in pair.items()}
kl = {name: curve["val_kl"][-1] for name, curve in curves.items()}
elbo = {name: curve["val_elbo"][-1] for name, curve in curves.items()}
assert kl["mean"] < 0.1, "at an effective beta of D no latent pays"
assert kl["sum"] > 2, "at beta = 1 the code carries information"
assert elbo["sum"] > elbo["mean"] + 3, "and the bound is better for it"
figure, axes = plt.subplots(1, 2, figsize=(10, 3), width_ratios=(1, 1.2))
plots.history(curves, "kl", ax=axes[0], ylabel="KL (nats)")
shown = binary_valid[:8]
repaired = {f"{name} over pixels": vae.reconstruct(shown) for name, vae in pair.items()}
plots.image_rows({"image": shown} | repaired, ax=axes[1])
plt.show()

# %% [markdown]
# Nothing: with the mean the KL drops to zero within a few epochs, and every reconstruction is the same gray average. This is
# *posterior collapse* (the posterior equals the prior for every image), and here the loss asked for it. With the sum the KL
# climbs to several nats, and the reconstructions follow the images.
#
# ### Seven published losses
#
# (Optional on a first reading, until you judge a program of somebody else.)
#
# How common is this? Below are the losses of seven well-known teaching programs, rewritten by us from what they compute.
# Each takes images, output, mean and log-variance, and returns one number. Where a term is added up as in the bound, it
# stands in `nats`. Three of the losses have an error in a sum or a mean. The one from keras.io averages over the color
# channels, but its images have only one: as published it is right, and the bar below it will show what the same line does to
# color images. The last three contain weights that somebody tuned. Two of those use a squared or an absolute error, which
# correspond to Gaussian and Laplace noise of scale 1.
#
# `evaluation.effective_beta` does what we did by hand, at random points. It also changes the log-variances: the slope along
# them must be the same $b$. If it is not, the loss does not have the form of equation 4.6, and you get an error that says
# what is probably missing. The function must know the likelihood, its `scale` if that is not 1, and the sizes, because it is
# the sizes that do the damage. We use the image sizes of each program: 32 by 32 gray images for the generative book, 64 by
# 64 color images for the last two.

# %%
def library_notebook(x, output, mean, log_var):
    """A regularizer on a layer with two outputs adds the KL twice."""
    return nats(pixel_cross_entropy(x, output)) + 2 * nats(latent_kl(mean, log_var))

def university_assignment(x, output, mean, log_var):
    """The KL is averaged over the batch twice, and counted twice."""
    return nats(pixel_cross_entropy(x, output)) + 2 * nats(latent_kl(mean, log_var)) / len(x)

def keras_book(x, output, mean, log_var):
    """Pixels are summed, but latents averaged."""
    return nats(pixel_cross_entropy(x, output)) + tf.reduce_mean(latent_kl(mean, log_var))

# %%
def keras_example(x, output, mean, log_var):
    """Keras's cross-entropy averages the last axis, the colors."""
    return nats(keras.losses.binary_crossentropy(x, output)) + nats(latent_kl(mean, log_var))

def generative_book(x, output, mean, log_var):
    """"BETA" multiplies the reconstruction, a mean over pixels."""
    return 500 * tf.reduce_mean(pixel_cross_entropy(x, output)) + nats(latent_kl(mean, log_var))

def model_collection(x, output, mean, log_var):
    """A mean squared error, and a small weight."""
    return tf.reduce_mean((x - output) ** 2) + 0.00025 * nats(latent_kl(mean, log_var))

def lab_course(x, output, mean, log_var):
    """A mean absolute error; what it calls "log sigma" is a log-variance."""
    return tf.reduce_mean(tf.abs(x - output)) + 0.0005 * nats(latent_kl(mean, log_var))

# %%
gray, color = (28, 28, 1), (64, 64, 3)
published = {  # name: loss, likelihood, shape; its formula for 8 latents and batches of 16
    "TFP's VAE notebook": (library_notebook, "bernoulli", gray, 2),
    "a university assignment": (university_assignment, "bernoulli", gray, 2 / 16),
    "a Keras book, 3rd edition": (keras_book, "bernoulli", gray, 1 / 8),
    "keras.io's VAE, as published": (keras_example, "bernoulli", gray, 1),
    "  the same line on color images": (keras_example, "bernoulli", (28, 28, 3), 3),
    "a generative-DL book": (generative_book, "bernoulli", (32, 32, 1), 1024 / 500),
    "PyTorch-VAE": (model_collection, "gaussian", color, 0.00025 * 12288 / 2),
    "a lab course": (lab_course, "laplace", color, 0.0005 * 12288),
}

# %% tags=["drift"] mystnb={"image": {"alt": "Bars of the effective beta of seven published losses, on a logarithmic axis, one of them twice. Only the program of keras.io, as published, ends on the dashed line at 1, which is the ELBO."}}
measured, sizes = {}, {"latent_size": 8, "batch_size": 16}
for name, (loss, likelihood, size, formula) in published.items():
    measured[name] = evaluation.effective_beta(loss, likelihood, size, **sizes)
    assert np.isclose(measured[name], formula, rtol=0.02), f"{name}: 4.6 predicts {formula:.3g}"
elbos = [name for name, beta in measured.items() if np.isclose(beta, 1, rtol=0.2)]
assert elbos == ["keras.io's VAE, as published"], "one of the seven is the ELBO, on gray images"
assert max(measured.values()) > 40 * min(measured.values()), "by a factor of over forty"
figure, ax = plt.subplots(figsize=(8, 3))
bars = ax.barh(list(measured), measured.values(), color=plots.COLORS[0])
ax.bar_label(bars, fmt="%.3g", padding=3)
ax.axvline(1, color=plots.COLORS[3], linestyle="--", label="the ELBO")
ax.set(xscale="log", xlim=(0.05, 20), xlabel="effective beta")
ax.invert_yaxis()
ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# Six of the seven miss the dashed line at 1, where a negative ELBO would be; note the logarithmic axis. The largest weight is
# about fifty times the smallest. keras.io's program is on the line: its images have one channel, and
# the mean of one number is that number. On color images, the same line of code weighs the KL three times.
#
# A weight other than 1 is not wrong in itself: `models.VAE` has a `beta` on purpose (Higgins et al., 2017). What is wrong is
# to keep quiet about it, and to call the sum of the two terms "the ELBO". Most of these weights also change when you change
# something else: the batch size, the latent size, the number of channels or the size of the images. A reader who tries a
# latent size of 32 may then change two things at once.
#
# Since the noise scale is a beta in disguise, the last two losses *are* negative ELBOs, up to a factor and a constant, but
# for a different noise scale: one larger than the whole range of gray values, if these lie in $[0, 1]$. We can check this
# for one of the two, since `effective_beta` takes the `scale` of the noise:

# %%
wide = measured["PyTorch-VAE"] ** 0.5  # at scale 1 the KL weighs sigma^2, by equation 4.3
beta = evaluation.effective_beta(model_collection, "gaussian", color, scale=wide)
assert wide > 1, "this noise is larger than the range of gray values"
assert np.isclose(beta, 1, rtol=0.02), "for noise of this scale the loss is a negative ELBO"
print(f"a negative ELBO for sigma = {wide:.2f}")

# %% [markdown]
# The cure is a habit: write the bound in nats for each example, as a sum over *all* axes but the batch, then take the mean
# over the batch. If you want a beta, write it where everybody can see it.
#
# ## 4. Can a VAE overfit?
#
# Yes. The training bound is an average over images that the networks have seen. With many weights and few images, the
# encoder and the decoder memorize these images: the training bound keeps rising while the validation bound turns down.
#
# **Predict.** We give a network with two layers of 512 units only 200 images. After how many epochs will the validation
# bound be best: 20, 50, or all of them?

# %% tags=["drift"] mystnb={"image": {"alt": "The ELBO against the epoch. The solid training curve climbs to the end; the dashed validation curve turns and falls. A dotted line marks the best validation bound, long before the last epoch."}}
few, long = binary_train[:200], 200  # images, epochs
large = {"hidden": (512, 512), "latent_size": 16}
options["epochs"] = long
overfit = new_vae(**large).fit(few, **options).history
best_epoch = int(np.argmax(overfit["val_elbo"])) + 1
print(f"the validation bound is best after epoch {best_epoch} of {long}")
ax = plots.history(overfit, "elbo", ylabel="ELBO (nats)")
ax.axvline(best_epoch, color=plots.COLORS[9], linestyle=":", label="best validation bound")
ax.legend()
plt.show()

# %% [markdown]
# The validation bound is best long before the last epoch, as the dotted line shows. The solid training curve climbs to the
# end; the dashed validation curve climbs with it at first, turns, and falls away. The gap between the two curves at the end
# is how far you deceive yourself if you report a training bound.
#
# Both curves are jagged, because each epoch draws new codes. Read the trend from them, and nothing from a single epoch.
#
# Keras offers the remedy as a callback. `EarlyStopping` watches `val_loss`, waits `patience` epochs for an improvement, and
# restores the network weights of the best epoch. With a beta other than 1 it should watch `val_elbo` instead, with `mode="max"`.

# %% tags=["drift"]
stop = keras.callbacks.EarlyStopping("val_loss", patience=20, restore_best_weights=True)
stopped_vae = new_vae(**large)
stopped = stopped_vae.fit(few, callbacks=[stop], **options).history
five_draws = np.repeat(binary_valid, 5, axis=0)  # of z, for each image
rescued = np.mean(stopped_vae(five_draws)["elbo"])
training, last = np.mean(overfit["elbo"][-5:]), np.mean(overfit["val_elbo"][-5:])
epochs = len(stopped["loss"])
assert training > last + 3, "the training bound leaves the validation bound behind"
assert epochs < long, "the validation bound stopped improving before the end"
assert rescued > last + 0.5, "the weights of the best epoch are better than those of the last"
print(f"training to the end: ELBO {training:.1f} nats, validation {last:.1f} nats")
print(f"early stopping after {epochs} epochs: validation {rescued:.1f} nats")

# %% [markdown]
# The validation images were used to choose the epoch, so the validation bound is now a little too good as well. That is why
# there is a third part of the data, the test split. Other remedies are more data, a smaller network, or noise on the inputs;
# where they are available, they are better.
#
# ## 5. How far below the evidence is the bound?
#
# The ELBO is a lower bound on $\log p_\theta(x)$, and chapter 03 found the gap: $\mathrm{KL}(q_\phi(z|x) \| p_\theta(z|x))$.
# Two models with the same ELBO may differ in their evidence. We want the evidence itself.
#
# Write the evidence as an average under the posterior, $p_\theta(x) = \mathbb{E}_q[w]$ with the *importance weight*
# $w = p_\theta(x|z)\, p(z) / q_\phi(z|x)$. Draw $k$ samples and take the logarithm of their average weight:
#
# $$ \mathrm{ELBO}_k(x) = \mathbb{E}\Big[\log \frac1k \sum_{s=1}^k w_s\Big], \qquad
#    \mathrm{ELBO} = \mathrm{ELBO}_1 \le \mathrm{ELBO}_k \le \mathrm{ELBO}_{k+1} \le \log p_\theta(x). \tag{4.7} $$
#
# Burda et al. (2016) proved this chain of inequalities. For $k = 1$ the bound is the ELBO; as $k$ grows, the average weight
# settles and the gap closes. The importance weights of all but tiny images are far too small for floating-point
# numbers, so we keep their logarithms and subtract the largest one before we average.

# %%
def log_mean_exp(log_w):
    """log (1/k) sum_s exp(log_w_s) over the first axis: [k, n] -> [n]; safe if tiny."""
    largest = log_w.max(axis=0)
    return largest + np.log(np.mean(np.exp(log_w - largest), axis=0))

def mean_and_error(values):
    """The mean over examples, and its standard error."""
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))

tiny = np.full([10, 1], -2000.0)
assert np.allclose(log_mean_exp(tiny), -2000), "equal weights have that weight as their mean"

# %% [markdown]
# ### Where the evidence is known
#
# Does the chain hold? We test it where everything is known exactly. Take $z \sim N(0, I)$ with two latents and
# $x = Wz + \text{noise}$. Then $x$ is normal with covariance $W W^\top + \sigma^2 I$, so the evidence is known, and so is the
# true posterior. As $q$ we take normal distributions that are wrong on purpose: they are shifted, and too wide.
#
# **Predict.** With the true posterior as $q$, how much do the weights of different samples of $z$ differ? Write down
# $w = p(x, z) / p(z|x)$ before you run the cells.

# %%
random = np.random.default_rng(0)
W, sigma = random.normal(size=(6, 2)), 0.5
x = random.normal(size=(500, 2)) @ W.T + sigma * random.normal(size=(500, 6))
root = np.linalg.cholesky(W @ W.T + sigma**2 * np.eye(6))
evidence = tfd.MultivariateNormalTriL(np.zeros(6), root).log_prob(x).numpy()
covariance = np.linalg.inv(np.eye(2) + W.T @ W / sigma**2)  # of the true posterior
root, posterior_mean = np.linalg.cholesky(covariance), x @ W @ covariance / sigma**2
true_posterior = tfd.MultivariateNormalTriL(posterior_mean, root)
wrong_posterior = tfd.MultivariateNormalTriL(posterior_mean + 0.15, 1.6 * root)

# %%
def linear_log_weights(q, k):
    """log w for k draws from q: [k, n]."""
    z = q.sample(k, seed=(0, 0)).numpy()  # [k, n, 2]
    log_prior = tfd.Normal(0.0, np.float64(1)).log_prob(z).numpy().sum(-1)
    log_likelihood = tfd.Normal(z @ W.T, sigma).log_prob(x).numpy().sum(-1)
    return log_likelihood + log_prior - q.log_prob(z).numpy()

log_w = linear_log_weights(true_posterior, 10)
assert np.allclose(log_w, evidence, atol=1e-6), "each single weight is the evidence"

# %% tags=["drift"] mystnb={"image": {"alt": "On logarithmic axes the gap between bound and evidence falls along a nearly straight line as the number of importance samples k grows."}}
log_w = linear_log_weights(wrong_posterior, 1024)
ks = np.array([1, 4, 16, 64, 256, 1024])
chain = [log_mean_exp(log_w[:k]) for k in ks]  # k samples each, [n]
gaps, errors = np.transpose([mean_and_error(evidence - bound) for bound in chain])
kl_to_truth = tfd.kl_divergence(wrong_posterior, true_posterior).numpy().mean()
assert abs(gaps[0] - kl_to_truth) < 5 * errors[0], "the gap is KL(q || true posterior)"
assert gaps[0] > gaps[2] > gaps[3], "more samples, tighter bound"
assert abs(gaps[-1]) < 0.01, "with many samples the bound reaches the evidence"
figure, ax = plt.subplots()
seen = np.abs(gaps) > 2 * errors  # the rest is lost in the noise
ax.errorbar(ks[seen], gaps[seen], errors[seen], marker="o", capsize=3, label="gap")
ax.plot(ks, gaps[1] * 4 / ks, "--", color=plots.COLORS[3], label="proportional to $1/k$")
ax.set(xscale="log", yscale="log")
ax.set(xlabel="importance samples $k$", ylabel="evidence minus bound (nats)")
ax.legend()
plt.show()

# %% [markdown]
# Not at all: under the true posterior each weight *is* the evidence. Under the wrong one the gap at $k = 1$ is the KL between
# the two. On logarithmic axes the gap soon falls along a straight line of slope $-1$: with four times as many samples, a
# quarter of the gap remains. Points less than two standard errors from zero are left out. A bound that beats the evidence by
# more than chance would be a bug.
#
# The whole trick is to average *inside* the logarithm. If you average $\log w$ over many samples, you still get the ELBO, only
# more precisely. More samples outside the logarithm reduce the noise; more samples inside it reduce the gap. The other way to
# a smaller gap is a better $q$, for example `posterior="full_gaussian"`, whose latents may be correlated.
#
# ### A trained VAE
#
# For `sum_vae` nobody knows the evidence, but the chain still holds. `vae.log_weights(x, k)` gives $\log w$, and `bounds.elbo`
# and `bounds.iwae` reduce it to a bound; the second is our `log_mean_exp`. We draw 512 samples for each of 200 validation
# images and split them into groups of $k$.

# %% tags=["drift"]
eight = [sum_vae.log_weights(binary_valid[:200], 64) for _ in range(8)]
log_w = np.concatenate(eight)  # [512, n]
library = bounds.iwae(tf.constant(log_w))
assert np.allclose(library, log_mean_exp(log_w), atol=1e-3), "bounds.iwae is log_mean_exp"
ks = [1, 2, 8, 32, 128, 512]
groups = [np.stack(np.split(log_w, 512 // k), axis=1) for k in ks]  # [k, groups, n]
curve = [log_mean_exp(group).mean(axis=0) for group in groups]  # [n] for each k
centers, half_widths = np.transpose([mean_and_error(bound) for bound in curve])
rise, rise_error = mean_and_error(curve[-1] - curve[0])
steps = np.diff(centers)
assert all(steps > -1e-6), "equation 4.7, on average"
assert rise > 5 * rise_error, "the paired difference is clear, whatever the single error bars"
assert steps[-1] < steps[0], "four times 128 samples add less than two instead of one"
figure, ax = plt.subplots()
style = {"marker": "o", "capsize": 3, "label": "mean and standard error over images"}
ax.errorbar(ks, centers, yerr=half_widths, **style)
ax.set(xscale="log", xlabel="importance samples $k$", ylabel="bound (nats)")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# The bound rises steeply at first and hardly at all at the end, so on the digits $k = 512$ is about enough; larger images need
# more. The error bars of neighboring points overlap, and yet the rise is certain: the bars say how much *other images* would
# move the mean, but all points share the same images. To compare two bounds, first take the difference image by image, then
# its mean and its standard error.
#
# From now on `evaluation.log_likelihood(model, x, k)` does this for a whole data set. It gives the `mean`, its
# `standard_error`, and the values `per_example` for paired differences. It works in chunks, so memory does not grow with $k$.
#
# ### Training on the tighter bound
#
# If $\mathrm{ELBO}_k$ is tighter, we can also train on it. The result is the importance weighted autoencoder (IWAE),
# `models.IWAE`, whose loss is $-\mathrm{ELBO}_k$. With $k = 1$ it would be the VAE. We train both for the same number of
# epochs, on two seeds.
#
# **Predict.** Which of the two will have the better ELBO, and which the better log-likelihood?

# %%
rivals = {("VAE", 0): sum_vae, ("VAE", 1): new_vae(seed=1)}
rivals |= {("IWAE", seed): new_vae(models.IWAE, seed=seed, k=5) for seed in (0, 1)}
elbos, estimates = {}, {}
for vae in rivals.values():
    if vae is not sum_vae:  # that one is trained already
        vae.fit(binary_train, epochs=EPOCHS, verbose=0)
for key, vae in rivals.items():
    elbos[key] = bounds.elbo(vae.log_weights(binary_valid, 20)).numpy()
    estimates[key] = evaluation.log_likelihood(vae, binary_valid, k=200)

# %% tags=["drift"]
for seed in (0, 1):
    vae, iwae = ("VAE", seed), ("IWAE", seed)
    elbo, elbo_error = mean_and_error(elbos[iwae] - elbos[vae])
    value, error = mean_and_error(estimates[iwae].per_example - estimates[vae].per_example)
    print(f"seed {seed}, IWAE minus VAE: ELBO {elbo:+.2f} +- {elbo_error:.2f} nats,", end=" ")
    print(f"log p(x) {value:+.2f} +- {error:.2f}")
    assert elbo < -2 * elbo_error, "the IWAE's posterior is no longer trained for the ELBO"
    assert value > elbo + 0.3, "and yet its log-likelihood does not fall with its ELBO"
assert all(elbos[key].mean() < estimates[key].mean for key in rivals), "ELBO: the lower bound"

# %% [markdown]
# The VAE has clearly the better ELBO, by several standard errors, and yet the IWAE's log-likelihood does not suffer. There is
# no contradiction. The ELBO punishes a posterior that misses the true one; the importance-weighted loss forgives it, since
# one good sample among five is enough. So a comparison by ELBO alone would have rejected the IWAE.
#
# A larger $k$ is not always better in training: "tighter variational bounds are not necessarily better" is the title of a
# paper by Rainforth et al. (2018). As $k$ grows, the encoder's gradient shrinks faster than its noise, so the encoder learns
# less and less. Tucker et al. (2019) give an estimator without that fault.
#
# Is the IWAE the better model? Look at the second number of each line and at its standard error. In our run both seeds favor
# the IWAE, by 0.1 to 0.2 nats: three standard errors over images with one seed, about two with the other. On MNIST, Burda
# et al. (2016) found about one nat in its favor with $k = 5$, after long training. The standard error covers the choice of
# validation images and not the choice of the seed, and two seeds are few. If the seeds disagree, or a difference is less than
# two standard errors from zero, "we could not tell" is the honest answer. Row Y3 of [the course's benchmarks](../benchmarks/yardsticks.md) trains both
# on MNIST, with three seeds; row Y1 compares a VAE of this library with the log-likelihood that Burda et al. published.
#
# ## 6. How do you report a result?
#
# (Optional on a first reading, until you have a result to report.)
#
# A number such as "our VAE reaches $-17$" is worth nothing, because everything that decides the number is missing. Each time,
# say:
#
# | what | because |
# |---|---|
# | data, number of examples, split | a training bound is not a test bound, and a subset of the data is easier or harder |
# | how pixels became binary, or which units | another binarization is another data set, and another unit shifts a log-density. Say whether pixels are drawn anew in each step (`augmentation=layers.Binarize()`) or fixed once |
# | likelihood, density or probability | the two are not comparable |
# | bound or estimate, and $k$ | $\mathrm{ELBO} \le \mathrm{ELBO}_k$ |
# | loss and its beta | what was trained may not be what is reported |
# | how the model and the epoch were chosen | the choice belongs on validation images, never on test images |
# | number of seeds, standard error, and over what | images and seeds are two sources of chance |
# | unit | it may be nats for each example, or bits per dimension |
# | a baseline on the same data | otherwise nobody can tell whether it is good |
#
# A baseline costs one line. For binary images it is a coin for each pixel, with the pixel's frequency in the training images;
# this uses no latent at all. We smooth the frequencies a little; otherwise a pixel that never lit up would have a probability
# of zero.

# %%
# This is the only cell that sees the test images; the choice is made on validation images.
frequency = (binary_train.sum(axis=0) + 1) / (len(binary_train) + 2)
baseline = mean_and_error(bernoulli_log_prob(binary_test, frequency))
on_valid = {name: [estimates[name, seed].mean for seed in (0, 1)] for name in ("VAE", "IWAE")}
chosen = max(on_valid, key=lambda name: np.mean(on_valid[name]))
winners = [rivals[chosen, seed] for seed in (0, 1)]
results = [evaluation.log_likelihood(vae, binary_test, k=500) for vae in winners]

# %% tags=["drift"]
values = [result.mean for result in results]
value, error = np.mean(values), results[0].standard_error
bits = -value / pixels / np.log(2)
images = f"{len(binary_train)} training and {len(binary_test)} test images"
network = f"hidden units {HIDDEN}, {LATENT_SIZE} latents, {EPOCHS} epochs"
print(f"data            {DATASET}, {images}, thresholded at 0.5")
print(f"model           {chosen}, {network}, beta = 1")
print("chosen          VAE or IWAE by validation log-likelihood; epochs fixed beforehand")
print(f"log-likelihood  {value:.2f} nats an image (importance-sampled lower bound, k = 500)")
print(f"                standard error over test images {error:.2f};", end=" ")
print(f"two seeds: {np.round(values, 2)}")
print(f"                = {bits:.3f} bits per dimension")
print("baseline        {:.2f} nats, standard error {:.2f}:".format(*baseline), end=" ")
print("one coin for each pixel")

again = evaluation.log_likelihood(rivals[chosen, 0], binary_valid, k=200, seed=1)
moved = abs(again.mean - estimates[chosen, 0].mean)
assert moved < again.standard_error, "other samples move it less than other images"
assert value > baseline[0] + 3, "the model must beat independent pixels"
assert max(values) < 0, "a probability is at most one: anything above zero would be a bug"

# %% [markdown]
# The test images were used once, for this block. The choice between VAE and IWAE was made on validation images, by the rule
# in the cell above the block.
#
# The first check repeats an estimate with other samples of $z$. These samples are the third source of chance, and the
# smallest if $k$ is large enough. The printed block is longer than the usual single number, but every line of it could change
# who wins.
#
# ## Summary
#
# You have
# - written the log-likelihood for Bernoulli and Gaussian noise, seen that $\sigma^2$ acts as a beta and that the best
#   $\sigma$ is the root-mean-square residual, and seen why densities and probabilities do not mix;
# - traced blur to averages, over what $z$ leaves open and over neighboring codes, and to training that stops early;
# - measured the effective beta of seven published losses, of which one was 1, and that one for gray images only;
# - seen the validation bound turn down, and stopped training in time;
# - tightened the bound with importance samples, checked it where the evidence is known, and reported a test log-likelihood
#   with its error bar and its conditions.
#
# ## Common mistakes
#
# - Taking a mean over pixels, or over latents, or over colors: sum over all axes but the batch.
# - Adding the Gaussian constant for each pixel and then multiplying it by $D$ again.
# - Comparing a density with a probability, or densities in different units.
# - Learning a scale for each pixel without a floor, on data with constant pixels.
# - Showing means and calling them samples.
# - Averaging $\log w$ and calling it an importance-weighted bound.
# - Concluding from overlapping error bars of paired numbers that there is no difference.
# - Choosing the epoch, $k$ or the model on test images.
#
# ## Exercises
#
# [Exercises 04](../exercises/04_likelihoods_and_bounds/04_likelihoods_and_bounds.ipynb): densities from squared errors,
# the best scale, log-mean-exp, the effective beta of an unknown loss, and a published IWAE to repair.
#
# ## Further reading
#
# - Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders": the chain of bounds, and training on it.
# - Rainforth et al. (2018), "Tighter variational bounds are not necessarily better", and Tucker et al. (2019), "Doubly
#   reparameterized gradient estimators for Monte Carlo objectives": what a tighter bound does to the encoder, and a remedy.
# - Theis, van den Oord and Bethge (2016), "A note on the evaluation of generative models": densities, probabilities, and why
#   good likelihoods and good pictures are two different things.
# - Lucas, Tucker, Grosse and Norouzi (2019), "Don't blame the ELBO!": collapse and $\sigma$, exactly, in the linear case.
# - Rybkin, Daniilidis and Levine (2021), "Simple and effective VAE training with calibrated decoders": the learned scale.
# - Loaiza-Ganem and Cunningham (2019), "The continuous Bernoulli": what is missing when gray values meet equation 4.2.
# - Cremer, Li and Duvenaud (2018), "Inference suboptimality in variational autoencoders": where the gap comes from.
