"""What `cmake --install` leaves behind: every file in its Debian place, and the same places in unit, tmpfiles and configuration."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from rig import Client, Daemon, Postfix
from rig.room import BUILD

CONF = Path(__file__).resolve().parents[2] / "conf"
FILES = """
etc/sendquota/sendquota.toml
usr/bin/sendquota
usr/lib/systemd/system/sendquota-queue.service
usr/lib/systemd/system/sendquota-report.service
usr/lib/systemd/system/sendquota-report.timer
usr/lib/systemd/system/sendquotad.service
usr/lib/sysusers.d/sendquota.conf
usr/lib/tmpfiles.d/sendquota.conf
usr/sbin/sendquota-queue
usr/sbin/sendquotad
usr/lib/sendquota/mail
usr/lib/sendquota/webhook
usr/share/bash-completion/completions/sendquota
usr/share/doc/sendquota/examples/accounts.example
usr/share/doc/sendquota/examples/php.ini.example
usr/share/doc/sendquota/examples/postfix-main.cf.example
usr/share/doc/sendquota/examples/redis-sentinel-users.acl.example
usr/share/doc/sendquota/examples/redis-users.acl.example
usr/share/doc/sendquota/examples/sendmail.mc.example
usr/share/doc/sendquota/examples/sendquota-queue-sendmail.conf
usr/share/doc/sendquota/examples/sendquota.toml
usr/share/man/man1/sendquota.1
usr/share/man/man5/sendquota.toml.5
usr/share/man/man7/sendquota-store.7
usr/share/man/man8/sendquota-queue.8
usr/share/man/man8/sendquotad.8
usr/share/sendquota/fail2ban/filter.d/sendquota.conf
usr/share/sendquota/fail2ban/jail.d/sendquota.conf
usr/share/sendquota/grafana/sendquota.json
usr/share/sendquota/prometheus/scrape.example.yml
usr/share/sendquota/prometheus/sendquota.rules.yml
usr/share/zsh/site-functions/_sendquota
""".split()


def install(root, prefix="/usr"):
    """Returns what cmake says."""
    done = subprocess.run(["cmake", "--install", str(BUILD), "--prefix", prefix], env={**os.environ, "DESTDIR": str(root)},
                          capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("installed")
    install(root)
    yield root
    shutil.rmtree(root)  # the programs are large


def unit_settings(path):
    """All `Key=value` of a unit; of a repeated key the last."""
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.M))


def test_everything_is_in_its_place_and_nothing_else(tree):
    installed = sorted(str(file.relative_to(tree)) for file in tree.rglob("*") if file.is_file())
    assert installed == sorted(FILES)
    for program in ("usr/bin/sendquota", "usr/sbin/sendquotad", "usr/sbin/sendquota-queue"):
        version = subprocess.run([tree / program, "--version"], capture_output=True, text=True, check=True).stdout
        assert version.startswith(Path(program).name + " ")


def test_the_installed_configuration_is_well_and_only_observes(tree):
    config = tree / "etc/sendquota/sendquota.toml"
    subprocess.run([tree / "usr/sbin/sendquotad", "--check-config", config], check=True, capture_output=True)
    assert tomllib.loads(config.read_text())["mode"] == "observe"


def test_a_configuration_that_is_there_is_kept(tmp_path):
    config = tmp_path / "etc/sendquota/sendquota.toml"
    config.parent.mkdir(parents=True)
    config.write_text('mode = "enforce"\n')
    assert f"Kept: {config}" in install(tmp_path)
    assert config.read_text() == 'mode = "enforce"\n'
    assert (tmp_path / "usr/share/doc/sendquota/examples/sendquota.toml").read_text() == (CONF / "sendquota.toml").read_text()


def test_the_unit_starts_the_daemon_of_its_prefix(tree, tmp_path):
    assert unit_settings(tree / "usr/lib/systemd/system/sendquotad.service")["ExecStart"] == \
        "/usr/sbin/sendquotad --config /etc/sendquota/sendquota.toml"
    install(tmp_path, "/opt/sendquota")
    assert unit_settings(tmp_path / "opt/sendquota/lib/systemd/system/sendquotad.service")["ExecStart"] == \
        "/opt/sendquota/sbin/sendquotad --config /etc/sendquota/sendquota.toml"
    assert unit_settings(tmp_path / "opt/sendquota/lib/systemd/system/sendquota-queue.service")["ExecStart"] == "/opt/sendquota/sbin/sendquota-queue --mta postfix"
    assert "\nExecStart=/opt/sendquota/sbin/sendquota-queue --mta sendmail\n" in \
        (tmp_path / "opt/sendquota/share/doc/sendquota/examples/sendquota-queue-sendmail.conf").read_text()


@pytest.mark.parametrize("mta", ["postfix", "sendmail"])
def test_systemd_has_nothing_to_say_of_the_units(tree, tmp_path, mta):
    def put(source, target):
        target.parent.mkdir(exist_ok=True)
        target.write_text(re.sub("/usr/s?bin/sendquota", lambda path: f"{tree}{path[0]}", source.read_text()))
    for unit in (tree / "usr/lib/systemd/system").iterdir():
        put(unit, tmp_path / unit.name)
    if mta == "sendmail":
        put(tree / "usr/share/doc/sendquota/examples/sendquota-queue-sendmail.conf", tmp_path / "sendquota-queue.service.d/sendmail.conf")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *tmp_path.glob("sendquota*.*[er]")], env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
                          capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "sendquota" in line] == []


def all_settings(path):
    """Every (key, value) of a unit's part [Service], in their order."""
    return re.findall(r"^(\w+)=(.*)$", path.read_text().split("[Service]")[1].split("[Install]")[0], re.M)


