"""Scripts that knock at the kernel: every way to more rights, other processes or other machines must be shut.

Many attempts share one container, each in a function that reports what it got.
"""

from __future__ import annotations

import platform

import pytest

from tests.containers import Machine

x86_64_only = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="speaks in system call numbers and machine code of x86-64"
)

# What the attempts below share. Each prints nothing; the last line prints all findings as JSON.
PRELUDE = """
import ctypes, errno, json, mmap, os, signal, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
NAMESPACES = (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000, 0x4000000, 0x2000000)
found = {}

def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(
        a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments
    ))
    return "got it" if result != -1 else errno.errorcode[ctypes.get_errno()]

def attempt(name, action):
    try:
        result = action()
    except OSError as error:
        result = errno.errorcode.get(error.errno, str(error))
    except ValueError as error:  # what the resource module makes of EPERM
        result = "EPERM" if "not allowed to raise" in str(error) else repr(error)
    found[name] = result

def in_child(action):
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
"""
FINDINGS = "\nprint(json.dumps(found))\n"

SHUT = {"EPERM", "ENOSYS"}


@x86_64_only
def test_forbidden_system_calls(machine: Machine) -> None:
    """Asked directly, past the C library, with arguments that would be good enough to get somewhere."""
    ran = machine.run(
        PRELUDE
        + """
SOCKET = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).detach()
program = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7fff0000))  # of one step: allow all
FILTER = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", 1, ctypes.addressof(program)), 16)
page = mmap.mmap(-1, 4096)
PAGE = ctypes.addressof(ctypes.c_char.from_buffer(page))
numbers = {
    "ptrace attach": (101, 16, os.getppid(), 0, 0), "ptrace me": (101, 0, 0, 0, 0),
    "process_vm_readv": (310, os.getpid(), 0, 0, 0, 0, 0), "process_vm_writev": (311, os.getpid(), 0, 0, 0, 0, 0),
    "process_madvise": (440, -1, 0, 0, 0, 0), "pidfd_getfd": (438, -1, 0, 0), "kcmp": (312, 1, 1, 0, 0, 0),
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0), "umount2": (166, b"/tmp", 2),
    "pivot_root": (155, b"/tmp", b"/tmp"), "chroot": (161, b"/tmp"), "fsopen": (430, b"tmpfs", 0),
    "fsmount": (432, -1, 0, 0), "fspick": (433, -100, b"/tmp", 0), "open_tree": (428, -100, b"/tmp", 1),
    "move_mount": (429, -1, b"", -1, b"", 0), "mount_setattr": (442, -1, b"", 0, 0, 0),
    "setns": (308, os.open("/proc/self/ns/net", os.O_RDONLY), 0),
    **{f"unshare {flag:#x}": (272, flag) for flag in (*NAMESPACES, 0x80)}, "clone3": (435, bytes(88), 88),
    "keyctl": (250, 0, -3, 1), "add_key": (248, b"user", b"canary", b"x", 1, -3),
    "request_key": (249, b"user", b"x", 0, -3), "bpf": (321, 0, bytes(72), 72),
    "perf_event_open": (298, bytes(112), 0, -1, -1, 0), "userfaultfd": (323, 1), "io_uring_setup": (425, 1, bytes(120)),
    "io_uring_enter": (426, -1, 1, 0, 0, 0, 0), "io_setup": (206, 1, bytes(8)), "memfd_secret": (447, 0),
    "name_to_handle_at": (303, -100, b"/tmp", bytes(136), bytes(4), 0), "open_by_handle_at": (304, -100, bytes(136), 0),
    "inotify_init1": (294, 0), "inotify_init": (253,), "inotify_add_watch": (254, 0, b"/usr/bin", 0xfff),
    "fanotify_init": (300, 0, 0), "fanotify_mark": (301, 0, 0, 0, 0, 0), "shmget": (29, 4711, 4096, 0o1666),
    "semget": (64, 4711, 1, 0o1666), "msgget": (68, 4711, 0o1666), "mq_open": (240, b"canary", 0o102, 0o666, 0),
    "mknod": (133, b"/tmp/node", 0o020666, 0x0105), "mknodat": (259, -100, b"/tmp/node", 0o060666, 0xfe00),
    "mkfifo": (133, b"/tmp/fifo", 0o010666, 0), "init_module": (175, b"", 0, b""),
    "finit_module": (313, -1, b"", 0), "delete_module": (176, b"x", 0), "kexec_load": (246, 0, 0, 0, 0),
    "reboot": (169, 0xfee1dead, 672274793, 0, 0), "swapon": (167, b"/tmp/x", 0), "swapoff": (168, b"/tmp/x"),
    "settimeofday": (164, bytes(16), 0), "clock_settime": (227, 0, bytes(16)), "clock_adjtime": (305, 0, bytes(208)),
    "adjtimex": (159, bytes(208)), "sethostname": (170, b"x", 1), "setdomainname": (171, b"x", 1), "iopl": (172, 3),
    "ioperm": (173, 0, 1, 1), "modify_ldt": (154, 0, 0, 0), "syslog": (103, 3, bytes(100), 100),
    "acct": (163, b"/tmp/x"), "quotactl": (179, 0, 0, 0, 0), "vhangup": (153,), "lookup_dcookie": (212, 0, 0, 0),
    "move_pages": (279, 0, 0, 0, 0, 0, 0), "migrate_pages": (256, 0, 0, 0, 0), "set_mempolicy": (238, 0, 0, 0),
    "mbind": (237, 0, 0, 0, 0, 0, 0), "seccomp": (317, 2, 0, bytes(4)), "landlock_create_ruleset": (444, 0, 0, 1),
    "personality: no randomisation": (135, 0x0040000), "personality: 32 bits": (135, 8),
    "chmod set-uid": (90, b"/tmp", 0o4755), "fchmod set-gid": (91, 0, 0o2755),
    "fchmodat set-uid": (268, -100, b"/tmp", 0o6755), "fchmodat2 set-uid": (452, -100, b"/tmp", 0o4755, 0),
    "TIOCSTI": (16, 0, 0x5412, b"x"), "TIOCSTI in 64 bits": (16, 0, 0x1_0000_5412, b"x"),
    "TIOCLINUX": (16, 0, 0x541c, b"x"),
    # What no limit counts: compiled filters, huge pages. What others have in memory, or have yet to write.
    "filter of its own": (157, 22, 2, FILTER, 0, 0), "its kind in 64 bits": (157, (1 << 32) + 22, 2, FILTER, 0, 0),
    "filter of a socket": (54, SOCKET, 1, 26, FILTER, 16), "shared by sockets": (54, SOCKET, 1, 51, FILTER, 16),
    "its level in 64 bits": (54, SOCKET, (1 << 32) + 1, 26, FILTER, 16), "lock it": (54, SOCKET, 1, 44, bytes(4), 4),
    "kernel's TLS": (54, SOCKET, 6, 31, b"tls", 3), "huge pages": (9, 0, 1 << 21, 3, 0x40022, -1, 0),
    "huge, in 64 bits": (9, 0, 1 << 21, 3, (1 << 32) + 0x40022, -1, 0), "huge file": (319, b"x", 4),
    "merge all pages": (157, 67, 1, 0, 0, 0), "merge some": (28, PAGE, 4096, 12), "swap out": (28, PAGE, 4096, 21),
    "map of another": (157, 35, 14, bytes(104), 104, 0), "cores": (157, 62, 1, 0, 0, 0), "sync": (162,),
    "cachestat": (451, 0, bytes(16), bytes(40), 0), "fadvise": (221, 0, 0, 0, 4), "listmount": (458, bytes(24), 0, 0),
    "statmount": (457, bytes(24), bytes(512), 512, 0), "open_tree_attr": (467, -100, b"/tmp", 1, 0, 0),
    "quotactl_fd": (443, 0, 0, 0, 0), "process_mrelease": (448, -1, 0), "ioprio_set": (251, 1, 0, 1 << 13),
    "pkey_alloc": (330, 0, 0), "remap_file_pages": (216, PAGE, 4096, 0, 0, 0), "io_pgetevents": (333, 0, 0, 0, 0, 0, 0),
    "landlock_restrict_self": (446, -1, 0), "lsm_list_modules": (461, bytes(64), bytes(8), 0), "uselib": (134, b"/x"),
    "sysfs": (139, 3), "ustat": (136, 0, bytes(64)), "vserver": (236,), "setxattrat": (463, -100, b"", 0, b"", 0, 0),
    "futex_wait": (455, 0, 0, 0, 0, 0, 0), "mseal": (462, PAGE, 4096, 0), "map_shadow_stack": (453, 0, 4096, 0),
    "x32 getpid": (0x40000000 + 39,),
}
for name, arguments in numbers.items():
    if name.startswith("x32"):
        attempt(name, lambda: in_child(lambda: os._exit(7 if call(*arguments) == "got it" else 0)))
    else:
        attempt(name, lambda: call(*arguments))
"""
        + FINDINGS
    ).json()
    x32 = ran.pop("x32 getpid")
    assert x32 in ("exit 0", "signal 31")
    assert {name: result for name, result in ran.items() if result not in SHUT} == {}
    assert len(ran) > 120


