"""The public surface: exactly these names, each documented, and nothing started on import."""

import importlib
import inspect
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import eos_jax as eos
from eos_jax.analysis.bifurcations import Bifurcation
from eos_jax.analysis.cycles import Cycles

SURFACE = {
    "": """Outcome Stop __version__ along analysis explore flows gradient hessian
        hessian_vector_product iterate loss measures objectives observers open orbits plots rules
        set_process_flags sharpness simulate sweep theory""",
    "objectives": """Family Objective Parameters deep_linear_network discover flatten from_function
        from_pytree fully_connected function_of_product gradient lift loss make quadratic_regression
        rank_one_factorization register registry scalar_product self_stabilization unflatten
        uv_model""",
    "rules": """Family Hyper Init Rule Step adagrad adam adamw as_rule averaged_momentum check_hyper
        complete_hyper cosine_gradient_descent cyclic_gradient_descent decayed_heavy_ball
        discover from_optax gradient_descent gradient_noise heavy_ball is_step_size label_noise
        lion make minibatch_heavy_ball muon nadam nesterov normalised_gradient_descent radam
        register registry rmsprop root_gradient_descent sam shampoo sign_gradient_descent
        stability steepest_descent warmup_gradient_descent yogi""",
    "observers": """Label Observer as_observers count final_point first_crossing
        lyapunov lyapunov_spectrum make maximum minimum register registry trace upcrossings""",
}  # fmt: skip
"""What users may rely on: a name added or taken away here is a decision, not an accident."""

WITHOUT_EXAMPLE = {
    # values and contracts: what makes them has the example
    "Outcome", "Stop", "Family", "Objective", "Label", "Observer", "Init", "Rule", "Step",
    # for those who write a family, shown in the guide and by every family there is
    "discover", "register", "is_step_size", "as_observers",
}  # fmt: skip

PUBLIC = [(place, name) for place, names in SURFACE.items() for name in names.split()]


def module(place):
    return importlib.import_module(f"eos_jax.{place}" if place else "eos_jax")


@pytest.mark.parametrize("place", SURFACE)
def test_these_names_and_no_others_are_public(place):
    assert set(module(place).__all__) == set(SURFACE[place].split())
    assert len(module(place).__all__) == len(set(module(place).__all__))


@pytest.mark.parametrize(("place", "name"), PUBLIC)
def test_what_is_public_is_there_and_documented(place, name):
    found = getattr(module(place), name)
    if inspect.ismodule(found):
        assert found.__doc__
    elif inspect.isclass(found) or inspect.isfunction(found):  # not an alias of a type
        documentation = inspect.getdoc(found) or ""
        assert documentation.splitlines()[0].rstrip().endswith((".", ":")), name
        assert ("Example:\n" in documentation) != (name in WITHOUT_EXAMPLE), name


@pytest.mark.parametrize(("place", "name"), PUBLIC)
def test_public_functions_say_their_types(place, name):
    """All arguments and the result, so that an editor can help."""
    found = getattr(module(place), name)
    if inspect.isfunction(found):
        signature = inspect.signature(found)
        assert signature.return_annotation is not signature.empty, name
        for argument in signature.parameters.values():
            assert argument.annotation is not argument.empty, (name, argument.name)


def test_representations_are_short_and_say_what_there_is():
    def network(W, a, X, y):
        return ((X @ W @ a - y) ** 2).mean()

    data = {"X": np.ones((20, 3)), "y": np.ones(20)}
    own = eos.objectives.from_function(network, shapes={"W": (3, 4), "a": (4,)}, data=data)
    assert repr(own) == "Objective(network: W (3, 4), a (4,); data X (20, 3), y (20,))"
    assert repr(eos.rules.gradient_descent()) == "Rule(gradient_descent: eta)"
    assert repr(eos.observers.maximum("loss")) == "Observer(maximum: largest loss)"
    assert repr(eos.observers.final_point()) == "Observer(final_point)"
    flip = Bifurcation("flip", 0.5, 1, {"x": np.float64(1)}, np.array([-1.0]), 64.0, 0.0)
    assert repr(flip) == "Bifurcation(flip at 0.5, period 1: x 1.0)"
    found = np.array([True, False, True])
    some = Cycles(found, np.array([1, 0, 2]), {}, np.zeros((3, 1)), np.zeros(3))
    assert repr(some) == "Cycles(2 of 3 found; periods 1, 2)"
    for family in eos.objectives.registry.values():
        text = repr(family.make(**family.examples[0]))
        assert len(text) < 240 and "\n" not in text and "None" not in text


def test_what_is_not_there_is_said():
    with pytest.raises(AttributeError, match="'eos_jax' has no attribute 'sweeep'"):
        eos.sweeep  # noqa: B018


def test_types_are_shipped():
    assert (Path(eos.__file__).parent / "py.typed").is_file()


def test_the_version_is_that_of_the_package():
    assert eos.__version__ == version("eos_jax")
    assert all(part.isdigit() for part in eos.__version__.split(".")[:2])


def test_a_store_is_opened_by_its_path(paper, tmp_path):
    axes = {"x": np.linspace(1.5, 2.5, 5), "y": 0.4, "eta": 0.2}
    written = eos.sweep(paper, axes, 40, out=tmp_path / "s")
    for path in (tmp_path / "s", str(tmp_path / "s")):
        xr.testing.assert_identical(eos.open(path).load(), written.load())
    with pytest.raises(FileNotFoundError, match="nothing"):
        eos.open(tmp_path / "nothing")


def test_what_a_sweep_does_not_need_is_imported_when_first_used():
    """Pictures, closed forms, storage, optax: start-up is what a command line waits for."""
    code = (
        "import sys, eos_jax as eos\n"
        "late = ('matplotlib', 'eos_jax.plots', 'eos_jax.theory', 'eos_jax.analysis',\n"
        "        'zarr', 'optax', 'eos_jax.flows')\n"
        "eos.sweep(eos.objectives.scalar_product((1, 1)), {'x': 1.0, 'y': 0.5, 'eta': 0.1}, 9)\n"
        "from eos_jax import config, explorer\n"
        "explorer.answers.start(explorer.context_of(None))\n"
        "assert not [name for name in late if name in sys.modules]\n"
        "eos.plots, eos.theory, eos.analysis, eos.open, eos.flows, eos.rules.adagrad\n"
        "late = [name for name in late if name != 'optax']\n"
        "assert not [name for name in late if name not in sys.modules]\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "Agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
