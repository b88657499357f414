"""Flows beside NumPy: their fields at a point, what they keep, and what they need."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import flows, measures
from eos_jax.flows.base import flow, spectrum
from tests import oracle
from tests.rules.examples import sample

pytestmark = pytest.mark.slow

POINT = {"x": np.float64(1.7), "y": np.float64(0.7)}


def ends(rule, eta, steps, objective, start=POINT):
    found = eos.simulate(objective, start, eta, steps, rule=rule)
    return {n: float(v) for n, v in found.items()}


def solved(field, start, time, pieces=2000):
    """Classical Runge-Kutta in NumPy, in small steps."""
    h, z = time / pieces, np.array(start, float)
    for _ in range(pieces):
        a = field(z)
        b = field(z + h / 2 * a)
        c = field(z + h / 2 * b)
        z = z + h / 6 * (a + 2 * b + 2 * c + field(z + h * c))
    return z


def slopes(x, y):
    """Per copy: (x y^2, x^2 y) times the residual."""
    residual = x * x * y * y - 1
    return np.array([x * y * y, x * x * y]) * residual


def test_gradient_flow(paper, x64):
    want = solved(lambda z: -0.1 * slopes(*z), list(POINT.values()), 6)
    end = ends(flows.gradient_flow(stride=3), 0.1, 2, paper)
    np.testing.assert_allclose([end["x"], end["y"]], want, rtol=1e-7)


def test_rod_flow(paper, x64):
    """Centre and half-difference as printed, from the rod of the first two iterates."""

    def field(z):
        centre, half = z[:2], z[2:]
        plus, minus = slopes(*(centre + half)), slopes(*(centre - half))
        return np.concatenate([-0.05 * (plus + minus), 0.05 * (plus - minus) - 2 * half])

    start = np.array(list(POINT.values()))
    half = 0.05 * slopes(*start)
    z = solved(field, np.concatenate([start - half, half]), 5)
    end = ends(flows.rod_flow(), 0.1, 5, paper)
    np.testing.assert_allclose([end["x"], end["y"]], z[:2] + z[2:], rtol=1e-7)


def test_edge_flow(paper, x64):
    """Amplitude and direction as printed, in the full space of four coordinates."""

    def gradient(point):
        return oracle.product_gradient(point[:, None])[:, 0]

    def field(z):
        centre, size, vector = z[:4], z[4], z[5:]
        plus, minus = gradient(centre + size * vector), gradient(centre - size * vector)
        bent = oracle.product_hessian(list(centre)) @ vector
        across = vector @ (plus - minus)
        return np.concatenate([
            -0.05 * (plus + minus), [0.05 * across - 2 * size],
            0.1 * (bent - (vector @ bent) * vector),
        ])  # fmt: skip

    start = np.array([POINT["x"]] * 2 + [POINT["y"]] * 2)
    half = 0.05 * gradient(start)
    size = np.linalg.norm(half)
    z = solved(field, np.concatenate([start - half, [size], half / size]), 5)
    end = ends(flows.edge_flow(), 0.1, 5, paper)
    np.testing.assert_allclose([end["x"], end["y"]], (z[:4] + z[4] * z[5:])[[0, 2]], rtol=1e-7)


@pytest.mark.parametrize("rule", [flows.rod_flow(), flows.edge_flow()], ids=lambda r: r.name)
def test_a_rod_is_judged_at_its_centre(rule, paper, x64):
    """The sharpness halfway between the first two iterates, against 2/eta."""
    point = {n: jnp.asarray(v) for n, v in POINT.items()}
    hyper = {"eta": jnp.asarray(0.1)}
    here = sample(paper, rule, point, rule.init(paper, point, hyper), hyper)
    x, y = np.array(list(POINT.values())) - 0.05 * slopes(*POINT.values())
    want = np.linalg.eigvalsh(oracle.product_hessian([x, x, y, y]))[-1]
    assert float(measures.curvature(here)) == pytest.approx(want, rel=1e-10)
    assert float(measures.threshold(here)) == pytest.approx(20, rel=1e-14)


def test_the_rod_is_gradient_descent_in_euler_steps(paper, x64):
    """c' = c - (eta/2)(g+ + g-), d' = (eta/2)(g+ - g-) - d has the iterates at its ends."""
    eta, x = 0.2, np.array([2.4, 0.45])
    half = eta / 2 * slopes(*x)
    centre = x - half
    for t in range(12):
        end = centre + half if t % 2 == 0 else centre - half
        np.testing.assert_allclose(end, x, rtol=1e-12)
        plus, minus = slopes(*(centre + half)), slopes(*(centre - half))
        centre, half = centre - eta / 2 * (plus + minus), eta / 2 * (plus - minus) - half
        x = x - eta * slopes(*x)


def test_spectrum_of_the_full_space(x64):
    """The gradient of the sharpness by differences, off the minima."""
    objective = eos.objectives.scalar_product(4)
    point = dict(zip(objective.parameters, (1.3, 0.8, 1.1, 0.7)))
    found = spectrum(objective, point)
    top = lambda v: np.linalg.eigvalsh(oracle.product_hessian(list(v)))[-1]  # noqa: E731
    start, h = np.array(list(point.values())), 1e-6
    rise = [(top(start + h * e) - top(start - h * e)) / (2 * h) for e in np.eye(4)]
    assert float(found.values[-1]) == pytest.approx(top(start), rel=1e-12)
    np.testing.assert_allclose(found.rise, rise, rtol=1e-7)
    slope = oracle.product_gradient(start[:, None])[:, 0]
    np.testing.assert_allclose(found.slope, slope, rtol=1e-12)


@pytest.mark.long  # so are these
def test_reduction_flows_stay_at_minima_and_fall_as_solved(paper, x64):
    """D' = -eta^2 D/(2 sqrt(D^2 + 4)) and D' = -eta^2 D/2 on the curve xy = 1."""
    start = {"x": np.float64(2.0), "y": np.float64(0.5)}
    fields = {
        flows.normalised_descent_flow(stride=50): lambda d: -0.01 * d / (2 * np.sqrt(d * d + 4)),
        flows.root_descent_flow(stride=50): lambda d: -0.01 * d / 2,
    }
    for rule, field in fields.items():
        end = ends(rule, 0.1, 2, paper, start)
        assert end["x"] * end["y"] == pytest.approx(1, rel=1e-7)
        want = solved(field, [3.75], 100)[0]
        assert end["x"] ** 2 - end["y"] ** 2 == pytest.approx(want, rel=1e-6)


def test_what_flows_refuse(monkeypatch):
    with pytest.raises(ValueError, match="`stride` must be"):
        flows.gradient_flow(0)
    assert flows.rod_flow() is flows.rod_flow()
    monkeypatch.setitem(sys.modules, "diffrax", None)
    with pytest.raises(ImportError, match=r"install eos_jax\[flow\]"):
        flow("any", lambda *_: (), stride=1)


def test_a_flow_that_does_not_come_to_rest_has_no_limit(x64):
    """The loss falls without end along v."""
    objective = eos.objectives.from_function(lambda a: -a, name="slide")
    found = jax.jit(lambda a: flows.flow_limit(objective, {"a": a}))(jnp.asarray(1.0))
    assert np.isnan(found["a"])


def test_a_flow_that_leaves_in_finite_time_has_no_end():
    """x' = x^3: x_0/sqrt(1 - 2 x_0^2 t), gone at t = 2 from 1/2, which is within the 7th step."""
    cliff = eos.objectives.from_function(lambda x: -(x**4) / 4, name="cliff")
    found = eos.simulate(
        cliff, {"x": np.float64(0.5)}, 0.3, 7, rule=flows.gradient_flow(),
        observe=eos.observers.trace("x"),
    )  # fmt: skip
    found = found["x"] if isinstance(found, dict) else found
    known = 0.5 / np.sqrt(1 - 0.5 * 0.3 * np.arange(7))
    np.testing.assert_allclose(found[:7], known, rtol=1e-7)
    assert not np.isfinite(found[7])
