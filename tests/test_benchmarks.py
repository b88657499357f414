"""The benchmark's programs do the same work, at toy size; nothing is timed here."""

import shutil

import jax
import numpy as np
import pytest

import eos_jax as eos
from benchmarks import __main__ as benchmark
from benchmarks import peers, rules

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("model", [(2, 2), 4])
def test_all_programs_end_at_the_same_points(model, dtype):
    lanes, steps = 256, 20
    params, eta = benchmark.starts(model, dtype, lanes)
    wanted = peers.numpy_loop(params, eta, steps)
    # these orbits are not chaotic: twenty steps amplify rounding by some hundred
    close = {"rtol": 1e3 * np.finfo(dtype).eps, "atol": 1e3 * np.finfo(dtype).eps}
    ends = benchmark.ours(model, params, eta, dtype)(steps)
    for mine, his in zip(ends.values(), wanted):
        np.testing.assert_allclose(mine, his, **close)
    if shutil.which("cc"):
        found = peers.c_kernel(peers.build_c(dtype), params, eta, steps, threads=2)
        for mine, his in zip(found, wanted):
            np.testing.assert_allclose(mine, his, **close)
    if model == (2, 2):
        with jax.enable_x64(dtype == "float64"):
            found = peers.vmap_scan(params, eta, steps)
        for mine, his in zip(found, wanted):
            np.testing.assert_allclose(mine, his, **close)


@pytest.mark.parametrize(
    ("only", "targets"),
    [
        (("P1", "P7"), {"P1 (2, 2)", "P1 4", "P7"}),
        pytest.param(("P3",), {"P3 seconds", "P3 GiB"}, marks=pytest.mark.long),
    ],
)
def test_one_command_prints_every_ratio(only, targets, capsys, tmp_path):
    rows = benchmark.main(
        ["--size", "toy", "--rows", *only, "--json", str(tmp_path / "results.json")]
    )
    assert {row["target"] for row in rows} >= targets
    assert all(row["value"] > 0 or not shutil.which("cc") for row in rows)
    assert "processor:" in capsys.readouterr().out and (tmp_path / "results.json").exists()


def test_the_cost_of_a_step_counts_what_it_repeats(monkeypatch):
    """Six instructions for gradient descent, as benchmarks/README.md says; -eta is none of them."""
    monkeypatch.setattr(rules, "costs", lambda: {"div": 8.0, "sqrt": 15.0})
    model = rules.models()["scalars"]
    assert rules.predicted_cost(model, eos.rules.gradient_descent()) == 6
    # two of them for each parameter more: the momentum's FMA and the sum
    assert rules.predicted_cost(model, eos.rules.heavy_ball()) == 10
    # the norm is two products, a root, a choice of where it vanishes and a quotient
    assert rules.predicted_cost(model, eos.rules.normalised_gradient_descent()) > 6 + 23
    exact, large = eos.rules.muon(newton_schulz=0), eos.objectives.deep_linear_network((7, 7, 7))
    # five sweeps of three rotations of two matrices, each of two roots and two quotients
    assert rules.predicted_cost(rules.models()["matrices"], exact) > 2 * 5 * 3 * (2 * 15 + 2 * 8)
    assert np.isnan(rules.predicted_cost(large, exact))  # by LAPACK


def test_every_rule_is_measured():
    assert {rule.name for _, rule, _ in rules.cells()} == set(eos.rules.registry)
