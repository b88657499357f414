"""Where one fate ends and another begins: how rough the boundary of basins is, and how to find it.

Three ways to a dimension, which may disagree where the boundary is no fractal down to every scale:
how the cells that differ from a neighbour multiply with the resolution (`resolution_scaling`), how
boxes that hold two fates do (`box_counting`), and how often a start and one nearby, both simulated,
part (`uncertainty`): shares fall as eps^alpha, and the dimension is 2 - alpha.
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

import eos_jax as eos
from eos_jax.analysis.base import beside, check_out, finished, register
from eos_jax.analysis.basins import basin_entropy, wada
from eos_jax.analysis.cells import PARTS
from eos_jax.analysis.dimensions import as_plane, box_counting, resolution_scaling
from eos_jax.analysis.maps import System, as_system
from eos_jax.analysis.scaling import Scaling, scaling
from eos_jax.checks import check_count
from eos_jax.outcomes import Outcome, Stop

Labels = Callable[[xr.Dataset], Any]
"""A result of `eos_jax.sweep` to whole numbers, one for each lane; negative: not known."""


def fates(dataset: xr.Dataset) -> np.ndarray:
    """Labels: the outcomes; where a lane is undecided or invalid nothing is known.

    Example:
      >>> import xarray as xr
      >>> fates(xr.Dataset({"outcome": ("x", [1, 2, 5])}))
      array([ 1,  2, -1])
    """
    outcome = dataset.outcome.values.astype(int)
    unknown = (Outcome.PENDING, Outcome.UNDECIDED, Outcome.INVALID)
    return np.where(np.isin(outcome, unknown), -1, outcome)


def uncertainty(
    system: Any,
    axes: Mapping[str, Any],
    steps: int,
    *,
    rule: Any = None,
    stop: Stop | None = Stop(),  # noqa: B008  an immutable default
    labels: Labels = fates,
    sizes: Any = None,
    pairs: int = 20_000,
    seed: int = 0,
    **options: Any,
) -> Scaling:
    """How often points eps apart part: shares f(eps) ~ eps^alpha, and the dimension 2 - alpha.

    Args:
      system: a `System`, or an objective.
      axes: as in `eos_jax.sweep`; the first and the last value of two of them span the plane.
      steps: the horizon.
      rule: of an objective; gradient descent by default.
      stop: as in `eos_jax.sweep`.
      labels: what is told apart; outcomes by default.
      sizes: eps, over the plane's edges; by default 2^-6 to 2^-12.
      pairs: of points for each size.
      seed: of the points.
      **options: of `eos_jax.sweep`.

    Returns:
      The scaling. Its counts are pairs that part over eps^2, scaled to the largest eps as if there
      were `pairs` boxes there, so that its exponent is the dimension itself.

    Raises:
      ValueError: if the axes do not span a plane.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((1, 1))
      >>> found = uncertainty(obj, {"x": [0.5, 6.0], "y": [0.5, 6.0], "eta": 0.2}, 3000)
      >>> print(abs(found.exponent - 1) < 0.15)  # a smooth curve
      True

    Source: McDonald et al. 1985, "Fractal basin boundaries".
    """
    system = as_system(system, rule)
    check_count("pairs", pairs, least=PARTS**2)
    first, second, window, fixed = window_of(axes)
    sizes = 0.5 ** np.arange(6, 13) if sizes is None else np.sort(np.asarray(sizes, float))[::-1]
    rng = np.random.default_rng(seed)
    places = rng.uniform(size=(len(sizes), 2, pairs))
    angles = rng.uniform(0, 2 * np.pi, size=(len(sizes), pairs))
    moves = sizes[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    both = np.stack([places, places + moves])  # (2, sizes, 2, pairs)
    points = {
        name: (window[name][0] + np.ptp(window[name]) * both[:, :, axis]).ravel()
        for axis, name in enumerate((first, second))
    }
    found = _labels_at(system, points, fixed, steps, stop, labels, options)
    found = found.reshape(2, len(sizes), pairs)
    known = (found >= 0).all(axis=0)
    part = known & (found[0] != found[1])
    groups = part.reshape(len(sizes), -1)[:, : pairs // PARTS**2 * PARTS**2]
    groups = groups.reshape(len(sizes), PARTS**2, -1).sum(axis=2).T
    raw = part.sum(axis=1)
    few = [f"{n} of {pairs} pairs part at {s:.3g}" for n, s in zip(raw, sizes) if n < 30]
    weight = (sizes[0] / sizes) ** 2
    return scaling(sizes, groups * weight, pairs * weight, 1 - float(known.mean()), few[:1])


def window_of(axes):
    """The two axes that vary, their ends, and what is fixed."""
    values = {n: np.asarray(v, float) for n, v in axes.items()}
    varying = [n for n, v in values.items() if v.ndim == 1 and len(v) > 1]
    if len(varying) != 2:
        raise ValueError(
            "Argument `axes` must span a plane: two names with their ends, but "
            f"{', '.join(varying) or 'none'} vary."
        )
    window = {n: (float(values[n][0]), float(values[n][-1])) for n in varying}
    fixed = {n: v for n, v in values.items() if n not in varying}
    return (*varying, window, fixed)


def _labels_at(system: System, points, fixed, steps, stop, labels, options):
    """Labels of points that are given one by one."""
    dataset = eos.sweep(
        system.objective, {**fixed, **points}, steps, rule=system.rule, stop=stop, combine="zip",
        **bare(labels, options),
    )  # fmt: skip
    return np.asarray(labels(dataset)).astype(np.int16)


def bare(labels, options):
    """Nothing is kept but outcomes where nothing else is told apart."""
    return {"keep": (), **options} if labels is fates and "observe" not in options else options


class Dimension(NamedTuple):
    """What is known of a boundary's dimension.

    Attributes:
      resolution: from the resolution of the map.
      boxes: from boxes.
      uncertainty: from pairs of points, simulated.
      verdict: whether the three agree within their errors, and why not.
    """

    resolution: Scaling
    boxes: Scaling
    uncertainty: Scaling
    verdict: str


METHODS = Dimension._fields[:3]


@register(
    says=("agreement", "basin_entropy", "wada"),
    refuses=("combine",),
    points=64,
    example={"pairs": 64, "scales": 1},
)
def boundary(
    system: Any,
    axes: Mapping[str, Any],
    steps: int,
    *,
    rule: Any = None,
    stop: Stop | None = Stop(),  # noqa: B008  an immutable default
    labels: Labels = fates,
    pairs: int = 20_000,
    scales: int = 4,
    seed: int = 0,
    out: str | os.PathLike | None = None,
    **options: Any,
) -> xr.Dataset:
    """The dimension of the boundary between fates over a plane, in three ways, with verdicts.

    Args:
      system: a `System`, or an objective.
      axes: as in `eos_jax.sweep`, two of them with evenly spaced values.
      steps: the horizon.
      rule: of an objective; gradient descent by default.
      stop: as in `eos_jax.sweep`.
      labels: what is told apart; outcomes by default.
      pairs: as in `uncertainty`; its sizes are the map's cells and their multiples.
      scales: resolutions of the map that the fit goes over, each half of the one before.
      seed: as in `uncertainty`.
      out: folder of a store; what the map and the pairs are computed into stands beside it, and is
        resumed.
      **options: of `eos_jax.sweep`.

    Returns:
      A dataset: the map's `outcome`, and for each instrument (resolution, boxes, uncertainty) such
      as `boxes_dimension`, NaN where it is withheld, `boxes_error`, `boxes_slope`, and along
      `boxes_scale` its `boxes_size`, `boxes_count`, `boxes_fitted`. Attributes: `verdicts`,
      `agreement`, `basin_entropy`, `wada`.

    Raises:
      ValueError: if the axes do not span a plane, or are too short.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> side = np.linspace(0.5, 6, 512)
      >>> obj = eos.objectives.scalar_product((1, 1))
      >>> ds = boundary(obj, {"x": side, "y": side, "eta": 0.2}, 3000, pairs=4000)
      >>> print(ds.resolution_dimension.values.round(1))
      1.0
    """
    system = as_system(system, rule)
    check_out(out)
    plane = window_of(axes)[:2]
    dataset = eos.sweep(
        system.objective, axes, steps, rule=system.rule, stop=stop,
        out=beside(out, "map"), **bare(labels, options),
    )  # fmt: skip
    found = np.asarray(labels(dataset)).reshape([dataset.sizes[n] for n in plane])
    as_plane(found, scales + 3)  # boxes of 8 cells
    sizes = 2.0 ** np.arange(scales)[::-1] / max(found.shape)
    by = (
        resolution_scaling(found, scales),
        box_counting(found, scales),
        uncertainty(system, axes, steps, stop=stop, labels=labels, sizes=sizes, pairs=pairs,
                    seed=seed, **options, out=beside(out, "pairs")),
    )  # fmt: skip
    result = _table(dataset[["outcome"]].load(), by)
    entropy = basin_entropy(found)
    result.attrs |= {
        "agreement": agreement(by),
        "basin_entropy": f"{entropy.basin:.4f}; on the boundary {entropy.boundary:.4f} +- "
        f"{entropy.error:.4f}; {entropy.verdict}",
        "wada": wada(found).verdict,
    }
    settings = {"labels": getattr(labels, "__name__", ""), "pairs": pairs, "scales": scales,
                "seed": seed}  # fmt: skip
    return finished(result, "boundary", settings, out)


def _table(dataset: xr.Dataset, by: tuple[Scaling, ...]) -> xr.Dataset:
    """The map's dataset with the variables of each instrument."""
    found = {}
    for name, one in zip(METHODS, by):
        along = (f"{name}_scale",)

        def label(words, name=name):
            return {"long_name": f"{words}, by {name}", "units": "1"}

        found |= {
            f"{name}_dimension": ((), one.said, label("dimension of the boundary")),
            f"{name}_error": ((), one.error, label("half the width of its 95 % interval")),
            f"{name}_slope": ((), one.exponent, label("slope over the fitted scales")),
            f"{name}_size": (along, one.sizes, label("size over the plane's")),
            f"{name}_count": (along, one.counts, label("boundary boxes")),
            f"{name}_fitted": (along, one.fitted.astype(np.int8), label("whether it is fitted")),
        }
    verdicts = json.dumps({n: s.verdict for n, s in zip(METHODS, by)})
    return dataset.assign(found).assign_attrs(verdicts=verdicts)


def agreement(by: tuple[Scaling, ...]) -> str:
    """Whether dimensions agree within their errors, in words."""
    said = [(n, s) for n, s in zip(METHODS, by) if not s.verdict]
    withheld = [f"{n} withheld ({s.verdict})" for n, s in zip(METHODS, by) if s.verdict]
    apart = [
        f"{a} and {b} differ by {one.exponent - other.exponent:+.3f}"
        for i, (a, one) in enumerate(said)
        for b, other in said[i + 1 :]
        if abs(one.exponent - other.exponent) > math.hypot(one.error, other.error)
    ]
    if len(said) < 2:
        return "; ".join(["too few to compare", *withheld])
    return "; ".join([*(apart or ["agree within their errors"]), *withheld])


__all__ = ["METHODS", "Dimension", "boundary", "fates", "uncertainty"]
