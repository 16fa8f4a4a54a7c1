"""The safeguards of networks: for each an edit that takes it away and the tests that see it.

In: nothing.  Out: NETWORK_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: as there.
"""

from __future__ import annotations

from mutation import Edit, Mutation
from mutation import one as _one

NETWORK = "tests/integration/test_network.py"
ALLOW = "tests/integration/test_allow_host.py"

NETWORK_MUTATIONS = (
    Mutation(
        "a user-mode network leaves out the host's loopback",
        (
            Edit("csrc/launch/serve/network.c", '    add(h, "--no-map-gw");\n', ""),
            Edit("csrc/launch/serve/network.c", '    add(h, "--disable-host-loopback");\n', ""),
        ),
        ("tests/integration/test_network.py::test_the_hosts_loopback_is_out_of_reach",),
    ),
    Mutation(
        "forwarded callers never look like the container's own loopback",
        _one(
            "csrc/launch/serve/network.c",
            '    add(h, "--no-map-gw");\n',
            '    add(h, "--no-map-gw");\n    add(h, "--host-lo-to-ns-lo");\n',
        ),
        (f"{NETWORK}::test_published_ports",),
    ),
    Mutation(
        "a network helper has no privilege to gain",
        _one(
            "csrc/base/process/start.c",
            "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall",
            "prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0 && syscall",
        ),
        (f"{NETWORK}::test_the_helper_holds_nothing_of_ours",),
    ),
    Mutation(
        "a network helper has no descriptor of the caller's",
        _one(
            "csrc/base/process/start.c",
            "return prl_sys_close_range(FDS, UINT_MAX);",
            "return 0;",
        ),
        (f"{NETWORK}::test_the_helper_holds_nothing_of_ours",),
    ),
    Mutation(
        "a network helper has no variable of the caller's",
        _one(
            "csrc/base/process/start.c",
            "(char *const *)environment);",
            "environment[0] ? environ : NULL);",
        ),
        (f"{NETWORK}::test_the_helper_holds_nothing_of_ours",),
    ),
    Mutation(
        "a network helper ends with its launcher, and pasta with its container",
        (
            Edit(
                "csrc/base/process/start.c",
                "prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0",
                "prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) == 0",
            ),
            Edit(
                "csrc/launch/serve/network.c",
                "    if (h->hidden)\n",
                "    if (!h->hidden || h->hidden)\n",
            ),
        ),
        (f"{NETWORK}::test_the_helper_ends_with_the_container",),
    ),
    Mutation(
        "slirp4netns gets no frame that leads to the host's loopback",
        _one(
            "csrc/launch/serve/tap.c",
            "    BPF_STMT(BPF_RET | BPF_K, 0),",
            "    BPF_STMT(BPF_RET | BPF_K, WHOLE),",
        ),
        (
            f"{NETWORK}::test_nor_by_frames_of_ones_own",
            f"{NETWORK}::test_nor_by_a_raw_socket_on_the_interface",
        ),
    ),
    Mutation(
        "a published port is bound to the address named",
        _one(
            "csrc/launch/serve/network.c",
            'port->address ? port->address : "",\n'
            '                            port->address ? "/" : "", port->host,',
            '"", "", port->host,',
        ),
        ("tests/integration/test_network.py::test_an_address_is_all_that_is_bound",),
    ),
    Mutation(
        "--allow-host: only what is on the list is reached",
        _one(
            "csrc/network/egress/filter.c",
            "prl_allow_has(egress->allow, egress->allow_len, packet.target, port)) ||",
            "true) ||",
        ),
        (
            f"{ALLOW}::test_nothing_else_is",
            "tests/integration/test_sandbox_network.py::test_a_listed_host_is_reached_and_no_other",
            f"{ALLOW}::test_every_capability_lifts_nothing",
            f"{ALLOW}::test_the_network_is_nobodys_to_rebuild",
            f"{ALLOW}::test_a_name_that_moves_stays_where_it_was",
        ),
    ),
    Mutation(
        "--allow-host: a network of one family opens nothing of the other",
        _one(
            "csrc/network/allow.c",
            "if ((row->bits >= V4_BITS && is_v4(row->address)) != is_v4(address))",
            "if (row->bits > ALL_BITS && is_v4(address))",
        ),
        (f"{ALLOW}::test_a_network_of_one_family_opens_nothing_of_the_other",),
    ),
    Mutation(
        "--allow-host: what cannot be judged stays inside",
        _one(
            "csrc/network/egress/filter.c",
            "    if (!prl_packet_parse(frame, len, &packet))\n        return false;\n"
            "    if (packet.protocol",
            "    if (!prl_packet_parse(frame, len, &packet))\n        return true;\n"
            "    if (packet.protocol",
        ),
        (f"{ALLOW}::test_every_capability_lifts_nothing",),
    ),
    Mutation(
        "--allow-host: a container begins nothing from a published TCP port",
        _one(
            "csrc/network/egress/filter.c",
            "return (packet->body[13] & (FLAG_SYN | FLAG_ACK)) != FLAG_SYN;",
            "return true;",
        ),
        (f"{ALLOW}::test_every_capability_lifts_nothing",),
    ),
    Mutation(
        "--allow-host: a published UDP port answers only who asked",
        _one(
            "csrc/network/egress/filter.c",
            "return has_asked(egress, packet, port, remote);",
            "return remote != 0;",
        ),
        (f"{ALLOW}::test_every_capability_lifts_nothing",),
    ),
    Mutation(
        "--allow-host: a name may not lead to this machine or its link",
        _one("csrc/config/network/allow.c", "    if (where)\n", "    if (where && !*where)\n"),
        (f"{ALLOW}::test_a_name_that_leads_inwards_starts_nothing",),
    ),
    Mutation(
        "--allow-host: refused where no egress filter can stand",
        _one(
            "csrc/config/network/helper.c",
            'prl_options_get(m->options, "allow-host"))\n        return prl_config_bad(',
            'prl_options_get(m->options, "allow-host") && !network)\n'
            "        return prl_config_bad(",
        ),
        (f"{ALLOW}::test_what_cannot_be_held_starts_nothing",),
    ),
    Mutation(
        "--allow-host: the egress filter runs under strict seccomp",
        _one(
            "csrc/network/egress/relay.c",
            "return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0;",
            "return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0;",
        ),
        (f"{ALLOW}::test_the_egress_filter_is_confined",),
    ),
    Mutation(
        "allow_hosts: no protocol but those of the internet",
        _one(
            "pyrootless/seccomp/network.json",
            '"SCMP_ACT_ERRNO", "errnoRet": 97,\n'
            '      "args": [{"index": 0, "op": "SCMP_CMP_GT", "value": 10}]',
            '"SCMP_ACT_ALLOW",\n      "args": [{"index": 0, "op": "SCMP_CMP_GT", "value": 10}]',
        ),
        ("tests/integration/test_sandbox_network.py::test_other_protocols_stay_refused",),
    ),
)
