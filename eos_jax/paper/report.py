"""The report of a reproduction: one self-contained HTML page, and Markdown beside the pictures.

The page needs neither scripts nor other files: pictures and the code of the claims are embedded,
styles inline. It reads on a telephone, where each row of a table becomes a block, and in print.
"""

import base64
import html
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import jax

from eos_jax.files import whole
from eos_jax.machine import cores
from eos_jax.paper.claims import Claim, Measurement
from eos_jax.paper.figures.base import written
from eos_jax.results.provenance import RECORDED_PACKAGES, package_version

PACKAGES = (*RECORDED_PACKAGES, "optax", "matplotlib", "xarray")
INTRODUCTION = (
    "Figures and claims of Zhu, Wang, Wang, Zhou, Ge, Understanding Edge-of-Stability Training "
    "Dynamics with a Minimalist Example (ICLR 2023, arXiv 2210.03294), computed by eos_jax. "
    "Numbers of figures are those of the submission; 7a to 7c are 6a to 6c in the published "
    "version."
)


class Link(NamedTuple):
    """A cell of a table that leads somewhere: to an anchor of the page, or to a file beside it."""

    text: str
    to: str

    def __str__(self) -> str:
        """The text alone."""
        return self.text


@dataclass
class FigureEntry:
    """One figure of a report.

    Attributes:
      name: of the figure.
      title: what it shows.
      settings: those it was computed with.
      origins: where each of them comes from.
      made_by: what made it, by kind: rule, precision, device, versions.
      caption: with the settings, or why the figure was not made.
      picture: file name beside the report; empty if it was not made.
      seconds: what it took in all.
      compute_seconds: of which before drawing.
    """

    name: str
    title: str
    settings: Mapping[str, Any]
    origins: Mapping[str, str]
    made_by: Mapping[str, str] = field(default_factory=dict)
    caption: str = ""
    picture: str = ""
    seconds: float = 0.0
    compute_seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the figure was made."""
        return bool(self.picture)

    def reason(self) -> str:
        """Why it was not, one line."""
        return " ".join(self.caption.split())


@dataclass
class ClaimEntry:
    """One claim of a report: the claim, what was measured, and how long it took."""

    claim: Claim
    measurement: Measurement
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.measurement.passed

    def reason(self) -> str:
        """What was found in place of what, one line."""
        found = self.measurement
        return (
            f"predicted {number(found.prediction)}, measured {number(found.measured)}, error "
            f"{found.error:.2g} above {found.tolerance:.2g}. {' '.join(found.note.split())}"
        )


@dataclass
class Report:
    """What came out of a run; `missing` names what an interrupted one did not come to."""

    quick: bool = False
    figures: list[FigureEntry] = field(default_factory=list)
    claims: list[ClaimEntry] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every figure was made and every claim holds."""
        return not self.missing and all(entry.passed for entry in self.figures + self.claims)

    def summary(self) -> str:
        """One line: how many figures were made and claims hold, and which do not."""
        parts = []
        for word, verb, entries in (
            ("figures", "made", self.figures),
            ("claims", "hold", self.claims),
        ):
            if entries:
                parts.append(f"{sum(e.passed for e in entries)} of {len(entries)} {word} {verb}")
        failed = [e.name for e in self.figures if not e.passed]
        failed += [e.claim.name for e in self.claims if not e.passed]
        if failed:
            parts.append(f"failed: {', '.join(failed)}")
        if self.missing:
            parts.append(f"interrupted before: {', '.join(self.missing)}")
        return "; ".join(parts) + f"; {self.seconds:.0f} s"


CLAIM_COLUMNS = (
    "claim",
    "statement",
    "source",
    "shown by",
    "checked by",
    "prediction",
    "measured",
    "error",
    "tolerance",
    "verdict",
    "note",
)

Cell = str | Link


def claim_row(entry: ClaimEntry, made: Iterable[str] = ()) -> tuple[Cell, ...]:
    """A claim's cells, in the order of `CLAIM_COLUMNS`.

    Args:
      entry: the claim.
      made: names of the figures in the report, to which it can lead.

    Returns:
      Texts and links to anchors of the page.
    """
    claim, measured = entry.claim, entry.measurement
    figure: Cell = claim.figure
    if figure in made:
        figure = Link(figure, f"#{figure}")
    file, line, _ = claim.code()
    return (
        claim.name,
        claim.statement,
        claim.source,
        figure,
        Link(f"{file}:{line}", f"#code-{claim.name}"),
        number(measured.prediction),
        number(measured.measured),
        f"{measured.error:.2g}",
        f"{measured.tolerance:.2g}",
        "holds" if entry.passed else "FAILS",
        measured.note,
    )


def number(value: float | str) -> str:
    """A prediction or measurement as text.

    Example:
      >>> number(9.927360217757), number("(9, 10)")
      ('9.92736021776', '(9, 10)')
    """
    return value if isinstance(value, str) else f"{value:.12g}"


