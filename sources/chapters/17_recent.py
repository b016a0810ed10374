# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 17. Recent directions: where VAEs went
#
# You take apart what came after the VAE: codes from a list, diffusion, latent diffusion, and a compressor. You find the same three distributions and one bound in each of them, and at the end you turn a bound into a file and get every pixel back.
#
# **Goals.** After this chapter you can
# - quantize a code, carry a gradient past the quantizer, and give the exact KL of the result;
# - write a diffusion model as a deep hierarchical VAE, term by term, and say which part of its gap is due to the number of steps and which to the network;
# - compare every prior of a second stage in one table of nats, and read a published first stage's loss as an effective beta;
# - explain bits back, and check a bound by the size of a file;
# - say of a new model which of prior, posterior, likelihood and bound it changes.
#
# **Before you start.** Chapter 06 (rate and mismatch), chapter 08 (hierarchies). Chapters 09 and 12 help: learned priors, and a diffusion model on bits.
#
# **Level:** advanced · **Time:** 80 minutes reading, 3 minutes computing

# %%
import io
import math
import zlib

# vae_course comes before Keras: it chooses TensorFlow's settings.
from vae_course import compression, datasets, evaluation, models, networks, plots, priors

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from PIL import Image
from scipy.special import expit, logsumexp
from sklearn.mixture import GaussianMixture

tfd = tfp.distributions
plots.use_style()

# %%
DATASET = "digits"  # or "mnist": both are thresholded
SEEDS = (0, 1, 2)
LATENT_SIZE, HIDDEN = 8, (128,)
PLACES, CODE_SIZE = 8, 4  # a code map: how many vectors, of how many numbers
EPOCHS = 60 if DATASET == "digits" else 20
RING_EPOCHS, LATENT_EPOCHS = 90, 40
TRAIN_SIZE, NEW_SIZE = 3000, 300  # at most
keras.utils.set_random_seed(0)

# %% mystnb={"image": {"alt": "Diagram: in the upper row the VAE, from x through encoder, z and decoder. Below, what changed: the encoder may pick the nearest entry of a list or add noise of fixed size, and the prior may be a table, a mixture, a GRU or a diffusion."}}
nodes = {"$x$": (0, 1.4, "observed"), "encoder": (2.0, 1.4, "network")}
nodes |= {"$z$": (4.0, 1.4, "variable"), "decoder": (6.0, 1.4, "network")}
nodes |= {"p(x|z)": (8.0, 1.4, "text", "$p(x|z)$")}
nodes |= {"prior": (4.0, -0.4, "network", "prior $p(z)$")}
nodes |= {"what": (7.3, -0.4, "text", "a table, a mixture,\na GRU, a diffusion")}
nodes |= {"how": (1.0, -0.4, "text", "nearest in a list,\nnoise of fixed size")}
arrows = [("$x$", "encoder"), ("encoder", "$z$"), ("$z$", "decoder"), ("decoder", "p(x|z)")]
arrows += [("prior", "$z$"), ("what", "prior"), ("how", "encoder")]
plots.schematic(nodes, arrows, unit=0.75)
plt.show()

# %% [markdown]
# The upper row is the VAE of chapter 03. What changed in the ten years after it stands in the lower row. The encoder may pick its code from a list, or be fixed altogether, and the prior has become the larger part of the model.
#
# ## 1. Three answers to a prior that does not fit
#
# Chapter 06 found the weak spot of a plain VAE: codes of all the images together do not look like draws from $N(0, I)$. There are three answers.
# - **Learn the prior.** Keep encoder and decoder, and fit $p(z)$ to the codes (chapter 09). If this is done *after* the first training, one speaks of a second stage (section 6).
# - **Make the codes discrete.** A code from a finite list can be counted, and for counts there are excellent models (sections 2 and 3).
# - **Go deep, and fix the posterior.** If $z$ is reached in many small steps of noise, the last one is $N(0, I)$ by construction (sections 4 and 5).
#
# Sections 2, 3, 6 and 9 use the digits, thresholded at one half, so that every likelihood of them is a probability and no bound can be above zero; sections 4 and 5 use points in the plane, whose density is known. One helper trains every model for three seeds and compiles once. The plain VAE is the yardstick.

# %%
data = datasets.load(DATASET)
parts = data.x_train[:TRAIN_SIZE], data.x_valid[:NEW_SIZE], data.x_test[:NEW_SIZE]
x_train, x_valid, x_test = [(x > 0.5).astype("float32") for x in parts]
shape, pixels = x_train.shape[1:], x_train[0].size


def over_seeds(make, x=x_train, epochs=EPOCHS, batch_size=64, seeds=SEEDS, model=None):
    """The model that make() gives, trained from each seed in turn; compiled at most once."""
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        fresh = make()
        model = fresh if model is None else model
        if not model.compiled:
            model.compile(keras.optimizers.Adam(3e-3))
        model.start_from(fresh)
        model.fit(x, batch_size=batch_size, epochs=epochs, verbose=0)
        yield model

# %% tags=["drift"]
def new_vae(beta=1.0):
    encoder = networks.mlp_encoder(shape, 2 * LATENT_SIZE, hidden=HIDDEN)
    decoder = networks.mlp_decoder(LATENT_SIZE, shape, hidden=HIDDEN)
    return models.VAE(encoder, decoder, beta=beta)


def spread_of(values, digits=1):
    three = np.mean(values), np.min(values), np.max(values)
    return "{} ({} to {})".format(*(f"{value:.{digits}f}" for value in three))


plain = []
for vae in over_seeds(new_vae):
    terms = vae(x_valid)
    plain.append([np.mean(terms[name]) for name in ("reconstruction", "kl", "elbo")])
plain = np.array(plain)
for name, values in zip(("reconstruction", "KL", "ELBO"), plain.T, strict=True):
    print(f"{name:15s}{spread_of(values)} nats, mean (lowest to highest of {len(SEEDS)} seeds)")

# %% [markdown]
# Keep the last line in mind: about $-18.4$ nats per image on the digits.
#
# ## 2. Vector quantization by hand
#
# **Vector quantization** replaces a vector by the nearest one of a list. In a **VQ-VAE** (van den Oord et al., 2017) the encoder puts out one vector $h_i$ for each of $m$ *places*, in an image model usually a grid. The list $e_1, \dots, e_K$ is called the **codebook**, and it is learned. The code of an image is a row of whole numbers,
#
# $$ c_i(x) = \operatorname{argmin}_k \| h_i(x) - e_k \|^2, \qquad i = 1, \dots, m, \tag{17.1} $$
#
# and the decoder sees the vectors $e_{c_1}, \dots, e_{c_m}$.
#
# The argmin is a staircase. Its derivative is zero almost everywhere, so nothing tells the encoder how to change. The remedy is a convention: in the backward pass, pretend that the quantizer is the identity. This is the **straight-through** gradient, and in code it is one line.
#
# **Predict.** We decode and take the gradient of a loss with respect to $h$. What do you get with `decoder(e)`, and what with `decoder(straight_through(h, e))`?

# %%
def nearest(h, book):
    """Equation 17.1: h [n, places, size], book [K, size] -> whole numbers [n, places]."""
    distances = tf.reduce_sum((h[:, :, None] - book) ** 2, axis=-1)  # [n, places, K]
    return tf.argmin(distances, axis=-1)


def straight_through(h, e):
    """The value of e, with the gradient of h."""
    return h + tf.stop_gradient(e - h)

# %%
random = np.random.default_rng(0)
h = tf.constant(random.normal(size=(5, PLACES, CODE_SIZE)))
book = tf.constant(random.normal(size=(16, CODE_SIZE)))
mix = tf.constant(random.normal(size=(PLACES * CODE_SIZE, 3)))  # a small decoder


def loss(e):
    return tf.reduce_sum(tf.tanh(tf.reshape(e, [5, -1]) @ mix) ** 2)


with tf.GradientTape(persistent=True) as tape:
    tape.watch(h)
    e = tf.gather(book, nearest(h, book))
    tape.watch(e)
    direct, passed = loss(e), loss(straight_through(h, e))
