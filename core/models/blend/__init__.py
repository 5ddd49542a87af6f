"""The blend: small supervised networks rank the candidates of several models by their scores."""
