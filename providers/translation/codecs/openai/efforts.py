"""The published reasoning efforts, and the nearest one that a model has."""

from __future__ import annotations

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def nearest(wanted: str, levels: tuple[str, ...]) -> str:
    """``wanted``, else the next lower level that the model has, else its lowest: who asks for little thinking
    does not ask for none. Without ``levels``, which are not known then, it stays."""
    known = [level for level in EFFORTS if level in levels]
    if wanted in levels or wanted not in EFFORTS or not known:
        return wanted
    rank = EFFORTS.index(wanted)
    thinking = [level for level in known if level != "none"] or known
    lower = [level for level in thinking if EFFORTS.index(level) <= rank]
    return lower[-1] if lower else thinking[0]
