"""Bifurcations in as many digits as wanted, and orbits in exact rational numbers.

A step that is a list of arithmetic operations (see `eos_jax.loops.scalars`) can be run by any kind
of number: Python's decimals give the digits, its fractions what is exact. A point that double
precision has found is improved by Newton's method, whose slopes stay those of double precision;
each turn adds some ten digits, so that the last one says how many are right.
"""

import decimal
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import numpy as np

from eos_jax.analysis.bifurcations import Bifurcation
from eos_jax.analysis.cycles import SINGULAR, flat, flat_step
from eos_jax.analysis.equations import (
    MULTIPLIERS,
    circle_equations,
    circle_guess,
    one_lane,
    real_equations,
    real_guess,
    tools_of,
)
from eos_jax.analysis.maps import as_system
from eos_jax.checks import check_count
from eos_jax.loops.primitives import as_scalars
from eos_jax.loops.scalars import NotScalars, Scalars

GUARD = 15
"""Digits carried beyond those asked for."""

TURNS = 100
"""Newton's steps at most."""


class Refined(NamedTuple):
    """A bifurcation in many digits.

    Attributes:
      parameter: the hyperparameter's value there.
      point: a point of the cycle, by parameter.
      digits: how many are right after the point.
      cosine: of a Neimark-Sacker point's angle; None of another.
    """

    parameter: Decimal
    point: dict[str, Any]
    digits: int
    cosine: Decimal | None = None


def refined(
    found: Bifurcation,
    system: Any,
    hyper: Any,
    free: str = "eta",
    digits: int = 40,
    *,
    rule: Any = None,
) -> Refined:
    """A point where a cycle changes, in as many digits as wanted.

    Args:
      found: by `bifurcation`, `cascade` or `continuation`.
      system: as was given there.
      hyper: as was given there.
      free: as was given there.
      digits: after the point.
      rule: as was given there.

    Returns:
      The point. Numbers of the system, such as a momentum of 0.9, are those of double precision.

    Raises:
      ValueError: if there is no such point, or the step is more than arithmetic.

    Example:
      >>> import eos_jax as eos
      >>> system = eos.analysis.logistic()
      >>> fold = eos.analysis.bifurcation("fold", system, {"x": 0.16}, {"r": 3.84}, "r", 3)
      >>> print(refined(fold, system, {"r": 3.84}, "r", 30).parameter)  # 1 + sqrt 8
      3.828427124746190097603377448419

    Source: iterative refinement, Wilkinson 1963.
    """
    system = as_system(system, rule)
    check_count("digits", digits)
    if not found.found:
        raise ValueError(
            f"Argument `found` must be a point that was found, but got a {found.kind} at "
            f"{found.parameter}."
        )
    circle = MULTIPLIERS[found.kind] is None
    given = hyper if isinstance(hyper, Mapping) else {"eta": hyper}
    with jax.enable_x64(True):
        at = {**given, free: found.parameter}
        point, lane = one_lane(system, found.point, at, found.state)
        u, target, slopes = _in_doubles(found, tools_of(system, free), point, lane)
        z = flat(point)
        program = _listed(
            lambda z, v, lane: jax.jvp(flat_step(system, point, lane), (z,), (v,)), z, z, lane
        )
    inverse = np.linalg.pinv(slopes, rcond=SINGULAR)
    with decimal.localcontext(prec=digits + GUARD):
        fixed = {name: Decimal(float(value)) for name, value in sorted(lane.items())}
        pushed = functools.partial(_pushed, program, len(z), fixed, free, found.period)
        parts_of = circle_equations if circle else real_equations
        equations = functools.partial(parts_of, pushed, len(z), target=_decimals(target))
        exact = _newton(equations, inverse, _decimals(u), digits)
        rounded = [v.quantize(Decimal(10) ** -digits) for v in exact]
    cosine = rounded[-3] if circle else None
    return Refined(rounded[-1], _named(system, point, rounded), digits, cosine)


def _in_doubles(found, tools, point, lane):
    """The unknowns of a point, what its equations aim at and their slopes."""
    z = flat(point)
    matrix = tools.matrix(z, point, lane, found.period)
    given = point, lane, found.period
    target = MULTIPLIERS[found.kind]
    if target is None:
        u = circle_guess(z, matrix, found.parameter)
        return u, u, np.asarray(tools.circle_slopes(u, u, *given))
    u = real_guess(z, matrix, found.parameter, target)
    return u, target, np.asarray(tools.real_slopes(u, target, *given))


def _decimals(values):
    """Doubles as decimals, exactly; an array of them, or one."""
    exact = [Decimal(float(v)) for v in np.ravel(values)]
    return np.array(exact, object) if np.ndim(values) else exact[0]


def _newton(equations, inverse, u, digits):
    """The root near u; slopes are those of double precision throughout."""
    for _ in range(TURNS):
        rest = np.concatenate([np.ravel(part) for part in equations(u)])
        move = inverse @ rest.astype(float)
        u = u - _decimals(move)
        if np.abs(move).max() < 10.0**-digits:
            return u
    raise ArithmeticError(f"Newton's method does not reach {digits} digits.")


