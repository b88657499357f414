"""Lists of scalar operations printed as LLVM, for many lanes at once, and compiled.

A value of the list is a vector of lanes, as wide as several registers of the processor: LLVM cuts
it into registers, so that several of them are in flight and hide each other's latency. Operations
carry no licence to reassociate or contract: each is rounded as the list says, on every processor.
Loops and branches run while any lane wants them and keep the others as they are.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from eos_jax.loops.scalars import Operation, Scalars

_TYPES = {"float64": "double", "float32": "float", "bool": "i1", "int32": "i32", "uint32": "i32",
          "int64": "i64", "uint64": "i64", "uint8": "i8"}  # fmt: skip
_STORED = {**_TYPES, "bool": "i8"}
_SUFFIX = {"float64": "f64", "float32": "f32", "int32": "i32", "uint32": "i32", "int64": "i64",
           "uint64": "i64", "bool": "i1", "uint8": "i8"}  # fmt: skip
_FLOAT = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_COMPARED = {
    "lt": ("olt", "slt", "ult"),
    "le": ("ole", "sle", "ule"),
    "gt": ("ogt", "sgt", "ugt"),
    "ge": ("oge", "sge", "uge"),
    "eq": ("oeq", "eq", "eq"),
    "ne": ("une", "ne", "ne"),
}


def size_of(dtype: str) -> int:
    """Bytes of a value in memory."""
    return np.dtype(dtype).itemsize


def stored_type(dtype: str) -> str:
    """LLVM's type of a value in memory."""
    return _STORED[dtype]


class Text:
    """The body of a function being printed: lines, and room on the stack asked for on the way."""

    def __init__(self) -> None:
        """An empty body."""
        self.lines: list[str] = []
        self.room: list[str] = []
        self._names = 0

    def name(self, hint: str = "v") -> str:
        """A name that is not used yet."""
        self._names += 1
        return f"%{hint}{self._names}"

    def label(self, hint: str) -> str:
        """A label that is not used yet."""
        return self.name(hint)[1:]

    def say(self, line: str) -> None:
        """One line."""
        self.lines.append("  " + line)

    def make(self, right: str, hint: str = "v") -> str:
        """A new value from the right-hand side of a line."""
        name = self.name(hint)
        self.say(f"{name} = {right}")
        return name

    def begin(self, label: str) -> None:
        """A new block."""
        self.lines.append(f"{label}:")

    def reserve(self, kind: str, align: int = 64) -> str:
        """A place on the stack, made once at the beginning of the function."""
        name = self.name("room")
        self.room.append(f"  {name} = alloca {kind}, align {align}")
        return name

    def variable(self, kind: str, value: str) -> str:
        """A place on the stack that holds a value."""
        place = self.reserve(kind)
        self.say(f"store {kind} {value}, ptr {place}")
        return place


def vector(dtype: str, lanes: int) -> str:
    """LLVM's type of one value for so many lanes."""
    return f"<{lanes} x {_TYPES[dtype]}>"


def splat(value: Any, dtype: str, lanes: int) -> str:
    """The same constant for every lane."""
    return f"splat ({_TYPES[dtype]} {literal(value, dtype)})"


def literal(value: Any, dtype: str) -> str:
    """A constant as LLVM writes it; floating-point ones by their bits."""
    if dtype.startswith("float"):  # single precision too is written as a double
        with np.errstate(all="ignore"):
            return f"0x{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016X}"
    return str(bool(value)).lower() if dtype == "bool" else str(int(value))


def load_lanes(text: Text, dtype: str, lanes: int, place: str) -> str:
    """A vector from memory, where truth values are bytes."""
    kind, align = f"<{lanes} x {_STORED[dtype]}>", size_of(dtype)
    value = text.make(f"load {kind}, ptr {place}, align {align}")
    return text.make(f"icmp ne {kind} {value}, zeroinitializer") if dtype == "bool" else value


