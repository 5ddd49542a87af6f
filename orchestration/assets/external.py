"""External assets: the source, rules and settings of each category, which Dagster observes but does not make.

A code version belongs to an asset as a whole, but settings belong to one category. An observed asset has a data version
for each partition. With it, the UI shows as out of date exactly the assets of the category whose settings changed, and
an observation needs neither a step nor a process.
"""

import dagster as dg

from core.configs import CONFIGS
from orchestration.partitions import BY_CATEGORY

SOURCE = dg.AssetKey("source")
RULES = dg.AssetKey("rules")
_CHANGES_NO_RESULT = {"guard"}


def settings_key(section: str) -> dg.AssetKey:
    """The key of the asset that stands for a section of the settings; the assets that use the section depend on it."""
    return dg.AssetKey(["settings", section])


EXTERNAL_ASSETS = [
    dg.AssetSpec(
        SOURCE,
        description="State of each category's source: size and time, ETag or checksum.",
        partitions_def=BY_CATEGORY,
        group_name="inputs",
        kinds={"file"},
    ),
    dg.AssetSpec(
        RULES,
        description="State of each category's rules, and of the files with its stock and its pins.",
        partitions_def=BY_CATEGORY,
        group_name="inputs",
        kinds={"yaml", "file"},
    ),
    *(
        dg.AssetSpec(
            settings_key(section),
            description=(
                f"Settings of each category: those of categories.yaml, else the defaults. {config.__doc__ or ''}"
            ).strip(),
            partitions_def=BY_CATEGORY,
            group_name="inputs",
            kinds={"yaml"},
        )
        for section, config in CONFIGS.items()
        if section not in _CHANGES_NO_RESULT
    ),
]
