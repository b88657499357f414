"""A loss of one product, l(xy): the smallest models whose minima form a hyperbola.

What gradient descent does near the hyperbola depends on l through its derivatives at the minimum:
after a long stay at the edge of stability the sharpness ends 3 eta l2^4 / (3 l3^2 - l2 l4) below
2/eta where the minimum is at a product that is not zero. `link_derivatives` gives them.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from eos_jax.checks import check_choice, check_finite
from eos_jax.objectives.base import Objective, Parameters, register
from eos_jax.objectives.scalar_product import half_square

LINKS = ("square", "root", "log_cosh", "cross_entropy")
_TARGETS = {"square": 1.0, "root": 0.0, "log_cosh": 0.0, "cross_entropy": 0.75}


@jax.custom_jvp
def log_cosh(argument: jax.Array) -> jax.Array:
    """Return log cosh(s), accurate near zero and for large arguments; its derivative is tanh(s).

    Example:
      >>> from eos_jax.objectives.function_of_product import log_cosh
      >>> print(log_cosh(0.0), log_cosh(1000.0) > 999)
      0.0 True
    """
    size = jnp.abs(argument)
    near = jnp.where(size < 1, size, 0)
    far = size + jnp.log1p(jnp.exp(-2 * size)) - math.log(2)
    return jnp.where(size < 1, jnp.log1p(2 * jnp.sinh(near / 2) ** 2), far)


@log_cosh.defjvp
def _log_cosh_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    (argument,), (tangent,) = primals, tangents
    return log_cosh(argument), jnp.tanh(argument) * tangent


def link_function(link: str, target: float | None = None) -> Callable[[jax.Array], jax.Array]:
    r"""The function l of the product s.

    square: 1/2 (s - target)^2; root: sqrt(1 + (s - target)^2); log_cosh: log cosh(s - target);
    cross_entropy: log(1 + e^s) - target s, of the logit s with the soft label `target`.

    Args:
      link: "square", "root", "log_cosh" or "cross_entropy".
      target: the product at the minimum (1 for square, 0 for root and log_cosh by default); for
        cross_entropy the label, strictly between 0 and 1 (0.75 by default), so that the minimum
        is at a finite product.

    Returns:
      A function from a scalar to a scalar.

    Raises:
      ValueError: if the link is unknown or the target not a number it can have.

    Example:
      >>> from eos_jax.objectives.function_of_product import link_function
      >>> print(link_function("square", 3.0)(5.0))
      2.0
    """
    target = _checked_target(link, target)
    functions = {
        "square": lambda s: half_square(s - target),
        "root": lambda s: jnp.sqrt(1 + (s - target) ** 2),
        "log_cosh": lambda s: log_cosh(s - target),
        "cross_entropy": lambda s: jax.nn.softplus(s) - target * s,
    }
    return functions[link]


def link_minimum(link: str, target: float | None = None) -> tuple[float, float]:
    """The product at which l is least, and its value there.

    Args:
      link: as in `link_function`.
      target: as in `link_function`.

    Returns:
      (product, value), in closed form.

    Raises:
      ValueError: as in `link_function`.

    Example:
      >>> from eos_jax.objectives.function_of_product import link_minimum
      >>> link_minimum("root")
      (0.0, 1.0)
    """
    target = _checked_target(link, target)
    if link == "cross_entropy":
        entropy = -target * math.log(target) - (1 - target) * math.log1p(-target)
        return math.log(target) - math.log1p(-target), entropy
    return target, 1.0 if link == "root" else 0.0


def link_derivatives(
    link: str, target: float | None = None, order: int = 4
) -> tuple[jax.Array, ...]:
    """Derivatives of l at its minimum, from the zeroth to `order`, by automatic differentiation.

    Args:
      link: as in `link_function`.
      target: as in `link_function`.
      order: of the highest derivative.

    Returns:
      (l, l1, l2, ...), scalars of JAX's default dtype; l1 vanishes up to rounding.

    Raises:
      ValueError: as in `link_function`.

    Example:
      >>> from eos_jax.objectives.function_of_product import link_derivatives
      >>> print(*(round(float(d)) for d in link_derivatives("root")))
      1 0 1 0 -3
    """
    product, _ = link_minimum(link, target)
    derivative, values = link_function(link, target), []
    for _ in range(order + 1):
        values.append(derivative(jnp.asarray(product)))
        derivative = jax.grad(derivative)
    return tuple(values)


@register(
    examples=(
        {"link": "square", "target": 2.0},
        {"link": "root"},
        {"link": "log_cosh", "target": 0.5},
        {"link": "cross_entropy", "target": 0.8},
    )
)
def function_of_product(link: str = "square", target: float | None = None) -> Objective:
    r"""l(x y) for two scalars x and y.

    Args:
      link: "square" for 1/2 (s - target)^2, "root" for sqrt(1 + (s - target)^2), "log_cosh" for
        log cosh(s - target), "cross_entropy" for log(1 + e^s) - target s.
      target: the product at the minimum (1 for square, 0 for root and log_cosh by default); for
        cross_entropy the soft label in (0, 1), by default 0.75.

    Returns:
      The objective.

    Raises:
      ValueError: if the link is unknown or the target not a number it can have.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.function_of_product("square", target=2.0)
      >>> print(eos.loss(obj, {"x": 3.0, "y": 1.0}))
      0.5
      >>> print(eos.sharpness(obj, {"x": 2.0, "y": 1.0}))  # at a minimum: l2 (x^2 + y^2)
      5.0

    Source: square: Wang et al. 2022, "Large learning rate tames homogeneity"; root and log_cosh:
    Ahn et al. 2022, "Learning threshold neurons via the edge of stability".
    """
    function = link_function(link, target)
    _, floor = link_minimum(link, target)
    first, second = jax.grad(function), jax.grad(jax.grad(function))

    def eigenvalues(params: Parameters) -> tuple[jax.Array, ...]:
        x, y = jnp.asarray(params["x"]), jnp.asarray(params["y"])
        product = x * y
        slope, bend = first(product), second(product)
        mean, half = bend * (x * x + y * y) / 2, bend * (y * y - x * x) / 2
        mixed = slope + bend * product
        spread = jnp.sqrt(half * half + mixed * mixed)
        return mean + spread, mean - spread

    return Objective(
        name="function_of_product",
        full_loss=lambda full: function(full["x"][0] * full["y"][0]),
        parameters=("x", "y"),
        copies=(1, 1),
        shapes=((), ()),
        floor=floor,
        eigenvalues=eigenvalues,
    )


def _checked_target(link: str, target: float | None) -> float:
    """The target, the link's own by default."""
    check_choice("link", link, LINKS)
    if target is None:
        return _TARGETS[link]
    check_finite("target", target)
    if link == "cross_entropy" and not 0 < target < 1:
        raise ValueError(
            "Argument `target` must be strictly between 0 and 1 for cross_entropy, else its "
            f"minimum is at infinity, but got {target}."
        )
    return float(target)
