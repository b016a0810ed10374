"""The tables of the speed benchmark: medians, spreads, and every comparison in words, won or lost."""

import datetime
import importlib.metadata
import math
import os
import platform
import statistics
from pathlib import Path

BASE = "torch_example"
GOALS = {("mlp", BASE): 6.0, ("conv", BASE): 2.5}  # against all others the goal is 1: not slower
TITLES = {
    "mlp": "MLP VAE, 784-400-20-400-784",
    "conv": "Convolutional VAE of keras.io, two latents",
}


def spread(values, digits=2):
    """median (lowest to highest)."""
    low, middle, high = (f"{f(values):,.{digits}f}" for f in (min, statistics.median, max))
    return f"{middle} ({low} to {high})"


def ratios(worker, other):
    """How many times as fast `worker` is as `other`, for each round."""
    return [b / a for a, b in zip(worker.rounds[1:], other.rounds[1:])]


def report(kind, workers, examples):
    """The table of one architecture and, in words, every comparison of this library: won and lost."""
    done = {worker.name: worker for worker in workers if not worker.failure}
    base, ours = done.get(BASE), done.get("vae_course")
    lines = [
        f"### {TITLES[kind]}",
        "",
        "| | examples/s | times the PyTorch example | vae_course is faster by | CPU s per 10 000 | first round, s "
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
    lines += ["", *(f"- {worker.title}: {worker.about}" for worker in done.values())]
    for other in done.values():
        if ours and other is not ours:
            found, goal = ratios(ours, other), GOALS.get((kind, other.name), 1.0)
            verdict = "reached" if statistics.median(found) >= goal else "NOT reached"
            lines.append(f"- vae_course against {other.title}: {spread(found)}; goal {goal:g}: {verdict}")
    if len(done) > 1:
        before, after = ([worker.losses[when] for worker in done.values()] for when in (0, -1))
        same = "the same objective" if max(before) - min(before) < 0.05 * min(before) else "NOT one objective"
        gaps = [f"{max(losses) - min(losses):.1f}" for losses in (before, after)]
        lines.append(
            f"- loss: nats per held-out image, by its own code. Before training they lie within {gaps[0]} nats of "
            f"each other ({same}), after it within {gaps[1]}."
        )
    return "\n".join(lines) + "\n"


def surroundings(settings):
    """Machine, versions and settings, a line each; settings: what else to say."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        entries = [line.split(":", 1) for line in open("/proc/cpuinfo") if ":" in line]
        model = {key.strip(): value.strip() for key, value in entries}.get("model name", model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else math.nan
    packages = ("tensorflow", "keras", "tensorflow-probability", "torch", "pythae", "numpy")
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    threads = os.environ.get("OMP_NUM_THREADS", "each tool's default")
    return (
        f"- {datetime.date.today()}, {model}, {cores} cores, {memory:.0f} GiB, {platform.system()}; "
        f"load before the start {os.getloadavg()[0]:.1f}\n"
        f"- Python {platform.python_version()}, {', '.join(versions)}\n"
        f"- {settings}, Adam 1e-3, float32, threads: {threads}\n"
    )
