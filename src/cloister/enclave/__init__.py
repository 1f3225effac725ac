"""The driver: appraises, authorises, appends, plans, dispatches and releases. Runs in the TEE.

Everything outside it sees ciphertext. It keeps rooms as sealed, append-only logs, holds dataset keys, and gives each
computation to one worker at a time.
"""
