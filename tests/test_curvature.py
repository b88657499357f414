"""Sharpness: three methods, closed forms and NumPy's eigenvalues agree, on and off the minima."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import eos_jax as eos
from eos_jax.curvature import largest_eigenvalue, power_iteration
from tests import oracle

METHODS = ("exact", "power", "lanczos")


@pytest.fixture(scope="module")
def points():
    """1000 points off the manifold of minima, and the eigenvalues there from the plain Hessian."""
    x, y = np.random.default_rng(1).uniform(-3, 3, (2, 1000))
    dense = np.array([oracle.product_hessian([a, a, b, b]) for a, b in zip(x, y)])
    return {"x": x, "y": y}, np.linalg.eigvalsh(dense)


def test_the_points_are_a_test(points):
    """The smallest eigenvalue is the larger in modulus at many, so a plain power method fails."""
    params, eigenvalues = points
    assert (np.abs(params["x"] * params["y"]) - 1).min() < 0 < oracle.loss(*params.values()).min()
    assert np.sum(-eigenvalues[:, 0] > eigenvalues[:, -1]) > 50


# Bounds on the eigenvalue's relative error. LAPACK and Jacobi are backward stable, so some
# roundings of |H|, which may be 100 times the sharpness here; a power iteration that stops at a
# residual of 1.5e-8 |H| has an error of its square over the gap.
@pytest.mark.parametrize("method", METHODS)
def test_methods_agree_with_numpy(paper, points, method, x64):
    params, eigenvalues = points
    found = np.asarray(eos.sharpness(paper, params, method))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, eigenvalues[:, -1], rtol=1e-9)


def test_the_closed_form_agrees_with_numpy(paper, points, x64):
    params, eigenvalues = points
    closed = np.sort(np.stack(paper.eigenvalues(params)), axis=0).T
    np.testing.assert_allclose(closed, eigenvalues, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(oracle.sharpness(*params.values()), eigenvalues[:, -1], rtol=1e-9)


def test_the_eigenvalues_printed_in_the_paper_need_their_erratum(points):
    """l3, l4 are printed with 1 - g; they are 1 - g^2."""
    params, eigenvalues = points
    x, y = params.values()
    missing = [
        np.abs(eigenvalues - (x * x * (1 - power))[:, None]).min(axis=1)
        for power in (x * y, (x * y) ** 2)
    ]
    assert missing[0].max() > 0.1
    assert missing[1].max() < 1e-11


def test_the_power_iteration_of_optax_is_another_thing(paper, points, x64):
    """It returns the eigenvalue largest in modulus; ours the largest, at the same points."""
    params, eigenvalues = points
    wrong = np.flatnonzero(-eigenvalues[:, 0] > 1.1 * eigenvalues[:, -1])[:20]
    assert len(wrong) == 20
    for i in wrong:
        matrix = jnp.asarray(oracle.product_hessian([*[params["x"][i]] * 2, *[params["y"][i]] * 2]))
        theirs, _ = optax.power_iteration(matrix, num_iters=2000, error_tolerance=1e-12)
        ours = eos.sharpness(paper, {n: v[i] for n, v in params.items()}, "power")
        assert float(theirs) == pytest.approx(eigenvalues[i, 0], rel=1e-6)
        assert float(ours) == pytest.approx(eigenvalues[i, -1], rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [2, 3, 5, 7, 8])
def test_free_scalars_of_any_number(method, count, rng, x64):
    """Below and above the size at which Jacobi gives way to LAPACK."""
    obj = eos.objectives.scalar_product(count)
    factors = rng.uniform(0.5, 1.5, (count, 20)) * rng.choice([-1, 1], (count, 20))
    want = [np.linalg.eigvalsh(oracle.product_hessian(f))[-1] for f in factors.T]
    found = eos.sharpness(obj, dict(zip(obj.parameters, factors)), method)
    np.testing.assert_allclose(found, want, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_sharpness_at_a_minimum_is_the_sum_of_inverse_squares(method, rng, x64):
    obj = eos.objectives.scalar_product(4)
    factors = rng.uniform(0.5, 2, (4, 50))
    factors[3] = 1 / factors[:3].prod(axis=0)
    found = eos.sharpness(obj, dict(zip("xyzw", factors)), method)
    np.testing.assert_allclose(found, (1 / factors**2).sum(axis=0), rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_negative_definite_hessian(method, x64):
    """The largest of (-5, -2, -1) is -1, the smallest in modulus."""
    scale = jnp.array([5.0, 2.0, 1.0])
    obj = eos.objectives.from_function(lambda v: -0.5 * jnp.sum(scale * v * v), shapes={"v": (3,)})
    assert float(eos.sharpness(obj, {"v": jnp.ones(3)}, method)) == pytest.approx(-1, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_flat_loss_has_no_sharpness(method, x64):
    obj = eos.objectives.from_function(lambda a, b: 2.0 * a - b)
    assert float(eos.sharpness(obj, {"a": 1.0, "b": 2.0}, method)) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-100, 1e-12, 1e12, 1e100])
def test_sharpness_scales_with_the_loss(method, scale, x64):
    obj = eos.objectives.from_function(lambda a, b: scale * (a * a + 3 * a * b - b * b))
    # eigenvalues of [[2, 3], [3, -2]] are +- sqrt(13)
    found = float(eos.sharpness(obj, {"a": 0.3, "b": -1.0}, method))
    assert found == pytest.approx(scale * 13**0.5, rel=1e-9)


def test_single_precision(paper, points):
    params, eigenvalues = points
    single = {n: v.astype(np.float32) for n, v in params.items()}
    for method in METHODS:
        found = np.asarray(eos.sharpness(paper, single, method))
        assert found.dtype == np.float32
        # some roundings of the Hessian's norm, which may exceed the sharpness; the power iteration
        # stops at a residual of the root of the resolution, the bound where eigenvalues cluster
        allowed = (4e-4 if method == "power" else 3e-6) * np.abs(eigenvalues).max(axis=1)
        assert (np.abs(found - eigenvalues[:, -1]) <= allowed).all(), method


@pytest.mark.parametrize("limit", [1, 34, 35])
def test_a_power_iteration_that_did_not_converge_says_so(paper, limit, x64):
    params = {"x": jnp.array([2.0, 2.0]), "y": jnp.array([0.3, 0.9])}
    assert np.isnan(eos.sharpness(paper, params, "power", max_iterations=limit)).all()
    assert np.isfinite(eos.sharpness(paper, params, "power")).all()


def test_power_iteration_reports_its_residual_truthfully(rng, x64):
    matrix = rng.normal(size=(12, 12))
    matrix = jnp.asarray(matrix + matrix.T)
    result = power_iteration(lambda v: matrix @ v, jnp.ones(12), tolerance=1e-10)
    assert bool(result.converged)
    residual = matrix @ result.vector - result.eigenvalue * result.vector
    assert np.linalg.norm(residual) <= 2e-10 * np.linalg.norm(matrix, 2)
    assert float(jnp.linalg.norm(result.vector)) == pytest.approx(1, rel=1e-14)
    assert float(result.eigenvalue) == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=1e-12)


def test_what_is_not_finite_has_no_sharpness(paper, x64):
    params = {"x": jnp.array([jnp.nan, jnp.inf, 1.0]), "y": jnp.array([1.0, 1.0, 1.0])}
    for method in METHODS:
        found = np.asarray(eos.sharpness(paper, params, method))
        assert np.isnan(found[:2]).all(), method
        assert found[2] == pytest.approx(4, rel=1e-9), method


# Shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_lanes_may_have_any_shape(paper, method, rng, x64):
    x, y = rng.uniform(0.5, 2, (3, 1)), rng.uniform(0.5, 2, 4)
    found = eos.sharpness(paper, {"x": x, "y": y}, method)
    assert found.shape == (3, 4)
    for i, j in np.ndindex(3, 4):
        one = eos.sharpness(paper, {"x": x[i, 0], "y": y[j]}, method)
        assert one.shape == ()
        np.testing.assert_allclose(found[i, j], one, rtol=1e-9)


def test_more_lanes_than_a_tile(paper, rng, x64):
    x, y = rng.uniform(-2, 2, (2, 2500))
    np.testing.assert_allclose(
        eos.sharpness(paper, {"x": x, "y": y}), oracle.sharpness(x, y), rtol=1e-9
    )


def test_sharpness_is_differentiable_and_jittable(paper, x64):
    """At a minimum 2 (x^2 + y^2), but its slope is not that formula's: against differences."""
    value = jax.jit(lambda x: eos.sharpness(paper, {"x": x, "y": 0.7}))
    step = 1e-5
    want = (value(1.3 + step) - value(1.3 - step)) / (2 * step)
    exact = jax.grad(lambda x: jnp.max(jnp.stack(paper.eigenvalues({"x": x, "y": 0.7}))))(1.3)
    assert float(exact) == pytest.approx(float(want), rel=1e-7)


