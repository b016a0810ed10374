# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01. Autoencoders
#
# A network that must copy its input through a narrow passage has to find out what the data have in common.
#
# **Goals.** After this chapter you can
# - build an autoencoder in Keras, train it and read its loss;
# - say what a linear autoencoder learns, and check it against principal component analysis (PCA);
# - compare linear, deep and convolutional autoencoders fairly: at equal code size, on data they were not trained on;
# - measure what a code is worth: how many bytes an image takes, and how well a simple classifier works on the codes;
# - explain why an autoencoder is not yet a generative model.
#
# **Before you start.** You know NumPy arrays, you know what a neural network and gradient descent are, and you have met
# PCA once. Before section 8 of chapter 02 you need no probability beyond mean, variance, covariance and a few simple
# distributions.
#
# **Level:** beginner · **Time:** 60 minutes reading, 1 minute computing

# %%
import math

# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import datasets, models, networks, plots

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

plots.use_style()

# %% [markdown]
# All constants are in one cell, so that you can change one and run the chapter again. The first change worth trying is
# `DATASET = "mnist"`. Data sets differ in size, so we fix the number of training *steps* (updates of the weights, one for
# each batch of images) and let the number of epochs (passes through the data) follow from it.

# %%
DATASET = "digits"  # or "mnist", "fashion_mnist"
SEED = 0
LATENT_SIZE = 4  # numbers in a code
HIDDEN = (128, 64)  # units of the hidden layers, from the pixels toward the code
BATCH_SIZE = 64
STEPS = 2000

keras.utils.set_random_seed(SEED)

# %% [markdown]
# The default data are real handwritten digits, 8 by 8 pixels each. They come in three parts that share no image. We
# **train** on the first part. On the second, the **validation** part, we compare models and make our choices. The third,
# the **test** part, is kept for the results that we report once everything is chosen: an error that was used to make a
# choice is too good to be believed. From a large data set we take 10 000 images to train on and 1000 for each of the
# other parts.

# %%
data = datasets.load(DATASET)
x_train, y_train = data.x_train[:10_000], data.y_train[:10_000]
x_valid, y_valid = data.x_valid[:1000], data.y_valid[:1000]
x_test, y_test = data.x_test[:1000], data.y_test[:1000]
shape, pixels = x_train.shape[1:], math.prod(x_train.shape[1:])
print("one image:", shape, "that is", pixels, "pixels in [0, 1]")
print("training images:", len(x_train), " validation:", len(x_valid), " test:", len(x_test))

# %% [markdown]
# ## 1. How can a network learn without labels?
#
# We give it its own input as the target. On its own this task is too easy: copying every pixel solves it. So the image
# must pass through a **bottleneck**, a layer with fewer numbers than the image has pixels. An **encoder** $f_\phi$ turns
# the example $x$, with its $D$ pixels, into a **code** $z$ of only $d$ numbers. A **decoder** $g_\theta$ turns the code
# back into an image, the **reconstruction** $\hat x$:
#
# $$z = f_\phi(x), \qquad \hat x = g_\theta(z), \qquad z \in \mathbb{R}^d, \quad x, \hat x \in \mathbb{R}^D, \quad d < D. \tag{1.1}$$
#
# The letters $\phi$ and $\theta$ stand for the weights of the two networks; $d$ is the **code size**, `LATENT_SIZE`
# in the program. Both networks are trained together to make the **mean squared error per pixel** small. For $N$
# examples, numbered by $n$, and pixels numbered by $i$, it is
#
# $$L(\phi, \theta) = \frac{1}{N D} \sum_{n=1}^{N} \sum_{i=1}^{D} \left(x_{ni} - \hat x_{ni}\right)^2. \tag{1.2}$$
#
# It is a loss, so lower is better. With pixels between 0 and 1, its square root is a typical error of one pixel on that
# scale.

# %%
def error(x, x_hat):
    """Equation (1.2): images, reconstructions [n, *shape] -> mean squared error per pixel."""
    return float(np.mean((x - x_hat) ** 2))

# %% [markdown]
# ## 2. What does it look like in Keras?
#
# A Keras model is a function from arrays to arrays, made of layers that hold weights. `compile` tells it how to learn
# (an optimizer and a loss), `fit` changes the weights to lower that loss on data, and `predict` applies the function.
#
# Our encoder is a stack of layers from the pixels to `LATENT_SIZE` numbers. The decoder is its mirror image. Both
# end in a layer without an activation, because we do not want to squash codes or pixels into a fixed range.
#
# The autoencoder follows equation (1.1) word for word: the decoder is applied to what the encoder makes of $x$. Models can
# be called like functions, on arrays as well as on a placeholder such as `keras.Input`. Called on a placeholder they
# give another placeholder, and `keras.Model` makes a model of the two.

# %% mystnb={"image": {"alt": "Diagram: an image x goes through the encoder to the code z, and through the decoder to its reconstruction. An arrow labeled 'compare' leads back from the reconstruction to x."}}
plots.schematic(
    {"x": (0, 0, "observed", "$x$"), "encoder": (1.5, 0, "network", r"encoder $f_\phi$"),
     "z": (3.1, 0, "variable", "$z$"), "decoder": (4.7, 0, "network", r"decoder $g_\theta$"),
     "x_hat": (6.3, 0, "text", r"$\hat x$")},
    [("x", "encoder"), ("encoder", "z"), ("z", "decoder"), ("decoder", "x_hat"),
     ("x_hat", "x", {"bend": -0.25, "color": plots.COLORS[3], "label": "compare"})],
)  # fmt: skip
plt.show()

