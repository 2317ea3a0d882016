"""Pictures of the page, for people to look at: `SENDQUOTA_PICTURES=FOLDER pytest tests/e2e/pictures_of_page.py`. contrib/page.png is one."""

import os
from pathlib import Path

import pytest

from test_page import ALICE, EVE, browser, enter, site  # noqa: F401

FOLDER = Path(os.environ.get("SENDQUOTA_PICTURES", "/tmp"))


@pytest.mark.parametrize("width, scheme", [(1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")])
def test_pictures(site, browser, width, scheme):  # noqa: F811
    for name, view in [("overview", ""), ("sender", "#/sender/" + EVE), ("evil", "#/sender/" + ALICE)]:
        browser.look_like(width, 1100, scheme)
        enter(browser, site, view=view)
        browser.wait(lambda: browser.rows("#messages" if view else "#senders"), "it is filled")
        browser.look_like(width, min(4000, browser.js("document.documentElement.scrollHeight")), scheme)
        browser.picture(FOLDER / f"{name}-{width}-{scheme}.png")
    browser.look_like(width, 900, scheme)
    browser.click("#do-block")
    browser.picture(FOLDER / f"dialog-{width}-{scheme}.png")


def test_the_picture_of_the_readme(site, browser):  # noqa: F811
    browser.look_like(1060, 1130)
    enter(browser, site, view="#/sender/" + EVE)
    browser.wait(lambda: browser.rows("#messages"), "it is filled")
    browser.picture(FOLDER / "page.png")
