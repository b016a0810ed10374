# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 16. Sequences
#
# Read [chapter 16](../../chapters/16_sequences.ipynb) first. The whole notebook computes for some seconds.
# **Time:** about 55 minutes. **Points:** 18.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
from collections import Counter

# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import datasets
from vae_course.datasets import sentences

import numpy as np
from scipy.special import log_softmax, logsumexp

random = np.random.default_rng(0)

# %% [markdown]
# ## Exercise 1. Nats, words, perplexity (2 points, 6 minutes)
#
# You are given the log-probability of each sentence, in nats, and the sentences: tokens in which 0 is padding. Write the
# perplexity, equation 16.3. Every *token* counts the same, so a long sentence counts for more than a short one.

# %% nbgrader={"grade_id": "perplexity-answer", "solution": true}
def perplexity(log_p, tokens):
    """log_p [n], in nats; tokens [n, length] with padding 0 -> one number."""
    ### BEGIN SOLUTION
    return np.exp(-np.sum(log_p) / np.sum(tokens > 0))
    ### END SOLUTION

# %% nbgrader={"grade_id": "perplexity-check", "grade": true, "points": 2}
lengths = np.array([2, 5, 3])
rows = (np.arange(6) < lengths[:, None]) * 7
kept = rows.copy()
value = perplexity(-lengths * np.log(4.0), rows)
assert np.array_equal(rows, kept), "your function changes the tokens that it is given"
assert np.shape(value) == (), "one number for all sentences"
assert not np.isclose(value, 4 ** (10 / 18)), (
    "18 places, but only 10 words: padding is not counted"
)
assert np.isclose(value, 4), f"one of four words at each place: perplexity 4, yours {value:.2f}"
unequal = perplexity(np.array([-1.0, -10.0, -1.0]), rows)
assert not np.isclose(unequal, np.mean(np.exp(np.array([1, 10, 1]) / lengths))), (
    "you average the perplexities of sentences: add up all nats first, then divide, then exp"
)
assert not np.isclose(unequal, np.exp(np.mean(np.array([1, 10, 1]) / lengths))), (
    "you average nats per word over sentences: each word counts the same, not each sentence"
)
assert np.isclose(unequal, np.exp(1.2)), "12 nats for 10 words"
### BEGIN HIDDEN TESTS
for n in (1, 40):
    rows = (np.arange(9) < random.integers(1, 10, (n, 1))) * random.integers(1, 50, (n, 9))
    log_p = -random.gamma(4, size=n)
    expected = np.exp(-log_p.sum() / np.count_nonzero(rows))
    assert np.isclose(perplexity(log_p, rows), expected), "all nats over all words"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. The shift, and the padding (3 points, 8 minutes)
#
# The chapter's reader goes from the front. This one goes from the *end*: it gives the logits at place $t$ from the tokens
# *after* place $t$. Write what it must be handed, and the log-probability of each sentence from its logits. The last place
# holds a 0, and the first token is handed to nobody.

# %% nbgrader={"grade_id": "shift-answer", "solution": true}
def handed(tokens):
    """What it is handed, token t + 1 at place t: whole numbers [n, length] -> same."""
    ### BEGIN SOLUTION
    return np.pad(tokens, [(0, 0), (0, 1)])[:, 1:]
    ### END SOLUTION


def log_prob(logits, tokens):
    """log p of each sentence, in nats: [n, length, words] and [n, length] -> [n]."""
    ### BEGIN SOLUTION
    log_p = log_softmax(logits, axis=-1)
    each = np.take_along_axis(log_p, tokens[:, :, None], axis=2)[:, :, 0]
    return np.sum(each * (tokens > 0), axis=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "shift-check", "grade": true, "points": 3}
