"""Sweeps: agreement with an independent simulator, labels, layout, and indifference to tiling."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import eos_jax as eos
from eos_jax import Outcome, Stop
from tests import oracle

pytestmark = pytest.mark.optimised

ETA = 0.2


def assert_same_bits(one: xr.Dataset, two: xr.Dataset):
    for name in one.data_vars:
        assert one[name].dims == two[name].dims
        assert one[name].values.tobytes() == two[name].values.tobytes(), name


# Against the oracle --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def box_7a():
    """The box of the paper's figure 7a, run once for all tests of this file."""
    axes = {"x": np.linspace(3.0, 3.4, 400), "y": np.linspace(0.1, 0.5, 400), "eta": ETA}
    found = eos.sweep(eos.objectives.scalar_product((2, 2)), axes, 10_000)
    x, y = np.meshgrid(axes["x"], axes["y"], indexing="ij")
    outcome, steps, _, _ = oracle.run(x, y, ETA, 10_000)
    return found, outcome.reshape(x.shape), steps.reshape(x.shape)


def test_figure_7a_agrees_with_numpy(box_7a):
    found, outcome, steps = box_7a
    assert not (found.outcome == Outcome.PENDING).any()
    # rounding differs in the last bit, and chaos near the fractal boundary makes it visible
    assert np.mean(found.outcome.values == outcome) >= 0.999
    assert found.steps.values.mean() == pytest.approx(steps.mean(), rel=1e-3)


def test_figure_7a_early_decisions_are_exact(box_7a):
    found, outcome, steps = box_7a
    early = steps <= 20  # 20 steps of a map that stretches by ~10 leave bits of the first digits
    assert early.sum() > 1000
    assert np.array_equal(found.outcome.values[early], outcome[early])
    assert np.array_equal(found.steps.values[early], steps[early])
    assert (found.steps.values[~early] > 20).all()


def test_figure_7a_shows_both_fates(box_7a):
    found, outcome, _ = box_7a
    assert {int(k) for k in np.unique(outcome)} == {Outcome.CONVERGED, Outcome.DIVERGED}
    diverged = found.where(found.outcome == Outcome.DIVERGED)
    largest = np.maximum(np.abs(diverged.x_final), np.abs(diverged.y_final))
    # at its escape: beyond the radius, or nothing finite can be said
    assert bool(((largest > 1e6) | np.isnan(largest)).all())


@pytest.fixture(scope="module")
def box_2b():
    axes = {"x": np.linspace(0, 4, 256), "y": np.linspace(0, 4, 256), "eta": ETA}
    return eos.sweep(eos.objectives.scalar_product((2, 2)), axes, 50_000)


def test_no_converged_lane_is_sharper_than_the_threshold(box_2b, box_7a):
    for found in (box_2b, box_7a[0]):
        converged = (found.outcome == Outcome.CONVERGED).values
        x, y = found.x_final.values[converged], found.y_final.values[converged]
        assert converged.any()
        assert (oracle.sharpness(x, y) < 2 / ETA).all()
        assert (found.sharpness.values[converged] < 2 / ETA).all()
        assert (oracle.loss(x, y) < 1e-12).all()


def test_final_sharpness_concentrates(box_2b):
    reached = box_2b.sharpness.values[(box_2b.outcome == Outcome.CONVERGED).values]
    band = reached[(reached > 2 / ETA - 0.1) & (reached < 2 / ETA)]
    assert band.size > 1000
    # 2/eta - eta/2 + O(eta^3), the constant computed in quadruple precision
    assert np.mean(np.abs(band - 9.927360217757) < 1e-4) >= 0.9


