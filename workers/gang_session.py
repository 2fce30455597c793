"""GangSession: the one record of a trial that several processes train."""

import json
from collections.abc import Mapping

from torch import nn

from workers.checkpoint import TrainingState, decode, encode
from workers.gang import Gang
from workers.runtime import Checkpoints
from workers.session import Session


class GangSession:
    """Implements `workers.session.Session`; see there. Only the leader writes, and what it resumes from goes to all."""

    def __init__(self, session: Session | None, checkpoints: Checkpoints, gang: Gang) -> None:
        if (session is not None) != gang.leads:
            raise ValueError("a gang has one record: it takes the leader's session, and no other")
        self.session, self.checkpoints, self.gang = session, checkpoints, gang

    def newest_state(self, model: nn.Module, dataset_sha256: str) -> TrainingState | None:
        state = None if self.session is None else self.session.newest_state(model, dataset_sha256)
        data, manifest = (None, None) if state is None else encode(state, "gang")
        data = self.gang.from_leader(data)
        text = self.gang.from_leader(json.dumps(manifest).encode())
        return None if data is None or text is None else decode(data, text.decode(), "gang")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if self.session is not None:
            self.session.log(step, metrics)

    def save(self, state: TrainingState) -> None:
        if self.session is not None:
            self.session.save(state)

    def checkpoint_steps(self, total_steps: int, steps_per_epoch: int) -> frozenset[int]:
        return self.checkpoints.steps(total_steps, steps_per_epoch)
