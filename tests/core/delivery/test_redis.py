"""Delivery to a real Redis server: what readers see during it, after it, and after it was killed."""

import itertools
import json

import orjson
import pytest
import redis

from core.delivery import redis as module
from core.delivery.lists import chunks
from core.delivery.place import Shipment, deliver
from core.errors import InputError
from core.process_identity import this_process
from core.progress import silent
from tests.core.delivery import shop

PUBLISH = {"redis": {"url_env": "TEST_REDIS"}}
SECRET = "Zq7SECRETx"
_DATABASES = itertools.count(1)


@pytest.fixture
def url(redis_url, monkeypatch):
    """The URL of an empty database."""
    own = redis_url.removesuffix("/0") + f"/{next(_DATABASES) % 16}"
    with redis.Redis.from_url(own) as client:
        client.flushdb()
    monkeypatch.setenv("TEST_REDIS", own)
    return own


@pytest.fixture
def client(url):
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client


def seen(client, category="shoes", slots=("goes_with", "similar")):
    """All lists of the current version, by the two commands of a reader; a list of a version that is gone is None."""
    number = client.get(f"alsobought:{{{category}}}:current")
    return {
        (slot, product): json.loads(value)
        for slot in slots
        for product, value in client.hgetall(f"alsobought:{{{category}}}:{number}:{slot}").items()
    }


def versions(client):
    return sorted({key.split(":")[2] for key in client.keys("*:goes_with")})


def test_what_was_delivered_is_what_readers_see(client):
    place, first, second = shop.place(**PUBLISH), shop.lists("a"), shop.lists("b", similar=False)
    assert place.current() is None and place.previous() is None
    receipt = shop.send(place, first)
    assert seen(client) == shop.by_list(first) and receipt.rows == first.rows > 0 and receipt.compared > 5
    shop.send(place, second)
    assert seen(client) == shop.by_list(second)
    assert (place.current().digest, place.previous().digest) == ("b0", "a0")
    assert client.get("alsobought:{shoes}:lock") is None


def test_the_script_reads_in_one_command(client):
    place, of = shop.place(**PUBLISH), shop.lists("", ids=shop.STRANGE)
    pointer = "alsobought:{shoes}:current"
    assert client.eval(module.READ, 1, pointer, "goes_with", "a") is None
    shop.send(place, of)
    script = client.script_load(module.READ)
    for slot, product in itertools.product(("goes_with", "similar"), shop.STRANGE):
        found = client.evalsha(script, 1, pointer, slot, product)
        assert (orjson.loads(found) if found else None) == shop.by_list(of).get((slot, product))
    assert client.evalsha(script, 1, pointer, "goes_with", "nobody") is None


def test_the_previous_version_is_put_back_and_forth(client):
    place = shop.place(**PUBLISH)
    with pytest.raises(InputError, match="no previous version"):
        place.put_back()
    for marker in "abc":
        shop.send(place, shop.lists(marker))
    assert versions(client) == ["2", "3"]
    assert place.put_back().digest == "b0" and seen(client) == shop.by_list(shop.lists("b"))
    assert place.put_back().digest == "c0" and seen(client) == shop.by_list(shop.lists("c"))
    shop.send(place, shop.lists("c"))  # the same lists again: b0 is still the way back
    assert place.previous().digest == "b0"
    shop.send(place, shop.lists("d"))
    assert (place.current().digest, place.previous().digest) == ("d0", "c0") and versions(client) == ["4", "5"]


def test_only_what_is_not_current_expires(client):
    publish = {"redis": {"url_env": "TEST_REDIS", "keep_hours": 2}}
    place = shop.place(**publish)
    for marker in "ab":
        shop.send(place, shop.lists(marker))

    def expiries(number):
        return [client.ttl(f"alsobought:{{shoes}}:{number}:{slot}") for slot in ("goes_with", "similar")]

    assert expiries(2) == [-1, -1] and all(7000 < left <= 7200 for left in expiries(1))
    place.put_back()
    assert expiries(1) == [-1, -1] and all(7000 < left <= 7200 for left in expiries(2))
    client.delete("alsobought:{shoes}:2:goes_with")  # as if its time were over
    assert place.previous() is None
    with pytest.raises(InputError, match=r"the previous version has expired; raise `keep_hours`"):
        place.put_back()
    assert seen(client) == shop.by_list(shop.lists("a"))


def test_a_reader_never_sees_nothing_or_a_part(url):
    place = shop.place(**PUBLISH)
    client = redis.Redis.from_url(url, decode_responses=True)
    with client, shop.reading(lambda: seen(client)) as (expect, wait, start):
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


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["HSET", "switch", "current"])
def test_killed_in_the_middle(client, url, stage):
    place = shop.place(**PUBLISH)
    for marker in "ab":
        shop.send(place, shop.lists(marker))
    shop.kill_at(stage, "c", PUBLISH, {"TEST_REDIS": url})
    current = "c" if stage == "current" else "b"
    assert seen(client) == shop.by_list(shop.lists(current)) and "3" in versions(client)
    assert client.exists("alsobought:{shoes}:lock")
    shop.send(place, shop.lists("d"))  # at once: the lock names a process that is gone
    assert seen(client) == shop.by_list(shop.lists("d"))
    assert versions(client) == ["3" if stage == "current" else "2", "4"]
    assert place.previous().digest == f"{current}0"


