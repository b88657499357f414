"""Observers of a sweep: each lane's record holds its samples up to its deciding step, no others."""

import functools
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import eos_jax as eos
from eos_jax import Outcome, observers
from eos_jax.run import lane, plain
from tests import oracle

pytestmark = [pytest.mark.optimised, pytest.mark.slow]

PAPER = eos.objectives.scalar_product((2, 2))
AXES = {
    "x": np.linspace(0.6, 3.6, 13),
    "y": np.linspace(0.05, 3.0, 9),
    "eta": np.array([0.1, 0.2]),
}
STEPS = 397  # no multiple of anything
STRIDES = [
    pytest.param(every, marks=() if every == 10 else pytest.mark.long)
    for every in (1, 4, 10, 32, 64, 100)
]

OBSERVE = {
    "top": observers.maximum("sharpness"),
    "low": observers.minimum("loss"),
    "above": observers.count(),
    "first": observers.first_crossing(),
    "rows": observers.trace(["x", "y", "step"]),
    "tail": observers.trace(["x"], last=3),
}


@functools.cache
def swept(every):
    return eos.sweep(PAPER, AXES, STEPS, observe=OBSERVE, every=every)


@functools.cache
def expected(every):
    """By NumPy, in the order of the sweep's lanes."""
    x, y, eta = np.meshgrid(*AXES.values(), indexing="ij")
    outcome, steps, xs, ys = oracle.samples(x, y, eta, STEPS, every)
    with np.errstate(all="ignore"):
        sharpness, loss = oracle.sharpness(xs, ys), oracle.loss(xs, ys)
    return outcome, steps, xs, ys, sharpness, loss


def flat(values):
    """Lanes in one axis, a record's rows first."""
    return values.reshape(-1, *values.shape[3:]).T


def same(every):
    """Lanes that rounding, which chaos makes visible, has not led elsewhere; nearly all."""
    outcome, steps, xs, ys, *_ = expected(every)
    found = swept(every)
    mine = flat(found.rows_x.values), flat(found.rows_y.values)
    alike = (flat(found.outcome.values) == outcome) & (flat(found.steps.values) == steps)
    for got, want in zip(mine, (xs, ys)):
        alike &= np.isclose(got, want, rtol=1e-6, atol=1e-9, equal_nan=True).all(axis=0)
    assert alike.mean() > 0.9
    assert alike[steps <= 20].all()
    return alike


def by_lane(reduce, values):
    """Over the samples of each lane that there are; NaN for none."""
    nothing = np.isnan(values).all(axis=0)
    filled = np.where(nothing, 0.0, values)
    return np.where(nothing, np.nan, reduce(filled, axis=0))


# Against NumPy -----------------------------------------------------------------------------------


def test_there_are_lanes_of_every_fate():
    outcome, steps, *_ = expected(1)
    assert set(outcome) == {Outcome.CONVERGED, Outcome.DIVERGED, Outcome.UNDECIDED}
    assert min(np.sum(outcome == kind) for kind in set(outcome)) >= 5
    assert len(np.unique(steps % plain.BLOCK)) > 20  # decided anywhere in a block


@pytest.mark.parametrize("every", STRIDES)
def test_extremes_counts_and_crossings_are_those_of_numpy(every):
    _, _, xs, _, sharpness, loss = expected(every)
    found, alike = swept(every), same(every)
    close = {"rtol": 1e-5, "atol": 1e-12}
    top, low = by_lane(np.nanmax, sharpness), by_lane(np.nanmin, loss)
    np.testing.assert_allclose(flat(found.top.values)[alike], top[alike], **close)
    np.testing.assert_allclose(flat(found.low.values)[alike], low[alike], **close)
    eta = np.broadcast_to(AXES["eta"], found.outcome.shape).ravel()
    above = sharpness > 2 / eta  # False for NaN
    first = np.where(above.any(axis=0), every * above.argmax(axis=0), -1)
    assert found.above.dtype == found["first"].dtype == np.int32
    np.testing.assert_array_equal(flat(found.above.values)[alike], above.sum(axis=0)[alike])
    np.testing.assert_array_equal(flat(found["first"].values)[alike], first[alike])
    assert {True, False} == set((first >= 0)[alike])
    assert np.isfinite(xs).any(axis=0).all()


