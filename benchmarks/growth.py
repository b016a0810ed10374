"""How the cost of training grows: seconds and memory against the sizes of a model, beside what theory expects.

Every point is a process of its own, for its peak of memory is the process's. The images are random numbers: the cost
does not depend on what is on them. benchmarks/README.md says what is run and how to read it. Linux and macOS.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from growth_theory import BASE, FILTERS, FLOW_UNITS, GROUP, HIDDEN, STATE, UNITS, curves, sizes, slopes
from report import spread, surroundings
from store import ROOT, Store

# Nothing heavy is imported up here: Linux counts a parent's memory into the peak of the process that it starts.
TIMED = 3  # epochs, after one to warm up
FAR = 1.5  # from here on measured and expected growth disagree
LINE = "slope 0 while encoder and decoder rule, then 1, for each {} adds the same"
WEIGHTS = "slope 0, then {} once the weights rule, held four times (weights, gradients, Adam's two moments)"
# axis: (title, label, {value: examples in an epoch}, expected of seconds, expected of memory). An epoch is made of
# whole batches and takes about a second on two cores.
AXES = {
    "latent": ("Latent size", "latents", {2: 32768, 8: 32768, 32: 32768, 128: 24576, 512: 16384, 2048: 8192})
    + ("slope 0 while pixels x hidden rules, 1 once latents x hidden does (from 523 latents on)", WEIGHTS.format(1)),
    "side": ("Image side, dense", "side, pixels", {16: 65536, 32: 24576, 64: 8192, 128: 4096})
    + ("slope 2, for the outer layers' multiply-adds go with the number of pixels", WEIGHTS.format(2)),
    "conv": ("Image side, convolutions", "side, pixels", {16: 8192, 32: 3072, 64: 1024, 128: 512})
    + ("slope 2, for filters visit every pixel", "slope 0, then 2 once feature maps and weights rule"),
    "batch": ("Batch size", "examples in a batch", {8: 8192, 32: 16384, 128: 32768, 512: 32768, 2048: 65536})
    + ("slope -1 through the first point, where each step's fixed cost rules (Adam goes over all weights), until it "
       "meets slope 0 through the last, where multiply-adds rule", "slope 0, then 1 once the layers' outputs rule"),
    "flow": ("Flow steps", "steps", {1: 24576, 2: 24576, 4: 24576, 8: 16384, 16: 16384})
    + (LINE.format("step"), WEIGHTS.format(1)),
    "groups": ("Groups of latents", "groups", {1: 24576, 2: 24576, 4: 16384, 8: 16384})
    + (LINE.format("group"), WEIGHTS.format(1)),
}  # fmt: skip
PROGRAM = "The program itself grows: its graph and compiling it take more than the weights, with XLA or without."
SMALL = "Not counted: what is no matrix product, and that small matrices use a processor less well than large ones."
# Why more is measured than expected, where that is known.
WHY = {(axis, name): why for axis in ("flow", "groups") for name, why in (("seconds", SMALL), ("memory", PROGRAM))}


# ---- one point, in a process of its own ----
def build(axis, value):
    """The model of a point, as its user would write it."""
    from vae_course import flows, models, networks, posteriors

    size, mlp = sizes(axis, value), {"hidden": (HIDDEN,)}
    latent, shape = size["latent"], (size["side"], size["side"], 1)
    if axis == "conv":
        encoder = networks.conv_encoder(shape, 2 * latent, filters=FILTERS, units=UNITS)
        return models.VAE(encoder, networks.conv_decoder(latent, shape, filters=FILTERS[::-1], units=UNITS))
    if axis == "groups":
        ends = networks.mlp_encoder(shape, STATE, **mlp), networks.mlp_decoder(STATE, shape, **mlp)
        return models.HierarchicalVAE(*ends, latent_sizes=(GROUP,) * value, hidden=STATE, free_bits=0.1)
    step, posterior = {"hidden": (FLOW_UNITS,), "direction": "sampling"}, "gaussian"
    if axis == "flow":
        steps = [flows.Autoregressive(latent, flip=number % 2 == 1, **step) for number in range(value)]
        posterior = posteriors.FlowPosterior(steps)
    ends = networks.mlp_encoder(shape, 2 * latent, **mlp), networks.mlp_decoder(latent, shape, **mlp)
    return models.VAE(*ends, posterior=posterior)


def peak():
    """The most memory that this process has held so far, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def point(axis, value, examples, seed):
    """seconds: of each timed epoch, for 10 000 examples; first: of the epoch that traces and compiles too; MB."""
    from vae_course import flows, models, networks  # noqa: F401, their memory belongs to the start

    import keras
    import numpy as np
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    size, ends = sizes(axis, value), []
    shape = (examples, size["side"], size["side"], 1)
    x = np.random.default_rng(seed).integers(0, 256, shape, "uint8")  # no second copy that would hide later ones
    start = peak()
    vae = build(axis, value)
    vae.compile()
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    begin = time.perf_counter()
    vae.fit(x, batch_size=size["batch"], epochs=1 + TIMED, verbose=0, callbacks=[clock])
    about = f"{'GPU' if tf.config.list_physical_devices('GPU') else 'CPU'}, XLA: {vae.jit_compile}"
    seconds = [(b - a) * 1e4 / examples for a, b in zip(ends, ends[1:])]
    result = {"examples": examples, "seconds": seconds, "first": ends[0] - begin, "about": about}
    return {**result, "peak": peak(), "above": peak() - start}


