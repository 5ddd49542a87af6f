"""The assets that a selection on the command line means."""

import difflib
import functools
import operator
import re
import warnings
from collections.abc import Collection, Iterable

import dagster as dg

from core.categories import Category
from core.errors import InputError
from core.models import MODELS
from core.stages import stages_of
from orchestration.staleness import asset_key

_EXAMPLES = (
    "for example 'embeddings/skipgram+' (it and what follows), '*leaderboard' (it and what it is made from), or both "
    "with a comma between them"
)


def select_assets(definitions: dg.Definitions, text: str) -> set[dg.AssetKey]:
    """The assets that a text selects, and those that the same steps make.

    Raises:
        InputError: the text cannot be read, names an unknown asset, or selects nothing that can be made.
    """
    graph = definitions.resolve_asset_graph()
    known = graph.get_all_asset_keys()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # it warns about every selection but a single name
            parts = [dg.AssetSelection.from_string(_as_in_the_ui(part, known)) for part in text.split(",")]
            selection = functools.reduce(operator.or_, parts)
            # One step makes all assets of the catalogue, so none of them can be made alone.
            keys = selection.required_multi_asset_neighbors().resolve(graph) & graph.materializable_asset_keys
    except dg.DagsterError as error:
        raise InputError(_why(text, _names(graph.materializable_asset_keys))) from error
    if not keys:
        raise InputError(f"the selection {text!r} selects no asset that can be made; {_EXAMPLES}")
    return set(keys)


def models_and_above(category: Category, names: Iterable[str]) -> set[dg.AssetKey]:
    """All that is needed to judge these models and to make their lists; the leaderboard, which needs all, is not made.

    Raises:
        InputError: there is no such model.
    """
    stages = stages_of(category)
    wanted: set[str] = set()
    for name in names:
        if name not in MODELS:
            close = difflib.get_close_matches(name, MODELS, 1, 0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(MODELS)}"
            raise InputError(f"there is no model {name!r}; {hint}")
        wanted |= {f"metrics/{name}", f"neighbours/{name}"}
    for name, stage in reversed(stages.items()):  # inputs stand above what is made from them
        if name in wanted:
            wanted.update(stage.inputs.values())
    steps = {stages[name].step for name in wanted}
    return {asset_key(name) for name, stage in stages.items() if stage.step in steps}


def _as_in_the_ui(part: str, known: Collection[dg.AssetKey]) -> str:
    """A name with ``+`` or ``*`` as the Dagster UI writes it, where ``+`` means everything above or below.

    For a bare name Dagster itself reads an earlier syntax, in which ``+`` means one layer.
    """
    match = _NAME.fullmatch(part)
    if match is None:
        return part
    above, name, below = match.groups(default="")
    if dg.AssetKey(name.split("/")) not in known:
        return part  # Dagster says that there is no such asset; for a key it would select nothing
    return f'{_LAYERS.get(above, above)}key:"{name}"{_LAYERS.get(below, below)}'


_NAME = re.compile(r"\s*(\*|\+|[0-9]+\+)?([\w/]+)(\*|\+|\+[0-9]+)?\s*")
_LAYERS = {"*": "+"}


def _why(text: str, known: list[str]) -> str:
    for word in re.findall(r"[\w/]+", text):
        if word.strip("/") not in known and word.lower() not in ("and", "or", "not"):
            close = (
                difflib.get_close_matches(word.strip("/"), known, 2, 0.5)
                or [name for name in known if word.strip("/").lower() in name][:2]
            )
            hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
            return f"there is no asset {word!r}; {hint}Write a selection as {_EXAMPLES}"
    return f"the selection {text!r} cannot be read; write it as {_EXAMPLES}"


def _names(keys: Iterable[dg.AssetKey]) -> list[str]:
    return sorted(key.to_user_string() for key in keys)
