"""Files below a root folder: the real machine with root ``/``, or a recorded tree that may not lead out of it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator

from hpcapvf.model.errors import Conflict, FileFailed

_TEXT_LIMIT = 16 << 20
_LINK_LIMIT = 40
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})

# Why the kernel refuses a write to an attribute file; the same numbers mean other things for other files.
_ATTRIBUTE_HINTS = {
    errno.EBUSY: "something still uses it: sriov_numvfs changes only from or to 0, and only when no VM holds a VF; "
    "a device bound to another driver must be unbound first",
    errno.EPERM: "needs root, and a kernel that is not locked down (/sys/kernel/security/lockdown)",
    errno.EACCES: "needs root",
    errno.ENOSPC: "the device or the bus has no room (VF BARs or bus numbers not reserved by the firmware: try the "
    "kernel argument pci=realloc, or pci=assign-busses)",
    errno.EINVAL: "the kernel does not take this value here: out of range, or not supported by this device",
    errno.ENODEV: "no such device, or the driver does not match it (driver_override; vfio-pci without an IOMMU)",
    errno.ENOMEM: "not enough free memory; for hugepages free memory on that node may be too fragmented",
    errno.ENOSYS: "the device's driver does not support this (SR-IOV needs the PF's driver bound)",
    errno.EOPNOTSUPP: "the device's driver does not support this (SR-IOV needs the PF's driver bound)",
}

# Files for which a number means something of its own. sriov_numvfs: drivers/pci/pci-sysfs.c and iov.c of Linux, and the
# PF drivers' sriov_configure (ENOSPC: ice without MSI-X vectors; EPERM: igb and ixgbe while VMs hold VFs).
_HINTS_OF_FILE = {
    "sriov_numvfs": {
        errno.EBUSY: "there are VFs already, and the kernel changes their number only through 0: ask for as many as "
        "there are, or free them and write 0",
        errno.EPERM: "VMs hold VFs of it, or the PF's driver allows fewer VFs (igb 7, ixgbe 63); a locked-down kernel "
        "or a user other than root is refused as well",
        errno.ENOSPC: "the card has no interrupt vectors (MSI-X) left for VFs: fewer VFs, or fewer queues or RDMA of "
        "its PF; see the kernel log",
        errno.ENOMEM: "no room in the address space or bus numbers for the VFs: switch SR-IOV and 'above 4G decoding' "
        "on in the firmware, or boot with pci=realloc (or pci=assign-busses); see the kernel log",
        errno.ENOENT: "no driver is bound to the PF, or one that makes no VFs: bind its own (for vfio-pci load it with "
        "enable_sriov=1)",
        errno.ERANGE: "the card has fewer VFs than that: see sriov_totalvfs",
        errno.EIO: "the card did not answer: see the kernel log",
    },
    "nr_hugepages": {errno.EINVAL: "this kernel gives pages of that size at boot only (hugepagesz= hugepages=)"},
    "bind": {
        errno.EBUSY: "the device has a driver: unbind it first",
        errno.EINVAL: "vfio-pci takes nothing without an IOMMU: intel_iommu=on or amd_iommu=on",
        errno.ENODEV: "the driver does not take this device: set driver_override first",
    },
    "unbind": {errno.ENODEV: "the device is not bound to this driver"},
}


class LocalFiles:
    """Files of this machine below ``root``. With another root than ``/`` links are resolved inside that root."""

    def __init__(self, root: str = "/") -> None:
        self._root = os.path.realpath(root)

    @property
    def root(self) -> str:
        """The folder that plays the machine's ``/``."""
        return self._root

    def read_text(self, path: str) -> str | None:
        """The text (bytes that are not UTF-8 replaced), or None if there is no such file."""
        data = self._read(path, _TEXT_LIMIT + 1)
        if data is not None and len(data) > _TEXT_LIMIT:
            raise FileFailed(path, "read", errno.EFBIG, reason=f"larger than {_TEXT_LIMIT >> 20} MiB")
        return None if data is None else data.decode("utf-8", errors="replace")

    def read_bytes(self, path: str, limit: int) -> bytes | None:
        """At most ``limit`` bytes from the start, or None if there is no such file."""
        return self._read(path, limit)

    def write_text(self, path: str, text: str) -> None:
        """Write to an existing attribute file in one write, never creating it."""
        data = text.encode()
        with _failing_as(path, "write", attribute_hints(path)):
            descriptor = os.open(self._resolve(path), os.O_WRONLY | os.O_CLOEXEC | os.O_TRUNC)
            try:
                written = os.write(descriptor, data)
            finally:
                os.close(descriptor)
        if written != len(data):
            raise FileFailed(path, "write", errno.EIO, reason=f"only {written} of {len(data)} bytes were taken")

    def replace(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a regular file atomically; folders that it makes are private if the file is."""
        with _failing_as(path, "write"):
            target = self._resolve(path)
            folder = os.path.dirname(target)
            os.makedirs(folder, mode=0o700 if mode & 0o077 == 0 else 0o755, exist_ok=True)
            temporary = f"{target}.new.{os.getpid()}"
            try:
                _write_and_sync(temporary, data, mode)
                os.replace(temporary, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            _sync_folder(folder)

    def append_durably(self, path: str, line: str, mode: int = 0o600) -> None:
        """Append one line (the newline is added) and fsync before returning; the file is made if absent.

        If it fails (a full disk), what was written of the line is taken away again.
        """
        with _failing_as(path, "append to"):
            target = self._resolve(path)
            folder = os.path.dirname(target)
            os.makedirs(folder, mode=0o700 if mode & 0o077 == 0 else 0o755, exist_ok=True)
            new = not os.path.lexists(target)
            descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
            try:
                _append_whole(descriptor, line.removesuffix("\n").encode() + b"\n")
            finally:
                os.close(descriptor)
            if new:
                _sync_folder(folder)

    def cut(self, path: str, size: int) -> None:
        """Shorten a regular file to its first ``size`` bytes and fsync."""
        with _failing_as(path, "shorten"):
            descriptor = os.open(self._resolve(path), os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.ftruncate(descriptor, min(size, os.fstat(descriptor).st_size))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def remove(self, path: str) -> None:
        """Remove a file or a link (not what the link leads to); nothing happens if it is absent."""
        with _failing_as(path, "remove"):
            try:
                os.unlink(self._resolve(path, follow_last=False))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise

    def make_folder(self, path: str, mode: int = 0o755) -> None:
        """Have a folder with this mode, making its parents as needed."""
        with _failing_as(path, "make folder"):
            target = self._resolve(path)
            os.makedirs(target, mode=mode, exist_ok=True)
            os.chmod(target, mode)

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder; nothing happens if it is absent."""
        with _failing_as(path, "remove folder"):
            try:
                os.rmdir(self._resolve(path, follow_last=False))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise

    @contextlib.contextmanager
    def hold_lock(self, path: str, who: str) -> Iterator[None]:
        """Hold a lock (flock) without waiting; Conflict names the holder. It ends with the process in any case."""
        with _failing_as(path, "lock"):
            target = self._resolve(path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take_lock(path, descriptor, who)
            yield
        finally:
            os.close(descriptor)

    def _take_lock(self, path: str, descriptor: int, who: str) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 256, 0).decode(errors="replace").strip() or "another process"
            raise Conflict(f"{path} is held: {holder}", hint="wait until it has ended") from None
        with _failing_as(path, "lock"):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{who} (process {os.getpid()})\n".encode(), 0)

    def exists(self, path: str) -> bool:
        """Whether something is there, links followed."""
        return self._stat(path) is not None

    def size(self, path: str) -> int | None:
        """Bytes in a file, or None if there is no such file."""
        status = self._stat(path)
        return None if status is None else status.st_size

    def list(self, path: str) -> tuple[str, ...] | None:
        """Sorted names in a folder, or None if there is no such folder."""
        with _failing_as(path, "list"):
            try:
                return tuple(sorted(os.listdir(self._resolve(path))))
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise

    def link_name(self, path: str) -> str | None:
        """The last component of a symbolic link's target; None if nothing is there or it is not a link."""
        with _failing_as(path, "read link"):
            try:
                return os.path.basename(os.readlink(self._resolve(path, follow_last=False)).rstrip("/"))
            except OSError as error:
                if error.errno in _ABSENT or error.errno == errno.EINVAL:  # EINVAL: there, but not a link
                    return None
                raise

    def real_path(self, path: str) -> str | None:
        """The path with links followed, as seen from the root; None if nothing is there."""
        with _failing_as(path, "resolve"):
            try:
                resolved = self._resolve(path)
                resolved = os.path.realpath(resolved) if self._root == "/" else resolved
                os.lstat(resolved)
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise
        return resolved if self._root == "/" else resolved[len(self._root) :] or "/"

    def _read(self, path: str, limit: int) -> bytes | None:
        with _failing_as(path, "read"):
            try:
                descriptor = os.open(self._resolve(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise
            try:
                # A pipe or a device in a recorded tree could block for ever or never end.
                if self._root != "/" and not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "not a regular file")
                return _read_up_to(descriptor, limit)
            finally:
                os.close(descriptor)

    def _stat(self, path: str) -> os.stat_result | None:
        with _failing_as(path, "look at"):
            try:
                return os.stat(self._resolve(path))
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise

    def _resolve(self, path: str, *, follow_last: bool = True) -> str:
        """The path on this machine. Under a root of its own, no link and no ``..`` leads out of that root."""
        if not path.startswith("/") or "\0" in path:
            raise OSError(errno.EINVAL, "not an absolute path")
        if self._root == "/":
            return path
        return _resolve_inside(self._root, path, follow_last)


def _resolve_inside(root: str, path: str, follow_last: bool) -> str:
    """Follow links the way a chroot would. Parts that do not exist are kept, so that a new file can be named."""
    pending = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    done = root
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            done = done if done == root else os.path.dirname(done)
            continue
        step = f"{done}/{part}"
        if not pending and not follow_last:
            return step
        try:
            target = os.readlink(step)
        except OSError:  # not a link, or absent: whoever opens the path gets the reason
            done = step
            continue
        links += 1
        if links > _LINK_LIMIT:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        done = root if target.startswith("/") else done
        pending.extend(part for part in reversed(target.split("/")) if part not in {"", "."})
    return done


def _read_up_to(descriptor: int, limit: int) -> bytes:
    chunks: list[bytes] = []
    left = limit
    while left > 0:
        chunk = os.read(descriptor, min(left, 1 << 16))
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def attribute_hints(path: str) -> dict[int, str]:
    """By number, why the kernel refuses a write to this attribute file."""
    return _ATTRIBUTE_HINTS | _HINTS_OF_FILE.get(path.rpartition("/")[2], {})


def _append_whole(descriptor: int, data: bytes) -> None:
    size = os.fstat(descriptor).st_size
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _write_and_sync(path: str, data: bytes, mode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _failing_as(path: str, operation: str, hints: dict[int, str] | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        name = errno.errorcode.get(number, str(number))
        hint = (hints or {}).get(number, "needs root" if number in {errno.EACCES, errno.EPERM} else "")
        raise FileFailed(path, operation, number, reason=f"{error.strerror or error} ({name})", hint=hint) from error
