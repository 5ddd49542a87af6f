"""A category that shrank to nearly nothing is refused."""

import pytest

from core.catalog.guard import refuse_shrinking
from core.errors import InputError


@pytest.mark.parametrize(
    ("now", "before"),
    [(500, 1000), (2000, 1000), (0, 999), (499, 998)],
    ids=["just enough", "grown", "small and gone", "small and halved"],
)
def test_what_is_left_alone(now, before):
    refuse_shrinking("toys", {"products": now}, {"products": before}, min_share=0.5, from_rows=1000)


def test_a_first_reading_has_nothing_to_be_compared_with():
    refuse_shrinking("toys", {"products": 0, "listings": 0}, {}, min_share=1.0, from_rows=1)


def test_either_table_counts_and_the_remedy_is_named():
    now, before = {"products": 1000, "listings": 3}, {"products": 1000, "listings": 5000}
    with pytest.raises(InputError, match=r"toys: the source now holds 3 listings, 0.1% of the 5,000") as error:
        refuse_shrinking("toys", now, before, min_share=0.5, from_rows=1000)
    assert "guard.allow_shrink" in str(error.value) and "Nothing was replaced" in str(error.value)
