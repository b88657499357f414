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
from eos_jax.analysis.maps import System, as_system
from eos_jax.analysis.scaling import FEWEST_COUNTS, Scaling, scaling
from eos_jax.checks import check_count
from eos_jax.outcomes import Outcome, Stop

Labels = Callable[[xr.Dataset], Any]
"""A result of `eos_jax.sweep` to whole numbers, one for each lane; negative: not known."""

PARTS = 4
"""The plane is cut into so many by so many parts, whose scatter gives the error."""


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


# Maps that are there ------------------------------------------------------------------------------


def resolution_scaling(labels: Any, scales: int = 4) -> Scaling:
    """How the cells on a boundary multiply with the resolution of a map: N(n) ~ n^D.

    Every 2^j-th point of the map is itself a map; a cell is on the boundary where its four corners
    do not agree. All maps show the same part of the plane: what is left over at its ends, less than
    a cell of the coarsest, is left out; of 2^j + 1 points nothing is. A smooth curve crosses
    a n + c cells, c some -3 to 3, so that its exponent is 1 up to log(1 + 3/N) / log(8), N cells
    at the coarsest of four scales.

    Args:
      labels: whole numbers over a plane, shape (n, m); negative: not known, and no boundary.
      scales: how many resolutions, each half of the one before.

    Returns:
      The scaling; its sizes are cells over the plane's, its exponent the dimension.

    Raises:
      ValueError: if the map is no plane or too small.

    Example:
      >>> import numpy as np
      >>> x, y = np.meshgrid(np.linspace(-1, 1, 1024), np.linspace(-1, 1, 1024))
      >>> found = resolution_scaling(x**2 + y**2 < 0.5)
      >>> print(abs(found.exponent - 1) < 0.02, found.verdict == "")
      True True
    """
    labels = _cut(_plane(labels, scales), 2 ** (scales - 1))
    strides = 2 ** np.arange(scales)[::-1]
    return _scaled(labels, strides, [_mixed(labels[::k, ::k]) for k in strides])


def _scaled(labels: np.ndarray, strides: np.ndarray, cells: list[np.ndarray]) -> Scaling:
    """The law of cells that hold two fates, coarse ones first, counted in the same parts."""
    counts = [_in_parts(each, cells[0].shape) for each in cells]
    sizes = strides / (max(labels.shape) - 1)
    return scaling(sizes, np.transpose(counts), [each.size for each in cells], _unknown(labels))


