"""Windows of order within chaos, found by looking: each opens where a cycle is born in a fold.

Orbits are run over a grid of one hyperparameter and looked at for their first return. A stretch of
the grid with one period is a window if its cycle, followed both ways, first changes in a fold on
one side and in a flip on the other; both are found to rounding. Windows between two places of the
grid are overlooked, and so are those that open or close beyond it.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.analysis.bifurcations import Bifurcation
from eos_jax.analysis.branches import continuation
from eos_jax.analysis.cycles import flat, lanes_of
from eos_jax.analysis.equations import one_lane
from eos_jax.analysis.maps import System, as_system
from eos_jax.checks import check_count
from eos_jax.loops import advance
from eos_jax.returns import first_return
from eos_jax.sample import Sample


class Window(NamedTuple):
    """A window of order.

    Attributes:
      period: of the cycle that it opens with.
      fold: where that cycle is born.
      flip: where it doubles.
    """

    period: int
    fold: Bifurcation
    flip: Bifurcation


def windows(
    system: Any,
    start: Mapping[str, Any],
    hyper: Mapping[str, Any],
    free: str = "eta",
    *,
    rule: Any = None,
    longest: int = 8,
    settle: int = 5000,
) -> list[Window]:
    """The windows that a grid of one hyperparameter shows, with their folds and flips.

    Args:
      system: a `System`, or an objective.
      start: of the orbits, a number for each parameter.
      hyper: hyperparameters, `free` an array of shape (columns,), rising.
      free: name of the hyperparameter that moves.
      rule: of an objective; gradient descent by default.
      longest: the longest period looked for.
      settle: steps before the first return is looked for.

    Returns:
      The windows, in the order of their folds.

    Raises:
      ValueError: if a name does not fit or `free` is not given as an array.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> found = windows(eos.analysis.logistic(), {"x": 0.3}, {"r": np.linspace(3.8, 3.9, 101)},
      ...                 "r", longest=4)
      >>> [(w.period, round(w.fold.parameter, 9), round(w.flip.parameter, 9)) for w in found]
      [(3, 3.828427125, 3.841499008)]

    Source: Metropolis, Stein and Stein 1973; Sharkovskii 1964.
    """
    system = as_system(system, rule)
    check_count("longest", longest)
    check_count("settle", settle, least=0)
    grid = np.asarray(hyper.get(free, 0.0), float)
    if grid.ndim != 1 or len(grid) < 2 or not (np.diff(grid) > 0).all():
        raise ValueError(f"Argument `hyper` must give {free} as a rising array, but got {grid}.")
    with jax.enable_x64(True):
        points, lanes = lanes_of(system, start, hyper)
        ends, periods = returns_of(system)(points, lanes, settle, longest)
        ends, periods = jax.tree.map(np.asarray, (ends, periods))
    found: list[Window] = []
    for first, last in stretches(periods):
        one = _window(system, free, grid, (first, last), int(periods[first]), ends, hyper)
        if one is not None and not any(_same(one, other) for other in found):
            found.append(one)
    return sorted(found, key=lambda window: window.fold.parameter)


@functools.lru_cache(maxsize=64)
def returns_of(system: System) -> Callable:
    """Where orbits are after a while, and their periods from there on; 0 for none."""
    zero = jnp.zeros((), jnp.int32)

    def one(point, hyper, settle, longest):
        def step(point):
            return system.rule.step(system.objective, *point, hyper)

        point = advance(step, point, settle)
        sample = Sample(*system, *point, hyper, step=zero, index=zero)
        return point, first_return(sample, longest).period

    @functools.partial(jax.jit, static_argnums=3)
    def many(points, hyper, settle, longest):
        return jax.vmap(lambda p, h: one(p, h, settle, longest))(points, hyper)

    return many


def stretches(periods: np.ndarray) -> list[tuple[int, int]]:
    """First and last place of each run of one period.

    Example:
      >>> stretches(np.array([0, 3, 3, 6, 0, 5]))
      [(1, 2), (3, 3), (5, 5)]
    """
    edges = np.flatnonzero(np.diff(periods)) + 1
    runs = zip([0, *edges.tolist()], [*(edges - 1).tolist(), len(periods) - 1])
    return [(first, last) for first, last in runs if periods[first] > 0]


def _window(system, free, grid, run, period, ends, hyper) -> Window | None:
    """The window that a run of one period belongs to; None where its cycle is not born in a fold.

    The cycle in the run's middle is followed both ways to where it first changes. The fold may lie
    beyond the run, where orbits from this start go elsewhere.
    """
    place = (run[0] + run[1]) // 2
    params, state = jax.tree.map(lambda leaf: leaf[place], ends)
    at = {**hyper, free: float(grid[place])}
    found = {}
    for backwards in (True, False):
        branch = continuation(
            system, params, at, (float(grid[0]), float(grid[-1])), free, period, state=state,
            backwards=backwards, most=1,
        )  # fmt: skip
        found |= {one.kind: one for one in branch.special[:1]}
    if set(found) != {"fold", "flip"} or _returns_earlier(system, found["fold"], free, at):
        return None
    return Window(period, found["fold"], found["flip"])


def _returns_earlier(system, found: Bifurcation, free: str, hyper: Mapping[str, Any]) -> bool:
    """Whether a cycle has a shorter period, as where the cycle that doubled into it is born."""
    with jax.enable_x64(True):
        at = {**hyper, free: found.parameter}
        point, lane = one_lane(system, found.point, at, found.state)
        first = flat(point)
        for _ in range(found.period - 1):
            point = system.rule.step(system.objective, *point, lane)
            if jnp.abs(flat(point) - first).max() < 1e-6 * (1 + jnp.abs(first).max()):
                return True
    return False


def _same(one: Window, other: Window) -> bool:
    return one.period == other.period and math.isclose(
        one.fold.parameter, other.fold.parameter, rel_tol=1e-9
    )


__all__ = ["Window", "windows"]
