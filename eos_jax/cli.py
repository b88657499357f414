"""The command `eos-jax`."""

import contextlib
import functools
import importlib.util
import inspect
import io
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import tyro

KINDS = Literal["sharpness", "outcome"]


def sweep(
    config: Annotated[Path, tyro.conf.Positional],
    out: Path,
    set: Annotated[list[str], tyro.conf.UseAppendAction] = [],  # noqa: B006
    objective: str | None = None,
    force: bool = False,
) -> None:
    """Run every start with every step size of a configuration, into a Zarr store.

    Args:
        config: TOML file; see the folder configs.
        out: folder of the store. A store of the same configuration is resumed.
        set: change a key of the configuration, e.g. --set axes.x.num=8192. May be repeated.
        objective: FILE.py:FUNCTION, a loss of your own in place of the configuration's.
        force: resume although versions, device or configuration differ.
    """
    from eos_jax import config as configuration
    from eos_jax.sweep import sweep as run

    settings = configuration.load(config, set)
    own = load_objective(objective) if objective else None
    dataset = run(**configuration.arguments(settings, own), out=out, force=force)
    print("\n".join(summary(dataset)))
    print(f"wrote {out}")


def plot(
    store: Annotated[Path, tyro.conf.Positional],
    out: Path,
    kind: KINDS = "sharpness",
) -> None:
    """Draw the result of a sweep.

    Args:
        store: a result of `eos-jax sweep`.
        out: picture to write: PNG, PDF or SVG by its ending.
        kind: the final sharpness, or the fate and the steps to it.
    """
    from eos_jax import plots
    from eos_jax.store import open_dataset

    plots.save(plots.draw(open_dataset(store), kind), out)
    print(f"wrote {out}")


def reproduce(
    names: Annotated[list[str], tyro.conf.Positional] = [],  # noqa: B006
    out: Path | None = None,
    quick: bool = False,
    cifar10: Path | None = None,
    list_names: Annotated[bool, tyro.conf.arg(name="list")] = False,
) -> None:
    """Make the paper's figures and check its claims, into a folder with a report.

    Exit code 1 if a claim does not hold or a figure could not be made.

    Args:
        names: figures and claims by name, or all (the default), figures, claims.
        out: folder for pictures, data, report.html and report.md.
        quick: small grids and short runs: under two minutes in all.
        cifar10: folder with CIFAR-10's data_batch_*.bin, for networks to train on instead of the
            digits of scikit-learn.
        list_names: list all figures and claims, and do nothing else.
    """
    from eos_jax.paper import reproduce as paper

    if list_names:
        print("\n".join(paper.listing()))
        return
    chosen = paper.select(names)
    if out is None:
        raise ValueError("Option --out must be given: the folder to write to.")
    folder = None if cifar10 is None else str(cifar10)
    result = paper.run(chosen, out, quick, folder, functools.partial(print, flush=True))
    print(result.summary())
    print(f"wrote {out / 'report.html'}")
    if not result.passed:
        raise SystemExit(1)


def info(store: Annotated[Path | None, tyro.conf.Positional] = None) -> None:
    """Say what a result holds, or without one what is installed and where it runs.

    Args:
        store: a result of `eos-jax sweep`.
    """
    import jax

    from eos_jax import labels, objectives, updates
    from eos_jax.store import open_dataset

    if store is None:
        for name in labels.RECORDED_PACKAGES:
            print(f"{name} {labels.package_version(name)}")
        print(f"devices: {', '.join(str(device) for device in jax.local_devices())}")
        print(f"cores: {len(os.sched_getaffinity(0))}")
        print(f"objectives: {', '.join(sorted(objectives.registry))}")
        print(f"updates: gradient_descent, {', '.join(updates.OPTAX_RULES)}")
        return
    dataset = open_dataset(store)
    print(", ".join(f"{dim}: {size}" for dim, size in dataset.sizes.items()) or "one lane")
    for name, value in dataset.attrs.items():
        print(f"{name}: {value}")
    print("\n".join(summary(dataset)))


