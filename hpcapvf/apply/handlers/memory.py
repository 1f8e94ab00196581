"""Handler for hugepages."""

from __future__ import annotations

from hpcapvf.apply.checked import read_int
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.steps import ReserveHugepages

_TRIES = 5
_PAUSE_S = 0.2


class ReserveHugepagesHandler(Handler[ReserveHugepages]):
    """``nr_hugepages`` of one node. Only what is missing is added, and only that is given back."""

    phase = "memory"
    survives_reboot = False

    def satisfied(self, step: ReserveHugepages, context: Context) -> str | None:
        """Enough are free."""
        free = self._read(step, "free_hugepages", context)
        return f"{free} are free" if free >= step.free_pages else None

    def kept(self, step: ReserveHugepages, context: Context) -> str | None:
        """A guest that runs has its pages: they are free no more."""
        if context.guest_runs(context.plan.request.name):
            return f"{context.plan.request.name} runs and has them"
        return self.satisfied(step, context)

    def observe(self, step: ReserveHugepages, context: Context) -> Json:
        """How many there are and how many must be added."""
        return {
            "pages": self._read(step, "nr_hugepages", context),
            "added": step.free_pages - self._read(step, "free_hugepages", context),
        }

    def do(self, step: ReserveHugepages, before: Json, context: Context) -> Json:
        """Ask for them; the kernel gives what it finds, so compact the node's memory and ask again a few times."""
        wanted = before["pages"] + before["added"]
        files = context.machine.files
        for _ in range(_TRIES):
            files.write_text(self._path(step, "nr_hugepages"), str(wanted))
            if self._read(step, "free_hugepages", context) >= step.free_pages:
                return {}
            compact = f"/sys/devices/system/node/node{step.node}/compact"  # this node's alone: all of them take longer
            if files.exists(compact):
                files.write_text(compact, "1")
            context.machine.clock.sleep(_PAUSE_S)
        got = self._read(step, "free_hugepages", context)
        raise StepFailed(
            f"node {step.node} gave {got} free pages of {step.size_kib} KiB, {step.free_pages} are needed",
            hint="its memory is full or fragmented: free some, take a smaller guest, or reserve the pages at boot "
            "(kernel argument hugepages=)",
        )

    def undo(self, step: ReserveHugepages, trace: Trace, context: Context) -> tuple[str, ...]:
        """Give back what was added. Others may have added theirs meanwhile, so a finished step subtracts.

        How many shall be left is journalled first: a second try must not subtract once more.
        """
        wanted = trace.before.get("left")
        if wanted is None:
            wanted = trace.before["pages"]
            if trace.after is not None:
                wanted = max(self._read(step, "nr_hugepages", context) - trace.before["added"], 0)
            context.amend({"left": wanted})
        context.machine.files.write_text(self._path(step, "nr_hugepages"), str(wanted))
        found = self._read(step, "nr_hugepages", context)
        if found != wanted:
            raise StepFailed(
                f"node {step.node} still has {found} hugepages, should have {wanted}",
                hint="somebody uses them: see /proc/*/numa_maps",
            )
        return ()

    def _path(self, step: ReserveHugepages, name: str) -> str:
        return f"/sys/devices/system/node/node{step.node}/hugepages/hugepages-{step.size_kib}kB/{name}"

    def _read(self, step: ReserveHugepages, name: str, context: Context) -> int:
        return read_int(context.machine.files, self._path(step, name))
