"""Sentences of a small grammar ("sentences"), and replies to them: tokens whose meaning and probability are known.

    the ADJECTIVE NOUN VERBPHRASE the ADJECTIVE OBJECT ADVERB TIME .

Five factors decide about the whole sentence (FACTORS), seven more choices about one word each. All are independent and
uniform, and no two combinations give the same words, so every sentence has the same probability, exp(-ENTROPY): no
model of sentences that it has not seen can do better on average than ENTROPY nats. For chapter 16.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

FACTORS = {
    "topic": ("hospital", "kitchen", "farm", "music"),  # nouns, verbs and objects
    "tense": ("past", "present", "future"),  # the form of the verb, and the word for the time
    "number": ("singular", "plural"),  # the noun, and in the present its verb
    "mood": ("bad", "good"),  # both adjectives, and the adverb
    "negation": ("affirmed", "negated"),
}
NOUNS = (
    ("doctor", "nurse", "surgeon", "patient"),
    ("cook", "baker", "waiter", "chef"),
    ("farmer", "shepherd", "gardener", "miller"),
    ("singer", "drummer", "pianist", "violinist"),
)
VERBS = (
    ("examine", "collect", "label", "inspect"),
    ("roast", "taste", "peel", "serve"),
    ("plant", "water", "harvest", "gather"),
    ("rehearse", "record", "perform", "play"),
)
OBJECTS = (
    ("bandage", "chart", "needle", "sample"),
    ("potato", "onion", "pie", "soup"),
    ("carrot", "pumpkin", "tulip", "turnip"),
    ("song", "waltz", "march", "opera"),
)
FEELINGS = (("gloomy", "angry", "weary", "nervous"), ("cheerful", "proud", "lucky", "calm"))
QUALITIES = (("awful", "dreadful", "ruined"), ("lovely", "splendid", "perfect"))
ADVERBS = (("sadly", "bitterly", "reluctantly"), ("gladly", "happily", "eagerly"))
TIMES = (("yesterday", "earlier"), ("today", "now"), ("tomorrow", "soon"))
STANCES = ("indeed", "no", "really")  # a reply agrees, denies, or doubts
CHOICES = (4, 3, 2, 2, 2, 4, 4, 4, 3, 4, 3, 2)  # the factors; feeling, noun, verb, quality, object, adverb, time
LENGTH, REPLY_LENGTH = 12, 6  # tokens of the longest sentence, and of the longest reply
ENTROPY = float(np.log(np.prod(CHOICES)))  # nats of a sentence: 13.00
REPLY_ENTROPY = float(np.log(3) + np.log(2) / 2)  # nats of a reply, averaged over sentences: 1.45


def _past(verb):
    return verb + ("d" if verb.endswith("e") else "ed")


def _flat(table):
    return tuple(word for row in table for word in row)


WORDS = ("", "the", ".", "not", "did", "do", "does", "will", *_flat(FEELINGS + QUALITIES + ADVERBS + TIMES))
WORDS += (*_flat(NOUNS), *(noun + "s" for noun in _flat(NOUNS)), *_flat(OBJECTS))
WORDS += tuple(form for verb in _flat(VERBS) for form in (verb, verb + "s", _past(verb)))
WORDS += (*STANCES, "he", "she", "they", "?")
_TOKEN = {word: token for token, word in enumerate(WORDS)}
_AT = {word: (row, column) for table in (FEELINGS, QUALITIES, ADVERBS, TIMES, OBJECTS, NOUNS)
       for row, words in enumerate(table) for column, word in enumerate(words)}  # fmt: skip
_AT |= {noun + "s": _AT[noun] for noun in _flat(NOUNS)}
_AT |= {form: (row, column) for row, verbs in enumerate(VERBS) for column, verb in enumerate(verbs)
        for form in (verb, verb + "s", _past(verb))}  # fmt: skip


def tokens(words: str | Iterable[str], length: int = LENGTH) -> np.ndarray:
    """Whole numbers [length], int32, of a text or of a list of words; 0 fills up the end."""
    words = words.split() if isinstance(words, str) else list(words)
    unknown = [word for word in words if word not in _TOKEN or word == ""]
    if unknown or len(words) > length:
        raise ValueError(f"At most {length} words of sentences.WORDS are asked for. Received: {' '.join(words)!r}")
    return np.array([_TOKEN[word] for word in words] + [0] * (length - len(words)), np.int32)


def text(tokens: npt.ArrayLike) -> str:
    """The words of one row of tokens [length], without its padding."""
    return " ".join(WORDS[token] for token in np.asarray(tokens) if token)


def cut(tokens: npt.ArrayLike) -> np.ndarray:
    """Tokens [n, length] with padding after the first "." or "?": what a model says after the end is not counted."""
    tokens = np.asarray(tokens)
    ends = np.isin(tokens, (_TOKEN["."], _TOKEN["?"]))
    return np.where(np.cumsum(ends, axis=1) - ends > 0, 0, tokens)


def _verb_phrase(verb, tense, plural, negated):
    if tense == 2:
        return ["will", "not", verb] if negated else ["will", verb]
    if negated:
        return ["did" if tense == 0 else "do" if plural else "does", "not", verb]
    return [_past(verb) if tense == 0 else verb if plural else verb + "s"]


def _words(topic, tense, number, mood, negation, feeling, noun, verb, quality, thing, adverb, time):
    """The words of a sentence from all twelve choices, in the order of CHOICES."""
    subject = NOUNS[topic][noun] + ("s" if number else "")
    phrase = _verb_phrase(VERBS[topic][verb], tense, number, negation)
    rest = ["the", QUALITIES[mood][quality], OBJECTS[topic][thing], ADVERBS[mood][adverb], TIMES[tense][time], "."]
    return ["the", FEELINGS[mood][feeling], subject, *phrase, *rest]


def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n different sentences, uniformly: tokens [n, 12] int32, and their factors [n, 5]."""
    rows = np.random.default_rng(seed).choice(np.prod(CHOICES), n, replace=False)
    choices = np.stack(np.unravel_index(rows, CHOICES), axis=1)
    return np.stack([tokens(_words(*row)) for row in choices.tolist()]), choices[:, :5]