def verify(store: Annotated[Path, tyro.conf.Positional]) -> None:
    """Check every chunk of a result; damaged tiles are marked to be done again.

    Args:
        store: a result of `eos-jax sweep`.
    """
    from eos_jax.store import damaged

    found = damaged(store)
    for line in found:
        print(f"damaged: {line}")
    print(f"{len(found)} damaged chunks" + (" ; run the same sweep again" if found else ""))
    if found:
        raise SystemExit(1)


def summary(dataset) -> list[str]:
    """Lines that say how many lanes had which fate, and the sharpness that was reached."""
    import numpy as np

    from eos_jax.outcomes import Outcome

    outcome = dataset.outcome.values
    counts = Counter({Outcome(k): n for k, n in enumerate(np.bincount(outcome.ravel())) if n})
    lines = [
        f"{kind.name.lower():10} {n:>12,} lanes  {n / outcome.size:7.2%}"
        for kind, n in sorted(counts.items())
    ]
    reached = dataset.sharpness.values[outcome == Outcome.CONVERGED]
    if reached.size:
        low, middle, high = np.quantile(reached, [0, 0.5, 1])
        lines.append(f"sharpness of converged lanes: {low:.6f} to {high:.6f}, median {middle:.6f}")
    if "eta" in dataset.coords and dataset.eta.ndim == 0:
        threshold = 2 / float(dataset.eta)
        lines.append(f"stability threshold 2/eta: {threshold:.6f}")
        band = reached[(reached > threshold - 0.1) & (reached < threshold)]
        if band.size:
            lines.append(
                f"within 0.1 below 2/eta: {band.size:,} lanes, median sharpness "
                f"{np.median(band):.9f}"
            )
    return lines


def load_objective(place: str):
    """The objective at FILE.py:FUNCTION: a loss function, or an objective made there."""
    from eos_jax.objectives import Objective, from_function

    file, colon, name = place.rpartition(":")
    if not colon or not file.endswith(".py") or not name.isidentifier():
        raise ValueError(f"Option --objective must be FILE.py:FUNCTION, but got {place!r}.")
    if not Path(file).is_file():
        raise ValueError(f"Option --objective: no file {file!r}.")
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"Option --objective: {file} fails with {error!r}.") from error
    found = getattr(module, name, None)
    if isinstance(found, Objective):
        return found
    if not inspect.isfunction(found):
        raise ValueError(f"Option --objective: {file} has no function or objective `{name}`.")
    return from_function(found)


COMMANDS = {
    "sweep": sweep,
    "plot": plot,
    "reproduce": reproduce,
    "info": info,
    "verify": verify,
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command; bad input is one line on standard error and exit code 2.

    Args:
      arguments: the command line without the program's name; by default the process's own.
    """
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        _parse_and_run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        print("eos-jax: interrupted; run the same command again to go on.", file=sys.stderr)
        raise SystemExit(130) from None
    except (ValueError, OSError) as error:
        print(f"eos-jax: {_one_line(str(error))}", file=sys.stderr)
        raise SystemExit(2) from None


def _interrupted(*_):
    raise KeyboardInterrupt


def _parse_and_run(arguments):
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            command = tyro.extras.subcommand_cli_from_dict(
                {name: _deferred(function) for name, function in COMMANDS.items()},
                prog="eos-jax",
                description="Gradient-descent dynamics at the edge of stability.",
                args=arguments,
            )
    except SystemExit as stop:
        if stop.code:
            raise ValueError(re.sub("[─│╭╮╰╯]+", " ", printed.getvalue())) from None
        raise
    command()


def _deferred(function):
    """The function with its signature, that only notes its arguments: parse first, then run."""

    @functools.wraps(function)
    def note(**kwargs):
        return functools.partial(function, **kwargs)

    return note


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