@x86_64_only
def test_namespaces_by_clone(machine: Machine) -> None:
    ran = machine.run(
        PRELUDE
        + """
for flag in NAMESPACES:
    attempt(f"{flag:#x}", lambda: in_child(lambda: os._exit(9 if call(56, flag | 17, 0, 0, 0, 0) == "got it" else 0)))
"""
        + FINDINGS
    ).json()
    assert set(ran.values()) == {"exit 0"}
    assert len(ran) == 7


@x86_64_only
def test_the_32_bit_interface(machine: Machine) -> None:
    """`int 0x80` reaches the kernel's i386 table, whose numbers mean other calls: it must kill the caller."""
    ran = machine.run(
        PRELUDE
        + """
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000" "cd80" "c3"))  # mov eax, 20 (getpid); int 0x80; ret
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
attempt("i386 getpid", lambda: in_child(lambda: ctypes.CFUNCTYPE(ctypes.c_int)(address)()))
"""
        + FINDINGS
    ).json()
    assert ran == {"i386 getpid": "signal 31"}


def test_socket_families(machine: Machine) -> None:
    """Only unix sockets, and the internet ones, which lead no further than the container's own loopback."""
    seen = machine.run(
        PRELUDE
        + """
for family in range(64):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, kind).close()
            found.setdefault("made", []).append(family)
        except OSError:
            pass
for protocol in (1, 2, 33, 58, 132, 136, 255, 256, 262):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.socket(family, socket.SOCK_STREAM, protocol).close()
            found.setdefault("protocols", []).append(protocol)
        except OSError:
            pass
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 1)))
attempt("pair", lambda: socket.socketpair(socket.AF_INET, socket.SOCK_STREAM))
"""
        + FINDINGS
    ).json()
    assert set(seen["made"]) == {1, 2, 10}
    assert "protocols" not in seen
    assert seen["vsock"] == "EPERM"
    assert seen["pair"] == "EPERM"


