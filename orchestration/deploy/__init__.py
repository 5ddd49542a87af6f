"""The instance of a team: dagster.yaml with its storage in PostgreSQL."""

from pathlib import Path

_HERE = Path(__file__).resolve().parent
FILE = _HERE / "dagster.postgres.yaml"


def content() -> str:
    """dagster.yaml with its first part, ``storage``, replaced."""
    parts = (_HERE.parent.parent / "dagster.yaml").read_text(encoding="utf-8").partition("\n\n")
    return (_HERE / "storage.postgres.yaml").read_text(encoding="utf-8") + parts[2]
