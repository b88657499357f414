"""The command `plot`: what it passes on, and that bad input is one line."""

import signal

import numpy as np
import pytest

import eos_jax as eos
from eos_jax import cli, plots


@pytest.fixture(autouse=True)
def signals():
    """The command installs its own handler for SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "three.zarr"
    axes = {"x": np.linspace(1, 4, 6), "y": [0.3, 0.4], "eta": [0.05, 0.2, 0.4]}
    eos.sweep(eos.objectives.scalar_product((2, 2)), axes, 500, out=path, progress=False)
    return path


@pytest.fixture
def drawn(monkeypatch):
    """Figures that the command saved."""
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
    return figures


def plot(store, *arguments):
    cli.main(["plot", str(store), "--out", "a.png", *arguments])


def test_three_dimensions_are_panels(store, drawn):
    plot(store)
    titles = [ax.get_title() for ax in drawn[0].axes if ax.get_title()]
    assert titles == ["y = 0.3", "y = 0.4"]  # the fewest values
    plot(store, "--facet", "eta")
    titles = [ax.get_title() for ax in drawn[1].axes if ax.get_title()]
    assert titles == ["eta = 0.05", "eta = 0.2", "eta = 0.4"]


def test_options_reach_the_picture(store, drawn):
    chosen = ["--sel", "eta=0.21", "--sel", "x=1:3", "--variable", "loss", "--cmap", "magma"]
    plot(store, *chosen, "--limits", "1e-9", "1", "--log", "--title", "mine")
    ax = drawn[0].axes[0]
    mesh = ax.collections[0]
    assert mesh.get_array().shape == (2, 4) and mesh.get_clim() == (1e-9, 1)
    assert mesh.get_cmap().name == "magma" and ax.get_title() == "mine"
    assert drawn[0].axes[1].get_yscale() == "log"
    plot(store, "--kind", "outcome", "--sel", "eta=0.2", "--sel", "y=0.3")
    assert drawn[1].axes[0].get_ylabel() == "steps until decided"


BAD = {
    "unknown kind": (["--kind", "pie"], ["pie", "sharpness", "outcome", "map"]),
    "kind that does not suit": (["--kind", "orbits"], ["orbits", "loss", "step", "outcome"]),
    "unknown variable": (["--variable", "peak"], ["peak", "sharpness", "steps"]),
    "option of another picture": (["--kind", "outcome", "--log"], ["log", "outcome"]),
    "no value": (["--sel", "eta"], ["--sel", "DIMENSION=VALUE", "eta"]),
    "no dimension": (["--sel", "z=1"], ["z", "x, y, eta"]),
    "beyond the axis": (["--sel", "eta=3"], ["eta", "0.05", "0.4", "3"]),
    "no number": (["--sel", "eta=large"], ["eta", "large"]),
    "no colour map": (["--cmap", "nice"], ["nice"]),
    "limits in the wrong order": (["--limits", "3", "1"], ["limits", "3"]),
    "limits of a log scale": (
        ["--variable", "loss", "--log", "--limits", "0", "1"],
        ["limits", "positive"],
    ),
    "no facet": (["--facet", "z"], ["z", "x, y, eta"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case, store, drawn, capsys):
    arguments, words = BAD[case]
    with pytest.raises(SystemExit) as stop:
        plot(store, *arguments)
    line = capsys.readouterr().err
    assert stop.value.code == 2 and not drawn
    assert line.startswith("eos-jax: ") and line.count("\n") == 1
    for word in words:
        assert word in line, (word, line)
