"""The page holds everything it shows, says the same each time, and trusts no text that it is given."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from prism_photonics.circuit.sparameter_files import write_touchstone
from prism_photonics.circuit.sparameters import SParameters
from prism_photonics.report.page import write_report, write_spectrum
from prism_photonics.units import InputError


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "chip.png"
    Figure(figsize=(1, 1)).savefig(path)
    return path


@pytest.fixture(scope="module")
def page(told, picture, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, picture=picture, **vars(told))
    return path.read_text(encoding="utf-8")


def test_a_file_name_is_shown_as_text_and_never_as_markup(page):
    assert "keys &lt;b&gt;&amp;amp; more&lt;/b&gt;.npz" in page
    assert "<b>&amp; more</b>" not in page


def test_every_scorer_and_head_has_its_line(page):
    for scorer in ("ideal", "behavioral", "chip"):
        for head in ("0", "1", "all"):
            assert f"<tr><td>{scorer}</td><td>{head}</td>" in page
    assert page.count('src="data:image/') == page.count("src=") == 5


def test_of_a_full_die_its_own_accuracy_comes_first_and_that_of_the_model_class_second(told, picture, page, tmp_path):
    assert "of a die of the fit's own model class" in page
    full = told.summary | {"die": "virtual:0,full", "accuracy_bits": 11.71, "accuracy_bits_of_model_class": 12.29}
    write_report(tmp_path / "report.html", picture=picture, **vars(told) | {"summary": full})
    found = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert found.index("11.7 bits</b>") < found.index("of a full die") < found.index("12.3 bits</span>")


def test_the_same_numbers_give_the_same_page(told, picture, page, tmp_path):
    write_report(tmp_path / "report.html", picture=picture, **vars(told))
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page


def test_drawing_leaves_matplotlib_as_it_was(small, tmp_path):
    before = dict(mpl.rcParams)
    first, second = (write_spectrum(tmp_path / name, small).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second
    assert dict(mpl.rcParams) == before


def test_a_missing_number_is_an_error_and_never_an_empty_cell(told, picture, tmp_path):
    import jinja2

    lacking = {**vars(told), "summary": {k: v for k, v in told.summary.items() if k != "spec_hash"}}
    with pytest.raises(jinja2.UndefinedError, match="spec_hash"):
        write_report(tmp_path / "report.html", picture=picture, **lacking)
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_cannot_be_written_is_refused(told, picture, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="a file stands where a folder should"):
        write_report(tmp_path / "file" / "report.html", picture=picture, **vars(told))


def test_what_reaches_each_row_with_parts_of_others_has_a_line(told, picture, altered, tmp_path):
    wl_um, s = np.linspace(1.53, 1.57, 5), np.zeros((5, 2, 2), complex)
    s[:, 1, 0] = s[:, 0, 1] = 0.8
    part = write_touchstone(SParameters("c", ("o1", "o2"), wl_um, s), tmp_path / "own.s2p")
    spec = altered(told.spec, coupler={"sparameters": str(part)})
    feed = [{"bank": "chip", "arriving_dB": [[-5.0, -6.0, -7.0]] * 2, "change_dB": [[0.5, 0.25, 0.0]] * 2}]
    given = {**vars(told), "spec": spec, "summary": {**told.summary, "feed": feed}}
    write_report(tmp_path / "report.html", picture=picture, **given)
    page = (tmp_path / "report.html").read_text()
    assert "The edge coupler is own.s2p's" in page
    assert str(tmp_path) not in page  # a page may be shown to others
    assert page.count("<td>-6.00</td><td>+0.25</td><td>2.00</td>") == 2
