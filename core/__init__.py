"""The science of the recommender: plain functions over arrays and tables.

What belongs here: reading catalogues, pairs, graph, walks, models, evaluation, neighbours and the store that
says where each artefact lives. What does not: anything that knows of Dagster, Streamlit, partitions or printing.
"""

from core.kernel_cache import choose_folder

choose_folder()
