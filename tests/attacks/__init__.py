"""Attempts on what Cloister promises, each made for real: by hostile scripts, and by a hub that lies.

The hostile scripts, by what they are after. Each runs in a container as a computation does; each test says what the
script must not get, and that nothing of it is left.

| after | tests |
| --- | --- |
| the kernel: ptrace, mount, namespaces, setns, keyring, bpf, perf, userfaultfd, io_uring, memfd_secret, inotify, set-id bits, typing into terminals and 90 calls more | `test_forbidden_system_calls`, `test_namespaces_by_clone` |
| the kernel, by older doors: i386, x32 | `test_the_32_bit_interface`, `test_forbidden_system_calls` |
| others, by sockets: all families and protocols, vsock, networks, abstract names of the host, a socket in an input | `test_socket_families`, `test_there_is_no_network_but_its_own`, `test_abstract_unix_sockets_of_the_host`, `test_a_socket_among_the_inputs_is_refused` |
| rights: other users, capabilities, limits, a set-user-id file | `test_rights_cannot_be_gained` |
| the host: its files, devices, names, environment, /sys, control groups, disks' free space | `test_nothing_of_the_host_shows`, `test_what_the_kernel_says_of_the_machine` |
| other processes: seeing, reading, signalling, outranking them; descriptors that lead out | `test_other_processes`, `test_process_1`, `test_signals_reach_nobody_outside`, `test_open_files_are_its_own` |
| writing to inputs, code, image, device files; links into the host | `test_writes_where_nothing_may_be_written`, `test_the_input_is_unchanged_on_the_host`, `test_a_link_among_the_inputs_is_refused` |
| the last task, by its canary: files, names, attributes, shared memory, environment, memory | `test_the_next_task_finds_nothing_of_the_last`, `test_nothing_of_a_task_reaches_the_next_however_it_ended` (six ends) |
| the task beside it: the same, and locks on what both can read | `test_tasks_at_the_same_time_do_not_see_each_other`, `test_a_task_beside_does_not_show` |
| the next task: a spoilt interpreter, a known random state, a result that poses as a library | `test_state_of_the_interpreter_is_fresh`, `test_chance_is_fresh_in_every_task`, `test_a_result_cannot_pose_as_a_library` |
| side channels that can be shut: page cache, folder watching, leases, boot id, counters | `test_the_page_cache_tells_nothing`, `test_folders_and_files_cannot_be_watched`, `test_what_the_kernel_says_of_the_machine` |
| the disk that inputs, output and /tmp may lie on: its key, its place, its file system | `test_the_file_system_of_the_disk`, and nine of the others once more there |
| everything the machine has: 20 bombs of memory, memory files, files, inodes, links, processes, threads, time, output, log, pipes | `test_bombs` |
| memory of the kernel's own: network buffers, timers, compiled filters, huge pages | `test_network_buffers_are_bounded`, `test_timers_are_bounded`, `test_forbidden_system_calls` |
| living on: daemons, fork bombs in sessions of their own, all signals ignored, the log kept open or taken apart | `test_fork_bomb_in_the_background_ends_with_its_script`, `test_a_daemon_that_keeps_the_log_open`, `test_closing_the_log_does_not_confuse_anybody`, `test_a_script_that_takes_its_pipes_apart`, `test_bombs` |
| stalling the worker: a flood of output, processor time, not being withdrawn | `test_a_flood_is_taken_in_without_stalling`, `test_what_it_prints_waits_for_its_reader`, `test_time_is_shared_by_the_processor_limit`, `test_withdrawing_a_computation` |
| whoever reads the result: links, devices, FIFOs, sockets, odd names, depth, sparse files, modes (13 kinds) | `test_odd_things_in_the_output`, `test_fifos_and_devices_cannot_be_made`, `test_modes_in_the_output_do_not_count` |
| whoever reads the error: data in reports, class, function and file names | `test_wishes_for_attention_in_a_report`, `test_data_in_class_function_and_file_names` |
"""  # noqa: E501 - a table
