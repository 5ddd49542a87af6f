"""Tables of the page Graph and data."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def reason_rows(quarantine: pa.Table) -> pd.DataFrame:
    """Number of lines left out for each reason, most frequent first; columns lines and reason."""
    counts = pc.value_counts(quarantine["reason"].combine_chunks()).to_pylist()
    rows = sorted(((c["counts"], str(c["values"])) for c in counts), key=lambda row: (-row[0], row[1]))
    return pd.DataFrame(rows, columns=["lines", "reason"])


def coverage_rows(products: pa.Table) -> pd.DataFrame:
    """How many of the products with metadata have each field; columns field, products and share."""
    described = products.filter(products["has_metadata"])
    total = described.num_rows
    counts = {
        "title": pc.sum(pc.is_valid(described["title"])).as_py(),
        "brand": pc.sum(pc.is_valid(described["brand"])).as_py(),
        "price": pc.sum(pc.is_valid(described["price"])).as_py(),
        "category": pc.sum(pc.greater(pc.list_value_length(described["categories"]), 0)).as_py(),
        "sales rank": pc.sum(pc.is_valid(described["sales_rank"])).as_py(),
        "image": pc.sum(pc.is_valid(described["image_url"])).as_py(),
    }
    rows = [
        {"field": field, "products": count or 0, "share": (count or 0) / total if total else 0.0}
        for field, count in counts.items()
    ]
    return pd.DataFrame(rows)
