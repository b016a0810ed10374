"""Answers to the sheets: wrong ones with what their check says, and right ones written differently.

test_sheets.py says how they are tried. A number behind a name is that of the one sheet that uses it.
"""

SHARE_01 = "(np.clip(z, low, high) - low) / (high - low)"
OWN_RANGE_01 = "low, high = z.min(axis=0), z.max(axis=0)\n    share"
IN_PLACE_01 = """
x_hat -= x
return (x_hat**2).reshape(len(x), -1).mean(axis=1)"""
STANDARDIZED_01 = "(rows - mean) / (rows.std(axis=0) + 1e-9)"
BINS_01 = "np.minimum(np.floor(share * 2**bits), 2**bits - 1)"
BYTES_01 = "images * d * bits / 8"
DRAW_02, OWN_02 = "rng.uniform", "np.random.default_rng(0).uniform"
EXACT_02 = """
out = x.flatten()
out[rng.permutation(x.size)[: round(rate * x.size)]] = 0
return out.reshape(x.shape)"""
TWICE_02 = """
x = np.where(rng.uniform(size=x.shape) < rate / 2, low, x)
return np.where(rng.uniform(size=x.shape) < rate / 2, high, x)"""
IN_PLACE_02 = """
x -= x_hat
return 10 * np.log10(max_val**2 / np.mean(x.reshape(len(x), -1) ** 2, axis=1))"""
ONE_DRAW_02 = """
u = rng.uniform(size=x.shape)
target = (u < x).astype("float32")
return target * (u >= rate), target"""
PER_ROW_02 = "log_w.max(axis=1, keepdims=True)"
CONSTANT_04 = "pixels * np.log(sigma * np.sqrt(2 * np.pi))"
IN_PLACE_04 = """
log_w -= log_w.max(axis=0)
return np.exp(log_w) / np.exp(log_w).sum(axis=0)"""
SOLVED_04 = """
moves = [(poor, near), (good, near), (poor, far)]
rows = [[negative_log_likelihood(x, output), kl(mean, log_var), 1] for output, mean in moves]
losses = [loss_fn(x, output, mean, log_var) for output, mean in moves]
a, b, _ = np.linalg.solve(rows, losses)
return b / a"""
BY_HAND_04 = """
n, differences = len(first), [b - a for a, b in zip(first, second)]
mean = sum(differences) / n
return mean, (sum((value - mean) ** 2 for value in differences) / (n - 1) / n) ** 0.5"""
PRICE_08 = "0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])"
SAMPLED_08 = """
z_1 = m + s * np.random.default_rng(1).normal(size=200_000)
return np.mean(np.log(b / t) + (t**2 + ((c - a) * z_1 + e) ** 2) / (2 * b**2) - 0.5)"""
RATIO_08, KL_1_08 = "q_2.log_prob(z_2) - p_2_given(z_1).log_prob(z_2)", "tfd.kl_divergence(q_1_given(z_2), p_1)"
KL_08 = "kl = normal_kl(mean, scale, prior_mean, prior_scale)"
NOISE_IN_PLACE_08 = """
prior_mean, prior_scale = expect(state)
mean, scale = (prior_mean, prior_scale) if features is None else look(features, state)
noise *= scale
kl = normal_kl(mean, scale, prior_mean, prior_scale).sum(axis=1)
return mean + noise, kl, state + merge(mean + noise, state)"""
LOG_Q_IN_PLACE_08 = """
parents = np.c_[np.zeros(len(z)), a * z[:, :-1]]
scales = np.r_[1.0, np.full(z.shape[1] - 1, np.sqrt(1 - a**2))]
log_q -= normal(parents, scales).log_prob(z).numpy().sum(axis=1)
return normal(z[:, -1], sigma).log_prob(x).numpy() - log_q"""
QUADRATURE_08 = """
nodes, weights = np.polynomial.hermite_e.hermegauss(4)
distance = c * (m + s * nodes) + e - a * (m + s * nodes)
return np.average(np.log(b / t) + (t**2 + distance**2) / (2 * b**2) - 0.5, weights=weights)"""
TWO_PATHS_08 = """
above = expect(state)
if features is None:
    z, kl = above[0] + above[1] * noise, np.zeros(len(noise))
else:
    mean, scale = look(features, state)
    z, kl = mean + scale * noise, np.sum(normal_kl(mean, scale, *above), axis=-1)
return z, kl, merge(z, state) + state"""
JOINT_08 = """
steps = np.abs(np.subtract.outer(np.arange(z.shape[1]), np.arange(z.shape[1])))
prior = tfd.MultivariateNormalTriL(np.zeros(z.shape[1]), np.linalg.cholesky(float(a) ** steps))
return normal(z[:, -1], sigma).log_prob(x).numpy() + prior.log_prob(z).numpy() - log_q"""
TERM_09 = "np.log(np.abs(a) * x * (1 - x))"
STEP_09 = "log_det = log_det + np.log(1 + (u_k @ w_k) * (1 - a**2))"
OTHER_NORMAL_09 = "tfd.Normal(np.float64(b), abs(a)).log_prob(z)"
IN_PLACE_09 = """
for w_k, u_k, b_k in zip(w, u, b):
    a = np.tanh(z @ w_k + b_k)
    log_det += np.log(1 + (u_k @ w_k) * (1 - a**2))
    z += a[:, None] * u_k
return z, log_det"""
ALL_AT_ONCE_09 = """
a = np.tanh(z @ w.T + b)
return z + a @ u, np.log(1 + (u * w).sum(axis=1) * (1 - a**2)).sum(axis=1)"""
HALF_09 = """
half = y.shape[1] // 2
shift, log_scale = network(y[:, :half])
z = np.concatenate([y[:, :half], (y[:, half:] - shift) * np.exp(-log_scale)], axis=1)
return z, -log_scale.sum(axis=1)"""
SPLIT_09 = "return tf.split(outputs, 2, axis=-1)"
PLACES_09 = "degrees = np.argsort(degrees) + 1\n"
PAY_10 = "np.sum(p * softplus(-logits) + p_g * softplus(logits))"
RATIO_10 = "np.log(p) - np.log(p_g)"
OVERFLOW_10 = """
if saturating:
    return -np.exp(logit) / (1 + np.exp(logit))
return -1 / (1 + np.exp(logit))"""
DIGITS_10 = """
weights = 10 ** np.arange(levels.shape[1])[::-1]
a, b = levels @ weights, other_levels @ weights
return 0.5 * sum(abs(np.mean(a == k) - np.mean(b == k)) for k in set(a) | set(b))"""
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
ENTROPY_IN_PLACE_14 = """
bounds /= tau
return softmax(bounds.T, axis=1)"""
CROSS_14 = """
labels = tf.one_hot(y, logits.shape[-1])
return -alpha * tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))"""
KERAS_14 = """
labels = tf.one_hot(y, logits.shape[-1])
return -alpha * tf.reduce_mean(tf.keras.losses.categorical_crossentropy(labels, logits, from_logits=True))"""
LABELS_14 = "return np.concatenate([np.flatnonzero(data.y_train == label)[:3] for label in range(10)])"
WEIGHT_15 = """
w = 1 / (1 + (scale_a / scale_b) ** 2)
return w * mean_a + (1 - w) * mean_b, scale_a * np.sqrt(w)"""
HANDED_16 = "return np.pad(tokens, [(0, 0), (0, 1)])[:, 1:]"
FLOATS_16 = """out = np.zeros(tokens.shape)
    out[:, :-1] = tokens[:, 1:]
    return out"""
