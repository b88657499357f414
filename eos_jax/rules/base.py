"""What a rule is: how a step is taken, from which numbers, and when a minimum is stable under it.

A rule is a frozen value. Its hyperparameters are numbers that a sweep may vary from lane to lane;
its settings are fixed and recorded. `curvature` and `threshold` are its own idea of stability: a
minimum is linearly unstable under the rule where the curvature exceeds the threshold. For gradient
descent these are the sharpness and 2/eta; for Adam the sharpness of the preconditioned Hessian and
(2 + 2 b1)/((1 - b1) eta).
"""

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, ParamSpec, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax import measures
from eos_jax.objectives.base import Objective, loss_of_first_copies
from eos_jax.registry import arguments, call, in_words, key_of, shared
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
        `eta_...` are step sizes and must be positive; one named `batch` counts samples, at least
        1; one named `seed` is a whole number, by default the number of the lane.
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

    def __post_init__(self) -> None:
        """Say that there is no threshold, where nothing else is said."""
        if self.threshold is None and not self.remark:
            remark = "no threshold was given, so that no minimum is known as stable"
            object.__setattr__(self, "remark", remark)

    def __repr__(self) -> str:
        """The name with its hyperparameters and settings."""
        given = [
            f"{n}={self.defaults[n]:g}" if n in self.defaults else n for n in self.hyperparameters
        ]
        given += in_words(self.settings)
        return f"Rule({self.name}: {', '.join(given)})"


def check_step(rule: Rule, before: tuple[Any, Any], after: Any) -> tuple[Any, Any]:
    """What a rule's step returned, if it is (params, state) of the kinds that it was given.

    Args:
      rule: the rule.
      before: (params, state) that it was given.
      after: what it returned.

    Returns:
      (params, state).

    Raises:
      ValueError: if it is something else; the message says what was expected.
    """
    kind = lambda leaf: f"{jax.typeof(leaf).dtype}{list(jnp.shape(leaf))}"  # noqa: E731
    kinds = lambda tree: jax.tree.map(kind, tree)  # noqa: E731
    if not isinstance(after, tuple) or len(after) != 2:
        raise ValueError(
            f"The step of rule `{rule.name}` must return (params, state), but returns "
            f"{kinds(after)}."
        )
    for part, old, new in zip(("params", "state"), map(kinds, before), map(kinds, after)):
        if old != new:
            raise ValueError(
                f"The step of rule `{rule.name}` must return {part} like those it is given, {old}, "
                f"but returns {new}."
            )
    return after


def numbers(params: Mapping[str, Any], hyper: Hyper) -> dict[str, jax.Array]:
    """The hyperparameters in the dtype of the parameters; a seed stays the integer it is."""
    dtype = jnp.result_type(*params.values())
    return {n: jnp.asarray(v) if n == "seed" else jnp.asarray(v, dtype) for n, v in hyper.items()}


def zeros(objective: Objective, params: Mapping[str, Any]) -> dict[str, jax.Array]:
    """A zero for every parameter, of its shape and dtype: where moments and moves begin."""
    return {name: jnp.zeros_like(params[name]) for name in objective.parameters}


def slopes(objective: Objective, params: Mapping[str, Any]) -> dict[str, jax.Array]:
    """The full-space gradient of each parameter's first copy, which is that of every copy."""
    value, pullback = jax.vjp(loss_of_first_copies(objective, params), params)
    (slope,) = pullback(jnp.ones_like(value))
    return slope


def descents(objective: Objective, params: Mapping[str, Any], eta: Any) -> dict[str, jax.Array]:
    """The moves -eta dL/dx: the step size enters at the top of the backward pass, where it costs
    one multiplication, not one per parameter.
    """
    value, pullback = jax.vjp(loss_of_first_copies(objective, params), params)
    (move,) = pullback(jnp.asarray(-eta, value.dtype))
    return move


def check_number(
    name: str, value: Any, low: float, high: float = float("inf"), *, open_low: bool = False
) -> None:
    """Raise unless the default of a hyperparameter is a number of [low, high)."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not (low <= value < high) or (open_low and value == low):
        interval = f"{'(' if open_low else '['}{low:g}, {high:g})"
        raise ValueError(f"Argument `{name}` must be a number in {interval}, but got {value!r}.")


def check_momentum(momentum: Any) -> None:
    """Raise unless the default of a momentum is a number of (-1, 1), or None for none."""
    if momentum is not None:
        check_number("momentum", momentum, -1, 1, open_low=True)


class Family(NamedTuple):
    """A registered family of rules: how to make one, and arguments that the tests try."""

    make: Callable[..., Rule]
    examples: tuple[Mapping[str, Any], ...]


registry: dict[str, Family] = {}
"""Families of rules by name; filled by `register`, read by configurations and tests."""

Arguments = ParamSpec("Arguments")


def register(
    *, examples: Sequence[Mapping[str, Any]] = ({},)
) -> Callable[[Callable[Arguments, Rule]], Callable[Arguments, Rule]]:
    """Register a function that makes rules, under its own name.

    Arguments that are hyperparameters become the rule's defaults, `None` meaning that a sweep must
    give them; the others become its settings. Equal arguments give the same object, so compiled
    programs are found again.

    Args:
      examples: arguments with which the contract tests make a rule.

    Returns:
      A decorator.
    """

    def decorate(make: Callable[Arguments, Rule]) -> Callable[Arguments, Rule]:
        made: dict[Hashable, Rule] = {}
        name = getattr(make, "__name__", "rule")

        @functools.wraps(make)
        def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Rule:
            given = arguments(make, args, kwargs)

            def build() -> Rule:
                plain_make: Callable[..., Rule] = make
                rule = plain_make(**given)
                numeric = {k: v for k, v in given.items() if k in rule.hyperparameters}
                return replace(
                    rule,
                    name=name,
                    defaults={k: v for k, v in numeric.items() if v is not None},
                    settings={k: v for k, v in given.items() if k not in numeric},
                )

            return shared(made, key_of(given), build)

        registry[name] = Family(wrapped, tuple(examples))
        return wrapped

    return decorate


def make(name: str, **settings: Any) -> Rule:
    """A rule by its registered name, as configurations give it.

    Args:
      name: the name of a registered family.
      **settings: the family's arguments: defaults of hyperparameters, and settings.

    Returns:
      The rule.

    Raises:
      ValueError: if the name or a setting is unknown.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax import rules
      >>> rules.make("heavy_ball", momentum=0.5)
      Rule(heavy_ball: eta, momentum=0.5)
    """
    makers = {key: family.make for key, family in registry.items()}
    return call("a rule", makers, name, settings)
