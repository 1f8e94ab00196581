"""libhpcapvf as ctypes sees it: the structures of driver/uapi/hpcapvf.h and the functions of driver/lib/libhpcapvf.h.

ctypes and not cffi: it needs no compiler and no package beside Python where a probe runs. What it cannot check, the
layouts, the tests compare by size and by value.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_bool, c_char, c_char_p, c_int, c_int32, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from functools import cache

from hpcapvf.model.errors import NotFound

SONAME = "libhpcapvf.so.1"


class FrameHead(ctypes.Structure):
    """``struct hpcapvf_frame``."""

    _fields_ = (("data", c_void_p), ("seconds", c_uint32), ("nanoseconds", c_uint32), ("caplen", c_uint16),
                ("len", c_uint16))  # fmt: skip


class Info(ctypes.Structure):
    """``struct hpcapvf_info``."""

    _fields_ = (
        ("abi_version", c_uint32), ("queue", c_uint32), ("ring_bytes", c_uint64), ("control_offset", c_uint64),
        ("control_bytes", c_uint64), ("data_offset", c_uint64), ("caplen", c_uint32), ("frame_bytes_max", c_uint32),
        ("cpu", c_int32), ("numa_node", c_int32), ("listener", c_uint32), ("link", c_uint32), ("mac", c_uint8 * 6),
        ("padding", c_uint8 * 2), ("interface", c_char * 32), ("driver_version", c_char * 16), ("timestamp", c_uint32),
        ("clock", c_uint32), ("reserved", c_uint64 * 16),
    )  # fmt: skip


STATS = (
    "received", "received_bytes", "published", "published_bytes", "ring_full_drops", "ring_full_bytes",
    "no_listener_drops", "no_listener_bytes", "errors", "error_bytes", "vlan_reinserted", "resets", "write_offset",
    "clock_steps_back", "clock_stepped_back_ns", "duplicates", "duplicate_bytes", "queue_full_drops",
    "queue_full_bytes",
)  # fmt: skip


class Stats(ctypes.Structure):
    """``struct hpcapvf_stats``."""

    _fields_ = (*((name, c_uint64) for name in STATS), ("reserved", c_uint64 * 13))


LISTENER_STATS = (
    "offered", "offered_bytes", "read", "read_bytes", "lost", "lost_bytes", "unread", "unread_bytes", "overtaken",
    "read_offset",
)  # fmt: skip


class ListenerStats(ctypes.Structure):
    """``struct hpcapvf_listener_stats``."""

    _fields_ = (*((name, c_uint64) for name in LISTENER_STATS), ("policy", c_uint32), ("listener", c_uint32),
                ("reserved", c_uint64 * 5))  # fmt: skip


FUNCTIONS: dict[str, tuple[object, tuple[object, ...]]] = {
    "hpcapvf_open": (c_int, (c_char_p, POINTER(c_void_p))),
    "hpcapvf_close": (None, (c_void_p,)),
    "hpcapvf_info": (c_int, (c_void_p, POINTER(Info))),
    "hpcapvf_stats": (c_int, (c_void_p, POINTER(Stats))),
    "hpcapvf_listener_stats": (c_int, (c_void_p, POINTER(ListenerStats))),
    "hpcapvf_set_lossy": (c_int, (c_void_p, c_bool)),
    "hpcapvf_wait": (c_int, (c_void_p, c_uint64, c_int)),
    "hpcapvf_unread": (c_void_p, (c_void_p, POINTER(c_uint64))),
    "hpcapvf_release": (c_int, (c_void_p, c_uint64)),
    "hpcapvf_next": (c_int, (c_char_p, c_uint64, POINTER(c_uint64), POINTER(FrameHead))),
}


@cache
def load_library(path: str = SONAME) -> ctypes.CDLL:
    """The library, its functions with their types. path: a name for the dynamic loader, or a file.

    Raises NotFound when there is none, or one that lacks a function.
    """
    try:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise NotFound(
            f"the library {path} cannot be used: {error}",
            hint="install the package libhpcapvf1, or build it (make -C driver user) and give its path",
        ) from error
    return library
