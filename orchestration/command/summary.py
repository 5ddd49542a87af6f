"""What a run made, in a few lines for the terminal: catalogue, best model, a first list, and where it all is."""

import shutil
import textwrap
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from core import paths
from core.categories import Category
from core.delivery.config import FilesConfig
from core.delivery.folders import location
from core.errors import InputError
from core.evaluation.verdict import judge
from core.recommendations.form import GOES_WITH
from core.store import Store
from core.untrusted.urls import shown

_NAMES = 3
"""Number of products that the first list is shown with."""
_CHARACTERS = 60
_INDENT = "  "


def summary(category: Category, store: Store, width: int | None = None) -> str:
    """The lines, wrapped to the terminal's width; what is not materialized is left out.

    Args:
        category: what was made.
        store: where it is.
        width: columns of the terminal; by default those that it has.
    """
    width = width or shutil.get_terminal_size((100, 24)).columns
    return "\n".join(
        textwrap.fill(
            line, max(width, 40), initial_indent=_INDENT, subsequent_indent=2 * _INDENT, break_on_hyphens=False,
            break_long_words=False,
        )
        for line in _lines(category, store)
    )  # fmt: skip


def _lines(category: Category, store: Store) -> Iterator[str]:
    try:
        pairs = store.read("product_pairs", category.name)
    except (FileNotFoundError, InputError):
        return
    yield f"{category.title}: {pairs.products.num_rows:,} products, {len(pairs.source):,} pairs"
    if store.manifest("leaderboard", category.name) is not None:
        verdict = judge(store.read("leaderboard", category.name))
        yield from filter(None, [verdict.sentence(), verdict.auc_sentence()])
    if store.manifest("recommendations", category.name) is not None:
        _, lists = store.read_fields("recommendations", category.name, ["products", "neighbours"])
        degree = np.bincount(np.concatenate([pairs.source, pairs.target]), minlength=pairs.products.num_rows)
        yield from _first_list(lists["products"], lists["neighbours"].get(GOES_WITH), degree)
    files = category.publish.get("files")
    if isinstance(files, FilesConfig) and store.manifest("published/files", category.name) is not None:
        yield f"Lists for a shop: {shown(location(files.url, 'lists'))}"
    yield f"Artefacts: {shown(paths.store_root())}"


def _first_list(products: pa.Table, neighbours: np.ndarray | None, degree: np.ndarray) -> Iterator[str]:
    """What goes with the product that has the most pairs."""
    if neighbours is None or len(degree) != len(neighbours) or not len(degree):
        return
    first = int(np.argmax(degree))
    names = [_name(products, int(node)) for node in neighbours[first][:_NAMES] if node >= 0]
    if names:
        yield f"With {_name(products, first)} go: {'; '.join(names)}"


def _name(products: pa.Table, node: int) -> str:
    row = products.slice(node, 1).select(["product_id", "title"]).to_pylist()[0]
    name = " ".join(str(row["title"] or row["product_id"]).split())
    plain = "".join(sign for sign in name if sign.isprintable())  # nothing that a terminal would act upon
    return plain if len(plain) <= _CHARACTERS else f"{plain[: _CHARACTERS - 1].rstrip()}…"
