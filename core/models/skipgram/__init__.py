"""Skip-gram with negative sampling, on first-order or on node2vec walks."""
