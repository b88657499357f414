"""Where orbits end, to leading order in the step size: sharper than what is proved."""

from eos_jax.theory.base import Array, require, require_eos_exists, require_positive


def predicted_sharpness(eta: Array) -> Array:
    """Final sharpness of the coupled model: 2/eta - eta/2.

    Valid for starts with a0 well above k^3, up to an error of order eta^3.

    Args:
      eta: step size.

    Returns:
      Sharpness (1/eta).

    Raises:
      ValueError: unless 0 < eta < 1/2.

    Example:
      >>> round(predicted_sharpness(0.1), 3)
      19.95

    Source: derived.
    """
    require_eos_exists(eta)
    return 2 / eta - eta / 2


def predicted_sharpness_scalars(eta: Array, n: Array, m: Array) -> Array:
    """Final sharpness of n equal large and m equal small scalars, loss (1 - X^n Y^m)^2 / 2.

    S = 2/eta - 3 n / (2 (m - 1) (5 m - 4)) (m eta / 2)^(m / n)

    Valid to leading order, up to a factor 1 + O(eta^(1 + m/n)) of the gap.

    Args:
      eta: step size.
      n: number of large scalars.
      m: number of small scalars.

    Returns:
      Sharpness (1/eta).

    Raises:
      ValueError: unless eta > 0, n >= 1 and m >= 2: with m = 1 nothing concentrates.

    Example:
      >>> round(predicted_sharpness_scalars(0.1, 1, 2), 4)
      19.9975

    Source: derived.
    """
    require_positive("eta", eta)
    require("n", n, lambda v: v >= 1, "be at least 1")
    require("m", m, lambda v: v >= 2, "be at least 2")
    return 2 / eta - 3 * n / (2 * (m - 1) * (5 * m - 4)) * (m * eta / 2) ** (m / n)


def predicted_sharpness_of_product_loss(eta: Array, l2: Array, l3: Array, l4: Array) -> Array:
    """Final sharpness of a loss l(x y), the two scalars free.

    S = 2/eta - 3 eta l2^4 / (3 l3^2 - l2 l4)

    Valid to leading order for small eta, wherever the minimum of l lies.

    Args:
      eta: step size.
      l2: second derivative of l at its minimum.
      l3: third derivative there.
      l4: fourth derivative there.

    Returns:
      Sharpness (1/eta).

    Raises:
      ValueError: unless eta > 0, l2 > 0 and 3 l3^2 > l2 l4: without the last nothing concentrates,
        as for (1 - x y)^2 / 2.

    Example:
      >>> round(predicted_sharpness_of_product_loss(0.1, 2.0, 6.0, 6.0), 3)
      19.95

    Source: derived.
    """
    require_positive("eta", eta)
    require_positive("l2", l2)
    cubic = 3 * l3**2 - l2 * l4
    require("3 l3^2 - l2 l4", cubic, lambda v: v > 0, "be positive")
    return 2 / eta - 3 * eta * l2**4 / cubic


def final_multiplier(eta: Array) -> Array:
    """Factor by which each step finally multiplies |b|: 1 - eta^2 / 2.

    Valid where `predicted_sharpness` is, up to an error of order eta^4.

    Args:
      eta: step size.

    Returns:
      The factor; the loss falls as exp(-eta^2 t), t in steps.

    Raises:
      ValueError: unless 0 < eta < 1/2.

    Example:
      >>> round(final_multiplier(0.1), 3)
      0.995

    Source: derived.
    """
    require_eos_exists(eta)
    return 1 - eta**2 / 2
