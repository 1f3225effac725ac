"""The system calls that a computation may make.

Threat: the kernel is the wall between a hostile script and the worker, and every call is a door in it. The
distributions' default profiles leave open a virtual machine's way out (AF_VSOCK), user namespaces that hand out
capabilities to attack mount code with, ptrace, the kernel keyring, the 32-bit interface and memory that the kernel
itself can't read. So this is an allow-list: what numerical Python, R and their thread pools use, and no more.
What isn't listed fails with EPERM, as if forbidden; calls by which a C library tries something new first fail with
ENOSYS, as if absent, so that it falls back.

Arguments are only ever *allowed* by value: the kernel looks at 32 bits of many arguments while the filter compares
64, so forbidding single values could be got round by setting the upper half.
"""

from __future__ import annotations

from typing import Any

_ENOSYS = 38
_EPERM = 1

_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}

_FILES = """
    access chdir chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
    fallocate fchdir fchown fchownat fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat
    fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr lchown lgetxattr link linkat listxattr
    llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat newfstatat open openat openat2 pipe pipe2 pread64
    preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename renameat
    renameat2 rmdir sendfile setxattr splice stat statfs statx symlink symlinkat sync_file_range syncfs tee
    truncate umask unlink unlinkat utime utimensat utimes vmsplice write writev
"""

_MEMORY = """
    brk get_mempolicy membarrier mincore mlock mlock2 mlockall mprotect mremap msync munlock munlockall munmap
"""

_PROCESSES = """
    arch_prctl capget capset execve execveat exit exit_group fork futex futex_waitv get_robust_list
    get_thread_area getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid
    getresuid getrlimit getrusage getsid gettid getuid kill pidfd_open pidfd_send_signal prlimit64 rseq
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
    sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid
    setgroups setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setuid sigaltstack tgkill
    tkill vfork wait4 waitid
"""

_TIME_AND_EVENTS = """
    alarm clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2
    epoll_wait eventfd eventfd2 getcpu getitimer getrandom gettimeofday nanosleep pause poll ppoll pselect6
    restart_syscall select setitimer signalfd signalfd4 sysinfo time timer_create timer_delete timer_getoverrun
    timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times uname
"""

_SOCKETS_ONCE_MADE = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg
    sendmsg sendto shutdown
