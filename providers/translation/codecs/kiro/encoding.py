"""What one request gathers while it is encoded: the map of names, and what had no place."""

from __future__ import annotations

from providers.translation.model import Node
from providers.translation.names import NameMap
from providers.values import Format

CONTINUED = "additional_kwargs"
"""Where clients of LangChain keep what an earlier answer said of its conversation: read, so never dropped."""


class Encoding:
    def __init__(self, name_map: NameMap) -> None:
        self.names = name_map
        self._dropped: dict[str, None] = {}

    def drop(self, what: str) -> None:
        self._dropped[what] = None

    def drop_foreign(self, node: Node, where: str = "") -> None:
        """Report the extension fields of other formats on ``node``."""
        for format_, extra in node.ext.items():
            if format_ is not Format.KIRO:
                for key in [key for key in extra if key != CONTINUED]:
                    self.drop(f"{where}.{key}" if where else key)

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(self._dropped)
