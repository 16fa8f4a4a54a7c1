"""pyrootless.images.manifest, image_config, platforms, document: documents of strangers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrootless.errors import IntegrityError, UsageError
from pyrootless.images import document, manifest, platforms
from pyrootless.images.manifest import (
    Descriptor,
    Healthcheck,
    HistoryEntry,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    choose_platform,
    encode_image_config,
    encode_index,
    encode_manifest,
    host_platform,
    parse_image_config,
    parse_manifest,
    parse_platform,
)

HEX = "0123456789abcdef" * 4
SHA = f"sha256:{HEX}"
KINDS = {
    manifest.OCI_MANIFEST: (manifest.OCI_CONFIG, manifest.OCI_LAYER_GZIP),
    manifest.DOCKER_MANIFEST: (manifest.DOCKER_CONFIG, manifest.DOCKER_LAYER_GZIP),
}


def blob(media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": SHA, "size": 7, **more}


def image(kind: str = manifest.OCI_MANIFEST, **more: Any) -> dict[str, Any]:
    config, layer = KINDS[kind]
    members = {"schemaVersion": 2, "mediaType": kind, "config": blob(config),
               "layers": [blob(layer)]}  # fmt: skip
    return members | more


def listing(*manifests: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": manifest.OCI_INDEX, "manifests": list(manifests),
            **more}  # fmt: skip


def entry(name: str, number: int = 0, **more: Any) -> dict[str, Any]:
    parts = dict(zip(("os", "architecture", "variant"), name.split("/"), strict=False))
    digest = f"sha256:{number:064x}"
    return blob(manifest.OCI_MANIFEST, platform=parts, **more) | {"digest": digest}


def dump(members: Any) -> bytes:
    return json.dumps(members).encode()


def without(members: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name != key}


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest(kind: str) -> None:
    raw = dump(image(kind, annotations={"a": "b"}))
    found = parse_manifest(raw, kind)
    assert isinstance(found, Manifest)
    assert (found.raw, found.media_type) == (raw, kind)
    assert found.digest == manifest.digest_of(raw)
    assert found.config == Descriptor(KINDS[kind][0], SHA, 7)
    assert found.layers == (Descriptor(KINDS[kind][1], SHA, 7),)
    assert found.annotations == {"a": "b"}


def test_an_index() -> None:
    raw = dump(listing(entry("linux/arm/v7"), blob("application/x")))
    found = parse_manifest(raw, None)
    assert isinstance(found, Index)
    assert found.media_type == manifest.OCI_INDEX
    assert found.manifests[0].platform == Platform("linux", "arm", "v7")
    assert found.manifests[1].platform is None


ANNOUNCED = {
    (manifest.OCI_MANIFEST, None): manifest.OCI_MANIFEST,
    (manifest.OCI_MANIFEST, "application/json"): manifest.OCI_MANIFEST,
    (manifest.OCI_MANIFEST, ""): manifest.OCI_MANIFEST,
    (manifest.OCI_MANIFEST, f"{manifest.OCI_MANIFEST}; charset=utf-8"): manifest.OCI_MANIFEST,
    (manifest.OCI_MANIFEST, manifest.OCI_MANIFEST.upper()): manifest.OCI_MANIFEST,
    ("", manifest.OCI_MANIFEST): manifest.OCI_MANIFEST,
    ("", "text/plain"): manifest.OCI_MANIFEST,
    ("", None): manifest.OCI_MANIFEST,
}


@pytest.mark.parametrize(("own", "announced"), ANNOUNCED)
def test_announced_types(own: str, announced: str | None) -> None:
    members = image(mediaType=own) if own else without(image(), "mediaType")
    assert parse_manifest(dump(members), announced).media_type == ANNOUNCED[own, announced]


def test_a_docker_manifest_by_its_announcement() -> None:
    members = without(image(manifest.DOCKER_MANIFEST), "mediaType")
    found = parse_manifest(dump(members), manifest.DOCKER_MANIFEST)
    assert found.media_type == manifest.DOCKER_MANIFEST


def test_an_index_without_a_word() -> None:
    found = parse_manifest(dump(without(listing(entry("linux/amd64")), "mediaType")), None)
    assert found.media_type == manifest.OCI_INDEX


CONFUSED = {
    "both": (image() | {"manifests": []}, None, '"manifests" contradicts its type'),
    "both, as a list": (listing(layers=[]), None, '"layers" contradicts its type'),
    "list with a config": (listing(config={}), None, '"config" contradicts its type'),
    "both, no word": (
        without(image() | {"manifests": []}, "mediaType"), None,
        '"(layers|config)" contradicts'),
    "another announcement": (image(), manifest.OCI_INDEX, "announced as .*index.* but says"),
    "docker announced": (image(), manifest.DOCKER_MANIFEST, "announced as"),
    "list called an image": (
        listing(mediaType=manifest.OCI_MANIFEST), None, '"config" is missing'),
    "image called a list": (
        image(mediaType=manifest.OCI_INDEX), None, '"manifests" is missing'),
    "docker config": (
        image(config=blob(manifest.DOCKER_CONFIG)), None,
        "configuration of type .* contradicts"),
    "oci config": (
        image(manifest.DOCKER_MANIFEST, config=blob(manifest.OCI_CONFIG)), None, "contradicts"),
    "other case": (image() | {"Layers": []}, None, '"Layers" contradicts'),
    "other case of a list": (image() | {"MANIFESTS": []}, None, '"MANIFESTS" contradicts'),
    "other case of the type": (image() | {"mediatype": "x"}, None, '"mediatype" contradicts'),
    "artifact": (
        image(config=blob("application/vnd.cncf.helm.config.v1+json")), None,
        '"application/vnd.cncf.helm.config.v1.json" is an artifact'),
    "named artifact": (
        image(artifactType="a/b", config=blob("application/vnd.oci.empty.v1+json")), None,
        '"a/b" is an artifact'),
    "helm layer": (image(layers=[blob("a/tar")]), None, '"a/tar" is not a layer'),
    "encrypted": (
        image(layers=[blob(manifest.OCI_LAYER_GZIP + "+encrypted")]), None, "is not a layer"),
    "no image at all": (image(mediaType="text/html"), None, '"text/html" is not the type'),
    "schema 1": ({"schemaVersion": 1, "fsLayers": []}, None, "the first schema"),
    "schema 1 by its type": (
        image(mediaType="application/vnd.docker.distribution.manifest.v1+prettyjws"), None,
        "the first schema"),
    "schema 1 by announcement": (
        without(image(), "mediaType"), "application/vnd.docker.distribution.manifest.v1+json",
        "the first schema"),
    "foreign": (
        image(layers=[blob("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                           urls=["https://x"])]), None, "is a foreign layer"),
    "nondistributable": (
        image(layers=[blob("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")]),
        None, "is a foreign layer"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFUSED)
def test_confusion_is_refused(name: str) -> None:
    members, announced, words = CONFUSED[name]
    with pytest.raises(IntegrityError, match=words):
        parse_manifest(dump(members), announced)


def layer(**more: Any) -> dict[str, Any]:
    return image(layers=[blob(manifest.OCI_LAYER) | more])


MALFORMED = {
    b"": "not valid JSON",
    b"[]": "must be a JSON object",
    b"{": "not valid JSON",
    b"null": "must be a JSON object",
    b"\xff{}": "not valid JSON",
    b'{"schemaVersion": NaN}': "NaN is not a number",
    b'{"schemaVersion": 2, "schemaVersion": 2}': '"schemaVersion" stands twice',
    b"[" * 100_000: "nested",
    b'{"a":' + b"[" * 40 + b"]" * 40 + b"}": "nested more than 32 deep",
    b'{"a": "\\ud800"}': "not valid JSON",
    b'{"schemaVersion": 1' + b"0" * 5000 + b"}": "not valid JSON|must be 2",
    b" " * (document.MAX_BYTES + 1): "4194305 bytes are more than the 4194304",
    dump(image(schemaVersion="2")): '"schemaVersion" must be 2',
    dump(image(schemaVersion=2.0)): '"schemaVersion" must be 2',
    dump(image(schemaVersion=True)): '"schemaVersion"|the first schema',
    dump(image(schemaVersion=3)): '"schemaVersion" must be 2',
    dump(without(image(), "schemaVersion")): '"schemaVersion" must be 2',
    dump(image(mediaType=7)): '"mediaType" must be a text',
    dump(without(image(), "config")): '"config" is missing',
    dump(without(image(), "layers")): '"layers" is missing',
    dump(image(config=[])): '"config" must be an object',
    dump(image(config={})): '"digest" must be a text',
    dump(image(layers={})): '"layers" must be a list',
    dump(image(layers=[7])): r'"layers\[0\]" must be an object',
    dump(image(annotations={"a": 1})): '"annotations" must be an object of texts',
    dump(layer(size=-1)): r'layers\[0\]: "size" must be a whole number of bytes',
    dump(layer(size=1.5)): '"size" must be a whole number',
    dump(layer(size=True)): '"size" must be a whole number',
    dump(layer(size="7")): '"size" must be a whole number',
    dump(layer(size=None)): '"size" must be a whole number',
    dump(layer(size=2**63)): '"size" must be a whole number',
    dump(layer(digest="sha256:00")): r'layers\[0\]: digest "sha256:00": sha256 has 64',
    dump(layer(digest="../../etc/passwd")): "must begin with sha256",
    dump(layer(digest=f"sha256:{HEX.upper()}")): "64 lower case",
    dump(layer(digest=f"{SHA}\n")): "64 lower case",
    dump(layer(mediaType=None)): '"mediaType" must be a text',
    dump(image(layers=[blob(manifest.OCI_LAYER)] * 501)): "501 layers; .* at most 500",
    dump(listing(entry("linux/amd64") | {"platform": 7})): '"platform" must be an object',
    dump(listing(entry("linux/amd64") | {"platform": {"os": 7}})): '"os" must be a text',
}


@pytest.mark.parametrize("raw", MALFORMED, ids=lambda raw: repr(MALFORMED[raw]))
def test_malformed(raw: bytes) -> None:
    with pytest.raises(IntegrityError, match=MALFORMED[raw]):
        parse_manifest(raw, None)


@settings(deadline=None, derandomize=True)
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests", "size",
                         "digest", "platform", "annotations", "os", "rootfs", "Env"]),
        inner, max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_any_json_is_a_value_or_an_integrity_error(members: Any) -> None:
    raw = json.dumps(members).encode()
    for parse in (lambda: parse_manifest(raw, None), lambda: parse_image_config(raw)):
        try:
            parse()
        except IntegrityError as error:
            assert str(error)


def test_an_encoded_manifest_leads_back() -> None:
    config = Descriptor(manifest.OCI_CONFIG, SHA, 3)
    layers = (Descriptor(manifest.OCI_LAYER_ZSTD, SHA, 5, None, {"a": "ä"}),)
    raw = encode_manifest(config, layers)
    found = parse_manifest(raw, manifest.OCI_MANIFEST)
    assert isinstance(found, Manifest)
    assert (found.config, found.layers) == (config, layers)
    assert encode_manifest(config, layers) == raw
    assert b" " not in raw


def test_an_encoded_index_leads_back() -> None:
    listed = (Descriptor(manifest.OCI_MANIFEST, SHA, 3, Platform("linux", "arm", "v7")),)
    found = parse_manifest(encode_index(listed), manifest.OCI_INDEX)
    assert isinstance(found, Index)
    assert found.manifests == listed


def choose(wanted: str, *there: str) -> str:
    raw = dump(listing(*(entry(name, number) for number, name in enumerate(there))))
    index = parse_manifest(raw, None)
    assert isinstance(index, Index)
    chosen = choose_platform(index, parse_platform(wanted))
    return there[int(chosen.digest[7:], 16)]


CHOICES = [
    ("linux/amd64", ("linux/arm64", "linux/amd64"), "linux/amd64"),
    ("linux/amd64", ("linux/amd64/v3", "linux/amd64"), "linux/amd64"),
    ("linux/amd64/v3", ("linux/amd64", "linux/amd64/v2", "linux/amd64/v3"), "linux/amd64/v3"),
    ("linux/amd64/v3", ("linux/amd64/v4", "linux/amd64/v2", "linux/amd64"), "linux/amd64/v2"),
    ("linux/amd64/v2", ("linux/amd64/v1", "linux/amd64/v3"), "linux/amd64/v1"),
    ("linux/amd64", ("linux/386", "linux/arm64"), "linux/386"),
    ("linux/arm/v8", ("linux/arm/v6", "linux/arm/v7"), "linux/arm/v7"),
    ("linux/arm/v7", ("linux/arm/v8", "linux/arm/v6"), "linux/arm/v6"),
    ("linux/arm/v7", ("linux/arm/v5", "linux/arm"), "linux/arm"),
    ("linux/arm/v6", ("linux/arm/v5", "linux/arm/v7"), "linux/arm/v5"),
    ("linux/arm64", ("linux/arm/v7", "linux/arm64/v8"), "linux/arm64/v8"),
    ("linux/arm64/v8", ("linux/arm64",), "linux/arm64"),
    ("linux/arm64", ("linux/arm/v6", "linux/arm/v7"), "linux/arm/v7"),
    ("linux/riscv64", ("linux/riscv64", "linux/amd64"), "linux/riscv64"),
    ("aarch64", ("linux/arm64",), "linux/arm64"),
    ("x86_64", ("windows/amd64", "linux/amd64"), "linux/amd64"),
    ("linux/amd64", ("linux/AMD64",), "linux/AMD64"),
]


@pytest.mark.parametrize(("wanted", "there", "chosen"), CHOICES)
def test_the_best_that_runs_is_chosen(wanted: str, there: tuple[str, ...], chosen: str) -> None:
    assert choose(wanted, *there) == chosen


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("linux/arm/v6", ("linux/arm/v7", "linux/arm64")),
        ("linux/amd64", ("linux/amd64/v2", "windows/amd64")),
        ("linux/386", ("linux/amd64",)),
    ],
)
def test_nothing_fits(wanted: str, there: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        choose(wanted, *there)
    assert str(caught.value).splitlines() == [
        f"there is no image for {wanted}; there is {', '.join(sorted(there))}",
        "  remedy: choose one of these: --platform OS/ARCHITECTURE",
    ]


def test_the_only_one_is_taken_without_a_platform() -> None:
    index = parse_manifest(dump(listing(blob(manifest.OCI_MANIFEST))), None)
    assert isinstance(index, Index)
    assert choose_platform(index, Platform("linux", "s390x")).digest == SHA


def test_attestations_are_passed_over() -> None:
    note = {"vnd.docker.reference.type": "attestation-manifest"}
    members = listing(
        entry("unknown/unknown", 1, annotations=note), entry("linux/amd64", 2),
        blob("application/vnd.in-toto+json"),
    )  # fmt: skip
    index = parse_manifest(dump(members), None)
    assert isinstance(index, Index)
    assert choose_platform(index, Platform("linux", "amd64")).digest == f"sha256:{2:064x}"
    with pytest.raises(UsageError, match=r"there is linux/amd64$"):
        try:
            choose_platform(index, Platform("linux", "arm"))
        except UsageError as error:
            raise UsageError(str(error.args[0])) from None


def test_an_empty_index() -> None:
    index = parse_manifest(dump(listing()), None)
    assert isinstance(index, Index)
    with pytest.raises(UsageError, match="there is none for any platform"):
        choose_platform(index, Platform("linux", "amd64"))


V2 = frozenset("cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3".split())
V3 = V2 | frozenset("abm avx avx2 bmi1 bmi2 f16c fma movbe xsave".split())
V4 = V3 | frozenset("avx512bw avx512cd avx512dq avx512f avx512vl".split())


@pytest.mark.parametrize(
    ("machine", "flags", "platform"),
    [
        ("x86_64", frozenset(), "linux/amd64"),
        ("x86_64", V2, "linux/amd64/v2"),
        ("x86_64", V3, "linux/amd64/v3"),
        ("x86_64", V3 - {"ssse3"}, "linux/amd64"),
        ("x86_64", V4, "linux/amd64/v4"),
        ("aarch64", V4, "linux/arm64"),
        ("armv7l", frozenset(), "linux/arm"),
        ("armv6l", frozenset(), "linux/arm/v6"),
        ("i686", frozenset(), "linux/386"),
        ("riscv64", frozenset(), "linux/riscv64"),
    ],
)
def test_the_machine_s_platform(machine: str, flags: frozenset[str], platform: str) -> None:
    assert str(host_platform(machine, flags)) == platform


def test_this_machine_has_a_platform() -> None:
    assert platforms.runnable(host_platform())[0] == host_platform()


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/a b", "linux//v7", "ä"])
def test_no_platform(text: str) -> None:
    with pytest.raises(UsageError, match="is not a platform"):
        parse_platform(text)


CONFIG = {
    "architecture": "arm", "os": "linux", "variant": "v7", "created": "2026-01-01T00:00:00Z",
    "author": "me", "unknown": {"kept": [1]},
    "config": {
        "User": "www:adm", "Env": ["A=1", "B=", "=C", "D"], "Entrypoint": ["/e"], "Cmd": ["c"],
        "WorkingDir": "/w", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/v": {}},
        "Labels": {"l": "1"}, "StopSignal": "SIGINT", "Shell": ["/bin/bash", "-c"],
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5, "Retries": 3},
        "OnBuild": ["RUN x"], "ArgsEscaped": True,
    },
    "rootfs": {"type": "layers", "diff_ids": [SHA]},
    "history": [{"created_by": "a"}, {"created_by": "b", "empty_layer": True, "comment": "c"}],
}  # fmt: skip


def test_an_image_configuration() -> None:
    raw = dump(CONFIG)
    assert parse_image_config(raw) == ImageConfig(  # noqa: S604 - a member of this name
        raw=raw,
        platform=Platform("linux", "arm", "v7"),
        env=("A=1", "B="),
        entrypoint=("/e",),
        cmd=("c",),
        working_dir="/w",
        user="www:adm",
        exposed_ports=("53/udp", "80/tcp"),
        volumes=("/v",),
        labels={"l": "1"},
        stop_signal="SIGINT",
        healthcheck=Healthcheck(test=("CMD", "x"), interval_ns=5, retries=3),
        shell=("/bin/bash", "-c"),
        diff_ids=(SHA,),
        history=(
            HistoryEntry(created_by="a"),
            HistoryEntry(created_by="b", empty_layer=True, comment="c"),
        ),
        created="2026-01-01T00:00:00Z",
        author="me",
        on_build=("RUN x",),
    )


def test_an_encoded_configuration_leads_back_and_keeps_what_is_unknown() -> None:
    config = replace(parse_image_config(dump(CONFIG)), cmd=(), env=("X=y",))
    raw = encode_image_config(config)
    assert parse_image_config(raw) == replace(config, raw=raw)
    members = json.loads(raw)
    assert members["unknown"] == {"kept": [1]}
    assert members["config"]["ArgsEscaped"] is True
    assert "Cmd" not in members["config"]


def test_a_configuration_made_here() -> None:
    config = ImageConfig(b"", Platform("linux", "amd64"), diff_ids=(SHA,))
    assert json.loads(encode_image_config(config)) == {
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [SHA]},
    }  # fmt: skip


def test_nulls_of_a_configuration() -> None:
    section = dict.fromkeys(CONFIG["config"])
    raw = dump({"architecture": "amd64", "os": "linux", "config": section, "history": None,
                "rootfs": {"type": "layers", "diff_ids": None}})  # fmt: skip
    assert parse_image_config(raw) == ImageConfig(raw, Platform("linux", "amd64"))


WRONG_CONFIGS = {
    '"os" must be a text': without(CONFIG, "os"),
    '"architecture" must be a text': CONFIG | {"architecture": 7},
    '"config" must be an object': CONFIG | {"config": []},
    '"Env" must be a list of texts': CONFIG | {"config": {"Env": [1]}},
    '"Env" must be a list': CONFIG | {"config": {"Env": {"A": "1"}}},
    '"Entrypoint" must be a list': CONFIG | {"config": {"Entrypoint": "/bin/sh"}},
    '"Cmd" holds a zero byte': CONFIG | {"config": {"Cmd": ["a\0b"]}},
    '"ExposedPorts" holds a zero byte or a line break': CONFIG
    | {"config": {"ExposedPorts": {"80/tcp": {}, "81/tcp\n82/tcp": {}}}},
    '"User" holds a zero byte or a line break': CONFIG | {"config": {"User": "a\nb"}},
    '"Labels" must be an object of texts': CONFIG | {"config": {"Labels": {"a": 1}}},
    '"Interval" must be a whole number': CONFIG
    | {"config": {"Healthcheck": {"Interval": "5s"}}},
    '"type" must be "layers"': CONFIG | {"rootfs": {"type": "windows"}},
    "is not a diff ID": CONFIG | {"rootfs": {"type": "layers", "diff_ids": ["../x"]}},
    '"empty_layer" must be true or false': CONFIG | {"history": [{"empty_layer": 1}]},
}


@pytest.mark.parametrize("words", WRONG_CONFIGS)
def test_a_malformed_configuration(words: str) -> None:
    with pytest.raises(IntegrityError, match=words):
        parse_image_config(dump(WRONG_CONFIGS[words]))
