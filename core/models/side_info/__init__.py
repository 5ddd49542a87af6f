"""Skip-gram with side information: brands, categories and price bands."""
