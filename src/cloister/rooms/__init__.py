"""What a room is: its definition, who may do what, its events, and the state that they fold into.

Pure: no I/O, no clock, no randomness. Everything here is decided the same way on every machine.
"""
