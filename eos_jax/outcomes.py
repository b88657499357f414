"""When an orbit is decided, and what it is called.

An orbit has *converged* when it is within tolerance of a minimum that is linearly stable under its
rule: one it will stay at. Passing close to a sharper minimum is not convergence; the orbit will be
thrown out again. It has *diverged* when a parameter leaves the escape radius or stops being finite.

Where the least value of the loss is known (`floor`), within tolerance means that the excess loss
is. Where it is not, the point must be stationary: along the gradient g the loss is a parabola to
second order, with the curvature R = g.Hg/|g|^2, whose bottom lies |g|/|R| away and |g|^2/(2|R|)
below. The orbit is within tolerance where that excess is, relative to how far the loss has fallen
from the start, and the distance is small against the orbit's own size, so that a minimum at
infinity is none. Then no eigenvalue of the Hessian may be negative, and the largest must be
positive and below the threshold.
"""

import functools
import math
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.checks import check_count
from eos_jax.objectives.base import Objective, Parameters, inner, lift, loss_of_first_copies


class Outcome(IntEnum):
    """Fate of one lane, as stored (uint8)."""

    PENDING = 0
    CONVERGED = 1
    DIVERGED = 2
    PERIODIC = 3
    APERIODIC = 4
    UNDECIDED = 5
    INVALID = 6
    STATIONARY = 7


DESCRIPTIONS = {
    Outcome.PENDING: "not computed yet",
    Outcome.CONVERGED: "within tolerance of a minimum that is stable under the rule",
    Outcome.DIVERGED: "a parameter beyond the escape radius or not finite",
    Outcome.PERIODIC: "at the horizon on a cycle, which was gone round twice",
    Outcome.APERIODIC: "at the horizon on no cycle up to the longest period, neighbours parting",
    Outcome.UNDECIDED: "the horizon came first",
    Outcome.INVALID: "the start was not finite",
    Outcome.STATIONARY: "at the horizon at rest, at a point that is no minimum known as stable",
}
"""What the codes mean, in words."""


FLAGS = {
    "flag_values": np.array([int(o) for o in Outcome], np.uint8),
    "flag_meanings": " ".join(o.name.lower() for o in Outcome),
}
"""CF attributes of the variable `outcome`."""


ESCAPE = 1e6
"""Modulus of a parameter beyond which an orbit counts as diverged, unless said otherwise."""


LONGEST_PERIOD = 2**16
"""Of the cycles that can be looked for: an orbit goes round twice after its horizon."""


class Stop(NamedTuple):
    """When a lane is decided.

    Attributes:
      tolerance: excess loss below which a linearly stable point counts as a minimum; relative to
        the fall of the loss from the start where the objective's floor is not known. None: 1e-12
        in float64, 1e-9 in float32, the square of some hundred roundings of the residual.
      escape: modulus of a parameter beyond which the orbit counts as diverged.
      longest_period: of the cycles looked for at the horizon; 0 for none, when what goes on for
        ever is undecided. See `eos_jax.returns`.
      period_of: the measure that must return, or its name; the parameters by default. The loss, for
        example, where parameters drift along a symmetry.
    """

    tolerance: float | None = None
    escape: float = ESCAPE
    longest_period: int = 0
    period_of: Any = None


class Origin(NamedTuple):
    """What an orbit's end is compared with where no floor is known.

    Attributes:
      size: Euclidean norm of the start.
      loss: the loss there.
    """

    size: jax.Array
    loss: jax.Array


def default_tolerance(dtype: Any) -> float:
    """The excess loss that a dtype resolves with room to spare."""
    return 1e-12 if np.dtype(dtype) == np.float64 else 1e-9


