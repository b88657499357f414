"""Who computes a job's tiles, one file each: a file put here is found by itself.

A backend is named NAME or NAME:OPTION. To write one, give a function of the option that returns a
`Backend`: what takes job and tiles, calls `compute` for each and the sink with what comes out. A
tile depends on nothing but the job, and a sink may be given a tile twice, so that lost work is done
again without asking.
"""

import importlib
import pkgutil

from eos_jax.run.backends.base import Backend, Sink, TilesFailed, find, register, registry

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Backend", "Sink", "TilesFailed", "find", "register", "registry"]
