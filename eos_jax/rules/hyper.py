"""Hyperparameters: which a rule wants, which are given, and whether they can be meant."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from eos_jax.rules.base import Rule


def is_step_size(name: str) -> bool:
    """Whether a hyperparameter is a step size: `eta`, or `eta_...` of one parameter."""
    return name == "eta" or name.startswith("eta_")


def complete_hyper(rule: Rule, given: Any, lane: Any = 0) -> dict[str, Any]:
    """All hyperparameters of a rule, in its order: those given, the others by default.

    Args:
      rule: the rule.
      given: a number for a rule's step size `eta`, or a dict of hyperparameters.
      lane: number of the lane, which `seed` is by default.

    Returns:
      A dict of values as they were given.

    Raises:
      ValueError: if one is missing or unknown.

    Example:
      >>> from eos_jax import rules
      >>> rules.complete_hyper(rules.gradient_descent(), 0.1)
      {'eta': 0.1}
    """
    if not isinstance(given, Mapping):
        given = {"eta": given}
    known = {**({"seed": lane} if "seed" in rule.hyperparameters else {}), **rule.defaults, **given}
    missing = [name for name in rule.hyperparameters if name not in known]
    unknown = [name for name in given if name not in rule.hyperparameters]
    if missing or unknown:
        wanted = ", ".join(f"`{name}`" for name in rule.hyperparameters)
        got = ", ".join(f"`{name}`" for name in given) or "nothing"
        raise ValueError(f"The hyperparameters of {rule.name} are {wanted}, but got {got}.")
    return {name: known[name] for name in rule.hyperparameters}


def check_hyper(name: str, value: np.ndarray, argument: str = "Argument") -> None:
    """Raise unless every value is finite, of a step size positive, of a batch at least 1."""
    good = np.isfinite(value) & ((value > 0) | (not is_step_size(name)))
    good &= (value >= 1) | (name != "batch")
    if not good.all():
        kind = "positive and finite" if is_step_size(name) else "finite"
        kind = "at least 1 and finite" if name == "batch" else kind
        raise ValueError(
            f"{argument} `{name}` must be {kind}, but got {np.asarray(value)[~good].flat[0]}."
        )