def test_there_is_no_network_but_its_own(machine: Machine) -> None:
    seen = machine.run(
        PRELUDE
        + """
for name, address in {"host": "10.0.0.1", "metadata": "169.254.169.254", "world": "192.0.2.1"}.items():
    def reach():
        with socket.socket() as s:
            s.settimeout(2)
            s.connect((address, 80))
    attempt(name, reach)
def reach6():
    with socket.socket(socket.AF_INET6) as s:
        s.connect(("2001:db8::1", 80))
attempt("world v6", reach6)
def resolve():
    try:
        socket.getaddrinfo("example.com", 80)
    except socket.gaierror:
        raise OSError(errno.ENETUNREACH, "unresolved")
attempt("names", resolve)
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
    client.sendall(b"x")
    found["loopback"] = server.accept()[0].recv(1).decode()
found["interfaces"] = [line.split(":")[0].strip() for line in open("/proc/self/net/dev") if ":" in line]
"""
        + FINDINGS
    ).json()
    assert seen.pop("loopback") == "x"
    assert seen.pop("interfaces") == ["lo"]
    assert set(seen.values()) == {"ENETUNREACH"}


def test_abstract_unix_sockets_of_the_host(machine: Machine, abstract_socket: str) -> None:
    seen = machine.run(
        PRELUDE
        + f"""
def reach():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("\\0" + {abstract_socket!r})
    return "got it"
attempt("abstract", reach)
"""
        + FINDINGS
    ).json()
    assert seen == {"abstract": "ECONNREFUSED"}


