"""The central flow of gradient descent: its path averaged over the oscillation at the edge."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp

from eos_jax.checks import check_count
from eos_jax.flows.base import first_copies, flow, rises, spectrum
from eos_jax.rules import Rule
from eos_jax.rules.descent import descent_threshold

MOST_TURNS = 2000
"""Turns of the iteration for the covariance, at most; tens are usual."""

_RESOLUTION = 16  # units in the last place of a covariance that has settled


@functools.cache
def central_flow(stride: int = 1, directions: int = 1) -> Rule:
    r"""The central flow of gradient descent, dx/dt = -eta (grad L + grad <Sigma, H>/2).

    Sigma = U X U^T, the covariance of the oscillation along the top eigenvectors U, is what keeps
    the eigenvalues from rising over 2/eta, and nothing more, t in steps:

    X >= 0, Y >= 0, <X, Y> = 0,  Y = 2/eta - U^T H U - d/dt (U^T H U), U held,

    matrices, >= 0 in the sense of semidefinite: a complementarity problem. Below the edge X
    vanishes; where an eigenvalue is off the edge it comes back within about a step. With one
    direction X is the variance max(0, 2 (-eta <grad S, grad L> + S - 2/eta)/(eta |grad S|^2)).

    Args:
      stride: steps of gradient descent that one step of this rule stands for.
      directions: how many eigenvalues may be at the edge, at most as many as there are
        coordinates in the full space. The next one below must be apart from them.

    Returns:
      The rule; it has no state. Its threshold is that of gradient descent, which it does not pass.

    Raises:
      ValueError: if stride or directions are not positive; when the orbit starts, if there are
        fewer coordinates than directions.
      ImportError: if diffrax is not installed.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.self_stabilization(sharpness=10.0)
      >>> record, rule = eos.observers.trace("sharpness"), eos.flows.central_flow()
      >>> found = eos.simulate(obj, {"x": 0.0, "v": -1.0}, 0.2, 20, rule=rule, observe=record)
      >>> print(found["sharpness"][::10].round(2))  # rises by eta a step, and stops at 2/eta
      [ 9. 10. 10.]

    Source: Cohen, Damian, Talwalkar, Kolter and Lee 2025, "Understanding optimization in deep
    learning with central flows", section 3 and its semidefinite complementarity problem; the
    relaxation to the edge is ours.
    """
    check_count("directions", directions)

    def field(objective, point, hyper):
        params, _ = point
        eta = hyper["eta"]
        here = spectrum(objective, params)
        if directions > len(here.values):
            raise ValueError(
                f"Argument `directions` must be at most {len(here.values)}, the coordinates of "
                f"{objective.name}, but got {directions}."
            )
        top, edge = here.vectors[:, -directions:], jnp.eye(directions)
        rise = rises(objective, params, top)
        free = 2 / eta * edge - jnp.diag(here.values[-directions:]) + eta * rise @ here.slope
        covariance = complementary(free, jnp.sqrt(eta / 2) * rise)
        push = jnp.einsum("ij,ijn->n", covariance, rise) / 2
        return first_copies(objective, -eta * (here.slope + push)), ()

    made = flow("central_flow", field, stride=stride, threshold=descent_threshold)
    return replace(made, settings={**made.settings, "directions": directions})


def complementary(free: jax.Array, rise: jax.Array) -> jax.Array:
    r"""X >= 0 with Y = F + T T^* X >= 0 and <X, Y> = 0, T the map w -> (<r_ij, w>).

    X minimises |T^* X|^2/2 + <F, X> over positive semidefinite matrices: by gradient steps, each
    followed by the projection that sets negative eigenvalues to 0, with momentum. Where there is
    no such X, as no oscillation stops a rise, what the turns come to.

    Args:
      free: F, symmetric, shape (k, k).
      rise: r_ij, symmetric in i and j, shape (k, k, n).

    Returns:
      X, shape (k, k).

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.flows.central import complementary
      >>> print(complementary(jnp.array([[-6.0]]), jnp.array([[[1.0, 1.0]]])))  # 6/2
      [[3.]]

    Source: Beck and Teboulle 2009 for the iteration, O'Donoghue and Candes 2015 for its restarts.
    """
    size = free.shape[0]
    whole = rise.reshape(size * size, -1)
    pull = whole @ whole.T
    largest = jnp.linalg.eigvalsh(pull)[-1]
    step = 1 / jnp.where(largest > 0, largest, 1)
    free, eps = (free + free.T) / 2, _RESOLUTION * float(jnp.finfo(free.dtype).eps)

    def positive(matrix):
        values, vectors = jnp.linalg.eigh((matrix + matrix.T) / 2)
        return (vectors * jnp.maximum(values, 0)) @ vectors.T

    def turn(carry):
        now, ahead, pace, _, count = carry
        slope = free + (pull @ ahead.ravel()).reshape(size, size)
        new = positive(ahead - step * slope)
        moved = new - now
        uphill = jnp.vdot(ahead - new, moved) > 0
        next_pace = jnp.where(uphill, 1, (1 + jnp.sqrt(1 + 4 * pace**2)) / 2)
        ahead = new + jnp.where(uphill, 0, (pace - 1) / next_pace) * moved
        left = jnp.max(jnp.abs(moved)) > eps * jnp.max(jnp.abs(new))
        return new, ahead, next_pace, left, count + 1

    start = positive(-free * step)
    first = start, start, jnp.ones((), free.dtype), jnp.asarray(True), 0
    return jax.lax.while_loop(lambda c: c[3] & (c[4] < MOST_TURNS), turn, first)[0]
