"""How long planning takes on hosts of growing size, and for many hosts: ``python -m tests.bench.planner FILE.json``."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hpcapvf.domain import complete_plan
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from hpcapvf.plan import plan_deployment
from hpcapvf.spec import parse_spec
from orchestrator.suggest import suggest_spec
from tests.factories import IMAGE, make_host, make_request

SIZES = ((2, 2), (2, 6), (2, 32), (4, 64), (8, 64))  # nodes, cores per node
RUNS = 21
FLEETS = (250, 500, 1000)


def median_ms(work: Callable[[], object]) -> float:
    """Median time of RUNS runs."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1000, 3)


def measure(nodes: int, cores: int) -> dict[str, float]:
    """Times of one host size."""
    host, request = make_host(nodes=nodes, cores_per_node=cores, threads_per_core=2), make_request()
    plan = plan_deployment(request, host, "0" * 64)
    if not isinstance(plan, Plan):
        raise SystemExit(f"the benchmark's own host is refused: {plan}")
    spec = suggest_spec(host, name="probe1", image=IMAGE)
    return {
        "nodes": nodes,
        "cpus": len(host.cpus),
        "parse_spec_ms": median_ms(lambda: parse_spec(spec)),
        "plan_ms": median_ms(lambda: plan_deployment(request, host, "0" * 64)),
        "render_ms": median_ms(lambda: complete_plan(plan)),
    }


def measure_fleet(count: int) -> dict[str, float]:
    """Seconds to read the JSON of so many different hosts and to plan each."""
    request = make_request()
    texts = [json.dumps(to_json(_different(number))) for number in range(count)]
    began = time.perf_counter()
    for text in texts:
        if not isinstance(plan_deployment(request, from_json(Host, json.loads(text)), "0" * 64), Plan):
            raise SystemExit("one of the benchmark's own hosts is refused")
    seconds = time.perf_counter() - began
    return {"hosts": count, "seconds": round(seconds, 3), "ms_per_host": round(seconds / count * 1000, 3)}


def _different(number: int) -> Host:
    """Hosts of all sizes, each with a name of its own."""
    nodes, cores = SIZES[number % len(SIZES)]
    return dataclasses.replace(
        make_host(nodes=nodes, cores_per_node=min(cores + number % 7, 64)), hostname=f"h{number}"
    )


def main() -> None:
    """Measure all sizes and write them."""
    target = Path(sys.argv[1])
    found = [measure(nodes, cores) for nodes, cores in SIZES]
    target.parent.mkdir(parents=True, exist_ok=True)
    fleets = [measure_fleet(count) for count in FLEETS]
    result = {"schema": "hpcapvf-bench/1", "runs": RUNS, "planner": found, "fleets": fleets}
    target.write_text(json.dumps(result, indent=2) + "\n")
    for row in (*found, *fleets):
        print(row)


if __name__ == "__main__":
    main()
