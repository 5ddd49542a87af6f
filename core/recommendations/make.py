"""Everything about a category's lists in one call: its files are read, the lists made, checked and compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from core import paths
from core.catalog.sources.remote import Limits
from core.categories import Category
from core.checks import Finding
from core.pairs import ProductPairs
from core.progress import Progress, silent
from core.recommendations.build import build_recommendations, slot_rules
from core.recommendations.compare import compare_lists
from core.recommendations.config import RecommendationsConfig
from core.recommendations.form import FinalModels, Recommendations
from core.recommendations.lists_checks import check_change, check_lists
from core.recommendations.price import recall_price
from core.recommendations.rules.apply import SlotRules
from core.recommendations.rules.pins import Pins, read_pins, resolve_pins
from core.recommendations.rules.stock import Stock, no_stock, read_stock
from core.recommendations.state import fetch_lists_file
from core.untrusted.urls import shown


@dataclass(frozen=True)
class MadeLists:
    """A category's lists.

    Attributes:
        lists: the lists.
        findings: the results of ``core.checks.LISTS``.
        slots: slot → its rules, with stock and pins.
    """

    lists: Recommendations
    findings: list[Finding]
    slots: Mapping[str, SlotRules]


def stock_of(category: Category, product_ids: pa.Array, limits: Limits | None = None) -> Stock:
    """What is sold out in a category. Raises InputError if its stock table cannot be had or read."""
    if category.stock is None:
        return no_stock(len(product_ids))
    path = fetch_lists_file(category.stock, paths.raw_dir(), paths.download_dir(), limits=limits)
    return read_stock(path, product_ids, shown(category.stock))


def pins_of(category: Category, product_ids: pa.Array, limits: Limits | None = None) -> Pins:
    """The pinned and blocked pairs of a category. Raises InputError if its file cannot be had or read."""
    if category.pins is None:
        return Pins()
    path = fetch_lists_file(category.pins, paths.raw_dir(), paths.download_dir(), limits=limits)
    return resolve_pins(*read_pins(path, shown(category.pins)), product_ids)


def make_lists(
    category: Category,
    final: FinalModels,
    pairs: ProductPairs,
    config: RecommendationsConfig,
    guard: Any,
    published: Any = None,
    *,
    threads: int = 2,
    seed: int = 42,
    progress: Progress = silent,
) -> MadeLists:
    """Make and check a category's lists.

    Args:
        category: has the rules, and names the stock table and the pins.
        final: the models.
        pairs: the products and their pairs.
        config: settings.
        guard: an instance of ``core.configs.GuardConfig``.
        published: the lists that are published, with which the new ones are compared; None if there are none.
        threads, seed, progress: as everywhere.

    Raises:
        InputError: the stock table or the pins cannot be had or read.
    """
    ids = pairs.products["product_id"].combine_chunks()
    limits = Limits(guard.download_hours * 3600, int(guard.download_gigabytes * 1e9))
    stock, pins = stock_of(category, ids, limits), pins_of(category, ids, limits)
    lists = build_recommendations(
        final, pairs, config, category.rules, stock, pins, threads=threads, seed=seed, progress=progress
    )
    slots = slot_rules(lists, category.rules, stock, pins)
    changes = compare_lists(published, lists) if isinstance(published, Recommendations) else None
    if changes is not None:
        lists.info["change"] = {slot: change.as_dict() for slot, change in changes.items()}
    return MadeLists(lists, [*check_lists(lists, slots), *check_change(changes, guard)], slots)


def price_of_rules(
    final: FinalModels,
    pairs: ProductPairs,
    slots: Mapping[str, SlotRules],
    config: RecommendationsConfig,
    last: Callable[[str], Any],
    *,
    seed: int = 42,
    threads: int = 2,
) -> dict[str, Any]:
    """Slot → what its rules cost in recall@10; see :func:`core.recommendations.price.recall_price`.

    The judged models answer this, because the final ones know the held-out pairs. Slots whose rules leave nothing out
    cost nothing.

    Args:
        final: says which model and scoring make a slot's lists.
        pairs: the products and their pairs.
        slots: slot → its rules.
        config: settings.
        last: returns the current value of an asset, or None if there is none.
        seed, threads: as everywhere.
    """
    costly = {slot: rules for slot, rules in slots.items() if rules.leaves_out}
    split = last("pair_split") if costly else None
    prices: dict[str, Any] = {}
    for slot, rules in slots.items():
        if slot not in costly:
            prices[slot] = "the rules leave nothing out"
            continue
        choice = final.slots[slot]
        trained = last(f"embeddings/{choice['model']}")
        if split is None or trained is None or not len(trained.seen) == split.n_nodes == pairs.products.num_rows:
            prices[slot] = "the judged model is not in the store"
            continue
        fetched = final.candidates[slot].shape[1] if slot in final.candidates else 3 * config.k
        prices[slot] = recall_price(
            trained, choice["scoring"], split, rules, config, fetched=fetched, seed=seed, threads=threads
        )
    return prices
