"""A source of any supported form into a catalogue: the one entry point of the package.

Belongs here: telling the form, putting the readers together, deciding whether too much is bad. Does not belong here:
any format's details.
"""

import hashlib
import time
from pathlib import Path
from typing import Any

from core.catalog.lines import first_line
from core.catalog.mcauley import McAuleyReader
from core.catalog.pairs_table import PairsReader, is_pairs_header
from core.catalog.products_table import ProductsReader
from core.catalog.remote import Limits
from core.catalog.source import Source, fetch, fetch_file
from core.catalog.tables import PRODUCTS, Catalog, Quarantine, refuse_float_ids
from core.catalog.tabular import is_parquet
from core.errors import InputError
from core.progress import Progress, silent
from core.relationships import unknown_counts
from core.urls import shown


def read_catalog(
    source: Source,
    raw_dir: Path,
    cache_dir: Path,
    max_bad_share: float = 0.01,
    progress: Progress = silent,
    limits: Limits | None = None,
) -> Catalog:
    """Fetch and read a source; what cannot be read goes to the quarantine table.

    Args:
        source: where the data is.
        raw_dir: folder of relative paths.
        cache_dir: folder for downloads.
        max_bad_share: largest tolerated share (0..1) of bad lines in a file; repeated products do not count.
        progress: told ``download`` and ``read products`` or ``read pairs``.
        limits: what a download may take.

    Raises:
        InputError: the source cannot be had, is empty, or has too many bad lines.
    """
    started = time.perf_counter()
    path = fetch(source, raw_dir, cache_dir, progress, limits)
    quarantine = Quarantine()
    name = shown(source.path)
    form = _format_of(path) if source.format == "auto" else source.format
    if form == "mcauley":
        if source.products is not None:
            raise InputError(
                f"categories.yaml: {name}: a products table goes with a pairs table only; Amazon metadata has its own "
                "products. Remove `products`, or set `format: pairs`"
            )
        mcauley = McAuleyReader(quarantine)
        fingerprint = mcauley.read(path, name, max_bad_share, progress)
        _check_share(name, mcauley.lines, mcauley.bad_lines, quarantine, max_bad_share)
        products = mcauley.products.table()
        relationships = mcauley.pairs.table(mcauley.products.owners())
        fields, ignored = mcauley.products.notes(), dict(mcauley.ignored_lists)
        lines, bad_lines, repeated = mcauley.lines, mcauley.bad_lines, mcauley.repeated
    else:
        pairs = PairsReader(quarantine)
        fingerprint = pairs.read(path, name, max_bad_share, progress)
        _check_share(name, pairs.lines, pairs.bad_lines, quarantine, max_bad_share)
        relationships = pairs.table()
        refuse_float_ids(relationships["product1"].chunk(0).dictionary, name, "columns product1 and product2: ids")
        fields, ignored = {}, {}
        lines, bad_lines, repeated = pairs.lines, pairs.bad_lines, 0
        products = PRODUCTS.empty_table()
        if source.products is not None:
            products_path = fetch_file(source.products, None, raw_dir, cache_dir, progress, limits)
            own, products_name = ProductsReader(quarantine), shown(source.products)
            print_of_products = own.read(products_path, products_name, max_bad_share, progress)
            _check_share(products_name, own.lines, own.bad_lines, quarantine, max_bad_share)
            products, fields = own.products.table(), own.products.notes()
            refuse_float_ids(products["product_id"].combine_chunks(), products_name, "column product_id: ids")
            fingerprint = hashlib.sha256(f"{fingerprint} {print_of_products}".encode()).hexdigest()
            lines, bad_lines, repeated = lines + own.lines, bad_lines + own.bad_lines, own.repeated
    if not products.num_rows and not relationships.num_rows:
        raise InputError(
            f"{name}: holds no product and no pair ({lines:,} lines, {bad_lines:,} of them bad; local file {path}). "
            "Name a file with content as the category's source in categories.yaml"
        )
    info: dict[str, Any] = {
        "source": name,
        "format": form,
        "bytes": path.stat().st_size,
        "lines": lines,
        "bad_lines": bad_lines,
        "repeated_products": repeated,
        "products": products.num_rows,
        "relationships": relationships.num_rows,
        "fields": fields,
        "unknown_relationships": {**unknown_counts(relationships), **ignored},
        "fingerprint": fingerprint,
        "seconds": round(time.perf_counter() - started, 3),
    }
    return Catalog(products, relationships, quarantine.table(), info)


def _format_of(path: Path) -> str:
    if is_parquet(path):
        return "pairs"
    return "pairs" if is_pairs_header(first_line(path)) else "mcauley"


def _check_share(name: str, lines: int, bad: int, quarantine: Quarantine, max_bad_share: float) -> None:
    if not bad or bad <= max_bad_share * lines:
        return
    line, reason, text = quarantine.first_of(name)
    raise InputError(
        f"{name}: {bad:,} of {lines:,} lines are bad ({bad / lines:.2%}, allowed are {max_bad_share:.2%}); the first "
        f"is line {line}: {reason} ({text[:80]!r}). Mend the file, or raise catalog.max_bad_share for this category"
    )
