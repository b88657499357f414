"""The command `eos-jax`."""

import atexit
import contextlib
import functools
import gc
import importlib.machinery
import inspect
import io
import re
import sys
import threading
import types
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import tyro

from eos_jax import signals
from eos_jax.checks import sized
from eos_jax.machine import cores, set_process_flags
from eos_jax.objectives import Objective, from_function
from eos_jax.results.provenance import package_version
from eos_jax.run.backends import TilesFailed
from eos_jax.summary import summary


def sweep(
    config: Annotated[Path, tyro.conf.Positional],
    out: str,
    set: Annotated[list[str], tyro.conf.UseAppendAction] = [],  # noqa: B006
    objective: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    shard: str | None = None,
    scheduler: str | None = None,
    backend: str | None = None,
) -> None:
    """Run every start with every step size of a configuration, into a Zarr store.

    A configuration with a table `analysis` runs that instrument instead, such as orbit_diagram.

    Exit code 1 if some tiles could not be computed.

    Args:
        config: TOML file; see the folder configs.
        out: folder or URL of the store. A store of the same configuration is resumed.
        set: change a key of the configuration, e.g. --set axes.x.num=8192. May be repeated.
        objective: FILE.py:FUNCTION, a loss of your own in place of the configuration's, or
            FILE.py:SYSTEM, a map of your own (`eos_jax.analysis.own_map`) in place of objective
            and rule.
        force: resume although versions, device or XLA's options differ.
        dry_run: say what it would take and what of it is done, and write nothing.
        shard: i/n, for example 0/3: do every n-th tile only; n such processes make the whole.
        scheduler: address of a scheduler of dask.distributed, or local for worker processes here.
        backend: NAME or NAME:OPTION of another one that computes the tiles.
    """
    from eos_jax import config as configuration
    from eos_jax.sweep import outline

    settings = configuration.load(config, set)
    own = load_objective(objective) if objective else None
    chosen = _backend(shard, scheduler, backend)
    try:
        given: dict[str, Any] = {"out": out}
        given |= {"force": True} if force else {}
        given |= {"backend": chosen} if chosen != "threads" else {}
        if dry_run and settings.analysis is not None:
            raise ValueError("Option --dry-run says nothing of an analysis.")
        if dry_run:
            given |= configuration.arguments(settings, own)
            print("\n".join(_in_lines(outline(**given), settings.steps)))
            return
        dataset = configuration.run(settings, own, **given)
    except ValueError as error:  # names key and value; the file is known here
        raise ValueError(f"{config}: {error}") from None
    except MemoryError as error:
        raise ValueError(f"{config}: too large for memory: {error}") from None
    print("\n".join(summary(dataset, out)))
    print(f"wrote {out}")


def _backend(shard, scheduler, backend) -> str:
    given = {"--shard": shard, "--scheduler": scheduler, "--backend": backend}
    options = [name for name, text in given.items() if text is not None]
    if len(options) > 1:
        raise ValueError(f"Options {' and '.join(options)} exclude each other.")
    if shard is not None:
        return f"shard:{shard}"
    return f"dask:{scheduler}" if scheduler is not None else backend or "threads"


def _in_lines(outline, steps) -> list[str]:
    """What a sweep would take, in words."""
    tile = " x ".join(map(str, outline.tile)) or "1"
    return [
        f"lanes: {outline.lanes:,}, of which {outline.done:,} are done",
        f"steps: {steps:,} at most",
        f"tiles: {outline.tiles:,} of {tile}",
        f"size: at most {sized(outline.disk)}, before compression",
        f"memory: about {sized(outline.memory)}",
        f"time left: about {_duration(outline.seconds)} here, by a sample of the lanes",
        f"engine: {outline.engine}, since {outline.why}",
    ]


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.2g} seconds" if seconds < 10 else f"{seconds:.0f} seconds"


