"""A synthetic catalogue of any size: the built-in default and the load for scale benchmarks.

What is modelled. A product belongs to a sub-category of a department and to a series within the department (think of
"Alpine" camping gear); sub-category and series together are its cluster. Its popularity follows a power law. A
product's lists name complements (the neighbouring sub-categories, same series; mostly also_bought, some
bought_together), substitutes (its own cluster; mostly also_viewed), cousins (same sub-category, any series) and a
share of plain best sellers; within each of these groups popular products are named more often. The order of a list
says nothing, so its listings have no place. A series has few brands, so brand and category say something about a
product that no list has named yet. As in the article only part of the products have metadata and lists of their own;
the others are known from being listed.
"""

import hashlib
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import distinct
from core.catalog.tables import PRODUCTS, QUARANTINE, Catalog, relationships_table
from core.errors import InputError
from core.progress import Progress, silent
from core.relationships import KINDS
from core.typing import AnyArray, BoolArray, Float64Array, Int32Array, Int64Array

METADATA_SHARE = 0.35
"""Share of the products that have metadata; nine in ten of these have lists."""

_GROUP_SHARES = {"complement": 0.50, "substitute": 0.28, "cousin": 0.08, "bestseller": 0.14}
_PRODUCTS_PER_CLUSTER = 16
_EXPECTED_NEW = 0.6  # share of the drawn entries that are new pairs; only progress is estimated from it
_CHUNK = 1 << 21
_BOUGHT_TOGETHER, _ALSO_BOUGHT, _ALSO_VIEWED = range(len(KINDS))


class _SubCategory(NamedTuple):
    name: str
    price: float  # median
    nouns: tuple[str, ...]


def _words(text: str, separator: str = " ") -> tuple[str, ...]:
    return tuple(text.split(separator))


def _department(*rows: str) -> tuple[_SubCategory, ...]:
    """Rows of "name: price: noun, noun"; neighbouring rows (the last one borders on the first) are complements."""
    parts = [row.split(": ") for row in rows]
    return tuple(_SubCategory(name, float(price), tuple(nouns.split(", "))) for name, price, nouns in parts)