def measure(*task):
    """`point` in a new process, or {"error": why not}."""
    done = subprocess.run([sys.executable, __file__, "--point", *map(str, task)], capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    said = done.stderr.strip().splitlines() or ["it said nothing"]
    return {"error": f"the process ended with {done.returncode}: {said[-1][:200].replace('|', '/')}"}


# ---- what is told ----
def table(axis, results):
    """The table of an axis from {value: result}, and in words how far theory holds."""
    title, label, _, *expected = AXES[axis]
    head = f"| {label} | examples in an epoch | seconds for 10 000 (low to high) | first epoch, s | peak, MB "
    head += "| above the start, MB | growth of seconds: expected, measured | growth of memory: expected, measured |"
    lines = [f"## {title}", "", head, "|" + "---|" * 8]
    found = curves(axis, results)
    for value, result in results.items():
        if "error" in result:
            lines.append(f"| {value} | failed: {result['error']} | | | | | | |")
            continue
        cells = [f"{result['examples']:,}", spread(result["seconds"], 3), f"{result['first']:.1f}"]
        cells += [f"{result[part]:,.0f}" for part in ("peak", "above")]
        for values, *pair in found.values():
            i = values.index(value)
            cells.append(", ".join(f"{curve[i] / curve[i - 1]:.2f}" for curve in pair) if i else "")
        lines.append(f"| {value} | {' | '.join(cells)} |")
    lines += ["", *sorted({f"- Ran on: {result['about']}" for result in results.values() if "about" in result})]
    for (name, (values, *pair)), why in zip(found.items(), expected):
        theory, real = (curve[-1] / curve[-2] for curve in pair)
        ends = ", measured ".join("{:.2f} and {:.2f}".format(*slopes(values, curve)) for curve in pair)
        apart = max(theory / real, real / theory)
        verdict = f"they agree within {FAR} times."
        if apart > FAR:
            known = WHY.get((axis, name)) if real > theory else None
            verdict = f"they DISAGREE, {apart:.1f} times. {known or 'Why is not known.'}"
        lines.append(f"- {name.capitalize()}, expected: {why}. Slopes at both ends: expected {ends}.")
        grows = f"{theory:.2f} times expected, {real:.2f} times measured"
        lines.append(f"- {name.capitalize()} from {values[-2]} to {values[-1]}: {grows}; {verdict}")
    return "\n".join(lines)


def figure(results, file):
    """Seconds above, memory below, a column for each axis: measured points beside the expected curve."""
    from vae_course import plots

    import matplotlib.pyplot as plt

    plots.use_style()
    fig, axes = plt.subplots(2, len(results), figsize=(max(5, 2.4 * len(results)), 6.4), squeeze=False)
    for column, (axis, points) in zip(axes.T, results.items()):
        for ax, (name, (values, theory, real)) in zip(column, curves(axis, points).items()):
            ax.loglog(values, theory, "--", color=plots.COLORS[3], label="expected by theory")
            ax.loglog(values, real, "o-", color=plots.COLORS[0], label="measured (bars: lowest to highest)")
            if name == "seconds":
                spans = [(min(points[value][name]), max(points[value][name])) for value in values]
                ax.vlines(values, *zip(*spans), color=plots.COLORS[0], linewidth=3)
            # Plus 0.0: no minus before a zero.
            ends = [
                ", ".join(f"{round(end, 1) + 0.0:.1f}" for end in slopes(values, curve)) for curve in (theory, real)
            ]
            ax.set_title("slopes at the ends\nexpected {}\nmeasured {}".format(*ends), fontsize=9)
            low, high = min(*theory, *real), max(*theory, *real)
            low, high = low / 1.5, max(high * 1.5, 10 * low)  # no panel magnifies small changes
            ticks = [digit * 10.0**power for power in range(-4, 6) for digit in (1, 3)]
            ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.set_xticks(values, list(map(str, values)), fontsize=9)
            ax.minorticks_off()
            ax.set_ylim(low, high)
        column[0].set_title(f"{AXES[axis][0]}\n\n{column[0].get_title()}", fontsize=9)
        column[1].set_xlabel(AXES[axis][1])
    axes[0, 0].set_ylabel("seconds for 10 000 examples")
    axes[1, 0].set_ylabel("peak memory above the start, MB")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    fig.savefig(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=AXES, help="one axis instead of all")
    parser.add_argument("--quick", action="store_true", help="two points of an axis, four steps: to try it out")
    parser.add_argument("--fresh", action="store_true", help="measure anew what an earlier run has measured")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, default=ROOT / ".build" / "benchmarks", metavar="FOLDER")
    for part, kind in (("markdown", "md"), ("figure", "png")):  # a part of the benchmark does not replace the whole
        beside = f"default: growth.{kind} beside this script, but not with --only or --quick"
        parser.add_argument(f"--{part}", type=Path, metavar="FILE", help=beside)
    parser.add_argument("--point", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        return print(json.dumps(point(options.point[0], *map(int, options.point[1:]))))
    from tqdm import tqdm

    whole, beside = not (options.only or options.quick), Path(__file__).resolve()
    markdown = options.markdown or (beside.with_suffix(".md") if whole else None)
    drawn = options.figure or (beside.with_suffix(".png") if whole else None)
    known, tasks, old = Store("growth", __file__, folder=options.store), [], 0
    for axis in [options.only] if options.only else AXES:
        for value, examples in list(AXES[axis][2].items())[: 2 if options.quick else None]:
            tasks.append((axis, value, 4 * BASE["batch"] if options.quick else examples, options.seed))
    parts = ["# Growth of the cost of training", surroundings(f"{TIMED} timed epochs, seed {options.seed}").strip()]
    results = {axis: {} for axis, *_ in tasks}
    with tqdm(tasks, unit="point") as bar:
        for axis, value, examples, seed in bar:
            bar.set_description(f"{axis} {value}")
            key = f"{axis}={value} examples={examples} seed={seed}"
            if options.fresh or key not in known:
                result = measure(axis, value, examples, seed)
                if "error" not in result:
                    known[key] = result
            else:
                result, old = known[key], old + 1
            results[axis][value] = result
    parts[1] += f"\n- {old} of {len(tasks)} points are an earlier run's"
    if options.quick:
        parts.insert(1, "**Tried out with --quick: these figures are not to be quoted.**")
    if drawn:
        figure(results, drawn)
        link = Path(os.path.relpath(drawn, markdown.parent if markdown else None)).as_posix()
        parts.append(f"![Seconds and memory against each size, measured and expected, logarithmic axes.]({link})")
    text = "\n\n".join(parts + [table(axis, points) for axis, points in results.items()]) + "\n"
    print(text)
    if markdown:
        markdown.write_text(text)
    if any("error" in result for points in results.values() for result in points.values()):
        sys.exit("A point failed: the tables say why")


if __name__ == "__main__":
    main()
