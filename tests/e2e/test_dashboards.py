"""The dashboard for Grafana and the alerts for Prometheus: each expression against what a real daemon tells a real Prometheus."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from rig import Daemon, Redis, wait_for
from rig.prometheus import Prometheus
from test_metrics import metrics

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
DASHBOARD = json.loads((CONTRIB / "grafana/sendquota.json").read_text())
RULES = CONTRIB / "prometheus/sendquota.rules.yml"
QUOTAS = [{"name": "mailbox", "per": "user", "limits": ["3 messages / 1h"]}]
FROM_PROMETHEUS = {"job", "instance", "le", "__name__"}
# What Grafana fills in.
FILLED_IN = {"$__rate_interval": "1m", "$__range": "1h", "$job": ".*", "$instance": ".*"}


def filled_in(expression):
    for name, value in FILLED_IN.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def shown():
    return [(panel["title"], filled_in(target["expr"])) for panel in panels() for target in panel["targets"]]


def alerts():
    """(name, expression) of each rule, without a reader of YAML: a rule's expression is a line, or the indented lines below."""
    found = re.findall(r"- alert: (\w+)\n +expr: (?:\|\n((?: {10}.*\n)+)|(.+)\n)", RULES.read_text())
    return [(name, " ".join((many or one).split())) for name, many, one in found]


@pytest.fixture(scope="module")
def watched():
    """A daemon that has judged some mail, and a Prometheus that knows it."""
    with Redis() as redis, Daemon({"quota": QUOTAS}, store=redis.url) as daemon:
        daemon.play(5, user="alice@example.test")
        daemon.command("block", "alice@example.test")
        with Prometheus(daemon) as prometheus:
            daemon.play(5, user="bob@example.test")
            wait_for(lambda: prometheus.ask('rate(sendquota_messages_total{verdict="accept"}[1m]) > 0'), "it has seen this mail")
            yield daemon, prometheus


def selectors(expression):
    """`name{labels}` without their ranges."""
    return re.findall(r"(?:sendquota_\w+|\bup\b)(?:\{[^}]*\})?", re.sub(r'"[^"]*"', lambda text: text.group().replace("{", "").replace("}", ""), expression))


@pytest.mark.parametrize("where, expression", [*shown(), *alerts()])
def test_an_expression_is_understood_and_names_only_what_a_daemon_tells(watched, where, expression):
    _, prometheus = watched
    prometheus.ask(expression)
    found = selectors(expression)
    assert found, where
    labels = set()
    for selector in found:
        series = prometheus.ask(selector)
        assert series, f"{where}: a daemon tells no {selector}"
        labels |= {label for one in series for label in one}
    for listed in re.findall(r"\b(?:by|on|group_left|group_right) ?\(([^)]*)\)", expression):
        assert {label.strip() for label in listed.split(",")} <= labels | FROM_PROMETHEUS, f"{where}: {listed}"


def test_a_panel_with_mail_shows_something(watched):
    _, prometheus = watched
    for title, expression in shown():
        if title in ("Outgoing messages by verdict", "Why", "How long messages wait for the store", "Store", "Versions and configurations"):
            assert prometheus.ask(expression), title


def test_what_a_daemon_tells_is_shown_or_alerted_on(watched):
    daemon, _ = watched
    names = {re.sub(r"\{.*|_bucket.*|_sum$|_count$", "", name) for name in metrics(daemon)}
    used = {re.sub(r"_bucket$|_sum$|_count$", "", name) for _, expression in [*shown(), *alerts()] for name in re.findall(r"sendquota_\w+", expression)}
    assert names - used == {"sendquota_connections_total"}


def test_no_label_names_a_sender(watched):
    daemon, prometheus = watched
    labels = {label for one in prometheus.ask('{__name__=~"sendquota_.*"}') for label in one}
    assert labels <= FROM_PROMETHEUS | {"verdict", "cause", "event", "version", "config"}
    assert "alice" not in json.dumps(prometheus.ask('{__name__=~"sendquota_.*"}'))


def test_the_dashboard_can_be_imported():
    assert {"title", "uid", "schemaVersion", "templating", "panels"} <= DASHBOARD.keys() and "id" not in DASHBOARD
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    fields = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        covered = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not covered & fields, f"{panel['title']} lies on another panel"
        fields |= covered
    for panel in panels():
        assert panel["description"].endswith(".") and panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def promtool(*words):
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_well_formed_and_each_says_what_is_wrong_and_what_to_do():
    assert f"SUCCESS: {len(alerts())} rules found" in promtool("check", "rules", RULES)
    text = RULES.read_text()
    for rule in text.split("- alert: ")[1:]:
        for part in ("severity: ", "summary: ", "description: "):
            assert rule.count(part) == 1, rule


