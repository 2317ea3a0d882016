"""The web page in a real browser, on mail that a real milter conversation brought."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rig import Redis, free_port, wait_for
from rig.browser import Browser
from rig.milterplay import message, play_each, session
from rig.tokens import ask, secret, tcp_daemon
from rig.wait import answers

ALICE, EVE = "user:alice@example.test", "user:eve@example.test"
QUOTA = [{"name": "mailbox", "per": "user", "limits": ["20 messages / 1h", "200 recipients / 1d"], "block": {"after": "15 refusals / 10m", "for": ["1h", "6h"]}},
         {"name": "scripts", "per": ["script"], "when": "local", "limits": ["5 messages / 1h"], "action": "quarantine"}]
EVIL = "<script>document.title='owned'</script>\" onmouseover=\"document.title='owned'\"<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def browser():
    with Browser() as one:
        yield one


@pytest.fixture
def site(running, redis, browser):
    """A daemon on Redis after a burst: a stolen login from many networks, honest users, a script, and one who types HTML."""
    daemon = running(tcp_daemon({"quota": QUOTA, "record": {"write_every": "100ms", "evidence_headers": ["User-Agent"]}}, store=redis.url))
    daemon.redis = redis
    burst(daemon)
    browser.look_like(1200)
    browser.open("about:blank")
    browser.complaints()
    return daemon


def sent(login, queue_id, sender=None, headers=(("Subject", "hello"),), address="192.0.2.1"):
    return [*session(address=address), *message(login=login, sender=f"<{sender or login}>", queue_id=queue_id, headers=headers)]


def burst(daemon):
    spam = (("Subject", "You have won"), ("User-Agent", "SpamTool 1.0"))
    play_each(daemon, [
        *(sent("eve@example.test", f"4Eve{number:02}", f"x{number}@random{number}.test", spam, f"198.51.{number}.7") for number in range(20)),
        *(sent(f"user{number:02}@example.test", f"4Usr{number:02}") for number in range(25)),
        sent("alice@example.test", "4Ali01", f"{EVIL}@example.test", (("Subject", EVIL), ("User-Agent", EVIL)))])
    for number in range(20, 40):  # these are refused, as soon as it is certain
        daemon.play(1, user="eve@example.test", client=f"198.51.{number}.7", sender=f"x{number}@random{number}.test")
    daemon.play(8, script=f"1000:{EVIL.replace(' ', '')[:60]}")
    wait_for(lambda: ask(daemon, "/v1/blocked", token="read").body["total"] == 1, "the stolen login is blocked")


def enter(browser, daemon, role="admin", view=""):
    """Opens the page and shows it the role's token."""
    browser.open("about:blank")
    browser.open(f"http://127.0.0.1:{daemon.port}/")
    browser.js("sessionStorage.clear()")
    browser.open("about:blank")
    browser.open(f"http://127.0.0.1:{daemon.port}/{view}")
    browser.wait(lambda: "This service is used with a token" in browser.text(), "the page asks for a token")
    browser.type("#token", secret(role) + "\n")
    browser.wait(lambda: browser.text("#caller").startswith(role), "the token is taken")


def senders(browser):
    return browser.js("[...document.querySelectorAll('#senders tbody a')].map((one) => one.innerText)")


def open_sender(browser, daemon, identity, role="admin"):
    enter(browser, daemon, role, "#/sender/" + identity)
    browser.wait(lambda: browser.rows("#messages"), f"the messages of {identity} are shown")


def is_well(browser):
    """Nothing was run that a sender typed, and the browser had nothing to forbid."""
    assert "owned" not in browser.js("document.title")
    complaints = [text for text in browser.complaints() if not re.search(r"status of 40[01] ", text)]  # it asks once without a token
    assert complaints == []
    return True


def is_within_the_screen(browser):
    width = browser.js("document.documentElement.clientWidth")
    return browser.js("document.documentElement.scrollWidth") <= width


