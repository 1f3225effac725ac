"""Computations that Cloister itself brings along: tables and their validation, SQL, SQLite, previews.

Each module is a program that runs in a container like a script: `run(config, inputs, output, scratch)` does the work,
`main()` calls it with what is found there. See `cloister_tables.program`.
"""
