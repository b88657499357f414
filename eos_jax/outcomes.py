"""When an orbit is decided, and what it is called.

An orbit has *converged* when its excess loss is below a tolerance at a point whose sharpness is
below the stability threshold: a minimum it will stay at. Passing close to a sharper minimum is
not convergence; the orbit will be thrown out again. It has *diverged* when a parameter leaves the
escape radius or stops being finite.
"""

import functools
import math
from enum import IntEnum
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.objectives.base import Objective, Parameters, lift


class Outcome(IntEnum):
    """Fate of one lane, as stored (uint8)."""

    PENDING = 0
    CONVERGED = 1
    DIVERGED = 2
    PERIODIC = 3
    APERIODIC = 4
    UNDECIDED = 5
    INVALID = 6


FLAGS = {
    "flag_values": np.array([int(o) for o in Outcome], np.uint8),
    "flag_meanings": " ".join(o.name.lower() for o in Outcome),
}
"""CF attributes of the variable `outcome`."""


class Stop(NamedTuple):
    """When a lane is decided.

    Attributes:
      tolerance: excess loss below which a linearly stable point counts as a minimum. None: 1e-12
        in float64, 1e-9 in float32, the square of some hundred roundings of the residual.
      escape: modulus of a parameter beyond which the orbit counts as diverged.
    """

    tolerance: float | None = None
    escape: float = 1e6


def default_tolerance(dtype) -> float:
    """The excess loss that a dtype resolves with room to spare."""
    return 1e-12 if np.dtype(dtype) == np.float64 else 1e-9


def checked(stop: Stop, dtype) -> Stop:
    """The rule with its tolerance filled in; raises on values that cannot be meant."""
    tolerance = default_tolerance(dtype) if stop.tolerance is None else stop.tolerance
    for name, value in (("tolerance", tolerance), ("escape", stop.escape)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"Argument `{name}` must be positive and finite, but got {value}.")
    return Stop(float(tolerance), float(stop.escape))


def excess_loss(objective: Objective, params: Parameters) -> jax.Array:
    """The loss above its floor, at one point."""
    return objective.full_loss(lift(objective, params)) - objective.floor


def escaped(params: Parameters, escape: float) -> jax.Array:
    """Whether a parameter is beyond the escape radius or not finite, at one point."""
    outside = [~(jnp.abs(leaf) <= escape) for leaf in params.values()]  # True for NaN
    return functools.reduce(jnp.logical_or, (o.any() if o.ndim else o for o in outside))
