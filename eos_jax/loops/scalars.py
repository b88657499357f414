"""A function of scalars as a list of operations, and what each operation means.

JAX traces a step of one lane; here the trace becomes a flat list: calls are written out, small
arrays are taken apart into their entries, equal subexpressions are found, constants are computed,
what nothing reads is dropped, and a product that only one sum uses is contracted with it into a
fused multiply-add, always and by one rule, so that the roundings of an orbit are those of the list
and not of a compiler's mood. Loops and branches hold lists of their own.

`eos_jax.loops.primitives` makes such lists; `eos_jax.loops.interpreter` says with NumPy what they
mean, to the last bit; `eos_jax.loops.registers` runs them. A function that is no such list raises
`NotScalars`, whose text says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from eos_jax.loops.meaning import MEANING

MOST_OPERATIONS = 4000
"""Longest list that is worth compiling; a larger one is better off with matrices."""

_MOST_ENTRIES = 256  # of a small array


class NotScalars(Exception):
    """The function is no list of scalar operations; the text says why."""


class Operation(NamedTuple):
    """One operation.

    Attributes:
      name: what is done; see `eos_jax.loops.meaning.MEANING`.
      arguments: places in the list of what it reads.
      dtype: of the result; "" for loops and branches, whose results are read by `item`.
      detail: a constant's value, which item, or the lists of a loop or branch.
    """

    name: str
    arguments: tuple[int, ...]
    dtype: str
    detail: Any = None


class Scalars(NamedTuple):
    """A list of operations.

    Attributes:
      operations: in order; the first ones are the inputs.
      outputs: places of what is returned.
    """

    operations: tuple[Operation, ...]
    outputs: tuple[int, ...]


class Builder:
    """A list under construction: equal operations are one, and constants are computed."""

    def __init__(self) -> None:
        """An empty list."""
        self.operations: list[Operation] = []
        self._known: dict[Any, int] = {}

    def inputs(self, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Inputs for the entries of one variable: an array of places, of its shape."""
        size = math.prod(shape)
        if size > _MOST_ENTRIES:
            raise NotScalars(f"an array of {size} entries")
        places = np.empty(size, object)
        for entry in range(size):
            places[entry] = len(self.operations)
            self.operations.append(Operation("input", (), _dtype_name(dtype)))
        return places.reshape(shape)

    def constant(self, value: Any, dtype: Any) -> int:
        """The place of a constant."""
        exact = np.asarray(value, dtype)[()]
        return self._place(("constant", _dtype_name(exact.dtype), exact.tobytes()), exact)

    def _place(self, key, exact):
        if key not in self._known:
            self._known[key] = len(self.operations)
            self.operations.append(Operation("constant", (), key[1], exact))
        return self._known[key]

    def add(self, name: str, *arguments: int, dtype: str, detail: Any = None) -> int:
        """The place of an operation: a new one, an equal one, or the constant it comes to."""
        if name in _COMMUTE:
            arguments = tuple(sorted(arguments))
        simple = self._simpler(name, arguments, dtype)
        if simple is not None:
            return simple
        key = (name, arguments, dtype, id(detail) if name in _HOLD_LISTS else detail)
        if key in self._known:
            return self._known[key]
        given = [self.operations[place] for place in arguments]
        if given and name in _FOLD and all(operation.name == "constant" for operation in given):
            with np.errstate(all="ignore"):
                value = MEANING[name](*(operation.detail for operation in given), dtype=dtype)
            return self.constant(value, dtype)
        if len(self.operations) >= MOST_OPERATIONS:
            raise NotScalars(f"more than {MOST_OPERATIONS} operations")
        self._known[key] = len(self.operations)
        self.operations.append(Operation(name, arguments, dtype, detail))
        return self._known[key]

    def _simpler(self, name, arguments, dtype):
        """What the operation is equal to for every value of its arguments, to the bit."""
        given = [self.operations[place] for place in arguments]
        values = [float(o.detail) if o.name == "constant" else None for o in given]
        if name == "convert" and given[0].dtype == dtype:
            return arguments[0]
        if name == "select" and arguments[1] == arguments[2]:
            return arguments[1]
        if name == "select" and values[0] is not None:
            return arguments[1] if values[0] else arguments[2]
        if name == "mul" and 1.0 in values:
            return arguments[1 - values.index(1.0)]
        if name == "mul" and -1.0 in values and dtype.startswith("float"):
            return self.add("neg", arguments[1 - values.index(-1.0)], dtype=dtype)
        if name == "div" and values[1] == 1.0:
            return arguments[0]
        if name.startswith("shift") and values[1] is not None:  # beyond its bits, as XLA has it
            if values[1] >= 8 * np.dtype(dtype).itemsize:
                return self.constant(0, dtype)
        if name == "neg" and given[0].name == "neg":
            return given[0].arguments[0]
        if name in ("and", "or") and dtype == "bool":
            if arguments[0] == arguments[1]:
                return arguments[0]
            for mine, other in ((0, 1), (1, 0)):
                if values[mine] is not None:
                    keeps = bool(values[mine]) == (name == "and")
                    return arguments[other] if keeps else arguments[mine]
        return None

    def dtype(self, place: int) -> str:
        """The dtype of what is at a place."""
        return self.operations[place].dtype


