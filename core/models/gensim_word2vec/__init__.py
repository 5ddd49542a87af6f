"""Word2vec with gensim, the article's model."""
