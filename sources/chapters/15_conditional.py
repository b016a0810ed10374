# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 15. Conditional generation: draw me a seven
#
# You ask a VAE for something: a seven, the colors of a gray picture, the details of a small one, the same face in another light. You learn to check whether it listens, and whether the spread of its answers can be believed.
#
# **Goals.** After this chapter you can
# - write the bound on $\log p(x|c)$, and say in which of the three distributions the condition enters;
# - test whether a model listens to its condition, by its draws and by its codes;
# - compare the spread of the answers with a spread that is known, and compute the coverage of intervals;
# - judge several answers to one question beside rivals that give one answer;
# - choose prior and score by the task: generating, predicting or editing.
#
# **Before you start.** Chapter 03 (the ELBO), chapter 04 (likelihoods with a scale), chapter 06 (the price of the KL).
#
# **Level:** advanced · **Time:** 65 minutes reading, 3 minutes computing

# %%
import functools

# vae_course comes before Keras: it chooses TensorFlow's settings.
from vae_course import datasets, evaluation, likelihoods, models, networks, parts, plots, priors
from vae_course.datasets import drawings

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import layers
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsRegressor, NearestNeighbors
from sklearn.svm import SVC

tfd = tfp.distributions
plots.use_style()

# %%
DATASET = "digits"  # of sections 1 to 3; or "mnist"
LATENT_SIZE, HIDDEN = 8, (128,)
SEEDS, EPOCHS, LEARNING_RATE = 3, 40, 3e-3
TRAIN_SIZE, EVALUATION_SIZE = 3000, 600  # at most
keras.utils.set_random_seed(0)

# %%
nodes = {"$c$": (3.4, 2.0, "observed"), "$x$": (0, 0, "observed")}
nodes |= {"encoder": (1.8, 0, "network"), "$z$": (3.4, 0, "variable")}
nodes |= {"decoder": (5.2, 0, "network"), "p(x)": (7.2, 0, "variable", "$p(x|z,c)$")}
arrows = [("$x$", "encoder"), ("encoder", "$z$"), ("$z$", "decoder"), ("decoder", "p(x)")]
arrows += [("$c$", "encoder"), ("$c$", "decoder")]
arrows += [("$c$", "$z$", {"style": "--", "label": "prior?"})]
plots.schematic(nodes, arrows, unit=0.85)
plt.show()

# %% [markdown]
# The condition $c$ can enter at three places: the encoder, the decoder and the prior. The first two are the rule. The dashed arrow is a choice, and much of this chapter is about what it mends and what it breaks.
#
# ## 1. "Draw me a seven"
#
# A VAE draws whatever its prior likes. We want to *ask*. Let $c$ be what is known: a class, a gray picture, an angle. The model is $p(x|c) = \int p(z|c)\, p(x|z, c)\, dz$, and its bound is that of chapter 03 with $c$ behind every bar (Sohn et al., 2015):
#
# $$ \log p(x|c) \;\geq\; \mathbb{E}_{q(z|x,c)}[\log p(x|z, c)] - \mathrm{KL}(q(z|x, c)\,\|\,p(z|c)). \tag{15.1} $$
#
# In code, $c$ is a second input of two networks. Here is the whole bound by hand, with the prior $N(0, I)$, which does not listen.

# %%
data = datasets.load(DATASET)
x_train, y_train = data.x_train[:TRAIN_SIZE], data.y_train[:TRAIN_SIZE]
x_new = np.concatenate([data.x_valid, data.x_test])[:EVALUATION_SIZE]
y_new = np.concatenate([data.y_valid, data.y_test])[:EVALUATION_SIZE]
CLASSES = len(data.label_names or np.unique(y_train))


def flat(x):
    return np.reshape(x, [len(x), -1])


def pair_of(shape, latents, condition_size=0):
    """Encoder and decoder of dense layers; the condition is a second input of both."""
    more = {"hidden": HIDDEN, "condition_size": condition_size}
    encoder = networks.mlp_encoder(shape, 2 * latents, **more)
    return encoder, networks.mlp_decoder(latents, shape, **more)

# %%
encoder, decoder = pair_of(x_train.shape[1:], LATENT_SIZE, CLASSES)


def conditional_bound(x, c, noise):
    """Equation 15.1, in nats: x [n, *shape], c [n, C], noise [n, latent_size] -> [n]."""
    q = parts.gaussian(encoder([x, c]))
    z = q.mean() + q.stddev() * noise
    p = tfd.Independent(tfd.Bernoulli(logits=decoder([z, c])), 3)
    return p.log_prob(x) - tfd.kl_divergence(q, parts.standard_normal(LATENT_SIZE))

# %% [markdown]
# The library has the same in `models.ConditionalVAE`: `fit(x, c)` trains it, and `given(c)` is *the VAE that is left once $c$ is known*, with `sample`, `encode`, `bound` and all the rest. Do the two agree?

# %%
model = models.ConditionalVAE(encoder, decoder, classes=CLASSES)
x, y = x_train[:20], y_train[:20]
noise = tf.random.stateless_normal([20, LATENT_SIZE], [0, 0])
by_hand = conditional_bound(tf.constant(x), tf.one_hot(y, CLASSES), noise)
left = model.given(y)  # a class for each example
q = left.posterior(x)
elbo = left.bound(x, q.mean() + q.stddev() * noise, q)["elbo"]
assert np.allclose(by_hand, elbo, atol=1e-3), "the library's bound is ours"

# %% [markdown]
# They do. Training for several seeds will come back in every section, so one small function does it: it compiles one model, hands it fresh weights (and their $\beta$) for each seed, and yields it trained.

# %%
def over_seeds(new, x, c=None, epochs=EPOCHS, model=None):
    """Yield a model, trained afresh for each seed; `model`: a compiled one of this build."""
    if model is None:
        model = new()
        model.compile(keras.optimizers.Adam(LEARNING_RATE))
    for seed in range(SEEDS):
        keras.utils.set_random_seed(seed)
        model.start_from(new())
        model.fit(x, c, batch_size=64, epochs=epochs, verbose=0)
        yield model


def new_plain():
    return models.VAE(*pair_of(x_train.shape[1:], LATENT_SIZE))


def new_asked():
    pair = pair_of(x_train.shape[1:], LATENT_SIZE, CLASSES)
    return models.ConditionalVAE(*pair, classes=CLASSES)

