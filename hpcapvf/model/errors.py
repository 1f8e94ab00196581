"""One root error, and subclasses by what the user can do about it.

Each class owns one exit code; the table is the contract of every command (see docs/reference.md).
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means. Numbers never change once released."""

    OK = 0
    PROOF_FAILED = 1  # the machine works, but what was stored is not what was sent
    USAGE = 2  # wrong command line (argparse uses 2 as well)
    BAD_SPEC = 3  # the spec cannot be read or says something impossible
    NOT_CAPABLE = 4  # this host lacks something the request needs
    REFUSED = 5  # the host could, but it would hurt or does not fit
    CONFLICT = 6  # the name is taken by another spec, or somebody else holds the lock
    STEP_FAILED = 7  # a step failed; everything before it was undone
    REGISTER_REFUSED = 8  # the card's registers cannot be reached or did not keep a value
    TIMEOUT = 9  # a bounded wait ran out
    UNDO_INCOMPLETE = 10  # something could not be put back; the message lists it
    NOT_FOUND = 11  # no deployment, lab or image of that name
    LAB_FAILED = 12  # the emulated server could not be built or started
    HOST_FAILED = 13  # a host of an inventory could not be reached, or failed outside of this project's commands
    INTERNAL = 70  # a defect of this program
    INTERRUPTED = 130


class HpcapvfError(Exception):
    """Root of all errors that are meant to be shown.

    message: what happened, naming the object. hint: what the user can do. details: lines that support the
    message (candidates tried, last console lines).
    """

    exit_code: ExitCode = ExitCode.INTERNAL

    def __init__(self, message: str, *, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class BadSpec(HpcapvfError):
    """The spec is wrong. path: dotted path of the bad key, such as ``guest.vcpus``."""

    exit_code = ExitCode.BAD_SPEC

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message, hint=hint)
        self.path = path


class NotCapable(HpcapvfError):
    """The host lacks something (IOMMU off, no SR-IOV, image missing)."""

    exit_code = ExitCode.NOT_CAPABLE


class PlacementRefused(HpcapvfError):
    """The request does not fit or would hurt; details name each candidate and why it was refused."""

    exit_code = ExitCode.REFUSED


class Conflict(HpcapvfError):
    """The name or the lock belongs to something else."""

    exit_code = ExitCode.CONFLICT


class StepFailed(HpcapvfError):
    """A step of the plan failed."""

    exit_code = ExitCode.STEP_FAILED


class FileFailed(StepFailed):
    """An operation on a file failed for another reason than its absence. operation: read, write, list …"""

    def __init__(self, path: str, operation: str, errno: int, *, reason: str, hint: str = "") -> None:
        super().__init__(f"cannot {operation} {path}: {reason}", hint=hint)
        self.path = path
        self.operation = operation
        self.errno = errno
        self.reason = reason


class RegisterRefused(HpcapvfError):
    """A register cannot be reached, is not on the allow-list, or did not read back."""

    exit_code = ExitCode.REGISTER_REFUSED


class WaitTimedOut(HpcapvfError):
    """A wait with a deadline ran out."""

    exit_code = ExitCode.TIMEOUT


class GuestSilent(WaitTimedOut):
    """A guest does not answer over ssh."""


class UndoIncomplete(HpcapvfError):
    """Something could not be put back."""

    exit_code = ExitCode.UNDO_INCOMPLETE


class NotFound(HpcapvfError):
    """No deployment, lab, image or file of that name."""

    exit_code = ExitCode.NOT_FOUND


class ProofFailed(HpcapvfError):
    """Frames are missing, altered or out of order."""

    exit_code = ExitCode.PROOF_FAILED


class LabFailed(HpcapvfError):
    """The emulated server could not be built, started or reached."""

    exit_code = ExitCode.LAB_FAILED
