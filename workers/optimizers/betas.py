"""Betas: the two decay rates of Adam's running means, as a setting."""

from typing import Annotated

from pydantic import AfterValidator


def _rates(betas: tuple[float, float]) -> tuple[float, float]:
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError("both are at least 0 and less than 1")
    return betas


Betas = Annotated[tuple[float, float], AfterValidator(_rates)]
