"""The sheets of the chapters: what plausible wrong answers are told, and that right ones written differently pass."""

import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sources"), str(ROOT / "tests")]

import build  # noqa: E402
from notebook_rules import BEGIN, END, code, is_check  # noqa: E402

DIRECTION = "(np.sin((1 - t) * omega) * start + np.sin(t * omega) * end) / np.sin(omega)"
PATH = f"""
start, end = a / norm_a, b / norm_b
omega = np.arccos(start @ end)
direction = start if omega == 0 else {DIRECTION}
return ((1 - t) * norm_a + t * norm_b) * direction"""
OWN_SCALE = """
own = np.diag(log_q)
aggregate = own + np.log(np.mean(np.exp(log_q - own[:, None]), axis=1))
return np.mean(own - log_p), np.mean(own - aggregate), np.mean(aggregate - log_p)"""
OWN_COUNT = """
self.count = getattr(self, "count", -1) + 1
self.model.beta = min(1.0, self.count / self.warm_up)"""
UNIFORM = """
def prior(self):
    return tfd.Independent(tfd.Uniform([-1.0] * 2, 1.0), 1)"""
BETA_PIXELS = """
def likelihood(self, z):
    p = tf.sigmoid(self.decoder(z))
    return tfd.Independent(tfd.Beta(1 + 5 * p, 6 - 5 * p), 3)"""
NAN_IN_TRAINING = """
def objective(self, terms):
    return terms["reconstruction"] - tf.math.log(-1.0)

def prior(self):
    return tfd.Independent(tfd.Laplace(tf.zeros(self.latent_size), 1.0), 1)"""
ONE_FACTOR = """
one = u[:, [column]] - u[:, column].mean()
return np.linalg.lstsq(one, z, rcond=None)[0][0]"""
SCORE, DRAWN = "z**2 * (z - mean) / scale**2", "generator.multivariate_normal(m, S, size=k)"
KL, NOISE = "tfd.kl_divergence(posterior, prior)", "sigma * generator.normal(size=(k, len(x)))"

