"""What moved between two lists, in words for a table."""

from collections.abc import Sequence

NEW, GONE = "new", "gone"


def moves(listed: Sequence[str], older: Sequence[str] | None, newer: Sequence[str] | None) -> list[str]:
    """For each entry of a list: "gone" if the newer list lacks it, or else "new", "↑ 2" or "↓ 1" since the older list.

    Args:
        listed: ids of the list, best first.
        older, newer: the same of the lists before and after it; None if there is no such list.
    """
    before = None if older is None else {product_id: place for place, product_id in enumerate(older)}
    after = None if newer is None else set(newer)
    return [
        GONE if after is not None and product_id not in after else _since(place, product_id, before)
        for place, product_id in enumerate(listed)
    ]


def _since(place: int, product_id: str, before: dict[str, int] | None) -> str:
    if before is None:
        return ""
    if product_id not in before:
        return NEW
    up = before[product_id] - place
    return f"↑ {up}" if up > 0 else f"↓ {-up}" if up < 0 else ""


def summary(listed: Sequence[str], older: Sequence[str]) -> str:
    """How many entries are new, moved and gone since the older list; "unchanged" if it is the same."""
    since = moves(listed, older, None)
    new = since.count(NEW)
    moved = sum(bool(text) for text in since) - new
    gone = len(set(older) - set(listed))
    parts = [f"{count} {what}" for count, what in ((new, NEW), (moved, "moved"), (gone, GONE)) if count]
    return ", ".join(parts) or "unchanged"
