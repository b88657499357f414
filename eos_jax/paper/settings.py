"""What the figures' modules share: which settings a run has, and how they are written down.

A figure's module has `SETTINGS`, `QUICK` (what a quick run has otherwise), `STATED` (the names of
the settings that the paper states; the rest were chosen here), `CAPTION` with a {field} for every
setting, `compute(quick)` and `draw(dataset)`. The dataset carries the settings it was computed
with, so that a caption never speaks of others.
"""

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

ATTRIBUTE = "figure_settings"


def choose(settings: Mapping[str, Any], other: Mapping[str, Any], quick: bool) -> dict[str, Any]:
    """The settings of a run: a figure's own, or with those of a quick run in their place.

    Raises:
      KeyError: if the quick run names a setting that the figure does not have.

    Example:
      >>> choose({"steps": 1000, "eta": 0.2}, {"steps": 10}, quick=True)
      {'steps': 10, 'eta': 0.2}
    """
    unknown = set(other) - set(settings)
    if unknown:
        raise KeyError(f"quick settings {sorted(unknown)} are none of {sorted(settings)}")
    return {**settings, **(other if quick else {})}


def stamp(dataset: xr.Dataset, settings: Mapping[str, Any]) -> xr.Dataset:
    """The dataset with the settings it was computed with among its attributes."""
    return dataset.assign_attrs({ATTRIBUTE: json.dumps(settings)})


def stamped(dataset: xr.Dataset) -> dict[str, Any]:
    """The settings a dataset was computed with.

    Example:
      >>> stamped(stamp(xr.Dataset(), {"steps": 10}))
      {'steps': 10}
    """
    return json.loads(dataset.attrs[ATTRIBUTE])


def written(value: Any) -> str:
    """A setting as a caption writes it.

    Example:
      >>> written(0.2), written([8, 10, 12]), written([[6, 0.1], [2, 3]])
      ('0.2', '8, 10, 12', '(6, 0.1), (2, 3)')
      >>> written(150_000), written({"x": 3.2, "y": 0.25})
      ('150,000', 'x = 3.2, y = 0.25')
      >>> written(True), written(None)
      ('yes', 'none')
    """
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {written(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        inner = (
            f"({written(each)})" if isinstance(each, list | tuple) else written(each)
            for each in value
        )
        return ", ".join(inner)
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def fill(caption: str, settings: Mapping[str, Any]) -> str:
    """A caption with its settings filled in.

    Example:
      >>> fill("Step size {eta}, {steps} steps.", {"eta": 0.2, "steps": 50_000})
      'Step size 0.2, 50,000 steps.'
    """
    return caption.format(**{name: written(value) for name, value in settings.items()})


def eta_words(dataset: xr.Dataset) -> str:
    """A step size as the paper gives it, by its threshold.

    Example:
      >>> eta_words(xr.Dataset(coords={"eta": 0.2}))
      'eta = 2/10'
    """
    return f"eta = 2/{2 / float(dataset.eta):.4g}"


TRACES: dict[str, Any] = {"label": eta_words, "threshold_label": "2/eta"}
"""How the paper's pictures of orbits call step sizes and the threshold."""