# %% [markdown]
# The bottleneck is the code $z$: a few numbers, with many pixels on either side. The loss compares what comes out with
# what went in, and training moves the weights of both networks to lower it.

# %%
encoder = keras.Sequential([
    keras.Input(shape), layers.Flatten(),
    *[layers.Dense(units, activation="relu") for units in HIDDEN],
    layers.Dense(LATENT_SIZE),
], name="encoder")  # fmt: skip
decoder = keras.Sequential([
    keras.Input((LATENT_SIZE,)),
    *[layers.Dense(units, activation="relu") for units in reversed(HIDDEN)],
    layers.Dense(pixels), layers.Reshape(shape),
], name="decoder")  # fmt: skip

x = keras.Input(shape)
by_hand = keras.Model(x, decoder(encoder(x)), name="by_hand")
print("shapes:", by_hand.input_shape, "->", encoder.output_shape, "->", by_hand.output_shape)

# %% [markdown]
# The first entry of each shape, `None`, stands for the number of images, which can be anything.
#
# For training we use Adam, a form of gradient descent. Its step size follows half a wave of a cosine down to zero:
# large steps at the beginning to cover ground, small ones at the end to settle.
#
# **Predict.** Four numbers have to stand for a whole image. Before any training the decoder's output is near zero.
# What shape will the loss curve have, and will it be the same for images that the network has never seen?

# %% tags=["drift"]
EPOCHS = max(1, STEPS // (len(x_train) // BATCH_SIZE))

def adam(rate):
    """Adam with a learning rate that starts at `rate` and ends at 0."""
    steps = EPOCHS * (len(x_train) // BATCH_SIZE)
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))

training = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "verbose": 0}
by_hand.compile(optimizer=adam(5e-3), loss="mse")
history = by_hand.fit(x_train, x_train, validation_data=(x_valid, x_valid), **training)
ax = plots.history(history, "loss", ylabel="mean squared error per pixel")
ax.set_ylim(bottom=0)
plt.show()

# %% [markdown]
# The loss falls steeply at first and then more and more slowly, and it is not the same for new images: the dashed
# validation curve follows the training curve down, and then levels off above it. The gap between the two is
# **overfitting**: part of what was learned holds for the training images only. As long as the dashed curve does not rise,
# further training does no harm, but only the dashed curve says how good the model is. (At the very start the dashed curve
# lies *below* the solid one, because the training loss is an average over the epoch, during which the network still
# improves, while the validation loss is taken at the end of the epoch.)

# %% tags=["drift"]
x_hat = by_hand.predict(x_valid, verbose=0)
nothing_learned = error(x_valid, x_train.mean(axis=0))  # the best answer that ignores the image
learned = error(x_valid, x_hat)
assert learned < 0.6 * nothing_learned, "a code must beat answering with the mean image"

ax = plots.image_rows({"image": x_valid[:10], "reconstruction": x_hat[:10]})
ax.set_title(f"validation images through a code of {LATENT_SIZE} numbers")
plt.show()

# %% [markdown]
# Most of the digits in the lower row can still be read, though they look smoother than the originals above them. One or
# two may have turned into another digit. What several images share, such as the class (which digit it is) and the slant,
# has passed through the bottleneck. What is peculiar to one image, such as a grainy edge, has not.
#
# ### The same model from the library
#
# You have now written an encoder, a decoder and the model that joins them. `networks.mlp_encoder` and
# `networks.mlp_decoder` make the same two networks, and `models.Autoencoder` joins them. If we copy the trained weights
# over, the outputs are equal.
#
# The library's model adds three conveniences: `encode` gives codes, `decode` gives images, `reconstruct` does both.
# Its `fit` takes only `x`, because the target is `x` itself. It trains on full batches, so that each epoch leaves out a
# few images, others each time. (Keras's own `fit`, above, made a small batch of them; that is why its step size came to
# zero some epochs before the end.) From now on we use the library's names.

# %%
deep = models.Autoencoder(
    networks.mlp_encoder(shape, LATENT_SIZE, hidden=HIDDEN),
    networks.mlp_decoder(LATENT_SIZE, shape, hidden=HIDDEN[::-1]),
)
deep.set_weights(by_hand.get_weights())
difference = np.abs(deep.reconstruct(x_valid) - x_hat).max()  # x_hat is from by_hand
assert difference < 1e-4, "the same layers with the same weights are the same function"
z = deep.encode(x_valid)
print("codes:", z.shape, " images:", deep.decode(z).shape)

# %% [markdown]
# ## 3. What does a linear autoencoder learn?
#
# Leave out every hidden layer. Encoder and decoder are then one matrix and one offset each, with nothing curved in them:
#
# $$z = A x + a, \qquad \hat x = B z + b, \qquad A \in \mathbb{R}^{d \times D}, \quad B \in \mathbb{R}^{D \times d}. \tag{1.3}$$
#
# All reconstructions lie in a flat $d$-dimensional set (a line, a plane, and so on), spanned by the $d$ columns of $B$.
# For *flat* sets the best answer has been known for a century: PCA. It takes the mean and the $d$ directions of largest
# variance, the first $d$ **principal axes** (also called principal components). What it loses is the variance in all
# other directions. With $\lambda_1 \ge \lambda_2 \ge \dots$ for the variances along the principal axes of the training
# images,
#
# $$\min L = \frac{1}{D} \sum_{j > d} \lambda_j . \tag{1.4}$$
#
# So no linear autoencoder can have a smaller training error than this. For data that vary in every direction, with
# different variances, Baldi and Hornik (1989) proved more. Every minimum of the loss reaches this error, and every other
# point where the gradient is zero is a saddle, from which some direction leads downhill.

