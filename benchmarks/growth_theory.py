"""What the cost of training should be, counted from the sizes of a model alone; growth.py measures what it is."""

import math
import statistics

BASE = {"latent": 20, "side": 28, "batch": 128, "flow": 0}  # where an axis does not say otherwise
HIDDEN, FILTERS, UNITS, FLOW_UNITS, GROUP, STATE = 400, (16, 32), 128, 64, 4, 64


def sizes(axis, value):
    return {**BASE, axis: value, **({"side": value} if axis == "conv" else {})}


def layers(axis, value):
    """[(inputs, outputs, times, places)] from the sizes alone: a matrix, how often an example meets it, and at how many
    places its outputs come. A test compares them with the models' own layers."""
    size = sizes(axis, value)
    latent, pixels = size["latent"], size["side"] ** 2
    if axis == "conv":
        (a, b), half, quarter = FILTERS, pixels // 4, pixels // 16  # places after one and two strides of 2
        convolutions = [(9, a, half, half), (9 * a, b, quarter, quarter)]
        # A transposed convolution meets its filters at every place of its input.
        convolutions += [(9 * b, b, quarter, half), (9 * b, a, half, pixels), (9 * a, 1, pixels, pixels)]
        dense = [(quarter * b, UNITS), (UNITS, 2 * latent), (latent, UNITS), (UNITS, quarter * b)]
        return convolutions + [(*layer, 1, 1) for layer in dense]
    code, middle = latent, [(latent, FLOW_UNITS), (FLOW_UNITS, 2 * latent)] * size["flow"] + [(HIDDEN, 2 * latent)]
    if axis == "groups":
        code, middle = STATE, [(HIDDEN, STATE)]
        for above in [0] + [STATE] * (value - 1):  # the top group has no state above it, and a prior without weights
            blocks = [(STATE + above, 2 * GROUP), (GROUP + above, STATE)] + [(STATE, 2 * GROUP)] * bool(above)
            middle += [pair for i, o in blocks for pair in ((i, STATE), (STATE, o))]
    return [(*layer, 1, 1) for layer in [(pixels, HIDDEN), *middle, (code, HIDDEN), (HIDDEN, pixels)]]


def multiply_adds(axis, value):
    """Of one example, forwards; the way back takes twice as many whatever the sizes, so that it drops out."""
    return sum(inputs * outputs * times for inputs, outputs, times, _ in layers(axis, value))


def megabytes(axis, value, examples):
    """The images beside the model (bytes), the weights four times and all layers' outputs for a batch (floats)."""
    weights = sum((inputs + 1) * outputs for inputs, outputs, *_ in layers(axis, value))
    outputs = sum(outputs * places for _, outputs, _, places in layers(axis, value))
    size = sizes(axis, value)
    return (examples * size["side"] ** 2 + 4 * (4 * weights + size["batch"] * outputs)) / 1e6


def curves(axis, results):
    """{"seconds": (values, expected, measured), "memory": the same} of the points that did not fail.

    Nothing is fitted. Seconds: multiply-adds, scaled through the last point; batches: slope -1 through the first too.
    Memory above the start: as counted, on top of what the first point takes beyond that (the program, compiling it).
    """
    points = {value: result for value, result in results.items() if "error" not in result}
    if len(points) < 2:
        return {}
    seconds = [statistics.median(result["seconds"]) for result in points.values()]
    memory, values = [result["above"] for result in points.values()], list(points)
    work = [multiply_adds(axis, value) for value in points]
    theory = [seconds[-1] * one / work[-1] for one in work]
    if axis == "batch":
        theory = [max(least, seconds[0] * values[0] / value) for least, value in zip(theory, values)]
    counted = [megabytes(axis, value, result["examples"]) for value, result in points.items()]
    shifted = [memory[0] + one - counted[0] for one in counted]
    return {"seconds": (values, theory, seconds), "memory": (values, shifted, memory)}


def slopes(values, curve):
    """On logarithmic axes, from the first point to the second and from the last but one to the last."""
    return [math.log(curve[i + 1] / curve[i]) / math.log(values[i + 1] / values[i]) for i in (0, len(curve) - 2)]
