"""Lists of scalar operations run in the registers of the CPU, on arrays of NumPy.

`apply` runs a list once for every lane; `advance` runs a step many times, its state in registers
all the while.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from eos_jax.loops import llvm
from eos_jax.loops.scalars import Scalars, held_by, longest_chain, work_of
from eos_jax.registry import made_once

IN_FLIGHT = 8
"""Registers of lanes that a loop works on at once, so that they hide each other's latency."""

_LONG_CHAIN = 35  # operations that wait for one another; measured
_WIDE = 10  # operations for each link of the chain that keep the processor busy; measured


def lanes_in_flight(dtype: str) -> int:
    """How many lanes a loop works on at once."""
    return IN_FLIGHT * llvm.register_file()[1] // llvm.size_of(dtype)


def lanes_together(scalars: Scalars, lanes: int, dtype: str) -> int:
    """Of so many lanes in flight, how many go through a step side by side.

    A register of them, one after the other, so that few values wait and all stay in registers;
    but as many as hide each other's latency where a long chain of operations is what a step or a
    loop in it waits for: the processor does not look that far ahead for the next register. A step
    that has enough to do beside its chain, such as products of matrices, waits for nothing.
    """
    together = _registers_that_hide(scalars) * llvm.register_file()[1] // llvm.size_of(dtype)
    return min(lanes, together)


def _registers_that_hide(scalars, turns=1):
    """A power of 2: of how many registers the operations keep the processor busy."""
    chain = turns * longest_chain(scalars)
    waits = _WIDE * chain / max(1, turns * work_of(scalars)) if chain > _LONG_CHAIN else 1
    loops = (held for operation in scalars.operations for held in held_by(operation))
    inside = (_registers_that_hide(part, n) for n, part in loops)
    return max(1 << math.ceil(math.log2(max(1, waits))), *inside, 1)


def dtypes_of(scalars: Scalars) -> tuple[list[str], list[str]]:
    """The dtypes of a list's inputs and outputs."""
    operations = scalars.operations
    return (
        [operation.dtype for operation in operations if operation.name == "input"],
        [operations[place].dtype for place in scalars.outputs],
    )


