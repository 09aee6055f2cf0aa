"""Steps of the escalation: defaults, what is refused, and where health data may be sent."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.config import EscalationStep, parse
from vitals.errors import ConfigError
from vitals.escalation import bad_webhook, reaches_nobody, where, without_tokens
from vitals.webhook import Webhook

WHERE = Path("/clinic/clinic.toml")
ROOM = '[[room]]\nid = "room-1"\n'


def step(after_s: object = 30, to: str = "nurse", more: str = "") -> str:
    return f'[[escalation]]\nafter_s = {after_s}\nto = "{to}"\n{more}\n'


def steps(text: str) -> list[EscalationStep]:
    return parse(ROOM + text, path=WHERE).escalation


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as refusal:
        parse(ROOM + text, path=WHERE)
    assert "\n" not in str(refusal.value)
    return refusal.value


def test_without_a_word_there_are_three_steps() -> None:
    assert [(each.after_s, each.to) for each in steps("")] == [
        (30, "all pages"),
        (60, "second recipient"),
        (120, "prescriber"),
    ]


def test_steps_are_read_as_they_stand() -> None:
    found = steps(
        step(20, "all pages")
        + step(45.5, "Dr. Ö", "command = ['page', '-x']\nwebhook = 'https://hooks.example/a?b=c'")
    )
    assert [each.after_s for each in found] == [20, 45.5]
    assert found[1].command == ["page", "-x"]
    assert found[1].webhook == "https://hooks.example/a?b=c"


def test_a_program_that_is_a_path_is_found_from_the_file() -> None:
    for command, program in {
        "['./page.sh', './x']": "/clinic/page.sh",
        "['bin/page']": "/clinic/bin/page",
        "['/usr/bin/page']": "/usr/bin/page",
        "['page']": "page",
    }.items():
        found = parse(
            f"[station]\nalarm_command = {command}\n{ROOM}{step(more=f'command = {command}')}",
            path=WHERE,
        )
        assert found.escalation[0].command[0] == program
        assert found.station.alarm_command[0] == program
        assert found.escalation[0].command[1:] in ([], ["./x"]), "arguments stay"


@pytest.mark.parametrize("after", [30, 29, 5])
def test_steps_come_one_after_the_other(after: int) -> None:
    refusal = refused(step(30) + step(after))
    assert refusal.key == "escalation.1.after_s"
    assert f"{after} s is not later than the step before it (30 s)" in str(refusal)


def test_at_most_six_steps() -> None:
    assert len(steps("".join(step(n) for n in range(1, 7)))) == 6
    refusal = refused("".join(step(n) for n in range(1, 8)))
    assert str(refusal) == f"{WHERE}: escalation: there are 7 steps; at most 6 are possible"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (step(0), "after_s"),
        (step(-1), "after_s"),
        (step(3601), "after_s"),
        (step("nan"), "after_s"),
        (step("inf"), "after_s"),
        (step("'30'"), "after_s"),
        (step("true"), "after_s"),
        (step(to=""), "to"),
        (step(to="  "), "to"),
        (step(to="a\\nb"), "to"),
        (step(to="x" * 81), "to"),
        (step(more="command = 'page'"), "command"),
        (step(more="command = ['']"), "command"),
        (step(more='command = ["page", "a\\u0000b"]'), "command"),
        (step(more="webhook = 5"), "webhook"),
        (step(more="webhok = 'https://a.example'"), "webhok"),
        ("[[escalation]]\nto = 'x'\n", "after_s"),
        ("[[escalation]]\nafter_s = 3\n", "to"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(text: str, key: str) -> None:
    refusal = refused(text)
    assert refusal.key.startswith(f"escalation.0.{key}")
    assert str(refusal).startswith(f"{WHERE}: {refusal.key}: ")


def test_an_alarm_command_needs_a_program_too() -> None:
    with pytest.raises(ConfigError, match=r"station.alarm_command: the first text must be"):
        parse(f"[station]\nalarm_command = [' ']\n{ROOM}", path=WHERE)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/services/T0/B0?x=1",
        "https://hooks.example",
        "https://203.0.113.7:8443/a",
        "https://[2001:db8::1]/a",
        "http://localhost:8080/x",
        "http://127.0.0.1/x",
        "http://[::1]:80/x",
        "http://10.1.2.3/x",
        "http://172.31.0.1/x",
        "http://192.168.1.20:8080/x",
        "http://169.254.1.1/x",
        "http://[fd00::1]/x",
        "http://[fe80::1]/x",
        "http://[::ffff:10.0.0.1]/x",
    ],
)
def test_over_tls_or_inside_the_house_an_alarm_may_go_out(url: str) -> None:
    assert bad_webhook(url) == ""
    assert steps(step(more=f"webhook = '{url}'"))[0].webhook == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/s3cret",
        "http://8.8.8.8/s3cret",
        "http://172.32.0.1/s3cret",
        "http://100.64.0.1/s3cret",
        "http://0.0.0.0/s3cret",
        "http://[2001:db8::1]/s3cret",
        "http://[::ffff:8.8.8.8]/s3cret",
        "http://pager.local/s3cret",
        "http://localhost.example/s3cret",
        "http://2130706433/s3cret",
    ],
)
def test_health_data_does_not_go_out_unencrypted(url: str) -> None:
    refusal = refused(step(more=f"webhook = '{url}'"))
    assert refusal.key == "escalation.0.webhook"
    assert "http would send health data unencrypted to " in str(refusal)
    assert "use https" in str(refusal)
    assert "s3cret" not in str(refusal), "an address may hold a token"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hooks.example/x", "must begin with https://"),
        ("ftp://hooks.example/x", "must begin with https://"),
        ("https:///x", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("https://hooks.example:0/", "must begin with https://"),
        ("https://hooks.example:99999/", "is not an address"),
        ("https://hooks.example:x/", "is not an address"),
        ("https://[::1/", "is not an address"),
        ("https://me:pw@hooks.example/", "has a name or password in it"),
        ("https://hooks.example/ä", "must be plain ASCII"),
        ("https://hooks.example/a b", "must be plain ASCII"),
        ("https://hooks.example/a\tb", "must be plain ASCII"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, words: str) -> None:
    assert words in bad_webhook(url)


HOSTS = st.one_of(st.text(), st.ip_addresses().map(str), st.sampled_from(["localhost", "[::1]"]))


@given(st.one_of(st.text(), st.builds("http{}://{}/".format, st.sampled_from(["", "s"]), HOSTS)))
def test_an_address_is_refused_or_can_be_used_as_it_stands(url: str) -> None:
    if not bad_webhook(url):
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.hostname in where(url).lower()
        assert parts.scheme == "https" or parts.hostname[0] in "l1:f"
        Webhook(url, {})


def test_of_an_address_only_the_host_is_shown() -> None:
    assert where("https://hooks.example:8443/s3cret?t=x") == "https://hooks.example:8443"


def test_the_record_keeps_the_config_without_tokens() -> None:
    text = ROOM + step(30) + step(60, more="webhook = 'https://hooks.example/s3cret?t=x'")
    kept = without_tokens(text, parse(text, path=WHERE).escalation)
    assert kept == text.replace("/s3cret?t=x", "/...")
    assert parse(kept, path=WHERE).escalation[1].webhook == "https://hooks.example/..."


@pytest.mark.parametrize(
    ("number", "to", "how", "sentence"),
    [
        (1, "all pages", {}, ""),
        (1, "All Pages", {}, ""),
        (1, "prescriber", {}, "step 1 (60 s, prescriber) reaches only the pages: give it"),
        (2, "all pages", {}, "step 2 (60 s, all pages) reaches nobody: give it a command"),
        (2, "prescriber", {"command": ["page"]}, ""),
        (2, "prescriber", {"webhook": "https://hooks.example"}, ""),
    ],
)
def test_a_step_that_tells_nobody_is_named(
    number: int, to: str, how: dict[str, object], sentence: str
) -> None:
    said = reaches_nobody(number, EscalationStep.model_validate({"after_s": 60, "to": to, **how}))
    assert said.startswith(sentence)
    assert bool(said) == bool(sentence)
