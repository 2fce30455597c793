"""What a person types: help, lists, plans, and every kind of bad input."""

import os
import shlex
import sys
from pathlib import Path

import pytest
from cyclopts import App
from rich.console import Console

from measures.registry import Entry
from sweeps.__main__ import DEFAULT_PARAMETER, Options, _command, gensweep, script
from sweeps.double_descent import double_descent
from tests.command import GENSWEEP, environment, run


@pytest.fixture
def nothing_set(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The surroundings of a command in a process of its own, for one in this process."""
    for name in os.environ.keys() - environment(cache).keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("GENSWEEP_CACHE", str(cache))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label-noise", "1.5"], "label_noise.0=1.5 is not valid: input should be less than or equal to 1"),
        (["--widths"], "declares no trials: give every axis at least one value"),
        (["--widths", "0"], "widths.0=0 is not valid: input should be greater than or equal to 1"),
        (["--widths", "wide"], 'unable to convert "wide" into int'),
        (["--widht", "3"], "Unknown option"),
        (["--replicates", "0"], "replicates=0 is not valid"),
        (["--preset", "huge"], "preset"),
        (["--tracking-uri", "http://127.0.0.1:9"], "no MLflow server answers at http://127.0.0.1:9"),
        (["--tracking-uri", "mlruns"], "tracking URI 'mlruns' is not valid"),
        (["--address", "127.0.0.1:9"], "no Ray cluster answers at 127.0.0.1:9"),
        (["--address", "somewhere"], "Ray address 'somewhere' is not valid"),
        (["--devices-per-trial", "1.5"], "devices per trial 1.5 is not valid: a whole number, or a fraction of a GPU"),
    ],
)
@pytest.mark.usefixtures("nothing_set")
def test_bad_input_is_one_message_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    folder = tmp_path / "results"
    with pytest.raises(SystemExit) as ended:  # as its entry point ends
        sys.exit(script(double_descent)([*arguments, "--folder", str(folder)]))
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert message in " ".join((shown.out + shown.err).split())
    assert "Traceback" not in shown.out + shown.err
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "epochs=0 is not valid: input should be greater than or equal to 1"),
        (["--devices-per-trial", "0.5"], "devices per trial 0.5 is not valid: there is no GPU to share"),
        (["--devices-per-trial", "1000"], "devices per trial 1000 is not valid: the cluster has"),
    ],
)
def test_so_it_is_in_a_process_of_its_own_also_where_the_cluster_decides(
    tmp_path: Path, cache: Path, arguments: list[str], message: str
) -> None:
    folder = tmp_path / "results"
    result = run(cache, [*arguments, "--folder", str(folder)])
    assert result.returncode == 2
    assert message in " ".join((result.stdout + result.stderr).split())
    assert "Traceback" not in result.stdout + result.stderr
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(cache, ["--folder", str(tmp_path / "file" / "below")])
    assert result.returncode == 2
    assert "is not a writable folder" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_plan_says_what_would_be_done_and_does_nothing(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "results"
    for command, arguments in ((GENSWEEP, ["plan", "double_descent"]), (("sweeps/double_descent.py",), ["--plan"])):
        result = run(cache, [*arguments, "--folder", str(folder)], command)
        assert result.returncode == 0, result.stderr
        assert "38 trials (38 pending)" in result.stdout
    assert not folder.exists()


@pytest.mark.usefixtures("nothing_set")
def test_the_paper_preset_validates_and_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", "paper", "--plan", "--folder", str(tmp_path / "results")]
    assert script(double_descent)(arguments) == 0
    assert "64 trials (64 pending)" in capsys.readouterr().out


@pytest.fixture
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("studies", "double_descent"),
        ("models", "width: int = 100"),
        ("datasets", "mnist1d"),
        ("corruptions", "fraction: float = 0.0"),
        ("optimizers", "momentum"),
        ("schedules", "half_constant_linear"),
        ("fits", "epochs"),
        ("measures", "intrinsic_dimension"),
    ],
)
@pytest.mark.usefixtures("wide_terminal")
def test_list_shows_every_family(capsys: pytest.CaptureFixture[str], family: str, expected: str) -> None:
    assert gensweep()(["list", family]) == 0
    assert expected in capsys.readouterr().out


def test_a_family_is_listed_and_an_unknown_one_refused_by_the_command_itself(cache: Path) -> None:
    assert "width: int = 100" in run(cache, ["list", "models"], GENSWEEP, COLUMNS="160").stdout
    result = run(cache, ["list", "colours"], GENSWEEP)
    assert result.returncode == 2
    assert "unknown family 'colours'; known: studies, " in result.stderr


@pytest.mark.parametrize("action", ["plan", "run", "measure", "report", "status"])
@pytest.mark.usefixtures("wide_terminal")
def test_help_names_every_setting_with_its_meaning(capsys: pytest.CaptureFixture[str], action: str) -> None:
    gensweep()([action, "double_descent", "--help"])
    shown = capsys.readouterr().out
    for word in ("--widths", "--label-noise", "--replicates", "--preset", "--epochs", "--address", "--tracking-uri"):
        assert word in shown
    assert "fractions of random training labels" in shown


@pytest.mark.parametrize("words", [["--verbose=false"], ["--verbose"], ["--sizes", "2", "3"], []])
def test_the_command_in_a_report_declares_the_same_study_again(words: list[str]) -> None:
    declared: list[tuple[bool, tuple[int, ...]]] = []

    def study(*, verbose: bool = True, sizes: tuple[int, ...] = (1,)) -> None:
        """What was asked for?"""
        declared.append((verbose, sizes))

    entry = Entry("study", study)
    app = App(default_parameter=DEFAULT_PARAMETER, result_action="return_value")
    commands: list[str] = []

    def note(_study: None, options: Options, _console: Console) -> int:
        commands.append(options.command)
        return 0

    app.default(_command(entry, note))
    app(words)
    program, action, name, *again = shlex.split(commands[0])
    assert (program, action, name) == ("gensweep", "run", "study")
    app(again)
    assert declared[0] == declared[1]
    assert commands[0] == commands[1]
