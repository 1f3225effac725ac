"""Python packages that a room brings along: resolved, installed without running any of them, kept by their lock."""
