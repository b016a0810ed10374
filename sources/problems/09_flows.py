# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Exercises 09. Normalizing flows
#
# Read [chapter 09](../../chapters/09_flows.ipynb) first. The whole notebook computes for less than a minute.
# **Time:** about 60 minutes. **Points:** 20.
#
# Fill in the code where it says `YOUR CODE HERE`, then run the check below it: it says what is wrong. Some checks are hidden
# and run when the notebook is graded. Before you hand in, choose "Restart Kernel and Run All Cells".

# %%
# vae_course comes first: it chooses TensorFlow's settings.
from vae_course import datasets, flows, models, networks, parts, priors

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfb, tfd = tfp.bijectors, tfp.distributions
random = np.random.default_rng(0)


def numerical_log_det(f, z, step=1e-5):
    """log |det J_f(z)| by differences: z [n, d] -> [n]. The referee of the checks."""
    moves = step * np.eye(z.shape[1])
    columns = [(f(z + move) - f(z - move)) / (2 * step) for move in moves]
    return np.linalg.slogdet(np.stack(columns, axis=-1))[1]

# %% [markdown]
# ## Exercise 1. A density on the unit interval (3 points, 10 minutes)
#
# Draw $z_j \sim N(0, 1)$ for each of $d$ dimensions, and set $x_j = \mathrm{sigmoid}(a z_j + b)$ with two numbers $a \neq 0$ and $b$. Every
# $x_j$ lies between 0 and 1. Write its log-density with equation 9.1. Two facts help: the inverse of the sigmoid is $\log \frac{x}{1 - x}$, and
# the derivative of $\mathrm{sigmoid}(v)$ with respect to $v$ is $x (1 - x)$. Mind that $a$ may be negative. `tfd.Normal` may be used, of course.

# %% nbgrader={"grade_id": "density-answer", "solution": true}
def log_density(x, a, b):
    """log p(x) in nats, for x_j = sigmoid(a z_j + b), z_j ~ N(0, 1): x [n, d] -> [n]."""
    ### BEGIN SOLUTION
    z = (np.log(x / (1 - x)) - b) / a
    log_p = tfd.Normal(np.float64(0), 1).log_prob(z).numpy()
    return np.sum(log_p - np.log(np.abs(a) * x * (1 - x)), axis=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "density-check", "grade": true, "points": 3}
