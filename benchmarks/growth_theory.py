"""What the cost should be, counted from the sizes of a model alone; growth.py measures what it is."""

import math
import statistics
from typing import NamedTuple

BASE = {
    "latent": 20,
    "side": 28,
    "batch": 128,
    "flow": 0,
    "length": 16,
    "vocabulary": 64,
}  # unless a kind says otherwise
HIDDEN, FILTERS, UNITS, FLOW_UNITS, GROUP, STATE = 400, (16, 32), 128, 64, 4, 64
EMBEDDED, READER, HEADS, CONTEXT = 32, 64, 4, 64  # sentences, where not in the names above: the library's defaults
PLACES, SIZE, WIDE = 16, 16, 784  # codes of the codebook; numbers in an example of diffusion
BLOCK = 2**13  # hidden states that the exact sum takes at a time


def sizes(kind, value):
    also = {"conv": "side", "attention": "length"}.get(kind, kind)
    return {**BASE, kind: value, also: value}


class Layer(NamedTuple):
    """Of one example: multiply-adds forwards and numbers put out; and the weights."""

    weights: int
    uses: float
    outputs: int


def dense(inputs, outputs, times=1, bias=1):
    """A matrix that an example meets so many times: at every place of a sequence, for every class."""
    return Layer((inputs + bias) * outputs, inputs * outputs * times, outputs * times)


def image(kind, value):
    """Encoder and decoder of images, and what lies between them."""
    size = sizes(kind, value)
    latent, pixels = size["latent"], size["side"] ** 2
    if kind == "conv":
        (a, b), half, quarter = FILTERS, pixels // 4, pixels // 16  # places after one and two strides of 2
        # A transposed convolution meets its filters at every place of its input.
        layers = [(9, a, half, half), (9 * a, b, quarter, quarter), (9 * b, b, quarter, half)]
        layers += [(9 * b, a, half, pixels), (9 * a, 1, pixels, pixels)]
        layers = [Layer((i + 1) * o, i * o * times, o * places) for i, o, times, places in layers]
        ends = [(quarter * b, UNITS), (UNITS, 2 * latent), (latent, UNITS), (UNITS, quarter * b)]
        return layers + [dense(*pair) for pair in ends]
    code, middle = latent, [(latent, FLOW_UNITS), (FLOW_UNITS, 2 * latent)] * size["flow"] + [(HIDDEN, 2 * latent)]
    if kind == "groups":
        code, middle = STATE, [(HIDDEN, STATE)]
        for above in [0] + [STATE] * (value - 1):  # the top group has no state above it, and a prior without weights
            blocks = [(STATE + above, 2 * GROUP), (GROUP + above, STATE)] + [(STATE, 2 * GROUP)] * bool(above)
            middle += [pair for i, o in blocks for pair in ((i, STATE), (STATE, o))]
    elif kind == "entries":
        code, middle = PLACES * SIZE, [(HIDDEN, PLACES * SIZE)]
    layers = [dense(*pair) for pair in [(pixels, HIDDEN), *middle, (code, HIDDEN), (HIDDEN, pixels)]]
    if kind == "entries":  # distances to all entries have no way back: a third of what a layer costs
        layers.append(Layer(value * SIZE, PLACES * value * SIZE / 3, PLACES * value))
    return layers


def sentence(kind, value):
    """A GRU encoder, a dense decoder, and the reader: at every place a GRU or a block of attention, and the logits."""
    size = sizes(kind, value)
    length, words, latent = size["length"], size["vocabulary"], size["latent"]

    def gru(inputs):  # three gates of the input and of the state, a bias for each
        return [dense(inputs, 3 * READER, length), dense(READER, 3 * READER, length)]

    embedding = Layer(words * EMBEDDED, 0, EMBEDDED * length)  # looked up, not multiplied
    layers = [embedding, *gru(EMBEDDED), dense(READER, READER), dense(READER, 2 * latent)]
    layers += [dense(latent, CONTEXT), dense(CONTEXT, CONTEXT), embedding]
    if kind == "attention":
        layers.append(dense(EMBEDDED + CONTEXT, READER, length, bias=length))  # a bias for each place: its position
        layers += [dense(READER, READER, length)] * 4 + [
            Layer(2 * READER, 0, READER * length)
        ] * 3  # and normalizations
        pairs = READER * length**2  # every place with every place, those that are masked too
        layers += [Layer(0, pairs, HEADS * length**2), Layer(0, pairs, READER * length)]
        layers += [dense(READER, 4 * READER, length), dense(4 * READER, READER, length)]
    else:
        layers += gru(EMBEDDED + CONTEXT)
    return layers + [dense(READER, words, length)]