def test_reported_values_are_those_of_the_last_point(box_2b):
    finite = np.isfinite(box_2b.loss.values) & np.isfinite(box_2b.sharpness.values)
    # the printed formula subtracts g^4 from g^4: beyond that it is the oracle that overflows
    finite &= np.abs(box_2b.x_final.values * box_2b.y_final.values) < 1e30
    x, y = box_2b.x_final.values[finite], box_2b.y_final.values[finite]
    # the residual is a difference of numbers near 1, so its own error is some roundings of 1
    residual, expected = np.sqrt(box_2b.loss.values[finite]), np.sqrt(oracle.loss(x, y))
    np.testing.assert_allclose(residual, expected, rtol=1e-12, atol=2e-15)
    np.testing.assert_allclose(
        box_2b.sharpness.values[finite], oracle.sharpness(x, y), rtol=1e-12, atol=1e-12
    )


def test_the_box_is_symmetric_in_x_and_y(box_2b):
    # the map commutes with exchanging x and y, and so does its rounding: exact, chaos included
    assert np.array_equal(box_2b.outcome.values, box_2b.outcome.values.T)
    assert np.array_equal(box_2b.steps.values, box_2b.steps.values.T)
    assert np.array_equal(box_2b.x_final.values, box_2b.y_final.values.T, equal_nan=True)


# Labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1e-9, 1e-7])
def test_a_minimum_that_is_too_sharp_is_left(paper, offset):
    """At and beside (3, 1/3), sharpness 2 (9 + 1/9) > 10: within tolerance, but not converged."""
    axes = {"x": 3.0, "y": 1 / 3 + offset, "eta": ETA}
    short = eos.sweep(paper, axes, 20)
    assert oracle.loss(3.0, 1 / 3 + offset) < 1e-12
    assert short.outcome == (Outcome.UNDECIDED if offset else Outcome.STATIONARY)
    assert short.steps == 20
    if offset:  # and is thrown out, to end at a flatter one
        long = eos.sweep(paper, axes, 20_000)
        assert long.outcome == Outcome.CONVERGED
        assert long.steps > 20
        assert float(long.sharpness) < 10


def test_a_minimum_that_is_flat_enough_is_converged_at_once(paper):
    found = eos.sweep(paper, {"x": 2.0, "y": 0.5, "eta": ETA}, 100)
    assert (int(found.outcome), int(found.steps)) == (Outcome.CONVERGED, 0)
    assert float(found.sharpness) == pytest.approx(8.5, rel=1e-15)


def test_the_threshold_is_that_of_each_lane(paper):
    """The minimum (2, 1/2) has sharpness 8.5: stable up to eta = 2/8.5 and not above."""
    eta = 2 / 8.5 * np.array([0.9, 0.999, 1.001, 1.1])
    found = eos.sweep(paper, {"x": 2.0, "y": 0.5, "eta": eta}, 0)
    assert found.outcome.values.tolist() == [1, 1, 7, 7]


def test_the_threshold_is_that_of_the_rule(paper):
    """Heavy ball with beta = 0.5 stands minima up to 2 (1 + beta)/eta = 15."""
    heavy = eos.rules.heavy_ball(momentum=0.5)
    axes = {"x": np.array([2.0, 2.6, 2.9]), "y": 0.0, "eta": ETA}
    axes["y"] = 1 / axes["x"]
    found = eos.sweep(paper, axes, 0, rule=heavy, combine="zip")
    assert (2 * (axes["x"] ** 2 + axes["y"] ** 2)).round(1).tolist() == [8.5, 13.8, 17.1]
    assert found.outcome.values.tolist() == [1, 1, 7]


@pytest.mark.parametrize("horizon", [0, 1, 2, 31, 32, 33, 63, 100, 127])
def test_horizons_and_steps_agree_with_numpy(paper, horizon, rng):
    """Every horizon, whether or not it is a multiple of anything inside."""
    x, y = rng.uniform(0, 3.5, (2, 200))
    eta = rng.uniform(0.05, 0.25, 200)
    found = eos.sweep(paper, {"x": x, "y": y, "eta": eta}, horizon, combine="zip")
    outcome, steps, _, _ = oracle.run(x, y, eta, horizon)
    # a handful of chaotic lanes may differ beyond some 50 steps
    assert np.mean(found.outcome.values == outcome) >= (1 if horizon < 40 else 0.97)
    assert np.mean(found.steps.values == steps) >= (1 if horizon < 40 else 0.97)
    undecided = found.outcome.values == Outcome.UNDECIDED
    assert (found.steps.values[undecided] == horizon).all()
    assert (found.steps.values <= horizon).all()


