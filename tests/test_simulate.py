"""One orbit and many: pure, differentiable, equal to NumPy, indifferent to how lanes are cut."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eos_jax as eos
from tests import oracle

X64 = {np.float32: False, np.float64: True}


def numpy_steps(x, y, eta, steps):
    for _ in range(steps):
        x, y = oracle.step(x, y, eta)
    return x, y


# Many lanes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lanes", [1, 7, 1000, 40_000])
def test_iterate_agrees_with_numpy(paper, lanes, dtype, rng):
    """Beyond 32,768 lanes too, where some releases of XLA:CPU return wrong numbers."""
    x, y, eta = rng.uniform([[0.3], [0.1], [0.05]], [[2.0], [0.6], [0.2]], (3, lanes)).astype(dtype)
    with jax.enable_x64(X64[dtype]):
        ends = eos.iterate(paper, {"x": x, "y": y}, eta, 11)
        assert ends["x"].dtype == ends["y"].dtype == dtype
        assert ends["x"].shape == (lanes,)
    want = numpy_steps(*(v.astype(float) for v in (x, y, eta)), 11)
    # eleven steps stretch rounding errors some thousandfold at most on this box
    for found, expected in zip((ends["x"], ends["y"]), want):
        np.testing.assert_allclose(found, expected, rtol=4e3 * np.finfo(dtype).eps, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sweep_beyond_32768_lanes_agrees_with_numpy(paper, dtype, rng):
    x, y = rng.uniform([[0.3], [0.1]], [[2.0], [0.6]], (2, 40_000)).astype(dtype)
    found = eos.sweep(
        paper, {"x": x, "y": y, "eta": 0.1}, 7, combine="zip", stop=None, dtype=np.dtype(dtype).name
    )
    want = numpy_steps(x.astype(float), y.astype(float), float(dtype(0.1)), 7)
    for got, expected in zip((found.x_final, found.y_final), want):
        np.testing.assert_allclose(got, expected, rtol=4e3 * np.finfo(dtype).eps, atol=1e-12)
    np.testing.assert_allclose(
        found.sharpness, oracle.sharpness(*want), rtol=1e5 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33])
def test_every_number_of_steps(paper, steps, x64):
    """None lost or added where the compiled loop takes several at once."""
    x, y = np.array([1.5, 0.8]), np.array([0.5, 0.9])
    ends = eos.iterate(paper, {"x": x, "y": y}, 0.1, steps)
    np.testing.assert_allclose((ends["x"], ends["y"]), numpy_steps(x, y, 0.1, steps), rtol=1e-12)


def test_lanes_are_indifferent_to_their_neighbours(paper, rng, x64):
    x, y = rng.uniform(0.2, 3.5, (2, 5000))  # chaos would show one bit
    whole = eos.iterate(paper, {"x": x, "y": y}, 0.2, 400)
    for part in (slice(0, 1), slice(17, 40), slice(4000, 5000)):
        some = eos.iterate(paper, {"x": x[part], "y": y[part]}, 0.2, 400)
        for name in "xy":
            assert np.asarray(some[name]).tobytes() == np.asarray(whole[name][part]).tobytes()


def test_one_lane_of_iterate_is_simulate(paper, x64):
    ends = eos.iterate(paper, {"x": np.array([2.5]), "y": np.array([0.3])}, 0.15, 40)
    end = eos.simulate(paper, {"x": 2.5, "y": 0.3}, 0.15, 40)
    for name in "xy":
        assert float(ends[name][0]) == pytest.approx(float(end[name]), rel=1e-10)


def test_iterate_broadcasts_and_composes(paper, x64):
    x = jnp.linspace(1.5, 2.0, 6)
    plain = eos.iterate(paper, {"x": x, "y": 0.4}, 0.1, 10)
    inside = jax.jit(lambda x, eta: eos.iterate(paper, {"x": x, "y": 0.4}, eta, 10))(x, 0.1)
    np.testing.assert_allclose(inside["x"], plain["x"], rtol=1e-14)
    over_eta = jax.vmap(lambda eta: eos.iterate(paper, {"x": x, "y": 0.4}, eta, 10)["x"])(
        jnp.array([0.1, 0.05])
    )
    np.testing.assert_allclose(over_eta[0], plain["x"], rtol=1e-14)
    etas = eos.iterate(paper, {"x": 1.5, "y": 0.4}, jnp.array([0.1, 0.05]), 10)
    assert float(etas["x"][0]) == pytest.approx(float(plain["x"][0]), rel=1e-14)


def test_iterate_of_parameters_that_are_arrays(x64):
    obj = eos.objectives.from_function(lambda v, s: 0.5 * jnp.sum((v * s) ** 2), shapes={"v": (2,)})
    v, s = np.array([[1.0, 2.0], [0.5, -1.0], [0.3, 0.2]]), np.array([1.0, 0.5, 2.0])
    ends = eos.iterate(obj, {"v": v, "s": s}, 0.1, 4)
    for _ in range(4):
        v, s = v - 0.1 * v * s[:, None] ** 2, s - 0.1 * s * (v * v).sum(axis=1)
    np.testing.assert_allclose(ends["v"], v, rtol=1e-14)
    np.testing.assert_allclose(ends["s"], s, rtol=1e-14)


# One orbit ---------------------------------------------------------------------------------------


def test_simulate_is_pure_under_jit_vmap_and_both(paper, x64):
    run = lambda x, eta: eos.simulate(paper, {"x": x, "y": 0.4}, eta, 25)["x"]  # noqa: E731
    xs = jnp.linspace(1.0, 2.0, 4)
    plain = np.array([run(x, 0.1) for x in xs])
    want = np.array([numpy_steps(float(x), 0.4, 0.1, 25)[0] for x in xs])
    np.testing.assert_allclose(plain, want, rtol=1e-11)
    np.testing.assert_allclose(jax.jit(run)(xs[1], 0.1), plain[1], rtol=1e-12)
    np.testing.assert_allclose(jax.vmap(run, (0, None))(xs, 0.1), plain, rtol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.vmap(run, (0, None)))(xs, 0.1), plain, rtol=1e-12)


@pytest.mark.parametrize("steps", [0, 1, 30])
def test_simulate_is_differentiable(paper, steps, x64):
    """Through the orbit, in the start and in the step size, against central differences."""

    def end(x, y, eta):
        point = eos.simulate(paper, {"x": x, "y": y}, eta, steps)
        return point["x"] ** 2 + 3 * point["y"]

    at = (1.5, 0.5, 0.1)
    slopes = jax.grad(end, argnums=(0, 1, 2))(*at)
    value = jax.jit(end)
    for i, slope in enumerate(slopes):
        step = 1e-6
        up, down = (
            float(value(*(v + by * (k == i) for k, v in enumerate(at)))) for by in (step, -step)
        )
        # differences: rounding / step and a third derivative times step^2
        assert float(slope) == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-8)


def test_the_derivative_of_one_step_is_identity_minus_eta_hessian(x64):
    obj = eos.objectives.scalar_product(3)
    point = {"x": 1.2, "y": 0.7, "z": 1.5}
    jacobian = jax.jacobian(lambda p: eos.simulate(obj, p, 0.1, 1))(point)
    found = np.array([[jacobian[a][b] for b in "xyz"] for a in "xyz"])
    want = np.eye(3) - 0.1 * oracle.product_hessian(np.array([1.2, 0.7, 1.5]))
    np.testing.assert_allclose(found, want, rtol=1e-13, atol=1e-14)


def test_a_quadratic_in_closed_form(x64):
    """1/2 s a^2 shrinks by (1 - eta s) each step: monotone, oscillating and growing."""
    obj = eos.objectives.from_function(lambda a: 1.5 * a * a)
    for eta in (0.1, 0.5, 0.7):
        end = eos.simulate(obj, {"a": 2.0}, eta, 20)["a"]
        assert float(end) == pytest.approx(2 * (1 - 3 * eta) ** 20, rel=1e-12)


def test_the_balanced_line_doubles_its_period_at_two_over_k(x64):
    """u' = u - eta (u^4 - 1) u^3: fixed below eta = 1/2, a two-cycle above (derived)."""
    obj = eos.objectives.scalar_product((4,))
    for eta, period in ((0.49, 1), (0.51, 2), (0.62, 2), (0.63, 4)):
        points = eos.simulate(
            obj, {"x": 1.05}, eta, 4000, observe=eos.observers.trace(x=lambda s: s.params["x"])
        )["x"][-64:]
        for shorter in (1, 2, 4):
            gap = float(jnp.abs(points[shorter:] - points[:-shorter]).max())
            assert (gap < 1e-9) == (shorter % period == 0), (eta, shorter, gap)


