"""Parsing one line: equal to json and ast on everything they accept, and never more than data."""

import ast
import gzip
import json
import warnings
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.catalog import literals
from core.catalog.literals import MAX_DEPTH, LiteralError, parse_literal

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def reference(line: bytes):
    """What the line means: JSON if it is JSON, else a Python literal; raises whatever the parsers raise."""
    text = line.decode().strip()
    try:
        return json.loads(text)
    except ValueError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(text)


def same(a, b) -> bool:
    """Equality that tells 1 from True and 1.0, and takes nan for equal to itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
tricky_text = st.text(alphabet="ab'\"\\n#[{(,: \t\u200b\xe9\x00\x1f\x7f\U0001f600", max_size=12)
records = st.dictionaries(
    st.sampled_from(["asin", "title", "it's", 'say "x"', "price", ""]) | tricky_text, values | tricky_text, max_size=8
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(records)
@example({"title": "It's 5\" wide \\ 'quoted'", "related": {"also_bought": ["B1", "B2"]}})
@example({"asin": "x", "n": 2**64, "f": 1e300, "m": -(2**63) - 1, "z": -0.0})
@example({"asin": "\\", "b": "'"})
@example({"asin": '"', "b": "\\'"})
def test_a_record_written_by_repr_reads_back(record):
    line = repr(record).encode()
    assert same(parse_literal(line), record)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(records, st.booleans())
def test_a_record_written_as_json_reads_back(record, ascii_only):
    line = json.dumps(record, ensure_ascii=ascii_only).encode()
    assert same(parse_literal(line), record)


FRAGMENTS = r"""
'a' "b" '' "" ''' u'x' b'x' f'x' r'\d' \ \' \" '\x41' '\u00e9' '\101' '\N{BULLET}' "\/" '\ud83d'
# { } [ ] ( ) , : + - x null None true True NaN 1 -1 01 1. .5 1_000 0x10 1e400 18446744073709551616
"""
fragments = st.sampled_from([" ", "\t", *FRAGMENTS.split()])


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(
    st.lists(fragments, max_size=14).map("".join)
    | st.lists(fragments, max_size=9).map(lambda x: "{'k': " + "".join(x) + "}")
)
@example("{'a': null}")
@example("{'a': 18446744073709551616}")
@example("{'a': 'b' 'c'}")
@example("{'a': 'b'} # 'c'")
@example('{"a": "\\/"}')
@example("{'a': '''b'''}")
@example('{\'a\': "b" "c"}')
@example("{'a': '\\ud83d\\ude00', 'b': \"x\"}")
@example("{'a': True, 'a': None}")
def test_whatever_is_accepted_means_what_the_reference_says(text):
    line = text.encode()
    try:
        value = parse_literal(line)
    except LiteralError:
        return
    assert same(value, reference(line))


@pytest.mark.parametrize(
    "text",
    [
        "{'a': 'it\\'s'}",
        "{'a': \"it's\", 'b': 'x'}",
        "{'a': '5\" wide', 'b': \"6' wide\"}",
        "{'a': 'both \\' and \" here', 'b': \"\\\"\"}",
        "{u'asin': u'B1', 'price': 1_000, 'rank': 0x10, 'tuple': (1, 2,), 'set': {1, 2}, 'c': 'a' \"b\"}",
        "{'big': 123456789012345678901234567890, 'inf': 1e400, 'neg': -5, 'plus': +3, 'half': .5, 'one': 1.}",
        "{'a': b'bytes', 'r': r'raw\\d', 'n': None, 't': True, 'f': False, 'nested': [[{'x': []}]]}",
        "{'tab': 'a\tb', 'x': '\\x41\\u00e9\\t\\n\\a\\v', 'keep': '\\/ \\d'}",
        '{"a": NaN, "b": [Infinity, -Infinity], "c": null, "d": true}',
        '{"a": "\\ud83d\\ude00 \\/ \\u0000"}',
        "  {'a': 1}\r",
        "{'a': 'control \x01 \x02', 'b': 'it\\'s'}",
        "{'a': 'control \x01 \x02', 'b': \"it's\"}",
    ],
)
def test_unusual_spellings_equal_the_reference(text):
    assert same(parse_literal(text.encode()), reference(text.encode()))


@pytest.mark.parametrize(
    "record",
    [
        {"asin": "B1", "title": "Men's Watch", "related": {"also_bought": ["B2", "B3"]}, "brand": "O'Neill"},
        {"asin": "B1", "title": '5" screen', "description": "it's 5\" wide\nand \\ more", "price": 9.99},
        {"asin": "B1", "title": "Caf\xe9 \u200b \x9c", "salesRank": {"Toys & Games": 3}, "categories": [["a", "b"]]},
        {"asin": "B1", "title": "'", "brand": '"', "imUrl": "'\"'\"", "categories": [["it's", 'a "b"', "c"]]},
    ],
)
def test_usual_lines_take_the_fast_road(record, monkeypatch):
    def slow(line):
        raise AssertionError(f"took the slow road: {line!r}")

    monkeypatch.setattr(literals, "_parse_slowly", slow)
    assert parse_literal(repr(record).encode()) == record
    assert parse_literal(json.dumps({**record, "none": None}).encode()) == {**record, "none": None}


@pytest.mark.parametrize("text", ["{'a': [1][0]}", "{'a': f()}", "{'a': 1 -1}", "[{} {}]", "('a')('b')", "None None"])
def test_a_value_never_follows_a_value(text):
    with pytest.raises(LiteralError, match="no plain data at column"):
        parse_literal(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {marker}')",
        "{{'asin': open('{marker}', 'w')}}",
        "{{'asin': 'x', 'y': __import__('os').system('touch {marker}')}}",
        "[c for c in ().__class__.__base__.__subclasses__()]",
        "{{'asin': f'{{open(\"{marker}\", \"w\")}}'}}",
        "{{'a': lambda: 0}}",
        "{{'a': (b := 1)}}",
        "{{'a': 'x'.upper()}}",
        "{{'a': [1][0]}}",
        "{{'a': 'b' % ()}}",
        "{{'a': 1 if 1 else 2}}",
        "{{**{{'asin': 'x'}}}}",
        "{{'a': 1-1}}",
        "{{'a': 2**9999999}}",
    ],
)
def test_code_is_refused_and_never_run(text, tmp_path):
    marker = tmp_path / "ran"
    with pytest.raises(LiteralError):
        parse_literal(text.format(marker=marker).encode())
    assert not marker.exists()


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b"{'a': " * 10_000 + b"1" + b"}" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"(" * 200_000,
        b"-" * 100_000 + b"1",
        b"{'a': " + b"-" * 100_000 + b"1}",
        b"{'a': 1" + b"+1" * 100_000 + b"}",
        b"not " * 100_000 + b"1",
        b"{'a': ''" + b"[0]" * 100_000 + b"}",
        b"{'a': " + b"1," * 700_000 + b"}",
        b"{'a': " + b"9" * 1_000_000 + b"}",
        b"'" + b"\\" * 1_000_001 + b"'",
        b"{'a': None, 'b': '" + b"x" * 20_000_000 + b"'}",
        b"{[]: 1}",
        b"{'asin': '\xff'}",
        b"{'asin': 'a\x00b'}",
        b"{'asin': 'B1'",
        b"{'asin': 'B1}",
        b"",
    ],
    ids=lambda line: f"{line[:12]!r}..{len(line)}",
)
def test_hostile_lines_are_refused_without_harm(line):
    with pytest.raises(LiteralError) as caught:
        parse_literal(line)
    assert 0 < len(str(caught.value)) < 300


@pytest.mark.parametrize("leaf", [b"1", b"None", b"null", b"'a'"])
def test_nesting_is_read_up_to_the_limit_in_both_forms(leaf):
    line = b"[" * MAX_DEPTH + leaf + b"]" * MAX_DEPTH
    assert same(parse_literal(line), reference(line))
    with pytest.raises(LiteralError, match="nested deeper"):
        parse_literal(b"[" * 2_000 + leaf + b"]" * 2_000)


def test_long_strings_are_plain_data():
    line = b"{'asin': 'x', 'title': '" + b"y" * 1_000_000 + b"', 'n': None}"
    assert parse_literal(line) == {"asin": "x", "title": "y" * 1_000_000, "n": None}


def test_no_warning_reaches_the_user():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_literal(rb"{'a': '\d', 'b': None}") == {"a": r"\d", "b": None}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Beauty", "Cell_Phones_and_Accessories", "Gift_Cards"])
def test_real_lines_equal_the_reference(name):
    path = SHARED / f"meta_{name}.json.gz"
    if not path.exists():
        pytest.skip(f"real data is absent ({path})")
    read = json.loads if name != "Beauty" else ast.literal_eval
    with gzip.open(path) as file:
        for line in file:
            assert parse_literal(line) == read(line.decode())
