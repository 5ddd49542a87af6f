"""Numbers as people read them: at most three significant digits, and never a zero that hides something small."""

from decimal import Decimal

MISSING = "–"
MINUS = "−"


def number(value: float | None) -> str:
    """A number with at most three significant digits and no exponent, such as "0.0031", "17.4" or "12,300"."""
    if value is None or value != value:
        return MISSING
    rounded = Decimal(f"{value:.3g}")
    text = f"{rounded:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", MINUS)


def score(value: float | None) -> str:
    """A score between 0 and 1 with three decimals, so that a column of them is aligned."""
    return MISSING if value is None or value != value else f"{value:.3f}".replace("-", MINUS)


def percent(share: float | None, decimals: int = 0) -> str:
    """A share as "59 %"; a share below 1 % keeps one significant digit, and only the whole is 100 %.

    Args:
        share: between 0 and 1.
        decimals: number of decimals of a share of at least 1 %.
    """
    if share is None or share != share:
        return MISSING
    value = 100 * share
    text = f"{value:.{decimals}f}"
    if value < 100 and float(text) == 100:
        text = ">99.9" if f"{value:.1f}" == "100.0" else f"{value:.1f}"
    elif 0 < value < 1 and (decimals == 0 or float(text) == 0):
        text = f"{Decimal(f'{value:.1g}'):f}"
    return f"{text} %"


def points(difference: float | None) -> str:
    """The difference between two shares in percentage points, with its sign, such as "+3.6"."""
    if difference is None or difference != difference:
        return MISSING
    return _signed(f"{100 * difference:+.1f}")


def difference(value: float | None) -> str:
    """The difference between two scores, with its sign and three decimals."""
    return MISSING if value is None or value != value else _signed(f"{value:+.3f}")


def seconds(value: float | None) -> str:
    """A duration in seconds as "0.25 s", "17.4 s" or "8.4 min"; a missing one, and exactly none, is a dash."""
    if value is None or value != value or value == 0:
        return MISSING
    for unit, length in (("h", 3_600), ("min", 60)):
        if value >= 2 * length:
            return f"{number(value / length)} {unit}"
    return f"{number(value)} s" if value >= 0.1 else "<0.1 s"


def megabytes(value: float | None) -> str:
    """A size in megabytes as "812 MB" or "2.4 GB"."""
    if value is None or value != value:
        return MISSING
    return f"{number(value)} MB" if value < 1000 else f"{number(value / 1000)} GB"


def _signed(text: str) -> str:
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", MINUS)
