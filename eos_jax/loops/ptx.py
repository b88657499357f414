"""Lists of scalar operations printed as PTX, for NVIDIA GPUs: one lane a thread.

XLA never puts a loop over time into one kernel, so a step there costs a launch, and its state goes
through memory. Here the state stays in registers for all steps. Each operation is rounded as the
list says (`.rn`, and no flush to zero), so orbits of sums, products, quotients and roots have the
bits that they have on a CPU. XLA itself launches the kernel, by a custom call of its own.

That call is no promise of XLA. So the engine is asked for by name (`EOS_JAX_ENGINE=registers`), and
it is tried on a known map first.
"""

from __future__ import annotations

import functools
import itertools
import struct
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.loops.scalars import NotScalars, Scalars

THREADS = 128
"""Threads of a block."""

UNROLLED = 4
"""Steps written out in the loop, so that counting them costs little."""

_TYPES = {"float64": "f64", "float32": "f32", "int32": "s32", "uint32": "u32", "int64": "s64",
          "uint64": "u64", "bool": "pred"}  # fmt: skip
_SIGNS = {"fma": ("", ""), "fms": ("", "-"), "fnma": ("-", ""), "fnms": ("-", "-")}


class _Body:
    """Lines of a kernel, and the registers that they use."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.counts: dict[str, int] = dict.fromkeys((*_TYPES.values(), "b32", "b64"), 0)

    def register(self, kind: str) -> str:
        self.counts[kind] += 1
        return f"%{kind}_{self.counts[kind]}"

    def make(self, kind: str, code: str, *arguments: str) -> str:
        """A new register, set by an instruction."""
        target = self.register(kind)
        self.say(code, target, *arguments)
        return target

    def say(self, code: str, *arguments: str) -> None:
        self.lines.append(f"  {code} {', '.join(arguments)};" if arguments else f"  {code};")

    def declared(self) -> list[str]:
        return [f"  .reg .{k} %{k}_<{n + 1}>;" for k, n in self.counts.items() if n]


def kernel(step: Scalars, lanes: int) -> str:
    """The text of a kernel `advance`: so many lanes, each taken many steps by its thread.

    Its parameters are addresses: of the step's inputs, of the number of steps (int32), of the
    results.

    Args:
      step: state and constants to state.
      lanes: how many; threads beyond them do nothing.

    Returns:
      PTX.

    Raises:
      NotScalars: if the step holds loops or branches, or values that a GPU has no registers for.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.loops.primitives import as_scalars
      >>> text = kernel(as_scalars(lambda x, a: x - a * x * x, jnp.float32(1), jnp.float32(1)), 100)
      >>> text.count("fma.rn.f32") == UNROLLED + 1
      True
    """
    inputs = [operation.dtype for operation in step.operations if operation.name == "input"]
    outputs = [step.operations[place].dtype for place in step.outputs]
    body = _Body()
    lane = _lane(body, lanes)
    leaves = [_loaded(body, dtype, lane, place) for place, dtype in enumerate(inputs)]
    state, constants = leaves[: len(outputs)], leaves[len(outputs) :]
    place = body.make("u64", "ld.param.u64", f"[p{len(inputs)}]")
    left = body.make("s32", "ld.global.s32", f"[{place}]")

    def turn(label, steps):
        """As long as so many steps are left."""
        body.lines.append(f"{label}:")
        enough = body.make("pred", "setp.lt.s32", left, str(steps))
        body.say(f"@{enough} bra {label}_done")
        for _ in range(steps):
            found = _written(body, step, [*state, *constants])
            # a value of the old state has to be read before that place is written
            kept = [
                body.make(_TYPES[d], f"mov.{_TYPES[d]}", v) if v in state else v
                for d, v in zip(outputs, found)
            ]
            for dtype, old, new in zip(outputs, state, kept):
                body.say(f"mov.{_TYPES[dtype]}", old, new)
        body.say("sub.s32", left, left, str(steps))
        body.say(f"bra {label}")
        body.lines.append(f"{label}_done:")

    turn("many", UNROLLED)
    turn("one", 1)
    for number, (dtype, value) in enumerate(zip(outputs, state)):
        _store(body, dtype, lane, len(inputs) + 1 + number, value)
    parameters = ", ".join(f".param .u64 p{n}" for n in range(len(inputs) + 1 + len(outputs)))
    head = [".version 7.0", ".target sm_75", ".address_size 64"]
    head += [f".visible .entry advance({parameters})", "{"]
    return "\n".join([*head, *body.declared(), *body.lines, "end:", "  ret;", "}", ""])


def _lane(body, lanes):
    """The thread's lane; threads that have none are at their end."""
    block = body.make("u32", "mov.u32", "%ctaid.x")
    size, thread = body.make("u32", "mov.u32", "%ntid.x"), body.make("u32", "mov.u32", "%tid.x")
    lane = body.make("u32", "mad.lo.u32", block, size, thread)
    beyond = body.make("pred", "setp.ge.u32", lane, str(lanes))
    body.say(f"@{beyond} bra end")
    return lane


