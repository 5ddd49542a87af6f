"""Delivery to a real PostgreSQL server: what readers see during it, after it, and after it was killed."""

import numpy as np
import psycopg
import pytest

from core.delivery import postgresql as module
from core.delivery.place import Shipment, deliver
from core.errors import InputError
from core.progress import silent
from tests.core.delivery import shop

pytestmark = pytest.mark.slow
SECRET = "Zq7SECRETx"
PUBLISH = {"postgresql": {"url_env": "TEST_POSTGRESQL"}}


@pytest.fixture
def url(postgresql_url, monkeypatch):
    """The URL of an empty database."""
    monkeypatch.setenv("TEST_POSTGRESQL", postgresql_url)
    return postgresql_url


@pytest.fixture
def reader(url):
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


READ = "SELECT product, slot, rank, neighbour, score, source FROM {} WHERE category = %s"


def rows(reader, category="shoes", view="recommendations"):
    """What the view holds; scores in the precision of the column."""
    return sorted(reader.execute(READ.format(view), (category,)).fetchall(), key=repr)


def sent(of):
    """The same of lists; PostgreSQL returns the shortest decimals that give the same float32."""
    return sorted(
        [(*row[:4], None if row[4] is None else float(str(np.float32(row[4]))), row[5]) for row in shop.rows(of)],
        key=repr,
    )


def tables(reader):
    return sorted(
        name
        for (name,) in reader.execute("SELECT relname FROM pg_class WHERE relname ~ '_lists_[0-9]+$' AND relkind = 'r'")
    )


def test_what_was_delivered_is_what_readers_see(url, reader):
    place, first, second = shop.place(**PUBLISH), shop.lists("a"), shop.lists("b", similar=False)
    assert place.current() is None and place.previous() is None
    receipt = shop.send(place, first)
    assert rows(reader) == sent(first) and receipt.rows == first.rows > 0 and receipt.compared > 5
    assert SECRET not in str(receipt) and receipt.info["where"].startswith("postgresql://127.0.0.1")
    shop.send(place, second)
    assert rows(reader) == sent(second)
    assert (place.current().digest, place.previous().digest) == ("b0", "a0")


def test_the_previous_version_is_put_back_and_forth(url, reader):
    place = shop.place(**PUBLISH)
    with pytest.raises(InputError, match="no previous version"):
        place.put_back()
    for marker in "abc":
        shop.send(place, shop.lists(marker))
    assert place.put_back().digest == "b0" and rows(reader) == sent(shop.lists("b"))
    assert place.put_back().digest == "c0" and rows(reader) == sent(shop.lists("c"))
    assert len(tables(reader)) == 2
    shop.send(place, shop.lists("c"))  # the same lists again: b0 is still the way back
    assert place.previous().digest == "b0" and len(tables(reader)) == 2
    assert reader.execute("SELECT digest, state FROM recommendations_deliveries ORDER BY id").fetchall() == [
        ("b0", "previous"), ("c0", "current"),
    ]  # fmt: skip


def test_a_reader_never_sees_nothing_or_a_part(url):
    place, query = shop.place(**PUBLISH), READ.format("recommendations")
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:

        def read():
            found = {}
            for product, slot, _, neighbour, _, _ in connection.execute(query, ("shoes",)).fetchall():
                found.setdefault((slot, product), []).append(neighbour)
            return found

        with shop.reading(read) as (expect, wait, start):
            for marker in "abcd":
                expect(marker, shop.lists(marker))
            shop.send(place, shop.lists("a"))
            start()
            for marker in "bcd":
                wait({"b": "a", "c": "b", "d": "c"}[marker])
                shop.send(place, shop.lists(marker))
                wait(marker)
            place.put_back()
            wait("c")


def test_a_transaction_that_began_earlier_finds_lists(url):
    """A snapshot from before a delivery does not see later rows; those of COPY FREEZE it does."""
    place = shop.place(**PUBLISH)
    shop.send(place, shop.lists("a"))
    with psycopg.connect(url) as early:
        early.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        early.execute("SELECT count(*) FROM pg_class")  # the snapshot is taken here
        shop.send(place, shop.lists("b"))
        assert early.execute("SELECT count(*) FROM recommendations").fetchone() == (shop.lists("b").rows,)


def test_a_reader_in_an_open_transaction_delays_the_switch_and_nobody_else(url, reader, monkeypatch):
    """The lock is tried again and again; between two tries other readers get through."""
    place = shop.place(**PUBLISH)
    shop.send(place, shop.lists("a"))
    seen = []
    with psycopg.connect(url) as slow:
        slow.execute("SELECT count(*) FROM recommendations")

        def between(seconds):
            seen.append(rows(reader))
            if len(seen) == 2:
                slow.rollback()

        monkeypatch.setattr(module, "_SWITCH_TRY", "50ms")
        monkeypatch.setattr(module.time, "sleep", between)
        shop.send(place, shop.lists("b"))
    assert seen == [sent(shop.lists("a"))] * 2 and rows(reader) == sent(shop.lists("b"))


