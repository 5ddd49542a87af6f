"""The table of all models, on metrics written by hand and on the evaluation of a model."""

import pyarrow as pa
import pytest

from core.evaluation.leaderboard import (
    LEADERBOARD,
    headline,
    leaderboard,
    ranking_table,
    seconds_by_phase,
    summary_line,
    to_markdown,
)
from core.evaluation.result import METRICS
from tests.core.evaluation.boards import board

SKIPGRAM = board(
    ("skipgram", "center_center", "ranking", "recall@10", 0.1, 0.08, 0.12),
    ("skipgram", "center_context", "ranking", "recall@10", 0.4, 0.38, 0.42),
    ("skipgram", "center_context", "ranking", "ndcg@10", 0.325),
    ("skipgram", "center_context", "ranking", "coverage@10", 0.5),
    ("skipgram", "center_context", "ranking", "popularity_bias@10", 0.7),
    ("skipgram", "center_center", "ranking", "coverage@10", 0.8),
    ("skipgram", "center_context", "degree_matched", "roc_auc", 0.9, 0.89, 0.91),
    ("skipgram", "center_context", "published", "roc_auc", 0.99),
)
BLEND = board(
    ("blend", "native", "ranking", "recall@10", 0.5, 0.49, 0.53),
    ("blend", "native", "degree_matched", "roc_auc", 0.8, 0.79, 0.81),
    ("blend", "native", "cold_start", "roc_auc", None),
)
TIMING = {"training": 2.0, "probing": 0.5, "setup": 1.25, "compilation": 0.04}
LONG = leaderboard({"skipgram": SKIPGRAM, "blend": BLEND}, "beauty", {"skipgram": TIMING, "blend": None})


def lines(text):
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]


def test_the_long_table_keeps_all_rows_and_adds_the_seconds_of_each_phase():
    assert LONG.schema == LEADERBOARD and set(LONG["category"].to_pylist()) == {"beauty"}
    expected = pa.concat_tables([SKIPGRAM, BLEND])
    assert LONG.drop_columns("category").slice(0, len(expected)).equals(expected.combine_chunks())
    assert seconds_by_phase(LONG) == {"skipgram": TIMING}
    times = [row for row in LONG.to_pylist() if row["protocol"] == "time"]
    assert len(times) == 4 and all(row["scoring"] is None and row["subset"] == "all" for row in times)


def test_the_markdown_is_sorted_by_recall_and_marks_the_best_of_each_column():
    text = to_markdown(LONG)
    assert text.startswith("**blend** is best: 50 % of held-out partners are in its first ten; next skip-gram 40 %")
    heading, _, *rows = lines(text)
    assert [row[:2] for row in rows] == [
        ["blend", "goes with"],
        ["skip-gram", "goes with"],
        ["skip-gram", "similar to"],
    ]
    assert [row[-1] for row in rows] == ["`blend`", "`skipgram`", "`skipgram`"]
    assert [row[heading.index("recall@10")] for row in rows] == ["**0.500 ± 0.020**", "0.400 ± 0.020", "0.100 ± 0.020"]
    assert [row[heading.index("coverage@10")] for row in rows] == ["–", "0.500", "**0.800**"]
    assert [row[heading.index("degree-matched AUC, all")] for row in rows] == [
        "0.800 ± 0.010",
        "**0.900 ± 0.010**",
        "–",
    ]
    assert [row[heading.index("NDCG@10")] for row in rows] == ["–", "0.325", "–"]  # one number is not the best
    seconds = heading.index("seconds: training + probing + set-up + compilation")
    assert [row[seconds] for row in rows] == ["–", "2 + 0.5 + 1.25 + <0.1", "2 + 0.5 + 1.25 + <0.1"]
    assert heading.index("article's AUC (easy), all") == heading.index("seen") + 2  # the last of the measurements
    assert "seconds" not in to_markdown(SKIPGRAM)


def test_one_row_per_model_is_that_of_its_better_scoring():
    columns, rows = ranking_table(LONG)
    assert [(row.model, row.scoring) for row in rows] == [("blend", "native"), ("skipgram", "center_context")]
    assert len({len(row.cells) for row in rows} | {len(columns)}) == 1
    assert ranking_table(METRICS.empty_table())[1] == []


def test_the_numbers_to_watch_are_those_of_the_better_scoring():
    expected = {"recall@10": 0.4, "NDCG@10": 0.325, "coverage@10": 0.5, "degree-matched AUC": 0.9}
    assert headline(SKIPGRAM) == pytest.approx(expected)
    later = board(("skipgram", "center_context", "next_product", "recall@10", 0.06))
    assert headline(pa.concat_tables([SKIPGRAM, later])) == pytest.approx(expected | {"next product recall@10": 0.06})
    assert headline(METRICS.empty_table()) == {}


def test_the_articles_settings_are_named_where_a_model_has_them():
    gensim = board(("gensim_word2vec", "center_center", "published", "roc_auc", 0.9))
    assert "those of the article for word2vec (gensim);" in to_markdown(
        leaderboard({"gensim_word2vec": gensim}, "tiny")
    )
    assert "those of the article" not in to_markdown(LONG)


def test_the_line_for_a_log_is_that_of_the_better_scoring():
    assert summary_line(SKIPGRAM) == (
        "skip-gram (goes with): recall@10 0.400; NDCG@10 0.325; coverage@10 0.500; degree-matched AUC 0.900 all; "
        "article's AUC (easy) 0.990 all"
    )
    assert summary_line(METRICS.empty_table()) == "nothing was measured"