def plot(
    store: Annotated[str, tyro.conf.Positional],
    out: Path,
    kind: str | None = None,
    variable: str | None = None,
    sel: Annotated[list[str], tyro.conf.UseAppendAction] = [],  # noqa: B006
    facet: str | None = None,
    cmap: str | None = None,
    limits: tuple[float, float] | None = None,
    log: bool = False,
    title: str | None = None,
) -> None:
    """Draw a result.

    Args:
        store: a result of `eos-jax sweep`, or the data of a figure of `eos-jax reproduce`, which
            is drawn as that figure if nothing else is asked for.
        out: picture to write: PNG, PDF or SVG by its ending.
        kind: of picture, e.g. sharpness, outcome, map, curves, histogram, orbits; by default what
            suits the result. Where it does not suit, you are told which do.
        variable: to draw as a map, as curves or against the step.
        sel: DIMENSION=VALUE, the value to keep along a dimension (the nearest is taken), or
            DIMENSION=LOW:HIGH, the values to keep. May be repeated.
        facet: dimension over which panels are made.
        cmap: name of a colour map of matplotlib.
        limits: lowest and highest value of the scale.
        log: whether the scale of the variable is logarithmic.
        title: in place of the rule and what is fixed.
    """
    from eos_jax import plots
    from eos_jax.results.store import open_dataset

    wanted = {"variable": variable, "cmap": cmap, "limits": limits, "log": log or None}
    options: Any = {name: value for name, value in wanted.items() if value is not None}
    chosen = dict(_selection(text) for text in sel)
    dataset = open_dataset(store)
    known = None
    if "figure" in dataset.attrs and not (kind or chosen or facet or options or title is not None):
        from eos_jax.paper.figures import figures

        known = figures.get(dataset.attrs["figure"])
    if known is not None:
        figure = known.draw(dataset.load())
    else:
        figure = plots.draw(dataset, kind, sel=chosen, facet=facet, title=title, **options)
    plots.save(figure, out)
    print(f"wrote {out}")


def _selection(text: str) -> tuple[str, Any]:
    """A dimension, and a value or a slice of values, from DIMENSION=VALUE or DIMENSION=LOW:HIGH."""
    dim, equals, value = text.partition("=")
    parts = [part.strip() for part in value.split(":")]
    try:
        numbers = [float(part) if part else None for part in parts]
    except ValueError:
        numbers = parts  # a name, which a dimension may have
    if not (dim and equals and value.strip(": ")) or len(parts) > 2:
        raise ValueError(f"Option --sel must be DIMENSION=VALUE or =LOW:HIGH, but got {text!r}.")
    if len(parts) == 2 and numbers is parts:
        raise ValueError(f"Option --sel: ends must be numbers, but got {text!r}.")
    return dim.strip(), numbers[0] if len(parts) == 1 else slice(*numbers)


def explore(
    what: Annotated[Path | None, tyro.conf.Positional] = None,
    set: Annotated[list[str], tyro.conf.UseAppendAction] = [],  # noqa: B006
    objective: str | None = None,
    port: int = 0,
    browser: bool = True,
) -> None:
    """Open a page to zoom into a map, and to see the orbit of any start in it.

    The page is served on this machine alone, at an address with a token, until Ctrl-C.

    Args:
        what: TOML file of a sweep, or a result of `eos-jax sweep`; by default figure 7a of the
            paper.
        set: change a key of the configuration, e.g. --set steps=1000. May be repeated.
        objective: FILE.py:FUNCTION, a loss of your own in place of the configuration's.
        port: of 127.0.0.1; a free one by default.
        browser: whether to open the page in your browser.
    """
    from eos_jax import explorer

    own = load_objective(objective) if objective else None
    if own is not None and not isinstance(own, Objective):
        raise ValueError(f"Option --objective {objective}: the page shows losses, not maps.")
    with explorer.serve(explorer.context_of(what, set, own), port) as server:
        print(f"exploring at {server.address}\nCtrl-C ends it", flush=True)
        server.prepare()
        if browser:
            webbrowser.open(server.address)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def export(store: Annotated[str, tyro.conf.Positional], out: Path) -> None:
    """Write a result into one file for other programs.

    Args:
        store: a result of `eos-jax sweep`.
        out: file to write: NetCDF (.nc), or CSV (.csv) with a row for each lane.
    """
    from eos_jax.results import export as formats
    from eos_jax.results.store import open_dataset

    formats.write(open_dataset(store), out)
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
        quick: small grids and short runs: two or three minutes in all.
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


def info(store: Annotated[str | None, tyro.conf.Positional] = None) -> None:
    """Say what a result holds, or without one what is installed and where it runs.

    Args:
        store: a result of `eos-jax sweep`.
    """
    import jax

    from eos_jax import objectives, observers, rules
    from eos_jax.results import provenance
    from eos_jax.results.store import open_dataset

    if store is None:
        for name in provenance.RECORDED_PACKAGES:
            print(f"{name} {provenance.package_version(name)}")
        print(f"devices: {', '.join(str(device) for device in jax.local_devices())}")
        print(f"cores: {cores()}")
        print(f"objectives: {', '.join(sorted(objectives.registry))}")
        print(f"rules: {', '.join(sorted(rules.registry))}")
        print(f"observers: {', '.join(sorted(observers.registry))}")
        return
    dataset = open_dataset(store)
    lanes = dataset.outcome.dims if "outcome" in dataset else ()
    dims = dict.fromkeys((*lanes, *dataset.sizes))
    print(", ".join(f"{dim}: {dataset.sizes[dim]}" for dim in dims) or "one lane")
    for name, value in dataset.attrs.items():
        print(f"{name}: {_printable(str(value))}")
    if "outcome" in dataset:
        print("\n".join([*_progress(store), *summary(dataset, store)]))