# Alert: the series that make it fire at 3 h (1 d for the slow ones), and ones that do not. Values as promtool has them: `1+2x3` is 1 3 5 7; one a
# minute. Series without labels are of mx1.
GROWS, STAYS = "0+600x200", "0x200"
JUDGED = "messages_total{verdict=\"accept\"}"
CASES = {
    "SendquotaDown": ({"up": "1x100 0x100"}, {"up": "1x198 0x1"}),
    "SendquotaAbsent": ({"build_info": "1x100"}, {"build_info": "1x200"}),
    "SendquotaRestarts": ({"start_time_seconds": "1x150 2x5 3x5 4x5 5x35"}, {"start_time_seconds": "1x150 2x50"}),
    "SendquotaStoreDown": ({"store_up": "1x100 0x100"}, {"store_up": "1x179 0 1x20"}),
    "SendquotaStoreSlow": ({'store_wait_seconds_bucket{le="0.05"}': "0+50x200", 'store_wait_seconds_bucket{le="0.1"}': "0+100x200", 'store_wait_seconds_bucket{le="+Inf"}': "0+100x200"},
                           {'store_wait_seconds_bucket{le="0.05"}': "0+100x200", 'store_wait_seconds_bucket{le="+Inf"}': "0+100x200"}),
    "SendquotaTablesUnreadable": ({"tables_up": "0x200", "store_up": "1x200"}, {"tables_up": "0x200", "store_up": "0x200"}),
    "SendquotaStateNotKept": ({"state_kept": "0x200"}, {"state_kept": "1x200"}),
    "SendquotaRedisEvicts": ({"redis_evicting": "1x200"}, {"redis_evicting": "0x200"}),
    "SendquotaRecordDown": ({"record_up": "0x200"}, {"record_up": "1x200"}),
    "SendquotaRecordDropped": ({"record_dropped_total": GROWS}, {"record_dropped_total": STAYS}),
    "SendquotaManyRefused": ({JUDGED: GROWS, 'messages_total{verdict="reject"}': "0+601x200"}, {JUDGED: GROWS, 'messages_total{verdict="tempfail"}': "0+599x200"}),
    "SendquotaManyBlocked": ({'events_total{event="blocked"}': "0+1x200"}, {'events_total{event="blocked"}': "0x170 20x30", 'events_total{event="released"}': GROWS}),
    "SendquotaHeldNearBottom": ({"held_near_bottom_total": "0x170 1x30"}, {"held_near_bottom_total": "0x100 1x100"}),
    "SendquotaDiscarding": ({'messages_total{verdict="discard"}': "0x170 1x30"}, {'messages_total{verdict="quarantine"}': GROWS}),
    "SendquotaQuarantineFailed": ({"quarantine_failed_total": "0x170 1x30"}, {"quarantine_failed_total": STAYS}),
    "SendquotaNotificationsFailed": ({"notifications_failed_total": "0x170 1x30"}, {"notifications_failed_total": "0x100 1x100"}),
    "SendquotaEventsDropped": ({"events_dropped_total": "0x170 1x30"}, {"events_dropped_total": STAYS}),
    "SendquotaUncovered": ({'causes_total{cause="uncovered"}': "0+60x200", 'causes_total{cause="within"}': GROWS},
                           {'causes_total{cause="uncovered"}': "0+10x200", 'causes_total{cause="within"}': GROWS, 'causes_total{cause="inbound"}': GROWS}),
    "SendquotaLoginsUnnamed": ({"without_login_total": "0x170 1x30"}, {"without_login_total": STAYS}),
    "SendquotaNodesDiffer": ({"nodes_differ": "1x200"}, {"nodes_differ": "1x100 0x100"}),
    "SendquotaNodeMissing": ({"nodes": "2x200", "nodes_counted": "3x200"}, {"nodes": "3x200", "nodes_counted": "3x200"}),
    "SendquotaLimitErrors": ({"live_limit_errors": "1x200"}, {"live_limit_errors": "0x200"}),
    "SendquotaOnlyObserves": ({"quotas": "3x2000", "quotas_observed": "3x2000"}, {"quotas": "3x2000", "quotas_observed": "2x2000"}),
}
AT = {"SendquotaOnlyObserves": "30h"}


def series(cases):
    """promtool's input; what every daemon tells is there."""
    rows = [{"series": name if name == "up" else f"sendquota_{name}", "values": values} for name, values in cases.items()]
    for row in rows:
        name, _, labels = row["series"].partition("{")
        row["series"] = name + '{job="sendquota",instance="mx1"' + ("," + labels if labels else "}")
    return rows


@pytest.mark.parametrize("name", [name for name, _ in alerts()])
def test_an_alert_fires_and_is_silent(tmp_path, name):
    assert name in CASES, "no case for it"
    tests = [{"interval": "1m", "name": f"{name} {word}", "input_series": series(cases),
              "promql_expr_test": [{"expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)', "eval_time": AT.get(name, "3h"),
                                    "exp_samples": [{"labels": "{}", "value": value}]}]}
             for word, cases, value in zip(("fires", "is silent"), CASES[name], (1, 0))]
    file = tmp_path / "test.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))  # JSON is YAML
    assert "SUCCESS" in promtool("test", "rules", file)


def test_the_example_of_a_scrape_is_understood(tmp_path):
    text = (CONTRIB / "prometheus/scrape.example.yml").read_text()
    (tmp_path / "token").write_text("x")
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/sendquota.token", str(tmp_path / "token")).replace("/usr/share/sendquota/prometheus/sendquota.rules.yml", str(RULES)))
    assert f"{len(alerts())} rules" in promtool("check", "config", tmp_path / "prometheus.yml")
    assert 'up{job="sendquota"}' in RULES.read_text() and "job_name: sendquota\n" in text
