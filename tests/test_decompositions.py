"""Rotations and reflections against LAPACK, closed forms and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eos_jax.curvature.rotations import MOST_WRITTEN_OUT, axes_of, polar_factor, tournament
from eos_jax.curvature.tridiagonal import extremes_of, top_vector_of, tridiagonal_of
from eos_jax.loops.interpreter import interpret
from eos_jax.loops.primitives import as_scalars

SHAPES = pytest.mark.parametrize("shape", [(2, 2), (3, 3), (2, 5), (6, 4), (6, 6), (9, 7)])


def svd_factor(matrix):
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return left * (values > 1e-14 * values[0]) @ right


def kinds(shape, random):
    """Matrices of one shape: of no kind, graded, of rank one, with equal and with one value."""
    most = max(shape)
    plain = random.normal(size=shape)
    basis = np.linalg.qr(random.normal(size=(most, most)))[0][: shape[0], : shape[1]]
    return {
        "plain": plain, "graded": plain * 10.0 ** -np.arange(shape[1]),
        "rank one": np.outer(plain[:, 0], plain[0]), "orthogonal": 3 * basis,
        "diagonal": np.diag(np.arange(1.0, most + 1))[: shape[0], : shape[1]],
        "ones": np.ones(shape), "tiny": 1e-200 * plain, "huge": 1e200 * plain,
    }  # fmt: skip


@SHAPES
def test_the_polar_factor_is_that_of_the_singular_vectors(shape, rng, x64):
    for kind, matrix in kinds(shape, rng).items():
        found = np.asarray(jax.jit(polar_factor)(matrix))
        np.testing.assert_allclose(found, svd_factor(matrix), atol=3e-13, err_msg=kind)
        values = np.linalg.svd(found, compute_uv=False)
        assert np.minimum(values, abs(values - 1)).max() < 2e-15, kind
    assert not np.asarray(polar_factor(jnp.zeros(shape))).any()


@SHAPES
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_has_no_polar_factor(shape, value, rng, x64):
    matrix = rng.normal(size=shape)
    matrix[1, 0] = value
    assert np.isnan(np.asarray(polar_factor(jnp.asarray(matrix)))).any()


def test_a_parameter_of_more_axes_is_a_matrix_of_its_last(rng, x64):
    leaf = rng.normal(size=(2, 3, 4))
    found = np.asarray(polar_factor(jnp.asarray(leaf))).reshape(6, 4)
    np.testing.assert_allclose(found, svd_factor(leaf.reshape(6, 4)), atol=1e-13)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (3, 3), (2, 4), (5, 3), (8, 7)])
def test_the_polar_factor_has_the_slope_that_differences_say(shape, rng, x64):
    for matrix in (rng.normal(size=shape), kinds(shape, rng)["orthogonal"]):  # equal values too
        along = rng.normal(size=shape)
        _, slope = jax.jvp(polar_factor, (jnp.asarray(matrix),), (jnp.asarray(along),))
        step = 1e-6
        ends = (svd_factor(matrix + sign * step * along) for sign in (1, -1))
        wanted = np.subtract(*ends) / (2 * step)
        np.testing.assert_allclose(slope, wanted, atol=1e-8 * max(1, abs(wanted).max()))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 9])
def test_axes_are_orthonormal_and_give_the_matrix_back(size, rng, x64):
    dense = rng.normal(size=(size, size))
    cases = [dense + dense.T, np.eye(size), np.ones((size, size)), np.zeros((size, size))]
    for matrix in cases:
        values, vectors = map(np.asarray, axes_of(jnp.asarray(matrix)))
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(size), atol=1e-14)
        np.testing.assert_allclose(vectors * values @ vectors.T, matrix, atol=2e-14 * size)


@pytest.mark.parametrize("size", range(2, 10))
def test_everyone_meets_everyone_once(size):
    rounds = tournament(size)
    met = sorted(pair for pairs in rounds for pair in pairs)
    assert met == [(p, q) for p in range(size) for q in range(p + 1, size)]
    for pairs in rounds:  # nobody is at two tables
        assert len({player for pair in pairs for player in pair}) == 2 * len(pairs)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (MOST_WRITTEN_OUT, MOST_WRITTEN_OUT)])
def test_small_decompositions_are_lists(shape, rng, x64):
    matrix = rng.normal(size=shape)
    lanes = [np.full(1, entry) for entry in matrix.ravel()]
    found = interpret(as_scalars(polar_factor, jnp.asarray(matrix)), *lanes)
    np.testing.assert_allclose(np.reshape(found, shape), svd_factor(matrix), atol=1e-13)
    square = matrix @ matrix.T
    lanes = [np.full(1, entry) for entry in square.ravel()]
    values = interpret(as_scalars(lambda m: axes_of(m)[0], jnp.asarray(square)), *lanes)
    want = np.linalg.eigvalsh(square)
    np.testing.assert_allclose(np.sort(np.ravel(values)), want, atol=1e-14 * want[-1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [2, 3, 12, 40])
def test_extremes_by_reflections_and_bisection(size, dtype, rng, x64):
    dense = rng.normal(size=(size, size))
    grade = 10.0 ** rng.uniform(-3, 3, size)
    vector = rng.normal(size=size)
    cases = [
        dense + dense.T, (dense + dense.T) * grade * grade[:, None], np.outer(vector, vector),
        np.ones((size, size)), np.eye(size), np.zeros((size, size)), np.diag(vector),
        -np.outer(vector, vector), 1e-30 * (dense + dense.T),
    ]  # fmt: skip
    both = jax.jit(lambda m: (tridiagonal_of(m), extremes_of(*tridiagonal_of(m))))
    for matrix in np.asarray(cases, dtype):
        (diagonal, off), found = both(matrix)
        whole = np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
        values = np.linalg.eigvalsh(matrix.astype(float))
        allowed = 4 * size * np.finfo(dtype).eps * abs(values).max()
        assert abs(np.linalg.eigvalsh(whole.astype(float)) - values).max() <= allowed
        assert abs(np.array(found) - values[[0, -1]]).max() <= allowed
    matrix[0, 1] = matrix[1, 0] = np.nan
    assert np.isnan(both(matrix)[1]).all()


def test_the_extremes_of_a_chain_of_springs(x64):
    """2 on the diagonal, -1 beside it: 2 - 2 cos(pi/(n + 1)) and 2 + 2 cos(pi/(n + 1))."""
    size = 20
    diagonal, off = jnp.full(size, 2.0), jnp.full(size - 1, -1.0)
    reach = 2 * np.cos(np.pi / (size + 1))
    np.testing.assert_allclose(extremes_of(diagonal, off), [2 - reach, 2 + reach], rtol=1e-13)
    found = np.asarray(top_vector_of(diagonal / 4, off / 4))
    places = np.arange(1, size + 1)
    wanted = np.sin(np.pi * places / (size + 1)) * (-1.0) ** places
    along = abs(found @ wanted) / np.linalg.norm(found) / np.linalg.norm(wanted)
    assert along == pytest.approx(1, abs=1e-14)
