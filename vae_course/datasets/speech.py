"""Vowels of invented speakers ("vowels"): spectra [n, 24], computed from published averages by source and filter.

The averages are measured: Peterson and Barney, "Control methods used in a study of the vowels", Journal of the
Acoustical Society of America 24 (1952), Table II. The speakers are invented, and so is all that differs between them:
results here say how methods compare, and nothing about how well speech is recognized.
"""

import numpy as np
import numpy.typing as npt

GROUPS = ("man", "woman", "child")
FACTORS = ("speaker", "group", "f0", "scale")
# f0, F1, F2, F3 in Hz of the average man, woman and child; the words are those that were read aloud.
AVERAGES = {
    "iy": ((136, 270, 2290, 3010), (235, 310, 2790, 3310), (272, 370, 3200, 3730)),  # heed
    "ih": ((135, 390, 1990, 2550), (232, 430, 2480, 3070), (269, 530, 2730, 3600)),  # hid
    "eh": ((130, 530, 1840, 2480), (223, 610, 2330, 2990), (260, 690, 2610, 3570)),  # head
    "ae": ((127, 660, 1720, 2410), (210, 860, 2050, 2850), (251, 1010, 2320, 3320)),  # had
    "ah": ((130, 640, 1190, 2390), (221, 760, 1400, 2780), (261, 850, 1590, 3360)),  # hud
    "aa": ((124, 730, 1090, 2440), (212, 850, 1220, 2810), (256, 1030, 1370, 3170)),  # hod
    "ao": ((129, 570, 840, 2410), (216, 590, 920, 2710), (263, 680, 1060, 3180)),  # hawed
    "uh": ((137, 440, 1020, 2240), (232, 470, 1160, 2680), (276, 560, 1410, 3310)),  # hood
    "uw": ((141, 300, 870, 2240), (231, 370, 950, 2670), (274, 430, 1170, 3260)),  # who'd
    "er": ((133, 490, 1350, 1690), (218, 500, 1640, 1960), (261, 560, 1820, 2160)),  # heard
}
BANDS, LOWEST, HIGHEST = 24, 100.0, 5500.0  # Hz: where the first band begins and the last one ends
UPPER = ((3500, 4500), (4000, 5150), (4600, 5900))  # F4 and F5 by group, typical values: the same for every vowel
WIDTHS = (60, 90, 150, 200, 250)  # of the resonances F1 to F5, in Hz, typical values
# Invented: standard deviations between speakers, from vowel to vowel of a speaker, between utterances of a vowel.
SCALE, PITCH, TILT = 0.06, 0.12, 0.5  # of log scale, of log f0, of the source in dB an octave
HABIT = 0.05  # of the log of each formant
FORMANT, TONE, LOUDNESS, NOISE = 0.07, 0.05, 1.0, 0.5  # of log formants, of log f0; in dB: of all bands, of each band


def vowels(groups: npt.ArrayLike, seed: int, utterances: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every vowel `utterances` times from a speaker of each group in `groups` (indices of GROUPS, [speakers]).

    Returns energies [speakers * 10 * utterances, 24] in dB, labels (indices of AVERAGES), and factors [rows, 4]: the
    speaker's number, his group, f0 of the utterance in Hz, and his scale: his formants divided by his group's average,
    above 1 for a short vocal tract. Rows are in the order of speakers; equal seeds give equal rows.
    """
    random = np.random.default_rng(seed)
    groups = np.asarray(groups)
    kinds = len(AVERAGES)
    speaker, vowel, _ = (axis.ravel() for axis in np.indices((len(groups), kinds, utterances)))
    scale = np.exp(random.normal(0, SCALE, len(groups)))
    pitch = np.exp(random.normal(0, PITCH, len(groups)))
    tilt = random.normal(0, TILT, len(groups))
    habit = random.normal(0, HABIT, (len(groups), kinds, 3))
    rows, group = len(speaker), groups[speaker]
    average = np.array(tuple(AVERAGES.values()), float)[vowel, group]
    f0 = average[:, 0] * pitch[speaker] * np.exp(random.normal(0, TONE, rows))
    spoken = average[:, 1:] * np.exp(habit[speaker, vowel] + random.normal(0, FORMANT, (rows, 3)))
    formants = scale[speaker, None] * np.concatenate([np.sort(spoken, axis=1), np.array(UPPER)[group]], axis=1)
    x = spectra(f0, formants, tilt[speaker])
    x += random.normal(0, LOUDNESS, (rows, 1)) + random.normal(0, NOISE, x.shape)
    return np.round(x, 3), vowel, np.stack([speaker, group, f0, scale[speaker]], axis=1)


def spectra(f0: npt.ArrayLike, formants: npt.ArrayLike, tilt: npt.ArrayLike = 0.0) -> np.ndarray:
    """Energies in 24 mel bands, in dB: f0 [n] and formants [n, 5] in Hz, tilt [n] in dB an octave, to [n, 24].

    The source is a row of harmonics of f0 that fall by 6 dB an octave, as the voice does outside the lips, plus the
    tilt. The filter is a cascade of resonances, one at each formant; a faint breath of noise fills the gaps.
    """
    f0, tilt = np.asarray(f0, float), np.broadcast_to(tilt, np.shape(f0))
    number = np.arange(1, int(HIGHEST / f0.min()) + 1)
    hertz = f0[:, None] * number  # [n, harmonics]
    power = (hertz / 100) ** (-2 + tilt[:, None] / (10 * np.log10(2)))
    for center, width in zip(np.asarray(formants, float).T[..., None], WIDTHS):
        half = (width / 2) ** 2
        power *= (center**2 + half) ** 2 / (((hertz - center) ** 2 + half) * ((hertz + center) ** 2 + half))
    energy = [(power * weights).sum(axis=1) for weights in bands(hertz)]
    return 10 * np.log10(np.stack(energy, axis=1) + BREATH)


BREATH = 1e-5  # the energy of noise in a band, where the harmonic at 100 Hz has 1


def bands(hertz: np.ndarray, highest: float = HIGHEST) -> np.ndarray:
    """Weights of the 24 mel bands between LOWEST and `highest`, at frequencies in Hz: [...] -> [24, ...]."""
    edges = _hertz(np.linspace(_mel(LOWEST), _mel(highest), BANDS + 2))
    return np.stack([_triangle(hertz, *edges[band : band + 3]) for band in range(BANDS)])


def _triangle(hertz, start, peak, end):
    """A mel band's weight: 0 at its start, 1 at its peak, 0 at its end."""
    return np.clip(np.minimum((hertz - start) / (peak - start), (end - hertz) / (end - peak)), 0, None)


def _mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


def _hertz(mel):
    return 700 * (10 ** (mel / 2595) - 1)
