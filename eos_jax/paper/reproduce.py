"""Making figures and checking claims one after another, with a report of what came out.

A figure that cannot be made or a claim that raises does not stop the rest: it is reported as
failed, with its reason.
"""

import math
import time
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from eos_jax import plots
from eos_jax.paper import report
from eos_jax.paper.claims import Measurement, claims
from eos_jax.paper.figures import figures
from eos_jax.paper.figures.base import settings_of
from eos_jax.paper.figures.networks import on_cifar10
from eos_jax.results import store

GROUPS = ("all", "figures", "claims")
_SECONDS_OF_A_CLAIM = (1.5, 0.8)


def select(names: Sequence[str]) -> list[str]:
    """The figures and claims meant, in their own order and each once.

    Args:
      names: of figures or claims, or "all", "figures", "claims"; none means all.

    Returns:
      Names.

    Raises:
      ValueError: if a name is unknown; the message lists the known ones.

    Example:
      >>> select(["fig3", "fig2a", "fig3"])
      ['fig2a', 'fig3']
    """
    known = [*figures, *claims]
    unknown = [name for name in names if name not in known and name not in GROUPS]
    if unknown:
        raise ValueError(
            f"Argument `NAME` must be {', '.join(GROUPS)}, a figure ({', '.join(figures)}) or a "
            f"claim ({', '.join(claims)}), but got {', '.join(unknown)}."
        )
    wanted = set(names) or {"all"}
    if "all" in wanted or "figures" in wanted:
        wanted |= set(figures)
    if "all" in wanted or "claims" in wanted:
        wanted |= set(claims)
    return [name for name in known if name in wanted]


def listing() -> list[str]:
    """A line for each figure and claim: its name and what it is."""
    rows = [(name, figure.title) for name, figure in figures.items()]
    rows += [(name, claim.statement) for name, claim in claims.items()]
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {text}" for name, text in rows]


def run(
    names: Sequence[str],
    out: str | PathLike,
    quick: bool = False,
    cifar10: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> report.Report:
    """Make the figures and check the claims named, and write pictures, data and report.

    Args:
      names: as `select` returns them.
      out: folder to write to: NAME.png, data/NAME.zarr, report.html and report.md. What is there
        under these names is replaced.
      quick: smaller grids and shorter runs.
      cifar10: folder of CIFAR-10's binary files, which networks then train on.
      say: is given a line after each figure and claim.

    Returns:
      The report.
    """
    out = Path(out)
    (out / "data").mkdir(parents=True, exist_ok=True)
    seconds = [
        figures[name].seconds[quick] if name in figures else _SECONDS_OF_A_CLAIM[quick]
        for name in names
    ]
    began = time.perf_counter()
    done = report.Report(quick=quick)
    try:
        for i, name in enumerate(names):
            if name in figures:
                entry = _make(name, out, quick, cifar10)
                done.figures.append(entry)
            else:
                entry = _check(name, quick)
                done.claims.append(entry)
            elapsed = time.perf_counter() - began
            left = _estimate(elapsed, sum(seconds[: i + 1]), sum(seconds[i + 1 :]))
            result = "" if entry.passed else f"  FAILED: {entry.reason()}"
            say(
                f"[{i + 1:>{len(str(len(names)))}}/{len(names)}] {name}{result}  "
                f"{entry.seconds:.1f} s, {_clock(elapsed)} so far, about {_clock(left)} left"
            )
    finally:  # also of a run that was interrupted
        done.seconds = time.perf_counter() - began
        done.missing += names[len(done.figures) + len(done.claims) :]
        report.write(done, out)
    return done


def _make(name: str, out: Path, quick: bool, cifar10: str | None) -> report.FigureEntry:
    figure = figures[name]
    began = time.perf_counter()
    settings = figure.chosen(quick)
    entry = report.FigureEntry(name, figure.title, settings, figure.origins(settings))
    try:
        other = on_cifar10(settings, cifar10) if cifar10 and "folder" in settings else {}
        dataset = figure.compute(quick, other)
        entry.settings = settings_of(dataset)
        entry.origins = figure.origins(entry.settings)
        entry.made_by = report.made_by(dataset.attrs)
        entry.compute_seconds = time.perf_counter() - began
        plots.save(figure.draw(dataset), out / f"{name}.png")
        store.save(dataset, out / "data" / f"{name}.zarr")
        entry.caption = figure.caption(dataset)
        entry.picture = f"{name}.png"
    except Exception as error:  # one figure's failure is reported, and must not stop the others
        entry.caption = f"Not made: {type(error).__name__}: {error}"
    entry.seconds = time.perf_counter() - began
    return entry


def _check(name: str, quick: bool) -> report.ClaimEntry:
    began = time.perf_counter()
    try:
        measurement = claims[name].check(quick)
    except Exception as error:
        note = f"raised {type(error).__name__}: {error}"
        measurement = Measurement("", "not measured", math.inf, 0.0, note)
    return report.ClaimEntry(claims[name], measurement, time.perf_counter() - began)


def _estimate(elapsed: float, expected: float, remaining: float) -> float:
    """Time left, from what the parts done took compared with what they were expected to take."""
    return remaining * min(max(elapsed / expected, 0.2), 10.0)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
