"""What moved between lists, by hand and against sets."""

from hypothesis import given
from hypothesis import strategies as st

from explorer.lists.moves import moves, summary

lists = st.lists(st.sampled_from("abcdefgh"), unique=True)


def test_new_up_down_and_gone():
    assert moves("cabx", "abcd", "bc") == ["↑ 2", "↓ 1, gone", "↓ 1", "new, gone"]
    assert moves("ab", None, None) == ["", ""] and moves("ab", "ab", "ba") == ["", ""]
    assert summary("cabx", "abcd") == "1 new, 3 moved, 1 gone" and summary("ab", "ab") == "unchanged"
    assert summary("ab", "abc") == "1 gone"


@given(lists, lists, lists)
def test_words_are_about_the_right_sets(listed, older, newer):
    words = moves(listed, older, newer)
    assert {p for p, text in zip(listed, words, strict=True) if text.startswith("new")} == set(listed) - set(older)
    assert {p for p, text in zip(listed, words, strict=True) if text.endswith("gone")} == set(listed) - set(newer)
    rises = {p: older.index(p) - listed.index(p) for p in set(listed) & set(older)}
    for product, rise in rises.items():
        text = words[listed.index(product)].removesuffix("gone").removesuffix(", ")
        assert text == (f"↑ {rise}" if rise > 0 else f"↓ {-rise}" if rise < 0 else "")
