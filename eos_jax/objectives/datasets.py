"""Data that network figures train on: pairs of arrays, inputs and targets.

A data set is a function from settings to `Data`, found by name with `load`, so that an objective
can be rebuilt from a configuration: names and settings are hashed and stored, arrays
are not. Two classes have one target of -1 or +1; more have one-hot targets.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eos_jax.checks import check_choice, check_count

CIFAR10_RECORD = 3073  # one byte of label, then 32 x 32 pixels of red, green and blue
CIFAR10_CLASSES = 10


class Data(NamedTuple):
    """Examples to train on.

    Attributes:
      inputs: shape (samples, features), float64.
      targets: shape (samples, outputs), float64.
    """

    inputs: np.ndarray
    targets: np.ndarray


def gaussian(
    samples: int = 50, classes: Sequence[int] = (0, 1), features: int = 10, seed: int = 0
) -> Data:
    """Standard normal inputs with classes dealt in turn: nothing to learn, only to memorise.

    Args:
      samples: how many examples, a multiple of the number of classes.
      classes: labels of the classes; only their number matters.
      features: length of one input.
      seed: of NumPy's generator.

    Returns:
      A `Data`.

    Raises:
      ValueError: if a setting is not as described.

    Example:
      >>> from eos_jax.objectives import datasets
      >>> inputs, targets = datasets.gaussian(samples=4, features=3)
      >>> print(inputs.shape, targets.ravel())
      (4, 3) [-1.  1. -1.  1.]
    """
    _check_selection(samples, classes)
    check_count("features", features)
    inputs = np.random.default_rng(seed).standard_normal((samples, features))
    return Data(inputs, targets_of(np.arange(samples) % len(classes), len(classes)))


def digits(samples: int = 50, classes: Sequence[int] = (0, 1)) -> Data:
    """Handwritten digits of 8 x 8 pixels, those that come with scikit-learn (extra `nets`).

    Each pixel has mean 0 and variance 1 over the chosen samples; one that never changes is 0.

    Args:
      samples: how many examples, the same number of each class, first ones first.
      classes: which digits, 0 to 9.

    Returns:
      A `Data` of 64 features.

    Raises:
      ImportError: if scikit-learn is not installed.
      ValueError: if a setting is not as described, or there are fewer samples.

    Example:
      >>> from eos_jax.objectives import datasets
      >>> inputs, targets = datasets.digits(samples=50)  # doctest: +SKIP
      >>> inputs.shape, targets.shape  # doctest: +SKIP
      ((50, 64), (50, 1))

    Source: Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits", UCI.
    """
    _check_selection(samples, classes)
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "The data set `digits` needs scikit-learn: install eos_jax[nets]."
        ) from error
    images, labels = load_digits(return_X_y=True)
    chosen = _first_of_each(labels, samples, classes)
    inputs = standardised(np.asarray(images[chosen], float), axis=0)
    return Data(inputs, targets_of(_ranks(labels[chosen], classes), len(classes)))


def cifar10(folder: str, samples: int = 50, classes: Sequence[int] = (0, 1)) -> Data:
    """CIFAR-10 from the files data_batch_*.bin of its binary version; nothing is downloaded.

    Each colour has mean 0 and variance 1 over the chosen samples and their pixels.

    Args:
      folder: where the files are.
      samples: how many examples, the same number of each class, first ones first.
      classes: which labels, 0 to 9.

    Returns:
      A `Data` of 3072 features: all of red, then of green, then of blue.

    Raises:
      FileNotFoundError: if the folder or the files are not there.
      ValueError: if a file is not of whole records with labels 0 to 9, a setting is not as
        described, or there are fewer samples.

    Example:
      >>> from eos_jax.objectives import datasets
      >>> datasets.cifar10("no/such/folder")
      Traceback (most recent call last):
      FileNotFoundError: Argument `folder` must be a folder, but got no/such/folder.

    Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
    """
    _check_selection(samples, classes)
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"Argument `folder` must be a folder, but got {folder}.")
    paths = sorted(Path(folder).glob("data_batch_*.bin"))
    if not paths:
        raise FileNotFoundError(
            f"Argument `folder` must hold files data_batch_*.bin of CIFAR-10's binary version, "
            f"but {folder} has none."
        )
    records = np.concatenate([_cifar10_records(path) for path in paths])
    labels = records[:, 0]
    chosen = _first_of_each(labels, samples, classes)
    colours = records[chosen, 1:].astype(float).reshape(samples, 3, -1)
    inputs = standardised(colours, axis=(0, 2)).reshape(samples, -1)
    return Data(inputs, targets_of(_ranks(labels[chosen], classes), len(classes)))


DATASETS = ("gaussian", "digits", "cifar10")
"""Data sets that configurations may name."""


def standardised(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """The values with mean 0 and variance 1 along `axis`; 0 where they do not vary.

    Example:
      >>> import numpy as np
      >>> from eos_jax.objectives import datasets
      >>> print(datasets.standardised(np.array([[1.0, 7.0], [3.0, 7.0]]), axis=0))
      [[-1.  0.]
       [ 1.  0.]]
    """
    centred = values - values.mean(axis, keepdims=True)
    constant = np.ptp(values, axis=axis, keepdims=True) == 0
    deviation = np.sqrt((centred**2).mean(axis, keepdims=True))
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, deviation))


def targets_of(ranks: np.ndarray, classes: int) -> np.ndarray:
    """Targets from class numbers 0, 1, ...: -1 or +1 for two classes, one-hot for more.

    Example:
      >>> import numpy as np
      >>> from eos_jax.objectives import datasets
      >>> print(datasets.targets_of(np.array([2, 0]), 3))
      [[0. 0. 1.]
       [1. 0. 0.]]
    """
    if classes == 2:
        return 2.0 * np.asarray(ranks)[:, None] - 1.0
    return np.eye(classes)[ranks]


def _check_selection(samples: int, classes: Sequence[int]) -> None:
    check_count("samples", samples)
    if (
        not isinstance(classes, tuple | list)
        or len(classes) < 2
        or len(set(classes)) < len(classes)
    ):
        raise ValueError(
            f"Argument `classes` must be two or more different labels, but got {classes!r}."
        )
    if samples % len(classes):
        raise ValueError(
            f"Argument `samples` must be a multiple of the number of classes, {len(classes)}, "
            f"but got {samples}."
        )


def _first_of_each(labels: np.ndarray, samples: int, classes: Sequence[int]) -> np.ndarray:
    """Indices of the first samples of each class, in the order of the file."""
    share = samples // len(classes)
    found = {label: np.flatnonzero(labels == label)[:share] for label in classes}
    for label, indices in found.items():
        if len(indices) < share:
            raise ValueError(
                f"Argument `samples` must be at most what the data hold, {len(classes)} times "
                f"{len(indices)} for class {label}, but got {samples}."
            )
    return np.sort(np.concatenate(list(found.values())))


def _ranks(labels: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Position of each label in `classes`."""
    return np.argmax(labels[:, None] == np.asarray(classes), axis=1)