LOGITS_16 = """logits -= logsumexp(logits, axis=2, keepdims=True)
    log_p = logits"""
ONE_LEVEL_16 = """
def own(name):
    return -sum(p * np.log(p) for p, _ in grammar.get(name, []))

return own(symbol) + sum(p * own(part) for p, parts in grammar.get(symbol, []) for part in parts)"""
CHOICE_16 = "generator.choice(len(log_p_start), n, p=np.exp(log_p_start - log_total))"
EVENLY_16 = "np.searchsorted(np.cumsum(np.exp(log_p_start - log_total)), (np.arange(n) + 0.5) / n)"
SEEDED_16 = "np.random.default_rng(42)"
DEVIATIONS_17 = """
q_stddev *= np.sqrt(2 * np.pi * np.e)
bits = (reconstruction + log_p_z + np.log(q_stddev).sum(axis=1)) / math.log(2)
return -bits.mean() / q_stddev.shape[1]"""
VALID_17 = """
vae = vae_of(8, (128,), 1)
vae.fit(x_valid, batch_size=64, epochs=150, verbose=0)
return vae"""
SUM_17 = """
reconstruction += log_p_z + np.sum(0.5 * np.log(2 * np.pi * np.e) + np.log(q_stddev), axis=1)
return -reconstruction.mean() / (q_stddev.shape[1] * math.log(2))"""
SOFTPLUS_11, INPUT_11 = "np.logaddexp(0, x @ W + c)", "x @ W + c"
CLIPPED_11 = f"np.log1p(np.exp(np.clip({INPUT_11}, -500, 500)))"
EXPECTED_UNITS_11 = """
increment = log_p(x, beta, W, b, c) - log_p(x, before, W, b, c)
h = sigmoid(beta * (x @ W + c))
return (random.random(x.shape) < sigmoid(beta * (h @ W.T + b))).astype(float), increment"""
DIVIDED_12 = """
r = w * np.exp(bernoulli(x, p))
r = r / (r.sum(axis=1, keepdims=True) + 1e-300)
with np.errstate(invalid="ignore"):
    return r.mean(axis=0), r.T @ x / r.sum(axis=0)[:, None]"""
NO_NAN_12 = """
r = w * np.exp(bernoulli(x, p))
r = r / (r.sum(axis=1, keepdims=True) + 1e-300)
return r.mean(axis=0), r.T @ x / np.maximum(r.sum(axis=0), 1e-300)[:, None]"""
SMALL_12 = """
r = w * np.exp(bernoulli(x, p)) + 1e-300
r = r / r.sum(axis=1, keepdims=True)
return r.mean(axis=0), r.T @ x / r.sum(axis=0)[:, None]"""
FIXED_12 = "return np.logaddexp(log_p + np.log(0.01), np.log(0.99) - pixels * np.log(2))"
OWN_12, CHOICE_12 = "np.random.default_rng(0)", "choice(len(rows), n, replace=False)"
PRICE_12 = "return -np.log(share)"
CLIPPED_12 = "return np.log(np.maximum(share * np.exp(log_p) + (1 - share) * 2.0**-pixels, 1e-300))"
ONE_12 = "fitted = fit_mixture(rows, 160)\nreturn lambda x: mixture_log_p(x, *fitted)"
SUM_12 = """
a, b = fit_mixture(rows, 40), fit_mixture(rows, 80)
return lambda x: np.logaddexp(mixture_log_p(x, *a), mixture_log_p(x, *b))"""
WEIGHTED_13 = """
weights = np.where(labels == 1, base_rate / np.sum(labels == 1), (1 - base_rate) / np.sum(labels == 0))
return average_precision_score(labels, scores, sample_weight=weights)"""
VARIANCE_13 = "rest[1] ** 2 / (rest[0].var(axis=0) + 1e-6)"
ALARMS_13 = "return np.asarray(test_scores) > evaluation.threshold(normal_scores, false_alarms)"
IN_PLACE_13 = """
test_scores -= evaluation.threshold(normal_scores, false_alarms)
return (test_scores > 0).astype(int)"""
REPORT_13 = "return np.mean([alarms[a:b].any() for a, b in events]), 1000 * np.mean(alarms[labels == 0])"
LOOKED_UP_13 = """
known = {window.tobytes(): label for window, label in zip(sensors.x_valid, sensors.y_valid)}
return np.array([known.get(window.tobytes(), 0) == 3 for window in new], float)"""

