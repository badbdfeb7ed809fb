"""Linux system calls that Python has no name for, called by number, and the numbers themselves."""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any

_TABLE = """
socket 41 198 · socketpair 53 199 · connect 42 203 · bind 49 200 · listen 50 201 · accept 43 202 · accept4 288 242
sendto 44 206 · sendmsg 46 211 · sendmmsg 307 269
fork 57 - · vfork 58 - · clone 56 220 · clone3 435 435 · execve 59 221 · execveat 322 281
setsid 112 157 · setpgid 109 154 · prctl 157 167
ptrace 101 117 · process_vm_readv 310 270 · process_vm_writev 311 271 · process_madvise 440 440 · kcmp 312 272
pidfd_open 434 434 · pidfd_getfd 438 438 · pidfd_send_signal 424 424
kill 62 129 · tkill 200 130 · tgkill 234 131 · rt_sigqueueinfo 129 138 · rt_tgsigqueueinfo 297 240
io_uring_setup 425 425 · io_uring_enter 426 426 · io_uring_register 427 427
bpf 321 280 · perf_event_open 298 241 · userfaultfd 323 282 · fanotify_init 300 262
add_key 248 217 · request_key 249 218 · keyctl 250 219
mount 165 40 · umount2 166 39 · pivot_root 155 41 · chroot 161 51 · unshare 272 97 · setns 308 268
open_tree 428 428 · move_mount 429 429 · fsopen 430 430 · fsconfig 431 431 · fsmount 432 432 · fspick 433 433
mount_setattr 442 442 · name_to_handle_at 303 264 · open_by_handle_at 304 265
swapon 167 224 · swapoff 168 225 · quotactl 179 60 · quotactl_fd 443 443 · acct 163 89
init_module 175 105 · finit_module 313 273 · delete_module 176 106 · kexec_load 246 104 · kexec_file_load 320 294
reboot 169 142 · syslog 103 116 · vhangup 153 58 · sethostname 170 161 · setdomainname 171 162
settimeofday 164 170 · clock_settime 227 112 · clock_adjtime 305 266 · adjtimex 159 171
setuid 105 146 · setgid 106 144 · setreuid 113 145 · setregid 114 143 · setresuid 117 147 · setresgid 119 149
setfsuid 122 151 · setfsgid 123 152 · setgroups 116 159 · capset 126 91
personality 135 92 · iopl 172 - · ioperm 173 - · modify_ldt 154 - · uselib 134 -
setrlimit 160 164 · prlimit64 302 261 · ioctl 16 29
open 2 - · openat 257 56 · openat2 437 437 · creat 85 -
truncate 76 45 · rename 82 - · renameat 264 38 · renameat2 316 276
link 86 - · linkat 265 37 · symlink 88 - · symlinkat 266 36 · unlink 87 - · unlinkat 263 35
mkdir 83 - · mkdirat 258 34 · rmdir 84 - · mknod 133 - · mknodat 259 33
chmod 90 - · fchmod 91 52 · fchmodat 268 53 · chown 92 - · fchown 93 55 · lchown 94 - · fchownat 260 54
utime 132 - · utimes 235 - · futimesat 261 - · utimensat 280 88
setxattr 188 5 · lsetxattr 189 6 · fsetxattr 190 7 · removexattr 197 14 · lremovexattr 198 15 · fremovexattr 199 16
shmget 29 194 · shmat 30 196 · shmctl 31 195 · semget 64 190 · semctl 66 191 · semop 65 193
msgget 68 186 · msgsnd 69 189 · msgrcv 70 188 · mq_open 240 180 · mq_unlink 241 181
seccomp 317 277 · landlock_create_ruleset 444 444 · landlock_add_rule 445 445 · landlock_restrict_self 446 446
"""
"""Name, number on x86_64, number on aarch64 (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h)."""

#: AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64 of linux/audit.h.
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
#: The newest call that the table was made for; what came later is unknown to it.
NEWEST = 451

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """This machine's architecture. Raises OSError where its calls are unknown."""
    name = platform.machine()
    if name not in AUDIT or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise OSError(f"not supported on {name}")
    return name


def numbers() -> dict[str, int]:
    """Numbers of this machine's system calls by name."""
    column = 1 + list(AUDIT).index(machine())
    rows = [call.split() for line in _TABLE.strip().splitlines() for call in line.split("·")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def call(name: str, *arguments: Any) -> int:
    """Call the kernel with numbers and pointers. Raises OSError."""
    _libc.syscall.restype = ctypes.c_long
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(_libc.syscall(ctypes.c_long(numbers()[name]), *converted))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def prctl(option: int, *arguments: int) -> None:
    """Raises OSError."""
    padded = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:4]]
    if _libc.prctl(option, *padded) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl: {os.strerror(code)}")