# %%
def flat(x):
    """Images [n, *shape] as rows of pixels [n, pixels]."""
    return x.reshape(len(x), -1)

def project(pca, x):
    """Reconstructions by PCA: images [n, *shape] -> [n, *shape]."""
    return pca.inverse_transform(pca.transform(flat(x))).reshape(x.shape)

spectrum = PCA(svd_solver="full").fit(flat(x_train))  # all components, in 64-bit numbers below
pca = PCA(LATENT_SIZE, svd_solver="full").fit(flat(x_train))
left_out = spectrum.explained_variance_[LATENT_SIZE:].sum()
lost = left_out * (1 - 1 / len(x_train))  # scikit-learn divides by N - 1
optimum = error(x_train, project(pca, x_train))
assert np.isclose(optimum, lost / pixels, rtol=1e-3), "(1.4): the variance of the axes left out"

# %% [markdown]
# **Predict.** The linear autoencoder knows nothing of variances or principal axes. It starts from random weights and goes
# downhill. How close will its error come to PCA's exact one? And will its four code axes be PCA's four axes?

# %% tags=["drift"]
linear = models.Autoencoder(
    networks.mlp_encoder(shape, LATENT_SIZE, hidden=()),
    networks.mlp_decoder(LATENT_SIZE, shape, hidden=()),
)
linear.compile(optimizer=adam(3e-2))
history = linear.fit(x_train, **training)
for name, part in (("training", x_train), ("validation", x_valid)):
    ratio = error(part, linear.reconstruct(part)) / error(part, project(pca, part))
    print(f"{name}: the linear autoencoder's error is {ratio:.4f} times PCA's")

# %%
ratio = error(x_train, linear.reconstruct(x_train)) / optimum
assert ratio > 1 - 1e-4, "no linear autoencoder has a smaller training error than PCA"
assert ratio < 1.02, "trained long enough, it comes within 2 % of PCA's exact error"
ratio = error(x_valid, linear.reconstruct(x_valid)) / error(x_valid, project(pca, x_valid))
assert abs(ratio - 1) < 0.02, "nearly the same map, nearly the same error on new images"

# %% [markdown]
# The two errors differ by far less than 2 %. On the training part a linear autoencoder cannot beat PCA. On the validation
# part either of the two may be ahead by a hair, since neither error was minimized there. Row Y5 of
# [the course's benchmarks](../benchmarks/yardsticks.md) repeats this on all of MNIST and Fashion-MNIST, for six code sizes.
#
# Are the *axes* the same too? We compare the columns of $B$ with PCA's components in two ways. The cosine between column
# $j$ and component $j$ is 1 (or -1) if both lie along the same line. The **principal angles** compare the two
# four-dimensional spaces as a whole, whatever axes are used inside them. They are all 0 if the spaces are equal.

# %% tags=["drift"]
columns = linear.decoder.get_weights()[0]  # [d, pixels]: Keras stores the transpose of B
unit = columns / np.linalg.norm(columns, axis=1, keepdims=True)
cosines = np.abs(np.sum(unit * pca.components_, axis=1))
angles = np.degrees(subspace_angles(columns.T, pca.components_.T))
print("|cosine| between column j and component j:", cosines.round(2))
print("principal angles between the two spaces:  ", angles.round(1), "degrees")

# %%
assert angles.max() < 15, "the columns of B span the space of the first principal components"
assert cosines.min() < 0.97, "single axes need not agree: the loss does not see them"
correlation = np.corrcoef(linear.encode(x_train).T)
off_diagonal = np.abs(correlation - np.eye(LATENT_SIZE)).max()
assert off_diagonal > 0.05, "PCA's codes are uncorrelated; the autoencoder's need not be"

# %% tags=["drift"]
patterns = {"PCA's components": pca.components_, "columns of B": unit}
scale = 2 * max(np.abs(rows).max() for rows in patterns.values())
gray = {name: 0.5 + rows.reshape(-1, *shape) / scale for name, rows in patterns.items()}
plots.image_rows(gray)
plt.show()

# %% [markdown]
# The space is the same, and the axes in it are not. Each direction is drawn as an image: gray is 0, white positive, black
# negative. PCA's components, in the upper row, are ordered from the largest variance to the smallest. The columns of $B$,
# in the lower row, are other patterns, each one a mixture of those above.
#
# One line explains why. For any invertible $d \times d$ matrix $M$,
#
# $$\hat x = B z + b = (B M^{-1})(M z) + b, \tag{1.5}$$
#
# so mixing the codes by $M$ and unmixing them in the decoder gives the same reconstructions and the same loss. PCA
# picks one $M$ by two further demands: its axes are orthogonal and of unit length, *and* its codes are uncorrelated. (The
# second demand is needed. Sorting by variance does not replace it, because any set of orthogonal axes of the space can be
# sorted.) The autoencoder stops at whichever $M$ it happens to reach. Keep this in mind: **the loss does not fix what a
# single code axis means, or how it is scaled.** Section 6 shows the consequences.
#
# ## 4. Do curved models do better with the same code size?
#
# The whole difference is between a straight line through the data and a curve along them. To see it, take points on a bent
# line in the plane, and let the code of each point be one number.

