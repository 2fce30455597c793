"""Without garbage collection, where much is made and nothing of it is garbage."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def garbage_kept() -> Generator[None, None, None]:
    """Within the block nothing is collected.

    MLflow makes a hundred objects a run, and Python would spend more time on looking through everything that torch and
    Ray hold, again and again, than on them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