def _address(body, dtype, lane, place):
    base = body.make("u64", "ld.param.u64", f"[p{place}]")
    size = 1 if dtype == "bool" else np.dtype(dtype).itemsize
    return body.make("u64", "mad.wide.u32", lane, str(size), base)


def _loaded(body, dtype, lane, place):
    address = _address(body, dtype, lane, place)
    if dtype == "bool":
        byte = body.make("u32", "ld.global.u8", f"[{address}]")
        return body.make("pred", "setp.ne.u32", byte, "0")
    return body.make(_kind(dtype), f"ld.global.{_kind(dtype)}", f"[{address}]")


def _store(body, dtype, lane, place, value):
    address = _address(body, dtype, lane, place)
    if dtype == "bool":
        byte = body.make("u32", "selp.u32", "1", "0", value)
        body.say("st.global.u8", f"[{address}]", byte)
    else:
        body.say(f"st.global.{_kind(dtype)}", f"[{address}]", value)


def _kind(dtype):
    if dtype not in _TYPES:
        raise NotScalars(f"values of dtype {dtype or 'of a loop or branch'}, which a GPU has not")
    return _TYPES[dtype]


def _written(body, scalars, inputs):
    """The list's operations as instructions; the registers of its outputs."""
    names: list[str] = []
    given = iter(inputs)
    for operation in scalars.operations:
        kind = _kind(operation.dtype)
        if operation.name == "input":
            names.append(next(given))
        elif operation.name == "constant":
            names.append(_constant(body, operation.detail, operation.dtype))
        else:
            arguments = [names[place] for place in operation.arguments]
            kinds = [_kind(scalars.operations[place].dtype) for place in operation.arguments]
            names.append(_operation(body, operation.name, kind, arguments, kinds))
    return [names[place] for place in scalars.outputs]


def _constant(body, value, dtype):
    if dtype == "bool":
        return body.make("pred", "setp.ne.u32", str(int(value)), "0")
    if dtype == "float64":
        return f"0d{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016X}"
    if dtype == "float32":
        return f"0f{struct.unpack('<I', struct.pack('<f', float(value)))[0]:08X}"
    return str(int(value))


def _operation(body, name, kind, arguments, kinds):
    floating, of = kind.startswith("f"), kinds[0]
    size = f"b{of[1:]}"
    if name in _SIGNS:
        signs = (_SIGNS[name][0], "", _SIGNS[name][1])
        signed = [body.make(kind, f"neg.{kind}", a) if s else a for s, a in zip(signs, arguments)]
        return body.make(kind, f"fma.rn.{kind}", *signed)
    if name in ("add", "sub", "mul", "div"):
        exact = ".lo" if name == "mul" and not floating else ".rn" if floating else ""
        return body.make(kind, f"{name}{exact}.{kind}", *arguments)
    if name in ("neg", "abs") or (name == "rem" and not floating):
        return body.make(kind, f"{name}.{kind}", *arguments)
    if name == "sqrt":
        return body.make(kind, f"sqrt.rn.{kind}", *arguments)
    if name == "floor":
        return body.make(kind, f"cvt.rmi.{kind}.{kind}", *arguments)
    if name == "is_finite":
        return body.make("pred", f"testp.finite.{of}", *arguments)
    if name in ("lt", "le", "gt", "ge", "eq", "ne") and of != "pred":
        unordered = "u" if name == "ne" and of.startswith("f") else ""
        return body.make("pred", f"setp.{name}{unordered}.{of}", *arguments)
    if name in ("eq", "ne"):
        different = body.make("pred", "xor.pred", *arguments)
        return different if name == "ne" else body.make("pred", "not.pred", different)
    if name in ("and", "or", "xor", "not"):
        return body.make(kind, f"{name}.{'pred' if kind == 'pred' else size}", *arguments)
    if name == "select":
        return _select(body, kind, *arguments)
    if name in ("shift_left", "shift_right"):
        by = arguments[1]
        if by.startswith("%") and of.endswith("64"):
            by = body.make("u32", "cvt.u32.u64", by)
        code = f"shl.{size}" if name == "shift_left" else f"shr.u{of[1:]}"
        return body.make(kind, code, arguments[0], by)
    if name in ("bits", "from_bits"):
        return body.make(kind, f"mov.{size}", *arguments)
    if name == "convert":
        return _converted(body, arguments[0], of, kind)
    raise NotScalars(f"the operation {name}, which is not printed for GPUs")