# %% [markdown]
# Knowing the class makes a picture easier to explain. By how much at most? The class of a digit is worth $\log 10 = 2.30$ nats: $\log p(x|c) - \log p(x) = \log p(c|x) - \log p(c)$, and with ten equally frequent classes that cannot exceed $\log 10$.
#
# **Predict.** How many nats does the conditional model gain over a VAE with the same networks that never hears of classes: less than 2.3, exactly that, or more?

# %%
def knows(model, old, new):
    """How well a line through the codes tells the class: accuracy on new examples."""
    line = LogisticRegression(max_iter=2000).fit(model.encode(old), y_train)
    return line.score(model.encode(new), y_new)


plain, asked = [], []
for model in over_seeds(new_plain, x_train):
    nats = evaluation.log_likelihood(model, x_new, k=50).mean
    plain.append((nats, knows(model, x_train, x_new)))
for model in over_seeds(new_asked, x_train, y_train):
    nats = evaluation.log_likelihood(model, (x_new, y_new), k=50).mean
    asked.append((nats, knows(model, (x_train, y_train), (x_new, y_new))))
seven = model  # the last one is used below
plain, asked = np.array(plain), np.array(asked)

# %% tags=["drift"]
print("log p(x)   of a VAE:            ", *plain[:, 0].round(2))
print("log p(x|c) of a conditional VAE:", *asked[:, 0].round(2))
gain = asked[:, 0].mean() - plain[:, 0].mean()
print(f"gain {gain:.2f} nats; the class is worth at most {np.log(CLASSES):.2f}")
if DATASET == "digits":
    assert gain > np.log(CLASSES) + 0.3, "the gain is more than the class is worth"

# %% [markdown]
# More: about 3.2 nats on the digits, for every seed. A true $p(x)$ and a true $p(x|c)$ cannot differ so much, so the two models do not describe the same $p(x)$. The plain VAE has to discover the classes within eight continuous latents, and in 40 epochs it does not manage all of it. The conditional model is told. It even is the better model of digits *without* labels, since the classes can be summed out:
#
# $$ \log p(x) = \log \sum_c p(c)\, p(x|c), \qquad p(c|x) = \frac{p(c)\, p(x|c)}{p(x)}. \tag{15.2} $$
#
# The second half is a classifier that nobody trained as one.

# %% tags=["drift"]
def by_class(model, x, k=20):
    """log p(x|c) under every class: [classes, n]."""
    rows, c = np.concatenate([x] * CLASSES), np.repeat(np.arange(CLASSES), len(x))
    values = evaluation.log_likelihood(model, (rows, c), k=k).per_example
    return values.reshape(CLASSES, len(x))


few = slice(300)
log_p = by_class(seven, x_new[few])
summed = np.mean(logsumexp(log_p, axis=0) - np.log(CLASSES))
correct = np.mean(log_p.argmax(axis=0) == y_new[few])
alone = evaluation.log_likelihood(seven, (x_new[few], y_new[few]), k=20).mean
print(f"log p(x) with the classes summed out {summed:.2f}, log p(x|c) {alone:.2f} nats")
print(f"the most probable class is right for {100 * correct:.1f} %")
if DATASET == "digits":
    assert summed > plain[:, 0].mean() + 0.3, "better than the VAE at the VAE's own task"
    assert correct > 0.94, "Bayes' rule makes a classifier"

# %% [markdown]
# Ten small VAEs that share their weights explain digits better than one VAE of the same size, and Bayes' rule names the right class for about 97 of 100 digits. Now draw.

# %% tags=["drift"]
wanted = np.tile(np.arange(CLASSES), 4)
figure, ax = plt.subplots(figsize=(8, 3.4))
plots.image_grid(seven.given(wanted).sample(len(wanted), seed=1), columns=CLASSES, ax=ax)
ax.set_title("asked for 0 to 9, four times")
plt.show()

# %% [markdown]
# Each column is one request and each row a new code $z$ for every picture. They look as asked. Looking is not measuring.
#
# ## 2. Does it listen?
#
# Two questions, two instruments. Do the draws show what was asked for? A **judge**, a classifier that was trained on real digits and had no part in the model, says. And is $z$ free of what $c$ says already? Then no line through the codes can tell the class.
#
# **Predict.** A line through a plain VAE's codes finds the class of nine digits in ten. What will it find in the conditional VAE's codes?

# %% tags=["drift"]
judge = SVC().fit(flat(x_train), y_train)
requests = np.repeat(np.arange(CLASSES), 50)
drawn = seven.given(requests).sample(len(requests), seed=2)
obeyed = judge.score(flat(drawn), requests)
print(f"judge on real digits {judge.score(flat(x_new), y_new):.3f}, on draws {obeyed:.3f}")
print("class from codes, plain VAE:", *plain[:, 1].round(2), end=" ")
print(" conditional:", *asked[:, 1].round(2))
if DATASET == "digits":
    assert obeyed > 0.97, "the draws are what was asked for"
    assert asked[:, 1].max() < 0.45 < 0.8 < plain[:, 1].min(), "z leaves to c what c says"

# %% [markdown]
# About a quarter, where chance is a tenth. The KL explains it: to write the class into $z$ costs up to 2.3 nats, and the decoder hears it from $c$ for nothing. So $z$ keeps slant, width and stroke: the style. Nobody asked for that separation. It is a by-product of the price, and section 8 shows a case in which the price is too low to produce it.
#
# ## 3. A prior that listens
#
# The third place is the prior: $p(z|c) = N(\mu(c), \sigma(c)^2)$, with a small network (`priors.Conditional`). It learns where the codes of each class lie, so the KL falls.
#
# **Predict.** What happens to the likelihood? And to the separation that we just admired?

# %% tags=["drift"]
def new_prior(size, latents, hidden=()):
    return priors.Conditional(networks.mlp_encoder((size,), 2 * latents, hidden=hidden))


def new_learned():
    pair = pair_of(x_train.shape[1:], LATENT_SIZE, CLASSES)
    prior = new_prior(CLASSES, LATENT_SIZE)
    return models.ConditionalVAE(*pair, classes=CLASSES, prior=prior)


learned = []
for model in over_seeds(new_learned, x_train, y_train):
    nats = evaluation.log_likelihood(model, (x_new, y_new), k=50).mean
    learned.append((nats, knows(model, (x_train, y_train), (x_new, y_new))))