rows = np.array([[3, 1, 2, 4], [2, 2, 0, 0]])
kept = rows.copy()
moved = np.asarray(handed(rows))
assert np.array_equal(rows, kept), "your function changes the tokens that it is given"
assert moved.shape == (2, 4), "as many places as before"
assert not np.array_equal(moved, rows), "without a shift the reader sees the token to predict"
assert not np.array_equal(moved[:, 1:], rows[:, :3]), (
    "to the left, not to the right: a reader from the end has not yet seen token t - 1"
)
assert moved[0, 3] != 3, "np.roll brings the first token around: a 0 stands at the last place"
assert np.array_equal(moved, [[1, 2, 4, 0], [2, 0, 0, 0]]), "token t + 1 at place t"
assert moved.dtype.kind in "iu", (
    f"tokens are whole numbers, yours {moved.dtype}: np.zeros and np.empty make floats"
)
alike = np.zeros((2, 4, 5))
value = log_prob(alike, rows)
assert not np.any(alike), "log_prob changes the logits that it is given: no -= on them"
assert np.shape(value) == (2,), "one number for each sentence"
assert np.isclose(value[0], -4 * np.log(5)), (
    "equal logits for five words, four places: -4 log 5. Did you turn logits into log p?"
)
assert np.isclose(value[1], -2 * np.log(5)), "two words and two places of padding: -2 log 5"
logits = random.normal(size=(2, 4, 5))


def by_loop(logits, rows):
    totals = np.zeros(len(rows))
    for n, t in zip(*np.nonzero(rows), strict=True):
        totals[n] += log_softmax(logits[n, t])[rows[n, t]]
    return totals


assert np.allclose(log_prob(logits, rows), by_loop(logits, rows)), (
    "the log-probability of the word that is there"
)
assert np.array_equal(rows, kept), "log_prob changes the tokens"
### BEGIN HIDDEN TESTS
rows = random.integers(1, 30, size=(6, 7)) * (np.arange(7) < random.integers(1, 8, (6, 1)))
logits = random.normal(0, 3, size=(6, 7, 30))
expected = by_loop(logits, rows)
assert np.allclose(log_prob(logits, rows), expected), "any sentences"
assert np.allclose(log_prob(logits + 9.0, rows), expected), "logits count up to a constant"
moved = np.asarray(handed(rows))
assert np.array_equal(moved[:, :-1], rows[:, 1:]), "token t + 1 at place t"
assert np.all(moved[:, -1] == 0), "0 at the last place"
far = log_prob(np.array([[[0.0, 2000.0]]]), np.array([[1]]))
assert np.isclose(far[0], 0), "large logits give no infinity"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. The entropy of a grammar (3 points, 10 minutes)
#
# A grammar is a dictionary: each symbol has a list of `(probability, parts)`, and each part is a symbol of the grammar or
# a word. No symbol leads back to itself, and no two derivations give the same words. Then the entropy of a symbol is that of
# its choice, plus the entropies of the parts of each alternative, weighted by its probability. A word has entropy 0.

# %% nbgrader={"grade_id": "entropy-answer", "solution": true}
def entropy(grammar, symbol):
    """Nats of what `symbol` is turned into."""
    ### BEGIN SOLUTION
    total = 0.0
    for probability, parts in grammar.get(symbol, []):
        inside = sum(entropy(grammar, part) for part in parts)
        total += probability * (inside - np.log(probability))
    return total
    ### END SOLUTION

# %% nbgrader={"grade_id": "entropy-check", "grade": true, "points": 3}
coin = {"S": [(0.5, ["heads"]), (0.5, ["tails"])]}
assert entropy(coin, "heads") == 0, "a word holds no surprise"
assert not np.isclose(entropy(coin, "S"), 1), "nats, not bits: the natural logarithm"
assert np.isclose(entropy(coin, "S"), np.log(2)), "two equal alternatives: log 2 nats"
twice = {"S": [(1.0, ["C", "and", "C"])], "C": coin["S"]}
assert np.isclose(entropy(twice, "S"), 2 * np.log(2)), (
    f"a symbol that occurs twice is chosen twice: 2 log 2, yours {entropy(twice, 'S'):.2f}"
)
uneven = {"S": [(0.9, ["yes"]), (0.1, ["no", "C"])], "C": coin["S"]}
expected = -0.9 * np.log(0.9) - 0.1 * np.log(0.1) + 0.1 * np.log(2)
assert np.isclose(entropy(uneven, "S"), expected), (
    "the coin is thrown in one case of ten: its nats count with probability 0.1"
)
nested = {"S": [(1.0, ["A"])], "A": [(1.0, ["B"])], "B": [(1.0, ["C"])], "C": coin["S"]}
assert np.isclose(entropy(nested, "S"), np.log(2)), (
    f"S is A is B is C, a coin: log 2 = 0.69, yours {entropy(nested, 'S'):.2f}. "
    "A part has parts of its own"
)
### BEGIN HIDDEN TESTS
kinds = {"S": [(1.0, [f"W{i}" for i in range(len(sentences.CHOICES))])]}
for i, n in enumerate(sentences.CHOICES):
    kinds[f"W{i}"] = [(1 / n, [f"{i}-{j}"]) for j in range(n)]
