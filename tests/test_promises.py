"""What docs/promises.md promises is held to tests that exist, and that run by default."""

import ast
import re
from pathlib import Path

import pytest

from tests import soak

TESTS = Path(__file__).parent
ROOT = TESTS.parent
ROWS = {
    cells[1].strip(): cells[-2]
    for line in (ROOT / "docs" / "promises.md").read_text().splitlines()
    if len(cells := line.split("|")) == 6 and re.fullmatch(r" R\d+ ", cells[1])
}


def functions(file):
    """Tests of a file by name, each with whether it is left to `make test-long`."""
    tree = ast.parse((TESTS / file).read_text())
    return {
        node.name: any(ast.unparse(mark) == "pytest.mark.long" for mark in node.decorator_list)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


def test_every_promise_is_there():
    assert list(ROWS) == [f"R{i}" for i in range(1, 21)]


@pytest.mark.parametrize("row", ROWS)
def test_a_promise_has_tests(row):
    """Those named are in the files named; one at least runs by default; soaks are soaks."""
    named, file = [], None
    for word in re.findall(r"`([^`]+)`", ROWS[row].partition("soak")[0]):
        if word.endswith((".py", ".yml", "run")):
            file = word
            assert any((place / file).is_file() for place in (TESTS, ROOT)), file
        elif word.startswith("test_"):
            named.append(functions(file)[word])
    assert named and not all(named)
    soaks = re.findall(r"`(\w+)`", ROWS[row].partition("soak")[2])
    assert set(soaks) <= {portion.run.__name__ for portion in soak.PORTIONS}


def test_every_soak_belongs_to_a_promise_or_is_a_measurement():
    said = re.findall(r"`(\w+)`", " ".join(row.partition("soak")[2] for row in ROWS.values()))
    names = {portion.run.__name__ for portion in soak.PORTIONS}
    assert names - set(said) == {"overhead", "tiles"}
