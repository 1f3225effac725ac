"""A small virtual machine with control groups of another version than this machine's, in which real containers run."""
