"""The exam: a sheet's rules, minutes and points that add up, and what plausible answers earn."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sources"), str(ROOT / "tests"), str(ROOT / "classroom")]

import notebook_rules as rules  # noqa: E402
import package  # noqa: E402
from notebook_rules import BEGIN, END, grader, is_check, is_hole  # noqa: E402

PATHS = ROOT / "solutions/exam/exam.ipynb", ROOT / "exercises/exam/exam.ipynb"
SOLUTION, EXERCISE = (nbformat.read(path, as_version=4) for path in PATHS)
TEXT = "\n\n".join(rules.markdown(SOLUTION))
CHECKS = [cell.id for cell in SOLUTION.cells if is_check(cell)]

NEGATIVE_ELBO = """
z = mean + np.exp(log_var / 2) * noise
logits = z @ weights
log_likelihood = np.sum(x * logits - np.logaddexp(0, logits), axis=1)
kl = 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)
return np.mean(kl - log_likelihood)"""
CLIPPED = "np.sum(np.where(x > 0, np.log(p), np.log(1 - p)), axis=1)"
COUPLING = """
still, moved = np.split(y, 2, axis=1)
z = np.concatenate([still, (moved - still @ T) * np.exp(-still @ S)], axis=1)
return stats.norm.logpdf(z).sum(axis=1) - (still @ S).sum(axis=1)"""
THRESHOLD = """
rank = int(np.ceil((len(scores) + 1) * (1 - alpha)))
return np.sort(scores)[rank - 1] if rank <= len(scores) else np.inf"""


def repaired(old, new):
    assert old in NEGATIVE_ELBO
    return NEGATIVE_ELBO.replace(old, new)


# What it is, the cell, the answer, and the checks that it fails.
WRONG = [
    ("the evidence twice", "elbo", "return (np.log((prior * likelihood).sum()),) * 2", {"elbo-check"}),
    ("no KL", "elbo", "return np.log(prior @ likelihood), q @ np.log(likelihood)", {"elbo-check"}),
    (
        "KL added",
        "elbo",
        "return np.log(prior @ likelihood), q @ np.log(likelihood * q / prior)",
        {"elbo-check"},
    ),
    ("bits", "elbo", "return np.log2(prior @ likelihood), q @ np.log2(prior * likelihood / q)", {"elbo-check"}),
    ("variance as scale", "repair", repaired("log_var / 2", "log_var"), {"repair-sample"}),
    ("mean over pixels", "repair", repaired("np.sum(x", "np.mean(x"), {"repair-likelihood"}),
    ("mean over latents", "repair", repaired("0.5 * np.sum", "0.5 * np.mean"), {"repair-kl"}),
    ("sign of the KL", "repair", repaired("mean(kl -", "mean(-kl -"), {"repair-kl"}),
    (
        "clipped",
        "repair",
        repaired(
            "log_likelihood = np.sum(x * logits - np.logaddexp(0, logits), axis=1)",
            f"p = np.clip(1 / (1 + np.exp(-logits)), 1e-7, 1 - 1e-7)\nlog_likelihood = {CLIPPED}",
        ),
        {"repair-sure"},
    ),
    ("sum over images", "repair", repaired("np.mean(kl", "np.sum(kl"), {"repair-likelihood", "repair-kl"}),
    ("no pixels", "sigma", "return np.sqrt(w / 2)", {"sigma-check"}),
    ("no root", "sigma", "return w * pixels / 2", {"sigma-check"}),
    ("no half", "sigma", "return np.sqrt(w * pixels)", {"sigma-check"}),
    ("inverse", "beta", "return 2 * sigma**2 / (w * pixels)", {"beta-check"}),
    ("no pixels", "beta", "return w / (2 * sigma**2)", {"beta-check"}),
    ("scale for variance", "beta", "return w * pixels / (2 * sigma)", {"beta-check"}),
    ("first group only", "groups", "return logsumexp(log_w[:k], axis=0) - np.log(k)", {"groups-check"}),
    (
        "unstable",
        "groups",
        "return np.log(np.exp(log_w.reshape(-1, k, log_w.shape[1])).mean(axis=1)).mean(axis=0)",
        {"groups-check"},
    ),
    (
        "mean over groups inside",
        "groups",
        "return logsumexp(log_w, axis=0) - np.log(len(log_w))",
        {"groups-check"},
    ),
    (
        "images mixed up",
        "groups",
        "return (logsumexp(log_w.reshape(log_w.shape[1], -1, k), axis=2) - np.log(k)).mean(axis=1)",
        {"groups-check"},
    ),
    (
        "sign of the volume",
        "coupling",
        COUPLING.replace(" - (still @ S).sum", " + (still @ S).sum"),
        {"coupling-check"},
    ),
    ("no volume", "coupling", COUPLING.replace(" - (still @ S).sum(axis=1)", ""), {"coupling-check"}),
    ("forward", "coupling", COUPLING.replace("(-still @ S)", "(still @ S)"), {"coupling-check"}),
    ("the other half", "coupling", COUPLING.replace("still, moved =", "moved, still ="), {"coupling-check"}),
    ("quantile", "threshold", "return np.quantile(scores, 1 - alpha)", {"threshold-check"}),
    ("n for n + 1", "threshold", THRESHOLD.replace("(len(scores) + 1)", "len(scores)"), {"threshold-check"}),
    ("largest if too few", "threshold", THRESHOLD.replace("np.inf", "scores.max()"), {"threshold-check"}),
    ("sorts in place", "threshold", "scores.sort()" + THRESHOLD, {"threshold-check"}),
    (
        "no prior",
        "classes",
        "return logsumexp(log_p, axis=1) - np.log(len(prior)), np.exp(log_p - logsumexp(log_p, axis=1, keepdims=True))",
        {"classes-check"},
    ),
    (
        "unstable",
        "classes",
        "joint = np.exp(log_p) * prior\nreturn np.log(joint.sum(axis=1)), joint / joint.sum(axis=1, keepdims=True)",
        {"classes-check"},
    ),
    (
        "mean of logs",
        "classes",
        "return log_p @ prior, np.exp(log_p) / np.exp(log_p).sum(1)[:, None]",
        {"classes-check"},
    ),
]
RIGHT = [
    (
        "elbo",
        """
