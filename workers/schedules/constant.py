"""Constant learning rate."""


def constant(_epoch: int, _num_epochs: int) -> float:
    """The same learning rate in every epoch."""
    return 1.0
