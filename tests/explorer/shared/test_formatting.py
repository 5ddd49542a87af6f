"""Values as text."""

import pytest

from explorer.shared import formatting


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", "＝1"])
def test_formulas_are_made_text(text):
    assert formatting.for_spreadsheet(text) == "'" + text
    assert formatting.for_grid(text)[1:] == text and not formatting.is_formula(formatting.for_grid(text))
    assert formatting.for_spreadsheet("a" + text) == formatting.for_grid("a" + text) == "a" + text


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://example.com/a.jpg", True),
        ("http://example.com/a.jpg?x=1", True),
        ("/etc/passwd", False),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("data:image/svg+xml,<svg/>", False),
        ("http:///a.jpg", False),
        ("http://[bad", False),
        ("https://example.com/" + "a" * 2000, False),
        (None, False),
    ],
)
def test_only_web_addresses_are_pictures(address, allowed):
    assert formatting.web_image(address) == (address if allowed else None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (61, "1 min ago"), (7200, "2 h ago"), (86_400, "1 day ago"), (86_400 * 3.9, "3 days ago")],
)
def test_ago(seconds, text):
    assert formatting.ago(seconds) == text


def test_shorten_and_size():
    assert formatting.shorten("a  b\nc", 10) == "a b c"
    assert formatting.shorten("x" * 50, 10) == "x" * 9 + "…"
    assert [formatting.size(n) for n in (0, 999, 1500, 2.5e9)] == ["0 B", "999 B", "1.5 kB", "2.5 GB"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (2.5, "2.5"), (0.994, "0.99"), (0.996, "1.0"), (9.96, "10"), (123_456, "120,000"),
        (-0.0421, "-0.042"), (0.0000123, "0.000012"), (4.21e-7, "4.2 × 10⁻⁷"), (float("nan"), "–"),
    ],
)  # fmt: skip
def test_numbers_have_two_significant_digits(number, text):
    assert formatting.significant(number) == text


def test_shares_as_percentages():
    assert [formatting.percent(share) for share in (0, 1, 0.0421, 0.00021, 0.00009)] == [
        "0 %", "100 %", "4.2 %", "0.021 %", "under 0.01 %",
    ]  # fmt: skip
