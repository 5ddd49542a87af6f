"""Reads what earlier versions of this program stored under the names of today."""

from collections.abc import Mapping
from typing import Any

RENAMED = {"Embeddings": "TrainedModel"}
"""Stored type, as an earlier version named it → its name today."""

_SPLIT = {
    "train": ("WeightedPairs", {"source": "train_source", "target": "train_target", "weight": "train_weight"}),
    "validation": ("Pairs", {"source": "valid_source", "target": "valid_target"}),
    "uniform_negatives": ("Pairs", {"source": "published_source", "target": "published_target"}),
    "degree_matched_negatives": ("Pairs", {"source": "matched_source", "target": "matched_target"}),
    "cold_pairs": ("Pairs", {"source": "cold_source", "target": "cold_target"}),
}
_SPLIT_ARRAYS = {"cold_degree_matched": "cold_matched_target", "cold_uniform": "cold_uniform_target"}


def as_today(kind: str, fields: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """A stored type and its described fields under today's names.

    Args:
        kind: type as a manifest names it.
        fields: field → description, as of ``Manifest.fields``.

    Returns:
        Both, unchanged if this version wrote them. Fields that neither version knows are left for the reader to refuse.
    """
    kind = RENAMED.get(kind, kind)
    old = {name for _, parts in _SPLIT.values() for name in parts.values()} | set(_SPLIT_ARRAYS.values())
    if kind != "PairSplit" or not old <= set(fields):
        return kind, fields
    renamed = {name: entry for name, entry in fields.items() if name not in old}
    for name, (pairs, parts) in _SPLIT.items():
        nested = {part: fields[before] for part, before in parts.items()}
        renamed[name] = {"format": "artefact", "type": pairs, "fields": nested}
    return kind, renamed | {name: fields[before] for name, before in _SPLIT_ARRAYS.items()}
