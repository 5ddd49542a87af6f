"""The form of a list in an answer, and the bytes that are sent of it."""

import math
from collections.abc import Sequence

import msgspec

from core.recommendations.form import SOURCES
from core.serving.answers import Ranked, Shop
from core.serving.prepared import Card
from orchestration.web.api.queries import SLOTS

FORM = "1"
"""Raised whenever the same version gives other bytes, so that caches fetch them."""
SLOT_NAMES = {name: spelled for spelled, name in SLOTS.items()}
"""Slot → its name in paths and answers."""
_SOURCES = [name.encode() for name in SOURCES]


class Entry(Card, omit_defaults=True, kw_only=True):
    """An entry of a list."""

    rank: int
    score: float | None
    source: str
    because: str | None = None


class Answer(msgspec.Struct, omit_defaults=True):
    """A list. This describes the answers; :func:`answer_bytes` writes them from what is prepared of each product."""

    category: str
    version: str
    slot: str
    items: list[Entry]
    asked: Card | None = None
    unknown: list[str] = []


encode = msgspec.json.Encoder().encode
"""The JSON of a value, as bytes."""


def answer_bytes(shop: Shop, slot: str, ranked: Ranked, asked: int = -1, unknown: Sequence[str] = ()) -> bytes:
    """The JSON of an :class:`Answer`, for the product ``asked`` if there is one."""
    products = shop.products
    items = []
    for place, node in enumerate(ranked.nodes):
        score, cause = ranked.scores[place], -1 if ranked.because is None else ranked.because[place]
        because = b"" if cause < 0 else b',"because":' + encode(products.ids[cause])
        text = b"%.6g" % score if math.isfinite(score) else b"null"
        items.append(b'{"rank":%d,%b,"score":%b,"source":"%b"%b}' % (
            place + 1, products.cards.raw(node), text, _SOURCES[ranked.sources[place]], because,
        ))  # fmt: skip
    head = encode({"category": shop.category, "version": shop.version, "slot": SLOT_NAMES[slot]})[:-1]
    about = b"" if asked < 0 else b',"asked":{' + products.cards.raw(asked) + b"}"
    missing = b',"unknown":' + encode(unknown) if unknown else b""
    return b'%b%b%b,"items":[%b]}' % (head, about, missing, b",".join(items))