def test_a_switch_that_is_never_possible_is_given_up(url, reader, monkeypatch):
    place = shop.place(**PUBLISH)
    shop.send(place, shop.lists("a"))
    with psycopg.connect(url) as slow:
        slow.execute("SELECT count(*) FROM recommendations")
        monkeypatch.setattr(module, "_SWITCH_TRY", "50ms")
        monkeypatch.setattr(module, "_SWITCH_SECONDS", 0.0)
        with pytest.raises(InputError, match="readers have kept transactions open"):
            shop.send(place, shop.lists("b"))
    assert rows(reader) == sent(shop.lists("a")) and len(tables(reader)) == 1


@pytest.mark.parametrize("stage", ["COPY", "switch", "current"])
def test_killed_in_the_middle(url, reader, stage):
    place = shop.place(**PUBLISH)
    for marker in "ab":
        shop.send(place, shop.lists(marker))
    shop.kill_at(stage, "c", PUBLISH, {"TEST_POSTGRESQL": url})
    current = "c" if stage == "current" else "b"
    assert rows(reader) == sent(shop.lists(current))
    shop.send(place, shop.lists("d"))  # waits until the server has noticed that the other one is gone
    assert rows(reader) == sent(shop.lists("d")) and len(tables(reader)) == 2
    assert place.previous().digest == f"{current}0"


def test_categories_share_a_view_and_nothing_else(url, reader):
    shoes, hats = shop.place("shoes", **PUBLISH), shop.place("hats", **PUBLISH)
    shop.send(shoes, shop.lists("a"), "shoes")
    shop.send(hats, shop.lists("h"), "hats")
    shop.send(hats, shop.lists("i"), "hats")
    hats.put_back()
    assert rows(reader, "shoes") == sent(shop.lists("a")) and rows(reader, "hats") == sent(shop.lists("h"))
    assert shoes.previous() is None


def test_strange_ids_and_names(url, reader):
    reader.execute('CREATE SCHEMA "sh""op"')
    publish = {"postgresql": {"url_env": "TEST_POSTGRESQL", "table": 'sh"op.r%s; DROP'}}
    place, of = shop.place(**publish), shop.lists("", ids=shop.STRANGE)
    shop.send(place, of)
    view = '"sh""op"."r%%s; DROP"'
    assert rows(reader, view=view) == sent(of)
    for product in shop.STRANGE:
        found = reader.execute(
            f"SELECT neighbour FROM {view} WHERE product = %s AND slot = 'similar' ORDER BY rank", (product,)
        ).fetchall()
        assert [neighbour for (neighbour,) in found] == shop.by_list(of).get(("similar", product), [])
    shop.send(place, shop.lists("b"))
    assert place.put_back() and rows(reader, view=view) == sent(of)


def test_nul_is_refused_before_anything_is_sent(url, reader):
    place = shop.place(**PUBLISH)
    with pytest.raises(InputError, match=r"'a\\x00b' holds the character NUL"):
        shop.send(place, shop.lists("", ids=["a\0b", "c", "d", "e"]))
    assert place.current() is None


def test_what_is_read_back_wrong_is_not_published(url, reader, monkeypatch):
    place = shop.place(**PUBLISH)
    shop.send(place, shop.lists("a"))
    plain = module.copy_lines
    monkeypatch.setattr(
        module, "copy_lines", lambda of: [(bytes(data).replace(b"b0", b"b1"), n) for data, n in plain(of)]
    )
    receipt = delivered(place, shop.lists("b"))
    assert "is not the one sent" in receipt.problem and rows(reader) == sent(shop.lists("a"))
    monkeypatch.setattr(module, "copy_lines", lambda of: list(plain(of))[:1])
    receipt = delivered(place, shop.lists("b"))
    assert "instead of" in receipt.problem and rows(reader) == sent(shop.lists("a"))
    assert len(tables(reader)) == 1


def delivered(place, of):
    return deliver(place, Shipment("shoes", of, "other"), silent)


def test_somebody_elses_table_is_left_alone(url, reader):
    reader.execute("CREATE TABLE recommendations (mine int)")
    with pytest.raises(InputError, match="there is a relation named 'recommendations' already"):
        shop.send(shop.place(**PUBLISH), shop.lists("a"))
    assert reader.execute("SELECT mine FROM recommendations").fetchall() == []


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "variable TEST_POSTGRESQL is not set"),
        (f"mysql://u:{SECRET}@h/x", "does not hold a URL that starts with postgresql://"),
        (f"host=h password={SECRET}", "does not hold a URL"),
        (f"postgresql://u:a/{SECRET}@h/x", "percent-encoded"),
        (f"postgresql://u:{SECRET}@127.0.0.1:1/x", "cannot be used"),
        (f"postgresql://u:{SECRET}@127.0.0.1:{SECRET}/x", "percent-encoded"),
        (f"postgresql://u:{SECRET}@127.0.0.1:99999/x?{SECRET}=1", "cannot be used"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_sentence_without_secrets(monkeypatch, value, sentence):
    monkeypatch.delenv("TEST_POSTGRESQL", raising=False)
    if value is not None:
        monkeypatch.setenv("TEST_POSTGRESQL", value)
    with pytest.raises(InputError, match=sentence) as caught:
        shop.send(shop.place(**PUBLISH), shop.lists("a"))
    assert SECRET not in str(caught.value) and caught.value.__cause__ is None
    assert str(caught.value).startswith("postgresql of shoes: ")