assert tape.gradient(direct, h) is None, "a whole number passes no gradient on"
assert np.isclose(direct, passed), "the value is that of the quantized code"
assert np.allclose(tape.gradient(passed, h), tape.gradient(direct, e)), "de stands for dh"

# %% [markdown]
# Without the trick there is no gradient at all: TensorFlow answers `None`. With it, $h$ receives the gradient that belongs to $e$, taken *at* $e$. That is wrong by as much as the two points differ. So two more terms keep them close together:
#
# $$ \text{loss} = -\log p(x|e) + \underbrace{\| \operatorname{sg}(h) - e \|^2}_{\text{codebook}} + \beta_c \underbrace{\| h - \operatorname{sg}(e) \|^2}_{\text{commitment}}, \tag{17.2} $$
#
# where $\operatorname{sg}$ stops the gradient and $\beta_c = 0.25$. Both have the same *value*. They differ in who moves: the codebook term draws the entries toward the encoder's outputs, like the centers of $k$-means; the commitment term holds the encoder near its entries.

# %%
with tf.GradientTape(persistent=True) as tape:
    tape.watch([h, book])
    e = tf.gather(book, nearest(h, book))
    codebook = tf.reduce_sum((tf.stop_gradient(h) - e) ** 2)
    commitment = tf.reduce_sum((h - tf.stop_gradient(e)) ** 2)
assert np.isclose(codebook, commitment), "one value"
assert tape.gradient(codebook, h) is None, "the codebook term does not move the encoder"
assert tape.gradient(commitment, book) is None, "the commitment term does not move the list"
unused = np.setdiff1d(np.arange(16), nearest(h, book))
moves = tf.convert_to_tensor(tape.gradient(codebook, book)).numpy()
assert not moves[unused].any(), "an entry that nobody chooses receives no gradient"

# %% [markdown]
# The last check points to trouble ahead: an entry that is never chosen is never moved, so it may stay unchosen for good.
#
# ## 3. The VQ-VAE as a model: an exact KL, and a prior afterwards
#
# Is this a VAE? The posterior puts all its mass on one code, $q(c|x) = 1$ for $c = c(x)$, so its entropy is zero. If the prior takes all $K^m$ codes for equally likely, then
#
# $$ \mathrm{KL}(q(c|x)\,\|\,p(c)) = -\log p(c(x)) = m \log K, \tag{17.3} $$
#
# an exact number, the same for each image. It is a constant, and that is why it is missing from equation 17.2. Papers train on a loss without it, *then* fit a prior to the codes of the training images, and from then on the KL is $-\log p(c(x))$ under that prior.
#
# The bound, for this is one, needs all of it:
#
# $$ \log p(x) \;\geq\; \log p(x|c(x)) + \log p(c(x)). \tag{17.4} $$
#
# We begin with two priors: uniform, and a table of counts for each place, as if places were independent.
#
# **Predict.** With $m = 8$ places and $K = 16$ entries the uniform KL is $8 \log 16 = 22.2$ nats. The VAE above spends about 6. Which of the two reconstructs better, and which has the better bound?

# %%
def new_vq(entries=16, commitment=0.25, kind=models.VQVAE):
    numbers = PLACES * CODE_SIZE
    places = keras.layers.Reshape((PLACES, CODE_SIZE))
    encoder = keras.Sequential([networks.mlp_encoder(shape, numbers, hidden=HIDDEN), places])
    decoder = networks.mlp_decoder(numbers, shape, hidden=HIDDEN)
    row = [keras.Input((PLACES, CODE_SIZE)), keras.layers.Flatten()]
    return kind(encoder, keras.Sequential([*row, decoder]), entries, commitment=commitment)


def score(model):
    """Entries used, reconstruction, and the KL under two priors, in nats."""
    codes, new_codes = model.encode(x_train), model.encode(x_valid)
    table = priors.CodeMap(PLACES, model.entries, kind="independent")
    table.fit(codes, verbose=0)
    uniform = PLACES * math.log(model.entries)
    reconstruction = np.mean(model(x_valid)["reconstruction"])
    return len(np.unique(codes)), reconstruction, uniform, -np.mean(table.log_prob(new_codes))


def report(name, runs):
    used, reconstruction, uniform, table = np.array([score(model) for model in runs]).T
    print(f"{name:22s}{used.mean():4.0f}  {spread_of(reconstruction)}", end="  ")
    print(f"{uniform[0]:5.1f} {table.mean():6.1f}    {spread_of(reconstruction - table)}")
    return {"used": used, "reconstruction": reconstruction, "bound": reconstruction - table}

# %% tags=["drift"]
print(f"{'':22s}used  reconstruction          KL: uniform, table   bound with the table")
vq = {"K = 16": report("K = 16", over_seeds(new_vq, model=(vq_model := new_vq())))}
print(f"{'plain VAE':28s}{spread_of(plain[:, 0])}", end="")
print(f"{plain[:, 1].mean():13.1f}    {spread_of(plain[:, 2])}")
if DATASET == "digits":
    assert np.all(vq["K = 16"]["reconstruction"] > plain[:, 0].max() + 3), "sharper pictures"
    assert np.all(vq["K = 16"]["bound"] < plain[:, 2].min() - 4), "and a worse bound"

# %% [markdown]
# The VQ-VAE reconstructs better by some six nats, and has the worse bound by nine, in all three seeds. Its picture is sharper because it spends 22 nats on the code, and most of them are wasted on a model of 64 pixels. The table of counts saves one nat. Do the codes have more structure than that? A GRU that reads them one after the other can find out (chapter 16 is about such readers). The library's `priors.CodeMap` is one. Once it is set as the model's prior, the model can also draw; without it, `sample` says what is missing.

# %% tags=["drift"] mystnb={"image": {"alt": "Three rows of fourteen digits: the images, their reconstructions by the VQ-VAE, which are crisp, and draws with the GRU as the prior, many of which are no digits."}}
try:
    vq_model.sample(1)
except ValueError as error:
    print(str(error).split(":")[0])
reader = priors.CodeMap(PLACES, 16)
codes, new_codes = vq_model.encode(x_train), vq_model.encode(x_valid)
reader.fit(codes, epochs=8, batch_size=64, verbose=0)
table = vq["K = 16"]["reconstruction"][-1] - vq["K = 16"]["bound"][-1]
gru = -np.mean(reader.log_prob(new_codes))
print(f"-log p(c), last seed: table {table:.2f} nats, GRU {gru:.2f}")
vq_model.prior = reader
figure, axes = plt.subplots(3, 1, figsize=(7, 3.2))
pictures = x_valid[:14], vq_model.reconstruct(x_valid[:14]), vq_model.sample(14, seed=0)
for ax, images, name in zip(axes, pictures, ("images", "reconstructed", "drawn"), strict=True):
    plots.image_grid(images, columns=14, ax=ax)
    ax.set_title(name, fontsize=9)
plt.show()

# %% [markdown]
# Six tenths of a nat more, in this seed: little, as with the learned priors of chapter 09. The reconstructions (second row) are crisp. Many of the draws (third row) are no digits: with some thousand code maps to learn from, the GRU has not found out which codes go together. That is the bargain of a VQ-VAE: better reconstructions, and a burden moved from the encoder to the prior. It pays where the second model is very strong. Text-like models of codes are, and the "tokenizers" of today's image and speech models are VQ-VAEs with thousands of entries or relatives of theirs (section 7).
#
# ### Dead entries, and a bug that the bound rewards
#
# Two accidents are common. **Dead entries**: with a large codebook many entries are never chosen, as section 2 led us to expect. And a **swapped weight**: a widely used implementation put the 0.25 on the codebook term instead of the commitment term (the project taming-transformers, issues 46 and 57). Both can be had on purpose: train $K = 64$ with $\beta_c = 0.25$ and with $\beta_c = 0$, and $K = 16$ with the weight on the wrong side.
#
# **Predict.** Without the commitment term, what happens to the number of entries used, to the reconstruction, and to the *bound*?

# %% tags=["drift"]
class WrongSide(models.VQVAE):
    """The weight on the codebook term: the encoder is pulled four times as hard as the list."""

    def objective(self, terms):
        pulls = self.commitment * terms["codebook"] + terms["commitment"]
        return terms["reconstruction"] - pulls