# The sheet and cell; what is replaced in the solution (None: the whole answer, one text for each hole) and by what;
# a pattern of what the check below then says.
WRONG = [
    ("01", "mse-answer", ".mean(axis=1)", ".sum(axis=1)", "a mean, not a sum"),
    ("01", "mse-answer", "((x - x_hat) ** 2).reshape(len(x), -1).mean(axis=1)",
     "np.abs(x - x_hat).reshape(len(x), -1).mean(axis=1) ** 2", "square every pixel first"),
    ("01", "mse-answer", ".reshape(len(x), -1).mean(axis=1)", ".reshape(-1, len(x)).mean(axis=0)", "by itself"),
    ("01", "mse-answer", None, IN_PLACE_01, "must not change"),
    ("01", "psnr-answer", "peak**2", "peak", "where does the peak enter"),
    ("01", "psnr-answer", "np.log10", "math.log10", "those of math"),
    ("01", "axes-answer", "(rows - mean,", "(rows,", "subtract the mean row"),
    ("01", "axes-answer", "rows - mean,", f"{STANDARDIZED_01},", "and nothing else"),
    ("01", "linear-answer", None, ("return rows @ axes.T", "return mean + z @ axes"), "the mean image has the code 0"),
    ("01", "levels-answer", "np.rint(share * (2**bits - 1))", BINS_01, r"not \[1, 1, 3\]"),
    ("01", "levels-answer", "share =", f"{OWN_RANGE_01} =", "low and high are as given"),
    ("01", "ratio-answer", BYTES_01, f"{BYTES_01.replace('/', '//')}", "count fractions"),
    ("01", "ratio-answer", f"({BYTES_01} + decoder_bytes)", f"({BYTES_01} + images * decoder_bytes)", "one decoder"),
    ("01", "repair-answer", "score > best_score", "score >= best_score", "take the first, not 6"),
    ("02", "masking-answer", DRAW_02, OWN_02, "another seed, another result"),
    ("02", "masking-answer", None, EXACT_02, "drawn by itself"),
    ("02", "salt-answer", "size=x.shape", "size=(*x.shape[:-1], 1)", "channels too"),
    ("02", "salt-answer", DRAW_02, OWN_02, "another seed, another result"),
    ("02", "salt-answer", None, TWICE_02, "not 0.128"),
    ("02", "psnr-answer", "(x_hat - x)", "(np.clip(x_hat, 0, max_val) - x)", "do not clip here"),
    ("02", "psnr-answer", None, IN_PLACE_02, "must not change"),
    ("02", "gaussian-answer", "(s**2 + sigma**2)  #", "(s + sigma) ** 2  #", "not 2.45"),
    ("02", "empirical-answer", "(2 * sigma**2)", "sigma**2", "exponent that of the formula"),
    ("02", "empirical-answer", " / w.sum(axis=1, keepdims=True)", " / w.sum(axis=0)", "add up to 1"),
    ("02", "empirical-answer", PER_ROW_02, "log_w.max()", "each row's own"),
    ("02", "empirical-answer", "-squares", "squares", "check the sign"),
    ("02", "pair-answer", None, ONE_DRAW_02, "draws of its own"),
    ("02", "pair-answer", "keep = rng.uniform(size=x.shape)", "keep = rng.uniform(size=x.shape[1:])", "its own mask"),
    ("02", "report-answer", "= valid", "= test", "must not depend on the test images"),
    ("04", "gaussian-answer", f"- {CONSTANT_04}", "- np.log(sigma * np.sqrt(2 * np.pi))", "so 10 times"),
    ("04", "gaussian-answer", "(2 * sigma**2)", "sigma**2", "half of it; yours: 4"),
    ("04", "gaussian-answer", "(2 * sigma**2)", "2 * sigma**2", "below the line"),
    ("04", "gaussian-answer", "log(sigma *", "log(", r"no error, one pixel, sigma 0\.5"),
    ("04", "scale-answer", "np.sqrt(np.mean((x - x_hat) ** 2))", "np.mean(np.abs(x - x_hat))", "yours: 0.25"),
    ("04", "scale-answer", "np.sqrt(np.mean((x - x_hat) ** 2))", "np.std(x - x_hat)", "yours: 0$"),
    ("04", "scale-answer", None, "x -= x_hat\nreturn np.sqrt(np.mean(x**2))", "must not change"),
    ("04", "bound-answer", "log_w.max(axis=0)", "log_w[0]", "do you subtract the largest"),
    ("04", "bound-answer", "log_w.max(axis=0)", "log_w.max()", "each image's own"),
    ("04", "bound-answer", None, "return np.log(np.mean(np.exp(log_w), axis=0))", "even if tiny, .*yours: -inf"),
    ("04", "bound-answer", "return largest +", "return", "added again"),
    ("04", "paired-answer", "ddof=1", "ddof=0", r"yours: 0\.816"),
    ("04", "paired-answer", "difference.mean(),", "np.median(difference),", "have the mean -1"),
    ("04", "paired-answer", "second - first", "abs(second - first)", "with its sign; yours: 1"),
    ("04", "beta-answer", "b / a", "a / b", "yours gives 0.333"),
    ("04", "beta-answer", "loss_fn(x, poor, far, log_var)", "loss_fn(x, good, far, log_var)", "one thing only"),
    ("04", "weight-answer", "latent_size / pixels", "(latent_size / pixels) ** 0.5", "counts 2.74 times as much"),
    ("04", "repair-answer", "log_w.max(axis=0)", "log_w.min(axis=0)", "takes all; yours: .*nan"),
    ("04", "repair-answer", None, IN_PLACE_04, "without `-=`"),
    ("08", "price-answer", PRICE_08, PRICE_08[6:], "yours: 1.02"),
    ("08", "price-answer", "np.linalg.slogdet(precision)[1]", "np.log(np.linalg.det(precision))", "overflows"),
    ("08", "second-answer", "mean**2 + variance", "mean**2", "its variance counts"),
    ("08", "second-answer", "b / t", "t / b", "q first"),
    ("08", "second-answer", "* s**2", "* s", "the scale of z_1"),
    ("08", "second-answer", None, SAMPLED_08, "samples would only come near"),
    ("08", "naive-answer", RATIO_08, "tfd.kl_divergence(q_2, p_2_given(z_1))", "no closed form"),
    ("08", "naive-answer", RATIO_08, f"-({RATIO_08})", "wrong sign"),
    ("08", "naive-answer", "p_2_given(z_1)", "p_2_given(z_2)", "of that very sample"),
    ("08", "naive-answer", KL_1_08, "q_1_given(z_2).log_prob(z_1) - p_1.log_prob(z_1)", "never negative"),
    ("08", "step-answer", "state + merge(z, state)", "merge(z, state)", "a residual step"),
    ("08", "step-answer", ".sum(axis=1)", ".mean(axis=1)", "yours is their mean"),
    ("08", "step-answer", KL_08, "kl = normal_kl(prior_mean, prior_scale, mean, scale)", "in this order"),
    ("08", "step-answer", None, NOISE_IN_PLACE_08, "the noise that were passed in"),
    ("08", "repair-answer", "np.sqrt(1 - a**2)", "1 - a**2", "yours spread over"),
    ("08", "repair-answer", "log_p - log_q", "log_p", "and the prior is N"),
    ("08", "repair-answer", None, LOG_Q_IN_PLACE_08, "must not change"),
    ("09", "density-answer", f"- {TERM_09}", f"+ {TERM_09}", "sign of the log-determinant"),
    ("09", "density-answer", "np.abs(a)", "a", "a volume is positive"),
    ("09", "density-answer", "- b) / a", ") / a - b", "in the right order"),
    ("09", "density-answer", "tfd.Normal(np.float64(0), 1).log_prob(z)", OTHER_NORMAL_09, "a and b count once"),
    ("09", "density-answer", "np.sum(", "np.mean(", "four times the value of one"),
    ("09", "planar-answer", STEP_09, STEP_09.replace("a**2", "a"), "is it 1 - tanh"),
    ("09", "planar-answer", STEP_09, STEP_09.replace("+ np", "- np"), r"log 1\.5 = 0\.405"),
    ("09", "planar-answer", STEP_09, STEP_09.replace("log_det + ", ""), "the logarithms add up"),
    ("09", "planar-answer", "return z, log_det", "return z", "return two things"),
    ("09", "planar-answer", None, IN_PLACE_09, "changes the array z"),
    ("09", "planar-answer", None, ALL_AT_ONCE_09, "where the one before ended"),
    ("09", "inverse-answer", "return z, -log_scale", "return z, log_scale", "with a minus sign"),
    ("09", "inverse-answer", None, HALF_09, "the 4 latents that stay"),
    ("09", "masks-answer", "<= hidden", "< hidden", "right behind it"),
    ("09", "masks-answer", "first = degrees", f"{PLACES_09}    first = degrees", r"degrees \[3, 1, 2\]"),
    ("09", "repair-answer", SPLIT_09,
     "return tf.zeros_like(outputs[..., units:]), outputs[..., units:]", "must be shifted"),
    ("09", "repair-answer", SPLIT_09,
     "return outputs[..., units:], tf.zeros_like(outputs[..., units:])", "the log-scale, too"),
    ("09", "repair-answer", SPLIT_09,
     "return outputs[..., :units] - tf.reduce_mean(outputs[..., :units], axis=0), outputs[..., units:]",
     "the others of its batch"),
    ("10", "best-answer", RATIO_10, "p / (p + p_g)", "look like probabilities"),
    ("10", "best-answer", RATIO_10, "0.5 * (np.log(p) - np.log(p_g))", "not the best"),
    ("10", "best-answer", PAY_10, "2 * np.log(2)", r"Received: 1\.386"),
    ("10", "best-answer", PAY_10, f"{PAY_10} / 2", "both expectations as sums"),
    ("10", "slope-answer", "return -1 / (1 + np.exp(-logit))", "return 1 / (1 + np.exp(-logit))", "at a logit of 7"),
    ("10", "slope-answer", None, OVERFLOW_10, "must be a number"),
    ("10", "slope-answer", "-1 / (1 + np.exp(-logit))", "np.mean(-1 / (1 + np.exp(-logit)))", "for each logit"),
    ("10", "r1-answer", "0.5 * ", "", "yours 25"),
    ("10", "r1-answer", "tf.reduce_mean(squares)", "tf.reduce_mean(tf.sqrt(squares)) ** 2", "then take the mean"),
    ("10", "r1-answer", "list(range(1, len(x.shape)))", "1", "all axes but the first"),
    ("10", "r1-answer", "tape.gradient(total, x)", "tf.stop_gradient(tape.gradient(total, x))", "no gradient reaches"),
    ("10", "coverage-answer", " / len(part)", " / len(levels)", "shares and not counts"),
    ("10", "coverage-answer", None, DIGITS_10, "more than ten levels"),
    ("10", "repair-answer", 'own = terms["discriminator"]', 'own = -terms["discriminator"]', "opposite sign"),
    ("10", "repair-answer", '+ terms["feature"]', '+ gamma * terms["feature"]', "gamma does not reach it"),
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
    ("14", "entropy-answer", None, ENTROPY_IN_PLACE_14, "changes the array bounds"),
    ("14", "entropy-answer", "/ tau", "* tau", "A larger tau means more doubt"),
    ("14", "alpha-answer", None, CROSS_14, "softmax - labels"),
    ("14", "alpha-answer", None, KERAS_14, "softmax - labels"),
    ("14", "challenge-answer", None, LABELS_14, "not by a row's number"),
    ("15", "bayes-answer", " + np.log(frequency)[:, None]", "", "without p"),
    ("15", "coverage-answer", None, "return evaluation.coverage(draws, x, level)", "write it yourself"),
    ("15", "product-answer", None, WEIGHT_15, "the first picture says nothing, .*yours 0.40 and nan"),
    ("15", "repair-answer", "* noise", "* np.random.normal(size=len(mean))", "draw none"),
    ("15", "repair-answer", "* noise", "* np.random.default_rng(0).normal(size=len(mean))", "other noise"),
    ("15", "repair-answer", "rate(mean, scale)", "rate(mean, scale).mean()", "rate averaged over the batch"),
    ("15", "challenge-answer", None, "return np.tile(large_new, (k, 1, 1))", r"yours \[59, 300, 64\]"),
    ("15", "challenge-answer", None, "return np.tile(large_new[: len(question)], (k, 1, 1))", "`question` alone"),
    ("16", "shift-answer", HANDED_16, "return np.pad(tokens, [(0, 0), (1, 0)])[:, :-1]", "to the left, not to"),
    ("16", "shift-answer", HANDED_16, "return np.roll(tokens, -1, axis=1)", "np.roll brings the first token"),
    ("16", "shift-answer", HANDED_16, FLOATS_16, "whole numbers, yours float64"),
    ("16", "shift-answer", "log_p = log_softmax(logits, axis=-1)", LOGITS_16, "changes the logits"),
    ("16", "entropy-answer", None, ONE_LEVEL_16, "a coin: log 2 = 0.69, yours 0.00"),
    ("16", "fitting-answer", CHOICE_16, f"np.random.{CHOICE_16[10:]}", "the same state, and other codes"),
    ("16", "fitting-answer", CHOICE_16, f"random.{CHOICE_16[10:]}", "the same state, and other codes"),
    ("16", "fitting-answer", CHOICE_16, f"{SEEDED_16}.{CHOICE_16[10:]}", "two seeds, and the same codes"),
    ("16", "fitting-answer", CHOICE_16, EVENLY_16, "two seeds, and the same codes"),
    ("16", "dropout-answer", "generator.random", "np.random.random", "the same state, and other words"),
    ("16", "dropout-answer", "generator.random", "random.random", "the same state, and other words"),
    ("16", "dropout-answer", "generator.random", f"{SEEDED_16}.random", "two seeds, and the same words"),
    ("16", "dropout-answer", "unknown, tokens)", "float(unknown), tokens)", "whole numbers, yours float64"),
    ("17", "pop-answer", "place >= widths", "place > widths", "holds its left end"),
    ("17", "repair-answer", None, DEVIATIONS_17, "changes an array"),
    ("17", "repair-answer", None, SUM_17, "changes an array"),
    ("17", "challenge-answer", None, VALID_17, "does x_valid train"),
    ("11", "free-energy-answer", SOFTPLUS_11, CLIPPED_11, "a v that is clipped"),
    ("11", "free-energy-answer", SOFTPLUS_11, f"np.nan_to_num(np.log(1 + np.exp({INPUT_11})))", "1000.* overflows"),
    ("11", "ais-answer", "random.random((len", "np.random.random((len", "not from np.random"),
    ("11", "ais-answer", "x = random.random(", "x = np.random.random(", "not from np.random"),
    ("11", "ais-answer", "increment =", f"random = {OWN_12}\n    increment =", "none of your own"),
    ("11", "ais-answer", "(len(x), len(c))", "(len(x), 1)", "number of its own"),
    ("11", "ais-answer", None, EXPECTED_UNITS_11, "is h drawn, 0 or 1"),
    ("12", "em-answer", None, DIVIDED_12, "0 / 0 is NaN"),
    ("12", "em-answer", None, NO_NAN_12, "weights sum to 0"),
    ("12", "em-answer", None, SMALL_12, "Equal responsibilities"),
    ("12", "leak-answer", "> 1e-6", "> 0.1", "0.0001 in every row"),
    ("12", "leak-answer", "> 1e-6", "> 0", "counts as none"),
    ("12", "leak-answer", ".max(axis=0)", ".mean(axis=0)", "not the mean over rows"),
    ("12", "noise-answer", None, (FIXED_12, PRICE_12), "Is `share` the argument's"),
    ("12", "noise-answer", None, (CLIPPED_12, PRICE_12), "yours: -690.78"),
    ("12", "noise-answer", "return -np.log(share)", "return np.log(100)", "log 2 = 0.693, yours: 4.605"),
    ("12", "parzen-answer", "sorted(values, key=lambda name: -values[name].mean())", "list(values)", "another order"),
    ("12", "mixed-answer", f"rows[random.{CHOICE_12}]", "rows[:n]", "the first n rows"),
    ("12", "mixed-answer", "chosen =", f"random = {OWN_12}\n    chosen =", "none of your own"),
    ("12", "mixed-answer", f"[rows[random.{CHOICE_12}] for rows in (real, generated)]",
     f"real[:n], generated[random.{CHOICE_12.replace('rows', 'generated')}]", "300 real rows are the same"),
    ("12", "mixed-answer", f"[rows[random.{CHOICE_12}] for rows in (real, generated)]",
     f"real, generated[random.{CHOICE_12.replace('rows', 'generated')}]", "300 real rows are the same"),
    ("12", "mixed-answer", f"[rows[random.{CHOICE_12}] for rows in (real, generated)]",
     f"real[random.{CHOICE_12.replace('rows', 'real')}], generated[:n]", "300 generated rows are the same"),
    ("12", "mixed-answer", "random.choice", "np.random.choice", "same seed draw different rows"),
    ("12", "mixed-answer", "chosen =", "random.shuffle(real)\n    chosen =", "works in place"),
    ("12", "mixed-answer", f"[rows[random.{CHOICE_12}] for rows in (real, generated)]",
     f"(lambda places: (real[places], generated[places]))(random.{CHOICE_12.replace('rows', 'real')})", "same places"),
    ("12", "challenge-answer", None, SUM_12, r"sum to 2\.000"),
    ("12", "challenge-answer", None, f"{ONE_12} + np.log(2.5)", r"sum to 2\.500"),
    ("12", "challenge-answer", None, ONE_12.replace("rows", "x_valid"), "taken from `rows`"),
    ("12", "challenge-answer", None, ONE_12.replace("160", "20"), "beat 40 prototypes"),
    ("13", "precision-answer", None, "return evaluation.average_precision(labels, scores, base_rate)",
     "uses evaluation"),
    ("13", "precision-answer", None, WEIGHTED_13, "uses average_precision_score"),
    ("13", "control-answer", " + 1e-6", "", "yours by (nan|inf)"),
    ("13", "control-answer", "(rest[1] / (rest[0].std(axis=0) + 1e-6)) ** 2", VARIANCE_13, "not the variance"),
    ("13", "control-answer", "std(axis=0)", "std(axis=0, ddof=1)", r"not by N - 1 \(ddof=1\)"),
    ("13", "control-answer", "PCA(k)", "PCA(12)", "handed to PCA"),
    ("13", "repair-answer", None, (IN_PLACE_13, REPORT_13), "work in place"),
    ("13", "repair-answer", None, (ALARMS_13, REPORT_13.replace("alarms[labels == 0]", "alarms * (labels == 0)")),
     "two of six normal steps"),
    ("13", "challenge-answer", None, "return sensors.y_valid[np.isin(sensors.y_valid, (0, 3))][: len(new)] * 1.0",
     "its place among them"),
    ("13", "challenge-answer", None, LOOKED_UP_13, r"on new windows its AUC is only 0\.500"),
]  # fmt: skip

