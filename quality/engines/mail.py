"""Mail: the body."""

from __future__ import annotations

import os
from email import policy
from email.parser import BytesParser
from pathlib import Path


def standard(path: os.PathLike[str]) -> str:
    """The standard library's choice of the body, HTML through lxml."""
    from lxml import html

    with Path(path).open("rb") as file:
        body = BytesParser(policy=policy.default).parse(file).get_body(("plain", "html"))
    if body is None:
        return ""
    content = body.get_content()
    plain = body.get_content_subtype() != "html"
    return content if plain else html.fromstring(content).text_content()


def mail_parser(path: os.PathLike[str]) -> str:
    from lxml import html
    from mailparser import parse_from_file

    mail = parse_from_file(os.fspath(path))
    if mail.text_plain:
        return "\n".join(mail.text_plain)
    return "\n".join(html.fromstring(each).text_content() for each in mail.text_html)