def store_lanes(text: Text, dtype: str, lanes: int, value: str, place: str) -> None:
    """A vector to memory."""
    kind, align = f"<{lanes} x {_STORED[dtype]}>", size_of(dtype)
    if dtype == "bool":
        value = text.make(f"zext <{lanes} x i1> {value} to {kind}")
    text.say(f"store {kind} {value}, ptr {place}, align {align}")


def any_of(text: Text, mask: str, lanes: int) -> str:
    """Whether a truth value holds for any lane."""
    bits = text.make(f"bitcast <{lanes} x i1> {mask} to i{lanes}")
    return text.make(f"icmp ne i{lanes} {bits}, 0")


def write(text: Text, scalars: Scalars, inputs: Sequence[str], lanes: int) -> list[str]:
    """Print a list; returns the names of its outputs."""
    names: list[Any] = []
    given = iter(inputs)
    for operation in scalars.operations:
        arguments = [names[place] for place in operation.arguments]
        dtypes = [scalars.operations[place].dtype for place in operation.arguments]
        if operation.name == "input":
            names.append(next(given))
        elif operation.name == "constant":
            names.append(splat(operation.detail, operation.dtype, lanes))
        elif operation.name == "item":
            names.append(arguments[0][operation.detail])
        elif operation.name in _CONTROL:
            names.append(_CONTROL[operation.name](text, operation, arguments, dtypes, lanes))
        else:
            names.append(_operation(text, operation, arguments, dtypes, lanes))
    return [names[place] for place in scalars.outputs]


def _operation(text, operation, arguments, dtypes, lanes):
    name, dtype = operation.name, operation.dtype
    kind = vector(dtype, lanes)
    floating = dtype.startswith("float")
    suffix = f"v{lanes}{_SUFFIX[dtype]}"
    if name in ("fma", "fms", "fnma", "fnms"):
        a, b, c = arguments
        a = text.make(f"fneg {kind} {a}") if name in ("fnma", "fnms") else a
        c = text.make(f"fneg {kind} {c}") if name in ("fms", "fnms") else c
        return text.make(f"call {kind} @llvm.fma.{suffix}({kind} {a}, {kind} {b}, {kind} {c})")
    if name in _FLOAT or name == "rem":
        signed = "u" if dtype.startswith("u") else "s"
        whole = {"div": f"{signed}div", "rem": f"{signed}rem"}.get(name, name)
        code = _FLOAT[name] if floating else whole
        return text.make(f"{code} {kind} {arguments[0]}, {arguments[1]}")
    if name == "neg":
        zero = "" if floating else " zeroinitializer,"
        return text.make(f"{'fneg' if floating else 'sub'} {kind}{zero} {arguments[0]}")
    if name in ("abs", "sqrt", "floor") and floating:
        code = "fabs" if name == "abs" else name
        return text.make(f"call {kind} @llvm.{code}.{suffix}({kind} {arguments[0]})")
    if name == "abs":
        return text.make(f"call {kind} @llvm.abs.{suffix}({kind} {arguments[0]}, i1 false)")
    if name == "is_finite":
        of, tail = vector(dtypes[0], lanes), f"v{lanes}{_SUFFIX[dtypes[0]]}"
        size = text.make(f"call {of} @llvm.fabs.{tail}({of} {arguments[0]})")
        infinite = splat(float("inf"), dtypes[0], lanes)
        return text.make(f"fcmp olt {of} {size}, {infinite}")
    if name in _COMPARED:
        ordered, signed, unsigned = _COMPARED[name]
        of = vector(dtypes[0], lanes)
        if dtypes[0].startswith("float"):
            return text.make(f"fcmp {ordered} {of} {arguments[0]}, {arguments[1]}")
        code = unsigned if dtypes[0].startswith(("u", "b")) else signed
        return text.make(f"icmp {code} {of} {arguments[0]}, {arguments[1]}")
    if name in ("and", "or", "xor"):
        return text.make(f"{name} {kind} {arguments[0]}, {arguments[1]}")
    if name == "not":
        ones = splat(dtype == "bool" or -1, dtype, lanes)
        return text.make(f"xor {kind} {arguments[0]}, {ones}")
    if name == "select":
        mask, yes, no = arguments
        return text.make(f"select <{lanes} x i1> {mask}, {kind} {yes}, {kind} {no}")
    if name in ("shift_left", "shift_right"):
        code = "shl" if name == "shift_left" else "lshr"
        return text.make(f"{code} {kind} {arguments[0]}, {arguments[1]}")
    if name in ("bits", "from_bits"):
        return text.make(f"bitcast {vector(dtypes[0], lanes)} {arguments[0]} to {kind}")
    return _conversion(text, arguments[0], dtypes[0], dtype, lanes)


