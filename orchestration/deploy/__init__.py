"""The Dagster instance of a team: dagster.yaml with the storage in PostgreSQL."""

from pathlib import Path

_HERE = Path(__file__).resolve().parent
FILE = _HERE / "dagster.postgres.yaml"


def content() -> str:
    """The text of dagster.yaml with its first part, ``storage``, replaced."""
    parts = (_HERE.parent.parent / "dagster.yaml").read_text(encoding="utf-8").partition("\n\n")
    return (_HERE / "storage.postgres.yaml").read_text(encoding="utf-8") + parts[2]
