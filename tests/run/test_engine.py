"""A tile's results depend on its lanes alone, and on each lane's own history."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import rules
from eos_jax.loops import base, fused, llvm
from eos_jax.run import lane, plain, registers

pytestmark = [pytest.mark.optimised, pytest.mark.slow]

# in the chaotic window of figure 7a: neighbouring bits would show
X, Y = (c.ravel() for c in np.meshgrid(np.linspace(3, 3.4, 23), np.linspace(0.1, 0.5, 17)))
STARTS = {"x": X, "y": Y, "eta": np.full(X.size, 0.2)}
STOP = eos.Stop(1e-12, 1e6)


def program(width, groups, horizon=3000, stop=STOP, rule=None, observers=(), every=1, keep=None):
    objective = eos.objectives.scalar_product((2, 2))
    return lane.Program(
        objective, rule or rules.gradient_descent(), stop, tuple(observers), every,
        horizon // every + 1, "auto", keep, width, groups,
    )  # fmt: skip


def run(width, groups, starts=STARTS, horizon=3000, engine=plain, **settings):
    with jax.enable_x64(starts["eta"].dtype == np.float64):
        return engine.run_tile(program(width, groups, horizon, **settings), starts, horizon)


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


@pytest.fixture(scope="module")
def wanted():
    results = run(391, 1)
    assert set(results["outcome"]) == {1, 2}
    return results


@pytest.mark.parametrize(
    "width, groups", [(64, 7), (16, 25), pytest.param(512, 1, marks=pytest.mark.long)]
)
def test_bits_do_not_depend_on_the_shape_of_the_buffers(width, groups, wanted):
    assert_equal(run(width, groups), wanted)


@pytest.mark.parametrize("most", [0, 1, pytest.param(2, marks=pytest.mark.long)])
def test_bits_do_not_depend_on_how_many_steps_are_fused(most, wanted, monkeypatch):
    jax.clear_caches()
    if most:
        monkeypatch.setattr(fused, "MOST_STEPS", most)
    else:
        monkeypatch.setattr(base, "block_steps", lambda *_: 0)
    assert_equal(run(64, 7), wanted)
    jax.clear_caches()


def test_bits_do_not_depend_on_the_order_of_lanes(wanted):
    order = np.random.default_rng(0).permutation(X.size)
    found = run(64, 7, {n: v[order] for n, v in STARTS.items()})
    assert_equal(found, {n: v[order] for n, v in wanted.items()})


def test_bits_do_not_depend_on_the_portions_in_which_lanes_are_replayed(wanted, monkeypatch):
    monkeypatch.setattr(plain, "_PORTION", 1)
    assert_equal(run(32, 13), wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "engine"),
    [
        pytest.param(2, "plain", marks=pytest.mark.long),
        pytest.param(
            3,
            "registers",
            marks=pytest.mark.skipif(not llvm.ready(), reason="there is no llvmlite"),
        ),
    ],
)
def test_bits_do_not_depend_on_the_number_of_devices(devices, engine, wanted, tmp_path):
    program = f"""
import jax; jax.config.update("jax_num_cpu_devices", {devices})
import numpy as np, eos_jax as eos
assert len(jax.devices()) == {devices}
axes = {{"y": np.linspace(0.1, 0.5, 17), "x": np.linspace(3, 3.4, 23), "eta": 0.2}}
obj = eos.objectives.scalar_product((2, 2))
ds = eos.sweep(obj, axes, steps=3000, tile=40, engine="{engine}")
np.savez("found.npz", **{{name: values.values.ravel() for name, values in ds.items()}})
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, env=dict(os.environ))
    if engine == "registers":
        wanted = run(391, 1, engine=registers)
    assert_equal(dict(np.load(tmp_path / "found.npz")), wanted)


