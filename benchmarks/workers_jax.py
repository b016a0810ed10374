"""The limit: the dense VAE by hand in JAX, an epoch as one program (`lax.scan`), with nothing beside the steps.

The same networks, Adam, noise and loss as the others, on bytes that lie on the device; no checks, callbacks, trackers.
"""

import jax
import jax.numpy as jnp
import numpy as np

BATCH, RATE, B1, B2, EPSILON = 128, 1e-3, 0.9, 0.999, 1e-7  # Adam as Keras has it


def layer(key, inputs, outputs):
    """Glorot's uniform weights, as Keras's dense layers start."""
    bound = (6 / (inputs + outputs)) ** 0.5
    return jax.random.uniform(key, (inputs, outputs), minval=-bound, maxval=bound), jnp.zeros(outputs)


def dense(x, weights):
    return x @ weights[0] + weights[1]


def negative_elbo(weights, x, key):
    """Mean over the batch, in nats: x [batch, 784] in [0, 1]."""
    mean, raw = jnp.split(dense(jax.nn.relu(dense(x, weights[0])), weights[1]), 2, axis=-1)
    scale = jax.nn.softplus(raw) + 1e-3
    z = mean + scale * jax.random.normal(key, mean.shape)
    logits = dense(jax.nn.relu(dense(z, weights[2])), weights[3])
    reconstruction = jnp.sum(x * logits - jax.nn.softplus(logits), axis=-1)
    kl = jnp.sum(0.5 * (mean**2 + scale**2 - 1) - jnp.log(scale), axis=-1)
    return jnp.mean(kl - reconstruction)


def jax_by_hand(kind, x, valid, seed):
    """train, loss, about, as workers.Contestant wants them."""
    data, held_out = (jnp.asarray(images.reshape(len(images), -1)) for images in (x, valid))
    keys = jax.random.split(jax.random.key(seed), 4)
    sizes = ((784, 400), (400, 40), (20, 400), (400, 784))
    weights = [layer(key, *size) for key, size in zip(keys, sizes)]
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = {"now": (weights, zeros, zeros, jnp.zeros(())), "key": jax.random.key(seed + 1)}
    steps = len(x) // BATCH

    @jax.jit
    def epoch(start, data, key):
        shuffle, noise = jax.random.split(key)
        order = jax.random.permutation(shuffle, len(data))[: steps * BATCH].reshape(steps, BATCH)

        def step(now, batch):
            weights, first, second, count = now
            rows, key = batch
            gradients = jax.grad(negative_elbo)(weights, data[rows].astype(jnp.float32) / 255, key)
            count = count + 1
            first = jax.tree.map(lambda m, g: B1 * m + (1 - B1) * g, first, gradients)
            second = jax.tree.map(lambda v, g: B2 * v + (1 - B2) * g * g, second, gradients)
            rate = RATE * jnp.sqrt(1 - B2**count) / (1 - B1**count)
            weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + EPSILON), weights, first, second)
            return (weights, first, second, count), None

        return jax.lax.scan(step, start, (order, jax.random.split(noise, steps)))[0]

    def train():
        state["key"], key = jax.random.split(state["key"])
        state["now"] = jax.block_until_ready(epoch(state["now"], data, key))

    def loss():
        return negative_elbo(state["now"][0], held_out.astype(jnp.float32) / 255, jax.random.key(0))

    def about():
        size = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(weights))
        return {
            "device": jax.devices()[0].platform.upper(),
            "weights": size,
            "how": f"JAX {jax.__version__}, one program an epoch",
        }

    return train, loss, about
