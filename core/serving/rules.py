"""Rules that a request sets at read time: which entries of a list it wants to see."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from core.recommendations.rules.book import plain_name
from core.serving.prepared import Products


@dataclass(frozen=True)
class Rules:
    """What the entries of a list must fulfil. Names are compared as in the rules of categories.yaml: without case.

    Attributes:
        exclude: nodes that must not be in the list.
        brands, categories: an entry has one of these; empty allows all. An entry without one is left out.
        not_brands, not_categories: an entry has none of these.
        price_from, price_to: bounds of the price, inclusive. An entry without a price is left out where one is set.
        price_ratio_from, price_ratio_to: the same, as multiples of the price of the product that was asked about.
        max_per_brand: maximum number of entries of one brand; 0 sets no limit. It does not concern those without one.
    """

    exclude: Collection[int] = ()
    brands: Collection[str] = ()
    not_brands: Collection[str] = ()
    categories: Collection[str] = ()
    not_categories: Collection[str] = ()
    price_from: float = -math.inf
    price_to: float = math.inf
    price_ratio_from: float = 0.0
    price_ratio_to: float = math.inf
    max_per_brand: int = 0

    def kept(self, nodes: list[int], products: Products, price: float, k: int) -> Iterator[int]:
        """Places of the first ``k`` entries that fulfil the rules.

        Args:
            nodes: the list, best first.
            products: metadata by node.
            price: that of the product that was asked about; NaN if it is unknown, then the ratios allow nothing.
            k: maximum number of entries.
        """
        if self == NO_RULES:
            yield from range(min(k, len(nodes)))
            return
        excluded, (low, high) = frozenset(self.exclude), self._bounds(price)
        needs_price = (low, high) != (-math.inf, math.inf)
        allowed, forbidden, wanted, unwanted = (
            {plain_name(name) for name in names}
            for names in (self.brands, self.not_brands, self.categories, self.not_categories)
        )
        reads_brands = bool(allowed or forbidden or self.max_per_brand)
        counts: dict[str, int] = {}
        count = 0
        for place, node in enumerate(nodes):
            if count == k:
                return
            if node in excluded or (needs_price and not low <= products.prices[node] <= high):
                continue
            brand = plain_name(products.brands[node]) if reads_brands else ""
            if brand in forbidden or (allowed and brand not in allowed):
                continue
            if wanted or unwanted:
                names = {plain_name(name) for name in products.categories(node)}
                if (wanted and wanted.isdisjoint(names)) or not unwanted.isdisjoint(names):
                    continue
            if brand and self.max_per_brand:
                if counts.get(brand, 0) == self.max_per_brand:
                    continue
                counts[brand] = counts.get(brand, 0) + 1
            count += 1
            yield place

    def _bounds(self, price: float) -> tuple[float, float]:
        low, high = self.price_from, self.price_to
        if self.price_ratio_from > 0 or self.price_ratio_to < math.inf:
            low, high = max(low, self.price_ratio_from * price), min(high, self.price_ratio_to * price)
            if math.isnan(price):
                low = high = math.nan
        # Prices are stored as float32, where 17.99 is a little less than the number that a request spells so.
        return float(np.float32(low)), float(np.float32(high))


NO_RULES = Rules()
