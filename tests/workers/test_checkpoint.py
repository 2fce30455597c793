"""Checkpoints as bytes: whatever happens to them is noticed, and told in one line that names the file."""

import ast
import json
from collections.abc import Iterator

import pytest
import safetensors.torch
import torch
from torch import nn

from tests.command import ROOT
from workers.checkpoint import (
    DamagedCheckpoint,
    MisfitCheckpoint,
    TrainingState,
    decode,
    encode,
    require_fit,
)

STATE = TrainingState(
    7,
    {"model.w": torch.tensor([1.0, -0.0, float("nan")]), "optimizer.0.step": torch.tensor(3)},
    {"thresholds": {"exact": 4}, "optimizer": {}},
    "data",
)


def stored(state: TrainingState = STATE) -> tuple[bytes, bytes]:
    """The bytes of both files."""
    data, manifest = encode(state, "t1")
    return data, json.dumps(manifest, indent=1).encode()


def bits_of(state: TrainingState) -> object:
    tensors = {name: (tensor.dtype, tensor.shape, tensor.numpy().tobytes()) for name, tensor in state.tensors.items()}
    return state.step, tensors, state.record


def flipped(content: bytes) -> Iterator[bytes]:
    """The content with each of its bits flipped in turn."""
    for place in range(8 * len(content)):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        yield bytes(changed)


def test_a_state_comes_back_as_it_went() -> None:
    assert bits_of(decode(*stored(), "t1")) == bits_of(STATE)


def test_any_flipped_bit_of_the_state_is_noticed() -> None:
    """In its length, in its header and in every tensor."""
    data, manifest = stored()
    for damaged in flipped(data):
        with pytest.raises(DamagedCheckpoint, match=r"^state\.safetensors does not have the SHA-256 of its manifest$"):
            decode(damaged, manifest, "t1")


def test_any_flipped_bit_of_the_manifest_is_noticed_or_harmless() -> None:
    data, manifest = stored()
    noticed = 0
    for damaged in flipped(manifest):
        try:
            state = decode(data, damaged, "t1")
        except DamagedCheckpoint as error:
            noticed += 1
            assert "\n" not in str(error) and str(error).startswith(("manifest.json", "state.safetensors"))
        else:
            assert bits_of(state) == bits_of(STATE)
    assert noticed > 7.9 * len(manifest.replace(b" ", b"").replace(b"\n", b""))


@pytest.mark.parametrize("part", ["state", "manifest"])
def test_a_truncated_file_is_noticed(part: str) -> None:
    data, manifest = stored()
    for length in range(len(data if part == "state" else manifest)):
        files = (data[:length], manifest) if part == "state" else (data, manifest[:length])
        with pytest.raises(
            DamagedCheckpoint, match=r"bytes, its manifest says" if part == "state" else "cannot be read"
        ):
            decode(*files, "t1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, r"^manifest\.json has format 99, this version reads 2$"),
        ({"step": 8}, r"^manifest\.json does not have the SHA-256 of its seal$"),
        ({"record": {}}, r"^manifest\.json does not have the SHA-256 of its seal$"),
        ({"more": 1}, r"^manifest\.json does not have the SHA-256 of its seal$"),
    ],
)
def test_a_changed_manifest_says_what_is_wrong(changes: dict[str, object], message: str) -> None:
    data, manifest = stored()
    with pytest.raises(DamagedCheckpoint, match=message):
        decode(data, json.dumps({**json.loads(manifest), **changes}), "t1")


@pytest.mark.parametrize("text", ["{", "[]", "null", '"format"', "{}", b"\xff\xfe"])
def test_what_is_no_manifest_says_so(text: str | bytes) -> None:
    with pytest.raises(DamagedCheckpoint, match=r"^manifest\.json cannot be read \(.+\)$"):
        decode(stored()[0], text, "t1")


def test_the_checkpoint_of_another_trial_is_refused() -> None:
    with pytest.raises(DamagedCheckpoint, match=r"^manifest\.json belongs to trial t1$"):
        decode(*stored(), "t2")


def test_a_state_that_was_never_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors.torch, "save", lambda _tensors: b"no tensors at all")
    with pytest.raises(DamagedCheckpoint, match=r"^state\.safetensors cannot be read \(.*\)$"):
        decode(*stored(), "t1")


def linear(num_outputs: int = 2, bias: bool = True) -> nn.Module:
    return nn.Sequential(nn.Linear(3, num_outputs, bias=bias))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (linear(num_outputs=4), r"0\.weight is float32 \(2, 3\) in it and float32 \(4, 3\) in the network"),
        (linear().double(), r"0\.weight is float32 \(2, 3\) in it and float64 \(2, 3\) in the network"),
        (linear(bias=False), r"it has 0\.bias, which the network has not"),
        (nn.Sequential(linear()[0], nn.BatchNorm1d(2)), r"it has no 1\.bias"),
    ],
)
def test_the_checkpoint_of_another_network_is_refused_in_one_line(network: nn.Module, message: str) -> None:
    state = TrainingState(7, {f"model.{name}": tensor for name, tensor in linear().state_dict().items()}, {}, "data")
    require_fit(state, linear(), "data")
    where = r"^checkpoints/step-000000007/state\.safetensors is of another network: "
    with pytest.raises(MisfitCheckpoint, match=f"{where}{message}$") as caught:
        require_fit(state, network, "data")
    assert "\n" not in str(caught.value)


def test_the_checkpoint_of_other_data_is_refused() -> None:
    state = TrainingState(7, {f"model.{name}": tensor for name, tensor in linear().state_dict().items()}, {}, "data")
    where = r"^checkpoints/step-000000007/manifest\.json is of data with SHA-256 data; here they have other$"
    with pytest.raises(MisfitCheckpoint, match=where):
        require_fit(state, linear(), "other")


UNPICKLING = ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")


@pytest.mark.parametrize("package", ["measures", "workers", "orchestrator", "sweeps"])
def test_nothing_of_ours_unpickles(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            assert not unpickles(node), f"{file}, line {getattr(node, 'lineno', 0)}: {ast.unparse(node)}"


def unpickles(node: ast.AST) -> bool:
    """Imports what does, or calls a `load` of torch or numpy that may."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        return any(module.split(".")[0] in UNPICKLING for module in modules)
    if not isinstance(node, ast.Call):
        return False
    called, settings = ast.unparse(node.func), {each.arg: ast.unparse(each.value) for each in node.keywords}
    return called == "torch.load" or (called == "np.load" and settings.get("allow_pickle") != "False")


@pytest.mark.parametrize("line", ["import pickle", "from joblib import load", "torch.load(file)", "np.load(file)"])
def test_that_test_notices(line: str) -> None:
    assert any(map(unpickles, ast.walk(ast.parse(line))))
