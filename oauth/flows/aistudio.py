"""AI Studio: no login of its own. A web app in the user's browser connects to ``/v1/ws`` and relays; what it
brings is a credential that lives as long as its connection. This sheet gives the channel its name."""

from __future__ import annotations

from oauth.flows.channel import Terms
from oauth.flows.standard import StandardChannel


class AIStudio(StandardChannel):
    key = "aistudio"
    name = "Google AI Studio (relay)"
    provider_key = "aistudio"
    adapter = "aistudio"
    names = ("ai-studio",)
    terms = Terms(
        text=(
            "The web app calls the Gemini API with your own session in Google AI Studio, under the terms of "
            "that API. They are yours to keep: who connects the app answers for what is asked through it."
        ),
        url="https://ai.google.dev/gemini-api/terms",
    )
    is_refreshable = False