def parse(row: npt.ArrayLike) -> tuple[int, ...] | None:
    """The factors (topic, tense, number, mood, negation) of one row of tokens, or None: not a sentence.

    All must be right: the order of the words, the agreement of noun and verb, one topic, one mood, one time.
    """
    words = [WORDS[token] for token in np.asarray(row)]
    while words and not words[-1]:
        words.pop()
    if not 10 <= len(words) <= LENGTH:
        return None
    subject, phrase, (_, quality, thing, adverb, time, _) = words[1:3], words[3:-6], words[-6:]
    if not all(word in _AT for word in (*subject, phrase[-1], quality, thing, adverb, time)):
        return None
    (mood, feeling), (topic, noun) = _AT[subject[0]], _AT[subject[1]]
    factors = topic, _AT[time][0], int(subject[1].endswith("s")), mood, int("not" in phrase)
    local = (feeling, noun, *(_AT[word][1] for word in (phrase[-1], quality, thing, adverb, time)))
    try:
        again = _words(*factors, *local)
    except IndexError:  # a word of another kind, in a row or column that this kind has not
        return None
    return factors if again == words else None


def parse_all(rows: Iterable[npt.ArrayLike]) -> np.ndarray:
    """The factors of each row of tokens [n, length]: [n, 5], and a row of -1 for what is not a sentence."""
    return np.array([parse(row) or (-1,) * len(FACTORS) for row in rows])


def replies(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A reply to each sentence of tokens [n, length]: [n, 6] int32, and its stance [n], an index of STANCES.

    "indeed she did not watch ." agrees, "no she watched ." denies, "really she did not watch ?" doubts, at equal odds.
    Pronoun, tense and verb are those of the sentence; of one person it is "he" or "she", at equal odds.
    """
    random = np.random.default_rng(seed)
    stances, pronouns = random.integers(len(STANCES), size=len(rows)), random.integers(2, size=len(rows))
    said = [_reply(row, stance, pronoun) for row, stance, pronoun in zip(rows, stances, pronouns)]
    return np.stack([tokens(words, REPLY_LENGTH) for words in said]), stances


def _reply(row, stance, pronoun):
    topic, tense, number, _, negation = parse(row)
    verb = VERBS[topic][_AT[WORDS[row[np.flatnonzero(row)[-7]]]][1]]  # the last word of the verb phrase
    phrase = _verb_phrase(verb, tense, number, negation != (stance == 1))
    return [STANCES[stance], "they" if number else ("he", "she")[pronoun], *phrase, "?" if stance == 2 else "."]


def stance(row: np.ndarray, reply: npt.ArrayLike) -> int | None:
    """The stance of a reply [6] to a sentence [length], or None: it does not fit, or is not a reply."""
    found = text(reply)
    for number in range(len(STANCES)):
        if found in (" ".join(_reply(row, number, pronoun)) for pronoun in range(2)):
            return number
    return None