def test_the_overview_shows_the_burst_the_blocked_and_the_senders(site, browser):
    enter(browser, site)
    browser.wait(lambda: browser.rows("#senders"), "senders are shown")
    sums = browser.text("#sums").split("\n")
    answer = ask(site, "/v1/totals", token="read").body["tallies"]
    for fate in ("sent", "held", "refused"):
        assert sums[sums.index(fate) + 1].replace(",", "") == str(sum(one[fate] for one in answer)), sums
    assert sum(one["refused"] for one in answer) == 20 and sum(one["held"] for one in answer) == 3
    (sender, why, _, left, button), = browser.rows("#blocked")
    assert (sender, why, button) == (EVE, "20 refusals in 10m", "Release…")
    assert left.endswith("min")
    assert senders(browser)[0] == EVE and "blocked" in browser.rows("#senders")[0][0]
    assert browser.text("#senders-count") == "27" and "1 to 20 of 27" in browser.text("#senders-pages")
    browser.click("#senders-pages button:last-child")
    browser.wait(lambda: "21 to 27 of 27" in browser.text("#senders-pages"), "the second page is shown")
    assert len(senders(browser)) == 7
    assert browser.js("document.querySelectorAll('#totals rect.refused').length") >= 1
    assert is_well(browser)


def test_senders_are_sorted_by_any_column_and_searched(site, browser):
    enter(browser, site)
    browser.wait(lambda: browser.rows("#senders"), "senders are shown")
    for column, first in [("refused", EVE), ("recipients", EVE), ("networks", EVE), ("identity", ALICE)]:
        browser.click(f"#senders button[data-by={column}]")
        browser.wait(lambda: browser.js("document.querySelector('#senders th[aria-sort] button').dataset.by") == column and senders(browser)[:1] == [first], f"sorted by {column}")
    browser.type("#search", "USER1")
    browser.wait(lambda: browser.text("#senders-count") == "10", "only those that bear it are listed")
    assert senders(browser) == [f"user:user1{number}@example.test" for number in range(10)]
    browser.type("#search", "nobody-bears-this")
    browser.wait(lambda: browser.text("#senders-none") == "Nobody.", "nobody is found")
    browser.type("#search", "frank@example.test\n")
    browser.wait(lambda: browser.text("#sender-title") == "user:frank@example.test", "Enter opens a sender whose whole name was typed")
    browser.wait(lambda: "0 of 20 used" in browser.text("#limits"), "one who never sent has all his limits")
    assert is_well(browser)


def test_a_sender_is_shown_with_limits_messages_and_networks(site, browser):
    open_sender(browser, site, EVE)
    assert "20 of 20 used" in browser.text("#limits") and browser.js("document.querySelector('#limits meter').value") == 20
    assert browser.text("#sender-state").startswith("Blocked")
    rows = browser.rows("#messages")
    assert len(rows) == 40 and rows[-1][2].startswith("You have won") and "SpamTool 1.0" in rows[-1][2]
    assert rows[-1][3] == "x0@random0.test" and rows[-1][5] == "198.51.0.7" and rows[-1][6].startswith("4Eve00")
    assert {row[1].split("\n")[0] for row in rows} == {"accept", "tempfail"}
    assert len(browser.rows("#networks")) == 40
    label = browser.js("document.querySelector('#bars svg').getAttribute('aria-label')")
    assert label.startswith("Messages by time: 20 sent, 0 held, 20 refused")
    assert is_well(browser)


def test_a_sender_is_released_and_blocked_again_with_the_dialog_and_then_limited(site, browser):
    open_sender(browser, site, EVE)
    browser.click("#do-release")
    assert browser.text("#dialog-title") == f"Release {EVE}?"
    browser.click("#dialog-no")
    assert ask(site, "/v1/blocked", token="read").body["total"] == 1, "nothing was ordered"
    browser.click("#do-release")
    browser.type("#field-reason", "password changed")
    browser.click("#dialog-yes")
    browser.wait(lambda: "is released" in browser.text("#told") and "0 of 20 used" in browser.text("#limits"), "the release is shown")
    assert ask(site, "/v1/blocked", token="read").body["total"] == 0
    browser.wait(lambda: browser.text("#do-release") == "Refill…", "nothing is left to release")
    browser.click("#do-release")
    assert browser.text("#dialog-what") == "Forgets the refusals, and fills every limit up again."
    browser.click("#dialog-no")
    browser.click("#do-block")
    browser.type("#field-for", "yesterday")
    browser.click("#dialog-yes")
    browser.wait(lambda: "yesterday" in browser.text("#dialog-error"), "what cannot be understood is said")
    browser.type("#field-for", "2h")
    browser.type("#field-reason", EVIL)
    browser.click("#dialog-yes")
    browser.wait(lambda: EVIL in browser.text("#sender-state"), "the block is shown with its reason")
    block, = ask(site, "/v1/blocked", token="read").body["blocked"]
    assert (block["by"], block["reason"], block["until"] is not None) == ("admin", EVIL, True)
    browser.click("#do-limit")
    browser.type("#field-limit", "7 messages / 1h")
    browser.click("#dialog-yes")
    browser.wait(lambda: "7 messages / 1h" in browser.text("#limits") and "live override" in browser.text("#limits"), "the limit is shown")
    assert is_well(browser)