def test_the_example_for_sendmail_takes_back_all_that_shuts_sendquota_queue_in():
    """What Sendmail delivers is not to find itself without homes, or without its network."""
    ours = {key for key, _ in all_settings(CONF / "sendquota-queue.service")}
    stays = {"Type", "Restart", "RestartSec", "RestartPreventExitStatus", "TimeoutStopSec", "User", "Group", "AmbientCapabilities", "LimitCORE",
             "SystemCallErrorNumber"}
    assert ours - stays == {key for key, _ in all_settings(CONF / "sendquota-queue-sendmail.conf")}


def test_a_stop_of_sendquota_queue_kills_no_delivery_of_sendmail():
    """They are its children; those of Postfix are not, and what it runs there is soon over."""
    assert dict(all_settings(CONF / "sendquota-queue-sendmail.conf"))["KillMode"] == "process"
    assert dict(all_settings(CONF / "sendquota-queue.service"))["KillMode"] == "mixed"


def test_sendquota_queue_finds_what_it_needs_where_the_unit_lets_it():
    unit = unit_settings(CONF / "sendquota-queue.service")
    queue = Path(tomllib.loads((CONF / "sendquota.toml").read_text())["milter"]["listen"].removeprefix("unix:")).parents[1]
    assert unit["ReadWritePaths"] == f"-{queue}"
    assert unit["ExecStart"] == "/usr/sbin/sendquota-queue --mta postfix"


def test_unit_users_and_directories_fit_the_default_configuration():
    unit = unit_settings(CONF / "sendquotad.service")
    config = tomllib.loads((CONF / "sendquota.toml").read_text())
    milter_folder = os.path.dirname(config["milter"]["listen"].removeprefix("unix:"))
    assert unit["ReadWritePaths"] == f"-{milter_folder}"
    assert f"d {milter_folder} 0750 {unit['User']} {config['milter']['socket_group']} -\n" in (CONF / "sendquota.tmpfiles").read_text()
    assert re.search(rf"^u {unit['User']} - ", (CONF / "sendquota.sysusers").read_text(), re.M)
    assert unit["SupplementaryGroups"] == config["milter"]["socket_group"]
    assert unit["Group"] == config["admin"]["socket_group"]
    assert config["admin"]["listen"] == f"unix:/run/{unit['RuntimeDirectory']}/admin.sock"
    assert config["store"]["state_dir"] == f"/var/lib/{unit['StateDirectory']}"


