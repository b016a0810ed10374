"""The table of published results: its words and verdicts, and that each row runs. No figure is tested here."""

import importlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def programs():
    """The modules rows, claims, store and yardsticks."""
    sys.path.insert(0, str(FOLDER))
    yield [importlib.import_module(name) for name in ("rows", "claims", "store", "yardsticks")]
    sys.path.remove(str(FOLDER))


def trial(*options):
    command = [sys.executable, str(FOLDER / "yardsticks.py"), "--trial", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1200)


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """All rows, on noise, one epoch each: the text and the folder of what is stored."""
    folder = tmp_path_factory.mktemp("yardsticks")
    done = trial("--store", folder, "--markdown", folder / "table.md")
    assert done.returncode == 0, done.stderr[-2000:]
    return (folder / "table.md").read_text(), folder


def test_every_row_runs_and_has_its_lines_in_the_table(tried, programs):
    text, _ = tried
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert {len(cells) for cells in lines} == {7}, "an even table"
    assert [*dict.fromkeys(cells[0] for cells in lines[2:])] == [row.name for row in programs[0].rows()]
    assert "NOT TO BE QUOTED" in text
    assert not re.search(r"\bnan\b", text)


def test_noise_is_no_success(tried):
    """The verdicts can fail: on noise, no row of training reaches anything but its budget and its limits in general."""
    text, _ = tried
    for quantity in ("Y1 | test NLL", "after 15 epochs", "VampPrior is better by", "784-512-256-32: test"):
        line = next(line for line in text.splitlines() if quantity in line)
        assert "NOT reached" in line or "BEYOND THE LIMIT" in line, line


def test_what_is_finished_is_not_measured_again(tried):
    text, folder = tried
    stored = {file: file.stat().st_mtime_ns for file in folder.rglob("*.json")}
    one = next(file for file in stored if file.name.startswith("Y1_"))
    entry = json.loads(one.read_text())
    entry["found"]["nll"] = 91.234
    one.write_text(json.dumps(entry))
    lost = next(file for file in stored if file.name.startswith("exact"))
    lost.unlink()  # as if the run had been cut off before this piece
    done = trial("--store", folder, "--only", "exact", "Y1")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "91.23" in done.stdout, "the stored number is used"
    assert lost.exists(), "the missing piece was measured"
    assert all(f.stat().st_mtime_ns == time for f, time in stored.items() if f not in (one, lost))


def test_stored_pieces_are_forgotten_when_the_code_changes(programs, tmp_path):
    store, program = programs[2], tmp_path / "program.py"
    program.write_text("a = 1")
    first = store.Store("x", program, folder=tmp_path)
    first["seed=0"] = {"nll": 1.5}
    assert first["seed=0"] == {"nll": 1.5} and "seed=1" not in first
    assert "seed=0" in store.Store("x", program, folder=tmp_path)
    program.write_text("a = 2")
    assert "seed=0" not in store.Store("x", program, folder=tmp_path)


def test_a_row_is_forgotten_by_what_it_depends_on_only(programs, tmp_path, monkeypatch):
    """Comments, docstrings and other rows may change; what the row names may not, through whatever it names."""
    store = programs[2]
    text = "SIZE = 3\n\n\ndef helper(x):\n    return x + SIZE\n\n\ndef row(x):\n    return helper(x)\n"
    monkeypatch.syspath_prepend(tmp_path)

    def code(text):
        (tmp_path / "made_up.py").write_text(text)
        monkeypatch.delitem(sys.modules, "made_up", raising=False)
        importlib.invalidate_caches()
        return store.code_of(importlib.import_module("made_up").row)

    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # else a file of the same second and size is not read again
    first = code(text)
    assert len(first) == 3
    assert code(text + "\n\ndef other(x):\n    return 1\n") == first
    local = text.replace("    return helper(x)", "    other = helper(x)\n    return other")
    assert len(code(local + "\n\ndef other(x):\n    return 1\n")) == 3, "a local is no other function"
    remark = text.replace("    return helper(x)", '    """A protocol."""\n    return helper(x)  # a remark')
    assert code(remark.replace("def row(x)", "def row(x: float) -> float")) == first
    assert code(text.replace("SIZE = 3", "SIZE = 4")) != first
    assert code(text.replace("x + SIZE", "x * SIZE")) != first


