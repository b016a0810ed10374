"""The tables of the speed benchmark: medians, spreads, and every comparison in words, won or lost."""

import datetime
import importlib.metadata
import math
import os
import platform
import statistics
import subprocess
from pathlib import Path
from types import SimpleNamespace

# What the others are compared with: the example, or pythae where there is none. name -> its name in a column's head
BASES = {"mlp": "torch_example", "epochs": "jax_by_hand", "conv": "torch_example"}
BASES |= {"hierarchical": "pythae", "flow": "pythae"}
HEADS = {"torch_example": "the PyTorch example", "pythae": "pythae", "jax_by_hand": "JAX by hand"}
# Against all others the goal is 1: not slower. JAX by hand is the limit; the goal is to come within 10 and 5 per cent.
GOALS = {("mlp", "torch_example"): 6.0, ("conv", "torch_example"): 2.5}
GOALS |= {("mlp", "jax_by_hand"): 0.91, ("epochs", "jax_by_hand"): 0.95}
TITLES = {
    "epochs": "The same MLP VAE, five epochs in one `fit`",
    "mlp": "MLP VAE, 784-400-20-400-784",
    "conv": "Convolutional VAE of keras.io, two latents",
    "hierarchical": "Hierarchical VAE, top-down, 784-400-64, groups of 8, 8 and 8 latents, 64-400-784",
    "flow": "VAE with two inverse autoregressive steps, 784-400-20-400-784, masked networks of 3 x 128",
}


def spread(values, digits=2):
    """median (lowest to highest)."""
    low, middle, high = (f"{f(values):,.{digits}f}" for f in (min, statistics.median, max))
    return f"{middle} ({low} to {high})"


def ratios(worker, other):
    """How many times as fast `worker` is as `other`, for each round."""
    return [b / a for a, b in zip(worker.rounds[1:], other.rounds[1:])]


def report(kind, piece, examples):
    """The table of one architecture and, in words, every comparison of this library: won and lost."""
    workers = [SimpleNamespace(**worker) for worker in piece["workers"]]
    done = {worker.name: worker for worker in workers if not worker.failure}
    base, ours = done.get(BASES[kind]), done.get("vae_course")
    origin = "taken from the run of" if piece.get("taken") else "measured on"
    lines = [
        f"### {TITLES[kind]}",
        "",
        f"{origin} {piece['date']}; load before the start {piece['load']:.1f}".capitalize(),
        "",
        f"| | examples/s | times {HEADS[BASES[kind]]} | vae_course is faster by | CPU s per 10 000 | first round, s "
        "| loss before, after |",
        "|---|---|---|---|---|---|---|",
    ]
    for worker in workers:
        if worker.failure:
            lines.append(f"| {worker.title} | failed: {worker.failure.replace('|', '/')} | | | | | |")
            continue
        speed = spread([examples / seconds for seconds in worker.rounds[1:]], 0)
        cells = [spread(ratios(a, b)) if a and b else "-" for a, b in ((worker, base), (ours, worker))]
        cpu = statistics.median(worker.cpu[1:]) / examples * 1e4
        cells += [f"{cpu:.2f}", f"{worker.rounds[0]:.1f}", ", ".join(f"{loss:.1f}" for loss in worker.losses)]
        lines.append(f"| {worker.title} | {speed} | {' | '.join(cells)} |")
    lines.append("")
    for worker in done.values():
        lines.append(f"- {worker.title}: {worker.about['device']}, {worker.about['how']}")
    for other in done.values():
        if ours and other is not ours:
            found, goal = ratios(ours, other), GOALS.get((kind, other.name), 1.0)
            verdict = "reached" if statistics.median(found) >= goal else "NOT reached"
            lines.append(f"- vae_course against {other.title}: {spread(found)}; goal {goal:g}: {verdict}")
    weights = {worker.title: worker.about["weights"] for worker in done.values()}
    if len(set(weights.values())) == 1:
        lines.append(f"- trainable weights: {next(iter(weights.values())):,}{', equal for all' * (len(weights) > 1)}")
    elif weights:
        lines.append(f"- trainable weights: NOT equal: {', '.join(f'{t} {n:,}' for t, n in weights.items())}")
    if len({worker.about["device"] == "CPU" for worker in done.values()}) > 1:
        lines.append("- NOT one device: some ran on a GPU and some on the CPU, so their ratios mean nothing")
    if len(done) > 1:
        before, after = ([worker.losses[when] for worker in done.values()] for when in (0, -1))
        same = "the same objective" if max(before) - min(before) < 0.05 * min(before) else "NOT one objective"
        gaps = [f"{max(losses) - min(losses):.1f}" for losses in (before, after)]
        lines.append(
            f"- loss: nats per held-out image, by its own code. Before training they lie within {gaps[0]} nats of "
            f"each other ({same}), after it within {gaps[1]}."
        )
    return "\n".join(lines) + "\n"


def accelerator():
    """The GPUs that NVIDIA's driver names; what each contestant ran on is told under its table."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        names = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    note = "" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible})"
    found = [f"GPU {name}".replace(", ", ", driver ") for name in names]
    return ("; ".join(found) or "no NVIDIA GPU") + note


def machine():
    """Machine, versions and threads: results of two runs are compared only where these are the same."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        entries = [line.split(":", 1) for line in open("/proc/cpuinfo") if ":" in line]
        model = {key.strip(): value.strip() for key, value in entries}.get("model name", model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else math.nan
    packages = ("tensorflow", "keras", "tensorflow-probability", "torch", "pythae", "jax", "numpy")
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    threads = os.environ.get("OMP_NUM_THREADS", "each tool's default")
    return (
        f"{model}, {cores} core{'s' * (cores != 1)}, {memory:.0f} GiB, {platform.system()}; {accelerator()}\n"
        f"- Python {platform.python_version()}, {', '.join(versions)}; threads: {threads}"
    )


def surroundings(settings):
    """Date, machine, versions and settings, a line each; settings: what else to say."""
    load = f"load before the start {os.getloadavg()[0]:.1f}"
    return f"- {datetime.date.today()}, {load}\n- {machine()}\n- {settings}, Adam 1e-3, float32\n"
