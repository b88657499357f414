"""Exponentials, logarithms, sines and error functions as lists of scalar operations.

They are made of sums, products, quotients, comparisons and moves of bits, so their bits are the
same wherever these are; a vector of lanes runs them without a call. They are within 2 units in the
last place (`logistic`, `tanh`, `sinh`, `cosh`, `tan`, `erfc`: 4; `erf_inv`: 5; in single precision
`tanh` and `erf`: 6; `power` with an exponent that is no quarter of a whole number:
2 + |exponent log x|), `sin`, `cos`, `tan` for |x| < 2^30. What is rare in losses goes through
double in single precision.

Source: Tang 1989 and Cody and Waite 1980 for the reductions; the coefficients of `log` and, in
double precision, `erf` are those of Sun's fdlibm; the quotients of `tanh` and `erf` in single
precision are minimax fits, 2e-8 from the function relative to it; those of `erf_inv` are Giles's
(2012, "Approximating the erfinv function"), which XLA has too.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from eos_jax.loops.expressions import Expression, fma, polynomial, where


class _Format(NamedTuple):
    """A floating-point format, and how much of a series it needs.

    Attributes:
      fraction: bits of the fraction.
      bias: of the exponent.
      ln2: in two parts, the first with so many zeros at its end that k times it is exact.
      exponential: the last power in the series of the exponential.
      log: coefficients of (log((1 + s)/(1 - s)) - 2 s)/s^3 by powers of s^2.
      root_half: the bits of the square root of 1/2.
      largest, least: where the exponential leaves the range.
    """

    fraction: int
    bias: int
    ln2: tuple[float, float]
    exponential: int
    log: tuple[float, ...]
    root_half: int
    largest: float
    least: float

    @property
    def to_whole(self) -> float:
        """Added and subtracted again, it leaves the nearest whole number."""
        return 1.5 * 2.0**self.fraction

    @property
    def to_whole_bits(self) -> int:
        """The bits of that."""
        return (self.fraction + self.bias << self.fraction) + (1 << self.fraction - 1)


_FORMATS = {
    "float64": _Format(
        fraction=52, bias=1023, ln2=(6.93147180369123816490e-01, 1.90821492927058770002e-10),
        exponential=13,
        log=(6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
             2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
             1.479819860511658591e-01),
        root_half=0x3FE6A09E667F3BCD, largest=710.0, least=-746.0,
    ),
    "float32": _Format(
        fraction=23, bias=127, ln2=(6.9314575195e-01, 1.4286067653e-06), exponential=7,
        log=(0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841),
        root_half=0x3F3504F3, largest=89.0, least=-104.0,
    ),
}  # fmt: skip
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)

# tanh(x)/x and erf(x)/x by powers of x^2, in single precision, and where they reach 1
_TANH_SINGLE = (
    (9.99999979e-01, 1.33796721e-01, 3.49397937e-03, 2.05825578e-05, 1.33177897e-08),
    (1.0, 4.67129874e-01, 2.58708650e-02, 3.28300173e-04, 7.76149392e-07),
    9.02,
)
_ERF_SINGLE = (
    (1.12837915, 1.90397010e-01, 5.27472914e-02, 3.76516392e-03, 2.84864831e-04, 2.05005881e-06),
    (1.0, 5.02067700e-01, 1.14105040e-01, 1.49683123e-02, 1.16241142e-03, 3.80904836e-05),
    3.92,
)

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


class _Piece(NamedTuple):
    """erf_inv(x)/x from w = -log(1 - x^2) = start, by powers of w, then sqrt(w), less the centre.

    The highest power comes first.
    """

    start: float
    centre: float
    coefficients: tuple[float, ...]


_ERF_INV = {
    "float64": (
        _Piece(0.0, 3.125, (
            -3.6444120640178196996e-21, -1.685059138182016589e-19, 1.2858480715256400167e-18,
            1.115787767802518096e-17, -1.333171662854620906e-16, 2.0972767875968561637e-17,
            6.6376381343583238325e-15, -4.0545662729752068639e-14, -8.1519341976054721522e-14,
            2.6335093153082322977e-12, -1.2975133253453532498e-11, -5.4154120542946279317e-11,
            1.051212273321532285e-09, -4.1126339803469836976e-09, -2.9070369957882005086e-08,
            4.2347877827932403518e-07, -1.3654692000834678645e-06, -1.3882523362786468719e-05,
            0.0001867342080340571352, -0.00074070253416626697512, -0.0060336708714301490533,
            0.24015818242558961693, 1.6536545626831027356)),
        _Piece(6.25, 3.25, (
            2.2137376921775787049e-09, 9.0756561938885390979e-08, -2.7517406297064545428e-07,
            1.8239629214389227755e-08, 1.5027403968909827627e-06, -4.013867526981545969e-06,
            2.9234449089955446044e-06, 1.2475304481671778723e-05, -4.7318229009055733981e-05,
            6.8284851459573175448e-05, 2.4031110387097893999e-05, -0.0003550375203628474796,
            0.00095328937973738049703, -0.0016882755560235047313, 0.0024914420961078508066,
            -0.0037512085075692412107, 0.005370914553590063617, 1.0052589676941592334,
            3.0838856104922207635)),
        _Piece(16.0, 5.0, (
            -2.7109920616438573243e-11, -2.5556418169965252055e-10, 1.5076572693500548083e-09,
            -3.7894654401267369937e-09, 7.6157012080783393804e-09, -1.4960026627149240478e-08,
            2.9147953450901080826e-08, -6.7711997758452339498e-08, 2.2900482228026654717e-07,
            -9.9298272942317002539e-07, 4.5260625972231537039e-06, -1.9681778105531670567e-05,
            7.5995277030017761139e-05, -0.00021503011930044477347, -0.00013871931833623122026,
            1.0103004648645343977, 4.8499064014085844221)),
    ),
    "float32": (
        _Piece(0.0, 2.5, (
            2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
            -0.00125372503, -0.00417768164, 0.246640727, 1.50140941)),
        _Piece(5.0, 3.0, (
            -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
            -0.0076224613, 0.00943887047, 1.00167406, 2.83297682)),
    ),
}  # fmt: skip

FUNCTIONS: dict[str, Callable[[Expression], Expression]] = {}
"""Formulas by the name of JAX's primitive."""