def test_code_of_follows_names_into_other_programs(programs):
    rows, _, store, _ = programs
    assert any(": def decayed" in text for text in store.code_of(rows.measure_y1))
    assert not any("def measure_y2" in text for text in store.code_of(rows.measure_y1))


def test_rows_that_are_not_run_stand_as_they_were(programs):
    rows, claims, _, yardsticks = programs
    first, second = (
        rows.Row(name, lambda run: 0, [{}], lambda r: [claims.Claim("NLL", "88.7", [r[0][1]], 95, 88)], True)
        for name in ("Y1", "Y10")
    )
    first.measure.__doc__ = second.measure.__doc__ = "A protocol."
    entry = {"piece": {}, "found": 99.0, "cpu": 60.0, "day": "2026-01-01"}
    before, failed = yardsticks.table([first, second], {"Y1": [entry], "Y10": [entry]}, False)
    assert len(failed) == 2
    now = {"Y10": [entry | {"found": 90.0, "day": "2026-02-02"}]}
    text, failed = yardsticks.table([first, second], now, False, before)
    lines = [line for line in text.splitlines() if "Y1" in line]
    assert [line[:9] for line in lines] == ["| Y1 | NL", "| Y10 | N", "- **Y1**:", "- **Y10**", "- Y1, NLL"]
    assert "99.00" in lines[0] and "90.00" in lines[1] and "2026-01-01" in lines[2] and "2026-02-02" in lines[3]
    assert not failed


@pytest.mark.parametrize(
    ("values", "reach", "limit", "expected"),
    [
        ([93.0, 96.0], 95, 88, "reached"),  # the mean counts
        ([96.0], 95, 88, "NOT reached"),
        ([95.0, 87.9], 95, 88, "BEYOND THE LIMIT"),  # a single value beyond it is enough
        ([88.0], 95, 88, "reached"),
        ([1.2], 0.5, 3, "reached"),  # more is better where the limit lies above
        ([0.4], 0.5, 3, "NOT reached"),
        ([1.0, 3.1], 0.5, 3, "BEYOND THE LIMIT"),
        ([math.nan], 95, 88, "NOT reached: not a number"),
        ([99.0], math.inf, 88, "told"),
        ([87.0], math.inf, 88, "BEYOND THE LIMIT"),
        ([0.7], -math.inf, 0.6, "BEYOND THE LIMIT"),
    ],
)
def test_verdicts(programs, values, reach, limit, expected):
    _, claims, _, yardsticks = programs
    assert yardsticks.verdict(claims.Claim("what", "", values, reach, limit)) == expected


def test_pythae_is_compared_where_it_is_installed(programs, capsys):
    pythae, yardsticks = importlib.import_module("rows_pythae"), programs[3]
    pieces = [{"model": model, "by": by, "seed": 0} for model in pythae.NAMES for by in (pythae.OURS, pythae.THEIRS)]
    found = {pythae.OURS: {"nll": 101.5, "minutes": 1.0}, pythae.THEIRS: {"nll": 100.0, "minutes": 1.0, "off": 0.0}}
    results = [(piece, found[piece["by"]]) for piece in pieces]
    lines = {claim.what: claim for claim in pythae.y1b(results)}
    lost = lines["VAE: ours is lower by, nats, seed by seed"]
    assert lost.values == [-1.5] and yardsticks.verdict(lost) == "NOT reached"
    assert capsys.readouterr().out == ""
    alone = pythae.y1b([(piece, numbers) for piece, numbers in results if piece["by"] == pythae.OURS])
    assert len(alone) == 2 * len(pythae.NAMES) and all("pythae:" not in claim.what for claim in alone)
    assert "Y1b: pythae is not installed here" in capsys.readouterr().out


