"""The real LocalFiles on the fake tree; writes to /sys and /proc go to the fake kernel."""

from __future__ import annotations

import errno

from hpcapvf.host.files import LocalFiles, attribute_hints
from hpcapvf.model.errors import FileFailed
from tests.fakes.faults import Faults
from tests.fakes.kernel import FakeKernel


class FakeFiles(LocalFiles):
    """Files of the fake machine."""

    def __init__(self, root: str, kernel: FakeKernel, faults: Faults) -> None:
        super().__init__(root)
        self._kernel = kernel
        self._faults = faults

    def write_text(self, path: str, text: str) -> None:
        """Attribute files behave; anything else is no attribute file."""
        with self._faults.effect("write", f"{path} = {text.strip()}"):
            try:
                real = self.real_path(path)
                if real is None:
                    raise OSError(errno.ENOENT, "No such file or directory")
                self._kernel.write(real, text)
            except OSError as error:
                name = errno.errorcode.get(error.errno or 0, "?")
                raise FileFailed(
                    path,
                    "write",
                    error.errno or 0,
                    reason=f"{error.strerror} ({name})",
                    hint=attribute_hints(path).get(error.errno or 0, ""),
                ) from error

    def replace(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Counted."""
        self._refuse_virtual(path, "write")

        def tear() -> None:  # the file that is renamed in the end, half written
            super(FakeFiles, self).replace(f"{path}.new.4711", data[: len(data) // 2], mode)

        with self._faults.effect("file", f"replace {path}", tear):
            super().replace(path, data, mode)

    def append_durably(self, path: str, line: str, mode: int = 0o600) -> None:
        """Counted."""
        self._refuse_virtual(path, "append to")

        def tear() -> None:
            super(FakeFiles, self).append_durably(path, line, mode)
            super(FakeFiles, self).cut(path, (self.size(path) or 0) - len(line) // 2)

        with self._faults.effect("file", f"append {path}", tear):
            super().append_durably(path, line, mode)

    def cut(self, path: str, size: int) -> None:
        """Counted."""
        with self._faults.effect("file", f"cut {path}"):
            super().cut(path, size)

    def remove(self, path: str) -> None:
        """Counted."""
        self._refuse_virtual(path, "remove")
        with self._faults.effect("file", f"remove {path}"):
            super().remove(path)

    def make_folder(self, path: str, mode: int = 0o755) -> None:
        """Counted."""
        self._refuse_virtual(path, "make folder")
        with self._faults.effect("file", f"folder {path}"):
            super().make_folder(path, mode)

    def remove_folder(self, path: str) -> None:
        """Counted."""
        self._refuse_virtual(path, "remove folder")
        with self._faults.effect("file", f"remove folder {path}"):
            super().remove_folder(path)

    @staticmethod
    def _refuse_virtual(path: str, operation: str) -> None:
        if path.startswith(("/sys/", "/proc/")):
            raise FileFailed(path, operation, errno.EPERM, reason="Operation not permitted (EPERM)")
