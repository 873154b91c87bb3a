"""Clients of a served chip: one session for each connection, and the owner of the instrument."""

from collections import deque
from dataclasses import dataclass, field
from typing import final

ERRORS_KEPT = 16


class Refusal(Exception):
    """A command that is answered by an entry of the error queue."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f'{code},"{text}"')


@final
@dataclass(eq=False)
class Client:
    """State of one connection to the box.

    Attributes:
        errors: Its queue of errors, the oldest first.
        since: Number of the setting that it made first; 0 before.
    """

    errors: deque[str] = field(default_factory=deque)
    since: int = 0

    def complain(self, text: str) -> None:
        """Queue an error; a full queue says so in its last entry, as SCPI wants."""
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append(text)
        else:
            self.errors[-1] = '-350,"Queue overflow"'


@final
class Ownership:
    """Owner of the instrument, and the clients of its present settings and of its last reading.

    Two programs on one box would measure at each other's settings and fetch each other's readings. One that asks for
    the box gets it alone; of two that do not ask, the one whose settings were overrun gets an error.
    """

    def __init__(self) -> None:
        self.owner: Client | None = None
        self._settings = 0
        self._set_by: dict[str, tuple[int, Client]] = {}
        self._read_by: Client | None = None

    def request(self, client: Client) -> bool:
        """Give the box to a client, if nobody else has it."""
        if self.owner is None:
            self.owner = client
        return self.owner is client

    def leave(self, client: Client) -> None:
        """A client lets go of the box, or is gone."""
        if self.owner is client:
            self.owner = None

    def require_change(self, client: Client) -> None:
        """Refuse a client that would change what another one has."""
        if self.owner is not None and self.owner is not client:
            raise Refusal(-203, "Command protected; another client has SYSTem:LOCK")

    def changed(self, client: Client, what: tuple[str, ...]) -> None:
        """A client has set voltages, heaters, light or averages."""
        self._settings += 1
        client.since = client.since or self._settings
        for kind in what:
            self._set_by[kind] = self._settings, client

    def require_own_settings(self, client: Client) -> None:
        """Refuse a reading at settings that are not those that the client made."""
        for kind, (number, who) in self._set_by.items():
            if client.since and number > client.since and who is not client:
                self._read_by = None
                raise Refusal(-221, f"Settings conflict; another client has set {kind} meanwhile")

    def read(self, client: Client) -> None:
        """A client has triggered a reading."""
        self._read_by = client

    def require_own_reading(self, client: Client) -> None:
        """Refuse to hand one client's reading to another."""
        if self._read_by is not client:
            raise Refusal(-230, "Data corrupt or stale; another client has triggered, or none")