@pytest.mark.parametrize("nll", [120.0, 50.0])
def test_a_bad_result_and_one_that_is_too_good_fail_the_run(programs, nll, tmp_path, monkeypatch, capsys):
    rows, claims, _, yardsticks = programs
    row = rows.Row(
        "Y1",
        lambda run, seed: {"nll": nll},
        [{"seed": 0}],
        lambda r: [claims.Claim("NLL", "88.7", [nll], 95, 88)],
        True,
    )
    row.measure.__doc__ = "A protocol."
    monkeypatch.setattr(rows, "rows", lambda: [row])
    monkeypatch.setattr(sys, "argv", ["yardsticks.py", "--store", str(tmp_path), "--markdown", str(tmp_path / "t.md")])
    with pytest.raises(SystemExit, match="FAILED:\nY1, NLL: .*88.00 to 95.00"):
        yardsticks.main()
    assert "A protocol." in (tmp_path / "t.md").read_text(), "the table is written all the same"


def test_data_that_is_damaged_is_told_with_what_to_do(tmp_path, monkeypatch):
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        file = tmp_path / "mnist" / f"{part}-ubyte.gz"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"nothing")
    monkeypatch.setenv("VAE_COURSE_DATA", str(tmp_path))
    command = [sys.executable, str(FOLDER / "yardsticks.py"), "--only", "Y2", "--store", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    assert "damaged" in done.stderr and "--trial" in done.stderr and "Traceback" not in done.stderr


def rows_of(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]


def part_of_results(title):
    text = (FOLDER.parent / "docs/results.md").read_text()
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_results_quote_the_table():
    table = rows_of((FOLDER / "yardsticks.md").read_text())
    quoted = rows_of(part_of_results("How it compares with published results"))[1:]
    assert len(quoted) >= 6
    for name, _, published, ours in quoted:
        found = [cells for cells in table if cells[0] == name and cells[3] == ours]
        assert found, f"docs/results.md: {name}, {ours} is not in yardsticks.md"
        assert any(published in (cells[2], "") for cells in found), f"docs/results.md: {name}, published {published}"


def test_the_results_quote_the_speed_that_was_measured():
    measured = {(cells[0], cells[1]) for cells in rows_of((FOLDER / "speed.md").read_text())}
    speeds = {speed for _, speed in measured}
    quoted = [cells for cells in rows_of(part_of_results("How fast it is"))[1:]]
    assert len(quoted) >= 6
    for title, *cells in quoted:
        for cell in cells:
            assert cell in speeds or cell == "-", f"docs/results.md: {title}, {cell} is not in speed.md"


def test_the_table_in_the_repository_is_whole_and_no_trial(programs):
    text = (FOLDER / "yardsticks.md").read_text()
    assert "NOT TO BE QUOTED" not in text
    assert [*dict.fromkeys(cells[0] for cells in rows_of(text)[1:])] == [row.name for row in programs[0].rows()]
    assert "BEYOND THE LIMIT" not in text


@pytest.mark.parametrize("name", ["binarized_mnist", "mnist", "fashion_mnist"])
def test_real_data_has_the_exact_values(programs, name):
    if not Path(os.environ.get("VAE_COURSE_DATA") or "missing", name).is_dir():
        pytest.skip(f"set VAE_COURSE_DATA to a folder that holds {name}")
    rows, claims, _, yardsticks = programs
    found = rows.measure_exact(yardsticks.Run(trial=False), name)
    outcomes = {claim.what: yardsticks.verdict(claim) for claim in claims.exact([({"data": name}, found)])}
    assert set(outcomes.values()) == {"reached"}, outcomes
