"""``Guest.stream`` and ``Guest.run_all`` over a fake's ``run`` and ``put``: the output in small pieces, the complaints
line by line, and programs one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hpcapvf.host.protocols import CommandResult, Job, NewFile

_PIECE = 7  # bytes: whoever takes it must not rely on whole records


class StreamsByRunning:
    """For fakes whose programs print text."""

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """The fake's own."""
        raise NotImplementedError

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        """The fake's own."""
        raise NotImplementedError

    def run_all(
        self, jobs: Sequence[Job], *, timeout_s: float, files: Sequence[NewFile] = ()
    ) -> tuple[CommandResult, ...]:
        """One after the other, each an effect of its own: it may end between any two."""
        for file in files:
            self.put(file.data, file.path, file.mode)
        results: list[CommandResult] = []
        for job in jobs:
            stdin = job.stdin.encode() if job.stdin else None
            results.append(self.run(job.argv, timeout_s=timeout_s, stdin=stdin))
            if job.needed and results[-1].returncode != 0:
                break
        return tuple(results)

    def stream(
        self,
        argv: Sequence[str],
        *,
        take: Callable[[bytes], None],
        tell: Callable[[str], None],
        silence_s: float,
        stdin: bytes = b"",
    ) -> int:
        """Run the program and hand on what it printed."""
        result = self.run(argv, timeout_s=silence_s, stdin=stdin)
        data = result.stdout.encode("latin-1")
        for at in range(0, len(data), _PIECE):
            take(data[at : at + _PIECE])
        for line in result.stderr.splitlines():
            tell(line)
        return result.returncode
