"""The page Graph and data: what a category's pairs, metadata and lists are like."""
