"""Colours of fates, against matplotlib's own reading of the same palettes."""

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from eos_jax import colours
from eos_jax.outcomes import Outcome


@pytest.mark.parametrize(
    ("kind", "name"), [(Outcome.CONVERGED, "Blues"), (Outcome.DIVERGED, "Oranges")]
)
def test_shades_are_those_of_colorbrewer(kind, name):
    found = np.array([to_rgb(shade) for shade in colours.shades(kind)])
    # matplotlib has 256 entries of the whole scale: half an entry off, of at most 3.4 in 255 each
    expected = matplotlib.colormaps[name](np.linspace(0.27, 0.93, 256))[:, :3]
    assert abs(found - expected).max() < 2.5 / 255
    assert (np.diff(found @ [0.2126, 0.7152, 0.0722]) <= 1e-9).all()  # darker and darker


def test_every_fate_has_a_colour_of_its_own():
    assert set(colours.OUTCOME_COLOURS) == set(Outcome)
    assert len(set(colours.OUTCOME_COLOURS.values())) == len(Outcome)
    assert set(colours.BESIDE_SHARPNESS) == set(Outcome) - {Outcome.CONVERGED}
