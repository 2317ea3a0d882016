"""The whole story on real servers: a stolen login and a hacked script send spam through three hosts while honest people work; both are
stopped, told of once each, understood on one page, and undone with the honest mail left whole, though one host was down."""

import hashlib
import shutil
import threading

import pytest

from rig import Client, Php, free_port, wait_for
from rig.browser import Browser
from rig.mail_host import Host, path_of
from rig.tokens import ask, token
from test_notify import Pager
from test_page import enter, open_sender

VICTIM, SCRIPT = "victim@example.test", "script:mx1.example.test/1000:contact.php"
HONEST = [f"honest{number:02}@example.test" for number in range(20)]
QUOTAS = (
    {"name": "mailbox", "per": "user", "limits": ["20 messages / 1h"], "action": "quarantine", "block": {"after": "30 refusals / 10m", "for": ["released"]}},
    {"name": "scripts", "per": ["script", "sender"], "when": "local", "limits": ["10 messages / 1h"], "action": "quarantine",
     "block": {"after": "20 refusals / 10m", "for": ["released"]}})
WAITING = {"default_transport": "smtp:[127.0.0.1]:9", "relay_transport": "smtp:[127.0.0.1]:9"}  # nothing leaves: all that was let through is in the queues
MX3 = "mx3.example.test"


@pytest.fixture
def cluster(running, redis, tmp_path):
    """Three hosts, one store, one pager, and a page on the first."""
    tmp_path.chmod(0o755)
    pager = Pager(tmp_path)
    port = free_port()
    def host(number):
        admin = {"admin": {"tcp": f"127.0.0.1:{port}", "token": [token("admin", "admin")]}} if number == 1 else {}
        one = Host(running, f"mx{number}", store=redis.url, quota=QUOTAS, settings=WAITING,
                   notify={"command": str(pager.program), "on": ["blocked"]}, record={"write_every": "200ms"}, **admin)
        one.mx.add_user("victim")
        one.daemon.port = port
        return one
    return [host(number) for number in (1, 2, 3)], pager


