"""A team admin in a real browser: adds a provider, sees it work, makes a client key that is shown once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect, sync_playwright

from providers import secrets
from providers.models import Provider
from routing import client_keys
from routing.models import ClientKey, ModelAlias
from tests.integration.admin.cast import make_provider, make_usage, upstream
from tests.requirements import requires

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture
def page(live_server, monkeypatch, tmp_path) -> Iterator[Page]:
    """A page of the admin, logged in. What the browser's console complains about fails the test."""
    requires("chromium")
    # Playwright runs an event loop in this thread, and Django would refuse to touch the database here.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    monkeypatch.setattr(secrets, "KEYRING", secrets.Keyring(tmp_path / "encryption_keys", []))
    User.objects.create_superuser("mira", password="a-long-password")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1360, "height": 850})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{live_server.url}/admin/")
        page.fill("[name=username]", "mira")
        page.fill("[name=password]", "a-long-password")
        page.click("button[type=submit]")
        expect(page.get_by_role("link", name="Add provider")).to_be_visible()
        yield page
        browser.close()
    assert complaints == []


def test_an_admin_adds_a_provider_by_kind_and_key_and_sees_it_work(page):
    with upstream("acme-secret-0001") as url:
        page.get_by_role("link", name="Add provider").click()
        expect(page.locator("[name=base_url]")).to_be_hidden()
        page.select_option("[name=adapter]", "openai-compatibility")
        expect(page.locator("[name=base_url]")).to_be_visible()
        page.fill("[name=base_url]", url)
        page.fill("[name=api_key]", "acme-secret-0001")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("works", exact=False).first).to_be_visible()
    assert Provider.objects.get().discovered_models


def test_a_kind_without_keys_asks_for_none(page):
    page.get_by_role("link", name="Add provider").click()
    page.select_option("[name=adapter]", "demo")
    expect(page.locator("[name=api_key]")).to_be_hidden()


def test_an_admin_makes_a_pool_on_the_providers_page(page):
    provider = make_provider()
    page.goto(page.url.split("/admin/")[0] + f"/admin/providers/provider/{provider.pk}/change/#aliases")
    for number, model in enumerate(("small", "medium")):
        page.get_by_role("link", name="Add another").locator("visible=true").click()
        page.fill(f"[name=aliases-{number}-alias]", "fast")
        page.fill(f"[name=aliases-{number}-upstream_model]", model)
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("pool of 2, taken in turn")).to_be_visible()
    assert ModelAlias.objects.count() == 2


def test_a_test_from_the_page_shows_the_result_in_words(page):
    with upstream("another-key") as url:
        provider = make_provider(base_url=url)
        provider.credentials.create(
            secret_token=secrets.seal("wrong-key-0001"), fingerprint=secrets.fingerprint("wrong-key-0001")
        )
        page.goto(page.url.split("/admin/")[0] + f"/admin/providers/provider/{provider.pk}/change/")
        page.get_by_role("button", name="Test now").click()
        expect(page.get_by_text("refused the key").first).to_be_visible()


def test_a_new_client_key_is_shown_once_and_can_be_copied(page):
    page.get_by_role("link", name="New client key").click()
    page.fill("[name=note]", "CI")
    page.get_by_role("button", name="Save", exact=True).click()
    plain = page.locator("#client-key").inner_text()
    assert ClientKey.objects.get().digest == client_keys.digest(plain)
    page.locator("[data-copy=client-key]").click()
    expect(page.locator("[data-copy=client-key]")).not_to_have_text("Copy")
    page.get_by_role("link", name="I have copied it").click()
    assert plain not in page.content()


def test_an_admin_finds_out_why_and_comes_from_a_record(page):
    provider = make_provider(options={"only-listed": True})
    secret = "acme-secret-0001"
    provider.credentials.create(
        label="Research", secret_token=secrets.seal(secret), fingerprint=secrets.fingerprint(secret)
    )
    ModelAlias.objects.create(provider=provider, alias="fast", upstream_model="small")
    attempts = [{"provider": "acme", "model": "small", "status": 200, "at": 1.0, "ms": 20.0}]
    record = make_usage(request_id="req-1", provider_key="acme", upstream_model="small", attempts=attempts)
    page.get_by_role("link", name="Usage").click()
    page.fill("[name=q]", "req-1")
    page.keyboard.press("Enter")
    page.get_by_role("rowheader").get_by_role("link").click()
    expect(page.get_by_text("Acme answered as small")).to_be_visible()
    assert f"/{record.pk}/change/" in page.url
    page.get_by_role("link", name="Where would it go now?").click()
    expect(page.locator("#verdict")).to_contain_text("It goes to acme, credential Research, as small.")
    page.get_by_text("Headers and a sample request").click()
    page.fill("[name=body]", '{"messages": [{"role": "user", "content": "Hi"}]}')
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("headers and body").click()
    expect(page.get_by_text("authorization: Bearer [")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
