"""The paper's claims, its errata and what its neighbours say, each an executable check.

Every claim is one function in one of these files; importing the package registers all of them.
A claim that turned out wrong is here in the form that is true, with the wrong one shown to fail.
"""

import importlib
import importlib.util
import time
from collections.abc import Iterable, Iterator

from eos_jax.paper.claims.base import Claim, Measurement, claim, claims

TOPICS = (
    "theorems", "errata", "plain_loop", "sharpness", "chaos", "analysis", "neighbours",
    "optimizers", "rules", "matrices", "steps",
    *(("flows",) if importlib.util.find_spec("diffrax") else ()), "traps",
)  # fmt: skip
"""The files, in the order in which their claims are listed; those of flows need diffrax."""

for _topic in TOPICS:
    importlib.import_module(f"{__name__}.{_topic}")


def check(
    names: Iterable[str] | None = None, quick: bool = False
) -> Iterator[tuple[Claim, Measurement, float]]:
    """Check claims one after another.

    Args:
      names: which; all by default.
      quick: fewer or coarser runs.

    Yields:
      (Claim, Measurement, seconds).

    Raises:
      ValueError: if a name is unknown.

    Example:
      >>> from eos_jax.paper.claims import check
      >>> [(claim, measurement, _)] = check(["eos_minimum_sharpness"], quick=True)
      >>> measurement.passed
      True
    """
    names = list(claims if names is None else names)
    unknown = [name for name in names if name not in claims]
    if unknown:
        raise ValueError(f"Argument `names` must name claims, but got {', '.join(unknown)}.")
    for name in names:
        began = time.perf_counter()
        measurement = claims[name].check(quick)
        yield claims[name], measurement, time.perf_counter() - began


__all__ = ["Claim", "Measurement", "check", "claim", "claims"]
