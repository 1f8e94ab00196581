"""What the commands about the emulated server tell: parts of the table of results."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from hpcapvf.lab.machine import LabConfig


class LabImages(TypedDict):
    """Folders of the images, the kernels in them, and what is to be known of them."""

    server: str
    guest: str
    builder: str
    server_kernel: str
    guest_kernel: str
    builder_kernel: str
    note: str


class LabHashes(TypedDict):
    """Names of the images that a lab was made from."""

    server: str
    guest: str
    builder: str


class LabFacts(TypedDict):
    """What a lab is and whether it runs."""

    name: str
    running: bool
    wire_running: bool
    ssh_port: int
    folder: str
    accel: str
    accel_reason: str
    emulator: str
    emulator_reason: str
    config: LabConfig
    images: LabHashes
    labs: NotRequired[list[str]]
    boot_s: NotRequired[float | None]


class LabPushed(TypedDict):
    """What is in the server now."""

    name: str
    toolkit: str
    driver: bool
    kernel_releases: list[str]


class LabDown(TypedDict):
    """How the server ended."""

    name: str
    server: str
    removed: bool


class LabBooted(TypedDict):
    """How long it took."""

    name: str
    reboot_s: float


class LabCleaned(TypedDict):
    """Images by hash."""

    removed: list[str]
    kept: list[str]


class LabServers(TypedDict):
    """Of `--servers`: what each server would give alone, and why others failed."""

    name: str
    servers: dict[str, dict[str, Any]]
    failed: dict[str, str]


class WireRun(TypedDict):
    """Frames of a pcap file on their way. `error`: why it failed, empty otherwise."""

    run: int
    state: str
    frames_sent: int
    bytes_sent: int
    error: str
    seconds: float


class WirePort(TypedDict):
    """Since the wire began."""

    frames_sent: int
    bytes_sent: int
    frames_received: int
    bytes_received: int
    send_retries: int


class WireStats(TypedDict):
    """`recording`: the file that is being written, null: none."""

    ports: list[WirePort]
    runs: list[WireRun]
    recording: str | None
    uptime_s: float


class WireRecording(TypedDict):
    """The file, and with `--stop` what is in it."""

    recording: str | None
    frames: NotRequired[int]
    bytes: NotRequired[int]