"""

# Terminals (isatty and the like), non-blocking mode, bytes waiting, and reading the list of interfaces. Missing on
# purpose: TIOCSTI and TIOCLINUX (typing into somebody's terminal), and every device's own.
_IOCTLS = {
    "TCGETS": 0x5401,
    "TIOCGPGRP": 0x540F,
    "TIOCSPGRP": 0x5410,
    "TIOCGWINSZ": 0x5413,
    "FIONREAD": 0x541B,
    "FIONBIO": 0x5421,
    "FIONCLEX": 0x5450,
    "FIOCLEX": 0x5451,
    "FIOASYNC": 0x5452,
    "SIOCGIFNAME": 0x8910,
    "SIOCGIFCONF": 0x8912,
    "SIOCGIFFLAGS": 0x8913,
    "SIOCGIFADDR": 0x8915,
    "SIOCGIFINDEX": 0x8933,
}

# Missing on purpose: F_NOTIFY (watching folders, as inotify does), F_SETLEASE (learning who opens a file), and who is
# sent signals about a file.
_FCNTLS = {
    "F_DUPFD": 0,
    "F_GETFD": 1,
    "F_SETFD": 2,
    "F_GETFL": 3,
    "F_SETFL": 4,
    "F_GETLK": 5,
    "F_SETLK": 6,
    "F_SETLKW": 7,
    "F_OFD_GETLK": 36,
    "F_OFD_SETLK": 37,
    "F_OFD_SETLKW": 38,
    "F_DUPFD_QUERY": 1027,
    "F_DUPFD_CLOEXEC": 1030,
    "F_SETPIPE_SZ": 1031,
    "F_GETPIPE_SZ": 1032,
    "F_ADD_SEALS": 1033,
    "F_GET_SEALS": 1034,
}

# What a process says of itself. Missing on purpose: filters of its own (SECCOMP), whose compiled code no limit counts
# and the machine has a fixed room for, so that with others' none there no container starts; and MEMORY_MERGE, after
# which how long a write takes tells whether somebody else's page holds the same.
_PRCTLS = {
    "SET_PDEATHSIG": 1,
    "GET_PDEATHSIG": 2,
    "GET_DUMPABLE": 3,
    "SET_DUMPABLE": 4,
    "GET_KEEPCAPS": 7,
    "SET_KEEPCAPS": 8,
    "SET_NAME": 15,
    "GET_NAME": 16,
    "GET_SECCOMP": 21,
    "CAPBSET_READ": 23,
    "CAPBSET_DROP": 24,
    "GET_SECUREBITS": 27,
    "SET_TIMERSLACK": 29,
    "GET_TIMERSLACK": 30,
    "SET_CHILD_SUBREAPER": 36,
    "GET_CHILD_SUBREAPER": 37,
    "SET_NO_NEW_PRIVS": 38,
    "GET_NO_NEW_PRIVS": 39,
    "GET_TID_ADDRESS": 40,
    "SET_THP_DISABLE": 41,
    "GET_THP_DISABLE": 42,
    "CAP_AMBIENT": 47,
    "SVE_SET_VL": 50,
    "SVE_GET_VL": 51,
    "GET_SPECULATION_CTRL": 52,
    "PAC_RESET_KEYS": 54,
    "SET_TAGGED_ADDR_CTRL": 55,
    "GET_TAGGED_ADDR_CTRL": 56,
    "SME_SET_VL": 63,
    "SME_GET_VL": 64,
    "GET_AUXV": 0x41555856,
    "SET_VMA": 0x53564D41,
}

# By level and option. Missing on purpose: filters (SO_ATTACH_FILTER), as above.
_SOCKET_OPTIONS = {
    "SO_REUSEADDR": (1, 2),
    "SO_DONTROUTE": (1, 5),
    "SO_BROADCAST": (1, 6),
    "SO_SNDBUF": (1, 7),
    "SO_RCVBUF": (1, 8),
    "SO_KEEPALIVE": (1, 9),
    "SO_OOBINLINE": (1, 10),
    "SO_PRIORITY": (1, 12),
    "SO_LINGER": (1, 13),
    "SO_REUSEPORT": (1, 15),
    "SO_PASSCRED": (1, 16),
    "SO_RCVLOWAT": (1, 18),
    "SO_RCVTIMEO": (1, 20),
    "SO_SNDTIMEO": (1, 21),
    "SO_TIMESTAMP": (1, 29),
    "SO_TIMESTAMPNS": (1, 35),
    "SO_ZEROCOPY": (1, 60),
    "IP_TOS": (0, 1),
    "IP_TTL": (0, 2),
    "IP_PKTINFO": (0, 8),
    "IP_MTU_DISCOVER": (0, 10),
    "IP_RECVERR": (0, 11),
    "TCP_NODELAY": (6, 1),
    "TCP_MAXSEG": (6, 2),
    "TCP_CORK": (6, 3),
    "TCP_KEEPIDLE": (6, 4),
    "TCP_KEEPINTVL": (6, 5),
    "TCP_KEEPCNT": (6, 6),
    "TCP_QUICKACK": (6, 12),
    "TCP_USER_TIMEOUT": (6, 18),
    "IPV6_RECVERR": (41, 25),
    "IPV6_V6ONLY": (41, 26),
    "IPV6_TCLASS": (41, 67),
}

# Missing on purpose: putting parts of the image out of memory (DONTNEED), after which reading tells who has read them.
_FILE_ADVICE = {"NORMAL": 0, "RANDOM": 1, "SEQUENTIAL": 2, "WILLNEED": 3, "NOREUSE": 5}

# Missing on purpose: MERGEABLE, as above, and PAGEOUT, which writes memory to the machine's swap.
_MEMORY_ADVICE = (*range(5), *range(8, 12), *range(13, 21), *range(22, 26), 102, 103)

_MAP_HUGETLB, _MFD_HUGETLB = 0x40000, 4  # pages of the machine's that no limit counts
_CLONE_NEW_NAMESPACES = 0x7E020000  # NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_SET_ID_BITS = 0o6000
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_PROTOCOLS = (0, 6, 17)  # the default of the type, TCP, UDP: nothing that loads a kernel module
_PERSONALITIES = (0, 0xFFFFFFFF)  # plain Linux, and asking which one it is

# What a C library or a run-time tries first and does without.
_ABSENT = ["clone3", "io_uring_setup", "io_setup", "landlock_create_ruleset", "map_shadow_stack"]


def _equal(index: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}


def _bits_clear(index: int, mask: int) -> dict[str, Any]:
    return {"index": index, "value": mask, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}


def _allow(names: list[str], *arguments: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ALLOW"}
    if arguments:
        rule["args"] = list(arguments)
    return rule


def profile(machine: str, *, knows_numbers: bool = True) -> dict[str, Any]:
    """The `linux.seccomp` section of an OCI configuration for one architecture and none of its older interfaces.

    A call under another interface (i386, x32) kills the process that makes it.

    Args:
        knows_numbers: whether the runtime can be told the error's number. gVisor makes EPERM of all; there, what is to
            look absent is handed to a tracer, who isn't there: that is ENOSYS, too (seccomp(2)).

    Raises:
        ValueError: no profile was made for this architecture.
    """
    if machine not in _ARCHITECTURES:
        raise ValueError(f"there is no system call filter for {machine}; use x86_64 or aarch64")
    rules = [
        _allow((_FILES + _MEMORY + _PROCESSES + _TIME_AND_EVENTS + _SOCKETS_ONCE_MADE).split()),
        _allow(["clone"], _bits_clear(0, _CLONE_NEW_NAMESPACES)),
        _allow(["mmap"], _bits_clear(3, _MAP_HUGETLB)),
        _allow(["memfd_create"], _bits_clear(1, _MFD_HUGETLB)),
        _allow(["chmod", "fchmod"], _bits_clear(1, _SET_ID_BITS)),
        _allow(["fchmodat", "fchmodat2"], _bits_clear(2, _SET_ID_BITS)),
        _allow(["socket", "socketpair"], _equal(0, _AF_UNIX)),
    ]
    rules += [
        _allow(["socket"], _equal(0, family), _equal(2, protocol))
        for family in (_AF_INET, _AF_INET6)
        for protocol in _PROTOCOLS
    ]
    rules += [
        _allow([call], _equal(index, value))
        for call, index, values in (
            ("ioctl", 1, _IOCTLS.values()),
            ("fcntl", 1, _FCNTLS.values()),
            ("prctl", 0, _PRCTLS.values()),
            ("fadvise64", 3, _FILE_ADVICE.values()),
            ("madvise", 2, _MEMORY_ADVICE),
            ("personality", 0, _PERSONALITIES),
        )
        for value in values
    ]
    rules += [_allow(["setsockopt"], _equal(1, level), _equal(2, option)) for level, option in _SOCKET_OPTIONS.values()]
    absent = {"action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS} if knows_numbers else {"action": "SCMP_ACT_TRACE"}
    rules.append({"names": _ABSENT, **absent})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": [_ARCHITECTURES[machine]],
        "syscalls": rules,
    }
