"""The two-layer model: the exact map of (f, lambda), the spectrum, the catapult."""

import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

import eos_jax as eos
from eos_jax.objectives import uv_model


def output_and_kernel(params, x):
    u, v = (np.asarray(params[name]) for name in "uv")
    return x * (u @ v) / len(u) ** 0.5, x**2 * (u @ u + v @ v) / len(u)


def reduced_step(f, kernel, eta, n, x, target):
    r = f - target
    return (
        f - eta * kernel * r + (eta * x) ** 2 * r**2 * f / n,
        kernel + eta * x**2 * r / n * (eta * kernel * r - 4 * f),
    )


def start(width, scale=1.0, seed=0):
    u, v = scale * np.random.default_rng(seed).standard_normal((2, width))
    return {"u": u, "v": v}


@pytest.mark.parametrize("x, target", [(1.0, 0.0), (1.5, -0.7)])
def test_output_and_kernel_follow_the_closed_map(x, target):
    params, eta, n = start(7), 0.4, 7
    obj = uv_model(n, x, target)
    f, kernel = output_and_kernel(params, x)
    for _ in range(5):
        params = eos.simulate(obj, params, eta, 1)
        f, kernel = reduced_step(f, kernel, eta, n, x, target)
        assert np.allclose(output_and_kernel(params, x), (f, kernel), rtol=1e-10)


def test_closed_map_is_the_one_of_lewkowycz_et_al_for_target_zero():
    f, kernel, eta, n = sp.symbols("f lambda eta n")
    f2, kernel2 = reduced_step(f, kernel, eta, n, 1, 0)
    assert sp.expand(f2 - f * (1 - eta * kernel + eta**2 * f**2 / n)) == 0
    assert sp.expand(kernel2 - kernel - eta * f**2 / n * (eta * kernel - 4)) == 0


@pytest.mark.parametrize("width, x, target", [(1, 1.0, 0.0), (2, 1.0, 2.0), (5, -2.0, 0.5)])
def test_closed_eigenvalues_are_the_whole_spectrum(width, x, target):
    obj, params = uv_model(width, x, target), start(width)
    dense = np.linalg.eigvalsh(eos.hessian(obj, params))
    found = np.sort(jnp.stack(obj.eigenvalues({k: jnp.asarray(v) for k, v in params.items()})))
    assert len(found) == 2 * width
    assert np.allclose(found, dense, atol=1e-12)


def test_wide_models_leave_the_sharpness_to_lanczos():
    obj, params = uv_model(100), start(100)
    assert obj.eigenvalues is None
    dense = np.linalg.eigvalsh(eos.hessian(obj, params))[-1]
    assert np.isclose(eos.sharpness(obj, params, method="lanczos"), dense, rtol=1e-10)


def test_sharpness_at_a_minimum_is_the_kernel():
    obj = uv_model(2, input=3.0, target=6.0)
    params = {"u": jnp.array([2.0, 1.0]), "v": jnp.array([1.0, 2 * 2**0.5 - 2])}
    f, kernel = output_and_kernel(params, 3.0)
    assert np.isclose(f, 6.0)
    assert np.isclose(eos.sharpness(obj, params), kernel)


def test_catapult_between_two_and_four_over_the_kernel():
    """The loss first grows, then the kernel falls below 2/eta; past 4 the orbit is lost."""
    params, obj = start(50), uv_model(50)
    _, kernel = output_and_kernel(params, 1.0)
    grown, ends = [], []
    for ratio in (1.5, 3.0, 4.5):
        eta = ratio / kernel
        losses = eos.simulate(
            obj, params, eta, 400, observe=eos.observers.trace(loss=eos.measures.loss)
        )["loss"]
        end = eos.simulate(obj, params, eta, 400)
        grown.append(bool(jnp.nanmax(losses) > 5 * losses[0]))
        ends.append(eta * output_and_kernel(end, 1.0)[1])
    assert grown == [False, True, True]
    assert np.isclose(ends[0], 1.5, atol=0.1)
    assert ends[1] < 2
    assert not np.isfinite(ends[2])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"width": 0}, "Argument `width` must be a positive integer, but got 0"),
        ({"width": 2, "input": 0.0}, "Argument `input` must not be 0"),
        ({"width": 2, "target": float("inf")}, "Argument `target` must be a finite number"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        uv_model(**settings)
