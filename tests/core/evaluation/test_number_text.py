"""How numbers are written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation import number_text


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (0.588, 0, "59 %"), (0.588, 1, "58.8 %"), (0.003, 0, "0.3 %"), (0.0312, 1, "3.1 %"), (0.00004, 1, "0.004 %"),
        (0.00004, 0, "0.004 %"), (0.0, 0, "0 %"), (1.0, 0, "100 %"), (0.997, 0, "99.7 %"), (0.99999, 0, ">99.9 %"),
        (0.99999, 1, ">99.9 %"), (None, 0, "–"), (float("nan"), 0, "–"),
    ],
)  # fmt: skip
def test_shares(share, decimals, text):
    assert number_text.percent(share, decimals) == text


@given(st.floats(1e-9, 1e12))
def test_numbers_have_three_significant_digits_and_are_near_the_value(value):
    text = number_text.number(value)
    digits = re.sub(r"[^0-9]", "", text).lstrip("0")
    assert len(digits.rstrip("0")) <= 3 and "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.0051)


def test_numbers_and_differences():
    written = [number_text.number(value) for value in (0, 17.44, 12345, 0.00312, -2.5, None)]
    assert written == ["0", "17.4", "12,300", "0.00312", "−2.5", "–"]
    assert [number_text.points(value) for value in (0.0359, -0.5, 0.0, -0.0001)] == ["+3.6", "−50.0", "0.0", "0.0"]
    assert [number_text.difference(value) for value in (0.0359, -0.0001, None)] == ["+0.036", "0.000", "–"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "–"), (None, "–"), (0.004, "<0.1 s"), (0.25, "0.25 s"), (17.433, "17.4 s"), (119, "119 s"), (500, "8.33 min"),
     (9000, "2.5 h")],
)  # fmt: skip
def test_durations_never_read_as_zero_seconds(value, text):
    assert number_text.seconds(value) == text
