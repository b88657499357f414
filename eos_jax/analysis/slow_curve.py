"""The curve that every long orbit of the coupled model ends on, as an exact power series.

In beta = b / eta and alpha = a k / eta^2 one exact step is a power series in eta with rational
coefficients. At order zero its invariant curve is the paper's parabola, alpha = 2 beta^2 - 1/8; the
higher orders alpha = sum_j eta^j phi_j(beta) follow one by one from invariance,

    A(phi(beta), beta) = phi(B(phi(beta), beta)),   (A, B) one step.

As a step flips the sign of beta, order j of this equation gives the odd part of phi_j, and order
j + 2, where the drift enters, its even part; the equations are more than the unknowns and agree.
The curve meets the minima at beta = 0, and that point's sharpness is the final one: from there all
coefficients of 2/eta - S are exact rational numbers.

A series is a dict from (power of eta, power of beta) to a Fraction. Derived.
"""

import functools
from fractions import Fraction

from eos_jax.checks import check_count


def gap_series(terms: int) -> tuple[Fraction, ...]:
    """Coefficients of eta, eta^3, eta^5, ... in 2/eta - S at the end of a long orbit.

    Args:
      terms: how many, at least one; each takes some ten times as long as the one before.

    Returns:
      Exact rational numbers.

    Raises:
      ValueError: if `terms` is not positive.

    Example:
      >>> print(*gap_series(2))
      1/2 -129/32

    Source: derived.
    """
    check_count("terms", terms)
    most = 2 * terms + 3
    curve = _curve(2 * terms - 2, most)
    end = {power: value for power, value in curve.items() if power[1] == 0}
    gain = _square(_square(_c_times_k(end, most), most), most)
    # eta S / 2 = sqrt((c k)^4 + 4 eta^2)
    halved = _power(_sum(gain, {(2, 0): Fraction(4), (0, 0): Fraction(-1)}), Fraction(1, 2), most)
    return tuple(-2 * halved.get((2 * j + 2, 0), Fraction(0)) for j in range(terms))


def _curve(order, most):
    """The invariant curve up to a power of eta."""
    curve = {(0, 2): Fraction(2), (0, 0): Fraction(-1, 8)}
    curve = _with_odd_part(curve, 1, most)
    for j in range(1, order + 1):
        powers = range(0, j + 3, 2)

        def left_over(values, j=j, curve=curve, powers=powers):
            """The even residual two orders on, if phi_j has these even coefficients."""
            tried = _sum(curve, {(j, p): v for p, v in zip(powers, values)})
            tried = _with_odd_part(tried, j + 1, most)
            return _part(_residual(tried, most), j + 2, 0), tried

        zero = [Fraction(0)] * len(powers)
        base = left_over(zero)[0]
        columns = []
        for i in range(len(powers)):
            unit = [Fraction(int(i == k)) for k in range(len(powers))]
            columns.append(_sum(left_over(unit)[0], _scaled(base, -1)))
        rows = sorted(set(base).union(*columns))
        system = [
            [c.get(r, Fraction(0)) for c in columns] + [-base.get(r, Fraction(0))] for r in rows
        ]
        curve = left_over(_solve(system))[1]
    return curve


def _with_odd_part(curve, order, most):
    """The curve with the odd part of one order chosen so that it is invariant there."""
    odd = _part(_residual(curve, most), order, 1)
    return _sum(curve, {power: -value / 2 for power, value in odd.items()})


def _part(series, order, parity):
    return {p: v for p, v in series.items() if p[0] == order and p[1] % 2 == parity}


def _residual(curve, most):
    """A(phi(beta), beta) - phi(B(phi(beta), beta))."""
    a, b = _step(curve, most)
    powers = [{(0, 0): Fraction(1)}]
    for _ in range(max(p[1] for p in curve)):
        powers.append(_times(powers[-1], b, most))
    image = {}
    for (i, j), value in curve.items():
        image = _sum(image, _scaled(_shifted(powers[j], i, most), value))
    return _sum(a, _scaled(image, -1))


def _step(alpha, most):
    """One exact step from (alpha, beta)."""
    d, slope, fall = _drive(most)
    c = _c_times_k(alpha, most)
    stretch = _sum(_square(_square(c, most), most), _scaled(_shifted(_square(d, most), 2, most), 4))
    stretch = _power(_sum(stretch, {(0, 0): Fraction(-1)}), Fraction(1, 2), most)
    kick = _times(_shifted(_square(_shifted(slope, 2, most), most), -1, most), d, most)
    b = _sum({(0, 1): Fraction(1)}, _scaled(_times(slope, stretch, most), -1), kick)
    return _sum(alpha, _shifted(_times(c, fall, most), -2, most)), b


@functools.cache
def _drive(most):
    """The series d = 1 + eta beta, (d^3 - d)/eta and sqrt(1 - q^2) - 1 with q = eta (d^3 - d)."""
    d = {(0, 0): Fraction(1), (1, 1): Fraction(1)}
    slope = _sum(_times(_square(d, most + 2), d, most + 2), _scaled(d, -1))
    slope = {(i - 1, j): value for (i, j), value in slope.items()}
    square = _square(_shifted(slope, 2, most + 2), most + 2)
    root = _power(_scaled(square, -1), Fraction(1, 2), most + 2)
    return d, slope, _sum(root, {(0, 0): Fraction(-1)})


def _c_times_k(alpha, most):
    """The series c k = (1 - 4 eta^2)^(1/4) + eta^2 alpha."""
    offset = _power({(2, 0): Fraction(-4)}, Fraction(1, 4), most)
    return _sum(offset, _shifted(alpha, 2, most))


def _sum(*series):
    total = {}
    for one in series:
        for power, value in one.items():
            total[power] = total.get(power, Fraction(0)) + value
    return {power: value for power, value in total.items() if value}


def _scaled(series, factor):
    return {power: value * factor for power, value in series.items()}


def _shifted(series, by, most):
    """The series times eta^by."""
    return {(i + by, j): value for (i, j), value in series.items() if i + by <= most}


def _times(first, second, most):
    total = {}
    for (i, j), a in first.items():
        for (k, m), b in second.items():
            if i + k <= most:
                total[i + k, j + m] = total.get((i + k, j + m), Fraction(0)) + a * b
    return {power: value for power, value in total.items() if value}


def _square(series, most):
    return _times(series, series, most)


def _power(small, exponent, most):
    """(1 + small)^exponent for a series without a term of order zero."""
    total = term = {(0, 0): Fraction(1)}
    for j in range(1, most + 1):
        term = _scaled(_times(term, small, most), (exponent - j + 1) / j)
        if not term:
            break
        total = _sum(total, term)
    return total


def _solve(system):
    """The solution of an overdetermined system that has exactly one; rows end with the right."""
    rows, width = [list(row) for row in system], len(system[0]) - 1
    for column in range(width):
        pivot = next(r for r in range(column, len(rows)) if rows[r][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [v / rows[column][column] for v in rows[column]]
        for r in range(len(rows)):
            if r != column and rows[r][column]:
                factor = rows[r][column]
                rows[r] = [v - factor * p for v, p in zip(rows[r], rows[column])]
    if any(row[-1] for row in rows[width:]):
        raise ArithmeticError("The conditions of invariance contradict each other.")
    return [row[-1] for row in rows[:width]]
