"""How findings are said, so that each rule is a line or two."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.vitals import Diagnosis, Verdict

_GRUB_FILE = "/etc/default/grub.d/zz-hpcapvf-doctor.cfg"


@dataclass(frozen=True)
class Check:
    """A check by name, with the source of its rule."""

    name: str
    source: str

    def ok(self, found: str) -> Diagnosis:
        """All is well."""
        return Diagnosis(self.name, Verdict.OK, found, self.source)

    def warning(self, found: str, cause: str, remedy: str) -> Diagnosis:
        """A deployment is possible, but something is worse than need be."""
        return Diagnosis(self.name, Verdict.WARNING, found, self.source, cause, remedy)

    def fault(self, found: str, cause: str, remedy: str) -> Diagnosis:
        """A deployment as the defaults have it is not possible."""
        return Diagnosis(self.name, Verdict.FAULT, found, self.source, cause, remedy)

    def unknown(self, cause: str, remedy: str) -> Diagnosis:
        """The host does not say. remedy: how to find out."""
        return Diagnosis(self.name, Verdict.UNKNOWN, "unknown", self.source, cause, remedy)


def boot_with(arguments: str) -> str:
    """A line for a root shell that gives the kernel arguments from the next boot on."""
    return f"echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {arguments}\"' >> {_GRUB_FILE} && update-grub && reboot"
