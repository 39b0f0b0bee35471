"""A team admin adds, tests, switches and reads providers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from providers import secrets
from providers.models import Credential, CredentialCooldown, Provider
from routing import revision
from routing.models import ModelAlias, ModelExclusion
from tests.integration.admin.cast import form_of, make_credential, make_person, make_provider, upstream

ADD = reverse("admin:providers_provider_add")
LIST = reverse("admin:providers_provider_changelist")
pytestmark = pytest.mark.django_db


def texts(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def page_of(provider) -> str:
    return reverse("admin:providers_provider_change", args=[provider.pk])


def rest(credential, minutes=10, **columns):
    now = timezone.now()
    values = {"cause": "quota", "message": "You are over quota.", "status": 429, **columns}
    return CredentialCooldown.objects.create(
        credential=credential, since=now, until=now + timedelta(minutes=minutes), **values
    )


def test_it_adds_a_provider_from_a_kind_and_a_key(admin, django_capture_on_commit_callbacks):
    with upstream("acme-secret-0001") as url, django_capture_on_commit_callbacks(execute=True):
        response = admin.post(
            ADD, {"adapter": "openai-compatibility", "api_key": "acme-secret-0001", "base_url": url}
        )
    assert response.status_code == 302
    provider = Provider.objects.get()
    assert (provider.key, provider.name) == ("openai-compatibility", "OpenAI-compatible server")
    credential = provider.credentials.get()
    assert secrets.reveal(credential.secret_token) == "acme-secret-0001"
    assert credential.health == "working"
    assert [model["id"] for model in provider.discovered_models] == ["acme-small", "acme-large"]
    assert any("works" in text and "2 models" in text for text in texts(response))


def test_it_needs_no_base_url_for_a_vendor_with_an_address_of_its_own(admin):
    response = admin.post(ADD, {"adapter": "groq", "api_key": "gsk_not-a-real-key-0001"})
    assert response.status_code == 302
    assert Provider.objects.get().base_url == ""


def test_it_numbers_the_second_provider_of_a_kind(admin):
    for secret in ("gsk_not-a-real-key-0001", "gsk_not-a-real-key-0002"):
        admin.post(ADD, {"adapter": "groq", "api_key": secret})
    rows = Provider.objects.order_by("pk").values_list("key", "name")
    assert list(rows) == [("groq", "Groq"), ("groq-2", "Groq 2")]


def test_it_asks_for_what_the_kind_needs(admin):
    response = admin.post(ADD, {"adapter": "openai-compatibility"})
    errors = response.context["adminform"].form.errors
    assert set(errors) == {"base_url"} | ({"api_key"} & set(errors))
    assert not Provider.objects.exists()


def test_it_needs_no_key_for_a_kind_without_keys(admin, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        admin.post(ADD, {"adapter": "demo"})
    assert Credential.objects.get().kind == "none"


def test_a_vendor_that_cannot_be_reached_does_not_block_saving(admin, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = admin.post(
            ADD,
            {
                "adapter": "openai-compatibility",
                "api_key": "acme-secret-0001",
                "base_url": "http://127.0.0.1:9",
            },
        )
    assert Provider.objects.exists()
    assert any("Saved, but" in text for text in texts(response))


def test_a_base_url_of_the_metadata_service_is_refused(admin):
    data = {"adapter": "openai-compatibility", "api_key": "x" * 20, "base_url": "http://169.254.169.254/v1"}
    assert "base_url" in admin.post(ADD, data).context["adminform"].form.errors


def test_one_page_shows_credentials_aliases_pools_and_exclusions(admin):
    provider = make_provider()
    make_credential(provider, label="Team key")
    for position, model in enumerate(("small", "medium")):
        ModelAlias.objects.create(provider=provider, alias="fast", upstream_model=model, position=position)
    ModelExclusion.objects.create(provider=provider, pattern="*-preview")
    html = admin.get(page_of(provider)).content.decode()
    for shown in ("Team key", "pool of 2, taken in turn", "small", "medium", "*-preview"):
        assert shown in html


def test_the_page_saves_a_new_credential_alias_and_exclusion(admin):
    provider = make_provider()
    data = form_of(admin.get(page_of(provider)))
    for prefix, columns in {
        "credentials": {"secret": "acme-secret-0002", "weight": "1", "enabled": "on"},
        "aliases": {"alias": "fast", "upstream_model": "small", "position": "0"},
        "exclusions": {"pattern": "*-preview"},
    }.items():
        data[f"{prefix}-TOTAL_FORMS"] = "1"
        data |= {f"{prefix}-0-{name}": value for name, value in columns.items()}
        data[f"{prefix}-0-provider"] = str(provider.pk)
    before = revision.current()
    response = admin.post(page_of(provider), data)
    assert response.status_code == 302, response.context and response.context["errors"]
    assert secrets.reveal(provider.credentials.get().secret_token) == "acme-secret-0002"
    assert provider.aliases.get().upstream_model == "small"
    assert provider.exclusions.get().pattern == "*-preview"
    assert revision.current() > before


def test_the_same_key_twice_is_refused_in_words(admin):
    provider = make_provider()
    make_credential(provider, "acme-secret-0001")
    data = {"provider": provider.pk, "secret": "acme-secret-0001", "weight": "1", "enabled": "on"}
    response = admin.post(reverse("admin:providers_credential_add"), data)
    assert "has a credential with this key already" in response.content.decode()


def test_test_now_tells_latency_and_models(admin):
    with upstream("acme-secret-0001") as url:
        provider = make_provider(base_url=url)
        credential = make_credential(provider)
        response = admin.post(reverse("admin:providers_provider_test_now", args=[provider.pk]))
    assert any("works" in text and " ms" in text and "2 models" in text for text in texts(response))
    credential.refresh_from_db()
    assert credential.health == "working"


def test_test_now_tells_the_upstreams_error_in_words(admin):
    with upstream("another-key") as url:
        provider = make_provider(base_url=url)
        credential = make_credential(provider)
        response = admin.post(reverse("admin:providers_credential_test_now", args=[credential.pk]))
    assert any("refused the key" in text for text in texts(response))
    credential.refresh_from_db()
    assert credential.health == "broken"
    assert "acme-secret-0001" not in credential.health_message + " ".join(texts(response))
    assert "Broken" in admin.get(LIST).content.decode()


def test_lists_say_why_a_credential_rests_and_until_when(admin):
    credential = make_credential(make_provider(), label="Team key", health="working")
    cooldown = rest(credential)
    until = timezone.localtime(cooldown.until).strftime("%H:%M")
    for page in (LIST, reverse("admin:providers_credential_changelist"), page_of(credential.provider)):
        html = admin.get(page).content.decode()
        assert "Cooling down" in html
        assert "its quota is spent (429)" in html
        assert until in html


def test_clearing_a_cooldown_reaches_every_process(admin):
    credential = make_credential(make_provider())
    rest(credential)
    before = revision.current()
    response = admin.post(
        reverse("admin:providers_credential_changelist"),
        {"action": "clear_cooldowns", "_selected_action": [credential.pk]},
    )
    assert "Cooldowns of 1 credential cleared." in texts(response)
    credential.refresh_from_db()
    assert credential.cooldowns_cleared_at is not None
    assert not credential.cooldowns.exists()
    assert revision.current() > before


def test_disabling_and_enabling_report_a_count_and_raise_the_revision(admin):
    rows = [make_provider("acme"), make_provider("bolt")]
    for action, enabled, said in (
        ("disable", False, "2 providers disabled."),
        ("enable", True, "2 providers enabled."),
    ):
        before = revision.current()
        response = admin.post(LIST, {"action": action, "_selected_action": [row.pk for row in rows]})
        assert said in texts(response)
        assert set(Provider.objects.values_list("enabled", flat=True)) == {enabled}
        assert revision.current() > before


def test_a_replaced_key_starts_afresh(admin):
    credential = make_credential(make_provider(), health="broken", health_message="The key was refused.")
    rest(credential)
    url = reverse("admin:providers_credential_change", args=[credential.pk])
    data = form_of(admin.get(url)) | {"secret": "acme-secret-0002"}
    assert admin.post(url, data).status_code == 302
    credential.refresh_from_db()
    assert secrets.reveal(credential.secret_token) == "acme-secret-0002"
    assert (credential.health, credential.health_message) == ("unknown", "")
    assert not credential.cooldowns.exists()


def test_an_edit_leaves_alone_what_routing_wrote_meanwhile(admin):
    credential = make_credential(make_provider(), label="old")
    url = reverse("admin:providers_credential_change", args=[credential.pk])
    data = form_of(admin.get(url)) | {"label": "new"}
    Credential.objects.filter(pk=credential.pk).update(health="broken", health_message="refused")
    admin.post(url, data)
    credential.refresh_from_db()
    assert (credential.label, credential.health, credential.health_message) == ("new", "broken", "refused")


@pytest.mark.parametrize(
    "page", [LIST, reverse("admin:providers_credential_changelist"), reverse("admin:index")]
)
def test_a_list_takes_as_many_queries_for_twenty_rows_as_for_two(admin, page, django_assert_max_num_queries):
    def fill(first, count):
        for number in range(first, first + count):
            rest(make_credential(make_provider(f"acme-{number}")))

    fill(0, 2)
    with django_assert_max_num_queries(25) as few:
        admin.get(page)
    fill(2, 18)
    with django_assert_max_num_queries(25) as many:
        admin.get(page)
    assert len(many) <= len(few)


def test_a_providers_page_takes_no_more_queries_for_more_rows(admin, django_assert_max_num_queries):
    provider = make_provider()

    def fill(first, count):
        for number in range(first, first + count):
            credential = make_credential(provider, f"acme-secret-{number:04}")
            ModelAlias.objects.create(
                provider=provider, credential=credential, alias=f"a{number}", upstream_model="m"
            )

    fill(0, 2)
    admin.get(page_of(provider))
    with django_assert_max_num_queries(40) as few:
        admin.get(page_of(provider))
    fill(2, 10)
    with django_assert_max_num_queries(40) as many:
        admin.get(page_of(provider))
    assert len(many) <= len(few)


def rules_of(browser, provider, kind, rows):
    """The form of the provider's page with ``rows`` typed behind those that are there."""
    data = form_of(browser.get(page_of(provider)))
    there = kind.objects.filter(provider=provider).count()
    prefix = "aliases" if kind is ModelAlias else "exclusions"
    for number, row in enumerate(rows, there):
        data |= {f"{prefix}-{number}-{column}": value for column, value in row.items()}
    return data | {f"{prefix}-TOTAL_FORMS": str(there + len(rows))}