learned = np.array(learned)
for i, what in enumerate(("log p(x|c), nats", "class from codes")):
    print(f"{what}: N(0, I)", *asked[:, i].round(2), " p(z|c)", *learned[:, i].round(2))
if DATASET == "digits":
    assert abs(learned[:, 0].mean() - asked[:, 0].mean()) < 0.4, "hardly a nat is gained"
    assert learned[:, 1].min() > 0.8, "codes and class are tied together"

# %% [markdown]
# The likelihood hardly moves (a tenth of a nat), and the separation is gone: now nearly every code gives its class away. With $N(0, I)$, a code that is typical of sevens is also typical of threes. With $p(z|c)$, each class may keep its codes in a corner of its own, free of charge.
#
# So the listening prior is not simply "more flexible". If you want to *keep $z$ and change $c$* (editing, style), leave the prior at $N(0, I)$. If you want to *predict* $x$ from $c$, let it listen. The next section shows why.
#
# **On MNIST.** With `DATASET = "mnist"` sections 1 to 3 run on 3,000 images of $28 \times 28$ (40 epochs, three seeds). The gain is larger, about 6 nats ($-118.4$ against $-124.5$ in the mean), and Bayes' rule names 92 % of the digits. But the judge, who knows 94 % of real digits, recognizes only 77 % of the draws: after these 40 epochs a request is often answered by a stroke or two that could be anything. The class can be read from 41 % of the conditional codes, where the VAE's own give away 83 %, and those under $p(z|c)$ about 68 %. The separation holds, and is less clean.
#
# ## 4. Colorization, with calibration
#
# **Colorization** asks for the colors of a gray picture, and one gray picture has many true colorings. How many, and how far apart, is unknown for photographs. So we use drawings for which we know: gray sprites whose hue is normal, with a mean and a deviation that belong to the shape. Hearts are orange and vary little (0.02 of the circle of colors), moons violet (0.04), arrows green and vary much (0.08).
#
# The condition is the gray picture and, for brevity, the name of its shape. The decoder only chooses a color, and the gray picture is painted with it.

# %%
sprites = datasets.load("colored_sprites")
SHAPES = len(drawings.SPRITE_SHAPES)
HUE, DEVIATION = np.array([drawings.HUES[name] for name in drawings.SPRITE_SHAPES]).T


def gray_and_shape(x, y):
    return np.hstack([flat(x.max(axis=-1)), np.eye(SHAPES)[y]]).astype("float32")


def offset(pictures, y):
    """Hue minus the mean hue of the shape, along the circle of colors."""
    return np.mod(drawings.hues(pictures) - HUE[y] + 0.5, 1) - 0.5

# %%
def new_painter(listening, latents=2):
    x, z, c = keras.Input((16, 16, 3)), keras.Input((latents,)), keras.Input((256 + SHAPES,))
    mean_color = 20 * layers.GlobalAveragePooling2D()(x)
    seen = layers.Concatenate()([mean_color, c[:, 256:]])
    raw = layers.Dense(2 * latents)(layers.Dense(64, activation="relu")(seen))
    hidden = layers.Dense(64, activation="relu")(layers.Concatenate()([z, c[:, 256:]]))
    color = layers.Reshape((1, 1, 3))(layers.Dense(3)(hidden))
    painted = layers.Multiply()([layers.Reshape((16, 16, 1))(c[:, :256]), color])
    rule = keras.Model(c, layers.Dense(2 * latents)(c[:, 256:]))
    prior = priors.Conditional(rule) if listening else "standard_normal"
    pair = keras.Model([x, c], raw), keras.Model([z, c], painted)
    return models.ConditionalVAE(*pair, prior=prior, likelihood=likelihoods.Gaussian(0.05))

# %% [markdown]
# An interval that promises 90 % should hold the true hue for 90 of 100 new sprites; the share that it really holds is its **coverage**. `evaluation.coverage(draws, x, level)` computes it. And since the truth is known we ask directly, too: what share of the draws lies within two deviations of the shape's mean? Of true hues, 95 %.
#
# **Predict.** With $N(0, I)$, will the hues that are drawn for a heart spread by 0.02? And if not, will the coverage tell?

# %%
def drawn_hues(model, shape, k=199):
    """Offsets of hues drawn for one gray picture of this shape: [k]."""
    row = np.flatnonzero(sprites.y_test == shape)[0]
    pictures = model.given(c_test[row]).sample(k, seed=shape + 1)
    return offset(pictures, np.full(k, shape))


def judged(model):
    """For each shape: share of draws within two deviations, and coverage at 90 %."""
    found = []
    for shape in range(SHAPES):
        hues = drawn_hues(model, shape)
        near = np.mean(np.abs(hues) < 2 * DEVIATION[shape])
        true = offset(sprites.x_test, sprites.y_test)[sprites.y_test == shape]
        found.append((near, evaluation.coverage(hues[:, None], true)))
    return np.array(found)

# %%
c_train = gray_and_shape(sprites.x_train, sprites.y_train)
c_test = gray_and_shape(sprites.x_test, sprites.y_test)
painters, found = {}, {}
for name, listening in (("N(0, I)", False), ("p(z|c)", True)):
    new = functools.partial(new_painter, listening)
    run = over_seeds(new, sprites.x_train, c_train, epochs=22)
    results = []
    for model in run:
        results.append(judged(model))
    found[name], painters[name] = np.array(results), model

# %% tags=["drift"]
print(f"{SEEDS} seeds          within 2 deviations          coverage of 90 %")
print("prior         ", *(f"{name:>7}" for name in drawings.SPRITE_SHAPES * 2))
for name, results in found.items():
    print(f"{name:14s}", *(f"{share:7.2f}" for share in results.mean(axis=0).T.ravel()))
print(f"{'true hues':14s}", *(f"{share:7.2f}" for share in [0.95] * 3 + [0.9] * 3))
near, cover = (np.array([found[name][..., i] for name in found]) for i in (0, 1))
assert near[0, :, 0].max() < 0.7, "N(0, I): the hue of a heart is hardly known"
assert near[1].min() > 0.8, "p(z|c): nearly all draws are colors that the shape can have"
assert cover[0].mean() > 0.9 > 0.88 > cover[1].mean(), "too wide; then a little too narrow"

