"""The fused loop is the plain loop, bit for bit, and only where it may be used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import rules
from eos_jax.loops import advance_lanes, base, fused

pytestmark = [pytest.mark.optimised, pytest.mark.slow]

RULE = rules.gradient_descent()


def lanes(model, dtype, count):
    """Starts some of which diverge, some of which end in chaos or at a minimum."""
    objective = eos.objectives.scalar_product(model)
    random = np.random.default_rng(1)
    params = {n: random.uniform(-2.5, 2.5, count).astype(dtype) for n in objective.parameters}
    return objective, params, random.uniform(0.05, 0.4, count).astype(dtype)


def run(objective, params, eta, steps):
    def step(state, constants):
        return RULE.step(objective, *state, {"eta": constants[0]})

    program = jax.jit(lambda p, e: advance_lanes(step, (p, ()), (e,), steps)[0])
    return {name: np.asarray(leaf) for name, leaf in program(params, eta).items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("model", [(2, 2), 4, (2, 1, 1)])
@pytest.mark.parametrize("steps", [7, 100])
def test_fused_is_plain_to_the_last_bit(model, dtype, steps, monkeypatch):
    with jax.enable_x64(dtype == "float64"):
        objective, params, eta = lanes(model, dtype, 203)
        in_blocks = run(objective, params, eta, steps)
        monkeypatch.setattr(base, "block_steps", lambda *_: 0)
        plain = run(objective, params, eta, steps)
    for name in params:
        np.testing.assert_array_equal(in_blocks[name], plain[name])
        assert np.any(in_blocks[name] != params[name])


@pytest.mark.parametrize("most", [1, 2, 4])
def test_the_number_of_steps_in_a_block_does_not_change_bits(most, monkeypatch):
    with jax.enable_x64(True):
        objective, params, eta = lanes((2, 2), "float64", 300)
        wanted = run(objective, params, eta, 60)
        monkeypatch.setattr(fused, "MOST_STEPS", most)
        found = run(objective, params, eta, 60)
    for name in params:
        np.testing.assert_array_equal(found[name], wanted[name])


@pytest.mark.parametrize("width", [2, 37])
def test_a_lane_does_not_depend_on_how_many_run_beside_it(width):
    with jax.enable_x64(True):
        objective, params, eta = lanes(4, "float64", 64)
        whole = run(objective, params, eta, 200)
        part = run(objective, {n: p[:width] for n, p in params.items()}, eta[:width], 200)
    for name in params:
        np.testing.assert_array_equal(part[name], whole[name][:width])


def scalars(count, dtype="float32"):
    return (jnp.ones(5, dtype),) * count


def test_fuses_cheap_steps_of_several_scalars_only():
    def cheap(values, constants):
        return tuple(v - constants[0] * v * v for v in values)

    def costly(values, constants):
        return tuple(jnp.tanh(v) for v in values)

    def long(values, constants):
        for _ in range(100):
            values = cheap(values, constants)
        return values

    eta = scalars(1)
    assert fused.block_steps(cheap, scalars(2), eta) == fused.MOST_STEPS
    assert fused.block_steps(cheap, scalars(1), eta) == 0
    assert fused.block_steps(costly, scalars(2), eta) == 0
    assert fused.block_steps(long, scalars(2), eta) == 0
    assert fused.block_steps(cheap, (jnp.ones((5, 2)),) * 2, eta) == 0
    assert fused.block_steps(cheap, (jnp.ones(5), jnp.ones(5, int)), eta) == 0


def test_notices_a_compiler_that_does_not_reduce_in_order(monkeypatch):
    """As XLA does along an axis of length one: the second row, and with it the step, is lost."""
    reduce = jax.lax.reduce

    def first_row_only(operands, inits, computation, dimensions):
        return reduce([o[:1] for o in operands], inits, computation, dimensions)

    dtype = np.dtype("float32")
    assert fused.runs_in_order(dtype)
    monkeypatch.setattr(jax.lax, "reduce", first_row_only)
    fused.runs_in_order.cache_clear()
    try:
        assert not fused.runs_in_order(dtype)
    finally:
        fused.runs_in_order.cache_clear()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("model", [(2, 2), 4])
def test_lowers_for_accelerators_without_the_reduction(platform, model):
    objective, params, eta = lanes(model, "float32", 64)

    def step(state, constants):
        return RULE.step(objective, *state, {"eta": constants[0]})

    traced = jax.jit(lambda p, e: advance_lanes(step, (p, ()), (e,), 32)[0]).trace(params, eta)
    assert "stablehlo.reduce" in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert "stablehlo.reduce" not in traced.lower(lowering_platforms=(platform,)).as_text()
