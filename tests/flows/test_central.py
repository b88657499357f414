"""Central flow with several eigenvalues at the edge: its complementarity problem, and a path."""

import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import flows
from eos_jax.flows.base import rises
from eos_jax.flows.central import complementary

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("size", "length"), [(1, 4), (2, 5), (3, 7)])
def test_the_covariance_is_complementary(size, length, x64):
    """X >= 0, Y >= 0 and <X, Y> = 0 make it the minimum, and nothing else is."""
    random, whole = np.random.default_rng(size + length), 0
    for _ in range(6):
        rise = random.normal(size=(size, size, length))
        rise, free = rise + rise.swapaxes(0, 1), random.normal(size=(size, size))
        free = free + free.T - np.eye(size)
        found = np.asarray(complementary(jnp.asarray(free), jnp.asarray(rise)))
        left = free + np.einsum("ijn,kln,kl->ij", rise, rise, found)
        scale = np.abs(free).max()
        assert np.linalg.eigvalsh(found)[0] > -1e-14
        assert np.linalg.eigvalsh(left)[0] > -1e-9 * scale
        assert abs(np.sum(found * left)) < 1e-9 * scale
        whole += np.linalg.matrix_rank(found, tol=1e-9)
    assert whole > 0  # not all of them vanish


def in_turn(x, v):
    """(x^T (20 + diag v) x)/2 - v_1 - v_2/2: v rises by eta and eta/2 a step, up to 0."""
    return 10 * (x @ x) + v @ (x * x) / 2 - v[0] - v[1] / 2


def test_eigenvalues_come_to_the_edge_one_after_the_other():
    eta = 0.1
    obj = eos.objectives.from_function(in_turn, ("x", "v"), shapes={"x": (2,), "v": (2,)})
    start = {"x": np.zeros(2), "v": np.array([-1.0, -1.5])}
    record, rule = eos.observers.trace("v"), flows.central_flow(4, directions=2)
    found = np.asarray(eos.simulate(obj, start, eta, 10, rule=rule, observe=record)["v"])
    # v' = min(eta a, -v): it comes to 0 as exp(-t) from where -v is eta a
    pace, first = eta * np.array([1, 0.5]), np.array([-1.0, -1.5])
    beyond = 4 * np.arange(11)[:, None] - (-first - pace) / pace
    wanted = np.where(beyond < 0, -pace + pace * beyond, -pace * np.exp(-np.maximum(beyond, 0)))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    one = eos.simulate(obj, start, eta, 10, rule=flows.central_flow(4), observe=record)
    one = np.asarray(one["v"])
    assert one[-1].max() > 0.1  # with one direction they take turns, and the edge is passed


def test_gradients_of_bends(x64):
    """u_i^T H u_j by differences, the vectors held."""
    obj = eos.objectives.scalar_product((1, 1, 1))
    point, vectors = np.array([1.3, 0.8, 1.1]), np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2)[0]
    named = lambda v: dict(zip(obj.parameters, v))  # noqa: E731
    found = np.asarray(rises(obj, named(point), jnp.asarray(vectors[:, :2])))

    def bends(v):
        x, y, z = v
        r = x * y * z - 1
        hessian = np.array(
            [
                [(y * z) ** 2, x * y * z * z + r * z, x * y * y * z + r * y],
                [x * y * z * z + r * z, (x * z) ** 2, x * x * y * z + r * x],
                [x * y * y * z + r * y, x * x * y * z + r * x, (x * y) ** 2],
            ]
        )
        return vectors[:, :2].T @ hessian @ vectors[:, :2]

    for axis, step in enumerate(1e-5 * np.eye(3)):
        wanted = (bends(point + step) - bends(point - step)) / 2e-5
        np.testing.assert_allclose(found[:, :, axis], wanted, atol=1e-8)


def test_more_directions_than_coordinates_are_refused():
    obj = eos.objectives.self_stabilization(sharpness=10.0)
    with pytest.raises(ValueError, match="`directions` must be at most 2"):
        eos.simulate(obj, {"x": 0.0, "v": -1.0}, 0.2, 1, rule=flows.central_flow(directions=3))
    with pytest.raises(ValueError, match="`directions` must be"):
        flows.central_flow(directions=0)