ALIAS = {"alias": "fast", "upstream_model": "small", "position": "0"}
PATTERN = {"pattern": "x-*"}


@pytest.mark.parametrize(("kind", "row"), [(ModelAlias, ALIAS), (ModelExclusion, PATTERN)])
@pytest.mark.parametrize("is_there", [True, False])
def test_the_same_rule_twice_is_refused_in_words(admin, kind, row, is_there):
    provider = make_provider()
    if is_there:
        kind.objects.create(provider=provider, **row)
    response = admin.post(
        page_of(provider), rules_of(admin, provider, kind, [row] if is_there else [row, row])
    )
    assert "The same stands in another row." in response.content.decode()
    assert kind.objects.count() == is_there


def test_two_members_of_a_pool_change_places(admin):
    provider = make_provider()
    for model in ("small", "large"):
        ModelAlias.objects.create(provider=provider, alias="fast", upstream_model=model)
    data = form_of(admin.get(page_of(provider)))
    data |= {"aliases-0-upstream_model": "large", "aliases-1-upstream_model": "small"}
    assert admin.post(page_of(provider), data).status_code == 302
    assert list(ModelAlias.objects.values_list("upstream_model", flat=True)) == ["large", "small"]


def test_a_rule_that_is_there_is_refused_in_words_on_its_own_page_too(admin):
    provider = make_provider()
    ModelAlias.objects.create(provider=provider, alias="fast", upstream_model="small")
    response = admin.post(reverse("admin:routing_modelalias_add"), ALIAS | {"provider": str(provider.pk)})
    assert "There is one like this already." in response.content.decode()
    response = admin.post(page_of(provider), form_of(admin.get(page_of(provider))) | {"prefix": "a/b"})
    assert "A prefix holds no slash." in response.content.decode()


