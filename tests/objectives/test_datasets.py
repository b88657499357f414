"""Data sets: standardised, balanced, read as bytes, refused with a reason."""

import sys

import numpy as np
import pytest

from eos_jax.objectives import datasets


def assert_standardised(inputs):
    varies = np.ptp(inputs, axis=0) > 0
    assert np.allclose(inputs.mean(axis=0), 0, atol=1e-13)
    assert np.allclose(inputs.std(axis=0)[varies], 1)
    assert np.all(inputs[:, ~varies] == 0)
    assert varies.any()


def test_digits_are_two_balanced_classes_of_the_right_pictures():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    inputs, targets = datasets.digits(samples=50, classes=(3, 8))
    assert inputs.shape == (50, 64)
    assert_standardised(inputs)
    assert sorted(targets.ravel()) == [-1.0] * 25 + [1.0] * 25
    images, labels = sklearn_datasets.load_digits(return_X_y=True)
    first = np.sort(np.concatenate([np.flatnonzero(labels == c)[:25] for c in (3, 8)]))
    assert np.array_equal(targets.ravel() > 0, labels[first] == 8)
    pixel = int(images[first].std(axis=0).argmax())
    values = images[first, pixel]
    assert np.allclose(inputs[:, pixel], (values - values.mean()) / values.std())


def test_ten_digits_have_one_hot_targets():
    pytest.importorskip("sklearn.datasets")
    _, targets = datasets.digits(samples=30, classes=tuple(range(10)))
    assert targets.shape == (30, 10)
    assert np.array_equal(targets.sum(axis=0), np.full(10, 3.0))
    assert np.array_equal(targets.sum(axis=1), np.ones(30))


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"install eos_jax\[nets\]"):
        datasets.digits()


def write_batch(path, labels, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), np.uint8)
    np.hstack([np.array(labels, np.uint8)[:, None], pixels]).tofile(path)
    return pixels


def test_cifar10_reads_labels_and_colours_across_files(tmp_path):
    one = write_batch(tmp_path / "data_batch_1.bin", [6, 0, 1, 9], seed=1)
    two = write_batch(tmp_path / "data_batch_2.bin", [1, 1, 0, 0], seed=2)
    write_batch(tmp_path / "test_batch.bin", [0, 1])  # not for training
    inputs, targets = datasets.cifar10(str(tmp_path), samples=4, classes=(0, 1))
    assert np.array_equal(targets.ravel(), [-1, 1, 1, -1])
    pictures = np.stack([one[1], one[2], two[0], two[2]]).astype(float)
    for colour in range(3):
        part = slice(1024 * colour, 1024 * (colour + 1))
        raw = pictures[:, part]
        assert np.allclose(inputs[:, part], (raw - raw.mean()) / raw.std())


def test_order_of_classes_decides_the_sign(tmp_path):
    write_batch(tmp_path / "data_batch_1.bin", [4, 7])
    _, targets = datasets.cifar10(str(tmp_path), samples=2, classes=(7, 4))
    assert np.array_equal(targets.ravel(), [1, -1])


def test_cifar10_refuses_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a folder, but got"):
        datasets.cifar10(str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError, match="must hold files data_batch_"):
        datasets.cifar10(str(tmp_path))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "must be of whole records of 3073 bytes, but has 0 bytes"),
        (b"\0" * 3072, "must be of whole records of 3073 bytes, but has 3072 bytes"),
        (b"\x0a" + b"\0" * 3072, "must have labels from 0 to 9, but has 10"),
    ],
)
def test_cifar10_refuses_files_that_are_not_it(tmp_path, content, message):
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        datasets.cifar10(str(tmp_path), samples=2)


def test_too_few_samples_of_a_class_are_refused(tmp_path):
    write_batch(tmp_path / "data_batch_1.bin", [0, 0, 0, 1])
    with pytest.raises(ValueError, match="2 times 1 for class 1, but got 4"):
        datasets.cifar10(str(tmp_path), samples=4)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"samples": 0}, "Argument `samples` must be a positive integer"),
        ({"samples": 5}, "Argument `samples` must be a multiple of the number of classes, 2"),
        ({"classes": (1,)}, "Argument `classes` must be two or more different labels"),
        ({"classes": (1, 1)}, "Argument `classes` must be two or more different labels"),
        ({"features": 0}, "Argument `features` must be a positive integer"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        datasets.gaussian(**settings)


def test_unknown_names_and_stray_folders_are_refused():
    with pytest.raises(
        ValueError, match="Argument `data` must be one of gaussian, digits, cifar10"
    ):
        datasets.load("mnist", 50, (0, 1))
    with pytest.raises(ValueError, match="Argument `folder` must be given for cifar10"):
        datasets.load("cifar10", 50, (0, 1))
    with pytest.raises(ValueError, match="Argument `folder` must be given for cifar10"):
        datasets.load("digits", 50, (0, 1), folder="/somewhere")