def test_no_steps_is_the_start(paper):
    found = eos.sweep(paper, {"x": [1.5, 2.0], "y": 0.4, "eta": ETA}, 0)
    assert found.x_final.values.tolist() == [1.5, 2.0]
    assert found.outcome.values.tolist() == [Outcome.UNDECIDED] * 2
    np.testing.assert_allclose(found.loss, oracle.loss(np.array([1.5, 2.0]), 0.4), rtol=1e-14)


def test_without_stop_every_lane_runs_the_whole_horizon(paper):
    axes = {"x": np.array([2.0, 1.2, 1.0, 30.0]), "y": np.array([0.5, 0.9, 1.0, 30.0]), "eta": 0.1}
    found = eos.sweep(paper, axes, 77, stop=None, combine="zip")
    assert (found.outcome == Outcome.UNDECIDED).all()
    assert (found.steps == 77).all()
    x, y = axes["x"], axes["y"]
    for _ in range(77):
        x, y = oracle.step(x, y, 0.1)
    np.testing.assert_allclose(found.x_final.values[:3], x[:3], rtol=1e-12)
    assert np.isnan(found.x_final.values[3])  # infinite: nothing finite can be said
    assert np.isnan(found.sharpness.values[3])


def test_stop_moves_the_decision(paper):
    start = {"x": 1.5, "y": 0.5, "eta": 0.05}
    _, steps, _, _ = oracle.run(1.5, 0.5, 0.05, 5000, tolerance=1e-4)
    found = eos.sweep(paper, start, 5000, stop=Stop(tolerance=1e-4))
    assert int(found.steps) == steps[0]
    _, later, _, _ = oracle.run(1.5, 0.5, 0.05, 5000)
    assert later[0] > steps[0]
    gone = eos.sweep(paper, start, 5000, stop=Stop(escape=1.2))
    assert (int(gone.outcome), int(gone.steps)) == (Outcome.DIVERGED, 0)


@pytest.mark.parametrize(
    "stop", [Stop(tolerance=0.0), Stop(tolerance=np.nan), Stop(escape=-1.0), Stop(escape=np.inf)]
)
def test_a_stop_that_cannot_be_meant_is_refused(paper, stop):
    with pytest.raises(ValueError, match="must be positive and finite"):
        eos.sweep(paper, {"x": 2.0, "y": 0.4, "eta": ETA}, 10, stop=stop)


def test_the_floor_is_taken_off():
    """Loss 3 + 1/2 (a-1)^2 converges to its floor 3; without the floor it never would."""
    obj = eos.objectives.from_function(lambda a: 3 + 0.5 * (a - 1) ** 2, floor=3.0)
    found = eos.sweep(obj, {"a": 2.0, "eta": 0.5}, 200)
    # (1/2) 4^-t < 1e-12 first at t = 20
    assert (int(found.outcome), int(found.steps)) == (Outcome.CONVERGED, 20)
    assert float(found.sharpness) == 1.0
    wrong = eos.objectives.from_function(lambda a: 3 + 0.5 * (a - 1) ** 2, floor=0.0)
    assert eos.sweep(wrong, {"a": 2.0, "eta": 0.5}, 200).outcome == Outcome.STATIONARY


def test_a_known_two_cycle_is_neither_converged_nor_diverged():
    """Gradient descent on a^4/4 with eta a^2 = 2 jumps between a and -a for ever."""
    obj = eos.objectives.from_function(lambda a: a**4 / 4)
    found = eos.sweep(obj, {"a": 1.0, "eta": 2.0}, 1001)
    assert found.outcome == Outcome.UNDECIDED
    assert float(found.a_final) == -1.0


# Precision -------------------------------------------------------------------------------------


