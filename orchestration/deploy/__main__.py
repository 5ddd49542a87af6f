"""``python -m orchestration.deploy``: write dagster.postgres.yaml anew."""

from orchestration.deploy import FILE, content

FILE.write_text(content(), encoding="utf-8")
