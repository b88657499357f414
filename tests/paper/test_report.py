"""The report, and the command that writes it: nothing is lost, nothing unescaped, exit codes."""

import html.parser
import json

import numpy as np
import pytest
import xarray as xr

from eos_jax import cli
from eos_jax.paper import report, reproduce
from eos_jax.paper.claims import Claim, Measurement, claims
from eos_jax.paper.figures import figures

VOID = {"meta", "img", "br", "hr", "link"}


class Page(html.parser.HTMLParser):
    """A page read strictly: tags nest, and text and pictures are collected."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.images, self.tags = [], [], [], set()
        self.anchors, self.links = set(), []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if "id" in dict(attrs):
            self.anchors.add(dict(attrs)["id"])
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def claim(name, error=0.0, statement="1 < 2", note="", figure=""):
    def check(quick):
        return Measurement(1.0, 1.0 + error, error, 1e-3, note)

    return Claim(name, statement, "here", check, figure)


def broken(name):
    def check(quick):
        raise ZeroDivisionError("no <ground>")

    return Claim(name, "divides", "nowhere", check)


@pytest.fixture
def some_claims(monkeypatch):
    found = {c.name: c for c in (claim("right"), claim("wrong", 0.5), broken("raises"))}
    monkeypatch.setattr(reproduce, "claims", found)
    return found


def run(*arguments):
    """Exit code of the command."""
    try:
        cli.main(["reproduce", *map(str, arguments)])
    except SystemExit as stop:
        return stop.code
    return 0


def test_the_page_is_whole_and_escapes_what_it_is_given(tmp_path):
    evil = '<script>alert("1")</script> & more | cells'
    (tmp_path / "fig.png").write_bytes(b"not really a picture")
    entry = report.FigureEntry(
        "fig", evil, {"a": [1, 2]}, {"a": "chosen here"}, {"rule": evil}, evil, "fig.png", 1.0, 0.5
    )
    one = claim("evil", statement=evil, note=evil)
    row = report.ClaimEntry(one, one.check(False), 0.1)
    made = report.Report(False, [entry], [row], [], 1.6)
    report.write(made, tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert "".join(page.text).count(evil) >= 4  # title, caption, statement, note
    assert page.images[0]["src"].startswith("data:image/png;base64,")
    assert page.images[0]["alt"] == evil
    lines = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| evil |")]
    assert len(rows) == 2  # claim and timing
    assert rows[0].replace("\\|", "").count("|") == len(report.CLAIM_COLUMNS) + 1
    assert "<script" not in rows[0].replace("\\<", "")
    assert "![fig](fig.png)" in lines


def test_each_claim_leads_to_its_code_and_to_the_figure_that_shows_it(tmp_path):
    (tmp_path / "fig9.png").write_bytes(b"not really a picture")
    made = {"rule": "gradient descent", "jax": "0.0.1"}
    entry = report.FigureEntry("fig9", "Nine.", {}, {}, made, "What it is.", "fig9.png")
    shown, other = claim("shown", figure="fig9"), claim("other", figure="fig10")
    rows = [report.ClaimEntry(each, each.check(False), 0.1) for each in (shown, other)]
    report.write(report.Report(False, [entry], rows, [], 1.0), tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert {link[1:] for link in page.links} <= page.anchors  # all of them lead somewhere
    assert page.links.count("#fig9") == 1 and "#fig10" not in page.links
    assert {"#code-shown", "#code-other", "#claim-shown"} <= set(page.links)
    text = "".join(page.text)
    assert "tests/paper/test_report.py:" in text  # where this file's claims are checked
    assert "return Measurement(1.0, 1.0 + error, error, 1e-3, note)" in text
    assert "eos-jax plot data/fig9.zarr --out fig9.png" in text and "0.0.1" in text
    lines = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "(report.html#code-shown)" in lines and "(report.html#fig9)" in lines


def test_figures_that_claims_name_are_there_and_their_code_is_found():
    for one in claims.values():
        assert one.figure == "" or one.figure in figures, one.name
        file, line, text = one.code()
        assert file.startswith("eos_jax/paper/claims/") and "def " in text and line > 1
    assert len({one.figure for one in claims.values()}) >= 10


def test_the_summary_counts_and_names_failures():
    right, wrong = claim("right"), claim("wrong", 0.5)
    rows = [report.ClaimEntry(c, c.check(False), 0.0) for c in (right, wrong)]
    assert not report.Report(claims=rows).passed
    assert report.Report(claims=rows[:1]).passed
    assert report.Report(claims=rows).summary() == "1 of 2 claims hold; failed: wrong; 0 s"
    assert "measured 1.5" in rows[1].reason()
    nan = claim("nan", float("nan"))
    assert not report.ClaimEntry(nan, nan.check(False), 0.0).passed


def test_a_run_writes_picture_data_and_report(tmp_path, capsys, some_claims):
    assert run("fig3", "right", "--quick", "--out", tmp_path) == 0
    said = capsys.readouterr().out
    assert "[1/2] fig3" in said and "[2/2] right" in said and "left" in said
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    text = "".join(page.text)
    assert len(page.images) == 1 and figures["fig3"].title in text
    words = ("holds", "jaxlib", "quick run", "cores", "chosen here", "stated in the paper")
    for word in (*words, "closed form, no descent", "float64"):
        assert word in text
    assert (tmp_path / "fig3.png").read_bytes().startswith(b"\x89PNG")
    stored = xr.open_zarr(tmp_path / "data" / "fig3.zarr", consolidated=False)
    xr.testing.assert_allclose(stored.load(), figures["fig3"].compute(True))
    assert json.loads(stored.attrs["figure_settings"])["k"] == 1.0
    assert run("fig3", "--quick", "--out", tmp_path) == 0  # again, over what is there


def test_a_claim_that_fails_or_raises_is_exit_code_1_and_does_not_stop_the_rest(
    tmp_path, capsys, some_claims
):
    assert run("claims", "--out", tmp_path) == 1
    said = capsys.readouterr().out
    assert "1 of 3 claims hold; failed: wrong, raises" in said
    text = "".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert "FAILS" in text and "raised ZeroDivisionError: no <ground>" in text


def test_a_figure_that_cannot_be_made_is_reported(tmp_path, capsys, monkeypatch, some_claims):
    def fail(settings):
        raise ImportError("needs `nets`")

    monkeypatch.setitem(figures, "fig3", figures["fig3"]._replace(make=fail))
    assert run("fig3", "right", "--out", tmp_path) == 1
    assert "fig3  FAILED: Not made: ImportError: needs `nets`" in capsys.readouterr().out
    assert "1 of 1 claims hold" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_an_interrupted_run_reports_what_it_has(tmp_path, capsys, monkeypatch, some_claims):
    def interrupt(quick):
        raise KeyboardInterrupt

    monkeypatch.setitem(some_claims, "wrong", some_claims["wrong"]._replace(check=interrupt))
    assert run("claims", "--out", tmp_path) == 130
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "1 of 1 claims hold; interrupted before: wrong, raises" in text


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("fig99", "--out", "somewhere"), "fig2a"),
        (("fig99", "--out", "somewhere"), "but got fig99"),
        (("fig3",), "--out"),
        (("fig3", "--quack"), "quack"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, capsys):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_the_list_names_every_figure_and_claim(capsys, some_claims):
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*figures, *some_claims]


def test_groups_and_names_select_in_order(some_claims):
    assert reproduce.select([]) == reproduce.select(["all"]) == [*figures, *some_claims]
    assert reproduce.select(["claims", "fig3"]) == ["fig3", *some_claims]
    assert not set(reproduce.GROUPS) & {*figures, *some_claims}


def test_numbers_are_written_in_full():
    assert report.number(9.927360217757) == "9.92736021776"
    assert report.number(float(np.float64(2.0))) == "2"
