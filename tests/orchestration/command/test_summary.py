"""The lines at the end of a run, over a hand-made store."""

import dataclasses

from core.categories import Category
from core.store import Store
from orchestration.command.summary import summary
from tests import explorer_fixture as fixture

ALPHA = Category("alpha", "Alpha", "sample")


def test_it_says_what_there_is_and_where(tmp_path, monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_STORE", str(tmp_path))
    store = fixture.write(tmp_path)
    pairs = store.read("product_pairs", "alpha")
    titles = pairs.products["title"].to_pylist()
    titles[0] = "A bell\x1b[31m \x07that   rings " + 80 * "x"
    products = pairs.products.set_column(1, "title", [titles])
    assert pairs.products.column_names[1] == "title"
    store.write("recommendations", "alpha", dataclasses.replace(fixture.recommendations(), products=products))
    lines = summary(ALPHA, store, 1000).splitlines()
    assert lines[0] == f"  Alpha: {len(titles)} products, {len(pairs.source)} pairs"
    assert any("is best" in line for line in lines) and lines[-1] == f"  Artefacts: {tmp_path}"
    [first] = [line for line in lines if line.startswith("  With ")]
    assert " go: " in first and "\x1b" not in first and "\x07" not in first
    wrapped = summary(ALPHA, store, 60)
    assert max(map(len, wrapped.splitlines()[:-1])) <= 60
    assert " ".join(wrapped.split()) == " ".join(" ".join(lines).split())


def test_it_leaves_out_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_STORE", str(tmp_path))
    store = Store(tmp_path)
    assert summary(ALPHA, store) == ""
    store.write("product_pairs", "alpha", fixture.pairs())
    assert summary(ALPHA, store, 1000).splitlines()[1:] == [f"  Artefacts: {tmp_path}"]
