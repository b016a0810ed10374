"""Compression by bits back: a VAE turns images of zeros and ones into a file of about -ELBO / log 2 bits each.

A code z makes x cheap, under p(x|z), but naming z costs bits. They come back: z is not drawn by chance but read off the
bits that are in the file already, and the receiver, who can compute q(z|x) once x is known, writes these bits again.

    sender     pop z with q(z|x), push x with p(x|z), push z with p(z)        net: log q - log p(x|z) - log p(z)
    receiver   pop z with p(z), pop x with p(x|z), push z with q(z|x)         the same steps backward

z lies in one of 2^latent_bits bins of equal prior mass, and is then the median of its bin.

Both sides must agree on each probability to the last bit, and floats do not: the order of a sum, and with it the last
bits, changes with the machine, its threads, the size of a batch. So floats are left at the door. Networks are computed
in whole numbers, in units of 2^-16: sums of int64 are exact in any order. From there to frequencies it takes whole
numbers, and Python's `decimal`, whose exp and ln are correctly rounded by its specification. What remains assumed: both
sides have the same weights (a checksum in the file says if not) and this version of the module. What is approximated is
the network and q, so that a file may be longer than it could be, by a few thousandths, but never wrong.

Sources: Townsend, Bird & Barber (2019), "Practical lossless compression with latent variables using bits back coding";
Duda (2013), "Asymmetric numeral systems"; Ballé, Johnston & Minnen (2019), "Integer networks for data compression with
latent-variable models". Built in chapter 17.
"""

import decimal
import functools
import hashlib
import itertools
import math
import struct
import zlib
from bisect import bisect_right
from collections.abc import Sequence

from vae_course import likelihoods, parts, posteriors, priors
from vae_course.models import VAE, checks

import numpy as np
import numpy.typing as npt
from keras import layers

PRECISION = 32  # frequencies add up to 2^32
UNIT = 16  # whole numbers in networks, codes and scales are in units of 2^-16
GRID = 8  # logits and raw scales are rounded to 2^-8, which costs at most 1e-6 nats each
HEADER = struct.Struct("<3sBII")  # 12 bytes: b"BB1", latent_bits, checksum of the model, number of images


def compress(vae: VAE, x: npt.ArrayLike, latent_bits: int = 12) -> bytes:
    """Images x [n, *shape] of zeros and ones, or bytes 0 and 255 -> a file, as bytes. Built in chapter 17.

    vae: a `models.VAE` with a "standard_normal" prior, a "gaussian" posterior, a "bernoulli" likelihood, and networks
        of Dense layers with relu or without activation: `networks.mlp_encoder`, `networks.mlp_decoder`.
    latent_bits: log2 of the number of bins of a latent, up to 14. With few the code is blurred, and the file longer.
    The file's length is all there is to pay, once the receiver has the model: 22 bytes of header and state, and the
    initial bits that the first images read their codes from, about latent_bits for each latent, once for the file.
    """
    x, coder, stack = checks.collected(x), BitsBack(vae, latent_bits), Stack()
    coder.push(stack, x)
    return HEADER.pack(b"BB1", latent_bits, coder.checksum, len(x)) + stack.to_bytes()


def decompress(vae: VAE, data: bytes) -> np.ndarray:
    """The images in a file of `compress`, in their order: bytes -> float32 [n, *shape] of zeros and ones.

    ValueError if the bytes are no such file, or damaged, or if the file was made with another model.
    """
    if not isinstance(data, bytes) or len(data) < HEADER.size or data[:3] != b"BB1":
        what = f"{len(data)} bytes, first {data[:3]}" if isinstance(data, bytes) else type(data).__name__
        raise ValueError(f"data must be the bytes of a file made by compression.compress. Received: {what}")
    _, latent_bits, checksum, n = HEADER.unpack_from(data)
    coder = BitsBack(vae, latent_bits)
    if checksum != coder.checksum:
        raise ValueError(
            "A file is decompressed by the model that compressed it, with the same weights: load these first. "
            f"Received: a file with the checksum {checksum:08x}, a model with {coder.checksum:08x}"
        )
    stack = Stack(data[HEADER.size :])
    x = coder.pop(stack, n)
    stack.check_end()
    return x


