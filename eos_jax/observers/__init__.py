"""What is recorded along an orbit, one file per idea: a file put here is found by itself.

To write one, give `init` (the accumulator, from the first sample and the number of samples),
`update` (the accumulator after one more sample) and `finalize` (the result, from the accumulator
and the end). What is measured at a point is a measure; see `eos_jax.measures`.
"""

import importlib
import pkgutil

from eos_jax.observers.base import Label, Observer, as_observers, make, register, registry
from eos_jax.observers.crossings import count, first_crossing, upcrossings
from eos_jax.observers.exponents import lyapunov, lyapunov_spectrum
from eos_jax.observers.extremes import maximum, minimum
from eos_jax.observers.traces import final_point, trace

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "Label",
    "Observer",
    "as_observers",
    "count",
    "final_point",
    "first_crossing",
    "lyapunov",
    "lyapunov_spectrum",
    "make",
    "maximum",
    "minimum",
    "register",
    "registry",
    "trace",
    "upcrossings",
]
