"""Pictures of what instruments find: what is drawn is what the datasets say."""

import json

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import Outcome, plots
from eos_jax.plots.axes import heading, select

pytestmark = pytest.mark.slow


def axes():
    return Figure().subplots()


def lanes(**variables):
    """A dataset of 3 x 2 lanes."""
    coords = {"eta": [0.1, 0.2, 0.3], "momentum": [0.0, 0.5]}
    found = {n: (("eta", "momentum"), np.asarray(v)) for n, v in variables.items()}
    return xr.Dataset(found, coords)


FATES = [[1, 1], [2, 5], [3, 4]]


@pytest.fixture
def diagram():
    """Three columns: a fixed point, a cycle of two, one that left."""
    counts = np.zeros((3, 4), np.uint32)
    counts[0, 1] = 100
    counts[1, [0, 3]] = 50
    return xr.Dataset(
        {"density": (("eta", "bin"), counts), "outside": ("eta", np.array([0, 0, 100])),
         "outcome": ("eta", np.array([5, 5, 2]))},
        {"eta": [0.1, 0.2, 0.3], "bin": ("bin", [0.5, 1.5, 2.5, 3.5], {"long_name": "x"})},
    )  # fmt: skip


def test_a_density_is_the_share_of_each_column(diagram):
    assert plots.kinds(diagram)[0] == "density"
    ax = plots.density(diagram, axes())
    cells = ax.collections[0].get_array()
    assert cells.shape == (4, 3)
    np.testing.assert_allclose(cells.filled(0)[:, :2], [[0, 0.5], [1, 0], [0, 0], [0, 0.5]])
    assert cells.mask[:, 2].all() and ax.get_ylim() == (0, 4) and ax.get_ylabel() == "x"
    (marks,) = ax.lines  # the column that left
    np.testing.assert_allclose(marks.get_xdata(), [0.3])


def test_no_bin_of_a_density_is_lost():
    """A cycle in one of 5000 bins is seen although a picture has fewer rows."""
    counts = np.zeros((2, 5000), np.uint32)
    counts[:, 1234] = 7
    found = xr.Dataset({"density": (("eta", "bin"), counts), "outcome": ("eta", [5, 5])},
                       {"eta": [0.1, 0.2], "bin": np.arange(5000.0)})  # fmt: skip
    cells = plots.density(found, axes()).collections[0].get_array()
    assert cells.shape[0] <= 1500 and (cells.filled(0).max(axis=0) == 1).all()


def test_panels_of_densities_share_one_scale(diagram):
    both = xr.concat([diagram, diagram], xr.IndexVariable("momentum", [0.0, 0.5]))
    figure = plots.draw(both)
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert len(panels) == 2
    assert len({panel.collections[0].get_clim() for panel in panels}) == 1


def test_exponents_are_red_above_zero_and_blue_below():
    found = lanes(outcome=FATES, it_exponent=[[-0.5, 0.25], [9.0, -np.inf], [-0.1, 0.1]])
    assert plots.kinds(found)[0] == "exponent"
    ax = plots.draw(found, limits=(-0.5, 0.3)).axes[0]
    mesh, gone = ax.collections
    red, _, blue, _ = np.moveaxis(mesh.cmap(mesh.norm([0.25, -0.25])), -1, 0)
    assert red[0] > blue[0] and red[1] < blue[1]
    np.testing.assert_allclose(mesh.cmap(mesh.norm(0.0))[:3], [0.97] * 3, atol=0.02)
    values = mesh.get_array()
    assert values.mask[0, 1] and values[1, 1] == -0.5  # what diverged; superstable
    assert not gone.get_array().mask[0, 1]
    with pytest.raises(ValueError, match="must have 0 between"):
        plots.draw(found, "exponent", limits=(0.1, 0.3))
    line = plots.exponent_map(found.isel(momentum=0), axes())
    assert len(line.lines) == 2  # and zero


def test_periods_have_colours_of_their_own():
    found = lanes(outcome=FATES, period=[[1, 1], [-1, 0], [24, 0]])
    assert plots.kinds(found)[0] == "period"
    labels = {text.get_text() for text in plots.draw(found).axes[0].get_legend().get_texts()}
    assert labels == {"period 1", "longer than 8", "diverged", "undecided", "aperiodic"}


def test_what_cannot_be_trusted_is_seen():
    changed = np.zeros((3, 2), np.uint8)
    changed[1, 0] = 1
    found = lanes(outcome=FATES, trusted=1 - changed, changed_ulp=changed, changed_float32=changed)
    found.attrs["trust"] = "trusted: 83.33 % of lanes (ulp)"
    assert plots.kinds(found)[0] == "trust"
    ax = plots.draw(found).axes[0]
    assert ax.get_title().endswith("trusted: 83.33 % of lanes (ulp)")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "changed by an ulp" in labels  # the first that changes counts
    assert "changed by float32" not in labels
    (dots,) = [line for line in ax.lines if len(line.get_xdata())]
    assert (dots.get_xdata()[0], dots.get_ydata()[0]) == (0.2, 0.0)
    row = plots.trust_map(found.isel(momentum=0), axes())
    assert "changed by an ulp" in [line.get_label() for line in row.lines]


