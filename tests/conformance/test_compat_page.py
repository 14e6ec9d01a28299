"""The table of differences: each is still there, and the page says so."""

import differences
import servers


def test_page_is_up_to_date():
    page = servers.ROOT / "docs" / "compat.md"
    remedy = "run: .venv/bin/python tests/conformance/differences.py > docs/compat.md"
    assert page.exists() and page.read_text() == differences.page(), remedy


def test_every_difference_was_met(request):
    chosen = request.session.testscollected
    if servers.self_test() or chosen < 1000:
        return  # only a run of the whole suite meets them all
    stale = [d.about for d in differences.DIFFERENCES if not d.met]
    assert not stale, f"no comparison met these any more, take them out: {stale}"
