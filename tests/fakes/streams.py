"""``Guest.stream`` over a fake's ``run``: the whole output in small pieces, the complaints line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hpcapvf.host.protocols import CommandResult

_PIECE = 7  # bytes: whoever takes it must not rely on whole records


class StreamsByRunning:
    """For fakes whose programs print text."""

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """The fake's own."""
        raise NotImplementedError

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
