"""Finding products: the index, and the search box of all pages."""
