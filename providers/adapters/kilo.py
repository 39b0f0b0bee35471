"""Kilo Code's gateway. Source: https://kilo.ai/docs. Protocol and errors are OpenRouter's; free models are
served at base URL https://api.kilo.ai/api/openrouter with the key ``anonymous``. Logins are served there too,
for the organisation that the account chose (``X-Kilocode-OrganizationID``: Kilo's open-source extension)."""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.adapters.openai import OPENAI_FAMILIES
from providers.adapters.openai_compatible import OpenAICompatible
from providers.values import CredentialEntry

_OPENROUTER = "/openrouter"


class Kilo(OpenAICompatible):
    key = "kilo"
    name = "Kilo Code"
    base_url = "https://api.kilo.ai/v1"
    login_base_url = "https://api.kilo.ai/api/openrouter"
    key_hint = "The token of a Kilo Code account, or anonymous for the free models."
    environment = ("KILO_API_KEY", "KILOCODE_API_KEY")
    public_list = True
    open_ended = True
    abilities_by_model = OPENAI_FAMILIES
    catalogue = (
        CatalogueModel(
            id="kilo/auto", display_name="Kilo Auto", context_length=200_000, max_output_tokens=64_000
        ),
    )

    def _models_url(self, credential: CredentialEntry) -> str:
        base = self.base_of(credential)
        is_openrouters = bool(credential.channel) or base.endswith(_OPENROUTER)
        if is_openrouters and not credential.options.get("models-endpoint"):
            return f"{base}/models"
        return super()._models_url(credential)

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        organization = credential.account.get("organization_id", "")
        common = super()._common_headers(credential)
        return common | {"x-kilocode-organizationid": organization} if organization else common
