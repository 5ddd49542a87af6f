"""What a person selects on the command line, as assets."""

import difflib
import re
import warnings
from collections.abc import Iterable

import dagster as dg

from core.errors import InputError

_EXAMPLES = "for example 'embeddings/skipgram+' (that and what follows) or '*leaderboard' (with all it is made of)"


def selected(definitions: dg.Definitions, text: str) -> set[dg.AssetKey]:
    """The assets that a text selects, with those that come out of the same step.

    Raises:
        InputError: it cannot be read, names an asset that is not there, or selects nothing that can be made.
    """
    graph = definitions.resolve_asset_graph()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # says so of all selections but a single name
            asked = dg.AssetSelection.from_string(text)
            # The neighbours: the catalogue's assets come out of one reading, none of them can be had alone.
            found = asked.required_multi_asset_neighbors().resolve(graph) & graph.materializable_asset_keys
    except dg.DagsterError as error:
        raise InputError(_why(text, _names(graph.materializable_asset_keys))) from error
    if not found:
        raise InputError(f"the selection {text!r} selects no asset that can be made; {_EXAMPLES}")
    return set(found)


def _why(text: str, known: list[str]) -> str:
    for word in re.findall(r"[\w/]+", text):
        if word.strip("/") not in known and word.lower() not in ("and", "or", "not"):
            close = (
                difflib.get_close_matches(word.strip("/"), known, 2, 0.5)
                or [name for name in known if word.strip("/").lower() in name][:2]
            )
            hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
            return f"no asset {word!r}; {hint}A selection is written {_EXAMPLES}"
    return f"the selection {text!r} cannot be read; write it {_EXAMPLES}"


def _names(keys: Iterable[dg.AssetKey]) -> list[str]:
    return sorted(key.to_user_string() for key in keys)
