"""Random numbers as lists of scalar operations: JAX's own, to the bit.

JAX's default generator is a function of integers, Threefry, and everything made of it (seeds, keys
of a step, bits) is traced from JAX itself; the rounds are here. In a list a key is one entry, a
pair of places. Other generators stay with XLA.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.loops.expressions import Expression, where
from eos_jax.loops.scalars import NotScalars

MOST_SORTED = 32
"""Entries that a network of comparisons sorts: it has half their square of them."""

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


class Key(NamedTuple):
    """The places of a key's two words."""

    first: int
    second: int


def generator() -> Any:
    """JAX's functions of the generator: seed, fold_in, split, random_bits, on words."""
    return jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32")).dtype._impl


def traced(function: Callable, words: Sequence[str]) -> Any:
    """A function of the generator as a jaxpr, of a key's words or of a number of some dtype."""
    shapes = [jax.ShapeDtypeStruct((2,), jnp.uint32) if w == "key" else
              jax.ShapeDtypeStruct((), w) for w in words]  # fmt: skip
    return jax.make_jaxpr(function)(*shapes)


def words_of(keys: np.ndarray) -> np.ndarray:
    """An array of keys as their words, along one more axis."""
    if not all(isinstance(key, Key) for key in keys.ravel()):
        raise NotScalars("keys of another generator")
    flat = np.array([tuple(key) for key in keys.ravel()], object)
    return flat.reshape(*keys.shape, 2)


def keys_of(words: np.ndarray) -> np.ndarray:
    """The inverse of `words_of`."""
    if words.shape[-1] != 2:
        raise NotScalars("keys of another generator")
    found = np.empty(words.size // 2, object)
    for entry, pair in enumerate(words.reshape(-1, 2)):
        found[entry] = Key(*pair)
    return found.reshape(words.shape[:-1])


def threefry(
    first: Expression, second: Expression, x: Expression, y: Expression
) -> tuple[Expression, Expression]:
    """Two words encrypted with a key of two, in twenty rounds."""
    parts = (first, second, first.make("xor", second).make("xor", _PARITY))
    x, y = x + first, y + second
    for block in range(5):
        for by in _ROTATIONS[block % 2]:
            x = x + y
            y = y.shifted_left(by).make("or", y.shifted_right(32 - by)).make("xor", x)
        x, y = x + parts[(block + 1) % 3], y + parts[(block + 2) % 3] + (block + 1)
    return x, y


def sorted_rows(rows: list[list[Expression]]) -> list[list[Expression]]:
    """Columns in the order of their entries in the first row, integers; equal ones stay in order.

    By exchanges of neighbours, in as many turns as there are columns.
    """
    rows = [list(row) for row in rows]
    count = len(rows[0])
    for turn in range(count):
        for left in range(turn % 2, count - 1, 2):
            swap = rows[0][left] > rows[0][left + 1]
            for row in rows:
                low, high = row[left], row[left + 1]
                row[left], row[left + 1] = where(swap, high, low), where(swap, low, high)
    return rows