_DEPARTMENTS = {
    "Camping & Hiking": _department(
        "Tents: 140: Dome Tent, Tunnel Tent, Tarp Shelter, Bivy Sack",
        "Sleeping Bags: 85: Sleeping Bag, Camping Quilt, Sleeping Pad, Hammock",
        "Camp Kitchen: 32: Gas Stove, Cookset, Titanium Mug, Kettle",
        "Water & Filters: 28: Water Filter, Drinking Bottle, Hydration Bladder, Water Bag",
        "Backpacks: 95: Trekking Backpack, Day Pack, Dry Bag, Rain Cover",
        "Lights: 24: Headlamp, Lantern, Flashlight, Light String",
    ),
    "Photography": _department(
        "Cameras: 420: Mirrorless Camera, Compact Camera, Action Camera, Instant Camera",
        "Lenses: 310: Prime Lens, Zoom Lens, Macro Lens, Lens Adapter",
        "Filters: 29: UV Filter, Polarizer, ND Filter, Lens Hood",
        "Tripods: 75: Travel Tripod, Monopod, Ball Head, Gimbal",
        "Bags & Straps: 38: Camera Bag, Neck Strap, Sling Bag, Hard Case",
        "Power & Storage: 22: Memory Card, Spare Battery, Dual Charger, Card Reader",
    ),
    "Kitchen & Dining": _department(
        "Coffee Makers: 90: Espresso Machine, Drip Coffee Maker, French Press, Moka Pot",
        "Coffee Grinders: 48: Burr Grinder, Hand Grinder, Coffee Scale, Tamper",
        "Cups & Glasses: 18: Espresso Cup Set, Travel Mug, Latte Glass, Tumbler",
        "Tableware: 34: Dinner Plate Set, Cereal Bowl, Serving Tray, Cutlery Set",
        "Cookware: 65: Frying Pan, Dutch Oven, Saucepan, Wok",
        "Kitchen Tools: 15: Chef's Knife, Milk Frother, Silicone Spatula, Cutting Board",
    ),
    "Beauty": _department(
        "Shampoo: 11: Moisture Shampoo, Repair Shampoo, Dry Shampoo, Scalp Scrub",
        "Conditioner: 12: Daily Conditioner, Hair Mask, Leave-In Spray, Hair Oil",
        "Styling: 26: Hair Dryer, Curling Iron, Styling Cream, Round Brush",
        "Makeup: 14: Lipstick, Foundation, Mascara, Blush Palette",
        "Makeup Tools: 13: Brush Set, Blending Sponge, Eyelash Curler, Vanity Mirror",
        "Skin Care: 19: Face Cream, Cleansing Gel, Vitamin Serum, Sun Lotion",
    ),
    "Musical Instruments": _department(
        "Guitars: 260: Acoustic Guitar, Electric Guitar, Bass Guitar, Ukulele",
        "Strings & Picks: 9: Guitar Strings, Pick Set, Capo, String Winder",
        "Effects: 88: Overdrive Pedal, Delay Pedal, Looper, Tuner Pedal",
        "Amplifiers: 175: Practice Amp, Tube Amp, Headphone Amp, Bass Amp",
        "Cables & Stands: 17: Instrument Cable, Guitar Stand, Patch Cable, Amp Stand",
        "Cases & Straps: 36: Gig Bag, Guitar Strap, Hardshell Case, Pedal Board",
    ),
    "Home Office": _department(
        "Desks: 230: Standing Desk, Corner Desk, Desk Converter, Writing Desk",
        "Chairs: 165: Task Chair, Kneeling Chair, Seat Cushion, Footrest",
        "Monitors & Mounts: 120: Wide Monitor, Monitor Arm, Laptop Stand, Screen Light Bar",
        "Keyboards: 58: Mechanical Keyboard, Compact Keyboard, Keycap Set, Wrist Rest",
        "Mice: 32: Wireless Mouse, Vertical Mouse, Trackball, Desk Mat",
        "Organizers: 21: Cable Tray, Drawer Organizer, Desk Lamp, Document Stand",
    ),
    "Cycling": _department(
        "Helmets: 62: Road Helmet, Commuter Helmet, Kids Helmet, Cycling Cap",
        "Lights & Bells: 27: Front Light, Rear Light, Bike Bell, Reflector Set",
        "Tires & Tubes: 30: Road Tire, Gravel Tire, Inner Tube, Tubeless Kit",
        "Pumps & Tools: 25: Floor Pump, Mini Pump, Multi Tool, Tire Lever Set",
        "Racks & Bags: 49: Rear Rack, Pannier Bag, Saddle Bag, Handlebar Bag",
        "Clothing: 44: Cycling Jersey, Padded Shorts, Cycling Gloves, Wind Vest",
    ),
    "Toys & Games": _department(
        "Building Sets: 39: Brick Set, Marble Run, Magnetic Tiles, Gear Kit",
        "Vehicles: 23: Race Car Track, Toy Truck, Wooden Train, Remote Car",
        "Figures & Dolls: 20: Doll House, Animal Figure, Puppet, Plush Bear",
        "Crafts: 16: Paint Set, Bead Kit, Clay Box, Origami Paper",
        "Puzzles: 15: Jigsaw Puzzle, Wooden Puzzle, Logic Cube, Puzzle Mat",
        "Board Games: 28: Strategy Game, Family Game, Card Game, Dice Game",
    ),
}
_SERIES = _words(
    "Alpine Amber Aspen Atlas Aurora Basalt Birch Boreal Canyon Cedar Cobalt Comet Coral Crest Delta Dune Ember Falcon "
    "Fjord Forge Glacier Granite Harbor Haven Horizon Indigo Juniper Lagoon Lunar Maple Meadow Meridian Nimbus Nova "
    "Onyx Orbit Pebble Pine Prairie Quartz Raven Reef Ridge Sable Sierra Solar Summit Tidal Tundra Vista"
)
_VARIANTS = _words(
    "Black|White|Graphite|Forest Green|Navy Blue|Sand|Terracotta|Slate Grey|Small|Medium|Large|Compact|2-Pack|Set of 4|"
    "Gift Edition|Classic|Pro|Lite|2nd Generation|Refill",
    separator="|",
)
_BRAND_STARTS = _words(
    "Al Ar Bel Bran Cal Cor Dan Dor El Fen Fol Gal Gren Hal Hav Il Jor Kal Kes Lin Lor Mal Mer Nor Ol Or Pel Quin Ral "
    "Ros Sel Sor Tal Tor Ul Val Vel Wen Yar Zel"
)
_BRAND_MIDDLES = _words("a e i o ama eri olo ina")
_BRAND_ENDS = _words(
    "bek brook burg dale den dorf fell field ford gard haven holm kin land line low mark mont more nell ridge rock ron "
    "sen son stad stead ster ton tra vale vik wald ward way well wick win wood worth"
)


