"""What a list of scalar operations means: the same list, run by NumPy.

It is the oracle of every engine that runs lists: for floating-point numbers each operation is
rounded once, as IEEE 754 says, fused multiply-adds included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from eos_jax.loops.meaning import MEANING
from eos_jax.loops.scalars import Scalars


def interpret(scalars: Scalars, *inputs: np.ndarray) -> list[np.ndarray]:
    """The outputs of a list.

    Args:
      scalars: the list.
      *inputs: one array of shape (lanes,) for each input.

    Returns:
      One array of shape (lanes,) for each output.

    Example:
      >>> import jax.numpy as jnp, numpy as np
      >>> from eos_jax.loops.primitives import as_scalars
      >>> square = as_scalars(lambda x: x * x, jnp.float32(1))
      >>> interpret(square, np.array([2.0, 3.0], "float32"))
      [array([4., 9.], dtype=float32)]
    """
    lanes = len(inputs[0])
    with np.errstate(all="ignore"):
        return [np.broadcast_to(v, lanes) for v in _run(scalars, list(inputs), lanes)]


def _run(scalars: Scalars, inputs: list, lanes: int) -> list:
    values: list[Any] = []
    given = iter(inputs)
    for operation in scalars.operations:
        arguments = [values[place] for place in operation.arguments]
        if operation.name == "input":
            values.append(next(given))
        elif operation.name == "constant":
            values.append(operation.detail)
        elif operation.name == "item":
            values.append(arguments[0][operation.detail])
        elif operation.name in _CONTROL:
            values.append(_CONTROL[operation.name](operation.detail, arguments, lanes))
        else:
            values.append(MEANING[operation.name](*arguments, dtype=operation.dtype))
    return [values[place] for place in scalars.outputs]


def _chosen(mask, yes: Sequence, no: Sequence) -> list:
    return [np.where(mask, a, b) for a, b in zip(yes, no)]


def _while(detail, arguments, lanes):
    condition, body, n_condition, n_body = detail
    for_condition = arguments[:n_condition]
    for_body = arguments[n_condition : n_condition + n_body]
    carry = arguments[n_condition + n_body :]
    while True:
        (going,) = _run(condition, [*for_condition, *carry], lanes)
        going = np.broadcast_to(going, lanes)
        if not going.any():
            return carry
        carry = _chosen(going, _run(body, [*for_body, *carry], lanes), carry)


def _repeat(detail, arguments, lanes):
    count, body, n_constants = detail
    constants, carry = arguments[:n_constants], arguments[n_constants:]
    for _ in range(count):
        carry = _run(body, [*constants, *carry], lanes)
    return carry


def _branch(detail, arguments, lanes):
    index, *operands = arguments
    last = len(detail) - 1
    index = np.clip(np.asarray(index).astype(np.int64), 0, last)
    found = _run(detail[last], operands, lanes)
    for number in range(last):
        found = _chosen(index == number, _run(detail[number], operands, lanes), found)
    return found


_CONTROL: dict[str, Callable] = {"while": _while, "repeat": _repeat, "branch": _branch}
