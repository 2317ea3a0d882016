"""What root does by hand about a sender's mail on this host: `sendquota held` and `sendquota queue` without --all-hosts."""

import pytest

from rig.mail_host import Host

ALICE = "user:alice@example.test"
NOBODY = "user:nobody@example.test"


@pytest.fixture
def host(running):
    return Host(running, "mx1")


@pytest.mark.parametrize("words", [("held", NOBODY, "--delete"), ("held", NOBODY, "--send", "--dry-run"), ("queue", "--of", NOBODY, "--delete"), ("queue", "--of", NOBODY, "--hold")])
def test_of_whom_nothing_is_known_the_answer_is_no(host, words):
    here = host.by_hand(*words)
    assert here.returncode == 1 and "is known" in here.stderr and "mx1" in here.stderr and here.stdout == "", here
    if "--dry-run" not in words:
        everywhere = host.by_hand(*words, "--all-hosts")
        assert everywhere.returncode == 1 and "is known" in everywhere.stderr, everywhere


def test_an_act_about_nobody_is_no_look_at_everybody(host):
    host.send(3)
    for words in ([], ["--all-hosts"], [""], ["", "--all-hosts"]):
        done = host.by_hand("held", *words, "--delete")
        assert done.returncode == 64 and done.stdout == "", done
    assert len(host.held()) == 1
