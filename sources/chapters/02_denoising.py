# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # 02. Denoising
#
# An autoencoder that must repair corrupted data has to learn what clean data look like. You will train such
# networks, compare them honestly with simple filters, and see that what they learn is the slope of a
# density.
#
# **Goals.** After this chapter you can
# - corrupt images and signals with Gaussian noise, masking and salt-and-pepper noise, as Keras layers,
# - measure a repair in PSNR and SSIM, and compare it with a filter whose width was chosen on validation data,
# - train a denoising autoencoder, and say why its noise must be fresh in every step,
# - say for which noise levels a trained denoiser can be used,
# - read a denoiser's displacement as the score of a density.
#
# **Before you start.** You have read [chapter 01](01_autoencoders.ipynb): encoder, code, decoder, training
# and validation curves. You know what a variance is, and for section 8 what a gradient, a density and a
# conditional mean are.
#
# **Level:** beginner, section 8 intermediate · **Time:** 75 minutes reading, 2 minutes computing

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import datasets, models, networks, plots

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import ndimage

plots.use_style()

# %%
DATASET = "faces"  # or "mnist" or "fashion_mnist"; the text speaks of the faces
TRAIN_SIZE = 20_000  # images at most: large data sets take minutes and not hours
EPOCHS = 25
BATCH_SIZE = 128
LATENT_SIZE = 32
HIDDEN = (256,)
SIGMA = 0.3  # the standard deviation of the noise that the networks are trained on
keras.utils.set_random_seed(0)

data = datasets.load(DATASET)
x_train, x_valid = data.x_train[:TRAIN_SIZE], data.x_valid[:500]
shape = x_train.shape[1:]
print(data)
compare = {"bend": -0.18, "color": plots.COLORS[3], "label": "compare with the clean example"}
nodes = {
    "x": (0, 0, "observed", "$x$"), "corrupt": (1.6, 0, "text", "corruption"),
    "noisy": (3.2, 0, "observed", r"$\tilde x$"), "encoder": (4.7, 0, "network"),
    "z": (6.1, 0, "variable", "$z$"), "decoder": (7.5, 0, "network"),
    "x_hat": (9.0, 0, "text", r"$\hat x$"),
}  # fmt: skip
path = [*zip(nodes, list(nodes)[1:]), ("x_hat", "x", compare)]  # each to the next, and back
plots.schematic(nodes, path, unit=0.75)
plt.show()

# %% [markdown]
# This is a denoising autoencoder: the network sees the corrupted $\tilde x$, and its output is compared with the clean $x$.
# To do well it must learn what clean data look like, and that is the subject of this chapter.
#
# ## 1. How can data be corrupted?
#
# A *corruption* is a random rule that turns a clean example $x$ into a corrupted one, $\tilde x$ (say "x
# tilde"). We need three.
#
# **Gaussian noise** adds a small random number to every pixel, as a camera does in the dark:
#
# $$ \tilde x = x + \sigma \varepsilon, \qquad \varepsilon \sim N(0, I). \tag{2.1} $$
#
# **Masking** deletes pixels: each is kept with probability $1 - r$ and set to 0 otherwise, as when packets are
# lost in transmission:
#
# $$ \tilde x_i = m_i x_i, \qquad m_i \sim \mathrm{Bernoulli}(1 - r). \tag{2.2} $$
#
# **Salt and pepper** replaces some pixels with the darkest or the brightest value, as a faulty sensor does:
#
# $$ \tilde x_i = \begin{cases} 0 & \text{with probability } r/2, \\ 1 & \text{with probability } r/2, \\
# x_i & \text{otherwise.} \end{cases} \tag{2.3} $$
#
# Keras provides the first as the layer `GaussianNoise`. Like all layers of its kind, it acts only when it is
# told that the model is training. For the second, many people reach for `Dropout`.
#
# **Predict.** What does `Dropout(0.5)` make of an image whose pixels are all 1?

# %%
def spoil(x, corruption):
    """The examples x after a layer that is told that the model is training."""
    return np.array(corruption(x, training=True))

ones = np.ones((1, 1000), "float32")
dropped = spoil(ones, keras.layers.Dropout(0.5, seed=0))
print("values after Dropout:", np.unique(dropped).tolist())

# %% [markdown]
# Zeros and twos. Dropout divides the pixels that it keeps by $1 - r$, so that the *sum* that a later layer
# computes stays the same on average. Lost packets do no such thing: the pixels that arrive are as bright as
# ever. To imitate this, we must leave the kept pixels alone, so we write our own layer. It takes eight lines,
# plus one that lets Keras save a model that contains it. Which of the two layers is better to *train* with is
# another question, and section 7 measures it.

# %%
@keras.saving.register_keras_serializable("chapter_02")
class Masking(keras.layers.Layer):
    """Each number becomes 0 with probability `rate`, else stays: shape kept."""

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seed, self.random = rate, seed, keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        keep = keras.random.uniform(keras.ops.shape(x), seed=self.random) >= self.rate
        return keras.ops.where(keep, x, 0.0) if training else x

# %% [markdown]
# `SeedGenerator` hands out a new seed at every call, so the noise is fresh each time, and yet the whole run can
# be repeated. A plain `numpy` generator would not work: Keras traces `call` once (records its operations
# for later use) and would then reuse the first draw forever.
#
# Salt and pepper needs one uniform random number for each pixel. If the number is below $r/2$, the pixel becomes
# pepper (dark); if it is between $r/2$ and $r$, the pixel becomes salt (bright). The layer takes the darkest and
# the brightest value as arguments, because signals have no 0 and 1.

