"""Cosine annealing without restarts (Loshchilov & Hutter, arXiv 1608.03983, equation 5)."""

import math

from workers.schedules.position import Position


def cosine(position: Position) -> float:
    """Half a cosine over the epochs, from one down to zero after the last epoch."""
    return (1 + math.cos(math.pi * position.epoch / position.epochs)) / 2