def test_headings_say_what_is_trusted_and_of_what():
    found = lanes(outcome=FATES).assign_attrs(trust="trusted: 99 % of lanes (ulp)")
    assert heading(found) == "trusted: 99 % of lanes (ulp)"
    part = select(found, {"eta": slice(0.1, 0.2)})
    assert heading(part) == "of all lanes together, trusted: 99 % of lanes (ulp)"


def scaled(name, slope, fitted=(1, 1, 1, 0)):
    sizes = 0.5 ** np.arange(4.0)
    along = f"{name}_scale"
    return {f"{name}_size": (along, sizes), f"{name}_count": (along, 10 * sizes**-slope),
            f"{name}_fitted": (along, np.array(fitted, np.int8)), f"{name}_slope": slope,
            f"{name}_error": 0.01, f"{name}_dimension": slope}  # fmt: skip


def test_laws_are_drawn_with_their_verdicts():
    found = lanes(outcome=FATES).assign(
        {**scaled("resolution", 1.7), **scaled("boxes", 1.5), **scaled("uncertainty", 1.7)}
    )
    verdicts = {"resolution": "", "boxes": "3 scales", "uncertainty": ""}
    found.attrs = {"verdicts": json.dumps(verdicts), "agreement": "agree within their errors"}
    assert plots.kinds(found)[:2] == ["boundary", "scaling"]
    ax = plots.draw(found, "scaling").axes[0]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0].endswith("1.700 ± 0.010") and "withheld: 3 scales" in labels[1]
    assert ax.get_title() == "dimension: agree within their errors"
    styles = [line.get_linestyle() for line in ax.lines if line.get_linestyle() != "None"]
    assert styles == ["-", ":", "-"]
    law = next(line for line in ax.lines if line.get_linestyle() == "-")
    x, y = np.log(law.get_xdata()), np.log(law.get_ydata())
    np.testing.assert_allclose(np.diff(y) / np.diff(x), -1.7)
    np.testing.assert_allclose(y, np.log(10) - 1.7 * x)
    figure = plots.draw(found)
    figure.draw_without_rendering()
    assert len(figure.axes) >= 2


def test_a_branch_is_solid_where_it_attracts():
    """The fixed point 1 - 1/r of the logistic map, which flips at 3, and the fold at 1 + sqrt 8."""
    system = eos.analysis.logistic()
    one = eos.analysis.continuation(system, {"x": 0.5}, {"r": 2.0}, (1.5, 3.5), "r").to_dataset()
    assert plots.kinds(one)[0] == "branch"
    lines = {line.get_label(): line for line in plots.draw(one).axes[0].lines}
    solid, dashed, flip = lines["attracts"], lines["repels"], lines["flip"]
    x, y = solid.get_xdata(), solid.get_ydata()
    np.testing.assert_allclose(y, 1 - 1 / x, atol=1e-9)  # NaN where a line ends
    assert np.nanmax(x) < 3 < np.nanmax(dashed.get_xdata())
    np.testing.assert_allclose([flip.get_xdata()[0], flip.get_ydata()[0]], [3, 2 / 3])
    three = eos.analysis.continuation(system, {"x": 0.16}, {"r": 3.84}, (3.8, 3.86), "r", 3,
                                      backwards=True)  # fmt: skip
    ax = plots.branch(three.to_dataset(), axes())
    assert {"fold", "flip"} <= {line.get_label() for line in ax.lines}
    assert ax.get_title() == "cycles of period 3"
    multipliers = plots.draw(three.to_dataset(), variable="cycle_multiplier").axes[0]
    marks = [line for line in multipliers.lines if line.get_label() in ("flip", "fold")]
    assert len(marks) == 2
    for line in marks:
        np.testing.assert_allclose(line.get_ydata(), 1, atol=1e-5)
    assert multipliers.get_ylabel() == "modulus of the largest multiplier"


def test_a_real_sweep_with_an_observer_and_periods():
    obj = eos.objectives.scalar_product((4,))
    found = eos.sweep(obj, {"x": 0.9, "eta": [0.45, 0.55, 0.64, 0.8]}, 2000,
                      stop=eos.Stop(longest_period=8))  # fmt: skip
    assert found.outcome.values.tolist() == [Outcome.CONVERGED, Outcome.PERIODIC,
                                             Outcome.PERIODIC, Outcome.APERIODIC]  # fmt: skip
    ax = plots.draw(found, "period").axes[0]
    points = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert points["cycles"] == [[0.45, 1], [0.55, 2], [0.64, 4]]
    assert [x for x, _ in points["aperiodic"]] == [0.8]
