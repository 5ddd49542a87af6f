"""Write dagster.postgres.yaml again: ``python -m orchestration.deploy``."""

from orchestration.deploy import FILE, content

FILE.write_text(content(), encoding="utf-8")