# The sheet and cell; what is replaced in the solution (None: the whole answer, one text for each hole) and by what;
# a pattern of what the check below then says.
WRONG = [
    ("03", "rate-answer", None, "return 0.5 * (mean**2 + scale - 1 - np.log(scale))", "square it"),
    ("03", "rate-answer", "- np.log(scale)", "- np.log(scale**2)", "counts twice"),
    ("03", "rate-answer", "- np.log(scale)", "+ np.log(scale)", "wrong sign"),
    ("03", "rate-answer", "- np.log(scale)", "- np.log(scale) / 2", "yours: 1.15"),
    ("03", "draw-answer", SCORE, f"-{SCORE}", "the sign"),
    ("03", "draw-answer", SCORE, "(z - mean) / scale**2", r"where is z\^2"),
    ("03", "draw-answer", SCORE, "z**2 * (z - mean) / scale", "over the variance"),
    ("03", "draw-answer", SCORE, "z**2 * (z - mean)", "over the variance"),
    ("03", "draw-answer", SCORE, f"2 * {SCORE}", "twice too large"),
    ("03", "draw-answer", SCORE, f"np.mean({SCORE})", "leave the averaging"),
    ("03", "draw-answer", SCORE, "z * (z - mean) / scale**2", "yours: 0.99"),
    ("03", "repair-answer", "log_prob(x)", "log_prob(tf.cast(tf.cast(x, tf.int32), tf.float32))", "gray pixels"),
    ("03", "repair-answer", "log_prob(x)", "log_prob(tf.round(x))", "gray pixels"),
    ("03", "repair-answer", "probs=output", "probs=tf.clip_by_value(output, 0.05, 0.95)", "clipped"),
    ("03", "repair-answer", "probs=output", "probs=tf.clip_by_value(output, 0.01, 0.99)", "clipped"),
    ("03", "repair-answer", "reduce_mean", "reduce_sum", "batch twice"),
    ("03", "repair-answer", "tf.exp(log_var / 2)", "tf.exp(log_var)", "take it for 4"),
    ("03", "repair-answer", KL, f"0.5 * {KL}", "factor 1/2"),
    ("03", "challenge-answer", None, UNIFORM, "z may lie"),
    ("03", "challenge-answer", None, BETA_PIXELS, "exactly 0 or 1"),
    ("03", "challenge-answer", None, NAN_IN_TRAINING, "nan in training"),
    ("05", "path-answer", None, PATH, "rounded to a little above 1"),
    ("05", "direction-answer", "design, z", "u, z", "constant c"),
    ("05", "direction-answer", None, ONE_FACTOR, "another factor leaks in"),
    ("05", "complete-answer", DRAWN, "np.random.multivariate_normal(m, S, size=k)", "two generators of one seed"),
    ("05", "complete-answer", DRAWN, "m + np.zeros((k, 1))", "the same z"),
    ("05", "complete-answer", DRAWN, "generator.multivariate_normal(m, S)", "the same z"),
    ("05", "complete-answer", DRAWN, "m + generator.normal(size=(k, len(m))) @ S", "covariance of your z"),
    ("05", "complete-answer", NOISE, "0", "the code does nothing"),
    ("05", "complete-answer", NOISE, NOISE.replace("sigma", "sigma**2"), "the code does nothing"),
    ("05", "complete-answer", NOISE, NOISE.replace("len(x)", "1"), "vary together"),
    ("05", "complete-answer", "+ b +", "+", "mean picture"),
    ("05", "challenge-answer", None, "return -x.std(axis=(1, 2, 3))", "upside down has an AUC of 0.5"),
    ("05", "challenge-answer", None, "return vae.predict(x, verbose=0)['elbo']", "upside down has an AUC of 0.0"),
    ("06", "collapse-beta", "max(0.0, np.max(turns))", "np.max(turns)", "no beta is negative"),
    ("06", "surgery", None, OWN_SCALE, "row's largest"),
    ("06", "groups", "per_group = [per_latent[groups == number].sum() for number in np.unique(groups)]",
     "per_group = np.bincount(groups, weights=per_latent)", "no latent has"),
    ("06", "repair", None, ("pass", OWN_COUNT), "fit number 2 with one callback"),
    ("07", "tc-answer", "np.log(share)", "0 * np.log(share)", "no weights at all"),
    ("07", "tc-answer", "axis=1", "axis=0", "first axis was summed"),
    ("07", "tc-answer", "np.fill_diagonal(share, 1 / train_size)",
     "share = np.where(np.eye(batch), share, 1 / train_size)", "weights exchanged"),
    ("07", "tc-answer", "(train_size - 1) / (train_size * (batch - 1))", "1 / train_size", "is due, yours"),
    ("07", "tc-answer", "np.log(share)", "share", "is due, yours"),
]  # fmt: skip
FIRST_COUNT = """
self.model.beta = 0.0 if epoch == 0 else min(1.0, self.model.beta + 1 / self.warm_up)"""
CROSS_ENTROPY = """
nats = tf.nn.sigmoid_cross_entropy_with_logits(x, tf.math.log(output) - tf.math.log1p(-output))
kl = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_var) - 1 - log_var, axis=-1)
return tf.reduce_mean(tf.reduce_sum(nats, axis=(1, 2, 3)) + kl)"""
KERAS_LOSS = """
pixels = tf.reshape(x, [-1, 1]), tf.reshape(output, [-1, 1])
nats = tf.reduce_sum(tf.keras.losses.binary_crossentropy(*pixels)) / len(x)
return nats - tf.reduce_sum(1 + log_var - mean**2 - tf.exp(log_var)) / 2 / len(x)"""
ROOT_DRAWS = """
values, vectors = np.linalg.eigh(S)
pictures = []
for _ in range(k):
    z = m + vectors @ (np.sqrt(values) * generator.standard_normal(len(m)))
    picture = generator.normal(W @ z + b, sigma)
    picture[visible] = x[visible]
    pictures.append(picture)
return np.array(pictures)"""
HALF_ANGLES = """
start, end = a / norm_a, b / norm_b
omega = 2 * np.arctan2(np.linalg.norm(start - end), np.linalg.norm(start + end))
if np.isclose(omega, 0):
    return a + t * (b - a)
across = end - np.cos(omega) * start
direction = np.cos(t * omega) * start + np.sin(t * omega) * across / np.linalg.norm(across)
return (norm_a + t * (norm_b - norm_a)) * direction"""
TURNS = """
c = list(rates).index(min(rates))
turns = [0] + [(distortions[c] - d) / r for r, d in zip(rates, distortions) if r > 0]
return float(max(turns))"""
BY_NAME = """
sums = {}
for number, nats in zip(groups, kl.T):
    sums[number] = sums.get(number, 0) + nats.mean()
return sum(max(free_bits, nats) for nats in sums.values())"""
LOOPS = """
M, N = len(pairs), train_size
w = np.where(np.eye(M, dtype=bool), 1 / N, (N - 1) / N / (M - 1))
rows = []
for i in range(M):
    joint = logsumexp(pairs[i].sum(axis=1), b=w[i])
    rows.append(joint - sum(logsumexp(pairs[i, :, j], b=w[i]) for j in range(pairs.shape[2])))
return np.array(rows)"""
RIGHT = [
    ("03", "rate-answer", None, "return np.square(mean) / 2 + np.square(scale) / 2 - np.log(scale**2) / 2 - 0.5"),
    ("03", "draw-answer", SCORE, "(mean + scale * noise) ** 2 * noise / scale"),
    ("03", "repair-answer", None, CROSS_ENTROPY),
    ("03", "repair-answer", None, KERAS_LOSS),
    ("05", "path-answer", None, HALF_ANGLES),
    ("05", "direction-answer", None, "return np.linalg.pinv(np.c_[np.ones(len(u)), u])[column + 1] @ z"),
    ("05", "complete-answer", None, ROOT_DRAWS),
    ("06", "collapse-beta", None, TURNS),
    ("06", "surgery", "np.logaddexp.reduce(log_q, axis=1)",
     "(log_q.max(1) + np.log(np.exp(log_q - log_q.max(1, keepdims=True)).sum(1)))"),
    ("06", "groups", None, BY_NAME),
    ("06", "repair", None, ("pass", "self.model.beta = min(1.0, epoch / self.warm_up)")),
    ("06", "repair", None, ("pass", FIRST_COUNT)),
    ("07", "tc-answer", None, LOOPS),
]  # fmt: skip
SHEETS = sorted({row[0] for row in WRONG + RIGHT})


