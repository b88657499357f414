"""Coordinates: there and back."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eos_jax import theory
from tests.theory.models import ETAS


@settings(max_examples=100, deadline=None)
@given(st.floats(0.05, 10), st.floats(-0.95, 0.95), st.sampled_from(ETAS.tolist()))
def test_coordinates_round_trip(x, ratio, eta):
    y = ratio * x
    assert np.allclose(theory.from_cd(*theory.to_cd(x, y)), (x, y), rtol=1e-12)
    assert np.allclose(theory.from_ab(*theory.to_ab(x, y, eta), eta), (x, y), rtol=1e-7, atol=1e-7)


def test_coordinates_put_the_eos_minimum_at_the_origin():
    for eta in ETAS:
        # sqrt(x^2 - y^2) is ill-conditioned near eta = 1/2, where x = y
        assert np.allclose(theory.to_ab(*theory.eos_minimum(eta), eta), 0, atol=1e-12)
    assert np.isnan(np.asarray(theory.to_cd(jnp.array(1.0), jnp.array(2.0))[0]))
