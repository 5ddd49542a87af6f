"""The page Map: all products of a model on one map."""