def test_what_a_role_may_not_do_is_not_offered(site, browser):
    open_sender(browser, site, EVE, "read")
    assert not browser.find("#orders").is_displayed()
    open_sender(browser, site, EVE, "support")
    browser.click("#do-limit")
    assert browser.js("document.querySelector('#field-for').required") and "*" not in browser.text("#field-quota")
    assert is_well(browser)


def test_what_a_sender_types_is_text_and_nothing_else(site, browser):
    open_sender(browser, site, ALICE)
    row, = browser.rows("#messages")
    assert row[2] == f"{EVIL[:80]}\nuser-agent: {EVIL[:80]}" and row[3] == f"{EVIL}@example.test"
    assert browser.js("document.querySelectorAll('main script, main img, main [onmouseover], main [onerror]').length") == 0
    enter(browser, site)
    browser.js("(() => { const per = document.querySelector('#per'); per.value = 'script'; per.dispatchEvent(new Event('input')); })()")
    browser.wait(lambda: any(name.startswith("script:") for name in senders(browser)), "the script is listed")
    browser.click("#senders tbody a")
    browser.wait(lambda: browser.rows("#messages"), "its messages are shown")
    assert "quarantine" in browser.text("#messages") and "3 messages held on" in browser.text("#held-facts")
    for where in ("#/sender/" + "%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D'owned'%3E", "#/sender/%zz", "#/sender/a%00b"):
        browser.js("(location.hash = arguments[0])", where)
        browser.wait(lambda: browser.text("#alarm") or browser.js("location.hash") == "#/", "what is no sender is said, or left")
    assert browser.js("document.querySelectorAll('main img').length") == 0
    assert "owned" not in browser.js("document.title").replace("document.title='owned'", "")
    assert not any("Content Security Policy" in text for text in browser.complaints())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["", "#/sender/" + EVE, "#/sender/" + ALICE])
def test_it_fits_a_phone_and_follows_the_colours_that_the_user_prefers(site, browser, scheme, view):
    browser.look_like(360, 740, scheme)
    enter(browser, site, view=view)
    browser.wait(lambda: browser.rows("#messages" if view else "#senders"), "it is filled")
    assert is_within_the_screen(browser)
    text, ground = browser.scheme_of("body")
    assert (sum(ground) < 200 < sum(text)) if scheme == "dark" else (sum(text) < 200 < sum(ground))
    browser.find("#do-block" if view else "#blocked button").click()
    assert is_within_the_screen(browser) and browser.js("document.querySelector('dialog').getBoundingClientRect().right") <= 360
    assert is_well(browser)


def test_what_is_not_seen_and_turns_the_writing_round_is_shown(site, browser):
    play_each(site, [sent("bob@example.test", "4Bob01", headers=(("Subject", "=?utf-8?q?invoice=E2=80=AEfdp=2Eexe?="),))])
    enter(browser, site, view="#/sender/user:bob@example.test")
    browser.wait(lambda: browser.rows("#messages"), "it is filled")
    assert "invoice\\u{202E}fdp.exe" in browser.text("#messages")
    assert "invoice\\u{202E}fdp.exe" in site.command("show", "bob@example.test").stdout
    site.cli("block", "bob@example.test", "--reason", "\u2066x\u200b")
    browser.wait(lambda: "\\u{2066}x\\u{200B}" in browser.text("main"), "so is what administrators type")
    assert site.cli("show", "bob@example.test")["history"]["messages"][0]["subject"] == "invoice\u202efdp.exe"  # programs get it as it is
    assert is_well(browser)


