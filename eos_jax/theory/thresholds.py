"""Sharpness at which other optimizers leave a minimum."""

from eos_jax.theory.base import Array, namespace, require, require_momentum, require_positive


def heavy_ball_threshold(eta: Array, beta: Array) -> Array:
    """Stability threshold of heavy ball momentum: 2 (1 + beta) / eta.

    Exact on a quadratic for x' = x - eta g + beta (x - x_previous).

    Args:
      eta: step size.
      beta: momentum.

    Returns:
      Sharpness (1/eta).

    Raises:
      ValueError: unless eta > 0 and -1 < beta < 1.

    Example:
      >>> round(heavy_ball_threshold(0.2, 0.9), 6)
      19.0

    Source: Cohen et al. 2021.
    """
    require_positive("eta", eta)
    require_momentum("beta", beta, least=-1)
    return 2 * (1 + beta) / eta


def nesterov_threshold(eta: Array, beta: Array) -> Array:
    """Stability threshold of Nesterov momentum: (2 / eta) (1 + beta) / (1 + 2 beta), a flip.

    For beta < -1/3 it is (1 - 1/beta) / eta, where a pair of complex multipliers leaves the circle.

    Exact on a quadratic for x' = v - eta g(v), v = x + beta (x - x_previous).

    Args:
      eta: step size.
      beta: momentum.

    Returns:
      Sharpness (1/eta).

    Raises:
      ValueError: unless eta > 0 and -1 < beta < 1.

    Example:
      >>> round(nesterov_threshold(0.2, 0.5), 6)
      7.5

    Source: Cohen et al. 2021; below -1/3 derived.
    """
    require_positive("eta", eta)
    require_momentum("beta", beta, least=-1)
    flip, circle = (1 + 2 * beta) / (1 + beta), -2 * beta / (1 - beta)
    response = namespace(beta).maximum(flip, circle)
    return 2 / (eta * (float(response) if type(beta) in (int, float) else response))


def minibatch_threshold(eta: Array, beta: Array, share: Array) -> Array:
    """Where batches with momentum lose a sample: (2/eta) (1 - beta^2)/(1 + beta - 2 beta share).

    2 (1 - beta)/eta for a small share, 2 (1 + beta)/eta where every batch is all data. Exact for
    the mean of x^2 where samples have directions of their own: u' = beta u - eta l x with
    probability `share`, else u' = beta u, x' = x + u'. Single orbits still shrink beyond it, for
    share 1/2 to 1.4 times as far at beta = 0.5 and to 1.6 times at 0.8.

    Args:
      eta: step size.
      beta: momentum.
      share: samples of a batch over all samples: how often each is drawn.

    Returns:
      The batch's curvature along the sample (1/eta).

    Raises:
      ValueError: unless eta > 0, 0 <= beta < 1 and 0 < share <= 1.

    Example:
      >>> [round(minibatch_threshold(0.1, 0.9, share), 6) for share in (1e-9, 0.25, 1.0)]
      [2.0, 2.62069, 38.0]

    Source: derived; the ends, Andreyev et al. 2026.
    """
    require_positive("eta", eta)
    require_momentum("beta", beta)
    require("share", share, lambda v: (v > 0) & (v <= 1), "lie in (0, 1]")
    return 2 * (1 - beta**2) / (eta * (1 + beta - 2 * beta * share))


def adam_threshold(eta: Array, beta1: Array) -> Array:
    """Threshold of the preconditioned sharpness under Adam: (2 + 2 beta1) / ((1 - beta1) eta).

    Exact on a quadratic with P frozen, after bias correction has faded.

    Args:
      eta: step size.
      beta1: decay of the first moment.

    Returns:
      Sharpness of P^-1 H (1/eta), P the preconditioner.

    Raises:
      ValueError: unless eta > 0 and 0 <= beta1 < 1.

    Example:
      >>> round(adam_threshold(0.1, 0.9), 6)
      380.0

    Source: Cohen et al. 2022.
    """
    require_positive("eta", eta)
    require_momentum("beta1", beta1)
    return (2 + 2 * beta1) / ((1 - beta1) * eta)


def sam_threshold(eta: Array, rho: Array, gradient_norm: Array) -> Array:
    """Sharpness at which SAM bounces across a valley, neither growing nor shrinking.

    ||g|| / (2 rho) (sqrt(1 + 8 rho / (eta ||g||)) - 1)

    Exact along an eigenvector of a quadratic, for the step g(x + rho g / ||g||).

    Args:
      eta: step size.
      rho: radius.
      gradient_norm: ||g||, norm of the gradient.

    Returns:
      Sharpness (1/eta); 2/eta at rho = 0.

    Raises:
      ValueError: unless eta > 0, rho >= 0 and gradient_norm > 0.

    Example:
      >>> round(sam_threshold(0.1, 0.1, 1.0), 6)
      10.0

    Source: Long and Bartlett 2023.
    """
    require_positive("eta", eta)
    require("rho", rho, lambda v: v >= 0, "not be negative")
    require_positive("gradient_norm", gradient_norm)
    # Multiplied by its conjugate, which neither cancels nor divides by rho = 0.
    return 4 / (eta * (1 + (1 + 8 * rho / (eta * gradient_norm)) ** 0.5))
