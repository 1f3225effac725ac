"""What Cloister costs, measured side by side in one run: `make bench`.

Nothing here waits for a fixed time, and every row of a table was measured under the same conditions as its neighbours,
in turns. What can't be measured on a machine is left out and said so.
"""
