"""`pyrootless login [-u NAME] [--password-stdin] [HOST]`: check a password and store it.

What comes in: a registry's host, a name, a password from the terminal or standard input.
What goes out: an entry in the file of logins (docs/registries.md says which).
Must never: take a password from the command line, note one that the registry refused.
"""

from __future__ import annotations

import getpass
import sys

from pyrootless.cli import Parser
from pyrootless.errors import UsageError
from pyrootless.images.registry import (
    AccessDenied,
    Credential,
    RegistryClient,
    load_settings,
    parse_host,
    save_credential,
)

MAX_PASSWORD = 65536


def main(args: list[str]) -> int:
    """Try and note one login; see the file's head."""
    parser = Parser(
        prog="pyrootless login", description="Check a registry's password and store it."
    )
    parser.add_argument(
        "-u", "--username", metavar="NAME", help="if not given, it is asked for"
    )
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    parser.add_argument(
        "host", metavar="HOST", nargs="?", default="docker.io", help="default: docker.io"
    )
    options = parser.parse_args(args)
    host = parse_host(options.host)
    if options.password_stdin and not options.username:
        raise UsageError("--password-stdin: name the user with -u NAME")
    credential = _ask(host, options.username, from_stdin=options.password_stdin)
    with RegistryClient(host, load_settings(), lambda *_: credential) as client:
        try:
            client.check_login()
        except AccessDenied as error:
            raise AccessDenied(
                error.args[0],
                remedy=f"nothing was noted: check the name {credential.username} and type the "
                "password again; many registries want an access token in its place",
            ) from error
    path = save_credential(host, credential)
    print(f"logged in to {host}; noted in {path}")
    return 0


def _ask(host: str, username: str | None, *, from_stdin: bool) -> Credential:
    """Name and password.  Raises UsageError when there is nobody to ask, or no answer."""
    if from_stdin:
        name, password = username or "", sys.stdin.read(MAX_PASSWORD).rstrip("\r\n")
    else:
        if not sys.stdin.isatty():
            raise UsageError(
                "there is no terminal to ask for the password on",
                remedy="pipe it: pyrootless login -u NAME --password-stdin HOST < FILE",
            )
        name = username or input(f"name for {host}: ").strip()
        password = getpass.getpass(f"password of {name}: ")
    if not name or not password:
        raise UsageError("a login has a name and a password, and neither is empty")
    if ":" in name:
        raise UsageError(f'the name "{name}" has a ":" in it (RFC 7617 has no place for that)')
    return Credential(name, password)