@pytest.mark.parametrize("every", STRIDES)
def test_a_trace_ends_at_the_deciding_step(every):
    outcome, _, xs, *_ = expected(every)
    found, alike = swept(every), same(every)
    assert found.rows_x.dims == ("x", "y", "eta", "step")
    rows = flat(found.rows_x.values)
    assert rows.shape == xs.shape == (STEPS // every + 1, outcome.size)
    number = flat(found.rows_step.values)
    known = ~np.isnan(rows)
    times = np.arange(0, STEPS + 1, every)[:, None]
    assert np.array_equal(number, np.where(known, times, -1))
    # the point of escape is no sample, that of convergence or of the horizon is one
    taken = flat(found.steps.values)
    gone = flat(found.outcome.values) == Outcome.DIVERGED
    assert np.array_equal(known, np.where(gone, times < taken, times <= taken))
    assert np.array_equal(known[:, alike], ~np.isnan(xs)[:, alike])
    final = flat(found.x_final.values)
    for one in np.flatnonzero(~gone & (taken % every == 0)):
        assert rows[taken[one] // every, one] == final[one]


@pytest.mark.parametrize("every", STRIDES)
def test_the_end_of_a_trace_is_kept(every):
    """The rows of the last samples before the horizon: NaN for lanes decided earlier."""
    found = swept(every)
    assert found.tail_x.dims[-1] == "step_3"
    assert found.step_3.values.tolist() == found.step.values[-3:].tolist()
    tail, rows = found.tail_x.values, found.rows_x.values[..., -3:]
    assert tail.tobytes() == np.ascontiguousarray(rows).tobytes()
    assert np.isnan(tail).any() and not np.isnan(tail).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "every", [10, 100, *(pytest.param(n, marks=pytest.mark.long) for n in (4, 32, 64))]
)
def test_a_sample_is_the_same_whatever_the_stride(every):
    """To the last bit, and so are the fates: who looks does not disturb."""
    fine, coarse = swept(1), swept(every)
    for name in ("outcome", "steps", "x_final", "y_final"):
        assert fine[name].values.tobytes() == coarse[name].values.tobytes()
    part = np.ascontiguousarray(fine.rows_x.values[..., ::every])
    assert part.tobytes() == coarse.rows_x.values.tobytes()


def test_observers_do_not_move_a_lane():
    plain, watched = eos.sweep(PAPER, AXES, STEPS), swept(10)
    for name in ("outcome", "steps", "x_final", "y_final"):
        assert plain[name].values.tobytes() == watched[name].values.tobytes()


def test_what_diverges_is_recorded_until_it_has_left():
    """Finite maxima and counts; nothing at all of a lane that starts outside."""
    found = swept(1)
    gone = (found.outcome == Outcome.DIVERGED).values
    assert gone.sum() > 20
    for name in ("top", "low"):
        assert np.isfinite(found[name].values[gone]).all()
    assert (found.above.values[gone] <= found.steps.values[gone]).all()
    assert (found["first"].values[gone] >= 0).all()
    outside = eos.sweep(
        PAPER, {"x": [2e6, 1.0], "y": 2.0, "eta": 0.1}, 5, observe=OBSERVE, combine="zip"
    )
    assert outside.outcome.values.tolist() == [Outcome.DIVERGED, Outcome.UNDECIDED]
    assert np.isnan(outside.top[0]) and np.isnan(outside.rows_x[0]).all()
    assert (int(outside.above[0]), int(outside["first"][0])) == (0, -1)
    assert (outside.rows_step.values[0] == -1).all()
    assert not np.isnan(outside.rows_x[1]).any()


def test_a_start_that_is_not_finite_has_no_record():
    found = eos.sweep(PAPER, {"x": [np.nan, 1.0], "y": 0.5, "eta": 0.1}, 5, observe=OBSERVE)
    assert int(found.outcome[0]) == Outcome.INVALID
    assert np.isnan(found.top[0]) and np.isnan(found.rows_x[0]).all()
    assert int(found.above[0]) == int(found["first"][0]) == int(found.rows_step[0, 0]) == -1


def test_the_crossing_is_that_of_the_rules_own_threshold():
    """Heavy ball: 2 (1 + beta)/eta, against a loop of its own."""
    x, y, eta, beta = np.linspace(2.2, 3.0, 9), 0.5, 0.1, np.array([0.0, 0.4])
    axes = {"x": x, "y": y, "eta": eta, "momentum": beta}
    observe = {
        "first": observers.first_crossing(),
        "above": observers.count(),
        "limit": observers.maximum("threshold"),
    }
    found = eos.sweep(PAPER, axes, 60, rule="heavy_ball", observe=observe, stop=None)
    x, beta = (v.copy() for v in np.broadcast_arrays(x[:, None], beta))
    y, u, v = np.full(x.shape, y), 0.0, 0.0
    above = []
    for _ in range(61):
        above.append(oracle.sharpness(x, y) > 2 * (1 + beta) / eta)
        g = x * y * ((x * y) ** 2 - 1)
        u, v = beta * u + g * y, beta * v + g * x
        x, y = x - eta * u, y - eta * v
    above = np.array(above)
    first = np.where(above.any(axis=0), above.argmax(axis=0), -1)
    np.testing.assert_array_equal(found["first"], first)
    np.testing.assert_array_equal(found.above, above.sum(axis=0))
    np.testing.assert_allclose(found.limit, np.broadcast_to(2 * (1 + beta) / eta, x.shape))
    assert (first[:, 0] >= 0).any() and (first[:, 0] != first[:, 1]).any()


# Labels and shapes -------------------------------------------------------------------------------


def test_records_are_labelled():
    found = swept(10)
    assert found.top.attrs == {"long_name": "largest sharpness", "units": "1/eta"}
    assert found["first"].attrs["units"] == "steps"
    assert found.above.attrs["units"] == "1"
    assert "threshold" in found["first"].attrs["long_name"]
    assert found.rows_x.attrs["long_name"] == "x" and found.rows_step.attrs["units"] == "steps"
    assert found.step.values.tolist() == list(range(0, STEPS, 10))
    assert found.step.attrs["units"] == "steps"
    for name in ("top", "low", "above", "first"):
        assert found[name].dims == ("x", "y", "eta")


def test_observers_of_ones_own_with_results_of_every_kind():
    """Numbers, integers, truths, vectors with and without names, dicts; labels where given."""

    def moments(total, end):
        return {
            "mean": total / (end.index + 1),
            "samples": (end.index + 1).astype(jnp.int32),
            "short": total[0] < 5,
        }

    sums = observers.Observer(
        lambda first, samples: jnp.zeros(2, first.params["x"].dtype),
        lambda total, sample: total + jnp.stack([sample.params["x"], sample.params["y"]]),
        moments,
        {"mean": observers.Label("mean of the point", "1", ("coordinate",))},
    )
    plain = observers.Observer(
        lambda first, samples: first.params["x"],
        lambda start, sample: start,
        lambda start, end: jnp.stack([start, end.params["x"], end.params["y"]]),
    )
    axes = {"x": [1.5, 2.0], "y": 0.4, "eta": 0.05}
    found = eos.sweep(PAPER, axes, 12, observe={"sums": sums, "ends": plain}, every=5, stop=None)
    assert found.sums_mean.dims == ("x", "coordinate")
    assert found.sums_mean.attrs == {"long_name": "mean of the point", "units": "1"}
    assert found.ends.dims == ("x", "ends_0")
    assert found.sums_samples.dtype == np.int32 and found.sums_samples.values.tolist() == [3, 3]
    assert found.sums_short.dtype == bool and found.sums_short.values.tolist() == [True, False]
    x, y, seen = found.x.values, np.full(2, 0.4), []
    for t in range(13):
        if t % 5 == 0:
            seen.append((x, y))
        end = (x, y)
        x, y = oracle.step(x, y, 0.05)
    np.testing.assert_allclose(found.sums_mean, np.mean(seen, axis=0).T, rtol=1e-12)
    np.testing.assert_allclose(found.ends, np.array([found.x.values, *end]).T, rtol=1e-12)


def test_records_of_parameters_that_are_arrays():
    """1/2 |v|^2 halves each step at eta = 1/2."""
    bowl = eos.objectives.from_function(lambda v: 0.5 * jnp.sum(v * v), shapes={"v": (2,)})
    axes = {"v": np.array([[1.0, 2.0], [3.0, 4.0], [0.5, 8.0]]), "eta": 0.5}
    found = eos.sweep(bowl, axes, 4, observe={"path": observers.trace("v")}, every=2, stop=None)
    assert found.path_v.shape == (3, 3, 2) and found.path_v.dims[:2] == ("v", "step")
    want = axes["v"][:, None] * np.array([1, 0.25, 0.0625])[:, None]
    np.testing.assert_array_equal(found.path_v, want)


def test_one_observer_without_a_name():
    found = eos.sweep(PAPER, {"x": 2.0, "y": 0.4, "eta": 0.1}, 9, observe=observers.maximum())
    assert found.observed.attrs["long_name"] == "largest sharpness"


@pytest.mark.parametrize(
    ("observe", "message"),
    [
        (
            {
                n: observers.Observer(
                    lambda first, samples: (),
                    lambda nothing, sample: nothing,
                    functools.partial(lambda size, nothing, end: jnp.zeros(size), size),
                    observers.Label(dims=("mode",)),
                )
                for n, size in (("two", 2), ("three", 3))
            },
            "Dimension `mode` must have one length, but it has 3 in `three` and 2 elsewhere",
        ),
        (observers.maximum, "`observe` must be an observer or a dict"),
        ({"top": "maximum"}, "`top` as an observer"),
        ({"the top": observers.maximum()}, "identifiers, but got 'the top'"),
        ({"loss": observers.maximum()}, "results do not have, but got `loss`"),
        ({"x_final": observers.maximum()}, "but got `x_final`"),
        ({"eta": observers.maximum()}, "but got `eta`"),
        ({"top": observers.maximum("z")}, "'z'"),
        (observers.trace("x"), "names that no axis has, but got `x`"),
        (
            {"top": observers.trace("x"), "top_x": observers.maximum("x")},
            "but got `top_x` twice; give observer `top_x` another name",
        ),
    ],
)
def test_what_cannot_be_observed_is_refused(observe, message):
    with pytest.raises(ValueError, match=message):
        eos.sweep(PAPER, {"x": 2.0, "y": 0.4, "eta": 0.1}, 9, observe=observe)


def test_kept_variables_are_those_asked_for():
    axes = {"x": [2.0, 2.5], "y": 0.4, "eta": 0.1}
    observe = {"top": observers.maximum(), "rows": observers.trace(["x", "y"])}
    whole = eos.sweep(PAPER, axes, 40, observe=observe)
    part = eos.sweep(PAPER, axes, 40, observe=observe, keep=["rows_y", "top", "steps"])
    assert set(part.data_vars) == {"outcome", "steps", "top", "rows_y"}
    for name in part.data_vars:
        assert part[name].values.tobytes() == whole[name].values.tobytes()
    with pytest.raises(
        ValueError, match=r"`keep` must name variables among .*rows_x.*, but got rows"
    ):
        eos.sweep(PAPER, axes, 40, observe=observe, keep=["rows"])


# What it costs -----------------------------------------------------------------------------------


def test_without_observers_nothing_is_carried_along():
    """Beside points, step size and the number of steps; and `every` changes no operation."""

    def text(every, *, observed=()):
        program = lane.Program(
            PAPER, eos.rules.gradient_descent(), eos.Stop(1e-9, 1e6), observed, every, 5, "auto",
            None, 16, 1,
        )  # fmt: skip
        start = {n: np.ones(16, np.float32) for n in ("x", "y")}
        lanes = plain.begin.eval_shape(program, start, {"eta": np.ones(16, np.float32)})
        return lanes, str(plain.run.trace(program, lanes, 1, 1, 9).jaxpr)

    lanes, bare = text(1)
    assert len(jax.tree.leaves(lanes)) == 4
    assert bare == text(7)[1]
    assert bare != text(7, observed=(("top", observers.maximum()),))[1]


# However the work is cut -------------------------------------------------------------------------

FEW = {"x": np.linspace(1.0, 3.6, 12), "y": np.linspace(0.05, 2.0, 8), "eta": 0.2}
WATCH = {
    "top": observers.maximum(),
    "first": observers.first_crossing(),
    "rows": observers.trace(["x", "loss"], last=5),
}
CODE = """
import sys
import jax; jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
import numpy as np, eos_jax as eos
from eos_jax import observers
axes = {"x": np.linspace(1.0, 3.6, 12), "y": np.linspace(0.05, 2.0, 8), "eta": 0.2}
watch = {"top": observers.maximum(), "first": observers.first_crossing(),
         "rows": observers.trace(["x", "loss"], last=5)}
eos.sweep(eos.objectives.scalar_product((2, 2)), axes, int(sys.argv[3]), observe=watch, every=10,
          tile=int(sys.argv[4]), out=sys.argv[2])
"""


def watched(steps=300, **settings):
    return eos.sweep(PAPER, FEW, steps, observe=WATCH, every=10, **settings)


@pytest.fixture(scope="module")
def whole():
    found = watched()
    assert len(np.unique(found.outcome)) == 3
    return found


def assert_same_bits(found, wanted):
    assert set(found.data_vars) == set(wanted.data_vars)
    for name in wanted.data_vars:
        assert found[name].dims == wanted[name].dims
        assert found[name].values.tobytes() == wanted[name].values.tobytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("tile", [64, pytest.param(16, marks=pytest.mark.long)])
def test_records_do_not_depend_on_the_tile(tile, whole):
    assert_same_bits(watched(tile=tile), whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "devices", [pytest.param(devices, marks=pytest.mark.long) for devices in (1, 2, 3)]
)
def test_records_do_not_depend_on_the_devices_or_the_process(devices, whole, tmp_path):
    subprocess.run(
        [sys.executable, "-c", CODE, str(devices), tmp_path / "s", "300", "16"], check=True
    )
    assert_same_bits(eos.open(tmp_path / "s").load(), whole)


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and ".partial" not in p.name
    }


