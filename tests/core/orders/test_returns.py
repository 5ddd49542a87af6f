"""Returns take back the latest purchases; against a stack per buyer and product."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.orders.returns import cancel_returns

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 5), st.integers(-3, 3)), min_size=1, max_size=30
)


def by_stack(rows):
    """Which places stay, and how many returns took nothing back."""
    left = {place: quantity for place, (*_, quantity) in enumerate(rows) if quantity > 0}
    unmatched = 0
    order = sorted(range(len(rows)), key=lambda i: (rows[i][2], rows[i][3] < 0, i))
    bought: dict = {}
    for i in order:
        buyer, product, _, quantity = rows[i]
        stack = bought.setdefault((buyer, product), [])
        if quantity > 0:
            stack.append(i)
        elif quantity < 0:
            pieces, found = -quantity, False
            while pieces and stack:
                taken = min(left[stack[-1]], pieces)
                left[stack[-1]] -= taken
                pieces -= taken
                found = True
                if not left[stack[-1]]:
                    stack.pop()
            unmatched += not found
    return {place for place, quantity in left.items() if quantity > 0}, unmatched


@given(ROWS)
def test_returns_take_back_what_a_stack_would(rows):
    buyer, product, time, quantity = (np.array(column) for column in zip(*rows, strict=True))
    found = cancel_returns(buyer, product.astype(np.int32), time, quantity.astype(np.float64))
    kept, unmatched = by_stack(rows)
    assert set(np.flatnonzero(found.kept).tolist()) == kept
    assert found.returns == (quantity < 0).sum() and found.unmatched == unmatched
    assert found.cancelled == (quantity > 0).sum() - len(kept)
