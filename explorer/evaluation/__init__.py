"""The page Evaluation: how good each model is."""
