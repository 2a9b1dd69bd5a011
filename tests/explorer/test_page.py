"""The page in a browser: what it shows of a dispute, by keyboard, on a phone, and what it never does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests.explorer.conftest import HOSTILE, Scene
from tests.tools import tool

PICTURES = Path("build/explorer")
"""What the page looks like, for whoever changes it."""
PHONE = {"width": 390, "height": 844}
FAINT = """() => {
    const parts = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => parts(color).slice(0, 3).map((c) => c / 255)
        .map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
    const ground = (e) => {
        const color = getComputedStyle(e).backgroundColor;
        return parts(color)[3] === 0 ? ground(e.parentElement) : color;
    };
    return [...document.querySelectorAll("body *")]
        .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
        .filter((e) => !e.disabled && !e.closest(".hidden"))
        .map((e) => {
            const style = getComputedStyle(e);
            const text = light(e.namespaceURI.endsWith("svg") ? style.fill : style.color), behind = light(ground(e));
            return [e.outerHTML.slice(0, 60), (Math.max(text, behind) + .05) / (Math.min(text, behind) + .05)];
        })
        .filter(([, contrast]) => contrast < 4.5);
}"""
"""The page's texts that are hard to read, each with its contrast."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = tool("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, scene: Scene) -> Iterator[Page]:
    yield from watched(browser.new_context(viewport={"width": 1280, "height": 900}), scene)


@pytest.fixture
def phone(browser: Browser, scene: Scene) -> Iterator[Page]:
    yield from watched(browser.new_context(viewport=PHONE, has_touch=True, color_scheme="dark"), scene)


def watched(context: BrowserContext, scene: Scene) -> Iterator[Page]:
    """A page that must end without an error in its console and without a request to anybody else."""
    page = context.new_page()
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith((scene.url, "data:")) else wrong.append(request.url)
    )
    yield page
    context.close()
    assert wrong == []


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def too_wide(page: Page) -> list[str]:
    """Elements that stick out of the window, but for those that scroll by themselves."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter((e) => !e.closest(".scroll, .skip, .hidden") && e.getBoundingClientRect().right > innerWidth + 1)
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    return found


def test_claims_are_listed_with_state_and_verdict(page: Page, scene: Scene) -> None:
    page.goto(scene.url)
    claims = page.get_by_role("navigation", name="Claims").get_by_role("listitem")
    report = scene.feed.latest
    assert report is not None
    expect(claims).to_have_count(len(report.snapshot.claims))
    newest = claims.first
    expect(newest).to_contain_text("pending")
    expect(newest).to_contain_text("refuted")
    live = newest.get_by_role("button")
    expect(live).to_contain_text("at terms")
    expect(live).to_contain_text(re.compile(r"executor to move, (\d+ min )?\d+ s left"))
    expect(newest).to_contain_text(re.compile(r"may be disputed for \d+ (h|min)"))
    expect(newest).to_contain_text(f"model {scene.stage.model.id.hex()[:8]}")
    expect(claims.last.get_by_role("button")).to_contain_text("challenger won")
    expect(page.locator("#head")).to_contain_text(f"block {report.snapshot.block}")
    expect(page.get_by_role("heading", name="A dispute is a descent")).to_be_visible()
    picture(page, "claims")


def test_what_is_next_is_said_where_nothing_is_picked_yet(page: Page, scene: Scene) -> None:
    page.goto(scene.page(scene.live))
    expect(page.locator("#descent")).to_contain_text("next: executor opens partial values")
    page.get_by_role("slider", name="Move").focus()
    page.keyboard.press("Home")
    expect(page.locator("#descent")).to_contain_text("next: executor opens nodes of the trace")
    page.goto(scene.page(scene.over))
    expect(page.locator("#descent")).to_contain_text("challenger wins")
    expect(page.locator("#descent")).not_to_contain_text("next:")


def test_a_live_dispute_is_drawn_with_turn_and_clock_and_both_numbers(page: Page, scene: Scene) -> None:
    page.goto(scene.url)
    page.get_by_role("navigation").get_by_role("button").first.click()
    expect(page.locator("#turn")).to_have_text(re.compile(r"The executor is to move and has (\d+ min )?\d+ s left"))
    # One strip for each pick: a layer of three, an element of four; where there is one of a kind, none is picked.
    picks = page.locator("#descent .funnel")
    moves = page.locator("#moves tbody tr")
    page.get_by_text("All moves").click()
    assert picks.count() == moves.filter(has_text="challenger").filter(has_text="picks").count() > 0
    value = scene.live.position.value
    expect(page.locator("#descent .number")).to_have_text(f"{value:,}")
    executors, own = page.locator("#numbers strong").all_inner_texts()
    assert (executors, own) == (f"{value:,}", f"{value - 1:,}")
    expect(page.locator("#parties")).to_contain_text("gas")
    picture(page, "live")


def test_a_finished_dispute_is_replayed_by_keyboard(page: Page, scene: Scene) -> None:
    page.goto(scene.page(scene.over))
    expect(page.locator("#turn")).to_contain_text("the contract computed the number")
    slider = page.get_by_role("slider", name="Move")
    moves = int(slider.get_attribute("max") or 0) + 1
    assert moves > 5
    expect(page.locator("#step")).to_have_text(f"{moves} of {moves}")
    strips = page.locator("#descent .funnel").count()
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#step")).to_have_text(f"1 of {moves}")
    expect(page.locator("#detail")).to_contain_text("challenger challenges the claim")
    expect(page.locator("#descent .funnel")).to_have_count(0)
    for _ in range(moves - 1):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#descent .funnel")).to_have_count(strips)
    expect(page.locator("#descent")).to_contain_text("challenger wins")
    expect(slider).to_have_attribute("aria-valuetext", "contract pays the stakes out")
    expect(page.get_by_role("button", name="Next move")).to_be_disabled()
    picture(page, "replay")


def test_everything_is_reached_by_tab_in_the_order_of_the_page(page: Page, scene: Scene) -> None:
    page.goto(scene.page(scene.live))
    expect(page.locator("#dispute")).to_be_visible()
    reached: list[str] = []
    while "summary" not in reached and len(reached) < 20:
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => { const e = document.activeElement;
                    return e.id || (e.dataset.dispute ? "dispute" : e.className) || e.tagName.toLowerCase() }"""
            )
        )
    assert reached == ["skip", "dispute", "dispute", "previous", "slider", "summary"]  # `next` is off at the end
    named = page.evaluate(
        """() => [...document.querySelectorAll("button, input, svg[role], section, nav, [aria-labelledby]")]
            .filter((e) => !e.innerText?.trim() && !e.ariaLabel && !e.getAttribute("aria-labelledby")).length"""
    )
    assert named == 0
    assert page.locator("#descent-text").inner_text()  # the drawing in words


