"""Hyperparameters: which a rule wants, which are given, and whether they can be meant."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from eos_jax.rules.base import Rule, registry


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


def check_hyper(
    name: str, value: np.ndarray, argument: str = "Argument", rule: Rule | None = None
) -> None:
    """Raise unless every value can be meant: what the rule refuses as a default, it refuses here.

    Args:
      name: of the hyperparameter.
      value: its values.
      argument: what they are called in the message.
      rule: whose hyperparameter it is; a registered one knows its range.

    Raises:
      ValueError: if one is not finite, a step size not positive, a batch below 1, or if the rule's
        family takes no such number.

    Example:
      >>> import numpy as np
      >>> from eos_jax import rules
      >>> rules.check_hyper("momentum", np.array([0.5, 1.5]), "Axis", rules.heavy_ball())
      Traceback (most recent call last):
      ValueError: Axis `momentum` must be a number in (-1, 1), but got 1.5.
    """
    good = np.isfinite(value) & ((value > 0) | (not is_step_size(name)))
    good &= (value >= 1) | (name != "batch")
    if not good.all():
        kind = "positive and finite" if is_step_size(name) else "finite"
        kind = "at least 1 and finite" if name == "batch" else kind
        raise ValueError(
            f"{argument} `{name}` must be {kind}, but got {np.asarray(value)[~good].flat[0]}."
        )
    if rule is None or name == "seed":
        return
    for extreme in dict.fromkeys((float(np.min(value)), float(np.max(value)))):
        if refusal := _refusal(rule, name, extreme):
            raise ValueError(refusal.replace("Argument", argument, 1))


@functools.lru_cache(maxsize=4096)
def _refusal(rule: Rule, name: str, value: float) -> str:
    """What the family of a registered rule says of a hyperparameter's value; "" if it takes it."""
    if rule.name not in registry:
        return ""
    family = registry[rule.name].make
    known = inspect.signature(family).parameters
    own = {n: rule.defaults.get(n) for n in rule.hyperparameters if n in known}
    if name not in own or not set(rule.settings) <= set(known):
        return ""
    if family(**rule.settings, **own) is not rule:  # another rule of that name
        return ""
    try:
        inspect.unwrap(family)(**rule.settings, **{**own, name: value})
    except ValueError as refusal:
        return str(refusal)
    return ""
