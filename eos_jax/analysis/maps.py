"""Maps that descend nothing: any step of one's own, beside an objective and its rule.

Everything here takes an objective and a rule. A map of one's own becomes such a pair, `System`: a
space of coordinates and a rule whose step is the map, with sweeps, observers, stores and pictures.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from eos_jax.objectives import Objective
from eos_jax.objectives.own import as_objective
from eos_jax.rules import Rule, as_rule


class System(NamedTuple):
    """What an orbit follows: the space of a loss, and the rule that steps in it.

    Attributes:
      objective: what is descended, or coordinates alone.
      rule: how a step is taken.
    """

    objective: Objective
    rule: Rule


def as_system(given: Any, rule: Any = None) -> System:
    """The system meant: one itself, or an objective with a rule, gradient descent by default.

    A function of scalar parameters stands for its objective, as in `eos_jax.sweep`.
    """
    if isinstance(given, System):
        return given
    if isinstance(given, Objective) or callable(given):
        return System(as_objective(given), as_rule(rule))
    raise ValueError(f"Argument `system` must be a System or an objective, but got {given!r}.")


def own_map(
    step: Callable[..., Any],
    coordinates: Sequence[str],
    name: str | None = None,
    defaults: Mapping[str, float] | None = None,
) -> System:
    """A system from a map of one's own, x' = f(x, parameters).

    Its objective has no loss to speak of (the sum of the coordinates stands in), so sweeps of it
    take `sharpness=None`, and nothing converges: orbits escape, or go on to the horizon.

    Args:
      step: f(x, y, a, b): the coordinates, then the map's parameters by name; it returns the next
        coordinates, in a tuple if there are several. A JAX function of scalars.
      coordinates: their names.
      name: what to call it; by default the function's name.
      defaults: values of parameters that need not be given.

    Returns:
      The system; the same one for the same function and names.

    Raises:
      ValueError: if the function does not take the coordinates first.

    Example:
      >>> import eos_jax as eos
      >>> def tent(x, slope):
      ...     return slope * jax.numpy.minimum(x, 1 - x)
      >>> system = eos.analysis.own_map(tent, ["x"])
      >>> ds = eos.sweep(system.objective, {"x": 0.3, "slope": [0.5, 2.0]}, 3,
      ...                rule=system.rule, stop=None, sharpness=None)
      >>> print(ds.x_final.values.round(4))
      [0.0375 0.4   ]
    """
    chosen = tuple(sorted((defaults or {}).items()))
    return _own_map(step, tuple(coordinates), name or getattr(step, "__name__", "map"), chosen)


@functools.lru_cache(maxsize=256)
def _own_map(step, coordinates, name, defaults):
    arguments = tuple(inspect.signature(step).parameters)
    count = len(coordinates)
    if not coordinates or arguments[:count] != coordinates:
        raise ValueError(
            f"Argument `step` must take the coordinates {', '.join(coordinates)} first, but takes "
            f"({', '.join(arguments)})."
        )

    def loss(full):
        return functools.reduce(jnp.add, (full[n][0] for n in coordinates))

    def one_step(objective, params, state, hyper):
        found = step(*(params[n] for n in coordinates), **{n: hyper[n] for n in arguments[count:]})
        after = (found,) if count == 1 and not isinstance(found, tuple | list) else found
        return {n: jnp.asarray(v, params[n].dtype) for n, v in zip(coordinates, after)}, state

    objective = Objective(f"coordinates of {name}", loss, coordinates, (1,) * count, ((),) * count)
    rule = Rule(
        name,
        lambda objective, params, hyper: (),
        one_step,
        arguments[count:],
        dict(defaults),
        remark="a map of its own: no loss falls and no minimum is there to converge to",
    )
    return System(objective, rule)


def logistic() -> System:
    """The logistic map, x' = r x (1 - x).

    Example:
      >>> import eos_jax as eos
      >>> eos.analysis.logistic().rule
      Rule(logistic: r)

    Source: May 1976.
    """
    return own_map(_logistic, ["x"], "logistic")


def _logistic(x: jax.Array, r: jax.Array) -> jax.Array:
    return r * x * (1 - x)


def henon() -> System:
    """Henon's map, x' = 1 - a x^2 + y, y' = b x.

    At a = 1.4, b = 0.3 its exponents are 0.41922 and -1.62319; they sum to log 0.3.

    Example:
      >>> import eos_jax as eos
      >>> eos.analysis.henon().rule
      Rule(henon: a=1.4, b=0.3)

    Source: Henon 1976; the exponents, Grassberger et al. 1988 and Sprott 2003.
    """
    return own_map(_henon, ["x", "y"], "henon", {"a": 1.4, "b": 0.3})


def _henon(x: jax.Array, y: jax.Array, a: jax.Array, b: jax.Array) -> tuple[jax.Array, ...]:
    return 1 - a * x**2 + y, b * x