@dataclass(frozen=True)
class _World:
    """The latent structure; arrays are ``[products]`` unless said otherwise.

    Attributes:
        sub: sub-category, counted through all departments.
        series: series, counted through all departments.
        popularity: positive, heavy-tailed.
        listing: bool, has lists of its own.
        metadata: bool, has metadata.
    """

    sub: Int32Array
    series: Int32Array
    popularity: Float64Array
    listing: BoolArray
    metadata: BoolArray
    subs_per_department: int
    series_per_department: int
    departments: int

    @property
    def subs(self) -> int:
        return self.departments * self.subs_per_department

    def cluster(self, sub: AnyArray, series: AnyArray) -> AnyArray:
        """Cluster number of a sub-category and a series of the same department."""
        cluster: AnyArray = sub * self.series_per_department + series % self.series_per_department
        return cluster


def sample_catalog(
    products: int = 3000, pairs_per_product: float = 10.0, seed: int = 1, progress: Progress = silent
) -> Catalog:
    """Invent a catalogue; the same arguments give the same catalogue.

    Args:
        products: number of products, each of them in at least one pair; about ``METADATA_SHARE`` of them have a row in
            the products table.
        pairs_per_product: number of distinct undirected pairs divided by ``products``, met within some percent
            unless the clusters are too small for it.
        seed: seed of all randomness.
        progress: told ``sample`` in pairs.

    Raises:
        InputError: fewer than 50 products, or a number of pairs per product that is not positive.
    """
    if products < 50:
        raise InputError(f"sample.products: {products} is too few for any structure; use at least 50")
    if not 0 < pairs_per_product <= products / 4:
        raise InputError(f"sample.pairs_per_product: {pairs_per_product} is not above 0 and at most products / 4")
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    world = _invent_world(products, rng)
    owner, listed = _draw_listings(world, round(products * pairs_per_product), rng, progress)
    relationships = _relationships(world, owner, listed, rng)
    table = _products(world, rng)
    source = f"sample://?products={products}&pairs_per_product={pairs_per_product:g}&seed={seed}"
    info = {
        "source": source,
        "format": "sample",
        "bytes": 0,
        "lines": 0,
        "bad_lines": 0,
        "repeated_products": 0,
        "products": table.num_rows,
        "relationships": relationships.num_rows,
        "fingerprint": hashlib.sha256(source.encode()).hexdigest(),
        "seconds": round(time.perf_counter() - started, 3),
    }
    return Catalog(table, relationships, QUARANTINE.empty_table(), info)