def focused(browser):
    return browser.js("(({id, dataset, innerText}) => id || dataset.key || innerText)(document.activeElement)")


def tab_to(browser, wanted, most=80):
    for _ in range(most):
        browser.press("TAB")
        if focused(browser) == wanted:
            outline = browser.js("getComputedStyle(document.activeElement)['outline-style']")
            assert outline != "none", f"the focus on {wanted} cannot be seen"
            return
    raise AssertionError(f"{wanted} is not reached by the keyboard")


def test_an_incident_is_ended_with_the_keyboard_alone(site, browser):
    enter(browser, site)
    browser.wait(lambda: browser.rows("#blocked"), "the blocked are shown")
    tab_to(browser, "search")
    browser.press(*"eve")
    browser.wait(lambda: senders(browser) == [EVE], "the search has found one")
    browser.press("ENTER")
    browser.wait(lambda: browser.rows("#messages"), "Enter has opened the only one found")
    tab_to(browser, "do-release")
    browser.press("ENTER")
    browser.wait(lambda: focused(browser) == "field-reason", "the dialog has the focus")
    browser.press("ESCAPE")
    browser.wait(lambda: focused(browser) == "do-release", "the focus is where it was")
    browser.press("ENTER", *"done", "ENTER")
    browser.wait(lambda: "is released" in browser.text("#told"), "the release is said")
    assert browser.js("document.querySelector('#told').getAttribute('role')") == "status"
    assert is_well(browser)


def test_every_field_has_a_label_and_every_button_a_name(site, browser):
    enter(browser, site)
    browser.wait(lambda: browser.rows("#senders"), "senders are shown")
    unnamed = "[...document.querySelectorAll('input, select')].filter((one) => !one.labels.length).map((one) => one.id)"
    assert browser.js(unnamed) == []
    assert browser.js("[...document.querySelectorAll('button, a')].filter((one) => !(one.innerText || one.textContent).trim()).length") - 1 <= 1
    browser.click("#blocked button")
    assert browser.js(unnamed) == []


def test_the_page_follows_what_happens_and_keeps_the_focus(site, browser):
    enter(browser, site)
    browser.wait(lambda: browser.rows("#senders"), "senders are shown")
    browser.js("document.querySelector('#senders tbody a').focus()")
    before = focused(browser)
    site.cli("block", "dave@example.test", "--reason", "now")
    browser.wait(lambda: any(row[0] == "user:dave@example.test" for row in browser.rows("#blocked")), "the new block is shown by itself")
    site.play(3, user="user00@example.test")
    browser.wait(lambda: ["user:user00@example.test", "4"] == browser.rows("#senders")[1][:2], "so is what was sent")
    assert focused(browser) == before
    assert is_well(browser)


SEEN_AT = """(() => {
  const alarm = document.querySelector('#alarm');
  window.seen = null;
  new MutationObserver(() => { if (!alarm.hidden && alarm.textContent.includes(arguments[0])) window.seen = window.seen || Date.now(); })
    .observe(alarm, { attributes: true, childList: true, characterData: true, subtree: true });
})()"""


def silence_is_said(browser, process, words, rounds=3):
    """Stops a process again and again, touches nothing, and returns how many seconds it took at most until the page said so."""
    browser.js(SEEN_AT, words)
    took = []
    for number in range(rounds):
        time.sleep(0.17 * number)  # at another moment between two questions
        process.send_signal(signal.SIGSTOP)
        began = time.time()
        try:
            browser.wait(lambda: browser.js("window.seen"), "the silence is said", 5)
            assert words in browser.text("#alarm") and browser.find("#alarm").is_displayed()
            took.append(browser.js("window.seen") / 1000 - began)
        finally:
            process.send_signal(signal.SIGCONT)
        browser.wait(lambda: not browser.find("#alarm").is_displayed(), "it answers again, and that is seen")
        browser.js("(window.seen = null)")
    return max(took)


