"""Sharpness: three methods, closed forms and NumPy's eigenvalues agree, on and off the minima."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import eos_jax as eos
from eos_jax.curvature import (
    MOST_JACOBI,
    extreme_eigenvalues_at,
    largest_eigenvalue,
    minimum_nearby,
    power_iteration,
    residual_tolerance,
    sharpness_at,
    spectrum,
)
from eos_jax.objectives.fully_connected import initial_parameters
from tests import oracle

pytestmark = pytest.mark.slow

METHODS = ("exact", "power", "lanczos")
ALL_METHODS = ("auto", *METHODS)
long = functools.partial(pytest.param, marks=pytest.mark.long)  # a variant of what is tested anyway
both_precisions = pytest.mark.parametrize(
    "dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.long)]
)


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
    wrong = np.flatnonzero(-eigenvalues[:, 0] > 1.1 * eigenvalues[:, -1])[:5]
    assert len(wrong) == 5
    for i in wrong:
        matrix = jnp.asarray(oracle.product_hessian([*[params["x"][i]] * 2, *[params["y"][i]] * 2]))
        theirs, _ = optax.power_iteration(matrix, num_iters=2000, error_tolerance=1e-12)
        ours = eos.sharpness(paper, {n: v[i] for n, v in params.items()}, "power")
        assert float(theirs) == pytest.approx(eigenvalues[i, 0], rel=1e-6)
        assert float(ours) == pytest.approx(eigenvalues[i, -1], rel=1e-9)


@pytest.mark.parametrize(
    ("count", "method"),
    [
        *((3, method) for method in METHODS),
        (8, "exact"),
        *(long(count, method) for count in (2, 5, 7) for method in METHODS),
        *(long(8, method) for method in ("power", "lanczos")),
    ],
)
def test_free_scalars_of_any_number(method, count, rng, x64):
    """Below and above the size at which Jacobi gives way to LAPACK."""
    obj = eos.objectives.scalar_product(count)
    factors = rng.uniform(0.5, 1.5, (count, 20)) * rng.choice([-1, 1], (count, 20))
    want = [np.linalg.eigvalsh(oracle.product_hessian(f))[-1] for f in factors.T]
    found = eos.sharpness(obj, dict(zip(obj.parameters, factors)), method)
    np.testing.assert_allclose(found, want, rtol=1e-9)


@pytest.mark.parametrize("method", ["exact", long("power"), long("lanczos")])
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
@pytest.mark.parametrize("scale", [1e-100, long(1e-12), long(1e12), 1e100])
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


@pytest.mark.parametrize("limit", [long(1), 34, long(35)])
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


@pytest.mark.parametrize("method", ["exact", long("power"), long("lanczos")])
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


def test_unknown_methods_are_refused(paper):
    with pytest.raises(ValueError, match="one of auto, exact, power, lanczos, but got 'eig'"):
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


@pytest.mark.parametrize("size", [1, 2, 4, 7, long(3), long(6)])
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


# One choice of method -----------------------------------------------------------------------------


def diagonal_loss(spectrum):
    """1/2 sum s_i v_i^2, rotated at random, as an objective with one parameter v."""
    spectrum = np.asarray(spectrum, float)
    size = len(spectrum)
    basis, _ = np.linalg.qr(np.random.default_rng(size).normal(size=(size, size)))
    matrix = basis @ np.diag(spectrum) @ basis.T

    def quadratic(v):
        # no matrix product, whose bits may depend on the batch
        return 0.5 * jnp.sum(jnp.asarray(matrix, v.dtype) * v * v[:, None])

    return eos.objectives.from_function(quadratic, shapes={"v": (size,)}), matrix


def test_auto_keeps_the_bits_of_what_it_chooses(paper, points, x64):
    params, _ = points
    closed = jax.jit(jax.vmap(lambda p: jnp.max(jnp.stack(paper.eigenvalues(p)), axis=0)))
    np.testing.assert_array_equal(eos.sharpness(paper, params), closed(params))
    free = eos.objectives.scalar_product(4)
    lanes = dict(zip("xyzw", np.random.default_rng(3).uniform(-2, 2, (4, 300))))
    exact = jax.jit(lambda p: largest_eigenvalue(eos.hessian(free, p)))
    rows = [{n: v[i] for n, v in lanes.items()} for i in range(5)]
    found = eos.sharpness(free, lanes)
    np.testing.assert_array_equal(found, eos.sharpness(free, lanes, "exact"))
    np.testing.assert_allclose(found[:5], [exact(row) for row in rows], rtol=1e-14)


def test_auto_goes_to_lanczos_beyond_jacobi(x64):
    obj, matrix = diagonal_loss(np.linspace(-3, 2, MOST_JACOBI + 1))
    text = str(jax.make_jaxpr(lambda p: sharpness_at(obj, p))({"v": jnp.ones(len(matrix))}))
    assert "while" in text and "eigh" not in text
    assert float(eos.sharpness(obj, {"v": jnp.ones(len(matrix))})) == pytest.approx(2, rel=1e-12)


def test_no_method_gives_nothing(paper):
    found = eos.sharpness(paper, {"x": np.ones(3, np.float32), "y": np.ones(3, np.float32)}, None)
    assert found.shape == (3,) and found.dtype == np.float32 and np.isnan(found).all()


@pytest.mark.parametrize("settings", [{"tolerance": 0}, {"max_iterations": 0}, {"krylov": -1}])
def test_settings_that_are_not_positive_are_refused(paper, settings):
    with pytest.raises(ValueError, match=f"Argument `{next(iter(settings))}` must be positive"):
        eos.sharpness(paper, {"x": 1.0, "y": 1.0}, **settings)


@both_precisions
@pytest.mark.parametrize("method", ["auto", long("exact"), long("power"), long("lanczos")])
def test_one_point_traced_is_the_public_one(method, dtype, rng, x64):
    obj = eos.objectives.fully_connected((3, 4, 1), "tanh", data="gaussian", samples=6)
    params = {n: rng.normal(size=(7, *s)).astype(dtype) for n, s in zip(obj.parameters, obj.shapes)}
    found = jax.jit(jax.vmap(lambda p: extreme_eigenvalues_at(obj, p, method)))(params)
    dense = np.linalg.eigvalsh(np.asarray(eos.hessian(obj, params), float))
    allowed = {np.float32: 4e-4, np.float64: 2e-9}[dtype] * np.abs(dense).max(axis=1)
    for value, public, want in zip(
        found, eos.curvature.extreme_eigenvalues(obj, params, method), dense[:, [0, -1]].T
    ):
        assert value.dtype == public.dtype == dtype
        assert (np.abs(value - want) <= allowed).all()
        np.testing.assert_array_equal(value, public)


def test_the_lowest_eigenvalue_tells_saddles_from_minima(paper, x64):
    low, high = eos.curvature.extreme_eigenvalues(
        paper, {"x": np.array([2.0, 0.1]), "y": np.array([0.5, 0.1])}
    )
    np.testing.assert_allclose(low, [0, np.linalg.eigvalsh(HESSIAN_AT_SADDLE)[0]], atol=1e-12)
    np.testing.assert_allclose(high[0], 8.5, rtol=1e-14)


HESSIAN_AT_SADDLE = oracle.product_hessian([0.1, 0.1, 0.1, 0.1])


# Preconditioned -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [long("auto"), "exact", "lanczos", long("power")])
def test_scaled_eigenvalues(paper, method, rng, x64):
    """Those of P^-1 H, which is not symmetric and has the same ones."""
    x, y, a, b = rng.uniform(0.3, 2, (4, 20))
    low, high = eos.curvature.extreme_eigenvalues(
        paper, {"x": x, "y": y}, method, scale={"x": a, "y": b}
    )
    dense = np.array([oracle.product_hessian([p, p, q, q]) for p, q in zip(x, y)])
    values = np.linalg.eigvals(np.stack([a, a, b, b], axis=1)[:, :, None] * dense).real
    np.testing.assert_allclose(high, values.max(axis=1), rtol=1e-8)
    np.testing.assert_allclose(low, values.min(axis=1), rtol=1e-8, atol=1e-8)


def test_scales_broadcast_over_lanes_and_coordinates(rng, x64):
    obj = eos.objectives.fully_connected((3, 4, 1), "tanh", data="gaussian", samples=6)
    params = {n: rng.normal(size=(5, *s)) for n, s in zip(obj.parameters, obj.shapes)}
    one = eos.sharpness(obj, params, scale=dict.fromkeys(obj.parameters, 3.0))
    np.testing.assert_allclose(one, 3 * eos.sharpness(obj, params), rtol=1e-12)
    scale = {n: rng.uniform(0.5, 2, s) for n, s in zip(obj.parameters, obj.shapes)}
    factors = np.concatenate([scale[n].ravel() for n in obj.parameters]) ** 0.5
    dense = factors[:, None] * np.asarray(eos.hessian(obj, params)) * factors
    found = eos.sharpness(obj, params, scale=scale)
    np.testing.assert_allclose(found, np.linalg.eigvalsh(dense)[:, -1], rtol=1e-12)


def test_unknown_names_of_scales_are_refused(paper):
    with pytest.raises(ValueError, match="Argument `scale` must give the parameters"):
        eos.sharpness(paper, {"x": 1.0, "y": 1.0}, scale={"x": 1.0})


# Lanczos ------------------------------------------------------------------------------------------

SPECTRA = {
    "random": np.sort(np.random.default_rng(5).normal(size=100)),
    "clustered": np.concatenate([np.linspace(-1, 0.9, 90), 1 - 1e-6 * np.arange(10)]),
    "clustered below": np.concatenate([-1 - 1e-5 * np.arange(50), 0.3 + 1e-3 * np.arange(50)]),
    "equal": np.full(100, 3.0),
    "zero": np.zeros(100),
    "negative definite": -np.geomspace(1e-3, 10, 100),
    "rank one": np.append(np.zeros(99), 7.0),
    "rank one, negative": np.append(np.zeros(99), -7.0),
    "graded": np.geomspace(1e-8, 1e2, 100),
    "large and negative": np.append(np.linspace(0, 1, 99), -1e4),
}


@functools.cache
def lanczos_of(dtype):
    """A function: the extreme eigenvalues of a matrix, compiled once for all spectra."""

    def extremes(matrix):
        def quadratic(full):
            (v,) = full["v"]
            return 0.5 * jnp.sum(matrix * v * v[:, None])

        obj = eos.objectives.Objective("quadratic", quadratic, ("v",), (1,), ((100,),))
        return extreme_eigenvalues_at(obj, {"v": jnp.ones(100, dtype)}, "lanczos")

    return jax.jit(extremes)


@both_precisions
@pytest.mark.parametrize("name", SPECTRA)
def test_lanczos_on_known_spectra(name, dtype, x64):
    spectrum = SPECTRA[name]
    _, matrix = diagonal_loss(spectrum)
    low, high = lanczos_of(dtype)(jnp.asarray(matrix, dtype))
    # the promise: the residual of an eigenvector bounds the eigenvalue's error
    allowed = 2 * residual_tolerance(dtype) * np.abs(spectrum).max()
    assert abs(float(high) - spectrum.max()) <= allowed
    assert abs(float(low) - spectrum.min()) <= allowed


def test_an_eigenvalue_that_is_not_found_is_not_returned(x64):
    """Two products cannot find the top of a hundred; neither may what they give be believed."""
    obj, _ = diagonal_loss(SPECTRA["random"])
    point = {"v": jnp.ones(100)}
    assert np.isnan(eos.sharpness(obj, point, "lanczos", krylov=2, max_iterations=3))
    assert np.isfinite(eos.sharpness(obj, point, "lanczos", krylov=2))


def test_a_krylov_space_larger_than_needed_loses_nothing(x64):
    """Rows that are not kept orthogonal come back as copies of the top eigenvector, which cancel.

    A network's Hessian is such a one: some eigenvalues, and then hardly anything.
    """
    falling = jnp.asarray(0.1 ** np.arange(100.0))
    search = spectrum._Search("lanczos", None, None, 32)

    def spent(seed):
        return spectrum._top(lambda v: falling * v, jnp.ones(100), search, "lanczos", seed)

    found = jax.jit(jax.vmap(spent))(jnp.arange(64))
    np.testing.assert_array_equal(found.iterations, 33)
    np.testing.assert_allclose(found.eigenvalue, 1, rtol=1e-15)


@pytest.mark.parametrize("method", ["power", "lanczos"])
def test_lanes_that_are_not_finite_hold_nobody_up(method, x64):
    """Products spent, not time: a lane without a Hessian stops at the first look."""
    _, matrix = diagonal_loss(SPECTRA["random"])

    def spent(factor):
        product = lambda v: factor * jnp.sum(jnp.asarray(matrix) * v, axis=1)  # noqa: E731
        search = spectrum._Search(method, None, None, 32)
        return spectrum._top(product, jnp.ones(100), search, method)

    found = jax.jit(jax.vmap(spent))(jnp.array([jnp.nan, jnp.inf, 1.0]))
    assert (found.iterations[:2] <= 33).all()
    assert list(found.converged) == [False, False, True]


# Eigenvectors -------------------------------------------------------------------------------------


@both_precisions
@pytest.mark.parametrize("method", [long("exact"), "lanczos", long("power")])
def test_top_eigenpairs(method, dtype, rng, x64):
    obj = eos.objectives.fully_connected((3, 4, 1), "tanh", data="gaussian", samples=6)
    params = {n: rng.normal(size=(4, *s)).astype(dtype) for n, s in zip(obj.parameters, obj.shapes)}
    values, vectors = eos.curvature.top_eigenpairs(obj, params, 3, method)
    assert values.shape == (4, 3) and vectors.shape == (4, 3, 21) and values.dtype == dtype
    dense = np.asarray(eos.hessian(obj, params), float)
    want = np.linalg.eigvalsh(dense)
    norm = np.abs(want).max(axis=1)[:, None]
    allowed = 10 * np.finfo(dtype).eps ** 0.5
    assert (np.abs(values - want[:, :-4:-1]) <= allowed * norm).all()
    residual = np.einsum("lij,lkj->lki", dense, vectors) - values[..., None] * vectors
    assert (np.linalg.norm(residual, axis=2) <= allowed * norm).all()
    gram = np.einsum("lki,lji->lkj", vectors, vectors)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=allowed * 10)


@pytest.mark.parametrize("method", ["exact", "lanczos"])
def test_equal_eigenvalues_have_vectors_of_their_own(method, x64):
    obj, _ = diagonal_loss([5.0, 5.0, 5.0, 1.0, -2.0, -3.0, -3.0])
    values, vectors = eos.curvature.top_eigenpairs(obj, {"v": jnp.ones(7)}, 7, method)
    np.testing.assert_allclose(values, [5, 5, 5, 1, -2, -3, -3], rtol=1e-7)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(7), atol=1e-6)


def test_top_eigenpairs_beyond_jacobi(x64):
    obj, matrix = diagonal_loss(SPECTRA["random"])
    values, vectors = eos.curvature.top_eigenpairs(obj, {"v": jnp.ones(100)}, 4)
    np.testing.assert_allclose(values, SPECTRA["random"][:-5:-1], rtol=1e-9)
    np.testing.assert_allclose(vectors @ matrix, values[:, None] * vectors, atol=1e-6)


def test_alignment_at_the_minima(paper, rng, x64):
    """The top eigenvector at a minimum is (y, y, x, x), whatever the copies."""
    x, a, b = rng.uniform(0.5, 2, (3, 10))
    y = 1 / x
    found = eos.curvature.alignment(paper, {"x": x, "y": y}, {"x": a, "y": b})
    want = np.abs(a * y + b * x) / np.hypot(a, b) / np.hypot(x, y)
    np.testing.assert_allclose(found, want, rtol=1e-12)
    np.testing.assert_allclose(
        eos.curvature.alignment(paper, {"x": x, "y": y}, {"x": y, "y": x}, "lanczos"), 1, rtol=1e-12
    )
    assert np.isnan(eos.curvature.alignment(paper, {"x": 2.0, "y": 0.5}, {"x": 0.0, "y": 0.0}))


@pytest.mark.parametrize("k", [0, 5])
def test_as_many_eigenpairs_as_there_are(paper, k):
    with pytest.raises(ValueError, match=f"from 1 to 4, .*, but got {k}"):
        eos.curvature.top_eigenpairs(paper, {"x": 1.0, "y": 1.0}, k)


# Derivatives --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("multiplicities", "method"),
    [
        *(((2, 2), method) for method in ALL_METHODS),
        *(long(which, method) for which in ((2, 1, 1), 7) for method in ALL_METHODS),
    ],
)
def test_the_slope_of_sharpness(multiplicities, method, rng, x64):
    """Against differences, and v^T dH v of NumPy's eigenvector."""
    obj = eos.objectives.scalar_product(multiplicities)
    params = dict(zip(obj.parameters, rng.uniform(0.7, 1.6, len(obj.parameters))))
    found = jax.grad(lambda p: eos.sharpness(obj, p, method))(params)
    vector = np.linalg.eigh(eos.hessian(obj, params))[1][:, -1]
    for name, value in params.items():
        step = 1e-5
        up, down = ({**params, name: value + s} for s in (step, -step))
        want = (eos.sharpness(obj, up, "exact") - eos.sharpness(obj, down, "exact")) / (2 * step)
        assert float(found[name]) == pytest.approx(float(want), rel=1e-6, abs=1e-7)
        change = (eos.hessian(obj, up) - eos.hessian(obj, down)) / (2 * step)
        assert float(found[name]) == pytest.approx(
            float(vector @ change @ vector), rel=1e-6, abs=1e-7
        )


