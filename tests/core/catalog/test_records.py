"""Lines of a delimited file into records: the rule of quotes, against Python's csv module and worked by hand."""

import csv
import io

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.catalog import records
from core.catalog.records import Layout, find_layout, read_records


def blocks_of(data, cuts):
    """``data`` in blocks of whole lines: cut after the line feeds whose number is in ``cuts``."""
    blocks, pending = [], b""
    for i, line in enumerate(data.splitlines(keepends=True) if b"\r" not in data else _lines(data)):
        pending += line
        if i in cuts and line.endswith(b"\n"):
            blocks.append(pending)
            pending = b""
    return [*blocks, pending] if pending else blocks


def _lines(data):
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def read(data, columns=3, cuts=(), delimiter=b","):
    """Rows as (line, lines, cells), and the numbers of the bad lines."""
    layout = Layout([str(i) for i in range(columns)], delimiter, False, 0)
    rows, bad = [], []
    for found in read_records(blocks_of(data, cuts), layout, {str(i): i for i in range(columns)}):
        cells = zip(*(column.to_pylist() for column in found.columns.values()), strict=True)
        rows += zip(found.lines.tolist(), found.spans.tolist(), cells, strict=True)
        bad += [line for line, _, _ in found.broken]
    return rows, bad


def by_the_csv_module(data, columns):
    """The documented rule, with the csv module as the judge of what a record is."""
    lines = data.split(b"\n")
    rows, bad, i = [], [], 0
    while i < len(lines):
        if not lines[i].rstrip(b"\r").strip(b" \t"):
            i += 1
            continue
        cells, span = _record(lines, i)
        joined = lines[i : i + span]
        if len(cells) != columns or (span > 2 and all(line.count(b",") + 1 == columns for line in joined)):
            bad.append(i + 1)
            span = 1
        else:
            rows.append((i + 1, span, tuple(cell.encode("latin-1") for cell in cells)))
        i += span
    return rows, bad


def _record(lines, first):
    for last in range(first, len(lines)):
        text = b"\n".join(lines[first : last + 1]).rstrip(b"\r").decode("latin-1")
        try:
            (cells,) = csv.reader(io.StringIO(text, newline=""), strict=True)
            return cells, last - first + 1
        except csv.Error as error:
            if "unexpected end of data" not in str(error):
                break
    return [], 1


pieces = st.sampled_from(
    ['"', '"', ",", ",", "\n", "\n", "a", "b ", '""', '"a,', '",\n', "x,y,z\n", "\n\n", "\xef\xbb\xbf", "\xff"]
)
texts = st.lists(pieces, max_size=25).map(lambda parts: "".join(parts).encode("latin-1"))
cuts = st.sets(st.integers(0, 20))


@settings(max_examples=150, deadline=None)
@given(texts, cuts, st.integers(2, 3))
def test_any_text_is_read_by_the_rule_wherever_its_blocks_are_cut(data, cuts, columns):
    assert read(data, columns, cuts) == by_the_csv_module(data, columns)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([*'",;ab \t\n\r', "\r\n", '"\r\n"', "a,b\r\n"]), max_size=30).map("".join),
    cuts,
    st.integers(1, 3),
)
def test_the_quick_way_and_the_careful_way_give_the_same(text, cuts, columns):
    quick = read(text.encode(), columns, cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_quickly", lambda *_: None)
        assert read(text.encode(), columns) == quick


def test_the_quick_way_is_taken_for_quoted_tables():
    layout = Layout(["a", "b"], b",", False, 0)
    block = b'"1","x, ""y"""\r\n2,\n'
    found = records._quickly(block, 1, layout, {"b": 1})
    assert found.columns["b"].to_pylist() == [b'x, "y"', b""]


cells = st.text(alphabet='ab1,"\n é', max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), max_size=12), cuts, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_the_csv_module_writes_comes_back(table, cuts, quoting):
    for row in table:  # the only records of the csv module that the rule takes for stray quotes
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n", quoting=quoting).writerow(row)
        split = lines.getvalue().removesuffix("\n").split("\n")
        assume(len(split) < 3 or any(line.count(",") != 2 for line in split))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=quoting).writerows(table)
    rows, bad = read(out.getvalue().encode(), 3, cuts)
    assert [tuple(cell.decode() for cell in row) for _, _, row in rows] == table
    assert bad == []