assert np.isclose(entropy(kinds, "S"), sentences.ENTROPY), "the grammar of the chapter"
deep = {"A": [(0.3, ["B", "B"]), (0.7, ["C"])], "B": [(1.0, ["C", "C"])]}
deep["C"] = [(0.2, ["x"]), (0.8, ["y"])]
c = -0.2 * np.log(0.2) - 0.8 * np.log(0.8)
expected = -0.3 * np.log(0.3) - 0.7 * np.log(0.7) + 0.3 * 4 * c + 0.7 * c
assert np.isclose(entropy(deep, "A"), expected), "several levels"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Codes that fit a beginning (3 points, 10 minutes)
#
# To complete a text you draw `k` codes from the prior and compute $\log p(\text{start} \mid z)$ for each. Choose `n` of
# them, with replacement, each with a probability proportional to $p(\text{start} \mid z)$, and estimate
# $\log p(\text{start})$, the log of the mean over the codes. The log-probabilities may all be as low as $-2000$.

# %% nbgrader={"grade_id": "fitting-answer", "solution": true}
def fitting(log_p_start, n, generator):
    """Numbers of the chosen codes [n], and log p(start) in nats, from log_p_start [k]."""
    ### BEGIN SOLUTION
    log_total = logsumexp(log_p_start)
    chosen = generator.choice(len(log_p_start), n, p=np.exp(log_p_start - log_total))
    return chosen, log_total - np.log(len(log_p_start))
    ### END SOLUTION

# %% nbgrader={"grade_id": "fitting-check", "grade": true, "points": 3}
log_p = np.log([0.1, 0.3, 0.0001, 0.2])
kept = log_p.copy()
chosen, evidence = fitting(log_p, 4000, np.random.default_rng(1))
chosen = np.asarray(chosen)
assert np.array_equal(log_p, kept), "your function changes the array that it is given"
assert chosen.shape == (4000,), "n numbers, and more than k are allowed: with replacement"
assert chosen.dtype.kind in "iu", f"numbers of codes are whole, yours are {chosen.dtype}"
counts = np.bincount(chosen, minlength=4) / 4000
assert not np.allclose(counts, 0.25, atol=0.05), "all codes alike: use the weights"
assert counts[1] < 0.99, "a draw, not the best code every time"
assert np.allclose(counts, np.exp(log_p) / np.exp(log_p).sum(), atol=0.04), (
    f"shares 0.17, 0.50, 0.00, 0.33 are due, yours {np.round(counts, 2)}"
)
again, other = (fitting(log_p, 4000, np.random.default_rng(seed))[0] for seed in (1, 2))
assert np.array_equal(chosen, again), (
    "two generators in the same state, and other codes: draw with `generator` alone"
)
assert not np.array_equal(chosen, other), (
    "generators of two seeds, and the same codes: draw with the `generator` that is given"
)
assert np.shape(evidence) == (), "log p(start) is one number"
assert not np.isclose(evidence, np.mean(log_p)), "the log of the mean, not the mean of the logs"
assert np.isclose(evidence, np.log(np.mean(np.exp(log_p)))), (
    f"log p(start) = log of the mean of p(start|z) = -1.90, yours {evidence:.2f}"
)
with np.errstate(all="ignore"):
    # NaN in here? exp(-2000) is 0: stay in logs
    chosen, evidence = fitting(np.array([-2000.0, -2001.0]), 500, np.random.default_rng(2))
