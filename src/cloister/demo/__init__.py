"""A clean room from start to end, told as it happens: what `cloister demo` shows. Uses the SDK as its users do."""
