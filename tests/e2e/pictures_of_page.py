"""Pictures of the page, for people to look at: `SENDQUOTA_PICTURES=FOLDER pytest tests/e2e/pictures_of_page.py`. contrib/page.png is one."""

import os
from pathlib import Path

import pytest

from rig.tokens import tcp_daemon
from test_page import ALICE, EVE, QUOTA, browser, burst, enter, site  # noqa: F401
from test_page_mail import NAME, Site, confirm, hosts, open_mail

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


def test_the_picture_of_the_readme(running, redis, browser):  # noqa: F811
    holding = [{**QUOTA[0], "action": "quarantine"}, QUOTA[1]]
    daemon = running(tcp_daemon({"quota": holding, "record": {"write_every": "100ms"}}, store=redis.url))
    burst(daemon)
    browser.look_like(1060, 1290)
    enter(browser, daemon, view="#/sender/" + EVE)
    browser.wait(lambda: browser.rows("#messages") and browser.rows("#held"), "it is filled")
    browser.picture(FOLDER / "page.png")


@pytest.mark.parametrize("width, scheme", [(1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")])
def test_pictures_of_held_mail(running, redis, browser, width, scheme):  # noqa: F811
    one, two = Site(running, "mx1", redis.url), Site(running, "mx2", redis.url)
    for each in (one, two):
        each.send(30 if each is one else 4)
        each.send(3, login="bob")
        each.daemon.cli("held", NAME)
    browser.look_like(width, 1100, scheme)
    open_mail(browser, one.daemon)
    browser.click("#held tbody tr:first-child button")
    browser.wait(lambda: browser.rows("#shelves"), "the messages are shown")
    confirm(browser, "#do-send", reason="it was a newsletter", pace="at once")
    browser.wait(lambda: hosts(browser), "the order is shown")
    two.serve_once()
    browser.wait(lambda: "done" in [row[1] for row in hosts(browser)], "one host is done")
    browser.click("#do-release")
    browser.find("#field-held").send_keys("is deleted")
    browser.picture(FOLDER / f"mail-dialog-{width}-{scheme}.png")
    browser.click("#dialog-no")
    browser.look_like(width, min(4000, browser.js("document.documentElement.scrollHeight")), scheme)
    browser.picture(FOLDER / f"mail-{width}-{scheme}.png")
    enter(browser, one.daemon)
    browser.wait(lambda: browser.rows("#mail"), "the overview lists it")
    browser.picture(FOLDER / f"mail-overview-{width}-{scheme}.png")
