"""Edits of the file of pins: only the lines of the pair change."""

import gzip
import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.recommendations.form import SLOTS
from core.recommendations.rules.pins import ALL, BLOCK, PIN, Pin, read_pins, resolve_pins
from core.recommendations.rules.pins_edit import Edit, edit_pins, file_digest

IDS = pa.array(["10", "A,1", "B;2", 'C"3', "D 4", "é5"])


def edited(path, edit, content=None):
    if content is not None:
        path.write_bytes(content)
    edit_pins(path, edit, file_digest(path), IDS)
    return path.read_bytes()


def test_a_missing_file_is_created(tmp_path):
    path = tmp_path / "new" / "pins.csv"
    assert edited(path, Edit("10", "A,1", "similar", PIN, 2)) == (
        b'product_id,neighbour,slot,action,rank\n10,"A,1",similar,pin,2\n'
    )


def test_comments_column_order_and_line_ends_stay(tmp_path):
    content = (
        b"# of the spring campaign\r\naction;note;neighbour;product_id;rank;list\r\n"
        b"pin;by Ann;D 4;10;1;similar\r\n"
        b'block;"two\r\nlines";10;D 4;;\r\n\r\n'
        b"pin;gone;NOBODY;10;;"
    )
    path = tmp_path / "pins.csv"
    blocked = edited(path, Edit("10", "B;2", "similar", BLOCK), content)
    assert blocked == content + b'\r\nblock;;"B;2";10;;similar\r\n'
    # The row of all slots makes room in one of them; it held two lines.
    released = edited(path, Edit("D 4", "10", "similar", None))
    rows = b"block;;10;D 4;;goes_with\r\nblock;;10;D 4;;bought_together\r\n"
    assert released == blocked.replace(b'block;"two\r\nlines";10;D 4;;\r\n', rows)
    moved = edited(path, Edit("10", "D 4", "similar", PIN, 3))
    assert moved == released.replace(b"pin;by Ann;D 4;10;1;similar\r\n", b"") + b"pin;;D 4;10;3;similar\r\n"
    assert edited(path, Edit("10", "D 4", "similar", PIN, 3)) == moved  # nothing to do


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""])
def test_a_spreadsheets_numbers_are_the_same_products(tmp_path, start):
    path = tmp_path / "pins.csv"
    content = start + b"product_id,neighbour,action\n10.0,D 4,block\n"
    assert edited(path, Edit("10", "D 4", "similar", None), content.replace(b"action", b"action,slot").replace(
        b"block", b"block,similar")) == start + b"product_id,neighbour,action,slot\n"  # fmt: skip
    with pytest.raises(InputError, match="has no column `slot`"):
        edited(path, Edit("10", "é5", "similar", PIN), content)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"product_id,neighbour,slot,action\n10,D,similar,pin\n"),
        "product_id,neighbour,slot,action\n10,D,similar,pin\n".encode("utf-16"),
        b"product_id neighbour slot action\n10 D similar pin\n",
    ],
    ids=["gzip", "UTF-16", "spaces"],
)
def test_what_is_not_plain_csv_is_refused_and_stays(tmp_path, content):
    with pytest.raises(InputError, match="is not a plain CSV file; edit it by hand"):
        edited(tmp_path / "pins.csv", Edit("10", "é5", "similar", PIN), content)
    assert (tmp_path / "pins.csv").read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["pins.csv"]


def test_the_second_of_two_editors_is_told(tmp_path):
    path = tmp_path / "pins.csv"
    edit_pins(path, Edit("10", "D 4", "similar", PIN), "", IDS)
    seen = file_digest(path)
    edit_pins(path, Edit("10", "é5", "similar", PIN), seen, IDS)
    after = path.read_bytes()
    with pytest.raises(InputError, match="was changed by somebody else"):
        edit_pins(path, Edit("10", "B;2", "similar", PIN), seen, IDS)
    with pytest.raises(InputError, match="was changed by somebody else"):
        edit_pins(path, Edit("10", "B;2", "similar", PIN), "", IDS)
    with pytest.raises(InputError, match="does not have"):
        edit_pins(path, Edit("10", "stranger", "similar", PIN), file_digest(path), IDS)
    assert path.read_bytes() == after


def test_a_row_that_a_stray_quote_would_swallow_is_refused(tmp_path):
    content = b'product_id,neighbour,slot,action\n10,D 4,similar,"pin\n'
    path = tmp_path / "pins.csv"
    path.write_bytes(content)
    try:
        edit_pins(path, Edit("10", 'C"3', "similar", PIN), file_digest(path), IDS)
    except InputError:
        assert path.read_bytes() == content
    else:
        assert path.read_bytes().startswith(content)
        assert [pin.neighbour for _, pin in read_pins(path)[0]] == ['C"3']


ids = st.sampled_from(IDS.to_pylist())
slots = st.sampled_from(SLOTS)
cells = st.tuples(ids, ids, st.sampled_from([*SLOTS, ALL, ""]), st.sampled_from([PIN, BLOCK, "?"]))
others = st.text(st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=["Cc", "Cs"]), max_size=12)


def line_of(row, note):
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in (*row, note)]
    return ",".join(quoted)


@settings(deadline=None)
@given(
    st.lists(st.tuples(cells, others), max_size=6), ids, ids, slots, st.sampled_from([PIN, BLOCK, None]),
    st.sampled_from(["\n", "\r\n"]), st.booleans(),
)  # fmt: skip
def test_other_rows_stay_byte_for_byte_and_the_edit_holds(tmp_path_factory, rows, a, b, slot, action, end, last):
    lines = ["product_id,neighbour,slot,action,note", *(line_of(row, note) for row, note in rows)]
    path = tmp_path_factory.mktemp("pins") / "pins.csv"
    path.write_bytes((end.join(lines) + (end if last else "")).encode())
    before = state(path)
    edit_pins(path, Edit(a, b, slot, action), file_digest(path), IDS)
    after = path.read_bytes().decode()
    untouched = [
        line
        for line, (row, _) in itertools.chain([(lines[0], (None, None))], zip(lines[1:], rows, strict=True))
        if row is None or row[:2] != (a, b) or row[2] not in (slot, ALL, "") or row[3] == "?"
    ]
    kept = iter([line.removesuffix("\r") for line in after.split("\n")])
    assert all(line in kept for line in untouched)  # in this order
    expected = {key: what for key, what in before.items() if key != (a, b, slot)}
    if action and a != b:
        expected[a, b, slot] = action
    assert state(path) == expected


def state(path):
    """(product, neighbour, slot) → what holds, by the rules of the reader."""
    pins = resolve_pins(*read_pins(path), IDS)
    found = {}
    for slot in SLOTS:
        for product, listed in pins.pinned[slot].items():
            found |= {(IDS[product].as_py(), IDS[node].as_py(), slot): PIN for node, _ in listed}
        for key in pins.blocked[slot].tolist():
            found[IDS[key // len(IDS)].as_py(), IDS[key % len(IDS)].as_py(), slot] = BLOCK
    return found


def test_a_pin_is_what_is_read(tmp_path):
    path = tmp_path / "pins.csv"
    edited(path, Edit('C"3', "B;2", "goes_with", PIN, 1))
    assert [pin for _, pin in read_pins(path)[0]] == [Pin('C"3', "B;2", "goes_with", PIN, 1)]