def _invent_world(n: int, rng: np.random.Generator) -> _World:
    departments = int(np.clip(n // 300, 1, len(_DEPARTMENTS)))
    per_department = len(next(iter(_DEPARTMENTS.values())))
    subs = departments * per_department
    series_per_department = max(1, round(n / (subs * _PRODUCTS_PER_CLUSTER)))
    sub = rng.integers(0, subs, n, dtype=np.int32)
    # Squaring makes some series several times as large as others.
    series = (rng.random(n) ** 1.5 * series_per_department).astype(np.int32)
    series += sub // per_department * series_per_department
    popularity = rng.pareto(1.2, n) + 0.3
    # Without a ceiling one product would be on every list of a large catalogue.
    popularity = np.minimum(popularity, popularity.mean() * max(60, n / 2000))
    # Gumbel keys draw without replacement, here in proportion to the root of popularity.
    keys = 0.5 * np.log(popularity) + rng.gumbel(size=n)
    metadata = np.zeros(n, bool)
    metadata[np.argpartition(-keys, round(n * METADATA_SHARE))[: round(n * METADATA_SHARE)]] = True
    listing = metadata & (rng.random(n) < 0.9)
    return _World(sub, series, popularity, listing, metadata, per_department, series_per_department, departments)


class _Sampler:
    """Draws members of groups in proportion to a weight; groups are numbered 0..groups-1."""

    def __init__(self, group: AnyArray, groups: int, weight: Float64Array) -> None:
        self._order = np.argsort(group, kind="stable")
        self._cumulative = np.cumsum(weight[self._order])
        ends = np.cumsum(np.bincount(group, minlength=groups))
        self._bounds = np.r_[0.0, np.r_[0.0, self._cumulative][ends]]

    def draw(self, group: AnyArray, rng: np.random.Generator) -> Int64Array:
        """One member of each ``group``; of all groups together where a group has no weight."""
        low, high = self._bounds[group], self._bounds[group + 1]
        empty = high <= low
        low[empty], high[empty] = 0.0, self._cumulative[-1]
        at = np.searchsorted(self._cumulative, low + rng.random(len(group)) * (high - low), side="right")
        drawn: Int64Array = self._order[np.minimum(at, len(self._order) - 1)]
        return drawn


def _draw_listings(
    world: _World, wanted: int, rng: np.random.Generator, progress: Progress
) -> tuple[Int64Array, Int64Array]:
    """Owner and listed product (int64) of each entry, distinct, about ``wanted`` undirected pairs."""
    n = len(world.sub)
    own_cluster = world.cluster(world.sub, world.series)
    clusters = world.subs * world.series_per_department
    by_cluster = _Sampler(own_cluster, clusters, world.popularity)
    by_sub = _Sampler(world.sub, world.subs, world.popularity)
    anywhere = _Sampler(np.zeros(n, np.int8), 1, world.popularity)
    activity = np.clip(rng.lognormal(0, 0.5, n), 0.3, 2.0) * world.listing
    owners = _Sampler(np.zeros(n, np.int8), 1, activity)

    def neighbour(sub: Int32Array) -> AnyArray:
        first = sub // world.subs_per_department * world.subs_per_department
        step = np.where(rng.random(len(sub)) < 0.5, 1, world.subs_per_department - 1)
        neighbours: AnyArray = first + (sub - first + step) % world.subs_per_department
        return neighbours

    def entries(count: int) -> tuple[Int64Array, Int64Array]:
        owner = owners.draw(np.zeros(count, np.int8), rng)
        sub, series = world.sub[owner], world.series[owner]
        group = np.searchsorted(np.cumsum(list(_GROUP_SHARES.values())), rng.random(count), side="right")
        in_cluster = group <= 1
        sub = np.where(group == 0, neighbour(sub), sub)
        listed = np.empty(count, np.int64)
        listed[in_cluster] = by_cluster.draw(world.cluster(sub[in_cluster], series[in_cluster]), rng)
        listed[group == 2] = by_sub.draw(sub[group == 2], rng)
        listed[group >= 3] = anywhere.draw(np.zeros(np.count_nonzero(group >= 3), np.int8), rng)
        return owner, listed

    # Every product without lists is listed by someone of a fitting cluster, or it would not exist.
    silent_ones = np.flatnonzero(~world.listing)
    fitting = _Sampler(own_cluster, clusters, activity)
    sub = np.where(rng.random(len(silent_ones)) < 0.6, neighbour(world.sub[silent_ones]), world.sub[silent_ones])
    keys = [_keys(fitting.draw(world.cluster(sub, world.series[silent_ones]), rng), silent_ones, n)]
    found, share_new = 0, 1.0
    for _ in range(8):  # repeats are dropped, so each round leaves some pairs missing
        missing, before = wanted - found, found
        if missing <= wanted // 200:
            break
        drawn = round(missing / max(share_new, 0.2))
        for start in range(0, drawn, _CHUNK):
            keys.append(_keys(*entries(min(_CHUNK, drawn - start)), n))
            progress("sample", min(wanted - 1, found + round(start * _EXPECTED_NEW)), wanted, "pairs")
        keys = [distinct(np.concatenate(keys))]
        found = 1 + int(np.count_nonzero(np.diff(keys[0] >> 1)))
        share_new = (found - before) / drawn
    progress("sample", found, found, "pairs")
    pair, backwards = keys[0] >> 1, (keys[0] & 1).astype(bool)
    low, high = pair // n, pair % n
    return np.where(backwards, high, low), np.where(backwards, low, high)


def _keys(owner: Int64Array, listed: Int64Array, n: int) -> Int64Array:
    """Each entry as one integer (undirected pair, then direction), without entries of a product with itself."""
    keep = owner != listed
    owner, listed = owner[keep].astype(np.int64), listed[keep].astype(np.int64)
    keys: Int64Array = (np.minimum(owner, listed) * n + np.maximum(owner, listed)) * 2 + (owner > listed)
    return keys


def _relationships(world: _World, owner: Int64Array, listed: Int64Array, rng: np.random.Generator) -> pa.Table:
    substitutes = world.sub[owner] == world.sub[listed]
    viewed = rng.random(len(owner)) < np.where(substitutes, 0.75, 0.15)
    together = ~substitutes & ~viewed & (rng.random(len(owner)) < 0.08)
    product1 = np.concatenate([owner, owner[together]])
    product2 = np.concatenate([listed, listed[together]])
    kind = np.concatenate(
        [np.where(viewed, _ALSO_VIEWED, _ALSO_BOUGHT), np.full(np.count_nonzero(together), _BOUGHT_TOGETHER)]
    ).astype(np.int8)
    order = np.lexsort((kind, product1))
    return relationships_table(
        _product_ids(np.arange(len(world.sub))),
        product1[order].astype(np.int32),
        product2[order].astype(np.int32),
        kind[order],
        KINDS,
        None,
    )


def _product_ids(nodes: Int64Array) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(nodes).cast(pa.string()), 7, "0")
    return pc.binary_join_element_wise("SMP", digits, "")


def _brand_names(count: int, rng: np.random.Generator) -> pa.Array:
    """Distinct invented names; beyond what the syllables give, numbered ones."""
    short = [a + c for a in _BRAND_STARTS for c in _BRAND_ENDS]
    long = [a + b + c for a in _BRAND_STARTS for b in _BRAND_MIDDLES for c in _BRAND_ENDS]
    names = [short[i] for i in rng.permutation(len(short))] + [long[i] for i in rng.permutation(len(long))]
    return pa.array(
        [names[i % len(names)] + (f" {i // len(names) + 1}" if i >= len(names) else "") for i in range(count)]
    )


def _products(world: _World, rng: np.random.Generator) -> pa.Table:
    rows = np.flatnonzero(world.metadata)
    n = len(rows)
    sub, series, popularity = world.sub[rows], world.series[rows], world.popularity[rows]
    department = sub // world.subs_per_department
    all_subs = [(name, s) for name, subs in list(_DEPARTMENTS.items())[: world.departments] for s in subs]

    # A series has four brands of its own, the first of which makes most of it; one in seven products is of any brand.
    brands_of_series = 4
    n_series = world.departments * world.series_per_department
    names = _brand_names(n_series * brands_of_series, rng)
    choice = np.minimum(rng.geometric(0.5, n) - 1, brands_of_series - 1)
    brand = np.where(rng.random(n) < 0.14, rng.integers(0, len(names), n), series * brands_of_series + choice)

    in_department = series % world.series_per_department
    series_names = pa.array(_SERIES).take(pa.array((in_department + 7 * department) % len(_SERIES)))
    if world.series_per_department > len(_SERIES):
        numbers = pa.array(100 * (1 + in_department // len(_SERIES))).cast(pa.string())
        series_names = pc.binary_join_element_wise(series_names, numbers, " ")
    nouns = [noun for _, s in all_subs for noun in s.nouns]
    nouns_per_sub = len(all_subs[0][1].nouns)
    noun = pa.array(nouns).take(pa.array(sub * nouns_per_sub + rng.integers(0, nouns_per_sub, n)))
    variant = pa.array(_VARIANTS).take(pa.array(rng.integers(0, len(_VARIANTS), n)))
    brand_names = names.take(pa.array(brand))
    title = pc.binary_join_element_wise(
        pc.binary_join_element_wise(brand_names, series_names, noun, " "), variant, ", "
    )

    median = np.array([s.price for _, s in all_subs])[sub]
    level_of_series = rng.lognormal(0, 0.25, n_series)[series]
    price = np.maximum(np.floor(median * level_of_series * rng.lognormal(0, 0.35, n)), 1.0) + 0.99

    order = np.lexsort((-popularity * rng.lognormal(0, 0.3, n), department))
    starts = np.cumsum(np.bincount(department, minlength=world.departments)) - np.bincount(
        department, minlength=world.departments
    )
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n) - starts[department[order]] + 1

    labels = [label for name, s in all_subs for label in (name, s.name)]
    path = pa.array(labels).take(pa.array((sub[:, None] * 2 + np.arange(2)).ravel()))
    return pa.table(
        [
            _product_ids(rows),
            _some_missing(title, 0.03, rng),
            _some_missing(brand_names, 0.2, rng),
            _some_missing(pa.array(price, pa.float32()), 0.25, rng),
            pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * 2), path),
            _some_missing(pa.array(rank), 0.12, rng),
            pa.nulls(n, pa.string()),  # an address that leads nowhere would show as a broken picture
        ],
        schema=PRODUCTS,
    )


def _some_missing(column: pa.Array, share: float, rng: np.random.Generator) -> pa.Array:
    return pc.if_else(pa.array(rng.random(len(column)) >= share), column, None)
