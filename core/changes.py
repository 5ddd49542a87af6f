"""What of a category would come out differently, were it made again now.

Belongs here: comparing what the manifests in the store say (source, code version, settings, inputs) with what is asked
for now; an asset whose manifest cannot be read has to be made again. Does not belong here: finding out the source's
state (``core.catalog.source``) and starting a rebuild (``orchestration.jobs``). The store alone is asked, not a
scheduler's history: a rebuild that failed half-way, was started by hand or ran elsewhere is seen just the same.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import InputError
from core.manifest import Manifest

_LOG = logging.getLogger(__name__)
DAMAGED = "has a damaged manifest"


@dataclass(frozen=True)
class Expected:
    """What an asset's manifest would say if the asset were made now.

    Attributes:
        asset: name with slashes.
        code_version: of the algorithm.
        inputs: names of the assets that it is made from; all of them stand before it.
        config: settings by name; None if it has none.
        source: state of the source, for assets that are read from it (:func:`core.catalog.state`); None otherwise,
            and where nothing is known about it.
    """

    asset: str
    code_version: str
    inputs: tuple[str, ...] = ()
    config: Mapping[str, Any] | None = None
    source: Mapping[str, Any] | None = None


def changes(expected: Sequence[Expected], read: Callable[[str], Manifest | None]) -> dict[str, str]:
    """Assets that have to be made again, with the reason in a few words; what follows from them is not listed.

    Args:
        expected: every asset of the category.
        read: gives an asset's current manifest, or None; raises InputError where it is damaged.
    """
    manifests: dict[str, Manifest | None] = {}
    found = {}
    for one in expected:
        try:
            manifests[one.asset] = read(one.asset)
        except InputError as error:
            _LOG.warning("%s", error)
            manifests[one.asset] = None
            found[one.asset] = DAMAGED
    for one in expected:
        if one.asset not in found and (reason := _reason(one, manifests)):
            found[one.asset] = reason
    return found


def is_made_of(manifest: Manifest, source: Manifest) -> bool | None:
    """Whether an artefact was made from what another one says now; None where its manifest does not tell.

    By the digest of what it was made from, never by times: clocks differ between machines and are set.
    """
    used = (manifest.info.get("inputs") or {}).get(source.asset)
    return used == source.digest if used and source.digest else None


def _reason(one: Expected, manifests: Mapping[str, Manifest | None]) -> str | None:
    manifest = manifests[one.asset]
    if manifest is None:
        return "was never made"
    info = manifest.info
    if "inputs" not in info:
        return "was made by an earlier version of this program"
    if info.get("code_version") != one.code_version:
        return f"has code version {one.code_version}, was made by {info.get('code_version')}"
    if one.source is not None and info.get("source") != _plain(one.source):
        return "its source changed"
    if one.config is not None and (changed := changed_settings(one.config, manifest)):
        return f"settings changed: {changed}"
    for name in one.inputs:
        current = manifests.get(name)
        if current is not None and info["inputs"].get(name) != current.digest:
            return f"{name} changed since"
    return None


def changed_settings(now: Mapping[str, Any], manifest: Manifest) -> str:
    """Which settings an artefact was made with that are others now, as "dim 128 → 64"; empty if none.

    Args:
        now: settings by name.
        manifest: of the artefact.
    """
    now, then = _plain(now), manifest.info.get("config") or {}
    names = [name for name in {**now, **then} if now.get(name) != then.get(name)]
    return ", ".join(f"{name} {then.get(name)!r} → {now.get(name)!r}" for name in names)


def _plain(value: Mapping[str, Any]) -> Any:
    """As a manifest gives it back: tuples become lists, keys texts."""
    return json.loads(json.dumps(value))
