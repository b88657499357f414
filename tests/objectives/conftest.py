import jax
import pytest


@pytest.fixture(autouse=True)
def float64():
    """Closed forms are compared in float64."""
    with jax.enable_x64(True):
        yield
