"""Steps as lists of scalar operations: what they are, what they mean, and the code made of them."""

import math
from collections import Counter
from fractions import Fraction
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import rules
from eos_jax.loops import elementary, llvm, registers
from eos_jax.loops.interpreter import interpret
from eos_jax.loops.meaning import fused_multiply_add
from eos_jax.loops.primitives import as_scalars
from eos_jax.loops.scalars import NotScalars, longest_chain, work_of
from eos_jax.simulate import step_as_scalars

PAPER = eos.objectives.scalar_product((2, 2))

needs_llvm = pytest.mark.skipif(
    find_spec("llvmlite") is None, reason="machine code is optional: without llvmlite XLA runs all"
)


def names(scalars):
    return [operation.name for operation in scalars.operations if operation.name != "input"]


def double(function, count=1):
    with jax.enable_x64(True):
        return as_scalars(function, *[jnp.ones((), jnp.float64)] * count)


# The list -----------------------------------------------------------------------------------------


def test_equal_expressions_are_one_and_products_in_sums_are_contracted():
    found = double(lambda x, y: (x * y + x) * (y * x + x), 2)
    assert names(found) == ["fma", "mul"]


def test_a_product_that_two_read_is_rounded_before_it_is_added():
    found = double(lambda x, y: (x * y, x * y + x), 2)
    assert names(found) == ["mul", "add"]


def test_the_longest_chain_is_that_of_dependent_operations():
    assert longest_chain(double(lambda x: jnp.sqrt(jnp.sqrt(x)))) == 2
    assert longest_chain(double(lambda x, y: jnp.sqrt(x) * jnp.sqrt(y), 2)) == 2


def test_a_loop_counts_as_often_as_it_turns():
    def turns(count):
        turn = lambda _, pair: (jnp.sqrt(jnp.sqrt(pair[0])), jnp.sqrt(pair[1]))  # noqa: E731
        return double(lambda x, y: jax.lax.fori_loop(0, count, turn, (x, y)), 2)

    five, ten = turns(5), turns(10)
    (body,) = (o.detail[1] for o in five.operations if o.name == "repeat")
    assert longest_chain(ten) - longest_chain(five) == 5 * longest_chain(body) >= 5 * 2
    assert work_of(ten) - work_of(five) == 5 * work_of(body) >= 5 * 3


@pytest.mark.parametrize(
    ("function", "name", "exact"),
    [
        (lambda x, y, z: x * y + z, "fma", lambda x, y, z: x * y + z),
        (lambda x, y, z: x * y - z, "fms", lambda x, y, z: x * y - z),
        (lambda x, y, z: z - x * y, "fnma", lambda x, y, z: z - x * y),
        (lambda x, y, z: -(x * y) - z, "fnms", lambda x, y, z: -(x * y) - z),
    ],
)
def test_the_four_fused_operations_have_their_signs(function, name, exact):
    found = double(function, 3)
    assert names(found) == [name]
    given = [0.1, 0.3, 0.7]
    (result,) = interpret(found, *(np.array([v]) for v in given))
    assert result[0] == float(exact(*map(Fraction, given)))


def test_what_nobody_reads_and_what_is_constant_is_gone():
    def function(x):
        unused = jnp.exp(x)  # noqa: F841
        return x * (jnp.float64(2) * 3)

    found = double(function)
    assert names(found) == ["constant", "mul"]


@pytest.mark.parametrize(("model", "each"), [((2, 2), 3), (4, 5)])
def test_the_steps_of_the_paper_take_what_one_would_write_by_hand(model, each):
    """As many products as fused multiply-adds, and -eta: benchmarks/README.md."""
    objective = eos.objectives.scalar_product(model)
    _, step = step_as_scalars(objective, rules.gradient_descent(), "float64")
    kinds = Counter(
        "fused" if name in ("fma", "fms", "fnma", "fnms") else name
        for name in names(step)
        if name != "constant"
    )
    # -eta is the same in every step, so the compiler takes it out of the loop
    assert kinds == {"mul": each, "fused": each, "neg": 1}


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: jax.scipy.special.gammaln(x), "lgamma"),
        (lambda x: jnp.linalg.norm(jnp.full((40, 40), x) @ jnp.ones((40, 40))), "1600 entries"),
    ],
)
def test_what_is_no_list_says_why(function, why):
    with pytest.raises(NotScalars, match=why):
        double(function)


