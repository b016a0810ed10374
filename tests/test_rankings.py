"""Ranking scores on cases enumerated by hand, and against the faults that public programs have."""

import itertools

from vae_course import evaluation

import numpy as np
import pytest

random = np.random.default_rng(0)


def lists(users=40, items=30, share=0.3):
    x = (random.random((users, items)) < share).astype("float32")
    x[:, :2] = 1  # at least two items each
    return x


def test_hide_divides_each_list_and_repeats():
    x = lists(200)
    before = x.copy()
    seen, hidden = evaluation.hide(x, share=0.2, seed=3)
    assert np.array_equal(x, before), "the input is not changed in place"
    assert np.array_equal(seen + hidden, x) and not (seen * hidden).any()
    assert np.array_equal(hidden.sum(axis=1), np.clip(np.rint(0.2 * x.sum(axis=1)), 1, None))
    assert all(np.array_equal(a, b) for a, b in zip((seen, hidden), evaluation.hide(x, share=0.2, seed=3)))
    assert not np.array_equal(hidden, evaluation.hide(x, share=0.2, seed=4)[1])


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_of_two_items_one_is_seen_and_one_is_hidden(share):
    x = np.zeros((300, 5))
    x[:, [1, 3]] = 1
    seen, hidden = evaluation.hide(x, share=share)
    assert (seen.sum(axis=1) == 1).all() and (hidden.sum(axis=1) == 1).all()
    assert hidden[:, 1].mean() == pytest.approx(0.5, abs=0.15), "each of the two is as likely to be hidden"


def test_every_item_of_a_list_is_hidden_equally_often():
    hidden = evaluation.hide(np.ones((3000, 10)), share=0.3)[1]
    assert hidden.mean(axis=0) == pytest.approx(np.full(10, 0.3), abs=0.05)


def test_ndcg_and_recall_of_a_case_on_paper():
    """Items in the order 0 1 2 3 4 5; item 0 is seen; 2 and 5 are hidden, at ranks 2 and 5 of what is left."""
    scores, seen, hidden = np.array([[6.0, 5, 4, 3, 2, 1]]), np.zeros((1, 6)), np.zeros((1, 6))
    seen[0, 0] = hidden[0, 2] = hidden[0, 5] = 1
    two = 1 + 1 / np.log2(3)
    for k, found, gain, ideal in ((1, 0, 0, 1), (2, 1, 1 / np.log2(3), two), (4, 1, 1 / np.log2(3), two)):
        assert evaluation.ndcg(scores, hidden, seen, k) == pytest.approx([gain / ideal])
        assert evaluation.recall(scores, hidden, seen, k) == pytest.approx([found / min(k, 2)])
    both = 1 / np.log2(3) + 1 / np.log2(6)
    for k in (5, 6, 100):
        assert evaluation.ndcg(scores, hidden, seen, k) == pytest.approx([both / two])
        assert evaluation.recall(scores, hidden, seen, k) == pytest.approx([1.0])


def test_the_ideal_counts_what_was_not_found():
    """One of three hidden items, at rank 1: with an ideal of sorted(hits) this were 1."""
    scores, hidden = np.array([[5.0, 4, 3, 2, 1]]), np.array([[1.0, 0, 0, 1, 1]])
    expected = 1 / (1 + 1 / np.log2(3))
    assert evaluation.ndcg(scores, hidden, np.zeros((1, 5)), k=2) == pytest.approx([expected])
    assert evaluation.ndcg(scores, hidden, np.zeros((1, 5)), k=2)[0] < 0.62


def test_the_best_ranking_scores_one_and_the_worst_zero():
    x = lists()
    seen, hidden = evaluation.hide(x, share=0.5)
    for score in (evaluation.ndcg, evaluation.recall):
        for k in (1, 3, 20):
            assert score(hidden, hidden, seen, k) == pytest.approx(np.ones(len(x)))
        assert score(-hidden, hidden, seen, k=1) == pytest.approx(np.zeros(len(x)))
        assert score(3 * seen + hidden, hidden, seen, 20) == pytest.approx(np.ones(len(x))), "seen items are taken out"


def test_only_the_order_counts():
    seen, hidden = evaluation.hide(lists())
    scores = random.normal(size=seen.shape)
    for score in (evaluation.ndcg, evaluation.recall):
        assert score(scores, hidden, seen) == pytest.approx(score(np.exp(scores) - 7, hidden, seen))
        mixed = random.permutation(seen.shape[1])
        assert score(scores[:, mixed], hidden[:, mixed], seen[:, mixed]) == pytest.approx(score(scores, hidden, seen))


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_ties_are_the_mean_over_all_orders(k):
    scores, seen = np.array([[1.0, 2, 1, 1, 0]]), np.array([[0.0, 0, 0, 0, 1]])
    hidden = np.array([[1.0, 0, 0, 1, 0]])
    for score in (evaluation.ndcg, evaluation.recall):
        values = []
        for order in itertools.permutations((0.0, 0.1, 0.2)):
            broken = scores.copy()
            broken[0, [0, 2, 3]] += order
            values.append(score(broken, hidden, seen, k))
        assert score(scores, hidden, seen, k) == pytest.approx(np.mean(values, axis=0))


def test_a_constant_score_is_as_good_as_chance_wherever_the_hidden_items_stand():
    seen, hidden = np.zeros((1, 50)), np.zeros((1, 50))
    hidden[0, :5] = 1  # popular items often come first
    assert evaluation.recall(np.zeros((1, 50)), hidden, seen, k=10) == pytest.approx([0.2])


def test_recall_can_reach_one_for_users_with_more_than_k_hidden_items():
    hidden = np.zeros((1, 40))
    hidden[0, :30] = 1
    assert evaluation.recall(hidden, hidden, np.zeros((1, 40)), k=20) == pytest.approx([1.0])


@pytest.mark.parametrize("score", [evaluation.ndcg, evaluation.recall])
def test_wrong_arguments_are_named(score):
    seen, hidden = evaluation.hide(lists(4, 6))
    with pytest.raises(TypeError, match="seen"):
        score(hidden, hidden)
    with pytest.raises(ValueError, match=r"same shape.*\[4, 6\], \[3, 6\] and \[4, 6\]"):
        score(hidden, hidden[:3], seen)
    with pytest.raises(ValueError, match="scores must be finite. Received: 24 values"):
        score(np.full((4, 6), np.nan), hidden, seen)
    with pytest.raises(ValueError, match="must not share an item.*in both"):
        score(hidden, hidden, seen + hidden)
    with pytest.raises(ValueError, match="hidden must hold 1.*such as 3"):
        score(hidden, 3 * hidden, seen)
    nothing = hidden.copy()
    nothing[2] = 0
    with pytest.raises(ValueError, match="needs a hidden item.*1 users without one, the first in row 2"):
        score(hidden, nothing, seen)
    for k in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match=f"k must be (a whole number|at least 1). Received: {k}"):
            score(hidden, hidden, seen, k=k)


def test_what_cannot_be_hidden_is_named():
    with pytest.raises(ValueError, match="two items.*Received: 1 users with fewer, the first in row 1"):
        evaluation.hide([[1, 1, 0], [0, 1, 0]])
    with pytest.raises(ValueError, match="ratings.*such as 5"):
        evaluation.hide([[5, 1, 0]])
    with pytest.raises(ValueError, match=r"\[users, items\]. Received: shape \[3\]"):
        evaluation.hide([1, 1, 0])
    for share in (0, 1, -0.2, True, "half"):
        with pytest.raises(ValueError, match="share must be a number between 0 and 1"):
            evaluation.hide([[1, 1]], share=share)