# %% tags=["drift"]
random = np.random.default_rng(SEED)
t = random.uniform(-1, 1, 500)
points = np.stack([1.6 * t, 1.5 * t**2], axis=1) + 0.08 * random.normal(size=(500, 2))
points = (points - points.mean(axis=0)).astype("float32")
bend = models.Autoencoder(
    networks.mlp_encoder((2,), 1, (32, 32)), networks.mlp_decoder(1, (2,), (32, 32))
)
bend.compile(optimizer=keras.optimizers.Adam(5e-3))
bend.fit(points, epochs=150, batch_size=50, verbose=0)
curve = bend.reconstruct(points)[np.argsort(bend.encode(points)[:, 0])]
line = project(PCA(1).fit(points), points)
ratio = error(points, bend.reconstruct(points)) / error(points, line)
assert ratio < 0.5, "a curve fits better"
figure, ax = plt.subplots(figsize=(6, 3.2))
ax.plot(*points.T, ".", color=plots.COLORS[9], markersize=3, label="data")
ax.plot(*line.T, color=plots.COLORS[1], label="PCA: a line")
ax.plot(*curve.T, color=plots.COLORS[0], label="autoencoder: a curve")
ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
ax.legend(loc="upper center")
plt.show()

# %% [markdown]
# A decoder can put its points only on the line drawn for it: a straight one for PCA, a curve along the data for the
# autoencoder. Images of digits do not lie on a flat surface either. Halfway between two pictures of a 1 with different
# slants there is no 1, but two faint strokes. A network with hidden layers can be **curved**: its reconstructions lie on a
# curved surface of dimension $d$. The `deep` model of section 2 is such a network. A **convolutional** network is curved
# too, and it also makes use of the fact that pixels have neighbors: the same small filter looks at each place of the image.
#
# **Predict.** All three models get four numbers for each image. By how much will the curved ones beat the linear one, and
# on which part of the data does the comparison count?

# %%
conv = models.Autoencoder(
    networks.conv_encoder(shape, LATENT_SIZE, filters=(16, 32), units=64),
    networks.conv_decoder(LATENT_SIZE, shape, filters=(32, 16), units=64),
)
conv.compile(optimizer=adam(5e-3))
conv.fit(x_train, **training)
trained = {"linear": linear, "deep": deep, "convolutional": conv}
errors = {}
for name, model in trained.items():
    errors[name] = [error(x, model.reconstruct(x)) for x in (x_train, x_valid)]

# %% tags=["drift"]
for name, model in trained.items():
    on_train, on_valid = errors[name]
    print(f"{name:14s} {model.count_params():7d} weights", end="   ")
    print(f"training {on_train:.4f}   validation {on_valid:.4f}")

best_flat = error(x_valid, project(pca, x_valid))
for name in ("deep", "convolutional"):
    assert errors[name][1] < 0.8 * best_flat, f"{name}: a curved map beats every flat one"
assert errors["deep"][0] < errors["deep"][1], "training error flatters a flexible model"

# %% [markdown]
# Both curved models clearly beat the linear one where it counts, on images that none of them was trained on: the check
# asks for an error at least a fifth smaller than PCA's. Two caveats. First, on the training part the gain looks larger
# still, but the extra gain is overfitting. Second, between the deep and the convolutional network there is no clear winner
# here: on images this small, it is worth little to know which pixels are neighbors, and another seed may change the order.
#
# How many principal components would PCA need to do as well?

# %% tags=["drift"] mystnb={"image": {"alt": "Line plot of the validation error against the code size. PCA's curve falls slowly; the linear autoencoder lies on it, and the deep and the convolutional autoencoder lie far below it."}}
sizes = np.arange(1, min(4 * LATENT_SIZE, pixels) + 1)
centered = flat(x_valid) - spectrum.mean_
along = centered @ spectrum.components_.T  # coordinates along all training axes
kept = [np.sum(along[:, :size] ** 2) for size in sizes]
flat_errors = (np.sum(centered**2) - np.array(kept)) / centered.size
target = errors["deep"][1]
as_good = sizes[np.argmax(flat_errors <= target)]
assert flat_errors[-1] <= target, "PCA catches up within four times the code size"
assert as_good >= 1.5 * LATENT_SIZE, "PCA needs at least half as many numbers again"

figure, ax = plt.subplots()
ax.plot(sizes, flat_errors, ".-", color=plots.COLORS[7], label="PCA")
for i, (name, (_, on_valid)) in enumerate(errors.items()):
    style = {"marker": plots.MARKERS[i], "color": plots.COLORS[i], "linestyle": "none"}
    ax.plot(LATENT_SIZE, on_valid, label=f"{name} autoencoder", **style)
ax.axhline(target, color=plots.COLORS[1], linestyle=":", linewidth=1)
ax.set(xlabel="code size $d$", ylabel="mean squared error per pixel\n(validation)")
ax.set_ylim(bottom=0)
ax.legend()
plt.show()

