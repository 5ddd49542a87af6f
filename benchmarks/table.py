"""The performance tables of the documentation, made from what the benchmarks left in benchmarks/results.

python benchmarks/table.py           # print them
python benchmarks/table.py --write   # put them into docs/performance.md, between the two marks
"""

import argparse
import json
import math
import re
from pathlib import Path
from typing import Any

from measurements import Measurement

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
PAGE = ROOT / "docs" / "performance.md"
LEAST_SECONDS = 2.0
BEGIN, END = "<!-- performance: made by benchmarks/table.py -->", "<!-- end of performance -->"


def read(names: list[str] | None = None) -> list[Measurement]:
    """The measurements of these result files, or of all in the order of their names."""
    files = sorted(RESULTS.glob("*.jsonl")) if names is None else [RESULTS / f"{name}.jsonl" for name in names]
    found = []
    for file in files:
        for line in file.read_text().splitlines() if file.exists() else ():
            found.append(_measurement(json.loads(line)))
    return found


def _measurement(fields: dict[str, Any]) -> Measurement:
    return Measurement(**{name: fields[name] for name in Measurement.__dataclass_fields__ if name in fields})


def markdown(found: list[Measurement]) -> str:
    """One table per subject, what was measured by on what; of the pipeline a table of assets by scale, too."""
    parts = []
    for subject in dict.fromkeys(one.subject for one in found):
        rows = [one for one in found if one.subject == subject]
        parts.append(f"### {subject.capitalize()}")
        if subject == "pipeline":
            parts.append(pipeline(rows))
            rows = [one for one in rows if one.target or one.quantity == "all assets"]
        parts.append(_pivot(rows))
    return "\n\n".join(parts)


def _pivot(rows: list[Measurement]) -> str:
    data = sorted(dict.fromkeys(one.data for one in rows), key=_size)
    table = []
    for quantity in dict.fromkeys(one.quantity for one in rows):
        on = {one.data: one for one in rows if one.quantity == quantity}
        targets = dict.fromkeys(f"{one.target} {one.unit}".strip() for one in on.values() if one.target)
        cells = [_cell(on[name]) if name in on else "" for name in data]
        table.append([quantity, *cells, " or ".join(targets)])
    return _table(["", *data, "target"], table)


def _size(data: str) -> int:
    """The first number of its description: how many products or lines."""
    first = re.search(r"\d[\d,]*", data)
    return int(first[0].replace(",", "")) if first else 0


def _cell(one: Measurement) -> str:
    """The value with its range over the rounds, bold where the target is missed."""
    text = one.text()
    return f"**{text}: missed**" if one.verdict == "MISSED" else text


def pipeline(rows: list[Measurement]) -> str:
    """Seconds and peak memory of every asset at every scale, and the slope."""
    times = sorted((one for one in rows if one.quantity.endswith(": time")), key=lambda one: one.detail["products"])
    scales = list(dict.fromkeys(one.data for one in times))
    table = []
    for asset in dict.fromkeys(one.quantity.removesuffix(": time") for one in times):
        at = {one.data: one for one in times if one.quantity == f"{asset}: time"}
        cells = [f"{at[s].value:,.1f} s, {at[s].detail['gb']:.1f} GB" if s in at else "" for s in scales]
        table.append([f"`{asset}`", *cells, slope(list(at.values()))])
    return _table(["asset (one step at a time)", *scales, "slope"], table)


def slope(times: list[Measurement]) -> str:
    """Least squares on log-log axes: seconds by products, of the scales where they are more than the step's start."""
    points = [(math.log(one.detail["products"]), math.log(one.value)) for one in times if one.value >= LEAST_SECONDS]
    if len(points) < 2:
        return ""
    x, y = zip(*points, strict=True)
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return f"{sum((a - mean_x) * (b - mean_y) for a, b in points) / sum((a - mean_x) ** 2 for a in x):.2f}"


def _table(head: Any, rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def machines() -> str:
    """On which machines the results were measured."""
    found = {json.loads(line)["machine"] for file in RESULTS.glob("*.jsonl") for line in file.read_text().splitlines()}
    return "; ".join(sorted(found))


def page(text: str) -> str:
    """The text of ``text`` with the tables between its two marks made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def tables() -> str:
    """The tables of all results, and on which machines they were measured."""
    return f"Measured on {machines()}; medians, and in brackets the range of the rounds.\n\n{markdown(read())}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write them into {PAGE.relative_to(ROOT)}")
    if parser.parse_args().write:
        PAGE.write_text(page(PAGE.read_text()))
    else:
        print(tables(), end="")


if __name__ == "__main__":
    main()
