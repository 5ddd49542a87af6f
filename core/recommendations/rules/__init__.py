"""The shop's rules: what they say, the stock table and the pins, and how they are applied to lists."""
