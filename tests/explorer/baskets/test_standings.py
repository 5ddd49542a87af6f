"""The models' recall over later orders, by hand."""

import pyarrow as pa

from core.evaluation.metrics import NEXT_PRODUCT, REST_OF_BASKET
from core.evaluation.result import METRICS
from explorer.baskets.standings import Standing, first_models, standings


def test_the_best_scoring_of_each_model_and_the_best_model_first():
    rows = [
        ("weak", NEXT_PRODUCT, "native", "recall@10", 0.1, None),
        ("strong", NEXT_PRODUCT, "center_center", "recall@10", 0.2, 0.1),
        ("strong", NEXT_PRODUCT, "center_context", "recall@10", 0.3, 0.25),
        ("strong", NEXT_PRODUCT, "native", "ndcg@10", 0.9, None),
        ("other", REST_OF_BASKET, "native", "recall@10", 0.9, None),
        ("unmeasured", NEXT_PRODUCT, "native", "recall@10", None, None),
    ]
    names = ("model", "protocol", "scoring", "metric", "value", "low")
    table = pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) | {"high": row[-1], "subset": "all"} for row in rows], schema=METRICS
    )
    measured = standings(table, NEXT_PRODUCT)
    assert list(measured.items()) == [
        ("strong", Standing("center_context", 0.3, 0.25, 0.25)),
        ("weak", Standing("native", 0.1, None, None)),
    ]
    assert first_models(["a", "weak", "strong"], measured, 2) == ["strong", "weak"]
    assert first_models(["a", "weak"], measured) == ["weak", "a"] and first_models(["a"], {}) == ["a"]
