"""Cold start by content: a product goes with the partners of similar products."""
