"""A source of any supported form into a catalogue: the one entry point of the package."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.catalog.columns import PAIRS
from core.catalog.containers import UnreadableError
from core.catalog.mcauley import McAuleyReader
from core.catalog.pairs_table import PairsReader
from core.catalog.products_table import ProductsReader
from core.catalog.recognise import ARROW, TEXT, check_json, is_json, look
from core.catalog.records import find_layout, likely_names
from core.catalog.sources.remote import Limits
from core.catalog.sources.source import Source, fetch, fetch_file
from core.catalog.tables import PRODUCTS, Catalog, Quarantine, refuse_float_ids
from core.errors import InputError
from core.progress import Progress, silent
from core.relationships import unknown_counts
from core.untrusted.urls import shown


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
    with _named(name):
        form = _form_of(path, source.format)
    table_facts: dict[str, Any] = {}
    if form == "mcauley":
        if source.products is not None:
            raise InputError(
                f"categories.yaml: {name}: a products table goes with a pairs table only; Amazon metadata has its own "
                "products. Remove `products`, or set `format: pairs`"
            )
        mcauley = McAuleyReader(quarantine)
        with _named(name):
            fingerprint = mcauley.read(path, name, max_bad_share, progress)
        _check_share(name, mcauley.lines, mcauley.bad_lines, quarantine, max_bad_share)
        products = mcauley.products.table()
        relationships = mcauley.pairs.table(mcauley.products.owners())
        fields, ignored = mcauley.products.notes(), dict(mcauley.ignored_lists)
        lines, bad_lines, repeated = mcauley.lines, mcauley.bad_lines, mcauley.repeated
    else:
        pairs = PairsReader(quarantine)
        with _named(name):
            fingerprint = pairs.read(path, name, max_bad_share, progress)
        _check_share(name, pairs.lines, pairs.bad_lines, quarantine, max_bad_share)
        relationships = pairs.table()
        for column in ("product1", "product2"):
            ids = relationships[column].combine_chunks()
            refuse_float_ids(ids.dictionary.take(pc.unique(ids.indices)), name, f"column {column}: ids")
        fields, ignored = {}, {}
        lines, bad_lines, repeated = pairs.lines, pairs.bad_lines, 0
        products = PRODUCTS.empty_table()
        columns, over_lines = {name: pairs.columns}, pairs.records_over_lines
        if source.products is not None:
            products_path = fetch_file(source.products, None, raw_dir, cache_dir, progress, limits)
            own, products_name = ProductsReader(quarantine), shown(source.products)
            with _named(products_name):
                print_of_products = own.read(products_path, products_name, max_bad_share, progress)
            _check_share(products_name, own.lines, own.bad_lines, quarantine, max_bad_share)
            products, fields = own.products.table(), own.products.notes()
            refuse_float_ids(products["product_id"].combine_chunks(), products_name, "column product_id: ids")
            fingerprint = hashlib.sha256(f"{fingerprint} {print_of_products}".encode()).hexdigest()
            lines, bad_lines, repeated = lines + own.lines, bad_lines + own.bad_lines, own.repeated
            columns[products_name] = own.columns
            over_lines += own.records_over_lines
        table_facts = {"self_pairs": pairs.self_pairs, "records_over_lines": over_lines, "columns": columns}
    if not products.num_rows and not relationships.num_rows:
        selves = f", {table_facts['self_pairs']:,} pair a product with itself" if table_facts.get("self_pairs") else ""
        raise InputError(
            f"{name}: holds no product and no pair ({lines:,} lines, {bad_lines:,} of them bad{selves}; local file "
            f"{path}). Name a file with content as the category's source in categories.yaml"
        )
    info: dict[str, Any] = {
        "source": name,
        "format": form,
        "bytes": path.stat().st_size,
        "lines": lines,
        "bad_lines": bad_lines,
        "repeated_products": repeated,
        **table_facts,
        "products": products.num_rows,
        "relationships": relationships.num_rows,
        "fields": fields,
        "unknown_relationships": {**unknown_counts(relationships), **ignored},
        "fingerprint": fingerprint,
        "seconds": round(time.perf_counter() - started, 3),
    }
    return Catalog(products, relationships, quarantine.table(), info)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Give the errors about a file's content its name."""
    try:
        yield
    except UnreadableError as error:
        raise InputError(f"{name}: {error}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:  # what no reader foresaw of what a file may hold
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: the file cannot be read as a table ({said}); write it anew") from error


def _form_of(path: Path, wanted: str) -> str:
    """The form of a file: "pairs" or "mcauley".

    Raises:
        UnreadableError: it is neither, or not the one that is wanted.
    """
    kind, head = look(path)
    if wanted == "pairs" or kind != TEXT:
        if wanted == "mcauley":
            raise UnreadableError(
                f"this is a{'n' if kind == ARROW else ''} {kind.title()} file, and `format: mcauley` means Amazon "
                "metadata, which is one JSON object a line; remove the format from categories.yaml"
            )
        return "pairs"
    if not head.strip() or is_json(head):
        check_json(head)
        return "mcauley"
    if find_layout(head, PAIRS.find, edges=True) is None:
        raise PAIRS.missing(likely_names(head))
    if wanted == "mcauley":
        raise UnreadableError(
            "this is a pairs table, and `format: mcauley` means Amazon metadata, which is one JSON object a line; "
            "remove the format from categories.yaml"
        )
    return "pairs"


def _check_share(name: str, lines: int, bad: int, quarantine: Quarantine, max_bad_share: float) -> None:
    if not bad or bad <= max_bad_share * lines:
        return
    line, reason, text = quarantine.first_of(name)
    first = f"the first is line {line:,}: {reason} (“{text[:80]}”)"
    usual, count = quarantine.reasons(name)[0]
    if usual.endswith("UTF-8"):
        share = f"{bad:,} of {lines:,}" if bad < lines else f"all {lines:,}"
        raise InputError(
            f"{name}: {share} lines cannot be used, {count:,} because their text is not UTF-8; {first}. The text is "
            "probably in code page 1252, as Windows and Excel write it: save the file as UTF-8"
        )
    if bad == lines:
        raise InputError(
            f"{name}: none of its {lines:,} lines can be used; {first}. Correct the file, or the category's source in "
            "categories.yaml"
        )
    most = f", {count:,} for the reason “{usual}”" if count < len(quarantine) or usual != reason else ""
    raise InputError(
        f"{name}: {bad:,} of {lines:,} lines are bad ({bad / lines:.2%}, allowed are {max_bad_share:.2%}){most}; "
        f"{first}. Mend the file, or raise catalog.max_bad_share for this category"
    )