EACH_IMAGE_01 = "return np.array([np.mean(np.square(a - b)) for a, b in zip(x, x_hat)])"
COVARIANCE_01 = """
values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
return rows.mean(axis=0), vectors.T[::-1][:d]"""
NEAREST_01 = """
levels = np.linspace(low, high, 2**bits).reshape(2**bits, 1, -1)
return np.abs(z - levels).argmin(axis=0).astype("uint8")"""
WEIGHTS_01 = """
share = levels / (2**bits - 1)
return (1 - share) * low + share * high"""
HALVES_02 = "return np.where(rng.random(x.shape) < rate, rng.choice([low, high], size=x.shape), x)"
BY_IMAGE_02 = "return [20 * np.log10(max_val / np.sqrt(np.mean((a - b) ** 2))) for a, b in zip(x_hat, x)]"
BY_ROW_02 = """
means = []
for row in x_tilde:
    squares = np.sum((x_train - row) ** 2, axis=1)
    w = np.exp((squares.min() - squares) / (2 * sigma**2))
    means.append(np.average(x_train, axis=0, weights=w))
return np.array(means)"""
PRODUCTS_02 = """
log_w = (x_tilde @ x_train.T - np.sum(x_train**2, axis=1) / 2) / sigma**2
w = np.exp(log_w - np.logaddexp.reduce(log_w, axis=1)[:, None])
return w @ x_train"""
BINOMIAL_02 = """
target = rng.binomial(1, x).astype("float32")
return masking(target, rate, rng), target"""
SINGLE_09 = """
z = ((np.log(x / (1 - x)) - b) / a).astype("float32")
log_p = tfd.Normal(0.0, 1.0).log_prob(z).numpy()
return log_p.sum(axis=1) - np.log(np.abs(a) * x * (1 - x)).sum(axis=1)"""
OUTER_09 = """
for k in range(len(b)):
    v = z @ w[k] + b[k]
    jacobian = np.eye(z.shape[1]) + np.outer(u[k], w[k]) / np.cosh(v)[:, None, None] ** 2
    log_det = log_det + np.linalg.slogdet(jacobian)[1]
    z = z + np.outer(np.tanh(v), u[k])
return z, log_det"""
COPY_09 = """
z, (shift, log_scale) = y.copy(), network(y[:, :still])
z[:, still:] -= shift
z[:, still:] /= np.exp(log_scale)
return z, np.log(np.prod(np.exp(-log_scale), axis=1))"""
CLASSIFIER_10 = """
d = p / (p + p_g)
return list(np.log(d / (1 - d))), -(p * np.log(d)).sum() - (p_g * np.log(1 - d)).sum()"""
HALF_SQUARES_10 = """
with tf.GradientTape() as tape:
    tape.watch(x)
    logits = discriminator(x)
return tf.nn.l2_loss(tape.gradient(logits, x)) / len(x)"""
SHARED_10 = """
shares = np.zeros([2, *counts])
for share, part in zip(shares, (levels, other_levels)):
    np.add.at(share, tuple(part.T), 1 / len(part))
return 1 - np.minimum(*shares).sum()"""
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
COLUMNS_14 = "return [softmax(column / tau).tolist() for column in bounds.T]"
SPARSE_14 = """
nats = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(y, 0), logits)
return -alpha * tf.reduce_mean(tf.where(y < 0, 0.0, nats))"""
SINGLE_15 = """
import tensorflow as tf
joint = tf.cast(log_p, tf.float32) + tf.math.log(tf.cast(frequency, tf.float32))[:, None]
evidence = tf.reduce_logsumexp(joint, axis=0)
return evidence, tf.transpose(tf.exp(joint - evidence))"""
LISTS_15 = """
joint = log_p.T + np.log(frequency)
return logsumexp(joint, axis=1).tolist(), np.exp(log_softmax(joint, axis=1)).tolist()"""
ENTRIES_15 = """
r, inside = round((len(draws) + 1) * (1 - level) / 2), 0
for place in np.ndindex(x.shape):
    own = sorted(draws[(slice(None), *place)])
    inside += own[r - 1] <= x[place] <= own[-r]
return inside / x.size"""
AVERAGE_15 = """
weights = [scale_a**-2.0, scale_b**-2.0]
return np.average([mean_a, mean_b], axis=0, weights=weights), np.sum(weights, axis=0) ** -0.5"""
BY_SENTENCE_16 = (
    "return [[*row[1:], 0] for row in tokens.tolist()]",
    "log_p = log_softmax(logits, axis=2)\nreturn [sum(p[w] for p, w in zip(*two) if w) for two in zip(log_p, tokens)]",
)
ONE_BY_ONE_16 = """
edges = np.cumsum(np.exp(log_p_start - logsumexp(log_p_start)))
chosen = [int(np.searchsorted(edges, generator.random() * edges[-1])) for _ in range(n)]
return chosen, logsumexp(log_p_start, b=1 / len(log_p_start))"""
GUMBEL_16 = """
noisy = log_p_start + generator.gumbel(size=(n, len(log_p_start)))
return noisy.argmax(axis=1), np.logaddexp.reduce(log_p_start) - np.log(len(log_p_start))"""
WORD_BY_WORD_16 = """
seen = tokens.copy()
for place in zip(*np.nonzero(tokens)):
    if training and generator.random() < rate:
        seen[place] = unknown
return seen"""
EDGES_17 = """
edges, place = [sum(widths[:symbol]) for symbol in range(len(widths))], state % 2**r
symbol = max(symbol for symbol, edge in enumerate(edges) if edge <= place)
return [symbol, state // 2**r * widths[symbol] + place - edges[symbol]]"""
BINOMIAL_11 = """
increment = log_p(x, beta, W, b, c) - log_p(x, before, W, b, c)
h = random.binomial(1, sigmoid(beta * (x @ W + c)))
return random.binomial(1, sigmoid(beta * (h @ W.T + b))), increment"""
LISTS_12 = """
joint = np.log(w) + bernoulli(x, p)
r = np.exp(joint - joint.max(axis=1, keepdims=True))
r /= r.sum(axis=1, keepdims=True)
return [r.mean(axis=0).tolist(), [np.average(x, axis=0, weights=column) for column in r.T]]"""
TENSORS_12 = """
x, w, p = (tf.constant(part, tf.float32) for part in (x, w, p))
joint = tf.math.log(w) + x @ tf.transpose(tf.math.log(p / (1 - p))) + tf.reduce_sum(tf.math.log(1 - p), axis=1)
r = tf.nn.softmax(joint)
return tf.reduce_mean(r, axis=0), tf.transpose(r) @ x / tf.reduce_sum(r, axis=0)[:, None]"""
ORDERS_12 = """
parts = [fit_mixture(np.roll(rows, 100 * i, axis=0), 120) for i in range(3)]
return lambda x: np.logaddexp.reduce([mixture_log_p(x, *part) for part in parts], axis=0) - np.log(3)"""
LOOP_13 = """
total, odd, normal = 0.0, 0, 0
for label in np.array(labels)[np.argsort(scores)[::-1]]:
    odd, normal = odd + label, normal + 1 - label
    share = base_rate * odd / np.sum(labels), (1 - base_rate) * normal / np.sum(1 - np.array(labels))
    total += label * share[0] / sum(share)
return total / np.sum(labels)"""
BY_HAND_13 = """
mean = train.mean(axis=0)
axes = np.linalg.svd(train - mean, full_matrices=False)[2][:k]
rest = [x - mean - (x - mean) @ axes.T @ axes for x in (train, new)]
return (((rest[1] / (1e-6 + rest[0].std(axis=0))) ** 2).sum(axis=1)).tolist()"""
MOVES_13 = """
moves = np.abs(np.diff(new[..., [0, 2]], axis=1))
return np.sum(moves < 1e-6, axis=(1, 2)) + 0.0"""

