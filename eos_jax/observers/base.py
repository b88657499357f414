"""What an observer is: three pure functions and labels, kept apart from how the orbit is run.

An observer sees the start, every k-th point of an orbit until it is decided, and the end. Each
lane of a sweep carries its own accumulator.
"""

import functools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from eos_jax.registry import arguments, call, key_of, shared
from eos_jax.sample import Sample


class Label(NamedTuple):
    """How one result of an observer is labelled.

    Attributes:
      long_name: what it is, in words.
      units: its units; "1" for none.
      dims: names of its own first dimensions; "step" stands for the steps of the last samples, as
        many as the axis is long. Dimensions without a name are numbered.
    """

    long_name: str = ""
    units: str = "1"
    dims: tuple[str, ...] = ()


class Init(Protocol):
    """The accumulator before the first sample."""

    def __call__(self, first: Sample, samples: int, /) -> Any:
        """From the first sample, which `update` is shown again, and the number of samples."""
        ...


class Change(Protocol):
    """The accumulator after one more sample."""

    def __call__(self, accumulator: Any, sample: Sample, /) -> Any:
        """Of the same shapes and dtypes."""
        ...


class Finalize(Protocol):
    """The result, when the orbit is decided."""

    def __call__(self, accumulator: Any, end: Sample, /) -> Any:
        """An array or a dict of arrays; `end` is the last point, `end.index` the last sample's."""
        ...


@dataclass(frozen=True, eq=False)
class Observer:
    """Something recorded along an orbit.

    Attributes:
      init: (first sample, number of samples) -> accumulator; the first sample is shown again.
      update: (accumulator, sample) -> accumulator.
      finalize: (accumulator, end) -> result, an array or a dict of arrays.
      labels: of the result, or a dict of them for a dict of results.
      name: what it is called in configurations, if it is registered.
      by_index: `update` only writes at `sample.index`, and nothing where that is not below the
        number of samples; `finalize` forgets what lies beyond `end.index`. Long records are kept
        so: they are never copied to take a sample back.
    """

    init: Init
    update: Change
    finalize: Finalize
    labels: Label | Mapping[str, Label] = field(default_factory=Label)
    by_index: bool = False
    name: str = ""

    def __repr__(self) -> str:
        """What it records, in words."""
        labels = self.labels.items() if isinstance(self.labels, Mapping) else [("", self.labels)]
        words = [label.long_name or name for name, label in labels]
        inner = ": ".join(filter(None, (self.name, ", ".join(filter(None, words)))))
        return f"Observer({inner or getattr(self.update, '__name__', '')})"


Factory = Callable[..., Observer]

registry: dict[str, Factory] = {}
"""Factories of observers by name; filled by `register`, read by configurations and tests."""


def register(make: Factory) -> Factory:
    """Register a function that makes observers, under its own name.

    Equal arguments give the same observer, so compiled programs are found again.
    """
    made: dict[Hashable, Observer] = {}

    @functools.wraps(make)
    def wrapped(*args: Any, **kwargs: Any) -> Observer:
        given = arguments(make, args, kwargs)
        return shared(made, key_of(given), lambda: replace(make(**given), name=name))

    name = getattr(make, "__name__", "observer")
    registry[name] = wrapped
    return wrapped


def make(name: str, **settings: Any) -> Observer:
    """An observer by its registered name, as configurations give it.

    Args:
      name: the name of a registered factory.
      **settings: its arguments.

    Returns:
      The observer.

    Raises:
      ValueError: if the name or a setting is unknown.

    Example:
      >>> import eos_jax as eos
      >>> eos.observers.make("maximum", measure="loss") is eos.observers.maximum("loss")
      True
    """
    return call("an observer", registry, name, settings)


def as_observers(observe: Observer | Mapping[str, Observer] | None) -> dict[str, Observer]:
    """Observers by the names of their results; raises on what is neither.

    Raises:
      ValueError: if a name is no identifier or a value no observer.
    """
    if observe is None:
        return {}
    if isinstance(observe, Observer):
        observe = {"": observe}
    if not isinstance(observe, Mapping):
        raise ValueError(
            f"Argument `observe` must be an observer or a dict of them, but got {observe!r}."
        )
    for name, observer in observe.items():
        if not isinstance(observer, Observer):
            raise ValueError(
                f"Argument `observe` must give `{name}` as an observer, but got {observer!r}; "
                f"there are {', '.join(sorted(registry))}."
            )
        if name and not name.isidentifier():
            raise ValueError(
                f"Argument `observe` must name observers by identifiers, but got {name!r}."
            )
    return dict(observe)


def results_of(name: str, observer: Observer, result: Any) -> dict[str, tuple[Any, Label]]:
    """The arrays of a result by the names they have in a dataset, each with its label.

    Args:
      name: of the observer; a dict's entries are called `name_entry`, or `entry` if it is empty.
      observer: whose result it is.
      result: arrays, or their shapes.

    Returns:
      A dict from names to pairs.
    """
    if not isinstance(result, Mapping):
        label = observer.labels if isinstance(observer.labels, Label) else Label()
        return {name or "observed": (result, label)}
    labels = observer.labels if isinstance(observer.labels, Mapping) else {}
    joined = (lambda entry: f"{name}_{entry}") if name else str
    return {
        joined(entry): (leaf, labels.get(entry, Label(entry))) for entry, leaf in result.items()
    }