def _conversion(text, value, old, new, lanes):
    of, kind = vector(old, lanes), vector(new, lanes)
    if new == "bool":
        zero = splat(0, old, lanes)
        return text.make(f"{'fcmp une' if old.startswith('f') else 'icmp ne'} {of} {value}, {zero}")
    if old.startswith("float") and new.startswith("float"):
        return text.make(f"{'fptrunc' if new == 'float32' else 'fpext'} {of} {value} to {kind}")
    if old.startswith("float"):  # out of range: the end of the range; NaN: 0
        sign = "u" if new.startswith("u") else "s"
        tail = f"v{lanes}{_SUFFIX[new]}.v{lanes}{_SUFFIX[old]}"
        return text.make(f"call {kind} @llvm.fpto{sign}i.sat.{tail}({of} {value})")
    unsigned = old.startswith(("u", "b"))
    if new.startswith("float"):
        return text.make(f"{'uitofp' if unsigned else 'sitofp'} {of} {value} to {kind}")
    if old != "bool" and size_of(old) == size_of(new):
        return value
    code = ("zext" if unsigned else "sext") if old == "bool" or size_of(old) < size_of(new) else (
        "trunc")  # fmt: skip
    return text.make(f"{code} {of} {value} to {kind}")


def _kinds(dtypes, lanes):
    return [vector(dtype, lanes) for dtype in dtypes]


def _while(text, operation, arguments, dtypes, lanes):
    condition, body, n_condition, n_body = operation.detail
    skip = n_condition + n_body
    kinds = _kinds(dtypes[skip:], lanes)
    carry = [text.variable(kind, value) for kind, value in zip(kinds, arguments[skip:])]
    head, turn, done = text.label("while"), text.label("turn"), text.label("done")
    text.say(f"br label %{head}")
    text.begin(head)
    now = [text.make(f"load {kind}, ptr {place}") for kind, place in zip(kinds, carry)]
    (going,) = write(text, condition, [*arguments[:n_condition], *now], lanes)
    text.say(f"br i1 {any_of(text, going, lanes)}, label %{turn}, label %{done}")
    text.begin(turn)
    new = write(text, body, [*arguments[n_condition:skip], *now], lanes)
    for kind, place, before, after in zip(kinds, carry, now, new):
        kept = text.make(f"select <{lanes} x i1> {going}, {kind} {after}, {kind} {before}")
        text.say(f"store {kind} {kept}, ptr {place}")
    text.say(f"br label %{head}")
    text.begin(done)
    return now


def _repeat(text, operation, arguments, dtypes, lanes):
    count, body, n_constants = operation.detail
    kinds = _kinds(dtypes[n_constants:], lanes)
    carry = [text.variable(kind, value) for kind, value in zip(kinds, arguments[n_constants:])]

    def turn(_):
        now = [text.make(f"load {kind}, ptr {place}") for kind, place in zip(kinds, carry)]
        new = write(text, body, [*arguments[:n_constants], *now], lanes)
        for kind, place, value in zip(kinds, carry, new):
            text.say(f"store {kind} {value}, ptr {place}")

    counted(text, str(count), turn)
    return [text.make(f"load {kind}, ptr {place}") for kind, place in zip(kinds, carry)]


