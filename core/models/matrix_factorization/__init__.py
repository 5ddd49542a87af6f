"""Matrix factorization on pairs or on walks."""
