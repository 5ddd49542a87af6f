"""How trained models score pairs and make lists. Does not belong here: training, and what one model alone needs."""
