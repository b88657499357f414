"""The registry of claims: its contract, a handful run in quick mode, and that a wrong one fails.

The whole registry takes minutes; `eos_jax.paper.claims.check` runs it.
"""

import dataclasses
import datetime
import functools
import inspect
import math

import numpy as np
import pytest

import eos_jax as eos
from eos_jax import theory
from eos_jax.paper.claims import (
    Claim,
    Measurement,
    base,
    check,
    claim,
    claims,
    sharpness,
)
from eos_jax.paper.claims.runs import edge_on_a_parabola
from tests import mutants

pytestmark = pytest.mark.slow

HANDFUL = (
    "theorem_3_1_final_a",
    "corollary_3_1_final_sharpness",
    "theorem_3_2_half_the_scalar_sharpness",
    "erratum_1_eigenvalues",
    "erratum_5_half_of_degree_2",
    "final_sharpness_at_eta_0_2",
    "gap_first_coefficient",
    "gap_second_coefficient",
    "gap_law_1_large_2_small",
    "figure_7b_first_splitting",
    "balanced_doubling_1",
    "song_yun_trajectories_align",
    "sam_threshold",
)


def test_there_are_claims_of_every_kind():
    assert len(claims) >= 40
    assert sum(name.startswith("erratum_") for name in claims) == 9
    assert {f"gap_law_{n}_large_{m}_small" for n, m in ((2, 2), (1, 2), (3, 3), (2, 3))} <= set(
        claims
    )
    for author in ("kreisler", "wang", "ahn", "song", "lewkowycz", "kalra", "agarwala", "ghosh"):
        assert any(name.startswith(author) for name in claims), author
    for author in ("liang", "macdonald", "arora", "damian"):
        assert any(name.startswith(author) for name in claims), author
    for rule in ("heavy_ball", "nesterov", "adam", "sam"):
        assert f"{rule}_threshold" in claims


@pytest.mark.parametrize("entry", claims.values(), ids=list(claims))
def test_every_claim_says_what_and_whence(entry):
    assert isinstance(entry, Claim)
    assert claims[entry.name] is entry
    for text in (entry.statement, entry.source):
        assert text.strip() == text and text and "\n" not in text
    assert len(entry.statement) <= 100
    assert list(inspect.signature(entry.check).parameters) == ["quick"]
    assert entry.check.__doc__ and entry.check.__doc__.splitlines()[0].endswith(".")


# `make claims` checks all of them; here a tenth, another one every day
TURN = datetime.date.today().toordinal() % 10
SAMPLE = dict.fromkeys((*HANDFUL, *list(claims)[TURN::10]))


@pytest.mark.parametrize("name", SAMPLE)
def test_claims_hold_in_quick_mode(name):
    [(entry, found, seconds)] = check([name], quick=True)
    assert entry is claims[name] and isinstance(found, Measurement) and seconds > 0
    assert found.passed, found
    assert found.error >= 0 and found.tolerance >= 0


def test_a_broken_prediction_fails():
    """A part in a thousand, which is within every tolerance of eye or plot, is caught."""
    good = claims["final_sharpness_at_eta_0_2"].check(True)
    bad = sharpness._final_sharpness(good.prediction * 1.001, 0.2, 3)
    assert good.passed and not bad.passed
    assert not Measurement(1.0, math.nan, math.nan, 1.0).passed


def test_a_broken_formula_fails(monkeypatch):
    """The law with a wrong constant, and SAM's threshold without its square root."""
    law = theory.predicted_sharpness_scalars
    monkeypatch.setattr(
        theory, "predicted_sharpness_scalars", lambda eta, n, m: law(eta, n, m) - 0.1 * eta**2
    )
    monkeypatch.setattr(theory, "sam_threshold", lambda eta, rho, norm: 2 / eta)
    assert not claims["gap_law_1_large_2_small"].check(True).passed
    assert not claims["sam_threshold"].check(True).passed


def test_a_rule_that_never_grows_gives_no_threshold():
    rule = eos.rules.gradient_descent()  # it turns at 2, far from the guess
    assert not edge_on_a_parabola(rule, 1.0, eta=1.0).passed


def test_a_wrong_rule_of_stability_fails(monkeypatch):
    """A threshold half as high again, as a rule and as a formula."""
    name = "minima_are_kept_below_the_threshold"
    monkeypatch.setattr(theory, "stability_threshold", lambda eta: 3 / eta)
    assert not claims[name].check(True).passed
    monkeypatch.undo()
    lenient = dataclasses.replace(
        eos.rules.gradient_descent(), threshold=lambda sample: 3 / sample.hyper["eta"]
    )
    monkeypatch.setattr(eos, "sweep", functools.partial(eos.sweep, rule=lenient))
    assert not claims[name].check(True).passed


def test_a_deliberate_error_is_noticed_by_the_claim_named_for_it(tmp_path):
    """The runner of `make mutants`: one error, and one that is not in the package."""
    assert len({mutant.name for mutant in mutants.MUTANTS}) == len(mutants.MUTANTS) >= 60
    assert all(set(mutant.claims) <= set(claims) for mutant in mutants.MUTANTS)
    for mutant in mutants.MUTANTS:
        text = (mutants.ROOT / "eos_jax" / mutant.file).read_text()
        assert text.count(mutant.old) == 1, mutant.name
    found = {mutant.name: f"claim `{mutant.name}`" for mutant in mutants.MUTANTS}
    assert mutants.rows(mutants.table(found)) == found
    [error] = [mutant for mutant in mutants.MUTANTS if mutant.name == "parabola_rate"]
    assert mutants.noticed_by(error, str(tmp_path)) == "claim `two_step_ode_is_solved`"
    with pytest.raises(ValueError, match=r"must be in theory/two_step\.py once, but it is there 0"):
        mutants.noticed_by(error._replace(old="nothing such"), str(tmp_path))


def test_a_claim_is_registered_once_and_in_one_line():
    def one_and_one(quick):
        """Add."""
        return base.number(2.0, 1 + 1, 0.0)

    decorate = claim(statement="1 + 1 = 2", source="derived")
    try:
        assert decorate(one_and_one) is one_and_one
        assert claims["one_and_one"].check(True).passed
        with pytest.raises(ValueError, match=r"Argument `name` must be new .* one_and_one"):
            decorate(one_and_one)
    finally:
        claims.pop("one_and_one", None)
    with pytest.raises(ValueError, match="Argument `statement` must be one line"):
        claim(statement="two\nlines", source="derived", name="two_lines")(one_and_one)
    with pytest.raises(ValueError, match="Argument `names` must name claims, but got nothing_such"):
        next(check(["nothing_such"]))


def test_measurements_judge_as_they_say():
    assert base.interval(0, 1, 0.1, 0.9).passed
    assert base.interval(0, 1, -0.25, 0.9).error == 0.25
    assert not base.interval(0, 1, 0.0, 0.9).passed  # open
    assert not base.interval(0, 1, np.nan, np.nan).passed
    assert base.corrected(1.0, 1e-9, 1e-6).passed
    assert not base.corrected(1.0, 1e-3, 1e-6).passed  # the corrected form is wrong too
    assert not base.corrected(1e-8, 1e-9, 1e-6).passed  # the printed form was right
    assert not base.predicate("yes", "no", False).passed
    assert base.number(4.0, 4.004, 2e-3).error == pytest.approx(1e-3)
