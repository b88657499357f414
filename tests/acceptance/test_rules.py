"""Rules at work: momentum as an axis, a map of Adam, noise in the labels."""

import os
import subprocess
import sys

import numpy as np
import pytest

import eos_jax as eos
from eos_jax import Outcome, rules
from eos_jax.cli import summary
from eos_jax.results.store import open_dataset

pytestmark = [pytest.mark.optimised, pytest.mark.slow]


@pytest.fixture(scope="module")
def model():
    return eos.objectives.scalar_product((2, 2))


# Heavy ball ---------------------------------------------------------------------------------------

ETAS, BETAS = np.linspace(0.02, 0.4, 64), np.linspace(0.0, 0.95, 64)
START = {"x": 2.5, "y": 0.4001}


@pytest.fixture(scope="module")
def momentum(model):
    axes = {**START, "momentum": BETAS, "eta": ETAS}
    return eos.sweep(model, axes, 3000, rule=rules.heavy_ball())


def test_momentum_as_an_axis_is_momentum_as_a_number(model, momentum):
    """All 64 in one sweep are 64 sweeps, to the last bit."""
    for index, beta in enumerate(BETAS):
        axes = {**START, "momentum": beta, "eta": ETAS}
        found = eos.sweep(model, axes, 3000, rule=rules.heavy_ball())
        row = momentum.isel(momentum=index)
        for name in found.data_vars:
            assert found[name].values.tobytes() == row[name].values.tobytes(), (name, index)


def test_momentum_ends_below_its_own_threshold(momentum):
    expected = 2 * (1 + momentum.momentum) / momentum.eta
    np.testing.assert_allclose(
        momentum.threshold, expected.transpose(*momentum.outcome.dims), 1e-14
    )
    converged = momentum.outcome == Outcome.CONVERGED
    assert converged.mean() > 0.5
    assert bool((momentum.sharpness_minimum < momentum.threshold).where(converged, True).all())
    # momentum holds what gradient descent would not
    assert bool((converged & (momentum.sharpness_minimum > 2 / momentum.eta)).any())


# Adam ---------------------------------------------------------------------------------------------


def test_a_map_of_adam(model, tmp_path):
    """1,600 lanes: whoever is at a minimum when its steps are over is called converged."""
    axes = {"x": np.linspace(0.5, 3, 40), "y": 0.4, "eta": np.geomspace(1e-3, 0.5, 40)}
    found = eos.sweep(model, axes, 4000, rule=rules.adam(), out=tmp_path / "adam")
    at_floor = found.loss < 1e-12
    assert at_floor.sum() > 200
    assert bool((found.outcome == Outcome.CONVERGED).where(at_floor, True).all())
    assert "adam" in found.attrs["title"]
    assert "adam" in found.attrs["rule"]
    assert summary(found)[0].startswith("rule: adam")
    stored = open_dataset(tmp_path / "adam")
    assert stored.attrs["rule"] == found.attrs["rule"]


# Noise --------------------------------------------------------------------------------------------

NOISE = {"x": 1.3, "y": 0.9, "eta": 0.05, "sigma": 0.3, "seed": np.arange(1000, dtype=np.uint32)}
LATE = 200


@pytest.fixture(scope="module")
def noisy(model):
    return eos.sweep(model, NOISE, LATE, rule=rules.label_noise(), stop=None, tile=250)


def test_noise_does_not_depend_on_the_tile_or_on_a_stop(model, noisy, tmp_path):
    def run(tile):
        return eos.sweep(
            model, NOISE, LATE, rule=rules.label_noise(), stop=None, tile=tile, out=tmp_path / "n"
        )

    whole = run(77)
    for name in noisy.data_vars:
        assert whole[name].values.tobytes() == noisy[name].values.tobytes(), name
    (tmp_path / "n" / "outcome" / "c" / "3").unlink()
    (tmp_path / "n" / "x_final" / "c" / "3").write_bytes(b"torn")
    again = run(77)
    for name in noisy.data_vars:
        assert again[name].values.tobytes() == noisy[name].values.tobytes(), name


ON_DEVICES = """
import sys
import jax, numpy as np
import eos_jax as eos
from tests.acceptance.test_rules import LATE, NOISE
model = eos.objectives.scalar_product((2, 2))
assert len(jax.devices()) == 3
settings = dict(rule="label_noise", stop=None, tile=250)
one, three = (
    eos.sweep(model, NOISE, LATE, devices=some, **settings)
    for some in (jax.devices()[:1], jax.devices())
)
assert one.identical(three)
from tests.rules.test_minibatches import POINT, model as sampled
axes = {**POINT, "eta": 0.1, "batch": [1.0, 3.0], "seed": np.arange(30, dtype=np.uint32)}
settings = dict(rule="minibatch_heavy_ball", stop=None, sharpness=None, tile=20)
first, second = (
    eos.sweep(sampled(), axes, 100, devices=some, **settings)
    for some in (jax.devices()[:1], jax.devices())
)
assert first.identical(second)
np.save(sys.argv[1], three.x_final.values)
"""


@pytest.mark.slow
def test_noise_does_not_depend_on_the_devices(noisy, tmp_path):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=3"
    subprocess.run(
        [sys.executable, "-c", ON_DEVICES, tmp_path / "x.npy"],
        env={**os.environ, "XLA_FLAGS": flags},
        check=True,
    )
    assert np.load(tmp_path / "x.npy").tobytes() == noisy.x_final.values.tobytes()


def test_noise_has_the_mean_and_variance_of_numpy(noisy):
    """x' = x - eta x y^2 (x^2 y^2 - 1 - sigma xi) and y alike, by NumPy's own generator."""
    rng, lanes = np.random.default_rng(1), 20_000
    x, y = np.full(lanes, NOISE["x"]), np.full(lanes, NOISE["y"])
    for _ in range(LATE):
        residual = x * x * y * y - 1 - NOISE["sigma"] * rng.normal(size=lanes)
        slope = NOISE["eta"] * x * y * residual
        x, y = x - slope * y, y - slope * x
    for mine, theirs in (
        (noisy.x_final.values, x),
        (noisy.x_final.values * noisy.y_final.values, x * y),
    ):
        count = len(mine)
        error = theirs.std() / np.sqrt(count)
        assert abs(mine.mean() - theirs.mean()) < 4 * error * np.sqrt(1 + count / lanes)
        # the variance of a variance follows from the fourth moment
        fourth = np.mean((theirs - theirs.mean()) ** 4) / theirs.var() ** 2
        error = theirs.var() * np.sqrt((fourth - 1) / count)
        assert abs(mine.var() - theirs.var()) < 4 * error * np.sqrt(1 + count / lanes)
    assert noisy.x_final.values.std() > 0.01
    assert len(np.unique(noisy.x_final)) == 1000
