"""Print the leaderboard of a category: for the terminal, a document, a spreadsheet or a program."""

import csv
import io
import shutil
import sys
from dataclasses import dataclass

import orjson
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.evaluation import display_names, number_text
from core.evaluation.leaderboard import Cell, ranking_table, seconds_by_phase, to_markdown
from core.evaluation.metrics import ALL
from core.evaluation.verdict import judge

FORMATS = ("table", "markdown", "json", "csv")
BEST = "★"
_UNKNOWN_WIDTH = 120
"""Columns of a terminal that does not say how wide it is, such as a file."""
_GAP = 2
_FIRST = ("recall@10", "degree-matched AUC", "NDCG@10", "training")
"""Headings of the columns that stay longest when the terminal is narrow, after the first two columns."""


@dataclass(frozen=True)
class _Column:
    heading: str
    cells: list[Text]
    right: bool = True

    @property
    def width(self) -> int:
        return max(len(self.heading), *(cell.cell_len for cell in self.cells), 0) + _GAP


def written(long: pa.Table, form: str) -> str:
    """A leaderboard in one of the :data:`FORMATS`, with a line break at its end.

    ``table`` has one row per model and fits the terminal; ``markdown`` and ``csv`` have one per model and list;
    ``json`` has every number. All but the last are sorted, the best model first.
    """
    match form:
        case "markdown":
            return to_markdown(long)
        case "csv":
            return as_csv(long)
        case "json":
            return orjson.dumps(long.to_pylist(), option=orjson.OPT_INDENT_2).decode() + "\n"
    width = shutil.get_terminal_size((_UNKNOWN_WIDTH, 24)).columns
    return as_table(long, width, colour=sys.stdout.isatty())


def as_table(long: pa.Table, width: int, colour: bool = False) -> str:
    """The verdict, then a table with one row per model; columns that do not fit are left out.

    Args:
        long: a leaderboard.
        width: columns of the terminal.
        colour: whether the terminal shows bold and dim text.
    """
    console = Console(file=io.StringIO(), width=width, force_terminal=colour, highlight=False)
    verdict = judge(long)
    console.print(Text(" ".join(filter(None, [verdict.sentence(), verdict.auc_sentence()]))))
    columns = _columns(long)
    if columns[0].cells:
        shown = _fitting(columns, width)
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for column in shown:
            table.add_column(Text(column.heading), justify="right" if column.right else "left", no_wrap=True)
        for cells in zip(*(column.cells for column in shown), strict=True):
            table.add_row(*cells)
        hidden = [column.heading for column in columns if column not in shown]
        more = f" Not shown: {', '.join(hidden)}." if hidden else ""
        note = f"{BEST} marks the best of a column; ± is half of the 95 % interval.{more}"
        console.print(Text(), table, Text(), Text(note, style="dim"), sep="\n")
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"  # type: ignore[attr-defined]


def as_csv(long: pa.Table) -> str:
    """One row per model and list with all numbers unrounded; an interval follows its number as low and high."""
    columns, rows = ranking_table(long, every_scoring=True)
    times = seconds_by_phase(long)
    headings = [f"{column.metric.heading} {column.subset}".removesuffix(f" {ALL}") for column in columns]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    numbers = [f"{name}{end}" for name in headings for end in ("", " low", " high")]
    writer.writerow(["model", "title", "list", *numbers, "training seconds"])
    for row in rows:
        values = [value for cell in row.cells for value in (cell.value, cell.low, cell.high)]
        names = row.model, display_names.model_title(row.model), display_names.scoring_title(row.scoring).lower()
        writer.writerow([*names, *values, times.get(row.model, {}).get("training")])
    return out.getvalue()


def _columns(long: pa.Table) -> list[_Column]:
    metrics, rows = ranking_table(long)
    columns = [_Column("model", [Text(display_names.model_title(row.model)) for row in rows], right=False)]
    for place, column in enumerate(metrics):
        if column.subset == ALL:
            cells = [_cell(row.cells[place], with_interval=place == 0) for row in rows]
            columns.append(_Column(column.metric.heading, cells))
    times = seconds_by_phase(long)
    if times:
        seconds = [times.get(row.model, {}).get("training") for row in rows]
        columns.append(_Column("training", [Text(number_text.seconds(value)) for value in seconds]))
    return [*columns, _Column("name in settings", [Text(row.model, style="dim") for row in rows], right=False)]


def _cell(cell: Cell, with_interval: bool) -> Text:
    text = cell.text if with_interval else number_text.score(cell.value)
    return Text(f"{BEST} {text}", style="bold") if cell.best else Text(text)


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    """The columns that fit, in their order: the model and the number that ranks it always, then the most telling."""
    first = [column for heading in _FIRST for column in columns[2:] if column.heading == heading]
    kept, room = columns[:2], width + _GAP - sum(column.width for column in columns[:2])
    for column in [*first, *(column for column in columns[2:] if column not in first)]:
        if column.width <= room:
            kept, room = [*kept, column], room - column.width
    return [column for column in columns if column in kept]