# %%
@keras.saving.register_keras_serializable("chapter_02")
class SaltAndPepper(keras.layers.Layer):
    """Each number becomes `low` or `high`, with probability `rate` / 2 each: shape kept."""

    def __init__(self, rate, low=0.0, high=1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.low, self.high = rate, low, high
        self.seed, self.random = seed, keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        u = keras.random.uniform(keras.ops.shape(x), seed=self.random)
        extreme = keras.ops.where(u < self.rate / 2, self.low, self.high)
        return keras.ops.where(u < self.rate, extreme, x) if training else x

# %% [markdown]
# We give the three corruptions names, and make one corrupted copy of the validation images with each. Every
# method below is measured on these same copies, so that none is lucky with the noise.

# %% tags=["drift"]
corruptions = {
    "gaussian": keras.layers.GaussianNoise(SIGMA, seed=1),
    "masking": Masking(0.5, seed=2),
    "salt and pepper": SaltAndPepper(0.3, seed=3),
}

noisy_valid = {name: spoil(x_valid, layer) for name, layer in corruptions.items()}
rows = {"clean": x_valid} | noisy_valid
plots.image_rows({name: images[:10] for name, images in rows.items()})
plt.show()

# %% [markdown]
# Gaussian noise leaves the outlines of the faces; masking turns half of the pixels black; salt and pepper puts
# white and black dots everywhere. (The first row holds ten clean validation images, the rows below it their
# corrupted copies.)
#
# The next cell is a check, as in every section: it stops with a message if a claim of the text does not hold on
# your machine.

# %%
masked, kept = noisy_valid["masking"], noisy_valid["masking"] != 0
grays = (x_valid > 0) & (x_valid < 1)
changed = np.mean(noisy_valid["salt and pepper"][grays] != x_valid[grays])
layer = corruptions["masking"]
assert set(np.unique(dropped)) == {0.0, 2.0}, "Dropout at rate 0.5 doubles what it keeps"
assert np.array_equal(masked[kept], x_valid[kept]), "masking leaves kept pixels alone"
assert abs(changed - 0.3) < 0.02, "a share of 0.3 of the gray pixels becomes salt or pepper"
assert np.array_equal(layer(x_valid[:2]), x_valid[:2]), "outside training nothing is spoiled"
assert Masking.from_config(layer.get_config()).rate == 0.5, "Keras can store the layer"

# %% [markdown]
# ## 2. How good is a repair?
#
# We compare a repaired image $\hat x$ with the clean $x$. The mean squared error over the $D$ pixels is
# usually reported on a logarithmic scale, as the *peak signal-to-noise ratio* (PSNR):
#
# $$ \mathrm{PSNR}(\hat x, x) = 10 \log_{10} \frac{M^2}{\mathrm{MSE}}, \qquad
# \mathrm{MSE} = \frac{1}{D} \sum_{i=1}^{D} (\hat x_i - x_i)^2, \tag{2.4} $$
#
# in decibels (dB), where $M$ is the largest possible value, here 1. Higher is better. An error of a tenth of
# the range in every pixel gives 20 dB. Halving the root of the mean squared error adds 6 dB; halving the squared
# error itself adds 3 dB. For Gaussian noise alone the mean squared error is $\sigma^2$, so
#
# $$ \mathrm{PSNR}(x + \sigma\varepsilon, x) \approx -20 \log_{10} \sigma. \tag{2.5} $$
#
# The squared error ignores *where* the errors are. The *structural similarity* (SSIM) looks at small windows of
# the two images, and compares their means $\mu$, variances and covariance:
#
# $$ \mathrm{SSIM} = \frac{(2 \mu_{\hat x} \mu_x + c_1)(2 \sigma_{\hat x x} + c_2)}
# {(\mu_{\hat x}^2 + \mu_x^2 + c_1)(\sigma_{\hat x}^2 + \sigma_x^2 + c_2)}, \tag{2.6} $$
#
# averaged over all windows. (Here $\sigma_x^2$ is a variance within a window, not the noise level.) The small constants
# $c_1$ and $c_2$ prevent a division by 0. SSIM is 1 for equal images, and noise in a region of even brightness lowers
# it a lot. TensorFlow has both measures. Its SSIM window is 11 pixels wide by default; we use 7, which suits small
# pictures better. And since a pixel outside [0, 1] cannot be shown, every method's result is clipped to this range
# before it is measured.

# %%
def scores(x_hat, x):
    """Mean PSNR (dB) and SSIM of repaired images [n, height, width, channels], clipped."""
    x_hat = tf.clip_by_value(tf.cast(x_hat, "float32"), 0.0, 1.0)
    psnr, ssim = tf.image.psnr(x_hat, x, 1.0), tf.image.ssim(x_hat, x, 1.0, filter_size=7)
    return float(tf.reduce_mean(psnr)), float(tf.reduce_mean(ssim))

noisy = noisy_valid["gaussian"]
unclipped = float(tf.reduce_mean(tf.image.psnr(noisy, x_valid, 1.0)))
assert abs(unclipped - -20 * np.log10(SIGMA)) < 0.1, "(2.5): -20 log10(sigma) before clipping"
assert scores(noisy, x_valid)[0] > unclipped, "clipping to the possible range removes error"

# %% [markdown]
# ## 3. What can a filter do?
#
# A result means nothing without a *baseline*, a simple method to compare it with. Two classical filters need no
# training. The *Gaussian filter* replaces each pixel with a weighted mean of its neighbors, with weights that
# fall off over a width $w$. The *median filter* takes the middle value of a square of $w \times w$ pixels, so a
# few wild values in the square do not matter.
#
# Each filter has one number to choose, its width. A fair comparison chooses it on validation data, with as much
# care as we spend on the network. To beat a filter with a carelessly chosen width proves nothing. The filters see
# the unclipped noisy image, as the networks will.

# %%
def gaussian_filter(noisy, width):
    return ndimage.gaussian_filter(noisy, (0, width, width, 0))

def median_filter(noisy, width):
    return ndimage.median_filter(noisy, (1, width, width, 1))

FILTERS = {
    "gaussian filter": (gaussian_filter, (0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0)),
    "median filter": (median_filter, (1, 2, 3, 4, 5, 7)),
}

def best_width(name, noisy, clean):
    """The width of the filter `name` with the highest mean PSNR."""
    function, widths = FILTERS[name]
    return max(widths, key=lambda width: scores(function(noisy, width), clean)[0])

# %% [markdown]
# **Predict.** Which filter wins against which corruption?

# %% tags=["drift"]
widths, results, psnr = {}, {}, {}
for noise, noisy in noisy_valid.items():
    row = results[noise] = {"nothing": noisy}
    for name, (function, _) in FILTERS.items():
        widths[noise, name] = best_width(name, noisy, x_valid)
        row[name] = function(noisy, widths[noise, name])
    values = psnr[noise] = {name: scores(x_hat, x_valid)[0] for name, x_hat in row.items()}
    print(f"{noise}:", ", ".join(f"{name} {value:.1f} dB" for name, value in values.items()))

gaussian, salt = psnr["gaussian"], psnr["salt and pepper"]
assert gaussian["gaussian filter"] > gaussian["nothing"] + 2, "averaging removes Gaussian noise"
assert salt["median filter"] > salt["gaussian filter"] + 1, "a median ignores a few wild values"

# %% [markdown]
# The Gaussian filter suits Gaussian noise, because it averages, and independent errors cancel in a mean. The
# median filter suits salt and pepper: the dots are outliers, and a median does not move with them. Neither filter
# suits masking, since black pixels pull both toward black. (A filter that is *told* which pixels are missing is a
# far stronger baseline there. Ours are not told, and our network will not be told either. The exercises come back
# to this.)
#
# Both filters know one thing about images: neighboring pixels are alike. They know nothing about faces.
#
# ## 4. How does a network learn to denoise?
#
# Take an autoencoder and change its task: it receives $\tilde x$ and must return $x$. The loss is that of (1.2),
# the mean squared error per pixel:
#
# $$ \min_{\phi, \theta} \; \frac{1}{N D} \sum_{n=1}^{N} \lVert g_\theta(f_\phi(\tilde x_n)) - x_n \rVert^2,
# \qquad \tilde x_n \sim \text{corruption of } x_n. \tag{2.7} $$
#
# With Keras this takes two lines: make noisy copies, then `fit(noisy, clean)`. We first do this by hand on only
# 500 images, where a weakness shows quickly. `new_networks` returns an untrained encoder and decoder, of the
# kind used in chapter 01.

# %%
def new_networks(shape=shape, latent_size=LATENT_SIZE, hidden=HIDDEN):
    encoder = networks.mlp_encoder(shape, latent_size, hidden=hidden)
    return encoder, networks.mlp_decoder(latent_size, shape, hidden=hidden)

def trained(model, *arrays, **options):
    """The model, compiled and fitted; its `history` holds the curves."""
    model.compile()
    options = {"batch_size": BATCH_SIZE, "epochs": EPOCHS, "verbose": 0} | options
    model.fit(*arrays, **options)
    return model

few = x_train[:500]
short = {"batch_size": 64, "epochs": 100}
by_hand = trained(
    models.Autoencoder(*new_networks()), spoil(few, corruptions["gaussian"]), few,
    validation_data=(noisy_valid["gaussian"], x_valid), **short,
)  # fmt: skip

# %% [markdown]
# Here the noise was drawn once, before training, so every epoch presents exactly the same noisy copies. A large
# network can use that: it learns by heart which speckle belongs to which face. `models.DenoisingAutoencoder`
# instead takes the corruption as a layer and applies it to each batch inside the training step, so the same image
# comes with different noise each time.
#
# **Predict.** Which of the two has the lower training loss? Which has the lower validation loss?

# %% mystnb={"image": {"alt": "Training and validation error against the epoch, on a logarithmic axis. With fixed noise the training curve falls furthest and the validation curve soon stops; with fresh noise the two curves stay close together."}}
noise = keras.layers.GaussianNoise(SIGMA, seed=4)
fresh = models.DenoisingAutoencoder(*new_networks(), noise)
trained(fresh, few, validation_data=(x_valid,), **short)
histories = {"fixed noise": by_hand.history, "fresh noise": fresh.history}
ax = plots.history(histories, "loss", ylabel="mean squared error per pixel")
ax.set_yscale("log")
plt.show()

# %% [markdown]
# Fixed noise has the lower training loss, fresh noise the lower validation loss. (The validation images of
# `fresh` get fresh noise too, of the same strength.) With fixed noise the training error (solid) keeps falling,
# while the validation error (dashed) soon stops: the gap between the two is what was learned by heart. With fresh
# noise training is harder and the training error stays higher, but the validation error falls with it, and ends
# lower. Learning a noise pattern by heart no longer pays, since the pattern never comes back.

# %%
fixed, again = by_hand.history.history, fresh.history.history
assert fixed["loss"][-1] < 0.8 * again["loss"][-1], "fixed noise can be learned by heart"
assert again["val_loss"][-1] < 0.9 * fixed["val_loss"][-1], "fresh noise: better on new images"

# %% [markdown]
# Fresh noise is free data: it turns 500 images into an endless supply of noisy images, though of 500 faces only.
# From here on we use `models.DenoisingAutoencoder`.
#
# ## 5. Is it better than a filter, and than a plain autoencoder?
#
# There is one more baseline: the plain autoencoder of chapter 01, trained on clean images only. Its code has 32
# numbers, far too few to carry the noise of a thousand pixels, so it may denoise without having been trained to.
#
# We train it, and one denoising autoencoder for each corruption, all with the same networks and the same
# number of steps.

# %%
plain = trained(models.Autoencoder(*new_networks()), x_train)
denoisers = {}
for noise, corruption in corruptions.items():
    denoiser = models.DenoisingAutoencoder(*new_networks(), corruption)
    denoisers[noise] = trained(denoiser, x_train)

# %% [markdown]
# The next cell prints a table of every method's results on the validation images: in each column first PSNR in
# dB, then SSIM. Below the table are the images with Gaussian noise and their repairs.

# %% tags=["drift"]
def show(table):
    """Print {noise: {name: (PSNR, SSIM)}}, a row for each name."""
    print(f"{'':18}" + "".join(f"{noise:>20}" for noise in table))
    for name in next(iter(table.values())):
        cells = ["{:13.1f} {:6.2f}".format(*row[name]) for row in table.values()]
        print(f"{name:18}" + "".join(cells))

table = {}
for noise, row in results.items():
    row["plain autoencoder"] = plain.reconstruct(row["nothing"])
    row["denoiser"] = denoisers[noise].reconstruct(row["nothing"])
    table[noise] = {name: scores(x_hat, x_valid) for name, x_hat in row.items()}
show(table)
rows = results["gaussian"] | {"clean": x_valid}
plots.image_rows({name: images[:10] for name, images in rows.items()})
plt.show()

# %% [markdown]
# The four rows below the noisy images are the repairs. The filters leave a blotchy, soft picture. The plain
# autoencoder gives blotchy faces with features that are not there: it has never met noise, and its encoder takes
# the speckle for features. The denoiser gives a face that is clean and mostly right, but soft. Details that the
# noise has wiped out, such as the mouth, are blurred, and the expression is often replaced by an average one. The
# reason is that an average of all faces that fit the noisy image has a smaller squared error than a wrong guess.
#
# How large the denoiser's lead is depends on the data. Faces that differ in a few factors are easy for a code of 32
# numbers. Handwritten digits are less so, and a median filter makes their large black background perfectly black, which
# a network with a linear output does not: run the chapter with `DATASET = "mnist"` and see who wins there.

# %%
for noise, row in table.items():
    best_filter = max(row[name][0] for name in FILTERS)
    bottleneck, denoised = row["plain autoencoder"][0], row["denoiser"][0]
    assert denoised > best_filter + 0.3, f"{noise}: at its own noise the network wins"
    assert denoised > bottleneck + 1, f"{noise}: a bottleneck alone is no denoiser"
ssim = {name: values[1] for name, values in table["gaussian"].items()}
assert ssim["denoiser"] > max(ssim[name] for name in FILTERS), "Gaussian noise: in SSIM too"

# %% [markdown]
# ## 6. Does it work for signals?
#
# The data set "sensors" holds short windows of three signals from a machine: vibration, temperature and
# current. The signals are standardized: mean 0 and standard deviation 1 over the training windows. We train and
# test on normal windows only.
#
# A real sensor suffers from all three corruptions at once: measurement noise, lost values, and jumps to the ends
# of its scale. A `keras.Sequential` of layers is itself a layer, so it can serve as the corruption. A lost value
# becomes 0, which is the mean.

# %%
sensors = datasets.load("sensors")
s_train, s_valid = sensors.x_train, sensors.x_valid[sensors.y_valid == 0]
low, high = float(s_train.min()), float(s_train.max())
signal_noise = {
    "gaussian": keras.layers.GaussianNoise(SIGMA, seed=5),
    "masking": Masking(0.1, seed=6),
    "salt and pepper": SaltAndPepper(0.05, low, high, seed=7),
}
signal_noise["all three"] = keras.Sequential(list(signal_noise.values()))
noisy_signals = {name: spoil(s_valid, layer) for name, layer in signal_noise.items()}
print("windows for training and validation:", s_train.shape, s_valid.shape)

# %% [markdown]
# One network is trained with "all three"; a plain autoencoder of the same size serves as a baseline.

# %%
sizes = {"shape": s_train.shape[1:], "latent_size": 16}
long = {"epochs": 4 * EPOCHS}
signal_plain = trained(models.Autoencoder(*new_networks(**sizes)), s_train, **long)
denoiser = models.DenoisingAutoencoder(*new_networks(**sizes), signal_noise["all three"])
signal_denoiser = trained(denoiser, s_train, **long)

# %% [markdown]
# The filters now run along time only, within each channel (each of the three signals). PSNR needs a peak value
# $M$; we take the range of the training data. The array of windows gets a fourth axis, because TensorFlow's
# function averages over the last three. SSIM is made for pictures, so we do not use it here.

# %% tags=["drift"]
def signal_psnr(x_hat, x):
    return float(tf.reduce_mean(tf.image.psnr(x_hat[..., None], x[..., None], high - low)))

def gaussian_in_time(x, width):
    return ndimage.gaussian_filter(x, (0, width, 0))

def median_in_time(x, width):
    return ndimage.median_filter(x, (1, width, 1))

along_time = {
    "gaussian filter": (gaussian_in_time, (0.3, 0.5, 0.8, 1.2, 1.6, 2.0, 3.0)),
    "median filter": (median_in_time, (1, 3, 5, 7, 9)),
}

signal_table, signal_results, signal_widths = {}, {}, {}
for noise, noisy in noisy_signals.items():
    row = signal_results[noise] = {"nothing": noisy}
    for name, (function, choices) in along_time.items():
        best = max(choices, key=lambda width: signal_psnr(function(noisy, width), s_valid))
        signal_widths[noise, name], row[name] = best, function(noisy, best)
    row["plain autoencoder"] = signal_plain.reconstruct(noisy)
    row["denoiser"] = signal_denoiser.reconstruct(noisy)
    values = {name: signal_psnr(x_hat, s_valid) for name, x_hat in row.items()}
    signal_table[noise] = values
    print(f"{noise:16}" + ", ".join(f"{name} {value:.1f}" for name, value in values.items()))

# %% tags=["drift"]
shown = signal_results["all three"] | {"noisy": noisy_signals["all three"], "clean": s_valid}
looks = {"noisy": (".", 9), "median filter": ("--", 1), "denoiser": ("-", 0), "clean": (":", 6)}
fig, axes = plt.subplots(1, 3, figsize=(10, 3.2))
for channel, (ax, title) in enumerate(zip(axes, ("vibration", "temperature", "current"))):
    for name, (style, color) in looks.items():
        ax.plot(shown[name][0, :, channel], style, color=plots.COLORS[color], label=name)
    ax.set(title=title, xlabel="time step", ylabel="standard deviations")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# On this validation window, which has all three corruptions (gray dots), the network (solid line) follows the
# truth (dotted line) closely. The median filter (dashed line) needs a large width against so many bad values, and
# so it flattens the peaks and troughs. The network has two advantages: it knows the shapes that a healthy machine
# makes, and it sees all channels at once.
#
# To be fair, read the table again. Where salt and pepper is the *only* corruption, a median filter is better than
# the network: among 64 values, a few jumps are easy for a median to ignore, and a small width, which bends the
# signal little, is enough. Where Gaussian noise is the only corruption, the Gaussian filter and the plain
# autoencoder are about as good as the network, or better. In each row the filters were tuned for that row's noise.
# The network learned one mixture of corruptions. It wins clearly on that, and by a hair where values are only lost.

# %%
mixed, jumps = signal_table["all three"], signal_table["salt and pepper"]
won = mixed["denoiser"] - mixed["median filter"]
assert won > 1, "against the mixture that it learned, the network wins"
assert mixed["denoiser"] > mixed["plain autoencoder"] + 1, "training on noise pays off"
assert jumps["median filter"] > jumps["denoiser"] + 1, "a median is hard to beat against jumps"

# %% [markdown]
# ## 7. What if the noise is stronger or weaker than in training?
#
# Our denoiser for Gaussian noise has met one level, $\sigma = 0.3$. In use, nothing guarantees that level. We test
# the denoiser from $\sigma = 0.02$ to $0.8$, against a Gaussian filter whose width is chosen for *each* level. That
# is generous to the filter: it is told $\sigma$, and the network is not.
#
# **Predict.** At which end does the network lose?

# %% tags=["drift"] mystnb={"image": {"alt": "Line plot of the PSNR against the noise level of the test, for four methods. The denoiser's curve is nearly flat: below the filter and doing nothing at the left end, and the highest around the trained level and above it."}}
levels = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
curves = {name: [] for name in ("nothing", "gaussian filter", "plain autoencoder", "denoiser")}
for i, level in enumerate(levels):
    noisy = spoil(x_valid, keras.layers.GaussianNoise(level, seed=10 + i))
    smooth = gaussian_filter(noisy, best_width("gaussian filter", noisy, x_valid))
    repairs = [noisy, smooth]
    repairs += [model.reconstruct(noisy) for model in (plain, denoisers["gaussian"])]
    for curve, x_hat in zip(curves.values(), repairs):
        curve.append(scores(x_hat, x_valid)[0])

fig, ax = plt.subplots()
for (name, curve), marker in zip(curves.items(), plots.MARKERS):
    ax.plot(levels, curve, marker=marker, label=name)
ax.axvline(SIGMA, color=plots.COLORS[9], linestyle=":")
ax.text(SIGMA, ax.get_ylim()[1], " trained here", va="top")
ax.set(xlabel="noise level σ in the test", ylabel="PSNR (dB)")
ax.legend()
plt.show()

# %% [markdown]
# The network loses at the left end, where there is hardly any noise, and it loses there even to doing nothing. It
# always sends the image through 32 numbers, and what does not fit into them is gone. A nearly clean image should
# be left alone, and a filter with a small width does just that. (For such images even the plain autoencoder is the
# better of the two networks: it was trained on clean input.) Around the trained level and above it the network wins
# clearly. Far above, it gets worse, but more slowly than the plain autoencoder.

# %%
nothing, smooth, bottleneck, denoised = (np.array(curve) for curve in curves.values())
here = np.argmin(np.abs(levels - SIGMA))
assert denoised[0] < min(smooth[0], nothing[0]) - 1, "nearly clean: best left alone"
assert denoised[here] > smooth[here] + 0.3, "at the trained level the network wins"
assert denoised[0] - denoised[here] < 3, "nearly level below the trained noise"
assert denoised[-1] < denoised[here] - 1, "falling above it"
assert denoised[-1] > bottleneck[-1] + 1, "to have met noise helps against stronger noise too"

# %% [markdown]
# With masking, something stranger happens. **Predict.** The masking denoiser was trained with half of the pixels
# missing. What does it make of a complete, clean image? And what does a denoiser trained with `Dropout(0.5)` make
# of the same image?

# %% tags=["drift"]
layer = keras.layers.Dropout(0.5, seed=2)
rescued = trained(models.DenoisingAutoencoder(*new_networks(), layer), x_train)
masking, dropout = [], []
rates = (0.0, 0.25, 0.5, 0.75)
for rate in rates:
    masked = spoil(x_valid, Masking(rate, seed=20))
    masking.append(scores(denoisers["masking"].reconstruct(masked), x_valid)[0])
    dropout.append(scores(rescued.reconstruct(masked / (1 - rate)), x_valid)[0])
print("share missing   " + "".join(f"{rate:8.2f}" for rate in rates))
for name, values in {"Masking": masking, "Dropout": dropout}.items():
    print(f"{name:16}" + "".join(f"{value:8.1f}" for value in values) + "  dB")
bright = denoisers["masking"].reconstruct(x_valid).mean() / x_valid.mean()
assert masking[0] < masking[2] - 1, "trained with Masking: more information, worse result"
assert masking[3] < masking[2] - 1, "less information too"
assert bright > 1.1, "complete images come out too bright"
assert dropout[0] > dropout[2] > dropout[3], "with Dropout: more information, better result"
assert dropout[0] > masking[0] + 5, "on complete images Dropout is the better teacher, by far"

# %% [markdown]
# The network trained with Masking spoils the image; the one trained with Dropout does not. With Masking the sum over all
# pixels was half as large in training, and the network learned to make up for that. Given all pixels, it makes up
# for pixels that are not missing, and the image comes out too bright. Dropout divides by the share of pixels
# that is left, so the sums that the first layer sees stay where they were, whatever is missing. There is one
# condition: whoever uses the network must know that share, and divide by it too, as we did. So neither layer is right
# or wrong. Masking suits a network that meets one known share of missing pixels and nothing else; rescaling suits one
# that must cope with any share.
#
# "The denoiser is better than the filter" therefore means nothing without the noise level: it is true for a range
# of levels, and a report should say which. For Gaussian noise the usual remedy is to draw $\sigma$ at random for each
# example in training, or to give the network $\sigma$ as a second input.
#
# ## 8. What does a denoiser know?
#
# We end with a question of theory, in two dimensions, where everything can be seen. Let $\hat x(\tilde x)$ be
# the denoiser, a function of the noisy point, and $p(x)$ the density of the clean data. Noise smooths this density:
# the noisy points have the density
#
# $$ p_\sigma(\tilde x) = \int p(x) \, N(\tilde x; x, \sigma^2 I) \, dx. \tag{2.8} $$
#
# Which denoiser has the smallest squared error? Many clean points could have led to $\tilde x$, and the best
# single guess is their conditional mean, $E[x \mid \tilde x]$. Now take the gradient of (2.8). The gradient of the
# normal density with respect to $\tilde x$ is $(x - \tilde x)/\sigma^2$ times the density itself, so
#
# $$ \nabla p_\sigma(\tilde x) = \frac{1}{\sigma^2} \int (x - \tilde x) \, p(x) \, N(\tilde x; x, \sigma^2 I) \, dx
# = \frac{p_\sigma(\tilde x)}{\sigma^2} \left( E[x \mid \tilde x] - \tilde x \right). $$
#
# Divide by the density, and use the fact that the gradient of a logarithm is the gradient divided by the value.
# For the best denoiser, $\hat x(\tilde x) = E[x \mid \tilde x]$, this gives
#
# $$ \hat x(\tilde x) - \tilde x = \sigma^2 \, \nabla \log p_\sigma(\tilde x). \tag{2.9} $$
#
# This is *Tweedie's formula*. The gradient of a log-density, on the right side, is called the *score*: it points
# in the direction in which noisy data become more likely. The left side is the *displacement*: how far, and in which
# direction, the denoiser moves a point. So a network that was only asked to remove noise has learned in which
# direction the density of the data rises.
#
# Let us see whether this is true of a trained network. We need data whose density we know: a spiral of 60
# narrow normal distributions. For such a *mixture* (a weighted sum of densities) $p_\sigma$ is known too: noise
# makes each component wider, from variance $s^2$ to $s^2 + \sigma^2$. Its score is a gradient, which TensorFlow
# computes from the log-density.

# %%
tfd = tfp.distributions
COMPONENT_SCALE, TOY_SIGMA = 0.1, 0.3
angle = np.linspace(0.25, 3.4, 60) * np.pi
spiral = angle / (1.2 * np.pi) * np.array([np.cos(angle), np.sin(angle)])
centers = spiral.T.astype("float32")

def mixture(scale):
    """Normal distributions of one scale around all centers, with equal weights."""
    weights = tfd.Categorical(logits=tf.zeros(len(centers)))
    normals = tfd.MultivariateNormalDiag(centers, scale * tf.ones_like(centers))
    return tfd.MixtureSameFamily(weights, normals)

points = mixture(COMPONENT_SCALE).sample(20_000, seed=1).numpy()

def score(x_tilde, sigma=TOY_SIGMA):
    """The gradient of log p_sigma at x_tilde: [n, 2] -> [n, 2]."""
    x_tilde = tf.constant(x_tilde)
    scale = np.sqrt(COMPONENT_SCALE**2 + sigma**2).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(x_tilde)
        log_p = mixture(scale).log_prob(x_tilde)
    return tape.gradient(log_p, x_tilde).numpy()

# %% [markdown]
# The denoiser is a small network, 2 → 128 → 128 → 128 → 2. Its "code" is wider than its input, so there is no
# bottleneck here. None is needed: the noise alone makes the task worth learning. The network never sees the
# density, only points.

# %%
noise = keras.layers.GaussianNoise(TOY_SIGMA, seed=8)
toy_networks = new_networks(shape=(2,), latent_size=128, hidden=(128,))
toy = models.DenoisingAutoencoder(*toy_networks, noise)
rate = keras.optimizers.schedules.CosineDecay(3e-3, 30 * (len(points) // 256))
toy.compile(keras.optimizers.Adam(rate), jit_compile=False)
toy_history = toy.fit(points, batch_size=256, epochs=30, verbose=0)

# %% [markdown]
# **Predict.** The left panel will show the learned displacement, the right one $\sigma^2$ times the exact
# score, both as arrows at half their length. Where will they differ most?

# %% tags=["drift"] mystnb={"image": {"alt": "Two fields of arrows around a spiral of dots: the learned displacement on the left, sigma squared times the exact score on the right. Both point to the spiral, and they differ most along the edges."}}
line = np.linspace(-3.2, 3.2, 21, dtype="float32")
grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
fields = {r"learned: $\hat{x}(\tilde{x}) - \tilde{x}$": toy.reconstruct(grid) - grid}
fields[r"exact: $\sigma^2 \, \nabla \log p_\sigma(\tilde{x})$"] = TOY_SIGMA**2 * score(grid)
arrows = {"angles": "xy", "scale_units": "xy", "scale": 2, "width": 0.004}
fig, axes = plt.subplots(1, 2, figsize=(9, 4.5), sharey=True)
for ax, (title, field) in zip(axes, fields.items()):
    ax.scatter(*points[:2000].T, s=2, color=plots.COLORS[1], alpha=0.5)
    ax.quiver(*grid.T, *field.T, color=plots.COLORS[0], **arrows)
    ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
plt.show()

# %% [markdown]
# They differ most far from the data, mainly along the edges, where hardly any noisy point ever fell to correct the
# network. Near the data (dots) the two fields of arrows can hardly be told apart. Both point to the spiral. The
# arrows are shortest on it and on the line halfway between two arms, a valley of the density, where the two sides
# pull equally.
#
# What happens if we follow the arrows? We denoise every point of the grid, then denoise the result, and so on, ten
# times in all.

# %% tags=["drift"] mystnb={"image": {"alt": "Thin lines lead from each point of a square grid to where ten steps of denoising take it. Nearly all points end on the spiral."}}
trail = [grid]
for _ in range(10):
    trail.append(toy.reconstruct(trail[-1]))
trail = np.stack(trail)  # [11, n, 2]
to_spiral = np.linalg.norm(trail[-1][:, None] - centers, axis=-1).min(axis=1)
near = np.quantile(to_spiral, 0.9)
assert near < 3 * COMPONENT_SCALE, "nine points of ten arrive at the spiral"
fig, ax = plt.subplots(figsize=(5.5, 5.2))
ax.plot(*trail.transpose(2, 0, 1), color=plots.COLORS[4], linewidth=0.7)
ax.plot(*trail[0].T, ".", color=plots.COLORS[9], markersize=3, label="start")
ax.plot(*trail[-1].T, ".", color=plots.COLORS[3], markersize=4, label="after ten steps")
ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# Wherever they start, nearly all points end on the spiral: repeated denoising *generates* data. The points land on the
# spiral's middle line, without the spread around it, because each step goes to a mean. A diffusion model, described
# below, does this in small steps, with less and less noise.
#
# Now we measure how well the arrows agree. We draw new noisy points, so that each region counts as often as data fall
# into it, and compare the directions and the lengths of the arrows. For the directions we use the cosine, weighted by
# the length of the exact arrow, since the direction of a tiny arrow means little.

# %% tags=["drift"]
clean_points = mixture(COMPONENT_SCALE).sample(5000, seed=2).numpy()
noise = np.random.default_rng(3).normal(size=clean_points.shape).astype("float32")
noisy_points = clean_points + TOY_SIGMA * noise
learned = toy.reconstruct(noisy_points) - noisy_points
exact = TOY_SIGMA**2 * score(noisy_points)
length = np.linalg.norm(exact, axis=1)
cosine = (learned * exact).sum(axis=1) / (np.linalg.norm(learned, axis=1) * length)
mean_cosine = np.average(cosine, weights=length)
relative_error = ((learned - exact) ** 2).sum() / (exact**2).sum()
print(f"mean cosine {mean_cosine:.2f}, relative squared error {relative_error:.2f}")

moves = (exact, learned, 0)
best, ours, none = [np.mean((noisy_points + move - clean_points) ** 2) for move in moves]
assert mean_cosine > 0.9, "the displacement points along the score"
assert relative_error < 0.15, "and has the right length, TOY_SIGMA^2 times the score"
assert 0.99 * best < ours < 1.1 * best < none, "no denoiser beats the posterior mean"

# %% [markdown]
# The cosine is close to 1 and the lengths agree. The last check tests the theory from the other side: no
# denoiser has a smaller error than the one of Tweedie's formula, and ours comes close.
#
# What is a score good for? If you follow it, you climb from anywhere to likely data. *Score matching* trains
# networks for this purpose. A *diffusion model* is a denoiser for all noise levels that starts from pure
# noise and removes it little by little. In chapter 03 we take another road to new data: we give the code a
# distribution.
#
# ## 9. The final report
#
# All choices are made: widths, sizes, epochs. Now we use the test examples, once, for the final numbers.

# %% tags=["drift"]
x_test = data.x_test[:500]
report = {}
for noise, corruption in corruptions.items():
    noisy = spoil(x_test, corruption)
    row = {"nothing": noisy}
    for name, (function, _) in FILTERS.items():
        row[name] = function(noisy, widths[noise, name])
    row["plain autoencoder"] = plain.reconstruct(noisy)
    row["denoiser"] = denoisers[noise].reconstruct(noisy)
    report[noise] = {name: scores(x_hat, x_test) for name, x_hat in row.items()}
show(report)

s_test = sensors.x_test[sensors.y_test == 0]
noisy = spoil(s_test, signal_noise["all three"])
smoothed = median_in_time(noisy, signal_widths["all three", "median filter"])
repairs = {"nothing": noisy, "median filter": smoothed}
repairs["denoiser"] = signal_denoiser.reconstruct(noisy)
signals = {name: signal_psnr(x_hat, s_test) for name, x_hat in repairs.items()}
print("signals: " + ", ".join(f"{name} {value:.1f} dB" for name, value in signals.items()))

# %%
for noise, row in report.items():
    before, after = table[noise]["denoiser"][0], row["denoiser"][0]
    best_filter = max(row[name][0] for name in FILTERS)
    assert abs(after - before) < 1, f"{noise}: test and validation agree"
    assert after > best_filter + 0.3, f"{noise}: the network wins on test images too"
assert signals["denoiser"] > signals["median filter"] + 1, "and on the test set's signals"

# %% [markdown]
# The order of the methods is that of sections 5 and 6, now on examples that played no part in any choice.
#
# ## Summary
#
# - You corrupted images and signals with Gaussian noise, masking and salt-and-pepper noise, as Keras layers
#   whose noise is fresh and repeatable.
# - You measured repairs in PSNR and SSIM, against filters whose widths were chosen on validation data.
# - You trained denoising autoencoders, and saw that fixed noise is learned by heart while fresh noise is not.
# - You found where a denoiser can be used: around and above its trained level it wins, but it does harm to
#   nearly clean images.
# - You read a denoiser's displacement as $\sigma^2$ times the score, and checked it against an exact density.
#
# ## Common mistakes
#
# - Using `Dropout` as masking noise without thinking: it rescales the kept pixels, so whoever uses the network must
#   rescale them too.
# - Drawing the noise only once, before training: the network learns the noise patterns.
# - Putting noise into the target as well: the network is then asked to reproduce it.
# - Calling `GaussianNoise` without `training=True` to make test images: it does nothing, and all results look
#   splendid.
# - Giving the baseline a default width, or a width chosen on the test images.
# - Reporting only one noise level, the one used in training.
# - Computing SSIM with a window larger than the image, or PSNR with a `max_val` that does not fit the data.
#
# ## Exercises
#
# [Exercises 02](../exercises/02_denoising/02_denoising.ipynb): corruptions and PSNR by hand, the best
# possible denoiser in closed form, a published mistake to repair, and a filter that knows the mask.
#
# ## Further reading
#
# - Vincent, Larochelle, Bengio and Manzagol (2008), "Extracting and composing robust features with denoising
#   autoencoders": the idea, with masking noise.
# - Vincent (2011), "A connection between score matching and denoising autoencoders": why the training
#   objective estimates a score.
# - Alain and Bengio (2014), "What regularized auto-encoders learn from the data-generating distribution":
#   displacement and score, for small noise.
# - Efron (2011), "Tweedie's formula and selection bias": the formula (2.9) and its history.
# - Wang, Bovik, Sheikh and Simoncelli (2004), "Image quality assessment: from error visibility to structural
#   similarity": SSIM.
# - Ho, Jain and Abbeel (2020), "Denoising diffusion probabilistic models": from denoisers to generated
#   images.