def test_a_store_that_does_not_answer_is_said_within_a_second_by_itself_and_so_is_its_return(site, browser):
    enter(browser, site)
    browser.wait(lambda: browser.rows("#senders"), "senders are shown")
    took = silence_is_said(browser, site.redis.process, "The store does not answer. Mail goes on.")
    print(f"a silent store is said after {took:.2f} s at most")
    assert took < 1 and browser.rows("#senders"), "what was known stays"


def test_a_store_that_has_ended_is_said_within_a_second_by_itself(site, browser):
    enter(browser, site, view="#/sender/" + EVE)
    browser.wait(lambda: browser.rows("#messages"), "a sender is shown")
    browser.js(SEEN_AT, "The store does not answer.")
    site.redis.kill()
    began = time.time()
    browser.wait(lambda: browser.js("window.seen"), "it is said", 5)
    assert browser.js("window.seen") / 1000 - began < 1 and "The daemon" not in browser.text("#alarm")
    assert browser.rows("#messages"), "what was known stays"


def test_a_record_that_is_not_written_is_said_on_a_phone_too_until_it_is_written_again(running, redis, browser):
    record = running(Redis())
    socket = Path(record.url.removeprefix("unix:"))
    long = socket.with_name("x" * 60)  # no browser breaks it by itself
    long.symlink_to(socket)
    daemon = running(tcp_daemon({"quota": QUOTA, "store": {"timeout": "100ms"}, "record": {"url": f"unix:{long}", "write_every": "100ms"}}, store=redis.url))
    browser.look_like(360, 740)
    enter(browser, daemon)
    record.process.send_signal(signal.SIGSTOP)
    try:
        daemon.play(1, user="alice@example.test")
        browser.wait(lambda: "has gaps" in browser.text("#alarm"), "it is said")
        assert is_within_the_screen(browser)
        redis.process.send_signal(signal.SIGSTOP)
        try:
            browser.wait(lambda: re.search(r"The store does not answer\. Mail goes on\..* has gaps: .*[.]$|has gaps: .*\S\. The store does not answer\.", browser.text("#alarm")), "two sentences are two")
            assert is_within_the_screen(browser)
        finally:
            redis.process.send_signal(signal.SIGCONT)
    finally:
        record.process.send_signal(signal.SIGCONT)
    browser.wait(lambda: not browser.find("#alarm").is_displayed(), "no message had to come")


def test_a_daemon_that_does_not_answer_is_said_within_a_second_by_itself_and_so_is_its_return(site, browser):
    enter(browser, site)
    browser.wait(lambda: browser.rows("#senders"), "senders are shown")
    assert silence_is_said(browser, site.process, "The daemon does not answer.") < 1
    site.restart()
    browser.wait(lambda: not browser.find("#alarm").is_displayed() and browser.rows("#senders"), "the page goes on with the next daemon")


def test_a_token_is_kept_in_this_tab_only_and_a_wrong_one_is_said(site, browser):
    enter(browser, site)
    assert browser.js("[localStorage.length, document.cookie]") == [0, ""]
    browser.driver.refresh()
    browser.wait(lambda: browser.text("#caller").startswith("admin"), "this tab remembers it")
    browser.click("#leave")
    browser.wait(lambda: browser.find("#token").is_displayed(), "it is asked for again")
    assert browser.js("sessionStorage.length") == 0
    browser.type("#token", "x" * 40 + "\n")
    browser.wait(lambda: "not known" in browser.text("#gate-error"), "a wrong one is said")
    browser.type("#token", secret("read") + "\n")
    browser.wait(lambda: browser.text("#caller").startswith("read"), "another one is taken")


def test_over_the_socket_no_token_is_asked_for(site, browser, running):
    """As through `ssh -L PORT:/run/sendquota/admin.sock`."""
    port = free_port()
    with subprocess.Popen(["python3", Path(__file__).parent / "rig/forward.py", str(port), str(site.admin)]) as forward:
        try:
            wait_for(lambda: answers(port), "the way is open")
            browser.open(f"http://localhost:{port}/")
            browser.wait(lambda: browser.rows("#senders"), "senders are shown at once")
            assert browser.text("#caller").startswith("root (admin)") and not browser.find("#leave").is_displayed()
            assert is_well(browser)
        finally:
            forward.terminate()
