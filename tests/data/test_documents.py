"""Documents, mails, captures and media: what is shown, what is not shown, and what a damaged one still tells."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from email.message import EmailMessage
from pathlib import Path
from types import ModuleType
from typing import Any

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from pypdf.annotations import FreeText
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from mlguard.artifacts import Artifact, kind_of
from mlguard.errors import Unreadable
from mlguard.scanners import Context
from mlguard.scanners.dataset import formats
from mlguard.scanners.dataset.formats import expat, har, mail, markup, media, pdf
from mlguard.scanners.dataset.source import of_bytes

Rows = dict[str, list[dict[str, Any]]]
Texts = dict[str, list[str]]


def read(name: str, data: bytes) -> tuple[Rows, Texts, list[str]]:
    """Return the rows of each table without empty cells, the texts beside them, and what was missed."""
    rows: Rows = {}
    texts: Texts = {}
    missed: list[str] = []
    for table in formats.tables(of_bytes(name, data)):
        found = rows.setdefault(table.name, [])
        try:
            for batch in table.batches:
                found += [{key: value for key, value in row.items() if value is not None} for row in batch.to_pylist()]
        except Unreadable as trouble:
            missed.append(str(trouble))
        texts |= dict(table.texts)
        missed += [reason for _, reason in table.missed]
    return rows, texts, missed


def lines(rows: Rows, name: str = "") -> list[str]:
    return [row["(text)"] for row in rows[name]]


def zipped(members: dict[str, str | bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return target.getvalue()


# --- HTML


PAGE = b"""<!DOCTYPE html><html><head><meta name=author content="Mira Holm"><title>Staff</title><style>p{}</style>
<script>var owner = "tomas@kunde.intern";</script><script type="application/ld+json">{"email":"ines@kunde.intern"}</script></head>
<body><!-- call olga@kunde.intern --><p>Hello <b>you</b></p><a href="mailto:lea@kunde.intern">write</a>
<input type=hidden name=user value="kim@kunde.intern"><img alt="Mira at home" src=a.png>
<table><caption>People</caption><tr><th>name<th>mail<tr><td>A<td>a@kunde.intern<tr><td>B<td>b@kunde.intern</table>
<table><tr><td>one<td>row</table></body></html>"""


def test_tables_of_a_page_have_their_headers_and_layout_is_prose() -> None:
    rows, _, missed = read("data/a.html", PAGE)

    assert rows["People"] == [{"name": "A", "mail": "a@kunde.intern"}, {"name": "B", "mail": "b@kunde.intern"}]
    assert lines(rows) == ["Staff", "Hello you", "write", "People", "one", "row"]
    assert missed == []


def test_what_a_page_does_not_show_is_read() -> None:
    _, texts, _ = read("data/a.html", PAGE)

    assert texts == {
        "(meta)": ["author: Mira Holm"],
        "(scripts)": ['"tomas@kunde.intern"'],
        "(data of scripts)": ['{"email":"ines@kunde.intern"}'],
        "(comments)": ["call olga@kunde.intern"],
        "(attributes)": ["mailto:lea@kunde.intern", "Mira at home", "a.png"],
        "(fields)": ["user: kim@kunde.intern"],
    }


def test_page_in_an_old_encoding_is_read() -> None:
    rows, _, _ = read("a.html", "<html><meta charset=iso-8859-1><p>Müller</p>".encode("latin-1"))

    assert lines(rows) == ["Müller"]


@pytest.mark.parametrize(
    "piece",
    ["<!", "</", "<a ", "<![CDATA[", "&#", "<!--", "<", "<a b='", "<script>", "<a\n", "<![x", "<table><tr><td>"],
)
def test_page_of_unclosed_markup_ends_soon(piece: str) -> None:
    text = "<html><p>first</p>" + piece * (400_000 // len(piece))

    rows, _, _ = read("a.html", text.encode())

    assert lines(rows)[0] == "first"


# --- XML


def test_repeated_elements_are_records_with_their_attributes() -> None:
    rows, texts, missed = read(
        "data/a.xml",
        b"<?xml version='1.0'?><p:people xmlns:p='urn:x'><!-- by ines@kunde.intern --><p:info>made by Tom</p:info>"
        b"<p:person id='1'><name>A</name><home><city>X</city><phone>1</phone><phone>2</phone></home></p:person>"
        b"<p:person id='2'><name>B</name><mail>b@kunde.intern</mail></p:person></p:people>",
    )

    assert rows[""] == [
        {"@id": "1", "name": "A", "home.city": "X", "home.phone": "1\n2"},
        {"@id": "2", "name": "B", "mail": "b@kunde.intern"},
    ]
    assert texts == {"(comments)": ["by ines@kunde.intern"], "(around the records)": ["made by Tom"]}
    assert missed == []


def test_track_is_a_table_of_positions() -> None:
    track = (
        b"<gpx><trk><trkseg>"
        + b"".join(b"<trkpt lat='48.%d' lon='11.5'><time>t</time></trkpt>" % i for i in range(9))
        + b"</trkseg></trk></gpx>"
    )

    rows, _, _ = read("run.gpx", track)

    assert rows[""][0] == {"@lat": "48.0", "@lon": "11.5", "time": "t"}
    assert len(rows[""]) == 9


def test_records_before_a_break_are_kept() -> None:
    rows, _, missed = read(
        "a.xml", b"<people><person><name>A</name></person><person><name>B</name></person><person><na"
    )

    assert rows[""] == [{"name": "A"}, {"name": "B"}]
    assert missed == ["no well-formed XML to its end; what came before was read"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
            "declares entities, which are not resolved",
        ),
        (b"<!DOCTYPE x [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><x>&b;</x>", "declares entities, which are not resolved"),
        (b"<a>" * 10_000, f"elements are nested deeper than {expat.MAX_LEVELS}"),
        (b"<a " + b"x" * (expat.MAX_TAG_BYTES + 2**20), "a tag is longer than 16 MiB"),
        (b"<?xml version='1.0' encoding='x-none'?><a/>", "its encoding is not known"),
    ],
)
def test_hostile_xml_is_given_up_with_a_reason(data: bytes, reason: str) -> None:
    rows, _, missed = read("a.xml", data)

    assert rows == {"": []}
    assert missed == [reason]


# --- Mails


def letter() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Mira Hölm <mira@kunde.intern>"
    message["To"] = "tomas@kunde.intern"
    message["Subject"] = "Grüße"
    message["Message-ID"] = "<1@mail.kunde.intern>"
    message.set_content("Hello Tomas\ncall me\n")
    message.add_alternative("<p>Hi <b>Tomas</b> <a href='mailto:lea@kunde.intern'>w</a></p>", subtype="html")
    message.add_attachment(b"id,email\n1,a@kunde.intern\n", maintype="text", subtype="csv", filename="list.csv")
    message.add_attachment(zipped({"p.csv": "a,b\n1,2\n"}), maintype="application", subtype="zip", filename="p.zip")
    return message


def test_mail_is_headers_prose_and_attachments() -> None:
    rows, _, missed = read("a.eml", letter().as_bytes())

    assert rows == {
        "": [{"From": "Mira Hölm <mira@kunde.intern>", "To": "tomas@kunde.intern", "Subject": "Grüße"}],
        "(bodies)": [{"(text)": line} for line in ("Hello Tomas", "call me", "Hi Tomas w", "mailto:lea@kunde.intern")],
        "list.csv": [{"id": rows["list.csv"][0]["id"], "email": "a@kunde.intern"}],
        "p.zip > p.csv": rows["p.zip > p.csv"],
    }
    assert missed == []


def test_box_of_mails_is_parted() -> None:
    box = (
        b"From a@b Thu Jan  1 00:00:00 2026\n"
        + letter().as_bytes()
        + b"\n\nFrom c@d Thu Jan  1 00:00:00 2026\nFrom: q@kunde.intern\n\nbody two\n"
    )

    rows, _, _ = read("a.mbox", box)

    assert [row["From"] for row in rows[""]] == ["Mira Hölm <mira@kunde.intern>", "q@kunde.intern"]
    assert "body two" in lines(rows, "(bodies)")


def test_mail_of_parts_in_parts_is_given_up_but_for_its_lines() -> None:
    rows, _, missed = read(
        "a.eml", b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 3000 + b"write to mira@kunde.intern\n"
    )

    assert lines(rows, "(bodies)")[-1] == "write to mira@kunde.intern"
    assert missed == ["a mail with more than 50 parts in parts; only its lines were read"]


def test_cards_are_rows_with_columns_in_words() -> None:
    cards = (
        b"BEGIN:VCARD\r\nVERSION:3.0\r\nN:Holm;Mira;;;\r\nFN:Mira Holm\r\nTEL;TYPE=cell:+49 176 1\r\nitem1.EMAIL;type=INTERNET:mira@\r\n"
        b" kunde.intern\r\nNOTE;ENCODING=QUOTED-PRINTABLE:a=C3=A4=\r\nb\r\nX-FOO:bar\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:B\r\n"
    )

    rows, texts, _ = read("a.vcf", cards)

    assert rows[""] == [
        {
            "full name": "Mira Holm",
            "name": "Holm Mira",
            "phone": "+49 176 1",
            "email": "mira@kunde.intern",
            "note": "aäb",
        },
        {"full name": "B"},
    ]
    assert texts == {"(further properties)": ["bar"]}


def test_events_name_who_was_invited() -> None:
    calendar = b'BEGIN:VCALENDAR\nBEGIN:VEVENT\nORGANIZER;CN="Mira: H":mailto:m@kunde.intern\nATTENDEE;CN=Tom;ROLE=R:mailto:t@kunde.intern\nSUMMARY:S\\, x\nEND:VEVENT\n'

    rows, _, _ = read("a.ics", calendar)

    assert rows[""] == [
        {
            "organizer email": "m@kunde.intern",
            "organizer name": "Mira: H",
            "attendee email": "t@kunde.intern",
            "attendee name": "Tom",
            "summary": "S, x",
        }
    ]


# --- Captures


ENTRY = {
    "request": {
        "url": "https://shop.example/p?email=mira%40kunde.intern",
        "headers": [
            {"name": "Authorization", "value": "Bearer hidden"},
            {"name": "X-Forwarded-For", "value": "81.2.3.4"},
        ],
        "queryString": [{"name": "email", "value": "mira@kunde.intern"}],
        "cookies": [{"name": "uid", "value": "77"}],
        "postData": {
            "mimeType": "application/json",
            "text": '{"user": {"mails": ["a@kunde.intern", "b@kunde.intern"]}}',
        },
    },
    "response": {"content": {"mimeType": "text/html", "text": "<p>Hello Mira</p>"}},
}


def test_capture_is_columns_by_name_and_bodies_as_prose() -> None:
    rows, _, missed = read("a.har", json.dumps({"log": {"entries": [ENTRY, ENTRY]}}).encode())

    assert rows[""] == 2 * [
        {
            "url": "shop.example/p", "query.email": "mira@kunde.intern", "cookie.uid": "77", "request.X-Forwarded-For": "81.2.3.4",
            "form.user.mails": "a@kunde.intern\nb@kunde.intern",
        }
    ]  # fmt: skip
    assert lines(rows, "(bodies)") == 2 * ["<p>Hello Mira</p>"]
    assert missed == []


def test_capture_cut_short_keeps_what_came_before_and_says_so() -> None:
    data = json.dumps({"log": {"entries": [ENTRY, ENTRY, ENTRY]}}).encode()

    rows, _, missed = read("a.har", data[:-100])

    assert (len(rows[""]), missed) == (2, ["the capture ends early, or is no valid JSON"])


def test_capture_without_entries_is_no_empty_one() -> None:
    assert read("a.har", b'{"log": {}}')[2] == ["no capture of HTTP traffic: it has no list of entries"]


# --- PDF


def made_pdf(texts: list[bytes], picture: bool = False, password: str = "") -> bytes:
    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(300, 300)
    stream = StreamObject()
    stream.set_data(b"BT /F1 12 Tf 10 280 Td 14 TL " + b"".join(b"(%s) Tj T* " % text for text in texts) + b"ET")
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    page[NameObject("/Contents")] = writer._add_object(stream)
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): writer._add_object(font)})}
    )
    if picture:
        scan = writer.add_blank_page(300, 300)
        image = StreamObject()
        image.set_data(bytes(100))
        image[NameObject("/Subtype")] = NameObject("/Image")
        scan[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/XObject"): DictionaryObject({NameObject("/I"): writer._add_object(image)})}
        )
    writer.add_metadata({"/Author": "Mira Holm"})
    writer.add_attachment("list.csv", b"id,email\n1,a@kunde.intern\n")
    writer.add_annotation(0, FreeText(text="ask tomas@kunde.intern", rect=(0, 0, 10, 10)))
    if password:
        writer.encrypt(password, algorithm="AES-256")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def test_pdf_is_its_text_notes_properties_and_attached_files() -> None:
    rows, texts, missed = read("a.pdf", made_pdf([b"Dear mira@kunde.intern", b"second"]))

    assert lines(rows) == ["Dear mira@kunde.intern", "second"]
    assert rows["list.csv"][0]["email"] == "a@kunde.intern"
    assert "Author: Mira Holm" in texts["(properties)"]
    assert texts["(notes)"] == ["ask tomas@kunde.intern"]
    assert missed == []


def test_page_that_is_a_picture_is_said() -> None:
    assert read("a.pdf", made_pdf([b"x"], picture=True))[2] == [
        "1 of 2 pages hold no text; pictures of text were not read"
    ]


def test_form_is_a_row_with_the_names_of_its_fields() -> None:
    from pypdf.generic import ArrayObject, TextStringObject

    writer = pypdf.PdfWriter(io.BytesIO(made_pdf([b"x"])), full=True)
    field = DictionaryObject(
        {
            NameObject("/FT"): NameObject("/Tx"),
            NameObject("/T"): TextStringObject("email"),
            NameObject("/V"): TextStringObject("mira@kunde.intern"),
        }
    )
    writer.root_object[NameObject("/AcroForm")] = DictionaryObject(
        {NameObject("/Fields"): ArrayObject([writer._add_object(field)])}
    )
    target = io.BytesIO()
    writer.write(target)

    assert read("a.pdf", target.getvalue())[0]["form"] == [{"email": "mira@kunde.intern"}]


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7\n", made_pdf([b"x"], password="hidden"), made_pdf([b"x"])[:200]], ids=["head", "locked", "cut"]
)
def test_pdf_that_cannot_be_read_is_no_empty_one(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read("a.pdf", data)


# --- Documents


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def run(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


DOCX = zipped(
    {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": f'<w:document {W}><w:body><w:p><w:r><w:t>Dear </w:t></w:r><w:r><w:t>Mira</w:t></w:r></w:p>'
        '<w:p><w:del w:author="Tom Kunde"><w:r><w:delText>lea@kunde.intern</w:delText></w:r></w:del></w:p>'
        f"<w:tbl><w:tr><w:tc>{run('name')}</w:tc><w:tc>{run('email')}</w:tc></w:tr><w:tr><w:tc>{run('A')}</w:tc><w:tc>{run('a@kunde.intern')}</w:tc></w:tr></w:tbl>"
        '<w:p><w:r><w:instrText> HYPERLINK "mailto:x@kunde.intern"</w:instrText></w:r></w:p></w:body></w:document>',
        "word/header1.xml": f"<w:hdr {W}>{run('Ward 7')}</w:hdr>",
        "word/comments.xml": f'<w:comments {W}><w:comment w:author="Ines Moor">{run("call her")}</w:comment></w:comments>',
        "docProps/core.xml": '<c:coreProperties xmlns:c="c" xmlns:dc="d"><dc:creator>Mira Holm</dc:creator></c:coreProperties>',
        "word/_rels/document.xml.rels": '<Relationships><Relationship TargetMode="External" Target="mailto:q@kunde.intern"/></Relationships>',
    }
)  # fmt: skip


def test_text_document_is_prose_tables_and_what_was_deleted() -> None:
    rows, texts, missed = read("a.docx", DOCX)

    assert lines(rows) == ["Dear Mira", "Ward 7"]
    assert rows["table 1"] == [{"name": "A", "email": "a@kunde.intern"}]
    assert texts == {
        "(authors)": ["Ines Moor", "Tom Kunde"],
        "(comments)": ["call her"],
        "(deleted)": ["lea@kunde.intern"],
        "(links)": ['HYPERLINK "mailto:x@kunde.intern"', "mailto:q@kunde.intern"],
        "(properties)": ["creator: Mira Holm"],
    }
    assert missed == []


def test_open_document_is_read_with_its_notes_and_deletions() -> None:
    content = (
        '<office:document-content xmlns:office="o" xmlns:text="t" xmlns:table="tb" xmlns:dc="d"><text:tracked-changes><text:changed-region><text:deletion>'
        "<text:p>gone</text:p></text:deletion></text:changed-region></text:tracked-changes><text:p>Hello <text:span>you</text:span><office:annotation>"
        "<dc:creator>Kim</dc:creator><text:p>note it</text:p></office:annotation> all</text:p></office:document-content>"
    )

    rows, texts, _ = read(
        "a.odt",
        zipped(
            {
                "mimetype": "application/vnd.oasis.opendocument.text",
                "META-INF/manifest.xml": "<m/>",
                "content.xml": content,
            }
        ),
    )

    assert lines(rows) == ["Hello you all"]
    assert texts == {"(deleted)": ["gone"], "(authors)": ["Kim"], "(comments)": ["note it"]}


def test_slides_come_in_their_order() -> None:
    slides: dict[str, str | bytes] = {
        f"ppt/slides/slide{n}.xml": f'<p:sld xmlns:p="p" xmlns:a="a"><a:p><a:r><a:t>slide {n}</a:t></a:r></a:p></p:sld>'
        for n in (1, 10, 2)
    }

    rows, _, _ = read("a.pptx", zipped({"ppt/presentation.xml": "<p/>", **slides}))

    assert lines(rows) == ["slide 1", "slide 2", "slide 10"]


def test_document_whose_text_is_damaged_is_said() -> None:
    rows, _, missed = read("a.docx", zipped({"word/document.xml": f"<w:document {W}>{run('kept')}<w:p><w:r"}))

    assert lines(rows) == ["kept"]
    assert missed == ["a part of the document: no well-formed XML to its end; what came before was read"]


# --- Media


def photo(kind: str = "JPEG", position: bool = True, **more: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0110] = "Phone 12"
    if position:
        exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (11.0, 33.0, 1.5)})
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, kind, **{"exif": exif, **more})
    return target.getvalue()


def marks(data: bytes) -> set[str]:
    return media.look(io.BytesIO(data), len(data), data[: media.HEAD_BYTES])


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description exif:GPSLatitude="48,12N" aux:SerialNumber="77"><Iptc4xmpExt:PersonInImage>'
    b"<rdf:Bag><rdf:li>Mira</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_position_of_a_picture_is_found(kind: str) -> None:
    data = photo(kind)

    assert kind_of(f"a.{kind.lower()}", data) == "image"
    assert marks(data) == {"position"}
    assert marks(photo(kind, position=False)) == set()


def test_position_that_was_never_set_is_none() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)})

    assert marks(photo(exif=exif)) == set()


def test_position_behind_the_pixels_of_a_tiff_file_is_found() -> None:
    pixels = bytes(2**20)
    gps = struct.pack("<H", 2) + b"".join(struct.pack("<HHII", tag, 5, 3, 8) for tag in (2, 4)) + bytes(4)
    head = struct.pack("<2sHI", b"II", 42, 8 + 24 + len(pixels))
    data = head + struct.pack("<6I", 48, 1, 12, 1, 30, 1) + pixels
    data += struct.pack("<HHHII", 1, 0x8825, 4, 1, len(data) + 18) + bytes(4) + gps

    assert marks(data) == {"position"}


def test_camera_owner_and_comments_are_found_and_programs_are_no_authors() -> None:
    exif = Image.Exif()
    exif[0x010E] = "write to mira@kunde.intern"
    exif.get_ifd(0x8769).update({0xA431: "SN12345", 0xA430: "Tom Kunde"})

    assert marks(photo(exif=exif)) == {"serial", "owner", "contact"}
    assert marks(photo(exif=_artist("Adobe Photoshop 24.0"))) == set()
    assert marks(photo(exif=_artist("Mira Holm"))) == {"owner"}


def _artist(name: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x013B] = name
    return exif


@pytest.mark.parametrize("zipped_text", [False, True])
def test_persons_and_positions_in_xmp_are_found(zipped_text: bool) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=zipped_text)

    assert marks(photo("PNG", False, pnginfo=info)) == {"position", "serial", "persons"}
    assert marks(photo("JPEG", False, xmp=XMP)) == {"position", "serial", "persons"}


def test_film_and_sound_tell_where_they_were_made() -> None:
    film = struct.pack(">I4s4sI", 16, b"ftyp", b"mp42", 0) + struct.pack(">I4s", 4096 + 8, b"mdat") + bytes(4096)
    place = b"\xa9xyz\x00\x12\x15\xc7+48.2083+011.5500/"
    film += (
        struct.pack(">I4s", len(place) + 20, b"moov")
        + struct.pack(">I4s", len(place) + 12, b"udta")
        + struct.pack(">I", len(place) + 4)
        + place
    )
    comment = b"LOCATION=48.2083;11.5500"
    vorbis = struct.pack("<I", 4) + b"test" + struct.pack("<II", 1, len(comment)) + comment
    sound = b"fLaC" + b"\x84" + len(vorbis).to_bytes(3, "big") + vorbis

    assert (marks(film), marks(sound)) == ({"position"}, {"position"})


def test_folder_of_pictures_gives_one_finding_for_each_kind_of_trace(tmp_path: Path) -> None:
    data, plain = photo(), photo(position=False)
    artifacts = []
    for i in range(60):
        path = f"photos/{'a' if i % 2 else 'b'}/{i}.jpg"
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(plain if i % 3 else data)
        artifacts.append(Artifact(path, "image", len(data)))

    found = [record for group in media.groups(artifacts) for record in media.scan(group, Context(tmp_path))]

    assert [(one.check, one.scope, one.facts["count"], one.facts["of"]) for one in found] == [
        ("position", "photos/a", 10, 30),
        ("position", "photos/b", 10, 30),
    ]


# --- Any bytes


SAMPLES: dict[str, tuple[ModuleType, bytes]] = {
    "a.html": (markup, PAGE),
    "a.xml": (markup, b"<p><r a='1'><n>x</n></r><r a='2'><n>y</n></r></p>"),
    "a.eml": (mail, letter().as_bytes()),
    "a.mbox": (mail, b"From a\n" + letter().as_bytes()),
    "a.vcf": (mail, b"BEGIN:VCARD\nFN;X=\"a:b\":M\nTEL:1\nEND:VCARD\n"),
    "a.har": (har, json.dumps({"log": {"entries": [ENTRY]}}).encode()),
    "a.pdf": (pdf, made_pdf([b"x"], picture=True)),
    "a.docx": (formats, DOCX),
}  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_damage_ends_in_tables_or_in_a_reason(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SAMPLES)))
    module, sample = SAMPLES[name]
    damaged = bytearray(sample)
    for _ in range(data.draw(st.integers(0, 10))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(
            st.sampled_from(b"<>&;:=\"'/[]{}()\0\n\r \xff\xc3aZ09-")
        )
    cut = data.draw(st.integers(0, len(damaged)))

    try:
        for table in module.tables(of_bytes(name, bytes(damaged[:cut]))):
            for _ in table.batches:
                pass
    except Unreadable:
        pass


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_media_never_fail(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from([photo(kind) for kind in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")])))
    for _ in range(data.draw(st.integers(0, 10))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))

    marks(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
