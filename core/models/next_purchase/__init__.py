"""What customers buy next: steps in their histories, spread by brand and categories."""