def _printable(text: str) -> str:
    """Text of others, without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def verify(store: Annotated[str, tyro.conf.Positional]) -> None:
    """Check a result: metadata, labels, every chunk. Damaged tiles are marked to be done again.

    Exit code 1 if something is damaged or lost.

    Args:
        store: a result of `eos-jax sweep`.
    """
    from eos_jax.results.verify import damaged

    found = damaged(store)
    for line in found:
        print(f"damaged: {_printable(line)}")
    again = "; run the same sweep again to repair them" if found else ""
    print(f"{len(found)} damaged chunks{again}")
    if found:
        raise SystemExit(1)


def _progress(store) -> list[str]:
    """How far a sweep is, and how fast if it is running."""
    from eos_jax.results.store import progress

    found = progress(store)
    if found is None:
        return []
    line = f"tiles: {found.done:,} of {found.tiles:,} done"
    if found.done == found.tiles or found.since is None:
        return [line]
    line += f", the last {_duration(found.since)} ago"
    if found.rate:
        left = (found.tiles - found.done) * found.lanes / found.done / found.rate
        line += f"; then {found.rate:,.3g} lanes/s, at which the rest takes {_duration(left)}"
    return [line]


def load_objective(place: str) -> Any:
    """What is at FILE.py:FUNCTION: a loss function, an objective or a system made there."""
    file, colon, name = place.rpartition(":")
    if not colon or not file.endswith(".py") or not name.isidentifier():
        raise ValueError(f"Option --objective must be FILE.py:FUNCTION, but got {place!r}.")
    if not Path(file).is_file():
        raise ValueError(f"Option --objective: no file {file!r}.")
    try:
        loader = importlib.machinery.SourceFileLoader(Path(file).stem, file)
        module = types.ModuleType(loader.name)
        module.__file__ = file
        loader.exec_module(module)
        found = getattr(module, name, None)
        if isinstance(found, Objective) or _is_system(found):
            return found
        if callable(found) and not inspect.isclass(found):
            return from_function(found)
    except ValueError as error:
        raise ValueError(f"Option --objective {place}: {error}") from error
    except (Exception, SystemExit) as error:  # whatever a user's own code raises
        raise ValueError(f"Option --objective: {place} fails with {error!r}.") from error
    raise ValueError(f"Option --objective: {file} has no function or objective `{name}`.")


def _is_system(found: Any) -> bool:
    """Whether something is an `eos_jax.analysis.System`, which is not imported to see it."""
    return isinstance(found, tuple) and getattr(found, "_fields", ()) == ("objective", "rule")


COMMANDS = {
    "sweep": sweep,
    "plot": plot,
    "explore": explore,
    "export": export,
    "reproduce": reproduce,
    "info": info,
    "verify": verify,
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command; bad input is one line on standard error and exit code 2.

    Args:
      arguments: the command line without the program's name; by default the process's own.
    """
    if arguments is None:
        arguments = sys.argv[1:]
        gc.freeze()  # imports stay: no later collection looks at them, nor the process's end
    set_process_flags()
    try:
        with signals.heeded(arguments):
            _parse_and_run(arguments)
    except KeyboardInterrupt:
        _say(signals.farewell(arguments))
        atexit.register(signals.gone)  # XLA's threads do not always survive a tear-down
        raise SystemExit(130) from None
    except TilesFailed as error:
        _say(str(error))
        raise SystemExit(1) from None
    except (ValueError, OSError, MemoryError, ImportError) as error:
        _say(str(error) or type(error).__name__)
        raise SystemExit(2) from None


def _say(text: str) -> None:
    line = _printable(_one_line(text))
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
    print(f"eos-jax: {line}", file=sys.stderr, flush=True)


_LONGEST = 1500  # characters of a message


def _parse_and_run(arguments):
    if arguments == ["--version"]:
        print(f"eos_jax {package_version('eos_jax')}")
        return
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
