"""A GPU for tests: runs the text of a kernel with NumPy, all threads side by side.

It knows the instructions by PTX's own definitions and nothing of the lists that were printed.
"""

import re

import numpy as np

from eos_jax.loops.meaning import fused_multiply_add

DTYPES = {"f64": np.float64, "f32": np.float32, "s32": np.int32, "u32": np.uint32, "s64": np.int64,
          "u64": np.uint64, "u8": np.uint8}  # fmt: skip
COMPARED = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
            "eq": np.equal, "ne": np.not_equal, "neu": np.not_equal}  # fmt: skip
ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "and": np.bitwise_and,
              "or": np.bitwise_or, "xor": np.bitwise_xor, "neg": np.negative, "abs": np.abs,
              "not": np.bitwise_not, "rem": np.fmod, "shl": np.left_shift}  # fmt: skip


def run(text, arrays, blocks, threads=128):
    """Run a kernel on arrays, its parameters in order, which are changed in place."""
    lines = [line.strip().rstrip(";") for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith((".", "{", "}"))]
    labels = {line[:-1]: at for at, line in enumerate(lines) if line.endswith(":")}
    machine = _Machine(arrays, blocks, threads)
    at = 0
    with np.errstate(all="ignore"):
        while lines[at] != "ret":
            target = None if lines[at].endswith(":") else machine.step(lines[at])
            at = labels[target] if target else at + 1


class _Machine:
    def __init__(self, arrays, blocks, threads):
        self.arrays = arrays
        self.size = blocks * threads
        self.active = np.ones(self.size, bool)
        index = np.arange(self.size, dtype=np.uint32)
        self.values = {"%ctaid.x": index // threads, "%tid.x": index % threads,
                       "%ntid.x": np.full(self.size, threads, np.uint32)}  # fmt: skip

    def step(self, line):
        """One instruction; where it jumps to, if it does."""
        guard, _, rest = line.partition(" ") if line.startswith("@") else ("", "", line)
        code, _, operands = rest.partition(" ")
        if code == "bra":
            if not guard:
                return operands
            jumps = self.values[guard[1:]][self.active]
            if jumps.all():
                return operands
            if jumps.any():  # threads part only for good
                assert operands == "end"
                self.active &= ~self.values[guard[1:]]
            return None
        name, *types = code.split(".")
        target, *given = [operand.strip() for operand in operands.split(",")]
        if name == "st":
            place, lane = self.values[target[1:-1]]
            self.arrays[place][lane[self.active]] = self.value(given[0], types[-1])[self.active]
            return None
        self.values[target] = self.result(name, types, given)
        return None

    def value(self, operand, kind):
        if operand.startswith("%"):
            found = self.values[operand]
            if kind == "pred" or isinstance(found, tuple):
                return found
            return found.view(DTYPES[kind]) if kind in DTYPES else found
        if operand.startswith("0d"):
            number = np.uint64(int(operand[2:], 16)).view(np.float64)
        elif operand.startswith("0f"):
            number = np.uint32(int(operand[2:], 16)).view(np.float32)
        else:
            number = np.asarray(int(operand)).astype(DTYPES[kind])
        return np.full(self.size, number)

    def result(self, name, types, given):
        kind = types[-1]
        if name == "ld" and types[0] == "param":
            return int(re.fullmatch(r"\[p(\d+)\]", given[0])[1]), np.zeros(self.size, int)
        if name == "ld":
            place, lane = self.values[given[0][1:-1]]
            assert self.arrays[place].dtype == DTYPES[kind]
            held = self.arrays[place][np.where(self.active, lane, 0)]
            return held.astype(np.uint32) if kind == "u8" else held
        if name == "mad" and types[0] == "wide":
            place, none = self.values[given[2]]
            assert not none.any() and int(given[1]) == self.arrays[place].itemsize
            return place, self.values[given[0]].astype(int)
        if name == "mov" and kind.startswith("b"):
            return self.bits(given[0], kind)
        if name == "selp":
            return np.where(self.values[given[2]], *(self.value(v, kind) for v in given[:2]))
        if name == "cvt":
            return self.converted(types, self.value(given[0], kind))
        if name == "shr":
            by = self.value(given[1], "u32").astype(DTYPES[kind])
            return np.right_shift(self.value(given[0], kind), by)
        if name == "shl":
            whole = {"b32": "s32", "b64": "s64"}[kind]
            by = self.value(given[1], "u32").astype(DTYPES[whole])
            return np.left_shift(self.value(given[0], whole), by)
        whole = {"b32": "s32", "b64": "s64"}.get(kind, kind)
        values = [self.value(v, whole) for v in given]
        if name == "mov":
            return values[0].copy()
        if name == "setp":
            return COMPARED[types[0]](*values)
        if name == "testp":
            return np.isfinite(values[0])
        if name == "fma":
            assert types[0] == "rn"
            return fused_multiply_add(*values)
        if name == "mad":
            return values[0] * values[1] + values[2]
        if name in ("sqrt", "div"):
            assert types[0] == "rn"
            return np.sqrt(values[0]) if name == "sqrt" else np.divide(*values)
        if kind.startswith("f") and name in ("add", "sub", "mul"):
            assert types[0] == "rn"
        return ARITHMETIC[name](*values)

    def bits(self, operand, kind):
        return self.value(operand, {"b64": "f64", "b32": "f32"}[kind]).copy()

    def converted(self, types, value):
        *how, new, old = types
        if how == ["rmi"]:
            return np.floor(value)
        whole = not new.startswith("f")
        assert how == (["rzi"] if whole and old.startswith("f") else
                       [] if whole or (new, old) == ("f64", "f32") else ["rn"])  # fmt: skip
        return value.astype(DTYPES[new])