print(f"{'':22s}used  reconstruction          KL: uniform, table   bound with the table")
cases = {"K = 64": (64, 0.25), "K = 64, no commitment": (64, 0.0)}
cases["K = 16, wrong side"] = (16, 0.25, WrongSide)
for name, arguments in cases.items():
    vq[name] = report(name, over_seeds(lambda: new_vq(*arguments)))  # noqa: B023
if DATASET == "digits":
    full, dead = vq["K = 64"], vq["K = 64, no commitment"]
    assert np.all(full["used"] > 50) and np.all(dead["used"] < 40), "most entries are dead"
    assert np.all(dead["reconstruction"] < full["reconstruction"].min() - 5), "worse pictures"
    assert np.all(dead["bound"] > full["bound"].max() + 1), "and a better bound"

# %% [markdown]
# Without the commitment term two thirds of the entries die, the reconstruction is more than ten nats worse, and the *bound* is four nats better, in each of three seeds. This is no paradox. Training minimizes equation 17.2, in which the price of the code does not occur. Codes of 31 nats are far too expensive for these images, and an accident that makes them cheaper helps. The bound is right; it was only never asked.
#
# The swapped weight is caught by neither number: after 60 epochs its reconstruction is no worse than that of the right version, and its bound rather better, by about a nat in the mean of three seeds. Such a bug is found by reading the code, or by a check like those of section 2.
#
# So **compare a VQ-VAE and a VAE by their bounds, with the prior's price in them**, never by their losses. And expect no medal in nats: a VQ-VAE is chosen because discrete codes suit the model that comes after it.

# %% [markdown]
# ## 4. Diffusion: a deep hierarchical VAE whose posterior is fixed
#
# A **diffusion model** is the hierarchy of chapter 08 with three decisions taken beforehand: there are many groups $z_0, \dots, z_T$, each as large as $x$; the posterior has no weights; and it adds noise. (Chapter 12 built one for bits; here are real numbers.) Given $x$, every group is normal,
#
# $$ q(z_t|x) = N(\alpha_t x, \sigma_t^2 I), \quad \alpha_t^2 + \sigma_t^2 = 1, \quad \lambda_t = \log \frac{\alpha_t^2}{\sigma_t^2}. \tag{17.5} $$
#
# The **schedule** $\lambda_0 > \dots > \lambda_T$, the log of the signal-to-noise ratio, is all there is to choose. At $\lambda_0$ hardly any noise has been added, and at $\lambda_T$ hardly any signal is left. From equation 17.5 follows, by Bayes' rule, one step back,
#
# $$ q(z_{t-1}|z_t, x) = N\Big(\frac{\alpha_t \sigma_{t-1}^2}{\alpha_{t-1} \sigma_t^2} z_t + \alpha_{t-1} \rho_t\, x,\; \sigma_{t-1}^2 \rho_t I\Big), \quad \rho_t = 1 - e^{\lambda_t - \lambda_{t-1}}. \tag{17.6} $$
#
# The model does not know $x$. It puts a guess $\hat x(z_t)$ in its place, and calls the result $p(z_{t-1}|z_t)$. Two normals with the same variance have a very short KL, so the bound of equation 8.9 becomes
#
# $$ \log p(x) \ge \mathbb{E}[\log p(x|z_0)] - \mathrm{KL}(q(z_T|x)\,\|\,N(0, I)) - \sum_{t=1}^{T} \tfrac12 \big(e^{\lambda_{t-1} - \lambda_t} - 1\big)\, \mathbb{E} \|\varepsilon - \hat\varepsilon\|^2, \tag{17.7} $$
#
# with $z_t = \alpha_t x + \sigma_t \varepsilon$, and the guess written as a guess of the noise, $\hat\varepsilon = (z_t - \alpha_t \hat x) / \sigma_t$. The reconstruction is $p(x|z_0) = N(z_0/\alpha_0,\, e^{-\lambda_0} I)$. First we check equation 17.7 against the KL that TensorFlow Probability gives for two normals from 17.6.

# %%
def noisy(x, noise, log_snr):
    """Equation 17.5: z_t for x and noise of one shape."""
    return np.sqrt(expit(log_snr)) * x + np.sqrt(expit(-log_snr)) * noise


def step_back(z, x, now, before):
    """Equation 17.6: mean and standard deviation of q(z_{t-1}|z_t, x)."""
    times = np.array([now, before])
    (a, a_before), (s, s_before) = np.sqrt(expit(times)), np.sqrt(expit(-times))
    rho = -np.expm1(now - before)
    return a * s_before**2 / (a_before * s**2) * z + a_before * rho * x, s_before * np.sqrt(rho)


x, noise, guessed = random.normal(size=(3, 4, 2))
now, before = 0.3, 1.1
z = noisy(x, noise, now)
x_hat = (z - np.sqrt(expit(-now)) * guessed) / np.sqrt(expit(now))
q, p = (tfd.Normal(*step_back(z, center, now, before)) for center in (x, x_hat))
short = 0.5 * np.expm1(before - now) * (noise - guessed) ** 2
assert np.allclose(tfd.kl_divergence(q, p), short), "the step of equation 17.7 is this KL"

# %% [markdown]
# ### An exact density, and the best guess there is
#
# How tight is the bound? We take data in the plane whose density we know: eight normals on a circle. Then not only $\log p(x)$ is exact. The best possible guess, $\mathbb{E}[x|z_t]$, has a closed form too, since $z_t$ is again a mixture of eight normals. So we can evaluate a diffusion model *without any network*, a perfect one, and see what the number of steps alone costs.
#
# **Predict.** The guess is perfect. Is the bound then equal to $\log p(x)$, for 10 steps, for 50, for 1000?

# %%
WIDTH = 0.2
angles = 2 * np.pi * np.arange(8) / 8
centers = 1.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def ring(n, seed):
    random = np.random.default_rng(seed)
    return centers[random.integers(0, 8, n)] + WIDTH * random.normal(size=(n, 2))


def log_parts(x, centers, variance):
    """log (1/8) N(x; center, variance I): [n, 8]."""
    squares = np.sum((x[:, None] - centers) ** 2, axis=-1)
    return -squares / (2 * variance) - np.log(8 * 2 * np.pi * variance)


def perfect(z, log_snr):
    """The noise as guessed from E[x|z_t]: z [n, 2] -> [n, 2]."""
    a, noise = np.sqrt(expit(log_snr)), expit(-log_snr)
    variance = (a * WIDTH) ** 2 + noise
    log_p = log_parts(z, a * centers, variance)
    means = np.exp(log_p - logsumexp(log_p, axis=1, keepdims=True)) @ centers
    x_hat = means + a * WIDTH**2 / variance * (z - a * means)
    return (z - a * x_hat) / np.sqrt(noise)

# %%
def bound_terms(guess, log_snr, x, seed=0):
    """The terms of equation 17.7 for x [n, d]: data [], top [n], steps [T, n]; in nats."""
    random, steps = np.random.default_rng(seed), []
    for before, now in zip(log_snr[:-1], log_snr[1:], strict=True):
        noise = random.normal(size=x.shape)
        error = np.sum((noise - guess(noisy(x, noise, now), now)) ** 2, axis=1)
        steps.append(0.5 * np.expm1(before - now) * error)
    a2, s2 = expit(log_snr[-1]), expit(-log_snr[-1])
    top = 0.5 * np.sum(a2 * x**2 + s2 - 1 - np.log(s2), axis=1)
    data = -0.5 * x.shape[1] * (1 + np.log(2 * np.pi) - log_snr[0])
    return data, top, np.array(steps)


def diffusion_bound(guess, log_snr, x):
    data, top, steps = bound_terms(guess, log_snr, x)
    return data - top - steps.sum(axis=0)


def straight(steps):
    """A schedule: log-SNR linear in t."""
    return np.linspace(7, -5, steps + 1)

