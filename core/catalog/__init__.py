"""Reading product catalogues of every supported form into one products and one relationships table.

Belongs here: fetching files, formats, cleaning, quarantine. Does not belong here: what the relationships are worth
(``core.pairs``) and the synthetic catalogue (``core.sample``).
"""

from core.catalog.read import read_catalog
from core.catalog.source import Source, UnreachableError, fetch, state
from core.catalog.tables import KINDS, PRODUCTS, QUARANTINE, RELATIONSHIPS, Catalog

VERSION = "2"
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