def test_rights_cannot_be_gained(machine: Machine) -> None:
    seen = machine.run(
        PRELUDE
        + """
import subprocess
def put(path, text):
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text)
    finally:
        os.close(descriptor)
for name, action in {
    "setuid": lambda: os.setuid(0), "setgid": lambda: os.setgid(0), "setgroups": lambda: os.setgroups([0]),
    "chown": lambda: os.chown("/tmp", 0, 0), "map users": lambda: put("/proc/self/uid_map", b"0 0 1"),
    "be killed last": lambda: put("/proc/self/oom_score_adj", b"-1000"),
    "raise its files": lambda: __import__("resource").setrlimit(7, (1 << 20, 1 << 20)),
    "dump core": lambda: __import__("resource").setrlimit(4, (1 << 20, 1 << 20)),
    "nice": lambda: os.nice(-20), "kill tini": lambda: os.kill(1, signal.SIGKILL),
}.items():
    attempt(name, lambda: (action(), "got it")[1])
# A set-uid file made by its opening mode, which no filter sees: it must not count.
descriptor = os.open("/tmp/id", os.O_CREAT | os.O_WRONLY, 0o6755)
with open("/usr/bin/id", "rb") as source:
    os.write(descriptor, source.read())
os.close(descriptor)
found["mode"] = oct(os.stat("/tmp/id").st_mode)
found["id"] = subprocess.run(["/tmp/id", "-u"], capture_output=True, text=True).stdout.strip()
found["core"] = __import__("resource").getrlimit(4)
status = dict(line.rstrip("\\n").split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
found["status"] = {key: status[key] for key in ("CapEff", "CapBnd", "CapPrm", "CapAmb", "NoNewPrivs", "Seccomp")}
found["set-id files"] = [
    os.path.join(folder, name)
    for top in ("/usr/bin", "/usr/sbin", "/usr/lib", "/bin")
    for folder, _, names in os.walk(top)
    for name in names
    if os.lstat(os.path.join(folder, name)).st_mode & 0o6000
]
"""
        + FINDINGS
    ).json()
    assert seen.pop("status") == {
        **dict.fromkeys(("CapEff", "CapBnd", "CapPrm", "CapAmb"), "0000000000000000"),
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }
    assert seen.pop("id") == "1000"
    assert seen.pop("core") == [1, 1]  # 0 would let a program of the host's have it, see core(5)
    seen.pop("mode")
    seen.pop("set-id files")  # harmless even where an image has some: every mount is nosuid
    # The kernel shields process 1 of a namespace from signals within: the call succeeds, and nothing happens.
    assert seen.pop("kill tini") == "got it"
    assert {name: result for name, result in seen.items() if result not in ("EPERM", "EINVAL", "EACCES")} == {}
