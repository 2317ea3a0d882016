"""Held mail on the web page: whose and where, the first messages, orders about it and how far each host is, on real queues."""

import shutil

import pytest

from rig import free_port, wait_for
from rig.mail_host import HOLD, Host, path_of
from rig.tokens import ask, secret, token
from test_page import EVIL, browser, enter, is_well, is_within_the_screen  # noqa: F401

ALICE, BOB = "alice@example.test", "bob@example.test"
NAME = f"user:{ALICE}"
EVIL_SENDER = '"<img/src=x/onerror=document.title=1>"@example.test'
TOKENS = [*(token(role, role) for role in ("read", "support", "admin")), token("acme", "admin", "acme"), token("other", "read", "other")]


class Site(Host):
    """A host whose daemon has an admin port for the browser."""

    def __init__(self, running, name="mx1", store="memory:", **tables):
        port = free_port()
        super().__init__(running, name, store, quota=(HOLD,), admin={"tcp": f"127.0.0.1:{port}", "token": TOKENS}, record={"write_every": "100ms"}, **tables)
        self.daemon.port = port


@pytest.fixture
def window(browser):  # noqa: F811
    """The browser, with nothing left of the test before."""
    browser.look_like(1200)
    browser.open("about:blank")
    browser.complaints()
    return browser


@pytest.fixture
def site(running, window, tmp_path):
    (tmp_path / "accounts").write_text(f"user:{ALICE} acme\n")
    return Site(running, identity={"accounts": str(tmp_path / "accounts")})


def open_mail(browser, daemon, role="admin", who=NAME):  # noqa: F811
    enter(browser, daemon, role, "#/sender/" + who)
    browser.wait(lambda: browser.rows("#held"), "held mail is shown")


def confirm(browser, button, **fields):  # noqa: F811
    browser.click(button)
    for name, value in fields.items():
        browser.find(f"#field-{name}").send_keys(value)
    browser.click("#dialog-yes")


def hosts(browser):  # noqa: F811
    """Of the newest order: what each host is said to have done."""
    return [row[:1] + [" ".join(row[1].split()), " ".join(row[2].split())] for row in browser.rows("#mail-orders .order:first-child")]


def test_the_page_shows_whose_mail_is_held_and_where_and_its_first_messages(site, browser):  # noqa: F811
    site.send(2)
    ids = site.send(25)
    site.send(3, login="bob")
    enter(browser, site.daemon)
    browser.wait(lambda: len(browser.rows("#mail")) == 2, "the overview lists both")
    assert sorted(row[:3] for row in browser.rows("#mail")) == [[NAME, "mx1.example.test", "25"], [f"user:{BOB}", "mx1.example.test", "1"]]
    browser.find(f"#mail a[data-key='to {NAME}']").click()
    browser.wait(lambda: browser.rows("#held"), "her held mail is shown")
    assert browser.rows("#held")[0][:2] == ["mx1.example.test", "25"] and browser.text("#held-count") == "25"
    browser.click("#held button")
    browser.wait(lambda: browser.rows("#shelves"), "the first messages are shown")
    rows = browser.rows("#shelves")
    assert [row[1] for row in rows] == ids[:20] and {(row[2], row[3], row[4]) for row in rows} == {(ALICE, ALICE, "1")}
    assert browser.text("#shelves caption") == "The first 20 of 25 on mx1.example.test"
    browser.click("#held button")
    browser.wait(lambda: not browser.rows("#shelves"), "they are put away")
    assert is_well(browser)


def test_a_release_deletes_held_mail_on_all_hosts_and_its_way_is_followed(running, redis, window):
    browser = window
    one, two = Site(running, "mx1", redis.url), Site(running, "mx2", redis.url)
    others = {}
    for site in (one, two):
        mine = site.send(4)
        site.send(3, login="bob")
        others[site] = sorted(set(site.held()) - set(mine))
        site.daemon.cli("held", ALICE)  # has written what it knows
    one.daemon.cli("block", ALICE)
    enter(browser, one.daemon)
    browser.wait(lambda: browser.rows("#blocked"), "the block is shown")
    browser.click("#blocked button")
    assert browser.text("#dialog-yes") == "Release"
    browser.find("#field-held").send_keys("is deleted")
    assert browser.text("#dialog-yes") == "Release and delete" and "danger" in browser.find("#dialog-yes").get_attribute("class")
    browser.type("#field-reason", "password changed")
    browser.click("#dialog-yes")
    browser.wait(lambda: "is released. Its held mail is to be deleted on 2 hosts." in browser.text("#told"), "it is said")
    browser.wait(lambda: [row[1] for row in hosts(browser)] == ["waiting", "waiting"], "her page says who has not begun")
    assert "password changed" in browser.text("#mail-orders") and "under way" in browser.text("#mail-orders")
    one.serve_once()
    browser.wait(lambda: [row[1] for row in hosts(browser)] == ["done", "waiting"], "what the first has done is shown by itself")
    assert hosts(browser)[0][2] in ("2 of 2", "4 of 4") and one.held() == others[one] and len(two.held()) > len(others[two]) > 0
    two.serve_once()
    browser.wait(lambda: "over" in browser.text("#mail-orders .badge") and not browser.rows("#held"), "so is its end")
    assert two.held() == others[two]
    assert ask(one.daemon, "/v1/blocked", token="read").body["total"] == 0
    assert is_well(browser)


