"""Answers to a page's questions: pure functions from a question to what is sent."""

import inspect
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import xarray as xr

import eos_jax as eos
from eos_jax import colours, config, objectives, observers, registry, rules
from eos_jax.config import Configuration, Range
from eos_jax.explorer import questions, stores
from eos_jax.explorer.lines import as_python
from eos_jax.explorer.messages import arrays_of, as_json, described, packed
from eos_jax.objectives import Objective
from eos_jax.outcomes import DESCRIPTIONS, Outcome
from eos_jax.results.labels import judged
from eos_jax.run.grid import entry_of

Report = Callable[[float], Any]
"""Called with numbers of lanes as they are done; what it raises stops the work."""

LONGEST_ORBIT = 2**14
"""Steps of an orbit that are drawn at most."""


class Context(NamedTuple):
    """What a server was started with.

    Attributes:
      first: what is shown first, or of a store what its orbits are computed with.
      notes: what the page says about how `first` came about.
      own: a user's own objective, meant where a configuration names none.
      store: a result to show in place of computing.
      computes: whether `first` can be computed; not where a store is of somebody's own loss.
    """

    first: Configuration
    notes: tuple[str, ...] = ()
    own: Objective | None = None
    store: xr.Dataset | None = None
    computes: bool = True


def start(context: Context) -> dict[str, Any]:
    """What a page needs before it asks anything: the first view, registries, colours, limits."""
    first = context.first
    return {
        "configuration": msgspec.to_builtins(first),
        "system": system(context, questions.System(first.objective, first.rule))
        if context.computes
        else None,
        "own": context.own.name if context.own else None,
        "notes": context.notes,
        "objectives": _families(objectives.registry, _small),
        "rules": _families(rules.registry),
        "observers": _records(),
        "outcomes": [
            {
                "code": int(kind),
                "name": kind.name.lower(),
                "words": DESCRIPTIONS[kind],
                "colour": colours.OUTCOME_COLOURS[kind],
                "quiet": colours.BESIDE_SHARPNESS.get(kind, "#FFFFFF"),
            }
            for kind in Outcome
        ],
        "palettes": {kind.name.lower(): colours.shades(kind) for kind in colours.SHADED},
        "even_odd": colours.EVEN_ODD,
        "limits": {"pixels": questions.PIXELS, "steps": questions.STEPS,
                   "lane_steps": questions.LANE_STEPS, "orbit": LONGEST_ORBIT,
                   "dimension": questions.DIMENSION},
        "store": None if context.store is None else stores.described(context.store),
        "computes": context.computes,
    }  # fmt: skip


def palettes() -> dict[str, list[str]]:
    """256 colours for each scale of values, of maps that colour-blind readers can read.

    The first picture needs none of them, and does not wait for matplotlib.
    """
    import matplotlib

    from eos_jax.plots.style import SHARPNESS

    def scale(name):
        found = matplotlib.colormaps[name](np.linspace(0, 1, 256))
        return [matplotlib.colors.to_hex(colour) for colour in found]

    return {"value": scale(SHARPNESS), "gap": scale("cividis")}


def _families(families, fitting=None) -> list[dict[str, Any]]:
    """Registered families with the settings of their examples, those that a page can show."""
    found = []
    for name, family in sorted(families.items()):
        examples = [
            json.loads(as_json(registry.recorded(dict(settings))))
            for settings in family.examples
            if not any(map(registry.is_array, settings.values()))
            and (fitting is None or fitting(family.make(**settings)))
        ]
        if examples:
            lines = (family.make.__doc__ or "").strip().splitlines()
            found.append({"name": name, "words": lines[0] if lines else "", "examples": examples})
    return found


def _small(objective) -> bool:
    """Whether a page can show it."""
    try:
        questions.check_objective(objective)
    except ValueError:
        return False
    return True


def _records() -> list[dict[str, Any]]:
    """Observers that need no settings and keep no whole orbits; they settle at once, for most lanes
    of a map are decided in fewer steps than a part of the horizon.
    """
    found = []
    for name, make in sorted(observers.registry.items()):
        try:
            observer = make()
        except TypeError:  # it must be told something
            continue
        lines = (make.__doc__ or "").strip().splitlines()
        if not observer.by_index and name != "final_point":
            settings = {"settle": 0} if "settle" in inspect.signature(make).parameters else {}
            found.append({"name": name, "words": lines[0] if lines else "", "settings": settings})
    return found


def system(context: Context, asked: questions.System) -> dict[str, Any]:
    """Parameters, hyperparameters, their defaults and a start, of an objective and a rule."""
    objective = questions.objective_of(asked.objective, context.own)
    rule = questions.rule_of(asked.rule)
    return {
        "objective": repr(objective),
        "parameters": dict(zip(objective.parameters, objective.shapes)),
        "starts": questions.starts(objective),
        "rule": repr(rule),
        "remark": rule.remark,
        "hyperparameters": {n: rule.defaults.get(n) for n in rule.hyperparameters},
        "positive": [n for n in rule.hyperparameters if rules.is_step_size(n)],
    }


