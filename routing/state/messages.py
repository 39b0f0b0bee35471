"""What processes that share a Redis tell each other, as JSON on one channel: changes, never whole states."""

from __future__ import annotations

import msgspec

from routing.core.cooldown import History

Weights = tuple[tuple[int, int], ...]


class Failed(msgspec.Struct, frozen=True, tag="fail"):
    credential: int
    model: str
    history: History


class Worked(msgspec.Struct, frozen=True, tag="ok"):
    """The failures of this credential and model are forgotten."""

    credential: int
    model: str


class Probed(msgspec.Struct, frozen=True, tag="probe"):
    credential: int
    model: str
    until: float


class Bound(msgspec.Struct, frozen=True, tag="bind"):
    key: str
    credential: int
    until: float


class Unbound(msgspec.Struct, frozen=True, tag="unbind"):
    """``keys`` are those that the teller knew of; who hears it drops all that it knows itself."""

    credential: int
    keys: tuple[str, ...] = ()


class Weighed(msgspec.Struct, frozen=True, tag="weigh"):
    """So many weighted turns were taken, and who was chosen how often."""

    key: str
    weights: Weights
    chosen: dict[int, int]


class Served(msgspec.Struct, frozen=True, tag="served"):
    """Who was last in each ring that moved."""

    rings: dict[str, int]


Change = Failed | Worked | Probed | Bound | Unbound | Weighed | Served


class Message(msgspec.Struct, frozen=True):
    """One batch of one process. ``turns`` are the rotations that moved, at what they now stand at."""

    origin: str
    turns: dict[str, int]
    changes: list[Change]


DECODER = msgspec.json.Decoder(Message)
CHANGES = msgspec.json.Encoder()
HISTORY = msgspec.json.Decoder(History)
