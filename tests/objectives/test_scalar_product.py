"""The paper's family against plain formulas: identities, symmetries, coupled and free."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eos_jax as eos
from tests import oracle

factor = st.floats(0.2, 2.0) | st.floats(-2.0, -0.2)


def point(obj, values):
    return dict(zip(obj.parameters, values))


def array(obj, params):
    """The parameters in their order, which a dict that went through JAX need not keep."""
    return np.array([params[n] for n in obj.parameters])


def one_step(obj, params, eta):
    return eos.simulate(obj, params, eta, steps=1)


@pytest.mark.parametrize("count", range(2, 9))
def test_imbalance_identity(count, rng, x64):
    """x_i'^2 - x_j'^2 = (x_i^2 - x_j^2) (1 - eta^2 r^2 P^2 / (x_i^2 x_j^2)), exactly."""
    obj = eos.objectives.scalar_product(count)
    for _ in range(10):
        before = rng.uniform(0.6, 1.4, count) * rng.choice([-1, 1], count)
        eta = rng.uniform(0.05, 0.3)
        after = array(obj, one_step(obj, point(obj, before), eta))
        product = before.prod()
        residual = product - 1
        for i in range(count):
            for j in range(i):
                factor = 1 - (eta * residual * product / (before[i] * before[j])) ** 2
                want = (before[i] ** 2 - before[j] ** 2) * factor
                # relative to the squares that are subtracted
                scale = max(after[i] ** 2, after[j] ** 2, before[i] ** 2, before[j] ** 2)
                assert after[i] ** 2 - after[j] ** 2 == pytest.approx(want, abs=1e-12 * scale)


def test_the_coupled_step_of_the_paper(paper, rng, x64):
    """x' = x - eta x y^2 (x^2 y^2 - 1), not the reduced function's, which is twice as long."""
    for x, y, eta in rng.uniform(0.1, 2, (20, 3)):
        end = one_step(paper, {"x": x, "y": y}, eta)
        assert float(end["x"]) == pytest.approx(x - eta * x * y**2 * (x**2 * y**2 - 1), rel=1e-13)
        assert float(end["y"]) == pytest.approx(y - eta * x**2 * y * (x**2 * y**2 - 1), rel=1e-13)
        reduced = jax.grad(lambda x, y: 0.5 * (1 - x**2 * y**2) ** 2)(x, y)
        slope = eos.gradient(paper, {"x": x, "y": y})["x"]
        assert float(reduced) == pytest.approx(2 * float(slope), rel=1e-12)


@pytest.mark.parametrize(
    ("multiplicities", "step"),
    [
        ((1, 1), lambda x, y, e: (x - e * y * (x * y - 1), y - e * x * (x * y - 1))),
        ((1, 2), lambda x, y, e: (x - e * y**2 * (x * y**2 - 1), y - e * x * y * (x * y**2 - 1))),
        ((4,), lambda u, _, e: (u - e * (u**4 - 1) * u**3,)),
        ((3,), lambda u, _, e: (u - e * (u**3 - 1) * u**2,)),
    ],
)
def test_other_coupled_steps(multiplicities, step, rng, x64):
    obj = eos.objectives.scalar_product(multiplicities)
    for x, y, eta in rng.uniform(0.1, 1.5, (10, 3)):
        end = one_step(obj, point(obj, (x, y)), eta)
        np.testing.assert_allclose(array(obj, end), step(x, y, eta), rtol=1e-12)


@pytest.mark.parametrize("multiplicities", [(2, 2), (1, 2), (2, 3), (4,), (2, 1, 1)])
def test_coupled_descent_is_free_descent_from_equal_starts(multiplicities, x64):
    """(x, y) with two copies each walks as (x, x, y, y) does, to rounding."""
    coupled = eos.objectives.scalar_product(multiplicities)
    free = eos.objectives.scalar_product(sum(multiplicities))
    start = point(coupled, (1.3, 0.6, 1.1))
    spread = [start[n] for n, m in zip(coupled.parameters, coupled.copies) for _ in range(m)]
    spread = point(free, spread)
    assert float(eos.loss(coupled, start)) == pytest.approx(
        float(eos.loss(free, spread)), rel=1e-14
    )
    assert float(eos.sharpness(coupled, start)) == pytest.approx(
        float(eos.sharpness(free, spread)), rel=1e-12
    )
    few = eos.simulate(coupled, start, 0.1, 60)  # calm: errors do not grow
    many = array(free, eos.simulate(free, spread, 0.1, 60))
    want = [few[n] for n, m in zip(coupled.parameters, coupled.copies) for _ in range(m)]
    np.testing.assert_allclose(many, want, rtol=1e-12)


@given(factors=st.lists(factor, min_size=2, max_size=8), data=st.data())
def test_permutation_symmetry(factors, data):
    order = list(data.draw(st.permutations(range(len(factors)))))
    factors = np.array(factors)
    obj = eos.objectives.scalar_product(len(factors))
    with jax.enable_x64(True):
        one = array(obj, eos.gradient(obj, point(obj, factors)))
        two = array(obj, eos.gradient(obj, point(obj, factors[order])))
    np.testing.assert_allclose(two, one[order], rtol=1e-11, atol=1e-13 * np.abs(one).max())


@pytest.mark.parametrize("count", [2, 4, 7])
def test_flipping_two_signs_flips_their_orbits(count, rng, x64):
    """An even number of flips leaves the product alone; rounding commutes with signs: exactly."""
    obj = eos.objectives.scalar_product(count)
    factors = rng.uniform(0.4, 1.6, (count, 200))
    flips = rng.choice([-1, 1], (count, 200))
    flips[0] *= flips.prod(axis=0)
    one = array(obj, eos.iterate(obj, point(obj, factors), 0.2, 20))
    two = array(obj, eos.iterate(obj, point(obj, flips * factors), 0.2, 20))
    assert np.array_equal(two, flips * one, equal_nan=True)
    odd = array(
        obj, eos.iterate(obj, point(obj, -np.eye(count)[:, :1] * 2 * factors + factors), 0.2, 20)
    )
    assert not np.allclose(np.abs(odd), np.abs(one))  # an odd number does not


@given(factors=st.lists(factor, min_size=1, max_size=8))
def test_loss_and_gradient_are_the_plain_formula(factors):
    obj = eos.objectives.scalar_product(len(factors))
    params = point(obj, factors)
    with jax.enable_x64(True):
        value = float(eos.loss(obj, params))
        slope = array(obj, eos.gradient(obj, params))
    product = np.prod(factors)
    # relative to what the residual is the difference of
    assert value == pytest.approx(0.5 * (1 - product) ** 2, abs=1e-14 * (1 + abs(product)) ** 2)
    want = oracle.product_gradient(np.array(factors)[:, None])[:, 0]
    scale = (1 + abs(product)) * np.abs(product / np.array(factors))
    assert (np.abs(slope - want) <= 1e-14 * len(factors) * scale).all()


def test_zero_coordinates_are_no_exception(x64):
    """P/x_i is formed without dividing, so saddles at the origin have gradients and eigenvalues."""
    obj = eos.objectives.scalar_product((2, 3))
    params = {"x": 0.0, "y": 0.0}
    assert [float(v) for v in eos.gradient(obj, params).values()] == [0, 0]
    assert [float(v) for v in obj.eigenvalues(params)] == [0] * 5
    two = eos.objectives.scalar_product((1, 1))
    assert sorted(float(v) for v in two.eigenvalues(params)) == [-1, 1]  # the saddle of xy


@pytest.mark.parametrize(
    ("multiplicities", "parameters", "copies"),
    [
        ((2, 2), ("x", "y"), (2, 2)),
        ([2, 2], ("x", "y"), (2, 2)),
        (4, ("x", "y", "z", "w"), (1,) * 4),
        (1, ("x",), (1,)),
        (5, ("x1", "x2", "x3", "x4", "x5"), (1,) * 5),
        ((1, 2, 3, 1, 1), ("x1", "x2", "x3", "x4", "x5"), (1, 2, 3, 1, 1)),
        (np.int64(3), ("x", "y", "z"), (1,) * 3),
    ],
)
def test_names_and_copies(multiplicities, parameters, copies):
    obj = eos.objectives.scalar_product(multiplicities)
    assert (obj.parameters, obj.copies, obj.floor) == (parameters, copies, 0.0)


@pytest.mark.parametrize(
    "bad", [0, -1, (), (2, 0), (2, -2), 2.0, (2, 2.0), "22", True, None, (2, True)]
)
def test_multiplicities_that_cannot_be_are_refused(bad):
    with pytest.raises(
        ValueError, match="`multiplicities` must be a positive integer or a sequence"
    ):
        eos.objectives.scalar_product(bad)


def test_equal_settings_are_one_object():
    """So that compiled programs are found again."""
    one = eos.objectives.scalar_product((2, 2))
    assert one is eos.objectives.scalar_product([2, 2])
    assert one is eos.objectives.make("scalar_product", multiplicities=[2, 2])
    assert one is not eos.objectives.scalar_product((2, 1))


def test_settings_that_only_compare_equal_are_not_taken_for_each_other():
    """1 == True == 1.0, but only one of them is a number of copies; even when asked for before."""
    eos.objectives.scalar_product(1)
    eos.objectives.scalar_product((1, 2))
    for bad in (True, 1.0, (True, 2), (1, 2.0)):
        with pytest.raises(ValueError, match="`multiplicities` must be"):
            eos.objectives.scalar_product(bad)


def test_gradients_come_in_the_order_of_parameters():
    obj = eos.objectives.scalar_product(4)
    assert list(eos.gradient(obj, point(obj, [1.0, 2.0, 3.0, 4.0]))) == ["x", "y", "z", "w"]
    lanes = point(obj, np.ones((4, 3)))
    assert list(eos.gradient(obj, lanes)) == ["x", "y", "z", "w"]


@pytest.mark.parametrize("multiplicities", [(2, 2), 3, (1, 2)])
def test_another_target_moves_the_hyperbola(multiplicities, rng, x64):
    """1/2 (product - target)^2: label noise is another target at every step."""
    obj = eos.objectives.scalar_product(multiplicities)
    assert dict(obj.data) == {"target": 1.0}
    params = {name: np.float64(rng.uniform(0.5, 2)) for name in obj.parameters}
    full = eos.objectives.lift(obj, params)
    product = np.prod([value for copies in full.values() for value in copies])
    for target in (1.0, -0.3, 2.5):
        found = jax.jit(obj.loss_with_data)(full, {"target": target})
        np.testing.assert_allclose(found, (product - target) ** 2 / 2, rtol=1e-12)
    assert obj.loss_with_data(full, obj.data) == obj.full_loss(full)


@pytest.mark.parametrize("many", [10**9, (10**9, 2), [10**9, 2], [1] * 1025])
def test_too_many_scalars_are_refused_before_they_are_made(many):
    with pytest.raises(ValueError, match="`multiplicities` must give at most 1024 scalars"):
        eos.objectives.make("scalar_product", multiplicities=many)
