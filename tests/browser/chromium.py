"""What the browser's tests share: a served world, a window of Chromium, and axe-core's findings."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from infra.local.app import App
from infra.local.server import Server

CHROMIUM = shutil.which("chromium")
AXE = Path(__file__).parents[2] / ".local" / "axe" / "axe.min.js"
WIDTHS = {"desk": (1280, 900), "phone": (390, 844)}
SERIOUS = ("serious", "critical")

MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None or not AXE.exists(), reason="make browser brings Chromium and axe-core"),
]


@contextmanager
def served(world):
    server = Server(App(world.cloud), 0)
    thread = Thread(target=server.serve)
    thread.start()
    try:
        yield server.url
    finally:
        server.stop()
        thread.join()


@contextmanager
def window(chromium, width="desk", scheme="light", **options):
    """A page in a context of its own; nothing may go wrong in its scripts or by its policy."""
    wide, high = WIDTHS[width]
    context = chromium.new_context(viewport={"width": wide, "height": high}, color_scheme=scheme, **options)
    page = context.new_page()
    wrong = []
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: wrong.append(str(e)))
    yield page
    context.close()
    assert [text for text in wrong if "Failed to load resource" not in text] == []


def violations(page):
    """What axe-core finds. It is read into the page by the driver, past the page's own policy."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [(v["id"], n["html"][:120]) for v in found if v["impact"] in SERIOUS for n in v["nodes"]]


def look_at(page, name):
    """No serious fault, nothing wider than the screen; with SHOTS=folder, a picture of it there."""
    page.wait_for_load_state("networkidle")
    if shots := os.environ.get("SHOTS"):
        page.screenshot(path=f"{shots}/{name}.png", full_page=True)
    assert violations(page) == [], name
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
