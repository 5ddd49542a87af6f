"""Cold start by content: a product goes with what similar products go with."""