class BitsBack:
    """A VAE as tables of frequencies, for a `Stack`: arguments as for `compress`."""

    def __init__(self, vae: VAE, latent_bits: int = 12) -> None:
        _check_model(vae)
        if checks.whole_number(latent_bits, "latent_bits") > 14:
            raise ValueError(f"latent_bits must be at most 14, since units are no finer. Received: {latent_bits}")
        self.vae, self.latent_size = vae, vae.latent_size
        self.encoder = _WholeNetwork(vae.encoder, "encoder")
        self.decoder = _WholeNetwork(vae.decoder, "decoder")
        self.checksum = zlib.crc32(self.encoder.to_bytes() + self.decoder.to_bytes())
        self.edges, self.medians = _bins(latent_bits)
        self.prior = range(0, (1 << PRECISION) + 1, 1 << (PRECISION - latent_bits))

    def push(self, stack: "Stack", x: np.ndarray) -> None:
        """Write images, numpy [n, *shape] of zeros and ones."""
        self.vae.check(x)
        checks.binary(x)
        for pixels in (x.reshape(len(x), -1) > 0).astype(int).tolist():
            z = [stack.pop(table) for table in self.posterior(pixels)]
            for pixel, table in zip(pixels, self.likelihood(z)):
                stack.push(pixel, table)
            for place in z:
                stack.push(place, self.prior)

    def pop(self, stack: "Stack", n: int) -> np.ndarray:
        """Read n images, the last first, and give them as they were pushed: float32 [n, *shape]."""
        images = []
        for _ in range(n):
            z = [stack.pop(self.prior) for _ in range(self.latent_size)][::-1]
            pixels = [stack.pop(table) for table in self.likelihood(z)[::-1]][::-1]
            for place, table in zip(z[::-1], self.posterior(pixels)[::-1]):
                stack.push(place, table)
            images.append(pixels)
        return np.array(images[::-1], "float32").reshape(n, *self.vae.example_shape)

    def posterior(self, pixels: Sequence[int]) -> list["_NormalTable"]:
        """q(z_j|x) over the bins, for each latent: a list of tables."""
        output = self.encoder(np.array(pixels, "int64") << UNIT).tolist()
        means, raws = output[: self.latent_size], output[self.latent_size :]
        return [_NormalTable(mean, _scale(_to_grid(raw)), self.edges) for mean, raw in zip(means, raws)]

    def likelihood(self, z: Sequence[int]) -> list[tuple[int, int, int]]:
        """p(x_i|z) for each pixel, given the bins of z: a list of tables."""
        logits = self.decoder(np.array([self.medians[place] for place in z], "int64"))
        return [_pixel_table(_to_grid(logit)) for logit in logits.tolist()]