def test_a_stray_quote_costs_its_own_line_only():
    lines = [b"%d,gift %d,B" % (i, i) for i in range(2000)]
    lines[300] = b'300,"27 inch,B'  # an inch mark in front: never closed
    lines[400] = b'400,"27" monitor,B'  # closed where the cell goes on
    lines[500], lines[510] = b'500,"27 inch,B', b'510,27",B'  # closed by a stray quote ten lines later
    lines[600] = b'600,27" wide,B'  # within a cell a quote is a character
    rows, bad = read(b"\n".join(lines))
    assert bad == [301, 401, 501]
    assert len(rows) == 1997
    assert (601, 1, (b"600", b'27" wide', b"B")) in rows


@pytest.mark.parametrize("cuts", [(), {0}, {0, 1}, set(range(5))])
def test_a_record_over_several_lines_counts_them(cuts):
    data = b'1,"first\r\nsecond, with a comma\n""third""",B\n2,x,y\n'
    assert read(data, 3, cuts) == (
        [(1, 3, (b"1", b'first\r\nsecond, with a comma\n"third"', b"B")), (4, 1, (b"2", b"x", b"y"))],
        [],
    )


def test_a_record_is_bounded_in_lines_and_bytes():
    inside = records.MAX_RECORD_LINES - 1
    rows, bad = read(b'1,"' + b"\n" * inside + b'",B\n')
    assert (len(rows), bad) == (1, [])
    rows, bad = read(b'1,"' + b"\n" * (inside + 1) + b'",B\n2,x,y\n')
    assert ([row[0] for row in rows], bad) == ([inside + 3], [1, inside + 2])
    rows, bad = read(b'1,"' + b"x" * records.MAX_RECORD_BYTES + b'\n",B\n2,x,y\n')
    assert ([row[0] for row in rows], bad) == ([3], [1, 2])


def fits(names):
    return {"a", "b"} <= {name.lower() for name in names} or None


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"a,b\n1,2\n", (["a", "b"], b",", False, 1)),
        (b"A;x;b\r\n", (["A", "x", "b"], b";", False, 1)),
        (b'"a"|"b"\n', (["a", "b"], b"|", False, 1)),
        (b"a\tb\n", (["a", "b"], b"\t", False, 1)),
        (b"a  b\n", (["a", "b"], b" ", True, 1)),
        (b"sep=^\r\na^b\r\n", (["a", "b"], b"^", False, 2)),
        (b"\n \n# made by hand\n\na,b\n", (["a", "b"], b",", False, 5)),
        (b"# a,b\n1,2\n", (["a", "b"], b",", False, 1)),
        (b"# graph\n1\t2\n3 4\n", (["product1", "product2"], b" ", True, 1)),
        (b"1\t2\n3\t4\n", None),  # without comments it may be anything
        (b"# graph\n1\t2\n3\tx\n", None),
        (b"sep=;\na,b\n", None),
        (b"c,d\n", None),
        (b"", None),
        (b"# only this\n", None),
    ],
)  # fmt: skip
def test_headers(head, expected):
    assert find_layout(head, fits, edges=True) == (expected if expected is None else Layout(*expected))


def test_runs_of_blanks_separate():
    layout = Layout(["a", "b"], b" ", True, 1)
    (found,) = read_records([b"a b\n x  y \r\n\n1\t2\n 3\n"], layout, {"a": 0, "b": 1})
    assert [column.to_pylist() for column in found.columns.values()] == [[b"x", b"1"], [b"y", b"2"]]
    assert (found.lines.tolist(), [broken.line for broken in found.broken]) == ([2, 4], [5])
