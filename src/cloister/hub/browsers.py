"""What a browser is told, and asked: cookies, from which pages requests may come, and from where.

A cookie comes along with whatever a page makes a browser send. So a request that relies on one must come from the hub's
own pages: the cookie is SameSite=Strict, and besides, the browser's own word about the request counts (Sec-Fetch-Site,
else Origin), which also knows ports and neighbouring names apart, as SameSite doesn't.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import cookie_parser
from starlette.types import Scope

from cloister.hub.problems import forbidden
from cloister.hub.settings import HubSettings

_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
_FOREIGN = (
    "This was sent by a page that isn't the hub's own, or by something that doesn't say so. Use the hub's own pages; "
    "programs use an API token. (Behind a proxy the hub needs to know its address: public_url.)"
)


def header(scope: Scope, name: str) -> str | None:
    """A header's value; of several, the last one."""
    found = [value for each, value in scope["headers"] if each == name.encode()]
    return found[-1].decode("latin-1") if found else None


def is_secure(scope: Scope, settings: HubSettings) -> bool:
    """Whether the browser speaks TLS, with the hub or with a proxy in front of it."""
    if settings.public_url is not None:
        return settings.public_url.lower().startswith("https:")
    return bool(scope["scheme"] == "https")


def cookie(scope: Scope, settings: HubSettings, name: str) -> str | None:
    """What the browser keeps for the hub by this name."""
    full = _name(name, scope, settings)
    lines = [value.decode("latin-1") for each, value in scope["headers"] if each == b"cookie"]
    return cookie_parser("; ".join(lines)).get(full) or None


def set_cookie(
    scope: Scope, settings: HubSettings, name: str, value: str, *, seconds: int | None = None, strict: bool = True
) -> str:
    """The ``Set-Cookie`` that has the browser keep something, or forget it: zero seconds.

    Args:
        seconds: for how long; else until the browser is closed.
        strict: whether it stays back when another site sends the browser here.
    """
    words = [
        f"{_name(name, scope, settings)}={value}",
        "Path=/",
        "HttpOnly",
        f"SameSite={'Strict' if strict else 'Lax'}",
        *(["Secure"] if is_secure(scope, settings) else []),
        *([] if seconds is None else [f"Max-Age={seconds}"]),
    ]
    return "; ".join(words)


def require_own_page(scope: Scope, settings: HubSettings, *, by_cookie: bool) -> None:
    """Refuse what another site's page has sent, with a 403 `Problem`.

    Args:
        by_cookie: whether a cookie says who is asking; then what can't be told is refused too, unless it only reads.
    """
    site = header(scope, "sec-fetch-site")
    harmless = scope["method"] in _HARMLESS
    if site is not None:
        if site == "same-origin" or (site == "none" and harmless):
            return
        raise forbidden(_FOREIGN)
    origin = header(scope, "origin")
    if origin is not None:
        if not _is_own(origin, scope, settings):
            raise forbidden(_FOREIGN)
    elif by_cookie and not harmless:
        raise forbidden(_FOREIGN)


def address(scope: Scope, settings: HubSettings) -> str:
    """Who asks, as far as can be told: an IPv4 address, or the network that an IPv6 address is in."""
    host = scope["client"][0] if scope.get("client") else ""
    forwarded = header(scope, "x-forwarded-for")
    trusted = {each.strip() for each in (settings.trusted_proxies or "").split(",")}
    if forwarded is not None and host in trusted:
        # The last one is what the proxy itself has seen.
        host = forwarded.rpartition(",")[2].strip()
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return "?"
    # Whoever has an IPv6 address has 2^64 of them.
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def _is_own(origin: str, scope: Scope, settings: HubSettings) -> bool:
    if settings.public_url is not None:
        own, given = urlsplit(settings.public_url.lower()), urlsplit(origin.lower())
        return (own.scheme, own.netloc) == (given.scheme, given.netloc)
    host = header(scope, "host")
    # Of the scheme nothing can be said: a proxy may do TLS.
    return host is not None and urlsplit(origin.lower()).netloc == host.lower()


def _name(name: str, scope: Scope, settings: HubSettings) -> str:
    if is_secure(scope, settings):
        # No neighbour, and nobody without TLS, can put a cookie of that name there.
        return f"__Host-{name}"
    # Cookies know no ports: several hubs on one machine would take each other's away.
    port = (header(scope, "host") or "").rpartition(":")[2]
    return f"{name}-{port}" if port.isdecimal() else name
