"""The linearised step: how small changes of (parameters, state) are carried along an orbit.

A change lives on the floating leaves of a point; counts and random keys have none, and are carried
as they are. Changes of a coupled model keep its copies equal.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.sample import Sample

Step = Callable[[Any], Any]
"""point -> point, a point being a pytree such as (params, state)."""


def moving(point: Any) -> list[jax.Array]:
    """The floating leaves of a point, those that can change by a little."""
    return [leaf for leaf in jax.tree.leaves(point) if _moves(leaf)]


def with_moving(point: Any, leaves: list[jax.Array]) -> Any:
    """A point with other floating leaves."""
    old, structure = jax.tree.flatten(point)
    new = iter(leaves)
    return jax.tree.unflatten(structure, [next(new) if _moves(leaf) else leaf for leaf in old])


def _moves(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def push(step: Step, point: Any, changes: list[jax.Array]) -> tuple[Any, list[jax.Array]]:
    """A point one step on, and a small change of it: x' = f(x), v' = Df(x) v.

    Args:
      step: f.
      point: x.
      changes: v, an array for each of `moving(point)`.

    Returns:
      (x', v').

    Example:
      >>> import jax.numpy as jnp
      >>> x, v = push(lambda x: (x[0] ** 2, x[1] + 1), (jnp.float32(3), 0), [jnp.float32(1)])
      >>> print(x[0], x[1], v[0])
      9.0 1 6.0
    """

    def run(leaves):
        after = step(with_moving(point, leaves))
        return moving(after), after

    _, slopes, after = jax.jvp(run, (moving(point),), (changes,), has_aux=True)
    return after, slopes


def step_of(sample: Sample) -> tuple[Step, Any]:
    """The rule's step from here on and the point (params, state) that it starts from."""

    def step(point):
        return sample.rule.step(sample.objective, *point, sample.hyper)

    return step, (dict(sample.params), sample.state)


def size(changes: list[jax.Array]) -> jax.Array:
    """The Euclidean norm of a change."""
    if len(changes) == 1 and not jnp.ndim(changes[0]):
        return jnp.abs(changes[0])
    return jnp.sqrt(dot(changes, changes))


def dot(one: list[jax.Array], other: list[jax.Array]) -> jax.Array:
    """The inner product of two changes."""
    return functools.reduce(jnp.add, (jnp.sum(a * b) for a, b in zip(one, other)))


def dimension(point: Any) -> int:
    """How many numbers can change: the dimension of the space that orbits live in."""
    return sum(int(np.prod(jnp.shape(leaf))) for leaf in moving(point))


def generic(point: Any) -> list[jax.Array]:
    """A change of norm 1 with a part along every coordinate, the same for every orbit."""
    parts = (
        1 + (np.arange(dimension(point)) * 0.6180339887498949) % 1
    )  # no symmetry maps it to itself
    return _cut(point, parts / np.linalg.norm(parts))


def _cut(point, rows):
    """Numbers of shape (..., dimension) as changes, leaves of shape (...) + a leaf's own."""
    result, start = [], 0
    for leaf in moving(point):
        shape = jnp.shape(leaf)
        part = rows[..., start : start + int(np.prod(shape))]
        result.append(jnp.asarray(part.reshape((*rows.shape[:-1], *shape)), leaf.dtype))
        start += int(np.prod(shape))
    return result


def basis(point: Any, count: int) -> list[jax.Array]:
    """The first unit vectors as changes: leaves of shape (count,) + a leaf's own."""
    return _cut(point, np.eye(dimension(point))[:count])


def orthonormal(changes: list[jax.Array]) -> tuple[list[jax.Array], jax.Array]:
    """QR of changes by Gram and Schmidt's rule: an orthonormal set, and the diagonal of R.

    It calls no linear algebra library, so that programs in several threads do not wait for each
    other there.

    Args:
      changes: leaves of shape (count, ...).

    Returns:
      (leaves of the same shapes, diagonal of shape (count,), at least 0). A change that depends on
      those before it has a diagonal of 0 and becomes 0.

    Example:
      >>> import jax.numpy as jnp
      >>> q, r = orthonormal([jnp.array([[3.0, 4.0], [1.0, 0.0]])])
      >>> print(r.round(3), abs(jnp.sum(q[0][0] * q[0][1])) < 1e-6)
      [5.  0.8] True
    """
    count = changes[0].shape[0]
    if count <= UNROLLED:
        return _orthonormal_few(changes)
    flat = jnp.concatenate([leaf.reshape(count, -1) for leaf in changes], axis=1)

    def one_more(i, carry):
        units, lengths = carry
        row = flat[i]
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            row = row - jnp.sum(units * jnp.sum(units * row, axis=1)[:, None], axis=0)
        length = jnp.sqrt(jnp.sum(row**2))
        return units.at[i].set(row * _inverse(length)), lengths.at[i].set(length)

    blank = (jnp.zeros_like(flat), jnp.zeros_like(flat[:, 0]))
    units, lengths = jax.lax.fori_loop(0, count, one_more, blank)
    ends = np.cumsum([leaf[0].size for leaf in changes])[:-1].tolist()
    parts = jnp.split(units, ends, axis=1)
    return [part.reshape(leaf.shape) for part, leaf in zip(parts, changes)], lengths


UNROLLED = 3
"""Changes at most whose products are written out: fast, but long to compile for more."""


def _orthonormal_few(changes):
    rows: list[list[jax.Array]] = []
    lengths = []
    for i in range(changes[0].shape[0]):
        row = [leaf[i] for leaf in changes]
        for other in rows:
            part = dot(row, other)
            row = [a - part * b for a, b in zip(row, other)]
        length = size(row)
        rows.append([leaf * _inverse(length) for leaf in row])
        lengths.append(length)
    together = [jnp.stack([row[k] for row in rows]) for k in range(len(changes))]
    return together, jnp.stack(lengths)


def _inverse(length):
    return jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1), 0)


def across(changes: list[jax.Array], directions: list[list[jax.Array]]) -> list[jax.Array]:
    """A change without its part in the span of some others."""
    if not directions:
        return changes
    together = [jnp.stack(leaves) for leaves in zip(*directions)]
    units, _ = orthonormal(together)
    for i in range(len(directions)):
        unit = [leaf[i] for leaf in units]
        part = dot(changes, unit)
        changes = [a - part * b for a, b in zip(changes, unit)]
    return changes


def equal_coordinates(point: Any) -> list[list[jax.Array]]:
    """The directions of the balanced line, all parameters equal, and of a state that follows it.

    The line is invariant where the loss is symmetric in its parameters and the rule treats all
    alike. Each part of the state that looks like the parameters moves along it as well.

    Args:
      point: (params, state).

    Returns:
      Changes that span the subspace: one for the parameters and one for each such part.

    Example:
      >>> import jax.numpy as jnp
      >>> one, other = jnp.float32(1), jnp.float32(2)
      >>> len(equal_coordinates(({"x": one, "y": other}, {"x": one, "y": one})))
      2
    """
    params, _ = point
    like = jax.tree.structure(params)
    parts = jax.tree.leaves(point, is_leaf=lambda node: jax.tree.structure(node) == like)
    found = []
    for chosen, part in enumerate(parts):
        if jax.tree.structure(part) != like or not moving(part):
            continue
        change = [
            (jnp.ones_like if i == chosen else jnp.zeros_like)(leaf)
            for i, other in enumerate(parts)
            for leaf in moving(other)
        ]
        found.append(change)
    return found