# %% [markdown]
# PCA needs two to three times as many numbers to come down to the error of the deep autoencoder (dotted line). The linear
# autoencoder sits on PCA's curve at $d = 4$; the deep and the convolutional one lie far below it.
#
# ## 5. What is a code worth?
#
# ### As a compressed image
#
# An image with one byte for each pixel takes $D$ bytes. A code of $d$ numbers with $b$ bits each takes
#
# $$\text{bytes per image} = \frac{d\, b}{8}. \tag{1.6}$$
#
# Keras computes with 32-bit numbers. Most of those bits carry no information. To **quantize** a code to $b$ bits, take the
# range that each code axis covers on the training data, place $2^b$ equally spaced levels on it, and store only the
# number of the nearest level.
#
# **Predict.** How many of the 32 bits can you drop before the images get worse? Guess a number.

# %%
def quantize(z, bits, low, high):
    """Codes [n, d] as the decoder sees them, once stored in whole numbers of `bits` bits."""
    top = 2**bits - 1
    stored = np.rint(top * (np.clip(z, low, high) - low) / (high - low))  # 0 ... top
    return low + (high - low) * stored / top

bits = np.arange(2, 9)
codes = {"deep autoencoder": deep.encode, "PCA": lambda x: pca.transform(flat(x))}
images = {"deep autoencoder": deep.decode}
images["PCA"] = lambda z: pca.inverse_transform(z).reshape(-1, *shape)
quantized = {}
for name in codes:
    z_train, z = codes[name](x_train), codes[name](x_valid)
    low, high = z_train.min(axis=0), z_train.max(axis=0)
    decoded = [images[name](quantize(z, b, low, high)) for b in bits]
    quantized[name] = [error(x_valid, x_hat) for x_hat in decoded]

# %% tags=["drift"] mystnb={"image": {"alt": "Line plot of the validation error against the bits kept for each number of the code, for the deep autoencoder and PCA. From right to left both curves stay level, and turn up only at a few bits."}}
full, ours, flat_map = errors["deep"][1], quantized["deep autoencoder"], quantized["PCA"]
assert ours[-1] < 1.02 * full, "8 bits instead of 32 cost less than 2 % in error"
assert ours[0] > 1.2 * full, "two bits for each number are too few"
assert ours[-1] < 0.8 * flat_map[-1], "at the same bytes the curved code is better"
little = {name: np.array(values) < 1.1 * values[-1] for name, values in quantized.items()}
enough = {name: int(bits[np.argmax(values)]) for name, values in little.items()}
print("bits that lose less than a tenth:", enough)
print(f"raw {pixels} bytes, code of 32-bit numbers {4 * LATENT_SIZE} bytes,", end=" ")
print(f"code of 8-bit numbers {LATENT_SIZE} bytes")
figure, ax = plt.subplots()
for i, (name, values) in enumerate(quantized.items()):
    ax.plot(bits, values, plots.MARKERS[i] + "-", label=name)
to_bytes, to_bits = lambda b: LATENT_SIZE * b / 8, lambda v: 8 * v / LATENT_SIZE
ax.secondary_xaxis("top", functions=(to_bytes, to_bits)).set_xlabel("bytes per image")
ax.set_xlabel(f"bits for each of {LATENT_SIZE} numbers")
ax.set_ylabel("mean squared error per pixel\n(validation)")
ax.set_ylim(bottom=0)
ax.legend()
plt.show()

# %% [markdown]
# About 28 of the 32 can go. Read from right to left, both curves stay level and turn up only below the number of bits
# printed above, about four for the autoencoder. With 8 bits nothing visible is lost, and an image takes as many bytes as
# the code has numbers: sixteen times fewer than the raw 8 by 8 pixels. At every number of bits that one would use, the
# autoencoder's codes give better images than PCA's. With very few bits this lead shrinks or is lost. Coarse steps move a
# code far from where the encoder put it, and a curved decoder may draw anything there; section 6 shows what.
#
# This is **lossy** compression (what is lost does not come back), and of a special kind: it works only for images like
# the training images. And whoever wants to read the codes needs the decoder as well, whose bytes must be sent once:

# %%
decoder_bytes = 4 * deep.decoder.count_params()
break_even = math.ceil(decoder_bytes / (pixels - LATENT_SIZE))
print(f"the decoder takes {decoder_bytes} bytes;", end=" ")
print(f"from {break_even} images on, sending it along has paid off")

# %% [markdown]
# ### As a description of an image
#
# Does a code keep what matters, for instance which digit the image shows? We ask a classifier that learns almost nothing
# of its own: the **k nearest neighbors** among the training images vote on the class. (Here $k$ is a number of neighbors,
# nothing else.) We choose $k$ on the validation part, separately for each description of the images (raw pixels, or one
# of the codes). The test part then gives the result, once for each description, and has no influence on any choice.

# %% tags=["drift"]
views = {"raw pixels": flat, "PCA": codes["PCA"]}
views |= {name: model.encode for name, model in trained.items()}
accuracy = {}
for name, view in views.items():
    z_train, z_valid, z_test = [view(x) for x in (x_train, x_valid, x_test)]
    fitted = [KNeighborsClassifier(k).fit(z_train, y_train) for k in (1, 3, 5, 9, 15)]
    best = max(fitted, key=lambda classifier: classifier.score(z_valid, y_valid))
    accuracy[name] = best.score(z_test, y_test)
    size = z_test.shape[1]
    print(f"{name:14s} {size:4d} numbers   test accuracy {100 * accuracy[name]:.0f} %")
chance = np.bincount(y_test).max() / len(y_test)
raw, flat_map, curved = [accuracy[name] for name in ("raw pixels", "PCA", "deep")]
assert curved > 5 * chance, "no label was used in training, and still the codes know the class"
assert raw > max(flat_map, curved), "a few numbers lose something about the class"
assert curved > flat_map - 0.02, "the curved code describes the class as well as PCA's"