RIGHT = [
    ("01", "mse-answer", None, EACH_IMAGE_01),
    ("01", "psnr-answer", None, "return 20 * (np.log10(peak) - np.log10(np.sqrt(squared_error)))"),
    ("01", "axes-answer", None, COVARIANCE_01),
    ("01", "linear-answer", None,
     ("return (axes @ (rows - mean).T).T", "return np.array([axes.T @ row for row in z]) + mean")),
    ("01", "levels-answer", None, (NEAREST_01, WEIGHTS_01)),
    ("01", "ratio-answer", None, "return pixels / (d * bits / 8 + decoder_bytes / images)"),
    ("02", "masking-answer", None, "return x * rng.binomial(1, 1 - rate, size=x.shape)"),
    ("02", "salt-answer", None, HALVES_02),
    ("02", "psnr-answer", None, BY_IMAGE_02),
    ("02", "gaussian-answer", None, "return x_tilde / (1 + (sigma / s) ** 2)"),
    ("02", "empirical-answer", None, BY_ROW_02),
    ("02", "empirical-answer", None, PRODUCTS_02),
    ("02", "pair-answer", None, BINOMIAL_02),
    ("04", "gaussian-answer", None,
     "return -(squared_error / sigma**2 + pixels * (np.log(2 * np.pi) + 2 * np.log(sigma))) / 2"),
    ("04", "bound-answer", None, "return np.logaddexp.reduce(log_w, axis=0) - np.log(len(log_w))"),
    ("04", "paired-answer", None, BY_HAND_04),
    ("04", "beta-answer", None, SOLVED_04),
    ("04", "repair-answer", None, "return np.exp(log_w - importance_bound(log_w) - np.log(len(log_w)))"),
    ("08", "price-answer", None, "return -0.5 * np.log(np.linalg.eigvalsh(precision) / np.diag(precision)).sum()"),
    ("08", "second-answer", None, QUADRATURE_08),
    ("08", "step-answer", None, TWO_PATHS_08),
    ("08", "repair-answer", None, JOINT_08),
    ("09", "density-answer", None, SINGLE_09),
    ("09", "planar-answer", None, OUTER_09),
    ("09", "inverse-answer", None, COPY_09),
    ("09", "masks-answer", None, "first = degrees[:, None] <= hidden_degrees\nreturn first, ~first.T"),
    ("09", "repair-answer", SPLIT_09, "return outputs[..., units:], tf.tanh(outputs[..., :units])"),
    ("10", "best-answer", None, CLASSIFIER_10),
    ("10", "slope-answer", None, "return -(1 + np.tanh(logit / 2 if saturating else -logit / 2)) / 2"),
    ("10", "r1-answer", None, HALF_SQUARES_10),
    ("10", "coverage-answer", None, SHARED_10),
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
    ("14", "entropy-answer", None, COLUMNS_14),
    ("14", "alpha-answer", None, SPARSE_14),
    ("15", "bayes-answer", None, SINGLE_15),
    ("15", "bayes-answer", None, LISTS_15),
    ("15", "coverage-answer", None, ENTRIES_15),
    ("15", "product-answer", None, AVERAGE_15),
    ("16", "shift-answer", None, BY_SENTENCE_16),
    ("16", "fitting-answer", None, ONE_BY_ONE_16),
    ("16", "fitting-answer", None, GUMBEL_16),
    ("16", "dropout-answer", None, WORD_BY_WORD_16),
    ("17", "pop-answer", None, EDGES_17),
    ("11", "free-energy-answer", SOFTPLUS_11, f"(np.maximum({INPUT_11}, 0) + np.log1p(np.exp(-abs({INPUT_11}))))"),
    ("11", "ais-answer", None, BINOMIAL_11),
    ("12", "em-answer", None, LISTS_12),
    ("12", "em-answer", None, TENSORS_12),
    ("12", "noise-answer", None,
     ("return [np.logaddexp(np.log(share) + v, np.log(1 - share) - pixels * np.log(2)) for v in log_p]",
      "return np.log(1 / share)")),
    ("12", "mixed-answer", f"rows[random.{CHOICE_12}]", "random.permutation(rows)[:n]"),
    ("12", "challenge-answer", None, ONE_12),
    ("12", "challenge-answer", None, ORDERS_12),
    ("13", "precision-answer", None, LOOP_13),
    ("13", "control-answer", None, BY_HAND_13),
    ("13", "control-answer", "rest[0].std(axis=0) + 1e-6", "np.sqrt(np.mean(rest[0] ** 2, axis=0)) + 1e-6"),
    ("13", "repair-answer", None, (ALARMS_13, REPORT_13.replace("return ", "return np.array([") + "])")),
    ("13", "challenge-answer", None, MOVES_13),
]  # fmt: skip