def test_single_precision(paper, rng):
    x, y = rng.uniform(0.2, 2.0, (2, 500)).astype(np.float32)
    found = eos.sweep(paper, {"x": x, "y": y, "eta": 0.05}, 3000, combine="zip", dtype="float32")
    assert {v.dtype for n, v in found.items() if n not in ("outcome", "steps")} == {np.dtype("f4")}
    assert found.x.dtype == np.float32
    outcome, _, last_x, last_y = oracle.run(x, y, np.float32(0.05), 3000, tolerance=1e-9)
    assert np.array_equal(found.outcome.values, outcome)
    # errors across the minima contract and those along them add up: some hundred roundings stay
    calm = outcome == Outcome.CONVERGED
    assert calm.sum() > 450
    np.testing.assert_allclose(found.x_final.values[calm], last_x[calm], rtol=1e-4)
    np.testing.assert_allclose(found.y_final.values[calm], last_y[calm], rtol=1e-4)


def test_double_precision_is_the_default_and_the_process_keeps_its_own(paper):
    code = (
        "import os, sys, threading; before = dict(os.environ), threading.active_count()\n"
        "import eos_jax as eos\n"
        "assert (dict(os.environ), threading.active_count()) == before\n"
        "import jax, jax.numpy as jnp\n"
        "assert not jax.config.jax_enable_x64\n"
        "obj = eos.objectives.scalar_product((2, 2))\n"
        "ds = eos.sweep(obj, {'x': [2.0, 2.1], 'y': 0.4, 'eta': 0.2}, 50)\n"
        "assert ds.loss.dtype == 'float64', ds.loss.dtype\n"
        "assert not jax.config.jax_enable_x64\n"
        "assert jnp.ones(3).dtype == 'float32' and jnp.arange(3).dtype == 'int32'\n"
        "jax.config.update('jax_enable_x64', True)\n"
        "ds = eos.sweep(obj, {'x': [2.0, 2.1], 'y': 0.4, 'eta': 0.2}, 50, dtype='float32')\n"
        "assert ds.loss.dtype == 'float32'\n"
        "assert jax.config.jax_enable_x64 and jnp.ones(3).dtype == 'float64'\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b"" and done.stdout == b""


@pytest.mark.slow
def test_importing_starts_no_device_and_no_figure():
    code = (
        "import eos_jax, sys\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge._backends, 'a device was started'\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot was imported'\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


# Layout ----------------------------------------------------------------------------------------


def test_dimensions_are_the_axes_in_the_order_given(paper):
    eta, y, x = [0.02, 0.05], [0.3, 0.4, 0.5], [2.0, 2.5, 3, 3.5]
    found = eos.sweep(paper, {"eta": eta, "y": y, "x": x}, 5)
    assert found.outcome.dims == ("eta", "y", "x")
    assert found.outcome.shape == (2, 3, 4)
    other = eos.sweep(paper, {"x": x, "eta": eta, "y": y}, 5)
    assert other.outcome.dims == ("x", "eta", "y")
    assert_same_bits(found, other.transpose("eta", "y", "x"))
    # each lane is where its coordinates say
    x, y, eta = np.broadcast_arrays(
        found.x.values, found.y.values[:, None], found.eta.values[:, None, None]
    )
    for _ in range(5):
        x, y = oracle.step(x, y, eta)
    np.testing.assert_allclose(found.x_final.values, x, rtol=1e-11)


def test_numbers_become_scalar_coordinates(paper):
    found = eos.sweep(paper, {"x": [2.0, 2.5], "y": 0.4, "eta": 0.2}, 5)
    assert found.outcome.dims == ("x",)
    assert found.y.ndim == found.eta.ndim == 0
    assert (float(found.y), float(found.eta)) == (0.4, 0.2)
    assert found.x.values.tolist() == [2.0, 2.5]


def test_variables_and_their_labels(paper):
    found = eos.sweep(paper, {"x": [2.0], "y": 0.4, "eta": 0.2}, 5)
    assert set(found.data_vars) == {
        "outcome", "steps", "loss", "sharpness", "threshold", "sharpness_minimum",
        "x_final", "y_final",
    }  # fmt: skip
    assert found.outcome.dtype == np.uint8
    assert found.steps.dtype == np.int32
    assert found.outcome.attrs["flag_values"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert found.outcome.attrs["flag_values"].dtype == np.uint8
    assert found.outcome.attrs["flag_meanings"] == (
        "pending converged diverged periodic aperiodic undecided invalid stationary"
    )
    assert [int(k) for k in Outcome] == list(range(8))
    assert " ".join(k.name.lower() for k in Outcome) == found.outcome.attrs["flag_meanings"]


def test_zip_takes_axes_together(paper):
    axes = {"x": [2.0, 2.5, 3.0], "y": [0.3, 0.4, 0.5], "eta": 0.2}
    found = eos.sweep(paper, axes, 20, combine="zip")
    assert found.outcome.dims == ("lane",)
    whole = eos.sweep(paper, axes, 20)
    for name in found.data_vars:
        diagonal = np.diagonal(whole[name].values)
        assert found[name].values.tobytes() == np.ascontiguousarray(diagonal).tobytes()
    assert found.x.dims == found.y.dims == ("lane",)


def test_parameters_that_are_arrays():
    target = np.array([1.0, -2.0, 0.5])
    obj = eos.objectives.from_function(
        lambda v, s: 0.5 * jnp.sum((v - s * jnp.asarray(target, v.dtype)) ** 2), shapes={"v": (3,)}
    )
    starts = np.array([[0.0, 0, 0], [1, 1, 1]])
    found = eos.sweep(obj, {"v": starts, "s": [0.5, 1.0, 2.0], "eta": 0.3}, 3, stop=None)
    assert found.outcome.dims == ("v", "s")
    assert found.v_final.shape == (2, 3, 3)
    for i, start in enumerate(starts):
        for j, s in enumerate((0.5, 1.0, 2.0)):
            v = start
            for _ in range(3):
                v, s = v - 0.3 * (v - s * target), s + 0.3 * np.dot(v - s * target, target)
            np.testing.assert_allclose(found.v_final.values[i, j], v, rtol=1e-13, atol=1e-14)
    one = eos.sweep(obj, {"v": starts[1], "s": 1.0, "eta": 0.3}, 3, stop=None)
    assert one.outcome.dims == () and one.v_final.shape == (3,)
    # sums over the entries of an array may follow the shape of the batch: no bits are promised
    np.testing.assert_allclose(one.v_final, found.v_final.sel(s=1.0)[1], rtol=1e-14, atol=1e-15)


# Other rules -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(optax.sgd, marks=pytest.mark.long),
        pytest.param(optax.adam, marks=pytest.mark.long),
        lambda eta: optax.sgd(eta, 0.9, True),
    ],
)
def test_optax_rules_run_in_a_sweep(paper, rule):
    """A sweep of a rule equals the plain optax loop on the four free scalars."""
    x, y, eta = np.array([1.5, 2.0, 0.7]), np.array([0.5, 0.9]), np.array([0.02, 0.05])
    found = eos.sweep(paper, {"x": x, "y": y, "eta": eta}, 45, rule=rule, stop=None)

    @jax.jit
    def advance(point, state, eta):
        product = jnp.prod(point)
        move, state = rule(eta).update((product - 1) * product / point, state, point)
        return optax.apply_updates(point, move), state

    with jax.enable_x64(True):
        for i, j, k in [(0, 0, 0), (1, 1, 0), (2, 0, 1), (2, 1, 1)]:
            point = jnp.array([x[i], x[i], y[j], y[j]])
            state = rule(eta[k]).init(point)
            for _ in range(45):
                point, state = advance(point, state, eta[k])
            assert float(found.x_final[i, j, k]) == pytest.approx(float(point[0]), rel=1e-9)
            assert float(found.y_final[i, j, k]) == pytest.approx(float(point[2]), rel=1e-9)


def test_sgd_of_optax_is_gradient_descent(paper, rng):
    axes = {"x": rng.uniform(1, 2, 40), "y": rng.uniform(0.2, 0.5, 40), "eta": 0.1}
    own = eos.sweep(paper, axes, 3000, combine="zip")
    sgd = eos.sweep(paper, axes, 3000, combine="zip", rule=optax.sgd)
    assert np.array_equal(own.outcome, sgd.outcome)
    assert np.abs(own.steps - sgd.steps).max() <= 1  # the last bit may decide one step later
    np.testing.assert_allclose(own.x_final, sgd.x_final, rtol=1e-10)


# Indifference to how the work is cut (R11) -------------------------------------------------------


@pytest.fixture(scope="module")
def ragged():
    """Fates of all kinds, chaotic ones among them: every bit would show a difference."""
    generator = np.random.default_rng(3)
    x, y = generator.uniform(-1, 4, (2, 1537))
    eta = generator.uniform(0.05, 0.3, 1537)
    x[[5, 900]] = np.nan, np.inf
    return {"x": x, "y": y, "eta": eta}


@pytest.fixture(scope="module")
def ragged_result(ragged):
    return eos.sweep(eos.objectives.scalar_product((2, 2)), ragged, 700, combine="zip")


def test_the_ragged_case_has_every_fate(ragged_result):
    assert set(np.unique(ragged_result.outcome)) == {1, 2, 5, 6}


@pytest.mark.parametrize(
    "tile", [1000, 77, *(pytest.param(n, marks=pytest.mark.long) for n in (1537, 512))]
)
def test_bits_do_not_depend_on_the_tile(paper, ragged, ragged_result, tile):
    assert_same_bits(ragged_result, eos.sweep(paper, ragged, 700, combine="zip", tile=tile))


def test_bits_do_not_depend_on_the_order_of_lanes(paper, ragged, ragged_result, rng):
    order = rng.permutation(1537)
    shuffled = eos.sweep(paper, {n: v[order] for n, v in ragged.items()}, 700, combine="zip")
    assert_same_bits(ragged_result.isel(lane=order), shuffled)


@pytest.mark.parametrize("lanes", [1, 2, 3, 17, 300])
def test_bits_do_not_depend_on_neighbours(paper, ragged, ragged_result, lanes):
    few = {n: v[-lanes:] for n, v in ragged.items()}
    assert_same_bits(
        ragged_result.isel(lane=slice(-lanes, None)), eos.sweep(paper, few, 700, combine="zip")
    )


def test_bits_do_not_depend_on_the_store(paper, ragged, ragged_result, tmp_path):
    stored = eos.sweep(paper, ragged, 700, combine="zip", out=tmp_path / "store", tile=400)
    assert_same_bits(ragged_result, stored.load())


@pytest.mark.long  # as tests/run/test_engine.py does, for lanes that are zipped
def test_bits_do_not_depend_on_the_number_of_devices(paper, ragged, ragged_result, tmp_path):
    code = (
        "import sys, numpy as np, jax, eos_jax as eos\n"
        "assert len(jax.local_devices()) == 3\n"
        "axes = dict(np.load(sys.argv[1]))\n"
        "obj = eos.objectives.scalar_product((2, 2))\n"
        "ds = eos.sweep(obj, axes, 700, combine='zip', tile=200)\n"
        "np.savez(sys.argv[2], **{n: v.values for n, v in ds.items()})\n"
    )
    np.savez(tmp_path / "axes.npz", **ragged)
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "axes.npz", tmp_path / "out.npz"],
        check=True,
        env=environment,
    )
    found = np.load(tmp_path / "out.npz")
    for name in ragged_result.data_vars:
        assert found[name].tobytes() == ragged_result[name].values.tobytes()


