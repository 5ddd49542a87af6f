"""What moved between lists, by hand and against sets."""

from hypothesis import given
from hypothesis import strategies as st

from explorer.lists.moves import moves, summary

lists = st.lists(st.sampled_from("abcdefgh"), unique=True)


def test_new_up_down_and_gone():
    assert moves("cabx", "abcd", "bc") == ["↑ 2", "gone", "↓ 1", "gone"]
    assert moves("ab", None, None) == ["", ""] and moves("ab", "ab", "ba") == ["", ""]
    assert summary("cabx", "abcd") == "1 new, 3 moved, 1 gone" and summary("ab", "ab") == "unchanged"
    assert summary("ab", "abc") == "1 gone"


@given(lists, lists, lists)
def test_words_are_about_the_right_sets(listed, older, newer):
    words = dict(zip(listed, moves(listed, older, newer), strict=True))
    assert {product for product, word in words.items() if word == "gone"} == set(listed) - set(newer)
    assert {product for product, word in words.items() if word == "new"} == set(listed) & set(newer) - set(older)
    for product in set(listed) & set(newer) & set(older):
        rise = older.index(product) - listed.index(product)
        assert words[product] == (f"↑ {rise}" if rise > 0 else f"↓ {-rise}" if rise < 0 else "")
