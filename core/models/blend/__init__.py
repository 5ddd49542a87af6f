"""The blend: several models' candidates and scores, ranked by small supervised networks."""