def _select(body, kind, mask, yes, no):
    if kind != "pred":
        return body.make(kind, f"selp.{kind}", yes, no, mask)
    other = body.make("pred", "not.pred", mask)
    first, second = (
        body.make("pred", "and.pred", mask, yes),
        body.make("pred", "and.pred", other, no),
    )
    return body.make("pred", "or.pred", first, second)


def _converted(body, value, old, new):
    if new == "pred":
        unordered = "u" if old.startswith("f") else ""
        zero = {"f64": "0d0000000000000000", "f32": "0f00000000"}.get(old, "0")
        return body.make("pred", f"setp.ne{unordered}.{old}", value, zero)
    if old == "pred":
        one = {"f64": "0d3FF0000000000000", "f32": "0f3F800000"}.get(new, "1")
        zero = {"f64": "0d0000000000000000", "f32": "0f00000000"}.get(new, "0")
        return body.make(new, f"selp.{new}", one, zero, value)
    if new.startswith("f"):
        rounding = "" if (old, new) == ("f32", "f64") else ".rn"
    else:
        rounding = ".rzi" if old.startswith("f") else ""
    return body.make(new, f"cvt{rounding}.{new}.{old}", value)


def advance(
    step: Scalars, state: Sequence[jax.Array], constants: Sequence[jax.Array], steps: Any
) -> list[jax.Array]:
    """Many steps of every lane, on a GPU.

    Args:
      step: state and constants to state.
      state: arrays of shape (lanes,).
      constants: likewise.
      steps: how many, an int32.

    Returns:
      The state afterwards.
    """
    lanes = state[0].shape[0]
    call = jax.ffi.ffi_call(
        "__gpu$xla.gpu.ptx", [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in state]
    )
    one = np.int32(1)
    return list(call(
        *state, *constants, jnp.asarray(steps, jnp.int32), name="advance", kernel_type="ptx",
        kernel_data=kernel(step, lanes), grid_x=np.int32(-(-lanes // THREADS)), grid_y=one,
        grid_z=one, block_x=np.int32(THREADS), block_y=one, block_z=one,
        shared_mem_bytes=np.int32(0),
    ))  # fmt: skip


@functools.cache
def works() -> bool:
    """Whether this process's GPU gives the bits of a chaotic map; says so if it does not."""
    from eos_jax.loops.interpreter import interpret
    from eos_jax.loops.primitives import as_scalars

    step = as_scalars(lambda x, a: 1 - a * x * x, jnp.float32(0), jnp.float32(0))
    x, a = np.linspace(-1, 1, 300, dtype=np.float32), np.full(300, 1.9, np.float32)
    wanted = x
    for _ in itertools.repeat(None, 203):
        (wanted,) = interpret(step, wanted, a)
    try:
        (found,) = jax.jit(functools.partial(advance, step))(
            [jnp.asarray(x)], [jnp.asarray(a)], 203
        )
        if np.asarray(found).tobytes() == wanted.tobytes():
            return True
        why = "its bits are not those of the list"
    except Exception as error:  # whatever XLA makes of a call that it no longer knows
        why = str(error).splitlines()[0]
    warnings.warn(f"Lists do not run on this GPU, {why}; XLA runs them.", UserWarning, stacklevel=2)
    return False