def test_the_models_that_were_found_can_be_read(admin):
    provider = make_provider(discovered_models=[{"id": "acme-small"}], discovered_at=timezone.now())
    shown = admin.get(page_of(provider)).content.decode()
    assert "1 found, now" in shown
    assert "<div>acme-small</div>" in shown


def test_a_list_is_called_by_what_it_lists_and_names_an_owner_where_there_are_two(admin):
    provider = make_provider()
    shown = admin.get(LIST).content.decode()
    assert "<title>Providers | Gateway</title>" in " ".join(shown.split()).replace("> ", ">").replace(
        " <", "<"
    )
    assert "Owned by" not in shown
    Provider.objects.filter(pk=provider.pk).update(origin="file")
    assert "Owned by" in admin.get(LIST).content.decode()


def test_who_logs_in_without_an_aim_comes_home(db):
    make_person("ada")
    answer = Client().post("/admin/login/", {"username": "ada", "password": "a-long-password"})
    assert (answer.status_code, answer["location"]) == (302, "/admin/")


def test_a_table_of_many_rules_comes_in_pages_and_can_be_saved(admin):
    provider = make_provider()
    rows = [
        ModelAlias(provider=provider, alias=f"m{number:03d}", upstream_model="small", position=number)
        for number in range(120)
    ]
    ModelAlias.objects.bulk_create(rows)
    page = admin.get(page_of(provider))
    data = form_of(page)
    assert "aliases-50-alias" not in data
    assert "120" in page.content.decode()
    new = {"aliases-50-alias": "new", "aliases-50-upstream_model": "small", "aliases-50-position": "0"}
    data |= {"aliases-TOTAL_FORMS": "51", "aliases-page": "1"}
    response = admin.post(page_of(provider), data | new | {"aliases-50-alias": "m100"})
    assert "The same stands in another row." in response.content.decode()
    many = {f"ignored-{number}": "" for number in range(1500)}
    assert admin.post(page_of(provider), data | new | many).status_code == 302
    assert ModelAlias.objects.filter(alias="new").exists()
    assert ModelAlias.objects.count() == 121
