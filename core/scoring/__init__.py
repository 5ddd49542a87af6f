"""How trained models score pairs and make lists."""