# Values and settings that nobody should give (R9) -----------------------------------------------

ODD = st.sampled_from(
    [np.nan, np.inf, -np.inf, 1e308, -1e300, 1e200, 1e7, 5e-324, -1e-310, 0.0, -0.0, 1e-160]
)


@given(
    odd=st.lists(st.tuples(st.integers(0, 63), st.sampled_from(["x", "y"]), ODD), max_size=20),
    seed=st.integers(0, 3),
)
def test_odd_starts_leave_their_neighbours_alone(odd, seed):
    paper = eos.objectives.scalar_product((2, 2))
    generator = np.random.default_rng(seed)
    clean = {"x": generator.uniform(0, 3.5, 64), "y": generator.uniform(0, 3.5, 64), "eta": ETA}
    spoilt = {n: np.array(v) for n, v in clean.items()}
    for lane, name, value in odd:
        spoilt[name][lane] = value
    before = eos.sweep(paper, clean, 200, combine="zip")
    after = eos.sweep(paper, spoilt, 200, combine="zip")
    lanes = {lane for lane, _, _ in odd}
    others = np.array([i not in lanes for i in range(64)])
    assert_same_bits(before.isel(lane=others), after.isel(lane=others))
    finite = np.isfinite(spoilt["x"]) & np.isfinite(spoilt["y"])
    outcome = after.outcome.values
    assert np.array_equal(outcome == Outcome.INVALID, ~finite)
    assert not (outcome == Outcome.PENDING).any()
    beyond = finite & (np.maximum(np.abs(spoilt["x"]), np.abs(spoilt["y"])) > 1e6)
    assert (outcome[beyond] == Outcome.DIVERGED).all()
    assert (after.steps.values[beyond] == 0).all()
    for name in ("loss", "sharpness", "threshold", "sharpness_minimum", "x_final", "y_final"):
        assert not np.isinf(after[name].values).any()
        assert np.isnan(after[name].values[~finite]).all()


