"""How fast a VAE trains: this library beside keras.io's pattern, PyTorch and pythae. Run by `make bench`.

Every contestant is a process of its own that waits until it is told to train one round; they take turns, so that a
busy minute of the machine hits all alike, and ratios are taken within a round. Each architecture is stored when it is
done, so that a run which was cut off goes on with the next one. benchmarks/README.md says what is run.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import machine, report, surroundings
from store import ROOT, Store
from workers import BATCH, EPOCHS

HELD_OUT = 2000
# In a round: one epoch of MNIST's training part, and parts of one.
STEPS = {"mlp": 390, "epochs": 390, "conv": 48, "hierarchical": 156, "flow": 156}
EXAMPLES = {kind: steps * BATCH for kind, steps in STEPS.items()}
QUICK = ("mlp", "flow")
# name -> (title, the architectures it is run on)
CONTESTANTS = {
    "vae_course": ("vae_course, `fit`", ("mlp", "epochs", "conv", "hierarchical", "flow")),
    "keras_io": ("keras.io's pattern, `fit`", ("mlp", "epochs", "conv")),
    "torch_example": ("PyTorch example, DataLoader", ("mlp", "conv")),
    "torch_resident": ("PyTorch, data resident", ("mlp", "epochs", "conv", "hierarchical", "flow")),
    "torch_compiled": ("PyTorch, resident, torch.compile", ("mlp", "epochs", "hierarchical", "flow")),
    "torch_channels_last": ("PyTorch, resident, channels_last", ("conv",)),
    "torch_channels_last_compiled": ("PyTorch, resident, channels_last, torch.compile", ("conv",)),
    "jax_by_hand": ("JAX, by hand: the limit", ("mlp", "epochs")),
    "pythae": ("pythae's trainer", ("mlp", "conv", "hierarchical", "flow")),
}


class Worker:
    """A contestant's process, seen from outside; `failure` says why there are no (more) answers."""

    def __init__(self, name, kind, folder, seed):
        self.name, self.title = name, CONTESTANTS[name][0]
        self.failure, self.rounds, self.cpu, self.losses, self.about = None, [], [], [], {}
        self.log = folder / f"{kind}_{name}.log"
        program = Path(__file__).with_name("workers.py")
        command = [str(part) for part in (sys.executable, program, name, kind, folder, seed)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stderr=log, **pipes)

    def ask(self, line=None):
        """The answer to a line (None: to being started), or None after a failure."""
        try:
            if line:
                print(line, file=self.process.stdin, flush=True)
            message = json.loads(self.process.stdout.readline() or "{}")
        except OSError:
            message = {}
        if not message or "error" in message:
            said = self.log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            self.failure = message.get("error") or f"the process ended: {said[-1][:200]}"
            return None
        return message

    def train(self):
        if answer := self.ask("train"):
            self.rounds.append(answer["seconds"])
            self.cpu.append(answer["cpu"])

    def judge(self):
        """Its loss on the held-out images, now: before the first round, or after the last."""
        if answer := self.ask("loss"):
            self.losses.append(answer["loss"])
            self.about = answer["about"]

    def result(self):
        return {key: getattr(self, key) for key in ("name", "title", "failure", "rounds", "cpu", "losses", "about")}

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def compete(kind, names, rounds, folder, seed):
    """Train every contestant in turn: one round to warm up, then `rounds` that count. What the report needs."""
    from tqdm import tqdm

    begun = {"date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}", "load": os.getloadavg()[0], "machine": machine()}
    workers = [Worker(name, kind, folder, seed) for name in names]
    try:
        for worker in tqdm(workers, f"{kind}: start", unit="process"):
            if worker.ask():
                worker.judge()
        turns = [workers[r % len(workers) :] + workers[: r % len(workers)] for r in range(rounds + 1)]
        with tqdm(total=len(workers) * (rounds + 1), desc=f"{kind}: train", unit="round") as bar:
            for worker in (worker for turn in turns for worker in turn):
                bar.set_postfix_str(worker.name)
                if not worker.failure:
                    time.sleep(0.2)  # until the threads of the one before have gone to sleep
                    worker.train()
                bar.update()
        for worker in workers:
            if not worker.failure:
                worker.judge()
    finally:
        for worker in workers:
            worker.close()
    return {**begun, "workers": [worker.result() for worker in workers]}