# %% tags=["drift"]
points, STEPS = ring(1000, seed=1), (10, 50, 250, 1000)
exact = logsumexp(log_parts(points, centers, WIDTH**2), axis=1)
print(f"exact log p(x): {exact.mean():.2f} nats")
ideal_gaps = []
for steps in STEPS:
    data_term, top, each = bound_terms(perfect, straight(steps), points)
    bound = data_term - top - each.sum(axis=0)
    ideal_gaps.append(np.mean(exact - bound))
    print(f"{steps:5d} steps: data {data_term:.2f} - top {top.mean():.3f}", end=" ")
    print(f"- steps {each.sum(axis=0).mean():.2f} = {bound.mean():.2f},", end=" ")
    print(f"gap {ideal_gaps[-1]:.2f}")
assert ideal_gaps[0] > 3 and 0.4 < ideal_gaps[1] < 1, "few steps cost nats"
assert -0.05 < ideal_gaps[3] < 0.15 and ideal_gaps[2] < 0.3, "depth makes it tight"

# %% [markdown]
# No: with ten steps a perfect model loses more than four nats, with fifty still two thirds of a nat, with a thousand next to nothing. Once steps are short, the gap falls like $1/T$. The model's step back has the variance of $q(z_{t-1}|z_t, x)$, as if $x$ were known, but $z_t$ leaves it open; with eight groups the true step is not even a normal distribution. The shorter a step, the less both matter. So in a **deep hierarchical** VAE of this kind depth is worth nats by itself. It also follows that a bound must be quoted *with its number of steps*: pictures drawn with 10 steps and a bound computed with 1000 belong to different models.
#
# ### A network takes the place of the perfect guess
#
# Training draws one step $t$ at random for each example. The class keeps the schedule and the weight of every step in two tables, which can be changed between two fits without compiling again. The table has a thousand steps. At evaluation we may use every fourth or every hundredth of them, since the network is told $\lambda_t$ and not $t$.
#
# **Predict.** Which will cost more at 50 steps: that there are only 50, or that the guess comes from a small network?

# %%
class Denoiser(models.ObjectiveModel):
    """A network that guesses the noise in z_t; `weight` says how much step t counts."""

    terms = ("weighted", "error")

    def __init__(self, size, steps=1000, hidden=(64, 64, 64)):
        super().__init__()
        self.network = networks.mlp_encoder((size + 1,), size, hidden)
        self.log_snr = self.add_weight(name="log_snr", shape=(steps + 1,), trainable=False)
        self.weight = self.add_weight(name="weight", shape=(steps + 1,), trainable=False)
        self.example_shape, self.steps = (size,), steps
        self._make_trackers()

    def call(self, x, training=None):
        seed, n = self._seed(), tf.shape(x)[:1]
        t = tf.random.stateless_uniform(n, seed, 1, self.steps + 1, tf.int32, alg="philox")
        noise = tf.random.stateless_normal(tf.shape(x), seed + 1, alg="philox")
        log_snr = tf.gather(self.log_snr.value, t)[:, None]
        z = tf.sigmoid(log_snr) ** 0.5 * x + tf.sigmoid(-log_snr) ** 0.5 * noise
        guess = self.network(tf.concat([z, log_snr / 7], axis=1))
        error = tf.reduce_sum((noise - guess) ** 2, axis=1)
        return {"weighted": tf.gather(self.weight.value, t) * error, "error": error}

    def objective(self, terms):
        return -terms["weighted"]

# %%
def elbo_weights(log_snr):
    """What equation 17.7 gives to each step's error, counted as often as steps are drawn."""
    steps = len(log_snr) - 1
    return np.append(0, steps * 0.5 * np.expm1(log_snr[:-1] - log_snr[1:]))


def set_to(model, log_snr, weights):
    model.log_snr.assign(log_snr)
    model.weight.assign(weights)
    return model


def guess_of(model):
    """The network as a function of z [n, d] and log_snr, in numpy, compiled."""
    network = tf.function(model.network, jit_compile=True)

    def guess(z, log_snr):
        told = np.full((len(z), 1), log_snr / 7)
        return network(np.concatenate([z, told], axis=1).astype("float32")).numpy()

    return guess

# %% tags=["drift"]
ring_train = ring(4096, seed=0).astype("float32")
denoiser = Denoiser(2)
guess = guess_of(denoiser)
trained = {}  # name -> the gaps at each number of steps, a row a seed


def gaps(schedule, numbers=STEPS[:3]):
    bounds = [np.mean(diffusion_bound(guess, schedule(steps), points)) for steps in numbers]
    return exact.mean() - bounds


def ring_runs(schedule, weights_of):
    make = lambda: set_to(Denoiser(2), schedule(1000), weights_of(schedule(1000)))  # noqa: E731
    return over_seeds(make, ring_train, RING_EPOCHS, 256, model=denoiser)


trained["straight"] = np.array([gaps(straight) for _ in ring_runs(straight, elbo_weights)])
print(f"gap to log p(x), {len(SEEDS)} seeds       with the perfect guess")
for steps, values, ideal in zip(STEPS, trained["straight"].T, ideal_gaps, strict=False):
    print(f"{steps:5d} steps: {spread_of(values, 2)}    {ideal:.2f}")
    assert np.all(values > ideal), "no network guesses better than the best guess"
assert ideal_gaps[1] > 1.5 * np.mean(trained["straight"][:, 1] - ideal_gaps[1]), "at 50 steps"

# %% [markdown]
# That there are only 50, in all three seeds: the steps cost about 0.6 nats, and the network 0.2 to 0.4 more, at whatever number of steps. With 250 steps it is the other way round. Without an exact density nobody could have told the two apart.
#
# To draw, start from $N(0, I)$ and go back step by step with equation 17.6, each time with the network's $\hat x$.

# %%
def draw(guess, log_snr, n, size, seed=0):
    """Examples [n, size], with the states on the way: [steps + 1, n, size]."""
    random = np.random.default_rng(seed)
    states = [random.normal(size=(n, size))]
    for now, before in zip(log_snr[:0:-1], log_snr[-2::-1], strict=True):
        z = states[-1]
        x_hat = (z - np.sqrt(expit(-now)) * guess(z, now)) / np.sqrt(expit(now))
        mean, deviation = step_back(z, x_hat, now, before)
        states.append(mean + deviation * random.normal(size=z.shape))
    return states[-1] / np.sqrt(expit(log_snr[0])), np.array(states)


def near_a_center(x):
    return np.mean(np.min(np.sum((x[:, None] - centers) ** 2, axis=-1), axis=1) < 9 * WIDTH**2)

# %% tags=["drift"]
shares = {}
for steps in STEPS[:3]:
    drawn, states = draw(guess, straight(steps), 1000, 2)
    shares[steps] = near_a_center(drawn)
    print(f"{steps:5d} steps: {100 * shares[steps]:.1f} % within three widths", end=" ")
    print(f"of a center (the data: {100 * near_a_center(points):.1f} %)")
assert min(shares.values()) > 0.9, "ten steps are enough to draw"
figure, axes = plt.subplots(1, 5, figsize=(10, 2.3), sharex=True, sharey=True)
for ax, t in zip(axes, (250, 130, 90, 50, 0), strict=True):
    ax.scatter(*states[250 - t].T, s=2, color=plots.COLORS[0], linewidths=0)
    ax.set(title=f"t = {t}, log-SNR {straight(250)[t]:.1f}", aspect="equal", xlabel="$z_1$")
axes[0].set_ylabel("$z_2$")
axes[0].set(xlim=(-3, 3), ylim=(-3, 3))
plt.show()

# %% [markdown]
# From left to right, noise turns into the eight groups; every panel is one group of latents of the hierarchy. Ten steps *draw* nearly as well as 250, while their bounds lie more than four nats apart. Draws and bounds answer different questions, once more (chapter 12).
#
# ## 5. What does the "simple" loss weigh?
#
# Most diffusion models are not trained for equation 17.7. Ho et al. (2020) drop the factors, and minimize the plain error $\mathbb{E}\|\varepsilon - \hat\varepsilon\|^2$ over all steps, the **simple loss**. What does that change? With the straight schedule, nothing: $\lambda_{t-1} - \lambda_t$ is the same for all $t$, so all factors are equal. Only a scale is lost, and Adam does not see a scale.
#
# On other schedules the two differ. In the **cosine** schedule $\alpha_t = \cos(\tfrac{\pi}{2} u_t)$, where $u_t$ is linear in $t$.
#
# **Predict.** Which steps does the simple loss neglect on the cosine schedule? And by how much is a model worse in *nats* if it is trained for it?

