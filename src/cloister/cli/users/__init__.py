"""What users do: their rooms, datasets, runs and results, with the SDK alone."""
