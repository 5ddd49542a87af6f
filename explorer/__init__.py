"""The explorer: a Streamlit app over materialized artefacts. It reads ``core.store`` and knows no Dagster."""
