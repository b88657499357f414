"""Fingerprints of mathematics: two traced functions or data sets are told apart by content.

The text of a traced function shows every operation, but neither the arrays that it closes over
nor all digits of its numbers, and it may show addresses in memory, which differ between equal
functions. So the text is hashed without addresses and every constant by its bytes.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal


def digest(closed_jaxpr: ClosedJaxpr) -> str:
    """The fingerprint of a traced function: of its operations and of every constant in it.

    Args:
      closed_jaxpr: as `jax.make_jaxpr` returns.

    Returns:
      SHA-256, 64 hexadecimal digits; equal in every process with equal package versions. What a
      callback to Python does is not in it: see `has_callback`.

    Example:
      >>> import jax, numpy as np
      >>> from eos_jax import fingerprint
      >>> def traced(constant):
      ...     return jax.make_jaxpr(lambda a: a * constant)(1.0)
      >>> one, same, other = (np.array([1.0, last]) for last in (2.0, 2.0, 3.0))
      >>> fingerprint.digest(traced(one)) == fingerprint.digest(traced(same))
      True
      >>> fingerprint.digest(traced(one)) == fingerprint.digest(traced(other))
      False
    """
    found = hashlib.sha256(re.sub(r"\b0x[0-9a-f]+", "", str(closed_jaxpr)).encode())
    for constant in _constants(closed_jaxpr):
        _add_array(found, constant)
    return found.hexdigest()


def of_arrays(arrays: Mapping[str, Any]) -> str:
    """The fingerprint of named arrays: of their names, dtypes, shapes and bytes, in any order.

    Args:
      arrays: arrays of any shape, by name.

    Returns:
      SHA-256, 64 hexadecimal digits.

    Example:
      >>> import numpy as np
      >>> from eos_jax import fingerprint
      >>> one = fingerprint.of_arrays({"X": np.ones(2), "y": np.zeros(1)})
      >>> one == fingerprint.of_arrays({"y": np.zeros(1), "X": np.ones(2)})
      True
      >>> one == fingerprint.of_arrays({"X": np.ones((1, 2)), "y": np.zeros(1)})
      False
    """
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(repr(name).encode())
        _add_array(found, arrays[name])
    return found.hexdigest()


def has_callback(closed_jaxpr: ClosedJaxpr) -> bool:
    """Whether a traced function calls back to Python, whose results no fingerprint can show.

    Args:
      closed_jaxpr: as `jax.make_jaxpr` returns.

    Returns:
      True if an operation in it, at any depth, is a callback.

    Example:
      >>> import jax
      >>> from eos_jax import fingerprint
      >>> fingerprint.has_callback(jax.make_jaxpr(lambda a: 2 * a)(1.0))
      False
    """
    return any("callback" in name for name in operations(closed_jaxpr))


def operations(closed_jaxpr: ClosedJaxpr) -> set[str]:
    """The names of a traced function's operations, at any depth.

    Args:
      closed_jaxpr: as `jax.make_jaxpr` returns.

    Returns:
      JAX's names of them.

    Example:
      >>> import jax
      >>> from eos_jax import fingerprint
      >>> "custom_jvp_call" in fingerprint.operations(jax.make_jaxpr(jax.nn.relu)(1.0))
      True
    """
    return {
        equation.primitive.name
        for jaxpr in _jaxprs(closed_jaxpr)
        for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns
    }


def _jaxprs(value: Any) -> Iterator[Any]:
    """Every traced function in a value, outer ones first."""
    if not isinstance(value, ClosedJaxpr | Jaxpr):
        return
    yield value
    for equation in getattr(value, "jaxpr", value).eqns:
        for inner in jax.tree.leaves(equation.params):
            yield from _jaxprs(inner)


def _constants(closed_jaxpr: ClosedJaxpr) -> Iterator[Any]:
    """Every constant of a traced function and of those in it, in the order of the text."""
    for jaxpr in _jaxprs(closed_jaxpr):
        yield from getattr(jaxpr, "consts", ())
        for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
            yield from (atom.val for atom in equation.invars if isinstance(atom, Literal))
            yield from filter(_is_array, jax.tree.leaves(equation.params))
        outputs = getattr(jaxpr, "jaxpr", jaxpr).outvars
        yield from (atom.val for atom in outputs if isinstance(atom, Literal))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | jax.Array)


def _add_array(found: Any, value: Any) -> None:
    """Add dtype, shape and bytes to a hash; random keys by their data."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
        found.update(str(dtype).encode())
        value = jax.random.key_data(value)
    array = np.asarray(value)
    found.update(f"{array.dtype}{array.shape}".encode())
    found.update(np.ascontiguousarray(array).tobytes())