def test_decides_at_the_first_step_of_a_plain_loop(wanted):
    """Point by point with `simulate`'s rule of the game, for lanes that are decided early."""
    early = np.flatnonzero(wanted["steps"] <= 20)
    assert len(early) > 50
    for one in early[::7]:
        x, y, steps = X[one], Y[one], 0
        while max(abs(x), abs(y)) <= 1e6:
            g = 0.2 * x * y * ((x * y) ** 2 - 1)
            x, y, steps = x - g * y, y - g * x, steps + 1
        assert wanted["outcome"][one] == 2
        assert wanted["steps"][one] == steps


@pytest.mark.parametrize("horizon", [0, 1, 31, 32, 33, 64, 95])
def test_horizons_that_end_inside_a_block(horizon):
    found = run(64, 7, horizon=horizon, stop=None)
    objective = eos.objectives.scalar_product((2, 2))
    with jax.enable_x64(True):
        ends = eos.iterate(objective, {"x": X, "y": Y}, 0.2, horizon)
    assert np.all(found["outcome"] == 5)
    assert np.all(found["steps"] == horizon)
    x = np.asarray(ends["x"])
    np.testing.assert_array_equal(found["x_final"], np.where(np.isfinite(x), x, np.nan))


def test_a_sharp_minimum_is_left_and_the_lane_goes_on():
    """On the minima at sharpness 12.5 > 10: within tolerance from the first point on."""
    x = np.sqrt(12.5 / 4 + np.sqrt((12.5 / 4) ** 2 - 1))  # 2 (x^2 + 1/x^2) = 12.5
    starts = {"x": np.array([x, 3.1]), "y": np.array([(1 + 1e-9) / x, 0.2])}
    found = run(2, 1, {**starts, "eta": np.full(2, 0.2)}, horizon=20_000)
    assert list(found["outcome"]) == [1, 1]
    np.testing.assert_allclose(found["sharpness"], 9.927360217757, atol=1e-4)
    assert found["steps"][0] > 100


def test_exactly_at_a_sharp_minimum_nothing_ever_happens():
    starts = {"x": np.array([4.0]), "y": np.array([0.25]), "eta": np.array([0.2])}
    found = run(1, 1, starts, horizon=100)
    assert found["outcome"][0] == eos.Outcome.STATIONARY
    assert found["loss"][0] == 0 and found["steps"][0] == 100


def test_rules_with_state_go_through_the_same_engine():
    """Heavy ball against its own loop in NumPy."""
    import optax

    rule = rules.from_optax(lambda eta: optax.sgd(eta, momentum=0.5))
    starts = {"x": np.linspace(1.2, 1.9, 11), "y": np.full(11, 0.3), "eta": np.full(11, 0.05)}
    found = run(4, 3, starts, horizon=77, stop=None, rule=rule)
    x, y, u, v = starts["x"].copy(), starts["y"].copy(), 0, 0
    for _ in range(77):
        g = x * y * ((x * y) ** 2 - 1)
        u, v = g * y + 0.5 * u, g * x + 0.5 * v
        x, y = x - 0.05 * u, y - 0.05 * v
    np.testing.assert_allclose(found["x_final"], x, rtol=1e-12)
    np.testing.assert_allclose(found["y_final"], y, rtol=1e-12)


def test_reports_every_lane_once():
    seen = []
    starts = {**STARTS, "x": np.where(np.arange(X.size) % 50 == 0, np.nan, X)}
    with jax.enable_x64(True):
        plain.run_tile(program(64, 7), starts, 3000, seen.append)
    assert sum(seen) == pytest.approx(X.size)


def test_rounds_are_bounded(monkeypatch):
    """Were lanes never decided, an error would say so; nothing runs for ever."""
    judge = plain._judge

    def never(*args):
        lanes, known, decided = judge(*args)
        return lanes, known, np.zeros_like(decided)

    monkeypatch.setattr(plain, "_judge", never)
    with pytest.raises(RuntimeError, match="not decided in as many rounds"):
        run(391, 1)