@pytest.mark.parametrize("eta", [0.0, -0.1, np.nan, np.inf, [0.1, 0.0], [0.1, np.nan]])
def test_a_step_size_that_is_not_positive_is_refused(paper, eta):
    with pytest.raises(ValueError, match=r"`eta` must be positive and finite, but got"):
        eos.sweep(paper, {"x": 2.0, "y": 0.4, "eta": eta}, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": []}, "Axis `x` must have at least one value"),
        ({"x": np.zeros((2, 2))}, r"`x` with shape \(\) or \(n,"),
        ({"x": "two"}, "`x` as numbers"),
        ({"x": "2.0"}, "`x` as numbers"),
        ({"x": [1.0, "2.0"]}, "`x` as numbers"),
        ({"y": None}, "`y` as numbers"),
        ({"y": [0.4, None]}, "`y` as numbers"),
        ({"y": 0.4j}, "`y` as numbers"),
        ({"y": True}, "`y` as numbers"),
        ({"eta": [[0.1], [0.2, 0.3]]}, "`eta` as numbers"),
        ({"z": 1.0}, "parameters `x`, `y`"),
    ],
)
def test_axes_that_do_not_fit_are_refused(paper, change, message):
    with pytest.raises(ValueError, match=message):
        eos.sweep(paper, {"x": 2.0, "y": 0.4, "eta": 0.2, **change}, 10)


