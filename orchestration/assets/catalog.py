"""Stage 1: a category's source becomes products, relationships and quarantined lines."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from core import checks, paths
from core.catalog import Catalog, UnreachableError, read_catalog
from core.catalog.field_notes import sentences
from core.catalog.guard import refuse_shrinking
from core.catalog.orders_table import ORDERS
from core.catalog.sources.remote import Limits
from core.categories import Category
from core.relationships import relationship_counts, repeats_add
from orchestration.assets.arguments import catalog_arguments
from orchestration.config import config_schema, resolve_config
from orchestration.metadata import StepReport, check_results, check_specs, table
from orchestration.observations import source_state
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager
from orchestration.runs.requests import tag_run

CatalogSchema = config_schema("catalog", "sample", "guard")


def _read(category: Category, settings: Any, guard: Any, report: StepReport) -> Catalog:
    if category.source == "sample":
        from core.sample import sample_catalog

        return sample_catalog(settings.products, settings.pairs_per_product, progress=report.progress)
    source = category.data
    limits = Limits(guard.download_hours * 3600, int(guard.download_gigabytes * 1e9))
    return read_catalog(source, paths.raw_dir(), paths.download_dir(), settings.max_bad_share, report.progress, limits)


def _state_of_source(context: dg.AssetExecutionContext, category: Category) -> dict[str, Any] | None:
    """The source's state, or None if its server cannot be reached and the copy of an earlier download may be used."""
    try:
        return source_state(category)
    except UnreachableError as error:
        context.log.warning(str(error))
        return None


def _check_size(category: Category, catalog: Catalog, store: StoreIOManager, guard: Any) -> None:
    if guard.allow_shrink:
        return
    orders = 0 if catalog.orders is None else catalog.orders.num_rows
    now = {
        "products": catalog.products.num_rows, "listings": catalog.relationships.num_rows, "order lines": orders
    }  # fmt: skip
    before = {}
    for rows, asset in (("products", "raw_products"), ("listings", "raw_relationships"), ("order lines", "raw_orders")):
        if (manifest := store.store.manifest(asset, category.name)) is not None:
            before[rows] = manifest.fields["value"]["rows"]
    refuse_shrinking(category.name, now, before, guard.min_share, guard.from_rows)


@dg.multi_asset(**catalog_arguments(), check_specs=check_specs("raw_orders", checks.SOURCE_FILES))
def raw_catalog(
    context: dg.AssetExecutionContext,
    config: CatalogSchema,  # type: ignore[valid-type]
    store: dg.ResourceParam[StoreIOManager],
):
    """Read the category's source: a local file, a URL, or the built-in synthetic catalogue."""
    category = CATEGORIES[context.partition_key]
    section = "sample" if category.source == "sample" else "catalog"
    settings = resolve_config(context, section, getattr(config, section))
    report = StepReport(context, settings)
    state = _state_of_source(context, category)  # before reading, so that a change in between is seen next time
    tag_run(context, category, state)
    guard = resolve_config(context, "guard", config.guard)  # type: ignore[attr-defined]
    catalog = _read(category, settings, guard, report)
    _check_size(category, catalog, store, guard)
    bad = catalog.quarantine.num_rows
    orders = "" if catalog.orders is None else f"{catalog.orders.num_rows:,} order lines, "
    counts = f"{catalog.products.num_rows:,} products, {catalog.relationships.num_rows:,} listings"
    context.log.info(f"{counts}, {orders}{bad:,} bad lines")
    for file, sentence in catalog.info.get("refused_files", {}).items():
        context.log.warning(f"{file} was left out: {sentence}")
    for sentence in _remarks(catalog):
        context.log.warning(sentence)
    for sentence in _unread_columns(catalog):
        context.log.info(sentence)
    yield from _outputs(catalog, report, state)
    yield from check_results(context, checks.check_files(catalog.info.get("refused_files", {})))


def _unread_columns(catalog: Catalog) -> list[str]:
    """Which columns are not used, in one sentence for all files of a folder that have the same ones."""
    files: dict[tuple[str, ...], list[str]] = {}
    for file, columns in catalog.info.get("columns", {}).items():
        if columns["unread"]:
            files.setdefault(tuple(columns["unread"]), []).append(file)
    return [
        f"{names[0]}{f' and {len(names) - 1:,} more files' if len(names) > 1 else ''}: "
        f"these columns are not used: {', '.join(unread)}"
        for unread, names in files.items()
    ]


def _remarks(catalog: Catalog) -> list[str]:
    """What a person should know about lines that were read although something in them is unusual."""
    remarks = sentences(catalog.info.get("fields", {}))
    if unknown := catalog.info.get("unknown_relationships"):
        names = ", ".join(f"{name!r} ({count:,})" for name, count in list(unknown.items())[:20])
        remarks.append(
            "some relationships are not bought_together, also_bought or also_viewed; their names and numbers of rows: "
            f"{names}"
        )
    return remarks


def _outputs(catalog: Catalog, report: StepReport, state: dict[str, Any] | None) -> Iterator[dg.Output[Any]]:
    facts_of: dict[str, dict[str, Any]] = {
        "raw_products": {
            "products": catalog.products.num_rows,
            "single_values": _list_of(sentences(catalog.info.get("fields", {}))),
            "source": dg.MetadataValue.json(catalog.info),
            "head": table(catalog.products),
        },
        "raw_relationships": {
            "listings": catalog.relationships.num_rows,
            "self_pairs": catalog.info.get("self_pairs", 0),
            "by_relationship": dg.MetadataValue.json(relationship_counts(catalog.relationships)),
            "unknown_relationships": dg.MetadataValue.json(catalog.info.get("unknown_relationships", {})),
            "repeated_rows": "add up" if repeats_add(catalog.relationships) else "count once",
            "head": table(catalog.relationships),
        },
        "quarantine": {
            "single_values": _list_of(sentences(catalog.info.get("fields", {}))),
            "bad_lines": catalog.info.get("bad_lines", 0),
            "rows": catalog.quarantine.num_rows,
            "records_over_lines": catalog.info.get("records_over_lines", 0),
            "head": table(catalog.quarantine, 20),
        },
    }
    orders = ORDERS.empty_table() if catalog.orders is None else catalog.orders
    facts_of["raw_orders"] = {
        "order_lines": orders.num_rows,
        "files": catalog.info.get("files", 1),
        "new_files": catalog.info.get("new_files", 1),
        "refused_files": dg.MetadataValue.json(catalog.info.get("refused_files", {})),
        "left_out": dg.MetadataValue.json(
            {name: catalog.info.get(name, 0) for name in ("without_key", "zero_quantity", "ignored_events")}
        ),
        "head": table(orders),
    }
    values = {
        "raw_products": catalog.products,
        "raw_orders": orders,
        "raw_relationships": catalog.relationships,
        "quarantine": catalog.quarantine,
    }
    for name, value in values.items():
        facts = report.metadata(source_state=dg.MetadataValue.json(state or {}), **facts_of[name])
        yield dg.Output(value, name, metadata=facts)


def _list_of(lines: list[str]) -> str:
    return "; ".join(lines) or "all values could be read"
