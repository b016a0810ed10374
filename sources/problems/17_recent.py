# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 17. Recent directions
#
# Read [chapter 17](../../chapters/17_recent.ipynb) first. The whole notebook computes for less than a minute.
# **Time:** about 60 minutes. **Points:** 18.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
import math

# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import compression, datasets, models, networks

import keras
import numpy as np
import tensorflow as tf
from scipy.special import expit
from scipy.stats import norm

random = np.random.default_rng(0)

# %% [markdown]
# ## Exercise 1. Past the quantizer (4 points, 10 minutes)
#
# Write the quantizer of a VQ-VAE with all that training needs. `z` is what the decoder sees: it has the *value* of the nearest entries and passes its gradient to `h` alone, not to the list. `codebook` and
# `commitment` are the two terms of equation 17.2 **without** weights, summed over places and numbers, one value for each example: the first moves only the list, the second only the encoder.

# %% nbgrader={"grade_id": "quantize-answer", "solution": true}
def quantize(h, book):
    """h [n, places, size], book [K, size] -> z, like h, codebook [n], commitment [n]."""
    distances = tf.reduce_sum((h[:, :, None] - book) ** 2, axis=-1)  # [n, places, K]
    ### BEGIN SOLUTION
    e = tf.gather(book, tf.argmin(distances, axis=-1))
    z = h + tf.stop_gradient(e - h)
    codebook = tf.reduce_sum((e - tf.stop_gradient(h)) ** 2, axis=[1, 2])
    commitment = tf.reduce_sum((h - tf.stop_gradient(e)) ** 2, axis=[1, 2])
    return z, codebook, commitment
    ### END SOLUTION