def padded(count: int, lanes: int = 128) -> int:
    """The length of arrays that any number of lanes in flight divides."""
    return -(-count // lanes) * lanes


def pointers(arrays: Sequence[np.ndarray]) -> Any:
    """The arrays' memory as a C array of pointers."""
    return (ctypes.c_void_p * max(1, len(arrays)))(*(array.ctypes.data for array in arrays))


def entries(arrays: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """For each entry of arrays of shape (count,) + ..., a padded array of its own."""
    found = []
    for array in arrays:
        for column in array.reshape(count, -1).T:
            entry = np.ones(padded(count), array.dtype)
            entry[:count] = column
            found.append(entry)
    return found


def joined(columns: Sequence[np.ndarray], like: Any) -> np.ndarray:
    """The inverse of `entries` for one array, of the shape of `like`."""
    if len(like.shape) == 1:
        return columns[0][: len(like)]
    return np.stack([column[: len(like)] for column in columns], 1).reshape(like.shape)


@made_once
def _applied(scalars: Scalars, lanes: int) -> tuple[Any, Any]:
    inputs, outputs = dtypes_of(scalars)
    text = llvm.Text()
    sources, targets = (
        addresses(text, base, len(dtypes)) for base, dtypes in (("%in", inputs), ("%out", outputs))
    )

    def turn(index):
        given = [
            llvm.load_lanes(text, dtype, lanes, at(text, dtype, source, index))
            for dtype, source in zip(inputs, sources)
        ]
        found = llvm.write(text, scalars, given, lanes)
        for dtype, target, value in zip(outputs, targets, found):
            llvm.store_lanes(text, dtype, lanes, value, at(text, dtype, target, index))

    llvm.counted(text, "%count", turn, by=lanes)
    text.say("ret void")
    code = llvm.compiled(llvm.function("apply", "ptr %in, ptr %out, i64 %count", text))
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return code, kind(code.get_function_address("apply"))


def addresses(text: llvm.Text, base: str, count: int) -> list[str]:
    """The pointers in an array of pointers."""
    found = []
    for index in range(count):
        place = text.make(f"getelementptr ptr, ptr {base}, i64 {index}", "p")
        found.append(text.make(f"load ptr, ptr {place}", "p"))
    return found


def at(text: llvm.Text, dtype: str, base: str, index: str) -> str:
    """The address of one entry of an array."""
    return text.make(f"getelementptr {llvm.stored_type(dtype)}, ptr {base}, i64 {index}", "p")


def apply(scalars: Scalars, inputs: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """The outputs of a list for every lane.

    Args:
      scalars: the list.
      inputs: arrays of shape (padded(count),), contiguous.
      count: lanes.
    """
    _, size = llvm.register_file()
    widest = max((llvm.size_of(o.dtype) for o in scalars.operations if o.dtype), default=8)
    _, function = _applied(scalars, max(2, size // widest))
    outputs = [np.empty(padded(count), dtype) for dtype in dtypes_of(scalars)[1]]
    function(pointers(inputs), pointers(outputs), count)
    return outputs


@made_once
def _advanced(scalars: Scalars, kept: int, lanes: int, processor: Any = None) -> Any:
    inputs, _ = dtypes_of(scalars)
    text = llvm.Text()
    places = addresses(text, "%leaves", len(inputs))

    width = lanes_together(scalars, lanes, inputs[0])

    def group(index):
        # each register of lanes on its own: fewer values wait than with all registers in step
        copies = []
        for first in range(0, lanes, width):
            start = text.make(f"add i64 {index}, {first}")
            here = [at(text, dtype, place, start) for dtype, place in zip(inputs, places)]
            given = [llvm.load_lanes(text, d, width, p) for d, p in zip(inputs, here)]
            state = [text.variable(kind, value) for kind, value in zip(kinds, given)]
            copies.append((here, given, state))

        def step(_):
            for _, given, state in copies:
                now = [text.make(f"load {kind}, ptr {place}") for kind, place in zip(kinds, state)]
                new = llvm.write(text, scalars, [*now, *given[kept:]], width)
                for kind, place, value in zip(kinds, state, new):
                    text.say(f"store {kind} {value}, ptr {place}")

        llvm.counted(text, "%steps", step)
        for here, _, state in copies:
            for dtype, kind, place, target in zip(inputs, kinds, state, here):
                value = text.make(f"load {kind}, ptr {place}")
                llvm.store_lanes(text, dtype, width, value, target)

    kinds = [llvm.vector(dtype, width) for dtype in inputs[:kept]]
    llvm.counted(text, "%count", group, by=lanes)
    text.say("ret void")
    module = llvm.function("advance", "ptr %leaves, i64 %count, i64 %steps", text)
    code = llvm.compiled(module, processor)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return code, kind(code.get_function_address("advance"))


def advance(
    scalars: Scalars, state: Sequence[np.ndarray], constants: Sequence[np.ndarray], count: int,
    steps: int, *, lanes: int | None = None, processor: tuple[str, str] | None = None,
) -> None:  # fmt: skip
    """Many steps of every lane, in place.

    Args:
      scalars: the step; its inputs are the state and the constants, its outputs the state.
      state: arrays of shape (padded(count),), contiguous; they hold the end afterwards.
      constants: arrays likewise.
      count: lanes.
      steps: how many steps.
      lanes: lanes in flight, which change no bit; by default `lanes_in_flight`.
      processor: what to compile for, as LLVM calls it; this one by default.
    """
    lanes = lanes or lanes_in_flight(state[0].dtype.name)
    _, function = _advanced(scalars, len(state), lanes, processor)
    function(pointers([*state, *constants]), count, steps)