def test_the_slope_where_nothing_is_left_to_annul(x64):
    """A diagonal Hessian, diag(6 a, 2): the rotations themselves would give 0/0."""
    obj = eos.objectives.from_function(lambda a, b: a**3 + b * b)
    slope = jax.grad(lambda p: eos.sharpness(obj, p))({"a": 2.0, "b": 0.0})
    assert float(slope["a"]) == pytest.approx(6, rel=1e-12) and float(slope["b"]) == 0


# The minimum nearby -------------------------------------------------------------------------------


@pytest.mark.parametrize("eta", [0.01, 0.003])
@pytest.mark.parametrize("side", [-1, 1])
def test_sharpness_at_the_end_of_an_orbit(paper, eta, side, x64):
    """2/eta - S = eta/2, measured to 1e-3 of itself from a point with loss 1e-12."""
    total = (2 / eta - eta / 2) / 2  # x^2 + y^2 where x y = 1
    x = np.sqrt((total + np.sqrt(total**2 - 4)) / 2)
    normal = np.array([1 / x, x]) / np.hypot(x, 1 / x)
    away = side * np.sqrt(2e-12) / (2 * np.hypot(x, 1 / x))  # slope of x^2 y^2 - 1 along it
    point = {"x": x + away * normal[0], "y": 1 / x + away * normal[1]}
    assert float(eos.loss(paper, point)) == pytest.approx(1e-12, rel=1e-3)
    gap = 2 / eta - float(eos.sharpness(paper, point))
    assert abs(gap - eta / 2) > 1e-3 * eta / 2  # as it is, the point is no use
    found = jax.jit(lambda p: minimum_nearby(paper, p))(point)
    assert 2 / eta - float(eos.sharpness(paper, found)) == pytest.approx(eta / 2, rel=1e-3)


