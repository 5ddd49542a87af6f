"""The page Graph and data over the hand-made store."""

import numpy as np

from core.orders.history import HISTORY
from tests import explorer_fixture as fixture
from tests.explorer_pages import DATA, rerun, texts


def test_quarantined_lines_have_reasons(full, start):
    frames = start(full, DATA).dataframe
    assert frames[0].value["lines"].sum() == 2
    assert frames[1].value["excerpt"].tolist() == ["<script>alert(1)</script>", "{}"]


def test_agreement_is_that_of_the_lists(full, start):
    at = start(full, DATA)
    at.selectbox(key="model a").set_value("gensim_word2vec")
    at.selectbox(key="model b").set_value("skipgram")
    rerun(at)
    lists = {}
    for model in ("gensim_word2vec", "skipgram"):
        scoring = fixture.MODELS[model][0]
        for row in full.read(f"neighbours/{model}", fixture.CATEGORY).table.to_pylist():
            if row["scoring"] == scoring and row["rank"] <= 10:
                lists.setdefault(row["product"], {}).setdefault(model, set()).add(row["neighbour"])
    shared = sorted(len(both["gensim_word2vec"] & both["skipgram"]) for both in lists.values())
    least, most = (frame.value["shared"].tolist() for frame in at.dataframe[2:4])
    assert least == shared[:10] and most == shared[::-1][:10]
    assert f"share {np.mean(shared):.1f} of" in texts(at)


def test_orders_are_described_where_there_are_any(full, tmp_path, start):
    at = start(full, DATA)
    assert "Orders" in [header.value for header in at.header]
    assert any("9 orders by day" in chart.proto.alt for chart in at.get("vega_lite_chart"))
    store = fixture.write(tmp_path)
    store.write("order_history", fixture.CATEGORY, HISTORY.empty_table())
    assert "Orders" not in [header.value for header in start(store, DATA).header]