def test_a_chosen_dispute_keeps_the_focus_while_the_page_is_drawn_again(page: Page, scene: Scene) -> None:
    page.goto(scene.url)
    button = page.get_by_role("navigation").get_by_role("button").first
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#dispute")).to_be_visible()
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-current", "true")


def test_it_fits_a_phone(phone: Page, scene: Scene) -> None:
    phone.goto(scene.page(scene.live))
    expect(phone.locator("#numbers")).to_be_visible()
    assert too_wide(phone) == []
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    phone.get_by_text("All moves").click()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(phone, "phone")


def test_a_phone_shows_the_whole_of_every_caption(phone: Page, scene: Scene) -> None:
    phone.goto(scene.page(scene.over))
    expect(phone.locator("#descent")).to_contain_text("committed to")
    lines = phone.locator("#descent text")
    words = " ".join(lines.all_text_contents())
    assert "and it is not what the executor committed to" in words
    assert words.count("…") == 1  # the stranger's name of a layer, a word that is longer than a line
    assert max(line.evaluate("e => e.getBoundingClientRect().right") for line in lines.all()) <= PHONE["width"]
    picture(phone, "phone-replay")


def test_a_phone_that_is_sent_to_a_dispute_shows_it(phone: Page, scene: Scene) -> None:
    phone.goto(scene.page(scene.live))
    expect(phone.locator("#title")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    browser: Browser, scene: Scene, scheme: Literal["light", "dark"]
) -> None:
    """Contrast 4.5 to 1 at least, as WCAG 2 asks for at level AA; what is switched off is exempt."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(scene.page(scene.live))
    page.get_by_text("All moves").click()
    expect(page.locator("#numbers")).to_be_visible()
    faint = page.evaluate(FAINT)
    context.close()
    assert faint == []


def test_a_strangers_names_are_text(page: Page, scene: Scene) -> None:
    page.goto(scene.page(scene.live))
    expect(page.locator("#numbers")).to_contain_text(HOSTILE)
    assert page.title() == "Refute"
    assert page.locator("img, main script").count() == 0


def test_a_dispute_that_is_not_there_is_said(browser: Browser, scene: Scene) -> None:
    """Whatever stands in the address; a console may note the 404, so this page is not watched."""
    context = browser.new_context()
    page = context.new_page()
    for anchor in ("0x" + "00" * 32, "../../etc", "<img src=x onerror=alert(1)>"):
        page.goto("about:blank")
        page.goto(f"{scene.url}/#{anchor}")
        expect(page.get_by_role("alert")).to_contain_text("there is no")
    context.close()


def test_the_claims_do_not_wait_for_a_dispute_that_is_read(page: Page, scene: Scene) -> None:
    held: list[Route] = []
    page.route("**/api/dispute/*", lambda route: held.append(route))
    page.goto(scene.page(scene.over))
    expect(page.get_by_role("navigation").get_by_role("listitem")).not_to_have_count(0)
    expect(page.locator("#no-claims")).to_be_hidden()
    expect(page.locator("#reading")).to_be_visible()
    held[0].continue_()
    expect(page.locator("#dispute")).to_be_visible()
    expect(page.locator("#reading")).to_be_hidden()
    page.unroute_all(behavior="ignoreErrors")


def test_it_says_when_the_agent_is_gone(browser: Browser, scene: Scene) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(scene.url)
    expect(page.locator("#head")).to_contain_text("block")
    context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("Not up to date")
    context.set_offline(False)
    expect(page.get_by_role("alert")).to_be_hidden()
    context.close()