def test_unknown_methods_are_refused(paper):
    with pytest.raises(ValueError, match="one of exact, power, lanczos, but got 'eig'"):
        eos.sharpness(paper, {"x": 1.0, "y": 1.0}, "eig")


def test_wrong_names_are_refused(paper):
    for function in (eos.sharpness, eos.hessian, eos.loss, eos.gradient):
        with pytest.raises(ValueError, match="parameters `x`, `y` of scalar_product, but got `x`"):
            function(paper, {"x": 1.0})


# Hessians ----------------------------------------------------------------------------------------


def test_hessian_entry_by_entry(rng, x64):
    obj = eos.objectives.scalar_product((2, 1, 1))
    x, y, z = rng.uniform(-2, 2, 3)
    found = eos.hessian(obj, {"x": x, "y": y, "z": z})
    np.testing.assert_allclose(found, oracle.product_hessian([x, x, y, z]), rtol=1e-13, atol=1e-13)


def test_hessian_keeps_the_order_of_parameters(rng, x64):
    """x, y, z, w, not the alphabet's w, x, y, z."""
    for count in (4, 11):
        obj = eos.objectives.scalar_product(count)
        factors = rng.uniform(0.5, 1.5, count)
        params = dict(zip(obj.parameters, factors))
        want = oracle.product_hessian(factors)
        np.testing.assert_allclose(eos.hessian(obj, params), want, rtol=1e-12)
        vector = rng.normal(size=count)
        found = eos.hessian_vector_product(obj, params, vector)
        np.testing.assert_allclose(found, want @ vector, rtol=1e-10)


