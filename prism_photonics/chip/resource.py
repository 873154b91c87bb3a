"""VISA resource names: when two spellings are one instrument."""

import contextlib
import re
import socket

_CLASSES = ("INSTR", "RAW", "SERVANT", "SOCKET")


def canonical(resource: str) -> str:
    """One spelling for all that VISA takes for the same resource: case, board 0, leading zeros, local names.

    Source: VPP-4.3, 4.3.1.1 (grammar of resource names).
    """
    first, *rest = (part.strip() for part in resource.strip().upper().split("::"))
    if board := re.fullmatch(r"([A-Z-]+)(\d*)", first):
        first = f"{board[1]}{int(board[2] or 0)}"
    parts = [first, *(_plain(part) for part in rest)]
    return "::".join(parts if len(parts) == 1 or parts[-1] in _CLASSES else [*parts, "INSTR"])


def same_box(one: str, other: str) -> bool:
    """Whether two resources can be one instrument: the same, or two services of one host, of which one is its own."""
    ours, theirs = canonical(one).split("::"), canonical(other).split("::")
    if ours == theirs:
        return True
    # A host's INSTR service and its sockets are one box; two of its sockets may be a gateway's.
    over_lan = all(len(parts) > 2 and re.fullmatch(r"(TCPIP|VICP)\d+", parts[0]) for parts in (ours, theirs))
    return bool(over_lan) and ours[1] == theirs[1] and "INSTR" in (ours[-1], theirs[-1])


def _plain(part: str) -> str:
    if part == "LOCALHOST":
        return "127.0.0.1"
    if part.isascii() and part.isdigit():
        return part.lstrip("0") or "0"
    # Short and other forms of an address, such as 127.1.
    with contextlib.suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(part))
    return part