def _register(function: Callable[[Expression], Expression]) -> Callable[[Expression], Expression]:
    FUNCTIONS[getattr(function, "__name__", "")] = function
    return function


def _in_double(function):
    """A formula for doubles; others are converted and back."""

    @functools.wraps(function)
    def any_float(x: Expression) -> Expression:
        if x.dtype == "float64":
            return function(x)
        return function(x.convert("float64")).convert(x.dtype)

    return any_float


def _between(x, least, largest):
    """The nearest number of an interval; not a number stays so."""
    x = where(x > x.like(largest), x.like(largest), x)
    return where(x < x.like(least), x.like(least), x)


def _whole(x):
    """The nearest whole number, and the same as an integer."""
    of = _FORMATS[x.dtype]
    shifted = x + of.to_whole
    return shifted - of.to_whole, shifted.bits().make("sub", of.to_whole_bits)


def _power_of_two(whole, of):
    """2^k of an integer k within the exponents of normal numbers."""
    return whole.make("add", of.bias).shifted_left(of.fraction).from_bits()


def _reduced(x):
    """X = k ln 2 + r, |r| <= ln(2)/2: k as an integer, and e^r - 1."""
    of = _FORMATS[x.dtype]
    whole, integer = _whole(x * (1 / math.log(2)))
    return integer, _minus_one(fma(-whole, of.ln2[1], fma(-whole, of.ln2[0], x)))


def _minus_one(rest):
    """e^r - 1 for |r| <= ln(2)/2."""
    last = _FORMATS[rest.dtype].exponential
    series = polynomial(rest, [1 / math.factorial(n) for n in range(2, last + 1)])
    return fma(rest * rest, series, rest)


@_register
def exp(x: Expression) -> Expression:
    """The exponential."""
    of = _FORMATS[x.dtype]
    integer, minus_one = _reduced(_between(x, of.least, of.largest))
    return _scaled(minus_one, integer, of)


def _scaled(minus_one, integer, of):
    """2^k (1 + m), 2^k as a product, since 2^k itself may leave the range."""
    # k + 4 bias is positive
    half = integer.make("add", 4 * of.bias).shifted_right(1).make("sub", 2 * of.bias)
    first = _power_of_two(half, of)
    return fma(minus_one, first, first) * _power_of_two(integer.make("sub", half), of)


def _scaled_expm1(x, down):
    """(e^x - 1) 2^-down and e^x 2^-down, for k = x/ln 2 with k - down an exponent."""
    of = _FORMATS[x.dtype]
    integer, minus_one = _reduced(x)
    power = _power_of_two(integer.make("sub", down) if down else integer, of)
    return fma(minus_one, power, power - 2.0**-down), fma(minus_one, power, power)


@_register
def exp2(x: Expression) -> Expression:
    """2^x."""
    of = _FORMATS[x.dtype]
    within = _between(x, of.least / math.log(2), of.largest / math.log(2))
    whole, integer = _whole(within)
    part, ln2 = within - whole, within.like(math.log(2))
    rest = part * ln2
    lost = fma(part, ln2, -rest) + part * (math.log(2) - float(ln2.constant))
    return _scaled(_minus_one(rest) + lost, integer, of)