def test_hessian_of_lanes(paper, rng, x64):
    x, y = rng.uniform(-2, 2, (2, 3, 5))
    found = eos.hessian(paper, {"x": x, "y": y})
    assert found.shape == (3, 5, 4, 4)
    want = oracle.product_hessian([x[2, 1], x[2, 1], y[2, 1], y[2, 1]])
    np.testing.assert_allclose(found[2, 1], want, rtol=1e-13, atol=1e-13)


@given(vector=arrays(float, 4, elements=st.floats(-10, 10)), seed=st.integers(0, 100))
def test_products_are_those_with_the_hessian(vector, seed):
    paper = eos.objectives.scalar_product((2, 2))
    x, y = np.random.default_rng(seed).uniform(-2, 2, 2)
    with jax.enable_x64(True):
        found = eos.hessian_vector_product(paper, {"x": x, "y": y}, vector)
    want = oracle.product_hessian([x, x, y, y]) @ vector
    np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-11)


# The largest eigenvalue of one matrix ------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 7])
def test_jacobi_and_lapack_agree(size, rng, x64):
    """Graded, degenerate, rank-one and zero matrices."""
    dense = rng.normal(size=(200, size, size))
    dense += dense.swapaxes(1, 2)
    grade = 10.0 ** rng.uniform(-4, 4, (100, size))
    graded = dense[:100] * grade[:, None] * grade[:, :, None]
    vector = rng.normal(size=(50, size))
    cases = [
        dense,
        graded,
        vector[:, None] * vector[:, :, None],
        np.eye(size)[None],
        np.ones((1, size, size)),
        np.zeros((1, size, size)),
    ]
    matrices = np.concatenate(cases)
    found = jax.jit(jax.vmap(largest_eigenvalue))(matrices)
    want = np.linalg.eigvalsh(matrices)
    # backward stable: an error of some roundings of the norm
    allowed = 1e-14 * size * np.abs(want).max(axis=1)
    assert (np.abs(found - want[:, -1]) <= allowed).all()


compiled_largest_eigenvalue = jax.jit(largest_eigenvalue)


@given(
    entries=arrays(float, 10, elements=st.floats(-1e3, 1e3, allow_subnormal=False)),
    order=st.permutations(range(4)),
)
def test_the_largest_eigenvalue_does_not_depend_on_the_order_of_axes(entries, order):
    matrix = np.zeros((4, 4))
    matrix[np.triu_indices(4)] = entries
    matrix += np.triu(matrix, 1).T
    with jax.enable_x64(True):
        one = float(compiled_largest_eigenvalue(matrix))
        two = float(compiled_largest_eigenvalue(matrix[np.ix_(order, order)]))
    assert abs(one - two) <= 1e-13 * max(np.linalg.norm(matrix), 1e-290)
