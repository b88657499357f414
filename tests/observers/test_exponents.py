"""Lyapunov exponents of maps and cycles for which they are known."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eos_jax as eos
from eos_jax import tangents
from eos_jax.analysis import henon
from eos_jax.observers import lyapunov, lyapunov_spectrum

pytestmark = pytest.mark.slow

ETAS = (0.45, 0.55, 0.8)


@pytest.fixture(scope="module")
def balanced():
    """The balanced line of four scalars: a minimum, a cycle of period 2, chaos; 40 starts each."""
    starts = np.random.default_rng(3).uniform(0.7, 1.1, 40)
    return eos.sweep(
        eos.objectives.scalar_product((4,)), {"x": starts, "eta": ETAS}, 8000, stop=None,
        sharpness=None, observe={"it": lyapunov()}, every=8, keep=["it_exponent", "it_error"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def henons():
    system = henon()
    starts = np.random.default_rng(4).uniform(-0.1, 0.1, 24)
    return eos.sweep(
        system.objective, {"x": starts, "y": 0.1}, 6000, rule=system.rule, stop=None,
        sharpness=None, observe={"all": lyapunov_spectrum(), "top": lyapunov()},
    )  # fmt: skip


def slopes_of_two_cycle(eta, step):
    u = 0.9
    for _ in range(2000):
        u = u - eta * (u**4 - 1) * u**3
    found = []
    for _ in range(2):
        found.append(step(u))
        u = u - eta * (u**4 - 1) * u**3
    return found


def test_a_minimum_and_a_cycle_have_the_logarithm_of_their_multiplier(balanced):
    slopes = slopes_of_two_cycle(0.55, lambda u: 1 - 0.55 * (7 * u**6 - 3 * u**2))
    known = [math.log(abs(1 - 0.45 * 4)), math.log(abs(slopes[0] * slopes[1])) / 2]
    assert abs(known[1] - -0.8139) < 5e-5
    for eta, value in zip(ETAS, known):
        found = balanced.sel(eta=eta)
        np.testing.assert_allclose(found.it_exponent, value, atol=1e-6)
        assert float(found.it_error.max()) < 1e-6


def test_the_error_of_a_chaotic_exponent_covers_its_scatter(balanced):
    chaos = balanced.sel(eta=0.8)
    assert abs(float(chaos.it_exponent.mean()) - 0.5373) < 2e-3
    covered = float((abs(chaos.it_exponent - 0.5373) < chaos.it_error).mean())
    assert covered > 0.8  # 95 % of many
    assert 0.5 < float(chaos.it_error.mean()) / (2 * float(chaos.it_exponent.std())) < 2


def test_the_spectrum_of_henons_map(henons):
    found = henons.all_exponent.mean("x").values
    np.testing.assert_allclose(found, [0.41922, -1.62319], atol=4e-3)
    # the determinant is -b everywhere
    np.testing.assert_allclose(henons.all_exponent.sum("order"), math.log(0.3), atol=1e-12)
    np.testing.assert_allclose(henons.top_exponent, henons.all_exponent.isel(order=0), atol=2e-3)
    covered = abs(henons.all_exponent - np.array([0.41922, -1.62319])) < henons.all_error
    assert float(covered.mean()) > 0.8


def test_growth_across_the_balanced_line(x64):
    """Of four scalars that may part; the largest exponent is along the line or across it."""
    obj = eos.objectives.scalar_product(4)
    observe = {"across": lyapunov(across=tangents.equal_coordinates), "all": lyapunov_spectrum()}
    found = jax.jit(
        lambda u: eos.simulate(
            obj, dict.fromkeys(obj.parameters, u), 0.55, 2000, every=2, observe=observe
        )
    )(jnp.asarray(0.9))
    slopes = slopes_of_two_cycle(0.55, lambda u: 1 + 0.55 * (u**4 - 1) * u**2)
    known = math.log(abs(slopes[0] * slopes[1])) / 2
    assert abs(float(found["across"]["exponent"]) - known) < 1e-6
    np.testing.assert_allclose(found["all"]["exponent"], [known] * 3 + [-0.813921], atol=1e-5)


@pytest.mark.parametrize(
    ("rule", "hyper", "size", "rates"),
    [
        ("adam", {"b1": 0.9, "b2": 0.99}, 8, (0.9, 0.99)),
        ("gradient_noise", {"sigma": 0.01, "seed": 3}, 2, ()),
        pytest.param(optax.adam, {}, 10, (), marks=pytest.mark.long),  # of the full space
    ],
)
def test_states_with_counts_and_powers(x64, rule, hyper, size, rates):
    """Adam's powers of its rates shrink as they say; a count or a key has no exponent."""
    obj = eos.objectives.scalar_product((2, 2))
    run = jax.jit(
        lambda x: eos.simulate(
            obj,
            {"x": x, "y": 0.6},
            {"eta": 0.01, **hyper},
            200,
            rule=rule,
            observe=lyapunov_spectrum(),
        )["exponent"]
    )
    found = np.asarray(run(jnp.asarray(2.0)))
    assert found.shape == (size,) and np.isfinite(found).all()
    for rate in rates:
        assert np.min(np.abs(found - math.log(rate))) < 1e-9


@pytest.mark.parametrize("n", [3, 6])
def test_gram_and_schmidt_is_qr(rng, x64, n):
    matrix = rng.normal(size=(n, n))
    q, r = tangents.orthonormal([jnp.asarray(matrix)])
    known_q, known_r = np.linalg.qr(matrix.T)
    np.testing.assert_allclose(r, np.abs(np.diag(known_r)), rtol=1e-12)
    np.testing.assert_allclose(q[0].T, known_q * np.sign(np.diag(known_r)), atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"blocks": 1}, "`blocks` must be"), ({"settle": -1}, "`settle` must be")],
)
def test_settings_that_cannot_be_meant(settings, message):
    with pytest.raises(ValueError, match=message):
        lyapunov(**settings)


@pytest.mark.parametrize(
    ("rule", "hyper"),
    [("cyclic_gradient_descent", {"eta_A": 0.3, "eta_B": 0.5}),
     ("warmup_gradient_descent", {"eta": 0.4, "warmup": 1.0})],
)  # fmt: skip
def test_where_a_schedule_stands_is_no_direction(rule, hyper):
    """x^2/2 falls by |1 - eta| a step; a count of steps would be neutral, and give 0."""
    bowl = eos.objectives.from_function(lambda x: x**2 / 2, name="bowl", floor=0.0)
    ds = eos.sweep(bowl, {"x": 1.0, **hyper}, 600, rule=rule, stop=None,
                   observe=lyapunov(), every=2)  # fmt: skip
    etas = [value for name, value in hyper.items() if name != "warmup"]
    assert float(ds.exponent) == pytest.approx(
        np.log(np.abs(np.subtract(1, etas))).mean(), rel=1e-9
    )