@pytest.fixture
def attached(running):
    """A Postfix with the two settings of the example, unchanged, and the daemon at the socket that they name."""
    text = re.sub(r"^#.*\n", "", (CONF / "postfix-main.cf.example").read_text(), flags=re.M)
    settings = {key: " ".join(value.split()) for key, value in re.findall(r"^(\w+) =((?:\n[ \t].*)+)", text, re.M)}
    assert sorted(settings) == ["non_smtpd_milters", "smtpd_milters"]
    mx = Postfix(settings=settings)
    socket = mx.path / "spool/sendquota/milter.sock"
    daemon = Daemon({"milter": {"listen": f"unix:{socket}"},
                     "quota": [{"name": "mailbox", "per": "user", "limits": ["1 messages / 30d"]},
                               {"name": "local", "per": "client", "when": "local", "limits": ["1 messages / 30d"],
                                "action": "quarantine"}]})
    daemon.socket = socket
    return running(daemon), running(mx)


def test_the_postfix_example_limits_smtp_and_local_mail_and_says_what_happens_without_the_daemon(attached):
    daemon, mx = attached
    mx.add_user("alice")
    with Client(mx.ports["submission"], login="alice") as client:
        assert [client.send().code for _ in range(2)] == [250, 451]
    for _ in range(2):
        mx.sendmail("dest@remote.test", text="Subject: local\n\nhello\n")
    daemon.wait_for_log("verdict=quarantine")
    daemon.stop()
    with Client(mx.ports["xclient"], xclient="bob@example.test") as client:
        assert client.send().code == 451, "default_action=tempfail"
    mx.sendmail("dest@remote.test", text="Subject: unjudged\n\nhello\n")
    mx.wait_for_log(r"relay=none, .*status=sent", 3)  # alice's first, the first local one, and this


def test_the_sendmail_example_is_understood_by_sendmails_macros():
    macros = BUILD / "mta/sendmail/usr/share/sendmail/cf"
    text = "OSTYPE(`linux')\n" + (CONF / "sendmail.mc.example").read_text() + "MAILER(`local')\nMAILER(`smtp')\n"
    cf = subprocess.run(["m4", f"-D_CF_DIR_={macros}/", macros / "m4/cf.m4", "-"], input=text, capture_output=True,
                        text=True, check=True).stdout
    assert "\nXsendquota, S=local:/run/sendquota/milter.sock, F=T, T=C:5s;S:5s;R:10s;E:30s\n" in cf
    assert "\nO InputMailFilters=sendquota\n" in cf
    assert "\nO DaemonPortOptions=Name=LOCAL, Family=inet, Addr=127.0.0.1, Port=10025, M=E\n" in cf
    assert "\nC{persistentMacros}{auth_authen}\n" in cf
    submit = "".join(line.removeprefix("dnl ") for line in text.splitlines(keepends=True) if re.match(r"dnl (define|FEATURE)\(", line))
    cf = subprocess.run(["m4", f"-D_CF_DIR_={macros}/", macros / "m4/cf.m4", "-"], input="OSTYPE(`linux')\n" + submit,
                        capture_output=True, text=True, check=True).stdout
    assert re.search(r"^Mrelay,(.*\n\s+)+A=TCP \$h 10025$", cf, re.M)


def test_the_php_example_names_settings_that_php_has():
    settings = re.findall(r"^php_admin_\w+\[(.+?)\]", (CONF / "php.ini.example").read_text(), re.M)
    assert settings == ["mail.add_x_header", "mail.force_extra_parameters"]
    for setting in settings:
        known = subprocess.run(["php", "-r", f"exit(ini_get('{setting}') === false ? 1 : 0);"], check=False)
        assert known.returncode == 0, setting
