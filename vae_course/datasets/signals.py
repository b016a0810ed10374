"""Windows of a machine's sensors with labeled faults: [n, 64, 3], in physical units."""

import difflib

import numpy as np
import numpy.typing as npt

LENGTH = 64  # samples in a window, one every millisecond
CHANNELS = ("vibration", "temperature", "current")  # in m/s^2, degrees Celsius, ampere
FAULTS = ("normal", "spike", "drift", "stuck", "bearing")
FACTORS = {
    "speed": (15.0, 40.0),  # turns a second
    "load": (0.2, 1.0),  # share of the greatest load
    "severity": (0.4, 1.0),  # how bad the fault is; 0 where there is none
}


def windows(labels: npt.ArrayLike, seed: int, **ranges: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A window for each label (an index of FAULTS): signals [n, 64, 3], and factors [n, 3] as in FACTORS.

    ranges: another (lowest, highest) for a factor, such as load=(1.2, 1.5): a machine that carries more than it ever
    did in training. In physical units; `datasets.draw` standardizes them as `datasets.load` does.
    """
    random = np.random.default_rng(seed)
    labels = np.asarray(labels)
    limits = FACTORS | {name: _limits(name, pair) for name, pair in ranges.items()}
    speed, load, severity = (random.uniform(*pair, len(labels)) for pair in limits.values())
    severity *= labels > 0
    signals = _healthy(speed, load, random)
    for label, spoil in ((1, _spike), (2, _drift), (3, _stuck), (4, _bearing)):
        rows = labels == label
        signals[rows] = spoil(signals[rows], speed[rows], severity[rows], random)
    return signals, np.stack([speed, load, severity], axis=1)


def _limits(name, pair):
    if name not in FACTORS:
        close = difflib.get_close_matches(name, FACTORS, n=1, cutoff=0.4)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"A window has no factor of that name.{hint} Choose from {', '.join(FACTORS)}. Received: {name!r}"
        )
    try:
        lowest, highest = map(float, pair)
    except (TypeError, ValueError):
        lowest, highest = np.nan, np.nan
    if not 0 <= lowest <= highest < np.inf:
        raise ValueError(f"{name} must be a pair (lowest, highest) of numbers from 0. Received: {pair!r}")
    return lowest, highest


def _healthy(speed, load, random):
    """Vibration follows speed, current load, temperature both: what is normal is how they go together."""
    n, time = len(speed), np.arange(LENGTH) / 1000
    angle = 2 * np.pi * speed[:, None] * time + random.uniform(0, 2 * np.pi, (n, 1))
    strength = (0.4 + 0.6 * (speed / 40) ** 2)[:, None]
    vibration = strength * (np.sin(angle) + 0.35 * np.sin(2 * angle + 0.8)) + random.normal(0, 0.10, (n, LENGTH))
    level = (35 + 25 * load + 0.3 * (speed - 27))[:, None] + random.normal(0, 0.8, (n, 1))
    warming = (3 * (load - 0.6)[:, None] + random.normal(0, 0.5, (n, 1))) * np.linspace(-0.5, 0.5, LENGTH)
    temperature = level + warming + random.normal(0, 0.25, (n, LENGTH))
    current = (2 + 6 * load)[:, None] * (1 + 0.08 * np.sin(angle + 0.5)) + random.normal(0, 0.12, (n, LENGTH))
    return np.stack([vibration, temperature, current], axis=-1)


def _spike(signals, speed, severity, random):
    """A shock or a loose plug: two neighboring samples of one channel jump."""
    size = np.array([3.0, 18.0, 5.0])  # at severity 1, in each channel's unit
    for signal, how_bad in zip(signals, severity):
        channel, when, sign = random.integers(3), random.integers(2, LENGTH - 4), random.choice([-1, 1])
        signal[when : when + 2, channel] += sign * how_bad * size[channel] * np.array([1.0, 0.7])
    return signals


def _drift(signals, speed, severity, random):
    """Overheating: the temperature climbs from a random moment on."""
    start = random.integers(0, LENGTH // 3, (len(signals), 1))
    climb = np.maximum(np.arange(LENGTH) - start, 0) / LENGTH
    signals[..., 1] += 20 * severity[:, None] * climb
    return signals


def _stuck(signals, speed, severity, random):
    """A dead sensor: one channel repeats its last value; the worse, the earlier it stops."""
    for signal, how_bad in zip(signals, severity):
        channel, start = random.choice([0, 2]), round(LENGTH * (1 - 0.8 * how_bad))
        signal[start:, channel] = signal[start, channel]
    return signals


def _bearing(signals, speed, severity, random):
    """A damaged bearing: at every pass of a ball, 3.6 a turn, a short ringing at 330 Hz."""
    time = np.arange(LENGTH) / 1000
    period = 1 / (3.6 * speed[:, None])
    since = np.mod(time + random.uniform(0, 1, (len(signals), 1)) * period, period)
    signals[..., 0] += 2.2 * severity[:, None] * np.exp(-since / 0.004) * np.sin(2 * np.pi * 330 * since)
    return signals
