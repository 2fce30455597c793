"""Torch without its compiler: not loaded by what trains, there as ever for whoever compiles."""

import subprocess
import sys

import pytest

from tests.command import ROOT

TRAINS = """
import sys
import torch
from workers import building
from workers.runtime import Runtime
from workers.training import reset_process

def rehearsed():
    from torch.utils.flop_counter import FlopCounterMode
    with FlopCounterMode(display=False), torch.device("meta"):
        torch.nn.Linear(3, 3)(torch.empty(2, 3))

reset_process(Runtime(tracking_uri="sqlite:///unused.db", cache=None))
rehearsed()
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.Adam(model.parameters())
model(torch.ones(2, 3)).sum().backward()
optimizer.step()
optimizer.zero_grad()
assert optimizer.state_dict()["state"][0]["step"] == 1
assert torch.are_deterministic_algorithms_enabled()
assert "torch._dynamo.symbolic_convert" not in sys.modules
assert "torch._inductor" not in sys.modules
"""
COMPILES = """
from torch._dynamo.utils import counters
assert torch.compile(model, backend="eager")(torch.ones(2, 3)).shape == (2, 1)
assert counters["frames"]["ok"] == 1, "it was compiled"
optimizer.step()
"""


@pytest.mark.parametrize("program", [TRAINS, TRAINS + COMPILES], ids=["trains", "compiles"])
def test_compiler_is_loaded_when_something_is_compiled(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
