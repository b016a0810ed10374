"""Pictures drawn from known factors: faces and sprites, [n, 32, 32, 1] uint8, and sprites in colors, [n, 16, 16, 3].

Same factors, same picture.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

SIZE = 32  # pixels along each side

FACE_FACTORS = {
    "orientation": np.linspace(-45, 45, 13),  # degrees; negative: the head turns to the picture's left
    "expression": np.linspace(-1, 1, 7),  # -1 a frown, 0 neutral, +1 a smile
    "lighting": np.linspace(-66, 66, 7),  # degrees; negative: the light comes from the picture's left
    "width": np.array([0.86, 1.0, 1.14]),  # the head's width; 1 is the average head
    "hair": np.array([0.05, 0.22, 0.50]),  # how much light the hair reflects: black, brown, fair
}
SPRITE_FACTORS = {
    "shape": np.arange(3.0),  # 0 heart, 1 arrow, 2 moon
    "scale": np.linspace(0.6, 1, 5),  # 1: the shape reaches 9 pixels from its center
    "rotation": np.linspace(-90, 90, 9),  # degrees, clockwise; not a full turn: an interval, not a circle
    "x": np.linspace(-7, 7, 8),  # pixels to the right of the center
    "y": np.linspace(-7, 7, 8),  # pixels below the center
}
SPRITE_SHAPES = ("heart", "arrow", "moon")
# Mean and standard deviation of the hue, given the shape. Hues are parts of the circle of colors, from 0 to 1: 0 red,
# 1/3 green, 2/3 blue. All deviations end far from 0 and 1, so a hue is a number like any other.
HUES = {"heart": (0.10, 0.02), "arrow": (0.45, 0.08), "moon": (0.80, 0.04)}


def grid(factors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Every combination of the factors' values, once: dict name -> values to [combinations, factors]."""
    return np.stack(np.meshgrid(*factors.values(), indexing="ij"), axis=-1).reshape(-1, len(factors))


def _screen(samples):
    """Horizontal (right) and vertical (up) coordinates in [-1, 1] of samples x samples points a pixel."""
    line = (np.arange(SIZE * samples) + 0.5) / (SIZE * samples) * 2 - 1
    return line[None, :], -line[:, None]


def _pool(images, samples):
    """[..., side, side] to [..., SIZE, SIZE]: the mean of each pixel's samples."""
    return images.reshape(*images.shape[:-2], SIZE, samples, SIZE, samples).mean(axis=(-3, -1))


# Faces: ellipsoids in the head's frame (x to the right, y up, z out of the face), turned about the vertical.
#   name        center                semi-axes           reflects  turns with the head
PARTS = (
    ("skull", (0.00, 0.17, -0.06), (0.58, 0.60, 0.66), 0.90, True),
    ("jaw", (0.00, -0.25, 0.11), (0.465, 0.58, 0.48), 0.90, True),
    ("nose", (0.00, -0.13, 0.57), (0.10, 0.21, 0.13), 0.92, True),
    ("left ear", (-0.60, -0.03, -0.08), (0.07, 0.17, 0.12), 0.78, True),
    ("right ear", (0.60, -0.03, -0.08), (0.07, 0.17, 0.12), 0.78, True),
    ("hair", (0.00, 0.22, -0.12), (0.67, 0.69, 0.74), 0.0, True),
    ("neck", (0.00, -0.90, -0.12), (0.30, 0.70, 0.30), 0.60, False),
    ("shirt", (0.00, -1.25, -0.15), (0.92, 0.48, 0.45), 0.42, False),
)
NAMES, COLORS = [part[0] for part in PARTS], np.array([part[3] for part in PARTS], np.float32)
NOWHERE = np.float32(-9)  # the depth of a ray that meets nothing
SAMPLES = 4  # along each side of a pixel
ZOOM, RISE = 0.93, -0.06  # the head nearly fills the picture
BACKGROUND, AMBIENT, DIFFUSE, ELEVATION = 0.12, 0.20, 0.88, np.deg2rad(20)


def _step(distance, softness=0.02):
    """0 where distance < 0, 1 where it is > 0, with a soft edge."""
    return np.clip(distance / softness + 0.5, 0, 1)


def _hit(center, axes, turn, u, v):
    """Where the ray at (u, v) meets a turned ellipsoid: depth, point (head's frame), normal (viewer's)."""
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    start = (u * cos - center[0], v - center[1], u * sin - center[2])
    a2, b2, c2 = (np.float32(axis**2) for axis in axes)
    quadratic = sin**2 / a2 + cos**2 / c2
    linear = start[2] * cos / c2 - start[0] * sin / a2
    root = linear**2 - quadratic * (start[0] ** 2 / a2 + start[1] ** 2 / b2 + start[2] ** 2 / c2 - 1)
    depth = np.where(root > 0, (np.sqrt(np.maximum(root, 0)) - linear) / quadratic, NOWHERE)
    x, y, z = start[0] - depth * sin, start[1] + 0 * depth, start[2] + depth * cos
    normal = np.stack([x / a2 * cos + z / c2 * sin, y / b2, z / c2 * cos - x / a2 * sin])
    point = np.stack([x + center[0], y + center[1], z + center[2]])
    return depth, point, normal / np.sqrt((normal**2).sum(axis=0))


