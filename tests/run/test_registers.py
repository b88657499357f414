"""The engine in registers: the same fates as the plain one, and bits that anybody can repeat."""

import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import eos_jax as eos
from benchmarks.losses import objectives_of_scalars, own_objectives
from eos_jax import config, observers, rules
from eos_jax.simulate import step_as_scalars

pytestmark = [
    pytest.mark.slow,
    pytest.mark.optimised,  # the plain engine, whose roundings this one is compared with
    pytest.mark.skipif(
        find_spec("llvmlite") is None, reason="this engine is optional: without it XLA runs all"
    ),
]

RULES = ("gradient_descent", "heavy_ball", "nesterov", "rmsprop", "adam")
ETA = {"gradient_descent": 0.06, "heavy_ball": 0.01, "nesterov": 0.01, "rmsprop": 0.01,
       "adam": 0.02}  # fmt: skip
OBJECTIVES = {**objectives_of_scalars(), **own_objectives()}
QUICK = {("polynomial", "gradient_descent"), ("softplus", "heavy_ball")}

FIG_7A = "cf113f964d6d1ce3bf0d75fbfebf045c4c4cdab4c48ec00ac6697c06d93a708c"
"""SHA-256 of the fates, steps and last x of figure 7a at 1024 x 1024, whose lanes are chaotic for
up to thousands of steps. Found the same with jax 0.10 and 0.12, and in code for AVX-512, AVX2 and
SSE2, which has no fused multiply-add."""


@pytest.mark.parametrize("name", own_objectives())
def test_losses_of_users_run_in_registers(name):
    """On every jax: a primitive that is new there would send them to the plain engine unseen."""
    step_as_scalars(OBJECTIVES[name], rules.gradient_descent(), "float64")


def test_figure_7a_to_the_last_bit():
    path = Path(__file__).parents[2] / "configs" / "fig7a.toml"
    settings = config.load(path, ["axes.x.num=1024", "axes.y.num=1024"])
    ds = eos.sweep(**config.arguments(settings), progress=False)
    assert ds.attrs["engine"] == "registers"
    text = b"".join(ds[name].values.tobytes() for name in ("outcome", "steps", "x_final"))
    assert hashlib.sha256(text).hexdigest() == FIG_7A
    assert abs(float(ds.steps.mean()) - 578.5) < 1  # as an independent loop in NumPy says


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        pytest.param(name, rule, marks=() if (name, rule) in QUICK else pytest.mark.long)
        for name in OBJECTIVES
        for rule in RULES
    ],
)
def test_fates_are_those_of_the_plain_engine(name, rule):
    """Two engines that share no loop, and round differently."""
    objective = OBJECTIVES[name]
    side = 64 if (name, rule) in QUICK else 256
    lines = [np.linspace(0.3, 1.6, side), np.linspace(0.35, 1.4, side)]
    others = dict.fromkeys(objective.parameters[2:], 0.8)
    axes = {**dict(zip(objective.parameters, lines)), **others, "eta": ETA[rule]}
    found, wanted = (
        eos.sweep(objective, axes, 1500, rule=rule, engine=engine, progress=False)
        for engine in ("registers", "plain")
    )
    alike = found.outcome.values == wanted.outcome.values
    # what is chaotic, or slides along a threshold, parts by roundings
    assert alike.mean() > 0.99
    assert float(found.steps.mean()) == pytest.approx(float(wanted.steps.mean()), rel=0.02)
    same = alike & (found.steps.values == wanted.steps.values) & (found.outcome.values == 1)
    for key in ("loss", "sharpness_minimum"):
        if key in found and same.any():
            a, b = found[key].values[same], wanted[key].values[same]
            # roundings of an orbit, multiplied by as many steps as took it to its minimum
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9)
    beside = {**axes, objective.parameters[0]: np.nextafter(lines[0], 2)}
    found, wanted, moved = (
        eos.sweep(objective, start, 32, rule=rule, engine=engine, stop=None, progress=False)
        for engine, start in (("registers", axes), ("plain", axes), ("plain", beside))
    )
    for parameter in objective.parameters:
        a, b, c = (ds[f"{parameter}_final"].values for ds in (found, wanted, moved))
        bounded = np.abs(b) < 10
        # an orbit amplifies 32 steps of roundings as it does one ulp of its start; 1e-7 for what
        # only roundings see, a gradient near zero that RMSProp divides by its own size
        allowed = 1e-7 + 1e3 * np.abs(c - b)[bounded]
        assert (np.abs(a - b)[bounded] <= allowed).all()


