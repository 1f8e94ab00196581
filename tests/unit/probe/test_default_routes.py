"""Default routes that only ip(8) tells of: further next hops, and other tables."""

from __future__ import annotations

import json
from pathlib import Path

from hpcapvf.probe import probe_host
from tests.fakes.machine import fake_machine
from tests.fakes.tree import PF_INTERFACE


def test_default_routes_that_proc_does_not_show_count_too(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    hops = [{"gateway": "10.0.0.1", "dev": "eth0", "weight": 1}, {"gateway": "10.1.0.1", "dev": PF_INTERFACE}]
    other = [{"dst": "default", "nexthops": hops}, {"type": "blackhole", "dst": "default", "dev": "lo", "table": "9"}]
    answers = {"-4": json.dumps(other), "-6": "[]"}
    fake.commands.on("ip", lambda argv, _i: (0, answers[argv[2]], ""))

    def routed() -> set[str]:
        host = probe_host(fake.machine.files, commands=fake.machine.commands)
        return {i.name for i in host.interfaces if i.default_route}

    assert routed() == {"eth0", PF_INTERFACE}
    answers["-4"] = "[]"
    assert PF_INTERFACE not in routed()
    answers["-6"] = json.dumps([{"dst": "default", "dev": PF_INTERFACE, "table": "vrf-1"}])
    assert PF_INTERFACE in routed()
    answers["-6"] = "{broken"
    host = probe_host(fake.machine.files, commands=fake.machine.commands)
    assert any("ip -json -6" in line for line in host.unreadable)