@_register
def expm1(x: Expression) -> Expression:
    """The exponential minus one."""
    found, _ = _scaled_expm1(_between(x, -40.0, _FORMATS[x.dtype].largest), 1)
    return where(x.equals(x.like(0.0)), x, found + found)  # keeps the sign of zero


def _log_near_one(over, power):
    """Log of 2^k (1 + f), 1 + f from sqrt(1/2) to sqrt(2): from f and k."""
    of = _FORMATS[over.dtype]
    ratio = over / (over + 2.0)
    square = ratio * ratio
    half = over * over * 0.5
    rest = fma(square, polynomial(square, of.log), half)
    return fma(power, of.ln2[0], over - (half - fma(ratio, rest, power * of.ln2[1])))


def _fraction(x):
    """X = 2^k m, m from sqrt(1/2) to sqrt(2), of a positive normal number: m, and k + bias."""
    of = _FORMATS[x.dtype]
    moved = x.bits().make("add", (of.bias << of.fraction) - of.root_half)
    within = moved.make("and", (1 << of.fraction) - 1).make("add", of.root_half)
    return within.from_bits(), moved.shifted_right(of.fraction)


def _as_float(whole, of):
    """A small positive integer as a float, by its bits."""
    magic = (of.fraction + of.bias) << of.fraction
    return whole.make("or", magic).from_bits()


def _split(x):
    """X = 2^k m of a positive number, subnormal or not: m, and k as a float."""
    of = _FORMATS[x.dtype]
    tiny = x < x.like(2.0 ** (1 - of.bias))
    fraction, exponent = _fraction(where(tiny, x * 2.0 ** (of.fraction + 2), x))
    shift = 2.0**of.fraction + of.bias
    power = _as_float(exponent, of) - where(tiny, x.like(shift + of.fraction + 2), x.like(shift))
    return fraction, power


def _log_outside(x, at, found):
    """Where a logarithm is no finite number; `x` is what it is taken of, `at` its argument."""
    found = where(x.equals(x.like(math.inf)), x, found)
    found = where(x.equals(x.like(0.0)), x.like(-math.inf), found)
    return where((x < x.like(0.0)) | (at.differs(at)), x.like(math.nan), found)


@_register
def log(x: Expression) -> Expression:
    """The natural logarithm."""
    fraction, power = _split(x)
    return _log_outside(x, x, _log_near_one(fraction - 1.0, power))


@_register
def log2(x: Expression) -> Expression:
    """The logarithm to the base 2; exact for powers of 2."""
    fraction, power = _split(x)
    none = power.like(0.0)
    found = fma(_log_near_one(fraction - 1.0, none), power.like(1 / math.log(2)), power)
    return _log_outside(x, x, found)


@_register
def log1p(x: Expression) -> Expression:
    """The logarithm of 1 + x."""
    of = _FORMATS[x.dtype]
    whole = x + 1.0
    fraction, exponent = _fraction(whole)
    power = _as_float(exponent, of) - (2.0**of.fraction + of.bias)
    lost = x - (whole - 1.0)  # in the sum above
    scale = exponent.make("sub", 2 * of.bias).make("neg").shifted_left(of.fraction).from_bits()
    found = _log_outside(whole, x, _log_near_one(fma(lost, scale, fraction - 1.0), power))
    return where(x.equals(x.like(0.0)), x, found)


def _odd_quotient(x, coefficients):
    """X P(x^2)/Q(x^2) within an interval, at most 1."""
    upper, lower, end = coefficients
    within = _between(x, -end, end)
    square = within * within
    found = within * polynomial(square, upper) / polynomial(square, lower)
    return _between(found, -1.0, 1.0)


def _signed(x, size):
    """A size with the sign of x, zero as it is."""
    return where(x < x.like(0.0), -size, where(x.equals(x.like(0.0)), x, size))


@_register
def tanh(x: Expression) -> Expression:
    """The hyperbolic tangent."""
    if x.dtype == "float32":
        return _odd_quotient(x, _TANH_SINGLE)
    grown, _ = _scaled_expm1(_between(x * 2.0, -44.0, 44.0), 0)
    found = grown / (grown + 2.0)
    return where(x.equals(x.like(0.0)), x, found)


@_register
def logistic(x: Expression) -> Expression:
    """1/(1 + e^-x)."""
    return x.like(1.0) / (exp(-x) + 1.0)


