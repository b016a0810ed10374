"""Full-size tables in which something is wrong: in networks, in engines, and those of ADBench.

Training parts hold normal rows only; valid and test hold both kinds. All are standardized by the training part.
"""

from typing import Any

from vae_course.datasets import originals
from vae_course.datasets.embedded import SEED, SPLITS, standardize

import numpy as np

# NSL-KDD (Tavallaee et al., 2009): the columns; the attacks by class, where sources differ on httptunnel and worm.
CONNECTION = """duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot num_failed_logins
logged_in num_compromised root_shell su_attempted num_root num_file_creations num_shells num_access_files
num_outbound_cmds is_host_login is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate srv_rerror_rate
same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count dst_host_same_srv_rate
dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate dst_host_serror_rate
dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate""".split()
CATEGORIES = ("protocol_type", "service", "flag")
ATTACKS = {
    "normal": "normal",
    "dos": "apache2 back land mailbomb neptune pod processtable smurf teardrop udpstorm",
    "probe": "ipsweep mscan nmap portsweep saint satan",
    "r2l": "ftp_write guess_passwd httptunnel imap multihop named phf sendmail snmpgetattack snmpguess spy warezclient "
    "warezmaster worm xlock xsnoop",
    "u2r": "buffer_overflow loadmodule perl ps rootkit sqlattack xterm",
}
SENSORS = (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)  # of C-MAPSS's 21, from 1: the others stay constant


def nsl_kdd() -> dict[str, Any]:
    """Network connections: 37 numbers, standardized, then 80 columns 0/1 for protocol, service and flag.

    Numbers other than rates enter as log(1 + number). The column "num_outbound_cmds" is always 0, and left out. valid:
    3000 normal rows and all attacks of the file that training takes its rows from; test: KDDTest+, with new attacks.
    """
    content = originals.read("nsl_kdd")
    x, y = _numbers(content["train"]), _attacks(content["train"])
    flags = _flags(content["train"], content["train"])
    order = np.random.default_rng(SEED).permutation(len(x))
    normal, attacks = order[y[order] == 0], order[y[order] > 0]
    held_out = np.random.default_rng(SEED + 1).permutation(np.concatenate([normal[:3000], attacks]))
    rows = {"train": normal[3000:], "valid": held_out}
    parts = {f"x_{split}": x[chosen] for split, chosen in rows.items()}
    test = np.random.default_rng(SEED).permutation(len(content["test"]))
    parts["x_test"] = _numbers(content["test"])[test]
    standardize(parts, axis=0)
    flags = {split: flags[chosen] for split, chosen in rows.items()}
    flags["test"] = _flags(content["test"], content["train"])[test]
    parts = {f"x_{split}": np.concatenate([parts[f"x_{split}"], flags[split]], axis=1) for split in SPLITS}
    labels = {"train": y[rows["train"]], "valid": y[rows["valid"]], "test": _attacks(content["test"])[test]}
    return parts | {f"y_{split}": labels[split] for split in SPLITS} | {"label_names": tuple(ATTACKS)}


def _numbers(rows):
    names = [name for name in CONNECTION if name not in (*CATEGORIES, "num_outbound_cmds")]
    x = rows[:, [CONNECTION.index(name) for name in names]].astype(float)
    counts = [not name.endswith("_rate") for name in names]
    x[:, counts] = np.log1p(x[:, counts])
    return x


def _flags(rows, known):
    """A column for each value that a category has in `known`; another value has only zeros."""
    columns = [CONNECTION.index(name) for name in CATEGORIES]
    return np.concatenate([rows[:, [column]] == np.unique(known[:, column]) for column in columns], axis=1)


def _attacks(rows):
    classes = {name: label for label, names in enumerate(ATTACKS.values()) for name in names.split()}
    return np.array([classes[name] for name in rows[:, 41]], np.int64)


def cmapss() -> dict[str, Any]:
    """Jet engines that run until they fail (FD001): a row for each flight, 14 sensors, standardized.

    normal: the first 100 flights; worn: the last 30; those between are left out. 60 engines are for training, 20 for
    valid, 20 for test. Factors: the engine's number, the flight's number, and how many are left.
    """
    content = originals.read("cmapss")["x"]
    engine, cycle = content[:, 0], content[:, 1]
    left = np.array([cycle[engine == number].max() for number in range(1, 101)])[engine.astype(int) - 1] - cycle
    worn, normal = left < 30, (cycle <= 100) & (left >= 30)
    factors = np.stack([engine, cycle, left], axis=1).astype(np.float32)
    order = np.random.default_rng(SEED).permutation(100) + 1
    parts = {}
    for split, engines in zip(SPLITS, (order[40:], order[:20], order[20:40])):
        chosen = np.isin(engine, engines) & (normal if split == "train" else normal | worn)
        rows = np.random.default_rng(SEED + 1).permutation(np.flatnonzero(chosen))
        parts |= {f"x_{split}": content[rows][:, [4 + sensor for sensor in SENSORS]], f"factors_{split}": factors[rows]}
        parts[f"y_{split}"] = worn[rows].astype(np.int64)
    standardize(parts, axis=0)
    values = {"engine": (1.0, 100.0), "cycle": (1.0, cycle.max().item()), "left": (0.0, left.max().item())}
    return parts | {"factor_names": tuple(values), "factor_values": values, "label_names": ("normal", "worn")}


def adbench(name: str) -> dict[str, Any]:
    """A table of ADBench (Han et al., 2022): half of the normal rows for training; valid and test share the others.

    So do they share the anomalies. Some tables hold equal rows; these may lie in two parts, as in the benchmark.
    """
    content = originals.read(name)
    x, y = content["x"], content["y"]
    order = np.random.default_rng(SEED).permutation(len(x))
    normal, anomalies = order[y[order] == 0], order[y[order] == 1]
    quarter, half = len(normal) // 4, len(anomalies) // 2
    rows = {
        "train": normal[2 * quarter :],
        "valid": np.concatenate([normal[:quarter], anomalies[:half]]),
        "test": np.concatenate([normal[quarter : 2 * quarter], anomalies[half:]]),
    }
    parts = {}
    for split, chosen in rows.items():
        chosen = np.random.default_rng(SEED + 1).permutation(chosen)
        parts |= {f"x_{split}": x[chosen], f"y_{split}": y[chosen]}
    standardize(parts, axis=0)
    return parts | {"label_names": ("normal", "anomaly")}
