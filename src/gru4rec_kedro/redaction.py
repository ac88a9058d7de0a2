"""Addresses of servers in messages: without user, password and options."""

import re
from urllib.parse import unquote


def hide_login(address: str) -> str:
    """Shows of an address what may be shown: `https://…@host/path`."""
    scheme, slashes, rest = address.partition("://") if "://" in address else ("", "", address)
    before, at, place = rest.rpartition("@")
    # a ? before the last @ is of a password, or begins the options: what follows may be secret
    place = "" if "?" in before else place.partition("?")[0]
    return f"{scheme}{slashes}{'…' if at else ''}{at}{place}"


def hide_login_in(text: str, address: str) -> str:
    """Hides, in a message about an address, what `hide_login` hides."""
    login = address.partition("://")[2].rpartition("@")[0]
    passwords = [login.partition(":")[2], *re.findall(r"[?&]\w*password=([^&]*)", address)]
    text = text.replace(address, hide_login(address))
    for password in filter(None, [*passwords, *map(unquote, passwords)]):
        text = text.replace(password, "…")
    return text