# %% mystnb={"image": {"alt": "The weight of a step in the ELBO against its log-SNR. The cosine schedule gives a bowl, high at both ends; the straight schedule is flat, like the dotted line of the simple loss."}}
def cosine(steps):
    return -2 * np.log(np.tan(np.pi / 2 * np.linspace(0.02, 0.98, steps + 1)))


figure, ax = plt.subplots(figsize=(7, 3))
for place, (name, schedule) in enumerate({"straight": straight, "cosine": cosine}.items()):
    weights = elbo_weights(schedule(1000))[1:]
    ax.plot(schedule(1000)[1:], weights / weights.mean(), color=plots.COLORS[place], label=name)
ax.axhline(1, color="black", linestyle=":", label="the simple loss")
ax.set(xlabel="log-SNR of the step (data at the left)")
ax.set_ylabel("weight in the ELBO / mean")
ax.invert_xaxis()
ax.legend()
plt.show()

# %% [markdown]
# Both ends: on the cosine schedule the ELBO gives them up to sixteen times the weight of the middle, while the simple loss (dotted) weighs all steps alike. On the straight schedule (blue, under the dots) there is no difference. Now the second question: we train for both, three seeds each.

# %% tags=["drift"]
at_250 = {"perfect": np.mean(exact - diffusion_bound(perfect, cosine(250), points))}
print(f"cosine, 250 steps: gap with the perfect guess {at_250['perfect']:.2f}")
for name, weights_of in {"ELBO": elbo_weights, "simple": np.ones_like}.items():
    rows = []
    for _ in ring_runs(cosine, weights_of):
        drawn = draw(guess, cosine(50), 1000, 2)[0]
        rows.append([*gaps(cosine, [250]), 100 * near_a_center(drawn)])
    at_250[name], near = np.array(rows).T
    print(f"trained for {name:7s} gap {spread_of(at_250[name], 2)},", end=" ")
    print(f"draws near a center {spread_of(near)} %")
assert np.mean(at_250["simple"]) < np.mean(at_250["ELBO"]) + 0.1, "nothing is lost in nats"
assert min(at_250["ELBO"].min(), at_250["simple"].min()) > at_250["perfect"], "above the floor"

# %% [markdown]
# In nats nothing is lost, in these three seeds: the model that was trained for the simple loss has a gap at least as small as the one that was trained for the bound itself. Look again at the two ends. At the left the noise is so weak that nobody can guess it. The errors there stay near two, the number of entries of $\varepsilon$, whatever the network does, and large weights on them only make the gradient noisy. At the right $z_t$ is nearly the noise itself, and guessing it is easy. (With much longer training one would expect the ELBO to win its own contest.)
#
# So the simple loss is a *weighted* sum of the terms of a bound, like $\beta$ times a KL, and it should be reported as such. Kingma and Gao (2023) show that other popular losses are such weightings too.
#
# The library's `models.Diffusion` holds all of this: `elbo`, `terms_of` for the single terms, `sample`, and `weighting="simple"`. Section 6 uses it.

# %% [markdown]
# ## 6. Two stages: one table for every prior
#
# Train a VAE; then forget about its prior, and fit a better one to its codes. This **two-stage** recipe (Dai and Wipf, 2019) is behind most image generators of today, where the second stage is a diffusion model on codes: *latent diffusion* (Rombach et al., 2022; Vahdat et al., 2021, train both stages together). What the second stage is worth can be read off the bound, in three terms:
#
# $$ \log p(x) \ge \underbrace{\mathbb{E}_q[\log p(x|z)]}_{\text{reconstruction}} + \underbrace{H(q(z|x))}_{\text{entropy}} + \underbrace{\mathbb{E}_q[\log p(z)]}_{\text{second stage}}. \tag{17.8} $$
#
# The first two belong to the first stage and stay as they are. Only the last one depends on the prior, and a bound on $\log p(z)$, such as a diffusion's, leaves a bound on $\log p(x)$. So all priors can stand in one table. The *entropy* must not be forgotten: a sum without it is no bound at all (exercise 6).
#
# We take two first stages, one with $\beta = 1$ and one with $\beta = 0.1$: in practice first stages are trained with a small weight on the KL (section 7). The four priors are $N(0, I)$; one normal distribution with a full covariance; a mixture of 30 normals; and our diffusion, on codes that are scaled to unit variance, evaluated with 500 steps.
#
# **Predict.** Which prior wins for 8 latents? Is it the same for both first stages? And which first stage has the better bound once its prior is repaired?

# %%
def new_diffusion():
    network = networks.mlp_encoder(
        (LATENT_SIZE,), LATENT_SIZE, hidden=(64, 64, 64), condition_size=1
    )
    options = {"steps": 500, "schedule": "linear", "log_snr": (7.0, -5.0)}
    return models.Diffusion(network, (LATENT_SIZE,), **options)


diffusion = new_diffusion()


def diffusion_prior(z, seed, scale=1.0):
    """A function of new codes: a bound on log p(z) in nats, [n]. Fitted to codes z [n, d]."""
    factor = scale / z.std(axis=0)
    scaled = (z * factor).astype("float32")
    next(over_seeds(new_diffusion, scaled, LATENT_EPOCHS, 128, (seed,), diffusion))
    jacobian = np.sum(np.log(factor))  # the density of z, not of its multiple
    return lambda new: jacobian + diffusion.elbo((new * factor).astype("float32"))


def normals(z, components, kind):
    options = {"covariance_type": kind, "reg_covar": 1e-3, "random_state": 0}
    return GaussianMixture(components, **options).fit(z)

# %%
def codes_of(vae, x, draws, seed):
    """Draws from q(z|x), [draws * n, latent_size], and H(q(z|x)), a mean."""
    q = vae.posterior(x)
    z = q.sample(draws, seed=(seed, 0)).numpy()
    return z.reshape(-1, LATENT_SIZE), float(np.mean(q.entropy()))


def second_stage(vae, seed):
    """Reconstruction, entropy, and E log p(z) under each prior, in nats."""
    (z, _), (new, entropy) = codes_of(vae, x_train, 4, 0), codes_of(vae, x_valid, 2, 1)
    likelihood = vae.likelihood(new.reshape(2, -1, LATENT_SIZE))
    row = {"reconstruction": np.mean(likelihood.log_prob(x_valid)), "entropy": entropy}
    row["N(0, I)"] = np.mean(vae.prior().log_prob(new))
    row["one full normal"] = normals(z, 1, "full").score(new)
    row["mixture of 30"] = normals(z, 30, "diag").score(new)
    row["diffusion"] = np.mean(diffusion_prior(z, seed)(new))
    return row

# %% tags=["drift"]
stages, weights = {}, {}
for beta in (1.0, 0.1):
    runs = zip(SEEDS, over_seeds(lambda: new_vae(beta), model=vae), strict=True)  # noqa: B023
    rows = [second_stage(model, seed) for seed, model in runs]
    stages[beta] = row = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    weights[beta] = vae.get_weights()  # of the last seed
    first = row["reconstruction"] + row["entropy"]
    print(f"beta {beta}: reconstruction {row['reconstruction'].mean():.2f},", end=" ")
    print(f"entropy {row['entropy'].mean():.2f}")
    for name in list(row)[2:]:
        row[name] = first + row[name]
        print(f"   {name:16s} log p(z) {np.mean(row[name] - first):7.2f}", end="   ")
        print(f"bound {spread_of(row[name], 2)}")

# %%
if DATASET == "digits":
    for row in stages.values():
        names = ("N(0, I)", "one full normal", "diffusion")
        lead = [row["mixture of 30"] - row[name] for name in names]
        assert np.min(lead) > 0.1, "in 8 dimensions a mixture wins"
    assert np.all(stages[0.1]["mixture of 30"] - stages[0.1]["N(0, I)"] > 1.5), "whole nats"
    assert np.all(stages[1.0]["N(0, I)"] > stages[0.1]["mixture of 30"] + 3), "beta = 1 leads"

