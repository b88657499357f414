"""What all tests share: no window is opened, and properties try the same cases on every machine."""

import jax
import matplotlib
import numpy as np
import pytest
from hypothesis import settings

import eos_jax as eos

matplotlib.use("Agg")
# compilation dominates the first case of a property, so a deadline would measure the compiler
settings.register_profile("eos_jax", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("eos_jax")


@pytest.fixture
def paper():
    """The paper's model, 1/2 (1 - x x y y)^2."""
    return eos.objectives.scalar_product((2, 2))


@pytest.fixture
def x64():
    """Double precision for one test; the process's default stays single, as users find it."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(20221007)