grid = (np.arange(20_000) + 0.5)[:, None] / 20_000
assert np.shape(log_density(random.uniform(size=(7, 3)), 1.0, 0.0)) == (7,), (
    "one number for each example: dimensions are summed"
)
kept = grid.copy()
mass = np.exp(log_density(grid, 1.0, 0.0)).mean()
assert np.array_equal(grid, kept), "your function changes the array x that it is given"
assert np.isclose(mass, 1, atol=1e-3), (
    f"a = 1, b = 0: the density should integrate to 1, yours to {mass:.3g}: the sign of the "
    "log-determinant, a missing log or 2 pi, or a sum over the wrong axis?"
)
mass = np.exp(log_density(grid, 0.5, -0.7)).mean()
assert np.isclose(mass, 1, atol=1e-3), (
    f"a = 0.5, b = -0.7: it should integrate to 1, yours gives {mass:.3g}: a stands in two "
    "places, in the inverse map and in its determinant"
)
center = 1 / (1 + np.exp(0.7))  # where z = 0 lands, for b = -0.7
value = log_density(np.full((1, 1), center), 0.5, -0.7)[0]
assert np.isclose(value, -0.9189385 - np.log(0.5 * center * (1 - center))), (
    "z = 0 lands at sigmoid(b): invert a z + b in the right order, and a and b count once"
)
mass = np.exp(log_density(grid, -2.0, 0.3)).mean()
assert np.isclose(mass, 1, atol=1e-3), (
    f"a = -2: it should integrate to 1, yours gives {mass:.3g}: a volume is positive"
)
value = log_density(np.full((1, 1), 0.5), 1.0, 0.0)[0]
assert np.isclose(value, 0.4673557), (
    f"at x = 1/2, a = 1: log N(0; 0, 1) + log 4 = 0.4673557, not rounded. Received: {value}"
)
halves = log_density(np.full((1, 4), 0.5), 2.0, 0.0)[0]
assert np.isclose(halves, 4 * (0.4673557 - np.log(2))), (
    "four independent dimensions, x = 1/2 in each, a = 2: four times the value of one, "
    f"{4 * (0.4673557 - np.log(2)):.3f}, as |a| counts in each. Received: {halves:.3f}"
)
row = np.array([[0.2, 0.5, 0.9]])
columns = [log_density(row[:, [j]], -2.0, 0.3)[0] for j in range(3)]
assert np.isclose(log_density(row, -2.0, 0.3)[0], sum(columns)), (
    "independent dimensions: the log-density of a row is the sum over its columns"
)
### BEGIN HIDDEN TESTS
for a, b in ((0.3, 1.0), (-1.7, -0.4)):
    x = random.uniform(0.05, 0.95, size=(20, 3))
    expected = tfd.LogitNormal(np.float64(b), abs(a)).log_prob(x).numpy().sum(axis=1)
    assert np.allclose(log_density(x, a, b), expected, atol=1e-5), (
        f"a = {a}, b = {b}: it should agree with tfd.LogitNormal"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2. A chain of planar steps (3 points, 10 minutes)
#
# You are given $K$ planar steps: row $k$ of `w` and `u` and entry $k$ of `b` belong to step $k$. All of them keep $u \cdot w > -1$, so nothing has to
# be bent. Send $z$ through all steps and add up the log-determinants (equations 9.2 and 9.3). Each is taken where its step *begins*.

# %% nbgrader={"grade_id": "planar-answer", "solution": true}
def planar_chain(z, w, u, b):
    """(f(z) [n, d], sum of log |det| [n]) for w, u [K, d] and b [K]: z [n, d]."""
    log_det = np.zeros(len(z))
    ### BEGIN SOLUTION
    for w_k, u_k, b_k in zip(w, u, b, strict=True):
        a = np.tanh(z @ w_k + b_k)
        log_det = log_det + np.log(1 + (u_k @ w_k) * (1 - a**2))
        z = z + a[:, None] * u_k
    return z, log_det
    ### END SOLUTION

# %% nbgrader={"grade_id": "planar-check", "grade": true, "points": 3}
def planar_steps(steps, size):
    """Random w and u [steps, size] with u.w > -1, and b [steps]."""
    w, u = random.normal(size=(2, steps, size))
    product = (w * u).sum(axis=1, keepdims=True)
    along = (np.log1p(np.exp(product)) - 1 - product) / (w**2).sum(axis=1, keepdims=True)
    return w, u + along * w, random.normal(size=steps)


z = random.normal(size=(30, 4))
answer = planar_chain(z, np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0))
assert isinstance(answer, (tuple, list)) and len(answer) == 2, (
    "return two things: the points, and the log-determinants"
)
x, log_det = answer
assert np.array_equal(x, z) and np.array_equal(log_det, np.zeros(30)), (
    "no steps: the identity, with a log-determinant of zero"
)
w, u = np.array([[1.0, 0.0]]), np.array([[0.5, 3.0]])
x, log_det = planar_chain(np.zeros((1, 2)), w, u, np.array([0.0]))
assert np.allclose(x, 0) and np.allclose(log_det, np.log(1.5)), (
    "at w.z + b = 0 nothing moves, and the log-determinant is log(1 + u.w), here log 1.5 = "
    f"0.405. Received: {x} and {log_det}"
)
one, kept = planar_steps(1, 4), z.copy()
x, log_det = planar_chain(z, *one)
assert np.shape(x) == (30, 4) and np.shape(log_det) == (30,), (
    "one point and one number for each example"
)
assert np.array_equal(z, kept), (
    "your function changes the array z that it is given: write z = z + ... and not z += ..."
)
assert np.allclose(x, z + np.tanh(z @ one[0].T + one[2]) @ one[1]), (
    "one step: z + u tanh(w.z + b)"
)
expected = numerical_log_det(lambda z: planar_chain(z, *one)[0], z)
assert np.allclose(log_det, expected, atol=1e-4), (
    "one step: is it 1 - tanh^2, taken where the step begins, before z moves?"
)
three = planar_steps(3, 4)
hint = "each step begins where the one before ended, and the logarithms add up"
x, log_det = planar_chain(z, *three)
expected = numerical_log_det(lambda z: planar_chain(z, *three)[0], z)
assert np.allclose(log_det, expected, atol=1e-4), (
    f"three steps: {hint}"
)
first, rest = [part[:1] for part in three], [part[1:] for part in three]
assert np.allclose(planar_chain(planar_chain(z, *first)[0], *rest)[0], x), (
    "row 0 is the first step, then row 1, then row 2"
)
### BEGIN HIDDEN TESTS
for size, count in ((2, 5), (6, 2)):
    many, z = planar_steps(count, size), random.normal(size=(10, size))
    before = z.copy()
    x, log_det = planar_chain(z, *many)
    expected = numerical_log_det(lambda z, many=many: planar_chain(z, *many)[0], z)
    assert np.allclose(log_det, expected, atol=1e-4), hint
    assert np.array_equal(z, before), "the input array should not be changed in place"
    halfway = planar_chain(z, *[part[:1] for part in many])[0]
    assert np.allclose(planar_chain(halfway, *[part[1:] for part in many])[0], x), (
        "a chain can be cut anywhere"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3. The way back through a coupling (3 points, 8 minutes)
#
# Here is a coupling step, forward, with a network that tells the shift $t$ and the log-scale $s$ from the latents that stay: the first `still` of them, half or any other number. Write
# its inverse, together with the log-determinant *of the inverse*.

# %%
def forward(z, network, still):
    """Equation 9.5: z [n, d] -> (y [n, d], log |det J_f| [n])."""
    shift, log_scale = network(z[:, :still])
    moved = z[:, still:] * np.exp(log_scale) + shift
    return np.concatenate([z[:, :still], moved], axis=1), log_scale.sum(axis=1)

# %% nbgrader={"grade_id": "inverse-answer", "solution": true}
def inverse(y, network, still):
    """y [n, d] -> (z [n, d], log |det| of the inverse [n]); the first `still` latents stay."""
    ### BEGIN SOLUTION
    shift, log_scale = network(y[:, :still])
    z = np.concatenate([y[:, :still], (y[:, still:] - shift) * np.exp(-log_scale)], axis=1)
    return z, -log_scale.sum(axis=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "inverse-check", "grade": true, "points": 3}
def random_network(still, moved):
    """half [n, still] -> (shift, log_scale), each [n, moved]; it need not be invertible."""
    weights = random.normal(size=(2, still, moved))

    def network(half):
        assert half.shape[1] == still, (
            f"the network is asked about the {still} latents that stay. Received: "
            f"{half.shape[1]} of them"
        )
        return np.sin(half @ weights[0]) * 3, np.cos(half @ weights[1])

    return network


for still, moved in ((2, 3), (4, 1)):
    z, network = random.normal(size=(20, 5)), random_network(still, moved)
    y, log_det = forward(z, network, still)
    kept = y.copy()
    answer = inverse(y, network, still)
    assert isinstance(answer, (tuple, list)) and len(answer) == 2, (
        "return two things: z, and the log-determinant"
    )
    assert np.array_equal(y, kept), "your function changes the array y that it is given"
    back, back_log_det = answer
    assert np.allclose(back[:, :still], z[:, :still]), "the latents that stay were never moved"
    assert np.allclose(back, z), "inverse(forward(z)) = z: subtract first, then divide"
    assert np.shape(back_log_det) == (20,), "one log-determinant for each example"
    assert np.allclose(back_log_det, -log_det), (
        "the opposite of the forward log-determinant: a sum of logarithms, with a minus sign"
    )
### BEGIN HIDDEN TESTS
for still, moved in ((1, 4), (3, 3), (4, 1)):
    z, network = random.normal(size=(10, still + moved)), random_network(still, moved)
    y = forward(z, network, still)[0]
    assert np.allclose(inverse(y, network, still)[0], z), (
        f"inverse(forward(z)) = z with {still} latents that stay"
    )
    back = lambda y, net=network, still=still: inverse(y, net, still)[0]  # noqa: E731
    expected = numerical_log_det(back, y)
    assert np.allclose(inverse(y, network, still)[1], expected, atol=1e-4), (
        "the log-determinant of the inverse map, at y"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4. Masks for any order (3 points, 10 minutes)
#
# The chapter's masks let latent $i$ hear the latents before it, in the order $1, 2, \dots, d$. The next step of a flow should use another order, so that the
# first latent is not always the deaf one. Now every latent has a *degree*, its place in the order: `degrees = [3, 1, 2]` means that latent 2 comes
# first, then latent 3, then latent 1. Write the two masks for a hidden layer with given degrees. Input $j$ may reach output $i$ if
# and only if the degree of $j$ is smaller than that of $i$; as in the chapter, the strict comparison belongs to the outputs, so a hidden unit of degree 2 hears inputs of degree 1 *and* 2.

# %% nbgrader={"grade_id": "masks-answer", "solution": true}
def masks(degrees, hidden_degrees):
    """0-1 masks: inputs to hidden [d, units], hidden to outputs [units, d].

    degrees [d]: 1 .. d in any order; hidden_degrees [units]: each in 1 .. d-1.
    """
    degrees, hidden_degrees = np.asarray(degrees), np.asarray(hidden_degrees)
    ### BEGIN SOLUTION
    first = degrees[:, None] <= hidden_degrees[None, :]
    second = hidden_degrees[:, None] < degrees[None, :]
    return first.astype(float), second.astype(float)
    ### END SOLUTION

# %% nbgrader={"grade_id": "masks-check", "grade": true, "points": 3}
answer = masks([1, 2, 3], [1, 2, 1, 2])
assert isinstance(answer, (tuple, list)) and len(answer) == 2, "return two masks"
first, second = answer
assert np.shape(first) == (3, 4) and np.shape(second) == (4, 3), (
    "inputs by units, and units by outputs"
)
paths = first @ second
assert np.all(np.diag(paths) == 0), (
    "no input may reach its own output: one of the two comparisons must be strict"
)
assert np.all(np.tril(paths) == 0), (
    "an input reaches an earlier output: the degrees should rise along every path"
)
assert paths[0, 1] > 0 and paths[1, 2] > 0, (
    "an input should reach the output right behind it: one comparison is strict, that of the "
    "outputs"
)
assert np.array_equal(first[2], np.zeros(4)), (
    "nobody hears the last input: no hidden unit has its degree"
)
paths = np.matmul(*masks([3, 1, 2], [1, 2, 1, 2]))
assert np.array_equal(paths > 0, np.array([[0, 0, 0], [1, 0, 1], [1, 0, 0]]) > 0), (
    "degrees [3, 1, 2]: input 2 reaches outputs 1 and 3, input 3 output 1, input 1 none"
)
first, second = masks([2, 4, 1, 3], [3, 1, 1, 2, 3])
assert set(np.unique(first)) | set(np.unique(second)) <= {0, 1}, "masks hold zeros and ones"
assert np.array_equal(np.sum(first, axis=0), [3, 1, 1, 2, 3]), (
    "a hidden unit of degree m hears the inputs of degrees 1 to m, so m of them"
)
assert np.array_equal(np.sum(second, axis=1), [1, 3, 3, 2, 1]), (
    "of 4 outputs, 4 - m hear a hidden unit of degree m: those of larger degree"
)
### BEGIN HIDDEN TESTS
for size in (2, 4, 7):
    degrees = random.permutation(size) + 1
    hidden = np.tile(np.arange(1, size), 3)
    first, second = masks(degrees, hidden)
    assert np.array_equal(first @ second > 0, degrees[:, None] < degrees[None, :]), (
        "paths lead to larger degrees, and to all of them"
    )
    assert set(np.unique(np.concatenate([first.ravel(), second.ravel()]))) <= {0.0, 1.0}, (
        "masks hold zeros and ones"
    )
few = np.matmul(*masks([1, 2, 3, 4], [2]))
assert np.array_equal(few > 0, [[False, False, True, True]] * 2 + [[False] * 4] * 2), (
    "one hidden unit of degree 2 hears 1 and 2"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5. Why is this VAE slow? (3 points, 8 minutes)
#
# A VAE has 64 latents. Its prior is made of three IAF steps (`direction="sampling"`) and its posterior of two IAF steps. Training takes many times as long as
# that of a plain VAE. Someone proposes to use `direction="density"` for all five steps.
#
# In about five sentences: which part is slow, and why? Is the proposal good? After the right change, drawing new images is slower than before: why is that a good
# bargain? And why is `evaluation.log_likelihood` fast with an IAF posterior, while `evaluation.diagnose`, which asks for the density of every code under every image's posterior, is slow? (The table of section 4 helps.)

# %% [markdown] nbgrader={"grade_id": "why-direction", "grade": true, "points": 3, "solution": true}
# The prior is slow. In each training step it is asked for the density of codes that were drawn from the posterior, so its map must be inverted, and an IAF step needs one pass
# of its network after the other for that, 64 in all, for each of the three steps. The posterior is not slow: it draws in one pass and prices its own draw, for which $z_0$ and the log-determinants are remembered.
# (1 point) The proposal mends the prior and breaks the posterior, which would then need 64 passes for each draw. Only the prior should change, to "density" or to coupling steps. (1 point)
# Drawing from the prior then takes 64 passes, but it happens only when new images are wanted, while densities are needed in every step. `log_likelihood` uses importance samples that the posterior
# itself drew, so their densities are known; `diagnose` takes a code of one image and asks for its density under the posterior of another, a given point that has to be inverted. (1 point)

# %% [markdown]
# ## Exercise 6. Repair this: a flow that never learns (4 points, 12 minutes)
#
# The prior below is what many people write first. It takes the autoregressive network that TensorFlow Probability brings along. It runs, it gives
# densities, and a VAE trains with it without a word. Run the cell, and look at the two numbers that it prints.

# %%
class SilentPrior(priors.Prior):
    """p(z): a standard normal sent through a masked autoregressive flow."""

    def make_weights(self):
        size = self.latent_size
        self.made = tfb.AutoregressiveNetwork(
            params=2, event_shape=[size], hidden_units=[32], activation="relu"
        )
        self.made.build([None, size])

    def distribution(self, c=None):
        step = tfb.MaskedAutoregressiveFlow(self.made)
        return tfd.TransformedDistribution(parts.standard_normal(self.latent_size), step)


x_train = (datasets.load("digits").x_train > 0.5).astype("float32")


def fitted(prior):
    """A VAE with this prior after one epoch."""
    keras.utils.set_random_seed(0)
    outputs = 2 * prior.latent_size
    encoder = networks.mlp_encoder((8, 8, 1), outputs)
    vae = models.VAE(encoder, networks.mlp_decoder(prior.latent_size, (8, 8, 1)), prior=prior)
    vae.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    vae.fit(x_train, epochs=1, verbose=0)
    return vae


silent = SilentPrior(2)
variables = silent.made.trainable_variables
before = [variable.numpy() for variable in variables]
fitted(silent)
moved = [np.abs(variable.numpy() - old).max() for variable, old in zip(variables, before)]
print(f"weights that Keras sees: {len(silent.trainable_weights)}")
print(f"largest change of the network's {len(moved)} arrays: {max(moved)}")

# %% [markdown]
# The network belongs to another Keras (the old one, `tf_keras`), whose variables Keras 3 does not see: no gradient is ever taken for them.
#
# Write a prior whose weights learn. The scaffold uses one coupling step, `tfb.RealNVP`, whose first `latent_size // 2` latents stay. You make the network, from
# Keras 3's own layers, in `make_weights`, which is called as soon as `latent_size` is known, and the distribution in `distribution`. The network maps the half that stays to a shift and a log-scale for each latent of the
# other half. Start it with `keras.Input`, so that its weights exist at once. Codes come with any axes in front, `[samples, n, latent_size]` too: reshape them to two axes for the
# network, and its output back.

# %% nbgrader={"grade_id": "repair-answer", "solution": true}
class LearningPrior(priors.Prior):
    """p(z): a standard normal sent through a coupling step, whose weights Keras owns."""

    def __init__(self, latent_size=None, hidden=32):
        self.hidden = hidden
        super().__init__(latent_size)

    def make_weights(self):
        self.still = self.latent_size // 2
        ### BEGIN SOLUTION
        inputs = keras.Input((self.still,))
        features = keras.layers.Dense(self.hidden, activation="relu")(inputs)
        outputs = keras.layers.Dense(2 * (self.latent_size - self.still))(features)
        self.network = keras.Model(inputs, outputs)
        ### END SOLUTION

    def distribution(self, c=None):
        """p(z), event [latent_size], from the present weights."""

        def shift_and_log_scale(still, units, **_):
            """still [..., latent_size // 2] -> (shift, log_scale), each [..., units]."""
            ### BEGIN SOLUTION
            flat = self.network(tf.reshape(still, [-1, self.still]))
            outputs = tf.reshape(flat, tf.concat([tf.shape(still)[:-1], [2 * units]], axis=0))
            return tf.split(outputs, 2, axis=-1)
            ### END SOLUTION

        step = tfb.RealNVP(num_masked=self.still, shift_and_log_scale_fn=shift_and_log_scale)
        return tfd.TransformedDistribution(parts.standard_normal(self.latent_size), step)

# %% nbgrader={"grade_id": "repair-check", "grade": true, "points": 4} tags=["beside:check"]
prior = LearningPrior(2)
names = [weight.path for weight in prior.trainable_weights]
assert len(names) > 0, (
    "Keras sees no weights: make the network in make_weights, from keras.Input and "
    "keras.layers, and keep it as an attribute"
)
axis = np.linspace(-12, 12, 1201, dtype="float32")
square = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
mass = np.exp(prior.distribution().log_prob(square)).sum() * (axis[1] - axis[0]) ** 2
assert abs(mass - 1) < 0.02, f"p(z) should integrate to 1, yours gives {mass:.3g}"
before = [weight.numpy() for weight in prior.trainable_weights]
old = prior.distribution().log_prob(square[:5]).numpy()
for weight in prior.trainable_weights:
    weight.assign_add(0.5 * tf.ones(weight.shape))
assert not np.allclose(prior.distribution().log_prob(square[:5]), old), (
    "new weights, new density: build it afresh on every call"
)
for weight, value in zip(prior.trainable_weights, before):
    weight.assign(value)
wider = LearningPrior(5)
for weight in wider.trainable_weights:
    weight.assign_add(random.normal(size=weight.shape))
codes = np.zeros((4, 5), "float32")  # where the others are 0, the shift is all that is left
codes[:, :2] = random.normal(size=(4, 2))
moved = wider.distribution().bijector.forward(codes).numpy()
assert np.allclose(moved[:, :2], codes[:, :2]), "of five latents the first two stay"
assert np.ptp(moved[:, 2:], axis=0).min() > 1e-3, (
    "the others must be shifted by what the network says about the first two of this very code"
)
alone = [wider.distribution().bijector.forward(code[None])[0] for code in codes]
assert np.allclose(moved, alone, atol=1e-3), "a code must not feel the others of its batch"
slopes = wider.distribution().bijector.forward_log_det_jacobian(codes, event_ndims=1).numpy()
assert np.shape(slopes) == (4,) and np.ptp(slopes) > 1e-3, (
    "the log-scale, too, must depend on the latents that stay"
)
assert wider.distribution().log_prob(tf.zeros([4, 3, 5])).shape == (4, 3), (
    "codes may have more axes: reshape before and after the network"
)
fitted(prior)
now = zip(names, prior.trainable_weights, before)
still = [name for name, weight, value in now if np.array_equal(weight, value)]
assert not still, f"after an epoch every weight should have moved; these did not: {still}"
### BEGIN HIDDEN TESTS
wider = LearningPrior(5, hidden=8)
assert wider.distribution().sample(7, seed=(0, 0)).shape == (7, 5), "any number of latents"
assert wider.distribution().log_prob(tf.zeros([7, 5])).shape == (7,), (
    "one density for each code"
)
before = [weight.numpy() for weight in wider.trainable_weights]
fitted(wider)
now = zip(wider.trainable_weights, before)
assert all(not np.array_equal(weight, value) for weight, value in now), (
    "every weight should move"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Open challenge: two moons on a budget (1 point, as long as you like)
#
# The two moons of the chapter, and a budget: at most 2000 weights, 1000 steps of Adam with batches of 256 points. The score is the log-likelihood of validation points, in nats a point.
# Two planar steps, below, are a weak start. Everything else is yours: coupling or autoregressive steps, how many and how wide, a mixture as the base, the learning rate.
# The best possible score is about $-1$. The point is given for a density that keeps to the budget and beats a single normal clearly; it need not be a flow. Say in a comment how many things you tried.

# %% tags=["drift"]
def two_moons(n):
    angle, upper = random.uniform(0, np.pi, size=n), random.integers(2, size=n)[:, None]
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(upper, points, [1, 0.5] - points) - [0.5, 0.25]
    return (points + 0.1 * random.normal(size=(n, 2))).astype("float32")


moons_train, moons_valid = two_moons(3000), two_moons(1000)


def moons_score(make, seed=0):
    """(the trained prior, log-likelihood [n]); make() returns a prior and a learning rate."""
    keras.utils.set_random_seed(seed)
    prior, learning_rate = make()
    if isinstance(prior, priors.Prior):
        prior.on((2,))  # without a VAE nobody else tells it the size of a code
    weights = prior.trainable_weights
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, 1000)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(weights)

    @tf.function(jit_compile=True)
    def train():
        for i in tf.range(1000):
            rows = tf.random.stateless_uniform([256], [seed, i], 0, len(moons_train), tf.int32)
            points = tf.gather(moons_train, rows)
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(prior.distribution().log_prob(points))
            optimizer.apply(tape.gradient(loss, weights), weights)

    train()
    return prior, prior.distribution().log_prob(moons_valid).numpy()


def weak():
    return priors.FlowPrior([flows.Planar(2), flows.Planar(2)]), 0.01


print(f"two planar steps: {moons_score(weak)[1].mean():.2f} nats a point")

# %% nbgrader={"grade_id": "challenge-answer", "solution": true}
def challenger():
    """(a layer with `distribution()` and at most 2000 weights, a learning rate)."""
    ### BEGIN SOLUTION
    # Our attempt, the best of three: five coupling steps with two small hidden layers.
    steps = [flows.Coupling(2, hidden=(16, 16), flip=i % 2 == 1) for i in range(5)]
    return priors.FlowPrior(steps), 0.02
    ### END SOLUTION

# %% nbgrader={"grade_id": "challenge-check", "grade": true, "points": 1} tags=["drift", "beside:moons_score"]
prior, score = moons_score(challenger)
assert np.all(np.isfinite(score)), "inf or nan: a smaller learning rate?"
factor = np.linalg.cholesky(np.cov(moons_train.T)).astype("float32")
one_normal = tfd.MultivariateNormalTriL(moons_train.mean(axis=0), factor)
normal_score = one_normal.log_prob(moons_valid).numpy().mean()
count = sum(int(np.prod(weight.shape)) for weight in prior.trainable_weights)
print(f"yours: {score.mean():.2f} nats a point with {count} weights")
print(f"one normal: {normal_score:.2f} nats a point")
assert count <= 2000, "the budget is 2000 weights"
axis = np.linspace(-5, 5, 501, dtype="float32")
square = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
mass = np.exp(prior.distribution().log_prob(square)).sum() * (axis[1] - axis[0]) ** 2
assert mass < 1.05, (
    f"a density integrates to one at most, yours to {mass:.3g}: such a score does not count"
)
assert score.mean() > normal_score + 0.2, (
    "your density should beat a single normal by 0.2 nats"
)
