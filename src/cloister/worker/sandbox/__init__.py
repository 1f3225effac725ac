"""The sealed run: one container a task, without network, capabilities or a way out, and what is collected from it."""
