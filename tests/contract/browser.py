"""A real browser (Chromium, headless) spoken to through its DevTools protocol over a pipe: no port, no driver."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ANSWER_S = 60.0
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One page. problems: errors on the console; requests: URLs asked for beside the page's own."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer, self._number, self._session, self._url = b"", 0, "", ""
        self._loaded = False
        self.problems: list[str] = []
        self.requests: list[str] = []

    def begin(self) -> None:
        """Have a page and hear of what it does."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, path: Path) -> None:
        """Load a file and wait until all of it is there; lists of problems and requests begin anew."""
        self.problems, self.requests, self._url, self._loaded = [], [], path.as_uri(), False
        self.call("Page.navigate", url=self._url)
        deadline = time.monotonic() + ANSWER_S
        while not self._loaded:
            self._hear(self._message(deadline))

    def look(self, width: int, scheme: str) -> None:
        """Make the page so wide (pixels), for readers who prefer ``light`` or ``dark``."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def evaluate(self, expression: str) -> Any:
        """The JSON-ready value of a JavaScript expression; AssertionError if it throws."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command's result; AssertionError if it is refused or nothing comes within ANSWER_S."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_S
        while True:
            answer = self._message(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self._hear(answer)

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._from, 1 << 16) if ready else b""
            assert piece, "the browser does not answer" if not ready else "the browser has ended"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _hear(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent" if told["request"]["url"] != self._url:
                self.requests.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.problems.append(str(told["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "assert", "warning"):
                self.problems.append(str(told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                self.problems.append(told["entry"]["text"])


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, ended at the end of the block."""
    their_in, to_browser = os.pipe()
    from_browser, their_out = os.pipe()
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 20) for descriptor in (their_in, their_out)]

    def place() -> None:  # Chromium reads commands from descriptor 3 and answers on 4
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    argv = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        argv,
        pass_fds=(3, 4),
        preexec_fn=place,  # noqa: PLW1509 - two calls of the kernel, and no test has threads meanwhile
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for descriptor in (their_in, their_out, *high):
        os.close(descriptor)
    try:
        page = Browser(to_browser, from_browser)
        page.begin()
        yield page
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(to_browser)
        os.close(from_browser)