# What it means ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 40, 500])
def test_fused_multiply_add_rounds_once(scale, rng):
    """Against exact rational arithmetic, cancelling and at the ends of the range."""
    count = 3000
    a, b = (rng.normal(size=count) * np.exp2(rng.integers(-scale, scale, count)) for _ in "ab")
    with np.errstate(over="ignore"):
        near = -a * b * (1 + rng.integers(-3, 4, count) * 2.0 ** -rng.integers(1, 60, count))
    c = np.where(rng.random(count) < 0.3, rng.normal(size=count), near)
    keep = np.isfinite(c)
    a, b, c = a[keep], b[keep], c[keep]
    found = fused_multiply_add(a, b, c)
    for x, y, z, result in zip(a, b, c, found):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        try:
            wanted = float(exact)
        except OverflowError:
            wanted = math.copysign(math.inf, exact)
        assert result == wanted


EXACT = {
    "exp": (mpmath.exp, -745, 709), "exp2": (lambda x: mpmath.mpf(2) ** x, -990, 990),
    "log2": (lambda x: mpmath.log(x, 2), 0, 1e6),
    "expm1": (mpmath.expm1, -50, 709), "log": (mpmath.log, 0, 1e6),
    "log1p": (mpmath.log1p, -0.999, 1e3), "tanh": (mpmath.tanh, -25, 25),
    "logistic": (lambda x: 1 / (1 + mpmath.exp(-x)), -300, 300), "sin": (mpmath.sin, -1e6, 1e6),
    "cos": (mpmath.cos, -1e6, 1e6), "tan": (mpmath.tan, -100, 100), "erf": (mpmath.erf, -7, 7),
    "erfc": (mpmath.erfc, -6, 26), "sinh": (mpmath.sinh, -709, 709),
    "cosh": (mpmath.cosh, -709, 709), "erf_inv": (mpmath.erfinv, -0.9999999, 0.9999999),
}  # fmt: skip
ULPS = {
    "float64": {"logistic": 4, "tanh": 4, "sinh": 4, "cosh": 4, "erfc": 4, "tan": 4,
                "erf_inv": 5},
    "float32": {"tanh": 6, "erf": 6, "sinh": 4, "cosh": 4, "erf_inv": 5},
}  # fmt: skip
PRECISIONS = pytest.mark.parametrize("dtype", ["float64", "float32"])


def elementary_list(name, dtype):
    from eos_jax.loops.expressions import Expression
    from eos_jax.loops.scalars import Builder, finished

    build = Builder()
    (x,) = build.inputs(np.dtype(dtype), (1,))
    return finished(build, [elementary.FUNCTIONS[name](Expression(build, x)).place])


def within_range(bound, dtype):
    """The end of an interval where a function of this size stays finite."""
    return bound if dtype == "float64" or abs(bound) > 1000 else float(np.clip(bound, -88.7, 88.7))


@PRECISIONS
@pytest.mark.parametrize("name", sorted(elementary.FUNCTIONS))
def test_elementary_functions_are_as_accurate_as_they_say(name, dtype, rng):
    exact, low, high = EXACT[name]
    low, high = within_range(low, dtype), within_range(high, dtype)
    points = np.concatenate([
        rng.uniform(low, high, 200), rng.uniform(max(low, -2), min(high, 2), 200),
        np.clip(np.exp(rng.uniform(-40, 2, 100)), low, high),
    ]).astype(dtype)  # fmt: skip
    (found,) = interpret(elementary_list(name, dtype), points)
    assert found.dtype == dtype
    with mpmath.workprec(160):
        for x, value in zip(points, found):
            wanted = exact(mpmath.mpf(float(x)))
            size = np.asarray(max(abs(float(wanted)), np.finfo(dtype).tiny), dtype)
            error = abs(mpmath.mpf(float(value)) - wanted)
            assert error <= ULPS[dtype].get(name, 2) * float(np.spacing(size)), x


