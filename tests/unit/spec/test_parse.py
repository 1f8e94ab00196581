"""The spec's keys: defaults, bounds, messages with the dotted path, and what is "not yet"."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hpcapvf.model.errors import BadSpec, ExitCode
from hpcapvf.model.request import Request
from hpcapvf.spec import KEYS, Key, default_of, parse_spec, spec_sha256
from hpcapvf.spec.parse import SECTIONS

FIVE_LINES = """\
# a probe
version: 1
guest: {name: probe1, image: /srv/guest.qcow2}
network: {pf: enp5s0}
storage: {controller: 0000:06:00.0}
"""


def spec(**changes: Any) -> str:
    """The smallest spec with values at dotted paths (written with two underscores) changed; ... removes a key."""
    document = yaml.safe_load(FIVE_LINES.replace("0000:06:00.0", '"0000:06:00.0"'))
    for path, value in changes.items():
        *sections, name = path.split("__")
        place = document
        for section in sections:
            place = place.setdefault(section, {})
        if value is ...:
            del place[name]
        else:
            place[name] = value
    return yaml.safe_dump(document)


def refused(text: str) -> BadSpec:
    with pytest.raises(BadSpec) as caught:
        parse_spec(text)
    assert caught.value.exit_code == ExitCode.BAD_SPEC
    return caught.value


def test_five_lines_are_enough() -> None:
    request = parse_spec(FIVE_LINES)
    assert request.name == "probe1"
    assert request.storage.controller == "0000:06:00.0"
    assert (request.guest.vcpus, request.guest.memory_mib, request.network.receive) == (2, 1024, "all")
    assert (request.storage.raid.chunk_kib, request.storage.raid.filesystem) == (1024, "xfs")
    assert (request.wipe, request.watch, request.ttl_s, request.persist) == ((), (), None, False)


def test_the_table_names_every_field_of_the_request_and_no_other() -> None:
    fields = {
        f"{section}.{field.name}".lstrip(".")
        for section, kind in SECTIONS.items()
        for field in dataclasses.fields(kind)
        if f"{section}.{field.name}".lstrip(".") not in SECTIONS
    }
    named = {f"{k.path.rpartition('.')[0]}.{k.attribute or k.path.rpartition('.')[2]}".lstrip(".") for k in KEYS}
    assert named == fields
    assert len({k.path for k in KEYS}) == len(KEYS)


def test_top_level_names_are_the_agreed_ones() -> None:
    names = {k.path.partition(".")[0] for k in KEYS}
    agreed = "version guest network storage wipe engine placement watch ttl persist"
    assert names == set(agreed.split())


# The one key whose default goes only with another's value: a controller is left out with mode guest-disk.
@pytest.mark.parametrize(
    "key", [k for k in KEYS if not k.required and k.path != "storage.controller"], ids=lambda k: k.path
)
def test_every_default_is_itself_allowed(key: Key) -> None:
    value = default_of(key)
    value = list(value) if isinstance(value, tuple) else value
    assert spec_sha256(parse_spec(spec(**{key.path.replace(".", "__"): value}))) == spec_sha256(parse_spec(spec()))


@pytest.mark.parametrize("key", [k for k in KEYS if k.required], ids=lambda k: k.path)
def test_a_missing_key_is_named(key: Key) -> None:
    error = refused(spec(**{key.path.replace(".", "__"): ...}))
    assert error.message == f"{key.path}: is missing"
    assert error.hint == key.note


@pytest.mark.parametrize("key", KEYS, ids=lambda k: k.path)
def test_a_wrong_type_is_named(key: Key) -> None:
    error = refused(spec(**{key.path.replace(".", "__"): {"a": 1}}))
    assert error.path == key.path
    assert "a mapping" in error.message or "not yet" in error.message


@pytest.mark.parametrize("key", [k for k in KEYS if k.least is not None and k.kind == "number"], ids=lambda k: k.path)
def test_bounds_are_kept(key: Key) -> None:
    assert key.least is not None
    assert key.most is not None
    for number in (key.least - 1, key.most + 1):
        error = refused(spec(**{key.path.replace(".", "__"): number}))
        assert error.message == f"{key.path}: {number} is outside {key.least} to {key.most}"


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        (spec(guests={}), "guests", "did you mean guest?"),
        (spec(guest__vcpu=2), "guest.vcpu", "did you mean guest.vcpus?"),
        (spec(vcpus=2), "vcpus", "did you mean guest.vcpus?"),
        (spec(storage__raid__chunk=4), "storage.raid.chunk", "did you mean storage.raid.chunk_kib?"),
        (spec(guest__raid={}), "guest.raid", "did you mean storage.raid?"),
        (spec(network__zzz=1), "network.zzz", "keys known here: pf, mode, generator, vfs, receive, directions"),
        (spec(ttl_s=3), "ttl_s", "did you mean ttl?"),
    ],
)
def test_an_unknown_key_is_named_with_its_path(text: str, path: str, hint: str) -> None:
    error = refused(text)
    assert error.message == f"{path}: unknown key"
    assert error.hint == hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"network__mode": "passthrough", "watch": ["web1"]},
            "network.mode: passthrough cannot be combined with watch",
        ),
        ({"network__generator": "dpdk", "watch": ["web1"]}, "network.generator: dpdk cannot be combined with watch"),
        (
            {"network__generator": "dpdk", "network__mode": "passthrough"},
            "network.generator: mode passthrough makes no VFs",
        ),
    ],
)
def test_ways_to_the_link_that_exclude_each_other(change: dict[str, Any], said: str) -> None:
    assert said in refused(spec(**change)).message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"storage__raid__filesystem": "ext4"}, "storage.raid.filesystem: not yet: ext4"),
        ({"ttl": "2h"}, "ttl: only an agent has a time limit"),
        ({"placement__side": "near"}, "placement.side: only an agent has a side"),
        ({"persist": "yes"}, "persist: must be true or false"),
    ],
)
def test_what_comes_later_is_refused_by_name(change: dict[str, Any], said: str) -> None:
    assert said in refused(spec(**change)).message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version: 2 is none of its values"),
        ({"version": True}, "version: must be a whole number, not true or false"),
        ({"guest__name": "Probe"}, "guest.name: 'Probe' is not 1 to 31 lower-case"),
        ({"guest__name": "../x"}, "guest.name"),
        ({"guest__name": 7}, 'guest.name: must be text, not a number; put it in quotes, as in "007"'),
        ({"guest__image": "guest.qcow2"}, "guest.image: 'guest.qcow2': must be an absolute path"),
        ({"guest__image": "/a/../b"}, "guest.image"),
        ({"guest__image": "/a\nb"}, "guest.image"),
        ({"guest__sha256": "abc"}, "guest.sha256"),
        ({"guest__user": "root"}, "guest.user: 'root' is not a user name other than root"),
        ({"guest__network": "a b"}, "guest.network"),
        ({"network__pf": "a/b"}, "network.pf"),
        ({"network__pf": "0000:05:00.9"}, "network.pf"),
        ({"network__receive": "some"}, "network.receive: 'some' is none of its values"),
        ({"storage__controller": "sda"}, "storage.controller: 'sda': must be a PCI address"),
        ({"storage__raid__chunk_kib": 1000}, "storage.raid.chunk_kib: 1000 must be a power of two"),
        ({"storage__raid__mount": "/etc/x"}, "storage.raid.mount: '/etc/x': must not lie in the guest's /etc"),
        ({"storage__raid__mount": "/"}, "storage.raid.mount"),
        ({"storage__raid__mount": "/srv/a b"}, "storage.raid.mount"),
        ({"storage__raid__mount": "/srv/%n"}, "storage.raid.mount"),
        ({"storage__raid__mount": "/srv/./x"}, "storage.raid.mount"),
        ({"wipe": "all"}, "wipe: must be a list of texts, not text"),
        ({"wipe": ["a b"]}, "wipe[0]: 'a b' is not a serial number"),
        ({"wipe": ["x", 5]}, "wipe[1]: must be text, not a number"),
        ({"placement__hugepage_kib": 4}, "placement.hugepage_kib: 4 is none of its values"),
        ({"placement__node": "0"}, "placement.node: must be a whole number, not text"),
        ({"guest": None}, "guest: must be a mapping, not nothing"),
        ({"guest__memory_mib": 1025}, "guest.memory_mib: 1025 MiB is no multiple of the hugepage size (2 MiB)"),
        ({"placement__hugepage_kib": 1048576, "guest__memory_mib": 1536}, "guest.memory_mib: 1536 MiB is no multiple"),
        ({"engine__ring_mib": 513}, "engine.ring_mib: 513 MiB is more than half"),
        ({"guest__vcpus": None}, "guest.vcpus: must be a whole number, not nothing"),
    ],
)
def test_a_bad_value_is_named(change: dict[str, Any], said: str) -> None:
    error = refused(spec(**change))
    assert said in error.message
    assert error.hint


def test_long_values_are_cut_in_messages() -> None:
    assert len(refused(spec(guest__image="x" * 5000)).message) < 200


def test_addresses_are_written_in_one_way() -> None:
    short = parse_spec(spec(network__pf="05:00.0", storage__controller="06:00.0"))
    long = parse_spec(spec(network__pf="0000:05:00.0", storage__controller="0000:06:00.0"))
    assert short == long
    assert parse_spec(spec(storage__controller="auto")).storage.controller == "auto"


def test_the_fingerprint_ignores_layout_and_defaults_but_no_value() -> None:
    plain = spec_sha256(parse_spec(FIVE_LINES))
    assert spec_sha256(parse_spec("# other words\n\n" + FIVE_LINES + "\nengine: {idle: backoff}\n")) == plain
    assert spec_sha256(parse_spec(FIVE_LINES + "\nengine: {idle: spin}\n")) != plain
    assert len(plain) == 64


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([k.path.rpartition(".")[2] for k in KEYS] + ["guest", "raid"]), inner)
        ),
        max_leaves=12,
    ),
    st.sampled_from([k.path for k in KEYS]),
)
def test_any_value_is_taken_or_refused_with_a_path(value: Any, path: str) -> None:
    try:
        assert isinstance(parse_spec(spec(**{path.replace(".", "__"): value})), Request)
    except BadSpec as error:
        assert error.message


WATCH = """\
version: 1
guest: {name: agent1, image: /srv/guest.qcow2}
network: {pf: enp5s0}
watch: [web1, db1]
"""


def test_watch_means_the_guests_own_disk_and_no_receive_all() -> None:
    request = parse_spec(WATCH)
    assert request.watch == ("web1", "db1")
    assert request.network.receive == "own"
    assert (request.storage.mode, request.storage.controller) == ("guest-disk", "")
    assert request.storage.capture_directory == "/srv/capture"
    assert parse_spec(WATCH + "storage: {directory: /var/captures}\n").storage.capture_directory == "/var/captures"


@pytest.mark.parametrize("wide", ["link", "rest"])
def test_an_agent_may_watch_all_of_the_link_or_the_rest(wide: str) -> None:
    request = parse_spec(WATCH.replace("web1, db1", f'"enp5s0|{wide}"'))
    assert (request.watch, request.watches_wide) == ((f"enp5s0|{wide}",), wide)
    assert not parse_spec(WATCH).watches_wide


def test_an_agent_may_have_a_controller_as_well() -> None:
    request = parse_spec(WATCH + "storage: {controller: 0000:06:00.0}\n")
    assert (request.storage.mode, request.network.receive) == ("passthrough", "own")
    assert request.storage.capture_directory == request.storage.raid.mount


def test_a_probe_may_store_on_the_guests_own_disk() -> None:
    request = parse_spec(spec(storage__mode="guest-disk", storage__controller=...))
    assert (request.network.receive, request.storage.mode) == ("all", "guest-disk")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WATCH.replace("enp5s0}", "enp5s0, receive: all}"), "network.receive: all cannot be combined with watch"),
        (WATCH + "placement: {side: far, node: 1}\n", "placement.side: the node is given already"),
        (WATCH.replace("db1", '"enp5s0|v3"'), "watch[1]: 'enp5s0|v3': behind the | must stand vf and its number"),
        (WATCH.replace("db1", '"enp5s0|all"'), "watch[1]: 'enp5s0|all': behind the | must stand vf and its number"),
        (WATCH.replace("db1", '"enp5s0|link"'), "watch[1]: enp5s0|link stands alone"),
        (
            WATCH.replace("web1, db1", '"enp5s0|rest"').replace("enp5s0}", "enp5s0, directions: to}"),
            "network.directions: enp5s0|rest has no directions",
        ),
        (spec(network__directions="both"), "network.directions: only an agent has directions"),
        (WATCH.replace("enp5s0}", "enp5s0, directions: up}"), "network.directions: 'up' is none of its values"),
        (WATCH.replace("db1", "agent1"), "watch[1]: a VM cannot watch itself"),
        (WATCH.replace("db1", "web1"), "watch[1]: web1 is named twice"),
        (WATCH.replace("db1", "a/b"), "watch[1]: 'a/b' is not a domain's name"),
        (WATCH.replace("[web1, db1]", "web1"), "watch: must be a list of texts"),
        (WATCH + "storage: {mode: passthrough}\n", "storage.controller: is missing"),
        (WATCH + "storage: {mode: guest-disk, controller: auto}\n", "storage.controller: mode guest-disk uses no"),
        (WATCH + "wipe: [all]\n", "wipe: mode guest-disk formats no disk"),
        (WATCH + "storage: none\n", "storage: must be a mapping"),
        (WATCH + "storage: {directory: /etc/x}\n", "storage.directory: '/etc/x': must not lie in the guest's /etc"),
    ],
)
def test_what_does_not_go_with_watch_is_refused(text: str, said: str) -> None:
    assert said in refused(text).message


def test_a_probe_without_a_controller_is_refused() -> None:
    for text in (spec(storage__controller=...), spec(storage__controller="")):
        error = refused(text)
        assert error.message == "storage.controller: is missing"
        assert "controller" in error.hint


@pytest.mark.parametrize(("pf", "card", "vf"), [
    ("enp5s0f0", "enp5s0f0", None), ("enp5s0f0|vf3", "enp5s0f0", 3), ("05:00.0|vf12", "0000:05:00.0", 12),
])  # fmt: skip
def test_a_vf_of_the_card_may_be_named(pf: str, card: str, vf: int | None) -> None:
    network = parse_spec(spec(network__pf=pf)).network
    assert (network.card, network.vf_index) == (card, vf)


@pytest.mark.parametrize("pf", ["enp5s0|3", "enp5s0|vf", "enp5s0|vf03", "|vf3", "enp5s0|vf3|vf4", "enp5s0|vf-1"])
def test_what_names_no_vf_is_refused(pf: str) -> None:
    assert refused(spec(network__pf=pf)).path == "network.pf"


AGENT = {"watch": ["web1"], "storage": {"mode": "guest-disk"}}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), (None, None)])
def test_a_time_limit_is_read(text: str | None, seconds: int | None) -> None:
    assert parse_spec(spec(**AGENT, ttl=text)).ttl_s == seconds


@pytest.mark.parametrize(
    ("ttl", "said"),
    [
        ("0s", "0s is outside 60 s to 366 days"),
        ("59s", "59s is outside"),
        ("367d", "367d is outside"),
        ("-5m", "'-5m' is not a time such as"),
        ("2 h", "'2 h' is not a time such as"),
        ("soon", "'soon' is not a time such as"),
        ("9999999999d", "is not a time such as"),
        (7200, "must be a time such as 90s, 30m, 2h or 1d, not a number"),
    ],
)
def test_a_time_limit_that_is_none_is_refused(ttl: object, said: str) -> None:
    error = refused(spec(**AGENT, ttl=ttl))
    assert error.path == "ttl"
    assert said in error.message


def test_the_command_lines_time_limit_goes_before_the_specs() -> None:
    assert parse_spec(spec(**AGENT, ttl="1d"), {"ttl": "2h"}).ttl_s == 7200
