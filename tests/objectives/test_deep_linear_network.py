"""Deep linear networks: the Hessian at balanced minima, the floor, invariants, 2-cycles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.objectives import deep_linear_network
from eos_jax.objectives.deep_linear_network import balanced_eigenvalues, balanced_minimum


def random_point(obj, seed=0, scale=0.7):
    rng = np.random.default_rng(seed)
    return {n: scale * rng.standard_normal(s) for n, s in zip(obj.parameters, obj.shapes)}


def test_loss_is_the_frobenius_distance_of_the_product():
    obj = deep_linear_network((3, 2, 4), (2.0, 1.0, 0.5))
    point = random_point(obj)
    target = np.zeros((4, 3))
    target[:3, :3] = np.diag([2.0, 1.0, 0.5])
    expected = np.linalg.norm(point["W2"] @ point["W1"] - target) ** 2 / 2
    assert np.isclose(eos.loss(obj, point), expected, rtol=1e-13)


def test_gradient_by_finite_differences():
    obj = deep_linear_network((2, 3, 2), (2.0, 1.0))
    point, h = random_point(obj), 1e-6
    exact = eos.gradient(obj, point)
    for name in obj.parameters:
        for index in np.ndindex(point[name].shape):
            values = []
            for sign in (1, -1):
                moved = {**point, name: point[name].copy()}
                moved[name][index] += sign * h
                values.append(float(eos.loss(obj, moved)))
            assert np.isclose(exact[name][index], (values[0] - values[1]) / (2 * h), atol=1e-8)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_spectrum_at_a_balanced_minimum(depth):
    values, sizes = (3.0, 1.5), (2,) * (depth + 1)
    obj = deep_linear_network(sizes, values)
    point = balanced_minimum(sizes, values)
    assert np.isclose(eos.loss(obj, point), 0, atol=1e-28)
    dense = np.linalg.eigvalsh(eos.hessian(obj, point))
    closed = np.sort(balanced_eigenvalues(depth, values).ravel())
    assert np.allclose(dense[-4:], closed, rtol=1e-12)
    assert np.allclose(dense[:-4], 0, atol=1e-12)
    expected = [depth * v ** (2 - 2 / depth) for v in values]
    assert np.allclose(np.diag(balanced_eigenvalues(depth, values)), expected)
    assert np.isclose(dense[-1], expected[0])


def test_floor_is_what_a_narrow_network_cannot_fit():
    values = (0.5, 2.0, 1.0)
    obj = deep_linear_network((3, 2, 3), values)
    assert obj.floor == 0.5 * 0.5**2
    end = eos.simulate(obj, random_point(obj, scale=0.3), 0.1, 5000)
    assert np.isclose(eos.loss(obj, end), obj.floor, rtol=1e-10)


def test_gradient_flow_keeps_the_imbalance_and_gradient_descent_to_second_order():
    obj = deep_linear_network((2, 3, 2), (2.0, 1.0))
    point = random_point(obj)

    def imbalance(p):
        return p["W1"] @ p["W1"].T - p["W2"].T @ p["W2"]

    drifts = []
    for eta in (1e-3, 5e-4):
        step = eos.simulate(obj, point, eta, 1)
        drifts.append(np.linalg.norm(imbalance(step) - imbalance(point)))
    assert np.isclose(drifts[0] / drifts[1], 4, rtol=1e-6)


def test_one_mode_is_the_balanced_scalar_map_and_ends_on_its_two_cycle():
    """Beyond 2/(L sigma^(2-2/L)) the strongest mode has period 2, weaker ones stay."""
    sizes, values, depth = (2, 2, 2, 2), (2.0, 0.5), 3
    obj = deep_linear_network(sizes, values)
    eta = 1.05 * 2 / (depth * 2.0 ** (2 - 2 / depth))
    start = {n: 0.98 * w for n, w in balanced_minimum(sizes, values).items()}
    late = eos.simulate(obj, start, eta, 4000)
    once, twice = (eos.simulate(obj, late, eta, steps) for steps in (1, 2))
    modes = [np.linalg.multi_dot([p[f"W{i}"] for i in (3, 2, 1)]) for p in (late, once, twice)]
    assert np.allclose(modes[0], modes[2], atol=1e-10)
    assert abs(modes[0][0, 0] - modes[1][0, 0]) > 0.1
    assert np.allclose([m[1, 1] for m in modes], 0.5, atol=1e-10)
    # the strong mode is u' = u - eta (u^L - sigma) u^(L-1), all layers alike
    u = late["W1"][0, 0]
    assert np.isclose(once["W1"][0, 0], u - eta * (u**depth - 2.0) * u ** (depth - 1))


def test_sharpness_from_products_with_the_hessian():
    obj = deep_linear_network((3, 4, 3), (2.0, 1.0, 0.5))
    point = jax.tree.map(jnp.asarray, random_point(obj))
    dense = np.linalg.eigvalsh(eos.hessian(obj, point))[-1]
    for method in ("lanczos", "power"):
        assert np.isclose(eos.sharpness(obj, point, method=method), dense, rtol=1e-6)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"sizes": (3,)}, "Argument `sizes` must be at least 2 positive integers"),
        ({"sizes": (3, 0, 2)}, "Argument `sizes` must be"),
        ({"sizes": 3}, "Argument `sizes` must be"),
        ({"sizes": (2, 2), "singular_values": (1.0,)}, "Argument `singular_values` must be 2"),
        ({"sizes": (2, 2), "singular_values": (1.0, -1.0)}, "not negative"),
        ({"sizes": (2, 2), "singular_values": (1.0, float("nan"))}, "not negative"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        deep_linear_network(**settings)


def test_balanced_minimum_of_a_network_too_narrow_is_refused():
    with pytest.raises(ValueError, match="at most 1 that are not zero"):
        balanced_minimum((2, 1, 2), (2.0, 1.0))
