"""Studies, models and measures of a user's own, outside this repository: the example of docs/extending.md, run."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from measures.registry import registry
from orchestrator import own_studies
from tests.command import GENSWEEP, ROOT, environment, records_of, run
from workers.own_entries import add_entries, read_own_entries
from workers.store_address import local_store
from workers.tracking import RunStore

EXAMPLE = re.search(r"^```python\n(.*?)^```", (ROOT / "docs" / "extending.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert EXAMPLE is not None
    path = tmp_path_factory.mktemp("elsewhere") / "my_studies.py"
    path.write_text(EXAMPLE.group(1))
    return path


def test_the_option_may_be_one_word_and_stand_before_the_command() -> None:
    words = own_studies.separated(["--studies=a=b.py", "run", "mine", "--widths", "2"])
    assert own_studies.option_last(words) == ["run", "mine", "--widths", "2", "--studies", "a=b.py"]


def command(studies: Path, *words: str) -> list[str]:
    return ["--studies", str(studies), *words]


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("made_store")
def test_the_example_trains_its_own_model_and_takes_its_own_measure(studies: Path, tmp_path: Path, cache: Path) -> None:
    settings = ["--widths", "2", "8", "--replicates", "1", "--epochs", "2", "--cpus", "1", "--folder", str(tmp_path)]
    ended = run(cache, command(studies, "run", "mine", *settings), GENSWEEP)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    trials = {record.name: record for record in records_of(tmp_path, "mine")}
    assert trials.keys() == {"width=0002 seed=0", "width=0008 seed=0"}
    store = RunStore(local_store(tmp_path / "store"))
    for record in trials.values():
        assert record.status == "FINISHED"
        assert record.tags["provenance.own_entries"] == read_own_entries(studies).description
        state = store.read_state(record.run_id, record.trial_id, record.checkpoints[-1])
        largest = max(float(w.abs().max()) for w in state.part("model").values() if w.dim() > 1)
        assert record.points["largest_weight/magnitude"].value == pytest.approx(largest)
    report = (tmp_path / "reports" / "mine" / "report.md").read_text()
    assert f"gensweep --studies {studies} run mine --widths 2 8" in report
    again = run(cache, command(studies, "plan", "mine", *settings), GENSWEEP)
    assert "to train 0, to measure at least 0" in again.stdout


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("list", "measures"), "largest_weight"),
        (("show", "thin", "--width", "4"), "214"),  # 40 x 4 + 4 and 4 x 10 + 10 parameters
        (("plan", "mine", "--epochs", "0"), "epochs=0 is not valid"),
    ],
)
def test_other_commands_know_it_too(
    studies: Path, words: tuple[str, ...], shown: str, tmp_path: Path, cache: Path
) -> None:
    folder = ("--folder", str(tmp_path)) if words[0] == "plan" else ()
    ended = run(cache, command(studies, *words, *folder), GENSWEEP)
    assert shown in ended.stdout + ended.stderr


PACKAGE = {
    "__init__.py": "from my_package.more.sizes import size\nentries = {'measures': [size]}\nversions = {'size': 3}\n",
    "more/__init__.py": "",
    "more/sizes.py": '''
from measures import Estimate, Measurement, Snapshot

def size(snapshot: Snapshot, *, scale: float = 1.0) -> Measurement:
    """Number of parameters."""
    return Measurement({"count": Estimate(scale * sum(p.numel() for p in snapshot.model.parameters()))})
''',
}


def test_a_package_travels_as_text_and_is_loaded_once_in_a_process_that_has_not_got_it(
    tmp_path: Path, cache: Path
) -> None:
    folder = tmp_path / "my_package"
    for name, text in PACKAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    own = read_own_entries(folder)
    assert [path for path, _ in own.files] == [f"my_package/{name}" for name in sorted(PACKAGE)]
    code = (
        "import json, sys; from pathlib import Path; from measures import Component, measures\n"
        "from workers.own_entries import OwnEntries, admit\n"
        "module, files = json.loads(sys.argv[1]); own = OwnEntries(module, tuple(map(tuple, files)))\n"
        "for _ in range(2): admit(own, Path(sys.argv[2]))\n"
        "print(measures.resolve(Component('size', scale=2)), measures['size'].version)\n"
    )
    arguments = [sys.executable, "-c", code, json.dumps([own.module, own.files]), str(tmp_path / "cache")]
    ended = subprocess.run(arguments, cwd=ROOT, env=environment(cache), capture_output=True, text=True, check=False)
    assert (ended.stdout.strip(), ended.returncode) == ("size(scale=2.0) 3", 0), ended.stderr


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nothing.py", None, r"nothing\.py' is not valid: a Python file, or a folder with an __init__\.py"),
        ("notes.txt", "", r"notes\.txt' is not valid: a Python file"),
        ("empty", {}, r"empty' is not valid: a Python file, or a folder with an __init__\.py"),
        ("json.py", "", r"cannot be imported as 'json': name it as no other module is"),
        ("two words.py", "", r"cannot be imported as 'two words'"),
        ("large.py", "#" * 1_000_001, r"large\.py' has 1,000,001 bytes of Python: at most 1,000,000 are sent along"),
    ],
)
def test_what_is_no_module_is_refused(tmp_path: Path, name: str, text: object, message: str) -> None:
    path = tmp_path / name
    if isinstance(text, str):
        path.write_text(text)
    elif text is not None:
        path.mkdir()
    with pytest.raises(ValueError, match=message):
        read_own_entries(path)


def thing(snapshot: object, *, size: int = 1) -> None:
    """A thing."""


def unfinished(snapshot: object, *, size=1) -> None:  # type: ignore[no-untyped-def] # what a user may forget
    """A thing whose setting has no annotation."""


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (None, r"^mine has no entries: give it entries = "),
        ({"measure": [thing]}, r"^mine has entries of unknown family 'measure'; known: studies, models, datasets"),
        ({"measures": thing}, r"^mine: entries\['measures'\]=<function thing .*> is not valid: a list of functions$"),
        ({"measures": [thing, thing]}, r"^there is a measure 'thing' already: give yours another name$"),
        ({"measures": [unfinished]}, r"^measure 'unfinished' cannot be added: setting 'size' .* needs an annotation"),
    ],
)
def test_entries_that_cannot_be_added_are_refused(entries: Any, message: str) -> None:
    module = ModuleType("mine")
    if entries is not None:
        vars(module)["entries"] = entries
    with pytest.raises(ValueError, match=message):
        add_entries(module, {"measures": registry("measure", ())})


def test_families_that_a_worker_has_not_are_left_out() -> None:
    module, table = ModuleType("mine"), registry("measure", ())
    functions: dict[str, list[Callable[..., object]]] = {"studies": [thing], "measures": [thing]}
    vars(module).update(entries=functions, versions={"thing": 2})
    add_entries(module, {"measures": table})
    assert table["thing"].version == 2


def test_a_file_that_cannot_be_loaded_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broken_studies.py"
    path.write_text("\nraise RuntimeError('no data')\n")
    with pytest.raises(ValueError, match=r"broken_studies\.py cannot be loaded: RuntimeError: no data \(line 2\)$"):
        own_studies.add(["--studies", str(path), "list"])