@PRECISIONS
@pytest.mark.parametrize("name", sorted(elementary.FUNCTIONS))
def test_elementary_functions_at_the_ends_of_the_line(name, dtype):
    points = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    with jax.enable_x64(True):
        of_jax = {"logistic": jax.nn.sigmoid, "erf": jax.scipy.special.erf,
                  "erfc": jax.scipy.special.erfc,
                  "erf_inv": jax.scipy.special.erfinv}  # fmt: skip
        wanted = np.asarray(of_jax.get(name, getattr(jnp, name, None))(jnp.asarray(points)))
    (found,) = interpret(elementary_list(name, dtype), points)
    np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(dtype).eps)
    exact_zero = wanted == 0
    assert np.array_equal(np.signbit(found[exact_zero]), np.signbit(wanted[exact_zero]))


@PRECISIONS
@pytest.mark.parametrize("exponent", [0.25, -0.25, 0.5, -1.5, 0.75, 2.25, -6.75, 3.0, -4.0])
def test_powers_of_quarters_are_made_of_roots(exponent, dtype, rng):
    points = np.exp(rng.uniform(-6, 6, 200)).astype(dtype)
    with jax.enable_x64(dtype == "float64"):
        found = as_scalars(lambda x: x**exponent, points[0])
    assert not {"floor", "bits"} & set(names(found))
    (values,) = interpret(found, points)
    assert values.dtype == dtype
    wanted = points.astype(np.longdouble) ** exponent
    # each root, product and quotient rounds once
    assert np.abs(values / wanted - 1).max() <= 6 * np.finfo(dtype).eps


@PRECISIONS
@pytest.mark.parametrize("name", ["exp", "expm1", "sinh", "cosh", "log", "log1p"])
def test_elementary_functions_to_the_ends_of_the_range(name, dtype):
    """The last finite values, the first infinite ones, and subnormal numbers."""
    largest = float(np.log(np.finfo(dtype).max))
    tiny = float(np.finfo(dtype).tiny)
    points = {
        "exp": [largest - 0.01, largest + 0.01, -largest - 5, -largest - 50],
        "expm1": [largest - 0.01, largest + 0.01, -largest],
        "sinh": [largest + 0.6, largest + 0.72, 1e-20], "cosh": [largest + 0.6, largest + 0.72],
        "log": [tiny / 64, tiny, -1.0, 2.0**120], "log1p": [tiny / 64, -1.0, -1.5, 2.0**120],
    }[name]  # fmt: skip
    points = np.asarray(points, dtype)
    (found,) = interpret(elementary_list(name, dtype), points)
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(points.astype(np.longdouble)).astype(dtype)
    spare = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, wanted, rtol=spare, atol=np.finfo(dtype).smallest_subnormal)


USUAL = {
    "polyval": lambda x: jnp.polyval(jnp.array([0.5, -1, 2.0]), x), "silu": jax.nn.silu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False), "elu": jax.nn.elu, "mish": jax.nn.mish,
    "softmax": lambda x: jax.nn.softmax(jnp.stack([x, 1.0, -x]))[0],
    "logsumexp": lambda x: jax.nn.logsumexp(jnp.stack([x, 1.0, -x])),
    "norm": lambda x: jnp.linalg.norm(jnp.stack([x, 2.0])), "round": jnp.round,
    "round away": lambda x: jax.lax.round(x, jax.lax.RoundingMethod.AWAY_FROM_ZERO),
    "variance": lambda x: jnp.var(jnp.stack([x, 2.0, 3.0])), "exp2": jnp.exp2, "sinc": jnp.sinc,
    "log2": lambda x: jnp.log2(x * x + 1), "huber": lambda x: jnp.where(abs(x) < 1, x * x, abs(x)),
    "dot": lambda x: jnp.stack([x, 1.0]) @ jnp.stack([2.0, x]), "ndtr": jax.scipy.special.ndtr,
    "xlogy": lambda x: jax.scipy.special.xlogy(x * x, x * x + 0.1), "clip": lambda x: x.clip(-1, 1),
}  # fmt: skip
"""What users write, by jax.numpy; its primitives differ from one version of jax to the next."""


@pytest.mark.parametrize("name", USUAL)
def test_what_users_write_is_a_list_with_its_derivative(name):
    points = np.r_[np.linspace(-3, 3, 41) + 0.013, -2.5, -0.5, 0.5, 1.5]
    with jax.enable_x64(True):
        for function in (USUAL[name], jax.grad(USUAL[name])):
            (found,) = interpret(double(function), points)
            wanted = np.asarray(jax.vmap(function)(points))
            np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-15)
            assert np.array_equal(np.signbit(found[wanted == 0]), np.signbit(wanted[wanted == 0]))