def counted(text: Text, count: str, turn: Any, by: int = 1) -> None:
    """A loop over an i64 from 0 to below `count`; `turn` prints one turn, given the index."""
    place = text.variable("i64", "0")
    head, inside, done = text.label("loop"), text.label("inside"), text.label("after")
    text.say(f"br label %{head}")
    text.begin(head)
    index = text.make(f"load i64, ptr {place}")
    more = text.make(f"icmp slt i64 {index}, {count}")
    text.say(f"br i1 {more}, label %{inside}, label %{done}")
    text.begin(inside)
    turn(index)
    text.say(f"store i64 {text.make(f'add i64 {index}, {by}')}, ptr {place}")
    text.say(f"br label %{head}")
    text.begin(done)


def when(text: Text, condition: str, then: Any) -> None:
    """What `then` prints, run only if the i1 `condition` holds."""
    yes, done = text.label("then"), text.label("done")
    text.say(f"br i1 {condition}, label %{yes}, label %{done}")
    text.begin(yes)
    then()
    text.say(f"br label %{done}")
    text.begin(done)


def _branch(text, operation, arguments, dtypes, lanes):
    lists: tuple[Scalars, ...] = operation.detail
    index, of = arguments[0], vector(dtypes[0], lanes)
    outputs = [lists[0].operations[place].dtype for place in lists[0].outputs]
    kinds = _kinds(outputs, lanes)
    results = [text.variable(kind, "zeroinitializer") for kind in kinds]
    for number, one in enumerate(lists):
        code = "sle" if number == 0 else "sge" if number == len(lists) - 1 else "eq"
        chosen = text.make(f"icmp {code} {of} {index}, {splat(number, dtypes[0], lanes)}")

        def run(one=one, chosen=chosen):
            new = write(text, one, arguments[1:], lanes)
            for kind, place, value in zip(kinds, results, new):
                old = text.make(f"load {kind}, ptr {place}")
                mine = text.make(f"select <{lanes} x i1> {chosen}, {kind} {value}, {kind} {old}")
                text.say(f"store {kind} {mine}, ptr {place}")

        when(text, any_of(text, chosen, lanes), run)
    return [text.make(f"load {kind}, ptr {place}") for kind, place in zip(kinds, results)]


_CONTROL = {"while": _while, "repeat": _repeat, "branch": _branch}


def function(name: str, arguments: str, text: Text, returns: str = "void") -> str:
    """A whole function from its body, which ends with its own return."""
    attributes = 'nounwind "prefer-vector-width"="512"'
    head = f"define {returns} @{name}({arguments}) {attributes} {{\nentry:"
    return "\n".join([head, *text.room, *text.lines, "}"])


@functools.cache
def missing() -> str:
    """Why llvmlite cannot be used; empty if it can."""
    try:
        import llvmlite.binding  # noqa: F401
    except ImportError as error:
        return f"no llvmlite ({error})"
    return ""


def ready() -> bool:
    """Whether lists can be compiled."""
    return not missing()


@functools.cache
def _ready() -> Any:
    import llvmlite.binding as binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@functools.cache
def host() -> tuple[str, str]:
    """Name and features of this processor, as LLVM calls them."""
    binding = _ready()
    return binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()


@functools.cache
def register_file() -> tuple[int, int]:
    """How many vector registers this processor has, and bytes in each."""
    _, features = host()
    if "+avx512f" in features:
        return 32, 64
    return (16, 32) if "+avx" in features.split(",") else (16, 16)


def compiled(text: str, processor: tuple[str, str] | None = None) -> Any:
    """Machine code for a module.

    Args:
      text: the module, as LLVM prints it.
      processor: name and features as LLVM calls them; this one by default.

    Returns:
      llvmlite's engine that holds it: `get_function_address` finds functions, which may be called
      as long as the engine lives.
    """
    binding = _ready()
    name, features = processor or host()
    target = binding.Target.from_default_triple()
    machine = target.create_target_machine(cpu=name, features=features, opt=3)
    module = binding.parse_assembly(text)
    options = binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_unrolling = False
    options.loop_vectorization = False
    options.slp_vectorization = False
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


__all__ = ["Operation", "Text", "compiled", "counted", "function", "when", "write"]