def _cifar10_records(path: Path) -> np.ndarray:
    """The records of one file, shape (records, 3073), uint8."""
    size = path.stat().st_size
    if size == 0 or size % CIFAR10_RECORD:
        raise ValueError(
            f"The file {path} must be of whole records of {CIFAR10_RECORD} bytes, but has {size} "
            "bytes."
        )
    records = np.fromfile(path, np.uint8).reshape(-1, CIFAR10_RECORD)
    highest = records[:, 0].max()
    if highest >= CIFAR10_CLASSES:
        raise ValueError(
            f"The file {path} must have labels from 0 to {CIFAR10_CLASSES - 1}, but has {highest}."
        )
    return records


def load(
    name: str,
    samples: int,
    classes: Sequence[int],
    folder: str | None = None,
    features: int | None = None,
) -> Data:
    """A data set by its name, as configurations give it.

    Args:
      name: "gaussian", "digits" or "cifar10".
      samples: how many examples.
      classes: which labels.
      folder: cifar10: where its files are.
      features: gaussian: length of one input.

    Returns:
      A `Data`.

    Raises:
      ValueError: if the name is unknown, cifar10 has no folder, or as the data set itself.

    Example:
      >>> from eos_jax.objectives import datasets
      >>> datasets.load("gaussian", samples=6, classes=(0, 1, 2), features=5).targets.shape
      (6, 3)
    """
    check_choice("data", name, DATASETS)
    if (folder is not None) != (name == "cifar10"):
        raise ValueError(
            f"Argument `folder` must be given for cifar10 and for nothing else, but got {folder!r} "
            f"for {name}."
        )
    if folder is not None:
        return cifar10(folder, samples, classes)
    if name == "gaussian":
        return gaussian(samples, classes, 10 if features is None else features)
    return digits(samples, classes)
