"""Maps of fates that spend orbits near boundaries only, and count what they overlook."""

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

import eos_jax as eos
from eos_jax.analysis.base import beside, check_out, finished, register
from eos_jax.analysis.boundaries import window_of
from eos_jax.analysis.cells import corners_of, dilated, mixed
from eos_jax.analysis.maps import as_system
from eos_jax.checks import check_count
from eos_jax.outcomes import FLAGS, Stop


@register(
    says=("orbits_share", "error_rate", "error_rate_upper"),
    refuses=("combine", "keep", "observe"),
    points=9,
    example={"levels": 2, "check": 20},
)
def refined_map(
    system: Any,
    axes: Mapping[str, Any],
    steps: int,
    *,
    rule: Any = None,
    stop: Stop | None = Stop(),  # noqa: B008  an immutable default
    levels: int = 5,
    margin: int = 1,
    check: int = 20_000,
    seed: int = 0,
    out: str | os.PathLike | None = None,
    **options: Any,
) -> xr.Dataset:
    """A map of fates that spends orbits near boundaries only, with the rate of its errors.

    Every 2^levels-th point is computed; then, again and again, the points between, where the four
    corners of a cell do not agree. The others take the label beside them. A sample of those is
    computed to see how often that is wrong: islands that lie between the points of a coarser map
    are overlooked, so a fractal has more errors than a curve.

    Args:
      system: a `System`, or an objective.
      axes: as in `eos_jax.sweep`, two of them with values.
      steps: the horizon.
      rule: of an objective; gradient descent by default.
      stop: as in `eos_jax.sweep`.
      levels: how often the spacing is halved.
      margin: cells beside a boundary that are searched as well, at every level but the last.
      check: points, of those that were not computed, that are computed to find errors.
      seed: of these.
      out: folder of a store; the levels stand beside it, and are resumed.
      **options: of `eos_jax.sweep`.

    Returns:
      A dataset of `outcome` and `computed` (1 where an orbit was run). Attributes: `orbits_share`,
      `error_rate` of all labels, and `error_rate_upper`, the end of its 95 % interval.

    Raises:
      ValueError: if the axes do not span a plane.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> side = np.linspace(0.5, 6, 400)
      >>> obj = eos.objectives.scalar_product((1, 1))
      >>> ds = refined_map(obj, {"x": side, "y": side, "eta": 0.2}, 3000, check=1000)
      >>> print(ds.attrs["orbits_share"] < 0.2, ds.attrs["error_rate"])
      True 0.0
    """
    system = as_system(system, rule)
    check_count("levels", levels)
    check_count("margin", margin, least=0)
    check_count("check", check, least=0)
    check_out(out)
    first, second, _, fixed = window_of(axes)
    values = [np.asarray(axes[name], float) for name in (first, second)]
    shape = tuple(len(v) for v in values)
    made = []

    def outcomes(rows, columns, name):
        made.append(len(rows))
        points = {first: values[0][rows], second: values[1][columns]}
        given: dict[str, Any] = {"keep": (), **options, "out": beside(out, name)}
        dataset = eos.sweep(
            system.objective, {**fixed, **points}, steps, rule=system.rule, stop=stop,
            combine="zip", **given,
        )  # fmt: skip
        attrs.update(attrs or dataset.attrs)  # those of the coarsest map
        return dataset.outcome.values

    attrs: dict[str, Any] = {}
    stride = 2**levels
    # points beyond the end are those at the end
    index = [np.arange(0, -(-(n - 1) // stride) * stride + 1, stride) for n in shape]
    rows, columns = (g.ravel() for g in np.meshgrid(*_clipped(index, shape), indexing="ij"))
    labels = outcomes(rows, columns, "0").reshape([len(i) for i in index])
    known = np.ones(labels.shape, bool)
    for level in range(1, levels + 1):
        last = level == levels
        labels, known, todo = _finer(labels, known, 0 if last else margin)
        stride //= 2
        places = np.nonzero(todo)
        if len(places[0]):
            rows, columns = (np.minimum(p * stride, n - 1) for p, n in zip(places, shape))
            labels[places] = outcomes(rows, columns, str(level))
        known |= todo
    labels, known = labels[: shape[0], : shape[1]], known[: shape[0], : shape[1]]
    attrs |= {"orbits_share": sum(made) / labels.size}
    attrs |= _checked(labels, known, check, seed, outcomes)
    coords = {first: values[0], second: values[1], **{n: float(v) for n, v in fixed.items()}}
    result = _as_map(system, labels, known, (first, second), coords, attrs)
    settings = {"levels": levels, "margin": margin, "check": check, "seed": seed,
                "ends": [[float(v[0]), float(v[-1]), len(v)] for v in values]}  # fmt: skip
    return finished(result, "refined_map", settings, out)


def _clipped(index, shape):
    return [np.minimum(i, n - 1) for i, n in zip(index, shape)]


def _finer(labels, known, margin):
    """Labels on half the spacing, which are known, and which are to be computed."""
    rows, columns = (2 * n - 1 for n in labels.shape)
    finer = np.repeat(np.repeat(labels, 2, axis=0), 2, axis=1)[:rows, :columns]
    there = np.zeros((rows, columns), bool)
    there[::2, ::2] = known
    near = mixed(labels)
    near = dilated(near, margin) if margin else near
    return finer, there, corners_of(np.repeat(np.repeat(near, 2, axis=0), 2, axis=1)) & ~there


def _checked(labels, known, check, seed, outcomes):
    """How often a label that was not computed is wrong, from a sample of them."""
    guessed = np.flatnonzero(~known.ravel())
    if not check or not len(guessed):
        return {"error_rate": 0.0, "error_rate_upper": 0.0, "checked": 0}
    chosen = np.random.default_rng(seed).choice(guessed, min(check, len(guessed)), replace=False)
    chosen = np.sort(chosen)
    true = outcomes(*np.unravel_index(chosen, labels.shape), "check")
    wrong, count = int((true != labels.ravel()[chosen]).sum()), len(chosen)
    share = len(guessed) / labels.size
    # Wilson's interval; of none in n, about 3.8/n
    z = 1.959963984540054
    p = wrong / count
    upper = p + z**2 / (2 * count) + z * math.sqrt(p * (1 - p) / count + z**2 / (4 * count**2))
    upper /= 1 + z**2 / count
    return {"error_rate": share * p, "error_rate_upper": share * upper, "checked": count}


def _as_map(system, labels, known, dims, coords, attrs):
    names = {n: ((n,) if n in dims else (), v, _words(system, n)) for n, v in coords.items()}
    attrs.pop("order", None)
    return xr.Dataset(
        {
            "outcome": (dims, labels.astype(np.uint8), {"long_name": "fate of the orbit", **FLAGS}),
            "computed": (dims, known.astype(np.uint8),
                         {"long_name": "whether the orbit was run", "units": "1"}),
        },
        coords=names,
        attrs={**attrs, "title": f"Refined map of {system.objective.name}"},
    )  # fmt: skip


def _words(system, name):
    if name in system.objective.parameters:
        return {"long_name": f"start of {name}", "units": "1"}
    return {"long_name": "step size" if name == "eta" else name.replace("_", " "), "units": "1"}


__all__ = ["refined_map"]
