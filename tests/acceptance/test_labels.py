"""Labels of losses that are easily got wrong, against plain NumPy and against what is known."""

import functools

import numpy as np
import pytest

import eos_jax as eos
from eos_jax import Outcome
from eos_jax.results.store import open_dataset
from tests.acceptance import losses, oracle
from tests.acceptance.losses import CASES

pytestmark = pytest.mark.slow

SINGLE = ("regression", "scaled down", "below zero")
"""The losses that are tried in single precision every time; the others with `make test-long`."""

VARIANTS = [(name, "float64") for name in CASES] + [
    pytest.param(name, "float32", marks=() if name in SINGLE else pytest.mark.long)
    for name in CASES
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A function: where the store of a case is, written at its first call."""
    folder = tmp_path_factory.mktemp("acceptance")

    @functools.cache
    def written(name, dtype):
        out = folder / f"{name.replace(' ', '_')}_{dtype}"
        sweep(name, dtype, out)
        return out

    return written


@pytest.fixture(scope="module")
def swept(store):
    """A function: the result of a case as its store holds it."""
    return lambda name, dtype="float64": open_dataset(store(name, dtype)).load()


def sweep(name, dtype, out):
    case = CASES[name]
    tile = losses.tile(name)
    return eos.sweep(losses.objective(name), case.axes, case.steps, dtype=dtype, out=out, tile=tile)


def judged(name, dtype):
    """The oracle's labels and steps of a case, in the shape of the sweep."""
    case = CASES[name]
    *starts, eta = np.meshgrid(*(np.asarray(v, dtype) for v in case.axes.values()), indexing="ij")
    label, steps, _ = oracle.run(
        losses.of_points(case.loss or case.function),
        losses.of_points(case.gradient),
        np.stack([start.ravel() for start in starts], axis=-1),
        eta.ravel(),
        case.steps,
        case.floor,
    )
    return label.reshape(eta.shape), steps.reshape(eta.shape)


def labels(dataset):
    return {Outcome(int(k)) for k in np.unique(dataset.outcome)}


both_precisions = pytest.mark.parametrize(
    "dtype", ["float64", pytest.param("float32", marks=pytest.mark.long)]
)


@pytest.mark.parametrize(("name", "dtype"), VARIANTS)
def test_labels_are_those_of_numpy(swept, name, dtype):
    found = swept(name, dtype)
    label, steps = judged(name, dtype)
    wrong = np.argwhere(found.outcome.values != label)
    assert len(wrong) <= (1 - CASES[name].agree) * label.size, (
        f"{len(wrong)} of {label.size}, such as {wrong[0]}: "
        f"{found.outcome.values[tuple(wrong[0])]}, {label[tuple(wrong[0])]} expected"
    )
    if dtype == "float64":  # rounding to single moves the step at which a creeping orbit arrives
        assert np.mean(found.steps.values == steps) >= CASES[name].agree


@pytest.mark.parametrize("name", CASES)
def test_a_sweep_that_was_stopped_goes_on_with_the_same_bytes(store, name):
    out = store(name, "float64")
    files = lambda: {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}  # noqa: E731
    whole = files()
    done = sorted(out.glob("outcome/c/**/*"))
    lost = [path for path in done if path.is_file()][-1]
    lost.unlink()
    place = lost.relative_to(out / "outcome")
    for torn in [path for path in out.glob(f"*_final/{place}") if path.is_file()]:
        torn.write_bytes(torn.read_bytes()[:5])
    sweep(name, "float64", out)
    assert files() == whole


# What is known of each ---------------------------------------------------------------------------


def ends(dataset, names, label=Outcome.CONVERGED):
    """Last points of the lanes with a label, of shape (lanes, n)."""
    chosen = dataset.outcome.values == label
    return np.stack([dataset[f"{n}_final"].values[chosen] for n in names], axis=-1)


def nearest(points, places):
    """For each point the index of the nearest place, and how far it is."""
    far = np.linalg.norm(points[:, None] - places[None], axis=-1)
    return far.argmin(axis=1), far.min(axis=1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_six_minima_of_the_camel_and_none_of_its_saddles(swept, dtype):
    minima = np.concatenate([losses.MINIMA_OF_THE_CAMEL, -losses.MINIMA_OF_THE_CAMEL])
    found = swept("camel", dtype)
    reach = 1e-5 if dtype == "float64" else 1e-3
    for eta, reached in ((0.03, {0, 1, 2, 3, 4, 5}), (0.1, {0, 2, 3, 5})):
        # at eta = 0.1 the minima (1.70, -0.80) and its mirror image have sharpness above 2/eta
        which, far = nearest(ends(found.sel(eta=eta, method="nearest"), "xy"), minima)
        assert far.max() < reach
        assert set(which) == reached
    assert (found.outcome.sel(eta=0.03, method="nearest") == Outcome.CONVERGED).all()
    assert labels(found) == {Outcome.CONVERGED, Outcome.UNDECIDED}


def test_a_minimum_of_beale_is_found_at_three_and_a_half(swept):
    _, far = nearest(ends(swept("beale"), "xy"), np.array([[3.0, 0.5]]))
    assert 0 < len(far)
    assert far.max() < 1e-4


def test_a_bowl_is_converged_below_the_threshold_and_nowhere_above(swept):
    found = swept("bowl")
    assert (found.outcome.sel(eta=[0.1, 0.9]) == Outcome.CONVERGED).all()
    assert (found.outcome.sel(eta=[1.001, 1.2]) != Outcome.CONVERGED).all()
    assert (found.outcome.sel(x=0, y=0, eta=[1.001, 1.2]) == Outcome.STATIONARY).all()
    assert np.allclose(found.loss.where(found.outcome == Outcome.CONVERGED, 3), 3)


@both_precisions
def test_a_summit_is_never_converged(swept, dtype):
    found = swept("hill", dtype)
    assert Outcome.CONVERGED not in labels(found)
    assert (found.outcome.sel(x=0, y=0) == Outcome.STATIONARY).all()


@both_precisions
def test_a_minimum_at_infinity_is_none(swept, dtype):
    found = swept("separable", dtype)
    assert Outcome.CONVERGED not in labels(found)
    assert Outcome.DIVERGED not in labels(found)
    begin = np.logaddexp(0, -found.w) + np.logaddexp(0, -2 * found.w)
    going = found.outcome == Outcome.UNDECIDED
    assert going.sum() > 5
    assert bool((found.loss <= begin * (1 + 1e-6)).where(going, True).all())
    assert bool((found.loss < 0.1 * begin).where(going, True).sel(w=[-3, 0, 2]).all())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_own_data_give_the_least_squares(swept, dtype):
    found = swept("regression", dtype)
    (a, b), *_ = np.linalg.lstsq(losses.POINTS, losses.TARGETS)
    points = ends(found.sel(eta=[0.1, 0.5], method="nearest"), "ab")
    assert len(points) == 12
    reach = 1e-5 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(points, np.tile([a, b], (12, 1)), atol=reach)
    assert (found.outcome.sel(eta=1.5) != Outcome.CONVERGED).all()


def test_a_loss_that_is_nowhere_finite_is_nowhere_converged(swept):
    assert labels(swept("root")) == {Outcome.DIVERGED, Outcome.UNDECIDED}
    found = swept("logarithm")
    assert labels(found) == {Outcome.UNDECIDED}
    assert np.array_equal(np.isnan(found.loss), found.x_final < 0)


@both_precisions
def test_labels_do_not_depend_on_the_unit_or_the_origin_of_the_loss(swept, dtype):
    one, *others = (swept(name, dtype).outcome for name in ("shifted", "scaled down", "scaled up"))
    assert (one.sel(eta=[0.1, 0.4], method="nearest") == Outcome.CONVERGED).all()
    assert (one.sel(eta=0.6, method="nearest") != Outcome.CONVERGED).all()
    for other in others:
        assert np.array_equal(one.values, other.values)


def test_a_kink_is_no_minimum(swept):
    found = swept("modulus")
    assert labels(found) == {Outcome.UNDECIDED}
    assert abs(found.x_final.sel(x=0.25).item()) == 0.25  # its 2-cycle, exactly


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_exactly_at_the_threshold_nothing_is_converged(swept, dtype):
    found = swept("below zero", dtype)
    below, at, above = (found.sel(eta=e) for e in ([0.5, found.eta[1]], 1.0, [found.eta[3], 2]))
    assert (below.outcome == Outcome.CONVERGED).all()
    assert np.allclose(below.loss, -3)
    for part in (at, above):
        assert (part.outcome.sel(x=1) == Outcome.STATIONARY).all()
        assert Outcome.CONVERGED not in labels(part)
    assert (at.outcome.sel(x=[-0.5, 3]) == Outcome.UNDECIDED).all()


def test_a_constant_is_at_rest_and_nothing_more(swept):
    assert labels(swept("constant")) == {Outcome.STATIONARY}


@pytest.mark.parametrize("name", ["quartic", "sextic"])
def test_a_degenerate_minimum_is_right_or_undecided(swept, name):
    found = swept(name)
    assert found.outcome.sel(x=0).values.tolist() == [Outcome.STATIONARY] * found.eta.size
    stays = abs(found.x_final) <= abs(found.x)
    assert bool((stays | (found.outcome == Outcome.DIVERGED)).all())
    assert (abs(ends(found, "x")) < 1e-3).all()


@both_precisions
def test_a_saddle_is_left_or_stationary(swept, dtype):
    found = swept("saddle", dtype)
    assert (found.outcome.sel(y=0) == Outcome.STATIONARY).all()  # along its stable direction
    assert (found.outcome.isel(y=[1, 2, 3]) == Outcome.DIVERGED).all()


def test_a_valley_without_a_floor_agrees_with_the_one_that_has_one(swept):
    found, axes = swept("valley"), CASES["valley"].axes
    other = eos.sweep(
        eos.objectives.scalar_product((1, 1)), axes, CASES["valley"].steps,
        tile=losses.tile("valley"),
    )  # fmt: skip
    decided = [d.outcome.isin([Outcome.CONVERGED, Outcome.DIVERGED]) for d in (found, other)]
    both = (decided[0] & decided[1]).values
    assert both.mean() > 0.9
    assert np.array_equal(found.outcome.values[both], other.outcome.values[both])


def test_a_double_well_converges_into_either_well_and_not_on_its_ridge(swept):
    found = swept("double well")
    assert (abs(abs(ends(found, "x")) - 1) < 1e-5).all()
    assert (found.outcome.sel(x=0) == Outcome.STATIONARY).all()
    assert (found.outcome.sel(x=[-1.4, -1, 0.1, 0.9], eta=[0.05, 0.24]) == 1).all()
    assert (found.outcome.sel(eta=[0.26, 0.3]) != Outcome.CONVERGED).all()  # 2/eta below 8


def test_piecewise_losses(swept):
    ramp, plateau, huber = swept("ramp"), swept("plateau"), swept("huber")
    assert (ramp.outcome.sel(x=[-1, 0]) == Outcome.STATIONARY).all()  # flat: nothing curves upwards
    assert ramp.outcome.sel(x=1).values.tolist() == [Outcome.CONVERGED, Outcome.STATIONARY]
    assert (plateau.outcome.sel(x=[0.5, 2.0]) == Outcome.CONVERGED).all()
    assert (plateau.outcome.sel(x=5) == Outcome.UNDECIDED).all()
    assert (plateau.outcome.sel(x=30) == Outcome.STATIONARY).all()  # the slope underflows to zero
    assert (huber.outcome.sel(eta=[0.1, 1.5]) == Outcome.CONVERGED).all()
    assert (huber.outcome.sel(eta=2.1) != Outcome.CONVERGED).all()


def test_rosenbrock_converges_at_one_where_that_is_stable(swept):
    found = swept("rosenbrock").sel(x=1, y=1)  # the sharpness there is 1001.6
    assert found.outcome.values.tolist() == [1, 1, Outcome.STATIONARY]
    assert np.allclose(ends(swept("rosenbrock"), "xy"), 1, atol=1e-3)


def test_cycles_of_two_and_four_are_undecided(swept):
    """u' = u - eta (u^4 - 1) u^3 doubles its period at eta = 1/2 and again at 0.6236."""
    found = swept("balanced").sel(u=[0.4, 0.9, 1.1])
    assert (found.outcome.sel(eta=[0.3, 0.45]) == Outcome.CONVERGED).all()
    assert (found.outcome.sel(eta=[0.55, 0.63]) == Outcome.UNDECIDED).all()
    assert (swept("balanced").outcome.sel(u=1, eta=[0.55, 0.63]) == Outcome.STATIONARY).all()
