"""Stage 1, the catalogue: a category's source becomes products, relationships and quarantined lines."""

import dagster as dg

from core import paths
from core.catalog import Catalog, Source, read_catalog
from core.pairs import relationship_counts
from orchestration.launchpad import form, resolve
from orchestration.partitions import BY_CATEGORY, CATEGORIES
from orchestration.reporting import StepReport, table

CatalogForm = form("catalog", "sample")


def _read(context: dg.AssetExecutionContext, config, report: StepReport) -> Catalog:
    category = CATEGORIES[context.partition_key]
    if category.source == "sample":
        from core.sample import sample_catalog

        size = resolve(context, "sample", config.sample)
        return sample_catalog(size.products, size.pairs_per_product, progress=report.progress)
    source = Source(category.source, category.format, category.products, category.sha256)
    reading = resolve(context, "catalog", config.catalog)
    return read_catalog(source, paths.raw_dir(), paths.download_dir(), reading.max_bad_share, progress=report.progress)


@dg.multi_asset(
    name="raw_catalog",
    outs={
        "raw_products": dg.AssetOut(
            description="One row per product with metadata, as read from the source.",
            kinds={"parquet"}, io_manager_key="store", code_version="1",
        ),
        "raw_relationships": dg.AssetOut(
            description="What each product lists: also_bought, also_viewed, bought_together, or a team's own pairs.",
            kinds={"parquet"}, io_manager_key="store", code_version="1",
        ),
        "quarantine": dg.AssetOut(
            description="Lines that could not be read, with file, line number, reason and an excerpt.",
            kinds={"parquet"}, io_manager_key="store", code_version="1",
        ),
    },
    partitions_def=BY_CATEGORY,
    group_name="catalog",
)  # fmt: skip
def raw_catalog(context: dg.AssetExecutionContext, config: CatalogForm):  # type: ignore[valid-type]
    """Read the category's source: a local file, a URL, or the built-in synthetic catalogue."""
    report = StepReport(context)
    found = _read(context, config, report)
    bad = found.quarantine.num_rows
    context.log.info(
        f"{found.products.num_rows:,} products, {found.relationships.num_rows:,} listings, {bad:,} bad lines"
    )
    source = dg.MetadataValue.json(found.info)
    yield dg.Output(
        found.products,
        "raw_products",
        metadata=report.metadata(products=found.products.num_rows, source=source, head=table(found.products)),
    )
    yield dg.Output(
        found.relationships,
        "raw_relationships",
        metadata=report.metadata(
            listings=found.relationships.num_rows,
            by_relationship=dg.MetadataValue.json(relationship_counts(found.relationships)),
            head=table(found.relationships),
        ),
    )
    yield dg.Output(
        found.quarantine,
        "quarantine",
        metadata=report.metadata(bad_lines=bad, head=table(found.quarantine, 20)),
    )
