"""One independent named random stream per purpose.

A stream is a function of a seed and a path of names, so adding a consumer never moves another one's draws, and nothing
depends on which streams were used before.
"""

import hashlib

import torch


def named_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on every name, and on nothing else."""
    digest = hashlib.sha256("/".join(str(part) for part in (seed, *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> torch.Generator:
    """A CPU generator for the named purpose."""
    return torch.Generator().manual_seed(named_seed(seed, *names))
