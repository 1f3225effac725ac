"""The hub: accounts, ciphertext on a shelf, a directory of rooms, and a relay for sealed messages.

It is trusted with none of the plaintext (see docs/threat-model.md); what it stores or forwards may be
read by its operator.
"""
