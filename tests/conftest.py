"""What all tests share: no window is opened, and properties try the same cases on every machine."""

import os

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


def pytest_addoption(parser):
    parser.addoption(
        "--optimised",
        action="store_true",
        help="compile all programs as users get them, not only those of modules marked `optimised`",
    )


def pytest_configure(config):
    hurry(not config.getoption("--optimised"))


def hurry(quick: bool):
    """Compile programs in half the time, and slower ones; what they compute stays the same.

    The compiler is most of what tests cost, and most tests run their programs on a few points.
    """
    if jax.config.read("jax_disable_most_optimizations") != quick:
        jax.config.update("jax_disable_most_optimizations", quick)
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = str(quick)  # for processes that tests start
        jax.clear_caches()


@pytest.fixture(scope="module", autouse=True)
def compiler(request):
    """Modules marked `optimised`, whose subject is what the compiler makes, get what users get."""
    everything = request.config.getoption("--optimised")
    hurry(not everything and request.node.get_closest_marker("optimised") is None)
    yield
    if resident_megabytes() > 1500:  # hundreds of compiled programs would add up to more
        jax.clear_caches()


def resident_megabytes() -> float:
    """Memory of this process; where the system does not say, enough to forget programs."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return float("inf")
