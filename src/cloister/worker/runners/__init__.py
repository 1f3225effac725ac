"""How each kind of computation runs in the sandbox."""
