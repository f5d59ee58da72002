"""XML of untrusted files: entities and external references refused, element names without their namespaces."""

from __future__ import annotations

from typing import Any

from novelray.corpus.read.encodings import Unreadable


def parse_xml(data: bytes, name: str) -> Any:
    """The root element (`xml.etree`). Raises Unreadable for what is no XML, or declares entities."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        return fromstring(data)
    except DefusedXmlException:
        raise Unreadable(f"{name} declares XML entities, which are refused (an entity bomb?)") from None
    except (ParseError, ValueError, LookupError) as error:
        raise Unreadable(f"{name} is no valid XML: {str(error)[:100]}") from None


def local(element: Any) -> str:
    """An element's name without its namespace; "" for comments."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
