"""What a result says in some lines: how many lanes had which fate, and how sharp they ended."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import xarray as xr

from eos_jax.machine import cores
from eos_jax.outcomes import Outcome
from eos_jax.results.labels import judged

NEAR = 0.01
"""Part of the threshold below it within which an orbit counts as at the edge in a summary."""


def summary(dataset: xr.Dataset, store: str | None = None) -> list[str]:
    r"""Lines that say how many lanes had which fate, and the sharpness that was reached.

    The dataset is read a slab at a time; medians are those of at most some million lanes.

    Args:
      dataset: of `eos_jax.sweep`, of an instrument, or of `eos_jax.open`.
      store: that it was opened from, if it was; where nothing was written nothing is read.

    Returns:
      Lines for a reader.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> ds = eos.sweep(obj, {"x": [2.0, 7.0], "y": 0.4, "eta": 0.2}, 100)
      >>> print("\n".join(summary(ds)[:3]))
      rule: gradient_descent
      converged               1 lanes   50.00%
      diverged                1 lanes   50.00%
    """
    from eos_jax.results.store import rows_written  # imports Zarr

    bend = judged(dataset)
    wanted = [name for name in ("outcome", bend, "threshold") if name in dataset]
    thin = max(1, dataset.outcome.size // 2**20)
    rows = None if store is None else rows_written(store)
    with ThreadPoolExecutor(cores()) as pool:
        slabs = _slabs(dataset[wanted], rows)
        parts = list(pool.map(lambda slab: _part_of(slab, bend, thin), slabs))
    counts = Counter(dict(enumerate(sum(part.counts for part in parts))))
    counts[Outcome.PENDING] += dataset.outcome.size - sum(counts.values())
    at_edge = sum(part.at_edge for part in parts)
    reached, edge, thresholds = (
        np.concatenate([getattr(part, name) for part in parts] or [np.empty(0)])
        for name in ("reached", "edge", "thresholds")
    )
    lines = [f"rule: {dataset.attrs['rule']}"] if "rule" in dataset.attrs else []
    lines += [
        f"{Outcome(kind).name.lower():10} {n:>14,} lanes  {n / dataset.outcome.size:7.2%}"
        for kind, n in sorted(counts.items())
        if n
    ]
    if reached.size:
        low, middle, high = np.quantile(reached, [0, 0.5, 1])
        lines.append(f"{bend} of converged lanes: {low:.6f} to {high:.6f}, median {middle:.6f}")
    if thresholds.size:
        low, high = thresholds.min(), thresholds.max()
        span = f"{low:.6f}" if low == high else f"{low:.6f} to {high:.6f}"
        lines.append(f"stability threshold of the rule: {span}")
    if at_edge:  # of the many lanes of a large result, some
        middle = np.median(edge)
        lines.append(
            f"within {NEAR:.0%} below the threshold: {at_edge:,} lanes, median {bend} {middle:.9f}"
        )
    if _analysed(dataset):
        from eos_jax.analysis import base

        return [*lines, *base.findings(dataset)]
    if counts[Outcome.UNDECIDED] == dataset.outcome.size:
        lines.append(_why_undecided(dataset))
    return lines


def _analysed(dataset) -> bool:
    """Whether an instrument made a dataset, and not a sweep."""
    return "analysis" in json.loads(dataset.attrs.get("configuration", "{}"))


class _Part(NamedTuple):
    """What a summary needs of a slab.

    Attributes:
      counts: lanes by outcome.
      at_edge: converged lanes just below the threshold.
      reached: curvatures of some converged lanes, the least and the largest among them.
      edge: of some of those at the edge.
      thresholds: the least and the largest.
    """

    counts: np.ndarray
    at_edge: int
    reached: np.ndarray
    edge: np.ndarray
    thresholds: np.ndarray


def _part_of(slab, bend, thin):
    """A slab's part in a summary, every so manieth lane of it in medians."""
    slab = slab.load()
    outcome = slab.outcome.values.ravel()
    counts, none = np.bincount(outcome, minlength=256), np.empty(0)
    if not {bend, "threshold"} <= set(slab):
        return _Part(counts, 0, none, none, none)
    thresholds = slab.threshold.values.ravel()
    low, high = np.fmin.reduce(thresholds), np.fmax.reduce(thresholds)  # of those known
    mine = outcome == Outcome.CONVERGED
    values, limits = slab[bend].values.ravel()[mine], thresholds[mine]
    inside = (values > (1 - NEAR) * limits) & (values < limits)
    ends = [values.min(), values.max()] if values.size else []
    return _Part(
        counts,
        int(inside.sum()),
        np.concatenate([values[::thin], ends]),
        values[np.flatnonzero(inside)[::thin]],
        none if np.isnan(low) else np.array([low, high]),
    )


def _why_undecided(dataset) -> str:
    """Why it may be that no lane of a sweep was decided."""
    settings = json.loads(dataset.attrs.get("configuration", "{}"))
    if settings.get("stop", True) is None:
        return "undecided: every lane was run to the horizon, as asked (stop = false)"
    if settings.get("sharpness", True) is None:
        return "undecided: without a measured sharpness no minimum is known to be stable"
    if "rule_remark" in dataset.attrs:
        return f"undecided: {dataset.attrs['rule_remark']}"
    return (
        "undecided: the horizon may be too short, the tolerance too small for the loss, the orbits "
        "may go on for ever (cycles, chaos), or the minimum lie at infinity; look at some with "
        "eos_jax.orbits"
    )


def _slabs(dataset, rows=None, lanes=2**20):
    """Pieces of a dataset along its first dimension, of about so many lanes, that hold these rows.

    Rows are the first ones of tiles; by default all.
    """
    if not dataset.outcome.ndim:
        yield dataset
        return
    first, size = dataset.outcome.dims[0], dataset.outcome.shape[0]
    chunk = dataset.outcome.encoding.get("chunks", (1,))[0]
    step = max(1, lanes // (dataset.outcome.size // size) // chunk) * chunk
    starts = range(0, size, step) if rows is None else sorted({row // step * step for row in rows})
    for start in starts:
        yield dataset.isel({first: slice(start, start + step)})
