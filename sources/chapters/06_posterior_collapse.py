# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 06. Posterior collapse
#
# You find out whether a VAE uses its latents at all, why it stopped if it does not, and what the usual cures really buy.
#
# **Goals.** After this chapter you can
# - place any VAE in the plane of rate and distortion, and read its ELBO and its beta there;
# - make the posterior collapse on purpose, in two ways, and say which term of the bound asked for it;
# - diagnose a collapse with four numbers that do not all agree, and with one call of the library;
# - compare cures fairly: at equal budget, over seeds, and by what they do to the likelihood;
# - tell a collapse that is a failure of training from one that is the best answer to the question.
#
# **Before you start.** Chapter 03 (the ELBO and its two terms) and chapter 04 (what a loss weighs, log-likelihood with $k$
# samples). From linear algebra: eigenvalues of a covariance.
#
# **Level:** intermediate · **Time:** 75 minutes reading, 2 minutes computing
#
# **Two habits of this chapter.** We threshold the images at a half, so every pixel is 0 or 1 and every likelihood below is a
# probability. The gray values are kept for the last two sections. And we train many models with the same architecture.
# Compiling each of them would take longer than training it. The function `restart` therefore gives a compiled model new weights
# and an empty optimizer, so that nothing is compiled again. (From chapter 08 on, the library's `vae.start_from(fresh)` does this.)

# %%
# vae_course is imported first: it sets TensorFlow's options.
from vae_course import bounds, callbacks, datasets, evaluation, likelihoods, models, plots
from vae_course.networks import mlp_decoder, mlp_encoder
from vae_course.parts import MIN_SCALE

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.neighbors import KNeighborsClassifier

# %%
DATASET = "digits"  # or "mnist", "fashion_mnist", ...
EPOCHS, LEARNING_RATE = 30, 3e-3
LATENT_SIZE = 8
HIDDEN = (64,)
SEEDS = (0, 1, 2)
PLANE = {"xlabel": "rate $R$ (nats)", "ylabel": r"distortion $\mathcal{D}$ (nats)"}
TRAIN_SIZE, EVALUATION_SIZE = 2000, 500  # at most: keeps larger sets to some minutes
keras.utils.set_random_seed(0)
plots.use_style()

# %%
data = datasets.load(DATASET)
gray_train, gray_valid = data.x_train[:TRAIN_SIZE], data.x_valid[:EVALUATION_SIZE]
x_train, x_valid = [(x > 0.5).astype("float32") for x in (gray_train, gray_valid)]
y_train, y_valid = data.y_train[:TRAIN_SIZE], data.y_valid[:EVALUATION_SIZE]  # to judge codes
shape, pixels = x_train.shape[1:], x_train[0].size


def new_networks(seed=0, hidden=HIDDEN):
    keras.utils.set_random_seed(seed)
    encoder = mlp_encoder(shape, 2 * LATENT_SIZE, hidden)
    return encoder, mlp_decoder(LATENT_SIZE, shape, hidden)

# %%
def forget(optimizer):
    """An optimizer as new."""
    for variable in optimizer.variables:
        variable.assign(tf.zeros_like(variable))
    optimizer.learning_rate = LEARNING_RATE


def restart(vae, *fresh):
    """Give the networks of a compiled VAE the weights of `fresh`; clear optimizer and beta."""
    look = getattr(vae.likelihood_part, "look", None)  # the third network of section 3
    own = [vae.encoder, vae.decoder, *([look] if look else [])]
    for network, source in zip(own, fresh, strict=True):
        network.set_weights(source.get_weights())
    forget(vae.optimizer)
    vae.beta = 1.0

# %% [markdown]
# ## 1. What does a VAE pay, and for what?
#
# The bound has two terms, and in this chapter we see them as a price and what it buys. The **rate** $R$ is the KL, on average
# over the examples: how many nats a code carries beyond the prior. The **distortion** $\mathcal D$ is what is
# still missing about the image when the code is known:
#
# $$ R = \mathbb{E}\big[\mathrm{KL}(q_\phi(z|x)\,\|\,p(z))\big], \qquad
#    \mathcal D = -\mathbb{E}\big[\log p_\theta(x|z)\big], \qquad
#    R + \mathcal D = -\mathrm{ELBO}. \tag{6.1} $$
#
# The letter is curly because $D$ is the number of pixels. Every VAE is a point in the plane of $R$ and $\mathcal D$ (Alemi et
# al., 2018). All points with the same ELBO lie on a straight line of slope $-1$. So the ELBO alone cannot say where
# on its line a model sits: it may spend nothing and miss much, or spend much and miss little.
#
# Two extremes have names. At the *auto-decoding* limit the rate is zero: the decoder does all the work, and $z$ is noise. At
# the *auto-encoding* limit the code says everything and the distortion is zero. Not every point of the plane can be reached.
# Treat the training images as all the images there are, each as probable as it is frequent. Their entropy $H$ is at most
# $\log N$, and
#
# $$ H - \mathcal D \;\le\; I_q(x; z) \;\le\; R, \qquad \text{so} \qquad R + \mathcal D \ge H. \tag{6.2} $$
#
# Here $I_q(x; z)$ is the mutual information of image and code: how many nats the code tells about its image. Section 4
# measures it. The left inequality says that a decoder can save only what the code tells it; the right one, that the code costs
# at least what it tells. So no model gets below the line $R + \mathcal D = H$ on the images that define $H$.
#
# <!-- show -->
#
# Which point of the plane does training choose? The loss is $\mathcal D + \beta R$. Where it is smallest, a small step along
# the curve of best models does not change it, so $d\mathcal D / dR = -\beta$: **beta is the exchange rate**. The model buys
# code as long as a nat of rate saves more than $\beta$ nats of distortion.
#
# **Predict.** We train one network with seven betas. The last is `pixels / LATENT_SIZE`; section 2 shows where it comes from.
# Which betas end at the left edge of the plane, and how steep is the curve there?

# %%
_, counts = np.unique(x_train.reshape(len(x_train), -1), axis=0, return_counts=True)
shares = counts / counts.sum()
entropy = -(shares * np.log(shares)).sum()
assert entropy <= np.log(len(x_train)), "the entropy of N images is at most log N: all differ"
different, total = len(counts), len(x_train)
print(f"{total} training images, {different} of them different: H = {entropy:.2f} nats")

betas = (0.03, 0.1, 0.3, 1.0, 2.0, 3.0, pixels / LATENT_SIZE)
vae = models.VAE(*new_networks())
vae.compile(keras.optimizers.Adam(LEARNING_RATE))
points, copies = {}, {}
for beta in betas:
    restart(vae, *new_networks())
    vae.beta = beta
    vae.fit(x_train, epochs=EPOCHS, verbose=0)
    terms = vae(x_train)
    points[beta] = np.mean(terms["kl"]), -np.mean(terms["reconstruction"])  # rate, distortion
    copies[beta] = models.VAE(*new_networks(), beta=beta)  # to examine it later
    copies[beta].set_weights(vae.get_weights())
rates, distortions = np.array(list(points.values())).T
paid = rates + distortions  # -ELBO

# %% tags=["drift"]
assert np.all(np.diff(rates) < 0), "a code that costs more is a smaller one"
assert np.all(np.diff(distortions) > 0), "and more is missing"
assert np.all(paid > entropy), "no model is below the line"
assert paid.argmin() == betas.index(1.0), "beta = 1 has the best ELBO: it is trained for it"
exchange = -np.diff(distortions) / np.diff(rates)  # nats of distortion for a nat of rate
for low, high, slope in zip(betas[:-1], betas[1:], exchange, strict=True):
    assert 0.7 * low < slope < 1.4 * high, "between two betas the slope is between them"
