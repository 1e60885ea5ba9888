"""The page in a real browser: no overflow, no request, no console message."""

from __future__ import annotations

import math
import shutil

import pytest

from grokverify import series
from grokverify.report import card, render

pytestmark = pytest.mark.slow
_HOSTILE = r"\text{<script>document.title='run'</script>} <img src=x onerror=document.title='run'>"
_LONG = " + ".join(f"x_{{{i}}}" for i in range(60))


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
    if found is None:
        pytest.skip("no chromium on the path")
    with api.sync_playwright() as p:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = p.chromium.launch(executable_path=found, args=flags)
        yield started
        started.close()


def _shared():
    """Eight curves in one picture, two bands, and a grid with a censored cell."""
    x = range(1, 30)
    for k in range(8):
        y = [v ** (k / 4) for v in x]
        yield series(f"curve {k} " + "w" * 40, x=x, y=y, printed=y, plot="many", log="xy")
    for name in ("low", "high"):
        yield series(name, x=x, y=x, plot="bands", stacked=True, marks={"an event": 7})
    yield series("grid", x=[1, 1, 2], y=[1, 2, 1], heat=[1, 2, math.inf], beside="not in the run")


@pytest.fixture
def address(samples, make, make_check, tmp_path) -> str:
    wide = make(
        "lab2024/wide",
        title="A very long title " * 8 + "x" * 120,
        statement=f"Inline ${_LONG} = 0$ and $${_LONG}$$ {_HOSTILE} ${_HOSTILE}$ " + "y" * 300,
        checks=(make_check(check="c" * 150, detail="z" * 400), make_check(series=tuple(_shared()))),
    )
    path = tmp_path / "page.html"
    path.write_text(render([*samples, wide]), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 800, 1280, 1920])
def test_nothing_overflows_and_nothing_is_asked_for(browser, address, width, scheme) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=True
    )
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(address)
    for details in page.locator("details").all():
        details.evaluate("one => one.open = true")
    assert [url for url in heard if not url.startswith("data:")] == [address]
    scroll, client = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert scroll <= client
    assert page.title().startswith("Verification report")
    assert page.evaluate("[...document.images].every(i => i.loading === 'lazy' || i.complete)")
    cut = page.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1 && "
        "getComputedStyle(e).overflowX === 'auto' && e.tabIndex < 0).map(e => e.className)"
    )
    assert cut == [], "these boxes scroll but cannot be reached with the keyboard"
    context.close()


def opened(browser, address, **options):
    page = browser.new_context(**options).new_page()
    page.goto(address)
    return page


def test_the_filters_narrow_the_table_and_say_so(browser, address, samples) -> None:
    page = opened(browser, address)
    rows = page.locator("table.all tr[data-verdict]:visible")
    status = page.get_by_role("status")
    total = len(samples) + 1
    assert status.inner_text() == f"{total} of {total} claims"
    page.locator("select[data-key='verdict']").select_option("refuted")
    assert [status.inner_text(), rows.count()] == [f"1 of {total} claims", 1]
    page.locator("select[data-key='verdict']").select_option("")
    page.get_by_role("searchbox").fill("mended ours")
    assert rows.count() == 1
    assert "The mended rank" in rows.inner_text()
    page.get_by_role("searchbox").fill("no such claim")
    assert rows.count() == 0


def test_the_table_sorts_both_ways(browser, address) -> None:
    page = opened(browser, address)
    button = page.locator("table.all thead").get_by_role("button", name="Verdict")
    words = (
        "[...document.querySelectorAll('table.all tr[data-verdict]')].map(r => r.dataset.verdict)"
    )
    for direction in ("ascending", "descending"):
        button.click()
        head = page.locator("table.all thead th[aria-sort]")
        assert head.get_attribute("aria-sort") == direction
        icons = page.evaluate(
            "[...document.querySelectorAll('table.all tr[data-verdict] td:first-child')]"
            ".map(c => c.textContent.trim())"
        )
        assert len(icons) == len(page.evaluate(words))
        ordered = page.evaluate("a => a.sort((x, y) => x.localeCompare(y, 'en'))", icons[:])
        assert icons == (ordered if direction == "ascending" else ordered[::-1])


def test_without_script_everything_is_there(browser, address, samples) -> None:
    page = opened(browser, address, java_script_enabled=False)
    assert page.locator("table.all tr[data-verdict]:visible").count() == len(samples) + 1
    assert page.locator(".filters").count() == 0


def test_every_link_and_every_node_of_the_graph_can_be_reached_with_the_tab_key(
    browser, address
) -> None:
    page = opened(browser, address)
    wanted = page.evaluate("document.querySelectorAll('svg a.node').length")
    assert wanted > 0
    reached, seen = [], 0
    for _ in range(600):
        page.keyboard.press("Tab")
        told = page.evaluate(
            "[document.activeElement.tagName, document.activeElement.getAttribute('class'),"
            " document.activeElement.getAttribute('href')]"
        )
        if told[0] == "BODY":
            break
        seen += 1
        if told[0].lower() == "a" and "node" in (told[1] or ""):
            reached.append(told[2])
    assert len(reached) == wanted
    assert seen > wanted
    page.locator("svg a.node").first.focus()
    page.keyboard.press("Enter")
    assert page.url.endswith(reached[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_violation(browser, address, scheme, width, samples, tmp_path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    notebook = tmp_path / "card.html"
    frame = "<!DOCTYPE html><html lang='en'><meta name='color-scheme' content='light dark'>"
    frame += "<title>A card</title><main><h1>Cards</h1>"
    notebook.write_text(frame + "".join(map(card, samples)) + "</main></html>", encoding="utf-8")
    for where in (address, notebook.as_uri()):
        page = opened(browser, where, color_scheme=scheme, viewport={"width": width, "height": 900})
        for details in page.locator("details").all():
            details.evaluate("one => one.open = true")
        found = axe.Axe().run(page).response["violations"]
        told = [(v["id"], v["help"], [n["html"][:300] for n in v["nodes"][:4]]) for v in found]
        assert not told
