"""Studies of a user's own, and what else `--studies` adds: loaded before there are commands, as each is one."""

import importlib
import traceback
from collections.abc import Sequence
from pathlib import Path

OPTION = "--studies"
WITHOUT_OPTION = ("list", "show", "intrinsic-dimension", "doctor", "--help", "-h")


def separated(arguments: Sequence[str]) -> list[str]:
    """`--studies=FILE` as two words.

    >>> separated(["--studies=mine.py", "run", "mine"])
    ['--studies', 'mine.py', 'run', 'mine']
    """
    words = [word.split("=", 1) if word.startswith(f"{OPTION}=") else [word] for word in arguments]
    return [each for pair in words for each in pair]


def add(arguments: Sequence[str]) -> None:
    """Add what `--studies` names among the arguments to the tables of this process; ValueError if it cannot be."""
    if OPTION not in arguments[:-1]:
        return
    # Here, because the commands that do without load neither torch nor the table of studies for this.
    from workers.families import FAMILIES
    from workers.own_entries import add_entries, load, read_own_entries

    path = Path(arguments[arguments.index(OPTION) + 1])
    own = read_own_entries(path)
    try:
        module = load(own.module, path.resolve().parent)
    except Exception as error:  # whatever a user's file may raise
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        raise ValueError(f"{path} cannot be loaded: {type(error).__name__}: {error} (line {line})") from error
    add_entries(module, {"studies": importlib.import_module("sweeps").studies, **FAMILIES})


def option_last(arguments: Sequence[str]) -> list[str]:
    """`gensweep --studies FILE run NAME` as `gensweep run NAME --studies FILE`; left out of a command that only shows.

    >>> option_last(["--studies", "mine.py", "run", "mine"])
    ['run', 'mine', '--studies', 'mine.py']
    >>> option_last(["--studies", "mine.py", "list", "models"])
    ['list', 'models']
    """
    if list(arguments[:1]) != [OPTION]:
        return list(arguments)
    option, rest = arguments[:2], arguments[2:]
    return [*rest] if not rest or rest[0] in WITHOUT_OPTION else [*rest, *option]
