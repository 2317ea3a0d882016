"""Fixtures, and a name filter (--only TEXT) as tests/run has it for every suite."""

import contextlib

import pytest

pytest.register_assert_rewrite("rig")   # what it asserts is explained as a test's own

from rig import Daemon, Redis  # noqa: E402
from rig.blocks import mailbox  # noqa: E402
from rig.command import CONFIG  # noqa: E402
from rig.mail_host import Host  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--only", default="", help="run the tests whose name, written with blanks or as is, contains this")


def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("--only").lower()
    chosen = [item for item in items if wanted in item.nodeid.lower() or wanted in item.nodeid.lower().replace("_", " ")]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture
def running():
    """running(Postfix(…)) starts a part of the rig and returns it; it is closed when the test ends, last one first."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


@pytest.fixture
def redis(running):
    return running(Redis())


@pytest.fixture
def node(running, redis):
    """node(QUOTAS…, tables) is one daemon on the Redis."""
    def start(*quotas, **tables):
        return running(Daemon({"quota": list(quotas) or [mailbox()], **tables}, store=redis.url))
    return start


@pytest.fixture
def daemon(running):
    """What the command is tried on."""
    return running(Daemon(CONFIG))


@pytest.fixture
def host(running):
    """A Postfix that holds what a sender sends beyond two messages."""
    return Host(running, "mx1")
