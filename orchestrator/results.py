"""What each command's ``result`` holds: ``hpcapvf schema COMMAND`` and the reference are made of this table.

Where the engine has a class for a part, that class is named here and not described anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

from hpcapvf.apply.guard import GuardCounts
from hpcapvf.apply.recover import Recovered
from hpcapvf.apply.run import StepReport
from hpcapvf.apply.undo import DestroyReport
from hpcapvf.model.changes import Change
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Deployed, Host
from hpcapvf.model.plan import Finding, Plan
from hpcapvf.model.shape import Joined
from hpcapvf.model.vitals import Diagnosis
from hpcapvf.nic.decode import SwitchState
from hpcapvf.plan.sizing import Array, Demand, Expected
from hpcapvf.verify.clock import GuestClock
from hpcapvf.verify.conversion import Retrieved
from hpcapvf.verify.losses import Interval
from hpcapvf.verify.metrics import Sample
from hpcapvf.verify.proof import Proof
from hpcapvf.verify.status import DeploymentStatus
from hpcapvf.verify.traffic import Traffic
from orchestrator.deployment_report import StepTold
from orchestrator.lab_results import (
    LabBooted,
    LabCleaned,
    LabDown,
    LabFacts,
    LabImages,
    LabPushed,
    LabServers,
    WireRecording,
    WireRun,
    WireStats,
)


class Probed(TypedDict):
    """The inventory."""

    host: Host


class Planned(TypedDict):
    """`step` of a change counts from 0 and is null for what no step does; `before` null: unknown until applied, empty:
    absent."""

    name: str
    changed: bool
    plan: Plan
    changes: list[Change]


class Unchanged(TypedDict):
    """The same spec is deployed already; nothing was done."""

    name: str
    changed: bool
    condition: str


class ClockText(TypedDict):
    """The clock in one line."""

    text: str


class ProofHead(TypedDict):
    """What a proof is summed up in. The frames of a comparison, null without a source; loss: the share of those sent
    that is missing."""

    traffic: str
    ok: bool
    frames_identical: int | None
    frames_foreign: int | None
    frames_padded: int | None
    loss: float | None


class VerifiedPart(TypedDict):
    """What was found."""

    host: Host
    clock: Annotated[dict[str, Any], Joined((GuestClock, ClockText))]
    findings: list[Finding]
    proofs: list[Annotated[dict[str, Any], Joined((Proof, ProofHead))]]


class Verified(VerifiedPart):
    """`clock`: who keeps the guest's, null: unknown. Of a proof: `frames_expected` of a probe are all, of an agent
    those that its VMs receive; `frames_in_vf` as the card's PF counts them, null: unknown; `frames_counted` by
    hpcapdd; with `storage.mode: none` these are all, and `frames_stored`, `frames_identical`, `frames_foreign`,
    `frames_padded`, `bytes_stored` and `comparison` are null."""

    name: str
    plan: Plan
    phases_s: dict[str, float]


class Made(Verified):
    """As of `verify`, and how it was made. A step's `notes` say how it was done, such as why mirror rules were not
    used."""

    changed: bool
    condition: str
    steps: list[StepReport]
    host_before: Host


class FleetCounts(TypedDict):
    """Hosts by state."""

    ok: int
    changed: int
    failed: int
    unreachable: int


class FleetHost(TypedDict):
    """One host."""

    state: str
    changed: list[str]
    task: str
    reason: str
    hint: str
    details: list[str]
    exit_code: ExitCode
    diff: list[str]
    changes: list[dict[str, Any]]


class Fleet(TypedDict):
    """Of a host: `state` is a key of `counts`; `changed`: the tasks that changed it, or would; `task` to `details`: of
    a failure, with the `exit_code` of the command that failed there, else 13; of a check `diff` (patches of files) and
    `changes` (as `plan` tells them). The command's own exit code is the largest of its hosts'; how many failed stands
    in `counts` and in the error's message."""

    dry_run: bool
    changed: bool
    counts: FleetCounts
    hosts: dict[str, FleetHost]


class SnapshotTaken(TypedDict):
    """Everything a deployment may change, by part; a part that cannot be read is an object with `unreadable`."""

    snapshot: dict[str, Any]


class PutBack(TypedDict):
    """A step that was undone, and what was there before it."""

    step: str
    before: str


class PutBackList(TypedDict):
    """`put_back`: each step with what is there again, in the order in which they were undone."""

    put_back: list[PutBack]


class RecoveredAll(TypedDict):
    """By deployment; `action` says what was done, `error` why that failed."""

    deployments: list[Recovered]


class Examined(TypedDict):
    """`counts`: findings by verdict."""

    hostname: str | None
    counts: dict[str, int]
    findings: list[Diagnosis]


class FetchedHead(TypedDict):
    """`name`, `output` and `filter` are what was asked for."""

    name: str
    output: str
    filter: str


class Reported(TypedDict):
    """What stands in the file `output`, times in seconds or nanoseconds since 1970. `traffic.back`: frames older than
    the one before. `changes` are as of `plan`, `verified` as of `verify`; null: not known, and `missing` says of each
    part why not."""

    output: str
    name: str
    made_at_ns: int
    deployed_by: str
    versions: dict[str, str]
    status: DeploymentStatus
    traffic: Traffic | None
    losses: list[Interval]
    steps: list[StepTold]
    changes: list[Change]
    verified_at: float | None
    verified: VerifiedPart | None
    plan: Plan
    host: Host
    phases_s: dict[str, float]
    missing: dict[str, str]


