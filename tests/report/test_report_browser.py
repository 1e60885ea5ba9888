"""The page in a real browser: no overflow, no request, no console message."""

from __future__ import annotations

import shutil

import pytest

from grokverify.report import render

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


@pytest.fixture
def address(samples, make, make_check, tmp_path) -> str:
    wide = make(
        "lab2024/wide",
        title="A very long title " * 8 + "x" * 120,
        statement=f"Inline ${_LONG} = 0$ and $${_LONG}$$ {_HOSTILE} ${_HOSTILE}$ " + "y" * 300,
        checks=(make_check(check="c" * 150, detail="z" * 400),),
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
