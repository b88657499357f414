"""What batch sharpness momentum holds, by NumPy with batches of its own."""

import numpy as np
import pytest

from eos_jax import theory
from eos_jax.paper.claims import rules as claims

pytestmark = pytest.mark.slow


def settled(samples, batch, edge, over, steps, lanes=4):
    """Mean late curvature over the edge: s x_i^2/2 for each sample, s pulled beyond the edge."""
    random, eta, beta, scale = np.random.default_rng(1), 0.01, 0.5, edge * batch
    signs, sizes = random.choice([-1, 1], (lanes, samples)), random.uniform(0.5, 1.5, samples)
    x, s = np.sqrt(0.2 * over * scale) * signs * sizes, np.full(lanes, scale)
    move, rise, late = 0 * x, 0 * s, []
    for step in range(steps):
        drawn = random.random(x.shape).argsort(axis=1) < batch
        squares = np.sum(drawn * x**2, axis=1) / batch
        pull = squares / 2 + 0.1 * (s - (1 + over) * scale)
        move = 0.5 * move - eta * drawn * s[:, None] * x / batch
        x, rise = x + move, beta * rise - eta * pull
        s = s + rise
        late.append(s.mean() / scale if step >= steps / 2 else np.nan)
    return np.nanmean(late)


@pytest.mark.parametrize(
    ("samples", "batch", "edge", "over", "steps", "close"),
    [(8, 8, 300.0, 0.02, 6000, 1e-4), (64, 1, 100.0, 0.2, 10_000, 0.02)],
)
def test_numpy_settles_where_the_claims_do(samples, batch, edge, over, steps, close):
    """Other batches, other starts: the spread of a mean over 4 orbits is below 0.01."""
    mine = settled(samples, batch, edge, over, steps)
    theirs, _ = claims._settled(samples, batch, edge, over, steps)
    assert mine == pytest.approx(theirs, abs=close)
    assert mine == pytest.approx(1, abs=2 * close)


def test_mean_squares_stay_at_the_threshold_and_nowhere_else():
    """E x^2 by its own recursion, a quarter of the samples drawn, momentum 0.9."""
    edge = float(theory.minibatch_threshold(1.0, 0.9, 0.25))
    growth = []
    for pace in (0.98 * edge, edge, 1.02 * edge):
        square, mixed, move = 1.0, 0.0, 0.0  # E x^2, E x u, E u^2
        path = []
        for _ in range(4000):
            after = 0.81 * move - 1.8 * pace * 0.25 * mixed + pace**2 * 0.25 * square
            crossed = 0.9 * mixed - pace * 0.25 * square
            square, mixed, move = square + 2 * crossed + after, crossed + after, after
            path.append(square)
        growth.append(path[-1] / path[1999])
    assert growth[0] < 0.5 and growth[1] == pytest.approx(1, abs=1e-9) and growth[2] > 2


@pytest.mark.parametrize(("beta", "beyond"), [(0.5, 1.4), (0.8, 1.6)])
def test_single_orbits_shrink_beyond_the_mean_of_squares(beta, beyond):
    """The exponent of (x, u), half of the samples drawn, a tenth below that place and above it."""
    random, exponents = np.random.default_rng(2), []
    for factor in (beyond - 0.1, beyond + 0.1):
        pace = factor * float(theory.minibatch_threshold(1.0, beta, 0.5))
        x, u, total = np.ones(2000), np.zeros(2000), 0.0
        for _ in range(1000):
            u = beta * u - (random.random(2000) < 0.5) * pace * x
            x = x + u
            size = np.hypot(x, u)
            x, u, total = x / size, u / size, total + np.log(size).mean()
        exponents.append(total / 1000)
    # the standard error of a mean over 2000 orbits of 1000 steps is below 1e-3
    assert exponents[0] < -3e-3 and exponents[1] > 3e-3
