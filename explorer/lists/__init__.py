"""The page Lists: a shop's lists now, as published and as published before, and the merchandiser's pins."""