def _form(orientation, width):
    """One turned head: solid, color, share of hair, skin, x, y [side, side]; normals [3, side, side]."""
    u, v = (np.float32(ZOOM * u + shift) for u, shift in zip(_screen(SAMPLES), (0, RISE)))
    depths, points, normals = [], [], []
    for name, (cx, cy, cz), (ax, ay, az), _, turns in PARTS:
        turn, stretch = (orientation, width) if turns else (0.0, 1.0)
        depth, point, normal = _hit((cx * stretch, cy, cz), (ax * stretch, ay, az), np.deg2rad(turn), u, v)
        if name == "hair":  # a shell, open where the face is: below the fringe and before the ears
            fringe = 0.50 - 0.3 * (point[0] / width) ** 2 - 0.18 * point[0] / width
            depth = np.where((point[1] > fringe) | (point[2] < -0.02 - 0.12 * point[1]), depth, NOWHERE)
        depths.append(depth)
        points.append(point)
        normals.append(normal)
    # A soft maximum of the depths joins the parts smoothly, as skin does.
    depths, points, normals = np.array(depths), np.array(points), np.array(normals)
    weights = np.exp(np.maximum(22 * (depths - depths.max(axis=0)), -30)) * (depths > NOWHERE)
    weights /= np.maximum(weights.sum(axis=0), 1e-6)
    solid, hair = weights.sum(axis=0) > 0.5, weights[NAMES.index("hair")]
    color = np.tensordot(COLORS, weights, 1)
    x, y, z = (weights[:, None] * points).sum(axis=0)
    normal = (weights[:, None] * normals).sum(axis=0)
    normal /= np.maximum(np.sqrt((normal**2).sum(axis=0)), 1e-6)
    skin = (weights[NAMES.index("skull")] + weights[NAMES.index("jaw")]) * _step(z - 0.05, 0.1)
    return solid, color, hair, skin, x / width, y, normal


def _paint(color, x, y, skin, expression, hair):
    """Eyes, brows and mouth on the skin, at places in the head's own frame: so they turn with the head."""
    smile, frown = np.maximum(expression, 0), np.maximum(-expression, 0)
    side = np.abs(x)

    def layer(color, value, mask):
        mask = mask * skin
        return color * (1 - mask) + value * mask

    socket = np.exp(-((side - 0.23) ** 2) / 0.02 - (y - 0.10) ** 2 / 0.012)
    color = color * (1 - 0.22 * socket * skin)
    height = 0.085 - 0.025 * smile - 0.01 * frown
    eye = 1 - np.sqrt(((side - 0.235) / 0.135) ** 2 + ((y - 0.08) / height) ** 2)
    iris = 1 - np.sqrt(((side - 0.225) / 0.07) ** 2 + ((y - 0.08) / 0.075) ** 2)
    color = layer(color, 0.30, _step(eye + 0.22, 0.2))  # the lashes
    color = layer(color, 1.0, _step(eye, 0.2))
    color = layer(color, 0.05, _step(iris, 0.25) * _step(eye, 0.2))
    middle = 0.285 + 0.03 * smile - 0.02 * frown + (0.55 * frown - 0.10 * smile) * (side - 0.23)
    brow = middle - 0.9 * (side - 0.25) ** 2
    near = 0.16 - np.abs(side - 0.245)
    color = layer(color, 0.7 * hair, 0.9 * _step(0.034 - np.abs(y - brow), 0.02) * _step(near, 0.04))
    half = 0.215 + 0.055 * smile - 0.015 * frown  # half the mouth's width
    curve = -0.475 - 0.05 * smile + 0.03 * frown + 0.165 * expression * np.minimum((x / half) ** 2, 1.2)
    taper = np.clip(1 - (x / half) ** 2, 0, 1) ** 0.5
    inside = _step(half - side, 0.03)
    color = layer(color, 0.42, _step((0.055 + 0.03 * smile) * taper - np.abs(y - curve), 0.02) * inside)
    gap = 0.012 + 0.045 * smile * taper
    color = layer(color, 0.10, _step(gap - np.abs(y - curve), 0.02) * inside)
    teeth = _step(0.032 * smile * taper - np.abs(y - curve - 0.01), 0.02) * _step(smile - 0.3, 0.3)
    return layer(color, 0.98, teeth * _step(half - 0.04 - side, 0.03))


