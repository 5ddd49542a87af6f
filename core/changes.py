"""What of a category would come out differently, were it made again now.

The store alone is asked, not a scheduler's history: a rebuild that failed half-way, was started by hand or ran
elsewhere is seen just the same.
"""

import dataclasses
import itertools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import InputError
from core.store.manifest import Manifest

_LOG = logging.getLogger(__name__)
DAMAGED_MANIFEST = "has a damaged manifest"
MISSING, FRESH, OUTDATED, DAMAGED = "missing", "up to date", "out of date", "damaged"
"""States of an asset."""


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
        step: name of the step that makes it; the assets of one step are made together. Empty: a step of its own.
    """

    asset: str
    code_version: str
    inputs: tuple[str, ...] = ()
    config: Mapping[str, Any] | None = None
    source: Mapping[str, Any] | None = None
    step: str = ""


@dataclass(frozen=True)
class AssetState:
    """How one asset of a category stands.

    Attributes:
        asset: name with slashes.
        state: :data:`MISSING`, :data:`FRESH`, :data:`OUTDATED` or :data:`DAMAGED`.
        reason: why the asset itself has to be made again, in a few words; empty if it need not, or only because of
            what it is made from.
        follows: the inputs that have to be made again, or the assets that the same step makes.
        manifest: None if missing or damaged.
        trouble: a sentence about what is damaged.
    """

    asset: str
    state: str
    reason: str = ""
    follows: tuple[str, ...] = ()
    manifest: Manifest | None = None
    trouble: str = ""

    @property
    def sentence(self) -> str:
        """The state with its reasons."""
        reasons = [self.reason] if self.state == OUTDATED and self.reason else []
        if self.state == OUTDATED and self.follows:
            reasons.append(f"{', '.join(self.follows)} will change")
        return f"{self.state}: {'; '.join(reasons)}" if reasons else self.state


def states(expected: Sequence[Expected], read: Callable[[str], Manifest | None]) -> list[AssetState]:
    """How every asset of a category stands: the one answer that schedules, sensors and the explorer give.

    Args:
        expected: every asset of the category, each after those that it is made from.
        read: gives an asset's current manifest, or None; raises InputError where it is damaged.
    """
    found: dict[str, AssetState] = {}
    for _, together in itertools.groupby(expected, key=lambda asset: asset.step or asset.asset):
        _add_states(found, list(together), read)
    return list(found.values())


def changes(expected: Sequence[Expected], read: Callable[[str], Manifest | None]) -> dict[str, str]:
    """Assets that have to be made again themselves, with the reason in a few words; what follows is not listed.

    The arguments are those of :func:`states`.
    """
    return {state.asset: state.reason for state in states(expected, read) if state.reason}


def _add_states(
    found: dict[str, AssetState], together: Sequence[Expected], read: Callable[[str], Manifest | None]
) -> None:
    """Add the assets of one step to ``found``, which holds those that they are made from."""
    for asset in together:
        follows = tuple(name for name in asset.inputs if name in found and found[name].state != FRESH)
        try:
            manifest = read(asset.asset)
        except InputError as error:
            _LOG.warning("%s", error)
            found[asset.asset] = AssetState(asset.asset, DAMAGED, DAMAGED_MANIFEST, follows, trouble=str(error))
            continue
        if manifest is None:
            found[asset.asset] = AssetState(asset.asset, MISSING, "was never made", follows)
            continue
        reason = _reason(asset, manifest, found)
        state = OUTDATED if reason or follows else FRESH
        found[asset.asset] = AssetState(asset.asset, state, reason, follows, manifest)
    stale = tuple(asset.asset for asset in together if found[asset.asset].state != FRESH)
    for asset in together:
        if stale and found[asset.asset].state == FRESH:
            found[asset.asset] = dataclasses.replace(found[asset.asset], state=OUTDATED, follows=stale)


def is_made_of(manifest: Manifest, source: Manifest) -> bool | None:
    """Whether an artefact was made from what another one says now; None where its manifest does not tell.

    By the digest of what it was made from, never by times: clocks differ between machines and are set.
    """
    used = (manifest.info.get("inputs") or {}).get(source.asset)
    return used == source.digest if used and source.digest else None


def _reason(asset: Expected, manifest: Manifest, before: Mapping[str, AssetState]) -> str:
    """Why the asset has to be made again, whatever becomes of its inputs; empty if it need not."""
    info = manifest.info
    if "inputs" not in info:
        return "was made by an earlier version of this program"
    if info.get("code_version") != asset.code_version:
        return f"has code version {asset.code_version}, was made by {info.get('code_version')}"
    if asset.source is not None and info.get("source") != _plain(asset.source):
        return "its source changed"
    if asset.config is not None and (changed := changed_settings(asset.config, manifest)):
        return f"settings changed: {changed}"
    for name in asset.inputs:
        current = before[name].manifest if name in before else None
        if current is not None and info["inputs"].get(name) != current.digest:
            return f"{name} changed since"
    return ""


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