@pytest.mark.parametrize(
    "multiplicities", [(2, 2), long((1, 2)), long(4), (2, 1, 1), (4,), long((3, 2))]
)
def test_from_the_normal_to_the_minimum(multiplicities, rng, x64):
    """The nearest minimum, along the normal, and not one further along the valley."""
    obj = eos.objectives.scalar_product(multiplicities)
    count = np.array(obj.copies)
    values = rng.uniform(0.6, 1.6, (30, len(count)))
    values[:, -1] = np.prod(values[:, :-1] ** count[:-1], axis=1) ** (-1 / count[-1])
    normal = 1 / values  # of the product, in the full space; equal for copies
    normal /= np.sqrt((count * normal**2).sum(axis=1))[:, None]
    points = dict(zip(obj.parameters, (values + 1e-6 * normal).T))
    found = jax.jit(jax.vmap(lambda p: minimum_nearby(obj, p)))(points)
    found = np.stack([found[n] for n in obj.parameters], axis=1)
    assert np.abs(found - values).max() < 1e-10
    assert np.abs(np.prod(found**count, axis=1) - 1).max() < 1e-14


def test_single_precision_moves_across_the_valley(paper):
    point = {"x": jnp.float32(2.0), "y": jnp.float32(0.501)}
    found = minimum_nearby(paper, point)
    assert found["x"].dtype == jnp.float32
    assert abs(float(found["x"] * found["y"]) - 1) < 3e-7
    # along the normal (y, x), by the excess of the product over its slope
    assert abs(float(found["x"]) - 2 + 2e-3 * 0.5 / 4.25) < 2e-5


