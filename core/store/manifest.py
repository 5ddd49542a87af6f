"""What stands next to an artefact, and reading it without trusting it.

Whoever can write to a store's folder could write a manifest: it must neither lead outside that folder nor make a reader
ask for absurd amounts of memory.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import InputError
from core.store.earlier import RENAMED

MANIFEST = "manifest.json"
ARTEFACTS = {
    "ProductPairs": "core.pairs",
    "Listings": "core.pairs.listings",
    "PairSplit": "core.pairs.split",
    "Pairs": "core.pairs.split",
    "HeldOutOrders": "core.pairs.held_out_orders",
    "ProductSets": "core.pairs.held_out_orders",
    "OrderRelationships": "core.orders.relationships",
    "WeightedPairs": "core.pairs.split",
    "ProductGraph": "core.graph",
    "TrainedModel": "core.interfaces",
    "Evaluation": "core.evaluation",
    "Neighbours": "core.scoring.neighbours",
    "Projection": "core.projection",
    "CustomerVectors": "core.customers.vectors",
    "FinalModels": "core.recommendations.form",
    "Recommendations": "core.recommendations.form",
    "Receipt": "core.delivery.place",
}
"""Dataclasses that may be stored, with their modules."""
ADDED_LATER = {"added_later": True}
"""Metadata of an optional field of such a dataclass that stores of earlier versions do not have."""
READABLE = ARTEFACTS.keys() | RENAMED.keys()
"""The only dataclasses that a manifest can name."""
SUFFIXES = {"table": ".parquet", "array": ".npy", "matrix": ".npz"}
"""Format of a stored file → how its name ends."""
LARGEST = 8 << 20
"""Bytes; the manifests that this program writes have some thousands."""

VERSION_NAME = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")
_CATEGORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_FIELD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}(\.[A-Za-z0-9_-]{1,100})*")
_SUM = re.compile(r"[0-9a-f]{64}")
_LARGEST_FILE = 1 << 50
_LATEST = 253_402_300_800.0
"""The year 10,000, which is more than Python's calendar knows."""
_MOST_DIMENSIONS = 8


@dataclass(frozen=True)
class Manifest:
    """What stands next to an artefact.

    Attributes:
        asset: asset name with slashes, e.g. ``embeddings/skipgram``.
        category: partition key.
        version: name of the folder that holds the files; unique per write, so it serves as a cache key.
        type: dataclass name, or ``table``, ``array``, ``matrix``.
        fields: field name → description: ``file`` with ``bytes`` (and ``rows`` / ``shape`` / ``dtype``) or an
            inline ``value``.
        created: seconds since the epoch (UTC).
        info: provenance given by the writer: run id, code version, config.
        digest: SHA-256 of what the artefact says, without how it was made: equal digests mean that whatever is made
            from the artefact need not be made again. Empty if an older program wrote it.
    """

    asset: str
    category: str
    version: str
    type: str
    fields: dict[str, Any]
    created: float
    info: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def bytes(self) -> int:
        """Total size of the artefact's files."""
        return sum(int(entry["bytes"]) for entry in file_entries(self.fields))


_NOT_CONTENT = {"info", "learning_curve"}
"""Fields of stored dataclasses that hold wall times and the like, which differ each time an artefact is made."""


def digest(kind: str, fields: Mapping[str, Any]) -> str:
    """SHA-256, as hexadecimal digits, of what an artefact of this type and these described fields says."""
    content = {name: entry for name, entry in fields.items() if name not in _NOT_CONTENT}
    return hashlib.sha256(json.dumps([kind, content], sort_keys=True).encode()).hexdigest()


def file_entries(node: Any) -> Iterator[dict[str, Any]]:
    """The descriptions of all files among an artefact's described fields, also of nested ones."""
    if isinstance(node, dict):
        if "file" in node:
            yield node
        elif node.get("format") != "json":
            for child in node.values():
                yield from file_entries(child)


def remedy(asset: str, category: str) -> str:
    """What to do about an artefact that cannot be used, for the end of a sentence."""
    return f"materialize the asset again, e.g. `make materialize CATEGORY={category} SELECT='{asset}'`"


def check_names(asset: str, category: str) -> None:
    """Refuse names that could lead out of the store. Raises InputError."""
    if not asset or not all(_PART.fullmatch(part) for part in asset.split("/")):
        raise InputError(
            f"{asset[:100]!r} is not an asset name: use letters, digits, '_' and '-', in parts between '/'"
        )
    if not is_category(category):
        raise InputError(f"{category[:100]!r} is not a category name: use letters, digits, '_', '-' and '.'")


def is_category(name: str) -> bool:
    """Whether a category could have this name."""
    return _CATEGORY.fullmatch(name) is not None


def is_asset_part(name: str) -> bool:
    """Whether a part of an asset's name, between slashes, could be this."""
    return _PART.fullmatch(name) is not None


def is_field(name: Any) -> bool:
    """Whether a stored field, or an item of one, can have this name: it becomes part of a file's name."""
    return isinstance(name, str) and len(name) <= 200 and _FIELD.fullmatch(name) is not None