assert exchange[-1] < 0.7 * betas[-1], "the first nat saves less than the last beta asks"

# %% tags=["drift"] mystnb={"image": {"alt": "Distortion against rate: a curve through one point for each beta falls steeply and then flattens. The largest beta is at the left edge, beta = 1 touches the dotted line of the best ELBO, and the dashed line R + D = H lies below all."}}
figure, ax = plt.subplots(figsize=(7, 4))
ax.plot(rates, distortions, marker="o")
for beta, *point in zip(betas, rates, distortions):
    ax.annotate(rf"$\beta$ = {beta:g}", point, xytext=(7, 4), textcoords="offset points")
ax.plot([0, entropy], [entropy, 0], "C3--", label=r"forbidden below: $R + \mathcal{D} = H$")
ax.plot([0, paid.min()], [paid.min(), 0], "C3:", label="best ELBO")
ax.set(**PLANE, xlim=(-0.5, 1.1 * rates.max()), ylim=(0, None))
ax.legend()
plt.show()

# %% [markdown]
# The largest beta ends at the left edge, $R = 0$; the curve is steep there, but less steep than that beta demands. From left
# to right, the curve falls steeply at first and then flattens. The model with $\beta = 1$ touches the dotted line, the best ELBO of
# the seven. The dashed line $R + \mathcal D = H$ lies well below all of them. To reach it, a model would have to know the
# training images by heart and give no probability to new ones, so the distance to it is no fault.
#
# The slope between two neighboring points lies between their two betas, or close to one of them, as the exchange rate
# promised. At the left edge, the slope is what the *first* nat of code would save. If that is less than $\beta$, no code is
# bought at all: the posterior of every image becomes the prior. This is the whole mechanism of **posterior collapse**. The rest
# of the chapter is about who sets the price.
#
# ## 2. Collapse by a wrong price
#
# The commonest question about VAEs on the internet is: "my KL is 4e-7, and all reconstructions look the same." The commonest
# cause is a pair of means. In chapter 04 a cross-entropy was averaged over pixels while the KL was summed. Here both are
# averaged, the KL over the latents. That looks fair, but it is not.
#
# **Predict.** Both terms are divided by something. What is the effective beta?

# %%
def both_means(x, output, mean, log_var):
    """A loss that looks balanced: a mean over everything, plus a mean over everything."""
    cross_entropy = -(x * tf.math.log(output) + (1 - x) * tf.math.log(1 - output))
    kl = 0.5 * (mean**2 + tf.exp(log_var) - 1 - log_var)
    return tf.reduce_mean(cross_entropy) + tf.reduce_mean(kl)


beta = evaluation.effective_beta(both_means, shape=shape, latent_size=LATENT_SIZE)
assert np.isclose(beta, pixels / LATENT_SIZE, rtol=0.02), "pixels / latents: it shrank more"
print(f"effective beta of the two means: {beta:.1f}")

# %% tags=["drift"] mystnb={"image": {"alt": "Three rows of ten digits: the binary images; reconstructions by the model with beta = 1, which follow the images; and those by the model with both means, which are all the same gray blot."}}
honest, means = copies[1.0], copies[betas[-1]]
shown, kl = means.reconstruct(x_valid), points[betas[-1]][0]
assert kl < 0.05, "at an effective beta of pixels / latents no latent pays"
assert shown.std(axis=0).max() < 0.05, "every image has the same reconstruction"
assert np.abs(shown[0] - x_train.mean(axis=0)).mean() < 0.05, "the mean training image"
print(f"KL of the two means: {kl:.1e} nats, or {kl / LATENT_SIZE:.0e} as a mean over latents")
rows = {"image": x_valid, r"$\beta$ = 1": honest.reconstruct(x_valid), "both means": shown}
plots.image_rows({name: images[:10] for name, images in rows.items()})
plt.show()

# %% [markdown]
# It is $\beta = D/d$, the last point of the curve: the sum over $D$ pixels was divided by $D$, but the sum over $d$ latents only
# by $d$. On images of 28 by 28 pixels with two latents that would be 392. The optimizer did nothing wrong: on the
# digits the first nat of code was priced at eight nats, and it saves far less.
#
# <!-- answer -->
#
# The model with the two means turns all ten images into the same gray blot, the mean of the training images. (The middle row
# has the reconstructions by the *honest model*, the one with $\beta = 1$.)
#
# <!-- auto -->
#
# The KL that remains has no meaning: it is on its way
# to zero, and how many zeros you see depends on how long you train. The fix is to sum over pixels and over latents instead of
# averaging (chapter 04).
#
# ## 3. Collapse by a decoder that needs no help
#
# The second way is subtler, because here the bound is right. Let the decoder see the pixels that are already drawn, as a
# writer sees the words already on the page. With the pixels in reading order,
#
# $$ \log p_\theta(x|z) = \sum_{i=1}^{D} \log p_\theta(x_i \,|\, x_1, \dots, x_{i-1}, z). \tag{6.3} $$
#
# This is the chain rule, so the sum is again the logarithm of a probability. Such *autoregressive* decoders, PixelCNN for images
# or recurrent networks for text, are among the best density models there are. Collapse became
# famous with them (Bowman et al., 2016); that variational models switch off latents was known before (MacKay, 2001).
#
# %% mystnb={"image": {"alt": "Diagram: one path leads from x through encoder, code z and decoder to the logit of pixel i. The other leads from the earlier pixels, taken from x by teacher forcing, through a network called 'look' to the same logit."}}
nodes = {"$x$": (0, 0, "observed"), "encoder": (1.5, 0, "network"), "$z$": (3, 0, "variable")}
nodes |= {"decoder": (4.5, 0, "network"), "logit": (6.2, 0, "text", "logit of $x_i$")}
nodes |= {"before": (2.6, -1.3, "observed", "$x_{<i}$"), "look": (4.5, -1.3, "network")}
code = ["$x$", "encoder", "$z$", "decoder", "logit"]
forcing = {"style": "--", "label": "teacher forcing"}
arrows = [("before", "look"), ("look", "logit"), ("$x$", "before", forcing)]
plots.schematic(nodes, [*zip(code, code[1:], strict=False), *arrows], unit=0.85)
plt.show()

# %% [markdown]
# Information can reach each pixel in two ways: through the code, which has a price, or from the earlier pixels, which are free.
#
# We need a network whose output $i$ depends only on the inputs before $i$. Masks do this (Germain et al., 2015). Each hidden unit
# gets a number $m$ and may read the pixels $1$ to $m$. Output $i$ may read the hidden units with $m < i$. All other weights are
# multiplied by zero.

# %%
class MaskedDense(keras.layers.Layer):
    """x @ (kernel * mask) + bias: some connections are cut. mask [inputs, outputs]."""

    def __init__(self, mask):
        super().__init__()
        self.mask, size = tf.constant(mask, tf.float32), mask.shape
        self.kernel = self.add_weight(name="kernel", shape=size, initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=size[1:], initializer="zeros")

    def call(self, x):
        return x @ (self.kernel * self.mask) + self.bias


def new_look(units=768, view=pixels):
    """Images -> logits [batch, *shape]: logit i sees pixels before i; view=4: the last 7."""
    number = np.arange(1, pixels + 1)  # of the pixels
    sees = np.linspace(1, pixels - 1, units).round()  # m: a hidden unit sees pixels 1..m
    image = keras.Input(shape)
    back, gap = sees - number[:, None], number - sees[:, None]
    hidden = MaskedDense((0 <= back) & (back < view))(keras.layers.Flatten()(image))
    logits = MaskedDense((0 < gap) & (gap <= view))(keras.ops.relu(hidden))
    return keras.Model(image, keras.layers.Reshape(shape)(logits))