@pytest.mark.parametrize("missing", ["x", "y", "eta"])
def test_a_missing_axis_is_refused(paper, missing):
    axes = {"x": 2.0, "y": 0.4, "eta": 0.2}
    del axes[missing]
    with pytest.raises(ValueError, match=f"`{missing}`"):
        eos.sweep(paper, axes, 10)


@pytest.mark.parametrize(
    "setting",
    [
        {"steps": -1},
        {"steps": 2.5},
        {"steps": 2**31},
        {"steps": True},
        {"dtype": "float16"},
        {"combine": "outer"},
        {"tile": 0},
        {"rule": 3},
    ],
)
def test_settings_that_do_not_fit_are_refused(paper, setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"Argument `{name}` must be"):
        eos.sweep(paper, {"x": 2.0, "y": 0.4, "eta": 0.2}, **{"steps": 10, **setting})


def test_zip_of_different_lengths_is_refused(paper):
    with pytest.raises(ValueError, match="one length, but `y` has 3 along `lane`, which has 2"):
        eos.sweep(paper, {"x": [1, 2], "y": [1, 2, 3], "eta": 0.2}, 1, combine="zip")


# Extremes (R12) ----------------------------------------------------------------------------------


def test_everything_diverges(paper):
    found = eos.sweep(
        paper, {"x": np.linspace(5, 9, 40), "y": np.linspace(5, 9, 30), "eta": 1}, 500
    )
    assert (found.outcome == Outcome.DIVERGED).all()
    assert int(found.steps.max()) < 10


