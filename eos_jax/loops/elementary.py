"""Exponentials, logarithms, sines and error functions as lists of scalar operations.

They are made of sums, products, quotients, comparisons and moves of bits, so their bits are the
same wherever these are; a vector of lanes runs them without a call. In double precision they are
within 2 units in the last place (`tanh`, `sinh`, `cosh`, `erfc`: 4; `power` with an exponent that
is no half of a whole number: 2 + |exponent log x|), `sin`, `cos`, `tan` for |x| < 2^30. Single
precision goes through double, and so is rounded once.

Source: Tang 1989 and Cody and Waite 1980 for the reductions; the coefficients of `log` and `erf`
are those of Sun's fdlibm.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from eos_jax.loops.expressions import Expression, fma, polynomial, where

_TO_WHOLE = 1.5 * 2.0**52  # added to a double and subtracted again: the nearest whole number
_LN2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)  # 33 bits, and the rest
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)

_LOG = (6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
        2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
        1.479819860511658591e-01)  # fmt: skip

# erf between 0, 0.84375, 1.25, 1/0.35 and beyond: quotients of polynomials
_ERF_SMALL = (
    (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
     -5.77027029648944159157e-03, -2.37630166566501626084e-05),
    (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
     1.32494738004321644526e-04, -3.96022827877536812320e-06),
)  # fmt: skip
_ERF_AT_ONE = 8.45062911510467529297e-01
_ERF_MIDDLE = (
    (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
     3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
     -2.16637559486879084300e-03),
    (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
     1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02),
)  # fmt: skip
_ERF_LARGE = (
    (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
     -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
     -8.12874355063065934246e+01, -9.81432934416914548592e+00),
    (1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
     6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
     6.57024977031928170135e+00, -6.04244152148580987438e-02),
)  # fmt: skip
_ERF_LARGEST = (
    (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
     -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
     -4.83519191608651397019e+02),
    (1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
     3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
     -2.24409524465858183362e+01),
)  # fmt: skip

FUNCTIONS: dict[str, Callable[[Expression], Expression]] = {}
"""Formulas by the name of JAX's primitive."""


def _register(function: Callable[[Expression], Expression]) -> Callable[[Expression], Expression]:
    """Register a formula for doubles; other floats are converted to double and back."""

    @functools.wraps(function)
    def any_float(x: Expression) -> Expression:
        if x.dtype == "float64":
            return function(x)
        return function(x.convert("float64")).convert(x.dtype)

    FUNCTIONS[getattr(function, "__name__", "")] = any_float
    return any_float


def _whole(x):
    """The nearest whole number, and the same as an integer; for |x| < 2^51."""
    shifted = x + _TO_WHOLE
    start = int(np.float64(_TO_WHOLE).view(np.int64))
    return shifted - _TO_WHOLE, shifted.bits().make("sub", start)


def _power_of_two(whole):
    """2^k of an integer k from -1022 to 1023."""
    return whole.make("add", 1023).shifted_left(52).from_bits()


def _reduced(x):
    """X = k ln 2 + r: k as a double, and e^r - 1, |r| <= ln(2)/2."""
    whole, _ = _whole(x * (1 / math.log(2)))
    rest = fma(-whole, _LN2[1], fma(-whole, _LN2[0], x))
    series = polynomial(rest, [1 / math.factorial(n) for n in range(2, 14)])
    return whole, fma(rest * rest, series, rest)


def _halves(whole):
    """2^(k/2) twice, k halved to whole numbers: together 2^k, without leaving the range."""
    first, half = _whole(whole * 0.5)
    _, other = _whole(whole - first)
    return _power_of_two(half), _power_of_two(other)


@_register
def exp(x: Expression) -> Expression:
    """The exponential."""
    within = where(x > x.like(710.0), x.like(710.0), x)
    within = where(within < x.like(-746.0), x.like(-746.0), within)
    whole, minus_one = _reduced(within)
    first, second = _halves(whole)
    return fma(minus_one, first, first) * second