def test_the_published_orbit_ends_just_below_the_threshold(paper, x64):
    """Figure 2a's start: three step sizes, each ending at 2/eta - eta/2 + O(eta^3)."""
    for eta in (2 / 8, 2 / 10, 2 / 12):
        end = eos.simulate(paper, {"x": 2.5, "y": 0.4001}, eta, 3000)
        sharpness = float(eos.sharpness(paper, end))
        assert sharpness < 2 / eta
        assert 2 / eta - sharpness == pytest.approx(eta / 2, rel=0.4)


@given(
    x=st.floats(-2, 2),
    y=st.floats(-2, 2),
    eta=st.floats(0.01, 0.3),
    swap=st.booleans(),
    flip=st.booleans(),
)
def test_symmetries_of_an_orbit(x, y, eta, swap, flip):
    """Exchanging x and y, and changing one sign (each stands for two copies), commute with it."""
    with jax.enable_x64(True):
        one = _compiled(x, y, eta)
        two = _compiled(*((y, x) if swap else (x, y)), eta)
        three = _compiled(-x if flip else x, y, eta)
    assert np.array_equal(two, one[::-1] if swap else one, equal_nan=True)
    assert np.array_equal(three, [-one[0] if flip else one[0], one[1]], equal_nan=True)


@jax.jit
def _orbit_end(x, y, eta):
    end = eos.simulate(eos.objectives.scalar_product((2, 2)), {"x": x, "y": y}, eta, 20)
    return end["x"], end["y"]