# %% [markdown]
# With far fewer numbers than pixels, the codes keep most of what tells the classes apart, though no label was used to
# make them. The deep code does not fall behind PCA's, and the raw pixels stay ahead of both. This is **dimensionality
# reduction**: a short description that later steps can work with. The autoencoder was never told to separate the classes.
# It does so as far as that helps to draw the images.
#
# ## 6. What does the map of codes look like?
#
# If each code has two numbers, we can look at all codes at once. So we train one more deep model, with code size 2. The
# smaller bottleneck costs quality, but it gives us a map.

# %% tags=["drift"]
plane = models.Autoencoder(
    networks.mlp_encoder(shape, 2, hidden=HIDDEN),
    networks.mlp_decoder(2, shape, hidden=HIDDEN[::-1]),
)
plane.compile(optimizer=adam(5e-3))
plane.fit(x_train, **training)
map_train = plane.encode(x_train)
ax = plots.latent_scatter(map_train[:2000], y_train[:2000], label_names=data.label_names)
ax.set_title("codes of training images")
plt.show()

# %% [markdown]
# The classes form clusters, some neat and some mixed with their neighbors, and between them there are empty regions. (Each
# mark is a training image, placed at its code; color and shape give its class.) Nothing fixes where the map is centered,
# how wide it is, or which way is up: look at the numbers on the axes.
#
# ### Does the scale mean anything?
#
# Equation (1.5) says that it does not. It was written for linear networks, but it holds here too: the encoder's last
# layer is linear, and so is the decoder's first layer before its activation. We multiply the encoder's last layer by 10
# and divide the first weights of the decoder by 10. This makes a map ten times as wide.
#
# **Predict.** What happens to the reconstruction error? And to the image that the decoder draws at the code (1, 1)?

# %%
wide = models.Autoencoder.from_config(plane.get_config())  # the same layers, new weights
wide.set_weights(plane.get_weights())
last, first = wide.encoder.layers[-1], wide.decoder.layers[1]
last.set_weights([10 * w for w in last.get_weights()])
kernel, bias = first.get_weights()
first.set_weights([kernel / 10, bias])

before, after = [error(x_valid, model.reconstruct(x_valid)) for model in (plane, wide)]
assert np.isclose(before, after, rtol=1e-3), "the same function of images, so the same loss"
ratio = wide.encode(x_valid).std() / plane.encode(x_valid).std()
assert np.isclose(ratio, 10, rtol=1e-3), "and yet every code is ten times as large"
many = np.random.default_rng(SEED).normal(size=(1000, 2))
spread, spread_wide = [model.decode(many).std(axis=0).mean() for model in (plane, wide)]
assert spread_wide < 0.6 * spread, "on the wide map normal codes all fall near one place"
print("codes are", round(float(ratio)), "times as large, the loss is the same")

# %% tags=["drift"] mystnb={"image": {"alt": "Two rows of ten digits, decoded from the same ten random codes. In the upper row, drawn by the map, the shapes vary; in the lower row, drawn by the map ten times as wide, nearly the same image is repeated."}}
noise = np.random.default_rng(SEED).normal(size=(10, 2))
plots.image_rows({"the map": plane.decode(noise), "ten times\nas wide": wide.decode(noise)})
plt.show()

# %% [markdown]
# The error stays the same, but the image does not: at (1, 1) the wide map draws what the old one drew at (0.1, 0.1). Both
# rows were decoded from the same ten random codes, taken from a standard normal distribution, by two models with the same
# loss. The upper row has a variety of shapes. The lower one has variations of one or two images, because on the wide map
# all ten codes fall close to the center. Training gives no reason to prefer either map. So "draw a random code and decode
# it" is not a well-defined thing to do with an autoencoder.
#
# ### What is between the codes?
#
# Halfway between two images, pixel by pixel, lies a double exposure. What lies halfway between their *codes*?

# %% tags=["drift"]
ones = x_valid[y_valid == 1]
first = ones[0]
last = ones[np.argmax(((ones - first) ** 2).sum(axis=(1, 2, 3)))]  # the one least like it
steps = np.linspace(0, 1, 7)[:, None]
blend = (1 - steps) * first.ravel() + steps * last.ravel()
z = deep.encode(np.stack([first, last]))
walk = deep.decode((1 - steps) * z[0] + steps * z[1])
plots.image_rows({"blend of pixels": blend.reshape(-1, *shape), "blend of codes": walk})
plt.show()

# %% [markdown]
# The upper row fades one image out and the other in. The lower row walks from one code to the other and decodes each
# code on the way. The straight line between the codes of two ones passes codes of other digits, and places with no
# codes at all, so the pictures in the middle are smears. On 8 by 8 pixels there is little to see; chapter 05 takes the
# same walk between faces, and measures it.
#
# Now back to the two-dimensional map, at the scale that training gave it. We decode a regular grid over the whole map,
# from the smallest to the largest code on each axis (the **bounding box** of the codes).

# %% tags=["drift"]
z1, z2 = np.linspace(map_train.min(axis=0), map_train.max(axis=0), 11).T
grid = np.stack(np.meshgrid(z1, z2), axis=-1).reshape(-1, 2)  # row by row, the first z2 first
ax = plots.image_map(plane.decode(grid), z1, z2, gap=1)
ax.set_title("the decoder's answer at every place of the map")
plt.show()

