"""What a rule is: how a step is taken, from which numbers, and when a minimum is stable under it.

A rule is a frozen value. Its hyperparameters are numbers that a sweep may vary from lane to lane;
its settings are fixed and recorded. `curvature` and `threshold` are its own idea of stability: a
minimum is linearly unstable under the rule where the curvature exceeds the threshold. For gradient
descent these are the sharpness and 2/eta; for Adam the sharpness of the preconditioned Hessian and
(2 + 2 b1)/((1 - b1) eta).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax

from eos_jax import measures
from eos_jax.objectives.base import Objective
from eos_jax.sample import Measure

Hyper = Mapping[str, Any]
"""The hyperparameters of one lane: a dict from names to scalars."""


class Init(Protocol):
    """The state of a rule before its first step."""

    def __call__(self, objective: Objective, params: Mapping[str, Any], hyper: Hyper, /) -> Any:
        """The state at the start `params`, one point; () for a rule without state."""
        ...


class Step(Protocol):
    """One step of a rule at one point."""

    def __call__(
        self, objective: Objective, params: Mapping[str, Any], state: Any, hyper: Hyper, /
    ) -> tuple[dict[str, jax.Array], Any]:
        """(params, state) after the step, of the same shapes and dtypes."""
        ...


@dataclass(frozen=True, eq=False)
class Rule:
    """How a step is taken.

    Attributes:
      name: what it is called in configurations, datasets and pictures.
      init: (objective, params, hyper) -> state.
      step: (objective, params, state, hyper) -> (params, state), at one point.
      hyperparameters: their names in order; each may be an axis of a sweep. Those named `eta` or
        `eta_...` are step sizes and must be positive; one named `seed` is a whole number, by
        default the number of the lane.
      defaults: values of hyperparameters that need not be given.
      settings: the arguments that `make` rebuilds the rule from, other than hyperparameters.
      curvature: sample -> scalar that is compared with the threshold.
      threshold: sample -> curvature above which a minimum is linearly unstable under the rule;
        None where no such number exists or is known, and `remark` says why.
      remark: what a reader should know of the threshold, such as that there is none.
    """

    name: str
    init: Init
    step: Step
    hyperparameters: tuple[str, ...] = ("eta",)
    defaults: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    curvature: Measure = measures.sharpness
    threshold: Measure | None = None
    remark: str = ""

    def __repr__(self) -> str:
        """The name with its hyperparameters and settings."""
        given = [
            f"{n}={self.defaults[n]:g}" if n in self.defaults else n for n in self.hyperparameters
        ]
        given += [f"{key}={value!r}" for key, value in self.settings.items()]
        return f"Rule({self.name}: {', '.join(given)})"


Factory = Callable[..., Rule]
