"""What tokens cost by genai-prices' catalogue, which ships with it: for the lowest-cost strategy, and for the
page of a record.

Looked up while a table is built or a page is made, never on the path of a request. Pure look-ups, no network.
"""

from __future__ import annotations

from functools import lru_cache

INPUT_TOKENS, OUTPUT_TOKENS = 750_000, 250_000
"""A usual mixture: three tokens read for one written."""

PROVIDERS = {
    "claude": "anthropic",
    "openai": "openai",
    "codex": "openai",
    "gemini": "google",
    "vertex": "google",
    "xai": "x-ai",
    "deepseek": "deepseek",
    "groq": "groq",
    "mistral": "mistral",
    "openrouter": "openrouter",
    "together": "together",
    "fireworks": "fireworks",
    "novita": "novita",
    "minimax": "minimax",
}
"""Our adapters' keys in the catalogue's words. Another adapter's models are looked up by their name alone."""


@lru_cache(maxsize=16_384)
def price_of(adapter: str, model: str) -> float | None:
    """US dollars for a million tokens, None where the catalogue does not know the model."""
    return cost_of(adapter, model, INPUT_TOKENS, OUTPUT_TOKENS)


def cost_of(
    adapter: str, model: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0
) -> float | None:
    """US dollars by the list price of today, None where the catalogue does not know the model. The cached
    tokens are among the input."""
    from genai_prices import Usage, calc_price  # 9 MiB and 0.1 s that a gateway without prices never needs

    usage = Usage(
        input_tokens=input_tokens,
        cache_read_tokens=min(cached_tokens, input_tokens),
        output_tokens=output_tokens,
    )
    try:
        found = calc_price(usage, model_ref=model, provider_id=PROVIDERS.get(adapter))
    except (LookupError, ValueError):
        return None
    return float(found.total_price)