_HOLD_LISTS = frozenset(("while", "repeat", "branch"))
_COMMUTE = frozenset(("add", "mul", "eq", "ne", "and", "or", "xor"))
_FOLD = frozenset(
    "add sub mul div neg abs sqrt lt le gt ge eq ne and or xor not select convert bits from_bits "
    "shift_left shift_right is_finite floor".split()
)


def longest_chain(scalars: Scalars) -> int:
    """How many operations wait for one another, one after the other."""
    depth: list[int] = []
    for operation in scalars.operations:
        before = max((depth[place] for place in operation.arguments), default=-1)
        inside = max((n * longest_chain(part) for n, part in held_by(operation)), default=1)
        depth.append(before + max(1, inside))
    return max(depth, default=0)


def work_of(scalars: Scalars) -> int:
    """How many operations a list does in all."""
    inside = (held_by(operation) for operation in scalars.operations)
    return sum(sum(n * work_of(part) for n, part in held) or 1 for held in inside)


def held_by(operation: Operation) -> list[tuple[int, Scalars]]:
    """The lists that an operation holds and how often each runs: once where that is not known."""
    if operation.name not in _HOLD_LISTS:
        return []
    turns = operation.detail[0] if operation.name == "repeat" else 1
    return [(turns, part) for part in operation.detail if isinstance(part, Scalars)]


def has_loops(scalars: Scalars) -> bool:
    """Whether a list holds lists that it runs more than once."""
    return any(operation.name in ("while", "repeat") for operation in scalars.operations)


def finished(build: Builder, outputs: Sequence[int]) -> Scalars:
    """The list of what the outputs need, with sums of products contracted."""
    kept = _needed(build.operations, outputs)
    return _contracted(*kept)


def _needed(operations, outputs):
    """Only what is read, in order; inputs stay."""
    needed = set(outputs)
    for place in reversed(range(len(operations))):
        if place in needed:
            needed.update(operations[place].arguments)
    place_of, kept = {}, []
    for place, operation in enumerate(operations):
        if place in needed or operation.name == "input":
            place_of[place] = len(kept)
            arguments = tuple(place_of[argument] for argument in operation.arguments)
            kept.append(operation._replace(arguments=arguments))
    return kept, [place_of[place] for place in outputs]


def _contracted(operations, outputs):
    """a b + c as one operation with one rounding, where nothing else reads the product.

    Of two products in one sum the first one in the list is contracted.
    """
    uses = np.zeros(len(operations), int)
    for operation in operations:
        for argument in operation.arguments:
            uses[argument] += 1
    for place in outputs:
        uses[place] += 1
    new = list(operations)

    def product(place):
        """The factors of a product that may be contracted, and its sign."""
        operation, sign = new[place], 1
        if uses[place] == 1 and operation.name == "neg":
            (place,) = operation.arguments
            operation, sign = new[place], -1
        free = uses[place] == 1 and operation.name == "mul"
        return (operation.arguments, sign) if free else None

    for place, operation in enumerate(operations):
        if operation.name not in ("add", "sub") or not operation.dtype.startswith("float"):
            continue
        first, second = operation.arguments
        minus = operation.name == "sub"
        for mine, other, sign, other_sign in (
            (first, second, 1, -1 if minus else 1),
            (second, first, -1 if minus else 1, 1),
        ):
            found = product(mine)
            if found is None or first == second:
                continue
            factors, own = found
            name = {(1, 1): "fma", (-1, 1): "fnma", (1, -1): "fms", (-1, -1): "fnms"}[
                sign * own, other_sign
            ]
            new[place] = Operation(name, (*factors, other), operation.dtype)
            break
    kept, outputs = _needed(new, outputs)
    return Scalars(tuple(kept), tuple(outputs))


def _dtype_name(dtype):
    name = np.dtype(dtype).name if not jax.dtypes.issubdtype(dtype, jax.dtypes.extended) else "key"
    if name not in ("float64", "float32", "bool", "int32", "int64", "uint32", "uint64", "uint8"):
        raise NotScalars(f"values of dtype {name}")
    return name