def test_an_isolated_minimum_is_reached(rng, x64):
    centre = rng.normal(size=40)
    spectrum = np.geomspace(1e-2, 1, 40)

    def quadratic(v):
        return 0.5 * jnp.sum(jnp.asarray(spectrum) * (v - jnp.asarray(centre)) ** 2)

    obj = eos.objectives.from_function(quadratic, shapes={"v": (40,)})
    found = minimum_nearby(obj, {"v": jnp.asarray(centre + 1e-2 * rng.normal(size=40))})
    np.testing.assert_allclose(found["v"], centre, atol=1e-9)


def test_a_network_comes_closer(x64):
    obj = eos.objectives.fully_connected((3, 4, 1), "tanh", data="gaussian", samples=6)
    start = initial_parameters(obj, jax.random.key(2))
    near = eos.simulate(obj, start, 0.2, 300)
    found = minimum_nearby(obj, near)
    before, after = (
        sum(float(jnp.sum(g**2)) for g in eos.gradient(obj, p).values()) for p in (near, found)
    )
    assert 0 < after < before and before > 1e-20
    assert float(eos.loss(obj, found)) <= float(eos.loss(obj, near))


@pytest.mark.parametrize(
    "point",
    [(0.0, 0.0), (jnp.nan, 1.0), (jnp.inf, 1.0), (0.1, 0.1), (2.0, 2.0), (1.0, 1.0)],
    ids=["saddle", "nan", "inf", "no positive curvature", "far", "minimum"],
)
def test_points_that_are_returned_as_they_were(paper, point, x64):
    x, y = point
    found = jax.jit(lambda p: minimum_nearby(paper, p))({"x": jnp.array(x), "y": jnp.array(y)})
    np.testing.assert_array_equal([found["x"], found["y"]], point)


def test_the_minimum_nearby_has_the_same_bits_in_any_batch(paper, rng, x64):
    x = rng.uniform(0.5, 2, 37)
    points = {"x": x, "y": 1 / x + rng.normal(size=37) * 1e-5}
    run = jax.jit(jax.vmap(lambda p: minimum_nearby(paper, p)))
    whole = run(points)
    for size in (1, 3, 16):
        part = run({n: v[:size] for n, v in points.items()})
        for name in "xy":
            np.testing.assert_array_equal(part[name], whole[name][:size])