evidence = np.log(sum(p * l for p, l in zip(prior, likelihood)))
posterior = np.array(prior) * likelihood / np.exp(evidence)
return float(evidence), float(evidence - np.sum(q * (np.log(q) - np.log(posterior))))""",
    ),
    (
        "repair",
        """
from scipy.special import log_expit
losses = []
for one, m, v, e in zip(x, mean, np.exp(log_var), noise):
    logits = (m + v**0.5 * e).dot(weights)
    nats = [log_expit(logit if pixel else -logit) for pixel, logit in zip(one, logits)]
    losses.append(((m**2 + v - 1 - np.log(v)) / 2).sum() - sum(nats))
return sum(losses) / len(losses)""",
    ),
    ("sigma", "return (0.5 * w * pixels) ** 0.5"),
    ("beta", "return (implied_sigma(w, pixels) / sigma) ** 2"),
    (
        "groups",
        """
bounds = []
for group in np.split(log_w, len(log_w) // k):
    top = group.max(axis=0)
    bounds.append(top + np.log(np.exp(group - top).sum(axis=0) / k))
return sum(bounds) / len(bounds)""",
    ),
    (
        "coupling",
        """
m = y.shape[1] // 2
total = stats.norm.logpdf(y[:, :m]).sum(axis=1)
for j in range(m):
    total = total + stats.norm.logpdf(y[:, m + j], (y[:, :m] @ T)[:, j], np.exp(y[:, :m] @ S[:, j]))
return total""",
    ),
    (
        "threshold",
        """
n = len(scores)
for place, score in enumerate(sorted(scores), start=1):
    if (n + 1 - place) / (n + 1) <= alpha:
        return score
return float("inf")""",
    ),
    (
        "classes",
        """
from scipy.special import softmax
top = log_p.max(axis=1, keepdims=True)
return (top + np.log(np.exp(log_p - top) @ prior[:, None]))[:, 0], softmax(log_p + np.log(prior), axis=1)""",
    ),
]


def failed(answers):
    """The checks that fail when the cells of these names are answered so, all others as in the solution."""
    names, found = {}, []
    for cell in rules.code(SOLUTION):
        source = cell.source
        if cell.id.removesuffix("-answer") in answers:
            indent, answer = "\n    ", answers[cell.id.removesuffix("-answer")].strip()
            source = source.split(f"    {BEGIN}")[0] + "    " + answer.replace("\n", indent)
        try:
            exec(compile(source, cell.id, "exec"), names)
        except Exception as error:
            assert is_check(cell), f"{cell.id}: {error!r}"
            assert isinstance(error, AssertionError), f"{cell.id} should say what is wrong, and raises {error!r}"
            found.append(cell.id)
    return set(found)


def test_rules():
    own = [rules.holes_are_narrow, rules.holes_are_checked, rules.grading_is_sound]
    assert rules.broken(rules.EVERY + rules.EXECUTED + own, SOLUTION, PATHS[0]) == []
    assert rules.broken(rules.EVERY + rules.EXERCISE, EXERCISE, PATHS[1]) == []
    assert list(rules.holds_no_answer(EXERCISE, SOLUTION)) == []


def test_minutes_and_points_add_up():
    stated = re.search(r"\*\*Time:\*\* (\d+) minutes. \*\*Points:\*\* (\d+)\.", TEXT)
    questions, points, kinds = [], {}, {"code": 0, "markdown": 0}
    for cell in SOLUTION.cells:
        questions += re.findall(r"(?m)^## Question (\d)\. .* \((\d+) points, (\d+) minutes\)$", cell.source)
        if grader(cell).get("grade"):
            points[questions[-1][0]] = points.get(questions[-1][0], 0) + grader(cell).points
            kinds[cell.cell_type] += grader(cell).points
            if cell.cell_type == "markdown":
                assert re.search(r"(1|one)\spoint", cell.source, re.I), f"{cell.id}: a rubric says what earns a point"
    assert [int(number) for number, _, _ in questions] == [*range(1, len(questions) + 1)] and 6 <= len(questions) <= 8
    assert points == {number: int(stated) for number, stated, _ in questions}
    assert sum(int(minutes) for _, _, minutes in questions) == int(stated[1])
    assert kinds["code"] == kinds["markdown"] == int(stated[2]) / 2, "half for code, half for words, as it says"


def test_the_solution_earns_everything():
    assert failed({}) == set()


@pytest.mark.parametrize("what, cell, answer, lost", WRONG, ids=[f"{row[1]}: {row[0]}" for row in WRONG])
def test_a_wrong_answer_loses_its_own_points_only(what, cell, answer, lost):
    assert failed({cell: answer}) == lost


def test_right_answers_written_differently_earn_everything():
    assert {name for name, _ in RIGHT} == {c.id.removesuffix("-answer") for c in SOLUTION.cells if is_hole(c)}
    assert failed(dict(RIGHT)) == set()


def test_an_untouched_exam_earns_nothing():
    nothing = {name: "raise AssertionError('untouched')" for name, _ in RIGHT}
    assert failed(nothing) == set(CHECKS)


def test_it_is_handed_out_only_when_asked_for():
    assert not any("exam" in path for path in package.content() if path.startswith("exercises/"))
    assert list(package.content(["exam"], only_sheets=True)) == ["exercises/exam/exam.ipynb"]
    text = package.content(["exam"], only_sheets=True)["exercises/exam/exam.ipynb"].decode()
    assert END not in text and "amortization gap" not in text
