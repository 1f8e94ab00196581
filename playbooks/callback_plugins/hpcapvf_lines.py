"""Ansible's results as one JSON object a line on standard error, for the program that started ansible-playbook."""

from __future__ import annotations

import json
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: hpcapvf_lines
type: stdout
short_description: one JSON object a line for each task and each host's result
description:
  - "Events: C(task) with C(role) and C(task), and C(result) with C(host), C(role), C(task), C(status) and, where there
    is one, C(reason), C(diff) (with --diff, as text) and of the envelope that a command of hpcapvf answered C(error),
    C(exit_code) and C(changes), which is the diff of a plan."
requirements: [selected as stdout callback]
"""
SCHEMA = "hpcapvf/1"


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Says what happens as it happens; judges nothing."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "hpcapvf_lines"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A task begins on all hosts."""
        self._say({"event": "task", **_place(task)})

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task ended well on a host."""
        self._result(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed on a host."""
        self._result(result, "ok" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host could not be reached."""
        self._result(result, "unreachable")

    def v2_runner_on_async_poll(self, result: Any) -> None:
        """A long task goes on."""
        self._say({"event": "waiting", "host": result._host.get_name(), **_place(result._task)})

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Nobody to do it on: the events say so by naming no host."""

    def _result(self, result: Any, status: str) -> None:
        found = result._result
        event = {"event": "result", "host": result._host.get_name(), **_place(result._task), "status": status}
        if status in ("failed", "unreachable"):
            event["reason"] = _reason(found)
        diff = self._texts(found)
        self._say(event | ({"diff": diff} if diff else {}) | _envelope(found.get("stdout")))

    def _texts(self, found: dict[str, Any]) -> str:
        """The differences of a task's files, and of a loop's, as patches; empty for what asked not to be logged."""
        parts = [found, *(part for part in found.get("results", ()) if isinstance(part, dict))]
        shown = [part["diff"] for part in parts if part.get("diff") and not part.get("_ansible_no_log")]
        return "".join(str(self._get_diff(diff)) for diff in shown) if context.CLIARGS.get("diff") else ""

    def _say(self, event: dict[str, Any]) -> None:
        self._display.display(json.dumps(event), stderr=True)


def _place(task: Any) -> dict[str, str]:
    role = task._role
    return {"role": role.get_name() if role else "", "task": str(task.name or task.action)}


def _reason(found: dict[str, Any]) -> str:
    """Ansible's own words; of a program that failed, what it said last.

    Where a module did not even begin (sudo refused it), Ansible's words are many and say nothing: what it wrote counts.
    """
    words = [str(found.get(key, "")).strip() for key in ("msg", "module_stderr", "stderr")]
    said = [word for word in words if word]
    began = not str(found.get("module_stderr", "")).strip()
    return (
        said[0] if len(said) < 2 or (began and len(said[0].split()) > 4) else f"{said[0]}: {said[-1].splitlines()[-1]}"
    )


def _envelope(stdout: Any) -> dict[str, Any]:
    """The exit code, the error and the plan's changes that a command of hpcapvf answered."""
    try:
        answer = json.loads(stdout)
        if answer["schema"] != SCHEMA:
            return {}
        told = {"exit_code": int(answer["exit_code"]), "error": answer["error"]}
        changes = answer["result"].get("changes")
        return told | ({"changes": changes} if changes else {})
    except (TypeError, ValueError, KeyError, AttributeError):
        return {}