def test_lanes_that_stop_at_a_minimum_they_cannot_stay_at_go_on():
    """Starts on and beside minima that are sharper than 2/eta, and stable ones among them."""
    objective = eos.objectives.scalar_product((2, 2))
    x = np.linspace(1.0, 4.0, 61)
    starts = eos.along("start", {"x": np.tile(x, 2), "y": np.concatenate([1 / x, 1 / x + 1e-9])})
    axes = {**starts, "eta": [0.2, 0.35]}
    top = {"top": observers.maximum("sharpness")}
    found, wanted = (
        eos.sweep(objective, axes, 5000, observe=top, every=3, engine=engine, progress=False)
        for engine in ("registers", "plain")
    )
    assert {1, 7} <= set(np.unique(wanted.outcome.values))  # some rest where they cannot stay
    settled = np.isin(wanted.outcome.values, (1, 2)) & (wanted.steps.values < 300)
    assert settled.mean() > 0.3
    for name in ("outcome", "steps"):
        assert np.array_equal(found[name].values[settled], wanted[name].values[settled])
    kept = settled & (wanted.outcome.values == 1)  # the last point before an escape amplifies
    np.testing.assert_allclose(found.top.values[kept], wanted.top.values[kept], rtol=1e-6)


def test_a_horizon_of_any_length_is_met_to_the_step():
    objective = eos.objectives.scalar_product((2, 2))
    axes = {"x": np.linspace(1.1, 1.4, 40), "y": 0.5, "eta": 0.01}
    for horizon in (0, 1, 31, 32, 33, 95):
        ds = eos.sweep(objective, axes, horizon, stop=None, engine="registers", progress=False)
        assert (ds.steps.values == horizon).all()
        x, y = np.linspace(1.1, 1.4, 40), np.full(40, 0.5)
        for _ in range(horizon):
            g = 0.01 * x * y * ((x * y) ** 2 - 1)
            x, y = x - g * y, y - g * x
        np.testing.assert_allclose(ds.x_final.values.ravel(), x, rtol=1e-12)


def test_the_engine_and_the_reason_are_said():
    objective = eos.objectives.scalar_product((2, 2))
    axes = {"x": [2.0], "y": 0.3, "eta": 0.2}
    assert eos.sweep(objective, axes, 40).attrs["engine"] == "registers"
    ds = eos.sweep(objective, axes, 40, observe={"rows": observers.trace("loss")})
    assert ds.attrs["engine"] == "plain"
    assert "every sample" in ds.attrs["engine_reason"]
    ds = eos.sweep(objective, axes, 40, engine="plain")
    assert ds.attrs["engine_reason"] == "asked for"
    with pytest.raises(ValueError, match=r"`engine` must be plain or auto here.*every sample"):
        eos.sweep(objective, axes, 40, observe={"r": observers.trace("loss")}, engine="registers")
    with pytest.raises(ValueError, match="Argument `engine` must be one of"):
        eos.sweep(objective, axes, 40, engine="gpu")


def test_a_store_is_resumed_by_the_engine_that_began_it(tmp_path):
    objective = eos.objectives.scalar_product((2, 2))
    axes = {"x": [2.0, 2.5], "y": 0.3, "eta": 0.2}
    eos.sweep(objective, axes, 40, out=tmp_path / "a.zarr", engine="plain")
    with pytest.raises(FileExistsError, match="engine"):
        eos.sweep(objective, axes, 40, out=tmp_path / "a.zarr", engine="registers")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["missing", "switched off"])
def test_without_llvm_the_plain_engine_runs_all(how, tmp_path):
    program = """
import sys
if sys.argv[1] == "missing":
    sys.modules["llvmlite"] = None
import numpy as np, eos_jax as eos
obj = eos.objectives.scalar_product((2, 2))
ds = eos.sweep(obj, {"x": np.linspace(2, 3, 5), "y": 0.3, "eta": 0.2}, steps=2000)
assert ds.attrs["engine"] == "plain", ds.attrs
print(ds.attrs["engine_reason"], ds.outcome.values.tolist())
ends = eos.iterate(obj, {"x": np.linspace(2, 3, 5), "y": np.full(5, 0.3)}, 0.2, 1000)
assert np.allclose(np.asarray(ends["x"] * ends["y"]) ** 2, 1)
"""
    environment = {**os.environ, **({"EOS_JAX_ENGINE": "plain"} if how != "missing" else {})}
    done = subprocess.run(
        [sys.executable, "-c", program, how], cwd=tmp_path, env=environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert "[1, 1, 1, 1, 1]" in done.stdout
    assert ("llvmlite" if how == "missing" else "asked for") in done.stdout