class Stack:
    """rANS: one whole number, which a push multiplies by about 2^precision / f, f the frequency of the symbol.

    A table is a sequence `cumulative` of whole numbers from 0 to 2^precision, with a precision of at most 32; symbol s
    has the frequency cumulative[s + 1] - cumulative[s], at least 1. What was pushed last is popped first; a push undoes
    a pop, and a pop a push. A new stack can be popped too: it supplies words that look like chance, and counts them.
    The number is `state`, from 2^48 to 2^80, and below it `words` of 32 bits. Built in chapter 17.
    Source: Duda (2013); with words as in Giesen (2014), "Interleaved entropy coders".
    """

    def __init__(self, data: bytes | None = None) -> None:
        self.words, self.supplied, self.receiving = [], 0, data is not None
        if not self.receiving:
            self.state = (1 << 48) + self._supply()
        elif len(data) < 10 or len(data) % 4 != 2:
            raise ValueError(f"The file is damaged: words have 4 bytes, the state has 10. Received: {len(data)} bytes")
        else:
            self.words = list(struct.unpack(f"<{len(data) // 4 - 2}I", data[:-10]))
            self.state = int.from_bytes(data[-10:], "little")

    def push(self, symbol: int, cumulative: "Sequence[int] | _NormalTable", precision: int = PRECISION) -> None:
        """Write a symbol, a place in the table, at a price of precision - log2(its frequency) bits."""
        start, frequency = _span(symbol, cumulative, precision)
        if self.state >= frequency << (80 - precision):
            self.words.append(self.state & 0xFFFFFFFF)
            self.state >>= 32
        self.state = (self.state // frequency << precision) + self.state % frequency + start

    def pop(self, cumulative: "Sequence[int] | _NormalTable", precision: int = PRECISION) -> int:
        """Read the symbol on top; where the bits are those of something else, a draw from the table."""
        low = self.state & ((1 << precision) - 1)
        symbol = bisect_right(cumulative, low) - 1
        start, frequency = _span(symbol, cumulative, precision)
        self.state = frequency * (self.state >> precision) + low - start
        if self.state < 1 << 48:
            self.state = self.state << 32 | (self.words.pop() if self.words else self._supply())
        return symbol

    @property
    def bits(self) -> float:
        """The size of all, with fractions; without `initial_bits` it is what the symbols cost."""
        return 32 * len(self.words) + math.log2(self.state) - 16

    @property
    def initial_bits(self) -> int:
        """The size of what was supplied: 32 bits at first, more if the stack is popped to its ground."""
        return 32 * self.supplied

    def to_bytes(self) -> bytes:
        """All of it, words and state: at most 6 bytes more than `bits`."""
        return struct.pack(f"<{len(self.words)}I", *self.words) + self.state.to_bytes(10, "little")

    def check_end(self) -> None:
        """ValueError unless only the words are left that the sender was supplied with: then all was received."""
        if [*self.words, self.state - (1 << 48)] != [_chance_word(i) for i in range(len(self.words) + 1, 0, -1)]:
            raise ValueError("The file is damaged: some of it is not what was sent. Received: other bits at the end")

    def _supply(self):
        if self.receiving:
            raise ValueError("The file is damaged, or was cut: it ends before its images do. Received: too few bytes")
        self.supplied += 1
        return _chance_word(self.supplied)


def _span(symbol, cumulative, precision):
    start = cumulative[symbol]
    frequency = cumulative[symbol + 1] - start
    if not 0 < frequency <= (1 << precision) - start or precision > PRECISION:
        raise ValueError(
            f"Frequencies must be at least 1, and 2^precision in all, with a precision of at most {PRECISION}. "
            f"Received: {frequency} after {start}, precision {precision}"
        )
    return start, frequency


def _chance_word(number):
    return int.from_bytes(hashlib.sha256(number.to_bytes(4, "little")).digest()[:4], "little")


class _WholeNetwork:
    """A dense network in whole numbers: int64 [size] -> [outputs], in units of 2^-16. The same on any machine."""

    def __init__(self, network, name):
        self.name, self.steps = name, []
        for layer in network.layers:
            activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
            if type(layer) in (layers.InputLayer, layers.Flatten, layers.Reshape, layers.Dropout):
                continue
            if type(layer) is not layers.Dense or activation not in ("relu", "linear") or not layer.use_bias:
                raise ValueError(
                    "Only Dense layers with a bias, and relu or no activation, are computed in whole numbers: use "
                    f"networks.mlp_encoder and networks.mlp_decoder. Received: {type(layer).__name__} in the {name}, "
                    f"activation {activation!r}"
                )
            w, b = (weight.astype("float64") for weight in layer.get_weights())
            if not max(np.abs(w).max(), np.abs(b).max()) < 2**15:  # a NaN is not
                raise ValueError(f"Weights must be numbers below 2^15 in size. Received: others in the {name}")
            w, b = (np.rint(part * 2.0**unit).astype("int64") for part, unit in ((w, UNIT), (b, 2 * UNIT)))
            most = (2**62 - int(np.abs(b).max())) // max(1, int(np.abs(w).sum(axis=0).max()))
            self.steps.append((w, b, activation, most))
        inputs = np.random.default_rng(0).integers(2, size=(4, *network.inputs[0].shape[1:]))
        floats = np.reshape(network(inputs.astype("float32"), training=False), [4, -1])
        whole = np.array([self(row.ravel() << UNIT) for row in inputs]) / 2**UNIT
        if not np.allclose(whole, floats, rtol=0.01, atol=0.05):
            raise ValueError(
                f"The {name} must be a chain of Dense layers, without branches, and with weights of ordinary size. "
                "Received: one that puts out something else in whole numbers than in floats"
            )

    def __call__(self, h):
        for w, b, activation, most in self.steps:
            if np.abs(h).max() > most:
                raise ValueError(f"The sums of a layer must stay below 2^62 units. Received: more in the {self.name}")
            h = (h @ w + b + (1 << (UNIT - 1))) >> UNIT  # rounded to the nearest unit
            h = np.maximum(h, 0) if activation == "relu" else h
        return h

    def to_bytes(self):
        return b"".join(part.astype("<i8").tobytes() for w, b, *_ in self.steps for part in (w, b))


def _check_model(vae):
    kinds = {"prior": priors.StandardNormal, "posterior": posteriors.Gaussian, "likelihood": likelihoods.Bernoulli}
    for name in (*kinds, "encoder_output", "decoder_output"):
        if getattr(type(vae), name, None) is not getattr(VAE, name):
            raise ValueError(
                "Only a models.VAE compresses, or a variant with the same prior(), posterior(x) and likelihood(z). "
                f"Received: {type(vae).__name__}"
            )
    for name, kind in kinds.items():
        if type(part := getattr(vae, f"{name}_part")) is not kind:
            raise ValueError(
                "Only a VAE with the parts 'standard_normal', 'gaussian' and 'bernoulli' compresses. "
                f"Received: the {name} {type(part).__name__}"
            )


# --- from units to frequencies, by whole numbers and correctly rounded decimals: here no machine differs ---


class _NormalTable:
    """2^32 times the mass of N(mean, scale^2) up to each edge, in whole numbers, computed where it is looked up.

    A frequency of 1 goes to each bin before the rest is shared out: none is 0. The outer bins reach to infinity.
    """

    def __init__(self, mean, scale, edges):
        self.mean, self.scale, self.edges = mean, scale, edges

    def __len__(self):
        return len(self.edges)

    def __getitem__(self, place):
        bins = len(self.edges) - 1
        if not 0 < place < bins:
            return 0 if place == 0 else 1 << PRECISION
        mass = _mass(((self.edges[place] - self.mean) << UNIT) // self.scale)
        return place + mass * ((1 << PRECISION) - bins) // TOTAL


def _exact(function):
    """With 40 digits, whatever decimals the caller has set; each value is computed once."""

    @functools.cache
    def exact(*arguments):
        with decimal.localcontext(decimal.Context(prec=40, rounding=decimal.ROUND_HALF_EVEN)):
            return function(*arguments)

    return exact


@_exact
def _scale(raw):
    """`parts.positive`, softplus(raw) + 0.001: from units of 2^-8 to units of 2^-16."""
    raw = decimal.Decimal(max(-50 << GRID, min(raw, 50 << GRID))) / (1 << GRID)
    return int(((1 + raw.exp()).ln() + decimal.Decimal(str(parts.MIN_SCALE))) * (1 << UNIT))


@_exact
def _pixel_table(logit):
    """p(x_i|z) as a table for 0 and 1, from a logit in units of 2^-8."""
    odds = (decimal.Decimal(max(-50 << GRID, min(logit, 50 << GRID))) / (1 << GRID)).exp()
    ones = int(odds / (1 + odds) * (1 << PRECISION))
    return 0, (1 << PRECISION) - max(1, min(ones, (1 << PRECISION) - 1)), 1 << PRECISION


@_exact
def _heights():
    half = [int((-((decimal.Decimal(2 * k + 1) / 128) ** 2) / 2).exp() * 2**56) for k in range(8 * 64)]
    return [*half[::-1], *half, 0]


HEIGHTS = _heights()  # the standard normal's density, as constant on 64 cells a unit, from -8 to 8
BELOW = [0, *itertools.accumulate(HEIGHTS)]  # the mass of all cells before
CELL, END = UNIT - 6, 8 << UNIT  # a cell's width is 2^CELL units
TOTAL = BELOW[-1] << CELL


def _mass(t):
    """The standard normal's mass up to t, in units of 2^-16: a whole number, from 0 to TOTAL, that never falls."""
    t = max(0, min(t + END, 2 * END))
    return (BELOW[t >> CELL] << CELL) + HEIGHTS[t >> CELL] * (t & ((1 << CELL) - 1))


def _quantile(mass):
    """The inverse of `_mass`, in units of 2^-16, rounded down."""
    cell = bisect_right(BELOW, mass >> CELL) - 1
    return (cell << CELL) + (mass - (BELOW[cell] << CELL)) // HEIGHTS[cell] - END


@functools.cache
def _bins(latent_bits):
    """Edges and medians of 2^latent_bits bins of equal prior mass, in units of 2^-16."""
    points = [_quantile(TOTAL * number >> (latent_bits + 1)) for number in range(2 << latent_bits)] + [END]
    return points[::2], points[1::2]


def _to_grid(value):
    """From units of 2^-16 to units of 2^-8, the nearest."""
    return (value + (1 << (UNIT - GRID - 1))) >> (UNIT - GRID)
