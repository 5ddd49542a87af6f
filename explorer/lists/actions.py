"""What a click on the page Lists does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import streamlit as st

from core.errors import InputError
from core.recommendations.rules.pins import BLOCK, PIN
from core.recommendations.rules.pins_edit import Edit, edit_pins
from explorer.lists.pins import edits_allowed
from explorer.shared import query_params

NOTE = "lists note"
"""Key of the session for what came of the last edit: whether it was made, and the sentence or what went wrong."""
CANDIDATE = "lists candidate"
"""Key of the session for the product that is to be pinned or blocked."""


@dataclass(frozen=True)
class Target:
    """The list that an edit is about, as it was on the screen.

    Attributes:
        path, name, digest: of the file of pins.
        product_id: whose list.
        slot: which one.
        ids: string ``[n]``: the ids of the category's products.
    """

    path: Path
    name: str
    digest: str
    product_id: str
    slot: str
    ids: pa.Array


def open_product(product_id: str) -> None:
    """Show the lists of a product."""
    query_params.set_value("product", product_id)
    _forget_candidate()


def clicked_product(key: str, ids: Sequence[str]) -> None:
    """A name in a list was clicked."""
    row = _row(key, ids)
    if row is not None:
        open_product(ids[row])


def choose_candidate(product_id: str) -> None:
    """A product to pin or block was chosen."""
    st.session_state[CANDIDATE] = product_id


def clicked_edit(key: str, target: Target, ids: Sequence[str], actions: Sequence[str | None]) -> None:
    """A button of an entry was clicked: pin it at its place, block it or release it.

    Args:
        key: of the click.
        target: the list.
        ids: product of each row.
        actions: ``pin``, ``block`` or None (release) for each row.
    """
    row = _row(key, ids)
    if row is not None:
        change(target, ids[row], actions[row], row + 1)


def change(target: Target, neighbour: str, action: str | None, rank: int | None = None) -> None:
    """Write an edit to the file of pins, if edits are allowed; the page then says what came of it."""
    if not edits_allowed():
        return
    rank = rank if action == PIN else None
    try:
        edit_pins(
            target.path, Edit(target.product_id, neighbour, target.slot, action, rank), target.digest, target.ids,
            target.name,
        )  # fmt: skip
    except (InputError, OSError) as error:
        st.session_state[NOTE] = (False, str(error))
        return
    _forget_candidate()
    done = {PIN: f"pinned at place {rank}", BLOCK: "blocked", None: "released"}[action]
    st.session_state[NOTE] = (True, f"{neighbour} is {done} in {target.name}.")


def _forget_candidate() -> None:
    st.session_state.pop(CANDIDATE, None)


def _row(key: str, ids: Sequence[str]) -> int | None:
    click = st.session_state.get(key)
    row = None if click is None else int(click["row"])
    return row if row is not None and 0 <= row < len(ids) else None
