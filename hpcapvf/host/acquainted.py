"""Guests that were met once, and are not greeted again: each greeting is a question to libvirt and a round trip."""

from __future__ import annotations

from hpcapvf.host.protocols import Guest, GuestAccess, Guests


class AcquaintedGuests:
    """For a short time in which no guest is started or stopped. Who did not answer is tried again."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests
        self._met: dict[GuestAccess, Guest] = {}

    def connect(self, access: GuestAccess, *, timeout_s: float) -> Guest:
        """The guest that answered before, or as the guests behind this."""
        if access not in self._met:
            self._met[access] = self._guests.connect(access, timeout_s=timeout_s)
        return self._met[access]
