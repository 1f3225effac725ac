"""The history of the hub's tables, run by itself at every start."""