def test_nothing_converges(paper):
    found = eos.sweep(paper, {"x": np.linspace(1.5, 2, 40), "y": 0.3, "eta": 0.01}, 3)
    assert (found.outcome == Outcome.UNDECIDED).all()


def test_a_saddle_that_is_never_left_is_no_minimum(paper):
    found = eos.sweep(paper, {"x": np.linspace(1.5, 2, 40), "y": 0.0, "eta": 0.1}, 50)
    assert (found.outcome == Outcome.STATIONARY).all()
    assert np.array_equal(found.x_final, found.x)
    assert np.isnan(found.sharpness_minimum).all()


def test_one_lane_and_one_point(paper):
    point = eos.sweep(paper, {"x": 2.5, "y": 0.4001, "eta": 0.2}, 3000)
    lane = eos.sweep(paper, {"x": [2.5], "y": 0.4001, "eta": 0.2}, 3000)
    assert point.outcome.dims == () and lane.outcome.dims == ("x",)
    assert_same_bits(point, lane.isel(x=0))
    assert float(point.sharpness) == pytest.approx(9.927360217757, abs=1e-4)


# Orbits ------------------------------------------------------------------------------------------


def test_orbits_are_those_of_numpy(paper):
    found = eos.orbits(paper, {"x": 2.5, "y": [0.4001, 0.3], "eta": [0.1, 0.2]}, 30)
    assert found.x_orbit.dims == ("y", "eta", "step")
    assert found.step.values.tolist() == list(range(31))
    for i, j in np.ndindex(2, 2):
        x, y, eta = 2.5, float(found.y[i]), float(found.eta[j])
        for t in range(31):
            one = found.isel(y=i, eta=j, step=t)
            got = [float(one[n]) for n in ("x_orbit", "y_orbit", "loss", "sharpness")]
            want = [x, y, oracle.loss(x, y), oracle.sharpness(x, y)]
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
            x, y = oracle.step(x, y, eta)


def test_orbits_keep_every_kth_point(paper):
    axes = {"x": 2.5, "y": 0.4001, "eta": 0.2}
    whole, thin = eos.orbits(paper, axes, 100), eos.orbits(paper, axes, 100, every=7)
    assert thin.step.values.tolist() == list(range(0, 100, 7))
    np.testing.assert_allclose(thin.x_orbit, whole.x_orbit[::7], rtol=1e-12)


def test_orbits_of_parameters_that_are_arrays():
    obj = eos.objectives.from_function(lambda v: 0.5 * jnp.sum(v * v), shapes={"v": (2,)})
    found = eos.orbits(obj, {"v": np.array([[1.0, 2.0], [3.0, 4.0]]), "eta": 0.5}, 3)
    assert found.v_orbit.dims[:2] == ("v", "step")
    np.testing.assert_array_equal(found.v_orbit[1, :, 1], [4.0, 2.0, 1.0, 0.5])


def test_progress_may_be_a_function_which_sees_every_lane_and_may_stop(paper):
    axes = {"x": np.linspace(2, 3.4, 40), "y": np.linspace(0.1, 0.5, 40), "eta": 0.2}
    seen = []
    eos.sweep(paper, axes, 2000, progress=seen.append)
    assert sum(seen) == pytest.approx(1600, abs=1e-6) and min(seen) >= 0

    class Enough(Exception):
        pass

    def stops(lanes):
        raise Enough

    with pytest.raises(Enough):
        eos.sweep(paper, axes, 2000, progress=stops)