def burst(hosts):
    """Whose mail the servers took: the queue ids, by host. The stolen login comes from 40 networks under random senders."""
    honest = {host: [] for host in hosts}
    def steal():
        for number in range(120):
            host = hosts[number % 3]
            with Client(host.mx.ports["submission"], login="victim", source=f"127.0.{number % 40 + 1}.9") as client:
                client.send(sender=f"x{number}@random{number}.test", recipients=[f"somebody{number}@remote.test"])
    def hack():
        php = Php(hosts[0].mx)
        php.mail(php.mailer("contact.php", owner=1000), 60, "someone@remote.test")
    def work():
        for turn in range(3):
            for number, login in enumerate(HONEST):
                host = hosts[(number + turn) % 3]
                with Client(host.mx.ports["xclient"], xclient=login) as client:
                    outcome = client.send(sender=login)
                assert outcome.accepted, outcome
                honest[host].append(outcome.text.rsplit(" ", 1)[1])
    problems = []
    def guarded(part):
        try:
            part()
        except BaseException as error:  # an assertion too: it is raised in the test's own thread
            problems.append(error)
    threads = [threading.Thread(target=guarded, args=(part,)) for part in (steal, hack, work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return honest


def files(host):
    """What is in the queues: queue id → sum of the file."""
    spool = host.mx.path / "spool"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for queue in ("incoming", "active", "deferred", "hold") for path in (spool / queue).rglob("*") if path.is_file()}


class Service:
    """sendquota-queue on one host."""

    def __init__(self, host):
        self.process = host.mx.room.popen(host.mx.path / "sendquota-queue", "--socket", host.daemon.admin)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def order_of(host, identity):
    """The states of the last order about held mail, by host."""
    orders = host.daemon.cli("held", identity)["orders"]
    return {one["host"]: one["state"] for one in orders[-1]["hosts"]} if orders else {}


def test_a_stolen_login_and_a_hacked_script_are_stopped_told_understood_and_undone(running, cluster):
    hosts, pager = cluster
    one, _, three = hosts
    honest = burst(hosts)

    # Within the burst both are stopped.
    wait_for(lambda: len(one.daemon.cli("blocked")["blocked"]) == 2, "both are blocked")
    assert {block["identity"] for block in one.daemon.cli("blocked")["blocked"]} == {f"user:{VICTIM}", SCRIPT}
    for host in hosts:
        wait_for(lambda: not any(entry["queue_name"] in ("incoming", "active") for entry in host.mx.queue()), "nothing is on its way")  # noqa: B023

    assert sum(shelf["count"] for shelf in one.daemon.cli("queue", "--of", VICTIM)["shelves"]) == 20
    assert sum(shelf["count"] for shelf in one.daemon.cli("queue", "--of", SCRIPT)["shelves"]) == 10

    # Told once each, by whichever daemon.
    told = pager.wait_for(2)
    blocks = [event for event in one.daemon.cli("events", "--count", "1000")["events"] if event["event"] == "blocked"]
    wait_for(lambda: sum(host.daemon.cli("status")["signals"]["notifications"] for host in hosts) == len(blocks) == 2, "each incident was told by one daemon")
    assert sorted((one["event"], one["identity"]) for one in pager.told()) == [("blocked", SCRIPT), ("blocked", f"user:{VICTIM}")], told

    # Understood on one page.
    story = one.daemon.cli("incident", VICTIM)
    assert len(story["identity"]["history"]["networks"]) == 40
    text = one.daemon.command("incident", SCRIPT).stdout
    assert "contact.php" in text and "sendquota release" in text and "grep" in text
    browser = running(Browser())
    shown_on_the_page(browser, one)

    # While the third host is down, one of its recorded queue ids is taken by an honest message.
    held = three.daemon.cli("held", VICTIM)["shelves"]
    stolen_id = next(mail["queue_id"] for shelf in held if shelf["host"] == MX3 for mail in shelf["mail"])
    moved = honest[three].pop()
    held_path = path_of(three, stolen_id)
    content = path_of(three, moved).read_bytes()
    shutil.move(path_of(three, moved), held_path)
    services = [running(Service(host)) for host in hosts[:2]]
    assert len(services) == 2

    # Undone: one command for each, on all hosts; the third finishes when it returns.
    for identity in (VICTIM, SCRIPT):
        done = one.daemon.command("release", identity, "--held", "delete", "--wait", "5s", "--reason", "password changed, ticket 4711")
        assert done.returncode in (0, 1), done.stderr
        done = one.daemon.command("queue", "--of", identity, "--delete", "--all-hosts", "--wait", "5s")
        assert done.returncode in (0, 1), done.stderr
    assert order_of(one, VICTIM)[MX3] == "waiting" and MX3 in one.daemon.command("held", VICTIM).stdout
    assert set(order_of(one, VICTIM).values()) == {"done", "waiting"}
    running(Service(three))
    wait_for(lambda: set(order_of(one, VICTIM).values()) == {"done"}, "the third host has finished", deadline=60)
    for identity in (VICTIM, SCRIPT):
        wait_for(lambda: all(order["over"] for order in one.daemon.cli("queue", "--of", identity)["orders"]), "all orders are over", deadline=60)  # noqa: B023

    # The queues hold the honest mail, whole and only.
    for host in hosts:
        left = files(host)
        assert set(left) == set(honest[host]) | ({stolen_id} if host is three else set()), host.daemon.name
    assert held_path.read_bytes() == content
    (skipped,) = [skip for order in one.daemon.cli("held", VICTIM)["orders"] for host in order["hosts"] for skip in host["skips"]]
    assert skipped.startswith(f"{stolen_id}: it")
    assert not one.daemon.cli("blocked")["blocked"]
    wait_for(lambda: "Nobody is blocked" in browser.text(), "the page shows that nobody is blocked")


def shown_on_the_page(browser, host):
    """The page, as the owner of the server opens it in the morning."""
    enter(browser, host.daemon)
    browser.wait(lambda: VICTIM in browser.text() and "contact.php" in browser.text(), "the page shows who is blocked")
    open_sender(browser, host.daemon, f"user:{VICTIM}")
    browser.wait(lambda: "127.0.40.0/24" in browser.text(), "and from which networks he sent")
    enter(browser, host.daemon)
    assert ask(host.daemon, "/v1/blocked", token="admin").body["total"] == 2
    assert not [said for said in browser.complaints() if "401" not in said]  # before a token was shown
