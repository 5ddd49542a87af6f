"""Checks of a shop's lists: that they keep the rules, and how much they changed since they were published."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from core.checks import (
    LISTS_CHANGED,
    LISTS_CHANGED_TOO_MUCH,
    LISTS_DISTINCT,
    LISTS_FILES_READ,
    LISTS_KEEP_PINS,
    LISTS_KEEP_RULES,
    Finding,
)
from core.recommendations.compare import Change
from core.recommendations.form import Recommendations
from core.recommendations.rules.apply import PINNED, SlotRules

_BLOCK = 1 << 16


def check_lists(lists: Recommendations, rules: Mapping[str, SlotRules]) -> list[Finding]:
    """Check the rules of ``core.checks.LISTS`` that concern the lists themselves.

    Args:
        lists: the lists.
        rules: slot → its rules, made from the stock, the pins and the rules that are to be kept.
    """
    breaches = wrong = pins = missing = 0
    for slot in lists.slots:
        nodes, of_slot = lists.neighbours[slot], rules[slot]
        for first in range(0, len(nodes), _BLOCK):
            part = np.asarray(nodes[first : first + _BLOCK])
            sources = np.arange(first, first + len(part))
            breaches += int(np.count_nonzero(of_slot.breaches(sources, part)))
            wrong += int(np.count_nonzero(_not_distinct(sources, part)))
        for product, wanted in of_slot.pinned.items():
            kept = [node for node, _ in wanted if of_slot.allowed[node]][: nodes.shape[1]]
            listed = set(nodes[product][lists.sources[slot][product] == PINNED].tolist())
            pins += len(kept)
            missing += sum(node not in listed for node in kept)
    rows = lists.rows
    return [
        Finding(
            LISTS_KEEP_RULES, not breaches, f"{breaches:,} of {rows:,} entries break a rule", {"entries": breaches}
        ),
        Finding(
            LISTS_DISTINCT, not wrong, f"{wrong:,} lists hold their own product or a product twice", {"lists": wrong}
        ),
        Finding(
            LISTS_KEEP_PINS, not missing, f"{pins - missing:,} of {pins:,} pins are in their lists", {"pins": pins}
        ),
        _files_read(lists.info),
    ]


def _not_distinct(sources: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """bool ``[s]``: lists that hold their own product or one twice, or that have a hole."""
    ordered = np.sort(nodes, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    hole = ((nodes[:, 1:] >= 0) & (nodes[:, :-1] < 0)).any(axis=1)
    wrong: np.ndarray = twice | hole | (nodes == sources[:, None]).any(axis=1)
    return wrong


def _files_read(info: Mapping[str, Any]) -> Finding:
    stock, pins, names = info.get("stock", {}), info.get("pins", {}), info.get("unknown_names", [])
    remarks = []
    if stock.get("unknown_ids") or stock.get("bad_rows"):
        remarks.append(
            f"stock: {stock['unknown_ids']:,} rows name products that this category does not have "
            f"({', '.join(map(repr, stock['examples']))}), and {stock['bad_rows']:,} rows cannot be read"
        )
    if pins.get("remarks"):
        left_out = sum(pins[name] for name in ("unknown_ids", "self_pairs", "bad_rows"))
        remarks.append(f"pins: {left_out:,} of {pins['rows']:,} rows cannot be used ({'; '.join(pins['remarks'][:5])})")
    if pins.get("contradictions"):
        remarks.append(f"pins: {pins['contradictions']:,} pairs are both pinned and blocked; they are blocked")
    if names:
        remarks.append(f"rules: no product has {', '.join(names[:5])}")
    facts = {"stock": stock, "pins": pins, "unknown_names": names}
    return Finding(LISTS_FILES_READ, not remarks, "; ".join(remarks) or "every row and name could be used", facts)


def check_change(changes: Mapping[str, Change] | None, guard: Any) -> list[Finding]:
    """Check the rules of ``core.checks.LISTS`` about the change since the lists were published.

    Args:
        changes: slot → change; None if nothing is published.
        guard: an instance of ``core.configs.GuardConfig``.
    """
    if changes is None:
        return [Finding(name, True, "no lists are published yet") for name in (LISTS_CHANGED, LISTS_CHANGED_TOO_MUCH)]
    facts = {slot: change.as_dict() for slot, change in changes.items()}
    sentence = "; ".join(_sentence(slot, change) for slot, change in changes.items()) or "no lists were published"
    quiet = all(_within(change, guard.lists_warn, guard.lost_warn) for change in changes.values())
    accepted = all(_within(change, guard.lists_stop, guard.lost_stop) for change in changes.values())
    remedy = ""
    if not accepted:
        remedy = (
            "; guard.allow_change accepts it" if guard.allow_change else
            ". If that is right, materialize with guard.allow_change: true in the launchpad or in categories.yaml"
        )  # fmt: skip
    return [
        Finding(LISTS_CHANGED, quiet, sentence, facts),
        Finding(LISTS_CHANGED_TOO_MUCH, accepted or guard.allow_change, sentence + remedy, facts),
    ]


def _within(change: Change, most: float, most_lost: float) -> bool:
    moved = 0.0 if change.overlap != change.overlap else 1 - change.overlap
    return moved <= most and change.lost_share <= most_lost


def _sentence(slot: str, change: Change) -> str:
    lists = f"{slot}: of {change.before:,} published lists {change.lost:,} are lost"
    if not change.compared:
        return lists
    return (
        f"{lists}, the others share {change.overlap:.1%} of the first 10 places (rank-biased overlap "
        f"{change.rank_biased_overlap:.3f})"
    )
