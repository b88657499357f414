"""Deep linear networks: 1/2 || W_L ... W_1 - target ||_F^2, the target given by singular values.

At a balanced minimum, W_l = sigma^(1/L) in each singular mode, the Hessian's eigenvalues are
known: sum_k sigma_i^(2 (L-1-k)/L) sigma_j^(2 k/L) for each pair of modes, so L sigma_i^(2-2/L) for
a mode with itself. Gradient descent leaves such a minimum when eta exceeds 2/(L sigma_1^(2-2/L)),
and then settles on a 2-cycle of each mode that is beyond its own edge.
"""

import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.checks import check_sizes
from eos_jax.objectives.base import Objective, register


@register(
    examples=(
        {"sizes": (3, 2, 4), "singular_values": (2.0, 1.0, 0.5)},
        {"sizes": (2, 3, 3, 2)},
    )
)
def deep_linear_network(
    sizes: Sequence[int], singular_values: Sequence[float] | None = None
) -> Objective:
    r"""1/2 || W_L ... W_1 - target ||_F^2 over the layers' matrices.

    The target is diagonal, with the singular values on it; any other target is this one seen in
    rotated coordinates, which gradient descent does not notice.

    Args:
      sizes: number of units of each layer, from the input to the output: L + 1 of them.
      singular_values: of the target, min(sizes[0], sizes[-1]) numbers, none negative; ones by
        default.

    Returns:
      The objective; parameters W1 ... WL, W_l of shape (sizes[l], sizes[l - 1]). Its floor is half
      the sum of squares of those singular values that no network this narrow can fit.

    Raises:
      ValueError: if sizes or singular values are not as described.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.deep_linear_network((2, 1, 2), singular_values=(2.0, 1.0))
      >>> obj
      Objective(deep_linear_network(sizes=(2, 1, 2), singular_values=(2.0, 1.0)): W1 (1, 2),
      W2 (2, 1))
      >>> obj.floor
      0.5

    Source: Ghosh et al. 2025, "Learning dynamics of deep linear networks beyond the edge of
    stability".
    """
    check_sizes(sizes)
    values = _checked_values(sizes, singular_values)
    names = tuple(f"W{i + 1}" for i in range(len(sizes) - 1))
    target = _diagonal(sizes[-1], sizes[0], values)
    lost = sorted(values, reverse=True)[min(sizes) :]

    def full_loss(full: dict[str, tuple]) -> jax.Array:
        product = functools.reduce(
            lambda done, name: full[name][0] @ done, names[1:], full["W1"][0]
        )
        return jnp.sum((product - target.astype(product.dtype)) ** 2) / 2

    return Objective(
        name="deep_linear_network",
        full_loss=full_loss,
        parameters=names,
        copies=(1,) * len(names),
        shapes=tuple((rows, columns) for columns, rows in itertools.pairwise(sizes)),
        floor=0.5 * sum(value**2 for value in lost),
    )


def balanced_minimum(
    sizes: Sequence[int], singular_values: Sequence[float] | None = None
) -> dict[str, np.ndarray]:
    """The minimum whose layers share each singular value equally: sigma^(1/L) on each diagonal.

    Args:
      sizes: as in `deep_linear_network`; min(sizes) must reach the number of non-zero values.
      singular_values: as in `deep_linear_network`, non-zero ones first.

    Returns:
      Parameters W1 ... WL, float64.

    Raises:
      ValueError: if sizes or singular values are not as described.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.objectives.deep_linear_network import balanced_minimum
      >>> obj = eos.objectives.deep_linear_network((2, 2, 2), (4.0, 1.0))
      >>> top = eos.sharpness(obj, balanced_minimum((2, 2, 2), (4.0, 1.0)))
      >>> print(top.round(4))  # L sigma^(2 - 2/L)
      8.0

    Source: Ghosh et al. 2025.
    """
    check_sizes(sizes)
    values = _checked_values(sizes, singular_values)
    if any(values[min(sizes) :]):
        raise ValueError(
            f"Argument `singular_values` must have at most {min(sizes)} that are not zero, and "
            f"those first, but got {values}."
        )
    roots = [value ** (1 / (len(sizes) - 1)) for value in values[: min(sizes)]]
    return {
        f"W{i + 1}": _diagonal(rows, columns, roots)
        for i, (columns, rows) in enumerate(itertools.pairwise(sizes))
    }


def balanced_eigenvalues(depth: int, singular_values: Sequence[float]) -> np.ndarray:
    r"""Eigenvalues of the Hessian at a balanced minimum of a square network.

    For each pair (i, j) of modes, sum_{k < L} sigma_i^(2 (L-1-k)/L) sigma_j^(2 k/L); the rest
    vanish.

    Args:
      depth: L, the number of matrices.
      singular_values: of the target, shape (modes,).

    Returns:
      Array of shape (modes, modes); its diagonal is L sigma_i^(2 - 2/L).

    Example:
      >>> from eos_jax.objectives.deep_linear_network import balanced_eigenvalues
      >>> print(balanced_eigenvalues(2, (4.0, 1.0)))
      [[8. 5.]
       [5. 2.]]

    Source: Ghosh et al. 2025; the diagonal is what they call S_i.
    """
    roots = np.asarray(singular_values, float) ** (2 / depth)
    return np.sum([np.outer(roots ** (depth - 1 - k), roots**k) for k in range(depth)], axis=0)


def _checked_values(sizes: Sequence[int], values: Sequence[float] | None) -> tuple[float, ...]:
    count = min(sizes[0], sizes[-1])
    values = (1.0,) * count if values is None else values
    if (
        len(np.shape(values)) != 1
        or len(values) != count
        or not all(0 <= v < np.inf for v in values)
    ):
        raise ValueError(
            f"Argument `singular_values` must be {count} numbers that are not negative, one for "
            f"each of min(sizes[0], sizes[-1]), but got {values!r}."
        )
    return tuple(map(float, values))


def _diagonal(rows: int, columns: int, values: Sequence[float]) -> np.ndarray:
    matrix = np.zeros((rows, columns))
    matrix[range(len(values)), range(len(values))] = values
    return matrix
