"""RAW files in Wireshark by the line that docs/operations.md gives, read by its sister without windows, tshark."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hpcapvf.model.address import Mac
from hpcapvf.raw.records import write_records
from hpcapvf.verify.mix import MixTargets, traffic_mix

ROOT = Path(__file__).resolve().parents[2]
RAW2PCAP = ROOT / "driver/build/bin/raw2pcap"
BEGIN_NS = 1_700_000_000_999_999_990
SHOWN = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "eth.dst"]


@pytest.mark.skipif(not shutil.which("tshark"), reason="no tshark here")
@pytest.mark.skipif(not RAW2PCAP.exists(), reason="raw2pcap is not built: make -C driver user")
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_wireshark_reads_every_frame_with_its_nanoseconds(tmp_path: Path, form: str) -> None:
    frames = traffic_mix(300, targets=MixTargets(Mac.parse("02:48:50:56:46:01")))
    stamped = [(BEGIN_NS + 7 * number, frame) for number, frame in enumerate(frames)]
    raw = tmp_path / "1700000000_hpcap0_0.raw"
    (data,) = write_records(stamped, pad_to=4096)
    raw.write_bytes(data)
    line = re.search(
        r"^    raw2pcap (.*) \| wireshark -k -i -$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
    assert line is not None
    words = [str(RAW2PCAP), *line[1].replace("FILE.raw", str(raw)).replace("pcapng", form).split()]
    piped = subprocess.run(words, check=True, capture_output=True, timeout=60).stdout
    read = subprocess.run(["tshark", "-r", "-", *SHOWN], input=piped, check=True, capture_output=True, timeout=120)
    found = [line.split("\t") for line in read.stdout.decode().splitlines()]
    assert [(int(time.replace(".", "")), int(size), mac) for time, size, mac in found] == [
        (stamp, len(frame), str(Mac(int.from_bytes(frame[:6], "big")))) for stamp, frame in stamped
    ]
