"""Gang: the processes that train one trial together, one device each.

They meet at a store that the process which started them listens for, on an address it chose, so nothing else is opened
to the network but what the processes need among themselves.
"""

import contextlib
import datetime
import os
import socket
from collections.abc import Generator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import TCPStore

TIMEOUT = datetime.timedelta(minutes=10)  # for one collective; a peer that died is noticed sooner by whoever started it


@dataclass(frozen=True)
class Gang:
    """One process's place among `size` processes; the first one, the leader, writes for all."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch: contiguous rows, sizes that differ by one at most."""
        return batch.tensor_split(self.size)[self.rank]

    def total(self, tensor: Tensor) -> Tensor:
        """Sum over all processes, as a new tensor; no gradient flows through it."""
        total = tensor.detach().clone()
        if self.size > 1:
            dist.all_reduce(total)
        return total

    def from_leader(self, data: bytes | None) -> bytes | None:
        """What the leader gave, in every process; the others' argument does not count."""
        if self.size == 1:
            return data
        length = torch.tensor(-1 if data is None or not self.leads else len(data), device=_device())
        dist.broadcast(length, src=0)
        if length.item() < 0:
            return None
        content = torch.empty(int(length.item()), dtype=torch.uint8, device=_device())
        if self.leads and data:
            content.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.broadcast(content, src=0)
        return content.cpu().numpy().tobytes()


ALONE = Gang()


@dataclass(frozen=True)
class MeetingPoint:
    """Where the processes of a gang find each other."""

    host: str
    port: int


@contextlib.contextmanager
def meeting_point(host: str, size: int) -> Generator[MeetingPoint]:
    """Listens on `host`, and nowhere else, while a gang of `size` processes trains."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind((host, 0))
        listening.listen()
        port = listening.getsockname()[1]
        store = TCPStore(
            host, port, size, is_master=True, wait_for_workers=False, master_listen_fd=os.dup(listening.fileno())
        )
        yield MeetingPoint(host, port)
        del store


@contextlib.contextmanager
def member(place: MeetingPoint, rank: int, size: int, device: str) -> Generator[Gang]:
    """This process as one of a gang, from the moment all have met until it leaves."""
    if place.host.startswith("127."):
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    backend = "nccl" if device.startswith("cuda") else "gloo"
    store = TCPStore(place.host, place.port, size, is_master=False, timeout=TIMEOUT)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    try:
        yield Gang(rank, size)
    finally:
        dist.destroy_process_group()


def _device() -> torch.device:
    """Where the collectives of this process's group work."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
