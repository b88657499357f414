"""Kernels for GPUs: their text, run by a machine of NumPy, and assembled where that can be."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import rules
from eos_jax.loops import ptx
from eos_jax.loops.interpreter import interpret
from eos_jax.loops.primitives import as_scalars
from eos_jax.loops.registers import dtypes_of
from eos_jax.loops.scalars import NotScalars
from eos_jax.simulate import _by_threads, iterate, step_as_scalars
from tests.loops.ptx_machine import run

PAPER = eos.objectives.scalar_product((2, 2))


def wild(x, y):
    """Functions, comparisons and moves of bits."""
    r = jnp.where(x > y, jnp.tanh(x * y) - 0.3, jnp.log1p(jnp.exp(-x)))
    return r**2 + jnp.maximum(x - y, 0) ** 2 + 0.1 * jnp.floor(y) + jax.scipy.special.erf(y) * 0.1


def step_of(objective, rule, dtype):
    """The step's list and arrays of its inputs, some lanes of them."""
    _, step = step_as_scalars(objective, rules.registry[rule].make(), dtype)
    random = np.random.default_rng(0)
    arrays = [
        random.uniform(0.1, 0.9, 150).astype(kind) if kind.startswith("f") else np.zeros(150, kind)
        for kind in dtypes_of(step)[0]
    ]
    return step, arrays


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "loss, rule",
    [(PAPER, "gradient_descent"), (PAPER, "adam"), (PAPER, "nesterov"),
     (eos.objectives.from_function(wild), "heavy_ball")],
)  # fmt: skip
def test_a_kernel_does_what_the_list_says(loss, rule, dtype):
    """To the bit, after a number of steps that the unrolled loop does not divide."""
    step, arrays = step_of(loss, rule, dtype)
    kept, steps = len(step.outputs), 2 * ptx.UNROLLED + 3
    wanted = arrays[:kept]
    for _ in range(steps):
        wanted = interpret(step, *wanted, *arrays[kept:])
    found = [np.zeros_like(array) for array in arrays[:kept]]
    run(ptx.kernel(step, 150), [*arrays, np.array([steps], np.int32), *found], blocks=2)
    for a, b in zip(found, wanted):
        assert np.array_equal(np.isnan(a), np.isnan(b))
        assert a[~np.isnan(a)].tobytes() == b[~np.isnan(b)].tobytes()


def test_values_that_change_places_are_read_before_they_are_written():
    step = as_scalars(lambda x, y: (y, x), jnp.float32(0), jnp.float32(0))
    x, y = np.arange(5, dtype=np.float32), np.ones(5, np.float32)
    found = [np.zeros_like(x), np.zeros_like(y)]
    run(ptx.kernel(step, 5), [x, y, np.array([7], np.int32), *found], blocks=1)
    assert np.array_equal(found[0], y) and np.array_equal(found[1], x)


def test_the_paper_s_step_costs_six_instructions():
    """Three products and three fused multiply-adds for (2, 2), as on a CPU."""
    step, _ = step_of(PAPER, "gradient_descent", "float64")
    text, turns = ptx.kernel(step, 100), ptx.UNROLLED + 1
    assert text.count("mul.rn.f64") == text.count("fma.rn.f64") == 3 * turns
    assert "div" not in text and ".ftz" not in text


def test_loops_are_not_printed():
    with pytest.raises(NotScalars, match="loop or branch"):
        ptx.kernel(as_scalars(lambda x: jax.lax.fori_loop(0, 3, lambda _, x: x * x, x),
                              jnp.float32(1)), 10)  # fmt: skip


def test_xla_is_told_to_launch_it():
    """The call as it is lowered for CUDA, which needs no GPU."""
    step, arrays = step_of(PAPER, "gradient_descent", "float32")
    call = jax.jit(lambda *leaves: ptx.advance(step, leaves[:2], leaves[2:], 9))
    text = call.trace(*arrays).lower(lowering_platforms=("cuda",)).as_text()
    assert "__gpu$xla.gpu.ptx" in text and "grid_x = 2 : i32" in text
    assert "block_x = 128 : i32" in text and ".visible .entry advance" in text


def test_iterate_hands_over_the_step_s_inputs_in_order():
    """Lowered for CUDA: parameters of any shape and the rule's state become columns of lanes."""
    loss = eos.objectives.rank_one_factorization(2)
    params = {
        name: np.ones((150, *shape), np.float32)
        for name, shape in zip(loss.parameters, loss.shapes)
    }
    hyper = {"eta": np.full(150, 0.1, np.float32), "momentum": np.full(150, 0.9, np.float32)}
    rule = rules.heavy_ball()
    traced = _by_threads.trace(loss, rule, params, hyper, 9)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    _, step = step_as_scalars(loss, rule, "float32")
    (call,) = [line for line in text.splitlines() if "__gpu$xla.gpu.ptx" in line]
    given = call.split("(", 1)[1].split(")", 1)[0].split(", ")
    assert len(given) == len(dtypes_of(step)[0]) + 1  # and the number of steps
    assert [leaf.shape for leaf in traced.out_info.values()] == [v.shape for v in params.values()]


def test_iterate_on_a_cpu_never_takes_it(monkeypatch):
    monkeypatch.setattr(ptx, "works", lambda: pytest.fail("a GPU was asked for"))
    monkeypatch.setenv("EOS_JAX_ENGINE", "registers")
    iterate(PAPER, {"x": np.ones(3), "y": np.full(3, 0.5)}, 0.1, 10)


def assembler():
    """NVIDIA's assembler, from the path or from its wheel nvidia-cuda-nvcc-cu12."""
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else ()
    inside = [Path(folder) / "cuda_nvcc" / "bin" / "ptxas" for folder in folders or ()]
    return shutil.which("ptxas") or next((str(p) for p in inside if os.access(p, os.X_OK)), None)


@pytest.mark.skipif(assembler() is None, reason="ptxas is not installed (extra bench)")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", ["gradient_descent", "heavy_ball", "nesterov", "rmsprop", "adam"])
def test_kernels_assemble_without_spills(rule, dtype, tmp_path):
    for number, loss in enumerate((PAPER, eos.objectives.from_function(wild))):
        source = tmp_path / f"{number}.ptx"
        source.write_text(ptx.kernel(step_of(loss, rule, dtype)[0], 1000))
        done = subprocess.run(
            [assembler(), "-arch=sm_90", "-v", source, "-o", tmp_path / "out"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "0 bytes spill stores, 0 bytes spill loads" in done.stderr
