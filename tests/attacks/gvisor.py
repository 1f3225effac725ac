"""What is different under gVisor: hostile scripts that don't end there as they do elsewhere, and why.

Those that are told here are not run under gVisor; docs/operating.md tells the operator.
"""

DIFFERENT = {
    "test_the_32_bit_interface": "The old 32-bit calls don't kill their process: they end in gVisor's kernel, too.",
    "test_there_is_no_network_but_its_own": "Networks elsewhere have no route, instead of being unreachable.",
    "test_rights_cannot_be_gained": "A script can end its container's first process, and so itself.",
    "test_process_1": "A script can read what its container's first process was started with.",
    "test_nothing_of_the_host_shows": "/proc and /dev have more in them, all of it gVisor's own.",
    "test_the_next_task_finds_nothing_of_the_last": "Files have no extended attributes.",
    "test_tasks_at_the_same_time_do_not_see_each_other": "Files have no extended attributes.",
    "test_odd_things_in_the_output: a socket": "A socket in /output is not there outside: nothing is refused.",
    "test_bombs: threads": "Threads count as memory only: they end with the container's memory, or with gVisor's.",
}
"""By test, or test and parameter."""
