"""The page about the differences says what the table of differences does."""

import differences
import servers


def test_page_is_up_to_date():
    page = servers.ROOT / "docs" / "compat.md"
    remedy = "run: .venv/bin/python tests/conformance/differences.py > docs/compat.md"
    assert page.exists() and page.read_text() == differences.page(), remedy


def test_every_difference_has_to_be_met():
    everything = range(len(differences.DIFFERENCES))
    assert differences.unmet(everything) == []
    assert differences.unmet(everything[1:]) == [differences.DIFFERENCES[0].about]
