"""Computations with differential privacy that Cloister itself brings along: synthetic data, and matching.

Each program is a module with `run(config, inputs, output, scratch)` and `main()`, as in `cloister_tables`. All noise
is OpenDP's. What needs OpenDP, numpy, Faker or matplotlib imports them when it is called: that takes seconds.
"""