# %% [markdown]
# Where there are training codes, the decoder draws digits, and they change smoothly from one place to the next. In the
# empty regions it draws blends and blots that belong to no class, and toward the corners over-bright strokes. (Each
# picture stands at the code that was decoded, on the axes of the scatter plot.) The decoder has an answer for *any* code,
# but the loss has only ever judged its answers at the codes of training images.
#
# ## 7. Why is this not yet a generative model?
#
# A generative model makes new examples: draw something random, and get a new digit. We have a decoder, so we only need
# codes. Where should they come from? We try three sources, for code size 2 and for code size 4: the uniform distribution
# over the bounding box; the standard normal distribution; and, a fairer choice, a normal distribution with the mean and
# covariance of the training codes.
#
# We say that a code $z$ lies **in a hole** if no training code is near it. What counts as near? Real images set the
# scale: we choose the distance $r$ so that for 95 % of the validation images the nearest training code is closer than
# $r$. So
#
# $$z \text{ is in a hole} \iff \min_n \lVert z - f_\phi(x_n) \rVert > r, \qquad n = 1, \dots, N \text{ training images.} \tag{1.7}$$
#
# By this definition the codes of 5 % of real, unseen images are in holes. **Predict** the share for each of the three
# sources, first for code size 2, then for 4.

# %%
def sources(codes, n=2000):
    """Random codes from three distributions, for training codes [N, d]: {name: [n, d]}."""
    random = np.random.default_rng(SEED)
    size, mean = (n, codes.shape[1]), codes.mean(axis=0)
    return {
        "box": random.uniform(codes.min(axis=0), codes.max(axis=0), size=size),
        "standard normal": random.normal(size=size),
        "fitted normal": random.multivariate_normal(mean, np.cov(codes.T), size=n),
    }

def holes(model):
    """The share of random codes in holes, equation (1.7), for each source."""
    codes = model.encode(x_train)
    neighbors = NearestNeighbors(n_neighbors=1).fit(codes)
    radius = np.quantile(neighbors.kneighbors(model.encode(x_valid))[0], 0.95)
    in_hole = {name: neighbors.kneighbors(z)[0] > radius for name, z in sources(codes).items()}
    return {name: float(np.mean(values)) for name, values in in_hole.items()}

# %% tags=["drift"] mystnb={"image": {"alt": "Bar chart of the share of random codes in holes, for the box, the standard normal and the fitted normal. All bars are above the dotted line of real images, and those of code size 4 are higher than those of code size 2."}}
low, high = holes(plane), holes(deep)
assert low["box"] > 0.25, "a large part of even a flat map is empty"
assert high["box"] > low["box"], "more code axes, more empty land"
assert high["box"] > 0.6, "with four axes most of the box is empty"
assert min(high.values()) > 0.12, "every source: twice as often in holes as real images"

figure, ax = plt.subplots()
for i, (size, shares) in enumerate({2: low, LATENT_SIZE: high}.items()):
    style = {"width": 0.36, "hatch": ("", "//")[i], "edgecolor": "white"}
    bars = ax.bar(np.arange(3) + 0.4 * i, shares.values(), label=f"code size {size}", **style)
    ax.bar_label(bars, fmt="{:.0%}")
ax.axhline(0.05, color="black", linestyle=":", label="real images")
ax.set_xticks(np.arange(3) + 0.2, list(low))
ax.set_ylabel("share of codes in holes")
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
plt.show()

# %% [markdown]
# About half of the two-dimensional box is empty, and most of the four-dimensional one: with more code axes, the volume of
# the box grows much faster than the part of it that is filled. The fitted normal does better than the box, but its codes
# still fall into holes several times as often as those of real images (dotted line). It too gets worse with more numbers:
# codes lie in curved, uneven clouds, and the more directions there are, the more ways lead out of the cloud. For code size
# 2 we can draw the holes of (1.7) on the map:

# %% tags=["drift"]
map_z1, map_z2 = np.linspace(map_train.min(axis=0) - 1, map_train.max(axis=0) + 1, 150).T
places = np.stack(np.meshgrid(map_z1, map_z2), axis=-1)
to_codes = NearestNeighbors(n_neighbors=1).fit(map_train)
radius = np.quantile(to_codes.kneighbors(plane.encode(x_valid))[0], 0.95)
empty = to_codes.kneighbors(places.reshape(-1, 2))[0].reshape(places.shape[:2]) > radius
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True)
for ax, (name, z) in zip(axes, sources(map_train).items(), strict=True):
    ax.contourf(map_z1, map_z2, empty, levels=(-0.5, 0.5, 1.5), colors=("white", "#CCCCCC"))
    ax.plot(*z[:300].T, ".", markersize=3, color=plots.COLORS[3])
    ax.set(xlim=map_z1[[0, -1]], ylim=map_z2[[0, -1]], title=name, xlabel="$z_1$")
axes[0].set_ylabel("$z_2$")
plt.show()

# %% [markdown]
# The holes are gray; in the white regions a training code is near. The dots are 300 random codes from each source. The box
# also fills its corners, the standard normal takes no account of where the map lies and how large it is, and the fitted normal covers the gaps
# along with everything else. Do the holes show in the images?

# %% tags=["drift"] mystnb={"image": {"alt": "Four rows of ten decoded images: reconstructions of real digits, and random codes from the box, the standard normal and the fitted normal, with a measure of strangeness beside each row. Many random codes give no digits."}}
nearest_image = NearestNeighbors(n_neighbors=1).fit(flat(x_train))