low = -2000 + np.log((1 + np.exp(-1)) / 2)
assert np.isclose(evidence, low), "exp(-2000) is 0: stay in logs"
share = np.mean(np.asarray(chosen) == 0)
assert 0.6 < share < 0.86, f"e to 1 for the first code: a share of 0.73, yours {share:.2f}"
### BEGIN HIDDEN TESTS
log_p = random.normal(-300, 2, size=64)
first = fitting(log_p, 20, np.random.default_rng(5))[0]
again = fitting(log_p, 20, np.random.default_rng(5))[0]
assert np.array_equal(first, again), "by the generator that is given"
assert np.isclose(fitting(log_p, 3, random)[1], logsumexp(log_p) - np.log(64)), "any weights"
assert np.isclose(fitting(np.full(7, -12.0), 2, random)[1], -12), "equal codes change nothing"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Repair this: a word dropout that drops no words (3 points, 10 minutes)
#
# A published sentence VAE (the repository timbmg/Sentence-VAE; its issue 5 discusses it) offered "word dropout", meant to
# weaken the reader. What it applied, before it was repaired, was ordinary dropout on the *embeddings*: single numbers of each word's vector became 0, and every word could
# still be recognized; and it went on doing so when the model was tested. Below is the idea in numpy. Run the cell.

# %%
def published_dropout(tokens, embeddings, rate, generator):
    """As published: tokens [n, length], embeddings [words, size] -> [n, length, size]."""
    vectors = embeddings[tokens]
    return vectors * (generator.random(vectors.shape) >= rate)  # in training and in testing


words = datasets.load("sentences").x_train[:200]
embeddings = random.normal(size=(len(sentences.WORDS), 16))
vectors = published_dropout(words, embeddings, 0.4, random)
scores = vectors @ embeddings.T - 0.3 * np.sum(embeddings**2, axis=1)  # nearest to 0.6 e
same = np.mean(np.argmax(scores, axis=2)[words > 0] == words[words > 0])
print(f"40 % dropped, and {same:.0%} of the words can still be read off their vectors")

# %% [markdown]
# Repair it: whole words are replaced by the token `unknown`, each with probability `rate`; padding (0) stays padding; in
# testing nothing happens. The sentence that is to be *predicted* stays whole, so the input must not be changed in place.

# %% nbgrader={"grade_id": "dropout-answer", "solution": true}
def word_dropout(tokens, rate, unknown, training, generator):
    """What the reader sees: tokens [n, length], whole numbers -> same."""
    ### BEGIN SOLUTION
    if not training:
        return tokens
    hidden = (generator.random(tokens.shape) < rate) & (tokens != 0)
    return np.where(hidden, unknown, tokens)
    ### END SOLUTION

# %% nbgrader={"grade_id": "dropout-check", "grade": true, "points": 3}
kept, given = words.copy(), words.copy()
seen = np.asarray(word_dropout(given, 0.4, 999, True, np.random.default_rng(1)))
assert np.array_equal(given, words), "the tokens are also the target: work on a copy"
assert seen.shape == words.shape, "a token for each token"
assert np.array_equal(word_dropout(words, 0.4, 999, False, np.random.default_rng(1)), words), (
    "in testing the reader sees everything"
)
assert np.all(seen[words == 0] == 0), "padding stays padding"
assert set(np.unique(seen)) <= {*np.unique(words), 999}, "a word or `unknown`, nothing else"
assert np.any(seen == 999), "what is hidden becomes `unknown`"
assert seen.dtype.kind in "iu", (
    f"tokens are whole numbers, yours {seen.dtype}: np.zeros and np.empty make floats"
)
by_place, by_row = (np.mean(seen[:, :9] == 999, axis=axis) for axis in (0, 1))
assert np.ptp(by_place) < 0.35, "word by word: you hide the same places in every sentence"
assert np.mean((by_row > 0) & (by_row < 1)) > 0.8, "word by word, not whole sentences"
hidden = np.mean(seen[words > 0] == 999)
assert not np.isclose(hidden, 0.6, atol=0.05), "rate is the share that is hidden, not kept"
assert np.isclose(hidden, 0.4, atol=0.05), f"40 % of the words are due, yours {hidden:.0%}"
rngs = [np.random.default_rng(seed) for seed in (1, 2)]
again, other = (word_dropout(words, 0.4, 999, True, rng) for rng in rngs)
assert np.array_equal(seen, again), (
    "two generators in the same state, and other words are hidden: draw with `generator` alone"
)
assert not np.array_equal(seen, other), (
    "generators of two seeds, and the same words are hidden: draw with the one that is given"
)
assert np.array_equal(word_dropout(words, 0.0, 999, True, random), words), (
    "rate 0 hides nothing"
)
### BEGIN HIDDEN TESTS
seen = np.asarray(word_dropout(words, 0.75, 3, True, np.random.default_rng(7)))
again = word_dropout(words, 0.75, 3, True, np.random.default_rng(7))
assert np.array_equal(seen, again), "by the generator that is given"
assert np.all((seen == words) | (seen == 3)), "what is not hidden stays"
assert np.isclose(np.mean(seen[words > 0] == 3), 0.75, atol=0.05), "any rate"
every = np.asarray(word_dropout(words, 1.0, 5, True, random))
assert np.all(every[words > 0] == 5), "rate 1 hides all"
assert np.array_equal(words, kept), "the input array should not be changed in place"
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6. A proud edit (3 points, 8 minutes)
#
# A colleague reports on a sequence VAE with a rate of 0.02 nats: "Adding the direction *past to future* puts 100 % of the sentences into
# the future tense, and compared with what the model wrote from the code before, 99 % of the other factors are kept. Also, 100 % of
# its sentences are grammatical. Our latent space is perfectly organized."
#
# In about five sentences: what does this model most probably write, before and after the edit? Why do all three scores look perfect? What would you measure in
# their place, and which value would you expect for this model?

