"""The table of handlers: one for each kind of step."""

from __future__ import annotations

from typing import Any

from hpcapvf.apply.handler import Handler
from hpcapvf.apply.handlers.binding import BindDriverHandler
from hpcapvf.apply.handlers.capture import StartCaptureHandler
from hpcapvf.apply.handlers.clock import KeepClockHandler
from hpcapvf.apply.handlers.disk import MakeDiskHandler, MakeSeedHandler
from hpcapvf.apply.handlers.domain import DefineDomainHandler, StartDomainHandler, StartNetworkHandler
from hpcapvf.apply.handlers.end import PrepareEndHandler
from hpcapvf.apply.handlers.guard import StartGuardHandler
from hpcapvf.apply.handlers.guest import InstallDriverHandler, UseInterfaceHandler, WaitGuestHandler
from hpcapvf.apply.handlers.guest_port import HoldFunctionHandler
from hpcapvf.apply.handlers.lending import LendDisksHandler
from hpcapvf.apply.handlers.memory import ReserveHugepagesHandler
from hpcapvf.apply.handlers.network import SetLinkHandler, SetOffloadsHandler, SetPauseHandler, SetVfMacHandler
from hpcapvf.apply.handlers.nvme import FreeNvmeQueuesHandler, StartNvmeVfHandler
from hpcapvf.apply.handlers.port import HoldPortHandler, SetModuleParameterHandler
from hpcapvf.apply.handlers.raid import MakeRaidHandler
from hpcapvf.apply.handlers.registers import ProgramReceiveAllHandler, ReplicateTrafficHandler
from hpcapvf.apply.handlers.sriov import SetAutoprobeHandler, SetNumVfsHandler
from hpcapvf.apply.handlers.testpmd import SetTestpmdModesHandler
from hpcapvf.apply.handlers.vf_mirror import MirrorByFilesHandler, MirrorByTcHandler
from hpcapvf.apply.handlers.vf_trust import SetPrivateFlagHandler, TrustVfHandler
from hpcapvf.apply.handlers.volume import MakeVolumeHandler, MountExistingHandler
from hpcapvf.model import steps, storage_steps

HANDLERS: dict[str, Handler[Any]] = {
    steps.SetLink.kind: SetLinkHandler(),
    steps.SetPause.kind: SetPauseHandler(),
    steps.SetOffloads.kind: SetOffloadsHandler(),
    steps.SetAutoprobe.kind: SetAutoprobeHandler(),
    steps.SetNumVfs.kind: SetNumVfsHandler(),
    steps.SetModuleParameter.kind: SetModuleParameterHandler(),
    steps.HoldPort.kind: HoldPortHandler(),
    steps.SetVfMac.kind: SetVfMacHandler(),
    steps.TrustVf.kind: TrustVfHandler(),
    steps.SetPrivateFlag.kind: SetPrivateFlagHandler(),
    steps.BindDriver.kind: BindDriverHandler(),
    storage_steps.LendDisks.kind: LendDisksHandler(),
    storage_steps.FreeNvmeQueues.kind: FreeNvmeQueuesHandler(),
    storage_steps.StartNvmeVf.kind: StartNvmeVfHandler(),
    steps.ReserveHugepages.kind: ReserveHugepagesHandler(),
    steps.StartNetwork.kind: StartNetworkHandler(),
    steps.MakeDisk.kind: MakeDiskHandler(),
    steps.MakeSeed.kind: MakeSeedHandler(),
    steps.DefineDomain.kind: DefineDomainHandler(),
    steps.StartDomain.kind: StartDomainHandler(),
    steps.WaitGuest.kind: WaitGuestHandler(),
    steps.KeepClock.kind: KeepClockHandler(),
    steps.InstallDriver.kind: InstallDriverHandler(),
    steps.UseInterface.kind: UseInterfaceHandler(),
    steps.HoldFunction.kind: HoldFunctionHandler(),
    steps.ProgramReceiveAll.kind: ProgramReceiveAllHandler(),
    steps.WatchLink.kind: ProgramReceiveAllHandler(),
    steps.ReplicateTraffic.kind: ReplicateTrafficHandler(),
    steps.SetTestpmdModes.kind: SetTestpmdModesHandler(),
    steps.MirrorByFiles.kind: MirrorByFilesHandler(),
    steps.MirrorByTc.kind: MirrorByTcHandler(),
    steps.PrepareEnd.kind: PrepareEndHandler(),
    steps.StartGuard.kind: StartGuardHandler(),
    steps.MakeRaid.kind: MakeRaidHandler(),
    storage_steps.MakeVolume.kind: MakeVolumeHandler(),
    storage_steps.MountExisting.kind: MountExistingHandler(),
    steps.StartCapture.kind: StartCaptureHandler(),
}


def handler_of(step: steps.Step) -> Handler[Any]:
    """The handler of a step."""
    return HANDLERS[step.kind]


def handler_of_kind(kind: str) -> Handler[Any]:
    """The handler of a kind of step."""
    return HANDLERS[kind]