# %% [markdown]
# In eight dimensions the **mixture** wins, for both first stages and in every seed: half a nat over $N(0, I)$ for $\beta = 1$, and more than two nats for $\beta = 0.1$, whose codes have never been pulled toward $N(0, I)$ with any force. The diffusion comes second for one first stage and last for the other. It repairs the second first stage by more than a nat, but a few seconds of expectation maximization do better. Diffusion is the tool for codes with thousands of entries, where mixtures fail, and nothing in eight dimensions speaks for it.
#
# Beware also of its steps, here 500: by the arithmetic of section 4, a bound with 50 steps would lie more than two nats lower in eight dimensions, and a reader would blame the network.
#
# The bound also says what the recipe gives away. The first stage with $\beta = 0.1$ reconstructs four nats better, and its repaired bound is still six nats *worse* than that of the plain VAE. Such a model is built for pictures.
#
# **Predict.** Draw from the first stage with $\beta = 0.1$, once from $N(0, I)$ and once from the mixture. Do two and a half nats show?

# %% tags=["drift"] mystnb={"image": {"alt": "Two rows of fourteen digits: decoded from codes of N(0, I), gray and often undecided, and from codes of the mixture, clearer."}}
model = vae  # the last one of the table: beta = 0.1
z, _ = codes_of(model, x_train, 4, 0)
codes = normals(z, 30, "diag").sample(300)[0]  # sorted by component, so:
codes = np.random.default_rng(0).permutation(codes)
drawn = {"N(0, I)": model.sample(300, seed=0), "mixture": model.decode(codes)}
drawn["reconstructed"] = model.reconstruct(x_test)
drawn = {"other real images": x_test, **drawn}
distance = {}
for name, images in drawn.items():
    coins = np.random.default_rng(0).uniform(size=images.shape) < images  # draws, not means
    pair = [np.reshape(x, [len(x), -1]).astype(float) for x in (x_valid, coins)]
    distance[name] = evaluation.frechet_distance(*pair)
    print(f"{name:18s} Fréchet distance of the pixels {distance[name]:.2f}")
figure, axes = plt.subplots(2, 1, figsize=(7, 2.3))
for ax, name in zip(axes, list(drawn)[1:], strict=False):
    plots.image_grid(drawn[name][:14], columns=14, ax=ax)
    ax.set_title(name, fontsize=9)
plt.show()

# %% [markdown]
# Yes, in this seed: with the mixture in place of $N(0, I)$ the distance to real images falls from 0.76 to 0.57, where other real images have 0.43 and reconstructions 0.47 (300 images each). The features are simply the pixels; chapter 10 says what such a number is worth. Codes drawn from $N(0, I)$ fall between the groups, where the decoder was never trained, and the pictures there are gray and undecided.
#
# ### The scale of codes
#
# A diffusion model expects data with about unit variance: its schedule says how much noise is much. Codes have whatever scale the first stage gave them. Stable Diffusion multiplies its codes by 0.18215, a number that many programs have copied without its meaning: it is one over the standard deviation of the codes of *that* first stage. The density of the codes themselves does not care, because a change of variables (chapter 09) adds $\sum_j \log(\text{factor}_j)$. The diffusion does.
#
# **Predict.** We fit the same diffusion to codes of unit variance, five times too large, and five times too small. Which mistake is expensive?

# %% tags=["drift"]
new, _ = codes_of(model, x_valid, 1, 1)
scales = {scale: np.mean(diffusion_prior(z, 0, scale)(new)) for scale in (1.0, 5.0, 0.2)}
for scale, value in scales.items():
    print(f"codes of standard deviation {scale:.1f}: E log p(z) {value:.2f} nats")
if DATASET == "digits":
    assert scales[5.0] < scales[1.0] - 0.7, "large codes drown the noise of the schedule"

# %% [markdown]
# Both: codes five times too large cost a nat and a half, and codes five times too small about one, on the same network and with the same steps. Large codes still show through the noise at the top, where the model believes in $N(0, I)$, and their fine detail needs more steps. For small codes even the weakest noise of the schedule blurs what matters. Divide by *your* standard deviation, and measure it on the training codes.
#
# ## 7. First stages in practice: a KL weight of 1e-6, critics, tokenizers
#
# The first stage of latent diffusion is called "a VAE", with a KL weight of $10^{-6}$ (Rombach et al., 2022). What does that mean in nats? Their reconstruction term is an absolute error, summed over pixels: a Laplace likelihood of scale 1, in pictures that run from $-1$ to 1. `evaluation.effective_beta` (chapter 04) reads the weight off a loss. The right scale would be the mean absolute error that the model really makes, say 0.05. And some programs average over pixels instead of summing.
#
# **Predict.** Order these three by effective beta: $10^{-6}$ with a sum and scale 1; the same loss, judged with scale 0.05; the same weight with a mean over $32 \times 32 \times 3$ numbers.

# %%
def first_stage_loss(reduce):
    def loss(*arguments):
        x, output, mean, log_var = (tf.cast(a, tf.float64) for a in arguments)
        kl = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_var) - 1 - log_var, axis=1)
        error = reduce(tf.abs(x - output), axis=[1, 2, 3])
        return tf.reduce_mean(error + 1e-6 * kl)

    return loss


asked = {"a sum, scale 1": (tf.reduce_sum, 1.0), "a sum, scale 0.05": (tf.reduce_sum, 0.05)}
asked["a mean, scale 1"] = (tf.reduce_mean, 1.0)
betas = {}
for name, (reduce, scale) in asked.items():
    options = {"likelihood": "laplace", "shape": (32, 32, 3), "scale": scale}
    betas[name] = evaluation.effective_beta(first_stage_loss(reduce), **options)
    print(f"{name:18s} effective beta {betas[name]:.1e}")
assert 0.5e-6 < betas["a sum, scale 1"] < 2e-6, "as it stands in the paper"
assert 10 < betas["a sum, scale 0.05"] / betas["a sum, scale 1"] < 40, "1 / 0.05"
assert 1000 < betas["a mean, scale 1"] / betas["a sum, scale 1"] < 10000, "3072 pixels"

# %% [markdown]
# From $10^{-6}$ over $2 \cdot 10^{-5}$ to $3 \cdot 10^{-3}$, for one and the same "1e-6". All are so small that the KL hardly acts: such a first stage is an autoencoder with a little noise and a fence far out. That is intended, since the second stage will model the codes whatever they look like. It also means that nobody should draw from its $N(0, I)$, or quote its ELBO.
#
# Two more habits of first stages:
# - **Critics.** Their loss contains a GAN's critic and a perceptual distance, which make decoded textures crisp. [Chapter 10](10_vae_gan.ipynb) built the critic and measured what it moves. With it the loss is no bound, and only samples can be scored.
# - **Tokenizers.** Where the second stage is a language model, the first is a VQ-VAE or a relative. *Finite scalar quantization* (Mentzer et al., 2023) rounds each of a few numbers to a few levels. Its codebook is a grid that nobody has to learn, so no commitment term is needed and hardly an entry dies.
#
# ## 8. Where the other directions stand in this book
#
# - **Deep hierarchical VAEs** (NVAE, very deep VAEs) learn the posterior that diffusion fixes. In [chapter 08](08_hierarchical_vae.ipynb) one latent on top of a normal distribution was worth 30 nats per photograph patch, but of eight groups trained naively on the digits only three or four were used, and free bits or a warm-up woke the others. In section 4 above, with a fixed posterior and a perfect guess, going from 10 to 250 groups was worth four nats in the plane, and none of them could collapse.
# - **Semi-supervised** models treat a label as a latent that is sometimes seen ([chapter 14](14_semi_supervised.ipynb)): with thirty labels the same classifier gained several points, and a graph of neighbors gained more.
# - **Conditional** models answer requests, from super-resolution to style ([chapter 15](15_conditional.ipynb)).
# - **Sequence models** and transformers read and write ([chapter 16](16_sequences.ipynb)). The GRU of section 3 is one, with codes in place of words.
#
# ## 9. Compression by bits back: a bound that you can weigh
#
# Throughout this book we have said that an ELBO of $-18.4$ nats is a number of bits: 26.5 per image. Is that so? Could you write the images to a file of that size? If you could, and got every pixel back, then even somebody who has never heard of a likelihood would have to believe the bound.
#
# An **entropy coder** turns probabilities into bits: a symbol of probability $p$ costs $-\log_2 p$. The modern one, **rANS** (Duda, 2013), keeps everything in one whole number, the *state*. Probabilities are whole numbers too, widths $w$ that add up to $2^r$, so symbol $s$ owns the interval from $c_s$ to $c_s + w_s$. To push $s$,
#
# $$ \text{state} \leftarrow \lfloor \text{state} / w_s \rfloor\, 2^r + c_s + (\text{state} \bmod w_s), \tag{17.9} $$
#
# which makes the state larger by a factor of $2^r / w_s = 1/p$. The remainder mod $2^r$ says later whose interval it is, so a pop undoes the push. It is a *stack*: last in, first out. Python's whole numbers have no upper limit, so that is the whole coder.

