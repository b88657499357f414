"""How a step is taken: a pair of pure functions, as in optax, plus the rule's stability threshold.

Gradient descent is written as the pullback of -eta through the loss: the step size enters at the
top of the backward pass, where it costs one multiplication, not one per parameter. Any optax
transformation becomes a rule with `from_optax`; it sees the full-space gradient, so that rules
which use its norm mean what they say.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from eos_jax.objectives.base import Objective, lift, loss_of_first_copies


def gradient_descent_threshold(eta):
    """2/eta: above this sharpness gradient descent leaves a minimum."""
    return 2 / eta


class Update(NamedTuple):
    """An update rule.

    Attributes:
      init: (objective, params, eta) -> state.
      step: (objective, params, state, eta) -> (params, state), at one point.
      threshold: eta -> sharpness above which a minimum is linearly unstable under the rule.
    """

    init: Callable[[Objective, Mapping[str, Any], Any], Any]
    step: Callable[[Objective, Mapping[str, Any], Any, Any], tuple[dict[str, Any], Any]]
    threshold: Callable[[Any], Any] = gradient_descent_threshold


def gradient_descent() -> Update:
    r"""Gradient descent, x' = x - eta dL/dx, on every copy of the full space.

    Returns:
      The rule; it has no state.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> rule = eos.updates.gradient_descent()
      >>> params, _ = rule.step(obj, {"x": 2.0, "y": 1.0}, (), 0.25)
      >>> print(params["x"], params["y"])
      0.5 -2.0

    Source: Zhu et al. 2023, section 3.
    """
    return _GRADIENT_DESCENT


def _descend(objective, params, state, eta):
    value, pullback = jax.vjp(loss_of_first_copies(objective, params), params)
    (move,) = pullback(jnp.asarray(-eta, value.dtype))
    return {name: params[name] + move[name] for name in objective.parameters}, state


_GRADIENT_DESCENT = Update(lambda objective, params, eta: (), _descend)


def from_optax(
    transformation: Callable[[Any], optax.GradientTransformation],
    threshold: Callable[[Any], Any] = gradient_descent_threshold,
) -> Update:
    """A rule from anything that makes an optax transformation of a step size.

    Args:
      transformation: eta -> optax transformation, e.g. `optax.adam` or
        `lambda eta: optax.sgd(eta, momentum=0.9)`.
      threshold: eta -> sharpness above which a minimum is linearly unstable under the rule; by
        default that of gradient descent, 2/eta.

    Returns:
      The rule.

    Example:
      >>> import eos_jax as eos, optax
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> rule = eos.updates.from_optax(optax.sgd)
      >>> end = eos.simulate(obj, {"x": 2.0, "y": 1.0}, 0.25, steps=1, update=rule)
      >>> print(end["x"], end["y"])
      0.5 -2.0
    """

    def init(objective, params, eta):
        return transformation(eta).init(lift(objective, params))

    def step(objective, params, state, eta):
        value, pullback = jax.vjp(loss_of_first_copies(objective, params), params)
        (slope,) = pullback(jnp.ones_like(value))
        full = lift(objective, params)
        rule = optax.with_extra_args_support(transformation(eta))
        move, state = rule.update(lift(objective, slope), state, full, value=value)
        moved: Any = optax.apply_updates(full, move)
        return {name: moved[name][0] for name in objective.parameters}, state

    return Update(init, step, threshold)


OPTAX_RULES = ("sgd", "adam", "adamw", "rmsprop", "adagrad", "lion", "nadam", "radam", "yogi")
"""Optax rules that configurations may name; in Python any other works with `from_optax`."""

NAMES = ("gradient_descent", *OPTAX_RULES)
"""Names of rules for `make`."""


def make(name: str, **settings) -> Update:
    """A rule by its name, as configurations give it.

    Args:
      name: "gradient_descent" or the name of an optax rule.
      **settings: the optax rule's arguments, other than the step size.

    Returns:
      The rule. For `sgd` with momentum the threshold is that of heavy ball or Nesterov.

    Raises:
      ValueError: if the name or a setting is unknown.

    Example:
      >>> import eos_jax as eos
      >>> print(eos.updates.make("sgd", momentum=0.5).threshold(0.5))
      6.0

    Source: the thresholds, Cohen et al. 2021, section 2 and appendix B.
    """
    if name not in NAMES:
        raise ValueError(
            f"Argument `name` of an update must be one of {', '.join(NAMES)}, but got {name!r}."
        )
    if name == "gradient_descent":
        if settings:
            raise ValueError(
                f"Update `gradient_descent` has no settings, but got {', '.join(settings)}; "
                "momentum is a setting of `sgd`."
            )
        return gradient_descent()
    rule = getattr(optax, name)
    try:
        inspect.signature(rule).bind(0.1, **settings)
        # optax looks at most settings when it takes its first step
        jax.eval_shape(lambda p: rule(0.1, **settings).update(p, rule(0.1, **settings).init(p), p),
                       jax.ShapeDtypeStruct((), "float32"))  # fmt: skip
    except Exception as error:
        allowed = ", ".join(list(inspect.signature(rule).parameters)[1:])
        given = ", ".join(f"{key} = {value!r}" for key, value in settings.items())
        raise ValueError(
            f"The settings of update `{name}` must be among {allowed}, but got {given} ({error})."
        ) from None
    threshold = gradient_descent_threshold
    if name == "sgd" and settings.get("momentum"):
        beta = settings["momentum"]
        factor = (1 + beta) / (1 + 2 * beta) if settings.get("nesterov") else 1 + beta
        threshold = lambda eta: 2 * factor / eta  # noqa: E731
    return from_optax(lambda eta: rule(eta, **settings), threshold)