def window(context: Context, asked: questions.Window, report: Report) -> bytes:
    """A map: outcome, steps and every other number that a sweep yields per lane."""
    given = questions.arguments(asked.configuration, context.own, asked.part)
    begun = time.perf_counter()
    if asked.trust:
        dataset = _trusted(given, report)
    else:
        dataset = eos.sweep(**given, progress=report)
    seconds = time.perf_counter() - begun
    across = [d for d in dataset.outcome.dims if d in questions.axes_of(asked.configuration)]
    head = described(dataset) | {
        "part": asked.part,
        "seconds": seconds,
        "lane_steps": int(dataset.steps.sum(dtype=np.int64)) if "steps" in dataset else None,
        "ulps": {n: questions.ulps(dataset[n].values) for n in across},
    }
    return packed(head, arrays_of(dataset, across, asked.variables))


def _trusted(given, report) -> xr.Dataset:
    from eos_jax.analysis.trust import trust

    given = dict(given)
    system, axes, steps = (given.pop(name) for name in ("objective", "axes", "steps"))
    given.pop("sharpness")  # a fate needs it measured
    given.pop("combine")
    given.pop("engine")
    return trust(system, axes, steps, by=["ulp"], also=[], progress=report, **given)


def orbit(context: Context, asked: questions.Orbit, report: Report) -> dict[str, Any]:
    """One orbit up to where its fate is decided: points, loss, curvature and threshold."""
    given = questions.arguments_of_point(_at(asked.configuration, asked.start), context.own)
    fate = eos.sweep(**given, progress=report)
    decided = int(fate.steps)
    shown = min(decided + 1, LONGEST_ORBIT)
    # few horizons, so that few programs are compiled
    horizon = min(int(4 ** np.ceil(np.log(max(shown, 64)) / np.log(4))), LONGEST_ORBIT)
    same = {n: given[n] for n in ("objective", "axes", "rule", "sharpness", "dtype")}
    whole = eos.orbits(**same, steps=horizon, progress=False).isel(step=slice(0, shown))
    names = [n for n in whole.data_vars if whole[n].dims == ("step",)]
    objective = given["objective"]
    entries = {n: at for n in given["axes"] if (at := entry_of(objective, n)) is not None}
    tracks = {f"{n}_orbit": whole[f"{p}_orbit"][:, *i] for n, (p, i) in entries.items()}
    end = {n: whole[f"{n}_orbit"].values[-1] for n in objective.parameters}
    final = {n: fate[f"{n}_final"].values for n in end if f"{n}_final" in fate}
    return {
        "outcome": int(fate.outcome),
        "steps": decided,
        "shown": shown,
        "judged": judged(whole),
        "parts": shown > decided and any(not _close(end[n], final[n]) for n in final),
        "fate": {str(n): v.values.tolist() for n, v in fate.data_vars.items() if not v.dims},
        "orbit": {
            str(n): values.values.astype(float).tolist()
            for n, values in ({n: whole[n] for n in names} | tracks).items()
        },
        "remark": fate.attrs.get("rule_remark"),
    }


def _close(one, other) -> bool:
    """Whether two ends are the same up to what rounding does to an orbit that is not chaotic."""
    return np.allclose(one, other, rtol=1e-3, atol=1e-6, equal_nan=True)


def _at(configuration: Configuration, start: Mapping[str, float]) -> Configuration:
    """The configuration with one value in place of each range."""
    unknown = [name for name in start if name not in configuration.axes]
    if unknown:
        raise ValueError(
            f"A start has no `{unknown[0]}`; there are {', '.join(configuration.axes)}."
        )
    axes = {
        name: start.get(name, axis.start if isinstance(axis, Range) else axis)
        for name, axis in configuration.axes.items()
    }
    return msgspec.structs.replace(configuration, axes=axes, observe=None, keep=None, tile=None)


def picture(context: Context, asked: questions.Sheet, report: Report) -> bytes:
    """A window as a PNG with axes and a key, as `eos-jax plot` draws it."""
    from eos_jax import plots

    options: dict[str, Any] = {"kind": asked.variable or "outcome"}
    if options["kind"] not in ("outcome", "sharpness"):
        options = {"kind": "map", "variable": asked.variable, "log": asked.log}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.png"
        plots.save(plots.draw(dataset_of(context, asked, report), **options), path)
        return path.read_bytes()


def netcdf(context: Context, asked: questions.Sheet, report: Report) -> bytes:
    """A window as NetCDF."""
    from eos_jax.results import export

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.nc"
        export.write(dataset_of(context, asked, report), path)
        return path.read_bytes()


def dataset_of(context: Context, asked: questions.Sheet, report: Report) -> xr.Dataset:
    """The sweep of a window, or the part of the store."""
    if asked.piece is not None:
        return stores.chosen(context.store, asked.piece).load()
    return eos.sweep(**questions.arguments(asked.configuration, context.own), progress=report)


def text(context: Context, asked: questions.Sheet) -> dict[str, str]:
    """A window as TOML and as lines of Python."""
    questions.check_limits(asked.configuration)
    return {
        "toml": config.as_toml(asked.configuration) + "\n",
        "python": as_python(asked.configuration, context.own),
    }


def piece(context: Context, asked: questions.Piece, report: Report) -> bytes:
    """A part of the store."""
    return stores.piece(context.store, asked, report)


def warm(context: Context) -> None:
    """Compile what the first view needs, before a page asks for it."""
    first = context.first
    if context.store is None:
        window(context, questions.Window(first, 8), lambda lanes: None)  # what is asked first