# %%
R = 16  # widths add up to 2^16

def edges_of(p):
    """0 = c_0 < c_1 < ... = 2^R, widths near 2^R p and at least 1."""
    ends = np.rint((2**R - len(p)) * np.append(0, np.cumsum(p))) + np.arange(len(p) + 1)
    return [int(end) for end in ends]


def push(state, symbol, edges):  # equation 17.9
    width = edges[symbol + 1] - edges[symbol]
    return (state // width << R) + edges[symbol] + state % width


def pop(state, edges):
    place = state % 2**R
    symbol = int(np.searchsorted(edges, place, side="right")) - 1
    width = edges[symbol + 1] - edges[symbol]
    return symbol, (state >> R) * width + place - edges[symbol]

before, edges = 987654321, edges_of([0.5, 0.25, 0.125, 0.125])
after = push(before, 2, edges)
print(f"one symbol of probability 1/8: {math.log2(after) - math.log2(before):.3f} bits")
assert pop(after, edges) == (2, before), "a pop undoes a push"
assert abs(math.log2(after / before) - 3) < 0.01, "-log2(1/8) = 3 bits"

# %% [markdown]
# A VAE does not give us $p(x)$, only $p(x|z)$ and $p(z)$. We could send a good $z$, and then $x$ given $z$. But that wastes bits: many $z$ would have done, and by choosing one we tell the receiver something that he has not asked for. **Bits back** (Hinton and van Camp, 1993; Townsend et al., 2019) turns the choice itself into a message. The sender does not choose $z$ at random. He *pops* it from the stack with $q(z|x)$: bits that were there already decide. Then he pushes $x$ with $p(x|z)$, and $z$ with $p(z)$. The state grows by
#
# $$ -\log_2 p(x|z) - \log_2 p(z) + \log_2 q(z|x), \tag{17.10} $$
#
# in the mean the negative ELBO in bits. The receiver goes backward: pops $z$, pops $x$, and, since he now knows $x$, pushes $z$ with $q(z|x)$. Whatever was on the stack before is there again.
#
# **Predict.** A small model with 3 values of $z$ and 16 of $x$, whose posterior is exact. How long will 2000 symbols be, compared with $-\sum \log_2 p(x)$: equal, a little longer, twice as long?

# %%
random = np.random.default_rng(0)
p_z, p_x_given_z = np.array([0.5, 0.3, 0.2]), random.dirichlet(np.full(16, 0.5), 3)
p_x = p_z @ p_x_given_z
q_z = (p_z[:, None] * p_x_given_z / p_x).T  # the exact posterior, [16, 3]
prior, likelihoods = edges_of(p_z), [edges_of(p) for p in p_x_given_z]
posteriors = [edges_of(p) for p in q_z]
symbols = random.choice(16, 2000, p=p_x)
first = state = int.from_bytes(random.bytes(8), "big")
naive = 1
for x in symbols:
    z, state = pop(state, posteriors[x])
    state = push(push(state, x, likelihoods[z]), z, prior)
    z = int(np.argmax(q_z[x]))  # the naive way: send the best z as it is
    naive = push(push(naive, x, likelihoods[z]), z, prior)
spent, ideal = math.log2(state) - math.log2(first), -np.sum(np.log2(p_x[symbols]))
print(f"bits back {spent:.1f}, -sum log2 p(x) {ideal:.1f},", end=" ")
print(f"best z sent openly {math.log2(naive):.1f}")

# %%
read = []
for _ in symbols:
    z, state = pop(state, prior)
    x, state = pop(state, likelihoods[z])
    state = push(state, z, posteriors[x])
    read.append(x)
assert read[::-1] == list(symbols), "every symbol is back, the last one first"
assert state == first, "and so is what was on the stack before"
assert abs(spent - ideal) < 20, "some bits in thousands"
assert math.log2(naive) > 1.05 * ideal, "an open z costs more"

# %% [markdown]
# Equal, to within a bit or so in more than seven thousand, while sending the best $z$ openly costs a sixth more. Here $q$ is the exact posterior, so the bound is tight. With a worse $q$ the file would be longer by $\mathrm{KL}(q(z|x)\,\|\,p(z|x))$ for each symbol. The gap of the ELBO (chapter 03) is made of real bytes.
#
# ### The VAE of the digits as a file
#
# A real VAE needs care: latents are real numbers and must be cut into bins, and sender and receiver must agree on every probability to the last bit, on any two computers. The library's `compression` does this in whole numbers, for a `VAE` of dense layers. One call writes the file, a second reads it.
#
# **Predict.** 300 test images, one bit per pixel, take 64 bits each as they are. How many with `zlib`? And with the VAE, whose ELBO you know?

# %%
def png_of(x):
    """All images under one another in one black-and-white PNG, as bytes."""
    tall = Image.fromarray((255 * x.reshape(-1, shape[1])).astype("uint8")).convert("1")
    tall.save(written := io.BytesIO(), "png", optimize=True)
    return written.getvalue()

# %% tags=["drift"]
vae.set_weights(weights[1.0])  # the plain one again: beta = 1, last seed
file = compression.compress(vae, x_test)
back = compression.decompress(vae, file)
assert np.array_equal(back, x_test), "every pixel is back"
elbo = np.mean(vae.log_weights(x_test, 50, tf.constant([0, 0])))
packed = np.packbits(x_test.astype("uint8")).tobytes()
bits = {"raw, one bit a pixel": 8 * len(packed) / len(x_test)}
bits["zlib, level 9"] = 8 * len(zlib.compress(packed, 9)) / len(x_test)
bits["png, one large picture"] = 8 * len(png_of(x_test)) / len(x_test)
bits["bits back, whole file"] = 8 * len(file) / len(x_test)
coder, stack = compression.BitsBack(vae), compression.Stack()
coder.push(stack, x_test)
bits["bits back, net"] = (stack.bits - stack.initial_bits) / len(x_test)
bits["the promise: -ELBO / log 2"] = -elbo / np.log(2)
for name, value in bits.items():
    print(f"{name:28s}{value:7.2f} bits an image")
if DATASET == "digits":
    gap = bits["bits back, net"] - bits["the promise: -ELBO / log 2"]
    assert abs(gap) < 0.6, "the coder keeps the promise of the bound"
    assert bits["bits back, whole file"] < bits["zlib, level 9"] - 4, "far below zlib"

# %% [markdown]
# The whole file takes 27.5 bits an image, where `zlib` takes 37.5 and a PNG 57: 1030 bytes for 300 pictures, and every pixel comes back. Without the header and the bits that the first code had to be read from (they are needed once, however long the file), it is 26.56 bits, and the ELBO had promised 26.51. The small difference is the chance in the codes that were popped. **A bound is a length that you can write down.**
#
# This also closes what chapter 01 began. There a code of 4 numbers was quantized, the picture was only *similar*, and nobody could say how many bits were enough. Here nothing is lost, and the number of bits comes out of the bound.
#
# What the file does not contain is the model. Sender and receiver both need the VAE, as both need `zlib`.

# %% tags=["drift"]
model_bytes = 4 * vae.count_params()
saved = (bits["zlib, level 9"] - bits["bits back, whole file"]) / 8
print(f"the model takes {model_bytes} bytes;")
print(f"against zlib it has paid off after about {model_bytes / saved:,.0f} images")

# %% [markdown]
# Some sixty thousand: this is for archives, not for three hundred thumbnails. And the same coder is a test for *every* bound in this book: a model with a better ELBO writes a shorter file, and a mistake in the bound is a file that comes out longer than promised, or one that cannot be read back. A VQ-VAE's file is the code map under its prior plus the pixels given the code; with 27 nats it would be half as long again.
#
# **On MNIST.** `DATASET = "mnist"` asks all of this on 3,000 thresholded images of $28 \times 28$ (20 epochs, three seeds). Most of it holds: the VAE has the better bound ($-124.8$ nats; the VQ-VAE with 16 entries $-131.3$ with its table), the mixture is the best second stage for both values of $\beta$, and the file takes 182.9 bits an image, where `zlib` takes 245 and the ELBO had promised 181.5. (Row Y17 of [the benchmarks](../benchmarks/yardsticks.md) does it with 2,000 test images and three seeds: the file is 0.2 % longer than its bound, at 0.20 bits a pixel, as published.) Two findings of section 3 do not carry over: there the VQ-VAE with 16 entries does *not* reconstruct better than the VAE ($-111.0$ against $-109.6$), and with 11 of 64 entries in use the model without the commitment term has the worse pictures *and* the worse bound ($-154.4$ against $-130.3$). What a code costs and what it buys depends on the data; only the sum decides.
#
# ## 10. A map: what does each model change?
#
# | model | prior | posterior | likelihood | bound |
# |---|---|---|---|---|
# | VAE (03) | $N(0, I)$ | a normal from a network | pixels, given $z$ | the ELBO |
# | IWAE (04), beta-VAE (07) | | | | $k$ samples; a price on the KL |
# | VampPrior, flow prior (09) | learned with the rest | | | ELBO |
# | NVAE, very deep VAE (08) | a path of groups | top-down, along the same path | | ELBO, KL per group |
# | VAE-GAN (10) | | | measured by a critic | none |
# | M2 (14), conditional VAE (15) | of a condition | a label may be seen | of a condition | sum over labels |
# | sequence VAE (16) | | a reader | tokens, given $z$ and the past | ELBO, often with free bits |
# | VQ-VAE | uniform, then a reader of codes | a point: nearest in a list | | ELBO without its KL, then a second stage |
# | diffusion | a path from $N(0, I)$, learned | fixed: noise | nearly a copy | ELBO, or re-weighted |
# | latent diffusion | a diffusion, second stage | nearly a point ($\beta \approx 10^{-6}$) | with a critic | two objectives |
# | bits back (section 9) | | | | the ELBO itself, in bytes |
#
# Read a new paper with this table beside you. If it changes two columns at once, ask for the experiment in which only one was changed.
#
# ## Summary
#
# You have
# - quantized a code, checked the straight-through gradient, and found a VQ-VAE with sharper reconstructions and a bound some nine nats worse than a VAE's, in three seeds;
# - seen dead entries make pictures worse and the bound better, because training never saw the price of a code;
# - written diffusion as a deep hierarchical VAE and split its gap to an exact density: two thirds of a nat for having 50 steps, a quarter for the network;
# - weighed the simple loss, and lost nothing in nats by it;
# - put all priors of a second stage into one table, where in eight dimensions a mixture won;
# - compressed images to the size that the bound promised, and read back every pixel.
#
# ## Common mistakes
#
# - Comparing a VQ-VAE's loss with an ELBO: the price of the code is missing.
# - Putting the commitment weight on the codebook term. Nothing alerts you.
# - Quoting a bound with 1000 steps beside pictures drawn with 10.
# - Calling the simple loss a likelihood, or the weights of a schedule a detail.
# - Leaving the entropy of $q(z|x)$ out of a two-stage bound (exercise 6).
# - Feeding a diffusion with codes of any scale, or copying 0.18215 from another first stage.
# - Writing "KL weight 1e-6" without saying whether pixels were summed.
# - Claiming a compression rate without the model's bytes, or without decompressing.
#
# ## The end of the course: what you can build now
#
# You began with a network that copied its input. This is what you can do today, and where it stands.
#
# | you want to | take | chapter | call |
# |---|---|---|---|
# | compress or plot data, without probabilities | an autoencoder, and PCA beside it | 01 | `models.Autoencoder(encoder, decoder)` |
# | clean images or signals | a denoiser | 02 | `models.DenoisingAutoencoder(...)` |
# | a density, codes and samples in one model | a VAE | 03 | `models.VAE(encoder, decoder)` |
# | other data: counts, tables, bytes | another likelihood | 04 | `models.VAE(..., likelihood="negative_binomial")` |
# | a number to report | log-likelihood, with its error | 04 | `evaluation.log_likelihood(vae, x, k=500)` |
# | edit, interpolate, fill in | the latent space | 05 | `vae.encode(x)`, `evaluation.impute(vae, x)` |
# | know whether the code is used | a diagnosis | 06 | `evaluation.diagnose(vae, x)` |
# | axes with a meaning, and a score for them | beta-VAE, total correlation | 07 | `models.TCVAE(...)`, `evaluation.mig(...)` |
# | detail at several scales | a hierarchy | 08 | `models.HierarchicalVAE(...)` |
# | a sharper density | a flow, or a learned prior | 09 | `priors.FlowPrior(...)`, `priors.VampPrior(x[:50])` |
# | crisp pictures | a critic | 10 | `models.VAEGAN(...)`, `evaluation.frechet_distance(...)` |
# | recommend, or model with an energy | an RBM | 11 | `models.RBM(shape, hidden)` |
# | choose between models | one rule, one table | 12 | `models.MADE(...)` and all of these |
# | find what is odd | a score, and a threshold | 13 | `evaluation.anomaly_scores(...)`, `evaluation.threshold(...)` |
# | learn from few labels | a graph first, then M2 | 14 | `models.M2(...)` |
# | ask for something | a condition | 15 | `models.ConditionalVAE(...)`, `vae.given(c)` |
# | model text and sequences | a reader as the likelihood | 16 | `likelihoods.Tokens(reader)` |
# | discrete codes | vector quantization, a prior over codes | 17 | `models.VQVAE(...)`, `priors.CodeMap(...)` |
# | small steps from noise to data | diffusion | 17 | `models.Diffusion(network, shape)` |
# | a file, without loss | bits back | 17 | `compression.compress(vae, x)` |
#
# Three habits go with all of them. **Write down the four parts before you write code**: prior, posterior, likelihood, bound. **Keep a rival without a network beside every model**: PCA, a mixture, a graph, `zlib`; in this book they won more often than anybody would have guessed. And **look for an oracle**: a case whose answer is known by another route. It is the only thing that tells a good model from a confident one.
#
# ## Exercises
#
# [Exercises 17](../exercises/17_recent/17_recent.ipynb): the straight-through gradient, the price of a code map, one step of diffusion, the entropy coder, a question about a bug that improves a bound, a published two-stage bound to repair, and a shorter file.
#
# ## Further reading
#
# - Van den Oord, Vinyals and Kavukcuoglu (2017), "Neural discrete representation learning": the VQ-VAE.
# - Ho, Jain and Abbeel (2020), "Denoising diffusion probabilistic models": the simple loss. Kingma et al. (2021), "Variational diffusion models": the bound in terms of the signal-to-noise ratio.
# - Kingma and Gao (2023), "Understanding diffusion objectives as the ELBO with simple data augmentation": what weights mean.
# - Dai and Wipf (2019), "Diagnosing and enhancing VAE models": the second stage and why it helps.
# - Rombach et al. (2022), "High-resolution image synthesis with latent diffusion models": the recipe in practice.
# - Townsend, Bird and Barber (2019), "Practical lossless compression with latent variables using bits back coding": the file.
