"""Names of fates, and what decides them."""

import numpy as np
import pytest

from eos_jax import Outcome, Stop
from eos_jax.outcomes import FLAGS, checked


def test_the_numbers_are_a_promise():
    assert {k.name.lower(): int(k) for k in Outcome} == {
        "pending": 0,
        "converged": 1,
        "diverged": 2,
        "periodic": 3,
        "aperiodic": 4,
        "undecided": 5,
        "invalid": 6,
        "stationary": 7,
    }
    assert FLAGS["flag_values"].dtype == np.uint8
    names = dict(zip(FLAGS["flag_meanings"].split(), FLAGS["flag_values"].tolist()))
    assert names == {k.name.lower(): int(k) for k in Outcome}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-9)])
def test_the_tolerance_follows_the_dtype_unless_given(dtype, tolerance):
    assert checked(Stop(), dtype) == Stop(tolerance, 1e6)
    assert checked(Stop(1e-3, 10), dtype) == Stop(1e-3, 10.0)


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf])
def test_what_cannot_be_meant_is_refused(value):
    for stop, name in ((Stop(tolerance=value), "tolerance"), (Stop(escape=value), "escape")):
        with pytest.raises(ValueError, match=f"`{name}` must be positive and finite, but got"):
            checked(stop, "float64")