def answered(source, old, new):
    """A solution cell with `old` replaced by `new`, or with its answers replaced by these texts."""
    if old is not None:
        assert old in source, f"{old} is not in the solution any more"
        return source.replace(old, new)
    regions = re.split(rf"(?ms)^( *){BEGIN}.*?{END}", source)
    answers = [new] if isinstance(new, str) else new
    assert len(regions) == 1 + 2 * len(answers)
    for place, answer in enumerate(answers):
        indent = regions[2 * place + 1]
        regions[2 * place + 1] = indent + answer.strip().replace("\n", f"\n{indent}")
    return "".join(regions)


@cache
def outcomes(sheet):
    """{(cell, old, new): what its check says, None if it passes} for all answers to a sheet."""
    (path,) = (ROOT / "sources/problems").glob(f"{sheet}_*.py")
    cells = code(build.read_source(path))
    rows = [row[:4] for row in WRONG + RIGHT if row[0] == sheet]
    names, found = {"__name__": "__main__"}, {}
    for cell in cells:
        place = cells.index(cell)
        for _, name, old, new in rows:
            if name == cell.id:
                check = next(other for other in cells[place:] if is_check(other))
                found[name, old, new] = said(dict(names), [answered(cell.source, old, new), check.source])
        exec(compile(cell.source, cell.id, "exec"), names)
        if len(found) == len(rows):
            return found
    raise AssertionError(f"not all cells are there: {rows}")


def said(names, sources):
    """What the first failing assert says when these cells run, None if none does. The sheet's draws go on as before."""
    state = names["random"].bit_generator.state
    try:
        for source in sources:
            exec(compile(source, "<cell>", "exec"), names)
    except AssertionError as error:
        return str(error)
    finally:
        names["random"].bit_generator.state = state
    return None


@pytest.mark.parametrize("sheet, cell, old, new, says", WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(sheet, cell, old, new, says):
    told = outcomes(sheet)[cell, old, new]
    assert told is not None, "it passes"
    assert re.search(says, told), told


@pytest.mark.parametrize("sheet, cell, old, new", RIGHT)
def test_a_right_answer_written_differently_passes(sheet, cell, old, new):
    assert outcomes(sheet)[cell, old, new] is None
