"""One point of an orbit as everybody sees it: measures, observers, thresholds and verdicts."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from eos_jax.objectives.base import Objective

if TYPE_CHECKING:
    from eos_jax.rules.base import Rule


class Sample(NamedTuple):
    """One point of an orbit, with all that belongs to it.

    Attributes:
      objective: what is descended.
      rule: how a step is taken.
      params: the point; leaves of the objective's shapes.
      state: the rule's state there, such as momentum; () where it has none.
      hyper: the rule's hyperparameters by name, scalars; `hyper["eta"]` is the step size.
      step: how many steps it took to get here.
      index: how many samples came before.
      method: how the sharpness of a model without closed form is measured; see
        `eos_jax.curvature.sharpness`.
      every: steps from one sample to the next.
    """

    objective: Objective
    rule: "Rule"
    params: Mapping[str, jax.Array]
    state: Any
    hyper: Mapping[str, jax.Array]
    step: jax.Array
    index: jax.Array
    method: str | None = "auto"
    every: int = 1


Measure = Callable[[Sample], jax.Array]
"""What is measured at a sample: a pure function of it."""
