"""Commands that lead to Dagster are ones that it understands."""

from explorer.shared import dagster_links


def test_the_command_for_what_is_missing_is_one_that_dagster_understands():
    import dagster as dg

    from orchestration.definitions import defs

    wanted = ["embeddings/skipgram", "product_pairs"]
    selected = dg.AssetSelection.from_string(dagster_links.asset_selection(wanted)).resolve(defs.resolve_asset_graph())
    assert {key.to_user_string() for key in selected} == set(wanted)