def checked(stop: Stop, dtype: Any) -> Stop:
    """The stop with its tolerance filled in; raises on values that cannot be meant."""
    tolerance = default_tolerance(dtype) if stop.tolerance is None else stop.tolerance
    for name, value in (("tolerance", tolerance), ("escape", stop.escape)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"Argument `{name}` must be positive and finite, but got {value}.")
    check_count("longest_period", stop.longest_period, least=0)
    if stop.longest_period > LONGEST_PERIOD:
        raise ValueError(
            f"Argument `longest_period` must be at most {LONGEST_PERIOD}, but got "
            f"{stop.longest_period}."
        )
    return stop._replace(tolerance=float(tolerance), escape=float(stop.escape))


def excess_loss(objective: Objective, params: Parameters) -> jax.Array:
    """The loss above its floor, at one point."""
    return objective.full_loss(lift(objective, params)) - (objective.floor or 0.0)


def escaped(params: Parameters, escape: float) -> jax.Array:
    """Whether a parameter is beyond the escape radius or not finite, at one point."""
    outside = [~(jnp.abs(leaf) <= escape) for leaf in params.values()]  # True for NaN
    return functools.reduce(jnp.logical_or, (o.any() if o.ndim else o for o in outside))


def resolved_tolerance(objective: Objective, stop: Stop, dtype: Any) -> float:
    """The tolerance on the excess loss over a known floor: no smaller than the floor's rounding."""
    tolerance = default_tolerance(dtype) if stop.tolerance is None else stop.tolerance
    return tolerance + 8 * float(jnp.finfo(dtype).eps) * abs(objective.floor or 0.0)


def origin(objective: Objective, params: Parameters) -> Origin | tuple[()]:
    """What the rest of an orbit from here is compared with; nothing where a floor is known."""
    if objective.floor is not None:
        return ()
    return Origin(_size(objective, params), objective.full_loss(lift(objective, params)))


def near(
    objective: Objective, params: Parameters, start: Origin | tuple[()], stop: Stop
) -> jax.Array:
    """Whether a point is within tolerance of a minimum or, where no floor is known, stationary."""
    if isinstance(start, Origin):
        return stationary(objective, params, start, stop.tolerance or 0.0)
    excess = excess_loss(objective, params)
    return jnp.abs(excess) < resolved_tolerance(objective, stop, excess.dtype)


def stationary(
    objective: Objective, params: Parameters, start: Origin, tolerance: float
) -> jax.Array:
    """Whether a point is within tolerance of one where the gradient vanishes.

    |g|^2/(2|R|) <= tolerance |L(start) - L|  and  |g|/|R| <= tolerance^(1/3) max(|x|, |start|),
    R = g.Hg/|g|^2; or |g|/|R| is within roundings of |x|.
    """
    slopes = jax.grad(loss_of_first_copies(objective, params))(dict(params))
    largest = functools.reduce(jnp.maximum, (jnp.max(jnp.abs(v)) for v in slopes.values()))
    still = largest == 0
    # a direction of order one: no squares of small numbers
    along = {name: v / jnp.where(still, 1, largest) for name, v in slopes.items()}

    def loss_along(step):
        moved = {name: params[name] + step * along[name] for name in objective.parameters}
        return objective.full_loss(lift(objective, moved))

    def first(step):
        return jax.jvp(loss_along, (step,), (jnp.ones_like(step),))

    zero = jnp.zeros_like(largest)
    (loss, _), (_, bend) = jax.jvp(first, (zero,), (jnp.ones_like(zero),))
    length = _size(objective, along)
    gradient, curvature = largest * length, jnp.abs(bend) / jnp.where(still, 1, length) ** 2
    size = _size(objective, params)
    # a quotient first: the squares of small slopes, or of large ones, are out of range
    distance = gradient / curvature
    low = gradient * distance <= 2 * tolerance * jnp.abs(start.loss - loss)
    close = distance <= tolerance ** (1 / 3) * jnp.maximum(size, start.size)
    resolved = distance <= 4 * jnp.finfo(loss.dtype).eps * size
    return still | (low & close) | resolved


def _size(objective, params):
    """Euclidean norm in the full space, where copies count."""
    return jnp.sqrt(inner(objective, params, params))
