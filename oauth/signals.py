"""What this package tells those above it, without knowing them."""

from __future__ import annotations

from django.dispatch import Signal

logins_changed = Signal()
"""Tokens or quotas were written by ``update``: every process must build its table anew. Sent inside the
transaction of the change."""