@_register
def expm1(x: Expression) -> Expression:
    """The exponential minus one."""
    within = where(x > x.like(709.0), x.like(709.0), x)
    within = where(within < x.like(-40.0), x.like(-40.0), within)
    whole, minus_one = _reduced(within)
    _, integer = _whole(whole)
    power = _power_of_two(integer)
    near = fma(minus_one, power, power - 1.0)
    near = where(x.equals(x.like(0.0)), x, near)  # keeps the sign of zero
    return where(x > x.like(709.0), exp(x), near)


@_register
def log(x: Expression) -> Expression:
    """The natural logarithm."""
    tiny = x < x.like(2.0**-1022)
    scaled = where(tiny, x * 2.0**54, x)
    root_half = 0x3FE6A09E667F3BCD  # of 1/2
    moved = scaled.bits().make("add", 0x3FF0000000000000 - root_half)
    fraction = moved.make("and", 0x000FFFFFFFFFFFFF).make("add", root_half).from_bits()
    exponent = moved.shifted_right(52).make("or", 0x4330000000000000).from_bits()
    power = exponent - (2.0**52 + 1023)
    power = where(tiny, power - 54.0, power)
    over = fraction - 1.0
    ratio = over / (over + 2.0)
    square = ratio * ratio
    rest = square * polynomial(square, _LOG)
    half = over * over * 0.5
    found = power * _LN2[0] - ((half - fma(ratio, half + rest, power * _LN2[1])) - over)
    found = where(x.equals(x.like(math.inf)), x, found)
    found = where(x.equals(x.like(0.0)), x.like(-math.inf), found)
    return where((x < x.like(0.0)) | (x.differs(x)), x.like(math.nan), found)


@_register
def log1p(x: Expression) -> Expression:
    """The logarithm of 1 + x."""
    whole = x + 1.0
    found = log(whole) + (x - (whole - 1.0)) / whole
    found = where((whole.equals(x.like(0.0))) | (x.equals(x.like(math.inf))), log(whole), found)
    return where(x.equals(x.like(0.0)), x, found)


@_register
def tanh(x: Expression) -> Expression:
    """The hyperbolic tangent."""
    twice = abs(x) * 2.0
    grown = expm1(where(twice > x.like(44.0), x.like(44.0), twice))
    size = grown / (grown + 2.0)
    return where(x < x.like(0.0), -size, where(x.equals(x.like(0.0)), x, size))


@_register
def logistic(x: Expression) -> Expression:
    """1/(1 + e^-x)."""
    return x.like(1.0) / (exp(-x) + 1.0)


@_register
def sinh(x: Expression) -> Expression:
    """The hyperbolic sine."""
    size = abs(x)
    grown, root = expm1(size), exp(size * 0.5)
    near = (grown + grown / (grown + 1.0)) * 0.5
    found = where(size > x.like(700.0), root * 0.5 * root, near)
    return where(x < x.like(0.0), -found, where(x.equals(x.like(0.0)), x, found))


@_register
def cosh(x: Expression) -> Expression:
    """The hyperbolic cosine."""
    size = abs(x)
    grown, root = exp(size), exp(size * 0.5)
    return where(size > x.like(700.0), root * 0.5 * root, (grown + x.like(1.0) / grown) * 0.5)


def _turned(x):
    """Sine and cosine of x without its quarter turns, and how many there are."""
    whole, turns = _whole(x * (2 / math.pi))
    rest = x
    for part in _HALF_PI:
        rest = fma(-whole, part, rest)
    square = rest * rest
    of_sine = [(-1) ** n / math.factorial(2 * n + 1) for n in range(1, 9)]
    of_cosine = [(-1) ** n / math.factorial(2 * n) for n in range(2, 9)]
    sine = fma(square * rest, polynomial(square, of_sine), rest)
    half = square * 0.5
    near_one = -half + 1.0
    lost = (-near_one + 1.0) - half
    cosine = near_one + fma(square * square, polynomial(square, of_cosine), lost)
    return sine, cosine, turns


