"""Skip-gram with negative sampling, on walks, on node2vec walks and on sessions."""
