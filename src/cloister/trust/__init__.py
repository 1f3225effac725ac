"""Who and what to believe: evidence of enclaves and workers, and identity tokens of users."""