def surroundings() -> list[tuple[str, str]]:
    """Versions and device, as rows."""
    devices = sorted({f"{device.platform} {device.device_kind}" for device in jax.local_devices()})
    return [
        *((name, package_version(name)) for name in PACKAGES),
        ("Python", platform.python_version()),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("device", ", ".join(devices)),
        ("cores", str(cores())),
        ("XLA_FLAGS", os.environ.get("XLA_FLAGS", "") or "none"),
    ]


MADE_BY = ("rule", "engine", "dtype", "device", "platform", "xla_flags")
"""Attributes of a dataset that say what made it, besides versions."""


def made_by(attrs: Mapping[str, Any]) -> dict[str, str]:
    """What made a dataset, from its attributes, as words.

    Example:
      >>> made_by({"rule": "adam(b1=0.9)", "dtype": "float64", "jax_version": "0.10.1", "other": 1})
      {'rule': 'adam(b1=0.9)', 'dtype': 'float64', 'jax': '0.10.1'}
    """
    found = {name: str(attrs[name]).replace("gradient_descent", "gradient descent")
             for name in MADE_BY if attrs.get(name)}  # fmt: skip
    versions = {name.removesuffix("_version"): str(value) for name, value in attrs.items()
                if name.endswith("_version")}  # fmt: skip
    return found | versions


def setting_rows(entry: FigureEntry) -> list[tuple[str, str, str]]:
    """A figure's settings: name, value, and whether the paper states it."""
    return [(name, written(value), entry.origins[name]) for name, value in entry.settings.items()]


def redraw(name: str) -> str:
    """The command that draws a figure of the report again from its data."""
    return f"eos-jax plot data/{name}.zarr --out {name}.png"


def write(report: Report, folder: Path) -> None:
    """Write report.html and report.md; pictures are read from the folder.

    Args:
      report: what came out.
      folder: where the pictures are.
    """
    texts = {"report.html": as_html(report, folder), "report.md": as_markdown(report)}
    for name, text in texts.items():
        with whole(folder / name) as part:
            part.write_text(text, encoding="utf-8")


def as_html(report: Report, folder: Path) -> str:
    """The page, every text escaped and every picture embedded."""
    parts = []
    if report.figures:
        parts.append("<h2>Figures</h2>")
        parts += [_figure_html(entry, folder, _shown_by(report, entry)) for entry in report.figures]
    if report.claims:
        parts.append("<h2>Claims</h2>")
        rows = [claim_row(entry, _made(report)) for entry in report.claims]
        parts.append(_table(CLAIM_COLUMNS, rows, "claims"))
        parts.append("<h2>How the claims are checked</h2>")
        parts += [_code_html(entry.claim) for entry in report.claims]
    parts.append("<h2>Timings</h2>")
    parts.append(_table(("figure or claim", "seconds"), _timings(report), "plain"))
    parts.append("<h2>Versions and device</h2>")
    parts.append(_table(("what", "which"), surroundings(), "plain"))
    return _PAGE.substitute(
        title=_escape(_title(report)),
        introduction=_escape(INTRODUCTION),
        summary=_escape(report.summary()),
        verdict="good" if report.passed else "bad",
        body="\n".join(parts),
    )


def as_markdown(report: Report) -> str:
    """The same in Markdown, pictures by file name; code is in the page."""
    lines = [f"# {_title(report)}", "", INTRODUCTION, "", f"**{report.summary()}**", ""]
    if report.figures:
        lines += ["## Figures", ""]
    for entry in report.figures:
        lines += [f"### {_plain(entry.title)}", ""]
        if entry.picture:
            lines += [f"![{_plain(entry.name)}]({entry.picture})", ""]
        lines += [_plain(entry.caption), ""]
        shown = _shown_by(report, entry)
        if shown:
            lines += [f"Claims that it shows: {', '.join(map(_plain, shown))}.", ""]
        lines += _markdown_table(("setting", "value", "from"), setting_rows(entry))
        if entry.picture:
            lines += [f"Drawn again by `{redraw(entry.name)}`.", ""]
            lines += _markdown_table(("made by", ""), list(entry.made_by.items()))
    if report.claims:
        rows = [claim_row(entry, _made(report)) for entry in report.claims]
        lines += ["## Claims", "", *_markdown_table(CLAIM_COLUMNS, rows)]
    lines += ["## Timings", "", *_markdown_table(("figure or claim", "seconds"), _timings(report))]
    lines += ["## Versions and device", "", *_markdown_table(("what", "which"), surroundings())]
    return "\n".join(lines)


def _made(report: Report) -> list[str]:
    """Names of the figures of a report that were made."""
    return [entry.name for entry in report.figures if entry.picture]


def _shown_by(report: Report, figure: FigureEntry) -> list[str]:
    """Names of the claims of a report that a figure shows."""
    return [entry.claim.name for entry in report.claims if entry.claim.figure == figure.name]


