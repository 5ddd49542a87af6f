"""Hashes in a Redis server, one for each version and slot.

Keys, here with the prefix ``alsobought`` and the category ``shoes``; the braces keep them together in a cluster::

    alsobought:{shoes}:current             number of the current version
    alsobought:{shoes}:previous            number of the version before it
    alsobought:{shoes}:<number>:<slot>     hash: product → JSON array of the ids of its list, best first
    alsobought:{shoes}:deliveries          hash: number → JSON: version, digest, rows, slots and state
    alsobought:{shoes}:lock                whoever delivers at this moment
    alsobought:{shoes}:numbers             counter

A reader sends ``GET alsobought:{shoes}:current`` and then ``HGET alsobought:{shoes}:<number>:goes_with <product>``, or
the script ``READ`` once. A version that is replaced between the two is still there: it expires after ``keep_hours``,
and until then it can be put back.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import orjson

from core.delivery.config import RedisConfig
from core.delivery.lists import as_json, chunks, encoded, json_lists, list_counts, product_ids, sample
from core.delivery.place import ReadBackError, Receipt, Shipment, Version, nothing_to_put_back
from core.delivery.servers import Address
from core.errors import InputError
from core.process_identity import is_alive, this_process
from core.progress import Progress
from core.recommendations.form import SLOTS, Recommendations

READ = """local version = redis.call('GET', KEYS[1])
if not version then return false end
return redis.call('HGET', KEYS[1]:gsub('current$', version .. ':' .. ARGV[1]), ARGV[2])
"""
"""Lua: the list of a product as of now; ``EVAL READ 1 alsobought:{shoes}:current goes_with A``."""

_LOCK_MILLISECONDS = 60_000
_FIELDS = 500
"""Lists in one command."""
_EXTEND = """if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_TAKE_OVER = """if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class Redis:
    """See :class:`core.delivery.place.Place`."""

    name = "redis"

    def __init__(self, category: str, config: RedisConfig) -> None:
        self._category = category
        self._address = Address(self.name, category, config.url_env, ("redis", "rediss", "unix"))
        self._base = f"{config.prefix}:{{{category}}}"
        self._keep = max(1, round(config.keep_hours * 3600))
        self._token = json.dumps({"id": uuid.uuid4().hex, "process": this_process()})

    def deliver(self, shipment: Shipment, progress: Progress) -> Receipt:
        """See :class:`core.delivery.place.Place`."""
        lists = shipment.lists
        with self._connected() as client, self._locked(client):
            self._remove_leftovers(client)
            number = client.incr(f"{self._base}:numbers")
            delivery = {
                "version": shipment.version, "digest": shipment.digest, "rows": lists.rows, "state": "loading",
                "slots": list(list_counts(lists)),
            }  # fmt: skip
            client.hset(f"{self._base}:deliveries", number, json.dumps(delivery))
            try:
                self._load(client, number, lists, progress)
                compared = self._compare(client, number, lists)
                progress("switch", 0, 1, "version")
                self._extend(client)
                self._switch(client, number, delivery)
            except BaseException:
                with contextlib.suppress(Exception):
                    if client.get(f"{self._base}:current") != str(number):
                        self._forget(client, [number])
                raise
            progress("current", 1, 1, "version")
        return Receipt(
            self.name, shipment.version, shipment.digest, lists.rows, compared, info={"where": self._address.shown}
        )

    def current(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        return self._at("current")

    def previous(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        return self._at("previous")

    def put_back(self) -> Version:
        """See :class:`core.delivery.place.Place`."""
        with self._connected() as client, self._locked(client):
            back, current = client.mget(f"{self._base}:previous", f"{self._base}:current")
            delivery = self._delivery(client, back)
            if delivery is None:
                raise nothing_to_put_back(self.name, self._category)
            for key in self._keys(back, delivery["slots"]):
                client.persist(key)  # before anybody looks whether they are there, so that none expires in between
            if not self._is_whole(client, back, delivery):
                raise InputError(
                    f"redis of {self._category}: the previous version has expired; raise `keep_hours` in "
                    f"categories.yaml, and deliver lists again with `alsobought publish {self._category}`"
                )
            with client.pipeline(transaction=True) as pipe:
                pipe.set(f"{self._base}:current", back)
                pipe.set(f"{self._base}:previous", current)
                for key in self._keys(current, SLOTS):
                    pipe.expire(key, self._keep)
                pipe.execute()
        return _version(delivery)

    def _at(self, pointer: str) -> Version | None:
        with self._connected() as client:
            number = client.get(f"{self._base}:{pointer}")
            delivery = self._delivery(client, number)
            if delivery is None or not self._is_whole(client, number, delivery):
                return None
            return _version(delivery)

    def _is_whole(self, client: Any, number: Any, delivery: dict[str, Any]) -> bool:
        keys = self._keys(number, delivery["slots"])
        return not keys or bool(client.exists(*keys) == len(keys))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        """A client; what goes wrong with it becomes an InputError without secrets."""
        try:
            import redis
        except ImportError:
            raise InputError(
                f"redis of {self._category}: the client for Redis is not installed; run "
                "`pip install 'alsobought[delivery]'`"
            ) from None
        try:
            try:
                client = redis.Redis.from_url(
                    self._address.url, decode_responses=True, socket_connect_timeout=10, socket_timeout=60
                )
                client.ping()
            except (ValueError, TypeError):  # the latter for a parameter of the URL that it does not know
                raise self._address.error(ValueError("the URL cannot be read")) from None
            with client:
                yield client
        except (redis.RedisError, OSError) as error:
            raise self._address.error(error) from None

    @contextlib.contextmanager
    def _locked(self, client: Any) -> Iterator[None]:
        """Keep out other deliveries of the category; the lock of a process that is gone is taken over."""
        key = f"{self._base}:lock"
        if not client.set(key, self._token, nx=True, px=_LOCK_MILLISECONDS):
            holder = client.get(key)
            alive = _is_alive(holder)
            taken = alive is False and client.eval(_TAKE_OVER, 1, key, holder, self._token, _LOCK_MILLISECONDS)
            if not taken and not client.set(key, self._token, nx=True, px=_LOCK_MILLISECONDS):
                raise InputError(
                    f"redis of {self._category}: another delivery is in progress; try again once it has finished. If "
                    f"its machine is gone, the lock ends by itself within {_LOCK_MILLISECONDS // 1000} s"
                )
        try:
            yield
        finally:
            with contextlib.suppress(Exception):
                client.eval(_RELEASE, 1, key, self._token)

    def _extend(self, client: Any) -> None:
        if not client.eval(_EXTEND, 1, f"{self._base}:lock", self._token, _LOCK_MILLISECONDS):
            raise InputError(
                f"redis of {self._category}: the delivery took so long that its lock ended, and another one may have "
                "begun; publish again"
            )

    def _keys(self, number: Any, slots: Any) -> list[str]:
        return [f"{self._base}:{number}:{slot}" for slot in slots]

    def _delivery(self, client: Any, number: Any) -> dict[str, Any] | None:
        text = client.hget(f"{self._base}:deliveries", number) if number else None
        return dict(json.loads(text)) if text else None

    def _forget(self, client: Any, numbers: list[Any]) -> None:
        """Remove versions; the server frees their memory in the background."""
        with client.pipeline(transaction=True) as pipe:
            for number in numbers:
                pipe.unlink(*self._keys(number, SLOTS))
                pipe.hdel(f"{self._base}:deliveries", number)
            pipe.execute()

    def _remove_leftovers(self, client: Any) -> None:
        """Remove every version but the current and the previous one: nobody else delivers while the lock is held."""
        kept = set(client.mget(f"{self._base}:current", f"{self._base}:previous"))
        left = [number for number in client.hkeys(f"{self._base}:deliveries") if number not in kept]
        if left:
            self._forget(client, left)

    def _load(self, client: Any, number: int, lists: Recommendations, progress: Progress) -> None:
        plain = product_ids(lists)
        ids = encoded(plain, as_json)
        total, done, limited, extended = lists.rows, 0, set(), time.monotonic()
        for chunk in chunks(lists):
            [key] = self._keys(number, [chunk.slot])
            products = plain.take(chunk.products).to_pylist()
            values = json_lists(chunk, ids).to_pylist()
            with client.pipeline(transaction=False) as pipe:
                for first in range(0, len(products), _FIELDS):
                    part = slice(first, first + _FIELDS)
                    fields = [text for pair in zip(products[part], values[part], strict=True) for text in pair]
                    pipe.execute_command("HSET", key, *fields)
                if key not in limited:
                    pipe.expire(key, self._keep)  # until it is current: if nobody comes back, it goes by itself
                    limited.add(key)
                pipe.execute()
            if time.monotonic() - extended > _LOCK_MILLISECONDS / 6000:
                self._extend(client)
                extended = time.monotonic()
            done += len(chunk.neighbours)
            progress("HSET", done, total, "rows")

    def _compare(self, client: Any, number: int, lists: Recommendations) -> int:
        """Compare the number of lists and some lists; return how many. Raises ReadBackError."""
        counts = list_counts(lists)
        found = {slot: client.hlen(key) for slot, key in zip(counts, self._keys(number, counts), strict=True)}
        if found != counts:
            raise ReadBackError(f"redis of {self._category}: there are {found} lists instead of {counts}")
        sampled = sample(lists)
        with client.pipeline(transaction=False) as pipe:
            for one in sampled:
                pipe.hget(f"{self._base}:{number}:{one.slot}", one.product)
            for one, text in zip(sampled, pipe.execute(), strict=True):
                if text is None or orjson.loads(text) != one.neighbours:
                    raise ReadBackError(
                        f"redis of {self._category}: the list {one.slot} of {one.product!r} is not the one sent"
                    )
        return len(sampled)

    def _switch(self, client: Any, number: int, delivery: dict[str, Any]) -> None:
        """Make a version current, the current one the previous one, and remove what was that, all at once."""
        current, previous = client.mget(f"{self._base}:current", f"{self._base}:previous")
        before = self._delivery(client, current)
        same = before is not None and before["digest"] == delivery["digest"]
        with client.pipeline(transaction=True) as pipe:
            for key in self._keys(number, delivery["slots"]):
                pipe.persist(key)
            pipe.hset(f"{self._base}:deliveries", str(number), json.dumps(delivery | {"state": "whole"}))
            pipe.set(f"{self._base}:current", number)
            for key in self._keys(current, SLOTS) if current is not None else ():
                pipe.expire(key, self._keep)  # the same lists stay too, for readers that know their number already
            if current is not None and not same:
                pipe.set(f"{self._base}:previous", current)
                if previous is not None:
                    pipe.unlink(*self._keys(previous, SLOTS))
                    pipe.hdel(f"{self._base}:deliveries", previous)
            pipe.execute()


def _version(delivery: dict[str, Any]) -> Version:
    return Version(delivery["version"], delivery["digest"], delivery["rows"])


def _is_alive(holder: str | None) -> bool | None:
    try:
        process = json.loads(holder or "")["process"]
    except (ValueError, KeyError, TypeError):
        return None
    return is_alive(process) if isinstance(process, dict) else None
