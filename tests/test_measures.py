"""Curvatures beyond the sharpness, against NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import measures
from tests import oracle
from tests.rules.examples import sample

pytestmark = pytest.mark.slow

POINT = {"x": 1.2, "y": 0.9}
FULL = [1.2, 1.2, 0.9, 0.9]


def here(objective, params=POINT, eta=0.1):
    params = {n: jnp.asarray(v, float) for n, v in params.items()}
    return sample(objective, eos.rules.gradient_descent(), params, (), {"eta": jnp.asarray(eta)})


def test_directional_sharpness_and_shares_of_the_threshold(paper, x64):
    slope = oracle.product_gradient(np.array(FULL)[:, None])[:, 0]
    hessian = oracle.product_hessian(FULL)
    want = slope @ hessian @ slope / (slope @ slope)
    assert float(measures.directional_sharpness(here(paper))) == pytest.approx(want, rel=1e-12)
    # of a step of gradient descent and the top eigenvector
    along = abs(slope @ np.linalg.eigh(hessian)[1][:, -1]) / np.linalg.norm(slope)
    assert float(measures.alignment(here(paper))) == pytest.approx(along, rel=1e-10)
    share = float(measures.relative_curvature(here(paper)))
    assert share == pytest.approx(np.linalg.eigvalsh(hessian)[-1] / 20, rel=1e-12)


@pytest.mark.parametrize("eta", [1e-4, 0.05, 3.0])
def test_the_longest_step_that_does_not_raise_the_loss(eta, x64):
    """Of a quartic by its root, whatever step the search begins with."""
    objective = eos.objectives.from_function(lambda a: a**4 / 4, name="quartic")
    found = float(jax.jit(lambda: measures.critical_sharpness(here(objective, {"a": 1.5}, eta)))())
    # |x - s x^3| = x at s = 2/x^2
    assert found == pytest.approx(1.5**2, rel=1e-3)


@pytest.mark.parametrize("norm", ["euclidean", "max"])
def test_generalised_sharpness_is_the_largest_over_the_ball(norm, x64):
    """A positive Hessian has its maximum at a corner of the cube: all of them."""
    half = np.random.default_rng(2).normal(size=(5, 5))
    matrix = half @ half.T
    objective = eos.objectives.from_function(
        lambda a: a @ jnp.asarray(matrix) @ a / 2, shapes={"a": (5,)}, name="form"
    )
    found = float(measures.generalised_sharpness(norm)(here(objective, {"a": np.arange(5.0)})))
    corners = np.array(list(itertools.product((-1, 1), repeat=5)))
    want = np.max(np.einsum("ki,ij,kj->k", corners, matrix, corners))
    want = want if norm == "max" else np.linalg.eigvalsh(matrix)[-1]
    assert found == pytest.approx(want, rel=1e-8)


def largest_in_a_box(matrix):
    """max d^T H d over |d_i| <= 1: the best of all points at which a face has no slope within."""
    size, best = len(matrix), 0.0
    for sides in itertools.product((-1, 0, 1), repeat=size):
        point = np.array(sides, float)
        free = point == 0
        if free.any():
            inside = matrix[np.ix_(free, free)]
            point[free] = np.linalg.lstsq(inside, -matrix[free] @ point, rcond=None)[0]
        if np.abs(point).max() <= 1 + 1e-12:
            best = max(best, point @ matrix @ point)
    return best


def form(matrix):
    return eos.objectives.from_function(
        lambda a: a @ jnp.asarray(matrix) @ a / 2, shapes={"a": (len(matrix),)}, name="form"
    )


@pytest.mark.slow
def test_generalised_sharpness_of_saddles(x64):
    """(b^2 - 10 a^2)/2: 1 in every norm, though a curves ten times as much; and random forms."""
    saddle = eos.objectives.from_function(lambda a, b: (b * b - 10 * a * a) / 2)
    for norm in ("euclidean", "max", "spectral"):
        found = measures.generalised_sharpness(norm)(here(saddle, {"a": 0.3, "b": 0.2}))
        assert float(found) == pytest.approx(1, rel=1e-6), norm
    random = np.random.default_rng(4)
    for _ in range(5):
        matrix = random.normal(size=(4, 4))
        matrix = matrix + matrix.T
        sample = here(form(matrix), {"a": np.ones(4)})
        best = largest_in_a_box(matrix)
        assert float(measures.generalised_sharpness("max")(sample)) == pytest.approx(best, rel=1e-6)
        top = max(np.linalg.eigvalsh(matrix)[-1], 0)
        found = float(measures.generalised_sharpness("euclidean")(sample))
        assert found == pytest.approx(top, rel=1e-12)
    hill = here(form(-np.eye(3)), {"a": np.ones(3)})
    assert float(measures.generalised_sharpness("max")(hill)) == 0


@pytest.mark.slow
def test_generalised_sharpness_in_the_spectral_norm(x64):
    """Of 1/2 <A, W>^2: the square of the sum of the singular values of A."""
    a = np.random.default_rng(3).normal(size=(3, 2))
    objective = eos.objectives.from_function(
        lambda W: jnp.sum(jnp.asarray(a) * W) ** 2 / 2, shapes={"W": (3, 2)}, name="inner"
    )
    found = measures.generalised_sharpness("spectral")(here(objective, {"W": np.ones((3, 2))}))
    assert float(found) == pytest.approx(np.linalg.svd(a)[1].sum() ** 2, rel=1e-10)
    # less 10/2 (w_12 + w_21)^2, which diagonal directions do not feel
    both = eos.objectives.from_function(
        lambda W: (W[0, 0] + 2 * W[1, 1]) ** 2 / 2 - 5 * (W[0, 1] + W[1, 0]) ** 2,
        shapes={"W": (2, 2)}, name="saddle",
    )  # fmt: skip
    found = measures.generalised_sharpness("spectral")(here(both, {"W": np.ones((2, 2))}))
    assert float(found) == pytest.approx(9, rel=1e-6)