def _pushed(program, n, fixed, free, period, z, v, h):
    """f^p(z; h) and Df^p v in decimals."""
    lane = list({**fixed, free: h}.values())
    end, grown = list(z), list(v)
    for _ in range(period):
        after = evaluate(program, [*end, *grown, *lane], Decimal)
        end, grown = after[:n], after[n:]
    return np.array(end, object), np.array(grown, object)


def _named(system, point, values):
    """The parameters of a point whose moving part is the first of some numbers."""
    places = dict(zip(sorted(point[0]), _cut(point[0], values)))
    return {name: places[name] for name in system.objective.parameters}


def _cut(params, values):
    """Numbers one after the other as the leaves that they came from."""
    start = 0
    for name in sorted(params):
        shape = np.shape(params[name])
        size = int(np.prod(shape))
        part = np.array(values[start : start + size], object).reshape(shape)
        yield part if shape else part[()]
        start += size


def exact_orbit(
    system: Any, start: Mapping[str, Any], hyper: Any, steps: int, *, rule: Any = None
) -> list[dict[str, Fraction]]:
    """An orbit in rational numbers, without any rounding; their lengths grow with every step.

    Args:
      system: a `System`, or an objective of scalar parameters.
      start: a rational number for each parameter.
      hyper: the step size, or a dict of hyperparameters, rational numbers.
      steps: how many.
      rule: of an objective; gradient descent by default.

    Returns:
      The points, the start first.

    Raises:
      ValueError: if the step is more than rational arithmetic.

    Example:
      >>> import eos_jax as eos
      >>> from fractions import Fraction
      >>> pair = eos.objectives.scalar_product((1, 1))
      >>> start = {"x": Fraction(1, 2), "y": Fraction(1)}
      >>> print(exact_orbit(pair, start, Fraction(1, 3), 2)[-1]["x"])
      497/648
    """
    system = as_system(system, rule)
    check_count("steps", steps, least=0)
    given = hyper if isinstance(hyper, Mapping) else {"eta": hyper}
    with jax.enable_x64(True):
        point, lane = one_lane(system, start, given)
        z = np.asarray(flat(point))
        program = _listed(lambda z, lane: flat_step(system, point, lane)(z), z, lane)
    exact = {n: Fraction(given.get(n, float(v))) for n, v in lane.items()}
    names = sorted(system.objective.parameters)
    now = [Fraction(v) for v in (*(start[n] for n in names), *z[len(names) :].tolist())]
    orbit = [now]
    for _ in range(steps):
        now = evaluate(program, [*now, *(exact[n] for n in sorted(exact))], Fraction)
        orbit.append(now)
    return [dict(zip(names, point)) for point in orbit]


def _listed(function: Callable, *examples: Any) -> Scalars:
    try:
        return as_scalars(function, *examples)
    except NotScalars as reason:
        raise ValueError(
            f"Argument `system` must have a step of arithmetic, but it has {reason}."
        ) from None


def evaluate(scalars: Scalars, inputs: Sequence[Any], kind: type) -> list[Any]:
    """The outputs of a list of operations, run by a kind of number.

    Args:
      scalars: the list.
      inputs: numbers of that kind.
      kind: `decimal.Decimal`, `fractions.Fraction`, or another with arithmetic.

    Returns:
      The outputs.

    Raises:
      ValueError: if an operation is not one of arithmetic, comparison and choice.

    Example:
      >>> import jax.numpy as jnp
      >>> third = as_scalars(lambda x: x / 3 + x * x, jnp.float32(1))
      >>> print(*evaluate(third, [Fraction(1, 2)], Fraction))
      5/12
    """
    values: list[Any] = []
    given = iter(inputs)
    for name, places, dtype, detail in scalars.operations:
        arguments = [values[place] for place in places]
        if name == "input":
            values.append(next(given))
        elif name == "constant":
            value = detail.item()
            values.append(kind(value) if dtype.startswith("float") else value)
        elif name in _OPERATIONS:
            values.append(_OPERATIONS[name](*arguments))
        elif name == "sqrt" and hasattr(kind, "sqrt"):
            values.append(arguments[0].sqrt())
        else:
            raise ValueError(f"Argument `scalars` must be arithmetic, but has `{name}`.")
    return [values[place] for place in scalars.outputs]


_OPERATIONS: dict[str, Callable] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "neg": operator.neg,
    "abs": operator.abs,
    "fma": lambda a, b, c: a * b + c,
    "fms": lambda a, b, c: a * b - c,
    "fnma": lambda a, b, c: c - a * b,
    "fnms": lambda a, b, c: -(a * b) - c,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "and": operator.and_,
    "or": operator.or_,
    "not": operator.not_,
    "select": lambda condition, yes, no: yes if condition else no,
}
"""What operations do to numbers of any kind; each exact, or rounded as the kind says."""


__all__ = ["Refined", "evaluate", "exact_orbit", "refined"]
