"""word2vec by gensim, the article's model."""
