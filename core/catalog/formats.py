"""The forms of source that can be read: one table, from which ``format:`` in categories.yaml follows.

Readers are named as text, so that the list of categories, which everything imports, imports none of them.
"""

import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from core.catalog.containers import UnreadableError
from core.orders.form import OrdersForm

if TYPE_CHECKING:
    import pyarrow as pa

    from core.catalog.file_kind import SourceFile
    from core.catalog.quarantine import FileReport
    from core.progress import Progress

AUTO = "auto"
"""The value of ``format:`` that leaves it to the file's content."""


@dataclass(frozen=True)
class SourceOptions:
    """What a category says about how its source is to be read.

    Attributes:
        columns: documented name of a column → its name in the source, several names for a title or categories, or None
            where there is no such column.
        orders: how order lines are to be read.
    """

    columns: Mapping[str, str | Sequence[str] | None] = field(default_factory=dict)
    orders: OrdersForm = field(default_factory=OrdersForm)


@dataclass(frozen=True)
class Contents:
    """What a reader has made of a file; what the file does not hold is left out.

    Attributes:
        products: table of schema ``PRODUCTS``, one row per product, or None.
        relationships: table of schema ``RELATIONSHIPS``, or None.
        orders: table of schema ``ORDERS``, or None.
        fields: what was wrong with single values, as ``core.catalog.field_notes`` counts it.
        ignored_lists: name of a kind of list that is not used → lines that have one.
        facts: more for the catalogue's ``info``; JSON-able.
    """

    products: "pa.Table | None" = None
    relationships: "pa.Table | None" = None
    orders: "pa.Table | None" = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    ignored_lists: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class Reader(Protocol):
    """Reads one file, and is used once. It is made without arguments, or with the options if its format takes them.

    A bad line is reported and never raised, and nothing that stands in a file is evaluated.
    """

    def read(self, file: "SourceFile", report: "FileReport", progress: "Progress") -> str:
        """Read all of a file.

        Args:
            file: the file, and what is known of it already.
            report: counts the lines, and takes those that cannot be used.
            progress: told of the reading.

        Returns:
            The fingerprint: SHA-256 of the file's bytes.

        Raises:
            UnreadableError: the file as a whole cannot be read; the message is a sentence without the file's name.
            InputError: most of the file is useless.
        """
        ...

    def contents(self) -> Contents:
        """What was read. Raises UnreadableError if it cannot be used as a whole."""
        ...


@dataclass(frozen=True)
class Format:
    """A form of source.

    Attributes:
        name: what categories.yaml calls it.
        title: what people call what is in such a file.
        form: what such a file looks like, with its article.
        recognise: "module:function", given a ``SourceFile``: whether the file is of this format. It may raise
            UnreadableError for a file that is certainly of no format.
        reader: "module:class", a :class:`Reader`.
        takes_products: whether a table of products may be given beside it.
        takes_options: whether the reader is made with :class:`SourceOptions`.
        takes_folders: whether a source may be several files: a folder or a pattern.
        has_products: whether it describes products, so that they can stand beside pairs or order lines.
    """

    name: str
    title: str
    form: str
    recognise: str
    reader: str
    takes_products: bool = False
    takes_options: bool = False
    takes_folders: bool = False
    has_products: bool = False

    def recognises(self, file: "SourceFile") -> bool:
        """Whether a file is of this format."""
        return bool(pkgutil.resolve_name(self.recognise)(file))

    def new_reader(self, options: SourceOptions | None = None) -> Reader:
        """A reader for one file."""
        made_with = (options or SourceOptions(),) if self.takes_options else ()
        reader: Reader = pkgutil.resolve_name(self.reader)(*made_with)
        return reader

    def refusal(self, what: str) -> UnreadableError:
        """Why a file, which is ``what``, cannot be read in this format."""
        return UnreadableError(
            f"this is {what}, and `format: {self.name}` means {self.title}: {self.form}; remove the format from "
            "categories.yaml"
        )


_ENTRIES = (
    Format(
        name="mcauley",
        title="Amazon metadata",
        form="JSON or Python literals, one object a line",
        recognise="core.catalog.mcauley:recognise",
        reader="core.catalog.mcauley:McAuleyReader",
        has_products=True,
    ),
    Format(
        name="pairs",
        title="pairs of products",
        form="a table (CSV, Parquet or Feather) with two columns of product ids",
        recognise="core.catalog.pairs_table:recognise",
        reader="core.catalog.pairs_table:PairsReader",
        takes_products=True,
    ),
    Format(
        name="orders",
        title="order lines",
        form="a table (CSV, Parquet or Feather) with a product and an order, session or customer a row",
        recognise="core.catalog.orders_table:recognise",
        reader="core.catalog.orders_table:OrdersReader",
        takes_products=True,
        takes_options=True,
        takes_folders=True,
    ),
)
FORMATS = {entry.name: entry for entry in _ENTRIES}
"""All formats by name. For ``auto`` they are asked in this order, so a narrow format stands before a wide one."""


def format_names() -> tuple[str, ...]:
    """What ``format:`` in categories.yaml may be."""
    return (AUTO, *FORMATS)


def choose(file: "SourceFile", wanted: str) -> Format:
    """The format in which a file is to be read.

    A file that no format recognises is left to the reader of the wanted one to refuse, and by default to that of
    pairs, which says what columns a table needs.

    Args:
        file: what is known of the file.
        wanted: one of :func:`format_names`.

    Raises:
        UnreadableError: the file is of another format than the wanted one.
    """
    named = FORMATS.get(wanted)
    if named is not None and (file.is_blank or named.recognises(file)):
        return named
    recognised = next((entry for entry in FORMATS.values() if entry.recognises(file)), None)
    if named is not None and recognised is not None:
        raise named.refusal(recognised.form)
    return named or recognised or FORMATS["pairs"]