# The code -----------------------------------------------------------------------------------------


def chaotic_lanes(dtype, count=256):
    """Lanes in the chaotic window of figure 7a that stay bounded for long."""
    x = np.linspace(0.30, 1.30, count).astype(dtype)
    return [x, (x[::-1] * 1.1).astype(dtype)], [np.full(count, 0.25, dtype)]


PROCESSORS = {
    "this one": None,
    "AVX2": ("x86-64-v3", "+avx2,+fma,-avx512f"),
    "AVX-512": ("x86-64-v4", "+avx512f,+avx512dq,+avx512vl,+avx512bw,+fma"),
    "no vectors": ("x86-64", "-avx,-avx2,-fma,-avx512f"),
}


def runs_here(processor):
    _, features = llvm.host()
    wanted = PROCESSORS[processor]
    return wanted is None or all(
        f.startswith("-") or f in features.split(",") for f in wanted[1].split(",")
    )


@needs_llvm
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("processor", PROCESSORS)
def test_bits_are_the_interpreters_on_every_processor_and_width(processor, dtype):
    """Thousands of steps of a chaotic map: one rounding elsewhere would be seen."""
    if not runs_here(processor):
        pytest.skip("this processor lacks it")
    _, step = step_as_scalars(PAPER, rules.gradient_descent(), dtype)
    state, constants = chaotic_lanes(dtype)
    wanted = [np.array(v) for v in state]
    for _ in range(500):
        wanted = interpret(step, *wanted, *constants)
    for lanes in (2, 8, 64):
        found = [v.copy() for v in state]
        registers.advance(step, found, constants, len(found[0]), 500, lanes=lanes,
                          processor=PROCESSORS[processor])  # fmt: skip
        for a, b in zip(found, wanted):
            assert a.tobytes() == b.tobytes()


@needs_llvm
def test_ten_thousand_chaotic_steps():
    """Code for every processor that this one can stand for, and the interpreter."""
    _, step = step_as_scalars(PAPER, rules.gradient_descent(), "float64")
    state, constants = chaotic_lanes("float64", 128)
    wanted = [np.array(v) for v in state]
    for _ in range(10_000):
        wanted = interpret(step, *wanted, *constants)
    assert np.isfinite(wanted[0]).mean() > 0.5
    for processor in filter(runs_here, PROCESSORS):
        found = [v.copy() for v in state]
        registers.advance(step, found, constants, 128, 10_000, processor=PROCESSORS[processor])
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found, wanted)), processor


@needs_llvm
@PRECISIONS
@pytest.mark.parametrize("name", sorted(elementary.FUNCTIONS))
def test_elementary_functions_have_the_interpreters_bits(name, dtype, rng):
    scalars = elementary_list(name, dtype)
    ends = [0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).tiny / 64]
    points = np.concatenate([rng.normal(size=500) * 20, ends]).astype(dtype)
    padded = np.ones(registers.padded(len(points)), dtype)
    padded[: len(points)] = points
    (found,) = registers.apply(scalars, [padded], len(points))
    (wanted,) = interpret(scalars, points)
    found = found[: len(points)]
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    assert found[~np.isnan(found)].tobytes() == wanted[~np.isnan(wanted)].tobytes()


@needs_llvm
def test_loops_and_branches_run_while_any_lane_wants_them(rng):
    """Collatz's steps and a branch: against Python, lane by lane."""

    def steps(n):
        def turn(state):
            n, count = state
            half, up = n // 2, 3 * n + 1
            return jnp.where(n % 2 == 0, half, up), count + 1

        return jax.lax.while_loop(lambda s: s[0] > 1, turn, (n, jnp.int32(0)))[1]

    def function(n):
        return jax.lax.cond(n % 5 == 0, lambda n: jnp.int32(-1), steps, n)

    scalars = as_scalars(function, jnp.int32(1))
    numbers = np.arange(1, 129, dtype=np.int32)

    def collatz(n):
        count = 0
        while n > 1:
            n, count = (n // 2 if n % 2 == 0 else 3 * n + 1), count + 1
        return count

    wanted = [-1 if n % 5 == 0 else collatz(int(n)) for n in numbers]
    assert interpret(scalars, numbers)[0].tolist() == wanted
    assert registers.apply(scalars, [numbers], 128)[0].tolist() == wanted
