"""The way from a client or a worker to a hub and, sealed, to the enclave behind it."""