def classes(kind, value):
    """A classifier, and encoder and decoder once for each class, which they hear beside their input."""
    latent, pixels = sizes(kind, value)["latent"], BASE["side"] ** 2
    passes = [(pixels + value, HIDDEN), (HIDDEN, 2 * latent), (latent + value, HIDDEN), (HIDDEN, pixels)]
    return [dense(pixels, HIDDEN), dense(HIDDEN, value)] + [dense(*pair, value) for pair in passes]


def diffusion(kind, value):
    """One network, which hears the time: met once in training, at every step in drawing."""
    times = value if kind == "drawing" else 1
    return [dense(WIDE + 1, HIDDEN, times), dense(HIDDEN, WIDE, times)]


def exact_sum(kind, value):
    """A softplus for each pixel and each state of the hidden units: beside it the matrix product is cheap."""
    pixels = BASE["side"] ** 2
    return [Layer((value + 1) * pixels + value, 2**value * pixels, 2**value * pixels)]


COUNTED = {"length": sentence, "attention": sentence, "vocabulary": sentence, "classes": classes}
COUNTED |= {"steps": diffusion, "drawing": diffusion, "hidden": exact_sum}


def layers(kind, value):
    """[Layer] from the sizes alone. A test compares them with the models' own layers."""
    return COUNTED.get(kind, image)(kind, value)


def multiply_adds(kind, value):
    """Of one example, forwards; the way back takes twice as many whatever the sizes, so that it drops out."""
    return sum(layer.uses for layer in layers(kind, value))


def megabytes(kind, value, examples):
    """Training: the data beside the model, the weights four times, and all layers' outputs for a batch (floats)."""
    size, weights = sizes(kind, value), sum(layer.weights for layer in layers(kind, value))
    if kind == "hidden":  # two arrays of doubles, pixels by states of a block
        return 8 * 2 * min(2**value, BLOCK) * BASE["side"] ** 2 / 1e6
    if kind == "drawing":  # all that has been drawn on the way, from the noise on
        return 4 * (weights + examples * WIDE * (value + 1)) / 1e6
    one = size["side"] ** 2  # bytes; a label is a whole number, and so is a token
    if kind in ("length", "attention", "vocabulary", "steps", "classes"):
        one = {"steps": 4 * WIDE, "classes": one + 4}.get(kind, 4 * size["length"])
    outputs = sum(layer.outputs for layer in layers(kind, value))
    return (examples * one + 4 * (4 * weights + size["batch"] * outputs)) / 1e6


def curves(kind, results):
    """{"seconds": (values, expected, measured), "memory": the same} of the points that did not fail.

    Nothing is fitted. Seconds: multiply-adds, scaled through the last point; batches: slope -1 through the first too.
    Memory above the start: as counted, on top of what the first point takes beyond that (the program, compiling it).
    """
    points = {value: result for value, result in results.items() if "error" not in result}
    if len(points) < 2:
        return {}
    seconds = [statistics.median(result["seconds"]) for result in points.values()]
    memory, values = [result["above"] for result in points.values()], list(points)
    work = [multiply_adds(kind, value) for value in points]
    theory = [seconds[-1] * one / work[-1] for one in work]
    if kind == "batch":
        theory = [max(least, seconds[0] * values[0] / value) for least, value in zip(theory, values)]
    counted = [megabytes(kind, value, result["examples"]) for value, result in points.items()]
    shifted = [memory[0] + one - counted[0] for one in counted]
    return {"seconds": (values, theory, seconds), "memory": (values, shifted, memory)}


def slopes(kind, values, curve):
    """On logarithmic axes, from the first point to the second and from the last but one to the last.

    Against hidden units, of which each doubles the sum, slopes are doublings for each unit.
    """
    over = [value * math.log(2) for value in values] if kind == "hidden" else [math.log(value) for value in values]
    return [math.log(curve[i + 1] / curve[i]) / (over[i + 1] - over[i]) for i in (0, len(curve) - 2)]
