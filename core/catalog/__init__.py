"""Reading product catalogues of every supported form into one products and one relationships table.

Belongs here: fetching files, formats, cleaning, quarantine. Does not belong here: what the relationships are worth
(``core.pairs``) and the synthetic catalogue (``core.sample``).
"""

from core.catalog.read import read_catalog
from core.catalog.source import Source, fetch
from core.catalog.tables import KINDS, PRODUCTS, QUARANTINE, RELATIONSHIPS, Catalog

__all__ = ["KINDS", "PRODUCTS", "QUARANTINE", "RELATIONSHIPS", "Catalog", "Source", "fetch", "read_catalog"]
