"""Bifurcation diagrams: every cycle that orbits settle on, followed, with all that it changes into.

Orbits are swept over one hyperparameter. Where they settle on a cycle that lies on no branch yet,
its branch is followed both ways, through folds and on where it repels; at each flip the doubled
cycle's branch as well, and so on. Cascades and windows are read off what was found. A cycle that
attracts at no place of the sweep, and is not born of one that does, is overlooked.
"""

import contextlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr
from tqdm.auto import tqdm

import eos_jax as eos
from eos_jax.analysis.base import beside, check_out, configuration_with, finished, register
from eos_jax.analysis.branches import KINDS, Branch, both_ways
from eos_jax.analysis.cascades import doubled
from eos_jax.analysis.cycles import lanes_of
from eos_jax.analysis.equations import check_free
from eos_jax.analysis.maps import System, as_system
from eos_jax.analysis.windows import returns_of, stretches
from eos_jax.checks import check_count
from eos_jax.outcomes import Outcome, Stop
from eos_jax.results import store
from eos_jax.run import grid as grids

_NAME = "bifurcation_diagram"


@register(
    says=("branches", "cascades", "windows", "circles"),
    refuses=("combine", "keep", "observe"),
    example={"within": [0.05, 0.2], "doublings": 1},
)
def bifurcation_diagram(
    system: Any,
    axes: Mapping[str, Any],
    steps: int,
    *,
    rule: Any = None,
    stop: Stop | None = Stop(longest_period=8),  # noqa: B008  an immutable default
    free: str = "eta",
    within: tuple[float, float] | None = None,
    doublings: int = 3,
    size: float = 0.01,
    repelling: float = 16.0,
    out: str | os.PathLike | None = None,
    progress: bool | None = None,
    **options: Any,
) -> xr.Dataset:
    """The branches of the cycles that orbits settle on, with flips, folds and circles.

    Args:
      system: a `System`, or an objective.
      axes: as in `eos_jax.sweep`; hyperparameters but the free one are single numbers.
      steps: until an orbit has settled.
      rule: of an objective; gradient descent by default.
      stop: as in `eos_jax.sweep`; its longest period is that of the cycles looked for.
      free: name of the hyperparameter that moves.
      within: its least and greatest value; by default the ends of its axis.
      doublings: generations of doubled cycles that are followed.
      size: longest step along a branch, as in `continuation`.
      repelling: modulus of a multiplier beyond which a branch is not followed.
      out: folder of a store; the sweep and each branch stand beside it, and are resumed.
      progress: as in `eos_jax.sweep`.
      **options: of `eos_jax.sweep`.

    Returns:
      A dataset of the sweep's `outcome`; along `point`, a row for each point of each cycle:
      `cycle_eta`, `cycle_x` and so on by parameter, `cycle_stable`, `cycle_multiplier`,
      `cycle_period`, `cycle_branch`, `cycle_phase`; along `special`, a row for each point where
      they change: `special_eta`, `special_kind` (flip, fold, neimark_sacker),
      `special_coefficient` and so on. Attributes in words: `branches`, `cascades`, `windows`
      (from a fold to the flip of the cycle born there), `circles`.

    Raises:
      ValueError: if an argument does not fit.
      FileExistsError: as in `eos_jax.sweep`.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> axes = {"x": 0.3, "r": np.linspace(2.5, 3.6, 8)}
      >>> ds = bifurcation_diagram(eos.analysis.logistic(), axes, 1000, free="r", doublings=2,
      ...                          sharpness=None)
      >>> print(ds.attrs["cascades"])
      flips of period 1, 2, 4 at r = 3, 3.44949, 3.54409; ratio 4.751
    """
    system = as_system(system, rule)
    check_free(system, free)
    check_count("doublings", doublings, least=0)
    check_out(out)
    hyper = _fixed(system, axes, free)
    low, high = _interval(axes, free, within)
    longest = stop.longest_period if stop else 0
    given: dict[str, Any] = {**options, "keep": ("period",) if longest else ()}
    dataset = eos.sweep(
        system.objective, axes, steps, rule=system.rule, stop=stop, out=beside(out, "sweep"),
        progress=progress, **given,
    ).load()  # fmt: skip
    settings = {"free": free, "within": [low, high], "doublings": doublings, "size": size,
                "repelling": repelling}  # fmt: skip
    families: list[xr.Dataset] = []
    lanes = _settled(system, axes, steps, dataset, free, max(longest, 1))
    bar = tqdm(lanes, unit="cycle", delay=0.5, disable=None if progress is None else not progress)
    for lane, (params, state), value, period in bar:
        known = any(_lies_on(family, free, value, params, period) for family in families)
        if known or not low <= value <= high:
            continue
        place, part = beside(out, f"branch_{lane}"), {**settings, "lane": lane}
        family = _kept(place, configuration_with(dataset.attrs["configuration"], _NAME, part))
        if family is None:
            at = {**hyper, free: value}
            found = _family(system, params, state, at, (low, high), free, period, doublings,
                            size=size, repelling=repelling)  # fmt: skip
            family = _as_dataset(system, found, free)
            family.attrs["configuration"] = dataset.attrs["configuration"]
            family = finished(family, _NAME, part, place)
        families.append(family)
    families = families or [_as_dataset(system, [], free)]
    base = dataset[["outcome"]].assign_attrs(_in_words(families, free))
    result = base.assign(_together(families).data_vars)
    return finished(result, _NAME, settings, out)


