"""Constant learning rate."""

from workers.schedules.position import Position


def constant(_position: Position) -> float:
    """The same learning rate at every step."""
    return 1.0
