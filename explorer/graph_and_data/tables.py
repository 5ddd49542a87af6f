"""The tables of the page about graph and data."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def reason_rows(quarantine: pa.Table) -> pd.DataFrame:
    """How many lines were left out for each reason, the most frequent first."""
    counts = pc.value_counts(quarantine["reason"].combine_chunks()).to_pylist()
    rows = sorted(((c["counts"], str(c["values"])) for c in counts), key=lambda row: (-row[0], row[1]))
    return pd.DataFrame(rows, columns=["lines", "reason"])


def coverage_rows(products: pa.Table) -> pd.DataFrame:
    """How many products have each piece of metadata, of those that have any."""
    own = products.filter(products["has_metadata"])
    total = own.num_rows
    counts = {
        "title": pc.sum(pc.is_valid(own["title"])).as_py(),
        "brand": pc.sum(pc.is_valid(own["brand"])).as_py(),
        "price": pc.sum(pc.is_valid(own["price"])).as_py(),
        "category": pc.sum(pc.greater(pc.list_value_length(own["categories"]), 0)).as_py(),
        "sales rank": pc.sum(pc.is_valid(own["sales_rank"])).as_py(),
        "image": pc.sum(pc.is_valid(own["image_url"])).as_py(),
    }
    rows = [{"field": f, "products": c or 0, "share": (c or 0) / total if total else 0.0} for f, c in counts.items()]
    return pd.DataFrame(rows)
