"""`python -m cloister.cli`: the same as `cloister`."""

from cloister.cli import main

main()
