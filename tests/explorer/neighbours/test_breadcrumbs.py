"""The trail of products."""

from explorer.neighbours import breadcrumbs


def test_the_trail_grows_is_cut_back_and_forgets():
    assert breadcrumbs.extend_trail((), "a") == ("a",)
    assert breadcrumbs.extend_trail(("a", "b"), "c") == ("a", "b", "c")
    assert breadcrumbs.extend_trail(("a", "b", "c"), "c") == ("a", "b", "c")  # a rerun is not a step
    assert breadcrumbs.extend_trail(("a", "b", "c"), "a") == ("a",)
    long = ()
    for i in range(breadcrumbs.MAX_CRUMBS + 3):
        long = breadcrumbs.extend_trail(long, str(i))
    assert len(long) == breadcrumbs.MAX_CRUMBS and long[-1] == str(breadcrumbs.MAX_CRUMBS + 2)
