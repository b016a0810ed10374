"""The grammar of "sentences": every sentence means what its factors say, and its probability is known exactly."""

import itertools
import re

from vae_course import datasets
from vae_course.datasets import sentences

import numpy as np
import pytest

SPLITS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def data():
    return datasets.load("sentences")


def every_choice():
    return itertools.product(*(range(count) for count in sentences.CHOICES))


def test_every_sentence_parses_to_its_factors(data):
    for split in SPLITS:
        x, factors = getattr(data, f"x_{split}"), getattr(data, f"factors_{split}")
        np.testing.assert_array_equal(sentences.parse_all(x), factors)


def test_the_entropy_is_the_log_of_the_number_of_different_sentences():
    """No two choices give the same words: unambiguous, so uniform choices make uniform sentences."""
    written = {" ".join(sentences._words(*choice)) for choice in every_choice()}
    assert np.isclose(np.log(len(written)), sentences.ENTROPY, rtol=1e-9)
    assert max(len(sentence.split()) for sentence in written) == sentences.LENGTH


def test_choices_are_uniform_and_independent(data):
    """Frequencies of all pairs of factor values, within five standard errors of the product of uniform ones."""
    factors = data.factors_train.astype(int)
    for a, b in itertools.combinations(range(5), 2):
        cells = sentences.CHOICES[a] * sentences.CHOICES[b]
        counts = np.bincount(factors[:, a] * sentences.CHOICES[b] + factors[:, b], minlength=cells)
        assert np.abs(counts / len(factors) - 1 / cells).max() < 5 * np.sqrt(1 / cells / len(factors))


def test_the_entropy_of_a_reply_is_that_of_its_listed_replies(data):
    x = data.x_train[:200]
    count = []
    for row in x:
        listed = {" ".join(sentences._reply(row, stance, pronoun)) for stance in range(3) for pronoun in range(2)}
        count.append(len(listed))
    plural = data.factors_train[:200, 2] == 1
    np.testing.assert_array_equal(np.array(count), np.where(plural, 3, 6))
    assert np.isclose(sentences.REPLY_ENTROPY, (np.log(3) + np.log(6)) / 2)


GOOD = "the calm surgeons label the lovely bandage happily today ."


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("label", "labels"),  # noun and verb disagree
        ("label", "will label"),  # two times
        ("label", "labeled"),
        ("label", "do label"),  # "do" without "not"
        ("label", "not label"),
        ("label", "roast"),  # two topics
        ("bandage", "soup"),
        ("lovely", "awful"),  # two moods
        ("happily", "sadly"),
        ("lovely", "calm"),  # an adjective of the other kind
        ("surgeons", "bandage"),
        ("calm surgeons", "surgeons calm"),
        (" .", ""),
        (" .", " . ."),
        (" .", " ?"),
        ("the calm", "calm"),
        ("happily today", "today happily"),
        ("bandage happily", "bandage"),
    ],
)
def test_a_broken_sentence_is_none(found, instead):
    assert sentences.parse(sentences.tokens(GOOD)) == (0, 1, 1, 1, 0)
    assert sentences.parse(sentences.tokens(GOOD.replace(found, instead, 1))) is None


def test_noise_is_never_a_sentence():
    random = np.random.default_rng(0)
    assert (sentences.parse_all(random.integers(len(sentences.WORDS), size=(3000, 12))) == -1).all()
    assert sentences.parse(np.zeros(12, int)) is None
    gap = sentences.tokens(GOOD)
    gap[[9, 10]] = gap[[10, 9]]
    assert sentences.parse(gap) is None, "padding in the middle"


def test_text_and_tokens_are_inverse(data):
    for row in data.x_test[:50]:
        np.testing.assert_array_equal(sentences.tokens(sentences.text(row)), row)
    assert len(set(sentences.WORDS)) == len(sentences.WORDS) == data.x_train.max() + 8, (
        "replies have 7 words of their own"
    )
    with pytest.raises(ValueError, match="'the zebra'"):
        sentences.tokens("the zebra")
    with pytest.raises(ValueError, match="At most 12 words"):
        sentences.tokens("the " * 13)


def test_what_follows_the_end_is_cut(data):
    rows = data.x_test[:20].copy()
    spoiled = np.where(rows == 0, 5, rows)
    np.testing.assert_array_equal(sentences.cut(spoiled), rows)
    np.testing.assert_array_equal(sentences.cut(rows), rows)
    assert (spoiled != rows).any()


def test_replies_fit_what_was_said(data):
    x = data.x_test[:300]
    replies, stances = sentences.replies(x, seed=1)
    assert replies.shape == (300, sentences.REPLY_LENGTH) and replies.dtype == np.int32
    np.testing.assert_array_equal([sentences.stance(row, reply) for row, reply in zip(x, replies)], stances)
    np.testing.assert_array_equal(replies, sentences.replies(x, seed=1)[0])
    assert (replies != sentences.replies(x, seed=2)[0]).any()
    assert np.bincount(stances, minlength=3).min() > 60
    said = sentences.tokens(GOOD)
    for reply, stance in (
        ("indeed they label .", 0),
        ("no they do not label .", 1),
        ("really they label ?", 2),
        ("no they label .", None),
        ("indeed she labels .", None),
        ("indeed they inspect .", None),
        ("really they label .", None),
        ("indeed they labeled .", None),
    ):
        assert sentences.stance(said, sentences.tokens(reply, sentences.REPLY_LENGTH)) == stance


# What every data set must satisfy (the others: tests/test_datasets.py)


def test_two_loads_are_equal_and_independent(data):
    again = datasets.load("sentences")
    for split in SPLITS:
        for kind in ("x", "factors"):
            one, other = getattr(data, f"{kind}_{split}"), getattr(again, f"{kind}_{split}")
            np.testing.assert_array_equal(one, other)
            assert not np.shares_memory(one, other)
    again.x_train[:] = 1
    assert (datasets.load("sentences").x_train == data.x_train).all(), "a learner's change came back"


def test_shapes_dtypes_and_names(data):
    for split, size in zip(SPLITS, (6000, 1000, 1000)):
        x, factors = getattr(data, f"x_{split}"), getattr(data, f"factors_{split}")
        assert x.shape == (size, 12) and x.dtype == np.int32, "tokens stay whole numbers"
        assert x.min() == 0 and not ((x[:, :-1] == 0) & (x[:, 1:] > 0)).any(), "padding at the end only"
        assert factors.shape == (size, 5) and factors.dtype == np.float32
        for column, values in zip(factors.T, data.factor_values.values(), strict=True):
            np.testing.assert_array_equal(np.unique(column), values)
    assert tuple(data.factor_values) == data.factor_names and len(repr(data)) < 300
    with pytest.raises(ValueError, match="no images, so leave out dtype"):
        datasets.load("sentences", dtype="uint8")


def test_no_sentence_is_in_two_splits_or_twice(data):
    rows = [row.tobytes() for split in SPLITS for row in getattr(data, f"x_{split}")]
    assert len(set(rows)) == len(rows)


def test_it_is_in_the_readme_and_the_docstring(data):
    assert '"sentences"' in datasets.load.__doc__
    assert re.search("int32", datasets.load.__doc__)