def _fixed(system: System, axes: Mapping[str, Any], free: str) -> dict[str, float]:
    """The hyperparameters that do not move."""
    found = {}
    for name in system.rule.hyperparameters:
        value = axes.get(name, system.rule.defaults.get(name))
        if name in (free, "seed") or value is None:
            continue
        if np.size(getattr(value, "values", value)) != 1:
            raise ValueError(
                f"Argument `axes` must give one number for `{name}`, since a bifurcation diagram "
                f"is over `{free}` alone, but got {np.size(getattr(value, 'values', value))}."
            )
        found[name] = float(np.ravel(getattr(value, "values", value))[0])
    return found


def _interval(axes, free, within) -> tuple[float, float]:
    values = np.ravel(getattr(axes.get(free), "values", axes.get(free, math.nan)))
    low, high = (float(v) for v in (within or (np.min(values), np.max(values))))
    if not low < high:
        raise ValueError(
            f"Argument `within` must be low and high, values of `{free}`, but got {low}, {high}."
        )
    return low, high


def _settled(system, axes, steps, dataset, free, longest):
    """Cycles to follow: lane, (params, state), the free hyperparameter and the period.

    One for each stretch of lanes of one period along the free hyperparameter, short periods first.
    """
    outcome = dataset.outcome
    period = dataset.period.values if "period" in dataset else np.zeros(outcome.shape, int)
    period = np.where(outcome.values == Outcome.CONVERGED, 1, np.maximum(period, 0))
    grid = grids.make_grid(*system, axes, "float64", "product")
    along = outcome.dims.index(grid.along[free]) if free in grid.along else -1
    rows = np.arange(outcome.size).reshape(outcome.shape or (1,))
    rows = np.moveaxis(rows, along, -1).reshape(-1, rows.shape[along])
    runs = [row[first : last + 1] for row in rows for first, last in stretches(period.flat[row])]
    chosen = np.array([run[len(run) // 2] for run in runs], int)
    if not chosen.size:
        return []
    starts = grids.starts_of(grid, chosen, system.rule.hyperparameters)
    hyper = {n: starts[n] for n in system.rule.hyperparameters if n in starts}
    with jax.enable_x64(True):
        points, lanes = lanes_of(system, {n: starts[n] for n in system.objective.parameters}, hyper)
        ends, periods = returns_of(system)(points, lanes, steps, longest)
        ends, periods = jax.tree.map(np.asarray, (ends, periods))
    found = [
        (int(lane), jax.tree.map(lambda leaf, k=k: leaf[k], ends), float(lanes[free][k]),
         int(periods[k]) or int(period.flat[lane]))
        for k, lane in enumerate(chosen)
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each[3], each[0]))


def _family(system, params, state, hyper, within, free, period, doublings, **how) -> list[Branch]:
    """The branch of a cycle, those of the cycles it doubles into, and so on; none without it."""

    def follow(params, state, hyper, period):
        try:
            return both_ways(system, params, hyper, within, free, period, state=state, **how)
        except ValueError:  # no cycle is there
            return None

    first = follow(params, state, hyper, period)
    found = [] if first is None else [first]
    newest = list(found)
    for _ in range(doublings):
        parents, newest = newest, []
        for flip in (s for parent in parents for s in parent.special if s.kind == "flip"):
            born = doubled(system, flip, hyper, free)
            if born is None or not within[0] <= born[0] <= within[1]:
                continue
            h, (params, state) = born
            if any(_lies_on(b.to_dataset(), free, h, params, b.period)
                   for b in newest if b.period == 2 * flip.period):  # fmt: skip
                continue
            branch = follow(params, state, {**hyper, free: h}, 2 * flip.period)
            newest += [] if branch is None else [branch]
        found += newest
    return found


def _lies_on(rows: xr.Dataset, free: str, h: float, params: Mapping[str, Any], period: int) -> bool:
    """Whether a cycle is on one of the branches: on a chord between two neighbours, nearly."""
    along = rows[f"cycle_{free}"].values
    joined = np.diff(rows.cycle_branch.values) == 0
    joined &= np.diff(rows.cycle_phase.values) == 0
    joined &= rows.cycle_period.values[1:] == period
    near = joined & ((along[1:] - h) * (along[:-1] - h) <= 0)
    if not near.any():
        return False
    z = np.concatenate([rows[f"cycle_{n}"].values.reshape(len(along), -1) for n in params], axis=1)
    point = np.concatenate([np.ravel(v) for v in params.values()])
    before, after = z[:-1][near], z[1:][near]
    part = (h - along[:-1][near]) / np.where(np.diff(along)[near] == 0, 1, np.diff(along)[near])
    away = np.abs(before + part[:, None] * (after - before) - point).max(axis=1)
    chord = np.abs(after - before).max(axis=1)
    return bool((away <= 0.3 * chord + 1e-6 * (1 + np.abs(point).max())).any())


def _kept(place: str | None, configuration: str) -> xr.Dataset | None:
    """The branches that stand at a place; raises if they are of another diagram."""
    if place is None:
        return None
    store.check_replaceable(place, configuration)
    with contextlib.suppress(FileNotFoundError):
        return store.open_dataset(place).load()
    return None


def _as_dataset(system: System, branches: Sequence[Branch], free: str) -> xr.Dataset:
    """The rows of some branches."""
    if branches:
        return _together([branch.to_dataset() for branch in branches])
    shapes = dict(zip(system.objective.parameters, system.objective.shapes))
    nothing = {n: np.zeros((0, 1, *shape)) for n, shape in shapes.items()}
    none = Branch(np.zeros(0), nothing, np.zeros((0, 1)), [], nothing, "", free)
    return none.to_dataset()


def _together(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Rows of several datasets of branches, numbered anew."""
    count, moved = 0, []
    for part in parts:
        branches = int(part.cycle_branch.max()) + 1 if part.sizes["point"] else 0
        moved.append(part.assign(
            {n: part[n].copy(data=part[n].values + count)
             for n in ("cycle_branch", "special_branch")}
        ))  # fmt: skip
        count += branches
    joined = {}
    for name, first in moved[0].data_vars.items():
        values = np.concatenate([part[name].values for part in moved])
        joined[name] = (first.dims, values, first.attrs)
    return xr.Dataset(joined, attrs=moved[0].attrs)


# In words -----------------------------------------------------------------------------------------


def _in_words(families: Sequence[xr.Dataset], free: str) -> dict[str, Any]:
    """What was found, as attributes."""
    periods = [int(p) for f in families for p in _by_branch(f, "cycle_period")]
    chains = [text for family in families if (text := _cascade(family, free))]
    windows = [text for family in families if (text := _window(family, free))]
    circles = [
        f"period {s['period']} at {free} = {s['h']:.9g}, "
        f"{'attracts' if s['coefficient'] < 0 else 'repels'}"
        for family in families
        for s in _special(family, free, "neimark_sacker")
    ]
    counted = f"{len(periods)}, of period {', '.join(map(str, sorted(set(periods))))}"
    return {
        "free": free,
        "parameters": families[0].attrs["parameters"],
        "branches": counted if periods else "none: no orbit settled on a cycle to follow",
        "cascades": "; ".join(chains) or "none",
        "windows": "; ".join(windows) or "none",
        "circles": "; ".join(circles) or "none",
    }


def _by_branch(family, name):
    """A variable's first value on each branch."""
    _, first = np.unique(family.cycle_branch.values, return_index=True)
    return family[name].values[first]


def _special(family, free, kind, branch=None):
    """Points of a kind, of one branch or all, in the order along it."""
    mine = (family.special_phase.values == 0) & (family.special_kind.values == KINDS.index(kind))
    if branch is not None:
        mine &= family.special_branch.values == branch
    names = {"h": free, "period": "period", "coefficient": "coefficient", "branch": "branch"}
    columns = {n: family[f"special_{v}"].values[mine].tolist() for n, v in names.items()}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _cascade(family, free) -> str:
    """The flips that follow one another, from the first branch's on, and the last ratio."""
    chain: list[dict] = []
    periods = _by_branch(family, "cycle_period")
    for branch, period in enumerate(periods):
        if chain and period != 2 * chain[-1]["period"]:
            continue
        flips = [s for s in _special(family, free, "flip", branch) if s["coefficient"] > 0]
        if flips:
            last = chain[-1]["h"] if chain else family[f"cycle_{free}"].values[0]
            chain.append(min(flips, key=lambda s: abs(s["h"] - last)))
    if not chain:
        return ""
    found = [s["h"] for s in chain]
    text = f"flips of period {', '.join(str(s['period']) for s in chain)} at {free} = "
    text += ", ".join(f"{h:.6g}" for h in found)
    if len(found) > 2:
        text += f"; ratio {(found[-2] - found[-3]) / (found[-1] - found[-2]):.4g}"
    return text


def _window(family, free) -> str:
    """The window of a cycle that is born in a fold and flips."""
    folds, flips = (_special(family, free, kind, 0) for kind in ("fold", "flip"))
    if not folds or not flips:
        return ""
    fold, flip = min(
        ((a, b) for a in folds for b in flips), key=lambda p: abs(p[0]["h"] - p[1]["h"])
    )
    ends = sorted((fold["h"], flip["h"]))
    return f"period {fold['period']} from {free} = {ends[0]:.9g} to {ends[1]:.9g}"


__all__ = ["bifurcation_diagram"]