# %% mystnb={"image": {"alt": "Hues of hearts, arrows and moons in two panels, dots for draws and bars for true hues. Under N(0, I) many draws for hearts lie outside their range; under the prior that hears the condition nearly all are possible."}}
figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.0), sharey=True)
for ax, (name, painter) in zip(axes, painters.items(), strict=True):
    for shape in range(SHAPES):
        hues = drawn_hues(painter, shape) + HUE[shape]
        true = drawings.hues(sprites.x_test[sprites.y_test == shape])
        height = shape + np.linspace(0.05, 0.35, len(hues))
        ax.plot(hues, height, ".", color=plots.COLORS[shape])
        ax.plot(true, np.full(len(true), shape - 0.15), "|", color="black")
    ax.set(title=f"prior {name}", xlabel="hue", xlim=(-0.4, 1.3))
axes[0].set_yticks(range(SHAPES), drawings.SPRITE_SHAPES)
plt.show()

# %% [markdown]
# No, and whoever only fears a coverage *below* its level is not warned. Bars are true hues of new sprites, dots are draws (their colors name the shapes, not the hues). Under $N(0, I)$ about seven of ten draws for a heart lie outside the range of hearts, while the intervals hold far more than the 90 % they promise. **A coverage above its level says that the intervals are too wide**: here, because the model has not listened enough. A plausible mechanism: $z$ brings the hue, the codes of the three shapes lie in different parts of the plane, and $N(0, I)$ draws from all of them. Only the decoder could undo that, by bending $z$ differently for each shape.
#
# The listening prior mends it. It knows which hues a shape has before anything is drawn, and nearly all draws are possible colors. What it breaks is subtler: the intervals hold a little over 80 % in the mean of the three shapes where they promise 90. After 22 epochs the answers are **overconfident**. The coverage shows the direction of each fault, the share of possible colors its size. Report both.
#
# And a regression? It paints every heart in the mean color of hearts. No other single answer has a smaller squared error, and it has no spread at all. Where a shape has two possible colors far apart, the mean is a third one that no such shape has: mud.
#
# ## 5. Super-resolution as several answers
#
# **Super-resolution** asks for the large picture behind a small one. Average a digit of $8 \times 8$ pixels down to $2 \times 2$, and ask for the digit. Four numbers cannot say which one it was: the honest answer is several answers. The rivals give one each: bicubic interpolation, ridge regression, and the nearest training digit. They get a Gaussian with their validation error as its scale, so that all are compared in nats.

