"""A view in a PostgreSQL database, which a shop joins with its own tables.

Three relations are made, here for ``table: recommendations``:

- the view ``recommendations`` (category, product, slot, rank, neighbour, score, source), which readers use;
- ``recommendations_lists`` (category, slot, product, neighbours, scores, sources), with one row per product and slot,
  partitioned by category; the partition of each version is a table of its own, ``recommendations_lists_<number>``;
- ``recommendations_deliveries``, which says which version is current and which is the previous one.

A delivery is one transaction: the new table is made, filled by COPY, indexed and compared, and at last the partitions
are exchanged. If it is killed, the server removes what it made. ``COPY … FREEZE`` makes the rows visible to
transactions that began earlier too, so that no reader, whatever its isolation, finds the new table empty.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from core.delivery.config import PostgresqlConfig
from core.delivery.lists import (
    SampledList,
    as_float32,
    chunks,
    concatenated,
    in_one,
    joined,
    list_counts,
    product_ids,
    sample,
    score_texts,
)
from core.delivery.place import ReadBackError, Receipt, Shipment, Version, nothing_to_put_back
from core.delivery.servers import Address
from core.errors import InputError
from core.progress import Progress
from core.recommendations.form import SOURCES, Recommendations

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

_LOCK_SECONDS = 60
"""How long a delivery waits for another one of the same category."""
_SWITCH_SECONDS = 300.0
"""How long a delivery tries to exchange the tables while readers keep transactions open."""
_SWITCH_TRY = "1s"
"""How long one such try may keep new readers waiting."""
_BETWEEN_TRIES = 1.0
_COLUMNS = ["category", "slot", "product", "neighbours", "scores", "sources"]


class Postgresql:
    """See :class:`core.delivery.place.Place`."""

    name = "postgresql"

    def __init__(self, category: str, config: PostgresqlConfig) -> None:
        self._category = category
        self._address = Address(self.name, category, config.url_env, ("postgresql", "postgres"))
        *schema, self._table = config.table.split(".")
        self._schema = schema[0] if schema else None

    def deliver(self, shipment: Shipment, progress: Progress) -> Receipt:
        """See :class:`core.delivery.place.Place`."""
        lists = shipment.lists
        _refuse_nul(self._category, lists)
        with self._connected() as connection:
            self._set_up(connection)
            with connection.transaction():
                self._lock(connection)
                number = connection.execute(
                    self._sql(
                        "INSERT INTO {deliveries} (category, version, digest, lists, rows, state) "
                        "VALUES ({category}, {version}, {digest}, {count}, {rows}, 'new') RETURNING id",
                        version=shipment.version,
                        digest=shipment.digest,
                        count=sum(list_counts(lists).values()),
                        rows=lists.rows,
                    )
                ).fetchone()[0]  # type: ignore[index]  # RETURNING gives a row
                self._fill(connection, number, lists, progress)
                compared = self._compare(connection, number, lists)
                self._switch(connection, number, shipment.digest, progress)
            progress("current", 1, 1, "version")
            self._drop_old(connection)
        return Receipt(
            self.name, shipment.version, shipment.digest, lists.rows, compared, info={"where": self._address.shown}
        )

    def current(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        return self._in_state("current")

    def previous(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        return self._in_state("previous")

    def put_back(self) -> Version:
        """See :class:`core.delivery.place.Place`."""
        with self._connected() as connection:
            if not self._exists(connection, "_deliveries"):
                raise nothing_to_put_back(self.name, self._category)
            with connection.transaction():
                self._lock(connection)
                back = self._delivery(connection, "previous")
                if back is None:
                    raise nothing_to_put_back(self.name, self._category)
                self._exchange(connection, back[0])
                connection.execute(
                    self._sql(
                        "UPDATE {deliveries} SET state = CASE state WHEN 'current' THEN 'previous' ELSE 'current' END "
                        "WHERE category = {category} AND state IN ('current', 'previous')"
                    )
                )
        return Version(*back[1:])

    def _in_state(self, state: str) -> Version | None:
        with self._connected() as connection:
            if not self._exists(connection, "_deliveries"):
                return None
            delivery = self._delivery(connection, state)
            return Version(*delivery[1:]) if delivery else None

    def _delivery(self, connection: "psycopg.Connection[Any]", state: str) -> Any:
        """Number, version, digest and rows of the delivery in a state; None if there is none."""
        return connection.execute(
            self._sql(
                "SELECT id, version, digest, rows FROM {deliveries} WHERE category = {category} AND state = {state}",
                state=state,
            )
        ).fetchone()

    @contextlib.contextmanager
    def _connected(self) -> Iterator["psycopg.Connection[Any]"]:
        """A connection; what goes wrong in it becomes an InputError without secrets."""
        try:
            import psycopg
        except ImportError:
            raise InputError(
                f"postgresql of {self._category}: psycopg is not installed; run `pip install 'alsobought[delivery]'`"
            ) from None
        try:
            with psycopg.connect(
                self._address.url,
                autocommit=True,
                connect_timeout=10,
                application_name="alsobought",
                client_encoding="utf8",
                keepalives_idle=30,
            ) as connection:
                # A machine that disappears leaves its transaction, and its lock, until the server notices.
                connection.execute(
                    "SELECT set_config('tcp_keepalives_idle', '30', false), "
                    "set_config('statement_timeout', '0', false), "
                    "set_config('idle_in_transaction_session_timeout', '0', false)"
                )
                yield connection
        except psycopg.Error as error:
            raise self._address.error(error) from None

    def _name(self, suffix: str = "") -> "sql.Identifier":
        from psycopg import sql

        name = self._table + suffix
        return sql.Identifier(self._schema, name) if self._schema else sql.Identifier(name)

    def _sql(self, text: str, **more: Any) -> "sql.Composed":
        """A statement with names and values in their places; without parameters, because names may hold a '%'."""
        from psycopg import sql

        values = {name: v if isinstance(v, sql.Composable) else sql.Literal(v) for name, v in more.items()}
        return sql.SQL(text).format(
            view=self._name(), lists=self._name("_lists"), deliveries=self._name("_deliveries"),
            category=sql.Literal(self._category), **values,
        )  # fmt: skip

    def _set_up(self, connection: "psycopg.Connection[Any]") -> None:
        """Make the view and the tables that all versions share, if they do not exist."""

        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (self._lock_name("set up"),))
            if self._exists(connection):
                self._check_ours(connection)
                return
            connection.execute(
                self._sql(
                    "CREATE TABLE {lists} (category text NOT NULL, slot text NOT NULL, product text NOT NULL, "
                    "neighbours text[] NOT NULL, scores real[] NOT NULL, sources smallint[] NOT NULL) "
                    "PARTITION BY LIST (category)"
                )
            )
            connection.execute(
                self._sql(
                    "CREATE TABLE {deliveries} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
                    "category text NOT NULL, version text NOT NULL, digest text NOT NULL, lists bigint NOT NULL, "
                    "rows bigint NOT NULL, state text NOT NULL, delivered timestamptz NOT NULL DEFAULT now())"
                )
            )
            connection.execute(
                self._sql(
                    "CREATE VIEW {view} AS SELECT l.category, l.product, l.slot, e.rank::smallint AS rank, "
                    "e.neighbour, e.score, (({names})::text[])[e.source + 1] AS source "
                    "FROM {lists} l CROSS JOIN LATERAL unnest(l.neighbours, l.scores, l.sources) "
                    "WITH ORDINALITY AS e(neighbour, score, source, rank)",
                    names=list(SOURCES),
                )
            )

    def _exists(self, connection: "psycopg.Connection[Any]", suffix: str = "") -> bool:
        name = self._name(suffix).as_string(connection)
        return bool(connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()[0])  # type: ignore[index]

    def _check_ours(self, connection: "psycopg.Connection[Any]") -> None:
        """Refuse to touch somebody else's table of the same name."""
        kinds = connection.execute(
            "SELECT c.relkind::text, t.relkind::text, "
            "(SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute "
            "WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped), to_regclass(%s) IS NOT NULL "
            "FROM pg_class c LEFT JOIN pg_class t ON t.oid = to_regclass(%s) WHERE c.oid = to_regclass(%s)",
            tuple(self._name(suffix).as_string(connection) for suffix in ("_deliveries", "_lists", "")),
        ).fetchone()
        if kinds != ("v", "p", _COLUMNS, True):
            raise InputError(
                f"postgresql of {self._category}: there is a relation named {self._table!r} already that this program "
                "did not make; choose another name for `table` in categories.yaml"
            )

    def _lock_name(self, what: str) -> str:
        return f"alsobought {self._schema or ''} {self._table} {what}"

    def _lock(self, connection: "psycopg.Connection[Any]") -> None:
        """Keep out other deliveries of the category until the transaction ends."""
        from psycopg import errors

        connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{_LOCK_SECONDS}s",))
        try:
            connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (self._lock_name(self._category),)
            )
        except errors.LockNotAvailable:
            raise InputError(
                f"postgresql of {self._category}: another delivery has been in progress for more than {_LOCK_SECONDS} "
                "s; try again once it has finished"
            ) from None
        connection.execute("SELECT set_config('lock_timeout', '0', true)")

    def _fill(
        self, connection: "psycopg.Connection[Any]", number: int, lists: Recommendations, progress: Progress
    ) -> None:
        """Make the table of a version, with its rows, its index and the constraint that saves a scan at the switch."""
        new = self._name(f"_lists_{number}")
        connection.execute(self._sql("CREATE TABLE {new} (LIKE {lists}, CHECK (category = {category}))", new=new))
        connection.execute(self._sql("ALTER TABLE {new} ALTER COLUMN category SET DEFAULT {category}", new=new))
        statement = self._sql(
            "COPY {new} (slot, product, neighbours, scores, sources) FROM STDIN (FORMAT text, ENCODING 'UTF8', FREEZE)",
            new=new,
        )
        total, done = lists.rows, 0
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for lines, rows in copy_lines(lists):
                copy.write(lines)
                done += rows
                progress("COPY", done, total, "rows")
        # A hash index takes ids of any length and compares no collations. A product has a row for each slot.
        connection.execute(self._sql("CREATE INDEX ON {new} USING hash (product)", new=new))
        connection.execute(self._sql("ANALYZE {new}", new=new))
        progress("index", 1, 1, "index")

    def _compare(self, connection: "psycopg.Connection[Any]", number: int, lists: Recommendations) -> int:
        """Compare the numbers of lists and rows and some lists; return how many. Raises ReadBackError."""
        new = self._name(f"_lists_{number}")
        counts = connection.execute(
            self._sql("SELECT count(*), coalesce(sum(cardinality(neighbours)), 0) FROM {new}", new=new)
        ).fetchone()
        expected = (sum(list_counts(lists).values()), lists.rows)
        if counts is None or tuple(map(int, counts)) != expected:
            raise ReadBackError(
                f"postgresql of {self._category}: the new table has {counts} lists and rows instead of {expected}"
            )
        sampled = sample(lists)
        rows = connection.execute(
            self._sql(
                "SELECT category, slot, product, neighbours, scores, sources FROM {new} "
                "WHERE product = ANY ({products}::text[])",
                new=new,
                products=[one.product for one in sampled],
            )
        ).fetchall()
        found = {
            (slot, product): (category, neighbours, as_float32(scores), sources)
            for category, slot, product, neighbours, scores, sources in rows
        }
        for one in sampled:
            if found.get((one.slot, one.product)) != (self._category, one.neighbours, *_numbers(one)):
                raise ReadBackError(
                    f"postgresql of {self._category}: the list {one.slot} of {one.product!r} is not the one sent"
                )
        return len(sampled)

    def _switch(self, connection: "psycopg.Connection[Any]", number: int, digest: str, progress: Progress) -> None:
        """Make a version current."""
        progress("switch", 0, 1, "version")
        current = self._delivery(connection, "current")
        self._exchange(connection, number)
        becomes = "old" if current and current[2] == digest else "previous"
        if current and becomes == "previous":
            self._set_state(connection, "previous", "old")
        self._set_state(connection, "current", becomes)
        self._set_state(connection, "new", "current")

    def _set_state(self, connection: "psycopg.Connection[Any]", before: str, after: str) -> None:
        connection.execute(
            self._sql(
                "UPDATE {deliveries} SET state = {after} WHERE category = {category} AND state = {before}",
                after=after,
                before=before,
            )
        )

    def _exchange(self, connection: "psycopg.Connection[Any]", number: int) -> None:
        """Exchange the category's partition for the table of another delivery.

        The lock on the partitioned table waits for readers whose transactions are open and keeps new ones waiting, so
        it is tried for a moment only, again and again.
        """
        from psycopg import errors

        current = self._delivery(connection, "current")
        deadline = time.monotonic() + _SWITCH_SECONDS
        while True:
            try:
                with connection.transaction():
                    connection.execute("SELECT set_config('lock_timeout', %s, true)", (_SWITCH_TRY,))
                    connection.execute(self._sql("LOCK TABLE ONLY {lists} IN ACCESS EXCLUSIVE MODE"))
                    if current is not None:
                        old = self._name(f"_lists_{current[0]}")
                        connection.execute(self._sql("ALTER TABLE {lists} DETACH PARTITION {old}", old=old))
                    new = self._name(f"_lists_{number}")
                    connection.execute(
                        self._sql("ALTER TABLE {lists} ATTACH PARTITION {new} FOR VALUES IN ({category})", new=new)
                    )
                return
            except errors.LockNotAvailable:
                if time.monotonic() > deadline:
                    raise InputError(
                        f"postgresql of {self._category}: readers have kept transactions open on {self._table} for "
                        f"{_SWITCH_SECONDS:.0f} s, so the new lists could not replace the old ones; end those "
                        "transactions (see pg_stat_activity) and publish again"
                    ) from None
                time.sleep(_BETWEEN_TRIES)

    def _drop_old(self, connection: "psycopg.Connection[Any]") -> None:
        """Drop the tables of versions that are neither current nor the previous one; those in use stay for later."""
        from psycopg import errors

        old = connection.execute(
            self._sql("SELECT id FROM {deliveries} WHERE category = {category} AND state = 'old'")
        ).fetchall()
        for (number,) in old:
            with contextlib.suppress(errors.LockNotAvailable), connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (_SWITCH_TRY,))
                table = self._name(f"_lists_{number}")
                connection.execute(self._sql("DROP TABLE IF EXISTS {table}", table=table))
                connection.execute(
                    self._sql("DELETE FROM {deliveries} WHERE id = {number} AND state = 'old'", number=number)
                )