def parse(data: bytes, asset: str, category: str) -> Manifest:
    """A manifest from the bytes of its file.

    Args:
        data: anything at all.
        asset, category: whose manifest it has to be.

    Raises:
        ValueError: it is not a manifest, or that of something else; the message says what is wrong in a few words.
    """
    if len(data) > LARGEST:
        raise ValueError("it is larger than any manifest")
    try:
        content = json.loads(data.decode("utf-8"), parse_constant=_no_number)
        _check(content, asset, category)
        manifest = Manifest(**content)
        if manifest.digest and manifest.digest != digest(manifest.type, manifest.fields):
            raise ValueError("its digest is that of other contents")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return manifest


def _no_number(text: str) -> None:
    raise ValueError(f"it holds {text}")


_REQUIRED = {"asset": str, "category": str, "version": str, "type": str, "fields": dict, "created": float}
_OPTIONAL = {"info": dict, "digest": str}
_INFO = {
    "run_id": str, "code_version": str, "config": dict, "inputs": dict, "source": dict, "products": str,
    "seconds": float, "peak_memory_mb": float,
}  # fmt: skip
"""Types of what readers rely on; each may be null, and there may be more."""


def _check(found: Any, asset: str, category: str) -> None:
    _need(isinstance(found, dict), "it is not a JSON object")
    for name, kind in (_REQUIRED | _OPTIONAL).items():
        if name in found or name in _REQUIRED:
            _need(_is(found.get(name), kind), f"its {name!r} is missing or not as it should be")
    unknown = sorted(set(found) - set(_REQUIRED) - set(_OPTIONAL))
    _need(not unknown, f"it holds {', '.join(map(repr, unknown))[:100]}: a newer version of this program wrote it")
    _need(found["asset"] == asset, f"it is that of {found['asset'][:100]!r}")
    _need(found["category"] == category, f"it is that of the category {found['category'][:100]!r}")
    _need(VERSION_NAME.fullmatch(found["version"]), "its version is not a version's name")
    _need(0 <= found["created"] < _LATEST, "its time of creation is not possible")
    _need(not found.get("digest") or _SUM.fullmatch(found["digest"]), "its digest is not a SHA-256 sum")
    for name, kind in _INFO.items():
        value = found.get("info", {}).get(name)
        _need(value is None or _is(value, kind), f"its info's {name!r} is not as it should be")
    inputs = found.get("info", {}).get("inputs") or {}
    _need(all(isinstance(value, str) for value in inputs.values()), "its info's 'inputs' are not as they should be")
    if found["type"] in READABLE:
        _check_fields(found["fields"])
    else:
        _need(found["type"] in SUFFIXES, f"it is of the unknown type {found['type'][:100]!r}")
        _need(set(found["fields"]) == {"value"}, "its fields are not those of its type")
        _check_entry(found["fields"]["value"])
        _need(found["fields"]["value"]["format"] == found["type"], "its fields are not those of its type")
    names = [entry["file"] for entry in file_entries(found["fields"])]
    _need(len(names) == len(set(names)), "it names a file twice")


def _check_fields(fields: Any) -> None:
    _need(isinstance(fields, dict), "its fields are not as they should be")
    for name, entry in fields.items():
        _need(is_field(name), f"{name[:100]!r} is not a field name")
        _check_entry(entry)


def _check_entry(entry: Any) -> None:
    _need(isinstance(entry, dict) and isinstance(entry.get("format"), str), "a field is not as it should be")
    match entry["format"]:
        case "json":
            _need(set(entry) == {"format", "value"}, "a field is not as it should be")
        case "dict":
            _need(set(entry) == {"format", "items"}, "a field is not as it should be")
            _check_fields(entry["items"])
        case "artefact":
            _need(set(entry) == {"format", "type", "fields"}, "a field is not as it should be")
            _need(isinstance(entry["type"], str) and entry["type"] in READABLE, "a field is of an unknown type")
            _check_fields(entry["fields"])
        case "table" | "array" | "matrix":
            _check_file(entry)
        case other:
            raise ValueError(
                f"a field has the unknown format {other[:100]!r}: a newer version of this program wrote it"
            )


def _check_file(entry: dict[str, Any]) -> None:
    name: Any = entry.get("file")
    suffix = SUFFIXES[entry["format"]]
    _need(isinstance(name, str) and len(name) <= 250, "a file has no name")
    _need(name.endswith(suffix) and is_field(name.removesuffix(suffix)), f"{name[:100]!r} is not a file of an artefact")
    _need(_is_count(entry.get("bytes")), f"the size of {name!r} is not possible")
    # Early versions of this program wrote no sums.
    total = entry.get("sha256")
    _need(
        total is None or (isinstance(total, str) and _SUM.fullmatch(total)), f"the sum of {name!r} is not a SHA-256 sum"
    )
    if entry["format"] == "table":
        _need(_is_count(entry.get("rows")), f"the rows of {name!r} are not possible")
        return
    shape: Any = entry.get("shape")
    dtype: Any = entry.get("dtype")
    _need(isinstance(shape, list) and all(map(_is_count, shape)), f"the shape of {name!r} is not possible")
    _need(isinstance(dtype, str) and 0 < len(dtype) <= 1_000, f"the type of {name!r} is not the name of a type")
    if entry["format"] == "array":
        _need(len(shape) <= _MOST_DIMENSIONS and math.prod(shape) <= _LARGEST_FILE, f"{name!r} is too large")
    else:
        _need(len(shape) == 2 and _is_count(entry.get("stored")), f"the shape of {name!r} is not possible")


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    return isinstance(value, kind)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_FILE


def _need(holds: Any, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
