"""Commands that lead to Dagster are ones that it understands."""

from explorer.shared import dagster_links


def test_the_command_for_what_is_missing_is_one_that_dagster_understands():
    import dagster as dg

    from orchestration.definitions import defs

    wanted = ["embeddings/skipgram", "product_pairs"]
    selected = dg.AssetSelection.from_string(dagster_links.asset_selection(wanted)).resolve(defs.resolve_asset_graph())
    assert {key.to_user_string() for key in selected} == set(wanted)


def test_the_command_names_the_folder_of_the_sources_unless_it_is_the_default(monkeypatch):
    monkeypatch.delenv("RAW_DIR", raising=False)
    assert dagster_links.materialize_command("shoes", "walks") == "make materialize CATEGORY=shoes SELECT='walks'"
    monkeypatch.setenv("RAW_DIR", "data/raw")  # as the Makefile sets it
    assert dagster_links.materialize_command("shoes") == "make materialize CATEGORY=shoes"
    monkeypatch.setenv("RAW_DIR", "/data/the shop")
    assert dagster_links.materialize_command("shoes") == "make materialize CATEGORY=shoes RAW_DIR='/data/the shop'"
