"""`gensweep intrinsic-dimension FILE.npy`: the numbers it prints, its verdicts, and every kind of bad file."""

from pathlib import Path

import numpy as np
import pytest

from measures import participation_ratio, twonn
from orchestrator.dimensions import intrinsic_dimension
from sweeps.__main__ import gensweep
from tests.command import GENSWEEP, run

rng = np.random.default_rng(0)
PLANE = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 30))


def printed(file: Path, points: np.ndarray, capsys: pytest.CaptureFixture[str], expected: int = 0) -> str:
    np.save(file, points)
    assert intrinsic_dimension(file) == expected
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


def test_a_person_gets_numbers_intervals_and_a_verdict(tmp_path: Path, cache: Path) -> None:
    np.save(tmp_path / "plane.npy", PLANE.astype(np.float32))
    result = run(cache, ["intrinsic-dimension", str(tmp_path / "plane.npy")], GENSWEEP, COLUMNS="120")
    assert result.returncode == 0, result.stderr
    estimate, ratio = twonn(PLANE.astype(np.float32)), participation_ratio(PLANE.astype(np.float32))
    low, high = estimate.value - 1.96 * estimate.stderr, estimate.value + 1.96 * estimate.stderr
    rows = {cells[0]: cells[1:] for line in result.stdout.splitlines() if len(cells := cells_of(line)) > 4}
    assert rows["TwoNN, linear fit"] == [
        f"{estimate.value:.2f}", f"{estimate.stderr:.2f}", f"{low:.2f} to {high:.2f}", "400",
    ]  # fmt: skip
    assert rows["participation ratio"][:2] == [f"{ratio.value:.2f}", f"{ratio.stderr:.2f}"]
    assert list(rows)[-6:] == ["1", "2", "4", "8", "16", "32"]
    assert "400 points of 30 features, float32" in result.stdout
    assert "The points have 2.0 dimensions (95 % interval 1.9 to 2.2), the same from rank 1 to 32." in result.stdout


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("│┃").replace("┃", "│").split("│")]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (rng.normal(size=(300, 60)), "dimensions; 300 points do not show how many."),
        (
            np.outer(rng.normal(size=1000), np.ones(20)) + 0.01 * rng.normal(size=(1000, 20)),
            "No one dimension holds at every scale: ",
        ),
        (
            np.vstack([rng.normal(size=(300, 1)) @ np.ones((1, 20)), 100 + rng.normal(size=(300, 20))]),
            "No single dimension describes the points: the ratios are 0.",
        ),
        (rng.normal(size=(12, 3)), "12 points are too few: 20 neighbours of each need 21"),
        (np.vstack([PLANE, PLANE[:20]]), "Note: 40 of 420 points were dropped as duplicates of another."),
        (PLANE.astype(np.float16), "Note: The points came in float16, whose rounding"),
        (rng.normal(size=(100, 40)), "Note: local PCA, 50 neighbours: 50 neighbours are few for "),
    ],
    ids=["high dimension", "noise", "mixture", "few points", "duplicates", "half precision", "local PCA"],
)
def test_says_what_the_numbers_are_worth(
    tmp_path: Path, points: np.ndarray, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert expected in printed(tmp_path / "points [1].npy", points, capsys)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.full((9, 3), np.nan), "9 of 9 rows hold NaN or infinity"),
        (np.zeros((3, 4, 5)), "shape (3, 4, 5) is not valid: examples in rows, at least 5 of them"),
        (np.eye(4), "shape (4, 4) is not valid: examples in rows, at least 5 of them"),
        (np.zeros(9), "shape (9,) is not valid"),
        (np.full((30, 4), 0.1), "all 30 points are equal: they have no dimension"),
        (np.eye(9), "all 9 points have r_1 = r_2 (a lattice?): no dimension"),
        (np.eye(9).astype(complex), "dtype complex128 is not valid: real numbers, as float32"),
        (np.array(["a", "b"]), "dtype str32 is not valid"),
        (np.array([1, "a"], dtype=object), "not an array of numbers stored by numpy.save"),
    ],
)
def test_refuses_points_in_one_line(
    tmp_path: Path, points: np.ndarray, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "points.npy"
    np.save(file, points)
    assert intrinsic_dimension(file) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith(f"error: {file}: ") and message in captured.err


def test_refuses_what_is_no_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "text.npy").write_text("1 2 3\n")
    np.savez(tmp_path / "several.npz", a=np.eye(3), b=np.eye(2))
    expected = {
        "empty.npy": "not an array of numbers stored by numpy.save",
        "text.npy": "not an array of numbers stored by numpy.save",
        "several.npz": "holds several arrays (a, b); store one by numpy.save",
        "": "cannot be read: Is a directory",
    }
    for name, message in expected.items():
        assert intrinsic_dimension(tmp_path / name) == 2
        assert capsys.readouterr().err == f"error: {tmp_path / name}: {message}\n"
    assert gensweep()(["intrinsic-dimension", str(tmp_path / "missing.npy")]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'missing.npy'}: no such file\n"
