"""Where orbits go, counted in the registers of the CPU: a histogram for each lane.

The step and what is counted are lists of scalar operations. State stays in registers for the whole
orbit; each point adds one to one bin of its lane, in memory, so no orbit is ever kept.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from eos_jax.loops import llvm
from eos_jax.loops.registers import addresses, at, dtypes_of, lanes_in_flight, pointers
from eos_jax.loops.scalars import Scalars
from eos_jax.registry import made_once


def count(
    step: Scalars,
    place: Scalars,
    state: Sequence[np.ndarray],
    constants: Sequence[np.ndarray],
    lanes: int,
    samples: int,
    every: int,
    rows: np.ndarray,
) -> None:
    """Advance all lanes, in place, and count every k-th point.

    Args:
      step: state and constants to state.
      place: state and constants to the number of a bin, int32, below the length of a row.
      state: arrays of shape (padded(lanes),), contiguous; they hold the end afterwards.
      constants: arrays likewise.
      lanes: how many.
      samples: points that are counted of each; the first one `every` steps from here.
      every: steps between them.
      rows: counts, uint32 of shape (padded(lanes), length), added to.
    """
    flight = lanes_in_flight(state[0].dtype.name)
    while flight > 2 and flight >= 2 * lanes:  # a chain of columns is few lanes
        flight //= 2
    _, function = _counted(step, place, len(state), flight)
    everything = pointers([*state, *constants])
    function(everything, lanes, samples, every, rows.ctypes.data, rows.shape[1])


@made_once
def _counted(step: Scalars, place: Scalars, kept: int, lanes: int) -> Any:
    inputs, _ = dtypes_of(step)
    text = llvm.Text()
    leaves = addresses(text, "%leaves", len(inputs))

    def group(index):
        here = [at(text, dtype, leaf, index) for dtype, leaf in zip(inputs, leaves)]
        given = [llvm.load_lanes(text, d, lanes, p) for d, p in zip(inputs, here)]
        kinds = [llvm.vector(dtype, lanes) for dtype in inputs[:kept]]
        state = [text.variable(kind, value) for kind, value in zip(kinds, given)]
        rows = []
        for lane in range(lanes):
            number = text.make(f"add i64 {index}, {lane}")
            first = text.make(f"mul i64 {number}, %length")
            rows.append(text.make(f"getelementptr i32, ptr %rows, i64 {first}", "p"))

        def now():
            return [text.make(f"load {kind}, ptr {slot}") for kind, slot in zip(kinds, state)]

        def turn(_):
            new = llvm.write(text, step, [*now(), *given[kept:]], lanes)
            for kind, slot, value in zip(kinds, state, new):
                text.say(f"store {kind} {value}, ptr {slot}")

        def sample(_):
            llvm.counted(text, "%every", turn)
            (bins,) = llvm.write(text, place, [*now(), *given[kept:]], lanes)
            for lane, row in enumerate(rows):
                one = text.make(f"extractelement <{lanes} x i32> {bins}, i32 {lane}")
                wide = text.make(f"zext i32 {one} to i64")
                slot = text.make(f"getelementptr i32, ptr {row}, i64 {wide}", "p")
                old = text.make(f"load i32, ptr {slot}")
                text.say(f"store i32 {text.make(f'add i32 {old}, 1')}, ptr {slot}")

        llvm.counted(text, "%samples", sample)
        for dtype, kind, slot, target in zip(inputs, kinds, state, here):
            value = text.make(f"load {kind}, ptr {slot}")
            llvm.store_lanes(text, dtype, lanes, value, target)

    llvm.counted(text, "%count", group, by=lanes)
    text.say("ret void")
    given = "ptr %leaves, i64 %count, i64 %samples, i64 %every, ptr %rows, i64 %length"
    code = llvm.compiled(llvm.function("count", given, text))
    number = ctypes.c_int64
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, number, number, number, ctypes.c_void_p, number)
    return code, kind(code.get_function_address("count"))


__all__ = ["count"]
