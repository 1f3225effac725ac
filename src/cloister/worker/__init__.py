"""Carries out one task at a time, in a container that sees its inputs and nothing else. Runs in a TEE of its own."""