def to_nearest(images):
    """Median squared distance per pixel from images to the nearest training image."""
    return float(np.median(nearest_image.kneighbors(flat(images))[0] ** 2) / pixels)

decoded = {"real codes": deep.reconstruct(x_valid)}
decoded |= {name: deep.decode(z) for name, z in sources(deep.encode(x_train)).items()}
usual = to_nearest(decoded["real codes"])
strangeness = {name: to_nearest(images[:500]) / usual for name, images in decoded.items()}
assert strangeness["box"] > 1.5, "codes from the box decode to unlikely images"
assert strangeness["fitted normal"] > 1.05, "a fitted normal: stranger than real codes, too"

plots.image_rows({f"{name}  {strangeness[name]:.1f}": x[:10] for name, x in decoded.items()})
plt.show()

# %% [markdown]
# They do: random codes give some good digits, and many images that are not digits. The box, which reaches into the
# emptiest corners, gives the strangest ones. The first row holds reconstructions of validation images, the other rows what
# the decoder draws for random codes. The number beside each name measures strangeness: the median squared distance to the
# nearest training image, divided by the same median for reconstructions. (Do not rank different models by it: a decoder
# that always draws the same picture scores a perfect 1.)
#
# So an autoencoder would need three more things before it can generate:
#
# 1. **No holes.** Nothing in the loss asks for sensible images between the codes of training images.
# 2. **A fixed scale.** Any invertible change of the codes, undone in the decoder, leaves the loss as it is.
# 3. **A distribution to draw from.** We made up three. None follows from the model, and none was right.
#
# All three come down to one question: **what distribution should codes come from?** Chapter 03 answers it the other way
# around. We choose the distribution first, and train encoder and decoder so that it becomes the right one. That takes
# probability, and the result is the variational autoencoder.
#
# ### Other ways to keep a network from copying
#
# (Optional on a first reading.) A narrow code is one way. A *sparse* autoencoder has a code that may be wider than the
# image, but it pays for every number that is not zero. Such codes, computed for the values inside large language models,
# are a tool of today's work on interpretability (finding out what a trained network has learned). A *contractive*
# autoencoder pays for every direction in which the code changes with the image (Rifai et al., 2011). A *tied*
# autoencoder uses the transposed weights of its encoder as its decoder; in the linear case that alone makes its axes
# orthogonal. A *denoising* autoencoder must undo a corruption, and is the subject of chapter 02.
#
# ## 8. The final report
#
# All choices are made. Here are the errors on the test part, which we have used so far only for the classifier's accuracy,
# and never for a choice.

# %% tags=["drift"]
print(f"PCA            {error(x_test, project(pca, x_test)):.4f}")
for name, model in trained.items():
    print(f"{name:14s} {error(x_test, model.reconstruct(x_test)):.4f}")

flat_error = error(x_test, project(pca, x_test))
for name in ("deep", "convolutional"):
    ratio = error(x_test, trained[name].reconstruct(x_test)) / flat_error
    assert ratio < 0.8, f"{name}: what held on the validation part holds on the test part"

# %% [markdown]
# ## Summary
#
# - You **built** an autoencoder from two stacks of layers, trained it with `compile` and `fit`, and read its two loss
#   curves. From now on it is `models.Autoencoder`, with `networks.mlp_encoder` and its relatives.
# - You **checked** that a linear autoencoder finds PCA's space and comes within 2 % of its error, but does not find its axes.
# - You **compared** models at equal code size and on held-out images (not used in training): curved ones beat linear ones
#   by at least a fifth.
# - You **measured** codes: one byte for each number is enough, and neighbors in code space mostly share a class.
# - You **explained** why this is not yet a generative model: holes, an arbitrary scale, and no distribution to draw
#   codes from.
#
# ## Common mistakes
#
# - Comparing models of different code size, or on the training part, where a wider code nearly always wins.
# - Fitting PCA, a scaling or any other preparation to all the data before splitting. It has then seen the test images.
# - Choosing the number of neighbors, of epochs or of units by the test error, and then reporting that same error.
# - Reading meaning into one axis of the code, or comparing the codes of two trained models number by number.
# - Using a code as wide as the input. Copying is then a perfect answer, and without noise or a penalty nothing has to be learned.
# - Showing only images decoded from well-chosen codes. Decode random ones before you say "generative".
# - Reporting a mean squared error without saying whether it is a mean or a sum over pixels.
#
# ## Exercises
#
# [Exercises 01](../exercises/01_autoencoders/01_autoencoders.ipynb): PCA as an autoencoder, bytes and bits, a repair,
# and an open challenge.
#
# ## Further reading
#
# - Baldi & Hornik (1989), *Neural networks and principal component analysis*: why the linear case has no bad minima.
# - Hinton & Salakhutdinov (2006), *Reducing the dimensionality of data with neural networks*: deep autoencoders
#   beside PCA.
# - Rifai, Vincent, Muller, Glorot & Bengio (2011), *Contractive auto-encoders*: a penalty on the encoder's slopes.
# - Bengio, Courville & Vincent (2013), *Representation learning: a review and new perspectives*: what a good code is.
# - Ballé, Laparra & Simoncelli (2017), *End-to-end optimized image compression*: learning the code and its bits
#   together.
# - Ghosh, Sajjadi, Vergari, Black & Schölkopf (2020), *From variational to deterministic autoencoders*: fitting a
#   distribution to the codes afterwards, and how far that goes.