# %% [markdown] nbgrader={"grade_id": "why-edit", "grade": true, "points": 3, "solution": true}
# A rate of 0.02 nats means that the code says nothing: the reader ignores it, and the likeliest words are the same sentence for every code, here one in the future tense. (1 point) So "the future" comes out whatever is added, even for the direction "future to past", which flips nobody; the sentence before the edit was the same one, so the
# other factors are "kept"; and a language model writes good grammar without any code. (1 point) Measure against the *true* factors of the sentence that was read: the share that has the new tense and all four other factors still right, in both directions, beside the reconstruction of each factor. For this model it is near chance: 1 in 32 keep
# four factors with four, two, two and two values. (1 point)

# %% [markdown]
# ## Open challenge: count better (1 point, as long as you like)
#
# A network is not the only way to look beyond three words. Below, an n-gram model of three words is the baseline: 18.0 nats. You may
# count anything about the words before: which topic words have occurred, which verb form, which mood. Write what to count by; `nats` turns the counts into
# probabilities. The point is given for one nat less than the baseline on sentences that trained nothing. Say in a comment how many things you tried.

# %% tags=["drift"]
data = datasets.load("sentences")
x, x_valid = data.x_train, data.x_valid[:300]
WORDS = len(sentences.WORDS)


def counted(rows, context):
    """How often each word follows each context; context(words before) -> anything hashable."""
    table = {}
    for row in rows.tolist():
        for t, word in enumerate(row):
            if word:
                table.setdefault(context(row[:t]), Counter())[word] += 1
    return table


def nats(table, context, rows, smoothing=0.01):
    """Nats of a sentence: the counts, each raised by `smoothing`."""
    total = 0.0
    for row in rows.tolist():
        for t, word in enumerate(row):
            if word:
                seen = table.get(context(row[:t]), Counter())
                p = (seen[word] + smoothing) / (seen.total() + smoothing * WORDS)
                total -= np.log(p)
    return total / len(rows)


def last_two(before):
    return tuple(before[-2:])


baseline = nats(counted(x, last_two), last_two, x_valid)
print(f"two words before: {baseline:.2f} nats; the grammar: {sentences.ENTROPY:.2f}")

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def context(before):
    """What to count by: a list of tokens before the next word -> anything hashable."""
    ### BEGIN SOLUTION
    # Our first try: the last word, the place, and what decides about mood, topic and tense.
    words = [sentences.WORDS[token] for token in before]
    verb = next((word for word in words[3:4]), "")
    bad = words[1:2] and words[1] in sentences.FEELINGS[0]
    return len(words), tuple(words[-1:]), bool(bad), verb
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1} tags=["drift", "beside:counted", "beside:nats", "beside:scored"]
def scored(context, x, x_valid):
    return nats(counted(x, context), context, x_valid)


yours = scored(context, x, x_valid)
print(f"yours: {yours:.2f} nats; two words before: {baseline:.2f}")
assert yours < baseline - 1, "a nat less than the n-gram, on sentences that trained nothing"
