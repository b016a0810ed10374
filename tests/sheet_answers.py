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
]  # fmt: skip
