"""Self-stabilisation: the map of Damian et al., its centre, its period, its near-invariant."""

import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.objectives import self_stabilization

ETA, ALPHA, BETA = 0.01, 0.5, 2.0


def objective():
    return self_stabilization(sharpness=2 / ETA, alpha=ALPHA, beta=BETA)


def test_gradient_descent_is_the_map_of_the_paper():
    x, y = 0.3, -0.7
    end = eos.simulate(objective(), {"x": x, "v": y / BETA**0.5}, ETA, 1)
    assert np.isclose(end["x"], -(1 + ETA * y) * x, rtol=1e-13)
    assert np.isclose(BETA**0.5 * end["v"], y + ETA * (ALPHA - BETA * x**2 / 2), rtol=1e-13)


def test_small_oscillation_about_the_edge_has_the_stated_period():
    centre = (2 * ALPHA / BETA) ** 0.5
    trace = eos.observers.trace(v=lambda sample: sample.params["v"])
    steps = 20_000
    v = eos.simulate(objective(), {"x": centre, "v": 0.002}, ETA, steps, observe=trace)["v"]
    crossings = np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0))
    expected = 2 * np.pi / (ETA * (2 * ALPHA) ** 0.5)
    assert len(crossings) > 20
    assert np.isclose(np.mean(np.diff(crossings)), expected, rtol=2e-3)


def test_conserved_quantity_drifts_only_with_the_step_size():
    def drift(eta):
        obj = self_stabilization(sharpness=2 / eta, alpha=ALPHA, beta=BETA)
        start = {"x": 0.4, "v": 0.3}
        end = eos.simulate(obj, start, eta, round(20 / eta))

        def energy(p):
            return BETA * p["v"] ** 2 / 2 + BETA * p["x"] ** 2 / 4 - ALPHA * np.log(abs(p["x"]))

        return abs(energy(end) - energy(start))

    coarse, fine = drift(0.01), drift(0.005)
    assert coarse < 0.2
    assert 1.6 < coarse / fine < 2.6


def test_closed_eigenvalues_are_those_of_the_hessian():
    points = {"x": jnp.array([0.0, 1.0, -3.0]), "v": jnp.array([0.5, -200.0, 2.0])}
    obj = objective()
    dense = np.linalg.eigvalsh(eos.hessian(obj, points))
    assert np.allclose(np.sort(jnp.stack(obj.eigenvalues(points), axis=-1)), dense, atol=1e-10)


def test_without_a_floor_nothing_is_called_converged():
    obj = objective()
    assert obj.floor is None
    ds = eos.sweep(obj, {"x": np.array([0.0, 0.1]), "v": 0.0, "eta": ETA}, steps=2000)
    assert not np.any(ds["outcome"] == eos.Outcome.CONVERGED)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"alpha": 0.0}, "Argument `alpha` must be positive"),
        ({"beta": -1.0}, "Argument `beta` must be positive"),
        ({"sharpness": float("nan")}, "Argument `sharpness` must be a finite number"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        self_stabilization(**settings)