@_register
def sinh(x: Expression) -> Expression:
    """The hyperbolic sine."""
    of = _FORMATS[x.dtype]
    grown, _ = _scaled_expm1(_between(abs(x), 0.0, of.largest + 0.6), 2)  # (e^x - 1)/4
    return _signed(x, (grown + grown / fma(grown, x.like(4.0), 1.0)) * 2.0)


@_register
def cosh(x: Expression) -> Expression:
    """The hyperbolic cosine."""
    of = _FORMATS[x.dtype]
    _, quarter = _scaled_expm1(_between(abs(x), 0.0, of.largest + 0.6), 2)  # e^x/4
    return (quarter + x.like(0.0625) / quarter) * 2.0


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
@_in_double
def sin(x: Expression) -> Expression:
    """The sine."""
    sine, cosine, turns = _turned(x)
    size = where(_bit(turns, 0), cosine, sine)
    return where(x.equals(x.like(0.0)), x, where(_bit(turns, 1), -size, size))


@_register
@_in_double
def cos(x: Expression) -> Expression:
    """The cosine."""
    sine, cosine, turns = _turned(x)
    size = where(_bit(turns, 0), sine, cosine)
    return where(_bit(turns.make("add", 1), 1), -size, size)


@_register
@_in_double
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
    if x.dtype == "float32":
        return _odd_quotient(x, _ERF_SINGLE)
    size, small, middle, beyond = _error_functions(x)
    found = where(size < x.like(1.25), middle + _ERF_AT_ONE, -beyond + 1.0)
    found = where(x < x.like(0.0), -found, found)
    return where(x.differs(x), x, where(size < x.like(0.84375), small, found))


@_register
@_in_double
def erfc(x: Expression) -> Expression:
    """1 - erf x, small for large x."""
    size, small, middle, beyond = _error_functions(x)
    negative = x < x.like(0.0)
    rest = -middle + (1 - _ERF_AT_ONE)
    found = where(size < x.like(1.25), where(negative, middle + (1 + _ERF_AT_ONE), rest),
                  where(negative, -beyond + 2.0, beyond))  # fmt: skip
    return where(x.differs(x), x, where(size < x.like(0.84375), -small + 1.0, found))


@_register
def erf_inv(x: Expression) -> Expression:
    """The inverse of the error function; beyond -1 and 1 not a number."""
    w = -log((x.like(1.0) - x) * (x + 1.0))
    ends = _ERF_INV[x.dtype]
    found = polynomial(w - ends[0].centre, ends[0].coefficients[::-1])
    root = w.sqrt()
    for beyond in ends[1:]:
        there = polynomial(root - beyond.centre, beyond.coefficients[::-1])
        found = where(w < x.like(beyond.start), found, there)
    found = found * x
    size = abs(x)
    found = where(size.equals(x.like(1.0)), x * math.inf, found)
    return where(size > x.like(1.0), x.like(math.nan), found)


def nearest_even(x: Expression) -> Expression:
    """The nearest whole number, of two the even one."""
    whole, _ = _whole(x)
    small = abs(x) < x.like(2.0 ** (_FORMATS[x.dtype].fraction - 1))
    return where(small, where(whole.equals(x.like(0.0)), x * 0.0, whole), x)


def nearest_away(x: Expression) -> Expression:
    """The nearest whole number, of two the one further from zero."""
    below = abs(x).floor()
    up = (abs(x) - below) < x.like(0.5)
    size = where(up, below, below + 1.0)
    return where(x < x.like(0.0), -size, where(size.equals(x.like(0.0)), x * 0.0, size))


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
    """X^a for a constant a: by products and square roots where 4 a is a small whole number."""
    if exponent == round(exponent) and abs(exponent) <= 64:
        return whole_power(x, round(exponent))
    if 4 * exponent == round(4 * exponent) and abs(exponent) <= 64:
        root, size = x.sqrt(), abs(exponent)
        found = whole_power(x, math.floor(size))
        found = found * root if 2 * size % 2 >= 1 else found
        found = found * root.sqrt() if 4 * size % 2 == 1 else found
        return x.like(1) / found if exponent < 0 else found
    wide = x.convert("float64")
    return exp(log(wide) * exponent).convert(x.dtype)


def varying_power(x: Expression, y: Expression) -> Expression:
    """X^y of two numbers that vary, y a float or an integer."""
    base, exponent = x.convert("float64"), y.convert("float64")
    size = exp(log(abs(base)) * exponent)
    half = exponent * 0.5
    even, whole = half.equals(half.floor()), exponent.equals(exponent.floor())
    turned = where(even, size, where(whole, -size, size.like(math.nan)))
    found = where(base < base.like(0.0), turned, size)
    return where(exponent.equals(exponent.like(0.0)), found.like(1.0), found).convert(x.dtype)
