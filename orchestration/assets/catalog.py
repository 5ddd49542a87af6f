"""Stage 1, the catalogue: a category's source becomes products, relationships and quarantined lines."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from core import paths
from core.catalog import Catalog, Source, UnreachableError, read_catalog
from core.catalog.field_notes import sentences
from core.catalog.guard import refuse_shrinking
from core.catalog.sources.remote import Limits
from core.categories import Category
from core.relationships import relationship_counts, repeats_add
from orchestration import under_way
from orchestration.assets.declared import declared_catalog
from orchestration.assets.inputs import source_state
from orchestration.config import form, resolve
from orchestration.metadata import StepReport, table
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager

CatalogForm = form("catalog", "sample", "guard")


def _read(category: Category, settings: Any, guard: Any, report: StepReport) -> Catalog:
    if category.source == "sample":
        from core.sample import sample_catalog

        return sample_catalog(settings.products, settings.pairs_per_product, progress=report.progress)
    source = Source(category.source, category.format, category.products, category.sha256)
    limits = Limits(guard.download_hours * 3600, int(guard.download_gigabytes * 1e9))
    return read_catalog(source, paths.raw_dir(), paths.download_dir(), settings.max_bad_share, report.progress, limits)


def _state(context: dg.AssetExecutionContext, category: Category) -> dict[str, Any] | None:
    """The source's state; None when it cannot be asked for, and the copy of an earlier download may have to do."""
    try:
        return source_state(category)
    except UnreachableError as error:
        context.log.warning(str(error))
        return None


def _guard(category: Category, found: Catalog, store: StoreIOManager, guard: Any) -> None:
    if guard.allow_shrink:
        return
    now = {"products": found.products.num_rows, "listings": found.relationships.num_rows}
    before = {}
    for what, asset in (("products", "raw_products"), ("listings", "raw_relationships")):
        if (manifest := store.store.manifest(asset, category.name)) is not None:
            before[what] = manifest.fields["value"]["rows"]
    refuse_shrinking(category.name, now, before, guard.min_share, guard.from_rows)


@dg.multi_asset(**declared_catalog())
def raw_catalog(
    context: dg.AssetExecutionContext,
    config: CatalogForm,  # type: ignore[valid-type]
    store: dg.ResourceParam[StoreIOManager],
):
    """Read the category's source: a local file, a URL, or the built-in synthetic catalogue."""
    category = CATEGORIES[context.partition_key]
    section = "sample" if category.source == "sample" else "catalog"
    settings = resolve(context, section, getattr(config, section))
    report = StepReport(context, settings)
    state = _state(context, category)  # before reading: a change meanwhile is seen next time
    under_way.tell(context, category, state)
    guard = resolve(context, "guard", config.guard)  # type: ignore[attr-defined]
    found = _read(category, settings, guard, report)
    _guard(category, found, store, guard)
    bad = found.quarantine.num_rows
    context.log.info(
        f"{found.products.num_rows:,} products, {found.relationships.num_rows:,} listings, {bad:,} bad lines"
    )
    for sentence in _remarks(found):
        context.log.warning(sentence)
    for file, named in found.info.get("columns", {}).items():
        if named["unread"]:
            context.log.info(f"{file}: columns that nobody reads: {', '.join(named['unread'])}")
    yield from _outputs(found, report, state)


def _remarks(found: Catalog) -> list[str]:
    """What a person should know of lines that were read all the same."""
    remarks = sentences(found.info.get("fields", {}))
    if unknown := found.info.get("unknown_relationships"):
        names = ", ".join(f"{name!r} ({count:,})" for name, count in list(unknown.items())[:20])
        remarks.append(
            f"relationships that are not bought_together, also_bought or also_viewed, and their rows: {names}"
        )
    return remarks


def _outputs(found: Catalog, report: StepReport, state: dict[str, Any] | None) -> Iterator[dg.Output[Any]]:
    facts_of: dict[str, dict[str, Any]] = {
        "raw_products": {
            "products": found.products.num_rows,
            "single_values": _list_of(sentences(found.info.get("fields", {}))),
            "source": dg.MetadataValue.json(found.info),
            "head": table(found.products),
        },
        "raw_relationships": {
            "listings": found.relationships.num_rows,
            "self_pairs": found.info.get("self_pairs", 0),
            "by_relationship": dg.MetadataValue.json(relationship_counts(found.relationships)),
            "unknown_relationships": dg.MetadataValue.json(found.info.get("unknown_relationships", {})),
            "repeated_rows": "add up" if repeats_add(found.relationships) else "count once",
            "head": table(found.relationships),
        },
        "quarantine": {
            "single_values": _list_of(sentences(found.info.get("fields", {}))),
            "bad_lines": found.info.get("bad_lines", 0),
            "rows": found.quarantine.num_rows,
            "records_over_lines": found.info.get("records_over_lines", 0),
            "head": table(found.quarantine, 20),
        },
    }
    values = {"raw_products": found.products, "raw_relationships": found.relationships, "quarantine": found.quarantine}
    for name, value in values.items():
        facts = report.metadata(source_state=dg.MetadataValue.json(state or {}), **facts_of[name])
        yield dg.Output(value, name, metadata=facts)


def _list_of(lines: list[str]) -> str:
    return "; ".join(lines) or "all of them could be read"