def test_held_mail_is_sent_or_deleted_without_a_release(site, browser):  # noqa: F811
    site.send(2)
    site.send(3)
    site.daemon.cli("block", ALICE)
    open_mail(browser, site.daemon)
    browser.click("#do-send")
    assert browser.text("#dialog-title") == f"Send the held mail of {NAME}?" and "3 messages" in browser.text("#dialog-what")
    browser.click("#dialog-no")
    assert site.daemon.cli("held", ALICE)["orders"] == []
    confirm(browser, "#do-send", reason="it was a newsletter", pace="at once")
    browser.wait(lambda: "is to be sent on mx1.example.test" in browser.text("#told"), "the order is said")
    site.serve_once()
    browser.wait(lambda: hosts(browser)[:1] == [["mx1.example.test", "done", "3 of 3"]] and not browser.rows("#held"), "what was sent is shown")
    assert site.held() == [] and len(site.mx.wait_for_messages(5)) == 5
    assert "at once" in browser.text("#mail-orders") and site.daemon.cli("blocked")["blocked"], "she stays blocked"
    assert is_well(browser)


def test_held_mail_is_deleted_after_a_question(site, browser):  # noqa: F811
    site.send(4)
    others = site.send(3, login="bob")[2:]
    open_mail(browser, site.daemon)
    confirm(browser, "#do-delete", bounces="are deleted too")
    browser.wait(lambda: hosts(browser) == [["mx1.example.test", "waiting", ""]], "the order is shown")
    order, = site.daemon.cli("held", ALICE)["orders"]
    assert (order["act"], order["with_bounces"], order["by"]) == ("delete", True, "admin")
    site.serve_once()
    browser.wait(lambda: [row[1] for row in hosts(browser)] == ["done"], "its end is shown")
    assert site.held() == others
    assert is_well(browser)


def test_each_caller_sees_and_is_offered_what_he_may(site, browser):  # noqa: F811
    site.send(4)
    site.send(3, login="bob")
    def offered():
        return [one for one in ("#do-send", "#do-delete", "#held button", "#orders") if browser.find(one).is_displayed()]
    open_mail(browser, site.daemon, "read")
    assert offered() == ["#held button"]
    open_mail(browser, site.daemon, "support")
    assert offered() == ["#do-send", "#held button", "#orders"]
    browser.click("#do-release")
    assert "sent" in browser.text("#field-held") and "deleted" not in browser.text("#field-held")
    enter(browser, site.daemon, "acme", "#/sender/" + NAME)
    browser.wait(lambda: browser.rows("#held"), "her account sees her held mail")
    assert browser.rows("#held")[0][:2] == ["mx1.example.test", "2"] and browser.js("document.querySelector('#held button')") is None
    assert browser.find("#do-delete").is_displayed()
    browser.click("a.home")
    browser.wait(lambda: browser.rows("#senders"), "its overview is shown")
    assert not browser.find("#mail-part").is_displayed()
    assert is_well(browser)
    enter(browser, site.daemon, "other", "#/sender/" + NAME)
    browser.wait(lambda: "not one of its own" in browser.text("#alarm"), "another account is told nothing")
    assert not browser.find("#held-part").is_displayed()


def test_what_lies_in_the_queue_is_text_and_nothing_else(site, browser):  # noqa: F811
    site.send(2)
    ids = site.send(2, sender=EVIL_SENDER)
    evil, = site.send(3, login="bob", sender=EVIL_SENDER)[2:]
    open_mail(browser, site.daemon)
    browser.click("#held button")
    browser.wait(lambda: [row[2] for row in browser.rows("#shelves")] == [EVIL_SENDER.replace('"', "")] * 2 or [row[2] for row in browser.rows("#shelves")] == [EVIL_SENDER] * 2, "senders are shown as typed")
    shutil.move(path_of(site, evil), path_of(site, ids[0]))
    confirm(browser, "#do-delete", reason=EVIL)
    site.serve_once()
    browser.wait(lambda: [row[1] for row in hosts(browser)] == ["done"], "the end of the order is shown")
    assert EVIL in browser.text("#mail-orders") and f"skipped {ids[0]}" in browser.text("#mail-orders")
    assert browser.js("document.querySelectorAll('main script, main img, main [onerror]').length") == 0
    assert is_well(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_held_mail_fits_a_phone(site, browser, scheme):  # noqa: F811
    site.send(2)
    site.send(5, sender="x" * 60 + "@" + "y" * 60 + ".example.test")
    browser.look_like(360, 740, scheme)
    open_mail(browser, site.daemon)
    browser.click("#held button")
    browser.wait(lambda: browser.rows("#shelves"), "the messages are shown")
    confirm(browser, "#do-delete", reason="z" * 200)
    browser.wait(lambda: hosts(browser), "the order is shown")
    assert is_within_the_screen(browser)
    browser.open("about:blank")
    enter(browser, site.daemon)
    browser.wait(lambda: browser.rows("#mail"), "the overview shows it")
    assert is_within_the_screen(browser)
    assert is_well(browser)
