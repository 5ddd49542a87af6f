"""The page Neighbours: a product and what each model puts beside it."""