def _compiled(x, y, eta):
    return np.array([float(v) for v in _orbit_end(x, y, eta)])


def test_dtype_follows_what_is_given(paper):
    single = eos.simulate(paper, {"x": np.float32(1.5), "y": np.float32(0.4)}, 0.1, 3)
    assert single["x"].dtype == np.float32
    assert eos.simulate(paper, {"x": 1, "y": 2}, 0.1, 0)["x"].dtype == np.float32
    with jax.enable_x64(True):
        double = eos.simulate(paper, {"x": np.float64(1.5), "y": 0.4}, 0.1, 3)
        assert double["x"].dtype == np.float64


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [eos.simulate, eos.iterate])
@pytest.mark.parametrize("steps", [-1, 2.0, True, None, "3"])
def test_steps_that_cannot_be_are_refused(paper, function, steps):
    with pytest.raises(ValueError, match="`steps` must be an integer of at least 0"):
        function(paper, {"x": np.ones(3), "y": np.ones(3)}, 0.1, steps)


@pytest.mark.parametrize("function", [eos.simulate, eos.iterate])
@pytest.mark.parametrize("eta", [0.0, -1.0, np.nan, np.inf])
def test_step_sizes_that_cannot_be_are_refused(paper, function, eta):
    lanes = {"x": np.ones(3), "y": np.ones(3)} if function is eos.iterate else {"x": 1.0, "y": 1.0}
    with pytest.raises(ValueError, match="`eta` must be positive and finite"):
        function(paper, lanes, eta, 3)


def test_shapes_that_do_not_fit_are_refused(paper):
    with pytest.raises(ValueError, match="one point"):
        eos.simulate(paper, {"x": np.ones(3), "y": 1.0}, 0.1, 3)
    with pytest.raises(ValueError, match="`eta` must be a scalar"):
        eos.simulate(paper, {"x": 1.0, "y": 1.0}, np.array([0.1, 0.2]), 3)
    with pytest.raises(ValueError, match="one axis of lanes"):
        eos.iterate(paper, {"x": 1.0, "y": 1.0}, 0.1, 3)
    with pytest.raises(ValueError, match="one axis of lanes"):
        eos.iterate(paper, {"x": np.ones((2, 3)), "y": 1.0}, 0.1, 3)
    with pytest.raises(ValueError, match="`every` must be a positive integer"):
        eos.simulate(paper, {"x": 1.0, "y": 1.0}, 0.1, 3, every=0)
    vector = eos.objectives.from_function(lambda v: v.sum(), shapes={"v": (3,)})
    with pytest.raises(ValueError, match=r"trailing shape \(3,\)"):
        eos.loss(vector, {"v": np.ones(4)})