class StatusList(TypedDict):
    """Of each what `status NAME` tells of one. One whose state file cannot be used has the condition `unreadable`, one
    that hangs `unknown`, and lacks what only its state tells; the others are told all the same."""

    deployments: list[Annotated[dict[str, Any], Joined((DeploymentStatus,), optional=(Deployed,))]]


class StatusMore(TypedDict):
    """`how_to_go_on`: what to do with one that was cut short or lost, empty otherwise. `domain` is the same as
    `guest`."""

    domain: str | None
    guard: dict[str, object]
    phases_s: dict[str, float]
    plan: Plan
    how_to_go_on: str


class Watched(TypedDict):
    """As of `status`, of the last look."""

    deployments: list[DeploymentStatus]


class Metrics(TypedDict):
    """`file`: where they were written, if they were."""

    metrics: list[Sample]
    file: NotRequired[str]


class MetricsWritten(TypedDict):
    """The file is taken away at the end."""

    file: str
    rounds: int


class Printed(TypedDict):
    """What goes with the metrics: the file's name and what is in it."""

    file: str
    text: str


class Topology(TypedDict):
    """`name` of the plan, null without one; with `--plan` each line begins with `+`, `-` or a blank. A picture stands
    in `file`, or is the text `svg`."""

    name: str | None
    changed: bool
    lines: list[str]
    svg: NotRequired[str]
    file: NotRequired[str]


class Advised(TypedDict):
    """Arrays that are fast enough and configurations, the best first."""

    demand: Demand
    arrays: list[Array]
    configurations: list[Expected]


class CardShown(TypedDict):
    """`owners`: pool to VF and domain. Of the `switch`: `default_pool` null: dropped."""

    pf: str
    family: str
    owners: dict[str, str]
    switch: SwitchState


class Watches(TypedDict):
    """`moved_away`: empty, or why the VM no longer has the VF. Of the link or the rest of it `vf` and `pool` are
    null."""

    domain: str
    vf: str | None
    pool: int | None
    moved_away: str


class Mirror(TypedDict):
    """One agent's copies."""

    monitor: str
    condition: str
    pf: str
    pool: int
    watches: list[Watches]
    backend: str | None
    registers: str
    since: float | None
    until: float | None
    by: str
    drifts: int | None


class Mirrors(TypedDict):
    """`backend` null: the card copies nothing now. `since`: seconds since 1970, null: not copying; `until`: of the
    time limit, null: none. `by`: login account of who deployed it, empty: not known. `drifts`: checks of the guard
    that found registers rewritten, null: it has not said. A deployment whose state file cannot be used is in
    `warnings`."""

    mirrors: list[Mirror]


class ImageBuilt(TypedDict):
    """The guest's image."""

    path: str
    sha256: str
    kernel_release: str


class Written(TypedDict):
    """The file that was asked for."""

    written: str


@dataclass(frozen=True)
class Result:
    """One form of a result. of: commands, as the envelope names them. kind: its type. when: of which use of the
    command, where it has several."""

    of: tuple[str, ...]
    kind: Any
    when: str = ""


DEPLOY = ("deploy-vnp", "deploy-vnma")
RESULTS = (
    Result(DEPLOY, Made),
    Result((*DEPLOY, "plan"), Planned, "`--dry-run` and `plan`"),
    Result((*DEPLOY, "plan", "topology"), Unchanged, "deployed already"),
    Result(DEPLOY, Fleet, "`--inventory`"),
    Result(("verify",), Verified),
    Result(("destroy",), Annotated[dict[str, Any], Joined((DestroyReport, PutBackList))]),
    Result(("recover",), RecoveredAll),
    Result(("probe",), Probed),
    Result(("doctor",), Examined),
    Result(("snapshot",), SnapshotTaken),
    Result(("guard",), GuardCounts),
    Result(("fetch",), Annotated[dict[str, Any], Joined((Retrieved, FetchedHead))]),
    Result(("report",), Reported),
    Result(("status",), StatusList),
    Result(("status",), Annotated[dict[str, Any], Joined((DeploymentStatus, StatusMore))], "`NAME`"),
    Result(("top",), Watched),
    Result(("metrics",), Metrics),
    Result(("metrics",), MetricsWritten, "`--every`"),
    Result(("metrics",), Printed, "`--print`"),
    Result(("topology",), Topology),
    Result(("advise",), Advised),
    Result(("nic show",), CardShown),
    Result(("mirrors",), Mirrors),
    Result(("schema", "lab inventory"), Written, "`--output`"),
    Result(("schema",), dict[str, Any], "a JSON Schema"),
    Result(("image build",), ImageBuilt),
    Result(("lab build",), LabImages),
    Result(("lab up", "lab status"), LabFacts),
    Result(("lab push",), LabPushed),
    Result(("lab down", "lab clean"), LabDown),
    Result(("lab clean",), LabCleaned, "`--cache`"),
    Result(("lab up", "lab status", "lab push", "lab down", "lab clean"), LabServers, "several servers"),
    Result(("lab reboot", "lab reset"), LabBooted),
    Result(("lab inventory",), dict[str, Any], "an Ansible inventory"),
    Result(("lab wire send",), WireRun),
    Result(("lab wire record",), WireRecording),
    Result(("lab wire stats",), WireStats),
)
NOT_TOLD = ("lab ssh",)  # it becomes ssh
