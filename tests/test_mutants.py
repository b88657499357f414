"""The table of deliberate errors fits the code: each can be put in, and each has its verdict."""

from pathlib import Path

import eos_jax
from tests import mutants

PACKAGE = Path(eos_jax.__file__).parent


def test_what_each_error_replaces_stands_once():
    found = {m.name: (PACKAGE / m.file).read_text().count(m.old) for m in mutants.MUTANTS}
    assert {name: times for name, times in found.items() if times != 1} == {}


def test_no_two_errors_are_called_alike_and_each_is_in_the_table():
    names = [m.name for m in mutants.MUTANTS]
    assert len(set(names)) == len(names)
    assert list(mutants.rows(mutants.TABLE.read_text())) == names
