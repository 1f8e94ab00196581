"""Who runs this: the person who logged in, whatever sudo or su made of them since."""

from __future__ import annotations

from hpcapvf.host.protocols import Files

_LOGIN_UID = "/proc/self/loginuid"
_ACCOUNTS = "/etc/passwd"
_NOBODY_LOGGED_IN = "4294967295"  # (uid_t)-1: a service, or a kernel that was not told


def operator(files: Files) -> str:
    """Their account's name, or ``uid N`` if this host's own accounts do not have it; empty if the kernel does not say.

    The login uid of proc(5), which sudo keeps; SUDO_USER is a variable that anyone may set.
    """
    uid = (files.read_text(_LOGIN_UID) or "").strip()
    if not uid.isdecimal() or uid == _NOBODY_LOGGED_IN:
        return ""
    for line in (files.read_text(_ACCOUNTS) or "").splitlines():
        name, *fields = line.split(":")
        if len(fields) > 1 and fields[1] == uid:
            return name
    return f"uid {uid}"
