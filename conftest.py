"""How programs are compiled while tests and doctests run."""

import os

import jax
import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--optimised",
        action="store_true",
        help="compile all programs as users get them, not only those of modules marked `optimised`",
    )


def pytest_configure(config):
    hurry(not config.getoption("--optimised"))


def hurry(quick: bool):
    """Compile programs in half the time, and slower ones, which may round another way.

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
