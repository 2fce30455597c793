"""Train one trial: build the problem its spec describes, fit it, record how that ended."""

import os

import torch

from workers.building import build_problem
from workers.fits import fits
from workers.fits.outcome import Outcome
from workers.gang import ALONE, Gang
from workers.runtime import Runtime
from workers.session import Session
from workers.spec import TrialSpec


def train(spec: TrialSpec, runtime: Runtime, session: Session, gang: Gang = ALONE) -> Outcome:
    """Fit the trial, from its newest checkpoint if it has one."""
    reset_process(runtime)
    return fits.call(spec.fit, build_problem(spec, runtime, gang), session)


def reset_process(runtime: Runtime) -> None:
    """Give every trial the same process, however many ran in it before."""
    torch.set_num_threads(runtime.threads)
    torch.set_default_dtype(torch.float32)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or deterministic matrix products are refused on a GPU
    torch.set_deterministic_debug_mode("error")  # `use_deterministic_algorithms` would load the compiler
    # Deterministic mode also fills fresh memory, to expose code that reads it unwritten; a small network feels that.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]  # unstubbed
    torch.manual_seed(0)  # nothing may depend on it: a draw that is not from a named stream is at least repeatable