def _title(report) -> str:
    return "Reproduction" + (" (quick run: small grids, short runs)" if report.quick else "")


def _timings(report) -> list[tuple[str, str]]:
    rows = [
        (e.name, f"{e.seconds:.1f} (computing {e.compute_seconds:.1f})") for e in report.figures
    ]
    rows += [(e.claim.name, f"{e.seconds:.1f}") for e in report.claims]
    return [*rows, ("in all", f"{report.seconds:.1f}")]


def _escape(text) -> str:
    return html.escape(str(text), quote=True)


def _figure_html(entry: FigureEntry, folder: Path, claims: Sequence[str]) -> str:
    picture = ""
    if entry.picture:
        data = base64.b64encode((folder / entry.picture).read_bytes()).decode("ascii")
        picture = f'<img alt="{_escape(entry.title)}" src="data:image/png;base64,{data}">'
    details = _table(("setting", "value", "from"), setting_rows(entry), "plain")
    if entry.picture:
        details += _table(("made by", ""), list(entry.made_by.items()), "plain")
        details += f"<p>Drawn again by <code>{_escape(redraw(entry.name))}</code></p>"
    shown = ", ".join(_cell(Link(name, f"#claim-{name}")) for name in claims)
    return (
        f'<section id="{_escape(entry.name)}"><h3>{_escape(entry.title)}</h3>\n'
        f"<figure>{picture}<figcaption>{_escape(entry.caption)}</figcaption></figure>\n"
        + (f"<p>Claims that it shows: {shown}</p>\n" if shown else "")
        + f"<details><summary>Settings, and what made it</summary>{details}</details></section>"
    )


def _code_html(claim: Claim) -> str:
    """The lines that check a claim, folded."""
    file, line, text = claim.code()
    last = line + text.count("\n")
    return (
        f'<details id="code-{_escape(claim.name)}"><summary>{_escape(claim.name)}: '
        f"{_escape(file)}, lines {line} to {last}</summary>"
        f"<pre><code>{_escape(text)}</code></pre></details>"
    )


def _cell(cell: Cell) -> str:
    if isinstance(cell, Link):
        return f'<a href="{_escape(cell.to)}">{_escape(cell.text)}</a>'
    return _escape(cell)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], kind: str) -> str:
    head = "".join(f"<th>{_escape(name)}</th>" for name in columns)
    lines = [f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>']
    for row in rows:
        mark = ' class="bad"' if "FAILS" in row else ""
        anchor = f' id="claim-{_escape(row[0])}"' if columns is CLAIM_COLUMNS else ""
        cells = "".join(
            f'<td data-label="{_escape(name)}">{_cell(cell)}</td>'
            for name, cell in zip(columns, row)
        )
        lines.append(f"<tr{mark}{anchor}>{cells}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(_markdown_cell(cell) for cell in row)} |" for row in rows]
    return [*lines, ""]


def _markdown_cell(cell: Cell) -> str:
    """Text, or a link into the page, where the anchors are."""
    if isinstance(cell, Link):
        return f"[{_plain(cell.text)}](report.html{cell.to})"
    return _plain(cell)


def _plain(text) -> str:
    """Text that Markdown shows as it is, on one line and in one cell."""
    text = " ".join(str(text).split())
    for mark in "\\`*_|<>[]":
        text = text.replace(mark, f"\\{mark}")
    return text


_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
figure { margin: 0; }
img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
figcaption { font-size: 0.9rem; max-width: 46rem; margin: 0.5rem auto; }
.summary { padding: 0.6rem 0.9rem; border-left: 0.4rem solid #0072b2; background: #f3f6f9; }
.summary.bad { border-color: #d55e00; }
table { border-collapse: collapse; font-size: 0.85rem; width: 100%; margin: 0.5rem 0; }
table.plain { width: auto; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.5rem;
         border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
thead th { background: #f3f6f9; }
tr.bad td { background: #fdeee4; }
details { font-size: 0.9rem; }
pre { overflow-x: auto; background: #f3f6f9; padding: 0.5rem; font-size: 0.8rem; }
a { color: #0072b2; }
:target { background: #fff6da; }
@media screen and (max-width: 48rem) {
  table.claims thead { display: none; }
  table.claims tr { display: block; border: 1px solid #ccc; margin: 0.8rem 0; padding: 0.3rem; }
  table.claims td { display: block; border: 0; padding: 0.15rem 0.3rem; }
  table.claims td::before { content: attr(data-label) ": "; color: #666; }
}
@media print {
  body { max-width: none; font-size: 10pt; padding: 0; }
  section, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  table { font-size: 7.5pt; }
}
</style>
</head>
<body>
<h1>$title</h1>
<p>$introduction</p>
<p class="summary $verdict">$summary</p>
$body
</body>
</html>
""")
