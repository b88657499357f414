"""Formulas over a list of scalar operations, written as one writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from eos_jax.loops.scalars import Builder

_INTEGER = {"float64": "int64", "float32": "int32"}
_FLOAT = {integer: floating for floating, integer in _INTEGER.items()}


@dataclass(frozen=True)
class Expression:
    """One value of a list under construction, with arithmetic.

    Attributes:
      build: the list.
      place: where in it the value is.
    """

    build: Builder
    place: int

    @property
    def dtype(self) -> str:
        """Its dtype."""
        return self.build.dtype(self.place)

    @property
    def constant(self) -> Any:
        """Its value if it is a constant, None otherwise."""
        operation = self.build.operations[self.place]
        return operation.detail if operation.name == "constant" else None

    def like(self, value: Any) -> Expression:
        """A constant of the same dtype."""
        return Expression(self.build, self.build.constant(value, self.dtype))

    def make(self, name: str, *others: Any, dtype: str | None = None) -> Expression:
        """An operation of this value and others; numbers become constants."""
        places = [o.place if isinstance(o, Expression) else self.like(o).place for o in others]
        return Expression(
            self.build, self.build.add(name, self.place, *places, dtype=dtype or self.dtype)
        )

    def __add__(self, other: Any) -> Expression:
        return self.make("add", other)

    def __sub__(self, other: Any) -> Expression:
        return self.make("sub", other)

    def __mul__(self, other: Any) -> Expression:
        return self.make("mul", other)

    def __truediv__(self, other: Any) -> Expression:
        return self.make("div", other)

    def __neg__(self) -> Expression:
        return self.make("neg")

    def __abs__(self) -> Expression:
        return self.make("abs")

    def __and__(self, other: Any) -> Expression:
        return self.make("and", other)

    def __or__(self, other: Any) -> Expression:
        return self.make("or", other)

    def __lt__(self, other: Any) -> Expression:
        return self.make("lt", other, dtype="bool")

    def __gt__(self, other: Any) -> Expression:
        return self.make("gt", other, dtype="bool")

    def equals(self, other: Any) -> Expression:
        """Whether it is the same number."""
        return self.make("eq", other, dtype="bool")

    def differs(self, other: Any) -> Expression:
        """Whether it is another number, or none."""
        return self.make("ne", other, dtype="bool")

    def sqrt(self) -> Expression:
        """The square root."""
        return self.make("sqrt")

    def floor(self) -> Expression:
        """The largest whole number that is not above."""
        return self.make("floor")

    def convert(self, dtype: str) -> Expression:
        """The value in another dtype."""
        return self.make("convert", dtype=dtype)

    def bits(self) -> Expression:
        """The bits of a float, as an integer of the same size."""
        return self.make("bits", dtype=_INTEGER[self.dtype])

    def from_bits(self) -> Expression:
        """The float that has the bits of an integer."""
        return self.make("from_bits", dtype=_FLOAT[self.dtype])

    def shifted_left(self, by: int) -> Expression:
        """An integer times 2^by."""
        return self.make("shift_left", by)

    def shifted_right(self, by: int) -> Expression:
        """The bits of an integer moved down, zeros coming in."""
        return self.make("shift_right", by)


def fma(a: Expression, b: Any, c: Any) -> Expression:
    """A b + c with one rounding."""
    return a.make("fma", b, c)


def where(condition: Expression, yes: Expression, no: Any) -> Expression:
    """One of two values."""
    no = no if isinstance(no, Expression) else yes.like(no)
    build = condition.build
    return Expression(
        build, build.add("select", condition.place, yes.place, no.place, dtype=yes.dtype)
    )


def polynomial(x: Expression, coefficients: Any) -> Expression:
    """c0 + c1 x + c2 x^2 + ... by Horner's rule, coefficients from the lowest."""
    *lower, highest = coefficients
    value = x.like(highest)
    for coefficient in reversed(lower):
        value = fma(value, x, x.like(np.float64(coefficient)))
    return value