def _refuse_nul(category: str, lists: Recommendations) -> None:
    ids = product_ids(lists)
    with_nul = ids.filter(pc.match_substring(ids, "\0"))
    if len(with_nul):
        raise InputError(
            f"postgresql of {category}: the product id {with_nul[0].as_py()[:100]!r} holds the character NUL, which "
            "PostgreSQL cannot store; remove it from the source"
        )


def _numbers(one: SampledList) -> tuple[list[float | None], list[int]]:
    return one.scores, [SOURCES.index(source) for source in one.sources]


def copy_lines(lists: Recommendations) -> Iterator[tuple[memoryview, int]]:
    """The rows of the table in the text format of COPY, and the number of entries in them."""
    plain = _escaped(product_ids(lists))
    quoted = _escaped(_quoted(product_ids(lists)))
    sources = pa.array([str(place) for place in range(len(SOURCES))], pa.large_string())
    for chunk in chunks(lists):
        lines = concatenated(
            f"{chunk.slot}\t", plain.take(pa.array(chunk.products)), "\t{",
            joined(chunk.offsets, quoted.take(pa.array(chunk.neighbours))), "}\t{",
            joined(chunk.offsets, score_texts(chunk.scores, "NULL")), "}\t{",
            joined(chunk.offsets, sources.take(pa.array(chunk.sources))), "}\n",
        )  # fmt: skip
        yield in_one(lines), len(chunk.neighbours)


def _quoted(ids: pa.LargeStringArray) -> pa.LargeStringArray:
    """Ids as elements of an array literal."""
    for sign in ("\\", '"'):
        ids = pc.replace_substring(ids, sign, f"\\{sign}")
    return concatenated('"', ids, '"')


def _escaped(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Texts as fields of COPY's text format."""
    for sign, code in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        texts = pc.replace_substring(texts, sign, code)
    return texts