def arrays(data, folder, examples, kinds):
    """Write what the contestants train on, and are judged on, as bytes 0..255, into the folder."""
    import numpy as np

    if data == "synthetic":
        random = np.random.default_rng(0)
        train, valid = ((random.random((n, 28, 28, 1)) < 0.13).astype("uint8") * 255 for n in (50000, HELD_OUT))
    else:
        from vae_course import datasets

        mnist = datasets.load("mnist", dtype="uint8")
        train, valid = mnist.x_train, mnist.x_valid[:HELD_OUT]
    np.save(folder / "valid.npy", valid)
    for kind in kinds:
        np.save(folder / f"{kind}.npy", train[: examples[kind]])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=EXAMPLES, metavar="KIND", help=f"of {', '.join(EXAMPLES)}")
    parser.add_argument("--quick", action="store_true", help=f"{' and '.join(QUICK)} only, 3 rounds")
    parser.add_argument("--rounds", type=int, help="rounds that count, after one to warm up; default 5")
    parser.add_argument("--examples", type=int, help=f"in a round, whole batches of {BATCH}; default {EXAMPLES}")
    parser.add_argument("--data", choices=("mnist", "synthetic"), default="mnist", help="synthetic: to try it out")
    chosen = {"nargs": "+", "choices": CONTESTANTS, "default": list(CONTESTANTS), "metavar": "NAME"}
    parser.add_argument("--contestants", **chosen, help=", ".join(CONTESTANTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there too")
    parser.add_argument("--fresh", action="store_true", help="measure anew what is stored")
    folder = ROOT / ".build" / "benchmarks"
    parser.add_argument("--store", type=Path, default=folder, metavar="FOLDER", help="of finished architectures")
    options = parser.parse_args()
    options.rounds = options.rounds if options.rounds is not None else 3 if options.quick else 5
    wanted = options.only or (QUICK if options.quick else EXAMPLES)
    names = {kind: [name for name in options.contestants if kind in CONTESTANTS[name][1]] for kind in wanted}
    options.names = {kind: chosen for kind, chosen in names.items() if chosen}
    options.examples = {kind: (options.examples or EXAMPLES[kind]) // BATCH * BATCH for kind in options.names}
    if not options.names:
        parser.error("none of these contestants is run on that")
    if options.rounds < 1 or not all(BATCH <= count <= 50000 for count in options.examples.values()):
        parser.error(f"--rounds must be 1 or more and --examples from {BATCH} to 50000")
    return options


def main():
    options = arguments()
    # The same for all: oneDNN is what vae_course itself asks for, and keras.io's pattern is to gain by it too.
    setting = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    for key, value in {**setting, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}.items():
        os.environ.setdefault(key, value)
    here = Path(__file__).parent
    store = Store(
        "speed",
        *(here / name for name in ("speed.py", "workers.py", "workers_torch.py", "workers_jax.py")),
        folder=options.store,
    )
    keys, pieces = {}, {}
    for kind, names in options.names.items():
        run = f"{options.data} seed={options.seed} rounds={options.rounds} examples={options.examples[kind]}"
        keys[kind] = f"{kind} {run} {' '.join(names)}"
        stored = keys[kind] in store and not options.fresh
        if stored and store[keys[kind]]["machine"] == machine():  # not from before a GPU or other versions came
            pieces[kind] = {**store[keys[kind]], "taken": True}
            print(f"{kind}: taken from the run of {pieces[kind]['date']}", file=sys.stderr)
    sizes = ", ".join(f"{kind} {count}" for kind, count in options.examples.items())
    settings = f"{options.data}, batch {BATCH}, examples in a round: {sizes}, {options.rounds} rounds"
    parts = ["# Speed of training", surroundings(f"{settings}, seed {options.seed}")]
    with tempfile.TemporaryDirectory() as folder:
        missing = [kind for kind in options.names if kind not in pieces]
        try:
            if missing:
                arrays(options.data, Path(folder), options.examples, missing)
        except RuntimeError as error:
            sys.exit(f"{error}\nOr try the benchmark with --data synthetic; its figures are not to be quoted.")
        for kind in missing:
            piece = pieces[kind] = compete(kind, options.names[kind], options.rounds, Path(folder), options.seed)
            if not ours_failed(piece):
                store[keys[kind]] = piece
    parts += [report(kind, pieces[kind], options.examples[kind] * EPOCHS.get(kind, 1)) for kind in options.names]
    text = "\n\n".join(part.strip() for part in parts) + "\n"
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if any(ours_failed(piece) for piece in pieces.values()):
        sys.exit("vae_course itself failed, see above")


def ours_failed(piece):
    return any(worker["name"] == "vae_course" and worker["failure"] for worker in piece["workers"])


if __name__ == "__main__":
    main()
