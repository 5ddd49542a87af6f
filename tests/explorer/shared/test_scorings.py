"""Which of a model's lists represents it."""

from explorer.shared.scorings import default_scoring


def test_the_models_own_order_decides():
    assert default_scoring("skipgram", ["center_center", "center_context"]) == "center_context"
    assert default_scoring("skipgram", ["center_center"]) == "center_center"
    assert default_scoring("unknown", ["b", "a"]) == "b" and default_scoring("unknown", []) == "native"
