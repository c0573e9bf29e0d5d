"""An e-invoice: the XML of EN 16931 in its Factur-X form, and the PDF that says that it carries one. PRODUCT 6.

The XML is the factur-x library's, held against the standard's schema each time; the typesetter puts it into the page's
file as PDF/A-3b. What is left to say is who it is for a reader of the file's own metadata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

FILE_NAME: Final = "factur-x.xml"  # the one name that Factur-X allows
NIL: Final = b' xsi:nil="true"'  # the library leaves it on what is empty, which the schema does not allow
NAMESPACE: Final = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
PROPERTIES: Final = (  # of the file's metadata: name, what it is, its value
    ("DocumentFileName", "The name of the embedded XML document", FILE_NAME),
    ("DocumentType", "The type of the hybrid document in capital letters, e.g. INVOICE or ORDER", "INVOICE"),
    ("Version", "The actual version of the standard applying to the embedded XML document", "1.0"),
    ("ConformanceLevel", "The conformance level of the embedded XML document", "EN 16931"),
)
_METADATA: Final = re.compile(
    rb"(\d+) 0 obj\n(<<[^>]*/Type/Metadata[^>]*>>)\nstream\n(.*?)\nendstream\nendobj", re.DOTALL
)
_TRAILER: Final = re.compile(rb"trailer\n<<(.*?)>>\nstartxref\n(\d+)\n%%EOF\s*\Z", re.DOTALL)


class NoEInvoice(ValueError):
    """What was said cannot be an e-invoice; the message says why."""


def factur_x(facts: Mapping[str, Any]) -> str:
    """The XML for facts named by EN 16931's business terms (BT-1, BG-25 …). Raises NoEInvoice.

    The same facts give the same XML.
    """
    from facturx import generate_cii_xml, xml_check_xsd  # heavy: only the function that renders documents carries it

    try:
        xml: bytes = generate_cii_xml(_copied(facts), level="en16931", check_xsd=False, check_schematron=None)
        xml = xml.replace(NIL, b"")
        xml_check_xsd(xml, flavor="factur-x", level="en16931")
    except Exception as refused:
        raise NoEInvoice(str(refused)) from refused
    return xml.decode("utf-8")


def _copied(value: Any) -> Any:
    """The library changes what it is given."""
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list | tuple) else value


def declared(pdf: bytes) -> bytes:
    """The typesetter's file with the metadata of Factur-X, added behind its end as PDF has it for changes."""
    metadata, trailer = _METADATA.search(pdf), _TRAILER.search(pdf)
    if metadata is None or trailer is None:
        raise ValueError("the typesetter's file is not built as expected")
    number, xmp = metadata[1], _declared(metadata[3].decode("utf-8")).encode("utf-8")
    start = len(pdf) + (0 if pdf.endswith(b"\n") else 1)
    stream = b"%s 0 obj\n<</Type/Metadata/Subtype/XML/Length %d>>\nstream\n%s\nendstream\nendobj\n" % (
        number,
        len(xmp),
        xmp,
    )
    table = b"xref\n%s 1\n%010d 00000 n\r\n" % (number, start)
    end = b"trailer\n<<%s/Prev %s>>\nstartxref\n%d\n%%%%EOF\n" % (trailer[1], trailer[2], start + len(stream))
    return pdf + (b"" if pdf.endswith(b"\n") else b"\n") + stream + table + end


def _declared(xmp: str) -> str:
    """With the four properties of Factur-X, and the schema that PDF/A wants of properties it does not know."""
    described = "".join(
        f'<rdf:li rdf:parseType="Resource"><pdfaProperty:name>{name}</pdfaProperty:name>'
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType><pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{what}</pdfaProperty:description></rdf:li>"
        for name, what, _ in PROPERTIES
    )
    schema = (
        '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>'
        f"<pdfaSchema:namespaceURI>{NAMESPACE}</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{described}</rdf:Seq></pdfaSchema:property></rdf:li>"
    )
    values = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, _, value in PROPERTIES)
    said = f'<rdf:Description rdf:about="" xmlns:fx="{NAMESPACE}">{values}</rdf:Description>'
    for place, addition in (("</rdf:Bag></pdfaExtension:schemas>", schema), ("</rdf:RDF>", said)):
        if place not in xmp:
            raise ValueError("the typesetter's metadata is not built as expected")
        xmp = xmp.replace(place, addition + place, 1)
    return xmp
