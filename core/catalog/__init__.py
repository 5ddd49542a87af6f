"""Reading product catalogues of every supported form into one products and one relationships table."""

from core.catalog.read import read_catalog
from core.catalog.sources.source import Source, UnreachableError, fetch, state
from core.catalog.tables import PRODUCTS, QUARANTINE, RELATIONSHIPS, Catalog
from core.relationships import KINDS

VERSION = "3"
"""Of what is made from a source: raised whenever the same source gives other tables."""

__all__ = [
    "KINDS",
    "PRODUCTS",
    "QUARANTINE",
    "RELATIONSHIPS",
    "VERSION",
    "Catalog",
    "Source",
    "UnreachableError",
    "fetch",
    "read_catalog",
    "state",
]
