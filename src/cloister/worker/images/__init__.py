"""Worker images: built from recipes, measured, kept side by side, opened read-only."""
