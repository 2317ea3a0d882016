"""Who is blocked stays blocked, whatever happens to Redis and to the daemon meanwhile; and what was released stays released."""

import os
import stat

import pytest

from rig import wait_for
from rig.blocks import ALICE, BLOCKED, RECORD, events, mailbox


ENOUGH = mailbox("50 messages / 30d")


def file_of(daemon):
    return daemon.path / "state" / "known-blocks"


def block_alice(daemon, redis):
    """Returns once this daemon refuses her, has completed and marked the block, and a second more has passed for its file."""
    redis.cli("HSET", BLOCKED, ALICE, "stolen")
    wait_for(lambda: not daemon.play(user="alice")[0].accepted, "alice is refused")
    wait_for(lambda: "seen,marked" in file_of(daemon).read_text(), "the block is in the file")


def attempts(daemon, count=20):
    """How many of alice's messages were accepted."""
    return sum(tried.accepted for tried in daemon.play(count, user="alice"))


def test_a_block_is_in_a_file_of_the_daemons_own(node, redis):
    daemon = node(ENOUGH)
    wait_for(file_of(daemon).exists, "the file is there")
    redis.cli("HSET", BLOCKED, ALICE, "password stolen")
    wait_for(lambda: "password stolen" in file_of(daemon).read_text(), "it is in the file")
    assert stat.S_IMODE(os.stat(file_of(daemon)).st_mode) == 0o600


def test_a_daemon_killed_and_started_while_redis_is_away_refuses_whom_it_refused(node, redis):
    daemon = node(ENOUGH)
    block_alice(daemon, redis)
    redis.kill()
    assert attempts(daemon) == 0
    for _ in range(3):
        daemon.kill()
        daemon.start()
        assert attempts(daemon) == 0
        assert daemon.play(user="bob")[0].accepted
        assert daemon.cli("status")["blocked"] == 1
    # Redis comes back with nothing: the block is put back, by whoever knew it.
    redis.start()
    wait_for(lambda: "stolen" in redis.hash(BLOCKED).get(ALICE, ""), "the block is put back")
    assert attempts(daemon) == 0
    assert not events(redis, "released")


@pytest.mark.parametrize("fault", ["FLUSHALL", "restart without data", "DEL of the table"])
def test_what_redis_lost_while_no_daemon_ran_is_put_back(node, redis, fault):
    daemon = node(ENOUGH)
    block_alice(daemon, redis)
    daemon.kill()
    if fault == "restart without data":
        redis.kill()
        redis.start()
    else:
        redis.cli(*(["FLUSHALL"] if fault == "FLUSHALL" else ["DEL", BLOCKED]))
    daemon.start()
    assert attempts(daemon) == 0
    wait_for(lambda: "stolen" in redis.hash(BLOCKED).get(ALICE, ""), "the block is put back")
    wait_for(lambda: events(redis, "lost"), "the loss is told")
    assert attempts(daemon) == 0
    assert not events(redis, "released")


def test_a_release_made_while_no_daemon_ran_is_one(node, redis):
    daemon = node(ENOUGH)
    daemon.play(50, user="alice")
    block_alice(daemon, redis)
    daemon.kill()
    redis.cli("HDEL", BLOCKED, ALICE)
    daemon.start()
    wait_for(lambda: redis.cli("EXISTS", RECORD) == "0", "her record was emptied")
    assert attempts(daemon, 50) == 50
    assert len(events(redis, "released", ALICE)) == 1


def test_another_daemons_release_is_not_told_again_by_one_that_was_down(running, node, redis):
    first, second = node(ENOUGH), node(ENOUGH)
    block_alice(first, redis)
    wait_for(lambda: "seen,marked" in file_of(second).read_text(), "both know it")
    second.kill()
    redis.cli("HDEL", BLOCKED, ALICE)
    wait_for(lambda: events(redis, "released", ALICE), "the release is told")
    second.start()
    assert wait_for(lambda: second.play(user="alice")[0].accepted, "she may send")
    wait_for(lambda: ALICE not in file_of(second).read_text(), "the file knows it too")
    assert len(events(redis, "released", ALICE)) == 1
    assert ALICE not in redis.hash(BLOCKED)


def test_a_damaged_file_is_set_aside_with_a_message_and_its_whole_lines_hold(node, redis):
    daemon = node(ENOUGH)
    block_alice(daemon, redis)
    daemon.kill()
    redis.kill()
    text = file_of(daemon).read_text()
    file_of(daemon).write_text(text.replace("end\t", "END\t"))
    daemon.start()
    assert attempts(daemon) == 0
    assert daemon.log(r"known-blocks cannot be used as it is: 1 of its \d+ lines are damaged; 1 blocks of it hold")
    assert list((daemon.path / "state").glob("known-blocks.damaged-*"))


def test_a_state_dir_that_cannot_be_written_is_said_once_shown_and_does_not_stop_the_daemon(node, redis):
    daemon = node(ENOUGH, store={"state_dir": "/proc/sendquota"})
    redis.cli("HSET", BLOCKED, ALICE, "stolen")
    wait_for(lambda: not daemon.play(user="alice")[0].accepted, "alice is refused")
    status = wait_for(lambda: daemon.cli("status")["store"]["state_error"] and daemon.cli("status"), "the status shows it")
    assert "/proc/sendquota" in status["store"]["state_error"]
    assert any("known blocks are not kept" in warning for warning in status["warnings"])
    for number in range(5):
        redis.cli("HSET", BLOCKED, f"user:u{number}@example.test", "x")
    wait_for(lambda: daemon.cli("status")["blocked"] == 6, "all are known")
    assert len(daemon.log("known blocks are not kept")) == 1


def test_a_block_under_another_spelling_released_at_once_is_told_and_fills_the_buckets(node, redis):
    node(ENOUGH).play(50, user="alice")
    for told in range(1, 6):
        redis.cli("HSET", BLOCKED, "Alice@EXAMPLE.test", f"stolen, for the {told}. time")   # the same words would be told once a day
        wait_for(lambda: redis.hash(BLOCKED).get(ALICE), "it is renamed", pause=0.001)
        redis.cli("HDEL", BLOCKED, ALICE)
        wait_for(lambda: len(events(redis, "released", ALICE)) >= told, "it is told", deadline=5)
        wait_for(lambda: redis.cli("EXISTS", RECORD) == "0", "the record is emptied")
    assert len(events(redis, "released", ALICE)) == 5
