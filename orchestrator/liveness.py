"""Liveness: whether a launch may still be at work, told from its lease."""

import os
import platform
import secrets


def new_lease() -> str:
    """Of this process: its machine, its id there, and what tells it from others with the same."""
    return f"{platform.node()}:{os.getpid()}:{secrets.token_hex(8)}"


def launch_lives(lease: str | None) -> bool:
    """Whether the launch may be at work. One of another machine is not asked, and taken to be."""
    machine, _, rest = (lease or "").partition(":")
    pid = rest.partition(":")[0]
    if not pid.isdecimal():
        return False  # no launch has taken the run
    if machine != platform.node():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True