# %% [markdown]
# Such a decoder should change only one term of the bound, and so it does: only the likelihood changes. The decoder still turns
# $z$ into one logit for each pixel, and `look(x)` adds what the earlier pixels say. The bound asks a likelihood for nothing but
# `log_prob(x)`, so a small class with that one method will do. In training the network is given the true earlier pixels, which
# is known as *teacher forcing*.
#
# The second class makes it a *part* that any VAE of the library takes as its `likelihood`. A part is a Keras layer: it owns `look`,
# and its method `distribution(output)` turns the decoder's output into $p_\theta(x|z)$. We shall need it three times.
#
# A mask that is wrong by one pixel would let the decoder copy the answer, and nothing would crash: the likelihood would only
# look splendid. So we test what equation 6.3 needs: when we change pixel $j$, only the logits after $j$ may change.
#
# **Predict.** Then we train the pixel VAE with $\beta = 1$, the honest ELBO, with the same encoder and the same number of epochs
# as above. The plain VAE spent several nats on its code. What will this one spend? And which has the better ELBO on new images?

# %%
class SeesEarlierPixels:
    """p(x|z) of equation 6.3: the Bernoulli distribution with logits from_code + look(x)."""

    def __init__(self, bernoulli, from_code, look):
        self.bernoulli, self.from_code, self.look = bernoulli, from_code, look

    def log_prob(self, x):
        return self.bernoulli(self.from_code + self.look(x)).log_prob(x)


class PixelByPixel(likelihoods.Bernoulli):
    """Binary pixels; each depends on z and, through `look`, on the pixels before it."""

    def __init__(self, look):
        super().__init__()
        self.look = look

    def distribution(self, output, c=None):
        return SeesEarlierPixels(super().distribution, output, self.look)
# %%
def new_pixel_networks(seed=0):
    return *new_networks(seed), new_look()  # one seed for all three


def new_pixel_vae(model=models.VAE, **options):
    encoder, decoder, look = new_pixel_networks()
    return model(encoder, decoder, likelihood=PixelByPixel(look), **options)


pixel_vae = new_pixel_vae()
look = pixel_vae.likelihood_part.look

# %%
random = np.random.default_rng(0)
noise = random.integers(0, 2, size=(50, *shape)).astype("float32")
for j in (0, pixels // 2, pixels - 2):
    flipped = np.abs(noise - (np.arange(pixels) == j).reshape(shape))
    moved = np.any(look(flipped) != look(noise), axis=0).ravel()
    assert not moved[: j + 1].any(), "pixel j must not reach its own logit, nor an earlier one"
    assert moved[j + 1 :].any(), "but it must reach later ones"
log_w = pixel_vae.log_weights(x_train[:5], k=3)
assert log_w.shape == (3, 5), "several samples of z for each image: the logits broadcast"

# %% tags=["drift"]
pixel_vae.compile(keras.optimizers.Adam(LEARNING_RATE))
pixel_record = pixel_vae.fit(x_train, epochs=EPOCHS, verbose=0).history
log_p = {}
for name, model in (("plain", honest), ("pixel by pixel", pixel_vae)):
    terms = model(x_valid)
    log_p[name] = evaluation.log_likelihood(model, x_valid, k=50)
    print(f"{name:14s} rate {np.mean(terms['kl']):5.2f}, ELBO {np.mean(terms['elbo']):7.2f}, "
          f"log p(x) {log_p[name].mean:7.2f} nats")  # fmt: skip
gain = log_p["pixel by pixel"].per_example - log_p["plain"].per_example
error = gain.std() / np.sqrt(len(x_valid))
assert gain.mean() > 3 * error, "the likelihood is better, though z is hardly used"
rate = pixel_record["kl"][-1]
assert rate < 0.7 * points[1.0][0], "a decoder that sees pixels buys less code"
assert DATASET != "digits" or rate < 0.15, "on the digits it buys next to none"

# %% [markdown]
# On the digits the rate is a few hundredths of a nat, and the ELBO and the log-likelihood are *better* than the plain VAE's. The
# two facts go together. Collapse is about the use of $z$ and not about likelihood, and a good likelihood is no sign of a good
# code.
#
# How does this model generate? Drawing an image now takes one step for each pixel. There are two sources of chance, the code
# $z$ and the random numbers that turn probabilities into pixels, and we can hold either of them fixed.

# %%
def draw(vae, z, uniform):
    """Images, pixel by pixel: codes z [n, latent_size], random numbers uniform [n, pixels]."""
    from_code, look = vae.decoder(z), vae.likelihood_part.look
    x = np.zeros((len(z), pixels), "float32")
    for i in range(pixels):
        logits = np.reshape(from_code + look(x.reshape(-1, *shape)), x.shape)
        x[:, i] = uniform[:, i] < tf.sigmoid(logits[:, i]).numpy()
    return x.reshape(-1, *shape)

# %% tags=["drift"]
codes, others = random.normal(size=(2, 100, LATENT_SIZE)).astype("float32")
chance, other_chance = random.uniform(size=(2, 100, pixels))


def exchange(vae):
    """Shows samples, and says how many pixels another code changes, and other chance."""
    rows = {"a sample": draw(vae, codes, chance), "another code": draw(vae, others, chance)}
    rows["other chance"] = draw(vae, codes, other_chance)
    plots.image_rows({name: images[:10] for name, images in rows.items()})
    first, *changed = rows.values()
    return [np.mean(first != images) for images in changed]


by_code, by_chance = exchange(pixel_vae)
print(f"pixels changed by another code: {by_code:.1%}, by other chance: {by_chance:.1%}")
assert by_code < 0.6 * by_chance or DATASET != "digits", "another code changes few pixels"
plt.show()

# %% [markdown]
# In the first row are ten samples. With another code and the same random numbers (second row), most pictures hardly change; with
# the same codes and other random numbers (third row), all of them do. The samples are crisp, since strokes are continued and not
# averaged. But $z$ hardly steers them: the model has become a density model with a latent that does nothing.
#
# Is this a failure of training? By the bound, nothing is wrong. Each nat of information in $z$ costs a nat, while what the
# earlier pixels tell is free. A code pays only if it says something about the image that the pixels cannot say in time, and if
# the gain exceeds what an imperfect posterior loses (Chen et al., 2017). On MNIST, with this small network and few images, the
# code still pays, and the rate is several nats.
#
# ## 4. How do you diagnose it?
#
# Four measurements are in use. We build each in a line or two and apply them to four models: the honest VAE, the one with
# $\beta = 0.1$, the two means, and the pixel VAE.
#
# **KL of each latent** (chapter 03). A total of three nats may come from eight latents at work or from one. **Active units**
# (chapter 04) count the latents whose posterior mean has a variance above 0.01 over the data. **Mutual information** asks how much
# the code tells about the image. **Aggregate posterior against prior** asks whether the codes of all images together fill the
# prior.
#
# The last two are the two parts of one number. With $q_\phi(z) = \frac1N \sum_n q_\phi(z|x_n)$ the rate splits (Hoffman and Johnson, 2016):
#
# $$ R = \underbrace{\mathbb{E}\Big[\log \frac{q_\phi(z|x)}{q_\phi(z)}\Big]}_{I_q(x;\, z)}
#      + \underbrace{\mathbb{E}\Big[\log \frac{q_\phi(z)}{p(z)}\Big]}_{\mathrm{KL}(q_\phi(z)\,\|\,p(z))}. \tag{6.4} $$
#
# The first part is information about *this* image. The second is a mismatch that all images share: rate without information.
# So a rate that is not zero proves nothing yet. To estimate both parts by hand, we draw a code for each of $n$ images, and
# evaluate every code under every posterior.
#
# A ceiling is built in: $q_\phi(z)$ contains the image's own posterior with a share of $1/n$, so the ratio is never above $n$ and
# the estimate never above $\log n$. With 1000 images that is 6.9 nats. What a value near $\log n$ tells you depends on **which
# $q_\phi(z)$ you mean**:
#
# - The mixture over the $N$ training images, as in equation 6.4. Its information is at most $H$ (equation 6.2). A mixture over
#   $n$ of them is nowhere denser than $N/n$ times the mixture over all, so the estimate falls short by at most $\log(N/n)$, up
#   to the noise of the draws. On the digits that is $\log(1197/1000) = 0.18$
#   nats. A value at the ceiling is then a measurement: the codes are an index of the training set.
# - The mixture over all images that the source of the data could produce. Then the estimate only says
#   "at least so much" of the information, and of the other part of the rate, being the remainder, "at most so much".
#
# This section uses the first meaning.
#
# **Predict.** Which of the four models will hit that ceiling?

# %%
def surgery(model, x):
    """Rate, mutual information and KL(q(z) || p(z)) of equation 6.4, in nats."""
    q = model.posterior(x)
    z = q.sample(seed=(0, 0))  # [n, latent_size]
    pairs = q.log_prob(z[:, None, :]).numpy()  # [n, n]: code i under the posterior of image m
    aggregate = np.logaddexp.reduce(pairs, axis=1) - np.log(len(x))
    information = np.mean(pairs.diagonal() - aggregate)  # code i under its own posterior
    rate = np.mean(bounds.kl(q, model.prior()))
    return rate, information, rate - information

# %% tags=["drift"]
four = {"beta 1": honest, "beta 0.1": copies[0.1], "both means": means}
four["pixel by pixel"] = pixel_vae
examples, found = x_train[:1000], {}
print(f"{'nats':16s}{'rate':>7s}{'information':>13s}{'mismatch':>10s}{'active':>8s}")
for name, model in four.items():
    rate, information, mismatch = found[name] = surgery(model, examples)
    active = evaluation.active_units(model, examples).count
    print(f"{name:16s}{rate:7.2f}{information:13.2f}{mismatch:10.2f}{active:5d}/{LATENT_SIZE}")
    assert information <= np.log(len(examples)) + 1e-4, "the estimate cannot exceed log n"
    assert -0.2 < mismatch, "a KL is not negative (its estimate may be, by its noise)"
ceiling = np.log(len(examples))
assert found["beta 0.1"][1] > 0.9 * ceiling, "every image has a code of its own"
assert found["beta 0.1"][2] > found["beta 1"][2] + 2, "a cheap code leaves the prior behind"
assert found["both means"][1] < 0.05, "one code for all images tells nothing"

# %% tags=["drift"] mystnb={"image": {"alt": "Four bar charts of the KL of each latent, the largest first, on a logarithmic axis. At beta 1 and 0.1 the latents share the work; with both means, and pixel by pixel, every latent is far below them."}}
figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), sharey=True)
for ax, (name, model) in zip(axes, four.items(), strict=True):
    per_latent = np.sort(evaluation.kl_per_dimension(model, examples))[::-1]
    same = np.isclose(per_latent.sum(), found[name][0], rtol=1e-2, atol=1e-3)
    assert same, "the KLs of the latents add up to the rate"
    ax.bar(range(1, LATENT_SIZE + 1), per_latent, color=plots.COLORS[0])
    ax.set(title=name, xlabel="latent, largest first", yscale="log", ylim=(1e-6, 10))