def _cut(labels: np.ndarray, whole: int) -> np.ndarray:
    """The part of a plane whose cells are a whole multiple of some number along both edges."""
    rows, columns = ((n - 1) // whole * whole + 1 for n in labels.shape)
    return labels[:rows, :columns]


def box_counting(labels: Any, scales: int = 4, finest: int = 8) -> Scaling:
    """How boxes that hold two fates multiply as they shrink: N(s) ~ s^-D.

    Boxes share their edges, so that no boundary runs between them unseen.

    Args:
      labels: as in `resolution_scaling`.
      scales: how many sizes, growing by factors of two.
      finest: cells along an edge of the smallest boxes, a power of two. Boxes of few cells overlook
        much of a fractal, and too few of them are counted.

    Returns:
      As in `resolution_scaling`.

    Raises:
      ValueError: if the map is no plane or too small, or `finest` no power of two.

    Example:
      >>> import numpy as np
      >>> x, y = np.meshgrid(np.linspace(-1, 1, 1025), np.linspace(-1, 1, 1025))
      >>> found = box_counting(x**2 + y**2 < 0.5)
      >>> print(abs(found.exponent - 1) < 0.05)
      True
    """
    check_count("finest", finest)
    halvings = finest.bit_length() - 1
    if 2**halvings != finest:
        raise ValueError(f"Argument `finest` must be a power of two, but got {finest}.")
    labels = _cut(_plane(labels, scales + halvings), finest * 2 ** (scales - 1))
    low, high = _corners(labels, np.minimum, True), _corners(labels, np.maximum, False)
    found = []
    for scale in range(scales + halvings):
        if scale >= halvings:
            found.append((low < high) & (high >= 0))
        low, high = _in_fours(low, np.minimum), _in_fours(high, np.maximum)
    return _scaled(labels, finest * 2 ** np.arange(scales)[::-1], found[::-1])


def _plane(labels: Any, scales: int) -> np.ndarray:
    labels = np.asarray(labels)
    check_count("scales", scales)
    if labels.ndim != 2 or min(labels.shape) < PARTS * 2**scales:
        raise ValueError(
            f"Argument `labels` must be a plane of at least {PARTS * 2**scales} by as many for "
            f"{scales} scales, but got shape {labels.shape}."
        )
    return labels.astype(np.int16)


def _corners(labels, of, low):
    """The least or greatest known label at the corners of each cell."""
    worst = np.int16(np.iinfo(np.int16).max if low else -1)
    known = np.where(labels >= 0, labels, worst)
    return of(of(known[1:, 1:], known[1:, :-1]), of(known[:-1, 1:], known[:-1, :-1]))


def _mixed(labels):
    """Which cells have corners that do not agree."""
    return _corners(labels, np.minimum, True) < _corners(labels, np.maximum, False)


def _in_fours(cells, of):
    rows, columns = (n // 2 * 2 for n in cells.shape)
    cells = cells[:rows, :columns]
    return of(of(cells[::2, ::2], cells[1::2, ::2]), of(cells[::2, 1::2], cells[1::2, 1::2]))


def _in_parts(cells, coarsest=None):
    """How many of the cells of each part of the plane hold; parts end where coarse cells do."""
    rows, columns = (
        np.linspace(0, few, PARTS + 1).astype(int) * (n // few)
        for n, few in zip(cells.shape, coarsest or cells.shape)
    )
    table = np.add.reduceat(cells.astype(np.int64), rows[:-1], axis=0)
    return np.add.reduceat(table, columns[:-1], axis=1).ravel()


def _unknown(labels):
    return float(np.mean(labels < 0))


class Entropy(NamedTuple):
    """How uncertain a fate is within small boxes.

    Attributes:
      basin: mean over all boxes of -sum p log p, p the shares of fates in a box.
      boundary: mean over boxes with two fates or more; above log 2 the boundary cannot be smooth.
      error: half the width of the 95 % interval of `boundary`.
      verdict: what follows.
    """

    basin: float
    boundary: float
    error: float
    verdict: str


def basin_entropy(labels: Any, box: int = 5) -> Entropy:
    """The basin entropy of a map of fates.

    Args:
      labels: as in `resolution_scaling`.
      box: points along the edge of a box.

    Returns:
      The entropy.

    Raises:
      ValueError: if the map is no plane or holds no box in every part.

    Example:
      >>> import numpy as np
      >>> rng = np.random.default_rng(0)
      >>> found = basin_entropy(rng.integers(0, 3, (200, 200)))
      >>> print(round(found.boundary, 1), found.verdict)
      1.1 fractal: above log 2

    Source: Daza et al. 2016, "Basin entropy: a new tool to analyze uncertainty".
    """
    labels = np.asarray(labels)
    check_count("box", box, least=2)
    if labels.ndim != 2 or min(labels.shape) < PARTS * box:
        raise ValueError(
            f"Argument `labels` must be a plane of at least {PARTS * box} by as many, but got "
            f"shape {labels.shape}."
        )
    rows, columns = (n // box for n in labels.shape)
    boxes = labels[: rows * box, : columns * box].reshape(rows, box, columns, box)
    kinds = _basins(labels)
    entropy, known = np.zeros((rows, columns)), (boxes >= 0).sum(axis=(1, 3))
    for kind in kinds:
        share = (boxes == kind).sum(axis=(1, 3)) / np.maximum(known, 1)
        entropy -= share * np.log(np.where(share > 0, share, 1))
    mixed = entropy > 0
    sums, counts = _in_parts_sum(entropy * mixed), _in_parts(mixed)
    if counts.sum() == 0:
        return Entropy(0.0, math.nan, math.nan, "no boundary")
    boundary = float(sums.sum() / counts.sum())
    filled = counts > 0
    without = (sums.sum() - sums[filled]) / np.maximum(counts.sum() - counts[filled], 1)
    parts = max(int(filled.sum()), 1)
    error = 1.96 * math.sqrt((parts - 1) / parts * float(np.sum((without - without.mean()) ** 2)))
    if len(kinds) < 3:
        verdict = "two fates: the bound log 2 says nothing"
    elif boundary - error > math.log(2):
        verdict = "fractal: above log 2"
    else:
        verdict = "not above log 2, which says nothing"
    return Entropy(float(entropy.mean()), boundary, error, verdict)


def _basins(labels):
    """The labels that are known, without those of single points."""
    kinds, counts = np.unique(labels[labels >= 0], return_counts=True)
    return kinds[counts >= FEWEST_COUNTS]


def _in_parts_sum(values):
    rows, columns = (np.linspace(0, n, PARTS + 1).astype(int) for n in values.shape)
    table = np.add.reduceat(values, rows[:-1], axis=0)
    return np.add.reduceat(table, columns[:-1], axis=1).ravel()


class Wada(NamedTuple):
    """Whether every boundary point borders on every basin.

    Attributes:
      distances: in cells.
      shares: of the points of any basin's boundary, those with every basin's boundary within that
        distance; the least over basins.
      verdict: what follows, to this resolution.
    """

    distances: np.ndarray
    shares: np.ndarray
    verdict: str


def wada(labels: Any, scales: int = 6) -> Wada:
    """Whether all basins have one boundary, by merging: the boundary of each against the rest.

    Args:
      labels: as in `resolution_scaling`.
      scales: distances looked at, 1, 2, 4, ... cells.

    Returns:
      The shares and a verdict; it is withheld with fewer than three basins.

    Raises:
      ValueError: if the map is no plane.

    Example:
      >>> import numpy as np
      >>> stripes = np.repeat([0, 1, 2], 40)[:, None] * np.ones(120, int)
      >>> wada(stripes).verdict
      'no: 0.0% of some boundary is near all basins, at 32 of 120 cells'

    Source: Daza, Wagemakers and Sanjuan 2018, "Ascertaining when a basin is Wada: the merging
    method".
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(f"Argument `labels` must be a plane, but got shape {labels.shape}.")
    kinds = _basins(labels)
    distances = 2 ** np.arange(scales)
    if len(kinds) < 3:
        return Wada(distances, np.full(scales, np.nan),
                    f"withheld: {len(kinds)} fates, three are needed")  # fmt: skip
    edges = [_mixed(np.where(labels < 0, -1, labels == kind)) for kind in kinds]
    shares = []
    for distance in distances:
        near = np.logical_and.reduce([_dilated(edge, distance) for edge in edges])
        shares.append(min(float(near[edge].mean()) if edge.any() else 0.0 for edge in edges))
    shares = np.array(shares)
    enough = shares >= 0.99
    if enough.any():
        reach = int(distances[np.argmax(enough)])
        return Wada(distances, shares, f"Wada to {reach} of {min(labels.shape)} cells")
    return Wada(distances, shares, f"no: {shares[-1]:.1%} of some boundary is near all basins, at "
                f"{distances[-1]} of {min(labels.shape)} cells")  # fmt: skip


def _dilated(cells, reach):
    """Cells with one that holds within so many, along both axes."""
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (reach + 1, reach)
        total = np.cumsum(np.pad(cells.astype(np.int32), padding), axis=axis)
        width = 2 * reach + 1
        cells = np.take(total, range(width, total.shape[axis]), axis) > np.take(
            total, range(total.shape[axis] - width), axis
        )
    return cells


# Starts nearby, simulated -------------------------------------------------------------------------


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
    first, second, window, fixed = _window(axes)
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


def _window(axes):
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
        **_bare(labels, options),
    )  # fmt: skip
    return np.asarray(labels(dataset)).astype(np.int16)


def _bare(labels, options):
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
    plane = _window(axes)[:2]
    dataset = eos.sweep(
        system.objective, axes, steps, rule=system.rule, stop=stop,
        out=beside(out, "map"), **_bare(labels, options),
    )  # fmt: skip
    found = np.asarray(labels(dataset)).reshape([dataset.sizes[n] for n in plane])
    _plane(found, scales + 3)  # boxes of 8 cells
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


# Refinement ---------------------------------------------------------------------------------------


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
    first, second, _, fixed = _window(axes)
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
    near = _mixed(labels)
    near = _dilated(near, margin) if margin else near
    return finer, there, _points_of(np.repeat(np.repeat(near, 2, axis=0), 2, axis=1)) & ~there


def _points_of(cells):
    """The points at the corners of cells."""
    points = np.zeros([n + 1 for n in cells.shape], bool)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            points[rows, columns] |= cells
    return points


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
    from eos_jax.outcomes import FLAGS

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


__all__ = [
    "METHODS",
    "Dimension",
    "Entropy",
    "Scaling",
    "Wada",
    "basin_entropy",
    "boundary",
    "box_counting",
    "fates",
    "refined_map",
    "resolution_scaling",
    "uncertainty",
    "wada",
]
