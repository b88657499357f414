"""Rules whose step has the same length however small the gradient is.

Around a minimum they jump from side to side: no curvature makes one stable, so they have no
threshold.
"""

import jax
import jax.numpy as jnp

from eos_jax.objectives.base import loss_of_first_copies
from eos_jax.rules.base import Rule, check_number, numbers, register, slopes, zeros

REMARK = (
    "no threshold: the step keeps its length however small the gradient is, so that no minimum is "
    "stable; orbits end in 2-cycles of about the step's size"
)


@register()
def sign_gradient_descent() -> Rule:
    r"""Sign descent, x' = x - eta sign(dL/dx), by coordinate.

    Returns:
      The rule; it has no state and no threshold.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax import rules
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> params, _ = rules.sign_gradient_descent().step(
      ...     obj, {"x": 2.0, "y": 1.0}, (), {"eta": 0.25}
      ... )
      >>> print(params["x"], params["y"])
      1.75 0.75

    Source: Bernstein et al. 2018.
    """

    def step(objective, params, state, hyper):
        eta, slope = numbers(params, hyper)["eta"], slopes(objective, params)
        return {n: params[n] - eta * jnp.sign(slope[n]) for n in objective.parameters}, state

    return Rule("sign_gradient_descent", lambda *_: (), step, remark=REMARK)


@register()
def normalised_gradient_descent() -> Rule:
    r"""Normalised descent, x' = x - eta g/|g|, |g| the norm over the full space, copies counted.

    Where the gradient vanishes it stays.

    Returns:
      The rule; it has no state and no threshold.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax import rules
      >>> obj = eos.objectives.scalar_product(2)
      >>> params, _ = rules.normalised_gradient_descent().step(
      ...     obj, {"x": 4.0, "y": 3.0}, (), {"eta": 0.5}
      ... )
      >>> print(round(float(params["x"]), 6), round(float(params["y"]), 6))
      3.7 2.6

    Source: Arora et al. 2022.
    """

    def step(objective, params, state, hyper):
        eta, slope = numbers(params, hyper)["eta"], slopes(objective, params)
        square = sum(
            copies * jnp.sum(slope[name] ** 2)
            for name, copies in zip(objective.parameters, objective.copies)
        )
        factor = eta / jnp.sqrt(jnp.where(square > 0, square, 1))
        return {n: params[n] - factor * slope[n] for n in objective.parameters}, state

    return Rule("normalised_gradient_descent", lambda *_: (), step, remark=REMARK)


@register()
def root_gradient_descent() -> Rule:
    r"""Gradient descent on the root of the loss, x' = x - eta g/(2 sqrt(L - floor)).

    Across a valley of curvature l the root is sqrt(l/2)|x|: each step is eta sqrt(l/2) long. At the
    floor it stays; an objective without a floor is taken to have it at 0.

    Returns:
      The rule; it has no state and no threshold.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax import rules
      >>> obj = eos.objectives.from_function(lambda a: a * a, floor=0.0)
      >>> params, _ = rules.root_gradient_descent().step(obj, {"a": 3.0}, (), {"eta": 0.5})
      >>> print(params["a"])  # sqrt(L) = |a|
      2.5

    Source: Lyu and Li 2020, Arora et al. 2022.
    """

    def step(objective, params, state, hyper):
        loss, pullback = jax.vjp(loss_of_first_copies(objective, params), params)
        excess = loss - (objective.floor or 0.0)
        above = excess > 0
        pace = numbers(params, hyper)["eta"] / (2 * jnp.sqrt(jnp.where(above, excess, 1)))
        (move,) = pullback(jnp.asarray(jnp.where(above, -pace, 0), loss.dtype))
        return {n: params[n] + move[n] for n in objective.parameters}, state

    return Rule("root_gradient_descent", lambda *_: (), step, remark=REMARK)


@register()
def lion(
    b1: float | None = 0.9, b2: float | None = 0.99, weight_decay: float | None = 1e-3
) -> Rule:
    r"""Lion, x' = x - eta (sign(b1 m + (1 - b1) g) + w x), m' = b2 m + (1 - b2) g.

    Args:
      b1: in [0, 1), where a sweep does not give it; None: a sweep must give it.
      b2: in [0, 1), likewise.
      weight_decay: w, at least 0, likewise.

    Returns:
      The rule; its state is m, and it has no threshold.

    Raises:
      ValueError: if a default is out of its range.

    Example:
      >>> from eos_jax import rules
      >>> rules.lion()
      Rule(lion: eta, b1=0.9, b2=0.99, weight_decay=0.001)

    Source: Chen et al. 2023.
    """
    for name, value, high in (("b1", b1, 1), ("b2", b2, 1), ("weight_decay", weight_decay, None)):
        if value is not None:
            check_number(name, value, 0, float("inf") if high is None else high)

    def step(objective, params, state, hyper):
        hyper, slope = numbers(params, hyper), slopes(objective, params)
        b1, b2 = hyper["b1"], hyper["b2"]
        moved = {}
        for n in objective.parameters:
            direction = jnp.sign(b1 * state[n] + (1 - b1) * slope[n])
            moved[n] = params[n] - hyper["eta"] * (direction + hyper["weight_decay"] * params[n])
        return moved, {n: b2 * state[n] + (1 - b2) * slope[n] for n in objective.parameters}

    return Rule(
        "lion",
        lambda objective, params, hyper: zeros(objective, params),
        step,
        ("eta", "b1", "b2", "weight_decay"),
        remark=REMARK,
    )
