"""What jit_compile="auto" chooses, beside what is faster: `fit` and `log_likelihood` with XLA and without.

    .venv/bin/python benchmarks/xla.py --markdown benchmarks/xla.md     five minutes on two idle cores

Synthetic data, `digits` aside: only time is measured. Processor seconds hardly depend on what else the machine does;
wall seconds do.
"""

import argparse
import datetime
import time
from pathlib import Path

from vae_course import datasets, evaluation, flows, likelihoods, models, networks, posteriors

import keras
import numpy as np
from report import machine

IMAGE, LENGTH, VOCABULARY = (28, 28, 1), 16, 40


def digits():
    return models.VAE(networks.mlp_encoder((8, 8, 1), 16), networks.mlp_decoder(8, (8, 8, 1)))


def mlp(posterior="gaussian", outputs=40):
    return models.VAE(
        networks.mlp_encoder(IMAGE, outputs, (400,)), networks.mlp_decoder(20, IMAGE, (400,)), posterior=posterior
    )


def dropped():
    pixels, encoder = keras.Input(IMAGE), networks.mlp_encoder(IMAGE, 40, (400,))
    encoder = keras.Model(pixels, encoder(keras.layers.Dropout(0.5)(pixels)))
    return models.VAE(encoder, networks.mlp_decoder(20, IMAGE, (400,)))


def signals():
    shape = (64, 3)
    encoder, decoder = networks.recurrent_encoder(shape, 16), networks.recurrent_decoder(8, shape)
    return models.VAE(encoder, decoder, likelihood="gaussian")


def tokens(kind):
    reader = networks.reader(LENGTH, VOCABULARY, 32, kind=kind)
    encoder = networks.recurrent_encoder((LENGTH,), 16, vocabulary=VOCABULARY)
    return models.VAE(encoder, networks.mlp_decoder(8, (32,), (64,)), likelihood=likelihoods.Tokens(reader))


def flow_posterior():
    return posteriors.FlowPosterior([flows.Autoregressive(20, hidden=(128,), direction="sampling") for _ in range(2)])


random = np.random.default_rng(0)
IMAGES = (random.random((6000, *IMAGE)) < 0.13).astype("uint8") * 255
SIGNALS = random.normal(size=(1500, 64, 3)).astype("float32")
SENTENCES = random.integers(1, VOCABULARY, size=(3000, LENGTH)).astype("int32")
DIGITS = datasets.load("digits").x_train
CASES = {
    f"dense, 64-256-8, `digits` ({len(DIGITS)} images)": (digits, DIGITS),
    "dense, 784-400-20": (mlp, IMAGES),
    "dense, full covariance": (lambda: mlp("full_gaussian", 20 + 210), IMAGES),
    "dense, inverse autoregressive flow": (lambda: mlp(flow_posterior()), IMAGES),
    "dense, dropout on the pixels": (dropped, IMAGES),
    "convolutional": (
        lambda: models.VAE(networks.conv_encoder(IMAGE, 40), networks.conv_decoder(20, IMAGE)),
        IMAGES[:256],
    ),
    "recurrent (GRU), signals of 64 steps": (signals, SIGNALS),
    "sentences of 16 tokens, GRU reader": (lambda: tokens("gru"), SENTENCES),
    "sentences of 16 tokens, attention reader": (lambda: tokens("attention"), SENTENCES),
    "restricted Boltzmann machine, 784-16": (lambda: models.RBM(IMAGE, 16), IMAGES),
    "restricted Boltzmann machine, 784-500": (lambda: models.RBM(IMAGE, 500), IMAGES),
}


def seconds(work, repeats=3):
    """(wall, processor) seconds of the first run, which compiles, and their medians over the next."""
    taken = []
    for _ in range(1 + repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return taken[0], np.median(taken[1:], axis=0)


def row(name):
    build, x = CASES[name]
    cells, times, first = [], {}, {}
    for jit_compile in (True, False, "auto"):
        keras.utils.set_random_seed(0)
        model = build()
        model.compile(keras.optimizers.Adam(1e-3), jit_compile=jit_compile)
        if jit_compile == "auto":
            chosen = bool(model.jit_compile)
            continue
        (_, first[jit_compile]), times[jit_compile] = seconds(
            lambda: model.fit(x, batch_size=128, verbose=0)  # noqa: B023 (called at once)
        )
        wall, cpu = times[jit_compile]
        cells.append(f"{wall:.2f} ({cpu:.2f})")
    faster = times[True][1] < times[False][1]
    verdict = "right" if chosen == faster else "WRONG"
    if abs(np.log(times[True][1] / times[False][1])) < np.log(1.1):
        verdict = "a tie"
    cells += [f"{'with' if chosen else 'without'}: {verdict}", f"{first[True]:.1f}", f"{first[False]:.1f}"]
    gained = times[False][1] - times[True][1]
    cells += [f"{max(1, (first[True] - first[False]) / gained):.0f}" if gained > 0 else "never", "-"]
    if hasattr(model, "log_weights"):
        _, (wall, cpu) = seconds(lambda: evaluation.log_likelihood(model, x[:300], k=100))
        cells[-1] = f"{wall:.2f} ({cpu:.2f})"
    return f"| {name} | {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    options = parser.parse_args()
    lines = [
        '# What jit_compile="auto" chooses',
        "",
        f"- {datetime.date.today()}\n- {machine()}",
        "- an epoch of `fit`, batch 128: wall seconds (processor seconds), medians of three",
        "- auto is right where an epoch takes fewer processor seconds; below 10 % is a tie",
        "- first: processor seconds of the first `fit`, of one epoch, which compiles; one run",
        "- pays after: epochs of this size until XLA has made up for its compiling; one that is trained for fewer is",
        "  done sooner with `jit_compile=False`",
        "- `log_likelihood`: 300 examples, k = 100, as it chooses itself",
        "",
        "| model | with XLA | without | auto takes | first, with | first, without | pays after | `log_likelihood` |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in CASES:
        lines.append(row(name))
        print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    if options.markdown:
        options.markdown.write_text(text)


if __name__ == "__main__":
    main()