axes[0].set_ylabel("KL (nats)")
plt.show()

# %% [markdown]
# The model with $\beta = 0.1$ does: its information is at the ceiling, and cannot exceed $H$. So the rest of its rate, on the
# digits about 11 nats, is mismatch with the prior: the codes of different images lie far apart, where the prior has little mass.
# The honest model's rate is mostly information. On the digits both collapsed models have next to none.
#
# Now compare information and active units for the pixel VAE. On the digits the count may still call some latents active, although
# all of them together tell next to nothing. The threshold of 0.01 is only a convention. A posterior mean that wanders by 0.2
# while the posterior is one unit wide is counted, and tells almost nothing. **Do not diagnose by the count alone.**
#
# The figure shows the KL of each latent, the largest first, on a logarithmic axis. At $\beta = 1$ the latents share the work, from
# about one nat down to a few tenths; at $\beta = 0.1$ each costs about two nats. In the pixel VAE each has a hundredth of a nat or
# about half of that, and with the two means far less again. In both collapsed models no latent stands out.
#
# The fourth measurement can be drawn. Take the two latents with the largest KL, draw one code for each image, and compare the
# cloud with the prior.

# %% tags=["drift"] mystnb={"image": {"alt": "Four scatter plots of codes along the two busiest latents, with a dashed circle that holds 95 % of the prior. Most codes lie inside the circle; with beta = 0.1 many lie outside."}}
angle, radius = np.linspace(0, 2 * np.pi, 100), np.sqrt(-2 * np.log(0.05))
circle = radius * np.cos(angle), radius * np.sin(angle)  # holds 95 % of a standard normal
figure, axes = plt.subplots(1, 4, figsize=(10, 2.9), sharex=True, sharey=True)
outside = {}
for ax, (name, model) in zip(axes, four.items(), strict=True):
    busiest = np.argsort(evaluation.kl_per_dimension(model, examples))[-2:]
    z = model.posterior(examples).sample(seed=(0, 1)).numpy()[:, busiest]
    outside[name] = np.mean(np.linalg.norm(z, axis=1) > radius)
    ax.scatter(*z.T, s=4, alpha=0.5, linewidths=0, color=plots.COLORS[0])
    ax.plot(*circle, "--", color=plots.COLORS[3], label="95 % of the prior")
    ax.set(xlabel="busiest latent", aspect="equal")
    ax.set_title(f"{name}\n{outside[name]:.0%} outside")
axes[0].set(ylabel="second busiest", xlim=(-5, 5), ylim=(-5, 5))
axes[0].legend(loc="lower center")
assert abs(outside["both means"] - 0.05) < 0.04, "a collapsed posterior is the prior"
assert outside["beta 0.1"] > 0.1, "a cheap code spreads beyond the prior"
plt.show()

# %% [markdown]
# The two collapsed models fill the dashed circle, which holds 95 % of the prior, just as the prior does: their aggregate
# posterior *is* the prior. With $\beta = 0.1$ many codes lie outside, so drawing from the prior misses them. A perfect match of
# aggregate posterior and prior is good only if the codes also carry information.
#
# ### One call
#
# From now on `evaluation.diagnose(model, x)` makes all these measurements, and one more that needs no theory. It gives
# every image the code of *another* image and measures how much worse the reconstruction becomes. If the exchange costs nothing,
# the decoder does not read the codes. The call works on every VAE of the course, since it needs only the three distributions:
# posterior, likelihood and prior.

# %% tags=["drift"]
reports = {name: evaluation.diagnose(model, examples) for name, model in four.items()}
for name, report in reports.items():
    measured = report.rate, report.mutual_information
    close = np.isclose(measured, found[name][:2], rtol=(1e-3, 0.05), atol=(1e-3, 0.05))
    assert close.all(), "the library's rate and information are those built by hand"
collapsed, healthy = reports["both means"], reports["beta 1"]
assert collapsed.verdict == "collapsed", "one code for all images"
assert healthy.verdict == "healthy", "every latent works"
assert collapsed.swap_cost < 0.05 < 2 < healthy.swap_cost, "who reads codes notices an exchange"
partly = evaluation.diagnose(copies[3.0], examples)
assert partly.rate < 0.7 * healthy.rate, "at three nats a nat it buys less"
uneven = partly.kl_per_latent.max() > 5 * partly.kl_per_latent.min()
assert uneven or DATASET != "digits", "some cost next to nothing, others work"
print(healthy, reports["pixel by pixel"], partly, sep="\n\n")

