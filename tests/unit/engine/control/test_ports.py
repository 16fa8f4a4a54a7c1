"""pyrootless.engine.control.ports: what the annotations say is published."""

from __future__ import annotations

from pyrootless.engine.control.ports import PublishedPort, parse_ports

NOTES = {
    "io.pyrootless.network": "pasta",
    "io.pyrootless.network.ports": "udp 127.0.0.1 5300 53 1\ntcp * 8080 80 2\ntcp ::1 9 8 1\n",
}


def test_ranges_are_single_ports_in_their_order() -> None:
    assert [
        (item.port, item.protocol, item.place) for item in parse_ports(NOTES, both=True)
    ] == [
        (8, "tcp", "[::1]:9"),
        (53, "udp", "127.0.0.1:5300"),
        (80, "tcp", "0.0.0.0:8080"),
        (80, "tcp", "[::]:8080"),
        (81, "tcp", "0.0.0.0:8081"),
        (81, "tcp", "[::]:8081"),
    ]


def test_slirp_and_a_host_without_ipv6_publish_one_address() -> None:
    one = {"io.pyrootless.network.ports": "tcp * 1 2 1", "io.pyrootless.network": "slirp4netns"}
    wanted = [PublishedPort(2, "tcp", "0.0.0.0", 1)]
    assert parse_ports(one, both=True) == wanted
    assert parse_ports({**one, "io.pyrootless.network": "pasta"}, both=False) == wanted


def test_nothing_published_and_foreign_lines() -> None:
    assert parse_ports({}, both=True) == []
    assert parse_ports({"io.pyrootless.network.ports": "tcp * x 80 1\nworse"}, both=True) == []
