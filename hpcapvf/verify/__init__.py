"""Checks of a deployed machine against its plan, and the proof with frames that are sent and read back."""
