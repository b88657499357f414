"""What a figure is: a row of settings, with what computes and what draws it.

Figures of one kind share both functions and differ in their settings. The dataset carries the
settings it was computed with, so that a caption never speaks of others, and says what made it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import xarray as xr
from matplotlib.figure import Figure as Picture

from eos_jax.results import provenance

NAME, SETTINGS = "figure", "figure_settings"
"""Attributes of a figure's dataset."""

DESCENT, FORMULA = "gradient_descent", "closed form, no descent"
"""Rules that figures are made by."""


class Figure(NamedTuple):
    """One figure of the paper.

    Attributes:
      name: on the command line.
      title: what it shows, one line.
      settings: of the full run, by name.
      quick: those that a quick run has otherwise.
      stated: names of those that the paper states; the others were chosen here.
      text: the caption, with a {field} for every setting.
      make: settings -> dataset.
      picture: dataset -> figure of matplotlib.
      seconds: what it roughly takes on two cores, in full and quick; for the estimate of the time
        left only.
      rule: what moved the points.
    """

    name: str
    title: str
    settings: Mapping[str, Any]
    quick: Mapping[str, Any]
    stated: Sequence[str]
    text: str
    make: Callable[[Mapping[str, Any]], xr.Dataset]
    picture: Callable[[xr.Dataset], Picture]
    seconds: tuple[float, float]
    rule: str = DESCENT

    def chosen(self, quick: bool = False) -> dict[str, Any]:
        """The settings of a run.

        Raises:
          KeyError: if the quick run names a setting that the figure does not have.
        """
        unknown = set(self.quick) - set(self.settings)
        if unknown:
            raise KeyError(f"quick settings {sorted(unknown)} are none of {sorted(self.settings)}")
        return {**self.settings, **(self.quick if quick else {})}

    def compute(self, quick: bool = False, other: Mapping[str, Any] = {}) -> xr.Dataset:
        """What is drawn, with its settings, the order of its variables and what made it.

        Args:
          quick: smaller grids and shorter runs.
          other: settings in place of the figure's.

        Returns:
          A dataset, which `eos_jax.open` reads from a store and `draw` draws again.
        """
        settings = {**self.chosen(quick), **other}
        found = self.make(settings)
        if "configuration" not in found.attrs:  # not of one sweep, which says it all by itself
            made = {"figure": self.name, "settings": settings, "rule": {"name": self.rule},
                    "dtype": "float64"}  # fmt: skip
            found = found.assign_attrs(
                provenance.attributes(made, jax.local_devices()[0], self.title)
            )
        order = " ".join(map(str, (*found.coords, *found.data_vars)))
        return found.assign_attrs({NAME: self.name, SETTINGS: json.dumps(settings), "order": order})

    def draw(self, dataset: xr.Dataset) -> Picture:
        """The picture."""
        return self.picture(dataset)

    def origins(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """Where each setting of a run comes from: the paper, here, the quick run, the user."""

        def origin(name, value):
            if value == self.settings[name]:
                return PAPER if name in self.stated else HERE
            return QUICK if name in self.quick and value == self.quick[name] else USER

        return {name: origin(name, value) for name, value in settings.items()}

    def caption(self, dataset: xr.Dataset) -> str:
        """The caption, with the settings that the dataset was computed with and their origins."""
        settings = settings_of(dataset)
        parts = [fill(self.text, settings)]
        origins = self.origins(settings)
        for origin, words in _ORIGINS.items():
            names = [name for name in settings if origins[name] == origin]
            if names:
                parts.append(f"{words}: {', '.join(names)}.")
        return " ".join(parts)


PAPER, HERE, QUICK, USER = "stated in the paper", "chosen here", "quick run", "given by the user"
_ORIGINS = {
    PAPER: "As the paper states them",
    HERE: "Chosen here",
    QUICK: "Smaller in this quick run",
    USER: "Given by the user",
}


def settings_of(dataset: xr.Dataset) -> dict[str, Any]:
    """The settings a figure's dataset was computed with.

    Example:
      >>> settings_of(xr.Dataset(attrs={"figure_settings": '{"steps": 10}'}))
      {'steps': 10}
    """
    return json.loads(dataset.attrs[SETTINGS])


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