def _bit(turns, bit):
    return turns.make("and", 1 << bit).make("ne", 0, dtype="bool")


@_register
def sin(x: Expression) -> Expression:
    """The sine."""
    sine, cosine, turns = _turned(x)
    size = where(_bit(turns, 0), cosine, sine)
    return where(x.equals(x.like(0.0)), x, where(_bit(turns, 1), -size, size))


@_register
def cos(x: Expression) -> Expression:
    """The cosine."""
    sine, cosine, turns = _turned(x)
    size = where(_bit(turns, 0), sine, cosine)
    return where(_bit(turns.make("add", 1), 1), -size, size)


@_register
def tan(x: Expression) -> Expression:
    """The tangent."""
    return sin(x) / cos(x)


def _error_functions(x):
    """Of |x|: erf below 0.84375, erf - erf(1) below 1.25, and erfc beyond."""
    size = abs(x)
    square = x * x
    small = polynomial(square, _ERF_SMALL[0]) / polynomial(square, _ERF_SMALL[1])
    past_one = size - 1.0
    middle = polynomial(past_one, _ERF_MIDDLE[0]) / polynomial(past_one, _ERF_MIDDLE[1])
    bounded = where(size > x.like(28.0), x.like(28.0), size)
    inverse = x.like(1.0) / (bounded * bounded)
    large = polynomial(inverse, _ERF_LARGE[0]) / polynomial(inverse, _ERF_LARGE[1])
    largest = polynomial(inverse, _ERF_LARGEST[0]) / polynomial(inverse, _ERF_LARGEST[1])
    quotient = where(size < x.like(1 / 0.35), large, largest)
    rough = bounded.bits().make("and", ~0xFFFFFFFF).from_bits()  # its square is exact
    beyond = exp(-(rough * rough) - 0.5625) * exp((rough - bounded) * (rough + bounded) + quotient)
    return size, fma(x, small, x), middle, beyond / bounded


@_register
def erf(x: Expression) -> Expression:
    """The error function."""
    size, small, middle, beyond = _error_functions(x)
    found = where(size < x.like(1.25), middle + _ERF_AT_ONE, -beyond + 1.0)
    found = where(x < x.like(0.0), -found, found)
    return where(x.differs(x), x, where(size < x.like(0.84375), small, found))


@_register
def erfc(x: Expression) -> Expression:
    """1 - erf x, small for large x."""
    size, small, middle, beyond = _error_functions(x)
    negative = x < x.like(0.0)
    rest = -middle + (1 - _ERF_AT_ONE)
    found = where(size < x.like(1.25), where(negative, middle + (1 + _ERF_AT_ONE), rest),
                  where(negative, -beyond + 2.0, beyond))  # fmt: skip
    return where(x.differs(x), x, where(size < x.like(0.84375), -small + 1.0, found))


def whole_power(x: Expression, exponent: int) -> Expression:
    """X^n by repeated squaring, as JAX does."""
    if exponent < 0:
        return x.like(1) / whole_power(x, -exponent)
    found, square = None, x
    while exponent:
        if exponent & 1:
            found = square if found is None else found * square
        exponent >>= 1
        square = square * square if exponent else square
    return x.like(1) if found is None else found


def power(x: Expression, exponent: float) -> Expression:
    """X^a for a constant a: by products and a square root where 2 a is a small whole number."""
    if exponent == round(exponent) and abs(exponent) <= 64:
        return whole_power(x, round(exponent))
    if 2 * exponent == round(2 * exponent) and abs(exponent) <= 64:
        found = x.sqrt() * whole_power(x, math.floor(abs(exponent)))
        return x.like(1) / found if exponent < 0 else found
    wide = x.convert("float64")
    return exp(log(wide) * exponent).convert(x.dtype)
