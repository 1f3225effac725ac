"""Engines start and stop workers where there is room for them. They are never told what workers do."""
