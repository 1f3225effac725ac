"""`cloister ui`: web pages that a machine serves to its own user, on loopback (docs/adr/0031)."""
