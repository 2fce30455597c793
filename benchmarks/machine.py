"""What a benchmark ran on, and how fast that is at best."""

import contextlib
import datetime
import os
import platform
import time
from pathlib import Path

import torch


def machine() -> str:
    """Date, processor, GPU if there is one, versions, in two lines."""
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), cpu)
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}; {cpu}, {os.cpu_count()} cores, {memory:.0f} GiB{gpu}\n"
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def matrix_rate(size: int = 8192, repeats: int = 20) -> float:
    """Floating-point operations per second of a bfloat16 matrix product on the GPU."""
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    started = 0.0
    for repeat in range(-3, repeats):  # the first three only warm up
        if repeat == 0:
            torch.cuda.synchronize()
            started = time.perf_counter()
        torch.mm(a, b)
    torch.cuda.synchronize()
    return repeats * 2 * size**3 / (time.perf_counter() - started)
