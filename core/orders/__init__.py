"""Order lines: how they are counted into product pairs."""