# %% nbgrader={"grade_id": "quantize-check", "grade": true, "points": 4} tags=["beside:with_gradients"]
def with_gradients(n, places, size, entries):
    """Values, and the gradients of each output by (h, book); c makes z's gradient known."""
    h, c = random.normal(size=(2, n, places, size))
    h, book = tf.constant(h), tf.constant(random.normal(size=(entries, size)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([h, book])
        answer = quantize(h, book)
        assert isinstance(answer, (tuple, list)) and len(answer) == 3, "return three results"
        z, codebook, commitment = answer
        sums = tf.reduce_sum(c * z), tf.reduce_sum(codebook), tf.reduce_sum(commitment)
    gradients = [[tape.gradient(s, v) for v in (h, book)] for s in sums]
    dense = lambda g: None if g is None else tf.convert_to_tensor(g).numpy()  # noqa: E731
    gradients = [[dense(g) for g in row] for row in gradients]
    gaps = ((h.numpy()[:, :, None] - book.numpy()) ** 2).sum(axis=-1)
    e = book.numpy()[gaps.argmin(axis=-1)]
    return h.numpy(), e, c, [np.asarray(part) for part in (z, codebook, commitment)], gradients


def still(gradient):
    return gradient is None or not np.any(gradient)


h, e, c, (z, codebook, commitment), gradients = with_gradients(5, 3, 2, 7)
assert z.shape == (5, 3, 2), "z has the shape of h"
assert not np.allclose(z, h), "the decoder sees entries of the list, not the encoder's output"
assert np.allclose(z, e), "the value of z is the nearest entry, at every place"
assert gradients[0][0] is not None, "no gradient reaches h: the staircase is in the way"
assert np.allclose(gradients[0][0], c), "dz/dh is the identity: h + stop_gradient(e - h)"
assert still(gradients[0][1]), "through z nothing reaches the list; its own term moves it"
assert codebook.shape == (5,) and commitment.shape == (5,), "one value for each example"
squares = ((h - e) ** 2).sum(axis=(1, 2))
assert np.allclose(codebook, squares), "the codebook term is a sum over places and numbers"
assert np.allclose(commitment, squares), "the commitment term has the same value"
assert still(gradients[1][0]), "the codebook term must not move h: stop its gradient. Swapped?"
assert not still(gradients[1][1]), "the codebook term moves the list"
assert still(gradients[2][1]), "the commitment term must not move the list"
assert np.allclose(gradients[2][0], 2 * (h - e)), "the commitment term draws h to its entry"
### BEGIN HIDDEN TESTS
for sizes in ((2, 4, 3, 5), (6, 1, 1, 2)):
    h, e, c, (z, codebook, commitment), gradients = with_gradients(*sizes)
    squares = ((h - e) ** 2).sum(axis=(1, 2))
    assert np.allclose(z, e) and np.allclose(gradients[0][0], c), "other sizes"
    assert np.allclose(codebook, squares) and np.allclose(commitment, squares), "other sizes"
    assert still(gradients[1][0]) and still(gradients[2][1]), "who moves, at other sizes"
    assert np.allclose(gradients[2][0], 2 * (h - e)), "other sizes"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. The price of a code map (3 points, 8 minutes)
#
# Fit a table of counts to code maps, each place by itself, and give the mean price $-\log p(c)$ of new maps, in nats. Add one to every count, so that no code is impossible.

# %% nbgrader={"grade_id": "price-answer", "solution": true}
def price(codes, new_codes, entries):
    """Mean of -log p(c) in nats: codes [n, places] to fit, new_codes [m, places] to pay for."""
    total = 0.0
    for place in range(codes.shape[1]):
        ### BEGIN SOLUTION
        counts = 1 + np.bincount(codes[:, place], minlength=entries)
        p = counts / counts.sum()
        total -= np.mean(np.log(p[new_codes[:, place]]))
        ### END SOLUTION
    return total

# %% nbgrader={"grade_id": "price-check", "grade": true, "points": 3}
codes = random.integers(0, 4, size=(4000, 3))
kept = codes.copy()
value = price(codes, codes[:1000], 4)
assert np.array_equal(codes, kept), "your function changes the codes that it is given"
assert np.isclose(value, 3 * math.log(4), atol=0.02), (
    f"codes without structure: 3 log 4 = 4.16 nats, yours {value:.2f}. "
    "6 are bits, 1.39 is one place only, a negative number is log p"
)
one = np.array([[0], [0], [1]])
assert np.isclose(price(one, one[:1], 2), -math.log(3 / 5)), (
    "counts 2 and 1 in `codes`, plus one each: p(0) = 3/5"
)
with np.errstate(all="ignore"):
    never = price(np.zeros((8, 1), int), np.array([[2]]), 3)
assert np.isclose(never, math.log(11)), "an unseen code costs -log(1/11), not infinity"
mixed = -(math.log(2 / 5) + math.log(3 / 5)) / 2
assert np.isclose(price(one, np.array([[1], [0]]), 2), mixed), (
    "the table comes from `codes`; the price is the mean of -log p over `new_codes`"
)
assert price(np.array([[0, 1]] * 50), np.array([[0, 1]]), 2) < 0.1, "a table for each place"
### BEGIN HIDDEN TESTS
for entries, places in ((6, 2), (3, 5)):
    codes = random.integers(0, entries - 1, size=(30, places))
    new = random.integers(0, entries, size=(20, places))
    expected = 0.0
    for j in range(places):
        for c in new[:, j]:
            expected -= math.log((np.sum(codes[:, j] == c) + 1) / (30 + entries)) / 20
    assert np.isclose(price(codes, new, entries), expected), "counts plus one, place by place"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. One step of diffusion (3 points, 10 minutes)
#
# A diffusion model guesses the noise. Write the guess of $x$ that follows from it, and the cost of one step in terms of the two guesses of $x$, which is shorter than equation 17.7: the signal-to-noise ratio is
# $\mathrm{SNR} = e^{\lambda}$, and
#
# $$ \mathrm{KL} = \tfrac12 (\mathrm{SNR}_{t-1} - \mathrm{SNR}_t) \, \| x - \hat x \|^2. $$

# %% nbgrader={"grade_id": "step-answer", "solution": true}
def clean(z, noise, log_snr):
    """x_hat, if z = alpha x + sigma noise: z and noise [n, d], log_snr a number -> [n, d]."""
    ### BEGIN SOLUTION
    return (z - np.sqrt(expit(-log_snr)) * noise) / np.sqrt(expit(log_snr))
    ### END SOLUTION


def step_cost(x, x_hat, before, now):
    """KL(q(z_{t-1}|z_t, x) || p(z_{t-1}|z_t)) in nats; log-SNRs before > now: [n, d] -> [n]."""
    ### BEGIN SOLUTION
    return 0.5 * (np.exp(before) - np.exp(now)) * np.sum((x - x_hat) ** 2, axis=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "step-check", "grade": true, "points": 3}
def noisy(x, noise, log_snr):
    return np.sqrt(expit(log_snr)) * x + np.sqrt(expit(-log_snr)) * noise


x, noise, guess = random.normal(size=(3, 6, 2))
for log_snr in (0.0, 2.0, -3.0):
    assert np.allclose(clean(noisy(x, noise, log_snr), noise, log_snr), x), (
        f"log-SNR {log_snr}: with the true noise the guess is x. alpha^2 = expit(log_snr)"
    )
cost = step_cost(x, x, 1.0, 0.5)
assert np.shape(cost) == (6,), "one number for each example"
assert np.allclose(cost, 0), "a perfect guess costs nothing"
cost = step_cost(np.zeros((1, 1)), np.ones((1, 1)), math.log(3.0), 0.0)
assert cost[0] > 0, "a KL is not negative: the SNR falls from t - 1 to t"
assert np.isclose(cost[0], 1), (
    f"SNR 3 and 1, squared error 1: the KL is 1, yours {cost[0]:.2f}. "
    "0.55 takes log-SNRs, 2 lacks the one half"
)
z = noisy(x, noise, 0.3)
kept = x.copy(), z.copy()
x_hat = clean(z, guess, 0.3)
cost, error = step_cost(x, x_hat, 1.1, 0.3), np.sum((noise - guess) ** 2, axis=1)
assert np.array_equal(x, kept[0]) and np.array_equal(z, kept[1]), "you change the input"
assert np.allclose(cost, 0.5 * np.expm1(0.8) * error), (
    "equation 17.7 is the same: SNRs, not their ratio, and squares summed over the entries"
)
### BEGIN HIDDEN TESTS
for before, now, d in ((4.0, 3.9, 5), (-2.0, -4.0, 1)):
    x, noise, guess = random.normal(size=(3, 7, d))
    keep = x.copy()
    z = noisy(x, noise, now)
    x_hat = clean(z, guess, now)
    a, s = np.sqrt(expit(before)), np.sqrt(expit(-before))
    rho = -np.expm1(now - before)  # equation 17.6: the two means differ by a rho (x - x_hat)
    expected = np.sum((a * rho * (x - x_hat)) ** 2, axis=1) / (2 * s**2 * rho)
    assert np.allclose(step_cost(x, x_hat, before, now), expected), "the KL of two normals"
    assert np.array_equal(x, keep), "the input array should not be changed in place"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Pop (2 points, 10 minutes)
#
# The chapter's coder, with a table of *widths* that add up to $2^r$: an interval begins where the widths before it end. `push` is given (equation 17.9). Write `pop`, which undoes it: find the symbol whose interval holds the remainder, and the state before. All numbers stay Python's
# own whole numbers; a NumPy number overflows at 64 bits.

# %% nbgrader={"grade_id": "pop-answer", "solution": true}
def push(state, symbol, widths, r):
    left, width = sum(widths[:symbol]), widths[symbol]
    return (state // width << r) + left + state % width


def pop(state, widths, r):
    """(symbol, state before): widths >= 1 that add up to 2^r, one for each symbol."""
    ### BEGIN SOLUTION
    symbol, place = 0, state % 2**r
    while place >= widths[symbol]:
        place -= widths[symbol]
        symbol += 1
    return symbol, (state >> r) * widths[symbol] + place
    ### END SOLUTION

# %% nbgrader={"grade_id": "pop-check", "grade": true, "points": 2}
widths, state = [8, 4, 2, 2], 1000
kept = widths.copy()
symbol, before = pop(push(state, 0, widths, 4), widths, 4)
assert widths == kept, "your function changes the table that it is given"
assert symbol == 0, f"symbol 0 was pushed, and your pop says {symbol}"
assert before == state, f"the state was {state}, after push and pop it is {before}"
for symbol in range(4):
    for state in (8, 77, 12345):
        found = tuple(pop(push(state, symbol, widths, 4), widths, 4))
        assert found == (symbol, state), (
            f"push {symbol} on {state} and pop: yours gives {found}. "
            "An interval holds its left end, which is subtracted again, not its right one"
        )
state, message = 1, [int(s) for s in random.integers(0, 4, 400)]
for symbol in message:
    state = push(state, symbol, widths, 4)
assert state.bit_length() > 64, "a long message makes a large number"
read = []
for _ in message:
    symbol, state = pop(state, widths, 4)
    read.append(symbol)
assert read[::-1] == message and state == 1, "last in, first out. Is a float in use?"
### BEGIN HIDDEN TESTS
for r, symbols in ((10, 7), (20, 3)):
    inner = sorted(int(e) for e in random.choice(2**r - 1, symbols - 1, replace=False) + 1)
    widths = [b - a for a, b in zip([0, *inner], [*inner, 2**r])]
    for state in (3**90, 12, 2**70 + 1):
        for symbol in range(symbols):
            found = tuple(pop(push(state, symbol, widths, r), widths, r))
            assert found == (symbol, state), "any table"
        for _ in range(3):  # and what bits back needs: a push undoes a pop
            symbol, before = pop(state, widths, r)
            assert push(before, symbol, widths, r) == state, "a push undoes a pop"
            state = before
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. A bug that improves the bound (3 points, 8 minutes)
#
# A colleague's VQ-VAE has 512 entries. After a careless change only 40 of them are still used. The reconstructions are visibly worse, and the test bound, with a table of counts as the prior, is better by six nats. "So the change was an improvement, and we keep it."
#
# In about five sentences: why can both numbers be right? What did training minimize, and what is in the bound that is not in the loss? Which decision would you take if the model is to be (a) a density model or a compressor, (b) the first stage of an image generator, and what would you measure?

# %% [markdown] nbgrader={"grade_id": "why-vq", "grade": true, "points": 3, "solution": true}
# The bound is the reconstruction minus the price of the codes, $-\log p(c)$ under the fitted prior. With 40 entries in use the codes carry far fewer nats; the reconstruction lost less than the codes saved, so the sum rose. (1 point) Training minimized reconstruction error, codebook and commitment terms. The price of a code is not among them: under a uniform prior it is the constant
# $m \log K$, and the fitted prior came later. So nothing kept the codes at a sensible price, and an accident that makes them cheaper can be a gain in nats without being aimed at. (1 point) (a) For a density model or a compressor the bound is the goal: keep it, but then choose $K$ and $m$ for it on purpose, and compare with a plain VAE, which may well be better still. (b) A generator needs
# good reconstructions and leaves the price to a strong second model: revert the change, and measure reconstruction, the number of entries used, and samples of the whole system with the prior trained. (1 point)

# %% [markdown]
# ## Exercise 6. Repair this: two stages without the entropy (2 points, 10 minutes)
#
# A published score model (the project Soft-Truncation, issue 2) reported bits per dimension for a model in two stages: data $x$, a slightly noisy version $z$ of it, and a density of $z$. The term $\mathbb{E} \log q(z|x)$ was forgotten; the author withdrew the numbers. Below is such a model in
# independent dimensions, where everything is exact; in each of them $z \sim N(0, 1)$, $x | z \sim N(z, s^2)$, and $q(z|x) = N(m, v^2)$. Run the cell.

# %%
def as_published(reconstruction, log_p_z, q_stddev):
    """Bits per dimension: reconstruction, log_p_z [n] and q_stddev [n, d]."""
    return -np.mean(reconstruction + log_p_z) / (q_stddev.shape[1] * math.log(2))


def terms(x, s, v):
    """The exact expectations for data x [n, d] and the best mean m: two times [n]."""
    m = x / (1 + s**2)
    reconstruction = norm.logpdf(x, m, s) - v**2 / (2 * s**2)
    log_p_z = norm.logpdf(m) - v**2 / 2
    return reconstruction.sum(axis=1), log_p_z.sum(axis=1)


def truth(x, s):
    """Bits per dimension of the exact log p(x)."""
    return -np.mean(norm.logpdf(x, 0, math.sqrt(1 + s**2))) / math.log(2)


s, x = 0.1, random.normal(size=(500, 2))
v = s / math.sqrt(1 + s**2)  # the exact posterior's deviation
found = as_published(*terms(x, s, v), np.full((500, 2), v))
print(f"bits per dimension: exact {truth(x, s):.2f}, as published {found:.2f}")

# %% [markdown]
# A bound that is better than the exact value. Repair it: the entropy of $q(z|x)$, a normal distribution with deviations `q_stddev` [n, d], belongs in the sum.

# %% nbgrader={"grade_id": "repair-answer", "solution": true}
def bits_per_dimension(reconstruction, log_p_z, q_stddev):
    """Equation 17.8 as bits per dimension: [n], [n], [n, d] -> a number; lower is better."""
    ### BEGIN SOLUTION
    entropy = np.sum(0.5 * np.log(2 * np.pi * np.e) + np.log(q_stddev), axis=1)
    return -np.mean(reconstruction + log_p_z + entropy) / (q_stddev.shape[1] * math.log(2))
    ### END SOLUTION

# %% nbgrader={"grade_id": "repair-check", "grade": true, "points": 2}
deviations = np.full((500, 2), v)
given = *terms(x, s, v), deviations
kept = [part.copy() for part in given]
value = bits_per_dimension(*given)
assert all(np.array_equal(a, b) for a, b in zip(given, kept)), (
    "your function changes an array that it is given: no += or *= on it"
)
assert np.shape(value) == (), "one number"
assert not np.isclose(value, found), "the entropy is still missing"
assert value > found, (
    "a narrow q has a negative entropy: check its sign, its factors, the division by d log 2"
)
assert np.isclose(value, truth(x, s)), (
    f"with the exact posterior the bound is exact: {truth(x, s):.3f}, yours {value:.3f}. "
    "The entropy of N(m, v^2) is log v + log(2 pi e) / 2, summed over dimensions"
)
wide = bits_per_dimension(*terms(x, s, 3 * v), 3 * deviations)
assert wide > truth(x, s) + 0.1, "with any other q the bound is worse than the truth"
### BEGIN HIDDEN TESTS
for s, d, factor in ((0.5, 3, 1.0), (2.0, 1, 0.4), (0.03, 5, 1.7)):
    x = random.normal(size=(300, d))
    v = factor * s / math.sqrt(1 + s**2)
    value = bits_per_dimension(*terms(x, s, v), np.full((300, d), v))
    gap = (factor**2 - 1 - 2 * math.log(factor)) / (2 * math.log(2))  # the KL to the posterior
    assert np.isclose(value, truth(x, s) + gap), "the gap is KL(q || posterior), in bits"
reconstruction, log_p_z = np.array([-3.0, -5.0]), np.array([-2.0, -1.0])
value = bits_per_dimension(reconstruction, log_p_z, np.array([[0.1, 2.0], [1.0, 0.5]]))
entropy = math.log(2 * math.pi * math.e) + (math.log(0.2) + math.log(0.5)) / 2
assert np.isclose(value, (5.5 - entropy) / (2 * math.log(2))), "deviations may differ"
### END HIDDEN TESTS

# %% [markdown]
# ## Open challenge: a shorter file (1 point, as long as you like)
#
# The baseline is a small VAE that writes 300 validation digits to a file. Write a shorter one: `train` gets training images and returns a trained `models.VAE` with a standard normal prior and dense networks (`compression.compress` says what else it needs). The point is given for half a bit per image
# less than the baseline. What it gains must hold for the test images, which train nothing and choose nothing: there, too, half a bit less than the baseline, and at most 1.5 bits more than for the validation images. Say in a comment how many things you tried, since each try on the same validation images flatters a little. How far down can you get?

# %% tags=["drift"]
data = datasets.load("digits")
x_train, x_valid = [(x > 0.5).astype("float32") for x in (data.x_train, data.x_valid)]


def vae_of(latent_size, hidden, epochs):
    keras.utils.set_random_seed(0)
    encoder = networks.mlp_encoder((8, 8, 1), 2 * latent_size, hidden=hidden)
    vae = models.VAE(encoder, networks.mlp_decoder(latent_size, (8, 8, 1), hidden=hidden))
    vae.compile(keras.optimizers.Adam(3e-3))
    vae.fit(x_train, batch_size=64, epochs=epochs, verbose=0)
    return vae


def bits_of(vae, x):
    """Bits per image of the whole file, after a check that every pixel comes back."""
    file = compression.compress(vae, x)
    assert np.array_equal(compression.decompress(vae, file), x), "pixels must come back"
    return 8 * len(file) / len(x)


small = vae_of(3, (32,), 30)
baseline = bits_of(small, x_valid)
print(f"baseline: {baseline:.2f} bits per image")

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def train(x):
    """A trained models.VAE: x [n, 8, 8, 1] of zeros and ones."""
    ### BEGIN SOLUTION
    # Our first try: more latents, a wider layer, twice as many epochs.
    return vae_of(8, (128,), 60)
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1} tags=["drift", "beside:bits_of"]
mine_vae = train(x_train.copy())
mine = bits_of(mine_vae, x_valid)
print(f"yours: {mine:.2f} bits per image; the baseline: {baseline:.2f}")
assert mine < baseline - 0.5, "half a bit per image less than the baseline"
### BEGIN HIDDEN TESTS
x_test = (data.x_test > 0.5).astype("float32")
new, new_baseline = bits_of(mine_vae, x_test), bits_of(small, x_test)
assert new < mine + 1.5, (
    f"{mine:.2f} bits for a validation image, {new:.2f} for a test image: does x_valid train?"
)
assert new < new_baseline - 0.5, f"test images: yours {new:.2f}, the baseline {new_baseline:.2f}"
### END HIDDEN TESTS