# %% [markdown]
# The first two reports say in words what the table said in numbers. The third is on the model with $\beta = 3$, and has a verdict
# between "healthy" and "collapsed".
#
# In our run one of its latents is switched off (the variance of its mean is below the threshold), four more cost about a hundredth of a nat each, and two
# of the eight carry three quarters of the rate. This is frequent and often harmless: the model has decided how many latents it can use.
# Section 6 shows a case in which that decision can be proved right.
#
# ## 5. Which cure helps?
#
# We try six cures on the pixel VAE, because its collapse does not come from a wrong sum.
#
# 1. **Linear annealing** (Bowman et al., 2016): $\beta$ rises from 0 to 1 during training, so that the code is established
#    before it costs anything.
# 2. **Cyclical annealing** (Fu et al., 2019): the same, again and again.
# 3. **Free bits** (Kingma et al., 2016): the first $\lambda$ nats of each latent cost nothing.
# 4. **Beta below 1**: the code is cheaper, from the first epoch to the last.
# 5. **More encoder steps** (after He et al., 2019): at the start the encoder lags behind the decoder, which learns to do without
#    it. So the encoder takes several steps for each step of the decoder.
#
# 6. **A limited view** (Chen et al., 2017): the decoder sees the last seven pixels only, and must ask the code for the rest.
#
# A relative of the last one, *word dropout*, hides a random part of what the decoder sees (Bowman et al., 2016).
# [Chapter 16](16_sequences.ipynb) measures it on text: in five epochs, over three seeds, the code keeps about one nat, at the price of
# a quarter to half a nat of likelihood.
# Another cure, the **learned decoder variance**, needs a likelihood with a variance; it has its own section below.
#
# ### Schedules, and a trap
#
# A schedule is a function from the epoch to $\beta$, and a short callback applies it.

