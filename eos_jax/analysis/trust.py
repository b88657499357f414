"""Which fates can be trusted: those that stay when nothing that matters is changed.

A fate is looked at again from starts one unit in the last place further, in single precision, to
twice the horizon and by another engine. Where it changes, the label is a matter of rounding, not of
the start that was named; near a fractal boundary and in long chaos that is to be expected.
"""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

import eos_jax as eos
from eos_jax.analysis.base import beside, check_out, finished, register
from eos_jax.analysis.maps import as_system
from eos_jax.checks import check_choice
from eos_jax.observers import lyapunov
from eos_jax.outcomes import Stop
from eos_jax.run.engine import CannotRun
from eos_jax.run.grid import Along

CHANGES = {
    "ulp": "starts one unit in the last place further",
    "float32": "in single precision",
    "horizon": "to twice the horizon",
    "engine": "by another engine",
}
"""What is changed, by name, in words."""

TRUSTED_BY = ("ulp", "horizon", "engine")
"""What a trusted fate withstands, unless said otherwise; single precision is another question."""


@register(says=("trust",), example={"by": ["ulp", "horizon"], "also": []})
def trust(
    system: Any,
    axes: Mapping[str, Any],
    steps: int,
    *,
    rule: Any = None,
    stop: Stop | None = Stop(),  # noqa: B008  an immutable default
    by: Sequence[str] = TRUSTED_BY,
    also: Sequence[str] = ("float32",),
    exponent: bool = False,
    dtype: str = "float64",
    out: str | os.PathLike | None = None,
    **options: Any,
) -> xr.Dataset:
    """A sweep, with where its fates change under what should not change them.

    Args:
      system: a `System`, or an objective.
      axes: as in `eos_jax.sweep`.
      steps: the horizon.
      rule: of an objective; gradient descent by default.
      stop: as in `eos_jax.sweep`.
      by: what a trusted fate withstands, names among ulp, float32, horizon, engine.
      also: what else is tried, without a say in what is trusted.
      exponent: whether to measure the largest Lyapunov exponent up to where a lane is decided, and
        from it how many steps can be foretold: log(1/eps) over it, eps one rounding.
      dtype: "float64" or "float32".
      out: folder of a store; the sweeps that are compared stand beside it, and are resumed.
      **options: of `eos_jax.sweep`.

    Returns:
      The sweep's dataset with, for each change, `changed_ulp` and so on, 1 where the fate changes;
      `trusted`, 1 where none of `by` changes it; with `exponent` also `exponent` and
      `predictable_steps`, infinite where neighbours do not part. Attributes: `trusted_share`,
      `trust` in words, and such as `changed_ulp_share`. Where no other engine can run the sweep,
      nothing is said of it.

    Raises:
      ValueError: if an argument does not fit.
      FileExistsError: as in `eos_jax.sweep`.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> ds = trust(obj, {"x": np.linspace(2, 3, 9), "y": 0.3, "eta": 0.2}, 2000,
      ...            by=["ulp", "horizon"], also=[])
      >>> print(ds.attrs["trusted_share"], ds.attrs["trust"])
      1.0 trusted: 100 % of lanes (ulp, horizon)

    Source: the shadow of a rounding: Hammel, Yorke and Grebogi 1987 on what long orbits mean.
    """
    system = as_system(system, rule)
    check_out(out)
    for name in (*by, *also):
        check_choice("by", name, tuple(CHANGES))
    observe = dict(options.pop("observe", None) or {})
    if exponent:
        observe["parting"] = lyapunov(settle=0)
        options["keep"] = None if (keep := options.get("keep")) is None else (
            *keep, "parting_exponent")  # fmt: skip

    def run(name, axes=axes, steps=steps, dtype=dtype, **more):
        given = {**options, **more}
        return eos.sweep(system.objective, axes, steps, rule=system.rule, stop=stop, dtype=dtype,
                         out=beside(out, name), **given)  # fmt: skip

    base = run("as_it_is", observe=observe or None)
    bare = {"keep": (), "observe": None}
    others = {
        "ulp": lambda: run("ulp", _further(system, axes, dtype), **bare),
        "float32": lambda: run("float32", dtype="float32", **bare),
        "horizon": lambda: run("horizon", steps=2 * steps, **bare),
        "engine": lambda: run("engine", engine=_other(base), **bare),
    }
    base = base.load()
    changed = {}
    for name in CHANGES:
        if name not in (*by, *also):
            continue
        try:
            found = others[name]()
        except CannotRun:  # there is no other engine for this
            continue
        changed[name] = found.outcome.values != base.outcome.values
    settings = {"by": list(by), "also": list(also), "exponent": exponent}
    return finished(_with_changes(base, changed, by, exponent, dtype), "trust", settings, out)


def _other(base: xr.Dataset) -> str:
    return "plain" if base.attrs["engine"] == "registers" else "registers"


def _further(system, axes, dtype):
    """Axes with every start one unit in the last place further."""

    def moved(name, given):
        if name in system.rule.hyperparameters:
            return given
        if isinstance(given, Along):
            return given._replace(values=moved(name, given.values))
        return np.nextafter(np.asarray(given, dtype), np.asarray(np.inf, dtype))

    return {name: moved(name, given) for name, given in axes.items()}


def _with_changes(base, changed, by, exponent, dtype):
    dims = base.outcome.dims
    found = {
        f"changed_{name}": (dims, where.astype(np.uint8),
                            {"long_name": f"whether the fate changes {CHANGES[name]}",
                             "units": "1"})
        for name, where in changed.items()
    }  # fmt: skip
    withstood = [name for name in by if name in changed]
    trusted = np.ones(base.outcome.shape, bool)
    for name in withstood:
        trusted &= ~changed[name]
    found["trusted"] = (dims, trusted.astype(np.uint8),
                        {"long_name": "whether the fate can be trusted", "units": "1"})  # fmt: skip
    share = float(trusted.mean())
    attrs: dict[str, Any] = {
        f"changed_{name}_share": float(where.mean()) for name, where in changed.items()
    }
    attrs |= {"trusted_share": share, "trust": in_words(share, withstood)}
    result = base.assign(found)
    if exponent:
        growth = result.parting_exponent
        digits = math.log(1 / float(np.finfo(dtype).eps))
        steps = xr.where(growth > 0, digits / growth.where(growth > 0), np.inf)
        result = result.rename(parting_exponent="exponent")
        result["predictable_steps"] = steps.where(growth.notnull()).assign_attrs(
            long_name="steps that can be foretold", units="steps"
        )
    return result.assign_attrs(attrs)


def in_words(share: float, by: Sequence[str]) -> str:
    """The share of trusted lanes for a caption; what is not all is not said to be.

    Example:
      >>> in_words(0.99996, ["ulp"])
      'trusted: 99.996 % of lanes (ulp)'
    """
    percent = 100 * share
    digits = 2 if percent < 99.9 else 4
    if share < 1 and float(f"{percent:.{digits}f}") == 100:
        text = "more than 99.9999"
    else:
        text = f"{percent:.{digits}f}".rstrip("0").rstrip(".")
    return f"trusted: {text} % of lanes ({', '.join(by)})"


__all__ = ["CHANGES", "TRUSTED_BY", "in_words", "trust"]