# %%
def pool(x, size):
    """Means over squares of size x size pixels."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height // size, size, width // size, size, channels)
    return x.mean(axis=(2, 4), dtype="float32")


def bicubic(small, large):
    """Bicubic resizing is linear, so it is a matrix: [small^2, large^2]."""
    unit = np.eye(small**2, dtype="float32").reshape(-1, small, small, 1)
    return flat(tf.image.resize(unit, (large, large), "bicubic").numpy())


def rmse(a, b):
    return np.sqrt(np.mean((flat(a) - flat(b)) ** 2))


def gaussian_nats(error, scale, size):
    """Mean log-density of `size` pixels with this root mean squared error."""
    return -size * (np.log(scale) + 0.5 * np.log(2 * np.pi) + 0.5 * (error / scale) ** 2)

# %% tags=["drift"]
digits = datasets.load("digits")
large = [flat(part) for part in (digits.x_train, digits.x_valid, digits.x_test)]
small = [flat(pool(part, 4)) for part in (digits.x_train, digits.x_valid, digits.x_test)]
near = NearestNeighbors(n_neighbors=50).fit(small[0])
rivals = {"bicubic": lambda c: c @ bicubic(2, 8)}
rivals["ridge"] = Ridge(0.01).fit(small[0], large[0]).predict
rivals["nearest"] = lambda c: large[0][near.kneighbors(c, 1, return_distance=False)[:, 0]]
rival_nats, rival_error = {}, {}
for name, answer in rivals.items():
    scale, error = rmse(answer(small[1]), large[1]), rmse(answer(small[2]), large[2])
    rival_nats[name], rival_error[name] = gaussian_nats(error, scale, 64), error
    print(f"{name:9s} error {error:.3f}, {rival_nats[name]:6.1f} nats")

# %% [markdown]
# Now the conditional VAE: four latents, a Gaussian with scale 0.2, and 39 answers for each small picture. Pixel noise is part of an answer: a mean of $p(x|z, c)$ is not a draw of $x$, so for the intervals we add it.
#
# **Predict.** Which has the smallest error: ridge, one draw, or the mean of many draws? And does a draw, averaged down again, give back the small picture, which nothing in the model enforces?

# %%
def new_enlarger():
    pair = pair_of((8, 8, 1), 4, 4)
    return models.ConditionalVAE(*pair, likelihood=likelihoods.Gaussian(0.2))


def enlarged(model, k=39):
    """k answers, means of p(x|z, c), for each small test picture: [k, n, 64]."""
    n = len(small[2])
    return np.array([flat(model.given(small[2]).sample(n, seed=i)) for i in range(k)])


def best(answers):
    """Error of the best answer for each picture: answers [k, n, 64]."""
    return np.sqrt(np.mean(np.min(np.mean((answers - large[2]) ** 2, axis=-1), axis=0)))

# %%
rows, pixel_noise = [], 0.2 * np.random.default_rng(0).normal(size=(39, *large[2].shape))
for model in over_seeds(new_enlarger, digits.x_train, small[0]):
    means = enlarged(model)
    again = flat(pool(means.reshape(-1, 8, 8, 1), 4)) - np.tile(small[2], (len(means), 1))
    rows.append({
        "nats": evaluation.log_likelihood(model, (digits.x_test, small[2]), k=50).mean,
        "one answer": rmse(means[0], large[2]),
        "their mean": rmse(means.mean(axis=0), large[2]),
        "best of 39": best(means),
        "coverage": evaluation.coverage(means + pixel_noise, large[2]),
        "of means": evaluation.coverage(means, large[2]), "pooled": np.sqrt(np.mean(again**2)),
    })

# %% tags=["drift"]
enlarger = {name: np.array([row[name] for row in rows]) for name in rows[0]}
for name, values in enlarger.items():
    print(f"{name:11s}", *(f"{value:7.3f}" for value in values))
neighbors = large[0][near.kneighbors(small[2], 39, return_distance=False)].swapaxes(0, 1)
print(f"the best of the 39 nearest training digits: {best(neighbors):.3f}")
assert best(neighbors) < enlarger["best of 39"].min(), "the best of many: digits that exist"
assert enlarger["nats"].min() > max(rival_nats.values()) + 10, "nats see several answers"
assert enlarger["one answer"].min() > rival_error["ridge"] + 0.03, "a draw has more error"
assert np.all(enlarger["their mean"] < enlarger["one answer"] - 0.03), "the mean has less"
assert np.all(np.abs(enlarger["coverage"] - 0.94) < 0.04), "intervals hold what they promise"
assert np.all(enlarger["of means"] < enlarger["coverage"] - 0.06), "no pixel noise: too narrow"
assert enlarger["pooled"].max() < 0.04, "the answers fit the question"

# %% tags=["drift"] mystnb={"image": {"alt": "Rows of eight images: the small pictures of 2 x 2 pixels, the bicubic and the ridge enlargement, three answers of the model, the mean of 39 answers, and the true digits. Ridge and the mean show similar gray ghosts, the answers differ."}}
shown = [3, 8, 14, 21, 33, 47, 52, 60]
lines = {"small": np.kron(small[2][shown].reshape(-1, 2, 2), np.ones((4, 4)))}
lines |= {name: rivals[name](small[2][shown]) for name in ("bicubic", "ridge")}
lines |= {f"answer {i + 1}": means[i, shown] for i in range(3)}
lines |= {"mean of 39": means.mean(axis=0)[shown], "true": large[2][shown]}
figure, ax = plt.subplots(figsize=(6.5, 6.0))
plots.image_rows({name: row.reshape(-1, 8, 8, 1) for name, row in lines.items()}, ax=ax)
plt.show()

# %% [markdown]
# Ridge has the smallest error; the mean of many draws comes close to it, and a single draw is far behind. That is no defect: whoever commits to one of several possible digits is punished twice by a squared error, once for what he left out and once for what he chose. Ridge draws the ghost of all possible digits, as the figure shows. The likelihood ranks the other way, by nearly twenty nats, because it asks whether the truth was *among* the answers. The intervals hold 95 % where they promise 90, a little too wide, since we gave all pixels one scale, even those that are always black; without pixel noise they would hold about 83. And although nothing enforces it, the answers average down to the question within about 0.015.
#
# Beware of one more number: the error of the *best* of 39 answers. It looks splendid, below all others, but among the 39 training digits that are nearest to the question there is one that is nearer still. The best of many rewards a wide spread, not a good one.
#
# ## 6. A case that collapses, and should
#
# Does this carry over to photographs? Patches of $16 \times 16$ pixels, averaged to $4 \times 4$, and again four latents. First an estimate without any network. If we take the residuals of ridge for normal, the best $k$ *linear* latents are the $k$ directions in which they vary most, and their gain in nats can be computed, in training and on new photographs (other parts of the same two pictures).
#
# Then the conditional VAE, twice from the same weights: with $\beta = 1$, and with $\beta = 50$, which forces a collapse.
#
# **Predict.** Which of the two explains *new* photographs better?

# %%
photos = datasets.load("photos")
question, target = [], []
for part in (photos.x_train, photos.x_test):
    question.append(flat(pool(part, 4)))
    target.append(flat(part))
ridge = Ridge(0.01).fit(question[0], target[0])
rest = [x - ridge.predict(c) for x, c in zip(target, question, strict=True)]
variances, directions = np.linalg.eigh(rest[0].T @ rest[0] / len(rest[0]))


def linear_nats(rest, k):
    """Mean log-density of residuals under a normal with k directions of their own variance."""
    spread = np.full(256, variances[: 256 - k].mean())
    spread[256 - k :] = variances[256 - k :]
    return np.mean(tfd.Normal(0.0, np.sqrt(spread)).log_prob(rest @ directions).numpy().sum(1))

# %%
linear = {k: [linear_nats(part, k) for part in rest] for k in (0, 4, 64)}


def new_photographer(beta):
    pair = pair_of((16, 16, 1), 4, 16)
    noise = likelihoods.Gaussian(float(variances.mean() ** 0.5))
    return models.ConditionalVAE(*pair, likelihood=noise, beta=beta)


ends, model = {}, None
for beta in (1.0, 50.0):
    ends[beta] = []
    new = functools.partial(new_photographer, beta)
    run = over_seeds(new, photos.x_train, question[0], 4, model)
    for model in run:
        both = zip((photos.x_train, photos.x_test), question, strict=True)
        ends[beta].append([model.evaluate(x, c, verbose=0, return_dict=True) for x, c in both])

# %% tags=["drift"]
for k, (old, new) in linear.items():
    print(f"ridge and {k:2d} linear latents: {old:.1f} nats in training, {new:.1f} on new ones")
bounds = {}
for beta, end in ends.items():
    rates = [new["kl"] for _, new in end]
    bounds[beta] = np.array([[part["elbo"] for part in parts] for parts in end])
    print(f"beta {beta:2.0f}: KL", *(f"{rate:.2f}" for rate in rates), end="  bound")
    old, new = bounds[beta].round(1).T
    print(" in training", *old, " on new ones", *new)
assert linear[4][0] > linear[0][0] + 8, "in training, four linear latents pay"
assert linear[4][1] < linear[0][1] + 2, "on new photographs they do not"
gains = (bounds[1.0] - bounds[50.0]).mean(axis=0)
assert gains[0] > 2, "in training, the codes pay"
assert gains[1] < 1, "on new photographs, nothing is gained by them"

# %% [markdown]
# The collapsed one, after four epochs of each. In training the codes pay several nats, and on new photographs these are gone and more: for each of the three seeds the model that was forced to ignore $z$ is ahead. The linear estimate says the same: four latents gain 15 nats in training and none elsewhere. What a photograph adds to its small version is not a few common directions but many local ones, and 10,000 overlapping patches of two pictures do not teach them to these networks: with 64 linear latents there is something to gain.
#
# So here the honest answer to a small picture is *one* answer and a noise level, and a plain ridge is the best of the four models with at most four latents. **A collapse may be right for this model and these data**: compare with a forced one on new examples before you cure it. To draw details of photographs takes a larger, local model and far more data.
#
# ## 7. A case that leaks
#
# The opposite case is a data set on which everything seems to work. Our faces are a full grid of factors: for each test face there are training faces that differ from it in one step of one factor. Average them down from $16 \times 16$ to $4 \times 4$, and let the nearest training face answer.
#
# **Predict.** Split at random, who wins, ridge or the nearest neighbor? And if all faces of certain *persons* (a combination of head width and hair) are held out?

# %%
faces = datasets.load("faces")
everyone = pool(np.concatenate([faces.x_train, faces.x_valid, faces.x_test]), 2)
factors = np.concatenate([faces.factors_train, faces.factors_valid, faces.factors_test])
start = len(faces.x_train)


def errors(test):
    """Errors of the nearest neighbor and of ridge; test [n] is True for what is held out."""
    old, new = everyone[~test], everyone[test]
    low_old, low_new = flat(pool(old, 4)), flat(pool(new, 4))
    place = NearestNeighbors(n_neighbors=1).fit(low_old).kneighbors(low_new)[1][:, 0]
    line = Ridge(0.01).fit(low_old, flat(old))
    return rmse(old[place], new), rmse(line.predict(low_new), new)

# %% tags=["drift"]
widths, hairs = (np.unique(factors[:, column]) for column in (3, 4))
splits = {"at random": np.arange(len(everyone)) >= start}
for i, hair in enumerate(hairs):
    splits[f"person {i + 1}"] = (factors[:, 3] == widths[i]) & (factors[:, 4] == hair)
leak = {name: errors(test) for name, test in splits.items()}
for name, (neighbor, line) in leak.items():
    print(f"held out {name:10s} nearest {neighbor:.3f}, ridge {line:.3f}")
held = np.array([pair for name, pair in leak.items() if name != "at random"])
assert leak["at random"][0] < 0.75 * leak["at random"][1], "siblings are in the training set"
assert held[:, 0].min() > 1.5 * leak["at random"][0], "without siblings it is much worse"

# %% [markdown]
# At random, the nearest neighbor wins by far: it finds a sibling. With a person held out its error is four times as large and more, since the nearest face belongs to somebody else. Ridge, which cannot remember anybody, hardly changes, and now it wins. A model that is scored on the random split is praised for its memory. **Hold out combinations**, not rows, wherever data come in families: persons, speakers, patients, scenes. And always look at the nearest training example before you admire a super-resolved face.
#
# ## 8. Controlled image editing
#
# **Controlled image editing** keeps $z$ and changes $c$: the same face in another light. The condition is the angle of the light, and the truth can be drawn, so the edit has an error. Copying the input unchanged is the rival.
#
# By section 2, $z$ should leave the light to $c$. But there a class cost a good part of all the information in $z$. Here the pixels are nearly free of noise and carry hundreds of nats, and a light angle in $z$ costs three or four: training hardly notices the price. So we raise it, with the $\beta$ of chapter 07.
#
# **Predict.** With $\beta = 8$ the model reconstructs faces worse than with $\beta = 1$. Does it edit them worse, too?

# %%
x_face, factors_face = everyone[:start], factors[:start]
x_test, factors_test = everyone[-573:], factors[-573:]
center, width = factors_face.mean(axis=0), factors_face.std(axis=0)


def light(factors):
    return ((factors - center) / width)[:, 2:3].astype("float32")


def new_editor(beta):
    pair = pair_of((16, 16, 1), 4, 1)
    return models.ConditionalVAE(*pair, likelihood=likelihoods.Gaussian(0.1), beta=beta)


def exchanged(columns, seed=5):
    """Other test faces, and the drawn truth: each test face with these factors of the other."""
    other = np.random.default_rng(seed).permutation(len(x_test))
    wanted = factors_test.copy()
    wanted[:, columns] = factors_test[other][:, columns]
    return other, wanted, pool(drawings.faces(wanted) / 255, 2)

# %%
def explained(codes, new_codes):
    """R2 of each factor, from the ten nearest codes: [factors]."""
    near = KNeighborsRegressor(10).fit(codes, (factors_face - center) / width)
    true = (factors_test - center) / width
    return 1 - np.mean((near.predict(new_codes) - true) ** 2, axis=0) / true.var(axis=0)


_, wanted, truth = exchanged([2])
edits, model = {}, None
for beta in (1.0, 8.0):
    edits[beta] = []
    new = functools.partial(new_editor, beta)
    run = over_seeds(new, x_face, light(factors_face), 12, model)
    for model in run:
        z = model.encode((x_test, light(factors_test)))
        edited = model.given(light(wanted)).decode(z)
        own = model.given(light(factors_test)).decode(z)
        told = explained(model.encode((x_face, light(factors_face))), z)[2]
        edits[beta].append((rmse(edited, truth), rmse(own, x_test), told))

# %% tags=["drift"]
print(f"copy the input: error {rmse(x_test, truth):.3f}")
for beta, rows in edits.items():
    edits[beta] = np.array(rows)
    print(f"beta {beta:.0f}: error of the edit", *edits[beta][:, 0].round(3), end=",  ")
    print("of reconstructions", *edits[beta][:, 1].round(3), end=",  ")
    print("R2 of the light from z", *edits[beta][:, 2].round(2))
assert edits[8.0][:, 0].mean() < edits[1.0][:, 0].mean() - 0.015, "the price: a better edit"
assert edits[8.0][:, 1].mean() > edits[1.0][:, 1].mean() + 0.003, "and worse reconstructions"
assert edits[8.0][:, 0].max() < 0.7 * rmse(x_test, truth), "better than no edit"

# %% tags=["drift"] mystnb={"image": {"alt": "Three rows of nine small faces: the face, the same face edited to have another light, and the drawn truth. The edits go in the right direction and keep some of the old light."}}
shown = slice(0, 9)
lines = {"face": x_test[shown], "edited": edited[shown], "drawn truth": truth[shown]}
figure, ax = plt.subplots(figsize=(8, 3.0))
plots.image_rows(lines, ax=ax)
plt.show()

# %% [markdown]
# No: it edits better, by about a third of the error, although each reconstruction is worse. Both codes keep much of the old light; with $\beta = 1$ the decoder seems to mix more of it with the new one that it is told. **A good reconstruction says nothing about an edit.** The R2 of the light from $z$, which should be 0, stays high in both models. It says how much *can be found* in the code, by a patient reader; the edit shows how much the decoder *uses*. Score an edit against the truth, or with a judge as in section 2 where no truth can be drawn, and use R2 as a warning.
#
# ## 9. Style transfer
#
# For **style transfer** nobody names the style. We only have pairs: two pictures of the same person (equal width of the head, equal hair) in different poses and lights. The condition is *the other picture*. It passes through a narrow network, whose two outputs are all that the decoder learns from it. Whatever both pictures share can come from there for free, and the rest goes into $z$: the content. The price is again $\beta = 8$. Then swap: content of one face, style of another, against the drawn truth.
#
# **Predict.** Of orientation, lighting, width and hair, which will be found in $z$, and which in the style?

# %%
def companions(factors, seed):
    """For each face, the row of another with the same width and hair."""
    random, rows = np.random.default_rng(seed), np.arange(len(factors))
    for group in np.unique(factors[:, 3:], axis=0):
        same = np.flatnonzero(np.all(factors[:, 3:] == group, axis=1))
        rows[same] = random.permutation(same)
    return rows


def new_stylist(latents=4, style_size=2):
    z, c = keras.Input((latents,)), keras.Input((256,))
    style = layers.Dense(style_size, name="style")(layers.Dense(64, activation="relu")(c))
    hidden = layers.Dense(128, activation="relu")(layers.Concatenate()([z, style]))
    decoder = keras.Model([z, c], layers.Reshape((16, 16, 1))(layers.Dense(256)(hidden)))
    encoder, _ = pair_of((16, 16, 1), latents, 256)
    noise = likelihoods.Gaussian(0.1)
    return models.ConditionalVAE(encoder, decoder, likelihood=noise, beta=8.0)

# %%
other, _, truth = exchanged([3, 4])
mates = flat(x_face[companions(factors_face, 0)])
test_mates = flat(x_test[companions(factors_test, 1)])
swaps = []
for model in over_seeds(new_stylist, x_face, mates, epochs=14):
    z = model.encode((x_test, test_mates))
    swapped = model.given(flat(x_test[other])).decode(z)
    own = model.given(test_mates).decode(z)
    styles = keras.Model(model.decoder.inputs[1], model.decoder.get_layer("style").output)
    content = explained(model.encode((x_face, mates)), z)
    style = explained(*(styles(flat(x)).numpy() for x in (x_face, x_test)))
    swaps.append((rmse(swapped, truth), rmse(own, x_test), content, style))

# %% tags=["drift"]
copies = rmse(x_test, truth), rmse(x_test[other], truth)
print("error of the swap", *(f"{row[0]:.3f}" for row in swaps), end=";  ")
print("of reconstructions", *(f"{row[1]:.3f}" for row in swaps))
print(f"copying the content picture {copies[0]:.3f}, the style picture {copies[1]:.3f}")
print("R2          ", *(f"{name:>12}" for name in faces.factor_names))
for name, column in (("content z", 2), ("style", 3)):
    mean = np.mean([row[column] for row in swaps], axis=0)
    print(f"{name:12s}", *(f"{r2:12.2f}" for r2 in mean))
content, style = (np.array([row[column] for row in swaps]) for column in (2, 3))
assert max(row[0] for row in swaps) < 0.9 * copies[0], "the swap is better than either picture"
assert style[:, [3, 4]].min() > 0.8 > 0.7 > style[:, [0, 2]].max(), "style: what is shared"
assert content[:, [0, 2]].min() > 0.9, "content: what differs"

# %% tags=["drift"] mystnb={"image": {"alt": "Four rows of nine small faces: the picture that gives the content, the one that gives the style, the swapped picture, and the drawn truth. The swapped pictures have roughly the pose and the light of the content, and are softer than the truth."}}
lines = {"content": x_test[shown], "style": x_test[other][shown]}
lines |= {"swapped": swapped[shown], "drawn truth": truth[shown]}
figure, ax = plt.subplots(figsize=(8, 4.0))
plots.image_rows(lines, ax=ax)
plt.show()

# %% [markdown]
# The style holds width and hair, as the pairs ask, and only a little of orientation and light, which are in $z$. But width is in $z$ *as well*, and half of hair. So the swap beats copying either picture and stays behind the model's own reconstruction: the content brings along some of its old style. Expression is lost in both, since at $16 \times 16$ pixels it hardly costs anything. Pairs say what is shared. Nothing in the bound says that $z$ must be free of it, apart from the price: measure the leak.
#
# ## 10. Data augmentation and synthetic data
#
# **Synthetic data** are draws that stand in for real examples, for instance where the real ones may not be shared. The test: *train on synthetic, test on real*. **Data augmentation** adds draws to real examples (chapter 05, section 5, did it with draws around each picture's code). Both are one function here; the classifier is logistic regression, and the drawn rows are as many as the real ones, or three times as many where only ten labels of each class are real.
#
# **Predict.** Can a model's draws teach a classifier more than the examples from which the model has learned?

# %%
def accuracy(x, y, task):  # balanced, in percent, on real examples that trained nothing
    line = LogisticRegression(max_iter=3000).fit(flat(x), y)
    new = np.concatenate([task.x_valid, task.x_test])
    true = np.concatenate([task.y_valid, task.y_test])
    return 100 * balanced_accuracy_score(true, line.predict(flat(new)))

def new_maker(x, classes):
    pair = pair_of(x.shape[1:], 8, classes)
    kind = "bernoulli" if x.ndim == 4 else likelihoods.Gaussian("per_feature")
    return models.ConditionalVAE(*pair, classes=classes, likelihood=kind)

def stand_ins(task, draws, epochs, times=1):
    """Accuracy from real rows, from synthetic ones, from both, for each (x, y): [draws, 3]."""
    scores, classes = [], len(np.unique(task.y_train))
    model = new_maker(task.x_train, classes)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), jit_compile=False)  # few steps
    for seed, (x, y) in enumerate(draws):
        keras.utils.set_random_seed(seed)
        model.start_from(new_maker(task.x_train, classes))
        model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
        labels = np.tile(y, times)
        drawn = model.given(labels).sample(len(labels), seed=1, noise=x.ndim == 2)
        both = np.concatenate([x, drawn]), np.concatenate([y, labels])
        scores.append([accuracy(*pair, task) for pair in ((x, y), (drawn, labels), both)])
    return np.array(scores)

# %%
def labeled(task, per_class, seed):
    """One draw of the labels: so many rows of each class."""
    random, y = np.random.default_rng(seed), task.y_train
    rows = [random.choice(np.flatnonzero(y == k), per_class, False) for k in np.unique(y)]
    return task.x_train[np.concatenate(rows)], y[np.concatenate(rows)]


tasks = {"digits": (digits, 20), "breast_cancer": (datasets.load("breast_cancer"), 60)}
tasks["vowels"] = datasets.load("vowels"), 20
table = {}
for name, (task, epochs) in tasks.items():
    table[name] = stand_ins(task, [(task.x_train, task.y_train)] * SEEDS, epochs)
few = stand_ins(digits, [labeled(digits, 10, draw) for draw in range(4)], 80, times=3)

# %% tags=["drift"]
print("balanced accuracy, %      real   synthetic        both")
for name, scores in table.items():
    print(f"{name:20s}", *(f"{mean:10.1f}" for mean in scores.mean(axis=0)))
print("digits, 10 a class  ", *(f"{mean:10.1f}" for mean in few.mean(axis=0)), end="   gains ")
print(*(f"{gain:+.1f}" for gain in few[:, 2] - few[:, 0]))
for name, scores in table.items():
    assert scores[:, 1].mean() < scores[:, 0].mean() - 1, f"{name}: real rows teach more"
    assert np.mean(scores[:, 2] - scores[:, 0]) < 1.5, f"{name}: draws added nothing"
assert np.mean(few[:, 2] - few[:, 0]) < 1.5, "augmentation: no gain on average"

# %% [markdown]
# Not in these experiments. Trained on drawn rows alone, the classifier loses two to four points on the digits and on breast cancer, and more on the vowels. Added to the real rows, the draws change nothing or cost one to two points, and with ten labeled digits a class they lose in each of four draws of the labels. There is a reason to expect that: the model has seen these examples and nothing else. What draws can add is an *assumption* that the classifier lacks, such as
# smoothness. A known symmetry adds more, if it is true of the data. Synthetic rows are worth having where real ones cannot be shared, and then the loss in the second column is the price to report. They are no guarantee of privacy: look for copies first (`evaluation.copies`, [chapter 10](10_vae_gan.ipynb)).
#
# ## 11. Medical image analysis
#
# For **medical image analysis** our embedded data are modest: `breast_cancer` holds 30 measurements that were taken from images of cell nuclei, so it is a table, not images. What it shows: synthetic patients teach a classifier some points less than the 341 real ones, and adding them brought nothing in three seeds. [Chapter 14](14_semi_supervised.ipynb), section 7, found the same for unlabeled patients: a straight line does most of the work. It also tells of real images, 546 ultrasound pictures of the breast with labels for 40: balanced accuracy rose from 68.7 to 70.6 % with the unlabeled ones, in three draws of the labels, and a logistic regression had 70.0. For images, the lessons of this chapter that matter most are those of sections 4 and 7: report the coverage of the answers, because a confident invented detail in a scan is dangerous, and hold out
# *patients*, not pictures.
#
# ## 12. Speech recognition
#
# For **speech recognition**, `vowels` holds spectra in 24 bands of invented speakers; it is no sound, and no sentence. Train on draws given the vowel, test on *other speakers*: several points are lost against real rows, and adding the draws did not help. Chapter 14, section 7, measured that unlabeled vowels do not help either, and the end of that section takes real recordings: ten digits, 100 labels, two speakers that were not in training. Unlabeled recordings moved 62.6 to 63.1 %, by less than the three draws differ. The condition that speech needs in practice, the speaker, is a "style" in the sense of section 9, with pairs of utterances by the same voice.
#
# ## 13. Which task needs which prior, and which score
#
# | task | $c$ | prior | score | what it does not see |
# |---|---|---|---|---|
# | draw a class | class | either | a judge on draws; log p(x given c) | copies of training examples |
# | colorization, prediction | what is given | p(z given c) | coverage, *and* the spread itself | coverage alone does not say how much of $c$ is ignored |
# | super-resolution | small picture | either | nats, coverage, agreement with the question | squared error prefers the blurred mean |
# | controlled image editing | the factor | $N(0, I)$ | error of the *edit*, or a judge | a perfect reconstruction says nothing |
# | style transfer | a picture with the same style | $N(0, I)$ | error of the *swap*; R2 in both codes | style that leaks through $z$ |
# | data augmentation, synthetic data | class | either | real test rows, over draws of the labels | privacy |
#
# ## Summary
#
# You have
# - written the bound on $\log p(x|c)$ by hand and found it in the library, and drawn what you asked for;
# - tested with a judge and with the codes whether a model listens, and classified with Bayes' rule;
# - seen $N(0, I)$ keep $z$ nearly free of the class and paint hearts in the wrong colors, and $p(z|c)$ do the opposite in both;
# - compared answers with a known spread: coverage above its level means vague, below it overconfident;
# - given several answers to a question of four pixels, worse in squared error and better by many nats;
# - seen a forced collapse win on new photographs, and a nearest neighbor shine on a grid because of its siblings;
# - edited and swapped against the drawn truth, and measured what leaks;
# - trained on synthetic rows and tested on real ones.
#
# ## Common mistakes
#
# - Drawing $z$ from $q(z|x, c)$ at test time: that is a look at the answer. Draw from the prior.
# - Calling means of $p(x|z, c)$ samples: without observation noise intervals are too narrow.
# - Reporting coverage without the width: a model that ignores its condition has plenty of it.
# - Judging an honest sampler by squared error or PSNR, or by its best answer of many.
# - Splitting a grid of factors, or several pictures of one patient, at random.
# - Concatenating $c$ to $x$ and *reconstructing* it, too. Exercise 5 repairs it.
# - Keeping $z$ and changing $c$ under a prior that listens.
#
# ## Exercises
#
# [Exercises 15](../exercises/15_conditional/15_conditional.ipynb): Bayes' rule from conditional bounds, the best of many answers, coverage, a product of two normals, a published conditional VAE to repair, a question about coverage, and many answers without a network.
#
# ## Further reading
#
# - Sohn, Lee and Yan (2015), "Learning structured output representation using deep conditional generative models": the conditional VAE with its listening prior.
# - Kingma et al. (2014), "Semi-supervised learning with deep generative models": a class as condition, and analogies of style.
# - Gneiting, Balabdaoui and Raftery (2007), "Probabilistic forecasts, calibration and sharpness": calibration first, then as narrow as possible.
# - Bouchacourt, Tomioka and Nowozin (2018), "Multi-level variational autoencoder": content and style from groups.
# - Blau and Michaeli (2018), "The perception-distortion tradeoff": why a small error and natural answers exclude each other.
