"""TrainingState <-> bytes: safetensors for tensors, JSON for the rest, never pickle.

A checkpoint is a state file and a manifest that names it with its size and SHA-256, and seals itself with its own.
Whoever stores it writes the manifest last, and whoever reads it trusts only what the manifest names.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

FORMAT = 2
STATE_FILE = "state.safetensors"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class TrainingState:
    """Everything needed to go on as if nothing had happened.

    `tensors` holds `model.*` (weights and buffers), `optimizer.*` and what else the fit remembers; `record` what is not
    a tensor. `dataset_sha256` names the examples it was trained on: to go on with, and to be measured on.
    """

    step: int
    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]
    dataset_sha256: str

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors under `prefix.`, by the rest of their names."""
        start = prefix + "."
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


class DamagedCheckpoint(ValueError):
    """A stored checkpoint is not what its manifest says; an older one may be good."""


class MisfitCheckpoint(ValueError):
    """A whole checkpoint is of another network than the trial's, or was trained on other data."""


def checkpoint_folder(step: int) -> str:
    """Place of the checkpoint of a step among a run's artifacts."""
    return f"checkpoints/step-{step:09d}"


def encode(state: TrainingState, trial_id: str) -> tuple[bytes, dict[str, Any]]:
    """The state file's bytes and its manifest."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    data = safetensors.torch.save(tensors)
    manifest = {
        "format": FORMAT,
        "trial_id": trial_id,
        "step": state.step,
        "file": STATE_FILE,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "record": dict(state.record),
        "dataset_sha256": state.dataset_sha256,
    }
    return data, {**manifest, "seal": _seal(manifest)}


def decode(data: bytes, manifest_text: str | bytes, trial_id: str) -> TrainingState:
    """The state of a stored checkpoint; DamagedCheckpoint says what is wrong with which of its files."""
    try:
        manifest = json.loads(manifest_text)
        problem = _problem(data, manifest, trial_id)
        if problem is None:
            tensors = safetensors.torch.load(data)
            return TrainingState(manifest["step"], tensors, manifest["record"], manifest["dataset_sha256"])
    except SafetensorError as error:
        problem = f"{STATE_FILE} cannot be read ({error!r})"
    except (ValueError, KeyError, TypeError) as error:
        problem = f"{MANIFEST_FILE} cannot be read ({error!r})"
    raise DamagedCheckpoint(problem)


def require_fit(state: TrainingState, model: nn.Module, dataset_sha256: str) -> None:
    """MisfitCheckpoint unless the state is of this network, by name, type and shape of its tensors, and these data."""
    folder = checkpoint_folder(state.step)
    problem = _misfit(state.part("model"), model.state_dict())
    if problem is not None:
        raise MisfitCheckpoint(f"{folder}/{STATE_FILE} is of another network: {problem}")
    if state.dataset_sha256 != dataset_sha256:
        raise MisfitCheckpoint(
            f"{folder}/{MANIFEST_FILE} is of data with SHA-256 {state.dataset_sha256}; here they have {dataset_sha256}"
        )


def _misfit(stored: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str | None:
    if missing := sorted(own.keys() - stored.keys()):
        return f"it has no {missing[0]}"
    if strays := sorted(stored.keys() - own.keys()):
        return f"it has {strays[0]}, which the network has not"
    for name, tensor in own.items():
        if _kind(stored[name]) != _kind(tensor):
            return f"{name} is {_kind(stored[name])} in it and {_kind(tensor)} in the network"
    return None


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _seal(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its seal."""
    unsealed = {name: value for name, value in manifest.items() if name != "seal"}
    return hashlib.sha256(json.dumps(unsealed, sort_keys=True).encode()).hexdigest()


def _problem(data: bytes, manifest: Mapping[str, Any], trial_id: str) -> str | None:
    if manifest["format"] != FORMAT:
        return f"{MANIFEST_FILE} has format {manifest['format']}, this version reads {FORMAT}"
    if _seal(manifest) != manifest["seal"]:
        return f"{MANIFEST_FILE} does not have the SHA-256 of its seal"
    if manifest["trial_id"] != trial_id:
        return f"{MANIFEST_FILE} belongs to trial {manifest['trial_id']}"
    if len(data) != manifest["bytes"]:
        return f"{STATE_FILE} has {len(data)} bytes, its manifest says {manifest['bytes']}"
    if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
        return f"{STATE_FILE} does not have the SHA-256 of its manifest"
    return None
