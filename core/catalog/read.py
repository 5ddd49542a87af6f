"""Reads a source of any supported form into a catalogue: the one entry point of the package."""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.catalog.containers import UnreadableError
from core.catalog.file_kind import SourceFile, look_at
from core.catalog.formats import AUTO, FORMATS, Contents, Format, Reader, SourceOptions, choose
from core.catalog.orders_table import CUSTOMER_KEY
from core.catalog.products_table import ProductsReader
from core.catalog.quarantine import FileReport, Quarantine
from core.catalog.sources.parsed_files import ParsedFiles
from core.catalog.sources.remote import Limits
from core.catalog.sources.source import Source, fetch, fetch_file, is_several, local_files
from core.catalog.tables import PRODUCTS, RELATIONSHIPS, Catalog
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
    quarantine = Quarantine()
    if is_several(source.path, raw_dir):
        form, contents, fingerprint, reports, size = _several(
            source, raw_dir, cache_dir, quarantine, max_bad_share, progress
        )
    else:
        path = fetch(source, raw_dir, cache_dir, progress, limits)
        report = FileReport(shown(source.path), quarantine, max_bad_share)
        with _named(report.name):
            file = look_at(path)
            form = choose(file, source.format)
        contents, fingerprint = _contents(form.new_reader(source.options), file, report, progress)
        reports, size = [report], path.stat().st_size
    name = shown(source.path)
    if source.products is not None and not form.takes_products:
        raise InputError(
            f"categories.yaml: {name}: this is {form.title}, which takes no table of products beside it; remove "
            "`products`"
        )
    if source.products is not None:
        reports.append(FileReport(shown(source.products), quarantine, max_bad_share))
        products_path = fetch_file(source.products, None, raw_dir, cache_dir, progress, limits)
        metadata, fingerprint_of_products = _products(products_path, source.options, reports[-1], progress)
        contents = replace(contents, products=metadata.products, fields={**contents.fields, **metadata.fields})
        fingerprint = hashlib.sha256(f"{fingerprint} {fingerprint_of_products}".encode()).hexdigest()
    products = PRODUCTS.empty_table() if contents.products is None else contents.products
    relationships = RELATIONSHIPS.empty_table() if contents.relationships is None else contents.relationships
    info = {
        "source": name,
        "format": form.name,
        "bytes": size,
        **_line_facts(reports),
        **contents.facts,
        "products": products.num_rows,
        "relationships": relationships.num_rows,
        "fields": contents.fields,
        "unknown_relationships": {**unknown_counts(relationships), **contents.ignored_lists},
        "fingerprint": fingerprint,
        "seconds": round(time.perf_counter() - started, 3),
    }
    orders = contents.orders
    if orders is not None:
        info["orders"] = orders.num_rows
    if not products.num_rows and not relationships.num_rows and not (orders is not None and orders.num_rows):
        raise _empty(info)
    return Catalog(products, relationships, quarantine.table(), info, orders)


def _several(
    source: Source, raw_dir: Path, cache_dir: Path, quarantine: Quarantine, max_bad_share: float, progress: Progress
) -> tuple[Format, Contents, str, list[FileReport], int]:
    """The files of a folder or pattern; a broken one is refused by name, and the others count.

    Raises:
        InputError: no file can be read, or they are of a format that has to be one file.
    """
    form = FORMATS["orders"] if source.format == AUTO else FORMATS[source.format]
    if not form.takes_folders:
        raise InputError(
            f"categories.yaml: {shown(source.path)}: {form.title} are one file, and this is a folder; name a file"
        )
    secret = os.environ.get(CUSTOMER_KEY, "") if source.options.orders.hash_customers else ""
    parsed = ParsedFiles(cache_dir / "parsed", source.path, source.options, secret)
    tables: list[pa.Table] = []
    reports, refused, fingerprints, size, read = [], {}, [], 0, 0
    facts: Counter[str] = Counter()
    for path in local_files(source.path, raw_dir):
        report = FileReport(path.name, quarantine, max_bad_share)
        try:
            table, kept, is_new = _parsed(path, form, source.options, parsed, report, progress)
        except InputError as error:
            refused[path.name] = str(error)
            continue
        read += is_new
        tables.append(table)
        reports.append(report)
        fingerprints.append(kept["fingerprint"])
        facts.update(kept["facts"])
        size += path.stat().st_size
    if not tables:
        raise InputError(next(iter(refused.values())))
    parsed.remove_unused()
    orders = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    more = {**facts, "files": len(tables), "new_files": read, "refused_files": refused}
    fingerprint = hashlib.sha256(" ".join(fingerprints).encode()).hexdigest()
    return form, Contents(orders=orders, facts=more), fingerprint, reports, size


def _parsed(
    path: Path, form: Format, options: SourceOptions, parsed: ParsedFiles, report: FileReport, progress: Progress
) -> tuple[pa.Table, dict[str, Any], bool]:
    """Order lines of one file, facts about it, and whether it had to be read."""
    if (known := parsed.find(path)) is not None:
        table, kept = known
        report.restore(kept["report"])
        return table, kept, False
    with _named(path.name):
        file = look_at(path)
        if not form.recognises(file):
            choose(file, form.name)  # says why
    contents, fingerprint = _contents(form.new_reader(options), file, report, progress)
    assert contents.orders is not None  # noqa: S101 (of all formats with folders)
    kept = {"fingerprint": fingerprint, "facts": dict(contents.facts), "report": report.kept()}
    parsed.store(path, contents.orders, kept)
    return contents.orders, kept, True


def _contents(reader: Reader, file: SourceFile, report: FileReport, progress: Progress) -> tuple[Contents, str]:
    """What a reader makes of a file, and the file's fingerprint. Raises InputError if the file is refused."""
    with _named(report.name):
        fingerprint = reader.read(file, report, progress)
    report.check()
    with _named(report.name):
        return reader.contents(), fingerprint


def _products(path: Path, options: SourceOptions, report: FileReport, progress: Progress) -> tuple[Contents, str]:
    """The products beside a source, and the fingerprint of their file.

    They are a table, or in a format that describes products besides listing what belongs together; of that, only the
    products count.
    """
    with _named(report.name):
        file = look_at(path)
        described = (form for form in FORMATS.values() if form.has_products and form.recognises(file))
        form = None if file.is_blank else next(described, None)
    reader = ProductsReader(options.columns) if form is None else form.new_reader(options)
    return _contents(reader, file, report, progress)


def _line_facts(reports: list[FileReport]) -> dict[str, Any]:
    """What the lines of all files come to, as ``Catalog.info`` names it."""
    facts: dict[str, Any] = {
        "lines": sum(report.lines for report in reports),
        "bad_lines": sum(report.bad_lines for report in reports),
        "repeated_products": sum(report.repeated for report in reports),
    }
    columns = {report.name: report.columns for report in reports if report.columns}
    if columns:
        facts["records_over_lines"] = sum(report.records_over_lines for report in reports)
        facts["columns"] = columns
    return facts


def _empty(info: dict[str, Any]) -> InputError:
    self_pairs = info.get("self_pairs")
    with_itself = f", {self_pairs:,} pair a product with itself" if self_pairs else ""
    return InputError(
        f"{info['source']}: holds no product and no pair ({info['lines']:,} lines, {info['bad_lines']:,} of them bad"
        f"{with_itself}). Name a file with content as the category's source in categories.yaml"
    )


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Add the file's name to errors about its content."""
    try:
        yield
    except UnreadableError as error:
        raise InputError(f"{name}: {error}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:  # content that no reader foresaw
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: the file cannot be read as a table ({said}); export it again") from error
