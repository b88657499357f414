"""The same computation is the same text: digests of traced functions."""

import hashlib
import re
from typing import Any

import jax
import numpy as np


def digest(closed_jaxpr: Any) -> str:
    """A hash of a traced function: its operations, without memory addresses, and its constants.

    Args:
      closed_jaxpr: what `jax.make_jaxpr` returns.

    Returns:
      64 hexadecimal digits.

    Example:
      >>> import jax
      >>> from eos_jax.rules.fingerprint import digest
      >>> trace = lambda f: jax.make_jaxpr(f)(jax.ShapeDtypeStruct((), "float32"))
      >>> digest(trace(lambda x: 2 * x)) == digest(trace(lambda y: 2 * y))
      True
    """
    text = hashlib.sha256(re.sub(r"0x[0-9a-fA-F]+", "", str(closed_jaxpr)).encode())
    _add_constants(text, closed_jaxpr)
    return text.hexdigest()


def _add_constants(text, node):
    for constant in getattr(node, "consts", ()):
        _add(text, constant)
    inner = getattr(node, "jaxpr", node)
    for equation in getattr(inner, "eqns", ()):
        for variable in equation.invars:
            if np.ndim(getattr(variable, "val", 0)):
                _add(text, variable.val)
        for part in jax.tree.leaves(list(equation.params.values())):
            if isinstance(part, np.ndarray | jax.Array):
                _add(text, part)
            elif hasattr(part, "jaxpr") or hasattr(part, "eqns"):
                _add_constants(text, part)


def _add(text, constant):
    if hasattr(constant, "dtype") and jax.dtypes.issubdtype(constant.dtype, jax.dtypes.prng_key):
        constant = jax.random.key_data(constant)
    array = np.ascontiguousarray(constant)
    text.update(f"{array.dtype}{array.shape}".encode())
    text.update(array.tobytes())
