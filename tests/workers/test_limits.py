"""Limits of one measurement: on its memory and on its time, and only while it lasts."""

import itertools
import resource
import signal
import sys

import pytest
import torch

from workers.limits import limits
from workers.runtime import Needs

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not count what a process may write to")


@ON_LINUX
def test_more_memory_than_allowed_is_refused_within_the_block_alone() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limits(Needs(memory_gb=0.5)):
        assert torch.ones(10**7).sum() == 10**7  # 0.04 GB
        with pytest.raises(RuntimeError, match="can't allocate memory"):
            torch.empty(2 * 10**8)  # 0.8 GB
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(torch.empty(2 * 10**8)) == 2 * 10**8


def test_more_time_than_allowed_ends_the_block_alone() -> None:
    with (
        pytest.raises(TimeoutError, match=r"longer than the 2e-05 hours it may \(Needs.hours\)"),
        limits(Needs(hours=2e-5)),
    ):
        for _ in itertools.count():
            pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cpus": 0}, "cpus=0 is not valid: above 0"),
        ({"memory_gb": -1.0}, r"memory_gb=-1.0 is not valid: above 0"),
        ({"hours": float("inf")}, "hours=inf is not valid: above 0"),
        ({"gpus": 1.5}, "gpus=1.5 is not valid: a whole number, or a fraction below 1"),
        ({"gpus": -1}, "gpus=-1 is not valid"),
    ],
)
def test_needs_that_make_no_sense_are_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Needs(**given)
