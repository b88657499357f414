"""What each scalar operation does, with NumPy: rounded once, as IEEE 754 says."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np


def fused_multiply_add(a: Any, b: Any, c: Any) -> np.ndarray:
    """A b + c, rounded once.

    In double precision by error-free sums and a last one rounded to odd; in single precision by
    double, rounded to odd.

    Source: Boldo and Melquiond 2008.
    """
    a, b, c = np.broadcast_arrays(a, b, c)
    dtype = a.dtype
    if dtype == np.float32:
        product = a.astype(float) * b.astype(float)  # exact
        return _odd_sum(product, c.astype(float)).astype(dtype)
    with np.errstate(all="ignore"):
        high = a * b
        low = _product_error(a, b, high)
        upper, upper_rest = _two_sum(c, low)
        sum_high, sum_low = _two_sum(high, upper)
        result = sum_high + _odd_sum(sum_low, upper_rest)
        sizes = np.maximum(np.maximum(np.abs(a), np.abs(b)), np.maximum(np.abs(c), np.abs(high)))
        plain = high + c
        safe = (sizes < 1e290) & ((np.abs(high) > 1e-250) | (high == 0) & ((a == 0) | (b == 0)))
        result = np.where(safe, np.where(high == 0, plain, result), plain)
        unsafe = np.isfinite(a) & np.isfinite(b) & np.isfinite(c) & ~safe
    for index in zip(*np.nonzero(np.atleast_1d(unsafe))):  # few: near the ends of the range
        place = index if np.ndim(unsafe) else ()
        exact = Fraction(float(a[place])) * Fraction(float(b[place])) + Fraction(float(c[place]))
        if np.ndim(result) == 0:
            return np.asarray(_rounded(exact, plain[place]))
        result[index] = _rounded(exact, plain[place])
    return result


def _rounded(exact: Fraction, like: float) -> float:
    if exact == 0:
        return float(like) if like == 0 else 0.0
    try:
        return float(exact)
    except OverflowError:
        return float("inf") if exact > 0 else float("-inf")


def _two_sum(a, b):
    """A sum and its rounding error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _product_error(a, b, product):
    """What a product lost in rounding."""

    def split(x):
        big = x * 134217729.0  # 2^27 + 1
        high = big - (big - x)
        return high, x - high

    (a1, a2), (b1, b2) = split(a), split(b)
    return a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)


def _odd_sum(a, b):
    """A sum rounded to odd: where it is not exact, the neighbour whose last bit is set."""
    total, error = _two_sum(a, b)
    inexact = np.isfinite(total) & (error != 0)
    even = (np.asarray(total).view(np.int64) & 1) == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    return np.where(inexact & even, np.nextafter(total, towards), total)


def _shift_right(a, b, dtype):
    unsigned = np.dtype(dtype.replace("int", "uint") if dtype.startswith("int") else dtype)
    moved = np.right_shift(np.asarray(a).view(unsigned), np.asarray(b).view(unsigned))
    return moved.view(dtype)


def _converted(a, dtype):
    a = np.asarray(a)
    if a.dtype.kind == "f" and np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        within = np.clip(np.nan_to_num(a, nan=0.0), float(limits.min), float(limits.max))
        return np.where(a >= float(limits.max), limits.max, within.astype(dtype))
    return a.astype(dtype)


def _quotient(a, b, dtype):
    if np.dtype(dtype).kind == "f":
        return np.divide(a, b)
    return (np.sign(a) * np.sign(b) * (np.abs(a) // np.maximum(np.abs(b), 1))).astype(dtype)


MEANING: dict[str, Callable[..., Any]] = {
    "add": lambda a, b, dtype: np.add(a, b, dtype=dtype),
    "sub": lambda a, b, dtype: np.subtract(a, b, dtype=dtype),
    "mul": lambda a, b, dtype: np.multiply(a, b, dtype=dtype),
    "div": _quotient,
    "rem": lambda a, b, dtype: np.fmod(a, b),
    "fma": lambda a, b, c, dtype: fused_multiply_add(a, b, c),
    "fms": lambda a, b, c, dtype: fused_multiply_add(a, b, np.negative(c)),
    "fnma": lambda a, b, c, dtype: fused_multiply_add(np.negative(a), b, c),
    "fnms": lambda a, b, c, dtype: fused_multiply_add(np.negative(a), b, np.negative(c)),
    "neg": lambda a, dtype: np.negative(a),
    "abs": lambda a, dtype: np.abs(a),
    "sqrt": lambda a, dtype: np.sqrt(a),
    "floor": lambda a, dtype: np.floor(a),
    "is_finite": lambda a, dtype: np.isfinite(a),
    "lt": lambda a, b, dtype: np.less(a, b),
    "le": lambda a, b, dtype: np.less_equal(a, b),
    "gt": lambda a, b, dtype: np.greater(a, b),
    "ge": lambda a, b, dtype: np.greater_equal(a, b),
    "eq": lambda a, b, dtype: np.equal(a, b),
    "ne": lambda a, b, dtype: np.not_equal(a, b),
    "and": lambda a, b, dtype: np.bitwise_and(a, b),
    "or": lambda a, b, dtype: np.bitwise_or(a, b),
    "xor": lambda a, b, dtype: np.bitwise_xor(a, b),
    "not": lambda a, dtype: np.bitwise_not(a),
    "select": lambda c, a, b, dtype: np.where(c, a, b),
    "convert": _converted,
    "bits": lambda a, dtype: np.asarray(a).view(dtype),
    "from_bits": lambda a, dtype: np.asarray(a).view(dtype),
    "shift_left": lambda a, b, dtype: np.left_shift(a, b),
    "shift_right": _shift_right,
}
"""What each operation does to arrays; `dtype` is that of the result."""
