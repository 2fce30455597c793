"""TrainingState <-> bytes: safetensors for tensors, JSON for the rest, never pickle.

A checkpoint is a state file and a manifest that names it with its size and SHA-256. Whoever stores it writes the
manifest last, and whoever reads it trusts only what the manifest names.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

FORMAT = 1
STATE_FILE = "state.safetensors"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class TrainingState:
    """Everything needed to go on as if nothing had happened.

    `tensors` holds `model.*` (weights and buffers), `optimizer.*` and the random states; `record` what is not a tensor.
    """

    step: int
    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors under `prefix.`, by the rest of their names."""
        start = prefix + "."
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


class DamagedCheckpoint(ValueError):
    """A stored checkpoint is not what its manifest says; an older one may be good."""


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
    }
    return data, manifest


def decode(data: bytes, manifest_text: str, trial_id: str) -> TrainingState:
    """The state of a stored checkpoint; DamagedCheckpoint says what is wrong with it."""
    try:
        manifest = json.loads(manifest_text)
        problem = _problem(data, manifest, trial_id)
        if problem is None:
            return TrainingState(manifest["step"], safetensors.torch.load(data), manifest["record"])
    except (json.JSONDecodeError, KeyError, TypeError, SafetensorError) as error:
        problem = f"cannot be read ({error!r})"
    raise DamagedCheckpoint(f"checkpoint of trial {trial_id}: {problem}")


def _problem(data: bytes, manifest: Mapping[str, Any], trial_id: str) -> str | None:
    if manifest["format"] != FORMAT:
        return f"{MANIFEST_FILE} has format {manifest['format']}, this version reads {FORMAT}"
    if manifest["trial_id"] != trial_id:
        return f"{MANIFEST_FILE} belongs to trial {manifest['trial_id']}"
    if len(data) != manifest["bytes"]:
        return f"{STATE_FILE} has {len(data)} bytes, its manifest says {manifest['bytes']}"
    if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
        return f"{STATE_FILE} does not have the SHA-256 of its manifest"
    return None