# %%
def linear(epoch, warm_up=EPOCHS // 2):
    return min(1.0, epoch / warm_up)


def cyclical(epoch, period=EPOCHS // 3, ramp=0.5):
    return min(1.0, epoch % period / (ramp * period))  # up in half a period, then flat


class Schedule(keras.callbacks.Callback):
    """Sets an attribute of the model at the start of each epoch."""

    def __init__(self, schedule, name="beta"):
        super().__init__()
        self.schedule, self.name = schedule, name

    def on_epoch_begin(self, epoch, logs=None):
        setattr(self.model, self.name, self.schedule(epoch))


theirs = callbacks.linear(EPOCHS // 2), callbacks.cyclical(EPOCHS // 3)
for epoch in range(EPOCHS):
    ours = linear(epoch), cyclical(epoch)
    same = np.allclose(ours, [schedule(epoch) for schedule in theirs])
    assert same, "the library's schedules are the same"

# %% [markdown]
# In the library they are `callbacks.linear(warm_up)` and `callbacks.cyclical(period)`, and the callback is
# `callbacks.BetaScheduler`. Why does it not simply set a Python attribute that the loss uses, as in `self.model.weight = 0.5`?
#
# **Predict.** Keras compiles the training step once, in the first step of a `fit`. The class below adds `extra` times the KL to
# the loss. A callback sets `extra` to 0 for the first epoch and to 50 for the second. What will a nat of KL cost in each?

# %%
class FrozenVAE(models.VAE):
    extra = 0.0  # a plain Python number

    def objective(self, terms):
        return super().objective(terms) - self.extra * terms["kl"]


def prices(vae, schedule):
    """The price of a nat of KL in each of two epochs."""
    record = vae.fit(x_train, epochs=2, callbacks=[schedule], verbose=0).history
    loss, reconstruction, kl = [np.array(record[n]) for n in ("loss", "reconstruction", "kl")]
    return (loss + reconstruction) / kl  # loss = -reconstruction + price * kl

# %%
frozen = FrozenVAE(*new_networks())
frozen.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
ignored = prices(frozen, Schedule(lambda epoch: 50.0 * epoch, name="extra"))
assert np.allclose(ignored, 1, rtol=1e-3), "extra = 50 was ignored: the compiled step keeps 0"
frozen.extra = 0.0
obeyed = prices(frozen, Schedule(lambda epoch: 1.0 + 4.0 * epoch))  # beta: 1, then 5
assert np.allclose(obeyed, (1, 5), rtol=1e-3), "beta was obeyed: it is a weight of the model"
print("price of a nat of KL with extra:", ignored.round(2), "and with beta:", obeyed.round(2))

# %% [markdown]
# One nat in both: the assignment `extra = 50` raised no error and had no effect. Many annealed VAEs on the internet were never
# annealed. Whatever is to change between steps must be a *variable*: in the library `beta` and `free_bits` are non-trainable
# weights. (Between two calls of `fit`, the library's models notice that an attribute was set, and compile again. Plain Keras does
# not notice even then.)
#
# A second trap comes with annealing. While $\beta$ moves, the losses of different epochs measure different things, and an early
# `val_loss` looks good because the KL was cheap. `EarlyStopping(monitor="val_elbo", mode="max")` watches a quantity that means the
# same in every epoch.
#
# ### Free bits
#
# Each latent pays only for what is above $\lambda$ nats. The mean over the batch comes before the maximum, so the allowance holds
# on average and not for every image:
#
# $$ \text{paid KL} = \sum_{j=1}^d \max\Big(\lambda,\; \frac1B \sum_{n=1}^{B} \mathrm{KL}\big(q_\phi(z_j|x_n)\,\|\,p(z_j)\big)\Big). \tag{6.5} $$
#
# Below $\lambda$ the maximum is a constant: no gradient pushes the latent down. The library has `models.FreeBitsVAE`.
#
# ### More encoder steps
#
# Before each joint step the encoder alone takes four, each on a fresh batch. A Keras model says in `train_step` what a step is, so
# that is where they go. We must count them in the budget: one such step costs about as much as five ordinary ones.
#
# The first of the next three cells holds equation 6.5 against the library; the second has the step; the third makes the models.

# %%
def paid_kl(kl_per_latent, free_bits):
    """Equation 6.5: the KL of each latent [batch, latent_size] -> what is paid, in nats."""
    return np.maximum(kl_per_latent.mean(axis=0), free_bits).sum()


per_latent = bounds.kl_per_latent(pixel_vae.posterior(x_train[:32]), pixel_vae.prior()).numpy()
for free_bits in (0.0, 0.25, 1.0):
    vae = models.FreeBitsVAE(pixel_vae.encoder, pixel_vae.decoder, free_bits=free_bits)
    paid, ours = np.mean(vae(x_train[:32])["paid_kl"]), paid_kl(per_latent, free_bits)
    assert np.isclose(paid, ours, rtol=1e-3), "equation 6.5"
assert np.isclose(paid_kl(per_latent, 0.0), per_latent.sum() / 32), "nothing free: all paid"

# %%
class EncoderFirst(models.VAE):
    """Four steps of the encoder alone, then one of the whole model."""

    def train_step(self, data):
        for _ in range(4):
            rows = tf.random.uniform([32], 0, len(images), tf.int32)
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(self(tf.gather(images, rows))["elbo"])
            self.encoder_optimizer.apply(tape.gradient(loss, self.encoder.trainable_variables))
        return super().train_step(data)

# %%
images = tf.constant(x_train)
free_vae = new_pixel_vae(models.FreeBitsVAE, free_bits=0.25)
first_vae = new_pixel_vae(EncoderFirst)
first_vae.encoder_optimizer = keras.optimizers.Adam(LEARNING_RATE)
first_vae.encoder_optimizer.build(first_vae.encoder.trainable_variables)
encoder, decoder, _ = new_pixel_networks()
narrow_vae = models.VAE(encoder, decoder, likelihood=PixelByPixel(new_look(view=4)))
for model in (free_vae, first_vae, narrow_vae):  # for few steps XLA would not pay
    model.compile(keras.optimizers.Adam(LEARNING_RATE), jit_compile=False)

# %% [markdown]
# ### The trial
#
# We fixed the rules beforehand: the same networks, the same three seeds for all, and the same budget of 30 epochs of gradient
# steps. The cure by encoder steps takes its four extra steps at the start only: 3 epochs in which every step counts as five, then
# 15 ordinary epochs. (He et al. train the encoder much longer before each step of the decoder, so ours is a weaker treatment.) As
# a control, one model is not treated at all. We look at validation images.
#
# **Predict.** Which cures will raise the rate? Which will raise the log-likelihood?

# %%
def read_digits(vae):
    """Share of validation images whose five nearest training codes vote for the right class."""
    neighbors = KNeighborsClassifier(5).fit(vae.encode(x_train), y_train)
    return neighbors.score(vae.encode(x_valid), y_valid)


def score(vae, rates):
    """What the trial looks at: on validation images, in nats."""
    terms = [vae(x_valid) for _ in range(3)]  # three codes for each image
    return {
        "rate": np.mean([term["kl"] for term in terms]),
        "information": surgery(vae, examples)[1],
        "distortion": -np.mean([term["reconstruction"] for term in terms]),
        "log p(x)": evaluation.log_likelihood(vae, x_valid, k=50).mean,
        "accuracy": read_digits(vae),
        "rates": rates,
    }

# %%
def treated(vae, beta_of=lambda epoch: 1.0):
    """For each seed a fresh start, EPOCHS epochs under a schedule of beta, and the score."""
    scores, schedule = [], callbacks.BetaScheduler(beta_of)
    for seed in SEEDS:
        restart(vae, *new_pixel_networks(seed))
        record = vae.fit(x_train, epochs=EPOCHS, callbacks=[schedule], verbose=0)
        scores.append(score(vae, record.history["kl"]))
    return scores

# %%
trial = {
    "untreated": treated(pixel_vae),
    "linear annealing": treated(pixel_vae, linear),
    "cyclical annealing": treated(pixel_vae, cyclical),
    "free bits 0.25": treated(free_vae),
    "beta 0.5": treated(pixel_vae, lambda epoch: 0.5),
    "limited view": treated(narrow_vae),
}
free_vae.free_bits = 0.5  # between two fits of a compiled model
trial |= {"free bits 0.5": treated(free_vae), "encoder steps": []}
for seed in SEEDS:
    restart(first_vae, *new_pixel_networks(seed))
    forget(first_vae.encoder_optimizer)
    early = first_vae.fit(x_train, epochs=EPOCHS // 10, verbose=0).history
    restart(pixel_vae, first_vae.encoder, first_vae.decoder, first_vae.likelihood_part.look)
    late = pixel_vae.fit(x_train, epochs=EPOCHS // 2, verbose=0).history
    trial["encoder steps"].append(score(pixel_vae, early["kl"] + late["kl"]))

# %% tags=["drift"]
columns, results = ("rate", "information", "distortion", "log p(x)", "accuracy"), {}
print(f"{'mean (and range over three seeds)':34s}" + "".join(f"{c:>16s}" for c in columns))
for name, runs in trial.items():
    results[name] = {c: np.array([run[c] for run in runs]) for c in columns}
    row = [f"{v.mean():8.2f} ({np.ptp(v):5.2f})" for v in results[name].values()]
    print(f"{name:34s}" + "".join(row))
accuracy, likelihood = read_digits(honest), log_p["plain"].mean
print(f"the plain VAE of section 1: accuracy {accuracy:.2f}, log p(x) {likelihood:.2f}")

# %% tags=["drift"]
rates, paid, better = {}, {}, {}
for name, result in results.items():
    rates[name], paid[name] = result["rate"], result["rate"] + result["distortion"]
    better[name] = np.mean(result["log p(x)"] - results["untreated"]["log p(x)"])
free, untreated = rates["free bits 0.5"], rates["untreated"]
spread = max(np.ptp(result["log p(x)"]) for result in results.values())
annealed = ["linear annealing", "cyclical annealing"]
raised = [*annealed, "beta 0.5", "limited view"]
if DATASET == "digits":  # where nothing has collapsed, free bits have little to do
    raised += ["free bits 0.5", "free bits 0.25"]
    assert max(better.values()) < spread, "no cure improves the likelihood beyond the seeds"
    assert free.min() > rates["free bits 0.25"].max() + 0.5, "free_bits is obeyed"
    assert rates["encoder steps"].min() > untreated.max(), "encoder steps help, by a little"
    for name in (*annealed, "free bits 0.25"):
        assert better[name] > -0.3, f"{name}: the likelihood stays about where it was"
        assert paid[name].mean() > paid["untreated"].max(), f"{name}: and the ELBO falls"
    for run in trial["linear annealing"]:
        assert run["rates"][-1] < run["rates"][-5], "after annealing the rate is still falling"
for name in raised[:3] if DATASET != "digits" else raised:
    assert rates[name].min() > untreated.max() + 0.5, f"{name}: the rate rises, in every seed"
for name in ("beta 0.5", "limited view"):
    assert better[name] < -spread, f"{name} pays with likelihood, more than the seeds differ"

# %% tags=["drift"] mystnb={"image": {"alt": "Left: the rate against the epoch, one line for each cure. Right: where the three runs of each end in the plane of rate and distortion, with dotted lines of equal ELBO. The untreated runs and the encoder steps stay at the left edge."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
for index, (name, runs) in enumerate(trial.items()):
    style = {"color": plots.COLORS[index], "marker": plots.MARKERS[index], "label": name}
    course = runs[0]["rates"]
    left.plot(range(1, len(course) + 1), course, markevery=4, markersize=4, **style)
    right.plot(results[name]["rate"], results[name]["distortion"], linestyle="none", **style)
best, ends = np.min(list(paid.values())), np.array([0, np.max(list(rates.values()))])
for extra in (0, 1, 2):
    right.plot(ends, best + extra - ends, ":", color="gray", zorder=0)
left.set(xlabel="epoch", ylabel="rate in training (nats, symlog)", yscale="symlog")
left.set_yticks([0, 1, 3, 10, 30], ["0", "1", "3", "10", "30"])
right.set(**PLANE)
figure.legend(*left.get_legend_handles_labels(), loc="outside right center")
plt.show()

# %% [markdown]
# On the digits, the first four kinds of cure raise the rate, in every seed and far beyond the differences between seeds; *none* of
# them improves the log-likelihood by more than the seeds differ. The left panel follows the rate during training with the first
# seed. The right panel shows where each of the three runs ends in the plane, with dotted lines of equal ELBO one nat apart. On the
# digits the untreated runs sit at the left edge; annealing and free bits move a few nats along almost the same line; beta 0.5 moves
# furthest and off the line; the encoder steps stay near the left edge.
#
# So on the digits these four kinds do what they promise. With annealing and free bits the log-likelihood stays about
# where it was, and the ELBO falls by 0.3 to 0.7 nats, because a code that is used must be inferred, and the posterior is not
# exact. With $\beta = 0.5$ the log-likelihood falls clearly. Four extra encoder steps help less here: the rate is a few times
# larger, and still only a quarter of a nat; the accuracy rises to 0.71.
#
# Look at the left panel once more. The annealed rates are still falling in the last epoch, since from the moment when $\beta = 1$
# the loss is that of the untreated model. Annealing postpones the fall of the rate. Free bits hold the rate up, and you choose how
# high: twice the allowance brings nearly twice the rate.
#
# The limited view works differently: the code comes back without any treatment, because the decoder has to ask for what it no
# longer sees. Its code has the highest accuracy in the table (0.89; the next is the 0.85 of free bits 0.5, so the lead is hardly
# larger than the differences between seeds), and it costs more than a nat of likelihood.
#
# So which one is best? It depends on what the model is for. For a *density*, the untreated model is as good as any. For a *code*,
# look at the last column: from the untreated model's codes, five neighbors read the right digit in about 0.58 of the cases, and
# from those of annealing or free bits in 0.81 to 0.85, for a tenth of a nat of likelihood or less (three seeds, 30 epochs). The
# plain VAE of section 1 (one seed) reaches 0.89, but its likelihood is more than a nat worse. So annealing and free bits keep most
# of the code *and* what the strong decoder brought. A report that shows a higher KL and calls it an improvement has not said
# which of the two it was after.
#
# **Predict.** We draw from the model with free bits 0.5 (third seed), with the codes and random numbers of section 3. What will
# another code change now, and what will other chance?

# %% tags=["drift"] mystnb={"image": {"alt": "Three rows of ten digits: a sample, the same with another code, and the same with other chance. Another code gives nearly always a new picture; with other chance many pictures keep their outline."}}
steered, left_to_chance = exchange(free_vae)
print(f"pixels changed by another code: {steered:.1%}, by other chance: {left_to_chance:.1%}")
assert steered > 1.5 * by_code or DATASET != "digits", "the code steers what is drawn"
plt.show()

# %% [markdown]
# The two have changed places. Another code now changes 20% of the pixels, where it changed 7% in the untreated model; other chance
# changes 16%, down from 25% (one seed, 100 drawings). In the second row nearly every picture is a new one. In the third row many
# keep their outline, and chance decides the details. So this code can be used to steer what is drawn. It does not decide alone,
# and in some columns the same code gives two different digits.
#
# These are three seeds, one data set and one decoder. He et al. (2019) report a clear success of encoder steps on text with
# recurrent decoders. On MNIST the same model does not collapse at all. Trust the protocol more than the ranking.
#
# ### The learned decoder variance
#
# With Gaussian noise, $\sigma^2$ sets the price of the code (chapter 04: $\sigma^2$ is a beta in disguise). With $\sigma = 1$,
# which a squared error silently assumes, the digits' codes are too expensive. `likelihoods.Gaussian("learned")` lets the
# bound find the price.

# %% tags=["drift"]
gray = {}
for name, scale in (("sigma 1", 1.0), ("learned sigma", "learned")):
    model = models.VAE(*new_networks(), likelihood=likelihoods.Gaussian(scale))
    model.compile(keras.optimizers.Adam(LEARNING_RATE))
    first_weights, gray[name] = model.get_weights(), []
    for seed in SEEDS:
        model.set_weights(first_weights)  # the learned scale starts at 1 again
        restart(model, *new_networks(seed))
        model.fit(gray_train, epochs=EPOCHS, verbose=0)
        gray[name].append(evaluation.diagnose(model, gray_valid))
    found_rates = np.array([report.rate for report in gray[name]])
    elbos = -found_rates - [report.distortion for report in gray[name]]
    print(f"{name:14s} rate {found_rates.round(2)} nats, ELBO {elbos.round(1)} nats")
for collapsed, woken in zip(*gray.values(), strict=True):
    assert woken.rate > collapsed.rate + 2, "at the learned scale the code pays"
    lost = collapsed.rate + collapsed.distortion
    assert lost > woken.rate + woken.distortion + 10, "and the bound is far better"
gray["sigma 1"][0]

# %% [markdown]
# This cure differs from the six: it raises the rate *and* the ELBO, on every seed, because the model was wrong and now
# is not. It is the first thing to try with a Gaussian likelihood, but it is not available for binary pixels.
#
# The report of the collapsed model ends with a sentence about directions and $\sigma^2$. Where does it come from?
#
# ## 6. When is collapse the right answer?
#
# To be sure that training is not to blame, take a case that needs none. Let encoder and decoder be linear, with Gaussian noise.
# Then the evidence is known exactly, the true posterior is a normal distribution, and the best parameters of all can be written
# down: this is *probabilistic PCA* (Tipping and Bishop, 1999).
#
# Let $\lambda_1 \ge \lambda_2 \ge \dots$ be the eigenvalues of the data's covariance. At the best parameters, column $w_j$ of the
# decoder points along the eigenvector $u_j$ of $\lambda_j$, and its squared length is
#
# $$ \lVert w_j \rVert^2 = \max(\lambda_j - \sigma^2,\, 0), \qquad
#    q(z_j|x) = N\Big(\tfrac{\lVert w_j \rVert}{\lambda_j}\, u_j^\top (x - \bar x),\; \tfrac{\sigma^2}{\lambda_j}\Big)
#    \ \text{ where } \lambda_j > \sigma^2. \tag{6.6} $$
#
# If $\lambda_j \le \sigma^2$, the column is zero, the decoder ignores $z_j$, and its true posterior is the prior. That latent has
# collapsed, at the *global* maximum of the likelihood.
#
# To see why, let one column grow from zero along a direction of variance $\lambda$. The log-likelihood of an example changes, on
# average, by
#
# $$ \Delta(a) = -\tfrac12 \log\Big(1 + \frac{a^2}{\sigma^2}\Big)
#    + \frac{\lambda}{2} \Big(\frac{1}{\sigma^2} - \frac{1}{\sigma^2 + a^2}\Big), \qquad a = \lVert w \rVert. \tag{6.7} $$
#
# **Predict.** For which $\lambda / \sigma^2$ does this rise at all?

# %% mystnb={"image": {"alt": "The change of the log-likelihood against the length of the column, for four ratios of lambda to sigma squared. For 4 and 2 the curves rise to a peak and fall again; for 1 and 0.5 they fall from the start."}}
lengths = np.linspace(0, 3, 301)  # a, in units of sigma
figure, ax = plt.subplots(figsize=(7, 3))
for index, ratio in enumerate((0.5, 1.0, 2.0, 4.0)):
    change = -0.5 * np.log(1 + lengths**2) + ratio / 2 * (1 - 1 / (1 + lengths**2))
    best = lengths[change.argmax()]
    assert np.isclose(best**2, max(ratio - 1, 0), atol=0.02), "it is max(lambda - sigma^2, 0)"
    style = {"color": plots.COLORS[index], "marker": plots.MARKERS[index], "markevery": 50}
    ax.plot(lengths, change, label=rf"$\lambda / \sigma^2$ = {ratio:g}", **style)
ax.axhline(0, color="gray", linewidth=0.8)
ax.set(xlabel=r"length of the column, $a / \sigma$", ylim=(-1, 1))
ax.set_ylabel("change of log-likelihood (nats)")
ax.legend()
plt.show()

# %% [markdown]
# Only for ratios above 1. For $\lambda = 4\sigma^2$ and $2\sigma^2$ the curves rise to a peak and fall again.
# For $\lambda = \sigma^2$ and less they fall from the start: the best column has length zero. No local optimum, no bad start and no
# lagging encoder is involved. Using that latent would make the data *less* likely.
#
# Now put the optimum into `models.VAE` by hand, with networks of a single linear layer, and ask whether its bound reaches the exact
# evidence. We take four values of $\sigma$. The first three put $\sigma^2$ above all eigenvalues, in the widest gap among the
# first eight (the largest ratio of neighbors), and just below the eighth; the fourth makes the data most likely.

# %%
flat = gray_train.reshape(len(gray_train), -1).astype("float64")
center, covariance = flat.mean(axis=0), np.cov(flat.T, bias=True)
variances, directions = [part[..., ::-1] for part in np.linalg.eigh(covariance)]


def best_linear_vae(sigma):
    """The linear VAE at its optimum (equation 6.6), and its columns [pixels, latent_size]."""
    lengths = np.sqrt(np.maximum(variances[:LATENT_SIZE] - sigma**2, 0))
    columns = lengths * directions[:, :LATENT_SIZE]
    total = sigma**2 + (columns**2).sum(axis=0)  # variance of the model along each column
    raw = tfp.math.softplus_inverse(sigma / np.sqrt(total) - MIN_SCALE).numpy()
    vae = models.VAE(*new_networks(hidden=()), likelihood=likelihoods.Gaussian(sigma))
    kernel = np.hstack([columns / total, 0 * columns])
    vae.encoder.set_weights([kernel, np.concatenate([-center @ columns / total, raw])])
    vae.decoder.set_weights([columns.T, center])
    return vae, columns


def evidence(columns, sigma):
    """Exact mean log p(x) on the training images: normal, covariance W W^T + sigma^2 I."""
    root = np.linalg.cholesky(columns @ columns.T + sigma**2 * np.eye(pixels))
    return tfp.distributions.MultivariateNormalTriL(center, root).log_prob(flat).numpy().mean()

# %% tags=["drift"]
first = variances[:LATENT_SIZE]  # the largest
gap = int(np.argmax(first[:-1] / first[1:])) + 1  # so many above the widest gap
sigmas = {
    "above all": np.sqrt(1.5 * first[0]),
    "in the gap": (first[gap - 1] * first[gap]) ** 0.25,
    "below eight": np.sqrt(first[-1]) * 0.9,
    "most likely": np.sqrt(variances[LATENT_SIZE:].mean()),
}
evidences = {}
for name, sigma in sigmas.items():
    linear_vae, columns = best_linear_vae(sigma)
    report = evaluation.diagnose(linear_vae, gray_train)
    bound = np.mean([linear_vae(gray_train)["elbo"] for _ in range(20)])
    exact = evidences[name] = evidence(columns, sigma)
    used = f"{report.active} of {LATENT_SIZE} latents active"
    print(f"sigma {name:12s} {sigma:.3f}: {used}, rate {report.rate:5.2f}", end=", ")
    print(f"ELBO {bound:8.2f}, exact log p(x) {exact:8.2f} nats")
    assert report.active == (first > sigma**2).sum(), "as many as eigenvalues above sigma^2"
    assert abs(bound - exact) < 0.01 * pixels**0.5, "the bound is tight: nothing is lost"
likeliest = max(evidences, key=evidences.get)
assert likeliest == "most likely", "the best sigma^2 is the mean of the eigenvalues left over"

# %% [markdown]
# In every row the number of active latents is the number of eigenvalues above $\sigma^2$, at most eight, and the ELBO equals the
# exact evidence up to the noise of the samples. The posterior is exact, the parameters are the best there are, and still latents are
# switched off. In the first row all of them are. So "the ELBO causes collapse" is wrong in general: the likelihood itself, at this
# $\sigma$, is highest without a code (Lucas et al., 2019; Dai et al., 2018).
#
# In the last row $\sigma$ is the best, too: its square is the mean of the eigenvalues that the latents leave over. All eight
# latents are active there. The learned variance of section 5 is a cure because it moves toward this row.
#
# Does training from a random start find the same optimum? If collapse were an accident of training, the count would differ from seed
# to seed.

# %% tags=["drift"]
sigma = sigmas["in the gap"]
exact = evidence(best_linear_vae(sigma)[1], sigma)
linear_vae = models.VAE(*new_networks(hidden=()), likelihood=likelihoods.Gaussian(sigma))
linear_vae.compile(keras.optimizers.Adam(LEARNING_RATE))
for seed in SEEDS:
    restart(linear_vae, *new_networks(seed, hidden=()))
    for learning_rate in (1e-2, 1e-3):  # long steps first, then short ones to settle
        linear_vae.optimizer.learning_rate = learning_rate
        linear_vae.fit(gray_train, epochs=2 * EPOCHS, verbose=0)
    trembling = 0.05  # in the last steps
    active = evaluation.active_units(linear_vae, gray_train, threshold=trembling).count
    bound = np.mean([linear_vae(gray_train)["elbo"] for _ in range(20)])
    print(f"seed {seed}: {active} latents active, ELBO {bound:.2f} of {exact:.2f} nats")
    slack = 0 if DATASET == "digits" else 1  # two latents may share a direction for long
    assert abs(active - gap) <= slack, "every start ends with the same number of latents"
    assert bound < exact + 0.01 * pixels**0.5, "the bound cannot exceed the best evidence"
    assert exact - bound < 0.1, "and comes close to it"

# %% [markdown]
# It does: every seed ends with the same count and within a small fraction of a nat of the exact optimum. This collapse is no
# failure of training. The linear case clears the ELBO, but not every deep VAE: with deep decoders, training can also end in bad
# local optima that linear ones do not have (Dai, Wang and Wipf, 2020).
#
# Before you reach for a cure, ask in this order: is the loss the ELBO (section 2)? Is the noise scale right (section 5)? Does the
# decoder need a code at all (section 3)? And do *you* need one?
#
# ## Summary
#
# You have
# - drawn VAEs in the plane of rate and distortion, with the ELBO as a falling line, the entropy as a border and beta as the
#   exchange rate;
# - collapsed one posterior by averaging both terms ($\beta = D/d$), and another by a decoder that sees the earlier pixels,
#   whose likelihood was the better one;
# - measured KL per latent, active units, mutual information and aggregate posterior by hand, seen them disagree, and
#   read the report of `evaluation.diagnose`;
# - compared six cures over three seeds at equal budget: most raised the rate and made the code readable, none raised the likelihood, and
#   some lowered it; and drawn with a cured code, which steers what the untreated one left to chance;
# - put the exact optimum of a linear VAE into a model, and seen latents switched off where the evidence is largest.
#
# ## Common mistakes
#
# - A mean over pixels and a mean over latents: effective beta $D/d$.
# - Reading a good ELBO as a sign of a good code, or a high KL as a sign of a good model.
# - Counting active units and looking no further.
# - Reporting a mutual information near $\log n$ as what a code tells about images in general. It measures only which of *these*
#   images it was; for anything else it says "at least so much".
# - Annealing a Python attribute, which the compiled step never reads again.
# - Early stopping on `val_loss` while beta moves.
# - Comparing cures with unequal numbers of gradient steps, or on one seed.
# - Curing a collapse that the noise scale asked for.
#
# ## Exercises
#
# [Exercises 06](../exercises/06_posterior_collapse/06_posterior_collapse.ipynb): rate and information from a table of log-densities, the
# free bits, a schedule, the exact linear case, and a published annealing to repair.
#
# ## Further reading
#
# - Alemi, Poole, Fischer, Dillon, Saurous and Murphy (2018), "Fixing a broken ELBO": the plane of rate and distortion.
# - Hoffman and Johnson (2016), "ELBO surgery: yet another way to carve up the variational evidence lower bound": equation 6.4.
# - Bowman et al. (2016), "Generating sentences from a continuous space": collapse under a strong decoder, and annealing.
# - Chen et al. (2017), "Variational lossy autoencoder": why a strong decoder needs no code, and how to choose what it does not see.
# - He, Spokoyny, Neubig and Berg-Kirkpatrick (2019), "Lagging inference networks and posterior collapse": more encoder steps.
# - Lucas, Tucker, Grosse and Norouzi (2019), "Don't blame the ELBO!": the linear case, exactly.
# - Dai, Wang and Wipf (2020), "The usual suspects? Reassessing blame for VAE posterior collapse": the other half, deep decoders.
# - MacKay (2001), "Local minima, symmetry-breaking, and model pruning in variational free energy minimization": unused parts
#   switched off, before there were VAEs.
