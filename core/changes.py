"""Which assets of a category are out of date, and why.

The answer comes from the store alone and not from a scheduler's history. It therefore includes rebuilds that failed
half-way, were started by hand or ran elsewhere.
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
"""The states of an asset."""


@dataclass(frozen=True)
class Expected:
    """The manifest that an asset would have if it were made now, as far as it can be known.

    Attributes:
        asset: name with slashes.
        code_version: version of the algorithm.
        inputs: names of the assets that it is made from, all of which come before it.
        config: settings by name; None if it has no settings.
        source: state of the source, for assets that are read from it (``core.catalog``); None for other assets, and if
            the state is unknown.
        step: name of the step that makes it; the assets of a step are made together. Empty for a step of its own.
        lists: state of what only lists are made from (``core.recommendations.state``), for assets that are; a part
            whose state is None counts as unchanged. None for other assets, and if nothing is known.
    """

    asset: str
    code_version: str
    inputs: tuple[str, ...] = ()
    config: Mapping[str, Any] | None = None
    source: Mapping[str, Any] | None = None
    step: str = ""
    lists: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class AssetState:
    """The state of one asset of a category.

    Attributes:
        asset: name with slashes.
        state: :data:`MISSING`, :data:`FRESH`, :data:`OUTDATED` or :data:`DAMAGED`.
        reason: why the asset itself has to be made again, in a few words; empty if it does not have to be, or only
            because its inputs do.
        follows: the inputs or the assets of the same step that have to be made again.
        manifest: the current manifest; None if it is missing or damaged.
        trouble: a sentence that says what is damaged.
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
    """The state of every asset of a category. Schedules, sensors and the explorer all use this answer.

    Args:
        expected: every asset of the category, each after the assets that it is made from.
        read: returns an asset's current manifest, or None; raises InputError if it is damaged.
    """
    by_asset: dict[str, AssetState] = {}
    for _, step in itertools.groupby(expected, key=lambda asset: asset.step or asset.asset):
        _add_states(by_asset, list(step), read)
    return list(by_asset.values())


def changes(expected: Sequence[Expected], read: Callable[[str], Manifest | None]) -> dict[str, str]:
    """Assets that have to be made again themselves, with the reason; assets that follow from these are not included.

    The arguments are those of :func:`states`.
    """
    return {state.asset: state.reason for state in states(expected, read) if state.reason}


def _add_states(
    by_asset: dict[str, AssetState], step: Sequence[Expected], read: Callable[[str], Manifest | None]
) -> None:
    """Add the states of the assets of one step to ``by_asset``, which has the states of their inputs already."""
    for asset in step:
        follows = tuple(name for name in asset.inputs if name in by_asset and by_asset[name].state != FRESH)
        try:
            manifest = read(asset.asset)
        except InputError as error:
            _LOG.warning("%s", error)
            by_asset[asset.asset] = AssetState(asset.asset, DAMAGED, DAMAGED_MANIFEST, follows, trouble=str(error))
            continue
        if manifest is None:
            by_asset[asset.asset] = AssetState(asset.asset, MISSING, "was never made", follows)
            continue
        reason = _reason(asset, manifest, by_asset)
        state = OUTDATED if reason or follows else FRESH
        by_asset[asset.asset] = AssetState(asset.asset, state, reason, follows, manifest)
    stale = tuple(asset.asset for asset in step if by_asset[asset.asset].state != FRESH)
    for asset in step:
        if stale and by_asset[asset.asset].state == FRESH:
            by_asset[asset.asset] = dataclasses.replace(by_asset[asset.asset], state=OUTDATED, follows=stale)


def is_made_of(manifest: Manifest, source: Manifest) -> bool | None:
    """Whether an artefact was made from the current state of another one; None if its manifest does not say.

    Digests of the inputs decide this and not times, because clocks differ between machines and may be adjusted.
    """
    used = (manifest.info.get("inputs") or {}).get(source.asset)
    return used == source.digest if used and source.digest else None


def _reason(asset: Expected, manifest: Manifest, by_asset: Mapping[str, AssetState]) -> str:
    """Why the asset has to be made again even if its inputs stay as they are; empty if it does not have to be."""
    info = manifest.info
    if "inputs" not in info:
        return "was made by an earlier version of this program"
    if info.get("code_version") != asset.code_version:
        return f"was made by code version {info.get('code_version')}, the current one is {asset.code_version}"
    if asset.source is not None and info.get("source") != _plain(asset.source):
        return "its source changed" + _counted(info.get("source"), _plain(asset.source))
    if asset.lists is not None and (parts := changed_parts(info.get("lists"), _plain(asset.lists))):
        return f"{' and '.join(parts)} changed"
    if asset.config is not None and (changed := changed_settings(asset.config, manifest)):
        return f"settings changed: {changed}"
    for name in asset.inputs:
        current = by_asset[name].manifest if name in by_asset else None
        if current is not None and info["inputs"].get(name) != current.digest:
            return f"{name} changed since"
    return ""


def changed_parts(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """Names of the parts of a state that differ; what is not known now (None) counts as unchanged."""
    return [name for name, state in now.items() if state is not None and (then or {}).get(name) != state]


def _counted(then: Any, now: Any) -> str:
    """By how many files and bytes a folder has changed, in brackets; empty for a source that is not a folder."""
    sides = [state.get("source") if isinstance(state, Mapping) else None for state in (then, now)]
    if not all(isinstance(side, Mapping) and {"files", "size"} <= set(side) for side in sides):
        return ""
    before, after = (side for side in sides if isinstance(side, Mapping))
    sizes = " → ".join(f"{side['size'] / 1e6:,.1f}" for side in (before, after))
    return f" ({before['files']:,} → {after['files']:,} files, {sizes} MB)"


def changed_settings(now: Mapping[str, Any], manifest: Manifest) -> str:
    """The settings that have changed since an artefact was made, as "dim 128 → 64"; empty if there are none.

    Args:
        now: the current settings by name.
        manifest: the manifest of the artefact.
    """
    now, then = _plain(now), manifest.info.get("config") or {}
    names = [name for name in {**now, **then} if now.get(name) != then.get(name)]
    return ", ".join(f"{name} {then.get(name)!r} → {now.get(name)!r}" for name in names)


def _plain(value: Mapping[str, Any]) -> Any:
    """The value as a manifest returns it: tuples become lists and keys become text."""
    return json.loads(json.dumps(value))
