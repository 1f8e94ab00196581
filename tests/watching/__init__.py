"""One to three VMs watched by one agent, in the emulated server: what each gets, by number and content.

`python -m tests.watching RESULT.json` (`make test-watching`).
"""