def test_two_at_once_are_refused_but_not_for_ever(client):
    place = shop.place(**PUBLISH)
    client.set("alsobought:{shoes}:lock", json.dumps({"id": "x", "process": this_process()}))
    with pytest.raises(InputError, match="another delivery is in progress"):
        shop.send(place, shop.lists("a"))
    client.set("alsobought:{shoes}:lock", "what another machine wrote")
    with pytest.raises(InputError, match="another delivery is in progress"):
        shop.send(place, shop.lists("a"))
    client.delete("alsobought:{shoes}:lock")
    shop.send(place, shop.lists("a"))


def test_a_delivery_that_lost_its_lock_changes_nothing(client):
    place = shop.place(**PUBLISH)
    shop.send(place, shop.lists("a"))

    def lose(stage, done, total, unit):
        if stage == "switch":
            client.set("alsobought:{shoes}:lock", "somebody else")

    with pytest.raises(InputError, match="its lock ended"):
        shop.send(place, shop.lists("b"), progress=lose)
    assert seen(client) == shop.by_list(shop.lists("a")) and versions(client) == ["1"]
    assert client.get("alsobought:{shoes}:lock") == "somebody else"


def test_categories_and_prefixes_do_not_meet(client):
    shoes, hats = shop.place("shoes", **PUBLISH), shop.place("hats", **PUBLISH)
    other = shop.place("shoes", redis={"url_env": "TEST_REDIS", "prefix": "other:shop"})
    shop.send(shoes, shop.lists("a"), "shoes")
    shop.send(hats, shop.lists("h"), "hats")
    shop.send(hats, shop.lists("i"), "hats")
    shop.send(other, shop.lists("o"), "shoes")
    hats.put_back()
    assert seen(client) == shop.by_list(shop.lists("a")) and seen(client, "hats") == shop.by_list(shop.lists("h"))
    assert client.get("other:shop:{shoes}:current") == "1" and shoes.previous() is None


def test_nul_is_an_id_like_any_other(client):
    of = shop.lists("", ids=["a\0b", "\0", "d", "e"])
    shop.send(shop.place(**PUBLISH), of)
    assert seen(client) == shop.by_list(of)


def test_a_server_without_memory_keeps_the_old_lists(client):
    place = shop.place(**PUBLISH)
    shop.send(place, shop.lists("a"))
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(InputError, match=r"cannot be used .*maxmemory"):
            shop.send(place, shop.lists("b"))
    finally:
        client.config_set("maxmemory", 0)
    assert seen(client) == shop.by_list(shop.lists("a"))
    shop.send(place, shop.lists("b"))
    assert seen(client) == shop.by_list(shop.lists("b"))


def test_what_is_read_back_wrong_is_not_published(client, monkeypatch):
    place = shop.place(**PUBLISH)
    shop.send(place, shop.lists("a"))
    plain = module.as_json
    monkeypatch.setattr(module, "as_json", lambda text: plain(text.replace("b0", "b1")))
    receipt = deliver(place, Shipment("shoes", shop.lists("b"), "other"), silent)
    assert "is not the one sent" in receipt.problem
    monkeypatch.setattr(module, "as_json", plain)
    monkeypatch.setattr(module, "chunks", lambda of: itertools.islice(chunks(of), 1))
    receipt = deliver(place, Shipment("shoes", shop.lists("b"), "other"), silent)
    assert "instead of" in receipt.problem
    assert seen(client) == shop.by_list(shop.lists("a")) and versions(client) == ["1"]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "variable TEST_REDIS is not set"),
        (f"http://u:{SECRET}@h/x", "does not hold a URL that starts with redis://"),
        (f"redis://u:a/{SECRET}@h/0", "percent-encoded"),
        (f"redis://:{SECRET}@127.0.0.1:1/0", "cannot be used"),
        (f"redis://:{SECRET}@127.0.0.1:99999/0", "cannot be used"),
        (f"redis://:{SECRET}@127.0.0.1:1/0?{SECRET}=1", "cannot be used"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_sentence_without_secrets(monkeypatch, value, sentence):
    monkeypatch.delenv("TEST_REDIS", raising=False)
    if value is not None:
        monkeypatch.setenv("TEST_REDIS", value)
    with pytest.raises(InputError, match=sentence) as caught:
        shop.send(shop.place(**PUBLISH), shop.lists("a"))
    assert SECRET not in str(caught.value) and caught.value.__cause__ is None
    assert str(caught.value).startswith("redis of shoes: ")
