"""The bytes that Cloister stores and sends. Pure: no I/O, no clock; randomness only where a format asks for it."""
