"""The explorer: a Streamlit app that shows materialized artefacts. It reads ``core.store`` and does not use Dagster."""
