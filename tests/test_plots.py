"""Pictures: each draws into the axes it is given and returns it, whatever the data look like."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import plots


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def sweep(x, y, eta=0.2, steps=300, **kwargs):
    axes = {"x": x, "y": y, "eta": eta}
    return eos.sweep(eos.objectives.scalar_product((2, 2)), axes, steps, **kwargs)


CASES = {
    "a map": lambda: sweep(np.linspace(0, 4, 21), np.linspace(0, 4, 17), steps=3000),
    "all diverged": lambda: sweep(np.linspace(6, 9, 5), np.linspace(6, 9, 4)),
    "nothing decided": lambda: sweep(np.linspace(1.5, 2, 5), [0.3, 0.31], steps=1),
    "all converged at once": lambda: sweep(np.array([1.0, -1.0]), np.array([1.0, -1.0])),
    "an empty band": lambda: sweep(np.linspace(1.0, 1.4, 5), np.linspace(0.7, 1, 4)),
    "all invalid": lambda: sweep(np.array([1.0, 2.0]), np.full(2, np.nan), combine="zip"),
    "a column": lambda: sweep([2.0], np.linspace(0.1, 0.5, 6)),
    "one point of a map": lambda: sweep([2.0], [0.4]),
    "one dimension": lambda: sweep(np.linspace(1, 4, 30), 0.4),
    "one dimension, all diverged": lambda: sweep(np.linspace(6, 9, 4), 9.0),
    "along eta": lambda: sweep(2.5, 0.4, np.linspace(0.05, 0.5, 12)),
    "x and eta": lambda: sweep(np.linspace(1, 3, 6), 0.4, np.linspace(0.05, 0.5, 5)),
    "zipped lanes": lambda: sweep([1.0, 2.0], [0.3, 0.4], [0.1, 0.2], combine="zip"),
    "one lane": lambda: sweep(2.0, 0.4),
    "log axis": lambda: sweep(np.geomspace(0.01, 4, 8), np.linspace(0.1, 1, 5)),
    "descending axis": lambda: sweep(np.linspace(4, 1, 8), np.linspace(0.1, 1, 5)),
}


@pytest.fixture(scope="module")
def dataset():
    made = {}
    return lambda case: (
        made.setdefault(case, None) or made.update({case: CASES[case]()}) or made[case]
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["sharpness_map", "outcome_map"])
def test_maps_draw_into_the_axes_given(case, kind, dataset, tmp_path):
    """Warnings are errors here, also those that appear only when the picture is written."""
    figure, (left, right) = plt.subplots(1, 2)
    drawn = getattr(plots, kind)(dataset(case), right)
    assert drawn is right
    assert not left.has_data() and right.has_data()
    assert right.get_xlabel() and right.get_ylabel()
    plots.save(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize("kind", ["sharpness", "outcome"])
def test_draw_makes_a_figure_of_its_own(kind, dataset, tmp_path):
    figure = plots.draw(dataset("a map"), kind)
    for ending in ("png", "pdf", "svg", "PNG"):
        plots.save(figure, tmp_path / "deep" / f"a.{ending}")
        assert (tmp_path / "deep" / f"a.{ending}").stat().st_size > 1000
    assert not plt.fignum_exists(figure.number)


def test_a_map_shows_what_the_data_say(dataset):
    data = dataset("a map")
    ax = plots.sharpness_map(data, plt.figure().gca())
    image = ax.collections[0].get_array().reshape(17, 21)  # the first dimension is horizontal
    converged = (data.outcome == eos.Outcome.CONVERGED).values.T
    assert np.array_equal(~np.ma.getmaskarray(image), converged)
    np.testing.assert_array_equal(image[converged], data.sharpness.values.T[converged])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    band = np.ma.getmaskarray(ax.collections[1].get_array().reshape(17, 21))
    gap = 10 - data.sharpness.values.T
    assert np.array_equal(~band, converged & (gap > 0) & (gap < 0.1))
    assert (~band).any()
    assert ax.get_title() == "eta = 0.2"


def test_large_maps_are_thinned(monkeypatch, dataset):
    monkeypatch.setattr(plots, "SHOWN", 10)
    ax = plots.sharpness_map(dataset("a map"), plt.figure().gca())
    assert ax.collections[0].get_array().size == 7 * 9


@pytest.mark.parametrize("eta", [0.2, [0.2], [0.25, 0.2, 1 / 6]])
def test_orbits(eta, tmp_path):
    data = eos.orbits(
        eos.objectives.scalar_product((2, 2)), {"x": 2.5, "y": 0.4001, "eta": eta}, 60
    )
    figure, axes = plt.subplots(1, 4)
    for function, ax in zip((plots.loss_trace, plots.sharpness_trace, plots.orbit), axes):
        assert function(data, ax) is ax
        assert ax.has_data() and ax.get_legend() is not None
    assert not axes[3].has_data()
    plots.save(figure, tmp_path / "a.png")
    drawn = plots.draw(data)
    assert len(drawn.axes) == 3
    line = plots.loss_trace(data, plt.figure().gca()).lines[0]
    np.testing.assert_array_equal(line.get_ydata(), np.ravel(data.loss)[:61])


def test_orbits_that_diverge(tmp_path):
    data = eos.orbits(
        eos.objectives.scalar_product((2, 2)), {"x": 6.0, "y": 6.0, "eta": [0.1, 0.2]}, 20
    )
    plots.save(plots.draw(data), tmp_path / "a.png")


def test_maps_of_three_dimensions_are_refused():
    data = sweep([1.0, 2.0], [0.3, 0.4], [0.1, 0.2], steps=3)
    with pytest.raises(ValueError, match=r"at most two dimensions, but got x, y, eta"):
        plots.sharpness_map(data)


def test_unknown_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in .png, .pdf or .svg"):
        plots.save(plt.figure(), tmp_path / "a.jpg")


def test_pictures_leave_the_users_style_alone(dataset):
    before = dict(plt.rcParams)
    plots.draw(dataset("a map"))
    plots.sharpness_map(dataset("a map"), plt.figure().gca())
    assert dict(plt.rcParams) == before