def test_a_store_holds_what_memory_would(whole, tmp_path):
    stored = watched(out=tmp_path / "s", tile=48)  # as in memory on two cores
    xr.testing.assert_identical(stored.load(), whole)
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "s", mask_and_scale=False).load(), whole)


def test_lost_tiles_are_recorded_again(tmp_path):
    watched(out=tmp_path / "s", tile=16)
    before = contents(tmp_path / "s")
    for name in ("outcome", "rows_x", "first"):
        for chunk in sorted(p for p in (tmp_path / "s" / name / "c").rglob("*") if p.is_file())[
            1:3
        ]:
            chunk.unlink()
    assert contents(tmp_path / "s") != before
    watched(out=tmp_path / "s", tile=16)
    assert contents(tmp_path / "s") == before


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_bytes(tmp_path):
    """SIGKILL after some tiles, then a run to the end."""
    steps, killed = 60_000, tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", CODE, "1", killed, str(steps), "8"])
    while process.poll() is None and len(list(killed.glob("outcome/c/*/*"))) < 3:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 3 <= len(list(killed.glob("outcome/c/*/*"))) < 12
    watched(steps, out=killed, tile=8)
    watched(steps, out=tmp_path / "whole", tile=8)
    assert contents(killed) == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"every": 5}, "every"),
        ({"observe": {**WATCH, "top": observers.minimum()}}, "mathematics_sha256"),
        ({"observe": {"first": WATCH["first"]}}, "observe"),
        ({"keep": ["top"]}, "keep"),
        ({"sharpness": None}, "sharpness"),
    ],
)
def test_a_store_of_other_records_is_refused(change, field, tmp_path_factory):
    out = tmp_path_factory.getbasetemp() / "of_other_records"
    settings = {"observe": WATCH, "every": 10, "out": out, "tile": 96}
    if not out.exists():
        eos.sweep(PAPER, FEW, 30, **settings)
    with pytest.raises(FileExistsError, match="another configuration") as refusal:
        eos.sweep(PAPER, FEW, 30, **{**settings, **change})
    assert field in str(refusal.value)


