"""How fast neighbours part: the Lyapunov exponent of a map of the line."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from eos_jax.loops import advance


def lyapunov_exponent(step: Callable, x: float, steps: int, settle: int = 1000) -> float:
    """Mean of log |f'(x_t)| along an orbit of x' = f(x): positive where the orbit is chaotic.

    Args:
      step: x -> x', a JAX function of a scalar.
      x: the start.
      steps: how many steps are averaged.
      settle: how many are taken before.

    Returns:
      The exponent, per step.

    Example:
      >>> print(round(lyapunov_exponent(lambda x: 4 * x * (1 - x), 0.3, 100_000), 2))  # log 2
      0.69
    """

    def turn(carry):
        x, total = carry
        slope = jax.grad(step)(x)
        return step(x), total + jnp.log(jnp.abs(slope))

    with jax.enable_x64(True):
        x = advance(step, jnp.asarray(x, jnp.float64), settle)
        _, total = advance(turn, (x, jnp.zeros_like(x)), steps)
        return float(total) / steps
