"""Series: what is kept of a quantity that has one value a step."""

import math

import torch
from torch import Tensor


class Series:
    """Sum, count and largest of the values of the current epoch, and the total of the epochs' means.

    Values are not negative. One that is NaN makes every number of its epoch NaN, and the total from there on.
    """

    def __init__(self, device: torch.device) -> None:
        self.state = {name: torch.zeros((), dtype=torch.float64, device=device) for name in ("sum", "largest", "total")}
        self.state["count"] = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, value: Tensor, counts: Tensor | int = 1) -> None:
        """Add the value of a step; one of 0 that `counts` 0 leaves no trace."""
        self.state["sum"] += value
        self.state["count"] += counts
        torch.maximum(self.state["largest"], value, out=self.state["largest"])

    def summarise(self) -> dict[str, float]:
        """`mean` and `largest` are NaN where nothing was counted; the total then stays as it was."""
        count = int(self.state["count"].item())
        numbers = {name: self.state[name].item() for name in ("sum", "largest")}
        if count:
            mean = numbers["sum"] / count
            self.state["total"] += mean
        else:
            mean = numbers["largest"] = math.nan
        for name in ("sum", "largest", "count"):
            self.state[name].zero_()
        return {**numbers, "mean": mean, "total": self.state["total"].item()}
