"""A team admin connects accounts in a real browser: by mouse, by keyboard alone, on a phone.

A whole gateway as a process, because the pages follow a login by WebSocket; the vendor is on loopback and has
pages of its own, which the browser visits. An error of a script and a breach of the content security policy
fail the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.test_admin import CHROMIUM, QUIET
from tests.integration.logins.person import PASSWORD
from tests.integration.logins.vendor import Vendor, running_vendor
from tests.processes import Gateway, running_gateways
from tests.requirements import requires

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
PATIENCE_MS = 20_000
BREACH = "Content Security Policy"
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 860}


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    requires("chromium")
    with running_vendor() as vendor:
        yield vendor


@pytest.fixture(scope="module")
def gateway(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    environment = {**vendor.environment(), "CLIPROXY_ADMIN_PASSWORD": PASSWORD}
    with running_gateways(tmp_path_factory.mktemp("browser")) as start:
        yield start(config=vendor.config(), environment=environment)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    requires("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def session(browser: Browser, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signed in once, by hand; every test starts from its cookies."""
    kept = tmp_path_factory.mktemp("session") / "cookies.json"
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{gateway.url}/v0/oauth/kiro")
    page.wait_for_load_state()
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    expect(page.get_by_role("heading", name="Connect Kiro")).to_be_visible(timeout=PATIENCE_MS)
    context.storage_state(path=kept)
    context.close()
    return kept


@pytest.fixture
def open_page(browser: Browser, session: Path, gateway: Gateway) -> Iterator[Callable[..., Page]]:
    """``open_page("/path", size=PHONE)``: a page that is loaded."""
    complaints: list[str] = []
    contexts = []

    def open_one(path: str, size: dict[str, int] = DESK) -> Page:
        context = browser.new_context(viewport=size, storage_state=session)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if BREACH in line.text else None)
        go(page, gateway.url + path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


def go(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_load_state()


def begin(page: Page) -> None:
    """Accept and continue; the terms are asked for until somebody has accepted them."""
    terms = page.get_by_label("I have read this")
    if terms.count():
        terms.check()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#open-link")).to_be_visible()


def visit_vendor(page: Page, name: str) -> Page:
    """Follow the link to the vendor's page, in its new tab, and press what is called ``name`` there."""
    with page.context.expect_page() as opened:
        page.locator("#open-link").click()
    other = opened.value
    other.wait_for_load_state()
    role = "button" if other.get_by_role("button", name=name).count() else "link"
    other.get_by_role(role, name=name).click()  # type: ignore[arg-type]
    other.wait_for_load_state()
    return other


def test_a_kiro_account_is_connected(open_page):
    page = open_page("/v0/oauth/kiro?new=1")
    begin(page)
    expect(page.locator("#user-code")).to_contain_text("ACME-")
    expect(page.locator(".qr-image")).to_be_attached()
    page.locator("[data-copy]").click()
    expect(page.locator("[data-copy]")).not_to_have_text("Copy")
    visit_vendor(page, "Allow access")
    expect(page.get_by_role("heading", name="Connected")).to_be_focused()
    page.get_by_role("link", name="Open the credential").click()
    page.wait_for_load_state()
    expect(page.get_by_text("@example.com").first).to_be_visible()


def test_a_refusal_is_told_and_can_be_tried_again(open_page):
    page = open_page("/v0/oauth/github-copilot?new=1")
    begin(page)
    visit_vendor(page, "Deny")
    expect(page.get_by_role("heading", name="Login refused")).to_be_visible()
    page.get_by_role("link", name="Start again").click()
    page.wait_for_load_state()
    begin(page)
    page.get_by_role("button", name="Cancel this login").click()
    expect(page.get_by_role("heading", name="Login cancelled")).to_be_visible()


def test_the_vendors_page_comes_back_by_itself(open_page):
    page = open_page("/v0/oauth/claude?new=1")
    begin(page)
    other = visit_vendor(page, "Allow access")
    expect(other.get_by_role("heading", name="Login received")).to_be_visible()
    expect(page.get_by_role("heading", name="Connected")).to_be_visible()


def test_on_a_phone_an_address_is_pasted(open_page, vendor: Vendor):
    page = open_page("/v0/oauth/kiro?new=1", PHONE)
    page.get_by_label("Import Kiro's token file").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    go(page, page.url.replace("kiro", "claude"))
    begin(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    other = page.context.new_page()
    go(other, page.locator("#open-link").get_attribute("href") or "")
    back = other.get_by_role("link", name="Allow access").get_attribute("href")
    page.get_by_label("Address that the browser ended on").fill("http://localhost/callback?code=x&state=y")
    page.get_by_role("button", name="Use this address").click()
    expect(page.get_by_role("alert")).to_contain_text("another login")
    page.get_by_label("Address that the browser ended on").fill(back or "")
    page.get_by_role("button", name="Use this address").click()
    expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_keyboard_is_enough(open_page, vendor: Vendor):
    page = open_page("/v0/oauth/kiro?new=1")
    press_until(page, "Skip to the login")
    page.keyboard.press("Enter")
    press_until(page, "builder-id")
    page.keyboard.press("ArrowDown")  # the next method
    expect(page.get_by_label("IAM Identity Center")).to_be_checked()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("AWS Builder ID")).to_be_checked()
    if page.get_by_label("I have read this").count():
        press_until(page, "accept_terms")
        page.keyboard.press("Space")
    press_until(page, "Continue")
    page.keyboard.press("Enter")
    expect(page.locator("#user-code")).to_be_visible()
    press_until(page, "Copy")
    page.keyboard.press("Enter")
    expect(page.locator("[data-copy]")).not_to_have_text("Copy")
    vendor.allow(page.locator("#user-code").inner_text())
    expect(page.get_by_role("heading", name="Connected")).to_be_focused()
    press_until(page, "Open the credential")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"


def press_until(page: Page, wanted: str, at_most: int = 25) -> None:
    """Tab until what is focused is called ``wanted`` (its text, name or value)."""
    for _ in range(at_most):
        page.keyboard.press("Tab")
        held = page.evaluate(
            "(e => [e.textContent.trim(), e.name, e.value].filter(Boolean).join('|'))(document.activeElement)"
        )
        if wanted in held:
            return
    raise AssertionError(f"no way to {wanted!r} by keyboard; the last was {held!r}")


def test_a_page_without_a_socket_asks(open_page, vendor: Vendor):
    page = open_page("/v0/oauth")
    page.add_init_script("window.WebSocket = class { constructor() { throw new Error('closed'); } };")
    go(page, page.url + "/kiro?new=1")
    begin(page)
    vendor.allow(page.locator("#user-code").inner_text())
    expect(page.get_by_role("heading", name="Connected")).to_be_visible()
