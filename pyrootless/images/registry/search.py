"""Words → the repositories of a registry whose names have them.

What comes in: a host, a term, how many.  What goes out: names, descriptions, stars.
Must never: go to another host for a next page, hold more pages than MAX_PAGES.

Source: docker registry HTTP API V1, "Search"; distribution specification of docker, "Catalog".
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyrootless.errors import IntegrityError, RegistryError
from pyrootless.images.registry.host import Host, NotThere

MAX_PAGE_BYTES = 4 << 20
MAX_PAGES = 100
PAGE_NAMES = 1000
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')


@dataclass(frozen=True, slots=True)
class Match:
    """A repository.

    Attributes:
        name: As the registry says it, without its host.
        description: One line; "" where the registry keeps none.
        stars: How many people like it; 0 where nobody counts.
        official, automated: As Docker Hub marks them.
    """

    name: str
    description: str = ""
    stars: int = 0
    official: bool = False
    automated: bool = False


def search(host: Host, term: str, limit: int) -> list[Match]:
    """The first `limit` matches, in the registry's order.

    The registry's own search is asked first; one that has none is asked for its catalog.

    Raises:
        RegistryError: It refuses, or has neither.
        IntegrityError: The answer is not what the protocol says.
    """
    query = urllib.parse.urlencode({"q": term, "n": limit})
    try:
        document, _ = _page(host, f"/v1/search?{query}")
        return [_match(item, host) for item in _list(document, "results", host)][:limit]
    except NotThere:
        return _catalog(host, term, limit)


def _catalog(host: Host, term: str, limit: int) -> list[Match]:
    """Page by page, until there are enough."""
    found: list[Match] = []
    target = f"_catalog?n={PAGE_NAMES}"
    for _ in range(MAX_PAGES):
        try:
            document, headers = _page(host, target)
        except NotThere as error:
            raise RegistryError(
                f"registry {host.name}: it neither searches nor lists its repositories",
                remedy=f"ask for a name: pyrootless search --list-tags {host.name}/NAME",
            ) from error
        names = _list(document, "repositories", host)
        found += [Match(name) for name in names if isinstance(name, str) and term in name]
        target = _next(headers)
        if len(found) >= limit or not target:
            break
    return found[:limit]


def _page(host: Host, target: str) -> tuple[Any, Mapping[str, str]]:
    raw, headers = host.document("", target, {}, MAX_PAGE_BYTES)
    try:
        return json.loads(raw), headers
    except (ValueError, RecursionError) as error:
        raise _strange(host) from error


def _next(headers: Mapping[str, str]) -> str:
    """The next page of the catalog; "" after the last one, and for one that lies elsewhere."""
    found = _NEXT.search(headers.get("Link") or "")
    parts = urllib.parse.urlsplit(found.group(1)) if found else None
    if parts is None or parts.path != "/v2/_catalog":
        return ""
    return f"_catalog?{parts.query}"


def _list(document: Any, key: str, host: Host) -> list[Any]:
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list | None) or not isinstance(document, dict):
        raise _strange(host)
    return found or []


def _match(item: Any, host: Host) -> Match:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise _strange(host)
    stars = item.get("star_count")
    return Match(
        item["name"],
        " ".join(str(item.get("description") or "").split()),
        stars if isinstance(stars, int) else 0,
        item.get("is_official") is True,
        item.get("is_automated") is True,
    )


def _strange(host: Host) -> IntegrityError:
    return IntegrityError(
        f"registry {host.name}: its answer to a search is none",
        remedy="check that this host is a registry",
    )