def faces(factors: npt.ArrayLike) -> np.ndarray:
    """Lit heads: [n, 5] values of FACE_FACTORS, or any between their extremes, to [n, 32, 32, 1] uint8."""
    factors = np.asarray(factors, np.float32)
    images = np.empty((len(factors), SIZE, SIZE), np.uint8)
    angle = np.deg2rad(factors[:, 2])
    flat, up = np.cos(ELEVATION), np.full_like(angle, np.sin(ELEVATION))
    light = np.stack([flat * np.sin(angle), up, flat * np.cos(angle)], axis=1).astype(np.float32)
    for (orientation, width), head in _groups(factors[:, [0, 3]]):
        solid, color, shell, skin, x, y, normal = _form(orientation, width)
        for (expression, hair), rows in _groups(factors[head][:, [1, 4]]):
            rows = head[rows]
            painted = _paint(color + hair * shell, x, y, skin, expression, hair)
            shade = np.maximum(np.tensordot(light[rows], normal, 1), 0)  # Lambert: the cosine to the light
            picture = np.where(solid, painted * (AMBIENT + DIFFUSE * shade), BACKGROUND)
            images[rows] = np.rint(255 * np.clip(_pool(picture, SAMPLES), 0, 1))
    return images[..., None]


def _groups(rows):
    """Each different row, and where it occurs: what rows share is computed once."""
    different, which = np.unique(rows, axis=0, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    return zip(different, np.split(order, np.cumsum(np.bincount(which))[:-1]))


def sprites(factors: npt.ArrayLike) -> np.ndarray:
    """White shapes on black: [n, 5] values of SPRITE_FACTORS to [n, 32, 32, 1] uint8, each pixel 0 or 255."""
    factors = np.asarray(factors, np.float32)
    images = np.empty((len(factors), SIZE, SIZE), np.uint8)
    right, up = (np.float32(SIZE / 2 * axis) for axis in _screen(1))
    for (shape, scale, rotation), rows in _groups(factors[:, :3]):
        x, y = factors[rows, 3, None, None], factors[rows, 4, None, None]
        u, v = (right - x) / (REACH * scale), (up + y) / (REACH * scale)
        cos, sin = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
        images[rows] = 255 * _inside(int(shape), u * cos - v * sin, u * sin + v * cos)
    return images[..., None]


REACH = 9  # pixels from a sprite's center to its farthest point at scale 1


def _inside(shape, u, v):
    """Whether (u, v), in units of the reach, v up, is in the shape. None has a symmetry under rotation."""
    if SPRITE_SHAPES[shape] == "heart":
        return (0.88 * u) ** 2 + (v + 0.2 - 0.95 * np.sqrt(np.abs(u))) ** 2 < 0.55
    if SPRITE_SHAPES[shape] == "arrow":
        head = (v > 0) & (np.abs(u) < 0.75 * (1 - v))
        return head | ((np.abs(u) < 0.27) & (v <= 0) & (v > -0.9))
    return (u**2 + v**2 < 0.9) & (u**2 + (v - 0.5) ** 2 > 0.5)


def colored_sprites(factors: npt.ArrayLike) -> np.ndarray:
    """Sprites in colors on black: [n, 6], values of SPRITE_FACTORS and a hue, to [n, 16, 16, 3] uint8.

    A pixel is the mean of four of the large sprite's. Colors are pure, so the greatest of a pixel's channels is its
    gray value, whatever the hue: x.max(axis=-1, keepdims=True) is the gray picture. (The mean of the channels is not
    one: it depends on the hue.)
    """
    factors = np.asarray(factors, np.float32)
    gray = sprites(factors[:, :5]).reshape(-1, SIZE // 2, 2, SIZE // 2, 2, 1).mean(axis=(2, 4))
    return np.rint(np.rint(gray) * _pure(factors[:, 5])[:, None, None]).astype(np.uint8)


def _pure(hue):
    """Red, green and blue [n, 3] of pure colors: one is 1, one is 0, and the third tells the hue [n]."""
    distance = np.abs(np.mod(6 * hue[:, None].astype(float) - np.array([3.0, 5.0, 1.0]), 6) - 3)
    return np.clip(2 - distance, 0, 1)


def hues(images: npt.ArrayLike) -> np.ndarray:
    """The hue of each picture's mean color, from 0 to 1: [n, height, width, 3] to [n]; of any brightness and paleness.

    Brighter pixels count for more. It reads the hue off a model's draws, to compare with the law in HUES.
    """
    color = np.asarray(images, float).sum(axis=(1, 2))
    low, high = color.min(axis=1), color.max(axis=1)
    red, green, blue = color.T
    width = np.where(high > low, high - low, 1)  # gray has no hue: 0
    by_green, by_blue = 2 + (blue - red) / width, 4 + (red - green) / width
    sixth = np.where(high == red, (green - blue) / width, np.where(high == green, by_green, by_blue))
    return np.mod(sixth / 6, 1)
