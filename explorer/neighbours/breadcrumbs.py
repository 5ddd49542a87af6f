"""The trail of products that a person opened one after the other."""

from collections.abc import Sequence

MAX_CRUMBS = 8


def extend_trail(trail: Sequence[str], product_id: str) -> tuple[str, ...]:
    """The trail after opening a product: extended by it, or cut back to it if the trail already contains it.

    A click on a crumb, the browser's back button and a walk in a circle all cut the trail back. A trail keeps at most
    :data:`MAX_CRUMBS` products and drops the oldest.
    """
    if product_id in trail:
        return tuple(trail[: list(trail).index(product_id) + 1])
    return (*trail, product_id)[-MAX_CRUMBS:]
