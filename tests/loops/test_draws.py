"""Random numbers as lists: JAX's own, whatever draws them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.loops import llvm
from eos_jax.loops.interpreter import interpret
from eos_jax.loops.primitives import as_scalars
from eos_jax.loops.scalars import NotScalars
from tests.rules.examples import LABELLED

SEEDS = np.random.default_rng(0).integers(0, 2**32, 200, dtype=np.uint32)
COUNTS = np.arange(200, dtype=np.uint32)


def both(function, *arguments):
    """What a list and what XLA make of a function, for every lane."""
    with jax.enable_x64(True):
        shapes = [jax.ShapeDtypeStruct((), a.dtype) for a in arguments]
        found = interpret(as_scalars(function, *shapes), *arguments)
        wanted = jax.jit(jax.vmap(function))(*arguments)
    return [np.broadcast_to(f, COUNTS.shape) for f in found], [np.asarray(w) for w in wanted]


def key_of(seed, count):
    return jax.random.fold_in(jax.random.key(seed), count)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_keys_bits_and_uniform_numbers_are_those_of_jax(dtype):
    def draw(seed, count):
        first, second = jax.random.split(key_of(seed, count))
        bits = jax.random.bits(first, (3,), "uint32"), jax.random.bits(second, (2,), "uint64")
        words = jax.random.key_data(second)
        again = jax.random.bits(jax.random.wrap_key_data(words), (), "uint32")
        return *bits[0], *bits[1], again, *jax.random.uniform(second, (2,), dtype)

    for found, wanted in zip(*both(draw, SEEDS, COUNTS)):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_normal_numbers_are_those_of_jax_to_rounding():
    """XLA takes log(1 - x^2), which loses what 1 - x^2 does near 1."""
    draw = lambda seed, count: (jax.random.normal(key_of(seed, count), (), float),)  # noqa: E731
    (found,), (wanted,) = both(draw, SEEDS, COUNTS)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("count", [2, 5, 8])
def test_permutations_are_those_of_jax(count):
    draw = lambda seed, step: tuple(jax.random.permutation(key_of(seed, step), count))  # noqa: E731
    found, wanted = both(draw, SEEDS, COUNTS)
    np.testing.assert_array_equal(np.stack(found), np.stack(wanted))


def test_equal_numbers_stay_in_order():
    def of_small(a, b, c, d):
        keys = jnp.stack([a, b, c, d]) % jnp.uint32(2)
        return tuple(jax.lax.sort_key_val(keys, jnp.arange(4, dtype=jnp.uint32))[1])

    columns = np.random.default_rng(1).integers(0, 9, (4, 200), dtype=np.uint32)
    found, wanted = both(of_small, *columns)
    np.testing.assert_array_equal(np.stack(found), np.stack(wanted))


def test_powers_of_numbers_that_vary():
    x = np.array([2.0, 0.9, -1.5, -2.0, 0.0, 0.0, -3.0, 7.0, 1.0, -2.0])
    y = np.array([3.0, 100.5, 3.0, 4.0, 2.0, 0.0, 0.5, -2.0, 1e6, 0.0])
    with jax.enable_x64(True):
        scalar = jax.ShapeDtypeStruct((), float)
        (found,) = interpret(as_scalars(lambda a, b: (a**b,), scalar, scalar), x, y)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found, x**y, rtol=1e-14)


def test_what_is_left_to_xla():
    number = jax.ShapeDtypeStruct((), jnp.uint32)
    for function in (
        lambda seed: jax.random.normal(jax.random.key(seed, impl="rbg")),
        lambda seed: jax.random.permutation(jax.random.key(seed), 40),
        lambda seed: jnp.sort(jax.random.normal(jax.random.key(seed), (3,))),
    ):
        with pytest.raises(NotScalars):
            as_scalars(function, number)


@pytest.mark.skipif(not llvm.ready(), reason="there is no llvmlite")
@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(eos.rules.gradient_noise(0.1), marks=pytest.mark.slow),
        pytest.param(eos.rules.label_noise(0.1), marks=pytest.mark.long),
        pytest.param(eos.rules.nadam(), marks=pytest.mark.long),
    ],
)
def test_rules_that_draw_run_in_registers(rule):
    axes = {"x": [1.6, 1.5], "y": 0.5, "eta": 0.05}
    runs = [eos.sweep(LABELLED, axes, 50, rule=rule, stop=None, engine=engine)
            for engine in ("registers", "plain")]  # fmt: skip
    np.testing.assert_allclose(runs[0].x_final, runs[1].x_final, rtol=1e-12)
    assert runs[0].attrs["engine"] == "registers"
