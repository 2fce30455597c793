"""Interpolation threshold: the end of the epoch in which the training set is first fitted, by two rules.

`exact`: every training example is classified right, in evaluation mode, as labelled. `running`: the mean loss over the
epoch, in training mode while the weights move, is below 0.01, or the accuracy so taken above 0.997; it is cheaper, and
what the published numbers of the code base on rethinking generalisation stand on. Not reached is a result.
"""

from collections.abc import Callable, Collection
from typing import Literal

StopAt = Literal["end", "exact", "running", "both"]
RULES = ("exact", "running")
RUNNING_LOSS, RUNNING_ERROR = 0.01, 0.003
# The training set is evaluated exactly at the end of an epoch whose running error, which lags behind, is at most this.
NEARLY_FITTED = 0.05


def reached_now(
    reached: dict[str, int], step: int, loss: float, error: float, exact_error: Callable[[], float | None]
) -> bool:
    """Enter into `reached` the rules that the epoch just ended fulfils for the first time; whether there were any.

    `loss` and `error` are the epoch's running means; `exact_error` evaluates the training set, and is asked only when
    the running error says that it may be fitted.
    """
    now: list[str] = []
    if "running" not in reached and (loss < RUNNING_LOSS or error < RUNNING_ERROR):
        now.append("running")
    if "exact" not in reached and error <= NEARLY_FITTED and exact_error() == 0:
        now.append("exact")
    reached.update(dict.fromkeys(now, step))
    return bool(now)


def stops_at(stop_at: StopAt, reached: Collection[str]) -> bool:
    """Whether a training is over that is to stop at one of the rules, or at "both", once these are fulfilled."""
    return stop_at in reached or (stop_at == "both" and set(RULES) <= set(reached))