# Orbits, which are a sweep with a trace ----------------------------------------------------------


def test_orbits_are_stored_and_resumed(tmp_path):
    axes = {"x": 2.5, "y": np.linspace(0.2, 0.5, 20), "eta": 0.2}
    memory = eos.orbits(PAPER, axes, 50, every=3)
    stored = eos.orbits(PAPER, axes, 50, every=3, out=tmp_path / "s", tile=16)
    xr.testing.assert_identical(stored.load(), memory)
    before = contents(tmp_path / "s")
    for name in ("outcome", "x_orbit"):
        chunks = sorted(p for p in (tmp_path / "s" / name / "c").rglob("*") if p.is_file())
        chunks[0].unlink()
    eos.orbits(PAPER, axes, 50, every=3, out=tmp_path / "s", tile=16)
    assert contents(tmp_path / "s") == before
    with pytest.raises(FileExistsError, match="another configuration"):
        eos.orbits(PAPER, axes, 50, every=4, out=tmp_path / "s", tile=16)


def test_the_last_points_of_orbits():
    axes = {"x": 2.5, "y": [0.4001, 0.3], "eta": 0.2}
    whole, last = (eos.orbits(PAPER, axes, 50, every=4, last=n) for n in (None, 3))
    assert last.step.values.tolist() == [40, 44, 48] == whole.step.values[-3:].tolist()
    assert last.x_orbit.values.tobytes() == whole.x_orbit.values[:, -3:].tobytes()
    assert eos.orbits(PAPER, axes, 4, every=4, last=9).step.values.tolist() == [0, 4]


def test_orbits_record_what_is_asked_for():
    found = eos.orbits(PAPER, {"x": [2.5], "y": 0.4, "eta": 0.2}, 5, record=["y", "gradient_norm"])
    assert set(found.data_vars) == {"outcome", "y_orbit", "gradient_norm"}
    x, y = 2.5, 0.4
    for t in range(6):
        g = x * y * ((x * y) ** 2 - 1)
        want = np.sqrt(2 * ((g * y) ** 2 + (g * x) ** 2))  # each parameter stands for two copies
        np.testing.assert_allclose(found.gradient_norm[0, t], want, rtol=1e-10)
        x, y = oracle.step(x, y, 0.2)


def test_orbits_that_diverge_are_run_to_the_horizon():
    found = eos.orbits(PAPER, {"x": [3.0, 1.5], "y": [3.0, 0.5], "eta": 0.2}, 12, combine="zip")
    assert found.outcome.values.tolist() == [Outcome.UNDECIDED] * 2
    assert not np.isfinite(found.x_orbit[0, -1]) and np.isfinite(found.x_orbit[1]).all()
