"""Which of a model's lists represents it."""

from explorer.shared.scorings import GOES_WITH, SIMILAR_TO, default_scoring, scoring_for


def test_the_models_own_order_decides():
    assert default_scoring("skipgram", ["center_center", "center_context"]) == "center_context"
    assert default_scoring("skipgram", ["center_center"]) == "center_center"
    assert default_scoring("unknown", ["b", "a"]) == "b" and default_scoring("unknown", []) == "native"


def test_which_lists_answer_a_question():
    both = ["center_center", "center_context"]
    assert scoring_for(GOES_WITH, "gensim_word2vec", both) == "center_context"
    assert scoring_for(SIMILAR_TO, "gensim_word2vec", both) == "center_center"
    assert scoring_for(GOES_WITH, "blend", ["native"]) == "native"
    assert scoring_for(SIMILAR_TO, "blend", ["native"]) is None and scoring_for(GOES_WITH, "blend", []) is None
