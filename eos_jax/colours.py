"""Which colour means what, in pictures and on the explorer's page: plain data.

One colour means one thing throughout. All are from palettes that colour-blind readers tell apart
and that keep their order in grey.
"""

import numpy as np

from eos_jax.outcomes import Outcome

# Okabe and Ito's colours; dark grey between its light grey and black for what is at rest
OUTCOME_COLOURS = {
    Outcome.PENDING: "#BBBBBB",
    Outcome.CONVERGED: "#0072B2",
    Outcome.DIVERGED: "#D55E00",
    Outcome.PERIODIC: "#009E73",
    Outcome.APERIODIC: "#CC79A7",
    Outcome.UNDECIDED: "#F0E442",
    Outcome.INVALID: "#000000",
    Outcome.STATIONARY: "#666666",
}
"""Fates."""

BESIDE_SHARPNESS = {
    Outcome.PENDING: "#FFF0B3",
    Outcome.DIVERGED: "#FFFFFF",
    Outcome.PERIODIC: "#F4B6D2",
    Outcome.APERIODIC: "#CC79A7",
    Outcome.UNDECIDED: "#CCCCCC",
    Outcome.INVALID: "#000000",
    Outcome.STATIONARY: "#808080",
}
"""Fates in a map whose colours are values of the sharpness: quiet ones, no hue of that scale."""

EVEN_ODD = ("#E69F00", "#56B4E9")
"""Points after an even and after an odd number of steps."""

_STOPS = {
    Outcome.CONVERGED: "f7fbff deebf7 c6dbef 9ecae1 6baed6 4292c6 2171b5 08519c 08306b",
    Outcome.DIVERGED: "fff5eb fee6ce fdd0a2 fdae6b fd8d3c f16913 d94801 a63603 7f2704",
}  # ColorBrewer's Blues and Oranges; without their ends none is white or black
_LIGHTEST, _DARKEST = 0.27, 0.93


def shades(kind: Outcome, count: int = 256) -> list[str]:
    """Colours of a fate from quick to slow.

    Args:
      kind: converged or diverged; the others have one colour.
      count: how many.

    Returns:
      Colours as hexadecimal text, the light ones first.

    Example:
      >>> shades(Outcome.CONVERGED, 3)
      ['#c0d8ed', '#4a98c9', '#084286']
    """
    stops = np.array([list(bytes.fromhex(stop)) for stop in _STOPS[kind].split()])
    places = np.linspace(_LIGHTEST, _DARKEST, count) * (len(stops) - 1)
    found = [np.interp(places, np.arange(len(stops)), channel) for channel in stops.T]
    return [f"#{bytes(rgb).hex()}" for rgb in np.rint(found).astype(np.uint8).T]


SHADED = tuple(_STOPS)
"""Fates that are shaded by the step at which they were decided."""
