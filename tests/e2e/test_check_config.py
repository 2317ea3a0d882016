"""A configuration that is only checked, by `sendquota check-config` and `sendquotad -t`: all its problems, or what it allows."""

import json
import re
from pathlib import Path

import pytest

from rig.command import run
from rig.room import BUILD

SOURCE = Path(__file__).resolve().parents[2]
BAD = SOURCE / "tests" / "config" / "bad" / "everything_at_once.toml"


@pytest.mark.parametrize("words", [("sendquotad", "--check-config", BAD), ("sendquotad", "-t", BAD), ("sendquotad", "-c", BAD, "-t"),
                                   ("sendquotad", "--config", BAD), ("sendquota", "check-config", BAD), ("sendquota", "--config", BAD, "check-config")],
                         ids=lambda words: " ".join(map(str, words[:2])))
def test_all_problems_of_a_configuration_at_once(words):
    done = run(BUILD / "bin" / words[0], *words[1:])
    want = [f"{BAD.parent}/{line}" for line in BAD.with_suffix(".want").read_text().splitlines()]
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (78, "", want)


@pytest.mark.parametrize("words", [("sendquotad", "--check-config"), ("sendquotad", "-t"), ("sendquota", "check-config")], ids=lambda words: " ".join(words))
def test_a_report_of_the_reference_configuration(words):
    done = run(BUILD / "bin" / words[0], *words[1:], SOURCE / "conf" / "sendquota.toml")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert re.search(r"^quota mailbox: per user, ", done.stdout, re.M)
    # A limit: at once, in the worst period, per hour, day and month.
    assert re.search(r"^  250 messages / 15m +250 +499 +1249 +24249 +720249$", done.stdout, re.M), done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_a_report_as_json():
    done = run(BUILD / "bin" / "sendquota", "--json", "check-config", SOURCE / "conf" / "sendquota.toml")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report.keys() >= {"grants", "warnings"}
    rows = {row["what"]: row for grant in report["grants"] for row in grant["rows"]}
    assert (rows["250 messages / 15m"]["at_once"], rows["250 messages / 15m"]["in_period"]) == (250, 499)
    done = run(BUILD / "bin" / "sendquota", "--json", "check-config", BAD)
    assert done.returncode == 78 and len(json.loads(done.stdout)["problems"]) == len(BAD.with_suffix(".want").read_text().splitlines())
